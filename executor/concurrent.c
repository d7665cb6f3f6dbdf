/* concurrent.c: an element operator with several records in flight (.concurrency), for operators that
 * call HTTP.
 *
 * Each record runs on a fiber of its own. Results leave in input order: records wait in a window, a
 * queue of cells, of which the first may be slow while others behind it are done and new ones begin.
 * The window is bounded by bytes, but never closes below 16 times the concurrency, and there is no
 * barrier at a batch, so that one slow record does not drain it.
 */
#include "emitter.h"
#include "http.h"
#include "iterator.h"
#include "runner_parts.h"
#include "type.h"

enum { WINDOW_FACTOR = 16, WINDOW_BYTES = 64 << 20, CHUNK_SIZE = 4096,
       KEPT_BYTES = 64 << 10 }; /* of a record's memory, for the next one */

typedef size_t (*map_code)(rdd_task *, const void *, const void *, size_t, void *);
typedef size_t (*filter_code)(rdd_task *, const void *, const void *, size_t, void *, size_t *);
typedef size_t (*flat_map_code)(rdd_task *, const void *, const void *, size_t, rdd_emitter *);
typedef size_t (*foreach_code)(rdd_task *, const void *, const void *, size_t);

typedef struct concurrent_iterator concurrent_iterator;

/* One record. Its memory lives until the element made of it was consumed. */
typedef struct cell {
    struct cell *next;  /* towards the end of the window, or of the free list */
    concurrent_iterator *owner;
    op_task task;
    rdd_emitter emitter;
    arena memory;
    uint64_t index;     /* of the record in the partition */
    bool done;
    size_t size;        /* what it holds, about */
    size_t count;       /* of what it gave: 0 or 1 but for flat maps */
    char *in, *out;     /* one element each */
} cell;

struct concurrent_iterator {
    iterator base;
    uint32_t index;
    int64_t partition;
    const plan_node *node;
    const rdd_type *in_type;
    bool flat; /* what the operator makes has no pointers */
    iterator *chain;
    view pending;
    bool ended;
    http_engine *engine;
    cell *first, *last; /* the window, in input order */
    cell *spent;        /* consumed cells whose elements the last view shows */
    cell *idle;
    size_t window_count, window_size;
    size_t in_flight;
    uint64_t pulled;
    char *out;          /* heap: the last view */
    size_t out_count, out_capacity;
};

static bool emits(node_kind kind)
{
    return kind == NODE_FLAT_MAP || kind == NODE_FLAT_MAP_VALUES;
}

static bool over_values(node_kind kind)
{
    return kind == NODE_MAP_VALUES || kind == NODE_FLAT_MAP_VALUES;
}

/* ---- cells ---------------------------------------------------------------------------------- */

static cell *cell_new(concurrent_iterator *self)
{
    cell *c = self->idle;
    if (c) {
        self->idle = c->next;
        if (c->memory.used > KEPT_BYTES)
            arena_release(&c->memory);
        else
            arena_reset(&c->memory);
        if (c->emitter.task && c->emitter.capacity * c->emitter.type->size > KEPT_BYTES) {
            emitter_release(&c->emitter);
            c->emitter = (rdd_emitter){ .task = NULL };
        }
    } else {
        size_t in_size = size_align(self->in_type->size, 16);
        const rdd_type *out_type = self->node->op->out ? self->node->op->out : self->in_type;
        c = calloc(1, size_align(sizeof *c, 16) + in_size + size_align(out_type->size, 16));
        if (!c)
            return NULL;
        c->in = (char *)c + size_align(sizeof *c, 16);
        c->out = c->in + in_size;
        c->owner = self;
    }
    c->next = NULL;
    c->done = false;
    c->count = 0;
    c->size = 0;
    return c;
}

static void cell_free(cell *c)
{
    emitter_release(&c->emitter);
    arena_release(&c->memory);
    free(c);
}

static void cells_free(cell *c)
{
    for (cell *next; c; c = next) {
        next = c->next;
        cell_free(c);
    }
}

