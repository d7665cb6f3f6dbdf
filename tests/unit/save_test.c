/* save_test.c: what is saved: text, JSON lines, CSV of structs and of rows, from the sink to the
 * file. */
#include "conf.h"
#include "save_bench.h"

#include <sys/stat.h>

#include "test.h"

/* -- Text and JSON lines ----------------------------------------------------------------------- */

static void text_is_joined_in_partition_order(void **state)
{
    (void)state;
    const char *dir = fresh_dir(), *path = in(dir, "out.txt");
    SAVE(ACTION_SAVE_TEXT, rdd_str, path, TEXT_PARTS, 3, .name = "save");
    assert_file(path, TEXT_WANTED);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "one.txt"), TEXT_PARTS, 1, .name = "save");
    assert_file(in(dir, "one.txt"), "one\n\n\n");
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "none.txt"), TEXT_PARTS, 0, .name = "save");
    assert_file(in(dir, "none.txt"), "");
    assert_string_equal(names_in(dir), "none.txt one.txt out.txt ");
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    mode_t mask = umask(0);
    umask(mask);
    assert_int_equal(st.st_mode & 0777, 0666 & ~mask);
}

static void text_is_compressed_by_name(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    for (size_t count = 0; count <= 3; count += 3) {
        const char *wanted = count ? TEXT_WANTED : "";
        SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "out.gz"), TEXT_PARTS, count, .overwrite = true);
        SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "out.zst"), TEXT_PARTS, count, .overwrite = true);
        CLEANUP(buf_release) buf gz = content_of(in(dir, "out.gz"), INPUT_GZIP);
        CLEANUP(buf_release) buf zst = content_of(in(dir, "out.zst"), INPUT_ZSTD);
        assert_string_equal(buf_terminate(&gz), wanted);
        assert_string_equal(buf_terminate(&zst), wanted);
    }
}

static void text_goes_to_part_files(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "a/"), TEXT_PARTS, 3, .name = "save");
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "b"), TEXT_PARTS, 3, .parts = true);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "c"), TEXT_PARTS, 0, .parts = true);
    static const char *const DIRS[] = { "a", "b" };
    for (size_t i = 0; i < 2; i++) {
        const char *sub = in(dir, DIRS[i]);
        assert_string_equal(names_in(sub), "_SUCCESS part-00000.txt part-00001.txt "
                                           "part-00002.txt ");
        assert_file(in(sub, "part-00000.txt"), "one\n\n\n");
        assert_file(in(sub, "part-00001.txt"), "");
        assert_file(in(sub, "_SUCCESS"), "");
    }
    assert_string_equal(names_in(in(dir, "c")), "_SUCCESS ");
    assert_string_equal(names_in(dir), "a b c ");
}

static void part_files_are_compressed_by_a_setting(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    rdd_error err;
    assert_int_equal(conf_set("save.compression", "gz", &err), 0);
    SAVE(ACTION_SAVE_JSON, rdd_str, in(dir, "a"), TEXT_PARTS, 2, .parts = true);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "plain.txt"), TEXT_PARTS, 3, .name = "save");
    assert_int_equal(conf_set("save.compression", "none", &err), 0);
    assert_string_equal(names_in(in(dir, "a")), "_SUCCESS part-00000.json.gz part-00001.json.gz ");
    CLEANUP(buf_release) buf gz = content_of(in(in(dir, "a"), "part-00000.json.gz"), INPUT_GZIP);
    assert_string_equal(buf_terminate(&gz), "\"one\"\nnull\n\"\"\n");
    assert_file(in(dir, "plain.txt"), TEXT_WANTED);
}

RDD_OPTIONAL(maybe_int, int32_t);
RDD_LIST(numbers, int16_t);
RDD_STRUCT(record, (int64_t, id), (rdd_str, name), (maybe_int, age), (bool, ok), (numbers, list),
           (double, x));

static const int16_t SOME[] = { 1, -2 };
static const record RECORDS[] = {
    { 1, { 3, "Ann" }, { true, 40 }, true, { 2, SOME }, 0.5 },
    { -2, { 0, NULL }, { false, 0 }, false, { 0, NULL }, -2.25 },
    { 3, { 7, "a,\"b\"\nc" }, { true, -1 }, true, { 1, SOME }, 0.1 },
};
static const part RECORD_PARTS[] = { { RECORDS, 2 }, { NULL, 0 }, { RECORDS + 2, 1 } };

