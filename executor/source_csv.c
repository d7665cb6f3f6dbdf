/* source_csv.c: CSV records as rows or as a user's structs. Splitting and parsing are csv_reader.h's;
 * here the header's columns meet the element type, and ragged rows meet csv.ragged. */
#include "csv_reader.h"
#include "file_ranges.h"
#include "iterator.h"
#include "json.h"
#include "type.h"

#include <stdio.h>
#include <strings.h>

enum { RAGGED_FAIL, RAGGED_PAD, RAGGED_SKIP };
enum { NO_COLUMN = UINT32_MAX };

typedef struct csv_iterator {
    iterator base;
    uint32_t index;
    const plan_node *node;
    csv_options options;
    file_range *ranges;
    size_t at, count;
    csv_reader *reader; /* of range `at`, or NULL */
    const csv_record *records;
    size_t record_at, record_count;
    uint64_t counted;   /* offset up to which input_bytes has this file's bytes */
    rdd_str *names;     /* of the file's columns; no header: c1, c2, … as far as were needed */
    size_t name_count;
    bool fixed;         /* name_count is how many cells each record must have */
    uint32_t *columns;  /* for structs: the column of each field */
    arena names_memory; /* of this file */
    arena scratch;      /* cells of rows; bytes, lists and structs of fields */
    void *out;
} csv_iterator;

static void csv_close(iterator *it)
{
    csv_iterator *self = (csv_iterator *)it;
    csv_reader_free(self->reader);
    arena_release(&self->names_memory);
    arena_release(&self->scratch);
    self->reader = NULL;
}

static const char *list_names(const csv_iterator *self, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t c = 0; c < self->name_count && used < size; c++)
        used += (size_t)snprintf(text + used, size - used, "%s'%.*s'", c ? ", " : "",
                                 (int)size_min(self->names[c].size, 60), self->names[c].data);
    return text;
}

/* One column whose name looks like several. */
static const char *delimiter_hint(const csv_iterator *self)
{
    if (self->name_count != 1)
        return "";
    rdd_str name = self->names[0];
    return memchr(name.data, ';', name.size)    ? "; is .delimiter = ';' missing?"
           : memchr(name.data, '\t', name.size) ? "; is .delimiter = '\\t' missing?"
           : memchr(name.data, '|', name.size)  ? "; is .delimiter = '|' missing?"
                                                : "";
}

/* A column whose name is almost that of the field. */
static const char *case_hint(const csv_iterator *self, const char *field, char *text, size_t size)
{
    text[0] = 0;
    for (size_t c = 0; c < self->name_count && !text[0]; c++)
        if (self->names[c].size == strlen(field) &&
            !strncasecmp(self->names[c].data, field, self->names[c].size))
            snprintf(text, size, "; '%.*s' differs by case", (int)size_min(self->names[c].size, 60),
                     self->names[c].data);
    return text;
}

/* Every field of the struct must find its column by name, or, without a header, by position. */
static int match_columns(csv_iterator *self, const input_file *file)
{
    const rdd_type *t = self->node->type;
    run *r = self->base.run;
    for (uint32_t f = 0; f < t->field_count; f++) {
        self->columns[f] = NO_COLUMN;
        for (uint32_t c = 0; c < self->name_count && self->columns[f] == NO_COLUMN; c++)
            if (rdd_str_equal(self->names[c], rdd_str_of(t->fields[f].name)))
                self->columns[f] = c;
        if (self->node->params.no_header)
            self->columns[f] = f;
        if (self->columns[f] != NO_COLUMN || t->fields[f].type->kind == RDD_KIND_OPTIONAL)
            continue;
        char found[256], close[128];
        return run_fail(r, RDD_E_INPUT, "%s: there is no column '%s' for the field of %s; it has: %s%s%s",
                        file->name, t->fields[f].name, t->name, list_names(self, found, sizeof found),
                        delimiter_hint(self),
                        case_hint(self, t->fields[f].name, close, sizeof close));
    }
    return 0;
}

static int open_file(csv_iterator *self)
{
    run *r = self->base.run;
    const file_range *range = &self->ranges[self->at];
    rdd_error err;
    arena_release(&self->names_memory);
    self->names = NULL;
    self->name_count = 0;
    self->fixed = false;
    if (!self->node->params.no_header) {
        csv_header header;
        if (csv_read_header(run_inputs(r), &range->file, &self->options, &self->names_memory, &header,
                            &err) < 0)
            return run_fail_with(r, &err);
        self->names = (rdd_str *)(uintptr_t)header.names;
        self->name_count = header.count;
        self->fixed = header.count > 0;
        if (!header.count && !range->file.listed)
            return run_fail(r, RDD_E_INPUT,
                            "%s: the file is empty; a CSV begins with the names of its columns",
                            range->file.name);
        if (!header.count) /* an empty part of an output, say: no columns, no records */
            return 0;
    }
    if (self->columns && match_columns(self, &range->file) < 0)
        return -1;
    if (csv_reader_open(run_inputs(r), &range->file, range->csv, &self->options, &self->reader, &err) <
        0)
        return run_fail_with(r, &err);
    self->counted = range->csv.offset;
    return 0;
}

