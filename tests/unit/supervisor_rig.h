/* supervisor_rig.h: a driver's connection, a supervisor and workers in one thread, without
 * processes and with a clock that the test moves. Bytes go between them in pieces. */
#ifndef RDD_SUPERVISOR_RIG_H
#define RDD_SUPERVISOR_RIG_H

#include "clock.h"
#include "conf.h"
#include "connection.h"
#include "fake_runner.h"
#include "stream.h"
#include "supervisor.h"

#include "test.h"

enum { WORKERS_MAX = 4, SLOTS_EACH_MAX = 4, HELD_MAX = 1024 };

/* A task that a worker has, in the order they came. */
typedef struct held_task {
    task_id id;
    size_t size;      /* of its payload */
    uint64_t stream;  /* of a payload that is not whole yet */
    bool dropped;     /* its payload will not come */
} held_task;

/* A worker as the test plays it. */
typedef struct fake_worker {
    bool lives, said_hello, told_to_leave;
    uint32_t slots, serial, next_stream, cancelled_stage;
    task_id cancelled;
    board *board;
    channel channel;
    streams_out results;
    streams_in payloads;
    held_task held[HELD_MAX];
    size_t held_count, plan_count;
    size_t file_bytes, file_answers; /* of files of the driver */
} fake_worker;

typedef struct sim {
    uint64_t now_ns;
    connection *driver; /* NULL: the test speaks for the driver, through `raw` */
    channel raw;
    supervisor *supervisor;
    fake_worker workers[WORKERS_MAX];
    uint32_t starts, kills;
    bool exited;
    size_t piece_max; /* bytes that move at once */
} sim;

TEST_HELPER void sim_conf(const char *pair)
{
    assert_int_equal(conf_set_pair(pair, NULL), 0);
}

/* -- Workers ----------------------------------------------------------------------------------- */

TEST_HELPER void worker_begin(sim *m, uint32_t index, uint32_t slots)
{
    fake_worker *w = &m->workers[index];
    assert_false(w->lives);
    *w = (fake_worker){ .lives = true, .slots = slots };
    w->board = aligned_alloc(64, size_align(board_size(slots), 64));
    assert_non_null(w->board);
    memset(w->board, 0, board_size(slots));
    channel_init(&w->channel, 0);
    supervisor_worker_started(m->supervisor, index, w->board, m->now_ns);
    m->starts++;
}

TEST_HELPER void worker_release(fake_worker *w)
{
    channel_release(&w->channel);
    streams_out_release(&w->results);
    for (stream_in *s; (s = streams_in_take_first(&w->payloads));)
        stream_in_free(s);
    free(w->board);
    w->board = NULL;
    w->lives = false;
}

TEST_HELPER void worker_die(sim *m, uint32_t index, int wait_status)
{
    worker_end end = { .wait_status = wait_status, .oom_kills = -1, .oom_kills_before = -1 };
    supervisor_worker_ended(m->supervisor, index, &end, m->now_ns);
    worker_release(&m->workers[index]);
}

TEST_HELPER void worker_take_frame(fake_worker *w, const frame *f)
{
    executor_setup setup;
    uint64_t more;
    if (stream_is_file(f->stream)) {
        w->file_bytes += f->type == FRAME_DATA ? f->size : 0;
        w->file_answers += f->type == FRAME_CLOSE;
        return;
    }
    switch (f->type) {
    case FRAME_SETUP:
        assert_int_equal(setup_decode(f, &setup), 0);
        assert_int_equal(setup.slots, w->slots);
        w->serial = setup.worker_serial;
        break;
    case FRAME_TASKS:
        for (reader r = reader_over(f->payload, f->size); reader_left(&r);) {
            task_entry e;
            assert_int_equal(task_entry_decode(&r, &e), 0);
            assert_true(w->held_count < HELD_MAX);
            w->held[w->held_count++] = (held_task){ e.id, e.size, e.stream, false };
            if (e.stream)
                assert_int_equal(streams_in_open(&w->payloads, e.stream, e.size, NULL), 0);
        }
        break;
    case FRAME_PLAN: w->plan_count++; break;
    case FRAME_CANCEL:
        assert_int_equal(cancel_decode(f, &w->cancelled), 0);
        w->cancelled_stage = w->cancelled.stage;
        break;
    case FRAME_CREDIT:
        assert_int_equal(credit_decode(f, &more), 0);
        streams_out_credit(&w->results, f->stream, more);
        break;
    case FRAME_DATA: {
        stream_in *done;
        assert_int_equal(streams_in_data(&w->payloads, f, &done, NULL), 0);
        for (size_t i = 0; done && i < w->held_count; i++)
            if (w->held[i].stream == done->id)
                w->held[i].stream = 0;
        stream_in_free(done);
        break;
    }
    case FRAME_RESET:
        streams_out_drop(&w->results, f->stream);
        for (size_t i = 0; i < w->held_count; i++)
            w->held[i].dropped |= w->held[i].stream == f->stream;
        stream_in_free(streams_in_take(&w->payloads, f->stream));
        break;
    case FRAME_BYE: w->told_to_leave = true; break;
    default: break;
    }
}

