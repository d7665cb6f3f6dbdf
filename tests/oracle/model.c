/* model.c: datasets as arrays, and what bodies use on either side. */
#include "oracle.h"

#include <stdarg.h>

model *model_new(const rdd_type *t, size_t partitions)
{
    model *m = oracle_alloc(sizeof *m);
    *m = (model){ t, partitions, oracle_alloc(partitions * sizeof(model_part) + 1), false };
    return m;
}

void *model_room(model_part *p, size_t size)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? 2 * p->capacity : 8;
        char *items = oracle_alloc(capacity * size);
        if (p->count)
            memcpy(items, p->items, p->count * size);
        p->items = items;
        p->capacity = capacity;
    }
    return p->items + p->count++ * size;
}

void model_add(model_part *p, size_t size, const void *item)
{
    memcpy(model_room(p, size), item, size);
}

size_t model_total(const model *m)
{
    size_t total = 0;
    for (size_t i = 0; i < m->count; i++)
        total += m->parts[i].count;
    return total;
}

void *model_all(const model *m, size_t *ret_count)
{
    model_part all = { 0, 0, NULL };
    all.capacity = model_total(m) + 1;
    all.items = oracle_alloc(all.capacity * m->type->size);
    for (size_t p = 0; p < m->count; p++)
        for (size_t i = 0; i < m->parts[p].count; i++)
            model_add(&all, m->type->size, m->parts[p].items + i * m->type->size);
    *ret_count = all.count;
    return all.items;
}

size_t model_cut(size_t count, size_t partitions, size_t p)
{
    return (size_t)((unsigned __int128)count * p / partitions);
}

static void model_put(emits *to, const void *item)
{
    model_add(to->part, to->size, item);
}

void model_emits(emits *to, model_part *part, const rdd_type *t)
{
    *to = (emits){ .put = model_put, .part = part, .size = t->size };
}

static bool model_get(pulls *from, void *ret)
{
    if (from->at == from->part->count)
        return false;
    memcpy(ret, from->part->items + from->at++ * from->size, from->size);
    return true;
}

void model_pulls(pulls *from, const model_part *part, const rdd_type *t)
{
    *from = (pulls){ .get = model_get, .part = part, .size = t->size };
}

/* ---- makers --------------------------------------------------------------------------------- */

void *maker_alloc(maker *m, size_t size)
{
    return m->task ? rdd_alloc(m->task, size) : oracle_alloc(size + 1);
}

rdd_str maker_concat(maker *m, rdd_str a, rdd_str b)
{
    if (m->task)
        return rdd_str_concat(m->task, a, b);
    char *text = oracle_alloc(a.size + b.size + 1);
    if (a.size)
        memcpy(text, a.data, a.size);
    if (b.size)
        memcpy(text + a.size, b.data, b.size);
    return (rdd_str){ a.size + b.size, text };
}

rdd_str maker_format(maker *m, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return m->task ? rdd_format(m->task, "%s", text) : oracle_text("%s", text);
}

rdd_str maker_keep(maker *m, rdd_str s)
{
    return m->task ? rdd_keep(m->task, s) : s;
}

/* Counters of the model, by name; those of the library are in its context. */
typedef struct model_counter {
    const char *name;
    int64_t value;
} model_counter;

static model_counter counters[64];

static int64_t *model_counter_of(const char *name)
{
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++) {
        if (!counters[i].name)
            counters[i].name = name;
        if (!strcmp(counters[i].name, name))
            return &counters[i].value;
    }
    abort();
}

void maker_count(maker *m, const char *name, int64_t by)
{
    if (m->task)
        rdd_count_up(m->task, name, by);
    else
        *model_counter_of(name) += by;
}

void say_counter(const char *name)
{
    int64_t value = is_model() ? *model_counter_of(name) : rdd_counter(oracle.ctx, name);
    say("counter %s %lld", name, (long long)value);
}
