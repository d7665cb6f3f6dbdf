/* The scheduler when executors are lost, tasks are suspects, and nobody is left. */
#include "simulate/world.h"

static bool alone(uint32_t executor, uint32_t partition)
{
    return holds(executor) == 1 && oldest(executor).partition == partition;
}

/* -- Losses ----------------------------------------------------------------------------------- */

static void lost_tasks_run_again_for_free(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    up(1, 2);
    submit(1, 6);
    referee_lost(&world, 0, "cut off");
    assert_string_equal(world.note.message, "executor 0 was lost with 2 tasks: cut off");
    succeed_all();
    assert_done(1);
    assert_int_equal(scheduler_count(world.s).lost, 2);
    assert_int_equal(scheduler_count(world.s).failed, 0);
    world_end();
}

static void neighbours_of_a_crash_run_again_for_free(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    submit(1, 2);
    answer(0, OUTCOME_CRASHED, "SIGSEGV in parse (job.c:12)");
    answer(0, OUTCOME_LOST, NULL);
    assert_int_equal(scheduler_count(world.s).crashed, 1);
    assert_int_equal(scheduler_count(world.s).lost, 1);
    assert_int_equal(holds(0), 2); /* neither is a suspect */
    succeed_all();
    assert_done(1);
    world_end();
}

static void a_task_is_lost_so_many_times_and_no_more(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 1);
    for (int i = 0; i < 15; i++)
        answer(0, OUTCOME_LOST, "worker out of memory");
    assert_int_equal(oldest(0).attempt, 15);
    answer(0, OUTCOME_LOST, "worker out of memory");
    assert_failed_with(1, RDD_E_LOST,
                       "lost 16 times without running to its end, the last time: worker out of "
                       "memory");
    assert_int_equal(error_of(1)->partition, 0);
    world_end();
}

static void an_executor_may_come_back_unannounced(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 2);
    task_id before = oldest(0);
    up(0, 1); /* a newer incarnation: the old one is gone */
    assert_int_equal(holds(0), 1);
    assert_int_equal(oldest(0).attempt, 1);
    referee_outcome(&world, 0, before, OUTCOME_OK, NULL);
    assert_int_equal(scheduler_count(world.s).stale, 1);
    /* What is old news changes nothing. */
    event old_up = { .kind = EVENT_EXECUTOR_UP, .executor = 0, .incarnation = 0, .slots = 9 };
    referee_step(&world, &old_up);
    event old_lost = { .kind = EVENT_EXECUTOR_LOST, .executor = 0, .incarnation = 0 };
    referee_step(&world, &old_lost);
    assert_int_equal(scheduler_count(world.s).executors_lost, 1);
    succeed_all();
    assert_done(1);
    world_end();
}

static void news_of_a_loss_may_overtake_news_of_a_start(void **state)
{
    (void)state;
    world_begin();
    up(1, 1);
    submit(1, 3);
    event lost = { .kind = EVENT_EXECUTOR_LOST, .executor = 0, .incarnation = 4 };
    referee_step(&world, &lost);
    event late = { .kind = EVENT_EXECUTOR_UP, .executor = 0, .incarnation = 4, .slots = 8 };
    referee_step(&world, &late); /* it is gone already: it gets nothing */
    assert_int_equal(holds(0), 0);
    succeed_all();
    assert_done(1);
    world_end();
}

/* -- Suspects --------------------------------------------------------------------------------- */

static void a_suspect_runs_alone(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    submit(1, 4);
    succeed_many(0, 1, NS_PER_S); /* slow: no queue */
    suspect(0);                   /* partition 1 */
    assert_int_equal(holds(0), 1); /* being emptied */
    assert_int_equal(oldest(0).partition, 2);
    succeeds(0);
    assert_true(alone(0, 1));
    submit(2, 2);
    assert_int_equal(holds(0), 1); /* nobody joins it */
    succeeds(0);
    assert_int_equal(holds(0), 2);
    succeed_all();
    assert_done(1);
    assert_done(2);
    assert_int_equal(scheduler_count(world.s).alone, 1);
    world_end();
}

static void a_suspect_that_does_it_again_alone_is_blamed(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 1);
    submit(1, 1);
    suspect(0);
    for (uint32_t attempt = 1; attempt <= 4; attempt++) {
        uint32_t at = holds(0) ? 0 : 1;
        assert_true(alone(at, 0));
        assert_int_equal(oldest(at).attempt, attempt);
        referee_lost(&world, at, "killed by signal 9");
        up(at, 1);
    }
    assert_failed_with(1, RDD_E_CRASH,
                       "failed 4 times, first: the executor was lost while it ran this task alone: "
                       "killed by signal 9");
    assert_int_equal(error_of(1)->partition, 0);
    assert_int_equal(error_of(1)->attempt, 1);
    /* The executors are not to blame, so they are not excluded. */
    submit(2, 2);
    assert_int_equal(holds(0) + holds(1), 2);
    succeed_all();
    world_end();
}

