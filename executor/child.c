#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* -- Descriptors ------------------------------------------------------------------------------- */

int child_fd_high(int fd, int least)
{
    if (fd < 0 || fd >= least)
        return fd;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, least);
    close(fd);
    return high;
}

static int settle(int fds[2], int least)
{
    for (int i = 0; i < 2; i++)
        fds[i] = child_fd_high(fds[i], least);
    return fds[0] < 0 || fds[1] < 0 ? -1 : fcntl(fds[0], F_SETFL, O_NONBLOCK);
}

int child_socket(int fds[2], int least, int buffer)
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds))
        return -1;
    for (int i = 0; i < 2 && buffer; i++)
        setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &buffer, sizeof buffer);
    return settle(fds, least);
}

int child_pipe(int fds[2], int least)
{
    return pipe2(fds, O_CLOEXEC) ? -1 : settle(fds, least);
}

/* -- Starting ---------------------------------------------------------------------------------- */

void child_attributes(posix_spawnattr_t *how, short more)
{
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_init(how);
    posix_spawnattr_setsigmask(how, &none);
    posix_spawnattr_setsigdefault(how, &all);
    posix_spawnattr_setflags(how, (short)(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | more));
}

/* -- Its end ----------------------------------------------------------------------------------- */

bool child_is_ours(pid_t pid, bool *ret_ended)
{
    siginfo_t info = { 0 };
    if (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT))
        return false;
    *ret_ended = info.si_pid == pid;
    return true;
}

int child_pidfd(pid_t pid)
{
#ifdef SYS_pidfd_open
    return (int)syscall(SYS_pidfd_open, pid, 0);
#else
    (void)pid;
    return -1;
#endif
}

/* Not reaped yet, so the number is not anybody else's. */
bool child_kill(pid_t pid, int *ret_status)
{
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    pid_t reaped;
    do
        reaped = waitpid(pid, ret_status, 0);
    while (reaped < 0 && errno == EINTR);
    return reaped == pid;
}
