/* backend_local.c: slots as threads of the driver: one executor, no processes, no wire.
 *
 * Plans and tasks go through the same bytes as everywhere (plan_decode, payloads), so that what works
 * here works on a node. A crash in user code ends the program: there is no process to lose.
 */
#include "backend.h"
#include "clock.h"
#include "crash.h"
#include "event.h"
#include "plan.h"
#include "runner.h"

#include <pthread.h>

enum {
    TAKE_MAX = 64,             /* tasks that a slot takes off the queue at once */
    STACK_SIZE = 256 << 20,    /* address space, not memory: a chain is as deep as its lineage */
};
#define TAKE_NS (100 * NS_PER_US) /* and about this much work */

typedef struct known_plan {
    struct known_plan *next;
    uint32_t stage;
    plan *plan;      /* NULL: it could not be decoded, for this reason */
    rdd_error error;
} known_plan;

typedef struct local_backend local_backend;

/* What the crash handler looks at. It may run at any time, also after the backend has gone, so this
 * lives as long as the process. */
typedef struct watched_slot {
    slot_state state;
    _Atomic(const plan *) plan; /* of the task that runs now */
} watched_slot;

typedef struct slot {
    local_backend *backend;
    pthread_t thread;
    runner *runner;
    uint32_t number;
    watched_slot *watched;
    uint64_t average_ns; /* of a task */
} slot;

struct local_backend {
    backend base;
    event_sink sink;
    uint32_t slot_count, started;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    /* under the mutex */
    task_spec *queue; /* a ring */
    size_t head, count, capacity;
    known_plan *plans;
    bool stopping;
    slot slots[];
};

/* ---- crashes -------------------------------------------------------------------------------- */

static watched_slot *watched;
static slot_state **watched_states;

static const char *watched_label(uint32_t number)
{
    const plan *p = atomic_load(&watched[number].plan);
    return p ? plan_node_label(p, atomic_load(&watched[number].state.node)) : NULL;
}

/* Once in a process: a crash in user code ends the program, with a report. */
static int watch_crashes(uint32_t slots, rdd_error *err)
{
    static crash_report report;
    static uint32_t watched_count;
    if (watched_count >= slots)
        return 0;
    watched_slot *more = calloc(slots, sizeof *more);
    slot_state **states = calloc(slots, sizeof(slot_state *));
    if (!more || !states) {
        free(more);
        free(states);
        return error_set_memory(err, "starting slots");
    }
    for (uint32_t i = 0; i < slots; i++)
        states[i] = &more[i].state;
    free(watched); /* of a context that has ended */
    free(watched_states);
    watched = more;
    watched_states = states;
    watched_count = slots;
    crash_options options = { .report = &report,
                              .slots = watched_states,
                              .slot_count = slots,
                              .fd = STDERR_FILENO,
                              .headline = true,
                              .prefix = "rdd: ",
                              .label = watched_label,
                              .catch_exit = true };
    crash_install(&options);
    return 0;
}

static local_backend *of(backend *b)
{
    return (local_backend *)b;
}

/* ---- slots ---------------------------------------------------------------------------------- */

static known_plan *find_plan_locked(local_backend *self, uint32_t stage)
{
    known_plan *p = self->plans;
    while (p && p->stage != stage)
        p = p->next;
    return p;
}

static size_t take_locked(local_backend *self, slot *s, task_spec *ret)
{
    uint64_t by_time = s->average_ns ? TAKE_NS / (s->average_ns + 1) : 1;
    size_t fair = self->count / self->slot_count / 2;
    size_t count = (size_t)u64_max(1, u64_min(u64_min(by_time, fair), TAKE_MAX));
    for (size_t i = 0; i < count; i++)
        ret[i] = self->queue[(self->head + i) % self->capacity];
    self->head = (self->head + count) % self->capacity;
    self->count -= count;
    return count;
}

static void post_outcomes(local_backend *self, outcome *outcomes, size_t count)
{
    event *e = event_new_patiently(EVENT_OUTCOMES);
    e->outcomes = outcomes;
    e->outcome_count = count;
    self->sink.post(self->sink.arg, e);
}

static void run_one(slot *s, const known_plan *p, const task_spec *task, outcome *ret)
{
    if (p && p->plan) {
        atomic_store(&s->watched->plan, p->plan);
        runner_run(s->runner, p->plan, task, ret);
        atomic_store(&s->watched->plan, NULL);
        s->average_ns = s->average_ns ? (s->average_ns * 7 + ret->metrics.run_ns) / 8
                                      : ret->metrics.run_ns + 1;
        return;
    }
    rdd_error unknown;
    error_set(&unknown, RDD_E_PROTOCOL, "a task of stage %u, whose plan is not known", task->id.stage);
    *ret = (outcome){ .id = task->id };
    outcome_set_error(ret, OUTCOME_FAILED, p ? &p->error : &unknown);
}

