/* scheduler_state.h: what the scheduler's files share. Nobody else includes it.
 *
 *   scheduler.c           steps: events in, timers, commands out
 *   scheduler_job.c       jobs and their stages: begin, end, fail
 *   scheduler_task.c      a stage's tasks: what is to run, what is in flight, what an outcome means
 *   scheduler_executor.c  executors: up, lost, left alone; suspects
 *   scheduler_assign.c    which task goes where
 *   scheduler_suspects.c  tasks that run alone
 *   scheduler_exclude.c   executors that fail a stage; when nobody is left
 *   scheduler_copies.c    second attempts for stragglers (speculation)
 *   scheduler_homes.c     tasks that prefer an executor (delay scheduling)
 *   scheduler_pool.c      pools and whose turn it is
 *   scheduler_elastic.c   executors that are started and released
 *   scheduler_ids.c       stages by id
 *   scheduler_check.c     the invariants
 *
 * The state of a task is one word: where it is in its life, and an index.
 *
 *   FRESH    never launched: its partition is not below stage.fresh, or it is in a home
 *   WAITING  to run again; index of its trouble, which is in one of three queues
 *   FLYING   handed to an executor; index of its flight, which knows of a second one (its twin)
 *   DONE     an outcome was accepted; index of its trouble, or INDEX_NONE. Its trouble knows of a
 *            second flight that has not ended yet (the loser).
 *
 * A task without trouble has never been launched twice, so its attempt is 0 and needs no room.
 * Flights and executors refer to each other by index, because their arrays grow.
 *
 * Where later rules go: a partition whose output was lost in task_wait_again().
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
    uint32_t loser;      /* the flight that goes on though the task is done, or INDEX_NONE */
    bool watched;        /* was lost with an executor: waits in `watched` from now on */
    bool suspect;        /* waits in `suspects` from now on */
} trouble;

/* Troubles that wait, oldest first. */
typedef struct trouble_queue {
    uint32_t first, last, count;
} trouble_queue;

/* An executor on which a stage has failed. */
typedef struct place {
    uint32_t executor, failures_row;
    uint32_t done_before;   /* stage.done when the row of failures began */
    bool excluded;
    rdd_error *first;       /* cause of the row's first failure, or NULL */
} place;

/* The fresh tasks that prefer one executor, or any: a range of stage.order. */
typedef struct home {
    uint32_t executor, at, end;
    uint64_t since_ns;      /* when it got one of them last */
} home;

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

    home *homes;             /* NULL: no task prefers an executor */
    uint32_t home_count, homed; /* homed: tasks that wait there */
    uint32_t *order;         /* partitions by home */
    place *places;
    size_t place_count, place_capacity;
    uint32_t excluded_places;
    uint64_t stuck_since_ns; /* while no executor may have its tasks; 0: not stuck */
    uint32_t *run_times;     /* a histogram (scheduler_copies.c), or NULL */
    uint32_t copies;         /* flights beyond the first of their task, losers too */
    uint64_t straggles_ns;   /* what runs longer gets a copy; CLOCK_NEVER: nothing yet */
    bool once;               /* its tasks must not run twice at the same time */
    uint64_t passed;         /* the round in which an executor found nothing here */

    uint64_t run_ns_average; /* moving, of accepted outcomes */
    uint64_t attempts_failed, records, input_bytes, run_ns;

    uint32_t cancel_mark;    /* executor + 1 that was told last to cancel */
    stage *runnable_previous, *runnable_next; /* while tasks wait that any executor may take */
    stage *suspects_previous, *suspects_next; /* while suspects wait */
    stage *done_next;        /* while stage_done() works */
    bool runnable;
};

typedef enum job_state { JOB_RUNNING, JOB_ENDING } job_state;

typedef struct pool {
    char name[POOL_NAME_SIZE];
    uint32_t weight, share_min; /* slots that it gets before others get their shares */
    uint32_t jobs;
    uint64_t flying;
    struct pool *next;
} pool;

