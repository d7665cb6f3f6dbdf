/* pace.h: how many elements an operator is given at once.
 *
 * One at first, so that a program that asks for one gets it for the price of one, and twice as many each
 * time, up to a batch; fewer again when they take long, since a task looks between batches whether it
 * was cancelled.
 */
#ifndef RDD_PACE_H
#define RDD_PACE_H

#include "clock.h"
#include "run.h"

#define PACE_NS (32 * NS_PER_MS)

typedef struct pace {
    size_t count;
    uint64_t begun_ns;
} pace;

/* The operator is given some of `count` elements: how many. */
static inline size_t pace_begin(pace *p, size_t count)
{
    p->begun_ns = clock_coarse_ns();
    p->count = size_max(p->count, 1);
    return size_min(p->count, count);
}

/* It took `taken` of them. */
static inline void pace_end(pace *p, size_t taken)
{
    uint64_t took_ns = clock_coarse_ns() - p->begun_ns;
    if (UNLIKELY(took_ns > PACE_NS))
        p->count = size_max(1, (size_t)(taken * PACE_NS / took_ns));
    else if (p->count < BATCH_MAX && took_ns < PACE_NS / 2)
        p->count = size_min(p->count * 2, BATCH_MAX);
}

#endif
