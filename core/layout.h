/* layout.h: what in an element is not plain bytes, as a list of steps; for block.c and value.c.
 *
 * A type is cut into levels. Level 0 is the elements themselves; every list in the type is a level
 * of its own, the items of all lists at that place side by side. Structs and optionals are
 * flattened into the level they are in. A level is then one array, and a step a tight loop over it.
 *
 * An absent optional's value is zeroed (LAYOUT_OPTION comes before what is inside of it). Zeros are
 * a valid value of every kind, no text and no items, so the steps after it need no condition.
 *
 * Levels are numbered in the order in which their arrays follow each other: the children of level 0
 * in the order of the steps, then those of level 1, and so on.
 */
#ifndef RDD_LAYOUT_H
#define RDD_LAYOUT_H

#include "error.h"

typedef enum layout_kind {
    LAYOUT_HOLE,   /* `size` bytes of padding */
    LAYOUT_BOOL,
    LAYOUT_OPTION, /* a tag; `size` bytes behind it are the value */
    LAYOUT_TEXT,   /* an rdd_str or rdd_bytes */
    LAYOUT_LIST,   /* a list, whose items are level `level` */
} layout_kind;

typedef struct layout_step {
    layout_kind kind;
    uint32_t offset; /* in the element */
    union {
        uint32_t size;
        uint32_t level;
    };
} layout_step;

typedef struct layout_level {
    const rdd_type *type;
    uint32_t first, end; /* its steps */
    bool lists;          /* one of them is a list */
    bool texts;
} layout_level;

typedef struct layout {
    layout_level *levels;
    layout_step *steps;
    uint32_t level_count, step_count;
    uint32_t level_capacity, step_capacity;
    layout_level few_levels[6]; /* most types need no more, and then nothing is allocated */
    layout_step few_steps[24];
} layout;

/* RDD_E_MEMORY, or RDD_E_TYPE for a type that type_check() would refuse. */
int layout_init(layout *l, const rdd_type *t, rdd_error *err);
void layout_release(layout *l);

#endif
