/* driver_settings.h: what --conf says about scheduling, for the scheduler. The driver calls it. */
#ifndef RDD_DRIVER_SETTINGS_H
#define RDD_DRIVER_SETTINGS_H

#include "context.h"
#include "scheduler.h"

/* Whether executors are started as tasks wait, and released. */
bool driver_is_elastic(const rdd_context *ctx);

scheduler_conf driver_scheduler_conf(const rdd_context *ctx);

/* What one setting alone does not show. */
int driver_settings_check(rdd_error *err);

#endif
