/* narrow_combine.c: chains that join: union and coalesce, zip, zip_columns, cartesian. */
#include "iterator.h"
#include "type.h"

/* ---- union, coalesce: one input after the other ---------------------------------------------- */

/* An input that has ended is closed at once, or a thousand joined partitions would hold the memory of
 * them all. Those that share something are not: somebody else may read on. */
typedef struct concat_input {
    iterator *input;
    iterator *newest, *older; /* the run's iterators when it was open, and before */
    bool shares;
} concat_input;

typedef struct concat_iterator {
    iterator base;
    concat_input *inputs;
    size_t at, count;
} concat_iterator;

static int concat_next(iterator *it, view *ret)
{
    concat_iterator *self = (concat_iterator *)it;
    for (; self->at < self->count; self->at++) {
        concat_input *in = &self->inputs[self->at];
        int rc = iterator_next(in->input, ret);
        if (rc != ITERATOR_END)
            return rc;
        if (!in->shares)
            iterators_close_some(in->newest, in->older);
    }
    return ITERATOR_END;
}

static bool concat_open(const opening *o, uint32_t parent, int64_t partition, concat_input *ret)
{
    run *r = o->run;
    size_t tee_readers = r->tee_readers;
    ret->older = r->iterators;
    ret->input = iterator_open(r, o->node->parents[parent], partition);
    ret->newest = r->iterators;
    ret->shares = r->tee_readers != tee_readers;
    return ret->input;
}

iterator *open_concat(const opening *o)
{
    concat_iterator *self = iterator_new(o->run, sizeof *self, concat_next, NULL);
    if (!self)
        return NULL;
    size_t count = 0;
    for (uint32_t k = 0; k < o->node->parent_count; k++)
        count += (size_t)opening_range(o, k).count;
    self->inputs = arena_zalloc(o->run->memory, (count + 1) * sizeof *self->inputs);
    if (!self->inputs) {
        run_fail_memory(o->run, "joining partitions");
        return NULL;
    }
    for (uint32_t k = 0; k < o->node->parent_count; k++) {
        partition_range range = opening_range(o, k);
        for (int64_t p = range.first; p < range.first + range.count; p++)
            if (!concat_open(o, k, p, &self->inputs[self->count++]))
                return NULL;
    }
    return &self->base;
}

/* ---- two inputs side by side ----------------------------------------------------------------- */

typedef struct side {
    iterator *input;
    const rdd_type *type;
    view pending;
    uint64_t seen;
} side;

typedef struct zip_iterator {
    iterator base;
    const plan_node *node;
    int64_t partition;
    side a, b;
    void *out;
    arena scratch; /* zip_columns: the joined cells */
} zip_iterator;

static int side_fill(side *s)
{
    if (s->pending.count)
        return ITERATOR_VIEW;
    int rc = iterator_next(s->input, &s->pending);
    if (rc != ITERATOR_VIEW)
        s->pending.count = 0;
    return rc;
}

/* How many elements both sides have, at most BATCH_MAX; both must end together. */
static int zip_fill(zip_iterator *self, size_t *ret_count)
{
    int a = side_fill(&self->a);
    int b = a == ITERATOR_FAILED ? a : side_fill(&self->b);
    if (a == ITERATOR_FAILED || b == ITERATOR_FAILED)
        return ITERATOR_FAILED;
    if (a != b)
        return run_fail(self->base.run, RDD_E_INPUT,
                        "%s: partition %lld has %llu elements on the %s and more on the other side; "
                        "zip wants as many on both%s",
                        self->node->label, (long long)self->partition,
                        (unsigned long long)(a == ITERATOR_END ? self->a.seen : self->b.seen),
                        a == ITERATOR_END ? "left" : "right",
                        self->node->partitions == 1
                            ? ""
                            : ": if they are as many in all, .partitions = 1 on both sources, or "
                              "rdd_coalesce to 1, puts all side by side");
    if (a == ITERATOR_END)
        return ITERATOR_END;
    *ret_count = size_min(BATCH_MAX, size_min(self->a.pending.count, self->b.pending.count));
    if (!self->out && !(self->out = batch_new(&self->base, self->node->type)))
        return ITERATOR_FAILED;
    return ITERATOR_VIEW;
}

static void side_take(side *s, size_t count)
{
    view_advance(&s->pending, s->type, count);
    s->seen += count;
}

static int zip_next(iterator *it, view *ret)
{
    zip_iterator *self = (zip_iterator *)it;
    size_t count;
    int rc = zip_fill(self, &count);
    if (rc != ITERATOR_VIEW)
        return rc;
    const rdd_type *pair = self->node->type;
    char *out = self->out;
    const char *a = self->a.pending.items, *b = self->b.pending.items;
    for (size_t i = 0; i < count; i++, out += pair->size) {
        memcpy(out + pair->fields[0].offset, a + i * self->a.type->size, self->a.type->size);
        memcpy(out + pair->fields[1].offset, b + i * self->b.type->size, self->b.type->size);
    }
    side_take(&self->a, count);
    side_take(&self->b, count);
    *ret = (view){ self->out, count };
    return ITERATOR_VIEW;
}

