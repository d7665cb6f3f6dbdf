/* scheduler_copies.c: speculation: a second attempt for a task that takes much longer than others.
 *
 * Once the quantile of a stage's tasks is done, each accepted outcome sets anew how long is too long
 * (`straggles_ns`): a multiple of the median run time. Every 100 ms, or when one is due, all flights
 * are looked at, and those that take too long are put into the list of the wanted. A wanted one gets
 * its copy when another executor has a free slot that no other task takes. Time counts from the
 * launch, so what is stuck in a queue behind a straggler counts as one too.
 *
 * The two flights of a task are each other's twins; either may fail or be lost, and the task lives
 * on in the other one. When one succeeds the other is a loser: it is told to stop, and whatever it
 * answers is discarded.
 *
 * Run times are kept as a histogram with eight steps for each power of two: exact to 9 %.
 */
#include "scheduler_state.h"

enum { STEPS = 8, BUCKETS = 62 * STEPS };
static const uint64_t CHECK_NS = 100 * NS_PER_MS;

static uint32_t bucket_of(uint64_t ns)
{
    if (ns < STEPS)
        return (uint32_t)ns;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(ns);
    return (power - 2) * STEPS + (uint32_t)(ns >> (power - 3) & (STEPS - 1));
}

/* The middle of a bucket. */
static uint64_t bucket_ns(uint32_t bucket)
{
    if (bucket < STEPS)
        return bucket;
    uint32_t shift = bucket / STEPS - 1;
    return ((uint64_t)(STEPS + bucket % STEPS) << shift) + ((uint64_t)1 << shift) / 2;
}

static uint64_t median_ns(const stage *st)
{
    uint32_t left = st->done / 2 + 1, bucket = 0;
    while (bucket < BUCKETS - 1 && st->run_times[bucket] < left)
        left -= st->run_times[bucket++];
    return bucket_ns(bucket);
}

static bool may_run_twice(const scheduler *s, const stage *st)
{
    return !st->once || s->conf.speculation_side_effects;
}

void copies_begin(scheduler *s, stage *st)
{
    st->straggles_ns = CLOCK_NEVER;
    if (s->conf.speculation && st->spec->task_count > 1 && may_run_twice(s, st))
        st->run_times = calloc(BUCKETS, sizeof *st->run_times); /* without memory: no copies */
}

void copies_measure(scheduler *s, stage *st, uint64_t run_ns)
{
    st->run_times[bucket_of(run_ns)]++;
    uint64_t quantile = (uint64_t)s->conf.speculation_quantile * st->spec->task_count;
    if ((uint64_t)st->done * 1000 < quantile || !may_run_twice(s, st))
        return;
    s->straggling += st->straggles_ns == CLOCK_NEVER;
    st->straggles_ns = u64_max(median_ns(st) * s->conf.speculation_multiplier / 1000,
                               s->conf.speculation_min_ns);
    if (s->copies_check_ns != CLOCK_NEVER)
        return;
    s->copies_check_ns = s->now_ns + 1; /* not in this step: its outcomes may tell of side effects */
    deadline_add(s, s->copies_check_ns);
}

void copies_end(scheduler *s, stage *st)
{
    s->straggling -= st->straggles_ns != CLOCK_NEVER;
    st->straggles_ns = CLOCK_NEVER;
    free(st->run_times);
    st->run_times = NULL;
}

void scheduler_side_effects(scheduler *s, uint32_t stage_id)
{
    stage *st = id_table_find(&s->stages, stage_id);
    if (!st || st->once)
        return;
    st->once = true;
    if (s->conf.speculation_side_effects || !st->run_times)
        return;
    copies_end(s, st);
    for (uint32_t at = s->wanted_first, next; at != INDEX_NONE; at = next) {
        next = s->flights[at].wanted_next;
        if (s->flights[at].stage == st)
            copies_unwant(s, &s->flights[at]);
    }
}

/* -- Who gets one ------------------------------------------------------------------------------ */

