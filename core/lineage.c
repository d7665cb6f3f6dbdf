#include "lineage.h"

#include "type.h"

#include <stdio.h>

static const char *const KIND_NAMES[NODE_KINDS] = {
    [NODE_RANGE] = "range",
    [NODE_ITEMS] = "parallelize",
    [NODE_EMPTY] = "empty",
    [NODE_TEXT] = "text_file",
    [NODE_WHOLE_TEXT] = "whole_text_files",
    [NODE_BINARY] = "binary_files",
    [NODE_RECORDS] = "binary_records",
    [NODE_CSV] = "csv",
    [NODE_CSV_SCAN] = "csv_scan",
    [NODE_JSON] = "json_lines",
    [NODE_MAP] = "map",
    [NODE_FILTER] = "filter",
    [NODE_FLAT_MAP] = "flat_map",
    [NODE_MAP_PARTITIONS] = "map_partitions",
    [NODE_GLOM] = "glom",
    [NODE_KEY_BY] = "key_by",
    [NODE_MAP_VALUES] = "map_values",
    [NODE_FLAT_MAP_VALUES] = "flat_map_values",
    [NODE_KEYS] = "keys",
    [NODE_VALUES] = "values",
    [NODE_ZIP_INDEX] = "zip_with_index",
    [NODE_ZIP_ID] = "zip_with_unique_id",
    [NODE_FOREACH] = "foreach",
    [NODE_SAMPLE] = "sample",
    [NODE_PIPE] = "pipe",
    [NODE_COALESCE] = "coalesce",
    [NODE_UNION] = "union",
    [NODE_ZIP] = "zip",
    [NODE_ZIP_COLUMNS] = "zip_columns",
    [NODE_ZIP_PARTITIONS] = "zip_partitions",
    [NODE_CARTESIAN] = "cartesian",
};

bool node_takes_records(node_kind kind)
{
    return kind == NODE_MAP || kind == NODE_FILTER || kind == NODE_FLAT_MAP || kind == NODE_KEY_BY ||
           kind == NODE_MAP_VALUES || kind == NODE_FLAT_MAP_VALUES || kind == NODE_FOREACH;
}

const char *node_kind_name(node_kind kind)
{
    return KIND_NAMES[kind];
}

bool node_is_source(node_kind kind)
{
    return kind <= NODE_JSON;
}

void node_label(const rdd *r, buf *out)
{
    if (r->name)
        buf_format(out, "%s: ", r->name);
    buf_text(out, KIND_NAMES[r->kind]);
    if (r->op)
        buf_format(out, " %s (%s:%d)", r->op->name, r->op->file, r->op->line);
    else if (r->site)
        buf_format(out, " (%s)", r->site);
}

/* Marks are kept in a small open table keyed by node id, not in the nodes, which are immutable and
 * may be walked by several threads at once. */
typedef struct id_set {
    uint64_t *bits;
    size_t words;
} id_set;

static bool id_set_add(id_set *set, uint32_t id)
{
    uint64_t bit = 1ull << (id % 64);
    bool fresh = !(set->bits[id / 64] & bit);
    set->bits[id / 64] |= bit;
    return fresh;
}

typedef struct walk_frame {
    rdd *node;
    uint32_t next_parent;
} walk_frame;

int lineage_order(rdd *r, rdd ***ret, size_t *ret_count, rdd_error *err)
{
    /* ids rise along the lineage, so r's id bounds them all */
    id_set seen = { .words = r->id / 64 + 1 };
    seen.bits = calloc(seen.words, sizeof *seen.bits);
    CLEANUP(freep) void *bits UNUSED = seen.bits;
    buf order = { 0 }, stack = { 0 };
    if (seen.bits) {
        id_set_add(&seen, r->id);
        buf_append(&stack, &(walk_frame){ r, 0 }, sizeof(walk_frame));
    }
    while (stack.size && !stack.failed && !order.failed) {
        walk_frame *top = (walk_frame *)(void *)(stack.data + stack.size) - 1;
        if (top->next_parent < top->node->parent_count) {
            rdd *parent = top->node->parents[top->next_parent++];
            if (id_set_add(&seen, parent->id))
                buf_append(&stack, &(walk_frame){ parent, 0 }, sizeof(walk_frame));
            continue;
        }
        buf_append(&order, &top->node, sizeof top->node);
        stack.size -= sizeof(walk_frame);
    }
    bool ok = seen.bits && !stack.failed && !order.failed;
    buf_release(&stack);
    if (!ok) {
        buf_release(&order);
        return error_set_memory(err, "walking a lineage");
    }
    size_t size;
    *ret = (rdd **)(void *)buf_take(&order, &size);
    *ret_count = size / sizeof(rdd *);
    return 0;
}

