#include "job.h"

#include "conf.h"
#include "context.h"
#include "driver.h"
#include "file_server.h"
#include "interrupt.h"
#include "runner.h"

#include <stdio.h>
#include <strings.h>

/* Of the jobs that this thread starts. */
static _Thread_local char thread_pool[POOL_NAME_SIZE];

void rdd_set_pool(rdd_context *ctx, const char *name)
{
    if (name && strlen(name) >= sizeof thread_pool) {
        rdd_error err;
        error_set(&err, RDD_E_USAGE, "rdd_set_pool: the name of a pool has at most %d bytes",
                  POOL_NAME_SIZE - 1);
        context_fail(ctx, &err);
        return;
    }
    snprintf(thread_pool, sizeof thread_pool, "%s", name ? name : "");
}

void job_results_release(job_results *results)
{
    for (size_t i = 0; i < results->count; i++)
        free(results->parts[i].heap);
    free(results->parts);
    *results = (job_results){ 0 };
}

/* What a job needs in memory while it runs. */
typedef struct job_memory {
    rdd **order;
    uint32_t *positions;
    size_t count;
    buf plan;
    buf payload_bytes;
    rdd_str *payloads;
    uint32_t *preferred; /* the executor of each task, or NULL */
} job_memory;

static void job_memory_release(job_memory *m)
{
    free(m->order);
    free(m->positions);
    buf_release(&m->plan);
    buf_release(&m->payload_bytes);
    free(m->payloads);
    free(m->preferred);
}

/* Fills in what nodes could not know when they were made: parents come first in the order, so by a
 * node's turn its parents can be computed. */
static int prepare_nodes(rdd_context *ctx, const job_memory *m, rdd_error *err)
{
    for (size_t i = 0; i < m->count; i++) {
        rdd *node = m->order[i];
        if (!node->prepare || atomic_load(&node->prepared))
            continue;
        pthread_mutex_lock(&ctx->prepare_mutex);
        int code = atomic_load(&node->prepared) ? 0 : node->prepare(node, err);
        if (code == 0)
            atomic_store(&node->prepared, true);
        pthread_mutex_unlock(&ctx->prepare_mutex);
        if (code < 0)
            return code;
    }
    return 0;
}

static bool wants_payloads(const job_memory *m, const job_options *options)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->order[i]->payloads)
            return true;
    return options->payloads;
}

/* All tasks' payloads, in one buffer: its final place is known only at the end, so offsets first. */
static int make_payloads(job_memory *m, const job_options *options, size_t first, size_t tasks,
                         rdd_error *err)
{
    if (!wants_payloads(m, options))
        return 0;
    m->payloads = calloc(tasks ? tasks : 1, sizeof *m->payloads);
    if (!m->payloads)
        return error_set_memory(err, "making tasks");
    for (size_t i = 0; i < tasks; i++) {
        size_t before = m->payload_bytes.size;
        int code = lineage_payload(m->order, m->positions, m->count, (int64_t)(first + i),
                                   &m->payload_bytes, err);
        if (code < 0)
            return code;
        if (options->payloads) { /* the action's own: as of a node behind the last */
            buf_u32(&m->payload_bytes, (uint32_t)m->count);
            buf_u64(&m->payload_bytes, first + i);
            buf_sized(&m->payload_bytes, options->payloads[i].data, options->payloads[i].size);
        }
        m->payloads[i].size = m->payload_bytes.size - before;
    }
    if (m->payload_bytes.failed)
        return error_set_memory(err, "making tasks");
    const char *at = m->payload_bytes.data;
    for (size_t i = 0; i < tasks; at += m->payloads[i++].size)
        m->payloads[i].data = at;
    return 0;
}

static void explain(rdd_context *ctx, rdd *r, const action *act, const job_options *options)
{
    CLEANUP(buf_release) buf text = { 0 };
    if (ctx->explain == EXPLAIN_DOT)
        lineage_explain_dot(r, &text);
    else {
        buf_format(&text, "%s (%s)\n", action_name(act->kind), options->site ? options->site : "");
        lineage_explain(r, &text);
    }
    pthread_mutex_lock(&ctx->explain_mutex);
    if (!text.failed)
        fwrite(text.data, 1, text.size, stderr);
    pthread_mutex_unlock(&ctx->explain_mutex);
}

static int driver_of(rdd_context *ctx, driver **ret, rdd_error *err)
{
    int code = 0;
    pthread_mutex_lock(&ctx->mutex);
    if (!ctx->driver) {
        code = driver_start(&ctx->driver, ctx, err);
        if (code == 0)
            interrupt_begin(ctx, ctx->driver);
    }
    *ret = ctx->driver;
    pthread_mutex_unlock(&ctx->mutex);
    return code;
}

static bool has_preferences(const job_memory *m)
{
    for (size_t i = 0; i < m->count; i++)
        if (m->order[i]->preferred)
            return true;
    return false;
}

