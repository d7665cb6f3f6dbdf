/* bundle_parts.h: between bundle.c (files and hashes) and bundle_objects.c (what this process has
 * mapped). For these two alone. */
#ifndef RDD_BUNDLE_PARTS_H
#define RDD_BUNDLE_PARTS_H

#include "bundle.h"

/* Appends a file, without its hash yet; takes `fd` also when it fails. `name` and `path` are copied. */
int bundle_add(bundle *b, const char *name, const char *path, int fd, rdd_error *err);

/* Adds the loader, the program and its libraries. */
int bundle_add_objects(bundle *b, rdd_error *err);

#endif
