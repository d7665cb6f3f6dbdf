/* The scheduler: executors that are excluded, started, released and drained. */
#include "simulate/world.h"

static void tick(uint64_t after_ns)
{
    referee_tick(&world, world.now_ns + after_ns);
}

/* Nothing queues beyond the slots and nobody backs off, so that who holds what is plain. */
static void begin_with_attempts(uint32_t most)
{
    scheduler_conf conf = scheduler_conf_default();
    conf.attempts_max = most;
    conf.prefetch_ns = 0;
    conf.backoff_failures = UINT32_MAX;
    world_begin_with(conf);
}

static void begin(void)
{
    begin_with_attempts(scheduler_conf_default().attempts_max);
}

static void fail_times(uint32_t executor, int times, const char *why)
{
    for (int i = 0; i < times; i++)
        fails(executor, why);
}

/* -- Excluded ---------------------------------------------------------------------------------- */

static void an_executor_that_fails_a_stage_gets_no_more_of_it(void **state)
{
    (void)state;
    begin();
    up(0, 1);
    up(1, 1);
    submit(1, 100);
    fails(0, "no disk");
    succeeds(1);
    fails(0, "no disk");
    succeeds(1);
    assert_int_equal(holds(0), 1);
    fails(0, "no disk");
    assert_int_equal(holds(0), 0);
    assert_non_null(strstr(world.note.message, "executor 0 gets no more tasks of stage 1: 3 failed "
                                               "there in a row while others succeeded elsewhere, "
                                               "first: no disk"));
    submit(2, 100); /* other stages it may have */
    assert_int_equal(holds(0), 1);
    succeed_all();
    assert_done(1);
    assert_done(2);
    world_end();
}

static void failures_everywhere_exclude_nobody(void **state)
{
    (void)state;
    begin_with_attempts(100);
    up(0, 1);
    up(1, 1);
    submit(1, 8);
    for (int i = 0; i < 10; i++) {
        fails(0, "the service is down");
        fails(1, "the service is down");
    }
    assert_int_equal(scheduler_count(world.s).excluded, 0);
    succeed_all();
    assert_done(1);
    world_end();
}

static void a_success_ends_a_row_of_failures(void **state)
{
    (void)state;
    begin();
    up(0, 1);
    up(1, 1);
    submit(1, 100);
    for (int i = 0; i < 8; i++) {
        fail_times(0, 2, "now and then");
        succeeds(0);
        succeeds(1);
    }
    assert_int_equal(scheduler_count(world.s).excluded, 0);
    succeed_all();
    assert_done(1);
    world_end();
}

static void after_two_stages_it_gets_nothing_for_a_while(void **state)
{
    (void)state;
    begin();
    up(0, 1);
    up(1, 1);
    for (uint32_t job = 1; job <= 2; job++) {
        submit(job, 20);
        for (int i = 0; i < 3; i++) {
            fails(0, "no disk");
            succeeds(1);
        }
        while (holds(1))
            succeeds(1);
        assert_done(job);
        tick(NS_PER_S);
    }
    submit(3, 2);
    assert_int_equal(holds(0), 0);
    succeed_all();
    tick(60 * NS_PER_S);
    submit(4, 2);
    assert_int_equal(holds(0), 1);
    succeed_all();
    world_end();
}

static void a_stage_without_executors_waits_and_fails_with_the_first_cause(void **state)
{
    (void)state;
    begin();
    up(0, 1);
    up(1, 1);
    submit(1, 100);
    for (int i = 0; i < 3; i++) {
        fails(0, "no disk");
        succeeds(1);
    }
    referee_lost(&world, 1, "cable pulled");
    assert_int_equal(holds(0), 0);
    tick(59 * NS_PER_S);
    assert_false(done(1));
    tick(NS_PER_S);
    assert_failed_with(1, RDD_E_USER, "every executor that is up is excluded from this stage: "
                       "executor 0 (3 failures in a row); first: no disk");
    world_end();
}

static void tasks_that_fail_everywhere_do_not_exclude_the_last_one(void **state)
{
    (void)state;
    begin_with_attempts(100);
    up(0, 2);
    up(1, 1);
    submit(1, 100);
    for (int i = 0; i < 3; i++) {
        fails(0, "not yet");
        succeeds(1);
    }
    assert_int_equal(holds(0), 1); /* excluded, with one to finish */
    fails(1, "not yet");
    succeeds(0);
    assert_int_equal(holds(0), 0);
    fails(1, "not yet");
    fails(1, "not yet"); /* three in a row, while executor 0 finished one */
    assert_int_equal(holds(0), 2);
    assert_int_equal(holds(1), 1);
    assert_int_equal(scheduler_count(world.s).excluded, 1);
    succeed_all();
    assert_done(1);
    world_end();
}

