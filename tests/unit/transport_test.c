/* What every transport must do, against a real sshd: streams, ends, deadlines. How one gets in is
 * transport_login_test.c's. */
#include "transport_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/lsan_interface.h>
#endif

/* -- Streams ----------------------------------------------------------------------------------- */

static void streams_and_status(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    CLEANUP(buf_release) buf out = { 0 }, errors = { 0 };
    transport *t = rig_open(kind, &target, "echo out; echo errors >&2; exit 7");
    assert_int_equal(rig_read_all(t, &out, &errors), 4);
    assert_memory_equal(out.data, "out\n", 4);
    while (errors.size < 7) { /* they may come behind the end of the other stream */
        char bytes[64];
        ssize_t n = t->ops->read_errors(t, bytes, sizeof bytes);
        assert_true(n > 0 || n == -EAGAIN);
        if (n > 0)
            buf_append(&errors, bytes, (size_t)n);
        else
            rig_wait(t, false);
    }
    assert_int_equal(errors.size, 7);
    assert_memory_equal(errors.data, "errors\n", 7);
    rig_end(t, PATIENCE_NS, "exited with status 7");
    sshd_stop(s);
}
BOTH(streams_and_status)

static void killed_command(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    rig_run(kind, &target, "kill -9 $$", "", "was killed by");
    sshd_stop(s);
}
BOTH(killed_command)

typedef struct told {
    unsigned count;
    bool in_order;
} told;

static void tell(void *arg, transport_step step, uint64_t took_ns)
{
    told *t = arg;
    t->in_order = t->in_order && step == (transport_step)t->count && took_ns < PATIENCE_NS;
    t->count++;
}

static void steps_are_told(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    transport *t;
    rdd_error err;
    told seen = { .in_order = true };
    transport_options options = rig_options();
    options.step = tell;
    options.arg = &seen;
    assert_int_equal(transport_open(&t, kind, &target, "true", &options, NULL, &err), 0);
    assert_int_equal(seen.count, TRANSPORT_STEPS);
    assert_true(seen.in_order);
    rig_end(t, PATIENCE_NS, "exited with status 0");
    sshd_stop(s);
}
BOTH(steps_are_told)

/* Position decides the byte, so that anything lost, doubled or swapped shows. */
static void fill(unsigned char *bytes, size_t size, uint64_t at)
{
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)((at + i) * 0x9e3779b97f4a7c15u >> 56);
}

/* libssh2 1.10 forgets the old host key, 51 bytes, each time the keys change. */
static void look_away(bool begin)
{
#ifdef __SANITIZE_ADDRESS__
    begin ? __lsan_disable() : __lsan_enable();
#else
    (void)begin;
#endif
}

/* Both ways at once, through a socket with hardly any room, while the keys are changed. */
static void echo(transport_kind kind, size_t total, const char *config, int room)
{
    enum { PIECE = 48 << 10 };
    static unsigned char out[PIECE], in[PIECE], expected[PIECE];
    sshd *s = rig_sshd(&(sshd_options){ .config = config });
    ssh_target target = sshd_target(s);
    look_away(true);
    transport *t = rig_open(kind, &target, "exec cat");
    struct pollfd fds[TRANSPORT_POLL_MAX];
    size_t written = 0, read = 0;
    if (room && t->ops->poll(t, fds, false))
        assert_int_equal(setsockopt(fds[0].fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof room), 0);
    while (read < total) {
        bool moved = false;
        size_t size = size_min(1 + test_random_below(PIECE), total - written);
        fill(out, size, written);
        ssize_t n = size ? t->ops->write(t, out, size) : -EAGAIN;
        assert_true(n > 0 || n == -EAGAIN);
        if (n > 0) {
            written += (size_t)n;
            moved = true;
        }
        n = t->ops->read(t, in, 1 + test_random_below(PIECE));
        assert_true(n > 0 || n == -EAGAIN);
        if (n > 0) {
            fill(expected, (size_t)n, read);
            assert_memory_equal(in, expected, (size_t)n);
            read += (size_t)n;
            moved = true;
        }
        char error;
        assert_int_equal(t->ops->read_errors(t, &error, 1), -EAGAIN);
        if (!moved)
            rig_wait(t, written < total);
    }
    rig_end(t, PATIENCE_NS, "exited with status 0");
    look_away(false);
    sshd_stop(s);
}

static void echo_with_no_room(transport_kind kind)
{
    echo(kind, MIB(64), "RekeyLimit 16M\n", 4096);
}
BOTH(echo_with_no_room)

