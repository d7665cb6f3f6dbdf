/* http_policy.c: what an operator's calls have to keep to, see http.h. The defaults are those of
 * --conf http.*, in conf.c and nowhere else. */
#include "conf.h"
#include "http.h"

static int64_t or_conf(int64_t given, const char *key, int64_t max)
{
    int64_t value = given > 0 ? given : conf_int(key);
    return value < max ? value : max;
}

void http_policy_init(http_policy *ret, const rdd_http_options *options)
{
    static const rdd_http_options none;
    const rdd_http_options *o = options ? options : &none;
    *ret = (http_policy){
        .timeout_ms = (int)or_conf(o->timeout_ms, "http.timeout", INT32_MAX),
        .connect_timeout_ms =
            (int)or_conf(o->connect_timeout_ms, "http.connect_timeout", INT32_MAX),
        .attempts_max = (int)or_conf(o->attempts_max, "http.attempts_max", INT32_MAX),
        .backoff_ms = (int)or_conf(0, "http.backoff", INT32_MAX),
        .backoff_max_ms = (int)or_conf(0, "http.backoff_max", INT32_MAX),
        .retry_after_max_ms = (int)or_conf(0, "http.retry_after_max", INT32_MAX),
        .elapsed_max_ms = or_conf(o->elapsed_max_ms, "http.elapsed_max", INT64_MAX / 2000000),
        .connections_per_host =
            (int)or_conf(o->connections_per_host, "http.connections_per_host", INT32_MAX),
        .redirects_max = (int)or_conf(0, "http.redirects_max", INT32_MAX),
        .response_max =
            (size_t)or_conf((int64_t)size_min(o->response_max, INT64_MAX), "http.response_max",
                            INT64_MAX),
    };
}

const char *http_policy_rate(const rdd_http_options *options)
{
    return options && options->rate ? options->rate : conf_text("http.rate");
}
