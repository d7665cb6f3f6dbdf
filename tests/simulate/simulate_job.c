/* simulate_job.c: random jobs, what their tasks do, and whether each job ended as it had to.
 *
 * What must be true of an end: a job is done only if all its tasks could succeed. If it failed, the
 * reason must be one that took place: the cancellation, results past the limit, a task that used up
 * its attempts (with the right first cause) or its losses, or no executor that was fit.
 */
#include "simulate/simulate.h"

#include <inttypes.h>
#include <stdio.h>

/* -- Making ----------------------------------------------------------------------------------- */

static void task_make(sim *s, const sim_job *j, sim_task *t)
{
    static const nature kinds[] = { NATURE_FAILS, NATURE_FAILS, NATURE_FAILS, NATURE_CRASHES,
                                    NATURE_VANISHES, NATURE_KILLS };
    *t = (sim_task){ .nature = NATURE_GOOD, .first = -1 };
    if (!sim_chance(s, s->fault_percent))
        return;
    t->nature = (uint8_t)kinds[sim_below(s, ARRAY_SIZE(kinds))];
    t->times = (uint8_t)(1 + sim_below(s, u64_max(j->attempts_max - 1, 1)));
    if (sim_chance(s, 1))
        t->times = UINT8_MAX; /* always */
    if (j->cancel_ns && sim_chance(s, 20))
        t->nature = NATURE_HANGS;
}

static void stage_make(sim *s, sim_job *j, sim_stage *st, uint32_t id)
{
    static const uint64_t times[] = { 100, 20 * NS_PER_US, NS_PER_MS, 30 * NS_PER_MS,
                                      500 * NS_PER_MS };
    st->id = id;
    st->run_ns = times[sim_below(s, ARRAY_SIZE(times))];
    st->task_count = (uint32_t)sim_below(s, sim_chance(s, 80) ? 20 : 120);
    if (st->run_ns < NS_PER_US && sim_chance(s, 10))
        st->task_count = 2000;
    st->tasks = calloc(st->task_count + 1, sizeof *st->tasks);
    ASSERT(st->tasks);
    for (uint32_t i = 0; i < st->task_count; i++) {
        task_make(s, j, &st->tasks[i]);
        j->doomed |= st->tasks[i].nature == NATURE_HANGS || st->tasks[i].times == UINT8_MAX;
    }
}

/* Executors that there may be, or not, or none. */
static uint32_t likes(void *arg, uint32_t partition)
{
    const sim_stage *st = arg;
    uint32_t mixed = (partition + 1) * 2654435761u ^ st->seed;
    mixed = (mixed ^ mixed >> 15) * 2246822519u >> 16;
    return mixed % (NODES_MAX + 1) < NODES_MAX ? mixed % (NODES_MAX + 1) : EXECUTOR_ANY;
}

void jobs_begin(sim *s)
{
    uint32_t stage_id = 0;
    s->job_count = s->plain ? 1 : 1 + (uint32_t)sim_below(s, SIM_JOBS_MAX);
    for (uint32_t i = 0; i < s->job_count; i++) {
        sim_job *j = &s->jobs[i];
        uint64_t submit_ns = 1 + (sim_chance(s, 40) ? 0 : sim_below(s, 3 * NS_PER_S));
        j->stage_count = s->plain ? 1 : 1 + (uint32_t)sim_below(s, SIM_STAGES_MAX);
        j->attempts_max = s->world.conf.attempts_max;
        j->cancel_ns = !s->plain && sim_chance(s, 15) ? submit_ns + sim_below(s, 2 * NS_PER_S) : 0;
        j->result_size_max = !s->plain && sim_chance(s, 10) ? 1 + sim_below(s, 100) : 0;
        job_spec *spec = job_spec_new(j->stage_count);
        event *submit = event_new(EVENT_JOB_SUBMIT);
        ASSERT(spec && submit);
        spec->job_id = i;
        spec->name = "simulated";
        spec->result_size_max = j->result_size_max;
        snprintf(j->pool, sizeof j->pool, "%c", (char)('a' + sim_below(s, 4)));
        spec->pool = sim_chance(s, 80) ? j->pool : NULL;
        for (uint32_t k = 0; k < j->stage_count; k++) {
            sim_stage *st = &j->stages[k];
            stage_spec *to = &spec->stages[k];
            stage_make(s, j, st, stage_id++);
            *to = (stage_spec){ .id = st->id, .task_count = st->task_count,
                                .parents = st->parents,
                                .has_side_effects = sim_chance(s, 20) };
            st->seed = (uint32_t)sim_random(s);
            if (!s->plain && sim_chance(s, 30)) {
                to->preferred = likes;
                to->preferred_arg = st;
            }
            for (uint32_t p = 0; p < k; p++)
                if (sim_chance(s, k == j->stage_count - 1 ? 70 : 40))
                    st->parents[to->parent_count++] = p;
        }
        submit->job = spec;
        sim_plan_event(s, submit_ns, submit);
        if (!j->cancel_ns)
            continue;
        event *cancel = event_new(EVENT_JOB_CANCEL);
        ASSERT(cancel);
        cancel->job_id = i;
        error_set(&cancel->error, RDD_E_CANCELLED, "the simulation cancels");
        sim_plan_event(s, j->cancel_ns, cancel);
    }
}

