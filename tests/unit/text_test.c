/* text_test.c: text.h and secrets.h. */
#include "secrets.h"
#include "text.h"

#include "test.h"

#include <cjson/cJSON.h>

static void expect(buf *b, const char *text)
{
    assert_string_equal(buf_terminate(b) ? b->data : "(failed)", text);
    buf_clear(b);
}

static void utf8_is_told_from_what_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
    } cases[] = {
        { "a", 1 },        { "\xc3\xa9", 2 },         { "\xe2\x82\xac", 3 },
        { "\xed\x9f\xbf", 3 }, { "\xf0\x9f\x98\x80", 4 }, { "\xf4\x8f\xbf\xbf", 4 },
        { "\x80", 0 },     { "\xc0\xaf", 0 },         { "\xc1\xbf", 0 },
        { "\xe0\x9f\xbf", 0 }, { "\xed\xa0\x80", 0 }, { "\xf0\x8f\xbf\xbf", 0 },
        { "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 }, { "\xff", 0 },
        { "\xc3", 0 },     { "\xe2\x82", 0 },         { "\xe2\x82q", 0 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const char *text = cases[i].text;
        assert_int_equal(text_utf8(text, text + strlen(text)), cases[i].size);
    }
    const char *nothing = "";
    assert_int_equal(text_utf8(nothing, nothing), 0);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    text_json(&b, NULL, 0);
    expect(&b, "\"\"");
    text_json(&b, "plain", 5);
    expect(&b, "\"plain\"");
    text_json(&b, "\"\\\n\r\t\x1b\0/\x7f", 9);
    expect(&b, "\"\\\"\\\\\\n\\r\\t\\u001b\\u0000/\x7f\"");
    text_json(&b, "a\xc3\xa9\xff\xe2\x82z", 7);
    expect(&b, "\"a\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdz\"");
}

/* Bytes of every sort, runs of one sort, and whole sequences. */
static size_t random_text(char *text, size_t size_max)
{
    static const char *const pieces[] = { "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
                                          "\"", "\\", "abc", "\n", "\x1b[2J",
                                          "\xed\xa0\x80", "\xe2\x80\xae" };
    size_t size = 0, want = test_random_below(size_max);
    while (size < want) {
        const char *piece = pieces[test_random_below(ARRAY_SIZE(pieces))];
        size_t length = size_min(strlen(piece), want - size);
        if (test_random_below(3) == 0)
            text[size++] = (char)test_random();
        else
            memcpy(text + size, piece, length), size += length;
    }
    return size;
}

static bool is_utf8(const char *at, const char *end)
{
    while (at < end) {
        size_t size = text_utf8(at, end);
        if (!size)
            return false;
        at += size;
    }
    return true;
}

static void any_bytes_make_a_json_string(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char text[200];
        size_t size = random_text(text, sizeof text);
        CLEANUP(buf_release) buf b = { 0 };
        text_json(&b, text, size);
        assert_true(is_utf8(b.data, b.data + b.size));
        for (size_t i = 0; i < b.size; i++)
            assert_true((unsigned char)b.data[i] >= 0x20);
        cJSON *json = cJSON_ParseWithLengthOpts(buf_terminate(&b), b.size + 1, NULL, true);
        assert_non_null(json);
        assert_true(cJSON_IsString(json));
        if (is_utf8(text, text + size) && !memchr(text, 0, size)) {
            assert_int_equal(strlen(json->valuestring), size);
            assert_memory_equal(json->valuestring, text, size);
        }
        cJSON_Delete(json);
    }
}

static void texts_are_cut_to_fit(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    assert_int_equal(text_fit(&b, "api_call", 8, 8), 8);
    expect(&b, "api_call");
    assert_int_equal(text_fit(&b, "api_calls", 9, 8), 8);
    expect(&b, "api_c...");
    assert_int_equal(text_fit(&b, "api_call", 8, 2), 2);
    expect(&b, "..");
    assert_int_equal(text_fit(&b, "api_call", 8, 0), 0);
    expect(&b, "");
    /* Two columns each: a cut may leave one free. */
    const char *wide = "\xe6\xbc\xa2\xe5\xad\x97\xe6\xbc\xa2\xe5\xad\x97";
    assert_int_equal(text_columns(wide, 12), 8);
    assert_int_equal(text_fit(&b, wide, 12, 7), 7);
    expect(&b, "\xe6\xbc\xa2\xe5\xad\x97...");
    assert_int_equal(text_fit(&b, wide, 12, 6), 5);
    expect(&b, "\xe6\xbc\xa2...");
}

