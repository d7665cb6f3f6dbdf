/* lineage_test.c: walks over lineages: order, positions, the partitions that a partition reads, and
 * what a task carries. */
#include "context.h"
#include "lineage.h"

#include "test.h"

RDD_PAIR(int_int, int64_t, int64_t);
RDD_PAIR(nested, int_int, int64_t);

RDD_MAP(same, int64_t, x, int64_t)
{
    return x;
}

static rdd_context *ctx;

/* ---- order ---------------------------------------------------------------------------------- */

/* Whether order is right: parents first, each node once, r last, and nothing that r does not need. */
static void check_order(rdd *r)
{
    rdd **order;
    uint32_t *positions;
    size_t count;
    assert_int_equal(lineage_order(r, &order, &count, NULL), 0);
    assert_int_equal(lineage_positions(order, count, &positions, NULL), 0);
    assert_ptr_equal(order[count - 1], r);
    bool *needed = calloc(count, sizeof *needed);
    assert_non_null(needed);
    needed[count - 1] = true;
    for (size_t i = count; i-- > 0;) {
        assert_true(needed[i]);
        for (uint32_t k = 0; k < order[i]->parent_count; k++) {
            size_t at = positions[2 * i + k];
            assert_true(at < i);
            assert_ptr_equal(order[at], order[i]->parents[k]);
            needed[at] = true;
        }
        for (size_t k = 0; k < i && count < 200; k++)
            assert_ptr_not_equal(order[i], order[k]);
    }
    free(needed);
    free(order);
    free(positions);
}

static rdd *source(int64_t partitions)
{
    static const int64_t ITEMS[] = { 1, 2, 3, 4, 5, 6, 7 };
    static const char *const HOSTS[] = { "a", NULL, "b", "c" };
    switch (test_random_below(3)) {
    case 0: return rdd_range(ctx, 0, 9, .partitions = partitions);
    case 1: return rdd_parallelize(ctx, int64_t, ITEMS, 7, .partitions = partitions);
    default: return rdd_parallelize(ctx, int64_t, ITEMS, 7, .partitions = partitions, .prefer = HOSTS,
                                    .prefer_count = test_random_below((size_t)partitions) + 1);
    }
}

/* A random lineage over int64_t of about `steps` steps. */
static rdd *random_lineage(size_t steps)
{
    enum { KEPT = 4 };
    rdd *kept[KEPT];
    for (size_t i = 0; i < KEPT; i++)
        kept[i] = source(1 + (int64_t)test_random_below(4));
    for (size_t i = 0; i < steps; i++) {
        rdd *a = kept[test_random_below(KEPT)], *b = kept[test_random_below(KEPT)], *made = NULL;
        switch (test_random_below(5)) {
        case 0: made = rdd_map(a, same); break;
        case 1: made = rdd_union(a, b); break;
        case 2: made = rdd_coalesce(a, 1 + (int64_t)test_random_below(5)); break;
        case 3: made = rdd_keys(rdd_cartesian(int_int, a, b)); break;
        default: made = rdd_values(rdd_zip(int_int, a, rdd_map(a, same)));
        }
        if (made && made->partitions <= 40)
            kept[test_random_below(KEPT)] = made;
    }
    return kept[0];
}

static void orders(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++)
        check_order(random_lineage(test_random_below(30)));
    rdd *one = rdd_range(ctx, 0, 1);
    check_order(one);
    check_order(rdd_union(one, one));
}

static void long_order(void **state)
{
    (void)state;
    rdd *r = rdd_range(ctx, 0, 1);
    for (int i = 0; i < 200000; i++)
        r = i % 2 ? rdd_map(r, same) : rdd_coalesce(r, 1);
    check_order(r);
}

/* 2^60 paths, 121 nodes. */
static void many_paths(void **state)
{
    (void)state;
    rdd *r = rdd_range(ctx, 0, 1, .partitions = 1);
    for (int i = 0; i < 60; i++)
        r = rdd_keys(rdd_zip(int_int, r, r));
    rdd **order;
    size_t count;
    assert_int_equal(lineage_order(r, &order, &count, NULL), 0);
    assert_int_equal(count, 121);
    free(order);
    check_order(r);
    buf text = { 0 };
    lineage_explain(r, &text);
    assert_false(text.failed);
    buf_release(&text);
}

/* ---- which partitions ----------------------------------------------------------------------- */

