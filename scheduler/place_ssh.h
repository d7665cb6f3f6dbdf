/* place_ssh.h: nodes over SSH as places for executors. See executor_link.h.
 *
 * The places of one context share a fleet: the bundle, which is made once, by the first thread that
 * needs it, and where notes go.
 */
#ifndef RDD_PLACE_SSH_H
#define RDD_PLACE_SSH_H

#include "executor_link.h"
#include "hosts.h"

typedef struct ssh_fleet ssh_fleet;

/* `note` gets a line, from any thread, with what --verbose shows: which transport and why, how long
 * a start took, how much was sent. */
ssh_fleet *ssh_fleet_new(void (*note)(void *arg, const char *text), void *arg);
/* After its places are freed. NULL is fine. */
void *ssh_fleet_free(ssh_fleet *f);

/* What `h` says is copied. */
int place_ssh_new(place **ret, ssh_fleet *f, const host *h, rdd_error *err);

#endif
