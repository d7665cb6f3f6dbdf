/* source_files.c: sources that read files other than CSV: text lines, whole files, fixed records,
 * JSON lines. Files are opened when they are reached and closed at their end. */
#include "file_ranges.h"
#include "iterator.h"
#include "json.h"
#include "lines.h"
#include "type.h"

#include <stdio.h>

typedef struct files_iterator {
    iterator base;
    uint32_t index;
    const plan_node *node;
    file_range *ranges;
    size_t at, count;
    lines *lines;    /* of range `at`, or NULL */
    arena scratch;
    void *out;
    /* JSON: the batch of lines that is being parsed */
    const rdd_str *texts;
    size_t text_at, text_count;
    /* records */
    input *file;
    char *block;
} files_iterator;

static void files_close(iterator *it)
{
    files_iterator *self = (files_iterator *)it;
    lines_free(self->lines);
    input_free(self->file);
    arena_release(&self->scratch);
    free(self->block);
    self->lines = NULL;
    self->file = NULL;
    self->block = NULL;
}

static files_iterator *files_open(const opening *o, int (*next)(iterator *, view *))
{
    files_iterator *self = iterator_new(o->run, sizeof *self, next, files_close);
    rdd_error err;
    if (!self)
        return NULL;
    self->index = o->index;
    self->node = o->node;
    self->scratch.poison = o->run->plan->lifetime_debug;
    rdd_str bytes = run_payload(o->run, o->index, o->partition);
    if (file_ranges_decode(bytes, o->run->memory, &self->ranges, &self->count, &err) < 0) {
        run_fail_with(o->run, &err);
        return NULL;
    }
    return self;
}

/* The next lines of the partition's ranges: how many, 0 at the end of the last, or -1. */
static ssize_t next_lines(files_iterator *self, const rdd_str **ret)
{
    run *r = self->base.run;
    rdd_error err;
    if (run_cancelled(r))
        return ITERATOR_FAILED;
    for (; self->at < self->count; self->at++) {
        file_range *range = &self->ranges[self->at];
        if (!self->lines) {
            lines_options options = { .line_max = r->plan->line_max,
                                      .limit_name = "task.budget",
                                      .lifetime_debug = r->plan->lifetime_debug };
            if (lines_open(run_inputs(r), &range->file, range->offset, range->end, &options,
                           &self->lines, &err) < 0)
                return run_fail_with(r, &err);
        }
        run_mark(r, self->index);
        ssize_t got = lines_next(self->lines, ret, &err);
        if (got < 0)
            return run_fail_with(r, &err);
        if (got > 0) {
            size_t last = (size_t)got - 1;
            r->metrics.input_bytes += lines_offset(self->lines, last) + (*ret)[last].size + 1 -
                                      lines_offset(self->lines, 0);
            return got;
        }
        lines_free(self->lines);
        self->lines = NULL;
    }
    return 0;
}

static int text_next(iterator *it, view *ret)
{
    const rdd_str *texts;
    ssize_t got = next_lines((files_iterator *)it, &texts);
    if (got <= 0)
        return (int)got;
    *ret = (view){ texts, (size_t)got };
    return ITERATOR_VIEW;
}

iterator *open_text(const opening *o)
{
    files_iterator *self = files_open(o, text_next);
    return self ? &self->base : NULL;
}

/* ---- JSON lines ----------------------------------------------------------------------------- */

static bool is_blank(rdd_str s)
{
    for (size_t i = 0; i < s.size; i++)
        if (s.data[i] != ' ' && s.data[i] != '\t' && s.data[i] != '\r')
            return false;
    return true;
}

static int json_next(iterator *it, view *ret)
{
    files_iterator *self = (files_iterator *)it;
    const rdd_type *t = self->node->type;
    if (!self->out && !(self->out = batch_new(it, t)))
        return ITERATOR_FAILED;
    arena_reset(&self->scratch);
    size_t made = 0;
    while (made < BATCH_MAX && self->scratch.used < BATCH_BYTES) {
        if (self->text_at == self->text_count) {
            if (made)
                break; /* lines_next() would take the lines away that cells view */
            ssize_t got = next_lines(self, &self->texts);
            if (got <= 0)
                return (int)got;
            self->text_at = 0;
            self->text_count = (size_t)got;
        }
        size_t i = self->text_at++;
        if (is_blank(self->texts[i]))
            continue;
        rdd_error err;
        void *item = (char *)self->out + made * t->size;
        int code = json_parse(t, self->texts[i], &self->scratch, item, &err);
        if (code < 0) {
            rdd_error placed;
            lines_error(self->lines, i, &placed, (rdd_code)code, "%s", err.message);
            return run_fail_with(it->run, &placed);
        }
        made++;
    }
    *ret = (view){ self->out, made };
    return ITERATOR_VIEW;
}

