/* fake_runner.h: a runner and plans for tests of executors. Included by one file of a test program,
 * instead of the real ones.
 *
 * A plan is a name, which labels all its nodes. What a task does is in its payload: a letter, and
 * what belongs to it. A path is a FIFO: the task says so there, and waits until it is closed.
 *
 *   ""  nothing                         eTEXT  gives TEXT back
 *   rN  a result of N bytes             fTEXT  fails with TEXT
 *   wPATH  waits, ends when cancelled   iPATH  the same, and ignores cancelling
 *   c   SIGSEGV    a  abort()    z  SIGFPE              o  stack overflow    k  SIGKILL
 *   xN  _exit(N)   XN exit(N)    d  closes all descriptors but 0-2    t  pthread_exit()
 *   pN  prints N lines
 *   sPATH  leaves a child in a session of its own, which writes its number to PATH.pid; then as i,
 *          then SIGKILL
 */
#ifndef RDD_FAKE_RUNNER_H
#define RDD_FAKE_RUNNER_H

#include "error.h"
#include "runner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>

/* -- Plans ------------------------------------------------------------------------------------- */

int plan_decode(plan **ret, const void *bytes, size_t size, rdd_error *err)
{
    if (size >= 3 && memcmp(bytes, "bad", 3) == 0)
        return error_set(err, RDD_E_PROTOCOL, "this plan is bad");
    plan *p = calloc(1, sizeof *p);
    char *name = malloc(size + 1);
    if (!p || !name)
        abort();
    if (size)
        memcpy(name, bytes, size);
    name[size] = 0;
    p->act.text = (rdd_str){ size, name };
    *ret = p;
    return 0;
}

void *plan_free(plan *p)
{
    if (p)
        free((void *)(uintptr_t)p->act.text.data);
    free(p);
    return NULL;
}

const char *plan_node_label(const plan *p, uint32_t node)
{
    (void)node;
    return p->act.text.data;
}

/* -- The runner -------------------------------------------------------------------------------- */

struct runner {
    slot_state *state;
    int cancel_fd;
};

int runner_new(runner **ret, slot_state *state, rdd_error *err)
{
    if (getenv("RDD_TEST_NO_RUNNER"))
        return error_set(err, RDD_E_IO, "this runner does not start");
    runner *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    *r = (runner){ state, eventfd(0, EFD_CLOEXEC) };
    *ret = r;
    return 0;
}

void *runner_free(runner *r)
{
    if (r)
        close(r->cancel_fd);
    free(r);
    return NULL;
}

void runner_set_files(runner *r, struct remote_files *files)
{
    (void)r, (void)files;
}

void runner_lend(runner *r, char *heap)
{
    (void)r;
    free(heap);
}

void runner_nudge(runner *r)
{
    (void)r;
}

void runner_cancel(runner *r, task_id id)
{
    uint64_t one = 1;
    if (atomic_load(&r->state->busy) && atomic_load(&r->state->partition) == id.partition &&
        write(r->cancel_fd, &one, sizeof one) < 0)
        abort();
}

/* Opening says that the task runs, the end of the FIFO that it may go on. */
static void fake_wait(runner *r, const char *path, bool heed, outcome *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte;
    struct pollfd polls[] = { { fd, POLLIN, 0 }, { heed ? r->cancel_fd : -1, POLLIN, 0 } };
    while (poll(polls, 2, -1) > 0 || errno == EINTR) {
        if (polls[1].revents) {
            ret->status = OUTCOME_CANCELLED;
            uint64_t count;
            if (read(r->cancel_fd, &count, sizeof count) < 0)
                abort();
            break;
        }
        if (polls[0].revents && read(fd, &byte, 1) <= 0)
            break;
    }
    close(fd);
}

/* Writes its number where the test reads it, and stays with everything it inherited open. */
static void fake_stray(const char *path)
{
    int pid = fork();
    if (pid == 0) {
        char number_path[512];
        setsid();
        snprintf(number_path, sizeof number_path, "%s.pid", path);
        int fd = open(number_path, O_WRONLY);
        dprintf(fd, "%d\n", (int)getpid());
        close(fd);
        for (;;)
            pause();
    }
}

static void fake_result(outcome *ret, size_t size)
{
    char *bytes = malloc(size + 1);
    if (!bytes)
        abort();
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(i * 7 + i / 251);
    outcome_set_result(ret, bytes, size, bytes);
}

static volatile int fake_zero;

/* The compiler cannot know that this never ends. */
__attribute__((noinline)) static int fake_overflow(volatile char *above)
{
    volatile char bytes[4096];
    bytes[0] = above ? above[0] : 1;
    return fake_zero ? 0 : fake_overflow(bytes) + bytes[0];
}

static void fake_crash(char how, int number)
{
    switch (how) {
    case 'c': *(volatile int *)(uintptr_t)(fake_zero + 16) = 1; break;
    case 'a': abort();
    case 'z': raise(SIGFPE); break;
    case 'o': fake_overflow(NULL); break;
    case 'k': kill(getpid(), SIGKILL); break;
    case 'x': _exit(number);
    case 'X': exit(number);
    case 't': pthread_exit(NULL);
    default: break;
    }
}

static void fake_run(runner *r, const char *payload, outcome *ret)
{
    const char *rest = *payload ? payload + 1 : payload;
    rdd_error err;
    switch (*payload) {
    case 'e': {
        char *copy = strdup(rest);
        outcome_set_result(ret, copy, strlen(rest), copy);
        break;
    }
    case 'r': fake_result(ret, strtoul(rest, NULL, 10)); break;
    case 'f':
        error_set(&err, RDD_E_USER, "%s", rest);
        outcome_set_error(ret, OUTCOME_FAILED, &err);
        break;
    case 'w': fake_wait(r, rest, true, ret); break;
    case 'i': fake_wait(r, rest, false, ret); break;
    case 's':
        fake_stray(rest);
        fake_wait(r, rest, false, ret); /* until the test has read the stray's number */
        kill(getpid(), SIGKILL);
        break;
    case 'd':
        for (int fd = 3; fd < 1024; fd++)
            syscall(SYS_close, fd); /* behind the thread sanitizer's back: it would tell */
        break;
    case 'p':
        for (long i = 0, count = strtol(rest, NULL, 10); i < count; i++)
            printf("line %ld\n", i);
        fprintf(stderr, "to stderr\n");
        break;
    default: fake_crash(*payload, (int)strtol(rest, NULL, 10));
    }
}

void runner_run(runner *r, const plan *p, const task_spec *task, outcome *ret)
{
    (void)p;
    *ret = (outcome){ .id = task->id, .metrics = { .run_ns = 1000, .records = 1 } };
    slot_state *s = r->state;
    atomic_store(&s->stage, task->id.stage);
    atomic_store(&s->partition, task->id.partition);
    atomic_store(&s->attempt, task->id.attempt);
    atomic_store(&s->node, 1);
    atomic_store(&s->batch, 17);
    atomic_store(&s->busy, 1);
    if (task->payload.size) {
        char *payload = strndup(task->payload.data, task->payload.size);
        fake_run(r, payload, ret);
        free(payload);
    }
    atomic_store(&s->busy, 0);
}

#endif
