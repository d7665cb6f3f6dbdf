#include "hosts_watch.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

enum { DESCRIBED_MAX = 256, EVENTS_SIZE = 8 << 10 };

/* A host that was ever in the file. */
typedef struct known_host {
    char name[DESCRIBED_MAX];
    bool here, seen; /* in the file: before, now */
} known_host;

struct hosts_watch {
    const char *path;
    char *file;         /* its last component: what events are about */
    const hosts_watch_ops *ops;
    void *arg;
    known_host *hosts;
    size_t count, capacity;
    int notify_fd, stop_fd;
    pthread_t thread;
};

static known_host *find(hosts_watch *w, const char *name)
{
    for (size_t i = 0; i < w->count; i++)
        if (!strcmp(w->hosts[i].name, name))
            return &w->hosts[i];
    return NULL;
}

static known_host *append(hosts_watch *w, const char *name)
{
    if (w->count == w->capacity) {
        size_t capacity = w->capacity ? w->capacity * 2 : 16;
        known_host *grown = realloc(w->hosts, capacity * sizeof *grown);
        if (!grown)
            return NULL;
        w->hosts = grown;
        w->capacity = capacity;
    }
    known_host *k = &w->hosts[w->count++];
    *k = (known_host){ .here = true, .seen = true };
    snprintf(k->name, sizeof k->name, "%s", name);
    return k;
}

static void complain(hosts_watch *w, const char *what, const rdd_error *err)
{
    char text[sizeof err->message + 200];
    snprintf(text, sizeof text, "%.100s %s: %s", w->path, what, err->message);
    w->ops->say(w->arg, text);
}

static void take_host(hosts_watch *w, const host *h)
{
    char name[DESCRIBED_MAX];
    rdd_error err;
    host_describe(h, name, sizeof name);
    known_host *k = find(w, name);
    if (k) {
        k->seen = true;
        return;
    }
    uint32_t number = (uint32_t)w->count;
    error_set_memory(&err, "adding a host");
    if (w->count >= HOSTS_MAX)
        error_set(&err, RDD_E_LIMIT, "more than %d hosts were named so far", HOSTS_MAX);
    else if (w->ops->add(w->arg, number, h, &err) == 0 && append(w, name))
        return;
    complain(w, "has a new host that is left out", &err);
}

static void read_again(hosts_watch *w)
{
    host_list now = { 0 };
    rdd_error err;
    if (hosts_read(w->path, &now, &err) < 0) {
        complain(w, "has changed and is not used", &err);
        return;
    }
    for (size_t i = 0; i < w->count; i++)
        w->hosts[i].seen = false;
    for (size_t i = 0; i < now.count; i++)
        take_host(w, &now.items[i]);
    for (size_t i = 0; i < w->count; i++) {
        known_host *k = &w->hosts[i];
        if (k->seen && !k->here)
            w->ops->back(w->arg, (uint32_t)i);
        else if (!k->seen && k->here)
            w->ops->gone(w->arg, (uint32_t)i);
        k->here = k->seen;
    }
    host_list_release(&now);
}

/* Whether what happened in its directory was about the file. */
static bool is_about_file(hosts_watch *w)
{
    _Alignas(struct inotify_event) char bytes[EVENTS_SIZE];
    bool ours = false;
    for (ssize_t got; (got = read(w->notify_fd, bytes, sizeof bytes)) > 0;)
        for (char *at = bytes; at < bytes + got;) {
            const struct inotify_event *e = (const void *)at;
            ours |= (e->mask & IN_Q_OVERFLOW) || (e->len && !strcmp(e->name, w->file));
            at += sizeof *e + e->len;
        }
    return ours;
}

static void *watch_main(void *arg)
{
    hosts_watch *w = arg;
    for (;;) {
        struct pollfd polls[] = { { .fd = w->notify_fd, .events = POLLIN },
                                  { .fd = w->stop_fd, .events = POLLIN } };
        if (poll(polls, ARRAY_SIZE(polls), -1) < 0 && errno != EINTR)
            return NULL;
        if (polls[1].revents)
            return NULL;
        if (polls[0].revents && is_about_file(w))
            read_again(w);
    }
}

static void release(hosts_watch *w)
{
    closep(&w->notify_fd);
    closep(&w->stop_fd);
    free(w->hosts);
    free(w->file);
    free(w);
}

/* The directory is watched, not the file: editors replace files. */
static int open_watch(hosts_watch *w, rdd_error *err)
{
    const char *slash = strrchr(w->path, '/');
    CLEANUP(freep) char *directory = slash ? strndup(w->path, (size_t)(slash - w->path) + 1)
                                           : strdup(".");
    w->file = strdup(slash ? slash + 1 : w->path);
    if (!directory || !w->file)
        return error_set_memory(err, "watching the hosts file");
    w->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    w->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (w->notify_fd < 0 || w->stop_fd < 0 ||
        inotify_add_watch(w->notify_fd, directory, IN_CLOSE_WRITE | IN_MOVED_TO) < 0)
        return error_set_errno(err, RDD_E_LIMIT, errno, "%s: cannot be watched for changes", w->path);
    return 0;
}

int hosts_watch_start(hosts_watch **ret, const char *path, const host_list *first,
                      const hosts_watch_ops *ops, void *arg, rdd_error *err)
{
    hosts_watch *w = calloc(1, sizeof *w);
    if (!w)
        return error_set_memory(err, "watching the hosts file");
    *w = (hosts_watch){ .path = path, .ops = ops, .arg = arg, .notify_fd = -1, .stop_fd = -1 };
    int code = open_watch(w, err);
    for (size_t i = 0; code == 0 && i < first->count; i++) {
        char name[DESCRIBED_MAX];
        host_describe(&first->items[i], name, sizeof name);
        if (!append(w, name))
            code = error_set_memory(err, "watching the hosts file");
    }
    int error = code == 0 ? pthread_create(&w->thread, NULL, watch_main, w) : 0;
    if (error)
        code = error_set_errno(err, RDD_E_LIMIT, error, "a thread could not be started");
    if (code < 0) {
        release(w);
        return code;
    }
    *ret = w;
    return 0;
}

void *hosts_watch_stop(hosts_watch *w)
{
    if (!w)
        return NULL;
    uint64_t one = 1;
    ssize_t written = write(w->stop_fd, &one, sizeof one);
    (void)written;
    pthread_join(w->thread, NULL);
    release(w);
    return NULL;
}