void jobs_release(sim *s)
{
    for (uint32_t i = 0; i < s->job_count; i++)
        for (uint32_t k = 0; k < s->jobs[i].stage_count; k++)
            free(s->jobs[i].stages[k].tasks);
}

static sim_job *job_of(sim *s, task_id id)
{
    return &s->jobs[s->world.stages[id.stage].job_id];
}

const sim_stage *sim_stage_of(sim *s, task_id id)
{
    sim_job *j = job_of(s, id);
    return &j->stages[id.stage - j->stages[0].id];
}

sim_task *sim_task_of(sim *s, task_id id)
{
    return &sim_stage_of(s, id)->tasks[id.partition];
}

void sim_task_runs(sim *s, task_id id, uint64_t run_ns)
{
    sim_job *j = job_of(s, id);
    j->run_ns += run_ns;
    j->longest_run_ns = u64_max(j->longest_run_ns, run_ns);
}

/* -- Following -------------------------------------------------------------------------------- */

/* An executor is lost, or comes up anew before that was known: what it held is lost, and if that
 * was a single task it may be charged. */
static void follow_loss(sim *s, const event *e)
{
    const seat *at = &s->world.seats[e->executor];
    if (!at->up || (e->kind == EVENT_EXECUTOR_UP ? at->incarnation >= e->incarnation
                                                 : at->incarnation != e->incarnation))
        return;
    for (size_t i = 0; i < at->count; i++) {
        sim_task *t = sim_task_of(s, at->tasks[i]);
        t->lost++;
        t->charged = (uint16_t)(t->charged + (at->count == 1));
        if (at->count == 1 && t->first == -1)
            t->first = -2;
    }
}

static void follow_outcome(sim *s, const outcome *o, bool live)
{
    if (!live)
        return;
    sim_task *t = sim_task_of(s, o->id);
    switch (o->status) {
    case OUTCOME_OK:
        break;
    case OUTCOME_FAILED:
    case OUTCOME_CRASHED:
        t->charged++;
        if (t->first == -1)
            t->first = (int32_t)o->id.attempt;
        break;
    case OUTCOME_LOST:
        t->lost++;
        t->charged += o->suspect;
        if (o->suspect && t->first == -1)
            t->first = -2;
        break;
    case OUTCOME_CANCELLED:
        t->lost++;
        break;
    }
}

void jobs_before(sim *s, const event *e)
{
    if (e->kind == EVENT_EXECUTOR_LOST || e->kind == EVENT_EXECUTOR_UP)
        follow_loss(s, e);
    if (e->kind == EVENT_JOB_SUBMIT) {
        s->jobs[e->job->job_id].submitted = true;
        s->jobs[e->job->job_id].submitted_ns = sim_now(s);
    }
    if (e->kind == EVENT_JOB_CANCEL)
        s->jobs[e->job_id].cancelled = true;
    s->stopped |= e->kind == EVENT_STOP;
}

