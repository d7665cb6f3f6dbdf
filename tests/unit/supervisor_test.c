/* supervisor_test.c: supervisor.h and connection.h against each other, with workers that the test
 * plays: no process, no clock. The real ones are in backend_executors_test.c. */
#include "supervisor_rig.h"

#include <sys/wait.h>

enum { EXITED_3 = 3 << 8 };

static void expect_failed(sim *m, const char *text)
{
    rdd_error err;
    assert_true(connection_failed(m->driver, &err));
    expect_text(err.message, text);
    assert_string_equal(err.node, "executor 0");
}

/* -- Handing out ------------------------------------------------------------------------------- */

static void slots_are_spread_over_workers(void **state)
{
    (void)state;
    static const struct {
        uint32_t slots, each, workers, last;
    } CASES[] = { { 4, 0, 1, 4 }, { 4, 1, 4, 1 }, { 4, 3, 2, 1 }, { 4, 9, 1, 4 }, { 1, 1, 1, 1 } };
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        sim m;
        sim_begin(&m, CASES[i].slots, CASES[i].each);
        assert_int_equal(supervisor_worker_count(m.supervisor), CASES[i].workers);
        assert_int_equal(m.starts, CASES[i].workers);
        assert_int_equal(m.workers[CASES[i].workers - 1].slots, CASES[i].last);
        sim_end(&m);
    }
}

static void long_tasks_are_handed_out_one_for_each_slot(void **state)
{
    (void)state;
    sim m;
    sim_begin(&m, 4, 2);
    for (uint32_t i = 0; i < 10; i++)
        sim_launch(&m, 1, i);
    sim_settle(&m);
    assert_int_equal(m.workers[0].held_count, 2);
    assert_int_equal(m.workers[1].held_count, 2);
    assert_int_equal(m.workers[0].plan_count, 1);
    worker_finish(&m.workers[0], 0, 0, 5 * NS_PER_S);
    sim_settle(&m);
    assert_int_equal(m.workers[0].held_count, 2);
    outcome o;
    sim_outcomes(&m, &o, 1);
    assert_int_equal(o.status, OUTCOME_OK);
    sim_end(&m);
}

static void short_tasks_are_handed_out_ahead(void **state)
{
    (void)state;
    sim m;
    sim_begin(&m, 1, 0);
    for (uint32_t i = 0; i < 900; i++)
        sim_launch(&m, 1, i);
    sim_settle(&m);
    assert_int_equal(m.workers[0].held_count, 1);
    worker_finish(&m.workers[0], 0, 0, 10 * NS_PER_US);
    sim_settle(&m);
    assert_int_equal(m.workers[0].held_count, 1 + 200); /* about 2 ms of them */
    outcome o;
    sim_outcomes(&m, &o, 1);
    sim_end(&m);
}

static void a_plan_goes_to_a_worker_once(void **state)
{
    (void)state;
    sim m;
    sim_begin(&m, 1, 0);
    sim_launch(&m, 1, 0);
    sim_settle(&m);
    worker_finish(&m.workers[0], 0, 0, NS_PER_S);
    sim_launch(&m, 1, 1);
    sim_launch(&m, 2, 0);
    sim_settle(&m);
    worker_finish(&m.workers[0], 0, 0, NS_PER_S);
    sim_settle(&m);
    assert_int_equal(m.workers[0].plan_count, 2);
    /* Its successor gets what it needs again. */
    outcome outcomes[3];
    sim_outcomes(&m, outcomes, 2);
    worker_run(&m.workers[0], 0, m.workers[0].held[0].id);
    worker_die(&m, 0, SIGKILL);
    sim_launch(&m, 2, 1);
    sim_settle(&m);
    assert_int_equal(m.workers[0].plan_count, 1);
    sim_outcomes(&m, outcomes, 1);
    outcome_release(&outcomes[0]);
    sim_end(&m);
}

/* -- The end of a worker ----------------------------------------------------------------------- */

static void begin_two_running(sim *m, task_id ids[2])
{
    sim_begin(m, 2, 0);
    for (uint32_t i = 0; i < 2; i++)
        ids[i] = sim_launch(m, 1, i);
    sim_settle(m);
    assert_int_equal(m->workers[0].held_count, 2);
    for (uint32_t i = 0; i < 2; i++)
        worker_run(&m->workers[0], i, ids[i]);
}

