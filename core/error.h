/* error.h: what went wrong, as a value that its caller owns.
 *
 * A function that can fail returns 0 or a negative rdd_code and fills `err` only on failure; `err`
 * may be NULL. The layer that knows something adds it once: error_prefix() puts "file.csv: " before
 * a parser's message. Errors are plain data, so they cross the wire. Library code does not log.
 */
#ifndef RDD_ERROR_H
#define RDD_ERROR_H

#include "base.h"
#include "buf.h"
#include "rdd.h"

/* Fills `err` and returns `code`, so that callers can write: return error_set(err, RDD_E_INPUT, …). */
int error_set(rdd_error *err, rdd_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* The same with errno: ": No such file or directory" is added, os_errno kept. */
int error_set_errno(rdd_error *err, rdd_code code, int os_errno, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Out of memory, the one message that must not allocate. */
int error_set_memory(rdd_error *err, const char *what);

/* Puts text before the message. */
void error_prefix(rdd_error *err, const char *format, ...) PRINTF_LIKE(2, 3);

const char *code_name(rdd_code code);

/* On the wire. error_decode leaves `err` with a message of its own if the bytes are malformed. */
void error_encode(buf *b, const rdd_error *err);
int error_decode(reader *r, rdd_error *err);

#endif
