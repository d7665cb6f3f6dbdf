/* holds.h: hosts that said "later" (Retry-After), each with the time until which it is not asked.
 *
 * A worker keeps the table for its slots, the driver for all workers. It is bounded, and what is over
 * goes when the next one comes. Callers lock.
 */
#ifndef RDD_HOLDS_H
#define RDD_HOLDS_H

#include "base.h"
#include "rdd.h"

enum { HOLDS_MAX = 1024 }; /* hosts at once; of others nothing is kept */

typedef struct hold {
    struct hold *next;
    uint64_t until_ns; /* on the monotonic clock */
    uint64_t serial;   /* of the change that said so */
    size_t name_size;
    char name[];
} hold;

typedef struct holds {
    hold *first;
    size_t count;
    uint64_t serial; /* of the last change; 0: none yet */
} holds;

/* NULL when nothing is known of it. What it gives may be over. */
const hold *holds_find(const holds *hs, rdd_str name);

/* Returns by how much later than known until now, of a host that was not held since the clock's zero;
 * 0: not later, or there is no room. */
uint64_t holds_extend(holds *hs, rdd_str name, uint64_t now_ns, uint64_t until_ns);

void holds_release(holds *hs);

#endif