/* Brings the window's size up to date with what a record holds by now. */
static void cell_weigh(cell *c)
{
    size_t emitted = c->emitter.task ? c->emitter.capacity * c->emitter.type->size : 0;
    size_t size = sizeof *c + CHUNK_SIZE + c->memory.used + emitted;
    c->owner->window_size += size - c->size;
    c->size = size;
}

/* On the cell's fiber. */
static void cell_body(void *arg)
{
    cell *c = arg;
    concurrent_iterator *self = c->owner;
    const rdd_op *op = self->node->op;
    const void *env = self->node->env;
    const char *in = c->in;
    if (over_values(self->node->kind))
        in += self->in_type->fields[1].offset;
    c->count = 1;
    if (op->kind == RDD_OP_MAP) {
        ((map_code)op->code)(&c->task.base, env, in, 1, c->out);
    } else if (op->kind == RDD_OP_FILTER) {
        ((filter_code)op->code)(&c->task.base, env, in, 1, c->out, &c->count);
    } else if (op->kind == RDD_OP_FOREACH) {
        ((foreach_code)op->code)(&c->task.base, env, in, 1);
        self->base.run->metrics.records++;
        c->count = 0;
    } else {
        ((flat_map_code)op->code)(&c->task.base, env, in, 1, &c->emitter);
        c->count = c->emitter.count;
    }
    if (c->count && !self->flat)
        op_task_check_frame(&c->task, op->out, emits(self->node->kind) ? c->emitter.items : c->out);
    c->done = true;
    self->in_flight--;
    cell_weigh(c);
}

/* Puts a copy of the next record into the window and begins with it. */
static int cell_start(concurrent_iterator *self)
{
    run *r = self->base.run;
    rdd_error err;
    cell *c = cell_new(self);
    if (!c || values_copy(self->in_type, self->pending.items, 1, c->in, &c->memory) < 0) {
        if (c)
            cell_free(c);
        return run_fail_memory(r, "beginning with a record");
    }
    view_advance(&self->pending, self->in_type, 1);
    op_task_init(&c->task, r, self->node, self->node->op, &c->memory, &c->memory);
    if (emits(self->node->kind) && !c->emitter.task &&
        !emitter_init(&c->emitter, &c->task, self->node->op->out, EMITTER_FEW)) {
        cell_free(c);
        return ITERATOR_FAILED;
    }
    c->task.partition = self->partition;
    c->index = self->pulled++;
    if (self->last)
        self->last->next = c;
    else
        self->first = c;
    self->last = c;
    self->window_count++;
    self->in_flight++;
    cell_weigh(c);
    run_mark(r, self->index);
    if (http_engine_start(self->engine, cell_body, c, &err) < 0) {
        c->done = true;
        self->in_flight--;
        return run_fail_with(r, &err);
    }
    return 0;
}

/* ---- the window ----------------------------------------------------------------------------- */

static bool window_open(const concurrent_iterator *self)
{
    size_t concurrency = self->node->params.concurrency;
    return self->in_flight < concurrency &&
           (self->window_count < WINDOW_FACTOR * concurrency || self->window_size < WINDOW_BYTES);
}

/* Begins as many records as may be in flight. */
static int window_fill(concurrent_iterator *self)
{
    while (!self->ended && window_open(self)) {
        if (!self->pending.count) {
            int rc = iterator_next(self->chain, &self->pending);
            if (rc == ITERATOR_VIEW)
                continue;
            self->pending.count = 0;
            self->ended = true;
            if (rc == ITERATOR_FAILED)
                return rc;
            break;
        }
        if (cell_start(self) < 0)
            return ITERATOR_FAILED;
    }
    return 0;
}

/* The room for `more` elements at the end of the view being made. */
static char *out_room(concurrent_iterator *self, size_t more)
{
    size_t size = self->node->type->size;
    if (self->out_count + more > self->out_capacity) {
        size_t capacity = size_max(BATCH_MAX, 2 * (self->out_count + more));
        char *out = realloc(self->out, capacity * size);
        if (!out)
            return NULL;
        memset(out + self->out_capacity * size, 0, (capacity - self->out_capacity) * size);
        self->out = out;
        self->out_capacity = capacity;
    }
    return self->out + self->out_count * size;
}

