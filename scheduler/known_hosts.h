/* known_hosts.h: which host keys the user trusts: our own reader of OpenSSH's known_hosts files.
 *
 * Used by transport_libssh2.c, as libssh2's own reader gives up at the first line it does not know,
 * compares names byte by byte, and takes a bare host's key for one of host:2222. The ssh program
 * reads the files itself.
 *
 * All of the format: lists, patterns (* ? !), [host]:port, hashed names, @revoked, @cert-authority,
 * comments. Lines that make no sense are skipped and counted, never an error. What was loaded does
 * not change any more, so threads may share it.
 *
 * A name is looked up as the user's configuration has it: its HostKeyAlias with port 0, or else
 * what is connected to with its port. Upper and lower case are the same.
 */
#ifndef RDD_KNOWN_HOSTS_H
#define RDD_KNOWN_HOSTS_H

#include "error.h"

typedef struct known_hosts known_hosts;

/* Reads the files, in order; those that do not exist are empty. One that cannot be read is empty
 * too, and known_hosts_trouble() names it. */
int known_hosts_load(known_hosts **ret, const char *const *paths, size_t count, rdd_error *err);
void *known_hosts_free(known_hosts *k);

size_t known_hosts_skipped(const known_hosts *k);       /* lines that made no sense */
const char *known_hosts_trouble(const known_hosts *k);  /* "PATH: why", of the first; NULL: none */

typedef enum known_host_result {
    KNOWN_HOST_UNKNOWN, /* no key of this type is stored for it */
    KNOWN_HOST_MATCH,   /* also when only the bare name has it, whatever the port */
    KNOWN_HOST_CHANGED, /* another key of this type is stored for it */
    KNOWN_HOST_REVOKED,
} known_host_result;

/* A line of a file; file is NULL for none. */
typedef struct known_host_place {
    const char *file; /* lives as long as the known_hosts */
    uint32_t line;
} known_host_place;

typedef struct known_host_answer {
    known_host_result result;
    known_host_place place;     /* of the line that made the result what it is */
    known_host_place other;     /* unknown: a key of another type is stored, so it is no new host */
    known_host_place authority; /* a @cert-authority vouches for the host: needs the ssh program */
} known_host_answer;

/* `key` is the blob that the server sent: its type is in it. A host that is known by the bare name
 * only does not make [host]:port changed, only match. accept-new must not take a host with `other`:
 * who can choose the type could pass as it. */
known_host_answer known_hosts_check(const known_hosts *k, const char *host, uint16_t port,
                                    const void *key, size_t key_size);

/* Key types, as bits. ssh-rsa is also what rsa-sha2-256 and -512 use. */
typedef enum host_key_type {
    HOST_KEY_ED25519 = 1,
    HOST_KEY_ECDSA_256 = 2,
    HOST_KEY_ECDSA_384 = 4,
    HOST_KEY_ECDSA_521 = 8,
    HOST_KEY_RSA = 16,
    HOST_KEY_OTHER = 32, /* sk-*, ssh-dss, what is yet to come */
} host_key_type;

/* Those stored for a host (revoked ones and authorities left out), for the order of methods in the
 * key exchange: a server that has several must show one that can be compared. 0: none. */
unsigned known_hosts_types(const known_hosts *k, const char *host, uint16_t port);

/* Whether a @cert-authority vouches for it. */
bool known_hosts_authority(const known_hosts *k, const char *host, uint16_t port);

/* The same as a list for the key exchange, the stored types first, then the rest:
 * "ecdsa-sha2-nistp256,ssh-ed25519,…". `rsa` is how RSA is to be called in it ("ssh-rsa", or
 * "rsa-sha2-512,rsa-sha2-256,ssh-rsa"; NULL: the library cannot do it). Returns `text`. */
char *known_hosts_methods(const known_hosts *k, const char *host, uint16_t port, const char *rsa,
                          char *text, size_t size);

/* Adds a line for a host whose key was never seen (accept-new), under a lock, all of it or nothing;
 * makes ~/.ssh (0700) and the file (0600) when need be. When the file has got the key by now, that
 * is fine; when it has got another one, it is an error. `hash_name`: as HashKnownHosts says. */
int known_hosts_append(const char *path, const char *host, uint16_t port, const void *key,
                       size_t key_size, bool hash_name, rdd_error *err);

enum { HOST_KEY_FINGERPRINT_MAX = 64, HOST_KEY_TYPE_MAX = 64, HOST_KEY_SIZE_MAX = 64 << 10 };

/* "SHA256:…" as ssh-keygen -l prints it. Returns `text`. */
char *host_key_fingerprint(const void *key, size_t key_size, char text[HOST_KEY_FINGERPRINT_MAX]);

/* The blob's type, "ssh-ed25519"; false when it is no key at all. */
bool host_key_type_name(const void *key, size_t key_size, char text[HOST_KEY_TYPE_MAX]);

#endif
