/* scheduler.c: one step after another: an event in, timers, commands out.
 *
 * Called by the driver's scheduler thread and by tests. A step handles its event, then the timers
 * that have run out, hands out tasks, and at last reports the jobs that are over; so JOB_DONE comes
 * behind all other commands of its job.
 */
#include "scheduler_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static void event_handle(scheduler *s, event *e);
static executor *event_executor(scheduler *s, const event *e);
static void launches_point(command_list *out);

scheduler_conf scheduler_conf_default(void)
{
    return (scheduler_conf){
        .attempts_max = 4,
        .losses_max = 16,
        .suspect_losses = 2,
        .prefetch_ns = 2 * NS_PER_MS,
        .prefetch_tasks_max = 4096,
        .nodes_wait_ns = 60 * NS_PER_S,
        .backoff_failures = 4,
        .backoff_ns = 100 * NS_PER_MS,
        .backoff_max_ns = 10 * NS_PER_S,
        .executor_losses_max = 5,
        .exclude_ns = 60 * NS_PER_S,
        .exclude_failures = 3,
        .exclude_stages = 2,
        .locality_wait_ns = 3 * NS_PER_S,
        .speculation_quantile = 750,
        .speculation_multiplier = 1500,
        .speculation_min_ns = 100 * NS_PER_MS,
        .executors_idle_ns = 60 * NS_PER_S,
        .executors_backlog_ns = NS_PER_S,
    };
}

scheduler *scheduler_new(const scheduler_conf *conf)
{
    ASSERT(conf->attempts_max > 0);
    ASSERT(conf->losses_max > 0);
    scheduler *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->conf = *conf;
    s->flight_free = s->free_first = s->free_last = INDEX_NONE;
    s->wanted_first = s->wanted_last = INDEX_NONE;
    s->without_since_ns = s->deadline_ns = s->copies_check_ns = s->backlog_ns = CLOCK_NEVER;
    s->backlog_more = 1;
    return s;
}

void *scheduler_free(scheduler *s)
{
    if (!s)
        return NULL;
    jobs_free(s);
    id_table_release(&s->stages);
    free(s->flights);
    for (size_t i = 0; i < s->executor_count; i++)
        free(s->executors[i].trouble);
    free(s->executors);
    free(s);
    return NULL;
}

int scheduler_step(scheduler *s, event *e, uint64_t now_ns, command_list *out)
{
    ASSERT(now_ns >= s->now_ns);
    command_list_clear(out);
    if (s->no_memory)
        return RDD_E_MEMORY;
    s->now_ns = now_ns;
    s->out = out;
    event_handle(s, e);
    if (now_ns >= s->deadline_ns) {
        s->deadline_ns = CLOCK_NEVER;
        executors_tick(s);
        copies_tick(s);
    }
    without_executors(s); /* jobs that fail give executors back, which the others get */
    assign(s, event_executor(s, e));
    elastic_decide(s);
    jobs_finish(s);
    s->out = NULL;
    if (s->no_memory) {
        command_list_clear(out);
        s->deadline_ns = CLOCK_NEVER;
        return RDD_E_MEMORY;
    }
    launches_point(out);
    return 0;
}

uint64_t scheduler_next_deadline(const scheduler *s)
{
    return s->deadline_ns;
}

bool scheduler_is_idle(const scheduler *s)
{
    return !s->jobs_first && !s->flying && !s->runnable_first && !s->suspects && !s->reserved &&
           !s->wanted && !s->pools && !s->homed && !s->stage_exclusions;
}

scheduler_counters scheduler_count(const scheduler *s)
{
    return s->counters;
}

/* -- The step ---------------------------------------------------------------------------------- */

static void event_handle(scheduler *s, event *e)
{
    rdd_error stopped;
    job *j;
    switch (e->kind) {
    case EVENT_EXECUTOR_UP:
        executor_up(s, e);
        break;
    case EVENT_EXECUTOR_LOST:
        executor_lost(s, e);
        break;
    case EVENT_EXECUTOR_WAITS:
        executor_waits(s, e);
        break;
    case EVENT_EXECUTOR_ADDED:
        executor_added(s, e);
        break;
    case EVENT_EXECUTOR_DRAIN:
        executor_drain(s, e);
        break;
    case EVENT_OUTCOMES:
        outcomes_handle(s, e);
        break;
    case EVENT_JOB_SUBMIT:
        job_submit(s, TAKE(e->job));
        break;
    case EVENT_JOB_CANCEL:
        if ((j = job_find(s, e->job_id)))
            job_fail(s, j, &e->error);
        break;
    case EVENT_TICK:
        break;
    case EVENT_STOP:
        s->stopped = true;
        error_set(&stopped, RDD_E_CANCELLED, "cancelled: the context ends");
        job_fail_all(s, &stopped);
        break;
    }
}

