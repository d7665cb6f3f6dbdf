/* type_wire.c: descriptors as bytes, for plans: a program's types are compared by both ends, and an
 * executor also learns the types that only the library knows (a list that glom makes).
 *
 * What comes in is from outside: lengths are bounded before they are allocated, and the finished
 * type goes through type_check(), so that nobody behind this file needs to doubt an offset.
 */
#include "type.h"

#include <string.h>

/* ---- out ----------------------------------------------------------------------------------- */

static void put_name(buf *b, const char *name)
{
    name = name ? name : "";
    buf_sized(b, name, strnlen(name, TYPE_NAME_MAX));
}

void type_encode(buf *b, const rdd_type *t)
{
    buf_u8(b, (uint8_t)t->kind);
    put_name(b, t->name);
    buf_u32(b, t->size);
    buf_u32(b, t->align);
    if (t->kind == RDD_KIND_LIST) {
        type_encode(b, t->item);
    } else if (t->kind == RDD_KIND_STRUCT || t->kind == RDD_KIND_OPTIONAL) {
        buf_u32(b, t->field_count);
        for (uint32_t i = 0; i < t->field_count; i++) {
            put_name(b, t->fields[i].name);
            buf_u64(b, t->fields[i].offset);
            type_encode(b, t->fields[i].type);
        }
    }
}

/* ---- in ------------------------------------------------------------------------------------ */

typedef struct decoder {
    reader *r;
    arena *a;
    size_t nodes;
    bool memory; /* it ran out */
} decoder;

static const char *get_name(decoder *d)
{
    size_t size;
    const char *name = reader_sized(d->r, &size);
    if (!name || size > TYPE_NAME_MAX || memchr(name, 0, size)) {
        d->r->failed = true;
        return NULL;
    }
    const char *copy = arena_copy(d->a, name, size);
    d->memory |= !copy;
    return copy;
}

static const rdd_type *decode_below(decoder *d, int depth);

static bool decode_fields(decoder *d, rdd_type *t, int depth)
{
    t->field_count = reader_u32(d->r);
    if (d->r->failed || !t->field_count || t->field_count > TYPE_FIELDS_MAX)
        return false;
    rdd_field *fields = arena_alloc(d->a, t->field_count * sizeof *fields);
    if (!fields) {
        d->memory = true;
        return false;
    }
    t->fields = fields;
    for (uint32_t i = 0; i < t->field_count; i++) {
        fields[i].name = get_name(d);
        fields[i].offset = reader_u64(d->r);
        fields[i].type = fields[i].name ? decode_below(d, depth + 1) : NULL;
        if (!fields[i].type)
            return false;
    }
    if (t->kind == RDD_KIND_OPTIONAL)
        t->item = fields[0].type;
    return true;
}

/* NULL when malformed or out of memory. */
static const rdd_type *decode_below(decoder *d, int depth)
{
    if (depth > TYPE_DEPTH_MAX || ++d->nodes > TYPE_NODES_MAX)
        return NULL;
    rdd_type head = { .kind = (rdd_kind)reader_u8(d->r) };
    head.name = get_name(d);
    head.size = reader_u32(d->r);
    head.align = reader_u32(d->r);
    if (d->r->failed || !head.name || (unsigned)head.kind > RDD_KIND_OPTIONAL)
        return NULL;
    if (head.kind == RDD_KIND_LIST && !(head.item = decode_below(d, depth + 1)))
        return NULL;
    if (head.kind == RDD_KIND_STRUCT || head.kind == RDD_KIND_OPTIONAL)
        if (!decode_fields(d, &head, depth))
            return NULL;
    rdd_type *t = arena_alloc(d->a, sizeof *t);
    if (!t) {
        d->memory = true;
        return NULL;
    }
    *t = head;
    return t;
}

int type_decode(reader *r, arena *a, const rdd_type **ret, rdd_error *err)
{
    decoder d = { .r = r, .a = a };
    const rdd_type *t = decode_below(&d, 1);
    if (d.memory)
        return error_set_memory(err, "decoding a type");
    if (!t)
        return error_set(err, RDD_E_PROTOCOL, "a malformed type came over the wire");
    if (type_check(t, err) < 0) {
        if (err)
            err->code = RDD_E_PROTOCOL;
        error_prefix(err, "a malformed type came over the wire: ");
        return RDD_E_PROTOCOL;
    }
    *ret = t;
    return 0;
}