/* The next records of the partition; 1, 0 at the end of the last file, -1. */
static int next_records(csv_iterator *self)
{
    run *r = self->base.run;
    rdd_error err;
    if (run_cancelled(r))
        return ITERATOR_FAILED;
    for (; self->at < self->count; self->at++) {
        if (self->ranges[self->at].csv.offset == self->ranges[self->at].csv.end)
            continue;
        if (!self->reader && open_file(self) < 0)
            return ITERATOR_FAILED;
        run_mark(r, self->index);
        ssize_t got = self->reader ? csv_reader_next(self->reader, &self->records, &err) : 0;
        if (got < 0)
            return run_fail_with(r, &err);
        if (got > 0) {
            self->record_at = 0;
            self->record_count = (size_t)got;
            r->metrics.input_bytes += self->records[got - 1].offset - self->counted;
            self->counted = self->records[got - 1].offset;
            return ITERATOR_VIEW;
        }
        csv_reader_free(self->reader);
        self->reader = NULL;
    }
    return ITERATOR_END;
}

/* Without a header the first record fixes how many columns there are: c1, c2, … */
static int invent_names(csv_iterator *self, const csv_record *record)
{
    self->names = arena_alloc(&self->names_memory, record->count * sizeof *self->names);
    for (size_t i = 0; self->names && i < record->count; i++) {
        char *name = arena_format(&self->names_memory, "c%zu", i + 1);
        if (!name)
            return run_fail_memory(self->base.run, "reading CSV");
        self->names[i] = rdd_str_of(name);
    }
    if (!self->names)
        return run_fail_memory(self->base.run, "reading CSV");
    self->name_count = record->count;
    self->fixed = true;
    return 0;
}

static int make_row(csv_iterator *self, const csv_record *record, rdd_row *ret)
{
    rdd_cell *cells = arena_alloc(&self->scratch, self->name_count * sizeof *cells);
    if (!cells)
        return run_fail_memory(self->base.run, "reading CSV");
    for (size_t i = 0; i < self->name_count; i++)
        cells[i] = (rdd_cell){ self->names[i],
                               i < record->count ? record->cells[i] : (rdd_str){ 0, NULL } };
    *ret = (rdd_row){ self->name_count, cells };
    return 0;
}

static int make_struct(csv_iterator *self, const csv_record *record, char *item)
{
    const rdd_type *t = self->node->type;
    rdd_error err, placed;
    for (uint32_t f = 0; f < t->field_count; f++) {
        const rdd_field *field = &t->fields[f];
        uint32_t column = self->columns[f];
        rdd_str text = column < record->count ? record->cells[column] : (rdd_str){ 0, "" };
        if (cell_parse(field->type, text, &self->scratch, item + field->offset, &err) == 0)
            continue;
        csv_reader_error(self->reader, record, &placed, err.code, "column '%s': %s", field->name,
                         err.message);
        return run_fail_with(self->base.run, &placed);
    }
    return 0;
}

/* 1: take the record, 0: leave it out, -1: the run has failed. */
static int check_width(csv_iterator *self, const csv_record *record)
{
    if (!self->fixed && invent_names(self, record) < 0)
        return -1;
    if (LIKELY(record->count == self->name_count) || self->node->params.ragged == RAGGED_PAD)
        return 1;
    if (self->node->params.ragged == RAGGED_SKIP) {
        run_count_up(self->base.run, "csv.skipped", strlen("csv.skipped"), 1);
        return 0;
    }
    rdd_error err;
    csv_reader_error(self->reader, record, &err, RDD_E_INPUT,
                     "%zu columns expected, %zu found; --conf csv.ragged=pad or =skip goes on",
                     self->name_count, record->count);
    return run_fail_with(self->base.run, &err);
}

static int csv_next(iterator *it, view *ret)
{
    csv_iterator *self = (csv_iterator *)it;
    const rdd_type *t = self->node->type;
    if (!self->out && !(self->out = batch_new(it, t)))
        return ITERATOR_FAILED;
    arena_reset(&self->scratch);
    size_t made = 0;
    while (!made) {
        if (self->record_at == self->record_count) {
            int rc = next_records(self);
            if (rc != ITERATOR_VIEW)
                return rc;
        }
        while (self->record_at < self->record_count && made < BATCH_MAX) {
            const csv_record *record = &self->records[self->record_at++];
            int take = check_width(self, record);
            if (take < 0)
                return ITERATOR_FAILED;
            if (!take)
                continue;
            char *item = (char *)self->out + made * t->size;
            int rc = self->columns ? make_struct(self, record, item)
                                   : make_row(self, record, (rdd_row *)(void *)item);
            if (rc < 0)
                return ITERATOR_FAILED;
            made++;
        }
    }
    *ret = (view){ self->out, made };
    return ITERATOR_VIEW;
}

iterator *open_csv(const opening *o)
{
    run *r = o->run;
    csv_iterator *self = iterator_new(r, sizeof *self, csv_next, csv_close);
    rdd_error err;
    if (!self)
        return NULL;
    self->index = o->index;
    self->node = o->node;
    self->scratch.poison = r->plan->lifetime_debug;
    self->options = (csv_options){ .dialect = { o->node->params.delimiter, o->node->params.quote },
                                   .header = !o->node->params.no_header,
                                   .record_max = r->plan->line_max,
                                   .limit_name = "task.budget",
                                   .lifetime_debug = r->plan->lifetime_debug };
    if (!type_is_row(o->node->type)) {
        self->columns = arena_zalloc(r->memory, o->node->type->field_count * sizeof(uint32_t));
        if (!self->columns) {
            run_fail_memory(r, "reading CSV");
            return NULL;
        }
    }
    rdd_str bytes = run_payload(r, o->index, o->partition);
    if (file_ranges_decode(bytes, r->memory, &self->ranges, &self->count, &err) < 0) {
        run_fail_with(r, &err);
        return NULL;
    }
    return &self->base;
}
