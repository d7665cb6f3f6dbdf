#include "supervisor_parts.h"

#include "clock.h"
#include "conf.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    SETUP_WAIT_S = 60,
    START_FAILURES_MAX = 4,  /* workers in a row of no use, then the executor ends */
    START_BACKOFF_MS = 50,   /* doubles with each */
    LEAVE_WAIT_MS = 500,     /* for idle workers to end by themselves */
    CLOSED_WAIT_MS = 1000,   /* for a worker's end, once its channel is closed */
    LOG_LINES_PER_S = 1000,
    LOG_LINES_BURST = 2000,
    LOG_WAITING_MAX = 8 << 20,
};

int supervisor_new(supervisor **ret, const hello *self, uint64_t now_ns, rdd_error *err)
{
    supervisor *s = calloc(1, sizeof *s);
    if (!s)
        return error_set_memory(err, "starting an executor");
    s->self = *self;
    s->now_ns = s->heard_ns = s->log_refill_ns = now_ns;
    s->timeout_ns = SETUP_WAIT_S * NS_PER_S;
    s->log_room = LOG_LINES_BURST;
    channel_init(&s->driver, 0);
    task_queue_init(&s->queue);
    s->outcomes = (batch){ .out = &s->driver.control, .type = FRAME_OUTCOMES };
    *ret = s;
    return 0;
}

static void release_worker(worker *w)
{
    channel_release(&w->channel);
    free(w->plans);
    free(w->tasks);
    free(w->results.items);
    free(w->payloads.items);
    free(w->files.items);
}

void *supervisor_free(supervisor *s)
{
    if (!s)
        return NULL;
    for (uint32_t i = 0; i < s->worker_count; i++)
        release_worker(&s->workers[i]);
    for (size_t i = 0; i < s->plan_count; i++)
        buf_release(&s->plans[i].bytes);
    channel_release(&s->driver);
    task_queue_release(&s->queue);
    free(s->workers);
    free(s->progress);
    free(s->plans);
    free(s->conf);
    free(s);
    return NULL;
}

bool supervisor_grow(void *items, size_t *capacity, size_t count, size_t item_size)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity ? *capacity * 2 : 8;
    void *grown = realloc(*(void **)items, more * item_size);
    if (!grown)
        return false;
    *(void **)items = grown;
    *capacity = more;
    return true;
}

/* -- Ending ------------------------------------------------------------------------------------ */

buf *supervisor_out(supervisor *s)
{
    batch_end(&s->outcomes);
    return &s->driver.control;
}

void supervisor_exit(supervisor *s, const rdd_error *why)
{
    if (s->exiting)
        return;
    s->exiting = true;
    bye_append(supervisor_out(s), why);
}

void supervisor_stop(supervisor *s, const char *why)
{
    rdd_error err;
    error_set(&err, RDD_E_LOST, "%s", why);
    supervisor_exit(s, &err);
}

static void fail(supervisor *s, rdd_error *err)
{
    error_prefix(err, "the executor does not understand its driver: ");
    supervisor_exit(s, err);
}

void supervisor_driver_ended(supervisor *s)
{
    s->exiting = true; /* nobody is left to say it to */
}

void supervisor_notice(supervisor *s, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    log_line line = { .kind = LOG_NOTICE, .text = rdd_str_of(text) };
    log_append(supervisor_out(s), &line);
}

/* -- What the driver says ---------------------------------------------------------------------- */

channel *supervisor_driver(supervisor *s)
{
    return &s->driver;
}

static void take_hello(supervisor *s, const frame *f)
{
    hello theirs;
    rdd_error err;
    if (s->greeted || hello_decode(f, &theirs) < 0) {
        error_set(&err, RDD_E_PROTOCOL, "a malformed greeting");
        fail(s, &err);
        return;
    }
    s->greeted = true;
    s->self.protocol = PROTOCOL_VERSION;
    s->self.nonce = theirs.nonce;
    hello_encode(supervisor_out(s), &s->self);
    if (theirs.protocol == PROTOCOL_VERSION)
        return;
    error_set(&err, RDD_E_PROTOCOL, "it speaks version %u of the protocol, this is version %d",
              theirs.protocol, PROTOCOL_VERSION);
    fail(s, &err);
}

