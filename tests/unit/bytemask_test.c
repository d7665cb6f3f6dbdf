/* bytemask_test.c: bytemask.h against one byte at a time. */
#include "bytemask.h"

#include "test.h"

/* Bytes of which about half are near the one that is searched, in the ways that carry. */
static void random_bytes(char *bytes, size_t size, char wanted)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t random = test_random();
        const char near[] = { wanted, (char)(wanted + 1), (char)(wanted - 1),
                              (char)(wanted ^ 0x80) };
        bytes[i] = random & 1 ? near[random >> 1 & 3] : (char)(random >> 8);
    }
}

static void masks_agree_with_a_loop(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char wanted = (char)test_random(), bytes[64];
        random_bytes(bytes, sizeof bytes, wanted);
        uint64_t expected = 0;
        for (unsigned i = 0; i < 64; i++)
            expected |= (uint64_t)(bytes[i] == wanted) << i;
        assert_true(bytemask(bytes, wanted) == expected);
        assert_true(bytemask_portable(bytes, wanted) == expected);
        assert_int_equal(bit_count(expected), __builtin_popcountll(expected));
    }
}

static void bits_are_listed_in_order(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        uint64_t mask = test_random();
        for (size_t i = test_random_below(5); i; i--)
            mask &= test_random();
        if (round < 64)
            mask = bits_below((size_t)round) << test_random_below(64 - (size_t)round + 1) % 64;
        if (round == 64)
            mask = ~(uint64_t)0;
        uint32_t list[64], base = (uint32_t)test_random_below(1 << 20);
        uint32_t *end = bits_list(mask, base, list), *at = list;
        for (unsigned i = 0; i < 64; i++) {
            if (!(mask >> i & 1))
                continue;
            assert_true(at < end);
            assert_int_equal(*at++, base + i);
        }
        assert_ptr_equal(at, end);
    }
}

static void low_bits(void **state)
{
    (void)state;
    assert_true(bits_below(0) == 0);
    assert_true(bits_below(1) == 1);
    assert_true(bits_below(63) == ~(uint64_t)0 >> 1);
    assert_true(bits_below(64) == ~(uint64_t)0);
    assert_true(bits_below(SIZE_MAX) == ~(uint64_t)0);
}

static void counts_do_not_read_past_the_end(void **state)
{
    (void)state;
    for (size_t size = 0; size < 300; size++) {
        char *bytes = malloc(size ? size : 1);
        assert_non_null(bytes);
        random_bytes(bytes, size, '\n');
        size_t expected = 0;
        for (size_t i = 0; i < size; i++)
            expected += bytes[i] == '\n';
        assert_int_equal(bytes_count(bytes, size, '\n'), expected);
        free(bytes);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masks_agree_with_a_loop),
        cmocka_unit_test(bits_are_listed_in_order),
        cmocka_unit_test(low_bits),
        cmocka_unit_test(counts_do_not_read_past_the_end),
    };
    return TEST_MAIN(argc, argv, tests);
}
