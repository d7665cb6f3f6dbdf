/* type_test.c: descriptors: equality, digests, checks, the wire. */
#include "type.h"

#include "test.h"

#include <math.h>

#include "random_value.h"

RDD_PAIR(word_count, rdd_str, int64_t);
RDD_OPTIONAL(maybe_int, int32_t);
RDD_LIST(word_counts, word_count);
RDD_STRUCT(everything, (bool, flag), (maybe_int, maybe), (word_counts, words), (rdd_row, row),
           (rdd_str, text), (float, narrow));

/* The same types under other names. */
RDD_PAIR(other_count, rdd_str, int64_t);
RDD_STRUCT(other_cell, (rdd_str, name), (rdd_str, text));
RDD_LIST(other_row, other_cell);

/* And nearly the same. */
RDD_STRUCT(renamed, (rdd_str, key), (int64_t, number));
RDD_PAIR(is_unsigned, rdd_str, uint64_t);
RDD_PAIR(turned, int64_t, rdd_str);

static void names_do_not_matter(void **state)
{
    (void)state;
    assert_true(type_equal(RDD_TYPE(word_count), RDD_TYPE(other_count)));
    assert_true(type_digest(RDD_TYPE(word_count)) == type_digest(RDD_TYPE(other_count)));
    assert_true(type_equal(RDD_TYPE(int), RDD_TYPE(int32_t)));
    assert_true(type_equal(RDD_TYPE(size_t), RDD_TYPE(uint64_t)));
    const rdd_type *different[] = { RDD_TYPE(renamed), RDD_TYPE(is_unsigned), RDD_TYPE(turned),
                                    RDD_TYPE(word_counts), RDD_TYPE(rdd_str) };
    for (size_t i = 0; i < ARRAY_SIZE(different); i++) {
        assert_false(type_equal(RDD_TYPE(word_count), different[i]));
        assert_false(type_equal(different[i], RDD_TYPE(word_count)));
        assert_true(type_digest(RDD_TYPE(word_count)) != type_digest(different[i]));
    }
    assert_false(type_equal(RDD_TYPE(word_count), NULL));
    assert_false(type_equal(RDD_TYPE(rdd_str), RDD_TYPE(rdd_bytes)));
}

/* Digests are stored in files and compared between builds: a change is a change of format. */
static void digests_are_stable(void **state)
{
    (void)state;
    assert_int_equal(type_digest(RDD_TYPE(int64_t)), 0xe3fa89d2981b5f50);
    assert_int_equal(type_digest(RDD_TYPE(rdd_row)), 0xc2bb4d942a3c22df);
    assert_int_equal(type_digest(RDD_TYPE(everything)), 0x1eae57c018968ec0);
}

static void kinds_are_known(void **state)
{
    (void)state;
    assert_true(type_is_row(RDD_TYPE(rdd_row)));
    assert_true(type_is_row(RDD_TYPE(other_row)));
    assert_false(type_is_row(RDD_TYPE(word_counts)));
    assert_false(type_is_row(RDD_TYPE(rdd_cell)));
    assert_true(type_is_pair(RDD_TYPE(word_count)));
    assert_false(type_is_pair(RDD_TYPE(renamed)));
    assert_false(type_is_pair(RDD_TYPE(int64_t)));
    assert_true(type_is_flat(RDD_TYPE(maybe_int)));
    assert_false(type_is_flat(RDD_TYPE(word_count)));
    assert_false(type_is_flat(RDD_TYPE(word_counts)));
    assert_true(type_is_number(RDD_TYPE(float)));
    assert_true(type_is_number(RDD_TYPE(int8_t)));
    assert_false(type_is_number(RDD_TYPE(bool)));
    assert_false(type_is_number(RDD_TYPE(rdd_str)));
    assert_ptr_equal(type_field(RDD_TYPE(word_count), "value"), &RDD_TYPE(word_count)->fields[1]);
    assert_null(type_field(RDD_TYPE(word_count), "values"));
    assert_null(type_field(RDD_TYPE(int64_t), "value"));
}