partition_range node_parent_range(node_kind kind, int64_t partitions,
                                  const int64_t parent_partitions[2], uint32_t parent, int64_t p)
{
    switch (kind) {
    case NODE_UNION: {
        bool first = p < parent_partitions[0];
        if (parent == 0)
            return (partition_range){ p, first };
        return (partition_range){ p - parent_partitions[0], !first };
    }
    case NODE_COALESCE: {
        /* runs of nearly equal length: partition p takes [p*n/m, (p+1)*n/m) */
        __int128 n = parent_partitions[0];
        int64_t from = (int64_t)(n * p / partitions);
        int64_t to = (int64_t)(n * (p + 1) / partitions);
        return (partition_range){ from, to - from };
    }
    case NODE_CARTESIAN:
        return (partition_range){ parent == 0 ? p / parent_partitions[1] : p % parent_partitions[1],
                                  1 };
    default:
        return (partition_range){ p, 1 };
    }
}


int lineage_positions(rdd *const *order, size_t count, uint32_t **ret, rdd_error *err)
{
    uint32_t ids = 0;
    for (size_t i = 0; i < count; i++)
        ids = order[i]->id >= ids ? order[i]->id + 1 : ids;
    CLEANUP(freep) uint32_t *of_id = calloc(ids ? ids : 1, sizeof *of_id);
    uint32_t *positions = calloc(count ? 2 * count : 1, sizeof *positions);
    if (!of_id || !positions) {
        free(positions);
        return error_set_memory(err, "walking a lineage");
    }
    for (size_t i = 0; i < count; i++) {
        of_id[order[i]->id] = (uint32_t)i;
        for (uint32_t k = 0; k < order[i]->parent_count; k++)
            positions[2 * i + k] = of_id[order[i]->parents[k]->id];
    }
    *ret = positions;
    return 0;
}

typedef struct partition_frame {
    size_t node; /* position in the order */
    int64_t partition;
} partition_frame;

/* Which partitions of nodes with several consumers were visited: once is enough, and a lineage that
 * joins itself again and again has more paths than can be walked. A cartesian product, coalesced,
 * also comes to a partition of its parents more than once. Open addressing. */
typedef struct visited {
    bool *shared;         /* of each node of the order */
    partition_frame *slots; /* node + 1, or 0 for a free one */
    size_t count, capacity;
} visited;

static void visited_release(visited *v)
{
    free(v->shared);
    free(v->slots);
}

static bool visited_init(visited *v, rdd *const *order, const uint32_t *positions, size_t count)
{
    CLEANUP(freep) bool *seen = calloc(count, 1);
    v->shared = calloc(count, 1);
    for (size_t i = 0; seen && v->shared && i < count; i++)
        for (uint32_t k = 0; k < order[i]->parent_count; k++) {
            size_t parent = positions[2 * i + k];
            v->shared[parent] = seen[parent] || order[i]->kind == NODE_CARTESIAN;
            seen[parent] = true;
        }
    return seen && v->shared;
}

/* The slot of a frame, or the free one where it belongs. */
static partition_frame *visited_find(const visited *v, partition_frame f)
{
    uint64_t hash = (f.node * 0x9e3779b97f4a7c15u) ^ ((uint64_t)f.partition * 0xd6e8feb86659fd93u);
    size_t at = (hash ^ hash >> 32) & (v->capacity - 1);
    while (v->slots[at].node && (v->slots[at].node != f.node || v->slots[at].partition != f.partition))
        at = (at + 1) & (v->capacity - 1);
    return &v->slots[at];
}

