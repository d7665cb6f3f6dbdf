/* scheduler_job.c: jobs and their stages, from submission to JOB_DONE.
 *
 * A job is RUNNING until its last stage is done or it fails; then it is ENDING: nothing of it is
 * launched any more, and JOB_DONE follows when nothing of it flies. A stage is BLOCKED until its
 * parents are done, RUNNING until each of its tasks has an accepted outcome. Once begun, its plan
 * stays known until the job is over, because a stage that is done may be needed again.
 */
#include "scheduler_state.h"

#include <inttypes.h>

static int job_new(scheduler *s, job **ret, job_spec *spec, rdd_error *err);
static void *job_free(job *j);
static void job_refuse(scheduler *s, job_spec *spec, const rdd_error *error);
static void job_end(scheduler *s, job *j, const rdd_error *error);
static void job_cancel_flights(scheduler *s, job *j);
static bool stage_begin(scheduler *s, stage *st);

void job_submit(scheduler *s, job_spec *spec)
{
    ASSERT(spec->stage_count > 0);
    rdd_error error;
    job *j = NULL;
    if (s->stopped)
        error_set(&error, RDD_E_CANCELLED, "cancelled: the context ends");
    else if (id_table_reserve(&s->stages, spec->stage_count) < 0)
        error_set_memory(&error, "a job was submitted");
    else
        job_new(s, &j, spec, &error);
    if (!j) {
        job_refuse(s, spec, &error);
        return;
    }
    j->sequence = s->sequence++;
    j->previous = s->jobs_last;
    *(j->previous ? &j->previous->next : &s->jobs_first) = j;
    s->jobs_last = j;
    s->jobs_running++;
    for (uint32_t i = 0; i < spec->stage_count; i++)
        id_table_add(&s->stages, &j->stages[i]);
    for (uint32_t i = 0; i < spec->stage_count && j->state == JOB_RUNNING; i++) {
        stage *st = &j->stages[i];
        if (st->state == STAGE_BLOCKED && st->parents_left == 0 && stage_begin(s, st))
            stage_done(s, st);
    }
}

job *job_find(const scheduler *s, uint32_t job_id)
{
    for (job *j = s->jobs_first; j; j = j->next)
        if (j->spec->job_id == job_id)
            return j;
    return NULL;
}

void job_fail(scheduler *s, job *j, const rdd_error *error)
{
    if (j->state != JOB_RUNNING)
        return;
    ASSERT(error->code != RDD_OK);
    job_end(s, j, error);
}

void job_fail_all(scheduler *s, const rdd_error *error)
{
    for (job *j = s->jobs_first; j; j = j->next)
        job_fail(s, j, error);
}

void job_landed(scheduler *s, job *j)
{
    if (j->state != JOB_ENDING || j->flying || j->finished)
        return;
    j->finished = true;
    j->finished_next = s->finished;
    s->finished = j;
}

/* Its children may begin, and those without tasks are done at once, and so on: a list, no
 * recursion, for a chain may be long. */
void stage_done(scheduler *s, stage *st)
{
    job *j = st->job;
    st->done_next = NULL;
    for (stage *list = st; list && j->state == JOB_RUNNING;) {
        stage *over = list;
        list = over->done_next;
        over->state = STAGE_DONE;
        copies_end(s, over);
        places_release(s, over);
        j->stages_left--;
        for (uint32_t i = 0; i < over->child_count; i++) {
            stage *child = &j->stages[over->children[i]];
            if (--child->parents_left == 0 && stage_begin(s, child)) {
                child->done_next = list;
                list = child;
            }
        }
    }
    if (j->state == JOB_RUNNING && j->stages_left == 0) {
        static const rdd_error fine = { .job = -1, .stage = -1, .partition = -1, .attempt = -1 };
        job_end(s, j, &fine);
    }
}

void jobs_finish(scheduler *s)
{
    while (s->finished) {
        job *j = s->finished;
        s->finished = j->finished_next;
        for (uint32_t i = 0; i < j->spec->stage_count; i++) {
            stage *st = &j->stages[i];
            if (st->tasks)
                command_add(s, COMMAND_FORGET)->stage = st->spec->id;
            id_table_remove(&s->stages, st->spec->id);
        }
        if (j->error.code != RDD_OK)
            j->error.job = j->spec->job_id;
        const rdd_error *error = command_error(s, &j->error);
        command *c = command_add(s, COMMAND_JOB_DONE);
        c->job_id = j->spec->job_id;
        c->error = error;
        s->counters.jobs_done += j->error.code == RDD_OK;
        s->counters.jobs_failed += j->error.code != RDD_OK;
        s->stage_last = NULL;
        *(j->previous ? &j->previous->next : &s->jobs_first) = j->next;
        *(j->next ? &j->next->previous : &s->jobs_last) = j->previous;
        pool_leave(s, j->pool);
        job_free(j);
    }
}

void jobs_free(scheduler *s)
{
    for (job *j = s->jobs_first, *next; j; j = next) {
        next = j->next;
        job_free(j);
    }
    for (pool *p = s->pools, *next; p; p = next) {
        next = p->next;
        free(p);
    }
}

size_t scheduler_snapshot(const scheduler *s, uint32_t job_id, stage_snapshot *ret, size_t max)
{
    const job *j = job_find(s, job_id);
    size_t count = 0;
    for (uint32_t i = 0; j && i < j->spec->stage_count && count < max; i++) {
        const stage *st = &j->stages[i];
        if (st->state != STAGE_RUNNING)
            continue;
        ret[count++] = (stage_snapshot){
            .stage = st->spec->id,
            .name = st->spec->name,
            .total = st->spec->task_count,
            .done = st->done,
            .running = (uint32_t)u64_min(st->flying, s->slots),
            .attempts_failed = st->attempts_failed,
            .records = st->records,
            .input_bytes = st->input_bytes,
            .run_ns = st->run_ns,
        };
    }
    return count;
}

