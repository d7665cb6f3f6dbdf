/* json_print.c: elements as JSON text, for files, for users and for messages. */
#include "base64.h"
#include "json.h"
#include "number.h"
#include "type.h"
#include "utf8.h"

#include <stdio.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

typedef struct printer {
    buf *out;
    bool show;    /* for a message: replace what is no text, and stop at `end` */
    size_t end;
    rdd_str bad;  /* what was not UTF-8 */
    size_t bad_at;
} printer;

/* ---- text ---------------------------------------------------------------------------------- */

/* Skips bytes below 0x80. */
static const char *skip_ascii(const char *at, const char *end)
{
    for (; end - at >= 8; at += 8) {
        uint64_t bytes;
        memcpy(&bytes, at, sizeof bytes);
        if (bytes & 0x8080808080808080u)
            break;
    }
    while (at < end && (unsigned char)*at < 0x80)
        at++;
    return at;
}

/* The first byte that begins no character, or the end. */
static const char *find_invalid(const char *at, const char *end)
{
    while ((at = skip_ascii(at, end)) < end) {
        size_t size = utf8_size(at, end);
        if (!size)
            return at;
        at += size;
    }
    return end;
}

bool utf8_valid(rdd_str text)
{
    const char *end = text.size ? text.data + text.size : text.data;
    return find_invalid(text.data, end) == end;
}

static bool needs_escape(char c)
{
    return (unsigned char)c < 0x20 || c == '"' || c == '\\';
}

/* The first byte that must be escaped, or the end. */
static const char *find_escape(const char *at, const char *end)
{
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1f);
    for (; end - at >= 16; at += 16) {
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)at);
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(b, quote), _mm_cmpeq_epi8(b, backslash));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(_mm_min_epu8(b, control), b));
        int mask = _mm_movemask_epi8(hit);
        if (mask)
            return at + __builtin_ctz((unsigned)mask);
    }
#endif
    while (at < end && !needs_escape(*at))
        at++;
    return at;
}

static void print_escape(buf *out, char c)
{
    static const char from[] = "\"\\\b\f\n\r\t", as[] = "\"\\bfnrt";
    const char *known = c ? strchr(from, c) : NULL;
    if (known) {
        buf_append(out, (char[]){ '\\', as[known - from] }, 2);
    } else {
        static const char digits[] = "0123456789abcdef";
        buf_append(out, (char[]){ '\\', 'u', '0', '0', digits[c >> 4 & 15], digits[c & 15] }, 6);
    }
}

static bool full(const printer *p)
{
    return p->out->failed || (p->show && p->out->size > p->end);
}

/* For a message: bytes that are no text, and controls past ASCII that a terminal might obey, become
 * U+FFFD. */
static void show_text(printer *p, rdd_str text)
{
    const char *at = text.data, *end = text.size ? at + text.size : at;
    while (at < end && !full(p)) {
        size_t size = utf8_size(at, end);
        bool c1 = size == 2 && (unsigned char)at[0] == 0xc2 && (unsigned char)at[1] < 0xa0;
        if (needs_escape(*at))
            print_escape(p->out, *at);
        else if (!size || c1 || *at == 0x7f)
            buf_text(p->out, "\xef\xbf\xbd");
        else
            buf_append(p->out, at, size);
        at += size ? size : 1;
    }
}

static bool print_text(printer *p, rdd_str text)
{
    if (!text.data) {
        buf_text(p->out, "null");
        return true;
    }
    buf_char(p->out, '"');
    if (p->show) {
        show_text(p, text);
    } else {
        const char *at = text.data, *end = at + text.size, *bad = find_invalid(at, end);
        if (bad < end) {
            p->bad = text;
            p->bad_at = (size_t)(bad - at);
            return false;
        }
        while (at < end) {
            const char *stop = find_escape(at, end);
            buf_append(p->out, at, (size_t)(stop - at));
            at = stop;
            if (at < end)
                print_escape(p->out, *at++);
        }
    }
    buf_char(p->out, '"');
    return true;
}

static void print_bytes(printer *p, rdd_bytes bytes)
{
    if (!bytes.data) {
        buf_text(p->out, "null");
        return;
    }
    if (p->show) /* which cuts the text anyway */
        bytes.size = size_min(bytes.size, p->end - size_min(p->out->size, p->end) + 3);
    buf_char(p->out, '"');
    base64_print(bytes.data, bytes.size, p->out);
    buf_char(p->out, '"');
}

