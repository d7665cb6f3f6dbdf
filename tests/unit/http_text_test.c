/* http_text_test.c: the small texts of HTTP, the engine's timers, and rates, by a clock of the
 * test's own. */
#include "clock.h"
#include "http.h"
#include "http_text.h"
#include "http_timers.h"
#include "rate.h"

#include "test.h"

static rdd_str str_of(const char *text)
{
    return (rdd_str){ text ? strlen(text) : 0, text };
}

/* -- URLs -------------------------------------------------------------------------------------- */

static void origins(void **state)
{
    (void)state;
    static const struct {
        const char *url, *origin, *host;
    } cases[] = {
        { "http://a/", "http://a", "a" },
        { "HTTP://Example.ORG:8080", "http://example.org:8080", "example.org:8080" },
        { "https://u:p@h:1/x@y", "https://h:1", "h:1" },
        { "http://a@b@c/", "http://c", "c" },
        { "http://h?x@y", "http://h", "h" },
        { "http://h#x@y", "http://h", "h" },
        { "http://h\\@evil/", "http://h", "h" },
        { "http://[::1]:8/", "http://[::1]:8", "[::1]:8" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        http_origin origin;
        assert_null(http_url_problem(str_of(cases[i].url)));
        http_origin_of(str_of(cases[i].url), &origin);
        assert_string_equal(origin.text, cases[i].origin);
        assert_string_equal(origin.host, cases[i].host);
        assert_int_equal(origin.size, strlen(cases[i].origin));
    }
}

static void long_urls(void **state)
{
    (void)state;
    char url[HTTP_HOST_MAX + 10];
    memset(url, 'h', sizeof url);
    memcpy(url, "https://", 8);
    http_origin origin;
    rdd_str fits = { HTTP_HOST_MAX - 1, url };
    assert_null(http_url_problem(fits));
    http_origin_of(fits, &origin);
    assert_int_equal(strlen(origin.text), HTTP_HOST_MAX - 1);
    assert_string_equal(http_url_problem((rdd_str){ HTTP_HOST_MAX, url }),
                        "the URL's host is too long");
    assert_string_equal(http_url_problem((rdd_str){ HTTP_URL_MAX + 1, url }),
                        "the URL is longer than 1 MiB");
    assert_string_equal(http_url_problem((rdd_str){ 0, NULL }), "the URL is empty");
}

static void percent_encoding(void **state)
{
    (void)state;
    arena memory = { 0 };
    rdd_str plain = http_url_encode(RDD_STR("aZ09-._~"), &memory);
    assert_memory_equal(plain.data, "aZ09-._~", 8);
    rdd_str coded = http_url_encode(RDD_STR("a b/\xc3\xa4%\0?"), &memory);
    assert_int_equal(coded.size, 23);
    assert_memory_equal(coded.data, "a%20b%2F%C3%A4%25%00%3F", 23);
    assert_int_equal(http_url_encode((rdd_str){ 0 }, &memory).size, 0);
    arena_release(&memory);
}

static void methods(void **state)
{
    (void)state;
    char method[HTTP_METHOD_MAX + 1];
    assert_true(http_method_read((rdd_str){ 0 }, method));
    assert_string_equal(method, "GET");
    assert_true(http_method_read(RDD_STR("m-search"), method));
    assert_string_equal(method, "M-SEARCH");
    assert_false(http_method_read(RDD_STR("A B"), method));
    assert_false(http_method_read(RDD_STR("A\n"), method));
    assert_false(http_method_read((rdd_str){ 1, "\0" }, method));
    assert_false(http_method_read(RDD_STR("MMMMMMMMMMMMMMMMMMMMMMMMMMMMMMMM"), method));
    assert_true(http_method_repeatable("PUT"));
    assert_false(http_method_repeatable("POST"));
    assert_false(http_method_repeatable("PATCH"));
}

/* -- Retry-After ------------------------------------------------------------------------------- */

static void header_lines(void **state)
{
    (void)state;
    static const struct {
        const char *line, *value; /* NULL: another header */
    } cases[] = {
        { "Date: today\r\n", "today" }, { "dATE:today", "today" }, { "Date:  \t a b \t\r\n", "a b" },
        { "Date:", "" }, { "Date: \r\n", "" }, { "Date: 123456789", "123456789" },
        { "Date: 1234567890", "" }, { "Date", NULL }, { "Dat", NULL }, { "\r\n", NULL },
        { "Date : today", NULL }, { "Dates: today", NULL }, { " Date: today", NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char value[10] = "before";
        rdd_str line = str_of(cases[i].line);
        assert_int_equal(http_header_read(line, "Date", value, sizeof value), cases[i].value != NULL);
        assert_string_equal(value, cases[i].value ? cases[i].value : "before");
    }
}

static void dates(void **state)
{
    (void)state;
    static const char *const good[] = { "Sun, 06 Nov 1994 08:49:37 GMT",
                                        "Sunday, 06-Nov-94 08:49:37 GMT",
                                        "Sun Nov  6 08:49:37 1994" };
    static const char *const bad[] = { "", "tomorrow", "Sun, 06 Nov 1994 08:49:37 CET",
                                       "Sun, 06 Foo 1994 08:49:37 GMT",
                                       "Sun, 36 Nov 1994 08:49:37 GMT",
                                       "Sun, 06 Nov 1994 25:49:37 GMT",
                                       "Sun, 06 Nov 1994 08:49:37 GMT and more",
                                       "Sun Nov  6 08:49:37 1994 x", "120" };
    int64_t seconds;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_true(http_date_read(str_of(good[i]), &seconds));
        assert_int_equal(seconds, 784111777);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(http_date_read(str_of(bad[i]), &seconds));
    assert_true(http_date_read(RDD_STR("Tue, 24 Nov 2065 02:00:00 GMT"), &seconds));
    assert_true(seconds > INT64_C(1) << 31);
}

static int64_t retry_after(const char *value, const char *date)
{
    return http_retry_after_ms(str_of(value), str_of(date), 784111777, 60000);
}

static void retry_after_values(void **state)
{
    (void)state;
    assert_int_equal(retry_after("0", NULL), 0);
    assert_int_equal(retry_after("7", NULL), 7000);
    assert_int_equal(retry_after("1.5", NULL), 2000);
    assert_int_equal(retry_after("60", NULL), 60000);
    assert_int_equal(retry_after("61", NULL), 60000);
    assert_int_equal(retry_after("99999999999999999999999999", NULL), 60000);
    assert_int_equal(retry_after("-5", NULL), -1);
    assert_int_equal(retry_after("soon", NULL), -1);
    assert_int_equal(retry_after("5 s", NULL), -1);
    assert_int_equal(retry_after("", NULL), -1);
    assert_int_equal(retry_after(NULL, NULL), -1);

    /* Dates: past ones are now, and the server's own clock counts. */
    assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:47 GMT", NULL), 10000);
    assert_int_equal(retry_after("Sun, 06 Nov 1994 08:49:27 GMT", NULL), 0);
    assert_int_equal(retry_after("Sun, 06 Nov 2094 08:49:37 GMT", NULL), 60000);
    assert_int_equal(retry_after("Mon, 07 Nov 1994 00:00:05 GMT", "Mon, 07 Nov 1994 00:00:00 GMT"),
                     5000);
    assert_int_equal(http_retry_after_ms(RDD_STR("3"), (rdd_str){ 0 }, 0, 20), 20);
}

/* -- Rates ------------------------------------------------------------------------------------- */

static void rate_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t interval_ns;
    } good[] = {
        { "50/s", 20 * NS_PER_MS },   { "100/m", 600 * NS_PER_MS },     { "3/h", 1200 * NS_PER_S },
        { "2.5/s", 400 * NS_PER_MS }, { "0.5/s", 2 * NS_PER_S }, { "1000000/s", NS_PER_US },
    };
    static const char *const bad[] = {
        "", "50", "/s", "50/", "50/d", "50/ss", "0/s", "-1/s", " 5/s", "5 /s", "inf/s", "nan/s",
        "0x10/s", "1e3/s", "2000000000/s", "0.000000000000001/h", "1..2/s", ".",
    };
    rate_limit r;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        assert_int_equal(rate_limit_init(&r, good[i].text, NULL), 0);
        assert_int_equal(r.interval_ns, good[i].interval_ns);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        rdd_error err;
        assert_int_equal(rate_limit_init(&r, bad[i], &err), RDD_E_USAGE);
        assert_int_equal(strncmp(err.message, "rate \"", 6), 0);
    }
    rdd_error err;
    rate_limit_init(&r, "50", &err);
    assert_string_equal(err.message, "rate \"50\" has no unit: give a number above zero and its "
                                     "unit, as 50/s, 100/m or 9/h");
}

