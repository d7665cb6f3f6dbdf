/* ssh_program.h: the ssh program as a child process: its standard streams, and its end.
 *
 * Used by transport_openssh.c for a whole session, and by transport_libssh2.c for `ssh -W` through a
 * jump host. The child has a session of its own, so that a terminal's ^C does not reach it and it
 * cannot ask a terminal for a password; it inherits no other descriptor and no signal mask; it dies
 * with the thread that started it. With it die the programs that it started (its process group).
 */
#ifndef RDD_SSH_PROGRAM_H
#define RDD_SSH_PROGRAM_H

#include "arena.h"
#include "error.h"
#include "ssh_target.h"

#include <sys/types.h>

typedef struct ssh_program {
    pid_t pid;     /* 0: there is none, or none any more */
    int data_fd;   /* its stdin and stdout, one socket; does not block */
    int errors_fd; /* its stderr; does not block */
    int log_fd;    /* what it says about itself, when the arguments have SSH_PROGRAM_LOG; or -1 */
    int log_write_fd; /* the other end, until ssh has opened it */
} ssh_program;

#define SSH_PROGRAM_NONE ((ssh_program){ .data_fd = -1, .errors_fd = -1, .log_fd = -1, \
                                         .log_write_fd = -1 })

/* The arguments of a session that runs `command`, or, when that is NULL, of a connection to `host`
 * and `port` by way of target->proxy_jump (ssh -W). NULL-terminated, in `a`; NULL: out of memory,
 * or RDD_SSH_OPTS has no end to a quote. `log_fd`: where ssh is to log to, from
 * ssh_program_open_log(); -1: its stderr. */
char **ssh_program_session(const ssh_target *target, const char *command, int log_fd, arena *a,
                           rdd_error *err);
char **ssh_program_through_jump(const ssh_target *target, arena *a, rdd_error *err);

/* Makes log_fd and log_write_fd. */
int ssh_program_open_log(ssh_program *p, rdd_error *err);

/* Starts it with argv[0] looked up in PATH. */
int ssh_program_start(ssh_program *p, char **argv, rdd_error *err);

/* Waits for it to end until `deadline_ns`, kills it then with all that it started, closes what is
 * open. Returns the status as of waitpid(), -1 when it is not known. *ret_killed: it was not its own
 * end. Both ends are fine: one that was never started, one that was ended before. */
int ssh_program_end(ssh_program *p, uint64_t deadline_ns, bool *ret_killed);

#endif
