#include "plan.h"

#include "block.h"
#include "conf.h"
#include "registry.h"
#include "type.h"

#include <stdio.h>

enum { NODES_MAX = 1 << 20, TYPES_MAX = 1 << 16, NONE = UINT32_MAX };

bool action_has_side_effects(action_kind kind)
{
    return kind == ACTION_FOREACH || kind == ACTION_FOREACH_PARTITION;
}

const char *action_name(action_kind kind)
{
    static const char *const NAMES[ACTION_KINDS] = {
        [ACTION_COLLECT] = "collect",
        [ACTION_TAKE] = "take",
        [ACTION_PICK] = "take_sample",
        [ACTION_SAMPLE] = "take_sample",
        [ACTION_TOP] = "top",
        [ACTION_COUNT] = "count",
        [ACTION_REDUCE] = "reduce",
        [ACTION_FOLD] = "fold",
        [ACTION_AGGREGATE] = "aggregate",
        [ACTION_SUM] = "sum",
        [ACTION_STATS] = "stats",
        [ACTION_HISTOGRAM] = "histogram",
        [ACTION_COUNT_VALUES] = "count_by_value",
        [ACTION_FOREACH] = "foreach",
        [ACTION_FOREACH_PARTITION] = "foreach_partition",
        [ACTION_SAVE_TEXT] = "save_text",
        [ACTION_SAVE_CSV] = "save_csv",
        [ACTION_SAVE_JSON] = "save_json_lines",
        [ACTION_CSV_SCAN] = "csv_scan",
    };
    return NAMES[kind];
}

/* ---- encoding ----------------------------------------------------------------------------- */

/* Types go into a table: the nodes of a plan share a handful. */
typedef struct type_table {
    const rdd_type *types[256];
    uint32_t count;
} type_table;

static uint32_t type_number(type_table *table, const rdd_type *t)
{
    if (!t)
        return NONE;
    for (uint32_t i = table->count; i-- > 0;)
        if (table->types[i] == t)
            return i;
    for (uint32_t i = 0; i < table->count; i++)
        if (type_equal(table->types[i], t))
            return i;
    if (table->count == ARRAY_SIZE(table->types))
        return NONE;
    table->types[table->count] = t;
    return table->count++;
}

static void text_encode(buf *b, const char *text)
{
    buf_u8(b, text != NULL);
    if (text)
        buf_sized(b, text, strlen(text));
}

static void double_encode(buf *b, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    buf_u64(b, bits);
}

static void op_encode(buf *b, const rdd_op *op, rdd_str env)
{
    buf_u32(b, op ? op->module : NONE);
    buf_u32(b, op ? op->index : NONE);
    buf_sized(b, env.data, env.size);
}

static void http_encode(buf *b, const rdd_http_options *h)
{
    buf_u32(b, (uint32_t)h->timeout_ms);
    buf_u32(b, (uint32_t)h->connect_timeout_ms);
    buf_u32(b, (uint32_t)h->attempts_max);
    buf_u64(b, (uint64_t)h->elapsed_max_ms);
    buf_u32(b, (uint32_t)h->connections_per_host);
    buf_u64(b, h->response_max);
    text_encode(b, h->rate);
    text_encode(b, h->max_errors);
}

static void params_encode(buf *b, const node_params *p)
{
    buf_u64(b, (uint64_t)p->first);
    buf_u64(b, (uint64_t)p->step);
    buf_u64(b, (uint64_t)p->count);
    buf_u64(b, p->seed);
    double_encode(b, p->low);
    double_encode(b, p->high);
    buf_u8(b, p->with_replacement);
    buf_u8(b, p->no_header);
    buf_u8(b, (uint8_t)p->delimiter);
    buf_u8(b, (uint8_t)p->quote);
    buf_u8(b, p->ragged);
    buf_u32(b, p->concurrency);
    http_encode(b, &p->http);
    buf_sized(b, p->text.data, p->text.size);
}

