/* backend_process.h: executors as processes of this machine, and what is special about them.
 *
 * backend_process_new() is in backend.h. Each executor has a thread that starts it, runs its
 * connection and, when it is lost, starts it again, a bounded number of times in a row. Every
 * incarnation that ends is an EVENT_EXECUTOR_LOST, also one that never came up; after the last one
 * no EVENT_EXECUTOR_UP follows.
 *
 * stop() joins these threads, and one of them may be posting: close the mailbox first.
 */
#ifndef RDD_BACKEND_PROCESS_H
#define RDD_BACKEND_PROCESS_H

#include "backend.h"
#include "executor_log.h"

/* Where executors' lines go instead of stderr; before start(). Called from a thread of its own. */
void backend_process_set_log(backend *b, executor_log_print print, void *arg);

/* Records that running tasks of a stage have made, as of the last heartbeats. From any thread. */
uint64_t backend_process_records(backend *b, uint32_t stage);

/* The process of an executor, 0 when there is none now; for tests that end it. From any thread. */
pid_t backend_process_pid(backend *b, uint32_t executor);

#endif
