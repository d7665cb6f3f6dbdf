#include "run.h"

#include "emitter.h"
#include "fiber.h"
#include "json.h"
#include "type.h"

#include <stdarg.h>
#include <stdio.h>

int run_fail_with(run *r, const rdd_error *err)
{
    if (!r->code && !r->closing) {
        r->error = *err;
        r->code = err->code ? err->code : RDD_E_IO;
    }
    return -1;
}

int run_fail(run *r, rdd_code code, const char *format, ...)
{
    if (r->code || r->closing)
        return -1;
    char message[sizeof r->error.message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_set(&r->error, code, "%s", message);
    r->code = code;
    return -1;
}

int run_fail_memory(run *r, const char *what)
{
    rdd_error err = { .code = RDD_OK };
    error_set_memory(&err, what);
    return run_fail_with(r, &err);
}

bool run_cancelled(run *r)
{
    if (LIKELY(!atomic_load_explicit(r->cancelled, memory_order_relaxed) &&
               !atomic_load_explicit(&r->plan->cancelled, memory_order_relaxed)))
        return false;
    run_fail(r, RDD_E_CANCELLED, "the task was cancelled");
    return true;
}

rdd_str run_payload(const run *r, uint32_t node, int64_t partition)
{
    for (size_t i = 0; i < r->payload_count; i++)
        if (r->payloads[i].node == node && r->payloads[i].partition == partition)
            return r->payloads[i].bytes;
    return (rdd_str){ 0, NULL };
}

void run_count_up(run *r, const char *name, size_t name_size, int64_t by)
{
    if (r->closing) /* how far such a record came depends on when it was stopped */
        return;
    for (counter *c = r->counters; c; c = c->next)
        if (c->name_size == name_size && memcmp(c->name, name, name_size) == 0) {
            c->value += by;
            return;
        }
    counter *c = arena_alloc(r->memory, sizeof *c + name_size);
    if (!c) {
        run_fail_memory(r, "counting");
        return;
    }
    *c = (counter){ .next = r->counters, .value = by, .name_size = name_size };
    memcpy(c->name, name, name_size);
    r->counters = c;
}

/* ---- operators ---------------------------------------------------------------------------- */

static bool is_emitting(const rdd_op *op)
{
    return op && (op->kind == RDD_OP_FLAT_MAP || op->kind == RDD_OP_MAP_PARTITIONS ||
                  op->kind == RDD_OP_ZIP_PARTITIONS);
}

void op_task_init(op_task *t, run *r, const plan_node *node, const rdd_op *op, arena *scratch,
                  arena *lasting)
{
    *t = (op_task){ .run = r,
                    .node = node,
                    .op = op,
                    .scratch = scratch,
                    .lasting = lasting,
                    .partition = r->id.partition,
                    .budget = is_emitting(op) ? r->plan->budget : SIZE_MAX,
                    .partition_op = scratch != lasting };
    scratch->poison = r->plan->lifetime_debug;
}

bool op_task_resume(op_task *t, const rdd_type *type, const void *item, size_t index)
{
    t->base.rdd_stop_ = 0;
    if (t->run->code)
        return false;
    if (!t->failed)
        return true;
    CLEANUP(buf_release) buf record = { 0 };
    if (item)
        json_show(type, item, 300, &record);
    const char *text = item ? buf_terminate(&record) : NULL;
    char where[64] = "";
    if (item)
        snprintf(where, sizeof where, "; record %llu of partition %lld",
                 (unsigned long long)(t->seen + index), (long long)t->partition);
    else if (t->run->runner) /* no record is to blame; on the driver there is no partition either */
        snprintf(where, sizeof where, "; in partition %lld", (long long)t->partition);
    run_fail(t->run, t->code, "operator %s (%s:%d): %s%s%s%s", t->op->name, t->op->file, t->op->line,
             t->reason ? t->reason : "failed", text ? "; the record is " : "", text ? text : "", where);
    return false;
}

/* ---- the task API ------------------------------------------------------------------------- */

static op_task *of(rdd_task *task)
{
    return (op_task *)(void *)task;
}

/* One line, whatever the record held. */
static void fail_with(op_task *t, rdd_code code, const char *format, va_list args)
{
    char reason[512];
    if (t->failed)
        return;
    vsnprintf(reason, sizeof reason, format, args);
    for (char *c = reason; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    t->failed = true;
    t->code = code;
    t->base.rdd_stop_ = 1;
    if (t->puller) /* now: later the operator may have moved on, or its frame be gone */
        t->failed_item = puller_last(t->puller, &t->failed_index);
    t->reason = arena_strdup(t->run->memory, reason);
}

void op_task_fail(op_task *t, rdd_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_with(t, code, format, args);
    va_end(args);
}

void rdd_fail(rdd_task *task, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fail_with(of(task), RDD_E_USER, format, args);
    va_end(args);
}

void op_task_check_frame(op_task *t, const rdd_type *type, const void *first)
{
    const void *here = __builtin_frame_address(0); /* frames that were called before this one are below */
    if (UNLIKELY(value_lies_in(type, first, fiber_stack_end(), here)))
        op_task_fail(t, RDD_E_USAGE,
                     "what it gives lies in a local array, which is gone when it returns: use rdd_format(), "
                     "or memory of rdd_alloc()");
}

/* What earlier records of the batch hold, BATCH_BYTES at most, is not this one's. */
void op_task_filled(op_task *t)
{
    size_t held = t->scratch->used + (t->partition_op ? t->lasting->used + t->kept : 0);
    if (!t->partition_op)
        t->base.rdd_stop_ = 1;
    for (size_t i = 0; i < t->puller_count && t->scratch->used > BATCH_BYTES; i++)
        puller_cut(&t->puller[i]); /* the next rdd_next() gives text back */
    if (LIKELY(held - BATCH_BYTES <= t->budget) || t->scratch->max)
        return;
    t->scratch->max = t->lasting->max = held + t->budget; /* for those that do not expect a NULL */
    if (t->partition_op)
        op_task_fail(t, RDD_E_LIMIT,
                     "it holds more than task.budget (%zu bytes): text that it made since it last called "
                     "rdd_next(), and all that rdd_alloc() and rdd_keep() gave it; raise --conf task.budget",
                     t->budget);
    else
        op_task_fail(t, RDD_E_LIMIT,
                     "what it makes for one record is more than task.budget (%zu bytes) holds; give it "
                     "smaller records, or raise --conf task.budget",
                     t->budget);
}

static void *alloc_from(op_task *t, arena *a, size_t size)
{
    void *block = arena_alloc(a, size);
    if (UNLIKELY(!block))
        op_task_fail(t, RDD_E_MEMORY, "out of memory");
    else
        op_task_grown(t, a);
    return block;
}

static void *text_from(op_task *t, size_t size)
{
    return op_task_spent(t) ? NULL : alloc_from(t, t->scratch, size);
}

void *rdd_alloc(rdd_task *task, size_t size)
{
    op_task *t = of(task);
    return alloc_from(t, t->lasting, size);
}

rdd_str rdd_keep(rdd_task *task, rdd_str s)
{
    op_task *t = of(task);
    if (!s.data)
        return s;
    char *copy = op_task_spent(t) ? NULL : arena_copy(t->run->memory, s.data, s.size);
    if (!copy) {
        op_task_fail(t, RDD_E_MEMORY, "out of memory");
        return (rdd_str){ 0, "" };
    }
    t->kept += s.size;
    if (UNLIKELY(t->partition_op && t->kept > BATCH_BYTES))
        op_task_filled(t);
    return (rdd_str){ s.size, copy };
}

rdd_str rdd_str_concat(rdd_task *task, rdd_str a, rdd_str b)
{
    op_task *t = of(task);
    size_t size;
    char *text = __builtin_add_overflow(a.size, b.size, &size) ? NULL
                                                               : text_from(t, size + 1);
    if (!text) {
        op_task_fail(t, RDD_E_MEMORY, "out of memory");
        return (rdd_str){ 0, "" };
    }
    if (a.size)
        memcpy(text, a.data, a.size);
    if (b.size)
        memcpy(text + a.size, b.data, b.size);
    text[size] = 0;
    return (rdd_str){ size, text };
}

rdd_str rdd_format(rdd_task *task, const char *format, ...)
{
    op_task *t = of(task);
    char most[256];
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(most, sizeof most, format, args);
    va_end(args);
    char *text = size < 0 ? NULL : text_from(t, (size_t)size + 1);
    if (text && (size_t)size < sizeof most)
        memcpy(text, most, (size_t)size + 1);
    else if (text)
        vsnprintf(text, (size_t)size + 1, format, again);
    else
        op_task_fail(t, RDD_E_MEMORY, "the text cannot be formatted");
    va_end(again);
    return text ? (rdd_str){ (size_t)size, text } : (rdd_str){ 0, "" };
}

int64_t rdd_partition_index(rdd_task *task)
{
    return of(task)->partition;
}

int rdd_attempt(rdd_task *task)
{
    return (int)of(task)->run->id.attempt;
}

bool rdd_cancelled(rdd_task *task)
{
    const run *r = of(task)->run;
    return atomic_load_explicit(r->cancelled, memory_order_relaxed) ||
           atomic_load_explicit(&r->plan->cancelled, memory_order_relaxed);
}

void rdd_count_up(rdd_task *task, const char *name, int64_t by)
{
    run_count_up(of(task)->run, name, strlen(name), by);
}

/* ---- rows --------------------------------------------------------------------------------- */

rdd_str rdd_row_get(rdd_row row, const char *name)
{
    size_t size = strlen(name);
    for (size_t i = 0; i < row.count; i++)
        if (row.items[i].name.size == size && memcmp(row.items[i].name.data, name, size) == 0)
            return row.items[i].text;
    return (rdd_str){ 0, NULL };
}

static rdd_cell *cells_of(op_task *t, size_t count)
{
    size_t size;
    if (__builtin_mul_overflow(count, sizeof(rdd_cell), &size))
        return NULL;
    return text_from(t, size);
}

rdd_row rdd_row_set(rdd_task *task, rdd_row row, rdd_str name, rdd_str text)
{
    rdd_cell *cells = cells_of(of(task), row.count + 1);
    if (!cells)
        return row;
    size_t at = 0;
    while (at < row.count && !rdd_str_equal(row.items[at].name, name))
        at++;
    if (row.count)
        memcpy(cells, row.items, row.count * sizeof *cells);
    cells[at] = (rdd_cell){ name, text };
    return (rdd_row){ at < row.count ? row.count : row.count + 1, cells };
}

rdd_row rdd_row_concat(rdd_task *task, rdd_row a, rdd_row b)
{
    rdd_cell *cells = cells_of(of(task), a.count + b.count);
    if (!cells)
        return a;
    if (a.count)
        memcpy(cells, a.items, a.count * sizeof *cells);
    if (b.count)
        memcpy(cells + a.count, b.items, b.count * sizeof *cells);
    return (rdd_row){ a.count + b.count, cells };
}

bool(rdd_try_json)(rdd_task *task, const rdd_type *type, rdd_str json, void *ret, rdd_str *ret_reason)
{
    op_task *t = of(task);
    rdd_error err;
    int code = op_task_spent(t) ? error_set(&err, RDD_E_LIMIT, "the task has failed")
                                : json_parse(type, json, t->scratch, ret, &err);
    if (code == 0)
        op_task_grown(t, t->scratch);
    if (code == RDD_E_MEMORY)
        op_task_fail(t, code, "%s", err.message);
    if (code < 0 && ret_reason)
        *ret_reason = rdd_format(task, "%s", err.message);
    return code == 0;
}

bool(rdd_from_json)(rdd_task *task, const rdd_type *type, rdd_str json, void *ret)
{
    rdd_str reason;
    if ((rdd_try_json)(task, type, json, ret, &reason))
        return true;
    rdd_fail(task, "%.*s", (int)size_min(reason.size, 400), reason.data);
    memset(ret, 0, type->size);
    return false;
}

bool rdd_row_try_json(rdd_task *task, rdd_str json, rdd_row *ret, rdd_str *ret_reason)
{
    return (rdd_try_json)(task, RDD_TYPE(rdd_row), json, ret, ret_reason);
}

rdd_row rdd_row_from_json(rdd_task *task, rdd_str json)
{
    rdd_row row = { 0, NULL };
    (rdd_from_json)(task, RDD_TYPE(rdd_row), json, &row);
    return row;
}

rdd_str(rdd_to_json)(rdd_task *task, const rdd_type *type, const void *value)
{
    op_task *t = of(task);
    CLEANUP(buf_release) buf text = { 0 };
    rdd_error err;
    if (json_print(type, value, &text, &err) < 0) {
        rdd_fail(task, "%s", err.message);
        return (rdd_str){ 0, "" };
    }
    char *copy = text_from(t, text.size + 1);
    if (!copy)
        return (rdd_str){ 0, "" };
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    return (rdd_str){ text.size, copy };
}
