/* sink_save.c: save_text, save_csv, save_json_lines: one file of a partition, in the staging
 * directory that the driver has made. What was written is the task's result (output_part.h); the
 * driver's commit (scheduler/save_commit.c) makes the final output of such files.
 *
 * Invariants: a task that fails removes its file. Bytes depend on the partition's elements alone,
 * and so do the pieces in which they reach a compressor.
 */
#include "conf.h"
#include "json.h"
#include "output.h"
#include "output_csv.h"
#include "output_part.h"
#include "sink.h"
#include "type.h"

#include <stdio.h>

/* The shape of the row before: rows of one shape need no look-up. */
typedef struct row_shape {
    uint32_t *positions; /* of each cell's column */
    rdd_str *names;      /* of the cells; their bytes are gone when the next view comes */
    size_t count, capacity;
    bool in_view;        /* the names are of this view: comparing pointers will do */
} row_shape;

typedef struct save {
    run *run;
    const action *act;
    const rdd_type *type;
    const char *shown;   /* what messages call the output */
    output *out;
    buf pending;
    output_part part;
    /* CSV */
    rdd_str *cells;
    size_t cell_capacity;
    buf cell_text;
    csv_columns columns;
    row_shape shape;
    part_segment *segments;
    uint32_t segment_capacity;
} save;

static void save_release(save *s)
{
    output_free(s->out);
    buf_release(&s->pending);
    buf_release(&s->cell_text);
    csv_columns_release(&s->columns);
    free(s->cells);
    free(s->shape.positions);
    free(s->shape.names);
    free(s->segments);
    free(s->part.columns);
}

/* Called for each element, so that the pieces do not depend on how elements come in views. */
static int save_put(save *s)
{
    if (LIKELY(s->pending.size < OUTPUT_CHUNK && !s->pending.failed))
        return 0;
    rdd_error err;
    if (run_cancelled(s->run))
        return -1;
    if (output_put(s->out, &s->pending, &err) < 0)
        return run_fail_with(s->run, &err);
    if (s->pending.capacity > MIB(4))
        buf_release(&s->pending);
    return 0;
}

/* ---- text, JSON lines ----------------------------------------------------------------------- */

/* Text that is a piece of its own need not be gathered. */
static int large_text_write(save *s, rdd_str text)
{
    rdd_error err;
    if (output_put(s->out, &s->pending, &err) < 0 ||
        output_write(s->out, text.data, text.size, &err) < 0)
        return run_fail_with(s->run, &err);
    return 0;
}

static int text_write(save *s, const rdd_str *items, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (LIKELY(items[i].size < OUTPUT_CHUNK))
            buf_append(&s->pending, items[i].data, items[i].size);
        else if (large_text_write(s, items[i]) < 0)
            return -1;
        buf_char(&s->pending, '\n');
        if (save_put(s) < 0)
            return -1;
    }
    return 0;
}

static int record_failed(save *s, size_t index, const void *item, rdd_error *err)
{
    if (err->code == RDD_E_MEMORY)
        return run_fail_with(s->run, err);
    CLEANUP(buf_release) buf record = { 0 };
    json_show(s->type, item, 300, &record);
    const char *text = buf_terminate(&record);
    return run_fail(s->run, err->code,
                    "%s of %s: %s; the record is %s; record %llu of partition %u",
                    action_name(s->act->kind), s->shown, err->message, text ? text : "",
                    (unsigned long long)(s->part.rows + index), s->run->id.partition);
}

static int json_write(save *s, const char *items, size_t count)
{
    rdd_error err;
    for (size_t i = 0; i < count; i++) {
        const void *item = items + i * s->type->size;
        if (json_print(s->type, item, &s->pending, &err) < 0)
            return record_failed(s, i, item, &err);
        buf_char(&s->pending, '\n');
        if (save_put(s) < 0)
            return -1;
    }
    return 0;
}

/* ---- CSV of structs ------------------------------------------------------------------------- */

static int cells_grow(save *s, size_t count)
{
    if (LIKELY(count <= s->cell_capacity))
        return 0;
    size_t capacity = size_max(count, 2 * s->cell_capacity);
    rdd_str *cells = realloc(s->cells, capacity * sizeof *cells);
    if (!cells)
        return run_fail_memory(s->run, "saving rows");
    s->cells = cells;
    s->cell_capacity = capacity;
    return 0;
}

