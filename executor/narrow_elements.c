/* narrow_elements.c: one element after the other: map, filter, flat_map and their keyed forms, keys
 * and values, numbering, sampling.
 *
 * The user's loop is in the batch function that the operator macros make (rdd.h); here is what is
 * around it: room for the output, restart after a batch that filled up with strings, and which record
 * failed.
 */
#include "emitter.h"
#include "iterator.h"
#include "pace.h"
#include "random.h"
#include "type.h"

#include <math.h>

/* ---- map, filter, flat_map, key_by, map_values, flat_map_values ----------------------------- */

typedef size_t (*map_code)(rdd_task *, const void *, const void *, size_t, void *);
typedef size_t (*filter_code)(rdd_task *, const void *, const void *, size_t, void *, size_t *);
typedef size_t (*flat_map_code)(rdd_task *, const void *, const void *, size_t, rdd_emitter *);
typedef size_t (*foreach_code)(rdd_task *, const void *, const void *, size_t);

typedef struct elements_iterator elements_iterator;
struct elements_iterator {
    iterator base;
    uint32_t index;
    const plan_node *node;
    const rdd_type *in_type;
    iterator *input;
    view pending;        /* input that was not taken yet */
    pace pace;
    bool flat;           /* what it gives has no pointers */
    void *out;           /* a batch of node->type */
    void *results;       /* of op->out, for keyed forms, before they are paired */
    void *values;        /* of op->in: the values of pairs, side by side */
    arena scratch;
    op_task task;
    rdd_emitter emitter; /* flat_map */
};

/* Each takes some of `in`, at least one element, and gives how many; *ret is what came out. */
typedef size_t (*elements_step)(elements_iterator *self, view in, view *ret);

static size_t step_map(elements_iterator *self, view in, view *ret)
{
    size_t taken = ((map_code)self->node->op->code)(&self->task.base, self->node->env, in.items,
                                                    in.count, self->out);
    *ret = (view){ self->out, taken };
    return taken;
}

static size_t step_filter(elements_iterator *self, view in, view *ret)
{
    size_t kept = 0;
    size_t taken = ((filter_code)self->node->op->code)(&self->task.base, self->node->env, in.items,
                                                       in.count, self->out, &kept);
    *ret = (view){ self->out, kept };
    return taken;
}

static size_t step_flat_map(elements_iterator *self, view in, view *ret)
{
    size_t taken = ((flat_map_code)self->node->op->code)(&self->task.base, self->node->env, in.items,
                                                         in.count, &self->emitter);
    *ret = emitter_view(&self->emitter);
    return taken;
}

/* Copies one field of each of `count` structs. The common sizes have their own loop. */
static void copy_column(void *to, size_t to_stride, const void *from, size_t from_stride, size_t size,
                        size_t count)
{
    char *t = to;
    const char *f = from;
    if (size == 8) {
        for (size_t i = 0; i < count; i++, t += to_stride, f += from_stride)
            memcpy(t, f, 8);
    } else if (size == 16) {
        for (size_t i = 0; i < count; i++, t += to_stride, f += from_stride)
            memcpy(t, f, 16);
    } else {
        for (size_t i = 0; i < count; i++, t += to_stride, f += from_stride)
            memcpy(t, f, size);
    }
}

static size_t step_key_by(elements_iterator *self, view in, view *ret)
{
    const rdd_type *pair = self->node->type;
    const rdd_field *key = &pair->fields[0], *value = &pair->fields[1];
    size_t taken = ((map_code)self->node->op->code)(&self->task.base, self->node->env, in.items,
                                                    in.count, self->results);
    char *out = self->out;
    copy_column(out + key->offset, pair->size, self->results, key->type->size, key->type->size, taken);
    copy_column(out + value->offset, pair->size, in.items, value->type->size, value->type->size,
                taken);
    *ret = (view){ out, taken };
    return taken;
}

/* The values of the next pairs, side by side, as the operator wants them. */
static void *gather_values(elements_iterator *self, view in)
{
    const rdd_field *value = &self->in_type->fields[1];
    copy_column(self->values, value->type->size, (const char *)in.items + value->offset,
                self->in_type->size, value->type->size, in.count);
    return self->values;
}

static size_t step_map_values(elements_iterator *self, view in, view *ret)
{
    const rdd_type *pair = self->node->type, *from = self->in_type;
    size_t taken = ((map_code)self->node->op->code)(&self->task.base, self->node->env,
                                                    gather_values(self, in), in.count, self->results);
    char *out = self->out;
    copy_column(out + pair->fields[0].offset, pair->size,
                (const char *)in.items + from->fields[0].offset, from->size,
                pair->fields[0].type->size, taken);
    copy_column(out + pair->fields[1].offset, pair->size, self->results, pair->fields[1].type->size,
                pair->fields[1].type->size, taken);
    *ret = (view){ out, taken };
    return taken;
}

