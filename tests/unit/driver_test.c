/* driver_test.c: the library from its public side, threads as slots: what other tests do not come by,
 * such as memory that must not grow, a context after a context, cancelled calls. */
#include "context_rig.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

/* MiB that the process had in memory at most. */
static long peak_mib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss / 1024;
}

/* ---- operators ------------------------------------------------------------------------------ */

RDD_STRUCT(four, (int64_t, a), (int64_t, b), (int64_t, c), (int64_t, d));
RDD_STRUCT(many, (four, a), (four, b), (four, c), (four, d));
RDD_STRUCT(wide, (many, a), (many, b), (many, c), (many, d));
RDD_STRUCT(huge, (wide, a), (wide, b), (wide, c), (wide, d));
RDD_STRUCT(vast, (huge, a), (huge, b), (huge, c), (huge, d));

RDD_MAP(add_one, int64_t, x, int64_t) { return x + 1; }
RDD_MAP(long_text, int64_t, x, rdd_str) { return rdd_format(task, "%0100lld", (long long)x); }
RDD_MAP(widened, int64_t, x, huge) { huge h = { 0 }; h.a.a.a.a = x; return h; }
RDD_REDUCE(joined, rdd_str, a, b) { return rdd_str_concat(task, a, b); }
RDD_REDUCE(counted_sum, int64_t, a, b) { rdd_count_up(task, "additions", 1); return a + b; }
RDD_REDUCE(aborting_sum, int64_t, a, b) { if (b == 5) abort(); return a + b; }
RDD_REDUCE(calling_sum, int64_t, a, b)
{
    rdd_http_get(task, RDD_STR("http://127.0.0.1:9/"));
    return a + b;
}

RDD_MAP_PARTITIONS(passed_on, int64_t, in, int64_t)
{
    for (int64_t x; rdd_next(in, &x);)
        rdd_emit(x);
}

RDD_MAP_PARTITIONS(text_sizes, int64_t, in, int64_t)
{
    for (int64_t x; rdd_next(in, &x);)
        rdd_emit((int64_t)rdd_format(task, "%0200lld", (long long)x).size);
}

RDD_ZIP_PARTITIONS(added, int64_t, a, int64_t, b, int64_t)
{
    for (int64_t x, y; rdd_next(a, &x) && rdd_next(b, &y);)
        rdd_emit(x + y);
}

RDD_FLAT_MAP(fails_and_emits, int64_t, x, vast)
{
    static const vast nothing;
    rdd_fail(task, "not %lld", (long long)x);
    for (int i = 0; i < 3000; i++)
        rdd_emit(nothing);
}

/* ---- blame ---------------------------------------------------------------------------------- */

static void a_crash_in_an_action_names_its_operator(void **state)
{
    (void)state;
    int out[2];
    assert_int_equal(pipe(out), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(out[1], STDERR_FILENO);
        rdd_context *ctx = begin("--master", "local[1]", NULL);
        rdd_reduce(rdd_map(rdd_range(ctx, 0, 10), add_one), int64_t, aborting_sum);
        _exit(0);
    }
    close(out[1]);
    char text[65536];
    size_t size = 0;
    for (ssize_t got; size < sizeof text - 1; size += (size_t)got)
        if ((got = read(out[0], text + size, sizeof text - 1 - size)) <= 0)
            break;
    text[size] = 0;
    close(out[0]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) || WEXITSTATUS(status));
    if (!strstr(text, " in reduce aborting_sum ("))
        fail_msg("the report is: %s", text);
}

/* ---- long chains, large views --------------------------------------------------------------- */

static void long_chain_below_a_partition_operator(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_range(ctx, 0, 10, .partitions = 1);
    int steps = SANITIZED ? 3000 : 20000; /* the thread sanitizer takes no deeper stack */
    for (int i = 0; i < steps; i++)
        r = rdd_map(r, add_one);
    assert_int_equal(rdd_sum(rdd_map_partitions(r, passed_on), int64_t), 45 + 10 * steps);
    end(ctx);
}

static void lineage_that_joins_itself(void **state)
{
    (void)state;
    static const int64_t ONES[] = { 1, 1, 1, 1 };
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_parallelize(ctx, int64_t, ONES, 4, .partitions = 2);
    for (int i = 0; i < 40; i++)
        r = rdd_zip_partitions(r, r, added);
    assert_int_equal(rdd_sum(r, int64_t), INT64_C(4) << 40);
    end(ctx);
}

