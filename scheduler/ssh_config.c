#include "ssh_config.h"

#include "child.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum { PATIENCE_S = 10, OUTPUT_MAX = 1 << 20 };

/* -- The program ------------------------------------------------------------------------------- */

typedef struct child {
    pid_t pid;
    int out, errors; /* -1: at its end */
} child;

/* Nothing of ours is inherited: descriptors, blocked and ignored signals, the terminal. */
static int spawn(pid_t *ret, int out_fd, int errors_fd, const char *const *argv)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out_fd, 1);
    posix_spawn_file_actions_adddup2(&files, errors_fd, 2);
#if __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
#endif
    posix_spawnattr_t how;
    child_attributes(&how, POSIX_SPAWN_SETSID);
    int error = posix_spawnp(ret, argv[0], &files, &how, (char *const *)argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static int start(child *c, const char *const *argv)
{
    int out[2] = { -1, -1 }, errors[2] = { -1, -1 };
    int error = child_pipe(out, CHILD_FD_LEAST) || child_pipe(errors, CHILD_FD_LEAST) ? errno : 0;
    if (!error)
        error = spawn(&c->pid, out[1], errors[1], argv);
    closep(&out[1]);
    closep(&errors[1]);
    if (error) {
        closep(&out[0]);
        closep(&errors[0]);
        return error;
    }
    c->out = out[0];
    c->errors = errors[0];
    return 0;
}

static void read_some(int *fd, buf *b)
{
    char *room = buf_reserve(b, KIB(16));
    ssize_t got = room ? read(*fd, room, KIB(16)) : 0;
    if (got > 0) {
        b->size += (size_t)got;
    } else if (got == 0 || errno != EINTR) {
        close(*fd);
        *fd = -1;
    }
}

/* Until both streams end; false when that takes too long. */
static bool read_output(child *c, buf *out, buf *errors)
{
    uint64_t deadline = clock_now_ns() + PATIENCE_S * NS_PER_S;
    while (c->out >= 0 || c->errors >= 0) {
        struct pollfd fds[] = { { .fd = c->out, .events = POLLIN },
                                { .fd = c->errors, .events = POLLIN } };
        uint64_t now = clock_now_ns();
        if (now >= deadline)
            return false;
        if (poll(fds, ARRAY_SIZE(fds), clock_poll_ms(now, deadline)) <= 0)
            continue;
        if (fds[0].revents)
            read_some(&c->out, out);
        if (fds[1].revents)
            read_some(&c->errors, errors);
    }
    return true;
}

/* Its status; -1 when somebody else has reaped it, as a program may that ignores SIGCHLD. */
static int finish(child *c, bool hurry)
{
    int status = -1;
    closep(&c->out);
    closep(&c->errors);
    if (hurry) {
        kill(-c->pid, SIGKILL);
        kill(c->pid, SIGKILL);
    }
    pid_t pid;
    do
        pid = waitpid(c->pid, &status, 0);
    while (pid < 0 && errno == EINTR);
    return pid < 0 ? -1 : status;
}

/* -- Its words --------------------------------------------------------------------------------- */

/* "Pseudo-terminal will not be allocated …" is no reason; what comes first is. */
static void first_line(buf *b, char *text, size_t size)
{
    const char *all = buf_terminate(b);
    const char *line = all ? all + strspn(all, "\r\n") : "";
    snprintf(text, size, "%.*s", (int)size_min(strcspn(line, "\r\n"), 300), line);
}

static int parse_lines(char *text, arena *a, ssh_config *ret, rdd_error *err)
{
    size_t count = 0;
    for (const char *at = text; *at; at++)
        count += *at == '\n';
    ret->lines = arena_alloc(a, (count + 1) * sizeof *ret->lines);
    if (!ret->lines)
        return error_set_memory(err, "reading the ssh configuration");
    for (char *at = text; *at;) {
        char *end = strchrnul(at, '\n'), *blank = strchrnul(at, ' ');
        bool last = !*end;
        *end = 0;
        if (blank < end) {
            *blank = 0;
            ret->lines[ret->count++] = (ssh_config_line){ at, blank + 1 };
        }
        at = end + !last;
    }
    return 0;
}

static int verdict(int status, bool in_time, buf *out, buf *errors, rdd_error *err)
{
    char said[320];
    if (!in_time)
        return error_set(err, RDD_E_IO, "ssh -G took longer than %d s; see what your ssh "
                                        "configuration runs (Match exec, CanonicalizeHostname)",
                         PATIENCE_S);
    if (out->failed || errors->failed)
        return error_set_memory(err, "reading the ssh configuration");
    bool good = status == -1 ? out->size > 0 : WIFEXITED(status) && WEXITSTATUS(status) == 0;
    if (good)
        return 0;
    first_line(errors, said, sizeof said);
    return error_set(err, RDD_E_IO, "ssh -G says \"%s\"; mend your ssh configuration, or choose "
                                    "another with --conf ssh.config=FILE",
                     said);
}

int ssh_config_ask(const char *const *argv, arena *a, ssh_config *ret, rdd_error *err)
{
    child c = { 0, -1, -1 };
    *ret = (ssh_config){ 0 };
    int error = start(&c, argv);
    if (error == ENOENT || error == EACCES)
        return 0;
    if (error)
        return error_set_errno(err, RDD_E_IO, error, "the ssh program could not be started");
    CLEANUP(buf_release) buf out = { .max = OUTPUT_MAX };
    CLEANUP(buf_release) buf errors = { .max = OUTPUT_MAX };
    bool in_time = read_output(&c, &out, &errors);
    int status = finish(&c, !in_time);
    int code = verdict(status, in_time, &out, &errors, err);
    if (code < 0)
        return code;
    char *text = arena_copy(a, out.size ? out.data : "", out.size);
    if (!text)
        return error_set_memory(err, "reading the ssh configuration");
    ret->found = true;
    return parse_lines(text, a, ret, err);
}

const char *ssh_config_get(const ssh_config *c, const char *key)
{
    for (size_t i = 0; i < c->count; i++)
        if (!strcmp(c->lines[i].key, key))
            return c->lines[i].value;
    return NULL;
}
