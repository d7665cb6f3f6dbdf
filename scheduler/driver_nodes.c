#include "driver_nodes.h"

#include "bundle.h"
#include "driver_settings.h"
#include "hosts_watch.h"
#include "place_ssh.h"

#include <pthread.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>

struct driver_nodes {
    rdd_context *ctx;
    progress *progress;
    backend *backend;
    ssh_fleet *fleet;
    hosts_watch *watch;
    pthread_mutex_t mutex;
    buf names; /* under the mutex: of each executor's host two texts, with their NULs: as it was written,
                * and as messages name it */
};

/* What executors print comes out above the progress lines. */
static void print_lines(void *arg, const char *text, size_t size)
{
    progress_log(arg, text, size);
}

static void note_line(void *arg, const char *text)
{
    progress_note(arg, text);
}

/* -- Names ------------------------------------------------------------------------------------- */

static int add_name(driver_nodes *n, const char *written, const char *shown, rdd_error *err)
{
    pthread_mutex_lock(&n->mutex);
    buf_append(&n->names, written, strlen(written) + 1);
    buf_append(&n->names, shown, strlen(shown) + 1);
    bool failed = n->names.failed;
    pthread_mutex_unlock(&n->mutex);
    return failed ? error_set_memory(err, "preparing nodes") : 0;
}

static int add_host_name(driver_nodes *n, const host *h, rdd_error *err)
{
    char shown[64];
    host_describe(h, shown, sizeof shown);
    return add_name(n, h->name, shown, err);
}

static int add_names(driver_nodes *n, const master *m, rdd_error *err)
{
    int code = 0;
    for (size_t i = 0; code == 0 && i < m->hosts.count; i++)
        code = add_host_name(n, &m->hosts.items[i], err);
    for (uint32_t i = 0; code == 0 && m->kind == MASTER_LOCAL_CLUSTER && i < m->executors; i++) {
        char name[32];
        snprintf(name, sizeof name, "executor %u", i);
        code = add_name(n, name, name, err);
    }
    return code;
}

uint32_t driver_nodes_find(driver_nodes *n, const char *name)
{
    uint32_t found = EXECUTOR_ANY, number = 0;
    pthread_mutex_lock(&n->mutex);
    for (size_t at = 0; at < n->names.size && found == EXECUTOR_ANY; number++) {
        const char *written = n->names.data + at, *shown = written + strlen(written) + 1;
        if (!strcasecmp(name, written) || !strcasecmp(name, shown))
            found = number;
        at += strlen(written) + strlen(shown) + 2;
    }
    pthread_mutex_unlock(&n->mutex);
    return found;
}

/* -- Places ------------------------------------------------------------------------------------ */

/* ":" is a process of this machine. */
static int place_of(driver_nodes *n, uint32_t number, const host *h, place **ret, rdd_error *err)
{
    return h->local ? place_process_new(ret, number, h->slots, err)
                    : place_ssh_new(ret, n->fleet, h, err);
}

static int open_nodes(backend **ret, driver_nodes *n, rdd_error *err)
{
    const master *m = &n->ctx->master;
    CLEANUP(freep) place **places = calloc(m->hosts.count, sizeof(place *));
    n->fleet = ssh_fleet_new(n->ctx->task_files, note_line, n->progress);
    if (!places || !n->fleet)
        return error_set_memory(err, "preparing nodes");
    uint32_t made = 0, count = (uint32_t)m->hosts.count;
    int code = 0;
    while (code == 0 && made < count) {
        code = place_of(n, made, &m->hosts.items[made], &places[made], err);
        made += code == 0;
    }
    uint32_t room = m->hosts_file ? HOSTS_MAX - count : 0;
    if (code == 0)
        return backend_executors_new(ret, places, count, room, err);
    while (made--)
        places[made]->ops->free(places[made]);
    return code;
}

/* The tasks of local[N] run where the driver does: what they find there under a file's name must be that
 * file. */
static int files_are_here(const bundle *files, rdd_error *err)
{
    for (size_t i = 0; files && i < files->count; i++) {
        const bundle_file *f = &files->files[i];
        struct stat own, here;
        bool found = !stat(f->name, &here), known = !fstat(f->fd, &own);
        if (found && known && own.st_dev == here.st_dev && own.st_ino == here.st_ino)
            continue;
        return error_set(err, RDD_E_USAGE,
                         "--conf files=%s: the tasks of local[N] run in the driver's directory, which has %s "
                         "%s: run where that file is, or with --master 'local-cluster[1,2]', whose tasks "
                         "get a copy",
                         f->path, found ? "another" : "no", f->name);
    }
    return 0;
}

