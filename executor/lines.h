/* lines.h: the lines of a text file, or of a range of it.
 *
 * Lines end with \n or \r\n, which are not part of them; a \r elsewhere is data. The last line of a
 * file needs no end. Empty lines are lines.
 *
 * A range owns the lines that start in it: a reader whose range does not begin at 0 first goes to
 * the start of the next line, and the last line is read to its end even if that is past the range.
 * So the ranges of a file, in order, give each line of it once.
 */
#ifndef RDD_LINES_H
#define RDD_LINES_H

#include "input.h"

#define LINES_BATCH_MAX 1024
#define LINES_LINE_MAX MIB(256)

typedef struct lines_options {
    size_t line_max;        /* 0: LINES_LINE_MAX; a longer line is an error */
    const char *limit_name; /* the setting that raises it, for the message; NULL: not said */
    bool lifetime_debug;    /* one line at a time, the memory of the one before is gone */
} lines_options;

typedef struct lines lines;

/* A compressed file has one range only: 0 to INPUT_END. `options` may be NULL. */
int lines_open(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
               const lines_options *options, lines **ret, rdd_error *err) MUST_CHECK;

/* Some lines, at most LINES_BATCH_MAX and about 256 KiB, valid until the next call: how many, 0 at
 * the end, or a negative rdd_code. */
ssize_t lines_next(lines *l, const rdd_str **ret, rdd_error *err) MUST_CHECK;

/* Where a line of the last batch starts in the content of the file. */
uint64_t lines_offset(const lines *l, size_t index);

/* An error about a line of the last batch: "data.txt:17: " and the message. Returns `code`. It
 * counts the lines from the start of the file, which takes a while. */
int lines_error(const lines *l, size_t index, rdd_error *err, rdd_code code, const char *format,
                ...) PRINTF_LIKE(5, 6);

void lines_free(lines *l);
void lines_freep(lines **l);

#endif