static void echo_while_keys_change(transport_kind kind)
{
    echo(kind, MIB(12), "RekeyLimit 1M\n", 0);
}
BOTH(echo_while_keys_change)

/* A command that says nothing: nothing comes after the new keys that a read brings, and yet the bytes
 * that waited for them must go on. Waits twice, as a read may be the last call before a wait. */
static void silent_command_while_keys_change(transport_kind kind)
{
    static unsigned char bytes[KIB(48)];
    sshd *s = rig_sshd(&(sshd_options){ .config = "RekeyLimit 16K\n" });
    ssh_target target = sshd_target(s);
    look_away(true);
    transport *t = rig_open(kind, &target, "wc -c");
    for (size_t left = MIB(2); left;) {
        char said;
        ssize_t n = t->ops->write(t, bytes, size_min(sizeof bytes, left));
        assert_true(n > 0 || n == -EAGAIN);
        left -= n > 0 ? (size_t)n : 0;
        for (int i = 0; i < 2 && n < 0; i++) {
            rig_wait(t, true);
            assert_int_equal(t->ops->read(t, &said, 1), -EAGAIN);
            assert_int_equal(t->ops->read_errors(t, &said, 1), -EAGAIN);
        }
    }
    rig_end(t, PATIENCE_NS, "exited with status 0");
    look_away(false);
    sshd_stop(s);
}
BOTH(silent_command_while_keys_change)

/* What was taken must arrive, also when the end follows at once; and the command sees its end. */
static void end_hands_over(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    char command[PATH_MAX + 64];
    size_t size = MIB(3);
    CLEANUP(freep) unsigned char *bytes = malloc(size), *there = malloc(size + 1);
    const char *path = sshd_path(s, "copy");
    snprintf(command, sizeof command, "cat > %s && exit 5", path);
    fill(bytes, size, 0);
    transport *t = rig_open(kind, &target, command);
    rig_write_all(t, bytes, size);
    rig_end(t, PATIENCE_NS, "exited with status 5");
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fread(there, 1, size + 1, file), size);
    fclose(file);
    assert_memory_equal(bytes, there, size);
    sshd_stop(s);
}
BOTH(end_hands_over)

/* How much is what the command sends. A word of the server's or its shell's may come in between, as on a
 * machine that is at its limits, and is shown. */
static size_t count_zeros(const char *bytes, ssize_t size)
{
    size_t zeros = 0;
    const char *word = NULL;
    for (ssize_t i = 0; i < size; i++) {
        zeros += !bytes[i];
        word = !word && bytes[i] ? bytes + i : word;
    }
    if (word)
        print_message("on stderr, too: %.*s\n", (int)(bytes + size - word), word);
    return zeros;
}

/* More than any window, read a little at a time, with stderr in between. */
static void slow_reader(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    static char bytes[KIB(64)];
    size_t total = 0, errors = 0;
    ssize_t n = 0;
    transport *t = rig_open(kind, &target,
                            "head -c 20M /dev/zero; head -c 100000 /dev/zero >&2; "
                            "head -c 20M /dev/zero");
    while (total < MIB(40)) {
        n = t->ops->read(t, bytes, total < MIB(1) ? 701 : sizeof bytes);
        assert_true(n > 0 || n == -EAGAIN);
        total += n > 0 ? (size_t)n : 0;
        if (n > 0)
            continue;
        while ((n = t->ops->read_errors(t, bytes, 999)) > 0)
            errors += count_zeros(bytes, n);
        rig_wait(t, false);
    }
    while ((n = t->ops->read(t, bytes, sizeof bytes)) == -EAGAIN)
        rig_wait(t, false);
    assert_int_equal(n, 0);
    while ((n = t->ops->read_errors(t, bytes, sizeof bytes)) > 0 || n == -EAGAIN) {
        errors += count_zeros(bytes, n);
        if (errors == 100000)
            break;
    }
    assert_int_equal(total, MIB(40));
    assert_int_equal(errors, 100000);
    rig_end(t, PATIENCE_NS, "exited with status 0");
    sshd_stop(s);
}
BOTH(slow_reader)

/* -- Ends -------------------------------------------------------------------------------------- */

static void stuck_command_is_cut_off(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    transport *t = rig_open(kind, &target, "echo here; exec sleep 1000");
    char bytes[16];
    while (t->ops->read(t, bytes, sizeof bytes) == -EAGAIN)
        rig_wait(t, false);
    rig_end(t, 20 * NS_PER_MS, "did not end within 20 ms and was cut off");
    sshd_stop(s);
}
BOTH(stuck_command_is_cut_off)

