/* dial.h: a gate before sshd's MaxStartups.
 *
 * sshd drops connections at random when more than ten (by default) have not logged in yet, and a
 * jump host sees those of all the hosts behind it. So at most DIAL_MAX of this process's threads are
 * between connecting and logged in, for each server that they connect to and for each jump host on
 * the way. transport_open() enters before it connects and leaves when it is logged in.
 *
 * Servers are told apart by what they are called: one that is a node under one name and a jump host
 * under another is two.
 *
 * Invariants: who waits is served in order, as far as places are free; all the places that a dial
 * needs are taken at once, so that two dials cannot wait for each other.
 */
#ifndef RDD_DIAL_H
#define RDD_DIAL_H

#include "error.h"

enum { DIAL_MAX = 8, DIAL_NAME_MAX = 300 };

typedef struct dial_place dial_place;

/* Places at the server and at its jump host; all zeros is none. */
typedef struct dial_pass {
    dial_place *places[2];
} dial_pass;

/* Waits for its turn; ends with RDD_E_CANCELLED when `cancel_fd` (-1: none) becomes readable, with
 * RDD_E_IO at the deadline. `jump` is what ssh -J takes, or NULL; its first host counts. */
int dial_enter(dial_pass *ret, const char *host, uint16_t port, const char *jump, int cancel_fd,
               uint64_t deadline_ns, rdd_error *err);

/* Gives the places to whoever waits; again and again is fine. */
void dial_leave(dial_pass *pass);

/* How many have a place there now; for tests. */
size_t dial_count(const char *host, uint16_t port);

#endif
