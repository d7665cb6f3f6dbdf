/* lineage.h: the nodes of a lineage: immutable plain data, made by transformations, run by nobody.
 *
 * A node knows its operator, its env bytes, its parents, its partition count and its call site.
 * State of runs lives elsewhere (plan.h, the scheduler's jobs) and points at nodes. Nodes live in
 * their context's arena. The one thing that is filled in later is `payloads`, by `prepare`, at the
 * first action that needs it (counts for zip_with_index, split states for CSV).
 */
#ifndef RDD_LINEAGE_H
#define RDD_LINEAGE_H

#include "arena.h"
#include "buf.h"
#include "error.h"
#include "rdd.h"

#include <pthread.h>
#include <stdatomic.h>

typedef enum node_kind {
    /* sources */
    NODE_RANGE,       /* first, step, count */
    NODE_ITEMS,       /* payload: a block */
    NODE_EMPTY,
    NODE_TEXT,        /* payload: file ranges (file_range_encode) */
    NODE_WHOLE_TEXT,
    NODE_BINARY,
    NODE_RECORDS,     /* count: record size */
    NODE_CSV,         /* delimiter, quote, no_header, ragged; payload: ranges and their states */
    NODE_CSV_SCAN,    /* the same ranges, giving summaries */
    NODE_JSON,
    /* narrow, one parent, the same partitions */
    NODE_MAP,
    NODE_FILTER,
    NODE_FLAT_MAP,
    NODE_MAP_PARTITIONS,
    NODE_GLOM,
    NODE_KEY_BY,
    NODE_MAP_VALUES,
    NODE_FLAT_MAP_VALUES,
    NODE_KEYS,
    NODE_VALUES,
    NODE_ZIP_INDEX,   /* payload: the partition's first index */
    NODE_ZIP_ID,
    NODE_FOREACH,     /* gives nothing: only for its side effects */
    NODE_SAMPLE,      /* seed; low, high: the interval of the unit draw that is kept */
    NODE_PIPE,        /* text: the command */
    /* narrow, other mappings of partitions */
    NODE_COALESCE,
    NODE_UNION,
    NODE_ZIP,
    NODE_ZIP_COLUMNS,
    NODE_ZIP_PARTITIONS,
    NODE_CARTESIAN,
    NODE_KINDS,
} node_kind;

/* What a kind needs beyond operator and env; members that a kind does not use are zero. */
typedef struct node_params {
    int64_t first, step, count;
    uint64_t seed;
    double low, high;
    bool with_replacement;
    bool no_header;
    char delimiter, quote;
    uint8_t ragged; /* enum csv_ragged of executor/csv */
    uint32_t concurrency;
    rdd_http_options http; /* strings in the node's arena */
    rdd_str text;
} node_params;

struct rdd {
    rdd_context *ctx;
    uint32_t id; /* unique in the context, rising along the lineage */
    node_kind kind;
    const rdd_type *type;
    int64_t partitions;
    const char *site; /* "file.c:12" */
    const char *name; /* given by the user, or NULL */
    uint32_t parent_count;
    rdd *parents[2];
    const rdd_op *op; /* or NULL */
    rdd_str env;      /* a block of one element of op->env, or empty */
    node_params params;

    rdd_str *payloads; /* one for each partition, or NULL */
    const char *const *preferred; /* the same: a host, or NULL */
    int (*prepare)(rdd *r, rdd_error *err); /* fills `payloads`; NULL when there is no need */
    void *source;      /* prepare's own */
    atomic_bool prepared;
};

/* Whether its operator takes one record at a time, so that others can go on while one waits
 * (.concurrency). */
bool node_takes_records(node_kind kind);

const char *node_kind_name(node_kind kind); /* "map", "text_file", … */
bool node_is_source(node_kind kind);

/* "split_words (wc.c:7)" for an operator, "text_file (wc.c:20)" otherwise; in `out`. */
void node_label(const rdd *r, buf *out);

/* All nodes that r needs, parents before children, each once, r last. Explicit stack: a lineage of
 * 100,000 steps does not overflow. *ret is heap. */
int lineage_order(rdd *r, rdd ***ret, size_t *ret_count, rdd_error *err);

/* For each node of the order the positions of its two parents: ret[2*i], ret[2*i+1]. Heap. */
int lineage_positions(rdd *const *order, size_t count, uint32_t **ret, rdd_error *err);

/* Which partitions of the parents partition `p` of a node reads: calls visit(parent index, partition
 * of that parent) in order. Serves the driver (payloads) and the executor (iterators). */
typedef struct partition_range {
    int64_t first, count;
} partition_range;
partition_range node_parent_range(node_kind kind, int64_t partitions,
                                  const int64_t parent_partitions[2], uint32_t parent, int64_t p);

/* The payloads that partition `p` of r's stage needs, as a task carries them: each is (position in
 * lineage_order, partition, bytes). Appends to `out`; nothing when no node has payloads. */
int lineage_payload(rdd *const *order, const uint32_t *positions, size_t count, int64_t p,
                    buf *out, rdd_error *err);

/* Where a task of partition `p` of r's stage is best run: a host of the first partition it needs that
 * prefers one; *ret NULL: anywhere. */
int lineage_preferred(rdd *const *order, const uint32_t *positions, size_t count, int64_t p,
                      const char **ret, rdd_error *err);

/* Plans for people: text, or Graphviz. */
void lineage_explain(rdd *r, buf *out);
void lineage_explain_dot(rdd *r, buf *out);

#endif
