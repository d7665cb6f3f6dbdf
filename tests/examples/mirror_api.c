/* mirror_api: a server that says what it was asked, for tests of api_call.
 *
 *   /mirror/…      what came: method, path as it was sent, body, and some headers; with ?more=N, N bytes
 *                  of padding
 *   /fields/N      an object whose fields depend on N
 *   /flaky/N/KEY   503 N times for each KEY, then an answer, then 503 N times again, …
 *   /status/N      status N
 *   /say/TEXT      TEXT, percent-decoded, with status 200
 *   /together/N    answers when N of these are waiting
 *   /gate/…        as /mirror/…, once the gate is open; says "a call waits" when the first has to;
 *                  /gate/…?first=N lets N such calls through before
 *   /stall         no answer
 *
 * It listens on 127.0.0.1, or on the address that is its argument, and prints "listening on URL". At
 * its end it says how many requests it had, and how many at once. SIGUSR1 opens the gate, SIGUSR2
 * closes it. One thread.
 */
#include <arpa/inet.h>
#include <cjson/cJSON.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BODY_MAX = 1 << 16, KEYS_MAX = 4096 };

typedef struct request {
    struct MHD_Connection *connection;
    struct request *next; /* of those that wait */
    bool together, through;
    size_t size;
    char body[BODY_MAX + 1];
} request;

static struct flaky {
    char key[64];
    int asked;
} flaky[KEYS_MAX];

/* Counted by the server's thread, read by main at the end. */
static _Atomic unsigned long request_count, open_count, open_max;
static request *waiting;

static enum MHD_Result send_text(struct MHD_Connection *connection, unsigned status,
                                 const char *text)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text,
                                                             MHD_RESPMEM_MUST_COPY);
    MHD_add_response_header(r, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result send_object(struct MHD_Connection *connection, cJSON *object)
{
    char *text = cJSON_PrintUnformatted(object);
    enum MHD_Result result = send_text(connection, 200, text);
    cJSON_free(text);
    cJSON_Delete(object);
    return result;
}

static enum MHD_Result mirror(struct MHD_Connection *connection, const char *path,
                              const char *method, const request *r)
{
    static const char *const HEADERS[] = { "Content-Type", "X-One", "X-Two" };
    cJSON *object = cJSON_CreateObject();
    cJSON_AddStringToObject(object, "method", method);
    cJSON_AddStringToObject(object, "path", path);
    cJSON_AddStringToObject(object, "body", r->body);
    for (size_t i = 0; i < sizeof HEADERS / sizeof HEADERS[0]; i++) {
        const char *value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, HEADERS[i]);
        if (value)
            cJSON_AddStringToObject(object, HEADERS[i], value);
    }
    const char *more = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "more");
    char *padding = more ? calloc(1, strtoul(more, NULL, 10) + 1) : NULL;
    if (padding) {
        memset(padding, 'x', strtoul(more, NULL, 10));
        cJSON_AddStringToObject(object, "padding", padding);
        free(padding);
    }
    return send_object(connection, object);
}

static enum MHD_Result fields(struct MHD_Connection *connection, long number)
{
    cJSON *object = cJSON_CreateObject();
    cJSON_AddNumberToObject(object, "n", (double)number);
    cJSON_AddNullToObject(object, "none");
    cJSON_AddBoolToObject(object, "odd", number % 2 != 0);
    cJSON *inner = cJSON_AddObjectToObject(object, "inner");
    cJSON_AddItemToArray(cJSON_AddArrayToObject(inner, "list"), cJSON_CreateNumber(1.5));
    if (number >= 3)
        cJSON_AddStringToObject(object, "late", "a, \"b\"\nc");
    return send_object(connection, object);
}

static enum MHD_Result fail_at_first(struct MHD_Connection *connection, const char *rest)
{
    char *key;
    long times = strtol(rest, &key, 10);
    size_t i = 0;
    while (i < KEYS_MAX - 1 && flaky[i].key[0] && strcmp(flaky[i].key, key) != 0)
        i++;
    snprintf(flaky[i].key, sizeof flaky[i].key, "%s", key);
    if (flaky[i].asked++ % (times + 1) < times)
        return send_text(connection, 503, "{\"error\":\"not yet\"}");
    return send_text(connection, 200, "{\"patience\":\"pays\"}");
}

static enum MHD_Result wait_for_others(struct MHD_Connection *connection, long count, request *r)
{
    if (r->together)
        return send_text(connection, 200, "{\"together\":true}");
    r->connection = connection;
    r->next = waiting;
    waiting = r;
    MHD_suspend_connection(connection);
    for (request *w = waiting; w; w = w->next)
        count--;
    for (request *next; waiting && count <= 0; waiting = next) {
        next = waiting->next;
        waiting->together = true;
        MHD_resume_connection(waiting->connection);
    }
    return MHD_YES;
}

