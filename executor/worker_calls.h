/* worker_calls.h: what a worker's HTTP calls have to do with the driver: leases of rates, hosts that
 * are held up, and the journal of answers.
 *
 * Slots leave words here, under a mutex, and wake the worker's talking thread, which puts them into
 * frames; what comes back goes to where slots find it. There is one in a process.
 */
#ifndef RDD_WORKER_CALLS_H
#define RDD_WORKER_CALLS_H

#include "channel.h"

typedef struct worker_calls worker_calls;

/* `serial` is the worker's, `wake_fd` an eventfd that the talking thread polls. */
int worker_calls_new(worker_calls **ret, uint32_t serial, int wake_fd, rdd_error *err);
/* When no slot runs any more. */
void *worker_calls_free(worker_calls *w);

/* Moves what is to be said into `c`. True when there was something. */
bool worker_calls_take(worker_calls *w, channel *c, uint64_t now_ns);

/* When to take next although nobody wakes the caller; CLOCK_NEVER. */
uint64_t worker_calls_deadline(worker_calls *w);

/* A LEASE or JOURNAL came; false when it is malformed. The slots' engines want a nudge then. */
bool worker_calls_frame(worker_calls *w, const frame *f, uint64_t now_ns);

/* Whoever waits for the driver looks whether its task was cancelled. */
void worker_calls_cancelled(worker_calls *w);

#endif