/* The task of a slot runs, as the board says. */
TEST_HELPER void worker_run(fake_worker *w, uint32_t slot, task_id id)
{
    slot_state *s = &w->board->slots[slot].state;
    s->stage = id.stage;
    s->partition = id.partition;
    s->attempt = id.attempt;
    s->node = 1;
    s->batch = 17;
    s->busy = 1;
}

/* Gives an outcome of held task `at`; a result past the inline limit goes as a stream. */
TEST_HELPER void worker_finish(fake_worker *w, size_t at, size_t result_size, uint64_t run_ns)
{
    static char zeros[RESULT_INLINE_MAX];
    outcome o = { .id = w->held[at].id, .metrics.run_ns = run_ns, .result_size = result_size };
    uint64_t stream = 0;
    if (result_size > RESULT_INLINE_MAX) {
        char *bytes = calloc(1, result_size);
        stream = (uint64_t)w->serial << 32 | ++w->next_stream;
        assert_int_equal(streams_out_add(&w->results, stream, 1, bytes, result_size, bytes), 0);
    }
    o.result_heap = zeros;
    size_t begin = frame_begin(&w->channel.control, FRAME_OUTCOMES, 0);
    outcome_entry_encode(&w->channel.control, &o, stream);
    frame_end(&w->channel.control, begin);
    memmove(&w->held[at], &w->held[at + 1], (w->held_count - at - 1) * sizeof w->held[0]);
    w->held_count--;
}

/* -- Moving bytes ------------------------------------------------------------------------------ */

/* At most `max` bytes; how many moved. */
TEST_HELPER size_t carry(channel *from, channel *to, size_t max)
{
    size_t size, room;
    const char *bytes = channel_output(from, &size);
    if (!bytes)
        return 0;
    char *at = frame_reader_room(&to->in, &room);
    assert_non_null(at);
    size = size_min(size_min(size, room), max);
    memcpy(at, bytes, size);
    frame_reader_filled(&to->in, size);
    channel_wrote(from, size);
    return size;
}

TEST_HELPER channel *sim_driver_channel(sim *m)
{
    return m->driver ? connection_channel(m->driver) : &m->raw;
}

/* One piece in each direction of one worker's channel. */
TEST_HELPER size_t sim_move_worker(sim *m, uint32_t index)
{
    fake_worker *w = &m->workers[index];
    channel *theirs = supervisor_worker_channel(m->supervisor, index);
    frame f;
    stream_in *failed;
    size_t moved = carry(theirs, &w->channel, m->piece_max);
    while (channel_next(&w->channel, &f, NULL) == 1)
        worker_take_frame(w, &f);
    streams_in_grant(&w->payloads, &w->channel, &failed);
    streams_out_pump(&w->results, &w->channel);
    size_t back = carry(&w->channel, theirs, m->piece_max);
    if (back)
        supervisor_worker_input(m->supervisor, index, m->now_ns);
    return moved + back;
}

TEST_HELPER size_t sim_move_driver(sim *m)
{
    channel *theirs = supervisor_driver(m->supervisor);
    if (m->driver)
        connection_pump(m->driver);
    size_t moved = carry(sim_driver_channel(m), theirs, m->piece_max);
    if (moved)
        supervisor_driver_input(m->supervisor, m->now_ns);
    size_t back = carry(theirs, sim_driver_channel(m), m->piece_max);
    if (back && m->driver)
        connection_input(m->driver, m->now_ns);
    return moved + back;
}

