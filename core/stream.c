#include "stream.h"

#include "pages.h"
#include "protocol.h"

struct stream_out {
    stream_out *next;
    uint64_t id;
    uint32_t stage;
    const char *bytes;
    char *heap;
    size_t size, sent, granted; /* sent <= granted <= size */
};

enum { DATA_WAITING_ENOUGH = 512 << 10 };

/* -- Sending ----------------------------------------------------------------------------------- */

int streams_out_add(streams_out *s, uint64_t id, uint32_t stage, const char *bytes, size_t size,
                    char *heap)
{
    ASSERT(size > 0);
    stream_out *stream = malloc(sizeof *stream);
    if (!stream)
        return RDD_E_MEMORY;
    *stream = (stream_out){ .id = id, .stage = stage, .bytes = bytes, .size = size, .heap = heap };
    if (s->last)
        s->last->next = stream;
    else
        s->first = stream;
    s->last = stream;
    return 0;
}

/* Unlinks and frees what comes after `before` (NULL: the first). */
static void remove_after(streams_out *s, stream_out *before)
{
    stream_out *stream = before ? before->next : s->first;
    if (before)
        before->next = stream->next;
    else
        s->first = stream->next;
    if (s->last == stream)
        s->last = before;
    if (s->spare)
        free(stream->heap);
    else
        s->spare = stream->heap;
    free(stream);
}

void streams_out_credit(streams_out *s, uint64_t id, uint64_t more)
{
    for (stream_out *stream = s->first; stream; stream = stream->next) {
        if (stream->id != id)
            continue;
        stream->granted += (size_t)u64_min(more, stream->size - stream->granted);
        return;
    }
}

bool streams_out_drop(streams_out *s, uint64_t id)
{
    stream_out *before = NULL;
    for (stream_out *stream = s->first; stream; before = stream, stream = stream->next) {
        if (stream->id != id)
            continue;
        remove_after(s, before);
        return true;
    }
    return false;
}

void streams_out_drop_stage(streams_out *s, uint32_t stage, channel *c)
{
    stream_out *before = NULL;
    for (stream_out *stream = s->first; stream;) {
        stream_out *next = stream->next;
        if (stream->stage == stage) {
            frame_append(&c->control, FRAME_RESET, stream->id, NULL, 0);
            remove_after(s, before);
        } else {
            before = stream;
        }
        stream = next;
    }
}

/* One piece of each stream that has credit, in turn. True when there was any. */
static bool pump_round(streams_out *s, channel *c)
{
    bool moved = false;
    stream_out *before = NULL;
    for (stream_out *stream = s->first; stream;) {
        stream_out *next = stream->next;
        size_t size = size_min(stream->granted - stream->sent, FRAME_DATA_MAX);
        if (size) {
            frame_append(&c->data, FRAME_DATA, stream->id, stream->bytes + stream->sent, size);
            stream->sent += size;
            moved = true;
        }
        if (stream->sent == stream->size)
            remove_after(s, before);
        else
            before = stream;
        if (channel_data_waiting(c) >= DATA_WAITING_ENOUGH)
            return false;
        stream = next;
    }
    return moved;
}

void streams_out_pump(streams_out *s, channel *c)
{
    while (s->first && channel_data_waiting(c) < DATA_WAITING_ENOUGH && pump_round(s, c)) {
    }
}

size_t streams_out_waiting(const streams_out *s)
{
    size_t size = 0;
    for (const stream_out *stream = s->first; stream; stream = stream->next)
        size += stream->size - stream->sent;
    return size;
}

void streams_out_release(streams_out *s)
{
    while (s->first)
        remove_after(s, NULL);
    free(TAKE(s->spare));
}

/* -- Receiving --------------------------------------------------------------------------------- */

int streams_in_open(streams_in *s, uint64_t id, size_t size, void *owner)
{
    ASSERT(size > 0);
    stream_in *stream = malloc(sizeof *stream);
    if (!stream)
        return RDD_E_MEMORY;
    *stream = (stream_in){ .id = id, .size = size, .owner = owner };
    if (s->last)
        s->last->next = stream;
    else
        s->first = stream;
    s->last = stream;
    return 0;
}

static stream_in *detach(streams_in *s, stream_in *before, stream_in *stream)
{
    if (before)
        before->next = stream->next;
    else
        s->first = stream->next;
    if (s->last == stream)
        s->last = before;
    stream->next = NULL;
    return stream;
}

void streams_in_grant(streams_in *s, channel *c, stream_in **ret_failed)
{
    *ret_failed = NULL;
    size_t active = 0;
    stream_in *before = NULL;
    for (stream_in *stream = s->first; stream && active < STREAMS_ACTIVE;
         before = stream, stream = stream->next, active++) {
        if (!stream->bytes && !(stream->bytes = pages_alloc(stream->size))) {
            frame_append(&c->control, FRAME_RESET, stream->id, NULL, 0);
            *ret_failed = detach(s, before, stream);
            return;
        }
        size_t ahead = stream->granted - stream->received;
        size_t more = size_min(STREAM_WINDOW - ahead, stream->size - stream->granted);
        if (more && ahead <= STREAM_WINDOW / 2) {
            credit_append(&c->control, stream->id, more);
            stream->granted += more;
        }
    }
}

int streams_in_data(streams_in *s, const frame *f, stream_in **ret_done, rdd_error *err)
{
    *ret_done = NULL;
    stream_in *before = NULL;
    for (stream_in *stream = s->first; stream; before = stream, stream = stream->next) {
        if (stream->id != f->stream)
            continue;
        if (f->size > stream->granted - stream->received)
            return error_set(err, RDD_E_PROTOCOL, "more of a stream came than was asked for");
        memcpy(stream->bytes + stream->received, f->payload, f->size);
        stream->received += f->size;
        if (stream->received == stream->size)
            *ret_done = detach(s, before, stream);
        return 0;
    }
    return 0;
}

stream_in *streams_in_take(streams_in *s, uint64_t id)
{
    stream_in *before = NULL;
    for (stream_in *stream = s->first; stream; before = stream, stream = stream->next)
        if (stream->id == id)
            return detach(s, before, stream);
    return NULL;
}

stream_in *streams_in_take_first(streams_in *s)
{
    return s->first ? detach(s, NULL, s->first) : NULL;
}

void *stream_in_free(stream_in *s)
{
    if (s)
        free(s->bytes);
    free(s);
    return NULL;
}
