/* sink_number.c: sum, stats, histogram: actions over numbers. */
#include "block.h"
#include "number_parts.h"
#include "sink.h"
#include "type.h"

#include <math.h>

/* ---- parts --------------------------------------------------------------------------------- */

static void real_encode(buf *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_u64(b, bits);
}

static double real_decode(reader *r)
{
    uint64_t bits = reader_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

void sum_part_encode(buf *b, const sum_part *s)
{
    unsigned __int128 whole = (unsigned __int128)s->whole;
    buf_u64(b, (uint64_t)whole);
    buf_u64(b, (uint64_t)(whole >> 64));
    real_encode(b, s->real);
    real_encode(b, s->compensation);
}

void sum_part_decode(reader *r, sum_part *s)
{
    unsigned __int128 low = reader_u64(r), high = reader_u64(r);
    s->whole = (__int128)(low | high << 64);
    s->real = real_decode(r);
    s->compensation = real_decode(r);
}

void stats_part_encode(buf *b, const stats_part *s)
{
    buf_u64(b, (uint64_t)s->count);
    real_encode(b, s->mean);
    real_encode(b, s->squares);
    real_encode(b, s->min);
    real_encode(b, s->max);
    sum_part_encode(b, &s->sum);
}

void stats_part_decode(reader *r, stats_part *s)
{
    s->count = (int64_t)reader_u64(r);
    s->mean = real_decode(r);
    s->squares = real_decode(r);
    s->min = real_decode(r);
    s->max = real_decode(r);
    sum_part_decode(r, &s->sum);
}

void stats_part_merge(stats_part *into, const stats_part *other)
{
    if (!other->count)
        return;
    if (!into->count) {
        *into = *other;
        return;
    }
    double a = (double)into->count, b = (double)other->count, total = a + b;
    double delta = other->mean - into->mean;
    into->mean += delta * (b / total);
    into->squares += other->squares + delta * delta * (a * b / total);
    into->count += other->count;
    into->min = fmin(into->min, other->min);
    into->max = fmax(into->max, other->max);
    into->sum.whole += other->sum.whole;
    sum_part_add_real(&into->sum, other->sum.real);
    into->sum.compensation += other->sum.compensation;
}

/* ---- sum ----------------------------------------------------------------------------------- */

#define ADD_WHOLE(KIND, T)                  \
    case KIND:                              \
        for (size_t i = 0; i < count; i++)  \
            whole += ((const T *)items)[i]; \
        break;

static void sum_add(sum_part *s, const rdd_type *t, const void *items, size_t count)
{
    __int128 whole = 0;
    switch (t->kind) {
        ADD_WHOLE(RDD_KIND_I8, int8_t)
        ADD_WHOLE(RDD_KIND_I16, int16_t)
        ADD_WHOLE(RDD_KIND_I32, int32_t)
        ADD_WHOLE(RDD_KIND_I64, int64_t)
        ADD_WHOLE(RDD_KIND_U8, uint8_t)
        ADD_WHOLE(RDD_KIND_U16, uint16_t)
        ADD_WHOLE(RDD_KIND_U32, uint32_t)
        ADD_WHOLE(RDD_KIND_U64, uint64_t)
    default:
        for (size_t i = 0; i < count; i++)
            sum_part_add_real(s, value_to_double(t, (const char *)items + i * t->size));
    }
    s->whole += whole;
}

int sink_sum(run *r, iterator *chain, buf *out)
{
    const rdd_type *t = r->plan->nodes[r->plan->node_count - 1].type;
    sum_part sum = { 0 };
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW)
        sum_add(&sum, t, v.items, v.count);
    sum_part_encode(out, &sum);
    return rc;
}

/* ---- stats --------------------------------------------------------------------------------- */

int sink_stats(run *r, iterator *chain, buf *out)
{
    const rdd_type *t = r->plan->nodes[r->plan->node_count - 1].type;
    stats_part s = { .min = INFINITY, .max = -INFINITY };
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW) {
        sum_add(&s.sum, t, v.items, v.count);
        for (size_t i = 0; i < v.count; i++) {
            double x = value_to_double(t, (const char *)v.items + i * t->size);
            double delta = x - s.mean;
            s.mean += delta / (double)++s.count;
            s.squares += delta * (x - s.mean);
            s.min = fmin(s.min, x);
            s.max = fmax(s.max, x);
        }
    }
    stats_part_encode(out, &s);
    return rc;
}

/* ---- histogram ----------------------------------------------------------------------------- */

/* The bucket of x: edges[i] <= x < edges[i+1], the last one closed; `buckets` when there is none. */
static size_t bucket_of(const double *edges, size_t buckets, double x)
{
    if (!(x >= edges[0]) || !(x <= edges[buckets]))
        return buckets;
    size_t low = 0, high = buckets;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (x >= edges[middle])
            low = middle;
        else
            high = middle;
    }
    return low;
}

int sink_histogram(run *r, iterator *chain, buf *out)
{
    const rdd_type *t = r->plan->nodes[r->plan->node_count - 1].type;
    const action *a = &r->plan->act;
    char *copy = arena_copy(r->memory, a->zero.data, a->zero.size);
    const void *decoded;
    size_t edge_count, size;
    rdd_error err;
    if (!copy)
        return run_fail_memory(r, "histogram");
    if (block_decode(RDD_TYPE(double), copy, a->zero.size, &decoded, &edge_count, &size, &err) < 0)
        return run_fail_with(r, &err);
    if (edge_count < 2)
        return run_fail(r, RDD_E_PROTOCOL, "a histogram without edges");
    const double *edges = decoded;
    size_t buckets = edge_count - 1;
    int64_t *counts = arena_zalloc(r->memory, buckets * sizeof *counts);
    if (!counts)
        return run_fail_memory(r, "histogram");
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW)
        for (size_t i = 0; i < v.count; i++) {
            size_t at = bucket_of(edges, buckets,
                                  value_to_double(t, (const char *)v.items + i * t->size));
            if (at < buckets)
                counts[at]++;
        }
    for (size_t i = 0; i < buckets; i++)
        buf_u64(out, (uint64_t)counts[i]);
    return rc;
}
