/* number_test.c: numbers to and from text, against libc and in another locale. */
#include "number.h"

#include "test.h"

#include <locale.h>
#include <math.h>
#include <sys/stat.h>

static bool whole(const char *text, bool *negative, uint64_t *magnitude)
{
    return number_parse_whole(rdd_str_of(text), negative, magnitude);
}

static void whole_numbers_are_whole_however_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool negative;
        uint64_t magnitude;
    } good[] = {
        { "0", false, 0 },           { "-0", true, 0 },          { "12", false, 12 },
        { "+5", false, 5 },          { "1e3", false, 1000 },     { "2.0", false, 2 },
        { "2.50e1", false, 25 },     { "-1.5E+1", true, 15 },    { "100e-2", false, 1 },
        { "0e999999999999", false, 0 }, { "0.000e-5", false, 0 }, { "1.", false, 1 },
        { "18446744073709551615", false, UINT64_MAX },
        { "1844674407370955161.5e1", false, UINT64_MAX },
        { "9223372036854775808", false, (uint64_t)1 << 63 },
        { "1e19", false, 10000000000000000000u },
    };
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        bool negative;
        uint64_t magnitude;
        assert_true(whole(good[i].text, &negative, &magnitude));
        assert_int_equal(negative, good[i].negative);
        assert_int_equal(magnitude, good[i].magnitude);
    }
    static const char *const bad[] = {
        "", "-", "1.5", "1e-1", "x", "1x", " 1", "1 ", "0x10", "1e", "1e+", ".", "-.", "e5",
        "1e5.0",
        "inf", "nan", "18446744073709551616", "1e20", "1e1000000000000000000000",
        "1e-1000000000000000000000", "0.1e-99999999999",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        bool negative = true;
        uint64_t magnitude = 77;
        assert_false(whole(bad[i], &negative, &magnitude));
        assert_int_equal(magnitude, 77);
    }
}

static double parse(const char *text)
{
    double x = -77;
    assert_true(number_parse_double(rdd_str_of(text), &x));
    return x;
}

static void assert_same_double(double a, double b)
{
    assert_memory_equal(&a, &b, sizeof a);
}

static void doubles_are_read_as_libc_does(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0", "-0", "1", "0.1", "123456789012345678901234567890", "1e22", "1e23", "9007199254740993",
        "2.2250738585072011e-308", "5e-324", "4.9e-324", "2e-324", "1.7976931348623157e308", ".5",
        "5.",
        "-.5e1", "1e-400", "0.3", "179769313486231580793728971405301e276", "8.41", "1e+5", "1E-5",
        "9007199254740992e22", "9007199254740992e-22", "7.2057594037927933e16", "0e400", "000000.1",
    };
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        assert_same_double(parse(texts[i]), strtod(texts[i], NULL));
    for (int round = 0; round < 200000; round++) {
        char text[64];
        snprintf(text, sizeof text, "%s%llu.%llue%d", round % 2 ? "-" : "",
                 (unsigned long long)(test_random() >> test_random_below(64)),
                 (unsigned long long)(test_random() >> test_random_below(64)),
                 (int)test_random_below(60) - 30);
        assert_same_double(parse(text), strtod(text, NULL));
        float narrow, expected = strtof(text, NULL);
        assert_int_equal(number_parse_float(rdd_str_of(text), &narrow), !isinf(expected));
        assert_true(isinf(expected) || narrow == expected);
    }
}

static void long_numbers_are_read(void **state)
{
    (void)state;
    /* Exactly between two doubles, and a hair above. */
    static char text[5000];
    memset(text, '0', sizeof text);
    memcpy(text, "9007199254740993.", 17);
    text[sizeof text - 1] = 0;
    assert_same_double(parse(text), 9007199254740992.0);
    text[sizeof text - 2] = '1';
    assert_same_double(parse(text), 9007199254740994.0);
}

static void special_doubles_have_names(void **state)
{
    (void)state;
    assert_same_double(parse("inf"), HUGE_VAL);
    assert_same_double(parse("-Infinity"), -HUGE_VAL);
    assert_same_double(parse("+INF"), HUGE_VAL);
    assert_true(isnan(parse("NaN")));
    assert_true(isnan(parse("-nan")));
    static const char *const bad[] = { "",      "1e400", "-1e400", "in",  "infinit", "nan(1)",
                                       "0x1p3", "1e",    "1..2",   "1,5", " 1",      "1 ",
                                       "--1",   "+",     "1f",     "e1",  "." };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        double x = -77;
        assert_false(number_parse_double(rdd_str_of(bad[i]), &x));
        assert_true(x == -77);
    }
    float narrow;
    assert_false(number_parse_float(RDD_STR("1e39"), &narrow));
    assert_true(number_parse_float(RDD_STR("-inf"), &narrow) && narrow == -INFINITY);
}

