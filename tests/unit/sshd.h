/* sshd.h: a real sshd on 127.0.0.1 for a test, with keys, known_hosts and authorized_keys of its own.
 *
 *     sshd *s = sshd_start(&(sshd_options){ .config = "MaxStartups 1\n" });
 *     ssh_target t = sshd_target(s);
 *     …
 *     sshd_stop(s);
 *
 * It runs as whoever runs the test and lets that user in with the key sshd_path(s, "id_ed25519").
 * All of its files are in a directory of test.h's. What it logs is kept, and can be waited for.
 * The fixture needs sshd and ssh-keygen: TEST_SKIP where sshd_missing() says what is not there.
 */
#ifndef RDD_SSHD_H
#define RDD_SSHD_H

#include "ssh_target.h"

typedef struct sshd sshd;

typedef struct sshd_options {
    const char *host_keys; /* types with blanks between, "ed25519 rsa"; NULL: "ed25519" */
    const char *config;    /* lines that go before the fixture's own, and so win */
    bool unknown;          /* known_hosts stays empty */
} sshd_options;

/* NULL when a server can be started here, or what is missing. */
const char *sshd_missing(void);

/* Exits the test program when it cannot. */
sshd *sshd_start(const sshd_options *options);
void *sshd_stop(sshd *s);

uint16_t sshd_port(const sshd *s);
const char *sshd_path(const sshd *s, const char *name); /* good for the next fifteen calls */

/* A target that gets in; its lists point into the server's memory. Change what is to be wrong. */
ssh_target sshd_target(sshd *s);

/* Makes a key pair in the server's directory and returns the private one's path. Types as of
 * ssh-keygen -t; passphrase may be NULL. `let_in`: into authorized_keys. */
const char *sshd_key(sshd *s, const char *name, const char *type, const char *passphrase,
                     bool let_in);

/* Blocks until `text` has been logged `count` times; the test fails when it takes a minute. */
void sshd_wait_log(sshd *s, const char *text, size_t count);
size_t sshd_count_log(sshd *s, const char *text);

/* kill -9 of all processes that serve connections; how many there were. */
size_t sshd_kill_sessions(sshd *s);

/* Runs a program to its end, with its output thrown away; its status. */
int sshd_run(const char *const *argv);

#endif
