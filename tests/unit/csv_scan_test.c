/* csv_scan_test.c: ranges of a CSV file against the whole of it, and both against libcsv. */
#include "unit/csv_check.h"

#include "test.h"

enum { SPLITS_MAX = 8 };

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Random bytes, most of which mean something to the grammar. `plain` of 16 are plain letters. */
static char *random_csv(size_t size, csv_dialect dialect, unsigned plain)
{
    char *data = malloc(size + 1);
    assert_non_null(data);
    const char special[] = {
        dialect.quote, dialect.quote, dialect.delimiter, '\r', '\n', '\n', ' ', 0
    };
    for (size_t i = 0; i < size; i++) {
        uint64_t random = test_random();
        data[i] = random % 16 < plain ? (char)('a' + random / 16 % 26) : special[random / 16 % 8];
    }
    return data;
}

static void check_random(size_t size, unsigned plain, bool lifetime_debug)
{
    static const csv_dialect dialects[] = {
        { ',', '"' }, { ',', '"' }, { '\t', '\'' }, { ' ', '|' }
    };
    csv_options options = { .dialect = dialects[test_random_below(4)],
                            .lifetime_debug = lifetime_debug };
    CLEANUP(freep) char *data = random_csv(size, options.dialect, plain);
    if (size >= 3 && !test_random_below(8))
        memcpy(data, "\xef\xbb\xbf", 3);
    uint64_t points[SPLITS_MAX];
    size_t count = test_random_below(SPLITS_MAX + 1);
    for (size_t i = 0; i < count; i++)
        points[i] = test_random_below(size + 1);
    qsort(points, count, sizeof *points, ascending);
    size_t chunk_size = test_random_below(2) ? 0 : 1 + test_random_below(100);
    const char *complaint = csv_check(data, size, options, chunk_size, points, count);
    if (complaint)
        print_error("%zu bytes, %u plain: %s\n", size, plain, complaint);
    assert_null(complaint);
}

static void small_files_agree_with_libcsv(void **state)
{
    (void)state;
    for (int round = 0; round < 8000; round++)
        check_random(test_random_below(round % 2 ? 12 : 200), (unsigned)test_random_below(14),
                     round % 8 == 0);
}

/* Beyond the sizes of index chunks and windows. Few quotes, or one opens at once and never closes.
 */
static void large_files_agree_with_libcsv(void **state)
{
    (void)state;
    for (int round = 0; round < 40; round++)
        check_random(test_random_below(round % 10 ? 40000 : 900000), round % 2 ? 10 : 15,
                     round % 20 == 7);
}

/* As people's files are: all quoted, some quoted, doubled quotes, long cells. */
static void usual_files_agree_with_libcsv(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        CLEANUP(buf_release) buf text = { 0 };
        while (text.size < 600000) {
            for (int column = 0; column < 5; column++) {
                if (column)
                    buf_char(&text, ',');
                size_t number = test_random_below(100000);
                switch (kind ? test_random_below((size_t)kind) : 0) {
                case 0: buf_format(&text, "%zu", number); break;
                case 1: buf_format(&text, "\"%zu\"", number); break;
                case 2: buf_format(&text, "\"a\"\"%zu\"\" line\nand another\"", number); break;
                default: buf_format(&text, "\"%0*zu\"", (int)(number % 3000), number); break;
                }
            }
            buf_text(&text, kind % 2 ? "\r\n" : "\n");
        }
        uint64_t points[SPLITS_MAX];
        for (size_t i = 0; i < SPLITS_MAX; i++)
            points[i] = test_random_below(text.size);
        qsort(points, SPLITS_MAX, sizeof *points, ascending);
        assert_null(csv_check(text.data, text.size, (csv_options){ 0 }, 0, points, SPLITS_MAX));
    }
}

/* Whatever the state at the start: a scan in pieces of any size, and the summaries of parts
 * composed, say the same as one scan. */
static void summaries_compose(void **state)
{
    (void)state;
    csv_dialect dialect = { ',', '"' };
    for (int round = 0; round < 5000; round++) {
        size_t size = test_random_below(300), cut = test_random_below(size + 1);
        CLEANUP(freep) char *data = random_csv(size, dialect, (unsigned)test_random_below(14));
        csv_scanner whole, first, second;
        csv_scanner_init(&whole, dialect, 1000);
        csv_scanner_feed(&whole, data, size);
        csv_scanner_init(&first, dialect, 1000);
        for (size_t at = 0; at < cut;) {
            size_t piece = size_min(1 + test_random_below(80), cut - at);
            csv_scanner_feed(&first, data + at, piece);
            at += piece;
        }
        csv_scanner_init(&second, dialect, 1000 + cut);
        csv_scanner_feed(&second, data + cut, size - cut);
        csv_summary expected, a, b;
        csv_scanner_finish(&whole, &expected);
        csv_scanner_finish(&first, &a);
        csv_scanner_finish(&second, &b);
        csv_summary_append(&a, &b);
        CLEANUP(buf_release) buf one = { 0 }, other = { 0 };
        csv_summary_encode(&one, &expected);
        csv_summary_encode(&other, &a);
        assert_int_equal(one.size, other.size);
        assert_memory_equal(one.data, other.data, one.size);
    }
}