static void put_field(char *out, const rdd_type *pair, int field, const char *value)
{
    memcpy(out + pair->fields[field].offset, value, pair->fields[field].type->size);
}

/* Appends what a finished record gave. */
static int cell_collect(concurrent_iterator *self, cell *c)
{
    const rdd_type *t = self->node->type;
    if (!c->count)
        return 0;
    char *out = out_room(self, c->count);
    if (!out)
        return run_fail_memory(self->base.run, "collecting results");
    const char *results = emits(self->node->kind) ? c->emitter.items : c->out;
    size_t result_size = self->node->op->out ? self->node->op->out->size : self->in_type->size;
    for (size_t i = 0; i < c->count; i++, out += t->size, results += result_size) {
        switch (self->node->kind) {
        case NODE_KEY_BY:
            put_field(out, t, 0, results);
            put_field(out, t, 1, c->in);
            break;
        case NODE_MAP_VALUES:
        case NODE_FLAT_MAP_VALUES:
            put_field(out, t, 0, c->in + self->in_type->fields[0].offset);
            put_field(out, t, 1, results);
            break;
        default: memcpy(out, results, t->size);
        }
    }
    self->out_count += c->count;
    return 0;
}

/* Takes finished records off the front of the window, in order, into the view being made. */
static int window_collect(concurrent_iterator *self)
{
    while (self->first && self->first->done && self->out_count < BATCH_MAX) {
        cell *c = self->first;
        if (!op_task_resume(&c->task, self->in_type, c->in, (size_t)c->index))
            return ITERATOR_FAILED;
        if (cell_collect(self, c) < 0)
            return ITERATOR_FAILED;
        self->first = c->next;
        if (!self->first)
            self->last = NULL;
        self->window_count--;
        self->window_size -= c->size;
        c->next = self->spent;
        self->spent = c;
    }
    return 0;
}

static int concurrent_next(iterator *it, view *ret)
{
    concurrent_iterator *self = (concurrent_iterator *)it;
    rdd_error err;
    if (!self->engine && !(self->engine = runner_http(it->run->runner, &err)))
        return run_fail_with(it->run, &err);
    for (cell *next; self->spent; self->spent = next) {
        next = self->spent->next;
        self->spent->next = self->idle;
        self->idle = self->spent;
    }
    self->out_count = 0;
    for (;;) {
        if (it->run->code || run_cancelled(it->run) || window_fill(self) < 0 ||
            window_collect(self) < 0)
            return ITERATOR_FAILED;
        if (self->out_count) {
            if (window_fill(self) < 0) /* new calls are under way while the consumer works */
                return ITERATOR_FAILED;
            *ret = (view){ self->out, self->out_count };
            return ITERATOR_VIEW;
        }
        if (!self->first && self->ended)
            return it->run->code ? ITERATOR_FAILED : ITERATOR_END;
        if (self->first && !self->first->done)
            http_engine_wait(self->engine);
    }
}

/* Records that are still in flight are told that it is over, and run to their end. */
static void concurrent_close(iterator *it)
{
    concurrent_iterator *self = (concurrent_iterator *)it;
    if (self->in_flight) {
        http_engine_cancel(self->engine);
        while (self->in_flight)
            http_engine_wait(self->engine);
        http_engine_resume(self->engine);
    }
    cells_free(self->first);
    cells_free(self->spent);
    cells_free(self->idle);
    free(self->out);
}

iterator *open_concurrent(const opening *o)
{
    concurrent_iterator *self = iterator_new(o->run, sizeof *self, concurrent_next, concurrent_close);
    if (!self || !(self->chain = open_parent(o, 0)))
        return NULL;
    self->index = o->index;
    self->partition = o->partition;
    self->node = o->node;
    self->in_type = o->run->plan->nodes[o->node->parents[0]].type;
    self->flat = !o->node->op->out || type_is_flat(o->node->op->out);
    return &self->base;
}
