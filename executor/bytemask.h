/* bytemask.h: which of 64 bytes equal a given one, as a bit mask.
 *
 * The readers of lines and of CSV find line ends, delimiters and quotes with it. Bit i stands for
 * byte i. SSE2 is part of every x86-64; elsewhere eight bytes at a time are as good as it gets
 * without a second copy of everything.
 */
#ifndef RDD_BYTEMASK_H
#define RDD_BYTEMASK_H

#include "base.h"

#include <endian.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* One bit for each of eight bytes. Adding 0x7f to the low seven bits carries into the eighth unless
 * they are all zero, and never beyond it. */
static inline uint64_t bytemask8_portable(const char *data, char byte)
{
    const uint64_t ones = 0x0101010101010101u, low = 0x7f7f7f7f7f7f7f7fu;
    uint64_t word;
    memcpy(&word, data, sizeof word);
    word = le64toh(word) ^ (ones * (uint8_t)byte);
    uint64_t zero = ~(((word & low) + low) | word | low); /* the top bit of each byte that is zero */
    return ((zero >> 7) * 0x0102040810204080u) >> 56;
}

static inline uint64_t bytemask_portable(const char *data, char byte)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < 8; i++)
        mask |= bytemask8_portable(data + 8 * i, byte) << (8 * i);
    return mask;
}

/* Reads 64 bytes at `data`, which need no alignment. */
static inline uint64_t bytemask(const char *data, char byte)
{
#ifdef __SSE2__
    const __m128i wanted = _mm_set1_epi8(byte);
    uint64_t mask = 0;
    for (unsigned i = 0; i < 4; i++) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)(data + 16 * i));
        unsigned bits = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, wanted));
        mask |= (uint64_t)bits << (16 * i);
    }
    return mask;
#else
    return bytemask_portable(data, byte);
#endif
}

/* The lowest `count` bits; `count` may be 64 or more. */
static inline uint64_t bits_below(size_t count)
{
    return count >= 64 ? ~(uint64_t)0 : ((uint64_t)1 << count) - 1;
}

static inline unsigned bit_first(uint64_t mask)
{
    return (unsigned)__builtin_ctzll(mask);
}

static inline unsigned bit_count(uint64_t mask)
{
    return (unsigned)__builtin_popcountll(mask);
}

/* How often `byte` occurs; reads nothing behind data + size. */
static inline size_t bytes_count(const char *data, size_t size, char byte)
{
    size_t count = 0, at = 0;
    for (; size - at >= 64; at += 64)
        count += bit_count(bytemask(data + at, byte));
    for (; at < size; at++)
        count += data[at] == byte;
    return count;
}

#endif
