/* save_rows.c: the commit of CSV files of rows. See save.h.
 *
 * The columns of all parts merge in partition order, behind those that the caller wants first, and
 * those that it wants last are moved to the end. A part's records then belong into the output
 * as they are where they have all columns in the output's order, and that is the usual case; the
 * others are read again and written with a cell for each column. A compressed output is made of
 * members: the header, parts that are taken as they are, and what was written anew.
 */
#include "save.h"

#include "conf.h"
#include "csv_reader.h"
#include "output_csv.h"

typedef struct rows_writer {
    saving *s;
    output *place;       /* the file or stream; takes members of a compressed output */
    output *out;         /* where records go: the place, or an open member; NULL: none is open */
    bool began;          /* the place has a member */
    buf pending;         /* records for `out` */
    csv_columns columns; /* of the output */
    rdd_str *cells;      /* room for a record of it */
    uint32_t *positions; /* of the part's columns in the output; as many */
    size_t index;        /* of the part */
} rows_writer;

static bool is_compressed(const rows_writer *w)
{
    return w->s->compression != COMPRESSION_NONE;
}

/* ---- members -------------------------------------------------------------------------------- */

/* What a compressor writes to: the place, which does not end with a member. */
typedef struct member_output {
    output base;
    output *place;
} member_output;

static int member_write(output *out, const void *data, size_t size, rdd_error *err)
{
    return output_write(((member_output *)out)->place, data, size, err);
}

static int member_finish(output *out, rdd_error *err)
{
    (void)out, (void)err;
    return 0;
}

static void member_free(output *out)
{
    free(out);
}

static int records_begin(rows_writer *w, rdd_error *err)
{
    static const struct output_ops OPS = { member_write, member_finish, member_free, NULL };
    w->began = true;
    if (w->out)
        return 0;
    if (!is_compressed(w)) {
        w->out = w->place;
        return 0;
    }
    member_output *m = calloc(1, sizeof *m);
    if (!m)
        return error_set_memory(err, "saving rows");
    m->base.ops = &OPS;
    m->place = w->place;
    output *out = &m->base;
    int code = output_compress(&out, w->s->compression, err);
    if (code == 0)
        w->out = out;
    return code;
}

static void member_drop(rows_writer *w)
{
    if (w->out != w->place)
        output_free(w->out);
    w->out = NULL;
}

static int records_end(rows_writer *w, rdd_error *err)
{
    if (!w->out)
        return 0;
    int code = output_put(w->out, &w->pending, err);
    if (code == 0 && is_compressed(w))
        code = output_finish(w->out, err);
    member_drop(w);
    return code;
}

