/* Deploying this very program with real shells, as far as HELLO; what nodes may say instead; and what
 * is left. */
#include "deploy_rig.h"

#include "node_cache.h"
#include "workdir.h"

#include <dirent.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>

static char *in_home(const node *n, const char *name)
{
    static char paths[8][1000];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%.399s/%.500s", n->home, name);
    return path;
}

static size_t count_in(const char *path)
{
    DIR *d = opendir(path);
    size_t count = 0;
    for (struct dirent *e; d && (e = readdir(d));)
        count += e->d_name[0] != '.';
    if (d)
        closedir(d);
    return count;
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

/* Nothing but files and bundles is in the cache. */
static void expect_tidy(const node *n)
{
    assert_int_equal(count_in(in_home(n, ".cache/rdd/use")), 0);
    assert_int_equal(count_in(in_home(n, ".cache/rdd/work")), 0);
    assert_int_equal(count_in(in_home(n, ".cache/rdd")), 4);
}

/* -- Shells ------------------------------------------------------------------------------------ */

static void expect_cold_and_warm(node *n)
{
    assert_int_equal(node_expect_start(n), test_bundle()->size);
    assert_int_equal(node_expect_start(n), 0);
    expect_tidy(n);
}

static void goes_cold_and_warm(void **state)
{
    (void)state;
    node n = node_new("plain");
    expect_cold_and_warm(&n);
}

static void any_login_shell_will_do(void **state)
{
    (void)state;
    static const char *const SHELLS[][2] = {
        { "/bin/bash" }, { "/bin/dash" }, { "/bin/busybox", "sh" }, { "/usr/bin/fish" },
        { "/bin/tcsh" }, { "/bin/csh" }, { "/bin/zsh" }, { "/bin/mksh" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(SHELLS); i++) {
        if (access(SHELLS[i][0], X_OK))
            continue;
        char name[32];
        snprintf(name, sizeof name, "shell%zu", i);
        node n = node_new(name);
        n.shell[0] = SHELLS[i][0];
        n.shell[1] = SHELLS[i][1];
        expect_cold_and_warm(&n);
    }
}

/* The script's own sh, and each of its commands, are others. */
static void enter_tools(node *n)
{
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount(n->shell[3], "/bin/sh", NULL, MS_BIND, NULL))
        _exit(99);
}

static bool is_root(void)
{
    return geteuid() == 0;
}

/* A directory with these commands alone, each of busybox. */
static void make_tools(const node *n, const char *const *names)
{
    assert_int_equal(mkdir(in_home(n, "bin"), 0755), 0);
    for (size_t i = 0; names[i]; i++) {
        char name[64];
        snprintf(name, sizeof name, "bin/%s", names[i]);
        assert_int_equal(symlink("/bin/busybox", in_home(n, name)), 0);
    }
}

static const char *path_variable(const node *n)
{
    static char text[600];
    snprintf(text, sizeof text, "PATH=%s", in_home(n, "bin"));
    return text;
}

static void the_commands_of_busybox_will_do(void **state)
{
    (void)state;
    static const char *const NAMES[] = { "mkdir", "dd", "chmod", "mv", "ln", "rm", "uname", "id", NULL };
    node n = node_new("busybox");
    make_tools(&n, NAMES);
    n.path = path_variable(&n);
    expect_cold_and_warm(&n);
    if (!is_root())
        TEST_SKIP("putting another /bin/sh in place needs root");
    static const char *const SHELLS[] = { "/bin/busybox", "/bin/bash" };
    for (size_t i = 0; i < ARRAY_SIZE(SHELLS); i++) {
        char name[32];
        snprintf(name, sizeof name, "sh%zu", i);
        node other = node_new(name);
        make_tools(&other, NAMES);
        other.path = path_variable(&other);
        other.shell[0] = "/bin/bash";
        other.shell[3] = SHELLS[i];
        other.enter = enter_tools;
        expect_cold_and_warm(&other);
    }
}

static void a_missing_command_is_named(void **state)
{
    (void)state;
    static const char *const NAMES[] = { "mkdir", "dd", "chmod", "mv", "ln", "rm", "uname", "id" };
    for (size_t i = 0; i < ARRAY_SIZE(NAMES); i++) {
        const char *some[ARRAY_SIZE(NAMES)] = { 0 };
        size_t count = 0;
        for (size_t k = 0; k < ARRAY_SIZE(NAMES); k++)
            if (k != i)
                some[count++] = NAMES[k];
        char name[32], text[64];
        snprintf(name, sizeof name, "without%zu", i);
        snprintf(text, sizeof text, "n1: deploying: there is no `%s` on it", NAMES[i]);
        node n = node_new(name);
        make_tools(&n, some);
        n.path = path_variable(&n);
        node_expect_failure(&n, text);
    }
}

static void what_a_login_shell_prints_is_skipped(void **state)
{
    (void)state;
    node n = node_new("prints");
    n.before = "echo Welcome to n1; printf 'no line end'; echo warning >&2; ";
    expect_cold_and_warm(&n);
    n.before = "dd if=/dev/zero bs=60000 count=1 2>/dev/null; ";
    assert_int_equal(node_expect_start(&n), 0);
    n.before = "dd if=/dev/zero bs=70000 count=1 2>/dev/null; ";
    node_expect_failure(&n, "more than 65536 bytes came that are not ours");
}

static void a_command_that_is_not_ours_is_quoted(void **state)
{
    (void)state;
    node n = node_new("forced");
    n.before = "echo This account is for 'git' only; exit 1; ";
    node_expect_failure(&n, "did not run /bin/sh: it ended, said \"This account is for git only\"");
    n.before = "echo cannot fork >&2; exit 1; ";
    node_expect_failure(&n, "said \"cannot fork\"");
    /* One that prints what it was asked to run is no answer. */
    n.shell[0] = "/bin/echo";
    n.before = NULL;
    node_expect_failure(&n, "is there a forced command");
}

/* -- Caches ------------------------------------------------------------------------------------ */

static const char *file_of(const node *n, size_t index)
{
    char name[128];
    snprintf(name, sizeof name, ".cache/rdd/files/%s", test_bundle()->files[index].hash);
    return in_home(n, name);
}

static const char *bundle_of(const node *n)
{
    char name[128];
    snprintf(name, sizeof name, ".cache/rdd/bundles/%s", test_bundle()->hash);
    return in_home(n, name);
}

static void only_what_is_missing_is_sent(void **state)
{
    (void)state;
    node n = node_new("partial");
    expect_cold_and_warm(&n);
    const bundle *b = test_bundle();
    size_t program = b->has_loader;
    /* A rebuilt program: other files are there, its bundle is not. */
    assert_int_equal(unlink(file_of(&n, program)), 0);
    assert_true(node_expect_start(&n) == b->files[program].size);
    char line[600];
    snprintf(line, sizeof line, "rm -r %s", bundle_of(&n));
    assert_int_equal(system(line), 0);
    assert_int_equal(node_expect_start(&n), 0);
    assert_true(exists(bundle_of(&n)));
    assert_int_equal(unlink(file_of(&n, 0)), 0);
    assert_int_equal(unlink(file_of(&n, b->count - 1)), 0);
    assert_true(node_expect_start(&n) == b->files[0].size + b->files[b->count - 1].size);
    expect_tidy(&n);
}

static void a_stale_cache_is_installed_again(void **state)
{
    (void)state;
    node n = node_new("stale");
    expect_cold_and_warm(&n);
    const char *program = file_of(&n, test_bundle()->has_loader);
    assert_int_equal(chmod(program, 0600), 0);
    assert_int_equal(truncate(program, 1000), 0);
    n.reinstall = true;
    assert_int_equal(node_expect_start(&n), test_bundle()->size);
    n.reinstall = false;
    assert_int_equal(node_expect_start(&n), 0);
    expect_tidy(&n);
}

static void several_at_once_are_fine(void **state)
{
    (void)state;
    enum { COUNT = 4 };
    for (int round = 0; round < 3; round++) {
        char name[32];
        snprintf(name, sizeof name, "several%d", round);
        node n = node_new(name);
        start s[COUNT];
        bool running[COUNT];
        for (int i = 0; i < COUNT; i++) {
            s[i] = node_begin(&n);
            running[i] = true;
        }
        for (size_t left = COUNT; left;) {
            size_t i = test_random() % COUNT;
            if (running[i] && !start_turn(&s[i], 1 + test_random() % (4 << 20))) {
                running[i] = false;
                left--;
            }
        }
        for (int i = 0; i < COUNT; i++)
            start_expect_hello(&s[i]);
        for (int i = 0; i < COUNT; i++)
            assert_int_equal(start_end(&s[i]), 0);
        assert_int_equal(node_expect_start(&n), 0);
        expect_tidy(&n);
    }
}

/* The driver is gone in the middle of an upload, at any byte: nothing stays but whole files. */
static void an_upload_that_is_cut_leaves_nothing(void **state)
{
    (void)state;
    node n = node_new("cut");
    for (int i = 0; i < 10; i++) {
        start s = node_begin(&n);
        uint64_t until = test_random() % test_bundle()->size;
        while (deploy_uploaded(s.d) < until)
            assert_true(start_turn(&s, 1 + test_random() % 100000));
        start_end(&s);
        assert_int_equal(count_in(in_home(&n, ".cache/rdd")), 4);
        assert_int_equal(count_in(in_home(&n, ".cache/rdd/use")), 0);
        assert_int_equal(count_in(in_home(&n, ".cache/rdd/bundles")), 0);
    }
    expect_cold_and_warm(&n);
}

/* Uploads so much, and then neither sends anything nor closes: the link is cut. */
static start begin_cut_upload(node *n, uint64_t uploaded)
{
    start s = node_begin(n);
    while (deploy_uploaded(s.d) < uploaded || deploy_at(s.d) < DEPLOY_PROBE)
        assert_true(start_turn(&s, 100000));
    return s;
}

static void expect_given_up(const node *n, start *s)
{
    int status = start_wait(s); /* its channel is still open */
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 9);
    close(s->fd);
    start_release(s);
    assert_int_equal(count_in(in_home(n, ".cache/rdd")), 4);
    assert_int_equal(count_in(in_home(n, ".cache/rdd/use")), 0);
}

