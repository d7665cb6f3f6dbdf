/* number.c: see number.h. The common numbers take a short way of our own, the rest libc's, which is
 * told or taught to forget the locale.
 */
#include "number.h"

#include <ctype.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <strings.h>

/* ---- a decimal number in its parts --------------------------------------------------------- */

/* (-1)^negative * digits * 10^exponent; `cut` when there are more digits than fit, and then
 * `digits` says nothing. */
typedef struct decimal {
    uint64_t digits;
    int64_t exponent;
    bool negative, cut;
} decimal;

enum { EXPONENT_MAX = 1 << 20 }; /* past it, any number is zero or infinite */

/* Adds digits from `at` on and returns where they end. */
static const char *take_digits(const char *at, const char *end, decimal *d, bool fraction)
{
    for (; at < end && (unsigned char)(*at - '0') < 10; at++) {
        d->cut |= __builtin_mul_overflow(d->digits, (uint64_t)10, &d->digits);
        d->cut |= __builtin_add_overflow(d->digits, (uint64_t)(*at - '0'), &d->digits);
        d->exponent -= fraction;
    }
    return at;
}

static const char *take_exponent(const char *at, const char *end, decimal *d)
{
    bool negative = at < end && *at == '-';
    at += at < end && (*at == '-' || *at == '+');
    const char *from = at;
    int64_t exponent = 0;
    for (; at < end && (unsigned char)(*at - '0') < 10; at++)
        if (exponent < EXPONENT_MAX)
            exponent = exponent * 10 + (*at - '0');
    d->exponent += negative ? -exponent : exponent;
    return at > from ? at : NULL;
}

/* [+-] digits [. digits] [e [+-] digits], at least one digit before the exponent. */
static bool decimal_parse(rdd_str text, decimal *ret)
{
    decimal d = { 0 };
    if (!text.size)
        return false;
    const char *at = text.data, *end = at + text.size;
    d.negative = *at == '-';
    at += *at == '-' || *at == '+';
    const char *from = at;
    at = take_digits(at, end, &d, false);
    size_t digits = (size_t)(at - from);
    if (at < end && *at == '.') {
        from = ++at;
        at = take_digits(at, end, &d, true);
        digits += (size_t)(at - from);
    }
    if (!digits)
        return false;
    if (at < end && (*at == 'e' || *at == 'E') && !(at = take_exponent(at + 1, end, &d)))
        return false;
    *ret = d;
    return at == end;
}

/* The usual form: a sign perhaps, and at most 19 digits, which cannot overflow. */
static bool plain_whole(rdd_str text, bool *ret_negative, uint64_t *ret_magnitude)
{
    if (!text.size)
        return false;
    const char *at = text.data, *end = at + text.size;
    bool negative = *at == '-';
    at += negative;
    if (at == end || end - at > 19)
        return false;
    uint64_t magnitude = 0;
    for (; at < end; at++) {
        unsigned digit = (unsigned char)(*at - '0');
        if (digit > 9)
            return false;
        magnitude = magnitude * 10 + digit;
    }
    *ret_negative = negative;
    *ret_magnitude = magnitude;
    return true;
}

bool number_parse_whole(rdd_str text, bool *ret_negative, uint64_t *ret_magnitude)
{
    decimal d;
    if (plain_whole(text, ret_negative, ret_magnitude))
        return true;
    if (!decimal_parse(text, &d) || d.cut)
        return false;
    while (d.exponent < 0 && d.digits && d.digits % 10 == 0) {
        d.digits /= 10;
        d.exponent++;
    }
    if (!d.digits)
        d.exponent = 0;
    if (d.exponent < 0 || d.exponent > 19)
        return false;
    for (; d.exponent; d.exponent--)
        if (__builtin_mul_overflow(d.digits, (uint64_t)10, &d.digits))
            return false;
    *ret_negative = d.negative;
    *ret_magnitude = d.digits;
    return true;
}

/* ---- doubles ------------------------------------------------------------------------------- */

static locale_t c_locale;

__attribute__((constructor)) static void c_locale_init(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", NULL);
}

static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                 1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };

/* Two numbers that a double holds exactly, and one operation, which rounds once (Clinger 1990). */
static bool exact_double(const decimal *d, double *ret)
{
    if (d->cut || d->digits > (uint64_t)1 << 53 || d->exponent < -22 || d->exponent > 22)
        return false;
    double x = (double)d->digits;
    x = d->exponent < 0 ? x / powers[-d->exponent] : x * powers[d->exponent];
    *ret = d->negative ? -x : x;
    return true;
}

