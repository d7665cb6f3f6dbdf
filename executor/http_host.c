#include "http_host.h"

#include "clock.h"
#include "holds.h"
#include "http_call.h"

#include <pthread.h>

/* -- Gates: what the process knows of hosts that said "later" ---------------------------------- */

/* By how much longer a gate is to be closed before it is worth telling others. */
#define NEWS_NS (50 * NS_PER_MS)

static struct {
    pthread_mutex_t mutex;
    holds closed;            /* under the mutex */
    _Atomic uint64_t serial; /* that of `closed`, to be read without the mutex */
    http_hold_told *told;    /* NULL: nobody wants to hear of them */
    void *arg;
} gates = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* True when it was open until now, or is to be closed for longer by what others care about. Without
 * memory, or with too many gates, only this engine keeps to it. */
static bool close_gate_locked(rdd_str name, uint64_t until_ns)
{
    uint64_t later_ns = holds_extend(&gates.closed, name, clock_now_ns(), until_ns);
    atomic_store(&gates.serial, gates.closed.serial);
    return later_ns > NEWS_NS;
}

static void close_gate(const http_host *h, uint64_t until_ns)
{
    rdd_str name = { h->name_size, h->name };
    pthread_mutex_lock(&gates.mutex);
    bool news = close_gate_locked(name, until_ns);
    http_hold_told *told = news ? gates.told : NULL;
    void *arg = gates.arg;
    pthread_mutex_unlock(&gates.mutex);
    if (told)
        told(arg, name, until_ns);
}

void http_hold_watch(http_hold_told *told, void *arg)
{
    pthread_mutex_lock(&gates.mutex);
    gates.told = told;
    gates.arg = arg;
    pthread_mutex_unlock(&gates.mutex);
}

void http_hold(rdd_str origin, uint64_t until_ns)
{
    pthread_mutex_lock(&gates.mutex);
    close_gate_locked(origin, until_ns);
    pthread_mutex_unlock(&gates.mutex);
}

/* What was said since news number `seen`. */
static void look_at_gate_locked(http_host *h, uint64_t seen)
{
    const hold *g = holds_find(&gates.closed, (rdd_str){ h->name_size, h->name });
    if (!g || g->serial <= seen || g->until_ns <= h->closed_until_ns)
        return;
    h->closed_until_ns = g->until_ns;
    h->limit = 1;
}

void http_hosts_sync(http_hosts *hs)
{
    if (LIKELY(atomic_load_explicit(&gates.serial, memory_order_acquire) == hs->gates_seen))
        return;
    pthread_mutex_lock(&gates.mutex);
    for (size_t i = 0; i < HTTP_HOST_BUCKETS; i++)
        for (http_host *h = hs->buckets[i]; h; h = h->next)
            look_at_gate_locked(h, hs->gates_seen);
    hs->gates_seen = atomic_load(&gates.serial);
    pthread_mutex_unlock(&gates.mutex);
}

/* -- Hosts ------------------------------------------------------------------------------------- */

bool http_host_idle(const http_host *h)
{
    return !h->active && !h->again.first && !h->fresh.first;
}

static void free_host(http_hosts *hs, http_timers *timers, http_host *h)
{
    http_timer_stop(timers, &h->timer);
    http_timers_unreserve(timers);
    if (hs->recent == h)
        hs->recent = NULL;
    hs->count--;
    free(h);
}

/* Hosts that nobody asks any more; those that said "later" or are slowed down are remembered by the
 * process's gates at least. */
static void free_idle_hosts(http_hosts *hs, http_timers *timers)
{
    for (size_t i = 0; i < HTTP_HOST_BUCKETS; i++) {
        for (http_host **at = &hs->buckets[i], *h; (h = *at);) {
            if (!http_host_idle(h)) {
                at = &h->next;
                continue;
            }
            *at = h->next;
            free_host(hs, timers, h);
        }
    }
}

static http_host **bucket_of(http_hosts *hs, const http_origin *origin)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (size_t i = 0; i < origin->size; i++)
        hash = (hash ^ (unsigned char)origin->text[i]) * 0x100000001b3u;
    return &hs->buckets[(hash ^ hash >> 32) % HTTP_HOST_BUCKETS];
}

static bool is_host(const http_host *h, const http_origin *origin)
{
    return h->name_size == origin->size && !memcmp(h->name, origin->text, origin->size);
}

static http_host *host_new(http_hosts *hs, http_timers *timers, const http_origin *origin)
{
    if (hs->count >= HTTP_HOSTS_IDLE_MAX)
        free_idle_hosts(hs, timers);
    http_host *h = calloc(1, sizeof *h + origin->size + 1);
    if (!h || !http_timers_reserve(timers)) {
        free(h);
        return NULL;
    }
    h->name_size = origin->size;
    memcpy(h->name, origin->text, origin->size);
    http_host **bucket = bucket_of(hs, origin);
    h->next = *bucket;
    *bucket = h;
    hs->count++;
    pthread_mutex_lock(&gates.mutex);
    look_at_gate_locked(h, 0);
    pthread_mutex_unlock(&gates.mutex);
    return h;
}

http_host *http_hosts_get(http_hosts *hs, http_timers *timers, const http_origin *origin)
{
    if (LIKELY(hs->recent && is_host(hs->recent, origin)))
        return hs->recent;
    http_host *h = *bucket_of(hs, origin);
    while (h && !is_host(h, origin))
        h = h->next;
    if (!h)
        h = host_new(hs, timers, origin);
    if (h)
        hs->recent = h;
    return h;
}

void http_hosts_release(http_hosts *hs, http_timers *timers)
{
    free_idle_hosts(hs, timers);
    ASSERT(hs->count == 0);
}

void http_host_slow_down(http_hosts *hs, http_host *h, uint64_t until_ns)
{
    if (!until_ns) {
        h->limit = size_max(1, (h->limit ? size_min(h->limit, h->active) : h->active) / 2);
        return;
    }
    h->limit = 1;
    h->closed_until_ns = u64_max(h->closed_until_ns, until_ns);
    close_gate(h, h->closed_until_ns);
    http_hosts_sync(hs);
}

void http_host_speed_up(http_host *h, size_t limit_max)
{
    if (h->limit && ++h->limit >= limit_max)
        h->limit = 0;
}

/* -- Queues ------------------------------------------------------------------------------------ */

void call_queue_push(call_queue *q, call *c)
{
    c->queue_next = NULL;
    c->queue_previous = q->last;
    if (q->last)
        q->last->queue_next = c;
    else
        q->first = c;
    q->last = c;
}

void call_queue_remove(call_queue *q, call *c)
{
    if (c->queue_previous)
        c->queue_previous->queue_next = c->queue_next;
    else
        q->first = c->queue_next;
    if (c->queue_next)
        c->queue_next->queue_previous = c->queue_previous;
    else
        q->last = c->queue_previous;
    c->queue_next = c->queue_previous = NULL;
}

call *call_queue_pop(call_queue *q)
{
    call *c = q->first;
    if (c)
        call_queue_remove(q, c);
    return c;
}