static void release_outcomes(outcome *outcomes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        outcome_release(&outcomes[i]);
}

static void a_report_charges_one_task(void **state)
{
    (void)state;
    sim m;
    task_id ids[2];
    outcome o[2];
    begin_two_running(&m, ids);
    m.workers[0].board->crash = (crash_report){ .progress = CRASH_COMPLETE, .signal = SIGSEGV,
                                                .slot = 1, .stage = 1, .partition = 1, .node = 1,
                                                .batch = 17, .address = 0x10 };
    worker_die(&m, 0, SIGSEGV);
    sim_settle(&m);
    sim_outcomes(&m, o, 2);
    assert_int_equal(o[0].status, OUTCOME_LOST);
    assert_false(o[0].suspect);
    assert_int_equal(o[1].status, OUTCOME_CRASHED);
    assert_string_equal(o[1].error->message, "worker crashed: SIGSEGV at address 0x10 in operator "
                                             "fake (fake.c:7), partition 1, batch 17");
    assert_int_equal(m.starts, 2);
    release_outcomes(o, 2);
    sim_end(&m);
}

/* The worker runs user code: what it leaves on the board may be anything. */
static void a_report_that_lies_charges_nobody_else(void **state)
{
    (void)state;
    static const crash_report LIES[] = {
        { .progress = CRASH_COMPLETE, .signal = 11, .slot = 77, .stage = 1, .partition = 1 },
        { .progress = CRASH_COMPLETE, .signal = -5, .slot = 0, .stage = 9, .partition = 1 },
        { .progress = CRASH_COMPLETE, .kind = 99, .slot = 0, .stage = 1, .partition = 9 },
        { .progress = CRASH_COMPLETE, .signal = 11, .slot = CRASH_NO_SLOT },
    };
    for (size_t i = 0; i < ARRAY_SIZE(LIES); i++) {
        sim m;
        task_id ids[2];
        outcome o[2];
        begin_two_running(&m, ids);
        m.workers[0].board->crash = LIES[i];
        worker_die(&m, 0, SIGSEGV);
        sim_settle(&m);
        sim_outcomes(&m, o, 2);
        for (size_t j = 0; j < 2; j++) {
            assert_int_equal(o[j].status, OUTCOME_LOST);
            assert_true(o[j].suspect);
        }
        release_outcomes(o, 2);
        sim_end(&m);
    }
}

static void an_outcome_that_was_written_before_the_end_counts(void **state)
{
    (void)state;
    sim m;
    task_id ids[2];
    outcome o[2];
    begin_two_running(&m, ids);
    worker_finish(&m.workers[0], 1, 0, NS_PER_S);
    sim_settle(&m);
    worker_die(&m, 0, SIGKILL); /* the board still says that both run */
    sim_settle(&m);
    sim_outcomes(&m, o, 2);
    assert_int_equal(o[0].status, OUTCOME_OK);
    assert_int_equal(o[1].status, OUTCOME_CRASHED);
    expect_text(o[1].error->message, "worker was killed by signal 9 (SIGKILL) in operator fake");
    release_outcomes(o, 2);
    sim_end(&m);
}

static void the_kernel_s_killer_is_named(void **state)
{
    (void)state;
    sim m;
    outcome o;
    sim_begin(&m, 1, 0);
    worker_run(&m.workers[0], 0, sim_launch(&m, 1, 0));
    sim_settle(&m);
    worker_end end = { .wait_status = SIGKILL, .oom_kills_before = 2, .oom_kills = 3 };
    supervisor_worker_ended(m.supervisor, 0, &end, m.now_ns);
    worker_release(&m.workers[0]);
    sim_settle(&m);
    sim_outcomes(&m, &o, 1);
    assert_int_equal(o.status, OUTCOME_CRASHED);
    expect_text(o.error->message, "out of memory? (cgroup oom_kill went from 2 to 3)");
    outcome_release(&o);
    sim_end(&m);
}

