/* deploy_script.h: the shell script that deploying runs on a node. For deploy.c alone.
 *
 * A node's commands may be coreutils or busybox, its sh any POSIX one. The script is one line in
 * single quotes, so that login shells as far apart as fish and csh hand it to sh as it is: it has no
 * single quote, no backslash, no newline, and no exclamation mark but before a blank (csh: history).
 *
 * It prints lines that begin with the nonce, "NONCE WORD …":
 *     start DIR              what follows is the executor's
 *     need MACHINE DIR       it reads commands now
 *     miss HASH              the answer to "f"
 *     end                    the answer to "q"
 *     fail WORD TEXT         and ends
 * and reads, one a line:
 *     f HASH                 is there such a file?
 *     q
 *     t HASH SIZE COUNT      COUNT blocks of SIZE bytes follow, they go behind what there is of it
 *     m                      move what was taken to where it belongs
 *     d HASH                 make a bundle's directory
 *     l HASH NAME            that has this file
 *     p HASH                 and publish it
 *     g                      begin again, which should find everything and start
 *
 * In the cache directory: files/HASH; bundles/HASH/NAME, links to them; use/NONCE, one for each start
 * (whose process is the one that the file names; executor/node_cache.h locks it); tmp-NONCE, where an
 * installation is made; work/.
 */
#ifndef RDD_DEPLOY_SCRIPT_H
#define RDD_DEPLOY_SCRIPT_H

#include "buf.h"

typedef struct deploy_script {
    const char *nonce;   /* 16 digits */
    const char *machine;
    const char *program; /* hash of the program's bundle */
    const char *argv0;
    const char *files;   /* hash of the user's files; NULL: none */
    const char *workdir; /* NULL: in the cache */
    bool has_loader;
    bool reinstall;
    unsigned silence_s;  /* an installation ends when nothing came for so long */
} deploy_script;

/* All of the texts are plain: letters that mean nothing to a shell in double quotes. */
void deploy_script_write(buf *b, const deploy_script *script);

#endif
