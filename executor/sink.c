/* sink.c: which sink runs, and the plain ones: collect, take, pick, count, foreach. */
#include "sink.h"

#include "block.h"
#include "csv_scan.h"
#include "emitter.h"
#include "file_ranges.h"
#include "type.h"

#include <stdio.h>

int sink_next(run *r, iterator *chain, view *ret)
{
    int rc = iterator_next(chain, ret);
    if (rc == ITERATOR_VIEW) {
        r->metrics.records += ret->count;
        atomic_store_explicit(&r->state->records, r->metrics.records, memory_order_relaxed);
        if (r->plan->act.op) /* it is what runs next */
            run_mark(r, r->plan->node_count);
    }
    return rc;
}

static const rdd_type *item_type(const run *r)
{
    return r->plan->nodes[r->plan->node_count - 1].type;
}

int sink_result(run *r, const rdd_type *t, const void *items, size_t count, buf *out)
{
    rdd_error err;
    out->max = r->plan->result_max;
    int code = block_encode(t, items, count, out, &err);
    out->max = 0;
    if (code == RDD_E_LIMIT)
        return run_fail(r, RDD_E_LIMIT,
                        "partition %u alone has more than driver.result_max (%zu bytes) to bring back; "
                        "use rdd_save_* or rdd_to_local_iterator, or raise --conf driver.result_max",
                        r->id.partition, r->plan->result_max);
    return code < 0 ? run_fail_with(r, &err) : 0;
}

/* ---- collect, take, pick -------------------------------------------------------------------- */

/* Each view becomes a block; small views (of a filter, say) are not worth one each, but a result of
 * many views costs no copy. */
static int sink_views(run *r, iterator *chain, uint64_t n, buf *out)
{
    const rdd_type *t = item_type(r);
    view v;
    int rc = ITERATOR_END;
    while (n && (rc = sink_next(r, chain, &v)) == ITERATOR_VIEW) {
        size_t count = (size_t)u64_min(v.count, n);
        if (sink_result(r, t, v.items, count, out) < 0)
            return ITERATOR_FAILED;
        n -= count;
    }
    return n ? rc : ITERATOR_END;
}

static int sink_pick(run *r, iterator *chain, buf *out)
{
    const rdd_type *t = item_type(r);
    rdd_str bytes = run_payload(r, r->plan->node_count, r->id.partition);
    reader wanted = reader_over(bytes.data, bytes.size);
    uint64_t at = 0;
    view v;
    int rc = ITERATOR_END;
    while (reader_left(&wanted) && (rc = sink_next(r, chain, &v)) == ITERATOR_VIEW) {
        while (reader_left(&wanted)) {
            reader ahead = wanted;
            uint64_t index = reader_u64(&ahead);
            if (ahead.failed || index >= at + v.count)
                break;
            if (index < at)
                return run_fail(r, RDD_E_PROTOCOL, "indexes that are not sorted");
            wanted = ahead;
            if (sink_result(r, t, (const char *)v.items + (index - at) * t->size, 1, out) < 0)
                return ITERATOR_FAILED;
        }
        at += v.count;
    }
    return reader_left(&wanted) ? rc : ITERATOR_END;
}

int sink_collect(run *r, iterator *chain, buf *out)
{
    switch (r->plan->act.kind) {
    case ACTION_TAKE: return sink_views(r, chain, (uint64_t)r->plan->act.n, out);
    case ACTION_PICK: return sink_pick(r, chain, out);
    default: return sink_views(r, chain, UINT64_MAX, out);
    }
}

/* ---- count, foreach ------------------------------------------------------------------------- */

int sink_count(run *r, iterator *chain, buf *out)
{
    uint64_t count = 0;
    view v;
    int rc;
    while ((rc = sink_next(r, chain, &v)) == ITERATOR_VIEW)
        count += v.count;
    buf_u64(out, count);
    return rc;
}

typedef void (*foreach_partition_code)(rdd_task *, const void *, rdd_puller *);

static int foreach_partition(run *r, iterator *chain)
{
    CLEANUP(arena_release) arena scratch = { 0 };
    CLEANUP(arena_release) arena lasting = { 0 };
    op_task task;
    op_task_init(&task, r, NULL, r->plan->act.op, &scratch, &lasting);
    rdd_puller puller = { .task = &task, .type = item_type(r), .chain = chain, .counted = true };
    task.puller = &puller;
    task.puller_count = 1;
    run_mark(r, r->plan->node_count);
    ((foreach_partition_code)task.op->code)(&task.base, r->plan->act_env, &puller);
    bool ok = op_task_resume(&task, puller.type, task.failed_item, task.failed_index);
    return ok ? ITERATOR_END : ITERATOR_FAILED;
}

int sink_foreach(run *r, iterator *chain, buf *out UNUSED)
{
    if (r->plan->act.kind == ACTION_FOREACH_PARTITION)
        return foreach_partition(r, chain);
    view none;
    int rc; /* the chain's last node does the work and gives nothing */
    while ((rc = iterator_next(chain, &none)) == ITERATOR_VIEW) {
    }
    return rc;
}

/* ---- csv_scan ------------------------------------------------------------------------------- */

int sink_csv_scan(run *r, buf *out)
{
    const plan_node *n = &r->plan->nodes[r->plan->node_count - 1];
    file_range range;
    rdd_error err;
    rdd_str bytes = run_payload(r, r->plan->node_count - 1, r->id.partition);
    reader in = reader_over(bytes.data, bytes.size);
    if (file_range_decode(&in, r->memory, &range, &err) < 0)
        return run_fail_with(r, &err);
    csv_dialect dialect = { n->params.delimiter, n->params.quote };
    csv_summary summary;
    if (csv_dialect_resolve(&dialect, &err) < 0 ||
        csv_scan(run_inputs(r), &range.file, range.offset, range.end, dialect, &summary, &err) < 0)
        return run_fail_with(r, &err);
    csv_summary_encode(out, &summary);
    return 0;
}

/* ---- dispatch ------------------------------------------------------------------------------- */

int sink_run(run *r, iterator *chain, buf *out)
{
    switch (r->plan->act.kind) {
    case ACTION_COLLECT:
    case ACTION_TAKE:
    case ACTION_PICK: return sink_collect(r, chain, out);
    case ACTION_SAMPLE: return sink_sample(r, chain, out);
    case ACTION_TOP: return sink_top(r, chain, out);
    case ACTION_COUNT: return sink_count(r, chain, out);
    case ACTION_REDUCE:
    case ACTION_FOLD:
    case ACTION_AGGREGATE: return sink_fold(r, chain, out);
    case ACTION_SUM: return sink_sum(r, chain, out);
    case ACTION_STATS: return sink_stats(r, chain, out);
    case ACTION_HISTOGRAM: return sink_histogram(r, chain, out);
    case ACTION_COUNT_VALUES: return sink_count_values(r, chain, out);
    case ACTION_FOREACH:
    case ACTION_FOREACH_PARTITION: return sink_foreach(r, chain, out);
    case ACTION_SAVE_TEXT:
    case ACTION_SAVE_CSV:
    case ACTION_SAVE_JSON: return sink_save(r, chain, out);
    case ACTION_CSV_SCAN: return sink_csv_scan(r, out);
    case ACTION_KINDS: break;
    }
    return run_fail(r, RDD_E_PROTOCOL, "an action of no known kind");
}
