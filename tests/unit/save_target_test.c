/* save_target_test.c: where an output goes: places that are taken, links, devices, standard output,
 * full disks, attempts that fail and drivers that are killed. Whatever happens, nothing of ours is
 * left.
 */
#include "save_bench.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "full_disk.h"
#include "test.h"

RDD_STRUCT(lonely, (rdd_str, only));

/* -- Places ------------------------------------------------------------------------------------ */

static void assert_refused(const char *path, rdd_save_csv_options options, rdd_code code,
                           const char *message)
{
    rdd_error err;
    assert_int_equal(save_parts(ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), path, options, TEXT_PARTS, 3,
                                &err), code);
    if (!strstr(err.message, message))
        fail_msg("\"%s\" is not in: %s", message, err.message);
}

static void what_is_there_is_kept(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    const char *file = in(dir, "file");
    SAVE(ACTION_SAVE_TEXT, rdd_str, file, TEXT_PARTS, 1, .name = "save");
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "parts/"), TEXT_PARTS, 1, .name = "save");
    assert_refused(file, (rdd_save_csv_options){ 0 }, RDD_E_EXISTS,
                   "file: is there already; remove it");
    assert_refused(in(dir, "file/"), (rdd_save_csv_options){ .overwrite = true }, RDD_E_EXISTS,
                   "is a file, and a directory");
    assert_refused(in(dir, "parts"), (rdd_save_csv_options){ .overwrite = true }, RDD_E_EXISTS,
                   "is a directory, and a file is meant");
    assert_refused(in(dir, "parts/"), (rdd_save_csv_options){ 0 }, RDD_E_EXISTS, "is there already");
    assert_refused(in(dir, "no/such/file"), (rdd_save_csv_options){ 0 }, RDD_E_IO,
                   "no/such; create it first");
    assert_refused(in(dir, "file/below"), (rdd_save_csv_options){ 0 }, RDD_E_IO, "Not a directory");
    assert_refused("", (rdd_save_csv_options){ 0 }, RDD_E_USAGE, "empty name");
    assert_refused("http://x/y", (rdd_save_csv_options){ 0 }, RDD_E_USAGE,
                   "http://x/y: outputs are files, directories or \"-\" (standard output) only");
    assert_refused("/", (rdd_save_csv_options){ 0 }, RDD_E_EXISTS, "is there already");
    assert_refused("/", (rdd_save_csv_options){ .overwrite = true }, RDD_E_USAGE, "no name");
    assert_refused("-", (rdd_save_csv_options){ .parts = true }, RDD_E_USAGE, "standard output");
    assert_string_equal(names_in(dir), "file parts ");
    assert_file(file, "one\n\n\n");
}

static void what_is_there_is_replaced_when_asked(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "file"), TEXT_PARTS, 1, .name = "save");
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "file"), TEXT_PARTS, 3, .overwrite = true);
    assert_file(in(dir, "file"), TEXT_WANTED);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "p"), TEXT_PARTS, 3, .parts = true);
    SAVE(ACTION_SAVE_JSON, rdd_str, in(dir, "p"), TEXT_PARTS, 1, .parts = true, .overwrite = true);
    assert_string_equal(names_in(in(dir, "p")), "_SUCCESS part-00000.json ");
    assert_int_equal(mkdir(in(dir, "empty"), 0755), 0);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "empty/"), TEXT_PARTS, 1, .overwrite = true);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "new/"), TEXT_PARTS, 1, .overwrite = true);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "new"), TEXT_PARTS, 1, .overwrite = true,
         .parts = true);
    assert_string_equal(names_in(dir), "empty file new p ");
}

static void somebody_elses_directory_is_not_replaced(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "p/"), TEXT_PARTS, 1, .name = "save");
    FILE *file = fopen(in(dir, "p/notes"), "w");
    assert_non_null(file);
    fclose(file);
    assert_refused(in(dir, "p/"), (rdd_save_csv_options){ .overwrite = true }, RDD_E_EXISTS,
                   "it holds notes");
    assert_string_equal(names_in(in(dir, "p")), "_SUCCESS notes part-00000.txt ");
    assert_string_equal(names_in(dir), "p ");
}