static void deaths_with_a_lone_task_do_not_exclude_their_executor(void **state)
{
    (void)state;
    scheduler_conf conf = scheduler_conf_default();
    conf.attempts_max = 12;
    world_begin_with(conf);
    up(0, 1);
    submit(1, 1);
    suspect(0);
    for (int i = 0; i < 12; i++) {
        assert_true(alone(0, 0));
        referee_lost(&world, 0, "gone");
        up(0, 1);
    }
    assert_int_equal(error_of(1)->code, RDD_E_CRASH);
    world_end();
}

static void a_lone_task_is_not_charged_for_what_is_not_its_fault(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 1);
    suspect(0);
    for (int i = 0; i < 8; i++)
        answer(0, OUTCOME_LOST, "no worker could be started");
    assert_true(alone(0, 0));
    succeeds(0);
    assert_done(1);
    world_end();
}

/* Partition 3 kills whatever runs it, without a word. */
static void a_silent_killer_is_found(void **state)
{
    (void)state;
    world_begin();
    for (uint32_t i = 0; i < 3; i++)
        up(i, 2);
    submit(1, 12);
    int losses = 0;
    while (!done(1)) {
        for (uint32_t i = 0; i < 3 && !done(1); i++) {
            bool kills = false;
            for (size_t t = 0; t < holds(i) && t < 2; t++)
                kills |= world.seats[i].tasks[t].partition == 3;
            if (kills) {
                referee_lost(&world, i, "gone");
                up(i, 2);
                losses++;
            } else if (holds(i)) {
                succeed_many(i, 1, NS_PER_MS);
            }
        }
    }
    assert_int_equal(error_of(1)->code, RDD_E_CRASH);
    assert_int_equal(error_of(1)->partition, 3);
    assert_int_equal(losses, 2 + 4); /* twice to be suspect, then four attempts */
    world_end();
}

/* The same among short tasks, thousands of which are lost along with it, run or not. */
static void a_silent_killer_in_a_long_queue_is_found(void **state)
{
    (void)state;
    enum { KILLER = 7000 };
    world_begin();
    world.lazy = true;
    up(0, 2);
    submit(1, 10000);
    int losses = 0;
    while (!done(1)) {
        size_t safe = 0;
        while (safe < holds(0) && world.seats[0].tasks[safe].partition != KILLER)
            safe++;
        if (safe > 0) {
            succeed_many(0, size_min(safe, 512), 100);
        } else {
            referee_lost(&world, 0, "gone");
            up(0, 2);
            losses++;
        }
    }
    assert_int_equal(error_of(1)->partition, KILLER);
    assert_int_equal(losses, 2 + 4);
    assert_true(scheduler_count(world.s).lost > 2000);
    assert_in_range(scheduler_count(world.s).alone, 4, 8); /* the others were never suspects */
    world_end();
}

static void lost_tasks_wait_for_a_slot_and_go_first(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 100);
    succeed_many(0, 1, 100);
    succeed_many(0, 1, 100);
    assert_int_equal(holds(0), 3);
    referee_lost(&world, 0, "gone");
    up(0, 1);
    for (uint32_t i = 2; i < 5; i++) {
        assert_int_equal(oldest(0).partition, i);
        assert_int_equal(holds(0) > 1, i == 4); /* nothing is queued before the last of them */
        succeed_many(0, 1, 100);
    }
    succeed_all();
    assert_done(1);
    world_end();
}

static void one_lost_node_makes_no_suspects(void **state)
{
    (void)state;
    world_begin();
    up(0, 4);
    up(1, 4);
    submit(1, 8);
    referee_lost(&world, 0, "switched off");
    assert_int_equal(holds(1), 4);
    succeed_all();
    assert_done(1);
    assert_int_equal(scheduler_count(world.s).alone, 0);
    world_end();
}

static void one_loss_is_enough_where_so_configured(void **state)
{
    (void)state;
    scheduler_conf conf = scheduler_conf_default();
    conf.suspect_losses = 1;
    world_begin_with(conf);
    up(0, 2);
    submit(1, 4);
    succeed_many(0, 1, NS_PER_S);
    referee_lost(&world, 0, "gone");
    up(0, 2);
    assert_true(alone(0, 1));
    succeed_all();
    assert_done(1);
    assert_int_equal(scheduler_count(world.s).alone, 2);
    /* But only of those that ran, not of those behind them. */
    submit(2, 1000);
    while (holds(0) < 100)
        succeed_many(0, holds(0), 100);
    referee_lost(&world, 0, "gone");
    up(0, 2);
    world.lazy = true;
    succeed_all();
    assert_int_equal(scheduler_count(world.s).alone, 4);
    world_end();
}

