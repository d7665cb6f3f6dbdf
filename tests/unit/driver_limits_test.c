/* driver_limits_test.c: what a job may bring back and what a task may hold, from the public side. */
#include "context_rig.h"

#include <stdatomic.h>

RDD_MAP(long_text, int64_t, x, rdd_str) { return rdd_format(task, "%0100lld", (long long)x); }

static atomic_int flood_attempts;

RDD_FLAT_MAP(flood, int64_t, x, int64_t)
{
    atomic_fetch_add(&flood_attempts, 1);
    for (int64_t i = 0; i < 1000000; i++)
        rdd_emit(x + i);
}

/* Text of 4 KiB each, and how many there were before it was empty. */
enum { PAGE = 4096 };
static atomic_int page_count;

static rdd_str page(rdd_task *task, int64_t x)
{
    rdd_str text = rdd_format(task, "%0*lld", PAGE, (long long)x);
    atomic_fetch_add(&page_count, text.size > 0);
    return text;
}

RDD_FLAT_MAP(flood_of_text, int64_t, pages, rdd_str)
{
    for (int64_t i = 0; i < pages; i++)
        rdd_emit(page(task, i));
}

RDD_MAP(one_text, int64_t, pages, rdd_str)
{
    rdd_str all = RDD_STR("");
    for (int64_t i = 0; i < pages; i++)
        all = page(task, i);
    return all;
}

RDD_FLAT_MAP(flood_of_memory, int64_t, pages, rdd_bytes)
{
    for (int64_t i = 0; i < pages; i++) {
        void *memory = rdd_alloc(task, PAGE);
        atomic_fetch_add(&page_count, memory != NULL);
        rdd_emit((rdd_bytes){ memory ? PAGE : 0, memory });
    }
}

RDD_MAP_PARTITIONS(flood_of_partition, int64_t, in, rdd_str)
{
    for (int64_t pages; rdd_next(in, &pages);)
        for (int64_t i = 0; i < pages; i++)
            rdd_emit(page(task, i));
}

RDD_MAP_PARTITIONS(hoard_of_partition, int64_t, in, rdd_bytes)
{
    for (int64_t pages; rdd_next(in, &pages);)
        for (int64_t i = 0; i < pages; i++) {
            void *memory = rdd_alloc(task, PAGE);
            atomic_fetch_add(&page_count, memory != NULL);
            rdd_emit((rdd_bytes){ memory ? PAGE : 0, memory });
        }
}

RDD_MAP_PARTITIONS(keep_in_partition, int64_t, in, int64_t)
{
    static char page[PAGE];
    for (int64_t pages; rdd_next(in, &pages);)
        for (int64_t i = 0; i < pages; i++)
            atomic_fetch_add(&page_count, rdd_keep(task, (rdd_str){ PAGE, page }).size != 0);
    rdd_emit(0);
}

/* Reads one side to its end, then the other. */
RDD_ZIP_PARTITIONS(flood_of_two, int64_t, as, int64_t, bs, rdd_str)
{
    for (int64_t pages; rdd_next(as, &pages);)
        rdd_emit(page(task, pages));
    for (int64_t pages; rdd_next(bs, &pages);)
        for (int64_t i = 0; i < pages; i++)
            rdd_emit(page(task, i));
}

/* ---- tests ---------------------------------------------------------------------------------- */

static void what_was_pushed_out_does_not_count(void **state)
{
    (void)state;
    size_t count;
    rdd_context *ctx = begin("--master", "local[1]", "--conf", "driver.result_max=64KiB", NULL);
    rdd *r = rdd_map(rdd_range(ctx, 0, 20000, .partitions = 1), long_text);
    const rdd_str *top = rdd_top(r, rdd_str, 5, &count);
    assert_int_equal(count, 5);
    assert_memory_equal(top[0].data + 95, "19999", 5);
    assert_null(rdd_top(r, rdd_str, 5000, &count));
    assert_int_equal(count, 0);
    expect_error(ctx, RDD_E_LIMIT, "driver.result_max");
    end(ctx);
}

static void a_limit_is_not_tried_again(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[1]", "--conf", "task.budget=1MiB", NULL);
    atomic_store(&flood_attempts, 0);
    assert_int_equal(rdd_count(rdd_flat_map(rdd_range(ctx, 0, 1), flood)), 0);
    expect_error(ctx, RDD_E_LIMIT, "task.budget");
    assert_int_equal(atomic_load(&flood_attempts), 1);
    end(ctx);
}

