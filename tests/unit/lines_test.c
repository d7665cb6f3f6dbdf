/* lines_test.c: lines.h against a loop over the bytes, whole and in ranges. */
#include "lines.h"
#include "input_paths.h"
#include "unit/input_memory.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <zlib.h>

#include "test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif

static arena memory;

/* ---- the lines as they should be ------------------------------------------------------------ */

struct expected {
    rdd_str *lines;
    size_t count;
};

/* The lines that start in [offset, end), found the slow way. */
static struct expected expect(const char *data, size_t size, uint64_t offset, uint64_t end)
{
    struct expected e = { calloc(size + 1, sizeof *e.lines), 0 };
    assert_non_null(e.lines);
    for (size_t start = 0; start < size;) {
        size_t at = start;
        while (at < size && data[at] != '\n')
            at++;
        size_t line_size = at - start;
        if (at < size && line_size && data[at - 1] == '\r')
            line_size--;
        if (start >= offset && start < end)
            e.lines[e.count++] = (rdd_str){ line_size, data + start };
        start = at + 1;
    }
    return e;
}

/* Reads a range and compares each line and its offset. Returns how many there were. */
static size_t check_range(const memory_provider *source, uint64_t offset, uint64_t end,
                          const lines_options *options)
{
    memory_provider p = *source;
    struct expected e = expect(p.data, p.size, offset, end);
    CLEANUP(lines_freep) lines *l = NULL;
    rdd_error err = { 0 };
    assert_int_equal(lines_open(&p.base, &p.file, offset, end, options, &l, &err), 0);
    size_t at = 0;
    for (;;) {
        const rdd_str *batch;
        ssize_t count = lines_next(l, &batch, &err);
        if (count < 0)
            print_error("%s\n", err.message);
        assert_true(count >= 0);
        if (!count)
            break;
        assert_true(count <= (options && options->lifetime_debug ? 1 : LINES_BATCH_MAX));
        for (size_t i = 0; i < (size_t)count; i++, at++) {
            assert_true(at < e.count);
            assert_int_equal(batch[i].size, e.lines[at].size);
            assert_non_null(batch[i].data);
            assert_memory_equal(batch[i].data, e.lines[at].data, batch[i].size);
            assert_true(lines_offset(l, i) == (uint64_t)(e.lines[at].data - p.data));
        }
    }
    const rdd_str *batch;
    assert_int_equal(lines_next(l, &batch, &err), 0); /* the end stays the end */
    assert_int_equal(at, e.count);
    free(e.lines);
    return at;
}

static size_t check_text(const char *text, const lines_options *options)
{
    memory_provider p = memory_provider_over(text, strlen(text), 0);
    size_t count = check_range(&p, 0, INPUT_END, options);
    for (size_t chunk_size = 1; chunk_size < 4; chunk_size++) {
        p.chunk_size = chunk_size;
        assert_int_equal(check_range(&p, 0, INPUT_END, options), count);
    }
    /* Cut in two at every byte. */
    for (size_t at = 0; at <= p.size + 1; at++)
        assert_int_equal(check_range(&p, 0, at, options) + check_range(&p, at, INPUT_END, options),
                         count);
    return count;
}

/* ---- small inputs --------------------------------------------------------------------------- */

static void line_ends(void **state)
{
    (void)state;
    for (int debug = 0; debug < 2; debug++) {
        lines_options options = { .lifetime_debug = debug };
        assert_int_equal(check_text("", &options), 0);
        assert_int_equal(check_text("\n", &options), 1);
        assert_int_equal(check_text("\r\n", &options), 1);
        assert_int_equal(check_text("\r", &options), 1);
        assert_int_equal(check_text("a", &options), 1);
        assert_int_equal(check_text("a\n", &options), 1);
        assert_int_equal(check_text("a\r\n", &options), 1);
        assert_int_equal(check_text("a\r", &options), 1);
        assert_int_equal(check_text("a\n\n\nb", &options), 4);
        assert_int_equal(check_text("a\r\n\r\nb\r\n", &options), 3);
        assert_int_equal(check_text("a\rb\r\rc\n\r\n", &options), 2);
        assert_int_equal(check_text("\n\n\n", &options), 3);
    }
}

static void a_lone_cr_is_data(void **state)
{
    (void)state;
    memory_provider p = memory_provider_over("a\rb\r\r\nc\r", 8, 0);
    CLEANUP(lines_freep) lines *l = NULL;
    const rdd_str *batch;
    assert_int_equal(lines_open(&p.base, &p.file, 0, INPUT_END, NULL, &l, NULL), 0);
    assert_int_equal(lines_next(l, &batch, NULL), 1);
    assert_int_equal(batch[0].size, 4);
    assert_memory_equal(batch[0].data, "a\rb\r", 4);
    assert_int_equal(lines_next(l, &batch, NULL), 1);
    assert_int_equal(batch[0].size, 2);
    assert_memory_equal(batch[0].data, "c\r", 2);
}

/* ---- large random ones ---------------------------------------------------------------------- */