/* -- Memory ------------------------------------------------------------------------------------ */

static int job_new(scheduler *s, job **ret, job_spec *spec, rdd_error *err)
{
    size_t edges = 0;
    for (uint32_t i = 0; i < spec->stage_count; i++) {
        const stage_spec *st = &spec->stages[i];
        edges += st->parent_count;
        if (st->task_count > TASKS_MAX)
            return error_set(err, RDD_E_LIMIT, "%s has %" PRIu32 " partitions, a stage may have at "
                             "most %d: use fewer (.partitions, rdd_coalesce)",
                             st->name ? st->name : "a stage", st->task_count, TASKS_MAX);
    }
    job *j = calloc(1, sizeof *j + spec->stage_count * sizeof j->stages[0] +
                           edges * sizeof(uint32_t));
    if (!j)
        return error_set_memory(err, "a job was submitted");
    if (!(j->pool = pool_join(s, spec->pool))) {
        free(j);
        return error_set_memory(err, "a job was submitted");
    }
    j->spec = spec;
    j->stages_left = spec->stage_count;
    for (uint32_t i = 0; i < spec->stage_count; i++) {
        stage *st = &j->stages[i];
        st->spec = &spec->stages[i];
        st->job = j;
        st->index = i;
        st->once = st->spec->has_side_effects;
        st->straggles_ns = CLOCK_NEVER;
        st->parents_left = st->spec->parent_count;
        st->retries = (trouble_queue){ INDEX_NONE, INDEX_NONE, 0 };
        st->watched = st->suspects = st->retries;
        for (uint32_t p = 0; p < st->spec->parent_count; p++) {
            ASSERT(st->spec->parents[p] < i);
            j->stages[st->spec->parents[p]].child_count++;
        }
    }
    uint32_t *children = (uint32_t *)(void *)&j->stages[spec->stage_count];
    for (uint32_t i = 0; i < spec->stage_count; i++) {
        j->stages[i].children = children;
        children += j->stages[i].child_count;
        j->stages[i].child_count = 0;
    }
    for (uint32_t i = 0; i < spec->stage_count; i++) {
        for (uint32_t p = 0; p < spec->stages[i].parent_count; p++) {
            stage *parent = &j->stages[spec->stages[i].parents[p]];
            parent->children[parent->child_count++] = i;
        }
    }
    *ret = j;
    return 0;
}

static void *job_free(job *j)
{
    for (uint32_t i = 0; i < j->spec->stage_count; i++) {
        stage *st = &j->stages[i];
        for (size_t t = 0; t < st->trouble_count; t++)
            free(st->troubles[t].first);
        free(st->troubles);
        free(st->tasks);
        free(st->run_times);
        homes_release(st);
        for (size_t p = 0; p < st->place_count; p++)
            free(st->places[p].first);
        free(st->places);
    }
    job_spec_free(j->spec);
    free(j);
    return NULL;
}

static void job_refuse(scheduler *s, job_spec *spec, const rdd_error *error)
{
    rdd_error copy = *error;
    copy.job = spec->job_id;
    const rdd_error *kept = command_error(s, &copy);
    command *c = command_add(s, COMMAND_JOB_DONE);
    c->job_id = spec->job_id;
    c->error = kept;
    s->counters.jobs_failed++;
    job_spec_free(spec);
}

/* -- Beginning and ending ---------------------------------------------------------------------- */

/* Whether it is done already, for want of tasks. */
static bool stage_begin(scheduler *s, stage *st)
{
    st->state = STAGE_RUNNING;
    if (st->spec->task_count == 0)
        return true;
    st->tasks = calloc(st->spec->task_count, sizeof *st->tasks); /* all FRESH */
    if (!st->tasks || (st->spec->preferred && homes_begin(s, st) < 0)) {
        rdd_error error;
        error_set_memory(&error, "a stage began");
        error.stage = st->spec->id;
        job_fail(s, st->job, &error);
        return false;
    }
    command *c = command_add(s, COMMAND_PLAN);
    c->job_id = st->job->spec->job_id;
    c->stage = st->spec->id;
    c->plan = st->spec->plan;
    copies_begin(s, st);
    runnable_add(s, st);
    s->runnable_news = true;
    return false;
}

static void job_end(scheduler *s, job *j, const rdd_error *error)
{
    j->state = JOB_ENDING;
    j->error = *error;
    s->jobs_running--;
    for (uint32_t i = 0; i < j->spec->stage_count; i++) {
        stage_withdraw(s, &j->stages[i]);
        places_release(s, &j->stages[i]);
    }
    if (j->flying)
        job_cancel_flights(s, j);
    job_landed(s, j);
}

static void job_cancel_flights(scheduler *s, job *j)
{
    for (uint32_t i = 0; i < s->executor_count; i++) {
        executor *x = &s->executors[i];
        if (!x->up)
            continue;
        for (uint32_t at = x->first; at != INDEX_NONE; at = s->flights[at].next) {
            flight *f = &s->flights[at];
            if (f->stage->job != j || f->cancelled)
                continue;
            copies_unwant(s, f);
            f->cancelled = true;
            executor_cancelled(s, x);
            if (f->stage->cancel_mark == i + 1)
                continue;
            f->stage->cancel_mark = i + 1;
            command *c = command_add(s, COMMAND_CANCEL);
            c->job_id = j->spec->job_id;
            c->executor = i;
            c->incarnation = x->incarnation;
            c->stage = f->stage->spec->id;
        }
    }
}
