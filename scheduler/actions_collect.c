/* actions_collect.c: actions that bring elements back: collect, take, first, is_empty, top,
 * take_ordered, min, max, take_sample, count_by_value. */
#include "actions.h"

#include "heap.h"
#include "random.h"
#include "sink.h"
#include "transformations.h"
#include "type.h"

#include <stdio.h>

/* Gives the user a decoded result and keeps what it needs. */
static const void *hand_over(rdd *r, const rdd_type *t, job_results *parts, size_t *ret_count)
{
    static const _Alignas(16) char NOTHING[16]; /* a result of no elements is not NULL */
    rdd_error err;
    void *items;
    const void *shown;
    size_t count;
    int code = parts_decode(t, parts, &items, &shown, &count, &err);
    if (code < 0) {
        job_results_release(parts);
        context_fail(r->ctx, &err);
        return NULL;
    }
    if (!count) {
        free(items);
        job_results_release(parts);
        return NOTHING;
    }
    bool flat = items && type_is_flat(t);
    if (flat)
        job_results_release(parts);
    if (context_keep(r->ctx, shown, items, parts, NULL) < 0) {
        error_set_memory(&err, "keeping a result");
        context_fail(r->ctx, &err);
        return NULL;
    }
    *ret_count = count;
    return shown;
}

/* action_begin() for a result whose count goes to *ret_count, 0 for now. */
static bool counted_begin(rdd *r, const rdd_type *type, size_t *ret_count, const char *call, const char *site)
{
    if (ret_count)
        *ret_count = 0;
    else if (r)
        action_fail(r->ctx, RDD_E_USAGE, call, site, "ret_count is NULL");
    return ret_count && action_begin(r, type, call, site);
}

const void *(rdd_collect)(rdd *r, const rdd_type *type, size_t *ret_count, rdd_options options)
{
    action act = { .kind = ACTION_COLLECT };
    job_results parts;
    if (!counted_begin(r, type, ret_count, "rdd_collect", options.site_) ||
        action_run(r, &act, &options, &parts) < 0)
        return NULL;
    return hand_over(r, r->type, &parts, ret_count);
}

/* The same for items that are heap, and what they point into; each may be NULL. Takes all over; `items`
 * NULL is a failure. */
static const void *keep_items(rdd *r, void *items, job_results *parts, arena *strings)
{
    rdd_error err;
    if (items && context_keep(r->ctx, items, items, parts, strings) == 0)
        return items;
    if (!items && parts)
        job_results_release(parts);
    if (!items && strings)
        arena_release(strings);
    error_set_memory(&err, "keeping a result");
    context_fail(r->ctx, &err);
    return NULL;
}

/* ---- take, first, is_empty ------------------------------------------------------------------ */

typedef struct taking {
    const rdd_type *type;
    buf items;
    arena strings;
    size_t count;
} taking;

static void taking_release(taking *t)
{
    buf_release(&t->items);
    arena_release(&t->strings);
}

/* Copies what a round brought, up to n elements in all. */
static int taking_add(taking *t, job_results *parts, size_t n, rdd_error *err)
{
    void *items;
    const void *shown;
    size_t count;
    int code = parts_decode(t->type, parts, &items, &shown, &count, err);
    if (code < 0)
        return code;
    count = size_min(count, n - t->count);
    void *room = count ? buf_reserve(&t->items, count * t->type->size) : NULL;
    if (room) {
        memset(room, 0, count * t->type->size);
        code = values_copy(t->type, shown, count, room, &t->strings);
        t->items.size += count * t->type->size;
        t->count += count;
    }
    free(items);
    return (count && !room) || code < 0 ? error_set_memory(err, "taking elements") : 0;
}

static int take_rounds(rdd *r, taking *t, size_t n, const rdd_options *options, rdd_error *err)
{
    int64_t from = 0, width = 1;
    while (t->count < n && from < r->partitions) {
        int64_t left = r->partitions - from;
        job_options job = { .name = options->name, .site = options->site_, .first = from,
                            .count = width < left ? width : left };
        action act = { .kind = ACTION_TAKE, .n = (int64_t)(n - t->count) };
        job_results parts;
        int code = job_run(r, &act, &job, &parts, err);
        if (code < 0)
            return code;
        code = taking_add(t, &parts, n, err);
        job_results_release(&parts);
        if (code < 0)
            return code;
        from += job.count;
        width = width > INT64_MAX / 4 ? width : width * 4;
    }
    return 0;
}

