#include "heap.h"

#include "type.h"

/* Whether slot a's element belongs behind slot b's. */
static bool behind(const heap *h, size_t a, size_t b)
{
    size_t size = h->order->type->size;
    int c = h->order->compare(h->order, h->items + a * size, h->items + b * size);
    return c ? c > 0 : h->serial[a] > h->serial[b];
}

static void swap(heap *h, size_t a, size_t b)
{
    size_t size = h->order->type->size;
    char *x = h->items + a * size, *y = h->items + b * size;
    for (size_t i = 0; i < size; i++) {
        char t = x[i];
        x[i] = y[i];
        y[i] = t;
    }
    uint64_t t = h->serial[a];
    h->serial[a] = h->serial[b];
    h->serial[b] = t;
}

static void sift_down(heap *h, size_t at, size_t count)
{
    for (;;) {
        size_t last = at, left = 2 * at + 1, right = left + 1;
        if (left < count && behind(h, left, last))
            last = left;
        if (right < count && behind(h, right, last))
            last = right;
        if (last == at)
            return;
        swap(h, at, last);
        at = last;
    }
}

static void sift_up(heap *h, size_t at)
{
    while (at && behind(h, at, (at - 1) / 2)) {
        swap(h, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
}

static bool reserve(heap *h)
{
    if (h->count < h->capacity)
        return true;
    size_t size = h->order->type->size;
    size_t capacity = size_min(h->limit, size_max(64, h->capacity * 2));
    size_t bytes;
    if (__builtin_mul_overflow(capacity, size, &bytes))
        return false;
    char *items = realloc(h->items, bytes);
    if (!items)
        return false;
    memset(items + h->capacity * size, 0, bytes - h->capacity * size);
    h->items = items;
    uint64_t *serial = realloc(h->serial, capacity * sizeof *serial);
    if (!serial)
        return false;
    h->serial = serial;
    h->capacity = capacity;
    return true;
}

/* The kept elements' strings into a new arena, when most of the old one belongs to elements that
 * were pushed out. */
static int compact(heap *h, rdd_error *err)
{
    arena fresh = { 0 };
    size_t size = h->order->type->size;
    for (size_t i = 0; i < h->count; i++) {
        if (values_copy(h->order->type, h->items + i * size, 1, h->items + i * size, &fresh) < 0) {
            arena_release(&h->memory); /* some point here, some there: nothing is usable */
            arena_release(&fresh);
            h->count = 0;
            return error_set_memory(err, "keeping the first elements");
        }
    }
    arena_release(&h->memory);
    h->memory = fresh;
    h->live_size = fresh.used;
    return 0;
}

static int keep(heap *h, size_t at, const void *item, rdd_error *err)
{
    size_t size = h->order->type->size;
    if (values_copy(h->order->type, item, 1, h->items + at * size, &h->memory) < 0)
        return error_set_memory(err, "keeping the first elements");
    h->serial[at] = h->next_serial;
    bool full = h->size_max && h->count * size + h->memory.used > h->size_max;
    if (full || h->memory.used > 2 * h->live_size + MIB(1)) {
        int code = compact(h, err);
        if (code < 0)
            return code;
    }
    if (h->size_max && h->count * size + h->memory.used > h->size_max)
        return error_set(err, RDD_E_LIMIT, "the elements to keep need more than %zu bytes",
                         h->size_max);
    return 0;
}

int heap_offer(heap *h, const void *item, rdd_error *err)
{
    int code = 0;
    if (!h->limit)
        return 0;
    if (h->count < h->limit) {
        if (!reserve(h))
            return error_set_memory(err, "keeping the first elements");
        h->count++;
        code = keep(h, h->count - 1, item, err);
        if (code == 0)
            sift_up(h, h->count - 1);
    } else if (h->order->compare(h->order, item, h->items) < 0) {
        /* of equal elements the earlier stays, so only a smaller one pushes the top out */
        code = keep(h, 0, item, err);
        if (code == 0)
            sift_down(h, 0, h->count);
    }
    h->next_serial++;
    return code;
}

void heap_sorted(heap *h, const void **ret, size_t *ret_count)
{
    for (size_t end = h->count; end > 1; end--) {
        swap(h, 0, end - 1);
        sift_down(h, 0, end - 1);
    }
    *ret = h->items;
    *ret_count = h->count;
}

void heap_release(heap *h)
{
    free(h->items);
    free(h->serial);
    arena_release(&h->memory);
    h->items = NULL;
    h->serial = NULL;
}
