#include "emitter.h"

#include "sink.h"
#include "type.h"

void emitter_init(rdd_emitter *e, op_task *task, const rdd_type *type)
{
    *e = (rdd_emitter){ .task = task, .type = type };
}

void emitter_release(rdd_emitter *e)
{
    free(e->items);
    e->items = NULL;
}

/* Where emitted elements go when there is no memory for them: the record has failed by then. */
static void *out_of_room(rdd_emitter *e, void **ret_end)
{
    static _Thread_local _Alignas(16) char scrap[4096];
    e->count = 0;
    if (e->type->size > sizeof scrap) {
        *ret_end = NULL;
        return NULL;
    }
    *ret_end = scrap + e->type->size;
    return scrap;
}

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

void *rdd_emit_begin_(rdd_emitter *e, void **ret_end)
{
    e->count = 0;
    if (!e->items && !grow(e, BATCH_MAX)) {
        rdd_fail(&e->task->base, "out of memory for what it emits");
        return out_of_room(e, ret_end);
    }
    *ret_end = e->items + size_min(e->capacity, BATCH_MAX) * e->type->size;
    return e->items;
}

void *rdd_emit_more_(rdd_emitter *e, void *next, void **ret_end)
{
    size_t used = e->items ? (size_t)((char *)next - e->items) : 0;
    if (e->task->failed)
        return out_of_room(e, ret_end);
    if (e->flush) {
        e->count = used / e->type->size;
        e->flush(e);
        *ret_end = e->items + size_min(e->capacity, BATCH_MAX) * e->type->size;
        return e->items;
    }
    size_t budget = e->task->run->plan->budget;
    if (used * 2 > budget) {
        rdd_fail(&e->task->base,
                 "one record emits more than task.budget (%zu bytes) holds; use a partition "
                 "operator, or raise --conf task.budget",
                 budget);
        return out_of_room(e, ret_end);
    }
    if (used == e->capacity * e->type->size && !grow(e, e->capacity * 2)) {
        rdd_fail(&e->task->base, "out of memory for what it emits");
        return out_of_room(e, ret_end);
    }
    e->task->base.rdd_stop_ = 1; /* the batch ends with this element */
    *ret_end = e->items + e->capacity * e->type->size;
    return e->items + used;
}

void rdd_emit_end_(rdd_emitter *e, void *next)
{
    if (e->task->failed)
        e->count = 0;
    else
        e->count = (size_t)((char *)next - e->items) / e->type->size;
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

const void *rdd_pull_more_(rdd_puller *p, const void **ret_end)
{
    op_task *t = p->task;
    *ret_end = NULL;
    if (p->emitter && p->emitter->cursor)
        flush_waiting(p->emitter);
    if (t->failed || t->run->code)
        return NULL;
    if (t->partition_op)
        arena_reset(t->scratch);
    p->before += p->current.count;
    p->current.count = 0;
    int rc = p->counted ? sink_next(t->run, p->chain, &p->current)
                        : iterator_next(p->chain, &p->current);
    if (rc != ITERATOR_VIEW) {
        p->current = (view){ NULL, 0 };
        return NULL;
    }
    *ret_end = (const char *)p->current.items + p->current.count * p->type->size;
    return p->current.items;
}

const void *puller_last(const rdd_puller *p, uint64_t *ret_index)
{
    const char *next = NULL;
    if (p->cursor)
        memcpy(&next, p->cursor, sizeof next);
    if (!next || !p->current.count || next == p->current.items)
        return NULL;
    *ret_index = p->before + (size_t)(next - (const char *)p->current.items) / p->type->size - 1;
    return next - p->type->size;
}
