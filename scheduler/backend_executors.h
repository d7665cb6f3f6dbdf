/* backend_executors.h: executors as processes behind links, and what is special about them.
 *
 * Each place has a thread that starts an executor there, runs its connection and, when it is lost,
 * starts it again, as often in a row as its place allows. Every incarnation that ends is an
 * EVENT_EXECUTOR_LOST, also one that never came up; after the last one (then `gone` is set) no
 * EVENT_EXECUTOR_UP follows before start_executor(). One that was released says so only if it was up.
 *
 * stop() joins these threads, and one of them may be posting: close the mailbox first.
 */
#ifndef RDD_BACKEND_EXECUTORS_H
#define RDD_BACKEND_EXECUTORS_H

#include "backend.h"
#include "event.h"
#include "call_journal.h"
#include "executor_link.h"
#include "executor_log.h"

/* Takes over the places, also when it fails. Place number i is executor number i; there may be `room`
 * more later. */
int backend_executors_new(backend **ret, place **places, uint32_t count, uint32_t room, rdd_error *err);

/* One more place, taken over also when it fails: number `number`, which is the next. From one thread,
 * between start() and stop(). Posts EVENT_EXECUTOR_ADDED. */
int backend_executors_add(backend *b, uint32_t number, place *p, rdd_error *err);

/* EVENT_EXECUTOR_ADDED or EVENT_EXECUTOR_DRAIN of an executor, for who decides which there are. */
void backend_executors_post(backend *b, uint32_t number, event_kind kind);

/* Its place's. */
const char *backend_executors_name(backend *b, uint32_t number);

/* Executors on this machine. */
int backend_process_new(backend **ret, uint32_t executors, uint32_t slots, rdd_error *err);

/* Executors run when start_executor() says so: start() posts EVENT_EXECUTOR_ADDED for each. Before
 * start(). */
void backend_executors_on_demand(backend *b);

/* Where executors' lines go instead of stderr; before start(). Called from a thread of its own. */
void backend_executors_set_log(backend *b, executor_log_print print, void *arg);

struct file_server;
/* What serves the driver's files to places that are remote; before start(). It outlives b. */
void backend_executors_set_files(backend *b, struct file_server *files);

/* Where the answers of HTTP calls are kept, before start(); it outlives the backend. */
void backend_executors_set_journal(backend *b, call_journal *j);

/* The process of an executor, 0 when there is none here now; for tests that end it. From any
 * thread. */
pid_t backend_executors_pid(backend *b, uint32_t executor);

#endif
