/* torture: a small job, once for each allocation of it, which fails. It must end well all the same,
 * or with one line that says that memory is out: no crash, no hang, no file left and, under the
 * address sanitizer, no leak.
 *
 *     torture DIR [in ROLE] [every K] [seed N] [only N]     the options of rdd_init may follow
 *
 * Each job is a process of its own, forked before the library has begun. Allocations are those of
 * the library's own code (it is linked with malloc and its kin wrapped). `every K` takes only one
 * in K of them, beginning by the seed; `only N` takes the N-th alone.
 *
 * ROLE is driver (the default), supervisor or worker. Of the latter two the first process that comes
 * to its N-th allocation is the one in which it fails, and the job must end well: another takes its
 * place.
 */
#include <rdd.h>

#include <dirent.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { FRAMES_MAX = 12, TIMEOUT_S = 60, SHOWN_MAX = 10 };

/* ---- allocations that fail ----------------------------------------------------------------------
 * */

/* Shared by the process that watches and the one that is tortured. */
static struct shared {
    atomic_long count; /* of allocations so far */
    long fail_at;      /* from 1; 0: none */
    atomic_bool failed;
    void *frames[FRAMES_MAX];
    int frame_count;
} *shared;

static atomic_bool armed;
static const char *sign; /* of an executor's process: the directory that the first one makes */

/* An executor's process leaves the place in the sign, as nobody sees its memory. */
static void leave_place(void)
{
    char path[620];
    snprintf(path, sizeof path, "%s/place", sign);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
    backtrace_symbols_fd(shared->frames, shared->frame_count, fd);
    close(fd);
}

static bool fails_now(void)
{
    if (!atomic_load_explicit(&armed, memory_order_relaxed))
        return false;
    if (atomic_fetch_add(&shared->count, 1) + 1 != shared->fail_at)
        return false;
    if (sign && mkdir(sign, 0777) < 0) /* another process was the first */
        return false;
    shared->frame_count = backtrace(shared->frames, FRAMES_MAX);
    atomic_store(&shared->failed, true);
    if (sign)
        leave_place();
    errno = ENOMEM;
    return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t size);
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails_now() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t size)
{
    return fails_now() ? NULL : __real_strndup(text, size);
}

int __wrap_asprintf(char **ret, const char *format, ...)
{
    if (fails_now())
        return -1;
    va_list args;
    va_start(args, format);
    int size = vasprintf(ret, format, args);
    va_end(args);
    return size;
}

/* ---- the job ------------------------------------------------------------------------------------
 * */

enum { COUNT = 2000, PARTITIONS = 4 };

RDD_STRUCT(text_env, (rdd_str, before));

RDD_MAP(tell, int64_t, x, rdd_str, text_env)
{
    return rdd_format(task, "%.*s %lld", (int)env->before.size, env->before.data, (long long)x);
}

RDD_FILTER(is_even, rdd_str, text)
{
    return (text.data[text.size - 1] - '0') % 2 == 0;
}

/* 3 when the results are wrong. */
static int run_job(int argc, char **argv, const char *output)
{
    static int64_t numbers[COUNT];
    for (int i = 0; i < COUNT; i++)
        numbers[i] = i;
    rdd_context *ctx = rdd_init(&argc, argv);
    rdd *all = rdd_parallelize(ctx, int64_t, numbers, COUNT, .partitions = PARTITIONS,
                               .name = "the numbers");
    rdd *told = rdd_map(all, RDD_WITH(tell, .before = RDD_STR("number")));
    rdd *even = rdd_filter(told, is_even);
    size_t count;
    const rdd_str *texts = rdd_collect(even, rdd_str, &count);
    bool wrong = texts && (count != COUNT / 2 || !rdd_str_equal(texts[499], RDD_STR("number 998")));
    rdd_free(ctx, texts);
    rdd_save_text(even, output);
    int status = rdd_finish(ctx);
    return status ? status : wrong ? 3 : 0;
}

