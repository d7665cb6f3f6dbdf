#include "interrupt.h"

#include "clock.h"
#include "driver.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#define SAME_NS (200 * NS_PER_MS) /* signals that come so near mean the same */
#define SOON_MS 2000              /* what takes longer to end is worth a line in a log */

/* Signals are the process's, so this is one of the few things that are global. */
static struct {
    bool watching;
    int pipe[2];
    pthread_t thread;
    rdd_context *ctx;
    driver *driver;
    volatile sig_atomic_t number; /* of the first signal */
    _Atomic uint64_t first_ns;    /* when it came */
    struct sigaction old[3];
} watch;

static const int SIGNALS[] = { SIGINT, SIGTERM, SIGHUP };

static void on_signal(int number)
{
    int saved = errno;
    uint64_t now_ns = clock_now_ns();
    if (watch.number && now_ns - atomic_load(&watch.first_ns) >= SAME_NS)
        _exit(128 + number);
    if (!watch.number) {
        atomic_store(&watch.first_ns, now_ns);
        watch.number = number;
        ssize_t written = write(watch.pipe[1], "!", 1);
        (void)written;
    }
    errno = saved;
}

/* A log is told only when there is something to wait for. */
static void say_how_to_end(void)
{
    bool person = isatty(STDERR_FILENO);
    if (watch.ctx->verbosity == VERBOSITY_QUIET)
        return;
    struct pollfd ended = { .fd = watch.pipe[0], .events = POLLIN };
    if (!person && (poll(&ended, 1, SOON_MS) != 0 || !driver_is_busy(watch.driver)))
        return;
    fprintf(stderr, "rdd: cancelling what runs; %s ends at once\n", person ? "^C again" : "another signal");
}

/* With a job running, or its output being put together, the caller goes on to rdd_finish(); without
 * one nobody may be there to hear of it, so the program ends here. Executors end with their
 * connection. */
static void *watch_main(void *arg UNUSED)
{
    char what;
    ssize_t got;
    do
        got = read(watch.pipe[0], &what, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1 || what != '!')
        return NULL;
    atomic_store(&watch.ctx->interrupted, true);
    if (!driver_is_busy(watch.driver) && !atomic_load(&watch.ctx->saves))
        _exit(128 + watch.number);
    rdd_error err;
    error_set(&err, RDD_E_CANCELLED, "interrupted");
    driver_cancel_all(watch.driver, &err);
    say_how_to_end();
    return NULL;
}

void interrupt_begin(rdd_context *ctx, driver *d)
{
    if (watch.watching || pipe2(watch.pipe, O_CLOEXEC) < 0)
        return;
    watch.ctx = ctx;
    watch.driver = d;
    watch.number = 0;
    if (pthread_create(&watch.thread, NULL, watch_main, NULL)) {
        close(watch.pipe[0]);
        close(watch.pipe[1]);
        return;
    }
    watch.watching = true;
    for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++) {
        struct sigaction ours = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
        sigaction(SIGNALS[i], NULL, &watch.old[i]);
        if (watch.old[i].sa_handler == SIG_DFL)
            sigaction(SIGNALS[i], &ours, NULL);
    }
}

void interrupt_end(const rdd_context *ctx)
{
    if (!watch.watching || watch.ctx != ctx)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++)
        if (watch.old[i].sa_handler == SIG_DFL)
            sigaction(SIGNALS[i], &watch.old[i], NULL);
    ssize_t written = write(watch.pipe[1], ".", 1);
    (void)written;
    pthread_join(watch.thread, NULL);
    close(watch.pipe[0]);
    close(watch.pipe[1]);
    watch.watching = false;
}

int interrupt_status(void)
{
    return 128 + (watch.number ? watch.number : SIGINT);
}
