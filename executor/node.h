/* node.h: what an executor has on its machine besides its processes: its tasks' directory and its
 * share of the cache it was deployed from.
 *
 * Whoever starts the supervisor says so in its environment: RDD_WORK is where to make the directory
 * (unset: none, tasks run where the driver does), RDD_FILES a directory whose entries appear in it,
 * RDD_FILE_LIST paths that do, for an executor beside its driver (executor_spawn.c). A deployed one
 * also has RDD_CACHE, RDD_START and RDD_BUNDLE (scheduler/deploy_script.c). The supervisor enters
 * before it starts workers and leaves after they ended; the variables go, as a program that a task
 * starts may be a driver of its own. Workers then find the certificates of
 * authorities that came along by RDD_CA_FILE.
 */
#ifndef RDD_NODE_H
#define RDD_NODE_H

#include "error.h"
#include "node_cache.h"
#include "workdir.h"

#include <pthread.h>

typedef struct node {
    workdir work;
    node_cache cache;
    pthread_t cleaner;        /* removes what others left */
    bool cleaning;
    _Atomic bool stop;
} node;

/* Does not move: a thread has its address. */
int node_enter(node *n, rdd_error *err);
void node_leave(node *n);

/* Where a relative path of the driver's begins, for openat(): AT_FDCWD, unless this executor runs
 * beside its driver in a directory of its own. From any thread. */
int node_driver_directory(void);

#endif
