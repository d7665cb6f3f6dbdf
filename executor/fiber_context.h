/* fiber_context.h: where a stack of its own goes on, and how to get there from here.
 *
 * For fiber.c alone. On x86-64 and aarch64 a switch is twenty instructions; elsewhere, or with
 * FIBER_UCONTEXT defined, it is swapcontext(), which asks the kernel for the signal mask twice
 * (340 ns there and back, against 23). The own switch leaves the signal mask alone.
 */
#ifndef RDD_FIBER_CONTEXT_H
#define RDD_FIBER_CONTEXT_H

#include "base.h"

#if !defined(__x86_64__) && !defined(__aarch64__) && !defined(FIBER_UCONTEXT)
#define FIBER_UCONTEXT 1
#endif

#ifdef FIBER_UCONTEXT
#include <ucontext.h>
typedef ucontext_t context;
#else
typedef struct context {
    void *stack; /* everything else lies on it */
} context;
#endif

/* A context that calls start() on the stack of `size` bytes from `bottom` on. start() never
 * returns. */
void context_init(context *c, void *bottom, size_t size, void (*start)(void));

/* Goes on at `to`; returns when somebody goes on at `from`. */
void context_switch(context *from, context *to);

#endif