static int compare_hosts(const void *a, const void *b)
{
    return strcasecmp(*(const char *const *)a, *(const char *const *)b);
}

/* Says that preferred hosts, of which there is one at least, are none of those there are. Sorts them. */
static void say_missing(driver *d, const char *site, const char **hosts, size_t count)
{
    const char *first = hosts[0];
    char line[400], more[40] = "";
    size_t others = 0;
    qsort(hosts, count, sizeof *hosts, compare_hosts);
    for (size_t i = 1; i < count; i++)
        others += strcasecmp(hosts[i - 1], hosts[i]) != 0;
    if (others)
        snprintf(more, sizeof more, " (and %zu more)", others);
    snprintf(line, sizeof line, "rdd: %s: no host of --master is called %.100s%s: tasks that prefer it run "
                                "anywhere\n",
             site ? site : "?", first, more);
    driver_say(d, line);
}

/* Where a preferred host is none of those there are, tasks run anywhere; once for each job a line says
 * so. local[N] has no hosts. */
static int find_preferred(rdd_context *ctx, driver *d, job_memory *m, const char *site, size_t first,
                          size_t tasks, rdd_error *err)
{
    const char *last = NULL, *name;
    size_t missing_count = 0;
    uint32_t executor = EXECUTOR_ANY;
    if (ctx->master.kind == MASTER_LOCAL || !has_preferences(m))
        return 0;
    m->preferred = malloc((tasks ? tasks : 1) * sizeof *m->preferred);
    CLEANUP(freep) const char **missing = malloc((tasks ? tasks : 1) * sizeof *missing);
    if (!m->preferred || !missing)
        return error_set_memory(err, "placing tasks");
    for (size_t i = 0; i < tasks; i++) {
        int code = lineage_preferred(m->order, m->positions, m->count, (int64_t)(first + i), &name, err);
        if (code < 0)
            return code;
        if (name && name != last)
            executor = driver_find_executor(d, name);
        last = name ? name : last;
        m->preferred[i] = name ? executor : EXECUTOR_ANY;
        if (name && executor == EXECUTOR_ANY)
            missing[missing_count++] = name;
    }
    if (missing_count && ctx->verbosity != VERBOSITY_QUIET)
        say_missing(d, site, missing, missing_count);
    return 0;
}

static uint32_t preferred_of(void *arg, uint32_t partition)
{
    const uint32_t *preferred = arg;
    return preferred[partition];
}

/* How many of a job's calls may fail: the strictest of its operators' budgets and --conf. */
typedef struct error_budget {
    uint64_t failed_max; /* UINT64_MAX: any number */
    bool percent;
    double percent_max;
} error_budget;

static void budget_narrow(error_budget *b, const char *text)
{
    double value;
    bool percent;
    if (!text || !*text || !conf_parse_budget(text, &value, &percent))
        return;
    if (percent) {
        b->percent_max = b->percent && b->percent_max < value ? b->percent_max : value;
        b->percent = true;
    } else {
        b->failed_max = u64_min(b->failed_max, (uint64_t)value);
    }
}

static error_budget budget_of(const job_memory *m, const action *act)
{
    error_budget b = { .failed_max = UINT64_MAX };
    budget_narrow(&b, conf_text("http.max_errors"));
    budget_narrow(&b, act->http.max_errors);
    for (size_t i = 0; i < m->count; i++)
        budget_narrow(&b, m->order[i]->params.http.max_errors);
    return b;
}

static bool has_side_effects(const job_memory *m, const action *act)
{
    bool any = action_has_side_effects(act->kind);
    for (size_t i = 0; i < m->count; i++)
        any = any || m->order[i]->params.concurrency > 1 ||
              m->order[i]->kind == NODE_FOREACH || m->order[i]->kind == NODE_PIPE;
    return any;
}

/* Failed calls fail no record, which may be what was wanted; that none succeeds is not. */
static void say_all_failed(const rdd_context *ctx, driver *d, const driver_job *job)
{
    char line[sizeof job->http_why + 200];
    if (!job->http_calls || job->http_failed < job->http_calls || ctx->verbosity == VERBOSITY_QUIET)
        return;
    snprintf(line, sizeof line,
             "rdd: each of %llu calls failed; one of them: %s (--conf http.max_errors=N makes that an "
             "error)\n",
             (unsigned long long)job->http_calls, job->http_why);
    driver_say(d, line);
}

