/* interrupt.h: ^C, SIGTERM and SIGHUP: the first cancels all jobs, cleans up and lets the program end
 * with 130 (143, 129); the second ends it at once, but for one that comes right behind: timeout(1) and
 * shells send the same twice. */
#ifndef RDD_INTERRUPT_H
#define RDD_INTERRUPT_H

#include "context.h"

/* Begins to watch, for the context whose driver has started. A handler that the program installed
 * itself is left alone. */
void interrupt_begin(rdd_context *ctx, struct driver *d);

/* Before the context's driver ends. */
void interrupt_end(const rdd_context *ctx);

/* 130, 143 or 129. */
int interrupt_status(void);

#endif
