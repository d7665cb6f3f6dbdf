/* run.h: one task while it runs: what its iterators and its sink share, and the task API's insides.
 *
 * A run belongs to its slot's thread. Failing is sticky: the first cause stays, iterators return
 * ITERATOR_FAILED from then on. Everything the run allocates is in `memory` or owned by an iterator,
 * and goes when the run ends.
 */
#ifndef RDD_RUN_H
#define RDD_RUN_H

#include "input.h"
#include "runner.h"

#include <stdatomic.h>

enum {
    BATCH_MAX = 1024,          /* elements of a batch */
    BATCH_BYTES = 256 << 10,   /* of a batch's strings, about */
};

typedef struct iterator iterator;
typedef struct tee tee;
typedef struct run_journal run_journal;

typedef struct payload {
    uint32_t node;
    int64_t partition;
    rdd_str bytes;
} payload;

typedef struct counter {
    struct counter *next;
    int64_t value;
    size_t name_size;
    char name[];
} counter;

typedef struct run {
    const plan *plan;
    task_id id;           /* id.partition: of the RDD, also when the job began at another */
    arena *memory;        /* task lifetime; the runner's */
    slot_state *state;
    atomic_bool *cancelled;
    struct runner *runner;
    int code;             /* 0, or why the run failed */
    bool closing;         /* the result is there: what fails now does not matter */
    rdd_error error;
    task_metrics metrics;
    payload *payloads;
    size_t payload_count;
    iterator *iterators;  /* newest first; all are closed when the run ends */
    tee *tees;
    size_t tee_readers;   /* of all tees */
    size_t shared_size;   /* what tees hold for readers that are behind */
    counter *counters;
    struct http_state *http_states; /* calls.c */
    input_provider inputs; /* run_inputs() */
    struct run_journal *journal;    /* journal.c; NULL until a call is made */
} run;

/* Fails the run, unless it has failed before; gives -1, so that iterators return it. */
int run_fail(run *r, rdd_code code, const char *format, ...) PRINTF_LIKE(3, 4);
int run_fail_with(run *r, const rdd_error *err);
int run_fail_memory(run *r, const char *what);

/* Whether the task should stop; fails the run with RDD_E_CANCELLED then. Asked for each batch. */
bool run_cancelled(run *r);

/* The bytes that came with the task for a partition of a node; NULL data when there are none. */
rdd_str run_payload(const run *r, uint32_t node, int64_t partition);

void run_count_up(run *r, const char *name, size_t name_size, int64_t by);

/* The files of sources, and the file of a partition that is saved, wherever they are
 * (run_files.c). `shown` outlives the output. */
input_provider *run_inputs(run *r);
struct output;
int run_output_create(run *r, const char *shown, struct output **ret, rdd_error *err) MUST_CHECK;

/* What an operator gets as its rdd_task: its own failure state and memory. `base` comes first. */
typedef struct op_task {
    rdd_task base;
    bool failed;
    bool partition_op;  /* rdd_alloc() then lives until the operator returns */
    run *run;
    const plan_node *node; /* NULL for an action's operator */
    const rdd_op *op;
    arena *scratch;     /* lives as long as the element being made */
    arena *lasting;     /* of a partition operator; otherwise the same as scratch */
    int64_t partition;  /* of its node: the run's, unless partitions are combined further on */
    uint64_t seen;      /* elements before this batch, for messages */
    size_t kept;        /* bytes that rdd_keep() gave it */
    size_t budget;      /* what one that emits may hold for a record; others: no limit */
    rdd_puller *puller; /* of a partition operator, its first: knows the record that failed */
    size_t puller_count; /* that stand side by side */
    const void *failed_item; /* of a partition operator; NULL when it had read none */
    uint64_t failed_index;
    char *reason;       /* of rdd_fail, in run memory */
    rdd_code code;
    struct http_state *http; /* policy and budget of the node; NULL until a call is made */
} op_task;

void op_task_init(op_task *t, run *r, const plan_node *node, const rdd_op *op, arena *scratch,
                  arena *lasting);

/* After a batch function stopped at item number `index` of this batch (the one that failed, when it
 * failed): true when the batch may go on, false when the run has failed. */
bool op_task_resume(op_task *t, const rdd_type *type, const void *item, size_t index);

/* What rdd_fail() does, with another code than RDD_E_USER. */
void op_task_fail(op_task *t, rdd_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* After an operator that is not one of whole partitions has returned: fails when the first of what it gave
 * lies in its own frame, which is gone. */
void op_task_check_frame(op_task *t, const rdd_type *type, const void *first);

/* For op_task_grown(): the batch ends with this record, or a partition operator's view with its
 * element; past the budget the task has failed. */
void op_task_filled(op_task *t);

/* After an allocation from one of the task's arenas. */
static inline void op_task_grown(op_task *t, const arena *a)
{
    if (UNLIKELY(a->used > BATCH_BYTES))
        op_task_filled(t);
}

/* Past its budget: its text is empty from now on, as a loop would go on and take all memory. */
static inline bool op_task_spent(const op_task *t)
{
    return UNLIKELY(t->failed) && t->code == RDD_E_LIMIT;
}

/* Marks what runs now, for crash reports and progress. */
static inline void run_mark(run *r, uint32_t node)
{
    atomic_store_explicit(&r->state->node, node, memory_order_relaxed);
    uint64_t batch = atomic_load_explicit(&r->state->batch, memory_order_relaxed);
    atomic_store_explicit(&r->state->batch, batch + 1, memory_order_relaxed);
}

#endif
