/* dual_actions.c: every action, by the library and on arrays; each says its result. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>

static maker nobody;

/* ---- elements ------------------------------------------------------------------------------- */

void say_collect_(dual d, rdd_options o)
{
    const rdd_type *t = d.model->type;
    size_t count;
    const void *items = is_model() ? model_all(d.model, &count)
                                   : (rdd_collect)(d.real, t, &count, o);
    say_items("collect", t, items, count);
    if (!is_model())
        rdd_free(oracle.ctx, items);
}

void say_count_(dual d, rdd_options o)
{
    int64_t count = is_model() ? (int64_t)model_total(d.model) : (rdd_count)(d.real, o);
    say("count %lld", (long long)count);
}

void say_take_(dual d, size_t n, rdd_options o)
{
    const rdd_type *t = d.model->type;
    size_t count;
    const void *items = is_model() ? model_all(d.model, &count)
                                   : (rdd_take)(d.real, t, n, &count, o);
    if (is_model() && count > n)
        count = n;
    say_items("take", t, items, count);
}

/* The error of an action that wants an element, on an RDD without any. */
static void say_empty(const char *call, const char *site)
{
    say_error(oracle_text("%s (%s): the RDD is empty", call, site).data);
}

void say_first_(dual d, rdd_options o)
{
    const rdd_type *t = d.model->type;
    size_t count;
    const void *all = model_all(d.model, &count);
    void *got = oracle_alloc(t->size);
    int code = is_model() ? 0 : (rdd_first)(d.real, t, got, o);
    if (!count)
        say_empty("rdd_first", o.site_);
    else if (code < 0)
        say_error("first failed");
    else
        say_value("first", t, is_model() ? all : got);
}

void say_is_empty_(dual d, rdd_options o)
{
    say("empty %d", is_model() ? !model_total(d.model) : (rdd_is_empty)(d.real, o));
}

/* ---- order ---------------------------------------------------------------------------------- */

typedef struct ordering {
    const rdd_type *type;
    model_order *f;
    const void *env;
    bool reverse;
} ordering;

static int compare_two(const void *a, const void *b, void *arg)
{
    const ordering *by = arg;
    int c = by->f ? by->f(&nobody, by->env, a, b) : model_compare(by->type, a, b);
    return by->reverse ? (c < 0) - (c > 0) : c;
}

/* Insertion into place: slow, and equal elements stay in their order. */
static void sort_items(char *items, size_t count, ordering *by)
{
    size_t size = by->type->size;
    char *one = oracle_alloc(size);
    for (size_t i = 1; i < count; i++) {
        size_t at = i;
        memcpy(one, items + i * size, size);
        while (at && compare_two(items + (at - 1) * size, one, by) > 0)
            at--;
        memmove(items + (at + 1) * size, items + at * size, (i - at) * size);
        memcpy(items + at * size, one, size);
    }
}

static void *sorted(dual d, rdd_order_op by, model_order *f, bool reverse, size_t *ret_count)
{
    char *items = model_all(d.model, ret_count);
    sort_items(items, *ret_count, &(ordering){ d.model->type, f, by.env, reverse });
    return items;
}

static void say_ordered(const char *label, dual d, size_t n, rdd_order_op by, model_order *f,
                        bool reverse, rdd_options o)
{
    const rdd_type *t = d.model->type;
    size_t count;
    const void *items;
    rdd_order_options ordered = { .site_ = o.site_, .by = by };
    if (is_model())
        items = sorted(d, by, f, reverse, &count);
    else if (reverse)
        items = (rdd_top)(d.real, t, n, &count, ordered);
    else
        items = (rdd_take_ordered)(d.real, t, n, &count, ordered);
    say_items(label, t, items, count < n ? count : n);
}

void say_top_(dual d, size_t n, rdd_order_op by, model_order *f, rdd_options o)
{
    say_ordered("top", d, n, by, f, true, o);
}

void say_take_ordered_(dual d, size_t n, rdd_order_op by, model_order *f, rdd_options o)
{
    say_ordered("take_ordered", d, n, by, f, false, o);
}