static void elements_become_json_lines(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    static const char WANTED[] =
        "{\"id\":1,\"name\":\"Ann\",\"age\":40,\"ok\":true,\"list\":[1,-2],\"x\":0.5}\n"
        "{\"id\":-2,\"name\":null,\"age\":null,\"ok\":false,\"list\":[],\"x\":-2.25}\n"
        "{\"id\":3,\"name\":\"a,\\\"b\\\"\\nc\",\"age\":-1,\"ok\":true,\"list\":[1],\"x\":0.1}\n";
    SAVE(ACTION_SAVE_JSON, record, in(dir, "a.json"), RECORD_PARTS, 3, .name = "save");
    SAVE(ACTION_SAVE_TEXT, record, in(dir, "a.txt"), RECORD_PARTS, 3, .name = "save");
    CLEANUP(buf_release) buf json = file_bytes(in(dir, "a.json"));
    CLEANUP(buf_release) buf text = file_bytes(in(dir, "a.txt"));
    assert_string_equal(buf_terminate(&json), WANTED);
    assert_string_equal(buf_terminate(&text), WANTED);
    const int64_t numbers_only[] = { 1, -5 };
    const part parts[] = { { numbers_only, 2 } };
    SAVE(ACTION_SAVE_TEXT, int64_t, in(dir, "n.txt"), parts, 1, .name = "save");
    assert_file(in(dir, "n.txt"), "1\n-5\n");
}

static void text_that_is_not_utf8_is_no_json(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    rdd_error err;
    assert_int_equal(save_parts(ACTION_SAVE_JSON, RDD_TYPE(rdd_str), in(dir, "a.json"),
                                (rdd_save_csv_options){ 0 }, TEXT_PARTS, 3, &err), RDD_E_INPUT);
    assert_non_null(strstr(err.message, "save_json_lines of "));
    assert_non_null(strstr(err.message, "a.json: "));
    assert_non_null(strstr(err.message, "UTF-8"));
    assert_non_null(strstr(err.message, "record 1 of partition 2"));
    assert_string_equal(names_in(dir), "");
}

/* Larger than every buffer on the way, in one element and in many. */
static void large_text_comes_out_whole(void **state)
{
    (void)state;
    enum { COUNT = 50000, LARGE = 3 << 20 };
    char *large = malloc(LARGE);
    rdd_str *lines = malloc(COUNT * sizeof *lines);
    assert_non_null(large);
    assert_non_null(lines);
    memset(large, 'x', LARGE);
    for (size_t i = 0; i < COUNT; i++)
        lines[i] = (rdd_str){ i % 97, large };
    lines[700].size = LARGE;
    lines[701].size = OUTPUT_CHUNK;
    CLEANUP(buf_release) buf wanted = { 0 };
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < COUNT; i++) {
            buf_append(&wanted, lines[i].data, lines[i].size);
            buf_char(&wanted, '\n');
        }
    const part parts[] = { { lines, COUNT }, { lines, COUNT } };
    const char *dir = fresh_dir();
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "a.txt"), parts, 2, .name = "save");
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "a.zst"), parts, 2, .name = "save");
    CLEANUP(buf_release) buf plain = file_bytes(in(dir, "a.txt"));
    CLEANUP(buf_release) buf zst = content_of(in(dir, "a.zst"), INPUT_ZSTD);
    assert_int_equal(plain.size, wanted.size);
    assert_memory_equal(plain.data, wanted.data, wanted.size);
    assert_int_equal(zst.size, wanted.size);
    assert_memory_equal(zst.data, wanted.data, wanted.size);
    free(large);
    free(lines);
}

