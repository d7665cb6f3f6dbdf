/* The table of hosts that said "later". */
#include "holds.h"

#include "test.h"

static rdd_str name_of(char room[32], size_t i)
{
    return (rdd_str){ (size_t)snprintf(room, 32, "http://h%zu:80", i), room };
}

static void a_hold_gets_longer_and_never_shorter(void **state)
{
    (void)state;
    CLEANUP(holds_release) holds hs = { 0 };
    rdd_str a = RDD_STR("http://a:80"), b = RDD_STR("http://b:80");
    assert_null(holds_find(&hs, a));
    assert_int_equal(holds_extend(&hs, a, 100, 200), 200);
    assert_int_equal(holds_extend(&hs, a, 110, 150), 0);
    assert_int_equal(holds_extend(&hs, a, 110, 200), 0);
    assert_int_equal(hs.serial, 1);
    assert_int_equal(holds_extend(&hs, b, 120, 130), 130);
    assert_int_equal(holds_extend(&hs, a, 120, 260), 60);
    assert_int_equal(holds_find(&hs, a)->until_ns, 260);
    assert_int_equal(holds_find(&hs, a)->serial, 3);
    assert_int_equal(holds_find(&hs, b)->serial, 2);
    assert_int_equal(hs.count, 2);
}

static void what_is_over_goes(void **state)
{
    (void)state;
    CLEANUP(holds_release) holds hs = { 0 };
    char room[32];
    for (size_t i = 0; i < 10; i++)
        assert_true(holds_extend(&hs, name_of(room, i), 0, 100 + i) > 0);
    assert_int_equal(holds_extend(&hs, RDD_STR("http://new:80"), 104, 300), 300);
    assert_int_equal(hs.count, 6);
    assert_null(holds_find(&hs, name_of(room, 4)));
    assert_non_null(holds_find(&hs, name_of(room, 5)));
    /* One that is over is as one that never was, though nobody dropped it yet. */
    assert_int_equal(holds_extend(&hs, name_of(room, 5), 200, 250), 250);
    assert_int_equal(hs.count, 2);
}

static void there_is_a_bound(void **state)
{
    (void)state;
    CLEANUP(holds_release) holds hs = { 0 };
    char room[32];
    for (size_t i = 0; i < HOLDS_MAX; i++)
        assert_true(holds_extend(&hs, name_of(room, i), 0, 100) > 0);
    assert_int_equal(holds_extend(&hs, RDD_STR("http://new:80"), 0, 100), 0);
    assert_int_equal(holds_extend(&hs, name_of(room, 7), 0, 150), 50);
    assert_int_equal(holds_extend(&hs, RDD_STR("http://new:80"), 100, 200), 200);
    assert_int_equal(hs.count, 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_gets_longer_and_never_shorter),
        cmocka_unit_test(what_is_over_goes),
        cmocka_unit_test(there_is_a_bound),
    };
    return TEST_MAIN(argc, argv, tests);
}
