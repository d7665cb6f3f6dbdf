/* scheduler_suspects.c: tasks that may take their process down run on an executor of their own.
 *
 * Called when a step hands out tasks. Half of the executors at most are kept for suspects. A
 * reserved one takes no other tasks, and gets its suspect when it has finished those it has.
 */
#include "scheduler_state.h"

void suspects_add(scheduler *s, stage *st, uint32_t trouble_index)
{
    queue_push(st, &st->suspects, trouble_index);
    s->suspects++;
    if (st->suspects.count > 1)
        return;
    st->suspects_previous = s->suspects_last;
    st->suspects_next = NULL;
    *(s->suspects_last ? &s->suspects_last->suspects_next : &s->suspects_first) = st;
    s->suspects_last = st;
}

static void suspects_unlink(scheduler *s, stage *st)
{
    *(st->suspects_previous ? &st->suspects_previous->suspects_next : &s->suspects_first) =
        st->suspects_next;
    *(st->suspects_next ? &st->suspects_next->suspects_previous : &s->suspects_last) =
        st->suspects_previous;
}

void suspects_withdraw(scheduler *s, stage *st)
{
    if (!st->suspects.count)
        return;
    suspects_unlink(s, st);
    s->suspects -= st->suspects.count;
    st->suspects.count = 0;
    for (uint32_t i = 0; i < s->executor_count && s->reserved - s->alone > s->suspects; i++)
        if (s->executors[i].reserved && !s->executors[i].alone)
            executor_unreserve(s, &s->executors[i]);
}

/* The emptiest one that may have a task of this stage, rather not where the oldest suspect failed. */
static executor *stage_choose(scheduler *s, const stage *st)
{
    const trouble *oldest = &st->troubles[st->suspects.first];
    executor *best = NULL;
    for (uint32_t i = 0; i < s->executor_count; i++) {
        executor *x = &s->executors[i];
        if (!x->usable || x->reserved || stage_excludes(st, i))
            continue;
        bool fits = trouble_fits(s, st, oldest, x);
        bool best_fits = best && trouble_fits(s, st, oldest, best);
        if (!best || fits > best_fits || (fits == best_fits && x->flying < best->flying))
            best = x;
    }
    return best;
}

static executor *suspects_choose(scheduler *s)
{
    executor *x = NULL;
    for (const stage *st = s->suspects_first; st && !x; st = st->suspects_next)
        x = stage_choose(s, st);
    return x;
}

/* The first stage whose suspects x may have. */
static stage *suspects_for(const scheduler *s, const executor *x)
{
    stage *st = s->suspects_first;
    while (st && stage_excludes(st, executor_index(s, x)))
        st = st->suspects_next;
    return st;
}

/* x is reserved and empty, and may have some: the oldest suspect that fits, or else the oldest. */
static void suspect_launch(scheduler *s, executor *x)
{
    stage *st = suspects_for(s, x);
    if (!launch_reserve(s, st, 1))
        return;
    uint32_t previous, at = queue_find(s, st, &st->suspects, x, &previous);
    if (at == INDEX_NONE) {
        previous = INDEX_NONE;
        at = st->suspects.first;
    }
    queue_remove(st, &st->suspects, previous, at);
    s->suspects--;
    if (!st->suspects.count)
        suspects_unlink(s, st);
    x->alone = true;
    s->alone++;
    s->counters.alone++;
    flight_begin(s, x, st, st->troubles[at].partition, at)->alone = true;
    flights_began(s, x, st, 1);
    command *c = command_add(s, COMMAND_LAUNCH);
    c->executor = executor_index(s, x);
    c->incarnation = x->incarnation;
    c->count = 1;
    executor_update(s, x);
}

/* Those that were excluded meanwhile are like any other again. */
static void unreserve_useless(scheduler *s)
{
    for (uint32_t i = 0; i < s->executor_count && s->reserved > s->alone; i++) {
        executor *x = &s->executors[i];
        if (x->reserved && !x->alone && !suspects_for(s, x))
            executor_unreserve(s, x);
    }
}

void suspects_assign(scheduler *s, executor *told)
{
    unreserve_useless(s);
    if (told && told->reserved && !told->alone && !told->flying)
        suspect_launch(s, told);
    while (s->suspects > s->reserved - s->alone && s->reserved < (s->usable + 1) / 2) {
        executor *x = suspects_choose(s);
        if (!x)
            break;
        executor_reserve(s, x);
        if (!x->flying)
            suspect_launch(s, x);
    }
}
