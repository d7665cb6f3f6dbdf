/* message_test.c: message.h, channel.h, protocol.h, byte by byte and with flipped
 * bits. */
#include "channel.h"
#include "message.h"
#include "protocol.h"

#include "test.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/socket.h>

static void feed(frame_reader *r, const char *bytes, size_t size)
{
    while (size) {
        size_t room;
        char *to = frame_reader_room(r, &room);
        assert_non_null(to);
        assert_true(room >= 1);
        size_t piece = size_min(room, size);
        memcpy(to, bytes, piece);
        frame_reader_filled(r, piece);
        bytes += piece;
        size -= piece;
    }
}

/* A few frames of different sizes and types, the largest control frame among them. */
static void write_samples(buf *b)
{
    char *large = calloc(1, FRAME_CONTROL_MAX);
    assert_non_null(large);
    for (size_t i = 0; i < FRAME_CONTROL_MAX; i++)
        large[i] = (char)(i * 31);
    frame_append(b, FRAME_HEARTBEAT, 0, NULL, 0);
    frame_append(b, FRAME_LOG, 0, "RDDf", 4);
    frame_append(b, FRAME_DATA, 7, large, FRAME_DATA_MAX);
    frame_append(b, FRAME_TASKS, 0, large, FRAME_CONTROL_MAX);
    frame_append(b, FRAME_CREDIT, UINT64_MAX, "12345678", 8);
    free(large);
    assert_false(b->failed);
}

static const struct {
    frame_type type;
    uint64_t stream;
    size_t size;
} SAMPLES[] = {
    { FRAME_HEARTBEAT, 0, 0 },
    { FRAME_LOG, 0, 4 },
    { FRAME_DATA, 7, FRAME_DATA_MAX },
    { FRAME_TASKS, 0, FRAME_CONTROL_MAX },
    { FRAME_CREDIT, UINT64_MAX, 8 },
};

/* Reads the samples in pieces of at most `piece` bytes. */
static void read_samples(const buf *b, size_t piece)
{
    CLEANUP(frame_reader_release) frame_reader r;
    frame_reader_init(&r, 0);
    size_t seen = 0;
    for (size_t at = 0; at < b->size;) {
        size_t room;
        char *to = frame_reader_room(&r, &room);
        assert_non_null(to);
        size_t size = size_min(size_min(room, piece), b->size - at);
        memcpy(to, b->data + at, size);
        frame_reader_filled(&r, size);
        at += size;
        frame f;
        rdd_error err;
        while (frame_reader_next(&r, &f, &err) == 1) {
            assert_true(seen < ARRAY_SIZE(SAMPLES));
            assert_int_equal(f.type, SAMPLES[seen].type);
            assert_int_equal(f.stream, SAMPLES[seen].stream);
            assert_int_equal(f.size, SAMPLES[seen].size);
            seen++;
        }
        assert_false(r.failed);
    }
    assert_int_equal(seen, ARRAY_SIZE(SAMPLES));
    assert_true(r.capacity <= 4 * FRAME_CONTROL_MAX);
}

static void frames_come_back_whole_from_pieces_of_any_size(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    write_samples(&b);
    static const size_t PIECES[] = { 1, 2, 39, 40, 41, 4096, 65537, SIZE_MAX };
    for (size_t i = 0; i < ARRAY_SIZE(PIECES); i++)
        read_samples(&b, PIECES[i]);
}

static void a_payload_survives(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    frame_append(&b, FRAME_LOG, 0, "hello", 5);
    size_t begin = frame_begin(&b, FRAME_PLAN, 0);
    buf_text(&b, "written in place");
    frame_end(&b, begin);
    assert_int_equal(frame_whole_size(b.data), FRAME_HEADER_SIZE + 5);
    CLEANUP(frame_reader_release) frame_reader r;
    frame_reader_init(&r, 0);
    feed(&r, b.data, b.size);
    frame f;
    assert_int_equal(frame_reader_next(&r, &f, NULL), 1);
    assert_memory_equal(f.payload, "hello", 5);
    assert_int_equal(frame_reader_next(&r, &f, NULL), 1);
    assert_int_equal(f.type, FRAME_PLAN);
    assert_memory_equal(f.payload, "written in place", 16);
    assert_int_equal(frame_reader_next(&r, &f, NULL), 0);
}

