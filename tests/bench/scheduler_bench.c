/* scheduler_bench.c: what a task costs in the scheduler alone: assigned, come back, accepted.
 *
 *   scheduler_bench [TASKS [EXECUTORS [BATCH]]]     default: 1000000 2 256
 *
 * Executors of four slots that take no time: each has its queue, and hands back BATCH outcomes at a
 * time. Prints the time in scheduler_step() alone, and with this program's own part.
 */
#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "scheduler.h"

enum { SLOTS = 4, EXECUTORS_MAX = 1024, BATCH_MAX = 8192 };

typedef struct queue {
    task_id *tasks; /* ring; of a power of two */
    size_t first, count;
} queue;

enum { QUEUE_SIZE = 8192 };

static queue queues[EXECUTORS_MAX];
static uint64_t step_ns;
static size_t accepted, steps;
static bool done;

static void step(scheduler *s, event *e, command_list *out)
{
    uint64_t start = clock_now_ns();
    if (scheduler_step(s, e, start, out) < 0)
        abort();
    step_ns += clock_now_ns() - start;
    steps++;
    for (size_t i = 0; i < out->count; i++) {
        const command *c = &out->items[i];
        queue *q = &queues[c->executor];
        switch (c->kind) {
        case COMMAND_LAUNCH:
            for (size_t t = 0; t < c->count; t++)
                q->tasks[(q->first + q->count++) % QUEUE_SIZE] = c->tasks[t].id;
            ASSERT(q->count <= QUEUE_SIZE);
            break;
        case COMMAND_ACCEPT:
            accepted++;
            break;
        case COMMAND_JOB_DONE:
            ASSERT(c->error->code == RDD_OK);
            done = true;
            break;
        default:
            break;
        }
    }
}

static size_t number(int argc, char **argv, int at, size_t otherwise, size_t max)
{
    size_t n = argc > at ? strtoull(argv[at], NULL, 10) : otherwise;
    return size_min(size_max(n, 1), max);
}

int main(int argc, char **argv)
{
    size_t tasks = number(argc, argv, 1, 1000000, 1 << 28);
    size_t executors = number(argc, argv, 2, 2, EXECUTORS_MAX);
    size_t batch = number(argc, argv, 3, 256, BATCH_MAX);
    scheduler_conf conf = scheduler_conf_default();
    scheduler *s = scheduler_new(&conf);
    command_list out = { 0 };
    static outcome outcomes[BATCH_MAX];
    ASSERT(s);
    for (uint32_t i = 0; i < executors; i++) {
        queues[i].tasks = calloc(QUEUE_SIZE, sizeof(task_id));
        ASSERT(queues[i].tasks);
        step(s, &(event){ .kind = EVENT_EXECUTOR_UP, .executor = i, .slots = SLOTS }, &out);
    }
    step_ns = steps = 0;
    uint64_t start = clock_now_ns();
    event submit = { .kind = EVENT_JOB_SUBMIT, .job = job_spec_new(1) };
    ASSERT(submit.job);
    submit.job->stages[0].task_count = (uint32_t)tasks;
    step(s, &submit, &out);
    for (uint32_t i = 0; !done; i = (uint32_t)((i + 1) % executors)) {
        queue *q = &queues[i];
        size_t count = size_min(q->count, batch);
        for (size_t o = 0; o < count; o++)
            outcomes[o] = (outcome){ .id = q->tasks[(q->first + o) % QUEUE_SIZE],
                                     .metrics.run_ns = 100 };
        q->first += count;
        q->count -= count;
        event e = { .kind = EVENT_OUTCOMES, .executor = i, .outcomes = outcomes,
                    .outcome_count = count };
        if (count)
            step(s, &e, &out);
    }
    uint64_t all_ns = clock_now_ns() - start;
    ASSERT(accepted == tasks);
    ASSERT(scheduler_is_idle(s));
    printf("%zu tasks, %zu executors, batches of %zu: %.0f ns per task in %zu steps (%.1f M/s); "
           "with this program %.0f ns\n", tasks, executors, batch, (double)step_ns / (double)tasks,
           steps, (double)tasks * 1e3 / (double)step_ns, (double)all_ns / (double)tasks);
    for (size_t i = 0; i < executors; i++)
        free(queues[i].tasks);
    command_list_release(&out);
    scheduler_free(s);
    return 0;
}
