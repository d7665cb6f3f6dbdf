/* json_print_test.c: elements as JSON text, for files and for messages; and UTF-8. */
#include "json.h"

#include "type.h"

#include "test.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "exact_text.h"
#include "random_value.h"

RDD_OPTIONAL(maybe_int, int32_t);
RDD_LIST(numbers, int64_t);
RDD_STRUCT(point, (double, x), (float, y));

static arena memory;

static int reset(void **state)
{
    (void)state;
    arena_release(&memory);
    return 0;
}

static void assert_printed(const rdd_type *t, const void *value, const char *expected)
{
    buf out = { 0 };
    rdd_error err;
    buf_text(&out, ">");
    assert_int_equal(json_print(t, value, &out, &err), 0);
    assert_string_equal(buf_terminate(&out) + 1, expected);
    buf_release(&out);
}

#define PRINTED(T, value, text) assert_printed(RDD_TYPE(T), (const T[]){ value }, text)

static void elements_print_as_json(void **state)
{
    (void)state;
    PRINTED(bool, true, "true");
    PRINTED(int8_t, -128, "-128");
    PRINTED(uint64_t, UINT64_MAX, "18446744073709551615");
    PRINTED(double, 0.1, "0.1");
    PRINTED(float, 0.1f, "0.1");
    PRINTED(double, NAN, "null");
    PRINTED(float, -INFINITY, "null");
    PRINTED(rdd_str, RDD_STR("a\"\\/\b\f\n\r\t\x01\x1f\x7f é😀"),
            "\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f é😀\"");
    PRINTED(rdd_str, ((rdd_str){ 2, "\0x" }), "\"\\u0000x\"");
    PRINTED(rdd_str, ((rdd_str){ 3, NULL }), "null");
    PRINTED(rdd_str, RDD_STR(""), "\"\"");
    PRINTED(rdd_bytes, ((rdd_bytes){ 4, "\0\1\2\xff" }), "\"AAEC/w==\"");
    PRINTED(rdd_bytes, ((rdd_bytes){ 5, "hello" }), "\"aGVsbG8=\"");
    PRINTED(rdd_bytes, ((rdd_bytes){ 0, NULL }), "null");
    PRINTED(maybe_int, ((maybe_int){ false, 5 }), "null");
    PRINTED(maybe_int, ((maybe_int){ true, 5 }), "5");
    PRINTED(point, ((point){ 1, 2.5f }), "{\"x\":1,\"y\":2.5}");
    PRINTED(numbers, ((numbers){ 3, (const int64_t[]){ 1, 2, 3 } }), "[1,2,3]");
    PRINTED(numbers, ((numbers){ 3, NULL }), "[]");
    const rdd_cell cells[] = { { RDD_STR("i\"d"), RDD_STR("5") },
                               { RDD_STR("none"), { 0, NULL } } };
    PRINTED(rdd_row, ((rdd_row){ 2, cells }), "{\"i\\\"d\":\"5\",\"none\":null}");
    PRINTED(rdd_row, ((rdd_row){ 0, NULL }), "{}");
    PRINTED(rdd_cell, cells[0], "{\"name\":\"i\\\"d\",\"text\":\"5\"}");
}

static void text_that_is_no_utf8_is_refused(void **state)
{
    (void)state;
    buf out = { 0 };
    rdd_error err;
    buf_text(&out, "kept");
    const rdd_cell cell = { RDD_STR("id"), RDD_STR("abc\xff") };
    const rdd_row row = { 1, &cell };
    assert_int_equal(json_print(RDD_TYPE(rdd_row), &row, &out, &err), RDD_E_INPUT);
    assert_int_equal(out.size, 4);
    assert_false(out.failed);
    assert_non_null(strstr(err.message, "not UTF-8 at byte 3: \"abc\xef\xbf\xbd\""));
    assert_int_equal(json_print_str(RDD_STR("\x80"), &out, &err), RDD_E_INPUT);
    assert_int_equal(json_print_str(RDD_STR("fine"), &out, &err), 0);
    assert_string_equal(buf_terminate(&out), "kept\"fine\"");
    buf_release(&out);
    out.max = 10;
    assert_int_equal(json_print_str(RDD_STR("much too long for that"), &out, &err), RDD_E_MEMORY);
    assert_false(out.failed);
    assert_int_equal(out.size, 0);
    buf_release(&out);
}

static void utf8_is_judged(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "é", "€", "😀", "\x7f", "\xc2\x80",
                                        "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf",
                                        "\xee\x80\x80", "\xef\xbf\xbf", "\xf0\x90\x80\x80",
                                        "\xf4\x8f\xbf\xbf" };
    static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41",
                                       "\xe0\x9f\xbf", "\xed\xa0\x80", "\xed\xbf\xbf", "\xe2\x82",
                                       "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
                                       "\xf0\x9f\x98", "\xff", "\xfe" };
    /* each behind and before ASCII of any length, so that no fast way misses it */
    for (size_t before = 0; before < 20; before++)
        for (size_t behind = 0; behind < 20; behind++)
            for (size_t i = 0; i < ARRAY_SIZE(good) + ARRAY_SIZE(bad); i++) {
                bool valid = i < ARRAY_SIZE(good);
                const char *part = valid ? good[i] : bad[i - ARRAY_SIZE(good)];
                char text[64];
                int size = snprintf(text, sizeof text, "%.*s%s%.*s", (int)before,
                                    "aaaaaaaaaaaaaaaaaaaaaaaa", part, (int)behind,
                                    "bbbbbbbbbbbbbbbbbbbbbbbb");
                assert_int_equal(utf8_valid(exact(text, (size_t)size)), valid);
            }
    assert_true(utf8_valid((rdd_str){ 0, NULL }));
}

