#include "driver.h"

#include "driver_nodes.h"
#include "call_journal.h"
#include "calls.h"
#include "clock.h"
#include "conf.h"
#include "driver_settings.h"
#include "progress.h"

#include <stdio.h>

enum { MAILBOX_MAX = 4096 };
#define PROGRESS_NS (200 * NS_PER_MS)

struct driver {
    rdd_context *ctx;
    pthread_t thread;
    mailbox inbox;
    backend *backend;
    driver_nodes *nodes;
    call_journal *journal; /* NULL in local[N], unless http.journal wants one */
    /* the scheduler thread's */
    scheduler *scheduler;
    command_list commands;
    event_log *log;
    progress *progress;
    bool stopping;
    atomic_bool broken; /* out of memory: the inbox is closed, callers are told why */
    event stop; /* part of the driver: ending needs no memory */
    uint64_t started_ns, next_progress_ns;
    uint32_t executors; /* that there are or were */
    uint32_t gone;  /* executors that will not come again */
    rdd_error gone_why; /* of the first of them */
    uint64_t stages, records; /* for the last line */

    pthread_mutex_t mutex;
    /* under the mutex */
    driver_job *jobs;
};

/* ---- results -------------------------------------------------------------------------------- */

/* What calls.h counts for itself. */
static void take_calls(driver_job *job, const char *name, size_t size, int64_t value)
{
    if (name[1] == 'f')
        job->http_failed += (uint64_t)value;
    else if (name[1] == 'c')
        job->http_calls += (uint64_t)value;
    else if (size > 5 && !job->http_why[0])
        snprintf(job->http_why, sizeof job->http_why, "%.*s", (int)size_min(size - 5, sizeof job->http_why),
                 name + 5);
}

/* Takes the counters off the end of a result (runner.c put them there) and into the context. */
static int take_counters(rdd_context *ctx, driver_job *job, outcome *o)
{
    const char *bytes = outcome_result(o);
    if (o->result_size < 4)
        return -1;
    reader tail = reader_over(bytes + o->result_size - 4, 4);
    size_t size = reader_u32(&tail);
    if (size > o->result_size - 4)
        return -1;
    o->result_size -= size + 4;
    reader r = reader_over(bytes + o->result_size, size);
    while (reader_left(&r)) {
        int64_t value = (int64_t)reader_u64(&r);
        size_t name_size;
        const char *name = reader_sized(&r, &name_size);
        if (r.failed)
            return -1;
        if (name_size > 1 && name[0] == CALLS_PREFIX)
            take_calls(job, name, name_size, value);
        else
            context_count(ctx, name, name_size, value);
    }
    return 0;
}

static driver_job *find_job(driver *d, uint32_t id)
{
    pthread_mutex_lock(&d->mutex);
    driver_job *j = d->jobs;
    while (j && j->id != id)
        j = j->next;
    pthread_mutex_unlock(&d->mutex);
    return j;
}

/* Calls `act` for all jobs there are, not under the mutex: it may wait for the thread, or end them. */
static void each_job(driver *d, void (*act)(driver *d, uint32_t id, const rdd_error *cause),
                     const rdd_error *cause)
{
    CLEANUP(buf_release) buf ids = { 0 };
    pthread_mutex_lock(&d->mutex);
    for (driver_job *j = d->jobs; j; j = j->next)
        buf_u32(&ids, j->id);
    pthread_mutex_unlock(&d->mutex);
    reader r = reader_over(ids.data, ids.size);
    while (reader_left(&r))
        act(d, reader_u32(&r), cause);
}

static void cancel_job(driver *d, uint32_t id, const rdd_error *cause)
{
    event *e = event_new(EVENT_JOB_CANCEL);
    if (!e)
        return;
    e->job_id = id;
    e->error = *cause;
    if (!mailbox_post(&d->inbox, &e->node))
        event_free(e);
}

