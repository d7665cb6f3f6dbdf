/* buf_test.c: buf.h, both the buf and the reader. */
#include "buf.h"

#include "test.h"

static void bytes_come_in_order(void **state)
{
    (void)state;
    buf b = { 0 };
    buf_text(&b, "one");
    buf_char(&b, ' ');
    buf_format(&b, "%s %d", "two", 3);
    buf_append(&b, NULL, 0);
    assert_int_equal(b.size, 9);
    assert_string_equal(buf_terminate(&b), "one two 3");
    assert_int_equal(b.size, 9);
    buf_release(&b);
    assert_null(b.data);
}

static void growing_keeps_random_bytes(void **state)
{
    (void)state;
    enum { SIZE = 1 << 18 };
    unsigned char *model = malloc(SIZE);
    assert_non_null(model);
    for (size_t i = 0; i < SIZE; i++)
        model[i] = (unsigned char)test_random();
    buf b = { 0 };
    for (size_t at = 0; at < SIZE;) {
        size_t size = size_min(test_random_below(700), SIZE - at);
        buf_append(&b, model + at, size);
        at += size;
    }
    assert_false(b.failed);
    assert_int_equal(b.size, SIZE);
    assert_memory_equal(b.data, model, SIZE);
    free(model);
    buf_release(&b);
}

static void reserve_gives_room_that_the_caller_counts(void **state)
{
    (void)state;
    buf b = { 0 };
    buf_text(&b, "ab");
    char *room = buf_reserve(&b, 1000);
    assert_non_null(room);
    memset(room, 'x', 1000);
    assert_int_equal(b.size, 2);
    b.size += 1000;
    assert_memory_equal(b.data, "abxx", 4);
    assert_int_equal(b.data[1001], 'x');
    buf_release(&b);
}

static void the_maximum_is_sticky_until_cleared(void **state)
{
    (void)state;
    buf b = { .max = 10 };
    buf_text(&b, "0123456789");
    assert_false(b.failed);
    buf_char(&b, 'x');
    assert_true(b.failed);
    assert_int_equal(b.size, 10);
    buf_append(&b, "", 0);
    assert_null(buf_reserve(&b, 0));
    assert_null(buf_terminate(&b));
    assert_true(b.failed);

    buf_clear(&b);
    assert_false(b.failed);
    buf_text(&b, "short");
    assert_false(b.failed);
    assert_string_equal(buf_terminate(&b), "short");
    buf_release(&b);
    assert_int_equal(b.max, 10);
}

static void after_a_failure_nothing_is_added(void **state)
{
    (void)state;
    buf b = { .max = 10 };
    buf_text(&b, "12345");
    buf_text(&b, "12345678");
    assert_true(b.failed);
    buf_text(&b, "6");
    buf_format(&b, "%d", 7);
    buf_u8(&b, 8);
    buf_sized(&b, "9", 1);
    assert_int_equal(b.size, 5);
    buf_release(&b);
}

static void absurd_sizes_are_refused(void **state)
{
    (void)state;
    buf b = { 0 };
    buf_text(&b, "x");
    assert_null(buf_reserve(&b, SIZE_MAX));
    assert_true(b.failed);
    buf_clear(&b);
    buf_text(&b, "x");
    assert_null(buf_reserve(&b, SIZE_MAX - 1));
    buf_clear(&b);
    if (SIZE_MAX > UINT32_MAX) {
        buf_sized(&b, "x", (size_t)UINT32_MAX + 1);
        assert_true(b.failed);
        assert_int_equal(b.size, 0);
    }
    buf_release(&b);
}

static void take_hands_the_bytes_over(void **state)
{
    (void)state;
    buf b = { .max = 100 };
    size_t size = 77;
    assert_null(buf_take(&b, &size));
    assert_int_equal(size, 0);
    buf_text(&b, "mine");
    char *data = buf_take(&b, &size);
    assert_int_equal(size, 4);
    assert_memory_equal(data, "mine", 4);
    assert_int_equal(b.size, 0);
    assert_null(b.data);
    assert_int_equal(b.max, 100);
    buf_text(&b, "next");
    free(data);
    free(buf_take(&b, NULL));
}

