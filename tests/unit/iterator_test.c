/* iterator_test.c: the tee, through which several readers share one computation of a partition, and
 * the contract of iterators in the lifetime debug mode. */
#include "conf.h"
#include "context.h"
#include "iterator.h"
#include "lineage.h"

#include "test.h"

enum { READERS_MAX = 4, ELEMENTS = 10000 };

RDD_PAIR(text_pair, rdd_str, rdd_str);

static rdd_context *ctx;

RDD_MAP(text_of, int64_t, x, rdd_str)
{
    return rdd_format(task, "element %lld", (long long)x);
}

RDD_FILTER(some, rdd_str, s)
{
    return s.data[s.size - 1] != '7';
}

RDD_MAP(bad_late, rdd_str, s, rdd_str)
{
    if (rdd_str_equal(s, RDD_STR("element 5000")))
        rdd_fail(task, "enough");
    return s;
}

/* ---- a run without a runner ----------------------------------------------------------------- */

typedef struct rig {
    plan *plan;
    arena memory;
    slot_state state;
    atomic_bool cancelled;
    run run;
} rig;

/* A plan whose node `shared` of int64_t or text has two consumers. */
static void rig_init(rig *g, rdd *r)
{
    rdd **order;
    size_t count;
    buf bytes = { 0 };
    memset(g, 0, sizeof *g);
    assert_int_equal(lineage_order(r, &order, &count, NULL), 0);
    action act = { .kind = ACTION_COLLECT };
    assert_int_equal(plan_encode(1, order, count, &act, &bytes, NULL), 0);
    assert_int_equal(plan_decode(&g->plan, bytes.data, bytes.size, NULL), 0);
    free(order);
    buf_release(&bytes);
    g->run = (run){ .plan = g->plan, .memory = &g->memory, .state = &g->state,
                    .cancelled = &g->cancelled };
}

static void rig_release(rig *g)
{
    iterators_close(&g->run);
    plan_free(g->plan);
    arena_release(&g->memory);
}

/* zip(texts, texts): node 1 is read twice. */
static rdd *shared_texts(void)
{
    rdd *texts = rdd_map(rdd_range(ctx, 0, ELEMENTS, .partitions = 1), text_of);
    return rdd_zip(text_pair, texts, texts);
}

/* ---- readers -------------------------------------------------------------------------------- */

typedef struct sharer {
    iterator *it;
    int64_t seen;
    bool ended;
} sharer;

/* The reader's next view, each element of which must be the next. */
static void read_on(sharer *s, int64_t end)
{
    view v;
    int rc = iterator_next(s->it, &v);
    if (rc == ITERATOR_END) {
        assert_int_equal(s->seen, end);
        assert_int_equal(iterator_next(s->it, &v), ITERATOR_END); /* and stays so */
        s->ended = true;
        return;
    }
    assert_int_equal(rc, ITERATOR_VIEW);
    assert_true(v.count > 0);
    for (size_t i = 0; i < v.count; i++) {
        char expected[32];
        rdd_str text = ((const rdd_str *)v.items)[i];
        int size = snprintf(expected, sizeof expected, "element %lld", (long long)s->seen++);
        assert_int_equal(text.size, size);
        assert_memory_equal(text.data, expected, text.size);
    }
}

static void share(size_t readers, bool lifetime, size_t pull_at_once)
{
    rig g;
    sharer all[READERS_MAX];
    conf_set("debug.lifetime", lifetime ? "true" : "false", NULL);
    rig_init(&g, shared_texts());
    for (size_t i = 0; i < readers; i++) {
        all[i] = (sharer){ .it = iterator_open(&g.run, 1, 0) };
        assert_non_null(all[i].it);
    }
    for (size_t ended = 0; ended < readers;) {
        size_t at = test_random_below(readers);
        for (size_t k = 0; k < pull_at_once && !all[at].ended; k++)
            read_on(&all[at], ELEMENTS);
        ended = 0;
        for (size_t i = 0; i < readers; i++)
            ended += all[i].ended;
    }
    assert_int_equal(g.run.shared_size, 0);
    rig_release(&g);
}

/* At any pace each reader sees every element, in order; what all have read is given back. */
static void at_their_own_pace(void **state)
{
    (void)state;
    for (size_t readers = 1; readers <= READERS_MAX; readers++) {
        share(readers, false, 1);
        share(readers, false, 3);
        share(readers, false, 100000);
        share(readers, true, 20);
    }
}

/* A view stays as it was until its own reader goes on, whatever the others do. */
static void views_stay(void **state)
{
    (void)state;
    rig g;
    view v, w;
    conf_set("debug.lifetime", "true", NULL);
    rig_init(&g, shared_texts());
    iterator *a = iterator_open(&g.run, 1, 0), *b = iterator_open(&g.run, 1, 0);
    assert_int_equal(iterator_next(a, &v), ITERATOR_VIEW);
    for (int i = 0; i < 100; i++)
        assert_int_equal(iterator_next(b, &w), ITERATOR_VIEW);
    assert_int_equal(v.count, 1);
    assert_true(rdd_str_equal(*(const rdd_str *)v.items, RDD_STR("element 0")));
    assert_true(rdd_str_equal(*(const rdd_str *)w.items, RDD_STR("element 99")));
    rig_release(&g);
}