/* ---- values -------------------------------------------------------------------------------- */

static bool print_value(printer *p, const rdd_type *t, const void *value);

static void print_number(printer *p, const rdd_type *t, const void *value)
{
    char text[NUMBER_TEXT_MAX];
    size_t size = number_print(t, value, text);
    bool finite = (unsigned char)(text[size - 1] - '0') < 10;
    buf_append(p->out, finite ? text : "null", finite ? size : 4);
}

static bool print_row(printer *p, const rdd_row *row)
{
    size_t count = row->items ? row->count : 0;
    buf_char(p->out, '{');
    for (size_t i = 0; i < count && !full(p); i++) {
        if (i)
            buf_char(p->out, ',');
        rdd_str name = row->items[i].name;
        if (!print_text(p, name.data ? name : RDD_STR("")))
            return false;
        buf_char(p->out, ':');
        if (!print_text(p, row->items[i].text))
            return false;
    }
    buf_char(p->out, '}');
    return true;
}

static bool print_list(printer *p, const rdd_type *t, const void *value)
{
    rdd_row list; /* all lists look alike */
    memcpy(&list, value, sizeof list);
    const char *items = (const char *)list.items;
    size_t count = items ? list.count : 0;
    buf_char(p->out, '[');
    for (size_t i = 0; i < count && !full(p); i++) {
        if (i)
            buf_char(p->out, ',');
        if (!print_value(p, t->item, items + i * t->item->size))
            return false;
    }
    buf_char(p->out, ']');
    return true;
}

static bool print_struct(printer *p, const rdd_type *t, const void *value)
{
    buf_char(p->out, '{');
    for (uint32_t i = 0; i < t->field_count && !full(p); i++) {
        const rdd_field *f = &t->fields[i];
        if (i)
            buf_char(p->out, ',');
        if (!print_text(p, rdd_str_of(f->name)))
            return false;
        buf_char(p->out, ':');
        if (!print_value(p, f->type, (const char *)value + f->offset))
            return false;
    }
    buf_char(p->out, '}');
    return true;
}

/* False when a text is not UTF-8. */
static bool print_value(printer *p, const rdd_type *t, const void *value)
{
    switch (t->kind) {
    case RDD_KIND_BOOL: buf_text(p->out, *(const uint8_t *)value ? "true" : "false"); return true;
    case RDD_KIND_STR: return print_text(p, *(const rdd_str *)value);
    case RDD_KIND_BYTES: print_bytes(p, *(const rdd_bytes *)value); return true;
    case RDD_KIND_STRUCT: return print_struct(p, t, value);
    case RDD_KIND_LIST: return type_is_row(t) ? print_row(p, value) : print_list(p, t, value);
    case RDD_KIND_OPTIONAL:
        if (*(const uint8_t *)value)
            return print_value(p, t->item, (const char *)value + t->fields[0].offset);
        buf_text(p->out, "null");
        return true;
    default: print_number(p, t, value); return true;
    }
}

/* ---- public -------------------------------------------------------------------------------- */

/* The end of every function that prints: on failure `out` is as it was. */
static int finish(printer *p, bool good, size_t start, rdd_error *err)
{
    if (good && !p->out->failed)
        return 0;
    p->out->size = start;
    if (good) {
        p->out->failed = false;
        return error_set_memory(err, "printing JSON");
    }
    CLEANUP(buf_release) buf shown = { 0 };
    json_show(RDD_TYPE(rdd_str), &p->bad, 60, &shown);
    const char *text = buf_terminate(&shown);
    return error_set(err, RDD_E_INPUT, "text is not UTF-8 at byte %zu: %s", p->bad_at,
                     text ? text : "");
}

int json_print(const rdd_type *t, const void *value, buf *out, rdd_error *err)
{
    printer p = { .out = out };
    size_t start = out->size;
    return finish(&p, print_value(&p, t, value), start, err);
}

int json_print_str(rdd_str text, buf *out, rdd_error *err)
{
    return json_print(RDD_TYPE(rdd_str), &text, out, err);
}

void json_show(const rdd_type *t, const void *value, size_t size_max, buf *out)
{
    size_t end = out->size + size_max;
    printer p = { .out = out, .show = true, .end = end };
    print_value(&p, t, value);
    if (out->size <= end)
        return;
    while (end && ((unsigned char)out->data[end] & 0xc0) == 0x80)
        end--; /* not within a character */
    out->size = end;
    buf_text(out, "…");
}