static void assert_printed(double x, const char *expected)
{
    char text[NUMBER_TEXT_MAX];
    assert_int_equal(number_print_double(x, text), strlen(expected));
    assert_string_equal(text, expected);
}

static void doubles_print_short(void **state)
{
    (void)state;
    assert_printed(0, "0");
    assert_printed(-0.0, "-0");
    assert_printed(1, "1");
    assert_printed(-1.5, "-1.5");
    assert_printed(0.1, "0.1");
    assert_printed(0.1 + 0.2, "0.30000000000000004");
    assert_printed(1.0 / 3, "0.3333333333333333");
    assert_printed(100, "100");
    assert_printed(123456789.125, "123456789.125");
    assert_printed(999999999999999, "999999999999999");
    assert_printed(1e15, "1e+15");
    assert_printed(1e22, "1e+22");
    assert_printed(0.001, "0.001");
    assert_printed(1e-7, "1e-07");
    assert_printed(5e-324, "4.94065645841247e-324");
    assert_printed(1.7976931348623157e308, "1.7976931348623157e+308");
    assert_printed(NAN, "nan");
    assert_printed(-NAN, "nan");
    assert_printed(INFINITY, "inf");
    assert_printed(-INFINITY, "-inf");
    assert_printed(9007199254740993.0, "9007199254740992");
}

/* What a few digits less would print is not the same number. */
static void assert_round_trip(double x)
{
    char text[NUMBER_TEXT_MAX], libc[64];
    size_t size = number_print_double(x, text);
    assert_true(size < NUMBER_TEXT_MAX);
    assert_same_double(parse(text), x);
    int digits = 15;
    do
        snprintf(libc, sizeof libc, "%.*g", digits, x);
    while (strtod(libc, NULL) != x && ++digits <= 17);
    assert_string_equal(text, libc);
}

static void doubles_print_as_libc_would(void **state)
{
    (void)state;
    for (int round = 0; round < 100000; round++) {
        uint64_t bits = test_random();
        double x;
        memcpy(&x, &bits, sizeof x);
        if (isfinite(x))
            assert_round_trip(x);
        /* what people write: few digits, few decimals */
        int64_t whole_part = (int64_t)test_random() >> test_random_below(64);
        double unit = pow(10, (double)test_random_below(12));
        assert_round_trip((double)whole_part / unit);
        assert_round_trip((double)(whole_part >> 40) / unit);
    }
}

static void floats_print_short_and_read_back(void **state)
{
    (void)state;
    char text[NUMBER_TEXT_MAX];
    assert_int_equal(number_print_float(0.1f, text), 3);
    assert_string_equal(text, "0.1");
    number_print_float(16777216.0f, text);
    assert_string_equal(text, "16777216");
    number_print_float(-INFINITY, text);
    assert_string_equal(text, "-inf");
    for (int round = 0; round < 100000; round++) {
        uint32_t bits = (uint32_t)test_random();
        float x, again;
        memcpy(&x, &bits, sizeof x);
        if (!isfinite(x))
            continue;
        size_t size = number_print_float(x, text);
        assert_true(number_parse_float((rdd_str){ size, text }, &again));
        assert_memory_equal(&again, &x, sizeof x);
        assert_true(strtof(text, NULL) == x);
    }
}

static void integers_print(void **state)
{
    (void)state;
    char text[NUMBER_TEXT_MAX], libc[64];
    for (int round = 0; round < 10000; round++) {
        uint64_t x = test_random() >> test_random_below(64);
        snprintf(libc, sizeof libc, "%llu", (unsigned long long)x);
        assert_int_equal(number_print_u64(x, text), strlen(libc));
        assert_string_equal(text, libc);
        snprintf(libc, sizeof libc, "%lld", (long long)x);
        assert_int_equal(number_print_i64((int64_t)x, text), strlen(libc));
        assert_string_equal(text, libc);
    }
    number_print_i64(INT64_MIN, text);
    assert_string_equal(text, "-9223372036854775808");
    number_print_u64(0, text);
    assert_string_equal(text, "0");
}

#define ASSERT_FITS(T, text, value)                                       \
    do {                                                                  \
        T x_ = 0;                                                         \
        assert_true(number_parse(RDD_TYPE(T), RDD_STR(text), &x_));       \
        assert_true(x_ == (value));                                       \
        char out_[NUMBER_TEXT_MAX];                                       \
        assert_int_equal(number_print(RDD_TYPE(T), &x_, out_), sizeof(text) - 1); \
        assert_string_equal(out_, text);                                  \
    } while (0)
