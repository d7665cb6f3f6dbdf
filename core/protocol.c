#include "protocol.h"

enum {
    PLAN_PIECE_MAX = 256 << 10,
    BATCH_FRAME_MAX = 128 << 10, /* a batch past this size goes on in a new frame */
    FLAG_STREAM = 1,
};
_Static_assert(BATCH_FRAME_MAX + TASK_INLINE_MAX + RESULT_INLINE_MAX + 8192 < FRAME_CONTROL_MAX,
               "an entry fits behind a batch that is almost full");

/* Nothing may be left over, nothing missing. */
static int finished(const reader *r)
{
    return r->failed || reader_left(r) ? RDD_E_PROTOCOL : 0;
}

static reader reader_of(const frame *f)
{
    return reader_over(f->payload, f->size);
}

/* A string into a fixed array. Too long is malformed: ours are never. */
static void read_text(reader *r, char *text, size_t capacity)
{
    size_t size;
    const char *data = reader_sized(r, &size);
    if (size >= capacity) {
        r->failed = true;
        return;
    }
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
}

static void write_text(buf *b, const char *text, size_t capacity)
{
    buf_sized(b, text, strnlen(text, capacity - 1));
}

/* -- Who is who -------------------------------------------------------------------------------- */

void hello_encode(buf *b, const hello *h)
{
    size_t begin = frame_begin(b, FRAME_HELLO, 0);
    buf_u32(b, h->protocol);
    buf_u64(b, h->nonce);
    buf_u64(b, h->digest);
    write_text(b, h->build_id, sizeof h->build_id);
    write_text(b, h->host, sizeof h->host);
    buf_u32(b, h->pid);
    buf_u32(b, h->cores);
    buf_u64(b, h->memory);
    buf_u64(b, h->wall_ms);
    frame_end(b, begin);
}

int hello_decode(const frame *f, hello *ret)
{
    reader r = reader_of(f);
    hello h = { .protocol = reader_u32(&r) };
    if (!r.failed && h.protocol != PROTOCOL_VERSION) {
        *ret = h; /* the caller says which; the rest may look different */
        return 0;
    }
    h.nonce = reader_u64(&r);
    h.digest = reader_u64(&r);
    read_text(&r, h.build_id, sizeof h.build_id);
    read_text(&r, h.host, sizeof h.host);
    h.pid = reader_u32(&r);
    h.cores = reader_u32(&r);
    h.memory = reader_u64(&r);
    h.wall_ms = reader_u64(&r);
    if (finished(&r) < 0)
        return RDD_E_PROTOCOL;
    *ret = h;
    return 0;
}

void setup_encode(buf *b, const executor_setup *s)
{
    size_t begin = frame_begin(b, FRAME_SETUP, 0);
    buf_u32(b, s->executor);
    buf_u32(b, s->incarnation);
    buf_u32(b, s->slots);
    buf_u32(b, s->slots_per_process);
    buf_u32(b, s->worker_serial);
    buf_u8(b, s->remote);
    buf_sized(b, s->conf.data, s->conf.size);
    frame_end(b, begin);
}

int setup_decode(const frame *f, executor_setup *ret)
{
    reader r = reader_of(f);
    executor_setup s = { .executor = reader_u32(&r) };
    s.incarnation = reader_u32(&r);
    s.slots = reader_u32(&r);
    s.slots_per_process = reader_u32(&r);
    s.worker_serial = reader_u32(&r);
    s.remote = reader_u8(&r) != 0;
    s.conf.data = reader_sized(&r, &s.conf.size);
    if (finished(&r) < 0 || s.slots == 0 || s.slots > SLOTS_MAX)
        return RDD_E_PROTOCOL;
    *ret = s;
    return 0;
}

/* -- Plans ------------------------------------------------------------------------------------- */

void plan_append(buf *b, uint32_t stage, rdd_str plan)
{
    size_t offset = 0;
    do {
        size_t size = size_min(plan.size - offset, PLAN_PIECE_MAX);
        size_t begin = frame_begin(b, FRAME_PLAN, 0);
        buf_u32(b, stage);
        buf_u64(b, plan.size);
        buf_u64(b, offset);
        if (size)
            buf_append(b, plan.data + offset, size);
        frame_end(b, begin);
        offset += size;
    } while (offset < plan.size);
}

int plan_piece_decode(const frame *f, plan_piece *ret)
{
    reader r = reader_of(f);
    plan_piece p = { .stage = reader_u32(&r) };
    p.size = reader_u64(&r);
    p.offset = reader_u64(&r);
    p.bytes.size = reader_left(&r);
    p.bytes.data = reader_bytes(&r, p.bytes.size);
    if (r.failed || p.size > PLAN_SIZE_MAX || p.offset > p.size ||
        p.bytes.size > p.size - p.offset || (p.bytes.size == 0 && p.size > 0))
        return RDD_E_PROTOCOL;
    *ret = p;
    return 0;
}

