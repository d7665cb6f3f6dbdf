#include "dial.h"

#include "clock.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>

enum { PORT_DEFAULT = 22 };

struct dial_place {
    dial_place *next;
    size_t taken;
    size_t users; /* those with the place, and those that wait for it: it lives as long */
    char name[DIAL_NAME_MAX];
};

typedef struct waiter {
    struct waiter *next;
    dial_place *places[2];
    bool served;
    int event_fd;
} waiter;

static struct {
    pthread_mutex_t mutex;
    dial_place *places; /* all that anybody uses; under the mutex, as is the rest */
    waiter *first, **end;
} gate = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* -- Names ------------------------------------------------------------------------------------- */

static void make_name(char name[DIAL_NAME_MAX], const char *host, size_t size, unsigned port)
{
    snprintf(name, DIAL_NAME_MAX, "%.*s:%u", (int)size_min(size, 256), host, port);
    for (char *c = name; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

/* The first of "[user@]host[:port],…", as of ssh -J. */
static void jump_name(char name[DIAL_NAME_MAX], const char *jump)
{
    size_t size = strcspn(jump, ",");
    for (size_t i = size; i > 0; i--) {
        if (jump[i - 1] == '@') {
            jump += i;
            size -= i;
            break;
        }
    }
    size_t host_size = size;
    const char *colon = memchr(jump, ':', size), *bracket = memchr(jump, ']', size);
    if (*jump == '[' && bracket) {
        colon = bracket[1] == ':' ? bracket + 1 : NULL;
        host_size = (size_t)(bracket - jump) - 1;
        jump++;
    } else if (colon && !memchr(colon + 1, ':', (size_t)(jump + size - colon - 1))) {
        host_size = (size_t)(colon - jump);
    } else {
        colon = NULL; /* none, or an IPv6 address without brackets */
    }
    unsigned long port = colon ? strtoul(colon + 1, NULL, 10) : PORT_DEFAULT;
    make_name(name, jump, host_size, port <= UINT16_MAX ? (unsigned)port : 0);
}

/* -- Places, under the mutex ------------------------------------------------------------------- */

static dial_place *find_place_locked(const char *name)
{
    for (dial_place *p = gate.places; p; p = p->next)
        if (!strcmp(p->name, name))
            return p;
    return NULL;
}

static dial_place *use_place_locked(const char *name)
{
    dial_place *p = find_place_locked(name);
    if (!p) {
        p = calloc(1, sizeof *p);
        if (!p)
            return NULL;
        snprintf(p->name, sizeof p->name, "%s", name);
        p->next = gate.places;
        gate.places = p;
    }
    p->users++;
    return p;
}

static void unuse_place_locked(dial_place *place)
{
    if (!place || --place->users)
        return;
    ASSERT(!place->taken);
    dial_place **at = &gate.places;
    while (*at != place)
        at = &(*at)->next;
    *at = place->next;
    free(place);
}

static bool take_places_locked(dial_place *const places[2])
{
    for (int i = 0; i < 2; i++)
        if (places[i] && places[i]->taken >= DIAL_MAX)
            return false;
    for (int i = 0; i < 2; i++)
        if (places[i])
            places[i]->taken++;
    return true;
}

/* Whoever can go, goes; those who wait for a full place do not hold up the others. */
static void serve_locked(void)
{
    for (waiter *w = gate.first; w; w = w->next) {
        if (w->served || !take_places_locked(w->places))
            continue;
        w->served = true;
        uint64_t one = 1;
        while (write(w->event_fd, &one, sizeof one) < 0 && errno == EINTR)
            ;
    }
}

static void enqueue_locked(waiter *w)
{
    if (!gate.first)
        gate.end = &gate.first;
    w->next = NULL;
    *gate.end = w;
    gate.end = &w->next;
}

static void dequeue_locked(waiter *w)
{
    waiter **at = &gate.first;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (!w->next)
        gate.end = at;
}

/* -- Waiting ----------------------------------------------------------------------------------- */

static int wait_for_turn(const waiter *w, int cancel_fd, uint64_t deadline_ns, rdd_error *err)
{
    for (;;) {
        struct pollfd fds[2] = { { .fd = w->event_fd, .events = POLLIN },
                                 { .fd = cancel_fd, .events = POLLIN } };
        int n = poll(fds, 2, clock_poll_ms(clock_now_ns(), deadline_ns));
        if (n > 0 && fds[0].revents)
            return 0;
        if (n > 0)
            return error_set(err, RDD_E_CANCELLED, "cancelled while it waited for its turn");
        if (n < 0 && errno != EINTR)
            return error_set_errno(err, RDD_E_IO, errno, "poll failed");
        if (clock_now_ns() >= deadline_ns)
            return error_set(err, RDD_E_IO,
                             "no time was left after waiting for a turn to connect: at most %d "
                             "logins at once are tried on %s; raise --conf ssh.connect_timeout",
                             DIAL_MAX, w->places[0]->name);
    }
}

static int wait_in_line(waiter *w, int cancel_fd, uint64_t deadline_ns, rdd_error *err)
{
    CLEANUP(closep) int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (event_fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "no descriptor to wait with");
    w->event_fd = event_fd;
    pthread_mutex_lock(&gate.mutex);
    enqueue_locked(w);
    serve_locked();
    pthread_mutex_unlock(&gate.mutex);
    int code = wait_for_turn(w, cancel_fd, deadline_ns, err);
    pthread_mutex_lock(&gate.mutex);
    dequeue_locked(w);
    if (w->served)
        code = 0; /* if need be, whoever asked sees the deadline by itself */
    pthread_mutex_unlock(&gate.mutex);
    return code;
}

int dial_enter(dial_pass *ret, const char *host, uint16_t port, const char *jump, int cancel_fd,
               uint64_t deadline_ns, rdd_error *err)
{
    char name[DIAL_NAME_MAX], by[DIAL_NAME_MAX] = "";
    make_name(name, host, strlen(host), port);
    if (jump)
        jump_name(by, jump);
    if (!strcmp(name, by))
        by[0] = 0;

    pthread_mutex_lock(&gate.mutex);
    waiter w = { .places[0] = use_place_locked(name), .event_fd = -1 };
    if (by[0])
        w.places[1] = use_place_locked(by);
    bool all = w.places[0] && (w.places[1] || !by[0]);
    /* Nobody is overtaken: there is a line only where places are full. */
    bool served = all && !gate.first && take_places_locked(w.places);
    pthread_mutex_unlock(&gate.mutex);

    int code = 0;
    if (!all)
        code = error_set_memory(err, "waiting for a turn to connect");
    else if (!served)
        code = wait_in_line(&w, cancel_fd, deadline_ns, err);
    if (code) {
        pthread_mutex_lock(&gate.mutex);
        for (int i = 0; i < 2; i++)
            unuse_place_locked(w.places[i]);
        pthread_mutex_unlock(&gate.mutex);
        return code;
    }
    *ret = (dial_pass){ { w.places[0], w.places[1] } };
    return 0;
}

void dial_leave(dial_pass *pass)
{
    pthread_mutex_lock(&gate.mutex);
    for (int i = 0; i < 2; i++) {
        dial_place *place = TAKE(pass->places[i]);
        if (!place)
            continue;
        ASSERT(place->taken);
        place->taken--;
        unuse_place_locked(place);
    }
    serve_locked();
    pthread_mutex_unlock(&gate.mutex);
}

size_t dial_count(const char *host, uint16_t port)
{
    char name[DIAL_NAME_MAX];
    make_name(name, host, strlen(host), port);
    pthread_mutex_lock(&gate.mutex);
    const dial_place *place = find_place_locked(name);
    size_t count = place ? place->taken : 0;
    pthread_mutex_unlock(&gate.mutex);
    return count;
}
