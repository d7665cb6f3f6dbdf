/* supervisor_parts.h: the state that the supervisor's source files share.
 *
 *   supervisor.c         life: the driver's frames, workers' starts, time, commands
 *   supervisor_tasks.c   tasks to workers, outcomes and streams back
 *   supervisor_files.c   files of the driver that workers have open
 *   supervisor_end.c     what the end of a worker means
 *   supervisor_calls.c   what HTTP calls have to say to the driver
 */
#ifndef RDD_SUPERVISOR_PARTS_H
#define RDD_SUPERVISOR_PARTS_H

#include "supervisor.h"
#include "task_queue.h"

/* A stage's plan, as it came. */
typedef struct stage_plan {
    uint32_t stage;
    buf bytes;   /* whole when bytes.size == size */
    size_t size;
} stage_plan;

/* A stream through the supervisor. */
typedef struct relay {
    uint64_t id;
    size_t left;    /* bytes that have not come yet */
    size_t granted; /* of them, how many may */
    file_use use;   /* of a file; how long that is nobody knows before */
} relay;

typedef struct relays {
    relay *items;
    size_t count, capacity;
} relays;

/* A task that a worker has. */
typedef struct handed_task {
    task_id id;
    uint64_t kill_at_ns; /* it was told to stop, and its worker dies for it then; CLOCK_NEVER */
} handed_task;

typedef enum worker_phase {
    WORKER_WANTED,   /* to be started at start_at_ns */
    WORKER_STARTING, /* the command is out */
    WORKER_RUNNING,  /* a process; tasks may be sent */
} worker_phase;

typedef struct worker {
    worker_phase phase;
    uint32_t slots, serial;
    uint64_t start_at_ns;
    channel channel;
    const board *board;
    bool ready;               /* said HELLO */
    bool leases;              /* asked the driver for calls */
    bool kill_wanted, killed; /* the command is due, is out */
    uint64_t end_by_ns;       /* it closed its channel, so its end is near; CLOCK_NEVER */
    bool useful;              /* gave an outcome, or its end was some task's fault */
    rdd_error kill_reason;
    bool cancel_kill;         /* killed for cancelled tasks that did not stop */
    uint64_t kill_at_ns;      /* the earliest of its tasks', or earlier */
    uint32_t *plans;          /* stages whose plan it has */
    size_t plan_count, plan_capacity;
    handed_task *tasks;       /* it has: tasks[task_first …], oldest first */
    size_t task_first, task_count, task_capacity;
    relays results, payloads; /* streams out of it and into it */
    relays files;             /* that it reads and writes */
    batch handing;            /* tasks on their way into its channel */
} worker;

struct supervisor {
    hello self;
    channel driver;
    uint64_t now_ns;           /* as it was told last */
    uint64_t heard_ns, heartbeat_ns, timeout_ns; /* of the driver; the last two from SETUP */
    uint64_t next_heartbeat_ns;
    bool greeted, set_up;
    uint32_t executor, incarnation;
    bool remote;               /* from SETUP, for its workers */
    char *conf;
    size_t conf_size;
    uint64_t kill_grace_ns;
    worker *workers;
    uint32_t worker_count, serial;
    slot_progress *progress;   /* of all slots, for heartbeats */
    stage_plan *plans;
    size_t plan_count, plan_capacity;
    task_queue queue;
    batch outcomes;            /* on their way into the driver's channel */
    uint64_t run_ns;           /* of a task, about */
    uint32_t start_failures;   /* workers in a row that ended and were of no use */
    uint64_t log_refill_ns;    /* lines: a bucket that fills with time */
    uint32_t log_room;
    uint64_t log_dropped;
    bool leaving;              /* BYE came: workers end by themselves until leave_by_ns */
    uint64_t leave_by_ns;
    bool exiting, exit_told;
};

/* Room for one more item; false when out of memory. `items` is the address of the array. */
bool supervisor_grow(void *items, size_t *capacity, size_t count, size_t item_size);

/* supervisor.c */
void supervisor_exit(supervisor *s, const rdd_error *why); /* the first reason counts */
void supervisor_notice(supervisor *s, const char *format, ...) PRINTF_LIKE(2, 3);
void supervisor_kill_worker(worker *w, const rdd_error *why);
/* Where the driver's control frames go. */
buf *supervisor_out(supervisor *s);

/* supervisor_tasks.c */
stage_plan *supervisor_plan(supervisor *s, uint32_t stage);
void supervisor_take_plan(supervisor *s, const frame *f);
void supervisor_forget_stage(supervisor *s, uint32_t stage);
void supervisor_take_tasks(supervisor *s, const frame *f);
void supervisor_cancel(supervisor *s, task_id which); /* as cancel_decode() says */
void supervisor_end_stubborn(supervisor *s, worker *w); /* what did not stop in time */
void supervisor_assign(supervisor *s); /* queued tasks to workers that have room */
void supervisor_take_outcomes(supervisor *s, worker *w, const frame *f);
void supervisor_add_outcome(supervisor *s, const outcome *o);
/* A stream's frame from the driver (from == NULL) or from a worker. */
void supervisor_relay(supervisor *s, worker *from, const frame *f);
void supervisor_drop_streams(supervisor *s, worker *w);
bool worker_take_task(worker *w, task_id id); /* off its list */

/* supervisor_files.c */
void supervisor_file_from_worker(supervisor *s, worker *w, const frame *f);
bool supervisor_file_from_driver(supervisor *s, const frame *f); /* false: past what was agreed */
void supervisor_reset_files(supervisor *s, worker *w);

/* supervisor_calls.c */
void supervisor_calls_from(supervisor *s, worker *w, const frame *f);
bool supervisor_calls_to(supervisor *s, const frame *f);
void supervisor_calls_ended(supervisor *s, const worker *w);

/* supervisor_end.c */
void supervisor_judge_end(supervisor *s, worker *w, const worker_end *end);

#endif
