/* cases_errors.c: what fails says which operator, where it stands, which record and why; what does
 * not fit is refused when it is built, with both places. */
#include "oracle.h"

#include "conf.h"

#include <stdlib.h>

RDD_PAIR(int_int, int64_t, int64_t);
RDD_PAIR(str_int, rdd_str, int64_t);
RDD_PAIR(int_str, int64_t, rdd_str);
RDD_LIST(ints, int64_t);

static const char *const TRIED = "failed 4 times, first: ";

/* ---- records -------------------------------------------------------------------------------- */

enum { COUNT = 1000, BAD = 777 };

/* Where element number `index` of the numbers is. */
static void place(size_t index, size_t *ret_partition, size_t *ret_at)
{
    size_t p = 0, n = (size_t)oracle.partitions;
    while (model_cut(COUNT, n, p + 1) <= index)
        p++;
    *ret_partition = p;
    *ret_at = index - model_cut(COUNT, n, p);
}

static void say_failed(const rdd_op *op, const char *reason, const char *record)
{
    size_t partition, at;
    place(BAD, &partition, &at);
    say_error(oracle_text("%soperator %s (%s:%d): %s; the record is %s; record %zu of partition %zu",
                          TRIED, op->name, op->file, op->line, reason, record, at, partition).data);
}

RDD_MAP(bad_map, int64_t, x, int64_t)
{
    if (x == BAD)
        rdd_fail(task, "%d of\nall", BAD);
    if (x == BAD)
        rdd_fail(task, "another reason");
    return x;
}

RDD_MAP(bad_json, int64_t, x, int64_t)
{
    return rdd_from_json(task, int64_t, x == BAD ? RDD_STR("true") : RDD_STR("1"));
}

RDD_FILTER(bad_filter, int64_t, x)
{
    if (x == BAD)
        rdd_fail(task, "no");
    return x % 2;
}

RDD_FLAT_MAP(bad_flat_map, int64_t, x, int64_t)
{
    for (int64_t i = 0; i < 1 + x % 3; i++)
        rdd_emit(i);
    if (x == BAD)
        rdd_fail(task, "no");
    rdd_emit(x);
}

/* Fails, and goes on reading. */
RDD_MAP_PARTITIONS(bad_partition, int64_t, in, int64_t)
{
    for (int64_t x; rdd_next(in, &x);) {
        if (x == BAD)
            rdd_fail(task, "no");
        rdd_emit(x);
    }
}

RDD_ZIP_PARTITIONS(bad_zip, int64_t, a, int64_t, b, int64_t)
{
    int64_t x, y = 0;
    while (rdd_next(a, &x) && rdd_next(b, &y)) {
        if (x == BAD)
            rdd_fail(task, "no");
        rdd_emit(y);
    }
}

RDD_REDUCE(bad_reduce, int64_t, a, b)
{
    if (b == BAD)
        rdd_fail(task, "no");
    return a + b;
}

RDD_REDUCE(plus, int64_t, a, b)
{
    return a + b;
}

RDD_AGGREGATE(bad_aggregate, int64_t, acc, int64_t, x)
{
    if (x == BAD)
        rdd_fail(task, "no");
    *acc += x;
}

RDD_FOREACH(bad_foreach, int64_t, x)
{
    if (x == BAD)
        rdd_fail(task, "no");
}

RDD_FOREACH_PARTITION(bad_foreach_partition, int64_t, in)
{
    for (int64_t x; rdd_next(in, &x);)
        if (x == BAD)
            rdd_fail(task, "no");
}

RDD_FILTER(not_bad, int64_t, x)
{
    return x != BAD;
}

RDD_ORDER(bad_order, int64_t, a, b)
{
    if (a == BAD || b == BAD)
        rdd_fail(task, "no");
    return (a > b) - (a < b);
}

/* The call, and in `where` where it stands. On one line: compilers differ in what they call the line
 * of a call over several. */
#define SITED_CALL(where, ...) (where = RDD_SITE, __VA_ARGS__)

