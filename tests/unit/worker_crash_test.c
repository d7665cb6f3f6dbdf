/* worker_crash_test.c: tasks that take their worker down, or do not stop when they are told to:
 * real processes, through backend.h, with a fake runner. */
#include "executor_rig.h"

/* -- Crashes ----------------------------------------------------------------------------------- */

static void a_crash_names_what_happened_and_where(void **state)
{
    (void)state;
    static const struct {
        const char *payload, *text;
    } CASES[] = {
        { "c", "worker crashed: SIGSEGV at address 0x10 in operator fake (fake.c:7), partition" },
        { "a", "worker crashed: SIGABRT in operator fake (fake.c:7), partition" },
        { "z", "worker crashed: SIGFPE in operator fake (fake.c:7), partition" },
        { "o", "(the stack overflowed) in operator fake (fake.c:7), partition" },
        { "X4", "worker crashed: exit(4) was called in operator fake (fake.c:7), partition" },
        { "X0", "worker crashed: exit(0) was called in operator fake (fake.c:7), partition" },
        { "t", "worker crashed: pthread_exit() was called in operator fake (fake.c:7), partition" },
        { "x3", "worker exited with status 3 in operator fake (fake.c:7), partition" },
        { "k", "worker was killed by signal 9 (SIGKILL) in operator fake (fake.c:7), partition" },
    };
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        outcome o = rig_run(&r, 0, CASES[i].payload);
        if (o.status != OUTCOME_CRASHED)
            fprintf(stderr, "payload %s\n", CASES[i].payload);
        expect_status(&o, OUTCOME_CRASHED);
        assert_int_equal(o.error->code, RDD_E_CRASH);
        expect_text(o.error->message, CASES[i].text);
        expect_text(o.error->message, ", batch 17");
        assert_int_equal(o.error->partition, o.id.partition);
        assert_int_equal(o.error->attempt, 3);
        assert_string_equal(o.error->node, "executor 0");
        outcome_release(&o);
        expect_alive(&r, 0);
    }
    rig_wait_for_line(&r, "(runner_run+"); /* of a backtrace */
    rig_stop(&r);
}

/* The report names one slot: the other one's task is lost, and nobody suspects it. */
static void only_the_task_that_crashed_is_charged(void **state)
{
    (void)state;
    static const char *const CRASHES[] = { "c", "a", "X1", "o" };
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 2);
    for (size_t i = 0; i < ARRAY_SIZE(CRASHES); i++) {
        const char *waiting = rig_fifo(&r, i, 'w');
        task_id first = rig_launch(&r, 0, waiting);
        int fd = rig_meet(waiting);
        rig_launch(&r, 0, CRASHES[i]);
        outcome outcomes[2];
        rig_outcomes(&r, first, 2, outcomes);
        expect_status(&outcomes[0], OUTCOME_LOST);
        assert_false(outcomes[0].suspect);
        expect_status(&outcomes[1], OUTCOME_CRASHED);
        outcome_release(&outcomes[0]);
        outcome_release(&outcomes[1]);
        close(fd);
    }
    expect_alive(&r, 0);
    rig_stop(&r);
}

/* Without a report both are suspects; alone, the guilty one is charged. */
static void without_a_report_the_running_ones_are_suspects(void **state)
{
    (void)state;
    static const char *const CRASHES[] = { "k", "x3" };
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 2);
    for (size_t i = 0; i < ARRAY_SIZE(CRASHES); i++) {
        const char *waiting = rig_fifo(&r, i, 'w');
        task_id first = rig_launch(&r, 0, waiting);
        int fd = rig_meet(waiting);
        rig_launch(&r, 0, CRASHES[i]);
        outcome outcomes[2];
        rig_outcomes(&r, first, 2, outcomes);
        for (size_t j = 0; j < 2; j++) {
            expect_status(&outcomes[j], OUTCOME_LOST);
            assert_true(outcomes[j].suspect);
            assert_non_null(outcomes[j].error);
            outcome_release(&outcomes[j]);
        }
        close(fd);
        outcome o = rig_run(&r, 0, CRASHES[i]);
        expect_status(&o, OUTCOME_CRASHED);
        outcome_release(&o);
    }
    rig_stop(&r);
}

/* Two workers of one slot each: a crash in one is nothing to the other. */
static void slots_per_process_keeps_crashes_apart(void **state)
{
    (void)state;
    rig_defaults();
    rig_conf("executor.slots_per_process=1");
    rig r;
    rig_start_up(&r, 1, 2);
    const char *waiting = rig_fifo(&r, 0, 'w');
    task_id first = rig_launch(&r, 0, waiting);
    int fd = rig_meet(waiting);
    rig_launch(&r, 0, "k");
    outcome outcomes[2];
    event *e = rig_expect(&r, EVENT_OUTCOMES);
    assert_int_equal(e->outcome_count, 1);
    expect_status(&e->outcomes[0], OUTCOME_CRASHED);
    event_free(e);
    close(fd);
    rig_outcomes(&r, first, 1, outcomes);
    expect_status(&outcomes[0], OUTCOME_OK);
    outcome_release(&outcomes[0]);
    rig_stop(&r);
}

