#include "rate_leases.h"

#include <string.h>

/* The same figures as a process's own limiter has (executor/rate.c); a moment may be used some time
 * late there, which comes off what may be early here. */
enum { BURST_NS = 100000000, LATE_NS = 50000000 };

/* What one asker gets in a row while others wait: short against what is granted ahead. */
#define TURN_NS (5 * NS_PER_MS)

typedef struct asker {
    lease_asker id;
    uint64_t wanted, granted;
} asker;

typedef struct rate {
    struct rate *next;
    uint64_t interval_ns, tolerance_ns;
    uint64_t next_ns;   /* the moment from which the next call counts, as in rate.c */
    asker *askers;
    size_t count, capacity;
    size_t turn;        /* whose it is next */
    uint64_t wanting;   /* calls that are wanted and not granted, of all */
    size_t key_size;
    char key[];
} rate;

struct rate_leases {
    rate *rates;
    size_t count;
};

rate_leases *rate_leases_new(void)
{
    return calloc(1, sizeof(rate_leases));
}

void *rate_leases_free(rate_leases *l)
{
    if (!l)
        return NULL;
    for (rate *r = l->rates, *next; r; r = next) {
        next = r->next;
        free(r->askers);
        free(r);
    }
    free(l);
    return NULL;
}

static rate *find_rate(rate_leases *l, rdd_str key, uint64_t interval_ns)
{
    for (rate *r = l->rates; r; r = r->next)
        if (r->key_size == key.size && !memcmp(r->key, key.data, key.size))
            return r;
    rate *r = l->count < LEASE_RATES_MAX ? calloc(1, sizeof *r + key.size) : NULL;
    if (!r)
        return NULL;
    memcpy(r->key, key.data, key.size);
    r->key_size = key.size;
    r->interval_ns = interval_ns;
    uint64_t burst = u64_max(1, (BURST_NS - LATE_NS) / interval_ns);
    r->tolerance_ns = (burst - 1) * interval_ns;
    r->next = l->rates;
    l->rates = r;
    l->count++;
    return r;
}

static bool is_asker(const lease_asker *a, const lease_asker *b)
{
    return a->executor == b->executor && a->incarnation == b->incarnation &&
           a->worker == b->worker;
}

static asker *find_asker(rate *r, const lease_asker *who)
{
    for (size_t i = 0; i < r->count; i++)
        if (is_asker(&r->askers[i].id, who))
            return &r->askers[i];
    if (r->count == r->capacity) {
        size_t capacity = r->capacity ? r->capacity * 2 : 8;
        asker *grown = capacity > LEASE_ASKERS_MAX ? NULL
                                                   : realloc(r->askers, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        r->askers = grown;
        r->capacity = capacity;
    }
    r->askers[r->count] = (asker){ .id = *who };
    return &r->askers[r->count++];
}

static uint64_t wants(const asker *a)
{
    return a->wanted > a->granted ? a->wanted - a->granted : 0;
}

bool rate_leases_ask(rate_leases *l, const lease_asker *who, rdd_str key, uint64_t interval_ns,
                     uint64_t wanted)
{
    rate *r = find_rate(l, key, interval_ns);
    asker *a = r ? find_asker(r, who) : NULL;
    if (!a)
        return false;
    r->wanting -= wants(a);
    a->wanted = wanted;
    if (wants(a) > UINT32_MAX) /* no process has that many calls: it is not believed */
        a->wanted = a->granted + UINT32_MAX;
    r->wanting += wants(a);
    return true;
}

static bool is_gone(const lease_asker *a, const lease_asker *who)
{
    if (who->worker)
        return is_asker(a, who);
    return a->executor == who->executor && a->incarnation <= who->incarnation;
}

void rate_leases_gone(rate_leases *l, const lease_asker *who)
{
    for (rate *r = l->rates; r; r = r->next) {
        size_t kept = 0, turn = 0;
        for (size_t i = 0; i < r->count; i++) {
            if (i == r->turn)
                turn = kept;
            if (is_gone(&r->askers[i].id, who))
                r->wanting -= wants(&r->askers[i]);
            else
                r->askers[kept++] = r->askers[i];
        }
        r->count = kept;
        r->turn = turn < kept ? turn : 0;
    }
}

/* -- Granting ---------------------------------------------------------------------------------- */

/* When the next call may be made: from then on, or now if that is past. */
static uint64_t moment_of(const rate *r, uint64_t now_ns)
{
    uint64_t from = u64_max(r->next_ns, now_ns);
    return from > now_ns + r->tolerance_ns ? from - r->tolerance_ns : now_ns;
}

static bool is_due(const rate *r, uint64_t now_ns)
{
    return r->wanting && moment_of(r, now_ns) <= now_ns + LEASE_AHEAD_NS;
}

static uint64_t take_moment(rate *r, uint64_t now_ns)
{
    uint64_t moment = moment_of(r, now_ns);
    r->next_ns = u64_max(r->next_ns, now_ns) + r->interval_ns;
    r->wanting--;
    return moment;
}

static asker *next_in_turn(rate *r)
{
    while (!wants(&r->askers[r->turn % r->count]))
        r->turn = (r->turn + 1) % r->count;
    asker *a = &r->askers[r->turn];
    r->turn = (r->turn + 1) % r->count;
    return a;
}

/* How many askers want something. */
static size_t wanting_count(const rate *r)
{
    size_t count = 0;
    for (size_t i = 0; i < r->count; i++)
        count += wants(&r->askers[i]) != 0;
    return count;
}

/* Alone, an asker gets all that is due in one grant; among others, as much as its turn is. */
static void fill(rate *r, asker *a, uint64_t now_ns, lease_grant *g)
{
    uint64_t most = wanting_count(r) == 1 ? UINT64_MAX : u64_max(1, TURN_NS / r->interval_ns);
    g->from_ns = take_moment(r, now_ns);
    g->count = 1;
    a->granted++;
    while (g->count < most && wants(a) && is_due(r, now_ns)) {
        uint64_t moment = moment_of(r, now_ns), last = g->from_ns + (g->count - 1) * g->span_ns;
        if (g->count == 1)
            g->span_ns = moment - g->from_ns;
        else if (moment - last != g->span_ns)
            return;
        take_moment(r, now_ns);
        g->count++;
        a->granted++;
    }
}

bool rate_leases_next(rate_leases *l, uint64_t now_ns, lease_grant *ret)
{
    for (rate *r = l->rates; r; r = r->next) {
        if (!is_due(r, now_ns))
            continue;
        asker *a = next_in_turn(r);
        *ret = (lease_grant){ .to = a->id, .key = { r->key_size, r->key } };
        fill(r, a, now_ns, ret);
        return true;
    }
    return false;
}

uint64_t rate_leases_deadline(const rate_leases *l)
{
    uint64_t deadline = CLOCK_NEVER;
    for (const rate *r = l->rates; r; r = r->next) {
        if (!r->wanting)
            continue;
        uint64_t early = r->tolerance_ns + LEASE_AHEAD_NS / 2; /* many at once, now and then */
        deadline = u64_min(deadline, r->next_ns > early ? r->next_ns - early : 0);
    }
    return deadline;
}
