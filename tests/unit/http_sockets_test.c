/* http_sockets_test.c: sockets that stay in the epoll set while nobody waits for them. */
#include "http_sockets.h"

#include <sys/socket.h>
#include <sys/un.h>

#include "test.h"

typedef struct rig {
    http_sockets sockets;
    int listener;
    struct sockaddr_un address;
    socklen_t address_size;
    socket_event events[SOCKET_EVENTS_MAX];
} rig;

static void rig_init(rig *r)
{
    *r = (rig){ .address.sun_family = AF_UNIX };
    assert_int_equal(http_sockets_init(&r->sockets, NULL), 0);
    r->listener = socket(AF_UNIX, SOCK_STREAM, 0);
    r->address_size = sizeof(sa_family_t);
    assert_int_equal(bind(r->listener, (struct sockaddr *)&r->address, r->address_size), 0);
    r->address_size = sizeof r->address; /* the kernel chose a name */
    assert_int_equal(getsockname(r->listener, (struct sockaddr *)&r->address, &r->address_size), 0);
    assert_int_equal(listen(r->listener, 8), 0);
}

static void rig_release(rig *r)
{
    close(r->listener);
    http_sockets_release(&r->sockets);
}

/* A connection; *ret_peer is its other end. */
static int connect_one(rig *r, int *ret_peer)
{
    int fd = http_sockets_open(&r->sockets, AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&r->address, r->address_size), 0);
    *ret_peer = accept(r->listener, NULL, NULL);
    return fd;
}

static size_t look(rig *r)
{
    return http_sockets_wait(&r->sockets, 0, r->events);
}

static void events_come_to_those_who_wait(void **state)
{
    (void)state;
    rig r;
    int peer;
    rig_init(&r);
    int fd = connect_one(&r, &peer);
    assert_int_equal(look(&r), 0);
    assert_true(http_sockets_want(&r.sockets, fd, SOCKET_IN));
    assert_int_equal(look(&r), 0);
    assert_int_equal(write(peer, "x", 1), 1);
    assert_int_equal(look(&r), 1);
    assert_int_equal(r.events[0].fd, fd);
    assert_int_equal(r.events[0].bits, SOCKET_IN);
    assert_true(http_sockets_want(&r.sockets, fd, SOCKET_IN | SOCKET_OUT));
    assert_int_equal(look(&r), 1);
    assert_int_equal(r.events[0].bits, SOCKET_IN | SOCKET_OUT);
    close(peer);
    http_sockets_close(&r.sockets, fd);
    assert_int_equal(look(&r), 0);
    rig_release(&r);
}

static void who_speaks_unasked_is_taken_out(void **state)
{
    (void)state;
    rig r;
    int peer;
    rig_init(&r);
    int fd = connect_one(&r, &peer);
    assert_true(http_sockets_want(&r.sockets, fd, SOCKET_IN));
    assert_true(http_sockets_want(&r.sockets, fd, 0));
    assert_int_equal(r.sockets.states[fd].watched, SOCKET_IN); /* it stays */
    assert_int_equal(look(&r), 0);
    assert_int_equal(r.sockets.states[fd].watched, SOCKET_IN);
    assert_int_equal(write(peer, "x", 1), 1);
    assert_int_equal(look(&r), 0);
    assert_int_equal(r.sockets.states[fd].watched, 0); /* or every wait would end at once */
    assert_true(http_sockets_want(&r.sockets, fd, SOCKET_IN));
    assert_int_equal(look(&r), 1);
    close(peer);
    http_sockets_close(&r.sockets, fd);
    rig_release(&r);
}

static void a_number_that_is_used_again_is_another_socket(void **state)
{
    (void)state;
    rig r;
    int peer, next_peer;
    rig_init(&r);
    int fd = connect_one(&r, &peer);
    assert_true(http_sockets_want(&r.sockets, fd, SOCKET_IN));
    assert_true(http_sockets_want(&r.sockets, fd, 0));
    int copy = dup(fd); /* as a forked child has one */
    http_sockets_close(&r.sockets, fd);
    int next = connect_one(&r, &next_peer);
    assert_int_equal(next, fd);
    assert_int_equal(write(peer, "x", 1), 1);
    assert_true(http_sockets_want(&r.sockets, next, SOCKET_IN));
    assert_int_equal(look(&r), 0); /* nothing from the old one */
    assert_int_equal(write(next_peer, "x", 1), 1);
    assert_int_equal(look(&r), 1);
    close(copy);
    close(peer);
    close(next_peer);
    http_sockets_close(&r.sockets, next);
    rig_release(&r);
}

/* As the one that libcurl's name lookup makes for itself. */
static void a_foreign_socket_is_taken_out_at_once(void **state)
{
    (void)state;
    rig r;
    int ends[2];
    rig_init(&r);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    assert_true(http_sockets_want(&r.sockets, ends[0], SOCKET_IN));
    assert_int_equal(write(ends[1], "x", 1), 1);
    assert_int_equal(look(&r), 1);
    assert_true(http_sockets_want(&r.sockets, ends[0], 0));
    assert_int_equal(r.sockets.states[ends[0]].watched, 0);
    assert_int_equal(look(&r), 0);
    close(ends[0]);
    close(ends[1]);
    rig_release(&r);
}

static void a_wake_ends_one_wait(void **state)
{
    (void)state;
    rig r;
    rig_init(&r);
    http_sockets_wake(&r.sockets);
    http_sockets_wake(&r.sockets);
    assert_int_equal(http_sockets_wait(&r.sockets, -1, r.events), 0); /* does not sleep */
    assert_int_equal(look(&r), 0);
    rig_release(&r);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_come_to_those_who_wait),
        cmocka_unit_test(who_speaks_unasked_is_taken_out),
        cmocka_unit_test(a_number_that_is_used_again_is_another_socket),
        cmocka_unit_test(a_foreign_socket_is_taken_out_at_once),
        cmocka_unit_test(a_wake_ends_one_wait),
    };
    return TEST_MAIN(argc, argv, tests);
}
