/* driver_memory_test.c: actions while memory is short: each allocation in turn is the one that fails.
 * Whichever it is, an action gives its result, or nothing and an error; the address sanitizer sees
 * whether anything is lost on the way. */
#include "rdd.h"

#include "test.h"

#include <stdatomic.h>

/* ---- an allocator that fails once ------------------------------------------------------------ */

static atomic_long countdown; /* to the allocation that fails; 0: none does */

static bool is_the_one(void)
{
    if (atomic_load_explicit(&countdown, memory_order_relaxed) <= 0)
        return false;
    return atomic_fetch_sub(&countdown, 1) == 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);

void *__wrap_malloc(size_t size)
{
    return is_the_one() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return is_the_one() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
    return is_the_one() ? NULL : __real_realloc(memory, size);
}

/* ---- actions, each with whether it gave the right result ------------------------------------- */

enum { COUNT = 50 };

RDD_PAIR(text_count, rdd_str, int64_t);
RDD_PAIR(numbered, int64_t, int64_t);
RDD_LIST(numbers, int64_t);

RDD_MAP(as_text, int64_t, x, rdd_str) { return rdd_format(task, "%04lld", (long long)x); }
RDD_MAP(last_digit, int64_t, x, rdd_str) { return rdd_format(task, "%lld", (long long)(x % 10)); }
RDD_FILTER(is_even, int64_t, x) { return x % 2 == 0; }
RDD_FLAT_MAP(twice, int64_t, x, int64_t) { rdd_emit(x); rdd_emit(x); }
RDD_REDUCE(joined, rdd_str, a, b) { return rdd_str_concat(task, a, b); }
RDD_REDUCE(added, int64_t, a, b) { rdd_count_up(task, "additions", 1); return a + b; }
RDD_AGGREGATE(add_size, int64_t, acc, rdd_str, s) { *acc += (int64_t)s.size; }
RDD_FOREACH(look, int64_t, x) { (void)x; rdd_count_up(task, "looks", 1); }

RDD_MAP_PARTITIONS(passed_on, int64_t, in, int64_t)
{
    for (int64_t x; rdd_next(in, &x);)
        rdd_emit(x);
}

static rdd *range(rdd_context *ctx)
{
    return rdd_range(ctx, 0, COUNT, .partitions = 3);
}

static bool texts_are(const rdd_str *texts, size_t count, size_t wanted)
{
    for (size_t i = 0; texts && i < count; i++)
        if (texts[i].size != 4)
            return false;
    return texts && count == wanted;
}

static bool collects(rdd_context *ctx)
{
    size_t count;
    const rdd_str *texts = rdd_collect(rdd_map(range(ctx), as_text), rdd_str, &count);
    return texts_are(texts, count, COUNT);
}

static bool takes(rdd_context *ctx)
{
    size_t count;
    const rdd_str *texts = rdd_take(rdd_map(range(ctx), as_text), rdd_str, 20, &count);
    return texts_are(texts, count, 20);
}

static bool takes_ordered(rdd_context *ctx)
{
    size_t count;
    const rdd_str *top = rdd_top(rdd_map(range(ctx), as_text), rdd_str, 5, &count);
    return texts_are(top, count, 5) && memcmp(top[0].data, "0049", 4) == 0;
}

static bool takes_samples(rdd_context *ctx)
{
    size_t a, b;
    rdd *r = rdd_map(range(ctx), as_text);
    const rdd_str *once = rdd_take_sample(r, rdd_str, 7, &a);
    const rdd_str *again = rdd_take_sample(r, rdd_str, 70, &b, .with_replacement = true);
    return texts_are(once, a, 7) && texts_are(again, b, 70);
}

static bool counts_values(rdd_context *ctx)
{
    size_t count;
    const text_count *c = rdd_count_by_value(rdd_map(range(ctx), last_digit), text_count, &count);
    return c && count == 10 && c[3].value == 5;
}

static bool folds(rdd_context *ctx)
{
    rdd *texts = rdd_map(range(ctx), as_text);
    if (rdd_reduce(texts, rdd_str, joined).size != 4 * COUNT)
        return false;
    if (rdd_fold(texts, rdd_str, RDD_STR(""), joined).size != 4 * COUNT)
        return false;
    return rdd_aggregate(texts, int64_t, 0, add_size, added) == 4 * COUNT;
}

static bool folds_in_a_tree(rdd_context *ctx)
{
    rdd *r = rdd_range(ctx, 0, COUNT, .partitions = 20);
    return rdd_tree_reduce(r, int64_t, added, .depth = 3) == COUNT * (COUNT - 1) / 2;
}

