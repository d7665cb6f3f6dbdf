#include "executor_log.h"

#include "clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>

enum { WAITING_MAX = 4 << 20, LOOK_MS = 100, LAST_WORDS_MS = 500 };

/* True when stderr takes PIPE_BUF bytes now. */
static bool stderr_is_ready(executor_log *l)
{
    uint64_t deadline = CLOCK_NEVER;
    for (;;) {
        struct pollfd p = { .fd = STDERR_FILENO, .events = POLLOUT };
        if (poll(&p, 1, LOOK_MS) > 0)
            return true;
        pthread_mutex_lock(&l->mutex);
        bool stopping = l->stopping;
        pthread_mutex_unlock(&l->mutex);
        if (stopping && deadline == CLOCK_NEVER)
            deadline = clock_now_ns() + LAST_WORDS_MS * NS_PER_MS;
        if (clock_now_ns() >= deadline)
            return false;
    }
}

static void print_to_stderr(void *arg, const char *text, size_t size)
{
    while (size && stderr_is_ready(arg)) {
        ssize_t written = write(STDERR_FILENO, text, size_min(size, PIPE_BUF));
        if (written < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

static void *log_main(void *arg)
{
    executor_log *l = arg;
    pthread_mutex_lock(&l->mutex);
    while (!l->stopping || l->waiting.size) {
        if (!l->waiting.size) {
            pthread_cond_wait(&l->changed, &l->mutex);
            continue;
        }
        buf now = l->waiting;
        l->waiting = (buf){ .max = WAITING_MAX };
        if (l->dropped)
            buf_format(&now, "rdd: %llu bytes of executors' output dropped: stderr is slow\n",
                       (unsigned long long)l->dropped);
        l->dropped = 0;
        pthread_mutex_unlock(&l->mutex);
        l->print(l->arg, now.data, now.size);
        buf_release(&now);
        pthread_mutex_lock(&l->mutex);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

int executor_log_start(executor_log *l, executor_log_print print, void *arg, rdd_error *err)
{
    *l = (executor_log){ .print = print ? print : print_to_stderr, .arg = print ? arg : l };
    l->waiting.max = WAITING_MAX;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, NULL);
    int error = pthread_create(&l->thread, NULL, log_main, l);
    l->started = !error;
    return error ? error_set_errno(err, RDD_E_LIMIT, error, "a thread could not be started") : 0;
}

void executor_log_add(executor_log *l, const char *text, size_t size)
{
    pthread_mutex_lock(&l->mutex);
    if (buf_reserve(&l->waiting, size))
        buf_append(&l->waiting, text, size);
    else
        l->dropped += size;
    l->waiting.failed = false;
    pthread_mutex_unlock(&l->mutex);
    pthread_cond_signal(&l->changed);
}

void executor_log_stop(executor_log *l)
{
    pthread_mutex_lock(&l->mutex);
    l->stopping = true;
    pthread_mutex_unlock(&l->mutex);
    pthread_cond_signal(&l->changed);
    if (l->started)
        pthread_join(l->thread, NULL);
    buf_release(&l->waiting);
    pthread_cond_destroy(&l->changed);
    pthread_mutex_destroy(&l->mutex);
}
