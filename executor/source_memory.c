/* source_memory.c: sources without files: range, parallelize, empty. */
#include "block.h"
#include "iterator.h"
#include "type.h"

/* ---- range --------------------------------------------------------------------------------- */

typedef struct range_iterator {
    iterator base;
    uint64_t at, step; /* unsigned: a range may span all of int64_t */
    uint64_t left;
    int64_t *batch;
} range_iterator;

static int range_next(iterator *it, view *ret)
{
    range_iterator *self = (range_iterator *)it;
    if (!self->left)
        return ITERATOR_END;
    if (run_cancelled(it->run))
        return ITERATOR_FAILED;
    if (!self->batch && !(self->batch = batch_new(it, RDD_TYPE(int64_t))))
        return ITERATOR_FAILED;
    size_t count = (size_t)u64_min(self->left, BATCH_MAX);
    int64_t *batch = self->batch;
    uint64_t at = self->at, step = self->step;
    RDD_UNROLL_
    for (size_t i = 0; i < count; i++, at += step)
        batch[i] = (int64_t)at;
    self->at = at;
    self->left -= count;
    *ret = (view){ batch, count };
    return ITERATOR_VIEW;
}

iterator *open_range(const opening *o)
{
    range_iterator *self = iterator_new(o->run, sizeof *self, range_next, NULL);
    if (!self)
        return NULL;
    /* partition p of n takes the positions [p*count/n, (p+1)*count/n) */
    unsigned __int128 count = (uint64_t)o->node->params.count;
    uint64_t partition = (uint64_t)o->partition, partitions = (uint64_t)o->node->partitions;
    uint64_t from = (uint64_t)(count * partition / partitions);
    uint64_t to = (uint64_t)(count * (partition + 1) / partitions);
    self->step = (uint64_t)o->node->params.step;
    self->at = (uint64_t)o->node->params.first + from * self->step;
    self->left = to - from;
    return &self->base;
}

/* ---- parallelize --------------------------------------------------------------------------- */

typedef struct items_iterator {
    iterator base;
    view items;
    bool done;
} items_iterator;

static int items_next(iterator *it, view *ret)
{
    items_iterator *self = (items_iterator *)it;
    if (self->done || !self->items.count)
        return ITERATOR_END;
    if (run_cancelled(it->run))
        return ITERATOR_FAILED;
    self->done = true;
    *ret = self->items;
    return ITERATOR_VIEW;
}

iterator *open_items(const opening *o)
{
    items_iterator *self = iterator_new(o->run, sizeof *self, items_next, NULL);
    if (!self)
        return NULL;
    rdd_str bytes = run_payload(o->run, o->index, o->partition);
    if (!bytes.size) {
        run_fail(o->run, RDD_E_PROTOCOL, "%s: the data of partition %lld did not come with its task",
                 o->node->label, (long long)o->partition);
        return NULL;
    }
    /* decoding is in place, so it works on a copy; arenas align by 16 */
    char *copy = arena_copy(o->run->memory, bytes.data, bytes.size);
    if (!copy) {
        run_fail_memory(o->run, "reading parallelized data");
        return NULL;
    }
    size_t size;
    rdd_error err;
    if (block_decode(o->node->type, copy, bytes.size, &self->items.items, &self->items.count, &size,
                     &err) < 0) {
        run_fail_with(o->run, &err);
        return NULL;
    }
    return &self->base;
}

/* ---- empty --------------------------------------------------------------------------------- */

static int empty_next(iterator *it UNUSED, view *ret UNUSED)
{
    return ITERATOR_END;
}

iterator *open_empty(const opening *o)
{
    return iterator_new(o->run, sizeof(iterator), empty_next, NULL);
}