static bool visited_grow(visited *v)
{
    visited more = { .capacity = size_max(64, v->capacity * 2) };
    more.slots = calloc(more.capacity, sizeof *more.slots);
    if (!more.slots)
        return false;
    for (size_t i = 0; i < v->capacity; i++)
        if (v->slots[i].node)
            *visited_find(&more, v->slots[i]) = v->slots[i];
    free(v->slots);
    v->slots = more.slots;
    v->capacity = more.capacity;
    return true;
}

/* 1: not seen before, 0: seen, -1: out of memory. */
static int visited_add(visited *v, partition_frame f)
{
    if (!v->shared[f.node])
        return 1;
    f.node++;
    if (v->count * 2 >= v->capacity && !visited_grow(v))
        return -1;
    partition_frame *slot = visited_find(v, f);
    if (slot->node)
        return 0;
    *slot = f;
    v->count++;
    return 1;
}

static void push_parents(rdd *const *order, const uint32_t *positions, partition_frame top, buf *stack)
{
    const rdd *node = order[top.node];
    const int64_t parent_partitions[2] = {
        node->parent_count > 0 ? node->parents[0]->partitions : 0,
        node->parent_count > 1 ? node->parents[1]->partitions : 0,
    };
    for (uint32_t k = node->parent_count; k-- > 0;) {
        partition_range range =
            node_parent_range(node->kind, node->partitions, parent_partitions, k, top.partition);
        size_t at = positions[2 * top.node + k];
        for (int64_t q = range.first + range.count; q-- > range.first;)
            buf_append(stack, &(partition_frame){ at, q }, sizeof(partition_frame));
    }
}

/* The partitions that partition `p` of the last node needs, in order and each once, until visit() is
 * true. */
static int visit_partitions(rdd *const *order, const uint32_t *positions, size_t count, int64_t p,
                            bool (*visit)(void *arg, const rdd *node, partition_frame at), void *arg)
{
    CLEANUP(buf_release) buf stack = { 0 };
    CLEANUP(visited_release) visited seen = { .count = 0 };
    bool ok = visited_init(&seen, order, positions, count);
    buf_append(&stack, &(partition_frame){ count - 1, p }, sizeof(partition_frame));
    while (ok && stack.size && !stack.failed) {
        partition_frame top;
        stack.size -= sizeof top;
        memcpy(&top, stack.data + stack.size, sizeof top);
        int fresh = visited_add(&seen, top);
        ok = fresh >= 0;
        if (fresh <= 0)
            continue;
        if (visit(arg, order[top.node], top))
            break;
        push_parents(order, positions, top, &stack);
    }
    return ok && !stack.failed ? 0 : RDD_E_MEMORY;
}

static bool add_payload(void *arg, const rdd *node, partition_frame at)
{
    buf *out = arg;
    if (node->payloads) {
        rdd_str bytes = node->payloads[at.partition];
        buf_u32(out, (uint32_t)at.node);
        buf_u64(out, (uint64_t)at.partition);
        buf_sized(out, bytes.data, bytes.size);
    }
    return false;
}

int lineage_payload(rdd *const *order, const uint32_t *positions, size_t count, int64_t p,
                    buf *out, rdd_error *err)
{
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = any || order[i]->payloads;
    if (any && (visit_partitions(order, positions, count, p, add_payload, out) < 0 || out->failed))
        return error_set_memory(err, "making a task");
    return 0;
}

static bool take_preferred(void *arg, const rdd *node, partition_frame at)
{
    const char **ret = arg;
    *ret = node->preferred ? node->preferred[at.partition] : NULL;
    return *ret;
}

int lineage_preferred(rdd *const *order, const uint32_t *positions, size_t count, int64_t p,
                      const char **ret, rdd_error *err)
{
    *ret = NULL;
    return visit_partitions(order, positions, count, p, take_preferred, ret) < 0
               ? error_set_memory(err, "placing a task")
               : 0;
}
