/* input_gzip.c: .gz files. The only includer of zlib among the inputs. See input_compressed.h. */
#include "input_compressed.h"

#include <inttypes.h>
#include <zlib.h>

#define STORED_SIZE KIB(128)

struct gzip_input {
    input base;
    input *raw;
    z_stream stream;
    bool in_member; /* a member has begun and has not ended */
    bool began;     /* some member has */
    unsigned char stored[STORED_SIZE];
};

/* Where in the file the decompressor is. */
static uint64_t stored_offset(const struct gzip_input *gzip)
{
    return gzip->raw->offset - gzip->stream.avail_in;
}

/* More stored bytes: 1 if there are any, 0 at the end of the file, or a negative code. */
static int refill(struct gzip_input *gzip, rdd_error *err)
{
    if (gzip->stream.avail_in)
        return 1;
    ssize_t got = input_read(gzip->raw, gzip->stored, STORED_SIZE, err);
    if (got <= 0)
        return (int)got;
    gzip->stream.next_in = gzip->stored;
    gzip->stream.avail_in = (uInt)got;
    return 1;
}

/* Between members: 1 when another begins, 0 at the end of the archive, or a negative code. */
static int begin_member(struct gzip_input *gzip, rdd_error *err)
{
    const char *name = gzip->base.file->name;
    for (;;) {
        int more = refill(gzip, err);
        if (more < 0)
            return more;
        if (!more) {
            if (gzip->began)
                return 0;
            return error_set(err, RDD_E_INPUT, "%s: empty, not a gzip file", name);
        }
        if (*gzip->stream.next_in == 0x1f)
            break;
        if (!gzip->began || *gzip->stream.next_in != 0)
            return error_set(err, RDD_E_INPUT, "%s: %s at byte %" PRIu64, name,
                             gzip->began ? "something that is not gzip follows the archive"
                                         : "not a gzip file",
                             stored_offset(gzip));
        gzip->stream.next_in++; /* zeros behind the archive */
        gzip->stream.avail_in--;
    }
    if (inflateReset(&gzip->stream) != Z_OK)
        return error_set_memory(err, "decompressing a gzip file");
    gzip->began = gzip->in_member = true;
    return 1;
}

static ssize_t gzip_read(input *in, void *data, size_t size, rdd_error *err)
{
    struct gzip_input *gzip = (struct gzip_input *)in;
    z_stream *stream = &gzip->stream;
    stream->next_out = data;
    stream->avail_out = (uInt)size_min(size, GIB(1));
    uInt room = stream->avail_out;
    while (stream->avail_out == room) {
        int more = gzip->in_member ? refill(gzip, err) : begin_member(gzip, err);
        if (more < 0)
            return more;
        if (!more && !gzip->in_member)
            return 0;
        if (!more)
            return error_set(err, RDD_E_INPUT,
                             "%s: truncated: the gzip data stops at byte %" PRIu64
                             " in the middle of a member",
                             in->file->name, stored_offset(gzip));
        int status = inflate(stream, Z_NO_FLUSH);
        if (status == Z_STREAM_END)
            gzip->in_member = false;
        else if (status == Z_MEM_ERROR)
            return error_set_memory(err, "decompressing a gzip file");
        else if (status != Z_OK && status != Z_BUF_ERROR)
            return error_set(err, RDD_E_INPUT, "%s: damaged gzip data near byte %" PRIu64 ": %s",
                             in->file->name, stored_offset(gzip),
                             stream->msg ? stream->msg : "no valid stream");
    }
    return (ssize_t)(room - stream->avail_out);
}

static void gzip_close(input *in)
{
    struct gzip_input *gzip = (struct gzip_input *)in;
    inflateEnd(&gzip->stream);
    input_free(gzip->raw);
    free(gzip);
}

static const struct input_ops gzip_ops = { gzip_read, gzip_close };

int input_gzip_open(input *raw, input **ret, rdd_error *err)
{
    struct gzip_input *gzip = malloc(sizeof *gzip);
    if (gzip) {
        memset(gzip, 0, offsetof(struct gzip_input, stored));
        /* 15 bits of window, and 16 for a gzip header. */
        if (inflateInit2(&gzip->stream, 15 + 16) == Z_OK) {
            gzip->base = (input){ &gzip_ops, raw->file, 0 };
            gzip->raw = raw;
            *ret = &gzip->base;
            return 0;
        }
    }
    free(gzip);
    input_free(raw);
    return error_set_memory(err, "opening a gzip file");
}