/* With --oracle `real` is NULL, and on NULL nothing is done: the calls below need no condition. */
static rdd *numbers(void)
{
    return dual_range(0, COUNT, 1).real;
}

CASE(record_fails)
{
    rdd *r = numbers();
    rdd_count(rdd_map(r, bad_map));
    say_failed(bad_map.op, "777 of all", "777");
    rdd_count(rdd_map(r, bad_json));
    say_failed(bad_json.op, "JSON: a number is expected at byte 0, found true", "777");
    rdd_count(rdd_filter(r, bad_filter));
    say_failed(bad_filter.op, "no", "777");
    rdd_count(rdd_flat_map(r, bad_flat_map));
    say_failed(bad_flat_map.op, "no", "777");
    rdd_count(rdd_map_partitions(r, bad_partition));
    say_failed(bad_partition.op, "no", "777");
    rdd_count(rdd_zip_partitions(r, r, bad_zip));
    say_failed(bad_zip.op, "no", "777");
    rdd_foreach(r, bad_foreach);
    say_failed(bad_foreach.op, "no", "777");
    rdd_foreach_partition(r, bad_foreach_partition);
    say_failed(bad_foreach_partition.op, "no", "777");
    rdd_count(rdd_map(r, bad_map, .concurrency = 8));
    say_failed(bad_map.op, "777 of all", "777");
}

CASE(record_fails_in_fold)
{
    rdd *r = numbers();
    rdd_reduce(r, int64_t, bad_reduce);
    say_failed(bad_reduce.op, "no", "777");
    rdd_fold(r, int64_t, 0, bad_reduce);
    say_failed(bad_reduce.op, "no", "777");
    rdd_aggregate(r, int64_t, 0, bad_aggregate, plus);
    say_failed(bad_aggregate.op, "no", "777");
    rdd_tree_aggregate(r, int64_t, 0, bad_aggregate, plus, .depth = 3);
    say_failed(bad_aggregate.op, "no", "777");
    size_t count;
    if (r)
        rdd_top(r, int64_t, 3, &count, .by = bad_order);
    say_failed(bad_order.op, "no", "777");
}

DUAL_MAP(plus_one, int64_t, x, int64_t)
{
    return x + 1;
}

CASE(record_fails_in_pairs)
{
    rdd *r = numbers();
    rdd *pairs = dual_key_by(int_int, dual_range(0, COUNT, 1), plus_one).real;
    rdd_count(rdd_key_by(int_int, r, bad_map));
    say_failed(bad_map.op, "777 of all", "777");
    rdd_count(rdd_map_values(int_int, pairs, bad_map));
    say_failed(bad_map.op, "777 of all", "{\"key\":778,\"value\":777}");
    rdd_count(rdd_flat_map_values(int_int, pairs, bad_flat_map));
    say_failed(bad_flat_map.op, "no", "{\"key\":778,\"value\":777}");
}

/* The partition and the record are those of the operator, whatever becomes of the partitions. */
CASE(record_fails_further_up)
{
    rdd *r = numbers();
    rdd *bad = rdd_map(r, bad_map);
    rdd_count(rdd_coalesce(bad, 3));
    say_failed(bad_map.op, "777 of all", "777");
    rdd_count(rdd_union(r, bad));
    say_failed(bad_map.op, "777 of all", "777");
    rdd_count(rdd_coalesce(rdd_union(r, rdd_map_partitions(r, bad_partition)), 1));
    say_failed(bad_partition.op, "no", "777");
    rdd_count(rdd_zip_with_index(int_int, bad));
    say_failed(bad_map.op, "777 of all", "777");
}

/* A failure that nobody comes to is none. (It is one in the batch of a record that is wanted.) */
CASE(record_fails_too_late)
{
    rdd *many = dual_range(-5000, COUNT, 1).real;
    size_t count = 3;
    if (many)
        rdd_take(rdd_map(many, bad_map), int64_t, 3, &count);
    say("took %zu", count);
    if (many)
        rdd_take(rdd_map_partitions(many, bad_partition), int64_t, 3, &count);
    say("took %zu", count);
}

