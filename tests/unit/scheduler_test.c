/* The scheduler, driven by events alone: jobs, stages, attempts, ends. Who gets which task is in
 * scheduler_assign_test.c, losses of executors are in scheduler_faults_test.c. */
#include "simulate/world.h"

/* -- Jobs and stages -------------------------------------------------------------------------- */

static void runs_each_task_once_in_order(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    submit(1, 5);
    assert_int_equal(world.launches, 2); /* two slots; how long they take is not known yet */
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(oldest(0).partition, i);
        assert_false(done(1));
        succeeds(0);
    }
    assert_done(1);
    assert_int_equal(world.accepts, 5);
    assert_int_equal(world.discards, 0);
    assert_int_equal(scheduler_count(world.s).jobs_done, 1);
    world_end();
}

static void waits_for_the_first_executor(void **state)
{
    (void)state;
    world_begin();
    submit(1, 2);
    assert_int_equal(world.launches, 0);
    up(0, 1);
    assert_int_equal(holds(0), 1);
    succeed_all();
    assert_done(1);
    world_end();
}

static rdd_str doubled_partition(void *arg, uint32_t partition)
{
    static char text[16];
    int size = snprintf(text, sizeof text, "%s%u", (const char *)arg, 2 * partition);
    return (rdd_str){ (size_t)size, text };
}

static void assert_payload(size_t index, const char *text)
{
    const command *launch = NULL;
    for (size_t i = 0; i < world.out.count; i++)
        if (world.out.items[i].kind == COMMAND_LAUNCH)
            launch = &world.out.items[i];
    assert_non_null(launch);
    rdd_str payload = launch->tasks[index].payload;
    assert_int_equal(payload.size, strlen(text));
    if (payload.size)
        assert_memory_equal(payload.data, text, payload.size);
}

static void hands_out_payloads_and_the_plan(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    const rdd_str payloads[] = { RDD_STR("zero"), RDD_STR("one") };
    job_spec *spec = one_stage(1, 2);
    spec->stages[0].payloads = payloads;
    spec->stages[0].plan = RDD_STR("the plan");
    referee_submit(&world, spec);
    assert_int_equal(world.out.items[0].kind, COMMAND_PLAN);
    assert_string_equal(world.out.items[0].plan.data, "the plan");
    assert_payload(0, "zero");
    assert_payload(1, "one");
    succeed_all();
    spec = one_stage(2, 2);
    spec->stages[0].payload = doubled_partition;
    spec->stages[0].payload_arg = (char[]){ "p" };
    referee_submit(&world, spec);
    assert_payload(1, "p2");
    succeed_all();
    submit(3, 1);
    assert_payload(0, "");
    succeed_all();
    world_end();
}

static void a_job_without_tasks_is_done_at_once(void **state)
{
    (void)state;
    world_begin();
    submit(1, 0);
    assert_done(1);
    assert_int_equal(world.out.count, 1); /* no plan, nothing to forget */
    world_end();
}

/*      0   1      with 2 tasks each; 3 has none
 *       \ / \
 *        2   3
 *         \ /
 *          4      */
static void a_stage_starts_when_its_parents_are_done(void **state)
{
    (void)state;
    static const uint32_t both[] = { 0, 1 }, second[] = { 1 }, last[] = { 2, 3 };
    world_begin();
    up(0, 8);
    job_spec *spec = job_spec_new(5);
    for (uint32_t i = 0; i < 5; i++)
        spec->stages[i] = (stage_spec){ .id = 10 + i, .task_count = i == 3 ? 0 : 2 };
    spec->stages[2].parents = both;
    spec->stages[2].parent_count = 2;
    spec->stages[3].parents = second;
    spec->stages[3].parent_count = 1;
    spec->stages[4].parents = last;
    spec->stages[4].parent_count = 2;
    referee_submit(&world, spec);
    assert_int_equal(holds(0), 4);
    succeeds(0);
    succeeds(0);
    assert_int_equal(holds(0), 2); /* stage 0 is done, 1 is not */
    succeeds(0);
    assert_int_equal(holds(0), 1);
    succeeds(0);
    assert_int_equal(holds(0), 2);
    assert_int_equal(oldest(0).stage, 12);
    succeed_many(0, 2, NS_PER_MS);
    assert_int_equal(oldest(0).stage, 14);
    succeed_many(0, 2, NS_PER_MS);
    assert_done(0);
    world_end();
}

