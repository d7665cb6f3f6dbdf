#include "supervisor_loop.h"

#include "child.h"
#include "clock.h"
#include "cores.h"
#include "descendants.h"
#include "entry.h"
#include "guardian.h"
#include "line_splitter.h"
#include "node.h"
#include "oom.h"
#include "registry.h"
#include "supervisor.h"
#include "worker_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>

enum {
    FLUSH_WAIT_MS = 1000,     /* for the driver to take the last words */
    END_WAIT_S = 5,           /* for the kernel to end what was killed */
    DRAIN_MAX = 64 << 20,     /* of a dead worker's descriptors; a stray child may write for ever */
    LOG_READ = 64 << 10,
    PIPE_SIZE = 512 << 10,
    FD_LEAST = 10,            /* ours stay clear of what a worker is born with */
    FDS_FIXED = 3,            /* in, out, signals */
};

typedef struct process {
    pid_t pid;                /* 0: none */
    int channel_fd, log_fd;   /* -1 when closed */
    board *board;
    size_t board_size;
    int64_t oom_before;
    bool closed;              /* its channel ended, it still lives */
    line_splitter lines;
} process;

typedef struct loop {
    supervisor *s;
    int in, out, signals;
    bool driver_gone;
    process *processes;       /* by worker number */
    uint32_t count;
    struct pollfd *polls;     /* FDS_FIXED, then two for each worker */
    pid_t *pids;              /* of all workers, when orphans are looked for */
} loop;

typedef struct line_target {
    loop *l;
    uint32_t worker;
} line_target;

static void take_line(void *arg, rdd_str line)
{
    line_target *to = arg;
    supervisor_worker_line(to->l->s, to->worker, line, clock_now_ns());
}

/* -- Starting a worker ------------------------------------------------------------------------- */

static int open_board(process *p, uint32_t slots, int *ret_fd)
{
    *ret_fd = child_fd_high(memfd_create("rdd-board", MFD_CLOEXEC), FD_LEAST);
    p->board_size = board_size(slots);
    if (*ret_fd < 0 || ftruncate(*ret_fd, (off_t)p->board_size))
        return -1;
    void *at = mmap(NULL, p->board_size, PROT_READ | PROT_WRITE, MAP_SHARED, *ret_fd, 0);
    if (at == MAP_FAILED)
        return -1;
    p->board = at;
    return 0;
}

