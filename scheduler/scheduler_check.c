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

/* A flight and the other one of its task; whether there is one. */
static bool twins_check(const scheduler *s, uint32_t index)
{
    const flight *f = &s->flights[index];
    if (f->twin == INDEX_NONE)
        return false;
    const flight *twin = &s->flights[f->twin];
    ASSERT(twin->twin == index);
    ASSERT(twin->stage == f->stage);
    ASSERT(twin->partition == f->partition);
    ASSERT(twin->trouble == f->trouble);
    ASSERT(twin->executor != f->executor);
    ASSERT(twin->attempt != f->attempt);
    ASSERT(!f->alone);
    ASSERT(!twin->alone);
    ASSERT(!f->wanted);
    ASSERT(!twin->wanted);
    return true;
}

/* Of a task that is done: whether another flight of it goes on. */
static bool loser_check(const scheduler *s, const stage *st, uint32_t trouble_index)
{
    uint32_t index = st->troubles[trouble_index].loser;
    if (index == INDEX_NONE)
        return false;
    const flight *f = &s->flights[index];
    ASSERT(f->loser);
    ASSERT(f->cancelled);
    ASSERT(f->stage == st);
    ASSERT(f->trouble == trouble_index);
    ASSERT(f->twin == INDEX_NONE);
    return true;
}

/* Fresh tasks that are in homes. */
static uint32_t homes_check(const stage *st)
{
    uint32_t homed = 0;
    for (uint32_t i = 0; i < st->home_count; i++) {
        const home *h = &st->homes[i];
        ASSERT(h->at <= h->end);
        ASSERT(!i || h[-1].end <= h->at);
        ASSERT(!i || h[-1].executor < h->executor);
        homed += h->end - h->at;
        for (uint32_t at = h->at; at < h->end; at++)
            ASSERT(task_word_state(st->tasks[st->order[at]]) == TASK_FRESH);
    }
    ASSERT(homed == st->homed);
    return homed;
}

static void places_check(const scheduler *s, const stage *st)
{
    uint32_t excluded = 0;
    for (size_t i = 0; i < st->place_count; i++) {
        ASSERT(st->places[i].executor < s->executor_count);
        excluded += st->places[i].excluded;
        for (size_t k = 0; k < i; k++)
            ASSERT(st->places[k].executor != st->places[i].executor);
    }
    ASSERT(excluded == st->excluded_places);
}

/* Each task of a running stage is in one place, and there once. */
static void stage_tasks_check(const scheduler *s, const stage *st)
{
    uint32_t counts[4] = { 0 }, copies = 0;
    for (uint32_t i = 0; i < st->spec->task_count; i++) {
        task_word w = st->tasks[i];
        uint32_t index = task_word_index(w);
        counts[task_word_state(w)]++;
        ASSERT((task_word_state(w) == TASK_FRESH) == (i >= st->fresh) || st->homes);
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
            ASSERT(!s->flights[index].loser);
            copies += twins_check(s, index);
            break;
        case TASK_DONE:
            ASSERT(index == INDEX_NONE || !st->troubles[index].first);
            copies += index != INDEX_NONE && loser_check(s, st, index);
            break;
        }
    }
    uint32_t waiting = queue_check(st, &st->retries) + queue_check(st, &st->watched) +
                       queue_check(st, &st->suspects);
    ASSERT(counts[TASK_FRESH] == st->spec->task_count - st->fresh + homes_check(st));
    ASSERT(counts[TASK_WAITING] == waiting);
    ASSERT(counts[TASK_FLYING] + copies == st->flying);
    ASSERT(copies == st->copies);
    ASSERT(counts[TASK_DONE] == st->done);
    ASSERT(st->done < st->spec->task_count);
}

