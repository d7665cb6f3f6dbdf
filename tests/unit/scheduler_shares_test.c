/* The scheduler: second attempts for stragglers, tasks that like to be somewhere, fair shares. */
#include "simulate/world.h"

static void tick(uint64_t after_ns)
{
    referee_tick(&world, world.now_ns + after_ns);
}

/* -- Stragglers -------------------------------------------------------------------------------- */

static scheduler_conf speculating(void)
{
    scheduler_conf conf = scheduler_conf_default();
    conf.speculation = true;
    return conf;
}

/* Two executors of two slots and four tasks: of three that are done each took 200 ms, the last runs
 * on executor `*ret`. */
static void straggler_begin(scheduler_conf conf, bool side_effects, uint32_t *ret)
{
    world_begin_with(conf);
    up(0, 2);
    up(1, 2);
    job_spec *spec = one_stage(1, 4);
    spec->stages[0].has_side_effects = side_effects;
    referee_submit(&world, spec);
    world.now_ns += 200 * NS_PER_MS;
    succeed_many(0, 2, 200 * NS_PER_MS);
    succeed_many(1, 1, 200 * NS_PER_MS);
    *ret = 1;
    assert_int_equal(holds(1), 1);
}

static void a_straggler_gets_a_copy_elsewhere(void **state)
{
    (void)state;
    uint32_t slow;
    straggler_begin(speculating(), false, &slow);
    tick(50 * NS_PER_MS);
    assert_int_equal(holds(0), 0);
    tick(100 * NS_PER_MS); /* 350 ms > 1.5 * 200 ms, which is known to 9 % */
    assert_int_equal(holds(0), 1);
    assert_int_equal(oldest(0).partition, oldest(1).partition);
    succeeds(0);
    assert_int_equal(world.task_cancels, 1);
    assert_false(done(1)); /* until the other one has stopped */
    answer(1, OUTCOME_CANCELLED, NULL);
    assert_done(1);
    assert_int_equal(scheduler_count(world.s).copies_won, 1);
    world_end();
}

static void the_first_may_win_too(void **state)
{
    (void)state;
    uint32_t slow;
    straggler_begin(speculating(), false, &slow);
    tick(150 * NS_PER_MS);
    succeeds(1);
    assert_int_equal(world.task_cancels, 1);
    succeeds(0); /* it was done before it heard of that: discarded */
    assert_done(1);
    assert_int_equal(world.accepts, 4);
    assert_int_equal(scheduler_count(world.s).copies_won, 0);
    world_end();
}

static void either_of_two_may_fail_or_be_lost(void **state)
{
    (void)state;
    uint32_t slow;
    straggler_begin(speculating(), false, &slow);
    tick(150 * NS_PER_MS);
    referee_lost(&world, 1, "cable pulled");
    assert_int_equal(holds(0), 1); /* it lives on there */
    succeeds(0);
    assert_done(1);
    world_end();
    straggler_begin(speculating(), false, &slow);
    tick(150 * NS_PER_MS);
    fails(0, "bad luck");
    assert_int_equal(holds(1), 1);
    succeeds(1);
    assert_done(1);
    world_end();
}

static void no_copy_where_a_task_must_not_run_twice(void **state)
{
    (void)state;
    uint32_t slow;
    straggler_begin(speculating(), true, &slow);
    tick(NS_PER_S);
    assert_int_equal(holds(0), 0);
    succeeds(1);
    world_end();
    scheduler_conf conf = speculating();
    conf.speculation_side_effects = true;
    straggler_begin(conf, true, &slow);
    tick(NS_PER_S);
    assert_int_equal(holds(0), 1);
    succeed_all();
    world_end();
}

static void side_effects_may_be_seen_late(void **state)
{
    (void)state;
    uint32_t slow;
    straggler_begin(speculating(), false, &slow);
    scheduler_side_effects(world.s, 1);
    tick(NS_PER_S);
    assert_int_equal(holds(0), 0);
    succeed_all();
    assert_done(1);
    world_end();
}

static void no_copy_unless_asked_for(void **state)
{
    (void)state;
    uint32_t slow;
    straggler_begin(scheduler_conf_default(), false, &slow);
    tick(100 * NS_PER_S);
    assert_int_equal(holds(0), 0);
    succeed_all();
    world_end();
}

