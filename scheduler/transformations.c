/* transformations.c: the narrow transformations of rdd.h. Each checks its types, with both call sites
 * in the message, and makes a node. Nothing runs here. */
#include "block.h"
#include "conf.h"
#include "context.h"
#include "env.h"
#include "registry.h"
#include "transformations.h"
#include "type.h"

#include <math.h>
#include <stdio.h>

/* ---- errors --------------------------------------------------------------------------------- */

rdd *lineage_error(rdd_context *ctx, rdd_code code, const char *call, const char *site,
                   const char *format, ...)
{
    rdd_error err;
    char reason[sizeof err.message];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    error_set(&err, code, "%s (%s): %s", call, site ? site : "?", reason);
    context_fail(ctx, &err);
    return NULL;
}

/* A type for a message; valid until the buf goes. */
static const char *described(const rdd_type *t, buf *b)
{
    type_describe(t, b);
    const char *text = buf_terminate(b);
    return text ? text : "?";
}

/* "csv (a.c:7) gives …": what stands before, for messages. */
static const char *origin(const rdd *r, buf *b)
{
    node_label(r, b);
    const char *text = buf_terminate(b);
    return text ? text : "?";
}

static rdd *type_error(rdd *r, const char *call, const char *site, const char *taker,
                       const rdd_type *wants)
{
    CLEANUP(buf_release) buf a = { 0 };
    CLEANUP(buf_release) buf b = { 0 };
    CLEANUP(buf_release) buf c = { 0 };
    return lineage_error(r->ctx, RDD_E_TYPE, call, site, "%s takes %s, but %s gives %s", taker,
                         described(wants, &a), origin(r, &b), described(r->type, &c));
}

static const char *op_label(const rdd_op *op, char *text, size_t size)
{
    snprintf(text, size, "operator %s (%s:%d)", op->name, op->file, op->line);
    return text;
}

/* ---- operators and their env ---------------------------------------------------------------- */

bool bind_operator(rdd_context *ctx, const char *call, const char *site, const rdd_op *op,
                   const void *env, rdd_str *ret_env)
{
    char label[256];
    *ret_env = (rdd_str){ 0, NULL };
    if (!op) {
        lineage_error(ctx, RDD_E_USAGE, call, site, "the operator is missing");
        return false;
    }
    op_label(op, label, sizeof label);
    if (!registry_knows(op)) {
        lineage_error(ctx, RDD_E_USAGE, call, site,
                      "%s is in a library that was opened after rdd_init; open it before, or link it",
                      label);
        return false;
    }
    if (op->env && !env) {
        CLEANUP(buf_release) buf b = { 0 };
        lineage_error(ctx, RDD_E_USAGE, call, site,
                      "%s has an env: write RDD_WITH(%s, .field = …) for %s",
                      label, op->name, described(op->env, &b));
        return false;
    }
    if (!op->env)
        return true;
    if (env_is_lost(env)) {
        lineage_error(ctx, RDD_E_MEMORY, call, site, "the env of %s: out of memory", label);
        return false;
    }
    CLEANUP(buf_release) buf bytes = { 0 };
    rdd_error err;
    if (block_encode(op->env, env, 1, &bytes, &err) < 0) {
        lineage_error(ctx, err.code, call, site, "the env of %s: %s", label, err.message);
        return false;
    }
    *ret_env = (rdd_str){ bytes.size, context_copy(ctx, bytes.data, bytes.size) };
    if (!ret_env->data)
        lineage_error(ctx, RDD_E_MEMORY, call, site, "out of memory");
    return ret_env->data;
}

/* ---- nodes ---------------------------------------------------------------------------------- */

/* What operators that may call HTTP are told. */
static bool set_calls(rdd *node, const char *call, const rdd_operator_options *options)
{
    rdd_context *ctx = node->ctx;
    if (options->concurrency < 0 || options->concurrency > 100000)
        return lineage_error(ctx, RDD_E_USAGE, call, options->site_,
                             ".concurrency = %d: give 1 to 100000", options->concurrency);
    const rdd_http_options *h = &options->http;
    if (h->timeout_ms < 0 || h->connect_timeout_ms < 0 || h->attempts_max < 0 ||
        h->elapsed_max_ms < 0 || h->connections_per_host < 0)
        return lineage_error(ctx, RDD_E_USAGE, call, options->site_,
                             ".http: times and counts may not be negative");
    char message[256];
    if (!http_options_valid(h, message, sizeof message))
        return lineage_error(ctx, RDD_E_USAGE, call, options->site_, "%s", message);
    node->params.concurrency = (uint32_t)options->concurrency;
    node->params.http = *h;
    node->params.http.rate = context_text(ctx, h->rate);
    node->params.http.max_errors = context_text(ctx, h->max_errors);
    return true;
}

