/* demo_api: a small HTTP API to try things out on: the countries of the world, from the iso-codes
 * package, with delays, errors and throttling on request.
 *
 *     demo_api --port 8080 --latency-ms 20 --error-rate 1% --throttle 500/s
 *     curl http://127.0.0.1:8080/countries/FR
 *
 * It prints "listening on http://127.0.0.1:PORT" once it can be called, and stops on SIGINT,
 * SIGTERM or, with --until-eof, when its standard input ends. Other machines can call it only when
 * an address of this one is given with --address.
 *
 * One thread answers everything; a delayed request waits in a queue and holds no thread. All
 * answers that can be are built at the start.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <microhttpd.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define COUNTRIES_FILE "/usr/share/iso-codes/json/iso_3166-1.json"
#define LETTERS 26
#define BODY_MAX (1 << 20)

static const char HELP[] =
    "GET  /                          this text\n"
    "GET  /countries                 all countries\n"
    "GET  /countries/{alpha2}        one country, as in /countries/FR\n"
    "POST /countries/{alpha2}/echo   the JSON that was sent, with the country's name\n";

static struct {
    int port;
    struct in_addr address;
    double latency_ms, error_rate;
    double throttle_count, throttle_s; /* so many requests in a window of so many seconds */
    uint64_t seed;
    bool quiet, until_eof;
} options;

/* A delayed request, or one whose body is being received. */
typedef struct request {
    struct request *next;
    struct MHD_Connection *connection;
    uint64_t due_ns;
    char *body;
    size_t body_size;
    bool delayed, too_large;
} request;

/* -- Answers ----------------------------------------------------------------------------------- */

static struct {
    struct MHD_Response *help, *list, *error, *not_found, *bad_method, *no_json, *too_large;
    struct MHD_Response *country[LETTERS * LETTERS];
    char *name[LETTERS * LETTERS];
} answers;

static struct MHD_Response *response_new(const char *type, char *text,
                                         enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), text, mode);
    if (!r) {
        fprintf(stderr, "demo_api: out of memory\n");
        exit(1);
    }
    MHD_add_response_header(r, "Content-Type", type);
    return r;
}

static struct MHD_Response *json_response(char *text, enum MHD_ResponseMemoryMode mode)
{
    return response_new("application/json", text, mode);
}

static struct MHD_Response *error_response(const char *text)
{
    return json_response((char *)text, MHD_RESPMEM_PERSISTENT);
}

/* The index of two letters at `code`; -1 when they are none. */
static int country_index(const char *code)
{
    int index = 0;
    for (int i = 0; i < 2; i++) {
        int letter = (code[i] | 0x20) - 'a';
        if (letter < 0 || letter >= LETTERS)
            return -1;
        index = index * LETTERS + letter;
    }
    return index;
}

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        fprintf(stderr, "demo_api: %s: %s (install the package iso-codes)\n", path,
                strerror(errno));
        exit(1);
    }
    char *text = NULL;
    size_t size = 0;
    ssize_t got = getdelim(&text, &size, 0, file);
    fclose(file);
    return got < 0 ? NULL : text;
}

static void load_countries(void)
{
    char *text = read_file(COUNTRIES_FILE);
    cJSON *root = text ? cJSON_Parse(text) : NULL;
    cJSON *list = cJSON_GetObjectItem(root, "3166-1"), *country;
    if (!cJSON_IsArray(list)) {
        fprintf(stderr, "demo_api: %s is not what it should be\n", COUNTRIES_FILE);
        exit(1);
    }
    cJSON_ArrayForEach(country, list) {
        const char *code = cJSON_GetStringValue(cJSON_GetObjectItem(country, "alpha_2"));
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(country, "name"));
        int index = code && name ? country_index(code) : -1;
        if (index < 0)
            continue;
        answers.name[index] = strdup(name);
        answers.country[index] = json_response(cJSON_PrintUnformatted(country),
                                               MHD_RESPMEM_MUST_FREE);
    }
    answers.list = json_response(cJSON_PrintUnformatted(list), MHD_RESPMEM_MUST_FREE);
    cJSON_Delete(root);
    free(text);
}

