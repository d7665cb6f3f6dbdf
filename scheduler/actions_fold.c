/* actions_fold.c: reduce, fold, aggregate and their tree forms, on the driver's side: partial values
 * of the partitions, merged in partition order. */
#include "actions.h"

#include "block.h"
#include "transformations.h"
#include "type.h"

#include <math.h>

typedef size_t (*reduce_code)(rdd_task *, const void *, void *, const void *, size_t);

/* What is to be folded, by the actions' common form. */
typedef struct folding {
    const char *call;
    action_kind kind;
    const rdd_op *op;      /* takes elements */
    const void *env;
    const rdd_op *merge;   /* joins partial values */
    const void *merge_env;
    const rdd_type *type;  /* of the value */
    const void *zero;      /* or NULL: reduce */
    bool tree;
    int depth; /* of a tree; 0: the default */
} folding;

static int check_folding(rdd *r, const folding *f, const rdd_options *o, action *act)
{
    rdd_context *ctx = r->ctx;
    rdd_str unused;
    rdd_error err;
    if (!bind_operator(ctx, f->call, o->site_, f->op, f->env, &act->env) ||
        !bind_operator(ctx, f->call, o->site_, f->merge, f->merge_env, &unused))
        return RDD_E_USAGE;
    if (!action_begin(r, f->op->in, f->call, o->site_))
        return RDD_E_TYPE;
    const rdd_type *made = f->kind == ACTION_AGGREGATE ? f->op->out : f->op->in;
    if (!type_equal(made, f->type) || !type_equal(f->merge->in, f->type))
        return action_fail(ctx, RDD_E_TYPE, f->call, o->site_,
                           "the result is %s, but %s (%s:%d) makes %s and %s (%s:%d) merges %s",
                           f->type->name, f->op->name, f->op->file, f->op->line, made->name,
                           f->merge->name, f->merge->file, f->merge->line, f->merge->in->name);
    if (f->depth < 0 || f->depth > 64)
        return action_fail(ctx, RDD_E_USAGE, f->call, o->site_, ".depth = %d: give 1 to 64", f->depth);
    if (!f->zero)
        return 0;
    CLEANUP(buf_release) buf bytes = { 0 };
    if (block_encode(f->type, f->zero, 1, &bytes, &err) < 0)
        return context_fail(ctx, &err);
    act->zero = (rdd_str){ bytes.size, context_copy(ctx, bytes.data, bytes.size) };
    if (!act->zero.data) {
        error_set_memory(&err, "folding");
        return context_fail(ctx, &err);
    }
    return 0;
}

/* Joins values in their order into *acc. As in a task, an accumulator with pointers moves to the other
 * of two arenas whenever there is enough behind it to throw away. */
static int merge_into(driver_call *call, const folding *f, char *acc, const char *values, size_t count,
                      arena kept[2])
{
    const rdd_type *t = f->type;
    for (size_t at = 0, turn = 0; at < count;) {
        at += ((reduce_code)f->merge->code)(&call->task.base, f->merge_env, acc, values + at * t->size,
                                            count - at);
        if (!call->task.base.rdd_stop_)
            continue;
        if (!op_task_resume(&call->task, t, NULL, at - 1))
            break;
        arena *into = &kept[turn ^= 1];
        arena_reset(into);
        if (values_copy(t, acc, 1, acc, into) < 0)
            return run_fail_memory(&call->run, "merging values");
        arena_reset(&call->scratch);
    }
    return call->run.code;
}

/* The result is copied for the user. */
static int merge_values(rdd *r, const folding *f, const void *values, size_t count,
                        const rdd_options *o, void *ret)
{
    const rdd_type *t = f->type;
    size_t first = f->zero ? 0 : 1;
    if (count < first)
        return action_fail(r->ctx, RDD_E_INPUT, f->call, o->site_, "the RDD is empty");
    CLEANUP(freep) driver_call *call = malloc(sizeof *call);
    CLEANUP(freep) char *acc = calloc(1, t->size);
    rdd_error err;
    if (!call || !acc) {
        error_set_memory(&err, "merging values");
        return context_fail(r->ctx, &err);
    }
    arena kept[2] = { { .used = 0 }, { .used = 0 } };
    driver_call_init(call, f->merge, f->merge_env);
    memcpy(acc, first ? values : f->zero, t->size);
    const char *rest = count > first ? (const char *)values + first * t->size : NULL;
    int code = merge_into(call, f, acc, rest, count - first, kept);
    if (code < 0)
        code = context_fail(r->ctx, &call->run.error);
    else
        code = keep_value(r->ctx, t, acc, ret);
    if (code == 0)
        driver_call_count(call, r->ctx);
    driver_call_release(call);
    arena_release(&kept[0]);
    arena_release(&kept[1]);
    return code;
}