static void queued_tasks_are_lost_without_blame_or_run_later(void **state)
{
    (void)state;
    enum { TASKS = 200 };
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    /* Short ones first, so that the supervisor hands many out at once. */
    outcome outcomes[TASKS];
    task_id first = rig_launch(&r, 0, "");
    for (int i = 1; i < TASKS; i++)
        rig_launch(&r, 0, "");
    rig_outcomes(&r, first, TASKS, outcomes);
    first = rig_launch(&r, 0, "k");
    for (int i = 1; i < TASKS; i++)
        rig_launch(&r, 0, "");
    rig_outcomes(&r, first, TASKS, outcomes);
    expect_status(&outcomes[0], OUTCOME_CRASHED);
    outcome_release(&outcomes[0]);
    for (int i = 1; i < TASKS; i++) {
        assert_true(outcomes[i].status == OUTCOME_LOST || outcomes[i].status == OUTCOME_OK);
        assert_false(outcomes[i].suspect);
        outcome_release(&outcomes[i]);
    }
    rig_stop(&r);
}

static void a_worker_that_closes_its_descriptors_is_replaced(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    outcome o = rig_run(&r, 0, "d");
    expect_status(&o, OUTCOME_CRASHED);
    expect_text(o.error->message, "worker crashed: descriptors of the library were closed in "
                                  "operator fake (fake.c:7), partition");
    outcome_release(&o);
    expect_alive(&r, 0);
    rig_stop(&r);
}

/* A child in its own session holds everything that it inherited open: the end of the worker is seen
 * at once all the same, and the child does not stay. */
static void a_stray_child_hides_nothing_and_does_not_stay(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    const char *payload = rig_fifo(&r, 0, 's');
    char number_path[520], number[16] = { 0 };
    snprintf(number_path, sizeof number_path, "%s.pid", payload + 1);
    assert_int_equal(mkfifo(number_path, 0600), 0);
    task_id id = rig_launch(&r, 0, payload);
    int fd = open(number_path, O_RDONLY);
    assert_true(read(fd, number, sizeof number - 1) > 0);
    close(fd);
    int stray = process_open((pid_t)strtol(number, NULL, 10));
    assert_true(stray >= 0);
    close(rig_meet(payload)); /* now it crashes */
    outcome o;
    rig_outcomes(&r, id, 1, &o);
    expect_status(&o, OUTCOME_CRASHED);
    outcome_release(&o);
    process_expect_end(stray);
    expect_alive(&r, 0);
    rig_stop(&r);
}

/* -- Cancelling -------------------------------------------------------------------------------- */

static void cancelling_stops_running_and_queued_tasks(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    const char *waiting = rig_fifo(&r, 0, 'w');
    task_id first = rig_launch(&r, 0, waiting);
    for (int i = 0; i < 9; i++)
        rig_launch(&r, 0, "");
    int fd = rig_meet(waiting);
    r.backend->ops->cancel(r.backend, 0, 0, 1);
    outcome outcomes[10];
    rig_outcomes(&r, first, 10, outcomes);
    for (int i = 0; i < 10; i++)
        expect_status(&outcomes[i], OUTCOME_CANCELLED);
    close(fd);
    expect_alive(&r, 0);
    rig_stop(&r);
}

/* It is killed after task.kill_grace; its neighbour of another stage is lost, and no suspect. */
static void a_task_that_ignores_cancelling_is_killed(void **state)
{
    (void)state;
    rig_defaults();
    rig_conf("task.kill_grace=50ms");
    rig r;
    rig_start_up(&r, 1, 2);
    const char *stubborn = rig_fifo(&r, 0, 'i'), *waiting = rig_fifo(&r, 1, 'w');
    task_id first = rig_launch_stage(&r, 1, 0, stubborn);
    rig_launch_stage(&r, 2, 0, waiting);
    int fds[] = { rig_meet(stubborn), rig_meet(waiting) };
    r.backend->ops->cancel(r.backend, 0, 0, 1);
    outcome outcomes[2];
    rig_outcomes(&r, first, 2, outcomes);
    expect_status(&outcomes[0], OUTCOME_CANCELLED);
    expect_status(&outcomes[1], OUTCOME_LOST);
    assert_false(outcomes[1].suspect);
    outcome_release(&outcomes[0]);
    outcome_release(&outcomes[1]);
    rig_wait_for_line(&r, "task.kill_grace");
    close(fds[0]);
    close(fds[1]);
    expect_alive(&r, 0);
    rig_stop(&r);
}

int main(int argc, char **argv)
{
    rig_main(&argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_names_what_happened_and_where),
        cmocka_unit_test(only_the_task_that_crashed_is_charged),
        cmocka_unit_test(without_a_report_the_running_ones_are_suspects),
        cmocka_unit_test(slots_per_process_keeps_crashes_apart),
        cmocka_unit_test(queued_tasks_are_lost_without_blame_or_run_later),
        cmocka_unit_test(a_worker_that_closes_its_descriptors_is_replaced),
        cmocka_unit_test(a_stray_child_hides_nothing_and_does_not_stay),
        cmocka_unit_test(cancelling_stops_running_and_queued_tasks),
        cmocka_unit_test(a_task_that_ignores_cancelling_is_killed),
    };
    return TEST_MAIN(argc, argv, tests);
}
