/* executor_thread.c: see executor_thread.h. */
#include "executor_thread.h"

#include "clock.h"
#include "conf.h"
#include "event.h"

#include <poll.h>
#include <stdio.h>
#include <sys/random.h>

enum {
    BACKOFF_MS = 50,        /* before the first restart; doubles with each */
    BACKOFF_MAX_MS = 5000,
    START_TIMEOUT_S = 30,
    BYE_WAIT_MS = 3000,     /* for an executor to end when told */
    LOST_WAIT_MS = 1000,    /* for a lost one, before it is killed */
    TURN_READS = 8,         /* what one turn reads at most, before it looks around */
};

/* -- Events ------------------------------------------------------------------------------------ */

static event *event_for(const executor *e, event_kind kind, uint32_t slots)
{
    event *ev = event_new_patiently(kind);
    ev->executor = e->number;
    ev->incarnation = e->incarnation;
    ev->slots = slots;
    return ev;
}

static void post(executor *e, event *ev)
{
    e->backend->sink.post(e->backend->sink.arg, ev);
}

typedef enum loss { LOSS_AGAIN, LOSS_GONE, LOSS_RELEASED } loss;

static void post_lost(executor *e, uint32_t slots, loss how, const rdd_error *why)
{
    event *ev = event_for(e, EVENT_EXECUTOR_LOST, slots);
    ev->error = *why;
    ev->gone = how == LOSS_GONE;
    ev->released = how == LOSS_RELEASED;
    snprintf(ev->error.node, sizeof ev->error.node, "%s", e->place->name);
    post(e, ev);
}

void executor_wake_locked(executor *e)
{
    if (!e->sleeping)
        return;
    e->sleeping = false;
    uint64_t one = 1;
    ssize_t written = write(e->wake_fd, &one, sizeof one);
    (void)written; /* full means that it wakes up anyway */
}

/* -- Lines ------------------------------------------------------------------------------------- */

static void log_lines(executor *e, connection *c)
{
    buf *lines = connection_lines(c);
    if (lines->size)
        executor_log_add(&e->backend->log, lines->data, lines->size);
    buf_clear(lines);
}

static void take_error_line(void *arg, rdd_str line)
{
    executor *e = arg;
    char text[LOG_LINE_MAX + sizeof e->place->name + 8];
    int size = snprintf(text, sizeof text, "[%s] %.*s\n", e->place->name, (int)line.size, line.data);
    if (size > 0)
        executor_log_add(&e->backend->log, text, size_min((size_t)size, sizeof text - 1));
}

/* What the link's other end says beside the channel: its loader, a sanitizer, sshd. */
static void read_errors(executor *e)
{
    char text[4096];
    for (size_t size; e->link->ops->errors &&
                      (size = e->link->ops->errors(e->link, text, sizeof text)) > 0;)
        line_splitter_feed(e->lines, text, size, take_error_line, e);
}

/* An executor that was told to end and did not end well is worth a line. */
static void log_bad_end(executor *e, const char *how)
{
    char text[200];
    int size = snprintf(text, sizeof text, "[%s] rdd: when told to end: %s\n", e->place->name, how);
    if (!strstr(how, "exited with status 0") && size > 0)
        executor_log_add(&e->backend->log, text, size_min((size_t)size, sizeof text - 1));
}

/* -- One incarnation --------------------------------------------------------------------------- */

/* From threads of the file server: something is ready. */
static void wake_for_files(void *arg)
{
    executor *e = arg;
    pthread_mutex_lock(&e->mutex);
    executor_wake_locked(e);
    pthread_mutex_unlock(&e->mutex);
}

static int take_file_frame(void *arg, const frame *f, rdd_error *err)
{
    return file_client_take(arg, f, err);
}

static void pump_files(void *arg, channel *c)
{
    file_client_pump(arg, c);
}

/* Under the executor's mutex, as all input. */
static bool take_calls(void *arg, const frame *f, buf *out)
{
    executor *e = arg;
    return call_desk_frame(e->backend->calls, e->number, e->incarnation, f, out);
}