void say_extremes_(dual d, rdd_order_op by, model_order *f, rdd_options o)
{
    const rdd_type *t = d.model->type;
    for (int greatest = 0; greatest < 2; greatest++) {
        size_t count;
        void *got = sorted(d, by, f, greatest, &count);
        rdd_order_options ordered = { .site_ = o.site_, .by = by };
        if (!is_model() && count)
            memset(got, 0, t->size);
        if (!is_model())
            greatest ? (rdd_max)(d.real, t, got, ordered) : (rdd_min)(d.real, t, got, ordered);
        if (count)
            say_value(greatest ? "max" : "min", t, got);
        else
            say_empty(greatest ? "rdd_max" : "rdd_min", o.site_);
    }
}

void say_count_by_value_(const rdd_type *pair, dual d, rdd_options o)
{
    const rdd_type *t = d.model->type;
    size_t count, kept = 0;
    if (!is_model()) {
        const void *pairs = (rdd_count_by_value)(d.real, pair, &count, o);
        say_items("count_by_value", pair, pairs, count);
        return;
    }
    char *items = sorted(d, (rdd_order_op){ NULL, NULL }, NULL, false, &count);
    char *pairs = oracle_alloc((count + 1) * pair->size);
    for (size_t i = 0, n; i < count; i += n, kept++) {
        int64_t times;
        for (n = 1; i + n < count; n++)
            if (model_compare(t, items + i * t->size, items + (i + n) * t->size) != 0)
                break;
        times = (int64_t)n;
        memcpy(pairs + kept * pair->size + pair->fields[0].offset, items + i * t->size, t->size);
        memcpy(pairs + kept * pair->size + pair->fields[1].offset, &times, sizeof times);
    }
    say_items("count_by_value", pair, pairs, kept);
}

/* ---- folds ---------------------------------------------------------------------------------- */

void say_reduce_(dual d, rdd_reduce_op op, model_reduce *f, int depth, rdd_options o)
{
    const rdd_type *t = d.model->type;
    const char *label = depth ? "tree_reduce" : "reduce";
    size_t count;
    const char *items = model_all(d.model, &count);
    char *acc = oracle_alloc(t->size);
    int code = 0;
    rdd_tree_options tree = { .site_ = o.site_, .depth = depth };
    if (!is_model())
        code = depth ? (rdd_tree_reduce)(d.real, t, acc, op, tree) : (rdd_reduce)(d.real, t, acc, op, o);
    for (size_t i = 0; is_model() && i < count; i++) {
        char *next = oracle_alloc(t->size);
        if (i)
            f(&nobody, op.env, acc, items + i * t->size, next);
        else
            memcpy(next, items, t->size);
        acc = next;
    }
    if (!count)
        say_empty(depth ? "rdd_tree_reduce" : "rdd_reduce", o.site_);
    else if (code < 0)
        say_error("reduce failed");
    else
        say_value(label, t, acc);
}

void say_fold_(dual d, const void *zero, rdd_reduce_op op, model_reduce *f, rdd_options o)
{
    const rdd_type *t = d.model->type;
    size_t count;
    const char *items = model_all(d.model, &count);
    char *acc = oracle_alloc(t->size);
    memcpy(acc, zero, t->size);
    if (!is_model())
        (rdd_fold)(d.real, t, acc, zero, op, o);
    for (size_t i = 0; is_model() && i < count; i++) {
        char *next = oracle_alloc(t->size);
        f(&nobody, op.env, acc, items + i * t->size, next);
        acc = next;
    }
    say_value("fold", t, acc);
}

