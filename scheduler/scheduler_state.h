/* scheduler_state.h: what the scheduler's files share. Nobody else includes it.
 *
 *   scheduler.c           steps: events in, timers, commands out
 *   scheduler_job.c       jobs and their stages: begin, end, fail
 *   scheduler_task.c      a stage's tasks: what is to run, what is in flight, what an outcome means
 *   scheduler_executor.c  executors: up, lost, left alone; suspects
 *   scheduler_assign.c    which task goes where
 *   scheduler_ids.c       stages by id
 *   scheduler_check.c     the invariants
 *
 * The state of a task is one word: where it is in its life, and an index.
 *
 *   FRESH    never launched: its partition is not below stage.fresh
 *   WAITING  to run again; index of its trouble, which is in one of three queues
 *   FLYING   handed to an executor; index of its flight
 *   DONE     an outcome was accepted; index of its trouble, or INDEX_NONE
 *
 * A task without trouble has never been launched twice, so its attempt is 0 and needs no room.
 * Flights and executors refer to each other by index, because their arrays grow.
 *
 * Where later rules go: whose turn it is (pools) in runnable_before(), where a task likes to run
 * (delay scheduling) in stage_launch() and stage_fits(), whether an executor gets work (exclusion
 * of nodes, draining) in executor_update(), a second flight of one task (speculation) in
 * flight_find(), and a partition whose output was lost in task_wait_again().
 */
#ifndef RDD_SCHEDULER_STATE_H
#define RDD_SCHEDULER_STATE_H

#include "clock.h"
#include "scheduler.h"

enum {
    INDEX_NONE = (1 << 30) - 1,
    TASKS_MAX = INDEX_NONE,     /* of a stage */
    EXECUTORS_MAX = 1 << 16,
    LOOK_AHEAD = 8,             /* waiting tasks that are looked at for one that fits an executor */
};

typedef enum task_state { TASK_FRESH, TASK_WAITING, TASK_FLYING, TASK_DONE } task_state;

typedef uint32_t task_word;

static inline task_word task_word_of(task_state state, uint32_t index)
{
    return (uint32_t)state << 30 | index;
}

static inline task_state task_word_state(task_word w)
{
    return (task_state)(w >> 30);
}

static inline uint32_t task_word_index(task_word w)
{
    return w & INDEX_NONE;
}

typedef struct job job;
typedef struct stage stage;

/* A task that was launched and did not succeed at once. Stays until its job is over. */
typedef struct trouble {
    rdd_error *first;    /* cause of the first failure; NULL again when the task is done */
    uint32_t partition;
    uint32_t attempts;   /* begun: the number of the next one */
    uint32_t failures, losses;
    uint32_t suspicion;  /* executors that were lost while it ran */
    uint32_t failed_on;  /* executor of the last failure, or INDEX_NONE */
    uint32_t next;       /* in its queue, or INDEX_NONE */
    bool watched;        /* was lost with an executor: waits in `watched` from now on */
    bool suspect;        /* waits in `suspects` from now on */
} trouble;

/* Troubles that wait, oldest first. */
typedef struct trouble_queue {
    uint32_t first, last, count;
} trouble_queue;

typedef enum stage_state { STAGE_BLOCKED, STAGE_RUNNING, STAGE_DONE } stage_state;

struct stage {
    const stage_spec *spec;
    job *job;
    stage_state state;
    uint32_t index;          /* in its job */
    uint32_t parents_left;   /* that are not done */
    uint32_t *children;      /* indexes; in the job's block */
    uint32_t child_count;

    task_word *tasks;        /* from the start of the stage to the end of the job */
    uint32_t fresh;          /* the next partition that was never launched */
    uint32_t flying, done;   /* how many tasks */
    trouble_queue retries;   /* to run again, like any other */
    trouble_queue watched;   /* again, but on a slot and in no queue: so it is known what ran */
    trouble_queue suspects;  /* again, alone */
    trouble *troubles;
    size_t trouble_count, trouble_capacity;

    uint64_t run_ns_average; /* moving, of accepted outcomes */
    uint64_t attempts_failed, records, input_bytes, run_ns;

