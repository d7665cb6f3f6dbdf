/* actions_number.c: count, sum, mean, stats, histogram: numbers that come back as a few bytes from
 * each partition. */
#include "actions.h"

#include "block.h"
#include "number_parts.h"
#include "transformations.h"
#include "type.h"

#include <math.h>

int64_t(rdd_count)(rdd *r, rdd_options options)
{
    action act = { .kind = ACTION_COUNT };
    job_results parts;
    int64_t count = 0;
    if (!context_there(r, "rdd_count", options.site_) || action_run(r, &act, &options, &parts) < 0)
        return 0;
    for (size_t i = 0; i < parts.count; i++) {
        rdd_str bytes = job_part_bytes(&parts.parts[i]);
        reader in = reader_over(bytes.data, bytes.size);
        count += (int64_t)reader_u64(&in);
    }
    job_results_release(&parts);
    return count;
}

static bool must_be_numbers(rdd *r, const char *call, const char *site)
{
    if (!context_there(r, call, site))
        return false;
    if (type_is_number(r->type))
        return true;
    CLEANUP(buf_release) buf has = { 0 };
    type_describe(r->type, &has);
    const char *text = buf_terminate(&has);
    action_fail(r->ctx, RDD_E_TYPE, call, site, "wants numbers, but the elements are %s",
                text ? text : "?");
    return false;
}

/* ---- sum ------------------------------------------------------------------------------------ */

static bool is_real(const rdd_type *t)
{
    return t->kind == RDD_KIND_FLOAT || t->kind == RDD_KIND_DOUBLE;
}

/* The sum as what was asked for; false when it does not fit. */
static bool sum_as(const sum_part *sum, const rdd_type *type, void *ret)
{
    switch (type->kind) {
    case RDD_KIND_DOUBLE: {
        double value = (double)sum->whole + (sum->real + sum->compensation);
        if (isnan(value) && !isnan(sum->real)) /* infinities: the compensation is of no use */
            value = (double)sum->whole + sum->real;
        memcpy(ret, &value, sizeof value);
        return true;
    }
    case RDD_KIND_I64: {
        int64_t value = (int64_t)sum->whole;
        memcpy(ret, &value, sizeof value);
        return sum->whole >= INT64_MIN && sum->whole <= INT64_MAX;
    }
    case RDD_KIND_U64: {
        uint64_t value = (uint64_t)sum->whole;
        memcpy(ret, &value, sizeof value);
        return sum->whole >= 0 && sum->whole <= (__int128)UINT64_MAX;
    }
    default: return false;
    }
}

int(rdd_sum)(rdd *r, const rdd_type *type, void *ret, rdd_options options)
{
    action act = { .kind = ACTION_SUM };
    if (!must_be_numbers(r, "rdd_sum", options.site_))
        return RDD_E_TYPE;
    bool whole = type->kind == RDD_KIND_I64 || type->kind == RDD_KIND_U64;
    if ((!whole && type->kind != RDD_KIND_DOUBLE) || (whole && is_real(r->type)))
        return action_fail(r->ctx, RDD_E_TYPE, "rdd_sum", options.site_,
                           "a sum of %s as %s: ask for int64_t or uint64_t (of integers) or double",
                           r->type->name, type->name);
    job_results parts;
    int code = action_run(r, &act, &options, &parts);
    if (code < 0)
        return code;
    sum_part sum = { 0 };
    for (size_t i = 0; i < parts.count; i++) {
        sum_part part;
        rdd_str bytes = job_part_bytes(&parts.parts[i]);
        reader in = reader_over(bytes.data, bytes.size);
        sum_part_decode(&in, &part);
        sum.whole += part.whole;
        sum_part_add_real(&sum, part.real);
        sum.compensation += part.compensation;
    }
    job_results_release(&parts);
    if (sum_as(&sum, type, ret))
        return 0;
    memset(ret, 0, type->size);
    return action_fail(r->ctx, RDD_E_LIMIT, "rdd_sum", options.site_,
                       "the sum does not fit in %s: ask for a double", type->name);
}

/* ---- stats, mean ---------------------------------------------------------------------------- */

static int run_stats(rdd *r, const rdd_options *options, stats_part *ret)
{
    action act = { .kind = ACTION_STATS };
    job_results parts;
    int code = action_run(r, &act, options, &parts);
    if (code < 0)
        return code;
    *ret = (stats_part){ .count = 0 };
    for (size_t i = 0; i < parts.count; i++) {
        stats_part part;
        rdd_str bytes = job_part_bytes(&parts.parts[i]);
        reader in = reader_over(bytes.data, bytes.size);
        stats_part_decode(&in, &part);
        stats_part_merge(ret, &part);
    }
    job_results_release(&parts);
    return 0;
}

static rdd_statistics statistics_of(const stats_part *s)
{
    rdd_statistics ret = { .count = s->count, .mean = NAN, .min = NAN, .max = NAN };
    ret.variance = ret.stdev = ret.sample_variance = ret.sample_stdev = NAN;
    sum_as(&s->sum, RDD_TYPE(double), &ret.sum);
    if (!s->count)
        return ret;
    ret.mean = s->mean;
    if (s->min <= s->max) { /* not when there was nothing but NaN */
        ret.min = s->min;
        ret.max = s->max;
    }
    ret.variance = s->squares / (double)s->count;
    ret.stdev = sqrt(ret.variance);
    if (s->count > 1) {
        ret.sample_variance = s->squares / (double)(s->count - 1);
        ret.sample_stdev = sqrt(ret.sample_variance);
    }
    return ret;
}

rdd_statistics(rdd_stats)(rdd *r, rdd_options options)
{
    stats_part s, none = { .count = 0 };
    if (!must_be_numbers(r, "rdd_stats", options.site_) || run_stats(r, &options, &s) < 0)
        return statistics_of(&none);
    return statistics_of(&s);
}