static void an_excluded_one_does_not_keep_what_failed_elsewhere_from_running(void **state)
{
    (void)state;
    begin();
    up(0, 1);
    up(1, 1);
    submit(1, 30);
    for (int i = 0; i < 3; i++) {
        fails(0, "no disk");
        succeeds(1);
    }
    fails(1, "bad luck"); /* executor 0 is no other place for it */
    assert_int_equal(holds(1), 1);
    succeed_all();
    assert_done(1);
    world_end();
}

static void the_error_lists_what_was_wrong_with_each(void **state)
{
    (void)state;
    begin();
    up(0, 1);
    up(1, 1);
    submit(1, 4);
    referee_lost(&world, 0, "n1: connection refused");
    referee_lost(&world, 1, "n2: no route to host");
    tick(60 * NS_PER_S);
    assert_failed_with(1, RDD_E_LOST, "no executor is left, waited 60 s for one to come up "
                       "(nodes.wait): executor 0: n1: connection refused; executor 1: n2: no route "
                       "to host");
    world_end();
}

static void one_that_never_came_up_says_why(void **state)
{
    (void)state;
    begin();
    submit(1, 1);
    referee_lost(&world, 3, "host key unknown");
    tick(60 * NS_PER_S);
    assert_failed_with(1, RDD_E_LOST, "waited 60 s for the first executor to come up (nodes.wait): "
                       "executor 3: host key unknown");
    world_end();
}

/* Before it is lost, too, when that takes longer than jobs wait. */
static void one_that_takes_long_says_why(void **state)
{
    (void)state;
    begin();
    submit(1, 1);
    event e = { .kind = EVENT_EXECUTOR_WAITS, .executor = 3 };
    error_set(&e.error, RDD_E_LOST, "its shell did not begin");
    referee_step(&world, &e);
    tick(60 * NS_PER_S);
    assert_failed_with(1, RDD_E_LOST, "waited 60 s for the first executor to come up (nodes.wait): "
                       "executor 3: its shell did not begin");
    submit(2, 1);
    up(3, 1);
    referee_step(&world, &e);
    referee_lost(&world, 3, "the connection closed");
    tick(120 * NS_PER_S);
    assert_failed_with(2, RDD_E_LOST, "no executor is left, waited 60 s for one to come up (nodes.wait): "
                       "executor 3: the connection closed");
    world_end();
}

/* -- Started and released ---------------------------------------------------------------------- */

static void elastic_begin(uint32_t min, uint32_t max, uint32_t added)
{
    scheduler_conf conf = scheduler_conf_default();
    conf.executors_min = min;
    conf.executors_max = max;
    world_begin_with(conf);
    for (uint32_t i = 0; i < added; i++)
        referee_added(&world, i);
}

static uint32_t wanted(void)
{
    return referee_wanted(&world);
}

static void all_that_are_added_are_started(void **state)
{
    (void)state;
    begin();
    for (uint32_t i = 0; i < 3; i++)
        referee_added(&world, i);
    assert_int_equal(wanted(), 3);
    tick(NS_PER_S * 1000);
    assert_int_equal(wanted(), 3);
    world_end();
}

static void a_backlog_starts_one_then_two_then_four(void **state)
{
    (void)state;
    elastic_begin(1, 8, 10);
    assert_int_equal(wanted(), 1);
    up(0, 2);
    submit(1, 100);
    tick(NS_PER_S / 2);
    assert_int_equal(wanted(), 1);
    tick(NS_PER_S / 2);
    assert_int_equal(wanted(), 2);
    tick(NS_PER_S);
    assert_int_equal(wanted(), 4);
    tick(NS_PER_S);
    assert_int_equal(wanted(), 8);
    tick(NS_PER_S);
    assert_int_equal(wanted(), 8);
    for (uint32_t i = 1; i < 8; i++)
        up(i, 2);
    succeed_all();
    assert_done(1);
    world_end();
}

static void no_more_than_there_is_work_for(void **state)
{
    (void)state;
    elastic_begin(1, 8, 8);
    up(0, 2);
    submit(1, 5); /* three executors of two slots */
    for (int i = 0; i < 10; i++)
        tick(NS_PER_S);
    assert_int_equal(wanted(), 3);
    up(1, 2);
    up(2, 2);
    succeed_all();
    world_end();
}

static void without_any_the_first_is_started_at_once(void **state)
{
    (void)state;
    elastic_begin(0, 4, 4);
    assert_int_equal(wanted(), 0);
    submit(1, 1);
    assert_int_equal(wanted(), 1);
    up(0, 1);
    succeed_all();
    assert_done(1);
    tick(60 * NS_PER_S);
    assert_int_equal(wanted(), 0);
    world_end();
}

