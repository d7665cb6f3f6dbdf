/* csv_check.h: whether the CSV reader agrees with libcsv on some bytes, for the tests and the fuzz
 * target.
 *
 * Records are written down as bytes: how many cells, then the cells. libcsv parses the whole input;
 * the reader does it whole, and again in ranges that csv_scan() has made of it. All must have
 * written the same, and each record must say truly where it came from.
 */
#ifndef RDD_CSV_CHECK_H
#define RDD_CSV_CHECK_H

#include "csv_reader.h"
#include "unit/input_memory.h"

#include <csv.h>

/* ---- libcsv alone --------------------------------------------------------------------------- */

struct csv_oracle {
    buf records; /* written down */
    buf cells;   /* of the record at hand */
    uint32_t cell_count;
    uint64_t record_count;
    bool unclosed; /* the input ends inside quotes; that record is not written down */
};

static inline int csv_oracle_space(unsigned char c)
{
    (void)c;
    return 0;
}

static inline void csv_oracle_cell(void *data, size_t size, void *arg)
{
    struct csv_oracle *o = arg;
    buf_sized(&o->cells, data, size);
    o->cell_count++;
}

static inline void csv_oracle_record(int c, void *arg)
{
    (void)c;
    struct csv_oracle *o = arg;
    buf_u32(&o->records, o->cell_count);
    buf_append(&o->records, o->cells.data, o->cells.size);
    buf_clear(&o->cells);
    o->cell_count = 0;
    o->record_count++;
}

static inline void csv_oracle_parse(struct csv_oracle *o, const char *data, size_t size,
                                    csv_dialect dialect)
{
    enum { FIELD_BEGUN = 2 }; /* libcsv's state inside a cell */
    struct csv_parser parser;
    csv_init(&parser, 0);
    csv_set_space_func(&parser, csv_oracle_space);
    csv_set_delim(&parser, (unsigned char)dialect.delimiter);
    csv_set_quote(&parser, (unsigned char)dialect.quote);
    size_t mark_size = csv_mark_size(data, size);
    csv_parse(&parser, data + mark_size, size - mark_size, csv_oracle_cell, csv_oracle_record, o);
    o->unclosed = parser.pstate == FIELD_BEGUN && parser.quoted;
    if (!o->unclosed)
        csv_fini(&parser, csv_oracle_cell, csv_oracle_record, o);
    csv_free(&parser);
}

static inline void csv_oracle_release(struct csv_oracle *o)
{
    buf_release(&o->records);
    buf_release(&o->cells);
}

/* ---- the reader ----------------------------------------------------------------------------- */

struct csv_check {
    memory_provider provider;
    csv_options options;
    uint64_t next_offset, next_line; /* behind the last record seen */
    uint64_t record_count;
    buf records;
    int code; /* that reading ended with */
    rdd_error err;
};

/* That a record is where it says: 0 or a complaint. */
static inline const char *csv_check_place(struct csv_check *k, const csv_record *record)
{
    const char *data = k->provider.data;
    if (record->offset < k->next_offset || record->offset >= k->provider.size)
        return "a record's offset is not behind the record before";
    uint64_t at = k->next_offset, line = k->next_line;
    for (; at < record->offset; at++)
        line += data[at] == '\n';
    if (line != record->line)
        return "a record has the wrong line number";
    if (at > csv_mark_size(data, k->provider.size) && data[at - 1] != '\n' && data[at - 1] != '\r')
        return "a record does not start a line";
    k->next_offset = at + 1;
    k->next_line = line + (data[at] == '\n');
    return NULL;
}

static inline const char *csv_check_record(struct csv_check *k, const csv_record *record)
{
    buf_u32(&k->records, (uint32_t)record->count);
    for (size_t i = 0; i < record->count; i++) {
        if (!record->cells[i].data)
            return "a cell without data";
        buf_sized(&k->records, record->cells[i].data, record->cells[i].size);
    }
    k->record_count++;
    return csv_check_place(k, record);
}

