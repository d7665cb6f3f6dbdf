/* csv_reader.c: see csv_reader.h. Called by the CSV source, on the driver for headers and in tasks
 * for records. The window gives bytes, the cutter makes records of them.
 */
#include "csv_reader.h"

#include "bytemask.h"
#include "csv_cut.h"
#include "window.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct csv_reader {
    window window;
    const input_file *file;
    csv_range range;
    csv_options options;
    bool began;       /* the window was filled once */
    bool skip_header; /* the next record is the header */
    size_t nul_at;    /* where in the window a byte is that must not be; SIZE_MAX: nowhere */
    csv_cutter cutter;
};

static int open_window(csv_reader *r, input_provider *provider, uint64_t size_hint, rdd_error *err)
{
    uint64_t offset = r->range.offset;
    input *in;
    int code = input_open(provider, r->file, offset, r->range.end, &in, err);
    if (code)
        return code;
    if (r->file->format == INPUT_PLAIN)
        size_hint = u64_min(size_hint, r->file->size > offset ? r->file->size - offset : 0);
    /* A largest record, and its end. */
    return window_init(&r->window, in, size_hint, r->options.record_max + 1,
                       r->options.lifetime_debug, err);
}

static int reader_open(input_provider *provider, const input_file *file, csv_range range,
                       const csv_options *options, uint64_t size_hint, csv_reader **ret,
                       rdd_error *err)
{
    csv_options chosen = options ? *options : (csv_options){ 0 };
    if (!chosen.record_max)
        chosen.record_max = CSV_RECORD_MAX;
    if (!chosen.cells_max)
        chosen.cells_max = CSV_CELLS_MAX;
    int code = csv_dialect_resolve(&chosen.dialect, err);
    if (code)
        return code;
    csv_reader *r = malloc(sizeof *r);
    if (!r)
        return error_set_memory(err, "opening a CSV file");
    memset(r, 0, offsetof(csv_reader, cutter));
    r->file = file;
    r->range = range;
    r->options = chosen;
    r->nul_at = SIZE_MAX;
    r->skip_header = chosen.header && range.record == 0;
    code = open_window(r, provider, size_hint, err);
    if (code) {
        free(r);
        return code;
    }
    csv_cutter_init(&r->cutter, chosen.dialect);
    r->cutter.record_max = chosen.record_max;
    r->cutter.cells_max = chosen.cells_max;
    r->cutter.batch_max = chosen.lifetime_debug ? 1 : CSV_BATCH_MAX;
    r->cutter.line = range.line ? range.line : 1;
    *ret = r;
    return 0;
}

int csv_reader_open(input_provider *provider, const input_file *file, csv_range range,
                    const csv_options *options, csv_reader **ret, rdd_error *err)
{
    return reader_open(provider, file, range, options, INPUT_END, ret, err);
}

/* ---- errors --------------------------------------------------------------------------------- */

static int error_at_line(const csv_reader *r, uint64_t line, int code, rdd_error *err)
{
    error_prefix(err, "%s:%" PRIu64 ": ", r->file->name, line);
    return code;
}

static int nul_found(const csv_reader *r, rdd_error *err)
{
    const window *w = &r->window;
    uint64_t line = r->cutter.line + bytes_count(w->data + w->at, r->nul_at - w->at, '\n');
    error_set(err, RDD_E_INPUT,
              "a NUL byte (byte %" PRIu64 " of the file): binary data, or UTF-16, which iconv "
              "converts",
              w->offset + r->nul_at);
    return error_at_line(r, line, RDD_E_INPUT, err);
}

static int quote_unclosed(const csv_reader *r, rdd_error *err)
{
    error_set(err, RDD_E_INPUT,
              "a quoted cell that begins here is not closed by the end of the file");
    return error_at_line(r, r->cutter.quote_line, RDD_E_INPUT, err);
}

static int record_too_long(const csv_reader *r, rdd_error *err)
{
    const char *name = r->options.limit_name;
    char quote[64] = "";
    if (r->cutter.in_quotes)
        snprintf(quote, sizeof quote, " (an unclosed quote in line %" PRIu64 "?)",
                 r->cutter.quote_line);
    error_set(err, RDD_E_LIMIT, "a record is longer than %zu bytes%s%s%s", r->options.record_max,
              quote, name ? "; raise " : "", name ? name : "");
    return error_at_line(r, r->cutter.line, RDD_E_LIMIT, err);
}

