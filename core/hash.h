/* hash.h: XXH3 inlined, for values, types and blocks.
 *
 * Hashing an int64 costs less than calling a function, so the library's own functions, which
 * message.c and others call for longer bytes, will not do here. The results are the same.
 */
#ifndef RDD_HASH_H
#define RDD_HASH_H

#include "base.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

static inline uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

static inline uint64_t hash_u64(uint64_t value, uint64_t seed)
{
    return XXH3_64bits_withSeed(&value, sizeof value, seed);
}

#endif
