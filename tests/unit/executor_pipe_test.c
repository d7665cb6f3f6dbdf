/* executor_pipe_test.c: an executor at the far end of pipes, with programs in between and a shell
 * that talks first: what a remote login looks like, without one. */
#include "connection.h"
#include "executor_rig.h"

#include <endian.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <xxhash.h>

extern char **environ;

typedef struct remote {
    pid_t shell;
    int in_fd, out_fd;
    connection *connection;
} remote;

/* Runs a shell command whose standard descriptors are the far end. */
static void remote_open(remote *r, const char *command_line)
{
    int to[2], from[2];
    assert_int_equal(pipe2(to, O_CLOEXEC), 0);
    assert_int_equal(pipe2(from, O_CLOEXEC), 0);
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, to[0], 0);
    posix_spawn_file_actions_adddup2(&files, from[1], 1);
    char *argv[] = { "sh", "-c", (char *)(uintptr_t)command_line, NULL };
    assert_int_equal(posix_spawn(&r->shell, "/bin/sh", &files, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&files);
    close(to[0]);
    close(from[1]);
    r->in_fd = from[0];
    r->out_fd = to[1];
    fcntl(r->in_fd, F_SETFL, O_NONBLOCK);
    fcntl(r->out_fd, F_SETFL, O_NONBLOCK);
    connection_options options = {
        .name = "node-b",
        .setup = { .slots = 2 },
        .nonce = 99,
        .digest = registry_digest(),
        .build_id = registry_build_id(),
        .heartbeat_ns = NS_PER_S,
        .timeout_ns = PATIENCE_S * NS_PER_S,
        .start_timeout_ns = PATIENCE_S * NS_PER_S,
        .result_max = 64 << 20,
        .skip_max = FRAME_SKIP_MAX,
    };
    assert_int_equal(connection_new(&r->connection, &options, clock_now_ns(), NULL), 0);
}

/* One turn of the loop that an SSH session would have. */
static void remote_turn(remote *r)
{
    channel *c = connection_channel(r->connection);
    connection_pump(r->connection);
    bool full = channel_has_output(c) && channel_write(c, r->out_fd) == CHANNEL_WAITING;
    struct pollfd polls[] = { { r->in_fd, POLLIN, 0 }, { full ? r->out_fd : -1, POLLOUT, 0 } };
    poll(polls, 2, clock_poll_ms(clock_now_ns(), connection_deadline(r->connection)));
    channel_io io = polls[0].revents ? channel_read(c, r->in_fd) : CHANNEL_WAITING;
    if (io == CHANNEL_MOVED)
        connection_input(r->connection, clock_now_ns());
    if (io == CHANNEL_ENDED)
        connection_closed(r->connection, NULL);
    connection_tick(r->connection, clock_now_ns());
}

static void remote_close(remote *r)
{
    close(r->in_fd);
    close(r->out_fd);
    connection_free(r->connection);
    assert_int_equal(waitpid(r->shell, NULL, 0), r->shell);
}

static const char *command_of(const char *format)
{
    static char text[1024];
    char self[512] = { 0 };
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    int size = snprintf(text, sizeof text, format, self);
    assert_true(size > 0 && (size_t)size < sizeof text);
    return text;
}

static void tasks_run_over_pipes_behind_a_shell_that_talks(void **state)
{
    (void)state;
    remote r;
    signal(SIGPIPE, SIG_IGN); /* pipes, not sockets */
    remote_open(&r, command_of("echo Welcome to node-b; cat | '%s' --rdd-supervisor | cat"));
    while (!connection_came_up(r.connection, NULL)) {
        assert_false(connection_failed(r.connection, NULL));
        remote_turn(&r);
    }
    connection_plan(r.connection, 1, RDD_STR("plan"));
    enum { TASKS = 300 };
    for (uint32_t i = 0; i < TASKS; i++) {
        task_spec t = { .id = { 1, i, 0 },
                        .payload = i % 100 ? RDD_STR("ehello") : RDD_STR("r3000000") };
        connection_launch(r.connection, &t, 1);
    }
    for (size_t left = TASKS; left;) {
        remote_turn(&r);
        assert_false(connection_failed(r.connection, NULL));
        size_t count;
        outcome *outcomes = connection_take_outcomes(r.connection, &count);
        for (size_t i = 0; i < count; i++) {
            expect_status(&outcomes[i], OUTCOME_OK);
            assert_int_equal(outcomes[i].result_size, outcomes[i].id.partition % 100 ? 5 : 3000000);
            outcome_release(&outcomes[i]);
        }
        free(outcomes);
        left -= count;
    }
    connection_bye(r.connection);
    while (!connection_failed(r.connection, NULL))
        remote_turn(&r);
    remote_close(&r);
}

/* A greeting from another version, behind what a login shell says. The connection does not wait for
 * more to come. */
static void another_version_of_the_protocol_is_named(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf bytes = { 0 };
    buf_text(&bytes, "Welcome to node-b\n");
    size_t begin = frame_begin(&bytes, FRAME_HELLO, 0);
    buf_text(&bytes, "a greeting of times to come");
    frame_end(&bytes, begin);
    bytes.data[begin + 4] = 2;
    uint64_t sum = htole64(XXH3_64bits(bytes.data + begin, 32));
    memcpy(bytes.data + begin + 32, &sum, sizeof sum);
    signal(SIGPIPE, SIG_IGN);
    int fd = open(test_path("greeting"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, bytes.data, bytes.size), (ssize_t)bytes.size);
    close(fd);
    char line[600];
    snprintf(line, sizeof line, "cat '%s' -", test_path("greeting")); /* stays open */
    remote r;
    rdd_error err;
    remote_open(&r, line);
    while (!connection_failed(r.connection, &err))
        remote_turn(&r);
    expect_text(err.message, "node-b speaks version 2 of the protocol, this is version 1; driver "
                             "and executors must be the same program");
    remote_close(&r);
    unlink(test_path("greeting"));
}

static void what_came_instead_of_an_executor_is_shown(void **state)
{
    (void)state;
    static const struct {
        const char *command, *text;
    } CASES[] = {
        { "echo 'This account is not available.'; exit 1",
          "it said \"This account is not available.\"" },
        { "exit 127; : '%s'", "node-b ended before it answered" },
        { "yes 'no protocol for you' 2>/dev/null",
          "node-b ended before it answered: bytes that are no frame" },
    };
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        remote r;
        rdd_error err;
        remote_open(&r, CASES[i].command);
        while (!connection_failed(r.connection, &err))
            remote_turn(&r);
        expect_text(err.message, CASES[i].text);
        remote_close(&r);
    }
}

int main(int argc, char **argv)
{
    rig_main(&argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_over_pipes_behind_a_shell_that_talks),
        cmocka_unit_test(another_version_of_the_protocol_is_named),
        cmocka_unit_test(what_came_instead_of_an_executor_is_shown),
    };
    return TEST_MAIN(argc, argv, tests);
}
