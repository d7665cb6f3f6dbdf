/* input.h: bytes of the files that sources read.
 *
 * An input is a stream of bytes: one file, from an offset on. An input_provider opens inputs; the
 * one for files of this machine is here, one that gets its bytes from the driver plugs in at the
 * same place. Compressed files are streams above a stream (input_compressed.h). The readers of
 * records (lines.h, csv_reader.h) sit on top and never ask where bytes come from.
 *
 * Invariants: an input delivers bytes up to the size that its file had when the job was planned,
 * never more, and it is an error if they are not there. Files are read, not mapped: a file that is
 * truncated meanwhile is an error message, not a SIGBUS.
 */
#ifndef RDD_INPUT_H
#define RDD_INPUT_H

#include "arena.h"
#include "buf.h"
#include "error.h"

#include <sys/types.h>

typedef enum input_format {
    INPUT_PLAIN,
    INPUT_GZIP,
    INPUT_ZSTD,
} input_format;

/* Where a file can be opened. */
typedef enum input_place {
    INPUT_DRIVER, /* on the driver's machine; elsewhere that path is another file */
    INPUT_SHARED, /* on every machine */
    INPUT_HTTP,   /* behind the URL that is its path */
    INPUT_PLACES,
} input_place;

/* A file as the driver saw it when it expanded a path (input_paths.h). Plain data, crosses the
 * wire. It must outlive every input that is open on it. */
typedef struct input_file {
    const char *path; /* what is opened */
    const char *name; /* what messages call it: the path, or "standard input" */
    uint64_t size;    /* bytes as stored, so compressed ones if `format` says so */
    int64_t mtime_ns;
    input_format format;
    input_place place;
    bool whole;       /* of INPUT_HTTP: the server does not give parts, and `size` is a guess */
    bool listed;      /* found in a directory or by a pattern, rather than named by the user */
    const char *version; /* of INPUT_HTTP: what tells it from another there; NULL is "" */
    uint64_t number;  /* by which its driver knows it (scheduler/file_server.h); 0: it does not */
} input_file;

/* The end of a range that reaches to the end of the file, wherever that is. */
#define INPUT_END UINT64_MAX

typedef struct input input;

struct input_ops {
    /* Up to `size` bytes, `size` > 0: how many, 0 only at the end, or a negative rdd_code. Fewer
     * than asked for is no sign of the end. */
    ssize_t (*read)(input *in, void *data, size_t size, rdd_error *err);
    /* Frees everything. Reading may be unfinished. */
    void (*close)(input *in);
};

/* The head of every kind of input. */
struct input {
    const struct input_ops *ops;
    const input_file *file;
    uint64_t offset; /* of the next byte, in the stream that readers see */
};

/* Opens inputs; used by several threads at once. */
typedef struct input_provider input_provider;
struct input_provider {
    /* The stored bytes of `file` from `offset` on. Few bytes behind `end` will be wanted: a hint
     * for those who read ahead; they must be delivered all the same. */
    int (*open)(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
                input **ret, rdd_error *err);
};

/* Files of this machine. The first ignores what was appended to a file since it was listed, so that
 * a growing log can be read; the second is for paths that are declared shared between nodes, where
 * another size or mtime means another file, and an error. Neither is ever closed. */
input_provider *input_provider_local(void);
input_provider *input_provider_shared(void);

/* What input_provider_local() does, for whoever reads at many places of one descriptor: opens and
 * checks; reads as input_ops.read at `offset`. A descriptor, or a negative code. */
int input_fd_open(const input_file *file, bool exact, rdd_error *err) MUST_CHECK;
ssize_t input_fd_read(int fd, const input_file *file, uint64_t offset, void *data, size_t size,
                      rdd_error *err) MUST_CHECK;

/* Opens the content of `file`: decompressed if its format says so, and then `offset` must be 0. */
int input_open(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
               input **ret, rdd_error *err) MUST_CHECK;

/* Opens the bytes as they are stored. */
int input_open_raw(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
                   input **ret, rdd_error *err) MUST_CHECK;

/* The contract of input_ops.read. */
static inline ssize_t input_read(input *in, void *data, size_t size, rdd_error *err)
{
    ssize_t got = in->ops->read(in, data, size, err);
    if (LIKELY(got > 0))
        in->offset += (size_t)got;
    return got;
}

/* Reads until `size` bytes are there or the input ends: how many, or a negative rdd_code. */
ssize_t input_read_full(input *in, void *data, size_t size, rdd_error *err);

/* Closes an input; NULL is fine. */
void input_free(input *in);
void input_freep(input **in);

/* The number, from 1, of the line of `file` that byte `offset` of its content is in. It reads the
 * file again from its start, so it is for error messages only. 0 if that fails. */
uint64_t input_line_at(input_provider *provider, const input_file *file, uint64_t offset);

/* What the first bytes of a file say about its format; `size` up to INPUT_MAGIC_SIZE is enough. */
#define INPUT_MAGIC_SIZE 4
input_format input_format_detect(const void *data, size_t size);

/* On the wire. What was decoded lives in the arena. */
void input_file_encode(buf *b, const input_file *file);
int input_file_decode(reader *r, arena *a, input_file *ret, rdd_error *err);

#endif
