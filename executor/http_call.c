/* http_call.c: the life of one call, see http_call.h. Its messages are http_error.c. */
#include "http_call.h"

#include "clock.h"
#include "http_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

enum {
    RESTARTS_MAX = 20,        /* attempts that were late through our own fault */
    CONNECT_EARLY_MS = 5,     /* libcurl's clock and ours may differ by as much */
};

static void let_through(http_engine *e, http_host *h);
static void send_again_or_finish(call *c, uint64_t now_ns);

static call *call_of(http_timer *t)
{
    return (call *)(void *)((char *)t - offsetof(call, timer));
}

/* -- The end ----------------------------------------------------------------------------------- */

static void finish(call *c, int code)
{
    http_engine *e = c->engine;
    ASSERT(c->state != CALL_DONE);
    c->state = CALL_DONE;
    c->code = code;
    c->response->attempts = c->attempts;
    free(c->redirected_url);
    if (c->previous)
        c->previous->next = c->next;
    else
        e->calls = c->next;
    if (c->next)
        c->next->previous = c->previous;
    http_timers_unreserve(&e->timers);
    if (c->fiber)
        call_queue_push(&e->ready, c);
}

static void finish_memory(call *c, const char *what)
{
    *c->response = (rdd_http_response){ .error = RDD_STR("out of memory") };
    finish(c, error_set_memory(c->err, what));
}

static bool keep(call *c, rdd_str text, rdd_str *ret)
{
    if (!text.data)
        return true;
    char *copy = arena_copy(c->memory, text.data, text.size);
    if (copy)
        *ret = (rdd_str){ text.size, copy };
    return copy != NULL;
}

/* With what the exchange brought, and an error text if there is one (already in memory). */
static void finish_answered(call *c, rdd_str error)
{
    exchange *x = &c->x;
    rdd_http_response *r = c->response;
    r->status = x->status;
    r->error = error;
    bool kept = x->fault != WIRE_OK ||
                (keep(c, x->answer, &r->body) && keep(c, x->content_type, &r->content_type));
    wire_forget(c->engine->wire, x);
    if (!kept || (error.size == 0 && r->status / 100 != 2))
        finish_memory(c, "keeping an HTTP answer");
    else
        finish(c, 0);
}

static void stop_waiting(call *c)
{
    if (c->rate_waits)
        rate_limit_wait_end(c->policy->rate);
    c->rate_waits = false;
}

static void leave_host(call *c)
{
    http_host *h = c->host;
    ASSERT(h->active > 0);
    h->active--;
    let_through(c->engine, h);
}

void call_cancel(call *c)
{
    http_engine *e = c->engine;
    http_timer_stop(&e->timers, &c->timer);
    if (c->state == CALL_QUEUED)
        call_queue_remove(c->queued_again ? &c->host->again : &c->host->fresh, c);
    if (c->state == CALL_SENT)
        wire_stop(e->wire, &c->x);
    if (c->parked)
        call_queue_remove(&e->parked, c);
    stop_waiting(c);
    if (c->state == CALL_SENT || c->state == CALL_PACED)
        c->host->active--;
    c->response->error = RDD_STR("cancelled");
    finish(c, error_set(c->err, RDD_E_CANCELLED, "the HTTP call was cancelled"));
}

/* -- Towards a request ------------------------------------------------------------------------- */

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

/* Of all attempts, at a moment of the engine's time. */
static uint64_t elapsed_left(const call *c, uint64_t time)
{
    uint64_t max = (uint64_t)c->policy->elapsed_max_ms * NS_PER_MS;
    return less(max, less(time, c->begun + c->excused));
}

static void on_late(http_timer *t, uint64_t now_ns)
{
    call *c = call_of(t);
    http_engine *e = c->engine;
    uint64_t spent = http_engine_time(e, now_ns) - c->sent;
    if (spent < c->allowed) { /* the thread was elsewhere */
        http_timer_arm(&e->timers, t, now_ns + (c->allowed - spent));
        return;
    }
    wire_stop(e->wire, &c->x);
    c->x.fault = WIRE_LATE;
    c->x.status = 0;
    send_again_or_finish(c, now_ns);
}

static void send_request(call *c, uint64_t now_ns)
{
    http_engine *e = c->engine;
    if (!c->hop) {
        if (!c->attempts++)
            c->begun = http_engine_time(e, now_ns);
        c->hops_time = 0;
    }
    c->hop = false;
    c->sent = http_engine_time(e, now_ns);
    uint64_t attempt_left = less((uint64_t)c->policy->timeout_ms * NS_PER_MS, c->hops_time);
    c->allowed = u64_min(attempt_left, elapsed_left(c, c->sent));
    c->last_chance = c->allowed < attempt_left;
    c->state = CALL_SENT;
    c->timer.fire = on_late;
    http_timer_arm(&e->timers, &c->timer, now_ns + c->allowed);
    wire_start(e->wire, &c->x);
}