static int open_connection(executor *e, connection **ret, rdd_error *err)
{
    executors_backend *b = e->backend;
    connection_options options = {
        .name = e->place->name,
        .setup = { .executor = e->number, .incarnation = e->incarnation, .slots = e->place->slots,
                   .slots_per_process = (uint32_t)conf_int("executor.slots_per_process"),
                   .conf = { b->conf.size, b->conf.data } },
        .digest = b->digest,
        .build_id = b->build_id,
        .heartbeat_ns = (uint64_t)conf_int("executor.heartbeat") * NS_PER_MS,
        .timeout_ns = (uint64_t)conf_int("executor.timeout") * NS_PER_MS,
        .start_timeout_ns = START_TIMEOUT_S * NS_PER_S,
        .result_max = (size_t)conf_int("driver.result_max"),
        .skip_max = FRAME_SKIP_MAX,
        .calls = take_calls,
        .calls_arg = e,
    };
    if (e->place->remote && b->files) {
        int code = file_client_new(&e->files, b->files, wake_for_files, e, err);
        if (code < 0)
            return code;
        options.setup.remote = true;
        options.wall_ms = clock_wall_ms();
        options.files = (connection_files){ take_file_frame, pump_files, e->files };
    }
    if (getrandom(&options.nonce, sizeof options.nonce, 0) != sizeof options.nonce)
        options.nonce = clock_now_ns();
    return connection_new(ret, &options, clock_now_ns(), err);
}

/* From here on commands reach it. It learns the plans that are known already. */
static int publish(executor *e, connection *c)
{
    executors_backend *b = e->backend;
    int code = 0;
    pthread_mutex_lock(&b->mutex);
    pthread_mutex_lock(&e->mutex);
    for (size_t i = 0; i < b->plan_count && code == 0; i++)
        code = connection_plan(c, b->plans[i].stage, b->plans[i].bytes);
    e->connection = c;
    e->pid = e->link->ops->pid ? e->link->ops->pid(e->link) : 0;
    pthread_mutex_unlock(&e->mutex);
    pthread_mutex_unlock(&b->mutex);
    return code;
}

/* From its place, while that starts it. */
static void post_waits(void *arg, const rdd_error *why)
{
    executor *e = arg;
    event *ev = event_for(e, EVENT_EXECUTOR_WAITS, 0);
    ev->error = *why;
    post(e, ev);
}

/* How many slots the incarnation had. */
static uint32_t unpublish(executor *e)
{
    pthread_mutex_lock(&e->mutex);
    uint32_t slots = e->slots;
    e->connection = NULL;
    e->slots = 0;
    e->pid = 0;
    pthread_mutex_unlock(&e->mutex);
    return slots;
}

/* What a turn brought, to be posted when no lock is held. */
typedef struct news {
    uint32_t up_slots; /* 0: it did not come up in this turn */
    outcome *outcomes;
    size_t outcome_count;
    buf lines;
} news;

static void collect_locked(executor *e, connection *c, news *n)
{
    if (connection_came_up(c, NULL))
        e->slots = n->up_slots = connection_slots(c);
    n->outcomes = connection_take_outcomes(c, &n->outcome_count);
    buf *lines = connection_lines(c);
    if (!lines->size)
        return;
    n->lines = *lines;
    *lines = (buf){ .max = n->lines.max };
}

static void tell(executor *e, news *n)
{
    if (n->up_slots)
        post(e, event_for(e, EVENT_EXECUTOR_UP, n->up_slots));
    if (n->lines.size)
        executor_log_add(&e->backend->log, n->lines.data, n->lines.size);
    buf_release(&n->lines);
    if (!n->outcome_count)
        return;
    e->failures = 0;
    event *ev = event_for(e, EVENT_OUTCOMES, 0);
    ev->outcomes = TAKE(n->outcomes);
    ev->outcome_count = n->outcome_count;
    post(e, ev);
}

/* What there is, up to a bound; CHANNEL_MOVED when there may be more. */
static channel_io read_some(executor *e, connection *c)
{
    channel_io io = CHANNEL_MOVED;
    for (int i = 0; i < TURN_READS && io == CHANNEL_MOVED; i++) {
        io = e->link->ops->read(e->link, connection_channel(c));
        if (io == CHANNEL_MOVED)
            connection_input(c, clock_now_ns());
    }
    return io;
}