static void server_is_killed(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    CLEANUP(buf_release) buf out = { 0 }, errors = { 0 };
    transport *t = rig_open(kind, &target, "exec cat");
    char bytes[16];
    rig_write_all(t, "hello", 5);
    while (t->ops->read(t, bytes, sizeof bytes) == -EAGAIN)
        rig_wait(t, false);
    assert_int_equal(sshd_kill_sessions(s), 1);
    rig_read_all(t, &out, &errors); /* comes to an end */
    assert_int_equal(out.size, 0);
    rig_end(t, PATIENCE_NS, "connection was lost");
    sshd_stop(s);
}
BOTH(server_is_killed)

static void end_of_nothing(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    transport *t = rig_open(kind, &target, "true");
    const transport_ops *ops = t->ops;
    rig_end(t, PATIENCE_NS, "exited with status 0");
    char text[64] = "as it was";
    ops->end(NULL, 0, text, sizeof text);
    assert_string_equal(text, "as it was");
    sshd_stop(s);
}
BOTH(end_of_nothing)

/* -- Many -------------------------------------------------------------------------------------- */

typedef struct session {
    pthread_t thread;
    transport_kind kind;
    const ssh_target *target;
    bool good;
} session;

static void *run_session(void *arg)
{
    session *me = arg;
    transport *t;
    rdd_error err;
    transport_options options = rig_options();
    if (transport_open(&t, me->kind, me->target, "exec cat", &options, NULL, &err)) {
        print_error("%s\n", err.message);
        return NULL;
    }
    size_t written = 0, read = 0, total = KIB(300);
    static const char zeros[4096];
    char bytes[4096], text[256];
    while (read < total) {
        ssize_t n = written < total ? t->ops->write(t, zeros, sizeof zeros) : -EAGAIN;
        ssize_t m = t->ops->read(t, bytes, sizeof bytes);
        written += n > 0 ? (size_t)n : 0;
        read += m > 0 ? (size_t)m : 0;
        if ((n < 0 && n != -EAGAIN) || m == 0 || (m < 0 && m != -EAGAIN))
            break;
        struct pollfd fds[TRANSPORT_POLL_MAX];
        size_t count = n < 0 && m < 0 ? t->ops->poll(t, fds, written < total) : 0;
        if (count)
            poll(fds, (nfds_t)count, (int)(PATIENCE_NS / NS_PER_MS));
    }
    t->ops->end(t, PATIENCE_NS, text, sizeof text);
    me->good = read == total && strstr(text, "exited with status 0");
    if (!me->good)
        print_error("%zu of %zu bytes; %s\n", read, total, text);
    return NULL;
}

static void run_sessions(transport_kind kind, const ssh_target *target, session *all, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        all[i] = (session){ .kind = kind, .target = target };
        assert_int_equal(pthread_create(&all[i].thread, NULL, run_session, &all[i]), 0);
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(all[i].thread, NULL);
    for (size_t i = 0; i < count; i++)
        assert_true(all[i].good);
}

static void many_at_once(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    session all[12];
    run_sessions(kind, &target, all, ARRAY_SIZE(all));
    sshd_stop(s);
}
BOTH(many_at_once)

/* sshd has room for one login, and that is taken: who is dropped comes again. */
static void dropped_and_tried_again(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "MaxStartups 1\n" });
    ssh_target target = sshd_target(s);
    int held = rig_connect(sshd_port(s), 0);
    sshd_wait_log(s, "Connection from 127.0.0.1", 1);
    session one = { .kind = kind, .target = &target };
    assert_int_equal(pthread_create(&one.thread, NULL, run_session, &one), 0);
    sshd_wait_log(s, "drop connection", 1);
    close(held);
    pthread_join(one.thread, NULL);
    assert_true(one.good);
    sshd_stop(s);
}
BOTH(dropped_and_tried_again)

static void dropped_for_good(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "MaxStartups 1\n" });
    ssh_target target = sshd_target(s);
    CLEANUP(closep) UNUSED int held = rig_connect(sshd_port(s), 0);
    sshd_wait_log(s, "Connection from 127.0.0.1", 1);
    transport_options options = rig_options();
    options.deadline_ns = clock_now_ns() + 3 * NS_PER_S;
    rig_refused(kind, &target, &options, TRANSPORT_EXCHANGE, WORDS("MaxStartups"));
    sshd_stop(s);
}
BOTH(dropped_for_good)

/* -- Nobody there ------------------------------------------------------------------------------ */

static void name_is_unknown(transport_kind kind)
{
    ssh_target target = rig_nobody(22);
    target.host_name = target.alias = "no-such-host.invalid";
    rig_refused(kind, &target, NULL, TRANSPORT_RESOLVE,
                WORDS("node: dns: ", "Could not resolve hostname no-such-host.invalid", "spelled"));
}
BOTH(name_is_unknown)

