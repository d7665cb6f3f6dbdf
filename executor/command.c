/* command.c: see command.h. */
#include "command.h"

#include "output.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum {
    TICK_MS = 50,      /* after this the caller may look whether it was cancelled, */
    BLIND_TICK_MS = 5, /* and sooner where only asking tells whether the command has ended */
    WORDS_MAX = 500,   /* of stderr, in a message */
};

void command_init(command *c)
{
    memset(c, 0, offsetof(command, last_errors));
    c->to = c->from = c->errors = c->pid_fd = -1;
}

static void close_now(int *fd)
{
    closep(fd);
    *fd = -1;
}

/* ---- starting ------------------------------------------------------------------------------- */

/* Both ends above 2, so that moving one to its place in the command closes no other. */
static int pipe_make(int ends[2])
{
    int low[2];
    if (pipe2(low, O_CLOEXEC) < 0)
        return errno;
    for (int i = 0; i < 2; i++)
        ends[i] = fcntl(low[i], F_DUPFD_CLOEXEC, 3);
    int os_errno = ends[0] < 0 || ends[1] < 0 ? errno : 0;
    close(low[0]);
    close(low[1]);
    return os_errno;
}

/* A group of its own, and signals as a program expects them, whatever this thread has blocked. */
static int attributes_fill(posix_spawnattr_t *attributes)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    int failed = posix_spawnattr_setflags(
        attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    if (!failed)
        failed = posix_spawnattr_setpgroup(attributes, 0);
    if (!failed)
        failed = posix_spawnattr_setsigdefault(attributes, &all);
    return failed ? failed : posix_spawnattr_setsigmask(attributes, &none);
}

static int actions_fill(posix_spawn_file_actions_t *actions, const int child[3])
{
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++)
        failed = posix_spawn_file_actions_adddup2(actions, child[i], i);
#if __GLIBC_PREREQ(2, 34)
    if (!failed) /* what the program has opened without O_CLOEXEC is not the command's either */
        failed = posix_spawn_file_actions_addclosefrom_np(actions, 3);
#endif
    return failed;
}

static int spawn(command *c, const char *text, const int child[3], char *const *environment)
{
    char *const arguments[] = { (char[]){ "sh" }, (char[]){ "-c" }, (char *)(uintptr_t)text, NULL };
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_t actions;
    int failed = posix_spawnattr_init(&attributes);
    if (failed)
        return failed;
    failed = posix_spawn_file_actions_init(&actions);
    if (!failed) {
        failed = attributes_fill(&attributes);
        if (!failed)
            failed = actions_fill(&actions, child);
        pid_t pid;
        if (!failed)
            failed = posix_spawn(&pid, "/bin/sh", &actions, &attributes, arguments, environment);
        c->pid = failed ? 0 : pid;
        posix_spawn_file_actions_destroy(&actions);
    }
    posix_spawnattr_destroy(&attributes);
    return failed;
}

static void make_nonblocking(int fd)
{
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    fcntl(fd, F_SETPIPE_SZ, COMMAND_PIPE_SIZE); /* fewer turns; no matter if it is refused */
}

int command_start(command *c, const char *text, char *const *environment, rdd_error *err)
{
    int ends[3][2] = { { -1, -1 }, { -1, -1 }, { -1, -1 } };
    int failed = 0;
    for (int i = 0; i < 3 && !failed; i++)
        failed = pipe_make(ends[i]);
    const int child[3] = { ends[0][0], ends[1][1], ends[2][1] };
    if (!failed)
        failed = spawn(c, text, child, environment);
    for (int i = 0; i < 3; i++)
        if (child[i] >= 0)
            close(child[i]);
    c->to = ends[0][1];
    c->from = ends[1][0];
    c->errors = ends[2][0];
    if (failed)
        return error_set_errno(err, RDD_E_IO, failed, "cannot start `%.200s`", text);
    make_nonblocking(c->to);
    make_nonblocking(c->from);
    make_nonblocking(c->errors);
#ifdef SYS_pidfd_open
    c->pid_fd = (int)syscall(SYS_pidfd_open, c->pid, 0u);
#endif
    return 0;
}

/* ---- while it runs -------------------------------------------------------------------------- */

static void errors_read(command *c)
{
    char chunk[1024];
    while (c->errors >= 0) {
        ssize_t got = read(c->errors, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0)
            close_now(&c->errors);
        for (ssize_t i = 0; i < got; i++)
            c->last_errors[c->errors_size++ % COMMAND_ERRORS_SIZE] = chunk[i];
    }
}

