/* sources.c: the sources of rdd.h. Paths are expanded and files looked at when a source is declared,
 * so a missing file is an error there; what is read is read by tasks.
 *
 * Partition counts come from the size of the input alone, never from slots: see partitions_for(). */
#include "sources.h"

#include "block.h"
#include "conf.h"
#include "csv_scan.h"
#include "file_ranges.h"
#include "file_server.h"
#include "http_input.h"
#include "job.h"
#include "shared_paths.h"
#include "transformations.h"
#include "type.h"

#include <stdio.h>

enum { PARTITIONS_SMALL = 16 };

/* Small inputs: up to 16 partitions, so that a few hundred rows of slow calls use many slots. Large
 * ones: one for each `large` units. A function of the size only. */
static int64_t partitions_for(uint64_t size, uint64_t small, uint64_t large)
{
    uint64_t by_small = size / small + (size % small != 0);
    uint64_t by_large = size / large + (size % large != 0);
    uint64_t count = u64_max(1, u64_max(u64_min(by_small, PARTITIONS_SMALL), by_large));
    return (int64_t)u64_min(count, PARTITIONS_MAX);
}

/* ---- memory --------------------------------------------------------------------------------- */

rdd *(rdd_range)(rdd_context *ctx, int64_t first, int64_t last, rdd_range_options options)
{
    if (!context_there(ctx, "rdd_range", options.site_))
        return NULL;
    int64_t step = options.step ? options.step : 1;
    unsigned __int128 distance = 0, stride = 0;
    if (step > 0 && last > first) {
        distance = (unsigned __int128)((__int128)last - first);
        stride = (unsigned __int128)step;
    } else if (step < 0 && last < first) {
        distance = (unsigned __int128)((__int128)first - last);
        stride = (unsigned __int128)(-(__int128)step);
    }
    uint64_t count = stride ? (uint64_t)((distance + stride - 1) / stride) : 0;
    rdd *r = context_node(ctx, NODE_RANGE, RDD_TYPE(int64_t), options.site_, options.name);
    if (!r)
        return NULL;
    r->params.first = first;
    r->params.step = step;
    r->params.count = (int64_t)count;
    r->partitions = options.partitions ? options.partitions : partitions_for(count, 1024, 1 << 22);
    if (r->partitions < 1)
        return lineage_error(ctx, RDD_E_USAGE, "rdd_range", options.site_,
                             ".partitions = %lld: give 1 or more", (long long)options.partitions);
    return check_partitions(r, "rdd_range", r->partitions) ? r : NULL;
}

/* The hosts that partitions prefer, one for each. False when that failed, and then it was reported. */
static bool set_preferred(rdd *r, const rdd_source_options *o)
{
    rdd_error err;
    if (check_list("prefer", o->prefer, "prefer_count", o->prefer_count, &err) < 0)
        return lineage_error(r->ctx, RDD_E_USAGE, "rdd_parallelize", o->site_, "%s", err.message);
    if (o->prefer_count > (size_t)r->partitions)
        return lineage_error(r->ctx, RDD_E_USAGE, "rdd_parallelize", o->site_,
                             ".prefer_count = %zu: there are %lld partitions", o->prefer_count,
                             (long long)r->partitions);
    if (!o->prefer_count)
        return true;
    size_t n = (size_t)r->partitions;
    CLEANUP(freep) const char **hosts = calloc(n, sizeof *hosts);
    bool ok = hosts;
    for (size_t i = 0; ok && i < o->prefer_count; i++) {
        hosts[i] = o->prefer[i] ? context_text(r->ctx, o->prefer[i]) : NULL;
        ok = hosts[i] || !o->prefer[i];
    }
    r->preferred = ok ? context_copy(r->ctx, hosts, n * sizeof *hosts) : NULL;
    return r->preferred || lineage_error(r->ctx, RDD_E_MEMORY, "rdd_parallelize", o->site_, "out of memory");
}

