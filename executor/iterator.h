/* iterator.h: the narrow chain of a task.
 *
 * One contract: next() gives a view of some elements, valid until the next call on the same
 * iterator. An iterator pulls its input only inside its own next() and never while output of its own
 * waits, so views may point into the input's views and nothing is copied on the way.
 */
#ifndef RDD_ITERATOR_H
#define RDD_ITERATOR_H

#include "run.h"

enum { ITERATOR_FAILED = -1, ITERATOR_END = 0, ITERATOR_VIEW = 1 };

/* Some elements, side by side: at least one. May be more than BATCH_MAX. */
typedef struct view {
    const void *items;
    size_t count;
} view;

struct iterator {
    int (*next)(iterator *it, view *ret);
    void (*close)(iterator *it); /* or NULL */
    iterator *older;             /* the run's list */
    run *run;
    struct batch *batches;       /* of batch_new() */
};

static inline int iterator_next(iterator *it, view *ret)
{
    return it->next(it, ret);
}

/* An iterator of `size` bytes, all zeros but its head, in the run's memory; it is closed when the run
 * ends. NULL when out of memory, and then the run has failed. */
void *iterator_new(run *r, size_t size, int (*next)(iterator *, view *), void (*close)(iterator *));

/* Opens partition `partition` of a node of the plan, with all that is below it. NULL when the run
 * has failed. A node with several consumers is computed once: each gets its own end of a tee. */
iterator *iterator_open(run *r, uint32_t node, int64_t partition);

/* Closes all iterators of a run. */
void iterators_close(run *r);

/* Closes those that were opened while the run's newest went from `older` to `newest`: they have ended
 * and are not called again. */
void iterators_close_some(iterator *newest, const iterator *older);

/* Takes the first `count` elements off a view. */
static inline void view_advance(view *v, const rdd_type *t, size_t count)
{
    v->items = (const char *)v->items + count * t->size;
    v->count -= count;
}

/* Room for BATCH_MAX elements, zeroed, until the iterator is closed; NULL fails the run. */
void *batch_new(iterator *it, const rdd_type *t);

/* What open functions get. */
typedef struct opening {
    run *run;
    uint32_t index; /* of the node in the plan */
    const plan_node *node;
    int64_t partition;
} opening;

/* Each kind's way to open it; the inputs are opened by them. */
iterator *open_range(const opening *o);
iterator *open_items(const opening *o);
iterator *open_empty(const opening *o);
iterator *open_text(const opening *o);
iterator *open_whole_files(const opening *o); /* whole_text_files, binary_files */
iterator *open_records(const opening *o);
iterator *open_json(const opening *o);
iterator *open_csv(const opening *o);
iterator *open_elements(const opening *o);    /* map, filter, flat_map and their keyed forms */
iterator *open_concurrent(const opening *o);  /* the same with several records in flight */
iterator *open_halves(const opening *o);      /* keys, values */
iterator *open_numbered(const opening *o);    /* zip_with_index, zip_with_unique_id */
iterator *open_sample(const opening *o);
iterator *open_map_partitions(const opening *o);
iterator *open_zip_partitions(const opening *o);
iterator *open_glom(const opening *o);
iterator *open_pipe(const opening *o);
iterator *open_concat(const opening *o);      /* union, coalesce */
iterator *open_zip(const opening *o);
iterator *open_zip_columns(const opening *o);
iterator *open_cartesian(const opening *o);

/* Opens parent `k` at the partition that partition o->partition of the node reads. */
iterator *open_parent(const opening *o, uint32_t k);
partition_range opening_range(const opening *o, uint32_t k);

#endif
