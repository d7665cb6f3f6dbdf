#include "backend_process.h"

#include "clock.h"
#include "conf.h"
#include "connection.h"
#include "event.h"
#include "executor_spawn.h"
#include "registry.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/random.h>

enum {
    RESTARTS_MAX = 5,         /* in a row, without an outcome in between */
    BACKOFF_MS = 50,          /* before the first restart; doubles with each */
    BACKOFF_MAX_MS = 5000,
    START_TIMEOUT_S = 30,
    BYE_WAIT_MS = 3000,       /* for an executor to end when told */
    LOST_WAIT_MS = 1000,      /* for a lost one, before it is killed */
};

typedef struct known_plan {
    uint32_t stage;
    rdd_str bytes;
} known_plan;

typedef struct process_backend process_backend;

typedef struct executor {
    process_backend *backend;
    uint32_t number;
    char name[32];
    pthread_t thread;
    int wake_fd;
    executor_child child;     /* the thread's */
    uint32_t failures;        /* the thread's: incarnations in a row without an outcome */
    bool ended;               /* the thread's: the channel came to its end */
    pthread_mutex_t mutex;
    /* under the mutex */
    connection *connection;   /* NULL while there is none */
    uint32_t incarnation;
    pid_t pid;
    bool up, replace, sleeping;
} executor;

struct process_backend {
    backend base;
    event_sink sink;
    executor_log log;
    executor_log_print print;
    void *print_arg;
    uint64_t digest;          /* of the operators, and which program this is */
    const char *build_id;
    buf conf;
    uint32_t count, slots, started;
    atomic_bool stopping;
    pthread_mutex_t mutex;
    /* under the mutex; taken before an executor's */
    known_plan *plans;
    size_t plan_count, plan_capacity;
    executor executors[];
};

static process_backend *of(backend *b)
{
    return (process_backend *)b;
}

static bool is_stopping(const process_backend *b)
{
    return atomic_load_explicit(&b->stopping, memory_order_acquire);
}

/* -- Events ------------------------------------------------------------------------------------ */

static event *event_for(const executor *e, event_kind kind, uint32_t incarnation)
{
    event *ev = event_new(kind);
    ASSERT(ev); /* no memory for a few bytes, and no way to say so */
    ev->executor = e->number;
    ev->incarnation = incarnation;
    ev->slots = e->backend->slots;
    return ev;
}

static void post(executor *e, event *ev)
{
    e->backend->sink.post(e->backend->sink.arg, ev);
}

static void post_lost(executor *e, const rdd_error *why)
{
    event *ev = event_for(e, EVENT_EXECUTOR_LOST, e->incarnation);
    ev->error = *why;
    snprintf(ev->error.node, sizeof ev->error.node, "%s", e->name);
    post(e, ev);
}

/* -- One incarnation --------------------------------------------------------------------------- */

static int open_connection(executor *e, connection **ret, rdd_error *err)
{
    process_backend *b = e->backend;
    connection_options options = {
        .name = e->name,
        .setup = { .executor = e->number, .incarnation = e->incarnation, .slots = b->slots,
                   .slots_per_process = (uint32_t)conf_int("executor.slots_per_process"),
                   .conf = { b->conf.size, b->conf.data } },
        .digest = b->digest,
        .build_id = b->build_id,
        .heartbeat_ns = (uint64_t)conf_int("executor.heartbeat") * NS_PER_MS,
        .timeout_ns = (uint64_t)conf_int("executor.timeout") * NS_PER_MS,
        .start_timeout_ns = START_TIMEOUT_S * NS_PER_S,
        .result_max = (size_t)conf_int("driver.result_max"),
        .skip_max = FRAME_SKIP_MAX,
    };
    if (getrandom(&options.nonce, sizeof options.nonce, 0) != sizeof options.nonce)
        options.nonce = clock_now_ns();
    return connection_new(ret, &options, clock_now_ns(), err);
}

/* From here on commands reach it. It learns the plans that are known already. */
static int publish(executor *e, connection *c)
{
    process_backend *b = e->backend;
    int code = 0;
    pthread_mutex_lock(&b->mutex);
    pthread_mutex_lock(&e->mutex);
    for (size_t i = 0; i < b->plan_count && code == 0; i++)
        code = connection_plan(c, b->plans[i].stage, b->plans[i].bytes);
    e->connection = c;
    e->pid = e->child.pid;
    pthread_mutex_unlock(&e->mutex);
    pthread_mutex_unlock(&b->mutex);
    return code;
}

static void unpublish(executor *e)
{
    pthread_mutex_lock(&e->mutex);
    e->connection = NULL;
    e->up = false;
    e->pid = 0;
    pthread_mutex_unlock(&e->mutex);
}

