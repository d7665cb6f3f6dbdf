/* json_read.c: JSON text to rows and elements. Tokens come from json_scan.c.
 *
 * Rows are on the way of every API call: what a cell says is a view of the text, and a row
 * allocates its cells and nothing else, unless strings hold escapes.
 */
#include "base64.h"
#include "hash.h"
#include "json.h"
#include "json_scan.h"
#include "number.h"
#include "type.h"

#include <string.h>

/* ---- rows ---------------------------------------------------------------------------------- */

enum { CELLS_FEW = 32, CELLS_SEARCHED = 12 };

/* The cells of a row that is being read. Past CELLS_SEARCHED, names are found by an open hash table
 * of cell numbers plus one, at most half full. */
typedef struct cells {
    rdd_cell *items;
    size_t count, capacity;
    uint32_t *slots;
    size_t slot_count;
    rdd_cell few[CELLS_FEW];
    uint32_t few_slots[2 * CELLS_FEW];
} cells;

static void cells_release(cells *c)
{
    if (c->items != c->few)
        free(c->items);
    if (c->slots != c->few_slots)
        free(c->slots);
}

/* The seed is an address, as nobody outside knows it and could choose names that collide. */
static uint32_t *slot_of(const cells *c, rdd_str name)
{
    size_t mask = c->slot_count - 1, at = hash_bytes(name.data, name.size, (uintptr_t)c) & mask;
    while (c->slots[at] && !rdd_str_equal(c->items[c->slots[at] - 1].name, name))
        at = (at + 1) & mask;
    return &c->slots[at];
}

static void cells_index(cells *c)
{
    memset(c->slots, 0, c->slot_count * sizeof *c->slots);
    for (size_t i = 0; i < c->count; i++)
        *slot_of(c, c->items[i].name) = (uint32_t)(i + 1);
}

static bool cells_grow(cells *c)
{
    size_t capacity = c->capacity * 2;
    if (capacity > UINT32_MAX / 2)
        return false;
    rdd_cell *items = malloc(capacity * sizeof *items);
    uint32_t *slots = malloc(2 * capacity * sizeof *slots);
    if (!items || !slots) {
        free(items);
        free(slots);
        return false;
    }
    memcpy(items, c->items, c->count * sizeof *items);
    cells_release(c);
    c->items = items;
    c->slots = slots;
    c->capacity = capacity;
    c->slot_count = 2 * capacity;
    cells_index(c);
    return true;
}

/* The cell called `name`, which may be new; NULL without memory. */
static rdd_cell *cells_find(cells *c, rdd_str name)
{
    if (c->count < CELLS_SEARCHED) {
        for (size_t i = 0; i < c->count; i++)
            if (rdd_str_equal(c->items[i].name, name))
                return &c->items[i];
    } else {
        if (c->count == CELLS_SEARCHED)
            cells_index(c);
        if (c->count == c->capacity && !cells_grow(c))
            return NULL;
        uint32_t *slot = slot_of(c, name);
        if (*slot)
            return &c->items[*slot - 1];
        *slot = (uint32_t)(c->count + 1);
    }
    rdd_cell *cell = &c->items[c->count++];
    cell->name = name;
    return cell;
}

static bool read_cell(json_scan *s, cells *c)
{
    rdd_str name;
    if (!json_string(s, &name))
        return false;
    if (!json_take(s, ':'))
        return json_fail(s, "':' is expected");
    rdd_cell *cell = cells_find(c, name);
    if (!cell)
        return json_fail_memory(s);
    int next = json_next(s);
    if (next == '"')
        return json_string(s, &cell->text);
    cell->text = (rdd_str){ 0, NULL };
    return (next == 'n' && json_word(s, "null")) || json_raw(s, &cell->text);
}

