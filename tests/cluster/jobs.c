/* jobs: what the cluster tests and tests/bench/cluster run on nodes.
 *
 *     jobs numbers N MS     a line for each of 6,000 numbers in N partitions that take MS milliseconds
 *     jobs wait N           the same; each partition first waits until its node has /tmp/rdd-go
 *     jobs lines PATH       the lines of a file of the driver, with their lengths
 *     jobs save PATH OUT    the same, saved
 *     jobs sleepers N       the same as numbers; each leaves a child with a session of its own behind
 *     jobs tasks N          N empty tasks; prints the seconds they took
 *     jobs on HOST …        a partition for each host, which prefers it; says so on standard error
 *     jobs bytes MIB        collects so many MiB, 16 from a partition; prints the seconds that took
 *
 * A partition that waits says "partition P waits" on standard error.
 */
#include <rdd.h>

#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { COUNT = 6000, PIECE = 1 << 20 };

RDD_STRUCT(work, (int64_t, ms), (bool, wait), (bool, stray));

static void nap_ms(int64_t ms)
{
    nanosleep(&(struct timespec){ .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 }, NULL);
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A child that holds what it inherited and hears nothing. */
static void leave_a_stray(void)
{
    if (fork())
        return;
    setsid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    for (;;)
        pause();
}

RDD_MAP_PARTITIONS(numbers, int64_t, in, rdd_str, work)
{
    if (env->wait)
        fprintf(stderr, "partition %lld waits\n", (long long)rdd_partition_index(task));
    while (env->wait && access("/tmp/rdd-go", F_OK) != 0 && !rdd_cancelled(task))
        nap_ms(2);
    if (env->stray)
        leave_a_stray();
    nap_ms(env->ms);
    for (int64_t x; rdd_next(in, &x);)
        rdd_emit(rdd_format(task, "%lld squared is %lld", (long long)x, (long long)(x * x)));
}

RDD_MAP(with_length, rdd_str, line, rdd_str)
{
    return rdd_format(task, "%zu %.*s", line.size, (int)line.size, line.data);
}

RDD_MAP(piece, int64_t, x, rdd_bytes)
{
    char *data = rdd_alloc(task, PIECE);
    uint64_t state = (uint64_t)x + 1;
    for (size_t i = 0; i + 8 <= PIECE; i += 8) {
        state = state * 6364136223846793005u + 1442695040888963407u;
        memcpy(data + i, &state, 8);
    }
    return (rdd_bytes){ .data = data, .size = PIECE };
}

RDD_FOREACH(nothing, int64_t, x)
{
    (void)x;
}

RDD_MAP(say_where, rdd_str, host, rdd_str)
{
    fprintf(stderr, "for %.*s\n", (int)host.size, host.data);
    return host;
}

static rdd *on_hosts(rdd_context *ctx, const char *const *names, size_t count)
{
    rdd_str hosts[16];
    for (size_t i = 0; i < count && i < 16; i++)
        hosts[i] = rdd_str_of(names[i]);
    return rdd_map(rdd_parallelize(ctx, rdd_str, hosts, count, .prefer = names, .prefer_count = count),
                   say_where);
}

static void print_lines(rdd *lines)
{
    size_t count;
    const rdd_str *all = rdd_collect(lines, rdd_str, &count);
    for (size_t i = 0; all && i < count; i++)
        printf("%.*s\n", (int)all[i].size, all[i].data);
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    const char *what = argc > 2 ? argv[1] : "", *of = argc > 2 ? argv[2] : "";
    long long n = strtoll(of, NULL, 10);
    work w = { .wait = !strcmp(what, "wait"), .stray = !strcmp(what, "sleepers"),
               .ms = argc > 3 ? strtoll(argv[3], NULL, 10) : 0 };
    double begun = now_s();
    if (!strcmp(what, "numbers") || w.wait || w.stray) {
        rdd *range = rdd_range(ctx, 0, COUNT, .partitions = n);
        print_lines(rdd_map_partitions(range, RDD_WITH(numbers, .ms = w.ms, .wait = w.wait,
                                                       .stray = w.stray)));
    } else if (!strcmp(what, "lines")) {
        print_lines(rdd_map(rdd_text_file(ctx, of), with_length));
    } else if (!strcmp(what, "save") && argc > 3) {
        rdd_save_text(rdd_map(rdd_text_file(ctx, of), with_length), argv[3]);
    } else if (!strcmp(what, "on") && argc <= 18) {
        print_lines(on_hosts(ctx, (const char *const *)argv + 2, (size_t)argc - 2));
    } else if (!strcmp(what, "tasks")) {
        rdd_foreach(rdd_range(ctx, 0, 0, .partitions = n), nothing);
        printf("%.4f\n", now_s() - begun);
    } else if (!strcmp(what, "bytes")) {
        size_t count = 0;
        rdd *range = rdd_range(ctx, 0, n, .partitions = (n + 15) / 16);
        rdd_collect(rdd_map(range, piece), rdd_bytes, &count);
        printf("%.4f %zu\n", now_s() - begun, count);
    } else {
        rdd_report(ctx, 2, "usage: jobs numbers N MS | wait N | lines PATH | save PATH OUT | on HOST … | …");
    }
    return rdd_finish(ctx);
}
