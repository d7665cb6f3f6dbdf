/* block_test.c: the codec: what goes in comes out, equal elements give equal bytes, and bytes from
 * outside never lead outside.
 */
#include "block.h"

#include "hash.h"
#include "type.h"

#include "test.h"

#include <math.h>

#include "random_value.h"

RDD_PAIR(word_count, rdd_str, int64_t);
RDD_OPTIONAL(maybe_word, word_count);
RDD_LIST(word_counts, word_count);
RDD_LIST(lists, word_counts);
RDD_STRUCT(everything, (bool, flag), (maybe_word, maybe), (word_counts, words), (lists, nested),
           (rdd_row, row), (rdd_bytes, bytes), (int8_t, last));
RDD_STRUCT(flags, (bool, flag), (int32_t, number));

/* Where things are in a header. */
enum {
    AT_CHECKSUM = 8,
    AT_DIGEST = 16,
    AT_COUNT = 24,
    AT_ELEMENTS = 32,
    AT_ITEMS = 40,
    AT_TEXTS = 48,
    HEADER_SIZE = 64,
};

static void put_u64(char *block, size_t at, uint64_t value)
{
    memcpy(block + at, &value, sizeof value);
}

static uint64_t get_u64(const char *block, size_t at)
{
    uint64_t value;
    memcpy(&value, block + at, sizeof value);
    return value;
}

static void seal(char *block, size_t size)
{
    put_u64(block, AT_CHECKSUM, hash_bytes(block + AT_DIGEST, size - AT_DIGEST, 0));
}

static void encode(const rdd_type *t, const void *items, size_t count, buf *out)
{
    rdd_error err;
    assert_int_equal(block_encode(t, items, count, out, &err), 0);
    assert_int_equal(out->size % BLOCK_ALIGN, 0);
}

/* A copy with nothing behind it, so that the address sanitizer sees a read of one byte too many. */
static char *exact_copy(const void *data, size_t size)
{
    char *copy = malloc(size_max(size, 1));
    if (size)
        memcpy(copy, data, size);
    assert_int_equal((uintptr_t)copy % BLOCK_ALIGN, 0);
    return copy;
}

static int decode(const rdd_type *t, char *bytes, size_t size, const void **ret_items,
                  size_t *ret_count)
{
    rdd_error err = { .code = RDD_OK };
    size_t whole = 0;
    int code = block_decode(t, bytes, size, ret_items, ret_count, &whole, &err);
    if (code < 0)
        assert_int_equal(err.code, code);
    else
        assert_int_equal(whole, size);
    return code;
}

static everything everything_sample(void)
{
    static const word_count words[] = { { { 3, "one" }, 1 },
                                        { { 3, "two" }, 2 },
                                        { { 3, "one" }, 3 } };
    static const word_counts inner[] = { { 2, words }, { 0, NULL }, { 1, words + 2 } };
    static const rdd_cell cells[] = { { { 2, "id" }, { 3, "one" } },
                                      { { 4, "none" }, { 0, NULL } } };
    return (everything){ .flag = true,
                         .maybe = { true, words[1] },
                         .words = { 3, words },
                         .nested = { 3, inner },
                         .row = { 2, cells },
                         .bytes = { 4, "\0\1\2\3" },
                         .last = -1 };
}

/* ---- round trips --------------------------------------------------------------------------- */

static void random_elements_come_back(void **state)
{
    (void)state;
    for (int round = 0; round < 1000; round++) {
        CLEANUP(arena_release) arena a = { 0 };
        CLEANUP(buf_release) buf b = { 0 };
        const rdd_type *t = random_type(&a, 4);
        size_t count = test_random_below(30), back_count;
        const void *items = random_values(&a, t, count, false), *back;
        encode(t, items, count, &b);
        char *copy = exact_copy(b.data, b.size);
        assert_int_equal(decode(t, copy, b.size, &back, &back_count), 0);
        assert_int_equal(back_count, count);
        assert_values_equal(t, items, back, count);

        /* and what came back encodes to the same bytes, from other addresses */
        CLEANUP(buf_release) buf again = { 0 };
        encode(t, back, count, &again);
        assert_int_equal(again.size, b.size);
        assert_memory_equal(again.data, b.data, b.size);
        free(copy);
    }
}