/* The job fails for its budget of 1 MiB, which 256 pages fill; how soon it stopped making more. */
static void expect_flood(rdd_context *ctx, rdd *r, const char *name, int most)
{
    rdd_error err;
    atomic_store(&page_count, 0);
    rdd_count(r);
    assert_true(rdd_take_error(ctx, &err));
    if (err.code != RDD_E_LIMIT || !strstr(err.message, name) ||
        !strstr(err.message, "raise --conf task.budget"))
        fail_msg("%d: %s", err.code, err.message);
    assert_true(atomic_load(&page_count) > 200);
    assert_true(atomic_load(&page_count) <= most);
}

/* What its elements point to counts, too, when it cannot go before the record is done. */
static void text_of_one_record_is_limited(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[1]", "--conf", "task.budget=1MiB", NULL);
    const int64_t pages = 10000;
    enum { MOST = 256 + 64 + 2, TWICE = 512 + 64 + 2 };
    rdd *one = rdd_parallelize(ctx, int64_t, &pages, 1);
    expect_flood(ctx, rdd_flat_map(one, flood_of_text), "operator flood_of_text (", MOST);
    expect_flood(ctx, rdd_flat_map(one, flood_of_text, .concurrency = 2), "operator flood_of_text", MOST);
    expect_flood(ctx, rdd_flat_map(one, flood_of_memory), "operator flood_of_memory", TWICE);
    expect_flood(ctx, rdd_map_partitions(one, flood_of_partition), "operator flood_of_partition", MOST);
    expect_flood(ctx, rdd_map_partitions(one, hoard_of_partition), "operator hoard_of_partition", TWICE);
    expect_flood(ctx, rdd_map_partitions(one, keep_in_partition), "operator keep_in_partition", MOST);
    expect_flood(ctx, rdd_zip_partitions(one, one, flood_of_two), "operator flood_of_two", MOST);
    size_t count;
    assert_null(rdd_take(rdd_flat_map(one, flood_of_text), rdd_str, 3, &count));
    expect_error(ctx, RDD_E_LIMIT, "the record is 10000; record 0 of partition 0");
    /* one that emits nothing may need as much as it likes */
    assert_int_equal(rdd_count(rdd_map(one, one_text)), 1);
    end(ctx);
    /* a partition operator hands over what it has, and is then not asked for more */
    ctx = begin("--master", "local[1]", "--conf", "task.budget=8MiB", NULL);
    one = rdd_parallelize(ctx, int64_t, &pages, 1);
    assert_non_null(rdd_take(rdd_map_partitions(one, flood_of_partition), rdd_str, 3, &count));
    assert_int_equal(count, 3);
    end(ctx);
}

/* Many records, of which each stays within the budget. */
static void text_of_many_records_is_not_limited(void **state)
{
    (void)state;
    static const char *const BUDGETS[] = { "task.budget=1MiB", "task.budget=64KiB" };
    for (size_t i = 0; i < 2; i++) {
        rdd_context *ctx = begin("--master", "local[1]", "--conf", BUDGETS[i], NULL);
        enum { RECORDS = 60 };
        int64_t pages[RECORDS];
        for (size_t k = 0; k < RECORDS; k++)
            pages[k] = i ? 15 : 200;
        rdd *records = rdd_parallelize(ctx, int64_t, pages, RECORDS, .partitions = 1);
        int64_t all = RECORDS * pages[0];
        assert_int_equal(rdd_count(rdd_flat_map(records, flood_of_text)), all);
        assert_int_equal(rdd_count(rdd_flat_map(records, flood_of_memory)), all);
        assert_int_equal(rdd_count(rdd_flat_map(records, flood_of_text, .concurrency = 2)), all);
        assert_int_equal(rdd_count(rdd_map_partitions(records, flood_of_partition)), all);
        assert_int_equal(rdd_count(rdd_zip_partitions(records, records, flood_of_two)), all + RECORDS);
        end(ctx);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_pushed_out_does_not_count),
        cmocka_unit_test(a_limit_is_not_tried_again),
        cmocka_unit_test(text_of_one_record_is_limited),
        cmocka_unit_test(text_of_many_records_is_not_limited),
    };
    return TEST_MAIN(argc, argv, tests);
}