static void build_answers(void)
{
    load_countries();
    answers.help = response_new("text/plain", (char *)HELP, MHD_RESPMEM_PERSISTENT);
    answers.error = error_response("{\"error\":\"this one was meant to fail\"}");
    answers.not_found = error_response("{\"error\":\"there is no such page; try /\"}");
    answers.bad_method = error_response("{\"error\":\"that method does not go here; try /\"}");
    answers.no_json = error_response("{\"error\":\"the body is no JSON\"}");
    answers.too_large = error_response("{\"error\":\"the body is larger than 1 MiB\"}");
}

static void destroy_answers(void)
{
    struct MHD_Response *single[] = { answers.help, answers.list, answers.error, answers.not_found,
                                      answers.bad_method, answers.no_json, answers.too_large };
    for (size_t i = 0; i < sizeof single / sizeof single[0]; i++)
        MHD_destroy_response(single[i]);
    for (size_t i = 0; i < sizeof answers.name / sizeof answers.name[0]; i++) {
        if (answers.country[i])
            MHD_destroy_response(answers.country[i]);
        free(answers.name[i]);
    }
}

/* -- Delays: every request waits equally long, so the queue is in order of time ---------------- */

static struct {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    request *first, *last; /* under the mutex */
    bool stopped;          /* under the mutex */
} delays = { .mutex = PTHREAD_MUTEX_INITIALIZER };

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* False: the server is about to stop, nobody waits any more. */
static bool delay(request *r)
{
    r->due_ns = now_ns() + (uint64_t)(options.latency_ms * 1e6);
    r->delayed = true;
    r->next = NULL;
    pthread_mutex_lock(&delays.mutex);
    bool accepted = !delays.stopped;
    if (accepted) {
        MHD_suspend_connection(r->connection);
        if (delays.last)
            delays.last->next = r;
        else
            delays.first = r;
        delays.last = r;
        pthread_cond_signal(&delays.changed);
    }
    pthread_mutex_unlock(&delays.mutex);
    return accepted;
}

static void *run_delays(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&delays.mutex);
    while (delays.first || !delays.stopped) {
        request *r = delays.first;
        if (!r) {
            pthread_cond_wait(&delays.changed, &delays.mutex);
        } else if (delays.stopped || r->due_ns <= now_ns()) {
            delays.first = r->next;
            if (!delays.first)
                delays.last = NULL;
            MHD_resume_connection(r->connection);
        } else {
            struct timespec due = { (time_t)(r->due_ns / 1000000000u),
                                    (long)(r->due_ns % 1000000000u) };
            pthread_cond_timedwait(&delays.changed, &delays.mutex, &due);
        }
    }
    pthread_mutex_unlock(&delays.mutex);
    return NULL;
}

/* -- Requests, all of them on the server's one thread ------------------------------------------ */

static uint64_t request_count, throttled_count, failed_count, random_state;