/* Every bit of a frame flipped, one at a time: none is taken for a frame, and none makes the reader
 * ask for more memory than it had. */
static void no_flipped_bit_passes(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    frame_append(&b, FRAME_OUTCOMES, 0, "sixteen bytes ..", 16);
    for (size_t bit = 0; bit < b.size * 8; bit++) {
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
        CLEANUP(frame_reader_release) frame_reader r;
        frame_reader_init(&r, 0);
        feed(&r, b.data, b.size);
        size_t capacity = r.capacity;
        frame f;
        rdd_error err;
        assert_int_equal(frame_reader_next(&r, &f, &err), RDD_E_PROTOCOL);
        assert_int_equal(err.code, RDD_E_PROTOCOL);
        assert_int_equal(r.capacity, capacity);
        assert_int_equal(frame_reader_next(&r, &f, NULL), RDD_E_PROTOCOL); /* for ever */
        b.data[bit / 8] = (char)(b.data[bit / 8] ^ (1 << bit % 8));
    }
}

static void random_damage_is_found(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    char payload[600] = { 0 };
    for (int round = 0; round < 20000; round++) {
        buf_clear(&b);
        size_t size = test_random_below(sizeof payload);
        for (int i = 0; i < 3; i++)
            frame_append(&b, FRAME_TASKS, 0, payload, size);
        size_t at = test_random_below(b.size);
        char by = (char)(1 + test_random_below(255));
        b.data[at] = (char)(b.data[at] ^ by);
        CLEANUP(frame_reader_release) frame_reader r;
        frame_reader_init(&r, 0);
        feed(&r, b.data, b.size);
        size_t good = 0;
        frame f;
        int code;
        while ((code = frame_reader_next(&r, &f, NULL)) == 1)
            good++;
        assert_int_equal(good, at / (FRAME_HEADER_SIZE + size));
        assert_int_equal(code, RDD_E_PROTOCOL);
    }
}

static void an_announced_size_is_limited_before_it_is_believed(void **state)
{
    (void)state;
    /* A well-formed header for a payload past the limit, as a hostile peer would send it. */
    CLEANUP(buf_release) buf b = { 0 };
    frame_append(&b, FRAME_DATA, 1, "", 0);
    CLEANUP(buf_release) buf control = { 0 };
    char *large = calloc(1, FRAME_DATA_MAX + 1);
    assert_non_null(large);
    frame_append(&control, FRAME_TASKS, 0, large, FRAME_DATA_MAX + 1); /* fine for this type */
    free(large);
    CLEANUP(frame_reader_release) frame_reader r;
    frame_reader_init(&r, 0);
    feed(&r, control.data, FRAME_HEADER_SIZE);
    frame f;
    assert_int_equal(frame_reader_next(&r, &f, NULL), 0);
    assert_int_equal(r.want, FRAME_HEADER_SIZE + FRAME_DATA_MAX + 1);
}

static void foreign_output_before_the_first_frame_is_skipped(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    buf_text(&b, "Welcome to node-b!\nRDDf is not yet a frame ");
    buf_text(&b, "RDDfRDDfRDDf and so on and on and on\n");
    frame_append(&b, FRAME_HELLO, 0, "x", 1);
    buf_text(&b, "and then no more of it, please, not even a little");
    for (size_t piece = 1; piece <= b.size; piece += piece) {
        CLEANUP(frame_reader_release) frame_reader r;
        frame_reader_init(&r, FRAME_SKIP_MAX);
        frame f = { 0 };
        int code = 0;
        size_t frames = 0;
        for (size_t at = 0; at < b.size && code >= 0; at += piece) {
            feed(&r, b.data + at, size_min(piece, b.size - at));
            while ((code = frame_reader_next(&r, &f, NULL)) == 1)
                frames++;
        }
        assert_int_equal(frames, 1);
        assert_int_equal(code, RDD_E_PROTOCOL);
        char text[100];
        frame_reader_foreign(&r, text, sizeof text);
        assert_memory_equal(text, "Welcome to node-b! RDDf is", 26);
    }
}

