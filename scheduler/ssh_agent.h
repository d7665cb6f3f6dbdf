/* ssh_agent.h: a client of the user's ssh-agent: which keys it has, and signatures with them.
 *
 * Used by transport_libssh2_login.c: libssh2's own client waits for an agent without end, and an
 * agent that asks its user may take long. Each call waits with start_wait(), so it can be cancelled
 * and has a deadline. An agent is a program of the user's; its answers are bounded and checked all
 * the same.
 */
#ifndef RDD_SSH_AGENT_H
#define RDD_SSH_AGENT_H

#include "transport_parts.h"

enum { SSH_AGENT_KEYS_MAX = 256, SSH_AGENT_ANSWER_MAX = 256 << 10 };

typedef struct ssh_agent_key {
    const unsigned char *blob; /* lives as long as the agent's answer */
    size_t size;
} ssh_agent_key;

typedef struct ssh_agent {
    int fd; /* -1: none */
    char *answer;
    ssh_agent_key keys[SSH_AGENT_KEYS_MAX];
    size_t count;
} ssh_agent;

/* Asks for the keys. Negative, with `err` saying why, when there is no agent; *a is then without
 * keys, and released. A start that is cancelled or late has that in s->err and returns it. */
int ssh_agent_open(ssh_agent *a, const char *path, transport_start *s, char *why, size_t why_size);
void ssh_agent_release(ssh_agent *a);

/* *ret: heap, the signature without the name of its kind, as libssh2 takes it. */
int ssh_agent_sign(ssh_agent *a, const ssh_agent_key *key, const void *data, size_t size,
                   transport_start *s, unsigned char **ret, size_t *ret_size);

#endif
