/* value_test.c: hash, compare, copy and measure, declared in type.h. */
#include "type.h"

#include "test.h"

#include <math.h>

#include "random_value.h"

RDD_OPTIONAL(maybe_int, int32_t);
RDD_LIST(numbers, double);
RDD_LIST(words, rdd_str);
RDD_STRUCT(padded, (int8_t, small), (double, large), (bool, flag), (maybe_int, maybe));
RDD_STRUCT(holder, (words, list), (rdd_row, row), (rdd_str, text));

#define ORDER_OF(T, a, b) value_compare(RDD_TYPE(T), (const T[]){ a }, (const T[]){ b })
#define HASH_OF(T, a) value_hash(RDD_TYPE(T), (const T[]){ a }, 7)
#define ASSERT_ASCENDING(T, ...)                                                    \
    do {                                                                            \
        const T list_[] = { __VA_ARGS__ };                                          \
        assert_ascending(RDD_TYPE(T), list_, ARRAY_SIZE(list_));                     \
    } while (0)

/* Each is less than all that follow it. */
static void assert_ascending(const rdd_type *t, const void *items, size_t count)
{
    const char *p = items;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++) {
            int order = value_compare(t, p + i * t->size, p + k * t->size);
            assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
            if (i != k)
                assert_true(value_hash(t, p + i * t->size, 0) != value_hash(t, p + k * t->size, 0));
        }
}

static void numbers_are_ordered_by_value(void **state)
{
    (void)state;
    ASSERT_ASCENDING(bool, false, true);
    ASSERT_ASCENDING(int8_t, INT8_MIN, -1, 0, 1, INT8_MAX);
    ASSERT_ASCENDING(int16_t, INT16_MIN, -1, 0, 1, INT16_MAX);
    ASSERT_ASCENDING(int32_t, INT32_MIN, -1, 0, 1, INT32_MAX);
    ASSERT_ASCENDING(int64_t, INT64_MIN, -1, 0, 1, INT64_MAX);
    ASSERT_ASCENDING(uint8_t, 0, 1, 127, 128, UINT8_MAX);
    ASSERT_ASCENDING(uint16_t, 0, 1, INT16_MAX, UINT16_MAX);
    ASSERT_ASCENDING(uint32_t, 0, 1, INT32_MAX, UINT32_MAX);
    ASSERT_ASCENDING(uint64_t, 0, 1, INT64_MAX, UINT64_MAX);
    ASSERT_ASCENDING(double, -INFINITY, -1e300, -5e-324, 0, 5e-324, 1, INFINITY, NAN);
    ASSERT_ASCENDING(float, -INFINITY, -1e30f, 0, 1e-45f, 1, INFINITY, NAN);
}

static void zeros_and_nans_are_one_each(void **state)
{
    (void)state;
    double odd_nan;
    memcpy(&odd_nan, &(uint64_t){ 0xfff8000000001234u }, sizeof odd_nan);
    assert_int_equal(ORDER_OF(double, 0.0, -0.0), 0);
    assert_true(HASH_OF(double, 0.0) == HASH_OF(double, -0.0));
    assert_int_equal(ORDER_OF(double, NAN, odd_nan), 0);
    assert_true(HASH_OF(double, NAN) == HASH_OF(double, odd_nan));
    assert_int_equal(ORDER_OF(float, 0.0f, -0.0f), 0);
    assert_true(HASH_OF(float, 0.0f) == HASH_OF(float, -0.0f));
    assert_true(HASH_OF(float, NAN) == HASH_OF(float, -NAN));
}

static void texts_are_ordered_by_bytes(void **state)
{
    (void)state;
    ASSERT_ASCENDING(rdd_str, { 0, NULL }, { 0, "" }, { 1, "\0" }, { 1, "a" }, { 2, "a\0" },
                     { 2, "ab" }, { 1, "b" }, { 1, "\x7f" }, { 1, "\x80" }, { 1, "\xff" });
    ASSERT_ASCENDING(rdd_bytes, { 0, NULL }, { 0, "" }, { 1, "a" }, { 1, "\xff" });
    assert_int_equal(ORDER_OF(rdd_str, RDD_STR("same"), rdd_str_of("same")), 0);
    /* "no value" is one, whatever its size says */
    assert_int_equal(ORDER_OF(rdd_str, ((rdd_str){ 5, NULL }), ((rdd_str){ 0, NULL })), 0);
    assert_true(rdd_str_compare(RDD_STR("a"), RDD_STR("b")) < 0);
    assert_true(rdd_str_compare((rdd_str){ 0, NULL }, RDD_STR("")) < 0);
}

