/* str.c: the text functions of rdd.h that need no task. (rdd_str_compare is in value.c, with the
 * order of all other values.)
 *
 * A text is a view into memory of the caller's: nothing is read behind its end, not even within the
 * same page.
 */
#include "number.h"

#include <endian.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* ---- words --------------------------------------------------------------------------------- */

/* A mask has a bit for each byte, the first byte's lowest: set where white space is. Finding a
 * word's end is then one count of zeros, and no branch depends on how long the word is. */
enum { STEP = 16 };

static inline uint64_t load8(const char *at)
{
    uint64_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return le64toh(bytes);
}

static inline uint64_t load4(const char *at)
{
    uint32_t bytes;
    memcpy(&bytes, at, sizeof bytes);
    return le32toh(bytes);
}

#ifdef __SSE2__

static inline unsigned spaces_of(__m128i bytes)
{
    const __m128i from_tab = _mm_sub_epi8(bytes, _mm_set1_epi8('\t'));
    const __m128i control = _mm_cmpeq_epi8(_mm_min_epu8(from_tab, _mm_set1_epi8(4)), from_tab);
    const __m128i blank = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(' '));
    return (unsigned)_mm_movemask_epi8(_mm_or_si128(control, blank));
}

static inline unsigned spaces8(uint64_t bytes)
{
    return spaces_of(_mm_cvtsi64_si128((long long)bytes)) & 0xff;
}

static inline unsigned spaces16(const char *at)
{
    return spaces_of(_mm_loadu_si128((const __m128i *)(const void *)at));
}

#else

/* The top bit of each byte says what is asked; sums of seven bits never reach into the next
 * byte. */
static inline unsigned spaces8(uint64_t bytes)
{
    const uint64_t ones = 0x0101010101010101u, low = 0x7f * ones, top = 0x80 * ones;
    uint64_t seven = bytes & low, other = bytes ^ (' ' * ones);
    uint64_t blank = ~(((other & low) + low) | other);
    uint64_t control =
        (seven + (0x80 - '\t') * ones) & ~(seven + (0x80 - '\r' - 1) * ones) & ~bytes;
    return (unsigned)((((blank | control) & top) >> 7) * 0x0102040810204080u >> 56);
}

static inline unsigned spaces16(const char *at)
{
    return spaces8(load8(at)) | spaces8(load8(at + 8)) << 8;
}

#endif

/* The mask of the last bytes, 1 to 15 of them, by loads that overlap; and the end counts as
 * space. */
static unsigned spaces_last(const char *at, size_t left)
{
    unsigned end = 1u << left;
    if (left >= 8)
        return end | spaces8(load8(at)) | spaces8(load8(at + left - 8)) << (left - 8);
    uint64_t bytes = 0;
    if (left >= 4) {
        bytes = load4(at) | load4(at + left - 4) << (8 * (left - 4));
    } else {
        for (size_t i = 0; i < left; i++)
            bytes |= (uint64_t)(unsigned char)at[i] << (8 * i);
    }
    return end | spaces8(bytes);
}

/* How many bytes come before the first space (or the first that is none), or all of them. */
static size_t before(const char *at, size_t size, bool space)
{
    unsigned flip = space ? 0 : 0xffff;
    size_t left = size;
    for (; left >= STEP; at += STEP, left -= STEP) {
        unsigned mask = spaces16(at) ^ flip;
        if (mask)
            return size - left + (size_t)__builtin_ctz(mask);
    }
    if (!left)
        return size;
    unsigned mask = (spaces_last(at, left) ^ flip) | 1u << left;
    return size - left + (size_t)__builtin_ctz(mask);
}

static bool next_word_slowly(rdd_str *rest, rdd_str *ret)
{
    size_t skip = before(rest->data, rest->size, false), left = rest->size - skip;
    if (!left)
        return false;
    const char *at = rest->data + skip;
    size_t size = before(at, left, true), taken = size + (size < left);
    *ret = (rdd_str){ size, at };
    *rest = (rdd_str){ left - taken, at + taken };
    return true;
}

/* Most words begin right here and end within 16 bytes. The space behind a word goes with it, so
 * that the next one begins right there too. */
bool rdd_str_next_word(rdd_str *rest, rdd_str *ret)
{
    const char *at = rest->data;
    size_t left = rest->size;
    if (!left)
        return false;
    unsigned mask = LIKELY(left >= STEP) ? spaces16(at) : spaces_last(at, left);
    if (UNLIKELY(mask & 1)) {
        unsigned skip = (unsigned)__builtin_ctz(~mask);
        if (skip >= STEP || skip >= left)
            return next_word_slowly(rest, ret);
        mask >>= skip;
        at += skip;
        left -= skip;
    }
    if (UNLIKELY(!mask))
        return next_word_slowly(rest, ret);
    size_t size = (size_t)__builtin_ctz(mask), taken = size + (size < left);
    *ret = (rdd_str){ size, at };
    *rest = (rdd_str){ left - taken, at + taken };
    return true;
}

/* ---- fields -------------------------------------------------------------------------------- */

/* After the last field `rest` has no data, so that "a," has two fields and "" one. */
bool rdd_str_next_field(rdd_str *rest, char separator, rdd_str *ret)
{
    if (!rest->data)
        return false;
    const char *at = rest->size ? memchr(rest->data, separator, rest->size) : NULL;
    if (!at) {
        *ret = *rest;
        *rest = (rdd_str){ 0, NULL };
        return true;
    }
    size_t size = (size_t)(at - rest->data);
    *ret = (rdd_str){ size, rest->data };
    *rest = (rdd_str){ rest->size - size - 1, at + 1 };
    return true;
}

/* ---- numbers ------------------------------------------------------------------------------- */

bool rdd_str_to_int64(rdd_str s, int64_t *ret)
{
    if (!s.size)
        return false;
    const char *at = s.data, *end = at + s.size;
    bool negative = *at == '-';
    at += *at == '-' || *at == '+';
    if (at == end)
        return false;
    uint64_t value = 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned char)(*at - '0');
        if (digit > 9 || __builtin_mul_overflow(value, (uint64_t)10, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = (int64_t)(negative ? -value : value);
    return true;
}

bool rdd_str_to_double(rdd_str s, double *ret)
{
    return number_parse_double(s, ret);
}
