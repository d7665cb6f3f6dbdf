/* driver_nodes.h: the driver's executors by --master: threads, processes, nodes; and a hosts file that
 * changes while jobs run. Inside of driver.c.
 */
#ifndef RDD_DRIVER_NODES_H
#define RDD_DRIVER_NODES_H

#include "backend_executors.h"
#include "call_journal.h"
#include "context.h"
#include "progress.h"

typedef struct driver_nodes driver_nodes;

/* The backend that the context's master asks for, not started. *ret_nodes: what must outlive it;
 * NULL where there is nothing. Lines and notes go to `p`. */
int driver_nodes_open(backend **ret, driver_nodes **ret_nodes, rdd_context *ctx, progress *p,
                      call_journal *journal, rdd_error *err);

/* After the backend was started: hosts of a file come and go from now on. */
int driver_nodes_watch(driver_nodes *n, rdd_error *err);

/* The number of the executor on a host that is named as in --master or in messages; EXECUTOR_ANY when
 * there is none. From any thread. */
uint32_t driver_nodes_find(driver_nodes *n, const char *name);

/* Before the backend stops; NULL is fine. */
void driver_nodes_unwatch(driver_nodes *n);
void *driver_nodes_free(driver_nodes *n);

#endif
