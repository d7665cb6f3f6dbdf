/* crash.h: what a program leaves behind when an operator takes it down.
 *
 * A signal handler on a stack of its own fills a crash_report and writes a backtrace to a
 * descriptor. In a worker the report is on the board that its supervisor maps too; in a program
 * that runs its slots itself the handler prints a headline as well. Everything the handler calls is
 * async-signal-safe. The signal is raised again afterwards, so the process ends as it would have.
 *
 * Only the first crash of a process is reported; other threads that crash meanwhile wait for its
 * end.
 */
#ifndef RDD_CRASH_H
#define RDD_CRASH_H

#include "base.h"
#include "runner.h"

#include <stdatomic.h>

typedef enum crash_kind {
    CRASH_SIGNAL, /* signal, address */
    CRASH_EXIT,   /* user code called exit(status) */
    CRASH_CLOSED, /* user code closed descriptors that are not its own */
    CRASH_THREAD, /* user code ended the slot's thread */
} crash_kind;

typedef enum crash_progress {
    CRASH_NONE,
    CRASH_WRITING,
    CRASH_COMPLETE,
} crash_progress;

#define CRASH_NO_SLOT UINT32_MAX

typedef struct crash_report {
    _Atomic uint32_t progress; /* crash_progress; the rest is valid when COMPLETE */
    uint32_t kind;
    int32_t signal, status;
    uint32_t slot;             /* CRASH_NO_SLOT: a thread that runs no task */
    uint32_t stack_overflow;   /* the address is where the stack ends */
    uint32_t stage, partition, attempt, node; /* of the slot */
    uint64_t address, batch;
} crash_report;

typedef struct crash_options {
    crash_report *report;      /* where it goes; all zeros */
    slot_state *const *slots;  /* what crash_thread_enter()'s numbers mean; lives for ever */
    uint32_t slot_count;
    int fd;                    /* for the backtrace */
    bool headline;             /* also print what happened, with `prefix` before it */
    const char *prefix;        /* "rdd: " */
    const char *(*label)(uint32_t slot); /* of the operator a slot runs, or NULL; signal-safe */
    bool catch_exit;           /* exit() called by a slot's thread is a crash */
} crash_options;

/* Once in a process. Replaces the handlers of the signals that end a process by its own fault. */
void crash_install(const crash_options *options);

/* A slot's thread, before it runs tasks: its number, and a stack for the handler. CRASH_NO_SLOT for
 * other threads. And before the thread ends. */
int crash_thread_enter(uint32_t slot);
void crash_thread_leave(void);

/* A report without a crash, and its headline: a slot's task, which may just have ended, did what
 * `kind` says. */
void crash_blame(uint32_t slot, crash_kind kind);

/* "SIGSEGV at address 0x0 in operator f (x.c:12), partition 3, batch 17". `label` may be NULL.
 * Async-signal-safe. */
void crash_describe(const crash_report *report, const char *label, char *text, size_t size);

/* Its end alone: " in operator f (x.c:12), partition 3, batch 17". */
void crash_describe_place(const crash_report *report, const char *label, char *text, size_t size);

/* "SIGKILL" for 9; "signal 77" for one without a name, in `text`. */
const char *crash_signal_name(int signal, char *text, size_t size);

#endif
