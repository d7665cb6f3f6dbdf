#include "worker_slots.h"

#include "protocol.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>

enum {
    WAKE_OUTCOMES = 64,               /* ready ones that are worth a wake-up */
    RESULTS_WAITING_MAX = 64 << 20,
    SPARES_MAX = 4,
    PAYLOAD_INLINE = 64,
    STACK_SIZE = 256 << 20, /* address space, not memory: a chain is as deep as its lineage */
};

/* A plan is freed when its stage was forgotten and no slot runs it. */
typedef struct shared_plan {
    struct shared_plan *next;
    uint32_t stage, users;
    bool forgotten;
    plan *plan;      /* NULL: see why */
    rdd_error *why;
} shared_plan;

typedef struct queued_task {
    task_id id;
    size_t size;
    char *heap; /* NULL: inside */
    char inside[PAYLOAD_INLINE];
} queued_task;

typedef struct slot {
    worker_slots *all;
    uint32_t index;
    pthread_t thread;
    slot_state *state;
    runner *runner; /* made and used by the thread */
    /* under the mutex */
    bool busy, cancelled;
    bool unsent; /* its last outcome has not been taken */
    bool large;  /* its last result was */
    task_id id;
} slot;

typedef struct ready_result {
    uint64_t stream;
    uint32_t stage;
    size_t size;
    char *heap;
} ready_result;

struct worker_slots {
    slot *slots;
    board *board;
    uint32_t count, started;
    uint32_t serial;
    int wake_fd;
    remote_files *files;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    /* under the mutex */
    queued_task *queue; /* a ring of a power of two */
    size_t queue_first, queue_count, queue_capacity;
    shared_plan *plans;
    buf ready, spare;   /* frames of outcomes */
    batch ready_batch;
    size_t ready_count;
    ready_result *results;
    size_t result_count, result_capacity;
    size_t results_waiting;
    char *spares[SPARES_MAX]; /* of results that were sent */
    uint32_t spare_count;
    uint32_t next_stream, idle;
    bool taker_sleeps, woken, stopping, failed;
};

/* -- Outcomes ---------------------------------------------------------------------------------- */

static _Noreturn void end_closed_locked(worker_slots *w)
{
    uint32_t suspects = 0, suspect = CRASH_NO_SLOT;
    for (uint32_t i = 0; i < w->count; i++) {
        if (!w->slots[i].busy && !w->slots[i].unsent)
            continue;
        suspects++;
        suspect = i;
        atomic_store(&w->slots[i].state->busy, 1);
    }
    if (suspects == 1)
        crash_blame(suspect, CRASH_CLOSED);
    _exit(3);
}

void worker_slots_end_closed(worker_slots *w)
{
    pthread_mutex_lock(&w->mutex);
    end_closed_locked(w);
}