/* Hands a result to its job. One that the job refuses makes it fail. */
static void accept_outcome(driver *d, driver_job *job, outcome *o, buf *failures)
{
    rdd_error err;
    job_part part = { .size = 0 };
    int code = 0;
    d->records += o->metrics.records;
    uint64_t calls = job->http_calls;
    int counted = take_counters(d->ctx, job, o);
    if (job->http_calls != calls) { /* no stage says beforehand that its operators will call */
        scheduler_side_effects(d->scheduler, o->id.stage);
        if (d->journal)
            call_journal_accepted(d->journal, o->id.stage, o->id.partition);
    }
    if (counted < 0) {
        code = error_set(&err, RDD_E_PROTOCOL, "a malformed result came from an executor");
    } else {
        part.heap = o->result_heap;
        o->result_heap = NULL;
        part.size = o->result_size;
        if (!part.heap)
            memcpy(part.small, o->result_inline, sizeof part.small);
        if (job->accept)
            code = job->accept(job->arg, job->first + o->id.partition, &part, &err);
    }
    if (code == 0 && job->http_failed > job->http_failed_max)
        code = error_set(&err, RDD_E_HTTP,
                         "%llu calls failed, more than http.max_errors allows (%llu); one of them: %s",
                         (unsigned long long)job->http_failed,
                         (unsigned long long)job->http_failed_max, job->http_why);
    ASSERT(o->id.partition < job->results->count);
    job->results->parts[o->id.partition] = part;
    if (code < 0 && !job->refused.code) {
        job->refused = err;
        buf_u32(failures, job->id); /* told to the scheduler after this step */
    }
}

