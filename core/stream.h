/* stream.h: blobs of known size that travel piece by piece, as far as their receiver lets them.
 *
 * The sender holds the whole blob, the receiver puts it together in one heap block. Credit keeps
 * everything between them small: a receiver lets STREAMS_ACTIVE of its streams move at a time, each
 * STREAM_WINDOW ahead of what has come, and allocates for no other. All of this is pure; bytes go
 * through a channel.
 */
#ifndef RDD_STREAM_H
#define RDD_STREAM_H

#include "channel.h"

enum {
    STREAM_WINDOW = 4 << 20,
    STREAMS_ACTIVE = 4,
};

/* -- Sending ----------------------------------------------------------------------------------- */

typedef struct stream_out stream_out;

typedef struct streams_out {
    stream_out *first, *last;
    char *spare; /* the heap of one that has ended, for whoever takes it to use it again, or NULL */
} streams_out;

/* `heap`, when not NULL, is where `bytes` are, and is freed after the stream; otherwise the bytes
 * stay valid until the stream is gone. `stage` is for streams_out_drop_stage(). */
int streams_out_add(streams_out *s, uint64_t id, uint32_t stage, const char *bytes, size_t size,
                    char *heap);

/* CREDIT came. An unknown id is fine: the stream may be gone already. */
void streams_out_credit(streams_out *s, uint64_t id, uint64_t more);

/* RESET came, or the blob is not wanted any more. True when there was such a stream. */
bool streams_out_drop(streams_out *s, uint64_t id);

/* Drops a stage's streams and tells their receivers. */
void streams_out_drop_stage(streams_out *s, uint32_t stage, channel *c);

/* Moves bytes that have credit into the channel, unless enough waits there already. */
void streams_out_pump(streams_out *s, channel *c);

/* How many bytes are not in the channel yet. */
size_t streams_out_waiting(const streams_out *s);

void streams_out_release(streams_out *s);

/* -- Receiving --------------------------------------------------------------------------------- */

typedef struct stream_in {
    uint64_t id;
    void *owner; /* the caller's */
    char *bytes; /* NULL until it is let move */
    size_t size, received, granted;
    struct stream_in *next;
} stream_in;

typedef struct streams_in {
    stream_in *first, *last;
} streams_in;

/* A stream of `size` (> 0, checked by the caller against its limit) bytes was announced. */
int streams_in_open(streams_in *s, uint64_t id, size_t size, void *owner);

/* Gives credit where it is due. A stream for which there is no memory is reset and comes back in
 * *ret_failed, detached: the caller frees it and calls again. */
void streams_in_grant(streams_in *s, channel *c, stream_in **ret_failed);

/* DATA came. *ret_done is the stream when this was its last piece, detached: the caller takes
 * `bytes` and frees it. Bytes for an unknown stream are dropped; more than was granted is
 * RDD_E_PROTOCOL. */
int streams_in_data(streams_in *s, const frame *f, stream_in **ret_done, rdd_error *err);

/* RESET came: the stream, detached, or NULL when there is none. */
stream_in *streams_in_take(streams_in *s, uint64_t id);

/* Detaches the first stream whatever its state; NULL when there is none. */
stream_in *streams_in_take_first(streams_in *s);

void *stream_in_free(stream_in *s);

#endif