/* Looks whether it has ended, and leaves it in the process table. */
static void look_for_exit(command *c)
{
    siginfo_t info = { .si_pid = 0 };
    if (c->exited)
        return;
    int rc = waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT);
    if (rc == 0 && info.si_pid) {
        c->exited = true;
        c->how = info.si_code;
        c->status = info.si_status;
    } else if (rc < 0 && errno != EINTR) {
        c->exited = c->lost = true;
    }
}

int command_poll(command *c, command_state *ret, rdd_error *err)
{
    enum { TO, FROM, ERRORS, EXIT };
    struct pollfd polled[] = {
        [TO] = { c->to, POLLOUT, 0 },
        [FROM] = { c->from, POLLIN, 0 },
        [ERRORS] = { c->errors, POLLIN, 0 },
        [EXIT] = { c->pid_fd, POLLIN, 0 },
    };
    int ready = poll(polled, ARRAY_SIZE(polled), c->pid_fd >= 0 ? TICK_MS : BLIND_TICK_MS);
    if (ready < 0 && errno != EINTR)
        return error_set_errno(err, RDD_E_IO, errno, "cannot wait for a command");
    if (ready < 0)
        ready = 0;
    if (ready && polled[ERRORS].revents)
        errors_read(c);
    if ((ready && polled[EXIT].revents) || c->pid_fd < 0)
        look_for_exit(c);
    *ret = (command_state){ .can_write = ready && polled[TO].revents,
                            .can_read = ready && polled[FROM].revents };
    return 0;
}

ssize_t command_write(command *c, const void *data, size_t size, rdd_error *err)
{
    ssize_t done;
    sigpipe_guard guard = sigpipe_block();
    do
        done = write(c->to, data, size);
    while (done < 0 && errno == EINTR);
    sigpipe_restore(&guard);
    if (done >= 0 || errno == EAGAIN)
        return done < 0 ? 0 : done;
    if (errno != EPIPE)
        return error_set_errno(err, RDD_E_IO, errno, "cannot write to a command");
    close_now(&c->to);
    return 0;
}

void command_end_input(command *c)
{
    close_now(&c->to);
}

ssize_t command_read(command *c, void *data, size_t size)
{
    ssize_t got;
    do
        got = read(c->from, data, size);
    while (got < 0 && errno == EINTR);
    if (got == 0 || (got < 0 && errno != EAGAIN))
        close_now(&c->from);
    return got < 0 ? 0 : got;
}

/* ---- the end -------------------------------------------------------------------------------- */

void command_drain_errors(command *c)
{
    errors_read(c);
}

/* The end of what it said, on one line. */
static void words_show(const command *c, char *text)
{
    size_t count = (size_t)u64_min(c->errors_size, WORDS_MAX), length = 0;
    for (size_t i = 0; i < count; i++) {
        char byte = c->last_errors[(c->errors_size - count + i) % COMMAND_ERRORS_SIZE];
        bool space = (unsigned char)byte <= ' ';
        if (!space || (length && text[length - 1] != ' '))
            text[length++] = space ? ' ' : byte;
    }
    while (length && text[length - 1] == ' ')
        length--;
    text[length] = 0;
}

int command_verdict(const command *c, char *text, size_t size)
{
    char words[WORDS_MAX + 1];
    if (c->lost) {
        snprintf(text, size,
                 "ended with a status that is lost: SIGCHLD is ignored, or something else in this "
                 "program waits for all children");
        return RDD_E_IO;
    }
    if (c->how == CLD_EXITED && c->status == 0)
        return 0;
    words_show(c, words);
    const char *before = *words ? "; its last words: " : "";
    const char *name = c->how == CLD_EXITED ? NULL : sigabbrev_np(c->status);
    if (c->how == CLD_EXITED)
        snprintf(text, size, "ended with status %d%s%s", c->status, before, words);
    else
        snprintf(text, size, "was ended by signal %d (%s%s)%s%s", c->status, name ? "SIG" : "?",
                 name ? name : "", before, words);
    return RDD_E_USER;
}

void command_release(command *c)
{
    close_now(&c->to);
    close_now(&c->from);
    close_now(&c->errors);
    close_now(&c->pid_fd);
    if (c->pid && !c->lost) {
        kill(-c->pid, SIGKILL);
        while (waitpid(c->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    c->pid = 0;
}
