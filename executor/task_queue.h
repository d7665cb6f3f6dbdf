/* task_queue.h: encoded tasks that wait in a supervisor, in order.
 *
 * The bytes are the entries of FRAME_TASKS as they came, so queueing is one copy for a whole batch
 * and handing on is another.
 */
#ifndef RDD_TASK_QUEUE_H
#define RDD_TASK_QUEUE_H

#include "protocol.h"

typedef struct task_queue {
    buf bytes;
    size_t at;    /* of the first entry */
    size_t count;
} task_queue;

void task_queue_init(task_queue *q);
void task_queue_release(task_queue *q);

/* All entries of a FRAME_TASKS, or none and an error. */
int task_queue_append(task_queue *q, const frame *f, rdd_error *err);

/* The first task; false when there is none. Views are valid until the next call. */
bool task_queue_first(const task_queue *q, task_entry *ret);
void task_queue_pop(task_queue *q, const task_entry *first);

/* Takes a stage's tasks out, or one of them, and calls `visit` for each. */
void task_queue_drop(task_queue *q, task_id which,
                     void (*visit)(void *arg, const task_entry *task), void *arg);

#endif