/* ---- zip ------------------------------------------------------------------------------------ */

static void say_unequal(const char *site, const char *side)
{
    size_t partition, at, n = (size_t)oracle.partitions;
    place(BAD, &partition, &at);
    size_t whole = model_cut(COUNT, n, partition + 1) - model_cut(COUNT, n, partition);
    say_error(oracle_text("zip (%s): partition %zu has %zu elements on the %s and more on the other "
                          "side; zip wants as many on both%s", site, partition, whole - 1, side,
                          n == 1 ? "" : ": if they are as many in all, .partitions = 1 on both sources, or "
                                        "rdd_coalesce to 1, puts all side by side").data);
}

CASE(zip_of_unequal)
{
    rdd *r = numbers(), *less = rdd_filter(r, not_bad);
    const char *left_site, *right_site;
    rdd *left = SITED_CALL(left_site, rdd_zip(int_int, less, r));
    rdd *right = SITED_CALL(right_site, rdd_zip(int_int, r, less));
    rdd_count(left);
    say_unequal(left_site, "left");
    rdd_count(right);
    say_unequal(right_site, "right");
}

/* ---- what does not fit ---------------------------------------------------------------------- */

RDD_MAP(length, rdd_str, s, int64_t)
{
    return (int64_t)s.size;
}

RDD_STRUCT(scale, (double, factor));
RDD_MAP(scaled, int64_t, x, double, scale)
{
    return (double)x * env->factor;
}

static const char *site;

/* Makes the call, which must be refused, and notes where it stands. On one line. */
#define REFUSED(...) ((void)SITED_CALL(site, __VA_ARGS__))

#define EXPECT(...) say_error(oracle_text(__VA_ARGS__).data)

