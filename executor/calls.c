/* calls.c: rdd_http_get and rdd_http_send: the task's side of a call, and the slot's engine. */
#include "calls.h"

#include "conf.h"
#include "http.h"
#include "journal.h"
#include "rate_lease.h"
#include "runner_parts.h"

#include <stdarg.h>
#include <stdio.h>

/* ---- the slot's fibers and engine ----------------------------------------------------------- */

fiber_pool *runner_fibers(runner *r, rdd_error *err)
{
    if (!r->fibers && !(r->fibers = calloc(1, sizeof *r->fibers)))
        error_set_memory(err, "making fibers");
    return r->fibers;
}

http_engine *runner_http(runner *r, rdd_error *err)
{
    if (r->http)
        return r->http;
    http_engine *engine;
    http_engine_options options = { .fibers = runner_fibers(r, err),
                                    .seed = (uint64_t)conf_int("debug.seed"),
                                    .rest = journal_rest };
    if (!options.fibers || http_engine_new(&engine, &options, err) < 0)
        return NULL;
    pthread_mutex_lock(&r->mutex); /* runner_cancel() looks at it from other threads */
    r->http = engine;
    pthread_mutex_unlock(&r->mutex);
    return engine;
}

void runner_http_cancel(runner *r)
{
    http_engine_cancel(r->http);
}

void runner_http_resume(runner *r)
{
    http_engine_resume(r->http);
}

void runner_http_nudge(runner *r)
{
    http_engine_nudge(r->http);
}

void runner_http_free(runner *r)
{
    http_engine_free(r->http);
    if (r->fibers)
        fiber_pool_release(r->fibers);
    free(r->fibers);
    r->http = NULL;
    r->fibers = NULL;
}

/* ---- what the slots of a process share ------------------------------------------------------ */

/* A rate limit is the process's (in a worker, its part of the cluster's), by where it was declared; a
 * budget belongs to a node of a stage. The lists grow with programs, not with calls, and live as long
 * as the process. */
typedef struct shared_rate {
    struct shared_rate *next;
    rate_limit limit;
    char key[];
} shared_rate;

typedef struct budget {
    struct budget *next;
    uint32_t stage, node;
    atomic_llong failed;
} budget;

static pthread_mutex_t shared_mutex = PTHREAD_MUTEX_INITIALIZER;
static shared_rate *shared_rates;
static budget *budgets;

static int start_rate(shared_rate *s, const char *text, rdd_error *err)
{
    int code = rate_limit_init(&s->limit, text, err);
    if (code < 0 || !rate_lease_on())
        return code;
    s->limit.lease = rate_lease_new(s->key, s->limit.interval_ns);
    return s->limit.lease ? 0 : error_set_memory(err, "calling");
}

static rate_limit *find_rate(const char *text, const char *label, rdd_error *err)
{
    char key[512];
    snprintf(key, sizeof key, "%s %s", text, label);
    pthread_mutex_lock(&shared_mutex);
    shared_rate *s = shared_rates;
    while (s && strcmp(s->key, key) != 0)
        s = s->next;
    if (!s && (s = calloc(1, sizeof *s + strlen(key) + 1))) {
        memcpy(s->key, key, strlen(key) + 1);
        if (start_rate(s, text, err) < 0) {
            free(s);
            s = NULL;
        } else {
            s->next = shared_rates;
            shared_rates = s;
        }
    } else if (!s) {
        error_set_memory(err, "calling");
    }
    pthread_mutex_unlock(&shared_mutex);
    return s ? &s->limit : NULL;
}

static budget *find_budget(uint32_t stage, uint32_t node)
{
    pthread_mutex_lock(&shared_mutex);
    budget **at = &budgets, *b = NULL;
    while (*at && ((*at)->stage != stage || (*at)->node != node))
        at = &(*at)->next;
    b = *at;
    if (!b && (b = calloc(1, sizeof *b))) {
        b->stage = stage;
        b->node = node;
        *at = b;
    }
    pthread_mutex_unlock(&shared_mutex);
    return b;
}

/* ---- one operator of one run ---------------------------------------------------------------- */

typedef struct http_state {
    struct http_state *next; /* of the run */
    uint32_t node;           /* of the plan; node_count for the action's operator */
    http_policy policy;
    budget *budget;
    int64_t failed_max;      /* -1: any number, or a percentage, which only the end can tell */
    int64_t failed;          /* calls of this run */
} http_state;

static void limit_of(const rdd_http_options *options, int64_t *ret_max)
{
    const char *text = options && options->max_errors && *options->max_errors
                           ? options->max_errors
                           : conf_text("http.max_errors");
    double value;
    bool percent;
    *ret_max = -1;
    if (*text && conf_parse_budget(text, &value, &percent) && !percent)
        *ret_max = (int64_t)value;
}

