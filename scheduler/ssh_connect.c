/* A name to an address, an address to a connection. */
#include "transport_parts.h"

#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum {
    KEEPALIVE_IDLE_S = 15,
    KEEPALIVE_INTERVAL_S = 15,
    KEEPALIVE_COUNT = 3,
    USER_TIMEOUT_MS = 60000, /* what was sent and is not acknowledged by then: the link is dead */
    STACK_SIZE = 256 << 10,
};

/* -- Names ------------------------------------------------------------------------------------- */

/* getaddrinfo() cannot be told to stop, so it has a thread, which is left behind when time is up.
 * Whoever of the two lets go last frees this. */
typedef struct lookup {
    _Atomic int users;
    _Atomic bool done; /* the rest is the thread's until then */
    int event_fd;
    int error, os_errno;
    struct addrinfo *list;
    char port[16];
    char name[];
} lookup;

static void lookup_letgo(lookup *l)
{
    if (atomic_fetch_sub(&l->users, 1) > 1)
        return;
    if (l->list)
        freeaddrinfo(l->list);
    closep(&l->event_fd);
    free(l);
}

static void lookup_letgop(lookup **l)
{
    if (*l)
        lookup_letgo(*l);
}

static void *lookup_main(void *arg)
{
    lookup *l = arg;
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
                              .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG };
    l->error = getaddrinfo(l->name, l->port, &hints, &l->list);
    if (l->error == EAI_NONAME || l->error == EAI_ADDRFAMILY) { /* a machine with loopback alone */
        hints.ai_flags = AI_NUMERICSERV | AI_NUMERICHOST;
        if (!getaddrinfo(l->name, l->port, &hints, &l->list))
            l->error = 0;
    }
    l->os_errno = errno;
    atomic_store_explicit(&l->done, true, memory_order_release);
    uint64_t one = 1;
    while (write(l->event_fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
    lookup_letgo(l);
    return NULL;
}

static int lookup_thread(lookup *l)
{
    pthread_attr_t how;
    pthread_t thread;
    pthread_attr_init(&how);
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&how, STACK_SIZE);
    atomic_store(&l->users, 2);
    int error = pthread_create(&thread, &how, lookup_main, l);
    pthread_attr_destroy(&how);
    if (error)
        atomic_store(&l->users, 1);
    return error;
}

static int resolve(transport_start *s, lookup **ret)
{
    const char *name = s->target->host_name;
    CLEANUP(lookup_letgop) lookup *l = calloc(1, sizeof *l + strlen(name) + 1);
    if (!l)
        return error_set_memory(s->err, "looking up a host");
    memcpy(l->name, name, strlen(name) + 1);
    snprintf(l->port, sizeof l->port, "%u", s->target->port);
    atomic_init(&l->users, 1);
    l->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->event_fd < 0 || lookup_thread(l))
        return start_fail(s, RDD_E_IO, "no thread or no descriptor to look the name up with");
    struct pollfd done = { .fd = l->event_fd, .events = POLLIN };
    int code = start_wait(s, &done, 1);
    if (code)
        return code;
    bool told = atomic_load_explicit(&l->done, memory_order_acquire);
    ASSERT(told);
    char reason[128];
    if (l->error)
        return start_fail(s, RDD_E_IO,
                          "Could not resolve hostname %s: %s; is the name spelled right, in the DNS, "
                          "/etc/hosts or as a Host of the ssh configuration?", name,
                          l->error == EAI_SYSTEM ? strerror_r(l->os_errno, reason, sizeof reason)
                                                 : gai_strerror(l->error));
    *ret = TAKE(l);
    return 0;
}

/* -- Connections ------------------------------------------------------------------------------- */

static void set_option(int fd, int level, int option, int value)
{
    setsockopt(fd, level, option, &value, sizeof value); /* it works without, only less well */
}

static void tune(int fd)
{
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, USER_TIMEOUT_MS);
}

static const char *address_text(const struct addrinfo *a, char text[NI_MAXHOST])
{
    if (getnameinfo(a->ai_addr, a->ai_addrlen, text, NI_MAXHOST, NULL, 0, NI_NUMERICHOST))
        snprintf(text, NI_MAXHOST, "an address");
    return text;
}

static int refuse(transport_start *s, const struct addrinfo *a, int error)
{
    char text[NI_MAXHOST], reason[128];
    const char *fix = error == ECONNREFUSED   ? "is sshd running there, and is this its port?"
                      : error == ENETUNREACH  ? "is the network up here?"
                      : error == EHOSTUNREACH ? "is the machine up, and is the address right?"
                                              : "is the machine up, and does a firewall let its "
                                                "port through?";
    return start_fail(s, RDD_E_IO, "connect to %s port %u: %s; %s", address_text(a, text),
                      s->target->port, strerror_r(error, reason, sizeof reason), fix);
}

static int connect_one(transport_start *s, const struct addrinfo *a, int *ret_fd)
{
    CLEANUP(closep) int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return refuse(s, a, errno);
    tune(fd);
    int error = connect(fd, a->ai_addr, a->ai_addrlen) ? errno : 0;
    if (error == EINPROGRESS || error == EINTR) {
        struct pollfd done = { .fd = fd, .events = POLLOUT };
        int code = start_wait(s, &done, 1);
        if (code)
            return code;
        socklen_t size = sizeof error;
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size))
            error = errno;
    }
    if (error)
        return refuse(s, a, error);
    *ret_fd = fd;
    fd = -1;
    return 0;
}

int ssh_connect(transport_start *s, int *ret_fd)
{
    CLEANUP(lookup_letgop) lookup *found = NULL;
    int code = resolve(s, &found);
    if (code)
        return code;
    start_done(s, TRANSPORT_RESOLVE);
    size_t left = 0;
    for (const struct addrinfo *a = found->list; a; a = a->ai_next)
        left++;
    /* One address that does not answer leaves time for the next. */
    uint64_t until_ns = s->step_deadline_ns;
    for (const struct addrinfo *a = found->list; a; a = a->ai_next, left--) {
        uint64_t now_ns = clock_now_ns();
        if (until_ns > now_ns)
            s->step_deadline_ns = now_ns + (until_ns - now_ns) / left;
        code = connect_one(s, a, ret_fd);
        if (!code)
            start_done(s, TRANSPORT_CONNECT);
        if (!code || code == RDD_E_CANCELLED)
            return code;
    }
    return code;
}
