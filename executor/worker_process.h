/* worker_process.h: the process that runs user code: one thread that talks to the supervisor, and
 * one for each slot.
 *
 * Tasks wait in one queue that all slots take from. A slot leaves its outcome where the talking
 * thread finds it and goes on; the talking thread writes many at once.
 */
#ifndef RDD_WORKER_PROCESS_H
#define RDD_WORKER_PROCESS_H

#include "base.h"

/* What a worker is born with. */
enum { WORKER_CHANNEL_FD = 3, WORKER_BOARD_FD = 4 };

/* The whole life of a worker. The process's exit status. */
int worker_main(int channel_fd, int board_fd);

#endif
