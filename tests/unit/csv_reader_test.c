/* csv_reader_test.c: csv_reader.h: the grammar by example, places, headers, limits and errors. That
 * it agrees with libcsv on anything is in csv_scan_test.c and in the fuzz target. */
#include "csv_reader.h"
#include "input_paths.h"
#include "unit/input_memory.h"

#include <zlib.h>

#include "test.h"

static arena memory;

/* ---- helpers -------------------------------------------------------------------------------- */

/* Appends records as text: cells in brackets, "[a][b]\n". */
static int print_records(input_provider *provider, const input_file *file, csv_range range,
                         const csv_options *options, buf *ret, rdd_error *err)
{
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    int code = csv_reader_open(provider, file, range, options, &r, err);
    const csv_record *records;
    ssize_t count = code;
    while (!code && (count = csv_reader_next(r, &records, err)) > 0)
        for (ssize_t i = 0; i < count; i++) {
            for (size_t c = 0; c < records[i].count; c++) {
                buf_char(ret, '[');
                buf_append(ret, records[i].cells[c].data, records[i].cells[c].size);
                buf_char(ret, ']');
            }
            buf_char(ret, '\n');
        }
    return (int)count;
}

/* What the bytes give under all ways to read them. */
static void assert_records_of(const char *data, size_t size, csv_options options,
                              const char *expected)
{
    for (int way = 0; way < 8; way++) {
        memory_provider p = memory_provider_over(data, size, (size_t)way & 3);
        options.lifetime_debug = way & 4;
        CLEANUP(buf_release) buf records = { 0 };
        rdd_error err = { 0 };
        int code = print_records(&p.base, &p.file, CSV_RANGE_ALL, &options, &records, &err);
        if (code)
            print_error("%s\n", err.message);
        assert_int_equal(code, 0);
        assert_string_equal(buf_terminate(&records), expected);
        assert_int_equal(p.open_count, 1);
        assert_int_equal(p.closed_count, 1);
    }
}

static void assert_records(const char *text, const char *expected)
{
    assert_records_of(text, strlen(text), (csv_options){ 0 }, expected);
}

/* That reading ends with an error, after `expected` records. */
static void assert_fails(const char *data, size_t size, csv_options options, rdd_code code,
                         const char *expected, const char *message)
{
    for (int way = 0; way < 8; way++) {
        memory_provider p = memory_provider_over(data, size, (size_t)way & 3);
        options.lifetime_debug = way & 4;
        CLEANUP(buf_release) buf records = { 0 };
        rdd_error err = { 0 };
        assert_int_equal(print_records(&p.base, &p.file, CSV_RANGE_ALL, &options, &records, &err),
                         code);
        assert_int_equal(err.code, code);
        assert_string_equal(buf_terminate(&records), expected);
        if (!strstr(err.message, message))
            print_error("%s\n", err.message);
        assert_non_null(strstr(err.message, message));
        assert_int_equal(p.open_count, p.closed_count);
    }
}

/* ---- the grammar ---------------------------------------------------------------------------- */

static void plain_records(void **state)
{
    (void)state;
    assert_records("", "");
    assert_records("a", "[a]\n");
    assert_records("a\n", "[a]\n");
    assert_records("a,b\nc,d\n", "[a][b]\n[c][d]\n");
    assert_records(",\n", "[][]\n");
    assert_records(",", "[][]\n");
    assert_records("a,", "[a][]\n");
    assert_records(" a , b\t\n", "[ a ][ b\t]\n");
    assert_records("a,b\nc\nd,e,f\n", "[a][b]\n[c]\n[d][e][f]\n");
}

static void line_ends_and_blank_lines(void **state)
{
    (void)state;
    assert_records("\n", "");
    assert_records("\r\n\r\n\n\r", "");
    assert_records("a,b\r\nc,d\r\n", "[a][b]\n[c][d]\n");
    assert_records("a\rb\r", "[a]\n[b]\n");
    assert_records("\n\na\n\n\nb", "[a]\n[b]\n");
    assert_records("a\r\n\r\nb", "[a]\n[b]\n");
    assert_records(" \na\n", "[ ]\n[a]\n"); /* a blank is data */
}

