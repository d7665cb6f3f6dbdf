/* file_ranges.h: which bytes of which files a partition of a source is, as its task carries them.
 *
 * Made on the driver when the source is declared (scheduler/sources.c), read by the sources'
 * iterators. A partition's payload is a count and that many ranges.
 */
#ifndef RDD_FILE_RANGES_H
#define RDD_FILE_RANGES_H

#include "csv_scan.h"
#include "input.h"

typedef struct file_range {
    input_file file;
    uint64_t offset, end;   /* what starts in [offset, end) is this partition's */
    csv_range csv;          /* for CSV: the same, with state and line resolved */
} file_range;

void file_range_encode(buf *b, const file_range *range);
int file_range_decode(reader *r, arena *a, file_range *ret, rdd_error *err);

/* The ranges of a payload, in `a`. */
int file_ranges_decode(rdd_str payload, arena *a, file_range **ret, size_t *ret_count,
                       rdd_error *err);

#endif
