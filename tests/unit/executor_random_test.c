/* executor_random_test.c: random lives of an executor: a connection, a supervisor and workers
 * that finish, crash and hang, over channels that move a few bytes at a time. Whatever happens,
 * each task is answered exactly once, and nothing stays behind. */
#include "supervisor_rig.h"

enum { LIVES = 60, STEPS = 400, TASKS_MAX = 4000, STAGES = 3 };

typedef struct life {
    sim m;
    uint32_t stages[STAGES];         /* their ids now */
    uint32_t next_stage, partitions; /* never used twice */
    uint8_t answers[TASKS_MAX];      /* by partition */
    size_t task_count, answered;
    char *payload;                   /* of any task */
} life;

static char plan_text[] = "operator fake (fake.c:7)";

static void begin_stage(life *l, size_t index)
{
    l->stages[index] = l->next_stage++;
    rdd_str bytes = { test_random_below(2) ? sizeof plan_text - 1 : 0, plan_text };
    assert_int_equal(connection_plan(l->m.driver, l->stages[index], bytes), 0);
}

static size_t random_size(void)
{
    static const size_t SIZES[] = { 0, 0, 0, 5, 100, 16384, 16385, 300000 };
    return SIZES[test_random_below(ARRAY_SIZE(SIZES))];
}

static void launch_some(life *l)
{
    for (size_t count = 1 + test_random_below(20); count && l->task_count < TASKS_MAX; count--) {
        task_spec t = { .id = { l->stages[test_random_below(STAGES)], l->partitions++, 0 },
                        .payload = { random_size(), l->payload } };
        connection_launch(l->m.driver, &t, 1);
        l->task_count++;
    }
}

static fake_worker *random_worker(life *l)
{
    fake_worker *w = &l->m.workers[test_random_below(WORKERS_MAX)];
    return w->lives ? w : NULL;
}

static void leave_slots(fake_worker *w, task_id id)
{
    for (uint32_t i = 0; i < w->slots; i++)
        if (w->board->slots[i].state.partition == id.partition)
            w->board->slots[i].state.busy = 0;
}

static void finish_one(life *l, fake_worker *w)
{
    if (!w->held_count)
        return;
    size_t at = test_random_below(w->held_count);
    if (w->held[at].stream && !w->held[at].dropped)
        return; /* its payload is on its way */
    task_id id = w->held[at].id;
    leave_slots(w, id);
    worker_finish(w, at, random_size(), test_random_below(3) ? 1000 : 5 * NS_PER_MS);
    (void)l;
}

static void run_one(fake_worker *w)
{
    if (w->held_count)
        worker_run(w, (uint32_t)test_random_below(w->slots),
                   w->held[test_random_below(w->held_count)].id);
}

static void die(life *l, fake_worker *w)
{
    if (test_random_below(2) && w->held_count) {
        uint32_t slot = (uint32_t)test_random_below(w->slots);
        task_id id = w->held[test_random_below(w->held_count)].id;
        w->board->crash = (crash_report){ .progress = CRASH_COMPLETE, .signal = SIGSEGV,
                                          .slot = slot, .stage = id.stage,
                                          .partition = id.partition, .attempt = id.attempt };
    }
    worker_die(&l->m, (uint32_t)(w - l->m.workers), test_random_below(2) ? SIGKILL : 3 << 8);
}

static void take_answers(life *l)
{
    size_t count;
    CLEANUP(freep) outcome *outcomes = connection_take_outcomes(l->m.driver, &count);
    for (size_t i = 0; i < count; i++) {
        outcome *o = &outcomes[i];
        assert_true(o->id.partition < l->partitions);
        assert_int_equal(l->answers[o->id.partition]++, 0);
        assert_true(o->status == OUTCOME_OK || o->result_size == 0);
        outcome_release(o);
    }
    l->answered += count;
}

static void step(life *l)
{
    sim *m = &l->m;
    fake_worker *w = random_worker(l);
    size_t stage = test_random_below(STAGES);
    m->piece_max = 1 + test_random_below(test_random_below(4) ? 200000 : 50);
    switch (test_random_below(40)) {
    case 0: case 1: case 2: case 3: launch_some(l); break;
    case 4: if (w) die(l, w); break;
    case 5: connection_cancel(m->driver, l->stages[stage]); break;
    case 6:
        connection_forget(m->driver, l->stages[stage]);
        begin_stage(l, stage);
        break;
    case 7: sim_pass(m, test_random_below(500) * NS_PER_MS); break;
    case 8: case 9: case 10: if (w) run_one(w); break;
    case 11: case 12: case 13: case 14: case 15: case 16: if (w) finish_one(l, w); break;
    case 17: case 18: case 19: case 20: case 21: case 22: sim_move_driver(m); break;
    default: if (w) sim_move_worker(m, (uint32_t)(w - m->workers)); break;
    }
    sim_commands(m);
    take_answers(l);
}

/* No more trouble: all that is left comes to its end. */
static void finish_all(life *l)
{
    sim *m = &l->m;
    m->piece_max = SIZE_MAX;
    for (int round = 0; l->answered < l->task_count && round < 10000; round++) {
        sim_settle(m);
        for (uint32_t i = 0; i < WORKERS_MAX; i++)
            for (size_t j = 0; m->workers[i].lives && j < 10; j++)
                finish_one(l, &m->workers[i]);
        sim_pass(m, 10 * NS_PER_MS);
        take_answers(l);
    }
}

static void live(void)
{
    life l = { .next_stage = 100 };
    l.payload = calloc(1, 300000);
    sim_begin(&l.m, 1 + (uint32_t)test_random_below(4), (uint32_t)test_random_below(3));
    for (size_t i = 0; i < STAGES; i++)
        begin_stage(&l, i);
    for (int i = 0; i < STEPS && !l.m.exited; i++)
        step(&l);
    finish_all(&l);
    if (!l.m.exited) { /* it may have given up, after too many deaths for nothing */
        assert_false(connection_failed(l.m.driver, NULL));
        assert_int_equal(l.answered, l.task_count);
        for (uint32_t i = 0; i < WORKERS_MAX; i++) {
            assert_true(!l.m.workers[i].lives || !l.m.workers[i].held_count);
            assert_null(l.m.workers[i].results.first);
            assert_null(l.m.workers[i].payloads.first);
        }
    }
    sim_end(&l.m);
    free(l.payload);
}

static void each_task_is_answered_once(void **state)
{
    (void)state;
    sim_conf("task.kill_grace=200ms");
    for (int i = 0; i < LIVES; i++)
        live();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_task_is_answered_once),
    };
    return TEST_MAIN(argc, argv, tests);
}