static bool exact_float(const decimal *d, float *ret)
{
    if (d->cut || d->digits > (uint64_t)1 << 24 || d->exponent < -10 || d->exponent > 10)
        return false;
    float x = (float)d->digits;
    x = d->exponent < 0 ? x / (float)powers[-d->exponent] : x * (float)powers[d->exponent];
    *ret = d->negative ? -x : x;
    return true;
}

/* libc's way, for the rest. The text has the form of a decimal number. */
static bool slow_number(rdd_str text, double *ret_double, float *ret_float)
{
    char few[128], *copy = few;
    CLEANUP(freep) char *many = NULL;
    if (text.size >= sizeof few) {
        many = malloc(text.size + 1);
        if (!many)
            return false;
        copy = many;
    }
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    float narrow = ret_float ? strtof_l(copy, NULL, c_locale) : 0;
    double x = ret_float ? (double)narrow : strtod_l(copy, NULL, c_locale);
    if (isinf(x))
        return false;
    if (ret_float)
        *ret_float = narrow;
    else
        *ret_double = x;
    return true;
}

static bool word_is(rdd_str text, const char *word)
{
    return text.size == strlen(word) && !strncasecmp(text.data, word, text.size);
}

/* inf and nan, with a sign. */
static bool special_parse(rdd_str text, double *ret)
{
    bool negative = text.size && *text.data == '-';
    if (text.size && (*text.data == '-' || *text.data == '+'))
        text = (rdd_str){ text.size - 1, text.data + 1 };
    if (word_is(text, "inf") || word_is(text, "infinity"))
        *ret = negative ? -HUGE_VAL : HUGE_VAL;
    else if (word_is(text, "nan"))
        *ret = (double)NAN;
    else
        return false;
    return true;
}

bool number_parse_double(rdd_str text, double *ret)
{
    decimal d;
    if (!decimal_parse(text, &d))
        return special_parse(text, ret);
    return exact_double(&d, ret) || slow_number(text, ret, NULL);
}

bool number_parse_float(rdd_str text, float *ret)
{
    decimal d;
    double special;
    if (decimal_parse(text, &d))
        return exact_float(&d, ret) || slow_number(text, NULL, ret);
    if (!special_parse(text, &special))
        return false;
    *ret = (float)special;
    return true;
}

/* ---- printing ------------------------------------------------------------------------------ */

size_t number_print_u64(uint64_t x, char *out)
{
    char digits[20];
    size_t size = 0;
    do
        digits[size++] = (char)('0' + x % 10);
    while (x /= 10);
    for (size_t i = 0; i < size; i++)
        out[i] = digits[size - 1 - i];
    out[size] = 0;
    return size;
}

size_t number_print_i64(int64_t x, char *out)
{
    if (x >= 0)
        return number_print_u64((uint64_t)x, out);
    *out = '-';
    return 1 + number_print_u64(-(uint64_t)x, out + 1);
}

/* The locale may write the decimal point in any way; all else that %g prints is ASCII. */
static size_t print_digits(double x, int digits, char *out)
{
    char text[64];
    snprintf(text, sizeof text, "%.*g", digits, x);
    size_t size = 0;
    for (const char *p = text; *p && size < NUMBER_TEXT_MAX - 1; p++) {
        bool plain = (unsigned char)(*p - '0') < 10 || *p == '-' || *p == '+' || *p == 'e';
        if (plain)
            out[size++] = *p;
        else if (size && out[size - 1] != '.')
            out[size++] = '.';
    }
    out[size] = 0;
    return size;
}

static size_t print_special(double x, char *out)
{
    const char *text = x != x ? "nan" : x < 0 ? "-inf" : "inf";
    memcpy(out, text, strlen(text) + 1);
    return strlen(text);
}

/* Most doubles that people write have a few decimals: then x * 10^k is nearly a whole number of
 * at most 15 digits, and if the nearest one divided by 10^k is x, those are the digits that
 * %.15g prints, as no other 15 digits are as near. 0 when it is not like that. */
