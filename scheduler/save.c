/* save.c: rdd_save_text, rdd_save_csv, rdd_save_json_lines. See save.h. */
#include "save.h"

#include "conf.h"
#include "context.h"
#include "csv_dialect.h"
#include "driver.h"
#include "shared_paths.h"
#include "text.h"
#include "transformations.h"
#include "type.h"

#include <errno.h>

/* ---- the action ----------------------------------------------------------------------------- */

static int check_type(action_kind kind, const rdd_type *type, rdd_error *err)
{
    if (kind != ACTION_SAVE_CSV || type_is_row(type) || type->kind == RDD_KIND_STRUCT)
        return 0;
    CLEANUP(buf_release) buf text = { 0 };
    type_describe(type, &text);
    const char *described = buf_terminate(&text);
    return error_set(err, RDD_E_TYPE,
                     "save_csv wants rows or structs, and these elements are %s; use save_text, or "
                     "map them first",
                     described ? described : "something else");
}

static compression compression_wanted(const saving *s, const char *path)
{
    if (s->target.kind == SAVE_FILE)
        return compression_of_name(path);
    if (s->target.kind == SAVE_STREAM)
        return COMPRESSION_NONE;
    const char *name = conf_text("save.compression");
    return strcmp(name, "gz") == 0    ? COMPRESSION_GZ
           : strcmp(name, "zst") == 0 ? COMPRESSION_ZST
                                      : COMPRESSION_NONE;
}

/* What the tasks can do they do, since there are many: compressing, and the header of structs. */
static void action_fill(saving *s, action_kind kind, char delimiter)
{
    save_header header = HEADER_NONE;
    if (s->header && !s->rows)
        header = s->target.kind == SAVE_DIRECTORY ? HEADER_EACH : HEADER_FIRST;
    s->act = (action){ .kind = kind,
                       .n = header,
                       .delimiter = delimiter,
                       .compression = (uint8_t)s->compression,
                       .flag = s->shared,
                       .text = rdd_str_of(s->target.staging),
                       .zero = rdd_str_of(s->target.shown) };
}

/* Names of columns that are to be there in any case. A file's header may have a name twice, and an empty
 * one. */
static int check_columns(const char *list, const char *const *names, const char *counted, size_t count,
                         rdd_error *err)
{
    int code = check_list(list, names, counted, count, err);
    for (size_t i = 0; code == 0 && i < count; i++)
        if (!names[i])
            code = error_set(err, RDD_E_USAGE, ".%s[%zu] is NULL", list, i);
    return code;
}

int saving_open(saving *ret, action_kind kind, const rdd_type *type, const char *path,
                const rdd_save_csv_options *options, rdd_error *err)
{
    csv_dialect dialect = { .delimiter = options->delimiter };
    int code = check_type(kind, type, err);
    if (code == 0 && kind == ACTION_SAVE_CSV)
        code = csv_dialect_resolve(&dialect, err);
    if (code == 0)
        code = check_columns("first_columns", options->first_columns, "first_column_count",
                             options->first_column_count, err);
    if (code == 0)
        code = check_columns("last_columns", options->last_columns, "last_column_count",
                             options->last_column_count, err);
    if (code < 0)
        return code;
    saving s = SAVING_NONE;
    code = save_target_open(&s.target, path, options->parts, options->overwrite, err);
    if (code < 0)
        return code;
    const char *shared;
    code = shared_path(s.target.staging, &s.memory, &shared, err);
    s.shared = shared;
    if (code < 0) {
        saving_close(&s, NULL);
        return code;
    }
    s.type = type;
    s.compression = compression_wanted(&s, path);
    s.suffix = kind == ACTION_SAVE_CSV    ? ".csv"
               : kind == ACTION_SAVE_JSON ? ".json"
                                          : ".txt";
    s.rows = kind == ACTION_SAVE_CSV && type_is_row(type);
    s.header = kind == ACTION_SAVE_CSV && !options->no_header;
    s.first_columns = options->first_columns;
    s.first_column_count = options->first_column_count;
    s.last_columns = options->last_columns;
    s.last_column_count = options->last_column_count;
    action_fill(&s, kind, dialect.delimiter);
    *ret = s;
    return 0;
}

