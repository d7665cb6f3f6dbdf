/* rate.h: no more than so many calls in a time, over all slots of a process, or of the cluster.
 *
 * A caller reserves the next free moment and gets told when that is; how it waits until then is its
 * own business (a fiber becomes a timer of its HTTP engine). Moments are handed out in order and
 * never twice, so nobody has to be woken and no lock is held: the state is one atomic number, the
 * moment from which the next reservation counts (the "generic cell rate algorithm").
 *
 * A limiter that was idle lets a small burst through at once: a tenth of a second's worth, at least
 * one call.
 *
 * In a worker the moments are leased from the driver (rate_lease.h), which has the limiter of the
 * whole cluster. There may be none then: the caller says that it waits, and tries again when it is
 * told of news.
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
    struct rate_lease *lease; /* NULL: the process's own limiter */
} rate_limit;

/* Reads "50/s", "100/m" or "9/h" (also "2.5/s"); the unit must be there. RDD_E_USAGE otherwise. */
int rate_limit_init(rate_limit *r, const char *text, rdd_error *err);

/* When the caller may go: `now_ns` or later, on the clock of `now_ns`. The moment is the caller's
 * and is lost if it does not use it. CLOCK_NEVER: no moment is leased now. From any thread. */
uint64_t rate_limit_reserve(rate_limit *r, uint64_t now_ns);

/* One more caller waits for a moment that is not leased yet, or one less. */
void rate_limit_wait(rate_limit *r, uint64_t now_ns);
void rate_limit_wait_end(rate_limit *r);

#endif
