/* narrow_pipe.c: lines through a shell command: rdd_pipe.
 *
 * One thread feeds the command and reads it, whichever is possible, so a command that reads nothing
 * while its output is full, or the reverse, cannot deadlock with us. The command starts at the
 * first pull, also when there is no input. Its output is read as far as the consumer asks for it,
 * its input pulled as far as the command reads: one that stops reading (head -1) has seen enough,
 * and what it did not want is never computed.
 *
 * A missing string is an empty line; one with a line end inside is two lines to the command. What
 * the command gives is cut at \n alone.
 */
#include "command.h"
#include "iterator.h"

#include <stdio.h>

extern char **environ;

enum { FEED_SIZE = 64 << 10, READ_SIZE = COMMAND_PIPE_SIZE };

typedef struct pipe_iterator {
    iterator base;
    const plan_node *node;
    iterator *chain;
    int64_t partition;
    const char *text;   /* of the command */
    command command;
    bool ended;

    view pending;       /* elements that are still to be fed */
    size_t element_at;  /* bytes of the first that were */
    bool input_ended;
    char *feed;
    size_t feed_at, feed_end;

    char *data;         /* output: [at, end) is not handed out yet */
    size_t at, end, capacity;
    size_t searched;    /* no line end before this */
    rdd_str *lines;
} pipe_iterator;

static int failed_with(pipe_iterator *self, rdd_error *err)
{
    error_prefix(err, "%s: `%.200s`: ", self->node->label, self->text);
    return run_fail_with(self->base.run, err);
}

/* ---- input ---------------------------------------------------------------------------------- */

/* Copies as much of the next element as there is room for. */
static void feed_element(pipe_iterator *self)
{
    const rdd_str *line = self->pending.items;
    size_t left = line->size - self->element_at;
    size_t size = size_min(left, FEED_SIZE - self->feed_end);
    if (size)
        memcpy(self->feed + self->feed_end, line->data + self->element_at, size);
    self->feed_end += size;
    self->element_at += size;
    if (size < left || self->feed_end == FEED_SIZE)
        return; /* no room for the rest, or for the line end */
    self->feed[self->feed_end++] = '\n';
    self->element_at = 0;
    view_advance(&self->pending, self->node->type, 1);
}

/* What was gathered goes out before more is asked for, which may be long in coming. */
static int feed_fill(pipe_iterator *self)
{
    self->feed_at = self->feed_end = 0;
    while (self->feed_end < FEED_SIZE) {
        if (self->pending.count) {
            feed_element(self);
            continue;
        }
        if (self->feed_end || self->input_ended)
            return 0;
        int rc = iterator_next(self->chain, &self->pending);
        if (rc == ITERATOR_FAILED)
            return -1;
        if (rc == ITERATOR_END) {
            self->pending.count = 0;
            self->input_ended = true;
        }
    }
    return 0;
}

static int feed_write(pipe_iterator *self)
{
    if (self->feed_at == self->feed_end && feed_fill(self) < 0)
        return -1;
    if (self->feed_at == self->feed_end) {
        command_end_input(&self->command);
        return 0;
    }
    rdd_error err;
    ssize_t done = command_write(&self->command, self->feed + self->feed_at,
                                 self->feed_end - self->feed_at, &err);
    if (done < 0)
        return failed_with(self, &err);
    self->feed_at += (size_t)done;
    return 0;
}

/* ---- output --------------------------------------------------------------------------------- */

/* There is no line end in what is there, so it is one line that has no room. */
static int data_grow(pipe_iterator *self)
{
    size_t line_max = size_max(self->base.run->plan->line_max, READ_SIZE);
    if (self->capacity > line_max)
        return run_fail(self->base.run, RDD_E_LIMIT,
                        "%s: `%.200s` gives a line of more than %zu bytes; raise --conf "
                        "task.budget",
                        self->node->label, self->text, line_max);
    size_t capacity = size_min(self->capacity ? 2 * self->capacity : READ_SIZE, line_max + 1);
    char *data = realloc(self->data, capacity);
    if (!data)
        return run_fail_memory(self->base.run, "reading from a command");
    self->data = data;
    self->capacity = capacity;
    return 0;
}

/* 1 when there was something, 0 when there is nothing now. */
static int data_read(pipe_iterator *self)
{
    if (self->command.from < 0)
        return 0;
    if (self->end == self->capacity && data_grow(self) < 0)
        return -1;
    ssize_t got = command_read(&self->command, self->data + self->end, self->capacity - self->end);
    self->end += (size_t)got;
    return got > 0;
}