static bool gives_numbers(rdd_context *ctx)
{
    double edges[4];
    int64_t counts[3];
    rdd *r = range(ctx);
    return rdd_sum(r, int64_t) == COUNT * (COUNT - 1) / 2 && rdd_stats(r).count == COUNT &&
           rdd_histogram_even(r, 3, edges, counts) == 0 && rdd_max(r, int64_t) == COUNT - 1;
}

static bool chains(rdd_context *ctx)
{
    rdd *even = rdd_filter(rdd_flat_map(rdd_map_partitions(range(ctx), passed_on), twice), is_even);
    rdd *all = rdd_coalesce(rdd_union(even, even), 2);
    return rdd_count(all) == 2 * COUNT && rdd_count(rdd_glom(numbers, even)) == 3;
}

static bool joins(rdd_context *ctx)
{
    rdd *r = rdd_sample(range(ctx), 1);
    return rdd_count(rdd_zip(numbered, r, r)) == COUNT &&
           rdd_count(rdd_cartesian(numbered, r, r)) == COUNT * COUNT;
}

static bool gives_indexes(rdd_context *ctx)
{
    size_t count;
    const numbered *n = rdd_collect(rdd_zip_with_index(numbered, range(ctx)), numbered, &count);
    return n && count == COUNT && n[COUNT - 1].value == COUNT - 1;
}

static bool parallelizes(rdd_context *ctx)
{
    int64_t items[COUNT];
    for (int64_t i = 0; i < COUNT; i++)
        items[i] = i;
    rdd *r = rdd_parallelize(ctx, int64_t, items, COUNT, .partitions = 3);
    return rdd_foreach(r, look) == 0 && rdd_sum(r, int64_t) == COUNT * (COUNT - 1) / 2;
}

static bool runs_concurrently(rdd_context *ctx)
{
    size_t count;
    rdd *r = rdd_flat_map(rdd_map(range(ctx), as_text, .concurrency = 4) ? range(ctx) : NULL, twice,
                          .concurrency = 4);
    const rdd_str *texts = rdd_collect(rdd_map(r, as_text, .concurrency = 4), rdd_str, &count);
    return texts_are(texts, count, 2 * COUNT);
}

static bool iterates(rdd_context *ctx)
{
    rdd_local_iterator *it = rdd_to_local_iterator(rdd_map(range(ctx), as_text), rdd_str);
    int64_t count = 0;
    for (rdd_str s; rdd_local_next(it, rdd_str, &s); count++)
        if (s.size != 4)
            return false;
    rdd_local_close(it);
    return count == COUNT;
}

/* ---- each with each allocation failing ------------------------------------------------------- */

static rdd_context *begin(void)
{
    char *argv[] = { "driver_memory_test", "--quiet", "--master", "local[2]", NULL };
    int argc = 4;
    return rdd_init(&argc, argv);
}

static void try_all(bool (*action)(rdd_context *ctx), long most)
{
    bool failed_all_along = true;
    for (long n = 1; failed_all_along && n <= most; n++) {
        rdd_error err;
        rdd_context *ctx = begin();
        atomic_store(&countdown, n);
        bool good = action(ctx);
        failed_all_along = atomic_exchange(&countdown, 0) <= 0;
        if (!rdd_take_error(ctx, &err))
            err.message[0] = 0;
        if (!err.message[0] && !good)
            fail_msg("allocation %ld failed, and nothing was said", n);
        if (err.message[0] && !strstr(err.message, "memory") && !strstr(err.message, "not known"))
            fail_msg("allocation %ld failed, and what was said is: %s", n, err.message);
        assert_int_equal(rdd_finish(ctx), 0);
    }
    assert_false(failed_all_along);
}

#define TRY(name)                            \
    static void test_##name(void **state)    \
    {                                        \
        (void)state;                         \
        try_all(name, 20000);                \
    }

TRY(collects)
TRY(takes)
TRY(takes_ordered)
TRY(takes_samples)
TRY(counts_values)
TRY(folds)
TRY(folds_in_a_tree)
TRY(gives_numbers)
TRY(chains)
TRY(joins)
TRY(gives_indexes)
TRY(parallelizes)
TRY(runs_concurrently)
TRY(iterates)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_collects),      cmocka_unit_test(test_takes),
        cmocka_unit_test(test_takes_ordered), cmocka_unit_test(test_takes_samples),
        cmocka_unit_test(test_counts_values), cmocka_unit_test(test_folds),
        cmocka_unit_test(test_folds_in_a_tree), cmocka_unit_test(test_gives_numbers),
        cmocka_unit_test(test_chains),        cmocka_unit_test(test_joins),
        cmocka_unit_test(test_gives_indexes), cmocka_unit_test(test_parallelizes),
        cmocka_unit_test(test_runs_concurrently), cmocka_unit_test(test_iterates),
    };
    return TEST_MAIN(argc, argv, tests);
}
