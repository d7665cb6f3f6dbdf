/* transport.h: one way to reach a node: a command over there, and three streams of bytes.
 *
 * A transport is one SSH session with one channel, on which `command` runs. It is used by one
 * thread, the node's. transport_libssh2.c is the only includer of libssh2; transport_openssh.c runs
 * the ssh program. Both pass tests/unit/transport_test.c. Nothing above knows which one it has.
 *
 * The transport keeps whatever its library needs between calls (libssh2 wants a write that found no
 * room to be repeated with the same bytes before anything else); a caller may do as it likes.
 */
#ifndef RDD_TRANSPORT_H
#define RDD_TRANSPORT_H

#include "error.h"
#include "ssh_target.h"

#include <poll.h>

/* How far a start came; the order is that of the steps. `rdd hosts check` prints a column for each. */
typedef enum transport_step {
    TRANSPORT_RESOLVE,  /* a name to an address */
    TRANSPORT_CONNECT,  /* TCP, or the jump host */
    TRANSPORT_EXCHANGE, /* versions, key exchange */
    TRANSPORT_HOST_KEY, /* is it who it was */
    TRANSPORT_LOGIN,    /* who are we */
    TRANSPORT_EXEC,     /* the command is running */
    TRANSPORT_STEPS,
} transport_step;

/* "dns", "tcp", "kex", "host key", "login", "exec". */
const char *transport_step_name(transport_step step);

typedef struct transport transport;

typedef struct transport_ops {
    /* > 0 bytes; 0 at the end of what the command writes; -EAGAIN when there is nothing now; another
     * negative when the session is lost. With the ssh program a lost session looks like an end, so
     * neither means that all came: that is for the last word of whoever writes. */
    ssize_t (*read)(transport *t, void *data, size_t size);
    ssize_t (*read_errors)(transport *t, void *data, size_t size); /* the command's stderr */
    /* How many bytes were taken, -EAGAIN, or another negative. What was taken may wait inside; reads,
     * writes and ends push it on. */
    ssize_t (*write)(transport *t, const void *data, size_t size);
    /* What to wait for: fills at most TRANSPORT_POLL_MAX, returns how many; 0: do not wait, bytes are
     * inside that no descriptor shows. `want_write`: the caller has bytes that found no room. When
     * any of the descriptors is ready, read both streams until -EAGAIN, then write: which one it was
     * says nothing about which stream has something. */
    size_t (*poll)(transport *t, struct pollfd *fds, bool want_write);
    /* Ends the session: closes the command's stdin, waits for its end for `patience_ns` while it
     * throws away what comes, then cuts. One line on how it ended: "exited with status 0", "was
     * killed by signal SIGKILL", "the connection was lost: …", "did not end within 2 s and was cut
     * off". libssh2 and the ssh program do not tell all of these apart: it is for people. Then frees
     * t, which may be NULL (and then says nothing). */
    void (*end)(transport *t, uint64_t patience_ns, char *text, size_t size);
} transport_ops;

enum { TRANSPORT_POLL_MAX = 3 };

struct transport {
    const transport_ops *ops;
};

typedef enum transport_kind { TRANSPORT_AUTO, TRANSPORT_LIBSSH2, TRANSPORT_OPENSSH } transport_kind;

/* Which one suits a target, and why, as "with X, as …" for the log. Never TRANSPORT_AUTO. Reads the
 * target's known_hosts files. */
transport_kind transport_choose(const ssh_target *target, char *reason, size_t size);

typedef struct transport_options {
    int cancel_fd;        /* opening ends with RDD_E_CANCELLED when it becomes readable; -1: none */
    uint64_t deadline_ns; /* clock_now_ns(); of the whole start */
    /* Told as steps are done, from the calling thread; may be NULL. */
    void (*step)(void *arg, transport_step step, uint64_t took_ns);
    /* Told which one TRANSPORT_AUTO has become, and why (transport_choose()): once more when libssh2 did
     * not get in and the ssh program may. May be NULL. */
    void (*chosen)(void *arg, transport_kind kind, const char *reason);
    void *arg;
} transport_options;

/* Connects, checks the host key, logs in, starts `command` with the user's login shell over there.
 * Blocks. A failure is one line: the host, the step, what happened, what to do; *ret_step (may be
 * NULL) is where, TRANSPORT_STEPS when all went well. `command` and `options` are not kept; the
 * target lives as long as the transport. Dials respect MaxStartups (dial.h): a server that drops
 * the connection before it says its version is tried again, a few times. TRANSPORT_AUTO tries the ssh
 * program when libssh2 does not get in for what it cannot do: keys, algorithms. Any number of threads
 * may open transports at once. */
int transport_open(transport **ret, transport_kind kind, const ssh_target *target,
                   const char *command, const transport_options *options,
                   transport_step *ret_step, rdd_error *err);

#endif
