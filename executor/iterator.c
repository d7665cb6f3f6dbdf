/* iterator.c: opens chains, shares what has several consumers, and, in the lifetime debug mode, puts
 * a check between any two iterators. */
#include "iterator.h"

#include "type.h"

typedef iterator *(*open_function)(const opening *o);

static const open_function OPEN[NODE_KINDS] = {
    [NODE_RANGE] = open_range,
    [NODE_ITEMS] = open_items,
    [NODE_EMPTY] = open_empty,
    [NODE_TEXT] = open_text,
    [NODE_WHOLE_TEXT] = open_whole_files,
    [NODE_BINARY] = open_whole_files,
    [NODE_RECORDS] = open_records,
    [NODE_CSV] = open_csv,
    [NODE_CSV_SCAN] = open_empty, /* its action reads the ranges itself */
    [NODE_JSON] = open_json,
    [NODE_MAP] = open_elements,
    [NODE_FILTER] = open_elements,
    [NODE_FLAT_MAP] = open_elements,
    [NODE_MAP_PARTITIONS] = open_map_partitions,
    [NODE_GLOM] = open_glom,
    [NODE_KEY_BY] = open_elements,
    [NODE_MAP_VALUES] = open_elements,
    [NODE_FLAT_MAP_VALUES] = open_elements,
    [NODE_KEYS] = open_halves,
    [NODE_VALUES] = open_halves,
    [NODE_ZIP_INDEX] = open_numbered,
    [NODE_ZIP_ID] = open_numbered,
    [NODE_FOREACH] = open_elements,
    [NODE_SAMPLE] = open_sample,
    [NODE_PIPE] = open_pipe,
    [NODE_COALESCE] = open_concat,
    [NODE_UNION] = open_concat,
    [NODE_ZIP] = open_zip,
    [NODE_ZIP_COLUMNS] = open_zip_columns,
    [NODE_ZIP_PARTITIONS] = open_zip_partitions,
    [NODE_CARTESIAN] = open_cartesian,
};

void *iterator_new(run *r, size_t size, int (*next)(iterator *, view *), void (*close)(iterator *))
{
    iterator *it = arena_zalloc(r->memory, size);
    if (!it) {
        run_fail_memory(r, "opening a partition");
        return NULL;
    }
    *it = (iterator){ .next = next, .close = close, .older = r->iterators, .run = r };
    r->iterators = it;
    return it;
}

struct batch {
    struct batch *next;
    _Alignas(16) char items[];
};

static void iterator_close(iterator *it)
{
    if (it->close)
        it->close(it);
    it->close = NULL;
    for (struct batch *b = it->batches, *next; b; b = next) {
        next = b->next;
        free(b);
    }
    it->batches = NULL;
}

void iterators_close_some(iterator *newest, const iterator *older)
{
    for (iterator *it = newest; it != older; it = it->older)
        iterator_close(it);
}

void iterators_close(run *r)
{
    iterators_close_some(r->iterators, NULL);
    r->iterators = NULL;
}

void *batch_new(iterator *it, const rdd_type *t)
{
    struct batch *b = calloc(1, sizeof *b + (size_t)t->size * BATCH_MAX);
    if (!b) {
        run_fail_memory(it->run, "making room for a batch");
        return NULL;
    }
    b->next = it->batches;
    it->batches = b;
    return b->items;
}

partition_range opening_range(const opening *o, uint32_t k)
{
    const plan_node *n = o->node;
    const int64_t parent_partitions[2] = {
        n->parent_count > 0 ? o->run->plan->nodes[n->parents[0]].partitions : 0,
        n->parent_count > 1 ? o->run->plan->nodes[n->parents[1]].partitions : 0,
    };
    return node_parent_range(n->kind, n->partitions, parent_partitions, k, o->partition);
}

iterator *open_parent(const opening *o, uint32_t k)
{
    return iterator_open(o->run, o->node->parents[k], opening_range(o, k).first);
}

/* ---- tee: one input, several readers ------------------------------------------------------- */

/* The whole chain is opened before anything is pulled, so a tee knows its readers before its first
 * batch. Batches are deep copies, oldest first, kept until every reader is past them: readers go at
 * their own pace. A tee that turns out to have one reader passes its input's views on. */
typedef struct tee_batch {
    struct tee_batch *next;
    uint32_t readers_left;
    size_t size;
    view items;
    arena memory;
} tee_batch;

struct tee {
    tee *older;
    uint32_t node;
    int64_t partition;
    iterator *input;
    uint32_t readers;
    bool ended;
    tee_batch *first, *last;
};

typedef struct tee_reader {
    iterator base;
    tee *tee;
    tee_batch *current; /* what the caller views; NULL before the first */
    bool ended;
} tee_reader;

static void tee_batch_free(tee_batch *b)
{
    arena_release(&b->memory);
    free((void *)(uintptr_t)b->items.items);
    free(b);
}

/* Readers advance in order, so a batch that nobody needs any more is the first. */
static void tee_done(tee *t, run *r, tee_batch *b)
{
    if (--b->readers_left)
        return;
    ASSERT(t->first == b);
    t->first = b->next;
    if (!t->first)
        t->last = NULL;
    r->shared_size -= b->size;
    tee_batch_free(b);
}

