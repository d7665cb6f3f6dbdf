/* job.h: runs one action's job and brings its results back, in partition order.
 *
 * The bridge between the calling thread and the scheduler's thread: the caller makes a job of a
 * lineage and an action, waits, and reads one result for each partition. Called by the actions.
 */
#ifndef RDD_JOB_H
#define RDD_JOB_H

#include "plan.h"

/* Result bytes of one partition; those of tasks that were accepted. */
typedef struct job_part {
    char *heap;      /* or NULL: in `small` */
    size_t size;
    char small[32];
} job_part;

typedef struct job_results {
    job_part *parts; /* of partitions first … first+count-1 */
    size_t count;
} job_results;

typedef struct job_options {
    const char *name;       /* of the action's call, or NULL */
    const char *site;
    int64_t first, count;   /* which partitions; count < 0: all */
    const rdd_str *payloads; /* for the action itself, one for each partition, or NULL */
    /* Called on the scheduler's thread as results are accepted, in any order; may be NULL. Failing
     * it fails the job. */
    int (*accept)(void *arg, int64_t partition, job_part *part, rdd_error *err);
    void *arg;
} job_options;

/* Blocks until the job is done. On success *ret is to be released. */
int job_run(rdd *r, const action *act, const job_options *options, job_results *ret, rdd_error *err);
void job_results_release(job_results *results);

static inline rdd_str job_part_bytes(const job_part *part)
{
    return (rdd_str){ part->size, part->heap ? part->heap : part->small };
}

/* The error of an action goes into the context (first one wins) and the code back. */
int context_fail(rdd_context *ctx, const rdd_error *err);

#endif