static void nothing_moves_the_cursor(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    static const char text[] = "a\tb\rc\x1b[2J" "d\x7f\xff" "z";
    assert_int_equal(text_fit(&b, text, sizeof text - 1, 80), sizeof text - 1);
    expect(&b, "a b?c?[2Jd??z");
}

static void any_bytes_fit_a_line(void **state)
{
    (void)state;
    for (int round = 0; round < 3000; round++) {
        char text[120];
        size_t size = random_text(text, sizeof text), columns = test_random_below(60);
        CLEANUP(buf_release) buf b = { 0 };
        size_t used = text_fit(&b, text, size, columns);
        assert_true(used <= columns);
        assert_true(is_utf8(b.data, b.data + b.size));
        assert_int_equal(text_columns(b.data, b.size), used);
        if (text_columns(text, size) <= columns)
            assert_int_equal(text_columns(text, size), used);
        for (size_t i = 0; i < b.size; i++)
            assert_true((unsigned char)b.data[i] >= 0x20 && b.data[i] != 0x7f);
        assert_null(b.size ? memmem(b.data, b.size, "\xe2\x80\xae", 3) : NULL);
    }
}

static void numbers(void **state)
{
    (void)state;
    static const struct {
        uint64_t number;
        const char *plain, *grouped;
    } cases[] = {
        { 0, "0", "0" },
        { 9, "9", "9" },
        { 10, "10", "10" },
        { 999, "999", "999" },
        { 1000, "1000", "1,000" },
        { 1234567, "1234567", "1,234,567" },
        { UINT64_MAX, "18446744073709551615", "18,446,744,073,709,551,615" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char digits[TEXT_U64_MAX + 1];
        *text_put_u64(digits, cases[i].number) = 0;
        assert_string_equal(digits, cases[i].plain);
        CLEANUP(buf_release) buf b = { 0 };
        text_thousands(&b, cases[i].number);
        expect(&b, cases[i].grouped);
    }
    char digits[8];
    *text_put_digits(digits, 42, 6) = 0;
    assert_string_equal(digits, "000042");
}

/* "|" between words. */
static void expect_masked(const char *line, const char *masked)
{
    CLEANUP(buf_release) buf b = { 0 };
    CLEANUP(freep) char *copy = strdup(line);
    bool secret = false;
    char *rest = copy, *word;
    while ((word = strsep(&rest, "|"))) {
        if (secret)
            buf_text(&b, "***");
        secret = !secret && secrets_mask(&b, word, strlen(word));
        if (rest)
            buf_char(&b, '|');
    }
    expect(&b, masked);
}

static void secrets_are_masked(void **state)
{
    (void)state;
    expect_masked("--password|hunter2|in.csv", "--password|***|in.csv");
    expect_masked("--api-key|abc|x", "--api-key|***|x");
    expect_masked("--token=abc", "--token=***");
    expect_masked("--TOKEN=abc", "--TOKEN=***");
    expect_masked("--header|Authorization: Bearer abc", "--header|Authorization: ***");
    expect_masked("--header=X-Api-Key: abc", "--header=X-Api-Key: ***");
    expect_masked("--header|Cookie: a=b; c=d", "--header|Cookie: ***");
    expect_masked("https://me:pw@host/a?b=c", "https://***@host/a?b=c");
    expect_masked("https://host/a@b", "https://host/a@b");
    expect_masked("https://host/{id}?x=1&access_token=abc&y=2",
                  "https://host/{id}?x=1&access_token=***");
    expect_masked("https://me@host/?key=abc", "https://***@host/?key=***");
    expect_masked("--body|{\"user\":\"me\",\"password\":\"abc\"}",
                  "--body|{\"user\":\"me\",\"password\":***");
    expect_masked("--conf|my.secret=abc", "--conf|my.secret=***");
}

static void all_else_is_left(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "--master|local[2]|in.csv|out.csv",
        "tokens.csv|passwords.txt",
        "/data/keys_2024/part=1.csv",
        "--keep|5|--monkeys|3",
        "https://host:8080/{id}?page=2",
        "--conf|http.rate=50/s",
        "mailto:me@host",
    };
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        expect_masked(lines[i], lines[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utf8_is_told_from_what_is_not),
        cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(any_bytes_make_a_json_string),
        cmocka_unit_test(texts_are_cut_to_fit),
        cmocka_unit_test(nothing_moves_the_cursor),
        cmocka_unit_test(any_bytes_fit_a_line),
        cmocka_unit_test(numbers),
        cmocka_unit_test(secrets_are_masked),
        cmocka_unit_test(all_else_is_left),
    };
    return TEST_MAIN(argc, argv, tests);
}