static void a_copy_takes_no_slot_from_other_tasks(void **state)
{
    (void)state;
    uint32_t slow;
    straggler_begin(speculating(), false, &slow);
    submit(2, 3);
    tick(NS_PER_S);
    assert_int_equal(world.copies, 0);
    succeeds(0);
    assert_int_equal(world.copies, 1);
    succeed_all();
    assert_done(1);
    assert_done(2);
    world_end();
}

static void a_job_may_end_while_copies_run(void **state)
{
    (void)state;
    uint32_t slow;
    straggler_begin(speculating(), false, &slow);
    tick(150 * NS_PER_MS);
    assert_int_equal(world.copies, 1);
    referee_cancel(&world, 1, RDD_E_CANCELLED, "interrupted");
    answer(0, OUTCOME_CANCELLED, NULL);
    assert_false(done(1));
    answer(1, OUTCOME_CANCELLED, NULL);
    assert_true(done(1));
    world_end();
}

static void a_loser_does_not_hold_up_the_next_stage(void **state)
{
    (void)state;
    static const uint32_t parents[] = { 0 };
    world_begin_with(speculating());
    up(0, 2);
    up(1, 2);
    job_spec *spec = job_spec_new(2);
    assert_non_null(spec);
    spec->job_id = 1;
    spec->stages[0] = (stage_spec){ .id = 1, .task_count = 4 };
    spec->stages[1] = (stage_spec){ .id = 2, .task_count = 1, .parents = parents,
                                    .parent_count = 1 };
    referee_submit(&world, spec);
    succeed_many(0, 2, 200 * NS_PER_MS);
    succeed_many(1, 1, 200 * NS_PER_MS);
    tick(350 * NS_PER_MS);
    succeeds(0);
    assert_int_equal(world.stages[2].held, 1);
    succeed_all();
    assert_done(1);
    world_end();
}

/* -- Where tasks like to be -------------------------------------------------------------------- */

static uint32_t likes_odd(void *arg UNUSED, uint32_t partition)
{
    return partition % 3 == 2 ? EXECUTOR_ANY : partition % 3;
}

static void submit_with_likes(uint32_t job_id, uint32_t tasks)
{
    job_spec *spec = one_stage(job_id, tasks);
    spec->stages[0].preferred = likes_odd;
    referee_submit(&world, spec);
}

static void tasks_go_where_they_like_to_be(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    up(1, 2);
    submit_with_likes(1, 6); /* 0 and 3 like executor 0, 1 and 4 executor 1 */
    assert_int_equal(world.seats[0].tasks[0].partition, 0);
    assert_int_equal(world.seats[0].tasks[1].partition, 3);
    assert_int_equal(world.seats[1].tasks[0].partition, 1);
    assert_int_equal(world.seats[1].tasks[1].partition, 4);
    assert_int_equal(scheduler_count(world.s).local, 4);
    succeed_all();
    assert_done(1);
    world_end();
}

static void others_wait_before_they_take_them(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 4);
    submit_with_likes(1, 4); /* 0 and 3 like executor 0, which has one slot */
    assert_int_equal(holds(0), 1);
    assert_int_equal(holds(1), 2);
    assert_int_equal(scheduler_next_deadline(world.s), world.now_ns + 3 * NS_PER_S);
    tick(3 * NS_PER_S - 1);
    assert_int_equal(holds(1), 2);
    tick(1);
    assert_int_equal(holds(1), 3);
    succeed_all();
    assert_done(1);
    world_end();
}

/* The first job begins when one node is up: the others have `locality_wait_ns` to come. */
static void those_that_are_about_to_come_are_waited_for(void **state)
{
    (void)state;
    scheduler_conf conf = scheduler_conf_default();
    conf.executors_expected = 2;
    world_begin_with(conf);
    submit_with_likes(1, 7); /* 0, 3 and 6 like executor 0, 1 and 4 executor 1, the others any */
    up(1, 8);
    assert_int_equal(holds(1), 4);
    assert_int_equal(scheduler_next_deadline(world.s), world.now_ns + 3 * NS_PER_S);
    up(0, 2);
    assert_int_equal(holds(0), 2);
    tick(3 * NS_PER_S);
    assert_int_equal(holds(1), 5);
    submit_with_likes(2, 3);
    succeed_all();
    assert_done(1);
    assert_done(2);
    world_end();
    world_begin_with(conf);
    submit_with_likes(1, 7);
    up(1, 8);
    referee_lost(&world, 0, "no such host"); /* it will not come by itself in time */
    assert_int_equal(holds(1), 7);
    succeed_all();
    assert_done(1);
    world_end();
}

