#include "runner.h"

#include "calls.h"
#include "clock.h"
#include "error.h"
#include "iterator.h"
#include "journal.h"
#include "remote_files.h"
#include "runner_parts.h"
#include "sink.h"

#include <malloc.h>
#include <pthread.h>

static _Thread_local run *running;

bool runner_refuses(const char *call, const char *site, rdd_error *err)
{
    if (!running)
        return false;
    error_set(err, RDD_E_USAGE,
              "%s (%s) was called in an operator: RDDs are the driver's; collect before, and hand the result "
              "over with RDD_WITH", call, site ? site : "?");
    run_fail_with(running, err);
    return true;
}

/* Opens and drains the chain; the result is in r->result. */
static void run_task(runner *r, run *t)
{
    const plan *p = t->plan;
    int64_t partitions = p->nodes[p->node_count - 1].partitions;
    if (p->act.first > partitions || t->id.partition >= partitions - p->act.first) {
        run_fail(t, RDD_E_PROTOCOL, "task %u of a stage of %lld partitions", t->id.partition,
                 (long long)partitions);
        return;
    }
    t->id.partition += (uint32_t)p->act.first;
    iterator *chain = iterator_open(t, p->node_count - 1, t->id.partition);
    if (chain && !t->code)
        sink_run(t, chain, &r->result);
    if (!t->code && r->result.failed)
        run_fail_memory(t, "making a result");
    t->closing = true;
    iterators_close(t);
    t->closing = false;
}

/* (node, partition, bytes) …, as lineage_payload() wrote them. */
static void read_payloads(run *t, rdd_str bytes)
{
    reader r = reader_over(bytes.data, bytes.size);
    size_t count = 0;
    for (reader ahead = r; reader_left(&ahead) && !ahead.failed; count++) {
        size_t size;
        reader_u32(&ahead);
        reader_u64(&ahead);
        reader_sized(&ahead, &size);
        if (ahead.failed) {
            run_fail(t, RDD_E_PROTOCOL, "a task with a malformed payload");
            return;
        }
    }
    if (!count)
        return;
    t->payloads = arena_alloc(t->memory, count * sizeof *t->payloads);
    if (!t->payloads) {
        run_fail_memory(t, "reading a task");
        return;
    }
    for (size_t i = 0; i < count; i++) {
        t->payloads[i].node = reader_u32(&r);
        t->payloads[i].partition = (int64_t)reader_u64(&r);
        t->payloads[i].bytes.data = reader_sized(&r, &t->payloads[i].bytes.size);
    }
    t->payload_count = count;
}

/* The result's tail: (value, name)… and how long that is (u32), so that a result without counters
 * costs four bytes. */
static void append_counters(const run *t, buf *out)
{
    size_t before = out->size;
    for (const counter *c = t->counters; c; c = c->next) {
        buf_u64(out, (uint64_t)c->value);
        buf_sized(out, c->name, c->name_size);
    }
    buf_u32(out, (uint32_t)(out->size - before));
}

static void finish(runner *r, run *t, outcome *ret)
{
    ret->metrics = t->metrics;
    if (t->code)
        calls_undo(t);
    if (!t->code) {
        append_counters(t, &r->result);
        if (r->result.failed)
            run_fail_memory(t, "making a result");
    }
    if (t->code == RDD_E_CANCELLED) {
        ret->status = OUTCOME_CANCELLED;
    } else if (t->code) {
        t->error.stage = t->id.stage;
        t->error.partition = t->id.partition;
        t->error.attempt = t->id.attempt;
        outcome_set_error(ret, OUTCOME_FAILED, &t->error);
    } else {
        ret->status = OUTCOME_OK;
        size_t size = r->result.size;
        bool fits = size <= OUTCOME_INLINE;
        outcome_set_result(ret, r->result.data, size, fits ? NULL : buf_take(&r->result, NULL));
    }
    if (r->result.capacity > KIB(64))
        buf_release(&r->result);
    buf_clear(&r->result);
}

static void set_current(runner *r, const task_id *id)
{
    pthread_mutex_lock(&r->mutex);
    r->busy = id != NULL;
    if (id)
        r->current = *id;
    atomic_store_explicit(&r->cancelled, false, memory_order_relaxed);
    if (id && r->http) /* the task before may have been cancelled */
        runner_http_resume(r);
    pthread_mutex_unlock(&r->mutex);
}

void runner_lend(runner *r, char *heap)
{
    if (!heap)
        return;
    buf_release(&r->result);
    r->result.data = heap;
    r->result.capacity = malloc_usable_size(heap);
}

void runner_run(runner *r, const plan *p, const task_spec *task, outcome *ret)
{
    uint64_t started = clock_now_ns();
    *ret = (outcome){ .id = task->id };
    run t = { .plan = p, .id = task->id, .memory = &r->memory, .state = r->state,
              .cancelled = &r->cancelled, .runner = r };
    slot_state *s = r->state;
    atomic_store_explicit(&s->stage, task->id.stage, memory_order_relaxed);
    atomic_store_explicit(&s->partition, task->id.partition, memory_order_relaxed);
    atomic_store_explicit(&s->attempt, task->id.attempt, memory_order_relaxed);
    atomic_store_explicit(&s->node, UINT32_MAX, memory_order_relaxed); /* none yet */
    atomic_store_explicit(&s->batch, 0, memory_order_relaxed);
    atomic_store_explicit(&s->records, 0, memory_order_relaxed);
    atomic_store_explicit(&s->busy, 1, memory_order_release);
    set_current(r, &task->id);
    read_payloads(&t, task->payload);
    running = &t;
    if (!t.code)
        run_task(r, &t);
    running = NULL;
    set_current(r, NULL);
    journal_release(&t);
    finish(r, &t, ret);
    ret->metrics.run_ns = clock_now_ns() - started;
    arena_reset(&r->memory);
    atomic_store_explicit(&s->busy, 0, memory_order_release);
}

void runner_cancel(runner *r, task_id id)
{
    pthread_mutex_lock(&r->mutex);
    bool hit = r->busy && r->current.stage == id.stage && r->current.partition == id.partition &&
               r->current.attempt == id.attempt;
    if (hit)
        atomic_store_explicit(&r->cancelled, true, memory_order_relaxed);
    if (hit && r->http)
        runner_http_cancel(r);
    pthread_mutex_unlock(&r->mutex);
    if (hit && r->files)
        remote_files_wake(r->files);
}

void runner_set_files(runner *r, struct remote_files *files)
{
    r->files = files;
}

void runner_nudge(runner *r)
{
    pthread_mutex_lock(&r->mutex);
    if (r->http)
        runner_http_nudge(r);
    pthread_mutex_unlock(&r->mutex);
}

int runner_new(runner **ret, slot_state *state, rdd_error *err)
{
    runner *r = calloc(1, sizeof *r);
    if (!r)
        return error_set_memory(err, "making a slot");
    r->state = state;
    pthread_mutex_init(&r->mutex, NULL);
    *ret = r;
    return 0;
}

void *runner_free(runner *r)
{
    if (!r)
        return NULL;
    runner_http_free(r);
    arena_release(&r->memory);
    buf_release(&r->result);
    pthread_mutex_destroy(&r->mutex);
    free(r);
    return NULL;
}
