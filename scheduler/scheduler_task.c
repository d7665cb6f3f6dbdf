/* scheduler_task.c: what an outcome means for its task, its job and its executor.
 *
 * An outcome counts only if it answers a flight: this attempt of this task, on this executor, in
 * this incarnation. All others are stale and discarded. What counts ends the flight; then the task
 * is done, or runs again, or has failed its job.
 */
#include "scheduler_state.h"

#include <inttypes.h>
#include <stdio.h>

/* How an attempt was lost. */
typedef enum loss {
    LOSS_INNOCENT, /* by somebody else's fault, as is known */
    LOSS_QUEUED,   /* with its executor, where it probably waited */
    LOSS_RUNNING,  /* with its executor, where it probably ran */
    LOSS_SUSPECT,  /* its worker died, and it may have done that */
} loss;

static void outcome_handle(scheduler *s, executor *x, uint32_t index, outcome *o);
static void task_accepted(scheduler *s, executor *x, const flight *f, outcome *o);
static void task_failed(scheduler *s, const flight *f, rdd_error *cause);
static void task_blamed(scheduler *s, const flight *f, const char *what, const rdd_error *cause);
static void task_lost(scheduler *s, const flight *f, loss how, const rdd_error *cause);

static bool flight_answers(const scheduler *s, uint32_t index, const event *e, const outcome *o)
{
    const flight *f = &s->flights[index];
    return f->attempt == o->id.attempt && f->executor == e->executor;
}

/* INDEX_NONE when the outcome answers nothing. `st` is set if the stage is known. */
static uint32_t flight_find(scheduler *s, const event *e, const outcome *o, stage **ret_stage)
{
    stage *st = s->stage_last;
    if (UNLIKELY(!st || st->spec->id != o->id.stage))
        st = s->stage_last = id_table_find(&s->stages, o->id.stage);
    *ret_stage = st;
    if (!st || !st->tasks || o->id.partition >= st->spec->task_count)
        return INDEX_NONE;
    task_word w = st->tasks[o->id.partition];
    uint32_t index = task_word_index(w);
    if (UNLIKELY(task_word_state(w) != TASK_FLYING)) {
        if (task_word_state(w) != TASK_DONE || index == INDEX_NONE)
            return INDEX_NONE;
        index = st->troubles[index].loser;
        return index != INDEX_NONE && flight_answers(s, index, e, o) ? index : INDEX_NONE;
    }
    if (LIKELY(flight_answers(s, index, e, o)))
        return index;
    index = s->flights[index].twin;
    return index != INDEX_NONE && flight_answers(s, index, e, o) ? index : INDEX_NONE;
}

/* Where the task of a flight that ends is now: with the other flight, if there is one. */
static void flight_leave(scheduler *s, const flight *f)
{
    stage *st = f->stage;
    if (f->loser) {
        st->troubles[f->trouble].loser = INDEX_NONE;
        st->copies--;
    } else if (f->twin != INDEX_NONE) {
        st->tasks[f->partition] = task_word_of(TASK_FLYING, f->twin);
        s->flights[f->twin].twin = INDEX_NONE;
        st->copies--;
    } else {
        st->tasks[f->partition] = task_word_of(TASK_FRESH, 0);
    }
}

/* Takes it off its executor and gives its memory back. The caller has a copy, and says where the
 * task is now, if this was its only flight; that of a job that ends is nowhere. */
static void flight_end(scheduler *s, executor *x, uint32_t index)
{
    flight *f = &s->flights[index];
    *(f->previous == INDEX_NONE ? &x->first : &s->flights[f->previous].next) = f->next;
    *(f->next == INDEX_NONE ? &x->last : &s->flights[f->next].previous) = f->previous;
    x->flying--;
    if (UNLIKELY(f->cancelled) && --x->cancelled == 0)
        x->cancel_deadline_ns = CLOCK_NEVER;
    if (UNLIKELY(f->alone)) {
        x->alone = false;
        s->alone--;
        executor_unreserve(s, x);
    }
    copies_unwant(s, f);
    if (UNLIKELY(f->trouble != INDEX_NONE))
        flight_leave(s, f);
    else
        f->stage->tasks[f->partition] = task_word_of(TASK_FRESH, 0);
    f->stage->flying--;
    f->stage->job->flying--;
    f->stage->job->pool->flying--;
    s->flying--;
    f->stage = NULL;
    f->next = s->flight_free;
    s->flight_free = index;
}

void outcomes_handle(scheduler *s, event *e)
{
    executor *x = executor_find(s, e->executor, e->incarnation);
    for (size_t i = 0; i < e->outcome_count; i++) {
        outcome *o = &e->outcomes[i];
        stage *st;
        uint32_t index = flight_find(s, e, o, &st);
        if (LIKELY(x && index != INDEX_NONE)) {
            outcome_handle(s, x, index, o);
        } else {
            s->counters.stale++;
            scheduler_discard(s, st ? st->job->spec->job_id : JOB_NONE, o);
        }
    }
    if (x)
        executor_update(s, x);
}