static int zip_columns_next(iterator *it, view *ret)
{
    zip_iterator *self = (zip_iterator *)it;
    size_t count;
    int rc = zip_fill(self, &count);
    if (rc != ITERATOR_VIEW)
        return rc;
    arena_reset(&self->scratch);
    const rdd_row *a = self->a.pending.items, *b = self->b.pending.items;
    rdd_row *out = self->out;
    size_t made = 0;
    for (; made < count && (self->scratch.used < BATCH_BYTES || !made); made++) {
        size_t cells_a = a[made].count, cells_b = b[made].count;
        rdd_cell *cells = arena_alloc(&self->scratch, (cells_a + cells_b) * sizeof *cells);
        if (!cells)
            return run_fail_memory(it->run, "joining columns");
        if (cells_a)
            memcpy(cells, a[made].items, cells_a * sizeof *cells);
        if (cells_b)
            memcpy(cells + cells_a, b[made].items, cells_b * sizeof *cells);
        out[made] = (rdd_row){ cells_a + cells_b, cells };
    }
    side_take(&self->a, made);
    side_take(&self->b, made);
    *ret = (view){ out, made };
    return ITERATOR_VIEW;
}

static void zip_close(iterator *it)
{
    arena_release(&((zip_iterator *)it)->scratch);
}

static iterator *open_sides(const opening *o, int (*next)(iterator *, view *))
{
    zip_iterator *self = iterator_new(o->run, sizeof *self, next, zip_close);
    if (!self)
        return NULL;
    self->node = o->node;
    self->partition = o->partition;
    self->a.type = o->run->plan->nodes[o->node->parents[0]].type;
    self->b.type = o->run->plan->nodes[o->node->parents[1]].type;
    self->scratch.poison = o->run->plan->lifetime_debug;
    if (!(self->a.input = open_parent(o, 0)) || !(self->b.input = open_parent(o, 1)))
        return NULL;
    return &self->base;
}

iterator *open_zip(const opening *o)
{
    return open_sides(o, zip_next);
}

iterator *open_zip_columns(const opening *o)
{
    return open_sides(o, zip_columns_next);
}

/* ---- cartesian ------------------------------------------------------------------------------- */

/* The right partition is gathered once, within the task's budget; the left one streams. */
typedef struct cartesian_iterator {
    iterator base;
    const plan_node *node;
    side a, b;
    bool gathered;
    char *right; /* heap: right_count elements */
    size_t right_count, right_capacity;
    size_t right_at; /* what the first left element is to be paired with next */
    arena memory;    /* the right side's strings */
    char *out;
} cartesian_iterator;

static int gather_right(cartesian_iterator *self)
{
    run *r = self->base.run;
    size_t size = self->b.type->size;
    view v;
    int rc;
    while ((rc = iterator_next(self->b.input, &v)) == ITERATOR_VIEW) {
        if (self->right_count + v.count > self->right_capacity) {
            size_t capacity = size_max(self->right_capacity * 2, self->right_count + v.count);
            char *right = realloc(self->right, capacity * size);
            if (!right)
                return run_fail_memory(r, "cartesian");
            memset(right + self->right_capacity * size, 0, (capacity - self->right_capacity) * size);
            self->right = right;
            self->right_capacity = capacity;
        }
        int code = values_copy(self->b.type, v.items, v.count,
                               self->right + self->right_count * size, &self->memory);
        self->right_count += v.count;
        if (code < 0)
            return run_fail_memory(r, "cartesian");
        if (self->right_count * size + self->memory.used > r->plan->budget)
            return run_fail(r, RDD_E_LIMIT,
                            "%s: a partition of the right side does not fit in task.budget (%zu "
                            "bytes); give it more partitions or raise --conf task.budget",
                            self->node->label, r->plan->budget);
    }
    self->gathered = true;
    return rc;
}

static int cartesian_next(iterator *it, view *ret)
{
    cartesian_iterator *self = (cartesian_iterator *)it;
    if (!self->gathered && gather_right(self) == ITERATOR_FAILED)
        return ITERATOR_FAILED;
    if (!self->right_count)
        return ITERATOR_END;
    int rc = side_fill(&self->a);
    if (rc != ITERATOR_VIEW)
        return rc;
    if (run_cancelled(it->run)) /* many views of one left element */
        return ITERATOR_FAILED;
    if (!self->out && !(self->out = batch_new(it, self->node->type)))
        return ITERATOR_FAILED;
    const rdd_type *pair = self->node->type;
    size_t count = size_min(BATCH_MAX, self->right_count - self->right_at);
    const char *right = self->right + self->right_at * self->b.type->size;
    char *out = self->out;
    for (size_t i = 0; i < count; i++, out += pair->size, right += self->b.type->size) {
        memcpy(out + pair->fields[0].offset, self->a.pending.items, self->a.type->size);
        memcpy(out + pair->fields[1].offset, right, self->b.type->size);
    }
    self->right_at += count;
    *ret = (view){ self->out, count };
    if (self->right_at == self->right_count) {
        self->right_at = 0;
        side_take(&self->a, 1); /* moves on, but pulls nothing before the next call */
    }
    return ITERATOR_VIEW;
}

static void cartesian_close(iterator *it)
{
    cartesian_iterator *self = (cartesian_iterator *)it;
    free(self->right);
    arena_release(&self->memory);
}

iterator *open_cartesian(const opening *o)
{
    cartesian_iterator *self = iterator_new(o->run, sizeof *self, cartesian_next, cartesian_close);
    if (!self)
        return NULL;
    self->node = o->node;
    self->a.type = o->run->plan->nodes[o->node->parents[0]].type;
    self->b.type = o->run->plan->nodes[o->node->parents[1]].type;
    if (!(self->a.input = open_parent(o, 0)) || !(self->b.input = open_parent(o, 1)))
        return NULL;
    return &self->base;
}
