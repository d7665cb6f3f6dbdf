#include "bad_server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 4096, SEEN_MAX = 20000, REQUEST_MAX = 1 << 20 };

typedef struct connection {
    bad_server *server;
    pthread_t thread;
    int fd, number;
} connection;

struct bad_server {
    bad_answer *answer;
    void *arg;
    int listener, port;
    int stop[2]; /* readable from stop on */
    pthread_t thread;
    pthread_mutex_t mutex;
    /* under the mutex */
    bool stopping;
    connection *connections[CONNECTIONS_MAX];
    int connection_count;
    char *seen[SEEN_MAX];
    char *paths[SEEN_MAX];
    int seen_count, busy, busy_max;
};

static void die(const char *what)
{
    perror(what);
    abort();
}

/* -- Requests ---------------------------------------------------------------------------------- */

/* Reads until a whole request is in `text`; false at the end of the connection. What follows it is
 * left for the next one. */
static bool read_request(int fd, char *text, size_t *size, size_t *ret_head, size_t *ret_body)
{
    for (;;) {
        text[*size] = 0;
        char *end = strstr(text, "\r\n\r\n");
        if (end) {
            size_t head = (size_t)(end - text) + 4, body = 0;
            for (char *line = text; line < end; line = strstr(line, "\r\n") + 2)
                if (!strncasecmp(line, "Content-Length:", 15))
                    body = strtoul(line + 15, NULL, 10);
            if (*size >= head + body) {
                *ret_head = head;
                *ret_body = body;
                return true;
            }
        }
        ssize_t got = *size < REQUEST_MAX ? recv(fd, text + *size, REQUEST_MAX - *size, 0) : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        *size += (size_t)got;
    }
}

static void write_down(bad_request *r)
{
    bad_server *s = r->server;
    pthread_mutex_lock(&s->mutex);
    if (s->seen_count == SEEN_MAX)
        die("bad_server: too many requests");
    size_t head = strlen(r->head);
    char *copy = malloc(head + r->body_size + 1);
    if (!copy)
        die("bad_server");
    memcpy(copy, r->head, head);
    memcpy(copy + head, r->body, r->body_size);
    copy[head + r->body_size] = 0;
    s->seen[s->seen_count] = copy;
    s->paths[s->seen_count] = strdup(r->path);
    r->number = ++s->seen_count;
    for (int i = 0; i < s->seen_count; i++)
        r->nth_of_path += !strcmp(s->paths[i], r->path);
    s->busy++;
    if (s->busy > s->busy_max)
        s->busy_max = s->busy;
    pthread_mutex_unlock(&s->mutex);
}

static bool serve_one(connection *c, char *text, size_t *size, int nth)
{
    size_t head, body;
    if (!read_request(c->fd, text, size, &head, &body))
        return false;
    bad_request r = { .server = c->server, .fd = c->fd, .connection = c->number,
                      .on_connection = nth, .body_size = body };
    r.head = strndup(text, head);
    r.body = malloc(body + 1);
    if (!r.head || !r.body)
        die("bad_server");
    memcpy(r.body, text + head, body);
    r.body[body] = 0;
    if (sscanf(r.head, "%15s %1023s", r.method, r.path) != 2)
        r.path[0] = 0;
    *size -= head + body;
    memmove(text, text + head + body, *size);
    write_down(&r);
    bool again = c->server->answer(&r, c->server->arg);
    pthread_mutex_lock(&c->server->mutex);
    c->server->busy--;
    pthread_mutex_unlock(&c->server->mutex);
    free(r.head);
    free(r.body);
    return again;
}

static void *serve(void *arg)
{
    connection *c = arg;
    char *text = malloc(REQUEST_MAX + 1);
    if (!text)
        die("bad_server");
    size_t size = 0;
    for (int nth = 1; serve_one(c, text, &size, nth); nth++)
        ;
    free(text);
    pthread_mutex_lock(&c->server->mutex);
    close(c->fd);
    c->fd = -1;
    pthread_mutex_unlock(&c->server->mutex);
    return NULL;
}

/* -- The server -------------------------------------------------------------------------------- */

static void add_connection(bad_server *s, int fd)
{
    connection *c = calloc(1, sizeof *c);
    if (!c || s->connection_count == CONNECTIONS_MAX)
        die("bad_server: too many connections");
    c->server = s;
    c->fd = fd;
    pthread_mutex_lock(&s->mutex);
    s->connections[s->connection_count++] = c;
    c->number = s->connection_count;
    pthread_mutex_unlock(&s->mutex);
    if (pthread_create(&c->thread, NULL, serve, c))
        die("bad_server");
}

