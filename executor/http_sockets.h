/* http_sockets.h: the sockets of one wire in one epoll set.
 *
 * A connection that is kept from call to call is watched, left alone, and watched again for each of
 * them. Two system calls per call are saved by leaving its socket in the set in between: only when
 * it speaks while nobody listens is it taken out. That is right as long as the set hears of every
 * close, so it holds for sockets opened and closed here; others are taken out at once.
 */
#ifndef RDD_HTTP_SOCKETS_H
#define RDD_HTTP_SOCKETS_H

#include "error.h"

enum { SOCKET_IN = 1, SOCKET_OUT = 2, SOCKET_EVENTS_MAX = 256 };

typedef struct socket_state {
    uint8_t wanted;  /* SOCKET_ bits that somebody waits for */
    uint8_t watched; /* those that the epoll set knows */
    bool ours;
} socket_state;

typedef struct socket_event {
    int fd;
    int bits; /* SOCKET_ */
} socket_event;

typedef struct http_sockets {
    int epoll, wake;
    socket_state *states; /* by descriptor */
    size_t state_count;
} http_sockets;

int http_sockets_init(http_sockets *s, rdd_error *err);
void http_sockets_release(http_sockets *s);

/* A nonblocking socket that exec closes; -1 with errno. And its end. */
int http_sockets_open(http_sockets *s, int family, int type, int protocol);
int http_sockets_close(http_sockets *s, int fd);

/* From now on tell about `wanted` (SOCKET_ bits, 0: nothing). False: no memory. */
bool http_sockets_want(http_sockets *s, int fd, int wanted);

/* Sleeps up to `timeout_ms` (-1: for ever), and gives what happened to wanted sockets. Ends early
 * when woken. */
size_t http_sockets_wait(http_sockets *s, int timeout_ms, socket_event events[SOCKET_EVENTS_MAX]);

/* Ends a wait, or the next one. From any thread. */
void http_sockets_wake(http_sockets *s);

#endif
