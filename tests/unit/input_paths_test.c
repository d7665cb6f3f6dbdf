/* input_paths_test.c: input_paths.h, which files a path means, and standard input. */
#include "input_paths.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "test.h"

/* ---- helpers -------------------------------------------------------------------------------- */

static arena memory;

static const char *directory(const char *name)
{
    const char *path = test_path(name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

/* Expands one path and gives the files' names within `under`, joined by blanks. */
static const char *expand(const char *path, const char *under, rdd_error *err)
{
    input_file *files = NULL;
    size_t count = 0;
    const char *paths[] = { path };
    if (input_paths_expand(paths, 1, &memory, &files, &count, err))
        return NULL;
    assert_true(count > 0);
    const char *joined = "";
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(files[i].path, files[i].name);
        size_t skip = strlen(under) + 1;
        assert_true(strlen(files[i].path) > skip);
        joined = arena_format(&memory, "%s%s%s", joined, i ? " " : "", files[i].path + skip);
    }
    return joined;
}

static void assert_expands(const char *path, const char *under, const char *expected)
{
    rdd_error err = { 0 };
    const char *names = expand(path, under, &err);
    if (!names)
        print_error("%s\n", err.message);
    assert_non_null(names);
    assert_string_equal(names, expected);
}

static void assert_refused(const char *path, rdd_code code, const char *message)
{
    rdd_error err = { 0 };
    assert_null(expand(path, "", &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, message) || !strstr(err.message, path))
        print_error("%s\n", err.message);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, message));
}

