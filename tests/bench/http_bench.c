/* http_bench.c: calls per second on one thread, next to the loop one would write by hand.
 *
 *     build/tests/bench/http_bench [--calls N] [--concurrency C] [--rounds R] [URL]
 *
 * Without a URL it starts demo_api, from beside itself. All ways call the same URL and parse every
 * answer with cJSON:
 *   perform  libcurl's multi interface as its documentation shows it: perform, poll
 *   socket   the same with socket_action and epoll, as somebody would write it who wants it faster
 *   engine   http.h with as many fibers
 * Prints calls/s and the thread's CPU time per call of each round, and the medians. CPU time is
 * what to trust on a busy machine.
 */
#include "clock.h"
#include "http.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>

enum { ROUNDS_MAX = 25, BODY_MAX = 64 << 10 };

static struct {
    long calls, concurrency, rounds;
    char url[512];
} options = { 100000, 64, 5, "" };

static long begun, ended, failed;

static void check(const char *body, size_t size)
{
    cJSON *json = cJSON_ParseWithLength(body, size);
    failed += !json;
    cJSON_Delete(json);
    ended++;
}

/* -- By hand ----------------------------------------------------------------------------------- */

typedef struct slot {
    CURL *easy;
    size_t size;
    char body[BODY_MAX];
} slot;

static size_t take(char *data, size_t size, size_t count, void *arg)
{
    slot *s = arg;
    (void)size;
    if (count > sizeof s->body - s->size)
        return 0;
    memcpy(s->body + s->size, data, count);
    s->size += count;
    return count;
}

static void begin(CURLM *multi, slot *s)
{
    begun++;
    s->size = 0;
    curl_easy_setopt(s->easy, CURLOPT_URL, options.url);
    curl_multi_add_handle(multi, s->easy);
}

static slot *begin_all(CURLM *multi)
{
    slot *slots = calloc((size_t)options.concurrency, sizeof *slots);
    ASSERT(slots);
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, options.concurrency * 2);
    for (long i = 0; i < options.concurrency; i++) {
        slot *s = &slots[i];
        s->easy = curl_easy_init();
        curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
        curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(s->easy, CURLOPT_TIMEOUT_MS, 30000L);
        curl_easy_setopt(s->easy, CURLOPT_PROXY, "");
        curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
        if (begun < options.calls)
            begin(multi, s);
    }
    return slots;
}

static void end_all(slot *slots)
{
    for (long i = 0; i < options.concurrency; i++)
        curl_easy_cleanup(slots[i].easy);
    free(slots);
}

static void collect(CURLM *multi)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));) {
        slot *s;
        long status = 0;
        CURL *easy = m->easy_handle;
        failed += m->data.result != CURLE_OK;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&s);
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        failed += status != 200;
        curl_multi_remove_handle(multi, easy);
        check(s->body, s->size);
        if (begun < options.calls)
            begin(multi, s);
    }
}

static void run_perform(void)
{
    CURLM *multi = curl_multi_init();
    slot *slots = begin_all(multi);
    while (ended < options.calls) {
        int running;
        curl_multi_perform(multi, &running);
        collect(multi);
        if (running)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    end_all(slots);
    curl_multi_cleanup(multi);
}

static int epoll_fd;
static uint64_t timer_ns;

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    (void)easy, (void)arg, (void)known;
    struct epoll_event event = { .data.fd = fd };
    event.events = (what & CURL_POLL_IN ? (uint32_t)EPOLLIN : 0) |
                   (what & CURL_POLL_OUT ? (uint32_t)EPOLLOUT : 0);
    if (what == CURL_POLL_REMOVE)
        return epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL), 0;
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        epoll_ctl(epoll_fd, EPOLL_CTL_MOD, fd, &event);
    return 0;
}

static int on_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi, (void)arg;
    timer_ns = timeout_ms < 0 ? CLOCK_NEVER : clock_now_ns() + (uint64_t)timeout_ms * NS_PER_MS;
    return 0;
}

static void run_socket(void)
{
    CURLM *multi = curl_multi_init();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
    slot *slots = begin_all(multi);
    while (ended < options.calls) {
        int running;
        uint64_t now = clock_now_ns();
        if (timer_ns <= now) {
            timer_ns = CLOCK_NEVER;
            curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
            collect(multi);
            continue;
        }
        struct epoll_event events[256];
        int count = epoll_wait(epoll_fd, events, 256, clock_poll_ms(now, timer_ns));
        for (int i = 0; i < count; i++) {
            int bits = (events[i].events & ~(uint32_t)EPOLLOUT ? CURL_CSELECT_IN : 0) |
                       (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0);
            curl_multi_socket_action(multi, events[i].data.fd, bits, &running);
        }
        collect(multi);
    }
    end_all(slots);
    curl_multi_cleanup(multi);
    close(epoll_fd);
}

/* -- The engine -------------------------------------------------------------------------------- */

static http_engine *engine;
static http_policy policy;

