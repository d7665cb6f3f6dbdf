/* The scheduler: which executor gets which task, and how many it has queued. */
#include "simulate/world.h"

static void spreads_tasks_over_executors(void **state)
{
    (void)state;
    world_begin();
    for (uint32_t i = 0; i < 4; i++)
        up(i, 4);
    submit(1, 4);
    for (uint32_t i = 0; i < 4; i++)
        assert_int_equal(holds(i), 1);
    submit(2, 6);
    for (uint32_t i = 0; i < 4; i++)
        assert_in_range(holds(i), 2, 3);
    succeed_all();
    world_end();
}

static void queues_short_tasks_ahead(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    submit(1, 50000);
    size_t held = holds(0);
    assert_int_equal(held, 2);
    succeed_many(0, 1, 100);
    held = holds(0);
    assert_int_equal(held, 3);
    /* It never queues more than it has seen to finish, so the queue about doubles. */
    while (held < 2 + 4096) {
        succeed_many(0, held, 100);
        assert_true(holds(0) > held);
        assert_true(holds(0) <= 2 + 2 * held);
        held = holds(0);
    }
    assert_int_equal(held, 2 + 4096);
    succeed_many(0, 256, 100);
    assert_int_equal(holds(0), 2 + 4096);
    world.lazy = true;
    while (holds(0))
        succeed_many(0, holds(0), 100);
    assert_done(1);
    world_end();
}

static void queues_about_two_milliseconds_of_work(void **state)
{
    (void)state;
    world_begin();
    up(0, 4);
    submit(1, 1000);
    for (int i = 0; i < 10; i++)
        succeed_many(0, holds(0), 200 * NS_PER_US);
    assert_int_equal(holds(0), 4 + 4 * 2000 / 200);
    succeed_all();
    world_end();
}

static void slow_tasks_wait_for_whoever_is_free(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    up(1, 2);
    submit(1, 12);
    while (world.accepts < 5)
        succeed_many(0, 1, NS_PER_S);
    assert_int_equal(holds(0), 2);
    succeed_all();
    world_end();
}

/* A task that waits behind a slow one cannot run where a slot is free, or will be. */
static void queues_no_tasks_of_unknown_length(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    submit(1, 5);
    assert_int_equal(holds(0), 2);
    up(1, 2); /* as they do when the first job starts them */
    assert_int_equal(holds(0), 2);
    assert_int_equal(holds(1), 2);
    succeed_all();
    submit(2, 100);
    assert_int_equal(holds(0) + holds(1), 4);
    succeed_all();
    world_end();
}

/* All that an executor holds succeeds, but the oldest, `kept`, goes on. */
static void succeeds_but(uint32_t executor, task_id kept)
{
    size_t count = holds(executor) - 1;
    outcome *outcomes = calloc(count, sizeof *outcomes);
    assert_non_null(outcomes);
    assert_memory_equal(&world.seats[executor].tasks[0], &kept, sizeof kept);
    for (size_t i = 0; i < count; i++)
        outcomes[i] = (outcome){ .id = world.seats[executor].tasks[i + 1], .metrics.run_ns = 100 };
    referee_step(&world, &(event){ .kind = EVENT_OUTCOMES, .executor = executor,
                                   .outcomes = outcomes, .outcome_count = count });
    free(outcomes);
}

static void jobs_are_first_in_first_out(void **state)
{
    (void)state;
    world_begin();
    up(0, 4);
    submit(1, 3);
    submit(2, 3);
    assert_int_equal(holds(0), 4); /* the second fills what the first leaves free */
    submit(3, 1);
    fails(0, "again, please");
    assert_int_equal(holds(0), 4);
    assert_int_equal(world.seats[0].tasks[3].stage, 1); /* the first job's task goes first again */
    succeeds(0);
    succeeds(0);
    assert_int_equal(world.seats[0].tasks[3].stage, 2);
    succeed_all();
    assert_done(1);
    assert_done(2);
    assert_done(3);
    world_end();
}

/* A flood of short tasks must not keep out the tasks of an older job. */
static void a_full_queue_drains_for_an_older_job(void **state)
{
    (void)state;
    static const uint32_t parent[] = { 0 };
    world_begin();
    world.lazy = true;
    up(0, 2);
    job_spec *spec = job_spec_new(2);
    spec->job_id = 1;
    spec->stages[0] = (stage_spec){ .id = 1, .task_count = 1 };
    spec->stages[1] = (stage_spec){ .id = 2, .task_count = 8, .parents = parent,
                                    .parent_count = 1 };
    referee_submit(&world, spec);
    referee_submit(&world, one_stage(3, 20000));
    task_id first = oldest(0);
    while (holds(0) < 1000) { /* short ones run beside the first job's only task, and queue up */
        succeeds_but(0, first);
        assert_true(world.seats[0].tasks[0].stage == 1);
    }
    referee_outcome(&world, 0, first, OUTCOME_OK, NULL);
    assert_int_equal(world.stages[2].held, 0); /* the first job's second stage waits for a slot */
    while (world.stages[2].held == 0) {
        uint32_t held = world.stages[3].held;
        succeed_many(0, 1, 100);
        assert_true(world.stages[3].held < held); /* and the queue only drains */
    }
    succeed_all();
    assert_done(1);
    assert_done(3);
    world_end();
}

static void a_task_that_failed_runs_elsewhere(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 1);
    submit(1, 2);
    fails(0, "no such file");
    assert_int_equal(holds(0), 0); /* rather idle than there again */
    succeeds(1);
    assert_int_equal(oldest(1).partition, 0);
    assert_int_equal(oldest(1).attempt, 1);
    succeeds(1);
    assert_done(1);
    world_end();
}

static void a_task_that_failed_runs_there_again_if_it_must(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 1);
    fails(0, "once");
    assert_int_equal(oldest(0).attempt, 1);
    succeeds(0);
    assert_done(1);
    world_end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spreads_tasks_over_executors),
        cmocka_unit_test(queues_short_tasks_ahead),
        cmocka_unit_test(queues_about_two_milliseconds_of_work),
        cmocka_unit_test(slow_tasks_wait_for_whoever_is_free),
        cmocka_unit_test(queues_no_tasks_of_unknown_length),
        cmocka_unit_test(jobs_are_first_in_first_out),
        cmocka_unit_test(a_full_queue_drains_for_an_older_job),
        cmocka_unit_test(a_task_that_failed_runs_elsewhere),
        cmocka_unit_test(a_task_that_failed_runs_there_again_if_it_must),
    };
    return TEST_MAIN(argc, argv, tests);
}