static void joined_partitions_give_their_memory_back(void **state)
{
    (void)state;
    if (SANITIZED)
        TEST_SKIP("sanitizers keep freed memory");
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_map(rdd_range(ctx, 0, 2000, .partitions = 1000), widened);
    long before = peak_mib();
    assert_int_equal(rdd_count(rdd_coalesce(r, 1)), 2000);
    assert_true(peak_mib() - before < 200); /* a batch of each would be 2 GiB */
    end(ctx);
}

static void partition_operator_over_a_large_view(void **state)
{
    (void)state;
    if (SANITIZED)
        TEST_SKIP("sanitizers keep freed memory");
    enum { COUNT = 2000000 };
    int64_t *zeros = calloc(COUNT, sizeof *zeros);
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_parallelize(ctx, int64_t, zeros, COUNT, .partitions = 1);
    long before = peak_mib();
    assert_int_equal(rdd_sum(rdd_map_partitions(r, text_sizes), int64_t), INT64_C(200) * COUNT);
    assert_true(peak_mib() - before < 200); /* the texts are 400 MB */
    free(zeros);
    end(ctx);
}

static void merging_texts_on_the_driver(void **state)
{
    (void)state;
    if (SANITIZED)
        TEST_SKIP("sanitizers keep freed memory");
    enum { COUNT = 10000 };
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_map(rdd_range(ctx, 0, COUNT, .partitions = COUNT), long_text);
    long before = peak_mib();
    rdd_str all = rdd_reduce(r, rdd_str, joined);
    assert_int_equal(all.size, 100 * COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        char text[128];
        snprintf(text, sizeof text, "%0100zu", i);
        assert_memory_equal(all.data + 100 * i, text, 100);
    }
    assert_true(peak_mib() - before < 200); /* all accumulators there were are 5 GB */
    end(ctx);
}

/* ---- failures ------------------------------------------------------------------------------- */

static void emitting_large_elements_after_failing(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[1]", "--conf", "task.attempts_max=1", NULL);
    assert_true(sizeof(vast) > 4096);
    rdd_count(rdd_flat_map(rdd_range(ctx, 7, 8), fails_and_emits));
    expect_error(ctx, RDD_E_USER, "not 7");
    end(ctx);
}

static void no_calls_while_the_driver_merges(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    assert_int_equal(rdd_reduce(rdd_range(ctx, 0, 4, .partitions = 4), int64_t, calling_sum), 0);
    expect_error(ctx, RDD_E_USAGE, "calling_sum");
    end(ctx);
}

static void what_is_counted_while_the_driver_merges(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[2]", NULL);
    assert_int_equal(rdd_reduce(rdd_range(ctx, 0, 10, .partitions = 3), int64_t, counted_sum), 45);
    assert_int_equal(rdd_counter(ctx, "additions"), 9);
    end(ctx);
}

/* Partition 0 fails when partition 1 has begun; that one then takes note of how far it comes. */
static atomic_bool has_begun;
static atomic_int seen_after_cancel;

RDD_MAP(until_cancelled, int64_t, x, int64_t)
{
    if (rdd_partition_index(task) == 0) {
        while (!atomic_load(&has_begun))
            sched_yield();
        rdd_fail(task, "first");
        return x;
    }
    atomic_store(&has_begun, true);
    while (!rdd_cancelled(task))
        sched_yield();
    atomic_fetch_add(&seen_after_cancel, 1);
    return x;
}

static void a_cancelled_task_ends_with_its_batch(void **state)
{
    (void)state;
    enum { COUNT = 100000 };
    int64_t *zeros = calloc(COUNT, sizeof *zeros);
    rdd_context *ctx = begin("--master", "local[2]", "--conf", "task.attempts_max=1", NULL);
    rdd *r = rdd_parallelize(ctx, int64_t, zeros, COUNT, .partitions = 2);
    atomic_store(&has_begun, false);
    atomic_store(&seen_after_cancel, 0);
    rdd_count(rdd_map(r, until_cancelled));
    expect_error(ctx, RDD_E_USER, "first");
    assert_in_range(atomic_load(&seen_after_cancel), 1, 1024);
    free(zeros);
    end(ctx);
}