static void links_lead_to_what_is_replaced(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    assert_int_equal(mkdir(in(dir, "data"), 0755), 0);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "data/file"), TEXT_PARTS, 1, .name = "save");
    assert_int_equal(symlink("data/file", in(dir, "link")), 0);
    assert_int_equal(symlink("nothing", in(dir, "broken")), 0);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "link"), TEXT_PARTS, 3, .overwrite = true);
    assert_file(in(dir, "data/file"), TEXT_WANTED);
    struct stat st;
    assert_int_equal(lstat(in(dir, "link"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_refused(in(dir, "broken"), (rdd_save_csv_options){ .overwrite = true }, RDD_E_EXISTS,
                   "points to nothing");
}

static void what_appears_meanwhile_is_kept(void **state)
{
    (void)state;
    for (int parts = 0; parts < 2; parts++) {
        const char *dir = fresh_dir(), *path = in(dir, "a");
        saving s = SAVING_NONE;
        rdd_error err;
        buf result = { 0 };
        rdd_save_csv_options options = { .parts = parts };
        assert_int_equal(saving_open(&s, ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), path, &options,
                                     &err), 0);
        assert_int_equal(task_run(&s, 0, 0, LINES_A, 3, false, &result, &err), 0);
        SAVE(ACTION_SAVE_JSON, rdd_str, path, TEXT_PARTS, 1, .parts = parts);
        rdd_str report = { result.size, result.data };
        assert_int_equal(saving_commit(&s, &report, 1, &err), RDD_E_EXISTS);
        saving_close(&s, &err);
        assert_non_null(strstr(err.message, "appeared while the job was running"));
        assert_file(parts ? in(dir, "a/part-00000.json") : path, "\"one\"\nnull\n\"\"\n");
        assert_string_equal(names_in(dir), "a ");
        buf_release(&result);
    }
}

/* -- Streams ----------------------------------------------------------------------------------- */

static void devices_are_written_to(void **state)
{
    (void)state;
    SAVE(ACTION_SAVE_TEXT, rdd_str, "/dev/null", TEXT_PARTS, 3, .name = "save");
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    const rdd_row rows[] = { ROW(CELL("a", "1")) };
    const part parts[] = { { rows, 1 } };
    rdd_error err;
    assert_int_equal(save_parts(ACTION_SAVE_CSV, RDD_TYPE(rdd_row), "/dev/full",
                                (rdd_save_csv_options){ 0 }, parts, 1, &err), RDD_E_IO);
    assert_string_equal(err.message, "no space left on device while writing /dev/full; partial "
                                     "files were removed");
    assert_refused("/dev/full", (rdd_save_csv_options){ 0 }, RDD_E_IO, "no space left on device");
}

/* Saves to a standard output that is a pipe for so long, and gives what came out of it. */
static buf standard_output_of(action_kind kind, const rdd_type *type, const part *parts,
                              size_t count)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fflush(stdout);
    int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    close(ends[1]);
    printf("before, ");
    rdd_error err;
    int code = save_parts(kind, type, "-", (rdd_save_csv_options){ 0 }, parts, count, &err);
    printf("after");
    fflush(stdout);
    assert_true(dup2(kept, STDOUT_FILENO) == STDOUT_FILENO);
    close(kept);
    buf b = { 0 };
    ssize_t got;
    while ((got = read(ends[0], buf_reserve(&b, 4096), 4096)) > 0)
        b.size += (size_t)got;
    close(ends[0]);
    if (code)
        fail_msg("%s", err.message);
    return b;
}

