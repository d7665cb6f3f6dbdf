/* fiber.c: see fiber.h.
 *
 * A fiber's stack is one mapping: guard area, stack, and at the top the fiber itself. A fiber never
 * leaves its first function: when a body has ended it waits there for the next one, so starting a
 * fiber from the pool is a switch and nothing else.
 *
 * Invariants: `running` is the innermost fiber of the thread, and following `resumer` from it gives
 * all that are not suspended. A fiber is in its pool's idle list, or suspended, or on that chain.
 */
#include "fiber.h"

#include "fiber_context.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define FIBER_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FIBER_ASAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__)
#define FIBER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FIBER_TSAN 1
#endif
#endif

#ifdef FIBER_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef FIBER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

struct fiber {
    fiber_pool *pool;
    char *bottom;   /* of the stack; the guard area is below */
    fiber *next;    /* in the idle list */
    fiber *resumer; /* NULL: the thread itself */
    void (*body)(void *arg);
    void *arg, *tag;
    context here;   /* where to go on */
    context there;  /* where the resumer goes on */
    bool ended;
#ifdef FIBER_ASAN
    void *fake_stack; /* what the sanitizer keeps for this stack while it is left */
    const void *resumer_stack;
    size_t resumer_stack_size;
#endif
#ifdef FIBER_TSAN
    void *shadow, *resumer_shadow;
#endif
};

static _Thread_local fiber *running;

/* The stack lies between its bottom and the fiber itself. */
static size_t stack_size(const fiber *f)
{
    return (size_t)((const char *)f - f->bottom);
}

/* -- In and out of a fiber, with a word to the sanitizers -------------------------------------- */

static void enter(fiber *f)
{
    f->resumer = running;
    running = f;
#ifdef FIBER_ASAN
    void *fake_stack = NULL;
    __sanitizer_start_switch_fiber(&fake_stack, f->bottom, stack_size(f));
#endif
#ifdef FIBER_TSAN
    f->resumer_shadow = __tsan_get_current_fiber();
    __tsan_switch_to_fiber(f->shadow, 0);
#endif
    context_switch(&f->there, &f->here);
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(fake_stack, NULL, NULL);
#endif
}

/* What a fiber does first whenever it gets control. */
static void entered(fiber *f)
{
    (void)f;
#ifdef FIBER_ASAN
    __sanitizer_finish_switch_fiber(f->fake_stack, &f->resumer_stack, &f->resumer_stack_size);
#endif
}

/* `for_good`: the stack will not be used again. */
static void leave(fiber *f, bool for_good)
{
    (void)for_good;
    running = f->resumer;
#ifdef FIBER_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &f->fake_stack, f->resumer_stack,
                                   f->resumer_stack_size);
#endif
#ifdef FIBER_TSAN
    __tsan_switch_to_fiber(f->resumer_shadow, 0);
#endif
    context_switch(&f->here, &f->there);
    entered(f);
}

/* The first function on every stack: one body after the other. No body: the end. */
static void fiber_main(void)
{
    fiber *f = running;
    entered(f);
    while (f->body) {
        f->body(f->arg);
        f->ended = true;
        leave(f, false);
    }
    leave(f, true);
    abort(); /* nobody resumes it again */
}

/* -- The pool ---------------------------------------------------------------------------------- */

static fiber *stack_new(fiber_pool *pool, rdd_error *err)
{
    size_t size = FIBER_GUARD_SIZE + FIBER_STACK_SIZE;
    char *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (base == MAP_FAILED ||
        mprotect(base + FIBER_GUARD_SIZE, FIBER_STACK_SIZE, PROT_READ | PROT_WRITE) < 0) {
        int os_errno = errno;
        if (base != MAP_FAILED)
            munmap(base, size);
        error_set_errno(err, RDD_E_MEMORY, os_errno,
                        "no stack for fiber %zu of this thread (ulimit -v and the sysctl "
                        "vm.max_map_count limit them; a smaller .concurrency needs fewer)",
                        pool->live_count + pool->idle_count + 1);
        return NULL;
    }
    fiber *f = (fiber *)(void *)(base + ((size - sizeof(fiber)) & ~(size_t)63));
    *f = (fiber){ .pool = pool, .bottom = base + FIBER_GUARD_SIZE };
    context_init(&f->here, f->bottom, stack_size(f), fiber_main);
#ifdef FIBER_TSAN
    f->shadow = __tsan_create_fiber(0);
#endif
    return f;
}