static void a_peer_that_only_talks_is_given_up(void **state)
{
    (void)state;
    CLEANUP(frame_reader_release) frame_reader r;
    frame_reader_init(&r, FRAME_SKIP_MAX);
    frame f;
    int code = 0;
    char line[1000];
    memset(line, 'R', sizeof line);
    size_t total = 0;
    while (!code && total < 2 * FRAME_SKIP_MAX) {
        feed(&r, line, sizeof line);
        total += sizeof line;
        code = frame_reader_next(&r, &f, NULL);
    }
    assert_int_equal(code, RDD_E_PROTOCOL);
    assert_true(total <= FRAME_SKIP_MAX + 2 * sizeof line);
}

/* -- Channels ---------------------------------------------------------------------------------- */

static void control_frames_go_before_data_frames(void **state)
{
    (void)state;
    CLEANUP(channel_release) channel c;
    channel_init(&c, 0);
    frame_append(&c.data, FRAME_DATA, 1, "aaaa", 4);
    frame_append(&c.data, FRAME_DATA, 1, "bbbb", 4);
    CLEANUP(frame_reader_release) frame_reader r;
    frame_reader_init(&r, 0);
    static const frame_type EXPECTED[] = { FRAME_DATA, FRAME_HEARTBEAT, FRAME_BYE, FRAME_DATA };
    size_t seen = 0;
    for (int step = 0; channel_has_output(&c); step++) {
        size_t size;
        const char *bytes = channel_output(&c, &size);
        size_t piece = size_min(size, 5); /* a slow link */
        feed(&r, bytes, piece);
        channel_wrote(&c, piece);
        if (step == 3) { /* in the middle of the first data frame, which must not be torn */
            frame_append(&c.control, FRAME_HEARTBEAT, 0, NULL, 0);
            frame_append(&c.control, FRAME_BYE, 0, NULL, 0);
        }
        frame f;
        while (frame_reader_next(&r, &f, NULL) == 1)
            assert_int_equal(f.type, EXPECTED[seen++]);
        assert_false(r.failed);
    }
    assert_int_equal(seen, ARRAY_SIZE(EXPECTED));
    assert_int_equal(c.control.size + c.data.size, 0);
}

static void descriptors_are_filled_and_drained(void **state)
{
    (void)state;
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    CLEANUP(channel_release) channel a;
    CLEANUP(channel_release) channel b;
    channel_init(&a, 0);
    channel_init(&b, 0);
    CLEANUP(freep) char *large = calloc(1, FRAME_DATA_MAX);
    for (int i = 0; i < 20; i++)
        frame_append(&a.data, FRAME_DATA, 1, large, FRAME_DATA_MAX);
    assert_int_equal(channel_read(&b, fds[1]), CHANNEL_WAITING);
    size_t seen = 0, full = 0;
    while (channel_has_output(&a)) {
        full += channel_write(&a, fds[0]) == CHANNEL_WAITING;
        frame f;
        while (channel_read(&b, fds[1]) == CHANNEL_MOVED)
            while (channel_next(&b, &f, NULL) == 1)
                seen++;
    }
    assert_int_equal(seen, 20);
    assert_true(full > 0);
    close(fds[0]);
    assert_int_equal(channel_read(&b, fds[1]), CHANNEL_ENDED);
    frame_append(&b.control, FRAME_BYE, 0, NULL, 0);
    assert_int_equal(channel_write(&b, fds[1]), CHANNEL_ENDED); /* and no SIGPIPE */
    close(fds[1]);
}

/* -- Payloads ---------------------------------------------------------------------------------- */

/* The one frame in `b`, which must hold nothing else. */
static frame only_frame(const buf *b)
{
    frame f = { .type = (frame_type)b->data[6], .size = b->size - FRAME_HEADER_SIZE,
                .payload = b->data + FRAME_HEADER_SIZE };
    memcpy(&f.stream, b->data + 8, sizeof f.stream);
    f.stream = le64toh(f.stream);
    assert_int_equal(frame_whole_size(b->data), b->size);
    return f;
}