/* ---- numbers -------------------------------------------------------------------------------- */

static void nothing_but_nan(void **state)
{
    (void)state;
    const double numbers[] = { NAN, NAN };
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd_statistics s = rdd_stats(rdd_parallelize(ctx, double, numbers, 2));
    assert_int_equal(s.count, 2);
    assert_true(isnan(s.min) && isnan(s.max) && isnan(s.mean));
    end(ctx);
}

static void histogram_of_the_widest_numbers(void **state)
{
    (void)state;
    const double numbers[] = { -1.7e308, 0, 1.7e308 };
    double edges[5];
    int64_t counts[4];
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_parallelize(ctx, double, numbers, 3);
    assert_int_equal(rdd_histogram_even(r, 4, edges, counts), 0);
    assert_true(edges[0] == -1.7e308 && edges[2] == 0 && edges[4] == 1.7e308);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[2], 1);
    assert_int_equal(counts[3], 1);
    end(ctx);
}

static void ranges_of_all_numbers(void **state)
{
    (void)state;
    size_t count;
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_range(ctx, INT64_MIN, INT64_MAX);
    assert_true(rdd_partition_count(r) > 1000000);
    const int64_t *first = rdd_take(r, int64_t, 2, &count);
    assert_int_equal(count, 2);
    assert_true(first[0] == INT64_MIN && first[1] == INT64_MIN + 1);
    end(ctx);
}

/* ---- contexts and iterators ----------------------------------------------------------------- */

static void an_iterator_that_nobody_closed(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        rdd_context *ctx = begin("--master", "local[2]", NULL);
        rdd *r = rdd_range(ctx, 0, 100, .partitions = 50);
        rdd_local_iterator *it = rdd_to_local_iterator(r, int64_t);
        rdd_local_iterator *closed = rdd_to_local_iterator(r, int64_t);
        int64_t x;
        assert_true(rdd_local_next(it, int64_t, &x));
        rdd_local_close(closed);
        end(ctx);
    }
}

static void an_iterator_of_another_type(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[2]", NULL);
    rdd_local_iterator *it = rdd_to_local_iterator(rdd_range(ctx, 0, 10), int64_t);
    double x;
    assert_false(rdd_local_next(it, double, &x));
    expect_error(ctx, RDD_E_TYPE, "rdd_local_next");
    rdd_local_close(it);
    end(ctx);
}

RDD_MAP(always_fails, int64_t, x, int64_t)
{
    rdd_fail(task, "no");
    return x;
}

static void settings_end_with_their_context(void **state)
{
    (void)state;
    end(begin("--master", "local[1,1]", "--conf", "task.budget=64KiB", NULL));
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd_count(rdd_map(rdd_range(ctx, 0, 1), always_fails));
    expect_error(ctx, RDD_E_USER, "failed 4 times");
    size_t count;
    static char text[100000];
    memset(text, 'x', sizeof text);
    rdd_str large = { sizeof text, text };
    rdd *r = rdd_coalesce(rdd_parallelize(ctx, rdd_str, &large, 1), 1);
    assert_non_null(rdd_collect(r, rdd_str, &count));
    end(ctx);
}

static void settings_of_a_master_that_is_not_used(void **state)
{
    (void)state;
    setenv("RDD_MASTER", "local[1,1]", 1);
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    unsetenv("RDD_MASTER");
    rdd_count(rdd_map(rdd_range(ctx, 0, 1), always_fails));
    expect_error(ctx, RDD_E_USER, "failed 4 times");
    end(ctx);
}

/* The status is that of the message that is printed. */
static void the_first_failure_gives_the_status(void **state)
{
    (void)state;
    rdd_context *ctx = begin(NULL);
    rdd_report(ctx, 3, "the first");
    rdd_report(ctx, 4, "the second");
    assert_int_equal(rdd_finish(ctx), 3);
    ctx = begin(NULL);
    rdd_report(ctx, 4, "one that is taken");
    expect_error(ctx, RDD_E_USER, "one that is taken");
    rdd_report(ctx, 3, "the first since");
    assert_int_equal(rdd_finish(ctx), 3);
    ctx = begin(NULL);
    assert_null(rdd_range(ctx, 0, 9, .partitions = -1));
    rdd_report(ctx, 5, "the second");
    assert_int_equal(rdd_finish(ctx), 2);
}