static int open_local(backend **ret, const rdd_context *ctx, rdd_error *err)
{
    int code = files_are_here(ctx->task_files, err);
    return code < 0 ? code : backend_local_new(ret, ctx->master.slots, err);
}

static int open_backend(backend **ret, driver_nodes *n, rdd_error *err)
{
    const master *m = &n->ctx->master;
    switch (m->kind) {
    case MASTER_LOCAL: return open_local(ret, n->ctx, err);
    case MASTER_LOCAL_CLUSTER: return backend_process_new(ret, m->executors, m->slots, err);
    case MASTER_SSH: break;
    }
    return open_nodes(ret, n, err);
}

int driver_nodes_open(backend **ret, driver_nodes **ret_nodes, rdd_context *ctx, progress *p,
                      call_journal *journal, rdd_error *err)
{
    driver_nodes *n = calloc(1, sizeof *n);
    if (!n)
        return error_set_memory(err, "starting");
    *n = (driver_nodes){ .ctx = ctx, .progress = p };
    pthread_mutex_init(&n->mutex, NULL);
    int code = add_names(n, &ctx->master, err);
    if (code == 0)
        code = open_backend(&n->backend, n, err);
    if (code < 0) {
        driver_nodes_free(n);
        return code;
    }
    if (ctx->master.kind != MASTER_LOCAL) {
        backend_executors_set_log(n->backend, print_lines, p);
        backend_executors_set_files(n->backend, ctx->files);
        backend_executors_set_journal(n->backend, journal);
    }
    if (driver_is_elastic(ctx))
        backend_executors_on_demand(n->backend);
    *ret = n->backend;
    *ret_nodes = n;
    return 0;
}

/* -- A hosts file that changes ----------------------------------------------------------------- */

static void say(void *arg, const char *text)
{
    driver_nodes *n = arg;
    char line[600];
    snprintf(line, sizeof line, "rdd: %s\n", text);
    progress_log(n->progress, line, strlen(line));
}

static void say_change(driver_nodes *n, uint32_t number, const char *what)
{
    char text[200];
    snprintf(text, sizeof text, "%s: %s", backend_executors_name(n->backend, number), what);
    progress_note(n->progress, text);
}

static int add_host(void *arg, uint32_t number, const host *h, rdd_error *err)
{
    driver_nodes *n = arg;
    place *p;
    int code = place_of(n, number, h, &p, err);
    if (code == 0)
        code = backend_executors_add(n->backend, number, p, err);
    if (code < 0)
        return code;
    say_change(n, number, "is in the hosts file now");
    rdd_error unnamed; /* without memory for its name no task prefers it */
    (void)add_host_name(n, h, &unnamed);
    return 0;
}

static void host_is_back(void *arg, uint32_t number)
{
    driver_nodes *n = arg;
    say_change(n, number, "is in the hosts file again");
    backend_executors_post(n->backend, number, EVENT_EXECUTOR_ADDED);
}

static void host_is_gone(void *arg, uint32_t number)
{
    driver_nodes *n = arg;
    say_change(n, number, "is not in the hosts file any more: it finishes what it has");
    backend_executors_post(n->backend, number, EVENT_EXECUTOR_DRAIN);
}

int driver_nodes_watch(driver_nodes *n, rdd_error *err)
{
    static const hosts_watch_ops ops = { add_host, host_is_back, host_is_gone, say };
    const master *m = &n->ctx->master;
    if (!m->hosts_file)
        return 0;
    return hosts_watch_start(&n->watch, m->hosts_file, &m->hosts, &ops, n, err);
}

void driver_nodes_unwatch(driver_nodes *n)
{
    if (n)
        n->watch = hosts_watch_stop(n->watch);
}

void *driver_nodes_free(driver_nodes *n)
{
    if (!n)
        return NULL;
    driver_nodes_unwatch(n);
    ssh_fleet_free(n->fleet);
    buf_release(&n->names);
    pthread_mutex_destroy(&n->mutex);
    free(n);
    return NULL;
}
