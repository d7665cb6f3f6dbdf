/* output_csv.c: see output_csv.h. Called by the CSV sink and by the driver's commit. */
#include "output_csv.h"

#include "bytemask.h"

#include <xxhash.h>

/* ---- records ------------------------------------------------------------------------------- */

enum { BLOCK = 64 };

/* Whether record [data, data + size) reads as `delimiter_count` delimiters and no quote or line
 * end. Up to BLOCK bytes behind it are read too. */
static bool is_plain(const char *data, size_t size, char delimiter, size_t delimiter_count)
{
    size_t found = 0;
    for (size_t at = 0; at < size; at += BLOCK) {
        uint64_t inside = bits_below(size - at);
        uint64_t special = bytemask(data + at, '"') | bytemask(data + at, '\n') |
                           bytemask(data + at, '\r');
        if (special & inside)
            return false;
        found += bit_count(bytemask(data + at, delimiter) & inside);
    }
    return found == delimiter_count;
}

static void quoted_write(buf *out, rdd_str cell)
{
    buf_char(out, '"');
    for (const char *at = cell.data, *end = at + cell.size; at < end;) {
        const char *quote = memchr(at, '"', (size_t)(end - at));
        const char *stop = quote ? quote + 1 : end;
        buf_append(out, at, (size_t)(stop - at));
        if (quote)
            buf_char(out, '"');
        at = stop;
    }
    buf_char(out, '"');
}

/* At the start of a file these bytes would be taken for a byte order mark, and dropped. */
static bool starts_with_mark(rdd_str cell)
{
    return cell.size >= 3 && memcmp(cell.data, "\xef\xbb\xbf", 3) == 0;
}

static bool needs_quotes(rdd_str cell, char delimiter)
{
    for (size_t i = 0; i < cell.size; i++) {
        char c = cell.data[i];
        if (c == delimiter || c == '"' || c == '\n' || c == '\r')
            return true;
    }
    return false;
}

static void careful_write(buf *out, const rdd_str *cells, size_t count, char delimiter)
{
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(out, delimiter);
        if (needs_quotes(cells[i], delimiter) || (!i && starts_with_mark(cells[i])))
            quoted_write(out, cells[i]);
        else
            buf_append(out, cells[i].data, cells[i].size);
    }
}

/* Most records need no quotes, so the cells are copied first, and then the record is looked at as a
 * whole, in the buffer, where vector code may read past its end. */
void csv_record_write(buf *out, const rdd_str *cells, size_t count, char delimiter)
{
    if (!count)
        return;
    size_t size = count + BLOCK; /* delimiters, the line end, and what is_plain() reads behind it */
    for (size_t i = 0; i < count; i++)
        if (__builtin_add_overflow(size, cells[i].size, &size))
            size = SIZE_MAX;
    if (size == count + BLOCK && count == 1) {
        buf_append(out, "\"\"\n", 3);
        return;
    }
    char *begin = buf_reserve(out, size), *at = begin;
    if (!begin)
        return;
    for (size_t i = 0; i < count; i++) {
        if (cells[i].size)
            memcpy(at, cells[i].data, cells[i].size);
        at += cells[i].size;
        *at++ = delimiter;
    }
    at--;
    if (LIKELY(is_plain(begin, (size_t)(at - begin), delimiter, count - 1) &&
               !starts_with_mark(cells[0]))) {
        *at++ = '\n';
        out->size += (size_t)(at - begin);
        return;
    }
    careful_write(out, cells, count, delimiter);
    buf_char(out, '\n');
}

/* ---- columns ------------------------------------------------------------------------------- */

void csv_columns_init(csv_columns *c, uint32_t max)
{
    *c = (csv_columns){ .max = max };
}

void csv_columns_release(csv_columns *c)
{
    arena_release(&c->memory);
    free(c->items);
    free(c->slots);
    *c = (csv_columns){ 0 };
}

