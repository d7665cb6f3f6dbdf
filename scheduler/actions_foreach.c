/* actions_foreach.c: side effects on the executors, and elements one partition at a time on the
 * driver: foreach, foreach_partition, to_local_iterator. */
#include "actions.h"

#include "transformations.h"
#include "type.h"

static int run_effects(rdd *r, const action *act, const rdd_options *options)
{
    job_results parts;
    int code = action_run(r, act, options, &parts);
    if (code == 0)
        job_results_release(&parts);
    return code;
}

int(rdd_foreach)(rdd *r, rdd_foreach_op op, rdd_operator_options options)
{
    action act = { .kind = ACTION_FOREACH };
    rdd *node = context_there(r, "rdd_foreach", options.site_) ? foreach_node(r, op, &options) : NULL;
    return node ? run_effects(node, &act, &(rdd_options){ options.site_, options.name }) : RDD_E_USAGE;
}

int(rdd_foreach_partition)(rdd *r, rdd_foreach_partition_op op, rdd_partitions_options options)
{
    action act = { .kind = ACTION_FOREACH_PARTITION, .op = op.op, .http = options.http };
    if (!context_there(r, "rdd_foreach_partition", options.site_) ||
        !bind_operator(r->ctx, "rdd_foreach_partition", options.site_, op.op, op.env, &act.env) ||
        !action_begin(r, op.op->in, "rdd_foreach_partition", options.site_))
        return RDD_E_USAGE;
    return run_effects(r, &act, &(rdd_options){ options.site_, options.name });
}

/* ---- to_local_iterator ---------------------------------------------------------------------- */

/* A thread of its own runs one job for each partition; at most one result waits to be read. */
struct rdd_local_iterator {
    struct rdd_local_iterator *next; /* of the context's; under its mutex */
    rdd *rdd;
    rdd_options options;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* under the mutex */
    job_results waiting;
    bool has_waiting, ended, closing;
    int code;
    rdd_error error;
    /* the reader's */
    job_results current;
    void *items;
    const char *at;
    size_t left;
};

static bool wait_for_room(rdd_local_iterator *it)
{
    pthread_mutex_lock(&it->mutex);
    while (it->has_waiting && !it->closing)
        pthread_cond_wait(&it->changed, &it->mutex);
    bool go_on = !it->closing;
    pthread_mutex_unlock(&it->mutex);
    return go_on;
}

static void *local_main(void *arg)
{
    rdd_local_iterator *it = arg;
    action act = { .kind = ACTION_COLLECT };
    rdd_error err = { .code = RDD_OK };
    int code = 0;
    for (int64_t p = 0; code == 0 && p < it->rdd->partitions && wait_for_room(it); p++) {
        job_options job = { .name = it->options.name, .site = it->options.site_, .first = p,
                            .count = 1 };
        job_results parts;
        code = job_run(it->rdd, &act, &job, &parts, &err);
        if (code < 0)
            break;
        pthread_mutex_lock(&it->mutex);
        it->waiting = parts;
        it->has_waiting = true;
        pthread_cond_broadcast(&it->changed);
        pthread_mutex_unlock(&it->mutex);
    }
    pthread_mutex_lock(&it->mutex);
    it->ended = true;
    it->code = code;
    it->error = err;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->mutex);
    return NULL;
}

rdd_local_iterator *(rdd_to_local_iterator)(rdd *r, const rdd_type *type, rdd_options options)
{
    rdd_error err;
    if (!action_begin(r, type, "rdd_to_local_iterator", options.site_))
        return NULL;
    rdd_local_iterator *it = calloc(1, sizeof *it);
    if (it) {
        it->rdd = r;
        it->options = options;
        pthread_mutex_init(&it->mutex, NULL);
        pthread_cond_init(&it->changed, NULL);
    }
    int os = it ? pthread_create(&it->thread, NULL, local_main, it) : 0;
    if (it && !os) {
        pthread_mutex_lock(&r->ctx->mutex);
        it->next = r->ctx->iterators;
        r->ctx->iterators = it;
        pthread_mutex_unlock(&r->ctx->mutex);
        return it;
    }
    if (it)
        error_set_errno(&err, RDD_E_LIMIT, os, "a thread for the iterator cannot be started");
    else
        error_set_memory(&err, "iterating");
    free(it);
    context_fail(r->ctx, &err);
    return NULL;
}

static void drop_current(rdd_local_iterator *it)
{
    free(it->items);
    it->items = NULL;
    job_results_release(&it->current);
    it->left = 0;
}

/* The next partition's elements; false at the end and after a failure, which is recorded. */
static bool next_partition(rdd_local_iterator *it)
{
    rdd_error err = { .code = RDD_OK };
    drop_current(it);
    pthread_mutex_lock(&it->mutex);
    while (!it->has_waiting && !it->ended)
        pthread_cond_wait(&it->changed, &it->mutex);
    bool has = it->has_waiting;
    if (has) {
        it->current = it->waiting;
        it->has_waiting = false;
        pthread_cond_broadcast(&it->changed);
    } else if (it->code < 0) {
        err = it->error;
        it->code = 0; /* told once */
    }
    pthread_mutex_unlock(&it->mutex);
    const void *shown = NULL;
    if (has && parts_decode(it->rdd->type, &it->current, &it->items, &shown, &it->left, &err) < 0)
        has = false;
    if (err.code)
        context_fail(it->rdd->ctx, &err);
    it->at = shown;
    return has;
}

bool(rdd_local_next)(rdd_local_iterator *it, const rdd_type *type, void *ret)
{
    if (!it || !action_begin(it->rdd, type, "rdd_local_next", it->options.site_))
        return false;
    while (!it->left)
        if (!next_partition(it))
            return false;
    memcpy(ret, it->at, type->size);
    it->at += type->size;
    it->left--;
    return true;
}

void rdd_local_close(rdd_local_iterator *it)
{
    if (!it)
        return;
    rdd_context *ctx = it->rdd->ctx;
    pthread_mutex_lock(&ctx->mutex);
    rdd_local_iterator **at = &ctx->iterators;
    while (*at != it)
        at = &(*at)->next;
    *at = it->next;
    pthread_mutex_unlock(&ctx->mutex);
    pthread_mutex_lock(&it->mutex);
    it->closing = true;
    pthread_cond_broadcast(&it->changed);
    pthread_mutex_unlock(&it->mutex);
    pthread_join(it->thread, NULL);
    drop_current(it);
    if (it->has_waiting)
        job_results_release(&it->waiting);
    pthread_mutex_destroy(&it->mutex);
    pthread_cond_destroy(&it->changed);
    free(it);
}

void local_iterators_close(rdd_context *ctx)
{
    while (ctx->iterators) /* only this thread uses the context any more */
        rdd_local_close(ctx->iterators);
}