void flight_lost(scheduler *s, uint32_t index, uint32_t position, const rdd_error *cause)
{
    flight f = s->flights[index];
    executor *x = &s->executors[f.executor];
    flight_end(s, x, index);
    s->counters.lost++;
    if (f.stage->job->state == JOB_ENDING) {
        job_landed(s, f.stage->job);
    } else if (f.loser) {
        return;
    } else if (f.alone) {
        task_blamed(s, &f, "executor was lost", cause);
    } else {
        loss ran_or_not = position < x->slots ? LOSS_RUNNING : LOSS_QUEUED;
        task_lost(s, &f, x->replacing ? LOSS_INNOCENT : ran_or_not, cause);
    }
}

/* -- One outcome ------------------------------------------------------------------------------- */

static const char *const NO_REASON = "no reason came with it";

static void error_fill(rdd_error *error, const flight *f)
{
    error->job = f->stage->job->spec->job_id;
    error->stage = f->stage->spec->id;
    error->partition = f->partition;
    error->attempt = f->attempt;
    if (!error->node[0])
        snprintf(error->node, sizeof error->node, "executor %" PRIu32, f->executor);
}

static void outcome_handle(scheduler *s, executor *x, uint32_t index, outcome *o)
{
    flight f = s->flights[index];
    job *j = f.stage->job;
    rdd_error unknown, *cause = o->error;
    flight_end(s, x, index);
    if (UNLIKELY(j->state == JOB_ENDING)) {
        s->counters.cancelled++;
        scheduler_discard(s, j->spec->job_id, o);
        job_landed(s, j);
        return;
    }
    if (UNLIKELY(f.loser)) {
        s->counters.cancelled++;
        scheduler_discard(s, j->spec->job_id, o);
        return;
    }
    if (LIKELY(o->status == OUTCOME_OK)) {
        task_accepted(s, x, &f, o);
        return;
    }
    scheduler_discard(s, j->spec->job_id, o);
    if (!cause) {
        cause = &unknown;
        error_set(cause, o->status == OUTCOME_CRASHED ? RDD_E_CRASH : RDD_E_LOST, "%s", NO_REASON);
    }
    switch (o->status) {
    case OUTCOME_OK:
        break;
    case OUTCOME_FAILED:
    case OUTCOME_CRASHED:
        s->counters.failed += o->status == OUTCOME_FAILED;
        s->counters.crashed += o->status == OUTCOME_CRASHED;
        executor_failed(s, x);
        executor_trouble(x, cause);
        task_failed(s, &f, cause);
        break;
    case OUTCOME_LOST:
        s->counters.lost++;
        if (f.alone && o->suspect)
            task_blamed(s, &f, "worker died", cause);
        else
            task_lost(s, &f, o->suspect ? LOSS_SUSPECT : LOSS_INNOCENT, cause);
        break;
    case OUTCOME_CANCELLED: /* though nobody asked for it */
        s->counters.cancelled++;
        task_lost(s, &f, LOSS_INNOCENT, cause);
        break;
    }
}

static void result_too_large(scheduler *s, job *j)
{
    uint64_t max = j->spec->result_size_max;
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
    unsigned unit = 0;
    while (unit < 3 && max % 1024 == 0) {
        max /= 1024;
        unit++;
    }
    const char *name = j->spec->name ? j->spec->name : "a result";
    rdd_error error;
    error_set(&error, RDD_E_LIMIT, "collecting %s needs more than driver.result_max "
              "(%" PRIu64 " %s): use rdd_save_* or rdd_to_local_iterator, or raise it with "
              "--conf driver.result_max=%" PRIu64 "%s",
              name, max, units[unit], 2 * max, unit ? units[unit] : "");
    job_fail(s, j, &error);
}

