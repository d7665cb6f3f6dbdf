/* context.c: rdd_init to rdd_finish: the session, its errors, its results, its counters. */
#include "context.h"

#include "bundle.h"
#include "conf.h"
#include "driver.h"
#include "entry.h"
#include "env.h"
#include "file_server.h"
#include "input_paths.h"
#include "interrupt.h"
#include "registry.h"
#include "runner.h"
#include "sources.h"

#include <execinfo.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- begin and end ------------------------------------------------------------------------- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static _Noreturn void give_up(const char *program, const rdd_error *err)
{
    fprintf(stderr, "%s: %s\n", program, err->message);
    exit(err->code == RDD_E_USAGE ? 2 : 1);
}

/* A program that was started without standard input would find another file under its number, and
 * read that. Taken like this, using it is the error that it should be. */
static void take_standard_numbers(void)
{
    static const int MODES[] = { O_WRONLY, O_RDONLY, O_WRONLY };
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", MODES[fd]) != fd)
            return;
}

/* Ignored by whoever started the program, as can be inherited, nobody here could wait for a child. A
 * program that ignores it later means it. */
static void hear_of_children(void)
{
    struct sigaction now, by_default = { .sa_handler = SIG_DFL };
    if (!sigaction(SIGCHLD, NULL, &now) && now.sa_handler == SIG_IGN)
        sigaction(SIGCHLD, &by_default, NULL);
}

/* Settings, signals and crash reports belong to the process: there is one context at a time. */
static _Atomic(rdd_context *) current;

static rdd_context *context_new(const char *program, rdd_error *err)
{
    rdd_context *ctx = calloc(1, sizeof *ctx), *none = NULL;
    char *name = strdup(program);
    bool made = ctx && name && file_server_new(&ctx->files, NULL) == 0;
    if (made && atomic_compare_exchange_strong(&current, &none, ctx)) {
        ctx->program = name;
        return ctx;
    }
    if (made) {
        error_set(err, RDD_E_USAGE, "rdd_init was called while a context is in use: a program has one "
                                    "at a time; share it among threads, or call rdd_finish first");
        file_server_free(ctx->files);
    } else {
        error_set_memory(err, "starting");
    }
    free(ctx);
    free(name);
    return NULL;
}

static int open_task_files(rdd_context *ctx, rdd_error *err)
{
    ctx->task_files = bundle_free(ctx->task_files);
    return bundle_of_paths(&ctx->task_files, conf_text("files"), err);
}

static pid_t begun_by;

/* At the end of a program that did not call rdd_finish(), which would have said it. */
static void say_unfinished(void)
{
    rdd_context *ctx = atomic_load(&current);
    if (!ctx || getpid() != begun_by)
        return;
    pthread_mutex_lock(&ctx->mutex);
    if (ctx->has_error)
        fprintf(stderr, "%s: %s; the program ends without rdd_finish(), so its status does not tell\n",
                ctx->program, ctx->error.message);
    pthread_mutex_unlock(&ctx->mutex);
}

rdd_context *rdd_init(int *argc, char **argv)
{
    static const char *const NO_NAME = "rdd";
    const char *program = argc && *argc > 0 && argv && argv[0] ? base_name(argv[0]) : NO_NAME;
    rdd_error err;
    void *first[1];
    backtrace(first, 1); /* loads libgcc_s now: a crash handler must not */
    if (registry_seal(&err) < 0)
        give_up(program, &err);
    if (argc && argv)
        executor_entry(argc, argv); /* does not return in an executor */
    take_standard_numbers();
    hear_of_children();
    rdd_context *ctx = context_new(program, &err);
    if (!ctx)
        give_up(program, &err);
    pthread_mutex_init(&ctx->mutex, NULL);
    pthread_mutexattr_t recursive; /* preparing a node may run a job that prepares its parents */
    pthread_mutexattr_init(&recursive);
    pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&ctx->prepare_mutex, &recursive);
    pthread_mutexattr_destroy(&recursive);
    pthread_mutex_init(&ctx->explain_mutex, NULL);
    int none = 0;
    conf_clear(); /* of a context before this one */
    if (options_parse(ctx, argc && argv ? argc : &none, argv, &err) < 0 ||
        open_task_files(ctx, &err) < 0)
        give_up(program, &err);
    begun_by = getpid();
    static atomic_bool registered;
    if (!atomic_exchange(&registered, true))
        atexit(say_unfinished);
    return ctx;
}

