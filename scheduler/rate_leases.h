/* rate_leases.h: the rate limits of a cluster: who may make how many calls, and when.
 *
 * (state, ask, now) -> grants. The driver's call desk (call_desk.c) calls it under its mutex; it
 * reads no clock and owns no thread.
 *
 * A rate is a row of moments, one for each call, an interval apart; a tenth of a second's worth of
 * them, at least one, may come early after a pause. Each moment is given to one asker, once. They are
 * given in turn to all who want some, and only a little ahead (LEASE_AHEAD_NS): so an asker that is
 * lost takes no more than its share of that along, and nothing has to be claimed back. A moment that
 * is not used in time is nobody's any more.
 *
 * What an asker wants is a count since it began, and so is what it was given: asks that cross
 * grants on their way do no harm.
 */
#ifndef RDD_RATE_LEASES_H
#define RDD_RATE_LEASES_H

#include "base.h"
#include "clock.h"
#include "rdd.h"

enum {
    LEASE_RATES_MAX = 4096,  /* keys; more are refused */
    LEASE_ASKERS_MAX = 65536, /* of one rate */
};
/* How long before its moment a call is granted: a way to the far end of a slow link. */
#define LEASE_AHEAD_NS (200 * NS_PER_MS)

typedef struct rate_leases rate_leases;

typedef struct lease_asker {
    uint32_t executor, incarnation, worker;
} lease_asker;

typedef struct lease_grant {
    lease_asker to;
    rdd_str key;        /* valid until the next call */
    uint64_t count, from_ns, span_ns; /* calls at from, from + span, … */
} lease_grant;

rate_leases *rate_leases_new(void); /* NULL when out of memory */
void *rate_leases_free(rate_leases *l);

/* An asker wants `wanted` calls of a rate since it began. False when out of memory or past a limit:
 * nothing will be granted. */
bool rate_leases_ask(rate_leases *l, const lease_asker *who, rdd_str key, uint64_t interval_ns,
                     uint64_t wanted);

/* A worker has ended; with worker 0 the whole executor, all its incarnations up to this one. */
void rate_leases_gone(rate_leases *l, const lease_asker *who);

/* The next grant that is due; false when there is none. */
bool rate_leases_next(rate_leases *l, uint64_t now_ns, lease_grant *ret);

/* When there will be one, if nobody says anything until then; CLOCK_NEVER. */
uint64_t rate_leases_deadline(const rate_leases *l);

#endif