static bool gate_is_closed(const http_host *h, uint64_t now_ns)
{
    return h->closed_until_ns > now_ns;
}

static void queue(call *c, bool again)
{
    c->state = CALL_QUEUED;
    c->queued_again = again;
    call_queue_push(again ? &c->host->again : &c->host->fresh, c);
}

static void on_paced(http_timer *t, uint64_t now_ns)
{
    call *c = call_of(t);
    http_hosts_sync(&c->engine->hosts);
    if (!gate_is_closed(c->host, now_ns)) {
        send_request(c, now_ns);
        return;
    }
    queue(c, true);
    leave_host(c);
}

/* Whether it has all that a request takes, its moment of the rate limit perhaps being later. */
static bool may_go(call *c, uint64_t now_ns)
{
    rate_limit *rate = c->policy->rate;
    if (c->moment == CLOCK_NEVER)
        c->moment = rate ? rate_limit_reserve(rate, now_ns) : now_ns;
    if (c->moment == CLOCK_NEVER) {
        if (!c->rate_waits)
            rate_limit_wait(rate, now_ns);
        c->rate_waits = true;
        return false;
    }
    stop_waiting(c);
    return !c->permit || c->permit->may_send(c->permit);
}

static void go_or_park(call *c, uint64_t now_ns)
{
    http_engine *e = c->engine;
    if (!may_go(c, now_ns)) {
        c->parked = true;
        call_queue_push(&e->parked, c);
        return;
    }
    if (c->attempts)
        c->excused += u64_max(c->moment, now_ns) - c->paced;
    if (c->moment <= now_ns && now_ns == c->paced) {
        send_request(c, now_ns);
        return;
    }
    c->timer.fire = on_paced;
    http_timer_arm(&e->timers, &c->timer, u64_max(c->moment, now_ns));
}

/* The last thing before a request: its moment of the rate limit, and leave to send. */
static void pace(call *c, uint64_t now_ns)
{
    c->state = CALL_PACED;
    c->moment = CLOCK_NEVER;
    c->paced = now_ns;
    go_or_park(c, now_ns);
}

void calls_unpark(http_engine *e, uint64_t now_ns)
{
    call_queue parked = e->parked;
    e->parked = (call_queue){ 0 };
    for (call *c; (c = call_queue_pop(&parked));) {
        c->parked = false;
        go_or_park(c, now_ns);
    }
}

static void on_gate(http_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    http_host *h = (http_host *)(void *)((char *)t - offsetof(http_host, timer));
    let_through(h->engine, h);
}

/* As many calls as may go now. */
static void let_through(http_engine *e, http_host *h)
{
    http_hosts_sync(&e->hosts);
    while (h->again.first || h->fresh.first) {
        call_queue *q = h->again.first ? &h->again : &h->fresh;
        size_t limit = (size_t)q->first->policy->connections_per_host;
        if (h->limit)
            limit = size_min(limit, h->limit);
        if (h->active >= limit)
            return;
        uint64_t now = clock_now_ns();
        if (gate_is_closed(h, now)) {
            h->engine = e;
            h->timer.fire = on_gate;
            http_timer_arm(&e->timers, &h->timer, h->closed_until_ns);
            return;
        }
        h->active++;
        pace(call_queue_pop(q), now);
    }
}

/* Queues at the host of x.url. */
static void go_to_host(call *c, bool again)
{
    http_engine *e = c->engine;
    http_origin origin;
    http_origin_of(c->x.url, &origin);
    http_host *h = http_hosts_get(&e->hosts, &e->timers, &origin);
    if (!h) {
        finish_memory(c, "queueing an HTTP call");
        return;
    }
    c->host = h;
    queue(c, again);
    let_through(e, h);
}

static void on_backoff_over(http_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    go_to_host(call_of(t), true);
}

static void refuse(call *c, const char *format, ...) PRINTF_LIKE(2, 3);

/* A request that is never sent. */
static void refuse(call *c, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rdd_str error = { 0 };
    if (!keep(c, (rdd_str){ strlen(text), text }, &error)) {
        finish_memory(c, "refusing an HTTP request");
        return;
    }
    c->response->error = error;
    finish(c, 0);
}