static void moments_of_a_rate(void **state)
{
    (void)state;
    rate_limit r;
    uint64_t now = 1000 * NS_PER_S;
    assert_int_equal(rate_limit_init(&r, "50/s", NULL), 0);
    for (int i = 0; i < 5; i++) /* a tenth of a second's worth at once */
        assert_int_equal(rate_limit_reserve(&r, now), now);
    for (uint64_t i = 1; i <= 100; i++)
        assert_int_equal(rate_limit_reserve(&r, now), now + i * 20 * NS_PER_MS);

    /* After a pause a burst again, and no more. */
    now += 3600 * NS_PER_S;
    for (int i = 0; i < 5; i++)
        assert_int_equal(rate_limit_reserve(&r, now), now);
    assert_int_equal(rate_limit_reserve(&r, now), now + 20 * NS_PER_MS);

    assert_int_equal(rate_limit_init(&r, "3/h", NULL), 0);
    assert_int_equal(rate_limit_reserve(&r, now), now);
    assert_int_equal(rate_limit_reserve(&r, now), now + 1200 * NS_PER_S);
    assert_int_equal(rate_limit_reserve(&r, now + 1201 * NS_PER_S), now + 2400 * NS_PER_S);
}

/* However the callers come, no second has more than the rate and a burst. */
static void no_window_has_more(void **state)
{
    (void)state;
    enum { COUNT = 2000, RATE = 100, BURST = 10 };
    rate_limit r;
    uint64_t moments[COUNT], now = NS_PER_S;
    assert_int_equal(rate_limit_init(&r, "100/s", NULL), 0);
    for (int i = 0; i < COUNT; i++) {
        now += test_random_below(20) * NS_PER_MS;
        moments[i] = rate_limit_reserve(&r, now);
        assert_true(moments[i] >= now);
        assert_true(i == 0 || moments[i] >= moments[i - 1]);
    }
    for (int i = 0; i + RATE + BURST < COUNT; i++)
        assert_true(moments[i + RATE + BURST] - moments[i] >= NS_PER_S);
}