static int spawn(process *p, int channel_fd, int log_fd, int board_fd, char **argv)
{
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, log_fd, 1);
    posix_spawn_file_actions_adddup2(&files, log_fd, 2);
    posix_spawn_file_actions_adddup2(&files, channel_fd, WORKER_CHANNEL_FD);
    posix_spawn_file_actions_adddup2(&files, board_fd, WORKER_BOARD_FD);
    posix_spawnattr_t how;
    child_attributes(&how, 0);
    int error = posix_spawn(&p->pid, entry_exec_path(), &files, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static void close_process(process *p)
{
    closep(&p->channel_fd);
    closep(&p->log_fd);
    if (p->board)
        munmap(p->board, p->board_size);
    *p = (process){ .channel_fd = -1, .log_fd = -1 };
}

static int open_process(process *p, uint32_t slots, rdd_error *err)
{
    *p = (process){ .channel_fd = -1, .log_fd = -1, .oom_before = oom_kills() };
    int channel_fds[2] = { -1, -1 }, log_fds[2] = { -1, -1 }, board_fd = -1;
    CLEANUP(freep) char **argv = entry_argv("--rdd-worker=3", err);
    int error = argv ? 0 : ENOMEM;
    if (!error && (child_socket(channel_fds, FD_LEAST, 0) || child_pipe(log_fds, FD_LEAST) ||
                   open_board(p, slots, &board_fd)))
        error = errno;
    if (!error)
        error = spawn(p, channel_fds[1], log_fds[1], board_fd, argv);
    p->channel_fd = channel_fds[0];
    p->log_fd = log_fds[0];
    closep(&channel_fds[1]);
    closep(&log_fds[1]);
    closep(&board_fd);
    if (!error)
        return 0;
    close_process(p);
    return error_set_errno(err, RDD_E_IO, error, "a worker process could not be started");
}

static bool make_room(loop *l, uint32_t count)
{
    process *processes = realloc(l->processes, (count + 1) * sizeof *processes);
    if (processes)
        l->processes = processes;
    struct pollfd *polls = realloc(l->polls, (FDS_FIXED + 2 * count) * sizeof *polls);
    if (polls)
        l->polls = polls;
    pid_t *pids = realloc(l->pids, (count + 1) * sizeof *pids);
    if (pids)
        l->pids = pids;
    if (!processes || !polls || !pids)
        return false;
    for (; l->count < count; l->count++)
        l->processes[l->count] = (process){ .channel_fd = -1, .log_fd = -1 };
    return true;
}

static void start_worker(loop *l, const supervisor_command *c)
{
    rdd_error err;
    error_set_memory(&err, "starting workers");
    bool started = (c->worker < l->count || make_room(l, supervisor_worker_count(l->s))) &&
                   open_process(&l->processes[c->worker], c->slots, &err) == 0;
    if (started)
        supervisor_worker_started(l->s, c->worker, l->processes[c->worker].board, clock_now_ns());
    else
        supervisor_worker_not_started(l->s, c->worker, &err, clock_now_ns());
}

/* -- Its end ----------------------------------------------------------------------------------- */

static channel_io read_worker(loop *l, uint32_t index)
{
    channel *c = supervisor_worker_channel(l->s, index);
    channel_io io = channel_read(c, l->processes[index].channel_fd);
    if (io == CHANNEL_MOVED)
        supervisor_worker_input(l->s, index, clock_now_ns());
    return io;
}

/* Lines as far as there are any now; false at the end. */
static bool read_log(loop *l, uint32_t index, size_t *ret_size)
{
    process *p = &l->processes[index];
    char bytes[LOG_READ];
    ssize_t size;
    do
        size = read(p->log_fd, bytes, sizeof bytes);
    while (size < 0 && errno == EINTR);
    *ret_size = size > 0 ? (size_t)size : 0;
    line_target to = { l, index };
    line_splitter_feed(&p->lines, bytes, *ret_size, take_line, &to);
    return size > 0 || (size < 0 && errno == EAGAIN);
}

/* Everything that a dead worker left in its descriptors, a stray child's own words apart. */
static void drain(loop *l, uint32_t index)
{
    process *p = &l->processes[index];
    size_t total = 0, size = 0;
    for (int i = 0; i < DRAIN_MAX / LOG_READ && !p->closed; i++)
        if (read_worker(l, index) != CHANNEL_MOVED)
            break;
    while (p->log_fd >= 0 && total < DRAIN_MAX && read_log(l, index, &size) && size)
        total += size;
    line_target to = { l, index };
    line_splitter_end(&p->lines, take_line, &to);
}

static void end_worker(loop *l, uint32_t index, int wait_status)
{
    process *p = &l->processes[index];
    drain(l, index);
    worker_end end = { .wait_status = wait_status, .oom_kills_before = p->oom_before,
                       .oom_kills = oom_kills() };
    supervisor_worker_ended(l->s, index, &end, clock_now_ns());
    close_process(p);
}

/* What a dead worker left running is an orphan, and ours now. */
static void end_orphans(loop *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        l->pids[i] = l->processes[i].pid;
    descendants_kill_orphans(l->pids, l->count);
}

static void reap(loop *l)
{
    int status;
    bool ended = false;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        for (uint32_t i = 0; i < l->count; i++) {
            if (l->processes[i].pid != pid)
                continue;
            end_worker(l, i, status);
            ended = true;
        }
    }
    if (ended)
        end_orphans(l);
}

