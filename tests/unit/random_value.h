/* random_value.h: random types and random values of any type, for the tests of what goes by
 * descriptors. Include it after test.h.
 *
 * Types are laid out as the compiler would. Values come with garbage where nobody may look: in
 * padding, behind the tag of an absent optional, as the count of a list without items.
 */
#ifndef RDD_RANDOM_VALUE_H
#define RDD_RANDOM_VALUE_H

#include "arena.h"
#include "type.h"

TEST_HELPER void random_bytes(void *to, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)to)[i] = (unsigned char)test_random();
}

static const rdd_type *const random_scalars[] = {
    RDD_TYPE(bool),     RDD_TYPE(int8_t),    RDD_TYPE(int16_t),  RDD_TYPE(int32_t),
    RDD_TYPE(int64_t),  RDD_TYPE(uint8_t),   RDD_TYPE(uint16_t), RDD_TYPE(uint32_t),
    RDD_TYPE(uint64_t), RDD_TYPE(float),     RDD_TYPE(double),   RDD_TYPE(rdd_str),
    RDD_TYPE(rdd_str),  RDD_TYPE(rdd_bytes),
};

TEST_HELPER const rdd_type *random_type(arena *a, int depth);

/* The compiler's layout of these fields. */
TEST_HELPER void random_lay_out(rdd_type *t, rdd_field *fields, size_t offset)
{
    t->align = 1;
    for (uint32_t i = 0; i < t->field_count; i++) {
        uint32_t align = fields[i].type->align;
        fields[i].offset = size_align(offset, align);
        offset = fields[i].offset + fields[i].type->size;
        t->align = align > t->align ? align : t->align;
    }
    t->size = (uint32_t)size_align(offset, t->align);
    t->fields = fields;
}

TEST_HELPER const rdd_type *random_struct(arena *a, int depth)
{
    rdd_type *t = arena_zalloc(a, sizeof *t);
    rdd_field *fields = arena_zalloc(a, 6 * sizeof *fields);
    *t = (rdd_type){ .name = "S", .kind = RDD_KIND_STRUCT };
    t->field_count = (uint32_t)(1 + test_random_below(6));
    for (uint32_t i = 0; i < t->field_count; i++)
        fields[i] = (rdd_field){ arena_format(a, "f%u", i), random_type(a, depth - 1), 0 };
    random_lay_out(t, fields, 0);
    return t;
}

TEST_HELPER const rdd_type *random_optional(arena *a, int depth)
{
    rdd_type *t = arena_zalloc(a, sizeof *t);
    rdd_field *field = arena_zalloc(a, sizeof *field);
    *t = (rdd_type){ .name = "O", .kind = RDD_KIND_OPTIONAL, .field_count = 1 };
    t->item = random_type(a, depth - 1);
    *field = (rdd_field){ "value", t->item, 0 };
    random_lay_out(t, field, 1);
    return t;
}

TEST_HELPER const rdd_type *random_type(arena *a, int depth)
{
    size_t pick = depth > 0 ? test_random_below(10) : 0;
    if (pick == 9)
        return RDD_TYPE(rdd_row);
    if (pick >= 7)
        return random_struct(a, depth);
    if (pick == 6)
        return random_optional(a, depth);
    if (pick == 5) {
        rdd_type *t = arena_zalloc(a, sizeof *t);
        *t = (rdd_type){ .name = "L", .kind = RDD_KIND_LIST, .size = 16, .align = 8 };
        t->item = random_type(a, depth - 1);
        return t;
    }
    return random_scalars[test_random_below(ARRAY_SIZE(random_scalars))];
}

/* Few different ones, so that texts repeat and values are sometimes equal. */
TEST_HELPER rdd_str random_text(arena *a, bool utf8)
{
    static const size_t sizes[] = { 0, 1, 2, 3, 7, 8, 15, 16, 17, 63, 64, 65, 300 };
    size_t pick = test_random_below(ARRAY_SIZE(sizes) + 1);
    if (pick == ARRAY_SIZE(sizes))
        return (rdd_str){ test_random_below(3), NULL }; /* no value, whatever the size says */
    char *data = arena_alloc(a, sizes[pick] + 1);
    memset(data, 'a' + (int)test_random_below(2), sizes[pick]);
    if (!utf8 && sizes[pick] && test_random_below(4) == 0)
        data[test_random_below(sizes[pick])] = (char)test_random();
    return (rdd_str){ sizes[pick], data };
}

/* Numbers that are near each other or near a limit, and any bits at times. */
TEST_HELPER void random_number(const rdd_type *t, void *to)
{
    static const double doubles[] = { 0.0,    -0.0,     1.5,       -2.25, 1e300,
                                      5e-324, INFINITY, -INFINITY, NAN,   -NAN };
    uint64_t bits = test_random();
    switch (test_random_below(4)) {
    case 0: bits = test_random_below(3); break;
    case 1: bits = ~(uint64_t)0; break;
    case 2: bits = (uint64_t)1 << (8 * t->size - 1); break;
    default: break;
    }
    if (t->kind == RDD_KIND_DOUBLE && test_random_below(2)) {
        memcpy(to, &doubles[test_random_below(ARRAY_SIZE(doubles))], sizeof(double));
    } else if (t->kind == RDD_KIND_FLOAT && test_random_below(2)) {
        float narrow = (float)doubles[test_random_below(ARRAY_SIZE(doubles))];
        memcpy(to, &narrow, sizeof narrow);
    } else {
        memcpy(to, &bits, t->size);
    }
}

TEST_HELPER void random_value(arena *a, const rdd_type *t, void *to, bool utf8)
{
    switch (t->kind) {
    case RDD_KIND_BOOL: *(unsigned char *)to = (unsigned char)test_random_below(2); break;
    case RDD_KIND_STR:
    case RDD_KIND_BYTES: {
        rdd_str text = random_text(a, utf8);
        memcpy(to, &text, sizeof text);
        break;
    }
    case RDD_KIND_STRUCT:
        random_bytes(to, t->size);
        for (uint32_t i = 0; i < t->field_count; i++)
            random_value(a, t->fields[i].type, (char *)to + t->fields[i].offset, utf8);
        break;
    case RDD_KIND_LIST: {
        rdd_row list = { test_random_below(4), NULL };
        if (list.count || test_random_below(2)) {
            char *items = arena_alloc(a, list.count * t->item->size);
            for (size_t i = 0; i < list.count; i++)
                random_value(a, t->item, items + i * t->item->size, utf8);
            list.items = (const void *)items;
        } else {
            list.count = test_random_below(3);
        }
        memcpy(to, &list, sizeof list);
        break;
    }
    case RDD_KIND_OPTIONAL:
        random_bytes(to, t->size);
        *(unsigned char *)to = (unsigned char)test_random_below(2);
        if (*(unsigned char *)to)
            random_value(a, t->item, (char *)to + t->fields[0].offset, utf8);
        break;
    default: random_number(t, to); break;
    }
}

TEST_HELPER void *random_values(arena *a, const rdd_type *t, size_t count, bool utf8)
{
    char *items = arena_alloc(a, count * t->size);
    for (size_t i = 0; i < count; i++)
        random_value(a, t, items + i * t->size, utf8);
    return items;
}

TEST_HELPER void assert_values_equal(const rdd_type *t, const void *a, const void *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *x = (const char *)a + i * t->size, *y = (const char *)b + i * t->size;
        assert_int_equal(value_compare(t, x, y), 0);
        assert_true(value_hash(t, x, i) == value_hash(t, y, i));
    }
}

#endif
