/* event_log.h: what happened in an application, as JSON lines: docs/event-log.md has every record.
 *
 * The driver calls it, one thread at a time: event_log_start(), then the scheduler's thread tells
 * it each event before the scheduler handles it and each command before it is carried out, in
 * order; then event_log_end() and event_log_close().
 *
 * It is complete: a record is never dropped. When it cannot be written (a full disk) the log ends
 * there, after a whole line, the job goes on, and event_log_close() fails. Records are gathered and
 * written 1 MiB at a time, when a job is done, and once a second.
 */
#ifndef RDD_EVENT_LOG_H
#define RDD_EVENT_LOG_H

#include "scheduler.h"

typedef struct event_log event_log;

/* Begins a file; what was in it is gone. "-" is standard error, "/dev/fd/3" a descriptor. */
int event_log_open(event_log **ret, const char *path, rdd_error *err);

/* What only the driver knows. */
typedef struct event_log_application {
    const char *program, *master;
    rdd_str command_line; /* words that end with a NUL each; empty: this process's. Secrets that can
                           * be told as such are masked. */
    uint32_t slots;       /* that are expected; 0: not known */
    uint64_t wall_ns;     /* since 1970 */
} event_log_application;

/* The first record; "t" of all others counts from this `now_ns`. */
void event_log_start(event_log *log, uint64_t now_ns, const event_log_application *application);

typedef struct event_log_job_info {
    const char *action, *site; /* NULL: not known */
    rdd_str plan;              /* its text, as --explain prints it; may be empty */
} event_log_job_info;

/* A job begins; before the scheduler gets its EVENT_JOB_SUBMIT. `info` may be NULL. */
void event_log_job(event_log *log, uint64_t now_ns, const job_spec *spec,
                   const event_log_job_info *info);

/* Every event, before scheduler_step(). */
void event_log_event(event_log *log, uint64_t now_ns, const event *e);

/* Every command of that step, before it is carried out. */
void event_log_command(event_log *log, uint64_t now_ns, const command *c);

/* Time went on: writes what has waited for a second. */
void event_log_tick(event_log *log, uint64_t now_ns);

/* The last record. `counters` may be NULL. */
void event_log_end(event_log *log, uint64_t now_ns, const scheduler_counters *counters);

/* The failure, from when it happened on; NULL while all is well. */
const rdd_error *event_log_failure(const event_log *log);

/* Writes what is left, closes and frees. Fails when the file is not complete, with the cause. */
int event_log_close(event_log *log, rdd_error *err);

#endif