TEST_HELPER void sim_commands(sim *m)
{
    supervisor_command c;
    while (!m->exited && supervisor_next_command(m->supervisor, &c)) {
        if (c.kind == SUPERVISOR_START) {
            worker_begin(m, c.worker, c.slots);
        } else if (c.kind == SUPERVISOR_KILL) {
            m->kills++;
            worker_die(m, c.worker, SIGKILL);
        } else {
            m->exited = true;
        }
    }
}

/* Everything that can move does, until nothing does any more. */
TEST_HELPER void sim_settle(sim *m)
{
    for (size_t moved = 1; moved;) {
        sim_commands(m);
        moved = sim_move_driver(m);
        for (uint32_t i = 0; i < WORKERS_MAX; i++)
            if (m->workers[i].lives)
                moved += sim_move_worker(m, i);
    }
    sim_commands(m);
}

/* Time goes on in steps, with what is due in between. */
TEST_HELPER void sim_pass(sim *m, uint64_t ns)
{
    for (uint64_t until = m->now_ns + ns; m->now_ns < until && !m->exited;) {
        uint64_t next = u64_min(until, supervisor_deadline(m->supervisor));
        if (m->driver)
            next = u64_min(next, connection_deadline(m->driver));
        m->now_ns = u64_max(next, m->now_ns + 1);
        if (m->driver)
            connection_tick(m->driver, m->now_ns);
        supervisor_tick(m->supervisor, m->now_ns);
        sim_settle(m);
    }
}

/* -- Life -------------------------------------------------------------------------------------- */

TEST_HELPER void sim_begin_raw(sim *m)
{
    hello self = { .digest = 7, .build_id = "b", .pid = 1, .cores = 1 };
    *m = (sim){ .now_ns = NS_PER_S, .piece_max = SIZE_MAX };
    channel_init(&m->raw, 0);
    assert_int_equal(supervisor_new(&m->supervisor, &self, m->now_ns, NULL), 0);
}

/* Whoever serves the driver's files to the executors of the sims that begin from now on. */
static connection_files sim_files;

TEST_HELPER void sim_begin(sim *m, uint32_t slots, uint32_t slots_per_process)
{
    static const char plan_text[] = "operator fake (fake.c:7)";
    CLEANUP(buf_release) buf conf = { 0 };
    conf_encode(&conf);
    sim_begin_raw(m);
    connection_options options = {
        .name = "executor 0",
        .setup = { .slots = slots, .slots_per_process = slots_per_process,
                   .conf = { conf.size, conf.data } },
        .nonce = 5,
        .digest = 7,
        .build_id = "b",
        .heartbeat_ns = NS_PER_S,
        .timeout_ns = 20 * NS_PER_S,
        .start_timeout_ns = 30 * NS_PER_S,
        .result_max = 64 << 20,
        .files = sim_files,
    };
    assert_int_equal(connection_new(&m->driver, &options, m->now_ns, NULL), 0);
    sim_settle(m);
    assert_true(connection_came_up(m->driver, NULL));
    assert_int_equal(connection_plan(m->driver, 1, (rdd_str){ sizeof plan_text - 1, plan_text }),
                     0);
    assert_int_equal(connection_plan(m->driver, 2, (rdd_str){ sizeof plan_text - 1, plan_text }),
                     0);
}

TEST_HELPER void sim_end(sim *m)
{
    supervisor_free(m->supervisor);
    connection_free(m->driver);
    channel_release(&m->raw);
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        if (m->workers[i].lives)
            worker_release(&m->workers[i]);
}

/* -- The driver -------------------------------------------------------------------------------- */

TEST_HELPER task_id sim_launch(sim *m, uint32_t stage, uint32_t partition)
{
    task_spec t = { .id = { stage, partition, 0 } };
    connection_launch(m->driver, &t, 1);
    return t.id;
}

/* Exactly `count` outcomes must be there. */
TEST_HELPER void sim_outcomes(sim *m, outcome *ret, size_t count)
{
    size_t there;
    CLEANUP(freep) outcome *outcomes = connection_take_outcomes(m->driver, &there);
    assert_int_equal(there, count);
    if (count)
        memcpy(ret, outcomes, count * sizeof *ret);
}

TEST_HELPER void expect_text(const char *text, const char *part)
{
    if (!strstr(text, part))
        fprintf(stderr, "\"%s\" should hold \"%s\"\n", text, part);
    assert_non_null(strstr(text, part));
}

#endif
