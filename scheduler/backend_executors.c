/* backend_executors.c: what the scheduler wants of its executors, and their life as a whole. */
#include "executor_thread.h"

#include "conf.h"
#include "event.h"
#include "registry.h"

#include <errno.h>
#include <stdio.h>
#include <sys/eventfd.h>

static executors_backend *of(backend *b)
{
    return (executors_backend *)b;
}

/* -- What the scheduler wants ------------------------------------------------------------------ */

static void executors_plan(backend *base, uint32_t stage, rdd_str plan)
{
    executors_backend *b = of(base);
    pthread_mutex_lock(&b->mutex);
    if (b->plan_count == b->plan_capacity) {
        size_t capacity = b->plan_capacity ? b->plan_capacity * 2 : 8;
        staged_plan *grown = calloc_patiently(capacity, sizeof *grown);
        if (b->plan_count)
            memcpy(grown, b->plans, b->plan_count * sizeof *grown);
        free(b->plans);
        b->plans = grown;
        b->plan_capacity = capacity;
    }
    b->plans[b->plan_count++] = (staged_plan){ stage, plan };
    for (uint32_t i = 0; i < b->count; i++) {
        executor *e = &b->executors[i];
        pthread_mutex_lock(&e->mutex);
        if (e->connection)
            connection_plan(e->connection, stage, plan);
        pthread_mutex_unlock(&e->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
}

static void executors_forget(backend *base, uint32_t stage)
{
    executors_backend *b = of(base);
    pthread_mutex_lock(&b->mutex);
    for (size_t i = 0; i < b->plan_count; i++)
        if (b->plans[i].stage == stage)
            b->plans[i--] = b->plans[--b->plan_count];
    for (uint32_t i = 0; i < b->count; i++) {
        executor *e = &b->executors[i];
        pthread_mutex_lock(&e->mutex);
        if (e->connection) {
            connection_forget(e->connection, stage);
            executor_wake_locked(e);
        }
        pthread_mutex_unlock(&e->mutex);
    }
    pthread_mutex_unlock(&b->mutex);
}

/* The executor, locked, if that incarnation of it is up. */
static executor *lock_up(backend *base, uint32_t number, uint32_t incarnation)
{
    executors_backend *b = of(base);
    ASSERT(number < b->count);
    executor *e = &b->executors[number];
    pthread_mutex_lock(&e->mutex);
    if (e->connection && e->slots && e->incarnation == incarnation)
        return e;
    pthread_mutex_unlock(&e->mutex);
    return NULL;
}

static void executors_launch(backend *base, uint32_t number, uint32_t incarnation,
                           const task_spec *tasks, size_t count)
{
    executor *e = lock_up(base, number, incarnation);
    if (!e)
        return;
    connection_launch(e->connection, tasks, count);
    executor_wake_locked(e);
    pthread_mutex_unlock(&e->mutex);
}

static void executors_cancel(backend *base, uint32_t number, uint32_t incarnation, uint32_t stage)
{
    executor *e = lock_up(base, number, incarnation);
    if (!e)
        return;
    connection_cancel(e->connection, stage);
    executor_wake_locked(e);
    pthread_mutex_unlock(&e->mutex);
}

static void executors_cancel_task(backend *base, uint32_t number, uint32_t incarnation, task_id id)
{
    executor *e = lock_up(base, number, incarnation);
    if (!e)
        return;
    connection_cancel_task(e->connection, id);
    executor_wake_locked(e);
    pthread_mutex_unlock(&e->mutex);
}

static void wake_thread(executor *e)
{
    uint64_t one = 1;
    ssize_t written = write(e->wake_fd, &one, sizeof one);
    (void)written; /* full means that it wakes up anyway */
}

static void executors_start_executor(backend *base, uint32_t number)
{
    executors_backend *b = of(base);
    ASSERT(number < b->count);
    executor *e = &b->executors[number];
    pthread_mutex_lock(&e->mutex);
    e->wanted = true;
    wake_thread(e);
    pthread_mutex_unlock(&e->mutex);
}

/* Also while it starts, or waits to be started again. */
static void executors_release_executor(backend *base, uint32_t number, uint32_t incarnation UNUSED)
{
    executors_backend *b = of(base);
    ASSERT(number < b->count);
    executor *e = &b->executors[number];
    pthread_mutex_lock(&e->mutex);
    e->wanted = false;
    e->release = true;
    wake_thread(e);
    pthread_mutex_unlock(&e->mutex);
}

static void executors_replace(backend *base, uint32_t number, uint32_t incarnation)
{
    executor *e = lock_up(base, number, incarnation);
    if (!e)
        return;
    e->replace = true;
    executor_wake_locked(e);
    pthread_mutex_unlock(&e->mutex);
}

/* The desk's, from its thread. */
static void send_calls(void *arg, uint32_t number, uint32_t incarnation, rdd_str frames)
{
    executors_backend *b = arg;
    for (uint32_t i = 0; i < b->count; i++) {
        executor *e = &b->executors[i];
        if (number != CALL_DESK_ALL && number != i)
            continue;
        pthread_mutex_lock(&e->mutex);
        if (e->connection && e->slots &&
            (number == CALL_DESK_ALL || e->incarnation == incarnation)) {
            buf_append(&connection_channel(e->connection)->control, frames.data, frames.size);
            executor_wake_locked(e);
        }
        pthread_mutex_unlock(&e->mutex);
    }
}

/* As of the last heartbeats. */
static uint64_t executors_records(backend *base, uint32_t stage)
{
    executors_backend *b = of(base);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < b->count; i++) {
        executor *e = &b->executors[i];
        pthread_mutex_lock(&e->mutex);
        if (e->connection)
            sum += connection_records(e->connection, stage);
        pthread_mutex_unlock(&e->mutex);
    }
    return sum;
}

/* -- Life -------------------------------------------------------------------------------------- */

static int post_added(executors_backend *b, uint32_t number, rdd_error *err)
{
    event *ev = event_new(EVENT_EXECUTOR_ADDED);
    if (!ev)
        return error_set_memory(err, "starting executors");
    ev->executor = number;
    b->sink.post(b->sink.arg, ev);
    return 0;
}

static int start_thread(executor *e, bool wanted, rdd_error *err)
{
    e->wanted = wanted;
    int error = pthread_create(&e->thread, NULL, executor_thread, e);
    if (error)
        return error_set_errno(err, RDD_E_LIMIT, error, "a thread could not be started");
    e->backend->started++;
    return 0;
}

static int executors_start(backend *base, event_sink sink, rdd_error *err)
{
    executors_backend *b = of(base);
    b->sink = sink;
    int code = executor_log_start(&b->log, b->print, b->print_arg, err);
    while (code == 0 && b->started < b->count)
        code = start_thread(&b->executors[b->started], !b->on_demand, err);
    for (uint32_t i = 0; code == 0 && b->on_demand && i < b->count; i++)
        code = post_added(b, i, err);
    return code;
}

static void release_executor(executor *e)
{
    closep(&e->wake_fd);
    pthread_mutex_destroy(&e->mutex);
    e->place->ops->free(e->place);
    free(e->lines);
}

static void free_backend(executors_backend *b)
{
    call_desk_free(b->calls);
    for (uint32_t i = 0; i < b->count; i++)
        release_executor(&b->executors[i]);
    pthread_mutex_destroy(&b->mutex);
    buf_release(&b->conf);
    free(b->plans);
    free(b);
}

static void executors_stop(backend *base)
{
    executors_backend *b = of(base);
    atomic_store_explicit(&b->stopping, true, memory_order_release);
    for (uint32_t i = 0; i < b->started; i++)
        wake_thread(&b->executors[i]);
    for (uint32_t i = 0; i < b->started; i++)
        pthread_join(b->executors[i].thread, NULL);
    if (b->log.started)
        executor_log_stop(&b->log);
    free_backend(b);
}

static void free_places(place **places, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        places[i]->ops->free(places[i]);
}

/* Makes room for one executor; what is missing shows in its members. */
static bool prepare(executors_backend *b, uint32_t number, place *p)
{
    executor *e = &b->executors[number];
    *e = (executor){ .backend = b, .number = number, .place = p,
                     .wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK),
                     .lines = calloc(1, sizeof *e->lines) };
    pthread_mutex_init(&e->mutex, NULL);
    return e->wake_fd >= 0 && e->lines;
}