bool http_options_valid(const rdd_http_options *h, char *message, size_t size)
{
    if (h->rate && *h->rate && !conf_parse_rate(h->rate, NULL)) {
        snprintf(message, size, ".http.rate = \"%.60s\": give a rate of more than 0 with its unit, such "
                                "as 50/s, 100/m or 9/h",
                 h->rate);
        return false;
    }
    if (h->max_errors && *h->max_errors && !conf_parse_budget(h->max_errors, NULL, NULL)) {
        snprintf(message, size, ".http.max_errors = \"%.60s\": give a count such as 10, or 5%%",
                 h->max_errors);
        return false;
    }
    return true;
}

static rdd *unary(rdd *r, node_kind kind, const rdd_type *type, const rdd_options *options)
{
    rdd *node = context_node(r->ctx, kind, type, options->site_, options->name);
    if (!node)
        return NULL;
    node->parent_count = 1;
    node->parents[0] = r;
    node->partitions = r->partitions;
    return node;
}

/* An operator over r's elements: kind's common case. */
static rdd *with_operator(rdd *r, node_kind kind, const rdd_type *type, const char *call,
                          const rdd_operator_options *options, const rdd_op *op, const void *env,
                          const rdd_type *elements)
{
    char label[256];
    rdd_str bytes;
    if (!bind_operator(r->ctx, call, options->site_, op, env, &bytes))
        return NULL;
    if (!type_equal(op->in, elements))
        return type_error(r, call, options->site_, op_label(op, label, sizeof label), op->in);
    rdd *node = unary(r, kind, type, &(rdd_options){ options->site_, options->name });
    if (!node)
        return NULL;
    node->op = op;
    node->env = bytes;
    return set_calls(node, call, options) ? node : NULL;
}

rdd *(rdd_map)(rdd *r, rdd_map_op op, rdd_operator_options options)
{
    return r ? with_operator(r, NODE_MAP, op.op ? op.op->out : NULL, "rdd_map", &options, op.op, op.env,
                             r->type)
             : NULL;
}

rdd *(rdd_filter)(rdd *r, rdd_filter_op op, rdd_operator_options options)
{
    return r ? with_operator(r, NODE_FILTER, r->type, "rdd_filter", &options, op.op, op.env, r->type)
             : NULL;
}

rdd *(rdd_flat_map)(rdd *r, rdd_flat_map_op op, rdd_operator_options options)
{
    return r ? with_operator(r, NODE_FLAT_MAP, op.op ? op.op->out : NULL, "rdd_flat_map", &options,
                             op.op, op.env, r->type)
             : NULL;
}

rdd *foreach_node(rdd *r, rdd_foreach_op op, const rdd_operator_options *options)
{
    return with_operator(r, NODE_FOREACH, r->type, "rdd_foreach", options, op.op, op.env, r->type);
}

/* One call after the other. */
static rdd_operator_options in_order(const rdd_partitions_options *o)
{
    return (rdd_operator_options){ .site_ = o->site_, .name = o->name, .http = o->http };
}

rdd *(rdd_map_partitions)(rdd *r, rdd_map_partitions_op op, rdd_partitions_options options)
{
    rdd_operator_options calls = in_order(&options);
    return r ? with_operator(r, NODE_MAP_PARTITIONS, op.op ? op.op->out : NULL, "rdd_map_partitions",
                             &calls, op.op, op.env, r->type)
             : NULL;
}

rdd *(rdd_glom)(const rdd_type *list, rdd *r, rdd_options options)
{
    if (!r)
        return NULL;
    if (list->kind != RDD_KIND_LIST || !type_equal(list->item, r->type)) {
        CLEANUP(buf_release) buf a = { 0 };
        CLEANUP(buf_release) buf b = { 0 };
        CLEANUP(buf_release) buf c = { 0 };
        return lineage_error(r->ctx, RDD_E_TYPE, "rdd_glom", options.site_,
                             "the result is lists of %s (from %s), but the type given is %s; make it "
                             "with RDD_LIST",
                             described(r->type, &a), origin(r, &b), described(list, &c));
    }
    return unary(r, NODE_GLOM, list, &options);
}

/* ---- pairs ---------------------------------------------------------------------------------- */

