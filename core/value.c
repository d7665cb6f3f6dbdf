/* value.c: what can be done with values of a type: hash, compare, copy, measure. The functions are
 * declared in type.h.
 *
 * Nothing here looks at padding, at what is behind the tag of an absent optional, or at the address
 * of anything. A list whose items are NULL is empty, whatever its count.
 */
#include "type.h"

#include "hash.h"
#include "layout.h"

#include <string.h>

/* Values may be read from anywhere, so by memcpy: it becomes one load. */
#define LOAD(T, from)                           \
    __extension__({                             \
        T loaded_;                              \
        memcpy(&loaded_, (from), sizeof loaded_); \
        loaded_;                                \
    })

typedef struct any_list {
    size_t count;
    const char *items;
} any_list;

static any_list load_list(const void *value)
{
    any_list list = LOAD(any_list, value);
    if (!list.items)
        list.count = 0;
    return list;
}

static rdd_str load_text(const void *value)
{
    rdd_str text = LOAD(rdd_str, value); /* rdd_bytes looks the same */
    if (!text.data)
        text.size = 0;
    return text;
}

static bool load_bool(const void *value)
{
    return LOAD(uint8_t, value) != 0;
}

static const void *option_value(const rdd_type *t, const void *value)
{
    return (const char *)value + t->fields[0].offset;
}

/* ---- hash ---------------------------------------------------------------------------------- */

static uint64_t hash_double(double x, uint64_t seed)
{
    if (x == 0)
        x = 0; /* of -0.0 too */
    if (x != x)
        return hash_u64(0x7ff8000000000000u, seed);
    return hash_u64(LOAD(uint64_t, &x), seed);
}

static uint64_t hash_list(const rdd_type *t, const void *value, uint64_t seed)
{
    any_list list = load_list(value);
    seed = hash_u64(list.count, seed);
    for (size_t i = 0; i < list.count; i++)
        seed = value_hash(t->item, list.items + i * t->item->size, seed);
    return seed;
}

uint64_t value_hash(const rdd_type *t, const void *value, uint64_t seed)
{
    switch (t->kind) {
    case RDD_KIND_BOOL: return hash_u64(load_bool(value), seed);
    case RDD_KIND_I8: return hash_u64((uint64_t)LOAD(int8_t, value), seed);
    case RDD_KIND_I16: return hash_u64((uint64_t)LOAD(int16_t, value), seed);
    case RDD_KIND_I32: return hash_u64((uint64_t)LOAD(int32_t, value), seed);
    case RDD_KIND_U8: return hash_u64(LOAD(uint8_t, value), seed);
    case RDD_KIND_U16: return hash_u64(LOAD(uint16_t, value), seed);
    case RDD_KIND_U32: return hash_u64(LOAD(uint32_t, value), seed);
    case RDD_KIND_I64:
    case RDD_KIND_U64: return hash_u64(LOAD(uint64_t, value), seed);
    case RDD_KIND_FLOAT: return hash_double((double)LOAD(float, value), seed);
    case RDD_KIND_DOUBLE: return hash_double(LOAD(double, value), seed);
    case RDD_KIND_STR:
    case RDD_KIND_BYTES: {
        rdd_str text = load_text(value);
        return text.data ? hash_bytes(text.data, text.size, seed) : hash_u64(~(uint64_t)0, seed);
    }
    case RDD_KIND_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++)
            seed = value_hash(t->fields[i].type, (const char *)value + t->fields[i].offset, seed);
        return seed;
    case RDD_KIND_LIST: return hash_list(t, value, seed);
    case RDD_KIND_OPTIONAL:
        if (!load_bool(value))
            return hash_u64(~(uint64_t)0, seed);
        return value_hash(t->item, option_value(t, value), seed + 1);
    }
    return seed;
}

/* ---- compare ------------------------------------------------------------------------------- */

#define ORDER(x, y) (((x) > (y)) - ((x) < (y)))
#define COMPARE(T, a, b)                     \
    __extension__({                          \
        T x_ = LOAD(T, a), y_ = LOAD(T, b);  \
        ORDER(x_, y_);                       \
    })

static int compare_doubles(double x, double y)
{
    if (x != x || y != y)
        return (x != x) - (y != y);
    return ORDER(x, y);
}

