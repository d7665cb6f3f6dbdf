/* sink.h: what a task does with the elements that come out of its chain: the stage's action.
 *
 * A sink pulls its input to the end (or as far as it needs) and appends the task's result to `out`.
 * The driver's half of each action, which merges the results in partition order, is in
 * scheduler/actions_*.c and reads what is written here.
 */
#ifndef RDD_SINK_H
#define RDD_SINK_H

#include "buf.h"
#include "iterator.h"

/* 0, or -1 when the run has failed. */
int sink_run(run *r, iterator *chain, buf *out);

/* One for each family; same contract. */
int sink_collect(run *r, iterator *chain, buf *out);  /* collect, take, pick */
int sink_sample(run *r, iterator *chain, buf *out);
int sink_top(run *r, iterator *chain, buf *out);
int sink_count(run *r, iterator *chain, buf *out);
int sink_fold(run *r, iterator *chain, buf *out);     /* reduce, fold, aggregate */
int sink_foreach(run *r, iterator *chain, buf *out);  /* foreach, foreach_partition */
int sink_sum(run *r, iterator *chain, buf *out);
int sink_stats(run *r, iterator *chain, buf *out);
int sink_histogram(run *r, iterator *chain, buf *out);
int sink_count_values(run *r, iterator *chain, buf *out);
int sink_save(run *r, iterator *chain, buf *out);     /* save_text, save_csv, save_json_lines */
int sink_csv_scan(run *r, buf *out);

/* The next view, counted and marked; as iterator_next. */
int sink_next(run *r, iterator *chain, view *ret);

/* (key, element): what ACTION_SAMPLE gives; made of `t` in `a`. NULL when out of memory. */
rdd_type *sink_keyed_type(arena *a, const rdd_type *t);

/* Encodes elements as the result; past what a task may bring back it says so. */
int sink_result(run *r, const rdd_type *t, const void *items, size_t count, buf *out);

#endif
