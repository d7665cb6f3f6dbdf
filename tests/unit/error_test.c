/* error_test.c: error.h. */
#include "error.h"

#include "test.h"

static void set_fills_code_and_message(void **state)
{
    (void)state;
    rdd_error err = { .os_errno = 7, .job = 3, .node = "node-b" };
    assert_int_equal(error_set(&err, RDD_E_INPUT, "line %d", 12), RDD_E_INPUT);
    assert_int_equal(err.code, RDD_E_INPUT);
    assert_int_equal(err.os_errno, 0);
    assert_int_equal(err.job, -1);
    assert_int_equal(err.stage, -1);
    assert_int_equal(err.partition, -1);
    assert_int_equal(err.attempt, -1);
    assert_string_equal(err.node, "");
    assert_string_equal(err.message, "line 12");
}

static void no_error_wanted_is_fine(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, RDD_E_IO, "x"), RDD_E_IO);
    assert_int_equal(error_set_errno(NULL, RDD_E_IO, ENOENT, "x"), RDD_E_IO);
    assert_int_equal(error_set_memory(NULL, "x"), RDD_E_MEMORY);
    error_prefix(NULL, "x");
}

static void errno_adds_the_reason(void **state)
{
    (void)state;
    rdd_error err;
    assert_int_equal(error_set_errno(&err, RDD_E_IO, ENOENT, "%s", "a.csv"), RDD_E_IO);
    assert_int_equal(err.os_errno, ENOENT);
    assert_string_equal(err.message, "a.csv: No such file or directory");
    assert_int_equal(error_set_memory(&err, "sorting"), RDD_E_MEMORY);
    assert_string_equal(err.message, "out of memory while sorting");
}

static void a_message_may_quote_its_own_past(void **state)
{
    (void)state;
    rdd_error err;
    error_set(&err, RDD_E_IO, "inner");
    error_set(&err, RDD_E_LOST, "outer (%s)", err.message);
    assert_string_equal(err.message, "outer (inner)");
    error_prefix(&err, "%s: ", err.message);
    assert_string_equal(err.message, "outer (inner): outer (inner)");
    assert_int_equal(err.code, RDD_E_LOST);
}

static void a_message_is_one_line_whatever_it_quotes(void **state)
{
    (void)state;
    rdd_error err;
    error_set(&err, RDD_E_INPUT, "no column %s", "a\nb\033[31mc\177\t\xc3\xa9");
    assert_string_equal(err.message, "no column a?b?[31mc??\xc3\xa9");
    error_set_errno(&err, RDD_E_IO, ENOENT, "%s", "new\nline");
    assert_string_equal(err.message, "new?line: No such file or directory");
    error_prefix(&err, "%s: ", "\r");
    assert_string_equal(err.message, "?: new?line: No such file or directory");
}

static void long_texts_are_cut_and_terminated(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    rdd_error err;
    error_set(&err, RDD_E_IO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    error_prefix(&err, "file.csv: ");
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_memory_equal(err.message, "file.csv: xxx", 13);
    error_set_errno(&err, RDD_E_IO, EIO, "%s", text);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(err.os_errno, EIO);

    error_set(&err, RDD_E_IO, "short");
    error_prefix(&err, "%s", text); /* a prefix that fills everything would hide the cause */
    assert_string_equal(err.message, "short");
}

static void every_code_has_a_name(void **state)
{
    (void)state;
    for (int code = RDD_OK; code >= RDD_E_PROTOCOL; code--) {
        assert_string_not_equal(code_name((rdd_code)code), "unknown");
        for (int other = RDD_OK; other > code; other--)
            assert_string_not_equal(code_name((rdd_code)code), code_name((rdd_code)other));
    }
    assert_string_equal(code_name((rdd_code)(RDD_E_PROTOCOL - 1)), "unknown");
}

static void the_wire_keeps_every_field(void **state)
{
    (void)state;
    rdd_error err = {
        .code = RDD_E_CRASH, .os_errno = ENOSPC, .job = 1, .stage = -1, .partition = INT64_MAX,
        .attempt = 4, .node = "node-b", .message = "it fell",
    };
    buf b = { 0 };
    error_encode(&b, &err);
    reader r = reader_over(b.data, b.size);
    rdd_error back;
    assert_int_equal(error_decode(&r, &back), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(back.code, RDD_E_CRASH);
    assert_int_equal(back.os_errno, ENOSPC);
    assert_int_equal(back.job, 1);
    assert_int_equal(back.stage, -1);
    assert_true(back.partition == INT64_MAX);
    assert_int_equal(back.attempt, 4);
    assert_string_equal(back.node, "node-b");
    assert_string_equal(back.message, "it fell");
    buf_release(&b);
}

static void a_cut_error_is_a_protocol_error(void **state)
{
    (void)state;
    rdd_error err;
    error_set(&err, RDD_E_IO, "some message");
    buf b = { 0 };
    error_encode(&b, &err);
    for (size_t cut = 0; cut < b.size; cut++) {
        char *copy = malloc(cut ? cut : 1); /* exact, for the address sanitizer */
        assert_non_null(copy);
        memcpy(copy, b.data, cut);
        reader r = reader_over(copy, cut);
        rdd_error back;
        assert_int_equal(error_decode(&r, &back), RDD_E_PROTOCOL);
        assert_int_equal(back.code, RDD_E_PROTOCOL);
        assert_string_not_equal(back.message, "");
        free(copy);
    }
    buf_release(&b);
}

/* A peer may send a code we do not know, or a "failure" that says OK; it stays a failure. Texts
 * longer than ours are cut. */
static void strange_values_are_tamed(void **state)
{
    (void)state;
    const int codes[] = { 0, 1, INT32_MAX, INT32_MIN, RDD_E_PROTOCOL - 1 };
    char text[3000];
    memset(text, 'y', sizeof text);
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        buf b = { 0 };
        buf_u32(&b, (uint32_t)codes[i]);
        buf_u32(&b, 0);
        for (int field = 0; field < 4; field++)
            buf_u64(&b, UINT64_MAX);
        buf_sized(&b, text, sizeof text);
        buf_sized(&b, text, sizeof text);
        reader r = reader_over(b.data, b.size);
        rdd_error back;
        assert_int_equal(error_decode(&r, &back), 0);
        assert_int_equal(back.code, RDD_E_PROTOCOL);
        assert_int_equal(strlen(back.node), sizeof back.node - 1);
        assert_int_equal(strlen(back.message), sizeof back.message - 1);
        buf_release(&b);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_code_and_message),
        cmocka_unit_test(no_error_wanted_is_fine),
        cmocka_unit_test(errno_adds_the_reason),
        cmocka_unit_test(a_message_may_quote_its_own_past),
        cmocka_unit_test(a_message_is_one_line_whatever_it_quotes),
        cmocka_unit_test(long_texts_are_cut_and_terminated),
        cmocka_unit_test(every_code_has_a_name),
        cmocka_unit_test(the_wire_keeps_every_field),
        cmocka_unit_test(a_cut_error_is_a_protocol_error),
        cmocka_unit_test(strange_values_are_tamed),
    };
    return TEST_MAIN(argc, argv, tests);
}