static int set_up_workers(supervisor *s, const executor_setup *setup)
{
    uint32_t each = setup->slots_per_process ? setup->slots_per_process : setup->slots;
    uint32_t count = (setup->slots + each - 1) / each;
    s->workers = calloc(count, sizeof *s->workers);
    s->progress = calloc(setup->slots, sizeof *s->progress);
    if (!s->workers || !s->progress)
        return RDD_E_MEMORY;
    s->worker_count = count;
    for (uint32_t i = 0; i < count; i++)
        s->workers[i].slots = i + 1 < count ? each : setup->slots - each * (count - 1);
    return 0;
}

static void take_setup(supervisor *s, const frame *f)
{
    executor_setup setup;
    rdd_error err;
    if (!s->greeted || s->set_up || setup_decode(f, &setup) < 0) {
        error_set(&err, RDD_E_PROTOCOL, "malformed settings");
        fail(s, &err);
        return;
    }
    reader conf = reader_over(setup.conf.data, setup.conf.size);
    if (setup.conf.size && conf_decode(&conf, &err) < 0) {
        fail(s, &err);
        return;
    }
    s->set_up = true;
    s->executor = setup.executor;
    s->incarnation = setup.incarnation;
    s->remote = setup.remote;
    s->kill_grace_ns = (uint64_t)conf_int("task.kill_grace") * NS_PER_MS;
    /* Side effects must have stopped before the driver gives the tasks to others. */
    uint64_t timeout_ns = (uint64_t)conf_int("executor.timeout") * NS_PER_MS;
    s->timeout_ns = timeout_ns / 4 * 3;
    s->heartbeat_ns = u64_min((uint64_t)conf_int("executor.heartbeat") * NS_PER_MS, timeout_ns / 4);
    s->next_heartbeat_ns = s->now_ns + s->heartbeat_ns;
    s->conf = malloc(setup.conf.size + 1);
    s->conf_size = setup.conf.size;
    if (s->conf && setup.conf.size)
        memcpy(s->conf, setup.conf.data, setup.conf.size);
    if (!s->conf || set_up_workers(s, &setup) < 0) {
        error_set_memory(&err, "starting workers");
        supervisor_exit(s, &err);
    }
}

/* An order to leave: workers that are idle end in their own time, for a moment. */
static void take_bye(supervisor *s)
{
    s->leaving = true;
    s->leave_by_ns = s->now_ns + LEAVE_WAIT_MS * NS_PER_MS;
    for (uint32_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].phase == WORKER_RUNNING)
            bye_append(&s->workers[i].channel.control, NULL);
}

static void take_driver_frame(supervisor *s, const frame *f)
{
    rdd_error err;
    uint32_t stage;
    task_id which;
    if (!s->set_up && f->type != FRAME_HELLO && f->type != FRAME_SETUP && f->type != FRAME_BYE) {
        error_set(&err, RDD_E_PROTOCOL, "work before settings");
        fail(s, &err);
        return;
    }
    switch (f->type) {
    case FRAME_HELLO: take_hello(s, f); return;
    case FRAME_SETUP: take_setup(s, f); return;
    case FRAME_PLAN: supervisor_take_plan(s, f); return;
    case FRAME_TASKS: supervisor_take_tasks(s, f); return;
    case FRAME_FORGET:
        if (stage_decode(f, &stage) < 0)
            break;
        supervisor_forget_stage(s, stage);
        return;
    case FRAME_CANCEL:
        if (cancel_decode(f, &which) < 0)
            break;
        supervisor_cancel(s, which);
        return;
    case FRAME_DATA:
    case FRAME_CREDIT:
    case FRAME_RESET:
    case FRAME_CLOSE: supervisor_relay(s, NULL, f); return;
    case FRAME_HEARTBEAT: return; /* that it came is all it says */
    case FRAME_BYE: take_bye(s); return;
    case FRAME_LEASE:
    case FRAME_JOURNAL:
        if (!supervisor_calls_to(s, f))
            break;
        return;
    case FRAME_OUTCOMES:
    case FRAME_LOG:
    case FRAME_OPEN:
    case FRAME_TYPES: break;
    }
    error_set(&err, RDD_E_PROTOCOL, "a frame of type %d", (int)f->type);
    fail(s, &err);
}