void say_aggregate_(dual d, const rdd_type *acc_type, const void *zero, rdd_aggregate_op take,
                    model_aggregate *take_model, rdd_reduce_op merge, model_reduce *merge_model,
                    int depth, rdd_options o)
{
    size_t size = d.model->type->size;
    char *acc = oracle_alloc(acc_type->size);
    memcpy(acc, zero, acc_type->size);
    rdd_tree_options tree = { .site_ = o.site_, .depth = depth };
    if (!is_model() && depth)
        (rdd_tree_aggregate)(d.real, acc_type, acc, zero, take, merge, tree);
    else if (!is_model())
        (rdd_aggregate)(d.real, acc_type, acc, zero, take, merge, o);
    for (size_t p = 0; is_model() && p < d.model->count; p++) {
        char *part = oracle_alloc(acc_type->size), *next = oracle_alloc(acc_type->size);
        memcpy(part, zero, acc_type->size);
        for (size_t i = 0; i < d.model->parts[p].count; i++)
            take_model(&nobody, take.env, part, d.model->parts[p].items + i * size);
        merge_model(&nobody, merge.env, acc, part, next);
        acc = next;
    }
    say_value(depth ? "tree_aggregate" : "aggregate", acc_type, acc);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static long double real_of(const rdd_type *t, const char *x)
{
    switch (t->kind) {
    case RDD_KIND_I8: return *(const int8_t *)x;
    case RDD_KIND_I16: return *(const int16_t *)(const void *)x;
    case RDD_KIND_I32: return *(const int32_t *)(const void *)x;
    case RDD_KIND_I64: return *(const int64_t *)(const void *)x;
    case RDD_KIND_U8: return *(const uint8_t *)x;
    case RDD_KIND_U16: return *(const uint16_t *)(const void *)x;
    case RDD_KIND_U32: return *(const uint32_t *)(const void *)x;
    case RDD_KIND_U64: return *(const uint64_t *)(const void *)x;
    case RDD_KIND_FLOAT: return *(const float *)(const void *)x;
    default: return *(const double *)(const void *)x;
    }
}

static __int128 whole_of(const rdd_type *t, const char *x)
{
    return t->kind == RDD_KIND_U64   ? (__int128)*(const uint64_t *)(const void *)x
           : t->kind == RDD_KIND_I64 ? (__int128)*(const int64_t *)(const void *)x
                                     : (__int128)real_of(t, x);
}

/* For printing with nine digits: -nan and nan are the same, and so is what rounding leaves of nothing.
 * The nudge keeps numbers off the ties of decimal rounding, where the last bit would show. */
static double tidy(double x)
{
    return isnan(x) ? (double)NAN : fabs(x) < 1e-9 ? 0 : x * (1 + 3e-12);
}

void say_sum_(dual d, const rdd_type *type, rdd_options o)
{
    const rdd_type *t = d.model->type;
    uint64_t bits = 0;
    int code = is_model() ? 0 : (rdd_sum)(d.real, type, &bits, o);
    size_t count;
    const char *items = model_all(d.model, &count);
    long double real = 0;
    __int128 whole = 0;
    bool integers = t->kind != RDD_KIND_FLOAT && t->kind != RDD_KIND_DOUBLE;
    for (size_t i = 0; i < count; i++) {
        real += real_of(t, items + i * t->size);
        whole += integers ? whole_of(t, items + i * t->size) : 0;
    }
    if (type->kind == RDD_KIND_DOUBLE) {
        double got;
        memcpy(&got, &bits, sizeof got);
        if (is_model())
            got = integers ? (double)whole : (double)real;
        say("sum %.9g", tidy(got));
        if (!is_model())
            say("~ %a", got);
        return;
    }
    bool is_signed = type->kind == RDD_KIND_I64;
    bool fits = is_signed ? whole >= INT64_MIN && whole <= INT64_MAX
                          : whole >= 0 && whole <= (__int128)UINT64_MAX;
    if (is_model())
        bits = (uint64_t)whole;
    if (!fits)
        say_error(oracle_text("rdd_sum (%s): the sum does not fit in %s: ask for a double", o.site_,
                              type->name).data);
    else if (code < 0)
        say_error("sum failed");
    else
        say_value("sum", type, &bits);
}

static rdd_statistics model_stats(dual d)
{
    const rdd_type *t = d.model->type;
    size_t count;
    const char *items = model_all(d.model, &count);
    rdd_statistics s = { .count = (int64_t)count, .min = INFINITY, .max = -INFINITY };
    long double sum = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (double)real_of(t, items + i * t->size);
        sum += x;
        s.min = fmin(s.min, x);
        s.max = fmax(s.max, x);
    }
    long double mean = sum / (long double)count;
    for (size_t i = 0; i < count; i++) {
        long double x = real_of(t, items + i * t->size);
        squares += (x - mean) * (x - mean);
    }
    s.sum = (double)sum;
    s.mean = (double)mean;
    s.variance = (double)(squares / (long double)count);
    s.stdev = sqrt(s.variance);
    s.sample_variance = count > 1 ? (double)(squares / (long double)(count - 1)) : NAN;
    s.sample_stdev = sqrt(s.sample_variance);
    return s;
}