rdd *(rdd_parallelize)(rdd_context *ctx, const rdd_type *type, const void *items, size_t count,
                       rdd_source_options options)
{
    if (!context_there(ctx, "rdd_parallelize", options.site_))
        return NULL;
    rdd_error err;
    if (type_check(type, &err) < 0)
        return lineage_error(ctx, err.code, "rdd_parallelize", options.site_, "%s", err.message);
    if (count && !items)
        return lineage_error(ctx, RDD_E_USAGE, "rdd_parallelize", options.site_,
                             "items is NULL, but count is %zu", count);
    rdd *r = context_node(ctx, NODE_ITEMS, type, options.site_, options.name);
    if (!r)
        return NULL;
    r->partitions = options.partitions     ? options.partitions
                    : options.prefer_count ? (int64_t)size_min(options.prefer_count, INT64_MAX)
                                           : partitions_for(count, 16, size_max(1, MIB(8) / type->size));
    if (r->partitions < 1 || !check_partitions(r, "rdd_parallelize", r->partitions))
        return r->partitions < 1 ? lineage_error(ctx, RDD_E_USAGE, "rdd_parallelize", options.site_,
                                                 ".partitions = %lld: give 1 or more",
                                                 (long long)options.partitions)
                                 : NULL;
    if (!set_preferred(r, &options))
        return NULL;
    size_t n = (size_t)r->partitions;
    CLEANUP(freep) rdd_str *payloads = calloc(n, sizeof *payloads);
    CLEANUP(buf_release) buf bytes = { 0 };
    for (size_t p = 0; payloads && p < n; p++) {
        size_t from = (size_t)((unsigned __int128)count * p / n);
        size_t to = (size_t)((unsigned __int128)count * (p + 1) / n);
        buf_clear(&bytes);
        if (block_encode(type, (const char *)items + from * type->size, to - from, &bytes, &err) < 0)
            return lineage_error(ctx, err.code, "rdd_parallelize", options.site_, "%s", err.message);
        payloads[p] = (rdd_str){ bytes.size, context_copy(ctx, bytes.data, bytes.size) };
        if (!payloads[p].data)
            return lineage_error(ctx, RDD_E_MEMORY, "rdd_parallelize", options.site_, "out of memory");
    }
    r->payloads = payloads ? context_copy(ctx, payloads, n * sizeof *payloads) : NULL;
    return r->payloads
               ? r
               : lineage_error(ctx, RDD_E_MEMORY, "rdd_parallelize", options.site_, "out of memory");
}

rdd *(rdd_empty)(rdd_context *ctx, const rdd_type *type, rdd_options options)
{
    return context_there(ctx, "rdd_empty", options.site_)
               ? context_node(ctx, NODE_EMPTY, type, options.site_, options.name)
               : NULL;
}

/* ---- files ---------------------------------------------------------------------------------- */

typedef struct file_source {
    const char *call, *path;
    const char *const *more;
    size_t more_count;
    int64_t partitions; /* asked for, or 0 */
    bool whole;         /* files are not split */
    uint64_t unit;      /* splits are multiples of this */
} file_source;

void spools_free(spool *s)
{
    if (s)
        input_spool_release(&s->file);
    free(s);
}

/* Standard input as a file: read at its first use. */
static int spool_stdin(rdd_context *ctx, arena *a, input_file *ret, rdd_error *err)
{
    int code = 0;
    pthread_mutex_lock(&ctx->prepare_mutex);
    if (!ctx->spools) {
        spool *s = calloc(1, sizeof *s);
        code = s ? input_spool_fd(STDIN_FILENO, "standard input", &s->file, err)
                 : error_set_memory(err, "reading standard input");
        if (code < 0)
            free(s);
        else
            ctx->spools = s;
    }
    pthread_mutex_unlock(&ctx->prepare_mutex);
    return code < 0 ? code : input_file_stat(ctx->spools->file.path, "standard input", a, ret, err);
}