/* The pieces a compressor gets may not depend on views, or the same data would give other bytes. */
static void bytes_do_not_depend_on_views(void **state)
{
    (void)state;
    enum { COUNT = 60000 };
    rdd_str *lines = malloc(COUNT * sizeof *lines);
    static char noise[COUNT + 100];
    assert_non_null(lines);
    for (size_t i = 0; i < sizeof noise; i++)
        noise[i] = (char)('a' + test_random_below(20));
    for (size_t i = 0; i < COUNT; i++)
        lines[i] = (rdd_str){ test_random_below(40), noise + i };
    const part parts[] = { { lines, COUNT } };
    const char *dir = fresh_dir();
    static const char *const NAMES[] = { "a.gz", "a.zst" };
    for (size_t n = 0; n < 2; n++) {
        buf first = { 0 };
        for (int round = 0; round < 4; round++) {
            SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, NAMES[n]), parts, 1, .overwrite = true);
            buf again = file_bytes(in(dir, NAMES[n]));
            if (round) {
                assert_int_equal(again.size, first.size);
                assert_memory_equal(again.data, first.data, first.size);
            }
            buf_release(&first);
            first = again;
        }
        buf_release(&first);
    }
    free(lines);
}

/* -- CSV of structs ---------------------------------------------------------------------------- */

#define RECORDS_CSV                                                                            \
    "1,Ann,40,true,\"[1,-2]\",0.5\n-2,,,false,[],-2.25\n3,\"a,\"\"b\"\"\nc\",-1,true,[1],0.1\n"

static void structs_have_their_fields_as_header(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    SAVE(ACTION_SAVE_CSV, record, in(dir, "a.csv"), RECORD_PARTS, 3, .name = "save");
    assert_file(in(dir, "a.csv"), "id,name,age,ok,list,x\n" RECORDS_CSV);
    SAVE(ACTION_SAVE_CSV, record, in(dir, "b.csv"), RECORD_PARTS, 3, .no_header = true);
    assert_file(in(dir, "b.csv"), RECORDS_CSV);
    SAVE(ACTION_SAVE_CSV, record, in(dir, "c.csv"), RECORD_PARTS, 3, .delimiter = ';');
    CLEANUP(buf_release) buf found = file_bytes(in(dir, "c.csv"));
    assert_non_null(strstr(buf_terminate(&found),
                           "id;name;age;ok;list;x\n1;Ann;40;true;[1,-2];0.5\n"));
    for (size_t count = 0; count < 2; count++) { /* no partition, an empty one */
        SAVE(ACTION_SAVE_CSV, record, in(dir, "d.csv"), &RECORD_PARTS[1], count, .overwrite = true);
        assert_file(in(dir, "d.csv"), "id,name,age,ok,list,x\n");
    }
    SAVE(ACTION_SAVE_CSV, record, in(dir, "e/"), RECORD_PARTS, 3, .name = "save");
    assert_file(in(dir, "e/part-00001.csv"), "id,name,age,ok,list,x\n");
    assert_file(in(dir, "e/part-00000.csv"),
                "id,name,age,ok,list,x\n1,Ann,40,true,\"[1,-2]\",0.5\n-2,,,false,[],-2.25\n");
    SAVE(ACTION_SAVE_CSV, record, in(dir, "f.csv.gz"), RECORD_PARTS, 3, .name = "save");
    CLEANUP(buf_release) buf gz = content_of(in(dir, "f.csv.gz"), INPUT_GZIP);
    assert_string_equal(buf_terminate(&gz), "id,name,age,ok,list,x\n" RECORDS_CSV);
}

RDD_STRUCT(lonely, (rdd_str, only));

static void a_single_empty_cell_is_no_blank_line(void **state)
{
    (void)state;
    const lonely items[] = { { { 1, "a" } }, { { 0, NULL } }, { { 0, "" } } };
    const part parts[] = { { items, 3 } };
    const char *path = in(fresh_dir(), "a.csv");
    SAVE(ACTION_SAVE_CSV, lonely, path, parts, 1, .name = "save");
    assert_file(path, "only\na\n\"\"\n\"\"\n");
}

/* -- CSV of rows ------------------------------------------------------------------------------- */

