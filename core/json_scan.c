/* json_scan.c: tokens of JSON text. The one includer of cJSON for data, which judges nested values:
 * their extent is found here first, with the depth bounded, as its recursion eats the stack.
 */
#include "json_scan.h"

#include "json.h"
#include "utf8.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

json_scan json_scan_begin(rdd_str text, arena *a, rdd_error *err)
{
    const char *at = text.data, *end = text.size ? at + text.size : at;
    if (text.size >= 3 && !memcmp(at, "\xef\xbb\xbf", 3))
        at += 3;
    return (json_scan){ .from = text.data, .at = at, .end = end, .a = a, .err = err };
}

/* The text of a JSON string, which may be cut: without quotes, and only control characters escaped. */
static const char *unquote(char *text)
{
    const char *from = text + 1;
    char *to = text;
    for (; *from && *from != '"'; *to++ = *from++)
        from += *from == '\\' && (from[1] < 'a' || from[1] > 'z');
    *to = 0;
    return text;
}

bool json_fail(json_scan *s, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    CLEANUP(buf_release) buf found = { 0 };
    rdd_str rest = { (size_t)(s->end - s->at), s->at };
    if (rest.size)
        json_show(RDD_TYPE(rdd_str), &rest, 24, &found);
    char *text = buf_terminate(&found);
    s->code = error_set(s->err, RDD_E_INPUT, "%s at byte %zu%s%s", what, (size_t)(s->at - s->from),
                        rest.size ? ", found " : ", where it ends",
                        rest.size && text ? unquote(text) : "");
    return false;
}

bool json_fail_memory(json_scan *s)
{
    s->code = error_set_memory(s->err, "reading JSON");
    return false;
}

/* ---- bytes --------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

int json_next(json_scan *s)
{
    while (s->at < s->end && is_blank(*s->at))
        s->at++;
    return s->at < s->end ? (unsigned char)*s->at : -1;
}

bool json_take(json_scan *s, char c)
{
    if (json_next(s) != (unsigned char)c)
        return false;
    s->at++;
    return true;
}

bool json_open(json_scan *s, char c)
{
    if (json_next(s) != c)
        return json_fail(s, c == '{' ? "an object is expected" : "an array is expected");
    if (s->depth == JSON_DEPTH_MAX)
        return json_fail(s, "it nests deeper than %d", JSON_DEPTH_MAX);
    s->depth++;
    s->at++;
    return true;
}

bool json_more(json_scan *s, char close)
{
    if (json_take(s, ','))
        return true;
    if (!json_take(s, close))
        return json_fail(s, "',' or '%c' is expected", close);
    s->depth--;
    return false;
}

bool json_finish(json_scan *s)
{
    return json_next(s) < 0 || json_fail(s, "there is more behind the value");
}

/* ---- strings ------------------------------------------------------------------------------- */

/* The first quote or backslash, or the end. */
static const char *find_special(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    for (; end - at >= 16; at += 16) {
        __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
        int mask = _mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash)));
        if (mask)
            return at + __builtin_ctz((unsigned)mask);
    }
#endif
    while (at < end && *at != '"' && *at != '\\')
        at++;
    return at;
}