static bool is_about_space(const rdd_error *err)
{
    return err->os_errno == ENOSPC || err->os_errno == EDQUOT || err->os_errno == EFBIG;
}

void saving_close(saving *s, rdd_error *err)
{
    bool gone = save_target_discard(&s->target);
    size_t size = err ? strlen(err->message) : 0;
    if (err && !gone)
        snprintf(err->message + size, sizeof err->message - size,
                 "; partial files are left in %s", s->target.staging);
    else if (err && is_about_space(err))
        snprintf(err->message + size, sizeof err->message - size, "; partial files were removed");
    save_target_release(&s->target);
    arena_release(&s->memory);
    *s = SAVING_NONE;
}

/* ---- the public functions ------------------------------------------------------------------- */

static int run_and_commit(saving *s, rdd *r, const rdd_save_csv_options *options, rdd_error *err)
{
    const job_options job = { .name = options->name, .site = options->site_, .count = -1 };
    CLEANUP(job_results_release) job_results results = { 0 };
    int code = job_run(r, &s->act, &job, &results, err);
    if (code < 0)
        return code;
    rdd_str *views = arena_alloc(&s->memory, (results.count + 1) * sizeof *views);
    if (!views)
        return error_set_memory(err, "saving");
    for (size_t i = 0; i < results.count; i++)
        views[i] = job_part_bytes(&results.parts[i]);
    return saving_commit(s, views, results.count, err);
}

/* A file may have them, and comes out as it went in; that rows from two sources clash is easily missed. */
static void say_twice(rdd_context *ctx, saving *s, const char *path, const char *site)
{
    if (!s->twice.data || ctx->verbosity == VERBOSITY_QUIET)
        return;
    CLEANUP(buf_release) buf name = { 0 };
    text_json(&name, s->twice.data, s->twice.size);
    const char *quoted = buf_terminate(&name);
    const char *line = arena_format(&s->memory, "rdd: save_csv (%s): %s has several columns named %s\n",
                                    site ? site : "?", strcmp(path, "-") == 0 ? "the output" : path,
                                    quoted ? quoted : "?");
    if (line)
        driver_say(ctx->driver, line);
}

static int save_counted(rdd *r, action_kind kind, const char *path,
                        const rdd_save_csv_options *options)
{
    rdd_error err = { 0 };
    saving s = SAVING_NONE;
    int code = path ? saving_open(&s, kind, r->type, path, options, &err)
                    : error_set(&err, RDD_E_USAGE, "no name to save to");
    if (code < 0) {
        error_prefix(&err, "%s (%s): ", action_name(kind), options->site_ ? options->site_ : "?");
        return context_fail(r->ctx, &err);
    }
    s.interrupted = &r->ctx->interrupted;
    code = run_and_commit(&s, r, options, &err);
    if (code == 0)
        say_twice(r->ctx, &s, path, options->site_);
    saving_close(&s, code < 0 ? &err : NULL);
    return code < 0 ? context_fail(r->ctx, &err) : 0;
}

static int save(rdd *r, action_kind kind, const char *path, const rdd_save_csv_options *options)
{
    if (!context_there(r, action_name(kind), options->site_))
        return RDD_E_USAGE;
    rdd_context *ctx = r->ctx;
    atomic_fetch_add(&ctx->saves, 1);
    int code = save_counted(r, kind, path, options);
    atomic_fetch_sub(&ctx->saves, 1);
    return code;
}

/* CSV has all options that the others have. */
static int save_plainly(rdd *r, action_kind kind, const char *path, const rdd_save_options *o)
{
    rdd_save_csv_options options = { .site_ = o->site_, .name = o->name,
                                     .overwrite = o->overwrite, .parts = o->parts };
    return save(r, kind, path, &options);
}

int(rdd_save_text)(rdd *r, const char *path, rdd_save_options options)
{
    return save_plainly(r, ACTION_SAVE_TEXT, path, &options);
}

int(rdd_save_csv)(rdd *r, const char *path, rdd_save_csv_options options)
{
    return save(r, ACTION_SAVE_CSV, path, &options);
}

int(rdd_save_json_lines)(rdd *r, const char *path, rdd_save_options options)
{
    return save_plainly(r, ACTION_SAVE_JSON, path, &options);
}
