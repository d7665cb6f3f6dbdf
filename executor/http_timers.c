#include "http_timers.h"

#include "clock.h"

bool http_timers_reserve(http_timers *ts)
{
    if (ts->reserved + 1 >= ts->capacity) {
        size_t capacity = size_max(64, ts->capacity * 2);
        http_timer **heap = realloc(ts->heap, capacity * sizeof *heap);
        if (!heap)
            return false;
        ts->heap = heap;
        ts->capacity = capacity;
    }
    ts->reserved++;
    return true;
}

void http_timers_unreserve(http_timers *ts)
{
    ASSERT(ts->reserved > 0);
    ts->reserved--;
}

static void put(http_timers *ts, size_t place, http_timer *t)
{
    ts->heap[place] = t;
    t->place = place;
}

static void move_up(http_timers *ts, size_t place, http_timer *t)
{
    for (; place > 1 && ts->heap[place / 2]->at_ns > t->at_ns; place /= 2)
        put(ts, place, ts->heap[place / 2]);
    put(ts, place, t);
}

static void move_down(http_timers *ts, size_t place, http_timer *t)
{
    for (size_t child; (child = place * 2) <= ts->count; place = child) {
        if (child < ts->count && ts->heap[child + 1]->at_ns < ts->heap[child]->at_ns)
            child++;
        if (ts->heap[child]->at_ns >= t->at_ns)
            break;
        put(ts, place, ts->heap[child]);
    }
    put(ts, place, t);
}

void http_timer_arm(http_timers *ts, http_timer *t, uint64_t at_ns)
{
    http_timer_stop(ts, t);
    ASSERT(ts->count < ts->reserved);
    t->at_ns = at_ns;
    move_up(ts, ++ts->count, t);
}

void http_timer_stop(http_timers *ts, http_timer *t)
{
    if (!t->place)
        return;
    size_t place = t->place;
    ASSERT(ts->heap[place] == t);
    t->place = 0;
    http_timer *last = ts->heap[ts->count--];
    if (last == t)
        return;
    if (place > 1 && ts->heap[place / 2]->at_ns > last->at_ns)
        move_up(ts, place, last);
    else
        move_down(ts, place, last);
}

uint64_t http_timers_next(const http_timers *ts)
{
    return ts->count ? ts->heap[1]->at_ns : CLOCK_NEVER;
}

void http_timers_fire(http_timers *ts, uint64_t now_ns)
{
    while (ts->count && ts->heap[1]->at_ns <= now_ns) {
        http_timer *t = ts->heap[1];
        http_timer_stop(ts, t);
        t->fire(t, now_ns);
    }
}

void http_timers_release(http_timers *ts)
{
    ASSERT(ts->count == 0);
    free(ts->heap);
    *ts = (http_timers){ 0 };
}
