/* rate.h: no more than so many calls in a time, over all slots of a process.
 *
 * A caller reserves the next free moment and gets told when that is; how it waits until then is its
 * own business (a fiber becomes a timer of its HTTP engine). Moments are handed out in order and
 * never twice, so nobody has to be woken and no lock is held: the state is one atomic number, the
 * moment from which the next reservation counts (the "generic cell rate algorithm").
 *
 * A limiter that was idle lets a small burst through at once: a tenth of a second's worth, at least
 * one call.
 */
#ifndef RDD_RATE_H
#define RDD_RATE_H

#include "base.h"
#include "error.h"

#include <stdatomic.h>

typedef struct rate_limit {
    uint64_t interval_ns;  /* between two calls */
    uint64_t tolerance_ns; /* how far a burst may run ahead of its interval */
    _Atomic uint64_t next_ns;
} rate_limit;

/* Reads "50/s", "100/m" or "9/h" (also "2.5/s"); the unit must be there. RDD_E_USAGE otherwise. */
int rate_limit_init(rate_limit *r, const char *text, rdd_error *err);

/* When the caller may go: `now_ns` or later, on the clock of `now_ns`. The moment is the caller's
 * and is lost if it does not use it. From any thread. */
uint64_t rate_limit_reserve(rate_limit *r, uint64_t now_ns);

#endif
