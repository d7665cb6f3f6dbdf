/* csv_dialect.c: see csv_dialect.h. */
#include "csv_dialect.h"

#include <string.h>

static bool is_line_end(char c)
{
    return c == '\n' || c == '\r';
}

int csv_dialect_resolve(csv_dialect *dialect, rdd_error *err)
{
    csv_dialect d = { dialect->delimiter ? dialect->delimiter : ',',
                      dialect->quote ? dialect->quote : '"' };
    if (d.delimiter == d.quote)
        return error_set(err, RDD_E_USAGE, "CSV: the delimiter and the quote are the same byte");
    if (is_line_end(d.delimiter) || is_line_end(d.quote))
        return error_set(err, RDD_E_USAGE, "CSV: the %s cannot be a line end",
                         is_line_end(d.quote) ? "quote" : "delimiter");
    *dialect = d;
    return 0;
}

size_t csv_mark_size(const char *data, size_t size)
{
    return size >= CSV_MARK_SIZE && !memcmp(data, "\xef\xbb\xbf", CSV_MARK_SIZE) ? CSV_MARK_SIZE
                                                                                 : 0;
}