static void refused(transport_kind kind)
{
    uint16_t port;
    CLEANUP(closep) UNUSED int fd = rig_listen(-1, &port);
    ssh_target target = rig_nobody(port);
    rig_refused(kind, &target, NULL, TRANSPORT_CONNECT,
                WORDS("node: tcp: ", "Connection refused", "is sshd running"));
}
BOTH(refused)

/* A queue that is full drops what knocks. */
static void no_answer(transport_kind kind)
{
    uint16_t port;
    CLEANUP(closep) UNUSED int fd = rig_listen(0, &port);
    int held[4];
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        held[i] = rig_connect(port, SOCK_NONBLOCK);
    ssh_target target = rig_nobody(port);
    target.connect_timeout_ms = 1000;
    rig_refused(kind, &target, NULL, TRANSPORT_CONNECT, WORDS("is the machine up", "firewall"));
    for (size_t i = 0; i < ARRAY_SIZE(held); i++)
        close(held[i]);
}
BOTH(no_answer)

static void silent_server(transport_kind kind)
{
    uint16_t port;
    CLEANUP(closep) UNUSED int fd = rig_listen(10, &port);
    ssh_target target = rig_nobody(port);
    target.connect_timeout_ms = 1000;
    rig_refused(kind, &target, NULL, TRANSPORT_EXCHANGE, WORDS("does not talk"));
    transport_options options = rig_options();
    target.connect_timeout_ms = 60000;
    options.deadline_ns = clock_now_ns() + 2 * NS_PER_S;
    rig_refused(kind, &target, &options, TRANSPORT_EXCHANGE, WORDS("time for the whole start"));
}
BOTH(silent_server)

static void cancel_at_tcp(void *arg, transport_step step, uint64_t took_ns)
{
    (void)took_ns;
    if (step == TRANSPORT_CONNECT)
        assert_int_equal(eventfd_write(*(int *)arg, 1), 0);
}

static void cancelled(transport_kind kind)
{
    uint16_t port;
    CLEANUP(closep) UNUSED int fd = rig_listen(10, &port);
    CLEANUP(closep) int cancel_fd = eventfd(0, EFD_CLOEXEC);
    ssh_target target = rig_nobody(port);
    transport_options options = rig_options();
    options.cancel_fd = cancel_fd;
    options.step = cancel_at_tcp;
    options.arg = &cancel_fd;
    rig_refused(kind, &target, &options, TRANSPORT_EXCHANGE, WORDS("cancelled"));
}
BOTH(cancelled)

static void *say_and_close(void *arg)
{
    int fd = accept(*(int *)arg, NULL, NULL);
    if (fd >= 0 && write(fd, "220 mail ready\r\n", 16) == 16)
        shutdown(fd, SHUT_WR);
    char bytes[256];
    while (fd >= 0 && read(fd, bytes, sizeof bytes) > 0)
        ;
    close(fd);
    return NULL;
}

static void no_ssh_server(transport_kind kind)
{
    uint16_t port;
    CLEANUP(closep) UNUSED int fd = rig_listen(10, &port);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, say_and_close, &fd), 0);
    ssh_target target = rig_nobody(port);
    transport_options options = rig_options();
    rig_refused(kind, &target, &options, TRANSPORT_EXCHANGE, WORDS("220 mail ready"));
    pthread_join(thread, NULL);
}
BOTH(no_ssh_server)

/* -- main -------------------------------------------------------------------------------------- */

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BOTH_TESTS(streams_and_status), BOTH_TESTS(killed_command), BOTH_TESTS(steps_are_told),
        BOTH_TESTS(echo_with_no_room),  BOTH_TESTS(echo_while_keys_change),
        BOTH_TESTS(silent_command_while_keys_change),
        BOTH_TESTS(end_hands_over),     BOTH_TESTS(slow_reader),
        BOTH_TESTS(stuck_command_is_cut_off), BOTH_TESTS(server_is_killed),
        BOTH_TESTS(end_of_nothing),     BOTH_TESTS(many_at_once),
        BOTH_TESTS(dropped_and_tried_again), BOTH_TESTS(dropped_for_good),
        BOTH_TESTS(name_is_unknown),    BOTH_TESTS(refused),
        BOTH_TESTS(no_answer),          BOTH_TESTS(silent_server),
        BOTH_TESTS(cancelled),          BOTH_TESTS(no_ssh_server),
    };
    return TEST_MAIN(argc, argv, tests);
}
