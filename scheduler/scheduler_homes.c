/* scheduler_homes.c: tasks that like to run on one executor (delay scheduling).
 *
 * When such a stage begins, its partitions are sorted by the executor that they prefer; those of one
 * executor are a home, a range that is taken from its front, by whomever. Others may take from a
 * home when its executor is not there for this stage, or has taken nothing from it for
 * `locality_wait_ns`; once it takes something, they wait anew. One that starts by itself and was not
 * heard of yet counts as there: a cluster's first job begins before its nodes are up. What runs again
 * prefers nobody.
 *
 * Homes are sorted by executor, that of the tasks without a preference (EXECUTOR_ANY) is the last.
 */
#include "scheduler_state.h"

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static uint64_t *sorted_keys(const stage_spec *spec, uint32_t *ret_homes)
{
    uint64_t *keys = malloc(spec->task_count * sizeof *keys);
    if (!keys)
        return NULL;
    for (uint32_t i = 0; i < spec->task_count; i++) {
        uint32_t x = spec->preferred(spec->preferred_arg, i);
        keys[i] = (uint64_t)(x < EXECUTORS_MAX ? x : EXECUTOR_ANY) << 32 | i;
    }
    qsort(keys, spec->task_count, sizeof *keys, compare);
    *ret_homes = 1;
    for (uint32_t i = 1; i < spec->task_count; i++)
        *ret_homes += keys[i] >> 32 != keys[i - 1] >> 32;
    return keys;
}

int homes_begin(scheduler *s, stage *st)
{
    const stage_spec *spec = st->spec;
    uint32_t homes;
    CLEANUP(freep) uint64_t *keys = sorted_keys(spec, &homes);
    if (!keys)
        return RDD_E_MEMORY;
    if (homes == 1 && keys[0] >> 32 == EXECUTOR_ANY)
        return 0;
    st->order = malloc(spec->task_count * sizeof *st->order);
    st->homes = malloc(homes * sizeof *st->homes);
    if (!st->order || !st->homes) {
        homes_release(st);
        return RDD_E_MEMORY;
    }
    for (uint32_t i = 0; i < spec->task_count; i++) {
        uint32_t x = (uint32_t)(keys[i] >> 32);
        st->order[i] = (uint32_t)keys[i];
        if (!i || st->homes[st->home_count - 1].executor != x)
            st->homes[st->home_count++] = (home){ .executor = x, .at = i, .since_ns = s->now_ns };
        st->homes[st->home_count - 1].end = i + 1;
    }
    st->fresh = st->homed = spec->task_count;
    return 0;
}

void homes_release(stage *st)
{
    free(st->order);
    free(st->homes);
    st->order = NULL;
    st->homes = NULL;
    st->home_count = st->homed = 0;
}

/* The home of x, or where it would be. */
static home *home_find(const stage *st, uint32_t executor_index)
{
    uint32_t low = 0, high = st->home_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (st->homes[middle].executor < executor_index)
            low = middle + 1;
        else
            high = middle;
    }
    return st->homes + low;
}

static bool may_come(const scheduler *s, uint32_t x)
{
    return x < s->conf.executors_expected && (x >= s->executor_count || !s->executors[x].known);
}

/* Until when only its executor may have its tasks; 0: anybody may. */
static uint64_t home_closed_until_ns(const scheduler *s, const stage *st, const home *h)
{
    bool there = h->executor < s->executor_count && s->executors[h->executor].available &&
                 !stage_excludes(st, h->executor);
    if (!there && !may_come(s, h->executor))
        return 0;
    uint64_t until_ns = h->since_ns + s->conf.locality_wait_ns;
    return s->now_ns < until_ns ? until_ns : 0;
}

static bool home_fits(const scheduler *s, const stage *st, const home *h, const executor *x)
{
    return h->at < h->end &&
           (h->executor == executor_index(s, x) || !home_closed_until_ns(s, st, h));
}

bool homes_fit(const scheduler *s, const stage *st, const executor *x)
{
    for (uint32_t i = 0; i < st->home_count; i++)
        if (home_fits(s, st, &st->homes[i], x))
            return true;
    return false;
}

static uint32_t home_launch(scheduler *s, stage *st, home *h, executor *x, uint32_t max)
{
    uint32_t count = (uint32_t)size_min(max, h->end - h->at);
    for (uint32_t i = 0; i < count; i++)
        flight_begin(s, x, st, st->order[h->at++], INDEX_NONE);
    if (count && h->executor == executor_index(s, x)) {
        h->since_ns = s->now_ns;
        s->counters.local += count;
    }
    st->homed -= count;
    s->homed -= count;
    return count;
}

/* Its own first, then those that prefer nobody, then those of others. */
uint32_t homes_launch(scheduler *s, stage *st, executor *x, uint32_t max)
{
    uint32_t count = 0;
    home *own = home_find(st, executor_index(s, x)), *end = st->homes + st->home_count;
    if (own < end && own->executor == executor_index(s, x))
        count = home_launch(s, st, own, x, max);
    if (end[-1].executor == EXECUTOR_ANY)
        count += home_launch(s, st, &end[-1], x, max - count);
    for (home *h = st->homes; h < end && count < max; h++)
        if (home_fits(s, st, h, x))
            count += home_launch(s, st, h, x, max - count);
    return count;
}

void homes_deadline(scheduler *s, const stage *st)
{
    for (uint32_t i = 0; i < st->home_count; i++) {
        const home *h = &st->homes[i];
        uint64_t until_ns = h->at < h->end ? home_closed_until_ns(s, st, h) : 0;
        if (until_ns)
            deadline_add(s, until_ns);
    }
}