/* Whichever sh is there, in the middle of a file and before it. As long as something comes it goes on. */
static void an_upload_that_stands_still_is_given_up(void **state)
{
    (void)state;
    static const char *const SHELLS[] = { NULL, "/bin/bash", "/bin/dash", "/bin/busybox" };
    enum { COUNT = 2 * ARRAY_SIZE(SHELLS), SLOW_TURNS = 6, SILENCE_S = SLOW_TURNS - 2 };
    node nodes[COUNT], slow = node_new("slow");
    start starts[COUNT];
    size_t count = 0;
    for (size_t i = 0; i < COUNT; i++) {
        char name[32];
        const char *shell = SHELLS[i / 2];
        if (shell && (access(shell, X_OK) || !is_root()))
            continue;
        snprintf(name, sizeof name, "still%zu", i);
        nodes[count] = node_new(name);
        nodes[count].shell[0] = "/bin/bash";
        nodes[count].shell[3] = shell;
        nodes[count].enter = shell ? enter_tools : NULL;
        nodes[count].silence_s = SILENCE_S;
        starts[count] = begin_cut_upload(&nodes[count], i % 2 ? test_bundle()->size / 2 : 0);
        count++;
    }
    slow.silence_s = SILENCE_S;
    start s = begin_cut_upload(&slow, 1);
    for (int i = 0; i < SLOW_TURNS; i++) {
        for (uint64_t until = deploy_uploaded(s.d) + 200000; deploy_uploaded(s.d) < until;)
            assert_true(start_turn(&s, 100000));
        poll(NULL, 0, 1000);
    }
    while (start_turn(&s, SIZE_MAX))
        ;
    start_expect_hello(&s);
    assert_int_equal(start_end(&s), 0);
    expect_tidy(&slow);
    for (size_t i = 0; i < count; i++)
        expect_given_up(&nodes[i], &starts[i]);
    expect_cold_and_warm(&nodes[0]);
}

