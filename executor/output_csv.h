/* output_csv.h: records of cells as CSV text, and the columns that rows with names agree on.
 *
 * Written for csv_reader.c and everybody else's reader, as RFC 4180 has it, with \n at the end of a
 * record. A cell is quoted only when it holds the delimiter, a quote, \r or \n, or when it comes
 * first and begins like a byte order mark. A missing value and an empty one are both an empty cell.
 * A record of one empty cell would be a blank line, which readers skip, so it is written "".
 */
#ifndef RDD_OUTPUT_CSV_H
#define RDD_OUTPUT_CSV_H

#include "arena.h"
#include "buf.h"
#include "error.h"

/* Appends one record; no cells at all append nothing. */
void csv_record_write(buf *out, const rdd_str *cells, size_t count, char delimiter);

/* The columns of rows, in the order of their first appearance.
 *
 * A name that a row has twice is two columns of that name, as pandas.concat(axis=1) makes them: the
 * second cell of a name goes to the second column of that name. So a file whose header says a name
 * twice comes out as it went in. */
typedef struct csv_column {
    rdd_str name;    /* the table's own copy; data is never NULL */
    uint32_t twin;   /* the next column of the same name, or CSV_NO_COLUMN */
    uint32_t latest; /* of the first of a name: the one that this row used last, */
    uint32_t row;    /* if `row` is this row's number */
} csv_column;

#define CSV_NO_COLUMN UINT32_MAX

typedef struct csv_columns {
    arena memory;       /* names */
    csv_column *items;
    uint32_t count, capacity;
    uint32_t max;       /* save.columns_max */
    uint32_t row;       /* number of the row that is mapped */
    uint32_t *slots;    /* by hash of the name: the first column of that name */
    uint32_t slot_count; /* a power of two, or 0 */
} csv_columns;

void csv_columns_init(csv_columns *c, uint32_t max);
void csv_columns_release(csv_columns *c);

/* A new row: its cells are then asked for in their order. */
void csv_columns_begin(csv_columns *c);

/* The column of the row's next cell, which is added if it is new. RDD_E_LIMIT past the maximum. */
int csv_columns_find(csv_columns *c, rdd_str name, uint32_t *ret, rdd_error *err) MUST_CHECK;

/* The header: a record of the names. */
int csv_columns_write(const csv_columns *c, buf *out, char delimiter, rdd_error *err) MUST_CHECK;

#endif
