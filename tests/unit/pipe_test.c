/* pipe_test.c: rdd_pipe's iterator and the command behind it, over an input of the test's own. */
#include "command.h"
#include "iterator.h"

#include <dirent.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "test.h"

/* -- A run with a pipe above an input ---------------------------------------------------------- */

enum { NEVER = INT_MAX };

typedef struct bench {
    plan plan;
    plan_node nodes[2];
    arena memory;
    slot_state state;
    atomic_bool cancelled;
    run run;
    iterator *pipe;
    /* the input: lines, in views of random sizes */
    const rdd_str *lines;
    size_t count, at;
    size_t fail_at, cancel_at; /* what happens when this line is asked for */
} bench;

static int lines_next(iterator *it, view *ret)
{
    bench *b = (bench *)(void *)((char *)it->run - offsetof(bench, run));
    if (b->at >= b->cancel_at)
        atomic_store(&b->cancelled, true);
    if (b->at >= b->fail_at)
        return run_fail(it->run, RDD_E_USER, "the input fails");
    if (b->at == b->count)
        return ITERATOR_END;
    size_t stop = size_min(size_min(b->count, b->fail_at), b->cancel_at);
    stop = stop > b->at ? stop : b->count;
    *ret = (view){ b->lines + b->at, size_min(stop - b->at, 1 + test_random_below(200)) };
    b->at += ret->count;
    return ITERATOR_VIEW;
}

static void bench_open(bench *b, const char *text, const rdd_str *lines, size_t count)
{
    memset(b, 0, sizeof *b);
    b->nodes[0] = (plan_node){ .kind = NODE_EMPTY, .type = RDD_TYPE(rdd_str), .partitions = 4,
                               .consumers = 1, .label = "input" };
    b->nodes[1] = (plan_node){ .kind = NODE_PIPE, .type = RDD_TYPE(rdd_str), .partitions = 4,
                               .parent_count = 1, .label = "pipe (x.c:1)",
                               .params = { .text = rdd_str_of(text) } };
    b->plan = (plan){ .nodes = b->nodes, .node_count = 2, .line_max = MIB(64) };
    b->run = (run){ .plan = &b->plan, .id = { 1, 3, 0 }, .memory = &b->memory,
                    .state = &b->state, .cancelled = &b->cancelled };
    b->lines = lines;
    b->count = count;
    b->fail_at = b->cancel_at = NEVER;
    b->pipe = iterator_open(&b->run, 1, 3);
    assert_non_null(b->pipe);
    b->run.iterators->next = lines_next; /* the newest is the empty input */
}

static void bench_close(bench *b)
{
    iterators_close(&b->run);
    arena_release(&b->memory);
}

/* All output, each line with its end; RDD_E_* of the run when it fails. */
static int bench_read(bench *b, buf *out)
{
    view v;
    int rc;
    while ((rc = iterator_next(b->pipe, &v)) == ITERATOR_VIEW) {
        assert_true(v.count > 0);
        for (size_t i = 0; i < v.count; i++) {
            rdd_str line = ((const rdd_str *)v.items)[i];
            assert_non_null(line.data);
            buf_append(out, line.data, line.size);
            buf_char(out, '\n');
        }
    }
    if (rc == ITERATOR_END) /* and again */
        assert_int_equal(iterator_next(b->pipe, &v), ITERATOR_END);
    assert_int_equal(rc == ITERATOR_FAILED, b->run.code != 0);
    return b->run.code;
}

static void assert_gives(const char *text, const rdd_str *lines, size_t count,
                         const char *wanted)
{
    bench b;
    bench_open(&b, text, lines, count);
    CLEANUP(buf_release) buf out = { 0 };
    if (bench_read(&b, &out))
        fail_msg("%s: %s", text, b.run.error.message);
    assert_string_equal(buf_terminate(&out), wanted);
    bench_close(&b);
}

static void assert_fails(const char *text, rdd_code code, const char *message)
{
    bench b;
    bench_open(&b, text, NULL, 0);
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), code);
    assert_string_equal(b.run.error.message, message);
    bench_close(&b);
}

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* -- Bytes through a command ------------------------------------------------------------------- */

