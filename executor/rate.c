#include "rate.h"

#include "conf.h"
#include "rate_lease.h"

#include <math.h>
#include <string.h>

enum { BURST_NS = 100000000 };

int rate_limit_init(rate_limit *r, const char *text, rdd_error *err)
{
    double per_second;
    if (!conf_parse_rate(text, &per_second)) {
        bool bare = *text && !text[strspn(text, "0123456789.")];
        return error_set(err, RDD_E_USAGE,
                         "rate \"%s\"%s: give a number above zero and its unit, as 50/s, 100/m or "
                         "9/h", text, bare ? " has no unit" : "");
    }
    double interval_ns = 1e9 / per_second;
    if (interval_ns < 1 || interval_ns > 1e18)
        return error_set(err, RDD_E_USAGE, "rate \"%s\" is out of range: at most 1000000000/s, at "
                         "least one call in 31 years", text);
    r->interval_ns = (uint64_t)llround(interval_ns);
    uint64_t burst = u64_max(1, BURST_NS / r->interval_ns);
    r->tolerance_ns = (burst - 1) * r->interval_ns;
    atomic_store_explicit(&r->next_ns, 0, memory_order_relaxed);
    r->lease = NULL;
    return 0;
}

uint64_t rate_limit_reserve(rate_limit *r, uint64_t now_ns)
{
    if (r->lease)
        return rate_lease_reserve(r->lease, now_ns);
    uint64_t next = atomic_load_explicit(&r->next_ns, memory_order_relaxed), from;
    do
        from = u64_max(next, now_ns);
    while (!atomic_compare_exchange_weak_explicit(&r->next_ns, &next, from + r->interval_ns,
                                                  memory_order_relaxed, memory_order_relaxed));
    return from > now_ns + r->tolerance_ns ? from - r->tolerance_ns : now_ns;
}

void rate_limit_wait(rate_limit *r, uint64_t now_ns)
{
    rate_lease_wait(r->lease, now_ns);
}

void rate_limit_wait_end(rate_limit *r)
{
    rate_lease_wait_end(r->lease);
}
