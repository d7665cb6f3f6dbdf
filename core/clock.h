/* clock.h: time that only goes forward, in nanoseconds.
 *
 * What decides (the scheduler, the protocol) never asks: it is handed `now_ns`. Only the loops
 * around it call clock_now_ns().
 */
#ifndef RDD_CLOCK_H
#define RDD_CLOCK_H

#include "base.h"

#include <time.h>

#define NS_PER_US UINT64_C(1000)
#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* "Never", as a deadline. */
#define CLOCK_NEVER UINT64_MAX

static inline uint64_t clock_read_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

static inline uint64_t clock_now_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC);
}

/* The same in ticks of some milliseconds, for next to nothing. */
static inline uint64_t clock_coarse_ns(void)
{
    return clock_read_ns(CLOCK_MONOTONIC_COARSE);
}

/* Since 1970, which may be wrong. */
static inline uint64_t clock_wall_ns(void)
{
    return clock_read_ns(CLOCK_REALTIME);
}

static inline uint64_t clock_wall_ms(void)
{
    return clock_wall_ns() / NS_PER_MS;
}

static inline struct timespec clock_timespec(uint64_t ns)
{
    return (struct timespec){ .tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S) };
}

/* How long poll() may sleep so as to be awake at `deadline_ns`, in whole milliseconds rounded up;
 * -1 for never. */
static inline int clock_poll_ms(uint64_t now_ns, uint64_t deadline_ns)
{
    if (deadline_ns == CLOCK_NEVER)
        return -1;
    if (deadline_ns <= now_ns)
        return 0;
    return (int)u64_min((deadline_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS, 3600000);
}

#endif
