#include "crash.h"

#include <errno.h>
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

/* Enough for the unwinder, and for a sanitizer's own handler. */
enum { HANDLER_STACK = 256 << 10, FRAMES_MAX = 48, NEAR_STACK_END = 64 << 10, GIVE_UP_S = 5 };

static const struct {
    const char *name;
    int number;
    bool caught;
} SIGNALS[] = {
    { "SIGSEGV", SIGSEGV, true },  { "SIGBUS", SIGBUS, true },    { "SIGFPE", SIGFPE, true },
    { "SIGILL", SIGILL, true },    { "SIGABRT", SIGABRT, true },  { "SIGTRAP", SIGTRAP, true },
    { "SIGSYS", SIGSYS, true },    { "SIGKILL", SIGKILL, false }, { "SIGTERM", SIGTERM, false },
    { "SIGINT", SIGINT, false },   { "SIGHUP", SIGHUP, false },   { "SIGQUIT", SIGQUIT, false },
    { "SIGPIPE", SIGPIPE, false }, { "SIGALRM", SIGALRM, false }, { "SIGUSR1", SIGUSR1, false },
    { "SIGUSR2", SIGUSR2, false }, { "SIGXCPU", SIGXCPU, false }, { "SIGXFSZ", SIGXFSZ, false },
};

static crash_options crash;
static pid_t owner; /* a child that an operator forked has the handlers, but is not us */
static __thread uint32_t my_slot = CRASH_NO_SLOT;
static __thread char *my_stack;
static __thread stack_t stack_before;

/* -- Text without the C library ---------------------------------------------------------------- */

typedef struct safe_text {
    char *data;
    size_t size, capacity; /* always terminated */
} safe_text;

static void add_text(safe_text *t, const char *s)
{
    while (*s && t->size + 1 < t->capacity)
        t->data[t->size++] = *s++;
    t->data[t->size] = 0;
}

static void add_number(safe_text *t, uint64_t v, unsigned base)
{
    char digits[21];
    size_t at = sizeof digits;
    digits[--at] = 0;
    do {
        digits[--at] = "0123456789abcdef"[v % base];
        v /= base;
    } while (v);
    add_text(t, digits + at);
}

const char *crash_signal_name(int signal, char *text, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++)
        if (SIGNALS[i].number == signal)
            return SIGNALS[i].name;
    safe_text t = { text, 0, size };
    add_text(&t, "signal ");
    add_number(&t, (uint64_t)signal, 10);
    return text;
}

static void describe_signal(const crash_report *report, safe_text *t)
{
    char name[32];
    add_text(t, crash_signal_name(report->signal, name, sizeof name));
    if (report->signal == SIGSEGV || report->signal == SIGBUS) {
        add_text(t, " at address 0x");
        add_number(t, report->address, 16);
    }
    if (report->stack_overflow)
        add_text(t, " (the stack overflowed)");
}

static void describe_place(const crash_report *report, const char *label, safe_text *t)
{
    if (report->slot == CRASH_NO_SLOT) {
        add_text(t, " in a thread that runs no task");
        return;
    }
    if (label && *label) {
        add_text(t, " in ");
        add_text(t, label);
    }
    add_text(t, ", partition ");
    add_number(t, report->partition, 10);
    if (report->batch) {
        add_text(t, ", batch ");
        add_number(t, report->batch, 10);
    }
}

void crash_describe(const crash_report *report, const char *label, char *text, size_t size)
{
    safe_text t = { text, 0, size };
    text[0] = 0;
    if (report->kind == CRASH_EXIT) {
        add_text(&t, "exit(");
        add_text(&t, report->status < 0 ? "-" : "");
        add_number(&t, (uint64_t)(report->status < 0 ? -(int64_t)report->status : report->status),
                   10);
        add_text(&t, ") was called");
    } else if (report->kind == CRASH_CLOSED) {
        add_text(&t, "descriptors of the library were closed");
    } else if (report->kind == CRASH_THREAD) {
        add_text(&t, "pthread_exit() was called");
    } else {
        describe_signal(report, &t);
    }
    describe_place(report, label, &t);
}

void crash_describe_place(const crash_report *report, const char *label, char *text, size_t size)
{
    safe_text t = { text, 0, size };
    text[0] = 0;
    describe_place(report, label, &t);
}

/* -- The report -------------------------------------------------------------------------------- */

/* True for the first thread of the process that asks. */
static bool claim_report(void)
{
    uint32_t none = CRASH_NONE;
    return crash.report && atomic_compare_exchange_strong(&crash.report->progress, &none,
                                                          CRASH_WRITING);
}

/* What a slot was doing, and that the report is complete. */
static void complete_report(crash_report *r, uint32_t slot)
{
    r->slot = slot;
    if (slot != CRASH_NO_SLOT) {
        const slot_state *s = crash.slots[slot];
        r->stage = atomic_load_explicit(&s->stage, memory_order_relaxed);
        r->partition = atomic_load_explicit(&s->partition, memory_order_relaxed);
        r->attempt = atomic_load_explicit(&s->attempt, memory_order_relaxed);
        r->node = atomic_load_explicit(&s->node, memory_order_relaxed);
        r->batch = atomic_load_explicit(&s->batch, memory_order_relaxed);
    }
    atomic_store_explicit(&r->progress, CRASH_COMPLETE, memory_order_release);
}