bool rdd_set_conf(rdd_context *ctx, const char *key, const char *value)
{
    rdd_error err;
    pthread_mutex_lock(&ctx->mutex);
    int code = conf_check_key(key, &err);
    if (code == 0)
        code = ctx->driver ? error_set(&err, RDD_E_USAGE, "%s cannot be set after the first action", key)
                           : conf_set(key, value, &err);
    if (code == 0 && !strcmp(key, "files"))
        code = open_task_files(ctx, &err);
    pthread_mutex_unlock(&ctx->mutex);
    if (code < 0)
        context_fail(ctx, &err);
    return code == 0;
}

static void kept_result_free(kept_result *k)
{
    free(k->items);
    job_results_release(&k->results);
    arena_release(&k->strings);
    free(k);
}

static void context_free(rdd_context *ctx)
{
    for (kept_result *k = ctx->results, *next; k; k = next) {
        next = k->next;
        kept_result_free(k);
    }
    for (named_count *c = ctx->counts, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    file_server_free(ctx->files);
    spools_free(ctx->spools);
    bundle_free(ctx->task_files);
    arena_release(&ctx->memory);
    pthread_mutex_destroy(&ctx->mutex);
    pthread_mutex_destroy(&ctx->prepare_mutex);
    pthread_mutex_destroy(&ctx->explain_mutex);
    master_release(&ctx->master);
    free(ctx->event_log);
    free(ctx->program);
    free(ctx);
    envs_release();
    atomic_store(&current, NULL);
}

int rdd_finish(rdd_context *ctx)
{
    if (!ctx) {
        fprintf(stderr, "rdd: rdd_finish: there is no context; a program begins with rdd_init()\n");
        return 1;
    }
    if (ctx != atomic_load(&current)) {
        fprintf(stderr, "rdd: rdd_finish: the context has ended already\n");
        return 1;
    }
    rdd_error err;
    local_iterators_close(ctx);
    interrupt_end(ctx);
    bool incomplete = ctx->driver && driver_stop(ctx->driver, &err) < 0;
    if (incomplete && ctx->has_error) /* a job's failure is printed below: say this one too */
        fprintf(stderr, "%s: %s\n", ctx->program, err.message);
    else if (incomplete)
        context_fail(ctx, &err);
    int status = 0;
    if (atomic_load(&ctx->interrupted)) {
        status = interrupt_status();
    } else if (ctx->has_error) {
        fprintf(stderr, "%s: %s\n", ctx->program, ctx->error.message);
        status = ctx->status;
        if (!status)
            status = ctx->error.code == RDD_E_USAGE || ctx->error.code == RDD_E_TYPE ? 2 : 1;
    }
    context_free(ctx);
    return status;
}

/* ---- errors --------------------------------------------------------------------------------- */

/* The first error and its status are one: a later one changes neither. */
static void keep_error(rdd_context *ctx, const rdd_error *err, int status)
{
    ASSERT(err->code < 0);
    pthread_mutex_lock(&ctx->mutex);
    if (!ctx->has_error) {
        ctx->error = *err;
        ctx->status = status;
        ctx->has_error = true;
        atomic_store(&ctx->has_failed, true);
    }
    pthread_mutex_unlock(&ctx->mutex);
}

int context_fail(rdd_context *ctx, const rdd_error *err)
{
    keep_error(ctx, err, 0);
    return err->code;
}

bool context_there(const void *it, const char *call, const char *site)
{
    rdd_error err;
    if (it || runner_refuses(call, site, &err))
        return it;
    rdd_context *ctx = atomic_load(&current);
    error_set(&err, RDD_E_USAGE, "%s (%s): the RDD or context is NULL%s", call, site ? site : "?",
              ctx ? "" : ", and there is no context: a program begins with rdd_init()");
    if (!ctx)
        fprintf(stderr, "rdd: %s\n", err.message);
    else if (!atomic_load(&ctx->has_failed))
        context_fail(ctx, &err);
    return false;
}

bool rdd_take_error(rdd_context *ctx, rdd_error *ret)
{
    pthread_mutex_lock(&ctx->mutex);
    bool had = ctx->has_error;
    if (had && ret)
        *ret = ctx->error;
    ctx->has_error = false;
    pthread_mutex_unlock(&ctx->mutex);
    return had;
}

void rdd_report(rdd_context *ctx, int status, const char *format, ...)
{
    char message[sizeof ctx->error.message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    rdd_error err;
    error_set(&err, RDD_E_USER, "%s", message);
    keep_error(ctx, &err, status);
}

/* ---- memory --------------------------------------------------------------------------------- */

int context_keep(rdd_context *ctx, const void *key, void *items, job_results *results,
                 arena *strings)
{
    kept_result passing = { .key = key };
    kept_result *k = malloc(sizeof *k);
    passing.items = items;
    if (results)
        passing.results = TAKE_STRUCT(results);
    if (strings)
        passing.strings = TAKE_STRUCT(strings);
    if (!k) {
        free(passing.items);
        job_results_release(&passing.results);
        arena_release(&passing.strings);
        return RDD_E_MEMORY;
    }
    *k = passing;
    pthread_mutex_lock(&ctx->mutex);
    k->next = ctx->results;
    ctx->results = k;
    pthread_mutex_unlock(&ctx->mutex);
    return 0;
}

void rdd_free(rdd_context *ctx, const void *result)
{
    kept_result *gone = NULL;
    if (!ctx || !result)
        return;
    pthread_mutex_lock(&ctx->mutex);
    for (kept_result **at = &ctx->results; *at; at = &(*at)->next)
        if ((*at)->key == result) {
            gone = *at;
            *at = gone->next;
            break;
        }
    pthread_mutex_unlock(&ctx->mutex);
    if (gone)
        kept_result_free(gone);
}

void *context_copy(rdd_context *ctx, const void *data, size_t size)
{
    pthread_mutex_lock(&ctx->mutex);
    void *copy = arena_copy(&ctx->memory, data, size);
    pthread_mutex_unlock(&ctx->mutex);
    return copy;
}

const char *context_text(rdd_context *ctx, const char *text)
{
    return text ? context_copy(ctx, text, strlen(text)) : NULL;
}

rdd *context_node(rdd_context *ctx, node_kind kind, const rdd_type *type, const char *site,
                  const char *name)
{
    rdd_error err;
    pthread_mutex_lock(&ctx->mutex);
    rdd *r = arena_zalloc(&ctx->memory, sizeof *r);
    const char *copy = r && name ? arena_strdup(&ctx->memory, name) : NULL;
    if (r && (!name || copy)) {
        r->ctx = ctx;
        r->id = ctx->next_node++;
        r->kind = kind;
        r->type = type;
        r->site = site;
        r->name = copy;
    } else {
        r = NULL;
    }
    pthread_mutex_unlock(&ctx->mutex);
    if (!r) {
        error_set_memory(&err, "building a lineage");
        context_fail(ctx, &err);
    }
    return r;
}

/* ---- counters ------------------------------------------------------------------------------- */

void context_count(rdd_context *ctx, const char *name, size_t size, int64_t by)
{
    pthread_mutex_lock(&ctx->mutex);
    named_count **at = &ctx->counts;
    int order = -1;
    for (; *at; at = &(*at)->next) {
        order = strncmp((*at)->name, name, size);
        if (order == 0)
            order = (*at)->name[size] != 0;
        if (order >= 0)
            break;
    }
    if (*at && order == 0) {
        (*at)->value += by;
    } else {
        named_count *c = calloc(1, sizeof *c + size + 1);
        if (c) {
            memcpy(c->name, name, size);
            c->value = by;
            c->next = *at;
            *at = c;
        }
    }
    pthread_mutex_unlock(&ctx->mutex);
}

int64_t rdd_counter(rdd_context *ctx, const char *name)
{
    int64_t value = 0;
    pthread_mutex_lock(&ctx->mutex);
    for (const named_count *c = ctx->counts; c; c = c->next)
        if (!strcmp(c->name, name))
            value = c->value;
    pthread_mutex_unlock(&ctx->mutex);
    return value;
}

void rdd_counters(rdd_context *ctx, const char *prefix,
                  void (*visit)(void *arg, const char *name, int64_t value), void *arg)
{
    /* visited without the lock: `visit` is the program's and may call anything. Counters are never
     * removed, and a name never moves. */
    pthread_mutex_lock(&ctx->mutex);
    const named_count *c = ctx->counts;
    while (c) {
        int64_t value = c->value;
        pthread_mutex_unlock(&ctx->mutex);
        if (!strncmp(c->name, prefix, strlen(prefix)))
            visit(arg, c->name, value);
        pthread_mutex_lock(&ctx->mutex);
        c = c->next;
    }
    pthread_mutex_unlock(&ctx->mutex);
}

/* ---- introspection -------------------------------------------------------------------------- */

int64_t rdd_partition_count(const rdd *r)
{
    return r ? r->partitions : 0;
}

const rdd_type *rdd_item_type(const rdd *r)
{
    return r ? r->type : NULL;
}

void rdd_explain(rdd *r, FILE *file)
{
    if (!r)
        return;
    CLEANUP(buf_release) buf text = { 0 };
    if (r->ctx->explain == EXPLAIN_DOT)
        lineage_explain_dot(r, &text);
    else
        lineage_explain(r, &text);
    if (!text.failed)
        fwrite(text.data, 1, text.size, file);
}