static void nested_values_are_ordered(void **state)
{
    (void)state;
    ASSERT_ASCENDING(maybe_int, { false, 9 }, { true, -1 }, { true, 0 }, { true, 5 });
    const double one[] = { 1, 2 }, other[] = { 1, 3 };
    ASSERT_ASCENDING(numbers, { 0, NULL }, { 1, one }, { 2, one }, { 2, other }, { 1, other + 1 });
    assert_int_equal(ORDER_OF(numbers, ((numbers){ 0, one }), ((numbers){ 3, NULL })), 0);
    ASSERT_ASCENDING(padded, { 1, 2, false, { true, 3 } }, { 1, 2, false, { true, 4 } },
                     { 1, 2, true, { false, 0 } }, { 1, 3, false, { true, 3 } },
                     { 2, 0, false, { true, 3 } });
}

static void padding_is_not_looked_at(void **state)
{
    (void)state;
    padded a, b;
    memset(&a, 0xaa, sizeof a);
    memset(&b, 0x55, sizeof b);
    a.small = b.small = 1;
    a.large = b.large = 2;
    a.flag = b.flag = true;
    a.maybe.has = b.maybe.has = false; /* its value differs */
    assert_int_equal(value_compare(RDD_TYPE(padded), &a, &b), 0);
    assert_true(value_hash(RDD_TYPE(padded), &a, 0) == value_hash(RDD_TYPE(padded), &b, 0));
}

/* Hashes place elements into partitions: a change moves everybody's data. */
static void hashes_are_stable(void **state)
{
    (void)state;
    padded p = { 1, 2.5, true, { true, 3 } };
    rdd_cell cell = { RDD_STR("id"), RDD_STR("42") };
    rdd_row row = { 1, &cell };
    assert_int_equal(value_hash(RDD_TYPE(int64_t), &(int64_t){ 42 }, 0), 0xd5a6f8c838df27c8);
    assert_int_equal(value_hash(RDD_TYPE(rdd_str), &RDD_STR("word"), 0), 0xe3ce369cf66c5c55);
    assert_int_equal(value_hash(RDD_TYPE(padded), &p, 0), 0x8c716e265f308966);
    assert_int_equal(value_hash(RDD_TYPE(rdd_row), &row, 0), 0x602c314b4e2382f5);
    assert_true(HASH_OF(int64_t, 1) != value_hash(RDD_TYPE(int64_t), &(int64_t){ 1 }, 8));
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

/* An order is one: antisymmetric and transitive; and equal values have equal hashes. */
static void random_values_are_ordered(void **state)
{
    (void)state;
    enum { COUNT = 8 };
    size_t equal = 0;
    for (int round = 0; round < 1000; round++) {
        CLEANUP(arena_release) arena a = { 0 };
        const rdd_type *t = random_type(&a, 2);
        const char *v = random_values(&a, t, COUNT, false);
        int order[COUNT][COUNT];
        for (size_t i = 0; i < COUNT; i++)
            for (size_t k = 0; k < COUNT; k++)
                order[i][k] = sign(value_compare(t, v + i * t->size, v + k * t->size));
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(order[i][i], 0);
            for (size_t k = 0; k < COUNT; k++) {
                assert_int_equal(order[i][k], -order[k][i]);
                if (order[i][k] == 0)
                    assert_values_equal(t, v + i * t->size, v + k * t->size, 1);
                equal += i != k && order[i][k] == 0;
                for (size_t m = 0; m < COUNT; m++)
                    if (order[i][k] <= 0 && order[k][m] <= 0)
                        assert_true(order[i][m] <= 0);
            }
        }
    }
    assert_true(equal > 100);
}

/* ---- copies -------------------------------------------------------------------------------- */

static void copies_own_what_they_point_to(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        CLEANUP(arena_release) arena from = { .poison = true };
        CLEANUP(arena_release) arena again = { 0 };
        CLEANUP(arena_release) arena to = { 0 };
        CLEANUP(arena_release) arena types = { 0 };
        size_t count = test_random_below(20);
        const rdd_type *t = random_type(&types, 3);
        void *items = random_values(&from, t, count, false);
        void *copy = arena_alloc(&to, count * t->size),
             *second = arena_alloc(&again, count * t->size);
        assert_int_equal(values_copy(t, items, count, copy, &to), 0);
        assert_values_equal(t, items, copy, count);
        assert_int_equal(values_outside_size(t, items, count), values_outside_size(t, copy, count));
        assert_int_equal(values_copy(t, copy, count, second, &again), 0);
        arena_release(&from); /* overwrites what the copy must not need */
        assert_values_equal(t, copy, second, count);
    }
}

