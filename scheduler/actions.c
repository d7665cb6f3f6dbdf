/* actions.c: what all actions need. */
#include "actions.h"

#include "block.h"
#include "transformations.h"
#include "type.h"

#include <stdio.h>

int action_fail(rdd_context *ctx, rdd_code code, const char *call, const char *site,
                const char *format, ...)
{
    char reason[900];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    lineage_error(ctx, code, call, site, "%s", reason);
    return code;
}

bool action_begin(rdd *r, const rdd_type *type, const char *call, const char *site)
{
    if (!context_there(r, call, site))
        return false;
    if (!type || type_equal(r->type, type))
        return true;
    CLEANUP(buf_release) buf a = { 0 };
    CLEANUP(buf_release) buf b = { 0 };
    CLEANUP(buf_release) buf c = { 0 };
    type_describe(type, &a);
    node_label(r, &b);
    type_describe(r->type, &c);
    const char *asked = buf_terminate(&a), *label = buf_terminate(&b), *has = buf_terminate(&c);
    if (asked && label && has)
        action_fail(r->ctx, RDD_E_TYPE, call, site, "asks for %s, but %s gives %s", asked, label, has);
    return false;
}

int action_run(rdd *r, const action *act, const rdd_options *options, job_results *ret)
{
    rdd_error err;
    job_options job = { .name = options->name, .site = options->site_, .count = -1 };
    int code = job_run(r, act, &job, ret, &err);
    return code < 0 ? context_fail(r->ctx, &err) : 0;
}

/* ---- results -------------------------------------------------------------------------------- */

/* Decodes the blocks of one part, one after the other; `take` gets the elements of each. */
static int part_decode(const rdd_type *t, job_part *part, buf *items, const void **ret_last,
                       size_t *ret_blocks, rdd_error *err)
{
    char *at = part->heap;
    size_t left = part->heap ? part->size : 0;
    while (left) {
        const void *block_items;
        size_t count, size;
        int code = block_decode(t, at, left, &block_items, &count, &size, err);
        if (code < 0)
            return code;
        if (items)
            buf_append(items, block_items, count * t->size);
        *ret_last = block_items;
        ++*ret_blocks;
        at += size;
        left -= size;
    }
    return 0;
}

/* How many elements and blocks there are, from the headers. */
static int parts_peek(const job_results *parts, size_t *ret_count, size_t *ret_blocks, rdd_error *err)
{
    *ret_count = *ret_blocks = 0;
    for (size_t i = 0; i < parts->count; i++) {
        const char *at = parts->parts[i].heap;
        size_t left = at ? parts->parts[i].size : 0;
        while (left) {
            size_t count, size;
            int code = block_peek(at, left, &count, &size, err);
            if (code < 0)
                return code;
            *ret_count += count;
            ++*ret_blocks;
            at += size;
            left -= size;
        }
    }
    return 0;
}

int parts_decode(const rdd_type *t, job_results *parts, void **ret_items, const void **ret_view,
                 size_t *ret_count, rdd_error *err)
{
    size_t count, blocks, seen = 0;
    int code = parts_peek(parts, &count, &blocks, err);
    if (code < 0)
        return code;
    CLEANUP(buf_release) buf items = { 0 };
    if (blocks > 1 && !buf_reserve(&items, count * t->size))
        return error_set_memory(err, "collecting results");
    const void *last = NULL;
    for (size_t i = 0; i < parts->count && code == 0; i++)
        code = part_decode(t, &parts->parts[i], blocks > 1 ? &items : NULL, &last, &seen, err);
    if (code < 0)
        return code;
    if (items.failed)
        return error_set_memory(err, "collecting results");
    *ret_view = blocks > 1 ? items.data : last;
    *ret_items = blocks > 1 ? buf_take(&items, NULL) : NULL;
    *ret_count = count;
    return 0;
}

int keep_value(rdd_context *ctx, const rdd_type *t, const void *value, void *ret)
{
    rdd_error err;
    arena strings = { 0 };
    int code = 0;
    if (type_is_flat(t))
        memcpy(ret, value, t->size);
    else if ((code = values_copy(t, value, 1, ret, &strings)) == 0)
        code = context_keep(ctx, NULL, NULL, NULL, &strings);
    if (code == 0)
        return 0;
    arena_release(&strings);
    memset(ret, 0, t->size);
    error_set_memory(&err, "keeping a result");
    return context_fail(ctx, &err);
}

/* ---- operators on the driver ---------------------------------------------------------------- */

void driver_call_init(driver_call *c, const rdd_op *op, const void *env)
{
    memset(c, 0, sizeof *c);
    c->run.plan = &c->plan;
    c->run.memory = &c->memory;
    c->run.state = &c->state;
    c->run.cancelled = &c->cancelled;
    c->env = env;
    op_task_init(&c->task, &c->run, NULL, op, &c->scratch, &c->scratch);
}

void driver_call_count(const driver_call *c, rdd_context *ctx)
{
    for (const counter *n = c->run.counters; n; n = n->next)
        context_count(ctx, n->name, n->name_size, n->value);
}

void driver_call_release(driver_call *c)
{
    arena_release(&c->memory);
    arena_release(&c->scratch);
}