static void nobody_waits_for_an_executor_that_is_away(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 4);
    submit_with_likes(1, 7);
    referee_lost(&world, 0, "cable pulled");
    assert_int_equal(holds(1), 4);
    succeed_all();
    assert_done(1);
    world_end();
}

/* -- Shares ------------------------------------------------------------------------------------ */

static void submit_in(uint32_t job_id, uint32_t tasks, const char *pool)
{
    job_spec *spec = one_stage(job_id, tasks);
    spec->pool = pool;
    referee_submit(&world, spec);
}

/* How many tasks of a job executor 0 holds. */
static size_t share(uint32_t job_id)
{
    size_t count = 0;
    for (size_t i = 0; i < holds(0); i++)
        count += world.seats[0].tasks[i].stage == job_id;
    return count;
}

static void fair_begin(const char *pools)
{
    scheduler_conf conf = scheduler_conf_default();
    conf.fair = true;
    conf.pools = pools;
    world_begin_with(conf);
}

/* Tasks of a second each, until the shares have settled. */
static void run_some(int count)
{
    for (int i = 0; i < count; i++)
        succeed_many(0, 1, NS_PER_S);
}

static void jobs_of_a_pool_share_alike(void **state)
{
    (void)state;
    fair_begin(NULL);
    up(0, 8);
    submit(1, 100);
    assert_int_equal(share(1), 8);
    submit(2, 100);
    run_some(20);
    assert_int_equal(share(1), 4);
    assert_int_equal(share(2), 4);
    succeed_all();
    world_end();
}

static void pools_share_by_weight(void **state)
{
    (void)state;
    fair_begin("batch=1 web=3");
    up(0, 8);
    submit_in(1, 100, "batch");
    submit_in(2, 100, "web");
    submit_in(3, 100, "batch");
    run_some(24);
    assert_int_equal(share(2), 6);
    assert_int_equal(share(1) + share(3), 2);
    succeed_all();
    world_end();
}

static void a_minimum_comes_before_weights(void **state)
{
    (void)state;
    fair_begin("batch=100 web=1:3");
    up(0, 8);
    submit_in(1, 100, "batch");
    submit_in(2, 100, "web");
    run_some(24);
    assert_int_equal(share(2), 3);
    assert_int_equal(share(1), 5);
    succeed_all();
    world_end();
}

static void pools_mean_nothing_to_first_in_first_out(void **state)
{
    (void)state;
    world_begin();
    up(0, 4);
    submit_in(1, 20, "batch");
    submit_in(2, 20, "web");
    run_some(8);
    assert_int_equal(share(1), 4);
    succeed_all();
    world_end();
}

static void pools_are_parsed(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a=1", " a=1,b=2:3  c=999999" };
    static const char *const bad[] = { "a", "=1", "a=", "a=0", "a=1:", "a=1:x", "a=1b", "a=1234567" };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(scheduler_pools_parse(good[i]));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(scheduler_pools_parse(bad[i]));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_straggler_gets_a_copy_elsewhere),
        cmocka_unit_test(the_first_may_win_too),
        cmocka_unit_test(either_of_two_may_fail_or_be_lost),
        cmocka_unit_test(no_copy_where_a_task_must_not_run_twice),
        cmocka_unit_test(side_effects_may_be_seen_late),
        cmocka_unit_test(no_copy_unless_asked_for),
        cmocka_unit_test(a_copy_takes_no_slot_from_other_tasks),
        cmocka_unit_test(a_job_may_end_while_copies_run),
        cmocka_unit_test(a_loser_does_not_hold_up_the_next_stage),
        cmocka_unit_test(tasks_go_where_they_like_to_be),
        cmocka_unit_test(others_wait_before_they_take_them),
        cmocka_unit_test(those_that_are_about_to_come_are_waited_for),
        cmocka_unit_test(nobody_waits_for_an_executor_that_is_away),
        cmocka_unit_test(jobs_of_a_pool_share_alike),
        cmocka_unit_test(pools_share_by_weight),
        cmocka_unit_test(a_minimum_comes_before_weights),
        cmocka_unit_test(pools_mean_nothing_to_first_in_first_out),
        cmocka_unit_test(pools_are_parsed),
    };
    return TEST_MAIN(argc, argv, tests);
}
