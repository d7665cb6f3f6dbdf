/* progress.c: draws what progress_text.h says.
 *
 * Invariants: `drawn` is what stands at the bottom of the terminal, the cursor behind its last
 * character; empty, the cursor is at the start of a line. Whatever is written goes out in one
 * piece, with the lines taken away before it and drawn again behind it. No colours, so there is
 * nothing that NO_COLOR would turn off.
 */
#include "progress.h"

#include "clock.h"
#include "text.h"

#include <pthread.h>
#include <sys/ioctl.h>

static const uint64_t DRAW_NS = 200 * NS_PER_MS;
static const uint64_t PLAIN_NS = 10 * NS_PER_S;

struct progress {
    progress_mode mode; /* constant, as are the next three */
    bool terminal;
    FILE *out;
    int fd;
    pthread_mutex_t mutex;
    /* under the mutex */
    progress_state state;
    uint64_t drawn_ns;
    buf drawn;
    buf text; /* what is being made */
};

static void draw_locked(progress *p, uint64_t now_ns, const stage_snapshot *stages, size_t count,
                        uint32_t slots);
static void erase_locked(progress *p);
static void write_locked(progress *p);

static bool is_terminal(int fd)
{
    const char *term = getenv("TERM");
    return fd >= 0 && isatty(fd) && term && *term && strcmp(term, "dumb") != 0;
}

progress *progress_new(progress_mode mode, FILE *out)
{
    progress *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->mode = mode;
    p->out = out;
    p->fd = fileno(out);
    p->terminal = is_terminal(p->fd);
    pthread_mutex_init(&p->mutex, NULL);
    return p;
}

void *progress_free(progress *p)
{
    if (!p)
        return NULL;
    progress_clear(p);
    buf_release(&p->drawn);
    buf_release(&p->text);
    pthread_mutex_destroy(&p->mutex);
    free(p);
    return NULL;
}

void progress_update(progress *p, uint64_t now_ns, const stage_snapshot *stages, size_t count,
                     uint32_t slots)
{
    bool plain = !p->terminal && (p->mode == PROGRESS_ON || p->mode == PROGRESS_VERBOSE);
    if (p->mode == PROGRESS_QUIET || (!p->terminal && !plain))
        return;
    pthread_mutex_lock(&p->mutex);
    progress_state_update(&p->state, now_ns, stages, count);
    if (plain) {
        progress_plain(&p->state, now_ns, PLAIN_NS, stages, count, slots, &p->text);
        write_locked(p);
    } else if (!count || now_ns - p->drawn_ns >= DRAW_NS) {
        draw_locked(p, now_ns, stages, count, slots);
    }
    pthread_mutex_unlock(&p->mutex);
}

void progress_executors(progress *p, uint32_t up, uint32_t max)
{
    pthread_mutex_lock(&p->mutex);
    p->state.executors_up = up;
    p->state.executors_max = max;
    pthread_mutex_unlock(&p->mutex);
}

void progress_clear(progress *p)
{
    pthread_mutex_lock(&p->mutex);
    erase_locked(p);
    buf_clear(&p->drawn);
    write_locked(p);
    pthread_mutex_unlock(&p->mutex);
}

/* Above what is drawn. */
static void print_locked(progress *p, const char *before, const char *text, size_t size)
{
    erase_locked(p);
    const char *at = text, *end = size ? text + size : text;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        size_t length = (size_t)(stop - at);
        if (length && stop[-1] == '\r')
            length--;
        buf_text(&p->text, before);
        text_fit(&p->text, at, length, SIZE_MAX);
        buf_char(&p->text, '\n');
        at = newline ? newline + 1 : end;
    }
    buf_append(&p->text, p->drawn.data, p->drawn.size);
    write_locked(p);
}

void progress_log(progress *p, const char *text, size_t size)
{
    pthread_mutex_lock(&p->mutex);
    print_locked(p, "", text, size);
    pthread_mutex_unlock(&p->mutex);
}

void progress_note(progress *p, const char *text)
{
    if (p->mode != PROGRESS_VERBOSE)
        return;
    pthread_mutex_lock(&p->mutex);
    print_locked(p, "rdd: ", text, strlen(text));
    pthread_mutex_unlock(&p->mutex);
}

void progress_finish(progress *p, const progress_summary *summary)
{
    progress_clear(p);
    bool wanted = p->mode == PROGRESS_AUTO ? p->terminal : p->mode != PROGRESS_QUIET;
    if (!wanted || !summary->jobs)
        return;
    pthread_mutex_lock(&p->mutex);
    progress_summary_text(summary, &p->text);
    buf_char(&p->text, '\n');
    write_locked(p);
    pthread_mutex_unlock(&p->mutex);
}

/* -- The terminal ------------------------------------------------------------------------------ */

typedef struct extent {
    size_t columns, rows;
} extent;

static extent terminal_extent(int fd)
{
    struct winsize window;
    extent size = { 80, 24 };
    if (ioctl(fd, TIOCGWINSZ, &window) < 0)
        return size;
    if (window.ws_col)
        size.columns = window.ws_col;
    if (window.ws_row)
        size.rows = window.ws_row;
    return size;
}

/* A shell's background job leaves the terminal alone. */
static bool in_foreground(int fd)
{
    pid_t group = tcgetpgrp(fd);
    return group < 0 || group == getpgrp();
}

static void draw_locked(progress *p, uint64_t now_ns, const stage_snapshot *stages, size_t count,
                        uint32_t slots)
{
    CLEANUP(buf_release) buf next = { 0 };
    extent size = terminal_extent(p->fd);
    p->drawn_ns = now_ns;
    if (!in_foreground(p->fd)) {
        buf_clear(&p->drawn); /* it has scrolled away */
        return;
    }
    /* The last column stays free: written to, terminals differ on where the cursor is then. */
    progress_bars(&p->state, now_ns, DRAW_NS, stages, count, slots, size.columns - 1,
                  size.rows - 1, &next);
    if (next.failed)
        return;
    if (next.size == p->drawn.size && (!next.size || !memcmp(next.data, p->drawn.data, next.size)))
        return;
    erase_locked(p);
    buf_clear(&p->drawn);
    buf_append(&p->drawn, next.data, next.size);
    if (p->drawn.failed)
        buf_clear(&p->drawn);
    buf_append(&p->text, p->drawn.data, p->drawn.size);
    write_locked(p);
}

/* Goes up to where the drawing begins and clears from there. A terminal that has become narrower
 * shows a long line in several rows. */
static void erase_locked(progress *p)
{
    if (!p->drawn.size)
        return;
    size_t columns = terminal_extent(p->fd).columns, rows = 0;
    const char *at = p->drawn.data, *end = at + p->drawn.size;
    while (at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const char *stop = newline ? newline : end;
        size_t width = text_columns(at, (size_t)(stop - at));
        rows += width ? (width + columns - 1) / columns : 1;
        at = newline ? newline + 1 : end;
    }
    buf_char(&p->text, '\r');
    if (rows > 1)
        buf_format(&p->text, "\033[%zuA", rows - 1);
    buf_text(&p->text, "\033[J");
}

static void write_locked(progress *p)
{
    if (p->text.size && !p->text.failed) {
        fwrite(p->text.data, 1, p->text.size, p->out);
        fflush(p->out);
    }
    buf_clear(&p->text);
}