/* Where tasks find a file: at the driver, by its number, or under its name. */
static int place_file(rdd_context *ctx, arena *a, input_file *file, rdd_error *err)
{
    const char *shared;
    if (file->place == INPUT_HTTP)
        return 0;
    int code = shared_path(file->path, a, &shared, err);
    if (code == 0 && shared) {
        file->path = shared;
        file->place = INPUT_SHARED;
    }
    return code < 0 ? code : file_server_add(ctx->files, file, err);
}

/* All files of a source, in order. */
static int expand(rdd_context *ctx, const file_source *source, arena *a, buf *files, rdd_error *err)
{
    if (source->more_count && !source->more)
        return error_set(err, RDD_E_USAGE, ".more is NULL, but .more_count is %zu", source->more_count);
    for (size_t i = 0; i <= source->more_count; i++) {
        const char *path = i ? source->more[i - 1] : source->path;
        input_file *found, one;
        size_t count;
        int code;
        if (!path || !*path)
            return error_set(err, RDD_E_USAGE, "the path is missing");
        if (!strcmp(path, "-")) {
            code = spool_stdin(ctx, a, &one, err);
            found = &one;
            count = 1;
        } else if (http_input_is_url(path)) {
            code = http_input_stat(path, a, &one, err);
            found = &one;
            count = 1;
        } else {
            code = input_paths_expand(&path, 1, a, &found, &count, err);
        }
        for (size_t f = 0; code == 0 && f < count; f++)
            code = place_file(ctx, a, &found[f], err);
        if (code < 0)
            return code;
        buf_append(files, found, count * sizeof *found);
    }
    return files->failed ? error_set_memory(err, "listing files") : 0;
}

/* How long splits are: `partitions` of them if asked for, else by the size of the whole. */
static uint64_t split_size(const file_source *source, const input_file *files, size_t count)
{
    uint64_t total = 0, unit = source->unit ? source->unit : 1;
    for (size_t i = 0; i < count; i++)
        total += files[i].whole ? 0 : files[i].size;
    int64_t n = source->partitions
                    ? source->partitions
                    : partitions_for(total, KIB(4), (uint64_t)conf_int("input.split_size"));
    uint64_t size = u64_max(1, (total + (uint64_t)n - 1) / (uint64_t)n);
    return (size + unit - 1) / unit * unit;
}

/* The ranges of all files: plain ones cut into splits, others whole. */
static int cut(const file_source *source, const input_file *files, size_t count, buf *ranges,
               rdd_error *err)
{
    uint64_t size = split_size(source, files, count);
    for (size_t i = 0; i < count; i++) {
        bool whole = source->whole || files[i].whole || files[i].format != INPUT_PLAIN;
        uint64_t at = 0;
        do {
            file_range range = { .file = files[i], .offset = at, .csv = CSV_RANGE_ALL };
            bool last = whole || files[i].size - at <= size;
            range.end = whole ? INPUT_END : last ? files[i].size : at + size;
            buf_append(ranges, &range, sizeof range);
            at = last ? files[i].size : range.end;
        } while (at < files[i].size);
    }
    return ranges->failed ? error_set_memory(err, "splitting files") : 0;
}

/* Puts `range_count` ranges into the node's partitions, in order: one each, or, when fewer partitions
 * were asked for, runs of about equal size. */
static int place(rdd *r, const file_range *ranges, size_t range_count, rdd_error *err)
{
    size_t n = (size_t)r->partitions, at = 0;
    CLEANUP(freep) rdd_str *payloads = calloc(n ? n : 1, sizeof *payloads);
    CLEANUP(buf_release) buf bytes = { 0 };
    if (!payloads)
        return error_set_memory(err, "splitting files");
    for (size_t p = 0; p < n; p++) {
        size_t to = (size_t)((unsigned __int128)range_count * (p + 1) / n);
        buf_clear(&bytes);
        buf_u32(&bytes, (uint32_t)(to - at));
        for (; at < to; at++)
            file_range_encode(&bytes, &ranges[at]);
        payloads[p] = (rdd_str){ bytes.size, context_copy(r->ctx, bytes.data, bytes.size) };
        if (bytes.failed || !payloads[p].data)
            return error_set_memory(err, "splitting files");
    }
    r->payloads = context_copy(r->ctx, payloads, n * sizeof *payloads);
    return r->payloads ? 0 : error_set_memory(err, "splitting files");
}