static void lines_go_in_and_out(void **state)
{
    (void)state;
    const rdd_str lines[] = { RDD_STR("one"), RDD_STR(""), { 0, NULL }, RDD_STR("two\nthree"),
                              RDD_STR("four\r") };
    assert_gives("cat", lines, ARRAY_SIZE(lines), "one\n\n\ntwo\nthree\nfour\r\n");
    assert_gives("tr a-z A-Z | sort -r", lines, 2, "ONE\n\n");
    assert_gives("printf 'a\\nb'", NULL, 0, "a\nb\n");
    assert_gives("cat", NULL, 0, "");
    assert_gives("wc -l", NULL, 0, "0\n");
    assert_gives("printf 'x\\0y\\n' | wc -c; cat", lines, 1, "4\none\n");
}

static void a_command_knows_its_partition(void **state)
{
    (void)state;
    assert_int_equal(setenv("RDD_PARTITION", "wrong", 1), 0);
    assert_int_equal(setenv("PIPE_TEST", "kept", 1), 0);
    assert_gives("echo $RDD_PARTITION $PIPE_TEST; env | grep -c RDD_PARTITION", NULL, 0,
                 "3 kept\n1\n");
    unsetenv("RDD_PARTITION");
}

/* Many lines, and some that are longer than any buffer on the way. */
static void any_lines_survive_cat(void **state)
{
    (void)state;
    enum { LINES = 20000 };
    rdd_str *lines = calloc(LINES, sizeof *lines);
    buf text = { 0 }, wanted = { 0 };
    for (size_t i = 0; i < LINES; i++) {
        size_t kind = test_random_below(2000);
        lines[i].size = !kind ? test_random_below(1 << 20) : test_random_below(100);
        char *at = buf_reserve(&text, lines[i].size + 1);
        for (size_t k = 0; k < lines[i].size; k++)
            at[k] = (char)('a' + (i + k) % 26);
        text.size += lines[i].size;
        buf_append(&wanted, at, lines[i].size);
        buf_char(&wanted, '\n');
    }
    for (size_t i = 0, at = 0; i < LINES; at += lines[i++].size)
        lines[i].data = text.data + at;
    bench b;
    bench_open(&b, "cat", lines, LINES);
    buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), 0);
    assert_int_equal(out.size, wanted.size);
    assert_memory_equal(out.data, wanted.data, wanted.size);
    bench_close(&b);
    buf_release(&out);
    buf_release(&text);
    buf_release(&wanted);
    free(lines);
}

/* -- Commands that do not read and write in step ----------------------------------------------- */

enum { MANY = 200000 };

static rdd_str *many_lines(void)
{
    rdd_str *lines = malloc(MANY * sizeof *lines);
    assert_non_null(lines);
    for (size_t i = 0; i < MANY; i++)
        lines[i] = RDD_STR("a line of some thirty characters");
    return lines;
}

/* Both pipes are full long before the other side is looked at. */
static void output_before_input_is_no_deadlock(void **state)
{
    (void)state;
    rdd_str *lines = many_lines();
    assert_gives("yes | head -c 20000000 | wc -l; wc -l", lines, MANY, "10000000\n200000\n");
    bench b;
    bench_open(&b, "yes | head -c 4000000; wc -l", lines, MANY);
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), 0);
    assert_int_equal(out.size, 4000000 + 7);
    assert_memory_equal(out.data + 4000000, "200000\n", 7);
    bench_close(&b);
    free(lines);
}

static void a_command_may_stop_reading(void **state)
{
    (void)state;
    rdd_str *lines = many_lines();
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    assert_gives("head -n 1", lines, MANY, "a line of some thirty characters\n");
    assert_gives("true", lines, MANY, "");
    assert_gives("exec <&-; echo done", lines, MANY, "done\n");
    sigset_t set;
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    assert_false(sigismember(&set, SIGPIPE));
    free(lines);
}

static void a_command_may_stop_writing_and_go_on(void **state)
{
    (void)state;
    rdd_str *lines = many_lines();
    bench b;
    bench_open(&b, "echo first; exec >&-; cat >/dev/null; exit 3", lines, MANY);
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), RDD_E_USER);
    assert_string_equal(buf_terminate(&out), "first\n");
    assert_non_null(strstr(b.run.error.message, "ended with status 3"));
    assert_int_equal(b.at, MANY);
    bench_close(&b);
    free(lines);
}

