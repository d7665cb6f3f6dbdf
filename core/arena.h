/* arena.h: memory that is released all at once.
 *
 * An arena owns everything allocated from it. Arenas are used by lifetime: context, job, task,
 * batch. One thread at a time uses an arena. All functions accept an arena that is all zeros.
 *
 * Invariants: blocks are 16-byte aligned; `used` is what callers asked for since the last reset,
 * rounded up; a reset keeps the largest chunk so that a steady state allocates nothing.
 */
#ifndef RDD_ARENA_H
#define RDD_ARENA_H

#include "base.h"

typedef struct arena_chunk arena_chunk;

typedef struct arena {
    char *at, *end;       /* free bytes of the newest chunk */
    arena_chunk *chunks;  /* newest first */
    size_t used;          /* bytes handed out since the last reset */
    size_t max;           /* refuse to go past this many bytes; 0 is no limit */
    bool poison;          /* the lifetime debug mode: overwrite on reset, never reuse a chunk */
} arena;

/* The slow way of arena_alloc: a new chunk. NULL when out of memory or past `max`. */
void *arena_alloc_slow(arena *a, size_t size);

/* `size` bytes, uninitialized, valid until the next reset or release; NULL when out of memory or
 * past the arena's maximum, and for nothing else: no bytes get a block too. */
static inline void *arena_alloc(arena *a, size_t size)
{
    size_t rounded = size_align(size, 16);
    /* No size at all, and a size that wrapped around, are zero here and take the slow way too. */
    if (UNLIKELY(rounded - 1 >= (size_t)(a->end - a->at) || a->max))
        return arena_alloc_slow(a, size);
    void *block = a->at;
    a->at += rounded;
    a->used += rounded;
    return block;
}

/* The same, all zeros. */
void *arena_zalloc(arena *a, size_t size);

/* A copy of `size` bytes, with a NUL after them. */
char *arena_copy(arena *a, const void *data, size_t size);
char *arena_strdup(arena *a, const char *text);
char *arena_format(arena *a, const char *format, ...) PRINTF_LIKE(2, 3);

/* Forgets everything allocated; pointers into the arena are then invalid. */
void arena_reset(arena *a);

/* Gives all memory back and zeroes the arena, keeping `max` and `poison`. */
void arena_release(arena *a);

#endif