static void call_in_turn(void *arg)
{
    (void)arg;
    arena memory = { 0 };
    rdd_http_request request = { .url = { strlen(options.url), options.url } };
    while (begun < options.calls) {
        begun++;
        rdd_http_response response;
        rdd_error err;
        if (http_call(engine, &policy, &request, &memory, &response, &err) < 0) {
            fprintf(stderr, "http_bench: %s\n", err.message);
            exit(1);
        }
        failed += response.status != 200;
        check(response.body.data, response.body.size);
        arena_reset(&memory);
    }
    arena_release(&memory);
}

static void run_engine(void)
{
    fiber_pool fibers = { 0 };
    http_engine_options engine_options = { .fibers = &fibers };
    http_policy_init(&policy, NULL);
    policy.connections_per_host = (int)options.concurrency;
    if (http_engine_new(&engine, &engine_options, NULL) < 0)
        exit(1);
    for (long i = 0; i < options.concurrency; i++)
        http_engine_start(engine, call_in_turn, NULL, NULL);
    while (http_engine_waiting(engine) > 0)
        http_engine_wait(engine);
    http_engine_free(engine);
    fiber_pool_release(&fibers);
}

/* -- The server -------------------------------------------------------------------------------- */

/* Starts demo_api; its end is the end of the pipe that it reads. */
static pid_t start_server(const char *self)
{
    char path[512];
    const char *slash = strrchr(self, '/');
    snprintf(path, sizeof path, "%.*s/../../examples/demo_api", slash ? (int)(slash - self) : 1,
             slash ? self : ".");
    int in[2], out[2];
    if (pipe(in) < 0 || pipe(out) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int i = 0; i < 2; i++)
            close(in[i]), close(out[i]);
        execl(path, "demo_api", "--until-eof", "--quiet", (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    FILE *said = fdopen(out[0], "r");
    char line[256];
    char *url = said && fgets(line, sizeof line, said) ? strstr(line, "http://") : NULL;
    if (!url) {
        fprintf(stderr, "http_bench: %s does not start; build it with ninja\n", path);
        exit(1);
    }
    url[strcspn(url, "\n")] = 0;
    snprintf(options.url, sizeof options.url, "%s/countries/FR", url);
    return pid;
}

/* -- main -------------------------------------------------------------------------------------- */

static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Calls per second; *ret_cpu_us is the thread's own time for one. */
static double measure(void (*run)(void), double *ret_cpu_us)
{
    begun = ended = failed = 0;
    uint64_t start = clock_now_ns();
    double cpu = cpu_s();
    run();
    *ret_cpu_us = 1e6 * (cpu_s() - cpu) / (double)options.calls;
    double seconds = (double)(clock_now_ns() - start) / 1e9;
    if (failed)
        printf("(%ld failed) ", failed);
    return (double)options.calls / seconds;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, long count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        long *number = !strcmp(argv[i], "--calls")         ? &options.calls
                       : !strcmp(argv[i], "--concurrency") ? &options.concurrency
                       : !strcmp(argv[i], "--rounds")      ? &options.rounds
                                                           : NULL;
        if (number && i + 1 < argc)
            *number = strtol(argv[++i], NULL, 10);
        else
            snprintf(options.url, sizeof options.url, "%s", argv[i]);
    }
    if (options.rounds < 1 || options.rounds > ROUNDS_MAX || options.calls < 1 ||
        options.concurrency < 1) {
        fprintf(stderr, "http_bench: --rounds 1 to %d, --calls and --concurrency above 0\n",
                ROUNDS_MAX);
        exit(2);
    }
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } ways[] = { { "perform", run_perform }, { "socket", run_socket }, { "engine", run_engine } };
    enum { WAYS = ARRAY_SIZE(ways) };
    static double rates[WAYS][ROUNDS_MAX], cpu_us[WAYS][ROUNDS_MAX];

    read_options(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    pid_t server = options.url[0] ? 0 : start_server(argv[0]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    printf("%ld calls, %ld at a time, %s\n", options.calls, options.concurrency, options.url);
    for (long round = 0; round < options.rounds; round++) {
        for (size_t i = 0; i < WAYS; i++) {
            rates[i][round] = measure(ways[i].run, &cpu_us[i][round]);
            printf("%s %.0f/s %.1f us  ", ways[i].name, rates[i][round], cpu_us[i][round]);
            fflush(stdout);
        }
        puts("");
    }
    double rate[WAYS], cpu[WAYS];
    for (size_t i = 0; i < WAYS; i++) {
        rate[i] = median(rates[i], options.rounds);
        cpu[i] = median(cpu_us[i], options.rounds);
    }
    printf("calls/s: engine / perform %.2f, engine / socket %.2f\n", rate[2] / rate[0],
           rate[2] / rate[1]);
    printf("CPU time: perform %.2f us, socket %.2f us, engine %.2f us a call\n", cpu[0], cpu[1],
           cpu[2]);
    if (server > 0) {
        kill(server, SIGTERM);
        waitpid(server, NULL, 0);
    }
    return 0;
}
