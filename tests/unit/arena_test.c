/* arena_test.c: arena.h. */
#include "arena.h"

#include "test.h"

static void every_block_is_aligned_and_separate(void **state)
{
    (void)state;
    arena a = { 0 };
    unsigned char *blocks[300];
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++) {
        blocks[i] = arena_alloc(&a, i);
        assert_non_null(blocks[i]);
        assert_int_equal((uintptr_t)blocks[i] % 16, 0);
        memset(blocks[i], (int)(i & 0xff), i);
    }
    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        for (size_t at = 0; at < i; at++)
            assert_int_equal(blocks[i][at], i & 0xff);
    arena_release(&a);
    assert_int_equal(a.used, 0);
    assert_null(a.chunks);
}

/* NULL means "no memory" and nothing else, so an empty array gets a block too. */
static void an_empty_block_is_no_failure(void **state)
{
    (void)state;
    arena a = { 0 };
    assert_non_null(arena_alloc(&a, 0));
    assert_non_null(arena_zalloc(&a, 0));
    assert_string_equal(arena_copy(&a, NULL, 0), "");
    arena_release(&a);
}

static void random_blocks_keep_their_bytes(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    arena a = { 0 };
    unsigned char **blocks = calloc(COUNT, sizeof *blocks);
    size_t *sizes = calloc(COUNT, sizeof *sizes);
    assert_non_null(blocks);
    assert_non_null(sizes);
    for (int round = 0; round < 3; round++) {
        size_t sum = 0;
        for (size_t i = 0; i < COUNT; i++) {
            size_t limit = test_random_below(50) ? 200 : 100000;
            sizes[i] = 1 + test_random_below(limit);
            sum += size_align(sizes[i], 16);
            blocks[i] = arena_alloc(&a, sizes[i]);
            assert_non_null(blocks[i]);
            memset(blocks[i], (int)(i % 251), sizes[i]);
        }
        assert_int_equal(a.used, sum);
        for (size_t i = 0; i < COUNT; i++) {
            assert_int_equal(blocks[i][0], i % 251);
            assert_int_equal(blocks[i][sizes[i] - 1], i % 251);
        }
        arena_reset(&a);
        assert_int_equal(a.used, 0);
    }
    free(sizes);
    free(blocks);
    arena_release(&a);
}

static void zalloc_gives_zeros_after_a_reset(void **state)
{
    (void)state;
    arena a = { 0 };
    memset(arena_alloc(&a, 512), 0xff, 512);
    arena_reset(&a);
    const unsigned char *block = arena_zalloc(&a, 512);
    for (size_t i = 0; i < 512; i++)
        assert_int_equal(block[i], 0);
    arena_release(&a);
}

static void a_steady_state_stays_in_one_chunk(void **state)
{
    (void)state;
    arena a = { 0 };
    for (int i = 0; i < 40; i++)
        assert_non_null(arena_alloc(&a, 1000));
    arena_reset(&a);
    const void *chunk = a.chunks;
    const char *end = a.end;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 20; i++)
            assert_non_null(arena_alloc(&a, 1000));
        assert_ptr_equal(a.chunks, chunk);
        arena_reset(&a);
        assert_ptr_equal(a.end, end);
    }
    arena_release(&a);
}

static void the_maximum_refuses_and_a_reset_frees_it(void **state)
{
    (void)state;
    arena a = { .max = 1000 };
    assert_non_null(arena_alloc(&a, 600));
    assert_null(arena_alloc(&a, 600));
    assert_non_null(arena_alloc(&a, 384)); /* 608 + 384 = 992 */
    assert_null(arena_alloc(&a, 16));
    assert_null(arena_zalloc(&a, 16));
    assert_null(arena_strdup(&a, "hello"));
    assert_null(arena_format(&a, "%d", 1));
    arena_reset(&a);
    assert_non_null(arena_alloc(&a, 900));
    arena_release(&a);
    assert_int_equal(a.max, 1000);
    assert_null(arena_alloc(&a, 1001));
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    arena a = { 0 };
    for (size_t off = 0; off < 40; off++) {
        assert_null(arena_alloc(&a, SIZE_MAX - off));
        assert_null(arena_zalloc(&a, SIZE_MAX - off));
    }
    assert_null(arena_copy(&a, "x", SIZE_MAX));
    assert_non_null(arena_alloc(&a, 8));
    for (size_t off = 0; off < 40; off++)
        assert_null(arena_alloc(&a, SIZE_MAX - off));
    arena_release(&a);
}

static void copies_are_terminated(void **state)
{
    (void)state;
    arena a = { 0 };
    char *copy = arena_copy(&a, "ab\0cd", 5);
    assert_memory_equal(copy, "ab\0cd", 6);
    assert_string_equal(arena_strdup(&a, "text"), "text");
    assert_string_equal(arena_format(&a, "%s-%d", "n", 42), "n-42");
    arena_release(&a);
}

/* In the lifetime debug mode a reset gives every chunk back, so that the address sanitizer sees a
 * pointer that outlived its batch. */
static void poison_keeps_no_chunk(void **state)
{
    (void)state;
    arena a = { .poison = true };
    assert_non_null(arena_alloc(&a, 100));
    arena_reset(&a);
    assert_null(a.chunks);
    assert_true(a.poison);
    assert_non_null(arena_alloc(&a, 100));
    arena_release(&a);
    arena_release(&a);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_is_aligned_and_separate),
        cmocka_unit_test(an_empty_block_is_no_failure),
        cmocka_unit_test(random_blocks_keep_their_bytes),
        cmocka_unit_test(zalloc_gives_zeros_after_a_reset),
        cmocka_unit_test(a_steady_state_stays_in_one_chunk),
        cmocka_unit_test(the_maximum_refuses_and_a_reset_frees_it),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(copies_are_terminated),
        cmocka_unit_test(poison_keeps_no_chunk),
    };
    return TEST_MAIN(argc, argv, tests);
}