/* What a turn brought, to be posted when no lock is held. */
typedef struct news {
    bool up;
    outcome *outcomes;
    size_t outcome_count;
    buf lines;
} news;

static void collect_locked(executor *e, connection *c, news *n)
{
    n->up = connection_came_up(c, NULL);
    e->up = e->up || n->up;
    n->outcomes = connection_take_outcomes(c, &n->outcome_count);
    buf *lines = connection_lines(c);
    if (!lines->size)
        return;
    n->lines = *lines;
    *lines = (buf){ .max = n->lines.max };
}

static void tell(executor *e, news *n)
{
    if (n->up)
        post(e, event_for(e, EVENT_EXECUTOR_UP, e->incarnation));
    if (n->lines.size)
        executor_log_add(&e->backend->log, n->lines.data, n->lines.size);
    buf_release(&n->lines);
    if (!n->outcome_count)
        return;
    e->failures = 0;
    event *ev = event_for(e, EVENT_OUTCOMES, e->incarnation);
    ev->outcomes = TAKE(n->outcomes);
    ev->outcome_count = n->outcome_count;
    post(e, ev);
}

/* Reads what there is, lets the connection work, writes what it has. */
static void move_locked(executor *e, connection *c, bool readable)
{
    channel *ch = connection_channel(c);
    channel_io io = readable ? channel_read(ch, e->child.in_fd) : CHANNEL_WAITING;
    if (io == CHANNEL_MOVED)
        connection_input(c, clock_now_ns());
    connection_tick(c, clock_now_ns());
    e->ended = io == CHANNEL_ENDED;
    for (io = CHANNEL_MOVED; io == CHANNEL_MOVED && !e->ended;) {
        connection_pump(c);
        if (!channel_has_output(ch))
            break;
        io = channel_write(ch, e->child.out_fd);
        e->ended = io == CHANNEL_ENDED;
    }
    while (e->ended && channel_read(ch, e->child.in_fd) == CHANNEL_MOVED)
        connection_input(c, clock_now_ns()); /* its last words */
}

/* True while the incarnation goes on. */
static bool turn(executor *e, connection *c, bool *readable)
{
    news n = { 0 };
    pthread_mutex_lock(&e->mutex);
    move_locked(e, c, *readable);
    collect_locked(e, c, &n);
    bool goes_on = !e->ended && !connection_failed(c, NULL) && !e->replace;
    short output = channel_has_output(connection_channel(c)) ? POLLOUT : 0;
    uint64_t deadline = connection_deadline(c);
    e->sleeping = true;
    pthread_mutex_unlock(&e->mutex);
    tell(e, &n);
    if (!goes_on || is_stopping(e->backend))
        return false;
    struct pollfd polls[] = {
        { .fd = e->child.in_fd, .events = POLLIN },
        { .fd = output ? e->child.out_fd : -1, .events = output },
        { .fd = e->wake_fd, .events = POLLIN },
    };
    poll(polls, ARRAY_SIZE(polls), clock_poll_ms(clock_now_ns(), deadline));
    uint64_t woken;
    ssize_t drained = polls[2].revents ? read(e->wake_fd, &woken, sizeof woken) : 0;
    (void)drained;
    *readable = polls[0].revents != 0;
    return true;
}

static void log_lines(executor *e, connection *c)
{
    buf *lines = connection_lines(c);
    if (lines->size)
        executor_log_add(&e->backend->log, lines->data, lines->size);
    buf_clear(lines);
}

/* Tells the executor to end and reads until it has, for a while at most. */
static void say_bye(executor *e, connection *c)
{
    uint64_t deadline = clock_now_ns() + BYE_WAIT_MS * NS_PER_MS;
    channel *ch = connection_channel(c);
    connection_bye(c);
    channel_io io = CHANNEL_MOVED;
    while (io != CHANNEL_ENDED && clock_now_ns() < deadline) {
        channel_write(ch, e->child.out_fd); /* that it ended is seen by reading */
        struct pollfd polls[] = {
            { .fd = e->child.in_fd, .events = POLLIN },
            { .fd = channel_has_output(ch) ? e->child.out_fd : -1, .events = POLLOUT },
        };
        poll(polls, ARRAY_SIZE(polls), clock_poll_ms(clock_now_ns(), deadline));
        io = polls[0].revents ? channel_read(ch, e->child.in_fd) : CHANNEL_WAITING;
        if (io == CHANNEL_MOVED)
            connection_input(c, clock_now_ns());
    }
    log_lines(e, c);
}

/* An executor that was told to end and did not end well is worth a line. */
static void log_bad_end(executor *e, const char *how)
{
    char text[160];
    int size = snprintf(text, sizeof text, "[%s] rdd: when told to end: %s\n", e->name, how);
    if (!strstr(how, "exited with status 0") && size > 0)
        executor_log_add(&e->backend->log, text, size_min((size_t)size, sizeof text - 1));
}

