/* driver.h: the thread that decides: it pumps the scheduler.
 *
 * Backends post events into its mailbox; it hands them to the pure scheduler, carries out the
 * commands, and wakes the callers of jobs that are done. It owns all job state. It is started by a
 * context's first action and ended by rdd_finish.
 */
#ifndef RDD_DRIVER_H
#define RDD_DRIVER_H

#include "context.h"
#include "event_log.h"
#include "job.h"
#include "scheduler.h"

typedef struct driver driver;

/* One job, from its caller's side. Owned by the caller, who waits until it is done. */
typedef struct driver_job {
    uint32_t id;
    job_spec *spec;         /* taken over by driver_run */
    job_results *results;   /* parts[] has room for the result stage's tasks */
    int64_t first;          /* the partition of task 0 */
    int (*accept)(void *arg, int64_t partition, job_part *part, rdd_error *err);
    void *arg;
    event_log_job_info info; /* for the event log; valid until the job is done */
    char http_why[200]; /* what one of the failed calls said */
    uint64_t http_failed, http_failed_max; /* UINT64_MAX: no count holds at once */
    uint64_t http_calls;
    /* the rest is the driver's */
    rdd_error refused; /* why an accepted result made the job fail; code RDD_OK while none did */
    rdd_error error;
    bool done;
    pthread_cond_t finished;
    struct driver_job *next;
} driver_job;

int driver_start(driver **ret, rdd_context *ctx, rdd_error *err);

/* Runs a job and waits for its end; several threads may. 0 or the job's error. */
int driver_run(driver *d, driver_job *job, rdd_error *err);

/* Cancels all jobs that run. Async-signal-unsafe; from any thread. */
void driver_cancel_all(driver *d, const rdd_error *cause);

/* A line for the user, ended by a newline, above the progress lines. From any thread. */
void driver_say(driver *d, const char *line);

/* The executor on a host, which is named as in --master or in messages; EXECUTOR_ANY: none is. From any
 * thread. */
uint32_t driver_find_executor(driver *d, const char *name);

/* Whether a job runs. */
bool driver_is_busy(driver *d);

/* Ends executors and threads. Fails when the event log could not be written. */
int driver_stop(driver *d, rdd_error *err);

#endif
