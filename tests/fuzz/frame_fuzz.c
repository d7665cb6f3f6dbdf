/* frame_fuzz.c: bytes of a peer through frame_reader_next() and every payload decoder.
 *
 * Random bytes never pass the checksums, so each input is used twice: as it is, in pieces, and
 * as the payload of a well-formed frame whose type is its first byte.
 */
#include "protocol.h"
#include "stream.h"

static void decode_tasks(const frame *f)
{
    reader r = reader_over(f->payload, f->size);
    task_entry e;
    while (reader_left(&r) && task_entry_decode(&r, &e) == 0)
        ASSERT(e.stream || (size_t)(r.end - e.payload) >= e.size);
}

static void decode_outcomes(const frame *f)
{
    reader r = reader_over(f->payload, f->size);
    outcome o;
    uint64_t stream;
    rdd_error err;
    while (reader_left(&r) && outcome_entry_decode(&r, &o, &stream, &err) == 0)
        outcome_release(&o);
}

static void decode(const frame *f)
{
    union {
        hello hello;
        executor_setup setup;
        plan_piece piece;
        slot_progress slots[4];
        log_line line;
        rdd_error why;
        file_open open;
        file_end end;
        uint32_t stage;
        task_id id;
    } to;
    uint64_t more;
    size_t count;
    switch (f->type) {
    case FRAME_HELLO: (void)hello_decode(f, &to.hello); break;
    case FRAME_SETUP: (void)setup_decode(f, &to.setup); break;
    case FRAME_PLAN: (void)plan_piece_decode(f, &to.piece); break;
    case FRAME_FORGET:
    case FRAME_CANCEL: (void)cancel_decode(f, &to.id); break;
    case FRAME_TASKS: decode_tasks(f); break;
    case FRAME_OUTCOMES: decode_outcomes(f); break;
    case FRAME_CREDIT: (void)credit_decode(f, &more); break;
    case FRAME_HEARTBEAT: (void)heartbeat_decode(f, to.slots, 4, &count); break;
    case FRAME_LOG: (void)log_decode(f, &to.line); break;
    case FRAME_BYE: (void)bye_decode(f, &to.why); break;
    case FRAME_OPEN: (void)file_open_decode(f, &to.open); break;
    case FRAME_CLOSE:
        (void)file_end_decode(f, &to.end);
        (void)file_answer_decode(f, &more, &to.why);
        break;
    case FRAME_DATA:
    case FRAME_RESET:
    case FRAME_LEASE:
    case FRAME_JOURNAL:
    case FRAME_TYPES: break;
    }
}

/* Feeds everything in pieces of `piece` bytes. */
static void read_all(const char *data, size_t size, size_t piece, size_t skip_max)
{
    frame_reader r;
    rdd_error err;
    frame_reader_init(&r, skip_max);
    int code = 0;
    while (size && code >= 0) {
        size_t room;
        char *to = frame_reader_room(&r, &room);
        if (!to)
            break;
        size_t now = size_min(size_min(room, piece), size);
        memcpy(to, data, now);
        frame_reader_filled(&r, now);
        data += now;
        size -= now;
        frame f;
        while ((code = frame_reader_next(&r, &f, &err)) == 1)
            decode(&f);
    }
    char text[64];
    frame_reader_foreign(&r, text, sizeof text);
    ASSERT(r.capacity <= 4 * FRAME_CONTROL_MAX);
    frame_reader_release(&r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const char *bytes = (const char *)data;
    read_all(bytes + 2, size - 2, (size_t)data[1] + 1, data[0] & 1 ? FRAME_SKIP_MAX : 0);

    frame_type type = (frame_type)(1 + data[0] % (FRAME_TYPES - 1));
    bool streamed = frame_has_stream(type);
    buf b = { 0 };
    frame_append(&b, type, streamed ? UINT64_C(1) << 32 | STREAM_FILE | 7 : 0, bytes + 2, size - 2);
    if (!b.failed)
        read_all(b.data, b.size, SIZE_MAX, 0);
    buf_release(&b);
    return 0;
}
