/* faulty: a job over 6,000 numbers in 60 partitions, some of which do harm.
 *
 *     faulty WHAT DIR [OUTPUT]
 *
 * Prints a line for each number, or saves the lines to OUTPUT. DIR is where the parts of a test
 * leave each other signs: files. WHAT is one of these; number 50 of partitions 1, 21, 41 does it,
 * or in those marked * that of partition 1 alone:
 *
 *     calm           nothing
 *     calm-piped     the same, through a command
 *     K-once         once only: the first that comes to it. *
 *     K-thrice       once each of the three
 *     K-always       whenever it is computed. *
 *     gather         each of 4 partitions waits until DIR/go is there, and says so in DIR/here-N
 *     gather-stray   the same, and each leaves a stray behind before it waits
 *     deaf           partition 1 never returns, whatever it is told; the first partition fails once
 *                    that has begun
 *     deaf-alone     the same without a failure
 *     plod           each number of 4 partitions takes 100 ms, and leaves DIR/step-N
 *
 * K is segv, abort, exit, exit0 (HARMS threads call exit(0) at about the same time), unthread
 * (pthread_exit), kill (SIGKILL to its own process), overflow (of the stack), fail (rdd_fail), stray
 * (leaves a child behind that has a session of its own, and does no harm else) or straggle (goes on
 * until it is told to stop, or DIR/go0 is there).
 *     sick           the first process that computes anything fails each of its tasks, slowly: six
 *                    others begin meanwhile
 * `K-thrice-beside`: one after the other, and partition 0 is at work each time.
 */
#include <rdd.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 6000, PARTITIONS = 60, FIRST = 150, STEP = 2000, HARMS = 3, SICK_MAX = 3 };

RDD_STRUCT(fault, (rdd_str, kind), (rdd_str, dir), (bool, always), (bool, thrice), (bool, beside),
           (bool, strays));

/* ---- signs ----------------------------------------------------------------------------------- */

static void sign_path(rdd_str dir, const char *name, long number, char path[600])
{
    snprintf(path, 600, "%.*s/%s%ld", (int)dir.size, dir.data, name, number);
}

/* True when it was not there. */
static bool sign_put(rdd_str dir, const char *name, long number)
{
    char path[600];
    sign_path(dir, name, number, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

static bool sign_is_there(rdd_str dir, const char *name, long number)
{
    char path[600];
    sign_path(dir, name, number, path);
    return access(path, F_OK) == 0;
}

/* Between two looks at a sign. */
static void nap(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 2000000 }, NULL);
}

/* ---- harm ------------------------------------------------------------------------------------ */

static volatile int sink;

/* Not through NULL: the sanitizer for undefined behaviour would end the process in its own way. */
static void write_where_nothing_is(void)
{
    volatile char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *page = 1;
}

__attribute__((noinline)) static int overflow(int depth)
{
    volatile char block[4096];
    block[depth % 4096] = (char)depth;
    return depth < 0 ? 0 : overflow(depth + 1) + block[0];
}

