/* number.h: numbers to and from text, the same in every locale.
 *
 * Used by rdd_str_to_*, CSV cells and JSON. Text is as JSON and C write decimal numbers; blanks are
 * the caller's business.
 */
#ifndef RDD_NUMBER_H
#define RDD_NUMBER_H

#include "base.h"
#include "rdd.h"

enum { NUMBER_TEXT_MAX = 32 };

/* A decimal number whose value is a whole one, exactly: "12", "-3", "1e3", "2.50e1"; not "2.5". Its
 * sign and magnitude, or false, also when the magnitude does not fit. */
bool number_parse_whole(rdd_str text, bool *ret_negative, uint64_t *ret_magnitude);

/* Rounded to the nearest. Also "inf", "infinity" and "nan" in any case. False for other text,
 * and for a number too large to be finite. */
bool number_parse_double(rdd_str text, double *ret);
bool number_parse_float(rdd_str text, float *ret);

/* The shortest text of at most 17 (9) digits that reads back the same; "nan", "inf", "-inf".
 * Returns its size; it is terminated too. */
size_t number_print_double(double x, char *out /* NUMBER_TEXT_MAX */);
size_t number_print_float(float x, char *out);
size_t number_print_u64(uint64_t x, char *out);
size_t number_print_i64(int64_t x, char *out);

/* The same for a type that is a number; integers by number_parse_whole(), and they must fit. */
bool number_parse(const rdd_type *t, rdd_str text, void *ret);
size_t number_print(const rdd_type *t, const void *value, char *out);

#endif