static int fields_header(save *s)
{
    for (uint32_t f = 0; f < s->type->field_count; f++)
        s->cells[f] = rdd_str_of(s->type->fields[f].name);
    csv_record_write(&s->pending, s->cells, s->type->field_count, s->act->delimiter);
    return 0;
}

/* Printed cells are one after the other in `cell_text`, which moves as it grows: first the offsets,
 * then the views. */
static int fields_print(save *s, const char *item, rdd_error *err)
{
    const rdd_type *t = s->type;
    buf_clear(&s->cell_text);
    for (uint32_t f = 0; f < t->field_count; f++) {
        const void *value = item + t->fields[f].offset;
        if (t->fields[f].type->kind == RDD_KIND_STR) {
            s->cells[f] = *(const rdd_str *)value;
            continue;
        }
        size_t before = s->cell_text.size;
        int code = cell_print(t->fields[f].type, value, &s->cell_text, err);
        if (code < 0)
            return code;
        s->cells[f].size = s->cell_text.size - before;
    }
    if (s->cell_text.failed)
        return error_set_memory(err, "saving rows");
    const char *at = s->cell_text.data ? s->cell_text.data : "";
    for (uint32_t f = 0; f < t->field_count; f++)
        if (t->fields[f].type->kind != RDD_KIND_STR) {
            s->cells[f].data = at;
            at += s->cells[f].size;
        }
    return 0;
}

static int structs_write(save *s, const char *items, size_t count)
{
    rdd_error err;
    for (size_t i = 0; i < count; i++) {
        const char *item = items + i * s->type->size;
        if (fields_print(s, item, &err) < 0)
            return record_failed(s, i, item, &err);
        csv_record_write(&s->pending, s->cells, s->type->field_count, s->act->delimiter);
        if (save_put(s) < 0)
            return -1;
    }
    return 0;
}

/* ---- CSV of rows ---------------------------------------------------------------------------- */

static bool shape_fits(const save *s, rdd_row row)
{
    const row_shape *shape = &s->shape;
    if (row.count != shape->count)
        return false;
    for (size_t i = 0; i < row.count; i++) {
        rdd_str name = row.items[i].name;
        if (shape->in_view && name.data == shape->names[i].data &&
            name.size == shape->names[i].size)
            continue;
        if (!rdd_str_equal(name, s->columns.items[shape->positions[i]].name))
            return false;
    }
    return true;
}

static int shape_grow(save *s, size_t count)
{
    row_shape *shape = &s->shape;
    if (count <= shape->capacity)
        return 0;
    size_t capacity = size_max(count, 2 * shape->capacity);
    uint32_t *positions = realloc(shape->positions, capacity * sizeof *positions);
    if (positions)
        shape->positions = positions;
    rdd_str *names = realloc(shape->names, capacity * sizeof *names);
    if (names)
        shape->names = names;
    if (!positions || !names)
        return run_fail_memory(s->run, "saving rows");
    shape->capacity = capacity;
    return 0;
}

static int shape_take(save *s, rdd_row row)
{
    if (row.count > s->columns.max) /* and before it costs memory */
        return run_fail(s->run, RDD_E_LIMIT,
                        "%s: a row of %zu cells, and at most %u columns (save.columns_max); if "
                        "that is meant, raise --conf save.columns_max",
                        s->shown, row.count, s->columns.max);
    if (shape_grow(s, row.count) < 0)
        return -1;
    rdd_error err;
    csv_columns_begin(&s->columns);
    for (size_t i = 0; i < row.count; i++)
        if (csv_columns_find(&s->columns, row.items[i].name, &s->shape.positions[i], &err) < 0) {
            error_prefix(&err, "%s: ", s->shown);
            return run_fail_with(s->run, &err);
        }
    s->shape.count = row.count;
    s->shape.in_view = false; /* its names are not taken down yet */
    return 0;
}

/* The segment that the next record belongs to; new columns begin a new one. */
static part_segment *segment_now(save *s)
{
    output_part *part = &s->part;
    part_segment *last = part->segment_count ? &s->segments[part->segment_count - 1] : NULL;
    if (LIKELY(last && last->columns == s->columns.count))
        return last;
    if (part->segment_count == s->segment_capacity) {
        uint32_t capacity = s->segment_capacity ? 2 * s->segment_capacity : 4;
        part_segment *segments = realloc(s->segments, capacity * sizeof *segments);
        if (!segments) {
            run_fail_memory(s->run, "saving rows");
            return NULL;
        }
        s->segments = segments;
        s->segment_capacity = capacity;
    }
    last = &s->segments[part->segment_count++];
    *last = (part_segment){ .columns = s->columns.count };
    return last;
}

