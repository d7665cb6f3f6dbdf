/* number_parts.h: what a task says about its numbers, and how two such parts are merged. The sink
 * (sink_number.c) makes them, the driver merges them in partition order. */
#ifndef RDD_NUMBER_PARTS_H
#define RDD_NUMBER_PARTS_H

#include "buf.h"
#include "rdd.h"

/* An exact sum of integers, and the sum of floating numbers (Neumaier's compensation). */
typedef struct sum_part {
    __int128 whole;
    double real, compensation;
} sum_part;

static inline void sum_part_add_real(sum_part *s, double x)
{
    double t = s->real + x;
    if (__builtin_fabs(s->real) >= __builtin_fabs(x))
        s->compensation += (s->real - t) + x;
    else
        s->compensation += (x - t) + s->real;
    s->real = t;
}

/* Count, mean and squared distance from the mean: Welford 1962; merged as Chan, Golub and LeVeque
 * 1979. */
typedef struct stats_part {
    int64_t count;
    double mean, squares, min, max;
    sum_part sum;
} stats_part;

void stats_part_merge(stats_part *into, const stats_part *other);

void sum_part_encode(buf *b, const sum_part *s);
void sum_part_decode(reader *r, sum_part *s);
void stats_part_encode(buf *b, const stats_part *s);
void stats_part_decode(reader *r, stats_part *s);

#endif
