/* transport_parts.h: what the transports share while they open, and nobody else sees.
 *
 * transport.c makes a transport_start for each try; a transport's open function walks the steps with
 * it: start_done() after each, start_wait() wherever it waits, start_fail() on the way out.
 */
#ifndef RDD_TRANSPORT_PARTS_H
#define RDD_TRANSPORT_PARTS_H

#include "dial.h"
#include "ssh_complaint.h"
#include "transport.h"

typedef struct transport_start {
    const ssh_target *target;
    const char *command;
    const transport_options *options;
    transport_step step;       /* what is being done */
    uint64_t step_ns;          /* since when */
    uint64_t step_deadline_ns; /* until when */
    dial_pass pass;            /* given back with TRANSPORT_LOGIN */
    bool dropped;              /* the server hung up before its greeting: worth another try */
    const char *instead;       /* it failed, and this is why the ssh program may not; NULL: no reason */
    rdd_error *err;
} transport_start;

typedef int transport_opener(transport **ret, transport_start *s);

int transport_libssh2_open(transport **ret, transport_start *s);
int transport_openssh_open(transport **ret, transport_start *s);

/* RSA keys as servers of today take them (rsa-sha2-*). */
bool transport_libssh2_knows_rsa(void);

/* All steps up to `step` are done, the one behind it begins. */
void start_done(transport_start *s, transport_step step);

/* The step has failed: "label: tcp: message". */
int start_fail(transport_start *s, rdd_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* What to do when a server wants more than the key that it took. */
extern const char start_further_method[];

/* What to do about a host key that is not known, when it is the ssh configuration that keeps it from being
 * so; NULL: it is not. */
const char *start_unknown_key_fix(const transport_start *s);

/* What to do about what an ssh program said. NULL: nobody knows. */
const char *start_complaint_fix(const transport_start *s, const ssh_complaint *why);

/* Waits until one of the descriptors is ready. Negative, and s->err says so: cancelled, or the time
 * is up for the step or for all. */
int start_wait(transport_start *s, struct pollfd *fds, size_t count);

/* The steps RESOLVE and CONNECT: a TCP connection that does not block, set up for SSH. */
int ssh_connect(transport_start *s, int *ret_fd);

/* "2 s", "350 ms". */
const char *start_duration(uint64_t ns, char text[32]);

#endif