/* -- Directories ------------------------------------------------------------------------------- */

static void the_cache_may_be_elsewhere(void **state)
{
    (void)state;
    node n = node_new("elsewhere");
    static char variable[600];
    snprintf(variable, sizeof variable, "XDG_CACHE_HOME=%s/a b/with 'quotes'", n.home);
    n.environment[0] = variable;
    n.environment[1] = "LD_PRELOAD=/nowhere/liblog.so";
    n.environment[2] = "t=/etc";
    assert_int_equal(node_expect_start(&n), test_bundle()->size);
    assert_int_equal(node_expect_start(&n), 0);
    assert_true(exists(in_home(&n, "a b/with 'quotes'/rdd/bundles")));
    assert_false(exists(in_home(&n, ".cache")));
}

/* In a mount namespace of its own, /var/tmp and /dev/shm are what a test makes of them. `flags` of
 * the home's file system and of /var/tmp's. */
static unsigned long home_flags, var_flags, shm_flags;

static void enter_directories(node *n)
{
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        (home_flags && (mount(n->home, n->home, NULL, MS_BIND, NULL) ||
                        mount("none", n->home, NULL, MS_REMOUNT | MS_BIND | home_flags, NULL))) ||
        mount(in_home(n, "var"), "/var/tmp", NULL, MS_BIND, NULL) ||
        mount("none", "/var/tmp", NULL, MS_REMOUNT | MS_BIND | var_flags, NULL) ||
        mount(in_home(n, "shm"), "/dev/shm", NULL, MS_BIND, NULL) ||
        mount("none", "/dev/shm", NULL, MS_REMOUNT | MS_BIND | shm_flags, NULL))
        _exit(99);
}

