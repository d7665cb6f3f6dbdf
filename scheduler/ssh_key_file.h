/* ssh_key_file.h: what a private key's file says about itself without its passphrase: the public half,
 * and whether there is a passphrase. Used by transport_libssh2_login.c to match files with an agent's
 * keys and to leave out what cannot work, and by ssh_key_kind.c. */
#ifndef RDD_SSH_KEY_FILE_H
#define RDD_SSH_KEY_FILE_H

#include "base.h"

enum { SSH_KEY_BLOB_MAX = 16 << 10, SSH_KEY_FILE_MAX = 64 << 10 };

typedef struct ssh_key_file {
    bool readable;    /* it can be opened, and is a private key of a kind we know */
    bool encrypted;
    char type[64];    /* "ssh-ed25519"; "" when it is not known */
    size_t blob_size; /* 0: not known */
    unsigned char blob[SSH_KEY_BLOB_MAX];
} ssh_key_file;

/* Its text as far as it fits, with a NUL behind; how much that is, 0 when there is none to be read. */
size_t ssh_key_file_text(const char *path, char *text, size_t size);

/* What the text of a private key says; *ret begins as all zeros. */
void ssh_key_file_parse(const char *text, ssh_key_file *ret);

/* Reads `path`, and `path`.pub when the file itself does not have the public half in the clear; `path` may
 * be that of the .pub alone. */
void ssh_key_file_read(const char *path, ssh_key_file *ret);

#endif