static void copies_keep_what_is_missing(void **state)
{
    (void)state;
    CLEANUP(arena_release) arena a = { 0 };
    const rdd_str texts[] = { { 0, NULL }, { 0, "" }, { 1, "x" } };
    const holder h = { { 3, texts }, { 0, NULL }, { 9, NULL } };
    holder copy;
    assert_int_equal(values_copy(RDD_TYPE(holder), &h, 1, &copy, &a), 0);
    assert_int_equal(copy.list.count, 3);
    assert_ptr_not_equal(copy.list.items, texts);
    assert_null(copy.list.items[0].data);
    assert_non_null(copy.list.items[1].data);
    assert_int_equal(copy.list.items[1].size, 0);
    assert_memory_equal(copy.list.items[2].data, "x", 1);
    assert_null(copy.row.items);
    assert_null(copy.text.data);
    assert_int_equal(copy.text.size, 0);
    assert_int_equal(values_copy(RDD_TYPE(holder), NULL, 0, NULL, &a), 0);
}

static void copies_respect_the_arena(void **state)
{
    (void)state;
    const rdd_str texts[] = { RDD_STR("0123456789"), RDD_STR("0123456789") };
    const holder h = { { 2, texts }, { 0, NULL }, RDD_STR("more") };
    int code = RDD_E_MEMORY;
    size_t max = 1;
    for (; code; max += 16) {
        CLEANUP(arena_release) arena a = { .max = max };
        holder copy;
        code = values_copy(RDD_TYPE(holder), &h, 1, &copy, &a);
        assert_true(code == 0 || code == RDD_E_MEMORY);
    }
    assert_true(max > 32 + 16 + 4);
}

static void outside_is_texts_and_items(void **state)
{
    (void)state;
    const rdd_str texts[] = { RDD_STR("abc"), { 0, NULL }, RDD_STR("") };
    rdd_cell cell = { RDD_STR("id"), RDD_STR("42") };
    const holder h[] = { { { 3, texts }, { 1, &cell }, RDD_STR("12345") },
                         { { 5, NULL }, { 0, &cell }, { 7, NULL } } };
    assert_int_equal(values_outside_size(RDD_TYPE(holder), h, 2),
                     3 * sizeof(rdd_str) + 3 + sizeof(rdd_cell) + 4 + 5);
    assert_int_equal(values_outside_size(RDD_TYPE(holder), &h[1], 1), 0);
    assert_int_equal(values_outside_size(RDD_TYPE(padded), NULL, 1000), 0);
}

static void numbers_become_doubles(void **state)
{
    (void)state;
#define ASSERT_DOUBLE(T, x) assert_true(value_to_double(RDD_TYPE(T), &(T){ x }) == (double)(x))
    ASSERT_DOUBLE(int8_t, -128);
    ASSERT_DOUBLE(uint8_t, 255);
    ASSERT_DOUBLE(int16_t, -3);
    ASSERT_DOUBLE(uint16_t, 65535);
    ASSERT_DOUBLE(int32_t, INT32_MIN);
    ASSERT_DOUBLE(uint32_t, UINT32_MAX);
    ASSERT_DOUBLE(int64_t, INT64_MIN);
    ASSERT_DOUBLE(uint64_t, UINT64_MAX);
    ASSERT_DOUBLE(float, 0.1f);
    ASSERT_DOUBLE(double, 0.1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_ordered_by_value),
        cmocka_unit_test(zeros_and_nans_are_one_each),
        cmocka_unit_test(texts_are_ordered_by_bytes),
        cmocka_unit_test(nested_values_are_ordered),
        cmocka_unit_test(padding_is_not_looked_at),
        cmocka_unit_test(hashes_are_stable),
        cmocka_unit_test(random_values_are_ordered),
        cmocka_unit_test(copies_own_what_they_point_to),
        cmocka_unit_test(copies_keep_what_is_missing),
        cmocka_unit_test(copies_respect_the_arena),
        cmocka_unit_test(outside_is_texts_and_items),
        cmocka_unit_test(numbers_become_doubles),
    };
    return TEST_MAIN(argc, argv, tests);
}
