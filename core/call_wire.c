#include "call_wire.h"

bool call_wire_worker(const frame *f, uint32_t *ret)
{
    reader r = reader_over(f->payload, f->size);
    reader_u8(&r);
    *ret = reader_u32(&r);
    return !r.failed;
}

/* -- LEASE ------------------------------------------------------------------------------------- */

void lease_append(buf *b, const lease *l)
{
    size_t begin = frame_begin(b, FRAME_LEASE, 0);
    buf_u8(b, (uint8_t)l->kind);
    buf_u32(b, l->worker);
    buf_u64(b, l->count);
    buf_u64(b, l->delay_ns);
    buf_u64(b, l->span_ns);
    buf_sized(b, l->name.data, l->name.size);
    frame_end(b, begin);
}

int lease_decode(const frame *f, lease *ret)
{
    reader r = reader_over(f->payload, f->size);
    lease l = { .kind = (lease_kind)reader_u8(&r), .worker = reader_u32(&r) };
    l.count = reader_u64(&r);
    l.delay_ns = reader_u64(&r);
    l.span_ns = reader_u64(&r);
    l.name.data = reader_sized(&r, &l.name.size);
    bool rate = l.kind == LEASE_ASK || l.kind == LEASE_GRANT;
    if (r.failed || reader_left(&r) || l.kind >= LEASE_KINDS || l.name.size > LEASE_NAME_MAX ||
        l.delay_ns > LEASE_SPAN_MAX_NS || l.span_ns > LEASE_SPAN_MAX_NS ||
        (l.kind == LEASE_ASK && !l.span_ns) || (rate && !l.name.size) ||
        (l.kind == LEASE_GRANT && !l.count))
        return RDD_E_PROTOCOL;
    *ret = l;
    return 0;
}

/* -- JOURNAL ----------------------------------------------------------------------------------- */

void journal_append(buf *b, const journal_part *p)
{
    size_t begin = frame_begin(b, FRAME_JOURNAL, 0);
    buf_u8(b, (uint8_t)p->kind);
    buf_u32(b, p->worker);
    buf_u8(b, p->urgent);
    buf_u32(b, p->task.stage);
    buf_u32(b, p->task.partition);
    buf_u32(b, p->task.attempt);
    buf_u64(b, p->serial);
    buf_u64(b, p->size);
    buf_append(b, p->entries.data, p->entries.size);
    frame_end(b, begin);
}

int journal_decode(const frame *f, journal_part *ret)
{
    reader r = reader_over(f->payload, f->size);
    journal_part p = { .kind = (journal_kind)reader_u8(&r), .worker = reader_u32(&r) };
    uint8_t urgent = reader_u8(&r);
    p.task.stage = reader_u32(&r);
    p.task.partition = reader_u32(&r);
    p.task.attempt = reader_u32(&r);
    p.serial = reader_u64(&r);
    p.size = reader_u64(&r);
    bool entries = p.kind == JOURNAL_APPEND || p.kind == JOURNAL_HAVE;
    if (r.failed || p.kind >= JOURNAL_KINDS || urgent > 1 || (!entries && reader_left(&r)))
        return RDD_E_PROTOCOL;
    p.urgent = urgent;
    p.entries = (rdd_str){ reader_left(&r), r.at };
    reader check = r;
    while (reader_left(&check)) {
        uint32_t stage, partition;
        rdd_str entry;
        if (!journal_entry_next(&check, &stage, &partition, &entry))
            return RDD_E_PROTOCOL;
    }
    *ret = p;
    return 0;
}

void journal_entry_append(buf *b, uint32_t stage, uint32_t partition, rdd_str entry)
{
    buf_u32(b, stage);
    buf_u32(b, partition);
    buf_sized(b, entry.data, entry.size);
}

bool journal_entry_next(reader *r, uint32_t *ret_stage, uint32_t *ret_partition, rdd_str *ret)
{
    *ret_stage = reader_u32(r);
    *ret_partition = reader_u32(r);
    ret->data = reader_sized(r, &ret->size);
    return !r->failed && ret->size <= JOURNAL_ENTRY_MAX;
}
