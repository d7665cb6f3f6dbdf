/* event_log.c: the records of the event log. What each holds is in docs/event-log.md; a change here
 * is a change there.
 *
 * A task costs two records of about 100 bytes, written straight into the file's buffer; all other
 * records are rare. The log remembers the stages of the jobs that run, so that it can say when one
 * is done and what it came to.
 */
#include "event_log.h"

#include "clock.h"
#include "event_fields.h"
#include "log_file.h"
#include "text.h"

enum { FORMAT = 1, TASK_LINE_MAX = 512 };

typedef struct log_stage {
    uint32_t id, job;
    uint32_t partitions, done;
    bool begun, ended;
    uint64_t discarded; /* attempts */
    uint64_t records, input_bytes, result_bytes, run_ns; /* sums over what is done */
} log_stage;

struct event_log {
    log_file file;
    uint64_t start_ns;
    uint32_t executor; /* of the outcomes that are being handled */
    /* `{"t":12.345,"event":"`, as all records of one moment begin */
    uint64_t prefix_ns;
    size_t prefix_size;
    char prefix[64];
    /* by id */
    log_stage *stages;
    size_t stage_count, stage_capacity;
    size_t stage_last; /* where the last one was found */
};

static log_stage *stage_find(event_log *log, uint32_t id);
static void stages_add(event_log *log, const job_spec *spec);
static void stages_forget(event_log *log, uint32_t job);
static void stage_end(event_log *log, uint64_t now_ns, log_stage *st);

/* -- Pieces of a record ------------------------------------------------------------------------ */

#define PUT(at, literal) ((char *)mempcpy((at), (literal), sizeof(literal) - 1))

static void prefix_make(event_log *log, uint64_t now_ns)
{
    uint64_t us = (now_ns > log->start_ns ? now_ns - log->start_ns : 0) / NS_PER_US;
    char *at = PUT(log->prefix, "{\"t\":");
    at = text_put_u64(at, us / 1000);
    *at++ = '.';
    at = text_put_digits(at, (uint32_t)(us % 1000), 3);
    at = PUT(at, ",\"event\":\"");
    log->prefix_size = (size_t)(at - log->prefix);
    log->prefix_ns = now_ns;
}

static char *put_prefix(event_log *log, char *at, uint64_t now_ns)
{
    if (UNLIKELY(now_ns != log->prefix_ns || !log->prefix_size))
        prefix_make(log, now_ns);
    return mempcpy(at, log->prefix, log->prefix_size);
}

static buf *record(event_log *log, uint64_t now_ns, const char *name)
{
    buf *out = &log->file.out;
    char prefix[sizeof log->prefix];
    buf_append(out, prefix, (size_t)(put_prefix(log, prefix, now_ns) - prefix));
    buf_text(out, name);
    buf_char(out, '"');
    return out;
}

static void record_end(event_log *log, uint64_t now_ns)
{
    buf_char(&log->file.out, '}');
    log_file_line(&log->file, now_ns);
}

/* -- The application --------------------------------------------------------------------------- */

int event_log_open(event_log **ret, const char *path, rdd_error *err)
{
    event_log *log = calloc(1, sizeof *log);
    if (!log)
        return error_set_memory(err, "opening the event log");
    int code = log_file_open(&log->file, path, err);
    if (code < 0) {
        free(log);
        return code;
    }
    *ret = log;
    return 0;
}

void event_log_start(event_log *log, uint64_t now_ns, const event_log_application *application)
{
    log->start_ns = now_ns;
    log->prefix_size = 0;
    if (log->file.failed)
        return;
    buf *out = record(log, now_ns, "application_start");
    field_u64(out, "format", FORMAT);
    field_text(out, "version", RDD_VERSION);
    field_text(out, "program", application->program);
    field_text(out, "master", application->master);
    field_u64(out, "slots", application->slots);
    field_time(out, application->wall_ns);
    field_u64(out, "pid", (uint64_t)getpid());
    char host[256] = "";
    if (gethostname(host, sizeof host - 1) == 0)
        field_text(out, "host", host);
    field_argv(out, application->command_line.data, application->command_line.size);
    field_conf(out);
    record_end(log, now_ns);
    log_file_flush(&log->file, now_ns);
}