static void missing_is_not_empty(void **state)
{
    (void)state;
    const rdd_str texts[] = { { 0, NULL }, { 0, "" }, { 9, NULL }, { 1, "x" } };
    CLEANUP(buf_release) buf b = { 0 };
    encode(RDD_TYPE(rdd_str), texts, 4, &b);
    const rdd_str *back;
    size_t count;
    assert_int_equal(decode(RDD_TYPE(rdd_str), b.data, b.size, (const void **)&back, &count), 0);
    assert_null(back[0].data);
    assert_non_null(back[1].data);
    assert_int_equal(back[1].size, 0);
    assert_null(back[2].data);
    assert_int_equal(back[2].size, 0);
    assert_memory_equal(back[3].data, "x", 1);
}

static void blocks_follow_each_other(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    word_count words[] = { { RDD_STR("a"), 1 }, { RDD_STR("bb"), 2 }, { RDD_STR("ccc"), 3 } };
    for (size_t i = 0; i <= 3; i++)
        encode(RDD_TYPE(word_count), words, i, &b);
    size_t at = 0;
    for (size_t i = 0; i <= 3; i++) {
        const void *items;
        size_t count, size, peeked, peeked_size;
        rdd_error err;
        assert_int_equal(block_peek(b.data + at, b.size - at, &peeked, &peeked_size, &err), 0);
        assert_int_equal(block_decode(RDD_TYPE(word_count), b.data + at, b.size - at, &items,
                                      &count, &size, &err),
                         0);
        assert_int_equal(count, i);
        assert_int_equal(peeked, i);
        assert_int_equal(peeked_size, size);
        assert_values_equal(RDD_TYPE(word_count), items, words, i);
        at += size;
    }
    assert_int_equal(at, b.size);
}

static void levels_past_the_few_work(void **state)
{
    (void)state;
    CLEANUP(arena_release) arena a = { 0 };
    /* 40 fields, each a list of rows: 81 levels, and far more steps than fit without the heap */
    enum { FIELDS = 40 };
    rdd_type list = { "rows", RDD_KIND_LIST, 16, 8, 0, NULL, RDD_TYPE(rdd_row) };
    rdd_field fields[FIELDS];
    for (uint32_t i = 0; i < FIELDS; i++)
        fields[i] = (rdd_field){ arena_format(&a, "f%u", i), &list, 16 * i };
    rdd_type t = { "wide", RDD_KIND_STRUCT, 16 * FIELDS, 8, FIELDS, fields, NULL };
    CLEANUP(buf_release) buf b = { 0 };
    const void *items = random_values(&a, &t, 5, false), *back;
    size_t count;
    encode(&t, items, 5, &b);
    assert_int_equal(decode(&t, b.data, b.size, &back, &count), 0);
    assert_values_equal(&t, items, back, 5);
    char *copy = arena_alloc(&a, 5 * t.size);
    assert_int_equal(values_copy(&t, items, 5, copy, &a), 0);
    assert_values_equal(&t, items, copy, 5);
}

static void large_blocks_work(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    CLEANUP(arena_release) arena a = { 0 };
    CLEANUP(buf_release) buf b = { 0 };
    word_count *words = arena_alloc(&a, COUNT * sizeof *words);
    for (int64_t i = 0; i < COUNT; i++)
        words[i] = (word_count){ rdd_str_of(arena_format(&a, "w%lld", (long long)i % 5000)), i };
    encode(RDD_TYPE(word_count), words, COUNT, &b);
    const void *back;
    size_t count;
    assert_int_equal(decode(RDD_TYPE(word_count), b.data, b.size, &back, &count), 0);
    assert_int_equal(count, COUNT);
    assert_values_equal(RDD_TYPE(word_count), words, back, COUNT);
}

/* ---- the same bytes ------------------------------------------------------------------------ */

