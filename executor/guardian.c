#include "guardian.h"

#include "clock.h"
#include "descendants.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

enum {
    END_WAIT_S = 3,        /* for a supervisor that was told to end */
    KILL_WAIT_S = 5,       /* for the kernel to end what was killed */
    STATUS_SIGNALLED = 128 /* what a shell adds, if a signal does not end us */
};

/* What the guardian waits for. */
static void guarded_signals(sigset_t *ret)
{
    sigemptyset(ret);
    sigaddset(ret, SIGCHLD);
    sigaddset(ret, SIGTERM);
    sigaddset(ret, SIGINT);
    sigaddset(ret, SIGHUP);
    sigaddset(ret, SIGQUIT);
}

/* Waits for a signal until `deadline`; 0 when none came. */
static int next_signal(const sigset_t *set, uint64_t deadline)
{
    struct timespec wait;
    int number;
    do {
        uint64_t now = clock_now_ns();
        wait = clock_timespec(deadline > now ? deadline - now : 0);
        number = deadline == CLOCK_NEVER ? sigwaitinfo(set, NULL) : sigtimedwait(set, NULL, &wait);
    } while (number < 0 && errno == EINTR);
    return number < 0 ? 0 : number;
}

/* Reaps what has ended, orphans included. True when the supervisor was among them. */
static bool reap(pid_t supervisor, int *ret_status)
{
    bool ended = false;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        if (pid == supervisor) {
            *ret_status = status;
            ended = true;
        }
    return ended;
}

/* Its wait status. Until it is reaped its number is nobody else's. */
static int watch(pid_t supervisor, const sigset_t *set)
{
    int status;
    uint64_t deadline = CLOCK_NEVER;
    while (!reap(supervisor, &status)) {
        int number = next_signal(set, deadline);
        if (number == 0 || number == SIGQUIT) {
            kill(supervisor, SIGKILL);
            deadline = CLOCK_NEVER;
        } else if (number != SIGCHLD) {
            kill(supervisor, number);
            if (deadline == CLOCK_NEVER)
                deadline = clock_now_ns() + END_WAIT_S * NS_PER_S;
        }
    }
    return status;
}

/* Whoever waits for the guardian learns what became of the supervisor. */
static _Noreturn void end_as(int status)
{
    if (WIFEXITED(status))
        _exit(WEXITSTATUS(status));
    int number = WTERMSIG(status);
    setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 }); /* the supervisor's is there already */
    signal(number, SIG_DFL);
    sigset_t one;
    sigemptyset(&one);
    sigaddset(&one, number);
    sigprocmask(SIG_UNBLOCK, &one, NULL);
    kill(getpid(), number);
    _exit(STATUS_SIGNALLED + number);
}

/* The channel is the supervisor's alone: its end must be seen when that ends. */
static void let_go_of_channel(void)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd <= STDOUT_FILENO; fd++)
        if (null < 0 || dup2(null, fd) < 0)
            close(fd);
    if (null > STDOUT_FILENO)
        close(null);
}

static _Noreturn void guard(pid_t supervisor, const sigset_t *set)
{
    prctl(PR_SET_NAME, "rdd-guardian"); /* rather than "exe" */
    let_go_of_channel();
    int status = watch(supervisor, set);
    descendants_kill_all(KILL_WAIT_S * NS_PER_S);
    end_as(status);
}

void guardian_begin(void)
{
    setsid(); /* fails for one who was started in a session of his own */
    signal(SIGCHLD, SIG_DFL);
    sigset_t guarded, before;
    guarded_signals(&guarded);
    sigprocmask(SIG_BLOCK, &guarded, &before);
    pid_t guardian = getpid(), child = descendants_adopt() < 0 ? -1 : fork();
    if (child > 0) {
        prctl(PR_SET_PDEATHSIG, SIGHUP);
        guard(child, &guarded);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, GUARDIAN_GONE);
        if (getppid() != guardian)
            _exit(1);
    }
}
