/* event.h: all that the scheduler is told, and all that it asks for.
 *
 * The scheduler is (state, event, now) -> commands: no threads, no sockets, no clock of its own.
 */
#ifndef RDD_EVENT_H
#define RDD_EVENT_H

#include "error.h"
#include "task.h"

typedef struct job_spec job_spec; /* scheduler.h */

typedef enum event_kind {
    EVENT_EXECUTOR_UP,    /* executor, incarnation, slots */
    EVENT_EXECUTOR_LOST,  /* executor, incarnation, error; all its tasks are lost, none is blamed */
    EVENT_OUTCOMES,       /* executor, incarnation, outcomes[] */
    EVENT_JOB_SUBMIT,     /* job */
    EVENT_JOB_CANCEL,     /* job_id, error */
    EVENT_TICK,           /* time went on */
    EVENT_STOP,           /* the context ends */
} event_kind;

/* Heap, owned by whoever holds it; event_free() releases what is inside too. */
struct event {
    event_kind kind;
    uint32_t executor, incarnation, slots;
    uint32_t job_id;
    job_spec *job;
    rdd_error error;
    outcome *outcomes; /* heap */
    size_t outcome_count;
    struct event *next; /* for mailboxes */
};
typedef struct event event;

typedef enum command_kind {
    COMMAND_PLAN,     /* stage: make its plan known */
    COMMAND_FORGET,   /* stage: it is over */
    COMMAND_LAUNCH,   /* executor, incarnation, tasks[], count */
    COMMAND_CANCEL,   /* executor, incarnation, stage */
    COMMAND_REPLACE,  /* executor, incarnation */
    COMMAND_ACCEPT,   /* job_id, outcome: this attempt is the partition's; takes over its result */
    COMMAND_DISCARD,  /* job_id, outcome: stale or doubled; whatever it wrote may be removed */
    COMMAND_JOB_DONE, /* job_id, error (code RDD_OK when all went well) */
    COMMAND_NOTE,     /* something for the event log and --verbose: error.message */
} command_kind;

typedef struct command {
    command_kind kind;
    uint32_t executor, incarnation, stage, job_id;
    const task_spec *tasks; /* valid until the next step */
    size_t count;
    outcome *outcome;       /* valid until the next step */
    const rdd_error *error; /* valid until the next step */
} command;

#endif
