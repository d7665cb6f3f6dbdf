/* save_rows.c: the commit of CSV files of rows. See save.h.
 *
 * The columns of all parts merge in partition order. A part's records then belong into the output
 * as they are where they have all columns in the output's order, and that is the usual case; the
 * others are read again and written with a cell for each column.
 */
#include "save.h"

#include "conf.h"
#include "csv_reader.h"
#include "output_csv.h"

typedef struct rows_writer {
    saving *s;
    output *out;
    buf pending;
    csv_columns columns; /* of the output */
    rdd_str *cells;      /* room for a record of it */
    uint32_t *positions; /* of the part's columns in the output; as many */
    uint64_t offset;     /* of the segment in the part's file */
    size_t index;        /* of the part */
} rows_writer;

static void rows_writer_release(rows_writer *w)
{
    output_free(w->out);
    buf_release(&w->pending);
    csv_columns_release(&w->columns);
    free(w->cells);
    free(w->positions);
}

static int rows_put(rows_writer *w, rdd_error *err)
{
    if (LIKELY(w->pending.size < OUTPUT_CHUNK && !w->pending.failed))
        return 0;
    int code = saving_check(w->s, err);
    return code < 0 ? code : output_put(w->out, &w->pending, err);
}

/* Where each of the part's columns is in the output; new ones are added. */
static int columns_map(rows_writer *w, const output_part *part, uint32_t *positions, rdd_error *err)
{
    csv_columns_begin(&w->columns);
    for (uint32_t i = 0; i < part->column_count; i++) {
        uint32_t ignored;
        int code = csv_columns_find(&w->columns, part->columns[i],
                                    positions ? &positions[i] : &ignored, err);
        if (code < 0) {
            error_prefix(err, "%s: ", w->s->target.shown);
            return code;
        }
    }
    return 0;
}

static int columns_merge(rows_writer *w, rdd_error *err)
{
    csv_columns_init(&w->columns, (uint32_t)u64_min((uint64_t)conf_int("save.columns_max"),
                                                    CSV_NO_COLUMN - 1));
    for (size_t i = 0; i < w->s->count; i++) {
        int code = columns_map(w, &w->s->parts[i], NULL, err);
        if (code < 0)
            return code;
    }
    w->cells = calloc(w->columns.count + 1, sizeof *w->cells);
    w->positions = calloc(w->columns.count + 1, sizeof *w->positions);
    return w->cells && w->positions ? 0 : error_set_memory(err, "saving rows");
}

/* ---- one part ------------------------------------------------------------------------------- */

/* Whether the segment's records are records of the output. */
static bool is_complete(const rows_writer *w, const part_segment *segment)
{
    if (segment->columns != w->columns.count)
        return false;
    for (uint32_t i = 0; i < segment->columns; i++)
        if (w->positions[i] != i)
            return false;
    return true;
}

/* Cells that the segment does not have are missing: nothing ever writes to their places. */
static int record_copy(rows_writer *w, const part_segment *segment, const csv_record *record,
                       rdd_error *err)
{
    if (record->count != segment->columns)
        return error_set(err, RDD_E_IO, "%s: the file of partition %zu was changed",
                         w->s->target.shown, w->index);
    for (uint32_t i = 0; i < segment->columns; i++)
        w->cells[w->positions[i]] = record->cells[i];
    csv_record_write(&w->pending, w->cells, w->columns.count, w->s->act.delimiter);
    return rows_put(w, err);
}

static int segment_read(rows_writer *w, const part_segment *segment, csv_reader *r, rdd_error *err)
{
    const csv_record *records;
    uint64_t rows = 0;
    ssize_t got;
    while ((got = csv_reader_next(r, &records, err)) > 0) {
        for (ssize_t i = 0; i < got; i++) {
            int code = record_copy(w, segment, &records[i], err);
            if (code < 0)
                return code;
        }
        rows += (uint64_t)got;
    }
    if (got < 0)
        return (int)got;
    if (rows != segment->rows)
        return error_set(err, RDD_E_IO, "%s: the file of partition %zu was changed",
                         w->s->target.shown, w->index);
    return 0;
}

