/* cases_actions.c: actions over all kinds of elements, on none of them too. */
#include "oracle.h"

#include <math.h>

RDD_PAIR(int_count, int64_t, int64_t);
RDD_PAIR(str_count, rdd_str, int64_t);
RDD_PAIR(real_count, double, int64_t);
RDD_STRUCT(person, (rdd_str, name), (int32_t, age), (bool, here));
RDD_PAIR(person_count, person, int64_t);
RDD_LIST(words, rdd_str);
RDD_PAIR(words_count, words, int64_t);

DUAL_FLAT_MAP(nothing, int64_t, x, int64_t)
{
    (void)x;
}

/* ---- collect, take, first ------------------------------------------------------------------- */

CASE(takes)
{
    dual texts = random_items(rdd_str, random_count());
    size_t total = model_total(texts.model);
    say_take(texts, 0);
    say_take(texts, 1);
    say_take(texts, 2);
    say_take(texts, total / 2);
    say_take(texts, total);
    say_take(texts, total + 1);
    say_take(texts, SIZE_MAX);
    say_first(texts);
    say_is_empty(texts);
}

/* What there is sits in the last partition, or nowhere. */
DUAL_MAP_PARTITIONS(only_late, int64_t, int64_t)
{
    for (int64_t x; dual_next(from, &x);)
        if (x >= 990)
            dual_emit(int64_t, x);
}

CASE(takes_from_few)
{
    dual late = dual_map_partitions(dual_range(0, 1000, 1), only_late);
    dual none = dual_flat_map(dual_range(0, 1000, 1), nothing);
    say_take(late, 3);
    say_take(late, 100);
    say_first(late);
    say_is_empty(late);
    say_take(none, 3);
    say_first(none);
    say_is_empty(none);
    say_count(none);
    say_collect(none);
}

CASE(local_iterator)
{
    dual texts = random_items(rdd_str, random_count());
    dual people = random_items(person, random_count());
    say_local(texts, SIZE_MAX);
    say_local(people, SIZE_MAX);
    say_local(texts, 0);
    say_local(texts, 1);
    say_local(people, model_total(people.model) / 2);
    say_local(dual_flat_map(dual_range(0, 100, 1), nothing), 5);
}

/* ---- order ---------------------------------------------------------------------------------- */

DUAL_ORDER(by_size, rdd_str, a, b)
{
    return (a.size > b.size) - (a.size < b.size);
}

DUAL_ORDER(by_last_digit, int64_t, a, b)
{
    uint64_t x = (uint64_t)a % 10, y = (uint64_t)b % 10;
    return (x > y) - (x < y);
}

DUAL_ORDER(all_equal, person, a, b)
{
    (void)a, (void)b;
    return 0;
}

DUAL_ORDER(by_age, person, a, b)
{
    return (a.age > b.age) - (a.age < b.age);
}

static void all_orders(dual d)
{
    size_t total = model_total(d.model);
    say_top(d, 0);
    say_top(d, 1);
    say_top(d, 5);
    say_top(d, total + 3);
    say_take_ordered(d, 5);
    say_take_ordered(d, total ? total - 1 : 0);
    say_extremes(d);
}

CASE(tops)
{
    all_orders(random_items(int64_t, random_count()));
    all_orders(random_items(rdd_str, random_count()));
    all_orders(random_items(double, random_count()));
    all_orders(random_items(uint64_t, random_count()));
    all_orders(random_items(int8_t, random_count()));
    all_orders(random_items(person, random_count()));
    all_orders(random_items(words, random_count()));
}

CASE(tops_by)
{
    dual texts = random_items(rdd_str, random_count());
    dual numbers = random_items(int64_t, random_count());
    dual people = random_items(person, random_count());
    say_top_by(texts, 10, by_size);
    say_take_ordered_by(texts, 10, by_size);
    say_extremes_by(texts, by_size);
    say_top_by(numbers, 30, by_last_digit);
    say_take_ordered_by(numbers, 1000, by_last_digit);
    say_extremes_by(numbers, by_last_digit);
    say_top_by(people, 7, all_equal);
    say_take_ordered_by(people, 7, all_equal);
    say_extremes_by(people, all_equal);
    say_top_by(people, 20, by_age);
}

