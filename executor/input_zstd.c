/* input_zstd.c: .zst files. The only includer of zstd among the inputs. See input_compressed.h. */
#include "input_compressed.h"

#include <inttypes.h>
#include <zstd.h>
#include <zstd_errors.h>

#define STORED_SIZE KIB(128)

/* Windows beyond 128 MiB (2^27) come from `zstd --long=28` and more, and would take that much
 * memory in each slot. */
#define WINDOW_LOG_MAX 27

struct zstd_input {
    input base;
    input *raw;
    ZSTD_DCtx *context;
    ZSTD_inBuffer stored;
    size_t frame_left; /* what the decoder last asked for; 0 between frames */
    bool began;        /* some frame has */
    unsigned char data[STORED_SIZE];
};

static uint64_t stored_offset(const struct zstd_input *zstd)
{
    return zstd->raw->offset - (zstd->stored.size - zstd->stored.pos);
}

/* More stored bytes: 1 if there are any, 0 at the end of the file, or a negative code. */
static int refill(struct zstd_input *zstd, rdd_error *err)
{
    if (zstd->stored.pos < zstd->stored.size)
        return 1;
    ssize_t got = input_read(zstd->raw, zstd->data, STORED_SIZE, err);
    if (got <= 0)
        return (int)got;
    zstd->stored = (ZSTD_inBuffer){ zstd->data, (size_t)got, 0 };
    return 1;
}

/* Zeros behind the last frame are padding: 1 if something else is there, 0 at the end of the file,
 * or a negative code. */
static int skip_padding(struct zstd_input *zstd, rdd_error *err)
{
    for (;;) {
        int more = refill(zstd, err);
        if (more <= 0 || !zstd->began || zstd->data[zstd->stored.pos] != 0)
            return more;
        zstd->stored.pos++;
    }
}

static int zstd_failed(const struct zstd_input *zstd, size_t result, rdd_error *err)
{
    const char *name = zstd->base.file->name;
    uint64_t offset = stored_offset(zstd);
    switch (ZSTD_getErrorCode(result)) {
    case ZSTD_error_memory_allocation: return error_set_memory(err, "decompressing a zstd file");
    case ZSTD_error_frameParameter_windowTooLarge:
        return error_set(err, RDD_E_LIMIT,
                         "%s: needs a window of more than 128 MiB (zstd --long); compress it "
                         "without --long",
                         name);
    case ZSTD_error_prefix_unknown:
        return error_set(err, RDD_E_INPUT, "%s: %s near byte %" PRIu64, name,
                         zstd->began ? "something that is not zstd follows the archive"
                                     : "not a zstd file",
                         offset);
    default:
        return error_set(err, RDD_E_INPUT, "%s: damaged zstd data near byte %" PRIu64 ": %s", name,
                         offset, ZSTD_getErrorName(result));
    }
}

static ssize_t zstd_read(input *in, void *data, size_t size, rdd_error *err)
{
    struct zstd_input *zstd = (struct zstd_input *)in;
    ZSTD_outBuffer out = { data, size, 0 };
    while (out.pos == 0) {
        /* Without new input the decoder may still hold output of a frame that has not ended. */
        int more = zstd->frame_left ? refill(zstd, err) : skip_padding(zstd, err);
        if (more < 0)
            return more;
        if (!more && !zstd->frame_left) {
            if (zstd->began)
                return 0;
            return error_set(err, RDD_E_INPUT, "%s: empty, not a zstd file", in->file->name);
        }
        size_t before = zstd->stored.pos;
        size_t left = ZSTD_decompressStream(zstd->context, &out, &zstd->stored);
        if (ZSTD_isError(left))
            return zstd_failed(zstd, left, err);
        if (!more && out.pos == 0 && zstd->stored.pos == before)
            return error_set(err, RDD_E_INPUT,
                             "%s: truncated: the zstd data stops at byte %" PRIu64
                             " in the middle of a frame",
                             in->file->name, stored_offset(zstd));
        zstd->frame_left = left;
        zstd->began = true;
    }
    return (ssize_t)out.pos;
}

static void zstd_close(input *in)
{
    struct zstd_input *zstd = (struct zstd_input *)in;
    ZSTD_freeDCtx(zstd->context);
    input_free(zstd->raw);
    free(zstd);
}

static const struct input_ops zstd_ops = { zstd_read, zstd_close };

int input_zstd_open(input *raw, input **ret, rdd_error *err)
{
    struct zstd_input *zstd = malloc(sizeof *zstd);
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!zstd || !context) {
        free(zstd);
        ZSTD_freeDCtx(context);
        input_free(raw);
        return error_set_memory(err, "opening a zstd file");
    }
    memset(zstd, 0, offsetof(struct zstd_input, data));
    ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX);
    zstd->base = (input){ &zstd_ops, raw->file, 0 };
    zstd->raw = raw;
    zstd->context = context;
    *ret = &zstd->base;
    return 0;
}
