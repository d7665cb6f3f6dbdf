/* backend_executors_test.c: executors as real processes, through backend.h, with a fake runner. */
#include "executor_rig.h"
#include "protocol.h"

#include <sys/wait.h>

/* -- Work -------------------------------------------------------------------------------------- */

static void tasks_run_and_each_gives_one_outcome(void **state)
{
    (void)state;
    enum { TASKS = 5000 };
    rig_defaults();
    rig r;
    rig_start_up(&r, 2, 2);
    task_spec *tasks = calloc(TASKS, sizeof *tasks);
    outcome *outcomes = calloc(TASKS, sizeof *outcomes);
    char(*texts)[16] = calloc(TASKS, sizeof *texts);
    for (uint32_t i = 0; i < TASKS; i++) {
        snprintf(texts[i], sizeof texts[i], "e%u", i);
        tasks[i] = (task_spec){ .id = { 1, i, 0 }, .payload = rdd_str_of(texts[i]) };
    }
    for (uint32_t i = 0; i < TASKS; i += 500)
        r.backend->ops->launch(r.backend, i / 500 % 2, 0, tasks + i, 500);
    rig_outcomes(&r, tasks[0].id, TASKS, outcomes);
    for (uint32_t i = 0; i < TASKS; i++) {
        expect_status(&outcomes[i], OUTCOME_OK);
        assert_int_equal(outcomes[i].result_size, strlen(texts[i] + 1));
        assert_memory_equal(outcome_result(&outcomes[i]), texts[i] + 1, outcomes[i].result_size);
        outcome_release(&outcomes[i]);
    }
    rig_stop(&r);
    free(tasks);
    free(outcomes);
    free(texts);
}

static void results_of_any_size_come_whole(void **state)
{
    (void)state;
    static const char *const PAYLOADS[] = { "r0", "r1", "r32", "r33", "r16384", "r16385", "r262144",
                                            "r1048576", "r4194305", "r67108864", "r20000000" };
    enum { COUNT = ARRAY_SIZE(PAYLOADS) };
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 2);
    task_id first = rig_launch(&r, 0, PAYLOADS[0]);
    for (size_t i = 1; i < COUNT; i++)
        rig_launch(&r, 0, PAYLOADS[i]);
    outcome outcomes[COUNT];
    rig_outcomes(&r, first, COUNT, outcomes);
    for (size_t i = 0; i < COUNT; i++) {
        outcome expected = { 0 };
        expect_status(&outcomes[i], OUTCOME_OK);
        fake_result(&expected, strtoul(PAYLOADS[i] + 1, NULL, 10));
        assert_int_equal(outcomes[i].result_size, expected.result_size);
        assert_true(memcmp(outcome_result(&outcomes[i]), outcome_result(&expected),
                           expected.result_size) == 0);
        outcome_release(&expected);
        outcome_release(&outcomes[i]);
    }
    rig_stop(&r);
}

static void payloads_of_any_size_arrive_whole(void **state)
{
    (void)state;
    static const size_t SIZES[] = { 1, TASK_INLINE_MAX, TASK_INLINE_MAX + 1, 1 << 20, 30 << 20 };
    enum { COUNT = ARRAY_SIZE(SIZES) };
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 2);
    char *payloads[COUNT];
    outcome outcomes[COUNT];
    task_id first = { 1, 0, 0 };
    for (size_t i = 0; i < COUNT; i++) {
        payloads[i] = malloc(SIZES[i] + 1);
        memset(payloads[i], (int)('a' + i), SIZES[i]);
        payloads[i][0] = 'e';
        payloads[i][SIZES[i]] = 0;
        rig_launch(&r, 0, payloads[i]);
    }
    rig_outcomes(&r, first, COUNT, outcomes);
    for (size_t i = 0; i < COUNT; i++) {
        expect_status(&outcomes[i], OUTCOME_OK);
        assert_int_equal(outcomes[i].result_size, SIZES[i] - 1);
        assert_true(memcmp(outcome_result(&outcomes[i]), payloads[i] + 1, SIZES[i] - 1) == 0);
        outcome_release(&outcomes[i]);
        free(payloads[i]);
    }
    rig_stop(&r);
}

