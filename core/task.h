/* task.h: a task and what came of it, as plain data.
 *
 * A stage's plan is encoded once (plan.h) and named by the stage's id, which a driver never uses
 * twice. A task is then one partition of that stage, an attempt number, and the bytes that belong
 * to that partition alone (file ranges, parallelized data). Whoever runs it makes an outcome.
 */
#ifndef RDD_TASK_H
#define RDD_TASK_H

#include "base.h"
#include "buf.h"
#include "rdd.h"

typedef struct task_id {
    uint32_t stage;
    uint32_t partition; /* of the stage */
    uint32_t attempt;   /* from 0; never used twice for one partition of a stage */
} task_id;

static inline bool task_id_equal(task_id a, task_id b)
{
    return a.stage == b.stage && a.partition == b.partition && a.attempt == b.attempt;
}

typedef struct task_spec {
    task_id id;
    rdd_str payload; /* a view: owned by the job on the driver, by the frame on an executor */
} task_spec;

typedef enum outcome_status {
    OUTCOME_OK,
    OUTCOME_FAILED,    /* `error` says why; costs the task an attempt */
    OUTCOME_CRASHED,   /* took its process down: the same, but made by the supervisor */
    OUTCOME_LOST,      /* not the task's fault (its neighbour crashed): runs again for free */
    OUTCOME_CANCELLED, /* stopped because it was told to */
} outcome_status;

typedef struct task_metrics {
    uint64_t run_ns;      /* from start to end, on the executor */
    uint64_t records;     /* elements that reached the end of the chain */
    uint64_t input_bytes; /* read from sources */
} task_metrics;

enum { OUTCOME_INLINE = 32 };

/* An outcome owns its result and its error. Results up to OUTCOME_INLINE bytes need no memory. */
typedef struct outcome {
    task_id id;
    outcome_status status;
    bool suspect;      /* LOST in a crash that named no task: this one may have done it */
    task_metrics metrics;
    rdd_error *error;  /* NULL unless FAILED or CRASHED; a LOST one may have the reason */
    size_t result_size;
    char *result_heap; /* NULL: the bytes are in result_inline */
    char result_inline[OUTCOME_INLINE];
} outcome;

static inline const char *outcome_result(const outcome *o)
{
    return o->result_heap ? o->result_heap : o->result_inline;
}

/* Takes over `heap` (may be NULL when size <= OUTCOME_INLINE and `bytes` is copied instead). */
void outcome_set_result(outcome *o, const void *bytes, size_t size, char *heap);

/* FAILED or CRASHED, with a copy of `err`; out of memory drops the text, never the status. */
void outcome_set_error(outcome *o, outcome_status status, const rdd_error *err);

void outcome_release(outcome *o);

/* On the wire, without the result's bytes, which travel by themselves. */
void task_id_encode(buf *b, task_id id);
task_id task_id_decode(reader *r);
void task_spec_encode(buf *b, const task_spec *task);
int task_spec_decode(reader *r, task_spec *ret); /* payload views the reader's bytes */
void outcome_encode(buf *b, const outcome *o);
int outcome_decode(reader *r, outcome *ret, rdd_error *err); /* result_size set, bytes not there */

#endif
