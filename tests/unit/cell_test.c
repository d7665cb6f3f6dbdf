/* cell_test.c: CSV cells to values and back, declared in json.h. */
#include "json.h"

#include "test.h"

#include <math.h>

#include "exact_text.h"

RDD_OPTIONAL(maybe_int, int32_t);
RDD_OPTIONAL(maybe_str, rdd_str);
RDD_LIST(numbers, int64_t);
RDD_STRUCT(point, (double, x), (float, y));
RDD_OPTIONAL(maybe_bytes, rdd_bytes);
RDD_OPTIONAL(maybe_numbers, numbers);
RDD_OPTIONAL(maybe_point, point);
RDD_LIST(points, point);
RDD_STRUCT(thing, (rdd_str, name), (rdd_bytes, raw), (maybe_point, at), (points, way));

static arena memory;

static int release_memory(void **state)
{
    (void)state;
    arena_release(&memory);
    return 0;
}

#define CELL(T, text, ret)                                                          \
    do {                                                                            \
        rdd_error err_;                                                             \
        if (cell_parse(RDD_TYPE(T), rdd_str_of(text), &memory, (ret), &err_) < 0)            \
            fail_msg("%s", err_.message);                                           \
    } while (0)

static void assert_cell_refused(const rdd_type *t, rdd_str text, int code, const char *message)
{
    rdd_error err = { .code = RDD_OK };
    char untouched[64], value[64];
    memset(untouched, 0x5a, sizeof untouched);
    memset(value, 0x5a, sizeof value);
    assert_int_equal(cell_parse(t, exact(text.data, text.size), &memory, value, &err), code);
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

static void assert_bytes(rdd_bytes found, const char *wanted, size_t size)
{
    assert_int_equal(found.size, size);
    assert_memory_equal(found.data, wanted, size);
}

static void cells_become_bytes(void **state)
{
    (void)state;
    rdd_bytes b;
    CELL(rdd_bytes, "AAE=", &b);
    assert_bytes(b, "\0\1", 2);
    CELL(rdd_bytes, " /+8w\t", &b);
    assert_bytes(b, "\xff\xef\x30", 3);
    CELL(rdd_bytes, "", &b);
    assert_bytes(b, "", 0);
    assert_non_null(b.data);
    maybe_bytes m;
    CELL(maybe_bytes, "AA==", &m);
    assert_true(m.has);
    assert_bytes(m.value, "", 1);
    CELL(maybe_bytes, " ", &m);
    assert_false(m.has);
}

static void cells_become_lists_and_structs(void **state)
{
    (void)state;
    numbers n = { 7, NULL };
    CELL(numbers, " [1, -2] ", &n);
    assert_int_equal(n.count, 2);
    assert_true(n.items[0] == 1 && n.items[1] == -2);
    CELL(numbers, "[]", &n);
    assert_int_equal(n.count, 0);
    n.count = 7;
    CELL(numbers, " ", &n);
    assert_int_equal(n.count, 0);
    maybe_numbers mn;
    CELL(maybe_numbers, "[]", &mn);
    assert_true(mn.has && !mn.value.count);
    CELL(maybe_numbers, "", &mn);
    assert_false(mn.has);
    maybe_point mp;
    CELL(maybe_point, "{\"y\":2,\"x\":1.5}", &mp);
    assert_true(mp.has && mp.value.x == 1.5 && mp.value.y == 2);
    CELL(maybe_point, "", &mp);
    assert_false(mp.has);
    thing t;
    CELL(thing, "{\"name\":\"a\\n\",\"raw\":\"AA==\",\"way\":[{\"x\":1,\"y\":2}]}", &t);
    assert_true(rdd_str_equal(t.name, RDD_STR("a\n")));
    assert_bytes(t.raw, "", 1);
    assert_false(t.at.has);
    assert_true(t.way.count == 1 && t.way.items[0].y == 2);
}

static void bad_cells_are_named(void **state)
{
    (void)state;
    assert_cell_refused(RDD_TYPE(int64_t), RDD_STR("12x"), RDD_E_INPUT, "\"12x\" is no int64_t");
    assert_cell_refused(RDD_TYPE(int64_t), RDD_STR(""), RDD_E_INPUT,
                        "\"\" is no int64_t; make it an RDD_OPTIONAL if it may be missing");
    assert_cell_refused(RDD_TYPE(int64_t), RDD_STR(" "), RDD_E_INPUT,
                        "\" \" is no int64_t; make it an RDD_OPTIONAL if it may be missing");
    assert_cell_refused(RDD_TYPE(int64_t), RDD_STR("1 2"), RDD_E_INPUT, "\"1 2\" is no int64_t");
    assert_cell_refused(RDD_TYPE(uint8_t), RDD_STR("256"), RDD_E_INPUT, "\"256\" is no uint8_t");
    assert_cell_refused(RDD_TYPE(double), RDD_STR("1,5"), RDD_E_INPUT, "\"1,5\" is no double");
    assert_cell_refused(RDD_TYPE(bool), RDD_STR("maybe"), RDD_E_INPUT, "\"maybe\" is no bool");
    assert_cell_refused(RDD_TYPE(bool), RDD_STR("2"), RDD_E_INPUT, "\"2\" is no bool");
    assert_cell_refused(RDD_TYPE(maybe_int), RDD_STR("x\xff"), RDD_E_INPUT,
                        "\"x\xef\xbf\xbd\" is no int32_t");
    assert_cell_refused(RDD_TYPE(rdd_bytes), RDD_STR("AA="), RDD_E_INPUT, "\"AA=\" is no base64");
    assert_cell_refused(RDD_TYPE(maybe_bytes), RDD_STR("AB=="), RDD_E_INPUT,
                        "\"AB==\" is no base64");
    assert_cell_refused(RDD_TYPE(numbers), RDD_STR("1"), RDD_E_INPUT,
                        "JSON: an array is expected at byte 0, found 1");
    assert_cell_refused(RDD_TYPE(maybe_numbers), RDD_STR("[1,2.5]"), RDD_E_INPUT,
                        "JSON: no int64_t at byte 3, found 2.5]");
    assert_cell_refused(RDD_TYPE(point), RDD_STR(" "), RDD_E_INPUT,
                        "\" \" is no point; make it an RDD_OPTIONAL if it may be missing");
    assert_cell_refused(RDD_TYPE(point), RDD_STR("{\"x\":1}"), RDD_E_INPUT,
                        "JSON: the field \"y\" of point is missing at byte 7, where it ends; "
                        "make it an RDD_OPTIONAL if it may be missing");
    rdd_error err;
    int64_t x = 77;
    assert_int_equal(cell_parse(RDD_TYPE(int64_t), (rdd_str){ 0, NULL }, &memory, &x, &err),
                     RDD_E_INPUT);
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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_become_values),
        cmocka_unit_test_teardown(cells_become_bytes, release_memory),
        cmocka_unit_test_teardown(cells_become_lists_and_structs, release_memory),
        cmocka_unit_test_teardown(bad_cells_are_named, release_memory),
        cmocka_unit_test(values_become_cells),
    };
    return TEST_MAIN(argc, argv, tests);
}