/* What every input ends with. */
static void settle(supervisor *s)
{
    if (!s->exiting && !s->leaving)
        supervisor_assign(s);
    batch_end(&s->outcomes);
}

void supervisor_driver_input(supervisor *s, uint64_t now_ns)
{
    s->now_ns = s->heard_ns = now_ns;
    frame f;
    rdd_error err;
    int code = 0;
    while (!s->exiting && (code = channel_next(&s->driver, &f, &err)) == 1)
        take_driver_frame(s, &f);
    if (code < 0)
        fail(s, &err);
    if (s->exiting)
        frame_reader_drop(&s->driver.in);
    settle(s);
}

/* -- Workers ----------------------------------------------------------------------------------- */

uint32_t supervisor_worker_count(const supervisor *s)
{
    return s->worker_count;
}

channel *supervisor_worker_channel(supervisor *s, uint32_t index)
{
    return &s->workers[index].channel;
}

void supervisor_worker_started(supervisor *s, uint32_t index, const board *b, uint64_t now_ns)
{
    worker *w = &s->workers[index];
    s->now_ns = now_ns;
    channel_init(&w->channel, 0);
    w->phase = WORKER_RUNNING;
    w->board = b;
    w->serial = ++s->serial;
    w->end_by_ns = w->kill_at_ns = CLOCK_NEVER;
    w->ready = w->leases = w->useful = w->kill_wanted = w->killed = w->cancel_kill = false;
    w->kill_reason.code = RDD_OK;
    w->plan_count = w->task_first = w->task_count = 0;
    w->results.count = w->payloads.count = w->files.count = 0;
    w->handing = (batch){ .out = &w->channel.control, .type = FRAME_TASKS };
    executor_setup setup = { .executor = s->executor, .incarnation = s->incarnation,
                             .slots = w->slots, .worker_serial = w->serial,
                             .remote = s->remote,
                             .conf = { s->conf_size, s->conf } };
    setup_encode(&w->channel.control, &setup);
    settle(s);
}

void supervisor_kill_worker(worker *w, const rdd_error *why)
{
    if (w->phase != WORKER_RUNNING || w->kill_wanted || w->killed)
        return;
    w->kill_wanted = true;
    if (why)
        w->kill_reason = *why;
}

/* One more that was of no use: a moment later than the last one, or never again. */
static void plan_restart(supervisor *s, worker *w, const rdd_error *why)
{
    w->phase = WORKER_WANTED;
    w->start_at_ns = s->now_ns;
    if (!why) {
        s->start_failures = 0;
        return;
    }
    if (++s->start_failures >= START_FAILURES_MAX) {
        rdd_error err = *why;
        error_prefix(&err, "%d workers in a row were of no use; the last one: ",
                     START_FAILURES_MAX);
        supervisor_exit(s, &err);
        return;
    }
    w->start_at_ns += ((uint64_t)START_BACKOFF_MS << (s->start_failures - 1)) * NS_PER_MS;
}

void supervisor_worker_not_started(supervisor *s, uint32_t index, const rdd_error *why,
                                   uint64_t now_ns)
{
    s->now_ns = now_ns;
    plan_restart(s, &s->workers[index], why);
    settle(s);
}