static rdd *pair_error(rdd *r, const char *call, const char *site, const rdd_type *pair,
                       const rdd_type *key, const rdd_type *value)
{
    CLEANUP(buf_release) buf a = { 0 };
    CLEANUP(buf_release) buf b = { 0 };
    CLEANUP(buf_release) buf c = { 0 };
    CLEANUP(buf_release) buf d = { 0 };
    return lineage_error(r->ctx, RDD_E_TYPE, call, site,
                         "the result is pairs of %s and %s (from %s), but the type given is %s; make it "
                         "with RDD_PAIR",
                         described(key, &a), described(value, &b), origin(r, &d), described(pair, &c));
}

static bool pair_is(const rdd_type *pair, const rdd_type *key, const rdd_type *value)
{
    return type_is_pair(pair) && type_equal(pair->fields[0].type, key) &&
           type_equal(pair->fields[1].type, value);
}

static bool must_be_pairs(rdd *r, const char *call, const char *site)
{
    CLEANUP(buf_release) buf a = { 0 };
    CLEANUP(buf_release) buf b = { 0 };
    if (type_is_pair(r->type))
        return true;
    return lineage_error(r->ctx, RDD_E_TYPE, call, site, "wants pairs (RDD_PAIR), but %s gives %s",
                         origin(r, &a), described(r->type, &b));
}

rdd *(rdd_key_by)(const rdd_type *pair, rdd *r, rdd_map_op op, rdd_operator_options options)
{
    if (!r)
        return NULL;
    if (op.op && type_equal(op.op->in, r->type) && !pair_is(pair, op.op->out, r->type))
        return pair_error(r, "rdd_key_by", options.site_, pair, op.op->out, r->type);
    return with_operator(r, NODE_KEY_BY, pair, "rdd_key_by", &options, op.op, op.env, r->type);
}

static rdd *over_values(const rdd_type *pair, rdd *r, node_kind kind, const char *call,
                        const rdd_operator_options *options, const rdd_op *op, const void *env)
{
    if (!must_be_pairs(r, call, options->site_))
        return NULL;
    const rdd_type *key = r->type->fields[0].type, *value = r->type->fields[1].type;
    if (op && type_equal(op->in, value) && !pair_is(pair, key, op->out))
        return pair_error(r, call, options->site_, pair, key, op->out);
    return with_operator(r, kind, pair, call, options, op, env, value);
}

rdd *(rdd_map_values)(const rdd_type *pair, rdd *r, rdd_map_op op, rdd_operator_options options)
{
    return r ? over_values(pair, r, NODE_MAP_VALUES, "rdd_map_values", &options, op.op, op.env) : NULL;
}

rdd *(rdd_flat_map_values)(const rdd_type *pair, rdd *r, rdd_flat_map_op op, rdd_operator_options options)
{
    return r ? over_values(pair, r, NODE_FLAT_MAP_VALUES, "rdd_flat_map_values", &options, op.op, op.env)
             : NULL;
}

rdd *(rdd_keys)(rdd *r, rdd_options options)
{
    if (!r || !must_be_pairs(r, "rdd_keys", options.site_))
        return NULL;
    return unary(r, NODE_KEYS, r->type->fields[0].type, &options);
}

rdd *(rdd_values)(rdd *r, rdd_options options)
{
    if (!r || !must_be_pairs(r, "rdd_values", options.site_))
        return NULL;
    return unary(r, NODE_VALUES, r->type->fields[1].type, &options);
}

/* ---- numbering ------------------------------------------------------------------------------ */

rdd *(rdd_zip_with_unique_id)(const rdd_type *pair, rdd *r, rdd_options options)
{
    if (!r)
        return NULL;
    if (!pair_is(pair, r->type, RDD_TYPE(int64_t)))
        return pair_error(r, "rdd_zip_with_unique_id", options.site_, pair, r->type,
                          RDD_TYPE(int64_t));
    return unary(r, NODE_ZIP_ID, pair, &options);
}

rdd *(rdd_zip_with_index)(const rdd_type *pair, rdd *r, rdd_options options)
{
    if (!r)
        return NULL;
    if (!pair_is(pair, r->type, RDD_TYPE(int64_t)))
        return pair_error(r, "rdd_zip_with_index", options.site_, pair, r->type, RDD_TYPE(int64_t));
    rdd *node = unary(r, NODE_ZIP_INDEX, pair, &options);
    if (node)
        node->prepare = prepare_first_indexes;
    return node;
}

/* ---- sampling ------------------------------------------------------------------------------- */