static void a_dash_is_standard_output(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf text = standard_output_of(ACTION_SAVE_TEXT, RDD_TYPE(rdd_str),
                                                       TEXT_PARTS, 3);
    assert_string_equal(buf_terminate(&text), "before, " TEXT_WANTED "after");
    const rdd_row a[] = { ROW(CELL("a", "1")) }, b[] = { ROW(CELL("b", "2")) };
    const part parts[] = { { a, 1 }, { b, 1 } };
    CLEANUP(buf_release) buf rows = standard_output_of(ACTION_SAVE_CSV, RDD_TYPE(rdd_row), parts,
                                                       2);
    assert_string_equal(buf_terminate(&rows), "before, a,b\n1,\n,2\nafter");
    CLEANUP(buf_release) buf none = standard_output_of(ACTION_SAVE_CSV, RDD_TYPE(lonely), parts, 0);
    assert_string_equal(buf_terminate(&none), "before, only\nafter");
}

static void standard_output_without_a_reader(void **state)
{
    (void)state;
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    fflush(stdout);
    int kept = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    rdd_error err;
    int code = save_parts(ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), "-", (rdd_save_csv_options){ 0 },
                          TEXT_PARTS, 3, &err);
    assert_true(dup2(kept, STDOUT_FILENO) == STDOUT_FILENO);
    close(kept);
    close(ends[1]);
    assert_int_equal(code, RDD_E_IO);
    assert_string_equal(err.message, "standard output: whoever read it has closed it");
}

/* -- Failures ---------------------------------------------------------------------------------- */

static void wrong_types_and_options(void **state)
{
    (void)state;
    const char *path = in(fresh_dir(), "a.csv");
    saving s = SAVING_NONE;
    rdd_error err;
    rdd_save_csv_options options = { 0 };
    assert_int_equal(saving_open(&s, ACTION_SAVE_CSV, RDD_TYPE(int64_t), path, &options, &err),
                     RDD_E_TYPE);
    assert_non_null(strstr(err.message, "int64_t"));
    options.delimiter = '"';
    assert_int_equal(saving_open(&s, ACTION_SAVE_CSV, RDD_TYPE(rdd_row), path, &options, &err),
                     RDD_E_USAGE);
}

static void a_failed_attempt_leaves_no_trace(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    saving s = SAVING_NONE;
    rdd_error err;
    rdd_save_csv_options options = { 0 };
    assert_int_equal(saving_open(&s, ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), in(dir, "a"), &options,
                                 &err), 0);
    CLEANUP(buf_release) buf stale = { 0 };
    CLEANUP(buf_release) buf result = { 0 };
    assert_int_equal(task_run(&s, 0, 0, LINES_A, 3, true, &stale, &err), RDD_E_USER);
    assert_string_equal(names_in(s.target.staging), "");
    assert_int_equal(task_run(&s, 0, 1, LINES_A, 3, false, &stale, &err), 0);
    assert_int_equal(task_run(&s, 0, 2, LINES_C, 2, false, &result, &err), 0);
    assert_string_equal(names_in(s.target.staging), "part-00000-attempt-1 part-00000-attempt-2 ");
    rdd_str report = { result.size, result.data };
    assert_int_equal(saving_commit(&s, &report, 1, &err), 0);
    saving_close(&s, NULL);
    assert_file(in(dir, "a"), "two\nend\n\xff\n\n");
    assert_string_equal(names_in(dir), "a ");
}

static void a_part_that_has_changed_is_noticed(void **state)
{
    (void)state;
    for (int rows = 0; rows < 2; rows++) {
        const char *dir = fresh_dir();
        const rdd_row items[] = { ROW(CELL("a", "1")) };
        saving s = SAVING_NONE;
        rdd_error err;
        rdd_save_csv_options options = { 0 };
        CLEANUP(buf_release) buf result = { 0 };
        assert_int_equal(saving_open(&s, rows ? ACTION_SAVE_CSV : ACTION_SAVE_TEXT,
                                     rows ? RDD_TYPE(rdd_row) : RDD_TYPE(rdd_str), in(dir, "a"),
                                     &options, &err), 0);
        assert_int_equal(task_run(&s, 0, 0, rows ? (const void *)items : LINES_A, 1, false, &result,
                                  &err), 0);
        FILE *file = fopen(in(s.target.staging, "part-00000-attempt-0"), "a");
        assert_non_null(file);
        fputs("more", file);
        fclose(file);
        rdd_str report = { result.size, result.data };
        assert_int_equal(saving_commit(&s, &report, 1, &err), RDD_E_IO);
        assert_non_null(strstr(err.message, "partition 0"));
        saving_close(&s, &err);
        assert_string_equal(names_in(dir), "");
    }
}

