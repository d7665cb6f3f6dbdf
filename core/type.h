/* type.h: what can be done with an element, given its descriptor.
 *
 * Everything goes by field, never over padding. Descriptors of a program's own types are trusted;
 * those that come over the wire go through type_decode(), which checks every bound.
 */
#ifndef RDD_TYPE_H
#define RDD_TYPE_H

#include "arena.h"
#include "buf.h"
#include "error.h"
#include "rdd.h"

enum {
    TYPE_DEPTH_MAX = 32,    /* structs, lists and optionals in each other */
    TYPE_FIELDS_MAX = 1024, /* of one struct */
    TYPE_NODES_MAX = 4096,  /* descriptors in a whole type, one that occurs twice counted twice */
    TYPE_NAME_MAX = 255,    /* bytes of a name */
};

/* Same kind, size, field names and field types; the types' own names do not matter. */
bool type_equal(const rdd_type *a, const rdd_type *b);
uint64_t type_digest(const rdd_type *t);

/* Holds no pointers: may be copied as bytes. */
bool type_is_flat(const rdd_type *t);

bool type_is_number(const rdd_type *t); /* integers, float, double; not bool */
bool type_is_row(const rdd_type *t);    /* equal to RDD_TYPE(rdd_row) */
bool type_is_pair(const rdd_type *t);   /* a struct of exactly `key` and `value` */

/* The descriptor is sane: depth, field count, names; for what a program declares. */
int type_check(const rdd_type *t, rdd_error *err);

/* A field by name; NULL when there is none. */
const rdd_field *type_field(const rdd_type *t, const char *name);

/* For people: "word_count{key: rdd_str, value: int64_t}", cut at a sane length. */
void type_describe(const rdd_type *t, buf *out);

void type_encode(buf *b, const rdd_type *t);
/* In `a`, structurally checked (offsets inside, no overlap, alignment, depth). */
int type_decode(reader *r, arena *a, const rdd_type **ret, rdd_error *err);

uint64_t value_hash(const rdd_type *t, const void *value, uint64_t seed);

/* A total order: numbers by value (NaN last, -0 equals 0), text by bytes, no value before empty,
 * structs field by field, lists lexicographically, an absent optional before all present ones. */
int value_compare(const rdd_type *t, const void *a, const void *b);

/* Deep copies of `count` elements into `to` (room for count * t->size), strings into `a`.
 * Padding goes along, the value of an absent optional becomes zeros. RDD_E_MEMORY when `a` is
 * out of memory or past its maximum. */
int values_copy(const rdd_type *t, const void *from, size_t count, void *to, arena *a);

/* How many bytes the strings and lists of these elements take outside the elements themselves. */
size_t values_outside_size(const rdd_type *t, const void *items, size_t count);

/* A number of any kind as a double; the type is a number. */
double value_to_double(const rdd_type *t, const void *value);

/* Whether what the value points to lies in [low, high); of lists, the items and the first one's. */
bool value_lies_in(const rdd_type *t, const void *value, const void *low, const void *high);

#endif