static node directories_node(const char *name)
{
    node n = node_new(name);
    assert_int_equal(mkdir(in_home(&n, "var"), 0755), 0);
    assert_int_equal(mkdir(in_home(&n, "shm"), 0755), 0);
    n.enter = enter_directories;
    home_flags = var_flags = shm_flags = 0;
    return n;
}

static void another_directory_is_used_when_home_will_not_do(void **state)
{
    (void)state;
    if (!is_root())
        TEST_SKIP("a mount namespace needs root");
    char name[64];
    snprintf(name, sizeof name, "var/rdd-%u/bundles", geteuid());
    node n = directories_node("noexec");
    home_flags = MS_NOEXEC;
    assert_int_equal(node_expect_start(&n), test_bundle()->size);
    assert_int_equal(node_expect_start(&n), 0);
    assert_int_equal(count_in(in_home(&n, name)), 1);

    n = directories_node("readonly");
    home_flags = MS_RDONLY;
    assert_int_equal(node_expect_start(&n), test_bundle()->size);
    assert_int_equal(node_expect_start(&n), 0);

    n = directories_node("nowhere");
    home_flags = MS_NOEXEC;
    var_flags = MS_RDONLY;
    assert_int_equal(node_expect_start(&n), test_bundle()->size);
    shm_flags = MS_NOEXEC;
    node_expect_failure(&n, "n1: deploying: no directory there can be written and executed from: ");
    node_expect_failure(&n, "/var/tmp/rdd-0: mkdir: cannot create directory '/var/tmp/rdd-0': Read-only "
                            "file system; /dev/shm/rdd-0: nothing can be executed there (noexec?);");

    n = directories_node("allreadonly");
    home_flags = var_flags = shm_flags = MS_RDONLY;
    n.environment[0] = "LC_ALL=de_DE.UTF-8";
    node_expect_failure(&n, "n1: deploying: its file system is read-only: ");
    node_expect_failure(&n, "mount it for writing, or give it another directory, such as XDG_CACHE_HOME");
}