/* One more level on the executors: partial values become an RDD of fewer partitions. */
static int tree_level(rdd *r, const folding *f, const void *values, size_t count, int64_t partitions,
                      const rdd_options *o, job_results *ret)
{
    rdd_source_options options = { .site_ = o->site_, .name = "partial values",
                                   .partitions = partitions };
    rdd *level = (rdd_parallelize)(r->ctx, f->type, values, count, options);
    action act = { .kind = ACTION_REDUCE, .op = f->merge, .type = f->type };
    if (!level || !bind_operator(r->ctx, f->call, o->site_, f->merge, f->merge_env, &act.env))
        return RDD_E_USAGE;
    return action_run(level, &act, o, ret);
}

static int fold_job(rdd *r, const folding *f, const rdd_options *o, void *ret)
{
    if (!context_there(r, f->call, o->site_))
        return RDD_E_USAGE;
    action act = { .kind = f->kind, .op = f->op, .type = f->type };
    int code = check_folding(r, f, o, &act);
    CLEANUP(job_results_release) job_results parts = { 0 };
    if (code == 0)
        code = action_run(r, &act, o, &parts);
    if (code < 0)
        return code;
    rdd_error err;
    double depth = f->depth ? f->depth : 2;
    size_t scale = (size_t)fmax(2, ceil(pow((double)parts.count, 1 / depth)));
    for (;;) {
        CLEANUP(freep) void *items = NULL;
        const void *values;
        size_t count;
        if (parts_decode(f->type, &parts, &items, &values, &count, &err) < 0)
            return context_fail(r->ctx, &err);
        if (!f->tree || count <= scale + (count + scale - 1) / scale)
            return merge_values(r, f, values, count, o, ret);
        job_results next;
        code = tree_level(r, f, values, count, (int64_t)((count + scale - 1) / scale), o, &next);
        if (code < 0)
            return code;
        job_results_release(&parts);
        parts = next;
    }
}

int(rdd_reduce)(rdd *r, const rdd_type *type, void *ret, rdd_reduce_op op, rdd_options options)
{
    folding f = { .call = "rdd_reduce", .kind = ACTION_REDUCE, .op = op.op, .env = op.env,
                  .merge = op.op, .merge_env = op.env, .type = type };
    return fold_job(r, &f, &options, ret);
}

int(rdd_tree_reduce)(rdd *r, const rdd_type *type, void *ret, rdd_reduce_op op, rdd_tree_options options)
{
    folding f = { .call = "rdd_tree_reduce", .kind = ACTION_REDUCE, .op = op.op, .env = op.env,
                  .merge = op.op, .merge_env = op.env, .type = type, .tree = true,
                  .depth = options.depth };
    return fold_job(r, &f, &(rdd_options){ options.site_, options.name }, ret);
}

int(rdd_fold)(rdd *r, const rdd_type *type, void *ret, const void *zero, rdd_reduce_op op,
              rdd_options options)
{
    folding f = { .call = "rdd_fold", .kind = ACTION_FOLD, .op = op.op, .env = op.env,
                  .merge = op.op, .merge_env = op.env, .type = type, .zero = zero };
    return fold_job(r, &f, &options, ret);
}

int(rdd_aggregate)(rdd *r, const rdd_type *type, void *ret, const void *zero, rdd_aggregate_op take,
                   rdd_reduce_op merge, rdd_options options)
{
    folding f = { .call = "rdd_aggregate", .kind = ACTION_AGGREGATE, .op = take.op, .env = take.env,
                  .merge = merge.op, .merge_env = merge.env, .type = type, .zero = zero };
    return fold_job(r, &f, &options, ret);
}

int(rdd_tree_aggregate)(rdd *r, const rdd_type *type, void *ret, const void *zero, rdd_aggregate_op take,
                        rdd_reduce_op merge, rdd_tree_options options)
{
    folding f = { .call = "rdd_tree_aggregate", .kind = ACTION_AGGREGATE, .op = take.op, .env = take.env,
                  .merge = merge.op, .merge_env = merge.env, .type = type, .zero = zero, .tree = true,
                  .depth = options.depth };
    return fold_job(r, &f, &(rdd_options){ options.site_, options.name }, ret);
}