static void columns_are_the_union_over_all_partitions(void **state)
{
    (void)state;
    const rdd_row a[] = { ROW(CELL("id", "1"), CELL("name", "Ann")), ROW(CELL("id", "2")),
                          ROW(CELL("age", "7"), CELL("id", "3")) };
    const rdd_row c[] = { ROW(CELL("city", "Bonn"), CELL("name", "x,y")), { 0, NULL } };
    const rdd_row d[] = { ROW(CELL("id", "4"), CELL("name", "Di"), CELL("age", "9"),
                              CELL("city", "Ulm")) };
    const part parts[] = { { a, 3 }, { NULL, 0 }, { c, 2 }, { d, 1 } };
    static const char WANTED[] =
        "id,name,age,city\n1,Ann,,\n2,,,\n3,,7,\n,\"x,y\",,Bonn\n,,,\n4,Di,9,Ulm\n";
    const char *dir = fresh_dir();
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv"), parts, 4, .name = "save");
    assert_file(in(dir, "a.csv"), WANTED);
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv.gz"), parts, 4, .name = "save");
    CLEANUP(buf_release) buf gz = content_of(in(dir, "a.csv.gz"), INPUT_GZIP);
    assert_string_equal(buf_terminate(&gz), WANTED);
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "b.csv"), parts, 4, .no_header = true);
    assert_file(in(dir, "b.csv"), WANTED + strlen("id,name,age,city\n"));
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "c/"), parts, 4, .delimiter = '\t');
    assert_string_equal(names_in(in(dir, "c")), "_SUCCESS part-00000.csv part-00001.csv "
                                                "part-00002.csv part-00003.csv ");
    assert_file(in(dir, "c/part-00001.csv"), "id\tname\tage\tcity\n");
    assert_file(in(dir, "c/part-00002.csv"), "id\tname\tage\tcity\n\tx,y\t\tBonn\n\t\t\t\n");
}

/* An answer that failed comes first and has fewer columns: they stand at the end all the same. */
static void some_columns_stand_last(void **state)
{
    (void)state;
    static const char *const LAST[] = { "status", "error", "never" };
    const rdd_row a[] = { ROW(CELL("id", "1"), CELL("error", "e"), CELL("status", "5")),
                          ROW(CELL("id", "2"), CELL("x", "y"), CELL("error", ""),
                              CELL("status", "2"), CELL("error", "again")) };
    const rdd_row b[] = { ROW(CELL("id", "3"), CELL("z", "w"), CELL("status", "1")) };
    const part parts[] = { { a, 2 }, { b, 1 } };
    static const char WANTED[] =
        "id,x,z,status,error,error,never\n1,,,5,e,,\n2,y,,2,,again,\n3,,w,1,,,\n";
    const char *dir = fresh_dir();
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv"), parts, 2, .last_columns = LAST,
         .last_column_count = 3);
    assert_file(in(dir, "a.csv"), WANTED);
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.zst"), parts, 2, .last_columns = LAST,
         .last_column_count = 3);
    CLEANUP(buf_release) buf zst = content_of(in(dir, "a.zst"), INPUT_ZSTD);
    assert_string_equal(buf_terminate(&zst), WANTED);
}

#define FIRST_AND_LAST                                                          \
    .first_columns = FIRST, .first_column_count = 3, .last_columns = LAST,      \
    .last_column_count = 3, .overwrite = true
static const char *const FIRST[] = { "id", "no,w", "id" }, *const LAST[] = { "z", "x", "z" };

static void some_columns_stand_first(void **state)
{
    (void)state;
    const rdd_row a[] = { { 0, NULL }, ROW(CELL("y", "1"), CELL("x", "2"), CELL("id", "3")) };
    const rdd_row b[] = { ROW(CELL("id", "4"), CELL("id", "5"), CELL("new", "6")) };
    const part parts[] = { { a, 2 }, { NULL, 0 }, { b, 1 } };
    static const char HEADER[] = "id,\"no,w\",id,y,new,z,x\n";
    static const char A[] = ",,,,,,\n3,,,1,,,2\n", B[] = "4,,5,,6,,\n";
    CLEANUP(buf_release) buf wanted = { 0 };
    const char *dir = fresh_dir();
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "b.csv"), parts, 3, FIRST_AND_LAST, .no_header = true);
    buf_text(&wanted, A);
    buf_text(&wanted, B);
    assert_file(in(dir, "b.csv"), buf_terminate(&wanted));
    buf_clear(&wanted);
    buf_text(&wanted, HEADER);
    buf_text(&wanted, A);
    buf_text(&wanted, B);
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv"), parts, 3, FIRST_AND_LAST);
    assert_file(in(dir, "a.csv"), buf_terminate(&wanted));
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv.gz"), parts, 3, FIRST_AND_LAST);
    CLEANUP(buf_release) buf gz = content_of(in(dir, "a.csv.gz"), INPUT_GZIP);
    assert_string_equal(buf_terminate(&gz), wanted.data);
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "c"), parts, 3, FIRST_AND_LAST, .parts = true);
    assert_file(in(dir, "c/part-00001.csv"), HEADER);
}

