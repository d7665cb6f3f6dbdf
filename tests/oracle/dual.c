/* dual.c: every source and narrow transformation, by the library and on arrays. */
#include "oracle.h"

/* What the transformation gave must have as many partitions as the model. */
static dual both(rdd *real, model *m)
{
    if (!is_model() && !m->loose && rdd_partition_count(real) != (int64_t)m->count)
        say("partitions: %lld, not %zu", (long long)rdd_partition_count(real), m->count);
    return (dual){ real, m };
}

/* ---- sources -------------------------------------------------------------------------------- */

dual dual_items_(const rdd_type *t, const void *items, size_t count, rdd_source_options options)
{
    size_t n = (size_t)options.partitions;
    model *m = model_new(t, n);
    for (size_t p = 0; p < n; p++)
        for (size_t i = model_cut(count, n, p); i < model_cut(count, n, p + 1); i++)
            model_add(&m->parts[p], t->size, (const char *)items + i * t->size);
    rdd *real = is_model() ? NULL : (rdd_parallelize)(oracle.ctx, t, items, count, options);
    return both(real, m);
}

dual dual_of_(rdd *real, const rdd_type *t, const void *items, size_t count)
{
    model *m = model_new(t, 1);
    m->loose = true;
    for (size_t i = 0; i < count; i++)
        model_add(&m->parts[0], t->size, (const char *)items + i * t->size);
    return both(real, m);
}

dual random_items_(const rdd_type *t, size_t count, rdd_source_options options)
{
    return dual_items_(t, random_array(t, count), count, options);
}

dual dual_range_(int64_t first, int64_t last, int64_t step, rdd_range_options options)
{
    model_part all = { 0, 0, NULL };
    __int128 end = last;
    for (__int128 x = first; step > 0 ? x < end : x > end; x += step) {
        int64_t item = (int64_t)x;
        model_add(&all, sizeof item, &item);
    }
    size_t n = (size_t)options.partitions;
    model *m = model_new(RDD_TYPE(int64_t), n);
    for (size_t p = 0; p < n; p++)
        for (size_t i = model_cut(all.count, n, p); i < model_cut(all.count, n, p + 1); i++)
            model_add(&m->parts[p], sizeof(int64_t), all.items + i * sizeof(int64_t));
    options.step = step;
    return both(is_model() ? NULL : (rdd_range)(oracle.ctx, first, last, options), m);
}

/* ---- one element after the other ------------------------------------------------------------ */

/* Calls `visit` for each element of d and the partition of `out` that belongs to it. */
#define EACH(d, out, item, part)                                                           \
    for (size_t p_ = 0; p_ < (d).model->count; p_++)                                       \
        for (size_t i_ = 0; i_ < (d).model->parts[p_].count; i_++)                         \
            for (const char *item = (d).model->parts[p_].items + i_ * (d).model->type->size; \
                 item; item = NULL)                                                        \
                for (model_part *part = &(out)->parts[p_]; part; part = NULL)

static maker nobody;

static model *like(dual d, const rdd_type *t)
{
    model *m = model_new(t, d.model->count);
    m->loose = d.model->loose;
    return m;
}

dual dual_map_(dual d, rdd_map_op op, model_map *f, rdd_operator_options options)
{
    model *m = like(d, op.op->out);
    char *out = oracle_alloc(m->type->size);
    EACH(d, m, item, part)
    {
        f(&nobody, op.env, item, out);
        model_add(part, m->type->size, out);
    }
    return both((rdd_map)(d.real, op, options), m);
}

dual dual_filter_(dual d, rdd_filter_op op, model_filter *f, rdd_operator_options options)
{
    model *m = like(d, d.model->type);
    EACH(d, m, item, part)
    if (f(&nobody, op.env, item))
        model_add(part, m->type->size, item);
    return both((rdd_filter)(d.real, op, options), m);
}

dual dual_flat_map_(dual d, rdd_flat_map_op op, model_flat_map *f, rdd_operator_options options)
{
    model *m = like(d, op.op->out);
    emits to;
    EACH(d, m, item, part)
    {
        model_emits(&to, part, m->type);
        f(&nobody, op.env, item, &to);
    }
    return both((rdd_flat_map)(d.real, op, options), m);
}

