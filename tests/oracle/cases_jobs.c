/* cases_jobs.c: jobs as such: several at once, records in flight at once, very long lineages. */
#include "oracle.h"

#include <pthread.h>
#include <stdlib.h>

RDD_PAIR(int_int, int64_t, int64_t);
RDD_PAIR(str_int, rdd_str, int64_t);
RDD_PAIR(str_str, rdd_str, rdd_str);
RDD_STRUCT(offset, (int64_t, by));

DUAL_MAP(moved, int64_t, x, int64_t, offset)
{
    return (int64_t)((uint64_t)x + (uint64_t)env->by);
}

DUAL_FILTER(odd, int64_t, x)
{
    return x % 2 != 0;
}

DUAL_MAP(shown, int64_t, x, rdd_str)
{
    return maker_format(m, "%lld", (long long)x);
}

DUAL_MAP(doubled, rdd_str, s, rdd_str)
{
    return maker_concat(m, s, s);
}

DUAL_FLAT_MAP(thrice, int64_t, x, int64_t)
{
    for (int i = 0; i < 3 && x % 5; i++)
        dual_emit(int64_t, (int64_t)((uint64_t)x + (uint64_t)i));
}

DUAL_REDUCE(plus, int64_t, a, b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

DUAL_FLAT_MAP(parts, rdd_str, s, rdd_str)
{
    for (size_t i = 0; i < s.size && i < 4; i++)
        dual_emit(rdd_str, (rdd_str){ s.size - i, s.data + i });
}

/* ---- from several threads ------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 10 };

typedef struct caller {
    int number;
    dual shared;   /* needs a job of its own before it can be used: whoever comes first makes it */
    int64_t results[ROUNDS][3];
} caller;

static void *call_jobs(void *arg)
{
    caller *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        rdd *own = rdd_range(oracle.ctx, c->number, 100 * i, .partitions = oracle.partitions);
        size_t count;
        const int_int *all = rdd_collect(c->shared.real, int_int, &count);
        c->results[i][0] = rdd_count(rdd_filter(rdd_map(own, RDD_WITH(moved, .by = i)), odd));
        c->results[i][1] = rdd_fold(rdd_keys(c->shared.real), int64_t, 0, plus);
        c->results[i][2] = 0;
        for (size_t k = 0; k < count; k++)
            c->results[i][2] += all[k].value;
        rdd_free(oracle.ctx, all);
    }
    return NULL;
}

/* What call_jobs() ought to find. */
static void expect_jobs(caller *c)
{
    size_t count;
    const int_int *all = model_all(c->shared.model, &count);
    uint64_t sum = 0, indexes = 0;
    for (size_t k = 0; k < count; k++) {
        sum += (uint64_t)all[k].key;
        indexes += (uint64_t)all[k].value;
    }
    for (int i = 0; i < ROUNDS; i++) {
        c->results[i][0] = 0;
        for (int64_t x = c->number; x < 100 * i; x++)
            c->results[i][0] += (x + i) % 2 != 0;
        c->results[i][1] = (int64_t)sum;
        c->results[i][2] = (int64_t)indexes;
    }
}

CASE(jobs_at_once)
{
    dual shared = dual_zip_with_index(int_int, dual_flat_map(random_items(int64_t, random_count()),
                                                             thrice));
    caller callers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        callers[i] = (caller){ .number = i, .shared = shared };
        if (is_model())
            expect_jobs(&callers[i]);
        else if (pthread_create(&threads[i], NULL, call_jobs, &callers[i]))
            abort();
    }
    for (int i = 0; i < THREADS; i++) {
        if (!is_model())
            pthread_join(threads[i], NULL);
        for (int k = 0; k < ROUNDS; k++)
            say("%d: %lld %lld %lld", i, (long long)callers[i].results[k][0],
                (long long)callers[i].results[k][1], (long long)callers[i].results[k][2]);
    }
}

/* ---- records in flight at once -------------------------------------------------------------- */

#define AT_ONCE(n) (rdd_operator_options){ .site_ = RDD_SITE, .concurrency = n }