CASE_ONCE(refused)
{
    size_t count;
    rdd_context *ctx = oracle.ctx; /* NULL with --oracle: then nothing is done */
    const char *of, *at;
    rdd *n = SITED_CALL(of, rdd_range(ctx, 0, 9, .partitions = 3));
    rdd *five = SITED_CALL(at, rdd_range(ctx, 0, 9, .partitions = 5));
    REFUSED(rdd_map(n, length));
    EXPECT("rdd_map (%s): operator length (%s:%d) takes rdd_str, but range (%s) gives int64_t", site,
           length.op->file, length.op->line, of);
    REFUSED(rdd_map(n, scaled));
    EXPECT("rdd_map (%s): operator scaled (%s:%d) has an env: write RDD_WITH(scaled, .field = …) for "
           "scale{factor: double}", site, scaled.op->file, scaled.op->line);
    REFUSED(rdd_zip(int_int, n, five));
    EXPECT("rdd_zip (%s): range (%s) has 3 partitions and range (%s) has 5; both must have as many: "
           ".partitions = 1 on both sources, or rdd_coalesce to 1, puts all side by side", site, of, at);
    REFUSED(rdd_zip(str_int, n, n));
    EXPECT("rdd_zip (%s): the result is pairs of int64_t and int64_t (from range (%s)), but the type "
           "given is str_int{key: rdd_str, value: int64_t}; make it with RDD_PAIR", site, of);
    rdd *none = SITED_CALL(at, rdd_empty(ctx, rdd_str));
    REFUSED(rdd_union(n, none));
    EXPECT("rdd_union (%s): range (%s) gives int64_t and empty (%s) gives rdd_str; both must give the same",
           site, of, at);
    REFUSED(rdd_glom(int_int, n));
    EXPECT("rdd_glom (%s): the result is lists of int64_t (from range (%s)), but the type given is "
           "int_int{key: int64_t, value: int64_t}; make it with RDD_LIST", site, of);
    REFUSED(rdd_glom(ints, none));
    EXPECT("rdd_glom (%s): the result is lists of rdd_str (from empty (%s)), but the type given is "
           "ints[int64_t]; make it with RDD_LIST", site, at);
    REFUSED(rdd_keys(n));
    EXPECT("rdd_keys (%s): wants pairs (RDD_PAIR), but range (%s) gives int64_t", site, of);
    REFUSED(rdd_pipe(n, "cat"));
    EXPECT("rdd_pipe (%s): a command takes rdd_str, but range (%s) gives int64_t", site, of);
    REFUSED(rdd_coalesce(n, 0));
    EXPECT("rdd_coalesce (%s): 0 partitions: give 1 or more", site);
    const char *const hosts[2] = { "n1", NULL };
    int64_t one = 1;
    REFUSED(rdd_parallelize(ctx, int64_t, &one, 1, .partitions = 1, .prefer = hosts, .prefer_count = 2));
    EXPECT("rdd_parallelize (%s): .prefer_count = 2: there are 1 partitions", site);
    REFUSED(rdd_parallelize(ctx, int64_t, &one, 1, .prefer = hosts));
    EXPECT("rdd_parallelize (%s): .prefer is given, but .prefer_count is not", site);
    REFUSED(rdd_parallelize(ctx, int64_t, &one, 1, .prefer_count = 2));
    EXPECT("rdd_parallelize (%s): .prefer is NULL, but .prefer_count is 2", site);
    REFUSED(rdd_map(n, bad_map, .concurrency = -1));
    EXPECT("rdd_map (%s): .concurrency = -1: give 1 to 100000", site);
    REFUSED(rdd_sample(n, 1.5));
    EXPECT("rdd_sample (%s): a fraction of 1.5: give 0 to 1, or, with .with_replacement, 0 and more",
           site);
    if (n)
        REFUSED(rdd_collect(n, rdd_str, &count));
    else
        site = oracle_text("%s:%d", __FILE__, __LINE__ - 2).data;
    EXPECT("rdd_collect (%s): asks for rdd_str, but range (%s) gives int64_t", site, of);
    REFUSED(rdd_reduce(n, rdd_str, bad_reduce));
    EXPECT("rdd_reduce (%s): the result is rdd_str, but bad_reduce (%s:%d) makes int64_t and bad_reduce "
           "(%s:%d) merges int64_t", site, bad_reduce.op->file, bad_reduce.op->line,
           bad_reduce.op->file, bad_reduce.op->line);
    REFUSED(rdd_tree_reduce(n, int64_t, plus, .depth = 100));
    EXPECT("rdd_tree_reduce (%s): .depth = 100: give 1 to 64", site);
    REFUSED(rdd_histogram(n, ((double[]){ 1, 1 }), 1, (int64_t[1]){ 0 }));
    EXPECT("rdd_histogram (%s): give 1 to 1000000 buckets and rising edges", site);
}