/* ---- pairs ---------------------------------------------------------------------------------- */

static void add_pair(model_part *part, const rdd_type *pair, const void *key, const void *value)
{
    char *out = model_room(part, pair->size);
    memcpy(out + pair->fields[0].offset, key, pair->fields[0].type->size);
    memcpy(out + pair->fields[1].offset, value, pair->fields[1].type->size);
}

static const void *key_of(dual d, const char *item)
{
    return item + d.model->type->fields[0].offset;
}

static const void *value_of(dual d, const char *item)
{
    return item + d.model->type->fields[1].offset;
}

dual dual_key_by_(const rdd_type *pair, dual d, rdd_map_op op, model_map *f, rdd_operator_options options)
{
    model *m = like(d, pair);
    char *key = oracle_alloc(op.op->out->size);
    EACH(d, m, item, part)
    {
        f(&nobody, op.env, item, key);
        add_pair(part, pair, key, item);
    }
    return both((rdd_key_by)(pair, d.real, op, options), m);
}

dual dual_map_values_(const rdd_type *pair, dual d, rdd_map_op op, model_map *f,
                      rdd_operator_options options)
{
    model *m = like(d, pair);
    char *value = oracle_alloc(op.op->out->size);
    EACH(d, m, item, part)
    {
        f(&nobody, op.env, value_of(d, item), value);
        add_pair(part, pair, key_of(d, item), value);
    }
    return both((rdd_map_values)(pair, d.real, op, options), m);
}

dual dual_flat_map_values_(const rdd_type *pair, dual d, rdd_flat_map_op op, model_flat_map *f,
                           rdd_operator_options options)
{
    model *m = like(d, pair);
    EACH(d, m, item, part)
    {
        model_part values = { 0, 0, NULL };
        emits to;
        model_emits(&to, &values, op.op->out);
        f(&nobody, op.env, value_of(d, item), &to);
        for (size_t i = 0; i < values.count; i++)
            add_pair(part, pair, key_of(d, item), values.items + i * to.size);
    }
    return both((rdd_flat_map_values)(pair, d.real, op, options), m);
}

static model *halves(dual d, int field)
{
    const rdd_field *half = &d.model->type->fields[field];
    model *m = like(d, half->type);
    EACH(d, m, item, part)
    model_add(part, half->type->size, item + half->offset);
    return m;
}

dual dual_keys_(dual d, rdd_options options)
{
    return both((rdd_keys)(d.real, options), halves(d, 0));
}

dual dual_values_(dual d, rdd_options options)
{
    return both((rdd_values)(d.real, options), halves(d, 1));
}

dual dual_zip_with_index_(const rdd_type *pair, dual d, rdd_options options)
{
    model *m = like(d, pair);
    int64_t index = 0;
    EACH(d, m, item, part)
    {
        add_pair(part, pair, item, &index);
        index++;
    }
    return both((rdd_zip_with_index)(pair, d.real, options), m);
}

dual dual_zip_with_unique_id_(const rdd_type *pair, dual d, rdd_options options)
{
    model *m = like(d, pair);
    EACH(d, m, item, part)
    {
        int64_t id = (int64_t)(part - m->parts) + (int64_t)(part->count * m->count);
        add_pair(part, pair, item, &id);
    }
    return both((rdd_zip_with_unique_id)(pair, d.real, options), m);
}

/* ---- partitions ----------------------------------------------------------------------------- */

dual dual_map_partitions_(dual d, rdd_map_partitions_op op, model_map_partitions *f,
                          rdd_partitions_options options)
{
    model *m = like(d, op.op->out);
    for (size_t p = 0; p < m->count; p++) {
        maker here = { NULL, (int64_t)p };
        pulls from;
        emits to;
        model_pulls(&from, &d.model->parts[p], d.model->type);
        model_emits(&to, &m->parts[p], m->type);
        f(&here, op.env, &from, &to);
    }
    return both((rdd_map_partitions)(d.real, op, options), m);
}

