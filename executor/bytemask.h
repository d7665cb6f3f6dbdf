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
    uint64_t zero =
        ~(((word & low) + low) | word | low); /* the top bit of each byte that is zero */
    return ((zero >> 7) * 0x0102040810204080u) >> 56;
}

static inline uint64_t bytemask_portable(const char *data, char byte)
{
    uint64_t mask = 0;
    for (unsigned i = 0; i < 8; i++)
        mask |= bytemask8_portable(data + 8 * (size_t)i, byte) << (8 * i);
    return mask;
}

#ifdef __SSE2__
static inline uint64_t bytemask16(const char *data, __m128i bytes)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)data);
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, bytes));
}
#endif

/* Reads 64 bytes at `data`, which need no alignment. */
static inline uint64_t bytemask(const char *data, char byte)
{
#ifdef __SSE2__
    const __m128i bytes = _mm_set1_epi8(byte);
    return bytemask16(data, bytes) | bytemask16(data + 16, bytes) << 16 |
           bytemask16(data + 32, bytes) << 32 | bytemask16(data + 48, bytes) << 48;
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
#ifdef __POPCNT__
    return (unsigned)__builtin_popcountll(mask);
#else /* the builtin would be a call of a function that looks bytes up in a table */
    mask -= (mask >> 1) & 0x5555555555555555u;
    mask = (mask & 0x3333333333333333u) + ((mask >> 2) & 0x3333333333333333u);
    mask = (mask + (mask >> 4)) & 0x0f0f0f0f0f0f0f0fu;
    return (unsigned)((mask * 0x0101010101010101u) >> 56);
#endif
}

/* Writes base + i for each bit i of the mask, ascending, and returns behind the last. It writes
 * garbage behind that, less than 64 places from `out`. Bits go in groups of four, as how many there
 * are is hard to guess for the processor; the top bit is there for when none is left. */
static inline uint32_t *bits_list(uint64_t mask, uint32_t base, uint32_t *out)
{
    const uint64_t top = (uint64_t)1 << 63;
    uint32_t *end = out + bit_count(mask);
    for (; mask; out += 4) {
        out[0] = base + bit_first(mask);
        mask &= mask - 1;
        out[1] = base + bit_first(mask | top);
        mask &= mask - 1;
        out[2] = base + bit_first(mask | top);
        mask &= mask - 1;
        out[3] = base + bit_first(mask | top);
        mask &= mask - 1;
    }
    return end;
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
