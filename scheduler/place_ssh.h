/* place_ssh.h: nodes over SSH as places for executors. See executor_link.h.
 *
 * The places of one context share a fleet: the bundle, which is made once, by the first thread that
 * needs it, and where notes go.
 */
#ifndef RDD_PLACE_SSH_H
#define RDD_PLACE_SSH_H

#include "bundle.h"
#include "executor_link.h"
#include "transport.h"

typedef struct ssh_fleet ssh_fleet;

/* `files` (--conf files=…; NULL: none) outlives it. `note` gets a line, from any thread, with what
 * --verbose shows: which transport and why, how long a start took, how much was sent. */
ssh_fleet *ssh_fleet_new(const bundle *files, void (*note)(void *arg, const char *text), void *arg);
/* After its places are freed. NULL is fine. */
void *ssh_fleet_free(ssh_fleet *f);

/* What `h` says is copied. */
int place_ssh_new(place **ret, ssh_fleet *f, const host *h, rdd_error *err);

/* What comes after the steps of a transport (transport.h). */
enum {
    PLACE_DIRECTORY = TRANSPORT_STEPS, /* the node has one that it can run programs in */
    PLACE_PROGRAM,                     /* the program is there, and was told to start */
    PLACE_STEPS,
};

/* `done` is told as the steps of a start are done, by the thread that starts. When a transport tries
 * again, it begins with the first step again. */
void place_ssh_watch(place *p, void (*done)(void *arg, unsigned step, uint64_t took_ns), void *arg);

/* What --conf ssh.transport says. */
transport_kind place_ssh_transport(void);

#endif