/* Lines of all lengths, some longer than a window, with all kinds of ends. */
static char *random_lines(size_t size)
{
    char *data = malloc(size + 1);
    assert_non_null(data);
    size_t at = 0;
    while (at < size) {
        size_t limit = test_random_below(50) ? 100 : test_random_below(10) ? 5000 : KIB(600);
        size_t line = size_min(test_random_below(limit), size - at);
        memset(data + at, 'a' + (char)test_random_below(26), line);
        if (line && !test_random_below(4))
            data[at + test_random_below(line)] = '\r';
        at += line;
        if (at + 2 <= size && test_random_below(3) == 0)
            data[at++] = '\r';
        if (at < size)
            data[at++] = '\n';
    }
    return data;
}

static void ranges_give_each_line_once(void **state)
{
    (void)state;
    for (int round = 0; round < 12; round++) {
        size_t size = test_random_below(round % 2 ? 20000 : MIB(2));
        CLEANUP(freep) char *data = random_lines(size);
        memory_provider p =
            memory_provider_over(data, size, round % 3 ? 0 : 1 + test_random_below(4999));
        lines_options options = { .lifetime_debug = round == 5 };
        size_t count = check_range(&p, 0, INPUT_END, &options), sum = 0;
        for (uint64_t offset = 0; offset <= size;) {
            uint64_t end = offset + 1 + test_random_below(size / 5 + 2);
            sum += check_range(&p, offset, end > size ? INPUT_END : end, &options);
            offset = end;
        }
        assert_int_equal(sum, count);
    }
}

static void a_real_file_reads_the_same(void **state)
{
    (void)state;
    enum { SIZE = 3000000 };
    CLEANUP(freep) char *data = random_lines(SIZE);
    struct expected e = expect(data, SIZE, 1000, SIZE - 1000);
    input_file file;
    assert_int_equal(input_file_stat(test_file("real", data, SIZE), NULL, &memory, &file, NULL), 0);
    CLEANUP(lines_freep) lines *l = NULL;
    const rdd_str *batch;
    assert_int_equal(lines_open(input_provider_local(), &file, 1000, SIZE - 1000, NULL, &l, NULL),
                     0);
    size_t at = 0;
    for (ssize_t count; (count = lines_next(l, &batch, NULL)); at += (size_t)count)
        for (size_t i = 0; i < (size_t)count; i++) {
            assert_int_equal(batch[i].size, e.lines[at + i].size);
            assert_memory_equal(batch[i].data, e.lines[at + i].data, batch[i].size);
        }
    assert_int_equal(at, e.count);
    free(e.lines);
}

static void compressed_lines(void **state)
{
    (void)state;
    const char *path = test_path("lines.gz");
    gzFile gz = gzopen(path, "wb");
    assert_non_null(gz);
    for (int i = 0; i < 100000; i++)
        gzprintf(gz, "line %d\n", i);
    assert_int_equal(gzclose(gz), Z_OK);
    input_file file;
    assert_int_equal(input_file_stat(path, NULL, &memory, &file, NULL), 0);
    CLEANUP(lines_freep) lines *l = NULL;
    rdd_error err = { 0 };
    assert_int_equal(lines_open(input_provider_local(), &file, 0, INPUT_END, NULL, &l, &err), 0);
    const rdd_str *batch;
    int at = 0;
    for (ssize_t count; (count = lines_next(l, &batch, &err));)
        for (ssize_t i = 0; i < count; i++, at++) {
            char expected[32];
            int size = snprintf(expected, sizeof expected, "line %d", at);
            assert_int_equal(batch[i].size, size);
            assert_memory_equal(batch[i].data, expected, batch[i].size);
            if (at == 77777) {
                lines_error(l, (size_t)i, &err, RDD_E_INPUT, "no %s", "good");
                assert_non_null(strstr(err.message, "lines.gz:77778: no good"));
            }
        }
    assert_int_equal(at, 100000);
}

/* ---- errors --------------------------------------------------------------------------------- */

static void errors_name_the_line(void **state)
{
    (void)state;
    memory_provider p = memory_provider_over("one\ntwo\n\nfour\n", 14, 0);
    CLEANUP(lines_freep) lines *l = NULL;
    const rdd_str *batch;
    rdd_error err = { 0 };
    assert_int_equal(lines_open(&p.base, &p.file, 5, INPUT_END, NULL, &l, NULL), 0);
    assert_int_equal(lines_next(l, &batch, NULL), 2);
    assert_int_equal(lines_error(l, 1, &err, RDD_E_USER, "%d is too many", 4), RDD_E_USER);
    assert_string_equal(err.message, "memory:4: 4 is too many");
    assert_int_equal(err.code, RDD_E_USER);
    assert_int_equal(lines_error(l, 1, NULL, RDD_E_USER, "no one listens"), RDD_E_USER);

    /* Where the file cannot be read again, the byte must do. */
    p.fail_at = 2;
    lines_error(l, 0, &err, RDD_E_USER, "bad");
    assert_string_equal(err.message, "memory: byte 8: bad");
}

