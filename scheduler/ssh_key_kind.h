/* ssh_key_kind.h: what kind of key a file holds, from its first bytes; for ssh_target.c.
 *
 * Nothing is decrypted and no private part is looked at: OpenSSH's files have the public key in
 * clear, as does the .pub file beside them.
 */
#ifndef RDD_SSH_KEY_KIND_H
#define RDD_SSH_KEY_KIND_H

#include "base.h"

typedef enum ssh_key_kind {
    SSH_KEY_UNKNOWN, /* no key, or a format that does not say */
    SSH_KEY_RSA,
    SSH_KEY_ECDSA,
    SSH_KEY_ED25519,
    SSH_KEY_SECURITY, /* sk-*: in a token that has to be touched */
    SSH_KEY_DSA,
} ssh_key_kind;

typedef struct ssh_key_look {
    ssh_key_kind kind;
    bool certificate; /* it, or a -cert.pub beside it, is one */
} ssh_key_look;

/* `path`: of a private key or of a public one. */
ssh_key_look ssh_key_look_at(const char *path);

#endif
