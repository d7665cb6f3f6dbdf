#include "http_sockets.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

int http_sockets_init(http_sockets *s, rdd_error *err)
{
    *s = (http_sockets){ .epoll = epoll_create1(EPOLL_CLOEXEC), .wake = -1 };
    if (s->epoll >= 0)
        s->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    struct epoll_event wake = { .events = EPOLLIN, .data.fd = s->wake };
    if (s->wake < 0 || epoll_ctl(s->epoll, EPOLL_CTL_ADD, s->wake, &wake) < 0) {
        int os_errno = errno;
        http_sockets_release(s);
        return error_set_errno(err, RDD_E_IO, os_errno, "cannot watch sockets");
    }
    return 0;
}

void http_sockets_release(http_sockets *s)
{
    if (s->wake >= 0)
        close(s->wake);
    if (s->epoll >= 0)
        close(s->epoll);
    free(s->states);
    *s = (http_sockets){ .epoll = -1, .wake = -1 };
}

/* NULL when out of memory. */
static socket_state *state_of(http_sockets *s, int fd)
{
    size_t index = (size_t)fd;
    if (index >= s->state_count) {
        size_t count = size_max(64, s->state_count);
        while (count <= index)
            count *= 2;
        socket_state *states = realloc(s->states, count * sizeof *states);
        if (!states)
            return NULL;
        memset(states + s->state_count, 0, (count - s->state_count) * sizeof *states);
        s->states = states;
        s->state_count = count;
    }
    return &s->states[index];
}

int http_sockets_open(http_sockets *s, int family, int type, int protocol)
{
    int fd = socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
    if (fd < 0)
        return -1;
    socket_state *state = state_of(s, fd);
    if (!state) {
        close(fd);
        errno = ENOMEM;
        return -1;
    }
    *state = (socket_state){ .ours = true };
    return fd;
}

static void unwatch(http_sockets *s, int fd, socket_state *state)
{
    if (state->watched)
        epoll_ctl(s->epoll, EPOLL_CTL_DEL, fd, NULL);
    state->watched = 0;
}

int http_sockets_close(http_sockets *s, int fd)
{
    /* Closing would do, unless a forked child still has the descriptor. */
    socket_state *state = state_of(s, fd);
    if (state) {
        unwatch(s, fd, state);
        *state = (socket_state){ 0 };
    }
    return close(fd);
}

bool http_sockets_want(http_sockets *s, int fd, int wanted)
{
    socket_state *state = state_of(s, fd);
    if (!state)
        return false;
    state->wanted = (uint8_t)wanted;
    if (!wanted) {
        if (!state->ours)
            unwatch(s, fd, state);
        return true;
    }
    if (state->watched == wanted)
        return true;
    struct epoll_event event = { .data.fd = fd };
    event.events = (wanted & SOCKET_IN ? (uint32_t)EPOLLIN : 0) |
                   (wanted & SOCKET_OUT ? (uint32_t)EPOLLOUT : 0);
    int how = state->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
    if (epoll_ctl(s->epoll, how, fd, &event) < 0) {
        /* A descriptor that was closed behind our back, and its number used again. */
        how = errno == ENOENT ? EPOLL_CTL_ADD : errno == EEXIST ? EPOLL_CTL_MOD : 0;
        if (!how || epoll_ctl(s->epoll, how, fd, &event) < 0)
            return false;
    }
    state->watched = (uint8_t)wanted;
    return true;
}

static int event_bits(uint32_t events)
{
    int bits = 0;
    if (events & (EPOLLIN | EPOLLHUP | EPOLLERR))
        bits |= SOCKET_IN;
    if (events & (EPOLLOUT | EPOLLERR))
        bits |= SOCKET_OUT;
    return bits;
}

size_t http_sockets_wait(http_sockets *s, int timeout_ms, socket_event events[SOCKET_EVENTS_MAX])
{
    struct epoll_event got[SOCKET_EVENTS_MAX];
    int count = epoll_wait(s->epoll, got, SOCKET_EVENTS_MAX, timeout_ms);
    size_t kept = 0;
    for (int i = 0; i < count; i++) {
        int fd = got[i].data.fd;
        if (fd == s->wake) {
            uint64_t times;
            while (read(fd, &times, sizeof times) < 0 && errno == EINTR)
                ;
            continue;
        }
        socket_state *state = &s->states[fd];
        if (state->wanted)
            events[kept++] = (socket_event){ fd, event_bits(got[i].events) };
        else
            unwatch(s, fd, state);
    }
    return kept;
}

void http_sockets_wake(http_sockets *s)
{
    uint64_t one = 1;
    while (write(s->wake, &one, sizeof one) < 0 && errno == EINTR)
        ;
}
