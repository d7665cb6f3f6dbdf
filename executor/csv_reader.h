/* csv_reader.h: the records of a CSV file, or of a range of it.
 *
 * The grammar is in csv_dialect.h. Records are cut by vector code, and cells are views of the
 * file's bytes; quoted cells with quotes inside go through libcsv. All of it agrees with libcsv
 * over the whole file on every input, which a fuzz target checks.
 */
#ifndef RDD_CSV_READER_H
#define RDD_CSV_READER_H

#include "csv_scan.h"

#define CSV_BATCH_MAX 1024
#define CSV_RECORD_MAX MIB(256)
#define CSV_CELLS_MAX 1000000

typedef struct csv_options {
    csv_dialect dialect;
    bool header;            /* the first record of the file is no data but names the columns */
    bool nul_allowed;       /* else a NUL byte is an error: the file is binary, or UTF-16 */
    size_t record_max;      /* bytes; 0: CSV_RECORD_MAX. A longer record is an error; one that long
                             * takes as much memory, twice if it is one cell with quotes inside */
    size_t cells_max;       /* 0: CSV_CELLS_MAX */
    const char *limit_name; /* the setting that raises record_max, for the message; or NULL */
    bool lifetime_debug;    /* one record at a time, the memory of the one before is gone */
} csv_options;

typedef struct csv_record {
    const rdd_str *cells; /* data is never NULL, also where a cell is empty */
    size_t count;         /* at least 1 */
    uint64_t offset;      /* where it starts in the content of the file */
    uint64_t line;        /* the line it starts in, from 1, counted by \n */
} csv_record;

typedef struct csv_reader csv_reader;

/* Opens a range of a file; a compressed file has only CSV_RANGE_ALL. With options.header, the first
 * record of the file is left out (range.record says whether it is here). `options` may be NULL. */
int csv_reader_open(input_provider *provider, const input_file *file, csv_range range,
                    const csv_options *options, csv_reader **ret, rdd_error *err) MUST_CHECK;

/* Some records, at most CSV_BATCH_MAX and about 256 KiB, valid until the next call: how many, 0 at
 * the end, or a negative rdd_code. */
ssize_t csv_reader_next(csv_reader *r, const csv_record **ret, rdd_error *err) MUST_CHECK;

/* An error about a record: "data.csv:17: " and the message. Returns `code`. */
int csv_reader_error(const csv_reader *r, const csv_record *record, rdd_error *err, rdd_code code,
                     const char *format, ...) PRINTF_LIKE(5, 6);

void csv_reader_free(csv_reader *r);
void csv_reader_freep(csv_reader **r);

/* The first record of a file, and what follows it. */
typedef struct csv_header {
    const rdd_str *names;
    size_t count;   /* 0: the file has no record at all */
    csv_range data; /* what to open with the same options, or to split by csv_scan() */
} csv_header;

/* Reads it; names live in the arena. Without options.header, `names` are the cells of the first
 * record all the same. */
int csv_read_header(input_provider *provider, const input_file *file, const csv_options *options,
                    arena *a, csv_header *ret, rdd_error *err) MUST_CHECK;

#endif