/* Most offers push something out, so that the heap makes its memory anew. */
CASE_ONCE(top_of_long_strings)
{
    size_t count = 600;
    rdd_str *texts = oracle_alloc(count * sizeof *texts);
    for (size_t i = 0; i < count; i++) {
        size_t size = 5000 + (size_t)draw_below(9000);
        char *text = oracle_alloc(size);
        memset(text, (int)('a' + draw_below(26)), size);
        snprintf(text, 16, "%015llu", (unsigned long long)(i * 7));
        texts[i] = (rdd_str){ size, text };
    }
    dual all = dual_items(rdd_str, texts, count);
    say_top(all, 3);
    say_top(all, 40);
    say_take_ordered(all, 40);
    say_top_by(all, 20, by_size);
}

CASE(count_by_value)
{
    say_count_by_value(int_count, random_items(int64_t, random_count()));
    say_count_by_value(str_count, random_items(rdd_str, random_count()));
    say_count_by_value(person_count, random_items(person, random_count()));
    say_count_by_value(words_count, random_items(words, random_count()));
    say_count_by_value(real_count, dual_items(double, ((double[]){ NAN, 0.5, NAN, 1, 0.5, NAN }), 6));
    say_count_by_value(int_count, dual_flat_map(dual_range(0, 10, 1), nothing));
}

/* ---- reduce, fold, aggregate ---------------------------------------------------------------- */