/* Blocks are stored; another digest here is another BLOCK_VERSION. */
static void bytes_are_stable(void **state)
{
    (void)state;
    everything e = everything_sample();
    CLEANUP(buf_release) buf b = { 0 };
    encode(RDD_TYPE(everything), &e, 1, &b);
    assert_int_equal(b.size, 464);
    assert_int_equal(hash_bytes(b.data, b.size, 0), 0xf40c21a0c0e7132a);

    word_count words[] = { { RDD_STR("ab"), 1 }, { RDD_STR("c"), -1 }, { RDD_STR("ab"), 0 } };
    buf_clear(&b);
    encode(RDD_TYPE(word_count), words, 3, &b);
    static const unsigned char elements[] = {
        2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
        1, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255,
        2, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 'a', 'b', 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    };
    assert_int_equal(b.size, HEADER_SIZE + sizeof elements);
    assert_memory_equal(b.data, "RDDB\1\0\0\0", 8);
    assert_memory_equal(b.data + HEADER_SIZE, elements, sizeof elements);
    assert_int_equal(get_u64(b.data, AT_COUNT), 3);
    assert_int_equal(get_u64(b.data, AT_ELEMENTS), 80);
    assert_int_equal(get_u64(b.data, AT_ITEMS), 0);
    assert_int_equal(get_u64(b.data, AT_TEXTS), 16);
}

/* The same values elsewhere, with other garbage where nobody may look. */
static void copy_elsewhere(const rdd_type *t, const void *from, void *to, arena *a)
{
    random_bytes(to, t->size);
    switch (t->kind) {
    case RDD_KIND_STR:
    case RDD_KIND_BYTES: {
        rdd_str text;
        memcpy(&text, from, sizeof text);
        if (text.data) {
            arena_alloc(a, test_random_below(64));
            text.data = arena_copy(a, text.data, text.size);
        } else {
            text.size = test_random();
        }
        memcpy(to, &text, sizeof text);
        break;
    }
    case RDD_KIND_LIST: {
        rdd_row list;
        memcpy(&list, from, sizeof list);
        size_t size = t->item->size;
        char *items = list.items ? arena_alloc(a, list.count * size) : NULL;
        for (size_t i = 0; items && i < list.count; i++)
            copy_elsewhere(t->item, (const char *)(const void *)list.items + i * size,
                           items + i * size, a);
        bool empty = !items || !list.count;
        list.items = empty && test_random_below(2) ? NULL : (void *)items;
        if (!list.items)
            list.count = test_random();
        memcpy(to, &list, sizeof list);
        break;
    }
    case RDD_KIND_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++)
            copy_elsewhere(t->fields[i].type, (const char *)from + t->fields[i].offset,
                           (char *)to + t->fields[i].offset, a);
        break;
    case RDD_KIND_OPTIONAL:
        if ((*(bool *)to = *(const bool *)from))
            copy_elsewhere(t->item, (const char *)from + t->fields[0].offset,
                           (char *)to + t->fields[0].offset, a);
        break;
    default: memcpy(to, from, t->size);
    }
}

static void addresses_and_padding_do_not_matter(void **state)
{
    (void)state;
    for (int round = 0; round < 500; round++) {
        CLEANUP(arena_release) arena a = { 0 };
        CLEANUP(buf_release) buf b = { 0 };
        CLEANUP(buf_release) buf again = { 0 };
        const rdd_type *t = random_type(&a, 4);
        size_t count = test_random_below(30);
        const char *items = random_values(&a, t, count, false);
        char *other = arena_alloc(&a, count * t->size);
        for (size_t i = 0; i < count; i++)
            copy_elsewhere(t, items + i * t->size, other + i * t->size, &a);
        encode(t, items, count, &b);
        encode(t, other, count, &again);
        assert_int_equal(again.size, b.size);
        assert_memory_equal(again.data, b.data, b.size);
    }
}

/* Rows repeat the names of their columns: they are there once. */
static void repeated_texts_share_bytes(void **state)
{
    (void)state;
    enum { ROWS = 1000, COLUMNS = 40 };
    CLEANUP(arena_release) arena a = { 0 };
    CLEANUP(buf_release) buf b = { 0 };
    rdd_row *rows = arena_alloc(&a, ROWS * sizeof *rows);
    for (size_t i = 0; i < ROWS; i++) {
        rdd_cell *cells = arena_alloc(&a, COLUMNS * sizeof *cells);
        for (size_t k = 0; k < COLUMNS; k++)
            cells[k] = (rdd_cell){ rdd_str_of(arena_format(&a, "a_column_of_number_%zu", k)),
                                   rdd_str_of(arena_format(&a, "%zu", i)) };
        rows[i] = (rdd_row){ COLUMNS, cells };
    }
    encode(RDD_TYPE(rdd_row), rows, ROWS, &b);
    assert_in_range(get_u64(b.data, AT_TEXTS), COLUMNS * 20, COLUMNS * 22 + ROWS * 4 + 100);
}

