/* scheduler_check.c: what must hold between steps, asserted by walking everything.
 *
 * For tests; the simulator calls it after each step. Whatever is kept twice (counts, lists, derived
 * flags) is compared with what it stands for.
 */
#include "scheduler_state.h"

static uint32_t queue_check(const stage *st, const trouble_queue *q)
{
    uint32_t count = 0, last = INDEX_NONE, at = q->first;
    ASSERT((q->first == INDEX_NONE) == (q->count == 0));
    for (; at != INDEX_NONE; at = st->troubles[at].next) {
        ASSERT(at < st->trouble_count);
        const trouble *t = &st->troubles[at];
        ASSERT(t->suspect == (q == &st->suspects));
        ASSERT(t->suspect || t->watched == (q == &st->watched));
        ASSERT(st->tasks[t->partition] == task_word_of(TASK_WAITING, at));
        last = at;
        count++;
    }
    ASSERT(count == q->count);
    ASSERT(!count || last == q->last);
    return count;
}

/* Each task of a running stage is in one place, and there once. */
static void stage_tasks_check(const scheduler *s, const stage *st)
{
    uint32_t counts[4] = { 0 };
    for (uint32_t i = 0; i < st->spec->task_count; i++) {
        task_word w = st->tasks[i];
        uint32_t index = task_word_index(w);
        counts[task_word_state(w)]++;
        ASSERT((task_word_state(w) == TASK_FRESH) == (i >= st->fresh));
        switch (task_word_state(w)) {
        case TASK_FRESH:
            break;
        case TASK_WAITING:
            ASSERT(st->troubles[index].partition == i);
            break;
        case TASK_FLYING:
            ASSERT(index < s->flight_count);
            ASSERT(s->flights[index].stage == st);
            ASSERT(s->flights[index].partition == i);
            break;
        case TASK_DONE:
            ASSERT(index == INDEX_NONE || !st->troubles[index].first);
            break;
        }
    }
    uint32_t waiting = queue_check(st, &st->retries) + queue_check(st, &st->watched) +
                       queue_check(st, &st->suspects);
    ASSERT(counts[TASK_FRESH] == st->spec->task_count - st->fresh);
    ASSERT(counts[TASK_WAITING] == waiting);
    ASSERT(counts[TASK_FLYING] == st->flying);
    ASSERT(counts[TASK_DONE] == st->done);
    ASSERT(st->done < st->spec->task_count);
}

static void stage_check(const scheduler *s, const stage *st)
{
    const job *j = st->job;
    ASSERT(id_table_find(&s->stages, st->spec->id) == st);
    if (j->state == JOB_ENDING) {
        ASSERT(!st->runnable);
        ASSERT(!st->suspects.count);
        return;
    }
    uint32_t parents_left = 0;
    for (uint32_t i = 0; i < st->spec->parent_count; i++)
        parents_left += j->stages[st->spec->parents[i]].state != STAGE_DONE;
    ASSERT(parents_left == st->parents_left);
    ASSERT((st->state == STAGE_BLOCKED) == (parents_left > 0));
    ASSERT(st->runnable == (st->state == STAGE_RUNNING && stage_waiting(st) > 0));
    if (st->state == STAGE_RUNNING)
        stage_tasks_check(s, st);
    if (st->state != STAGE_RUNNING)
        ASSERT(st->flying == 0);
    if (st->state == STAGE_DONE)
        ASSERT(st->done == st->spec->task_count);
}

static void jobs_check(const scheduler *s)
{
    uint64_t flying = 0, waiting = 0, suspects = 0;
    uint32_t running = 0;
    size_t stages = 0;
    const job *previous = NULL;
    for (const job *j = s->jobs_first; j; previous = j, j = j->next) {
        uint64_t job_flying = 0;
        uint32_t stages_left = 0;
        ASSERT(j->previous == previous);
        ASSERT(!previous || previous->sequence < j->sequence);
        ASSERT(!j->finished);
        ASSERT(j->state == JOB_RUNNING || j->flying > 0);
        running += j->state == JOB_RUNNING;
        for (uint32_t i = 0; i < j->spec->stage_count; i++) {
            const stage *st = &j->stages[i];
            stage_check(s, st);
            job_flying += st->flying;
            stages_left += st->state != STAGE_DONE;
            waiting += st->runnable ? stage_waiting(st) : 0;
            suspects += st->suspects.count;
        }
        ASSERT(job_flying == j->flying);
        ASSERT(stages_left == j->stages_left);
        flying += job_flying;
        stages += j->spec->stage_count;
    }
    ASSERT(previous == s->jobs_last);
    ASSERT(running == s->jobs_running);
    ASSERT(stages == s->stages.count);
    ASSERT(flying == s->flying);
    ASSERT(waiting == s->waiting);
    ASSERT(suspects == s->suspects);
}