/* A task of no use to blame: workers are started again, later each time, and then no more. */
static void workers_of_no_use_end_the_executor(void **state)
{
    (void)state;
    sim m;
    sim_begin(&m, 1, 0);
    for (int i = 0; i < 3; i++) {
        assert_true(m.workers[0].lives);
        worker_die(&m, 0, EXITED_3);
        assert_int_equal(m.starts, 1 + (uint32_t)i);
        sim_settle(&m);
        assert_false(m.workers[0].lives); /* not at once */
        sim_pass(&m, NS_PER_S);
    }
    worker_die(&m, 0, EXITED_3);
    sim_settle(&m);
    assert_true(m.exited);
    expect_failed(&m, "4 workers in a row were of no use; the last one: worker exited with status "
                      "3 before it was ready (rdd_init must come first in main)");
    sim_end(&m);
}

/* The hint at rdd_init is for those of which nobody knows why they ended. */
static void a_worker_says_why_it_ends(void **state)
{
    (void)state;
    sim m;
    sim_begin(&m, 1, 0);
    for (int i = 0; i < 4; i++) {
        board *b = m.workers[0].board;
        snprintf(b->reason, sizeof b->reason, "no\nthreads");
        b->reason_given = 1;
        worker_die(&m, 0, EXITED_3);
        sim_settle(&m);
        sim_pass(&m, NS_PER_S);
    }
    assert_true(m.exited);
    expect_failed(&m, "4 workers in a row were of no use; the last one: worker ended: no threads");
    sim_end(&m);
}

/* -- Workers that make no sense ---------------------------------------------------------------- */

static void expect_killed_and_lost(sim *m, const char *text)
{
    outcome o;
    sim_settle(m);
    assert_int_equal(m->kills, 1);
    sim_outcomes(m, &o, 1);
    assert_int_equal(o.status, OUTCOME_LOST);
    expect_text(o.error->message, text);
    outcome_release(&o);
    sim_pass(m, NS_PER_S);
    assert_true(m->workers[0].lives);
    assert_false(m->exited);
}

static void a_worker_that_makes_no_sense_is_replaced(void **state)
{
    (void)state;
    sim m;
    fake_worker *w = &m.workers[0];
    sim_begin(&m, 1, 0);
    sim_launch(&m, 1, 0);
    sim_settle(&m);
    w->held[1].id = (task_id){ 1, 77, 0 };
    w->held_count = 2;
    worker_finish(w, 1, 0, 1); /* a task it never had */
    expect_killed_and_lost(&m, "an outcome of a task that it did not have");
    sim_end(&m);

    sim_begin(&m, 1, 0);
    sim_launch(&m, 1, 0);
    sim_settle(&m);
    frame_append(&w->channel.control, FRAME_OUTCOMES, 0, "xyz", 3);
    expect_killed_and_lost(&m, "a malformed outcome");
    sim_end(&m);

    sim_begin(&m, 1, 0);
    sim_launch(&m, 1, 0);
    sim_settle(&m);
    bye_append(&w->channel.control, NULL);
    expect_killed_and_lost(&m, "a frame of type");
    sim_end(&m);

    sim_begin(&m, 1, 0);
    sim_launch(&m, 1, 0);
    sim_settle(&m);
    buf_text(&w->channel.control, "printf() into the wrong descriptor, of all things");
    expect_killed_and_lost(&m, "bytes that are no frame");
    sim_end(&m);
}

static void bytes_past_their_credit_are_refused(void **state)
{
    (void)state;
    sim m;
    fake_worker *w = &m.workers[0];
    sim_begin(&m, 2, 0);
    sim_launch(&m, 1, 0);
    sim_launch(&m, 1, 1);
    sim_settle(&m);
    worker_finish(w, 0, 20 << 20, 1);
    streams_out_credit(&w->results, (uint64_t)w->serial << 32 | 1, UINT64_MAX); /* all by itself */
    outcome o[2];
    while (sim_move_worker(&m, 0) && !m.kills) /* before the driver could say a word */
        sim_commands(&m);
    sim_settle(&m);
    assert_int_equal(m.kills, 1);
    sim_outcomes(&m, o, 2);
    for (int i = 0; i < 2; i++)
        assert_int_equal(o[i].status, OUTCOME_LOST);
    release_outcomes(o, 2);
    sim_end(&m);
}