/* What was handed out is gone, and its room is free. */
static void data_shift(pipe_iterator *self)
{
    if (!self->at)
        return;
    memmove(self->data, self->data + self->at, self->end - self->at);
    self->searched = size_max(self->searched, self->at) - self->at;
    self->end -= self->at;
    self->at = 0;
}

/* Complete lines; at the end of the output also one without an end. */
static size_t lines_cut(pipe_iterator *self)
{
    size_t count = 0;
    while (count < BATCH_MAX && self->at < self->end) {
        size_t from = size_max(self->searched, self->at);
        const char *newline = memchr(self->data + from, '\n', self->end - from);
        if (!newline)
            self->searched = self->end;
        if (!newline && !self->ended)
            break;
        size_t stop = newline ? (size_t)(newline - self->data) : self->end;
        self->lines[count++] = (rdd_str){ stop - self->at, self->data + self->at };
        self->at = newline ? stop + 1 : stop;
    }
    return count;
}

/* ---- the iterator --------------------------------------------------------------------------- */

/* Ours, with the number of the pipe's partition. */
static char **environment_make(run *r, int64_t partition)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **copy = arena_alloc(r->memory, (count + 2) * sizeof *copy);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < count && environ[i]; i++)
        if (strncmp(environ[i], "RDD_PARTITION=", 14) != 0)
            copy[kept++] = environ[i];
    copy[kept] = arena_format(r->memory, "RDD_PARTITION=%lld", (long long)partition);
    copy[kept + 1] = NULL;
    return copy[kept] ? copy : NULL;
}

static int pipe_start(pipe_iterator *self)
{
    run *r = self->base.run;
    rdd_error err;
    char **environment = environment_make(r, self->partition);
    if (!environment)
        return run_fail_memory(r, "starting a command");
    if (command_start(&self->command, self->text, environment, &err) < 0) {
        error_prefix(&err, "%s: ", self->node->label);
        return run_fail_with(r, &err);
    }
    return 0;
}

/* Waits until something can be done, and does it. */
static int pipe_turn(pipe_iterator *self)
{
    command_state can;
    rdd_error err;
    if (command_poll(&self->command, &can, &err) < 0)
        return failed_with(self, &err);
    if (run_cancelled(self->base.run) || (can.can_read && data_read(self) < 0))
        return -1;
    return can.can_write ? feed_write(self) : 0;
}

/* The command has ended. What it wrote is in the pipe; what others that still hold the pipe open
 * may write is not waited for. 1 when there is more to read, 0 at the end. */
static int pipe_drain(pipe_iterator *self)
{
    int more = data_read(self);
    if (more)
        return more;
    char how[640];
    command_drain_errors(&self->command);
    int code = command_verdict(&self->command, how, sizeof how);
    if (code < 0)
        return run_fail(self->base.run, (rdd_code)code, "%s: `%.200s` %s; partition %lld",
                        self->node->label, self->text, how, (long long)self->partition);
    return 0;
}

static int pipe_next(iterator *it, view *ret)
{
    pipe_iterator *self = (pipe_iterator *)it;
    if (it->run->code || (!self->command.pid && pipe_start(self) < 0))
        return ITERATOR_FAILED;
    if (self->ended)
        return ITERATOR_END;
    data_shift(self);
    size_t count;
    while (!(count = lines_cut(self)) && !self->ended) {
        bool exited = self->command.exited;
        int rc = exited ? pipe_drain(self) : pipe_turn(self);
        if (rc < 0)
            return ITERATOR_FAILED;
        self->ended = exited && rc == 0;
    }
    if (!count)
        return ITERATOR_END;
    *ret = (view){ self->lines, count };
    return ITERATOR_VIEW;
}

static void pipe_close(iterator *it)
{
    pipe_iterator *self = (pipe_iterator *)it;
    command_release(&self->command);
    free(self->data);
}

iterator *open_pipe(const opening *o)
{
    run *r = o->run;
    rdd_str text = o->node->params.text;
    pipe_iterator *self = iterator_new(r, sizeof *self, pipe_next, pipe_close);
    if (!self)
        return NULL;
    command_init(&self->command);
    self->node = o->node;
    self->partition = o->partition;
    self->text = arena_copy(r->memory, text.data, text.size);
    self->feed = arena_alloc(r->memory, FEED_SIZE);
    self->lines = arena_alloc(r->memory, BATCH_MAX * sizeof *self->lines);
    if (!self->text || !self->feed || !self->lines) {
        run_fail_memory(r, "starting a command");
        return NULL;
    }
    self->chain = open_parent(o, 0);
    return self->chain ? &self->base : NULL;
}