static tee_batch *tee_copy(tee *t, run *r, view v)
{
    const rdd_type *type = r->plan->nodes[t->node].type;
    tee_batch *b = calloc(1, sizeof *b);
    void *items = b ? calloc(v.count, type->size) : NULL;
    if (!items) {
        free(b);
        return NULL;
    }
    b->readers_left = t->readers;
    b->items = (view){ items, v.count };
    b->memory.poison = r->plan->lifetime_debug;
    if (values_copy(type, v.items, v.count, items, &b->memory) < 0) {
        tee_batch_free(b);
        return NULL;
    }
    b->size = sizeof *b + v.count * type->size + b->memory.used;
    return b;
}

static int tee_pull(tee *t, run *r)
{
    view v;
    int rc = t->ended ? ITERATOR_END : iterator_next(t->input, &v);
    t->ended = rc != ITERATOR_VIEW;
    if (rc != ITERATOR_VIEW)
        return rc;
    tee_batch *b = tee_copy(t, r, v);
    if (!b)
        return run_fail_memory(r, "sharing a partition");
    if (t->last)
        t->last->next = b;
    else
        t->first = b;
    t->last = b;
    r->shared_size += b->size;
    if (r->shared_size > r->plan->budget)
        return run_fail(r, RDD_E_LIMIT,
                        "%s: its readers drift apart by more than task.budget (%zu bytes) within one "
                        "task; use more partitions or raise --conf task.budget",
                        r->plan->nodes[t->node].label, r->plan->budget);
    return ITERATOR_VIEW;
}

static int tee_next(iterator *it, view *ret)
{
    tee_reader *self = (tee_reader *)it;
    tee *t = self->tee;
    if (t->readers == 1)
        return iterator_next(t->input, ret);
    if (self->ended)
        return ITERATOR_END;
    tee_batch *b = self->current ? self->current->next : t->first;
    if (!b) {
        int rc = tee_pull(t, it->run);
        if (rc == ITERATOR_FAILED)
            return rc;
        b = rc == ITERATOR_VIEW ? t->last : NULL;
    }
    if (self->current)
        tee_done(t, it->run, self->current);
    self->current = b;
    self->ended = !b;
    if (!b)
        return ITERATOR_END;
    *ret = b->items;
    return ITERATOR_VIEW;
}

static void tee_close(iterator *it)
{
    tee *t = ((tee_reader *)it)->tee;
    for (tee_batch *b = t->first, *next; b; b = next) {
        next = b->next;
        tee_batch_free(b);
    }
    t->first = t->last = NULL;
}

static iterator *open_node(const opening *o);

static iterator *open_tee(const opening *o)
{
    run *r = o->run;
    tee *t = r->tees;
    while (t && (t->node != o->index || t->partition != o->partition))
        t = t->older;
    if (!t) {
        iterator *source = open_node(o);
        t = source ? arena_zalloc(r->memory, sizeof *t) : NULL;
        if (!t) {
            run_fail_memory(r, "sharing a partition");
            return NULL;
        }
        *t = (tee){ .older = r->tees, .node = o->index, .partition = o->partition, .input = source };
        r->tees = t;
    }
    tee_reader *end = iterator_new(r, sizeof *end, tee_next, tee_close);
    if (!end)
        return NULL;
    end->tee = t;
    t->readers++;
    r->tee_readers++;
    return &end->base;
}

/* ---- the lifetime debug mode --------------------------------------------------------------- */

/* Gives one element at a time, deep-copied into memory of its own that is gone at the next call, so
 * that whoever keeps a view too long is caught by the address sanitizer or reads 0xdb. */
typedef struct debug_iterator {
    iterator base;
    iterator *input;
    const rdd_type *type;
    view pending;
    void *item;
    arena memory;
} debug_iterator;

static void debug_drop(debug_iterator *self)
{
    if (self->item)
        memset(self->item, 0xdb, self->type->size);
    free(self->item);
    self->item = NULL;
    arena_release(&self->memory);
}

static int debug_next(iterator *it, view *ret)
{
    debug_iterator *self = (debug_iterator *)it;
    debug_drop(self);
    if (!self->pending.count) {
        int rc = iterator_next(self->input, &self->pending);
        if (rc != ITERATOR_VIEW) {
            self->pending.count = 0;
            return rc;
        }
    }
    self->item = calloc(1, self->type->size);
    if (!self->item ||
        values_copy(self->type, self->pending.items, 1, self->item, &self->memory) < 0)
        return run_fail_memory(it->run, "copying an element");
    view_advance(&self->pending, self->type, 1);
    *ret = (view){ self->item, 1 };
    return ITERATOR_VIEW;
}

static void debug_close(iterator *it)
{
    debug_drop((debug_iterator *)it);
}

static iterator *open_debug(const opening *o, iterator *source)
{
    debug_iterator *self = iterator_new(o->run, sizeof *self, debug_next, debug_close);
    if (!self)
        return NULL;
    self->input = source;
    self->type = o->node->type;
    self->memory.poison = true;
    return &self->base;
}

/* ---- opening ------------------------------------------------------------------------------- */

static iterator *open_node(const opening *o)
{
    open_function open = OPEN[o->node->kind];
    if (o->node->params.concurrency > 1 && node_takes_records(o->node->kind))
        open = open_concurrent;
    iterator *it = open(o);
    if (it && o->run->plan->lifetime_debug)
        it = open_debug(o, it);
    return it;
}

iterator *iterator_open(run *r, uint32_t node, int64_t partition)
{
    opening o = { .run = r, .index = node, .node = &r->plan->nodes[node], .partition = partition };
    return o.node->consumers > 1 ? open_tee(&o) : open_node(&o);
}
