/* explain.c: a lineage for people, as text and as Graphviz. Called by rdd_explain and --explain. */
#include "lineage.h"
#include "type.h"

static void explain_node(const rdd *r, buf *out)
{
    node_label(r, out);
    buf_text(out, " -> ");
    type_describe(r->type, out);
    if (r->params.concurrency > 1)
        buf_format(out, ", concurrency %u", r->params.concurrency);
    if (r->preferred)
        buf_text(out, ", on certain hosts");
}

static void explain_partitions(int64_t partitions, buf *out)
{
    buf_format(out, "%lld partition%s", (long long)partitions, partitions == 1 ? "" : "s");
}

/* What both forms need of a lineage. */
typedef struct drawing {
    rdd **order;
    uint32_t *positions; /* lineage_positions */
    uint32_t *consumers; /* of each node */
    size_t count;
} drawing;

static void drawing_release(drawing *d)
{
    free(d->order);
    free(d->positions);
    free(d->consumers);
}

static bool drawing_init(drawing *d, rdd *r)
{
    if (lineage_order(r, &d->order, &d->count, NULL) < 0 ||
        lineage_positions(d->order, d->count, &d->positions, NULL) < 0)
        return false;
    d->consumers = calloc(d->count, sizeof *d->consumers);
    for (size_t i = 0; d->consumers && i < d->count; i++)
        for (uint32_t k = 0; k < d->order[i]->parent_count; k++)
            d->consumers[d->positions[2 * i + k]]++;
    return d->consumers;
}

void lineage_explain(rdd *r, buf *out)
{
    CLEANUP(drawing_release) drawing d = { 0 };
    if (!drawing_init(&d, r))
        return;
    buf_text(out, "stage 0 (result): ");
    explain_partitions(r->partitions, out);
    buf_char(out, '\n');
    for (size_t i = d.count; i-- > 0;) {
        const rdd *node = d.order[i];
        buf_format(out, "  [%zu] ", i);
        explain_node(node, out);
        if (node->partitions != r->partitions) {
            buf_text(out, ", ");
            explain_partitions(node->partitions, out);
        }
        if (d.consumers[i] > 1)
            buf_text(out, ", computed once per task");
        if (node->parent_count == 2)
            buf_format(out, " <- [%u], [%u]", d.positions[2 * i], d.positions[2 * i + 1]);
        else if (node->parent_count == 1 && d.positions[2 * i] + 1 != i)
            buf_format(out, " <- [%u]", d.positions[2 * i]);
        buf_char(out, '\n');
    }
}

static void dot_text(const char *text, size_t size, buf *out)
{
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"' || text[i] == '\\')
            buf_char(out, '\\');
        buf_char(out, text[i]);
    }
}

void lineage_explain_dot(rdd *r, buf *out)
{
    CLEANUP(drawing_release) drawing d = { 0 };
    if (!drawing_init(&d, r))
        return;
    buf_text(out, "digraph lineage {\n  rankdir=BT; node [shape=box, fontname=monospace];\n");
    buf_text(out, "  subgraph cluster_0 {\n    label=\"stage 0 (result): ");
    explain_partitions(r->partitions, out);
    buf_text(out, "\";\n");
    for (size_t i = 0; i < d.count; i++) {
        CLEANUP(buf_release) buf label = { 0 };
        explain_node(d.order[i], &label);
        buf_format(out, "    n%zu [label=\"", i);
        dot_text(label.data, label.size, out);
        buf_text(out, "\"];\n");
    }
    buf_text(out, "  }\n");
    for (size_t i = 0; i < d.count; i++)
        for (uint32_t k = 0; k < d.order[i]->parent_count; k++)
            buf_format(out, "  n%u -> n%zu;\n", d.positions[2 * i + k], i);
    buf_text(out, "}\n");
}