static int row_write(save *s, rdd_row row)
{
    if (UNLIKELY(!shape_fits(s, row)) && shape_take(s, row) < 0)
        return -1;
    for (size_t i = 0; i < row.count && !s->shape.in_view; i++)
        s->shape.names[i] = row.items[i].name;
    s->shape.in_view = true;
    size_t column_count = s->columns.count;
    part_segment *segment = segment_now(s);
    if (!segment || cells_grow(s, column_count) < 0)
        return -1;
    if (row.count < column_count)
        memset(s->cells, 0, column_count * sizeof *s->cells);
    for (size_t i = 0; i < row.count; i++)
        s->cells[s->shape.positions[i]] = row.items[i].text;
    size_t before = s->pending.size;
    csv_record_write(&s->pending, s->cells, column_count, s->act->delimiter);
    segment->rows++;
    segment->size += s->pending.size - before;
    return save_put(s);
}

static int rows_write(save *s, const rdd_row *rows, size_t count)
{
    s->shape.in_view = false;
    for (size_t i = 0; i < count; i++)
        if (row_write(s, rows[i]) < 0)
            return -1;
    return 0;
}

/* ---- the sink ------------------------------------------------------------------------------- */

static int save_open(save *s)
{
    run *r = s->run;
    s->act = &r->plan->act;
    s->type = r->plan->nodes[r->plan->node_count - 1].type;
    s->shown = arena_copy(r->memory, s->act->zero.data, s->act->zero.size);
    if (!s->shown)
        return run_fail_memory(r, "opening an output");
    rdd_error err;
    if (run_output_create(r, s->shown, &s->out, &err) < 0 ||
        output_compress(&s->out, (compression)s->act->compression, &err) < 0)
        return run_fail_with(r, &err);
    if (s->act->kind != ACTION_SAVE_CSV)
        return 0;
    if (type_is_row(s->type)) {
        csv_columns_init(&s->columns, (uint32_t)u64_min((uint64_t)conf_int("save.columns_max"),
                                                        CSV_NO_COLUMN - 1));
        return 0;
    }
    if (cells_grow(s, s->type->field_count) < 0)
        return -1;
    bool header = s->act->n == HEADER_EACH || (s->act->n == HEADER_FIRST && !r->id.partition);
    return header ? fields_header(s) : 0;
}

static int save_elements(save *s, view v)
{
    switch (s->act->kind) {
    case ACTION_SAVE_CSV:
        return type_is_row(s->type) ? rows_write(s, v.items, v.count)
                                    : structs_write(s, v.items, v.count);
    case ACTION_SAVE_TEXT:
        if (s->type->kind == RDD_KIND_STR)
            return text_write(s, v.items, v.count);
        return json_write(s, v.items, v.count);
    default: return json_write(s, v.items, v.count);
    }
}

static int save_finish(save *s, buf *out)
{
    rdd_error err;
    if (output_put(s->out, &s->pending, &err) < 0 || output_finish(s->out, &err) < 0)
        return run_fail_with(s->run, &err);
    output_part *part = &s->part;
    part->size = s->out->stored_size;
    part->checksum = s->out->checksum;
    part->column_count = s->columns.count;
    part->columns = malloc((s->columns.count + 1) * sizeof *part->columns);
    if (!part->columns)
        return run_fail_memory(s->run, "saving rows");
    for (uint32_t i = 0; i < s->columns.count; i++)
        part->columns[i] = s->columns.items[i].name;
    part->segments = s->segments;
    size_t before = out->size;
    output_part_encode(out, part, s->run->id.attempt);
    if (out->failed)
        return run_fail_memory(s->run, "saving rows");
    if (out->size - before > s->run->plan->result_max)
        return run_fail(s->run, RDD_E_LIMIT,
                        "%s: the column names of partition %u alone are more than "
                        "driver.result_max (%zu bytes)",
                        s->shown, s->run->id.partition, s->run->plan->result_max);
    return 0;
}

int sink_save(run *r, iterator *chain, buf *out)
{
    CLEANUP(save_release) save s = { .run = r };
    if (save_open(&s) < 0)
        return ITERATOR_FAILED;
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW) {
        if (run_cancelled(r) || save_elements(&s, v) < 0)
            return ITERATOR_FAILED;
        s.part.rows += v.count;
    }
    if (rc == ITERATOR_FAILED)
        return ITERATOR_FAILED;
    return save_finish(&s, out) < 0 ? ITERATOR_FAILED : 0;
}