void stage_append(buf *b, frame_type type, uint32_t stage)
{
    size_t begin = frame_begin(b, type, 0);
    buf_u32(b, stage);
    frame_end(b, begin);
}

int stage_decode(const frame *f, uint32_t *ret)
{
    reader r = reader_of(f);
    uint32_t stage = reader_u32(&r);
    if (finished(&r) < 0)
        return RDD_E_PROTOCOL;
    *ret = stage;
    return 0;
}

void cancel_append(buf *b, task_id which)
{
    size_t begin = frame_begin(b, FRAME_CANCEL, 0);
    buf_u32(b, which.stage);
    if (which.partition != TASKS_ALL) {
        buf_u32(b, which.partition);
        buf_u32(b, which.attempt);
    }
    frame_end(b, begin);
}

int cancel_decode(const frame *f, task_id *ret)
{
    reader r = reader_of(f);
    task_id which = tasks_of_stage(reader_u32(&r));
    if (!r.failed && reader_left(&r)) {
        which.partition = reader_u32(&r);
        which.attempt = reader_u32(&r);
    }
    if (finished(&r) < 0)
        return RDD_E_PROTOCOL;
    *ret = which;
    return 0;
}

/* -- Batches ----------------------------------------------------------------------------------- */

void batch_entry(batch *b)
{
    if (b->open && b->out->size - b->begin > BATCH_FRAME_MAX)
        batch_end(b);
    if (!b->open)
        b->begin = frame_begin(b->out, b->type, 0);
    b->open = true;
}

void batch_end(batch *b)
{
    if (b->open)
        frame_end(b->out, b->begin);
    b->open = false;
}

void task_entry_encode(buf *b, const task_spec *task, uint64_t stream)
{
    ASSERT(stream || task->payload.size <= TASK_INLINE_MAX);
    task_id_encode(b, task->id);
    buf_u8(b, stream ? FLAG_STREAM : 0);
    buf_u64(b, task->payload.size);
    if (stream)
        buf_u64(b, stream);
    else
        buf_append(b, task->payload.data, task->payload.size);
}

int task_entry_decode(reader *r, task_entry *ret)
{
    const char *first = r->at;
    task_entry e = { .id = task_id_decode(r) };
    uint8_t flags = reader_u8(r);
    e.size = reader_u64(r);
    if (flags & FLAG_STREAM)
        e.stream = reader_u64(r);
    else
        e.payload = reader_bytes(r, e.size);
    if (r->failed || flags > FLAG_STREAM || ((flags & FLAG_STREAM) && !e.stream) ||
        (!(flags & FLAG_STREAM) && e.size > TASK_INLINE_MAX))
        return RDD_E_PROTOCOL;
    e.encoded = (rdd_str){ (size_t)(r->at - first), first };
    *ret = e;
    return 0;
}

void outcome_entry_encode(buf *b, const outcome *o, uint64_t stream)
{
    ASSERT(stream || o->result_size <= RESULT_INLINE_MAX);
    outcome_encode(b, o);
    buf_u8(b, stream ? FLAG_STREAM : 0);
    if (stream)
        buf_u64(b, stream);
    else
        buf_append(b, outcome_result(o), o->result_size);
}

static int malformed(rdd_error *err)
{
    return error_set(err, RDD_E_PROTOCOL, "a malformed task outcome came over the wire");
}

int outcome_entry_decode(reader *r, outcome *ret, uint64_t *ret_stream, rdd_error *err)
{
    outcome o;
    int code = outcome_decode(r, &o, err);
    if (code < 0)
        return code;
    uint8_t flags = reader_u8(r);
    uint64_t stream = flags & FLAG_STREAM ? reader_u64(r) : 0;
    const void *bytes = stream ? NULL : reader_bytes(r, o.result_size);
    if (r->failed || flags > FLAG_STREAM || ((flags & FLAG_STREAM) && !stream) ||
        (!stream && o.result_size > RESULT_INLINE_MAX)) {
        outcome_release(&o);
        return malformed(err);
    }
    if (!stream && o.result_size) {
        char *heap = o.result_size > OUTCOME_INLINE ? malloc(o.result_size) : NULL;
        if (heap)
            memcpy(heap, bytes, o.result_size);
        if (!heap && o.result_size > OUTCOME_INLINE) {
            outcome_release(&o);
            return error_set_memory(err, "receiving a result");
        }
        outcome_set_result(&o, bytes, o.result_size, heap);
    }
    *ret = o;
    *ret_stream = stream;
    return 0;
}

/* -- Files of the driver ----------------------------------------------------------------------- */

void file_open_append(buf *b, uint64_t stream, const file_open *o)
{
    size_t begin = frame_begin(b, FRAME_OPEN, stream);
    buf_u8(b, (uint8_t)o->use);
    task_id_encode(b, o->task);
    buf_u64(b, o->number);
    buf_u64(b, o->offset);
    buf_u64(b, o->credit);
    frame_end(b, begin);
}

