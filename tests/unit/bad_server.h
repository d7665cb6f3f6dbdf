/* bad_server.h: an HTTP server that does what the test says, however wrong that is.
 *
 * One thread for each connection. A request comes in whole, is written down, and is given to the
 * test's function, which answers with the raw bytes it likes, or does worse. The function runs on
 * the server's threads.
 */
#ifndef RDD_BAD_SERVER_H
#define RDD_BAD_SERVER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct bad_server bad_server;

typedef struct bad_request {
    bad_server *server;
    int fd;
    int number;      /* of the request, from 1 on, over all connections */
    int nth_of_path; /* the same among those with this path */
    int connection;  /* from 1 on */
    int on_connection; /* of the request on its connection */
    char method[16], path[1024];
    char *head, *body; /* terminated */
    size_t body_size;
} bad_request;

/* True: the connection may be used again. */
typedef bool bad_answer(bad_request *r, void *arg);

bad_server *bad_server_start(bad_answer *answer, void *arg);
/* Ends all connections and waits for the threads. NULL is fine. */
void bad_server_stop(bad_server *s);

int bad_server_port(const bad_server *s);
/* "http://127.0.0.1:PORT" and the path; good for the next fifteen calls. */
const char *bad_server_url(const bad_server *s, const char *path);

int bad_server_requests(bad_server *s);
int bad_server_connections(bad_server *s);
/* The greatest number of requests that were being answered at the same time. */
int bad_server_busy_max(bad_server *s);
/* Head and body of a request, from 1 on; "" when there was none. Valid until the server stops. */
const char *bad_server_seen(bad_server *s, int number);

/* For answers. */
bool bad_send(bad_request *r, const char *text);       /* false: the client is gone */
bool bad_send_bytes(bad_request *r, const void *data, size_t size);
bool bad_printf(bad_request *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool bad_reply(bad_request *r, const char *status, const char *headers, const char *body);
bool bad_stall(bad_request *r);  /* until the client is gone or the server stops; gives false */
bool bad_pause(bad_request *r, int ms); /* false: the client is gone, or the server stops */
bool bad_reset(bad_request *r);  /* RST; gives false */

#endif