static void assert_described(const rdd_type *t, const char *expected)
{
    buf text = { 0 };
    type_describe(t, &text);
    assert_string_equal(buf_terminate(&text), expected);
    buf_release(&text);
}

static void descriptions_are_for_people(void **state)
{
    (void)state;
    assert_described(RDD_TYPE(int64_t), "int64_t");
    assert_described(RDD_TYPE(word_count), "word_count{key: rdd_str, value: int64_t}");
    assert_described(RDD_TYPE(everything),
                     "everything{flag: bool, maybe: int32_t?, words: word_counts[word_count{key: "
                     "rdd_str, value: int64_t}], row: rdd_row, text: rdd_str, narrow: float}");
}

static void long_descriptions_are_cut(void **state)
{
    (void)state;
    CLEANUP(arena_release) arena a = { 0 };
    static char name[200];
    memset(name, 'n', sizeof name - 1);
    rdd_field fields[8];
    for (uint32_t i = 0; i < 8; i++)
        fields[i] = (rdd_field){ arena_format(&a, "%s%u", name, i), RDD_TYPE(int64_t), 8 * i };
    rdd_type t = { "wide", RDD_KIND_STRUCT, 64, 8, 8, fields, NULL };
    buf text = { 0 };
    type_describe(&t, &text);
    assert_in_range(text.size, 300, 500);
    assert_memory_equal(text.data + text.size - 3, "…", 3);
    buf_release(&text);
}

/* ---- check --------------------------------------------------------------------------------- */

static void assert_refused(const rdd_type *t, const char *reason)
{
    rdd_error err = { .code = RDD_OK };
    assert_int_equal(type_check(t, &err), RDD_E_TYPE);
    assert_int_equal(err.code, RDD_E_TYPE);
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" does not say: %s", err.message, reason);
    assert_int_equal(type_check(t, NULL), RDD_E_TYPE);
}

static void declared_types_are_fine(void **state)
{
    (void)state;
    rdd_error err;
    const rdd_type *good[] = { RDD_TYPE(everything), RDD_TYPE(bool),      RDD_TYPE(_Bool),
                               RDD_TYPE(int),        RDD_TYPE(other_row), RDD_TYPE(maybe_int),
                               RDD_TYPE(rdd_bytes_of_file) };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_int_equal(type_check(good[i], &err), 0);
}

static void broken_types_are_refused(void **state)
{
    (void)state;
    rdd_field packed[] = { { "a", RDD_TYPE(int8_t), 0 }, { "b", RDD_TYPE(int64_t), 1 } };
    rdd_field overlap[] = { { "a", RDD_TYPE(int64_t), 0 }, { "b", RDD_TYPE(int64_t), 0 } };
    rdd_field gap[] = { { "a", RDD_TYPE(int32_t), 0 }, { "b", RDD_TYPE(int32_t), 8 } };
    rdd_field twice[] = { { "a", RDD_TYPE(int64_t), 0 }, { "a", RDD_TYPE(int64_t), 8 } };
    rdd_field unnamed[] = { { "", RDD_TYPE(int64_t), 0 } };
    rdd_field untyped[] = { { "a", NULL, 0 } };
    assert_refused(NULL, "RDD_TYPE");
    assert_refused(&(rdd_type){ "p", RDD_KIND_STRUCT, 9, 1, 2, packed, NULL }, "packed");
    assert_refused(&(rdd_type){ "g", RDD_KIND_STRUCT, 12, 4, 2, gap, NULL }, "at byte 8 and not 4");
    assert_refused(&(rdd_type){ "o", RDD_KIND_STRUCT, 16, 8, 2, overlap, NULL }, "is at byte");
    assert_refused(&(rdd_type){ "t", RDD_KIND_STRUCT, 16, 8, 2, twice, NULL },
                   "two fields are called a");
    assert_refused(&(rdd_type){ "u", RDD_KIND_STRUCT, 8, 8, 1, unnamed, NULL }, "has no name");
    assert_refused(&(rdd_type){ "n", RDD_KIND_STRUCT, 8, 8, 1, untyped, NULL }, "has no type");
    assert_refused(&(rdd_type){ "e", RDD_KIND_STRUCT, 8, 8, 0, unnamed, NULL }, "has 0 fields");
    assert_refused(&(rdd_type){ "m", RDD_KIND_STRUCT, 8, 8, TYPE_FIELDS_MAX + 1, unnamed, NULL },
                   "has 1025 fields");
    assert_refused(&(rdd_type){ "s", RDD_KIND_STRUCT, 24, 8, 1, &twice[0], NULL },
                   "its fields make 8");
    assert_refused(&(rdd_type){ "i", RDD_KIND_I32, 8, 8, 0, NULL, NULL }, "and not 4 by 4");
    assert_refused(&(rdd_type){ "l", RDD_KIND_LIST, 16, 8, 0, NULL, NULL }, "no item type");
    assert_refused(&(rdd_type){ "k", (rdd_kind)77, 8, 8, 0, NULL, NULL }, "no kind 77");
    assert_refused(&(rdd_type){ "q", RDD_KIND_OPTIONAL, 16, 8, 1, twice, RDD_TYPE(int8_t) },
                   "no optional");
    assert_refused(&(rdd_type){ "q", RDD_KIND_OPTIONAL, 16, 8, 1, twice, RDD_TYPE(int64_t) },
                   "is at byte 0 and not 8");
}

