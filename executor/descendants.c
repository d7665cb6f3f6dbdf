#include "descendants.h"

#include "clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* Between two looks, when no child's end wakes us earlier. */
enum { LOOK_AGAIN_MS = 20 };

int descendants_adopt(void)
{
    return prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) ? -errno : 0;
}

/* The parent of a process, or -1. A process's name may hold anything, so the fields begin behind
 * the last ')'. */
static pid_t parent_of(const char *pid)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%.20s/stat", pid);
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (size <= 0)
        return -1;
    text[size] = 0;
    const char *at = strrchr(text, ')');
    int parent;
    return at && sscanf(at + 1, " %*c %d", &parent) == 1 ? parent : -1;
}

static bool is_among(pid_t pid, const pid_t *keep, size_t keep_count)
{
    for (size_t i = 0; i < keep_count; i++)
        if (keep[i] == pid)
            return true;
    return false;
}

void descendants_kill_orphans(const pid_t *keep, size_t keep_count)
{
    DIR *proc = opendir("/proc");
    if (!proc)
        return;
    pid_t self = getpid();
    for (struct dirent *entry; (entry = readdir(proc));) {
        char *end;
        long pid = strtol(entry->d_name, &end, 10);
        if (pid > 1 && !*end && parent_of(entry->d_name) == self &&
            !is_among((pid_t)pid, keep, keep_count))
            kill((pid_t)pid, SIGKILL);
    }
    closedir(proc);
}

/* Reaps what has ended; false when there are no children at all. */
static bool reap_ended(void)
{
    pid_t pid;
    do
        pid = waitpid(-1, NULL, WNOHANG);
    while (pid > 0 || (pid < 0 && errno == EINTR));
    return pid == 0;
}

bool descendants_kill_all(uint64_t timeout_ns)
{
    uint64_t deadline = clock_now_ns() + timeout_ns;
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    struct timespec wait = clock_timespec(LOOK_AGAIN_MS * NS_PER_MS);
    while (reap_ended()) {
        if (clock_now_ns() >= deadline)
            return false;
        descendants_kill_orphans(NULL, 0);
        sigtimedwait(&child, NULL, &wait);
    }
    return true;
}
