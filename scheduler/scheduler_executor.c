/* scheduler_executor.c: executors as they come and go, and which of them get tasks.
 *
 * An executor is known from its first EXECUTOR_UP on. It is `available` while it is up and not
 * excluded, `usable` when it is not closed for a moment either. A closed one finishes what it has.
 *
 *   backed off   several failures in a row: closed for a while, which doubles with each further
 *                one. Never the last usable executor: that would help nobody.
 *   excluded     lost several times in a row without finishing a task, or excluded from several
 *                stages (scheduler_exclude.c): closed for long. Then it gets one more chance.
 *   draining     is to go: finishes what it has (scheduler_elastic.c).
 */
#include "scheduler_state.h"

#include <inttypes.h>
#include <stdio.h>

static void executor_lost_often(scheduler *s, executor *x);
static void executor_open(scheduler *s, executor *x);

enum { TROUBLE_MAX = 200 };

executor *executor_find(scheduler *s, uint32_t index, uint32_t incarnation)
{
    if (index >= s->executor_count)
        return NULL;
    executor *x = &s->executors[index];
    return x->up && x->incarnation == incarnation ? x : NULL;
}

void executor_up(scheduler *s, const event *e)
{
    ASSERT(e->executor < EXECUTORS_MAX);
    ASSERT(e->slots > 0);
    executor *x = executor_known(s, e->executor);
    if (!x || e->incarnation < x->gone_below)
        return;
    if (x->up) {
        if (e->incarnation <= x->incarnation)
            return;
        event lost = { .kind = EVENT_EXECUTOR_LOST, .executor = e->executor,
                       .incarnation = x->incarnation };
        error_set(&lost.error, RDD_E_LOST, "it was started anew");
        executor_lost(s, &lost);
    }
    x->incarnation = e->incarnation;
    x->slots = e->slots;
    x->up = true;
    x->failures_row = 0;
    s->slots += x->slots;
    s->came_up = true;
    s->slots_typical = x->slots;
    executor_update(s, x);
    elastic_up(s, x);
}

void executor_lost(scheduler *s, const event *e)
{
    ASSERT(e->executor < EXECUTORS_MAX);
    executor *known = executor_known(s, e->executor);
    if (!known || e->incarnation < known->gone_below)
        return;
    known->gone_below = e->incarnation + 1;
    executor_trouble(known, &e->error);
    executor *x = executor_find(s, e->executor, e->incarnation);
    if (!x) { /* it never came up */
        elastic_lost(s, known, e->gone);
        return;
    }
    uint32_t had = x->flying;
    bool blames_another = x->alone || x->replacing; /* a lone task, or it was our doing */
    s->last_loss = e->error;
    s->counters.executors_lost++;
    s->slots -= x->slots;
    x->up = false;
    if (!blames_another && ++x->losses_row >= s->conf.executor_losses_max)
        executor_lost_often(s, x);
    else if (x->closed_until_ns && !x->excluded)
        executor_open(s, x); /* the new one has not failed yet */
    executor_update(s, x);
    for (uint32_t position = 0; x->first != INDEX_NONE; position++)
        flight_lost(s, x->first, position, &e->error);
    ASSERT(x->flying == 0);
    x->replacing = false;
    scheduler_note(s, "executor %" PRIu32 " was lost with %" PRIu32 " tasks: %s", e->executor, had,
                   e->error.message);
    elastic_lost(s, x, e->gone);
}

/* What jobs are told that wait for executors in vain. A loss says more. */
void executor_waits(scheduler *s, const event *e)
{
    ASSERT(e->executor < EXECUTORS_MAX);
    executor *x = executor_known(s, e->executor);
    if (x && !x->up && !x->trouble)
        executor_trouble(x, &e->error);
}

void executor_succeeded(executor *x)
{
    x->failures_row = 0;
    x->losses_row = 0;
}

void executor_failed(scheduler *s, executor *x)
{
    x->failures_row++;
    x->losses_row = 0;
    uint32_t least = s->conf.backoff_failures;
    if (!least || x->failures_row < least || !x->up || s->usable - x->usable == 0)
        return;
    uint64_t wait_ns = s->conf.backoff_ns;
    for (uint32_t i = least; i < x->failures_row && wait_ns < s->conf.backoff_max_ns; i++)
        wait_ns *= 2;
    wait_ns = u64_min(wait_ns, s->conf.backoff_max_ns);
    if (x->usable) {
        char text[32];
        scheduler_note(s, "executor %" PRIu32 " gets no task for %s, after %" PRIu32
                       " failures in a row",
                       executor_index(s, x), duration_text(wait_ns, text), x->failures_row);
    }
    x->closed_until_ns = s->now_ns + wait_ns;
    deadline_add(s, x->closed_until_ns);
    executor_update(s, x);
}

void executor_cancelled(scheduler *s, executor *x)
{
    x->cancelled++;
    if (!s->conf.cancel_wait_ns || x->cancel_deadline_ns != CLOCK_NEVER)
        return;
    x->cancel_deadline_ns = s->now_ns + s->conf.cancel_wait_ns;
    deadline_add(s, x->cancel_deadline_ns);
}

void executor_reserve(scheduler *s, executor *x)
{
    ASSERT(x->usable);
    ASSERT(!x->reserved);
    x->reserved = true;
    s->reserved++;
    executor_update(s, x);
}

void executor_unreserve(scheduler *s, executor *x)
{
    ASSERT(x->reserved);
    x->reserved = false;
    s->reserved--;
    executor_update(s, x);
}

