/* actions.h: what the files of actions share: running a job for a typed RDD, reading its results. */
#ifndef RDD_ACTIONS_H
#define RDD_ACTIONS_H

#include "context.h"
#include "job.h"
#include "run.h"

/* Whether r is there and has elements of `type` (NULL: any); otherwise the error is recorded. */
bool action_begin(rdd *r, const rdd_type *type, const char *call, const char *site);

/* job_run() over all partitions; a failure is recorded in the context. */
int action_run(rdd *r, const action *act, const rdd_options *options, job_results *ret);

/* Records a failure of an action: "rdd_first (a.c:7): …"; gives the code back. */
int action_fail(rdd_context *ctx, rdd_code code, const char *call, const char *site,
                const char *format, ...) PRINTF_LIKE(5, 6);

/* The elements of all parts, in order: *ret_items is heap, or, when all is one block, NULL and
 * *ret_view points into it. Elements point into the parts, which must stay. */
int parts_decode(const rdd_type *t, job_results *parts, void **ret_items, const void **ret_view,
                 size_t *ret_count, rdd_error *err);

/* An operator called on the driver, to merge what executors gave. */
typedef struct driver_call {
    plan plan;
    run run;
    slot_state state;
    atomic_bool cancelled;
    arena memory, scratch;
    op_task task;
    const void *env;
} driver_call;

void driver_call_init(driver_call *c, const rdd_op *op, const void *env);
void driver_call_release(driver_call *c);

/* What the operator counted, into the context. */
void driver_call_count(const driver_call *c, rdd_context *ctx);

/* Copies one value into memory that the context keeps until its end; 0 or recorded. */
int keep_value(rdd_context *ctx, const rdd_type *t, const void *value, void *ret);

#endif