/* Runs `body` in a child, where it may give up its rights; true if it returned true there. */
static bool in_child(bool (*body)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(body() ? 0 : 1);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* ---- files and directories ------------------------------------------------------------------ */

static void a_file_is_itself(void **state)
{
    (void)state;
    test_file("one.txt", "hello\n", 6);
    assert_expands(test_path("one.txt"), test_dir(), "one.txt");
    input_file file;
    assert_int_equal(input_file_stat(test_path("one.txt"), "standard input", &memory, &file, NULL),
                     0);
    assert_string_equal(file.path, test_path("one.txt"));
    assert_string_equal(file.name, "standard input");
    assert_int_equal(file.size, 6);
    struct stat status;
    assert_int_equal(stat(file.path, &status), 0);
    assert_true(file.mtime_ns / 1000000000 == status.st_mtim.tv_sec);
}

static void a_directory_is_its_files_by_name(void **state)
{
    (void)state;
    directory("d");
    const char *names[] = {
        "d/b", "d/a", "d/10", "d/9", "d/Z", "d/.hidden", "d/_SUCCESS", "d/\xff"
    };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        test_file(names[i], "x", 1);
    directory("d/sub");
    test_file("d/sub/deep", "x", 1);
    assert_int_equal(symlink("a", test_path("d/link")), 0);
    assert_expands(test_path("d"), test_path("d"), "10 9 Z a b link \xff");
    assert_expands(test_path("d/"), test_path("d"), "10 9 Z a b link \xff");
}

static void a_directory_without_files_is_an_error(void **state)
{
    (void)state;
    directory("empty");
    assert_refused(test_path("empty"), RDD_E_INPUT, "a directory without files");
    test_file("empty/_SUCCESS", "", 0);
    assert_refused(test_path("empty"), RDD_E_INPUT, "names that begin with . or _ do not count");
}

static void a_glob_is_what_matches(void **state)
{
    (void)state;
    directory("g");
    const char *names[] = { "g/b.csv", "g/a.csv", "g/c.txt", "g/_x.csv", "g/.y.csv" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        test_file(names[i], "x", 1);
    directory("g/out1");
    directory("g/out2");
    test_file("g/out1/p1", "x", 1);
    test_file("g/out1/p0", "x", 1);
    test_file("g/out2/p0", "x", 1);
    const char *under = test_path("g");
    assert_expands(test_path("g/*.csv"), under, "a.csv b.csv");
    assert_expands(test_path("g/?.*"), under, "a.csv b.csv c.txt");
    assert_expands(test_path("g/_*"), under, "_x.csv");
    assert_expands(test_path("g/out*"), under, "out1/p0 out1/p1 out2/p0");
    assert_expands(test_path("g/*/p0"), under, "out1/p0 out2/p0");
    assert_refused(test_path("g/*.parquet"), RDD_E_INPUT, "no file matches");
    assert_refused(test_path("nowhere/*"), RDD_E_INPUT, "no file matches");
}

static void a_name_that_looks_like_a_glob_wins(void **state)
{
    (void)state;
    directory("odd");
    test_file("odd/a[1].csv", "x", 1);
    test_file("odd/a1.csv", "x", 1);
    assert_expands(test_path("odd/a[1].csv"), test_path("odd"), "a[1].csv");
    assert_int_equal(remove(test_path("odd/a[1].csv")), 0);
    assert_expands(test_path("odd/a[1].csv"), test_path("odd"), "a1.csv");
}

static void several_paths_keep_their_order(void **state)
{
    (void)state;
    const char *paths[] = { test_file("z.txt", "1", 1), test_file("y.txt", "12", 2),
                            test_path("z.txt") };
    input_file *files;
    size_t count;
    assert_int_equal(input_paths_expand(paths, 3, &memory, &files, &count, NULL), 0);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(files[i].path, paths[i]);
    assert_int_equal(files[1].size, 2);
    assert_int_equal(input_paths_expand(paths, 0, &memory, &files, &count, NULL), RDD_E_USAGE);
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void missing_paths_are_errors(void **state)
{
    (void)state;
    assert_refused(test_path("missing.csv"), RDD_E_IO, "No such file or directory");
    assert_refused("", RDD_E_USAGE, "an empty path");
    assert_refused("s3://x/y*", RDD_E_USAGE, "s3://x/y*: sources read files, \"-\" (standard input), http:");
    assert_refused("./s3://x/y", RDD_E_IO, "No such file or directory");
    assert_refused("://x", RDD_E_IO, "No such file or directory");
    assert_refused("s3:/x", RDD_E_IO, "No such file or directory");
}

static void only_regular_files_are_read(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(test_path("pipe"), 0600), 0);
    assert_refused(test_path("pipe"), RDD_E_INPUT, "not a regular file");
    assert_refused("/dev/null", RDD_E_INPUT, "not a regular file");
    assert_refused("/proc/self/status", RDD_E_INPUT, "has content but no size; read it from standard");
    input_file file;
    rdd_error err = { 0 };
    assert_int_equal(input_file_stat(test_dir(), NULL, &memory, &file, &err), RDD_E_INPUT);
    assert_non_null(strstr(err.message, "a directory where a file is meant"));
}

static void an_archive_by_name_must_be_one(void **state)
{
    (void)state;
    assert_refused(test_file("text.gz", "text", 4), RDD_E_INPUT, "not a gzip file");
    assert_refused(test_file("text.zst", "text", 4), RDD_E_INPUT, "not a zstd file");
    assert_refused(test_file("empty.gz", "", 0), RDD_E_INPUT, "not a gzip file");
    input_file file;
    assert_int_equal(
        input_file_stat(test_file("unnamed", "\x1f\x8b\x08", 3), NULL, &memory, &file, NULL), 0);
    assert_int_equal(file.format, INPUT_GZIP);
}

/* In the directory of the test: its parents are closed to others. */
static bool refuses_unreadable(void)
{
    static const struct {
        const char *path, *message;
    } cases[] = {
        { "secret.csv", "secret.csv: cannot open: Permission denied" },
        { "closed", "closed: cannot open: Permission denied" },
        { "closed/*", "closed/*: cannot list closed" },
        { "mixed", "mixed/b: cannot open: Permission denied" },
    };
    if (chdir(test_dir()) || (getuid() == 0 && setuid(65534)))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        rdd_error err = { 0 };
        if (expand(cases[i].path, "", &err) || err.code != RDD_E_IO ||
            !strstr(err.message, cases[i].message)) {
            fprintf(stderr, "%s: %s\n", cases[i].path, err.message);
            return false;
        }
    }
    return true;
}

static void unreadable_files_are_errors(void **state)
{
    (void)state;
    assert_int_equal(chmod(test_dir(), 0755), 0);
    assert_int_equal(chmod(test_file("secret.csv", "x", 1), 0), 0);
    directory("mixed");
    test_file("mixed/a", "x", 1);
    assert_int_equal(chmod(test_file("mixed/b", "x", 1), 0), 0);
    assert_int_equal(chmod(directory("closed"), 0111), 0);
    bool refused = in_child(refuses_unreadable);
    assert_int_equal(chmod(test_path("closed"), 0700), 0);
    assert_true(refused);
}

/* ---- standard input ------------------------------------------------------------------------- */

/* A pipe that a child writes `size` bytes into, each its index. */
static int pipe_of(size_t size, pid_t *ret_pid)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fflush(NULL);
    *ret_pid = fork();
    assert_true(*ret_pid >= 0);
    if (*ret_pid)
        return close(ends[1]), ends[0];
    close(ends[0]); /* or the reader's end would not be noticed */
    signal(SIGPIPE, SIG_DFL);
    for (size_t at = 0; at < size;) {
        char piece[5000];
        size_t piece_size = size_min(sizeof piece, size - at);
        for (size_t i = 0; i < piece_size; i++)
            piece[i] = (char)(at + i);
        ssize_t done = write(ends[1], piece, piece_size);
        if (done < 0)
            _exit(1);
        at += (size_t)done;
    }
    _exit(0);
}

static size_t entries(const char *path)
{
    size_t count = 0;
    DIR *dir = opendir(path);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count - 2;
}

