/* conf_test.c: settings: units, what is refused and how, and the way to an executor. */
#include "conf.h"

#include "test.h"

/* ---- units ---------------------------------------------------------------------------------- */

static void sizes(void **state)
{
    static const struct {
        const char *text;
        int64_t bytes; /* -1: refused */
    } CASES[] = {
        { "0", 0 },           { "1", 1 },          { "65536", 65536 },     { "10b", 10 },
        { "1k", 1024 },       { "1K", 1024 },      { "1KiB", 1024 },       { "1kb", 1000 },
        { "2m", 2 << 20 },    { "2MiB", 2 << 20 }, { "2MB", 2000000 },     { "3g", 3LL << 30 },
        { "3GiB", 3LL << 30 }, { "3gb", 3000000000 }, { "1t", 1LL << 40 }, { "1TiB", 1LL << 40 },
        { "1tb", 1000000000000 }, { "9223372036854775807", INT64_MAX },
        { "", -1 },           { "k", -1 },         { "-1", -1 },           { "+1", -1 },
        { " 1", -1 },         { "1 k", -1 },       { "1.5g", -1 },         { "1x", -1 },
        { "1kk", -1 },        { "0x10", -1 },      { "9223372036854775808", -1 },
        { "9223372036854775807k", -1 },            { "8388608t", -1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        int64_t got = -1;
        bool ok = conf_parse_size(CASES[i].text, &got);
        if (ok != (CASES[i].bytes >= 0) || (ok && got != CASES[i].bytes))
            fail_msg("'%s': %d, %lld", CASES[i].text, ok, (long long)got);
    }
}

static void durations(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
    } CASES[] = {
        { "0ms", 0 },   { "500ms", 500 }, { "10s", 10000 },  { "2m", 120000 }, { "2min", 120000 },
        { "1h", 3600000 }, { "1S", 1000 }, { "10", -1 },     { "", -1 },       { "s", -1 },
        { "-1s", -1 },  { "1.5s", -1 },   { "1d", -1 },      { "9223372036854775807s", -1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        int64_t got = -1;
        bool ok = conf_parse_duration(CASES[i].text, &got);
        if (ok != (CASES[i].ms >= 0) || (ok && got != CASES[i].ms))
            fail_msg("'%s': %d, %lld", CASES[i].text, ok, (long long)got);
    }
}

static void rates(void **state)
{
    static const struct {
        const char *text;
        double per_second;
    } CASES[] = {
        { "50/s", 50 },  { "120/m", 2 },  { "1800/h", 0.5 }, { "0.5/s", 0.5 },  { "50", -1 },
        { "/s", -1 },    { "0/s", -1 },   { "-1/s", -1 },    { "50/", -1 },     { "50/d", -1 },
        { "50/ss", -1 }, { "5 0/s", -1 }, { "nan/s", -1 },   { "inf/s", -1 },   { "1e3/s", -1 },
        { "1..2/s", -1 }, { "", -1 },     { "99999999999999/s", -1 }, { "1/s/s", -1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        double got = -1;
        bool ok = conf_parse_rate(CASES[i].text, &got);
        if (ok != (CASES[i].per_second >= 0) || (ok && got != CASES[i].per_second))
            fail_msg("'%s': %d, %g", CASES[i].text, ok, got);
        assert_int_equal(conf_parse_rate(CASES[i].text, NULL), ok);
    }
}

static void budgets(void **state)
{
    static const struct {
        const char *text;
        double value;
        bool percent;
    } CASES[] = {
        { "0", 0, false },    { "10", 10, false },  { "5%", 5, true },    { "0.5%", 0.5, true },
        { "100%", 100, true }, { "0%", 0, true },   { "101%", -1, true }, { "1.5", -1, false },
        { "-1", -1, false },  { "%", -1, true },    { "", -1, false },    { "5%%", -1, true },
        { "5 %", -1, true },  { "ten", -1, false }, { "1e3", -1, false },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        double got = -1;
        bool percent = false;
        bool ok = conf_parse_budget(CASES[i].text, &got, &percent);
        if (ok != (CASES[i].value >= 0) ||
            (ok && (got != CASES[i].value || percent != CASES[i].percent)))
            fail_msg("'%s': %d, %g, %d", CASES[i].text, ok, got, percent);
    }
}

/* ---- the table ------------------------------------------------------------------------------ */

/* Every default is one that conf_set() would take, and every key says what it is for. */
static void defaults(void **state)
{
    (void)state;
    size_t count;
    const conf_key *keys = conf_table(&count);
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        rdd_error err;
        assert_true(strlen(keys[i].meaning) > 5);
        assert_int_equal(keys[i].kind == CONF_CHOICE, keys[i].choices != NULL);
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(keys[i].name, keys[k].name);
        if (keys[i].kind == CONF_TEXT || keys[i].kind == CONF_CHOICE || keys[i].kind == CONF_RATE ||
            keys[i].kind == CONF_BUDGET) {
            assert_string_equal(conf_text(keys[i].name), keys[i].initial);
            continue;
        }
        int64_t before = conf_int(keys[i].name);
        if (conf_set(keys[i].name, keys[i].initial, &err) < 0)
            fail_msg("%s", err.message);
        assert_int_equal(conf_int(keys[i].name), before);
    }
}

static void values(void **state)
{
    (void)state;
    assert_int_equal(conf_set_pair("task.attempts_max=7", NULL), 0);
    assert_int_equal(conf_int("task.attempts_max"), 7);
    assert_int_equal(conf_set_pair("task.budget=1MiB", NULL), 0);
    assert_int_equal(conf_int("task.budget"), 1 << 20);
    assert_int_equal(conf_set_pair("http.timeout=250ms", NULL), 0);
    assert_int_equal(conf_int("http.timeout"), 250);
    assert_int_equal(conf_set_pair("csv.ragged=skip", NULL), 0);
    assert_string_equal(conf_text("csv.ragged"), "skip");
    assert_int_equal(conf_set_pair("http.rate=9/h", NULL), 0);
    assert_string_equal(conf_text("http.rate"), "9/h");
    assert_int_equal(conf_set_pair("http.rate=", NULL), 0); /* none again */
    assert_string_equal(conf_text("http.rate"), "");
    static const char *const YES[] = { "true", "1", "yes" }, *const NO[] = { "false", "0", "no" };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(conf_set("debug.lifetime", YES[i], NULL), 0);
        assert_true(conf_bool("debug.lifetime"));
        assert_int_equal(conf_set("debug.lifetime", NO[i], NULL), 0);
        assert_false(conf_bool("debug.lifetime"));
    }
}

