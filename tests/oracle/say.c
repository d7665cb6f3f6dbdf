/* say.c: values as text that is a function of their bytes: floating point by its bits, no value and
 * no bytes apart, long text cut with a hash of the whole. And the order that rdd.h promises, written
 * down once more. */
#include "oracle.h"

#include <math.h>
#include <stdarg.h>

enum { SHOWN_BYTES = 48, SHOWN_ITEMS = 40, SHOWN_LONG = 12 };

static uint64_t hash_bytes(uint64_t h, const void *data, size_t size)
{
    const unsigned char *at = data;
    for (size_t i = 0; i < size; i++)
        h = (h ^ at[i]) * 0x100000001b3u;
    return h;
}

enum { HASH_START = 0x811c9dc5 };

/* ---- one value ------------------------------------------------------------------------------ */

static void show(FILE *out, const rdd_type *t, const void *value);

static void show_bytes(FILE *out, char mark, const char *data, size_t size)
{
    if (!data) {
        fputs("none", out);
        return;
    }
    if (mark)
        fputc(mark, out);
    fputc('"', out);
    for (size_t i = 0; i < size && i < SHOWN_BYTES; i++) {
        unsigned char c = (unsigned char)data[i];
        if (c < ' ' || c > '~' || c == '"' || c == '\\')
            fprintf(out, "\\%02x", c);
        else
            fputc(c, out);
    }
    fputc('"', out);
    if (size > SHOWN_BYTES)
        fprintf(out, "+%zu:%016llx", size - SHOWN_BYTES,
                (unsigned long long)hash_bytes(HASH_START, data, size));
}

/* The hash of what show() would print of all of them. */
static uint64_t hash_items(const rdd_type *t, const char *items, size_t count)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    uint64_t h = HASH_START;
    for (size_t i = 0; i < count; i++) {
        rewind(out);
        show(out, t, items + i * t->size);
        fputc('\n', out);
        fflush(out);
        h = hash_bytes(h, text, (size_t)ftell(out));
    }
    fclose(out);
    free(text);
    return h;
}

static void show_list(FILE *out, const rdd_type *item, const void *list)
{
    struct {
        size_t count;
        const char *items;
    } l;
    memcpy(&l, list, sizeof l);
    fputc('[', out);
    size_t shown = l.count <= SHOWN_ITEMS ? l.count : SHOWN_LONG;
    for (size_t i = 0; i < shown; i++) {
        if (i)
            fputs(", ", out);
        show(out, item, l.items + i * item->size);
    }
    if (shown < l.count)
        fprintf(out, ", … %zu:%016llx", l.count,
                (unsigned long long)hash_items(item, l.items, l.count));
    fputc(']', out);
}

static void show_struct(FILE *out, const rdd_type *t, const void *value)
{
    fputc('{', out);
    for (uint32_t i = 0; i < t->field_count; i++) {
        fprintf(out, "%s%s=", i ? ", " : "", t->fields[i].name);
        show(out, t->fields[i].type, (const char *)value + t->fields[i].offset);
    }
    fputc('}', out);
}

static long long whole(const rdd_type *t, const void *value)
{
    switch (t->kind) {
    case RDD_KIND_I8: return *(const int8_t *)value;
    case RDD_KIND_I16: return *(const int16_t *)value;
    case RDD_KIND_I32: return *(const int32_t *)value;
    case RDD_KIND_I64: return *(const int64_t *)value;
    case RDD_KIND_U8: return *(const uint8_t *)value;
    case RDD_KIND_U16: return *(const uint16_t *)value;
    case RDD_KIND_U32: return *(const uint32_t *)value;
    default: return (long long)*(const uint64_t *)value;
    }
}

