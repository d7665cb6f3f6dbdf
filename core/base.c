#include "base.h"

#include <stdio.h>
#include <time.h>

enum { LOOK_AGAIN_NS = 1000000 };

void *calloc_patiently(size_t count, size_t size)
{
    void *memory;
    while (!(memory = calloc(count, size)))
        nanosleep(&(struct timespec){ .tv_nsec = LOOK_AGAIN_NS }, NULL);
    return memory;
}

void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "rdd: bug at %s:%d: %s does not hold; please report it\n", file, line,
            condition);
    abort();
}
