/* event_fields.h: the pieces that records of the event log are made of.
 *
 * A field is appended with the comma before it: none is the first of its record.
 */
#ifndef RDD_EVENT_FIELDS_H
#define RDD_EVENT_FIELDS_H

#include "buf.h"
#include "error.h"

/* What field_put_ms() writes at most. */
enum { FIELD_MS_MAX = 32 };

/* Milliseconds with all digits, no NUL; returns the end. */
char *field_put_ms(char *at, uint64_t ns);

void field_name(buf *out, const char *name);
void field_u64(buf *out, const char *name, uint64_t value);
void field_ms(buf *out, const char *name, uint64_t ns);
void field_text(buf *out, const char *name, const char *text);

/* A number that is an element of an array. */
void field_element(buf *out, uint64_t value);

/* Job, stage, partition, attempt and node, as far as they apply. */
void field_place(buf *out, const rdd_error *err);

/* "error": code, message, place. */
void field_error(buf *out, const rdd_error *err);

/* "time": UTC, with milliseconds. */
void field_time(buf *out, uint64_t wall_ns);

/* "conf": the settings that are not as they were made. */
void field_conf(buf *out);

/* "argv": the words, each with a NUL at its end, secrets masked; without words those of this
 * process. */
void field_argv(buf *out, const char *words, size_t size);

#endif