static void no_rows_have_the_columns_that_are_known(void **state)
{
    (void)state;
    const part none[] = { { NULL, 0 }, { NULL, 0 } };
    static const char WANTED[] = "id\tno,w\tid\tz\tx\n";
    const char *dir = fresh_dir();
    for (size_t count = 0; count <= 2; count++) {
        SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv"), none, count, FIRST_AND_LAST,
             .delimiter = '\t');
        assert_file(in(dir, "a.csv"), WANTED);
        SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.zst"), none, count, FIRST_AND_LAST,
             .delimiter = '\t');
        CLEANUP(buf_release) buf zst = content_of(in(dir, "a.zst"), INPUT_ZSTD);
        assert_string_equal(buf_terminate(&zst), WANTED);
    }
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "b.csv"), none, 2, FIRST_AND_LAST, .no_header = true);
    assert_file(in(dir, "b.csv"), "");
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "l.csv"), none, 2, .last_columns = LAST,
         .last_column_count = 1);
    assert_file(in(dir, "l.csv"), "z\n");
    rdd_error err;
    assert_int_equal(conf_set("save.compression", "gz", &err), 0);
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "c"), none, 2, FIRST_AND_LAST, .parts = true);
    assert_int_equal(conf_set("save.compression", "none", &err), 0);
    assert_string_equal(names_in(in(dir, "c")), "_SUCCESS part-00000.csv.gz part-00001.csv.gz ");
    CLEANUP(buf_release) buf gz = content_of(in(dir, "c/part-00001.csv.gz"), INPUT_GZIP);
    assert_string_equal(buf_terminate(&gz), "id,\"no,w\",id,z,x\n");
}

static void rows_without_columns(void **state)
{
    (void)state;
    const rdd_row nothing[] = { { 0, NULL }, { 0, NULL } };
    const rdd_row one[] = { ROW(CELL("only", "")), { 0, NULL }, ROW(CELL("only", "x")) };
    const part none[] = { { NULL, 0 }, { nothing, 2 } };
    const part late[] = { { nothing, 2 }, { one, 3 } };
    const char *dir = fresh_dir();
    for (size_t count = 0; count <= 2; count++) {
        SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv"), none, count, .overwrite = true);
        assert_file(in(dir, "a.csv"), "");
        SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.gz"), none, count, .overwrite = true);
        CLEANUP(buf_release) buf gz = content_of(in(dir, "a.gz"), INPUT_GZIP);
        assert_int_equal(gz.size, 0);
    }
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "b.csv"), late, 2, .name = "save");
    assert_file(in(dir, "b.csv"), "only\n\"\"\n\"\"\n\"\"\n\"\"\nx\n");
    rdd_error err; /* each file is complete, also one that only has rows from before any column */
    assert_int_equal(conf_set("save.compression", "zst", &err), 0);
    SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "c"), late, 2, .parts = true);
    assert_int_equal(conf_set("save.compression", "none", &err), 0);
    assert_string_equal(names_in(in(dir, "c")), "_SUCCESS part-00000.csv.zst part-00001.csv.zst ");
    CLEANUP(buf_release) buf first = content_of(in(dir, "c/part-00000.csv.zst"), INPUT_ZSTD);
    CLEANUP(buf_release) buf second = content_of(in(dir, "c/part-00001.csv.zst"), INPUT_ZSTD);
    assert_string_equal(buf_terminate(&first), "only\n\"\"\n\"\"\n");
    assert_string_equal(buf_terminate(&second), "only\n\"\"\n\"\"\nx\n");
}

