/* http_call.h: the insides of an engine: what a call is while it is under way. For http*.c alone.
 *
 *   QUEUED   in its host's queue
 *   PACED    let through by its host, waits for its moment of the rate limit, or, parked, for there
 *            to be one, or for its permit
 *   SENT     on the wire
 *   BACKOFF  waits for its next attempt
 *   DONE     the response is filled; its fiber is about to run
 *
 * Invariants: a call is in its engine's list until it is DONE. It counts in host->active exactly
 * while it is PACED or SENT. Its timer is armed in PACED (unless it is parked), SENT and BACKOFF.
 *
 * Two clocks: timers go by the clock. Limits of time that a call has used up go by the engine's own
 * time, which stands still while the thread is busy elsewhere (http_engine_time).
 */
#ifndef RDD_HTTP_CALL_H
#define RDD_HTTP_CALL_H

#include "http.h"
#include "http_host.h"
#include "http_wire.h"
#include "random.h"

#include <signal.h>
#include <stdatomic.h>

typedef enum call_state { CALL_QUEUED, CALL_PACED, CALL_SENT, CALL_BACKOFF, CALL_DONE } call_state;

typedef struct call {
    exchange x; /* comes first */
    http_engine *engine;
    const http_policy *policy;
    const rdd_http_request *request;
    arena *memory;
    rdd_http_response *response;
    rdd_error *err;
    int code;             /* what http_call returns */
    call_state state;
    fiber *fiber;         /* to run when it is done; NULL: somebody runs the loop for it */
    http_host *host;
    http_timer timer;
    struct call *next, *previous;            /* in the engine's list */
    struct call *queue_next, *queue_previous; /* in a host's queue, parked, in the ready list */
    http_permit *permit;  /* NULL: none is needed */
    bool parked;          /* in the engine's list of them */
    bool rate_waits;      /* counted as waiting by its rate limit */
    uint64_t moment;      /* of the rate limit; CLOCK_NEVER while it has none */
    uint64_t paced;       /* when it was let through by its host */
    bool queued_again;    /* in which of the host's queues */
    bool repeatable;      /* may be sent more than once */
    bool hop;             /* the next request follows a redirect: not a new attempt */
    int attempts, redirects, restarts;
    uint64_t begun;       /* engine time of the first attempt */
    uint64_t excused;     /* waiting for the rate limit since then */
    uint64_t sent;        /* engine time of the last request */
    uint64_t allowed;     /* how long it may take */
    bool last_chance;     /* it has less than the timeout, since elapsed_max is nearly spent */
    uint64_t hops_time;   /* what earlier requests of this attempt took */
    char *redirected_url; /* owned */
    char method[HTTP_METHOD_MAX + 1];
} call;

struct http_engine {
    http_engine_options options;
    _Atomic(wire *) wire; /* NULL until the first call */
    http_hosts hosts;
    http_timers timers;
    call *calls;
    call_queue ready; /* done, their fibers are to run */
    call_queue parked; /* look again after a nudge */
    size_t waiting;   /* calls of fibers that are not done */
    size_t fiber_count;
    uint64_t starved; /* how much the engine's time is behind the clock */
    random_state random;
    atomic_bool cancelled, nudged;
    struct { void (*body)(void *arg); void *arg; } starting;
    bool blocked_sigpipe;
};

static inline uint64_t http_engine_time(const http_engine *e, uint64_t now_ns)
{
    return now_ns - e->starved;
}

/* Checks the request and queues the call at its host. It may be DONE afterwards. */
void call_begin(call *c);

/* There was a nudge: parked calls look again. */
void calls_unpark(http_engine *e, uint64_t now_ns);

/* Its request came back. */
void call_answered(call *c, uint64_t now_ns);

/* Ends it with RDD_E_CANCELLED, wherever it is. */
void call_cancel(call *c);

#endif
