/* golden_plans.c: lineages whose plans are kept as files: golden_plans NAME [--explain=dot] prints
 * one, without a name all names. Run by golden.sh, which compares.
 *
 * Plans name lines, so new lineages go to the end of this file, and calls stay on one line:
 * compilers differ in what they call the line of a call over several. */
#include <rdd.h>

RDD_PAIR(word_count, rdd_str, int64_t);
RDD_PAIR(int_int, int64_t, int64_t);
RDD_PAIR(int_str, int64_t, rdd_str);
RDD_PAIR(row_index, rdd_row, int64_t);
RDD_LIST(ints, int64_t);
RDD_OPTIONAL(maybe_real, double);
RDD_STRUCT(item, (int64_t, id), (rdd_str, name), (maybe_real, price), (ints, sizes));
RDD_STRUCT(scale, (double, factor), (rdd_str, label));

RDD_MAP(square, int64_t, x, int64_t)
{
    return x * x;
}

RDD_FILTER(even, int64_t, x)
{
    return x % 2 == 0;
}

RDD_MAP(scaled, int64_t, x, rdd_str, scale)
{
    return rdd_str_concat(task, rdd_format(task, "%g ", (double)x * env->factor), env->label);
}

RDD_FLAT_MAP(split_words, rdd_str, line, word_count)
{
    for (rdd_str word; rdd_str_next_word(&line, &word);)
        rdd_emit((word_count){ word, 1 });
}

RDD_MAP(same_row, rdd_row, row, rdd_row)
{
    return row;
}

RDD_MAP(size_of, rdd_str, s, int64_t)
{
    return (int64_t)s.size;
}

RDD_MAP(item_id, item, i, int64_t)
{
    return i.id;
}

RDD_MAP_PARTITIONS(first_only, int64_t, in, int64_t)
{
    int64_t x;
    if (rdd_next(in, &x))
        rdd_emit(x);
}

RDD_ZIP_PARTITIONS(longer, int64_t, a, rdd_str, b, rdd_str)
{
    (void)a;
    for (rdd_str s; rdd_next(b, &s);)
        rdd_emit(s);
}

static const char *const ROWS = "tests/golden/rows.csv", *const LINES = "tests/golden/lines.txt";

static rdd *plan_hello(rdd_context *ctx)
{
    rdd *numbers = rdd_range(ctx, 0, 1000, .partitions = 4);
    return rdd_filter(rdd_map(numbers, square), even);
}

static rdd *plan_words(rdd_context *ctx)
{
    rdd *lines = rdd_text_file(ctx, LINES, .name = "the lines", .partitions = 1);
    rdd *words = rdd_flat_map(lines, split_words);
    return rdd_values(words);
}

static rdd *plan_api_call(rdd_context *ctx)
{
    rdd *rows = rdd_csv(ctx, ROWS, .partitions = 1);
    rdd *answers = rdd_map(rows, same_row, .concurrency = 64, .name = "call");
    return rdd_zip_columns(rows, answers);
}

static rdd *plan_structs(rdd_context *ctx)
{
    rdd *items = rdd_json_lines(ctx, LINES, .item = RDD_TYPE(item), .partitions = 1);
    return rdd_map(items, item_id);
}

static rdd *plan_env(rdd_context *ctx)
{
    rdd *r = rdd_range(ctx, 0, 10, .partitions = 2);
    return rdd_map(r, RDD_WITH(scaled, .factor = 2, .label = RDD_STR("kg")), .name = "in \"kg\"");
}

static rdd *plan_union(rdd_context *ctx)
{
    rdd *a = rdd_range(ctx, 0, 10, .partitions = 2);
    rdd *b = rdd_range(ctx, 0, 10, .partitions = 3);
    rdd *both = rdd_union(a, rdd_map(b, square));
    return rdd_coalesce(rdd_union(both, a), 2);
}

static rdd *plan_diamond(rdd_context *ctx)
{
    rdd *numbers = rdd_filter(rdd_range(ctx, 0, 10, .partitions = 2), even);
    return rdd_zip(int_int, numbers, rdd_map(numbers, square));
}

static rdd *plan_numbered(rdd_context *ctx)
{
    rdd *rows = rdd_csv(ctx, ROWS, .partitions = 1);
    return rdd_sample(rdd_zip_with_index(row_index, rows), 0.5, .seed = 7);
}

static rdd *plan_pairs(rdd_context *ctx)
{
    rdd *numbers = rdd_range(ctx, 0, 10, .partitions = 2);
    rdd *pairs = rdd_key_by(int_int, numbers, square);
    return rdd_keys(rdd_map_values(int_int, pairs, square));
}

static rdd *plan_partitions(rdd_context *ctx)
{
    rdd *numbers = rdd_map_partitions(rdd_range(ctx, 0, 10, .partitions = 2), first_only);
    rdd *texts = rdd_map(numbers, RDD_WITH(scaled, .factor = 1));
    return rdd_map(rdd_zip_partitions(numbers, texts, longer), size_of);
}

static rdd *plan_cartesian(rdd_context *ctx)
{
    rdd *a = rdd_range(ctx, 0, 10, .partitions = 2);
    rdd *b = rdd_pipe(rdd_text_file(ctx, LINES, .partitions = 1), "sort -u");
    return rdd_cartesian(int_str, a, b);
}

static rdd *plan_glom(rdd_context *ctx)
{
    static const int64_t few[] = { 1, 2, 3 };
    return rdd_glom(ints, rdd_parallelize(ctx, int64_t, few, 3, .partitions = 2));
}

static rdd *plan_empty(rdd_context *ctx)
{
    return rdd_zip_with_unique_id(word_count, rdd_empty(ctx, rdd_str));
}

static const struct golden {
    const char *name;
    rdd *(*plan)(rdd_context *ctx);
} PLANS[] = {
    { "hello", plan_hello },           { "words", plan_words },
    { "api_call", plan_api_call },     { "structs", plan_structs },
    { "env", plan_env },               { "union", plan_union },
    { "diamond", plan_diamond },       { "numbered", plan_numbered },
    { "pairs", plan_pairs },           { "partitions", plan_partitions },
    { "cartesian", plan_cartesian },   { "glom", plan_glom },
    { "empty", plan_empty },
};

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    bool found = argc < 2;
    for (size_t i = 0; i < sizeof PLANS / sizeof *PLANS; i++) {
        if (argc < 2) {
            puts(PLANS[i].name);
        } else if (!strcmp(argv[1], PLANS[i].name)) {
            rdd_explain(PLANS[i].plan(ctx), stdout);
            found = true;
        }
    }
    if (!found)
        rdd_report(ctx, 2, "there is no plan %s", argv[1]);
    return rdd_finish(ctx);
}