/* -- Failures ---------------------------------------------------------------------------------- */

static void a_failure_shows_status_and_last_words(void **state)
{
    (void)state;
    assert_fails("exit 3", RDD_E_USER, "pipe (x.c:1): `exit 3` ended with status 3; partition 3");
    assert_fails("echo oh; echo no  such >&2; printf ' \\t file' >&2; exit 1", RDD_E_USER,
                 "pipe (x.c:1): `echo oh; echo no  such >&2; printf ' \\t file' >&2; exit 1` ended "
                 "with status 1; its last words: no such file; partition 3");
    assert_fails("kill -9 $$", RDD_E_USER,
                 "pipe (x.c:1): `kill -9 $$` was ended by signal 9 (SIGKILL); partition 3");
    bench b;
    bench_open(&b, "no-such-command-anywhere", NULL, 0);
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), RDD_E_USER);
    assert_non_null(strstr(b.run.error.message, "ended with status 127; its last words: "));
    assert_non_null(strstr(b.run.error.message, "not found"));
    bench_close(&b);
}

static void only_the_end_of_stderr_is_kept(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, "yes first | head -c 600000 >&2; echo the end >&2; exit 1", NULL, 0);
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), RDD_E_USER);
    assert_non_null(strstr(b.run.error.message, "first first the end; partition 3"));
    bench_close(&b);
}

static void a_line_without_end_is_bounded(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, "head -c 3000000 /dev/zero | tr '\\0' x; echo", NULL, 0);
    b.plan.line_max = 2999999;
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), RDD_E_LIMIT);
    assert_non_null(strstr(b.run.error.message, "task.budget"));
    bench_close(&b);
    bench_open(&b, "head -c 3000000 /dev/zero | tr '\\0' x; echo", NULL, 0);
    b.plan.line_max = 3000000;
    buf_clear(&out);
    assert_int_equal(bench_read(&b, &out), 0);
    assert_int_equal(out.size, 3000001);
    bench_close(&b);
}

static void a_failing_input_fails_the_pipe(void **state)
{
    (void)state;
    rdd_str *lines = many_lines();
    bench b;
    bench_open(&b, "cat", lines, MANY);
    b.fail_at = 5000;
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), RDD_E_USER);
    assert_string_equal(b.run.error.message, "the input fails");
    bench_close(&b);
    free(lines);
}

static void a_cancelled_run_ends_the_command(void **state)
{
    (void)state;
    rdd_str *lines = many_lines();
    bench b;
    bench_open(&b, "sleep 1000", lines, MANY);
    b.cancel_at = 0;
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), RDD_E_CANCELLED);
    bench_close(&b);
    free(lines);
}

static void *cancel_later(void *arg)
{
    bench *b = arg;
    while (!atomic_load(&b->state.busy))
        sched_yield();
    atomic_store(&b->cancelled, true);
    return NULL;
}

/* Nothing comes and nothing goes: the pipe is asleep when it is told. */
static void a_silent_command_is_cancelled_too(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, "echo ready; sleep 1000", NULL, 0);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &b), 0);
    view v;
    assert_int_equal(iterator_next(b.pipe, &v), ITERATOR_VIEW);
    atomic_store(&b.state.busy, 1);
    assert_int_equal(iterator_next(b.pipe, &v), ITERATOR_FAILED);
    assert_int_equal(b.run.code, RDD_E_CANCELLED);
    assert_int_equal(pthread_join(thread, NULL), 0);
    bench_close(&b);
}

/* -- What is left behind ----------------------------------------------------------------------- */

/* Waits for the end of a process that is no child of ours. */
static void assert_ends(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0u);
    if (fd < 0 && errno == ESRCH)
        return;
    if (fd < 0)
        TEST_SKIP("the kernel has no pidfd_open");
    struct pollfd polled = { fd, POLLIN, 0 };
    assert_int_equal(poll(&polled, 1, 60000), 1);
    close(fd);
}

/* `sleep` inherits the command's stdout and would hold it open for long. */
static void a_child_left_behind_is_not_waited_for(void **state)
{
    (void)state;
    bench b;
    bench_open(&b, "sleep 1000 & echo $!", NULL, 0);
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&b, &out), 0);
    pid_t pid = (pid_t)strtol(buf_terminate(&out), NULL, 10);
    assert_true(pid > 1);
    bench_close(&b);
    assert_ends(pid);
}