static bool read_row(json_scan *s, rdd_row *ret)
{
    CLEANUP(cells_release) cells c;
    c.items = c.few;
    c.slots = c.few_slots;
    c.count = 0;
    c.capacity = CELLS_FEW;
    c.slot_count = ARRAY_SIZE(c.few_slots);
    if (!json_open(s, '{'))
        return false;
    if (json_take(s, '}')) {
        s->depth--;
    } else {
        do {
            if (!read_cell(s, &c))
                return false;
        } while (json_more(s, '}'));
        if (s->code)
            return false;
    }
    rdd_cell *items = arena_alloc(s->a, c.count * sizeof *items);
    if (!items)
        return json_fail_memory(s);
    memcpy(items, c.items, c.count * sizeof *items);
    *ret = (rdd_row){ c.count, items };
    return true;
}

static int fail_json(json_scan *s)
{
    if (s->code == RDD_E_INPUT)
        error_prefix(s->err, "JSON: ");
    return s->code;
}

int json_parse_row(rdd_str text, arena *a, rdd_row *ret, rdd_error *err)
{
    json_scan s = json_scan_begin(text, a, err);
    rdd_row row;
    if (!read_row(&s, &row) || !json_finish(&s))
        return fail_json(&s);
    *ret = row;
    return 0;
}

/* ---- scalars ------------------------------------------------------------------------------- */

/* A number that is written well but does not fit. */
static bool fail_at(json_scan *s, rdd_str text, const rdd_type *t)
{
    s->at = text.data;
    return json_fail(s, "no %s", t->name);
}

static bool read_number(json_scan *s, const rdd_type *t, void *ret)
{
    rdd_str text;
    return json_number(s, &text) && (number_parse(t, text, ret) || fail_at(s, text, t));
}

static bool read_bool(json_scan *s, bool *ret)
{
    *ret = json_word(s, "true");
    return *ret || json_word(s, "false") || json_fail(s, "true or false is expected");
}

static bool read_text(json_scan *s, rdd_str *ret)
{
    *ret = (rdd_str){ 0, NULL };
    return json_word(s, "null") || json_string(s, ret);
}

static bool read_bytes(json_scan *s, rdd_bytes *ret)
{
    rdd_str text;
    json_next(s);
    const char *from = s->at;
    if (!read_text(s, &text))
        return false;
    *ret = (rdd_bytes){ 0, NULL };
    if (!text.data)
        return true;
    unsigned char *bytes = arena_alloc(s->a, text.size / 4 * 3);
    if (!bytes)
        return json_fail_memory(s);
    ret->data = bytes;
    if (base64_decode(text.data, text.size, bytes, &ret->size))
        return true;
    s->at = from;
    return json_fail(s, "bytes are expected as base64");
}

/* ---- elements ------------------------------------------------------------------------------ */

static bool read_value(json_scan *s, const rdd_type *t, void *ret);

/* Fields mostly come in the order of the struct, so the search begins at the one that is due. */
static uint32_t find_field(const rdd_type *t, rdd_str name, uint32_t due)
{
    for (uint32_t i = 0; i < t->field_count; i++) {
        uint32_t at = due + i < t->field_count ? due + i : due + i - t->field_count;
        if (rdd_str_equal(rdd_str_of(t->fields[at].name), name))
            return at;
    }
    return t->field_count;
}

/* After a failure: which field the value is of, the innermost one. `value` is where it begins. */
static bool fail_field(json_scan *s, const rdd_type *t, const rdd_field *f, const char *value)
{
    if (s->placed || s->code != RDD_E_INPUT || !s->err)
        return false;
    s->placed = true;
    s->at = value;
    error_set(s->err, s->code, "field \"%s\" of %s: %s%s", f->name, t->name, s->err->message,
              json_word(s, "null") ? JSON_HINT_OPTIONAL : "");
    return false;
}

static bool fail_missing(json_scan *s, const rdd_type *t, const rdd_field *f)
{
    json_fail(s, "the field \"%s\" of %s is missing", f->name, t->name);
    if (s->err)
        error_set(s->err, s->code, "%s%s", s->err->message, JSON_HINT_OPTIONAL);
    s->placed = true;
    return false;
}

