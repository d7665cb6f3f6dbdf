/* window.c: see window.h. Used by lines.c and csv_reader.c. */
#include "window.h"

#define DEBUG_SIZE KIB(4)

/* What the lifetime debug mode writes over memory that views must not point into any more. */
#define DEBUG_BYTE 0xdd

/* Moves data[at, end) to the start of a buffer of `capacity` bytes. */
static int move(window *w, size_t capacity, rdd_error *err)
{
    size_t keep = w->end - w->at;
    if (w->lifetime_debug) {
        char *fresh = malloc(capacity + WINDOW_PAD);
        if (!fresh)
            return error_set_memory(err, "reading a file");
        memcpy(fresh, w->data + w->at, keep);
        memset(w->data, DEBUG_BYTE, w->capacity + WINDOW_PAD);
        free(w->data);
        w->data = fresh;
    } else {
        if (w->at)
            memmove(w->data, w->data + w->at, keep);
        /* Large blocks are remapped, so this does not hold both. */
        char *grown = capacity > w->capacity ? realloc(w->data, capacity + WINDOW_PAD) : w->data;
        if (!grown)
            capacity = 0;
        else
            w->data = grown;
    }
    w->offset += w->at;
    w->at = 0;
    w->end = keep;
    if (!capacity)
        return error_set_memory(err, "reading a file");
    w->capacity = capacity;
    return 0;
}

int window_init(window *w, input *in, uint64_t size_hint, size_t size_max, bool lifetime_debug,
                rdd_error *err)
{
    /* One byte more than there is, or it would take a second fill to see the end. */
    size_t capacity =
        (size_t)u64_min(WINDOW_SIZE, size_hint < WINDOW_SIZE ? size_hint + 1 : WINDOW_SIZE);
    if (lifetime_debug)
        capacity = size_min(capacity, DEBUG_SIZE);
    char *data = malloc(capacity + WINDOW_PAD);
    if (!data) {
        input_free(in);
        return error_set_memory(err, "opening a file");
    }
    memset(data, 0, WINDOW_PAD);
    *w = (window){ .in = in,
                   .data = data,
                   .capacity = capacity,
                   .size_max = size_max,
                   .offset = in->offset,
                   .lifetime_debug = lifetime_debug };
    return 0;
}

void window_release(window *w)
{
    input_free(w->in);
    free(w->data);
    *w = (window){ 0 };
}

int window_fill(window *w, rdd_error *err)
{
    if (w->at_end)
        return 0;
    size_t keep = w->end - w->at;
    if (keep >= w->size_max)
        return RDD_E_LIMIT;
    size_t capacity = w->capacity;
    if (keep > capacity / 2)
        capacity = size_max(capacity, size_min(capacity * 2, w->size_max));
    int code = move(w, capacity, err);
    if (code)
        return code;
    while (w->end < w->capacity) {
        ssize_t got = input_read(w->in, w->data + w->end, w->capacity - w->end, err);
        if (got < 0)
            return (int)got;
        if (got == 0) {
            w->at_end = true;
            break;
        }
        w->end += (size_t)got;
    }
    memset(w->data + w->end, 0, WINDOW_PAD);
    return w->end > keep;
}

int window_renew(window *w, rdd_error *err)
{
    int code = move(w, w->capacity, err);
    if (!code)
        memset(w->data + w->end, 0, WINDOW_PAD);
    return code;
}