int backend_executors_new(backend **ret, place **places, uint32_t count, uint32_t room, rdd_error *err)
{
    static const backend_ops ops = {
        .start = executors_start,
        .plan = executors_plan,
        .forget = executors_forget,
        .launch = executors_launch,
        .cancel = executors_cancel,
        .cancel_task = executors_cancel_task,
        .start_executor = executors_start_executor,
        .release_executor = executors_release_executor,
        .replace = executors_replace,
        .records = executors_records,
        .stop = executors_stop,
    };
    executors_backend *b = calloc(1, sizeof *b + ((size_t)count + room) * sizeof b->executors[0]);
    if (!b) {
        free_places(places, count);
        return error_set_memory(err, "starting executors");
    }
    b->base.ops = &ops;
    b->room = count + room;
    b->digest = registry_digest();
    b->build_id = registry_build_id();
    conf_encode(&b->conf);
    pthread_mutex_init(&b->mutex, NULL);
    bool ready = !b->conf.failed && call_desk_new(&b->calls, send_calls, b, err) == 0;
    for (; b->count < count; b->count++)
        ready = prepare(b, b->count, places[b->count]) && ready;
    if (!ready) {
        int error = b->conf.failed ? ENOMEM : errno;
        free_backend(b);
        if (error == ENOMEM)
            return error_set_memory(err, "starting executors");
        return error_set_errno(err, RDD_E_LIMIT, error, "executors could not be prepared");
    }
    *ret = &b->base;
    return 0;
}