dual dual_zip_partitions_(dual a, dual b, rdd_zip_partitions_op op, model_zip_partitions *f,
                          rdd_partitions_options options)
{
    model *m = like(a, op.op->out);
    for (size_t p = 0; p < m->count; p++) {
        maker here = { NULL, (int64_t)p };
        pulls from_a, from_b;
        emits to;
        model_pulls(&from_a, &a.model->parts[p], a.model->type);
        model_pulls(&from_b, &b.model->parts[p], b.model->type);
        model_emits(&to, &m->parts[p], m->type);
        f(&here, op.env, &from_a, &from_b, &to);
    }
    return both((rdd_zip_partitions)(a.real, b.real, op, options), m);
}

dual dual_glom_(const rdd_type *list, dual d, rdd_options options)
{
    model *m = like(d, list);
    for (size_t p = 0; p < m->count; p++) {
        struct {
            size_t count;
            const void *items;
        } l = { d.model->parts[p].count, d.model->parts[p].items };
        model_add(&m->parts[p], sizeof l, &l);
    }
    return both((rdd_glom)(list, d.real, options), m);
}

static void add_all(model_part *to, const model_part *from, size_t size)
{
    for (size_t i = 0; i < from->count; i++)
        model_add(to, size, from->items + i * size);
}

dual dual_union_(dual a, dual b, rdd_options options)
{
    model *m = model_new(a.model->type, a.model->count + b.model->count);
    m->loose = a.model->loose || b.model->loose;
    for (size_t p = 0; p < m->count; p++)
        add_all(&m->parts[p],
                p < a.model->count ? &a.model->parts[p] : &b.model->parts[p - a.model->count],
                m->type->size);
    return both((rdd_union)(a.real, b.real, options), m);
}

dual dual_coalesce_(dual d, int64_t partitions, rdd_options options)
{
    size_t from = d.model->count, n = from < (size_t)partitions ? from : (size_t)partitions;
    model *m = model_new(d.model->type, n);
    for (size_t p = 0; p < n; p++)
        for (size_t q = model_cut(from, n, p); q < model_cut(from, n, p + 1); q++)
            add_all(&m->parts[p], &d.model->parts[q], m->type->size);
    return both((rdd_coalesce)(d.real, partitions, options), m);
}

dual dual_zip_(const rdd_type *pair, dual a, dual b, rdd_options options)
{
    model *m = like(a, pair);
    for (size_t p = 0; p < m->count; p++)
        for (size_t i = 0; i < a.model->parts[p].count && i < b.model->parts[p].count; i++)
            add_pair(&m->parts[p], pair, a.model->parts[p].items + i * a.model->type->size,
                     b.model->parts[p].items + i * b.model->type->size);
    return both((rdd_zip)(pair, a.real, b.real, options), m);
}

dual dual_zip_columns_(dual a, dual b, rdd_options options)
{
    model *m = like(a, a.model->type);
    for (size_t p = 0; p < m->count; p++)
        for (size_t i = 0; i < a.model->parts[p].count && i < b.model->parts[p].count; i++) {
            rdd_row x = ((rdd_row *)(void *)a.model->parts[p].items)[i];
            rdd_row y = ((rdd_row *)(void *)b.model->parts[p].items)[i];
            rdd_cell *cells = oracle_alloc((x.count + y.count) * sizeof *cells + 1);
            for (size_t c = 0; c < x.count + y.count; c++)
                cells[c] = c < x.count ? x.items[c] : y.items[c - x.count];
            rdd_row both_rows = { x.count + y.count, cells };
            model_add(&m->parts[p], sizeof both_rows, &both_rows);
        }
    return both((rdd_zip_columns)(a.real, b.real, options), m);
}

dual dual_cartesian_(const rdd_type *pair, dual a, dual b, rdd_options options)
{
    model *m = model_new(pair, a.model->count * b.model->count);
    for (size_t p = 0; p < m->count; p++) {
        const model_part *x = &a.model->parts[p / b.model->count];
        const model_part *y = &b.model->parts[p % b.model->count];
        for (size_t i = 0; i < x->count; i++)
            for (size_t k = 0; k < y->count; k++)
                add_pair(&m->parts[p], pair, x->items + i * a.model->type->size,
                         y->items + k * b.model->type->size);
    }
    return both((rdd_cartesian)(pair, a.real, b.real, options), m);
}
