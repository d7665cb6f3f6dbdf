/* http_timers.h: what an HTTP engine has to do later, as a binary heap by time.
 *
 * A timer is embedded in whatever it wakes. Room is reserved where failing is possible, so arming
 * never fails.
 */
#ifndef RDD_HTTP_TIMERS_H
#define RDD_HTTP_TIMERS_H

#include "base.h"

typedef struct http_timer {
    uint64_t at_ns;
    size_t place; /* in the heap, from 1 on; 0: not armed */
    void (*fire)(struct http_timer *t, uint64_t now_ns);
} http_timer;

typedef struct http_timers {
    http_timer **heap; /* heap[1 … count] */
    size_t count, capacity, reserved;
} http_timers;

/* Room for one more timer to be armed at a time with the others; false when out of memory. */
bool http_timers_reserve(http_timers *ts);
void http_timers_unreserve(http_timers *ts);

/* Arms it, or moves it to another time. */
void http_timer_arm(http_timers *ts, http_timer *t, uint64_t at_ns);
void http_timer_stop(http_timers *ts, http_timer *t);

/* When the next one is due; CLOCK_NEVER when none is armed. */
uint64_t http_timers_next(const http_timers *ts);

/* Fires all that are due at `now_ns`. They are not armed any more when they fire. */
void http_timers_fire(http_timers *ts, uint64_t now_ns);

void http_timers_release(http_timers *ts);

#endif
