/* type.c: descriptors themselves: compare, digest, check, describe. What their values are good for
 * is in value.c, how they travel in type_wire.c.
 *
 * All layouts are the compiler's natural ones, type_check() sees to it, so names and kinds say all
 * there is to say about a type.
 */
#include "type.h"

#include "hash.h"

#include <string.h>

static const struct scalar {
    const char *name;
    uint32_t size, align;
} scalars[] = {
#define SCALAR(T) { #T, sizeof(T), _Alignof(T) }
    [RDD_KIND_BOOL] = { "bool", sizeof(bool), _Alignof(bool) },
    [RDD_KIND_I8] = SCALAR(int8_t),
    [RDD_KIND_I16] = SCALAR(int16_t),
    [RDD_KIND_I32] = SCALAR(int32_t),
    [RDD_KIND_I64] = SCALAR(int64_t),
    [RDD_KIND_U8] = SCALAR(uint8_t),
    [RDD_KIND_U16] = SCALAR(uint16_t),
    [RDD_KIND_U32] = SCALAR(uint32_t),
    [RDD_KIND_U64] = SCALAR(uint64_t),
    [RDD_KIND_FLOAT] = SCALAR(float),
    [RDD_KIND_DOUBLE] = SCALAR(double),
    [RDD_KIND_STR] = SCALAR(rdd_str),
    [RDD_KIND_BYTES] = SCALAR(rdd_bytes),
#undef SCALAR
};

_Static_assert(sizeof(void *) == 8 && sizeof(size_t) == 8, "blocks hold 64-bit sizes and offsets");

static bool is_scalar(const rdd_type *t)
{
    return (unsigned)t->kind < ARRAY_SIZE(scalars);
}

/* ---- equality and digest ------------------------------------------------------------------- */

static bool equal_below(const rdd_type *a, const rdd_type *b, int depth)
{
    if (a == b)
        return true;
    if (!a || !b || depth > TYPE_DEPTH_MAX)
        return false;
    if (a->kind != b->kind || a->size != b->size || a->align != b->align)
        return false;
    if (a->kind == RDD_KIND_LIST || a->kind == RDD_KIND_OPTIONAL)
        return equal_below(a->item, b->item, depth + 1);
    if (a->kind != RDD_KIND_STRUCT)
        return true;
    if (a->field_count != b->field_count)
        return false;
    for (uint32_t i = 0; i < a->field_count; i++) {
        const rdd_field *x = &a->fields[i], *y = &b->fields[i];
        if (x->offset != y->offset || strcmp(x->name, y->name) != 0 ||
            !equal_below(x->type, y->type, depth + 1))
            return false;
    }
    return true;
}

bool type_equal(const rdd_type *a, const rdd_type *b)
{
    return equal_below(a, b, 1);
}

static uint64_t digest_below(const rdd_type *t, int depth)
{
    if (!t || depth > TYPE_DEPTH_MAX)
        return 0;
    uint64_t h = hash_u64((uint64_t)t->kind << 32 | t->size, 0);
    if (t->kind == RDD_KIND_LIST || t->kind == RDD_KIND_OPTIONAL)
        return hash_u64(digest_below(t->item, depth + 1), h);
    if (t->kind != RDD_KIND_STRUCT)
        return h;
    for (uint32_t i = 0; i < t->field_count; i++) {
        const rdd_field *f = &t->fields[i];
        uint64_t parts[] = { f->offset, digest_below(f->type, depth + 1) };
        h = hash_bytes(f->name, strlen(f->name), h);
        h = hash_bytes(parts, sizeof parts, h);
    }
    return h;
}

uint64_t type_digest(const rdd_type *t)
{
    return digest_below(t, 1);
}

/* ---- what kind of type --------------------------------------------------------------------- */

bool type_is_flat(const rdd_type *t)
{
    switch (t->kind) {
    case RDD_KIND_STR:
    case RDD_KIND_BYTES:
    case RDD_KIND_LIST:
        return false;
    case RDD_KIND_OPTIONAL:
        return type_is_flat(t->item);
    case RDD_KIND_STRUCT:
        for (uint32_t i = 0; i < t->field_count; i++)
            if (!type_is_flat(t->fields[i].type))
                return false;
        return true;
    default:
        return true;
    }
}