/* Why an incarnation ended, in one line. `how` is what became of its process. */
static void explain_end(const executor *e, connection *c, const char *how, rdd_error *ret)
{
    if (e->ended)
        connection_closed(c, how);
    if (!connection_failed(c, ret))
        error_set(ret, RDD_E_LOST, "%s is replaced", e->name);
}

static void run_incarnation(executor *e, rdd_error *why)
{
    connection *c = NULL;
    char how[96];
    e->ended = false;
    if (executor_spawn(&e->child, why) < 0)
        return;
    if (open_connection(e, &c, why) == 0 && publish(e, c) == 0) {
        bool readable = false;
        while (turn(e, c, &readable)) {
        }
    }
    unpublish(e);
    bool stopping = is_stopping(e->backend);
    if (stopping && c)
        say_bye(e, c);
    executor_end(&e->child, LOST_WAIT_MS * NS_PER_MS, how, sizeof how);
    if (stopping)
        log_bad_end(e, how);
    if (c)
        explain_end(e, c, how, why);
    connection_free(c);
}

/* -- An executor's thread ---------------------------------------------------------------------- */

/* Until it is time for the next start. The first one after a success comes at once. */
static void wait_for_restart(executor *e)
{
    if (e->failures < 2)
        return;
    uint64_t backoff_ms = u64_min((uint64_t)BACKOFF_MS << (e->failures - 2), BACKOFF_MAX_MS);
    uint64_t deadline = clock_now_ns() + backoff_ms * NS_PER_MS;
    for (uint64_t now; !is_stopping(e->backend) && (now = clock_now_ns()) < deadline;) {
        struct pollfd p = { .fd = e->wake_fd, .events = POLLIN };
        uint64_t woken;
        if (poll(&p, 1, clock_poll_ms(now, deadline)) > 0 &&
            read(e->wake_fd, &woken, sizeof woken) < 0)
            return;
    }
}

static void *executor_main(void *arg)
{
    executor *e = arg;
    for (bool again = true; again && !is_stopping(e->backend);) {
        rdd_error why = { .code = RDD_E_LOST };
        run_incarnation(e, &why);
        if (is_stopping(e->backend))
            break;
        again = ++e->failures <= RESTARTS_MAX;
        if (!again)
            error_prefix(&why, "given up after %d starts in a row: ", RESTARTS_MAX + 1);
        post_lost(e, &why);
        pthread_mutex_lock(&e->mutex);
        e->incarnation++;
        e->replace = false;
        pthread_mutex_unlock(&e->mutex);
        if (again)
            wait_for_restart(e);
    }
    return NULL;
}

/* -- What the scheduler wants ------------------------------------------------------------------ */

static void wake_locked(executor *e)
{
    if (!e->sleeping)
        return;
    e->sleeping = false;
    uint64_t one = 1;
    ssize_t written = write(e->wake_fd, &one, sizeof one);
    (void)written; /* full means that it wakes up anyway */
}

