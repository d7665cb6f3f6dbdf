#include "ssh_program.h"

#include "child.h"
#include "clock.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* A child in this memory, as posix_spawn() makes it. The thread sanitizer knows copies alone; plan->error
 * is then not seen, and a program that is not there ends with status 127. */
#ifdef __SANITIZE_THREAD__
enum { CLONE_HOW = SIGCHLD };
#else
enum { CLONE_HOW = CLONE_VM | CLONE_VFORK | SIGCHLD };
#endif

enum { SOCKET_BUFFER = 1 << 20, STACK_SIZE = 64 << 10 };

/* -- Descriptors ------------------------------------------------------------------------------- */

int ssh_program_open_log(ssh_program *p, rdd_error *err)
{
    int fds[2] = { -1, -1 };
    int failed = child_pipe(fds, CHILD_FD_LEAST);
    p->log_fd = fds[0];
    p->log_write_fd = fds[1];
    return failed ? error_set_errno(err, RDD_E_IO, errno, "no pipe for the ssh program") : 0;
}

/* -- Starting ---------------------------------------------------------------------------------- */

typedef struct child_plan {
    char **argv;
    int data_fd, errors_fd;
    pid_t parent;
    int error;
} child_plan;

/* Runs in the child while the parent's thread stands still, in the parent's memory: it changes
 * nothing of it but plan->error. posix_spawn() would do but for the signal at the parent's end. */
static int child_main(void *arg)
{
    child_plan *plan = arg;
    for (int s = 1; s < NSIG; s++) {
        struct sigaction usual = { .sa_handler = SIG_DFL };
        if (s != SIGKILL && s != SIGSTOP)
            sigaction(s, &usual, NULL);
    }
    sigset_t none;
    sigemptyset(&none);
    if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) || dup2(plan->data_fd, 0) < 0 ||
        dup2(plan->data_fd, 1) < 0 || dup2(plan->errors_fd, 2) < 0) {
        plan->error = errno;
        _exit(127);
    }
    if (getppid() != plan->parent)
        _exit(127);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execvp(plan->argv[0], plan->argv);
    plan->error = errno;
    _exit(127);
}

static pid_t start_child(child_plan *plan)
{
    CLEANUP(freep) char *stack = malloc(STACK_SIZE);
    if (!stack) {
        plan->error = ENOMEM;
        return -1;
    }
    /* A handler of ours must not run in the child. */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = clone(child_main, stack + STACK_SIZE, CLONE_HOW, plan);
    if (pid < 0)
        plan->error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && plan->error) {
        waitpid(pid, NULL, 0);
        return -1;
    }
    return pid;
}

int ssh_program_start(ssh_program *p, char **argv, rdd_error *err)
{
    int data[2] = { -1, -1 }, errors[2] = { -1, -1 };
    int failed = child_socket(data, CHILD_FD_LEAST, SOCKET_BUFFER) ||
                         child_pipe(errors, CHILD_FD_LEAST)
                     ? errno
                     : 0;
    child_plan plan = { .argv = argv, .data_fd = data[1], .errors_fd = errors[1],
                        .parent = getpid() };
    pid_t pid = failed ? -1 : start_child(&plan);
    closep(&data[1]);
    closep(&errors[1]);
    if (pid < 0) {
        closep(&data[0]);
        closep(&errors[0]);
        failed = failed ? failed : plan.error;
        if (failed == ENOENT)
            return error_set(err, RDD_E_IO, "the program %s is not in PATH; install OpenSSH's client "
                                            "(Debian: openssh-client)", argv[0]);
        return error_set_errno(err, RDD_E_IO, failed, "the program %s could not be started",
                               argv[0]);
    }
    p->pid = pid;
    p->data_fd = data[0];
    p->errors_fd = errors[0];
    return 0;
}

/* -- Its end ----------------------------------------------------------------------------------- */

static int close_fd(int *fd)
{
    closep(fd);
    return *fd = -1;
}

static void wait_for_end(pid_t pid, uint64_t deadline_ns, bool *ret_ended)
{
    CLEANUP(closep) int pidfd = child_pidfd(pid);
    while (child_is_ours(pid, ret_ended) && !*ret_ended && clock_now_ns() < deadline_ns) {
        struct pollfd p = { .fd = pidfd, .events = POLLIN };
        int left_ms = clock_poll_ms(clock_now_ns(), deadline_ns);
        poll(&p, 1, pidfd >= 0 || left_ms < CHILD_LOOK_MS ? left_ms : CHILD_LOOK_MS);
    }
}

int ssh_program_end(ssh_program *p, uint64_t deadline_ns, bool *ret_killed)
{
    bool ended = false;
    int status = -1;
    close_fd(&p->data_fd);
    if (p->pid) {
        wait_for_end(p->pid, deadline_ns, &ended);
        if (child_is_ours(p->pid, &ended) && !child_kill(p->pid, &status))
            status = -1;
        p->pid = 0;
    }
    close_fd(&p->errors_fd);
    close_fd(&p->log_fd);
    close_fd(&p->log_write_fd);
    if (ret_killed)
        *ret_killed = !ended;
    return status;
}
