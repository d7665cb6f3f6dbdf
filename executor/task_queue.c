#include "task_queue.h"

/* Far past what a driver sends ahead: it gives an executor a few milliseconds of work. */
enum { WAITING_MAX = 256 << 20, KEEP_MAX = 1 << 20 };

void task_queue_init(task_queue *q)
{
    *q = (task_queue){ .bytes.max = WAITING_MAX };
}

void task_queue_release(task_queue *q)
{
    buf_release(&q->bytes);
    q->at = q->count = 0;
}

int task_queue_append(task_queue *q, const frame *f, rdd_error *err)
{
    size_t count = 0;
    for (reader r = reader_over(f->payload, f->size); reader_left(&r); count++) {
        task_entry task;
        if (task_entry_decode(&r, &task) < 0)
            return error_set(err, RDD_E_PROTOCOL, "a malformed task came over the wire");
    }
    if (q->at > KEEP_MAX && q->at > q->bytes.size / 2) {
        memmove(q->bytes.data, q->bytes.data + q->at, q->bytes.size - q->at);
        q->bytes.size -= q->at;
        q->at = 0;
    }
    buf_append(&q->bytes, f->payload, f->size);
    if (q->bytes.failed)
        return error_set(err, RDD_E_MEMORY, "no room for more than %zu queued tasks", q->count);
    q->count += count;
    return 0;
}

bool task_queue_first(const task_queue *q, task_entry *ret)
{
    if (!q->count)
        return false;
    reader r = reader_over(q->bytes.data + q->at, q->bytes.size - q->at);
    int code = task_entry_decode(&r, ret);
    ASSERT(code == 0); /* checked when it came */
    return true;
}

void task_queue_pop(task_queue *q, const task_entry *first)
{
    q->at += first->encoded.size;
    q->count--;
    if (!q->count)
        q->bytes.size = q->at = 0;
}

void task_queue_drop(task_queue *q, task_id which,
                     void (*visit)(void *arg, const task_entry *task), void *arg)
{
    size_t kept_size = 0, kept_count = 0;
    task_entry task;
    while (task_queue_first(q, &task)) {
        size_t size = task.encoded.size;
        q->at += size;
        q->count--;
        if (task_is_of(task.id, which)) {
            visit(arg, &task);
            continue;
        }
        memmove(q->bytes.data + kept_size, task.encoded.data, size);
        kept_size += size;
        kept_count++;
    }
    q->bytes.size = kept_size;
    q->at = 0;
    q->count = kept_count;
}
