/* progress_text.c: lines like
 *
 *     stage 3 map api_call  [=====>      ] 120+4/400  12,300 rec/s  0:12 left
 *
 * All lines of one drawing have their columns under each other. Where it gets narrow the bar goes
 * first, then what stands last, so that no number is ever cut.
 */
#include "progress_text.h"

#include "clock.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>

enum { BAR_MIN = 12, BAR_MAX = 42, LABEL_MIN = 16, FIGURES_MAX = 4, FIGURE_SIZE = 48 };

/* -- What is remembered ------------------------------------------------------------------------ */

static const progress_stage *state_find(const progress_state *state, uint32_t stage)
{
    for (size_t i = 0; i < state->count; i++)
        if (state->stages[i].stage == stage)
            return &state->stages[i];
    return NULL;
}

/* As tasks end in waves, what is left is estimated when one ends and counted down from there. */
static uint64_t estimate_end(const progress_stage *st, const stage_snapshot *shot, uint64_t now_ns)
{
    double elapsed = (double)(now_ns - st->first_ns);
    if (elapsed <= 0 || shot->done <= st->first_done)
        return 0;
    double left = elapsed * (double)(shot->total - shot->done) /
                  (double)(shot->done - st->first_done);
    return now_ns + (uint64_t)(left < 1e18 ? left : 1e18);
}

void progress_state_update(progress_state *state, uint64_t now_ns, const stage_snapshot *stages,
                           size_t count)
{
    progress_state next = { .count = size_min(count, PROGRESS_STAGES_MAX) };
    for (size_t i = 0; i < next.count; i++) {
        const progress_stage *had = state_find(state, stages[i].stage);
        progress_stage *st = &next.stages[i];
        if (had)
            *st = *had;
        else
            *st = (progress_stage){ .stage = stages[i].stage, .done = stages[i].done,
                                    .first_ns = now_ns, .first_records = stages[i].records,
                                    .first_done = stages[i].done, .printed_ns = now_ns };
        if (st->done != stages[i].done) {
            st->done = stages[i].done;
            st->end_ns = estimate_end(st, &stages[i], now_ns);
        }
    }
    *state = next;
}

/* -- Numbers ----------------------------------------------------------------------------------- */

/* What a line says of its stage, in order of importance, each a short text without surprises. */
typedef struct figures {
    char counts[FIGURE_SIZE];
    char texts[FIGURES_MAX][FIGURE_SIZE];
    size_t count;
} figures;

static const char *thousands(char text[FIGURE_SIZE], uint64_t number)
{
    CLEANUP(buf_release) buf out = { 0 };
    text_thousands(&out, number);
    snprintf(text, FIGURE_SIZE, "%.*s", (int)out.size, out.data ? out.data : "");
    return text;
}

static bool rate_text(char text[FIGURE_SIZE], uint64_t records, uint64_t elapsed_ns)
{
    if (!records || !elapsed_ns)
        return false;
    double rate = (double)records * (double)NS_PER_S / (double)elapsed_ns;
    char number[FIGURE_SIZE];
    if (rate < 0.1)
        snprintf(text, FIGURE_SIZE, "<0.1 rec/s");
    else if (rate < 9.95)
        snprintf(text, FIGURE_SIZE, "%.1f rec/s", rate);
    else
        snprintf(text, FIGURE_SIZE, "%.36s rec/s",
                 thousands(number, rate < 1e18 ? (uint64_t)(rate + 0.5) : UINT64_MAX));
    return true;
}

static void left_text(char text[FIGURE_SIZE], uint64_t left_ns)
{
    uint64_t seconds = (left_ns + NS_PER_S - 1) / NS_PER_S;
    uint64_t hours = seconds / 3600, minutes = seconds / 60 % 60;
    seconds %= 60;
    if (hours)
        snprintf(text, FIGURE_SIZE, "%" PRIu64 ":%02" PRIu64 ":%02" PRIu64 " left", hours, minutes,
                 seconds);
    else
        snprintf(text, FIGURE_SIZE, "%" PRIu64 ":%02" PRIu64 " left", minutes, seconds);
}