static void run_batch(local_backend *self, slot *s, const task_spec *tasks, size_t count)
{
    outcome *outcomes = calloc_patiently(count, sizeof *outcomes);
    const known_plan *p = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!p || p->stage != tasks[i].id.stage) {
            pthread_mutex_lock(&self->mutex);
            p = find_plan_locked(self, tasks[i].id.stage);
            pthread_mutex_unlock(&self->mutex);
        }
        run_one(s, p, &tasks[i], &outcomes[i]);
    }
    post_outcomes(self, outcomes, count);
}

static void run_tasks(slot *s)
{
    local_backend *self = s->backend;
    task_spec tasks[TAKE_MAX];
    pthread_mutex_lock(&self->mutex);
    for (;;) {
        while (!self->count && !self->stopping)
            pthread_cond_wait(&self->work, &self->mutex);
        if (self->stopping)
            break;
        size_t count = take_locked(self, s, tasks);
        pthread_mutex_unlock(&self->mutex);
        run_batch(self, s, tasks, count);
        pthread_mutex_lock(&self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
}

/* Its tasks would never end: the program does, as after a crash. */
static void end_with_thread(void *arg)
{
    slot *s = arg;
    crash_blame(s->number, CRASH_THREAD);
    _exit(1);
}

static void *slot_main(void *arg)
{
    slot *s = arg;
    crash_thread_enter(s->number); /* without a stack of its own the handler knows less: go on */
    pthread_cleanup_push(end_with_thread, s);
    run_tasks(s);
    pthread_cleanup_pop(0);
    crash_thread_leave();
    return NULL;
}

/* ---- commands ------------------------------------------------------------------------------- */

static int local_start(backend *b, event_sink sink, rdd_error *err)
{
    local_backend *self = of(b);
    self->sink = sink;
    int watching = watch_crashes(self->slot_count, err);
    if (watching < 0)
        return watching;
    pthread_attr_t attr;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    for (uint32_t i = 0; i < self->slot_count; i++) {
        slot *s = &self->slots[i];
        s->backend = self;
        s->number = i;
        s->watched = &watched[i];
        int code = runner_new(&s->runner, &s->watched->state, err);
        int os = code < 0 ? 0 : pthread_create(&s->thread, &attr, slot_main, s);
        if (os)
            code = error_set_errno(err, RDD_E_LIMIT, os, "slot %u of %u cannot be started", i + 1,
                                   self->slot_count);
        if (code < 0) {
            s->runner = runner_free(s->runner);
            pthread_attr_destroy(&attr);
            return code;
        }
        self->started++;
    }
    pthread_attr_destroy(&attr);
    event *e = event_new(EVENT_EXECUTOR_UP);
    if (!e)
        return error_set_memory(err, "starting slots");
    e->slots = self->slot_count;
    sink.post(sink.arg, e);
    return 0;
}

static void local_plan(backend *b, uint32_t stage, rdd_str bytes)
{
    local_backend *self = of(b);
    known_plan *p = calloc_patiently(1, sizeof *p);
    p->stage = stage;
    if (plan_decode(&p->plan, bytes.data, bytes.size, &p->error) < 0)
        p->plan = NULL;
    pthread_mutex_lock(&self->mutex);
    p->next = self->plans;
    self->plans = p;
    pthread_mutex_unlock(&self->mutex);
}

static void known_plan_free(known_plan *p)
{
    plan_free(p->plan);
    free(p);
}

static void local_forget(backend *b, uint32_t stage)
{
    local_backend *self = of(b);
    known_plan *gone = NULL;
    pthread_mutex_lock(&self->mutex);
    for (known_plan **at = &self->plans; *at; at = &(*at)->next)
        if ((*at)->stage == stage) {
            gone = *at;
            *at = gone->next;
            break;
        }
    pthread_mutex_unlock(&self->mutex);
    if (gone)
        known_plan_free(gone);
}

static bool reserve_locked(local_backend *self, size_t more)
{
    if (self->count + more <= self->capacity)
        return true;
    size_t capacity = size_max(256, 2 * (self->count + more));
    task_spec *queue = malloc(capacity * sizeof *queue);
    if (!queue)
        return false;
    for (size_t i = 0; i < self->count; i++)
        queue[i] = self->queue[(self->head + i) % self->capacity];
    free(self->queue);
    self->queue = queue;
    self->head = 0;
    self->capacity = capacity;
    return true;
}

static void local_launch(backend *b, uint32_t executor UNUSED, uint32_t incarnation UNUSED,
                         const task_spec *tasks, size_t count)
{
    local_backend *self = of(b);
    pthread_mutex_lock(&self->mutex);
    while (!reserve_locked(self, count)) { /* the slots go on meanwhile, and give memory back */
        pthread_mutex_unlock(&self->mutex);
        nanosleep(&(struct timespec){ .tv_nsec = (long)NS_PER_MS }, NULL);
        pthread_mutex_lock(&self->mutex);
    }
    for (size_t i = 0; i < count; i++)
        self->queue[(self->head + self->count++) % self->capacity] = tasks[i];
    if (count > 1)
        pthread_cond_broadcast(&self->work);
    else
        pthread_cond_signal(&self->work);
    pthread_mutex_unlock(&self->mutex);
}

/* Takes the queued tasks of a stage out; gives their outcomes, to be posted without the lock. */
static outcome *drop_locked(local_backend *self, uint32_t stage, size_t *ret_count)
{
    outcome *dropped = calloc_patiently(self->count + 1, sizeof *dropped);
    size_t count = self->count, kept = 0;
    *ret_count = 0;
    for (size_t i = 0; i < count; i++) {
        task_spec task = self->queue[(self->head + i) % self->capacity];
        if (task.id.stage == stage)
            dropped[(*ret_count)++] = (outcome){ .id = task.id, .status = OUTCOME_CANCELLED };
        else
            self->queue[(self->head + kept++) % self->capacity] = task;
    }
    self->count = kept;
    return dropped;
}

static void local_cancel(backend *b, uint32_t executor UNUSED, uint32_t incarnation UNUSED,
                         uint32_t stage)
{
    local_backend *self = of(b);
    size_t count;
    pthread_mutex_lock(&self->mutex);
    outcome *dropped = drop_locked(self, stage, &count);
    known_plan *p = find_plan_locked(self, stage);
    if (p && p->plan)
        atomic_store(&p->plan->cancelled, true);
    pthread_mutex_unlock(&self->mutex);
    for (uint32_t i = 0; i < self->started; i++) {
        slot_state *s = &self->slots[i].watched->state;
        task_id id = { atomic_load(&s->stage), atomic_load(&s->partition), atomic_load(&s->attempt) };
        if (atomic_load(&s->busy) && id.stage == stage)
            runner_cancel(self->slots[i].runner, id);
    }
    if (count)
        post_outcomes(self, dropped, count);
    else
        free(dropped);
}

static uint64_t local_records(backend *b, uint32_t stage)
{
    local_backend *self = of(b);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < self->started; i++) {
        slot_state *s = &self->slots[i].watched->state;
        if (atomic_load(&s->busy) && atomic_load(&s->stage) == stage)
            sum += atomic_load(&s->records);
    }
    return sum;
}

static void local_cancel_task(backend *b UNUSED, uint32_t executor UNUSED, uint32_t incarnation UNUSED,
                              task_id id UNUSED)
{
    /* a task has a second attempt on another executor only, and there is none */
}

static void local_replace(backend *b UNUSED, uint32_t executor UNUSED, uint32_t incarnation UNUSED)
{
    /* threads cannot be replaced; the scheduler is told never to ask (cancel_wait_ns 0) */
}

static void local_stop(backend *b)
{
    local_backend *self = of(b);
    pthread_mutex_lock(&self->mutex);
    self->stopping = true;
    pthread_cond_broadcast(&self->work);
    pthread_mutex_unlock(&self->mutex);
    for (uint32_t i = 0; i < self->started; i++) {
        pthread_join(self->slots[i].thread, NULL);
        runner_free(self->slots[i].runner);
    }
    for (known_plan *p = self->plans, *next; p; p = next) {
        next = p->next;
        known_plan_free(p);
    }
    pthread_mutex_destroy(&self->mutex);
    pthread_cond_destroy(&self->work);
    free(self->queue);
    free(self);
}

static const backend_ops LOCAL_OPS = {
    .start = local_start,
    .plan = local_plan,
    .forget = local_forget,
    .launch = local_launch,
    .cancel = local_cancel,
    .cancel_task = local_cancel_task,
    .replace = local_replace,
    .records = local_records,
    .stop = local_stop,
};

int backend_local_new(backend **ret, uint32_t slots, rdd_error *err)
{
    local_backend *self = calloc(1, sizeof *self + slots * sizeof(slot));
    if (!self)
        return error_set_memory(err, "starting slots");
    self->base.ops = &LOCAL_OPS;
    self->slot_count = slots;
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->work, NULL);
    *ret = &self->base;
    return 0;
}
