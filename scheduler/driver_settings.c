/* driver_settings.c: see driver_settings.h. */
#include "driver_settings.h"

#include "clock.h"
#include "conf.h"

bool driver_is_elastic(const rdd_context *ctx)
{
    return ctx->master.kind != MASTER_LOCAL && conf_int("executors.max") > 0;
}

static uint64_t conf_ns(const char *key)
{
    return (uint64_t)conf_int(key) * NS_PER_MS;
}

static uint32_t conf_u32(const char *key)
{
    return (uint32_t)u64_min((uint64_t)conf_int(key), UINT32_MAX);
}

scheduler_conf driver_scheduler_conf(const rdd_context *ctx)
{
    scheduler_conf conf = scheduler_conf_default();
    conf.attempts_max = conf_u32("task.attempts_max");
    conf.nodes_wait_ns = conf_ns("nodes.wait");
    conf.exclude_ns = conf_ns("exclude.timeout");
    conf.exclude_failures = conf_u32("exclude.failures");
    conf.exclude_stages = conf_u32("exclude.stages");
    conf.locality_wait_ns = conf_ns("locality.wait");
    conf.fair = !strcmp(conf_text("scheduler.mode"), "fair");
    conf.pools = conf_text("scheduler.pools");
    conf.speculation = conf_bool("speculation");
    conf.speculation_side_effects = conf_bool("speculation.side_effects");
    conf.speculation_quantile = conf_u32("speculation.quantile");
    conf.speculation_multiplier = conf_u32("speculation.multiplier");
    conf.speculation_min_ns = conf_ns("speculation.min");
    conf.executor_names = ctx->master.names;
    conf.executors_expected = driver_is_elastic(ctx) ? 0 : ctx->master.executors;
    if (driver_is_elastic(ctx)) {
        conf.executors_max = conf_u32("executors.max");
        conf.executors_min = (uint32_t)size_min(conf_u32("executors.min"), conf.executors_max);
        conf.executors_idle_ns = conf_ns("executors.idle");
        conf.executors_backlog_ns = conf_ns("executors.backlog");
    }
    if (ctx->master.kind == MASTER_LOCAL) /* there is no other executor to send its tasks to */
        conf.backoff_failures = UINT32_MAX;
    else /* its supervisor ends what does not end; this is for a supervisor that does not */
        conf.cancel_wait_ns =
            (uint64_t)(conf_int("task.kill_grace") + conf_int("executor.timeout")) * NS_PER_MS;
    return conf;
}

int driver_settings_check(rdd_error *err)
{
    if (!scheduler_pools_parse(conf_text("scheduler.pools")))
        return error_set(err, RDD_E_USAGE, "--conf scheduler.pools=%s: give words such as etl=1 or "
                         "web=3:2: a pool, its weight, and the slots it gets first",
                         conf_text("scheduler.pools"));
    if (conf_int("executors.max") && conf_int("executors.min") > conf_int("executors.max"))
        return error_set(err, RDD_E_USAGE, "--conf executors.min=%lld is more than executors.max",
                         (long long)conf_int("executors.min"));
    return 0;
}
