/* Large memory whose pages another thread makes: what is written meanwhile stays, and it may be freed at any
 * time. */
#include "base.h"
#include "pages.h"

#include <pthread.h>

#include "test.h"

static void fill(unsigned char *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += sizeof seed) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        memcpy(bytes + i, &seed, size_min(sizeof seed, size - i));
    }
}

static void expect_filled(const unsigned char *bytes, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size; i += sizeof seed) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (memcmp(bytes + i, &seed, size_min(sizeof seed, size - i)) != 0)
            fail_msg("byte %zu of %zu is not what was written", i, size);
    }
}

static void of_any_size(void **state)
{
    (void)state;
    static const size_t SIZES[] = { 1, 100, KIB(64), MIB(2) - 1, MIB(2), MIB(4) - 1, MIB(4), MIB(4) + 1,
                                    MIB(19) + 3 };
    unsigned char *blocks[ARRAY_SIZE(SIZES)];
    for (size_t i = 0; i < ARRAY_SIZE(SIZES); i++) {
        blocks[i] = pages_alloc(SIZES[i]);
        assert_non_null(blocks[i]);
        fill(blocks[i], SIZES[i], i);
    }
    for (size_t i = 0; i < ARRAY_SIZE(SIZES); i++) {
        expect_filled(blocks[i], SIZES[i], i);
        free(blocks[i]);
    }
}

static void *use_blocks(void *arg)
{
    uint64_t state = *(uint64_t *)arg;
    for (int i = 0; i < 40; i++) {
        size_t size = MIB(4) + (size_t)(state >> 40) % MIB(12);
        size_t used = i % 3 ? size_min(size, KIB(300)) : size;
        unsigned char *block = pages_alloc(size);
        assert_non_null(block);
        fill(block, used, state);
        expect_filled(block, used, state);
        free(block);
        state = state * 6364136223846793005u + 1442695040888963407u;
    }
    return NULL;
}

static void freed_while_pages_are_made(void **state)
{
    (void)state;
    pthread_t threads[3];
    uint64_t seeds[ARRAY_SIZE(threads)];
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        seeds[i] = test_random();
        assert_int_equal(pthread_create(&threads[i], NULL, use_blocks, &seeds[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_any_size),
        cmocka_unit_test(freed_while_pages_are_made),
    };
    return TEST_MAIN(argc, argv, tests);
}