static void closing_early_ends_everything(void **state)
{
    (void)state;
    size_t before = open_descriptors();
    for (int round = 0; round < 5; round++) {
        bench b;
        bench_open(&b, "sleep 1000 & echo $!; yes", NULL, 0);
        view v;
        assert_int_equal(iterator_next(b.pipe, &v), ITERATOR_VIEW);
        rdd_str line = *(const rdd_str *)v.items;
        char number[32] = { 0 };
        memcpy(number, line.data, size_min(line.size, sizeof number - 1));
        pid_t pid = (pid_t)strtol(number, NULL, 10);
        assert_true(pid > 1);
        bench_close(&b);
        assert_ends(pid);
    }
    bench b; /* one that was never pulled has no command */
    bench_open(&b, "touch /nowhere/at/all", NULL, 0);
    bench_close(&b);
    assert_int_equal(open_descriptors(), before);
}

/* Were the first command's input inherited by the second, the first would never see its end. The
 * input is more than a pipe holds, and nobody reads it before the second is there. */
static void commands_hold_nothing_of_each_other(void **state)
{
    (void)state;
    rdd_str *lines = many_lines();
    char bell[256], text[512];
    snprintf(bell, sizeof bell, "%s", test_path("bell"));
    assert_int_equal(mkfifo(bell, 0600), 0);
    snprintf(text, sizeof text, "echo up; read rung <'%s'; wc -l", bell);
    bench first, second;
    bench_open(&first, text, lines, MANY);
    view v;
    assert_int_equal(iterator_next(first.pipe, &v), ITERATOR_VIEW);
    assert_true(v.count == 1 && rdd_str_equal(*(const rdd_str *)v.items, RDD_STR("up")));
    bench_open(&second, "ls /proc/self/fd | wc -l; sleep 1000", NULL, 0);
    assert_int_equal(iterator_next(second.pipe, &v), ITERATOR_VIEW);
    /* 0, 1, 2, and the directory that ls reads */
    assert_true(rdd_str_equal(*(const rdd_str *)v.items, RDD_STR("4")));
    FILE *ringing = fopen(bell, "we");
    assert_non_null(ringing);
    fclose(ringing);
    CLEANUP(buf_release) buf out = { 0 };
    assert_int_equal(bench_read(&first, &out), 0);
    assert_string_equal(buf_terminate(&out), "200000\n");
    bench_close(&first);
    bench_close(&second);
    free(lines);
}

/* A program that ignores SIGCHLD has its children reaped by the kernel. */
static void a_lost_status_is_no_success(void **state)
{
    (void)state;
    assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    bench b;
    bench_open(&b, "exit 3", NULL, 0);
    CLEANUP(buf_release) buf out = { 0 };
    int code = bench_read(&b, &out);
    bench_close(&b);
    assert_true(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
    assert_int_equal(code, RDD_E_IO);
    assert_non_null(strstr(b.run.error.message, "SIGCHLD"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_in_and_out),
        cmocka_unit_test(a_command_knows_its_partition),
        cmocka_unit_test(any_lines_survive_cat),
        cmocka_unit_test(output_before_input_is_no_deadlock),
        cmocka_unit_test(a_command_may_stop_reading),
        cmocka_unit_test(a_command_may_stop_writing_and_go_on),
        cmocka_unit_test(a_failure_shows_status_and_last_words),
        cmocka_unit_test(only_the_end_of_stderr_is_kept),
        cmocka_unit_test(a_line_without_end_is_bounded),
        cmocka_unit_test(a_failing_input_fails_the_pipe),
        cmocka_unit_test(a_cancelled_run_ends_the_command),
        cmocka_unit_test(a_silent_command_is_cancelled_too),
        cmocka_unit_test(a_child_left_behind_is_not_waited_for),
        cmocka_unit_test(closing_early_ends_everything),
        cmocka_unit_test(commands_hold_nothing_of_each_other),
        cmocka_unit_test(a_lost_status_is_no_success),
    };
    return TEST_MAIN(argc, argv, tests);
}
