/* json_test.c: rows and elements from JSON, and elements as JSON; against cJSON's own reading. */
#include "json.h"

#include "type.h"

#include "test.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "random_value.h"

RDD_OPTIONAL(maybe_int, int32_t);
RDD_OPTIONAL(maybe_str, rdd_str);
RDD_LIST(numbers, int64_t);
RDD_STRUCT(point, (double, x), (float, y));
RDD_LIST(points, point);
RDD_STRUCT(record, (int64_t, id), (rdd_str, name), (maybe_int, maybe), (numbers, list), (points, path),
           (rdd_bytes, bytes), (bool, flag), (rdd_row, row));

static arena memory;

static int reset(void **state)
{
    (void)state;
    arena_release(&memory);
    return 0;
}

/* A text at the end of its block, so that a sanitizer sees a byte too many; freed with the test's
 * memory by way of a chunk of its own. */
static rdd_str exact(const char *data, size_t size)
{
    static char *last;
    free(last);
    last = malloc(size_max(size, 1));
    if (size)
        memcpy(last, data, size);
    return (rdd_str){ size, last };
}

/* ---- rows ---------------------------------------------------------------------------------- */

static void assert_row_refused(const char *text, size_t size, const char *reason)
{
    rdd_error err = { .code = RDD_OK };
    rdd_row row = { 77, NULL };
    assert_int_equal(json_parse_row(exact(text, size), &memory, &row, &err), RDD_E_INPUT);
    assert_int_equal(err.code, RDD_E_INPUT);
    assert_int_equal(row.count, 77);
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" does not say: %s", err.message, reason);
}

#define REFUSE(text, reason) assert_row_refused(text, sizeof(text) - 1, reason)