/* -- Timers ------------------------------------------------------------------------------------ */

enum { TIMERS = 200 };

static uint64_t fired[TIMERS];
static size_t fired_count;

static void note(http_timer *t, uint64_t now_ns)
{
    (void)now_ns;
    assert_int_equal(t->place, 0);
    fired[fired_count++] = t->at_ns;
}

static void timers_fire_in_order(void **state)
{
    (void)state;
    http_timers ts = { 0 };
    http_timer timers[TIMERS];
    bool armed[TIMERS] = { false };
    size_t expected = 0;
    fired_count = 0;
    for (int i = 0; i < TIMERS; i++) {
        timers[i] = (http_timer){ .fire = note };
        assert_true(http_timers_reserve(&ts));
    }
    assert_int_equal(http_timers_next(&ts), CLOCK_NEVER);
    for (int i = 0; i < 2000; i++) {
        size_t k = test_random_below(TIMERS);
        if (test_random_below(3)) {
            http_timer_arm(&ts, &timers[k], test_random_below(1000));
            armed[k] = true;
        } else {
            http_timer_stop(&ts, &timers[k]);
            armed[k] = false;
        }
    }
    uint64_t least = CLOCK_NEVER;
    for (int i = 0; i < TIMERS; i++) {
        expected += armed[i] && timers[i].at_ns <= 500;
        if (armed[i])
            least = u64_min(least, timers[i].at_ns);
    }
    assert_int_equal(http_timers_next(&ts), least);
    http_timers_fire(&ts, 500);
    assert_int_equal(fired_count, expected);
    for (size_t i = 1; i < fired_count; i++)
        assert_true(fired[i - 1] <= fired[i]);
    assert_true(http_timers_next(&ts) > 500);
    http_timers_fire(&ts, 1000);
    http_timers_release(&ts);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(origins),
        cmocka_unit_test(long_urls),
        cmocka_unit_test(percent_encoding),
        cmocka_unit_test(methods),
        cmocka_unit_test(header_lines),
        cmocka_unit_test(dates),
        cmocka_unit_test(retry_after_values),
        cmocka_unit_test(rate_texts),
        cmocka_unit_test(moments_of_a_rate),
        cmocka_unit_test(no_window_has_more),
        cmocka_unit_test(timers_fire_in_order),
    };
    return TEST_MAIN(argc, argv, tests);
}