static void a_result_past_its_limit_fails_its_task_alone(void **state)
{
    (void)state;
    rig_defaults();
    rig_conf("driver.result_max=1MiB");
    rig r;
    rig_start_up(&r, 1, 1);
    outcome o = rig_run(&r, 0, "r1048577");
    expect_status(&o, OUTCOME_FAILED);
    assert_int_equal(o.error->code, RDD_E_LIMIT);
    expect_text(o.error->message, "driver.result_max");
    outcome_release(&o);
    o = rig_run(&r, 0, "r1048576");
    expect_status(&o, OUTCOME_OK);
    outcome_release(&o);
    rig_stop(&r);
}

static void an_error_comes_with_its_executor_s_name(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 2, 1);
    outcome o = rig_run(&r, 1, "fbecause");
    expect_status(&o, OUTCOME_FAILED);
    assert_string_equal(o.error->message, "because");
    assert_string_equal(o.error->node, "executor 1");
    outcome_release(&o);
    rig_stop(&r);
}

static void a_plan_that_cannot_be_read_fails_its_tasks(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    r.backend->ops->plan(r.backend, 9, RDD_STR("bad"));
    outcome o;
    rig_outcomes(&r, rig_launch_stage(&r, 9, 0, ""), 1, &o);
    expect_status(&o, OUTCOME_FAILED);
    assert_string_equal(o.error->message, "this plan is bad");
    outcome_release(&o);
    r.backend->ops->forget(r.backend, 9);
    expect_alive(&r, 0);
    rig_stop(&r);
}

static void plans_of_many_stages_come_and_go(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 2);
    char *large = calloc(1, 3000000);
    memset(large, 'p', 3000000);
    for (uint32_t stage = 10; stage < 60; stage++) {
        r.backend->ops->plan(r.backend, stage, (rdd_str){ stage % 10 ? 10 : 3000000, large });
        outcome o;
        rig_outcomes(&r, rig_launch_stage(&r, stage, 0, "eX"), 1, &o);
        expect_status(&o, OUTCOME_OK);
        outcome_release(&o);
        r.backend->ops->forget(r.backend, stage);
    }
    rig_stop(&r);
    free(large);
}

/* -- Losing an executor ------------------------------------------------------------------------ */

static void expect_lost(rig *r, uint32_t executor, uint32_t incarnation, const char *text)
{
    event *e = rig_expect(r, EVENT_EXECUTOR_LOST);
    assert_int_equal(e->executor, executor);
    assert_int_equal(e->incarnation, incarnation);
    expect_text(e->error.message, text);
    event_free(e);
}

static void a_killed_supervisor_comes_back_with_a_new_incarnation(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 2, 1);
    const char *waiting = rig_fifo(&r, 0, 'w');
    rig_launch(&r, 1, waiting);
    int fd = rig_meet(waiting);
    pid_t supervisor = rig_supervisor(&r, 1), worker;
    assert_int_equal(process_children(supervisor, &worker, 1), 1);
    int worker_end = process_open(worker);
    kill(supervisor, SIGKILL);
    expect_lost(&r, 1, 0, "executor 1 was lost: its process was killed by signal 9 (SIGKILL)");
    process_expect_end(worker_end);
    close(fd);
    rig_launch(&r, 1, "eold"); /* to the old incarnation: dropped */
    rig_expect_up(&r);
    assert_int_equal(r.incarnation[1], 1);
    expect_alive(&r, 1);
    expect_alive(&r, 0);
    rig_stop(&r);
}

/* Its supervisor ends all the same what it has, and says why. */
static void a_killed_guardian_ends_the_executor(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    expect_alive(&r, 0); /* its worker is there */
    pid_t supervisor = rig_supervisor(&r, 0), worker;
    assert_int_equal(process_children(supervisor, &worker, 1), 1);
    int ends[] = { process_open(supervisor), process_open(worker) };
    kill(backend_executors_pid(r.backend, 0), SIGKILL);
    expect_lost(&r, 0, 0, "executor 0 ended: the executor's guardian was killed");
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
        process_expect_end(ends[i]);
    rig_expect_up(&r);
    expect_alive(&r, 0);
    rig_stop(&r);
}

