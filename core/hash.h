/* hash.h: XXH3 for values, types and blocks. All of it gives the same results as the library's own
 * functions.
 */
#ifndef RDD_HASH_H
#define RDD_HASH_H

#include "base.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Of many bytes: compiled for speed, about twice that of the library's. */
uint64_t checksum(const void *data, size_t size);

/* Of few: inlined, as hashing a number costs less than a call. */
static inline uint64_t hash_bytes(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

static inline uint64_t hash_u64(uint64_t value, uint64_t seed)
{
    return XXH3_64bits_withSeed(&value, sizeof value, seed);
}

#endif
