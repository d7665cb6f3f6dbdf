/* buf.h: growable bytes with a hard maximum.
 *
 * A failure (out of memory, past the maximum) is sticky: appending goes on doing nothing, and one
 * check of `failed` at the end is enough. A buf that is all zeros is empty and has no maximum.
 */
#ifndef RDD_BUF_H
#define RDD_BUF_H

#include "base.h"

#include <string.h>

typedef struct buf {
    char *data;    /* `size` bytes; not terminated unless buf_terminate() */
    size_t size;
    size_t capacity;
    size_t max;    /* 0: no limit */
    bool failed;
} buf;

/* Makes room for `more` bytes behind `size` and returns where they go; NULL after a failure. The
 * caller adds to `size` what it wrote. */
void *buf_reserve(buf *b, size_t more);

static inline void buf_append(buf *b, const void *data, size_t size)
{
    if (UNLIKELY(size > b->capacity - b->size || b->failed)) {
        if (!buf_reserve(b, size))
            return;
    }
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

static inline void buf_char(buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_text(buf *b, const char *text);
void buf_format(buf *b, const char *format, ...) PRINTF_LIKE(2, 3);

/* Little endian integers. */
void buf_u8(buf *b, uint8_t v);
void buf_u32(buf *b, uint32_t v);
void buf_u64(buf *b, uint64_t v);
/* A length (u32) and the bytes. More than 4 GiB is a failure. */
void buf_sized(buf *b, const void *data, size_t size);

/* Puts a NUL behind the bytes (not counted) and returns them; NULL after a failure. */
char *buf_terminate(buf *b);

/* Hands the bytes to the caller, who frees them; the buf is empty again. NULL when empty. */
char *buf_take(buf *b, size_t *ret_size);

void buf_clear(buf *b);   /* empty, keeps the memory, clears a failure */
void buf_release(buf *b); /* empty, gives the memory back */

/* reader: the same bytes read back, from outside perhaps. Past the end `failed` is set, zeros are
 * returned, and it stays so. */
typedef struct reader {
    const char *at, *end;
    bool failed;
} reader;

static inline reader reader_over(const void *data, size_t size)
{
    return (reader){ data, size ? (const char *)data + size : data, false };
}

static inline size_t reader_left(const reader *r)
{
    return (size_t)(r->end - r->at);
}

const void *reader_bytes(reader *r, size_t size);
uint8_t reader_u8(reader *r);
uint32_t reader_u32(reader *r);
uint64_t reader_u64(reader *r);
const void *reader_sized(reader *r, size_t *ret_size);

#endif