static void hello_and_setup_come_back(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    hello h = { .protocol = PROTOCOL_VERSION, .nonce = 1, .digest = 2, .build_id = "abc",
                .host = "node-b", .pid = 3, .cores = 4, .memory = UINT64_C(5) << 32,
                .wall_ms = UINT64_C(6) << 40 };
    hello_encode(&b, &h);
    hello back;
    frame f = only_frame(&b);
    assert_int_equal(hello_decode(&f, &back), 0);
    assert_int_equal(back.memory, h.memory);
    assert_int_equal(back.wall_ms, h.wall_ms);
    assert_string_equal(back.build_id, "abc");
    assert_string_equal(back.host, "node-b");
    for (f.size = 0; f.size < b.size - FRAME_HEADER_SIZE; f.size++)
        assert_int_equal(hello_decode(&f, &back), RDD_E_PROTOCOL);

    buf_clear(&b);
    executor_setup s = { .executor = 1, .incarnation = 2, .slots = 3, .slots_per_process = 4,
                .worker_serial = 5, .remote = true, .conf = RDD_STR("conf") };
    setup_encode(&b, &s);
    executor_setup s2;
    f = only_frame(&b);
    assert_int_equal(setup_decode(&f, &s2), 0);
    assert_int_equal(s2.slots, 3);
    assert_int_equal(s2.worker_serial, 5);
    assert_true(s2.remote);
    assert_true(rdd_str_equal(s2.conf, s.conf));
    buf_clear(&b);
    s.slots = SLOTS_MAX + 1;
    setup_encode(&b, &s);
    f = only_frame(&b);
    assert_int_equal(setup_decode(&f, &s2), RDD_E_PROTOCOL);
}

static void words_about_files_come_back(void **state)
{
    (void)state;
    const uint64_t id = UINT64_C(5) << 32 | STREAM_FILE | 9;
    CLEANUP(buf_release) buf b = { 0 };
    file_open o = { .use = FILE_WRITE, .task = { 1, 2, 3 }, .number = 4, .offset = 5,
                    .credit = FILE_CREDIT_MAX }, o2;
    file_open_append(&b, id, &o);
    frame f = only_frame(&b);
    assert_int_equal(f.stream, id);
    assert_int_equal(file_open_decode(&f, &o2), 0);
    assert_true(o2.use == o.use && task_id_equal(o2.task, o.task) && o2.number == 4 &&
                o2.offset == 5 && o2.credit == o.credit);
    for (f.size = 0; f.size < b.size - FRAME_HEADER_SIZE; f.size++)
        assert_int_equal(file_open_decode(&f, &o2), RDD_E_PROTOCOL);
    f.stream &= ~STREAM_FILE;
    assert_int_equal(file_open_decode(&f, &o2), RDD_E_PROTOCOL);

    buf_clear(&b);
    file_end e = { .complete = true, .size = 6, .checksum = 7 }, e2;
    file_end_append(&b, id, &e);
    f = only_frame(&b);
    assert_int_equal(file_end_decode(&f, &e2), 0);
    assert_true(e2.complete && e2.size == 6 && e2.checksum == 7);
    for (f.size = 0; f.size < b.size - FRAME_HEADER_SIZE; f.size++)
        assert_int_equal(file_end_decode(&f, &e2), RDD_E_PROTOCOL);

    buf_clear(&b);
    rdd_error why, why2;
    uint64_t sent;
    error_set_errno(&why, RDD_E_IO, ENOENT, "x.csv: cannot open");
    file_answer_append(&b, id, 8, &why);
    f = only_frame(&b);
    assert_int_equal(file_answer_decode(&f, &sent, &why2), 0);
    assert_int_equal(sent, 8);
    assert_int_equal(why2.os_errno, ENOENT);
    assert_string_equal(why2.message, why.message);
    for (f.size = 0; f.size < b.size - FRAME_HEADER_SIZE; f.size++)
        assert_int_equal(file_answer_decode(&f, &sent, &why2), f.size == 8 ? 0 : RDD_E_PROTOCOL);

    buf_clear(&b);
    file_answer_append(&b, id, 9, NULL);
    f = only_frame(&b);
    assert_int_equal(file_answer_decode(&f, &sent, &why2), 0);
    assert_int_equal(why2.code, RDD_OK);
}

