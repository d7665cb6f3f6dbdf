/* entry.h: how a program that links the library becomes an executor.
 *
 * The same executable is driver, supervisor and worker. It is started again by exec of itself with
 * one argument, "--rdd-supervisor" or "--rdd-worker=FD". A constructor sees that before main and
 * moves the descriptors of the protocol away, so that nothing the program prints reaches them;
 * rdd_init(), first in main, then calls executor_entry(), which never returns in such a process.
 *
 * A supervisor's channel is what it finds as descriptors 0 and 1. From the constructor on, 0 is
 * /dev/null and 1 is what 2 is. It is a child of the process that was started: guardian.h.
 */
#ifndef RDD_ENTRY_H
#define RDD_ENTRY_H

#include "error.h"

/* rdd_init() calls this first, after registry_seal(). Returns in a driver, and only there. */
void executor_entry(int *argc, char **argv);

/* Whether this process is an executor's, known before main. */
bool entry_is_executor(void);

/* The argument vector that starts this program again with `argument` as its only one, through the
 * program loader when this process was started through it. To be run as entry_exec_path(). Heap,
 * one block. */
char **entry_argv(const char *argument, rdd_error *err);
const char *entry_exec_path(void);

#endif
