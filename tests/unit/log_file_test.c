/* log_file_test.c: log_file.h. */
#include "log_file.h"

#include "clock.h"

#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

static const uint64_t T = 5 * NS_PER_S;

static log_file open_file(const char *path)
{
    log_file f;
    rdd_error err;
    assert_int_equal(log_file_open(&f, path, &err), 0);
    f.flushed_ns = T;
    return f;
}

static void add_line(log_file *f, uint64_t now_ns, const char *text)
{
    buf_text(&f->out, text);
    log_file_line(f, now_ns);
}

static off_t file_size(const char *path)
{
    struct stat status;
    assert_int_equal(stat(path, &status), 0);
    return status.st_size;
}

/* The file must be "line 0", "line 1" and so on; returns how many. */
static size_t count_lines(const char *path)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char line[64], expected[64];
    size_t count = 0;
    while (fgets(line, sizeof line, file)) {
        snprintf(expected, sizeof expected, "line %zu\n", count++);
        assert_string_equal(line, expected);
    }
    fclose(file);
    return count;
}

static void add_lines(log_file *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        buf_format(&f->out, "line %zu", i);
        log_file_line(f, T);
    }
}

static void lines_wait_a_second_at_most(void **state)
{
    (void)state;
    const char *path = test_path("wait");
    log_file f = open_file(path);
    add_line(&f, T + NS_PER_S - 1, "one");
    log_file_tick(&f, T + NS_PER_S - 1);
    assert_int_equal(file_size(path), 0);
    log_file_tick(&f, T + NS_PER_S);
    assert_int_equal(file_size(path), 4);
    add_line(&f, T + NS_PER_S, "two");
    assert_int_equal(file_size(path), 4);
    buf_text(&f.out, "half");
    log_file_flush(&f, T + NS_PER_S); /* whole lines only */
    assert_int_equal(file_size(path), 8);
    log_file_line(&f, T + 2 * NS_PER_S);
    assert_int_equal(file_size(path), 13);
    add_line(&f, T + 2 * NS_PER_S, "end");
    assert_int_equal(log_file_close(&f, NULL), 0);
    assert_int_equal(file_size(path), 17);
}

static void a_full_buffer_is_written(void **state)
{
    (void)state;
    const char *path = test_path("full");
    log_file f = open_file(path);
    add_lines(&f, 200000);
    assert_true(file_size(path) >= LOG_FILE_BUFFER);
    assert_true(f.out.capacity <= LOG_FILE_BUFFER + KIB(64));
    assert_int_equal(log_file_close(&f, NULL), 0);
    assert_int_equal(count_lines(path), 200000);
    f = open_file(path); /* begun anew */
    assert_int_equal(log_file_close(&f, NULL), 0);
    assert_int_equal(file_size(path), 0);
}

static void what_was_cut_ends_with_a_whole_line(void **state)
{
    (void)state;
    const char *path = test_path("cut");
    struct rlimit old, less;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    less = old;
    less.rlim_cur = 3000001;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &less), 0);
    log_file f = open_file(path);
    add_lines(&f, 400000);
    bool failed = f.failed;
    rdd_error err;
    int code = log_file_close(&f, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    signal(SIGXFSZ, handler);
    assert_true(failed);
    assert_int_equal(code, RDD_E_IO);
    assert_int_equal(err.os_errno, EFBIG);
    assert_true(file_size(path) > 3000001 - 12 && file_size(path) <= 3000001);
    assert_true(count_lines(path) < 400000);
}

static void the_first_failure_stays(void **state)
{
    (void)state;
    const char *path = test_path("failed");
    log_file f = open_file(path);
    add_line(&f, T, "before");
    log_file_flush(&f, T);
    rdd_error first, second, err;
    error_set(&first, RDD_E_MEMORY, "first");
    error_set(&second, RDD_E_IO, "second");
    log_file_fail(&f, &first);
    log_file_fail(&f, &second);
    add_line(&f, T + 9 * NS_PER_S, "after");
    assert_int_equal(log_file_close(&f, &err), RDD_E_MEMORY);
    assert_string_equal(err.message, "first");
    assert_int_equal(file_size(path), 7);
}

static void no_memory_for_a_line_is_a_failure(void **state)
{
    (void)state;
    const char *path = test_path("memory");
    log_file f = open_file(path);
    add_line(&f, T, "line 0");
    f.out.max = f.out.capacity;
    for (size_t i = 0; i < 2 * LOG_FILE_BUFFER; i++)
        buf_char(&f.out, 'x');
    log_file_line(&f, T);
    assert_true(f.failed);
    assert_int_equal(log_file_close(&f, NULL), RDD_E_MEMORY);
    assert_int_equal(count_lines(path), 1);
}

static void a_reader_that_left_is_an_error_and_no_signal(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    char path[64], text[64];
    snprintf(path, sizeof path, "/dev/fd/%d", ends[1]);
    log_file f = open_file(path);
    add_line(&f, T, "one");
    log_file_flush(&f, T);
    assert_int_equal(read(ends[0], text, sizeof text), 4);
    close(ends[0]);
    add_line(&f, T, "two");
    rdd_error err;
    assert_int_equal(log_file_close(&f, &err), RDD_E_IO);
    assert_int_equal(err.os_errno, EPIPE);
    close(ends[1]);
    sigset_t pending;
    sigpending(&pending);
    assert_false(sigismember(&pending, SIGPIPE));
}

static void a_dash_is_standard_error(void **state)
{
    (void)state;
    const char *path = test_path("stderr");
    int saved = dup(STDERR_FILENO), fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(saved >= 0 && fd >= 0);
    assert_int_equal(dup2(fd, STDERR_FILENO), STDERR_FILENO);
    log_file f = open_file("-");
    add_lines(&f, 2);
    int code = log_file_close(&f, NULL);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(fd);
    assert_int_equal(code, 0);
    assert_int_equal(count_lines(path), 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_wait_a_second_at_most),
        cmocka_unit_test(a_full_buffer_is_written),
        cmocka_unit_test(what_was_cut_ends_with_a_whole_line),
        cmocka_unit_test(the_first_failure_stays),
        cmocka_unit_test(no_memory_for_a_line_is_a_failure),
        cmocka_unit_test(a_reader_that_left_is_an_error_and_no_signal),
        cmocka_unit_test(a_dash_is_standard_error),
    };
    return TEST_MAIN(argc, argv, tests);
}