static void another_protocol_version_is_told_apart(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    size_t begin = frame_begin(&b, FRAME_HELLO, 0);
    buf_u32(&b, 99);
    buf_text(&b, "who knows what comes here then");
    frame_end(&b, begin);
    frame f = only_frame(&b);
    hello h;
    assert_int_equal(hello_decode(&f, &h), 0);
    assert_int_equal(h.protocol, 99);
}

static void a_plan_travels_in_pieces(void **state)
{
    (void)state;
    static const size_t SIZES[] = { 0, 1, 256 << 10, (256 << 10) + 1, 1000000 };
    CLEANUP(freep) char *bytes = malloc(1000000);
    for (size_t i = 0; i < 1000000; i++)
        bytes[i] = (char)(i * 7);
    for (size_t i = 0; i < ARRAY_SIZE(SIZES); i++) {
        CLEANUP(buf_release) buf b = { 0 }, whole = { 0 };
        plan_append(&b, 9, (rdd_str){ SIZES[i], bytes });
        CLEANUP(frame_reader_release) frame_reader r;
        frame_reader_init(&r, 0);
        size_t at = 0, pieces = 0;
        while (at < b.size) {
            size_t size = frame_whole_size(b.data + at);
            feed(&r, b.data + at, size);
            at += size;
            frame f;
            plan_piece p;
            assert_int_equal(frame_reader_next(&r, &f, NULL), 1);
            assert_int_equal(plan_piece_decode(&f, &p), 0);
            assert_int_equal(p.stage, 9);
            assert_int_equal(p.size, SIZES[i]);
            assert_int_equal(p.offset, whole.size);
            buf_append(&whole, p.bytes.data, p.bytes.size);
            pieces++;
        }
        assert_int_equal(whole.size, SIZES[i]);
        assert_true(!whole.size || !memcmp(whole.data, bytes, whole.size));
        assert_int_equal(pieces, SIZES[i] ? (SIZES[i] - 1) / (256 << 10) + 1 : 1);
    }
}

static void batches_split_into_frames_and_come_back(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    CLEANUP(freep) char *payload = calloc(1, TASK_INLINE_MAX);
    enum { TASKS = 1000 };
    batch tasks = { .out = &b, .type = FRAME_TASKS };
    for (uint32_t i = 0; i < TASKS; i++) {
        task_spec t = { .id = { 1, i, 2 }, .payload = { i * 16, payload } };
        batch_entry(&tasks);
        task_entry_encode(&b, &t, i % 10 == 9 ? i : 0);
    }
    batch_end(&tasks);
    CLEANUP(frame_reader_release) frame_reader r;
    frame_reader_init(&r, 0);
    uint32_t seen = 0;
    for (size_t at = 0; at < b.size;) {
        size_t size = frame_whole_size(b.data + at);
        feed(&r, b.data + at, size);
        at += size;
        frame f;
        assert_int_equal(frame_reader_next(&r, &f, NULL), 1);
        reader entries = reader_over(f.payload, f.size);
        while (reader_left(&entries)) {
            task_entry e;
            assert_int_equal(task_entry_decode(&entries, &e), 0);
            assert_int_equal(e.id.partition, seen);
            assert_int_equal(e.size, seen * 16);
            assert_int_equal(e.stream, seen % 10 == 9 ? seen : 0);
            assert_int_equal(e.payload != NULL, seen % 10 != 9);
            seen++;
        }
    }
    assert_int_equal(seen, TASKS);
}