static void bools_are_normal(void **state)
{
    (void)state;
    flags f[2];
    memset(f, 0x7f, sizeof f);
    f[0].number = f[1].number = 5;
    memset(&f[1].flag, 0, 1);
    CLEANUP(buf_release) buf b = { 0 };
    encode(RDD_TYPE(flags), f, 2, &b);
    assert_memory_equal(b.data + HEADER_SIZE, "\1\0\0\0\5\0\0\0\0\0\0\0\5\0\0\0", 16);
}

/* ---- limits -------------------------------------------------------------------------------- */

static void a_maximum_is_respected(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    everything e = everything_sample();
    rdd_error err;
    buf_text(&b, "0123456789abcdef");
    for (size_t max = 16, code = 1; code; max++) {
        b.max = max;
        code = (size_t)-block_encode(RDD_TYPE(everything), &e, 1, &b, &err);
        assert_false(b.failed);
        if (code) {
            assert_int_equal(err.code, RDD_E_LIMIT);
            assert_int_equal(b.size, 16);
            assert_memory_equal(b.data, "0123456789abcdef", 16);
        } else {
            assert_in_range(max, b.size, b.size + 16); /* texts want some room to be written */
        }
    }
    buf_clear(&b);
    b.max = HEADER_SIZE + 16;
    assert_int_equal(block_encode(RDD_TYPE(int64_t), &(int64_t[3]){ 0 }, 3, &b, &err), RDD_E_LIMIT);
    assert_int_equal(block_encode(RDD_TYPE(int64_t), &(int64_t[2]){ 0 }, 2, &b, &err), 0);
    assert_int_equal(b.size, b.max);
    b.max = 0;
    assert_int_equal(block_encode(RDD_TYPE(int64_t), NULL, SIZE_MAX / 8, &b, &err), RDD_E_MEMORY);
    assert_int_equal(block_encode(RDD_TYPE(int64_t), NULL, SIZE_MAX, &b, &err), RDD_E_MEMORY);
    b.max = 1000000;
    assert_int_equal(block_encode(RDD_TYPE(int64_t), NULL, SIZE_MAX / 4, &b, &err), RDD_E_LIMIT);
    assert_false(b.failed);
}

/* ---- from outside -------------------------------------------------------------------------- */

static void other_types_are_refused(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    encode(RDD_TYPE(int64_t), &(int64_t){ 5 }, 1, &b);
    const void *items = NULL;
    size_t count = 77;
    assert_int_equal(decode(RDD_TYPE(uint64_t), b.data, b.size, &items, &count), RDD_E_PROTOCOL);
    assert_null(items);
    assert_int_equal(count, 77);
    assert_int_equal(decode(RDD_TYPE(int64_t), b.data, b.size, &items, &count), 0);
}

static void cut_blocks_are_refused(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    everything e = everything_sample();
    encode(RDD_TYPE(everything), &e, 1, &b);
    for (size_t size = 0; size < b.size; size++) {
        char *copy = exact_copy(b.data, size);
        const void *items;
        size_t count, peeked;
        assert_int_equal(decode(RDD_TYPE(everything), copy, size, &items, &count), RDD_E_PROTOCOL);
        assert_int_equal(block_peek(copy, size, &count, &peeked, NULL), RDD_E_PROTOCOL);
        free(copy);
    }
}

