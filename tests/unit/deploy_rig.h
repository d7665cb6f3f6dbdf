/* deploy_rig.h: a node under test: a directory that is its home, a shell that is its login shell, and
 * one start of this very program there. Everything waits for events, never for time. */
#ifndef RDD_DEPLOY_RIG_H
#define RDD_DEPLOY_RIG_H

#include "bundle.h"
#include "clock.h"
#include "conf.h"
#include "deploy.h"
#include "entry.h"
#include "protocol.h"
#include "registry.h"

#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

enum { PATIENCE_MS = 120000 };

typedef struct node {
    char home[400];
    const char *shell[4];    /* then -c and the command */
    const char *environment[8]; /* NAME=value, besides HOME and PATH */
    const char *path;        /* "PATH=…"; NULL: the usual one */
    const char *before;      /* runs first in the login shell */
    const char *workdir;
    const bundle *files;
    bool reinstall;
    unsigned silence_s;
    void (*enter)(struct node *n); /* in the child, before anything else */
} node;

/* One start there. */
typedef struct start {
    deploy *d;
    pid_t pid;
    int fd, error_fd;        /* its stdin and stdout; its stderr */
    buf said;
    rdd_error err;
    char head[256];          /* the executor's first bytes */
    size_t head_size;
    bool failed;
} start;

static bundle *program_;

TEST_HELPER const bundle *test_bundle(void)
{
    rdd_error err;
    if (!program_ && bundle_make(&program_, &err) < 0)
        fail_msg("%s", err.message);
    return program_;
}

TEST_HELPER node node_new(const char *name)
{
    node n = { .shell = { "/bin/sh" } };
    snprintf(n.home, sizeof n.home, "%s", test_path(name));
    assert_int_equal(mkdir(n.home, 0700), 0);
    return n;
}

TEST_HELPER void node_child(node *n, const deploy *d, int fd, int error_fd)
{
    dup2(fd, 0);
    dup2(fd, 1);
    dup2(error_fd, 2);
    for (int i = 3; i < 64; i++)
        close(i);
    if (n->enter)
        n->enter(n);
    static char home[512];
    snprintf(home, sizeof home, "HOME=%s", n->home);
    char *environment[16] = { home, "PATH=/usr/local/bin:/usr/bin:/bin:/sbin" };
    if (n->path)
        environment[1] = (char *)n->path;
    size_t count = 2;
    for (size_t i = 0; i < ARRAY_SIZE(n->environment) && n->environment[i]; i++)
        environment[count++] = (char *)n->environment[i];
    static const char *const passed[] = { "ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS" };
    char texts[ARRAY_SIZE(passed)][512];
    for (size_t i = 0; i < ARRAY_SIZE(passed); i++) {
        if (!getenv(passed[i]))
            continue;
        snprintf(texts[i], sizeof texts[i], "%s=%s", passed[i], getenv(passed[i]));
        environment[count++] = texts[i];
    }
    CLEANUP(buf_release) buf line = { 0 };
    buf_format(&line, "%s%s", n->before ? n->before : "", deploy_command(d));
    const char *argv[8] = { 0 };
    size_t at = 0;
    for (; n->shell[at]; at++)
        argv[at] = n->shell[at];
    argv[at++] = "-c";
    argv[at++] = buf_terminate(&line);
    execve(argv[0], (char **)argv, environment);
    _exit(127);
}