static int fill_files(rdd *r, const file_source *source, rdd_error *err)
{
    CLEANUP(arena_release) arena a = { 0 };
    CLEANUP(buf_release) buf files = { 0 };
    CLEANUP(buf_release) buf ranges = { 0 };
    if (source->partitions < 0)
        return error_set(err, RDD_E_USAGE, ".partitions = %lld: give 1 or more, or 0 for the default",
                         (long long)source->partitions);
    int code = expand(r->ctx, source, &a, &files, err);
    if (code == 0)
        code = cut(source, (input_file *)(void *)files.data, files.size / sizeof(input_file), &ranges,
                   err);
    if (code < 0)
        return code;
    size_t count = ranges.size / sizeof(file_range);
    r->partitions = (int64_t)count;
    if (source->partitions && source->partitions < r->partitions)
        r->partitions = source->partitions;
    return place(r, (file_range *)(void *)ranges.data, count, err);
}

static rdd *file_node(rdd_context *ctx, node_kind kind, const rdd_type *type, const char *site,
                      const char *name, const file_source *source)
{
    if (!context_there(ctx, source->call, site))
        return NULL;
    rdd *r = context_node(ctx, kind, type, site, name);
    rdd_error err;
    if (!r)
        return NULL;
    int code = fill_files(r, source, &err);
    if (code < 0)
        return lineage_error(ctx, (rdd_code)code, source->call, site, "%s", err.message);
    return check_partitions(r, source->call, r->partitions) ? r : NULL;
}

static file_source source_of(const char *call, const char *path, const rdd_files_options *options)
{
    return (file_source){ .call = call,
                          .path = path,
                          .more = options->more,
                          .more_count = options->more_count,
                          .partitions = options->partitions };
}

rdd *(rdd_text_file)(rdd_context *ctx, const char *path, rdd_files_options options)
{
    file_source source = source_of("rdd_text_file", path, &options);
    return file_node(ctx, NODE_TEXT, RDD_TYPE(rdd_str), options.site_, options.name, &source);
}

rdd *(rdd_whole_text_files)(rdd_context *ctx, const char *path, rdd_files_options options)
{
    file_source source = source_of("rdd_whole_text_files", path, &options);
    source.whole = true;
    return file_node(ctx, NODE_WHOLE_TEXT, RDD_TYPE(rdd_text_of_file), options.site_, options.name,
                     &source);
}

rdd *(rdd_binary_files)(rdd_context *ctx, const char *path, rdd_files_options options)
{
    file_source source = source_of("rdd_binary_files", path, &options);
    source.whole = true;
    return file_node(ctx, NODE_BINARY, RDD_TYPE(rdd_bytes_of_file), options.site_, options.name, &source);
}

rdd *(rdd_binary_records)(rdd_context *ctx, const char *path, size_t size, rdd_files_options options)
{
    if (!context_there(ctx, "rdd_binary_records", options.site_))
        return NULL;
    if (!size || size > (size_t)conf_int("task.budget"))
        return lineage_error(ctx, RDD_E_USAGE, "rdd_binary_records", options.site_,
                             "a record size of %zu bytes: give 1 to task.budget", size);
    file_source source = source_of("rdd_binary_records", path, &options);
    source.unit = size;
    rdd *r = file_node(ctx, NODE_RECORDS, RDD_TYPE(rdd_bytes), options.site_, options.name, &source);
    if (r)
        r->params.count = (int64_t)size;
    return r;
}

/* ---- rows: CSV and JSON lines --------------------------------------------------------------- */