static void quoted_cells(void **state)
{
    (void)state;
    assert_records("\"a\"", "[a]\n");
    assert_records("\"a\",\"b\"\r\n\"\",c\n", "[a][b]\n[][c]\n");
    assert_records("\"\"\n", "[]\n");
    assert_records("\"a,b\",c\n", "[a,b][c]\n");
    assert_records("\"a\nb\r\nc\",d\ne\n", "[a\nb\r\nc][d]\n[e]\n");
    assert_records("\"say \"\"hi\"\"\",x\n", "[say \"hi\"][x]\n");
    assert_records("a,\"\"\"\"\n", "[a][\"]\n");
    assert_records("\"\"\"\"\"\",\"b\"\"\"\n", "[\"\"][b\"]\n");
}

static void stray_quotes_are_data(void **state)
{
    (void)state;
    assert_records("a\"b,5\" pipe\n", "[a\"b][5\" pipe]\n");
    assert_records("a,b\"\nc\n", "[a][b\"]\n[c]\n");
    assert_records(" \"a\",b\n", "[ \"a\"][b]\n");
    /* Behind a closing quote that is none, the cell goes on being quoted. */
    assert_records("\"a\"b,c\"\nd\n", "[a\"b,c]\n[d]\n");
    assert_records("\"a\" \"\nb\n", "[a\" ]\n[b]\n");
}

static void any_byte_is_data(void **state)
{
    (void)state;
    const char text[] = "\x80\xff,\"\0\",\0\n\0";
    assert_records_of("\x80\xff,\xc3(", 5, (csv_options){ 0 }, "[\x80\xff][\xc3(]\n");
    CLEANUP(buf_release) buf records = { 0 };
    memory_provider p = memory_provider_over(text, sizeof text - 1, 0);
    csv_options options = { .nul_allowed = true };
    assert_int_equal(print_records(&p.base, &p.file, CSV_RANGE_ALL, &options, &records, NULL), 0);
    assert_int_equal(records.size, 15);
    assert_memory_equal(records.data, "[\x80\xff][\0][\0]\n[\0]\n", 15);
}

static void other_dialects(void **state)
{
    (void)state;
    csv_options options = { .dialect = { ';', '\'' } };
    assert_records_of("a;'b;c';\"\n", 10, options, "[a][b;c][\"]\n");
    options.dialect = (csv_dialect){ '\t', 0 };
    assert_records_of("a\t\"b\tc\"\t,\n", 10, options, "[a][b\tc][,]\n");
    options.dialect = (csv_dialect){ ' ', 0 };
    assert_records_of("a  b", 4, options, "[a][][b]\n");
    static const csv_dialect bad[] = {
        { '"', 0 }, { 0, ',' }, { '\n', 0 }, { 0, '\r' }, { 'x', 'x' }
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        options.dialect = bad[i];
        memory_provider p = memory_provider_over("", 0, 0);
        csv_reader *r = NULL;
        rdd_error err = { 0 };
        assert_int_equal(csv_reader_open(&p.base, &p.file, CSV_RANGE_ALL, &options, &r, &err),
                         RDD_E_USAGE);
        assert_null(r);
        assert_int_equal(p.open_count, 0);
    }
}

static void byte_order_marks_are_skipped(void **state)
{
    (void)state;
    assert_records("\xef\xbb\xbf", "");
    assert_records("\xef\xbb\xbf"
                   "a,b\n",
                   "[a][b]\n");
    assert_records("\xef\xbb\xbf\"a\",b\n\xef\xbb\xbf"
                   "c\n",
                   "[a][b]\n[\xef\xbb\xbf"
                   "c]\n");
    assert_records("\xef\xbb", "[\xef\xbb]\n");
}

/* ---- places and headers --------------------------------------------------------------------- */

