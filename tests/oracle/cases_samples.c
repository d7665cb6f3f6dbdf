/* cases_samples.c: samples have no model, but properties, and they are the same on every master:
 * lines that begin with ~. */
#include "oracle.h"

#include <math.h>
#include <stdlib.h>

enum { COUNT = 6000 };

DUAL_MAP(same, int64_t, x, int64_t)
{
    return x;
}

static rdd *numbers(void)
{
    return dual_range(0, COUNT, 1).real;
}

/* All of r, which is numbers in rising order, none of them twice. */
static const int64_t *rising(rdd *r, size_t *ret_count)
{
    const int64_t *items = rdd_collect(r, int64_t, ret_count);
    for (size_t i = 1; items && i < *ret_count; i++)
        if (items[i] <= items[i - 1]) {
            say("not rising: %lld, %lld", (long long)items[i - 1], (long long)items[i]);
            break;
        }
    return items;
}

/* Whether `got` of n independent draws is what probability p gives, within seven deviations. */
static bool plausible(size_t got, double n, double p, double variance)
{
    return fabs((double)got - n * p) <= 7 * sqrt(n * variance) + 1;
}

CASE(sample)
{
    static const double FRACTIONS[] = { 0, 0.001, 0.1, 0.5, 0.99, 1 };
    for (size_t i = 0; i < 6; i++) {
        double p = FRACTIONS[i];
        size_t count = 0, again = 0, other = 0;
        if (is_model()) {
            say("%g: 1 1", p);
            continue;
        }
        const int64_t *items = rising(rdd_sample(numbers(), p, .seed = 5), &count);
        const int64_t *twice = rising(rdd_sample(rdd_map(numbers(), same), p, .seed = 5), &again);
        const int64_t *others = rising(rdd_sample(numbers(), p, .seed = 6), &other);
        bool equal = count == again && (!count || !memcmp(items, twice, count * sizeof *items));
        bool differs = p == 0 || p == 1 || count != other ||
                       memcmp(items, others, count * sizeof *items) != 0;
        say("%g: %d %d", p, plausible(count, COUNT, p, p * (1 - p)), equal && differs);
        say_items("~", RDD_TYPE(int64_t), items, count);
        if (p == 1 && count != COUNT)
            say("a sample of all is not all");
    }
}

CASE(sample_with_replacement)
{
    static const double FRACTIONS[] = { 0, 0.01, 1, 3.5 };
    for (size_t i = 0; i < 4; i++) {
        double p = FRACTIONS[i];
        if (is_model()) {
            say("%g: 1 1", p);
            continue;
        }
        size_t count, distinct = 0;
        const int64_t *items = rdd_collect(rdd_sample(numbers(), p, .with_replacement = true, .seed = 9),
                                           int64_t, &count);
        for (size_t k = 0; k < count; k++) {
            distinct += k == 0 || items[k] != items[k - 1];
            if (k && items[k] < items[k - 1])
                say("out of order");
        }
        double none = exp(-p);
        say("%g: %d %d", p, plausible(count, COUNT, p, p),
            plausible(distinct, COUNT, 1 - none, none * (1 - none)));
        say_items("~", RDD_TYPE(int64_t), items, count);
    }
    size_t many = 0; /* far more copies of one element than a batch holds */
    rdd *few = dual_range(0, 3, 1).real;
    if (few)
        rdd_collect(rdd_sample(few, 20000, .with_replacement = true), int64_t, &many);
    say("many: %d", is_model() || plausible(many, 3, 20000, 20000));
}

