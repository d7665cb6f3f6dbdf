/* transport_rig.h: what the tests of the transports share. Each test is written once and runs over
 * both transports: BOTH(name) makes the two functions of `name(transport_kind)`, and BOTH_TESTS(name)
 * lists them. */
#ifndef RDD_TRANSPORT_RIG_H
#define RDD_TRANSPORT_RIG_H

#include "clock.h"
#include "sshd.h"
#include "transport.h"

#include "test.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#define PATIENCE_NS (60 * NS_PER_S) /* far past what anything here takes; then the test fails */

#define BOTH(name)                        \
    static void name##_libssh2(void **state) \
    {                                     \
        (void)state;                      \
        name(TRANSPORT_LIBSSH2);          \
    }                                     \
    static void name##_openssh(void **state) \
    {                                     \
        (void)state;                      \
        name(TRANSPORT_OPENSSH);          \
    }
#define BOTH_TESTS(name) cmocka_unit_test(name##_libssh2), cmocka_unit_test(name##_openssh)

TEST_HELPER sshd *rig_sshd(const sshd_options *options)
{
    const char *missing = sshd_missing();
    if (missing)
        TEST_SKIP("%s", missing);
    return sshd_start(options ? options : &(sshd_options){ 0 });
}

TEST_HELPER transport_options rig_options(void)
{
    return (transport_options){ .cancel_fd = -1, .deadline_ns = clock_now_ns() + PATIENCE_NS };
}

/* A start that must go well. */
TEST_HELPER transport *rig_open(transport_kind kind, const ssh_target *target, const char *command)
{
    transport *t = NULL;
    rdd_error err = { .message = "" };
    transport_step step;
    transport_options options = rig_options();
    if (transport_open(&t, kind, target, command, &options, &step, &err)) {
        print_error("%s\n", err.message);
        fail();
    }
    assert_int_equal(step, TRANSPORT_STEPS);
    return t;
}

/* A start that must fail, at this step, with these words. */
TEST_HELPER void rig_refused(transport_kind kind, const ssh_target *target,
                             const transport_options *options, transport_step step,
                             const char *const *words)
{
    transport *t = NULL;
    rdd_error err = { .message = "" };
    transport_step at;
    transport_options usual = rig_options();
    int code = transport_open(&t, kind, target, "true", options ? options : &usual, &at, &err);
    assert_int_not_equal(code, 0);
    assert_int_equal(code, err.code);
    assert_null(t);
    bool all = at == step && strstr(err.message, target->label) == err.message;
    for (; *words; words++)
        all = all && strcasestr(err.message, *words);
    if (!all)
        print_error("at %s: %s\n", transport_step_name(at), err.message);
    assert_true(all);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

TEST_HELPER void rig_wait(transport *t, bool want_write)
{
    struct pollfd fds[TRANSPORT_POLL_MAX];
    size_t count = t->ops->poll(t, fds, want_write);
    assert_true(count <= TRANSPORT_POLL_MAX);
    if (count)
        assert_int_not_equal(poll(fds, (nfds_t)count, (int)(PATIENCE_NS / NS_PER_MS)), 0);
}

/* Reads both streams to the end of the command's output; -1 for its size when the session was lost. */
TEST_HELPER ssize_t rig_read_all(transport *t, buf *out, buf *errors)
{
    char bytes[16 << 10];
    for (;;) {
        ssize_t n, m;
        while ((n = t->ops->read(t, bytes, sizeof bytes)) > 0)
            buf_append(out, bytes, (size_t)n);
        while ((m = t->ops->read_errors(t, bytes, sizeof bytes)) > 0)
            buf_append(errors, bytes, (size_t)m);
        if (n != -EAGAIN)
            return n < 0 ? -1 : (ssize_t)out->size;
        rig_wait(t, false);
    }
}

TEST_HELPER void rig_write_all(transport *t, const void *data, size_t size)
{
    const char *at = data;
    while (size) {
        ssize_t n = t->ops->write(t, at, size);
        assert_true(n > 0 || n == -EAGAIN);
        if (n > 0) {
            at += n;
            size -= (size_t)n;
        } else {
            rig_wait(t, true);
        }
    }
}

/* Its end in words. */
TEST_HELPER void rig_end(transport *t, uint64_t patience_ns, const char *word)
{
    char text[512] = "";
    t->ops->end(t, patience_ns, text, sizeof text);
    if (!strstr(text, word))
        print_error("ended: %s\n", text);
    assert_non_null(strstr(text, word));
}

/* What the command prints, and how it ended. */
TEST_HELPER void rig_run(transport_kind kind, const ssh_target *target, const char *command,
                         const char *out, const char *end)
{
    CLEANUP(buf_release) buf said = { 0 }, errors = { 0 };
    transport *t = rig_open(kind, target, command);
    assert_int_equal(rig_read_all(t, &said, &errors), strlen(out));
    assert_memory_equal(said.data ? said.data : "", out, strlen(out));
    rig_end(t, PATIENCE_NS, end);
}

/* A socket that listens on 127.0.0.1. */
TEST_HELPER int rig_listen(int backlog, uint16_t *ret_port)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    if (backlog >= 0)
        assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

/* A connection to a port of 127.0.0.1 that says nothing. */
TEST_HELPER int rig_connect(uint16_t port, int flags)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons(port),
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);
    assert_true(fd >= 0);
    int code = connect(fd, (struct sockaddr *)&address, sizeof address);
    assert_true(!code || (flags && errno == EINPROGRESS));
    return fd;
}

/* A target without a server. */
TEST_HELPER ssh_target rig_nobody(uint16_t port)
{
    return (ssh_target){ .label = "node", .alias = "127.0.0.1", .host_name = "127.0.0.1",
                         .user = "nobody", .port = port, .config_file = "/dev/null" };
}

#endif