void event_log_end(event_log *log, uint64_t now_ns, const scheduler_counters *counters)
{
    if (log->file.failed)
        return;
    buf *out = record(log, now_ns, "application_end");
    if (counters) {
        field_u64(out, "jobs_done", counters->jobs_done);
        field_u64(out, "jobs_failed", counters->jobs_failed);
        field_u64(out, "launched", counters->launched);
        field_u64(out, "accepted", counters->accepted);
        field_u64(out, "failed", counters->failed);
        field_u64(out, "crashed", counters->crashed);
        field_u64(out, "lost", counters->lost);
        field_u64(out, "cancelled", counters->cancelled);
        field_u64(out, "stale", counters->stale);
        field_u64(out, "alone", counters->alone);
        field_u64(out, "executors_lost", counters->executors_lost);
        field_u64(out, "executors_replaced", counters->executors_replaced);
        field_u64(out, "executors_started", counters->executors_started);
        field_u64(out, "executors_released", counters->executors_released);
        field_u64(out, "excluded", counters->excluded);
        field_u64(out, "copies", counters->copies);
        field_u64(out, "copies_won", counters->copies_won);
        field_u64(out, "local", counters->local);
    }
    record_end(log, now_ns);
}

void event_log_tick(event_log *log, uint64_t now_ns)
{
    log_file_tick(&log->file, now_ns);
}

const rdd_error *event_log_failure(const event_log *log)
{
    return log->file.failed ? &log->file.error : NULL;
}

int event_log_close(event_log *log, rdd_error *err)
{
    if (!log)
        return 0;
    int code = log_file_close(&log->file, err);
    free(log->stages);
    free(log);
    return code;
}

/* -- Jobs and stages --------------------------------------------------------------------------- */

static void stage_spec_print(buf *out, const job_spec *spec, const stage_spec *st)
{
    buf_text(out, "{\"stage\":");
    field_element(out, st->id);
    if (st->name)
        field_text(out, "name", st->name);
    field_u64(out, "partitions", st->task_count);
    field_name(out, "parents");
    buf_char(out, '[');
    for (uint32_t i = 0; i < st->parent_count; i++) {
        if (i)
            buf_char(out, ',');
        field_element(out, spec->stages[st->parents[i]].id);
    }
    buf_char(out, ']');
    if (st->has_side_effects)
        buf_text(out, ",\"side_effects\":true");
    buf_char(out, '}');
}

void event_log_job(event_log *log, uint64_t now_ns, const job_spec *spec,
                   const event_log_job_info *info)
{
    if (log->file.failed)
        return;
    stages_add(log, spec);
    if (log->file.failed)
        return;
    buf *out = record(log, now_ns, "job_start");
    field_u64(out, "job", spec->job_id);
    if (spec->name)
        field_text(out, "name", spec->name);
    if (spec->pool)
        field_text(out, "pool", spec->pool);
    if (info && info->action)
        field_text(out, "action", info->action);
    if (info && info->site)
        field_text(out, "site", info->site);
    field_name(out, "stages");
    for (uint32_t i = 0; i < spec->stage_count; i++) {
        buf_char(out, i ? ',' : '[');
        stage_spec_print(out, spec, &spec->stages[i]);
    }
    buf_char(out, ']');
    if (info && info->plan.size) {
        field_name(out, "plan");
        text_json(out, info->plan.data, info->plan.size);
    }
    record_end(log, now_ns);
}

static const char *job_status(rdd_code code)
{
    return code == RDD_OK ? "ok" : code == RDD_E_CANCELLED ? "cancelled" : "failed";
}

static void job_end(event_log *log, uint64_t now_ns, const command *c)
{
    buf *out = record(log, now_ns, "job_end");
    field_u64(out, "job", c->job_id);
    field_text(out, "status", job_status(c->error->code));
    if (c->error->code != RDD_OK)
        field_error(out, c->error);
    record_end(log, now_ns);
    stages_forget(log, c->job_id);
    log_file_flush(&log->file, now_ns);
}

static void stage_start(event_log *log, uint64_t now_ns, const command *c)
{
    log_stage *st = stage_find(log, c->stage);
    if (st)
        st->begun = true;
    buf *out = record(log, now_ns, "stage_start");
    field_u64(out, "job", c->job_id);
    field_u64(out, "stage", c->stage);
    field_u64(out, "plan_bytes", c->plan.size);
    record_end(log, now_ns);
}

static void stage_end(event_log *log, uint64_t now_ns, log_stage *st)
{
    st->ended = true;
    buf *out = record(log, now_ns, "stage_end");
    field_u64(out, "job", st->job);
    field_u64(out, "stage", st->id);
    field_text(out, "status", st->done == st->partitions ? "ok" : "stopped");
    field_u64(out, "partitions", st->partitions);
    field_u64(out, "done", st->done);
    field_u64(out, "discarded", st->discarded);
    field_ms(out, "run_ms", st->run_ns);
    field_u64(out, "records", st->records);
    field_u64(out, "input_bytes", st->input_bytes);
    field_u64(out, "result_bytes", st->result_bytes);
    record_end(log, now_ns);
}