rdd *(rdd_sample)(rdd *r, double fraction, rdd_sample_options options)
{
    if (!r)
        return NULL;
    bool ok = fraction >= 0 && isfinite(fraction) && (options.with_replacement || fraction <= 1);
    if (!ok)
        return lineage_error(r->ctx, RDD_E_USAGE, "rdd_sample", options.site_,
                             "a fraction of %g: give 0 to 1, or, with .with_replacement, 0 and more",
                             fraction);
    rdd *node = unary(r, NODE_SAMPLE, r->type, &(rdd_options){ options.site_, options.name });
    if (!node)
        return NULL;
    node->params.seed = options.seed;
    node->params.with_replacement = options.with_replacement;
    node->params.low = 0;
    node->params.high = fraction;
    return node;
}

int(rdd_random_split)(rdd *r, const double *weights, size_t count, rdd **ret,
                       rdd_split_options options)
{
    for (size_t i = 0; ret && i < count; i++)
        ret[i] = NULL;
    if (!r)
        return RDD_E_USAGE;
    if (count && (!weights || !ret)) {
        lineage_error(r->ctx, RDD_E_USAGE, "rdd_random_split", options.site_,
                      "%s is NULL, but count is %zu", weights ? "ret" : "weights", count);
        return RDD_E_USAGE;
    }
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum = weights[i] >= 0 ? sum + weights[i] : NAN;
    if (!(sum > 0) || !isfinite(sum)) {
        lineage_error(r->ctx, RDD_E_USAGE, "rdd_random_split", options.site_,
                      "weights must not be negative, and one at least must be more than 0");
        return RDD_E_USAGE;
    }
    double so_far = 0;
    for (size_t i = 0; i < count; i++) {
        ret[i] = unary(r, NODE_SAMPLE, r->type, &(rdd_options){ options.site_, options.name });
        if (!ret[i])
            return RDD_E_MEMORY;
        ret[i]->params.seed = options.seed;
        ret[i]->params.low = so_far / sum;
        so_far += weights[i];
        ret[i]->params.high = i + 1 == count ? 2 : so_far / sum; /* rounding loses nothing */
    }
    return 0;
}

/* ---- other partitions ----------------------------------------------------------------------- */

rdd *(rdd_coalesce)(rdd *r, int64_t partitions, rdd_options options)
{
    if (!r)
        return NULL;
    if (partitions < 1)
        return lineage_error(r->ctx, RDD_E_USAGE, "rdd_coalesce", options.site_,
                             "%lld partitions: give 1 or more", (long long)partitions);
    rdd *node = unary(r, NODE_COALESCE, r->type, &options);
    if (node && partitions < r->partitions)
        node->partitions = partitions;
    return node;
}

rdd *(rdd_pipe)(rdd *r, const char *command, rdd_options options)
{
    if (!r)
        return NULL;
    if (!type_equal(r->type, RDD_TYPE(rdd_str)))
        return type_error(r, "rdd_pipe", options.site_, "a command", RDD_TYPE(rdd_str));
    if (!command || !*command)
        return lineage_error(r->ctx, RDD_E_USAGE, "rdd_pipe", options.site_, "the command is empty");
    rdd *node = unary(r, NODE_PIPE, RDD_TYPE(rdd_str), &options);
    if (node)
        node->params.text = rdd_str_of(context_text(r->ctx, command));
    return node;
}

/* ---- two parents ---------------------------------------------------------------------------- */

static rdd *binary(rdd *a, rdd *b, node_kind kind, const rdd_type *type, const char *call,
                   const rdd_options *options)
{
    if (a->ctx != b->ctx)
        return lineage_error(a->ctx, RDD_E_USAGE, call, options->site_,
                             "the two RDDs belong to different contexts");
    rdd *node = context_node(a->ctx, kind, type, options->site_, options->name);
    if (!node)
        return NULL;
    node->parent_count = 2;
    node->parents[0] = a;
    node->parents[1] = b;
    node->partitions = a->partitions;
    return node;
}

/* Partition i of one goes with partition i of the other. */
static bool as_many_partitions(rdd *a, rdd *b, const char *call, const char *site)
{
    CLEANUP(buf_release) buf x = { 0 };
    CLEANUP(buf_release) buf y = { 0 };
    if (a->partitions == b->partitions)
        return true;
    return lineage_error(a->ctx, RDD_E_USAGE, call, site,
                         "%s has %lld partitions and %s has %lld; both must have as many: .partitions = 1 on "
                         "both sources, or rdd_coalesce to 1, puts all side by side",
                         origin(a, &x), (long long)a->partitions, origin(b, &y), (long long)b->partitions);
}

