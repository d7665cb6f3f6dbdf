/* supervisor.h: what an executor's main process decides.
 *
 * (state, bytes, now) -> bytes, commands. It runs no user code, owns no descriptor and starts no
 * process: the loop around it (supervisor_loop.h) moves bytes between the channels and descriptors,
 * does what the commands say and reports what became of it. Between driver and workers it
 *   - queues tasks and hands each worker little more than it can run at once, so that a worker that
 *     dies loses little;
 *   - passes outcomes and the bytes of streams on, as far as their receivers gave credit;
 *   - says what the end of a worker means for each task that it had: the one that took it down has
 *     crashed, the others are lost;
 *   - gives up when the driver has been silent for too long.
 *
 * Every task that came in is answered by exactly one outcome, unless the executor ends first.
 */
#ifndef RDD_SUPERVISOR_H
#define RDD_SUPERVISOR_H

#include "board.h"
#include "channel.h"
#include "protocol.h"

typedef struct supervisor supervisor;

/* `self` is what it says of itself in HELLO; the nonce comes from the driver. */
int supervisor_new(supervisor **ret, const hello *self, uint64_t now_ns, rdd_error *err);
void *supervisor_free(supervisor *s);

/* -- The driver's channel ---------------------------------------------------------------------- */

channel *supervisor_driver(supervisor *s);
void supervisor_driver_input(supervisor *s, uint64_t now_ns); /* bytes came into it */
void supervisor_driver_ended(supervisor *s);                  /* end of input, or of output */

/* -- Workers, by number ------------------------------------------------------------------------ */

/* 0 until SETUP came. */
uint32_t supervisor_worker_count(const supervisor *s);

/* Good between supervisor_worker_started() and supervisor_worker_ended(). */
channel *supervisor_worker_channel(supervisor *s, uint32_t worker);

/* SUPERVISOR_START was done. The board is readable until supervisor_worker_ended() returns. */
void supervisor_worker_started(supervisor *s, uint32_t worker, const board *b, uint64_t now_ns);
void supervisor_worker_not_started(supervisor *s, uint32_t worker, const rdd_error *why,
                                   uint64_t now_ns);
void supervisor_worker_input(supervisor *s, uint32_t worker, uint64_t now_ns);
/* It closed its channel, or took nothing more, and still lives. */
void supervisor_worker_closed(supervisor *s, uint32_t worker);

typedef struct worker_end {
    int wait_status;                    /* of waitpid() */
    int64_t oom_kills_before, oom_kills; /* of its cgroup; -1 where unknown */
} worker_end;

/* It was reaped, and everything it wrote before has been handed in. */
void supervisor_worker_ended(supervisor *s, uint32_t worker, const worker_end *end,
                             uint64_t now_ns);

/* A line that the worker, or something below it, wrote. */
void supervisor_worker_line(supervisor *s, uint32_t worker, rdd_str text, uint64_t now_ns);

/* -- Time and commands ------------------------------------------------------------------------- */

void supervisor_tick(supervisor *s, uint64_t now_ns);
uint64_t supervisor_deadline(const supervisor *s); /* when to tick next */

/* Ends the executor for a reason of its own: a signal. */
void supervisor_stop(supervisor *s, const char *why);

typedef enum supervisor_command_kind {
    SUPERVISOR_START, /* worker, slots: start one */
    SUPERVISOR_KILL,  /* worker: SIGKILL */
    SUPERVISOR_EXIT,  /* write what the driver's channel holds, end everything, exit */
} supervisor_command_kind;

typedef struct supervisor_command {
    supervisor_command_kind kind;
    uint32_t worker, slots;
} supervisor_command;

/* Each command comes once, SUPERVISOR_EXIT last. */
bool supervisor_next_command(supervisor *s, supervisor_command *ret);

#endif
