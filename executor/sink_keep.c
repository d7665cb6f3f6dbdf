/* sink_keep.c: actions that keep some elements of a partition: top and take_ordered, take_sample,
 * count_by_value. */
#include "block.h"
#include "heap.h"
#include "random.h"
#include "sink.h"
#include "type.h"

static const rdd_type *item_type(const run *r)
{
    return r->plan->nodes[r->plan->node_count - 1].type;
}

/* heap_offer() knows no setting: here its limit gets the name of one. */
static int keep_failed(run *r, const rdd_error *err)
{
    if (err->code != RDD_E_LIMIT)
        return run_fail_with(r, err);
    return run_fail(r, RDD_E_LIMIT,
                    "%s: the elements to keep need more than driver.result_max (%zu bytes); ask for "
                    "fewer, or raise --conf driver.result_max",
                    action_name(r->plan->act.kind), r->plan->result_max);
}

/* ---- top, take_ordered ---------------------------------------------------------------------- */

typedef int (*order_code)(rdd_task *, const void *, const void *, const void *);

typedef struct user_order {
    op_task *task;
    const void *env;
} user_order;

static int compare_items(const heap_order *order, const void *a, const void *b)
{
    const user_order *user = order->arg;
    int c = user->task->op
                ? ((order_code)user->task->op->code)(&user->task->base, user->env, a, b)
                : value_compare(order->type, a, b);
    return order->reverse ? (c < 0) - (c > 0) : c;
}

int sink_top(run *r, iterator *chain, buf *out)
{
    const rdd_type *t = item_type(r);
    CLEANUP(arena_release) arena scratch = { 0 };
    op_task task;
    op_task_init(&task, r, NULL, r->plan->act.op, &scratch, &scratch);
    user_order user = { .task = &task, .env = r->plan->act_env };
    heap_order order = { compare_items, t, r->plan->act.flag, &user };
    CLEANUP(heap_release) heap kept = { .order = &order,
                                        .limit = (size_t)r->plan->act.n,
                                        .size_max = r->plan->result_max };
    rdd_error err;
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW) {
        for (size_t i = 0; i < v.count; i++, task.seen++) {
            const char *item = (const char *)v.items + i * t->size;
            if (heap_offer(&kept, item, &err) < 0)
                return keep_failed(r, &err);
            if (task.base.rdd_stop_ && !op_task_resume(&task, t, item, 0))
                return ITERATOR_FAILED;
        }
        arena_reset(&scratch);
    }
    const void *items;
    size_t count;
    heap_sorted(&kept, &items, &count);
    return rc == ITERATOR_END ? sink_result(r, t, items, count, out) : rc;
}

/* ---- take_sample ---------------------------------------------------------------------------- */

/* Every element draws a key; the n least keys of all partitions are the sample. The result is a
 * block of (key, element) pairs, ordered by key. */
static int compare_keys(const heap_order *order UNUSED, const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/* Made at run time, so that one heap serves every type. */
rdd_type *sink_keyed_type(arena *a, const rdd_type *t)
{
    rdd_field *fields = arena_zalloc(a, 2 * sizeof *fields);
    rdd_type *pair = arena_zalloc(a, sizeof *pair);
    if (!fields || !pair)
        return NULL;
    size_t align = size_max(t->align, 8);
    fields[0] = (rdd_field){ "key", RDD_TYPE(uint64_t), 0 };
    fields[1] = (rdd_field){ "value", t, size_align(8, t->align) };
    *pair = (rdd_type){ .name = "keyed",
                        .kind = RDD_KIND_STRUCT,
                        .size = (uint32_t)size_align(fields[1].offset + t->size, align),
                        .align = (uint32_t)align,
                        .field_count = 2,
                        .fields = fields };
    return pair;
}

int sink_sample(run *r, iterator *chain, buf *out)
{
    const rdd_type *t = item_type(r);
    rdd_type *pair = sink_keyed_type(r->memory, t);
    char *item = pair ? arena_zalloc(r->memory, pair->size) : NULL;
    if (!item)
        return run_fail_memory(r, "sampling");
    heap_order order = { compare_keys, pair, false, NULL };
    CLEANUP(heap_release) heap kept = { .order = &order,
                                        .limit = (size_t)r->plan->act.n,
                                        .size_max = r->plan->result_max };
    random_state random = random_seeded(r->plan->act.seed, r->id.partition);
    rdd_error err;
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW)
        for (size_t i = 0; i < v.count; i++) {
            uint64_t key = random_next(&random);
            memcpy(item, &key, sizeof key);
            memcpy(item + pair->fields[1].offset, (const char *)v.items + i * t->size, t->size);
            if (heap_offer(&kept, item, &err) < 0)
                return keep_failed(r, &err);
        }
    const void *items;
    size_t count;
    heap_sorted(&kept, &items, &count);
    return rc == ITERATOR_END ? sink_result(r, pair, items, count, out) : rc;
}