static void action_encode(buf *b, const action *a, uint32_t type)
{
    buf_u8(b, (uint8_t)a->kind);
    op_encode(b, a->op, a->env);
    buf_u32(b, type);
    buf_sized(b, a->zero.data, a->zero.size);
    buf_u64(b, (uint64_t)a->n);
    buf_u64(b, (uint64_t)a->first);
    buf_u64(b, a->seed);
    buf_u8(b, a->flag);
    buf_u8(b, (uint8_t)a->delimiter);
    buf_u8(b, a->compression);
    http_encode(b, &a->http);
    buf_sized(b, a->text.data, a->text.size);
}

int plan_encode(uint32_t stage, rdd *const *order, size_t count, const action *act, buf *out,
                rdd_error *err)
{
    if (count > NODES_MAX)
        return error_set(err, RDD_E_LIMIT, "a stage of %zu steps; at most %d fit", count, NODES_MAX);
    CLEANUP(freep) uint32_t *positions = NULL;
    int code = lineage_positions(order, count, &positions, err);
    if (code < 0)
        return code;
    type_table table = { .count = 0 };
    CLEANUP(buf_release) buf body = { 0 };
    CLEANUP(buf_release) buf label = { 0 };
    for (size_t i = 0; i < count; i++) {
        const rdd *r = order[i];
        uint32_t type = type_number(&table, r->type);
        if (type == NONE)
            return error_set(err, RDD_E_LIMIT, "a stage with more than %zu element types",
                             ARRAY_SIZE(table.types));
        buf_u8(&body, (uint8_t)r->kind);
        buf_u32(&body, type);
        buf_u64(&body, (uint64_t)r->partitions);
        buf_u8(&body, (uint8_t)r->parent_count);
        for (uint32_t k = 0; k < r->parent_count; k++)
            buf_u32(&body, positions[2 * i + k]);
        op_encode(&body, r->op, r->env);
        params_encode(&body, &r->params);
        buf_clear(&label);
        node_label(r, &label);
        buf_sized(&body, label.data, label.size);
    }
    action_encode(&body, act, type_number(&table, act->type));

    buf_u32(out, stage);
    buf_u64(out, (uint64_t)conf_int("task.budget"));
    buf_u64(out, (uint64_t)conf_int("driver.result_max"));
    buf_u8(out, conf_bool("debug.lifetime"));
    buf_u32(out, table.count);
    for (uint32_t i = 0; i < table.count; i++)
        type_encode(out, table.types[i]);
    buf_u32(out, (uint32_t)count);
    buf_append(out, body.data, body.size);
    if (body.failed || label.failed || out->failed)
        return error_set_memory(err, "encoding a stage");
    return 0;
}

/* ---- decoding ----------------------------------------------------------------------------- */

typedef struct decoder {
    reader r;
    plan *p;
    const rdd_type **types;
    uint32_t type_count;
    rdd_error *err;
} decoder;

static int malformed(decoder *d, const char *what)
{
    return error_set(d->err, RDD_E_PROTOCOL, "a malformed plan came over the wire: %s", what);
}

static char *text_decode(decoder *d)
{
    if (!reader_u8(&d->r))
        return NULL;
    size_t size;
    const char *data = reader_sized(&d->r, &size);
    return data ? arena_copy(&d->p->memory, data, size) : NULL;
}

static rdd_str bytes_decode(decoder *d)
{
    rdd_str s = { 0, NULL };
    size_t size;
    const char *data = reader_sized(&d->r, &size);
    if (data && size) {
        /* blocks are decoded in place and want their alignment: arenas give 16 */
        s.data = arena_copy(&d->p->memory, data, size);
        s.size = s.data ? size : 0;
        d->r.failed = d->r.failed || !s.data;
    }
    return s;
}