static int segment_rewrite(rows_writer *w, const part_segment *segment, rdd_error *err)
{
    char name[PART_NAME_MAX];
    saving_part_name(w->s, w->index, name);
    CLEANUP(freep) char *path = save_target_path(&w->s->target, name);
    if (!path)
        return error_set_memory(err, "saving rows");
    const input_file file = { .path = path,
                              .name = w->s->target.shown,
                              .size = w->s->parts[w->index].size };
    const csv_range range = { .offset = w->offset,
                              .end = w->offset + segment->size,
                              .line = 1,
                              .record = 1 };
    const csv_options options = { .dialect = { .delimiter = w->s->act.delimiter },
                                  .nul_allowed = true,
                                  .record_max = segment->size,
                                  .cells_max = segment->columns + 1 };
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    int code = csv_reader_open(input_provider_local(), &file, range, &options, &r, err);
    if (code < 0)
        return code;
    memset(w->cells, 0, w->columns.count * sizeof *w->cells);
    return segment_read(w, segment, r, err);
}

/* Rows that came before any column was known have no bytes. */
static int segment_of_nothing(rows_writer *w, const part_segment *segment, rdd_error *err)
{
    memset(w->cells, 0, w->columns.count * sizeof *w->cells);
    for (uint64_t i = 0; i < segment->rows && w->columns.count; i++) {
        csv_record_write(&w->pending, w->cells, w->columns.count, w->s->act.delimiter);
        int code = rows_put(w, err);
        if (code < 0)
            return code;
    }
    return 0;
}

static int segment_copy(rows_writer *w, const part_segment *segment, int fd, rdd_error *err)
{
    int code = output_put(w->out, &w->pending, err);
    if (code == 0)
        code = saving_check(w->s, err);
    if (code == 0)
        code = output_copy(w->out, fd, w->s->target.shown, w->offset, segment->size, err);
    return code;
}

static int part_write(rows_writer *w, size_t index, rdd_error *err)
{
    const output_part *part = &w->s->parts[index];
    w->index = index;
    w->offset = 0;
    CLEANUP(closep) int fd = saving_part_open(w->s, index, err);
    int code = fd < 0 ? fd : columns_map(w, part, w->positions, err);
    for (uint32_t i = 0; code == 0 && i < part->segment_count; i++) {
        const part_segment *segment = &part->segments[i];
        if (!segment->columns)
            code = segment_of_nothing(w, segment, err);
        else if (is_complete(w, segment))
            code = segment_copy(w, segment, fd, err);
        else
            code = segment_rewrite(w, segment, err);
        w->offset += segment->size;
    }
    return code;
}

/* ---- the output ----------------------------------------------------------------------------- */

static int header_write(rows_writer *w, rdd_error *err)
{
    return w->s->header ? csv_columns_write(&w->columns, &w->pending, w->s->act.delimiter, err) : 0;
}

static int output_close(rows_writer *w, rdd_error *err)
{
    int code = output_put(w->out, &w->pending, err);
    if (code == 0)
        code = output_finish(w->out, err);
    output_free(TAKE(w->out));
    return code;
}

static int write_joined(rows_writer *w, rdd_error *err)
{
    int code = header_write(w, err);
    for (size_t i = 0; code == 0 && i < w->s->count; i++) {
        code = part_write(w, i, err);
        char name[PART_NAME_MAX];
        saving_part_name(w->s, i, name);
        unlinkat(w->s->target.staging_fd, name, 0);
    }
    return code < 0 ? code : output_close(w, err);
}

/* Every file has all columns and a header of its own, so that each can be read alone. */
static int write_directory(rows_writer *w, rdd_error *err)
{
    int code = saving_directory_make(w->s, err);
    for (size_t i = 0; code == 0 && i < w->s->count; i++) {
        char name[SAVED_NAME_MAX];
        saving_final_name(w->s, i, name);
        code = saving_output_create(w->s, name, &w->out, err);
        if (code == 0)
            code = header_write(w, err);
        if (code == 0)
            code = part_write(w, i, err);
        if (code == 0)
            code = output_close(w, err);
    }
    return code < 0 ? code : saving_directory_finish(w->s, err);
}

int commit_rows(saving *s, rdd_error *err)
{
    CLEANUP(rows_writer_release) rows_writer w = { .s = s };
    int code = columns_merge(&w, err);
    if (code < 0)
        return code;
    switch (s->target.kind) {
    case SAVE_DIRECTORY:
        code = write_directory(&w, err);
        return code < 0 ? code : save_target_publish(&s->target, SAVED_DIRECTORY, err);
    case SAVE_FILE:
        code = saving_output_create(s, SAVED_FILE, &w.out, err);
        if (code == 0)
            code = write_joined(&w, err);
        return code < 0 ? code : save_target_publish(&s->target, SAVED_FILE, err);
    case SAVE_STREAM: break;
    }
    code = saving_output_stream(s, &w.out, err);
    return code < 0 ? code : write_joined(&w, err);
}