/* ---- count_by_value ------------------------------------------------------------------------- */

/* Open addressing over (value, count) pairs; values deep-copied at their first appearance. */
typedef struct value_table {
    const rdd_type *pair, *type;
    char *pairs;       /* in the order of first appearance */
    size_t count, capacity;
    uint32_t *slots;   /* index + 1, or 0 */
    uint64_t *hashes;  /* of the pairs */
    size_t slot_count; /* a power of two */
    arena memory;
} value_table;

static void value_table_release(value_table *t)
{
    free(t->pairs);
    free(t->slots);
    free(t->hashes);
    arena_release(&t->memory);
}

static bool value_table_grow(value_table *t)
{
    size_t capacity = size_max(t->capacity * 2, 256);
    if (capacity > UINT32_MAX / 2)
        return false;
    char *pairs = realloc(t->pairs, capacity * t->pair->size);
    if (pairs)
        t->pairs = pairs;
    uint64_t *hashes = realloc(t->hashes, capacity * sizeof *hashes);
    if (hashes)
        t->hashes = hashes;
    uint32_t *slots = calloc(capacity * 2, sizeof *slots);
    if (!pairs || !hashes || !slots) {
        free(slots);
        return false;
    }
    memset(t->pairs + t->capacity * t->pair->size, 0, (capacity - t->capacity) * t->pair->size);
    free(t->slots);
    t->slots = slots;
    t->slot_count = capacity * 2;
    t->capacity = capacity;
    for (size_t i = 0; i < t->count; i++) {
        size_t at = t->hashes[i] & (t->slot_count - 1);
        while (t->slots[at])
            at = (at + 1) & (t->slot_count - 1);
        t->slots[at] = (uint32_t)i + 1;
    }
    return true;
}

static bool value_table_count(value_table *t, const void *value)
{
    if (t->count == t->capacity && !value_table_grow(t))
        return false;
    const rdd_field *key = &t->pair->fields[0], *number = &t->pair->fields[1];
    uint64_t hash = value_hash(t->type, value, 0);
    size_t at = hash & (t->slot_count - 1);
    for (; t->slots[at]; at = (at + 1) & (t->slot_count - 1)) {
        size_t i = t->slots[at] - 1;
        char *pair = t->pairs + i * t->pair->size;
        if (t->hashes[i] == hash && value_compare(t->type, pair + key->offset, value) == 0) {
            int64_t count;
            memcpy(&count, pair + number->offset, sizeof count);
            count++;
            memcpy(pair + number->offset, &count, sizeof count);
            return true;
        }
    }
    char *pair = t->pairs + t->count * t->pair->size;
    int64_t one = 1;
    if (values_copy(t->type, value, 1, pair + key->offset, &t->memory) < 0)
        return false;
    memcpy(pair + number->offset, &one, sizeof one);
    t->hashes[t->count] = hash;
    t->slots[at] = (uint32_t)++t->count;
    return true;
}

int sink_count_values(run *r, iterator *chain, buf *out)
{
    const rdd_type *t = item_type(r);
    CLEANUP(value_table_release) value_table table = { .pair = r->plan->act.type, .type = t };
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW)
        for (size_t i = 0; i < v.count; i++) {
            if (!value_table_count(&table, (const char *)v.items + i * t->size))
                return run_fail_memory(r, "counting values");
            if (table.count * table.pair->size + table.memory.used > r->plan->result_max)
                return run_fail(r, RDD_E_LIMIT,
                                "count_by_value: more different values than driver.result_max (%zu "
                                "bytes) holds; raise --conf driver.result_max",
                                r->plan->result_max);
        }
    return rc == ITERATOR_END ? sink_result(r, table.pair, table.pairs, table.count, out) : rc;
}