int file_open_decode(const frame *f, file_open *ret)
{
    reader r = reader_of(f);
    uint8_t use = reader_u8(&r);
    file_open o = { .task = task_id_decode(&r) };
    o.number = reader_u64(&r);
    o.offset = reader_u64(&r);
    o.credit = reader_u64(&r);
    if (finished(&r) < 0 || use >= FILE_USES || !stream_is_file(f->stream) ||
        o.offset > INT64_MAX || o.credit > FILE_CREDIT_MAX)
        return RDD_E_PROTOCOL;
    o.use = (file_use)use;
    *ret = o;
    return 0;
}

void file_end_append(buf *b, uint64_t stream, const file_end *e)
{
    size_t begin = frame_begin(b, FRAME_CLOSE, stream);
    buf_u8(b, e->complete);
    buf_u64(b, e->size);
    buf_u64(b, e->checksum);
    frame_end(b, begin);
}

int file_end_decode(const frame *f, file_end *ret)
{
    reader r = reader_of(f);
    file_end e = { .complete = reader_u8(&r) != 0 };
    e.size = reader_u64(&r);
    e.checksum = reader_u64(&r);
    if (finished(&r) < 0 || !stream_is_file(f->stream) || e.size > INT64_MAX)
        return RDD_E_PROTOCOL;
    *ret = e;
    return 0;
}

void file_answer_append(buf *b, uint64_t stream, uint64_t sent, const rdd_error *why)
{
    size_t begin = frame_begin(b, FRAME_CLOSE, stream);
    buf_u64(b, sent);
    if (why && why->code)
        error_encode(b, why);
    frame_end(b, begin);
}

int file_answer_decode(const frame *f, uint64_t *ret_sent, rdd_error *ret_why)
{
    reader r = reader_of(f);
    rdd_error why = { .code = RDD_OK };
    uint64_t sent = reader_u64(&r);
    if (r.failed || !stream_is_file(f->stream) ||
        (reader_left(&r) && error_decode(&r, &why) < 0) || finished(&r) < 0)
        return RDD_E_PROTOCOL;
    *ret_sent = sent;
    *ret_why = why;
    return 0;
}

/* -- Small ones -------------------------------------------------------------------------------- */

void credit_append(buf *b, uint64_t stream, uint64_t more)
{
    size_t begin = frame_begin(b, FRAME_CREDIT, stream);
    buf_u64(b, more);
    frame_end(b, begin);
}

int credit_decode(const frame *f, uint64_t *ret_more)
{
    reader r = reader_of(f);
    uint64_t more = reader_u64(&r);
    if (finished(&r) < 0)
        return RDD_E_PROTOCOL;
    *ret_more = more;
    return 0;
}

void heartbeat_append(buf *b, const slot_progress *slots, size_t count)
{
    size_t begin = frame_begin(b, FRAME_HEARTBEAT, 0);
    for (size_t i = 0; i < size_min(count, SLOTS_MAX); i++) {
        buf_u8(b, slots[i].busy);
        task_id_encode(b, slots[i].task);
        buf_u64(b, slots[i].records);
    }
    frame_end(b, begin);
}

int heartbeat_decode(const frame *f, slot_progress *slots, size_t max, size_t *ret_count)
{
    reader r = reader_of(f);
    size_t count = 0;
    while (reader_left(&r) && !r.failed) {
        slot_progress p = { .busy = reader_u8(&r) != 0 };
        p.task = task_id_decode(&r);
        p.records = reader_u64(&r);
        if (!r.failed && count < max)
            slots[count++] = p;
    }
    if (r.failed)
        return RDD_E_PROTOCOL;
    *ret_count = count;
    return 0;
}

void log_append(buf *b, const log_line *line)
{
    size_t begin = frame_begin(b, FRAME_LOG, 0);
    buf_u8(b, (uint8_t)line->kind);
    buf_u8(b, line->has_task);
    task_id_encode(b, line->task);
    buf_append(b, line->text.data, size_min(line->text.size, LOG_LINE_MAX));
    frame_end(b, begin);
}

int log_decode(const frame *f, log_line *ret)
{
    reader r = reader_of(f);
    uint8_t kind = reader_u8(&r);
    log_line line = { .has_task = reader_u8(&r) != 0 };
    line.task = task_id_decode(&r);
    line.text.size = reader_left(&r);
    line.text.data = reader_bytes(&r, line.text.size);
    if (r.failed || kind >= LOG_KINDS || line.text.size > LOG_LINE_MAX)
        return RDD_E_PROTOCOL;
    line.kind = (log_kind)kind;
    *ret = line;
    return 0;
}

void bye_append(buf *b, const rdd_error *why)
{
    size_t begin = frame_begin(b, FRAME_BYE, 0);
    if (why)
        error_encode(b, why);
    frame_end(b, begin);
}

int bye_decode(const frame *f, rdd_error *ret_why)
{
    reader r = reader_of(f);
    rdd_error why = { .code = RDD_OK };
    if (f->size && (error_decode(&r, &why) < 0 || finished(&r) < 0))
        return RDD_E_PROTOCOL;
    *ret_why = why;
    return 0;
}