static void stage_check(const scheduler *s, const stage *st)
{
    const job *j = st->job;
    ASSERT(id_table_find(&s->stages, st->spec->id) == st);
    places_check(s, st);
    ASSERT(st->state == STAGE_RUNNING || st->straggles_ns == CLOCK_NEVER);
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
        ASSERT(st->flying == st->copies);
    if (st->state != STAGE_RUNNING)
        ASSERT(st->homed == 0);
    if (st->state == STAGE_DONE)
        ASSERT(st->done == st->spec->task_count);
}

static void jobs_check(const scheduler *s)
{
    uint64_t flying = 0, waiting = 0, suspects = 0, homed = 0;
    uint32_t running = 0, exclusions = 0, straggling = 0;
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
            homed += st->runnable ? st->homed : 0;
            suspects += st->suspects.count;
            exclusions += st->excluded_places;
            straggling += st->straggles_ns != CLOCK_NEVER;
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
    ASSERT(homed == s->homed);
    ASSERT(suspects == s->suspects);
    ASSERT(exclusions == s->stage_exclusions);
    ASSERT(straggling == s->straggling);
}

static void pools_check(const scheduler *s)
{
    uint64_t flying = 0;
    for (const pool *p = s->pools; p; p = p->next) {
        uint64_t pool_flying = 0;
        uint32_t jobs = 0;
        for (const job *j = s->jobs_first; j; j = j->next) {
            jobs += j->pool == p;
            pool_flying += j->pool == p ? j->flying : 0;
        }
        ASSERT(jobs > 0);
        ASSERT(jobs == p->jobs);
        ASSERT(pool_flying == p->flying);
        flying += pool_flying;
    }
    ASSERT(flying == s->flying);
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
    uint32_t wanted = 0, before = INDEX_NONE;
    for (uint32_t at = s->wanted_first; at != INDEX_NONE; before = at, at = s->flights[at].wanted_next) {
        const flight *f = &s->flights[at];
        ASSERT(f->wanted);
        ASSERT(f->wanted_previous == before);
        ASSERT(!f->cancelled);
        ASSERT(f->stage->job->state == JOB_RUNNING);
        wanted++;
    }
    ASSERT(before == s->wanted_last);
    ASSERT(wanted == s->wanted);
}

static void executor_check(const scheduler *s, const executor *x)
{
    uint32_t flying = 0, cancelled = 0, alone = 0, previous = INDEX_NONE;
    for (uint32_t at = x->first; at != INDEX_NONE; previous = at, at = s->flights[at].next) {
        const flight *f = &s->flights[at];
        ASSERT(f->executor == executor_index(s, x));
        ASSERT(f->previous == previous);
        task_word w = f->stage->tasks[f->partition];
        if (f->loser)
            ASSERT(w == task_word_of(TASK_DONE, f->trouble));
        else if (f->twin == INDEX_NONE)
            ASSERT(w == task_word_of(TASK_FLYING, at));
        else
            ASSERT(w == task_word_of(TASK_FLYING, at) || w == task_word_of(TASK_FLYING, f->twin));
        ASSERT(f->cancelled == (f->loser || f->stage->job->state == JOB_ENDING));
        ASSERT(f->launched_ns <= s->now_ns);
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
    ASSERT(x->available == (x->up && !x->replacing && !x->excluded && !x->draining));
    ASSERT(x->startable == (x->added && !x->wanted && !x->draining && !x->excluded));
    ASSERT(!x->up || x->wanted);
    ASSERT(!x->draining || !x->wanted || x->flying || s->stopped);
    ASSERT((x->idle_since_ns == CLOCK_NEVER) == (!x->up || x->flying));
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
    uint32_t is_free = 0, draining = 0, startable = 0, started = 0;
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
        draining += x->draining;
        startable += x->startable;
        started += x->wanted;
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
    ASSERT(draining == s->draining);
    ASSERT(startable == s->startable);
    ASSERT(started == s->started);
    if (!s->stopped && s->conf.executors_max)
        ASSERT(started >= s->conf.executors_min || !startable);
    if (!s->stopped && !s->conf.executors_max)
        ASSERT(!startable);
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
    pools_check(s);
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
