/* log_file.h: a file of lines that is complete, or says that it is not.
 *
 * Lines are gathered in `out` by whoever writes them; log_file_line() ends one. After the first
 * failure nothing is written any more and the file ends with a whole line, so far as that is in our
 * hands; the failure stays.
 */
#ifndef RDD_LOG_FILE_H
#define RDD_LOG_FILE_H

#include "buf.h"
#include "error.h"

#include <sys/types.h>

enum { LOG_FILE_BUFFER = 1 << 20 };

typedef struct log_file {
    int fd;
    bool regular;        /* a plain file that is ours alone */
    bool failed;
    char *path;          /* as given */
    buf out;             /* whole lines, and perhaps the beginning of one */
    size_t whole;        /* bytes of `out` that are whole lines */
    uint64_t flushed_ns; /* when `out` was written last */
    off_t written;       /* bytes in the file */
    rdd_error error;
} log_file;

/* Empties the file or makes it. "-" is standard error. */
int log_file_open(log_file *f, const char *path, rdd_error *err);

/* The line at the end of `out` is whole but for its newline. Writes `out` when it has waited for a
 * second or is full. */
void log_file_line(log_file *f, uint64_t now_ns);

/* Writes all whole lines. */
void log_file_flush(log_file *f, uint64_t now_ns);

/* Writes `out` if it has waited for a second. */
void log_file_tick(log_file *f, uint64_t now_ns);

/* Ends the log with `err`. The first one counts. */
void log_file_fail(log_file *f, const rdd_error *err);

/* Flushes, closes and releases. The failure, then or earlier. */
int log_file_close(log_file *f, rdd_error *err);

#endif