struct job {
    job_spec *spec;
    pool *pool;
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
    uint32_t twin;           /* the other flight of its task, or INDEX_NONE */
    uint32_t wanted_previous, wanted_next; /* of those that are to get a copy */
    bool alone, cancelled;
    bool loser;              /* its task is done */
    bool is_copy, wanted;
    uint64_t launched_ns;
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
    uint32_t stages_excluded;     /* from which, lately */
    uint64_t stage_excluded_ns;   /* the last time */
    uint64_t idle_since_ns;       /* up and without flights; CLOCK_NEVER: not so */
    char *trouble;                /* what was wrong with it, the last time; NULL: nothing so far */
    bool known, up, replacing;
    bool added;                   /* it may be started and released */
    bool wanted;                  /* it was started, or starts by itself */
    bool draining;
    bool gone;                    /* was lost, and does not start again by itself */
    bool excluded;                /* closed because it was lost too often */
    bool reserved;                /* being emptied for a suspect, or running one … */
    bool alone;                   /* … which it does now */
    /* Derived, kept by executor_update(): */
    bool available;               /* up, even if closed for a moment */
    bool usable;                  /* gets tasks */
    bool is_free;                 /* in the list of those with a free slot */
    bool startable;               /* was added, is not wanted, and nothing speaks against it */
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

    pool *pools;
    uint64_t round;          /* counts the choices of a fair scheduler */

    stage *runnable_first, *runnable_last;
    uint64_t homed;          /* of these, in homes */
    uint64_t waiting;        /* tasks of runnable stages that wait for any executor */
    stage *suspects_first, *suspects_last;
    uint64_t suspects;       /* that wait */
    bool runnable_news;      /* a stage became runnable: offer it to all executors */

    flight *flights;
    size_t flight_count, flight_capacity; /* those used ever, and room */
    uint32_t flight_free;    /* list of unused ones below flight_count */
    uint32_t flying;
    uint32_t wanted_first, wanted_last, wanted; /* flights that are to get a copy, oldest first */
    uint32_t straggling;     /* stages in which stragglers are looked for */
    uint64_t copies_check_ns; /* when again; CLOCK_NEVER: not now */
    uint32_t stage_exclusions; /* over all stages of running jobs */

    executor *executors;
    size_t executor_count, executor_capacity;
    uint32_t known, excluded, available, usable, reserved, alone, draining, startable;
    uint64_t slots;          /* of those that are up */
    bool came_up;            /* one of them, ever */
    uint32_t slots_typical;  /* of the one that came up last */
    uint32_t free_first, free_last, free_count;