static void refused_with(const char *pair, const char *words)
{
    rdd_error err = { .code = RDD_OK };
    int code = conf_set_pair(pair, &err);
    if (code != RDD_E_USAGE || err.code != RDD_E_USAGE || !strstr(err.message, words))
        fail_msg("%s: %d, %s", pair, code, err.message);
}

static void refused(void **state)
{
    (void)state;
    int64_t before = conf_int("task.attempts_max");
    refused_with("task.attempts_max", "give it as key=value");
    refused_with("=3", "give it as key=value");
    refused_with("", "give it as key=value");
    refused_with("task.attempts_max=", "a whole number of at least 1");
    refused_with("task.attempts_max=0", "a whole number of at least 1");
    refused_with("task.attempts_max=3x", "a whole number of at least 1");
    refused_with("task.attempts_max=99999999999999999999", "a whole number of at least 1");
    refused_with("task.budget=1", "at least 65536 bytes");
    refused_with("task.budget=lots", "a size such as");
    refused_with("http.timeout=30", "a time with its unit");
    refused_with("http.rate=50", "a rate of more than 0 with its unit");
    refused_with("http.rate=0/s", "a rate of more than 0 with its unit");
    refused_with("http.max_errors=101%", "a count such as 10, or a percentage");
    refused_with("csv.ragged=", "one of fail|pad|skip");
    refused_with("csv.ragged=pa", "one of fail|pad|skip");
    refused_with("csv.ragged=fail|pad", "one of fail|pad|skip");
    refused_with("debug.lifetime=maybe", "true or false");
    assert_int_equal(conf_int("task.attempts_max"), before);
}

static void unknown_keys(void **state)
{
    (void)state;
    refused_with("task.atempts_max=3", "did you mean task.attempts_max?");
    refused_with("csv.raged=pad", "did you mean csv.ragged?");
    refused_with("Task.budget=1g", "did you mean task.budget?");
    refused_with("task.atempst_max=3", "did you mean task.attempts_max?");
    refused_with("task.atempts=3", "did you mean task.attempts_max?"); /* only how it begins */
    refused_with("locality=3s", "did you mean locality.wait?");
    rdd_error err;
    assert_int_equal(conf_set("nothing.of.the.kind", "1", &err), RDD_E_USAGE);
    assert_null(strstr(err.message, "did you mean"));
    char longer[3000];
    memset(longer, 'k', sizeof longer);
    memcpy(longer + sizeof longer - 3, "=1", 3);
    refused_with(longer, "--conf kkkk");
}

/* ---- over the wire -------------------------------------------------------------------------- */

static void there_and_back(void **state)
{
    (void)state;
    assert_int_equal(conf_set_pair("task.attempts_max=9", NULL), 0);
    assert_int_equal(conf_set_pair("csv.ragged=pad", NULL), 0);
    buf bytes = { 0 };
    rdd_error err;
    conf_encode(&bytes);
    assert_false(bytes.failed);
    conf_set_pair("task.attempts_max=2", NULL);
    conf_set_pair("csv.ragged=fail", NULL);
    reader r = reader_over(bytes.data, bytes.size);
    assert_int_equal(conf_decode(&r, &err), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_int_equal(conf_int("task.attempts_max"), 9);
    assert_string_equal(conf_text("csv.ragged"), "pad");
    for (size_t size = 0; size < bytes.size; size++) {
        r = reader_over(bytes.data, size);
        assert_int_equal(conf_decode(&r, &err), RDD_E_PROTOCOL);
    }
    buf_release(&bytes);
}

static void malformed(void **state)
{
    (void)state;
    for (int round = 0; round < 20000; round++) {
        char bytes[64];
        size_t size = test_random_below(sizeof bytes);
        for (size_t i = 0; i < size; i++)
            bytes[i] = test_random_below(3) ? 0 : (char)test_random();
        reader r = reader_over(bytes, size);
        conf_decode(&r, NULL);
    }
    buf b = { 0 };
    rdd_error err;
    buf_u32(&b, 1);
    buf_sized(&b, "no.such.key", 11);
    buf_sized(&b, "1", 1);
    reader r = reader_over(b.data, b.size);
    assert_int_equal(conf_decode(&r, &err), RDD_E_USAGE);
    buf_release(&b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),        cmocka_unit_test(durations),
        cmocka_unit_test(rates),        cmocka_unit_test(budgets),
        cmocka_unit_test(defaults),     cmocka_unit_test(values),
        cmocka_unit_test(refused),      cmocka_unit_test(unknown_keys),
        cmocka_unit_test(there_and_back), cmocka_unit_test(malformed),
    };
    return TEST_MAIN(argc, argv, tests);
}