static void take_signals(loop *l)
{
    struct signalfd_siginfo info;
    while (read(l->signals, &info, sizeof info) == sizeof info) {
        if (info.ssi_signo == SIGCHLD)
            continue;
        char name[32], why[96];
        if (info.ssi_signo == GUARDIAN_GONE)
            snprintf(why, sizeof why, "the executor's guardian was killed");
        else
            snprintf(why, sizeof why, "the executor was ended by %s",
                     crash_signal_name((int)info.ssi_signo, name, sizeof name));
        supervisor_stop(l->s, why);
    }
    reap(l);
}

/* -- Moving bytes ------------------------------------------------------------------------------ */

static void worker_closed(loop *l, uint32_t index)
{
    l->processes[index].closed = true;
    supervisor_worker_closed(l->s, index);
}

static void write_worker(loop *l, uint32_t index)
{
    channel *c = supervisor_worker_channel(l->s, index);
    if (l->processes[index].closed)
        return;
    if (channel_failed(c) || (channel_has_output(c) &&
                              channel_write(c, l->processes[index].channel_fd) == CHANNEL_ENDED))
        worker_closed(l, index);
}

static void write_all(loop *l)
{
    channel *driver = supervisor_driver(l->s);
    if (channel_failed(driver) || channel_write(driver, l->out) == CHANNEL_ENDED) {
        l->driver_gone = true;
        supervisor_driver_ended(l->s);
    }
    for (uint32_t i = 0; i < l->count; i++)
        if (l->processes[i].pid)
            write_worker(l, i);
}

static void read_driver(loop *l)
{
    channel_io io = channel_read(supervisor_driver(l->s), l->in);
    if (io == CHANNEL_MOVED)
        supervisor_driver_input(l->s, clock_now_ns());
    if (io == CHANNEL_ENDED) {
        l->driver_gone = true;
        supervisor_driver_ended(l->s);
    }
}

static nfds_t fill_polls(loop *l)
{
    struct pollfd *p = l->polls;
    bool output = channel_has_output(supervisor_driver(l->s));
    *p++ = (struct pollfd){ .fd = l->signals, .events = POLLIN };
    *p++ = (struct pollfd){ .fd = l->in, .events = POLLIN };
    *p++ = (struct pollfd){ .fd = output ? l->out : -1, .events = POLLOUT };
    for (uint32_t i = 0; i < l->count; i++) {
        const process *w = &l->processes[i];
        bool talks = w->pid && !w->closed;
        output = talks && channel_has_output(supervisor_worker_channel(l->s, i));
        *p++ = (struct pollfd){ .fd = talks ? w->channel_fd : -1,
                                .events = (short)(POLLIN | (output ? POLLOUT : 0)) };
        *p++ = (struct pollfd){ .fd = w->log_fd, .events = POLLIN };
    }
    return (nfds_t)(p - l->polls);
}

static void close_log(process *p)
{
    closep(&p->log_fd);
    p->log_fd = -1;
}

static void take_worker_polls(loop *l)
{
    for (uint32_t i = 0; i < l->count; i++) {
        const struct pollfd *p = &l->polls[FDS_FIXED + 2 * i];
        size_t size;
        if ((p[0].revents & (POLLIN | POLLHUP | POLLERR)) &&
            read_worker(l, i) == CHANNEL_ENDED)
            worker_closed(l, i);
        if ((p[1].revents & (POLLIN | POLLHUP | POLLERR)) && !read_log(l, i, &size))
            close_log(&l->processes[i]);
    }
}

static void kill_worker(const process *p)
{
    if (p->pid > 0)
        kill(p->pid, SIGKILL);
}

/* True when the supervisor wants to end. */
static bool run_commands(loop *l)
{
    supervisor_command c;
    while (supervisor_next_command(l->s, &c)) {
        switch (c.kind) {
        case SUPERVISOR_START: start_worker(l, &c); break;
        case SUPERVISOR_KILL: kill_worker(&l->processes[c.worker]); break;
        case SUPERVISOR_EXIT: return true;
        }
    }
    return false;
}