static int compare_texts(rdd_str x, rdd_str y)
{
    if (!x.data || !y.data)
        return (x.data != NULL) - (y.data != NULL);
    size_t both = size_min(x.size, y.size);
    int order = both ? memcmp(x.data, y.data, both) : 0;
    return order ? order : ORDER(x.size, y.size);
}

static int compare_lists(const rdd_type *t, const void *a, const void *b)
{
    any_list x = load_list(a), y = load_list(b);
    size_t size = t->item->size;
    for (size_t i = 0; i < x.count && i < y.count; i++) {
        int order = value_compare(t->item, x.items + i * size, y.items + i * size);
        if (order)
            return order;
    }
    return ORDER(x.count, y.count);
}

static int compare_options(const rdd_type *t, const void *a, const void *b)
{
    bool x = load_bool(a), y = load_bool(b);
    if (!x || !y)
        return x - y;
    return value_compare(t->item, option_value(t, a), option_value(t, b));
}

int value_compare(const rdd_type *t, const void *a, const void *b)
{
    switch (t->kind) {
    case RDD_KIND_BOOL: return load_bool(a) - load_bool(b);
    case RDD_KIND_I8: return COMPARE(int8_t, a, b);
    case RDD_KIND_I16: return COMPARE(int16_t, a, b);
    case RDD_KIND_I32: return COMPARE(int32_t, a, b);
    case RDD_KIND_I64: return COMPARE(int64_t, a, b);
    case RDD_KIND_U8: return COMPARE(uint8_t, a, b);
    case RDD_KIND_U16: return COMPARE(uint16_t, a, b);
    case RDD_KIND_U32: return COMPARE(uint32_t, a, b);
    case RDD_KIND_U64: return COMPARE(uint64_t, a, b);
    case RDD_KIND_FLOAT:
        return compare_doubles((double)LOAD(float, a), (double)LOAD(float, b));
    case RDD_KIND_DOUBLE: return compare_doubles(LOAD(double, a), LOAD(double, b));
    case RDD_KIND_STR:
    case RDD_KIND_BYTES: return compare_texts(load_text(a), load_text(b));
    case RDD_KIND_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++) {
            const rdd_field *f = &t->fields[i];
            int order =
                value_compare(f->type, (const char *)a + f->offset, (const char *)b + f->offset);
            if (order)
                return order;
        }
        return 0;
    case RDD_KIND_LIST: return compare_lists(t, a, b);
    case RDD_KIND_OPTIONAL: return compare_options(t, a, b);
    }
    return 0;
}

int rdd_str_compare(rdd_str a, rdd_str b)
{
    return compare_texts(a, b);
}

/* ---- copy ---------------------------------------------------------------------------------- */

/* Absent values are zeroed, so that what is inside of them needs no look at the tag. */
static void clear_absent(const layout *l, const layout_level *level, char *items, size_t count)
{
    for (uint32_t s = level->first; s < level->end; s++) {
        if (l->steps[s].kind != LAYOUT_OPTION)
            continue;
        char *p = items + l->steps[s].offset;
        for (size_t i = 0; i < count; i++, p += level->type->size)
            if (!*p)
                memset(p + 1, 0, l->steps[s].size);
    }
}

/* The texts of one step, in one piece of the arena. */
static bool copy_texts(char *p, size_t stride, size_t count, arena *a)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += load_text(p + i * stride).size;
    char *to = arena_alloc(a, size);
    if (!to)
        return false;
    for (size_t i = 0; i < count; i++, p += stride) {
        rdd_str text = load_text(p);
        if (text.size)
            memcpy(to, text.data, text.size);
        if (text.data)
            text.data = to;
        to += text.size;
        memcpy(p, &text, sizeof text);
    }
    return true;
}

typedef struct span {
    char *items;
    size_t count;
} span;

static bool copy_lists(char *p, size_t stride, size_t count, const rdd_type *item, span *ret,
                       arena *a)
{
    size_t size = item->size, total = 0;
    for (size_t i = 0; i < count; i++)
        total += load_list(p + i * stride).count;
    if (total > SIZE_MAX / size)
        return false;
    char *to = arena_alloc(a, total * size);
    if (!to)
        return false;
    *ret = (span){ to, total };
    for (size_t i = 0; i < count; i++, p += stride) {
        any_list list = load_list(p);
        if (list.count)
            memcpy(to, list.items, list.count * size);
        if (list.items)
            list.items = to;
        to += list.count * size;
        memcpy(p, &list, sizeof list);
    }
    return true;
}