/* One pair at a time: all that it emits gets its key. */
static size_t step_flat_map_values(elements_iterator *self, view in, view *ret)
{
    const rdd_type *pair = self->node->type;
    const char *item = in.items;
    ((flat_map_code)self->node->op->code)(&self->task.base, self->node->env,
                                          item + self->in_type->fields[1].offset, 1, &self->emitter);
    view emitted = emitter_view(&self->emitter);
    char *out = self->out;
    if (emitted.count > BATCH_MAX) {
        out = arena_zalloc(&self->scratch, emitted.count * pair->size);
        if (!out) {
            run_fail_memory(self->base.run, "flat_map_values");
            return 1;
        }
    }
    copy_column(out + pair->fields[0].offset, pair->size, item + self->in_type->fields[0].offset, 0,
                pair->fields[0].type->size, emitted.count);
    copy_column(out + pair->fields[1].offset, pair->size, emitted.items, pair->fields[1].type->size,
                pair->fields[1].type->size, emitted.count);
    *ret = (view){ out, emitted.count };
    return 1;
}

static size_t step_foreach(elements_iterator *self, view in, view *ret)
{
    *ret = (view){ NULL, 0 };
    size_t taken =
        ((foreach_code)self->node->op->code)(&self->task.base, self->node->env, in.items, in.count);
    self->base.run->metrics.records += taken;
    return taken;
}

static elements_step step_of(node_kind kind)
{
    switch (kind) {
    case NODE_FOREACH: return step_foreach;
    case NODE_FILTER: return step_filter;
    case NODE_FLAT_MAP: return step_flat_map;
    case NODE_KEY_BY: return step_key_by;
    case NODE_MAP_VALUES: return step_map_values;
    case NODE_FLAT_MAP_VALUES: return step_flat_map_values;
    default: return step_map;
    }
}

static bool emits(node_kind kind)
{
    return kind == NODE_FLAT_MAP || kind == NODE_FLAT_MAP_VALUES;
}

/* Buffers are made at the first pull: a chain that is opened but not read costs nothing. */
static bool elements_begin(elements_iterator *self)
{
    iterator *it = &self->base;
    const plan_node *n = self->node;
    if (n->kind != NODE_FLAT_MAP && !(self->out = batch_new(it, n->type)))
        return false;
    if ((n->kind == NODE_KEY_BY || n->kind == NODE_MAP_VALUES) &&
        !(self->results = batch_new(it, n->op->out)))
        return false;
    if (n->kind == NODE_MAP_VALUES && !(self->values = batch_new(it, n->op->in)))
        return false;
    return !emits(n->kind) || emitter_init(&self->emitter, &self->task, n->op->out, BATCH_MAX);
}

static int elements_next(iterator *it, view *ret)
{
    elements_iterator *self = (elements_iterator *)it;
    if (UNLIKELY(!self->out && !self->emitter.task && !elements_begin(self)))
        return ITERATOR_FAILED;
    elements_step step = step_of(self->node->kind);
    for (;;) {
        if (!self->pending.count) {
            int rc = iterator_next(self->input, &self->pending);
            if (rc != ITERATOR_VIEW) {
                self->pending.count = 0;
                return rc;
            }
        }
        if (run_cancelled(it->run)) /* one view may be a whole partition */
            return ITERATOR_FAILED;
        run_mark(it->run, self->index);
        arena_reset(&self->scratch);
        view in = { self->pending.items, pace_begin(&self->pace, self->pending.count) };
        view out;
        size_t taken = step(self, in, &out);
        pace_end(&self->pace, taken);
        if (!self->flat && out.count)
            op_task_check_frame(&self->task, self->node->type, out.items);
        if (UNLIKELY(self->task.base.rdd_stop_ || it->run->code)) {
            const char *last = (const char *)in.items + (taken ? taken - 1 : 0) * self->in_type->size;
            if (!op_task_resume(&self->task, self->in_type, last, taken ? taken - 1 : 0))
                return ITERATOR_FAILED;
        }
        self->task.seen += taken;
        view_advance(&self->pending, self->in_type, taken);
        if (out.count) {
            *ret = out;
            return ITERATOR_VIEW;
        }
    }
}

static void elements_close(iterator *it)
{
    elements_iterator *self = (elements_iterator *)it;
    arena_release(&self->scratch);
    emitter_release(&self->emitter);
}

iterator *open_elements(const opening *o)
{
    elements_iterator *self = iterator_new(o->run, sizeof *self, elements_next, elements_close);
    if (!self || !(self->input = open_parent(o, 0)))
        return NULL;
    self->index = o->index;
    self->node = o->node;
    self->in_type = o->run->plan->nodes[o->node->parents[0]].type;
    self->flat = type_is_flat(o->node->type);
    op_task_init(&self->task, o->run, o->node, o->node->op, &self->scratch, &self->scratch);
    self->task.partition = o->partition;
    return &self->base;
}

/* ---- simple ones: a view in, a view out of as many elements --------------------------------- */

typedef struct simple_iterator {
    iterator base;
    const plan_node *node;
    const rdd_type *in_type;
    iterator *input;
    view pending;
    char *out;
    int64_t partition, next_number;
    random_state random;
    size_t copies_left; /* of the pending element, for sampling with replacement */
} simple_iterator;

