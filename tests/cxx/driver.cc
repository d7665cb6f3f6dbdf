/* driver.cc: a driver program in C++, from C++11 on: operators of every kind, env, options and
 * results. Says what it found; cxx.sh compares with driver.txt. Where C++20 has designated
 * initializers they are used, before that options and env go by position. */
#include <rdd.h>

#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#ifdef __cpp_designated_initializers
#define PARTITIONS(n) .partitions = n
#define CONCURRENCY(n) .concurrency = n
#define DEPTH(n) .depth = n
#define SCALE(f, l) .factor = f, .label = l
#define BY(o) .by = o
#else
#define PARTITIONS(n) nullptr, n
#define CONCURRENCY(n) nullptr, n
#define DEPTH(n) nullptr, n
#define SCALE(f, l) f, l
#define BY(o) nullptr, o
#endif

RDD_PAIR(word_count, rdd_str, int64_t);
RDD_PAIR(int_int, int64_t, int64_t);
RDD_LIST(ints, int64_t);
RDD_OPTIONAL(maybe_real, double);
RDD_STRUCT(item, (int64_t, id), (rdd_str, name), (maybe_real, price), (bool, good));
RDD_STRUCT(scale, (double, factor), (rdd_str, label));
RDD_STRUCT(longest, (rdd_str, word), (int64_t, count));

RDD_MAP(square, int64_t, x, int64_t)
{
    return x * x;
}

RDD_MAP(scaled, int64_t, x, rdd_str, scale)
{
    return rdd_format(task, "%g%.*s", static_cast<double>(x) * env->factor,
                      static_cast<int>(env->label.size), env->label.data);
}

RDD_FILTER(even, int64_t, x)
{
    return x % 2 == 0;
}

RDD_FLAT_MAP(split_words, rdd_str, line, word_count)
{
    for (rdd_str word; rdd_str_next_word(&line, &word);)
        rdd_emit(word_count{ word, 1 });
}

RDD_REDUCE(add, int64_t, a, b)
{
    return a + b;
}

RDD_AGGREGATE(longer, longest, acc, rdd_str, word)
{
    acc->count++;
    if (word.size > acc->word.size)
        acc->word = rdd_keep(task, word);
}

RDD_REDUCE(longer_of, longest, a, b)
{
    longest both = a.word.size >= b.word.size ? a : b;
    both.count = a.count + b.count;
    return both;
}

RDD_MAP_PARTITIONS(running, int64_t, in, int64_t)
{
    int64_t sum = 0;
    for (int64_t x; rdd_next(in, &x);)
        rdd_emit(sum += x);
}

RDD_ZIP_PARTITIONS(sums, int64_t, a, int64_t, b, int64_t)
{
    for (int64_t x, y; rdd_next(a, &x) && rdd_next(b, &y);)
        rdd_emit(x + y);
}

RDD_FOREACH(count_all, int64_t, x)
{
    rdd_count_up(task, "seen", x >= 0);
}

RDD_FOREACH_PARTITION(count_partitions, int64_t, in)
{
    (void)in;
    rdd_count_up(task, "partitions", 1);
}

RDD_ORDER(by_last_digit, int64_t, a, b)
{
    return static_cast<int>(a % 10) - static_cast<int>(b % 10);
}

RDD_MAP(price_of, item, i, double)
{
    return i.good && i.price.has ? i.price.value : -1;
}

static std::string text(rdd_str s)
{
    return s.data ? std::string(s.data, s.size) : "none";
}

