/* transport_libssh2.h: what the two files that use libssh2 share.
 *
 * transport_libssh2.c has the session, its streams and its end; transport_libssh2_login.c how one
 * gets in: the key exchange, the host key, who we are. No other file includes libssh2.
 */
#ifndef RDD_TRANSPORT_LIBSSH2_H
#define RDD_TRANSPORT_LIBSSH2_H

#include "ssh_program.h"
#include "transport_parts.h"

#include <libssh2.h>

/* As much as libssh2 puts into one packet. */
enum { SSH_OUT_SIZE = 32700, SSH_READ_SIZE = 64 << 10, SSH_FIRST_MAX = 4 << 10 };

/* libssh2 1.10 breaks when, after a call that found the socket full, another call comes before that
 * one again: this is the one. */
typedef enum ssh_stuck {
    STUCK_NOWHERE,
    STUCK_WRITE,
    STUCK_READ,
    STUCK_READ_ERRORS,
    STUCK_EOF,
} ssh_stuck;

/* What came and was not asked for yet. */
typedef struct ssh_held {
    size_t at, size;
    char bytes[SSH_READ_SIZE];
} ssh_held;

typedef struct ssh_session {
    transport base;
    const char *label;
    int fd;              /* the connection, or that of `ssh -W` */
    ssh_program jump;    /* ssh -W */
    LIBSSH2_SESSION *session;
    LIBSSH2_CHANNEL *channel;
    ssh_stuck stuck;
    bool unsent;         /* the last packet is not wholly in the socket */
    bool write_waits;    /* the last write was not taken */
    bool unread;         /* a write that came again may have left bytes inside that no read has seen */
    bool cut;            /* the socket is not to be used any more */
    bool data_ended;
    int lost;            /* -errno when the session is lost */
    int socket_errno;    /* the last that the socket gave; ECONNRESET for an end of it */
    char goodbye[256];   /* what the server said when it disconnected */
    char first[SSH_FIRST_MAX]; /* the first bytes that came */
    size_t first_size;
    char out[SSH_OUT_SIZE]; /* taken from the caller, not by libssh2 yet */
    size_t out_at, out_size;
    ssh_held held[2];    /* stdout, stderr */
} ssh_session;

/* Repeats a libssh2 call until it is done; `code` gets what it returned. Returns from the function
 * when waiting fails. */
#define SSH_UNTIL_DONE(l, s, code, call)                       \
    while (((code) = (int)(call)) == LIBSSH2_ERROR_EAGAIN) {       \
        int waited_ = ssh_session_wait(l, s);                \
        if (waited_)                                               \
            return waited_;                                        \
    }

int ssh_session_wait(ssh_session *l, transport_start *s);

/* What libssh2, the socket or the server says last, in words. */
const char *ssh_session_trouble(ssh_session *l, char *text, size_t size);

/* The steps EXCHANGE and HOST_KEY, and LOGIN. */
int ssh_session_exchange(ssh_session *l, transport_start *s);
int ssh_session_login(ssh_session *l, transport_start *s);

#endif