/* -- The gate: the main thread opens it -------------------------------------------------------- */

static struct {
    pthread_mutex_t mutex;
    /* under the mutex */
    request *waiting;
    bool open;
    long passed; /* calls with first=N */
} gate = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* False: it has to wait. */
static bool gate_pass(struct MHD_Connection *connection, request *r)
{
    const char *first = MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, "first");
    pthread_mutex_lock(&gate.mutex);
    bool pass = gate.open || r->through || (first && gate.passed++ < strtol(first, NULL, 10));
    if (!pass) {
        if (!gate.waiting) {
            printf("a call waits\n");
            fflush(stdout);
        }
        r->connection = connection;
        r->through = true;
        r->next = gate.waiting;
        gate.waiting = r;
        MHD_suspend_connection(connection);
    }
    pthread_mutex_unlock(&gate.mutex);
    return pass;
}

static void gate_set(bool open)
{
    pthread_mutex_lock(&gate.mutex);
    gate.open = open;
    for (request *r = open ? gate.waiting : NULL, *next; r; r = next) {
        next = r->next;
        MHD_resume_connection(r->connection);
    }
    if (open)
        gate.waiting = NULL;
    pthread_mutex_unlock(&gate.mutex);
    printf("%s\n", open ? "open" : "closed");
    fflush(stdout);
}

static const char *behind(const char *path, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(path, prefix, size) == 0 ? path + size : NULL;
}

static enum MHD_Result answer(struct MHD_Connection *connection, const char *path,
                              const char *method, request *r)
{
    const char *rest;
    if (behind(path, "/mirror/"))
        return mirror(connection, path, method, r);
    if (behind(path, "/gate/"))
        return gate_pass(connection, r) ? mirror(connection, path, method, r) : MHD_YES;
    if ((rest = behind(path, "/fields/")))
        return fields(connection, strtol(rest, NULL, 10));
    if ((rest = behind(path, "/flaky/")))
        return fail_at_first(connection, rest);
    if ((rest = behind(path, "/status/")))
        return send_text(connection, (unsigned)strtoul(rest, NULL, 10),
                         "{\"error\":\"as you wish\"}");
    if ((rest = behind(path, "/say/"))) {
        char text[1024];
        snprintf(text, sizeof text, "%s", rest);
        MHD_http_unescape(text);
        return send_text(connection, 200, text);
    }
    if ((rest = behind(path, "/together/")))
        return wait_for_others(connection, strtol(rest, NULL, 10), r);
    if (behind(path, "/stall")) {
        MHD_suspend_connection(connection);
        return MHD_YES;
    }
    return send_text(connection, 404, "{\"error\":\"there is no such page\"}");
}

static enum MHD_Result on_request(void *unused, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *data,
                                  size_t *data_size, void **state)
{
    (void)unused, (void)version;
    request *r = *state;
    if (!r) {
        *state = calloc(1, sizeof(request));
        request_count++;
        open_count++;
        open_max = open_count > open_max ? open_count : open_max;
        return *state ? MHD_YES : MHD_NO;
    }
    if (*data_size) {
        size_t room = BODY_MAX - r->size, size = *data_size < room ? *data_size : room;
        memcpy(r->body + r->size, data, size);
        r->size += size;
        *data_size = 0;
        return MHD_YES;
    }
    return answer(connection, path, method, r);
}

static void on_completed(void *unused, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)unused, (void)connection, (void)code;
    open_count -= *state != NULL;
    free(*state);
    *state = NULL;
}

/* Paths are shown as they came. */
static size_t keep_escapes(void *unused, struct MHD_Connection *connection, char *text)
{
    (void)unused, (void)connection;
    return strlen(text);
}

int main(int argc, char **argv)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    const char *name = argc > 1 ? argv[1] : "127.0.0.1";
    if (inet_pton(AF_INET, name, &address.sin_addr) != 1) {
        fprintf(stderr, "mirror_api: %s is no address\n", name);
        return 2;
    }
    sigset_t ends;
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGUSR1);
    sigaddset(&ends, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    signal(SIGPIPE, SIG_IGN);
    struct MHD_Daemon *server = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, on_request, NULL,
        MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL, MHD_OPTION_END);
    const union MHD_DaemonInfo *info =
        server ? MHD_get_daemon_info(server, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        fprintf(stderr, "mirror_api: cannot listen\n");
        return 1;
    }
    printf("listening on http://%s:%u\n", name, info->port);
    fflush(stdout);
    int number;
    while (sigwait(&ends, &number) == 0 && (number == SIGUSR1 || number == SIGUSR2))
        gate_set(number == SIGUSR1);
    fprintf(stderr, "mirror_api: %lu requests, %lu at once\n", request_count, open_max);
    fflush(stderr);
    _exit(0); /* stalled requests are left alone */
}
