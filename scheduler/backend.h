/* backend.h: what turns the scheduler's commands into work.
 *
 * One interface for threads of this process (backend_local) and for executors, spawned here or on
 * nodes over SSH (backend_executors). A backend owns its threads. It answers
 * with events (event.h) through the sink it was given, from any thread; commands come from the
 * scheduler's thread only and never block for long.
 *
 * Executors are numbered 0 … n-1. Each start of one has a new incarnation; commands and events name
 * it, and a backend drops commands for one that is gone.
 */
#ifndef RDD_BACKEND_H
#define RDD_BACKEND_H

#include "error.h"
#include "task.h"

typedef struct event event; /* event.h */

/* Takes over the event. Blocks while the mailbox is full. */
typedef struct event_sink {
    void (*post)(void *arg, event *e);
    void *arg;
} event_sink;

typedef struct backend backend;

typedef struct backend_ops {
    /* Posts EVENT_EXECUTOR_UP for each executor, now or as they come up; or, where executors can be
     * started one by one and are to be, EVENT_EXECUTOR_ADDED for each, and nothing comes up before
     * start_executor(). */
    int (*start)(backend *b, event_sink sink, rdd_error *err);
    /* Makes a stage's plan known; the bytes stay valid until forget(). Sent to an executor at most
     * once, before its first task of that stage. */
    void (*plan)(backend *b, uint32_t stage, rdd_str plan);
    /* The stage is over: nothing of it will be launched again. */
    void (*forget)(backend *b, uint32_t stage);
    /* Queues tasks on an executor, in order. The specs are copied; payloads stay valid until
     * forget(). */
    void (*launch)(backend *b, uint32_t executor, uint32_t incarnation, const task_spec *tasks,
                   size_t count);
    /* Drops the queued tasks of a stage and asks the running ones to stop. Each gives an outcome. */
    void (*cancel)(backend *b, uint32_t executor, uint32_t incarnation, uint32_t stage);
    /* The same for one task, if it is still there; other attempts of it go on. */
    void (*cancel_task)(backend *b, uint32_t executor, uint32_t incarnation, task_id id);
    /* One that is not wanted so far: EVENT_EXECUTOR_UP when it is up. May be NULL, as the next one,
     * for a backend that posts no EVENT_EXECUTOR_ADDED and no EVENT_EXECUTOR_DRAIN. */
    void (*start_executor)(backend *b, uint32_t executor);
    /* It ends, this incarnation or a later one, and does not start again before start_executor().
     * Nothing need be posted about it. */
    void (*release_executor)(backend *b, uint32_t executor, uint32_t incarnation);
    /* Ends an executor and starts it anew: EVENT_EXECUTOR_LOST, then EVENT_EXECUTOR_UP with the
     * next incarnation (or not, when it cannot be started). */
    void (*replace)(backend *b, uint32_t executor, uint32_t incarnation);
    /* Records that the running tasks of a stage have made so far, about. May be NULL. */
    uint64_t (*records)(backend *b, uint32_t stage);
    /* Ends all executors, joins all threads, frees b. No event is posted after it returns. */
    void (*stop)(backend *b);
} backend_ops;

struct backend {
    const backend_ops *ops;
};

int backend_local_new(backend **ret, uint32_t slots, rdd_error *err);

#endif