static void a_flipped_bit_is_seen(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    everything e = everything_sample();
    encode(RDD_TYPE(everything), &e, 1, &b);
    char *copy = exact_copy(b.data, b.size);
    for (size_t bit = 0; bit < 8 * b.size; bit++) {
        const void *items;
        size_t count;
        memcpy(copy, b.data, b.size);
        copy[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(decode(RDD_TYPE(everything), copy, b.size, &items, &count),
                         RDD_E_PROTOCOL);
    }
    free(copy);
}

/* What decodes can be used: all of it is looked at, which a sanitizer or a fault would notice. */
static void use(const rdd_type *t, const void *items, size_t count)
{
    CLEANUP(buf_release) buf b = { .max = MIB(64) };
    for (size_t i = 0; i < count; i++)
        (void)value_hash(t, (const char *)items + i * t->size, 0);
    encode(t, items, count, &b);
}

/* The same with the checksum made good again: refused, or harmless. */
static void a_sealed_flip_is_harmless(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    everything e[] = { everything_sample(), everything_sample() };
    size_t accepted = 0, refused = 0;
    encode(RDD_TYPE(everything), e, 2, &b);
    for (size_t bit = 8 * AT_DIGEST; bit < 8 * b.size; bit++) {
        const void *items;
        size_t count;
        char *copy = exact_copy(b.data, b.size);
        copy[bit / 8] ^= (char)(1 << bit % 8);
        seal(copy, b.size);
        if (decode(RDD_TYPE(everything), copy, b.size, &items, &count) == 0) {
            use(RDD_TYPE(everything), items, count);
            accepted++;
        } else {
            refused++;
        }
        free(copy);
    }
    assert_true(accepted > 100 && refused > 1000);
}

static void random_damage_is_harmless(void **state)
{
    (void)state;
    for (int round = 0; round < 5000; round++) {
        CLEANUP(arena_release) arena a = { 0 };
        CLEANUP(buf_release) buf b = { 0 };
        const rdd_type *t = random_type(&a, 3);
        size_t count = test_random_below(4);
        encode(t, random_values(&a, t, count, false), count, &b);
        char *copy = exact_copy(b.data, b.size);
        for (size_t i = 1 + test_random_below(3); i; i--) {
            size_t at = AT_DIGEST + 8 * test_random_below((b.size - AT_DIGEST) / 8);
            uint64_t wrong = test_random_below(2) ? test_random_below(100) : test_random();
            put_u64(copy, at, wrong);
        }
        seal(copy, b.size);
        const void *items;
        if (decode(t, copy, b.size, &items, &count) == 0)
            use(t, items, count);
        free(copy);
    }
}

/* One word of a block of three words replaced, and sealed. */
static void assert_refused_with(const rdd_type *t, const buf *b, size_t at, uint64_t value)
{
    char *copy = exact_copy(b->data, b->size);
    const void *items;
    size_t count;
    put_u64(copy, at, value);
    seal(copy, b->size);
    assert_int_equal(decode(t, copy, b->size, &items, &count), RDD_E_PROTOCOL);
    free(copy);
}

static void wrong_texts_are_refused(void **state)
{
    (void)state;
    const rdd_type *t = RDD_TYPE(word_count);
    word_count words[] = { { RDD_STR("ab"), 1 }, { RDD_STR("c"), 2 }, { { 0, NULL }, 3 } };
    CLEANUP(buf_release) buf b = { 0 };
    encode(t, words, 3, &b);
    enum { SIZE = HEADER_SIZE, PLACE = HEADER_SIZE + 8, NONE = HEADER_SIZE + 2 * 24 };
    assert_refused_with(t, &b, SIZE, 17);
    assert_refused_with(t, &b, SIZE, UINT64_MAX);
    assert_refused_with(t, &b, PLACE, 16);
    assert_refused_with(t, &b, PLACE, 0);
    assert_refused_with(t, &b, PLACE, UINT64_MAX);
    assert_refused_with(t, &b, PLACE, (uint64_t)-23); /* the element itself */
    assert_refused_with(t, &b, NONE, 1);
    assert_refused_with(t, &b, NONE, UINT64_MAX);
}

static void wrong_headers_are_refused(void **state)
{
    (void)state;
    const rdd_type *t = RDD_TYPE(word_count);
    word_count words[] = { { RDD_STR("ab"), 1 }, { RDD_STR("c"), 2 } };
    CLEANUP(buf_release) buf b = { 0 };
    encode(t, words, 2, &b);
    static const uint64_t wrong[] = { 0, 1, 3, 4, 15, 17, 24, 1000, UINT64_MAX, UINT64_MAX - 15,
                                      (uint64_t)1 << 63, UINT64_MAX / 24, UINT64_MAX / 24 + 2,
                                      (uint64_t)1 << 61, (uint64_t)1 << 60 };
    for (size_t at = AT_COUNT; at < HEADER_SIZE; at += 8)
        for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
            if (get_u64(b.data, at) != wrong[i])
                assert_refused_with(t, &b, at, wrong[i]);
    /* sizes that only together are too large */
    char *copy = exact_copy(b.data, b.size);
    put_u64(copy, AT_ITEMS, (uint64_t)1 << 63);
    put_u64(copy, AT_TEXTS, ((uint64_t)1 << 63) + 16);
    seal(copy, b.size);
    const void *items;
    size_t count;
    assert_int_equal(decode(t, copy, b.size, &items, &count), RDD_E_PROTOCOL);
    free(copy);
}

/* Two lists over the same items: one of them could turn the other's texts into pointers. */
static void lists_must_not_overlap(void **state)
{
    (void)state;
    const rdd_type *t = RDD_TYPE(word_counts);
    word_count words[] = { { RDD_STR("ab"), 1 }, { RDD_STR("c"), 2 } };
    const word_counts lists_of[] = { { 2, words }, { 2, words } };
    CLEANUP(buf_release) buf b = { 0 };
    encode(t, lists_of, 2, &b);
    enum { COUNT_0 = HEADER_SIZE, PLACE_0 = COUNT_0 + 8, COUNT_1 = COUNT_0 + 16 };
    enum { PLACE_1 = COUNT_1 + 8 };
    assert_int_equal(get_u64(b.data, PLACE_0), 1);
    assert_int_equal(get_u64(b.data, PLACE_1), 1 + 2 * sizeof(word_count));
    assert_refused_with(t, &b, PLACE_1, 1);
    assert_refused_with(t, &b, PLACE_1, 1 + 8);
    assert_refused_with(t, &b, PLACE_1, 0);
    assert_refused_with(t, &b, PLACE_0, 25);
    assert_refused_with(t, &b, COUNT_0, 1);
    assert_refused_with(t, &b, COUNT_0, 3);
    assert_refused_with(t, &b, COUNT_0, 0);
    assert_refused_with(t, &b, COUNT_1, 0);
    assert_refused_with(t, &b, COUNT_1, 1);
    assert_refused_with(t, &b, COUNT_1, 3);
    assert_refused_with(t, &b, COUNT_1, UINT64_MAX / sizeof(word_count) + 1);
}

static void wrong_tags_are_refused(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    flags f[2] = { { true, 1 }, { false, 2 } };
    encode(RDD_TYPE(flags), f, 2, &b);
    assert_refused_with(RDD_TYPE(flags), &b, HEADER_SIZE, 2);
    assert_refused_with(RDD_TYPE(flags), &b, HEADER_SIZE + 8, 255);

    maybe_word m[2] = { { true, { RDD_STR("x"), 1 } }, { false, { { 0, NULL }, 0 } } };
    buf_clear(&b);
    encode(RDD_TYPE(maybe_word), m, 2, &b);
    enum { SECOND = HEADER_SIZE + sizeof(maybe_word) };
    assert_refused_with(RDD_TYPE(maybe_word), &b, HEADER_SIZE, 2);
    assert_refused_with(RDD_TYPE(maybe_word), &b, HEADER_SIZE,
                        0); /* absent, and a value behind it */
    assert_refused_with(RDD_TYPE(maybe_word), &b, SECOND, 128);
    assert_refused_with(RDD_TYPE(maybe_word), &b, SECOND + 24, 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_elements_come_back),
        cmocka_unit_test(missing_is_not_empty),
        cmocka_unit_test(blocks_follow_each_other),
        cmocka_unit_test(levels_past_the_few_work),
        cmocka_unit_test(large_blocks_work),
        cmocka_unit_test(bytes_are_stable),
        cmocka_unit_test(addresses_and_padding_do_not_matter),
        cmocka_unit_test(repeated_texts_share_bytes),
        cmocka_unit_test(bools_are_normal),
        cmocka_unit_test(a_maximum_is_respected),
        cmocka_unit_test(other_types_are_refused),
        cmocka_unit_test(cut_blocks_are_refused),
        cmocka_unit_test(a_flipped_bit_is_seen),
        cmocka_unit_test(a_sealed_flip_is_harmless),
        cmocka_unit_test(random_damage_is_harmless),
        cmocka_unit_test(wrong_texts_are_refused),
        cmocka_unit_test(wrong_headers_are_refused),
        cmocka_unit_test(lists_must_not_overlap),
        cmocka_unit_test(wrong_tags_are_refused),
    };
    return TEST_MAIN(argc, argv, tests);
}