static void records_know_their_place(void **state)
{
    (void)state;
    const char text[] = "h1,h2\r\n\r\n\"a\nb\",\"\"\"\n\"\nc\n\nd";
    static const struct {
        uint64_t offset, line;
    } places[] = { { 0, 1 }, { 9, 3 }, { 21, 6 }, { 24, 8 } };
    memory_provider p = memory_provider_over(text, sizeof text - 1, 0);
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    const csv_record *records;
    rdd_error err = { 0 };
    assert_int_equal(csv_reader_open(&p.base, &p.file, CSV_RANGE_ALL, NULL, &r, NULL), 0);
    ssize_t count = 0;
    for (size_t seen = 0; seen < ARRAY_SIZE(places); seen += (size_t)count) {
        count = csv_reader_next(r, &records, NULL);
        assert_true(count > 0);
        for (size_t i = 0; i < (size_t)count; i++) {
            assert_true(records[i].offset == places[seen + i].offset);
            assert_true(records[i].line == places[seen + i].line);
        }
    }
    csv_reader_error(r, &records[count - 1], &err, RDD_E_INPUT, "%d columns expected", 2);
    assert_string_equal(err.message, "memory:8: 2 columns expected");
}

static void headers_are_left_out(void **state)
{
    (void)state;
    csv_options options = { .header = true };
    assert_records_of("a,b\n1,2\n", 8, options, "[1][2]\n");
    assert_records_of("a,b\n", 4, options, "");
    assert_records_of("\n\n\"a\nb\"\n1\n", 10, options, "[1]\n");
    assert_records_of("", 0, options, "");
    /* Only of the first range: this one is told that a record comes before. */
    memory_provider p = memory_provider_over("a\n1\n2\n", 6, 0);
    CLEANUP(buf_release) buf records = { 0 };
    csv_range range = { .offset = 4, .end = INPUT_END, .line = 3, .record = 2 };
    assert_int_equal(print_records(&p.base, &p.file, range, &options, &records, NULL), 0);
    assert_string_equal(buf_terminate(&records), "[2]\n");
}

static void assert_header(memory_provider *p, const csv_options *options, const char *names,
                          csv_range data)
{
    csv_header header;
    rdd_error err = { 0 };
    int code = csv_read_header(&p->base, &p->file, options, &memory, &header, &err);
    if (code)
        print_error("%s\n", err.message);
    assert_int_equal(code, 0);
    const char *joined = "";
    for (size_t i = 0; i < header.count; i++)
        joined = arena_format(&memory, "%s%s%.*s", joined, i ? "|" : "", (int)header.names[i].size,
                              header.names[i].data);
    assert_string_equal(joined, names);
    assert_true(header.data.offset == data.offset && header.data.end == data.end &&
                header.data.line == data.line && header.data.record == data.record);
}

static void headers_are_read_alone(void **state)
{
    (void)state;
    csv_options options = { .header = true };
    memory_provider p =
        memory_provider_over("\xef\xbb\xbf\n\"a \"\"x\"\"\",\"b\nc\"\n1,2\n", 24, 1);
    assert_header(&p, &options, "a \"x\"|b\nc", (csv_range){ 20, INPUT_END, 4, 1 });
    p = memory_provider_over("a,b\r\n1,2\r\n", 10, 0);
    assert_header(&p, &options, "a|b", (csv_range){ 4, INPUT_END, 1, 1 });
    CLEANUP(buf_release) buf records = { 0 };
    csv_range data = { 4, INPUT_END, 1, 1 };
    assert_int_equal(print_records(&p.base, &p.file, data, &options, &records, NULL), 0);
    assert_string_equal(buf_terminate(&records), "[1][2]\n");

    options.header = false; /* then it only tells how wide the file is */
    assert_header(&p, &options, "a|b", CSV_RANGE_ALL);
    p = memory_provider_over("\n", 1, 0);
    csv_header header = { .count = 7 };
    assert_int_equal(csv_read_header(&p.base, &p.file, NULL, &memory, &header, NULL), 0);
    assert_int_equal(header.count, 0);
}

