/* type_fuzz.c: type_decode() over any bytes. What it accepts passes type_check(), survives the
 * wire, and can be worked with.
 */
#include "block.h"
#include "type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(const rdd_type *t)
{
    buf text = { 0 };
    type_describe(t, &text);
    ASSERT(!text.failed && text.size < 1000);
    buf_release(&text);

    /* All zeros are a value of every type. */
    void *zeros = calloc(3, t->size);
    ASSERT(zeros);
    ASSERT(value_compare(t, zeros, (char *)zeros + t->size) == 0);
    buf block = { 0 };
    ASSERT(block_encode(t, zeros, 3, &block, NULL) == 0);
    const void *items;
    size_t count, whole;
    ASSERT(block_decode(t, block.data, block.size, &items, &count, &whole, NULL) == 0);
    ASSERT(count == 3);
    ASSERT(memcmp(items, zeros, 3 * t->size) == 0);
    free(zeros);
    buf_release(&block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena a = { .max = MIB(64) };
    reader r = reader_over(data, size);
    const rdd_type *t, *again;
    rdd_error err;
    if (type_decode(&r, &a, &t, &err) == 0) {
        ASSERT(type_check(t, &err) == 0);
        buf b = { 0 };
        type_encode(&b, t);
        r = reader_over(b.data, b.size);
        ASSERT(type_decode(&r, &a, &again, &err) == 0);
        ASSERT(reader_left(&r) == 0);
        ASSERT(type_equal(t, again) && type_digest(t) == type_digest(again));
        buf_release(&b);
        use(t);
    } else {
        ASSERT(err.code == RDD_E_PROTOCOL);
    }
    arena_release(&a);
    return 0;
}
