/* csv_scan.h: where the records of a large CSV file begin, found by many slots at once.
 *
 * A byte in the middle of a file does not tell whether it is inside quotes. So each slot runs the
 * parser over its range from every state that the parser may be in at the range's start, all at
 * once, and gives a summary. Summaries compose: with those of all ranges the driver knows each
 * range's true start state, and with it the first record that starts there. Then each range is read
 * by csv_reader_open(), which owns the records that start in it.
 *
 * Invariant: ranges computed this way give, one after the other, exactly the records that one
 * parser gives over the whole file.
 */
#ifndef RDD_CSV_SCAN_H
#define RDD_CSV_SCAN_H

#include "csv_dialect.h"
#include "input.h"

#define CSV_NO_RECORD UINT64_MAX

/* What a range holds if the parser enters it in a given state. */
typedef struct csv_outcome {
    csv_state end;              /* the state behind its last byte */
    uint64_t first_record;      /* file offset of the first record that starts in it, or none */
    uint64_t first_record_line; /* line ends (\n) in the range before that record */
    uint64_t record_count;      /* records that start in it */
} csv_outcome;

typedef struct csv_summary {
    uint64_t offset, end;   /* the range */
    uint64_t newline_count; /* \n in it */
    csv_outcome from[CSV_STATES];
} csv_summary;

/* Scans [offset, end) of a plain file; end may be INPUT_END. */
int csv_scan(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
             csv_dialect dialect, csv_summary *ret, rdd_error *err) MUST_CHECK;

/* Makes `a` the summary of its range and the one of `b` that follows it at once. */
void csv_summary_append(csv_summary *a, const csv_summary *b);

/* The records of one range, as csv_reader_open() wants it. */
typedef struct csv_range {
    uint64_t offset; /* where a record may start: 0, the start of a record, or a blank line */
    uint64_t end;    /* records that start here or later belong to others */
    uint64_t line;   /* the line number of `offset`, from 1 */
    uint64_t record; /* how many records of the file come before, a header among them */
} csv_range;

/* The range that is a whole file. */
#define CSV_RANGE_ALL ((csv_range){ .end = INPUT_END, .line = 1 })

/* From a range (CSV_RANGE_ALL, or what csv_read_header() left) and the summaries of its parts, side
 * by side, to a range for each part. One without records comes out empty: offset == end. */
void csv_ranges_resolve(csv_range whole, const csv_summary *summaries, size_t count,
                        csv_range *ret);

/* On the wire. */
void csv_summary_encode(buf *b, const csv_summary *summary);
int csv_summary_decode(reader *r, csv_summary *ret, rdd_error *err);

/* The scan itself, over bytes as they come.
 *
 * Only the quotes at the very start of a range keep the start states apart for long. Behind the
 * first byte that is no quote there are two states at most: inside quotes, and one that is not. So
 * those first bytes are summed up for all start states, what follows is followed along two tracks,
 * and the two parts are composed like any two ranges. Most files that have quotes soon bring the
 * two tracks into one state. */
typedef struct csv_track {
    csv_state start, state;
    uint64_t first_record, first_record_line, record_count;
} csv_track;

typedef struct csv_scanner {
    csv_dialect dialect;
    csv_summary prefix; /* the quotes at the start, and the byte behind them */
    bool in_prefix;
    uint64_t at;            /* file offset of the next byte */
    uint64_t newline_count; /* behind the prefix */
    csv_track tracks[2];
    bool merged;                  /* the tracks are in one state, so only the first goes on */
    uint64_t merged_record_count; /* of the first track when that began */
} csv_scanner;

/* `dialect` is resolved. */
void csv_scanner_init(csv_scanner *s, csv_dialect dialect, uint64_t offset);
void csv_scanner_feed(csv_scanner *s, const char *data, size_t size);
void csv_scanner_finish(const csv_scanner *s, csv_summary *ret);

#endif