static int submit(rdd *r, const action *act, const job_options *options, job_memory *m,
                  size_t first, size_t tasks, uint32_t stage, job_results *results, rdd_error *err)
{
    rdd_context *ctx = r->ctx;
    driver *d;
    int code = driver_of(ctx, &d, err);
    if (code == 0)
        code = find_preferred(ctx, d, m, options->site, first, tasks, err);
    job_spec *spec = code < 0 ? NULL : job_spec_new(1);
    if (code == 0 && !spec)
        code = error_set_memory(err, "starting a job");
    if (code < 0)
        return code;
    driver_job job = { .id = atomic_fetch_add(&ctx->next_job, 1),
                       .spec = spec,
                       .results = results,
                       .first = (int64_t)first,
                       .accept = options->accept,
                       .arg = options->arg,
                       .info = { .action = action_name(act->kind), .site = options->site } };
    CLEANUP(buf_release) buf text = { 0 };
    if (ctx->event_log) {
        lineage_explain(r, &text);
        job.info.plan = (rdd_str){ text.failed ? 0 : text.size, text.data };
    }
    error_budget budget = budget_of(m, act);
    job.http_failed_max = budget.failed_max;
    spec->job_id = job.id;
    spec->name = options->name ? options->name : action_name(act->kind);
    spec->pool = thread_pool[0] ? thread_pool : NULL; /* this thread waits until the job is done */
    spec->result_size_max = (uint64_t)conf_int("driver.result_max");
    spec->stages[0] = (stage_spec){ .id = stage,
                                    .name = r->name ? r->name : r->op ? r->op->name
                                                                      : node_kind_name(r->kind),
                                    .task_count = (uint32_t)tasks,
                                    .plan = { m->plan.size, m->plan.data },
                                    .payloads = m->payloads,
                                    .preferred = m->preferred ? preferred_of : NULL,
                                    .preferred_arg = m->preferred,
                                    .has_side_effects = has_side_effects(m, act) };
    code = driver_run(d, &job, err);
    if (code == 0 && !budget.percent && budget.failed_max == UINT64_MAX)
        say_all_failed(ctx, d, &job);
    if (code == 0 && budget.percent && job.http_calls &&
        (double)job.http_failed * 100 > budget.percent_max * (double)job.http_calls)
        code = error_set(err, RDD_E_HTTP,
                         "%llu of %llu calls failed, more than http.max_errors allows (%g%%); one of them: "
                         "%s",
                         (unsigned long long)job.http_failed, (unsigned long long)job.http_calls,
                         budget.percent_max, job.http_why);
    return code;
}

static bool gathers_files(const action *act)
{
    bool saves = act->kind == ACTION_SAVE_TEXT || act->kind == ACTION_SAVE_CSV ||
                 act->kind == ACTION_SAVE_JSON;
    return saves && !act->flag;
}

/* While the job runs, executors may hand in the files of its partitions. */
static int submit_save(rdd *r, const action *act, const job_options *options, job_memory *m,
                       size_t first, size_t tasks, uint32_t stage, job_results *results,
                       rdd_error *err)
{
    const file_save save = { .stage = stage, .first = (uint32_t)first, .count = (uint32_t)tasks,
                             .staging = act->text.data, .shown = act->zero.data };
    int code = file_server_save_begin(r->ctx->files, &save, err);
    if (code < 0)
        return code;
    code = submit(r, act, options, m, first, tasks, stage, results, err);
    file_server_save_end(r->ctx->files, stage);
    return code;
}

int job_run(rdd *r, const action *act, const job_options *options, job_results *ret, rdd_error *err)
{
    rdd_context *ctx = r->ctx;
    if (runner_refuses(action_name(act->kind), options->site, err)) /* its slot would wait for itself */
        return err->code;
    if (atomic_load(&ctx->interrupted))
        return error_set(err, RDD_E_CANCELLED, "interrupted");
    CLEANUP(job_memory_release) job_memory m = { 0 };
    int code = lineage_order(r, &m.order, &m.count, err);
    if (code == 0)
        code = lineage_positions(m.order, m.count, &m.positions, err);
    if (code == 0)
        code = prepare_nodes(ctx, &m, err);
    if (code < 0)
        return code;
    if (ctx->explain)
        explain(ctx, r, act, options);
    size_t first = options->count < 0 ? 0 : (size_t)options->first;
    size_t tasks = options->count < 0 ? (size_t)r->partitions : (size_t)options->count;
    job_results results = { .parts = calloc(tasks ? tasks : 1, sizeof *results.parts),
                            .count = tasks };
    if (!results.parts)
        return error_set_memory(err, "starting a job");
    action placed = *act;
    placed.first = (int64_t)first;
    uint32_t stage = atomic_fetch_add(&ctx->next_stage, 1);
    code = plan_encode(stage, m.order, m.count, &placed, &m.plan, err);
    if (code == 0)
        code = make_payloads(&m, options, first, tasks, err);
    if (code == 0 && tasks && gathers_files(act))
        code = submit_save(r, act, options, &m, first, tasks, stage, &results, err);
    else if (code == 0 && tasks)
        code = submit(r, act, options, &m, first, tasks, stage, &results, err);
    if (code < 0) {
        job_results_release(&results);
        return code;
    }
    *ret = results;
    return 0;
}
