/* text.h: text of any origin made fit for a JSON file or a terminal, and numbers written fast.
 *
 * Used by the event log and by progress. Nothing is assumed of the bytes: they may be no UTF-8 and
 * may hold control characters.
 */
#ifndef RDD_TEXT_H
#define RDD_TEXT_H

#include "buf.h"

/* The size of the UTF-8 sequence that begins at `at`, 1 to 4; 0 if none does. */
size_t text_utf8(const char *at, const char *end);

/* A JSON string with its quotes; what is no UTF-8 becomes U+FFFD, byte by byte. */
void text_json(buf *out, const char *data, size_t size);

/* One line for a terminal, `columns` wide at most; what was cut ends with "...". Characters that
 * would move the cursor, and bytes that are no UTF-8, become '?', a tab a space. Returns how wide
 * it is. */
size_t text_fit(buf *out, const char *data, size_t size, size_t columns);

/* How wide all of it would be, written with text_fit(). Never too little: a character whose width
 * terminals disagree on counts as wide. */
size_t text_columns(const char *data, size_t size);

/* 1234567 as "1,234,567". */
void text_thousands(buf *out, uint64_t number);

enum { TEXT_U64_MAX = 20 };

/* Decimal digits, no NUL. `at` has room for TEXT_U64_MAX. Returns the end. */
char *text_put_u64(char *at, uint64_t number);

/* The same with leading zeros, exactly `digits` of them; `number` fits. */
static inline char *text_put_digits(char *at, uint32_t number, unsigned digits)
{
    for (unsigned i = digits; i-- > 0; number /= 10)
        at[i] = (char)('0' + number % 10);
    return at + digits;
}

#endif