static void a_name_twice_stays_two_columns(void **state)
{
    (void)state;
    const rdd_row a[] = { ROW(CELL("x", "1"), CELL("y", "2"), CELL("x", "3")),
                          ROW(CELL("x", "4")) };
    const rdd_row b[] = { ROW(CELL("x", "5"), CELL("x", "6"), CELL("x", "7")) };
    const part parts[] = { { b, 1 }, { a, 2 } };
    const char *path = in(fresh_dir(), "a.csv");
    SAVE(ACTION_SAVE_CSV, rdd_row, path, parts, 2, .name = "save");
    assert_file(path, "x,x,x,y\n5,6,7,\n1,3,,2\n4,,,\n");
}

static void too_many_columns_are_an_error(void **state)
{
    (void)state;
    enum { ROWS = 30 };
    static rdd_cell cells[ROWS];
    static rdd_row rows[ROWS];
    static char names[ROWS][8];
    for (size_t i = 0; i < ROWS; i++) {
        cells[i].name.size = (size_t)snprintf(names[i], sizeof names[i], "c%zu", i);
        cells[i].name.data = names[i];
        rows[i] = (rdd_row){ 1, &cells[i] };
    }
    const rdd_row wide = { ROWS, cells };
    const part in_one[] = { { rows, ROWS } }, at_once[] = { { &wide, 1 } };
    const part in_all[] = { { rows, 15 }, { rows + 15, 15 } };
    const char *dir = fresh_dir();
    rdd_error err;
    assert_int_equal(conf_set("save.columns_max", "20", &err), 0);
    const struct { const part *parts; size_t count; } cases[] = {
        { in_one, 1 }, { at_once, 1 }, { in_all, 2 }
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(save_parts(ACTION_SAVE_CSV, RDD_TYPE(rdd_row), in(dir, "a.csv"),
                                    (rdd_save_csv_options){ 0 }, cases[i].parts, cases[i].count, &err),
                         RDD_E_LIMIT);
        assert_non_null(strstr(err.message, "a.csv: "));
        assert_non_null(strstr(err.message, "20 columns"));
        assert_non_null(strstr(err.message, "--conf save.columns_max"));
        assert_string_equal(names_in(dir), "");
    }
    assert_int_equal(conf_set("save.columns_max", "30", &err), 0);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv"), cases[i].parts, cases[i].count,
             .overwrite = true);
    assert_int_equal(conf_set("save.columns_max", "10000", &err), 0);
}

/* The plain way: all columns first, then every row cell by cell. */
typedef struct naive_column {
    rdd_str name;
    size_t number; /* how many of the name are before it */
} naive_column;

static size_t naive_find(naive_column *columns, size_t *count, const rdd_row *row, size_t cell)
{
    size_t number = 0;
    for (size_t i = 0; i < cell; i++)
        number += rdd_str_equal(row->items[i].name, row->items[cell].name);
    for (size_t i = 0; i < *count; i++)
        if (columns[i].number == number && rdd_str_equal(columns[i].name, row->items[cell].name))
            return i;
    columns[*count] = (naive_column){ row->items[cell].name, number };
    return (*count)++;
}

static void naive_line(buf *out, const rdd_str *cells, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool quoted = count == 1 && !cells[i].size;
        for (size_t k = 0; k < cells[i].size; k++)
            quoted = quoted || strchr(",\"\r\n", cells[i].data[k]);
        buf_text(out, i ? "," : "");
        buf_text(out, quoted ? "\"" : "");
        for (size_t k = 0; k < cells[i].size; k++) {
            if (cells[i].data[k] == '"')
                buf_char(out, '"');
            buf_char(out, cells[i].data[k]);
        }
        buf_text(out, quoted ? "\"" : "");
    }
    if (count)
        buf_char(out, '\n');
}