/* A list of lists of … of int64_t, `depth` descriptors deep. */
static const rdd_type *deep_type(arena *a, int depth)
{
    const rdd_type *t = RDD_TYPE(int64_t);
    while (--depth) {
        rdd_type *list = arena_zalloc(a, sizeof *list);
        *list = (rdd_type){ "deep", RDD_KIND_LIST, 16, 8, 0, NULL, t };
        t = list;
    }
    return t;
}

/* Two fields of a type of two fields of …: a few descriptors, 2^depth parts. */
static const rdd_type *wide_type(arena *a, int depth)
{
    const rdd_type *t = RDD_TYPE(int8_t);
    for (uint32_t size = 2; depth; depth--, size *= 2) {
        rdd_type *pair = arena_zalloc(a, sizeof *pair);
        rdd_field *fields = arena_zalloc(a, 2 * sizeof *fields);
        fields[0] = (rdd_field){ "a", t, 0 };
        fields[1] = (rdd_field){ "b", t, size / 2 };
        *pair = (rdd_type){ "wide", RDD_KIND_STRUCT, size, 1, 2, fields, NULL };
        t = pair;
    }
    return t;
}

static void size_and_depth_are_bounded(void **state)
{
    (void)state;
    CLEANUP(arena_release) arena a = { 0 };
    rdd_error err;
    assert_int_equal(type_check(deep_type(&a, TYPE_DEPTH_MAX), &err), 0);
    assert_refused(deep_type(&a, TYPE_DEPTH_MAX + 1), "deeper than 32");
    assert_int_equal(type_check(wide_type(&a, 10), &err), 0);
    assert_refused(wide_type(&a, 12), "more than 4096 parts");
    /* Comparing what was not checked ends as well. */
    assert_false(type_equal(deep_type(&a, 1000), deep_type(&a, 1000)));
    (void)type_digest(deep_type(&a, 1000));
}

static void many_fields_are_fine(void **state)
{
    (void)state;
    CLEANUP(arena_release) arena a = { 0 };
    rdd_error err;
    rdd_field *fields = arena_alloc(&a, TYPE_FIELDS_MAX * sizeof *fields);
    for (uint32_t i = 0; i < TYPE_FIELDS_MAX; i++)
        fields[i] = (rdd_field){ arena_format(&a, "field%u", i), RDD_TYPE(int16_t), 2 * i };
    rdd_type t = { "many", RDD_KIND_STRUCT, 2 * TYPE_FIELDS_MAX, 2, TYPE_FIELDS_MAX, fields, NULL };
    assert_int_equal(type_check(&t, &err), 0);
    fields[TYPE_FIELDS_MAX - 1].name = "field7";
    assert_refused(&t, "two fields are called field7");
}

/* ---- the wire ------------------------------------------------------------------------------ */

