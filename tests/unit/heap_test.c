/* heap_test.c: the n first of random elements, against sorting all of them. */
#include "heap.h"
#include "type.h"

#include "test.h"

RDD_STRUCT(entry, (int32_t, rank), (int32_t, number), (rdd_str, text));

static int by_rank(const heap_order *order, const void *a, const void *b)
{
    const entry *x = a, *y = b;
    int c = (x->rank > y->rank) - (x->rank < y->rank);
    return order->reverse ? -c : c;
}

enum { COUNT_MAX = 3000 };

static entry all[COUNT_MAX];
static char texts[COUNT_MAX][32];

/* Elements with many equal ranks, numbered as they come. */
static void make_entries(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "text %zu", i);
        all[i] = (entry){ (int32_t)test_random_below(20) - 10, (int32_t)i, rdd_str_of(texts[i]) };
    }
}

/* Insertion, so that equal elements stay in their order. */
static void sort_entries(const heap_order *order, entry *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        entry one = items[i];
        size_t at = i;
        for (; at && by_rank(order, &items[at - 1], &one) > 0; at--)
            items[at] = items[at - 1];
        items[at] = one;
    }
}

static void same_entries(heap *h, const entry *expected, size_t count)
{
    const void *items;
    size_t got;
    heap_sorted(h, &items, &got);
    assert_int_equal(got, count);
    for (size_t i = 0; i < count; i++) {
        const entry *e = (const entry *)items + i;
        assert_int_equal(e->rank, expected[i].rank);
        assert_int_equal(e->number, expected[i].number);
        assert_true(rdd_str_equal(e->text, expected[i].text));
    }
}

static void round_of(size_t count, size_t limit, bool reverse)
{
    heap_order order = { by_rank, RDD_TYPE(entry), reverse, NULL };
    heap h = { .order = &order, .limit = limit };
    make_entries(count);
    for (size_t i = 0; i < count; i++) {
        entry passing = all[i]; /* the heap must not keep what it was shown */
        char text[32];
        memcpy(text, texts[i], sizeof text);
        passing.text.data = text;
        assert_int_equal(heap_offer(&h, &passing, NULL), 0);
        memset(text, '?', sizeof text);
    }
    sort_entries(&order, all, count);
    same_entries(&h, all, count < limit ? count : limit);
    heap_release(&h);
}

static void against_sorting(void **state)
{
    (void)state;
    static const size_t LIMITS[] = { 0, 1, 2, 7, 64, 65, 1000, SIZE_MAX };
    for (int round = 0; round < 40; round++)
        for (size_t i = 0; i < ARRAY_SIZE(LIMITS); i++)
            round_of(test_random_below(400), LIMITS[i], test_random_below(2));
    round_of(COUNT_MAX, 10, false);
    round_of(0, 5, false);
}

/* Rising input pushes one out at each offer: what the pushed out held must go. */
static void memory_is_given_back(void **state)
{
    (void)state;
    heap_order order = { by_rank, RDD_TYPE(entry), true, NULL };
    heap h = { .order = &order, .limit = 4 };
    static char big[100000];
    size_t most = 0;
    for (int32_t i = 0; i < 2000; i++) {
        big[0] = (char)('a' + i % 26);
        entry e = { i, i, { sizeof big, big } };
        assert_int_equal(heap_offer(&h, &e, NULL), 0);
        most = size_max(most, h.memory.used);
    }
    assert_true(most < 4 * 1024 * 1024);
    const void *items;
    size_t count;
    heap_sorted(&h, &items, &count);
    assert_int_equal(count, 4);
    for (int32_t i = 0; i < 4; i++) {
        const entry *e = (const entry *)items + i;
        assert_int_equal(e->rank, 1999 - i);
        assert_int_equal(e->text.size, sizeof big);
        assert_int_equal(e->text.data[0], 'a' + (1999 - i) % 26);
        assert_int_equal(e->text.data[sizeof big - 1], 0);
    }
    heap_release(&h);
}

static void limited(void **state)
{
    (void)state;
    heap_order order = { by_rank, RDD_TYPE(entry), false, NULL };
    heap h = { .order = &order, .limit = 1000, .size_max = 100000 };
    static char text[5000];
    rdd_error err = { .code = RDD_OK };
    int code = 0;
    size_t taken = 0;
    for (; code == 0 && taken < 1000; taken++)
        code = heap_offer(&h, &(entry){ 0, 0, { sizeof text, text } }, &err);
    assert_int_equal(code, RDD_E_LIMIT);
    assert_int_equal(err.code, RDD_E_LIMIT);
    assert_true(taken > 15 && taken <= 21);
    heap_release(&h);
}

/* What is pushed out does not count against the maximum. */
static void limited_but_turning_over(void **state)
{
    (void)state;
    heap_order order = { by_rank, RDD_TYPE(entry), true, NULL };
    heap h = { .order = &order, .limit = 3, .size_max = 100000 };
    static char text[5000];
    rdd_error err;
    for (int32_t i = 0; i < 1000; i++)
        if (heap_offer(&h, &(entry){ i, i, { sizeof text, text } }, &err) < 0)
            fail_msg("offer %d: %s", i, err.message);
    heap_release(&h);
}

static void released_twice(void **state)
{
    (void)state;
    heap_order order = { by_rank, RDD_TYPE(entry), false, NULL };
    heap h = { .order = &order, .limit = 3 };
    heap_release(&h);
    heap_offer(&h, &(entry){ 1, 1, RDD_STR("x") }, NULL);
    heap_release(&h);
    heap_release(&h);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(against_sorting), cmocka_unit_test(memory_is_given_back),
        cmocka_unit_test(limited),         cmocka_unit_test(limited_but_turning_over),
        cmocka_unit_test(released_twice),
    };
    return TEST_MAIN(argc, argv, tests);
}
