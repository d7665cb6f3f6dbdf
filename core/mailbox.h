/* mailbox.h: a bounded queue from many threads to one.
 *
 * Whoever is to be posted embeds a mailbox_node; posting allocates nothing. Nodes come out in the
 * order they went in. Posting blocks while the mailbox is full, so the thread that takes must never
 * post to its own mailbox.
 *
 * Ending: the taker calls mailbox_close(). Every post from then on, those that were waiting
 * included, returns false at once and leaves the node with its caller. A thread that joins posters
 * closes the mailbox first, or it may wait for a poster that waits for it.
 */
#ifndef RDD_MAILBOX_H
#define RDD_MAILBOX_H

#include "base.h"

#include <pthread.h>

typedef struct mailbox_node {
    struct mailbox_node *next;
} mailbox_node;

/* The struct around a node: MAILBOX_OWNER(node, event, node_member). */
#define MAILBOX_OWNER(node, type, member) \
    ((type *)(void *)((char *)(node) - offsetof(type, member)))

typedef struct mailbox {
    pthread_mutex_t mutex;
    pthread_cond_t not_empty, not_full;
    /* under the mutex */
    mailbox_node *first, *last;
    size_t count, max;
    size_t posters_waiting;
    bool taker_waiting, closed;
} mailbox;

/* Holds up to `max` nodes. */
int mailbox_init(mailbox *m, size_t max);

/* Only when nobody uses it any more. Nodes still inside are the caller's: take them first. */
void mailbox_release(mailbox *m);

/* True: the mailbox has the node. False: it is closed, and the node is still the caller's. */
bool mailbox_post(mailbox *m, mailbox_node *node) MUST_CHECK;

/* All nodes there are, in order, linked by `next`; waits for the first up to `timeout_ns`
 * (0: not at all, CLOCK_NEVER: for ever). NULL on timeout, and when closed and empty. */
mailbox_node *mailbox_take_all(mailbox *m, uint64_t timeout_ns);

void mailbox_close(mailbox *m);

#endif
