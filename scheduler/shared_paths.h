/* shared_paths.h: which files all nodes see under the same name (--conf shared=DIRECTORY,…).
 *
 * Asked on the driver, when a source is declared and when an output is opened.
 */
#ifndef RDD_SHARED_PATHS_H
#define RDD_SHARED_PATHS_H

#include "arena.h"
#include "error.h"

/* Whether `path` is below one of the directories, when all links in it are followed; *ret is then
 * the path to give to nodes, in `a`, and otherwise NULL. A path that is not there yet counts as
 * what of it is there. */
int shared_path(const char *path, arena *a, const char **ret, rdd_error *err) MUST_CHECK;

#endif
