/* output_part.c: see output_part.h. */
#include "output_part.h"

#include <stdio.h>

void output_part_name(char name[PART_NAME_MAX], uint32_t partition, uint32_t attempt)
{
    snprintf(name, PART_NAME_MAX, "part-%05u-attempt-%u", partition, attempt);
}

void output_part_encode(buf *b, const output_part *part, uint32_t attempt)
{
    buf_u32(b, attempt);
    buf_u64(b, part->size);
    buf_u64(b, part->checksum);
    buf_u64(b, part->rows);
    buf_u32(b, part->column_count);
    for (uint32_t i = 0; i < part->column_count; i++)
        buf_sized(b, part->columns[i].data, part->columns[i].size);
    buf_u32(b, part->segment_count);
    for (uint32_t i = 0; i < part->segment_count; i++) {
        buf_u64(b, part->segments[i].rows);
        buf_u64(b, part->segments[i].size);
        buf_u32(b, part->segments[i].columns);
    }
}

static bool columns_decode(reader *r, arena *a, output_part *part)
{
    part->column_count = reader_u32(r);
    if (r->failed || part->column_count > reader_left(r) / sizeof(uint32_t))
        return false;
    part->columns = arena_alloc(a, (part->column_count + 1) * sizeof *part->columns);
    if (!part->columns)
        return false;
    for (uint32_t i = 0; i < part->column_count; i++) {
        size_t size;
        const char *name = reader_sized(r, &size);
        part->columns[i] = (rdd_str){ size, name };
    }
    return !r->failed;
}

/* Rising columns, and in all as many bytes and rows as the part has. */
static bool segments_decode(reader *r, bool compressed, arena *a, output_part *part)
{
    enum { STORED_SIZE = 20 };
    part->segment_count = reader_u32(r);
    if (r->failed || part->segment_count > reader_left(r) / STORED_SIZE)
        return false;
    part->segments = arena_alloc(a, (part->segment_count + 1) * sizeof *part->segments);
    if (!part->segments)
        return false;
    uint64_t size = 0, rows = 0;
    for (uint32_t i = 0; i < part->segment_count; i++) {
        part_segment *s = &part->segments[i];
        s->rows = reader_u64(r);
        s->size = reader_u64(r);
        s->columns = reader_u32(r);
        if (s->columns > part->column_count || (i && s->columns <= s[-1].columns) ||
            __builtin_add_overflow(size, s->size, &size) ||
            __builtin_add_overflow(rows, s->rows, &rows) ||
            (s->size == 0) != (s->columns == 0 || s->rows == 0))
            return false;
    }
    return !r->failed && (!part->segment_count ||
                          ((compressed || size == part->size) && rows == part->rows));
}

int output_part_decode(rdd_str bytes, bool compressed, arena *a, output_part *ret,
                       uint32_t *ret_attempt, rdd_error *err)
{
    reader r = reader_over(bytes.data, bytes.size);
    output_part part = { 0 };
    uint32_t attempt = reader_u32(&r);
    part.size = reader_u64(&r);
    part.checksum = reader_u64(&r);
    part.rows = reader_u64(&r);
    if (!columns_decode(&r, a, &part) || !segments_decode(&r, compressed, a, &part) ||
        reader_left(&r))
        return error_set(err, RDD_E_PROTOCOL, "a malformed report of a saved partition");
    *ret = part;
    *ret_attempt = attempt;
    return 0;
}