static figures figures_of(const progress_stage *st, const stage_snapshot *shot, uint64_t now_ns,
                          uint32_t slots)
{
    figures f = { .count = 0 };
    snprintf(f.counts, sizeof f.counts, "%" PRIu32 "+%" PRIu32 "/%" PRIu32, shot->done,
             shot->running, shot->total);
    if (rate_text(f.texts[f.count], shot->records - u64_min(st->first_records, shot->records),
                  now_ns - st->first_ns))
        f.count++;
    if (!slots)
        snprintf(f.texts[f.count++], FIGURE_SIZE, "waits for an executor");
    else if (st->end_ns > now_ns && shot->done < shot->total)
        left_text(f.texts[f.count++], st->end_ns - now_ns);
    if (shot->attempts_failed) {
        char number[FIGURE_SIZE];
        snprintf(f.texts[f.count++], FIGURE_SIZE, "%.36s failed",
                 thousands(number, shot->attempts_failed));
    }
    return f;
}

static void add_executors(figures *f, const progress_state *state)
{
    if (state->executors_up == state->executors_max || !state->executors_up)
        return;
    snprintf(f->texts[f->count++], FIGURE_SIZE, "%" PRIu32 "/%" PRIu32 " executors",
             state->executors_up, state->executors_max);
}

/* -- Lines for a terminal ---------------------------------------------------------------------- */

typedef struct line {
    const stage_snapshot *shot;
    figures figures;
} line;

/* How all lines are laid out. */
typedef struct layout {
    size_t columns;
    size_t label, bar, counts;   /* widths; a bar of 0 is none */
    size_t figure[FIGURES_MAX];
    size_t figures;              /* how many there are room for */
} layout;

static size_t label_columns(const stage_snapshot *shot)
{
    char number[FIGURE_SIZE];
    int size = snprintf(number, sizeof number, "stage %" PRIu32, shot->stage);
    size_t name = shot->name ? text_columns(shot->name, strlen(shot->name)) : 0;
    return (size_t)size + (name ? 1 + name : 0);
}

static size_t digit_count(uint64_t number)
{
    char digits[TEXT_U64_MAX];
    return (size_t)(text_put_u64(digits, number) - digits);
}

/* By which "9+2/400" will have grown at the end: room that is kept, so that nothing moves. */
static size_t digits_to_come(const stage_snapshot *shot)
{
    return digit_count(shot->total) - digit_count(size_min(shot->done, shot->total));
}

static layout layout_of(const line *lines, size_t count, size_t columns)
{
    layout l = { .columns = columns };
    for (size_t i = 0; i < count; i++) {
        const figures *f = &lines[i].figures;
        l.label = size_max(l.label, label_columns(lines[i].shot));
        l.counts = size_max(l.counts, strlen(f->counts) + digits_to_come(lines[i].shot));
        for (size_t k = 0; k < f->count; k++)
            l.figure[k] = size_max(l.figure[k], strlen(f->texts[k]));
    }
    l.label = size_min(l.label, size_max(LABEL_MIN, columns * 2 / 5));
    l.label = size_min(l.label, columns > l.counts + 2 ? columns - l.counts - 2 : columns);
    size_t used = l.label + 2 + l.counts;
    while (l.figures < FIGURES_MAX && l.figure[l.figures] &&
           used + 2 + l.figure[l.figures] <= columns)
        used += 2 + l.figure[l.figures++];
    bool all = l.figures == FIGURES_MAX || !l.figure[l.figures];
    if (all && used + BAR_MIN + 1 <= columns)
        l.bar = size_min(BAR_MAX, columns - used - 1);
    return l;
}

static void append_spaces(buf *out, size_t count)
{
    while (count--)
        buf_char(out, ' ');
}

static void append_label(buf *out, const stage_snapshot *shot, size_t columns)
{
    CLEANUP(buf_release) buf label = { 0 };
    buf_format(&label, "stage %" PRIu32, shot->stage);
    if (shot->name && *shot->name)
        buf_format(&label, " %s", shot->name);
    size_t used = label.failed ? 0 : text_fit(out, label.data, label.size, columns);
    append_spaces(out, columns - used);
}

static void append_bar(buf *out, const stage_snapshot *shot, size_t columns)
{
    size_t inner = columns - 2;
    size_t filled = shot->total ? (size_t)((uint64_t)inner * shot->done / shot->total) : inner;
    buf_char(out, '[');
    for (size_t i = 0; i < inner; i++)
        buf_char(out, i < filled ? '=' : i == filled ? '>' : ' ');
    buf_text(out, "] ");
}