/* The slot of this thread, if it runs a task now. */
static uint32_t my_busy_slot(void)
{
    bool busy = my_slot < crash.slot_count &&
                atomic_load_explicit(&crash.slots[my_slot]->busy, memory_order_relaxed);
    return busy ? my_slot : CRASH_NO_SLOT;
}

static bool is_near_stack_end(uint64_t address, const void *context)
{
    const ucontext_t *u = context;
#if defined(__x86_64__)
    uint64_t sp = (uint64_t)u->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
    uint64_t sp = u->uc_mcontext.sp;
#else
    (void)u;
    uint64_t sp = 0;
#endif
    return sp && address + NEAR_STACK_END >= sp && address <= sp + NEAR_STACK_END;
}

static void write_all(int fd, const char *text)
{
    size_t size = strlen(text);
    while (size) {
        ssize_t written = write(fd, text, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        text += written;
        size -= (size_t)written;
    }
}

static void print_headline(const crash_report *r)
{
    char text[512];
    write_all(crash.fd, crash.prefix);
    const char *label = r->slot != CRASH_NO_SLOT && crash.label ? crash.label(r->slot) : NULL;
    crash_describe(r, label, text, sizeof text);
    write_all(crash.fd, text);
    write_all(crash.fd, "\n");
}

static void print_backtrace(void)
{
    void *frames[FRAMES_MAX];
    int count = backtrace(frames, FRAMES_MAX);
    enum { OURS = 2 }; /* this function and the handler */
    if (count > OURS)
        backtrace_symbols_fd(frames + OURS, count - OURS, crash.fd);
}

/* Another thread was the first: what it does ends the process. */
static _Noreturn void wait_for_the_end(void)
{
    for (;;)
        pause();
}

/* Signals are blocked here: another fault in the handler ends the process at once, which is
 * fine, as the report was completed first. The alarm is for an unwinder that hangs on a lock. */
static void on_signal(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    struct sigaction by_default = { .sa_handler = SIG_DFL };
    if (getpid() != owner) {
        sigaction(signal, &by_default, NULL);
        raise(signal);
        return;
    }
    if (!claim_report())
        wait_for_the_end();
    crash_report *r = crash.report;
    r->kind = CRASH_SIGNAL;
    r->signal = signal;
    r->address = (uint64_t)(uintptr_t)info->si_addr;
    r->stack_overflow = signal == SIGSEGV && info->si_code > 0 &&
                        is_near_stack_end(r->address, context);
    complete_report(r, my_busy_slot());
    sigaction(SIGALRM, &by_default, NULL);
    alarm(GIVE_UP_S);
    if (crash.headline)
        print_headline(r);
    print_backtrace();
    sigaction(signal, &by_default, NULL);
    raise(signal); /* delivered when the handler returns */
    errno = saved_errno;
}

/* Each thread that calls exit() takes one of the handlers that crash_install() left: the first ends the
 * process, none of the others comes to the end of exit() before it. Status 0 would hide that anything
 * went wrong. */
static void on_exit_called(int status, void *arg)
{
    (void)arg;
    if (my_slot == CRASH_NO_SLOT || getpid() != owner || !crash.report)
        return;
    if (!claim_report())
        wait_for_the_end();
    crash.report->kind = CRASH_EXIT;
    crash.report->status = status;
    complete_report(crash.report, my_busy_slot());
    if (crash.headline)
        print_headline(crash.report);
    if (!ftrylockfile(stdout))
        fflush_unlocked(stdout);
    _exit((status & 0xff) ? status : 1);
}

void crash_blame(uint32_t slot, crash_kind kind)
{
    if (!crash.report)
        return;
    if (!claim_report())
        wait_for_the_end();
    crash.report->kind = kind;
    complete_report(crash.report, slot);
    if (crash.headline)
        print_headline(crash.report);
}

void crash_install(const crash_options *options)
{
    crash = *options;
    owner = getpid();
    /* The first call loads the unwinder, which a handler must not. */
    void *frame;
    backtrace(&frame, 1);
    struct sigaction act = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigfillset(&act.sa_mask);
    sigdelset(&act.sa_mask, SIGALRM);
    for (size_t i = 0; i < ARRAY_SIZE(SIGNALS); i++)
        if (SIGNALS[i].caught)
            sigaction(SIGNALS[i].number, &act, NULL);
    for (uint32_t i = 0; crash.catch_exit && i < crash.slot_count; i++)
        on_exit(on_exit_called, NULL);
}

int crash_thread_enter(uint32_t slot)
{
    my_slot = slot;
    if (my_stack)
        return 0;
    void *stack = mmap(NULL, HANDLER_STACK, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    if (stack == MAP_FAILED)
        return RDD_E_MEMORY;
    stack_t alternate = { .ss_sp = stack, .ss_size = HANDLER_STACK };
    if (sigaltstack(&alternate, &stack_before)) {
        munmap(stack, HANDLER_STACK);
        return RDD_E_MEMORY;
    }
    my_stack = stack;
    return 0;
}

void crash_thread_leave(void)
{
    my_slot = CRASH_NO_SLOT;
    if (!my_stack)
        return;
    sigaltstack(&stack_before, NULL);
    munmap(my_stack, HANDLER_STACK);
    my_stack = NULL;
}
