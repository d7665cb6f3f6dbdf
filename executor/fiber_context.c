/* fiber_context.c: see fiber_context.h.
 *
 * The own switch saves what a called function must preserve on the stack it leaves, and takes it
 * from the stack it goes to. A new stack is laid out as if it had been left right before its start.
 * There an unwinder is told that nothing is above.
 */
#include "fiber_context.h"

#include <string.h>

#ifdef FIBER_UCONTEXT

void context_init(context *c, void *bottom, size_t size, void (*start)(void))
{
    int failed = getcontext(c);
    ASSERT(!failed);
    c->uc_stack.ss_sp = bottom;
    c->uc_stack.ss_size = size;
    c->uc_link = NULL;
    makecontext(c, start, 0);
}

void context_switch(context *from, context *to)
{
    int failed = swapcontext(from, to);
    ASSERT(!failed);
}

#else

void context_swap(void **save_stack, void *stack) __attribute__((visibility("hidden")));
void context_begin(void) __attribute__((visibility("hidden")));

#ifdef __x86_64__

enum { SAVED_WORDS = 8 }; /* control words, r15, r14, r13, r12, rbx, rbp, return address */

__asm__(".pushsection .text\n"
        ".p2align 4\n"
        ".globl context_swap\n"
        ".hidden context_swap\n"
        ".type context_swap, @function\n"
        "context_swap:\n"
        "    .cfi_startproc\n"
        "    pushq %rbp\n"
        "    pushq %rbx\n"
        "    pushq %r12\n"
        "    pushq %r13\n"
        "    pushq %r14\n"
        "    pushq %r15\n"
        "    subq $8, %rsp\n"
        "    stmxcsr (%rsp)\n"
        "    fnstcw 4(%rsp)\n"
        "    movq %rsp, (%rdi)\n"
        "    movq %rsi, %rsp\n"
        "    ldmxcsr (%rsp)\n"
        "    fldcw 4(%rsp)\n"
        "    addq $8, %rsp\n"
        "    popq %r15\n"
        "    popq %r14\n"
        "    popq %r13\n"
        "    popq %r12\n"
        "    popq %rbx\n"
        "    popq %rbp\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size context_swap, . - context_swap\n"
        ".globl context_begin\n"
        ".hidden context_begin\n"
        ".type context_begin, @function\n"
        "context_begin:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined rip\n"
        "    call *%rbx\n"
        "    ud2\n"
        "    .cfi_endproc\n"
        ".size context_begin, . - context_begin\n"
        ".popsection\n");

static void lay_out(uint64_t *frame, void (*start)(void))
{
    uint32_t control[2] = { 0 };
    __asm__("stmxcsr %0\n\tfnstcw %1" : "=m"(control[0]), "=m"(control[1]));
    memcpy(&frame[0], control, sizeof control);
    frame[5] = (uint64_t)(uintptr_t)start; /* rbx */
    frame[7] = (uint64_t)(uintptr_t)context_begin;
}

#else /* aarch64 */

enum { SAVED_WORDS = 22 }; /* x19 … x30, d8 … d15, fpcr */

__asm__(".pushsection .text\n"
        ".p2align 4\n"
        ".globl context_swap\n"
        ".hidden context_swap\n"
        ".type context_swap, %function\n"
        "context_swap:\n"
        "    .cfi_startproc\n"
        "    sub sp, sp, #176\n"
        "    stp x19, x20, [sp, #0]\n"
        "    stp x21, x22, [sp, #16]\n"
        "    stp x23, x24, [sp, #32]\n"
        "    stp x25, x26, [sp, #48]\n"
        "    stp x27, x28, [sp, #64]\n"
        "    stp x29, x30, [sp, #80]\n"
        "    stp d8, d9, [sp, #96]\n"
        "    stp d10, d11, [sp, #112]\n"
        "    stp d12, d13, [sp, #128]\n"
        "    stp d14, d15, [sp, #144]\n"
        "    mrs x9, fpcr\n"
        "    str x9, [sp, #160]\n"
        "    mov x9, sp\n"
        "    str x9, [x0]\n"
        "    mov sp, x1\n"
        "    ldp x19, x20, [sp, #0]\n"
        "    ldp x21, x22, [sp, #16]\n"
        "    ldp x23, x24, [sp, #32]\n"
        "    ldp x25, x26, [sp, #48]\n"
        "    ldp x27, x28, [sp, #64]\n"
        "    ldp x29, x30, [sp, #80]\n"
        "    ldp d8, d9, [sp, #96]\n"
        "    ldp d10, d11, [sp, #112]\n"
        "    ldp d12, d13, [sp, #128]\n"
        "    ldp d14, d15, [sp, #144]\n"
        "    ldr x9, [sp, #160]\n"
        "    msr fpcr, x9\n"
        "    add sp, sp, #176\n"
        "    ret\n"
        "    .cfi_endproc\n"
        ".size context_swap, . - context_swap\n"
        ".globl context_begin\n"
        ".hidden context_begin\n"
        ".type context_begin, %function\n"
        "context_begin:\n"
        "    .cfi_startproc\n"
        "    .cfi_undefined x30\n"
        "    blr x19\n"
        "    brk #1\n"
        "    .cfi_endproc\n"
        ".size context_begin, . - context_begin\n"
        ".popsection\n");

static void lay_out(uint64_t *frame, void (*start)(void))
{
    frame[0] = (uint64_t)(uintptr_t)start;          /* x19 */
    frame[11] = (uint64_t)(uintptr_t)context_begin; /* x30 */
    __asm__("mrs %0, fpcr" : "=r"(frame[20]));
}

#endif

void context_init(context *c, void *bottom, size_t size, void (*start)(void))
{
    /* Aligned to 16 bytes, as the stack is before any call. */
    char *top = (char *)bottom + size;
    top -= (uintptr_t)top % 16;
    uint64_t *frame = (uint64_t *)(void *)top - SAVED_WORDS;
    memset(frame, 0, SAVED_WORDS * sizeof *frame);
    lay_out(frame, start);
    c->stack = frame;
}

void context_switch(context *from, context *to)
{
    context_swap(&from->stack, to->stack);
}

#endif