static void ranges(void **state)
{
    (void)state;
    /* coalesce: every partition of the parent once, in order, as evenly as it goes */
    for (int64_t n = 1; n < 30; n++)
        for (int64_t m = 1; m <= n; m++) {
            int64_t at = 0;
            for (int64_t p = 0; p < m; p++) {
                partition_range r =
                    node_parent_range(NODE_COALESCE, m, (const int64_t[2]){ n, 0 }, 0, p);
                assert_int_equal(r.first, at);
                assert_true(r.count == n / m || r.count == n / m + 1);
                at += r.count;
            }
            assert_int_equal(at, n);
        }
    const int64_t both[2] = { 3, 4 };
    for (int64_t p = 0; p < 7; p++) {
        partition_range a = node_parent_range(NODE_UNION, 7, both, 0, p);
        partition_range b = node_parent_range(NODE_UNION, 7, both, 1, p);
        assert_int_equal(a.count, p < 3);
        assert_int_equal(b.count, p >= 3);
        assert_int_equal(p < 3 ? a.first : b.first, p < 3 ? p : p - 3);
    }
    for (int64_t p = 0; p < 12; p++) {
        partition_range a = node_parent_range(NODE_CARTESIAN, 12, both, 0, p);
        partition_range b = node_parent_range(NODE_CARTESIAN, 12, both, 1, p);
        assert_int_equal(a.count, 1);
        assert_int_equal(b.count, 1);
        assert_int_equal(a.first * 4 + b.first, p);
    }
    partition_range same_one = node_parent_range(NODE_MAP, 5, (const int64_t[2]){ 5, 0 }, 0, 3);
    assert_int_equal(same_one.first, 3);
    assert_int_equal(same_one.count, 1);
    /* partition counts beyond what a product of them would hold */
    int64_t huge = (int64_t)1 << 40;
    partition_range last = node_parent_range(NODE_COALESCE, huge, (const int64_t[2]){ huge, 0 }, 0,
                                             huge - 1);
    assert_int_equal(last.first, huge - 1);
    assert_int_equal(last.count, 1);
}

/* ---- what a task carries -------------------------------------------------------------------- */

/* (node, partition) of every payload that partition p of order[at] needs, by recursion. */
static void naive_payloads(rdd *const *order, const uint32_t *positions, size_t at, int64_t p,
                           bool seen[][64])
{
    const rdd *r = order[at];
    if (r->payloads)
        seen[at][p] = true;
    const int64_t counts[2] = { r->parent_count > 0 ? r->parents[0]->partitions : 0,
                                r->parent_count > 1 ? r->parents[1]->partitions : 0 };
    for (uint32_t k = 0; k < r->parent_count; k++) {
        partition_range range = node_parent_range(r->kind, r->partitions, counts, k, p);
        for (int64_t q = range.first; q < range.first + range.count; q++)
            naive_payloads(order, positions, positions[2 * at + k], q, seen);
    }
}

/* The first host on the way, by recursion. */
static const char *naive_preferred(const rdd *r, int64_t p)
{
    const char *found = r->preferred ? r->preferred[p] : NULL;
    const int64_t counts[2] = { r->parent_count > 0 ? r->parents[0]->partitions : 0,
                                r->parent_count > 1 ? r->parents[1]->partitions : 0 };
    for (uint32_t k = 0; k < r->parent_count; k++) {
        partition_range range = node_parent_range(r->kind, r->partitions, counts, k, p);
        for (int64_t q = range.first; !found && q < range.first + range.count; q++)
            found = naive_preferred(r->parents[k], q);
    }
    return found;
}

static void check_payload(rdd *r, int64_t p)
{
    static bool seen[200][64];
    rdd **order;
    uint32_t *positions;
    size_t count;
    buf bytes = { 0 };
    assert_int_equal(lineage_order(r, &order, &count, NULL), 0);
    assert_true(count <= ARRAY_SIZE(seen));
    assert_int_equal(lineage_positions(order, count, &positions, NULL), 0);
    assert_int_equal(lineage_payload(order, positions, count, p, &bytes, NULL), 0);
    memset(seen, 0, sizeof seen);
    naive_payloads(order, positions, count - 1, p, seen);
    reader in = reader_over(bytes.data, bytes.size);
    while (reader_left(&in)) {
        uint32_t node = reader_u32(&in);
        uint64_t partition = reader_u64(&in);
        size_t size;
        const void *data = reader_sized(&in, &size);
        assert_false(in.failed);
        assert_true(node < count && partition < 64);
        assert_true(seen[node][partition]); /* needed, and not there twice */
        seen[node][partition] = false;
        assert_int_equal(size, order[node]->payloads[partition].size);
        assert_memory_equal(data, order[node]->payloads[partition].data, size);
    }
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < 64; k++)
            assert_false(seen[i][k]);
    const char *found;
    assert_int_equal(lineage_preferred(order, positions, count, p, &found, NULL), 0);
    assert_ptr_equal(found, naive_preferred(r, p));
    buf_release(&bytes);
    free(order);
    free(positions);
}

