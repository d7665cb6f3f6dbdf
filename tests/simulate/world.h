/* world.h: short words for the scheduler's unit tests: one referee, simple jobs, plain answers. */
#ifndef RDD_WORLD_H
#define RDD_WORLD_H

#include "simulate/referee.h"

#include "test.h"

static referee world;

TEST_HELPER void world_begin_with(scheduler_conf conf)
{
    referee_init(&world, &conf);
}

TEST_HELPER void world_begin(void)
{
    world_begin_with(scheduler_conf_default());
}

/* Every test ends with nothing left over. */
TEST_HELPER void world_end(void)
{
    assert_true(scheduler_is_idle(world.s));
    referee_release(&world);
}

/* A job of one stage, whose id is the job's. */
TEST_HELPER job_spec *one_stage(uint32_t job_id, uint32_t tasks)
{
    job_spec *spec = job_spec_new(1);
    assert_non_null(spec);
    spec->job_id = job_id;
    spec->name = "count";
    spec->stages[0] = (stage_spec){ .id = job_id, .name = "a stage", .task_count = tasks };
    return spec;
}

TEST_HELPER void submit(uint32_t job_id, uint32_t tasks)
{
    referee_submit(&world, one_stage(job_id, tasks));
}

TEST_HELPER void up(uint32_t executor, uint32_t slots)
{
    referee_up(&world, executor, slots);
}

TEST_HELPER size_t holds(uint32_t executor)
{
    return world.seats[executor].count;
}

/* The oldest task that an executor holds. */
TEST_HELPER task_id oldest(uint32_t executor)
{
    assert_true(holds(executor) > 0);
    return world.seats[executor].tasks[0];
}

/* Answers the oldest task that an executor holds. */
TEST_HELPER void answer(uint32_t executor, outcome_status status, const char *why)
{
    referee_outcome(&world, executor, oldest(executor), status, why);
}

TEST_HELPER void succeeds(uint32_t executor)
{
    answer(executor, OUTCOME_OK, NULL);
}

TEST_HELPER void fails(uint32_t executor, const char *why)
{
    answer(executor, OUTCOME_FAILED, why);
}

/* `count` of the oldest tasks succeed at once, each after `run_ns`. */
TEST_HELPER void succeed_many(uint32_t executor, size_t count, uint64_t run_ns)
{
    outcome *outcomes = calloc(count, sizeof *outcomes);
    assert_non_null(outcomes);
    assert_true(holds(executor) >= count);
    for (size_t i = 0; i < count; i++)
        outcomes[i] = (outcome){ .id = world.seats[executor].tasks[i], .metrics.run_ns = run_ns,
                                 .metrics.records = 10 };
    event e = { .kind = EVENT_OUTCOMES, .executor = executor, .outcomes = outcomes,
                .outcome_count = count, .incarnation = world.seats[executor].incarnation };
    referee_step(&world, &e);
    free(outcomes);
}

TEST_HELPER void suspect(uint32_t executor)
{
    outcome o = { .id = oldest(executor), .status = OUTCOME_LOST, .suspect = true };
    event e = { .kind = EVENT_OUTCOMES, .executor = executor, .outcomes = &o, .outcome_count = 1,
                .incarnation = world.seats[executor].incarnation };
    referee_step(&world, &e);
}

/* Everything that is held anywhere succeeds, until there is no more. */
TEST_HELPER void succeed_all(void)
{
    for (bool any = true; any;) {
        any = false;
        for (uint32_t i = 0; i < SEATS_MAX; i++) {
            if (holds(i)) {
                succeed_many(i, holds(i), NS_PER_MS);
                any = true;
            }
        }
    }
}

TEST_HELPER bool done(uint32_t job_id)
{
    return world.jobs[job_id].done;
}

TEST_HELPER const rdd_error *error_of(uint32_t job_id)
{
    assert_true(done(job_id));
    return &world.jobs[job_id].error;
}

#define assert_done(job_id) assert_int_equal(error_of(job_id)->code, RDD_OK)

#define assert_failed_with(job_id, error_code, text)                 \
    do {                                                             \
        assert_int_equal(error_of(job_id)->code, error_code);        \
        assert_string_equal(error_of(job_id)->message, text);        \
    } while (0)

#endif
