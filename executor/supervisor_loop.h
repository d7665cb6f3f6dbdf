/* supervisor_loop.h: the loop around a supervisor: descriptors, processes, signals. */
#ifndef RDD_SUPERVISOR_LOOP_H
#define RDD_SUPERVISOR_LOOP_H

#include "base.h"

/* The whole life of an executor: speaks to the driver over these two descriptors and ends with
 * everything below it ended. The process's exit status: 0 when all went well. */
int supervisor_main(int in_fd, int out_fd);

#endif
