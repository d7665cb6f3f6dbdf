/* random.h: seeded random numbers, the same on every machine: xoshiro256** (Blackman and Vigna 2018),
 * seeded through splitmix64. */
#ifndef RDD_RANDOM_H
#define RDD_RANDOM_H

#include "base.h"

typedef struct random_state {
    uint64_t s[4];
} random_state;

static inline uint64_t random_mix(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

/* A stream of its own for each (seed, stream), such as (the user's seed, the partition). */
static inline random_state random_seeded(uint64_t seed, uint64_t stream)
{
    random_state r;
    uint64_t mix = random_mix(&seed) ^ (stream * 0xd1342543de82ef95u + 1);
    for (int i = 0; i < 4; i++)
        r.s[i] = random_mix(&mix);
    return r;
}

static inline uint64_t random_next(random_state *r)
{
    uint64_t *s = r->s, x = s[1] * 5, result = ((x << 7) | (x >> 57)) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* In [0, 1). */
static inline double random_unit(random_state *r)
{
    return (double)(random_next(r) >> 11) * 0x1p-53;
}

/* In [0, bound), without bias; bound > 0. */
static inline uint64_t random_below(random_state *r, uint64_t bound)
{
    uint64_t threshold = -bound % bound, x;
    do
        x = random_next(r);
    while (x < threshold);
    return x % bound;
}

#endif