/* False: refused. */
static bool check_request(call *c)
{
    const rdd_http_request *r = c->request;
    const char *problem = http_url_problem(r->url);
    if (problem)
        return refuse(c, "%s", problem), false;
    if (!http_method_read(r->method, c->method))
        return refuse(c, "the method is no word of HTTP"), false;
    if (r->body.size && !strcmp(c->method, "HEAD"))
        return refuse(c, "a HEAD request has no body (give it another method)"), false;
    if (r->header_count && !r->headers)
        return refuse(c, "headers is NULL, but header_count is %zu", r->header_count), false;
    for (size_t i = 0; i < r->header_count; i++) {
        problem = http_header_problem(r->headers[i]);
        if (problem)
            return refuse(c, "header %zu %s", i + 1, problem), false;
    }
    problem = http_value_problem(r->idempotency_key);
    if (problem)
        return refuse(c, "the idempotency key %s", problem), false;
    return true;
}

static void set_request(call *c)
{
    const rdd_http_request *r = c->request;
    c->x.method = c->method;
    c->x.url = r->url;
    c->x.body = strcmp(c->method, "HEAD") ? r->body : (rdd_str){ 0 };
    c->x.headers = r->headers;
    c->x.header_count = r->header_count;
    c->x.without_headers = false;
    c->x.idempotency_key = r->idempotency_key;
    c->x.once = !c->repeatable;
    c->x.connect_timeout_ms = c->policy->connect_timeout_ms;
    c->x.response_max = c->policy->response_max;
}

bool http_is_once(const rdd_http_request *request)
{
    char method[HTTP_METHOD_MAX + 1];
    return http_method_read(request->method, method) && !http_method_repeatable(method) &&
           !request->idempotency_key.size;
}

void call_begin(call *c)
{
    http_engine *e = c->engine;
    c->state = CALL_QUEUED;
    if (!http_timers_reserve(&e->timers)) {
        c->state = CALL_DONE;
        c->response->error = RDD_STR("out of memory");
        c->code = error_set_memory(c->err, "beginning an HTTP call");
        return;
    }
    c->next = e->calls;
    if (e->calls)
        e->calls->previous = c;
    e->calls = c;
    if (atomic_load_explicit(&e->cancelled, memory_order_relaxed)) {
        c->response->error = RDD_STR("cancelled");
        finish(c, error_set(c->err, RDD_E_CANCELLED, "the HTTP call was cancelled"));
        return;
    }
    if (!check_request(c))
        return;
    c->repeatable = http_method_repeatable(c->method) || c->request->idempotency_key.size;
    set_request(c);
    go_to_host(c, false);
}

/* -- After a request --------------------------------------------------------------------------- */

static bool is_retry_status(int status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
           status == 504;
}

static bool may_help_to_retry(const exchange *x)
{
    switch (x->fault) {
    case WIRE_OK: return is_retry_status(x->status);
    case WIRE_RESOLVE:
    case WIRE_CONNECT:
    case WIRE_CONNECT_LATE:
    case WIRE_LATE:
    case WIRE_TLS:
    case WIRE_BROKEN: return true;
    default: return false;
    }
}

static bool never_left(const exchange *x)
{
    return x->fault == WIRE_RESOLVE || x->fault == WIRE_CONNECT || x->fault == WIRE_CONNECT_LATE;
}

static uint64_t backoff_ns(call *c)
{
    uint64_t most = (uint64_t)c->policy->backoff_ms;
    for (int i = 1; i < c->attempts && most < (uint64_t)c->policy->backoff_max_ms; i++)
        most *= 2;
    most = u64_min(most, (uint64_t)c->policy->backoff_max_ms);
    return (uint64_t)(random_unit(&c->engine->random) * (double)(most * NS_PER_MS));
}

/* How long to wait before the next attempt. A 429, and a 503 with Retry-After, tell the host's other
 * calls too; what they ask for is then the gate's to see to. */
static uint64_t retry_wait_ns(call *c, uint64_t now_ns, bool *ret_at_gate)
{
    const exchange *x = &c->x;
    *ret_at_gate = false;
    int64_t asked_ms = -1;
    if (x->fault == WIRE_OK && x->retry_after.data)
        asked_ms = http_retry_after_ms(x->retry_after, x->date, time(NULL),
                                       c->policy->retry_after_max_ms);
    uint64_t asked = asked_ms > 0 ? (uint64_t)asked_ms * NS_PER_MS : 0;
    bool later = x->status == 429 || (x->status == 503 && asked);
    if (x->fault == WIRE_OK && later) {
        http_host_slow_down(&c->engine->hosts, c->host, asked ? now_ns + asked : 0);
        *ret_at_gate = asked > 0;
    }
    return *ret_at_gate ? asked : asked + backoff_ns(c);
}

