/* deploy.h: from a shell on a node that has nothing to a running executor, over one channel.
 *
 * deploy_command() is what to exec on the node: one line, wrapped so that any login shell takes it.
 * It starts the program at once if the node's cache has it; otherwise it says what the node is and
 * what is missing, takes the missing files from its standard input, installs them atomically, and
 * starts the program. Whatever a login shell prints before is skipped up to a nonce.
 *
 * (state, bytes) -> bytes: no threads, no clock; of descriptors only the bundle's files. One of
 * these serves one start. The other end is deploy_script.c; docs/protocol.md has what they say.
 */
#ifndef RDD_DEPLOY_H
#define RDD_DEPLOY_H

#include "bundle.h"

typedef struct deploy deploy;

typedef struct deploy_options {
    const char *label;   /* the host, for messages; copied */
    const char *workdir; /* on the node, absolute; NULL: in the cache directory; copied */
    const bundle *files; /* for the tasks' directory; NULL: none. Outlives the deploy */
    uint64_t nonce;      /* of this start alone: no other, on any node, may have the same */
    bool reinstall;      /* do not believe what is in the cache: it was stale at HELLO, or started and
                          * said nothing */
    unsigned silence_s;  /* after which an installation is given up there; 0: a little more than a driver
                          * waits */
} deploy_options;

typedef enum deploy_step {
    DEPLOY_SHELL,   /* waiting for the nonce */
    DEPLOY_PROBE,   /* the node is known: machine, directory; what it has is not yet */
    DEPLOY_UPLOAD,
    DEPLOY_START,   /* all is sent, and the program was told to start */
    DEPLOY_STARTED, /* what comes now is the executor's */
} deploy_step;

/* `b` outlives it. */
int deploy_new(deploy **ret, const bundle *b, const deploy_options *options, rdd_error *err);
void *deploy_free(deploy *d);

const char *deploy_command(const deploy *d);
deploy_step deploy_at(const deploy *d);
uint64_t deploy_uploaded(const deploy *d); /* bytes of files sent; 0 for a warm start */
const char *deploy_directory(const deploy *d); /* the node's cache; "" while it is not known */

/* Bytes came from the node. Negative: it failed, in one line with host, step and fix. *ret_used:
 * less than `size` only when it is DEPLOY_STARTED: the rest are the executor's. */
int deploy_input(deploy *d, const char *bytes, size_t size, size_t *ret_used, rdd_error *err);

/* What to write next, NULL when there is nothing; the caller says how much of it was written.
 * Negative *ret_code: a file of the bundle could not be read. */
const char *deploy_output(deploy *d, size_t *ret_size, int *ret_code, rdd_error *err);
void deploy_wrote(deploy *d, size_t size);

/* The stream ended before DEPLOY_STARTED: why, from what came, what was said on stderr, and how the
 * command ended. */
void deploy_ended(const deploy *d, rdd_str said, const char *how, rdd_error *ret);

/* The command that removes the caches of this user on a node, but not what a running executor uses.
 * Prints a line for each directory, for people. Static. */
const char *deploy_clean_command(void);

#endif
