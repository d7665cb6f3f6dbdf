/* executor_rig.h: a backend of processes under test: its events, tasks for the fake runner, FIFOs
 * that tasks wait at, and processes that must end. Everything waits for events, never for time. */
#ifndef RDD_EXECUTOR_RIG_H
#define RDD_EXECUTOR_RIG_H

#include "backend.h"
#include "backend_executors.h"
#include "clock.h"
#include "conf.h"
#include "entry.h"
#include "event.h"
#include "fake_runner.h"
#include "registry.h"

#include "test.h"

#include <sys/stat.h>
#include <sys/syscall.h>

enum { PATIENCE_S = 60 }; /* far past what anything here takes; then the test fails */

typedef struct rig {
    backend *backend;
    mailbox box;
    uint32_t executors;
    uint32_t incarnation[8];
    uint32_t next_partition;
    pthread_mutex_t mutex;
    pthread_cond_t printed;
    buf lines; /* what executors printed; under the mutex */
    char paths[8][512];
} rig;

/* Executors with these settings; the first test to ask for a setting sets it for all that
 * follow. */
TEST_HELPER void rig_conf(const char *pair)
{
    rdd_error err;
    assert_int_equal(conf_set_pair(pair, &err), 0);
}

TEST_HELPER void rig_defaults(void)
{
    rig_conf("task.kill_grace=5s");
    rig_conf("executor.heartbeat=1s");
    rig_conf("executor.timeout=60s");
    rig_conf("executor.slots_per_process=0");
    rig_conf("driver.result_max=1GiB");
}

TEST_HELPER void rig_post(void *arg, event *e)
{
    rig *r = arg;
    if (!mailbox_post(&r->box, &e->node))
        event_free(e);
}

TEST_HELPER void rig_print(void *arg, const char *text, size_t size)
{
    rig *r = arg;
    pthread_mutex_lock(&r->mutex);
    buf_append(&r->lines, text, size);
    pthread_cond_signal(&r->printed);
    pthread_mutex_unlock(&r->mutex);
}

/* The next event; the test fails when none comes. */
TEST_HELPER event *rig_next(rig *r)
{
    static mailbox_node *rest;
    static const rig *rest_of;
    if (rest_of != r)
        rest = NULL;
    rest_of = r;
    if (!rest)
        rest = mailbox_take_all(&r->box, PATIENCE_S * NS_PER_S);
    assert_non_null(rest);
    event *e = MAILBOX_OWNER(rest, event, node);
    rest = rest->next;
    return e;
}

TEST_HELPER event *rig_expect(rig *r, event_kind kind)
{
    event *e = rig_next(r);
    if (e->kind != kind)
        fprintf(stderr, "an event of kind %d came: %s\n", (int)e->kind, e->error.message);
    assert_int_equal(e->kind, kind);
    return e;
}

TEST_HELPER void rig_expect_up(rig *r)
{
    event *e = rig_expect(r, EVENT_EXECUTOR_UP);
    r->incarnation[e->executor] = e->incarnation;
    event_free(e);
}

/* Takes over a backend that was not started. */
TEST_HELPER void rig_start_backend(rig *r, backend *b, uint32_t executors)
{
    rdd_error err;
    *r = (rig){ .executors = executors, .backend = b };
    pthread_mutex_init(&r->mutex, NULL);
    pthread_cond_init(&r->printed, NULL);
    mailbox_init(&r->box, 4096);
    backend_executors_set_log(r->backend, rig_print, r);
    assert_int_equal(r->backend->ops->start(r->backend, (event_sink){ rig_post, r }, &err), 0);
}

TEST_HELPER void rig_start(rig *r, uint32_t executors, uint32_t slots)
{
    rdd_error err;
    backend *b;
    assert_int_equal(backend_process_new(&b, executors, slots, &err), 0);
    rig_start_backend(r, b, executors);
}

TEST_HELPER void rig_start_up(rig *r, uint32_t executors, uint32_t slots)
{
    rig_start(r, executors, slots);
    for (uint32_t i = 0; i < executors; i++)
        rig_expect_up(r);
    static const char text[] = "operator fake (fake.c:7)";
    r->backend->ops->plan(r->backend, 1, (rdd_str){ sizeof text - 1, text });
    r->backend->ops->plan(r->backend, 2, (rdd_str){ sizeof text - 1, text });
}

TEST_HELPER void rig_stop(rig *r)
{
    mailbox_close(&r->box);
    r->backend->ops->stop(r->backend);
    for (mailbox_node *n = mailbox_take_all(&r->box, 0), *next; n; n = next) {
        next = n->next;
        event_free(MAILBOX_OWNER(n, event, node));
    }
    mailbox_release(&r->box);
    const char *lines = buf_terminate(&r->lines);
    bool sane = !strstr(lines, "Sanitizer") && !strstr(lines, "when told to end");
    if (!sane)
        fputs(lines, stderr);
    assert_true(sane);
    buf_release(&r->lines);
    pthread_cond_destroy(&r->printed);
    pthread_mutex_destroy(&r->mutex);
}

/* -- Tasks ------------------------------------------------------------------------------------- */