static void rows_writer_release(rows_writer *w)
{
    member_drop(w);
    output_free(w->place);
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

static int column_find(const rows_writer *w, csv_columns *c, rdd_str name, uint32_t *ret,
                       rdd_error *err)
{
    uint32_t ignored;
    int code = csv_columns_find(c, name, ret ? ret : &ignored, err);
    if (code < 0)
        error_prefix(err, "%s: ", w->s->target.shown);
    return code;
}

/* Where each of the part's columns is in the output; new ones are added. */
static int columns_map(rows_writer *w, const output_part *part, uint32_t *positions, rdd_error *err)
{
    int code = 0;
    csv_columns_begin(&w->columns);
    for (uint32_t i = 0; i < part->column_count && code == 0; i++)
        code = column_find(w, &w->columns, part->columns[i], positions ? &positions[i] : NULL, err);
    return code;
}

/* The columns that stand first are there before any row. */
static int columns_begin(rows_writer *w, rdd_error *err)
{
    int code = 0;
    csv_columns_init(&w->columns, (uint32_t)u64_min((uint64_t)conf_int("save.columns_max"),
                                                    CSV_NO_COLUMN - 1));
    csv_columns_begin(&w->columns);
    for (size_t i = 0; i < w->s->first_column_count && code == 0; i++)
        code = column_find(w, &w->columns, rdd_str_of(w->s->first_columns[i]), NULL, err);
    return code;
}

/* The place among the columns that stand last, or last_column_count for one that does not. */
static size_t last_place(const saving *s, rdd_str name)
{
    size_t place = 0;
    while (place < s->last_column_count && !rdd_str_equal(name, rdd_str_of(s->last_columns[place])))
        place++;
    return place;
}

/* Adds the columns that have this place, or the one that is to have it when no row does. */
static int columns_place(const rows_writer *w, size_t place, csv_columns *ordered, rdd_error *err)
{
    const saving *s = w->s;
    uint32_t before = ordered->count;
    int code = 0;
    for (uint32_t i = 0; i < w->columns.count && code == 0; i++)
        if (last_place(s, w->columns.items[i].name) == place)
            code = column_find(w, ordered, w->columns.items[i].name, NULL, err);
    if (code < 0 || place == s->last_column_count || ordered->count > before)
        return code;
    rdd_str name = rdd_str_of(s->last_columns[place]);
    return last_place(s, name) == place ? column_find(w, ordered, name, NULL, err) : 0;
}

/* Moves the columns that are to stand last behind the others. */
static int columns_order(rows_writer *w, rdd_error *err)
{
    size_t last_count = w->s->last_column_count;
    if (!last_count)
        return 0;
    csv_columns ordered;
    csv_columns_init(&ordered, w->columns.max);
    csv_columns_begin(&ordered); /* one row has them all, so a name that is there twice stays so */
    int code = columns_place(w, last_count, &ordered, err);
    for (size_t place = 0; place < last_count && code == 0; place++)
        code = columns_place(w, place, &ordered, err);
    csv_columns_release(&w->columns);
    w->columns = ordered;
    return code;
}

static int find_twins(rows_writer *w, rdd_error *err)
{
    for (uint32_t i = 0; i < w->columns.count; i++) {
        rdd_str name = w->columns.items[i].name;
        if (w->columns.items[i].twin == CSV_NO_COLUMN)
            continue;
        w->s->twice = (rdd_str){ name.size, arena_copy(&w->s->memory, name.data, name.size) };
        return w->s->twice.data ? 0 : error_set_memory(err, "saving rows");
    }
    return 0;
}

static int columns_merge(rows_writer *w, rdd_error *err)
{
    int code = columns_begin(w, err);
    for (size_t i = 0; i < w->s->count && code == 0; i++)
        code = columns_map(w, &w->s->parts[i], NULL, err);
    if (code == 0)
        code = columns_order(w, err);
    if (code == 0)
        code = find_twins(w, err);
    if (code < 0)
        return code;
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
static int record_copy(rows_writer *w, uint32_t column_count, const csv_record *record,
                       rdd_error *err)
{
    for (uint32_t i = 0; i < column_count; i++)
        w->cells[w->positions[i]] = record->cells[i];
    csv_record_write(&w->pending, w->cells, w->columns.count, w->s->act.delimiter);
    return rows_put(w, err);
}

static int part_changed(const rows_writer *w, rdd_error *err)
{
    return error_set(err, RDD_E_IO, "%s: the file of partition %zu was changed",
                     w->s->target.shown, w->index);
}

/* Copies the records of some segments, which follow each other in what is read. */
static int segments_read(rows_writer *w, const part_segment *segments, size_t count, csv_reader *r,
                         rdd_error *err)
{
    const csv_record *records;
    uint64_t rows = 0; /* of the first segment */
    ssize_t got;
    memset(w->cells, 0, w->columns.count * sizeof *w->cells);
    while ((got = csv_reader_next(r, &records, err)) > 0)
        for (ssize_t i = 0; i < got; i++) {
            for (; count && rows == segments->rows; rows = 0, count--)
                segments++;
            if (!count || records[i].count != segments->columns)
                return part_changed(w, err);
            int code = record_copy(w, segments->columns, &records[i], err);
            if (code < 0)
                return code;
            rows++;
        }
    if (got < 0)
        return (int)got;
    return count == 1 && rows == segments->rows ? 0 : part_changed(w, err);
}

static int segments_rewrite(rows_writer *w, const part_segment *segments, size_t count,
                            csv_range range, rdd_error *err)
{
    static const input_format FORMATS[] = { [COMPRESSION_NONE] = INPUT_PLAIN,
                                            [COMPRESSION_GZ] = INPUT_GZIP,
                                            [COMPRESSION_ZST] = INPUT_ZSTD };
    char name[PART_NAME_MAX];
    saving_part_name(w->s, w->index, name);
    CLEANUP(freep) char *path = save_target_path(&w->s->target, name);
    if (!path)
        return error_set_memory(err, "saving rows");
    const input_file file = { .path = path,
                              .name = w->s->target.shown,
                              .size = w->s->parts[w->index].size,
                              .format = FORMATS[w->s->compression] };
    csv_options options = { .dialect = { .delimiter = w->s->act.delimiter },
                            .nul_allowed = true,
                            .record_max = 1,
                            .cells_max = segments[count - 1].columns + 1 };
    for (size_t i = 0; i < count; i++)
        options.record_max = size_max(options.record_max, segments[i].size);
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    int code = records_begin(w, err);
    if (code == 0)
        code = csv_reader_open(input_provider_local(), &file, range, &options, &r, err);
    return code < 0 ? code : segments_read(w, segments, count, r, err);
}

/* Rows that came before any column was known have no bytes. */
static int nothing_write(rows_writer *w, const part_segment *segment, rdd_error *err)
{
    memset(w->cells, 0, w->columns.count * sizeof *w->cells);
    int code = w->columns.count ? records_begin(w, err) : 0;
    for (uint64_t i = 0; code == 0 && i < segment->rows && w->columns.count; i++) {
        csv_record_write(&w->pending, w->cells, w->columns.count, w->s->act.delimiter);
        code = rows_put(w, err);
    }
    return code;
}

/* Bytes of a part's file, as they are: records, or members. */
static int bytes_copy(rows_writer *w, int fd, uint64_t offset, uint64_t size, rdd_error *err)
{
    w->began = true;
    int code = records_end(w, err);
    if (code == 0)
        code = saving_check(w->s, err);
    if (code == 0)
        code = output_copy(w->place, fd, w->s->target.shown, offset, size, err);
    return code;
}

static int plain_write(rows_writer *w, const output_part *part, uint32_t first, int fd,
                       rdd_error *err)
{
    uint64_t offset = 0;
    int code = 0;
    for (uint32_t i = first; code == 0 && i < part->segment_count; i++) {
        const part_segment *segment = &part->segments[i];
        const csv_range range = { .offset = offset, .end = offset + segment->size, .line = 1,
                                  .record = 1 };
        if (is_complete(w, segment))
            code = bytes_copy(w, fd, offset, segment->size, err);
        else
            code = segments_rewrite(w, segment, 1, range, err);
        offset += segment->size;
    }
    return code;
}

/* All of the file or nothing of it can be taken as it is. */
static int compressed_write(rows_writer *w, const output_part *part, uint32_t first, int fd,
                            rdd_error *err)
{
    uint32_t count = part->segment_count - first;
    if (!count)
        return 0;
    if (count == 1 && is_complete(w, &part->segments[first]))
        return bytes_copy(w, fd, 0, part->size, err);
    return segments_rewrite(w, part->segments + first, count, CSV_RANGE_ALL, err);
}

static int part_write(rows_writer *w, size_t index, rdd_error *err)
{
    const output_part *part = &w->s->parts[index];
    w->index = index;
    CLEANUP(closep) int fd = saving_part_open(w->s, index, err);
    int code = fd < 0 ? fd : columns_map(w, part, w->positions, err);
    uint32_t first = part->segment_count && !part->segments[0].columns;
    if (code == 0 && first)
        code = nothing_write(w, &part->segments[0], err);
    if (code < 0)
        return code;
    return is_compressed(w) ? compressed_write(w, part, first, fd, err)
                            : plain_write(w, part, first, fd, err);
}

/* ---- the output ----------------------------------------------------------------------------- */

static int header_write(rows_writer *w, rdd_error *err)
{
    if (!w->s->header || !w->columns.count)
        return 0;
    int code = records_begin(w, err);
    return code < 0 ? code
                    : csv_columns_write(&w->columns, &w->pending, w->s->act.delimiter, err);
}

/* A compressed file that holds nothing is not empty. */
static int place_close(rows_writer *w, rdd_error *err)
{
    int code = w->began ? 0 : records_begin(w, err);
    if (code == 0)
        code = records_end(w, err);
    if (code == 0)
        code = output_finish(w->place, err);
    output_free(TAKE(w->place));
    w->began = false;
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
    return code < 0 ? code : place_close(w, err);
}

/* Every file has all columns and a header of its own, so that each can be read alone. */
static int write_directory(rows_writer *w, rdd_error *err)
{
    int code = saving_directory_make(w->s, err);
    for (size_t i = 0; code == 0 && i < w->s->count; i++) {
        char name[SAVED_NAME_MAX];
        saving_final_name(w->s, i, name);
        code = saving_output_create(w->s, name, &w->place, err);
        if (code == 0)
            code = header_write(w, err);
        if (code == 0)
            code = part_write(w, i, err);
        if (code == 0)
            code = place_close(w, err);
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
        code = saving_output_create(s, SAVED_FILE, &w.place, err);
        if (code == 0)
            code = write_joined(&w, err);
        return code < 0 ? code : save_target_publish(&s->target, SAVED_FILE, err);
    case SAVE_STREAM: break;
    }
    code = saving_output_stream(s, &w.place, err);
    return code < 0 ? code : write_joined(&w, err);
}
