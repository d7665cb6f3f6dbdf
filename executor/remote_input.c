/* remote_input.c: a file of the driver's as an input. See remote_files.h and input.h.
 *
 * It asks for a window ahead of what was read, but not far past `end`, where few bytes are wanted:
 * of those that are wanted after all it asks for some more when it has none.
 */
#include "remote_stream.h"

enum {
    BEHIND_END = 16 << 10,  /* asked for from the start */
    MORE_BEHIND = 256 << 10, /* and each time that this was not enough */
};

typedef struct remote_input {
    input base;
    remote_stream *stream;
    remote_piece *piece;  /* is being read */
    size_t at;            /* in it */
    uint64_t taken;       /* bytes of pieces so far */
    uint64_t granted;
    uint64_t wanted;      /* of them in all, as far as is known */
    uint64_t size;        /* of what there is */
} remote_input;

/* Half a window was used: the next half. */
static void ask_ahead(remote_input *r)
{
    uint64_t to = u64_min(r->wanted, r->taken + FILE_WINDOW);
    if (to <= r->granted || (r->granted - r->taken > FILE_WINDOW / 2 && to < r->wanted))
        return;
    remote_stream_grant(r->stream, to - r->granted);
    r->granted = to;
}

static ssize_t next_piece(remote_input *r, rdd_error *err)
{
    uint64_t ask = 0;
    free(TAKE(r->piece));
    r->at = 0;
    if (r->taken == r->granted) /* nothing is on its way */
        ask = u64_min(r->size - r->taken, MORE_BEHIND);
    int code = remote_stream_next(r->stream, ask, &r->piece, err);
    if (code < 0)
        return code;
    r->granted += ask;
    if (!r->piece && r->taken < r->size)
        return error_set(err, RDD_E_PROTOCOL, "%s: the driver sent less than there is",
                         r->base.file->name);
    if (!r->piece)
        return 0;
    r->taken += r->piece->size;
    ask_ahead(r);
    return 1;
}

static ssize_t remote_read(input *in, void *data, size_t size, rdd_error *err)
{
    remote_input *r = (remote_input *)in;
    if (!r->piece || r->at == r->piece->size) {
        if (r->size && r->taken == r->size)
            return 0;
        ssize_t code = next_piece(r, err);
        if (code <= 0)
            return code;
    }
    size = size_min(size, r->piece->size - r->at);
    memcpy(data, r->piece->bytes + r->at, size);
    r->at += size;
    return (ssize_t)size;
}

static void remote_close(input *in)
{
    remote_input *r = (remote_input *)in;
    remote_stream_close(r->stream);
    free(r->piece);
    free(r);
}

static const struct input_ops REMOTE_OPS = { remote_read, remote_close };

int remote_input_open(const remote_task *task, const input_file *file, uint64_t offset,
                      uint64_t end, input **ret, rdd_error *err)
{
    remote_input *r = calloc(1, sizeof *r);
    if (!r)
        return error_set_memory(err, "opening a file of the driver's");
    r->base = (input){ &REMOTE_OPS, file, offset };
    r->size = file->size > offset ? file->size - offset : 0;
    r->wanted = r->size;
    if (end > offset && end - offset < r->size)
        r->wanted = u64_min(r->size, end - offset + BEHIND_END);
    r->granted = u64_min(r->wanted, FILE_WINDOW);
    file_open how = { .use = FILE_READ, .task = task->id, .number = file->number,
                      .offset = offset, .credit = r->granted };
    int code = remote_stream_open(task, &how, &r->stream, err);
    if (code < 0) {
        free(r);
        return code;
    }
    *ret = &r->base;
    return 0;
}
