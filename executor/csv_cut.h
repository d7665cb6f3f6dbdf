/* csv_cut.h: cuts bytes in memory into records and cells.
 *
 * The working part of csv_reader.c, which owns the bytes. First an index of the bytes that matter
 * (delimiters, quotes, line ends) is made with vector code, a chunk ahead of the cutting; then the
 * cutting goes from one of them to the next. A cell is a view of the bytes. Only a quoted cell with
 * quotes inside must be rewritten, which libcsv does, in place.
 *
 * Invariants: cutting starts and stops between records. A record that is not complete is given up
 * and cut again from its start when there is more of it. Index and bytes belong together: after
 * bytes have moved, csv_cutter_reset().
 */
#ifndef RDD_CSV_CUT_H
#define RDD_CSV_CUT_H

#include "csv_libcsv.h"
#include "csv_reader.h"

#define CSV_CHUNK_SIZE KIB(8)

typedef struct csv_cutter {
    csv_dialect dialect;
    size_t record_max, cells_max, batch_max;

    /* The bytes. When at_end, a line end is written to data[end]. */
    char *data;
    size_t at, end;
    size_t stop;     /* a record that starts here or later is not cut */
    bool at_end;     /* nothing follows */
    uint64_t offset; /* of data[0] in the file */
    uint64_t line;   /* of data[at] */

    /* The result. */
    csv_record batch[CSV_BATCH_MAX];
    size_t count;
    bool in_quotes;      /* the record that was given up is in a quoted cell, */
    uint64_t quote_line; /* which began in this line */
    bool too_long;       /* the failure is a record past record_max, and has no message yet */

    rdd_str *cells; /* of the whole batch */
    size_t cells_capacity;
    csv_decoder *decoder; /* made when first needed */
    int failed;           /* why the last record was given up, */
    rdd_error failure;    /* and the message */
    bool broken;          /* it stays so */

    size_t indexed; /* data before this is in the index, or cut already */
    size_t chunk;   /* what positions count from */
    size_t position_at, position_count;
    uint32_t positions[CSV_CHUNK_SIZE + 64];
} csv_cutter;

void csv_cutter_init(csv_cutter *c, csv_dialect dialect);
void csv_cutter_release(csv_cutter *c);

/* Forgets the index. */
void csv_cutter_reset(csv_cutter *c);

/* Cuts a batch and moves `at` behind it. 0, or a negative code if the record at `at` is at fault;
 * what came before it was in the batch before. No record and no failure means that the one at `at`
 * is not complete, or that there is none. */
int csv_cutter_cut(csv_cutter *c, rdd_error *err) MUST_CHECK;

#endif