/* Somebody else made it, or it leads elsewhere. */
static void a_directory_of_others_is_not_used(void **state)
{
    (void)state;
    if (!is_root())
        TEST_SKIP("a mount namespace, and being somebody else, need root");
    node n = directories_node("symlink");
    assert_int_equal(mkdir(in_home(&n, ".cache"), 0755), 0);
    assert_int_equal(mkdir(in_home(&n, "other"), 0755), 0);
    assert_int_equal(symlink(in_home(&n, "other"), in_home(&n, ".cache/rdd")), 0);
    assert_int_equal(node_expect_start(&n), test_bundle()->size);
    assert_int_equal(count_in(in_home(&n, "other")), 0);
    node theirs = directories_node("theirs");
    assert_int_equal(mkdir(in_home(&theirs, ".cache"), 0755), 0);
    assert_int_equal(mkdir(in_home(&theirs, ".cache/rdd"), 0777), 0);
    assert_int_equal(chown(in_home(&theirs, ".cache/rdd"), 65534, 65534), 0);
    assert_int_equal(node_expect_start(&theirs), test_bundle()->size);
    assert_int_equal(count_in(in_home(&theirs, ".cache/rdd")), 0);
    node homeless = directories_node("homeless");
    homeless.environment[0] = "HOME=";
    assert_int_equal(node_expect_start(&homeless), test_bundle()->size);
    assert_int_equal(count_in(in_home(&homeless, "var")), 1);
}

static void enter_small_disk(node *n)
{
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", n->home, "tmpfs", 0, "size=2m"))
        _exit(99);
}

static void a_full_disk_is_named(void **state)
{
    (void)state;
    if (!is_root())
        TEST_SKIP("a small file system needs root");
    node n = node_new("full");
    n.enter = enter_small_disk;
    char text[100];
    snprintf(text, sizeof text, "n1: deploying: the disk is full, and %.1f MB are needed: %.40s",
             (double)test_bundle()->size / 1e6, n.home);
    node_expect_failure(&n, text);
}

/* Whatever the node's sh, and its commands, say of it. */
static void enter_full_disk(node *n)
{
    char line[1500];
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", "/var/tmp", "tmpfs", MS_RDONLY, NULL) ||
        mount("none", "/dev/shm", "tmpfs", MS_NOEXEC, NULL) ||
        (n->shell[3] && mount(n->shell[3], "/bin/sh", NULL, MS_BIND, NULL)))
        _exit(99);
    snprintf(line, sizeof line, "mount -t tmpfs -o size=64k none '%s' && mkdir -p '%s/.cache/rdd/use' && "
             "cat /dev/zero >'%s/full' 2>/dev/null", n->home, n->home, n->home);
    if (system(line) == -1)
        _exit(99);
}

static void a_disk_that_is_full_already_is_named(void **state)
{
    (void)state;
    static const char *const SHELLS[] = { NULL, "/bin/bash", "/bin/dash", "/bin/busybox" };
    if (!is_root())
        TEST_SKIP("a small file system needs root");
    for (size_t i = 0; i < ARRAY_SIZE(SHELLS); i++) {
        char name[32];
        if (SHELLS[i] && access(SHELLS[i], X_OK))
            continue;
        snprintf(name, sizeof name, "full%zu", i);
        node n = node_new(name);
        n.shell[0] = "/bin/bash";
        n.shell[3] = SHELLS[i];
        n.enter = enter_full_disk;
        node_expect_failure(&n, "n1: deploying: the disk is full: ");
        node_expect_failure(&n, "No space left on device; /var/tmp/rdd-0: ");
        node_expect_failure(&n, "; make room there, or run `rdd hosts clean`");
    }
}

