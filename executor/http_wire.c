/* http_wire.c: see http_wire.h.
 *
 * libcurl is driven by curl_multi_socket_action(): it says which sockets it waits for and when it
 * wants to be called again, and is told what happened. So the cost of a step does not grow with the
 * number of exchanges under way.
 *
 * Invariants: an exchange with a transfer is on the wire, or has come back and is not forgotten
 * yet. The handle of a transfer is in the multi handle exactly while it is on the wire.
 */
#include "http_wire.h"

#include "clock.h"
#include "http_sockets.h"
#include "http_transfer.h"

#include <curl/curl.h>
#include <pthread.h>

enum { CONNECTIONS_MIN = 64 }; /* that are kept */

struct wire {
    CURLM *multi;
    http_sockets sockets;
    uint64_t timer_ns;  /* when libcurl wants to be called again */
    uint64_t looked_ns;
    exchange *first, *last; /* that are through */
    transfer *idle, *first_running;
    size_t running, running_peak, connections_kept;
    transfer_options options;
};

/* -- The handle of all ------------------------------------------------------------------------- */

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;
static CURLcode curl_status;

static void init_curl(void)
{
    curl_status = curl_global_init(CURL_GLOBAL_DEFAULT);
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    (void)easy, (void)unused;
    wire *w = arg;
    int wanted = what == CURL_POLL_REMOVE ? 0 : what;
    return http_sockets_want(&w->sockets, fd, wanted) ? 0 : -1;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    wire *w = arg;
    if (timeout_ms < 0)
        w->timer_ns = CLOCK_NEVER;
    else if (timeout_ms == 0)
        w->timer_ns = 0;
    else
        w->timer_ns = clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    return 0;
}

/* libcurl asks the environment for each request; when nothing is there it need not. */
static bool environment_has_proxy(void)
{
    static const char *const names[] = { "http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                         "ALL_PROXY" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return true;
    }
    return false;
}

