/* json.h: elements to and from JSON text, and text cells to values.
 *
 * cJSON judges nested values (json_scan.c alone includes it). It knows numbers only as doubles and
 * ends strings at a NUL, so numbers, strings and the fields of an element are read here, and what
 * is nested in a row's cell keeps the text that was there.
 *
 * As cJSON does, strings may hold control characters as they are and bytes that are not UTF-8; half
 * of a surrogate pair is an error. A byte order mark before the text is skipped.
 */
#ifndef RDD_JSON_H
#define RDD_JSON_H

#include "arena.h"
#include "buf.h"
#include "error.h"
#include "rdd.h"

enum { JSON_DEPTH_MAX = 64 };

/* Behind what says that a value is missing. */
#define JSON_HINT_OPTIONAL "; make it an RDD_OPTIONAL if it may be missing"

/* Text that nests deeper than JSON_DEPTH_MAX must never reach cJSON (its recursion eats the stack
 * of a fiber). True when it is shallow enough; strings are skipped properly. */
bool json_depth_ok(rdd_str text);

/* Appends an element as one line of JSON. Structs are objects, lists arrays, rdd_row an object of
 * its cells, a missing string and an absent optional null, rdd_bytes base64, NaN and infinities
 * null; doubles print as the shortest text that reads back the same. Text that is not UTF-8 is
 * RDD_E_INPUT. */
int json_print(const rdd_type *t, const void *value, buf *out, rdd_error *err);

/* The same for messages about a failing record: never fails, replaces what is not UTF-8 and control
 * characters, cuts after `size_max` bytes with "…". */
void json_show(const rdd_type *t, const void *value, size_t size_max, buf *out);

/* Appends `text` as a JSON string with its quotes. RDD_E_INPUT when it is not UTF-8. */
int json_print_str(rdd_str text, buf *out, rdd_error *err);

/* One JSON object as a row: top-level fields in their order, strings unescaped, null as no
 * value, all else as the JSON text that was there. Of fields with the same name the last one
 * counts, in the place of the first. Cells may view `text`. The message says what and at which
 * byte. */
int json_parse_row(rdd_str text, arena *a, rdd_row *ret, rdd_error *err);

/* One JSON value as an element of type t: objects fill structs by field name (unknown fields are
 * ignored, a missing one is an error unless optional, a string or bytes), null is an absent
 * optional, a missing string or missing bytes and nothing else. Integers must fit exactly,
 * however they are written: 1e3 and 2.0 are whole numbers. The result may view `text`. */
int json_parse(const rdd_type *t, rdd_str text, arena *a, void *ret, rdd_error *err);

/* A CSV cell as a value: the whole text must be the number (leading and trailing blanks allowed);
 * "" is an absent optional, the empty string, no bytes and an empty list, and nothing else; booleans
 * are true/false, 1/0, yes/no, t/f in any case; integers are as in json_parse(), and doubles may
 * also be inf and nan; bytes are base64; lists and structs are JSON. The result may view `text`.
 * The message is like: "12x" is no int64_t. */
int cell_parse(const rdd_type *t, rdd_str text, arena *a, void *ret, rdd_error *err);

/* A value as the text of a CSV cell (unquoted): no value and an absent optional as nothing, text as
 * it is, bytes as base64; lists and structs as JSON. */
int cell_print(const rdd_type *t, const void *value, buf *out, rdd_error *err);

bool utf8_valid(rdd_str text);

#endif