static void compressed_files_have_headers(void **state)
{
    (void)state;
    const char *path = test_path("data.csv.gz");
    gzFile gz = gzopen(path, "wb");
    assert_non_null(gz);
    gzputs(gz, "a,b\n");
    for (int i = 0; i < 50000; i++)
        gzprintf(gz, "%d,\"x\"\"%d\"\n", i, i);
    assert_int_equal(gzclose(gz), Z_OK);
    input_file file;
    assert_int_equal(input_file_stat(path, NULL, &memory, &file, NULL), 0);
    csv_options options = { .header = true };
    csv_header header;
    input_provider *local = input_provider_local();
    assert_int_equal(csv_read_header(local, &file, &options, &memory, &header, NULL), 0);
    assert_int_equal(header.count, 2);
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    assert_int_equal(csv_reader_open(local, &file, header.data, &options, &r, NULL), 0);
    const csv_record *records;
    int at = 0;
    for (ssize_t count; (count = csv_reader_next(r, &records, NULL));)
        for (ssize_t i = 0; i < count; i++, at++) {
            char expected[64];
            int size = snprintf(expected, sizeof expected, "%d|x\"%d", at, at);
            size_t first = strcspn(expected, "|"), second = (size_t)size - first - 1;
            assert_int_equal(records[i].cells[0].size, first);
            assert_memory_equal(records[i].cells[0].data, expected, first);
            assert_int_equal(records[i].cells[1].size, second);
            assert_memory_equal(records[i].cells[1].data, expected + first + 1, second);
            assert_int_equal(records[i].line, at + 2);
        }
    assert_int_equal(at, 50000);
}

/* ---- errors and limits ---------------------------------------------------------------------- */

static void unclosed_quotes_are_errors(void **state)
{
    (void)state;
    csv_options options = { 0 };
    assert_fails("a\n\nb,\"c\nd\n", 10, options, RDD_E_INPUT, "[a]\n",
                 "memory:3: a quoted cell that begins here is not closed");
    assert_fails("\"a\"\"", 4, options, RDD_E_INPUT, "",
                 "memory:1: a quoted cell that begins here");
    assert_fails("\"a\"\n\"b\"x\n", 9, options, RDD_E_INPUT, "[a]\n", "memory:2: ");
}

static void nul_bytes_are_errors(void **state)
{
    (void)state;
    csv_options options = { 0 };
    assert_fails("a\nb\n\"c\n\0\",d\n", 12, options, RDD_E_INPUT, "[a]\n[b]\n",
                 "memory:4: a NUL byte (byte 7 of the file)");
    assert_fails("\xff\xfe"
                 "a\0,\0",
                 6, options, RDD_E_INPUT, "", "UTF-16");
    assert_fails("a\n\0", 3, options, RDD_E_INPUT, "[a]\n", "memory:2: a NUL byte (byte 2 ");
    /* Behind the range it is another reader's business. */
    memory_provider p = memory_provider_over("a\nb\n\0\n", 6, 0);
    CLEANUP(buf_release) buf records = { 0 };
    csv_range range = { .end = 4, .line = 1 };
    assert_int_equal(print_records(&p.base, &p.file, range, &options, &records, NULL), 0);
    assert_string_equal(buf_terminate(&records), "[a]\n[b]\n");
}

static void the_longest_record_is_allowed(void **state)
{
    (void)state;
    enum { MAX = 1000 };
    for (int quoted = 0; quoted < 3; quoted++) {
        for (size_t longer = 0; longer < 3; longer++) {
            char text[2 * MAX];
            int digits = (int)(MAX + longer) - (quoted ? 2 : 0);
            int size = snprintf(text, sizeof text,
                                quoted ? "s\nx,y\"\n\"%0*d\"\nz" : "s\nx,y\n%0*d\nz", digits, 7);
            if (quoted == 2)
                text[20] = text[21] = '"';
            csv_options options = { .record_max = MAX, .limit_name = "task.memory" };
            if (longer) {
                assert_fails(text, (size_t)size, options, RDD_E_LIMIT,
                             quoted ? "[s]\n[x][y\"]\n" : "[s]\n[x][y]\n",
                             "memory:3: a record is longer than 1000 bytes; raise task.memory");
                continue;
            }
            memory_provider p = memory_provider_over(text, (size_t)size, 1);
            CLEANUP(buf_release) buf records = { 0 };
            assert_int_equal(
                print_records(&p.base, &p.file, CSV_RANGE_ALL, &options, &records, NULL), 0);
        }
    }
}

static void an_unclosed_quote_meets_the_limit(void **state)
{
    (void)state;
    char text[5000];
    memset(text, '\n', sizeof text);
    memcpy(text, "a,\"b", 4);
    csv_options options = { .record_max = 1000 };
    assert_fails(text, sizeof text, options, RDD_E_LIMIT, "",
                 "memory:1: a record is longer than 1000 bytes (an unclosed quote in line 1?)");
}

