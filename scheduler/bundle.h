/* bundle.h: this program as files: the executable, every library it has loaded, the loader.
 *
 * Made once, when the first node is to be reached. Each file is known by its content's hash, so a
 * program that was built again sends only itself. See deploy.h for what happens to it.
 */
#ifndef RDD_BUNDLE_H
#define RDD_BUNDLE_H

#include "arena.h"
#include "error.h"

typedef struct bundle_file {
    const char *path;    /* here */
    const char *name;    /* in the bundle: a soname; "program"; "loader" */
    char hash[33];       /* XXH3-128 of its bytes, as hex */
    uint64_t size;
} bundle_file;

typedef struct bundle {
    arena memory;
    char hash[33];       /* of names and hashes of all files: what the bundle is called */
    const char *machine; /* "Linux x86_64", as uname -sm has it */
    bundle_file *files;  /* loader first, program second */
    size_t count;
    uint64_t size;
} bundle;

/* Reads all files once. What cannot travel (a library linked by a path or without a soname, a file
 * that is not the one that is mapped any more) is an error that names it. */
int bundle_make(bundle **ret, rdd_error *err);
void *bundle_free(bundle *b);

#endif
