/* test.h: what every test program shares, a thin layer over cmocka. Include it after the headers of
 * the module under test: cmocka's short macros (skip, fail, mock) would reach into them.
 *
 *     static void grows(void **state) { (void)state; assert_int_equal(…); }
 *
 *     int main(int argc, char **argv)
 *     {
 *         const struct CMUnitTest tests[] = { cmocka_unit_test(grows), … };
 *         return TEST_MAIN(argc, argv, tests);
 *     }
 *
 * The program then takes a name filter, with wildcards or as a part of the name, `--seed N` (or
 * RDD_SEED) and `--list`. A program whose tests run jobs calls rdd_init(&argc, argv) first.
 *
 * tests/run counts cmocka's lines, so a test prints no line that looks like one of them.
 */
#ifndef RDD_TEST_H
#define RDD_TEST_H

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include <cmocka.h>

#define TEST_HELPER __attribute__((unused)) static

/* Runs the array `tests` under the program's arguments; the value is main's. */
#define TEST_MAIN(argc, argv, tests) \
    test_main(argc, argv, tests, sizeof(tests) / sizeof((tests)[0]), NULL, NULL)
#define TEST_MAIN_GROUP(argc, argv, tests, setup, teardown) \
    test_main(argc, argv, tests, sizeof(tests) / sizeof((tests)[0]), setup, teardown)

/* Ends this test as skipped and says why: TEST_SKIP("needs root"). */
#define TEST_SKIP(...)                    \
    do {                                  \
        fprintf(stderr, "[  REASON  ] "); \
        fprintf(stderr, __VA_ARGS__);     \
        fputc('\n', stderr);              \
        skip();                           \
    } while (0)

/* -- Randomness: one stream per program, from a seed that is printed on first use -------------- */

static struct {
    bool given, started;
    uint64_t seed, state;
} test_random_;

TEST_HELPER uint64_t test_seed(void)
{
    if (!test_random_.started) {
        if (!test_random_.given &&
            getrandom(&test_random_.seed, sizeof test_random_.seed, 0) < 0)
            test_random_.seed = (uint64_t)getpid();
        test_random_.started = true;
        test_random_.state = test_random_.seed;
        printf("seed %llu (again with --seed %llu)\n", (unsigned long long)test_random_.seed,
               (unsigned long long)test_random_.seed);
    }
    return test_random_.seed;
}

/* The next 64 random bits (splitmix64). */
TEST_HELPER uint64_t test_random(void)
{
    test_seed();
    uint64_t z = test_random_.state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* 0 to limit - 1. */
TEST_HELPER size_t test_random_below(size_t limit)
{
    return (size_t)(test_random() % limit);
}

/* -- Files: one directory per program, removed when it exits ----------------------------------- */

static char test_dir_[PATH_MAX / 2];
static pid_t test_dir_owner_;

TEST_HELPER int test_remove_one(const char *path, const struct stat *status, int type,
                                struct FTW *at)
{
    (void)status, (void)type, (void)at;
    return remove(path);
}

/* A forked child that exits leaves the directory alone. */
TEST_HELPER void test_remove_dir(void)
{
    if (test_dir_owner_ == getpid())
        nftw(test_dir_, test_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

TEST_HELPER const char *test_dir(void)
{
    if (!test_dir_owner_) {
        const char *parent = getenv("TMPDIR");
        snprintf(test_dir_, sizeof test_dir_, "%s/rdd-test-XXXXXX", parent ? parent : "/tmp");
        if (!mkdtemp(test_dir_)) {
            perror(test_dir_);
            exit(1);
        }
        test_dir_owner_ = getpid();
        atexit(test_remove_dir);
    }
    return test_dir_;
}

/* The path of `name` in the directory; good for the next fifteen calls. */
TEST_HELPER const char *test_path(const char *name)
{
    static char paths[16][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", test_dir(), name);
    return path;
}

/* Writes a file into the directory and returns its path. */
TEST_HELPER const char *test_file(const char *name, const void *data, size_t size)
{
    const char *path = test_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(data, 1, size, file) != size || fclose(file)) {
        perror(path);
        exit(1);
    }
    return path;
}

/* -- main -------------------------------------------------------------------------------------- */

TEST_HELPER int test_usage(const char *program)
{
    fprintf(stderr, "usage: %s [--list] [--seed N] [NAME]   (NAME: part of a test's name, or with "
                    "* and ?)\n", program);
    return 2;
}

TEST_HELPER bool test_set_seed(const char *text)
{
    char *end;
    errno = 0;
    test_random_.seed = strtoull(text, &end, 0);
    test_random_.given = true;
    return *text && !*end && !errno;
}

/* cmocka keeps the pattern by pointer, so it lives here. */
TEST_HELPER void test_set_filter(const char *name)
{
    static char pattern[256];
    bool wild = strpbrk(name, "*?") != NULL;
    snprintf(pattern, sizeof pattern, wild ? "%s" : "*%s*", name);
    cmocka_set_test_filter(pattern);
}

TEST_HELPER int test_main(int argc, char **argv, const struct CMUnitTest *tests, size_t count,
                          CMFixtureFunction setup, CMFixtureFunction teardown)
{
    setvbuf(stdout, NULL, _IOLBF, 0); /* in order with stderr, and not printed twice after a fork */
    const char *seed = getenv("RDD_SEED");
    if (seed && !test_set_seed(seed)) {
        fprintf(stderr, "%s: RDD_SEED is no number: %s\n", argv[0], seed);
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--list")) {
            for (size_t t = 0; t < count; t++)
                puts(tests[t].name);
            return 0;
        }
        if (!strcmp(argv[i], "--seed")) {
            if (++i >= argc || !test_set_seed(argv[i]))
                return test_usage(argv[0]);
        } else if (argv[i][0] == '-') {
            return test_usage(argv[0]);
        } else {
            test_set_filter(argv[i]);
        }
    }
    return _cmocka_run_group_tests("tests", tests, count, setup, teardown) ? 1 : 0;
}

#endif
