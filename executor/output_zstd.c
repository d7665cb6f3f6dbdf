/* output_zstd.c: .zst. The only includer of zstd among the outputs. See output_compress(). */
#include "output.h"

#include <zstd.h>
#include <zstd_errors.h>

#define STORED_SIZE KIB(128)

typedef struct zstd_output {
    output base;
    output *below;
    ZSTD_CCtx *context;
    unsigned char stored[STORED_SIZE];
} zstd_output;

/* Feeds `in` until it is used up, or, at the end, until the frame is complete. */
static int feed(zstd_output *z, ZSTD_inBuffer *in, ZSTD_EndDirective mode, rdd_error *err)
{
    size_t left;
    do {
        ZSTD_outBuffer out = { z->stored, STORED_SIZE, 0 };
        left = ZSTD_compressStream2(z->context, &out, in, mode);
        if (ZSTD_isError(left)) {
            ASSERT(ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation);
            return error_set_memory(err, "compressing an output");
        }
        int code = output_write(z->below, z->stored, out.pos, err);
        if (code < 0)
            return code;
    } while (mode == ZSTD_e_end ? left != 0 : in->pos < in->size);
    return 0;
}

static int zstd_write(output *out, const void *data, size_t size, rdd_error *err)
{
    ZSTD_inBuffer in = { data, size, 0 };
    return feed((zstd_output *)out, &in, ZSTD_e_continue, err);
}

static int zstd_finish(output *out, rdd_error *err)
{
    zstd_output *z = (zstd_output *)out;
    ZSTD_inBuffer nothing = { NULL, 0, 0 };
    int code = feed(z, &nothing, ZSTD_e_end, err);
    if (code >= 0)
        code = output_finish(z->below, err);
    if (code < 0)
        return code;
    out->stored_size = z->below->stored_size;
    out->checksum = z->below->checksum;
    return 0;
}

static void zstd_free(output *out)
{
    zstd_output *z = (zstd_output *)out;
    ZSTD_freeCCtx(z->context);
    output_free(z->below);
    free(z);
}

static const struct output_ops ZSTD_OPS = { zstd_write, zstd_finish, zstd_free, NULL };

int output_zstd(output *below, output **ret, rdd_error *err)
{
    zstd_output *z = malloc(sizeof *z);
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (!z || !context) {
        free(z);
        ZSTD_freeCCtx(context);
        output_free(below);
        return error_set_memory(err, "opening a .zst output");
    }
    /* As the zstd program does, so that a damaged file is noticed. */
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    z->base = (output){ .ops = &ZSTD_OPS };
    z->below = below;
    z->context = context;
    *ret = &z->base;
    return 0;
}