static void numbers(rdd_context *ctx)
{
    size_t count;
    rdd *r = rdd_range(ctx, 0, 10, PARTITIONS(3));
    const int64_t *squares = rdd_collect(rdd_filter(rdd_map(r, square), even), int64_t, &count);
    for (int64_t x : std::vector<int64_t>(squares, squares + count))
        std::printf("%" PRId64 "\n", x);
    const rdd_str *texts = rdd_collect(rdd_map(r, RDD_WITH(scaled, SCALE(0.5, RDD_STR(" kg")))),
                                       rdd_str, &count);
    auto kept = RDD_WITH(scaled, SCALE(2, rdd_str_of(std::string(" m").c_str())));
    const rdd_str *metres = rdd_collect(rdd_map(r, kept), rdd_str, &count);
    std::printf("with a handle that was kept, the last %s\n", text(metres[count - 1]).c_str());
    std::printf("%zu texts, the last %s\n", count, text(texts[count - 1]).c_str());
    std::printf("sum %" PRId64 ", of %" PRId64 "\n", rdd_sum(r, int64_t), rdd_count(r));
    std::printf("reduce %" PRId64 ", tree %" PRId64 ", fold %" PRId64 "\n",
                rdd_reduce(rdd_map(r, square), int64_t, add),
                rdd_tree_reduce(rdd_map(r, square), int64_t, add, DEPTH(3)),
                rdd_fold(r, int64_t, 0, add));
    const int64_t *top = rdd_top(rdd_range(ctx, 0, 25), int64_t, 3, &count, BY(by_last_digit));
    std::printf("top %" PRId64 " %" PRId64 " %" PRId64 "\n", top[0], top[1], top[2]);
    std::printf("first %" PRId64 ", least %" PRId64 ", mean %g\n", rdd_first(r, int64_t),
                rdd_min(r, int64_t), rdd_mean(r));
}

static void partitions(rdd_context *ctx)
{
    size_t count;
    rdd *r = rdd_range(ctx, 0, 10, PARTITIONS(2));
    rdd *both = rdd_zip_partitions(r, rdd_map_partitions(r, running), sums);
    const int64_t *sums_of_both = rdd_collect(both, int64_t, &count);
    for (size_t i = 0; i < count; i++)
        std::printf("%" PRId64 " ", sums_of_both[i]);
    std::printf("\n");
    const ints *lists = rdd_collect(rdd_glom(ints, rdd_union(r, both)), ints, &count);
    std::printf("%zu lists, the first of %zu\n", count, lists[0].count);
    rdd *numbered = rdd_zip_with_index(int_int, rdd_filter(r, even));
    const int_int *pairs = rdd_take(numbered, int_int, 2, &count);
    std::printf("%" PRId64 " is number %" PRId64 "\n", pairs[1].key, pairs[1].value);
    rdd_foreach(r, count_all);
    rdd_foreach_partition(r, count_partitions);
    std::printf("seen %" PRId64 " in %" PRId64 "\n", rdd_counter(ctx, "seen"),
                rdd_counter(ctx, "partitions"));
    int64_t sum = 0;
    rdd_local_iterator *it = rdd_to_local_iterator(r, int64_t);
    for (int64_t x; rdd_local_next(it, int64_t, &x);)
        sum += x;
    rdd_local_close(it);
    std::printf("one by one %" PRId64 "\n", sum);
}

static void words(rdd_context *ctx)
{
    size_t count;
    const rdd_str lines[] = { RDD_STR("to be or not"), RDD_STR(""), RDD_STR("to be") };
    rdd *pairs = rdd_flat_map(rdd_parallelize(ctx, rdd_str, lines, 3, PARTITIONS(2)), split_words,
                              CONCURRENCY(4));
    const word_count *found = rdd_count_by_value(rdd_keys(pairs), word_count, &count);
    for (size_t i = 0; i < count; i++)
        std::printf("%s %" PRId64 "\n", text(found[i].key).c_str(), found[i].value);
    longest zero = { RDD_STR(""), 0 };
    longest l = rdd_aggregate(rdd_keys(pairs), longest, zero, longer, longer_of);
    std::printf("longest %s of %" PRId64 "\n", text(l.word).c_str(), l.count);
}

static void structs(rdd_context *ctx)
{
    const item items[] = { { 1, RDD_STR("a"), { true, 2.5 }, true },
                           { 2, { 0, nullptr }, { false, 0 }, true } };
    rdd *r = rdd_parallelize(ctx, item, items, 2, PARTITIONS(1));
    item second = rdd_max(r, item);
    std::printf("%" PRId64 " %s %d, %g in all\n", second.id, text(second.name).c_str(),
                second.price.has, rdd_sum(rdd_map(r, price_of), double));
}

static void errors(rdd_context *ctx)
{
    rdd_error err;
    rdd_count(rdd_map(rdd_range(ctx, 0, 3), price_of));
    bool had = rdd_take_error(ctx, &err);
    std::printf("%d %d\n", had, err.code == RDD_E_TYPE);
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    numbers(ctx);
    partitions(ctx);
    words(ctx);
    structs(ctx);
    errors(ctx);
    return rdd_finish(ctx);
}