int backend_process_new(backend **ret, uint32_t executors, uint32_t slots, rdd_error *err)
{
    CLEANUP(freep) place **places = calloc(executors, sizeof(place *));
    if (!places)
        return error_set_memory(err, "starting executors");
    for (uint32_t i = 0; i < executors; i++) {
        int code = place_process_new(&places[i], i, slots, err);
        if (code < 0) {
            free_places(places, i);
            return code;
        }
    }
    return backend_executors_new(ret, places, executors, 0, err);
}

int backend_executors_add(backend *base, uint32_t number, place *p, rdd_error *err)
{
    executors_backend *b = of(base);
    int code = 0;
    ASSERT(number == b->count);
    if (number >= b->room)
        code = error_set(err, RDD_E_LIMIT, "there is no room for more than %u executors", b->room);
    else if (!prepare(b, number, p))
        code = error_set_memory(err, "adding an executor");
    if (number >= b->room)
        p->ops->free(p);
    if (code == 0)
        code = start_thread(&b->executors[number], false, err); /* until it is asked for */
    if (code == 0) {
        b->count++;
        return post_added(b, number, err);
    }
    if (number < b->room)
        release_executor(&b->executors[number]);
    return code;
}

void backend_executors_post(backend *base, uint32_t number, event_kind kind)
{
    executors_backend *b = of(base);
    event *ev = event_new_patiently(kind);
    ev->executor = number;
    b->sink.post(b->sink.arg, ev);
}

const char *backend_executors_name(backend *base, uint32_t number)
{
    return of(base)->executors[number].place->name;
}

void backend_executors_on_demand(backend *base)
{
    of(base)->on_demand = true;
}

void backend_executors_set_log(backend *base, executor_log_print print, void *arg)
{
    of(base)->print = print;
    of(base)->print_arg = arg;
}

void backend_executors_set_files(backend *base, struct file_server *files)
{
    of(base)->files = files;
}

void backend_executors_set_journal(backend *base, call_journal *j)
{
    call_desk_set_journal(of(base)->calls, j);
}

pid_t backend_executors_pid(backend *base, uint32_t number)
{
    executor *e = &of(base)->executors[number];
    pthread_mutex_lock(&e->mutex);
    pid_t pid = e->pid;
    pthread_mutex_unlock(&e->mutex);
    return pid;
}