static void too_many_cells_are_an_error(void **state)
{
    (void)state;
    CLEANUP(freep) char *commas = malloc(KIB(64));
    memset(commas, ',', KIB(64));
    csv_options options = { .cells_max = 4 };
    assert_fails("a,b,c,d\n1,2,3,4,5\n", 18, options, RDD_E_LIMIT, "[a][b][c][d]\n",
                 "memory:2: a record has more than 4 cells");
    assert_fails(commas, KIB(64), options, RDD_E_LIMIT, "",
                 "memory:1: a record has more than 4 cells");
    options.cells_max = 0;
    memory_provider p = memory_provider_over(commas, KIB(64), 0);
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    const csv_record *records;
    assert_int_equal(csv_reader_open(&p.base, &p.file, CSV_RANGE_ALL, &options, &r, NULL), 0);
    assert_int_equal(csv_reader_next(r, &records, NULL), 1);
    assert_int_equal(records[0].count, KIB(64) + 1);
}

/* A cell of several windows, with doubled quotes all over. */
static void giant_cells(void **state)
{
    (void)state;
    const size_t size = MIB(3);
    CLEANUP(buf_release) buf text = { 0 };
    buf_text(&text, "a,\"");
    for (size_t i = 0; i < size; i++)
        buf_text(&text, i % 100 ? "x" : "\"\"");
    buf_text(&text, "\"\nb,c\n");
    memory_provider p = memory_provider_over(text.data, text.size, 0);
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    const csv_record *records;
    assert_int_equal(csv_reader_open(&p.base, &p.file, CSV_RANGE_ALL, NULL, &r, NULL), 0);
    assert_int_equal(csv_reader_next(r, &records, NULL), 2);
    assert_int_equal(records[0].count, 2);
    rdd_str cell = records[0].cells[1];
    assert_int_equal(cell.size, size);
    for (size_t i = 0; i < size; i++)
        assert_true(cell.data[i] == (i % 100 ? 'x' : '"'));
    assert_memory_equal(records[1].cells[1].data, "c", 1);

    csv_options options = { .record_max = MIB(2) };
    CLEANUP(csv_reader_freep) csv_reader *limited = NULL;
    rdd_error err = { 0 };
    assert_int_equal(csv_reader_open(&p.base, &p.file, CSV_RANGE_ALL, &options, &limited, NULL), 0);
    assert_int_equal(csv_reader_next(limited, &records, &err), RDD_E_LIMIT);
    assert_non_null(strstr(err.message, "memory:1: a record is longer than 2097152 bytes"));
}

static void a_failing_input_fails_the_reader(void **state)
{
    (void)state;
    memory_provider p = memory_provider_over("a,b\nc,d\n", 8, 0);
    p.fail_at = 6;
    CLEANUP(buf_release) buf records = { 0 };
    rdd_error err = { 0 };
    assert_int_equal(print_records(&p.base, &p.file, CSV_RANGE_ALL, NULL, &records, &err),
                     RDD_E_LOST);
    assert_int_equal(err.code, RDD_E_LOST);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_records),
        cmocka_unit_test(line_ends_and_blank_lines),
        cmocka_unit_test(quoted_cells),
        cmocka_unit_test(stray_quotes_are_data),
        cmocka_unit_test(any_byte_is_data),
        cmocka_unit_test(other_dialects),
        cmocka_unit_test(byte_order_marks_are_skipped),
        cmocka_unit_test(records_know_their_place),
        cmocka_unit_test(headers_are_left_out),
        cmocka_unit_test(headers_are_read_alone),
        cmocka_unit_test(compressed_files_have_headers),
        cmocka_unit_test(unclosed_quotes_are_errors),
        cmocka_unit_test(nul_bytes_are_errors),
        cmocka_unit_test(the_longest_record_is_allowed),
        cmocka_unit_test(an_unclosed_quote_meets_the_limit),
        cmocka_unit_test(too_many_cells_are_an_error),
        cmocka_unit_test(giant_cells),
        cmocka_unit_test(a_failing_input_fails_the_reader),
    };
    int failed = TEST_MAIN(argc, argv, tests);
    arena_release(&memory);
    return failed;
}
