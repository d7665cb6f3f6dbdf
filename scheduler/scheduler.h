/* scheduler.h: decides which task runs where, and when, and what an outcome means.
 *
 * A pure state machine: (state, event, now) -> commands (event.h). The driver's scheduler thread
 * pumps it: takes an event, calls scheduler_step(), carries out the commands, frees the event.
 * Tests and the simulator do the same without threads. One thread at a time uses a scheduler.
 *
 * The rules, in short:
 *   - Jobs are served first in, first out; what one job leaves free, the next one gets. With `fair`
 *     the pool that has the smallest share for its weight is served, in it the job that has least.
 *   - A stage starts when its parents are done. Its tasks start in partition order; tasks that run
 *     again go first.
 *   - An executor gets tasks for its slots, and beyond them as many as it will finish within
 *     `prefetch_ns`, going by how long this stage's tasks ran; never more than have been seen to
 *     finish. Slow tasks wait here, not in an executor's queue, so that whoever is free takes them.
 *   - FAILED and CRASHED cost the task an attempt, and after `attempts_max` the job fails with the
 *     first cause; at once when the cause is one that another attempt would meet again (bad data, a
 *     limit, a spent budget). A task runs again elsewhere than where it failed, if there is another
 *     executor.
 *   - A lost task runs again for free, `losses_max` times.
 *   - A suspect runs alone: on an executor that has nothing else, so that what happens there is its
 *     own doing and is charged as a crash. Suspect is a task that the executor says may have taken
 *     its process down, and one that was running when an executor was lost, `suspect_losses` times
 *     (a node that is switched off takes many innocent tasks along, once). So that it is known what
 *     ran, a task that was lost with an executor is never queued again, it waits for a slot.
 *   - An executor with `backoff_failures` failures in a row gets nothing for a while that doubles
 *     each time. One that was lost `executor_losses_max` times in a row without finishing a task
 *     gets nothing for `exclude_ns`. When all are so, or none is up for `nodes_wait_ns`, jobs fail.
 *   - An executor on which `exclude_failures` attempts of a stage fail in a row, while others finish
 *     some of it, gets nothing more of that stage; after `exclude_stages` such stages nothing at all
 *     for `exclude_ns`. A stage that has no executor left for `nodes_wait_ns` fails its job.
 *   - A task may prefer an executor: others get it when that one has taken none of those that prefer
 *     it for `locality_wait_ns`, or is not there.
 *   - With `speculation`, once `speculation_quantile` of a stage is done, a task that runs longer
 *     than `speculation_multiplier` times the median gets a second attempt on another executor, if
 *     a slot is free. The first that succeeds counts, the other is cancelled. Never in a stage whose
 *     tasks must not run twice, and never a suspect.
 *   - With `executors_max`, executors that were ADDED are started as tasks wait, and released when
 *     they have nothing to do, down to `executors_min`. Else all that were added are started.
 *   - An executor that is drained finishes what it has, gets nothing new, and is released.
 *
 * Bounds: the state of a task is 4 bytes, plus a record for those that had trouble; a step costs
 * time in proportion to what it is told and what it commands, not to the tasks, jobs or executors
 * there are. The exceptions are rare: a stage that starts, suspects, and timers walk the executors,
 * and a job that fails, and looking for stragglers every 100 ms, walk what is in flight.
 */
#ifndef RDD_SCHEDULER_H
#define RDD_SCHEDULER_H

#include "event.h"

typedef struct scheduler_conf {
    uint32_t attempts_max;        /* of a task, where its stage does not say */
    uint32_t losses_max;          /* of a task without anybody's fault */
    uint32_t suspect_losses;      /* of a task that ran while its executor was lost */
    uint64_t prefetch_ns;         /* work that an executor may have queued beyond its slots */
    uint32_t prefetch_tasks_max;  /* and tasks */
    uint64_t nodes_wait_ns;       /* how long jobs wait when no executor is left */
    uint32_t backoff_failures;    /* in a row, before an executor is left alone for a while */
    uint64_t backoff_ns;          /* the first while; doubles */
    uint64_t backoff_max_ns;      /* the longest */
    uint32_t executor_losses_max; /* in a row, without a finished task between */
    uint64_t exclude_ns;          /* how long such an executor gets nothing */
    uint64_t cancel_wait_ns;      /* for cancelled tasks, before their executor is replaced;
                                   * 0: for ever */
    uint32_t exclude_failures;    /* in a row in a stage while others succeed; 0: never excluded */
    uint32_t exclude_stages;      /* that an executor is excluded from before it is from all */
    uint64_t locality_wait_ns;    /* for the executor that a task prefers */
    bool fair;                    /* between pools and their jobs; else first in, first out */
    const char *pools;            /* "name=weight name=weight:min_share"; others weigh 1. Borrowed. */
    bool speculation;
    bool speculation_side_effects;   /* also where tasks must not run twice */
    uint32_t speculation_quantile;   /* of a stage that is done before, in thousandths */
    uint32_t speculation_multiplier; /* of the median run time, in thousandths */
    uint64_t speculation_min_ns;     /* what runs shorter than this is no straggler */
    uint32_t executors_min, executors_max; /* that are started; max 0: all that are added */
    const char *executor_names;      /* for messages: "n1, n2"; borrowed, NULL: none to tell */
    uint32_t executors_expected;     /* that start by themselves: as long as some have not been heard
                                      * of, not all are excluded */
    uint64_t executors_idle_ns;      /* without tasks, before one is released */
    uint64_t executors_backlog_ns;   /* that tasks wait before more are started; then again and
                                      * again, each time twice as many */
} scheduler_conf;