/* -- Other nodes ------------------------------------------------------------------------------- */

static void another_machine_is_refused(void **state)
{
    (void)state;
    node n = node_new("machine");
    static const char *const NAMES[] = { "mkdir", NULL };
    make_tools(&n, NAMES);
    FILE *file = fopen(in_home(&n, "bin/uname"), "w");
    fputs("#!/bin/sh\necho Linux n1 aarch64\n", file);
    fclose(file);
    assert_int_equal(chmod(in_home(&n, "bin/uname"), 0755), 0);
    n.path = path_variable(&n);
    node_expect_failure(&n, "n1 is Linux aarch64, this program is Linux ");
}

/* -- The user's files -------------------------------------------------------------------------- */

static char *dump_of(pid_t pid, const char *name)
{
    static char path[100];
    snprintf(path, sizeof path, "/proc/%d/cwd/%s", (int)start_supervisor(pid), name);
    return path;
}

static void files_are_in_the_tasks_directory(void **state)
{
    (void)state;
    node n = node_new("files");
    bundle *files;
    rdd_error err;
    char list[2000];
    snprintf(list, sizeof list, "%s,%s", test_file("a model.bin", "12345", 5),
             test_file("empty", "", 0));
    assert_int_equal(bundle_of_paths(&files, list, &err), 0);
    n.files = files;
    uint64_t sent = test_bundle()->size + 5;
    for (int i = 0; i < 2; i++) {
        start s = node_start(&n);
        start_expect_hello(&s);
        assert_int_equal(deploy_uploaded(s.d), sent);
        struct stat st;
        assert_int_equal(stat(dump_of(s.pid, "a model.bin"), &st), 0);
        assert_int_equal(st.st_size, 5);
        assert_int_equal(stat(dump_of(s.pid, "empty"), &st), 0);
        assert_int_equal(st.st_size, 0);
        assert_int_equal(stat(dump_of(s.pid, "."), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_int_equal(start_end(&s), 0);
        sent = 0;
    }
    expect_tidy(&n);
    /* Others: they alone are sent. */
    bundle_free(files);
    assert_int_equal(bundle_of_paths(&files, test_file("b", "1234567", 7), &err), 0);
    n.files = files;
    static char place[800];
    snprintf(place, sizeof place, "%s/work here/deep", n.home);
    n.workdir = place;
    start s = node_start(&n);
    start_expect_hello(&s);
    assert_int_equal(deploy_uploaded(s.d), 7);
    assert_int_equal(count_in(n.workdir), 1);
    assert_int_equal(start_end(&s), 0);
    assert_int_equal(count_in(n.workdir), 0);
    bundle_free(files);
}

/* As a user whom a file's mode keeps from writing, though this is root. */
static void enter_without_override(node *n)
{
    (void)n;
    if (prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0))
        _exit(99);
}

static void expect_content(const char *path, const char *content)
{
    char text[64] = "";
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fread(text, 1, sizeof text - 1, file), strlen(content));
    assert_string_equal(text, content);
    fclose(file);
}