#define ASSERT_DOES_NOT_FIT(T, text)                                      \
    do {                                                                  \
        T x_ = 77;                                                        \
        assert_false(number_parse(RDD_TYPE(T), RDD_STR(text), &x_));      \
        assert_true(x_ == 77);                                            \
    } while (0)

static void each_type_has_its_range(void **state)
{
    (void)state;
    ASSERT_FITS(int8_t, "-128", INT8_MIN);
    ASSERT_FITS(int8_t, "127", INT8_MAX);
    ASSERT_DOES_NOT_FIT(int8_t, "128");
    ASSERT_DOES_NOT_FIT(int8_t, "-129");
    ASSERT_FITS(uint8_t, "255", 255);
    ASSERT_DOES_NOT_FIT(uint8_t, "256");
    ASSERT_DOES_NOT_FIT(uint8_t, "-1");
    ASSERT_FITS(int16_t, "-32768", INT16_MIN);
    ASSERT_DOES_NOT_FIT(int16_t, "32768");
    ASSERT_FITS(uint16_t, "65535", UINT16_MAX);
    ASSERT_DOES_NOT_FIT(uint16_t, "65536");
    ASSERT_FITS(int32_t, "-2147483648", INT32_MIN);
    ASSERT_DOES_NOT_FIT(int32_t, "2147483648");
    ASSERT_FITS(uint32_t, "4294967295", UINT32_MAX);
    ASSERT_DOES_NOT_FIT(uint32_t, "4294967296");
    ASSERT_FITS(int64_t, "-9223372036854775808", INT64_MIN);
    ASSERT_FITS(int64_t, "9223372036854775807", INT64_MAX);
    ASSERT_DOES_NOT_FIT(int64_t, "9223372036854775808");
    ASSERT_DOES_NOT_FIT(int64_t, "-9223372036854775809");
    ASSERT_FITS(uint64_t, "18446744073709551615", UINT64_MAX);
    ASSERT_DOES_NOT_FIT(uint64_t, "18446744073709551616");
    ASSERT_FITS(double, "0.1", 0.1);
    ASSERT_FITS(float, "0.1", 0.1f);
    uint64_t zero = 5;
    assert_true(number_parse(RDD_TYPE(uint64_t), RDD_STR("-0"), &zero));
    assert_true(zero == 0);
}

/* A locale of nothing but a decimal comma, as glibc's localedef compiles it, so that the test needs
 * none to be installed. */
static bool set_comma_locale(void)
{
    static const unsigned char compiled[] = {
        0x14, 0x11, 0x03, 0x20, 0x06, 0, 0, 0, 0x20, 0, 0, 0, 0x22, 0,   0,   0,   0x24, 0,
        0,    0,    0x28, 0,    0,    0, 0x2c, 0, 0, 0, 0x30, 0, 0, 0,   ',', 0,   '.', 0,
        0x03, 0,    0,    0,    ',',  0, 0,  0, '.', 0, 0,    0, 'C', 'O', 'M', 'M', 'A', 0,
    };
    if (mkdir(test_path("comma"), 0700) < 0)
        return false;
    test_file("comma/LC_NUMERIC", compiled, sizeof compiled);
    setenv("LOCPATH", test_dir(), 1);
    return setlocale(LC_NUMERIC, "comma") && *localeconv()->decimal_point == ',';
}

static void the_locale_does_not_matter(void **state)
{
    (void)state;
    if (!set_comma_locale())
        TEST_SKIP("needs glibc's form of a locale");
    assert_int_equal(strtod("0,5", NULL) * 2, 1);
    assert_printed(0.1, "0.1");
    assert_printed(1.0 / 3, "0.3333333333333333");
    assert_printed(1.0e-10, "1e-10");
    assert_printed(1.25e-10, "1.25e-10");
    assert_same_double(parse("0.1000000000000000055511151231257827"), 0.1);
    double x;
    assert_false(number_parse_double(RDD_STR("0,5"), &x));
    float narrow;
    assert_true(number_parse_float(RDD_STR("0.100000001490116119384765625"), &narrow));
    assert_true(narrow == 0.1f);
    setlocale(LC_NUMERIC, "C");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_are_whole_however_written),
        cmocka_unit_test(doubles_are_read_as_libc_does),
        cmocka_unit_test(long_numbers_are_read),
        cmocka_unit_test(special_doubles_have_names),
        cmocka_unit_test(doubles_print_short),
        cmocka_unit_test(doubles_print_as_libc_would),
        cmocka_unit_test(floats_print_short_and_read_back),
        cmocka_unit_test(integers_print),
        cmocka_unit_test(each_type_has_its_range),
        cmocka_unit_test(the_locale_does_not_matter),
    };
    return TEST_MAIN(argc, argv, tests);
}