static bool check_item(rdd_context *ctx, const char *call, const char *site, const rdd_type *t)
{
    rdd_error err;
    if (t->kind != RDD_KIND_STRUCT && !type_is_row(t))
        return lineage_error(ctx, RDD_E_TYPE, call, site,
                             ".item is %s: give a struct made by RDD_STRUCT, or leave it out for rows",
                             t->name);
    if (type_check(t, &err) < 0)
        return lineage_error(ctx, err.code, call, site, "%s", err.message);
    return true;
}

rdd *(rdd_json_lines)(rdd_context *ctx, const char *path, rdd_json_options options)
{
    const rdd_type *type = options.item ? options.item : RDD_TYPE(rdd_row);
    if (!context_there(ctx, "rdd_json_lines", options.site_) ||
        !check_item(ctx, "rdd_json_lines", options.site_, type))
        return NULL;
    file_source source = { .call = "rdd_json_lines",
                           .path = path,
                           .more = options.more,
                           .more_count = options.more_count,
                           .partitions = options.partitions };
    return file_node(ctx, NODE_JSON, type, options.site_, options.name, &source);
}

/* What a CSV node's `prepare` needs: its ranges, before their states are known. */
typedef struct csv_source {
    file_range *ranges;
    size_t count;
} csv_source;

/* Scans all splits in parallel: a job of its own, over a node that only has the ranges. */
static int scan_splits(rdd *r, const file_range *ranges, size_t count, csv_summary *ret,
                       rdd_error *err)
{
    rdd *scan = context_node(r->ctx, NODE_CSV_SCAN, r->type, r->site, "find record starts");
    if (!scan)
        return error_set_memory(err, "splitting CSV");
    scan->params.delimiter = r->params.delimiter;
    scan->params.quote = r->params.quote;
    scan->partitions = (int64_t)count;
    scan->payloads = NULL;
    CLEANUP(freep) rdd_str *payloads = calloc(count, sizeof *payloads);
    CLEANUP(buf_release) buf bytes = { 0 };
    for (size_t i = 0; payloads && i < count; i++) {
        buf_clear(&bytes);
        file_range_encode(&bytes, &ranges[i]);
        payloads[i] = (rdd_str){ bytes.size, context_copy(r->ctx, bytes.data, bytes.size) };
    }
    scan->payloads = payloads ? context_copy(r->ctx, payloads, count * sizeof *payloads) : NULL;
    if (!scan->payloads)
        return error_set_memory(err, "splitting CSV");
    action act = { .kind = ACTION_CSV_SCAN };
    job_options options = { .name = "csv scan", .site = r->site, .count = -1 };
    job_results results;
    int code = job_run(scan, &act, &options, &results, err);
    if (code < 0)
        return code;
    for (size_t i = 0; i < count && code == 0; i++) {
        rdd_str part = job_part_bytes(&results.parts[i]);
        reader in = reader_over(part.data, part.size);
        code = csv_summary_decode(&in, &ret[i], err);
    }
    job_results_release(&results);
    return code;
}

/* Ranges of one file: their true start states, from the summaries of all. */
static int resolve_file(rdd *r, file_range *ranges, size_t count, const csv_summary *summaries,
                        rdd_error *err)
{
    (void)r;
    CLEANUP(freep) csv_range *resolved = calloc(count, sizeof *resolved);
    if (!resolved)
        return error_set_memory(err, "splitting CSV");
    csv_ranges_resolve(CSV_RANGE_ALL, summaries, count, resolved);
    for (size_t i = 0; i < count; i++)
        ranges[i].csv = resolved[i];
    return 0;
}

static int prepare_csv(rdd *r, rdd_error *err)
{
    csv_source *source = r->source;
    CLEANUP(freep) csv_summary *summaries = calloc(source->count, sizeof *summaries);
    if (!summaries)
        return error_set_memory(err, "splitting CSV");
    for (size_t i = 0, n; i < source->count; i += n) {
        for (n = 1; i + n < source->count && source->ranges[i + n].offset; n++) {
        }
        if (n == 1)
            continue; /* a file in one piece begins at its beginning */
        int code = scan_splits(r, source->ranges + i, n, summaries, err);
        if (code == 0)
            code = resolve_file(r, source->ranges + i, n, summaries, err);
        if (code < 0)
            return code;
    }
    return place(r, source->ranges, source->count, err);
}