static void *listen_on(void *arg)
{
    bad_server *s = arg;
    struct pollfd fds[] = { { .fd = s->listener, .events = POLLIN },
                            { .fd = s->stop[0], .events = POLLIN } };
    for (;;) {
        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            die("bad_server");
        if (fds[1].revents)
            return NULL;
        int fd = fds[0].revents ? accept4(s->listener, NULL, NULL, SOCK_CLOEXEC) : -1;
        if (fd >= 0)
            add_connection(s, fd);
    }
}

bad_server *bad_server_start(bad_answer *answer, void *arg)
{
    bad_server *s = calloc(1, sizeof *s);
    if (!s)
        die("bad_server");
    s->answer = answer;
    s->arg = arg;
    pthread_mutex_init(&s->mutex, NULL);
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof at;
    s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (pipe(s->stop) < 0 || bind(s->listener, (struct sockaddr *)&at, sizeof at) < 0 ||
        listen(s->listener, 1024) < 0 ||
        getsockname(s->listener, (struct sockaddr *)&at, &size) < 0 ||
        pthread_create(&s->thread, NULL, listen_on, s))
        die("bad_server");
    s->port = ntohs(at.sin_port);
    return s;
}

void bad_server_stop(bad_server *s)
{
    if (!s)
        return;
    close(s->stop[1]); /* ends stalls and the listener */
    pthread_join(s->thread, NULL);
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    for (int i = 0; i < s->connection_count; i++)
        if (s->connections[i]->fd >= 0)
            shutdown(s->connections[i]->fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->mutex);
    for (int i = 0; i < s->connection_count; i++) {
        pthread_join(s->connections[i]->thread, NULL);
        free(s->connections[i]);
    }
    for (int i = 0; i < s->seen_count; i++) {
        free(s->seen[i]);
        free(s->paths[i]);
    }
    close(s->listener);
    close(s->stop[0]);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

int bad_server_port(const bad_server *s)
{
    return s->port;
}

const char *bad_server_url(const bad_server *s, const char *path)
{
    static char urls[16][1100];
    static unsigned next;
    char *url = urls[next++ % 16];
    snprintf(url, sizeof urls[0], "http://127.0.0.1:%d%s", s->port, path);
    return url;
}

static int read_count(bad_server *s, const int *count)
{
    pthread_mutex_lock(&s->mutex);
    int value = *count;
    pthread_mutex_unlock(&s->mutex);
    return value;
}

int bad_server_requests(bad_server *s)
{
    return read_count(s, &s->seen_count);
}

int bad_server_connections(bad_server *s)
{
    return read_count(s, &s->connection_count);
}

int bad_server_busy_max(bad_server *s)
{
    return read_count(s, &s->busy_max);
}

const char *bad_server_seen(bad_server *s, int number)
{
    pthread_mutex_lock(&s->mutex);
    const char *seen = number >= 1 && number <= s->seen_count ? s->seen[number - 1] : "";
    pthread_mutex_unlock(&s->mutex);
    return seen;
}

/* -- Answers ----------------------------------------------------------------------------------- */

bool bad_send_bytes(bad_request *r, const void *data, size_t size)
{
    for (const char *at = data; size;) {
        ssize_t sent = send(r->fd, at, size, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            return false;
        at += sent;
        size -= (size_t)sent;
    }
    return true;
}

bool bad_send(bad_request *r, const char *text)
{
    return bad_send_bytes(r, text, strlen(text));
}

bool bad_printf(bad_request *r, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return bad_send(r, text);
}

bool bad_reply(bad_request *r, const char *status, const char *headers, const char *body)
{
    return bad_printf(r, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
                      strlen(body), body);
}

bool bad_pause(bad_request *r, int ms)
{
    struct pollfd fds[] = { { .fd = r->fd, .events = POLLRDHUP },
                            { .fd = r->server->stop[0], .events = POLLIN } };
    return poll(fds, 2, ms) == 0;
}

bool bad_stall(bad_request *r)
{
    while (bad_pause(r, 60000))
        ;
    return false;
}

bool bad_reset(bad_request *r)
{
    struct linger at_once = { .l_onoff = 1, .l_linger = 0 };
    setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return false;
}