static bool file_is_right(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[64], expected[64];
    int at = 0;
    for (; file && fgets(line, sizeof line, file); at += 2) {
        snprintf(expected, sizeof expected, "number %d\n", at);
        if (strcmp(line, expected) != 0)
            break;
    }
    if (file)
        fclose(file);
    return at == COUNT;
}

/* ---- executors: what to do comes in the environment ------------------------------------------ */

static const char VARIABLE[] = "RDD_TORTURE"; /* "supervisor 17 /tmp/x/failed" */

/* An executor's process arms itself. Nobody sees what it counts. */
static void arm_executor(const char *role)
{
    static struct shared own;
    static char order_role[32], order_sign[600];
    const char *order = getenv(VARIABLE);
    shared = &own;
    if (order && sscanf(order, "%31s %ld %599s", order_role, &own.fail_at, order_sign) == 3 &&
        strncmp(role, order_role, strlen(order_role)) == 0) {
        sign = order_sign;
        atomic_store(&armed, true);
    }
}

/* ---- one run ------------------------------------------------------------------------------------
 * */

static const char *directory, *tortured = "driver";

static void path_of(const char *name, char path[600])
{
    snprintf(path, 600, "%s/%s", directory, name);
}

static _Noreturn void be_tortured(int argc, char **argv)
{
    char output[600], errors[600];
    path_of("out", output);
    path_of("errors", errors);
    int fd = open(errors, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
    dup2(fd, STDERR_FILENO);
    close(fd);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (!strcmp(tortured, "driver")) {
        atomic_store(&armed, true);
    } else {
        char path[600], order[700];
        path_of("failed", path);
        snprintf(order, sizeof order, "%s %ld %s", tortured, shared->fail_at, path);
        setenv(VARIABLE, order, 1);
    }
    int status = run_job(argc, argv, output);
    atomic_store(&armed, false);
    exit(status);
}

/* Its wait status, or -1 when it hung. */
static int wait_for(pid_t pid)
{
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    struct timespec timeout = { .tv_sec = TIMEOUT_S };
    int status;
    while (waitpid(pid, &status, WNOHANG) == 0)
        if (sigtimedwait(&child, NULL, &timeout) < 0 && errno == EAGAIN) {
            kill(pid, SIGABRT);
            waitpid(pid, &status, 0);
            return -1;
        }
    return status;
}

/* What stands in a file, cut, and how many lines it has. */
static int read_lines(const char *name, char *text, size_t size)
{
    char path[600];
    path_of(name, path);
    int fd = open(path, O_RDONLY), lines = 0;
    ssize_t got = fd >= 0 ? read(fd, text, size - 1) : 0;
    text[got > 0 ? got : 0] = 0;
    if (fd >= 0)
        close(fd);
    for (const char *c = text; *c; c++)
        lines += *c == '\n';
    return lines;
}

/* The name of a file that should not be there, or NULL. Removes the output. */
static const char *leftover(bool *ret_output)
{
    static char name[300];
    name[0] = 0;
    *ret_output = false;
    DIR *dir = opendir(directory);
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (!strcmp(e->d_name, "out"))
            *ret_output = true;
        else if (!strcmp(e->d_name, "failed"))
            shared->failed = true;
        else if (e->d_name[0] != '.' ? strcmp(e->d_name, "errors") != 0 : strlen(e->d_name) > 2)
            snprintf(name, sizeof name, "%s", e->d_name);
    }
    if (dir)
        closedir(dir);
    return name[0] ? name : NULL;
}

/* Lines about an executor that was given up for want of memory, after which all goes on. */
static int lines_of_losses(const char *errors)
{
    static const char end[] = "; what it had not finished runs again\n";
    int count = 0;
    for (const char *at = errors; (at = strstr(at, end)); at += sizeof end - 1)
        count++;
    return count;
}

