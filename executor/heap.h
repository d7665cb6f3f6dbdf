/* heap.h: the n least of a stream of elements, kept with deep copies within the task's budget.
 * Used by top, take_ordered (sink) and, on the driver, to merge them. */
#ifndef RDD_HEAP_H
#define RDD_HEAP_H

#include "arena.h"
#include "error.h"
#include "rdd.h"

/* <0 when a belongs before b. */
typedef struct heap_order {
    int (*compare)(const struct heap_order *order, const void *a, const void *b);
    const rdd_type *type;
    bool reverse;
    void *arg;
} heap_order;

typedef struct heap {
    const heap_order *order;
    size_t limit;     /* keep this many */
    size_t count, capacity;
    char *items;      /* a binary heap, the last to keep on top */
    uint64_t *serial; /* ties stay in their order: the earlier element wins */
    uint64_t next_serial;
    arena memory;     /* strings of the elements; rebuilt when mostly garbage */
    size_t live_size; /* what of it the kept elements use, about */
    size_t size_max;  /* of everything, 0: no limit */
} heap;

/* 0, RDD_E_MEMORY, or RDD_E_LIMIT past size_max. */
int heap_offer(heap *h, const void *item, rdd_error *err);

/* Sorts what is kept; *ret views it, first to last. The heap takes no more elements afterwards. */
void heap_sorted(heap *h, const void **ret, size_t *ret_count);

void heap_release(heap *h);

#endif