int csv_reader_error(const csv_reader *r, const csv_record *record, rdd_error *err, rdd_code code,
                     const char *format, ...)
{
    if (!err)
        return code;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_set(err, code, "%s", message);
    return error_at_line(r, record->line, code, err);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* After the window has moved: what depends on where its bytes are. */
static void window_moved(csv_reader *r)
{
    window *w = &r->window;
    if (!r->began) {
        r->began = true;
        if (w->offset == 0)
            w->at += csv_mark_size(w->data, w->end);
    }
    r->nul_at = SIZE_MAX;
    if (!r->options.nul_allowed) {
        const char *nul = memchr(w->data + w->at, 0, w->end - w->at);
        if (nul)
            r->nul_at = (size_t)(nul - w->data);
    }
    r->cutter.at = w->at;
    csv_cutter_reset(&r->cutter);
}

/* Cuts a batch off the window: 0 or a negative code. */
static int cut(csv_reader *r, rdd_error *err)
{
    window *w = &r->window;
    csv_cutter *c = &r->cutter;
    c->data = w->data;
    c->at = w->at;
    c->end = size_min(w->end, r->nul_at);
    c->at_end = w->at_end && r->nul_at == SIZE_MAX;
    c->offset = w->offset;
    c->stop = r->range.end > w->offset ? (size_t)u64_min(r->range.end - w->offset, SIZE_MAX) : 0;
    int code = csv_cutter_cut(c, err);
    w->at = c->at;
    if (code && c->too_long)
        return record_too_long(r, err);
    return code ? error_at_line(r, c->line, code, err) : 0;
}

/* More bytes, or an error that says why not: 1, 0 at the end, or a negative code. */
static int fill(csv_reader *r, rdd_error *err)
{
    window *w = &r->window;
    if (w->offset + w->at >= r->range.end)
        return 0;
    if (r->nul_at != SIZE_MAX)
        return nul_found(r, err);
    if (w->end - w->at > r->options.record_max)
        return record_too_long(r, err);
    if (w->at_end)
        return r->cutter.in_quotes ? quote_unclosed(r, err) : 0;
    int code = window_fill(w, err);
    if (code == RDD_E_LIMIT)
        return record_too_long(r, err);
    if (code < 0)
        return code;
    window_moved(r);
    return 1; /* even without more bytes: the last record is now known to be complete */
}

ssize_t csv_reader_next(csv_reader *r, const csv_record **ret, rdd_error *err)
{
    if (r->window.lifetime_debug && r->began) {
        int code = window_renew(&r->window, err);
        if (code)
            return code;
        window_moved(r);
    }
    for (;;) {
        int code = cut(r, err);
        if (code)
            return code;
        size_t count = r->cutter.count, skip = count && r->skip_header;
        if (skip)
            r->skip_header = false;
        if (count > skip) {
            *ret = r->cutter.batch + skip;
            return (ssize_t)(count - skip);
        }
        if (count)
            continue;
        int more = fill(r, err);
        if (more <= 0)
            return more;
    }
}

void csv_reader_free(csv_reader *r)
{
    if (!r)
        return;
    csv_cutter_release(&r->cutter);
    window_release(&r->window);
    free(r);
}

void csv_reader_freep(csv_reader **r)
{
    csv_reader_free(*r);
}

/* ---- the header ----------------------------------------------------------------------------- */

static int copy_names(const csv_record *record, arena *a, csv_header *ret, rdd_error *err)
{
    rdd_str *names = arena_alloc(a, record->count * sizeof *names);
    if (!names)
        return error_set_memory(err, "reading a CSV header");
    for (size_t i = 0; i < record->count; i++) {
        names[i].size = record->cells[i].size;
        names[i].data = arena_copy(a, record->cells[i].data, names[i].size);
        if (!names[i].data)
            return error_set_memory(err, "reading a CSV header");
    }
    ret->names = names;
    ret->count = record->count;
    return 0;
}

int csv_read_header(input_provider *provider, const input_file *file, const csv_options *options,
                    arena *a, csv_header *ret, rdd_error *err)
{
    csv_options chosen = options ? *options : (csv_options){ 0 };
    bool seekable = file->format == INPUT_PLAIN, header = chosen.header;
    chosen.header = false; /* here it is the record that counts */
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    int code = reader_open(provider, file, CSV_RANGE_ALL, &chosen, KIB(16), &r, err);
    if (code)
        return code;
    r->cutter.batch_max = 1;
    csv_header found = { .data = CSV_RANGE_ALL };
    const csv_record *record;
    ssize_t count = csv_reader_next(r, &record, err);
    if (count < 0)
        return (int)count;
    if (count) {
        code = copy_names(record, a, &found, err);
        if (code)
            return code;
    }
    if (count && header && seekable)
        found.data = (csv_range){ window_offset(&r->window, r->window.data + r->window.at),
                                  INPUT_END, r->cutter.line, 1 };
    *ret = found;
    return 0;
}