/* Who may write to them must not write to the cache. */
static void files_cannot_be_damaged(void **state)
{
    (void)state;
    node n = node_new("damage");
    bundle *files;
    rdd_error err;
    struct stat st;
    assert_int_equal(bundle_of_paths(&files, test_file("words.txt", "12345", 5), &err), 0);
    n.files = files;
    n.enter = is_root() ? enter_without_override : NULL;
    start s = node_start(&n);
    start_expect_hello(&s);
    assert_int_equal(lstat(dump_of(s.pid, "words.txt"), &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(dump_of(s.pid, "words.txt"), &st), 0);
    assert_int_equal(st.st_mode & 0277, 0);
    assert_int_equal(start_end(&s), 0);
    n.enter = NULL;
    for (int i = 0; is_root() && i < 2; i++) {
        s = node_start(&n);
        start_expect_hello(&s);
        const char *path = dump_of(s.pid, "words.txt");
        expect_content(path, "12345");
        assert_int_equal(lstat(path, &st), 0);
        assert_true(S_ISREG(st.st_mode));
        assert_int_equal(st.st_mode & 0677, 0600);
        FILE *file = fopen(path, "we");
        assert_non_null(file);
        fputs("other", file);
        fclose(file);
        assert_int_equal(start_end(&s), 0);
    }
    bundle_free(files);
    expect_tidy(&n);
}

/* -- What is left ------------------------------------------------------------------------------ */

static void what_a_killed_executor_left_is_removed(void **state)
{
    (void)state;
    node n = node_new("killed");
    start s = node_start(&n);
    start_expect_hello(&s);
    assert_int_equal(count_in(in_home(&n, ".cache/rdd/work")), 1);
    kill(start_supervisor(s.pid), SIGKILL);
    start_end(&s);
    assert_int_equal(count_in(in_home(&n, ".cache/rdd/work")), 1);
    assert_int_equal(count_in(in_home(&n, ".cache/rdd/use")), 1);
    /* Removing goes on beside the executor's work; it is over when it ended in peace, unless that was
     * at once. */
    for (int i = 0; i < 100 && count_in(in_home(&n, ".cache/rdd/work")); i++)
        node_expect_start(&n);
    for (int i = 0; i < 100 && count_in(in_home(&n, ".cache/rdd/use")); i++)
        node_expect_start(&n);
    expect_tidy(&n);
}

/* A program's bundle of one file and, if it is asked for, file 999. */
static void make_bundle(const node *n, size_t index, bool link_shared)
{
    char line[4000], shared[200] = "";
    if (link_shared)
        snprintf(shared, sizeof shared, "ln -s ../../files/%032x bundles/%032zx/shared && ", 999, index);
    snprintf(line, sizeof line,
             "cd '%s/.cache/rdd' && echo %zu >files/%032zx && mkdir bundles/%032zx && "
             "ln -s ../../files/%032zx bundles/%032zx/program && %s"
             "touch -d '2001-01-01 00:00:%02zu' bundles/%032zx", n->home, index, index, index, index,
             index, shared, index, index);
    assert_int_equal(system(line), 0);
}

static void old_bundles_are_removed(void **state)
{
    (void)state;
    node n = node_new("old");
    expect_cold_and_warm(&n);
    _Atomic bool stop = false;
    node_cache c;
    rdd_error err;
    char line[2000];
    /* As a start would: a claim of this process. */
    snprintf(line, sizeof line,
             "cd '%s/.cache/rdd' && echo shared >files/%032x && "
             "echo %032x - $(uname -n) %d >use/00000000000000aa && "
             "echo %032x - $(uname -n) %d >use/00000000000000bb && "
             "echo %032x - $(uname -n) 999999999 >use/00000000000000cc && mkdir tmp-00000000000000cc",
             n.home, 999, 1, (int)getpid(), 2, (int)getpid(), 3);
    assert_int_equal(system(line), 0);
    for (size_t i = 1; i <= 12; i++)
        make_bundle(&n, i, i == 12 || i == 4);
    assert_int_equal(node_cache_open(&c, in_home(&n, ".cache/rdd"), "00000000000000aa",
                                     test_bundle()->hash, NULL, &err), 0);
    node_cache_prune(&c, NODE_CACHE_KEEP, &stop);
    /* Eight, and the claimed 1 and 2. */
    assert_int_equal(count_in(in_home(&n, ".cache/rdd/bundles")), 10);
    for (size_t i = 1; i <= 12; i++) {
        snprintf(line, sizeof line, ".cache/rdd/bundles/%032zx", i);
        assert_int_equal(exists(in_home(&n, line)), i <= 2 || i >= 6);
        snprintf(line, sizeof line, ".cache/rdd/files/%032zx", i);
        assert_int_equal(exists(in_home(&n, line)), i <= 2 || i >= 6);
    }
    snprintf(line, sizeof line, ".cache/rdd/files/%032x", 999);
    assert_true(exists(in_home(&n, line)));
    assert_int_equal(count_in(in_home(&n, ".cache/rdd/use")), 2);
    node_cache_close(&c);
    assert_int_equal(count_in(in_home(&n, ".cache/rdd")), 4);
    assert_int_equal(unlink(in_home(&n, ".cache/rdd/use/00000000000000bb")), 0);
    assert_int_equal(node_expect_start(&n), 0);
}

static void run_clean(const node *n, const char *part)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        setenv("HOME", n->home, 1);
        unsetenv("XDG_CACHE_HOME");
        dup2(fds[1], 1);
        close(fds[0]);
        execl("/bin/bash", "bash", "-c", deploy_clean_command(), NULL);
        _exit(127);
    }
    close(fds[1]);
    char text[4096];
    size_t size = 0;
    for (ssize_t got; (got = read(fds[0], text + size, sizeof text - 1 - size)) > 0;)
        size += (size_t)got;
    text[size] = 0;
    close(fds[0]);
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    if (!strstr(text, part))
        fail_msg("\"%s\" should hold \"%s\"", text, part);
}

