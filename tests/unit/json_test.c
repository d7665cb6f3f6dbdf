/* json_test.c: rows and elements from JSON, and elements as JSON; against cJSON's own reading. */
#include "json.h"

#include "type.h"

#include "test.h"

#include <cjson/cJSON.h>
#include <math.h>

#include "exact_text.h"
#include "random_value.h"

RDD_OPTIONAL(maybe_int, int32_t);
RDD_OPTIONAL(maybe_str, rdd_str);
RDD_LIST(numbers, int64_t);
RDD_STRUCT(point, (double, x), (float, y));
RDD_LIST(points, point);
RDD_STRUCT(record, (int64_t, id), (rdd_str, name), (maybe_int, maybe), (numbers, list),
           (points, path), (rdd_bytes, bytes), (bool, flag), (rdd_row, row));

static arena memory;

static int reset(void **state)
{
    (void)state;
    arena_release(&memory);
    return 0;
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
    rdd_row row =
        ROW("\xef\xbb\xbf \t\r\n{ \"id\" : 7 ,\"name\":\"Ann\",\"none\":null,\"yes\":true,"
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
        "0", "-0", "-0.0", "12345678901234567890123456789", "1E400", "1e-400",
        "0.10000000000000000001", "9007199254740993", "-1.50e+007", "0e0",
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
    REFUSE("[1]", "an object is expected at byte 0, found [1]");
    REFUSE("7", "an object is expected");
    REFUSE("null", "an object is expected");
    REFUSE("<!DOCTYPE html><html><body>",
           "JSON: an object is expected at byte 0, found <!DOCTYPE html><html><b…");
    REFUSE("a\\\"b\n\xff\"c", "an object is expected at byte 0, found a\\\"b\\n\xef\xbf\xbd\"c");
    REFUSE("{\"a\":1\"23456789\\\"a\\\"b\\\"c\"}",
           "is expected at byte 6, found \"23456789\\\"a\\\"b\\…");
    REFUSE("{\"a\":1}x", "there is more behind the value at byte 7, found x");
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
    static const char *const bad_numbers[] = { "01", "-",   "1.",   ".5", "1e",  "1e+", "+1",
                                               "-a", "0x1", "1.e5", "00", "--1", "1-" };
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
    assert_true(json_depth_ok(
        RDD_STR("[[[\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
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
    assert_int_equal(
        json_parse(RDD_TYPE(numbers), RDD_STR("[1,2,3,4,5,6,7,8,9,10,11]"), &small, &list, &err),
        RDD_E_MEMORY);
}

static void *no_memory(size_t size)
{
    (void)size;
    errno = ENOMEM;
    return NULL;
}

/* cJSON says no more than that it failed; a lack of memory must not look like bad data. */
static void nested_values_without_memory(void **state)
{
    (void)state;
    cJSON_Hooks hooks = { no_memory, free };
    rdd_row row;
    rdd_error err;
    cJSON_InitHooks(&hooks);
    int code = json_parse_row(RDD_STR("{\"a\":[1]}"), &memory, &row, &err);
    cJSON_InitHooks(NULL);
    assert_int_equal(code, RDD_E_MEMORY);
    assert_int_equal(err.code, RDD_E_MEMORY);
    assert_int_equal(ROW("{\"a\":[1]}").count, 1);
}

/* ---- against cJSON ------------------------------------------------------------------------- */

static void random_string(buf *text)
{
    static const char *const parts[] = { "a", "Zz", " ", "\\n", "\\\"", "\\\\", "\\/", "\\u0041",
                                         "\\u00e9", "\\ud83d\\ude00", "é", "€", "😀", "{",
                                         "]", ",",
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

#define PARSE(T, text, ret)                                                                \
    do {                                                                                   \
        rdd_error err_;                                                                    \
        if (json_parse(RDD_TYPE(T), exact(text, strlen(text)), &memory, (ret), &err_) < 0) \
            fail_msg("%s", err_.message);                                                  \
    } while (0)

static void fields_fill_structs(void **state)
{
    (void)state;
    record r;
    PARSE(
        record,
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
    PARSE(
        record,
        "{\"id\":1,\"list\":[],\"path\":[],\"flag\":false,\"row\":{},\"name\":null,\"maybe\":null,"
        "\"bytes\":null}",
        &r);
    assert_null(r.name.data);
    assert_false(r.maybe.has);
    assert_null(r.bytes.data);
    assert_parse_refused(RDD_TYPE(record), "{}", "the field \"id\" of record is missing at byte 2, "
                         "where it ends; make it an RDD_OPTIONAL if it may be missing");
    assert_parse_refused(RDD_TYPE(record), "{\"id\":1}", "the field \"list\" of record is missing");
    assert_parse_refused(RDD_TYPE(point), "{\"x\":1,\"y\":null}",
                         "JSON: field \"y\" of point: a number is expected at byte 11, found null}; "
                         "make it an RDD_OPTIONAL if it may be missing");
    assert_parse_refused(RDD_TYPE(numbers), "null", "an array is expected");
    assert_parse_refused(RDD_TYPE(bool), "null", "true or false is expected");
}

/* The innermost one, and once. */
static void the_field_is_named(void **state)
{
    (void)state;
    assert_parse_refused(RDD_TYPE(record), "{\"id\":2, \"name\": 7,\"flag\":\"x\"}",
                         "JSON: field \"name\" of record: a string is expected at byte 17, "
                         "found 7,\"flag\":\"x\"}");
    assert_parse_refused(RDD_TYPE(record), "{\"id\":2.5}",
                         "JSON: field \"id\" of record: no int64_t at byte 6, found 2.5}");
    assert_parse_refused(RDD_TYPE(record), "{\"path\":[{\"x\":1,\"y\":true}]}",
                         "JSON: field \"y\" of point: a number is expected at byte 20, found true}]}");
    assert_parse_refused(RDD_TYPE(record), "{\"path\":[{\"x\":1}]}",
                         "JSON: the field \"y\" of point is missing");
    assert_parse_refused(RDD_TYPE(record), "{\"list\":[null]}",
                         "JSON: field \"list\" of record: a number is expected at byte 9, found null]}");
    assert_parse_refused(RDD_TYPE(record), "{\"id\":1 2}", "JSON: ',' or '}' is expected at byte 8");
    assert_parse_refused(RDD_TYPE(record), "{\"id\":1,\"id\"}", "JSON: ':' is expected at byte 12");
    assert_parse_refused(RDD_TYPE(record), "{\"other\":x}", "JSON: a value is expected at byte 9");
    assert_int_equal(json_parse(RDD_TYPE(point), RDD_STR("{\"x\":null}"), &memory, NULL, NULL), RDD_E_INPUT);
    assert_int_equal(json_parse(RDD_TYPE(point), RDD_STR("{}"), &memory, NULL, NULL), RDD_E_INPUT);
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
    PARSE(record,
          "{\"maybe\":7,\"maybe\":null,\"name\":\"x\",\"name\":null,\"id\":1,\"list\":[1,2],"
          "\"list\":[],\"path\":[],\"flag\":false,\"row\":{}}",
          &r);
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
        TEST(nested_values_without_memory),
        TEST(rows_are_as_cjson_reads_them),
        TEST(fields_fill_structs),
        TEST(names_may_hold_a_nul),
        TEST(missing_fields_are_missing),
        TEST(the_field_is_named),
        TEST(a_repeated_field_leaves_nothing),
        TEST(values_of_other_kinds_are_refused),
        TEST(unknown_fields_are_bounded_too),
    };
    return TEST_MAIN(argc, argv, tests);
}
