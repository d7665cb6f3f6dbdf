#include "task.h"

#include "error.h"

void outcome_set_result(outcome *o, const void *bytes, size_t size, char *heap)
{
    ASSERT(heap || size <= OUTCOME_INLINE);
    o->result_size = size;
    o->result_heap = heap;
    if (!heap && size)
        memcpy(o->result_inline, bytes, size);
}

void outcome_set_error(outcome *o, outcome_status status, const rdd_error *err)
{
    o->status = status;
    free(o->error);
    o->error = malloc(sizeof *o->error);
    if (o->error)
        *o->error = *err;
}

void outcome_release(outcome *o)
{
    free(o->result_heap);
    free(o->error);
    o->result_heap = NULL;
    o->error = NULL;
}

void task_id_encode(buf *b, task_id id)
{
    buf_u32(b, id.stage);
    buf_u32(b, id.partition);
    buf_u32(b, id.attempt);
}

task_id task_id_decode(reader *r)
{
    task_id id;
    id.stage = reader_u32(r);
    id.partition = reader_u32(r);
    id.attempt = reader_u32(r);
    return id;
}

void task_spec_encode(buf *b, const task_spec *task)
{
    task_id_encode(b, task->id);
    buf_sized(b, task->payload.data, task->payload.size);
}

int task_spec_decode(reader *r, task_spec *ret)
{
    task_spec task = { .id = task_id_decode(r) };
    task.payload.data = reader_sized(r, &task.payload.size);
    if (r->failed)
        return RDD_E_PROTOCOL;
    *ret = task;
    return 0;
}

void outcome_encode(buf *b, const outcome *o)
{
    task_id_encode(b, o->id);
    buf_u8(b, (uint8_t)o->status);
    buf_u8(b, (uint8_t)((o->error != NULL) | (o->suspect << 1)));
    buf_u64(b, o->metrics.run_ns);
    buf_u64(b, o->metrics.records);
    buf_u64(b, o->metrics.input_bytes);
    buf_u64(b, o->result_size);
    if (o->error)
        error_encode(b, o->error);
}

int outcome_decode(reader *r, outcome *ret, rdd_error *err)
{
    outcome o = { .id = task_id_decode(r) };
    uint8_t status = reader_u8(r);
    uint8_t flags = reader_u8(r);
    bool has_error = flags & 1;
    o.suspect = flags & 2;
    o.metrics.run_ns = reader_u64(r);
    o.metrics.records = reader_u64(r);
    o.metrics.input_bytes = reader_u64(r);
    o.result_size = reader_u64(r);
    if (r->failed || status > OUTCOME_CANCELLED || flags > 3)
        return error_set(err, RDD_E_PROTOCOL, "a malformed task outcome came over the wire");
    o.status = (outcome_status)status;
    if (has_error) {
        rdd_error cause;
        int code = error_decode(r, &cause);
        if (code < 0)
            return error_set(err, RDD_E_PROTOCOL, "a malformed task outcome came over the wire");
        outcome_set_error(&o, o.status, &cause);
    }
    *ret = o;
    return 0;
}