static void a_long_chain_of_stages_needs_no_stack(void **state)
{
    (void)state;
    enum { STAGES = 200000 };
    scheduler_conf conf = scheduler_conf_default();
    scheduler *s = scheduler_new(&conf);
    job_spec *spec = job_spec_new(STAGES);
    uint32_t *parents = calloc(STAGES, sizeof *parents);
    assert_true(s && spec && parents);
    for (uint32_t i = 0; i < STAGES; i++) {
        parents[i] = i - 1;
        spec->stages[i] = (stage_spec){ .id = i, .parents = &parents[i], .parent_count = i > 0 };
    }
    command_list out = { 0 };
    assert_int_equal(scheduler_step(s, &(event){ .kind = EVENT_JOB_SUBMIT, .job = spec }, 1, &out),
                     0);
    assert_int_equal(out.count, 1);
    assert_int_equal(out.items[0].kind, COMMAND_JOB_DONE);
    assert_int_equal(out.items[0].error->code, RDD_OK);
    free(parents);
    command_list_release(&out);
    scheduler_free(s);
}

static void refuses_more_partitions_than_it_can_count(void **state)
{
    (void)state;
    world_begin();
    job_spec *spec = one_stage(1, 0);
    spec->stages[0].task_count = UINT32_MAX;
    event e = { .kind = EVENT_JOB_SUBMIT, .job = spec };
    assert_int_equal(scheduler_step(world.s, &e, world.now_ns, &world.out), 0);
    assert_int_equal(world.out.items[0].kind, COMMAND_JOB_DONE);
    assert_int_equal(world.out.items[0].error->code, RDD_E_LIMIT);
    assert_string_equal(world.out.items[0].error->message,
                        "a stage has 4294967295 partitions, a stage may have at most 1073741823: "
                        "use fewer (.partitions, rdd_coalesce)");
    world_end();
}

/* -- Attempts --------------------------------------------------------------------------------- */

/* Lets other tasks succeed until this one is somebody's oldest; returns who that is. */
static uint32_t reach(uint32_t partition)
{
    for (uint32_t i = 0;; i = 1 - i) {
        if (holds(i) && oldest(i).partition == partition)
            return i;
        if (holds(i))
            succeeds(i);
    }
}

static void fails_with_the_first_cause_after_all_attempts(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 1);
    submit(1, 20);
    fails(0, "line 3: not a number");
    for (uint32_t attempt = 1; attempt < 4; attempt++) {
        uint32_t at = reach(0);
        assert_int_equal(at, attempt % 2); /* not where it failed last */
        assert_int_equal(oldest(at).attempt, attempt);
        fails(at, "something else");
    }
    assert_true(world.cancels > 0);
    size_t launches = world.launches;
    while (holds(0) + holds(1)) {
        assert_false(done(1)); /* others still run */
        answer(holds(0) ? 0 : 1, OUTCOME_CANCELLED, NULL);
    }
    assert_failed_with(1, RDD_E_USER, "failed 4 times, first: line 3: not a number");
    assert_int_equal(error_of(1)->job, 1);
    assert_int_equal(error_of(1)->stage, 1);
    assert_int_equal(error_of(1)->partition, 0);
    assert_int_equal(error_of(1)->attempt, 0);
    assert_string_equal(error_of(1)->node, "executor 0");
    assert_int_equal(world.launches, launches);
    world_end();
}

static void one_attempt_leaves_the_cause_as_it_is(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    job_spec *spec = one_stage(1, 1);
    spec->stages[0].attempts_max = 1;
    referee_submit(&world, spec);
    fails(0, "cannot parse");
    assert_failed_with(1, RDD_E_USER, "cannot parse");
    world_end();
}