const void *(rdd_take)(rdd *r, const rdd_type *type, size_t n, size_t *ret_count,
                       rdd_options options)
{
    rdd_error err;
    if (!counted_begin(r, type, ret_count, "rdd_take", options.site_))
        return NULL;
    CLEANUP(taking_release) taking t = { .type = r->type };
    int code = take_rounds(r, &t, size_min(n, INT64_MAX), &options, &err);
    if (code < 0) {
        context_fail(r->ctx, &err);
        return NULL;
    }
    void *room = buf_reserve(&t.items, 1); /* no elements are a result too */
    const void *items = keep_items(r, room ? buf_take(&t.items, NULL) : NULL, NULL, &t.strings);
    *ret_count = items ? t.count : 0;
    return items;
}

int(rdd_first)(rdd *r, const rdd_type *type, void *ret, rdd_options options)
{
    rdd_error err;
    if (!action_begin(r, type, "rdd_first", options.site_))
        return RDD_E_USAGE;
    CLEANUP(taking_release) taking t = { .type = r->type };
    if (take_rounds(r, &t, 1, &options, &err) < 0)
        return context_fail(r->ctx, &err);
    if (!t.count)
        return action_fail(r->ctx, RDD_E_INPUT, "rdd_first", options.site_, "the RDD is empty");
    return keep_value(r->ctx, r->type, t.items.data, ret);
}

bool(rdd_is_empty)(rdd *r, rdd_options options)
{
    rdd_error err;
    if (!context_there(r, "rdd_is_empty", options.site_))
        return true;
    CLEANUP(taking_release) taking t = { .type = r->type };
    if (take_rounds(r, &t, 1, &options, &err) < 0)
        context_fail(r->ctx, &err);
    return !t.count;
}

/* ---- top, take_ordered, min, max ------------------------------------------------------------ */

typedef int (*order_code)(rdd_task *, const void *, const void *, const void *);

static int compare_items(const heap_order *order, const void *a, const void *b)
{
    driver_call *call = order->arg;
    int c = call->task.op ? ((order_code)call->task.op->code)(&call->task.base, call->env, a, b)
                          : value_compare(order->type, a, b);
    return order->reverse ? (c < 0) - (c > 0) : c;
}

/* The first n in order, in a heap; its elements point into *ret_parts. */
static int run_ordered(rdd *r, size_t n, bool reverse, const char *call_name,
                       const rdd_order_options *options, driver_call *call, heap_order *order,
                       heap *h, job_results *ret_parts)
{
    rdd_context *ctx = r->ctx;
    action act = { .kind = ACTION_TOP, .n = (int64_t)size_min(n, INT64_MAX), .flag = reverse };
    rdd_error err;
    if (options->by.op) {
        if (!bind_operator(ctx, call_name, options->site_, options->by.op, options->by.env, &act.env))
            return RDD_E_USAGE;
        if (!type_equal(options->by.op->in, r->type))
            return action_fail(ctx, RDD_E_TYPE, call_name, options->site_,
                               "the order %s (%s:%d) is of another type than the elements",
                               options->by.op->name, options->by.op->file, options->by.op->line);
        act.op = options->by.op;
    }
    int code = action_run(r, &act, &(rdd_options){ options->site_, options->name }, ret_parts);
    if (code < 0)
        return code;
    driver_call_init(call, options->by.op, options->by.env);
    *order = (heap_order){ compare_items, r->type, reverse, call };
    *h = (heap){ .order = order, .limit = n };
    CLEANUP(freep) void *items = NULL;
    const void *shown = NULL;
    size_t count = 0;
    code = parts_decode(r->type, ret_parts, &items, &shown, &count, &err);
    for (size_t i = 0; code == 0 && i < count; i++)
        code = heap_offer(h, (const char *)shown + i * r->type->size, &err);
    if (code == 0 && call->task.failed && !op_task_resume(&call->task, r->type, NULL, 0)) {
        err = call->run.error;
        code = err.code;
    }
    return code < 0 ? context_fail(ctx, &err) : 0;
}

static const void *ordered(rdd *r, const rdd_type *type, size_t n, size_t *ret_count, bool reverse,
                           const char *call_name, const rdd_order_options *options)
{
    if (!counted_begin(r, type, ret_count, call_name, options->site_))
        return NULL;
    CLEANUP(driver_call_release) driver_call call = { .env = NULL };
    heap_order order;
    CLEANUP(heap_release) heap h = { .limit = 0 };
    CLEANUP(job_results_release) job_results parts = { 0 };
    if (run_ordered(r, n, reverse, call_name, options, &call, &order, &h, &parts) < 0)
        return NULL;
    const void *items;
    size_t count;
    heap_sorted(&h, &items, &count);
    void *owned = h.items ? h.items : malloc(1);
    h.items = NULL;
    arena strings = h.memory;
    h.memory = (arena){ 0 };
    const void *kept = keep_items(r, owned, NULL, &strings);
    *ret_count = kept ? count : 0;
    return kept;
}

