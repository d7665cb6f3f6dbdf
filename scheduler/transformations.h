/* transformations.h: what the files that build lineage share. */
#ifndef RDD_TRANSFORMATIONS_H
#define RDD_TRANSFORMATIONS_H

#include "context.h"

#include <stdarg.h>

#define PARTITIONS_MAX INT64_C(100000000)

/* "rdd_map (a.c:7): …" into the context; gives NULL, so that callers can return it. */
rdd *lineage_error(rdd_context *ctx, rdd_code code, const char *call, const char *site,
                   const char *format, ...) PRINTF_LIKE(5, 6);

/* Checks an operator and encodes its env; false when that failed, and then it was reported. */
bool bind_operator(rdd_context *ctx, const char *call, const char *site, const rdd_op *op,
                   const void *env, rdd_str *ret_env);

/* An option that is a list, and the one that says how long it is: both are given, or neither. */
int check_list(const char *list, const void *items, const char *counted, size_t count, rdd_error *err);

bool check_partitions(const rdd *r, const char *call, int64_t partitions);

bool http_options_valid(const rdd_http_options *h, char *message, size_t size);

/* The node behind rdd_foreach(). */
rdd *foreach_node(rdd *r, rdd_foreach_op op, const rdd_operator_options *options);

/* zip_with_index: counts the parent's partitions. */
int prepare_first_indexes(rdd *r, rdd_error *err);

#endif
