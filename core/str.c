/* str.c: the text functions of rdd.h that need no task. (rdd_str_compare is in value.c, with the order
 * of all other values.)
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

static bool is_space(char c)
{
    return c == ' ' || (unsigned char)(c - '\t') < 5;
}

bool rdd_str_next_word(rdd_str *rest, rdd_str *ret)
{
    const char *at = rest->data, *end = at ? at + rest->size : at;
    while (at < end && is_space(*at))
        at++;
    if (at == end)
        return false;
    const char *from = at;
    while (at < end && !is_space(*at))
        at++;
    *ret = (rdd_str){ (size_t)(at - from), from };
    *rest = (rdd_str){ (size_t)(end - at), at };
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
    const char *at = s.data, *end = at + s.size;
    bool negative = s.size && *at == '-';
    at += s.size && (*at == '-' || *at == '+');
    if (at == end)
        return false;
    uint64_t limit = negative ? (uint64_t)1 << 63 : INT64_MAX, value = 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned char)(*at - '0');
        if (digit > 9 || value > (limit - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *ret = (int64_t)(negative ? -value : value);
    return true;
}

bool rdd_str_to_double(rdd_str s, double *ret)
{
    return number_parse_double(s, ret);
}