static void fail_as(uint32_t executor, rdd_code code, const char *why)
{
    outcome o = { .id = oldest(executor) };
    rdd_error error;
    error_set(&error, code, "%s", why);
    outcome_set_error(&o, OUTCOME_FAILED, &error);
    referee_step(&world, &(event){ .kind = EVENT_OUTCOMES, .executor = executor, .outcomes = &o,
                                   .outcome_count = 1 });
    outcome_release(&o);
}

static void what_would_fail_again_is_not_tried_again(void **state)
{
    (void)state;
    static const rdd_code final[] = { RDD_E_USAGE, RDD_E_TYPE,  RDD_E_INPUT,
                                      RDD_E_EXISTS, RDD_E_LIMIT, RDD_E_HTTP };
    static const rdd_code passing[] = { RDD_E_IO, RDD_E_MEMORY, RDD_E_USER, RDD_E_LOST };
    world_begin();
    up(0, 1);
    uint32_t job_id = 1;
    for (size_t i = 0; i < ARRAY_SIZE(final); i++, job_id++) {
        submit(job_id, 1);
        fail_as(0, final[i], "line 3: four columns, expected three");
        assert_failed_with(job_id, final[i], "line 3: four columns, expected three");
        assert_int_equal(error_of(job_id)->partition, 0);
    }
    for (size_t i = 0; i < ARRAY_SIZE(passing); i++, job_id++) {
        submit(job_id, 1);
        fail_as(0, passing[i], "bad luck");
        succeeds(0);
        assert_done(job_id);
    }
    world_end();
}

static void the_discarded_outcome_says_where_it_failed(void **state)
{
    (void)state;
    world_begin();
    up(3, 1);
    submit(7, 1);
    outcome o = { .id = oldest(3) };
    rdd_error cause;
    error_set(&cause, RDD_E_USER, "cause");
    outcome_set_error(&o, OUTCOME_FAILED, &cause);
    event e = { .kind = EVENT_OUTCOMES, .executor = 3, .outcomes = &o, .outcome_count = 1 };
    referee_step(&world, &e);
    assert_int_equal(o.error->job, 7);
    assert_int_equal(o.error->stage, 7);
    assert_int_equal(o.error->partition, 0);
    assert_int_equal(o.error->attempt, 0);
    assert_string_equal(o.error->node, "executor 3");
    outcome_release(&o);
    succeed_all();
    world_end();
}

static void a_failure_without_a_reason_still_has_a_message(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 1);
    for (int i = 0; i < 4; i++)
        answer(0, OUTCOME_CRASHED, NULL);
    assert_failed_with(1, RDD_E_CRASH, "failed 4 times, first: no reason came with it");
    assert_int_equal(scheduler_count(world.s).crashed, 4);
    world_end();
}

static void stale_doubled_and_unknown_outcomes_are_discarded(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 1);
    submit(1, 3);
    task_id first = oldest(0);
    succeeds(0);
    referee_outcome(&world, 0, first, OUTCOME_OK, NULL);                    /* doubled */
    referee_outcome(&world, 0, oldest(1), OUTCOME_OK, NULL);                /* another's */
    referee_outcome(&world, 9, oldest(1), OUTCOME_OK, NULL);                /* nobody's */
    referee_outcome(&world, 0, (task_id){ 1, 99, 0 }, OUTCOME_OK, NULL);    /* no such partition */
    referee_outcome(&world, 0, (task_id){ 1, 2, 7 }, OUTCOME_FAILED, "x");  /* no such attempt */
    referee_outcome(&world, 0, (task_id){ 500, 0, 0 }, OUTCOME_OK, NULL);   /* no such stage */
    outcome old = { .id = oldest(0) };
    referee_step(&world, &(event){ .kind = EVENT_OUTCOMES, .executor = 0, .incarnation = 55,
                                   .outcomes = &old, .outcome_count = 1 });
    assert_int_equal(scheduler_count(world.s).stale, 7);
    assert_int_equal(world.discards, 7);
    assert_int_equal(world.accepts, 1);
    succeed_all();
    assert_done(1);
    world_end();
}