const void *(rdd_top)(rdd *r, const rdd_type *type, size_t n, size_t *ret_count,
                      rdd_order_options options)
{
    return ordered(r, type, n, ret_count, true, "rdd_top", &options);
}

const void *(rdd_take_ordered)(rdd *r, const rdd_type *type, size_t n, size_t *ret_count,
                               rdd_order_options options)
{
    return ordered(r, type, n, ret_count, false, "rdd_take_ordered", &options);
}

static int extreme(rdd *r, const rdd_type *type, void *ret, bool reverse, const char *call_name,
                   const rdd_order_options *options)
{
    size_t count;
    const void *item = ordered(r, type, 1, &count, reverse, call_name, options);
    if (!item)
        return RDD_E_USAGE;
    if (!count)
        return action_fail(r->ctx, RDD_E_INPUT, call_name, options->site_, "the RDD is empty");
    memcpy(ret, item, r->type->size); /* what it points to stays kept */
    if (type_is_flat(r->type))
        rdd_free(r->ctx, item);
    return 0;
}

int(rdd_min)(rdd *r, const rdd_type *type, void *ret, rdd_order_options options)
{
    return extreme(r, type, ret, false, "rdd_min", &options);
}

int(rdd_max)(rdd *r, const rdd_type *type, void *ret, rdd_order_options options)
{
    return extreme(r, type, ret, true, "rdd_max", &options);
}

/* ---- take_sample ---------------------------------------------------------------------------- */

static int compare_keyed(const void *a, const void *b, void *arg UNUSED)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static const void *sample_once(rdd *r, size_t n, size_t *ret_count, const rdd_sample_options *options)
{
    CLEANUP(arena_release) arena a = { 0 };
    rdd_type *pair = sink_keyed_type(&a, r->type);
    action act = { .kind = ACTION_SAMPLE, .n = (int64_t)size_min(n, INT64_MAX), .seed = options->seed };
    job_results parts;
    rdd_error err;
    if (!pair) {
        error_set_memory(&err, "sampling");
        context_fail(r->ctx, &err);
        return NULL;
    }
    if (action_run(r, &act, &(rdd_options){ options->site_, options->name }, &parts) < 0)
        return NULL;
    void *items;
    const void *shown;
    size_t count;
    if (parts_decode(pair, &parts, &items, &shown, &count, &err) < 0) {
        job_results_release(&parts);
        context_fail(r->ctx, &err);
        return NULL;
    }
    char *keyed = items ? items : (char *)(uintptr_t)shown;
    if (count)
        qsort_r(keyed, count, pair->size, compare_keyed, NULL);
    count = size_min(count, n);
    char *out = calloc(count + 1, r->type->size);
    for (size_t i = 0; out && i < count; i++)
        memcpy(out + i * r->type->size, keyed + i * pair->size + pair->fields[1].offset,
               r->type->size);
    free(items);
    const void *kept = keep_items(r, out, &parts, NULL);
    *ret_count = kept ? count : 0;
    return kept;
}

/* n draws with replacement: indexes first, then one job that fetches the elements they name. */
static int count_partitions(rdd *r, const rdd_options *options, int64_t *ret_counts)
{
    action act = { .kind = ACTION_COUNT };
    job_results parts;
    int code = action_run(r, &act, options, &parts);
    if (code < 0)
        return code;
    for (size_t i = 0; i < parts.count; i++) {
        rdd_str bytes = job_part_bytes(&parts.parts[i]);
        reader in = reader_over(bytes.data, bytes.size);
        ret_counts[i] = (int64_t)reader_u64(&in);
    }
    job_results_release(&parts);
    return 0;
}

static int compare_u64(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Writes the draws of each partition, relative to its start, one after the other. */
static void split_draws(const uint64_t *draws, size_t n, const int64_t *counts, size_t partitions,
                        buf *bytes, rdd_str *payloads)
{
    uint64_t start = 0;
    size_t at = 0;
    for (size_t p = 0; p < partitions; p++) {
        size_t before = bytes->size;
        for (; at < n && draws[at] < start + (uint64_t)counts[p]; at++)
            buf_u64(bytes, draws[at] - start);
        payloads[p].size = bytes->size - before;
        start += (uint64_t)counts[p];
    }
    const char *data = bytes->data;
    for (size_t p = 0; p < partitions; data += payloads[p++].size)
        payloads[p].data = data;
}

static void shuffle(char *items, size_t count, size_t size, random_state *random)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)random_below(random, i);
        for (size_t b = 0; b < size; b++) {
            char t = items[(i - 1) * size + b];
            items[(i - 1) * size + b] = items[j * size + b];
            items[j * size + b] = t;
        }
    }
}

