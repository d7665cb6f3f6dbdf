#include "log_file.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>

static const uint64_t FLUSH_NS = NS_PER_S;

static int open_fd(const char *path)
{
    if (!strcmp(path, "-"))
        return fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

int log_file_open(log_file *f, const char *path, rdd_error *err)
{
    log_file made = { .fd = open_fd(path) };
    if (made.fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "the event log %s cannot be written", path);
    struct stat status;
    made.regular = strcmp(path, "-") != 0 && fstat(made.fd, &status) == 0 &&
                   S_ISREG(status.st_mode);
    made.path = strdup(path);
    if (!made.path || !buf_reserve(&made.out, LOG_FILE_BUFFER + KIB(64))) {
        free(made.path);
        buf_release(&made.out);
        close(made.fd);
        return error_set_memory(err, "opening the event log");
    }
    *f = made;
    return 0;
}

/* write(), but a reader of a pipe that went away is an error like others, not a signal: the program
 * did not ask for one. */
static ssize_t write_some(const log_file *f, const char *data, size_t size)
{
    if (f->regular)
        return write(f->fd, data, size);
    sigset_t pipe_signal, pending, old;
    sigemptyset(&pipe_signal);
    sigaddset(&pipe_signal, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_signal, &old);
    sigpending(&pending);
    ssize_t written = write(f->fd, data, size);
    int os_errno = errno;
    static const struct timespec at_once;
    if (written < 0 && os_errno == EPIPE && !sigismember(&pending, SIGPIPE))
        sigtimedwait(&pipe_signal, NULL, &at_once);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = os_errno;
    return written;
}

/* 0 or an errno. *ret_written is what went out either way. */
static int write_all(const log_file *f, const char *data, size_t size, size_t *ret_written)
{
    *ret_written = 0;
    while (*ret_written < size) {
        ssize_t written = write_some(f, data + *ret_written, size - *ret_written);
        if (written > 0) {
            *ret_written += (size_t)written;
        } else if (written == 0) {
            return EIO;
        } else if (errno == EAGAIN) { /* somebody else's pipe, shared with us */
            struct pollfd ready = { .fd = f->fd, .events = POLLOUT };
            poll(&ready, 1, -1);
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

void log_file_flush(log_file *f, uint64_t now_ns)
{
    f->flushed_ns = now_ns;
    if (f->failed || !f->whole)
        return;
    size_t written;
    int os_errno = write_all(f, f->out.data, f->whole, &written);
    if (os_errno) {
        const char *newline = written ? memrchr(f->out.data, '\n', written) : NULL;
        off_t end = f->written + (newline ? newline + 1 - f->out.data : 0);
        if (f->regular && ftruncate(f->fd, end) == 0)
            f->written = end;
        rdd_error error;
        error_set_errno(&error, RDD_E_IO, os_errno, "the event log %s is not complete", f->path);
        log_file_fail(f, &error);
        return;
    }
    f->written += (off_t)written;
    size_t rest = f->out.size - f->whole;
    memmove(f->out.data, f->out.data + f->whole, rest);
    f->out.size = rest;
    f->whole = 0;
}

void log_file_line(log_file *f, uint64_t now_ns)
{
    if (f->failed)
        return;
    buf_char(&f->out, '\n');
    if (f->out.failed) {
        rdd_error error;
        error_set_memory(&error, "writing the event log");
        log_file_flush(f, now_ns);
        log_file_fail(f, &error);
        return;
    }
    f->whole = f->out.size;
    if (f->whole >= LOG_FILE_BUFFER)
        log_file_flush(f, now_ns);
    else
        log_file_tick(f, now_ns);
}

void log_file_tick(log_file *f, uint64_t now_ns)
{
    if (f->whole && now_ns >= f->flushed_ns + FLUSH_NS)
        log_file_flush(f, now_ns);
}

void log_file_fail(log_file *f, const rdd_error *err)
{
    if (!f->failed)
        f->error = *err;
    f->failed = true;
    f->whole = 0;
    buf_clear(&f->out);
}

int log_file_close(log_file *f, rdd_error *err)
{
    log_file_flush(f, f->flushed_ns);
    if (close(f->fd) < 0 && errno != EINTR) {
        rdd_error error;
        error_set_errno(&error, RDD_E_IO, errno, "the event log %s may be incomplete", f->path);
        log_file_fail(f, &error);
    }
    if (f->failed && err)
        *err = f->error;
    free(f->path);
    buf_release(&f->out);
    return f->failed ? f->error.code : 0;
}