/* Input to work on, at most BATCH_MAX elements, and a batch to put the output in. */
static int simple_input(simple_iterator *self, view *ret)
{
    if (!self->pending.count) {
        int rc = iterator_next(self->input, &self->pending);
        if (rc != ITERATOR_VIEW) {
            self->pending.count = 0;
            return rc;
        }
    }
    if (!self->out && !(self->out = batch_new(&self->base, self->node->type)))
        return ITERATOR_FAILED;
    *ret = (view){ self->pending.items, size_min(self->pending.count, BATCH_MAX) };
    return ITERATOR_VIEW;
}

static simple_iterator *simple_open(const opening *o, int (*next)(iterator *, view *))
{
    simple_iterator *self = iterator_new(o->run, sizeof *self, next, NULL);
    if (!self || !(self->input = open_parent(o, 0)))
        return NULL;
    self->node = o->node;
    self->in_type = o->run->plan->nodes[o->node->parents[0]].type;
    self->partition = o->partition;
    return self;
}

static int halves_next(iterator *it, view *ret)
{
    simple_iterator *self = (simple_iterator *)it;
    view in;
    int rc = simple_input(self, &in);
    if (rc != ITERATOR_VIEW)
        return rc;
    const rdd_field *half = &self->in_type->fields[self->node->kind == NODE_KEYS ? 0 : 1];
    copy_column(self->out, half->type->size, (const char *)in.items + half->offset,
                self->in_type->size, half->type->size, in.count);
    view_advance(&self->pending, self->in_type, in.count);
    *ret = (view){ self->out, in.count };
    return ITERATOR_VIEW;
}

iterator *open_halves(const opening *o)
{
    simple_iterator *self = simple_open(o, halves_next);
    return self ? &self->base : NULL;
}

static int numbered_next(iterator *it, view *ret)
{
    simple_iterator *self = (simple_iterator *)it;
    view in;
    int rc = simple_input(self, &in);
    if (rc != ITERATOR_VIEW)
        return rc;
    const rdd_type *pair = self->node->type;
    copy_column(self->out + pair->fields[0].offset, pair->size, in.items, self->in_type->size,
                self->in_type->size, in.count);
    int64_t step = self->node->kind == NODE_ZIP_INDEX ? 1 : self->node->partitions;
    for (size_t i = 0; i < in.count; i++, self->next_number += step)
        memcpy(self->out + i * pair->size + pair->fields[1].offset, &self->next_number,
               sizeof self->next_number);
    view_advance(&self->pending, self->in_type, in.count);
    *ret = (view){ self->out, in.count };
    return ITERATOR_VIEW;
}

iterator *open_numbered(const opening *o)
{
    simple_iterator *self = simple_open(o, numbered_next);
    if (!self)
        return NULL;
    self->next_number = o->partition;
    if (o->node->kind == NODE_ZIP_INDEX) {
        rdd_str bytes = run_payload(o->run, o->index, o->partition);
        reader r = reader_over(bytes.data, bytes.size);
        self->next_number = (int64_t)reader_u64(&r);
        if (r.failed) {
            run_fail(o->run, RDD_E_PROTOCOL, "%s: the first index of partition %lld did not come",
                     o->node->label, (long long)o->partition);
            return NULL;
        }
    }
    return &self->base;
}

/* ---- sample -------------------------------------------------------------------------------- */

/* How many times a Poisson(mean) draw takes an element: Knuth's product of uniforms, in pieces so
 * that exp(-mean) does not underflow. */
static size_t poisson(random_state *random, double mean)
{
    size_t count = 0;
    while (mean > 0) {
        double piece = fmin(mean, 500), limit = exp(-piece), product = random_unit(random);
        mean -= piece;
        while (product > limit) {
            count++;
            product *= random_unit(random);
        }
    }
    return count;
}

static int sample_next(iterator *it, view *ret)
{
    simple_iterator *self = (simple_iterator *)it;
    const node_params *p = &self->node->params;
    size_t size = self->in_type->size, kept = 0;
    view in;
    for (;;) {
        int rc = simple_input(self, &in);
        if (rc != ITERATOR_VIEW)
            return rc;
        const char *items = in.items;
        size_t i = 0;
        for (; i < in.count && kept < BATCH_MAX; i++) {
            size_t copies;
            if (!p->with_replacement) {
                double u = random_unit(&self->random);
                copies = u >= p->low && u < p->high;
            } else {
                copies = self->copies_left ? self->copies_left : poisson(&self->random, p->high);
                self->copies_left = 0;
            }
            for (; copies && kept < BATCH_MAX; copies--)
                memcpy(self->out + kept++ * size, items + i * size, size);
            if (copies) { /* the batch is full in the middle of an element */
                self->copies_left = copies;
                break;
            }
        }
        view_advance(&self->pending, self->in_type, i);
        if (kept) {
            *ret = (view){ self->out, kept };
            return ITERATOR_VIEW;
        }
    }
}

iterator *open_sample(const opening *o)
{
    simple_iterator *self = simple_open(o, sample_next);
    if (!self)
        return NULL;
    self->random = random_seeded(o->node->params.seed, (uint64_t)o->partition);
    return &self->base;
}