static void want(scheduler *s, uint32_t index)
{
    flight *f = &s->flights[index];
    f->wanted = true;
    f->wanted_previous = s->wanted_last;
    f->wanted_next = INDEX_NONE;
    *(s->wanted_last == INDEX_NONE ? &s->wanted_first
                                   : &s->flights[s->wanted_last].wanted_next) = index;
    s->wanted_last = index;
    s->wanted++;
}

void copies_unwant(scheduler *s, flight *f)
{
    if (!f->wanted)
        return;
    f->wanted = false;
    *(f->wanted_previous == INDEX_NONE ? &s->wanted_first
                                       : &s->flights[f->wanted_previous].wanted_next) =
        f->wanted_next;
    *(f->wanted_next == INDEX_NONE ? &s->wanted_last
                                   : &s->flights[f->wanted_next].wanted_previous) =
        f->wanted_previous;
    s->wanted--;
}

void copies_tick(scheduler *s)
{
    if (s->copies_check_ns > s->now_ns) {
        deadline_add(s, s->copies_check_ns);
        return;
    }
    s->copies_check_ns = CLOCK_NEVER;
    if (!s->straggling)
        return;
    uint64_t next_ns = s->now_ns + CHECK_NS;
    for (uint32_t i = 0; i < s->flight_count; i++) {
        const flight *f = &s->flights[i];
        if (!f->stage || f->stage->straggles_ns == CLOCK_NEVER || f->twin != INDEX_NONE ||
            f->alone || f->cancelled || f->wanted)
            continue;
        uint64_t due_ns = f->launched_ns + f->stage->straggles_ns;
        if (due_ns <= s->now_ns)
            want(s, i);
        else
            next_ns = u64_min(next_ns, due_ns);
    }
    s->copies_check_ns = next_ns;
    deadline_add(s, next_ns);
}

/* One with a free slot, of the first few. */
static executor *copy_place(scheduler *s, const flight *f)
{
    uint32_t at = s->free_first;
    for (int looked = 0; at != INDEX_NONE && looked < LOOK_AHEAD; looked++) {
        executor *x = &s->executors[at];
        if (at != f->executor && !stage_excludes(f->stage, at) &&
            (f->trouble == INDEX_NONE ||
             trouble_fits(s, f->stage, &f->stage->troubles[f->trouble], x)))
            return x;
        at = x->free_next;
    }
    return NULL;
}

/* False when its job failed for want of memory. */
static bool copy_launch(scheduler *s, uint32_t index, executor *x)
{
    flight *f = &s->flights[index];
    stage *st = f->stage;
    uint32_t trouble_index;
    if (!launch_reserve(s, st, 1) || !trouble_of(s, f, &trouble_index))
        return false;
    f = &s->flights[index]; /* launch_reserve() may have moved it */
    copies_unwant(s, f);
    f->trouble = trouble_index;
    flight *copy = flight_begin(s, x, st, f->partition, trouble_index);
    copy->twin = index;
    copy->is_copy = true;
    f->twin = (uint32_t)(copy - s->flights);
    st->tasks[f->partition] = task_word_of(TASK_FLYING, index);
    st->copies++;
    s->counters.copies++;
    flights_began(s, x, st, 1);
    launch_say(s, x, 1);
    return true;
}

void copies_assign(scheduler *s)
{
    for (uint32_t at = s->wanted_first, next; at != INDEX_NONE && s->free_count; at = next) {
        next = s->flights[at].wanted_next;
        executor *x = copy_place(s, &s->flights[at]);
        if (x && !copy_launch(s, at, x))
            return;
    }
}

void copies_cancel_loser(scheduler *s, uint32_t index)
{
    flight *f = &s->flights[index];
    f->twin = INDEX_NONE;
    f->loser = true;
    f->stage->troubles[f->trouble].loser = index;
    f->stage->copies++;
    copies_unwant(s, f);
    if (f->cancelled)
        return;
    executor *x = &s->executors[f->executor];
    f->cancelled = true;
    executor_cancelled(s, x);
    command *c = command_add(s, COMMAND_CANCEL_TASK);
    c->job_id = f->stage->job->spec->job_id;
    c->executor = f->executor;
    c->incarnation = x->incarnation;
    c->stage = f->stage->spec->id;
    c->task = (task_id){ c->stage, f->partition, f->attempt };
}
