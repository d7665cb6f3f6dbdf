/* ssh_kexinit.h: what a server says first: its version, and the algorithms that it takes.
 *
 * Both come in the clear. transport_libssh2.c keeps the first bytes of a connection, so that a key
 * exchange that fails can name what both sides have. Bytes to plain data; nothing is trusted.
 */
#ifndef RDD_SSH_KEXINIT_H
#define RDD_SSH_KEXINIT_H

#include "rdd.h"

#include <stddef.h>

typedef struct ssh_kexinit {
    rdd_str line; /* the last line before the first packet: "SSH-2.0-…", or what came instead of it */
    bool greeted; /* it is a version */
    bool has_lists;
    rdd_str kex, host_key, cipher, mac; /* names with commas between; to the client */
} ssh_kexinit;

/* The views point into `bytes`. */
void ssh_kexinit_read(const void *bytes, size_t size, ssh_kexinit *ret);

/* Whether a list has a name of another one. */
bool ssh_kexinit_share(rdd_str list, const char *other);

#endif