static void suspects_leave_half_of_the_executors_to_others(void **state)
{
    (void)state;
    world_begin();
    for (uint32_t i = 0; i < 4; i++)
        up(i, 1);
    submit(1, 4);
    for (uint32_t i = 0; i < 4; i++)
        if (holds(i))
            suspect(i);
    assert_int_equal(holds(0) + holds(1) + holds(2) + holds(3), 2);
    submit(2, 8);
    size_t of_others = 0;
    for (uint32_t i = 0; i < 4; i++)
        of_others += holds(i) && oldest(i).stage == 2;
    assert_int_equal(of_others, 2);
    succeed_all();
    assert_done(1);
    assert_done(2);
    world_end();
}

static void a_cancelled_job_gives_back_what_was_kept_for_its_suspects(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    submit(1, 2);
    suspect(0);
    submit(2, 1);
    assert_int_equal(holds(0), 1);
    referee_cancel(&world, 1, RDD_E_CANCELLED, "interrupted");
    assert_int_equal(holds(0), 2);
    answer(0, OUTCOME_CANCELLED, NULL);
    succeed_all();
    assert_true(done(1));
    assert_done(2);
    world_end();
}

static void an_executor_kept_for_a_suspect_may_be_lost(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    submit(1, 2);
    suspect(0);
    referee_lost(&world, 0, "gone while it was being emptied");
    up(0, 2);
    succeed_all();
    assert_done(1);
    world_end();
}

/* -- Executors that are left alone ------------------------------------------------------------ */

static void fail_in_a_row(uint32_t executor, int count)
{
    for (int i = 0; i < count; i++)
        fails(executor, "disk full");
}

static void an_executor_that_keeps_failing_is_backed_off(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 1);
    submit(1, 100);
    succeed_many(1, 1, NS_PER_S); /* slow: no queue */
    fail_in_a_row(0, 3);
    assert_true(holds(0) > 0);
    fail_in_a_row(0, (int)holds(0));
    assert_int_equal(holds(0), 0);
    uint64_t opens_ns = scheduler_next_deadline(world.s);
    assert_in_range(opens_ns - world.now_ns, 100 * NS_PER_MS, 200 * NS_PER_MS);
    assert_string_equal(world.note.message,
                        "executor 0 gets no task for 100 ms, after 4 failures in a row");
    referee_tick(&world, opens_ns - 1);
    assert_int_equal(holds(0), 0);
    referee_tick(&world, opens_ns);
    assert_int_equal(holds(0), 1);
    fail_in_a_row(0, 1); /* once more: twice as long */
    assert_int_equal(holds(0), 0);
    assert_true(scheduler_next_deadline(world.s) - world.now_ns >= 200 * NS_PER_MS);
    referee_tick(&world, scheduler_next_deadline(world.s));
    succeeds(0); /* all is forgotten */
    fail_in_a_row(0, 1);
    assert_int_equal(holds(0), 1);
    referee_cancel(&world, 1, RDD_E_CANCELLED, "enough");
    answer(0, OUTCOME_CANCELLED, NULL);
    answer(1, OUTCOME_CANCELLED, NULL);
    world_end();
}

static void the_last_usable_executor_is_not_backed_off(void **state)
{
    (void)state;
    scheduler_conf conf = scheduler_conf_default();
    conf.attempts_max = 10;
    world_begin_with(conf);
    up(0, 1);
    submit(1, 10);
    succeed_many(0, 1, NS_PER_S);
    for (int i = 0; i < 9; i++)
        fails(0, "flaky");
    assert_int_equal(scheduler_next_deadline(world.s), CLOCK_NEVER);
    succeed_all();
    assert_done(1);
    world_end();
}

static void an_executor_lost_in_a_row_is_excluded(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 4);
    for (int i = 0; i < 5; i++) {
        referee_lost(&world, 0, "bad power supply");
        up(0, 1);
    }
    submit(1, 2);
    assert_int_equal(holds(0), 0);
    assert_int_equal(holds(1), 2);
    succeed_all();
    assert_done(1);
    /* One more chance, then one loss is enough. */
    referee_tick(&world, world.now_ns + 60 * NS_PER_S);
    submit(2, 2);
    assert_int_equal(holds(0), 1);
    referee_lost(&world, 0, "bad power supply");
    up(0, 1);
    submit(3, 4);
    assert_int_equal(holds(0), 0);
    succeed_all();
    assert_done(3);
    world_end();
}

static void a_finished_task_forgives_all_losses(void **state)
{
    (void)state;
    scheduler_conf conf = scheduler_conf_default();
    conf.suspect_losses = 10;
    world_begin_with(conf);
    up(0, 1);
    submit(1, 3);
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < 4; i++) {
            referee_lost(&world, 0, "flaky");
            up(0, 1);
        }
        succeeds(0);
    }
    assert_done(1);
    world_end();
}

