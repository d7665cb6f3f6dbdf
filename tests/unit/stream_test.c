/* stream_test.c: stream.h over a pair of channels. */
#include "protocol.h"
#include "stream.h"

#include "test.h"

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

/* Carries all frames that `from` has over to `to`. */
static void carry(channel *from, channel *to)
{
    while (channel_has_output(from)) {
        size_t size;
        const char *bytes = channel_output(from, &size);
        feed(&to->in, bytes, size);
        channel_wrote(from, size);
    }
}

/* Random sizes over a pair of channels: all bytes arrive, and never more than the windows are on
 * their way. */
static void blobs_travel_within_their_credit(void **state)
{
    (void)state;
    enum { BLOBS = 12 };
    CLEANUP(channel_release) channel a;
    CLEANUP(channel_release) channel b;
    channel_init(&a, 0);
    channel_init(&b, 0);
    streams_out out = { 0 };
    streams_in in = { 0 };
    char *blobs[BLOBS];
    size_t sizes[BLOBS], done = 0;
    for (size_t i = 0; i < BLOBS; i++) {
        sizes[i] = 1 + test_random_below(STREAM_WINDOW * 2);
        blobs[i] = malloc(sizes[i]);
        assert_non_null(blobs[i]);
        memset(blobs[i], (int)('a' + i), sizes[i]);
        assert_int_equal(streams_out_add(&out, i + 1, 0, blobs[i], sizes[i], NULL), 0);
        assert_int_equal(streams_in_open(&in, i + 1, sizes[i], blobs[i]), 0);
    }
    while (done < BLOBS) {
        stream_in *failed;
        streams_in_grant(&in, &b, &failed);
        assert_null(failed);
        frame f;
        carry(&b, &a);
        while (channel_next(&a, &f, NULL) == 1) {
            uint64_t more;
            assert_int_equal(f.type, FRAME_CREDIT);
            assert_int_equal(credit_decode(&f, &more), 0);
            streams_out_credit(&out, f.stream, more);
        }
        streams_out_pump(&out, &a);
        assert_true(channel_data_waiting(&a) <= 1 << 20);
        /* one frame at a time, as the reader's buffer holds no more */
        size_t size;
        const char *bytes = channel_output(&a, &size);
        assert_non_null(bytes);
        feed(&b.in, bytes, size);
        channel_wrote(&a, size);
        while (channel_next(&b, &f, NULL) == 1) {
            stream_in *complete;
            assert_int_equal(streams_in_data(&in, &f, &complete, NULL), 0);
            if (!complete)
                continue;
            size_t index = complete->id - 1;
            assert_int_equal(complete->size, sizes[index]);
            assert_memory_equal(complete->bytes, blobs[index], sizes[index]);
            stream_in_free(complete);
            done++;
        }
    }
    assert_null(in.first);
    assert_null(out.first);
    for (size_t i = 0; i < BLOBS; i++)
        free(blobs[i]);
}

static void a_sender_without_credit_is_refused(void **state)
{
    (void)state;
    CLEANUP(channel_release) channel c;
    channel_init(&c, 0);
    streams_in in = { 0 };
    assert_int_equal(streams_in_open(&in, 1, 100, NULL), 0);
    frame f = { .type = FRAME_DATA, .stream = 1, .size = 1, .payload = "x" };
    stream_in *done, *failed;
    rdd_error err;
    assert_int_equal(streams_in_data(&in, &f, &done, &err), RDD_E_PROTOCOL);
    streams_in_grant(&in, &c, &failed);
    assert_int_equal(streams_in_data(&in, &f, &done, &err), 0);
    char much[100] = { 0 };
    f = (frame){ .type = FRAME_DATA, .stream = 1, .size = 100, .payload = much };
    assert_int_equal(streams_in_data(&in, &f, &done, &err), RDD_E_PROTOCOL);
    f.stream = 2; /* a stream that is gone: dropped */
    assert_int_equal(streams_in_data(&in, &f, &done, &err), 0);
    assert_null(done);
    stream_in_free(streams_in_take(&in, 1));
    assert_null(streams_in_take(&in, 1));
}

static void a_stage_s_streams_are_dropped(void **state)
{
    (void)state;
    CLEANUP(channel_release) channel c;
    channel_init(&c, 0);
    streams_out out = { 0 };
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(streams_out_add(&out, i + 1, i % 2, "x", 1, NULL), 0);
    streams_out_drop_stage(&out, 1, &c);
    size_t resets = 0;
    carry(&c, &c);
    frame f;
    while (channel_next(&c, &f, NULL) == 1)
        resets += f.type == FRAME_RESET && f.stream % 2 == 0;
    assert_int_equal(resets, 3);
    assert_false(streams_out_drop(&out, 2));
    assert_true(streams_out_drop(&out, 5)); /* the last */
    assert_int_equal(streams_out_add(&out, 9, 0, "x", 1, NULL), 0);
    streams_out_credit(&out, 9, UINT64_MAX);
    streams_out_pump(&out, &c);
    assert_true(channel_data_waiting(&c) > 0);
    assert_false(streams_out_drop(&out, 9)); /* all sent */
    streams_out_release(&out);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blobs_travel_within_their_credit),
        cmocka_unit_test(a_sender_without_credit_is_refused),
        cmocka_unit_test(a_stage_s_streams_are_dropped),
    };
    return TEST_MAIN(argc, argv, tests);
}
