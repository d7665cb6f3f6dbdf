/* scheduler_pool.c: pools of jobs, and whose turn it is when the scheduler is fair.
 *
 * The rule is Spark's: a pool that has fewer tasks in flight than its minimum comes before those
 * that have theirs; else the one with the fewest for its weight. In a pool the job that has fewest
 * comes first, then the older one. A pool is there while it has jobs.
 */
#include "scheduler_state.h"

#include <stdio.h>

/* Finds "NAME=weight" or "NAME=weight:min" among the words of the setting. */
static void pool_configure(pool *p, const char *setting)
{
    size_t size = strlen(p->name);
    for (const char *at = setting ? setting : ""; *at;) {
        at += strspn(at, " ,");
        size_t word = strcspn(at, " ,");
        if (word > size && at[size] == '=' && !memcmp(at, p->name, size)) {
            char *end;
            unsigned long weight = strtoul(at + size + 1, &end, 10);
            p->weight = (uint32_t)size_min(size_max(weight, 1), 1000000);
            if (*end == ':')
                p->share_min = (uint32_t)size_min(strtoul(end + 1, NULL, 10), 1000000);
        }
        at += word;
    }
}

bool scheduler_pools_parse(const char *setting)
{
    for (const char *at = setting; *(at += strspn(at, " ,"));) {
        size_t name = strcspn(at, "= ,"), digits;
        if (!name || name >= POOL_NAME_SIZE || at[name] != '=')
            return false;
        at += name + 1;
        digits = strspn(at, "0123456789");
        if (!digits || digits > 6 || strtoul(at, NULL, 10) == 0)
            return false;
        at += digits;
        if (*at == ':') {
            digits = strspn(++at, "0123456789");
            if (!digits || digits > 6)
                return false;
            at += digits;
        }
        if (*at && *at != ' ' && *at != ',')
            return false;
    }
    return true;
}

pool *pool_join(scheduler *s, const char *name)
{
    if (!name || !*name)
        name = "default";
    pool *p = s->pools;
    while (p && strncmp(p->name, name, POOL_NAME_SIZE - 1) != 0)
        p = p->next;
    if (!p) {
        if (!(p = calloc(1, sizeof *p)))
            return NULL;
        snprintf(p->name, sizeof p->name, "%s", name);
        p->weight = 1;
        pool_configure(p, s->conf.pools);
        p->next = s->pools;
        s->pools = p;
    }
    p->jobs++;
    return p;
}

void pool_leave(scheduler *s, pool *p)
{
    if (--p->jobs)
        return;
    ASSERT(p->flying == 0);
    pool **at = &s->pools;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    free(p);
}

/* < 0: a comes first. */
static int pools_compare(const pool *a, const pool *b)
{
    bool a_needs = a->flying < a->share_min, b_needs = b->flying < b->share_min;
    if (a_needs != b_needs)
        return a_needs ? -1 : 1;
    uint64_t x = a->flying * (a_needs ? b->share_min : b->weight);
    uint64_t y = b->flying * (a_needs ? a->share_min : a->weight);
    return x < y ? -1 : x > y;
}

/* a stands behind b in the list, so that it is younger. */
static bool is_fairer(const stage *a, const stage *b)
{
    int pools = a->job->pool == b->job->pool ? 0 : pools_compare(a->job->pool, b->job->pool);
    return pools ? pools < 0 : a->job->flying < b->job->flying;
}

stage *pool_turn(const scheduler *s)
{
    stage *best = NULL;
    for (stage *st = s->runnable_first; st; st = st->runnable_next)
        if (st->passed != s->round && (!best || is_fairer(st, best)))
            best = st;
    return best;
}
