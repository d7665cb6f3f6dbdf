/* http.c: the engine: calls in, fibers out. See http.h; the life of one call is http_call.c. */
#include "http.h"

#include "clock.h"
#include "http_call.h"

#include <pthread.h>

/* A thread that is away from its sockets for longer was busy with something else. */
#define STARVED_NS (20 * NS_PER_MS)

/* -- The engine -------------------------------------------------------------------------------- */

int http_engine_new(http_engine **ret, const http_engine_options *options, rdd_error *err)
{
    static _Atomic uint64_t count;
    http_engine *e = calloc(1, sizeof *e);
    if (!e)
        return error_set_memory(err, "making an HTTP engine");
    e->options = *options;
    e->random = random_seeded(options->seed, atomic_fetch_add(&count, 1));
    *ret = e;
    return 0;
}

static sigset_t sigpipe_set(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
}

static int make_wire(http_engine *e, rdd_error *err)
{
    wire *w;
    int code = wire_new(&w, e->options.ca_bundle, err);
    if (code < 0)
        return code;
    sigset_t set = sigpipe_set(), before;
    pthread_sigmask(SIG_BLOCK, &set, &before);
    e->blocked_sigpipe = !sigismember(&before, SIGPIPE);
    /* Paired with http_engine_cancel(): it sees the wire, or the next step sees its flag. */
    atomic_store(&e->wire, w);
    return 0;
}

void *http_engine_free(http_engine *e)
{
    if (!e)
        return NULL;
    ASSERT(!e->calls);
    ASSERT(!e->ready.first && !e->parked.first);
    ASSERT(e->fiber_count == 0);
    http_hosts_release(&e->hosts, &e->timers);
    http_timers_release(&e->timers);
    wire_free(e->wire);
    if (e->blocked_sigpipe) {
        /* One that came meanwhile is taken away before it can do harm. */
        sigset_t set = sigpipe_set();
        struct timespec at_once = { 0 };
        while (sigtimedwait(&set, NULL, &at_once) == SIGPIPE)
            ;
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    }
    free(e);
    return NULL;
}

/* -- The loop ---------------------------------------------------------------------------------- */

static void cancel_all(http_engine *e)
{
    while (e->calls)
        call_cancel(e->calls);
}

/* One turn: waits if there is nothing else to do, and carries on every call that something happened
 * to. Runs no fiber. */
static void step(http_engine *e, bool sleep)
{
    if (atomic_load(&e->cancelled))
        cancel_all(e);
    uint64_t before = clock_now_ns(), away = before - wire_looked_ns(e->wire);
    if (away > STARVED_NS)
        e->starved += away;
    bool wait = sleep && e->calls && !e->ready.first;
    if (wait && e->options.rest)
        e->options.rest();
    exchange *done = wire_step(e->wire, wait ? http_timers_next(&e->timers) : 0);
    uint64_t now = wire_looked_ns(e->wire);
    for (exchange *next; done; done = next) {
        next = done->next;
        call_answered((call *)done, now);
    }
    if (atomic_exchange(&e->nudged, false))
        calls_unpark(e, now);
    /* Only now, so that an answer that was there in time is not called late. */
    http_timers_fire(&e->timers, now);
    if (atomic_load(&e->cancelled))
        cancel_all(e);
}

static void run_ready(http_engine *e)
{
    for (call *c; (c = call_queue_pop(&e->ready));) {
        fiber *f = c->fiber;
        c->fiber = NULL;
        e->waiting--;
        fiber_resume(f);
    }
}

void http_engine_wait(http_engine *e)
{
    ASSERT(e->waiting > 0);
    while (!e->ready.first)
        step(e, true);
    run_ready(e);
}

void http_engine_poll(http_engine *e)
{
    if (!e->wire)
        return;
    step(e, false);
    run_ready(e);
}

void http_engine_cancel(http_engine *e)
{
    atomic_store(&e->cancelled, true);
    wire *w = atomic_load(&e->wire);
    if (w)
        wire_wake(w);
}

void http_engine_resume(http_engine *e)
{
    atomic_store(&e->cancelled, false);
}

void http_engine_nudge(http_engine *e)
{
    atomic_store(&e->nudged, true);
    wire *w = atomic_load(&e->wire);
    if (w)
        wire_wake(w);
}

/* -- Calls ------------------------------------------------------------------------------------- */

int http_call(http_engine *e, const http_policy *policy, const rdd_http_request *request,
              arena *memory, rdd_http_response *ret, rdd_error *err)
{
    return http_call_with(e, policy, request, NULL, memory, ret, err);
}

int http_call_with(http_engine *e, const http_policy *policy, const rdd_http_request *request,
                   http_permit *permit, arena *memory, rdd_http_response *ret, rdd_error *err)
{
    *ret = (rdd_http_response){ 0 };
    int code = e->wire ? 0 : make_wire(e, err);
    if (code < 0)
        return code;
    call c = { .engine = e, .policy = policy, .request = request, .permit = permit,
               .memory = memory, .response = ret, .err = err };
    call_begin(&c);
    fiber *f = fiber_current();
    if (c.state == CALL_DONE || !f || fiber_tag(f) != e) {
        while (c.state != CALL_DONE) {
            step(e, true);
            run_ready(e);
        }
        return c.code;
    }
    c.fiber = f;
    e->waiting++;
    while (c.fiber)
        fiber_suspend();
    return c.code;
}

/* -- Fibers ------------------------------------------------------------------------------------ */

static void run_started(void *arg)
{
    http_engine *e = arg;
    fiber_set_tag(fiber_current(), e);
    e->starting.body(e->starting.arg);
    e->fiber_count--;
}

int http_engine_start(http_engine *e, void (*body)(void *arg), void *arg, rdd_error *err)
{
    fiber *f = fiber_new(e->options.fibers, run_started, e, err);
    if (!f)
        return RDD_E_MEMORY;
    e->fiber_count++;
    e->starting.body = body;
    e->starting.arg = arg;
    fiber_resume(f);
    return 0;
}

size_t http_engine_fibers(const http_engine *e)
{
    return e->fiber_count;
}

size_t http_engine_waiting(const http_engine *e)
{
    return e->waiting;
}
