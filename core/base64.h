/* base64.h: bytes as text (RFC 4648 section 4, with padding). */
#ifndef RDD_BASE64_H
#define RDD_BASE64_H

#include "buf.h"

/* Three bytes as four characters; of the last group, `size` may be 1 or 2. */
static inline void base64_group(const unsigned char *bytes, size_t size, char *out)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    unsigned second = size > 1 ? bytes[1] : 0, third = size > 2 ? bytes[2] : 0;
    unsigned bits = (unsigned)bytes[0] << 16 | second << 8 | third;
    out[0] = alphabet[bits >> 18];
    out[1] = alphabet[bits >> 12 & 63];
    out[2] = size > 1 ? alphabet[bits >> 6 & 63] : '=';
    out[3] = size > 2 ? alphabet[bits & 63] : '=';
}

static inline void base64_print(const void *data, size_t size, buf *out)
{
    for (size_t i = 0; i < size && !out->failed; i += 3) {
        char group[4];
        base64_group((const unsigned char *)data + i, size_min(size - i, 3), group);
        buf_append(out, group, sizeof group);
    }
}

static inline int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Reads `size` characters into `out` (3 bytes for each 4 of them). False when they are no base64:
 * strictly, so that bytes have one text and a text one meaning. */
static inline bool base64_decode(const char *text, size_t size, unsigned char *out,
                                 size_t *ret_size)
{
    size_t made = 0;
    if (size % 4)
        return false;
    for (size_t i = 0; i < size; i += 4) {
        bool last = i + 4 == size;
        int pads = last && text[i + 3] == '=' ? 1 + (text[i + 2] == '=') : 0;
        int digits[4] = { 0 };
        for (int k = 0; k < 4 - pads; k++)
            if ((digits[k] = base64_digit(text[i + (size_t)k])) < 0)
                return false;
        unsigned bits = (unsigned)digits[0] << 18 | (unsigned)digits[1] << 12 |
                        (unsigned)digits[2] << 6 | (unsigned)digits[3];
        if (bits & ((1u << 8 * pads) - 1))
            return false;
        for (int k = 0; k < 3 - pads; k++)
            out[made++] = (unsigned char)(bits >> (16 - 8 * k));
    }
    *ret_size = made;
    return true;
}

#endif
