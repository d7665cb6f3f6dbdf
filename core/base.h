/* base.h: the few words that every file of the project uses.
 *
 * Attributes, cleanup helpers and assertions. Assertions are for bugs of ours; nothing that comes
 * from outside (a file, the wire, a user's argument) may reach one.
 */
#ifndef RDD_BASE_H
#define RDD_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define PRINTF_LIKE(at, first) __attribute__((format(printf, at, first)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define UNUSED __attribute__((unused))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define KIB(n) ((size_t)(n) << 10)
#define MIB(n) ((size_t)(n) << 20)
#define GIB(n) ((size_t)(n) << 30)

static inline size_t size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t size_max(size_t a, size_t b)
{
    return a > b ? a : b;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* Rounds up to a power of two `align`. */
static inline size_t size_align(size_t size, size_t align)
{
    return (size + align - 1) & ~(align - 1);
}

/* A local that owns something says so where it is declared, and is released on every way out:
 *     CLEANUP(freep) char *copy = strdup(name);
 * TAKE(copy) hands the ownership on. */
#define CLEANUP(release) __attribute__((cleanup(release)))
#define TAKE(pointer)                          \
    __extension__({                            \
        __typeof__(pointer) taken_ = (pointer); \
        (pointer) = NULL;                      \
        taken_;                                \
    })

/* The same for an owner that is a struct: the place it was taken from is all zeros. */
#define TAKE_STRUCT(owner)                      \
    __extension__({                             \
        __typeof__(*(owner)) taken_ = *(owner); \
        *(owner) = (__typeof__(*(owner))){ 0 }; \
        taken_;                                 \
    })

static inline void freep(void *pointer)
{
    free(*(void **)pointer);
}

static inline void closep(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* calloc() that waits until there is memory: for what must be said, or remembered, and has nobody
 * that it could fail towards. For little things; others go on meanwhile and give memory back. */
void *calloc_patiently(size_t count, size_t size);

/* A bug of ours: prints what and where, and aborts. Stays in release builds. */
#define ASSERT(condition) \
    (LIKELY(condition) ? (void)0 : assert_failed(#condition, __FILE__, __LINE__))

_Noreturn void assert_failed(const char *condition, const char *file, int line);

#endif
