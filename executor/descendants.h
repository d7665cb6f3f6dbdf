/* descendants.h: ending everything below this process.
 *
 * A supervisor is a child subreaper: what its workers leave behind, also in a session of its own,
 * becomes its child when its parent ends. Only processes below this one are ever signalled.
 */
#ifndef RDD_DESCENDANTS_H
#define RDD_DESCENDANTS_H

#include "base.h"

#include <sys/types.h>

/* From now on orphans below this process become its children. */
int descendants_adopt(void);

/* Kills the children of this process that are not among `keep`: orphans of a worker that died. */
void descendants_kill_orphans(const pid_t *keep, size_t keep_count);

/* Kills and reaps until no child is left, for at most `timeout_ns`. SIGCHLD must be blocked. True
 * when none is left. */
bool descendants_kill_all(uint64_t timeout_ns);

#endif