CASE(records_at_once)
{
    dual numbers = random_items(int64_t, random_count());
    dual texts = random_items(rdd_str, random_count());
    say_collect(dual_map_(numbers, PLAIN_(shown), AT_ONCE(7)));
    say_collect(dual_filter_(numbers, PLAIN_(odd), AT_ONCE(2)));
    say_collect(dual_flat_map_(numbers, PLAIN_(thrice), AT_ONCE(100)));
    say_collect(dual_flat_map_(texts, PLAIN_(parts), AT_ONCE(64)));
    dual pairs = dual_key_by_(RDD_TYPE(str_int), numbers, PLAIN_(shown), AT_ONCE(5));
    say_collect(pairs);
    say_collect(dual_map_values_(RDD_TYPE(str_str), pairs, PLAIN_(shown), AT_ONCE(3)));
    say_collect(dual_flat_map_values_(RDD_TYPE(str_int), pairs, PLAIN_(thrice), AT_ONCE(9)));
    dual twice = dual_map_(dual_map_(numbers, PLAIN_(shown), AT_ONCE(4)), PLAIN_(doubled), AT_ONCE(6));
    say_collect(twice);
    say_take(twice, 3);
    say_count(dual_flat_map_(dual_range(0, 5000, 1), PLAIN_(thrice), AT_ONCE(16)));
}

/* ---- attempts and counters ------------------------------------------------------------------ */

/* Fails at its first two attempts, after it counted. */
RDD_MAP_PARTITIONS(third_time, int64_t, in, int64_t)
{
    for (int64_t x; rdd_next(in, &x);) {
        rdd_count_up(task, "tries.elements", 1);
        rdd_count_up(task, "tries.b", x);
        rdd_emit(x * 10 + rdd_attempt(task));
    }
    rdd_count_up(task, "tries.a", 1);
    if (rdd_attempt(task) < 2 && rdd_partition_index(task) % 2 == 0)
        rdd_fail(task, "not yet");
}

static void say_one_counter(void *arg, const char *name, int64_t value)
{
    (void)arg;
    say("%s %lld", name, (long long)value);
}

/* What failed attempts counted and gave is gone. Counters add up over the jobs of a process, so this
 * is done once. */
CASE_ONCE(attempts)
{
    enum { COUNT = 100 };
    int64_t n = oracle.partitions;
    if (is_model()) {
        int64_t items[COUNT], sum = 0;
        for (int64_t p = 0, x = 0; p < n; p++)
            for (; x < (int64_t)model_cut(COUNT, (size_t)n, (size_t)p + 1); x++, sum += x - 1)
                items[x] = x * 10 + (p % 2 == 0 ? 2 : 0);
        say_items("collect", RDD_TYPE(int64_t), items, COUNT);
        say_one_counter(NULL, "tries.a", n);
        say_one_counter(NULL, "tries.b", sum);
        say_one_counter(NULL, "tries.elements", COUNT);
        return;
    }
    size_t count;
    rdd *r = rdd_map_partitions(dual_range(0, COUNT, 1).real, third_time);
    const int64_t *items = rdd_collect(r, int64_t, &count);
    say_items("collect", RDD_TYPE(int64_t), items, count);
    rdd_counters(oracle.ctx, "tries.", say_one_counter, NULL); /* in the order of their names */
}

/* ---- very long lineages --------------------------------------------------------------------- */

DUAL_MAP(next, int64_t, x, int64_t)
{
    return x + 1;
}

/* Built, explained and run without a stack that grows with it. */
CASE_ONCE(long_lineage)
{
#ifdef __SANITIZE_THREAD__
    enum { LENGTH = 10000 }; /* it cannot describe a stack of more than 65,536 frames */
#else
    enum { LENGTH = 100000 };
#endif
    rdd *r = is_model() ? NULL : rdd_range(oracle.ctx, 0, 3, .partitions = 1);
    for (int i = 0; i < LENGTH && r; i++)
        r = rdd_map(r, next);
    char *text = NULL;
    size_t size = 0, count = 3;
    FILE *out = open_memstream(&text, &size);
    rdd_explain(r, out);
    fclose(out);
    size_t lines = 0;
    for (size_t i = 0; i < size; i++)
        lines += text[i] == '\n';
    free(text);
    say("explained in %zu lines", is_model() ? LENGTH + 2 : lines);
    const int64_t expected[] = { LENGTH, LENGTH + 1, LENGTH + 2 };
    const int64_t *items = r ? rdd_collect(r, int64_t, &count) : expected;
    say_items("collect", RDD_TYPE(int64_t), items, count);
}

/* The same over two parents each: unions of unions, and zips of what was zipped. */
CASE_ONCE(long_diamonds)
{
    dual d = dual_range(0, 5, 1);
    for (int i = 0; i < 300; i++)
        d = dual_keys(dual_zip(int_int, dual_map(d, next), d));
    say_collect(d);
    dual u = dual_range(0, 2, 1);
    for (int i = 0; i < 100; i++)
        u = dual_coalesce(dual_union(u, dual_range(i, i + 1, 1)), 3);
    say_collect(u);
}