/* Reads what there is, lets the connection work, writes what it has. True when more may be there. */
static bool move_locked(executor *e, connection *c, bool readable)
{
    channel *ch = connection_channel(c);
    channel_io io = readable ? read_some(e, c) : CHANNEL_WAITING;
    bool more = io == CHANNEL_MOVED;
    connection_tick(c, clock_now_ns());
    e->ended = io == CHANNEL_ENDED;
    for (io = CHANNEL_MOVED; io == CHANNEL_MOVED && !e->ended;) {
        connection_pump(c);
        if (!channel_has_output(ch))
            break;
        io = e->link->ops->write(e->link, ch);
        e->ended = io == CHANNEL_ENDED;
    }
    while (e->ended && read_some(e, c) == CHANNEL_MOVED) {
    } /* its last words */
    return more;
}

/* Waits for the link, the wake-up, the deadline. True when the link has something. */
static bool wait_for_link(executor *e, bool want_write, uint64_t deadline)
{
    struct pollfd polls[LINK_POLL_MAX + 1];
    size_t count = e->link->ops->poll(e->link, polls, want_write);
    polls[count] = (struct pollfd){ .fd = e->wake_fd, .events = POLLIN };
    poll(polls, count + 1, count ? clock_poll_ms(clock_now_ns(), deadline) : 0);
    uint64_t woken;
    ssize_t drained = polls[count].revents ? read(e->wake_fd, &woken, sizeof woken) : 0;
    (void)drained;
    bool any = !count;
    for (size_t i = 0; i < count; i++)
        any = any || polls[i].revents;
    return any;
}

/* True while the incarnation goes on. */
static bool turn(executor *e, connection *c, bool *readable)
{
    news n = { 0 };
    pthread_mutex_lock(&e->mutex);
    bool more = move_locked(e, c, *readable);
    collect_locked(e, c, &n);
    bool goes_on = !e->ended && !connection_failed(c, NULL) && !e->replace && !e->release;
    bool output = channel_has_output(connection_channel(c));
    uint64_t deadline = more ? 0 : connection_deadline(c);
    e->sleeping = true;
    pthread_mutex_unlock(&e->mutex);
    tell(e, &n);
    read_errors(e);
    if (!goes_on || backend_is_stopping(e->backend))
        return false;
    *readable = wait_for_link(e, output, deadline) || more;
    return true;
}

/* Tells the executor to end and reads until it has, for a while at most. */
static void say_bye(executor *e, connection *c)
{
    uint64_t deadline = clock_now_ns() + BYE_WAIT_MS * NS_PER_MS;
    channel *ch = connection_channel(c);
    connection_bye(c);
    channel_io io = CHANNEL_MOVED;
    while (io != CHANNEL_ENDED && clock_now_ns() < deadline) {
        e->link->ops->write(e->link, ch); /* that it ended is seen by reading */
        io = read_some(e, c);
        read_errors(e);
        if (io == CHANNEL_WAITING)
            wait_for_link(e, channel_has_output(ch), deadline);
    }
    log_lines(e, c);
}

/* Why an incarnation ended, in one line. `how` is what became of its process. */
static void explain_end(const executor *e, connection *c, const char *how, rdd_error *ret)
{
    if (e->ended)
        connection_closed(c, how);
    if (!connection_failed(c, ret))
        error_set(ret, RDD_E_LOST, "%s is replaced", e->place->name);
}

static bool is_released(executor *e)
{
    pthread_mutex_lock(&e->mutex);
    bool released = e->release;
    pthread_mutex_unlock(&e->mutex);
    return released;
}

static bool is_told_to_end(executor *e)
{
    return backend_is_stopping(e->backend) || is_released(e);
}

static void end_link(executor *e, connection *c, rdd_error *why)
{
    char how[160];
    bool told = is_told_to_end(e);
    if (told && c)
        say_bye(e, c);
    read_errors(e);
    line_splitter_end(e->lines, take_error_line, e);
    e->link->ops->end(TAKE(e->link), LOST_WAIT_MS * NS_PER_MS, how, sizeof how);
    if (told)
        log_bad_end(e, how);
    if (c)
        explain_end(e, c, how, why);
}

/* A program over there that is not ours will not become so, unless its place can do better. One that ended
 * at once may do so, too. What says why it cannot start will say it again, unless it could before. */
static start_failure failure_of(executor *e, const connection *c)
{
    bool stale = c && connection_is_stale(c), mute = c && connection_was_mute(c) && !is_told_to_end(e);
    bool better = place_can_do_better(e->place, stale, mute);
    bool refused = c && connection_was_refused(c) && !e->was_up;
    return (stale && !better) || refused ? START_NEVER : START_AGAIN;
}