/* Launches one task; its number. `payload` lives until the test ends. */
TEST_HELPER task_id rig_launch_stage(rig *r, uint32_t stage, uint32_t executor,
                                     const char *payload)
{
    task_spec t = { .id = { stage, r->next_partition++, 3 }, .payload = rdd_str_of(payload) };
    r->backend->ops->launch(r->backend, executor, r->incarnation[executor], &t, 1);
    return t.id;
}

TEST_HELPER task_id rig_launch(rig *r, uint32_t executor, const char *payload)
{
    return rig_launch_stage(r, 1, executor, payload);
}

/* Outcomes of `count` tasks, in the order of their launch from `first` on; each exactly once. */
TEST_HELPER void rig_outcomes(rig *r, task_id first, size_t count, outcome *ret)
{
    bool *seen = calloc(count, sizeof *seen);
    for (size_t left = count; left;) {
        event *e = rig_expect(r, EVENT_OUTCOMES);
        for (size_t i = 0; i < e->outcome_count; i++) {
            size_t at = e->outcomes[i].id.partition - first.partition;
            assert_true(at < count);
            assert_false(seen[at]);
            seen[at] = true;
            ret[at] = e->outcomes[i];
            left--;
        }
        e->outcome_count = 0;
        event_free(e);
    }
    free(seen);
}

TEST_HELPER void expect_status(const outcome *o, outcome_status status)
{
    if (o->status != status)
        fprintf(stderr, "status %d, expected %d: %s\n", (int)o->status, (int)status,
                o->error ? o->error->message : "no error");
    assert_int_equal(o->status, status);
}

TEST_HELPER void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part))
        fprintf(stderr, "\"%s\" should hold \"%s\"\n", text, part);
    assert_non_null(strstr(text, part));
}

/* One task, and what comes of it. */
TEST_HELPER outcome rig_run(rig *r, uint32_t executor, const char *payload)
{
    outcome o;
    rig_outcomes(r, rig_launch(r, executor, payload), 1, &o);
    return o;
}

/* The executor still works. */
TEST_HELPER void expect_alive(rig *r, uint32_t executor)
{
    outcome o = rig_run(r, executor, "ehello");
    expect_status(&o, OUTCOME_OK);
    assert_int_equal(o.result_size, 5);
    assert_memory_equal(outcome_result(&o), "hello", 5);
    outcome_release(&o);
}

/* Waits until executors printed a text. */
TEST_HELPER void rig_wait_for_line(rig *r, const char *part)
{
    struct timespec deadline;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += PATIENCE_S;
    int late = 0;
    pthread_mutex_lock(&r->mutex);
    while (!late && !strstr(buf_terminate(&r->lines), part))
        late = pthread_cond_timedwait(&r->printed, &r->mutex, &deadline);
    if (late)
        fprintf(stderr, "no \"%s\" in what executors printed:\n%s\n", part, r->lines.data);
    pthread_mutex_unlock(&r->mutex);
    assert_int_equal(late, 0);
}

/* -- FIFOs ------------------------------------------------------------------------------------- */

/* A new FIFO, and a payload for a task that waits at it. */
TEST_HELPER const char *rig_fifo(rig *r, size_t index, char letter)
{
    char *text = r->paths[index];
    static unsigned number;
    char name[32];
    snprintf(name, sizeof name, "fifo%u", number++);
    snprintf(text, sizeof r->paths[0], "%c%s", letter, test_path(name));
    assert_int_equal(mkfifo(text + 1, 0600), 0);
    return text;
}

/* Returns when the task is there; closing the descriptor lets it go on. */
TEST_HELPER int rig_meet(const char *payload)
{
    int fd = open(payload + 1, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

/* -- Processes --------------------------------------------------------------------------------- */

/* A descriptor of a process that is about to end; it need not be a child. */
TEST_HELPER int process_open(pid_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0 && errno != ESRCH)
        perror("pidfd_open");
    return fd;
}

/* Waits until it has ended; -1 is one that had ended before. */
TEST_HELPER void process_expect_end(int pidfd)
{
    if (pidfd < 0)
        return;
    struct pollfd p = { .fd = pidfd, .events = POLLIN };
    assert_int_equal(poll(&p, 1, PATIENCE_S * 1000), 1);
    close(pidfd);
}

/* The children of a process. */
TEST_HELPER size_t process_children(pid_t pid, pid_t *ret, size_t max)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "re");
    size_t count = 0;
    while (file && count < max && fscanf(file, "%d", &ret[count]) == 1)
        count++;
    if (file)
        fclose(file);
    return count;
}

/* The supervisor of an executor: the child of the process that was started; 0 when it is not up. */
TEST_HELPER pid_t rig_supervisor(const rig *r, uint32_t executor)
{
    pid_t guardian = backend_executors_pid(r->backend, executor), supervisor = 0;
    return guardian && process_children(guardian, &supervisor, 1) == 1 ? supervisor : 0;
}

/* What main does first in every process. */
TEST_HELPER void rig_main(int *argc, char **argv)
{
    if (registry_seal(NULL) < 0)
        exit(2);
    if (getenv("RDD_TEST_NO_INIT") && entry_is_executor())
        exit(2); /* a program that ends before rdd_init */
    executor_entry(argc, argv);
}

#endif