static void append_line(buf *out, const line *ln, const layout *l)
{
    append_label(out, ln->shot, l->label);
    if (l->label + 2 + l->counts > l->columns) /* narrower than any number */
        return;
    buf_text(out, "  ");
    if (l->bar)
        append_bar(out, ln->shot, l->bar);
    size_t due = l->counts - strlen(ln->figures.counts);
    buf_text(out, ln->figures.counts);
    for (size_t k = 0; k < l->figures && k < ln->figures.count; k++) {
        append_spaces(out, due + 2 + l->figure[k] - strlen(ln->figures.texts[k]));
        buf_text(out, ln->figures.texts[k]);
        due = 0;
    }
}

size_t progress_bars(const progress_state *state, uint64_t now_ns, uint64_t age_ns,
                     const stage_snapshot *stages, size_t count, uint32_t slots, size_t columns,
                     size_t rows, buf *out)
{
    line lines[PROGRESS_STAGES_MAX];
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        const progress_stage *st = state_find(state, stages[i].stage);
        if (st && found < PROGRESS_STAGES_MAX && now_ns - st->first_ns >= age_ns)
            lines[found++] = (line){ &stages[i], figures_of(st, &stages[i], now_ns, slots) };
    }
    if (found)
        add_executors(&lines[0].figures, state);
    if (!found || !rows || !columns)
        return 0;
    size_t shown = found <= rows ? found : rows - 1;
    layout l = layout_of(lines, shown, columns);
    for (size_t i = 0; i < shown; i++) {
        if (i)
            buf_char(out, '\n');
        append_line(out, &lines[i], &l);
    }
    if (shown == found)
        return shown;
    char more[FIGURE_SIZE];
    int size = snprintf(more, sizeof more, "and %zu more stages", found - shown);
    if (shown)
        buf_char(out, '\n');
    text_fit(out, more, (size_t)size, columns);
    return shown + 1;
}

/* -- Lines for a file -------------------------------------------------------------------------- */

void progress_plain(progress_state *state, uint64_t now_ns, uint64_t every_ns,
                    const stage_snapshot *stages, size_t count, uint32_t slots, buf *out)
{
    for (size_t i = 0; i < size_min(count, state->count); i++) {
        progress_stage *st = &state->stages[i]; /* in the order of the last update */
        const stage_snapshot *shot = &stages[i];
        if (now_ns - st->printed_ns < every_ns)
            continue;
        st->printed_ns = now_ns;
        figures f = figures_of(st, shot, now_ns, slots);
        if (i == 0)
            add_executors(&f, state);
        append_label(out, shot, label_columns(shot));
        buf_format(out, ": %s", f.counts);
        for (size_t k = 0; k < f.count; k++)
            buf_format(out, ", %s", f.texts[k]);
        buf_char(out, '\n');
    }
}

/* -- The last line ----------------------------------------------------------------------------- */

static void append_count(buf *out, uint64_t count, const char *one, const char *many)
{
    text_thousands(out, count);
    buf_char(out, ' ');
    buf_text(out, count == 1 ? one : many);
}

static void append_duration(buf *out, uint64_t ns)
{
    double seconds = (double)ns / (double)NS_PER_S;
    uint64_t whole = (ns + NS_PER_S / 2) / NS_PER_S;
    if (seconds < 9.995)
        buf_format(out, "%.2f s", seconds);
    else if (seconds < 59.95)
        buf_format(out, "%.1f s", seconds);
    else if (whole < 3600)
        buf_format(out, "%" PRIu64 " min %" PRIu64 " s", whole / 60, whole % 60);
    else
        buf_format(out, "%" PRIu64 " h %" PRIu64 " min", whole / 3600, whole / 60 % 60);
}

void progress_summary_text(const progress_summary *summary, buf *out)
{
    append_count(out, summary->jobs, "job", "jobs");
    if (summary->jobs_failed) {
        buf_text(out, " (");
        text_thousands(out, summary->jobs_failed);
        buf_text(out, " failed)");
    }
    buf_text(out, ", ");
    append_count(out, summary->stages, "stage", "stages");
    buf_text(out, ", ");
    append_count(out, summary->tasks, "task", "tasks");
    if (summary->tasks_retried) {
        buf_text(out, " (");
        text_thousands(out, summary->tasks_retried);
        buf_text(out, " retried)");
    }
    buf_text(out, ", ");
    append_count(out, summary->records, "record", "records");
    buf_text(out, " in ");
    append_duration(out, summary->wall_ns);
    if (summary->master) {
        buf_text(out, " on ");
        text_fit(out, summary->master, strlen(summary->master), SIZE_MAX);
    }
}