static void outcomes_come_back_with_results_and_errors(void **state)
{
    (void)state;
    static const size_t SIZES[] = { 0, 1, OUTCOME_INLINE, OUTCOME_INLINE + 1, RESULT_INLINE_MAX };
    for (size_t i = 0; i < ARRAY_SIZE(SIZES); i++) {
        CLEANUP(buf_release) buf b = { 0 };
        char *bytes = malloc(SIZES[i] + 1);
        assert_non_null(bytes);
        memset(bytes, 'r', SIZES[i] + 1);
        outcome o = { .id = { 1, 2, 3 }, .suspect = i & 1, .metrics.records = 77 };
        outcome_set_result(&o, bytes, SIZES[i], bytes);
        rdd_error why;
        error_set(&why, RDD_E_USER, "because");
        outcome_set_error(&o, OUTCOME_FAILED, &why);
        outcome_entry_encode(&b, &o, 0);
        for (size_t size = 0; size < b.size; size++) {
            reader cut = reader_over(b.data, size);
            outcome none;
            uint64_t stream;
            rdd_error err;
            assert_int_equal(outcome_entry_decode(&cut, &none, &stream, &err), RDD_E_PROTOCOL);
        }
        reader r = reader_over(b.data, b.size);
        outcome back;
        uint64_t stream;
        assert_int_equal(outcome_entry_decode(&r, &back, &stream, NULL), 0);
        assert_int_equal(stream, 0);
        assert_int_equal(back.result_size, SIZES[i]);
        assert_memory_equal(outcome_result(&back), bytes, SIZES[i]);
        assert_int_equal(back.suspect, i & 1);
        assert_int_equal(back.metrics.records, 77);
        assert_string_equal(back.error->message, "because");
        outcome_release(&back);
        outcome_release(&o);
    }
}

static void small_ones_come_back(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf b = { 0 };
    slot_progress slots[3] = { { true, { 1, 2, 3 }, 4 }, { false, { 0, 0, 0 }, 0 } }, back[2];
    heartbeat_append(&b, slots, 3);
    frame f = only_frame(&b);
    size_t count;
    assert_int_equal(heartbeat_decode(&f, back, 2, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(back[0].records, 4);
    f.size--;
    assert_int_equal(heartbeat_decode(&f, back, 2, &count), RDD_E_PROTOCOL);

    buf_clear(&b);
    log_line line = { .kind = LOG_NOTICE, .has_task = true, .task = { 1, 2, 3 },
                      .text = RDD_STR("text") }, line2;
    log_append(&b, &line);
    f = only_frame(&b);
    assert_int_equal(log_decode(&f, &line2), 0);
    assert_true(rdd_str_equal(line.text, line2.text));
    assert_int_equal(line2.kind, LOG_NOTICE);

    buf_clear(&b);
    rdd_error why;
    bye_append(&b, NULL);
    f = only_frame(&b);
    assert_int_equal(bye_decode(&f, &why), 0);
    assert_int_equal(why.code, RDD_OK);
    buf_clear(&b);
    error_set(&why, RDD_E_LOST, "no heartbeat");
    bye_append(&b, &why);
    f = only_frame(&b);
    assert_int_equal(bye_decode(&f, &why), 0);
    assert_string_equal(why.message, "no heartbeat");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_back_whole_from_pieces_of_any_size),
        cmocka_unit_test(a_payload_survives),
        cmocka_unit_test(no_flipped_bit_passes),
        cmocka_unit_test(random_damage_is_found),
        cmocka_unit_test(an_announced_size_is_limited_before_it_is_believed),
        cmocka_unit_test(foreign_output_before_the_first_frame_is_skipped),
        cmocka_unit_test(a_peer_that_only_talks_is_given_up),
        cmocka_unit_test(control_frames_go_before_data_frames),
        cmocka_unit_test(descriptors_are_filled_and_drained),
        cmocka_unit_test(hello_and_setup_come_back),
        cmocka_unit_test(words_about_files_come_back),
        cmocka_unit_test(another_protocol_version_is_told_apart),
        cmocka_unit_test(a_plan_travels_in_pieces),
        cmocka_unit_test(batches_split_into_frames_and_come_back),
        cmocka_unit_test(outcomes_come_back_with_results_and_errors),
        cmocka_unit_test(small_ones_come_back),
    };
    return TEST_MAIN(argc, argv, tests);
}
