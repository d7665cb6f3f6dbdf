/* journal.h: answers of HTTP calls that were written down, so that a task which runs again does not
 * make the calls again that an earlier attempt got an answer to.
 *
 * The driver keeps the journal (scheduler/call_journal.h): entries by stage and partition, which only
 * this file understands. An answer is an entry; a call that must not be made twice is one before it
 * is sent, too (its intent). A call is known by its operator and a hash of what is sent; of equal
 * calls each entry answers one. An intent without an answer is a call of which nobody knows what came
 * of it: it is answered with an error, and never made again.
 *
 * rdd_http_send() calls this, on the slot's thread.
 */
#ifndef RDD_JOURNAL_H
#define RDD_JOURNAL_H

#include "buf.h"
#include "http.h"
#include "run.h"

/* How to the journal from here. In a worker that is worker_calls.c, in the driver's process the
 * journal itself; there is none in local[N] unless it is wanted. From any thread. */
typedef struct journal_keeper journal_keeper;
struct journal_keeper {
    /* At a task's first call: appends all there is of its partition: u8 (1: of an earlier run), sized
     * entry … Waits for it; RDD_E_CANCELLED when *cancelled becomes true. */
    int (*load)(journal_keeper *k, const task_id *id, const atomic_bool *cancelled, buf *ret,
                rdd_error *err);
    /* Keeps an entry, and gives a ticket. Urgent: somebody will wait for is_kept(). */
    uint64_t (*add)(journal_keeper *k, const task_id *id, rdd_str entry, bool urgent);
    bool (*is_kept)(journal_keeper *k, uint64_t ticket);
    /* False: too much is on its way, no call is to be made now. */
    bool (*has_room)(journal_keeper *k);
    /* A task has ended: what was added goes now. */
    void (*flush)(journal_keeper *k);
    /* The slot is about to wait for answers; NULL when that is no reason for anything. */
    void (*rest)(journal_keeper *k);
};

/* The process's; NULL: there is none. Not while a task runs. */
void journal_set_keeper(journal_keeper *k);

typedef struct journal_call {
    http_permit permit; /* comes first */
    run *run;
    uint32_t node;
    uint64_t hash[2], ordinal, ticket;
    bool once, asked;   /* sent once only; its intent was added */
} journal_call;

/* Before a call: 1 and the answer that is known already (strings in `memory`), 0 when the call is to
 * be made, with c->permit if c->run is set, or negative and `err`. */
int journal_begin(run *r, uint32_t node, const rdd_http_request *request, arena *memory,
                  journal_call *c, rdd_http_response *ret, rdd_error *err);
/* After it. */
void journal_end(journal_call *c, const rdd_http_response *response);

void journal_release(run *r);

/* The slot is about to wait for answers. */
void journal_rest(void);

#endif