static void messages_show_anything(void **state)
{
    (void)state;
    buf out = { 0 };
    const rdd_str text = RDD_STR("a\xff\x1b[31m\xc2\x9b\x7f\n€");
    json_show(RDD_TYPE(rdd_str), &text, 100, &out);
    assert_string_equal(buf_terminate(&out),
                        "\"a\xef\xbf\xbd\\u001b[31m\xef\xbf\xbd\xef\xbf\xbd\\n€\"");
    /* cut everywhere: always text, never longer */
    for (size_t max = 0; max < 40; max++) {
        buf_clear(&out);
        buf_text(&out, "at: ");
        json_show(RDD_TYPE(rdd_str), &text, max, &out);
        assert_true(utf8_valid((rdd_str){ out.size, out.data }));
        assert_true(out.size <= 4 + max + 3);
    }
    buf_release(&out);
}

/* What is shown is bounded, and so is the work. */
static void large_values_are_shown_in_part(void **state)
{
    (void)state;
    static char large[1 << 20];
    memset(large, 'x', sizeof large);
    static rdd_str texts[1000];
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        texts[i] = (rdd_str){ sizeof large, large };
    rdd_type list = { "texts", RDD_KIND_LIST, 16, 8, 0, NULL, RDD_TYPE(rdd_str) };
    numbers value = { 1000, (const void *)texts };
    buf out = { .max = 4096 };
    json_show(&list, &value, 100, &out);
    assert_false(out.failed);
    assert_int_equal(out.size, 103);
    rdd_bytes bytes = { sizeof large, large };
    buf_clear(&out);
    json_show(RDD_TYPE(rdd_bytes), &bytes, 100, &out);
    assert_false(out.failed);
    assert_int_equal(out.size, 103);
    buf_release(&out);
}

/* Whether a value prints and reads back as it was: not what JSON cannot say. */
static bool json_can_say(const rdd_type *t, const void *value)
{
    switch (t->kind) {
    case RDD_KIND_FLOAT:
    case RDD_KIND_DOUBLE: return isfinite(value_to_double(t, value));
    case RDD_KIND_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++)
            if (!json_can_say(t->fields[i].type, (const char *)value + t->fields[i].offset))
                return false;
        return true;
    case RDD_KIND_LIST: {
        rdd_row list;
        memcpy(&list, value, sizeof list);
        const char *items = (const void *)list.items;
        if (type_is_row(t)) { /* names that are missing or equal */
            for (size_t i = 0; items && i < list.count; i++)
                for (size_t k = 0; k <= i; k++)
                    if (!list.items[i].name.data ||
                        (k < i && rdd_str_equal(list.items[i].name, list.items[k].name)))
                        return false;
            return true;
        }
        for (size_t i = 0; items && i < list.count; i++)
            if (!json_can_say(t->item, items + i * t->item->size))
                return false;
        return true;
    }
    case RDD_KIND_OPTIONAL: {
        if (!*(const bool *)value)
            return true;
        const void *inner = (const char *)value + t->fields[0].offset;
        rdd_str text;
        bool texts = t->item->kind == RDD_KIND_STR || t->item->kind == RDD_KIND_BYTES;
        if (texts)
            memcpy(&text, inner, sizeof text);
        bool null = (texts && !text.data) ||
                    (t->item->kind == RDD_KIND_OPTIONAL && !*(const bool *)inner);
        return !null && json_can_say(t->item, inner);
    }
    default: return true;
    }
}

static void random_elements_come_back(void **state)
{
    (void)state;
    size_t same = 0;
    for (int round = 0; round < 20000; round++) {
        const rdd_type *t = random_type(&memory, 4);
        void *value = random_values(&memory, t, 1, true), *back = arena_alloc(&memory, t->size);
        buf out = { 0 };
        rdd_error err;
        assert_int_equal(json_print(t, value, &out, &err), 0);
        assert_true(utf8_valid((rdd_str){ out.size, out.data }));
        cJSON *judged = cJSON_ParseWithLength(out.data, out.size);
        assert_non_null(judged);
        cJSON_Delete(judged);
        if (json_can_say(t, value)) {
            if (json_parse(t, exact(out.data, out.size), &memory, back, &err) < 0)
                fail_msg("%.*s: %s", (int)out.size, out.data, err.message);
            assert_values_equal(t, value, back, 1);
            same++;
        }
        buf_release(&out);
        reset(NULL);
    }
    assert_true(same > 10000);
}

#define TEST(name) cmocka_unit_test_teardown(name, reset)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(elements_print_as_json),
        TEST(text_that_is_no_utf8_is_refused),
        TEST(utf8_is_judged),
        TEST(messages_show_anything),
        TEST(large_values_are_shown_in_part),
        TEST(random_elements_come_back),
    };
    return TEST_MAIN(argc, argv, tests);
}