static void integers_are_little_endian(void **state)
{
    (void)state;
    buf b = { 0 };
    buf_u8(&b, 0xfe);
    buf_u32(&b, 0x04030201);
    buf_u64(&b, 0x0c0b0a0908070605);
    buf_sized(&b, "hi", 2);
    assert_int_equal(b.size, 1 + 4 + 8 + 4 + 2);
    assert_memory_equal(b.data, "\xfe\1\2\3\4\5\6\7\x8\x9\xa\xb\xc\2\0\0\0hi", b.size);
    buf_release(&b);
}

static void a_reader_gives_back_what_was_written(void **state)
{
    (void)state;
    buf b = { 0 };
    buf_u8(&b, 200);
    buf_u32(&b, UINT32_MAX);
    buf_u64(&b, UINT64_MAX - 1);
    buf_sized(&b, "text", 4);
    buf_sized(&b, NULL, 0);
    buf_append(&b, "end", 3);
    reader r = reader_over(b.data, b.size);
    size_t size = 99;
    assert_int_equal(reader_u8(&r), 200);
    assert_int_equal(reader_u32(&r), UINT32_MAX);
    assert_true(reader_u64(&r) == UINT64_MAX - 1);
    assert_memory_equal(reader_sized(&r, &size), "text", 4);
    assert_int_equal(size, 4);
    assert_non_null(reader_sized(&r, &size));
    assert_int_equal(size, 0);
    assert_int_equal(reader_left(&r), 3);
    assert_memory_equal(reader_bytes(&r, 3), "end", 3);
    assert_int_equal(reader_left(&r), 0);
    assert_false(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_true(r.failed);
    buf_release(&b);
}

/* Every prefix of a message fails, without a byte read past its end. */
static void a_reader_stops_at_every_cut(void **state)
{
    (void)state;
    buf b = { 0 };
    buf_u8(&b, 1);
    buf_u32(&b, 2);
    buf_sized(&b, "four", 4);
    buf_u64(&b, 3);
    for (size_t cut = 0; cut <= b.size; cut++) {
        char *copy = malloc(cut ? cut : 1); /* exact, for the address sanitizer */
        assert_non_null(copy);
        memcpy(copy, b.data, cut);
        reader r = reader_over(copy, cut);
        size_t size;
        reader_u8(&r);
        reader_u32(&r);
        reader_sized(&r, &size);
        uint64_t last = reader_u64(&r);
        assert_int_equal(r.failed, cut < b.size);
        assert_int_equal(last, cut < b.size ? 0 : 3);
        free(copy);
    }
    buf_release(&b);
}

static void a_reader_stays_failed(void **state)
{
    (void)state;
    reader r = reader_over("\xff\xff\xff\xff" "abcdefgh", 12);
    size_t size = 99;
    assert_null(reader_sized(&r, &size));
    assert_int_equal(size, 0);
    assert_true(r.failed);
    assert_int_equal(reader_u8(&r), 0);
    assert_null(reader_bytes(&r, 0));
    assert_null(reader_bytes(&r, SIZE_MAX));

    reader empty = reader_over(NULL, 0);
    assert_int_equal(reader_left(&empty), 0);
    assert_int_equal(reader_u64(&empty), 0);
    assert_true(empty.failed);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_come_in_order),
        cmocka_unit_test(growing_keeps_random_bytes),
        cmocka_unit_test(reserve_gives_room_that_the_caller_counts),
        cmocka_unit_test(the_maximum_is_sticky_until_cleared),
        cmocka_unit_test(after_a_failure_nothing_is_added),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(take_hands_the_bytes_over),
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(a_reader_gives_back_what_was_written),
        cmocka_unit_test(a_reader_stops_at_every_cut),
        cmocka_unit_test(a_reader_stays_failed),
    };
    return TEST_MAIN(argc, argv, tests);
}