/* -- Ends ------------------------------------------------------------------------------------- */

static void a_cancelled_job_ends_when_nothing_of_it_flies(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    up(1, 1);
    submit(1, 2);
    submit(2, 2);
    referee_cancel(&world, 1, RDD_E_CANCELLED, "interrupted");
    assert_int_equal(world.cancels, 2);
    referee_cancel(&world, 1, RDD_E_USER, "too late");
    referee_cancel(&world, 33, RDD_E_USER, "nobody");
    succeeds(0); /* finished before it heard */
    assert_false(done(1));
    assert_int_equal(world.accepts, 0);
    answer(1, OUTCOME_CANCELLED, NULL);
    assert_failed_with(1, RDD_E_CANCELLED, "interrupted");
    succeed_all();
    assert_done(2);
    world_end();
}

static void an_executor_is_told_once_for_each_stage(void **state)
{
    (void)state;
    world_begin();
    up(0, 4);
    job_spec *spec = job_spec_new(2);
    spec->job_id = 1;
    spec->stages[0] = (stage_spec){ .id = 1, .task_count = 2 };
    spec->stages[1] = (stage_spec){ .id = 2, .task_count = 2 };
    referee_submit(&world, spec);
    referee_cancel(&world, 1, RDD_E_CANCELLED, "interrupted");
    assert_int_equal(world.cancels, 2);
    while (holds(0))
        answer(0, OUTCOME_CANCELLED, NULL);
    assert_true(done(1));
    world_end();
}

static void a_cancelled_job_does_not_wait_for_lost_executors(void **state)
{
    (void)state;
    world_begin();
    up(0, 2);
    submit(1, 2);
    referee_cancel(&world, 1, RDD_E_CANCELLED, "interrupted");
    referee_lost(&world, 0, "cut off");
    assert_failed_with(1, RDD_E_CANCELLED, "interrupted");
    world_end();
}

static void an_executor_that_ignores_a_cancel_is_replaced(void **state)
{
    (void)state;
    scheduler_conf conf = scheduler_conf_default();
    conf.cancel_wait_ns = 5 * NS_PER_S;
    world_begin_with(conf);
    up(0, 2);
    up(1, 1);
    submit(1, 3);
    referee_cancel(&world, 1, RDD_E_CANCELLED, "interrupted");
    uint64_t deadline = scheduler_next_deadline(world.s);
    assert_int_equal(deadline, world.now_ns + 5 * NS_PER_S);
    answer(1, OUTCOME_CANCELLED, NULL);
    referee_tick(&world, deadline - 1);
    assert_int_equal(world.replaces, 0);
    referee_tick(&world, deadline);
    assert_int_equal(world.replaces, 1);
    submit(2, 4);
    assert_int_equal(holds(0), 2); /* nothing new for it */
    referee_lost(&world, 0, "replaced");
    assert_true(done(1));
    up(0, 2);
    succeed_all();
    assert_done(2);
    assert_int_equal(scheduler_next_deadline(world.s), CLOCK_NEVER);
    world_end();
}

static void stop_cancels_all_and_takes_no_more(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    submit(1, 3);
    submit(2, 3);
    referee_stop(&world);
    assert_failed_with(2, RDD_E_CANCELLED, "cancelled: the context ends");
    assert_false(done(1));
    submit(3, 1);
    assert_failed_with(3, RDD_E_CANCELLED, "cancelled: the context ends");
    while (holds(0))
        answer(0, OUTCOME_CANCELLED, NULL);
    assert_failed_with(1, RDD_E_CANCELLED, "cancelled: the context ends");
    world_end();
}