static void nothing_at_all(void **state)
{
    (void)state;
    end(begin("--master", "local[2]", NULL));
    rdd_context *ctx = begin("--master", "local-cluster[2,2]", NULL);
    assert_int_equal(rdd_partition_count(rdd_range(ctx, 0, 10)), 1);
    end(ctx);
}

typedef struct user {
    rdd_context *ctx;
    int64_t number;
} user;

static void *use(void *arg)
{
    user *u = arg;
    for (int64_t i = 0; i < 20; i++) {
        int64_t n = 100 * u->number + i;
        rdd *r = rdd_map(rdd_range(u->ctx, 0, n, .partitions = 1 + i % 5), add_one);
        assert_int_equal(rdd_count(r), n);
        assert_int_equal(rdd_sum(r, int64_t), n * (n + 1) / 2);
        size_t count;
        const int64_t *first = rdd_take(r, int64_t, 3, &count);
        assert_int_equal(count, n < 3 ? n : 3);
        rdd_free(u->ctx, first);
    }
    return NULL;
}

static void jobs_of_several_threads(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[3]", NULL);
    pthread_t threads[4];
    user users[4];
    for (int64_t i = 0; i < 4; i++) {
        users[i] = (user){ ctx, i };
        assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    end(ctx);
}

/* ---- calls ---------------------------------------------------------------------------------- */

/* Answers "GET /ok" and leaves all others waiting; counts those. */
static struct {
    int fd;
    char url[64];
    atomic_int waiting;
} server;

static void *serve_one(void *arg)
{
    int fd = (int)(intptr_t)arg;
    char request[4096];
    ssize_t got;
    while ((got = read(fd, request, sizeof request)) > 0) {
        static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        if (got < 7 || memcmp(request, "GET /ok", 7) != 0)
            atomic_fetch_add(&server.waiting, 1);
        else if (write(fd, answer, sizeof answer - 1) < 0)
            break;
    }
    close(fd);
    return NULL;
}

static void *serve(void *arg)
{
    (void)arg;
    int fd;
    while ((fd = accept(server.fd, NULL, NULL)) >= 0) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve_one, (void *)(intptr_t)fd))
            close(fd);
        else
            pthread_detach(thread);
    }
    return NULL;
}