static bool copy_level(const layout *l, const layout_level *level, span *spans, arena *a)
{
    span here = spans[level - l->levels];
    clear_absent(l, level, here.items, here.count);
    for (uint32_t i = level->first; i < level->end; i++) {
        const layout_step *s = &l->steps[i];
        char *p = here.items + s->offset;
        if (s->kind == LAYOUT_TEXT && !copy_texts(p, level->type->size, here.count, a))
            return false;
        if (s->kind == LAYOUT_LIST && !copy_lists(p, level->type->size, here.count,
                                                  l->levels[s->level].type, &spans[s->level], a))
            return false;
    }
    return true;
}

int values_copy(const rdd_type *t, const void *from, size_t count, void *to, arena *a)
{
    if (!count)
        return 0;
    memcpy(to, from, count * t->size);
    if (type_is_flat(t))
        return 0;
    CLEANUP(layout_release) layout l;
    if (layout_init(&l, t, NULL) < 0)
        return RDD_E_MEMORY;
    span few[8], *spans = few;
    if (l.level_count > ARRAY_SIZE(few) && !(spans = malloc(l.level_count * sizeof *spans)))
        return RDD_E_MEMORY;
    spans[0] = (span){ to, count };
    bool good = true;
    for (uint32_t i = 0; good && i < l.level_count; i++)
        good = copy_level(&l, &l.levels[i], spans, a);
    if (spans != few)
        free(spans);
    return good ? 0 : RDD_E_MEMORY;
}

/* ---- measure ------------------------------------------------------------------------------- */

static size_t outside_below(const rdd_type *t, const char *value)
{
    switch (t->kind) {
    case RDD_KIND_STR:
    case RDD_KIND_BYTES: return load_text(value).size;
    case RDD_KIND_LIST: {
        any_list list = load_list(value);
        return list.count * t->item->size + values_outside_size(t->item, list.items, list.count);
    }
    case RDD_KIND_OPTIONAL:
        return load_bool(value) ? outside_below(t->item, option_value(t, value)) : 0;
    case RDD_KIND_STRUCT: {
        size_t size = 0;
        for (uint32_t i = 0; i < t->field_count; i++)
            size += outside_below(t->fields[i].type, value + t->fields[i].offset);
        return size;
    }
    default: return 0;
    }
}

size_t values_outside_size(const rdd_type *t, const void *items, size_t count)
{
    size_t size = 0;
    if (type_is_flat(t))
        return 0;
    for (size_t i = 0; i < count; i++)
        size += outside_below(t, (const char *)items + i * t->size);
    return size;
}

double value_to_double(const rdd_type *t, const void *value)
{
    ASSERT(type_is_number(t));
    switch (t->kind) {
    case RDD_KIND_I8: return LOAD(int8_t, value);
    case RDD_KIND_I16: return LOAD(int16_t, value);
    case RDD_KIND_I32: return LOAD(int32_t, value);
    case RDD_KIND_I64: return (double)LOAD(int64_t, value);
    case RDD_KIND_U8: return LOAD(uint8_t, value);
    case RDD_KIND_U16: return LOAD(uint16_t, value);
    case RDD_KIND_U32: return LOAD(uint32_t, value);
    case RDD_KIND_U64: return (double)LOAD(uint64_t, value);
    case RDD_KIND_FLOAT: return (double)LOAD(float, value);
    case RDD_KIND_DOUBLE: return LOAD(double, value);
    default: return 0;
    }
}

/* ---- where it lies ------------------------------------------------------------------------- */

static bool lies_in(const void *at, const void *low, const void *high)
{
    return (uintptr_t)at >= (uintptr_t)low && (uintptr_t)at < (uintptr_t)high;
}

bool value_lies_in(const rdd_type *t, const void *value, const void *low, const void *high)
{
    switch (t->kind) {
    case RDD_KIND_STR:
    case RDD_KIND_BYTES: return lies_in(load_text(value).data, low, high);
    case RDD_KIND_LIST: {
        any_list list = load_list(value);
        return list.count &&
               (lies_in(list.items, low, high) || value_lies_in(t->item, list.items, low, high));
    }
    case RDD_KIND_OPTIONAL:
        return load_bool(value) && value_lies_in(t->fields[0].type, option_value(t, value), low, high);
    case RDD_KIND_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++)
            if (value_lies_in(t->fields[i].type, (const char *)value + t->fields[i].offset, low, high))
                return true;
        return false;
    default: return false;
    }
}