static void idle_ones_are_released_down_to_the_minimum(void **state)
{
    (void)state;
    elastic_begin(2, 4, 4);
    up(0, 1);
    up(1, 1);
    submit(1, 10);
    tick(NS_PER_S);
    tick(NS_PER_S);
    up(2, 1);
    up(3, 1);
    assert_int_equal(wanted(), 4);
    succeed_all();
    tick(59 * NS_PER_S);
    assert_int_equal(wanted(), 4);
    tick(NS_PER_S);
    assert_int_equal(wanted(), 2);
    tick(100 * NS_PER_S);
    assert_int_equal(wanted(), 2);
    assert_int_equal(world.releases, 2);
    world_end();
}

static void one_that_comes_up_too_late_is_released_again(void **state)
{
    (void)state;
    elastic_begin(0, 2, 2);
    submit(1, 1);
    up(0, 1);
    succeed_all();
    tick(60 * NS_PER_S);
    assert_false(world.seats[0].wanted);
    up(0, 1); /* it was started again before it heard of it */
    assert_int_equal(world.releases, 2);
    submit(2, 1);
    assert_true(world.seats[0].wanted);
    up(0, 1);
    succeed_all();
    assert_done(2);
    world_end();
}

static void another_takes_the_place_of_one_that_is_gone(void **state)
{
    (void)state;
    elastic_begin(1, 1, 2);
    assert_true(world.seats[0].wanted);
    event e = { .kind = EVENT_EXECUTOR_LOST, .executor = 0, .gone = true };
    error_set(&e.error, RDD_E_LOST, "wrong architecture");
    referee_step(&world, &e);
    assert_true(world.seats[1].wanted);
    world_end();
}

/* -- Drained ----------------------------------------------------------------------------------- */

static void a_drained_executor_finishes_what_it_has(void **state)
{
    (void)state;
    begin();
    up(0, 2);
    up(1, 2);
    submit(1, 10);
    referee_drain(&world, 0);
    assert_int_equal(holds(0), 2);
    succeeds(0);
    assert_int_equal(holds(0), 1);
    assert_int_equal(world.releases, 0);
    succeeds(0);
    assert_int_equal(world.releases, 1);
    assert_false(world.seats[0].wanted);
    succeed_all();
    assert_done(1);
    world_end();
}

static void a_drained_executor_may_be_added_again(void **state)
{
    (void)state;
    begin();
    up(0, 1);
    submit(1, 3);
    referee_drain(&world, 0);
    referee_added(&world, 0);
    succeeds(0); /* never let go */
    assert_int_equal(holds(0), 1);
    referee_drain(&world, 0);
    succeeds(0);
    assert_false(world.seats[0].wanted);
    referee_added(&world, 0);
    assert_true(world.seats[0].wanted);
    up(0, 1);
    succeed_all();
    assert_done(1);
    world_end();
}

static void a_drained_one_that_is_lost_stays_away(void **state)
{
    (void)state;
    begin();
    up(0, 1);
    up(1, 1);
    submit(1, 3);
    referee_drain(&world, 0);
    referee_lost(&world, 0, "cable pulled");
    assert_int_equal(world.releases, 1);
    up(0, 1);
    assert_int_equal(world.releases, 2);
    succeed_all();
    assert_done(1);
    world_end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_executor_that_fails_a_stage_gets_no_more_of_it),
        cmocka_unit_test(failures_everywhere_exclude_nobody),
        cmocka_unit_test(a_success_ends_a_row_of_failures),
        cmocka_unit_test(after_two_stages_it_gets_nothing_for_a_while),
        cmocka_unit_test(a_stage_without_executors_waits_and_fails_with_the_first_cause),
        cmocka_unit_test(tasks_that_fail_everywhere_do_not_exclude_the_last_one),
        cmocka_unit_test(an_excluded_one_does_not_keep_what_failed_elsewhere_from_running),
        cmocka_unit_test(the_error_lists_what_was_wrong_with_each),
        cmocka_unit_test(one_that_never_came_up_says_why),
        cmocka_unit_test(one_that_takes_long_says_why),
        cmocka_unit_test(all_that_are_added_are_started),
        cmocka_unit_test(a_backlog_starts_one_then_two_then_four),
        cmocka_unit_test(no_more_than_there_is_work_for),
        cmocka_unit_test(without_any_the_first_is_started_at_once),
        cmocka_unit_test(idle_ones_are_released_down_to_the_minimum),
        cmocka_unit_test(one_that_comes_up_too_late_is_released_again),
        cmocka_unit_test(another_takes_the_place_of_one_that_is_gone),
        cmocka_unit_test(a_drained_executor_finishes_what_it_has),
        cmocka_unit_test(a_drained_executor_may_be_added_again),
        cmocka_unit_test(a_drained_one_that_is_lost_stays_away),
    };
    return TEST_MAIN(argc, argv, tests);
}