TEST_HELPER start node_begin(node *n)
{
    static uint64_t number;
    start s = { .fd = -1 };
    deploy_options o = { .label = "n1", .nonce = test_random() + number++, .workdir = n->workdir,
                         .files = n->files, .reinstall = n->reinstall,
                         .silence_s = n->silence_s };
    rdd_error err;
    assert_int_equal(deploy_new(&s.d, test_bundle(), &o, &err), 0);
    int fds[2], errors[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(pipe(errors), 0);
    fflush(NULL);
    s.pid = fork();
    assert_true(s.pid >= 0);
    if (s.pid == 0)
        node_child(n, s.d, fds[1], errors[1]);
    close(fds[1]);
    close(errors[1]);
    s.fd = fds[0];
    s.error_fd = errors[0];
    assert_int_equal(fcntl(s.fd, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(fcntl(s.error_fd, F_SETFL, O_NONBLOCK), 0);
    return s;
}

TEST_HELPER void start_drain_errors(start *s)
{
    char bytes[4096];
    for (ssize_t size; (size = read(s->error_fd, bytes, sizeof bytes)) > 0;)
        buf_append(&s->said, bytes, (size_t)size);
}

/* One wait and what it brought; false when it is over: started, or failed. `most`: write no more
 * than so many bytes. */
TEST_HELPER bool start_turn(start *s, size_t most)
{
    size_t size = 0;
    int code;
    const char *output = deploy_output(s->d, &size, &code, &s->err);
    assert_int_equal(code, 0);
    struct pollfd p[2] = { { .fd = s->fd, .events = (short)(POLLIN | (output ? POLLOUT : 0)) },
                           { .fd = s->error_fd, .events = POLLIN } };
    assert_true(poll(p, 2, PATIENCE_MS) > 0);
    start_drain_errors(s);
    if (p[1].revents & POLLHUP) {
        close(s->error_fd);
        s->error_fd = -1;
    }
    if (output && (p[0].revents & POLLOUT)) {
        ssize_t wrote = send(s->fd, output, size_min(size, most), MSG_NOSIGNAL);
        if (wrote > 0)
            deploy_wrote(s->d, (size_t)wrote);
    }
    char bytes[4096];
    ssize_t got = read(s->fd, bytes, sizeof bytes);
    if (got == 0 || (got < 0 && errno == ECONNRESET)) {
        while (s->error_fd >= 0 && poll(&p[1], 1, 200) > 0) {
            start_drain_errors(s);
            if (p[1].revents & POLLHUP)
                break;
        }
        deploy_ended(s->d, (rdd_str){ s->said.size, s->said.data }, "it ended", &s->err);
        s->failed = true;
        return false;
    }
    if (got < 0)
        return true;
    size_t used;
    if (deploy_input(s->d, bytes, (size_t)got, &used, &s->err) < 0) {
        s->failed = true;
        return false;
    }
    s->head_size = size_min((size_t)got - used, sizeof s->head);
    memcpy(s->head, bytes + used, s->head_size);
    return deploy_at(s->d) != DEPLOY_STARTED;
}

/* The executor said its first words: a frame. */
TEST_HELPER void start_expect_hello(start *s)
{
    if (s->failed) {
        start_drain_errors(s);
        fail_msg("%s (%.*s)", s->err.message, (int)s->said.size, s->said.data);
    }
    assert_int_equal(deploy_at(s->d), DEPLOY_STARTED);
    hello h = { .protocol = PROTOCOL_VERSION, .nonce = 5, .digest = registry_digest() };
    snprintf(h.build_id, sizeof h.build_id, "%s", registry_build_id());
    CLEANUP(buf_release) buf greeting = { 0 };
    hello_encode(&greeting, &h);
    assert_int_equal(send(s->fd, greeting.data, greeting.size, MSG_NOSIGNAL), greeting.size);
    while (s->head_size < 40) {
        struct pollfd p = { .fd = s->fd, .events = POLLIN };
        assert_true(poll(&p, 1, PATIENCE_MS) > 0);
        ssize_t got = read(s->fd, s->head + s->head_size, sizeof s->head - s->head_size);
        if (got <= 0) {
            start_drain_errors(s);
            fail_msg("it ended and said: %.*s", (int)s->said.size, s->said.data);
        }
        s->head_size += (size_t)got;
    }
    assert_memory_equal(s->head, "RDDf", 4);
}

/* What was started is a guardian: the process below it. */
TEST_HELPER pid_t start_supervisor(pid_t guardian)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)guardian, (int)guardian);
    FILE *file = fopen(path, "re");
    int child = 0;
    if (file && fscanf(file, "%d", &child) != 1)
        child = 0;
    if (file)
        fclose(file);
    assert_true(child > 0);
    return child;
}

/* Waits until it ends; its wait status. */
TEST_HELPER int start_wait(start *s)
{
    int status = 0;
    if (s->error_fd >= 0) {
        /* Until nobody writes any more, or it could not end. */
        fcntl(s->error_fd, F_SETFL, 0);
        start_drain_errors(s);
        close(s->error_fd);
    }
    assert_int_equal(waitpid(s->pid, &status, 0), s->pid);
    return status;
}

TEST_HELPER void start_release(start *s)
{
    deploy_free(s->d);
    buf_release(&s->said);
}

/* Its channel is closed, and it ends. */
TEST_HELPER int start_end(start *s)
{
    close(s->fd);
    int status = start_wait(s);
    start_release(s);
    return status;
}

TEST_HELPER start node_start(node *n)
{
    start s = node_begin(n);
    while (start_turn(&s, SIZE_MAX))
        ;
    return s;
}

/* A whole life: it started, and sent this many bytes. */
TEST_HELPER uint64_t node_expect_start(node *n)
{
    start s = node_start(n);
    start_expect_hello(&s);
    uint64_t sent = deploy_uploaded(s.d);
    assert_int_equal(start_end(&s), 0);
    return sent;
}

TEST_HELPER void node_expect_failure(node *n, const char *part)
{
    start s = node_start(n);
    if (!s.failed || !strstr(s.err.message, part))
        fail_msg("\"%s\" should hold \"%s\"; said: %.*s", s.failed ? s.err.message : "started",
                 part, (int)s.said.size, s.said.data ? s.said.data : "");
    start_end(&s);
}

#endif