    uint32_t cancel_mark;    /* executor + 1 that was told last to cancel */
    stage *runnable_previous, *runnable_next; /* while tasks wait that any executor may take */
    stage *suspects_previous, *suspects_next; /* while suspects wait */
    stage *done_next;        /* while stage_done() works */
    bool runnable;
};

typedef enum job_state { JOB_RUNNING, JOB_ENDING } job_state;

struct job {
    job_spec *spec;
    job_state state;
    uint64_t sequence;       /* by submission */
    uint32_t stages_left, flying;
    uint64_t result_size;
    rdd_error error;         /* while ENDING; RDD_OK when all went well */
    job *previous, *next;    /* of the live jobs, by sequence */
    job *finished_next;      /* of those that end with this step */
    bool finished;
    stage stages[];
};

/* An attempt that an executor has. */
typedef struct flight {
    stage *stage;
    uint32_t partition, attempt;
    uint32_t trouble;        /* INDEX_NONE: none so far */
    uint32_t executor;
    uint32_t previous, next; /* on its executor, oldest first; `next` links the free ones too */
    bool alone, cancelled;
} flight;

typedef struct executor {
    uint32_t incarnation, slots;
    uint32_t gone_below; /* incarnations below this one are over, also where UP comes after LOST */
    uint32_t first, last, flying; /* flights */
    uint32_t cancelled;           /* flights that were told to stop */
    uint32_t failures_row;        /* failed attempts since one succeeded */
    uint32_t losses_row;          /* times it was lost since a task ended */
    uint64_t closed_until_ns;     /* gets nothing before; 0: open */
    uint64_t cancel_deadline_ns;  /* CLOCK_NEVER: none */
    bool known, up, replacing;
    bool excluded;                /* closed because it was lost too often */
    bool reserved;                /* being emptied for a suspect, or running one … */
    bool alone;                   /* … which it does now */
    /* Derived, kept by executor_update(): */
    bool available;               /* up, even if closed for a moment */
    bool usable;                  /* gets tasks */
    bool is_free;                 /* in the list of those with a free slot */
    uint32_t free_previous, free_next;
} executor;

/* Stages by id: open addressing, linear probing, no tombstones. */
typedef struct id_table {
    stage **entries; /* capacity, a power of two */
    size_t count, capacity;
} id_table;

struct scheduler {
    scheduler_conf conf;
    uint64_t now_ns;
    command_list *out;       /* of the step that runs */
    bool no_memory;          /* a command could not be said */
    command nowhere;         /* where such a command goes */
    bool stopped;

    job *jobs_first, *jobs_last;
    uint32_t jobs_running;   /* not yet ENDING */
    uint64_t sequence;
    job *finished;
    id_table stages;
    stage *stage_last;       /* the last one found */

    stage *runnable_first, *runnable_last;
    uint64_t waiting;        /* tasks of runnable stages that wait for any executor */
    stage *suspects_first, *suspects_last;
    uint64_t suspects;       /* that wait */
    bool runnable_news;      /* a stage became runnable: offer it to all executors */

    flight *flights;
    size_t flight_count, flight_capacity; /* those used ever, and room */
    uint32_t flight_free;    /* list of unused ones below flight_count */
    uint32_t flying;

    executor *executors;
    size_t executor_count, executor_capacity;
    uint32_t known, excluded, available, usable, reserved, alone;
    uint64_t slots;          /* of those that are up */
    uint32_t free_first, free_last, free_count;

    uint64_t without_since_ns; /* when jobs had no executor left; CLOCK_NEVER: they have */
    rdd_error last_loss;     /* why an executor was lost, the last time */
    uint64_t deadline_ns;    /* no timer runs out before */
    scheduler_counters counters;
};

/* -- scheduler.c: commands --------------------------------------------------------------------- */

/* A new command, zeroed but its kind. Never NULL: without memory it is one that nobody reads, and
 * the step fails. */