static double double_decode(reader *r)
{
    uint64_t bits = reader_u64(r);
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static const rdd_type *type_decode_number(decoder *d)
{
    uint32_t number = reader_u32(&d->r);
    return number < d->type_count ? d->types[number] : NULL;
}

static int one_decode(decoder *d, const rdd_type *t, rdd_str block, const void **ret)
{
    size_t count, size;
    int code =
        block_decode(t, (void *)(uintptr_t)block.data, block.size, ret, &count, &size, d->err);
    if (code < 0)
        return code;
    return count == 1 ? 0 : malformed(d, "an env that is not one value");
}

static int op_decode(decoder *d, const rdd_op **ret_op, const void **ret_env)
{
    uint32_t module = reader_u32(&d->r), index = reader_u32(&d->r);
    rdd_str env = bytes_decode(d);
    *ret_op = NULL;
    *ret_env = NULL;
    if (d->r.failed)
        return malformed(d, "it ends in an operator");
    if (module == NONE)
        return 0;
    *ret_op = registry_op(module, index);
    if (!*ret_op)
        return malformed(d, "an operator that this program does not have");
    if (((*ret_op)->env != NULL) != (env.size != 0))
        return malformed(d, "an operator whose env is missing");
    return env.size ? one_decode(d, (*ret_op)->env, env, ret_env) : 0;
}

static void http_decode(decoder *d, rdd_http_options *h)
{
    h->timeout_ms = (int)reader_u32(&d->r);
    h->connect_timeout_ms = (int)reader_u32(&d->r);
    h->attempts_max = (int)reader_u32(&d->r);
    h->elapsed_max_ms = (int64_t)reader_u64(&d->r);
    h->connections_per_host = (int)reader_u32(&d->r);
    h->response_max = reader_u64(&d->r);
    h->rate = text_decode(d);
    h->max_errors = text_decode(d);
}

static void params_decode(decoder *d, node_params *p)
{
    p->first = (int64_t)reader_u64(&d->r);
    p->step = (int64_t)reader_u64(&d->r);
    p->count = (int64_t)reader_u64(&d->r);
    p->seed = reader_u64(&d->r);
    p->low = double_decode(&d->r);
    p->high = double_decode(&d->r);
    p->with_replacement = reader_u8(&d->r) != 0;
    p->no_header = reader_u8(&d->r) != 0;
    p->delimiter = (char)reader_u8(&d->r);
    p->quote = (char)reader_u8(&d->r);
    p->ragged = reader_u8(&d->r);
    p->concurrency = reader_u32(&d->r);
    http_decode(d, &p->http);
    p->text = bytes_decode(d);
}

/* What must agree for the iterators to be safe: operator kind, and its types with the nodes'. */
typedef struct op_rule {
    int op;               /* rdd_op_kind, or -1 for none */
    uint32_t parents;
} op_rule;

static const op_rule RULES[NODE_KINDS] = {
    [NODE_RANGE] = { -1, 0 },      [NODE_ITEMS] = { -1, 0 },
    [NODE_EMPTY] = { -1, 0 },      [NODE_TEXT] = { -1, 0 },
    [NODE_WHOLE_TEXT] = { -1, 0 }, [NODE_BINARY] = { -1, 0 },
    [NODE_RECORDS] = { -1, 0 },    [NODE_CSV] = { -1, 0 },
    [NODE_CSV_SCAN] = { -1, 0 },   [NODE_JSON] = { -1, 0 },
    [NODE_MAP] = { RDD_OP_MAP, 1 },
    [NODE_FILTER] = { RDD_OP_FILTER, 1 },
    [NODE_FLAT_MAP] = { RDD_OP_FLAT_MAP, 1 },
    [NODE_MAP_PARTITIONS] = { RDD_OP_MAP_PARTITIONS, 1 },
    [NODE_GLOM] = { -1, 1 },
    [NODE_FOREACH] = { RDD_OP_FOREACH, 1 },
    [NODE_KEY_BY] = { RDD_OP_MAP, 1 },
    [NODE_MAP_VALUES] = { RDD_OP_MAP, 1 },
    [NODE_FLAT_MAP_VALUES] = { RDD_OP_FLAT_MAP, 1 },
    [NODE_KEYS] = { -1, 1 },       [NODE_VALUES] = { -1, 1 },
    [NODE_ZIP_INDEX] = { -1, 1 },  [NODE_ZIP_ID] = { -1, 1 },
    [NODE_SAMPLE] = { -1, 1 },     [NODE_PIPE] = { -1, 1 },
    [NODE_COALESCE] = { -1, 1 },   [NODE_UNION] = { -1, 2 },
    [NODE_ZIP] = { -1, 2 },        [NODE_ZIP_COLUMNS] = { -1, 2 },
    [NODE_ZIP_PARTITIONS] = { RDD_OP_ZIP_PARTITIONS, 2 },
    [NODE_CARTESIAN] = { -1, 2 },
};

static bool pair_of(const rdd_type *pair, const rdd_type *key, const rdd_type *value)
{
    return type_is_pair(pair) && (!key || type_equal(pair->fields[0].type, key)) &&
           (!value || type_equal(pair->fields[1].type, value));
}

static bool types_agree(const plan_node *n, const rdd_type *a, const rdd_type *b)
{
    const rdd_op *op = n->op;
    switch (n->kind) {
    case NODE_RANGE: return type_equal(n->type, RDD_TYPE(int64_t));
    case NODE_TEXT: return type_equal(n->type, RDD_TYPE(rdd_str));
    case NODE_WHOLE_TEXT: return type_equal(n->type, RDD_TYPE(rdd_text_of_file));
    case NODE_BINARY: return type_equal(n->type, RDD_TYPE(rdd_bytes_of_file));
    case NODE_RECORDS: return type_equal(n->type, RDD_TYPE(rdd_bytes)) && n->params.count > 0;
    case NODE_CSV:
    case NODE_JSON: return type_is_row(n->type) || n->type->kind == RDD_KIND_STRUCT;
    case NODE_ITEMS:
    case NODE_EMPTY:
    case NODE_CSV_SCAN: return true;
    case NODE_MAP:
    case NODE_FLAT_MAP:
    case NODE_MAP_PARTITIONS: return type_equal(op->in, a) && type_equal(op->out, n->type);
    case NODE_FILTER:
    case NODE_FOREACH: return type_equal(op->in, a) && type_equal(a, n->type);
    case NODE_GLOM: return n->type->kind == RDD_KIND_LIST && type_equal(n->type->item, a);
    case NODE_KEY_BY: return type_equal(op->in, a) && pair_of(n->type, op->out, a);
    case NODE_MAP_VALUES:
    case NODE_FLAT_MAP_VALUES:
        return pair_of(a, NULL, op->in) && pair_of(n->type, a->fields[0].type, op->out);
    case NODE_KEYS: return type_is_pair(a) && type_equal(a->fields[0].type, n->type);
    case NODE_VALUES: return type_is_pair(a) && type_equal(a->fields[1].type, n->type);
    case NODE_ZIP_INDEX:
    case NODE_ZIP_ID: return pair_of(n->type, a, RDD_TYPE(int64_t));
    case NODE_SAMPLE:
    case NODE_COALESCE: return type_equal(a, n->type);
    case NODE_PIPE:
        return type_equal(a, RDD_TYPE(rdd_str)) && type_equal(n->type, RDD_TYPE(rdd_str));
    case NODE_UNION: return type_equal(a, n->type) && type_equal(b, n->type);
    case NODE_ZIP:
    case NODE_CARTESIAN: return pair_of(n->type, a, b);
    case NODE_ZIP_COLUMNS: return type_is_row(a) && type_is_row(b) && type_is_row(n->type);
    case NODE_ZIP_PARTITIONS:
        return type_equal(op->in, a) && type_equal(op->in2, b) && type_equal(op->out, n->type);
    case NODE_KINDS: break;
    }
    return false;
}

static bool partitions_agree(const plan *p, const plan_node *n)
{
    int64_t a = n->parent_count > 0 ? p->nodes[n->parents[0]].partitions : 0;
    int64_t b = n->parent_count > 1 ? p->nodes[n->parents[1]].partitions : 0;
    int64_t product;
    if (n->partitions < 0 || n->partitions > INT64_MAX / 2)
        return false;
    switch (n->kind) {
    case NODE_UNION: return n->partitions == a + b;
    case NODE_CARTESIAN: return !__builtin_mul_overflow(a, b, &product) && n->partitions == product;
    case NODE_COALESCE: return n->partitions <= a && (n->partitions > 0 || a == 0);
    default: return n->parent_count == 0 || (n->partitions == a && (n->parent_count < 2 || a == b));
    }
}

static int node_decode(decoder *d, uint32_t i)
{
    plan *p = d->p;
    plan_node *n = &p->nodes[i];
    uint8_t kind = reader_u8(&d->r);
    n->type = type_decode_number(d);
    n->partitions = (int64_t)reader_u64(&d->r);
    n->parent_count = reader_u8(&d->r);
    if (d->r.failed || kind >= NODE_KINDS || !n->type || n->parent_count != RULES[kind].parents)
        return malformed(d, "a node of no known kind");
    n->kind = (node_kind)kind;
    n->depth = 1;
    for (uint32_t k = 0; k < n->parent_count; k++) {
        n->parents[k] = reader_u32(&d->r);
        if (n->parents[k] >= i)
            return malformed(d, "a node before its parent");
        p->nodes[n->parents[k]].consumers++;
        n->depth = (uint32_t)size_max(n->depth, p->nodes[n->parents[k]].depth + 1);
    }
    int code = op_decode(d, &n->op, &n->env);
    if (code < 0)
        return code;
    int op_kind = n->op ? (int)n->op->kind : -1;
    if (op_kind != RULES[n->kind].op)
        return malformed(d, "an operator of the wrong kind");
    params_decode(d, &n->params);
    size_t size;
    const char *label = reader_sized(&d->r, &size);
    n->label = label ? arena_copy(&p->memory, label, size) : NULL;
    if (d->r.failed || !n->label)
        return malformed(d, "it ends in a node");
    const rdd_type *a = n->parent_count > 0 ? p->nodes[n->parents[0]].type : NULL;
    const rdd_type *b = n->parent_count > 1 ? p->nodes[n->parents[1]].type : NULL;
    if (!types_agree(n, a, b))
        return malformed(d, "types that do not agree");
    if (!partitions_agree(p, n))
        return malformed(d, "partition counts that do not agree");
    p->side_effects = p->side_effects || n->params.concurrency > 1 || n->kind == NODE_FOREACH;
    return 0;
}

/* The action's operator and types, held against the elements it gets. */
static bool action_agrees(const action *a, const rdd_type *in)
{
    const rdd_op *op = a->op;
    switch (a->kind) {
    case ACTION_COLLECT:
    case ACTION_TAKE:
    case ACTION_PICK:
    case ACTION_SAMPLE: return !op && a->n >= 0;
    case ACTION_COUNT:
    case ACTION_CSV_SCAN: return !op;
    case ACTION_SUM:
    case ACTION_STATS: return !op && type_is_number(in);
    case ACTION_HISTOGRAM: return !op && type_is_number(in) && a->zero.size > 0;
    case ACTION_TOP:
        return a->n >= 0 && (!op || (op->kind == RDD_OP_ORDER && type_equal(op->in, in)));
    case ACTION_REDUCE:
    case ACTION_FOLD:
        return op && op->kind == RDD_OP_REDUCE && type_equal(op->in, in) &&
               (a->kind == ACTION_REDUCE || (a->zero.size && a->type && type_equal(a->type, in)));
    case ACTION_AGGREGATE:
        return op && op->kind == RDD_OP_AGGREGATE && type_equal(op->in, in) && a->type &&
               type_equal(a->type, op->out) && a->zero.size;
    case ACTION_COUNT_VALUES: return !op && a->type && pair_of(a->type, in, RDD_TYPE(int64_t));
    case ACTION_FOREACH: return !op;
    case ACTION_FOREACH_PARTITION:
        return op && op->kind == RDD_OP_FOREACH_PARTITION && type_equal(op->in, in);
    case ACTION_SAVE_TEXT:
    case ACTION_SAVE_JSON: return !op;
    case ACTION_SAVE_CSV: return !op && (type_is_row(in) || in->kind == RDD_KIND_STRUCT);
    case ACTION_KINDS: break;
    }
    return false;
}

static int action_decode(decoder *d)
{
    action *a = &d->p->act;
    uint8_t kind = reader_u8(&d->r);
    if (d->r.failed || kind >= ACTION_KINDS)
        return malformed(d, "an action of no known kind");
    a->kind = (action_kind)kind;
    int code = op_decode(d, &a->op, &d->p->act_env);
    if (code < 0)
        return code;
    a->type = type_decode_number(d);
    a->zero = bytes_decode(d);
    a->n = (int64_t)reader_u64(&d->r);
    a->first = (int64_t)reader_u64(&d->r);
    a->seed = reader_u64(&d->r);
    a->flag = reader_u8(&d->r) != 0;
    a->delimiter = (char)reader_u8(&d->r);
    a->compression = reader_u8(&d->r);
    http_decode(d, &a->http);
    a->text = bytes_decode(d);
    if (d->r.failed || reader_left(&d->r) || a->compression > COMPRESSION_ZST || a->first < 0)
        return malformed(d, "it ends in its action");
    if (a->op)
        a->label = arena_format(&d->p->memory, "%s %s (%s:%d)", action_name(a->kind), a->op->name,
                                a->op->file, a->op->line);
    const plan_node *last = &d->p->nodes[d->p->node_count - 1];
    if (!action_agrees(a, last->type))
        return malformed(d, "an action that does not fit its elements");
    if ((a->kind == ACTION_CSV_SCAN) != (last->kind == NODE_CSV_SCAN))
        return malformed(d, "a scan of something else");
    d->p->side_effects = d->p->side_effects || action_has_side_effects(a->kind);
    return 0;
}

static int types_decode(decoder *d)
{
    d->type_count = reader_u32(&d->r);
    if (d->r.failed || d->type_count > TYPES_MAX || d->type_count > reader_left(&d->r))
        return malformed(d, "too many types");
    d->types = arena_zalloc(&d->p->memory, (d->type_count + 1) * sizeof *d->types);
    if (!d->types)
        return error_set_memory(d->err, "decoding a plan");
    for (uint32_t i = 0; i < d->type_count; i++) {
        int code = type_decode(&d->r, &d->p->memory, &d->types[i], d->err);
        if (code < 0)
            return code;
    }
    return 0;
}

static int plan_read(decoder *d)
{
    plan *p = d->p;
    p->stage = reader_u32(&d->r);
    p->budget = reader_u64(&d->r);
    p->result_max = reader_u64(&d->r);
    p->lifetime_debug = reader_u8(&d->r) != 0;
    p->line_max = p->budget;
    int code = types_decode(d);
    if (code < 0)
        return code;
    p->node_count = reader_u32(&d->r);
    if (d->r.failed || !p->node_count || p->node_count > NODES_MAX ||
        p->node_count > reader_left(&d->r))
        return malformed(d, "too many nodes");
    p->nodes = arena_zalloc(&p->memory, p->node_count * sizeof *p->nodes);
    if (!p->nodes)
        return error_set_memory(d->err, "decoding a plan");
    for (uint32_t i = 0; i < p->node_count; i++) {
        code = node_decode(d, i);
        if (code < 0)
            return code;
    }
    return action_decode(d);
}

int plan_decode(plan **ret, const void *bytes, size_t size, rdd_error *err)
{
    plan *p = calloc(1, sizeof *p);
    if (!p)
        return error_set_memory(err, "decoding a plan");
    decoder d = { .r = reader_over(bytes, size), .p = p, .err = err };
    int code = plan_read(&d);
    if (code < 0) {
        plan_free(p);
        return code;
    }
    *ret = p;
    return 0;
}

void *plan_free(plan *p)
{
    if (p) {
        arena_release(&p->memory);
        free(p);
    }
    return NULL;
}

const char *plan_node_label(const plan *p, uint32_t node)
{
    if (node == p->node_count && p->act.label)
        return p->act.label;
    return node < p->node_count ? p->nodes[node].label : "";
}