void csv_columns_begin(csv_columns *c)
{
    c->row++;
    if (LIKELY(c->row))
        return;
    c->row = 1; /* after 2^32 rows no old number may look like a new one */
    for (uint32_t i = 0; i < c->count; i++)
        c->items[i].row = 0;
}

/* Where the name is, or the free slot where it belongs. */
static uint32_t *slot_of(const csv_columns *c, rdd_str name)
{
    uint32_t at = (uint32_t)XXH3_64bits(name.data, name.size) & (c->slot_count - 1);
    while (c->slots[at] != CSV_NO_COLUMN &&
           !rdd_str_equal(c->items[c->slots[at]].name, name))
        at = (at + 1) & (c->slot_count - 1);
    return &c->slots[at];
}

/* Every twin is in the chain of its first, so only firsts are in the table. */
static bool slots_grow(csv_columns *c)
{
    if (c->slot_count && c->count < c->slot_count / 2)
        return true;
    uint32_t slot_count = c->slot_count ? c->slot_count * 2 : 64;
    uint32_t *slots = malloc(slot_count * sizeof *slots);
    if (!slots)
        return false;
    memset(slots, 0xff, slot_count * sizeof *slots);
    free(c->slots);
    c->slots = slots;
    c->slot_count = slot_count;
    for (uint32_t i = 0; i < c->count; i++) {
        uint32_t *slot = slot_of(c, c->items[i].name);
        if (*slot == CSV_NO_COLUMN)
            *slot = i;
    }
    return true;
}

static bool items_grow(csv_columns *c)
{
    if (c->count < c->capacity)
        return true;
    uint32_t capacity = c->capacity ? c->capacity * 2 : 32;
    csv_column *items = realloc(c->items, capacity * sizeof *items);
    if (!items)
        return false;
    c->items = items;
    c->capacity = capacity;
    return true;
}

static int column_add(csv_columns *c, rdd_str name, uint32_t *ret, rdd_error *err)
{
    if (c->count >= c->max)
        return error_set(err, RDD_E_LIMIT,
                         "more than %u columns (save.columns_max), the next one is \"%.*s\"; if "
                         "that is meant, raise --conf save.columns_max",
                         c->max, (int)size_min(name.size, 80), name.data ? name.data : "");
    char *copy = arena_copy(&c->memory, name.data, name.size);
    if (!copy || !items_grow(c) || !slots_grow(c))
        return error_set_memory(err, "gathering columns");
    c->items[c->count] = (csv_column){ { name.size, copy }, CSV_NO_COLUMN, c->count, c->row };
    *ret = c->count++;
    return 0;
}

int csv_columns_find(csv_columns *c, rdd_str name, uint32_t *ret, rdd_error *err)
{
    uint32_t *slot = c->slot_count ? slot_of(c, name) : NULL;
    if (!slot || *slot == CSV_NO_COLUMN) {
        int code = column_add(c, name, ret, err);
        if (code < 0)
            return code;
        *slot_of(c, name) = *ret; /* the table may have grown */
        return 0;
    }
    uint32_t first = *slot;
    if (c->items[first].row != c->row) {
        c->items[first].row = c->row;
        c->items[first].latest = first;
        *ret = first;
        return 0;
    }
    /* This row has had the name already: on to the next column that is called so. */
    uint32_t latest = c->items[first].latest, twin = c->items[latest].twin;
    if (twin == CSV_NO_COLUMN) {
        int code = column_add(c, name, &twin, err);
        if (code < 0)
            return code;
        c->items[latest].twin = twin;
    }
    c->items[first].latest = twin;
    *ret = twin;
    return 0;
}

int csv_columns_write(const csv_columns *c, buf *out, char delimiter, rdd_error *err)
{
    CLEANUP(freep) rdd_str *names = malloc((c->count + 1) * sizeof *names);
    if (!names)
        return error_set_memory(err, "writing a header");
    for (uint32_t i = 0; i < c->count; i++)
        names[i] = c->items[i].name;
    csv_record_write(out, names, c->count, delimiter);
    return 0;
}