/* Reads a range and writes its records down. */
static inline const char *csv_check_range(struct csv_check *k, csv_range range)
{
    if (range.record != k->record_count && range.offset != range.end)
        return "a range has the wrong record number";
    csv_reader *r;
    k->code =
        csv_reader_open(&k->provider.base, &k->provider.file, range, &k->options, &r, &k->err);
    if (k->code)
        return "the reader cannot be opened";
    const char *complaint = NULL;
    const csv_record *records;
    ssize_t count;
    while (!complaint && (count = csv_reader_next(r, &records, &k->err)) > 0) {
        if (count > (k->options.lifetime_debug ? 1 : CSV_BATCH_MAX))
            complaint = "a batch is too large";
        for (ssize_t i = 0; i < count && !complaint; i++)
            complaint = csv_check_record(k, &records[i]);
    }
    if (!complaint)
        k->code = (int)count;
    csv_reader_free(r);
    return complaint;
}

/* Reads the ranges between the given points, ascending, which csv_scan() makes records of. */
static inline const char *csv_check_split(struct csv_check *k, const uint64_t *points, size_t count)
{
    enum { RANGES_MAX = 64 };
    csv_summary summaries[RANGES_MAX + 1];
    csv_range ranges[RANGES_MAX + 1];
    if (count > RANGES_MAX)
        return "too many ranges";
    for (size_t i = 0; i <= count; i++) {
        uint64_t from = i ? points[i - 1] : 0, to = i < count ? points[i] : INPUT_END;
        if (csv_scan(&k->provider.base, &k->provider.file, from, to, k->options.dialect,
                     &summaries[i], &k->err))
            return "the scan failed";
        if (summaries[i].offset != from || (i < count && summaries[i].end != to))
            return "a summary is about another range";
    }
    csv_ranges_resolve(CSV_RANGE_ALL, summaries, count + 1, ranges);
    for (size_t i = 0; i <= count; i++) {
        uint64_t before = k->record_count;
        const char *complaint = csv_check_range(k, ranges[i]);
        if (complaint)
            return complaint;
        if (k->code)
            return NULL;
        uint64_t after = i < count ? ranges[i + 1].record : k->record_count;
        if (k->record_count != after || (ranges[i].offset == ranges[i].end && after != before))
            return "a range has another number of records than the scan said";
    }
    return NULL;
}

static inline const char *csv_check_same(const struct csv_oracle *o, const struct csv_check *k)
{
    if (o->unclosed != (k->code == RDD_E_INPUT) || (k->code && k->code != RDD_E_INPUT))
        return o->unclosed ? "an unclosed quote is no error" : "an error for good input";
    if (o->record_count != k->record_count)
        return "another number of records than libcsv";
    if (o->records.size != k->records.size ||
        (o->records.size && memcmp(o->records.data, k->records.data, o->records.size)))
        return "other cells than libcsv";
    return NULL;
}

/* NULL if all agree, else what does not. Point 0 up to `count` - 1 split the bytes in ranges. */
static inline const char *csv_check(const char *data, size_t size, csv_options options,
                                    size_t chunk_size, const uint64_t *points, size_t count)
{
    struct csv_oracle oracle = { 0 };
    const char *complaint = csv_dialect_resolve(&options.dialect, NULL) ? "a bad dialect" : NULL;
    options.nul_allowed = true;
    if (!complaint)
        csv_oracle_parse(&oracle, data, size, options.dialect);
    for (int split = 0; split < 2 && !complaint; split++) {
        struct csv_check k = { .provider = memory_provider_over(data, size, chunk_size),
                               .options = options,
                               .next_line = 1 };
        complaint = split ? csv_check_split(&k, points, count) : csv_check_range(&k, CSV_RANGE_ALL);
        if (!complaint)
            complaint = csv_check_same(&oracle, &k);
        buf_release(&k.records);
    }
    csv_oracle_release(&oracle);
    return complaint;
}

#endif
