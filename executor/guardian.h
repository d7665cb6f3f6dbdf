/* guardian.h: the process above a supervisor, which ends what the supervisor cannot end any more.
 *
 * A supervisor that is killed leaves processes behind that user code put into sessions of their own:
 * the kernel ends its workers, and nobody ends the rest. So the process that is started as an
 * executor forks, before it has any thread or has run any code of the program: the child goes on as
 * the supervisor, the parent is its guardian. The guardian is a child subreaper, holds none of the
 * channel, runs no code but its own and never leaves guardian_begin(): it waits for the supervisor,
 * kills everything that is left below itself, and ends as the supervisor did, by the same signal or
 * with the same status.
 *
 * SIGTERM, SIGINT and SIGHUP, and the end of the guardian's parent, are handed on to the supervisor,
 * which is killed when it does not end; SIGQUIT kills it at once. A supervisor whose guardian is
 * killed gets GUARDIAN_GONE and ends all that is below it itself.
 */
#ifndef RDD_GUARDIAN_H
#define RDD_GUARDIAN_H

#include <signal.h>

enum { GUARDIAN_GONE = SIGUSR2 };

/* Called once, when nothing else has run in this process. Returns in the supervisor, which is in the
 * guardian's session and process group, and only there. When no process can be made, the caller goes
 * on without a guardian, in a session of its own all the same. */
void guardian_begin(void);

#endif
