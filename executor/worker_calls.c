#include "worker_calls.h"

#include "call_wire.h"
#include "clock.h"
#include "http.h"
#include "rate_lease.h"

#include <pthread.h>

struct worker_calls {
    uint32_t serial;
    int wake_fd;
    pthread_mutex_t mutex;
    /* under the mutex */
    bool woken;
    buf holds; /* frames */
};

static void wake_locked(worker_calls *w)
{
    if (w->woken)
        return;
    w->woken = true;
    uint64_t one = 1;
    ssize_t written = write(w->wake_fd, &one, sizeof one);
    (void)written; /* a closed descriptor is found, and blamed, by the slots' own words */
}

static void wake(void *arg)
{
    worker_calls *w = arg;
    pthread_mutex_lock(&w->mutex);
    wake_locked(w);
    pthread_mutex_unlock(&w->mutex);
}

static void tell_hold(void *arg, rdd_str origin, uint64_t until_ns)
{
    worker_calls *w = arg;
    uint64_t now = clock_now_ns();
    if (origin.size > LEASE_NAME_MAX || until_ns <= now)
        return;
    lease hold = { .kind = LEASE_HOLD, .worker = w->serial, .name = origin,
                   .delay_ns = until_ns - now };
    pthread_mutex_lock(&w->mutex);
    lease_append(&w->holds, &hold);
    wake_locked(w);
    pthread_mutex_unlock(&w->mutex);
}

int worker_calls_new(worker_calls **ret, uint32_t serial, int wake_fd, rdd_error *err)
{
    worker_calls *w = calloc(1, sizeof *w);
    if (!w)
        return error_set_memory(err, "starting slots");
    w->serial = serial;
    w->wake_fd = wake_fd;
    pthread_mutex_init(&w->mutex, NULL);
    rate_lease_begin(wake, w);
    http_hold_watch(tell_hold, w);
    *ret = w;
    return 0;
}

void *worker_calls_free(worker_calls *w)
{
    if (!w)
        return NULL;
    rate_lease_begin(NULL, NULL);
    http_hold_watch(NULL, NULL);
    buf_release(&w->holds);
    pthread_mutex_destroy(&w->mutex);
    free(w);
    return NULL;
}

bool worker_calls_take(worker_calls *w, channel *c, uint64_t now_ns UNUSED)
{
    size_t before = c->control.size;
    pthread_mutex_lock(&w->mutex);
    w->woken = false;
    buf_append(&c->control, w->holds.data, w->holds.size);
    buf_clear(&w->holds);
    pthread_mutex_unlock(&w->mutex);
    for (lease ask; rate_lease_next_ask(&ask);) {
        ask.worker = w->serial;
        lease_append(&c->control, &ask);
    }
    return c->control.size > before;
}

uint64_t worker_calls_deadline(worker_calls *w UNUSED)
{
    return CLOCK_NEVER;
}

static bool take_lease(const frame *f, uint64_t now_ns)
{
    lease l;
    if (lease_decode(f, &l) < 0)
        return false;
    if (l.kind == LEASE_GRANT)
        rate_lease_granted(&l, now_ns);
    else if (l.kind == LEASE_HOLD)
        http_hold(l.name, now_ns + l.delay_ns);
    else
        return false;
    return true;
}

bool worker_calls_frame(worker_calls *w UNUSED, const frame *f, uint64_t now_ns)
{
    return f->type == FRAME_LEASE && take_lease(f, now_ns);
}

void worker_calls_cancelled(worker_calls *w UNUSED)
{
}
