/* runner_parts.h: what a slot keeps from task to task, for the files that make up the runner:
 * runner.c, the fiber operators (narrow_partitions.c, concurrent.c) and http calls (calls.c). */
#ifndef RDD_RUNNER_PARTS_H
#define RDD_RUNNER_PARTS_H

#include "arena.h"
#include "buf.h"
#include "runner.h"

#include <pthread.h>
#include <stdatomic.h>

struct runner {
    slot_state *state;
    arena memory; /* task lifetime */
    buf result;
    atomic_bool cancelled;
    struct remote_files *files; /* NULL: the driver's files can be opened */
    pthread_mutex_t mutex;
    /* under the mutex */
    bool busy;
    task_id current;
    /* made when first needed; the pointer is written under the mutex, by the slot's thread */
    struct fiber_pool *fibers;
    struct http_engine *http;
};

/* The slot's fibers and HTTP engine, made at the first call; NULL fails the run. */
struct fiber_pool *runner_fibers(runner *r, rdd_error *err);
struct http_engine *runner_http(runner *r, rdd_error *err);

/* Makes pending calls return at once; under the mutex. */
void runner_http_cancel(runner *r);
/* Lets calls be made again; under the mutex. */
void runner_http_resume(runner *r);
/* Calls that wait for leave look again; under the mutex. */
void runner_http_nudge(runner *r);
void runner_http_free(runner *r);

#endif
