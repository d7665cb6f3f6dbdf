#include "executor_spawn.h"

#include "child.h"
#include "clock.h"
#include "conf.h"
#include "crash.h"
#include "entry.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum {
    SOCKET_BUFFER = 1 << 20,
    READS_MAX = 256,     /* before the clock is looked at */
    GUARDIAN_WAIT_S = 6, /* for a guardian that was told to end its executor: the kernel has to */
};

/* -- Starting ---------------------------------------------------------------------------------- */

/* Nothing of the driver's is inherited but stderr: descriptors, blocked and ignored signals. */
static int spawn(pid_t *ret, int in_fd, int out_fd, char **argv, char **environment)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, in_fd, 0);
    posix_spawn_file_actions_adddup2(&files, out_fd, 1);
#if __GLIBC_PREREQ(2, 34)
    posix_spawn_file_actions_addclosefrom_np(&files, 3);
#endif
    posix_spawnattr_t how;
    child_attributes(&how, POSIX_SPAWN_SETSID);
    int error = posix_spawn(ret, entry_exec_path(), &files, &how, argv, environment);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* Ours, and what node.h takes from it: with files for the tasks, they get a directory of their own. */
static char **make_environment(char **work, char **list)
{
    size_t count = 0, used = 0;
    while (environ[count])
        count++;
    const char *files = conf_text("files"), *temporary = getenv("TMPDIR");
    char **all = malloc((count + 3) * sizeof *all);
    for (size_t i = 0; all && i < count && environ[i]; i++) /* the program may change it meanwhile */
        if (strncmp(environ[i], "RDD_WORK=", 9) && strncmp(environ[i], "RDD_FILE_LIST=", 14))
            all[used++] = environ[i];
    if (all && *files) {
        bool absolute = temporary && *temporary == '/';
        if (asprintf(work, "RDD_WORK=%s", absolute ? temporary : "/tmp") < 0)
            *work = NULL;
        if (asprintf(list, "RDD_FILE_LIST=%s", files) < 0)
            *list = NULL;
        if (!*work || !*list) {
            free(all);
            return NULL;
        }
        all[used++] = *work;
        all[used++] = *list;
    }
    if (all)
        all[used] = NULL;
    return all;
}

int executor_spawn(executor_child *ret, rdd_error *err)
{
    int to[2] = { -1, -1 }, from[2] = { -1, -1 };
    CLEANUP(freep) char **argv = entry_argv("--rdd-supervisor", err);
    if (!argv)
        return RDD_E_IO;
    executor_child c = { .pid = 0 };
    CLEANUP(freep) char *work = NULL;
    CLEANUP(freep) char *list = NULL;
    CLEANUP(freep) char **environment = make_environment(&work, &list);
    int error = environment ? 0 : ENOMEM;
    if (!error && (child_socket(to, CHILD_FD_LEAST, SOCKET_BUFFER) ||
                   child_socket(from, CHILD_FD_LEAST, SOCKET_BUFFER)))
        error = errno;
    if (!error)
        error = spawn(&c.pid, to[1], from[1], argv, environment);
    closep(&to[1]);
    closep(&from[1]);
    if (error) {
        closep(&to[0]);
        closep(&from[0]);
        return error_set_errno(err, RDD_E_IO, error, "an executor could not be started");
    }
    c.in_fd = from[0];
    c.out_fd = to[0];
    *ret = c;
    return 0;
}

/* -- Its end ----------------------------------------------------------------------------------- */

/* Reads what still comes; false when the channel has ended: then the supervisor has. */
static bool read_on(int fd)
{
    char bytes[4096];
    ssize_t size = 1;
    for (int i = 0; i < READS_MAX && (size > 0 || (size < 0 && errno == EINTR)); i++)
        size = read(fd, bytes, sizeof bytes);
    return size > 0 || (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR));
}

/* Waits for the guardian and for the end of the channel: a supervisor whose guardian was killed may
 * still be at work, ending what is below it. True when both have ended. */
static bool wait_for_end(const executor_child *c, uint64_t patience_ns)
{
    uint64_t deadline = clock_now_ns() + patience_ns;
    CLEANUP(closep) int pidfd = child_pidfd(c->pid);
    for (;;) {
        bool ended = false, gone = !child_is_ours(c->pid, &ended) || ended, talks = read_on(c->in_fd);
        if (gone && !talks)
            return true;
        int left_ms = clock_poll_ms(clock_now_ns(), deadline);
        if (!left_ms)
            return false;
        struct pollfd polls[] = { { .fd = talks ? c->in_fd : -1, .events = POLLIN },
                                  { .fd = gone ? -1 : pidfd, .events = POLLIN } };
        bool polled = gone || pidfd >= 0 || left_ms < CHILD_LOOK_MS;
        poll(polls, ARRAY_SIZE(polls), polled ? left_ms : CHILD_LOOK_MS);
    }
}

static void describe(int status, char *text, size_t size)
{
    char name[32];
    if (WIFSIGNALED(status))
        snprintf(text, size, "its process was killed by signal %d (%s)", WTERMSIG(status),
                 crash_signal_name(WTERMSIG(status), name, sizeof name));
    else
        snprintf(text, size, "its process exited with status %d", WEXITSTATUS(status));
}

void executor_end(executor_child *c, uint64_t patience_ns, char *text, size_t size)
{
    closep(&c->out_fd);
    snprintf(text, size, "its process is gone");
    bool over = wait_for_end(c, patience_ns), ended;
    if (!over && child_is_ours(c->pid, &ended) && !ended) {
        kill(c->pid, SIGQUIT);
        wait_for_end(c, GUARDIAN_WAIT_S * NS_PER_S);
    }
    closep(&c->in_fd);
    if (!child_is_ours(c->pid, &ended))
        return;
    int status;
    if (child_kill(c->pid, &status))
        describe(status, text, size);
    c->pid = 0;
}