static void show(FILE *out, const rdd_type *t, const void *value)
{
    switch (t->kind) {
    case RDD_KIND_BOOL: fputs(*(const bool *)value ? "true" : "false", out); break;
    case RDD_KIND_U64: fprintf(out, "%llu", (unsigned long long)*(const uint64_t *)value); break;
    case RDD_KIND_FLOAT: {
        uint32_t bits;
        memcpy(&bits, value, sizeof bits);
        fprintf(out, "%g#%08x", (double)*(const float *)value, bits);
        break;
    }
    case RDD_KIND_DOUBLE: {
        uint64_t bits;
        memcpy(&bits, value, sizeof bits);
        fprintf(out, "%g#%016llx", *(const double *)value, (unsigned long long)bits);
        break;
    }
    case RDD_KIND_STR: {
        rdd_str s = *(const rdd_str *)value;
        show_bytes(out, 0, s.data, s.size);
        break;
    }
    case RDD_KIND_BYTES: {
        rdd_bytes s = *(const rdd_bytes *)value;
        show_bytes(out, 'b', s.data, s.size);
        break;
    }
    case RDD_KIND_STRUCT: show_struct(out, t, value); break;
    case RDD_KIND_LIST: show_list(out, t->item, value); break;
    case RDD_KIND_OPTIONAL:
        if (*(const bool *)value)
            show(out, t->item, (const char *)value + t->fields[0].offset);
        else
            fputs("absent", out);
        break;
    default: fprintf(out, "%lld", whole(t, value));
    }
}

/* ---- lines ---------------------------------------------------------------------------------- */

void say(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

void say_value(const char *label, const rdd_type *t, const void *value)
{
    printf("%s ", label);
    show(stdout, t, value);
    putchar('\n');
}

void say_items(const char *label, const rdd_type *t, const void *items, size_t count)
{
    const char *at = items, *indent = *label == '~' ? "~  " : "  ";
    size_t shown = count <= SHOWN_ITEMS ? count : SHOWN_LONG;
    say("%s: %zu", label, count);
    for (size_t i = 0; i < shown; i++)
        say_value(indent, t, at + i * t->size);
    if (shown < count) {
        printf("%s… last", indent);
        say_value("", t, at + (count - 1) * t->size);
        say("%s… hash %016llx", indent, (unsigned long long)hash_items(t, at, count));
    }
}

void say_error(const char *expected)
{
    if (is_model()) {
        say("error %s", expected);
        return;
    }
    rdd_error err;
    if (rdd_take_error(oracle.ctx, &err))
        say("error %s", err.message);
    else
        say("no error");
}

/* ---- the order of rdd.h --------------------------------------------------------------------- */

static int compare_reals(double a, double b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) - isnan(b);
    return (a > b) - (a < b);
}

static int compare_bytes(const char *a, size_t a_size, const char *b, size_t b_size)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    size_t both = a_size < b_size ? a_size : b_size;
    int c = both ? memcmp(a, b, both) : 0;
    return c ? c : (a_size > b_size) - (a_size < b_size);
}

static int compare_lists(const rdd_type *item, const void *a, const void *b)
{
    struct {
        size_t count;
        const char *items;
    } x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    for (size_t i = 0; i < x.count && i < y.count; i++) {
        int c = model_compare(item, x.items + i * item->size, y.items + i * item->size);
        if (c)
            return c;
    }
    return (x.count > y.count) - (x.count < y.count);
}

int model_compare(const rdd_type *t, const void *a, const void *b)
{
    switch (t->kind) {
    case RDD_KIND_BOOL: return *(const bool *)a - *(const bool *)b;
    case RDD_KIND_U64: {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
        return (x > y) - (x < y);
    }
    case RDD_KIND_FLOAT: return compare_reals((double)*(const float *)a, (double)*(const float *)b);
    case RDD_KIND_DOUBLE: return compare_reals(*(const double *)a, *(const double *)b);
    case RDD_KIND_STR:
    case RDD_KIND_BYTES: {
        rdd_str x = *(const rdd_str *)a, y = *(const rdd_str *)b;
        return compare_bytes(x.data, x.size, y.data, y.size);
    }
    case RDD_KIND_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++) {
            size_t at = t->fields[i].offset;
            int c = model_compare(t->fields[i].type, (const char *)a + at, (const char *)b + at);
            if (c)
                return c;
        }
        return 0;
    case RDD_KIND_LIST: return compare_lists(t->item, a, b);
    case RDD_KIND_OPTIONAL:
        if (!*(const bool *)a || !*(const bool *)b)
            return *(const bool *)a - *(const bool *)b;
        return model_compare(t->item, (const char *)a + t->fields[0].offset,
                             (const char *)b + t->fields[0].offset);
    default: {
        long long x = whole(t, a), y = whole(t, b);
        return (x > y) - (x < y);
    }
    }
}