/* The driver counts the executor as lost when nothing of it is left, also of its strays. */
static void a_killed_supervisor_leaves_no_stray(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    char number_path[520], number[16] = { 0 };
    const char *waiting = rig_fifo(&r, 0, 's');
    snprintf(number_path, sizeof number_path, "%s.pid", waiting + 1);
    assert_int_equal(mkfifo(number_path, 0600), 0);
    rig_launch(&r, 0, waiting);
    int fd = open(number_path, O_RDONLY | O_CLOEXEC);
    assert_true(read(fd, number, sizeof number - 1) > 0);
    int stray = process_open((pid_t)strtol(number, NULL, 10));
    assert_true(stray >= 0);
    kill(rig_supervisor(&r, 0), SIGKILL);
    expect_lost(&r, 0, 0, "its process was killed by signal 9 (SIGKILL)");
    process_expect_end(stray);
    close(fd);
    rig_expect_up(&r);
    rig_stop(&r);
}

static void an_executor_is_replaced_when_asked(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    int old = process_open(rig_supervisor(&r, 0));
    r.backend->ops->replace(r.backend, 0, 0);
    expect_lost(&r, 0, 0, "replaced");
    process_expect_end(old);
    rig_expect_up(&r);
    assert_int_equal(r.incarnation[0], 1);
    r.backend->ops->replace(r.backend, 0, 0); /* that one is gone already */
    expect_alive(&r, 0);
    rig_stop(&r);
}

static void a_silent_executor_is_given_up(void **state)
{
    (void)state;
    rig_defaults();
    rig_conf("executor.heartbeat=20ms");
    rig_conf("executor.timeout=2s");
    rig r;
    rig_start_up(&r, 1, 1);
    pid_t supervisor = rig_supervisor(&r, 0);
    int old = process_open(supervisor);
    kill(supervisor, SIGSTOP);
    expect_lost(&r, 0, 0, "no sign of life from executor 0 for 2 s");
    process_expect_end(old);
    rig_expect_up(&r);
    expect_alive(&r, 0);
    rig_stop(&r);
}

static void an_executor_that_cannot_start_is_given_up(void **state)
{
    (void)state;
    rig_defaults();
    setenv("RDD_TEST_NO_INIT", "1", 1);
    rig r;
    rig_start(&r, 1, 1);
    for (uint32_t i = 0; i < 5; i++)
        expect_lost(&r, 0, i, "rdd_init must come first in main");
    event *e = rig_expect(&r, EVENT_EXECUTOR_LOST);
    expect_text(e->error.message, "given up after 6 starts in a row: executor 0 ended before it "
                                  "answered: its process exited with status 2");
    event_free(e);
    unsetenv("RDD_TEST_NO_INIT");
    rig_stop(&r);
}