/* It goes on sending until it is dead: however much, none of it is kept. */
static void what_comes_after_nonsense_is_dropped(void **state)
{
    (void)state;
    static char much[64 << 10];
    sim m;
    sim_begin(&m, 1, 0);
    channel *theirs = supervisor_worker_channel(m.supervisor, 0);
    for (int i = 0; i < 100; i++) {
        size_t room;
        memcpy(frame_reader_room(&theirs->in, &room), much, sizeof much);
        frame_reader_filled(&theirs->in, sizeof much);
        supervisor_worker_input(m.supervisor, 0, m.now_ns);
    }
    assert_true(theirs->in.capacity <= 1 << 20);
    sim_settle(&m);
    assert_int_equal(m.kills, 1);

    theirs = connection_channel(m.driver);
    for (int i = 0; i < 100; i++) {
        size_t room;
        memcpy(frame_reader_room(&theirs->in, &room), much, sizeof much);
        frame_reader_filled(&theirs->in, sizeof much);
        connection_input(m.driver, m.now_ns);
    }
    assert_true(theirs->in.capacity <= 1 << 20);
    expect_failed(&m, "bytes that are no frame");
    sim_end(&m);
}

static void a_closed_channel_is_given_a_moment(void **state)
{
    (void)state;
    sim m;
    outcome o;
    sim_begin(&m, 1, 0);
    worker_run(&m.workers[0], 0, sim_launch(&m, 1, 0));
    sim_settle(&m);
    supervisor_worker_closed(m.supervisor, 0);
    sim_settle(&m);
    assert_int_equal(m.kills, 0);
    sim_pass(&m, 2 * NS_PER_S);
    assert_int_equal(m.kills, 1);
    sim_outcomes(&m, &o, 1);
    assert_int_equal(o.status, OUTCOME_CRASHED);
    expect_text(o.error->message, "closed its descriptors");
    outcome_release(&o);
    sim_end(&m);
}

/* -- Cancelling, lines, time ------------------------------------------------------------------- */

static void cancelling_kills_after_the_grace(void **state)
{
    (void)state;
    sim_conf("task.kill_grace=3s");
    sim m;
    outcome o[4];
    sim_begin(&m, 2, 0);
    task_id first = sim_launch(&m, 1, 0), other = sim_launch(&m, 2, 0);
    sim_launch(&m, 1, 1);
    sim_launch(&m, 1, 2);
    sim_settle(&m);
    worker_run(&m.workers[0], 0, first);
    worker_run(&m.workers[0], 1, other);
    connection_cancel(m.driver, 1);
    sim_settle(&m);
    assert_int_equal(m.workers[0].cancelled_stage, 1);
    sim_outcomes(&m, o, 2); /* the queued ones */
    assert_int_equal(o[0].status, OUTCOME_CANCELLED);
    assert_int_equal(o[1].status, OUTCOME_CANCELLED);
    sim_pass(&m, 2900 * NS_PER_MS);
    assert_int_equal(m.kills, 0);
    sim_pass(&m, 200 * NS_PER_MS);
    assert_int_equal(m.kills, 1);
    sim_outcomes(&m, o, 2);
    assert_int_equal(o[0].status, OUTCOME_CANCELLED);
    assert_int_equal(o[1].status, OUTCOME_LOST);
    assert_false(o[1].suspect);
    release_outcomes(o, 2);
    assert_true(m.workers[0].lives);
    sim_end(&m);
}

static void a_task_that_stops_in_time_costs_no_worker(void **state)
{
    (void)state;
    sim m;
    outcome o;
    sim_begin(&m, 1, 0);
    sim_launch(&m, 1, 0);
    sim_settle(&m);
    connection_cancel(m.driver, 1);
    sim_settle(&m);
    worker_finish(&m.workers[0], 0, 0, 1);
    sim_launch(&m, 1, 1); /* the same stage again: not what was cancelled */
    sim_settle(&m);
    sim_outcomes(&m, &o, 1);
    sim_pass(&m, 10 * NS_PER_S);
    assert_int_equal(m.kills, 0);
    sim_end(&m);
}

