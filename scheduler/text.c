#include "text.h"

#include <stdio.h>

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

size_t text_utf8(const char *at, const char *end)
{
    if (at == end)
        return 0;
    unsigned char first = (unsigned char)*at;
    size_t left = (size_t)(end - at);
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < size)
        return 0;
    for (size_t i = 1; i < size; i++)
        if (!is_continuation(at[i]))
            return 0;
    /* Longer than needed, a half of a surrogate pair, past the last character. */
    unsigned char second = (unsigned char)at[1];
    if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) ||
        (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
        return 0;
    return size;
}

/* -- JSON -------------------------------------------------------------------------------------- */

static bool is_plain(char c)
{
    unsigned char byte = (unsigned char)c;
    return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\';
}

static void json_escape(buf *out, char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = { '\\', c };
    size_t size = 2;
    switch (c) {
    case '"':
    case '\\': break;
    case '\n': text[1] = 'n'; break;
    case '\r': text[1] = 'r'; break;
    case '\t': text[1] = 't'; break;
    default:
        memcpy(text, "\\u00", 4);
        text[4] = hex[(unsigned char)c >> 4];
        text[5] = hex[c & 15];
        size = 6;
    }
    buf_append(out, text, size);
}

void text_json(buf *out, const char *data, size_t size)
{
    const char *at = data, *end = size ? data + size : data;
    buf_char(out, '"');
    while (at < end) {
        const char *start = at;
        while (at < end && is_plain(*at))
            at++;
        buf_append(out, start, (size_t)(at - start));
        if (at == end)
            break;
        if ((unsigned char)*at < 0x80) {
            json_escape(out, *at++);
            continue;
        }
        size_t sequence = text_utf8(at, end);
        if (sequence)
            buf_append(out, at, sequence);
        else
            buf_text(out, "\xef\xbf\xbd");
        at += sequence ? sequence : 1;
    }
    buf_char(out, '"');
}

/* -- Terminals --------------------------------------------------------------------------------- */

static uint32_t code_point(const char *at, size_t sequence)
{
    static const unsigned char first_bits[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    uint32_t point = (unsigned char)*at & first_bits[sequence];
    for (size_t i = 1; i < sequence; i++)
        point = point << 6 | ((unsigned char)at[i] & 0x3f);
    return point;
}

/* C0 and C1, line and paragraph separators, and what reorders the text around it. */
static bool moves_cursor(uint32_t point)
{
    return point < 0x20 || (point >= 0x7f && point < 0xa0) ||
           (point >= 0x200b && point <= 0x200f) || (point >= 0x2028 && point <= 0x202e) ||
           (point >= 0x2060 && point <= 0x206f) || point == 0xfeff;
}

/* East Asian and emoji blocks, in the rough. Marks that combine count as one column. */
static bool is_wide(uint32_t point)
{
    return point >= 0x1100 &&
           (point <= 0x115f || (point >= 0x231a && point <= 0x27ff) ||
            (point >= 0x2b00 && point <= 0x2bff) || (point >= 0x2e80 && point <= 0xa4cf) ||
            (point >= 0xa960 && point <= 0xa97f) || (point >= 0xac00 && point <= 0xd7ff) ||
            (point >= 0xf900 && point <= 0xfaff) || (point >= 0xfe10 && point <= 0xfe6f) ||
            (point >= 0xff00 && point <= 0xffe6) || point >= 0x16fe0);
}

typedef struct glyph {
    size_t size; /* of the bytes it was */
    size_t columns;
    char instead; /* what is shown in its place, or 0 */
} glyph;

static glyph glyph_at(const char *at, const char *end)
{
    size_t sequence = text_utf8(at, end);
    if (sequence == 0)
        return (glyph){ 1, 1, '?' };
    uint32_t point = code_point(at, sequence);
    if (moves_cursor(point))
        return (glyph){ sequence, 1, point == '\t' ? ' ' : '?' };
    return (glyph){ sequence, is_wide(point) ? 2 : 1, 0 };
}

size_t text_columns(const char *data, size_t size)
{
    const char *at = data, *end = size ? data + size : data;
    size_t columns = 0;
    while (at < end) {
        glyph g = glyph_at(at, end);
        columns += g.columns;
        at += g.size;
    }
    return columns;
}

size_t text_fit(buf *out, const char *data, size_t size, size_t columns)
{
    static const char dots[] = "...";
    const char *at = data, *end = size ? data + size : data;
    size_t used = 0, start = out->size;
    size_t fits_dots_size = start, fits_dots_used = 0; /* where the dots go if it must be cut */
    while (at < end) {
        glyph g = glyph_at(at, end);
        if (used + g.columns > columns) {
            size_t dot_count = size_min(sizeof dots - 1, columns - fits_dots_used);
            if (!out->failed)
                out->size = fits_dots_size;
            buf_append(out, dots, dot_count);
            return fits_dots_used + dot_count;
        }
        if (g.instead)
            buf_char(out, g.instead);
        else
            buf_append(out, at, g.size);
        used += g.columns;
        at += g.size;
        if (used + sizeof dots - 1 <= columns) {
            fits_dots_size = out->size;
            fits_dots_used = used;
        }
    }
    return used;
}

/* -- Numbers ----------------------------------------------------------------------------------- */

char *text_put_u64(char *at, uint64_t number)
{
    char digits[TEXT_U64_MAX], *first = digits + sizeof digits;
    do {
        *--first = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    size_t size = (size_t)(digits + sizeof digits - first);
    memcpy(at, first, size);
    return at + size;
}

void text_thousands(buf *out, uint64_t number)
{
    char digits[TEXT_U64_MAX];
    size_t size = (size_t)(text_put_u64(digits, number) - digits);
    for (size_t i = 0; i < size; i++) {
        if (i && (size - i) % 3 == 0)
            buf_char(out, ',');
        buf_char(out, digits[i]);
    }
}