static int decode(const void *data, size_t size, arena *a, const rdd_type **ret, rdd_error *err)
{
    reader r = reader_over(data, size);
    int code = type_decode(&r, a, ret, err);
    if (code == 0)
        assert_int_equal(reader_left(&r), 0);
    return code;
}

static void random_types_survive_the_wire(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        CLEANUP(arena_release) arena a = { 0 };
        const rdd_type *t = random_type(&a, 5), *back;
        rdd_error err;
        buf b = { 0 };
        assert_int_equal(type_check(t, &err), 0);
        type_encode(&b, t);
        assert_int_equal(decode(b.data, b.size, &a, &back, &err), 0);
        assert_true(type_equal(t, back));
        assert_true(type_digest(t) == type_digest(back));
        assert_int_equal(type_is_flat(t), type_is_flat(back));
        buf_release(&b);
    }
}

static void cut_types_are_refused(void **state)
{
    (void)state;
    CLEANUP(arena_release) arena a = { 0 };
    const rdd_type *back = NULL;
    rdd_error err;
    buf b = { 0 };
    type_encode(&b, RDD_TYPE(everything));
    for (size_t size = 0; size < b.size; size++) {
        char *exact = malloc(size + 1); /* so that a read behind it is seen */
        memcpy(exact, b.data, size);
        assert_int_equal(decode(exact, size, &a, &back, &err), RDD_E_PROTOCOL);
        free(exact);
    }
    assert_null(back);
    buf_release(&b);
}

/* Whatever arrives, what is accepted passes type_check(). */
static void changed_types_are_sane(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    type_encode(&b, RDD_TYPE(everything));
    size_t accepted = 0, refused = 0;
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        CLEANUP(arena_release) arena a = { 0 };
        const rdd_type *back = NULL;
        rdd_error err;
        b.data[bit / 8] ^= (char)(1 << bit % 8);
        reader r = reader_over(b.data, b.size);
        if (type_decode(&r, &a, &back, &err) == 0) {
            assert_int_equal(type_check(back, &err), 0);
            accepted++;
        } else {
            assert_int_equal(err.code, RDD_E_PROTOCOL);
            assert_null(back);
            refused++;
        }
        b.data[bit / 8] ^= (char)(1 << bit % 8);
    }
    assert_true(accepted > 0 && refused > 0); /* a name may change, a size may not */
}

static void deep_types_do_not_overflow(void **state)
{
    (void)state;
    CLEANUP(arena_release) arena a = { 0 };
    const rdd_type *back;
    rdd_error err;
    CLEANUP(buf_release) buf b = { 0 };
    for (int i = 0; i < 100000; i++) {
        buf_u8(&b, RDD_KIND_LIST);
        buf_sized(&b, "", 0);
        buf_u32(&b, 16);
        buf_u32(&b, 8);
    }
    assert_int_equal(decode(b.data, b.size, &a, &back, &err), RDD_E_PROTOCOL);
}

static void memory_is_a_code_of_its_own(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    type_encode(&b, RDD_TYPE(everything));
    int code = RDD_E_MEMORY;
    for (size_t max = 16; code; max += 16) {
        CLEANUP(arena_release) arena a = { .max = max };
        const rdd_type *back;
        rdd_error err;
        code = decode(b.data, b.size, &a, &back, &err);
        assert_true(code == 0 || code == RDD_E_MEMORY);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_do_not_matter),
        cmocka_unit_test(digests_are_stable),
        cmocka_unit_test(kinds_are_known),
        cmocka_unit_test(descriptions_are_for_people),
        cmocka_unit_test(long_descriptions_are_cut),
        cmocka_unit_test(declared_types_are_fine),
        cmocka_unit_test(broken_types_are_refused),
        cmocka_unit_test(size_and_depth_are_bounded),
        cmocka_unit_test(many_fields_are_fine),
        cmocka_unit_test(random_types_survive_the_wire),
        cmocka_unit_test(cut_types_are_refused),
        cmocka_unit_test(changed_types_are_sane),
        cmocka_unit_test(deep_types_do_not_overflow),
        cmocka_unit_test(memory_is_a_code_of_its_own),
    };
    return TEST_MAIN(argc, argv, tests);
}