static bool make_multi(wire *w)
{
    w->timer_ns = CLOCK_NEVER;
    w->connections_kept = 0;
    w->multi = curl_multi_init();
    if (!w->multi)
        return false;
    curl_multi_setopt(w->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(w->multi, CURLMOPT_SOCKETDATA, w);
    curl_multi_setopt(w->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(w->multi, CURLMOPT_TIMERDATA, w);
    curl_multi_setopt(w->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return true;
}

int http_curl_init(rdd_error *err)
{
    pthread_once(&curl_once, init_curl);
    if (curl_status == CURLE_OK)
        return 0;
    return error_set(err, RDD_E_MEMORY, "libcurl does not start: %s",
                     curl_easy_strerror(curl_status));
}

int wire_new(wire **ret, rdd_str ca_bundle, rdd_error *err)
{
    int started = http_curl_init(err);
    if (started < 0)
        return started;
    wire *w = calloc(1, sizeof *w);
    if (!w)
        return error_set_memory(err, "starting an HTTP engine");
    int code = http_sockets_init(&w->sockets, err);
    if (code < 0)
        return free(w), code;
    w->looked_ns = clock_now_ns();
    w->options = (transfer_options){ &w->sockets, environment_has_proxy(), ca_bundle };
    if (!make_multi(w))
        return wire_free(w), error_set_memory(err, "starting an HTTP engine");
    *ret = w;
    return 0;
}

void *wire_free(wire *w)
{
    if (!w)
        return NULL;
    ASSERT(w->running == 0);
    for (transfer *t = w->idle, *next; t; t = next) {
        next = t->next;
        transfer_free(t);
    }
    curl_multi_cleanup(w->multi);
    http_sockets_release(&w->sockets);
    free(w);
    return NULL;
}

/* -- Exchanges --------------------------------------------------------------------------------- */

static void come_back(wire *w, exchange *x)
{
    x->back = true;
    x->next = NULL;
    if (w->last)
        w->last->next = x;
    else
        w->first = x;
    w->last = x;
}

/* libcurl keeps four connections per handle in use, and closes the others when calls get fewer for
 * a moment. */
static void keep_connections(wire *w)
{
    w->running_peak = size_max(w->running_peak, w->running);
    if (w->running_peak <= w->connections_kept && w->connections_kept)
        return;
    w->connections_kept = size_max(CONNECTIONS_MIN, 2 * w->running_peak);
    curl_multi_setopt(w->multi, CURLMOPT_MAXCONNECTS, (long)w->connections_kept);
}

void wire_start(wire *w, exchange *x)
{
    x->back = false;
    x->status = x->os_errno = 0;
    x->answer = x->content_type = x->retry_after = x->date = x->redirect_url = (rdd_str){ 0 };
    x->detail = "";
    transfer *t = w->idle;
    if (t)
        w->idle = t->next;
    else
        t = transfer_new(&w->options);
    if (!t) {
        x->fault = WIRE_MEMORY;
        come_back(w, x);
        return;
    }
    if (!transfer_begin(t, x) || (!w->multi && !make_multi(w)) ||
        curl_multi_add_handle(w->multi, t->easy) != CURLM_OK) {
        x->fault = WIRE_MEMORY;
        come_back(w, x);
        return;
    }
    t->previous = NULL;
    t->next = w->first_running;
    if (t->next)
        t->next->previous = t;
    w->first_running = t;
    w->running++;
    keep_connections(w);
}

static void take_off(wire *w, transfer *t)
{
    curl_multi_remove_handle(w->multi, t->easy);
    if (t->previous)
        t->previous->next = t->next;
    else
        w->first_running = t->next;
    if (t->next)
        t->next->previous = t->previous;
    ASSERT(w->running > 0);
    w->running--;
}

void wire_forget(wire *w, exchange *x)
{
    transfer *t = x->transfer;
    if (!t)
        return;
    transfer_clear(t);
    t->next = w->idle;
    w->idle = t;
}

/* One that could not even begin waits for the next step. */
static void drop_from_back(wire *w, exchange *x)
{
    exchange *before = NULL, *at = w->first;
    for (; at != x; at = at->next)
        before = at;
    if (before)
        before->next = x->next;
    else
        w->first = x->next;
    if (w->last == x)
        w->last = before;
}

void wire_stop(wire *w, exchange *x)
{
    if (x->back)
        drop_from_back(w, x);
    else
        take_off(w, x->transfer);
    wire_forget(w, x);
}

static void collect(wire *w)
{
    int left;
    for (CURLMsg *message; (message = curl_multi_info_read(w->multi, &left));) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode result = message->data.result; /* the message goes with the handle */
        char *private = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &private);
        transfer *t = (transfer *)(void *)private;
        take_off(w, t);
        transfer_end(t, (int)result);
        come_back(w, t->exchange);
    }
}

/* -- The loop ---------------------------------------------------------------------------------- */

/* libcurl had no memory: it may have lost sight of any transfer, and 7.88 leaves tables behind that
 * crash it later. All begin anew. */
static void start_over(wire *w)
{
    for (transfer *t; (t = w->first_running);) {
        take_off(w, t);
        t->exchange->fault = WIRE_MEMORY;
        come_back(w, t->exchange);
    }
    curl_multi_cleanup(w->multi);
    make_multi(w); /* without one no transfer can begin */
}

/* Lets libcurl go on with a socket or its timers. */
static void act(wire *w, curl_socket_t fd, int bits)
{
    int running;
    if (curl_multi_socket_action(w->multi, fd, bits, &running) != CURLM_OK)
        start_over(w);
}

static void run_timer(wire *w)
{
    w->timer_ns = CLOCK_NEVER; /* libcurl says when the next one is */
    act(w, CURL_SOCKET_TIMEOUT, 0);
}

exchange *wire_step(wire *w, uint64_t deadline_ns)
{
    /* New transfers have a timer that is due: it sends them off. */
    if (w->timer_ns == 0)
        run_timer(w);
    collect(w);
    uint64_t now = clock_now_ns();
    int timeout_ms = w->first ? 0 : clock_poll_ms(now, u64_min(deadline_ns, w->timer_ns));
    socket_event events[SOCKET_EVENTS_MAX];
    size_t count = http_sockets_wait(&w->sockets, timeout_ms, events);
    w->looked_ns = clock_now_ns();
    for (size_t i = 0; i < count; i++)
        act(w, events[i].fd, events[i].bits);
    if (w->timer_ns <= w->looked_ns)
        run_timer(w);
    collect(w);
    exchange *done = w->first;
    w->first = w->last = NULL;
    return done;
}

uint64_t wire_looked_ns(const wire *w)
{
    return w->looked_ns;
}

void wire_wake(wire *w)
{
    http_sockets_wake(&w->sockets);
}

bool wire_uses_proxy(const wire *w)
{
    return w->options.use_proxy;
}