void say_stats_(dual d, rdd_options o)
{
    rdd_statistics s = is_model() ? model_stats(d) : (rdd_stats)(d.real, o);
    say("stats count %lld sum %.9g", (long long)s.count, tidy(s.sum));
    if (!model_total(d.model)) {
        if (!is_model())
            (rdd_mean)(d.real, o);
        say_empty("rdd_mean", o.site_);
        return;
    }
    say("stats mean %.9g min %.9g max %.9g", tidy(s.mean), s.min, s.max);
    say("stats %.9g %.9g %.9g %.9g", tidy(s.variance), tidy(s.stdev), tidy(s.sample_variance),
        tidy(s.sample_stdev));
    double mean = is_model() ? s.mean : (rdd_mean)(d.real, o);
    say("mean %.9g", tidy(mean));
    if (!is_model())
        say("~ %a %a %a", s.sum, s.mean, s.variance);
}

static void model_histogram(dual d, const double *edges, size_t buckets, int64_t *ret)
{
    const rdd_type *t = d.model->type;
    size_t count;
    const char *items = model_all(d.model, &count);
    for (size_t i = 0; i < count; i++) {
        double x = (double)real_of(t, items + i * t->size);
        for (size_t b = 0; b < buckets; b++)
            if (x >= edges[b] && (x < edges[b + 1] || (b + 1 == buckets && x == edges[b + 1]))) {
                ret[b]++;
                break;
            }
    }
}

void say_histogram_(dual d, const double *edges, size_t buckets, rdd_options o)
{
    int64_t *counts = oracle_alloc(buckets * sizeof *counts);
    if (is_model())
        model_histogram(d, edges, buckets, counts);
    else
        (rdd_histogram)(d.real, edges, buckets, counts, o);
    say_items("histogram", RDD_TYPE(int64_t), counts, buckets);
}

void say_histogram_even_(dual d, size_t buckets, rdd_options o)
{
    int64_t *counts = oracle_alloc(buckets * sizeof *counts);
    double *edges = oracle_alloc((buckets + 1) * sizeof *edges);
    if (!model_total(d.model)) {
        if (!is_model())
            (rdd_histogram_even)(d.real, buckets, edges, counts, o);
        say_empty("rdd_histogram_even", o.site_);
        return;
    }
    if (is_model()) {
        rdd_statistics s = model_stats(d);
        for (size_t i = 0; i <= buckets; i++)
            edges[i] = s.min + (s.max - s.min) * ((double)i / (double)buckets);
        edges[buckets] = s.max;
        model_histogram(d, edges, buckets, counts);
    } else {
        (rdd_histogram_even)(d.real, buckets, edges, counts, o);
    }
    say_items("edges", RDD_TYPE(double), edges, buckets + 1);
    say_items("histogram_even", RDD_TYPE(int64_t), counts, buckets);
}

/* ---- one after the other, side effects ------------------------------------------------------ */

void say_local_(dual d, size_t stop_after, rdd_options o)
{
    const rdd_type *t = d.model->type;
    size_t count;
    char *all = model_all(d.model, &count);
    if (count > stop_after)
        count = stop_after;
    if (is_model()) {
        say_items("local", t, all, count);
        return;
    }
    rdd_local_iterator *it = (rdd_to_local_iterator)(d.real, t, o);
    model_part got = { 0, 0, NULL };
    char *one = oracle_alloc(t->size);
    while (got.count < stop_after && (rdd_local_next)(it, t, one))
        deep_copy(t, one, model_room(&got, t->size)); /* it is valid until the next call */
    rdd_local_close(it);
    say_items("local", t, got.items, got.count);
}

void run_foreach_(dual d, rdd_foreach_op op, model_foreach *f, rdd_operator_options o)
{
    for (size_t p = 0; is_model() && p < d.model->count; p++)
        for (size_t i = 0; i < d.model->parts[p].count; i++)
            f(&nobody, op.env, d.model->parts[p].items + i * d.model->type->size);
    if (!is_model())
        (rdd_foreach)(d.real, op, o);
}

void run_foreach_partition_(dual d, rdd_foreach_partition_op op, model_foreach_partition *f,
                            rdd_partitions_options o)
{
    for (size_t p = 0; is_model() && p < d.model->count; p++) {
        pulls from;
        model_pulls(&from, &d.model->parts[p], d.model->type);
        f(&(maker){ NULL, (int64_t)p }, op.env, &from);
    }
    if (!is_model())
        (rdd_foreach_partition)(d.real, op, o);
}