static void spooled_bytes_can_be_read_twice(void **state)
{
    (void)state;
    enum { SIZE = 1000000 };
    setenv("TMPDIR", directory("spool"), 1);
    pid_t pid;
    int fd = pipe_of(SIZE, &pid);
    input_spool spool = { 0 };
    assert_int_equal(input_spool_fd(fd, "standard input", &spool, NULL), 0);
    close(fd);
    waitpid(pid, NULL, 0);
    if (!spool.temporary)
        assert_int_equal(entries(test_path("spool")), 0); /* it has no name */

    input_file file;
    assert_int_equal(input_file_stat(spool.path, "standard input", &memory, &file, NULL), 0);
    assert_int_equal(file.size, SIZE);
    for (int round = 0; round < 2; round++) {
        CLEANUP(input_freep) input *in = NULL;
        CLEANUP(freep) char *data = malloc(SIZE);
        assert_int_equal(input_open(input_provider_local(), &file, 0, INPUT_END, &in, NULL), 0);
        assert_int_equal(input_read_full(in, data, SIZE, NULL), SIZE);
        for (size_t i = 0; i < SIZE; i++)
            assert_true(data[i] == (char)i);
    }
    const char *path = arena_strdup(&memory, spool.path);
    input_spool_release(&spool);
    input_spool_release(&spool);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(entries(test_path("spool")), 0);
}

static void an_empty_input_spools(void **state)
{
    (void)state;
    int fd = open("/dev/null", O_RDONLY);
    input_spool spool = { 0 };
    assert_int_equal(input_spool_fd(fd, "standard input", &spool, NULL), 0);
    close(fd);
    input_file file;
    assert_int_equal(input_file_stat(spool.path, "standard input", &memory, &file, NULL), 0);
    assert_int_equal(file.size, 0);
    input_spool_release(&spool);
}

static void spooling_says_what_failed(void **state)
{
    (void)state;
    input_spool spool = { 0 };
    rdd_error err = { 0 };
    int fd = open("/", O_RDONLY | O_DIRECTORY);
    assert_int_equal(input_spool_fd(fd, "standard input", &spool, &err), RDD_E_IO);
    close(fd);
    assert_non_null(strstr(err.message, "standard input: cannot read at byte 0: Is a directory"));
    assert_null(spool.path);
    setenv("TMPDIR", "/nowhere", 1);
    assert_int_equal(input_spool_fd(0, "standard input", &spool, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "standard input: cannot make a file in /nowhere"));
}

/* Spools more than fits and checks that the message has `reason` and nothing is left. */
static bool spool_too_much(const char *path, const char *reason)
{
    setenv("TMPDIR", path, 1);
    pid_t pid;
    int fd = pipe_of(MIB(4), &pid);
    input_spool spool = { 0 };
    rdd_error err = { 0 };
    int code = input_spool_fd(fd, "standard input", &spool, &err);
    close(fd);
    waitpid(pid, NULL, 0);
    if (code == RDD_E_IO && strstr(err.message, "standard input: cannot keep more than") &&
        strstr(err.message, path) && strstr(err.message, reason) && strstr(err.message, "TMPDIR") &&
        entries(path) == 0 && !spool.path)
        return true;
    fprintf(stderr, "%s\n", err.message);
    return false;
}

static bool spool_past_the_file_limit(void)
{
    signal(SIGXFSZ, SIG_IGN);
    struct rlimit limit = { MIB(1), MIB(1) };
    return !setrlimit(RLIMIT_FSIZE, &limit) &&
           spool_too_much(test_path("limited"), "File too large");
}

static bool can_mount(void)
{
    return !unshare(CLONE_NEWNS) && !mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) &&
           !mount("none", test_path("full"), "tmpfs", 0, "size=1m");
}

static bool spool_on_a_full_disk(void)
{
    return can_mount() && spool_too_much(test_path("full"), "No space left on device");
}

static void a_write_that_fails_leaves_nothing(void **state)
{
    (void)state;
    directory("limited");
    assert_true(in_child(spool_past_the_file_limit));
}

static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    directory("full");
    if (!in_child(can_mount))
        TEST_SKIP("a full disk needs the right to mount a tmpfs");
    assert_true(in_child(spool_on_a_full_disk));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_is_itself),
        cmocka_unit_test(a_directory_is_its_files_by_name),
        cmocka_unit_test(a_directory_without_files_is_an_error),
        cmocka_unit_test(a_glob_is_what_matches),
        cmocka_unit_test(a_name_that_looks_like_a_glob_wins),
        cmocka_unit_test(several_paths_keep_their_order),
        cmocka_unit_test(missing_paths_are_errors),
        cmocka_unit_test(only_regular_files_are_read),
        cmocka_unit_test(an_archive_by_name_must_be_one),
        cmocka_unit_test(unreadable_files_are_errors),
        cmocka_unit_test(spooled_bytes_can_be_read_twice),
        cmocka_unit_test(an_empty_input_spools),
        cmocka_unit_test(spooling_says_what_failed),
        cmocka_unit_test(a_write_that_fails_leaves_nothing),
        cmocka_unit_test(a_full_disk_leaves_nothing),
    };
    int failed = TEST_MAIN(argc, argv, tests);
    arena_release(&memory);
    return failed;
}
