/* connection.h: the driver's side of the channel to one executor.
 *
 * (state, bytes, now) -> bytes, outcomes, lines. Owns no descriptor and no thread: backend_executors
 * runs it over sockets, an SSH backend over its session. One connection serves one incarnation.
 *
 *   - greets, checks that the other side is the same program, sends settings;
 *   - sends a stage's plan before its first task, tasks in batches, large payloads as streams;
 *   - puts large results together, each in one heap block, before their outcome comes out;
 *   - notices silence.
 *
 * After connection_failed() says true nothing more happens; what the executor had is lost.
 */
#ifndef RDD_CONNECTION_H
#define RDD_CONNECTION_H

#include "channel.h"
#include "protocol.h"

typedef struct connection connection;

/* What serves the driver's files (file_server.h): frames of file streams go in, what is ready for
 * them comes out. */
typedef struct connection_files {
    int (*take)(void *arg, const frame *f, rdd_error *err);
    void (*pump)(void *arg, channel *c);
    void *arg;
} connection_files;

typedef struct connection_options {
    const char *name;        /* "executor 1", for messages and before lines; copied */
    executor_setup setup;    /* its conf is copied */
    uint64_t nonce, digest;
    const char *build_id;    /* copied */
    uint64_t heartbeat_ns;
    uint64_t timeout_ns;     /* silence after which the executor is given up */
    uint64_t start_timeout_ns; /* the same for its first answer */
    uint64_t wall_ms;        /* clock_wall_ms() now; 0: the other side's clock does not matter */
    size_t result_max;       /* of one task, in bytes */
    size_t skip_max;         /* foreign bytes before its first frame */
    connection_files files;  /* for an executor that is remote; otherwise zeros */
    /* What its HTTP calls have to say (LEASE, JOURNAL); false when that is malformed. NULL: nothing
     * is expected. May append to the channel's control frames. */
    bool (*calls)(void *arg, const frame *f, buf *out);
    void *calls_arg;
} connection_options;

int connection_new(connection **ret, const connection_options *options, uint64_t now_ns,
                   rdd_error *err);
void *connection_free(connection *c);

/* -- What the loop around it does -------------------------------------------------------------- */

channel *connection_channel(connection *c);
void connection_input(connection *c, uint64_t now_ns);  /* bytes came into the channel */
void connection_pump(connection *c);                    /* call before writing */
void connection_closed(connection *c, const char *why); /* the transport's end; `why` may be NULL */
void connection_tick(connection *c, uint64_t now_ns);
uint64_t connection_deadline(const connection *c);

bool connection_failed(const connection *c, rdd_error *ret); /* `ret` may be NULL */

/* True once: the executor answered and was given its settings. */
bool connection_came_up(connection *c, hello *ret);

/* What is wrong with its clock, in a line that begins with its name; false when nothing is. Known when it
 * came up; it is then among connection_lines(), too. */
bool connection_clock_problem(const connection *c, char *ret, size_t size);

/* How many slots it was given: what setup.slots said or, when that is 0, its processors. Known when
 * it came up. */
uint32_t connection_slots(const connection *c);

/* It failed because the other side is another program than this one. */
bool connection_is_stale(const connection *c);

/* It ended before it said anything that this side understood. */
bool connection_was_mute(const connection *c);

/* Instead of answering it said why it cannot start, and that is no want of memory or the like. */
bool connection_was_refused(const connection *c);

/* Outcomes that are complete; a heap array that the caller frees, with what is inside. NULL when
 * there is none. */
outcome *connection_take_outcomes(connection *c, size_t *ret_count);

/* Lines for the driver's stderr, each with its prefix and end. The caller empties it. */
buf *connection_lines(connection *c);

/* -- What the scheduler wants ------------------------------------------------------------------ */

/* The bytes stay valid until connection_forget(). Sent with the first task. */
int connection_plan(connection *c, uint32_t stage, rdd_str plan);
void connection_forget(connection *c, uint32_t stage);
/* Payloads stay valid until their stage is forgotten. */
void connection_launch(connection *c, const task_spec *tasks, size_t count);
void connection_cancel(connection *c, uint32_t stage);
void connection_cancel_task(connection *c, task_id id);
/* Tells the executor to end. */
void connection_bye(connection *c);

/* Records that its running tasks of a stage have made so far, as of the last heartbeat. */
uint64_t connection_records(const connection *c, uint32_t stage);

#endif