static void result_of(uint32_t executor, size_t size)
{
    outcome o = { .id = oldest(executor), .result_size = size };
    referee_step(&world, &(event){ .kind = EVENT_OUTCOMES, .executor = executor, .outcomes = &o,
                                   .outcome_count = 1 });
}

static void results_past_the_limit_fail_the_job(void **state)
{
    (void)state;
    world_begin();
    up(0, 1);
    job_spec *spec = one_stage(1, 3);
    spec->result_size_max = GIB(1);
    referee_submit(&world, spec);
    result_of(0, GIB(1) - 1);
    result_of(0, 1);
    result_of(0, 1);
    assert_int_equal(world.accepts, 2);
    assert_failed_with(1, RDD_E_LIMIT,
                       "collecting count needs more than driver.result_max (1 GiB): use rdd_save_* "
                       "or rdd_to_local_iterator, or raise it with --conf driver.result_max=2GiB");
    world_end();
}

static void a_snapshot_says_how_far_a_stage_is(void **state)
{
    (void)state;
    static const uint32_t parent[] = { 0 };
    world_begin();
    up(0, 2);
    job_spec *spec = job_spec_new(2);
    spec->job_id = 1;
    spec->stages[0] = (stage_spec){ .id = 1, .name = "first", .task_count = 4 };
    spec->stages[1] = (stage_spec){ .id = 2, .name = "second", .task_count = 1, .parents = parent,
                                    .parent_count = 1 };
    referee_submit(&world, spec);
    succeed_many(0, 1, 3 * NS_PER_S);
    fails(0, "once");
    stage_snapshot shot[4];
    assert_int_equal(scheduler_snapshot(world.s, 1, shot, 4), 1);
    assert_int_equal(shot[0].stage, 1);
    assert_string_equal(shot[0].name, "first");
    assert_int_equal(shot[0].total, 4);
    assert_int_equal(shot[0].done, 1);
    assert_int_equal(shot[0].running, 2);
    assert_int_equal(shot[0].attempts_failed, 1);
    assert_int_equal(shot[0].records, 10);
    assert_int_equal(shot[0].run_ns, 3 * NS_PER_S);
    assert_int_equal(scheduler_snapshot(world.s, 9, shot, 4), 0);
    assert_int_equal(scheduler_snapshot(world.s, 1, shot, 0), 0);
    succeed_all();
    assert_int_equal(scheduler_snapshot(world.s, 1, shot, 4), 0);
    world_end();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(runs_each_task_once_in_order),
        cmocka_unit_test(waits_for_the_first_executor),
        cmocka_unit_test(hands_out_payloads_and_the_plan),
        cmocka_unit_test(a_job_without_tasks_is_done_at_once),
        cmocka_unit_test(a_stage_starts_when_its_parents_are_done),
        cmocka_unit_test(a_long_chain_of_stages_needs_no_stack),
        cmocka_unit_test(refuses_more_partitions_than_it_can_count),
        cmocka_unit_test(fails_with_the_first_cause_after_all_attempts),
        cmocka_unit_test(one_attempt_leaves_the_cause_as_it_is),
        cmocka_unit_test(what_would_fail_again_is_not_tried_again),
        cmocka_unit_test(the_discarded_outcome_says_where_it_failed),
        cmocka_unit_test(a_failure_without_a_reason_still_has_a_message),
        cmocka_unit_test(stale_doubled_and_unknown_outcomes_are_discarded),
        cmocka_unit_test(a_cancelled_job_ends_when_nothing_of_it_flies),
        cmocka_unit_test(an_executor_is_told_once_for_each_stage),
        cmocka_unit_test(a_cancelled_job_does_not_wait_for_lost_executors),
        cmocka_unit_test(an_executor_that_ignores_a_cancel_is_replaced),
        cmocka_unit_test(stop_cancels_all_and_takes_no_more),
        cmocka_unit_test(results_past_the_limit_fail_the_job),
        cmocka_unit_test(a_snapshot_says_how_far_a_stage_is),
    };
    return TEST_MAIN(argc, argv, tests);
}
