/* rate_lease.h: rate limits whose moments the driver gives out, as a worker has them.
 *
 * The driver's side is scheduler/rate_leases.h. Slots take moments and say when they wait; the
 * worker's talking thread sends what they ask for and brings what is granted. All of it is the
 * process's and may be called from any thread.
 *
 * More is asked for than the calls that wait: also what was used lately, so that a call finds its
 * moment there. A moment that nobody took is thrown away soon after it has passed.
 */
#ifndef RDD_RATE_LEASE_H
#define RDD_RATE_LEASE_H

#include "call_wire.h"

typedef struct rate_lease rate_lease;

/* From now on rates are leased; `wake` is called when there is something to ask for. */
void rate_lease_begin(void (*wake)(void *arg), void *arg);
bool rate_lease_on(void);

/* One for each rate, for as long as the process lives. NULL when out of memory. */
rate_lease *rate_lease_new(const char *name, uint64_t interval_ns);

/* As the functions of rate.h. */
uint64_t rate_lease_reserve(rate_lease *l, uint64_t now_ns);
void rate_lease_wait(rate_lease *l, uint64_t now_ns);
void rate_lease_wait_end(rate_lease *l);

/* -- For the talking thread -------------------------------------------------------------------- */

/* The next thing to ask for; its worker number is the caller's to fill in. False: nothing. */
bool rate_lease_next_ask(lease *ret);

void rate_lease_granted(const lease *grant, uint64_t now_ns);

#endif