bool type_is_number(const rdd_type *t)
{
    return t->kind >= RDD_KIND_I8 && t->kind <= RDD_KIND_DOUBLE;
}

bool type_is_row(const rdd_type *t)
{
    return t->kind == RDD_KIND_LIST && type_equal(t, RDD_TYPE(rdd_row));
}

bool type_is_pair(const rdd_type *t)
{
    return t->kind == RDD_KIND_STRUCT && t->field_count == 2 && !strcmp(t->fields[0].name, "key") &&
           !strcmp(t->fields[1].name, "value");
}

const rdd_field *type_field(const rdd_type *t, const char *name)
{
    if (t->kind != RDD_KIND_STRUCT)
        return NULL;
    for (uint32_t i = 0; i < t->field_count; i++)
        if (!strcmp(t->fields[i].name, name))
            return &t->fields[i];
    return NULL;
}

/* ---- check --------------------------------------------------------------------------------- */

typedef struct checker {
    const char *name; /* of the type that the user knows */
    size_t nodes;     /* descriptors seen */
    rdd_error *err;
} checker;

static const char *name_of(const rdd_type *t)
{
    return t->name ? t->name : "(unnamed)";
}

static int check_below(checker *c, const rdd_type *t, int depth);

/* A field's place must be the one that the compiler gives it; *end moves behind it. */
static int check_field(checker *c, const rdd_type *t, const rdd_field *f, uint64_t *end,
                       uint32_t *align, int depth)
{
    if (!f->name || !*f->name || strnlen(f->name, TYPE_NAME_MAX + 1) > TYPE_NAME_MAX)
        return error_set(c->err, RDD_E_TYPE,
                         "type %s: a field of %s has no name, or one over %d bytes", c->name,
                         name_of(t), TYPE_NAME_MAX);
    if (!f->type)
        return error_set(c->err, RDD_E_TYPE, "type %s: field %s has no type", c->name, f->name);
    int code = check_below(c, f->type, depth + 1);
    if (code < 0)
        return code;
    if (f->offset != size_align(*end, f->type->align))
        return error_set(
            c->err, RDD_E_TYPE,
            "type %s: field %s is at byte %zu and not %zu; packed or reordered structs "
            "cannot be described",
            c->name, f->name, f->offset, size_align(*end, f->type->align));
    *end = f->offset + f->type->size;
    if (*align < f->type->align)
        *align = f->type->align;
    return 0;
}

/* Field names differ: a small hash table of field numbers, as 1,024 fields have half a million
 * pairs. */
static int check_names(checker *c, const rdd_type *t)
{
    uint16_t slots[2 * TYPE_FIELDS_MAX] = { 0 };
    for (uint32_t i = 0; i < t->field_count; i++) {
        const char *name = t->fields[i].name;
        size_t at = hash_bytes(name, strlen(name), 0) % ARRAY_SIZE(slots);
        for (; slots[at]; at = (at + 1) % ARRAY_SIZE(slots))
            if (!strcmp(t->fields[slots[at] - 1].name, name))
                return error_set(c->err, RDD_E_TYPE, "type %s: two fields are called %s", c->name,
                                 name);
        slots[at] = (uint16_t)(i + 1);
    }
    return 0;
}

static int check_struct(checker *c, const rdd_type *t, int depth)
{
    if (!t->fields || !t->field_count || t->field_count > TYPE_FIELDS_MAX)
        return error_set(c->err, RDD_E_TYPE, "type %s: %s has %u fields; 1 to %d are possible",
                         c->name, name_of(t), t->field_count, TYPE_FIELDS_MAX);
    uint64_t end = 0;
    uint32_t align = 1;
    for (uint32_t i = 0; i < t->field_count; i++) {
        int code = check_field(c, t, &t->fields[i], &end, &align, depth);
        if (code < 0)
            return code;
    }
    if (t->align != align || t->size != size_align(end, align))
        return error_set(c->err, RDD_E_TYPE,
                         "type %s: %s has %u bytes aligned by %u, its fields make %zu by %u",
                         c->name, name_of(t), t->size, t->align, size_align(end, align), align);
    return check_names(c, t);
}