static rdd_row row_of(const char *text, size_t size)
{
    rdd_error err;
    rdd_row row = { 0, NULL };
    if (json_parse_row(exact(text, size), &memory, &row, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return row;
}

#define ROW(text) row_of(text, sizeof(text) - 1)

static void assert_cell(rdd_row row, size_t at, const char *name, const char *text)
{
    assert_true(at < row.count);
    assert_true(rdd_str_equal(row.items[at].name, rdd_str_of(name)));
    if (!text)
        assert_null(row.items[at].text.data);
    else if (!row.items[at].text.data || !rdd_str_equal(row.items[at].text, rdd_str_of(text)))
        fail_msg("%s: \"%.*s\" is not \"%s\"", name, (int)row.items[at].text.size,
                 row.items[at].text.data, text);
}

static void fields_become_cells(void **state)
{
    (void)state;
    rdd_row row = ROW("\xef\xbb\xbf \t\r\n{ \"id\" : 7 ,\"name\":\"Ann\",\"none\":null,\"yes\":true,"
                      "\"no\" :false, \"\":\"\",\"list\": [1, 2 ,{\"a\":[]}] , \"o\":{ }\n}\n ");
    assert_int_equal(row.count, 8);
    assert_cell(row, 0, "id", "7");
    assert_cell(row, 1, "name", "Ann");
    assert_cell(row, 2, "none", NULL);
    assert_cell(row, 3, "yes", "true");
    assert_cell(row, 4, "no", "false");
    assert_cell(row, 5, "", "");
    assert_cell(row, 6, "list", "[1, 2 ,{\"a\":[]}]");
    assert_cell(row, 7, "o", "{ }");
    assert_int_equal(ROW("{}").count, 0);
    assert_int_equal(ROW(" { } ").count, 0);
}

static void numbers_stay_as_written(void **state)
{
    (void)state;
    static const char *const numbers_of[] = {
        "0", "-0", "-0.0", "12345678901234567890123456789", "1E400", "1e-400", "0.10000000000000000001",
        "9007199254740993", "-1.50e+007", "0e0",
    };
    for (size_t i = 0; i < ARRAY_SIZE(numbers_of); i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"n\":%s,\"l\":[%s]}", numbers_of[i], numbers_of[i]);
        rdd_row row = row_of(text, strlen(text));
        assert_cell(row, 0, "n", numbers_of[i]);
    }
}

static void plain_strings_are_views(void **state)
{
    (void)state;
    static const char text[] = "{\"name\":\"plain\",\"other\":\"es\\u0063aped\"}";
    rdd_str whole = exact(text, sizeof text - 1);
    rdd_row row;
    size_t before = memory.used;
    assert_int_equal(json_parse_row(whole, &memory, &row, NULL), 0);
    assert_ptr_equal(row.items[0].name.data, whole.data + 2);
    assert_ptr_equal(row.items[0].text.data, whole.data + 9);
    assert_cell(row, 1, "other", "escaped");
    assert_true(memory.used - before <= 2 * sizeof(rdd_cell) + 2 * 16);
}

static void escapes_are_undone(void **state)
{
    (void)state;
    assert_cell(ROW("{\"s\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"}"), 0, "s", "\"\\/\b\f\n\r\t");
    assert_cell(ROW("{\"s\":\"\\u00e9\\u20AC\\ud83d\\ude00\"}"), 0, "s", "é€😀");
    assert_cell(ROW("{\"\\u0069d\":\"\\uffff\\ud800\\udc00\\udbff\\udfff\"}"), 0, "id",
                "\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf");
    rdd_str text = ROW("{\"s\":\"a\\u0000b\"}").items[0].text;
    assert_int_equal(text.size, 3);
    assert_memory_equal(text.data, "a\0b", 3);
    text = ROW("{\"s\":\"a\0b\"}").items[0].text;
    assert_int_equal(text.size, 3);
    REFUSE("{\"s\":\"\\ud800\"}", "an escape is wrong at byte 6");
    REFUSE("{\"s\":\"\\ud800\\u0041\"}", "an escape is wrong at byte 6");
    REFUSE("{\"s\":\"ok\\udc00\"}", "an escape is wrong at byte 8");
    REFUSE("{\"s\":\"\\ud800\\ud800\"}", "an escape is wrong");
    REFUSE("{\"s\":\"\\u12\"}", "an escape is wrong");
    REFUSE("{\"s\":\"\\u12g4\"}", "an escape is wrong");
    REFUSE("{\"s\":\"\\x41\"}", "an escape is wrong");
    REFUSE("{\"s\":\"\\\0\"}", "an escape is wrong");
    REFUSE("{\"s\":\"\\", "does not end");
    REFUSE("{\"s\":\"\\\"}", "does not end");
}

static void bytes_that_are_no_utf8_stay(void **state)
{
    (void)state;
    assert_cell(ROW("{\"s\":\"\xff\xc3(\x80\",\"\xfe\":1}"), 0, "s", "\xff\xc3(\x80");
    assert_cell(ROW("{\"s\":\"\xff\\n\x80\"}"), 0, "s", "\xff\n\x80");
}

static void of_equal_names_the_last_counts(void **state)
{
    (void)state;
    rdd_row row = ROW("{\"a\":1,\"b\":2,\"a\":\"x\",\"c\":3,\"\\u0061\":4,\"b\":null}");
    assert_int_equal(row.count, 3);
    assert_cell(row, 0, "a", "4");
    assert_cell(row, 1, "b", NULL);
    assert_cell(row, 2, "c", "3");
}

/* Enough cells for every way of finding names, each name twice. */
static void many_names_are_found(void **state)
{
    (void)state;
    for (size_t count = 1; count < 3000; count += 1 + count / 4) {
        buf text = { 0 };
        buf_char(&text, '{');
        for (size_t i = 0; i < 2 * count; i++)
            buf_format(&text, "%s\"name%zu\":%zu", i ? "," : "", i % count, i);
        buf_char(&text, '}');
        rdd_row row = row_of(text.data, text.size);
        assert_int_equal(row.count, count);
        for (size_t i = 0; i < count; i++) {
            char name[32], value[32];
            snprintf(name, sizeof name, "name%zu", i);
            snprintf(value, sizeof value, "%zu", i + count);
            assert_cell(row, i, name, value);
        }
        buf_release(&text);
        reset(NULL);
    }
}

static void what_is_no_object_is_refused(void **state)
{
    (void)state;
    REFUSE("", "an object is expected at byte 0, where it ends");
    REFUSE("   ", "an object is expected at byte 3, where it ends");
    REFUSE("[1]", "an object is expected at byte 0, found \"[1]\"");
    REFUSE("7", "an object is expected");
    REFUSE("null", "an object is expected");
    REFUSE("<!DOCTYPE html><html><body>", "an object is expected at byte 0, found \"<!DOCTYPE html><html");
    REFUSE("{\"a\":1}x", "there is more behind the value at byte 7, found \"x\"");
    REFUSE("{\"a\":1}{\"a\":1}", "there is more behind");
    REFUSE("{\"a\":1}\0", "there is more behind");
    REFUSE("{\"a\":1", "',' or '}' is expected at byte 6, where it ends");
    REFUSE("{\"a\":1,}", "a string is expected");
    REFUSE("{\"a\" 1}", "':' is expected");
    REFUSE("{a:1}", "a string is expected");
    REFUSE("{\"a\":}", "a value is expected");
    REFUSE("{\"a\":tru}", "a value is expected");
    REFUSE("{\"a\":truex}", "',' or '}' is expected");
    REFUSE("{\"a\":nan}", "a value is expected");
    REFUSE("{\"a\":'x'}", "a value is expected");
    REFUSE("{", "a string is expected");
    REFUSE("{\"a", "a string does not end");
    static const char *const bad_numbers[] = { "01", "-", "1.", ".5", "1e", "1e+", "+1", "-a", "0x1",
                                               "1.e5", "00", "--1", "1-" };
    for (size_t i = 0; i < ARRAY_SIZE(bad_numbers); i++) {
        char text[64];
        snprintf(text, sizeof text, "{\"a\":%s}", bad_numbers[i]);
        assert_row_refused(text, strlen(text), "expected");
    }
}

static void nested_values_are_judged(void **state)
{
    (void)state;
    REFUSE("{\"a\":[1,]}", "a nested value is malformed at byte 8");
    REFUSE("{\"a\":{\"b\"}}", "a nested value is malformed");
    REFUSE("{\"a\":[1}", "a nested value is malformed");
    REFUSE("{\"a\":[1,2", "does not end");
    REFUSE("{\"a\":[\"]\"}", "a nested value is malformed");
    REFUSE("{\"a\":[\"\\ud800\"]}", "a nested value is malformed");
    REFUSE("{\"a\":[nul]}", "a nested value is malformed");
    assert_cell(ROW("{\"a\":[\"]}\\\"\"],\"b\":1}"), 0, "a", "[\"]}\\\"\"]");
}

/* `depth` nested lists or objects, the outermost being the row. */
static void put_deep(buf *text, size_t depth, bool lists)
{
    for (size_t i = 0; i < depth; i++)
        buf_text(text, lists && i ? "[" : "{\"a\":");
    buf_text(text, "1");
    for (size_t i = depth; i; i--)
        buf_text(text, lists && i > 1 ? "]" : "}");
}

static void depth_is_bounded(void **state)
{
    (void)state;
    for (int lists = 0; lists < 2; lists++) {
        buf text = { 0 };
        put_deep(&text, JSON_DEPTH_MAX, lists);
        assert_true(json_depth_ok(exact(text.data, text.size)));
        assert_int_equal(row_of(text.data, text.size).count, 1);
        buf_clear(&text);
        put_deep(&text, JSON_DEPTH_MAX + 1, lists);
        assert_false(json_depth_ok(exact(text.data, text.size)));
        assert_row_refused(text.data, text.size, "nests deeper than 64");
        buf_clear(&text);
        put_deep(&text, 1000000, lists);
        assert_false(json_depth_ok(exact(text.data, text.size)));
        assert_row_refused(text.data, text.size, "nests deeper than 64");
        buf_release(&text);
    }
    assert_true(json_depth_ok(RDD_STR("")));
    assert_true(json_depth_ok((rdd_str){ 0, NULL }));
    assert_true(json_depth_ok(RDD_STR("[[[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
                                      "\\\"[[[[[[[[[[[[[[[[[[[\"]]]")));
}

static void memory_is_a_code_of_its_own(void **state)
{
    (void)state;
    CLEANUP(arena_release) arena small = { .max = 64 };
    rdd_row row;
    rdd_error err;
    assert_int_equal(json_parse_row(RDD_STR("{\"a\":1,\"b\":2,\"c\":3}"), &small, &row, &err),
                     RDD_E_MEMORY);
    assert_int_equal(err.code, RDD_E_MEMORY);
    numbers list;
    assert_int_equal(json_parse(RDD_TYPE(numbers), RDD_STR("[1,2,3,4,5,6,7,8,9,10,11]"), &small, &list,
                                &err), RDD_E_MEMORY);
}

/* ---- against cJSON ------------------------------------------------------------------------- */

static void random_string(buf *text)
{
    static const char *const parts[] = { "a", "Zz", " ", "\\n", "\\\"", "\\\\", "\\/", "\\u0041",
                                         "\\u00e9", "\\ud83d\\ude00", "é", "€", "😀", "{", "]", ",",
                                         "a longer piece of text, more than sixteen bytes" };
    buf_char(text, '"');
    for (size_t i = test_random_below(6); i; i--)
        buf_text(text, parts[test_random_below(ARRAY_SIZE(parts))]);
    buf_char(text, '"');
}

static void random_blanks(buf *text)
{
    for (size_t i = test_random_below(8) ? 0 : test_random_below(4); i; i--)
        buf_char(text, " \t\r\n"[test_random_below(4)]);
}

static void random_json(buf *text, int depth)
{
    size_t pick = test_random_below(depth > 0 ? 8 : 6);
    random_blanks(text);
    switch (pick) {
    case 0: buf_text(text, "null"); break;
    case 1: buf_text(text, "true"); break;
    case 2: buf_text(text, "false"); break;
    case 3: buf_format(text, "%lld", (long long)test_random()); break;
    case 4: buf_format(text, "%.17g", (double)(int64_t)test_random() / 1e15); break;
    case 5: random_string(text); break;
    default:
        buf_char(text, pick == 6 ? '[' : '{');
        for (size_t i = 0, count = test_random_below(4); i < count; i++) {
            if (i)
                buf_char(text, ',');
            if (pick == 7) {
                random_blanks(text);
                random_string(text);
                random_blanks(text);
                buf_char(text, ':');
            }
            random_json(text, depth - 1);
        }
        random_blanks(text);
        buf_char(text, pick == 6 ? ']' : '}');
    }
    random_blanks(text);
}

/* Node by node; cJSON_Compare() takes the first of equal names for all of them. */
static bool tree_equal(const cJSON *a, const cJSON *b)
{
    if (!a || !b)
        return a == b;
    bool same = a->type == b->type && a->valuedouble == b->valuedouble &&
                !a->string == !b->string && !a->valuestring == !b->valuestring;
    same = same && (!a->string || !strcmp(a->string, b->string));
    same = same && (!a->valuestring || !strcmp(a->valuestring, b->valuestring));
    return same && tree_equal(a->child, b->child) && tree_equal(a->next, b->next);
}

/* cJSON keeps equal names; the row has them once. Nested text is read again and compared. */
static void assert_same_as_cjson(const cJSON *object, rdd_row row)
{
    for (const cJSON *item = object->child; item; item = item->next) {
        size_t i = 0;
        while (i < row.count && !rdd_str_equal(row.items[i].name, rdd_str_of(item->string)))
            i++;
        assert_true(i < row.count);
    }
    for (size_t i = 0; i < row.count; i++) {
        const cJSON *last = NULL;
        for (const cJSON *item = object->child; item; item = item->next)
            if (rdd_str_equal(rdd_str_of(item->string), row.items[i].name))
                last = item;
        assert_non_null(last);
        rdd_str text = row.items[i].text;
        if (cJSON_IsNull(last)) {
            assert_null(text.data);
        } else if (cJSON_IsString(last)) {
            assert_true(rdd_str_equal(text, rdd_str_of(last->valuestring)));
        } else {
            cJSON *again = cJSON_ParseWithLength(text.data, text.size);
            assert_non_null(again);
            assert_int_equal(again->type, last->type);
            assert_true(again->valuedouble == last->valuedouble);
            assert_true(tree_equal(again->child, last->child));
            cJSON_Delete(again);
        }
    }
}

static void rows_are_as_cjson_reads_them(void **state)
{
    (void)state;
    size_t good = 0, broken = 0;
    for (int round = 0; round < 20000; round++) {
        buf text = { 0 };
        buf_char(&text, '{');
        for (size_t i = 0, count = test_random_below(20); i < count; i++) {
            if (i)
                buf_char(&text, ',');
            random_blanks(&text);
            random_string(&text);
            random_blanks(&text);
            buf_char(&text, ':');
            random_json(&text, 3);
        }
        buf_char(&text, '}');
        if (round % 2) /* half of them damaged */
            text.data[test_random_below(text.size)] = "\"{}[]:,0x\\ "[test_random_below(11)];
        rdd_str whole = exact(text.data, text.size);
        rdd_row row;
        rdd_error err;
        int code = json_parse_row(whole, &memory, &row, &err);
        cJSON *object = cJSON_ParseWithLength(whole.data, whole.size);
        if (code == 0) {
            assert_non_null(object); /* we are never more lenient */
            assert_same_as_cjson(object, row);
            good++;
        } else {
            assert_int_equal(code, RDD_E_INPUT);
            assert_true(round % 2);
            broken++;
        }
        cJSON_Delete(object);
        buf_release(&text);
        reset(NULL);
    }
    assert_true(good > 10000 && broken > 1000);
}

/* ---- elements ------------------------------------------------------------------------------ */

static void assert_parse_refused(const rdd_type *t, const char *text, const char *reason)
{
    rdd_error err = { .code = RDD_OK };
    char untouched[512], value[512];
    memset(untouched, 0x5a, sizeof untouched);
    memset(value, 0x5a, sizeof value);
    assert_int_equal(json_parse(t, exact(text, strlen(text)), &memory, value, &err), RDD_E_INPUT);
    assert_int_equal(err.code, RDD_E_INPUT);
    assert_memory_equal(value, untouched, sizeof value);
    if (!strstr(err.message, reason))
        fail_msg("%s: \"%s\" does not say: %s", text, err.message, reason);
}

#define PARSE(T, text, ret)                                                                        \
    do {                                                                                           \
        rdd_error err_;                                                                            \
        if (json_parse(RDD_TYPE(T), exact(text, strlen(text)), &memory, (ret), &err_) < 0)          \
            fail_msg("%s", err_.message);                                                          \
    } while (0)

static void fields_fill_structs(void **state)
{
    (void)state;
    record r;
    PARSE(record,
          "{\"unknown\":{\"id\":[1,\"x\"]},\"path\":[{\"x\":0.1,\"y\":0.1},{\"y\":1e3,\"x\":-0.0}],"
          "\"id\":-9223372036854775808,\"flag\":true,\"bytes\":\"AAEC/w==\",\"list\":[1,2.0,3e2],"
          "\"also unknown\":\"\\n\",\"row\":{\"a\":1,\"b\":[]},\"maybe\":5,\"name\":\"Ann\\u0000\"}",
          &r);
    assert_true(r.id == INT64_MIN);
    assert_int_equal(r.name.size, 4);
    assert_memory_equal(r.name.data, "Ann\0", 4);
    assert_true(r.maybe.has);
    assert_int_equal(r.maybe.value, 5);
    assert_int_equal(r.list.count, 3);
    assert_int_equal(r.list.items[2], 300);
    assert_int_equal(r.path.count, 2);
    assert_true(r.path.items[0].x == 0.1 && r.path.items[0].y == 0.1f);
    assert_true(signbit(r.path.items[1].x) && r.path.items[1].y == 1000);
    assert_int_equal(r.bytes.size, 4);
    assert_memory_equal(r.bytes.data, "\0\1\2\xff", 4);
    assert_true(r.flag);
    assert_cell(r.row, 1, "b", "[]");
}

static void names_may_hold_a_nul(void **state)
{
    (void)state;
    point p;
    PARSE(point, "{\"x\\u0000 and more than the name has\":7,\"x\":1,\"y\":2}", &p);
    assert_true(p.x == 1);
    assert_parse_refused(RDD_TYPE(point), "{\"x\":1,\"y\\u0000\":2}", "\"y\" of point is missing");
}

static void missing_fields_are_missing(void **state)
{
    (void)state;
    record r;
    PARSE(record, "{\"id\":1,\"list\":[],\"path\":[],\"flag\":false,\"row\":{}}", &r);
    assert_null(r.name.data);
    assert_false(r.maybe.has);
    assert_null(r.bytes.data);
    assert_int_equal(r.list.count, 0);
    PARSE(record,
          "{\"id\":1,\"list\":[],\"path\":[],\"flag\":false,\"row\":{},\"name\":null,\"maybe\":null,"
          "\"bytes\":null}", &r);
    assert_null(r.name.data);
    assert_false(r.maybe.has);
    assert_null(r.bytes.data);
    assert_parse_refused(RDD_TYPE(record), "{}", "the field \"id\" of record is missing");
    assert_parse_refused(RDD_TYPE(record), "{\"id\":1}", "the field \"list\" of record is missing");
    assert_parse_refused(RDD_TYPE(point), "{\"x\":1,\"y\":null}", "a number is expected");
    assert_parse_refused(RDD_TYPE(numbers), "null", "an array is expected");
    assert_parse_refused(RDD_TYPE(bool), "null", "true or false is expected");
}

static void a_repeated_field_leaves_nothing(void **state)
{
    (void)state;
    point p;
    PARSE(point, "{\"x\":1,\"y\":2,\"x\":3}", &p);
    assert_true(p.x == 3);
    maybe_int m;
    PARSE(maybe_int, " 7 ", &m);
    assert_true(m.has && m.value == 7);
    record r;
    PARSE(record, "{\"maybe\":7,\"maybe\":null,\"name\":\"x\",\"name\":null,\"id\":1,\"list\":[1,2],"
                  "\"list\":[],\"path\":[],\"flag\":false,\"row\":{}}", &r);
    assert_false(r.maybe.has);
    assert_null(r.name.data);
    assert_int_equal(r.list.count, 0);
}

static void values_of_other_kinds_are_refused(void **state)
{
    (void)state;
    assert_parse_refused(RDD_TYPE(int64_t), "9223372036854775808", "no int64_t at byte 0");
    assert_parse_refused(RDD_TYPE(uint8_t), "256", "no uint8_t");
    assert_parse_refused(RDD_TYPE(uint8_t), "-1", "no uint8_t");
    assert_parse_refused(RDD_TYPE(int32_t), "1.5", "no int32_t");
    assert_parse_refused(RDD_TYPE(int32_t), "\"1\"", "a number is expected");
    assert_parse_refused(RDD_TYPE(double), "1e999", "no double");
    assert_parse_refused(RDD_TYPE(double), "nan", "a number is expected");
    assert_parse_refused(RDD_TYPE(rdd_str), "5", "a string is expected");
    assert_parse_refused(RDD_TYPE(bool), "1", "true or false is expected");
    assert_parse_refused(RDD_TYPE(rdd_bytes), "\"AAE\"", "base64");
    assert_parse_refused(RDD_TYPE(rdd_bytes), "\"AAF=\"", "base64"); /* bits past the end */
    assert_parse_refused(RDD_TYPE(rdd_bytes), "\"A===\"", "base64");
    assert_parse_refused(RDD_TYPE(rdd_bytes), "\"AA==AAAA\"", "base64");
    assert_parse_refused(RDD_TYPE(rdd_bytes), "\"A\\nBC\"", "base64");
    assert_parse_refused(RDD_TYPE(point), "[1,2]", "an object is expected");
    assert_parse_refused(RDD_TYPE(numbers), "[1,2", "',' or ']' is expected");
    assert_parse_refused(RDD_TYPE(numbers), "[1 2]", "',' or ']' is expected");
    assert_parse_refused(RDD_TYPE(numbers), "[1,]", "a number is expected");
    assert_parse_refused(RDD_TYPE(numbers), "[1]]", "there is more behind");
    assert_parse_refused(RDD_TYPE(rdd_row), "[]", "an object is expected");
    uint64_t most;
    PARSE(uint64_t, "18446744073709551615", &most);
    assert_true(most == UINT64_MAX);
}

static void unknown_fields_are_bounded_too(void **state)
{
    (void)state;
    buf text = { 0 };
    buf_text(&text, "{\"x\":1,\"y\":2,\"z\":");
    put_deep(&text, JSON_DEPTH_MAX - 1, true);
    buf_char(&text, '}');
    point p;
    PARSE(point, buf_terminate(&text), &p);
    buf_clear(&text);
    buf_text(&text, "{\"x\":1,\"y\":2,\"z\":");
    put_deep(&text, JSON_DEPTH_MAX, true);
    buf_char(&text, '}');
    assert_parse_refused(RDD_TYPE(point), buf_terminate(&text), "nests deeper than 64");
    buf_release(&text);
}

/* ---- printing ------------------------------------------------------------------------------ */

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
    const rdd_cell cells[] = { { RDD_STR("i\"d"), RDD_STR("5") }, { RDD_STR("none"), { 0, NULL } } };
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
    static const char *const good[] = { "", "a", "é", "€", "😀", "\x7f", "\xc2\x80", "\xdf\xbf",
                                        "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
                                        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
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

/* ---- cells --------------------------------------------------------------------------------- */

#define CELL(T, text, ret)                                                          \
    do {                                                                            \
        rdd_error err_;                                                             \
        if (cell_parse(RDD_TYPE(T), rdd_str_of(text), (ret), &err_) < 0)            \
            fail_msg("%s", err_.message);                                           \
    } while (0)

static void assert_cell_refused(const rdd_type *t, rdd_str text, int code, const char *message)
{
    rdd_error err = { .code = RDD_OK };
    char untouched[64], value[64];
    memset(untouched, 0x5a, sizeof untouched);
    memset(value, 0x5a, sizeof value);
    assert_int_equal(cell_parse(t, exact(text.data, text.size), value, &err), code);
    assert_string_equal(err.message, message);
    assert_memory_equal(value, untouched, sizeof value);
}

static void cells_become_values(void **state)
{
    (void)state;
    int64_t i;
    CELL(int64_t, "  -9223372036854775808\t", &i);
    assert_true(i == INT64_MIN);
    CELL(int64_t, "3.0", &i);
    assert_true(i == 3);
    double d;
    CELL(double, "1e-3", &d);
    assert_true(d == 0.001);
    CELL(double, " -Inf ", &d);
    assert_true(d == -INFINITY);
    static const char *const trues[] = { "true", "1", "yes", "t", "TRUE", "Yes", " T " };
    static const char *const falses[] = { "false", "0", "no", "f", "FALSE", "No", " F " };
    bool b;
    for (size_t k = 0; k < ARRAY_SIZE(trues); k++) {
        CELL(bool, trues[k], &b);
        assert_true(b);
        CELL(bool, falses[k], &b);
        assert_false(b);
    }
    rdd_str s;
    CELL(rdd_str, " as it is ", &s);
    assert_true(rdd_str_equal(s, RDD_STR(" as it is ")));
    CELL(rdd_str, "", &s);
    assert_non_null(s.data);
    maybe_int m;
    CELL(maybe_int, "5", &m);
    assert_true(m.has && m.value == 5);
    CELL(maybe_int, "", &m);
    assert_false(m.has);
    CELL(maybe_int, "  ", &m);
    assert_false(m.has);
    maybe_str ms;
    CELL(maybe_str, " ", &ms);
    assert_true(ms.has && ms.value.size == 1);
    CELL(maybe_str, "", &ms);
    assert_false(ms.has);
}

static void bad_cells_are_named(void **state)
{
    (void)state;
    assert_cell_refused(RDD_TYPE(int64_t), RDD_STR("12x"), RDD_E_INPUT, "\"12x\" is no int64_t");
    assert_cell_refused(RDD_TYPE(int64_t), RDD_STR(""), RDD_E_INPUT, "\"\" is no int64_t");
    assert_cell_refused(RDD_TYPE(int64_t), RDD_STR(" "), RDD_E_INPUT, "\" \" is no int64_t");
    assert_cell_refused(RDD_TYPE(int64_t), RDD_STR("1 2"), RDD_E_INPUT, "\"1 2\" is no int64_t");
    assert_cell_refused(RDD_TYPE(uint8_t), RDD_STR("256"), RDD_E_INPUT, "\"256\" is no uint8_t");
    assert_cell_refused(RDD_TYPE(double), RDD_STR("1,5"), RDD_E_INPUT, "\"1,5\" is no double");
    assert_cell_refused(RDD_TYPE(bool), RDD_STR("maybe"), RDD_E_INPUT, "\"maybe\" is no bool");
    assert_cell_refused(RDD_TYPE(bool), RDD_STR("2"), RDD_E_INPUT, "\"2\" is no bool");
    assert_cell_refused(RDD_TYPE(maybe_int), RDD_STR("x\xff"), RDD_E_INPUT,
                        "\"x\xef\xbf\xbd\" is no int32_t");
    assert_cell_refused(RDD_TYPE(rdd_bytes), RDD_STR("AA=="), RDD_E_TYPE,
                        "a CSV cell cannot be read as rdd_bytes");
    assert_cell_refused(RDD_TYPE(numbers), RDD_STR("[1]"), RDD_E_TYPE,
                        "a CSV cell cannot be read as numbers");
    rdd_error err;
    int64_t x = 77;
    assert_int_equal(cell_parse(RDD_TYPE(int64_t), (rdd_str){ 0, NULL }, &x, &err), RDD_E_INPUT);
    assert_int_equal(x, 77);
}

#define CELL_PRINTED(T, value, expected)                                                    \
    do {                                                                                    \
        buf out_ = { 0 };                                                                   \
        rdd_error err_;                                                                     \
        assert_int_equal(cell_print(RDD_TYPE(T), (const T[]){ value }, &out_, &err_), 0);   \
        assert_string_equal(buf_terminate(&out_), expected);                                \
        buf_release(&out_);                                                                 \
    } while (0)

static void values_become_cells(void **state)
{
    (void)state;
    CELL_PRINTED(bool, true, "true");
    CELL_PRINTED(int64_t, INT64_MIN, "-9223372036854775808");
    CELL_PRINTED(double, 0.1, "0.1");
    CELL_PRINTED(double, NAN, "nan");
    CELL_PRINTED(double, -INFINITY, "-inf");
    CELL_PRINTED(rdd_str, RDD_STR("a \"b\"\n\xff"), "a \"b\"\n\xff");
    CELL_PRINTED(rdd_str, ((rdd_str){ 0, NULL }), "");
    CELL_PRINTED(rdd_bytes, ((rdd_bytes){ 2, "\0\1" }), "AAE=");
    CELL_PRINTED(rdd_bytes, ((rdd_bytes){ 0, NULL }), "");
    CELL_PRINTED(maybe_int, ((maybe_int){ false, 5 }), "");
    CELL_PRINTED(maybe_int, ((maybe_int){ true, 5 }), "5");
    CELL_PRINTED(point, ((point){ 1, 2 }), "{\"x\":1,\"y\":2}");
    CELL_PRINTED(numbers, ((numbers){ 2, (const int64_t[]){ 1, 2 } }), "[1,2]");
}

#define TEST(name) cmocka_unit_test_teardown(name, reset)

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST(fields_become_cells),
        TEST(numbers_stay_as_written),
        TEST(plain_strings_are_views),
        TEST(escapes_are_undone),
        TEST(bytes_that_are_no_utf8_stay),
        TEST(of_equal_names_the_last_counts),
        TEST(many_names_are_found),
        TEST(what_is_no_object_is_refused),
        TEST(nested_values_are_judged),
        TEST(depth_is_bounded),
        TEST(memory_is_a_code_of_its_own),
        TEST(rows_are_as_cjson_reads_them),
        TEST(fields_fill_structs),
        TEST(names_may_hold_a_nul),
        TEST(missing_fields_are_missing),
        TEST(a_repeated_field_leaves_nothing),
        TEST(values_of_other_kinds_are_refused),
        TEST(unknown_fields_are_bounded_too),
        TEST(elements_print_as_json),
        TEST(text_that_is_no_utf8_is_refused),
        TEST(utf8_is_judged),
        TEST(messages_show_anything),
        TEST(large_values_are_shown_in_part),
        TEST(random_elements_come_back),
        TEST(cells_become_values),
        TEST(bad_cells_are_named),
        TEST(values_become_cells),
    };
    return TEST_MAIN(argc, argv, tests);
}
