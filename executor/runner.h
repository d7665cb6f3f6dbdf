/* runner.h: runs one task. Plan and descriptor in, an outcome out.
 *
 * A runner belongs to one slot (one thread) and keeps what a slot keeps from task to task: arenas,
 * fibers, the HTTP engine with its connections. It knows nothing of SSH, sockets or the scheduler:
 * the same task runs in a thread of the driver, in a worker process, on a node over SSH.
 */
#ifndef RDD_RUNNER_H
#define RDD_RUNNER_H

#include "plan.h"
#include "task.h"

typedef struct runner runner;

/* Where a crash handler finds what a slot was doing; plain memory that another process may map.
 * Written by the slot with relaxed stores, so it is cheap enough for each batch. */
typedef struct slot_state {
    _Atomic uint32_t busy;      /* 1 while a task runs */
    _Atomic uint32_t stage, partition, attempt;
    _Atomic uint32_t node;      /* operator node of the plan that runs now */
    _Atomic uint64_t batch;     /* how many batches that operator has begun */
    _Atomic uint64_t records;   /* elements that reached the end of the chain, for progress */
} slot_state;

/* `state` outlives the runner; not NULL. One runner for each slot; call from the slot's thread. */
int runner_new(runner **ret, slot_state *state, rdd_error *err);
void *runner_free(runner *r);

/* The driver's files are not here: its tasks read and write them through `files`, which outlives
 * the runner. Before the first task. */
struct remote_files;
void runner_set_files(runner *r, struct remote_files *files);

/* The next result is made in this memory of malloc()'s, which is taken over, as far as it suffices; NULL is
 * fine. */
void runner_lend(runner *r, char *heap);

/* Runs `task` of `plan` to its end. Never fails itself: what goes wrong is in the outcome. */
void runner_run(runner *r, const plan *p, const task_spec *task, outcome *ret);

/* Whether this thread runs a task: then that fails with *err, as what its operator called is for the driver
 * only. */
bool runner_refuses(const char *call, const char *site, rdd_error *err);

/* Asks the task that runs now to stop soon, from any thread. The outcome is OUTCOME_CANCELLED
 * unless the task had ended. A runner that is idle is not affected. `id` guards against races: only
 * that task is cancelled. */
void runner_cancel(runner *r, task_id id);

/* Calls of the task that runs now which wait for leave look again. From any thread. */
void runner_nudge(runner *r);

#endif
