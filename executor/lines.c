/* lines.c: see lines.h. Called by the text and JSON lines sources. */
#include "lines.h"

#include "bytemask.h"
#include "window.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

struct lines {
    window window;
    input_provider *provider;
    const input_file *file;
    uint64_t end; /* lines that start here or later are not ours */
    size_t line_max, batch_max;
    const char *limit_name;
    bool at_line; /* the window begins at the start of a line */
    rdd_str batch[LINES_BATCH_MAX];
};

static int line_too_long(const lines *l, uint64_t offset, rdd_error *err);

int lines_open(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
               const lines_options *options, lines **ret, rdd_error *err)
{
    lines_options chosen = options ? *options : (lines_options){ 0 };
    size_t line_max = chosen.line_max ? chosen.line_max : LINES_LINE_MAX;
    lines *l = malloc(sizeof *l);
    if (!l)
        return error_set_memory(err, "opening a text file");

    /* The byte before the range tells whether a line starts at its first byte. */
    uint64_t from = offset ? offset - 1 : 0;
    uint64_t size_hint = INPUT_END;
    if (file->format == INPUT_PLAIN)
        size_hint = file->size > from ? file->size - from : 0;
    input *in;
    int code = input_open(provider, file, from, end, &in, err);
    if (!code) /* a longest line, its end, and a byte to see that there is more */
        code = window_init(&l->window, in, size_hint, line_max + 2, chosen.lifetime_debug, err);
    if (code) {
        free(l);
        return code;
    }
    l->provider = provider;
    l->file = file;
    l->end = end;
    l->line_max = line_max;
    l->batch_max = chosen.lifetime_debug ? 1 : LINES_BATCH_MAX;
    l->limit_name = chosen.limit_name;
    l->at_line = offset == 0;
    *ret = l;
    return 0;
}

/* Skips the line that began before the range: 1 at the start of the next one, 0 if none starts in
 * the range, or a negative code. However long the line is, nothing of it is kept. */
static int find_first_line(lines *l, rdd_error *err)
{
    window *w = &l->window;
    while (w->offset + w->at < l->end) {
        size_t left = w->end - w->at;
        const char *found = left ? memchr(w->data + w->at, '\n', left) : NULL;
        if (found) {
            w->at = (size_t)(found - w->data) + 1;
            l->at_line = true;
            return 1;
        }
        w->at = w->end;
        int more = window_fill(w, err);
        if (more <= 0)
            return more;
    }
    return 0;
}

/* Cuts whole lines off the window, as many as a batch takes, and none that starts at or past
 * `stop`, an index into the window. Ends early at a line that is too long. */
static size_t cut(lines *l, size_t stop)
{
    window *w = &l->window;
    const char *data = w->data;
    rdd_str *batch = l->batch;
    size_t start = w->at, count = 0, line_max = l->line_max, batch_max = l->batch_max;
    for (size_t block = start; block < w->end && start < stop; block += 64) {
        uint64_t mask = bytemask(data + block, '\n') & bits_below(w->end - block);
        for (; mask; mask &= mask - 1) {
            size_t at = block + bit_first(mask);
            size_t size = at - start;
            size -= size && data[at - 1] == '\r';
            if (UNLIKELY(size > line_max))
                goto out;
            batch[count++] = (rdd_str){ size, data + start };
            start = at + 1;
            if (count == batch_max || start >= stop)
                goto out;
        }
    }
out:
    w->at = start;
    return count;
}

ssize_t lines_next(lines *l, const rdd_str **ret, rdd_error *err)
{
    window *w = &l->window;
    if (w->lifetime_debug) {
        int code = window_renew(w, err);
        if (code)
            return code;
    }
    if (!l->at_line) {
        int found = find_first_line(l, err);
        if (found <= 0)
            return found;
    }
    *ret = l->batch;
    for (;;) {
        uint64_t at = w->offset + w->at;
        if (at >= l->end)
            return 0;
        size_t stop = (size_t)u64_min(l->end - w->offset, SIZE_MAX);
        size_t count = cut(l, stop);
        if (count)
            return (ssize_t)count;
        /* Nothing was cut, so the window starts with a line that has no end, or is too long. */
        size_t left = w->end - w->at;
        if (left > l->line_max + 1)
            return line_too_long(l, at, err);
        int more = window_fill(w, err);
        if (more == RDD_E_LIMIT)
            return line_too_long(l, at, err);
        if (more < 0)
            return more;
        if (more)
            continue;
        if (!left)
            return 0;
        if (left > l->line_max)
            return line_too_long(l, at, err);
        l->batch[0] = (rdd_str){ left, w->data + w->at }; /* the last line has no end */
        w->at = w->end;
        return 1;
    }
}

uint64_t lines_offset(const lines *l, size_t index)
{
    return window_offset(&l->window, l->batch[index].data);
}

/* Puts the place of byte `offset` before a message. */
static void add_place(const lines *l, uint64_t offset, rdd_error *err)
{
    uint64_t line = input_line_at(l->provider, l->file, offset);
    if (line)
        error_prefix(err, "%s:%" PRIu64 ": ", l->file->name, line);
    else
        error_prefix(err, "%s: byte %" PRIu64 ": ", l->file->name, offset);
}

static int line_too_long(const lines *l, uint64_t offset, rdd_error *err)
{
    error_set(err, RDD_E_LIMIT,
              "a line that starts at byte %" PRIu64 " is longer than %zu bytes%s%s", offset,
              l->line_max, l->limit_name ? "; raise " : "", l->limit_name ? l->limit_name : "");
    add_place(l, offset, err);
    return RDD_E_LIMIT;
}

int lines_error(const lines *l, size_t index, rdd_error *err, rdd_code code, const char *format,
                ...)
{
    if (!err)
        return code;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_set(err, code, "%s", message);
    add_place(l, lines_offset(l, index), err);
    return code;
}

void lines_free(lines *l)
{
    if (!l)
        return;
    window_release(&l->window);
    free(l);
}

void lines_freep(lines **l)
{
    lines_free(*l);
}
