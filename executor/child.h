/* child.h: what all our child processes have in common: descriptors, signals, their end.
 *
 * Used wherever a program is started to be spoken to: executors (scheduler/executor_spawn.c), workers
 * (supervisor_loop.c), the ssh program (scheduler/ssh_program.c, ssh_config.c).
 */
#ifndef RDD_CHILD_H
#define RDD_CHILD_H

#include "base.h"

#include <spawn.h>
#include <sys/types.h>

/* The standard descriptors, which a program may have closed: ours stay clear of them. */
enum { CHILD_FD_LEAST = 3 };

/* The same descriptor as a number of at least `least`; `fd` is closed if it was lower. -1 stays -1. */
int child_fd_high(int fd, int least);

/* A new pair, both ends at least `least` and closed on exec: [0] is ours and does not block, [1] the
 * child's. `buffer`: how much the socket is to hold each way, as far as the system allows; 0: as it
 * comes. 0, or -1 and errno; what was opened stays in `fds`, which begin as -1. */
int child_socket(int fds[2], int least, int buffer);
int child_pipe(int fds[2], int least); /* [0] is read */

/* Signals as a program expects them, whatever this thread has blocked or ignored. `more`: further
 * flags, such as POSIX_SPAWN_SETSID. To be destroyed. */
void child_attributes(posix_spawnattr_t *how, short more);

/* Whether the child is still ours to wait for: a program may reap all children, or ignore SIGCHLD. */
bool child_is_ours(pid_t pid, bool *ret_ended);

/* A descriptor that is readable when the child has ended; -1 where there is none: then look again
 * every CHILD_LOOK_MS. */
enum { CHILD_LOOK_MS = 5 };
int child_pidfd(pid_t pid);

/* Kills the child, which is ours, with its process group, and reaps it. True and its status, unless
 * somebody else was quicker. */
bool child_kill(pid_t pid, int *ret_status);

#endif
