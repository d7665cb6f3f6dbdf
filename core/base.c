#include "base.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

enum { LOOK_AGAIN_NS = 1000000, HUGE_PAGE = 2 << 20 };

void *calloc_patiently(size_t count, size_t size)
{
    void *memory;
    while (!(memory = calloc(count, size)))
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN_NS }, NULL);
    return memory;
}

void *malloc_large(size_t size)
{
    if (size < 2 * HUGE_PAGE || size > SIZE_MAX / 2)
        return malloc(size);
    size_t whole = size_align(size, HUGE_PAGE);
    void *memory = aligned_alloc(HUGE_PAGE, whole);
    if (memory)
        madvise(memory, whole, MADV_HUGEPAGE); /* a wish */
    return memory;
}

void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "rdd: bug at %s:%d: %s does not hold; please report it\n", file, line,
            condition);
    abort();
}
