/* supervisor_files_test.c: files of the driver on their way through the supervisor and into the
 * driver's connection, with workers that the test plays and a file server that only takes notes.
 * The real ends are in remote_files_test.c. */
#include "supervisor_rig.h"

#include <signal.h>

enum { NOTES_MAX = 64 };

/* What the driver's end was handed. */
typedef struct note {
    frame_type type;
    uint64_t stream;
    size_t size;
} note;

static note notes[NOTES_MAX];
static size_t note_count;
static buf to_send; /* DATA frames that are ready */

static int take_note(void *arg, const frame *f, rdd_error *err)
{
    (void)arg;
    assert_true(note_count < NOTES_MAX);
    notes[note_count++] = (note){ f->type, f->stream, f->size };
    if (f->type == FRAME_DATA && f->size == 13)
        return error_set(err, RDD_E_PROTOCOL, "thirteen bytes");
    return 0;
}

static void send_ready(void *arg, channel *c)
{
    (void)arg;
    buf_append(&c->data, to_send.data, to_send.size);
    buf_clear(&to_send);
}

static void expect_note(size_t at, frame_type type, uint64_t stream, size_t size)
{
    assert_true(at < note_count);
    assert_int_equal(notes[at].type, type);
    assert_int_equal(notes[at].stream, stream);
    assert_int_equal(notes[at].size, size);
}

/* One slot that has task 1/0/0. */
static fake_worker *begin(sim *m)
{
    note_count = 0;
    sim_files = (connection_files){ take_note, send_ready, NULL };
    sim_begin(m, 2, 1);
    sim_launch(m, 1, 0);
    sim_launch(m, 1, 1);
    sim_settle(m);
    return &m->workers[0];
}

static void finish(sim *m)
{
    sim_end(m);
    buf_release(&to_send);
    sim_files = (connection_files){ 0 };
}

static uint64_t file_of(const fake_worker *w, uint32_t number)
{
    return (uint64_t)w->serial << 32 | STREAM_FILE | number;
}

static void open_file(fake_worker *w, uint32_t number, file_use use, uint64_t credit)
{
    file_open how = { .use = use, .task = w->held[0].id, .number = 1, .credit = credit };
    file_open_append(&w->channel.control, file_of(w, number), &how);
}

static void bytes_go_both_ways(void **state)
{
    (void)state;
    static char bytes[FILE_CREDIT_FIRST];
    sim m;
    fake_worker *w = begin(&m);
    open_file(w, 1, FILE_READ, 1000);
    open_file(w, 2, FILE_WRITE, 0);
    frame_append(&w->channel.data, FRAME_DATA, file_of(w, 2), bytes, sizeof bytes);
    credit_append(&w->channel.control, file_of(w, 1), 500);
    sim_settle(&m);
    assert_int_equal(note_count, 4);
    expect_note(0, FRAME_OPEN, file_of(w, 1), 37);
    expect_note(1, FRAME_OPEN, file_of(w, 2), 37);
    expect_note(2, FRAME_CREDIT, file_of(w, 1), 8);
    expect_note(3, FRAME_DATA, file_of(w, 2), sizeof bytes);
    frame_append(&to_send, FRAME_DATA, file_of(w, 1), bytes, 1500);
    sim_settle(&m);
    assert_int_equal(w->file_bytes, 1500);
    frame_append(&to_send, FRAME_DATA, file_of(w, 99), bytes, 5); /* long closed */
    file_end end = { .complete = true, .size = sizeof bytes };
    file_end_append(&w->channel.control, file_of(w, 2), &end);
    sim_settle(&m);
    expect_note(4, FRAME_CLOSE, file_of(w, 2), 17);
    file_answer_append(&connection_channel(m.driver)->control, file_of(w, 2), 0, NULL);
    sim_settle(&m);
    assert_int_equal(w->file_answers, 1);
    assert_int_equal(m.kills, 0);
    assert_false(connection_failed(m.driver, NULL));
    finish(&m);
}

static void the_end_of_a_worker_resets_its_files(void **state)
{
    (void)state;
    sim m;
    fake_worker *w = begin(&m);
    uint64_t read = file_of(w, 1), write = file_of(w, 2), closed = file_of(w, 3);
    open_file(w, 1, FILE_READ, 1000);
    open_file(w, 2, FILE_WRITE, 0);
    open_file(w, 3, FILE_READ, 1000);
    file_end_append(&w->channel.control, closed, &(file_end){ .complete = false });
    sim_settle(&m);
    assert_int_equal(note_count, 4);
    worker_die(&m, 0, SIGKILL);
    sim_settle(&m);
    assert_int_equal(note_count, 6);
    bool first = notes[4].stream == read;
    expect_note(4, FRAME_RESET, first ? read : write, 0);
    expect_note(5, FRAME_RESET, first ? write : read, 0);
    frame_append(&to_send, FRAME_DATA, read, "late", 4); /* it was on its way */
    sim_settle(&m);
    assert_false(m.exited);
    finish(&m);
}