static start_failure run_incarnation(executor *e, uint32_t *ret_slots, rdd_error *why)
{
    connection *c = NULL;
    start_failure failure;
    e->ended = false;
    *ret_slots = 0;
    e->place->waits = post_waits;
    e->place->waits_arg = e;
    if (e->place->ops->start(e->place, e->wake_fd, &e->link, &failure, why) < 0)
        return failure;
    if (open_connection(e, &c, why) == 0 && publish(e, c) == 0) {
        bool readable = true;
        while (turn(e, c, &readable)) {
        }
    }
    *ret_slots = unpublish(e);
    e->was_up = e->was_up || *ret_slots;
    call_desk_gone(e->backend->calls, e->number, e->incarnation);
    end_link(e, c, why);
    failure = failure_of(e, c);
    connection_free(c);
    file_client_free(TAKE(e->files));
    return failure;
}

/* -- The thread -------------------------------------------------------------------------------- */

static void drain_wake_ups(executor *e)
{
    uint64_t woken;
    ssize_t drained = read(e->wake_fd, &woken, sizeof woken);
    (void)drained; /* EAGAIN: there were none */
}

/* Until it is time for the next start. The first one after a success comes at once. */
static void wait_for_restart(executor *e)
{
    if (e->failures < 2)
        return;
    uint64_t backoff_ms = BACKOFF_MS;
    for (uint32_t i = 2; i < e->failures && backoff_ms < BACKOFF_MAX_MS; i++)
        backoff_ms *= 2;
    uint64_t deadline = clock_now_ns() + u64_min(backoff_ms, BACKOFF_MAX_MS) * NS_PER_MS;
    for (uint64_t now; !is_told_to_end(e) && (now = clock_now_ns()) < deadline;) {
        struct pollfd p = { .fd = e->wake_fd, .events = POLLIN };
        if (poll(&p, 1, clock_poll_ms(now, deadline)) > 0)
            drain_wake_ups(e);
    }
}

/* The next incarnation is another one, whatever became of this. */
static void turn_page(executor *e, bool goes_on)
{
    pthread_mutex_lock(&e->mutex);
    e->incarnation++;
    e->replace = false;
    if (!e->release)
        e->wanted = goes_on;
    e->release = false;
    pthread_mutex_unlock(&e->mutex);
}

/* It ended because it was told to: nobody waits for news, unless they were told that it is up. */
static void end_released(executor *e, uint32_t slots)
{
    rdd_error why;
    error_set(&why, RDD_E_LOST, "%s was released", e->place->name);
    e->failures = 0;
    if (slots)
        post_lost(e, slots, LOSS_RELEASED, &why);
    turn_page(e, true);
}

/* It ended by itself, or did not come up: that is told, and it starts again as often as it may. */
static void end_lost(executor *e, start_failure failure, uint32_t slots, rdd_error *why)
{
    bool again = failure == START_AGAIN && e->failures < e->place->restarts_max;
    e->failures += e->failures < UINT32_MAX;
    if (!again && failure == START_AGAIN)
        error_prefix(why, "given up after %u starts in a row: ", e->failures);
    post_lost(e, slots, again ? LOSS_AGAIN : LOSS_GONE, why);
    turn_page(e, again);
    if (again)
        wait_for_restart(e);
    else
        e->failures = 0;
}

/* False when the backend stops. What wakes it up afterwards is news. */
static bool wait_until_wanted(executor *e)
{
    for (;;) {
        pthread_mutex_lock(&e->mutex);
        e->release = false; /* there is none to end */
        bool wanted = e->wanted;
        drain_wake_ups(e); /* the one that says so came with it, under the mutex */
        pthread_mutex_unlock(&e->mutex);
        if (backend_is_stopping(e->backend))
            return false;
        if (wanted)
            return true;
        struct pollfd p = { .fd = e->wake_fd, .events = POLLIN };
        poll(&p, 1, -1);
    }
}

void *executor_thread(void *arg)
{
    executor *e = arg;
    while (wait_until_wanted(e)) {
        rdd_error why = { .code = RDD_E_LOST };
        uint32_t slots;
        start_failure failure = run_incarnation(e, &slots, &why);
        if (backend_is_stopping(e->backend))
            break;
        if (is_released(e))
            end_released(e, slots);
        else
            end_lost(e, failure, slots, &why);
    }
    return NULL;
}