static void wake_taker_locked(worker_slots *w)
{
    if (w->woken)
        return;
    w->woken = true;
    uint64_t one = 1;
    if (write(w->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        end_closed_locked(w);
}

/* Takes the heap of a result that is too large to travel inside. 0 when it travels inside. */
static uint64_t detach_result_locked(worker_slots *w, outcome *o)
{
    if (o->result_size <= RESULT_INLINE_MAX)
        return 0;
    if (w->result_count == w->result_capacity) {
        size_t capacity = w->result_capacity ? w->result_capacity * 2 : 16;
        ready_result *results = realloc(w->results, capacity * sizeof *results);
        if (!results) {
            w->failed = true;
            return 0;
        }
        w->results = results;
        w->result_capacity = capacity;
    }
    uint64_t id = (uint64_t)w->serial << 32 | (++w->next_stream & (uint32_t)(STREAM_FILE - 1));
    w->results[w->result_count++] =
        (ready_result){ id, o->id.stage, o->result_size, TAKE(o->result_heap) };
    w->results_waiting += o->result_size;
    return id;
}

static void push_outcome_locked(worker_slots *w, outcome *o)
{
    uint64_t stream = detach_result_locked(w, o);
    if (w->failed)
        return; /* the talking thread ends the process */
    batch_entry(&w->ready_batch);
    outcome_entry_encode(&w->ready, o, stream);
    w->ready_count++;
    if (w->taker_sleeps || w->ready_count >= WAKE_OUTCOMES || !w->queue_count)
        wake_taker_locked(w);
}

void worker_slots_answer(worker_slots *w, const outcome *o)
{
    outcome copy = *o;
    pthread_mutex_lock(&w->mutex);
    push_outcome_locked(w, &copy);
    pthread_mutex_unlock(&w->mutex);
}

bool worker_slots_take(worker_slots *w, channel *c, streams_out *results)
{
    pthread_mutex_lock(&w->mutex);
    batch_end(&w->ready_batch);
    buf ready = w->ready;
    w->ready = w->spare;
    w->spare = (buf){ 0 };
    ready_result *large = w->results;
    size_t large_count = w->result_count;
    w->results = NULL;
    w->result_count = w->result_capacity = 0;
    w->ready_count = 0;
    w->woken = false;
    for (uint32_t i = 0; i < w->count && ready.size; i++)
        w->slots[i].unsent = false;
    bool failed = w->failed || ready.failed;
    w->taker_sleeps = ready.size == 0;
    pthread_mutex_unlock(&w->mutex);

    bool moved = ready.size > 0;
    buf_append(&c->control, ready.data, ready.size);
    for (size_t i = 0; i < large_count; i++)
        failed |= streams_out_add(results, large[i].stream, large[i].stage, large[i].heap,
                                  large[i].size, large[i].heap) < 0;
    free(large);
    buf_clear(&ready);
    pthread_mutex_lock(&w->mutex);
    w->spare = ready;
    pthread_mutex_unlock(&w->mutex);
    if (failed)
        c->control.failed = true;
    return moved;
}

void worker_slots_lend(worker_slots *w, char *heap)
{
    if (!heap)
        return;
    pthread_mutex_lock(&w->mutex);
    if (w->spare_count < SPARES_MAX)
        w->spares[w->spare_count++] = TAKE(heap);
    pthread_mutex_unlock(&w->mutex);
    free(heap);
}

void worker_slots_set_waiting(worker_slots *w, size_t size)
{
    pthread_mutex_lock(&w->mutex);
    bool was_full = w->results_waiting >= RESULTS_WAITING_MAX;
    size_t unsent = 0; /* made since the last take */
    for (size_t i = 0; i < w->result_count; i++)
        unsent += w->results[i].size;
    w->results_waiting = size + unsent;
    if (was_full && w->results_waiting < RESULTS_WAITING_MAX)
        pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->mutex);
}

/* -- Plans ------------------------------------------------------------------------------------- */

static void free_plan(shared_plan *p)
{
    if (p->plan)
        plan_free(p->plan);
    free(p->why);
    free(p);
}

static shared_plan *find_plan_locked(worker_slots *w, uint32_t stage)
{
    shared_plan *p = w->plans;
    while (p && (p->stage != stage || p->forgotten))
        p = p->next;
    return p;
}

/* Unlinks and frees plans that nobody needs any more. */
static void sweep_plans_locked(worker_slots *w)
{
    for (shared_plan **at = &w->plans; *at;) {
        shared_plan *p = *at;
        if (!p->forgotten || p->users) {
            at = &p->next;
            continue;
        }
        *at = p->next;
        free_plan(p);
    }
}

int worker_slots_add_plan(worker_slots *w, uint32_t stage, plan *p, const rdd_error *why)
{
    shared_plan *shared = calloc(1, sizeof *shared);
    rdd_error *reason = p ? NULL : malloc(sizeof *reason);
    if (!shared || (!p && !reason)) {
        free(shared);
        free(reason);
        plan_free(p);
        return RDD_E_MEMORY;
    }
    if (reason)
        *reason = *why;
    *shared = (shared_plan){ .stage = stage, .plan = p, .why = reason };
    pthread_mutex_lock(&w->mutex);
    shared->next = w->plans;
    w->plans = shared;
    pthread_mutex_unlock(&w->mutex);
    return 0;
}

/* -- The queue --------------------------------------------------------------------------------- */

static queued_task *queued_at(worker_slots *w, size_t index)
{
    return &w->queue[(w->queue_first + index) & (w->queue_capacity - 1)];
}

static bool grow_queue_locked(worker_slots *w)
{
    if (w->queue_count < w->queue_capacity)
        return true;
    size_t capacity = w->queue_capacity ? w->queue_capacity * 2 : 64;
    queued_task *queue = malloc(capacity * sizeof *queue);
    if (!queue)
        return false;
    for (size_t i = 0; i < w->queue_count; i++)
        queue[i] = *queued_at(w, i);
    free(w->queue);
    w->queue = queue;
    w->queue_first = 0;
    w->queue_capacity = capacity;
    return true;
}

static bool push_task_locked(worker_slots *w, const worker_task *task)
{
    if (!grow_queue_locked(w))
        return false;
    queued_task *q = queued_at(w, w->queue_count);
    q->id = task->id;
    q->size = task->size;
    q->heap = task->payload_heap;
    if (!q->heap && q->size > PAYLOAD_INLINE && !(q->heap = malloc(q->size)))
        return false;
    if (!task->payload_heap && q->size)
        memcpy(q->heap ? q->heap : q->inside, task->payload, q->size);
    w->queue_count++;
    return true;
}

int worker_slots_add_tasks(worker_slots *w, const worker_task *tasks, size_t count)
{
    bool pushed = true;
    pthread_mutex_lock(&w->mutex);
    for (size_t i = 0; i < count && pushed; i++)
        pushed = push_task_locked(w, &tasks[i]);
    if (w->idle == 1 || count == 1)
        pthread_cond_signal(&w->work);
    else if (w->idle)
        pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->mutex);
    return pushed ? 0 : RDD_E_MEMORY;
}

