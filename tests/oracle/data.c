/* data.c: random values of any described type, extremes more often than chance would have them. */
#include "oracle.h"

#include <math.h>
#include <stdarg.h>

uint64_t draw(void)
{
    uint64_t z = oracle.random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t draw_below(uint64_t limit)
{
    return draw() % limit;
}

void *oracle_alloc(size_t size)
{
    void *block = arena_zalloc(&oracle.memory, size);
    if (!block)
        abort();
    return block;
}

rdd_str oracle_text(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = oracle_alloc((size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return (rdd_str){ (size_t)size, text };
}

size_t random_count(void)
{
    switch (draw_below(10)) {
    case 0: return 0;
    case 1: return 1;
    case 2:
    case 3: return 2 + (size_t)draw_below(8);
    case 4:
    case 5: return 10 + (size_t)draw_below(90);
    default: return 100 + (size_t)draw_below(900);
    }
}

rdd_str random_word(void)
{
    size_t size = 1 + (size_t)draw_below(7);
    char *text = oracle_alloc(size);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)('a' + draw_below(4));
    return (rdd_str){ size, text };
}

rdd_str random_line(void)
{
    static const char BYTES[] = "abcde  ,;\t\"'\\{}\x7f\xc3\xa4\xff";
    size_t size = draw_below(20) == 0 ? (size_t)draw_below(3000) : (size_t)draw_below(30);
    char *text = oracle_alloc(size + 1);
    for (size_t i = 0; i < size; i++)
        text[i] = BYTES[draw_below(sizeof BYTES - 1)];
    return (rdd_str){ size, text };
}

/* ---- by descriptor -------------------------------------------------------------------------- */

static uint64_t random_whole(unsigned bits)
{
    static const int64_t EDGES[] = { 0, 1, -1, 2, 7, 100, 127, 128, 255, 256 };
    uint64_t top = 1ull << (bits - 1);
    switch (draw_below(8)) {
    case 0: return (uint64_t)EDGES[draw_below(10)];
    case 1: return draw_below(2) ? top : top - 1; /* the least and the greatest, signed */
    case 2: return UINT64_MAX;
    case 3: return draw();
    default: return draw_below(100) - 50;
    }
}

static double random_real(void)
{
    static const double EDGES[] = { 0.0, -0.0, 1, -1, INFINITY, -INFINITY, 5e-324, 1e308, 0.1 };
    switch (draw_below(6)) {
    case 0: return NAN;
    case 1: return EDGES[draw_below(9)];
    case 2: return (double)(int64_t)draw() / 1e6;
    default: return (double)((int64_t)draw_below(2000) - 1000) / 8;
    }
}

/* No value, no bytes, short, with any bytes, and now and then longer than a batch of strings. */
static rdd_str random_string(void)
{
    uint64_t kind = draw_below(40);
    if (kind == 0)
        return (rdd_str){ 0, NULL };
    if (kind <= 3)
        return (rdd_str){ 0, "" };
    if (kind <= 30)
        return random_word();
    size_t size = kind == 31 ? (size_t)draw_below(20000) : (size_t)draw_below(40);
    char *text = oracle_alloc(size + 1);
    for (size_t i = 0; i < size; i++)
        text[i] = (char)draw();
    return (rdd_str){ size, text };
}

static void random_list(const rdd_type *item, void *ret)
{
    struct {
        size_t count;
        void *items;
    } l;
    l.count = draw_below(4) ? (size_t)draw_below(4) : 0;
    l.items = l.count ? random_array(item, l.count) : NULL;
    memcpy(ret, &l, sizeof l);
}

void random_value(const rdd_type *t, void *ret)
{
    switch (t->kind) {
    case RDD_KIND_BOOL: *(bool *)ret = draw_below(2); break;
    case RDD_KIND_FLOAT: *(float *)ret = (float)random_real(); break;
    case RDD_KIND_DOUBLE: *(double *)ret = random_real(); break;
    case RDD_KIND_STR: *(rdd_str *)ret = random_string(); break;
    case RDD_KIND_BYTES: {
        rdd_str s = random_string();
        *(rdd_bytes *)ret = (rdd_bytes){ s.size, s.data };
        break;
    }
    case RDD_KIND_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++)
            random_value(t->fields[i].type, (char *)ret + t->fields[i].offset);
        break;
    case RDD_KIND_LIST: random_list(t->item, ret); break;
    case RDD_KIND_OPTIONAL:
        *(bool *)ret = draw_below(3);
        if (*(bool *)ret)
            random_value(t->item, (char *)ret + t->fields[0].offset);
        break;
    default: {
        uint64_t x = random_whole(8 * t->size); /* the low bytes are the value: little endian */
        memcpy(ret, &x, t->size);
    }
    }
}

void *random_array(const rdd_type *t, size_t count)
{
    char *items = oracle_alloc(count * t->size + 1);
    for (size_t i = 0; i < count; i++)
        random_value(t, items + i * t->size);
    return items;
}

/* ---- copies --------------------------------------------------------------------------------- */

static void deep_copy_text(void *ret)
{
    rdd_str s;
    memcpy(&s, ret, sizeof s);
    if (!s.data)
        return;
    char *text = oracle_alloc(s.size + 1);
    if (s.size)
        memcpy(text, s.data, s.size);
    s.data = text;
    memcpy(ret, &s, sizeof s);
}

static void deep_copy_list(const rdd_type *item, void *ret)
{
    struct {
        size_t count;
        const char *items;
    } l;
    memcpy(&l, ret, sizeof l);
    char *items = oracle_alloc(l.count * item->size + 1);
    for (size_t i = 0; i < l.count; i++)
        deep_copy(item, l.items + i * item->size, items + i * item->size);
    l.items = items;
    memcpy(ret, &l, sizeof l);
}

void deep_copy(const rdd_type *t, const void *from, void *to)
{
    if (from != to)
        memcpy(to, from, t->size);
    if (t->kind == RDD_KIND_STR || t->kind == RDD_KIND_BYTES)
        deep_copy_text(to);
    else if (t->kind == RDD_KIND_LIST)
        deep_copy_list(t->item, to);
    else if (t->kind == RDD_KIND_STRUCT || (t->kind == RDD_KIND_OPTIONAL && *(const bool *)to))
        for (uint32_t i = 0; i < t->field_count; i++) {
            char *field = (char *)to + t->fields[i].offset;
            deep_copy(t->fields[i].type, field, field);
        }
}