command *command_add(scheduler *s, command_kind kind);
/* Room for `count` more tasks of LAUNCH commands; NULL, and the step fails, without memory. */
task_spec *command_tasks_reserve(scheduler *s, size_t count);
/* A copy that lives as long as the commands. */
const rdd_error *command_error(scheduler *s, const rdd_error *error);
void scheduler_note(scheduler *s, const char *format, ...) PRINTF_LIKE(2, 3);
void scheduler_discard(scheduler *s, uint32_t job_id, outcome *o);

/* The array with room for at least `more` items behind `count`, moved perhaps; NULL, and nothing
 * changed, without memory. */
void *array_grow(void *items, size_t count, size_t *capacity, size_t more, size_t item_size);

static inline void deadline_add(scheduler *s, uint64_t at_ns)
{
    s->deadline_ns = u64_min(s->deadline_ns, at_ns);
}

/* "60 s", "100 ms". */
const char *duration_text(uint64_t ns, char text[32]);

/* -- scheduler_ids.c --------------------------------------------------------------------------- */

int id_table_reserve(id_table *t, size_t more);
void id_table_add(id_table *t, stage *st); /* room is reserved; the id is new */
stage *id_table_find(const id_table *t, uint32_t id);
void id_table_remove(id_table *t, uint32_t id);
void id_table_release(id_table *t);

/* -- scheduler_job.c --------------------------------------------------------------------------- */

void job_submit(scheduler *s, job_spec *spec); /* takes it over */
job *job_find(const scheduler *s, uint32_t job_id); /* walks the live ones */
/* Nothing more of it is launched, what flies is cancelled; JOB_DONE when nothing flies any more. */
void job_fail(scheduler *s, job *j, const rdd_error *error);
void job_fail_all(scheduler *s, const rdd_error *error);
/* A flight of it has ended. */
void job_landed(scheduler *s, job *j);
void stage_done(scheduler *s, stage *st);
/* The end of a step: JOB_DONE for those that are over. */
void jobs_finish(scheduler *s);
void jobs_free(scheduler *s);

/* -- scheduler_task.c -------------------------------------------------------------------------- */

void outcomes_handle(scheduler *s, event *e);
/* A flight whose executor is gone, because of `cause`. `position` is its place among those that it
 * had, oldest first. */
void flight_lost(scheduler *s, uint32_t index, uint32_t position, const rdd_error *cause);

/* Its tasks that any executor may take; suspects are not among them. */
static inline uint32_t stage_waiting(const stage *st)
{
    return st->spec->task_count - st->fresh + st->retries.count + st->watched.count;
}

/* -- scheduler_executor.c ---------------------------------------------------------------------- */

executor *executor_find(scheduler *s, uint32_t index, uint32_t incarnation); /* NULL: not up */
void executor_up(scheduler *s, const event *e);
void executor_lost(scheduler *s, const event *e);
void executor_succeeded(executor *x);
void executor_failed(scheduler *s, executor *x);
/* A flight of it was told to stop. */
void executor_cancelled(scheduler *s, executor *x);
/* Is emptied for a suspect. */
void executor_reserve(scheduler *s, executor *x);
void executor_unreserve(scheduler *s, executor *x);
/* Sets what is derived, after anything about it changed. */
void executor_update(scheduler *s, executor *x);
/* To the end of those with a free slot: the others' turn. */
void executor_last(scheduler *s, executor *x);
/* Handles the timers that have run out; returns when the next one does. */
uint64_t executors_tick(scheduler *s);

static inline uint32_t executor_index(const scheduler *s, const executor *x)
{
    return (uint32_t)(x - s->executors);
}

/* -- scheduler_assign.c ------------------------------------------------------------------------ */

/* Hands out what can be handed out; `told` is the executor that the event came from, or NULL. */
void assign(scheduler *s, executor *told);
/* Puts a stage where executors look for tasks. */
void runnable_add(scheduler *s, stage *st);
void runnable_remove(scheduler *s, stage *st);
/* A task is to run again; its trouble is up to date. */
void task_wait_again(scheduler *s, stage *st, uint32_t trouble_index);
/* Whether it has a task, no suspect, that x could run now. */
bool stage_fits(const scheduler *s, const stage *st, const executor *x);
/* None of its tasks, suspects or not, is to run any more. */
void stage_withdraw(scheduler *s, stage *st);

#endif