static void turn(loop *l)
{
    write_all(l);
    nfds_t count = fill_polls(l);
    int ready = poll(l->polls, count, clock_poll_ms(clock_now_ns(), supervisor_deadline(l->s)));
    if (ready > 0) {
        /* Workers first, and as many as were polled: an ended one is known by its signal. */
        take_worker_polls(l);
        if (l->polls[1].revents)
            read_driver(l);
        if (l->polls[0].revents)
            take_signals(l);
    }
    supervisor_tick(l->s, clock_now_ns());
}

/* The driver is given a moment to take the last words. */
static void flush_driver(loop *l)
{
    channel *c = supervisor_driver(l->s);
    uint64_t deadline = clock_now_ns() + FLUSH_WAIT_MS * NS_PER_MS;
    while (!l->driver_gone && !channel_failed(c) && clock_now_ns() < deadline) {
        if (channel_write(c, l->out) != CHANNEL_WAITING)
            return;
        struct pollfd p = { .fd = l->out, .events = POLLOUT };
        poll(&p, 1, clock_poll_ms(clock_now_ns(), deadline));
    }
}

/* -- Beginning and end ------------------------------------------------------------------------- */

static void describe_self(hello *h)
{
    struct sysinfo machine = { 0 };
    sysinfo(&machine);
    *h = (hello){
        .digest = registry_digest(),
        .pid = (uint32_t)getpid(),
        .cores = cores_allowed(),
        .memory = (uint64_t)machine.totalram * machine.mem_unit,
        .wall_ms = clock_wall_ms(),
    };
    snprintf(h->build_id, sizeof h->build_id, "%s", registry_build_id());
    gethostname(h->host, sizeof h->host - 1);
}

/* Its session, which is the guardian's, keeps the terminal's ^C away. */
static bool begin(loop *l, rdd_error *err)
{
    descendants_adopt();
    signal(SIGPIPE, SIG_IGN);
    signal(SIGCHLD, SIG_DFL);
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGCHLD);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGHUP);
    sigaddset(&taken, GUARDIAN_GONE);
    sigprocmask(SIG_SETMASK, &taken, NULL);
    l->signals = child_fd_high(signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK), FD_LEAST);
    if (l->signals < 0 || fcntl(l->in, F_SETFL, O_NONBLOCK) ||
        fcntl(l->out, F_SETFL, O_NONBLOCK)) {
        error_set_errno(err, RDD_E_IO, errno, "the executor cannot use its descriptors");
        return false;
    }
    fcntl(l->out, F_SETPIPE_SZ, PIPE_SIZE); /* if it is one */
    hello self;
    describe_self(&self);
    if (!make_room(l, 0)) {
        error_set_memory(err, "starting an executor");
        return false;
    }
    return supervisor_new(&l->s, &self, clock_now_ns(), err) == 0;
}

static void release(loop *l)
{
    for (uint32_t i = 0; i < l->count; i++)
        close_process(&l->processes[i]);
    supervisor_free(l->s);
    free(l->processes);
    free(l->polls);
    free(l->pids);
    close(l->signals);
}

/* It did not begin: the driver hears why, instead of a greeting. */
static void refuse(int out, const rdd_error *why)
{
    CLEANUP(buf_release) buf bye = { 0 };
    bye_append(&bye, why);
    if (bye.failed || write(out, bye.data, bye.size) != (ssize_t)bye.size)
        fprintf(stderr, "rdd: %s\n", why->message);
}

int supervisor_main(int in_fd, int out_fd)
{
    loop l = { .in = in_fd, .out = out_fd, .signals = -1 };
    rdd_error err;
    node here;
    bool begun = begin(&l, &err);
    if (!begun || node_enter(&here, &err) < 0) {
        refuse(out_fd, &err);
        release(&l);
        return 1;
    }
    while (!run_commands(&l))
        turn(&l);
    bool clean = descendants_kill_all(END_WAIT_S * NS_PER_S);
    flush_driver(&l);
    node_leave(&here);
    release(&l);
    return clean ? 0 : 1;
}