static void send_again_or_finish(call *c, uint64_t now_ns)
{
    http_engine *e = c->engine;
    exchange *x = &c->x;
    bool again = may_help_to_retry(x), at_gate = false, out_of_time = false;
    uint64_t wait = again ? retry_wait_ns(c, now_ns, &at_gate) : 0;
    again = again && c->repeatable && c->attempts < c->policy->attempts_max;
    if (again && wait >= elapsed_left(c, http_engine_time(e, now_ns))) {
        again = false;
        out_of_time = true;
    }
    if (!again) {
        bool good = x->fault == WIRE_OK && x->status / 100 == 2;
        if (c->permit)
            c->permit->untouched = !c->redirects && never_left(x);
        rdd_str error = good ? RDD_STR("") : http_error_text(c, out_of_time);
        leave_host(c);
        finish_answered(c, error);
        return;
    }
    wire_forget(e->wire, x);
    free(c->redirected_url);
    c->redirected_url = NULL;
    c->redirects = 0;
    http_method_read(c->request->method, c->method);
    set_request(c);
    if (at_gate) {
        queue(c, true);
        leave_host(c);
        return;
    }
    c->state = CALL_BACKOFF;
    c->timer.fire = on_backoff_over;
    http_timer_arm(&e->timers, &c->timer, now_ns + wait);
    leave_host(c);
}

static bool is_redirect(const exchange *x)
{
    int s = x->status;
    return x->fault == WIRE_OK && x->redirect_url.size &&
           (s == 301 || s == 302 || s == 303 || s == 307 || s == 308);
}

/* 303 asks for GET, and after 301 and 302 everybody turns a POST into one. */
static void redirect_method(call *c, int status)
{
    bool post = !strcmp(c->method, "POST"), head = !strcmp(c->method, "HEAD");
    if ((status == 303 && !head) || (post && (status == 301 || status == 302))) {
        memcpy(c->method, "GET", sizeof "GET");
        c->x.body = (rdd_str){ 0 };
    }
}

static void finish_redirect(call *c, rdd_str error)
{
    leave_host(c);
    finish_answered(c, error);
}

static void follow_redirect(call *c, uint64_t now_ns)
{
    exchange *x = &c->x;
    if (c->redirects >= c->policy->redirects_max) {
        finish_redirect(c, http_error_redirects(c));
        return;
    }
    bool same_origin = false;
    char *url = wire_redirect(x->sent_url, x->redirect_url.data, &same_origin);
    if (!url || http_url_problem((rdd_str){ strlen(url), url })) {
        free(url);
        finish_redirect(c, RDD_STR("redirect to something that is no http or https URL"));
        return;
    }
    c->redirects++;
    c->hop = true;
    c->hops_time += http_engine_time(c->engine, now_ns) - c->sent;
    redirect_method(c, x->status);
    wire_forget(c->engine->wire, x);
    free(c->redirected_url);
    c->redirected_url = url;
    x->url = (rdd_str){ strlen(url), url };
    x->without_headers |= !same_origin;
    leave_host(c);
    go_to_host(c, true);
}

/* libcurl counts the time to connect by the clock. */
static bool was_our_fault(const call *c, uint64_t now_ns)
{
    uint64_t spent = http_engine_time(c->engine, now_ns) - c->sent + CONNECT_EARLY_MS * NS_PER_MS;
    return c->x.fault == WIRE_CONNECT_LATE && c->restarts < RESTARTS_MAX &&
           spent < (uint64_t)c->policy->connect_timeout_ms * NS_PER_MS;
}

void call_answered(call *c, uint64_t now_ns)
{
    ASSERT(c->state == CALL_SENT);
    http_engine *e = c->engine;
    http_timer_stop(&e->timers, &c->timer);
    if (was_our_fault(c, now_ns)) {
        c->restarts++;
        c->hop = true; /* not a new attempt */
        wire_forget(e->wire, &c->x);
        queue(c, true);
        leave_host(c);
        return;
    }
    if (c->x.fault == WIRE_OK && c->x.status != 429 && c->x.status != 503)
        http_host_speed_up(c->host, (size_t)c->policy->connections_per_host);
    if (is_redirect(&c->x) && c->policy->redirects_max > 0)
        follow_redirect(c, now_ns);
    else
        send_again_or_finish(c, now_ns);
}