static void task_accepted(scheduler *s, executor *x, const flight *f, outcome *o)
{
    stage *st = f->stage;
    job *j = st->job;
    executor_succeeded(x);
    if (j->spec->result_size_max && o->result_size > j->spec->result_size_max - j->result_size) {
        scheduler_discard(s, j->spec->job_id, o);
        s->counters.cancelled++;
        result_too_large(s, j);
        return;
    }
    j->result_size += o->result_size;
    st->tasks[f->partition] = task_word_of(TASK_DONE, f->trouble);
    if (UNLIKELY(f->trouble != INDEX_NONE)) {
        free(st->troubles[f->trouble].first);
        st->troubles[f->trouble].first = NULL;
        s->counters.copies_won += f->is_copy;
    }
    command *c = command_add(s, COMMAND_ACCEPT);
    c->job_id = j->spec->job_id;
    c->outcome = o;
    s->counters.accepted++;
    if (UNLIKELY(f->twin != INDEX_NONE))
        copies_cancel_loser(s, f->twin);

    /* Of the last dozen tasks or so; a time beyond all reason (it came over the wire) is cut. */
    uint64_t run_ns = u64_min(o->metrics.run_ns, NS_PER_S * 3600 * 24);
    uint64_t average = st->run_ns_average;
    st->run_ns_average = st->done ? average - average / 8 + run_ns / 8 : run_ns;
    st->records += o->metrics.records;
    st->input_bytes += o->metrics.input_bytes;
    st->run_ns += run_ns;
    st->done++;
    if (UNLIKELY(st->place_count))
        place_succeeded(st, f->executor);
    if (UNLIKELY(st->run_times))
        copies_measure(s, st, run_ns);
    if (st->done == st->spec->task_count)
        stage_done(s, st);
}

trouble *trouble_of(scheduler *s, const flight *f, uint32_t *ret_index)
{
    stage *st = f->stage;
    *ret_index = f->trouble;
    if (f->trouble != INDEX_NONE)
        return &st->troubles[f->trouble];
    if (st->trouble_count == st->trouble_capacity) {
        trouble *grown = array_grow(st->troubles, st->trouble_count, &st->trouble_capacity, 1,
                                    sizeof *grown);
        if (!grown) {
            rdd_error error;
            error_set_memory(&error, "a task was to run again");
            error_fill(&error, f);
            job_fail(s, st->job, &error);
            return NULL;
        }
        st->troubles = grown;
    }
    *ret_index = (uint32_t)st->trouble_count++;
    trouble *t = &st->troubles[*ret_index];
    *t = (trouble){ .partition = f->partition, .attempts = f->attempt + 1,
                    .failed_on = INDEX_NONE, .next = INDEX_NONE, .loser = INDEX_NONE };
    return t;
}

/* Causes that another attempt meets again: bad data, bad usage, a limit, a budget that is spent. */
static bool cause_is_final(rdd_code code)
{
    return code == RDD_E_USAGE || code == RDD_E_TYPE || code == RDD_E_INPUT ||
           code == RDD_E_EXISTS || code == RDD_E_LIMIT || code == RDD_E_HTTP;
}

/* Costs an attempt. `cause` gets filled with where it happened. */
static void task_failed(scheduler *s, const flight *f, rdd_error *cause)
{
    stage *st = f->stage;
    uint32_t index, max = st->spec->attempts_max ? st->spec->attempts_max : s->conf.attempts_max;
    error_fill(cause, f);
    st->attempts_failed++;
    if (cause_is_final(cause->code)) {
        job_fail(s, st->job, cause);
        return;
    }
    trouble *t = trouble_of(s, f, &index);
    if (!t)
        return;
    t->failures++;
    t->failed_on = f->executor;
    place_failed(s, st, &s->executors[f->executor], cause);
    if (t->failures < max) {
        if (!t->first && (t->first = malloc(sizeof *t->first)))
            *t->first = *cause;
        if (f->twin == INDEX_NONE)
            task_wait_again(s, st, index);
        return;
    }
    rdd_error error = t->first ? *t->first : *cause;
    if (t->failures > 1)
        error_prefix(&error, "failed %" PRIu32 " times, first: ", t->failures);
    job_fail(s, st->job, &error);
}

/* A suspect that was alone: there is nobody else who could have done it. */
static void task_blamed(scheduler *s, const flight *f, const char *what, const rdd_error *cause)
{
    rdd_error blame;
    error_set(&blame, RDD_E_CRASH, "the %s while it ran this task alone: %s", what, cause->message);
    memcpy(blame.node, cause->node, sizeof blame.node);
    task_failed(s, f, &blame);
}

/* Costs nothing, up to a bound. */
static void task_lost(scheduler *s, const flight *f, loss how, const rdd_error *cause)
{
    stage *st = f->stage;
    uint32_t index;
    trouble *t = trouble_of(s, f, &index);
    if (!t)
        return;
    t->losses++;
    t->watched |= how == LOSS_QUEUED || how == LOSS_RUNNING;
    t->suspicion += how == LOSS_RUNNING;
    t->suspect |= how == LOSS_SUSPECT ||
                  (how == LOSS_RUNNING && t->suspicion >= s->conf.suspect_losses);
    if (t->losses < s->conf.losses_max) {
        if (f->twin == INDEX_NONE)
            task_wait_again(s, st, index);
        return;
    }
    rdd_error error;
    error_set(&error, RDD_E_LOST, "lost %" PRIu32 " times without running to its end, "
              "the last time: %s", t->losses, cause->message);
    memcpy(error.node, cause->node, sizeof error.node);
    error_fill(&error, f);
    job_fail(s, st->job, &error);
}
