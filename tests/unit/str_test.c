/* str_test.c: the text functions of rdd.h that need no task. Texts lie at the end of exact blocks,
 * so that a sanitizer sees a byte too many.
 */
#include "base.h"
#include "rdd.h"

#include "test.h"

#include <sys/mman.h>

/* ---- words --------------------------------------------------------------------------------- */

static bool plain_space(char c)
{
    return strchr(" \t\n\v\f\r", c) && c;
}

/* The loop that anybody would write. */
static bool plain_next_word(rdd_str *rest, rdd_str *ret)
{
    size_t i = 0;
    while (i < rest->size && plain_space(rest->data[i]))
        i++;
    size_t from = i;
    while (i < rest->size && !plain_space(rest->data[i]))
        i++;
    if (from == i)
        return false;
    *ret = (rdd_str){ i - from, rest->data + from };
    *rest = (rdd_str){ rest->size - i, rest->data + i };
    return true;
}

static void assert_same_words(const char *data, size_t size)
{
    rdd_str rest = { size, data }, plain_rest = rest, word = RDD_STR("untouched"), plain;
    while (plain_next_word(&plain_rest, &plain)) {
        assert_true(rdd_str_next_word(&rest, &word));
        assert_ptr_equal(word.data, plain.data);
        assert_int_equal(word.size, plain.size);
        assert_true(rest.data + rest.size == data + size);
        assert_true(rest.data >= word.data + word.size);
    }
    rdd_str before = word;
    assert_false(rdd_str_next_word(&rest, &word));
    assert_false(rdd_str_next_word(&rest, &word));
    assert_ptr_equal(word.data, before.data);
}

static void random_texts_have_the_same_words(void **state)
{
    (void)state;
    static const char near[] = { ' ',        '\t',       '\n',       '\v',       '\f',       '\r',
                                 '\b',       14,         31,         33,         0,          'a',
                                 (char)0x80, (char)0x89, (char)0x8d, (char)0xa0, (char)0xff, 'z' };
    for (int round = 0; round < 20000; round++) {
        size_t size = test_random_below(round % 2 ? 20 : 150), spaces = 1 + test_random_below(12);
        char *data = malloc(size_max(size, 1));
        for (size_t i = 0; i < size; i++)
            data[i] = test_random_below(spaces) ? near[test_random_below(sizeof near)] : ' ';
        assert_same_words(data, size);
        free(data);
    }
}

/* Every length of spaces before a word, of the word, and of spaces behind it. */
static void all_lengths_work(void **state)
{
    (void)state;
    for (size_t before = 0; before < 36; before++)
        for (size_t word = 0; word < 36; word++)
            for (size_t behind = 0; behind < 36; behind++) {
                size_t size = before + word + behind;
                char *data = malloc(size_max(size, 1));
                memset(data, '\n', size);
                memset(data + before, 'w', word);
                assert_same_words(data, size);
                free(data);
            }
}

/* The page behind the text cannot be read. */
static void words_stay_within_their_page(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(pages != MAP_FAILED);
    assert_int_equal(mprotect(pages + page, page, PROT_NONE), 0);
    for (size_t size = 0; size < 100; size++) {
        for (size_t i = 0; i < size; i++)
            pages[page - size + i] = test_random_below(4) ? 'x' : ' ';
        assert_same_words(pages + page - size, size);
    }
    munmap(pages, 2 * page);
}

static void no_text_has_no_words(void **state)
{
    (void)state;
    rdd_str none = { 0, NULL }, word;
    assert_false(rdd_str_next_word(&none, &word));
    assert_null(none.data);
}

/* ---- fields -------------------------------------------------------------------------------- */