/* Its outcome and what it says about a file are on different ways. */
static void a_file_of_a_task_that_is_over_is_nothing(void **state)
{
    (void)state;
    sim m;
    fake_worker *w = begin(&m);
    task_id over = w->held[0].id;
    worker_finish(w, 0, 0, 1);
    file_open how = { .use = FILE_READ, .task = over, .number = 1, .credit = 10 };
    file_open_append(&w->channel.control, file_of(w, 1), &how);
    file_end_append(&w->channel.control, file_of(w, 1), &(file_end){ .complete = false });
    sim_settle(&m);
    assert_int_equal(note_count, 0);
    assert_int_equal(m.kills, 0);
    outcome o;
    sim_outcomes(&m, &o, 1);
    outcome_release(&o);
    finish(&m);
}

static void expect_kill(sim *m)
{
    sim_settle(m);
    assert_int_equal(m->kills, 1);
    assert_false(connection_failed(m->driver, NULL));
    finish(m);
}

static void a_worker_past_what_was_agreed_is_replaced(void **state)
{
    (void)state;
    static char bytes[FILE_CREDIT_FIRST + 1];
    sim m;
    fake_worker *w = begin(&m);
    open_file(w, 1, FILE_WRITE, 0);
    frame_append(&w->channel.data, FRAME_DATA, file_of(w, 1), bytes, sizeof bytes);
    expect_kill(&m);

    w = begin(&m);
    open_file(w, 1, FILE_READ, FILE_CREDIT_MAX);
    credit_append(&w->channel.control, file_of(w, 1), 1);
    expect_kill(&m);

    w = begin(&m);
    open_file(w, 1, FILE_READ, 10);
    open_file(w, 1, FILE_READ, 10);
    expect_kill(&m);

    w = begin(&m);
    open_file(w, 1, FILE_READ, 10);
    frame_append(&w->channel.control, FRAME_RESET, file_of(w, 1), NULL, 0);
    expect_kill(&m);

    w = begin(&m);
    file_open how = { .use = FILE_READ, .task = w->held[0].id };
    file_open_append(&w->channel.control, file_of(&m.workers[1], 1), &how); /* its neighbour's */
    expect_kill(&m);

    w = begin(&m);
    frame_append(&w->channel.control, FRAME_OPEN, (uint64_t)w->serial << 32 | 1, bytes, 37);
    expect_kill(&m);

    w = begin(&m);
    open_file(w, 1, FILE_READ, 10);
    frame_append(&w->channel.control, FRAME_CLOSE, file_of(w, 1), "xyz", 3);
    expect_kill(&m);
}

static void a_driver_past_what_was_agreed_is_left(void **state)
{
    (void)state;
    static char bytes[11];
    sim m;
    fake_worker *w = begin(&m);
    open_file(w, 1, FILE_READ, 10);
    sim_settle(&m);
    frame_append(&to_send, FRAME_DATA, file_of(w, 1), bytes, 11);
    sim_settle(&m);
    assert_true(m.exited);
    rdd_error err;
    assert_true(connection_failed(m.driver, &err));
    assert_non_null(strstr(err.message, "bytes or credit of a file past what was agreed"));
    finish(&m);
}

static void what_the_file_server_refuses_ends_the_connection(void **state)
{
    (void)state;
    sim m;
    rdd_error err;
    fake_worker *w = begin(&m);
    open_file(w, 1, FILE_WRITE, 0);
    frame_append(&w->channel.data, FRAME_DATA, file_of(w, 1), "thirteen byte", 13);
    sim_settle(&m);
    assert_true(connection_failed(m.driver, &err));
    assert_string_equal(err.message, "executor 0 sent thirteen bytes");
    finish(&m);

    sim_begin(&m, 1, 0); /* an executor that opens files itself */
    sim_launch(&m, 1, 0);
    sim_settle(&m);
    open_file(&m.workers[0], 1, FILE_READ, 10);
    sim_settle(&m);
    assert_true(connection_failed(m.driver, &err));
    assert_non_null(strstr(err.message, "a wish for a file, which it can open itself"));
    finish(&m);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_go_both_ways),
        cmocka_unit_test(the_end_of_a_worker_resets_its_files),
        cmocka_unit_test(a_file_of_a_task_that_is_over_is_nothing),
        cmocka_unit_test(a_worker_past_what_was_agreed_is_replaced),
        cmocka_unit_test(a_driver_past_what_was_agreed_is_left),
        cmocka_unit_test(what_the_file_server_refuses_ends_the_connection),
    };
    return TEST_MAIN(argc, argv, tests);
}