/* In [0, 1): splitmix64. */
static double random_unit(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (double)((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/* 0: go on; otherwise how many seconds until the next window of time begins. */
static unsigned throttled_s(void)
{
    static uint64_t window_begun;
    static double count;
    if (options.throttle_count <= 0)
        return 0;
    uint64_t now = now_ns(), window = (uint64_t)(options.throttle_s * 1e9);
    if (now - window_begun >= window) {
        window_begun = now;
        count = 0;
    }
    if (++count <= options.throttle_count)
        return 0;
    return (unsigned)((window - (now - window_begun) + 999999999u) / 1000000000u);
}

static enum MHD_Result throttle(struct MHD_Connection *connection, unsigned seconds)
{
    char text[16];
    snprintf(text, sizeof text, "%u", seconds);
    struct MHD_Response *r = error_response("{\"error\":\"too many requests\"}");
    MHD_add_response_header(r, "Retry-After", text);
    enum MHD_Result result = MHD_queue_response(connection, 429, r);
    MHD_destroy_response(r);
    throttled_count++;
    return result;
}

static enum MHD_Result echo(struct MHD_Connection *connection, int index, const request *r)
{
    if (r && r->too_large)
        return MHD_queue_response(connection, 413, answers.too_large);
    cJSON *body = r && r->body ? cJSON_ParseWithLength(r->body, r->body_size) : NULL;
    if (!body)
        return MHD_queue_response(connection, 400, answers.no_json);
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "name", answers.name[index]);
    cJSON_AddItemToObject(object, "echo", body);
    struct MHD_Response *response = json_response(cJSON_PrintUnformatted(object),
                                                  MHD_RESPMEM_MUST_FREE);
    cJSON_Delete(object);
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(struct MHD_Connection *connection, const char *url,
                              const char *method, const request *r)
{
    static const char prefix[] = "/countries";
    bool get = !strcmp(method, "GET") || !strcmp(method, "HEAD"), post = !strcmp(method, "POST");
    struct MHD_Response *page = NULL;
    if (!strcmp(url, "/")) {
        page = answers.help;
    } else if (!strncmp(url, prefix, sizeof prefix - 1)) {
        const char *rest = url + sizeof prefix - 1;
        int index = *rest == '/' && rest[1] && rest[2] ? country_index(rest + 1) : -1;
        if (!*rest)
            page = answers.list;
        else if (index >= 0 && !rest[3])
            page = answers.country[index];
        else if (index >= 0 && answers.country[index] && !strcmp(rest + 3, "/echo"))
            return post ? echo(connection, index, r)
                        : MHD_queue_response(connection, 405, answers.bad_method);
    }
    if (!page)
        return MHD_queue_response(connection, 404, answers.not_found);
    if (!get)
        return MHD_queue_response(connection, 405, answers.bad_method);
    return MHD_queue_response(connection, 200, page);
}

/* What is to be done to a request besides answering it. */
static enum MHD_Result complete(struct MHD_Connection *connection, const char *url,
                                const char *method, const request *r)
{
    request_count++;
    unsigned seconds = throttled_s();
    if (seconds)
        return throttle(connection, seconds);
    if (options.error_rate > 0 && random_unit() < options.error_rate) {
        failed_count++;
        return MHD_queue_response(connection, 500, answers.error);
    }
    return answer(connection, url, method, r);
}

static void receive(request *r, const char *data, size_t size)
{
    if (r->too_large || size > BODY_MAX - r->body_size) {
        r->too_large = true;
        return;
    }
    char *body = realloc(r->body, r->body_size + size);
    if (!body) {
        r->too_large = true;
        return;
    }
    memcpy(body + r->body_size, data, size);
    r->body = body;
    r->body_size += size;
}

static request undelayed; /* stands for all requests that need no memory of their own */

/* libmicrohttpd calls this for a request's head, for each piece of its body, and once more at its
 * end; and again when a delay is over. */
static enum MHD_Result on_request(void *unused, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **state)
{
    (void)unused, (void)version;
    bool post = !strcmp(method, "POST");
    if (!*state) {
        *state = post || options.latency_ms > 0 ? calloc(1, sizeof(request)) : &undelayed;
        if (!*state)
            return MHD_NO;
        return MHD_YES;
    }
    request *r = *state == &undelayed ? NULL : *state;
    if (*data_size) {
        if (r)
            receive(r, data, *data_size);
        *data_size = 0;
        return MHD_YES;
    }
    if (r && options.latency_ms > 0 && !r->delayed) {
        r->connection = connection;
        if (delay(r))
            return MHD_YES;
    }
    return complete(connection, url, method, r);
}

/* Answered, or its client went away. */
static void on_completed(void *unused, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)unused, (void)connection, (void)code;
    request *r = *state;
    if (r && r != &undelayed) {
        free(r->body);
        free(r);
    }
    *state = NULL;
}

/* -- main -------------------------------------------------------------------------------------- */

static const char USAGE[] =
    "usage: demo_api [options]\n"
    "  --port N           where it listens (default 0: any that is free, which it prints)\n"
    "  --address A        for whom: 0.0.0.0 is for other machines, too (default 127.0.0.1)\n"
    "  --latency-ms N     how long each answer takes\n"
    "  --error-rate P     how many fail with 500: 0.01 or 1%\n"
    "  --throttle R       more than 500/s, 100/m or 9/h get 429 with Retry-After\n"
    "  --seed N           which ones fail\n"
    "  --quiet            says nothing but where it listens\n"
    "  --until-eof        ends with its standard input\n";

static int usage(const char *option)
{
    fprintf(stderr, "demo_api: %s is not understood\n%s", option, USAGE);
    return 2;
}

static bool read_number(const char *text, double least, double most, double *ret, const char **end)
{
    char *stop;
    *ret = strtod(text, &stop);
    *end = stop;
    return stop != text && *ret >= least && *ret <= most;
}

static bool read_option(const char *name, const char *value)
{
    double number;
    const char *rest;
    if (!strcmp(name, "--address"))
        return inet_pton(AF_INET, value, &options.address) == 1;
    if (!read_number(value, 0, 1e15, &number, &rest))
        return false;
    if (!strcmp(name, "--throttle")) {
        options.throttle_count = number;
        options.throttle_s = !strcmp(rest, "/s") ? 1 : !strcmp(rest, "/m") ? 60
                             : !strcmp(rest, "/h") ? 3600 : 0;
        return options.throttle_s > 0 && number > 0;
    }
    if (!strcmp(name, "--error-rate")) {
        bool percent = *rest == '%';
        options.error_rate = percent ? number / 100 : number;
        return !rest[percent] && options.error_rate <= 1;
    }
    if (*rest)
        return false;
    if (!strcmp(name, "--port"))
        options.port = (int)number;
    else if (!strcmp(name, "--latency-ms"))
        options.latency_ms = number;
    else if (!strcmp(name, "--seed"))
        options.seed = (uint64_t)number;
    else
        return false;
    return options.port <= 65535;
}

static int read_options(int argc, char **argv)
{
    options.address.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help")) {
            printf("%s", USAGE);
            exit(0);
        }
        if (!strcmp(argv[i], "--quiet"))
            options.quiet = true;
        else if (!strcmp(argv[i], "--until-eof"))
            options.until_eof = true;
        else if (i + 1 >= argc || !read_option(argv[i], argv[i + 1]))
            return usage(argv[i]);
        else
            i++;
    }
    return 0;
}

