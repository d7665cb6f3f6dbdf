/* remote_output.c: the file of a partition, in the driver's staging directory, as an output. See
 * remote_files.h and output.h.
 *
 * It is finished when the driver has said that all of it is in its place, whole; freed before, the
 * driver removes it.
 */
#include "output.h"
#include "remote_stream.h"

#include <xxhash.h>

typedef struct remote_output {
    output base;
    remote_stream *stream;
    uint64_t size;
    XXH3_state_t *checksum;
} remote_output;

static int remote_write(output *out, const void *data, size_t size, rdd_error *err)
{
    remote_output *r = (remote_output *)out;
    XXH3_64bits_update(r->checksum, data, size);
    r->size += size;
    return remote_stream_write(r->stream, data, size, err);
}

static int remote_finish(output *out, rdd_error *err)
{
    remote_output *r = (remote_output *)out;
    out->stored_size = r->size;
    out->checksum = XXH3_64bits_digest(r->checksum);
    return remote_stream_finish(r->stream, out->stored_size, out->checksum, err);
}

static void remote_free(output *out)
{
    remote_output *r = (remote_output *)out;
    remote_stream_close(r->stream);
    XXH3_freeState(r->checksum);
    free(r);
}

static const struct output_ops REMOTE_OPS = { remote_write, remote_finish, remote_free, NULL };

int remote_output_create(const remote_task *task, output **ret, rdd_error *err)
{
    remote_output *r = calloc(1, sizeof *r);
    if (!r)
        return error_set_memory(err, "opening an output");
    r->base.ops = &REMOTE_OPS;
    r->checksum = XXH3_createState();
    CLEANUP(output_freep) output *out = &r->base;
    if (!r->checksum)
        return error_set_memory(err, "opening an output");
    XXH3_64bits_reset(r->checksum);
    file_open how = { .use = FILE_WRITE, .task = task->id };
    int code = remote_stream_open(task, &how, &r->stream, err);
    if (code < 0)
        return code;
    *ret = TAKE(out);
    return 0;
}