/* Each cancelling has its own time; what was told once is not told again later. */
static void cancelling_twice_kills_once_and_in_time(void **state)
{
    (void)state;
    sim_conf("task.kill_grace=3s");
    sim m;
    outcome o[3];
    sim_begin(&m, 3, 0);
    sim_launch(&m, 1, 0);
    sim_launch(&m, 2, 0);
    sim_settle(&m);
    connection_cancel(m.driver, 1);
    sim_settle(&m);
    sim_pass(&m, NS_PER_S);
    sim_launch(&m, 1, 1);
    sim_settle(&m);
    connection_cancel(m.driver, 1);
    connection_cancel(m.driver, 2);
    sim_settle(&m);
    sim_pass(&m, 1900 * NS_PER_MS);
    assert_int_equal(m.kills, 0);
    sim_pass(&m, 200 * NS_PER_MS);
    assert_int_equal(m.kills, 1);
    sim_outcomes(&m, o, 3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(o[i].status, OUTCOME_CANCELLED);
    sim_pass(&m, 10 * NS_PER_S);
    assert_int_equal(m.kills, 1);
    sim_end(&m);
}

static size_t count_lines(sim *m, const char *part)
{
    size_t count = 0;
    const char *text = buf_terminate(connection_lines(m->driver));
    for (const char *at = text; (at = strstr(at, part)); at++)
        count++;
    return count;
}

static void lines_are_rationed(void **state)
{
    (void)state;
    sim m;
    sim_begin(&m, 1, 0);
    for (int i = 0; i < 10000; i++)
        supervisor_worker_line(m.supervisor, 0, RDD_STR("spam"), m.now_ns);
    sim_settle(&m);
    assert_int_equal(count_lines(&m, "[executor 0] spam\n"), 2000);
    sim_pass(&m, NS_PER_S);
    assert_int_equal(count_lines(&m, "[executor 0] rdd: 8000 lines were dropped"), 1);
    for (int i = 0; i < 10000; i++)
        supervisor_worker_line(m.supervisor, 0, RDD_STR("more"), m.now_ns);
    sim_settle(&m);
    assert_true(count_lines(&m, "more\n") >= 900 && count_lines(&m, "more\n") <= 1100);
    sim_end(&m);
}

static void heartbeats_go_both_ways_with_progress(void **state)
{
    (void)state;
    sim m;
    sim_begin(&m, 2, 0);
    task_id id = sim_launch(&m, 1, 0);
    sim_settle(&m);
    worker_run(&m.workers[0], 1, id);
    m.workers[0].board->slots[1].state.records = 1234;
    sim_pass(&m, 300 * NS_PER_S); /* nobody takes the silence of idle ones for an end */
    assert_false(m.exited);
    assert_false(connection_failed(m.driver, NULL));
    assert_int_equal(connection_records(m.driver, 1), 1234);
    assert_int_equal(connection_records(m.driver, 2), 0);
    sim_end(&m);
}

static void a_silent_driver_ends_the_executor_before_the_driver_gives_it_up(void **state)
{
    (void)state;
    sim_conf("executor.timeout=20s");
    sim m;
    sim_begin(&m, 1, 0);
    uint64_t begin = m.now_ns;
    while (!m.exited) {
        m.now_ns = u64_min(supervisor_deadline(m.supervisor), connection_deadline(m.driver));
        supervisor_tick(m.supervisor, m.now_ns);
        connection_tick(m.driver, m.now_ns);
        sim_commands(&m);
        assert_true(m.now_ns - begin <= 16 * NS_PER_S);
    }
    assert_true(m.now_ns - begin >= 14 * NS_PER_S);
    while (!connection_failed(m.driver, NULL)) {
        m.now_ns = connection_deadline(m.driver);
        connection_tick(m.driver, m.now_ns);
        assert_true(m.now_ns - begin <= 21 * NS_PER_S);
    }
    assert_true(m.now_ns - begin >= 19 * NS_PER_S);
    expect_failed(&m, "no sign of life from executor 0 for 20 s");
    sim_end(&m);
}

/* A driver that was not let run has heard nothing because of that. The executor takes no such chance: its
 * tasks may be others' by now. */
static void what_was_overslept_is_no_silence(void **state)
{
    (void)state;
    sim_conf("executor.timeout=20s");
    sim m;
    sim_begin(&m, 1, 0);
    m.now_ns += 3600 * NS_PER_S;
    connection_tick(m.driver, m.now_ns);
    assert_false(connection_failed(m.driver, NULL));
    uint64_t begin = m.now_ns; /* from here on silence counts */
    while (!connection_failed(m.driver, NULL)) {
        m.now_ns = connection_deadline(m.driver);
        connection_tick(m.driver, m.now_ns);
        assert_true(m.now_ns - begin <= 21 * NS_PER_S);
    }
    supervisor_tick(m.supervisor, m.now_ns);
    sim_commands(&m);
    assert_true(m.exited);
    sim_end(&m);
}

static void leaving_waits_for_idle_workers_only_so_long(void **state)
{
    (void)state;
    sim m;
    sim_begin(&m, 2, 1);
    connection_bye(m.driver);
    sim_settle(&m);
    assert_true(m.workers[0].told_to_leave && m.workers[1].told_to_leave);
    assert_false(m.exited);
    worker_die(&m, 0, 0);
    sim_settle(&m);
    assert_int_equal(m.starts, 2); /* no successor */
    sim_pass(&m, 2 * NS_PER_S);    /* the other one hangs */
    assert_true(m.exited);
    expect_failed(&m, "executor 0 ended");
    sim_end(&m);
}

/* -- Streams ----------------------------------------------------------------------------------- */

static void a_result_on_its_way_is_lost_with_its_worker(void **state)
{
    (void)state;
    sim m;
    outcome o;
    sim_begin(&m, 1, 0);
    sim_launch(&m, 1, 0);
    sim_settle(&m);
    worker_finish(&m.workers[0], 0, 30 << 20, 1);
    m.piece_max = 1 << 20;
    for (int i = 0; i < 5; i++) {
        sim_move_worker(&m, 0);
        sim_move_driver(&m);
    }
    worker_die(&m, 0, SIGKILL);
    sim_settle(&m);
    sim_outcomes(&m, &o, 1);
    assert_int_equal(o.status, OUTCOME_LOST);
    assert_int_equal(o.result_size, 0);
    assert_false(o.suspect);
    outcome_release(&o);
    sim_end(&m);
}

static void a_forgotten_stage_leaves_nothing(void **state)
{
    (void)state;
    sim m;
    outcome o[3];
    CLEANUP(freep) char *large = calloc(1, 10 << 20);
    sim_begin(&m, 1, 0);
    task_spec tasks[] = { { { 1, 0, 0 }, { 10 << 20, large } },
                          { { 1, 1, 0 }, { 10 << 20, large } },
                          { { 2, 0, 0 }, { 0, NULL } } };
    connection_launch(m.driver, tasks, 3);
    connection_forget(m.driver, 1);
    free(TAKE(large)); /* from here on the bytes must not be looked at */
    sim_settle(&m);
    sim_outcomes(&m, o, 2);
    assert_int_equal(o[0].status, OUTCOME_CANCELLED);
    assert_int_equal(o[1].status, OUTCOME_CANCELLED);
    assert_int_equal(m.workers[0].held_count, 1);
    assert_int_equal(m.workers[0].held[0].id.stage, 2);
    sim_end(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_are_spread_over_workers),
        cmocka_unit_test(long_tasks_are_handed_out_one_for_each_slot),
        cmocka_unit_test(short_tasks_are_handed_out_ahead),
        cmocka_unit_test(a_plan_goes_to_a_worker_once),
        cmocka_unit_test(a_report_charges_one_task),
        cmocka_unit_test(a_report_that_lies_charges_nobody_else),
        cmocka_unit_test(an_outcome_that_was_written_before_the_end_counts),
        cmocka_unit_test(the_kernel_s_killer_is_named),
        cmocka_unit_test(workers_of_no_use_end_the_executor),
        cmocka_unit_test(a_worker_says_why_it_ends),
        cmocka_unit_test(a_worker_that_makes_no_sense_is_replaced),
        cmocka_unit_test(bytes_past_their_credit_are_refused),
        cmocka_unit_test(a_closed_channel_is_given_a_moment),
        cmocka_unit_test(cancelling_kills_after_the_grace),
        cmocka_unit_test(a_task_that_stops_in_time_costs_no_worker),
        cmocka_unit_test(cancelling_twice_kills_once_and_in_time),
        cmocka_unit_test(what_comes_after_nonsense_is_dropped),
        cmocka_unit_test(lines_are_rationed),
        cmocka_unit_test(heartbeats_go_both_ways_with_progress),
        cmocka_unit_test(a_silent_driver_ends_the_executor_before_the_driver_gives_it_up),
        cmocka_unit_test(what_was_overslept_is_no_silence),
        cmocka_unit_test(leaving_waits_for_idle_workers_only_so_long),
        cmocka_unit_test(a_result_on_its_way_is_lost_with_its_worker),
        cmocka_unit_test(a_forgotten_stage_leaves_nothing),
    };
    return TEST_MAIN(argc, argv, tests);
}