static int fill_csv(rdd *r, const file_source *source, rdd_error *err)
{
    CLEANUP(buf_release) buf files = { 0 };
    CLEANUP(buf_release) buf ranges = { 0 };
    CLEANUP(arena_release) arena a = { 0 };
    int code = expand(r->ctx, source, &a, &files, err);
    if (code == 0)
        code = cut(source, (input_file *)(void *)files.data, files.size / sizeof(input_file), &ranges,
                   err);
    if (code < 0)
        return code;
    csv_source own = { .count = ranges.size / sizeof(file_range) };
    own.ranges = context_copy(r->ctx, ranges.data, ranges.size);
    for (size_t i = 0; own.ranges && i < own.count; i++) { /* names out of the passing arena */
        input_file *file = &own.ranges[i].file;
        file->path = context_text(r->ctx, file->path);
        file->name = context_text(r->ctx, file->name);
        bool versioned = file->version;
        file->version = context_text(r->ctx, file->version);
        if (!file->path || !file->name || (versioned && !file->version))
            own.ranges = NULL;
    }
    r->source = own.ranges ? context_copy(r->ctx, &own, sizeof own) : NULL;
    if (!r->source)
        return error_set_memory(err, "splitting CSV");
    r->prepare = prepare_csv;
    r->partitions = (int64_t)own.count;
    if (source->partitions && source->partitions < r->partitions)
        r->partitions = source->partitions;
    return 0;
}

static int ragged_mode(const char *text)
{
    static const char *const MODES[] = { "fail", "pad", "skip" };
    for (size_t i = 0; i < ARRAY_SIZE(MODES); i++)
        if (!strcmp(text, MODES[i]))
            return (int)i;
    return -1;
}

rdd *(rdd_csv)(rdd_context *ctx, const char *path, rdd_csv_options options)
{
    const rdd_type *type = options.item ? options.item : RDD_TYPE(rdd_row);
    rdd_error err;
    if (!context_there(ctx, "rdd_csv", options.site_) || !check_item(ctx, "rdd_csv", options.site_, type))
        return NULL;
    csv_dialect dialect = { options.delimiter, options.quote };
    int ragged = ragged_mode(options.ragged ? options.ragged : conf_text("csv.ragged"));
    if (ragged < 0)
        return lineage_error(ctx, RDD_E_USAGE, "rdd_csv", options.site_,
                             ".ragged = \"%s\": give \"fail\", \"pad\" or \"skip\"", options.ragged);
    if (csv_dialect_resolve(&dialect, &err) < 0)
        return lineage_error(ctx, RDD_E_USAGE, "rdd_csv", options.site_, "%s", err.message);
    if (options.partitions < 0)
        return lineage_error(ctx, RDD_E_USAGE, "rdd_csv", options.site_,
                             ".partitions = %lld: give 1 or more, or 0 for the default",
                             (long long)options.partitions);
    rdd *r = context_node(ctx, NODE_CSV, type, options.site_, options.name);
    if (!r)
        return NULL;
    r->params.delimiter = dialect.delimiter;
    r->params.quote = dialect.quote;
    r->params.no_header = options.no_header;
    r->params.ragged = (uint8_t)ragged;
    file_source source = { .call = "rdd_csv",
                           .path = path,
                           .more = options.more,
                           .more_count = options.more_count,
                           .partitions = options.partitions };
    int code = fill_csv(r, &source, &err);
    if (code < 0)
        return lineage_error(ctx, (rdd_code)code, "rdd_csv", options.site_, "%s", err.message);
    return check_partitions(r, "rdd_csv", r->partitions) ? r : NULL;
}