static void assert_fields(const char *text, const char *const *expected, size_t count)
{
    rdd_str rest = rdd_str_of(text), field;
    for (size_t i = 0; i < count; i++) {
        assert_true(rdd_str_next_field(&rest, ',', &field));
        assert_true(rdd_str_equal(field, rdd_str_of(expected[i])));
        assert_non_null(field.data);
    }
    assert_false(rdd_str_next_field(&rest, ',', &field));
    assert_false(rdd_str_next_field(&rest, ',', &field));
}

#define ASSERT_FIELDS(text, ...)                                 \
    do {                                                         \
        const char *const fields_[] = { __VA_ARGS__ };           \
        assert_fields(text, fields_, ARRAY_SIZE(fields_));       \
    } while (0)

static void fields_are_one_more_than_separators(void **state)
{
    (void)state;
    ASSERT_FIELDS("a,bb,ccc", "a", "bb", "ccc");
    ASSERT_FIELDS("a,,c", "a", "", "c");
    ASSERT_FIELDS(",a,", "", "a", "");
    ASSERT_FIELDS(",", "", "");
    ASSERT_FIELDS("alone", "alone");
    ASSERT_FIELDS("", "");
    rdd_str none = { 0, NULL }, field;
    assert_false(rdd_str_next_field(&none, ',', &field));
}

/* ---- numbers ------------------------------------------------------------------------------- */

static bool to_int64(const char *text, int64_t *ret)
{
    size_t size = strlen(text);
    char *exact = malloc(size_max(size, 1));
    memcpy(exact, text, size);
    bool good = rdd_str_to_int64((rdd_str){ size, exact }, ret);
    free(exact);
    return good;
}

static void whole_numbers_are_exact(void **state)
{
    (void)state;
    int64_t x;
    static const int64_t good[] = { 0, 1, -1, 9, 10, 99, 1234567890, INT64_MAX, INT64_MAX - 1,
                                    INT64_MIN, INT64_MIN + 1, INT32_MIN, 999999999999999999 };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        char text[32];
        snprintf(text, sizeof text, "%lld", (long long)good[i]);
        assert_true(to_int64(text, &x));
        assert_true(x == good[i]);
    }
    assert_true(to_int64("+7", &x) && x == 7);
    assert_true(to_int64("-0", &x) && x == 0);
    assert_true(to_int64("0000000000000000000000000000000042", &x) && x == 42);
    for (int round = 0; round < 100000; round++) {
        char text[32];
        int64_t expected = (int64_t)test_random() >> test_random_below(64);
        snprintf(text, sizeof text, "%lld", (long long)expected);
        assert_true(to_int64(text, &x));
        assert_true(x == expected);
    }
}

static void what_is_no_whole_number_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "-", "+", " 1", "1 ", "1\n", "12x", "x", "1.0", "1e3", "--1", "+-1", "0x10", "1_000",
        "9223372036854775808", "-9223372036854775809", "10000000000000000000",
        "99999999999999999999999", "18446744073709551616", "/", ":", "1/", "1:",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        int64_t x = 77;
        assert_false(to_int64(bad[i], &x));
        assert_int_equal(x, 77);
    }
    int64_t x;
    assert_false(rdd_str_to_int64((rdd_str){ 0, NULL }, &x));
    assert_false(rdd_str_to_int64((rdd_str){ 2, "1" }, &x)); /* a NUL is no digit */
    double d;
    assert_false(rdd_str_to_double((rdd_str){ 0, NULL }, &d));
    assert_true(rdd_str_to_double(RDD_STR("-2.5e-3"), &d));
    assert_true(d == -0.0025);
    assert_false(rdd_str_to_double(RDD_STR("2.5 "), &d));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_have_the_same_words),
        cmocka_unit_test(all_lengths_work),
        cmocka_unit_test(words_stay_within_their_page),
        cmocka_unit_test(no_text_has_no_words),
        cmocka_unit_test(fields_are_one_more_than_separators),
        cmocka_unit_test(whole_numbers_are_exact),
        cmocka_unit_test(what_is_no_whole_number_is_refused),
    };
    return TEST_MAIN(argc, argv, tests);
}