static http_state *state_of(op_task *t, rdd_error *err)
{
    run *r = t->run;
    uint32_t node = t->node ? (uint32_t)(t->node - r->plan->nodes) : r->plan->node_count;
    if (t->http)
        return t->http;
    http_state *s = r->http_states;
    while (s && s->node != node)
        s = s->next;
    if (!s) {
        const rdd_http_options *options = t->node ? &t->node->params.http : &r->plan->act.http;
        s = arena_zalloc(r->memory, sizeof *s);
        if (!s || !(s->budget = find_budget(r->id.stage, node))) {
            error_set_memory(err, "calling");
            return NULL;
        }
        s->node = node;
        http_policy_init(&s->policy, options);
        limit_of(options, &s->failed_max);
        const char *rate = http_policy_rate(options);
        bool own = options->rate && *options->rate;
        if (*rate && !(s->policy.rate = find_rate(rate, own && t->node ? t->node->label : "", err)))
            return NULL;
        s->next = r->http_states;
        r->http_states = s;
    }
    t->http = s;
    return s;
}

static void count_failure(op_task *t, http_state *s, const rdd_http_response *response)
{
    run *r = t->run;
    char name[32], why[CALLS_WHY_MAX];
    if (r->closing) /* the driver will not hear of it */
        return;
    if (!s->failed++) {
        int size = snprintf(why, sizeof why, "%cwhy %.*s", CALLS_PREFIX,
                            (int)size_min(response->error.size, sizeof why), response->error.data);
        run_count_up(r, why, size_min((size_t)size, sizeof why - 1), 1);
    }
    snprintf(name, sizeof name, "%cfailed %u", CALLS_PREFIX, s->node);
    run_count_up(r, name, strlen(name), 1);
    int64_t failed = atomic_fetch_add(&s->budget->failed, 1) + 1;
    if (s->failed_max >= 0 && failed > s->failed_max)
        run_fail(r, RDD_E_HTTP,
                 "operator %s (%s:%d): %lld calls failed, more than http.max_errors = %lld; the last: "
                 "%.*s",
                 t->op->name, t->op->file, t->op->line, (long long)failed, (long long)s->failed_max,
                 (int)size_min(response->error.size, 300), response->error.data);
}

static void count_call(op_task *t, http_state *s, const rdd_http_response *response)
{
    char name[32];
    snprintf(name, sizeof name, "%ccalls %u", CALLS_PREFIX, s->node);
    run_count_up(t->run, name, strlen(name), 1);
    if (response->error.size)
        count_failure(t, s, response);
}

void calls_undo(run *r)
{
    for (http_state *s = r->http_states; s; s = s->next)
        atomic_fetch_sub(&s->budget->failed, s->failed);
}

/* One call, unless the journal has its answer. */
static int call_or_replay(op_task *t, http_state *s, http_engine *engine,
                          const rdd_http_request *request, rdd_http_response *ret, rdd_error *err)
{
    journal_call c;
    int code = journal_begin(t->run, s->node, request, t->scratch, &c, ret, err);
    if (code)
        return code < 0 ? code : 0;
    code = http_call_with(engine, &s->policy, request, c.run ? &c.permit : NULL, t->scratch, ret,
                          err);
    if (code == 0)
        journal_end(&c, ret);
    return code;
}

rdd_http_response rdd_http_send(rdd_task *task, const rdd_http_request *request)
{
    op_task *t = (op_task *)(void *)task;
    rdd_http_response response = { .error = RDD_STR("the task has failed") };
    rdd_error err;
    if (!t->run->runner) {
        op_task_fail(t, RDD_E_USAGE, "the driver merges with this operator, where no call is possible");
        return response;
    }
    http_state *s = t->failed || t->run->code || run_cancelled(t->run) ? NULL : state_of(t, &err);
    http_engine *engine = s ? runner_http(t->run->runner, &err) : NULL;
    if (!engine) {
        if (!t->failed && !t->run->code)
            run_fail_with(t->run, &err);
    } else if (call_or_replay(t, s, engine, request, &response, &err) < 0) {
        run_fail_with(t->run, &err);
    } else {
        count_call(t, s, &response);
        op_task_grown(t, t->scratch);
    }
    if (t->run->code)
        task->rdd_stop_ = 1;
    return response;
}

void rdd_http_reject(rdd_task *task, rdd_http_response *response, const char *format, ...)
{
    op_task *t = (op_task *)(void *)task;
    char reason[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    size_t kept = size < 0 ? 0 : size_min((size_t)size, sizeof reason - 1);
    bool counted = response->error.size || !t->http;
    char *text = arena_copy(t->scratch, reason, kept);
    response->error = text ? (rdd_str){ kept, text } : RDD_STR("out of memory");
    if (!counted)
        count_failure(t, t->http, response);
}

rdd_http_response rdd_http_get(rdd_task *task, rdd_str url)
{
    return rdd_http_send(task, &(rdd_http_request){ .url = url });
}

rdd_str rdd_url_encode(rdd_task *task, rdd_str text)
{
    op_task *t = (op_task *)(void *)task;
    rdd_str encoded = op_task_spent(t) ? RDD_STR("") : http_url_encode(text, t->scratch);
    if (!encoded.data)
        rdd_fail(task, "out of memory");
    op_task_grown(t, t->scratch);
    return encoded;
}
