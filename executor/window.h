/* window.h: the part of an input that a record reader looks at.
 *
 * A buffer that is filled from an input and handed out as views. Readers consume bytes from `at`;
 * window_fill() moves what is left to the front and reads more behind it. It grows only while one
 * record does not fit, and never past `size_max`.
 *
 * Invariants: data + at … data + end are bytes read and not consumed; `offset` is the file offset
 * of data[0]; WINDOW_PAD bytes behind `end` may be read and written, so that vector code needs no
 * special case for the last block.
 */
#ifndef RDD_WINDOW_H
#define RDD_WINDOW_H

#include "input.h"

#define WINDOW_SIZE KIB(256)
#define WINDOW_PAD 64

typedef struct window {
    input *in;
    char *data;
    size_t at, end, capacity;
    size_t size_max;     /* the largest record that the reader allows */
    uint64_t offset;     /* of data[0] in the content of the file */
    bool at_end;         /* nothing follows data[end] */
    bool lifetime_debug; /* move to fresh memory on each fill, overwrite the old */
} window;

/* Takes the input over. `size_hint` is how much there may be in all; a small file gets a small
 * window. */
int window_init(window *w, input *in, uint64_t size_hint, size_t size_max, bool lifetime_debug,
                rdd_error *err) MUST_CHECK;
void window_release(window *w);

/* Invalidates all views. Returns 1 when there are more bytes than before, 0 when the input is at
 * its end, and a negative code; RDD_E_LIMIT without a message when size_max bytes are there
 * already, since only the caller knows what the record is. */
int window_fill(window *w, rdd_error *err) MUST_CHECK;

/* Drops the bytes before `at`, as the lifetime debug mode wants between two batches. */
int window_renew(window *w, rdd_error *err) MUST_CHECK;

static inline uint64_t window_offset(const window *w, const char *data)
{
    return w->offset + (uint64_t)(data - w->data);
}

#endif
