/* node_cache.h: what deploying keeps on a node, seen from the executor that it started.
 *
 * scheduler/deploy_script.h has the layout. A start claims what it uses with a file use/NUMBER that
 * says "BUNDLE FILES HOST PID"; its executor holds a lock on it, so that a claim is dead when its
 * process is gone and nobody has the lock. The bundles that were used last are kept, and all that is
 * claimed. Nothing here depends on the node's clock being right, only on the file system's own order.
 */
#ifndef RDD_NODE_CACHE_H
#define RDD_NODE_CACHE_H

#include "error.h"

enum { NODE_CACHE_KEEP = 8 };

typedef struct node_cache {
    char *path;   /* NULL: this process was not deployed */
    char *claim;  /* path of the file */
    int claim_fd;
} node_cache;

/* Takes over the claim that this process was started with, and marks its bundles (names in
 * bundles/) as used now. */
int node_cache_open(node_cache *ret, const char *path, const char *start, const char *bundle,
                    const char *files, rdd_error *err);

/* Removes all but the `keep` bundles that were used last, files without a bundle, and what dead
 * starts left. From any thread. Ends early when *stop becomes true. */
void node_cache_prune(const node_cache *c, size_t keep, const _Atomic bool *stop);

/* Gives the claim up. Accepts one that is all zeros. */
void node_cache_close(node_cache *c);

#endif