CASE_ONCE(null_refused)
{
    rdd_context *ctx = oracle.ctx; /* NULL with --oracle: then nothing is done */
    const double *none = NULL;
    double edges[] = { 0, 1 };
    int64_t counts[1];
    rdd *parts[1];
    rdd *n = rdd_range(ctx, 0, 9);
    REFUSED(rdd_parallelize(ctx, int64_t, NULL, 3));
    EXPECT("rdd_parallelize (%s): items is NULL, but count is 3", site);
    REFUSED(rdd_text_file(ctx, "/dev/null", .more_count = 1));
    EXPECT("rdd_text_file (%s): .more is NULL, but .more_count is 1", site);
    REFUSED(rdd_csv(ctx, "/dev/null", .more_count = 2));
    EXPECT("rdd_csv (%s): .more is NULL, but .more_count is 2", site);
    REFUSED(rdd_random_split(n, none, 1, parts));
    EXPECT("rdd_random_split (%s): weights is NULL, but count is 1", site);
    REFUSED(rdd_random_split(n, edges, 2, NULL));
    EXPECT("rdd_random_split (%s): ret is NULL, but count is 2", site);
    REFUSED(rdd_histogram(n, none, 1, counts));
    EXPECT("rdd_histogram (%s): edges is NULL", site);
    REFUSED(rdd_histogram(n, edges, 1, NULL));
    EXPECT("rdd_histogram (%s): ret_counts is NULL", site);
    REFUSED(rdd_histogram_even(n, 1, NULL, counts));
    EXPECT("rdd_histogram_even (%s): ret_edges is NULL", site);
    REFUSED(rdd_save_csv(rdd_empty(ctx, rdd_row), "/nonexistent/x", .last_column_count = 1));
    EXPECT("save_csv (%s): .last_columns is NULL, but .last_column_count is 1", site);
    REFUSED(rdd_collect(n, int64_t, NULL));
    EXPECT("rdd_collect (%s): ret_count is NULL", site);
    REFUSED(rdd_take(n, int64_t, 3, NULL));
    EXPECT("rdd_take (%s): ret_count is NULL", site);
    REFUSED(rdd_top(n, int64_t, 3, NULL));
    EXPECT("rdd_top (%s): ret_count is NULL", site);
    REFUSED(rdd_take_ordered(n, int64_t, 3, NULL));
    EXPECT("rdd_take_ordered (%s): ret_count is NULL", site);
    REFUSED(rdd_take_sample(n, int64_t, 3, NULL));
    EXPECT("rdd_take_sample (%s): ret_count is NULL", site);
    REFUSED(rdd_count_by_value(n, int_int, NULL));
    EXPECT("rdd_count_by_value (%s): ret_count is NULL", site);
    static const char *const names[] = { "a", NULL };
    REFUSED(rdd_save_csv(rdd_empty(ctx, rdd_row), "/nonexistent/x", .first_column_count = 2));
    EXPECT("save_csv (%s): .first_columns is NULL, but .first_column_count is 2", site);
    REFUSED(rdd_save_csv(rdd_empty(ctx, rdd_row), "/nonexistent/x", .first_columns = names));
    EXPECT("save_csv (%s): .first_columns is given, but .first_column_count is not", site);
    REFUSED(rdd_save_csv(rdd_empty(ctx, rdd_row), "/nonexistent/x", .first_columns = names,
                         .first_column_count = 2));
    EXPECT("save_csv (%s): .first_columns[1] is NULL", site);
}

CASE_ONCE(late_setting_refused)
{
    rdd_context *ctx = oracle.ctx;
    rdd_count(numbers());
    if (ctx)
        rdd_set_conf(ctx, "csv.raged", "pad");
    EXPECT("--conf csv.raged: there is no such setting; did you mean csv.ragged?");
    if (ctx)
        rdd_set_conf(ctx, "csv.ragged", "pad");
    EXPECT("csv.ragged cannot be set after the first action");
}

/* Nothing is done on NULL, and no error comes of it: the one that it came from stays the only one. */
CASE_ONCE(null_goes_through)
{
    rdd *r = rdd_coalesce(rdd_range(oracle.ctx, 0, 1), 0);
    say("null %d", !r);
    if (!is_model())
        rdd_take_error(oracle.ctx, NULL);
    size_t count = 7;
    double edges[] = { 0, 1 };
    rdd *parts[2] = { NULL, NULL };
    r = rdd_map(rdd_filter(rdd_flat_map(r, bad_flat_map), not_bad), bad_map, .name = "never");
    r = rdd_union(rdd_coalesce(rdd_map_partitions(r, bad_partition), 3), r);
    r = rdd_keys(rdd_zip(int_int, r, rdd_values(rdd_zip_with_index(int_int, r))));
    r = rdd_sample(rdd_zip_partitions(r, rdd_keys(rdd_cartesian(int_int, r, r)), bad_zip), 0.5);
    say("split %d", rdd_random_split(r, edges, 2, parts) < 0 && !parts[0] && !parts[1]);
    say("items %d", !rdd_collect(r, int64_t, &count) && count == 0);
    say("%d", !rdd_take(r, int64_t, 3, &count) && !rdd_top(r, int64_t, 3, &count));
    say("%d", !rdd_take_sample(r, int64_t, 3, &count) && !rdd_count_by_value(r, int_int, &count));
    say("values %d", rdd_count(r) == 0 && rdd_first(r, int64_t) == 0 && rdd_min(r, int64_t) == 0 &&
                         rdd_sum(r, int64_t) == 0 && rdd_reduce(r, int64_t, plus) == 0 &&
                         rdd_fold(r, int64_t, 5, plus) == 0 && rdd_stats(r).count == 0 &&
                         rdd_stats(r).mean != rdd_stats(r).mean);
    say("effects %d", rdd_foreach(r, bad_foreach) < 0 &&
                          rdd_foreach_partition(r, bad_foreach_partition) < 0);
    say("saves %d", rdd_save_text(r, "/nonexistent/x") < 0 && rdd_save_csv(r, "/nonexistent/x") < 0 &&
                        rdd_save_json_lines(r, "/nonexistent/x") < 0);
    say("plan %d", rdd_partition_count(r) == 0 && !rdd_item_type(r));
    rdd_local_iterator *it = rdd_to_local_iterator(r, int64_t);
    int64_t x;
    say("iterator %d", !it && !rdd_local_next(it, int64_t, &x));
    rdd_local_close(it);
    rdd_explain(r, stdout);
    rdd_free(oracle.ctx, NULL);
}

