/* ssh_target.h: a host with everything that is needed to reach it, resolved.
 *
 * Names, ports, users, identities, jump hosts and known_hosts files come from the user's ssh
 * configuration: `ssh -G` tells, where there is an ssh; without one, OpenSSH's defaults hold. What
 * the hosts grammar or --conf ssh.* says goes before.
 */
#ifndef RDD_SSH_TARGET_H
#define RDD_SSH_TARGET_H

#include "arena.h"
#include "hosts.h"

typedef enum ssh_host_key_policy {
    SSH_HOST_KEY_YES,        /* must be known */
    SSH_HOST_KEY_ACCEPT_NEW, /* one that was never seen is written down; a changed one is refused */
} ssh_host_key_policy;

typedef struct ssh_text_list {
    const char **items;
    size_t count;
} ssh_text_list;

typedef struct ssh_target {
    const char *label;          /* host_describe(), for messages */
    const char *alias;          /* what the user wrote: what the ssh program is called with */
    const char *host_name;      /* what to connect to */
    const char *host_key_alias; /* what known_hosts calls it; NULL: host_name (with the port) */
    const char *user;
    uint16_t port;
    ssh_text_list identities;   /* files that exist, in order; one that ends in ".pub" is a public
                                 * key whose private one is the agent's */
    ssh_text_list known_hosts;  /* user's first, then the system's; they need not exist */
    bool identities_only;
    const char *agent;          /* socket; NULL: none */
    const char *proxy_jump;     /* NULL: none */
    const char *proxy_command;  /* NULL: none */
    const char *jump_known_hosts;  /* --conf ssh.known_hosts, for the jump hosts; NULL: their own */
    ssh_text_list jump_identities; /* --conf ssh.identity and then those of the jump hosts; none: their own */
    bool has_certificates;      /* CertificateFile, or a -cert.pub beside an identity */
    bool has_security_key;      /* an identity is sk-* */
    bool only_rsa;              /* all identities that are files are RSA, and there is no agent */
    const char *revoked_host_keys; /* a file, which ssh reads and libssh2 does not; NULL: none */
    ssh_host_key_policy host_key;
    bool host_key_no;           /* the configuration would take any key, which is not followed */
    bool hash_known_hosts;      /* how a new host is written down */
    uint64_t connect_timeout_ms;
    bool has_session_type;      /* this ssh has SessionType, StdinNull, ForkAfterAuthentication (8.7) */
    const char *config_file;    /* --conf ssh.config: what ssh -F takes; NULL: the user's own */
} ssh_target;

/* Blocks while `ssh -G` runs (10 s at most). Everything lives in `a`. `h` is not ":". From any
 * thread. A failure is one line, with the host and what to do. */
int ssh_target_resolve(const host *h, arena *a, ssh_target *ret, rdd_error *err);

#endif
