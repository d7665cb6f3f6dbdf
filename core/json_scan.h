/* json_scan.h: JSON text token by token, for json_read.c.
 *
 * A scan walks over text that may be anything. What fails fills `err` with what and at which byte,
 * and `code`; after that the scan is not used any more. Functions return false then.
 */
#ifndef RDD_JSON_SCAN_H
#define RDD_JSON_SCAN_H

#include "arena.h"
#include "error.h"
#include "rdd.h"

typedef struct json_scan {
    const char *from, *at, *end;
    int depth;      /* objects and arrays that `at` is in */
    arena *a;       /* for strings with escapes */
    rdd_error *err;
    int code;       /* 0, or why it failed */
    bool placed;    /* the message says in which field */
} json_scan;

json_scan json_scan_begin(rdd_str text, arena *a, rdd_error *err);

/* "… at byte 17, found …"; always false. */
bool json_fail(json_scan *s, const char *format, ...) PRINTF_LIKE(2, 3);
bool json_fail_memory(json_scan *s);

/* Skips blanks and gives the next byte, which stays; -1 at the end. */
int json_next(json_scan *s);

/* Takes this byte if it is the next one. */
bool json_take(json_scan *s, char c);

/* Begins an object or array with '{' or '['; fails when it is too deep. */
bool json_open(json_scan *s, char c);
/* After an item: true when a ',' says that there is another one; false at `close`, and on
 * failure. */
bool json_more(json_scan *s, char close);

/* A string without its quotes, unescaped: a view of the text, or in the arena. */
bool json_string(json_scan *s, rdd_str *ret);

/* A number, as it is written. */
bool json_number(json_scan *s, rdd_str *ret);

/* true, false or null: takes `word` if it is next. */
bool json_word(json_scan *s, const char *word);

/* Any value but a string, as the text that is there; cJSON judges what is nested. */
bool json_raw(json_scan *s, rdd_str *ret);

/* Any value, and nothing is kept. */
bool json_skip(json_scan *s);

/* Nothing but blanks is left. */
bool json_finish(json_scan *s);

#endif