/* Takes a stage's tasks, or one, out of the queue; each is answered. */
static void drop_queued_locked(worker_slots *w, task_id which)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->queue_count; i++) {
        queued_task task = *queued_at(w, i);
        if (!task_is_of(task.id, which)) {
            *queued_at(w, kept++) = task;
            continue;
        }
        free(task.heap);
        outcome o = { .id = task.id, .status = OUTCOME_CANCELLED };
        push_outcome_locked(w, &o);
    }
    w->queue_count = kept;
}

void worker_slots_forget(worker_slots *w, uint32_t stage)
{
    pthread_mutex_lock(&w->mutex);
    drop_queued_locked(w, tasks_of_stage(stage));
    shared_plan *p = find_plan_locked(w, stage);
    if (p)
        p->forgotten = true;
    sweep_plans_locked(w);
    pthread_mutex_unlock(&w->mutex);
}

void worker_slots_cancel(worker_slots *w, task_id which)
{
    pthread_mutex_lock(&w->mutex);
    drop_queued_locked(w, which);
    for (uint32_t i = 0; i < w->count; i++)
        if (w->slots[i].busy && task_is_of(w->slots[i].id, which))
            w->slots[i].cancelled = true;
    pthread_mutex_unlock(&w->mutex);
    worker_slots_cancel_again(w);
}

bool worker_slots_cancel_again(worker_slots *w)
{
    bool again = false;
    pthread_mutex_lock(&w->mutex);
    for (uint32_t i = 0; i < w->count; i++) {
        slot *s = &w->slots[i];
        if (!s->busy || !s->cancelled)
            continue;
        runner_cancel(s->runner, s->id);
        again = true;
    }
    pthread_mutex_unlock(&w->mutex);
    return again;
}

/* A slot's runner is made by its thread, and there from its first task on. */
void worker_slots_nudge(worker_slots *w)
{
    pthread_mutex_lock(&w->mutex);
    for (uint32_t i = 0; i < w->count; i++)
        if (w->slots[i].busy)
            runner_nudge(w->slots[i].runner);
    pthread_mutex_unlock(&w->mutex);
}

/* -- A slot ------------------------------------------------------------------------------------ */

static void run_task(slot *s, const shared_plan *shared, const queued_task *task, outcome *ret)
{
    *ret = (outcome){ .id = task->id };
    if (!shared) { /* its stage was forgotten meanwhile */
        ret->status = OUTCOME_CANCELLED;
        return;
    }
    if (!shared->plan) {
        outcome_set_error(ret, OUTCOME_FAILED, shared->why);
        return;
    }
    task_spec spec = { task->id, { task->size, task->heap ? task->heap : task->inside } };
    runner_run(s->runner, shared->plan, &spec, ret);
}

static bool may_take_locked(const worker_slots *w)
{
    return w->queue_count && w->results_waiting < RESULTS_WAITING_MAX;
}

/* The next task; false when the worker ends. */
static bool take_task_locked(worker_slots *w, slot *s, queued_task *ret)
{
    while (!w->stopping && !may_take_locked(w)) {
        w->idle++;
        pthread_cond_wait(&w->work, &w->mutex);
        w->idle--;
    }
    if (w->stopping)
        return false;
    *ret = *queued_at(w, 0);
    w->queue_first = (w->queue_first + 1) & (w->queue_capacity - 1);
    w->queue_count--;
    s->busy = true;
    s->cancelled = false;
    s->id = ret->id;
    return true;
}

void worker_give_up(board *b, const char *why)
{
    if (!b)
        fprintf(stderr, "rdd: a worker ends: %s\n", why);
    else if (!atomic_exchange(&b->reason_given, 1))
        snprintf(b->reason, sizeof b->reason, "%s", why);
    else
        for (;;)
            pause(); /* another thread is about to end it */
    _exit(3);
}