static size_t print_short(double x, char *out)
{
    double size = fabs(x);
    if (!(size < 1e15 && (size >= 1e-3 || size == 0)))
        return 0;
    for (int k = 0; k <= 9; k += 3) {
        double scaled = nearbyint(size * powers[k]);
        if (scaled >= 1e15)
            return 0;
        if (scaled / powers[k] != size)
            continue;
        size_t at = signbit(x) ? 1 : 0;
        *out = '-';
        uint64_t whole = (uint64_t)scaled, unit = (uint64_t)powers[k];
        at += number_print_u64(whole / unit, out + at);
        uint64_t rest = whole % unit;
        if (rest) {
            out[at++] = '.';
            for (unit /= 10; rest; unit /= 10) {
                out[at++] = (char)('0' + rest / unit);
                rest %= unit;
            }
        }
        out[at] = 0;
        return at;
    }
    return 0;
}

size_t number_print_double(double x, char *out)
{
    if (!isfinite(x))
        return print_special(x, out);
    size_t size = print_short(x, out);
    for (int digits = 15; !size; digits++) {
        double again;
        size_t tried = print_digits(x, digits, out);
        if (digits == 17 || (number_parse_double((rdd_str){ tried, out }, &again) && again == x))
            size = tried;
    }
    return size;
}

size_t number_print_float(float x, char *out)
{
    if (!isfinite(x))
        return print_special((double)x, out);
    for (int digits = 6;; digits++) {
        float again;
        size_t size = print_digits((double)x, digits, out);
        if (digits == 9 || (number_parse_float((rdd_str){ size, out }, &again) && again == x))
            return size;
    }
}

/* ---- by type ------------------------------------------------------------------------------- */

/* Whether sign and magnitude fit an integer of this kind; the value in two's complement. */
static bool fits(rdd_kind kind, bool negative, uint64_t magnitude, uint64_t *ret)
{
    static const uint8_t bits[] = { [RDD_KIND_I8] = 8,  [RDD_KIND_I16] = 16, [RDD_KIND_I32] = 32,
                                    [RDD_KIND_I64] = 64, [RDD_KIND_U8] = 8,  [RDD_KIND_U16] = 16,
                                    [RDD_KIND_U32] = 32, [RDD_KIND_U64] = 64 };
    bool is_signed = kind <= RDD_KIND_I64;
    uint64_t largest = ~(uint64_t)0 >> (64 - bits[kind] + is_signed);
    if (negative ? magnitude > (is_signed ? largest + 1 : 0) : magnitude > largest)
        return false;
    *ret = negative ? -magnitude : magnitude;
    return true;
}

/* Little endian: the low bytes come first. A size that is known is one store and no call. */
static void store(void *to, uint64_t value, uint32_t size)
{
    switch (size) {
    case 1: memcpy(to, &value, 1); break;
    case 2: memcpy(to, &value, 2); break;
    case 4: memcpy(to, &value, 4); break;
    default: memcpy(to, &value, 8);
    }
}

bool number_parse(const rdd_type *t, rdd_str text, void *ret)
{
    if (t->kind == RDD_KIND_DOUBLE) {
        double x;
        if (!number_parse_double(text, &x))
            return false;
        memcpy(ret, &x, sizeof x);
        return true;
    }
    if (t->kind == RDD_KIND_FLOAT) {
        float x;
        if (!number_parse_float(text, &x))
            return false;
        memcpy(ret, &x, sizeof x);
        return true;
    }
    bool negative;
    uint64_t magnitude, value;
    if (!number_parse_whole(text, &negative, &magnitude) ||
        !fits(t->kind, negative, magnitude, &value))
        return false;
    store(ret, value, t->size);
    return true;
}

size_t number_print(const rdd_type *t, const void *value, char *out)
{
    switch (t->kind) {
    case RDD_KIND_I8: return number_print_i64(*(const int8_t *)value, out);
    case RDD_KIND_I16: return number_print_i64(*(const int16_t *)value, out);
    case RDD_KIND_I32: return number_print_i64(*(const int32_t *)value, out);
    case RDD_KIND_I64: return number_print_i64(*(const int64_t *)value, out);
    case RDD_KIND_U8: return number_print_u64(*(const uint8_t *)value, out);
    case RDD_KIND_U16: return number_print_u64(*(const uint16_t *)value, out);
    case RDD_KIND_U32: return number_print_u64(*(const uint32_t *)value, out);
    case RDD_KIND_U64: return number_print_u64(*(const uint64_t *)value, out);
    case RDD_KIND_FLOAT: return number_print_float(*(const float *)value, out);
    case RDD_KIND_DOUBLE: return number_print_double(*(const double *)value, out);
    default: return 0;
    }
}