/* What says why is believed: another start would say the same. */
static void an_executor_that_says_why_it_cannot_start_is_not_started_again(void **state)
{
    (void)state;
    char pair[600];
    CLEANUP(freep) char *before = strdup(getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    const char *file = test_file("file", "", 0);
    snprintf(pair, sizeof pair, "files=%s", file);
    rig_defaults();
    rig_conf(pair);
    setenv("TMPDIR", file, 1); /* where tasks of executors here run, then */
    rig r;
    rig_start(&r, 1, 1);
    event *e = rig_expect(&r, EVENT_EXECUTOR_LOST);
    setenv("TMPDIR", before, 1);
    snprintf(pair, sizeof pair, "executor 0: starting: no directory for the tasks can be made in %s (Not a "
             "directory): choose another with workdir=", file);
    assert_string_equal(e->error.message, pair);
    assert_true(e->gone);
    event_free(e);
    rig_stop(&r);
    rig_conf("files=");
}

/* The supervisor comes up, its workers do not. */
static void workers_that_cannot_start_end_the_executor(void **state)
{
    (void)state;
    rig_defaults();
    setenv("RDD_TEST_NO_RUNNER", "1", 1);
    rig r;
    rig_start(&r, 1, 1);
    rig_expect_up(&r);
    expect_lost(&r, 0, 0, "4 workers in a row were of no use");
    unsetenv("RDD_TEST_NO_RUNNER");
    for (event *e = NULL; !e || e->kind != EVENT_EXECUTOR_UP;) {
        event_free(e);
        e = rig_next(&r);
        if (e->kind == EVENT_EXECUTOR_UP) {
            event_free(e);
            break;
        }
    }
    rig_stop(&r);
}

/* -- Output ------------------------------------------------------------------------------------ */

static void lines_arrive_with_the_executor_s_name(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 2, 1);
    outcome o = rig_run(&r, 1, "p3");
    expect_status(&o, OUTCOME_OK);
    rig_wait_for_line(&r, "[executor 1"); /* with the partition, unless it had ended by then */
    rig_wait_for_line(&r, "] line 2\n");
    rig_wait_for_line(&r, "] to stderr\n");
    rig_stop(&r);
}

static void a_flood_of_lines_is_cut_and_that_is_said(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    outcome o = rig_run(&r, 0, "p100000");
    expect_status(&o, OUTCOME_OK);
    rig_wait_for_line(&r, "[executor 0] rdd: ");
    rig_wait_for_line(&r, "lines were dropped");
    expect_alive(&r, 0);
    rig_stop(&r);
}

/* -- Ending ------------------------------------------------------------------------------------ */

static void stopping_leaves_no_process(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 2, 2);
    const char *stubborn = rig_fifo(&r, 0, 'i');
    rig_launch(&r, 0, stubborn);
    int fd = rig_meet(stubborn);
    expect_alive(&r, 1); /* its worker is there */
    int ends[4];
    for (uint32_t i = 0; i < 2; i++) {
        pid_t supervisor = rig_supervisor(&r, i), worker;
        assert_int_equal(process_children(supervisor, &worker, 1), 1);
        ends[i * 2] = process_open(supervisor);
        ends[i * 2 + 1] = process_open(worker);
    }
    rig_stop(&r);
    for (size_t i = 0; i < 4; i++)
        process_expect_end(ends[i]);
    close(fd);
}

/* A driver with a busy executor and a stray child; says the numbers of all below it, and waits. */
static int be_driver(const char *dir)
{
    rig r;
    char payload[512], number_path[520], number[16] = { 0 };
    rig_defaults();
    rig_conf("executor.heartbeat=50ms");
    rig_conf("executor.timeout=3s");
    rig_start_up(&r, 1, 2);
    snprintf(payload, sizeof payload, "s%s/wait", dir);
    rig_launch(&r, 0, payload);
    snprintf(number_path, sizeof number_path, "%s/wait.pid", dir);
    int fd = open(number_path, O_RDONLY);
    if (read(fd, number, sizeof number - 1) <= 0)
        return 1;
    pid_t supervisor = rig_supervisor(&r, 0), worker;
    if (process_children(supervisor, &worker, 1) != 1)
        return 1;
    printf("%d %d %s", (int)supervisor, (int)worker, number);
    fflush(stdout);
    for (;;)
        pause();
}

/* Such a driver is sent a signal: nothing below it stays. */
static void expect_nothing_left_after(int signal)
{
    char line[2 * PATH_MAX], self[512] = { 0 };
    assert_int_equal(mkfifo(test_path("wait"), 0600), 0);
    assert_int_equal(mkfifo(test_path("wait.pid"), 0600), 0);
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(line, sizeof line, "echo $$; exec '%s' --test-driver '%s'", self, test_dir());
    FILE *out = popen(line, "re");
    assert_non_null(out);
    int driver, below[3], ends[3];
    assert_int_equal(fscanf(out, "%d %d %d %d", &driver, &below[0], &below[1], &below[2]), 4);
    for (size_t i = 0; i < 3; i++) {
        ends[i] = process_open(below[i]);
        assert_true(ends[i] >= 0);
    }
    kill(driver, signal);
    for (size_t i = 0; i < 3; i++)
        process_expect_end(ends[i]);
    kill(driver, SIGKILL);
    pclose(out);
    unlink(test_path("wait"));
    unlink(test_path("wait.pid"));
}