iterator *open_json(const opening *o)
{
    files_iterator *self = files_open(o, json_next);
    return self ? &self->base : NULL;
}

/* ---- whole files ---------------------------------------------------------------------------- */

/* Reads a file to its end into `scratch`, within the task's budget. */
static int read_whole(files_iterator *self, const file_range *range, rdd_bytes *ret)
{
    run *r = self->base.run;
    rdd_error err;
    CLEANUP(buf_release) buf content = { .max = r->plan->budget };
    CLEANUP(input_freep) input *in = NULL;
    if (input_open(run_inputs(r), &range->file, 0, INPUT_END, &in, &err) < 0)
        return run_fail_with(r, &err);
    for (;;) {
        void *room = buf_reserve(&content, KIB(64));
        ssize_t got = room ? input_read(in, room, KIB(64), &err) : -1;
        if (!room)
            return run_fail(r, RDD_E_LIMIT,
                            "%s: the file is larger than task.budget (%zu bytes) less 64 KiB; raise "
                            "--conf task.budget",
                            range->file.name, r->plan->budget);
        if (got < 0)
            return run_fail_with(r, &err);
        if (got == 0)
            break;
        content.size += (size_t)got;
        r->metrics.input_bytes += (size_t)got;
    }
    const char *data = arena_copy(&self->scratch, content.data ? content.data : "", content.size);
    if (!data)
        return run_fail_memory(r, "reading a file");
    *ret = (rdd_bytes){ content.size, data };
    return 0;
}

static int whole_next(iterator *it, view *ret)
{
    files_iterator *self = (files_iterator *)it;
    if (self->at == self->count)
        return ITERATOR_END;
    if (run_cancelled(it->run))
        return ITERATOR_FAILED;
    arena_reset(&self->scratch);
    run_mark(it->run, self->index);
    file_range *range = &self->ranges[self->at++];
    rdd_bytes content;
    if (read_whole(self, range, &content) < 0)
        return ITERATOR_FAILED;
    rdd_str path = rdd_str_of(range->file.name);
    if (self->node->kind == NODE_BINARY) {
        rdd_bytes_of_file *pair = arena_alloc(&self->scratch, sizeof *pair);
        if (!pair)
            return run_fail_memory(it->run, "reading a file");
        *pair = (rdd_bytes_of_file){ path, content };
        *ret = (view){ pair, 1 };
    } else {
        rdd_text_of_file *pair = arena_alloc(&self->scratch, sizeof *pair);
        if (!pair)
            return run_fail_memory(it->run, "reading a file");
        *pair = (rdd_text_of_file){ path, { content.size, content.data } };
        *ret = (view){ pair, 1 };
    }
    return ITERATOR_VIEW;
}

iterator *open_whole_files(const opening *o)
{
    files_iterator *self = files_open(o, whole_next);
    return self ? &self->base : NULL;
}

/* ---- fixed records -------------------------------------------------------------------------- */

static int records_next(iterator *it, view *ret)
{
    files_iterator *self = (files_iterator *)it;
    run *r = it->run;
    size_t size = (size_t)self->node->params.count;
    size_t batch = size_max(1, size_min(BATCH_MAX, BATCH_BYTES / size));
    rdd_error err;
    if (run_cancelled(r))
        return ITERATOR_FAILED;
    if (!self->block && !(self->block = malloc(batch * size)))
        return run_fail_memory(r, "reading records");
    if (!self->out && !(self->out = batch_new(it, RDD_TYPE(rdd_bytes))))
        return ITERATOR_FAILED;
    for (; self->at < self->count; self->at++) {
        file_range *range = &self->ranges[self->at];
        if (!self->file && input_open(run_inputs(r), &range->file, range->offset, range->end,
                                      &self->file, &err) < 0)
            return run_fail_with(r, &err);
        run_mark(r, self->index);
        uint64_t left = range->end - size_min(range->end, self->file->offset);
        ssize_t got = left ? input_read_full(self->file, self->block,
                                             (size_t)u64_min(left, batch * size), &err)
                           : 0;
        if (got < 0)
            return run_fail_with(r, &err);
        if (got > 0) {
            if ((size_t)got % size)
                return run_fail(r, RDD_E_INPUT,
                                "%s: its size is no multiple of the record size %zu: %zu bytes are left "
                                "at its end",
                                range->file.name, size, (size_t)got % size);
            rdd_bytes *items = self->out;
            size_t count = (size_t)got / size;
            for (size_t i = 0; i < count; i++)
                items[i] = (rdd_bytes){ size, self->block + i * size };
            r->metrics.input_bytes += (size_t)got;
            *ret = (view){ items, count };
            return ITERATOR_VIEW;
        }
        input_free(self->file);
        self->file = NULL;
    }
    return ITERATOR_END;
}

iterator *open_records(const opening *o)
{
    files_iterator *self = files_open(o, records_next);
    return self ? &self->base : NULL;
}