static void free_list_add(scheduler *s, executor *x)
{
    uint32_t index = executor_index(s, x);
    x->free_previous = s->free_last;
    x->free_next = INDEX_NONE;
    *(s->free_last == INDEX_NONE ? &s->free_first : &s->executors[s->free_last].free_next) = index;
    s->free_last = index;
    s->free_count++;
}

static void free_list_remove(scheduler *s, executor *x)
{
    *(x->free_previous == INDEX_NONE ? &s->free_first
                                     : &s->executors[x->free_previous].free_next) = x->free_next;
    *(x->free_next == INDEX_NONE ? &s->free_last
                                 : &s->executors[x->free_next].free_previous) = x->free_previous;
    s->free_count--;
}

void executor_last(scheduler *s, executor *x)
{
    free_list_remove(s, x);
    free_list_add(s, x);
}

void executor_update(scheduler *s, executor *x)
{
    bool available = x->up && !x->replacing && !x->excluded && !x->draining;
    bool usable = available && !x->closed_until_ns;
    s->available += (uint32_t)available - (uint32_t)x->available;
    s->usable += (uint32_t)usable - (uint32_t)x->usable;
    x->available = available;
    x->usable = usable;
    if (x->reserved && !x->alone && !usable) {
        x->reserved = false;
        s->reserved--;
    }
    bool is_free = usable && !x->reserved && x->flying < x->slots;
    if (is_free && !x->is_free)
        free_list_add(s, x);
    else if (!is_free && x->is_free)
        free_list_remove(s, x);
    x->is_free = is_free;
    bool startable = x->added && !x->wanted && !x->draining && !x->excluded;
    s->startable += (uint32_t)startable - (uint32_t)x->startable;
    x->startable = startable;
    if (!x->up || x->flying) {
        x->idle_since_ns = CLOCK_NEVER;
    } else if (x->idle_since_ns == CLOCK_NEVER) {
        x->idle_since_ns = s->now_ns;
        if (s->conf.executors_max)
            deadline_add(s, s->now_ns + s->conf.executors_idle_ns);
    }
}

/* It has had nothing to do for long, and there are others. */
static bool executor_is_spare(const scheduler *s, const executor *x)
{
    return s->conf.executors_max && s->started > s->conf.executors_min && x->added && x->wanted &&
           x->up && !x->reserved && x->idle_since_ns != CLOCK_NEVER;
}

void executors_tick(scheduler *s)
{
    for (uint32_t i = 0; i < s->executor_count; i++) {
        executor *x = &s->executors[i];
        if (x->closed_until_ns && x->closed_until_ns <= s->now_ns)
            executor_open(s, x);
        if (x->closed_until_ns)
            deadline_add(s, x->closed_until_ns);
        if (x->cancel_deadline_ns <= s->now_ns) {
            x->cancel_deadline_ns = CLOCK_NEVER;
            x->replacing = true;
            executor_update(s, x);
            s->counters.executors_replaced++;
            command *c = command_add(s, COMMAND_REPLACE);
            c->executor = i;
            c->incarnation = x->incarnation;
        }
        deadline_add(s, x->cancel_deadline_ns);
        if (!executor_is_spare(s, x))
            continue;
        if (s->now_ns - x->idle_since_ns >= s->conf.executors_idle_ns)
            executor_release(s, x);
        else
            deadline_add(s, x->idle_since_ns + s->conf.executors_idle_ns);
    }
}

/* -- Helpers ----------------------------------------------------------------------------------- */

executor *executor_known(scheduler *s, uint32_t index)
{
    if (index >= s->executor_capacity) {
        executor *grown = array_grow(s->executors, index, &s->executor_capacity, 1, sizeof *grown);
        if (!grown) {
            s->no_memory = true;
            return NULL;
        }
        s->executors = grown;
    }
    for (; s->executor_count <= index; s->executor_count++)
        s->executors[s->executor_count] = (executor){
            .first = INDEX_NONE, .last = INDEX_NONE, .cancel_deadline_ns = CLOCK_NEVER,
            .idle_since_ns = CLOCK_NEVER,
        };
    executor *x = &s->executors[index];
    s->known += !x->known;
    x->known = true;
    return x;
}

void executor_exclude(scheduler *s, executor *x, const char *why)
{
    if (!x->excluded) {
        char text[32];
        x->excluded = true;
        s->excluded++;
        scheduler_note(s, "executor %" PRIu32 " gets no task for %s: %s", executor_index(s, x),
                       duration_text(s->conf.exclude_ns, text), why);
    }
    x->closed_until_ns = s->now_ns + s->conf.exclude_ns;
    deadline_add(s, x->closed_until_ns);
}

static void executor_lost_often(scheduler *s, executor *x)
{
    char why[96];
    snprintf(why, sizeof why, "it was lost %" PRIu32 " times in a row without finishing one",
             x->losses_row);
    executor_exclude(s, x, why);
}

void executor_trouble(executor *x, const rdd_error *cause)
{
    char *text = strndup(cause->message, TROUBLE_MAX);
    if (!text)
        return;
    free(x->trouble);
    x->trouble = text;
}

/* One that was excluded is so again at its next loss, unless it finishes a task before. */
static void executor_open(scheduler *s, executor *x)
{
    if (x->excluded) {
        x->excluded = false;
        s->excluded--;
        if (x->losses_row >= s->conf.executor_losses_max)
            x->losses_row = s->conf.executor_losses_max - 1;
        if (x->stages_excluded >= s->conf.exclude_stages && x->stages_excluded) {
            x->stages_excluded--;
            x->stage_excluded_ns = s->now_ns;
        }
    }
    x->closed_until_ns = 0;
    executor_update(s, x);
}