static void a_killed_driver_leaves_no_process(void **state)
{
    (void)state;
    expect_nothing_left_after(SIGKILL);
}

/* Its channel stays open, but it says nothing any more. */
static void a_hanging_driver_leaves_no_process(void **state)
{
    (void)state;
    expect_nothing_left_after(SIGSTOP);
}

static void a_supervisor_that_is_told_to_end_says_so(void **state)
{
    (void)state;
    rig_defaults();
    rig r;
    rig_start_up(&r, 1, 1);
    kill(rig_supervisor(&r, 0), SIGTERM);
    expect_lost(&r, 0, 0, "executor 0 ended: the executor was ended by SIGTERM");
    rig_expect_up(&r);
    expect_alive(&r, 0);
    rig_stop(&r);
}

/* -- Trouble ----------------------------------------------------------------------------------- */

typedef struct churn {
    rig r;
    uint32_t attempts[2000];   /* of a partition; UINT32_MAX: done */
    uint32_t where[2000];      /* the executor it was sent to */
    uint32_t left, kills;
    uint32_t struck[2];        /* how often an executor was killed since it gave outcomes */
} churn;

static void send_one(churn *c, uint32_t partition, uint32_t executor)
{
    static const char *const PAYLOADS[] = { "", "", "e0123456789012345678901234567890123456789",
                                            "r20000", "r300000" };
    task_spec t = { .id = { 1, partition, c->attempts[partition] },
                    .payload = rdd_str_of(PAYLOADS[partition % ARRAY_SIZE(PAYLOADS)]) };
    c->where[partition] = executor;
    c->r.backend->ops->launch(c->r.backend, executor, c->r.incarnation[executor], &t, 1);
}

/* Some process of an executor, the supervisor or its guardian now and then: not so often in a row that
 * it would be given up. */
static void kill_something(churn *c)
{
    uint32_t executor = (uint32_t)test_random_below(2);
    pid_t guardian = backend_executors_pid(c->r.backend, executor); /* 0 at any time from here on */
    pid_t supervisor = rig_supervisor(&c->r, executor), workers[4];
    size_t count = supervisor ? process_children(supervisor, workers, 4) : 0;
    if (count && test_random_below(4)) {
        kill(workers[test_random_below(count)], SIGKILL);
    } else if (guardian && supervisor && c->struck[executor] < 2) {
        kill(test_random_below(3) ? supervisor : guardian, SIGKILL);
        c->struck[executor]++;
    }
    c->kills++;
}

static void take_churn_event(churn *c, const event *e)
{
    if (e->kind == EVENT_EXECUTOR_UP)
        c->r.incarnation[e->executor] = e->incarnation;
    if (e->kind == EVENT_OUTCOMES)
        c->struck[e->executor] = 0;
    for (size_t i = 0; i < e->outcome_count; i++) {
        const outcome *o = &e->outcomes[i];
        assert_int_equal(o->id.attempt, c->attempts[o->id.partition]);
        if (o->status == OUTCOME_OK) {
            c->attempts[o->id.partition] = UINT32_MAX;
            c->left--;
            continue;
        }
        c->attempts[o->id.partition]++;
        send_one(c, o->id.partition, e->executor);
    }
    for (uint32_t p = 0; e->kind == EVENT_EXECUTOR_UP && e->incarnation && p < 2000; p++)
        if (c->attempts[p] != UINT32_MAX && c->where[p] == e->executor) {
            c->attempts[p]++; /* what the last incarnation had */
            send_one(c, p, e->executor);
        }
}