/* 4 attempts, 16 losses, 2 losses to be suspect, 2 ms and 4,096 tasks ahead, 60 s for a node to
 * come, back off after 4 failures for 100 ms to 10 s, exclude after 5 losses or 3 failures and 2
 * stages for 60 s, replace never, 3 s for the preferred executor, first in first out, no
 * speculation (else 0.75, 1.5, 100 ms), all executors (else idle for 60 s, a backlog for 1 s). */
scheduler_conf scheduler_conf_default(void);

/* Whether the text says pools as scheduler_conf.pools wants them. */
bool scheduler_pools_parse(const char *setting);

/* What a stage is made of. Names, plan, payloads and parents belong to the submitter and stay valid
 * until JOB_DONE. */
typedef struct stage_spec {
    uint32_t id;           /* a driver uses none twice, over all jobs */
    const char *name;
    uint32_t task_count;   /* partitions 0 … task_count - 1; 0 is done at once */
    rdd_str plan;
    const rdd_str *payloads;                        /* one per task, or NULL: then … */
    rdd_str (*payload)(void *arg, uint32_t partition); /* … is asked, or NULL: all are empty */
    void *payload_arg;
    const uint32_t *parents; /* indexes in job_spec.stages, each less than this stage's own */
    uint32_t parent_count;
    uint32_t attempts_max;   /* 0: as conf says */
    bool has_side_effects;   /* must not run twice at the same time */
    uint32_t (*preferred)(void *arg, uint32_t partition); /* the executor that has what it needs, or
                                                           * EXECUTOR_ANY; NULL: all are any */
    void *preferred_arg;
} stage_spec;

#define EXECUTOR_ANY UINT32_MAX

enum { POOL_NAME_SIZE = 64 }; /* with its NUL */

/* Heap; the event owns it, then the scheduler. */
struct job_spec {
    uint32_t job_id;          /* a driver uses none twice */
    const char *name;
    const char *pool;         /* NULL: "default" */
    uint64_t result_size_max; /* bytes of all accepted results; past it the job fails. 0: any */
    uint32_t stage_count;     /* the last is the result stage */
    stage_spec stages[];
};

/* With stages that are all zeros. NULL when out of memory. */
job_spec *job_spec_new(uint32_t stage_count);
void *job_spec_free(job_spec *spec);

typedef struct scheduler scheduler;

/* NULL when out of memory. */
scheduler *scheduler_new(const scheduler_conf *conf);
void *scheduler_free(scheduler *s);

/* Handles one event and leaves in `out` (cleared first) what is to be done. The event stays the
 * caller's, to be freed after the commands were carried out; only e->job is taken over, and the
 * errors of outcomes learn where they happened. `now_ns` never goes back.
 *
 * 0, or RDD_E_MEMORY: there is no memory to say what must be said. Then there are no commands, and
 * every further step fails too: the scheduler and its jobs are lost. (No memory for a job's own
 * state fails that job, no more.) */
int scheduler_step(scheduler *s, event *e, uint64_t now_ns, command_list *out) MUST_CHECK;

/* When it wants EVENT_TICK at the latest; CLOCK_NEVER: no need. Later is no harm. */
uint64_t scheduler_next_deadline(const scheduler *s);

/* No job, nothing in flight. */
bool scheduler_is_idle(const scheduler *s);

/* A task of this stage did what must not be done twice at the same time, as its result tells (an
 * operator that called HTTP, say): from now on the stage is one with side effects. Between steps. */
void scheduler_side_effects(scheduler *s, uint32_t stage);

/* For the progress line: executors that are up and get tasks, and that there could be. */
typedef struct executors_snapshot {
    uint32_t up, max;
    uint64_t slots; /* of those that are up */
} executors_snapshot;

executors_snapshot scheduler_executors(const scheduler *s);

/* How far a stage is, for the progress line. */
typedef struct stage_snapshot {
    uint32_t stage;
    const char *name; /* valid until the job is done */
    uint32_t total, done;
    uint32_t running;        /* on slots; queued ones are not counted */
    uint64_t attempts_failed;
    uint64_t records, input_bytes, run_ns; /* sums over what is done */
} stage_snapshot;

/* The stages of a job that have begun and are not done, in order, at most `max`; returns how many.
 * None for a job that is over. */
size_t scheduler_snapshot(const scheduler *s, uint32_t job_id, stage_snapshot *ret, size_t max);

/* Since the start. What was launched is accepted, failed, crashed, cancelled, lost or in flight. */
typedef struct scheduler_counters {
    uint64_t launched, accepted, failed, crashed;
    uint64_t cancelled; /* attempts that ended, in whatever way, after their job */
    uint64_t lost;      /* attempts, by outcome or with their executor */
    uint64_t stale;     /* outcomes: of a lost incarnation, doubled, of unknown tasks */
    uint64_t executors_lost, executors_replaced;
    uint64_t alone;     /* launches of suspects */
    uint64_t copies;    /* launches of second attempts for stragglers … */
    uint64_t copies_won; /* … that were accepted */
    uint64_t local;     /* launches where the task prefers to run */
    uint64_t excluded;  /* executors from stages */
    uint64_t executors_started, executors_released; /* by command */
    uint64_t jobs_done, jobs_failed;
} scheduler_counters;

scheduler_counters scheduler_count(const scheduler *s);

/* Walks everything and asserts that it fits together. For tests: costs O(all tasks). */
void scheduler_check(const scheduler *s);

#endif