/* Readers that keep together need next to nothing; one that stays behind needs the budget. */
static void held_back(void **state)
{
    (void)state;
    rig g;
    view v;
    conf_set("debug.lifetime", "false", NULL);
    conf_set("task.budget", "128KiB", NULL);
    rig_init(&g, shared_texts());
    conf_set("task.budget", "256MiB", NULL);
    sharer together[2] = { { .it = iterator_open(&g.run, 1, 0) },
                           { .it = iterator_open(&g.run, 1, 0) } };
    size_t most = 0;
    while (!together[0].ended) {
        read_on(&together[0], ELEMENTS);
        read_on(&together[1], ELEMENTS);
        most = size_max(most, g.run.shared_size);
    }
    assert_true(most > 0 && most < 100000);
    rig_release(&g);

    conf_set("task.budget", "128KiB", NULL);
    rig_init(&g, shared_texts());
    conf_set("task.budget", "256MiB", NULL);
    iterator *ahead = iterator_open(&g.run, 1, 0);
    assert_non_null(iterator_open(&g.run, 1, 0)); /* never reads */
    int rc;
    while ((rc = iterator_next(ahead, &v)) == ITERATOR_VIEW) {
    }
    assert_int_equal(rc, ITERATOR_FAILED);
    assert_int_equal(g.run.code, RDD_E_LIMIT);
    assert_non_null(strstr(g.run.error.message, "map text_of"));
    assert_non_null(strstr(g.run.error.message, "--conf task.budget"));
    rig_release(&g);
}

/* Closed in the middle, with batches that some have read and some have not. */
static void closed_early(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        rig g;
        sharer all[3];
        conf_set("debug.lifetime", round % 2 ? "true" : "false", NULL);
        rig_init(&g, shared_texts());
        for (size_t i = 0; i < 3; i++)
            all[i] = (sharer){ .it = iterator_open(&g.run, 1, 0) };
        for (size_t n = test_random_below(12); n; n--)
            read_on(&all[test_random_below(3)], ELEMENTS);
        rig_release(&g);
    }
}

/* Two partitions of a node are two tees. */
static void partitions_apart(void **state)
{
    (void)state;
    rig g;
    view v;
    conf_set("debug.lifetime", "false", NULL);
    rdd *texts = rdd_map(rdd_range(ctx, 0, 10, .partitions = 2), text_of);
    rig_init(&g, rdd_zip(text_pair, texts, texts));
    iterator *first = iterator_open(&g.run, 1, 0), *second = iterator_open(&g.run, 1, 1);
    assert_int_equal(iterator_next(second, &v), ITERATOR_VIEW);
    assert_true(rdd_str_equal(*(const rdd_str *)v.items, RDD_STR("element 5")));
    assert_int_equal(iterator_next(first, &v), ITERATOR_VIEW);
    assert_true(rdd_str_equal(*(const rdd_str *)v.items, RDD_STR("element 0")));
    size_t count = v.count;
    while (iterator_next(first, &v) == ITERATOR_VIEW)
        count += v.count;
    assert_int_equal(count, 5);
    rig_release(&g);
}

/* Whoever comes to a failure fails, and the run knows why. */
static void failed(void **state)
{
    (void)state;
    rig g;
    view v;
    conf_set("debug.lifetime", "true", NULL);
    rdd *bad = rdd_map(rdd_filter(rdd_map(rdd_range(ctx, 0, ELEMENTS, .partitions = 1), text_of), some),
                       bad_late);
    rig_init(&g, rdd_zip(text_pair, bad, bad));
    iterator *a = iterator_open(&g.run, 3, 0), *b = iterator_open(&g.run, 3, 0);
    int rc;
    while ((rc = iterator_next(a, &v)) == ITERATOR_VIEW)
        assert_int_equal(iterator_next(b, &v), ITERATOR_VIEW);
    assert_int_equal(rc, ITERATOR_FAILED);
    assert_int_not_equal(iterator_next(b, &v), ITERATOR_VIEW);
    assert_int_equal(g.run.code, RDD_E_USER);
    assert_non_null(strstr(g.run.error.message, "bad_late"));
    assert_non_null(strstr(g.run.error.message, "enough; the record is \"element 5000\"; record 4500 of "
                                                "partition 0"));
    rig_release(&g);
}

static void cancelled(void **state)
{
    (void)state;
    rig g;
    view v;
    conf_set("debug.lifetime", "false", NULL);
    rig_init(&g, shared_texts());
    iterator *a = iterator_open(&g.run, 2, 0);
    assert_int_equal(iterator_next(a, &v), ITERATOR_VIEW);
    atomic_store(&g.cancelled, true);
    int rc;
    size_t more = 0;
    while ((rc = iterator_next(a, &v)) == ITERATOR_VIEW)
        more += v.count;
    assert_int_equal(rc, ITERATOR_FAILED);
    assert_int_equal(g.run.code, RDD_E_CANCELLED);
    assert_true(more <= 2 * BATCH_MAX);
    rig_release(&g);
}

static int finish(void **state)
{
    (void)state;
    return rdd_finish(ctx);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_their_own_pace), cmocka_unit_test(views_stay),
        cmocka_unit_test(held_back),         cmocka_unit_test(closed_early),
        cmocka_unit_test(partitions_apart),  cmocka_unit_test(failed),
        cmocka_unit_test(cancelled),
    };
    ctx = rdd_init(&argc, argv);
    return TEST_MAIN_GROUP(argc, argv, tests, NULL, finish);
}
