/* narrow_partitions.c: operators over a whole partition: map_partitions, zip_partitions, glom.
 *
 * The user's function pulls and emits as it likes, so it runs on a fiber: it is suspended when its
 * batch is full, or before its input moves on, and goes on when the consumer wants more. Its input is
 * pulled outside of the fiber, whose stack is for the user alone. A chain that is closed early (take)
 * drops the fiber where it stands.
 */
#include "emitter.h"
#include "fiber.h"
#include "iterator.h"
#include "runner_parts.h"
#include "type.h"

typedef void (*map_partitions_code)(rdd_task *, const void *, rdd_puller *, rdd_emitter *);
typedef void (*zip_partitions_code)(rdd_task *, const void *, rdd_puller *, rdd_puller *,
                                    rdd_emitter *);

typedef struct partition_iterator {
    iterator base;
    uint32_t index;
    const plan_node *node;
    op_task task;
    rdd_emitter emitter;
    rdd_puller pullers[2];
    rdd_puller *wanting; /* suspended for more of this input; its answer is in `pulled` */
    int pulled;
    fiber *fiber;  /* suspended; NULL before the first and after the last batch */
    bool begun;
    arena scratch, lasting;
} partition_iterator;

static void flush_to_consumer(rdd_emitter *e UNUSED)
{
    fiber_suspend();
}

static int pull_outside(rdd_puller *p)
{
    partition_iterator *self = p->emitter->owner;
    self->wanting = p;
    fiber_suspend();
    return self->pulled;
}

static void partition_body(void *arg)
{
    partition_iterator *self = arg;
    const rdd_op *op = self->node->op;
    if (op->kind == RDD_OP_MAP_PARTITIONS)
        ((map_partitions_code)op->code)(&self->task.base, self->node->env, &self->pullers[0],
                                        &self->emitter);
    else
        ((zip_partitions_code)op->code)(&self->task.base, self->node->env, &self->pullers[0],
                                        &self->pullers[1], &self->emitter);
}

/* Runs the operator until it has output, or ends. */
static bool partition_resume(partition_iterator *self)
{
    rdd_error err;
    if (!self->begun) {
        self->begun = true;
        if (!emitter_init(&self->emitter, &self->task, self->node->op->out, BATCH_MAX))
            return false;
        self->emitter.flush = flush_to_consumer;
        self->emitter.owner = self;
        fiber_pool *pool = runner_fibers(self->base.run->runner, &err);
        self->fiber = pool ? fiber_new(pool, partition_body, self, &err) : NULL;
        if (!self->fiber)
            return run_fail_with(self->base.run, &err) == 0;
    }
    if (!fiber_resume(self->fiber))
        self->fiber = NULL;
    for (rdd_puller *p; (p = self->wanting);) {
        self->wanting = NULL;
        self->pulled = iterator_next(p->chain, &p->rest);
        run_mark(self->base.run, self->index);
        if (!fiber_resume(self->fiber))
            self->fiber = NULL;
    }
    return true;
}

static int partition_next(iterator *it, view *ret)
{
    partition_iterator *self = (partition_iterator *)it;
    if (self->begun && !self->fiber)
        return it->run->code ? ITERATOR_FAILED : ITERATOR_END;
    if (run_cancelled(it->run))
        return ITERATOR_FAILED;
    run_mark(it->run, self->index);
    if (!partition_resume(self))
        return ITERATOR_FAILED;
    if (!op_task_resume(&self->task, self->pullers[0].type, self->task.failed_item,
                        self->task.failed_index))
        return ITERATOR_FAILED;
    *ret = emitter_view(&self->emitter);
    return ret->count ? ITERATOR_VIEW : ITERATOR_END;
}

static void partition_close(iterator *it)
{
    partition_iterator *self = (partition_iterator *)it;
    fiber_drop(self->fiber);
    self->fiber = NULL;
    emitter_release(&self->emitter);
    arena_release(&self->scratch);
    arena_release(&self->lasting);
}

static iterator *open_partition_operator(const opening *o)
{
    run *r = o->run;
    partition_iterator *self = iterator_new(r, sizeof *self, partition_next, partition_close);
    if (!self)
        return NULL;
    self->index = o->index;
    self->node = o->node;
    op_task_init(&self->task, r, o->node, o->node->op, &self->scratch, &self->lasting);
    self->task.partition = o->partition;
    self->task.puller = &self->pullers[0];
    self->task.puller_count = o->node->parent_count;
    for (uint32_t k = 0; k < o->node->parent_count; k++) {
        iterator *chain = open_parent(o, k);
        if (!chain)
            return NULL;
        self->pullers[k] = (rdd_puller){ .task = &self->task,
                                         .type = r->plan->nodes[o->node->parents[k]].type,
                                         .chain = chain,
                                         .emitter = &self->emitter,
                                         .pull = pull_outside };
    }
    return &self->base;
}

iterator *open_map_partitions(const opening *o)
{
    return open_partition_operator(o);
}

iterator *open_zip_partitions(const opening *o)
{
    return open_partition_operator(o);
}

/* ---- glom ----------------------------------------------------------------------------------- */

typedef struct glom_iterator {
    iterator base;
    const plan_node *node;
    const rdd_type *type; /* of the items */
    iterator *chain;
    bool done;
    char *items; /* heap */
    size_t count, capacity;
    arena memory;
    struct {     /* as RDD_LIST lays it out */
        size_t count;
        const void *items;
    } list;
} glom_iterator;

static int glom_add(glom_iterator *self, view v)
{
    run *r = self->base.run;
    size_t size = self->type->size;
    if (self->count + v.count > self->capacity) {
        size_t capacity = size_max(self->capacity * 2, self->count + v.count);
        char *items = realloc(self->items, capacity * size);
        if (!items)
            return run_fail_memory(r, "glom");
        memset(items + self->capacity * size, 0, (capacity - self->capacity) * size);
        self->items = items;
        self->capacity = capacity;
    }
    if (values_copy(self->type, v.items, v.count, self->items + self->count * size, &self->memory) < 0)
        return run_fail_memory(r, "glom");
    self->count += v.count;
    if (self->count * size + self->memory.used > r->plan->budget)
        return run_fail(r, RDD_E_LIMIT,
                        "%s: a partition does not fit in task.budget (%zu bytes); use more partitions "
                        "or raise --conf task.budget",
                        self->node->label, r->plan->budget);
    return 0;
}

static int glom_next(iterator *it, view *ret)
{
    glom_iterator *self = (glom_iterator *)it;
    if (self->done)
        return ITERATOR_END;
    self->done = true;
    view v;
    int rc;
    while ((rc = iterator_next(self->chain, &v)) == ITERATOR_VIEW)
        if (glom_add(self, v) < 0)
            return ITERATOR_FAILED;
    if (rc != ITERATOR_END)
        return rc;
    self->list.count = self->count;
    self->list.items = self->items;
    *ret = (view){ &self->list, 1 };
    return ITERATOR_VIEW;
}

static void glom_close(iterator *it)
{
    glom_iterator *self = (glom_iterator *)it;
    free(self->items);
    arena_release(&self->memory);
}

iterator *open_glom(const opening *o)
{
    glom_iterator *self = iterator_new(o->run, sizeof *self, glom_next, glom_close);
    if (!self || !(self->chain = open_parent(o, 0)))
        return NULL;
    self->node = o->node;
    self->type = o->node->type->item;
    return &self->base;
}