/* Each connection is a file; as many as we are allowed. */
static unsigned raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 512;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur > 65536 ? 65536 - 64 : (unsigned)limit.rlim_cur - 64;
}

/* Until a signal comes or, when that is wanted, standard input ends. */
static void wait_for_end(int signals)
{
    struct pollfd fds[] = { { .fd = signals, .events = POLLIN },
                            { .fd = options.until_eof ? STDIN_FILENO : -1, .events = POLLIN } };
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            return;
        if (fds[0].revents)
            return;
        char text[256];
        if (fds[1].revents && read(STDIN_FILENO, text, sizeof text) <= 0)
            return;
    }
}

static struct MHD_Daemon *start_server(unsigned connections_max)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_port = htons((uint16_t)options.port),
                                   .sin_addr = options.address };
    struct MHD_Daemon *server = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_TURBO,
        (uint16_t)options.port, NULL, NULL, on_request, NULL,
        MHD_OPTION_SOCK_ADDR, &address,
        MHD_OPTION_CONNECTION_LIMIT, connections_max,
        MHD_OPTION_LISTEN_BACKLOG_SIZE, 4096u,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
        MHD_OPTION_END);
    if (!server) {
        fprintf(stderr, "demo_api: cannot listen on port %d: %s\n", options.port, strerror(errno));
        return NULL;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT);
    char name[INET_ADDRSTRLEN];
    printf("listening on http://%s:%u\n", inet_ntop(AF_INET, &options.address, name, sizeof name),
           info ? info->port : 0);
    fflush(stdout);
    return server;
}

int main(int argc, char **argv)
{
    int status = read_options(argc, argv);
    if (status)
        return status;
    random_state = options.seed;
    build_answers();

    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    int signals = signalfd(-1, &ends, SFD_CLOEXEC);

    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&delays.changed, &monotonic);
    pthread_t delayer;
    struct MHD_Daemon *server = start_server(raise_file_limit());
    if (!server || signals < 0 || pthread_create(&delayer, NULL, run_delays, NULL))
        return 1;

    wait_for_end(signals);

    MHD_quiesce_daemon(server);
    pthread_mutex_lock(&delays.mutex);
    delays.stopped = true;
    pthread_cond_signal(&delays.changed);
    pthread_mutex_unlock(&delays.mutex);
    pthread_join(delayer, NULL);
    MHD_stop_daemon(server);
    destroy_answers();
    if (!options.quiet)
        fprintf(stderr, "demo_api: %llu requests, %llu throttled, %llu made to fail\n",
                (unsigned long long)request_count, (unsigned long long)throttled_count,
                (unsigned long long)failed_count);
    return 0;
}