static int check_optional(checker *c, const rdd_type *t, int depth)
{
    uint64_t end = 1;
    uint32_t align = 1;
    if (t->field_count != 1 || !t->fields || !t->item || t->fields[0].type != t->item)
        return error_set(c->err, RDD_E_TYPE, "type %s: %s is no optional as RDD_OPTIONAL makes it",
                         c->name, name_of(t));
    int code = check_field(c, t, &t->fields[0], &end, &align, depth);
    if (code == 0 && (t->align != align || t->size != size_align(end, align)))
        return error_set(c->err, RDD_E_TYPE, "type %s: %s has a strange size", c->name, name_of(t));
    return code;
}

static int check_below(checker *c, const rdd_type *t, int depth)
{
    if (depth > TYPE_DEPTH_MAX)
        return error_set(c->err, RDD_E_TYPE, "type %s nests deeper than %d", c->name,
                         TYPE_DEPTH_MAX);
    if (++c->nodes > TYPE_NODES_MAX)
        return error_set(c->err, RDD_E_TYPE, "type %s has more than %d parts", c->name,
                         TYPE_NODES_MAX);
    if (t->kind == RDD_KIND_STRUCT)
        return check_struct(c, t, depth);
    if (t->kind == RDD_KIND_OPTIONAL)
        return check_optional(c, t, depth);
    bool list = t->kind == RDD_KIND_LIST;
    if (!list && !is_scalar(t))
        return error_set(c->err, RDD_E_TYPE, "type %s: there is no kind %d", c->name, (int)t->kind);
    /* A list looks like an rdd_str: a count and a pointer. */
    const struct scalar *s = &scalars[list ? RDD_KIND_STR : t->kind];
    if (t->size != s->size || t->align != s->align)
        return error_set(c->err, RDD_E_TYPE,
                         "type %s: %s has %u bytes aligned by %u, and not %u by %u", c->name,
                         name_of(t), t->size, t->align, s->size, s->align);
    if (!list)
        return 0;
    if (!t->item)
        return error_set(c->err, RDD_E_TYPE, "type %s: the list %s has no item type", c->name,
                         name_of(t));
    return check_below(c, t->item, depth + 1);
}

int type_check(const rdd_type *t, rdd_error *err)
{
    if (!t)
        return error_set(err, RDD_E_TYPE, "there is no type: give RDD_TYPE(T)");
    checker c = { .name = name_of(t), .err = err };
    return check_below(&c, t, 1);
}

/* ---- for people ---------------------------------------------------------------------------- */

enum { DESCRIBE_MAX = 400 };

static void describe_below(const rdd_type *t, size_t end, buf *out)
{
    if (out->size >= end)
        return;
    if (is_scalar(t)) {
        buf_text(out, scalars[t->kind].name);
    } else if (t->kind == RDD_KIND_OPTIONAL) {
        describe_below(t->item, end, out);
        buf_char(out, '?');
    } else if (type_is_row(t)) {
        buf_text(out, "rdd_row");
    } else if (t->kind == RDD_KIND_LIST) {
        buf_text(out, name_of(t));
        buf_char(out, '[');
        describe_below(t->item, end, out);
        buf_char(out, ']');
    } else {
        buf_text(out, name_of(t));
        for (uint32_t i = 0; i < t->field_count && out->size < end; i++) {
            buf_text(out, i ? ", " : "{");
            buf_text(out, t->fields[i].name);
            buf_text(out, ": ");
            describe_below(t->fields[i].type, end, out);
        }
        buf_char(out, '}');
    }
}

void type_describe(const rdd_type *t, buf *out)
{
    size_t end = out->size + DESCRIBE_MAX;
    describe_below(t, end, out);
    if (out->size > end && !out->failed) {
        out->size = end;
        buf_text(out, "…");
    }
}