static void server_start(void)
{
    if (server.fd)
        return;
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t size = sizeof at;
    pthread_t thread;
    server.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(server.fd >= 0);
    assert_int_equal(bind(server.fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(server.fd, 64), 0);
    assert_int_equal(getsockname(server.fd, (struct sockaddr *)&at, &size), 0);
    snprintf(server.url, sizeof server.url, "http://127.0.0.1:%d", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    pthread_detach(thread);
}

static rdd_http_response get(rdd_task *task, const char *path)
{
    return rdd_http_get(task, rdd_format(task, "%s%s", server.url, path));
}

/* All partitions but 0 wait for an answer that does not come; then partition 0 fails. */
RDD_MAP(waits, int64_t, x, int64_t)
{
    if (rdd_partition_index(task)) {
        get(task, "/wait");
        return x;
    }
    while (atomic_load(&server.waiting) < 1)
        sched_yield();
    rdd_fail(task, "enough");
    return x;
}

RDD_MAP(status_of_ok, int64_t, x, int64_t) { return x + get(task, "/ok").status; }

static void calls_after_cancelled_ones(void **state)
{
    (void)state;
    server_start();
    rdd_context *ctx = begin("--master", "local[2]", "--conf", "task.attempts_max=1", NULL);
    for (int round = 0; round < 3; round++) {
        atomic_store(&server.waiting, 0);
        rdd_count(rdd_map(rdd_range(ctx, 0, 2, .partitions = 2), waits));
        expect_error(ctx, RDD_E_USER, "enough");
        rdd *r = rdd_map(rdd_range(ctx, 0, 8, .partitions = 8), status_of_ok);
        assert_int_equal(rdd_sum(r, int64_t), 8 * 200 + 28);
    }
    end(ctx);
}

/* The first record is answered, the others wait. */
RDD_MAP(counts_failures, int64_t, x, int64_t)
{
    rdd_http_response response = get(task, x ? "/wait" : "/ok");
    if (response.error.size)
        rdd_count_up(task, "failures", 1);
    return x;
}

static void records_that_nobody_took_are_not_counted(void **state)
{
    (void)state;
    server_start();
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_map(rdd_range(ctx, 0, 100, .partitions = 1), counts_failures, .concurrency = 8);
    size_t count;
    const int64_t *first = rdd_take(r, int64_t, 1, &count);
    assert_int_equal(count, 1);
    assert_int_equal(first[0], 0);
    assert_int_equal(rdd_counter(ctx, "failures"), 0);
    end(ctx);
}

static atomic_int computed;

RDD_MAP(is_computed, int64_t, x, int64_t)
{
    (void)task;
    atomic_fetch_add(&computed, 1);
    return x;
}

RDD_FILTER(is_even, int64_t, x)
{
    (void)task;
    return x % 2 == 0;
}

/* Who asks for one record pays for one, and for few not many more. */
static void few_are_computed_for_few(void **state)
{
    (void)state;
    rdd_context *ctx = begin("--master", "local[1]", NULL);
    rdd *r = rdd_map(rdd_range(ctx, 0, 100000, .partitions = 4), is_computed);
    size_t count;
    atomic_store(&computed, 0);
    assert_int_equal(rdd_first(r, int64_t), 0);
    assert_int_equal(atomic_exchange(&computed, 0), 1);
    assert_int_equal(rdd_is_empty(r), 0);
    assert_int_equal(atomic_exchange(&computed, 0), 1);
    rdd_take(r, int64_t, 5, &count);
    assert_in_range(atomic_exchange(&computed, 0), 5, 7);
    rdd_take(rdd_filter(r, is_even), int64_t, 5, &count);
    assert_int_equal(count, 5);
    assert_in_range(atomic_exchange(&computed, 0), 9, 15);
    end(ctx);
}

RDD_FLAT_MAP(first_is_slow, int64_t, x, huge)
{
    static const huge nothing;
    if (!x)
        get(task, "/wait");
    rdd_emit(nothing);
}

static void a_slow_record_before_many(void **state)
{
    (void)state;
    if (SANITIZED)
        TEST_SKIP("sanitizers keep freed memory");
    server_start();
    rdd_context *ctx = begin("--master", "local[1]", "--conf", "http.timeout=1s", "--conf",
                             "http.attempts_max=1", NULL);
    rdd *r = rdd_range(ctx, 0, 20000, .partitions = 1);
    long before = peak_mib();
    assert_int_equal(rdd_count(rdd_flat_map(r, first_is_slow, .concurrency = 4)), 20000);
    assert_true(peak_mib() - before < 400); /* room for a batch in each record would be 30 GB */
    end(ctx);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_crash_in_an_action_names_its_operator), /* forks: before any thread */
        cmocka_unit_test(long_chain_below_a_partition_operator),
        cmocka_unit_test(lineage_that_joins_itself),
        cmocka_unit_test(joined_partitions_give_their_memory_back),
        cmocka_unit_test(partition_operator_over_a_large_view),
        cmocka_unit_test(merging_texts_on_the_driver),
        cmocka_unit_test(emitting_large_elements_after_failing),
        cmocka_unit_test(no_calls_while_the_driver_merges),
        cmocka_unit_test(what_is_counted_while_the_driver_merges),
        cmocka_unit_test(a_cancelled_task_ends_with_its_batch),
        cmocka_unit_test(nothing_but_nan),
        cmocka_unit_test(histogram_of_the_widest_numbers),
        cmocka_unit_test(ranges_of_all_numbers),
        cmocka_unit_test(an_iterator_that_nobody_closed),
        cmocka_unit_test(an_iterator_of_another_type),
        cmocka_unit_test(settings_end_with_their_context),
        cmocka_unit_test(settings_of_a_master_that_is_not_used),
        cmocka_unit_test(the_first_failure_gives_the_status),
        cmocka_unit_test(nothing_at_all),
        cmocka_unit_test(jobs_of_several_threads),
        cmocka_unit_test(calls_after_cancelled_ones),
        cmocka_unit_test(records_that_nobody_took_are_not_counted),
        cmocka_unit_test(few_are_computed_for_few),
        cmocka_unit_test(a_slow_record_before_many),
    };
    return TEST_MAIN(argc, argv, tests);
}
