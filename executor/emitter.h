/* emitter.h: what is behind rdd_emit() and rdd_next().
 *
 * The user's side of an emitter is a cursor with an end; when it is reached, the emitter makes room.
 * For a flat map it grows, since one element may emit any number; the batch ends at the next element.
 * For a partition operator, which runs on a fiber, it hands the batch over (`flush`) and suspends the
 * operator until the consumer comes back; the same happens before its input moves on, since what was
 * emitted may point into the input. The input is then pulled on the consumer's stack (`pull`): a fiber's
 * is too small for a long chain.
 */
#ifndef RDD_EMITTER_H
#define RDD_EMITTER_H

#include "iterator.h"
#include "pace.h"

struct rdd_emitter {
    op_task *task;        /* NULL: not initialised */
    const rdd_type *type;
    char *items;          /* heap */
    size_t capacity;      /* elements */
    size_t count;         /* what the last begin … end emitted */
    void (*flush)(rdd_emitter *e); /* partition operators: hands `count` elements over */
    void *owner;          /* flush's own */
    void *cursor;         /* rdd_out_T of the operator's frame: `next` and `end` come first */
};

enum { EMITTER_FEW = 8 }; /* elements that one record emits, mostly */

struct rdd_puller {
    op_task *task;
    const rdd_type *type;
    iterator *chain;
    rdd_emitter *emitter; /* of the same operator, or NULL */
    view current;         /* at most BATCH_MAX elements */
    view rest;            /* of the chain's view, behind `current` */
    uint64_t before;      /* elements before `current` */
    pace pace;
    int (*pull)(rdd_puller *p); /* partition operators: fills `rest`, as iterator_next */
    void *cursor;         /* rdd_in_T of the operator's frame: `next` and `end` come first */
    bool counted;         /* sinks: elements count as the task's records */
};

/* Room for `capacity` elements at first. False when out of memory, and then the run has failed. */
bool emitter_init(rdd_emitter *e, op_task *task, const rdd_type *type, size_t capacity);
void emitter_release(rdd_emitter *e); /* one that was never initialised, too */

static inline view emitter_view(const rdd_emitter *e)
{
    return (view){ e->items, e->count };
}

/* Has the operator's next rdd_next() come to the puller, which gives text back. */
void puller_cut(rdd_puller *p);

/* The element that rdd_next() gave last; NULL before the first. *ret_index is its position. */
const void *puller_last(const rdd_puller *p, uint64_t *ret_index);

#endif