static void stack_free(fiber *f)
{
#ifdef FIBER_ASAN
    f->body = NULL;
    enter(f);
#endif
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(f->shadow);
#endif
    munmap(f->bottom - FIBER_GUARD_SIZE, FIBER_GUARD_SIZE + FIBER_STACK_SIZE);
}

static void become_idle(fiber *f)
{
    fiber_pool *pool = f->pool;
    ASSERT(pool->live_count > 0);
    pool->live_count--;
    if (pool->idle_count >= FIBER_IDLE_MAX) {
        stack_free(f);
        return;
    }
    f->next = pool->idle;
    pool->idle = f;
    pool->idle_count++;
}

fiber *fiber_new(fiber_pool *pool, void (*body)(void *arg), void *arg, rdd_error *err)
{
    fiber *f = pool->idle;
    if (f) {
        pool->idle = f->next;
        pool->idle_count--;
    } else {
        f = stack_new(pool, err);
        if (!f)
            return NULL;
    }
    pool->live_count++;
    f->body = body;
    f->arg = arg;
    f->tag = NULL;
    f->next = NULL;
    f->ended = false;
    return f;
}

bool fiber_resume(fiber *f)
{
    ASSERT(!f->ended);
    ASSERT(f != running);
    enter(f);
    if (!f->ended)
        return true;
    become_idle(f);
    return false;
}

void fiber_suspend(void)
{
    ASSERT(running);
    leave(running, false);
}

fiber *fiber_current(void)
{
    return running;
}

void fiber_drop(fiber *f)
{
    if (!f)
        return;
    ASSERT(f != running);
    ASSERT(!f->ended);
    f->ended = true;
#ifdef FIBER_ASAN
    __asan_unpoison_memory_region(f->bottom, stack_size(f));
#endif
#ifdef FIBER_TSAN
    __tsan_destroy_fiber(f->shadow);
    f->shadow = __tsan_create_fiber(0);
#endif
    context_init(&f->here, f->bottom, stack_size(f), fiber_main);
    become_idle(f);
}

void *fiber_tag(const fiber *f)
{
    return f->tag;
}

void fiber_set_tag(fiber *f, void *tag)
{
    f->tag = tag;
}

bool fiber_guards(const void *address)
{
    fiber *f = running;
    if (!f)
        return false;
    uintptr_t at = (uintptr_t)address, bottom = (uintptr_t)f->bottom;
    return at >= bottom - FIBER_GUARD_SIZE && at < bottom;
}

static const void *thread_stack_end(void)
{
    static _Thread_local const void *end;
    pthread_attr_t how;
    size_t size;
    void *lowest;
    if (!end && !pthread_getattr_np(pthread_self(), &how)) {
        if (!pthread_attr_getstack(&how, &lowest, &size))
            end = lowest;
        pthread_attr_destroy(&how);
    }
    return end ? end : (const void *)UINTPTR_MAX; /* not known: nothing is above it */
}

const void *fiber_stack_end(void)
{
    return running ? running->bottom : thread_stack_end();
}

void fiber_pool_release(fiber_pool *pool)
{
    if (!pool)
        return;
    ASSERT(pool->live_count == 0);
    while (pool->idle) {
        fiber *f = pool->idle;
        pool->idle = f->next;
        stack_free(f);
    }
    *pool = (fiber_pool){ 0 };
}