/* A child that keeps everything open that it can, and hears nothing. Its number is a sign. */
static void leave_a_stray(rdd_task *task, rdd_str dir)
{
    pid_t child = fork();
    if (child < 0)
        rdd_fail(task, "fork: %s", strerror(errno));
    if (child)
        return;
    setsid();
    if (fork())
        _exit(0);
    signal(SIGTERM, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    sign_put(dir, "stray-", getpid());
    for (;;)
        pause();
}

static void straggle(rdd_task *task, rdd_str dir)
{
    while (!rdd_cancelled(task) && !sign_is_there(dir, "go", 0))
        nap();
}

/* Whether this process was the first of all. */
static bool is_sick(rdd_str dir)
{
    static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    static int known;
    pthread_mutex_lock(&mutex);
    if (!known)
        known = sign_put(dir, "sick-", 0) ? 1 : 2;
    bool sick = known == 1;
    pthread_mutex_unlock(&mutex);
    return sick;
}

/* When all are here. */
static void exit_with_others(void)
{
    static _Atomic int here;
    here++;
    while (here < HARMS)
        nap();
    exit(0);
}

static void harm(rdd_task *task, const fault *env)
{
    if (rdd_str_equal(env->kind, RDD_STR("segv")))
        write_where_nothing_is();
    else if (rdd_str_equal(env->kind, RDD_STR("abort")))
        abort();
    else if (rdd_str_equal(env->kind, RDD_STR("exit")))
        exit(3);
    else if (rdd_str_equal(env->kind, RDD_STR("exit0")))
        exit_with_others();
    else if (rdd_str_equal(env->kind, RDD_STR("unthread")))
        pthread_exit(NULL);
    else if (rdd_str_equal(env->kind, RDD_STR("kill")))
        kill(getpid(), SIGKILL);
    else if (rdd_str_equal(env->kind, RDD_STR("overflow")))
        sink = overflow(0);
    else if (rdd_str_equal(env->kind, RDD_STR("fail")))
        rdd_fail(task, "this one was meant to fail");
    else if (rdd_str_equal(env->kind, RDD_STR("stray")))
        leave_a_stray(task, env->dir);
    else if (rdd_str_equal(env->kind, RDD_STR("straggle")))
        straggle(task, env->dir);
}

static bool does_harm(const fault *f, int64_t x)
{
    if (rdd_str_equal(f->kind, RDD_STR("calm")) || rdd_str_equal(f->kind, RDD_STR("sick")) ||
        x % STEP != FIRST || (x != FIRST && !f->thrice))
        return false;
    while (f->beside && !sign_is_there(f->dir, "neighbour-", x / STEP))
        nap();
    return f->always || sign_put(f->dir, "done-", x / STEP);
}

static int harm_done(const fault *f)
{
    int count = 0;
    while (count < HARMS && sign_is_there(f->dir, "done-", count))
        count++;
    return count;
}

/* Partition 0 says that it is at work, which lets the next one do its harm, and is so until all of
 * it is done. */
static void be_beside(const fault *f)
{
    sign_put(f->dir, "neighbour-", harm_done(f));
    while (harm_done(f) < HARMS)
        nap();
}

static int sign_count(rdd_str dir, const char *name)
{
    int count = 0;
    for (int i = 0; i < PARTITIONS; i++)
        count += sign_is_there(dir, name, i);
    return count;
}

/* It takes a while, and half of them wait for the sick one, so that there is something left for it. */
static void be_well(rdd_str dir, int64_t partition)
{
    sign_put(dir, "well-", (long)partition);
    for (int i = 0; i < 10; i++)
        nap();
    while (sign_count(dir, "well-") > PARTITIONS / 2 && sign_count(dir, "failed-") < SICK_MAX)
        nap();
}

static void fail_slowly(rdd_task *task, rdd_str dir)
{
    int failed = sign_count(dir, "failed-");
    while (sign_count(dir, "well-") < 6 * (1 + (failed < SICK_MAX ? failed : SICK_MAX)))
        nap();
    for (long i = 0; !sign_put(dir, "failed-", i);)
        i++;
    rdd_fail(task, "there is no disk");
}

RDD_MAP(work, int64_t, x, rdd_str, fault)
{
    if (env->beside && x == 0)
        be_beside(env);
    if (does_harm(env, x))
        harm(task, env);
    if (rdd_str_equal(env->kind, RDD_STR("sick")) && is_sick(env->dir))
        fail_slowly(task, env->dir);
    else if (rdd_str_equal(env->kind, RDD_STR("sick")) && x % (COUNT / PARTITIONS) == 0)
        be_well(env->dir, x / (COUNT / PARTITIONS));
    return rdd_format(task, "%lld squared is %lld", (long long)x, (long long)(x * x));
}

RDD_MAP(gather, int64_t, x, rdd_str, fault)
{
    if (x % (COUNT / 4) == 0) {
        if (env->strays)
            leave_a_stray(task, env->dir);
        sign_put(env->dir, "here-", (long)rdd_partition_index(task));
        while (!sign_is_there(env->dir, "go", 0) && !rdd_cancelled(task))
            nap();
    }
    return rdd_format(task, "%lld squared is %lld", (long long)x, (long long)(x * x));
}

RDD_MAP(number_of, rdd_str, line, int64_t)
{
    (void)task;
    int64_t x = 0;
    for (size_t i = 0; i < line.size; i++)
        x = x * 10 + (line.data[i] - '0');
    return x;
}

RDD_MAP(plod, int64_t, x, rdd_str, fault)
{
    sign_put(env->dir, "step-", (long)x);
    for (int i = 0; i < 50; i++)
        nap();
    return rdd_format(task, "%lld", (long long)x);
}

RDD_MAP(deaf, int64_t, x, rdd_str, fault)
{
    if (rdd_partition_index(task) == 1) {
        sign_put(env->dir, "deaf-", 0);
        for (;;)
            pause();
    }
    if (rdd_partition_index(task) == 0 && env->always) {
        while (!sign_is_there(env->dir, "deaf-", 0))
            nap();
        rdd_fail(task, "the first cause");
    }
    return rdd_format(task, "%lld", (long long)x);
}

/* ---- main ------------------------------------------------------------------------------------ */

static rdd *job_of(rdd_context *ctx, const char *what, const char *dir)
{
    const char *dash = strchr(what, '-');
    fault f = { .dir = rdd_str_of(dir),
                .kind = { dash ? (size_t)(dash - what) : strlen(what), what },
                .always = strstr(what, "-always") || !strcmp(what, "deaf"),
                .thrice = strstr(what, "-thrice"),
                .beside = strstr(what, "-beside"),
                .strays = strstr(what, "-stray") };
    bool few = rdd_str_equal(f.kind, RDD_STR("gather")) || rdd_str_equal(f.kind, RDD_STR("deaf")) ||
               rdd_str_equal(f.kind, RDD_STR("plod"));
    rdd *numbers = strstr(what, "-file") /* with lines that are all of one length */
                       ? rdd_map(rdd_text_file(ctx, "numbers", .partitions = 4), number_of)
                       : rdd_range(ctx, 0, COUNT, .partitions = few ? 4 : PARTITIONS);
#define WITH(op) \
    RDD_WITH(op, .kind = f.kind, .dir = f.dir, .always = f.always, .thrice = f.thrice, \
             .beside = f.beside, .strays = f.strays)
    if (rdd_str_equal(f.kind, RDD_STR("gather")))
        return rdd_map(numbers, WITH(gather));
    if (rdd_str_equal(f.kind, RDD_STR("deaf")))
        return rdd_map(numbers, WITH(deaf));
    if (rdd_str_equal(f.kind, RDD_STR("plod")))
        return rdd_map(numbers, WITH(plod));
    if (rdd_str_equal(rdd_str_of(what), RDD_STR("calm-piped")))
        return rdd_pipe(rdd_map(numbers, WITH(work)), "cat");
    return rdd_map(numbers, WITH(work));
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    if (argc != 3 && argc != 4) {
        rdd_report(ctx, 2, "usage: faulty WHAT DIR [OUTPUT]");
        return rdd_finish(ctx);
    }
    rdd *lines = job_of(ctx, argv[1], argv[2]);
    if (argc == 4) {
        rdd_save_text(lines, argv[3], .overwrite = true);
    } else {
        size_t count;
        const rdd_str *all = rdd_collect(lines, rdd_str, &count);
        for (size_t i = 0; i < count; i++)
            printf("%.*s\n", (int)all[i].size, all[i].data);
    }
    return rdd_finish(ctx);
}