static void lists_check(const scheduler *s)
{
    uint64_t waiting = 0, suspects = 0;
    const stage *previous = NULL;
    for (const stage *st = s->runnable_first; st; previous = st, st = st->runnable_next) {
        ASSERT(st->runnable);
        ASSERT(st->runnable_previous == previous);
        ASSERT(!previous || previous->job->sequence < st->job->sequence ||
               (previous->job == st->job && previous->index < st->index));
        waiting += stage_waiting(st);
    }
    ASSERT(previous == s->runnable_last);
    ASSERT(waiting == s->waiting);
    previous = NULL;
    for (const stage *st = s->suspects_first; st; previous = st, st = st->suspects_next) {
        ASSERT(st->suspects_previous == previous);
        ASSERT(st->suspects.count > 0);
        suspects += st->suspects.count;
    }
    ASSERT(previous == s->suspects_last);
    ASSERT(suspects == s->suspects);
    ASSERT(s->reserved - s->alone <= s->suspects);
}

static void executor_check(const scheduler *s, const executor *x)
{
    uint32_t flying = 0, cancelled = 0, alone = 0, previous = INDEX_NONE;
    for (uint32_t at = x->first; at != INDEX_NONE; previous = at, at = s->flights[at].next) {
        const flight *f = &s->flights[at];
        ASSERT(f->executor == executor_index(s, x));
        ASSERT(f->previous == previous);
        ASSERT(f->stage->tasks[f->partition] == task_word_of(TASK_FLYING, at));
        ASSERT(f->cancelled == (f->stage->job->state == JOB_ENDING));
        flying++;
        cancelled += f->cancelled;
        alone += f->alone;
    }
    ASSERT(previous == x->last);
    ASSERT(flying == x->flying);
    ASSERT(cancelled == x->cancelled);
    ASSERT(x->cancel_deadline_ns == CLOCK_NEVER || cancelled > 0);
    ASSERT(alone == x->alone);
    if (x->alone)
        ASSERT(flying == 1);
    if (x->alone)
        ASSERT(x->reserved);
    if (!x->up)
        ASSERT(flying == 0);
    ASSERT(x->flying <= x->slots + s->conf.prefetch_tasks_max);
    ASSERT(x->available == (x->up && !x->replacing && !x->excluded));
    ASSERT(x->usable == (x->available && !x->closed_until_ns));
    ASSERT(x->usable || !x->reserved || x->alone);
    ASSERT(x->is_free == (x->usable && !x->reserved && x->flying < x->slots));
    /* Nobody who could work is idle while there is work that fits. */
    for (const stage *st = x->is_free ? s->runnable_first : NULL; st; st = st->runnable_next)
        ASSERT(!stage_fits(s, st, x));
}

static void executors_check(const scheduler *s)
{
    uint32_t known = 0, excluded = 0, available = 0, usable = 0, reserved = 0, alone = 0;
    uint32_t is_free = 0;
    uint64_t slots = 0, flying = 0;
    for (size_t i = 0; i < s->executor_count; i++) {
        const executor *x = &s->executors[i];
        executor_check(s, x);
        known += x->known;
        excluded += x->excluded;
        available += x->available;
        usable += x->usable;
        reserved += x->reserved;
        alone += x->alone;
        is_free += x->is_free;
        slots += x->up ? x->slots : 0;
        flying += x->flying;
    }
    ASSERT(known == s->known);
    ASSERT(excluded == s->excluded);
    ASSERT(available == s->available);
    ASSERT(usable == s->usable);
    ASSERT(reserved == s->reserved);
    ASSERT(alone == s->alone);
    ASSERT(is_free == s->free_count);
    ASSERT(slots == s->slots);
    ASSERT(flying == s->flying);
    uint32_t listed = 0, previous = INDEX_NONE;
    for (uint32_t at = s->free_first; at != INDEX_NONE; at = s->executors[at].free_next) {
        ASSERT(s->executors[at].is_free);
        ASSERT(s->executors[at].free_previous == previous);
        previous = at;
        listed++;
    }
    ASSERT(previous == s->free_last);
    ASSERT(listed == s->free_count);
}

void scheduler_check(const scheduler *s)
{
    jobs_check(s);
    lists_check(s);
    executors_check(s);
    uint32_t unused = 0;
    for (uint32_t at = s->flight_free; at != INDEX_NONE; at = s->flights[at].next)
        unused++;
    ASSERT(unused + s->flying == s->flight_count);
    const scheduler_counters *c = &s->counters;
    uint64_t ended = c->accepted + c->failed + c->crashed + c->cancelled + c->lost;
    ASSERT(c->launched == ended + s->flying);
    if (s->jobs_running && !s->available)
        ASSERT(s->deadline_ns != CLOCK_NEVER);
}
