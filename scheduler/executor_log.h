/* executor_log.h: what executors print, on its way to the driver's stderr.
 *
 * A thread of its own writes, so that a terminal that was stopped with ^S, or a pipe that nobody
 * reads, never holds up a connection. What finds no room is dropped, and that is said.
 */
#ifndef RDD_EXECUTOR_LOG_H
#define RDD_EXECUTOR_LOG_H

#include "buf.h"
#include "error.h"

#include <pthread.h>

/* Prints whole lines; called from the log's thread alone. */
typedef void (*executor_log_print)(void *arg, const char *text, size_t size);

typedef struct executor_log {
    executor_log_print print;
    void *arg;
    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* under the mutex */
    buf waiting;
    uint64_t dropped; /* bytes */
    bool stopping;
} executor_log;

/* `print` NULL: to descriptor 2. */
int executor_log_start(executor_log *l, executor_log_print print, void *arg, rdd_error *err);

/* Whole lines. Never blocks. */
void executor_log_add(executor_log *l, const char *text, size_t size);

/* Prints what waits, for a moment at most where nobody reads, and ends the thread. */
void executor_log_stop(executor_log *l);

#endif