/* The quote that closes the string whose content begins at `at`; NULL when there is none. */
static const char *find_close(const char *at, const char *end)
{
    for (;;) {
        at = find_special(at, end);
        if (at == end)
            return NULL;
        if (*at == '"')
            return at;
        if (end - at < 2)
            return NULL;
        at += 2;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The four digits behind \u, or -1. */
static int32_t hex_unit(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* `at` is behind "\u"; two units may make one character. NULL when malformed. */
static const char *unescape_unit(const char *at, const char *end, char **to)
{
    int32_t unit = hex_unit(at, end);
    at += 4;
    if (unit < 0 || (unit >= 0xdc00 && unit < 0xe000))
        return NULL;
    uint32_t c = (uint32_t)unit;
    if (unit >= 0xd800 && unit < 0xdc00) {
        int32_t low = end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex_unit(at + 2, end) : -1;
        if (low < 0xdc00 || low >= 0xe000)
            return NULL;
        c = 0x10000 + ((uint32_t)(unit - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
        at += 6;
    }
    *to += utf8_put(c, *to);
    return at;
}

/* One escape; `at` is at its backslash, and there is a byte behind it. */
static const char *unescape(const char *at, const char *end, char **to)
{
    static const char from[] = "\"\\/bfnrt", as[] = "\"\\/\b\f\n\r\t";
    char c = at[1];
    if (c == 'u')
        return unescape_unit(at + 2, end, to);
    const char *known = c ? strchr(from, c) : NULL;
    if (!known)
        return NULL;
    *(*to)++ = as[known - from];
    return at + 2;
}

/* No escape is shorter than what it stands for, so the text's size is enough. */
static bool string_unescaped(json_scan *s, const char *at, const char *close, rdd_str *ret)
{
    char *data = arena_alloc(s->a, (size_t)(close - at)), *to = data;
    if (!data)
        return json_fail_memory(s);
    while (at < close) {
        const char *special = find_special(at, close);
        memcpy(to, at, (size_t)(special - at));
        to += special - at;
        at = special;
        if (at == close)
            break;
        const char *next = unescape(at, close, &to);
        if (!next) {
            s->at = at;
            return json_fail(s, "an escape is wrong");
        }
        at = next;
    }
    *ret = (rdd_str){ (size_t)(to - data), data };
    return true;
}

bool json_string(json_scan *s, rdd_str *ret)
{
    if (json_next(s) != '"')
        return json_fail(s, "a string is expected");
    const char *from = s->at + 1, *close = find_special(from, s->end);
    if (close < s->end && *close == '"') {
        *ret = (rdd_str){ (size_t)(close - from), from };
        s->at = close + 1;
        return true;
    }
    close = close < s->end ? find_close(close, s->end) : NULL;
    if (!close)
        return json_fail(s, "a string does not end");
    if (!string_unescaped(s, from, close, ret))
        return false;
    s->at = close + 1;
    return true;
}

/* ---- numbers and words --------------------------------------------------------------------- */

static const char *skip_digits(const char *at, const char *end)
{
    while (at < end && (unsigned char)(*at - '0') < 10)
        at++;
    return at;
}

bool json_number(json_scan *s, rdd_str *ret)
{
    json_next(s);
    const char *at = s->at, *end = s->end;
    at += at < end && *at == '-';
    const char *from = at;
    at = skip_digits(at, end);
    bool good = at > from && (*from != '0' || at == from + 1);
    if (at < end && *at == '.') {
        from = ++at;
        at = skip_digits(at, end);
        good &= at > from;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '-' || *at == '+');
        from = at;
        at = skip_digits(at, end);
        good &= at > from;
    }
    if (!good)
        return json_fail(s, "a number is expected");
    *ret = (rdd_str){ (size_t)(at - s->at), s->at };
    s->at = at;
    return true;
}

bool json_word(json_scan *s, const char *word)
{
    size_t size = strlen(word);
    json_next(s);
    if ((size_t)(s->end - s->at) < size || memcmp(s->at, word, size) != 0)
        return false;
    s->at += size;
    return true;
}

/* ---- nested values ------------------------------------------------------------------------- */

/* Where the array or object that begins at `at` ends. It may be malformed: then the end is any, and
 * NULL when there is none. Up to the first error, cJSON sees the same brackets and strings, so it
 * never recurses deeper than this. */
static const char *find_end(const char *at, const char *end, int depth_max, bool *ret_deep)
{
    int depth = 0;
    *ret_deep = false;
    for (; at < end; at++) {
        if (*at == '"') {
            at = find_close(at + 1, end);
            if (!at)
                return NULL;
        } else if (*at == '[' || *at == '{') {
            if (++depth > depth_max) {
                *ret_deep = true;
                return NULL;
            }
        } else if ((*at == ']' || *at == '}') && --depth <= 0) {
            return at + 1;
        }
    }
    return NULL;
}

bool json_depth_ok(rdd_str text)
{
    const char *at = text.data, *end = text.size ? at + text.size : at;
    bool deep = false;
    /* Behind the end of one value there may be another. */
    while (at && at < end && !deep)
        at = find_end(at, end, JSON_DEPTH_MAX, &deep);
    return !deep;
}

static bool nested(json_scan *s, rdd_str *ret)
{
    bool deep;
    const char *end = find_end(s->at, s->end, JSON_DEPTH_MAX - s->depth, &deep);
    if (deep)
        return json_fail(s, "it nests deeper than %d", JSON_DEPTH_MAX);
    if (!end)
        return json_fail(s, "an object or array does not end");
    const char *parsed = NULL;
    errno = 0;
    cJSON *value = cJSON_ParseWithLengthOpts(s->at, (size_t)(end - s->at), &parsed, false);
    bool good = value && parsed == end;
    bool memory = !value && errno == ENOMEM;
    cJSON_Delete(value);
    if (memory)
        return json_fail_memory(s);
    if (!good) {
        if (parsed >= s->at && parsed <= end)
            s->at = parsed;
        return json_fail(s, "a nested value is malformed");
    }
    *ret = (rdd_str){ (size_t)(end - s->at), s->at };
    s->at = end;
    return true;
}

bool json_raw(json_scan *s, rdd_str *ret)
{
    int c = json_next(s);
    if (c == '{' || c == '[')
        return nested(s, ret);
    const char *from = s->at;
    if (c == '-' || (c >= '0' && c <= '9'))
        return json_number(s, ret);
    if (!json_word(s, "true") && !json_word(s, "false") && !json_word(s, "null"))
        return json_fail(s, "a value is expected");
    *ret = (rdd_str){ (size_t)(s->at - from), from };
    return true;
}

bool json_skip(json_scan *s)
{
    rdd_str ignored;
    return json_next(s) == '"' ? json_string(s, &ignored) : json_raw(s, &ignored);
}