static void take_worker_frame(supervisor *s, worker *w, const frame *f)
{
    rdd_error err;
    switch (f->type) {
    case FRAME_HELLO: w->ready = true; return;
    case FRAME_OUTCOMES: supervisor_take_outcomes(s, w, f); return;
    case FRAME_DATA:
    case FRAME_CREDIT:
    case FRAME_RESET:
    case FRAME_OPEN:
    case FRAME_CLOSE: supervisor_relay(s, w, f); return;
    case FRAME_LEASE:
    case FRAME_JOURNAL: supervisor_calls_from(s, w, f); return;
    default:
        error_set(&err, RDD_E_PROTOCOL, "it sent a frame of type %d", (int)f->type);
        supervisor_kill_worker(w, &err);
    }
}

void supervisor_worker_input(supervisor *s, uint32_t index, uint64_t now_ns)
{
    s->now_ns = now_ns;
    worker *w = &s->workers[index];
    frame f;
    rdd_error err;
    int code = 0;
    while (!s->exiting && !w->kill_reason.code && (code = channel_next(&w->channel, &f, &err)) == 1)
        take_worker_frame(s, w, &f);
    if (code < 0)
        supervisor_kill_worker(w, &err);
    if (w->kill_reason.code)
        frame_reader_drop(&w->channel.in);
    settle(s);
}

/* A process closes its descriptors just before it can be reaped, which says more. */
void supervisor_worker_closed(supervisor *s, uint32_t index)
{
    worker *w = &s->workers[index];
    rdd_error err;
    w->end_by_ns = s->now_ns + CLOSED_WAIT_MS * NS_PER_MS;
    if (channel_failed(&w->channel)) {
        error_set(&err, RDD_E_MEMORY, "out of memory for what it should be told");
        supervisor_kill_worker(w, &err);
    }
}

static void end_closed(supervisor *s, worker *w)
{
    if (w->phase != WORKER_RUNNING || s->now_ns < w->end_by_ns)
        return;
    rdd_error err;
    error_set(&err, RDD_E_CRASH, "it closed its descriptors");
    supervisor_kill_worker(w, &err);
    w->end_by_ns = CLOCK_NEVER;
}

void supervisor_worker_ended(supervisor *s, uint32_t index, const worker_end *end,
                             uint64_t now_ns)
{
    s->now_ns = now_ns;
    worker *w = &s->workers[index];
    supervisor_drop_streams(s, w);
    supervisor_calls_ended(s, w);
    if (!s->leaving && !s->exiting)
        supervisor_judge_end(s, w, end);
    channel_release(&w->channel);
    w->board = NULL;
    w->kill_wanted = w->killed = false;
    plan_restart(s, w, w->useful ? NULL : &w->kill_reason);
    settle(s);
}

/* -- Lines ------------------------------------------------------------------------------------- */

static void refill_log(supervisor *s)
{
    uint64_t lines = (s->now_ns - s->log_refill_ns) * LOG_LINES_PER_S / NS_PER_S;
    if (!lines)
        return;
    s->log_refill_ns = s->now_ns;
    s->log_room = (uint32_t)u64_min(s->log_room + lines, LOG_LINES_BURST);
}

static void tell_dropped(supervisor *s)
{
    if (!s->log_dropped || !s->log_room)
        return;
    supervisor_notice(s, "%llu lines were dropped: more than %d in a second",
                      (unsigned long long)s->log_dropped, LOG_LINES_PER_S);
    s->log_dropped = 0;
}

/* The task that wrote a line is known when only one runs. */
static bool only_task(const worker *w, task_id *ret)
{
    uint32_t running = 0;
    for (uint32_t i = 0; i < w->slots && w->board; i++)
        running += board_running(w->board, i, ret);
    return running == 1;
}

void supervisor_worker_line(supervisor *s, uint32_t index, rdd_str text, uint64_t now_ns)
{
    s->now_ns = now_ns;
    refill_log(s);
    const buf *out = supervisor_out(s);
    if (!s->log_room || out->size - s->driver.control_at > LOG_WAITING_MAX) {
        s->log_dropped++;
        return;
    }
    tell_dropped(s);
    s->log_room--;
    log_line line = { .kind = LOG_USER, .text = text };
    line.has_task = only_task(&s->workers[index], &line.task);
    if (!line.has_task)
        line.task = (task_id){ 0 };
    log_append(supervisor_out(s), &line);
}

