/* workdir.h: the private directory that an executor's tasks run in.
 *
 * BASE/rdd-NUMBER/tasks is the working directory; BASE/rdd-NUMBER/lock beside it is locked for as long
 * as the executor lives, so that what one left behind that was killed is known, and removed by the
 * next. The supervisor makes it before it starts workers, which inherit it. Files that the user sent
 * along are in it: as symbolic links into the cache, which is the same for all and must stay as it is, or,
 * if this user can write there all the same (root), as copies.
 */
#ifndef RDD_WORKDIR_H
#define RDD_WORKDIR_H

#include "error.h"

typedef struct workdir {
    char *path;  /* BASE/rdd-NUMBER; NULL: none */
    char *base;
    int lock_fd;
} workdir;

/* Makes BASE/rdd-NUMBER, and goes there. `files`: a directory whose entries appear in it; `list`: paths
 * with commas between, which appear by their base names. Either may be NULL or "". */
int workdir_open(workdir *ret, const char *base, uint64_t number, const char *files,
                 const char *list, rdd_error *err);

/* Leaves it and removes it. Accepts one that is all zeros. */
void workdir_close(workdir *w);

/* Removes what dead executors left in `base`. From any thread. Ends early when *stop becomes true. */
void workdir_sweep(const char *base, const _Atomic bool *stop);

#endif