/* A slot that cannot begin ends the worker. */
static void enter_slot(slot *s)
{
    rdd_error err;
    int code = crash_thread_enter(s->index);
    if (code < 0)
        error_set_memory(&err, "starting a slot");
    else
        code = runner_new(&s->runner, s->state, &err);
    if (code == 0) {
        runner_set_files(s->runner, s->all->files);
        return;
    }
    worker_give_up(s->all->board, err.message);
}

static void run_tasks(slot *s)
{
    worker_slots *w = s->all;
    queued_task task;
    pthread_mutex_lock(&w->mutex);
    while (take_task_locked(w, s, &task)) {
        shared_plan *shared = find_plan_locked(w, task.id.stage);
        if (shared)
            shared->users++;
        char *spare = s->large && w->spare_count ? w->spares[--w->spare_count] : NULL;
        pthread_mutex_unlock(&w->mutex);
        runner_lend(s->runner, spare);
        outcome o;
        run_task(s, shared, &task, &o);
        free(task.heap);
        pthread_mutex_lock(&w->mutex);
        s->busy = false;
        s->unsent = true;
        s->large = o.result_size > RESULT_INLINE_MAX;
        push_outcome_locked(w, &o);
        if (shared && --shared->users == 0 && shared->forgotten)
            sweep_plans_locked(w);
        outcome_release(&o);
    }
    pthread_mutex_unlock(&w->mutex);
}

/* A slot's thread ends when the worker does, and not because an operator says so. */
static void end_with_thread(void *arg)
{
    slot *s = arg;
    crash_blame(s->index, CRASH_THREAD);
    _exit(3);
}

static void *slot_main(void *arg)
{
    slot *s = arg;
    enter_slot(s);
    pthread_cleanup_push(end_with_thread, s);
    run_tasks(s);
    pthread_cleanup_pop(0);
    runner_free(s->runner);
    crash_thread_leave();
    return NULL;
}

/* -- Life -------------------------------------------------------------------------------------- */

static void free_slots(worker_slots *w)
{
    for (shared_plan *p = w->plans, *next; p; p = next) {
        next = p->next;
        free_plan(p);
    }
    for (size_t i = 0; i < w->queue_count; i++)
        free(queued_at(w, i)->heap);
    for (size_t i = 0; i < w->result_count; i++)
        free(w->results[i].heap);
    for (uint32_t i = 0; i < w->spare_count; i++)
        free(w->spares[i]);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->mutex);
    buf_release(&w->ready);
    buf_release(&w->spare);
    free(w->results);
    free(w->queue);
    free(w->slots);
    free(w);
}

static void join_slots(worker_slots *w)
{
    pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->mutex);
    for (uint32_t i = 0; i < w->started; i++)
        pthread_join(w->slots[i].thread, NULL);
}

int worker_slots_new(worker_slots **ret, uint32_t count, uint32_t serial, board *b, int wake_fd,
                     remote_files *files, rdd_error *err)
{
    worker_slots *w = calloc(1, sizeof *w);
    slot *slots = calloc(count, sizeof *slots);
    if (!w || !slots) {
        free(w);
        free(slots);
        return error_set_memory(err, "starting slots");
    }
    *w = (worker_slots){ .slots = slots, .board = b, .count = count, .serial = serial,
                         .wake_fd = wake_fd, .files = files, .taker_sleeps = true };
    w->ready_batch = (batch){ .out = &w->ready, .type = FRAME_OUTCOMES };
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->work, NULL);
    pthread_attr_t how;
    pthread_attr_init(&how);
    pthread_attr_setstacksize(&how, STACK_SIZE);
    int error = 0;
    for (uint32_t i = 0; i < count && !error; i++) {
        slots[i] = (slot){ .all = w, .index = i, .state = &b->slots[i].state };
        error = pthread_create(&slots[i].thread, &how, slot_main, &slots[i]);
        w->started += !error;
    }
    pthread_attr_destroy(&how);
    if (error) {
        join_slots(w);
        free_slots(w);
        return error_set_errno(err, RDD_E_MEMORY, error, "a slot's thread could not be started");
    }
    *ret = w;
    return 0;
}

bool worker_slots_stop(worker_slots *w)
{
    bool busy = false;
    pthread_mutex_lock(&w->mutex);
    for (uint32_t i = 0; i < w->count; i++)
        busy |= w->slots[i].busy;
    w->stopping = !busy;
    pthread_mutex_unlock(&w->mutex);
    if (busy)
        return false;
    join_slots(w);
    free_slots(w);
    return true;
}