static void malformed_reports_are_refused(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    saving s = SAVING_NONE;
    rdd_error err;
    rdd_save_csv_options options = { 0 };
    assert_int_equal(saving_open(&s, ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), in(dir, "a"), &options,
                                 &err), 0);
    rdd_str report = RDD_STR("nonsense");
    assert_int_equal(saving_commit(&s, &report, 1, &err), RDD_E_PROTOCOL);
    saving_close(&s, &err);
    assert_string_equal(names_in(dir), "");
}

static void an_interrupted_commit_stops(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    static const char *const NAMES[] = { "a", "b/" };
    for (size_t i = 0; i < 2; i++) {
        saving s = SAVING_NONE;
        rdd_error err;
        rdd_save_csv_options options = { 0 };
        buf results[2] = { { 0 } };
        rdd_str views[2];
        atomic_bool interrupted = true;
        assert_int_equal(saving_open(&s, ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), in(dir, NAMES[i]),
                                     &options, &err), 0);
        s.interrupted = &interrupted;
        for (uint32_t p = 0; p < 2; p++) {
            assert_int_equal(task_run(&s, p, 0, LINES_A, 3, false, &results[p], &err), 0);
            views[p] = (rdd_str){ results[p].size, results[p].data };
        }
        assert_int_equal(saving_commit(&s, views, 2, &err), RDD_E_CANCELLED);
        saving_close(&s, &err);
        assert_string_equal(names_in(dir), "");
        buf_release(&results[0]);
        buf_release(&results[1]);
    }
}

/* The disk fills up in a task, then while parts are joined, then while rows are. */
static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    const char *disk = full_disk(1 << 20);
    if (!disk)
        TEST_SKIP("mounting a tiny file system needs root");
    enum { COUNT = 11 };
    static char text[100 << 10];
    memset(text, 'x', sizeof text);
    rdd_str lines[COUNT];
    rdd_row rows[COUNT];
    rdd_cell cells[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        lines[i] = (rdd_str){ sizeof text, text };
        cells[i] = (rdd_cell){ { 1, i < 5 ? "a" : "b" }, lines[i] };
        rows[i] = (rdd_row){ 1, &cells[i] };
    }
    const part too_much[] = { { lines, COUNT } };
    const part text_parts[] = { { lines, 3 }, { lines, 6 } };
    const part row_parts[] = { { rows, 5 }, { rows + 5, 3 } };
    const struct { action_kind kind; const rdd_type *type; const part *parts; size_t count; }
    cases[] = {
        { ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), too_much, 1 },
        { ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), text_parts, 2 },
        { ACTION_SAVE_CSV, RDD_TYPE(rdd_row), row_parts, 2 },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        rdd_error err;
        assert_int_equal(save_parts(cases[i].kind, cases[i].type, in(disk, "out"),
                                    (rdd_save_csv_options){ 0 }, cases[i].parts, cases[i].count, &err),
                         RDD_E_IO);
        char wanted[PATH_MAX + 100];
        snprintf(wanted, sizeof wanted,
                 "no space left on device while writing %s/out; partial files were removed", disk);
        assert_string_equal(err.message, wanted);
        assert_string_equal(names_in(disk), "");
    }
    full_disk_remove();
}

/* -- A driver that is killed ------------------------------------------------------------------- */

/* Replaces the output again and again by one of two contents, until it is killed. */
static _Noreturn void replace_forever(const char *path, const part *parts, int told)
{
    for (size_t i = 0;; i ^= 1) {
        rdd_error err;
        if (save_parts(ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), path,
                       (rdd_save_csv_options){ .overwrite = true }, parts + 2 * i, 2, &err) ||
            write(told, "x", 1) != 1)
            _exit(1);
    }
}

