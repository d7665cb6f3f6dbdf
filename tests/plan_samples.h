/* plan_samples.h: lineages with a bit of everything, as plans: for plan_test, and for plan_fuzz, whose
 * corpus plan_test writes. Both have the same operators, so that they have the same numbers. Include
 * it after test.h, or after ASSERT is there. */
#ifndef RDD_PLAN_SAMPLES_H
#define RDD_PLAN_SAMPLES_H

#include "block.h"
#include "plan.h"
#include "registry.h"

#define SAMPLE_HELPER __attribute__((unused)) static

RDD_PAIR(sample_pair, int64_t, int64_t);
RDD_PAIR(sample_text_pair, rdd_str, int64_t);
RDD_LIST(sample_ints, int64_t);
RDD_OPTIONAL(sample_maybe, double);
RDD_STRUCT(sample_env, (double, factor), (rdd_str, label), (sample_ints, numbers));
RDD_STRUCT(sample_item, (int8_t, small), (rdd_str, name), (sample_maybe, price), (sample_ints, sizes));

RDD_MAP(sample_square, int64_t, x, int64_t)
{
    return x * x;
}

RDD_MAP(sample_scaled, int64_t, x, rdd_str, sample_env)
{
    return rdd_format(task, "%g%.*s", (double)x * env->factor, (int)env->label.size, env->label.data);
}

RDD_FILTER(sample_even, int64_t, x)
{
    return x % 2 == 0;
}

RDD_FLAT_MAP(sample_twice, int64_t, x, int64_t)
{
    rdd_emit(x);
    rdd_emit(x);
}

RDD_MAP(sample_item_of, int64_t, x, sample_item)
{
    return (sample_item){ (int8_t)x, rdd_format(task, "%d", (int)x), { x > 0, 0.5 }, { 0, NULL } };
}

RDD_MAP(sample_row_of, int64_t, x, rdd_row)
{
    return rdd_row_set(task, (rdd_row){ 0, NULL }, RDD_STR("x"), rdd_format(task, "%d", (int)x));
}

RDD_MAP_PARTITIONS(sample_all, int64_t, in, int64_t)
{
    for (int64_t x; rdd_next(in, &x);)
        rdd_emit(x);
}

RDD_ZIP_PARTITIONS(sample_sums, int64_t, a, int64_t, b, int64_t)
{
    for (int64_t x, y; rdd_next(a, &x) && rdd_next(b, &y);)
        rdd_emit(x + y);
}

RDD_REDUCE(sample_add, int64_t, a, b)
{
    return a + b;
}

RDD_AGGREGATE(sample_count, sample_pair, acc, int64_t, x)
{
    acc->key += x;
    acc->value++;
}

RDD_FOREACH(sample_see, int64_t, x)
{
    rdd_count_up(task, "seen", x);
}

RDD_FOREACH_PARTITION(sample_see_all, int64_t, in)
{
    for (int64_t x; rdd_next(in, &x);)
        rdd_count_up(task, "seen", x);
}

RDD_ORDER(sample_order, int64_t, a, b)
{
    return (a > b) - (a < b);
}

enum { SAMPLE_COUNT = 17 };

typedef struct plan_sample {
    rdd *rdd;
    action act;
} plan_sample;

/* A block of one value, in the context's memory by way of a node's env: kept by the caller. */
SAMPLE_HELPER rdd_str sample_block(const rdd_type *t, const void *value, buf *out)
{
    rdd_error err;
    buf_clear(out);
    int code = block_encode(t, value, 1, out, &err);
    ASSERT(code == 0);
    return (rdd_str){ out->size, out->data };
}

/* `zero` owns the blocks of two actions; it must outlive the samples. */
SAMPLE_HELPER void samples_build(rdd_context *ctx, plan_sample ret[SAMPLE_COUNT], buf zero[3])
{
    static const int64_t NUMBERS[] = { 5, 6, 7 };
    static const double EDGES[] = { 0, 1 };
    rdd *r = rdd_range(ctx, -3, 1000, .partitions = 4, .step = 2);
    rdd *items = rdd_parallelize(ctx, int64_t, NUMBERS, 3, .partitions = 4, .name = "given");
    rdd *odd = rdd_flat_map(rdd_filter(rdd_map(r, sample_square), sample_even), sample_twice);
    rdd *texts = rdd_map(items, RDD_WITH(sample_scaled, .factor = 2, .label = RDD_STR("kg"),
                                         .numbers = { 3, NUMBERS }));
    rdd *pairs = rdd_key_by(sample_pair, r, sample_square, .name = "keyed");
    rdd *rows = rdd_map(r, sample_row_of, .concurrency = 9, .http = { .rate = "5/s", .timeout_ms = 7 });
    const plan_sample samples[SAMPLE_COUNT] = {
        { odd, { .kind = ACTION_COLLECT } },
        { texts, { .kind = ACTION_TAKE, .n = 3, .first = 2 } },
        { rdd_values(rdd_flat_map_values(sample_pair, rdd_map_values(sample_pair, pairs, sample_square),
                                         sample_twice)),
          { .kind = ACTION_COUNT } },
        { rdd_zip_columns(rows, rows), { .kind = ACTION_SAVE_CSV, .delimiter = ';', .compression = 2,
                                         .text = RDD_STR("/tmp/out") } },
        { rdd_coalesce(rdd_union(rdd_map_partitions(r, sample_all), r), 3), { .kind = ACTION_STATS } },
        { rdd_zip_partitions(r, items, sample_sums), { .kind = ACTION_REDUCE, .op = sample_add.op } },
        { rdd_cartesian(sample_pair, r, items), { .kind = ACTION_COLLECT } },
        { rdd_zip(sample_pair, r, rdd_map(r, sample_square)), { .kind = ACTION_SAVE_JSON } },
        { rdd_glom(sample_ints, rdd_sample(r, 0.25, .seed = 9, .with_replacement = true)),
          { .kind = ACTION_COLLECT } },
        { rdd_zip_with_unique_id(sample_pair, rdd_keys(pairs)), { .kind = ACTION_COUNT } },
        { rdd_pipe(texts, "sort | uniq"), { .kind = ACTION_SAVE_TEXT, .text = RDD_STR("x") } },
        { rdd_map(r, sample_item_of), { .kind = ACTION_SAVE_CSV, .text = RDD_STR("x") } },
        { rdd_empty(ctx, sample_item), { .kind = ACTION_COLLECT } },
        { r, { .kind = ACTION_TOP, .n = 5, .flag = true, .op = sample_order.op } },
        { r, { .kind = ACTION_FOLD, .op = sample_add.op, .type = RDD_TYPE(int64_t),
               .zero = sample_block(RDD_TYPE(int64_t), NUMBERS, &zero[0]) } },
        { r, { .kind = ACTION_AGGREGATE, .op = sample_count.op, .type = RDD_TYPE(sample_pair),
               .zero = sample_block(RDD_TYPE(sample_pair), NUMBERS, &zero[1]) } },
        { r, { .kind = ACTION_HISTOGRAM, .zero = sample_block(RDD_TYPE(double), EDGES, &zero[2]) } },
    };
    memcpy(ret, samples, sizeof samples);
}

/* One of them as bytes. */
SAMPLE_HELPER void sample_encode(const plan_sample *sample, buf *out)
{
    rdd_error err;
    rdd **order;
    size_t count;
    int code = lineage_order(sample->rdd, &order, &count, &err);
    ASSERT(code == 0);
    buf_clear(out);
    code = plan_encode(7, order, count, &sample->act, out, &err);
    ASSERT(code == 0);
    free(order);
}

#endif
