/* hosts_range.h: the ranges in a name of the hosts grammar, for hosts_entry.c alone.
 *
 * A pattern is a name with any number of brackets, each a list of numbers and of ranges of numbers:
 * rack[1-2]-n[01,03-16]. A range whose first number begins with a zero keeps that many digits. The
 * bracket on the right counts fastest.
 */
#ifndef RDD_HOSTS_RANGE_H
#define RDD_HOSTS_RANGE_H

#include "error.h"

/* How many names it stands for: 1 to `max`. */
int hosts_range_count(const char *pattern, size_t max, size_t *ret, rdd_error *err);

/* Name number `index` of `count`, as hosts_range_count() gave it; false when it does not fit. */
bool hosts_range_name(const char *pattern, size_t count, size_t index, char *name, size_t size);

#endif