/* -- Judging ---------------------------------------------------------------------------------- */

static bool nobody_is_up(const sim *s)
{
    for (uint32_t i = 0; i < s->node_count; i++)
        if (s->world.seats[i].up && !s->world.seats[i].draining)
            return false;
    return true;
}

static void judge_failed_task(sim *s, sim_job *j, const rdd_error *error)
{
    ASSERT(error->stage >= 0 && error->partition >= 0);
    task_id id = { (uint32_t)error->stage, (uint32_t)error->partition, 0 };
    ASSERT(job_of(s, id) == j);
    sim_task *t = sim_task_of(s, id);
    if (!strncmp(error->message, "every executor that is up is excluded", 37)) {
        ASSERT(scheduler_count(s->world.s).excluded > 0);
        return;
    }
    if (!strncmp(error->message, "lost ", 5)) {
        ASSERT(error->code == RDD_E_LOST);
        ASSERT(t->lost >= s->world.conf.losses_max);
        return;
    }
    ASSERT(error->code == RDD_E_USER || error->code == RDD_E_CRASH || error->code == RDD_E_LOST);
    ASSERT(t->charged >= j->attempts_max);
    if (t->first < 0)
        return;
    char cause[64];
    snprintf(cause, sizeof cause, "cause of %" PRIu32 ".%" PRIu32 ".%" PRIi32, id.stage,
             id.partition, t->first);
    ASSERT(strstr(error->message, cause));
    ASSERT(error->attempt == t->first);
}

static void judge_failure(sim *s, uint32_t index)
{
    sim_job *j = &s->jobs[index];
    const rdd_error *error = &s->world.jobs[index].error;
    if (error->code == RDD_E_CANCELLED) {
        ASSERT(j->cancelled || s->stopped);
    } else if (error->code == RDD_E_LIMIT) {
        ASSERT(j->result_size_max);
        ASSERT(s->world.jobs[index].accepted_size <= j->result_size_max);
        ASSERT(s->world.jobs[index].accepted_size + 7 > j->result_size_max);
    } else if (error->stage >= 0) {
        judge_failed_task(s, j, error);
    } else {
        ASSERT(error->code == RDD_E_LOST);
        ASSERT(s->stopped || nobody_is_up(s) || scheduler_count(s->world.s).executors_replaced ||
               s->world.conf.exclude_stages ||
               scheduler_count(s->world.s).executors_lost >= s->world.conf.executor_losses_max);
    }
}

/* A list schedule takes no longer than its work by the slots, and one task. Here each task may also
 * wait for messages to and fro, and some in the queue of an executor that turns out slow. */
static void judge_time(const sim *s, const sim_job *j)
{
    uint64_t slots = 0, took_ns = sim_now(s) - j->submitted_ns;
    for (uint32_t i = 0; i < s->node_count; i++)
        slots += s->nodes[i].slots;
    uint64_t turn_ns = 3 * s->network_ns + s->flush_ns;
    uint64_t turns = j->stages[0].task_count / slots + 4;
    uint64_t queue_ns = 2 * s->world.conf.prefetch_ns;
    ASSERT(took_ns <= j->run_ns / slots + 2 * j->longest_run_ns + turns * turn_ns + queue_ns);
}

void jobs_after(sim *s, const event *e)
{
    for (size_t i = 0; e->kind == EVENT_OUTCOMES && i < e->outcome_count; i++)
        follow_outcome(s, &e->outcomes[i], s->world.live[i]);
    for (uint32_t i = 0; i < s->job_count; i++) {
        sim_job *j = &s->jobs[i];
        if (j->judged || !s->world.jobs[i].done)
            continue;
        j->judged = true;
        if (s->world.jobs[i].error.code == RDD_OK)
            ASSERT(!j->doomed);
        else
            judge_failure(s, i);
        if (s->plain) {
            ASSERT(s->world.jobs[i].error.code == RDD_OK);
            judge_time(s, j);
        }
    }
}

void jobs_judge(sim *s)
{
    for (uint32_t i = 0; i < s->job_count; i++) {
        ASSERT(s->jobs[i].submitted);
        ASSERT(s->jobs[i].judged);
    }
}
