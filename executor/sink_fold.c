/* sink_fold.c: reduce, fold, aggregate within a partition.
 *
 * The user's loop works on an accumulator in place. What an accumulator points to (strings of
 * elements, memory of rdd_alloc) lives only as long as the batch, so between batches an accumulator
 * with pointers is copied into one of two arenas in turn.
 */
#include "block.h"
#include "pace.h"
#include "sink.h"
#include "type.h"

typedef size_t (*fold_code)(rdd_task *, const void *, void *, const void *, size_t);

typedef struct folding {
    run *run;
    op_task task;
    const rdd_type *type; /* of the accumulator */
    void *acc;
    pace pace;
    bool flat;
    arena scratch, kept[2];
    int turn;
} folding;

static void folding_release(folding *f)
{
    arena_release(&f->scratch);
    arena_release(&f->kept[0]);
    arena_release(&f->kept[1]);
}

/* Makes the accumulator independent of the batch that is about to go. */
static int keep_accumulator(folding *f)
{
    if (f->flat) {
        arena_reset(&f->scratch);
        return 0;
    }
    arena *into = &f->kept[f->turn ^= 1];
    arena_reset(into);
    if (values_copy(f->type, f->acc, 1, f->acc, into) < 0)
        return run_fail_memory(f->run, "keeping an accumulator");
    arena_reset(&f->scratch);
    if (into->used + f->type->size > f->run->plan->result_max)
        return run_fail(f->run, RDD_E_LIMIT,
                        "an accumulator of more than driver.result_max (%zu bytes); raise --conf "
                        "driver.result_max",
                        f->run->plan->result_max);
    return 0;
}

static int fold_view(folding *f, const rdd_type *in_type, view v)
{
    fold_code code = (fold_code)f->task.op->code;
    while (v.count) {
        if (run_cancelled(f->run)) /* one view may be a whole partition */
            return -1;
        size_t taken = code(&f->task.base, f->run->plan->act_env, f->acc, v.items,
                            pace_begin(&f->pace, v.count));
        pace_end(&f->pace, taken);
        const char *last = (const char *)v.items + (taken ? taken - 1 : 0) * in_type->size;
        if (f->task.base.rdd_stop_ && !op_task_resume(&f->task, in_type, last, taken ? taken - 1 : 0))
            return -1;
        f->task.seen += taken;
        view_advance(&v, in_type, taken);
        if (keep_accumulator(f) < 0)
            return -1;
    }
    return 0;
}

static int fold_begin(folding *f, run *r)
{
    const action *a = &r->plan->act;
    f->run = r;
    f->type = a->kind == ACTION_AGGREGATE ? a->op->out : a->op->in;
    f->flat = type_is_flat(f->type);
    op_task_init(&f->task, r, NULL, a->op, &f->scratch, &f->scratch);
    f->kept[0].poison = f->kept[1].poison = r->plan->lifetime_debug;
    f->acc = arena_zalloc(r->memory, f->type->size);
    if (!f->acc)
        return run_fail_memory(r, "making an accumulator");
    if (!a->zero.size)
        return 0;
    char *copy = arena_copy(r->memory, a->zero.data, a->zero.size);
    const void *zero;
    size_t count, size;
    rdd_error err;
    if (!copy)
        return run_fail_memory(r, "making an accumulator");
    if (block_decode(f->type, copy, a->zero.size, &zero, &count, &size, &err) < 0)
        return run_fail_with(r, &err);
    if (count != 1)
        return run_fail(r, RDD_E_PROTOCOL, "a zero that is not one value");
    memcpy(f->acc, zero, f->type->size);
    return 0;
}

int sink_fold(run *r, iterator *chain, buf *out)
{
    const rdd_type *in_type = r->plan->nodes[r->plan->node_count - 1].type;
    CLEANUP(folding_release) folding f = { .turn = 0 };
    if (fold_begin(&f, r) < 0)
        return ITERATOR_FAILED;
    bool has = r->plan->act.kind != ACTION_REDUCE;
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW) {
        if (!has) { /* the first element is the beginning */
            memcpy(f.acc, v.items, in_type->size);
            has = true;
            view_advance(&v, in_type, 1);
            f.task.seen++;
            if (!v.count && keep_accumulator(&f) < 0)
                return ITERATOR_FAILED;
        }
        if (fold_view(&f, in_type, v) < 0)
            return ITERATOR_FAILED;
    }
    return rc == ITERATOR_END ? sink_result(r, f.type, f.acc, has, out) : rc;
}
