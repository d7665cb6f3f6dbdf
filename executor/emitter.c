#include "emitter.h"

#include "sink.h"
#include "type.h"

static bool grow(rdd_emitter *e, size_t capacity)
{
    size_t size;
    if (__builtin_mul_overflow(capacity, (size_t)e->type->size, &size))
        return false;
    char *items = realloc(e->items, size);
    if (!items)
        return false;
    memset(items + e->capacity * e->type->size, 0, size - e->capacity * e->type->size);
    e->items = items;
    e->capacity = capacity;
    return true;
}

bool emitter_init(rdd_emitter *e, op_task *task, const rdd_type *type, size_t capacity)
{
    *e = (rdd_emitter){ .task = task, .type = type };
    if (grow(e, capacity))
        return true;
    run_fail_memory(task->run, "making room for what an operator emits");
    return false;
}

void emitter_release(rdd_emitter *e)
{
    free(e->items);
    e->items = NULL;
}

/* From the beginning: nothing is there yet, or nobody will look at it. */
static void *all_room(rdd_emitter *e, void **ret_end)
{
    e->count = 0;
    *ret_end = e->items + size_min(e->capacity, BATCH_MAX) * e->type->size;
    return e->items;
}

void *rdd_emit_begin_(rdd_emitter *e, void **ret_end)
{
    return all_room(e, ret_end);
}

void *rdd_emit_more_(rdd_emitter *e, void *next, void **ret_end)
{
    size_t used = (size_t)((char *)next - e->items);
    if (e->task->failed)
        return all_room(e, ret_end);
    if (e->flush) {
        e->count = used / e->type->size;
        e->flush(e);
        return all_room(e, ret_end);
    }
    size_t budget = e->task->run->plan->budget, text = e->task->scratch->used;
    if (used * 2 + text - size_min(text, BATCH_BYTES) > budget) {
        op_task_fail(e->task, RDD_E_LIMIT,
                     "one record emits more than task.budget (%zu bytes) holds; use a partition "
                     "operator, or raise --conf task.budget",
                     budget);
        return all_room(e, ret_end);
    }
    if (used == e->capacity * e->type->size && !grow(e, e->capacity * 2)) {
        op_task_fail(e->task, RDD_E_MEMORY, "out of memory for what it emits");
        return all_room(e, ret_end);
    }
    e->task->base.rdd_stop_ = 1; /* the batch ends with this element */
    *ret_end = e->items + e->capacity * e->type->size;
    return e->items + used;
}

void rdd_emit_end_(rdd_emitter *e, void *next)
{
    e->count = e->task->failed ? 0 : (size_t)((char *)next - e->items) / e->type->size;
}

void rdd_emit_attach_(rdd_emitter *e, void *cursor)
{
    e->cursor = cursor;
}

/* Hands over what was emitted so far, when the operator is about to move on. The cursor is the user's
 * typed struct, so it is read and written as bytes. */
static void flush_waiting(rdd_emitter *e)
{
    char *next;
    memcpy(&next, e->cursor, sizeof next);
    if (next == e->items || e->task->failed)
        return;
    e->count = (size_t)(next - e->items) / e->type->size;
    e->flush(e);
    next = e->items;
    memcpy(e->cursor, &next, sizeof next);
}

void rdd_pull_attach_(rdd_puller *p, void *cursor)
{
    p->cursor = cursor;
}

static int pull(rdd_puller *p)
{
    if (p->pull)
        return p->pull(p);
    return p->counted ? sink_next(p->task->run, p->chain, &p->rest)
                      : iterator_next(p->chain, &p->rest);
}

const void *rdd_pull_more_(rdd_puller *p, const void **ret_end)
{
    op_task *t = p->task;
    *ret_end = NULL;
    if (p->emitter && p->emitter->cursor)
        flush_waiting(p->emitter);
    if (t->failed || t->run->code || run_cancelled(t->run))
        return NULL;
    if (t->partition_op)
        arena_reset(t->scratch);
    if (p->current.count)
        pace_end(&p->pace, p->current.count);
    p->before += p->current.count;
    p->current = (view){ NULL, 0 };
    if (!p->rest.count && pull(p) != ITERATOR_VIEW) {
        p->rest = (view){ NULL, 0 };
        return NULL;
    }
    /* a view may be a whole partition; what the operator allocates for each element may not */
    p->current = (view){ p->rest.items, pace_begin(&p->pace, p->rest.count) };
    view_advance(&p->rest, p->type, p->current.count);
    *ret_end = p->rest.items;
    return p->current.items;
}

/* What the operator reads next; NULL: it has not begun. The cursor is the user's typed struct, so it is
 * read and written as bytes. */
static const char *next_of(const rdd_puller *p)
{
    const char *next = NULL;
    if (p->cursor)
        memcpy(&next, p->cursor, sizeof next);
    return next;
}

/* The view that the operator reads ends with the element it has; what is behind is for later. */
void puller_cut(rdd_puller *p)
{
    const char *next = next_of(p);
    if (!next || !p->current.count)
        return;
    size_t taken = (size_t)(next - (const char *)p->current.items) / p->type->size;
    p->rest = (view){ next, p->rest.count + p->current.count - taken };
    p->current.count = taken;
    memcpy((char *)p->cursor + sizeof next, &next, sizeof next);
}

const void *puller_last(const rdd_puller *p, uint64_t *ret_index)
{
    const char *next = next_of(p);
    if (!next || !p->current.count || next == p->current.items)
        return NULL;
    *ret_index = p->before + (size_t)(next - (const char *)p->current.items) / p->type->size - 1;
    return next - p->type->size;
}
