/* block_fuzz.c: block_decode() over any bytes, for several types. What it accepts can be used:
 * read, compared, copied, and encoded into a block that decodes to the same.
 *
 * The first byte picks the type, and whether the block's magic, digest and checksum are made good,
 * as no random bytes ever pass them.
 */
#include "block.h"

#include "hash.h"
#include "type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

RDD_PAIR(word_count, rdd_str, int64_t);
RDD_OPTIONAL(maybe_word, word_count);
RDD_LIST(word_counts, word_count);
RDD_LIST(lists, word_counts);
RDD_STRUCT(everything, (bool, flag), (maybe_word, maybe), (word_counts, words), (lists, nested),
           (rdd_row, row), (rdd_bytes, bytes), (int8_t, last));

static const rdd_type *const types[] = {
    RDD_TYPE(int64_t),    RDD_TYPE(bool),        RDD_TYPE(rdd_str), RDD_TYPE(word_count),
    RDD_TYPE(maybe_word), RDD_TYPE(word_counts), RDD_TYPE(lists),   RDD_TYPE(rdd_row),
    RDD_TYPE(everything),
};

enum { HEADER_SIZE = 64, AT_CHECKSUM = 8, AT_DIGEST = 16, SIZE_MAX_USED = 1 << 20 };

static void assert_equal(const rdd_type *t, const void *a, const void *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const char *x = (const char *)a + i * t->size, *y = (const char *)b + i * t->size;
        ASSERT(value_compare(t, x, y) == 0);
        ASSERT(value_hash(t, x, 0) == value_hash(t, y, 0));
    }
}

static void use(const rdd_type *t, const void *items, size_t count)
{
    const void *again;
    size_t again_count, whole;
    /* Texts may share their bytes, so a small block may say a lot. */
    if (values_outside_size(t, items, count) > SIZE_MAX_USED)
        return;
    buf b = { 0 };
    ASSERT(block_encode(t, items, count, &b, NULL) == 0);
    ASSERT(block_decode(t, b.data, b.size, &again, &again_count, &whole, NULL) == 0);
    ASSERT(again_count == count && whole == b.size);
    assert_equal(t, items, again, count);

    arena a = { 0 };
    void *copy = arena_alloc(&a, count * t->size);
    ASSERT(values_copy(t, items, count, copy, &a) == 0);
    buf_release(&b);
    assert_equal(t, items, copy, count);
    arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const rdd_type *t = types[data[0] % ARRAY_SIZE(types)];
    bool seal = data[0] & 0x80;
    size--;
    char *bytes = malloc(size_max(size, 1));
    ASSERT(bytes && (uintptr_t)bytes % BLOCK_ALIGN == 0);
    memcpy(bytes, data + 1, size);
    if (seal && size >= HEADER_SIZE) {
        uint64_t digest = type_digest(t);
        memcpy(bytes, "RDDB\1\0\0\0", 8);
        memcpy(bytes + AT_DIGEST, &digest, sizeof digest);
        uint64_t sum = hash_bytes(bytes + AT_DIGEST, size - AT_DIGEST, 0);
        memcpy(bytes + AT_CHECKSUM, &sum, sizeof sum);
    }
    const void *items;
    size_t count, whole, peeked, peeked_size;
    rdd_error err;
    bool peek = block_peek(bytes, size, &peeked, &peeked_size, &err) == 0;
    if (block_decode(t, bytes, size, &items, &count, &whole, &err) == 0) {
        ASSERT(peek && peeked == count && peeked_size == whole && whole <= size);
        use(t, items, count);
    } else {
        ASSERT(err.code == RDD_E_PROTOCOL);
    }
    free(bytes);
    return 0;
}