static void naive_csv(buf *out, const part *parts, size_t count)
{
    static naive_column columns[1000];
    static rdd_str cells[1000];
    size_t column_count = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; pass && i < column_count; i++)
            cells[i] = columns[i].name;
        if (pass)
            naive_line(out, cells, column_count);
        for (size_t p = 0; p < count; p++)
            for (size_t r = 0; r < parts[p].count; r++) {
                const rdd_row *row = (const rdd_row *)parts[p].items + r;
                memset(cells, 0, sizeof cells);
                for (size_t c = 0; c < row->count; c++)
                    cells[naive_find(columns, &column_count, row, c)] = row->items[c].text;
                if (pass)
                    naive_line(out, cells, column_count);
            }
    }
}

/* Rows mostly of one shape, sometimes with a column more, fewer, twice, or in another order. */
static rdd_row random_row(arena *a, size_t names)
{
    static const char ALPHABET[] = "abcdefgh,;\"\n\r é";
    size_t count = test_random_below(6) ? 4 : test_random_below(8);
    rdd_cell *cells = arena_alloc(a, (count + 1) * sizeof *cells);
    for (size_t i = 0; i < count; i++) {
        size_t which = test_random_below(10) ? i % names : test_random_below(names);
        char *name = arena_format(a, "%.*zu", (int)(which % 3), which);
        cells[i].name = rdd_str_of(name);
        size_t size = test_random_below(6);
        size_t letters = test_random_below(8) ? 8 : sizeof ALPHABET - 1;
        char *text = arena_alloc(a, size + 1);
        for (size_t k = 0; k < size; k++)
            text[k] = ALPHABET[test_random_below(letters)];
        cells[i].text = (rdd_str){ size, size || test_random_below(2) ? text : NULL };
    }
    return (rdd_row){ count, cells };
}

static void random_rows_agree_with_the_plain_way(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    for (int round = 0; round < 60; round++) {
        CLEANUP(arena_release) arena a = { 0 };
        part parts[8];
        size_t count = test_random_below(ARRAY_SIZE(parts) + 1), names = 1 + test_random_below(12);
        for (size_t p = 0; p < count; p++) {
            size_t rows = test_random_below(3) ? test_random_below(300) : test_random_below(3);
            rdd_row *items = arena_alloc(&a, (rows + 1) * sizeof *items);
            for (size_t r = 0; r < rows; r++)
                items[r] = random_row(&a, 1 + test_random_below(names));
            parts[p] = (part){ items, rows };
        }
        CLEANUP(buf_release) buf wanted = { 0 };
        naive_csv(&wanted, parts, count);
        SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.csv"), parts, count, .overwrite = true);
        CLEANUP(buf_release) buf found = file_bytes(in(dir, "a.csv"));
        SAVE(ACTION_SAVE_CSV, rdd_row, in(dir, "a.zst"), parts, count, .overwrite = true);
        CLEANUP(buf_release) buf zst = content_of(in(dir, "a.zst"), INPUT_ZSTD);
        assert_string_equal(buf_terminate(&found), buf_terminate(&wanted));
        assert_string_equal(buf_terminate(&zst), wanted.data);
    }
    assert_string_equal(names_in(dir), "a.csv a.zst ");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_is_joined_in_partition_order),
        cmocka_unit_test(text_is_compressed_by_name),
        cmocka_unit_test(text_goes_to_part_files),
        cmocka_unit_test(part_files_are_compressed_by_a_setting),
        cmocka_unit_test(elements_become_json_lines),
        cmocka_unit_test(text_that_is_not_utf8_is_no_json),
        cmocka_unit_test(large_text_comes_out_whole),
        cmocka_unit_test(bytes_do_not_depend_on_views),
        cmocka_unit_test(structs_have_their_fields_as_header),
        cmocka_unit_test(a_single_empty_cell_is_no_blank_line),
        cmocka_unit_test(columns_are_the_union_over_all_partitions),
        cmocka_unit_test(some_columns_stand_last),
        cmocka_unit_test(some_columns_stand_first),
        cmocka_unit_test(no_rows_have_the_columns_that_are_known),
        cmocka_unit_test(rows_without_columns),
        cmocka_unit_test(a_name_twice_stays_two_columns),
        cmocka_unit_test(too_many_columns_are_an_error),
        cmocka_unit_test(random_rows_agree_with_the_plain_way),
    };
    return TEST_MAIN(argc, argv, tests);
}