static void a_split_needs_the_state_before_it(void **state)
{
    (void)state;
    /* The same bytes are records, or one cell's text, as what comes before says. */
    csv_scanner s;
    csv_summary summary;
    csv_scanner_init(&s, (csv_dialect){ ',', '"' }, 10);
    csv_scanner_feed(&s, "b\n\"c\nd\n", 7);
    csv_scanner_finish(&s, &summary);
    assert_true(summary.offset == 10 && summary.end == 17 && summary.newline_count == 3);
    const csv_outcome *outside = &summary.from[CSV_IN_CELL], *inside = &summary.from[CSV_IN_QUOTES];
    assert_true(outside->first_record == 12 && outside->first_record_line == 1);
    assert_true(outside->record_count == 1 && outside->end == CSV_IN_QUOTES);
    assert_true(inside->first_record == CSV_NO_RECORD && inside->record_count == 0);
    assert_int_equal(inside->end,
                     CSV_IN_QUOTES); /* the quote is followed by a letter, so is data */
    const csv_outcome *fresh = &summary.from[CSV_AT_RECORD];
    assert_true(fresh->first_record == 10 && fresh->first_record_line == 0 &&
                fresh->record_count == 2);
}

static void summaries_cross_the_wire(void **state)
{
    (void)state;
    csv_dialect dialect = { ',', '"' };
    CLEANUP(freep) char *data = random_csv(500, dialect, 5);
    csv_scanner s;
    csv_summary summary, back;
    csv_scanner_init(&s, dialect, 99);
    csv_scanner_feed(&s, data, 500);
    csv_scanner_finish(&s, &summary);
    CLEANUP(buf_release) buf b = { 0 }, again = { 0 };
    csv_summary_encode(&b, &summary);
    reader r = reader_over(b.data, b.size);
    assert_int_equal(csv_summary_decode(&r, &back, NULL), 0);
    assert_int_equal(reader_left(&r), 0);
    csv_summary_encode(&again, &back);
    assert_int_equal(again.size, b.size);
    assert_memory_equal(again.data, b.data, b.size);

    rdd_error err = { 0 };
    for (size_t size = 0; size < b.size; size++) {
        r = reader_over(b.data, size);
        assert_int_equal(csv_summary_decode(&r, &back, &err), RDD_E_PROTOCOL);
    }
    csv_summary bad[5] = { summary, summary, summary, summary, summary };
    bad[0].offset = bad[0].end + 1;
    bad[1].newline_count = 501;
    bad[2].from[1].end = CSV_STATES;
    bad[3].from[2].first_record = 599;
    bad[4].from[3].record_count = 501;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        buf_clear(&b);
        csv_summary_encode(&b, &bad[i]);
        r = reader_over(b.data, b.size);
        assert_int_equal(csv_summary_decode(&r, &back, &err), RDD_E_PROTOCOL);
    }
}

/* A header belongs to the range in which it starts, wherever that is. */
static void headers_of_split_files(void **state)
{
    (void)state;
    const char text[] = "\n\n\n\nname\n1\n2\n3\n";
    memory_provider p = memory_provider_over(text, sizeof text - 1, 0);
    csv_options options = { .header = true };
    csv_summary summaries[3];
    csv_range ranges[3];
    static const uint64_t points[] = { 0, 2, 11, INPUT_END };
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(csv_scan(&p.base, &p.file, points[i], points[i + 1], (csv_dialect){ 0 },
                                  &summaries[i], NULL),
                         0);
    csv_ranges_resolve(CSV_RANGE_ALL, summaries, 3, ranges);
    size_t counts[3] = { 0 };
    for (size_t i = 0; i < 3; i++) {
        CLEANUP(csv_reader_freep) csv_reader *r = NULL;
        assert_int_equal(csv_reader_open(&p.base, &p.file, ranges[i], &options, &r, NULL), 0);
        const csv_record *records;
        for (ssize_t count; (count = csv_reader_next(r, &records, NULL)) > 0;)
            counts[i] += (size_t)count;
    }
    assert_int_equal(counts[0], 0);
    assert_int_equal(counts[1], 1);
    assert_int_equal(counts[2], 2);
    assert_true(ranges[2].line == 7 && ranges[2].record == 2);
}

static void scans_of_failing_inputs_fail(void **state)
{
    (void)state;
    memory_provider p = memory_provider_over("a,b\nc,d\n", 8, 0);
    csv_summary summary;
    rdd_error err = { 0 };
    p.fail_at = 6;
    assert_int_equal(csv_scan(&p.base, &p.file, 0, INPUT_END, (csv_dialect){ 0 }, &summary, &err),
                     RDD_E_LOST);
    assert_int_equal(p.open_count, p.closed_count);
    assert_int_equal(
        csv_scan(&p.base, &p.file, 0, INPUT_END, (csv_dialect){ ',', ',' }, &summary, &err),
        RDD_E_USAGE);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_files_agree_with_libcsv),
        cmocka_unit_test(large_files_agree_with_libcsv),
        cmocka_unit_test(usual_files_agree_with_libcsv),
        cmocka_unit_test(summaries_compose),
        cmocka_unit_test(a_split_needs_the_state_before_it),
        cmocka_unit_test(summaries_cross_the_wire),
        cmocka_unit_test(headers_of_split_files),
        cmocka_unit_test(scans_of_failing_inputs_fail),
    };
    return TEST_MAIN(argc, argv, tests);
}