static executor *event_executor(scheduler *s, const event *e)
{
    if (e->kind != EVENT_EXECUTOR_UP && e->kind != EVENT_OUTCOMES)
        return NULL;
    return executor_find(s, e->executor, e->incarnation);
}

/* The array of tasks may have moved while it grew: LAUNCH commands get their part of it now. They
 * come behind the answers to outcomes, of which there may be many. */
static void launches_point(command_list *out)
{
    size_t tasks = out->task_count;
    for (size_t i = out->count; i > 0 && tasks > 0; i--) {
        command *c = &out->items[i - 1];
        if (c->kind != COMMAND_LAUNCH)
            continue;
        tasks -= c->count;
        c->tasks = out->tasks + tasks;
    }
    ASSERT(tasks == 0);
}

/* -- Commands ---------------------------------------------------------------------------------- */

void *array_grow(void *items, size_t count, size_t *capacity, size_t more, size_t item_size)
{
    size_t wanted = size_max(size_max(count + more, *capacity * 2), 64);
    void *grown = realloc(items, wanted * item_size);
    if (grown)
        *capacity = wanted;
    return grown;
}

command *command_add(scheduler *s, command_kind kind)
{
    command_list *out = s->out;
    if (UNLIKELY(out->count == out->capacity)) {
        command *grown = array_grow(out->items, out->count, &out->capacity, 1, sizeof *grown);
        if (!grown) {
            s->no_memory = true;
            return &s->nowhere;
        }
        out->items = grown;
    }
    command *c = &out->items[out->count++];
    *c = (command){ .kind = kind, .job_id = JOB_NONE };
    return c;
}

task_spec *command_tasks_reserve(scheduler *s, size_t count)
{
    command_list *out = s->out;
    if (count > out->task_capacity - out->task_count) {
        task_spec *grown = array_grow(out->tasks, out->task_count, &out->task_capacity, count,
                                      sizeof *grown);
        if (!grown) {
            s->no_memory = true;
            return NULL;
        }
        out->tasks = grown;
    }
    return out->tasks + out->task_count;
}

const rdd_error *command_error(scheduler *s, const rdd_error *error)
{
    command_list *out = s->out;
    size_t had = out->error_capacity;
    if (out->error_count == had) {
        rdd_error **grown = array_grow(out->errors, had, &out->error_capacity, 1, sizeof *grown);
        if (!grown) {
            s->no_memory = true;
            return error;
        }
        memset(grown + had, 0, (out->error_capacity - had) * sizeof *grown);
        out->errors = grown;
    }
    rdd_error **copy = &out->errors[out->error_count];
    if (!*copy && !(*copy = malloc(sizeof **copy))) {
        s->no_memory = true;
        return error;
    }
    **copy = *error;
    out->error_count++;
    return *copy;
}

void scheduler_note(scheduler *s, const char *format, ...)
{
    rdd_error text;
    error_set(&text, RDD_OK, "%s", "");
    va_list args;
    va_start(args, format);
    vsnprintf(text.message, sizeof text.message, format, args);
    va_end(args);
    const rdd_error *kept = command_error(s, &text);
    command_add(s, COMMAND_NOTE)->error = kept;
}

void scheduler_discard(scheduler *s, uint32_t job_id, outcome *o)
{
    command *c = command_add(s, COMMAND_DISCARD);
    c->job_id = job_id;
    c->outcome = o;
}

const char *duration_text(uint64_t ns, char text[32])
{
    if (ns % NS_PER_S == 0)
        snprintf(text, 32, "%" PRIu64 " s", ns / NS_PER_S);
    else
        snprintf(text, 32, "%" PRIu64 " ms", ns / NS_PER_MS);
    return text;
}