static void payloads(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        rdd *r = random_lineage(test_random_below(9));
        for (int64_t p = 0; p < r->partitions; p++)
            check_payload(r, p);
    }
}

/* A partition that is reached over 2^30 paths is there once, and at once. */
static void payload_of_many_paths(void **state)
{
    (void)state;
    static const int64_t ITEMS[] = { 1, 2 };
    rdd *r = rdd_parallelize(ctx, int64_t, ITEMS, 2, .partitions = 1);
    for (int i = 0; i < 30; i++)
        r = rdd_keys(rdd_zip(int_int, r, r));
    rdd **order;
    uint32_t *positions;
    size_t count;
    buf bytes = { 0 };
    assert_int_equal(lineage_order(r, &order, &count, NULL), 0);
    assert_int_equal(lineage_positions(order, count, &positions, NULL), 0);
    assert_int_equal(lineage_payload(order, positions, count, 0, &bytes, NULL), 0);
    assert_true(bytes.size < 500);
    buf_release(&bytes);
    free(order);
    free(positions);
}

/* ---- labels --------------------------------------------------------------------------------- */

static void labelled(const rdd *r, const char *expected)
{
    buf text = { 0 };
    node_label(r, &text);
    assert_string_equal(buf_terminate(&text), expected);
    buf_release(&text);
}

static void labels(void **state)
{
    (void)state;
    char expected[256];
    int line = __LINE__ + 1;
    rdd *r = rdd_range(ctx, 0, 3);
    snprintf(expected, sizeof expected, "range (%s:%d)", __FILE__, line);
    labelled(r, expected);
    snprintf(expected, sizeof expected, "map same (%s:%d)", __FILE__, same.op->line);
    labelled(rdd_map(r, same), expected);
    snprintf(expected, sizeof expected, "mine: map same (%s:%d)", __FILE__, same.op->line);
    labelled(rdd_map(r, same, .name = "mine"), expected);
    assert_true(node_is_source(NODE_RANGE) && node_is_source(NODE_JSON));
    assert_false(node_is_source(NODE_MAP) || node_is_source(NODE_CARTESIAN));
}

/* ---- handles --------------------------------------------------------------------------------- */

RDD_STRUCT(factor, (int64_t, by), (rdd_str, unit));

RDD_MAP(times, int64_t, x, rdd_str, factor)
{
    return rdd_format(task, "%lld %.*s", (long long)(x * env->by), (int)env->unit.size, env->unit.data);
}

static rdd_map_op times_of(int64_t by)
{
    char unit[16];
    snprintf(unit, sizeof unit, "of %lld", (long long)by);
    return RDD_WITH(times, .by = by, .unit = rdd_str_of(unit));
}

static void handles_are_values(void **state)
{
    (void)state;
    rdd_map_op kept[100], inner;
    for (int i = 0; i < 100; i++)
        kept[i] = times_of(i);
    {
        inner = RDD_WITH(times, .by = 7, .unit = RDD_STR("m"));
    }
    for (int i = 0; i < 100; i++) {
        size_t count;
        char expected[32];
        snprintf(expected, sizeof expected, "%d of %d", 2 * i, i);
        const rdd_str *texts = rdd_collect(rdd_map(rdd_range(ctx, 0, 3), kept[i]), rdd_str, &count);
        assert_int_equal(count, 3);
        assert_true(rdd_str_equal(texts[2], rdd_str_of(expected)));
        texts = rdd_collect(rdd_map(rdd_range(ctx, 0, 3), inner), rdd_str, &count);
        assert_true(rdd_str_equal(texts[2], RDD_STR("14 m")));
    }
}

static int finish(void **state)
{
    (void)state;
    return rdd_finish(ctx);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(orders),   cmocka_unit_test(long_order), cmocka_unit_test(many_paths),
        cmocka_unit_test(ranges),   cmocka_unit_test(payloads),
        cmocka_unit_test(payload_of_many_paths), cmocka_unit_test(labels),
        cmocka_unit_test(handles_are_values),
    };
    ctx = rdd_init(&argc, argv);
    return TEST_MAIN_GROUP(argc, argv, tests, NULL, finish);
}
