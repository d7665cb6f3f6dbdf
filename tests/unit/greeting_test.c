/* greeting_test.c: how driver and executor meet: who they are, which protocol, whose clock. Both ends,
 * each against a peer that says what the test likes. */
#include "supervisor_rig.h"

/* -- The executor's side ------------------------------------------------------------------------ */

static void greet(sim *m, uint32_t protocol)
{
    hello h = { .protocol = protocol, .nonce = 1 };
    hello_encode(&m->raw.control, &h);
}

/* What the executor says when it ends. */
static void expect_bye(sim *m, const char *text)
{
    frame f;
    rdd_error why = { .code = RDD_OK };
    sim_settle(m);
    assert_true(m->exited);
    while (channel_next(&m->raw, &f, NULL) == 1)
        if (f.type == FRAME_BYE)
            assert_int_equal(bye_decode(&f, &why), 0);
    expect_text(why.message, text);
}

static void a_driver_that_makes_no_sense_ends_the_executor(void **state)
{
    (void)state;
    sim m;
    sim_begin_raw(&m);
    greet(&m, PROTOCOL_VERSION + 1);
    expect_bye(&m, "speaks version 2 of the protocol, this is version 1");
    sim_end(&m);

    sim_begin_raw(&m);
    greet(&m, PROTOCOL_VERSION);
    greet(&m, PROTOCOL_VERSION);
    expect_bye(&m, "a malformed greeting");
    sim_end(&m);

    sim_begin_raw(&m);
    greet(&m, PROTOCOL_VERSION);
    cancel_append(&m.raw.control, tasks_of_stage(1));
    expect_bye(&m, "work before settings");
    sim_end(&m);

    sim_begin_raw(&m);
    greet(&m, PROTOCOL_VERSION);
    executor_setup setup = { .slots = 1, .conf = RDD_STR("nonsense") };
    setup_encode(&m.raw.control, &setup);
    expect_bye(&m, "malformed settings came over the wire");
    sim_end(&m);

    sim_begin_raw(&m);
    buf_text(&m.raw.control, "GET / HTTP/1.1\r\nHost: nobody\r\nAccept: nothing\r\n\r\n");
    expect_bye(&m, "bytes that are no frame");
    sim_end(&m);
}

/* -- The driver's side -------------------------------------------------------------------------- */

/* A connection that has been greeted. */
static connection *greeted(const connection_options *options, const hello *h)
{
    connection *c;
    assert_int_equal(connection_new(&c, options, 1, NULL), 0);
    CLEANUP(channel_release) channel other;
    channel_init(&other, 0);
    hello_encode(&other.control, h);
    carry(&other, connection_channel(c), SIZE_MAX);
    connection_input(c, 1);
    return c;
}

static void another_program_is_refused(void **state)
{
    (void)state;
    static const struct {
        hello h;
        const char *text;
    } CASES[] = {
        { { .protocol = 2 }, "speaks version 2 of the protocol" },
        { { .protocol = 1, .nonce = 6, .digest = 7 }, "somebody else's greeting" },
        { { .protocol = 1, .nonce = 5, .digest = 8 }, "other operators than the driver" },
        { { .protocol = 1, .nonce = 5, .digest = 7, .build_id = "c" }, "another build" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        connection_options options = { .name = "executor 0", .setup.slots = 1, .nonce = 5,
                                       .digest = 7, .build_id = "b", .timeout_ns = NS_PER_S,
                                       .start_timeout_ns = NS_PER_S };
        connection *c = greeted(&options, &CASES[i].h);
        rdd_error err;
        assert_false(connection_came_up(c, NULL));
        assert_true(connection_failed(c, &err));
        expect_text(err.message, CASES[i].text);
        connection_free(c);
    }
}

static void clocks_are_compared(void **state)
{
    (void)state;
    enum { NOW_MS = 1000000000, MINUTE_MS = 60000 };
    static const struct {
        uint64_t ours, theirs;
        const char *text;
    } CASES[] = {
        { NOW_MS, NOW_MS + 50000, NULL },
        { NOW_MS, NOW_MS - 50000, NULL },
        { NOW_MS, 0, NULL },
        { 0, NOW_MS, NULL },
        { NOW_MS, NOW_MS + 90000, "n1: its clock is 90 seconds ahead of the driver's: certificates" },
        { NOW_MS, NOW_MS - 5 * MINUTE_MS, "n1: its clock is 5 minutes behind the driver's" },
        { NOW_MS, NOW_MS + 180 * MINUTE_MS, "n1: its clock is 3 hours ahead of the driver's" },
        { NOW_MS, 1, "n1: its clock is 12 days behind the driver's" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        char problem[256];
        connection_options options = { .name = "n1", .setup.slots = 1, .nonce = 5, .build_id = "",
                                       .timeout_ns = NS_PER_S, .start_timeout_ns = NS_PER_S,
                                       .wall_ms = CASES[i].ours };
        hello h = { .protocol = PROTOCOL_VERSION, .nonce = 5, .wall_ms = CASES[i].theirs };
        connection *c = greeted(&options, &h);
        assert_true(connection_came_up(c, NULL));
        assert_int_equal(connection_clock_problem(c, problem, sizeof problem), CASES[i].text != NULL);
        const char *lines = buf_terminate(connection_lines(c));
        assert_int_equal(strstr(lines, "rdd: n1: its clock") != NULL, CASES[i].text != NULL);
        if (CASES[i].text)
            assert_non_null(strstr(lines, CASES[i].text));
        connection_free(c);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_driver_that_makes_no_sense_ends_the_executor),
        cmocka_unit_test(another_program_is_refused),
        cmocka_unit_test(clocks_are_compared),
    };
    return TEST_MAIN(argc, argv, tests);
}
