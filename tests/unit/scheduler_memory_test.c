/* The scheduler without memory: each of its allocations fails in turn, and nothing is lost
 * silently: a job ends with RDD_E_MEMORY, or the step says so. Linked with malloc wrapped. */
#include "clock.h"
#include "scheduler.h"

#include "test.h"

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);

static size_t allocations_left = SIZE_MAX; /* until one fails */
static bool counting, failed;

static bool fails_now(void)
{
    if (!counting || allocations_left-- > 0)
        return false;
    allocations_left = SIZE_MAX;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails_now() ? NULL : __real_realloc(block, size);
}

enum { EXECUTORS = 3, TASKS = 300 };

typedef struct scene {
    scheduler *s;
    command_list out;
    uint64_t now_ns;
    uint32_t incarnations[EXECUTORS];
    task_id held[EXECUTORS][TASKS];
    size_t held_count[EXECUTORS];
    int jobs_done;
    bool memory; /* somebody said so */
} scene;

static void step(scene *w, event *e)
{
    if (!w->s) {
        job_spec_free(e->job);
        return;
    }
    counting = true;
    int code = scheduler_step(w->s, e, ++w->now_ns, &w->out);
    counting = false;
    job_spec_free(e->job);
    for (size_t i = 0; i < w->out.count && code == 0; i++) {
        const command *c = &w->out.items[i];
        for (size_t t = 0; c->kind == COMMAND_LAUNCH && t < c->count; t++)
            w->held[c->executor][w->held_count[c->executor]++] = c->tasks[t].id;
        if (c->kind == COMMAND_JOB_DONE) {
            w->jobs_done++;
            w->memory |= c->error->code == RDD_E_MEMORY;
            assert_true(c->error->code == RDD_OK || c->error->code == RDD_E_MEMORY);
        }
    }
    if (code == 0) {
        scheduler_check(w->s);
        return;
    }
    assert_int_equal(code, RDD_E_MEMORY);
    assert_int_equal(w->out.count, 0);
    event tick = { .kind = EVENT_TICK };
    assert_int_equal(scheduler_step(w->s, &tick, ++w->now_ns, &w->out), RDD_E_MEMORY);
    assert_int_equal(w->out.count, 0);
    assert_true(scheduler_next_deadline(w->s) == CLOCK_NEVER);
    w->memory = true;
    w->s = scheduler_free(w->s);
}

static void up(scene *w, uint32_t executor)
{
    step(w, &(event){ .kind = EVENT_EXECUTOR_UP, .executor = executor, .slots = 2,
                      .incarnation = ++w->incarnations[executor] });
}

static void lose(scene *w, uint32_t executor)
{
    event e = { .kind = EVENT_EXECUTOR_LOST, .executor = executor,
                .incarnation = w->incarnations[executor] };
    error_set(&e.error, RDD_E_LOST, "gone");
    w->held_count[executor] = 0;
    step(w, &e);
}

/* All that an executor holds ends; some tasks not well, the first time. */
static void answer(scene *w, uint32_t executor)
{
    outcome outcomes[TASKS] = { 0 };
    size_t count = w->held_count[executor];
    for (size_t i = 0; i < count; i++) {
        outcome *o = &outcomes[i];
        o->id = w->held[executor][i];
        o->status = o->id.attempt > 1             ? OUTCOME_OK
                    : o->id.partition % 5 == 1    ? OUTCOME_FAILED
                    : o->id.partition % 50 == 3 ? OUTCOME_LOST
                                                  : OUTCOME_OK;
        o->suspect = o->status == OUTCOME_LOST;
    }
    w->held_count[executor] = 0;
    step(w, &(event){ .kind = EVENT_OUTCOMES, .executor = executor, .outcomes = outcomes,
                      .incarnation = w->incarnations[executor], .outcome_count = count });
}

static uint32_t likes(void *arg UNUSED, uint32_t partition)
{
    return partition % (EXECUTORS + 1) < EXECUTORS ? partition % (EXECUTORS + 1) : EXECUTOR_ANY;
}

static job_spec *two_stages(uint32_t job_id)
{
    static const uint32_t parents[] = { 0 };
    job_spec *spec = job_spec_new(2);
    assert_non_null(spec);
    spec->job_id = job_id;
    spec->pool = job_id == 1 ? "first" : NULL;
    spec->stages[0] = (stage_spec){ .id = 2 * job_id, .task_count = TASKS / 3,
                                    .preferred = job_id == 1 ? likes : NULL };
    spec->stages[1] = (stage_spec){ .id = 2 * job_id + 1, .task_count = 10, .parents = parents,
                                    .parent_count = 1 };
    return spec;
}

static void play(scene *w)
{
    scheduler_conf conf = scheduler_conf_default();
    conf.fair = true;
    conf.speculation = true; /* of whatever has not come back at once */
    conf.speculation_min_ns = conf.speculation_quantile = 0;
    conf.exclude_failures = 3;
    conf.exclude_ns = NS_PER_MS;
    counting = true;
    w->s = scheduler_new(&conf);
    counting = false;
    w->memory = !w->s;
    for (uint32_t i = 0; i < EXECUTORS; i++)
        up(w, i);
    step(w, &(event){ .kind = EVENT_JOB_SUBMIT, .job = two_stages(1) });
    answer(w, 0);
    lose(w, 1);
    step(w, &(event){ .kind = EVENT_JOB_SUBMIT, .job = two_stages(2) });
    up(w, 1);
    for (int round = 0; round < 1000 && w->s && w->jobs_done < 2; round++) {
        answer(w, (uint32_t)round % EXECUTORS);
        step(w, &(event){ .kind = EVENT_TICK });
        w->now_ns += 1000000;
    }
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    size_t tries = 0;
    do {
        scene *w = calloc(1, sizeof *w);
        assert_non_null(w);
        failed = false;
        allocations_left = tries++;
        play(w);
        if (w->s) {
            assert_int_equal(w->jobs_done, 2);
            assert_true(scheduler_is_idle(w->s));
        }
        if (!failed)
            assert_false(w->memory);
        scheduler_free(w->s);
        command_list_release(&w->out);
        free(w);
    } while (failed);
    assert_true(tries > 10);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    return TEST_MAIN(argc, argv, tests);
}