static void a_failing_input_fails_the_reader(void **state)
{
    (void)state;
    memory_provider p = memory_provider_over("one\ntwo\nthree\n", 14, 2);
    p.fail_at = 6;
    CLEANUP(lines_freep) lines *l = NULL;
    const rdd_str *batch;
    rdd_error err = { 0 };
    assert_int_equal(lines_open(&p.base, &p.file, 0, INPUT_END, NULL, &l, NULL), 0);
    ssize_t count;
    while ((count = lines_next(l, &batch, &err)) > 0)
        assert_int_equal(count, 1);
    assert_int_equal(count, RDD_E_LOST);
    assert_int_equal(err.code, RDD_E_LOST);
}

/* Reads until something is wrong: the code, 0 if nothing is. */
static int read_lines(const memory_provider *source, uint64_t offset, const lines_options *options,
                      size_t *ret_count, rdd_error *err)
{
    memory_provider p = *source;
    CLEANUP(lines_freep) lines *l = NULL;
    int code = lines_open(&p.base, &p.file, offset, INPUT_END, options, &l, err);
    const rdd_str *batch;
    ssize_t count = code;
    *ret_count = 0;
    while (!code && (count = lines_next(l, &batch, err)) > 0)
        *ret_count += (size_t)count;
    return (int)count;
}

static void the_longest_line_is_allowed(void **state)
{
    (void)state;
    enum { MAX = 1000 };
    static const char *const ends[] = { "\n", "\r\n", "" };
    for (size_t longer = 0; longer < 3; longer++) {
        for (size_t end = 0; end < ARRAY_SIZE(ends); end++) {
            for (size_t chunk_size = 0; chunk_size < 3; chunk_size++) {
                char text[2 * MAX];
                size_t size = (size_t)snprintf(text, sizeof text, "short\n%0*d%s",
                                               (int)(MAX + longer), 7, ends[end]);
                memory_provider p = memory_provider_over(text, size, chunk_size);
                lines_options options = { .line_max = MAX, .limit_name = "task.memory" };
                options.lifetime_debug = chunk_size == 2;
                rdd_error err = { 0 };
                size_t count;
                int code = read_lines(&p, 0, &options, &count, &err);
                assert_int_equal(count, longer ? 1 : 2);
                assert_int_equal(code, longer ? RDD_E_LIMIT : 0);
                if (longer)
                    assert_string_equal(err.message,
                                        "memory:2: a line that starts at byte 6 is longer "
                                        "than 1000 bytes; raise task.memory");
            }
        }
    }
}

static size_t memory_peak(void)
{
    struct rusage usage;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
    return (size_t)usage.ru_maxrss * 1024;
}

/* A file of 1 GiB without a line end, all of it holes: the reader stops at its limit, and has not
 * taken more memory than that. */
static bool refuses_the_line(void)
{
    UNUSED size_t before = memory_peak();
    input_file file;
    CLEANUP(lines_freep) lines *l = NULL;
    rdd_error err = { 0 };
    const rdd_str *batch;
    if (input_file_stat(test_path("huge"), NULL, &memory, &file, &err) ||
        lines_open(input_provider_local(), &file, 0, INPUT_END, NULL, &l, &err))
        return false;
    ssize_t count = lines_next(l, &batch, &err);
    bool refused =
        count == RDD_E_LIMIT && strstr(err.message, "huge:1: a line that starts at byte 0 "
                                                    "is longer than 268435456 bytes");
    if (!refused)
        fprintf(stderr, "%zd %s\n", count, err.message);
#ifndef SANITIZED /* their bookkeeping takes as much again */
    if (memory_peak() - before > MIB(256 + 32)) {
        fprintf(stderr, "took %zu MiB\n", (memory_peak() - before) >> 20);
        return false;
    }
#endif
    return refused;
}

static void a_huge_line_takes_no_more_than_the_limit(void **state)
{
    (void)state;
    test_file("huge", "", 0);
    assert_int_equal(truncate(test_path("huge"), (off_t)GIB(1)), 0);
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(refuses_the_line() ? 0 : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* The ranges in the middle of it skip it, and keep nothing. */
static void a_huge_line_is_skipped_by_the_others(void **state)
{
    (void)state;
    test_file("holes", "", 0);
    assert_int_equal(truncate(test_path("holes"), (off_t)MIB(300)), 0);
    input_file file;
    assert_int_equal(input_file_stat(test_path("holes"), NULL, &memory, &file, NULL), 0);
    CLEANUP(lines_freep) lines *l = NULL;
    const rdd_str *batch;
    assert_int_equal(lines_open(input_provider_local(), &file, MIB(10), MIB(200), NULL, &l, NULL),
                     0);
    assert_int_equal(lines_next(l, &batch, NULL), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(line_ends),
        cmocka_unit_test(a_lone_cr_is_data),
        cmocka_unit_test(ranges_give_each_line_once),
        cmocka_unit_test(a_real_file_reads_the_same),
        cmocka_unit_test(compressed_lines),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(a_failing_input_fails_the_reader),
        cmocka_unit_test(the_longest_line_is_allowed),
        cmocka_unit_test(a_huge_line_takes_no_more_than_the_limit),
        cmocka_unit_test(a_huge_line_is_skipped_by_the_others),
    };
    int failed = TEST_MAIN(argc, argv, tests);
    arena_release(&memory);
    return failed;
}
