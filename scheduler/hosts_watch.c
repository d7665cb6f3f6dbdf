#include "hosts_watch.h"

#include "buf.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/stat.h>

enum { EVENTS_SIZE = 8 << 10 };

/* A host that was ever in the file. One whose slots or other keys have changed is another host. */
typedef struct known_host {
    char *text;      /* host_text() */
    bool here, seen; /* in the file: before, now */
} known_host;

/* A directory that is watched, as editors replace files, and what is looked for in it. */
typedef struct watched {
    int number; /* inotify's; -1: none */
    char *file;
} watched;

struct hosts_watch {
    const char *path;
    watched link, target; /* the path's own, and what it leads to, if it is a symbolic link */
    struct stat last;     /* the file when it was read */
    const hosts_watch_ops *ops;
    void *arg;
    known_host *hosts;
    size_t count, capacity;
    int notify_fd, stop_fd;
    pthread_t thread;
};

/* All that is said of a host; NULL when out of memory. The caller's. */
static char *host_text(const host *h)
{
    const char *values[] = { h->name, h->user, h->identity, h->jump, h->workdir, h->address };
    buf text = { 0 };
    buf_format(&text, "%u %u", h->slots, h->port);
    for (size_t i = 0; i < ARRAY_SIZE(values); i++)
        buf_format(&text, "\n%s", values[i] ? values[i] : "");
    if (!buf_terminate(&text))
        buf_release(&text);
    return text.data;
}

static known_host *find(hosts_watch *w, const char *text)
{
    for (size_t i = 0; i < w->count; i++)
        if (!strcmp(w->hosts[i].text, text))
            return &w->hosts[i];
    return NULL;
}

static known_host *append(hosts_watch *w, char **text)
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
    *k = (known_host){ .text = TAKE(*text), .here = true, .seen = true };
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
    rdd_error err;
    CLEANUP(freep) char *text = host_text(h);
    known_host *k = text ? find(w, text) : NULL;
    if (k) {
        k->seen = true;
        return;
    }
    uint32_t number = (uint32_t)w->count;
    error_set_memory(&err, "adding a host");
    if (w->count >= HOSTS_MAX)
        error_set(&err, RDD_E_LIMIT, "more than %d hosts were named so far", HOSTS_MAX);
    else if (text && w->ops->add(w->arg, number, h, &err) == 0 && append(w, &text))
        return;
    complain(w, "has a new host that is left out", &err);
}

static void read_again(hosts_watch *w)
{
    host_list now = { 0 };
    rdd_error err;
    (void)!stat(w->path, &w->last); /* before it is read: what comes afterwards is news */
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

/* -- Changes ----------------------------------------------------------------------------------- */

static bool is_other_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev != b->st_dev || a->st_ino != b->st_ino || a->st_size != b->st_size ||
           a->st_mtim.tv_sec != b->st_mtim.tv_sec || a->st_mtim.tv_nsec != b->st_mtim.tv_nsec;
}

/* A link on the way may lead elsewhere now. */
static bool leads_elsewhere(const hosts_watch *w)
{
    struct stat now;
    return stat(w->path, &now) == 0 && is_other_file(&now, &w->last);
}

static bool is_link(const hosts_watch *w)
{
    struct stat now;
    return lstat(w->path, &now) == 0 && S_ISLNK(now.st_mode);
}

static bool is_of(const watched *d, const struct inotify_event *e)
{
    return d->number == e->wd && e->len && d->file && !strcmp(e->name, d->file);
}

/* Whether what happened in its directories was about the file. One that was made just now is empty still. */
static bool is_about_file(hosts_watch *w)
{
    _Alignas(struct inotify_event) char bytes[EVENTS_SIZE];
    bool ours = false, others = false;
    for (ssize_t got; (got = read(w->notify_fd, bytes, sizeof bytes)) > 0;)
        for (char *at = bytes; at < bytes + got;) {
            const struct inotify_event *e = (const void *)at;
            bool named = is_of(&w->link, e) || is_of(&w->target, e);
            ours |= (e->mask & IN_Q_OVERFLOW) || (named && !(e->mask & IN_CREATE));
            others = others || !(e->mask & IN_CREATE) || is_link(w);
            at += sizeof *e + e->len;
        }
    return ours || (others && leads_elsewhere(w));
}

/* Watches the directory of a path. */
static bool watch_directory(hosts_watch *w, watched *d, const char *path)
{
    const char *slash = strrchr(path, '/');
    CLEANUP(freep) char *directory = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    char *file = strdup(slash ? slash + 1 : path);
    if (!directory || !file) {
        free(file);
        errno = ENOMEM;
        return false;
    }
    free(d->file);
    d->file = file;
    d->number = inotify_add_watch(w->notify_fd, directory, IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE);
    return d->number >= 0;
}

/* Where a link leads is another directory each time. */
static void follow_link(hosts_watch *w)
{
    CLEANUP(freep) char *real = realpath(w->path, NULL);
    int before = w->target.number;
    if (!real)
        return; /* it was taken away; when it comes back, its own directory says so */
    watch_directory(w, &w->target, real);
    if (before >= 0 && before != w->target.number && before != w->link.number)
        inotify_rm_watch(w->notify_fd, before);
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
        if (!polls[0].revents || !is_about_file(w))
            continue;
        follow_link(w);
        read_again(w);
    }
}

static void release(hosts_watch *w)
{
    closep(&w->notify_fd);
    closep(&w->stop_fd);
    for (size_t i = 0; i < w->count; i++)
        free(w->hosts[i].text);
    free(w->hosts);
    free(w->link.file);
    free(w->target.file);
    free(w);
}

static int open_watch(hosts_watch *w, rdd_error *err)
{
    w->notify_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    w->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (w->notify_fd < 0 || w->stop_fd < 0 || !watch_directory(w, &w->link, w->path))
        return error_set_errno(err, RDD_E_LIMIT, errno, "%s: cannot be watched for changes", w->path);
    follow_link(w);
    (void)!stat(w->path, &w->last);
    return 0;
}

int hosts_watch_start(hosts_watch **ret, const char *path, const host_list *first,
                      const hosts_watch_ops *ops, void *arg, rdd_error *err)
{
    hosts_watch *w = calloc(1, sizeof *w);
    if (!w)
        return error_set_memory(err, "watching the hosts file");
    *w = (hosts_watch){ .path = path, .ops = ops, .arg = arg, .notify_fd = -1, .stop_fd = -1,
                        .link.number = -1, .target.number = -1 };
    int code = open_watch(w, err);
    for (size_t i = 0; code == 0 && i < first->count; i++) {
        CLEANUP(freep) char *text = host_text(&first->items[i]);
        if (!text || !append(w, &text))
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
