/* input_paths.h: from a path that a user wrote to the files that it means.
 *
 * Called on the driver, when a source is declared. Standard input ("-") is spooled first, with
 * input_spool(), and is then a file like any other.
 */
#ifndef RDD_INPUT_PATHS_H
#define RDD_INPUT_PATHS_H

#include "input.h"

/* The files of `count` paths: each a file, a directory (its regular files by name, without those
 * that begin with . or _, and without its subdirectories) or a glob (if no file has that very
 * name; directories that it matches count as if written). In the order of the paths, and within a
 * path in byte order of the names. A path that gives no file is an error, as is a file that cannot
 * be read, one that is no regular file, one whose size is not known (/proc), or one called .gz or .zst
 * that is not, or a URL of whatever scheme. Everything lives in the arena. */
int input_paths_expand(const char *const *paths, size_t count, arena *a, input_file **ret_files,
                       size_t *ret_count, rdd_error *err) MUST_CHECK;

/* How many bytes the scheme of a URL has, as s3 of "s3://x/y"; 0 for a path. */
size_t path_scheme_size(const char *path);

/* One file, as input_paths_expand() would give it; `name` NULL means the path. */
int input_file_stat(const char *path, const char *name, arena *a, input_file *ret,
                    rdd_error *err) MUST_CHECK;

/* What came from a pipe, kept in a file that has no name and so disappears with the process. All
 * zeros is no spool. */
typedef struct input_spool {
    int fd;          /* keeps the file alive */
    char *path;      /* under which this machine's processes of this user can open it meanwhile */
    char *temporary; /* a name that is still to be removed, only where there is no /proc */
} input_spool;

/* Reads `fd` to its end into a file under $TMPDIR (else /var/tmp, else /tmp). A full disk is an
 * error that says so, and nothing is left behind. `name` is for messages. */
int input_spool_fd(int fd, const char *name, input_spool *ret, rdd_error *err) MUST_CHECK;
void input_spool_release(input_spool *spool);

#endif
