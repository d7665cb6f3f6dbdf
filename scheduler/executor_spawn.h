/* executor_spawn.h: an executor as a child process of the driver, by exec of this program. */
#ifndef RDD_EXECUTOR_SPAWN_H
#define RDD_EXECUTOR_SPAWN_H

#include "error.h"

#include <sys/types.h>

typedef struct executor_child {
    pid_t pid;    /* of its guardian, and the number of their session and process group */
    int in_fd;    /* what it writes; does not block */
    int out_fd;   /* what it reads; does not block */
} executor_child;

/* The executor ends with the thread that calls this, as it does with the process. */
int executor_spawn(executor_child *ret, rdd_error *err);

/* Closes the channel and gives the executor `patience_ns` to end by itself, which ends everything
 * below it; then its guardian is told to end it, and as the last resort its process group is killed.
 * Says how it ended: "its process exited with status 1". */
void executor_end(executor_child *c, uint64_t patience_ns, char *text, size_t size);

#endif
