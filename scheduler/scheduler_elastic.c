/* scheduler_elastic.c: which executors are started and released.
 *
 * An executor that was ADDED may be started. Without `executors_max` all of them are, at once. With
 * it, `executors_min` are; more when tasks have waited for `executors_backlog_ns`: one, and each
 * further time twice as many, but no more than there are tasks for. One that has had nothing to do
 * for `executors_idle_ns` is released, down to the minimum. (The rules are Spark's.) One that is
 * drained is released as soon as it has no tasks, whatever the minimum; another may take its place.
 *
 * `wanted` is what was asked for: an executor that was lost stays wanted, for its backend starts it
 * again, unless it said that it does not (gone). What comes up unwanted is released once more. One
 * that is excluded is of no use: it makes room for another.
 */
#include "scheduler_state.h"

#include <inttypes.h>

static bool is_elastic(const scheduler *s)
{
    return s->conf.executors_max > 0;
}

void executor_start(scheduler *s, executor *x)
{
    ASSERT(x->startable);
    x->wanted = true;
    x->gone = false;
    s->started++;
    s->counters.executors_started++;
    command_add(s, COMMAND_START)->executor = executor_index(s, x);
    executor_update(s, x);
    if (is_elastic(s)) /* others may be idle, and were the last before */
        deadline_add(s, s->now_ns + s->conf.executors_idle_ns);
}

void executor_release(scheduler *s, executor *x)
{
    ASSERT(!x->flying);
    command *c = command_add(s, COMMAND_RELEASE);
    c->executor = executor_index(s, x);
    c->incarnation = x->up ? x->incarnation : x->gone_below;
    s->counters.executors_released++;
    s->started -= x->wanted;
    x->wanted = false;
    if (x->up) {
        x->up = false;
        x->gone_below = x->incarnation + 1;
        s->slots -= x->slots;
        x->failures_row = x->losses_row = 0;
    }
    executor_update(s, x);
}

void elastic_up(scheduler *s, executor *x)
{
    x->gone = false;
    if (x->wanted)
        return;
    if (x->added) {
        executor_release(s, x);
    } else {
        x->wanted = true;
        s->started++;
        executor_update(s, x);
    }
}

void elastic_lost(scheduler *s, executor *x, bool gone)
{
    if (!gone || x->up)
        return;
    x->gone = true;
    s->started -= x->wanted;
    x->wanted = false;
    if (x->added && !x->excluded) /* and may be tried again then */
        executor_exclude(s, x, "it does not start any more");
    executor_update(s, x);
}

void executor_added(scheduler *s, const event *e)
{
    ASSERT(e->executor < EXECUTORS_MAX);
    executor *x = executor_known(s, e->executor);
    if (!x)
        return;
    x->added = true;
    s->draining -= x->draining;
    x->draining = false;
    executor_update(s, x);
}

void executor_drain(scheduler *s, const event *e)
{
    ASSERT(e->executor < EXECUTORS_MAX);
    executor *x = executor_known(s, e->executor);
    if (!x || x->draining)
        return;
    x->added = true;
    x->draining = true;
    s->draining++;
    if (x->flying)
        scheduler_note(s, "executor %" PRIu32 " is drained: it ends when its %" PRIu32
                       " tasks are done", e->executor, x->flying);
    executor_update(s, x);
}

/* -- What the rules say ------------------------------------------------------------------------ */

/* Up to `count` of those that may be started; how many were. */
static uint32_t start_some(scheduler *s, uint32_t count)
{
    uint32_t begun = 0;
    for (uint32_t i = 0; i < s->executor_count && begun < count; i++) {
        if (!s->executors[i].startable)
            continue;
        executor_start(s, &s->executors[i]);
        begun++;
    }
    return begun;
}

static void release_useless(scheduler *s)
{
    for (uint32_t i = 0; i < s->executor_count; i++) {
        executor *x = &s->executors[i];
        bool useless = x->draining || (x->excluded && x->added && is_elastic(s));
        if (useless && x->wanted && !x->flying)
            executor_release(s, x);
    }
}

/* How many more there is work for, were they there. */
static uint32_t lacking(const scheduler *s, uint64_t waiting)
{
    uint64_t slots = u64_max(s->slots_typical, 1), tasks = s->flying + waiting;
    uint64_t useful = u64_min((tasks + slots - 1) / slots, s->conf.executors_max);
    return useful > s->started ? (uint32_t)(useful - s->started) : 0;
}

static void grow(scheduler *s)
{
    uint64_t waiting = s->waiting + s->suspects + s->wanted;
    uint32_t more = waiting && s->startable ? lacking(s, waiting) : 0;
    if (s->started < s->conf.executors_min)
        start_some(s, s->conf.executors_min - s->started);
    else if (more && !s->started) /* nothing to wait for */
        start_some(s, 1);
    if (!more) {
        s->backlog_ns = CLOCK_NEVER;
        s->backlog_more = 1;
        return;
    }
    if (s->backlog_ns == CLOCK_NEVER) {
        s->backlog_ns = s->now_ns;
    } else if (s->now_ns - s->backlog_ns >= s->conf.executors_backlog_ns) {
        uint32_t count = (uint32_t)size_min(lacking(s, waiting), s->backlog_more);
        start_some(s, count);
        s->backlog_more = (uint32_t)size_min(s->backlog_more * 2, EXECUTORS_MAX);
        s->backlog_ns = s->now_ns;
    }
    deadline_add(s, s->backlog_ns + u64_max(s->conf.executors_backlog_ns, NS_PER_MS));
}

void elastic_decide(scheduler *s)
{
    if (s->stopped)
        return;
    if (s->draining || (s->excluded && is_elastic(s)))
        release_useless(s);
    if (is_elastic(s))
        grow(s);
    else if (s->startable)
        start_some(s, s->startable);
}

executors_snapshot scheduler_executors(const scheduler *s)
{
    executors_snapshot shot = { .slots = s->slots };
    for (size_t i = 0; i < s->executor_count; i++) {
        const executor *x = &s->executors[i];
        shot.up += x->up && !x->draining;
        shot.max += x->known && !x->draining;
    }
    if (is_elastic(s) && shot.max > s->conf.executors_max)
        shot.max = s->conf.executors_max;
    return shot;
}
