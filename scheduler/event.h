/* event.h: all that the scheduler is told, and all that it asks for.
 *
 * The scheduler is (state, event, now) -> commands: no threads, no sockets, no clock of its own.
 */
#ifndef RDD_EVENT_H
#define RDD_EVENT_H

#include "error.h"
#include "mailbox.h"
#include "task.h"

typedef struct job_spec job_spec; /* scheduler.h */

typedef enum event_kind {
    EVENT_EXECUTOR_UP,    /* executor, incarnation, slots */
    EVENT_EXECUTOR_LOST,  /* executor, incarnation, error, gone; its tasks are lost, none is blamed */
    EVENT_EXECUTOR_WAITS, /* executor, error: it is being started, and why that takes long */
    EVENT_EXECUTOR_ADDED, /* executor: it is there and may be started (COMMAND_START) */
    EVENT_EXECUTOR_DRAIN, /* executor: no new tasks; COMMAND_RELEASE when it has finished its own */
    EVENT_OUTCOMES,       /* executor, incarnation, outcomes[] */
    EVENT_JOB_SUBMIT,     /* job */
    EVENT_JOB_CANCEL,     /* job_id, error */
    EVENT_TICK,           /* time went on */
    EVENT_STOP,           /* the context ends */
} event_kind;

/* Heap, owned by whoever holds it; event_free() releases what is inside too. */
struct event {
    event_kind kind;
    uint32_t executor, incarnation;
    uint32_t slots;         /* of an executor that was lost: 0 when it never came up */
    bool gone;              /* it will not come up again by itself */
    bool released;          /* as it was told to: nothing went wrong */
    uint32_t job_id;
    job_spec *job;
    rdd_error error;
    outcome *outcomes; /* heap */
    size_t outcome_count;
    mailbox_node node;
};
typedef struct event event;

/* All zeros but its kind. NULL when out of memory. */
event *event_new(event_kind kind);

/* The same, never NULL: for what must be said. Waits until there is memory. */
event *event_new_patiently(event_kind kind);
void *event_free(event *e);

/* Every outcome that comes in is answered by exactly one ACCEPT or DISCARD. Every job that comes in
 * is answered by exactly one JOB_DONE, its last command, when nothing of it is in flight any more.
 */
typedef enum command_kind {
    COMMAND_PLAN,     /* stage, plan: make its plan known */
    COMMAND_FORGET,   /* stage: it is over */
    COMMAND_LAUNCH,   /* executor, incarnation, tasks[], count; of several stages perhaps */
    COMMAND_CANCEL,   /* executor, incarnation, stage */
    COMMAND_CANCEL_TASK, /* executor, incarnation, task: this attempt alone; another one was first */
    COMMAND_START,    /* executor: it is needed, was ADDED, and is not there or was released */
    COMMAND_RELEASE,  /* executor, incarnation, which has no tasks: it is not needed. No UP or LOST
                       * need follow; whatever does is of no account until the next START. */
    COMMAND_REPLACE,  /* executor, incarnation */
    COMMAND_ACCEPT,   /* job_id, outcome: this attempt is the partition's; takes over its result */
    COMMAND_DISCARD,  /* job_id (JOB_NONE: over, or never was), outcome: not the partition's, be it
                       * stale, doubled or without success; whatever it wrote may be removed */
    COMMAND_JOB_DONE, /* job_id, error (code RDD_OK when all went well) */
    COMMAND_NOTE,     /* something for the event log and --verbose: error.message, and where the
                       * error's other fields say; job_id or JOB_NONE */
} command_kind;

enum { JOB_NONE = UINT32_MAX };

typedef struct command {
    command_kind kind;
    uint32_t executor, incarnation, stage, job_id;
    task_id task;
    rdd_str plan;           /* valid until FORGET */
    const task_spec *tasks; /* valid until the next step */
    size_t count;
    outcome *outcome;       /* of the event that was handed in: valid as long as that */
    const rdd_error *error; /* valid until the next step */
} command;

/* What one step asks for, to be carried out in order. All zeros is empty. Reused from step to step,
 * so that a steady state allocates nothing. */
typedef struct command_list {
    command *items;
    size_t count, capacity;
    task_spec *tasks; /* of all LAUNCH commands */
    size_t task_count, task_capacity;
    rdd_error **errors; /* of NOTE and JOB_DONE */
    size_t error_count, error_capacity;
} command_list;

void command_list_clear(command_list *l);
void command_list_release(command_list *l);

#endif