static void cleaning_spares_what_is_in_use(void **state)
{
    (void)state;
    node n = node_new("clean");
    start s = node_start(&n);
    start_expect_hello(&s);
    make_bundle(&n, 5, false);
    run_clean(&n, "/clean/.cache/rdd: cleaned but for what is in use by 1 running");
    assert_int_equal(count_in(in_home(&n, ".cache/rdd/bundles")), 1);
    assert_int_equal(count_in(in_home(&n, ".cache/rdd/work")), 1);
    assert_int_equal(start_end(&s), 0);
    assert_int_equal(node_expect_start(&n), 0);
    run_clean(&n, "/clean/.cache/rdd: removed");
    assert_false(exists(in_home(&n, ".cache/rdd")));
}

int main(int argc, char **argv)
{
    if (registry_seal(NULL) < 0)
        return 2;
    executor_entry(&argc, argv);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_cold_and_warm),
        cmocka_unit_test(any_login_shell_will_do),
        cmocka_unit_test(the_commands_of_busybox_will_do),
        cmocka_unit_test(a_missing_command_is_named),
        cmocka_unit_test(what_a_login_shell_prints_is_skipped),
        cmocka_unit_test(a_command_that_is_not_ours_is_quoted),
        cmocka_unit_test(only_what_is_missing_is_sent),
        cmocka_unit_test(a_stale_cache_is_installed_again),
        cmocka_unit_test(several_at_once_are_fine),
        cmocka_unit_test(an_upload_that_is_cut_leaves_nothing),
        cmocka_unit_test(an_upload_that_stands_still_is_given_up),
        cmocka_unit_test(the_cache_may_be_elsewhere),
        cmocka_unit_test(another_directory_is_used_when_home_will_not_do),
        cmocka_unit_test(a_directory_of_others_is_not_used),
        cmocka_unit_test(a_full_disk_is_named),
        cmocka_unit_test(a_disk_that_is_full_already_is_named),
        cmocka_unit_test(another_machine_is_refused),
        cmocka_unit_test(files_are_in_the_tasks_directory),
        cmocka_unit_test(files_cannot_be_damaged),
        cmocka_unit_test(what_a_killed_executor_left_is_removed),
        cmocka_unit_test(old_bundles_are_removed),
        cmocka_unit_test(cleaning_spares_what_is_in_use),
    };
    int failed = TEST_MAIN(argc, argv, tests);
    bundle_free(program_);
    return failed;
}
