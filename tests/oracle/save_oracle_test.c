/* save_oracle_test.c: whole programs that save, under every master: the same bytes, retries and
 * crashes that leave no trace, failures that leave nothing, ^C that cleans up.
 *
 * A test starts this program again, as `save_oracle_test program NAME DIR --master …`, and it is
 * then one of those in save_programs.c.
 */
#include "save_programs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../unit/full_disk.h"
#include "test.h"

extern char **environ;

/* -- Running them ------------------------------------------------------------------------------ */

/* The last is a local cluster that shares no files with its driver. */
static const char *const MASTERS[] = { "local[1]", "local[3,4]", "local-cluster[2,2]", "remote" };
enum { MASTER_COUNT = sizeof MASTERS / sizeof MASTERS[0] };

typedef struct ended {
    int status;           /* of waitpid */
    char out[256 << 10];  /* what it said on standard output, */
    char errors[8 << 10]; /* and the beginning of its standard error */
} ended;

typedef struct running {
    pid_t pid;
    FILE *out, *errors; /* files without a name */
} running;

/* `out` becomes its standard output; -1: a file. */
static running program_start_with(int out, const char *name, const char *dir, const char *master)
{
    running p = { .out = tmpfile(), .errors = tmpfile() };
    assert_non_null(p.out);
    assert_non_null(p.errors);
    posix_spawn_file_actions_t actions;
    assert_int_equal(posix_spawn_file_actions_init(&actions), 0);
    posix_spawn_file_actions_adddup2(&actions, out >= 0 ? out : fileno(p.out), 1);
    posix_spawn_file_actions_adddup2(&actions, fileno(p.errors), 2);
    bool remote = !strcmp(master, "remote");
    const char *conf = remote ? "debug.remote_files=true" : "debug.remote_files=false";
    if (remote)
        master = "local-cluster[2,2]";
    char *const arguments[] = { (char *)(uintptr_t)"save_oracle_test", (char *)(uintptr_t)"program",
                                (char *)(uintptr_t)name, (char *)(uintptr_t)dir,
                                (char *)(uintptr_t)"--master", (char *)(uintptr_t)master,
                                (char *)(uintptr_t)"--conf", (char *)(uintptr_t)conf,
                                (char *)(uintptr_t)"--quiet", NULL };
    assert_int_equal(posix_spawn(&p.pid, "/proc/self/exe", &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    return p;
}

static running program_start(const char *name, const char *dir, const char *master)
{
    return program_start_with(-1, name, dir, master);
}

static void file_read(FILE *file, char *text, size_t size)
{
    rewind(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

static void program_wait(running *p, ended *ret)
{
    assert_int_equal(waitpid(p->pid, &ret->status, 0), p->pid);
    file_read(p->out, ret->out, sizeof ret->out);
    file_read(p->errors, ret->errors, sizeof ret->errors);
}

static ended *run(const char *name, const char *dir, const char *master)
{
    static ended e;
    running p = program_start(name, dir, master);
    program_wait(&p, &e);
    return &e;
}

static void run_well(const char *name, const char *dir, const char *master)
{
    ended *e = run(name, dir, master);
    if (e->status)
        fail_msg("%s on %s: status %d: %s", name, master, e->status, e->errors);
}

static const char *fresh_dir(void)
{
    static int number;
    char name[32];
    snprintf(name, sizeof name, "dir-%d", number++);
    const char *path = test_path(name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

static const char *in(const char *dir, const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}

static char *content(const char *path, size_t *ret_size)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    if (!file || fstat(fileno(file), &st) < 0)
        fail_msg("%s is not there", path);
    char *bytes = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, (size_t)st.st_size, file), (size_t)st.st_size);
    fclose(file);
    *ret_size = (size_t)st.st_size;
    return bytes;
}

static void assert_same_file(const char *a, const char *b)
{
    size_t size_a, size_b;
    char *bytes_a = content(a, &size_a), *bytes_b = content(b, &size_b);
    if (size_a != size_b || memcmp(bytes_a, bytes_b, size_a))
        fail_msg("%s and %s differ", a, b);
    free(bytes_a);
    free(bytes_b);
}

/* Everything below a directory, as "name/name " sorted, into `text`. */
static size_t tree(const char *dir, const char *below, char *text, size_t size, const char *other)
{
    struct dirent **entries;
    size_t files = 0;
    int count = scandir(dir, &entries, NULL, alphasort);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX * 2], name[PATH_MAX], twin[PATH_MAX * 2];
        snprintf(path, sizeof path, "%s/%s", dir, entries[i]->d_name);
        snprintf(name, sizeof name, "%s%s", below, entries[i]->d_name);
        snprintf(twin, sizeof twin, "%s/%s", other ? other : "", entries[i]->d_name);
        bool is_dir = entries[i]->d_type == DT_DIR, dots = entries[i]->d_name[0] == '.' &&
                      (!entries[i]->d_name[1] || !strcmp(entries[i]->d_name, ".."));
        free(entries[i]);
        if (dots)
            continue;
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s%s ", name, is_dir ? "/" : "");
        if (is_dir) {
            strncat(name, "/", sizeof name - strlen(name) - 1);
            files += tree(path, name, text, size, other ? twin : NULL);
        } else {
            files++;
            if (other)
                assert_same_file(path, twin);
        }
    }
    free(entries);
    return files;
}

static void assert_names(const char *dir, const char *wanted)
{
    char text[8192] = "";
    tree(dir, "", text, sizeof text, NULL);
    assert_string_equal(text, wanted);
}

static void assert_same_trees(const char *a, const char *b, size_t files_least)
{
    char names_a[8192] = "", names_b[8192] = "";
    assert_true(tree(a, "", names_a, sizeof names_a, b) >= files_least);
    tree(b, "", names_b, sizeof names_b, NULL);
    assert_string_equal(names_a, names_b);
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void every_master_saves_the_same_bytes(void **state)
{
    (void)state;
    const char *dirs[MASTER_COUNT];
    for (size_t m = 0; m < MASTER_COUNT; m++) {
        dirs[m] = strdup(fresh_dir());
        run_well("everything", dirs[m], MASTERS[m]);
        if (m)
            assert_same_trees(dirs[0], dirs[m], 40);
    }
    size_t size;
    char *rows = content(in(dirs[0], "rows.csv"), &size);
    static const char HEAD[] = "id,text,of 0,id,text,of 0,of 1,of 1,of 2,of 2,of 3,of 3,of 4,of 4\n"
                               "0,\"a \"\"0\"\",\nb\",x,0,\"a \"\"0\"\",\nb\",x,,,,,,,,\n1,,x,,,";
    assert_memory_equal(rows, HEAD, sizeof HEAD - 1);
    free(rows);
    char *none = content(in(dirs[0], "none.csv"), &size);
    assert_int_equal(size, 0);
    free(none);
    char *nobody = content(in(dirs[0], "nobody.csv"), &size);
    assert_string_equal(nobody, "id,name,half,even\n");
    free(nobody);
    for (size_t m = 0; m < MASTER_COUNT; m++)
        free((void *)(uintptr_t)dirs[m]);
}

static void a_saved_csv_comes_back(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    run_well("again", dir, MASTERS[1]);
    assert_names(dir, "a.csv b.csv c.csv ");
    assert_same_file(in(dir, "a.csv"), in(dir, "b.csv"));
}

static void retries_leave_no_trace(void **state)
{
    (void)state;
    const char *wanted = fresh_dir();
    run_well("unharmed", wanted, MASTERS[0]);
    for (size_t m = 1; m < MASTER_COUNT; m++) {
        const char *dir = fresh_dir();
        run_well("retried", dir, MASTERS[m]);
        assert_same_trees(wanted, dir, 1);
    }
    const char *dir = fresh_dir();
    run_well("crashed", dir, "local-cluster[2,2]");
    assert_same_trees(wanted, dir, 1);
    dir = fresh_dir();
    run_well("crashed", dir, "remote");
    assert_same_trees(wanted, dir, 1);
}

static void assert_failure(const char *program, const char *message)
{
    for (size_t m = 0; m < MASTER_COUNT; m++) {
        const char *dir = fresh_dir();
        ended *e = run(program, dir, MASTERS[m]);
        if (!WIFEXITED(e->status) || WEXITSTATUS(e->status) == 0 || !strstr(e->errors, message))
            fail_msg("%s on %s: status %d: %s", program, MASTERS[m], e->status, e->errors);
        assert_names(dir, "");
    }
}

static void failures_leave_nothing(void **state)
{
    (void)state;
    assert_failure("failing", "this never works");
    assert_failure("failing_pipe", "ended with status 7; its last words: sorry");
    assert_failure("bad_text", "UTF-8");
    assert_failure("wrong_type", "save_csv wants rows or structs");
}

static void what_is_there_is_kept(void **state)
{
    (void)state;
    for (size_t m = 0; m < MASTER_COUNT; m++) {
        const char *dir = fresh_dir();
        FILE *file = fopen(in(dir, "taken"), "w");
        assert_non_null(file);
        fputs("mine", file);
        fclose(file);
        ended *e = run("taken", dir, MASTERS[m]);
        assert_true(WIFEXITED(e->status) && WEXITSTATUS(e->status) != 0);
        assert_non_null(strstr(e->errors, "taken: is there already"));
        assert_non_null(strstr(e->errors, "save_programs.c:"));
        size_t size;
        char *bytes = content(in(dir, "taken"), &size);
        assert_string_equal(bytes, "mine");
        free(bytes);
        assert_names(dir, "taken ");
    }
    const char *dir = fresh_dir();
    ended *e = run("two_at_once_on_one_name", dir, MASTERS[0]);
    assert_true(WIFEXITED(e->status) && WEXITSTATUS(e->status) != 0);
    assert_names(dir, "out.txt ");
}

static void a_full_disk_is_said_and_cleared(void **state)
{
    (void)state;
    const char *disk = full_disk(1 << 20);
    if (!disk)
        TEST_SKIP("mounting a tiny file system needs root");
    for (size_t m = 0; m < MASTER_COUNT; m++) {
        ended *e = run("too_large", disk, MASTERS[m]);
        assert_true(WIFEXITED(e->status) && WEXITSTATUS(e->status) != 0);
        if (!strstr(e->errors, "no space left on device while writing") ||
            !strstr(e->errors, "partial files were removed"))
            fail_msg("%s: %s", MASTERS[m], e->errors);
        assert_names(disk, "");
    }
    full_disk_remove();
}

static void standard_output_is_one_of_the_places(void **state)
{
    (void)state;
    const char *dir = fresh_dir();
    run_well("everything", dir, MASTERS[0]);
    size_t size;
    char *rows = content(in(dir, "rows.csv"), &size);
    for (size_t m = 0; m < MASTER_COUNT; m++) {
        ended *e = run("standard_output", dir, MASTERS[m]);
        assert_int_equal(e->status, 0);
        assert_int_equal(strncmp(e->out, "before\n", 7), 0);
        assert_memory_equal(e->out + 7, rows, size);
        assert_string_equal(e->out + 7 + size, "after\n");
    }
    free(rows);
}

/* ^C while a task runs: the program says 130 and nothing of the output is left. */
static void an_interrupt_cleans_up(void **state)
{
    (void)state;
    for (size_t m = 0; m < MASTER_COUNT; m++) {
        const char *dir = fresh_dir();
        char bell_path[PATH_MAX];
        snprintf(bell_path, sizeof bell_path, "%s.bell", dir);
        assert_int_equal(mkfifo(bell_path, 0600), 0);
        running p = program_start("endless", dir, MASTERS[m]);
        int fd = open(bell_path, O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        char byte;
        assert_int_equal(read(fd, &byte, 1), 1);
        close(fd);
        char names[8192] = "";
        tree(dir, "", names, sizeof names, NULL); /* the staging directory, and perhaps a part */
        assert_non_null(strstr(names, ".out.txt.rdd-"));
        assert_int_equal(kill(p.pid, SIGINT), 0);
        static ended e;
        program_wait(&p, &e);
        if (!WIFEXITED(e.status) || WEXITSTATUS(e.status) != 130)
            fail_msg("%s: status %d: %s", MASTERS[m], e.status, e.errors);
        assert_names(dir, "");
    }
}

/* ^C while the output is put together: no job runs then, but there is a staging directory. */
static void an_interrupted_commit_cleans_up(void **state)
{
    (void)state;
    const char *dir = fresh_dir(), *old = getenv("TMPDIR");
    char *kept = old ? strdup(old) : NULL;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(setenv("TMPDIR", dir, 1), 0); /* that is where a stream's parts wait */
    running p = program_start_with(ends[1], "large_standard_output", dir, MASTERS[1]);
    close(ends[1]);
    if (kept)
        setenv("TMPDIR", kept, 1);
    else
        unsetenv("TMPDIR");
    free(kept);
    static char chunk[1 << 16];
    size_t size = 0;
    for (ssize_t got; (got = read(ends[0], chunk, size ? sizeof chunk : 1)) > 0;) {
        if (!size)
            assert_int_equal(kill(p.pid, SIGINT), 0);
        size += (size_t)got;
    }
    close(ends[0]);
    static ended e;
    program_wait(&p, &e);
    assert_true(WIFEXITED(e.status));
    bool whole = size > 30000 * 1024; /* it may have been quicker */
    if (WEXITSTATUS(e.status) != 130 && !(whole && !e.status))
        fail_msg("status %d after %zu bytes: %s", e.status, size, e.errors);
    assert_names(dir, "");
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    if (argc == 4 && !strcmp(argv[1], "program")) {
        save_program(ctx, argv[2], argv[3]);
        return rdd_finish(ctx);
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_master_saves_the_same_bytes),
        cmocka_unit_test(a_saved_csv_comes_back),
        cmocka_unit_test(retries_leave_no_trace),
        cmocka_unit_test(failures_leave_nothing),
        cmocka_unit_test(what_is_there_is_kept),
        cmocka_unit_test(a_full_disk_is_said_and_cleared),
        cmocka_unit_test(standard_output_is_one_of_the_places),
        cmocka_unit_test(an_interrupt_cleans_up),
        cmocka_unit_test(an_interrupted_commit_cleans_up),
    };
    int failed = TEST_MAIN(argc, argv, tests);
    return rdd_finish(ctx) || failed;
}