/* Where a stage of this id is or would be. */
static size_t stage_position(const event_log *log, uint32_t id)
{
    size_t low = 0, high = log->stage_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (log->stages[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static log_stage *stage_find(event_log *log, uint32_t id)
{
    size_t at = log->stage_last;
    if (UNLIKELY(at >= log->stage_count || log->stages[at].id != id))
        at = log->stage_last = stage_position(log, id);
    return at < log->stage_count && log->stages[at].id == id ? &log->stages[at] : NULL;
}

static void stages_add(event_log *log, const job_spec *spec)
{
    size_t count = log->stage_count + spec->stage_count;
    if (count > log->stage_capacity) {
        size_t capacity = size_max(count, 2 * log->stage_capacity);
        log_stage *grown = reallocarray(log->stages, capacity, sizeof *grown);
        if (!grown) {
            rdd_error error;
            error_set_memory(&error, "writing the event log");
            log_file_flush(&log->file, log->file.flushed_ns);
            log_file_fail(&log->file, &error);
            return;
        }
        log->stages = grown;
        log->stage_capacity = capacity;
    }
    for (uint32_t i = 0; i < spec->stage_count; i++) {
        const stage_spec *st = &spec->stages[i];
        size_t at = stage_position(log, st->id);
        memmove(log->stages + at + 1, log->stages + at,
                (log->stage_count++ - at) * sizeof *log->stages);
        log->stages[at] = (log_stage){ .id = st->id, .job = spec->job_id,
                                       .partitions = st->task_count };
    }
}

static void stages_forget(event_log *log, uint32_t job)
{
    size_t kept = 0;
    for (size_t i = 0; i < log->stage_count; i++)
        if (log->stages[i].job != job)
            log->stages[kept++] = log->stages[i];
    log->stage_count = kept;
}

/* -- Tasks ------------------------------------------------------------------------------------- */

static void task_start(event_log *log, uint64_t now_ns, const command *c, const task_spec *task)
{
    buf *out = &log->file.out;
    char *start = buf_reserve(out, TASK_LINE_MAX), *at = start;
    if (at) {
        at = put_prefix(log, at, now_ns);
        at = PUT(at, "task_start\",\"stage\":");
        at = text_put_u64(at, task->id.stage);
        at = PUT(at, ",\"partition\":");
        at = text_put_u64(at, task->id.partition);
        at = PUT(at, ",\"attempt\":");
        at = text_put_u64(at, task->id.attempt);
        at = PUT(at, ",\"executor\":");
        at = text_put_u64(at, c->executor);
        out->size += (size_t)(at - start);
    }
    record_end(log, now_ns);
}

static const char *outcome_name(outcome_status status)
{
    switch (status) {
    case OUTCOME_OK: return "ok";
    case OUTCOME_FAILED: return "failed";
    case OUTCOME_CRASHED: return "crashed";
    case OUTCOME_LOST: return "lost";
    case OUTCOME_CANCELLED: return "cancelled";
    }
    return "unknown";
}

static void task_end(event_log *log, uint64_t now_ns, const outcome *o, bool accepted)
{
    buf *out = &log->file.out;
    char *start = buf_reserve(out, TASK_LINE_MAX), *at = start;
    if (at) {
        at = put_prefix(log, at, now_ns);
        at = PUT(at, "task_end\",\"stage\":");
        at = text_put_u64(at, o->id.stage);
        at = PUT(at, ",\"partition\":");
        at = text_put_u64(at, o->id.partition);
        at = PUT(at, ",\"attempt\":");
        at = text_put_u64(at, o->id.attempt);
        at = PUT(at, ",\"executor\":");
        at = text_put_u64(at, log->executor);
        at = PUT(at, ",\"status\":\"");
        at = stpcpy(at, outcome_name(o->status));
        at = accepted ? PUT(at, "\",\"accepted\":true") : PUT(at, "\",\"accepted\":false");
        at = PUT(at, ",\"run_ms\":");
        at = field_put_ms(at, o->metrics.run_ns);
        at = PUT(at, ",\"records\":");
        at = text_put_u64(at, o->metrics.records);
        at = PUT(at, ",\"input_bytes\":");
        at = text_put_u64(at, o->metrics.input_bytes);
        at = PUT(at, ",\"result_bytes\":");
        at = text_put_u64(at, o->result_size);
        out->size += (size_t)(at - start);
    }
    if (UNLIKELY(o->suspect))
        buf_text(out, ",\"suspect\":true");
    if (UNLIKELY(o->error))
        field_error(out, o->error);
    record_end(log, now_ns);
}

static void stage_accepted(event_log *log, uint64_t now_ns, log_stage *st, const outcome *o)
{
    st->records += o->metrics.records;
    st->input_bytes += o->metrics.input_bytes;
    st->result_bytes += o->result_size;
    st->run_ns += o->metrics.run_ns;
    if (++st->done == st->partitions)
        stage_end(log, now_ns, st);
}

static void task_over(event_log *log, uint64_t now_ns, const outcome *o, bool accepted)
{
    task_end(log, now_ns, o, accepted);
    log_stage *st = stage_find(log, o->id.stage);
    if (st && accepted)
        stage_accepted(log, now_ns, st, o);
    else if (st)
        st->discarded++;
}

/* -- Events and commands ----------------------------------------------------------------------- */

void event_log_event(event_log *log, uint64_t now_ns, const event *e)
{
    if (log->file.failed)
        return;
    buf *out;
    switch (e->kind) {
    case EVENT_EXECUTOR_UP:
        out = record(log, now_ns, "executor_up");
        field_u64(out, "executor", e->executor);
        field_u64(out, "incarnation", e->incarnation);
        field_u64(out, "slots", e->slots);
        record_end(log, now_ns);
        break;
    case EVENT_EXECUTOR_LOST:
        if (e->released)
            break;
        out = record(log, now_ns, "executor_lost");
        field_u64(out, "executor", e->executor);
        field_u64(out, "incarnation", e->incarnation);
        if (e->gone)
            buf_text(out, ",\"gone\":true");
        field_error(out, &e->error);
        record_end(log, now_ns);
        break;
    case EVENT_EXECUTOR_ADDED:
    case EVENT_EXECUTOR_DRAIN:
        out = record(log, now_ns, e->kind == EVENT_EXECUTOR_ADDED ? "executor_added"
                                                                  : "executor_drain");
        field_u64(out, "executor", e->executor);
        record_end(log, now_ns);
        break;
    case EVENT_OUTCOMES: /* each is in the command that answers it */
        log->executor = e->executor;
        break;
    case EVENT_JOB_CANCEL:
        out = record(log, now_ns, "job_cancel");
        field_u64(out, "job", e->job_id);
        field_error(out, &e->error);
        record_end(log, now_ns);
        break;
    case EVENT_EXECUTOR_WAITS: /* comes up, or is lost */
    case EVENT_JOB_SUBMIT: /* event_log_job() */
    case EVENT_TICK:
    case EVENT_STOP:
        break;
    }
}

static void executor_command(event_log *log, uint64_t now_ns, const char *name, const command *c)
{
    buf *out = record(log, now_ns, name);
    field_u64(out, "executor", c->executor);
    if (c->kind != COMMAND_START)
        field_u64(out, "incarnation", c->incarnation);
    if (c->kind == COMMAND_CANCEL || c->kind == COMMAND_CANCEL_TASK)
        field_u64(out, "stage", c->stage);
    if (c->kind == COMMAND_CANCEL_TASK) {
        field_u64(out, "partition", c->task.partition);
        field_u64(out, "attempt", c->task.attempt);
    }
    record_end(log, now_ns);
}

static void note(event_log *log, uint64_t now_ns, const command *c)
{
    buf *out = record(log, now_ns, "note");
    field_text(out, "message", c->error->message);
    field_place(out, c->error);
    record_end(log, now_ns);
}

void event_log_command(event_log *log, uint64_t now_ns, const command *c)
{
    if (log->file.failed)
        return;
    log_stage *st;
    switch (c->kind) {
    case COMMAND_PLAN: stage_start(log, now_ns, c); break;
    case COMMAND_FORGET:
        st = stage_find(log, c->stage);
        if (st && st->begun && !st->ended)
            stage_end(log, now_ns, st);
        break;
    case COMMAND_LAUNCH:
        for (size_t i = 0; i < c->count && !log->file.failed; i++)
            task_start(log, now_ns, c, &c->tasks[i]);
        break;
    case COMMAND_CANCEL: executor_command(log, now_ns, "stage_cancel", c); break;
    case COMMAND_CANCEL_TASK: executor_command(log, now_ns, "task_cancel", c); break;
    case COMMAND_REPLACE: executor_command(log, now_ns, "executor_replace", c); break;
    case COMMAND_START: executor_command(log, now_ns, "executor_start", c); break;
    case COMMAND_RELEASE: executor_command(log, now_ns, "executor_release", c); break;
    case COMMAND_ACCEPT: task_over(log, now_ns, c->outcome, true); break;
    case COMMAND_DISCARD: task_over(log, now_ns, c->outcome, false); break;
    case COMMAND_JOB_DONE: job_end(log, now_ns, c); break;
    case COMMAND_NOTE: note(log, now_ns, c); break;
    }
}
