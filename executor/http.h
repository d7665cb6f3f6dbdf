/* http.h: HTTP calls that read like blocking code, thousands of them in flight on one thread.
 *
 * An engine belongs to one slot: one thread, one set of connections that live as long as the
 * engine, so they serve one row after the other and one task after the other. Only
 * http_engine_cancel() may be called from other threads.
 *
 * http_call() waits for the answer. Inside a fiber that http_engine_start() began, waiting means
 * that the fiber is suspended and others go on; anywhere else the call runs the engine's loop
 * itself. So the one who wants concurrency keeps some fibers alive and lets the engine run them:
 *
 *     while (more to do or http_engine_fibers(e) > 0) {
 *         while (more to do and http_engine_fibers(e) < concurrency)
 *             http_engine_start(e, work, arg, &err);     runs it up to its first call
 *         if (http_engine_fibers(e) > 0)
 *             http_engine_wait(e);                       sleeps, then runs those whose answer came
 *     }
 *
 * How a call goes. It queues at its host until the host may be asked: fewer requests under way than
 * connections_per_host, no Retry-After that says "later", and a moment of the rate limit. Then
 * comes an attempt: a request and the redirects that its answer asks for. A connection that fails,
 * a timeout, and the answers 408, 429, 500, 502, 503 and 504 lead to another attempt, after a wait
 * with exponential backoff and full jitter, until attempts_max or elapsed_max_ms is spent. POST,
 * PATCH and methods of unknown meaning are only sent again if the request has an idempotency key.
 *
 * A 429 is a word to everybody: the host's calls slow down to one at a time and speed up with each
 * success; with Retry-After (of a 503 too), all slots of the process hold their calls to this host
 * until then, and so do all executors (http_hold).
 *
 * Timeouts count the server's time, not ours: when the thread was busy elsewhere, that time does
 * not count, and what came in meanwhile is read before anything is called late.
 */
#ifndef RDD_HTTP_H
#define RDD_HTTP_H

#include "arena.h"
#include "error.h"
#include "fiber.h"
#include "rate.h"

typedef struct http_engine http_engine;

/* What the calls of an operator have to keep to. */
typedef struct http_policy {
    int timeout_ms;         /* of one attempt, all in all */
    int connect_timeout_ms; /* until a connection is there */
    int attempts_max;
    int backoff_ms;         /* before the first retry at most; doubles from then on */
    int backoff_max_ms;
    int retry_after_max_ms; /* a Retry-After that asks for more is cut to this */
    int64_t elapsed_max_ms; /* from the first attempt on, without waiting for the rate limit */
    int connections_per_host;
    int redirects_max;      /* 0: a redirect is an answer like others */
    size_t response_max;    /* bytes of one answer, after decompression */
    rate_limit *rate;       /* shared by all slots; NULL: as fast as it goes */
} http_policy;

/* The policy of an operator: its options, and where they are zero, --conf http.*. `options` may be
 * NULL. The rate is left NULL: the caller shares one between slots (http_policy_rate gives its
 * text, "" for none). */
void http_policy_init(http_policy *ret, const rdd_http_options *options);
const char *http_policy_rate(const rdd_http_options *options);

typedef struct http_engine_options {
    fiber_pool *fibers; /* of this thread; outlives the engine */
    uint64_t seed;      /* of the jitter; each engine of a process draws numbers of its own */
    rdd_str ca_bundle;  /* PEM certificates to trust instead of the system's; none if size is 0.
                         * Outlives the engine. */
    void (*rest)(void); /* called before the thread sleeps until an answer comes; NULL: nothing */
} http_engine_options;

/* Cheap: libcurl is loaded with the first call. The thread's SIGPIPE is blocked from then on until
 * the engine is freed, since TLS libraries write without asking. */
int http_engine_new(http_engine **ret, const http_engine_options *options, rdd_error *err);

/* No call is under way. NULL is fine. */
void *http_engine_free(http_engine *e);

/* One call with all its attempts. 0 when it came to an end, well or not: the response says. Its
 * strings are in `memory`. RDD_E_CANCELLED or RDD_E_MEMORY, with `err` filled, when the task has to
 * end; the response then has status 0 and the same message.
 *
 * `request` and `policy` must stay valid until the call returns. A request that cannot be sent (a
 * URL that is none, a header with a line break) is a failed call with 0 attempts.
 *
 * The error text is one line without the URL, so that equal causes have equal texts: "404 Not
 * Found", "timed out after 30 s (http.timeout)", "connection refused by 127.0.0.1:9". */
int http_call(http_engine *e, const http_policy *policy, const rdd_http_request *request,
              arena *memory, rdd_http_response *ret, rdd_error *err);

/* Leave to send: asked right before each request of a call, and again after each nudge while it says
 * no. For a call that somebody has to know of before it is made. */
typedef struct http_permit {
    bool (*may_send)(struct http_permit *p);
    bool untouched; /* set at the end: no byte of a request can have reached a server */
} http_permit;

/* The same with a permit, which may be NULL. */
int http_call_with(http_engine *e, const http_policy *policy, const rdd_http_request *request,
                   http_permit *permit, arena *memory, rdd_http_response *ret, rdd_error *err);

/* Whether a request of this method, which may be empty, is sent once only. */
bool http_is_once(const rdd_http_request *request);

/* Begins a fiber whose calls do not block the others, and runs it until it suspends or ends. Its
 * body may also call fiber_suspend() for reasons of its own, if somebody will resume it. */
int http_engine_start(http_engine *e, void (*body)(void *arg), void *arg, rdd_error *err);

/* Fibers that were started and have not ended. */
size_t http_engine_fibers(const http_engine *e);

/* Fibers that wait for an answer. */
size_t http_engine_waiting(const http_engine *e);

/* Sleeps until some call of a fiber has come to its end, and runs the fibers concerned until they
 * suspend or end. At least one fiber is waiting. */
void http_engine_wait(http_engine *e);

/* The same without sleeping: runs what can go on now. For a driver that has other work to do. */
void http_engine_poll(http_engine *e);

/* All calls end soon with RDD_E_CANCELLED, and so does every further one, until
 * http_engine_resume(). From any thread, while the engine exists. */
void http_engine_cancel(http_engine *e);
void http_engine_resume(http_engine *e);

/* There may be a moment of a rate, or a permit, for calls that wait for one. From any thread, while
 * the engine exists. */
void http_engine_nudge(http_engine *e);

/* Hosts that said "later", beyond this process. `told` hears of each that one of its slots met (an
 * origin as in "http://host:80"); before the first call. http_hold() is what others met. */
typedef void http_hold_told(void *arg, rdd_str origin, uint64_t until_ns);
void http_hold_watch(http_hold_told *told, void *arg);
void http_hold(rdd_str origin, uint64_t until_ns);

/* Percent-encodes everything but the unreserved characters of RFC 3986, into `memory`; data NULL
 * when out of memory. */
rdd_str http_url_encode(rdd_str text, arena *memory);

#endif
