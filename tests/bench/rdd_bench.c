/* rdd_bench.c: the library's side of the figures: one workload for each name, timed inside the driver.
 *
 *     build/tests/bench/rdd_bench range 500000000 --master local[1]
 *     build/tests/bench/rdd_bench words FILE | csv FILE | tasks N
 *
 * Prints "SECONDS RESULT". tests/bench/run puts the yardstick beside it.
 */
#include <rdd.h>

#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

RDD_MAP(square, int64_t, x, uint64_t)
{
    return (uint64_t)x * (uint64_t)x;
}

RDD_FILTER(even, uint64_t, x)
{
    return x % 2 == 0;
}

RDD_REDUCE(add, uint64_t, a, b)
{
    return a + b;
}

RDD_FLAT_MAP(words_of, rdd_str, line, rdd_str)
{
    for (rdd_str word; rdd_str_next_word(&line, &word);)
        rdd_emit(word);
}

RDD_STRUCT(sale, (int64_t, id), (rdd_str, name), (double, price), (int32_t, quantity));

RDD_MAP(price_of, sale, s, double)
{
    return s.price;
}

RDD_FOREACH(nothing, int64_t, x)
{
    (void)x;
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    const char *what = argc > 2 ? argv[1] : "", *of = argc > 2 ? argv[2] : "";
    long long n = strtoll(of, NULL, 10);
    char result[64] = "";
    double begun = now_s();
    if (!strcmp(what, "range")) {
        rdd *evens = rdd_filter(rdd_map(rdd_range(ctx, 0, n), square), even);
        snprintf(result, sizeof result, "%llu", (unsigned long long)rdd_reduce(evens, uint64_t, add));
    } else if (!strcmp(what, "words")) {
        rdd *words = rdd_flat_map(rdd_text_file(ctx, of), words_of);
        snprintf(result, sizeof result, "%lld", (long long)rdd_count(words));
    } else if (!strcmp(what, "csv")) {
        rdd *sales = rdd_csv(ctx, of, .item = RDD_TYPE(sale));
        snprintf(result, sizeof result, "%.2f", rdd_sum(rdd_map(sales, price_of), double));
    } else if (!strcmp(what, "tasks")) {
        rdd_foreach(rdd_range(ctx, 0, 0, .partitions = n), nothing);
        snprintf(result, sizeof result, "%lld", n);
    } else {
        rdd_report(ctx, 2, "usage: rdd_bench range N | words FILE | csv FILE | tasks N");
    }
    printf("%.4f %s\n", now_s() - begun, result);
    struct rusage used;
    if (getenv("RDD_BENCH_PEAK") && getrusage(RUSAGE_SELF, &used) == 0)
        fprintf(stderr, "peak %ld\n", used.ru_maxrss >> 10);
    return rdd_finish(ctx);
}