static const void *sample_again(rdd *r, size_t n, size_t *ret_count, const rdd_sample_options *options)
{
    size_t partitions = (size_t)r->partitions;
    CLEANUP(freep) int64_t *counts = calloc(partitions + 1, sizeof *counts);
    CLEANUP(freep) uint64_t *draws = calloc(n + 1, sizeof *draws);
    CLEANUP(freep) rdd_str *payloads = calloc(partitions + 1, sizeof *payloads);
    CLEANUP(buf_release) buf bytes = { 0 };
    rdd_error err;
    if (!counts || !draws || !payloads) {
        error_set_memory(&err, "sampling");
        context_fail(r->ctx, &err);
        return NULL;
    }
    if (count_partitions(r, &(rdd_options){ options->site_, options->name }, counts) < 0)
        return NULL;
    uint64_t total = 0;
    for (size_t p = 0; p < partitions; p++)
        total += (uint64_t)counts[p];
    random_state random = random_seeded(options->seed, UINT64_MAX);
    n = total ? n : 0;
    for (size_t i = 0; i < n; i++)
        draws[i] = random_below(&random, total);
    qsort(draws, n, sizeof *draws, compare_u64);
    split_draws(draws, n, counts, partitions, &bytes, payloads);
    action act = { .kind = ACTION_PICK };
    job_options job = { .name = options->name, .site = options->site_, .count = -1,
                        .payloads = payloads };
    job_results parts;
    if (bytes.failed || job_run(r, &act, &job, &parts, &err) < 0) {
        if (bytes.failed)
            error_set_memory(&err, "sampling");
        context_fail(r->ctx, &err);
        return NULL;
    }
    char *items = (char *)(uintptr_t)hand_over(r, r->type, &parts, ret_count);
    if (items && *ret_count)
        shuffle(items, *ret_count, r->type->size, &random);
    return items;
}

const void *(rdd_take_sample)(rdd *r, const rdd_type *type, size_t n, size_t *ret_count,
                              rdd_sample_options options)
{
    if (!counted_begin(r, type, ret_count, "rdd_take_sample", options.site_))
        return NULL;
    if (options.with_replacement && n > (size_t)INT32_MAX) {
        action_fail(r->ctx, RDD_E_LIMIT, "rdd_take_sample", options.site_,
                    "%zu draws; at most %d fit on the driver", n, INT32_MAX);
        return NULL;
    }
    return options.with_replacement ? sample_again(r, n, ret_count, &options)
                                    : sample_once(r, n, ret_count, &options);
}

/* ---- count_by_value ------------------------------------------------------------------------- */

static int compare_pairs(const void *a, const void *b, void *pair)
{
    const rdd_field *key = &((const rdd_type *)pair)->fields[0];
    return value_compare(key->type, (const char *)a + key->offset, (const char *)b + key->offset);
}

/* Adds up equal neighbours in place; gives how many are left. */
static size_t merge_equal(char *pairs, size_t count, const rdd_type *pair)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        char *from = pairs + i * pair->size, *last = kept ? pairs + (kept - 1) * pair->size : NULL;
        if (!last || compare_pairs(last, from, (void *)(uintptr_t)pair) != 0) {
            memmove(pairs + kept++ * pair->size, from, pair->size);
            continue;
        }
        int64_t a, b;
        memcpy(&a, last + pair->fields[1].offset, sizeof a);
        memcpy(&b, from + pair->fields[1].offset, sizeof b);
        a += b;
        memcpy(last + pair->fields[1].offset, &a, sizeof a);
    }
    return kept;
}

const void *(rdd_count_by_value)(rdd *r, const rdd_type *pair, size_t *ret_count,
                                 rdd_options options)
{
    if (!counted_begin(r, NULL, ret_count, "rdd_count_by_value", options.site_))
        return NULL;
    if (!type_is_pair(pair) || !type_equal(pair->fields[0].type, r->type) ||
        !type_equal(pair->fields[1].type, RDD_TYPE(int64_t))) {
        CLEANUP(buf_release) buf has = { 0 };
        type_describe(r->type, &has);
        const char *text = buf_terminate(&has);
        action_fail(r->ctx, RDD_E_TYPE, "rdd_count_by_value", options.site_,
                    "%s is no pair of %s and int64_t; make it with RDD_PAIR", pair->name,
                    text ? text : "?");
        return NULL;
    }
    action act = { .kind = ACTION_COUNT_VALUES, .type = pair };
    job_results parts;
    if (action_run(r, &act, &options, &parts) < 0)
        return NULL;
    size_t count = 0;
    char *pairs = (char *)(uintptr_t)hand_over(r, pair, &parts, &count);
    if (!pairs || !count)
        return pairs;
    qsort_r(pairs, count, pair->size, compare_pairs, (void *)(uintptr_t)pair);
    *ret_count = merge_equal(pairs, count, pair);
    return pairs;
}