static void process_plan(backend *base, uint32_t stage, rdd_str plan)
{
    process_backend *b = of(base);
    pthread_mutex_lock(&b->mutex);
    if (b->plan_count == b->plan_capacity) {
        size_t capacity = b->plan_capacity ? b->plan_capacity * 2 : 8;
        known_plan *grown = realloc(b->plans, capacity * sizeof *grown);
        ASSERT(grown);
        b->plans = grown;
        b->plan_capacity = capacity;
    }
    b->plans[b->plan_count++] = (known_plan){ stage, plan };
    for (uint32_t i = 0; i < b->count; i++) {
        executor *e = &b->executors[i];
        pthread_mutex_lock(&e->mutex);
        if (e->connection)
            connection_plan(e->connection, stage, plan);
        pthread_mutex_unlock(&e->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
}

static void process_forget(backend *base, uint32_t stage)
{
    process_backend *b = of(base);
    pthread_mutex_lock(&b->mutex);
    for (size_t i = 0; i < b->plan_count; i++)
        if (b->plans[i].stage == stage)
            b->plans[i--] = b->plans[--b->plan_count];
    for (uint32_t i = 0; i < b->count; i++) {
        executor *e = &b->executors[i];
        pthread_mutex_lock(&e->mutex);
        if (e->connection) {
            connection_forget(e->connection, stage);
            wake_locked(e);
        }
        pthread_mutex_unlock(&e->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
}

/* The executor, locked, if that incarnation of it is up. */
static executor *lock_up(backend *base, uint32_t number, uint32_t incarnation)
{
    process_backend *b = of(base);
    ASSERT(number < b->count);
    executor *e = &b->executors[number];
    pthread_mutex_lock(&e->mutex);
    if (e->connection && e->up && e->incarnation == incarnation)
        return e;
    pthread_mutex_unlock(&e->mutex);
    return NULL;
}

static void process_launch(backend *base, uint32_t number, uint32_t incarnation,
                           const task_spec *tasks, size_t count)
{
    executor *e = lock_up(base, number, incarnation);
    if (!e)
        return;
    connection_launch(e->connection, tasks, count);
    wake_locked(e);
    pthread_mutex_unlock(&e->mutex);
}

static void process_cancel(backend *base, uint32_t number, uint32_t incarnation, uint32_t stage)
{
    executor *e = lock_up(base, number, incarnation);
    if (!e)
        return;
    connection_cancel(e->connection, stage);
    wake_locked(e);
    pthread_mutex_unlock(&e->mutex);
}

static void process_replace(backend *base, uint32_t number, uint32_t incarnation)
{
    executor *e = lock_up(base, number, incarnation);
    if (!e)
        return;
    e->replace = true;
    wake_locked(e);
    pthread_mutex_unlock(&e->mutex);
}

/* -- Life -------------------------------------------------------------------------------------- */

static int process_start(backend *base, event_sink sink, rdd_error *err)
{
    process_backend *b = of(base);
    b->sink = sink;
    int code = executor_log_start(&b->log, b->print, b->print_arg, err);
    while (code == 0 && b->started < b->count) {
        executor *e = &b->executors[b->started];
        int error = pthread_create(&e->thread, NULL, executor_main, e);
        if (error)
            return error_set_errno(err, RDD_E_LIMIT, error, "a thread could not be started");
        b->started++;
    }
    return code;
}

static void free_backend(process_backend *b)
{
    for (uint32_t i = 0; i < b->count; i++) {
        closep(&b->executors[i].wake_fd);
        pthread_mutex_destroy(&b->executors[i].mutex);
    }
    pthread_mutex_destroy(&b->mutex);
    buf_release(&b->conf);
    free(b->plans);
    free(b);
}

static void process_stop(backend *base)
{
    process_backend *b = of(base);
    atomic_store_explicit(&b->stopping, true, memory_order_release);
    for (uint32_t i = 0; i < b->started; i++) {
        uint64_t one = 1;
        ssize_t written = write(b->executors[i].wake_fd, &one, sizeof one);
        (void)written;
    }
    for (uint32_t i = 0; i < b->started; i++)
        pthread_join(b->executors[i].thread, NULL);
    if (b->log.started)
        executor_log_stop(&b->log);
    free_backend(b);
}

int backend_process_new(backend **ret, uint32_t executors, uint32_t slots, rdd_error *err)
{
    static const backend_ops ops = {
        .start = process_start,
        .plan = process_plan,
        .forget = process_forget,
        .launch = process_launch,
        .cancel = process_cancel,
        .replace = process_replace,
        .stop = process_stop,
    };
    process_backend *b = calloc(1, sizeof *b + executors * sizeof b->executors[0]);
    if (!b)
        return error_set_memory(err, "starting executors");
    b->base.ops = &ops;
    b->count = executors;
    b->slots = slots;
    b->digest = registry_digest();
    b->build_id = registry_build_id();
    conf_encode(&b->conf);
    pthread_mutex_init(&b->mutex, NULL);
    bool ready = !b->conf.failed;
    for (uint32_t i = 0; i < executors; i++) {
        executor *e = &b->executors[i];
        *e = (executor){ .backend = b, .number = i,
                         .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
        snprintf(e->name, sizeof e->name, "executor %u", i);
        pthread_mutex_init(&e->mutex, NULL);
        ready = ready && e->wake_fd >= 0;
    }
    if (!ready) {
        int error = errno;
        free_backend(b);
        return error_set_errno(err, RDD_E_LIMIT, error, "executors could not be prepared");
    }
    *ret = &b->base;
    return 0;
}

void backend_process_set_log(backend *base, executor_log_print print, void *arg)
{
    of(base)->print = print;
    of(base)->print_arg = arg;
}

uint64_t backend_process_records(backend *base, uint32_t stage)
{
    process_backend *b = of(base);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        executor *e = &b->executors[i];
        pthread_mutex_lock(&e->mutex);
        if (e->connection)
            sum += connection_records(e->connection, stage);
        pthread_mutex_unlock(&e->mutex);
    }
    return sum;
}

pid_t backend_process_pid(backend *base, uint32_t number)
{
    executor *e = &of(base)->executors[number];
    pthread_mutex_lock(&e->mutex);
    pid_t pid = e->pid;
    pthread_mutex_unlock(&e->mutex);
    return pid;
}