/* Why a run was not as it should be, or NULL. */
static const char *judge(int status, const char *errors, int lines)
{
    int losses = lines_of_losses(errors);
    lines -= losses;
    char output[600];
    bool has_output;
    path_of("out", output);
    const char *left = leftover(&has_output);
    bool good = has_output && file_is_right(output);
    unlink(output);
    path_of("failed/place", output);
    unlink(output);
    path_of("failed", output);
    rmdir(output);
    if (status < 0)
        return "it hung";
    if (WIFSIGNALED(status))
        return "it crashed";
    if (left)
        return "a file was left";
    if (strcmp(tortured, "driver") != 0)
        return WEXITSTATUS(status) ? "it failed" : !good ? "the output is wrong" : NULL;
    if (losses && !strstr(errors, "out of memory"))
        return "an executor was lost for another reason";
    if (WEXITSTATUS(status) == 0)
        return !good   ? "it ended well and the output is wrong"
               : lines ? "it ended well and said so"
                       : NULL;
    if (WEXITSTATUS(status) == 3)
        return "what was collected is wrong";
    if (WEXITSTATUS(status) != 1)
        return "the exit status is neither 0 nor 1";
    if (has_output && !good) /* one job may fail and the other not */
        return "it failed and the output is not whole";
    if (lines != 1)
        return "it failed and did not say so in one line";
    return strstr(errors, "out of memory") ? NULL : "it did not say that memory is out";
}

static void show_failure(long n, int status, const char *why, const char *errors,
                         const char *place)
{
    printf("allocation %ld: %s (wait status %#x); it said:\n%s\nthe allocation:\n%s", n, why,
           (unsigned)status, errors, place);
    fflush(stdout);
    if (!*place)
        backtrace_symbols_fd(shared->frames, shared->frame_count, STDOUT_FILENO);
}

/* False: allocation `n` did not happen. */
static bool torture(long n, int argc, char **argv, int *failures)
{
    *shared = (struct shared){ .fail_at = n };
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0)
        be_tortured(argc, argv);
    if (pid < 0) {
        perror("torture: fork");
        exit(2);
    }
    char errors[4000], place[4000];
    int status = wait_for(pid), lines = read_lines("errors", errors, sizeof errors);
    read_lines("failed/place", place, sizeof place);
    const char *why = judge(status, errors, lines);
    if (why && (*failures)++ < SHOWN_MAX)
        show_failure(n, status, why, errors, place);
    return shared->failed;
}

/* ---- main ---------------------------------------------------------------------------------------
 * */

int main(int argc, char **argv)
{
    long every = 1, only = 0;
    unsigned long seed = 0;
    int at = 2;
    if (argc == 2 && !strncmp(argv[1], "--rdd-", 6)) {
        arm_executor(argv[1] + 6);
        return run_job(argc, argv, ""); /* does not return from rdd_init */
    }
    if (argc < 2)
        return 2;
    directory = argv[1];
    if (getrandom(&seed, 4, 0) != 4)
        seed = (unsigned long)getpid();
    for (; at + 1 < argc && argv[at][0] != '-'; at += 2) {
        unsigned long number = strtoul(argv[at + 1], NULL, 10);
        if (!strcmp(argv[at], "every"))
            every = (long)number;
        else if (!strcmp(argv[at], "seed"))
            seed = number;
        else if (!strcmp(argv[at], "only"))
            only = (long)number;
        else
            tortured = argv[at + 1];
    }
    argv[at - 1] = argv[0];
    void *frame[1];
    backtrace(frame, 1); /* loads what it needs while there is memory */
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    signal(SIGCHLD, SIG_DFL);

    int failures = 0;
    long n = only ? only : every > 1 ? 1 + (long)(seed % (unsigned long)every) : 1;
    if (every > 1)
        printf("seed %lu\n", seed);
    if (only)
        torture(n, argc - at + 1, argv + at - 1, &failures);
    for (; !only && torture(n, argc - at + 1, argv + at - 1, &failures); n += every) {
    }
    printf("%ld allocations, %d failures\n", only ? 1 : n - every, failures);
    return failures ? 1 : 0;
}