CASE_ONCE(first_error_stays)
{
    rdd_error err = { .code = RDD_OK };
    if (is_model()) {
        say("the first: 1 1");
        return;
    }
    rdd *n = rdd_range(oracle.ctx, 0, 9);
    rdd_keys(n);
    rdd_map(n, scaled);
    rdd_count(rdd_map(rdd_values(n), bad_map));
    bool first = rdd_take_error(oracle.ctx, &err) && strstr(err.message, "rdd_keys");
    say("the first: %d %d", first && err.code == RDD_E_TYPE, !rdd_take_error(oracle.ctx, &err));
}

/* ---- limits --------------------------------------------------------------------------------- */

static void set(const char *key, const char *value)
{
    if (conf_set(key, value, NULL) < 0)
        abort();
}

RDD_MAP(kilobyte, int64_t, x, rdd_str)
{
    char *text = rdd_alloc(task, 1000);
    memset(text, 'a' + (int)(x % 26), 1000);
    return (rdd_str){ 1000, text };
}

/* The part of a message that is the same however many tasks there are. */
static void say_limit(const char *words)
{
    rdd_error err = { .code = RDD_OK };
    bool there = is_model();
    if (!there)
        there = rdd_take_error(oracle.ctx, &err) && err.code == RDD_E_LIMIT &&
                strstr(err.message, words);
    say("%s: %d", words, there);
    if (!there)
        say("  but %s", err.message);
}

CASE(result_limit)
{
    size_t count = 0;
    rdd *texts = rdd_map(numbers(), kilobyte);
    set("driver.result_max", "64KiB");
    if (texts)
        rdd_collect(texts, rdd_str, &count);
    say("collected %zu", count);
    say_limit("driver.result_max");
    if (texts)
        rdd_take_ordered(texts, rdd_str, 500, &count);
    say("ordered %zu", count);
    say_limit("driver.result_max");
    if (texts)
        rdd_count(texts);
    count = 20;
    if (texts)
        rdd_take(texts, rdd_str, 20, &count);
    say("took %zu", count);
    set("driver.result_max", "1GiB");
}

RDD_FLAT_MAP(floods, int64_t, x, rdd_str)
{
    for (int i = 0; i < 100000; i++)
        rdd_emit((rdd_str){ 0, "" });
    (void)x;
}

RDD_LIST(texts_of, rdd_str);
RDD_PAIR(str_str, rdd_str, rdd_str);

CASE_ONCE(task_limit)
{
    size_t count = 0;
    rdd *texts = rdd_map(numbers(), kilobyte);
    set("task.budget", "64KiB");
    if (texts)
        rdd_collect(rdd_glom(texts_of, texts), texts_of, &count);
    say("lists %zu", count);
    say_limit("task.budget");
    rdd_count(rdd_cartesian(str_str, texts, texts));
    say_limit("task.budget");
    rdd_count(rdd_flat_map(numbers(), floods));
    say_limit("task.budget");
    set("task.budget", "256MiB");
}
