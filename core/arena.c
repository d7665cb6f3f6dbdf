#include "arena.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct arena_chunk {
    arena_chunk *next;
    size_t size; /* of data[] */
    _Alignas(16) char data[];
};

enum { CHUNK_FIRST = 4096 - 64, CHUNK_LARGEST = 1 << 20 };

void *arena_alloc_slow(arena *a, size_t size)
{
    size_t rounded = size_align(size_max(size, 1), 16);
    if (rounded < size || (a->max && rounded > a->max - size_min(a->used, a->max)))
        return NULL;
    if (rounded > (size_t)(a->end - a->at)) {
        size_t last = a->chunks ? a->chunks->size : CHUNK_FIRST / 2;
        size_t want = size_max(rounded, size_min(last * 2, CHUNK_LARGEST));
        if (want > SIZE_MAX - sizeof(arena_chunk))
            return NULL;
        arena_chunk *chunk = malloc(sizeof *chunk + want);
        if (!chunk)
            return NULL;
        chunk->next = a->chunks;
        chunk->size = want;
        a->chunks = chunk;
        a->at = chunk->data;
        a->end = chunk->data + want;
    }
    void *block = a->at;
    a->at += rounded;
    a->used += rounded;
    return block;
}

void *arena_zalloc(arena *a, size_t size)
{
    void *block = arena_alloc(a, size);
    if (block)
        memset(block, 0, size);
    return block;
}

char *arena_copy(arena *a, const void *data, size_t size)
{
    if (size == SIZE_MAX)
        return NULL;
    char *copy = arena_alloc(a, size + 1);
    if (!copy)
        return NULL;
    if (size)
        memcpy(copy, data, size);
    copy[size] = 0;
    return copy;
}

char *arena_strdup(arena *a, const char *text)
{
    return arena_copy(a, text, strlen(text));
}

char *arena_format(arena *a, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = size < 0 ? NULL : arena_alloc(a, (size_t)size + 1);
    if (text)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

void arena_reset(arena *a)
{
    a->used = 0;
    if (!a->chunks)
        return;
    if (a->poison) {
        arena_release(a);
        return;
    }
    arena_chunk *keep = a->chunks;
    for (arena_chunk *c = a->chunks; c; c = c->next)
        if (c->size > keep->size && c->size <= CHUNK_LARGEST)
            keep = c;
    for (arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        if (c != keep)
            free(c);
    }
    keep->next = NULL;
    a->chunks = keep;
    a->at = keep->data;
    a->end = keep->data + keep->size;
}

void arena_release(arena *a)
{
    for (arena_chunk *c = a->chunks, *next; c; c = next) {
        next = c->next;
        if (a->poison)
            memset(c->data, 0xdb, c->size);
        free(c);
    }
    *a = (arena){ .max = a->max, .poison = a->poison };
}