    uint32_t started;        /* executors that are wanted */
    uint64_t backlog_ns;     /* since when tasks wait, or more was started; CLOCK_NEVER: none do */
    uint32_t backlog_more;   /* how many more are started next */
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

/* Appends to a text of `size` bytes, as far as there is room. */
void text_add(char *text, size_t size, const char *format, ...) PRINTF_LIKE(3, 4);

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
/* The record of a task that is in trouble now, or NULL when the job failed for want of memory. */
trouble *trouble_of(scheduler *s, const flight *f, uint32_t *ret_index);
/* A flight whose executor is gone, because of `cause`. `position` is its place among those that it
 * had, oldest first. */
void flight_lost(scheduler *s, uint32_t index, uint32_t position, const rdd_error *cause);

/* Its tasks that any executor may take; suspects are not among them. */
static inline uint32_t stage_waiting(const stage *st)
{
    return st->spec->task_count - st->fresh + st->retries.count + st->watched.count + st->homed;
}

/* -- scheduler_executor.c ---------------------------------------------------------------------- */

executor *executor_find(scheduler *s, uint32_t index, uint32_t incarnation); /* NULL: not up */
void executor_up(scheduler *s, const event *e);
void executor_lost(scheduler *s, const event *e);
void executor_waits(scheduler *s, const event *e);
void executor_succeeded(executor *x);
void executor_failed(scheduler *s, executor *x);
/* NULL, and the step fails, without memory. */
executor *executor_known(scheduler *s, uint32_t index);
/* Nothing at all for it, for a while. `why` is the end of a sentence. */
void executor_exclude(scheduler *s, executor *x, const char *why);
/* Remembers what was wrong with it, for the error of a job that has no executor. */
void executor_trouble(executor *x, const rdd_error *cause);
/* A flight of it was told to stop. */
void executor_cancelled(scheduler *s, executor *x);
/* Is emptied for a suspect. */
void executor_reserve(scheduler *s, executor *x);
void executor_unreserve(scheduler *s, executor *x);
/* Sets what is derived, after anything about it changed. */
void executor_update(scheduler *s, executor *x);
/* To the end of those with a free slot: the others' turn. */
void executor_last(scheduler *s, executor *x);
/* Handles the timers that have run out, and adds the next ones. */
void executors_tick(scheduler *s);

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
/* Not where it failed, if there is another place. */
bool trouble_fits(const scheduler *s, const stage *st, const trouble *t, const executor *x);
/* The next one that fits x, of those that wait longest, or INDEX_NONE; what it comes behind. */
uint32_t queue_find(const scheduler *s, const stage *st, const trouble_queue *q, const executor *x,
                    uint32_t *ret_previous);
void queue_push(stage *st, trouble_queue *q, uint32_t index);
/* Takes out `index`, which comes behind `previous`; that is INDEX_NONE for the first. */
void queue_remove(stage *st, trouble_queue *q, uint32_t previous, uint32_t index);
/* Room for one task of a LAUNCH command and its flight; without memory `st`'s job fails. */
bool launch_reserve(scheduler *s, stage *st, uint32_t count);
flight *flight_begin(scheduler *s, executor *x, stage *st, uint32_t partition,
                     uint32_t trouble_index);
void flights_began(scheduler *s, executor *x, stage *st, uint32_t count);
/* A LAUNCH command for the tasks that were begun last. */
void launch_say(scheduler *s, executor *x, uint32_t count);

/* -- scheduler_suspects.c ---------------------------------------------------------------------- */

void suspects_assign(scheduler *s, executor *told);
/* A suspect of the stage waits; the first one puts the stage into the list. */
void suspects_add(scheduler *s, stage *st, uint32_t trouble_index);
void suspects_withdraw(scheduler *s, stage *st);

/* -- scheduler_exclude.c ----------------------------------------------------------------------- */

void place_failed(scheduler *s, stage *st, executor *x, const rdd_error *cause);
void place_succeeded(stage *st, uint32_t executor_index);
bool place_excludes(const stage *st, uint32_t executor_index);
/* Executors that get tasks, and would get this stage's. */
uint32_t stage_usable(const scheduler *s, const stage *st);
void places_release(scheduler *s, stage *st);
/* Jobs, and stages, without any executor wait for one, but not for ever. */
void without_executors(scheduler *s);

static inline bool stage_excludes(const stage *st, uint32_t executor_index)
{
    return UNLIKELY(st->excluded_places) && place_excludes(st, executor_index);
}

/* -- scheduler_copies.c ------------------------------------------------------------------------ */

void copies_begin(scheduler *s, stage *st);
/* A task of it was accepted. */
void copies_measure(scheduler *s, stage *st, uint64_t run_ns);
/* Nothing of the stage is looked at any more: it is done, or its job ends. */
void copies_end(scheduler *s, stage *st);
/* The flight ends or is cancelled, or got its copy. */
void copies_unwant(scheduler *s, flight *f);
/* Of a task that is done: it is told to stop. */
void copies_cancel_loser(scheduler *s, uint32_t index);
void copies_tick(scheduler *s);
/* Hands out those that are wanted, as far as slots are free. */
void copies_assign(scheduler *s);

/* -- scheduler_homes.c ------------------------------------------------------------------------- */

/* Sorts the stage's tasks by where they like to run; fails without memory. */
int homes_begin(scheduler *s, stage *st);
bool homes_fit(const scheduler *s, const stage *st, const executor *x);
uint32_t homes_launch(scheduler *s, stage *st, executor *x, uint32_t max);
/* Others may have tasks when their executor has had its time: a timer for that. */
void homes_deadline(scheduler *s, const stage *st);
void homes_release(stage *st);

/* -- scheduler_pool.c -------------------------------------------------------------------------- */

/* NULL without memory. Counts a job. */
pool *pool_join(scheduler *s, const char *name);
void pool_leave(scheduler *s, pool *p);
/* The stage whose turn it is, of those that were not passed over in this round; NULL: none. */
stage *pool_turn(const scheduler *s);

/* -- scheduler_elastic.c ----------------------------------------------------------------------- */

void executor_added(scheduler *s, const event *e);
void executor_drain(scheduler *s, const event *e);
/* It is up: of its own, or though it is not wanted any more. */
void elastic_up(scheduler *s, executor *x);
void elastic_lost(scheduler *s, executor *x, bool gone);
void executor_start(scheduler *s, executor *x);
void executor_release(scheduler *s, executor *x);
/* The end of a step: starts and releases what the rules say. */
void elastic_decide(scheduler *s);

#endif