/* -- Time -------------------------------------------------------------------------------------- */

static void send_heartbeat(supervisor *s)
{
    s->next_heartbeat_ns = s->now_ns + s->heartbeat_ns;
    size_t count = 0;
    for (uint32_t i = 0; i < s->worker_count; i++) {
        const worker *w = &s->workers[i];
        for (uint32_t j = 0; j < w->slots && w->board; j++, count++) {
            slot_progress *p = &s->progress[count];
            p->busy = board_running(w->board, j, &p->task);
            p->records = atomic_load_explicit(&w->board->slots[j].state.records,
                                              memory_order_relaxed);
        }
    }
    heartbeat_append(supervisor_out(s), s->progress, count);
}

static bool any_running(const supervisor *s)
{
    for (uint32_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].phase == WORKER_RUNNING)
            return true;
    return false;
}

void supervisor_tick(supervisor *s, uint64_t now_ns)
{
    s->now_ns = now_ns;
    if (s->exiting)
        return;
    if (now_ns - s->heard_ns >= s->timeout_ns) {
        rdd_error err;
        error_set(&err, RDD_E_LOST, "no sign of life from the driver for %g s",
                  (double)(s->timeout_ns / NS_PER_MS) / 1000);
        supervisor_exit(s, &err);
        return;
    }
    if (s->leaving) {
        if (now_ns >= s->leave_by_ns || !any_running(s))
            supervisor_exit(s, NULL);
        return;
    }
    if (s->set_up && now_ns >= s->next_heartbeat_ns)
        send_heartbeat(s);
    for (uint32_t i = 0; i < s->worker_count; i++) {
        supervisor_end_stubborn(s, &s->workers[i]);
        end_closed(s, &s->workers[i]);
    }
    if (s->log_dropped) {
        refill_log(s);
        tell_dropped(s);
    }
    settle(s);
}

uint64_t supervisor_deadline(const supervisor *s)
{
    uint64_t deadline = s->heard_ns + s->timeout_ns;
    if (s->exiting)
        return 0;
    if (s->leaving)
        return any_running(s) ? u64_min(deadline, s->leave_by_ns) : 0;
    if (s->set_up)
        deadline = u64_min(deadline, s->next_heartbeat_ns);
    if (s->log_dropped)
        deadline = u64_min(deadline, s->log_refill_ns + NS_PER_S / LOG_LINES_PER_S);
    for (uint32_t i = 0; i < s->worker_count; i++) {
        const worker *w = &s->workers[i];
        if (w->kill_wanted)
            return 0;
        if (w->phase == WORKER_WANTED)
            deadline = u64_min(deadline, w->start_at_ns);
        if (w->phase == WORKER_RUNNING)
            deadline = u64_min(deadline, u64_min(w->end_by_ns, w->kill_at_ns));
    }
    return deadline;
}

bool supervisor_next_command(supervisor *s, supervisor_command *ret)
{
    if (s->exiting) {
        *ret = (supervisor_command){ .kind = SUPERVISOR_EXIT };
        bool first = !s->exit_told;
        s->exit_told = true;
        return first;
    }
    for (uint32_t i = 0; i < s->worker_count; i++) {
        worker *w = &s->workers[i];
        *ret = (supervisor_command){ .worker = i, .slots = w->slots };
        if (w->kill_wanted) {
            w->kill_wanted = false;
            w->killed = true;
            ret->kind = SUPERVISOR_KILL;
            return true;
        }
        if (w->phase == WORKER_WANTED && w->start_at_ns <= s->now_ns && !s->leaving) {
            w->phase = WORKER_STARTING;
            ret->kind = SUPERVISOR_START;
            return true;
        }
    }
    return false;
}