double(rdd_mean)(rdd *r, rdd_options options)
{
    stats_part s;
    if (!must_be_numbers(r, "rdd_mean", options.site_) || run_stats(r, &options, &s) < 0)
        return 0;
    if (!s.count) {
        action_fail(r->ctx, RDD_E_INPUT, "rdd_mean", options.site_, "the RDD is empty");
        return 0;
    }
    return s.mean;
}

/* ---- histogram ------------------------------------------------------------------------------ */

static int run_histogram(rdd *r, const double *edges, size_t buckets, int64_t *ret_counts,
                         const rdd_options *options)
{
    action act = { .kind = ACTION_HISTOGRAM };
    CLEANUP(buf_release) buf bytes = { 0 };
    rdd_error err;
    if (block_encode(RDD_TYPE(double), edges, buckets + 1, &bytes, &err) < 0)
        return context_fail(r->ctx, &err);
    act.zero = (rdd_str){ bytes.size, bytes.data };
    job_results parts;
    int code = action_run(r, &act, options, &parts);
    if (code < 0)
        return code;
    for (size_t i = 0; i < parts.count; i++) {
        rdd_str part = job_part_bytes(&parts.parts[i]);
        reader in = reader_over(part.data, part.size);
        for (size_t k = 0; k < buckets; k++)
            ret_counts[k] += (int64_t)reader_u64(&in);
    }
    job_results_release(&parts);
    return 0;
}

int(rdd_histogram)(rdd *r, const double *edges, size_t buckets, int64_t *ret_counts,
                   rdd_options options)
{
    if (ret_counts)
        memset(ret_counts, 0, buckets * sizeof *ret_counts);
    if (!must_be_numbers(r, "rdd_histogram", options.site_))
        return RDD_E_TYPE;
    if (!edges || !ret_counts)
        return action_fail(r->ctx, RDD_E_USAGE, "rdd_histogram", options.site_,
                           "%s is NULL", edges ? "ret_counts" : "edges");
    bool ok = buckets >= 1 && buckets <= 1000000;
    for (size_t i = 0; ok && i < buckets; i++)
        ok = edges[i] < edges[i + 1];
    if (!ok)
        return action_fail(r->ctx, RDD_E_USAGE, "rdd_histogram", options.site_,
                           "give 1 to 1000000 buckets and rising edges");
    return run_histogram(r, edges, buckets, ret_counts, &options);
}

int(rdd_histogram_even)(rdd *r, size_t buckets, double *ret_edges, int64_t *ret_counts,
                        rdd_options options)
{
    if (ret_counts)
        memset(ret_counts, 0, buckets * sizeof *ret_counts);
    if (ret_edges)
        memset(ret_edges, 0, (buckets + 1) * sizeof *ret_edges);
    if (!must_be_numbers(r, "rdd_histogram_even", options.site_))
        return RDD_E_TYPE;
    if (!ret_edges || !ret_counts)
        return action_fail(r->ctx, RDD_E_USAGE, "rdd_histogram_even", options.site_,
                           "%s is NULL", ret_edges ? "ret_counts" : "ret_edges");
    if (buckets < 1 || buckets > 1000000)
        return action_fail(r->ctx, RDD_E_USAGE, "rdd_histogram_even", options.site_,
                           "give 1 to 1000000 buckets");
    stats_part s;
    int code = run_stats(r, &options, &s);
    if (code < 0)
        return code;
    if (!s.count || !isfinite(s.min) || !isfinite(s.max))
        return action_fail(r->ctx, RDD_E_INPUT, "rdd_histogram_even", options.site_,
                           "%s", s.count ? "the numbers are not finite" : "the RDD is empty");
    double width = s.max - s.min;
    for (size_t i = 0; i < buckets; i++) {
        double part = (double)i / (double)buckets;
        ret_edges[i] = isfinite(width) ? s.min + width * part : s.min * (1 - part) + s.max * part;
    }
    ret_edges[buckets] = s.max;
    return run_histogram(r, ret_edges, buckets, ret_counts, &options);
}

/* ---- zip_with_index ------------------------------------------------------------------------- */

int prepare_first_indexes(rdd *r, rdd_error *err)
{
    rdd *parent = r->parents[0];
    size_t n = (size_t)parent->partitions;
    CLEANUP(freep) rdd_str *payloads = calloc(n ? n : 1, sizeof *payloads);
    if (!payloads)
        return error_set_memory(err, "numbering elements");
    job_results parts = { 0 };
    if (n > 1) { /* the last partition's count is not needed */
        action act = { .kind = ACTION_COUNT };
        job_options job = { .name = "zip_with_index", .site = r->site, .count = (int64_t)n - 1 };
        int code = job_run(parent, &act, &job, &parts, err);
        if (code < 0)
            return code;
    }
    uint64_t first = 0;
    int code = 0;
    for (size_t p = 0; p < n && code == 0; p++) {
        CLEANUP(buf_release) buf bytes = { 0 };
        buf_u64(&bytes, first);
        payloads[p] = (rdd_str){ bytes.size, context_copy(r->ctx, bytes.data, bytes.size) };
        if (!payloads[p].data)
            code = error_set_memory(err, "numbering elements");
        if (p + 1 < n) {
            rdd_str part = job_part_bytes(&parts.parts[p]);
            reader in = reader_over(part.data, part.size);
            first += reader_u64(&in);
        }
    }
    job_results_release(&parts);
    r->payloads = code == 0 ? context_copy(r->ctx, payloads, n * sizeof *payloads) : NULL;
    return r->payloads ? 0 : error_set_memory(err, "numbering elements");
}
