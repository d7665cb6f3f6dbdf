/* fiber.h: functions that can stop in the middle and go on later, on stacks of their own.
 *
 * A fiber runs on the thread that made it and never leaves it, so it needs no locks, and it must
 * hold none when it stops. fiber_resume() runs it until it suspends or ends; whoever resumed it
 * then goes on. That may be another fiber: resuming nests to any depth.
 *
 * A stack is 256 KiB (cJSON at the allowed nesting needs about 10, user code the rest) above a
 * guard area that nobody may touch. Running past the end is a SIGSEGV, and fiber_guards() tells a
 * handler, which must be on a stack of its own, that this is what happened. Stacks are
 * kept and used again.
 *
 * Switching costs some nanoseconds on x86-64 and aarch64; elsewhere, or with FIBER_UCONTEXT
 * defined, it is swapcontext() with its two system calls. The sanitizers are told about every
 * switch.
 */
#ifndef RDD_FIBER_H
#define RDD_FIBER_H

#include "base.h"
#include "error.h"

typedef struct fiber fiber;

enum {
    FIBER_STACK_SIZE = 256 << 10,
    FIBER_GUARD_SIZE = 64 << 10, /* more than a page: a large frame must not step over it */
    FIBER_IDLE_MAX = 1024,       /* stacks that a pool keeps; more are given back */
};

/* The fibers of one thread; all zeros is an empty pool. */
typedef struct fiber_pool {
    fiber *idle;
    size_t idle_count;
    size_t live_count; /* made, not ended: suspended or running */
} fiber_pool;

/* A fiber that will run body(arg) when it is resumed first. NULL, with `err` filled, when there is
 * no memory for its stack. */
fiber *fiber_new(fiber_pool *pool, void (*body)(void *arg), void *arg, rdd_error *err);

/* Runs it until it suspends (true) or ends (false; `f` is then gone). */
bool fiber_resume(fiber *f);

/* Gives control back to whoever resumed this fiber; returns when somebody resumes it again. Only
 * inside a fiber. */
void fiber_suspend(void);

/* The innermost fiber that runs on this thread; NULL outside of fibers. */
fiber *fiber_current(void);

/* Ends a suspended fiber without running it any further: what its frames own is lost. For bodies
 * that would go on for ever; all others are better told to end and resumed. NULL is fine. */
void fiber_drop(fiber *f);

/* A word that belongs to whoever drives the fiber; NULL at first. */
void *fiber_tag(const fiber *f);
void fiber_set_tag(fiber *f, void *tag);

/* Whether `address` is below the end of the running fiber's stack, where only an overflow leads.
 * Async-signal-safe. */
bool fiber_guards(const void *address);

/* The lowest address of the stack that the caller runs on, the thread's or a fiber's. */
const void *fiber_stack_end(void);

/* Gives all stacks back. No fiber of the pool is alive. */
void fiber_pool_release(fiber_pool *pool);

#endif
