/* output_gzip.c: .gz. The only includer of zlib among the outputs. See output_compress().
 *
 * The header holds no name and no time: the same bytes in, the same bytes out.
 */
#include "output.h"

#include <limits.h>
#include <zlib.h>

#define STORED_SIZE KIB(128)

/* 15 bits of window, and 16 for a gzip header. */
enum { WINDOW_BITS = 15 + 16, MEMORY_LEVEL = 8 };

typedef struct gzip_output {
    output base;
    output *below;
    z_stream stream;
    unsigned char stored[STORED_SIZE];
} gzip_output;

static int stored_flush(gzip_output *g, rdd_error *err)
{
    int code = output_write(g->below, g->stored, STORED_SIZE - g->stream.avail_out, err);
    g->stream.next_out = g->stored;
    g->stream.avail_out = STORED_SIZE;
    return code;
}

static int gzip_write(output *out, const void *data, size_t size, rdd_error *err)
{
    gzip_output *g = (gzip_output *)out;
    const unsigned char *at = data;
    while (size) {
        uInt slice = (uInt)size_min(size, UINT_MAX);
        g->stream.next_in = (unsigned char *)(uintptr_t)at; /* zlib only reads there */
        g->stream.avail_in = slice;
        at += slice;
        size -= slice;
        while (g->stream.avail_in) {
            if (!g->stream.avail_out) {
                int code = stored_flush(g, err);
                if (code < 0)
                    return code;
            }
            int status = deflate(&g->stream, Z_NO_FLUSH);
            ASSERT(status == Z_OK || status == Z_BUF_ERROR);
        }
    }
    return 0;
}

static int gzip_finish(output *out, rdd_error *err)
{
    gzip_output *g = (gzip_output *)out;
    int status;
    do {
        status = deflate(&g->stream, Z_FINISH);
        ASSERT(status == Z_OK || status == Z_BUF_ERROR || status == Z_STREAM_END);
        int code = stored_flush(g, err);
        if (code < 0)
            return code;
    } while (status != Z_STREAM_END);
    int code = output_finish(g->below, err);
    if (code < 0)
        return code;
    out->stored_size = g->below->stored_size;
    out->checksum = g->below->checksum;
    return 0;
}

static void gzip_free(output *out)
{
    gzip_output *g = (gzip_output *)out;
    deflateEnd(&g->stream);
    output_free(g->below);
    free(g);
}

static const struct output_ops GZIP_OPS = { gzip_write, gzip_finish, gzip_free, NULL };

int output_gzip(output *below, output **ret, rdd_error *err)
{
    gzip_output *g = calloc(1, sizeof *g);
    if (!g || deflateInit2(&g->stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                           Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        output_free(below);
        return error_set_memory(err, "opening a .gz output");
    }
    g->base.ops = &GZIP_OPS;
    g->below = below;
    g->stream.next_out = g->stored;
    g->stream.avail_out = STORED_SIZE;
    *ret = &g->base;
    return 0;
}
