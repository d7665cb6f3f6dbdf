/* http_host.h: the hosts that an engine's calls go to, and when each may be asked.
 *
 * A host has two queues: calls that wait for their first request, and, ahead of them, calls that go
 * on (again, or after a redirect). It is asked when fewer requests are under way than its limit and
 * its gate is open.
 *
 * A gate is the process's: a 429 with Retry-After closes it for all slots. Behind it the host's
 * limit starts at one request and grows by one with each success, so that waiting calls do not rush
 * in and get the next 429. A 429 without Retry-After halves the limit.
 */
#ifndef RDD_HTTP_HOST_H
#define RDD_HTTP_HOST_H

#include "http_text.h"
#include "http_timers.h"

struct call;

typedef struct call_queue {
    struct call *first, *last;
} call_queue;

typedef struct http_host {
    struct http_host *next; /* of the same bucket */
    call_queue again, fresh;
    size_t active;          /* calls that were let through and are not done with their request */
    size_t limit;           /* of active, while it is below what the policy allows; 0: none */
    uint64_t closed_until_ns;
    http_timer timer;       /* armed while calls wait for the gate */
    void *engine;
    size_t name_size;
    char name[];
} http_host;

enum { HTTP_HOST_BUCKETS = 256, HTTP_HOSTS_IDLE_MAX = 512 };

typedef struct http_hosts {
    http_host *buckets[HTTP_HOST_BUCKETS];
    http_host *recent; /* most calls go where the last one went */
    size_t count;
    uint64_t gates_seen;
} http_hosts;

/* The host of an origin, made if need be; a timer is reserved for it. NULL when out of memory. */
http_host *http_hosts_get(http_hosts *hs, http_timers *timers, const http_origin *origin);

/* Takes over what other slots were told meanwhile. Cheap when there is no news. */
void http_hosts_sync(http_hosts *hs);

void http_hosts_release(http_hosts *hs, http_timers *timers);

/* A 429 came. until_ns: what Retry-After asked for, on the monotonic clock; 0 if it did not. */
void http_host_slow_down(http_hosts *hs, http_host *h, uint64_t until_ns);

/* Another answer came. */
void http_host_speed_up(http_host *h, size_t limit_max);

bool http_host_idle(const http_host *h);

void call_queue_push(call_queue *q, struct call *c);
struct call *call_queue_pop(call_queue *q);
void call_queue_remove(call_queue *q, struct call *c);

#endif
