/* plan.h: a stage's part of the lineage as bytes, and what an executor makes of them.
 *
 * Encoded once on the driver, sent once to each executor, decoded once in each worker process; the
 * slots share it, read-only. A plan says everything but the partition: nodes with their operators by
 * number, env as blocks, types in full, and at the end the action, which is what a task does with
 * the elements that come out of the chain.
 */
#ifndef RDD_PLAN_H
#define RDD_PLAN_H

#include "lineage.h"

#include <stdatomic.h>

typedef enum action_kind {
    ACTION_COLLECT,     /* -> block of elements */
    ACTION_TAKE,        /* n -> block of the first n */
    ACTION_PICK,        /* payload: sorted indexes -> block of those elements */
    ACTION_SAMPLE,      /* n, seed -> block of keyed elements, the n with the least keys */
    ACTION_TOP,         /* n, op: order or NULL, flag: greatest first -> block */
    ACTION_COUNT,       /* -> int64 */
    ACTION_REDUCE,      /* op -> block of 0 or 1 */
    ACTION_FOLD,        /* op, zero -> block of 1 */
    ACTION_AGGREGATE,   /* op: aggregate, zero -> block of 1 accumulator */
    ACTION_SUM,         /* -> sums (sink_number.c) */
    ACTION_STATS,       /* -> rdd_statistics' parts */
    ACTION_HISTOGRAM,   /* zero: block of edges -> counts */
    ACTION_COUNT_VALUES,/* -> block of pairs, zero's type */
    ACTION_FOREACH,     /* the root is a NODE_FOREACH, which does it */
    ACTION_FOREACH_PARTITION,
    ACTION_SAVE_TEXT,   /* text: the attempt's directory -> what was written */
    ACTION_SAVE_CSV,
    ACTION_SAVE_JSON,
    ACTION_CSV_SCAN,    /* the root is a NODE_CSV_SCAN -> a summary */
    ACTION_KINDS,
} action_kind;

typedef enum compression { COMPRESSION_NONE, COMPRESSION_GZ, COMPRESSION_ZST } compression;

typedef struct action {
    action_kind kind;
    const rdd_op *op;
    rdd_str env;          /* a block, or empty */
    const rdd_type *type; /* of the result's elements */
    rdd_str zero;         /* a block of one `type`, or what the kind says */
    int64_t n;
    int64_t first;        /* the partition that task 0 of the stage computes */
    uint64_t seed;
    bool flag;            /* of a save: its directory is seen by every node */
    char delimiter;
    uint8_t compression;  /* of saved parts */
    rdd_str text;
    rdd_http_options http; /* of an action's operator that calls */
    const char *label;     /* of the operator, for messages; made where it is decoded */
} action;

bool action_has_side_effects(action_kind kind);
const char *action_name(action_kind kind);

/* A node as an executor sees it. */
typedef struct plan_node {
    node_kind kind;
    const rdd_type *type;
    int64_t partitions;
    uint32_t parent_count, consumers;
    uint32_t parents[2]; /* positions in the plan, less than this node's */
    uint32_t depth;      /* of the chain below it */
    const rdd_op *op;
    const void *env;     /* decoded, or NULL */
    node_params params;
    const char *label;   /* for messages */
} plan_node;

typedef struct plan {
    arena memory;
    uint32_t stage;
    plan_node *nodes; /* the last is the stage's result */
    uint32_t node_count;
    action act;
    const void *act_env;
    bool side_effects;  /* of the action or of an operator that calls HTTP */
    bool lifetime_debug;
    size_t budget;      /* task.budget: a constant of the plan, so that answers do not depend on it */
    size_t result_max;  /* bytes of one task's result */
    size_t line_max;
    atomic_bool cancelled; /* all its tasks are to stop; set by whoever holds the plan */
} plan;

/* The stage that computes `order` (lineage_order) and does `act` with it. */
int plan_encode(uint32_t stage, rdd *const *order, size_t count, const action *act, buf *out,
                rdd_error *err);

/* Bytes from outside: everything is checked, nothing is kept of them. */
int plan_decode(plan **ret, const void *bytes, size_t size, rdd_error *err);
void *plan_free(plan *p);

/* "map split_words (wc.c:7)" of a node, for messages; behind the last node comes the action's operator.
 * "" for a number out of range. */
const char *plan_node_label(const plan *p, uint32_t node);

#endif