/* Disjoint, and together all: each number is in exactly one part. */
CASE(random_split)
{
    static const double WEIGHTS[] = { 1, 2, 0, 4.5, 0.01 };
    rdd *parts[5] = { NULL };
    size_t seen[COUNT] = { 0 }, count, wrong = 0;
    bool fits = true;
    int code = rdd_random_split(numbers(), WEIGHTS, 5, parts, .seed = 77);
    for (int i = 0; i < 5 && !is_model(); i++) {
        const int64_t *items = rising(parts[i], &count);
        for (size_t k = 0; k < count; k++)
            seen[items[k]]++;
        double p = WEIGHTS[i] / 7.51;
        fits = fits && plausible(count, COUNT, p, p * (1 - p));
        say_items("~", RDD_TYPE(int64_t), items, count);
    }
    for (size_t i = 0; i < COUNT && !is_model(); i++)
        wrong += seen[i] != 1;
    say("split %d, %zu wrong, fits %d", is_model() || code == 0, wrong, fits);
}

static int compare_numbers(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* How many different numbers there are, all of which must be below `limit`. */
static size_t distinct_below(const int64_t *items, size_t count, int64_t limit)
{
    int64_t *sorted = oracle_alloc((count + 1) * sizeof *sorted);
    size_t distinct = 0;
    if (count)
        memcpy(sorted, items, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, compare_numbers);
    for (size_t i = 0; i < count; i++) {
        distinct += i == 0 || sorted[i] != sorted[i - 1];
        if (sorted[i] < 0 || sorted[i] >= limit)
            say("%lld was never there", (long long)sorted[i]);
    }
    return distinct;
}

CASE(take_sample)
{
    static const size_t SIZES[] = { 0, 1, 10, 999, 1000, 1001, 5000 };
    rdd *r = dual_range(0, 1000, 1).real;
    for (size_t i = 0; i < 7; i++) {
        size_t n = SIZES[i], exact = n < 1000 ? n : 1000, count = exact, distinct = exact, drawn = n;
        if (r) {
            const int64_t *items = rdd_take_sample(r, int64_t, n, &count, .seed = i);
            distinct = distinct_below(items, count, 1000);
            say_items("~", RDD_TYPE(int64_t), items, count);
            items = rdd_take_sample(r, int64_t, n, &drawn, .seed = i, .with_replacement = true);
            distinct_below(items, drawn, 1000);
            say_items("~", RDD_TYPE(int64_t), items, drawn);
        }
        say("%zu: %zu, %zu different; %zu drawn", n, count, distinct, drawn);
    }
    size_t none = 0;
    rdd *empty = dual_range(0, 0, 1).real;
    if (empty)
        rdd_take_sample(empty, int64_t, 3, &none, .with_replacement = true);
    say("of nothing: %zu", none);
}

/* Every element is as likely as any other: of 200 samples of 50 out of 100, each is in about half. */
CASE(take_sample_is_even)
{
    rdd *r = dual_range(0, 100, 1).real;
    size_t hits[100] = { 0 }, count, odd = 0;
    for (uint64_t s = 0; s < 200 && r; s++) {
        const int64_t *items = rdd_take_sample(r, int64_t, 50, &count, .seed = s);
        for (size_t i = 0; i < count; i++)
            hits[items[i]]++;
        rdd_free(oracle.ctx, items);
    }
    for (size_t i = 0; i < 100 && r; i++)
        odd += !plausible(hits[i], 200, 0.5, 0.25);
    say("odd ones: %zu", odd);
}

/* Strings come back whole. */
CASE(sample_strings)
{
    dual texts = random_items(rdd_str, 1000);
    size_t count = 500;
    if (texts.real) {
        const rdd_str *some = rdd_take_sample(texts.real, rdd_str, 500, &count);
        say_items("~", RDD_TYPE(rdd_str), some, count);
        some = rdd_take_sample(texts.real, rdd_str, 500, &count, .with_replacement = true);
        say_items("~", RDD_TYPE(rdd_str), some, count);
        some = rdd_collect(rdd_sample(texts.real, 0.5), rdd_str, &count);
        say_items("~", RDD_TYPE(rdd_str), some, count);
        count = 500;
    }
    say("%zu", count);
}
