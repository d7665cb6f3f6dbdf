/* csv_dialect.h: what every part of the CSV reader agrees on.
 *
 * The grammar is libcsv's in its lenient mode, with spaces as data: RFC 4180, and beyond it
 *   - \n, \r and \r\n all end a record, blank lines are no records;
 *   - a quote inside a cell that did not begin with one is data;
 *   - a quote in a quoted cell that is followed by neither a quote, a delimiter nor a line end is
 *     data, and the cell goes on being quoted;
 *   - bytes are bytes: no encoding is assumed; a byte order mark at the start of a file is skipped.
 * Between any two bytes such a parser is in one of five states.
 */
#ifndef RDD_CSV_DIALECT_H
#define RDD_CSV_DIALECT_H

#include "error.h"

typedef enum csv_state {
    CSV_AT_RECORD,   /* between records: at the start of a file, behind a line end */
    CSV_AT_CELL,     /* behind a delimiter */
    CSV_IN_CELL,     /* in a cell that is not quoted */
    CSV_IN_QUOTES,   /* in a quoted cell */
    CSV_AFTER_QUOTE, /* behind a quote that closes the cell, or is the first of two */
    CSV_STATES,
} csv_state;

typedef struct csv_dialect {
    char delimiter; /* 0: a comma */
    char quote;     /* 0: " */
} csv_dialect;

/* Fills the defaults in. The two must differ, and neither may be a line end. */
int csv_dialect_resolve(csv_dialect *dialect, rdd_error *err) MUST_CHECK;

/* How many bytes of a byte order mark a file starts with, given its first bytes: 0 or 3. */
#define CSV_MARK_SIZE 3
size_t csv_mark_size(const char *data, size_t size);

#endif