rdd *(rdd_union)(rdd *a, rdd *b, rdd_options options)
{
    if (!a || !b)
        return NULL;
    if (!type_equal(a->type, b->type)) {
        CLEANUP(buf_release) buf x = { 0 };
        CLEANUP(buf_release) buf x_type = { 0 };
        CLEANUP(buf_release) buf y = { 0 };
        CLEANUP(buf_release) buf y_type = { 0 };
        return lineage_error(a->ctx, RDD_E_TYPE, "rdd_union", options.site_,
                             "%s gives %s and %s gives %s; both must give the same", origin(a, &x),
                             described(a->type, &x_type), origin(b, &y), described(b->type, &y_type));
    }
    rdd *node = binary(a, b, NODE_UNION, a->type, "rdd_union", &options);
    if (!node)
        return NULL;
    node->partitions = a->partitions + b->partitions;
    return check_partitions(node, "rdd_union", node->partitions) ? node : NULL;
}

rdd *(rdd_zip)(const rdd_type *pair, rdd *a, rdd *b, rdd_options options)
{
    if (!a || !b || !as_many_partitions(a, b, "rdd_zip", options.site_))
        return NULL;
    if (!pair_is(pair, a->type, b->type))
        return pair_error(a, "rdd_zip", options.site_, pair, a->type, b->type);
    return binary(a, b, NODE_ZIP, pair, "rdd_zip", &options);
}

rdd *(rdd_zip_columns)(rdd *a, rdd *b, rdd_options options)
{
    if (!a || !b || !as_many_partitions(a, b, "rdd_zip_columns", options.site_))
        return NULL;
    if (!type_is_row(a->type) || !type_is_row(b->type))
        return type_error(type_is_row(a->type) ? b : a, "rdd_zip_columns", options.site_,
                          "rdd_zip_columns", RDD_TYPE(rdd_row));
    return binary(a, b, NODE_ZIP_COLUMNS, RDD_TYPE(rdd_row), "rdd_zip_columns", &options);
}

rdd *(rdd_zip_partitions)(rdd *a, rdd *b, rdd_zip_partitions_op op, rdd_partitions_options options)
{
    char label[256];
    rdd_str env;
    if (!a || !b || !as_many_partitions(a, b, "rdd_zip_partitions", options.site_) ||
        !bind_operator(a->ctx, "rdd_zip_partitions", options.site_, op.op, op.env, &env))
        return NULL;
    op_label(op.op, label, sizeof label);
    if (!type_equal(op.op->in, a->type))
        return type_error(a, "rdd_zip_partitions", options.site_, label, op.op->in);
    if (!type_equal(op.op->in2, b->type))
        return type_error(b, "rdd_zip_partitions", options.site_, label, op.op->in2);
    rdd *node = binary(a, b, NODE_ZIP_PARTITIONS, op.op->out, "rdd_zip_partitions",
                       &(rdd_options){ options.site_, options.name });
    if (!node)
        return NULL;
    node->op = op.op;
    node->env = env;
    rdd_operator_options calls = in_order(&options);
    return set_calls(node, "rdd_zip_partitions", &calls) ? node : NULL;
}

rdd *(rdd_cartesian)(const rdd_type *pair, rdd *a, rdd *b, rdd_options options)
{
    if (!a || !b)
        return NULL;
    if (!pair_is(pair, a->type, b->type))
        return pair_error(a, "rdd_cartesian", options.site_, pair, a->type, b->type);
    rdd *node = binary(a, b, NODE_CARTESIAN, pair, "rdd_cartesian", &options);
    if (!node)
        return NULL;
    if (__builtin_mul_overflow(a->partitions, b->partitions, &node->partitions))
        node->partitions = INT64_MAX;
    return check_partitions(node, "rdd_cartesian", node->partitions) ? node : NULL;
}

int check_list(const char *list, const void *items, const char *counted, size_t count, rdd_error *err)
{
    if (count && !items)
        return error_set(err, RDD_E_USAGE, ".%s is NULL, but .%s is %zu", list, counted, count);
    if (items && !count)
        return error_set(err, RDD_E_USAGE, ".%s is given, but .%s is not", list, counted);
    return 0;
}

bool check_partitions(const rdd *r, const char *call, int64_t partitions)
{
    if (partitions >= 0 && partitions <= PARTITIONS_MAX)
        return true;
    return lineage_error(r->ctx, RDD_E_LIMIT, call, r->site,
                         "%lld partitions; an RDD has at most %lld", (long long)partitions,
                         (long long)PARTITIONS_MAX);
}
