/* remote_stream.h: a stream of a file of the driver's, for remote_input.c and remote_output.c. See
 * remote_files.h. A stream is its slot's; all of these may wait.
 */
#ifndef RDD_REMOTE_STREAM_H
#define RDD_REMOTE_STREAM_H

#include "protocol.h"
#include "remote_files.h"

enum { FILE_WINDOW = 2 << 20 };

typedef struct remote_stream remote_stream;

/* A piece of a stream's bytes. */
typedef struct remote_piece {
    struct remote_piece *next;
    size_t size;
    char bytes[];
} remote_piece;

int remote_stream_open(const remote_task *task, const file_open *how, remote_stream **ret,
                       rdd_error *err);

/* The next bytes that came, the caller's to free. `ask` is granted when there are none and none
 * are on their way. NULL and 0: the driver says that this was all. */
int remote_stream_next(remote_stream *s, uint64_t ask, remote_piece **ret, rdd_error *err);
void remote_stream_grant(remote_stream *s, uint64_t more);

/* Waits until all of it may be sent; it then waits for the talking thread. */
int remote_stream_write(remote_stream *s, const char *bytes, size_t size, rdd_error *err);
/* Waits for the driver's answer. */
int remote_stream_finish(remote_stream *s, uint64_t size, uint64_t checksum, rdd_error *err);

/* In any state; frees it. */
void remote_stream_close(remote_stream *s);

#endif
