/* output.h: where the bytes that are saved go.
 *
 * An output is a stream of bytes to one place: a new file, or a descriptor that somebody else owns.
 * A compressor is an output above an output. Sinks write their parts through it on an executor, and
 * the driver's commit writes the final file. Whoever carries the bytes to another machine plugs in
 * here.
 *
 * Invariants: an output that is freed before it was finished leaves nothing behind that it made.
 * Outputs do not gather small pieces; their callers do, in a buf of OUTPUT_CHUNK (output_put).
 */
#ifndef RDD_OUTPUT_H
#define RDD_OUTPUT_H

#include "buf.h"
#include "error.h"
#include "plan.h"

#define OUTPUT_CHUNK KIB(256)

typedef struct output output;

struct output_ops {
    int (*write)(output *out, const void *data, size_t size, rdd_error *err);
    /* Everything that was written is in its place; fills `stored_size` and `checksum`. */
    int (*finish)(output *out, rdd_error *err);
    void (*free)(output *out);
    /* Bytes of a descriptor, without bringing them here: how many, 0 when it cannot be done that
     * way, or a negative code. NULL: never. */
    ssize_t (*copy)(output *out, int fd, uint64_t offset, size_t size, rdd_error *err);
};

/* The head of every kind of output. */
struct output {
    const struct output_ops *ops;
    uint64_t stored_size; /* when finished: bytes that arrived, after compression */
    uint64_t checksum;    /* XXH3 of them; 0 when it was not asked for */
};

/* Makes `path`, which must not exist. `shown` is what messages call the place; it must outlive the
 * output. */
int output_file_create(const char *path, const char *shown, bool checksum, output **ret,
                       rdd_error *err) MUST_CHECK;

/* Writes behind what is in `path` already. Freed unfinished, the file stays, in any state. */
int output_file_append(const char *path, const char *shown, output **ret,
                       rdd_error *err) MUST_CHECK;

/* Writes to a descriptor that stays open. A reader that has gone is an error, not a signal. */
int output_descriptor(int fd, const char *shown, output **ret, rdd_error *err) MUST_CHECK;

/* Compresses into *out, which it takes over, also when it fails. What is written makes one gzip
 * member or one zstd frame, and such files may be joined byte by byte. */
int output_compress(output **out, compression how, rdd_error *err) MUST_CHECK;
int output_gzip(output *below, output **ret, rdd_error *err) MUST_CHECK;
int output_zstd(output *below, output **ret, rdd_error *err) MUST_CHECK;

/* ".gz", ".zst", or "" */
const char *compression_suffix(compression how);
compression compression_of_name(const char *name);

static inline int output_write(output *out, const void *data, size_t size, rdd_error *err)
{
    return size ? out->ops->write(out, data, size, err) : 0;
}

/* Writes what has gathered and empties it. */
int output_put(output *out, buf *pending, rdd_error *err) MUST_CHECK;

/* Bytes [offset, offset + size) of a file; that they are there is checked. `shown` names it. */
int output_copy(output *out, int fd, const char *shown, uint64_t offset, uint64_t size,
                rdd_error *err) MUST_CHECK;

int output_finish(output *out, rdd_error *err) MUST_CHECK;

void output_free(output *out); /* NULL is fine */
void output_freep(output **out);

/* The error of a write: what to say when a disk is full, a quota used up, a reader gone. */
int output_error(rdd_error *err, int os_errno, const char *shown);

/* While one of these lives, writing to a pipe that nobody reads gives EPIPE on this thread and no
 * signal, whatever the program has set. */
typedef struct sigpipe_guard {
    bool blocked; /* by us */
} sigpipe_guard;
sigpipe_guard sigpipe_block(void);
void sigpipe_restore(sigpipe_guard *guard);

#endif