static void finish_job(driver *d, uint32_t id, const rdd_error *err)
{
    pthread_mutex_lock(&d->mutex);
    for (driver_job **at = &d->jobs; *at; at = &(*at)->next)
        if ((*at)->id == id) {
            driver_job *job = *at;
            *at = job->next;
            job->error = job->refused.code ? job->refused : *err;
            job->done = true;
            pthread_cond_signal(&job->finished);
            break;
        }
    pthread_mutex_unlock(&d->mutex);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void carry_out(driver *d, const command *c, buf *failures)
{
    backend *b = d->backend;
    switch (c->kind) {
    case COMMAND_PLAN:
        d->stages++;
        if (d->journal)
            call_journal_begin(d->journal, c->stage);
        b->ops->plan(b, c->stage, c->plan);
        break;
    case COMMAND_FORGET:
        b->ops->forget(b, c->stage);
        if (d->journal)
            call_journal_forget(d->journal, c->stage);
        break;
    case COMMAND_LAUNCH:
        b->ops->launch(b, c->executor, c->incarnation, c->tasks, c->count);
        break;
    case COMMAND_CANCEL: b->ops->cancel(b, c->executor, c->incarnation, c->stage); break;
    case COMMAND_CANCEL_TASK: b->ops->cancel_task(b, c->executor, c->incarnation, c->task); break;
    case COMMAND_REPLACE: b->ops->replace(b, c->executor, c->incarnation); break;
    case COMMAND_START: b->ops->start_executor(b, c->executor); break;
    case COMMAND_RELEASE: b->ops->release_executor(b, c->executor, c->incarnation); break;
    case COMMAND_ACCEPT: {
        driver_job *job = find_job(d, c->job_id);
        if (job)
            accept_outcome(d, job, c->outcome, failures);
        break;
    }
    case COMMAND_DISCARD: break; /* the event owns the outcome and frees it */
    case COMMAND_JOB_DONE:
        progress_clear(d->progress);
        finish_job(d, c->job_id, c->error);
        break;
    case COMMAND_NOTE: progress_note(d->progress, c->error->message); break;
    }
}

static void log_event(driver *d, uint64_t now, const event *e)
{
    if (e->kind == EVENT_JOB_SUBMIT) {
        const driver_job *job = find_job(d, e->job_id);
        event_log_job(d->log, now, e->job, job ? &job->info : NULL);
    }
    event_log_event(d->log, now, e);
}

static void handle(driver *d, event *e);

/* Makes a job fail, from the scheduler's own thread, which never posts to itself. */
static void fail_job(driver *d, uint32_t id, const rdd_error *why)
{
    event *e = event_new(EVENT_JOB_CANCEL);
    if (!e)
        return; /* it fails when it is done, or waits for what does not come: ^C still ends it */
    e->job_id = id;
    e->error = *why;
    handle(d, e);
}

/* An executor that will not come again: the program goes on with the others, and says so. */
static void take_gone(driver *d, const event *e)
{
    char text[sizeof e->error.message + 100];
    uint32_t count = d->executors;
    if (!d->gone++)
        d->gone_why = e->error;
    if (d->gone == 1 && count == 1)
        return; /* the jobs say it */
    if (d->gone < count)
        snprintf(text, sizeof text, "rdd: %s; going on with %u of %u executors\n", e->error.message,
                 count - d->gone, count);
    else
        snprintf(text, sizeof text, "rdd: %s; that was the last of %u executors\n", e->error.message, count);
    driver_say(d, text);
}

/* One that was up while jobs ran; it comes again. */
static void say_lost(driver *d, const event *e)
{
    char text[sizeof e->error.message + 100];
    if (d->ctx->verbosity == VERBOSITY_QUIET || !e->slots || e->gone || e->released ||
        scheduler_is_idle(d->scheduler))
        return;
    snprintf(text, sizeof text, "rdd: %s; what it had not finished runs again\n", e->error.message);
    driver_say(d, text);
}

/* When no executor is left no job can be done, and none that comes later. */
static void fail_without_executors(driver *d)
{
    rdd_error why = d->gone_why;
    if (!d->gone || d->gone < d->executors)
        return;
    if (d->gone > 1)
        error_prefix(&why, "none of %u executors is left; the first to go: ", d->gone);
    each_job(d, fail_job, &why);
}

static void handle(driver *d, event *e)
{
    uint64_t now = clock_now_ns();
    bool lost_for_good = e->kind == EVENT_EXECUTOR_LOST && e->gone;
    if (lost_for_good && !driver_is_elastic(d->ctx)) /* else the scheduler may start them again */
        take_gone(d, e);
    if (e->kind == EVENT_EXECUTOR_LOST)
        say_lost(d, e);
    if (e->kind == EVENT_EXECUTOR_ADDED && e->executor >= d->executors)
        d->executors = e->executor + 1;
    bool may_be_stuck = d->gone && (lost_for_good || e->kind == EVENT_JOB_SUBMIT);
    if (d->log)
        log_event(d, now, e);
    if (scheduler_step(d->scheduler, e, now, &d->commands) < 0)
        atomic_store(&d->broken, true);
    CLEANUP(buf_release) buf failures = { 0 };
    for (size_t i = 0; i < d->commands.count; i++) {
        const command *c = &d->commands.items[i];
        if (d->log)
            event_log_command(d->log, now, c);
        carry_out(d, c, &failures);
    }
    if (e != &d->stop)
        event_free(e);
    reader r = reader_over(failures.data, failures.size);
    while (reader_left(&r)) {
        uint32_t id = reader_u32(&r);
        driver_job *job = find_job(d, id);
        if (job) /* not done meanwhile */
            fail_job(d, id, &job->refused);
    }
    if (may_be_stuck)
        fail_without_executors(d);
}

static void show_progress(driver *d, uint64_t now)
{
    stage_snapshot shots[16];
    size_t count = 0;
    pthread_mutex_lock(&d->mutex);
    for (driver_job *j = d->jobs; j && count < ARRAY_SIZE(shots); j = j->next)
        count += scheduler_snapshot(d->scheduler, j->id, shots + count, ARRAY_SIZE(shots) - count);
    pthread_mutex_unlock(&d->mutex);
    for (size_t i = 0; i < count && d->backend->ops->records; i++)
        shots[i].records += d->backend->ops->records(d->backend, shots[i].stage);
    executors_snapshot executors = scheduler_executors(d->scheduler);
    progress_executors(d->progress, executors.up, executors.max);
    progress_update(d->progress, now, shots, count,
                    (uint32_t)u64_min(executors.slots, UINT32_MAX));
    d->next_progress_ns = now + PROGRESS_NS;
}

/* Fails every job there is. Nothing of them runs any more. */
static void fail_everything(driver *d)
{
    rdd_error err;
    error_set_memory(&err, "scheduling");
    for (;;) {
        pthread_mutex_lock(&d->mutex);
        uint32_t id = d->jobs ? d->jobs->id : 0;
        bool any = d->jobs;
        pthread_mutex_unlock(&d->mutex);
        if (!any)
            return;
        finish_job(d, id, &err);
    }
}

/* Joins what runs; no event comes afterwards. */
static void end_backend(driver *d)
{
    driver_nodes_unwatch(d->nodes);
    if (d->backend)
        d->backend->ops->stop(d->backend);
    d->backend = NULL;
    for (mailbox_node *node = mailbox_take_all(&d->inbox, 0), *next; node; node = next) {
        next = node->next;
        event *e = MAILBOX_OWNER(node, event, node);
        if (e != &d->stop)
            event_free(e);
    }
}

static void *driver_main(void *arg)
{
    driver *d = arg;
    while (!d->stopping) {
        uint64_t now = clock_now_ns();
        uint64_t deadline = scheduler_next_deadline(d->scheduler);
        if (!scheduler_is_idle(d->scheduler))
            deadline = u64_min(deadline, d->next_progress_ns);
        uint64_t wait = deadline == CLOCK_NEVER ? CLOCK_NEVER : deadline > now ? deadline - now : 0;
        mailbox_node *node = mailbox_take_all(&d->inbox, wait);
        for (mailbox_node *next; node; node = next) {
            next = node->next;
            event *e = MAILBOX_OWNER(node, event, node);
            d->stopping = d->stopping || e->kind == EVENT_STOP;
            handle(d, e);
        }
        now = clock_now_ns();
        if (now >= scheduler_next_deadline(d->scheduler)) {
            event *tick = event_new(EVENT_TICK);
            if (tick)
                handle(d, tick);
        }
        if (now >= d->next_progress_ns)
            show_progress(d, now);
        if (d->log)
            event_log_tick(d->log, now);
        if (d->broken)
            break;
    }
    if (d->broken) { /* out of memory in the scheduler: this driver is of no further use */
        mailbox_close(&d->inbox);
        end_backend(d);
        fail_everything(d);
    }
    return NULL;
}

static void post_event(void *arg, event *e)
{
    driver *d = arg;
    if (!mailbox_post(&d->inbox, &e->node))
        event_free(e);
}

/* ---- for callers ---------------------------------------------------------------------------- */

int driver_run(driver *d, driver_job *job, rdd_error *err)
{
    event *e = event_new(EVENT_JOB_SUBMIT);
    if (!e) {
        job_spec_free(job->spec);
        return error_set_memory(err, "starting a job");
    }
    e->job = TAKE(job->spec);
    e->job_id = job->id;
    pthread_cond_init(&job->finished, NULL);
    job->done = false;
    pthread_mutex_lock(&d->mutex);
    job->next = d->jobs;
    d->jobs = job;
    pthread_mutex_unlock(&d->mutex);
    if (!mailbox_post(&d->inbox, &e->node)) {
        event_free(e);
        rdd_error stopped;
        if (atomic_load(&d->broken))
            error_set(&stopped, RDD_E_MEMORY, "the scheduler ran out of memory; this context takes no "
                                              "more jobs");
        else
            error_set(&stopped, RDD_E_CANCELLED, "the context has ended");
        finish_job(d, job->id, &stopped);
    } else if (atomic_load(&d->ctx->interrupted)) { /* which came too early to know of this job */
        rdd_error interrupted;
        error_set(&interrupted, RDD_E_CANCELLED, "interrupted");
        cancel_job(d, job->id, &interrupted);
    }
    pthread_mutex_lock(&d->mutex);
    while (!job->done)
        pthread_cond_wait(&job->finished, &d->mutex);
    pthread_mutex_unlock(&d->mutex);
    pthread_cond_destroy(&job->finished);
    if (job->error.code) {
        *err = job->error;
        return job->error.code;
    }
    return 0;
}

void driver_cancel_all(driver *d, const rdd_error *cause)
{
    each_job(d, cancel_job, cause);
}

void driver_say(driver *d, const char *line)
{
    progress_log(d->progress, line, strlen(line));
}

uint32_t driver_find_executor(driver *d, const char *name)
{
    return driver_nodes_find(d->nodes, name);
}

bool driver_is_busy(driver *d)
{
    pthread_mutex_lock(&d->mutex);
    bool busy = d->jobs;
    pthread_mutex_unlock(&d->mutex);
    return busy;
}

/* What executors print comes out above the progress lines. */
static void print_lines(void *arg, const char *text, size_t size)
{
    progress_log(arg, text, size);
}

static int backend_of(driver *d, const master *m, rdd_error *err)
{
    int code = call_journal_by_settings(&d->journal, m->kind == MASTER_LOCAL, print_lines,
                                        d->progress, err);
    if (code < 0)
        return code;
    return driver_nodes_open(&d->backend, &d->nodes, d->ctx, d->progress, d->journal, err);
}

static progress_mode progress_of(const rdd_context *ctx)
{
    switch (ctx->verbosity) {
    case VERBOSITY_QUIET: return PROGRESS_QUIET;
    case VERBOSITY_PROGRESS: return PROGRESS_ON;
    case VERBOSITY_VERBOSE: return PROGRESS_VERBOSE;
    case VERBOSITY_AUTO: break;
    }
    return PROGRESS_AUTO;
}

static void driver_release(driver *d)
{
    call_journal_close(d->journal, false);
    event_log_close(d->log, NULL);
    scheduler_free(d->scheduler);
    command_list_release(&d->commands);
    driver_nodes_free(d->nodes);
    progress_free(d->progress);
    mailbox_release(&d->inbox);
    pthread_mutex_destroy(&d->mutex);
    free(d);
}

static int open_log(driver *d, rdd_error *err)
{
    const rdd_context *ctx = d->ctx;
    int code = event_log_open(&d->log, ctx->event_log, err);
    if (code < 0)
        return code;
    event_log_start(d->log, d->started_ns,
                    &(event_log_application){ .program = ctx->program,
                                              .master = ctx->master.text,
                                              .slots = ctx->master.executors * ctx->master.slots,
                                              .wall_ns = clock_wall_ns() });
    return 0;
}

/* The line at the end, and the log's last record. */
static void say_what_ran(driver *d)
{
    uint64_t now = clock_now_ns();
    scheduler_counters n = scheduler_count(d->scheduler);
    if (d->log)
        event_log_end(d->log, now, &n);
    progress_finish(d->progress, &(progress_summary){ .jobs = n.jobs_done + n.jobs_failed,
                                                      .jobs_failed = n.jobs_failed,
                                                      .stages = d->stages,
                                                      .tasks = n.accepted,
                                                      .tasks_retried = n.failed + n.crashed + n.lost,
                                                      .records = d->records,
                                                      .wall_ns = now - d->started_ns,
                                                      .master = d->ctx->master.text });
}

int driver_start(driver **ret, rdd_context *ctx, rdd_error *err)
{
    if (driver_settings_check(err) < 0)
        return RDD_E_USAGE;
    driver *d = calloc(1, sizeof *d);
    if (!d)
        return error_set_memory(err, "starting");
    d->ctx = ctx;
    d->stop.kind = EVENT_STOP;
    d->executors = ctx->master.executors;
    d->started_ns = clock_now_ns();
    pthread_mutex_init(&d->mutex, NULL);
    int code = mailbox_init(&d->inbox, MAILBOX_MAX);
    scheduler_conf conf = driver_scheduler_conf(ctx);
    d->scheduler = scheduler_new(&conf);
    d->progress = progress_new(progress_of(ctx), stderr);
    if (code < 0 || !d->scheduler || !d->progress)
        code = error_set_memory(err, "starting");
    if (code == 0 && ctx->event_log)
        code = open_log(d, err);
    if (code == 0)
        code = backend_of(d, &ctx->master, err);
    if (code < 0) {
        driver_release(d);
        return code;
    }
    int os = pthread_create(&d->thread, NULL, driver_main, d);
    if (os)
        code = error_set_errno(err, RDD_E_LIMIT, os, "the scheduler's thread cannot be started");
    if (code == 0)
        code = d->backend->ops->start(d->backend, (event_sink){ post_event, d }, err);
    if (code == 0)
        code = driver_nodes_watch(d->nodes, err);
    if (code < 0) {
        if (!os) {
            driver_stop(d, NULL);
        } else {
            end_backend(d);
            driver_release(d);
        }
        return code;
    }
    *ret = d;
    return 0;
}

int driver_stop(driver *d, rdd_error *err)
{
    bool posted = mailbox_post(&d->inbox, &d->stop.node);
    (void)posted; /* a closed mailbox: the thread has ended already */
    pthread_join(d->thread, NULL);
    mailbox_close(&d->inbox);
    end_backend(d);
    fail_everything(d);
    scheduler_counters n = scheduler_count(d->scheduler);
    bool done = !n.jobs_failed && !d->ctx->has_error && !d->ctx->interrupted && !d->broken;
    d->journal = call_journal_close(d->journal, done); /* one of a run that is done is of no use */
    say_what_ran(d);
    int code = event_log_close(TAKE(d->log), err);
    driver_release(d);
    return code;
}