static bool check_missing(json_scan *s, const rdd_type *t, const uint64_t *seen)
{
    for (uint32_t i = 0; i < t->field_count; i++) {
        rdd_kind kind = t->fields[i].type->kind;
        if (!(seen[i / 64] >> i % 64 & 1) && kind != RDD_KIND_OPTIONAL && kind != RDD_KIND_STR &&
            kind != RDD_KIND_BYTES)
            return fail_missing(s, t, &t->fields[i]);
    }
    return true;
}

static bool read_struct(json_scan *s, const rdd_type *t, char *ret)
{
    uint64_t seen[TYPE_FIELDS_MAX / 64] = { 0 };
    memset(ret, 0, t->size);
    if (!json_open(s, '{'))
        return false;
    if (json_take(s, '}')) {
        s->depth--;
        return check_missing(s, t, seen);
    }
    uint32_t due = 0;
    do {
        rdd_str name;
        if (!json_string(s, &name))
            return false;
        if (!json_take(s, ':'))
            return json_fail(s, "':' is expected");
        uint32_t at = find_field(t, name, due);
        if (at == t->field_count) {
            if (!json_skip(s))
                return false;
            continue;
        }
        const rdd_field *f = &t->fields[at];
        const char *value = s->at;
        if (!read_value(s, f->type, ret + f->offset))
            return fail_field(s, t, f, value);
        seen[at / 64] |= (uint64_t)1 << at % 64;
        due = at + 1;
    } while (json_more(s, '}'));
    return !s->code && check_missing(s, t, seen);
}

/* Room for another item in a list that grows by doubling in the arena. */
static char *list_grow(json_scan *s, char *items, size_t count, size_t size)
{
    if (count & (count - 1) || (count && count < 4))
        return items;
    size_t capacity = count ? 2 * count : 4, bytes;
    char *larger = __builtin_mul_overflow(capacity, size, &bytes) ? NULL : arena_alloc(s->a, bytes);
    if (!larger)
        json_fail_memory(s);
    else if (count)
        memcpy(larger, items, count * size);
    return larger;
}

static bool read_list(json_scan *s, const rdd_type *t, void *ret)
{
    size_t count = 0, size = t->item->size;
    char *items = NULL;
    if (!json_open(s, '['))
        return false;
    if (json_take(s, ']')) {
        s->depth--;
    } else {
        do {
            items = list_grow(s, items, count, size);
            if (!items || !read_value(s, t->item, items + count * size))
                return false;
            count++;
        } while (json_more(s, ']'));
        if (s->code)
            return false;
    }
    memcpy(ret, &(rdd_row){ count, (const void *)items }, sizeof(rdd_row));
    return true;
}

static bool read_optional(json_scan *s, const rdd_type *t, char *ret)
{
    memset(ret, 0, t->size);
    if (json_word(s, "null"))
        return true;
    if (!read_value(s, t->item, ret + t->fields[0].offset))
        return false;
    *ret = true;
    return true;
}

/* All bytes of the value are set, so that a field that comes twice leaves nothing of the first. */
static bool read_value(json_scan *s, const rdd_type *t, void *ret)
{
    switch (t->kind) {
    case RDD_KIND_BOOL: return read_bool(s, ret);
    case RDD_KIND_STR: return read_text(s, ret);
    case RDD_KIND_BYTES: return read_bytes(s, ret);
    case RDD_KIND_STRUCT: return read_struct(s, t, ret);
    case RDD_KIND_LIST: return type_is_row(t) ? read_row(s, ret) : read_list(s, t, ret);
    case RDD_KIND_OPTIONAL: return read_optional(s, t, ret);
    default: return read_number(s, t, ret);
    }
}

int json_parse(const rdd_type *t, rdd_str text, arena *a, void *ret, rdd_error *err)
{
    _Alignas(16) char few[256];
    json_scan s = json_scan_begin(text, a, err);
    void *value = t->size <= sizeof few ? few : arena_alloc(a, t->size);
    if (!value)
        json_fail_memory(&s);
    else if (read_value(&s, t, value) && json_finish(&s))
        memcpy(ret, value, t->size);
    return fail_json(&s);
}
