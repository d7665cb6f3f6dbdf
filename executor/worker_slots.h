/* worker_slots.h: the threads of a worker that run tasks, and what they share.
 *
 * The worker's talking thread calls everything here. A slot leaves its outcome as bytes of frames;
 * the talking thread is woken for the first after a pause, for many, and when the slots run dry, so
 * that short tasks cost no system call each.
 */
#ifndef RDD_WORKER_SLOTS_H
#define RDD_WORKER_SLOTS_H

#include "board.h"
#include "remote_files.h"
#include "stream.h"

typedef struct worker_slots worker_slots;

/* Ends this process, for a reason that its supervisor reads; stderr has it without a board. */
_Noreturn void worker_give_up(board *b, const char *why);

/* Starts `count` threads; `wake_fd` is an eventfd that the talking thread polls. `files` outlives
 * them; NULL where the driver's files can be opened. */
int worker_slots_new(worker_slots **ret, uint32_t count, uint32_t serial, board *b, int wake_fd,
                     remote_files *files, rdd_error *err);

/* A stage's plan, which is taken over; NULL and why when it cannot be read. */
int worker_slots_add_plan(worker_slots *w, uint32_t stage, plan *p, const rdd_error *why);
void worker_slots_forget(worker_slots *w, uint32_t stage);

/* Queues a batch of tasks. Payloads are copied, a heap payload is taken over. */
typedef struct worker_task {
    task_id id;
    size_t size;
    const char *payload;
    char *payload_heap;
} worker_task;
int worker_slots_add_tasks(worker_slots *w, const worker_task *tasks, size_t count);

/* Queued tasks of the stage, or that one, are over, running ones are asked to stop. Asking may come too early
 * for a task that is just beginning: while worker_slots_cancel_again() says true, call it again
 * soon. */
void worker_slots_cancel(worker_slots *w, task_id which);
bool worker_slots_cancel_again(worker_slots *w);

/* Calls that wait for leave to be made look again. */
void worker_slots_nudge(worker_slots *w);

/* A task that never got that far: its payload did not come. */
void worker_slots_answer(worker_slots *w, const outcome *o);

/* Moves what is ready: outcomes into `c`, results that travel as streams into `results`. False when
 * there was nothing; the next outcome then wakes the caller at once. */
bool worker_slots_take(worker_slots *w, channel *c, streams_out *results);

/* Memory of a result that was sent, which the next large one will be made in; NULL is fine. */
void worker_slots_lend(worker_slots *w, char *heap);

/* How many bytes of results wait to be sent. Past a limit the slots pause. */
void worker_slots_set_waiting(worker_slots *w, size_t size);

/* User code closed descriptors that are not its own, so no outcome can leave any more: blames
 * the slots whose tasks may have done it, and ends the process. */
_Noreturn void worker_slots_end_closed(worker_slots *w);

/* Ends the threads and frees everything; false, and nothing is done, while a task runs. */
bool worker_slots_stop(worker_slots *w);

#endif