static void jobs_fail_when_every_executor_is_excluded(void **state)
{
    (void)state;
    scheduler_conf conf = scheduler_conf_default();
    conf.suspect_losses = 10; /* or its tasks would be tried alone, and blamed */
    world_begin_with(conf);
    up(0, 4);
    submit(1, 8);
    for (int i = 0; i < 5; i++) {
        assert_false(done(1));
        referee_lost(&world, 0, "the program does not start here");
        up(0, 4);
    }
    assert_failed_with(1, RDD_E_LOST,
                       "every executor is excluded for 60 s, for it was lost or failed too often: "
                       "executor 0: the program does not start here");
    submit(2, 1);
    assert_int_equal(error_of(2)->code, RDD_E_LOST);
    referee_tick(&world, world.now_ns + 60 * NS_PER_S);
    submit(3, 1);
    succeed_all();
    assert_done(3);
    world_end();
}

/* -- Nobody is left --------------------------------------------------------------------------- */

static void jobs_wait_for_an_executor_and_then_fail(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 3);
    succeeds(0);
    referee_lost(&world, 0, "cable pulled");
    uint64_t deadline = scheduler_next_deadline(world.s);
    assert_int_equal(deadline, world.now_ns + 60 * NS_PER_S);
    referee_tick(&world, deadline - 1);
    assert_false(done(1));
    referee_tick(&world, deadline);
    assert_failed_with(1, RDD_E_LOST,
                       "no executor is left, waited 60 s for one to come up (nodes.wait): "
                       "executor 0: cable pulled");
    world_end();
}

static void an_executor_in_time_saves_the_job(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 3);
    referee_lost(&world, 0, "cable pulled");
    referee_tick(&world, world.now_ns + 59 * NS_PER_S);
    up(1, 1);
    referee_tick(&world, world.now_ns + 59 * NS_PER_S);
    referee_lost(&world, 1, "cable pulled"); /* the wait begins anew */
    referee_tick(&world, world.now_ns + 59 * NS_PER_S);
    assert_false(done(1));
    up(0, 1);
    succeed_all();
    assert_done(1);
    world_end();
}

static void says_so_when_no_executor_ever_came(void **state)
{
    (void)state;
    scheduler_conf conf = scheduler_conf_default();
    conf.nodes_wait_ns = 1500 * NS_PER_MS;
    world_begin_with(conf);
    submit(1, 3);
    referee_tick(&world, scheduler_next_deadline(world.s));
    assert_failed_with(1, RDD_E_LOST,
                       "waited 1500 ms for the first executor to come up (nodes.wait)");
    submit(2, 0);
    assert_done(2); /* nobody is needed for nothing */
    world_end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lost_tasks_run_again_for_free),
        cmocka_unit_test(neighbours_of_a_crash_run_again_for_free),
        cmocka_unit_test(a_task_is_lost_so_many_times_and_no_more),
        cmocka_unit_test(an_executor_may_come_back_unannounced),
        cmocka_unit_test(news_of_a_loss_may_overtake_news_of_a_start),
        cmocka_unit_test(a_suspect_runs_alone),
        cmocka_unit_test(a_suspect_that_does_it_again_alone_is_blamed),
        cmocka_unit_test(deaths_with_a_lone_task_do_not_exclude_their_executor),
        cmocka_unit_test(a_lone_task_is_not_charged_for_what_is_not_its_fault),
        cmocka_unit_test(a_silent_killer_is_found),
        cmocka_unit_test(a_silent_killer_in_a_long_queue_is_found),
        cmocka_unit_test(lost_tasks_wait_for_a_slot_and_go_first),
        cmocka_unit_test(one_lost_node_makes_no_suspects),
        cmocka_unit_test(one_loss_is_enough_where_so_configured),
        cmocka_unit_test(suspects_leave_half_of_the_executors_to_others),
        cmocka_unit_test(a_cancelled_job_gives_back_what_was_kept_for_its_suspects),
        cmocka_unit_test(an_executor_kept_for_a_suspect_may_be_lost),
        cmocka_unit_test(an_executor_that_keeps_failing_is_backed_off),
        cmocka_unit_test(the_last_usable_executor_is_not_backed_off),
        cmocka_unit_test(an_executor_lost_in_a_row_is_excluded),
        cmocka_unit_test(a_finished_task_forgives_all_losses),
        cmocka_unit_test(jobs_fail_when_every_executor_is_excluded),
        cmocka_unit_test(jobs_wait_for_an_executor_and_then_fail),
        cmocka_unit_test(an_executor_in_time_saves_the_job),
        cmocka_unit_test(says_so_when_no_executor_ever_came),
    };
    return TEST_MAIN(argc, argv, tests);
}