DUAL_REDUCE(add, int64_t, a, b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* Associative, not commutative. */
DUAL_REDUCE(concat, rdd_str, a, b)
{
    return maker_concat(m, a, b);
}

DUAL_REDUCE(left, rdd_str, a, b)
{
    (void)b;
    return a;
}

DUAL_REDUCE(right, rdd_str, a, b)
{
    (void)a;
    return b;
}

/* x -> ax + b under composition: order matters at every step. */
RDD_STRUCT(affine, (uint64_t, a), (uint64_t, b));
DUAL_REDUCE(compose, affine, f, g)
{
    return (affine){ f.a * g.a, g.a * f.b + g.b };
}

CASE(reduces)
{
    dual numbers = random_items(int64_t, random_count());
    dual texts = random_items(rdd_str, random_count());
    dual maps = random_items(affine, random_count());
    say_reduce(numbers, add);
    say_reduce(texts, concat);
    say_reduce(texts, left);
    say_reduce(texts, right);
    say_reduce(maps, compose);
    say_reduce(dual_range(0, 5000, 1), add);
    say_reduce(dual_flat_map(numbers, nothing), add);
    for (int depth = 1; depth <= 4; depth++) {
        say_tree_reduce(numbers, add, depth);
        say_tree_reduce(texts, concat, depth);
        say_tree_reduce(maps, compose, depth);
        say_tree_reduce(dual_flat_map(numbers, nothing), add, depth);
    }
}

CASE(folds)
{
    dual numbers = random_items(int64_t, random_count());
    dual texts = random_items(rdd_str, random_count());
    dual maps = random_items(affine, random_count());
    say_fold(numbers, &(int64_t){ 0 }, add);
    say_fold(texts, &RDD_STR(""), concat);
    say_fold(maps, (&(affine){ 1, 0 }), compose);
    say_fold(dual_flat_map(numbers, nothing), &(int64_t){ 0 }, add);
}

/* An accumulator with strings: kept from batch to batch. */
RDD_STRUCT(summary, (int64_t, count), (rdd_str, longest), (rdd_str, all), (words, ends));

static words two_words(maker *m, rdd_str a, rdd_str b)
{
    rdd_str *both = maker_alloc(m, 2 * sizeof *both);
    both[0] = a;
    both[1] = b;
    return (words){ 2, both };
}

DUAL_AGGREGATE(take_word, summary, acc, rdd_str, s)
{
    acc->count++;
    if (s.size > acc->longest.size)
        acc->longest = maker_keep(m, s);
    if (s.size < 10)
        acc->all = maker_concat(m, acc->all, s);
    acc->ends = two_words(m, acc->ends.count ? acc->ends.items[0] : maker_keep(m, s),
                          maker_keep(m, s));
}

DUAL_REDUCE(merge_words, summary, a, b)
{
    summary both = { a.count + b.count, a.longest.size >= b.longest.size ? a.longest : b.longest,
                     maker_concat(m, a.all, b.all), { 0, NULL } };
    if (a.ends.count && b.ends.count)
        both.ends = two_words(m, a.ends.items[0], b.ends.items[1]);
    else
        both.ends = a.ends.count ? a.ends : b.ends;
    return both;
}

CASE(aggregates)
{
    static const summary ZERO = { 0, { 0, "" }, { 0, "" }, { 0, NULL } };
    dual texts = random_items(rdd_str, random_count());
    say_aggregate(texts, summary, &ZERO, take_word, merge_words);
    for (int depth = 1; depth <= 4; depth++)
        say_tree_aggregate(texts, summary, &ZERO, take_word, merge_words, depth);
    dual many = random_items(rdd_str, 5000);
    say_aggregate(many, summary, &ZERO, take_word, merge_words);
    say_tree_aggregate(many, summary, &ZERO, take_word, merge_words, 3);
}

/* ---- numbers -------------------------------------------------------------------------------- */

/* Numbers whose sums and squares are exact, or nearly so, in any order. */
#define NUMBERS(T, least, range)                                   \
    do {                                                           \
        size_t count_ = random_count();                            \
        T *items_ = oracle_alloc((count_ + 1) * sizeof(T));        \
        for (size_t i_ = 0; i_ < count_; i_++)                     \
            items_[i_] = (T)((T)(least) + (T)draw_below(range));   \
        dual numbers_ = dual_items(T, items_, count_);             \
        say("%s", #T);                                             \
        say_stats(numbers_);                                       \
        say_histogram(numbers_, edges, 4);                         \
        say_histogram_even(numbers_, 1);                           \
        say_histogram_even(numbers_, 10);                          \
    } while (0)

CASE(statistics)
{
    static const double edges[] = { -40, -0.5, 0, 17, 100 };
    NUMBERS(int8_t, -100, 200);
    NUMBERS(int16_t, -1000, 2000);
    NUMBERS(int32_t, -100, 200);
    NUMBERS(int64_t, -100000, 200000);
    NUMBERS(uint8_t, 0, 256);
    NUMBERS(uint16_t, 0, 1000);
    NUMBERS(uint32_t, 0, 100);
    NUMBERS(uint64_t, 0, 1000);
    NUMBERS(float, -50, 100);
    NUMBERS(double, -50, 100);
}

CASE(statistics_of_any)
{
    static const double edges[] = { -INFINITY, -1, 0, 1, INFINITY };
    dual any = random_items(double, random_count());
    say_histogram(any, edges, 4);
    say_histogram(any, edges + 1, 1);
    double *finite = random_array(RDD_TYPE(double), 500);
    for (size_t i = 0; i < 500; i++)
        if (!(fabs(finite[i]) < 1e9))
            finite[i] = (double)i / 7;
    say_stats(dual_items(double, finite, 500));
    say_sum(dual_items(double, finite, 500), double);
    say_stats(dual_range(0, 100001, 1));
    say_histogram_even(dual_range(0, 1001, 1), 7);
    say_histogram_even(dual_range(5, 6, 1), 3);
}

CASE(sums)
{
    dual numbers = random_items(int64_t, random_count());
    say_sum(numbers, int64_t);
    say_sum(numbers, uint64_t);
    say_sum(numbers, double);
    dual naturals = random_items(uint64_t, random_count());
    say_sum(naturals, int64_t);
    say_sum(naturals, uint64_t);
    say_sum(random_items(int8_t, random_count()), int64_t);
    say_sum(random_items(uint16_t, random_count()), double);
    say_sum(dual_range(INT64_MAX - 10, INT64_MAX, 1), int64_t);
    say_sum(dual_range(INT64_MIN, INT64_MIN + 1, 1), int64_t);
    say_sum(dual_flat_map(numbers, nothing), int64_t);
    /* what a plain sum of doubles would lose */
    double hard[] = { 1e100, 1, -1e100, 1, 1e16, 1, -1e16, 0.25 };
    say_value("hard", RDD_TYPE(double), &(double){ 3.25 });
    double got = 3.25;
    if (!is_model())
        got = rdd_sum(rdd_parallelize(oracle.ctx, double, hard, 8, .partitions = 1), double);
    say_value("hard", RDD_TYPE(double), &got);
}

/* ---- side effects --------------------------------------------------------------------------- */

DUAL_FOREACH(count_each, int64_t, x)
{
    maker_count(m, "each.count", 1);
    maker_count(m, "each.sum", x % 1000);
}

DUAL_FOREACH_PARTITION(count_partition, int64_t)
{
    maker_count(m, "partition.count", 1);
    maker_count(m, "partition.number", m->partition);
    for (int64_t x; dual_next(from, &x);)
        maker_count(m, "partition.sum", x % 1000);
}

CASE(foreach)
{
    dual numbers = random_items(int64_t, random_count());
    run_foreach(numbers, count_each);
    run_foreach(dual_range(0, 3000, 1), count_each);
    run_foreach_partition(numbers, count_partition);
    run_foreach_partition(dual_coalesce(numbers, 3), count_partition);
    say_counter("each.count");
    say_counter("each.sum");
    say_counter("partition.count");
    say_counter("partition.number");
    say_counter("partition.sum");
}