/* Whenever a driver is killed, the output is the whole old one or the whole new one, and the
 * next save clears up what it left. */
static void a_killed_driver_leaves_old_or_new(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    static rdd_str lines[2][COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        lines[0][i] = RDD_STR("the first of two contents");
        lines[1][i] = RDD_STR("the other of two");
    }
    const part parts[] = { { lines[0], COUNT }, { lines[0], 7 },
                           { lines[1], COUNT }, { lines[1], 5 } };
    const size_t sizes[] = { (COUNT + 7) * 26, (COUNT + 5) * 17 };
    const char *dir = fresh_dir();
    static const char *const NAMES[] = { "out", "out/" };
    for (size_t n = 0; n < 2; n++)
        for (int round = 0; round < 8; round++) {
            int told[2];
            assert_int_equal(pipe2(told, O_CLOEXEC), 0);
            pid_t pid = fork();
            assert_true(pid >= 0);
            if (!pid)
                replace_forever(in(dir, NAMES[n]), parts, told[1]);
            close(told[1]);
            char byte;
            for (size_t i = 0; i < 2 + test_random_below(5); i++)
                assert_int_equal(read(told[0], &byte, 1), 1);
            assert_int_equal(kill(pid, SIGKILL), 0);
            int status;
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_true(WIFSIGNALED(status));
            close(told[0]);
            if (n) {
                assert_string_equal(names_in(in(dir, "out")),
                                    "_SUCCESS part-00000.txt part-00001.txt ");
            } else {
                CLEANUP(buf_release) buf found = file_bytes(in(dir, "out"));
                size_t which = found.size == sizes[1];
                assert_int_equal(found.size, sizes[which]);
                assert_memory_equal(found.data, lines[which][0].data, lines[which][0].size);
            }
            SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, NAMES[n]), parts, 2, .overwrite = true);
            assert_string_equal(names_in(dir), "out ");
            if (n == 0 && round == 7)
                assert_int_equal(unlink(in(dir, "out")), 0);
        }
}

/* Two saves to one name at the same time: neither takes the other's staging directory for a
 * leftover. */
static void two_savers_do_not_disturb_each_other(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    saving s = SAVING_NONE;
    rdd_error err;
    rdd_save_csv_options options = { .overwrite = true };
    CLEANUP(buf_release) buf result = { 0 };
    assert_int_equal(saving_open(&s, ACTION_SAVE_TEXT, RDD_TYPE(rdd_str), in(dir, "a"), &options,
                                 &err), 0);
    assert_int_equal(task_run(&s, 0, 0, LINES_C, 2, false, &result, &err), 0);
    SAVE(ACTION_SAVE_TEXT, rdd_str, in(dir, "a"), TEXT_PARTS, 1, .name = "save");
    rdd_str report = { result.size, result.data };
    assert_int_equal(saving_commit(&s, &report, 1, &err), 0);
    saving_close(&s, NULL);
    assert_file(in(dir, "a"), "two\nend\n\xff\n\n");
    assert_string_equal(names_in(dir), "a ");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_there_is_kept),
        cmocka_unit_test(what_is_there_is_replaced_when_asked),
        cmocka_unit_test(somebody_elses_directory_is_not_replaced),
        cmocka_unit_test(links_lead_to_what_is_replaced),
        cmocka_unit_test(what_appears_meanwhile_is_kept),
        cmocka_unit_test(devices_are_written_to),
        cmocka_unit_test(a_dash_is_standard_output),
        cmocka_unit_test(standard_output_without_a_reader),
        cmocka_unit_test(wrong_types_and_options),
        cmocka_unit_test(a_failed_attempt_leaves_no_trace),
        cmocka_unit_test(a_part_that_has_changed_is_noticed),
        cmocka_unit_test(malformed_reports_are_refused),
        cmocka_unit_test(an_interrupted_commit_stops),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(a_killed_driver_leaves_old_or_new),
        cmocka_unit_test(two_savers_do_not_disturb_each_other),
    };
    return TEST_MAIN(argc, argv, tests);
}
