/* The budget of a rate over a cluster, in virtual time: rate_leases.c on the driver, rate_lease.c in
 * a worker. */
#include "clock.h"
#include "rate_lease.h"
#include "rate_leases.h"

#include "test.h"

enum { MOMENTS_MAX = 20000, ASKERS_MAX = 6 };

static const rdd_str KEY = { 4, "50/s" };

typedef struct log {
    uint64_t moments[MOMENTS_MAX];
    size_t count;
    uint64_t given[ASKERS_MAX]; /* by executor */
} log;

static void drain(rate_leases *l, uint64_t now, log *g)
{
    lease_grant grant;
    while (rate_leases_next(l, now, &grant)) {
        assert_true(grant.from_ns >= now);
        assert_true(grant.from_ns <= now + LEASE_AHEAD_NS);
        for (uint64_t i = 0; i < grant.count; i++) {
            assert_true(g->count < MOMENTS_MAX);
            g->moments[g->count++] = grant.from_ns + i * grant.span_ns;
        }
        g->given[grant.to.executor] += grant.count;
    }
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* In no window are there more calls than the rate and a twentieth of a second's worth allow. */
static void check_windows(log *g, uint64_t interval)
{
    uint64_t burst = u64_max(1, 50 * NS_PER_MS / interval);
    qsort(g->moments, g->count, sizeof g->moments[0], by_value);
    for (size_t i = 0; i < g->count; i++)
        for (size_t j = i; j < g->count; j++) {
            uint64_t window = g->moments[j] - g->moments[i];
            assert_true(j - i + 1 <= window / interval + burst + (burst > 1));
        }
}

static void asks(rate_leases *l, uint32_t executor, uint64_t wanted, uint64_t interval)
{
    lease_asker who = { executor, 0, 1 };
    assert_true(rate_leases_ask(l, &who, KEY, interval, wanted));
}

static void grants_in_time(void **state)
{
    (void)state;
    uint64_t interval = 20 * NS_PER_MS, now = NS_PER_S;
    rate_leases *l = rate_leases_new();
    log g = { .count = 0 };
    assert_int_equal(rate_leases_deadline(l), CLOCK_NEVER);
    asks(l, 0, 1000, interval);
    drain(l, now, &g);
    assert_int_equal(g.count, 12); /* two at once, then as far ahead as grants go */
    assert_int_equal(g.moments[0], now);
    while (g.count < 1000) {
        uint64_t next = rate_leases_deadline(l);
        assert_true(next > now && next <= now + LEASE_AHEAD_NS);
        now = next;
        drain(l, now, &g);
    }
    assert_int_equal(rate_leases_deadline(l), CLOCK_NEVER);
    check_windows(&g, interval);
    assert_int_equal(g.moments[999], NS_PER_S + 998 * interval);
    rate_leases_free(l);
}

static void slow_rate(void **state)
{
    (void)state;
    uint64_t interval = 60 * NS_PER_S, now = NS_PER_S;
    rate_leases *l = rate_leases_new();
    log g = { .count = 0 };
    asks(l, 0, 2, interval);
    asks(l, 1, 2, interval);
    drain(l, now, &g);
    assert_int_equal(g.count, 1);
    for (int i = 0; i < 3; i++) {
        now = rate_leases_deadline(l);
        drain(l, now, &g);
    }
    assert_int_equal(g.count, 4);
    assert_int_equal(g.given[0], 2);
    check_windows(&g, interval);
    assert_int_equal(g.moments[3] - g.moments[0], 3 * interval);
    rate_leases_free(l);
}

static void askers_share(void **state)
{
    (void)state;
    uint64_t interval = NS_PER_MS, now = NS_PER_S;
    rate_leases *l = rate_leases_new();
    log g = { .count = 0 };
    for (uint32_t i = 0; i < 3; i++)
        asks(l, i, i == 2 ? 100 : 5000, interval); /* one wants less than its share */
    while (g.count < 6000) {
        drain(l, now, &g);
        now = u64_max(now + 1, rate_leases_deadline(l));
    }
    assert_int_equal(g.given[2], 100);
    assert_true(g.given[0] >= g.given[1] - 10 && g.given[0] <= g.given[1] + 10);
    check_windows(&g, interval);
    rate_leases_free(l);
}

static void lost_executor(void **state)
{
    (void)state;
    uint64_t interval = 10 * NS_PER_MS, now = NS_PER_S;
    rate_leases *l = rate_leases_new();
    log g = { .count = 0 };
    asks(l, 0, 1000000, interval);
    asks(l, 1, 300, interval);
    drain(l, now, &g);
    uint64_t taken_along = g.given[0];
    assert_true(taken_along > 0 && taken_along < 20);
    lease_asker gone = { 0, 0, 0 };
    rate_leases_gone(l, &gone);
    while (g.given[1] < 300) {
        now = rate_leases_deadline(l);
        drain(l, now, &g);
    }
    assert_int_equal(g.given[0], taken_along);
    check_windows(&g, interval); /* what it had is not given to another */
    assert_true(g.moments[g.count - 1] <= NS_PER_S + (300 + taken_along) * interval);
    rate_leases_free(l);
}

static void asks_that_cross(void **state)
{
    (void)state;
    rate_leases *l = rate_leases_new();
    log g = { .count = 0 };
    asks(l, 0, 3, NS_PER_MS);
    drain(l, NS_PER_S, &g);
    asks(l, 0, 3, NS_PER_MS); /* the same wish once more */
    asks(l, 0, 1, NS_PER_MS); /* less than there was */
    drain(l, 2 * NS_PER_S, &g);
    assert_int_equal(g.count, 3);
    asks(l, 0, UINT64_MAX, NS_PER_S);
    asks(l, 0, 4, NS_PER_S);
    drain(l, 3 * NS_PER_S, &g);
    assert_int_equal(g.count, 4);
    rate_leases_free(l);
}

static void random_askers(void **state)
{
    (void)state;
    for (int run = 0; run < 20; run++) {
        uint64_t interval = 1 + test_random_below(run % 2 ? 3000000 : 300000000);
        uint64_t now = NS_PER_S, wanted[ASKERS_MAX] = { 0 };
        rate_leases *l = rate_leases_new();
        log g = { .count = 0 };
        while (g.count < 1500) {
            uint32_t who = (uint32_t)test_random_below(ASKERS_MAX);
            if (test_random_below(10) == 0) {
                lease_asker gone = { who, 0, 1 };
                rate_leases_gone(l, &gone);
                wanted[who] = 0;
            } else {
                wanted[who] += test_random_below(20);
                asks(l, who, wanted[who], interval);
            }
            drain(l, now, &g);
            uint64_t next = rate_leases_deadline(l);
            bool jump = next != CLOCK_NEVER && next > now && test_random_below(2);
            now = jump ? next : now + test_random_below((size_t)(interval * 10));
        }
        check_windows(&g, interval);
        rate_leases_free(l);
    }
}

/* -- A worker's side --------------------------------------------------------------------------- */

static int woken;

static void wake(void *arg)
{
    (void)arg;
    woken++;
}

static void worker_side(void **state)
{
    (void)state;
    lease ask;
    uint64_t now = NS_PER_S;
    rate_lease_begin(wake, NULL);
    assert_true(rate_lease_on());
    rate_lease *l = rate_lease_new("50/s", 20 * NS_PER_MS);
    assert_false(rate_lease_next_ask(&ask));
    assert_int_equal(rate_lease_reserve(l, now), CLOCK_NEVER);
    rate_lease_wait(l, now);
    rate_lease_wait(l, now);
    assert_int_equal(woken, 1); /* not again before it was asked */
    assert_true(rate_lease_next_ask(&ask));
    assert_int_equal(ask.count, 2);
    assert_int_equal(ask.span_ns, 20 * NS_PER_MS);
    assert_false(rate_lease_next_ask(&ask));

    lease grant = { .kind = LEASE_GRANT, .count = 2, .delay_ns = 5, .span_ns = 1000, .name = KEY };
    rate_lease_granted(&grant, now);
    assert_int_equal(rate_lease_reserve(l, now), now + 5);
    rate_lease_wait_end(l);
    assert_int_equal(rate_lease_reserve(l, now), now + 1005);
    rate_lease_wait_end(l);
    assert_int_equal(rate_lease_reserve(l, now), CLOCK_NEVER);

    grant.count = 10;
    rate_lease_granted(&grant, now);
    now += NS_PER_S; /* nobody took them in time */
    assert_int_equal(rate_lease_reserve(l, now), CLOCK_NEVER);
    rate_lease_begin(NULL, NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grants_in_time), cmocka_unit_test(slow_rate),
        cmocka_unit_test(askers_share),   cmocka_unit_test(lost_executor),
        cmocka_unit_test(asks_that_cross), cmocka_unit_test(random_askers),
        cmocka_unit_test(worker_side),
    };
    return TEST_MAIN(argc, argv, tests);
}