/* Workers and supervisors die all the time; each task is done once in the end. */
static void random_kills_lose_no_task(void **state)
{
    (void)state;
    rig_defaults();
    rig_conf("executor.slots_per_process=1");
    churn *c = calloc(1, sizeof *c);
    c->left = ARRAY_SIZE(c->attempts);
    rig_start_up(&c->r, 2, 2);
    for (uint32_t p = 0; p < ARRAY_SIZE(c->attempts); p++)
        send_one(c, p, p % 2);
    for (uint32_t events = 0; c->left; events++) {
        if (c->kills < 25 && test_random_below(4) == 0)
            kill_something(c);
        event *e = rig_next(&c->r);
        take_churn_event(c, e);
        event_free(e);
    }
    rig_stop(&c->r);
    free(c);
}

/* -- Speed ------------------------------------------------------------------------------------- */

/* Not a test of speed: the figure is for the reader of the log. */
static void empty_tasks_flow(void **state)
{
    (void)state;
    enum { EXECUTORS = 2, AHEAD = 2000 };
    uint32_t tasks_count = 100000;
    rig_defaults();
    rig r;
    rig_start_up(&r, EXECUTORS, 1);
    task_spec *tasks = calloc(tasks_count, sizeof *tasks);
    for (uint32_t i = 0; i < tasks_count; i++)
        tasks[i].id = (task_id){ 1, i, 0 };
    uint64_t begin = clock_now_ns();
    uint32_t launched = 0, done = 0, in_flight[EXECUTORS] = { 0 };
    while (done < tasks_count) {
        for (uint32_t e = 0; e < EXECUTORS; e++) {
            uint32_t more = (uint32_t)size_min(AHEAD - in_flight[e], tasks_count - launched);
            if (more && in_flight[e] <= AHEAD / 2)
                r.backend->ops->launch(r.backend, e, 0, tasks + launched, more);
            else
                more = 0;
            launched += more;
            in_flight[e] += more;
        }
        event *e = rig_expect(&r, EVENT_OUTCOMES);
        in_flight[e->executor] -= (uint32_t)e->outcome_count;
        done += (uint32_t)e->outcome_count;
        event_free(e);
    }
    double seconds = (double)(clock_now_ns() - begin) / 1e9;
    printf("%u empty tasks over 2 executors of 1 slot: %.0f tasks/s\n", done, done / seconds);
    rig_stop(&r);
    free(tasks);
}

int main(int argc, char **argv)
{
    rig_main(&argc, argv);
    if (argc == 3 && strcmp(argv[1], "--test-driver") == 0)
        return be_driver(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_run_and_each_gives_one_outcome),
        cmocka_unit_test(results_of_any_size_come_whole),
        cmocka_unit_test(payloads_of_any_size_arrive_whole),
        cmocka_unit_test(a_result_past_its_limit_fails_its_task_alone),
        cmocka_unit_test(an_error_comes_with_its_executor_s_name),
        cmocka_unit_test(a_plan_that_cannot_be_read_fails_its_tasks),
        cmocka_unit_test(plans_of_many_stages_come_and_go),
        cmocka_unit_test(a_killed_supervisor_comes_back_with_a_new_incarnation),
        cmocka_unit_test(a_killed_guardian_ends_the_executor),
        cmocka_unit_test(a_killed_supervisor_leaves_no_stray),
        cmocka_unit_test(an_executor_is_replaced_when_asked),
        cmocka_unit_test(a_silent_executor_is_given_up),
        cmocka_unit_test(an_executor_that_cannot_start_is_given_up),
        cmocka_unit_test(an_executor_that_says_why_it_cannot_start_is_not_started_again),
        cmocka_unit_test(workers_that_cannot_start_end_the_executor),
        cmocka_unit_test(lines_arrive_with_the_executor_s_name),
        cmocka_unit_test(a_flood_of_lines_is_cut_and_that_is_said),
        cmocka_unit_test(stopping_leaves_no_process),
        cmocka_unit_test(a_killed_driver_leaves_no_process),
        cmocka_unit_test(a_hanging_driver_leaves_no_process),
        cmocka_unit_test(a_supervisor_that_is_told_to_end_says_so),
        cmocka_unit_test(random_kills_lose_no_task),
        cmocka_unit_test(empty_tasks_flow),
    };
    return TEST_MAIN(argc, argv, tests);
}
