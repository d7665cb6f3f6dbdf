/* ssh_complaint.h: what the ssh program says, understood: how far it came, why it gave up, what to do.
 *
 * Used by transport_openssh.c for its own session and by transport_libssh2.c for `ssh -W`. Text in,
 * plain data out. ssh's words are not a contract, so what is not understood is handed on as it is,
 * and the step is then the one that was reached.
 */
#ifndef RDD_SSH_COMPLAINT_H
#define RDD_SSH_COMPLAINT_H

#include "buf.h"
#include "transport.h"

enum { SSH_COMPLAINTS_MAX = 8 << 10 };

/* All zeros is the beginning. */
typedef struct ssh_log {
    transport_step step;  /* what is being done; TRANSPORT_STEPS: the command was sent */
    bool greeted;         /* the server has said its version */
    bool partial;         /* a key was taken, and then more was wanted */
    bool has_status;      /* the command's exit status came */
    bool has_signal;      /* the command was killed by a signal over there */
    char host_key[160];   /* "ED25519 SHA256:…" of the server */
    char line[1024];      /* one that has no end yet */
    size_t line_size;
    char complaints[SSH_COMPLAINTS_MAX]; /* lines that are no debugging, the last of them */
    size_t complaints_size;
} ssh_log;

/* Bytes of ssh's log, at LogLevel DEBUG1. */
void ssh_log_add(ssh_log *log, const char *bytes, size_t size);
const char *ssh_log_complaints(ssh_log *log);

typedef struct ssh_complaint {
    transport_step step;
    bool dropped;     /* the server hung up before its greeting: it may have too many logins */
    bool penalised;   /* it refuses this machine for a while */
    char what[400];   /* the line that says it; "" when nothing was understood */
    const char *fix;  /* what to do, or NULL */
} ssh_complaint;

/* `text`: lines of ssh and of what it started; `at`: the step it had reached. */
void ssh_complaint_find(const char *text, transport_step at, bool greeted, ssh_complaint *ret);

#endif
