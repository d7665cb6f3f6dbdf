/* layout.c: cuts a type into levels and steps. See layout.h. */
#include "layout.h"

#include "type.h"

#include <string.h>

enum { DONE, NO_MEMORY, BAD_TYPE };

/* `array` holds `capacity` elements of `size` bytes, first in `few`, later in the heap: the same
 * twice as large, or NULL. */
static void *grow(void *array, const void *few, uint32_t *capacity, size_t size)
{
    size_t bytes = *capacity * size;
    void *larger = array == few ? malloc(2 * bytes) : realloc(array, 2 * bytes);
    if (!larger)
        return NULL;
    if (array == few)
        memcpy(larger, few, bytes);
    *capacity *= 2;
    return larger;
}

static int add_step(layout *l, layout_step step)
{
    if (l->step_count == l->step_capacity) {
        layout_step *steps = grow(l->steps, l->few_steps, &l->step_capacity, sizeof *steps);
        if (!steps)
            return NO_MEMORY;
        l->steps = steps;
    }
    l->steps[l->step_count++] = step;
    return DONE;
}

static int add_level(layout *l, const rdd_type *t)
{
    if (l->level_count == l->level_capacity) {
        layout_level *levels = grow(l->levels, l->few_levels, &l->level_capacity, sizeof *levels);
        if (!levels)
            return NO_MEMORY;
        l->levels = levels;
    }
    l->levels[l->level_count++] = (layout_level){ .type = t };
    return DONE;
}

static int add_hole(layout *l, size_t from, size_t to)
{
    if (from == to)
        return DONE;
    return add_step(l, (layout_step){ LAYOUT_HOLE, (uint32_t)from, { (uint32_t)(to - from) } });
}

/* The steps of a value of type t at `offset` in its element. */
static int flatten(layout *l, const rdd_type *t, size_t offset, int depth)
{
    if (depth > TYPE_DEPTH_MAX || l->step_count > 4 * TYPE_NODES_MAX)
        return BAD_TYPE;
    uint32_t at = (uint32_t)offset;
    switch (t->kind) {
    case RDD_KIND_BOOL: return add_step(l, (layout_step){ LAYOUT_BOOL, at, { 0 } });
    case RDD_KIND_STR:
    case RDD_KIND_BYTES: return add_step(l, (layout_step){ LAYOUT_TEXT, at, { 0 } });
    case RDD_KIND_LIST: {
        int rc = add_step(l, (layout_step){ LAYOUT_LIST, at, { l->level_count } });
        return rc ? rc : add_level(l, t->item);
    }
    case RDD_KIND_OPTIONAL: {
        int rc = add_step(l, (layout_step){ LAYOUT_OPTION, at, { t->size - 1 } });
        if (rc)
            return rc;
        break;
    }
    case RDD_KIND_STRUCT: break;
    default: return DONE;
    }
    size_t end = t->kind == RDD_KIND_OPTIONAL;
    for (uint32_t i = 0; i < t->field_count; i++) {
        const rdd_field *f = &t->fields[i];
        int rc = add_hole(l, offset + end, offset + f->offset);
        if (!rc)
            rc = flatten(l, f->type, offset + f->offset, depth + 1);
        if (rc)
            return rc;
        end = f->offset + f->type->size;
    }
    return add_hole(l, offset + end, offset + t->size);
}

static int build(layout *l, const rdd_type *t)
{
    int rc = add_level(l, t);
    for (uint32_t i = 0; rc == DONE && i < l->level_count; i++) {
        uint32_t first = l->step_count;
        if (i > TYPE_NODES_MAX)
            return BAD_TYPE;
        rc = flatten(l, l->levels[i].type, 0, 1);
        layout_level *level = &l->levels[i];
        level->first = first;
        level->end = l->step_count;
        for (uint32_t s = first; s < level->end; s++) {
            level->lists |= l->steps[s].kind == LAYOUT_LIST;
            level->texts |= l->steps[s].kind == LAYOUT_TEXT;
        }
    }
    return rc;
}

int layout_init(layout *l, const rdd_type *t, rdd_error *err)
{
    l->levels = l->few_levels;
    l->steps = l->few_steps;
    l->level_capacity = ARRAY_SIZE(l->few_levels);
    l->step_capacity = ARRAY_SIZE(l->few_steps);
    l->level_count = l->step_count = 0;
    int rc = build(l, t);
    if (rc == DONE)
        return 0;
    layout_release(l);
    if (rc == NO_MEMORY)
        return error_set_memory(err, "preparing a type");
    return error_set(err, RDD_E_TYPE, "type %s is too large", t->name ? t->name : "(unnamed)");
}

void layout_release(layout *l)
{
    if (l->levels != l->few_levels)
        free(l->levels);
    if (l->steps != l->few_steps)
        free(l->steps);
    l->levels = l->few_levels;
    l->steps = l->few_steps;
    l->level_count = l->step_count = 0;
}
