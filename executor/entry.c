#include "entry.h"

#include "guardian.h"
#include "supervisor_loop.h"
#include "worker_process.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

static const char SUPERVISOR[] = "--rdd-supervisor";
static const char WORKER[] = "--rdd-worker=";

enum { MOVED_FD_LEAST = 100, CMDLINE_MAX = 16 << 20, KEPT_MAX = 64 << 20 };

/* Filled by the constructor. */
static struct {
    enum { ROLE_DRIVER, ROLE_SUPERVISOR, ROLE_WORKER } role;
    int in_fd, out_fd;  /* of a supervisor */
    int channel_fd;     /* of a worker */
    int argc;           /* as this process was started with */
} entry = { .in_fd = -1, .out_fd = -1, .channel_fd = -1 };

/* -- Before main ------------------------------------------------------------------------------- */

/* Where `fd` goes so that nobody who just writes to it finds the channel. */
static int move_away(int fd)
{
    int moved = fcntl(fd, F_DUPFD_CLOEXEC, MOVED_FD_LEAST);
    return moved >= 0 ? moved : fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

/* Blocks and frames come and go by the megabyte: what one has left, the next one gets, without a page
 * fault for every 4 KiB of it. */
static void keep_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, KEPT_MAX / 2);
    mallopt(M_TRIM_THRESHOLD, KEPT_MAX);
}

static void begin_supervisor(void)
{
    guardian_begin(); /* from here on this is its child */
    entry.role = ROLE_SUPERVISOR;
    keep_memory();
    prctl(PR_SET_NAME, "rdd-supervisor"); /* rather than "exe" */
    entry.in_fd = move_away(0);
    entry.out_fd = move_away(1);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return;
    dup2(null, 0);
    if (fcntl(2, F_GETFD) < 0)
        dup2(null, 2);
    dup2(2, 1);
    if (null > 2)
        close(null);
}

/* A worker dies with its supervisor, whatever it is doing. */
static void begin_worker(const char *fd)
{
    entry.role = ROLE_WORKER;
    keep_memory();
    prctl(PR_SET_NAME, "rdd-worker");
    entry.channel_fd = (int)strtol(fd, NULL, 10);
    fcntl(entry.channel_fd, F_SETFD, FD_CLOEXEC);
    fcntl(WORKER_BOARD_FD, F_SETFD, FD_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

/* glibc hands constructors what main gets. This one is among the first of its module. */
__attribute__((constructor(101))) static void entry_begin(int argc, char **argv)
{
    entry.argc = argc;
    if (argc != 2)
        return;
    if (strcmp(argv[1], SUPERVISOR) == 0)
        begin_supervisor();
    else if (strncmp(argv[1], WORKER, sizeof WORKER - 1) == 0)
        begin_worker(argv[1] + sizeof WORKER - 1);
}

/* -- In main ----------------------------------------------------------------------------------- */

bool entry_is_executor(void)
{
    return entry.role != ROLE_DRIVER;
}

/* Where a build has them: leaks are looked for, and coverage is written. */
__attribute__((weak)) void __lsan_do_leak_check(void);
__attribute__((weak)) void __gcov_dump(void);

/* `loader program`: the kernel then knows no interpreter. The leak sanitizer takes the loader's own
 * memory for leaked there. */
static bool is_started_by_loader(void)
{
    return getauxval(AT_BASE) == 0;
}

/* The program's own exit handlers are the driver's: they do not run here. */
static _Noreturn void leave(int status)
{
    fflush(NULL);
    if (__gcov_dump)
        __gcov_dump();
    if (__lsan_do_leak_check && !is_started_by_loader())
        __lsan_do_leak_check();
    _exit(status);
}

void executor_entry(int *argc, char **argv)
{
    (void)argc, (void)argv; /* the constructor saw them before the program could change them */
    if (entry.role == ROLE_SUPERVISOR)
        leave(supervisor_main(entry.in_fd, entry.out_fd));
    if (entry.role == ROLE_WORKER)
        leave(worker_main(entry.channel_fd, WORKER_BOARD_FD));
}

/* -- Starting this program again --------------------------------------------------------------- */

const char *entry_exec_path(void)
{
    return "/proc/self/exe";
}

static int read_cmdline(buf *b, rdd_error *err)
{
    CLEANUP(closep) int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    b->max = CMDLINE_MAX;
    for (ssize_t size = fd < 0 ? 0 : 1; size > 0;) {
        void *to = buf_reserve(b, 4096);
        size = to ? read(fd, to, 4096) : -1;
        b->size += size > 0 ? (size_t)size : 0;
    }
    if (fd >= 0 && b->size && b->data[b->size - 1] == 0)
        return 0;
    error_set(err, RDD_E_IO, "/proc/self/cmdline cannot be read: is /proc mounted?");
    return RDD_E_IO;
}

/* The arguments up to the program's own: a program loader with its options, if it was used, and the
 * program. /proc has all of them, main has the last `argc`. */
char **entry_argv(const char *argument, rdd_error *err)
{
    CLEANUP(buf_release) buf line = { 0 };
    if (read_cmdline(&line, err) < 0)
        return NULL;
    size_t count = 0;
    for (size_t i = 0; i < line.size; i++)
        count += line.data[i] == 0;
    size_t own = entry.argc > 0 ? (size_t)entry.argc - 1 : 0;
    size_t keep = count > own ? count - own : 1;
    size_t text_size = line.size + strlen(argument) + 1;
    char **argv = malloc((keep + 2) * sizeof *argv + text_size);
    if (!argv) {
        error_set_memory(err, "starting an executor");
        return NULL;
    }
    char *text = (char *)(argv + keep + 2);
    memcpy(text, line.data, line.size);
    memcpy(text + line.size, argument, strlen(argument) + 1);
    char *at = text;
    for (size_t i = 0; i < keep; i++, at += strlen(at) + 1)
        argv[i] = at;
    argv[keep] = text + line.size;
    argv[keep + 1] = NULL;
    return argv;
}
