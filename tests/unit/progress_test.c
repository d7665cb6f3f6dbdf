/* progress_test.c: progress_text.h by its exact words, progress.h on a pseudo-terminal whose bytes
 * a small terminal of our own understands. */
#include "progress.h"

#include "clock.h"
#include "text.h"

#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>

static const uint64_t T = 1000 * NS_PER_S;

static stage_snapshot shot_of(uint32_t stage, const char *name, uint32_t done, uint32_t running,
                              uint32_t total, uint64_t records)
{
    return (stage_snapshot){ .stage = stage, .name = name, .done = done, .running = running,
                             .total = total, .records = records };
}

/* -- Words ------------------------------------------------------------------------------------- */

static void expect_bars(const progress_state *state, uint64_t now_ns, const stage_snapshot *shots,
                        size_t count, size_t columns, size_t rows, const char *text)
{
    CLEANUP(buf_release) buf b = { 0 };
    size_t lines = progress_bars(state, now_ns, 0, shots, count, 2, columns, rows, &b);
    assert_string_equal(buf_terminate(&b) ? b.data : "", text);
    size_t newlines = 0;
    for (size_t i = 0; i < b.size; i++)
        newlines += b.data[i] == '\n';
    assert_int_equal(lines, b.size ? newlines + 1 : 0);
}

static void a_line_says_how_far_a_stage_is(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shot = shot_of(3, "map api_call", 0, 4, 400, 0);
    progress_state_update(&seen, T, &shot, 1);
    expect_bars(&seen, T, &shot, 1, 79, 10,
                "stage 3 map api_call  [>                                       ] 0+4/400");
    shot.done = 120;
    shot.records = 61500;
    progress_state_update(&seen, T + 5 * NS_PER_S, &shot, 1);
    expect_bars(&seen, T + 5 * NS_PER_S, &shot, 1, 79, 10,
                "stage 3 map api_call  [======>             ] 120+4/400  12,300 rec/s  0:12 left");
    shot.attempts_failed = 1234;
    expect_bars(&seen, T + 5 * NS_PER_S, &shot, 1, 79, 10,
                "stage 3 map api_call  120+4/400  12,300 rec/s  0:12 left  1,234 failed");
}

static void what_is_left_counts_down_between_waves(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shot = shot_of(0, "x", 0, 4, 8, 0);
    progress_state_update(&seen, T, &shot, 1);
    shot.done = 4;
    progress_state_update(&seen, T + 10 * NS_PER_S, &shot, 1);
    expect_bars(&seen, T + 10 * NS_PER_S, &shot, 1, 30, 1, "stage 0 x  4+4/8  0:10 left");
    progress_state_update(&seen, T + 16 * NS_PER_S, &shot, 1);
    expect_bars(&seen, T + 16 * NS_PER_S, &shot, 1, 30, 1, "stage 0 x  4+4/8  0:04 left");
    progress_state_update(&seen, T + 21 * NS_PER_S, &shot, 1); /* overdue: nobody knows */
    expect_bars(&seen, T + 21 * NS_PER_S, &shot, 1, 29, 1, "stage 0 x  [=====>    ] 4+4/8");
    shot.done = 7;
    shot.running = 1;
    progress_state_update(&seen, T + 7 * 3600 * NS_PER_S, &shot, 1);
    expect_bars(&seen, T + 7 * 3600 * NS_PER_S, &shot, 1, 30, 1,
                "stage 0 x  7+1/8  1:00:00 left");
}

static void what_was_done_before_it_was_seen_does_not_count(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shot = shot_of(0, "x", 20, 2, 40, 1000);
    progress_state_update(&seen, T, &shot, 1);
    expect_bars(&seen, T + NS_PER_S, &shot, 1, 35, 1, "stage 0 x  [=======>      ] 20+2/40");
    shot.done = 25;
    shot.records = 1250;
    progress_state_update(&seen, T + 5 * NS_PER_S, &shot, 1);
    expect_bars(&seen, T + 5 * NS_PER_S, &shot, 1, 45, 1,
                "stage 0 x  25+2/40  50 rec/s  0:15 left");
}

static void several_lines_stand_under_each_other(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shots[] = { shot_of(9, "read", 0, 1, 1000, 0),
                               shot_of(10, "write all", 0, 1, 9, 0) };
    progress_state_update(&seen, T, shots, 2);
    shots[0].done = 999;
    shots[0].records = 1;
    shots[1].done = 1;
    shots[1].records = 1000000;
    progress_state_update(&seen, T + NS_PER_S, shots, 2);
    expect_bars(&seen, T + NS_PER_S, shots, 2, 79, 10,
                "stage 9 read        [================>] 999+1/1000         1.0 rec/s  0:01 left\n"
                "stage 10 write all  [=>               ] 1+1/9        1,000,000 rec/s  0:08 left");
}

static void numbers_are_never_cut(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shot = shot_of(3, "map api_call", 0, 4, 400, 0);
    progress_state_update(&seen, T, &shot, 1);
    shot.done = 120;
    shot.records = 61500;
    uint64_t now = T + 5 * NS_PER_S;
    progress_state_update(&seen, now, &shot, 1);
    static const struct {
        size_t columns;
        const char *text;
    } cases[] = {
        { 60, "stage 3 map api_call  120+4/400  12,300 rec/s  0:12 left" },
        { 56, "stage 3 map api_call  120+4/400  12,300 rec/s  0:12 left" },
        { 50, "stage 3 map api_call  120+4/400  12,300 rec/s" },
        { 30, "stage 3 map a...  120+4/400" },
        { 20, "stage ...  120+4/400" },
        { 12, ".  120+4/400" },
        { 11, "stage 3 ..." },
        { 3, "..." },
        { 1, "." },
        { 0, "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        expect_bars(&seen, now, &shot, 1, cases[i].columns, 5, cases[i].text);
}

static void no_line_is_too_wide(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        progress_state seen = { 0 };
        char names[4][24];
        stage_snapshot shots[4];
        size_t count = 1 + test_random_below(4);
        for (size_t i = 0; i < count; i++) {
            size_t size = test_random_below(sizeof names[i]);
            for (size_t k = 0; k < size; k++)
                names[i][k] = (char)(1 + test_random_below(255));
            names[i][size] = 0;
            uint32_t total = 1 + (uint32_t)test_random_below(100000);
            uint32_t done = (uint32_t)test_random_below(total + 1);
            shots[i] = shot_of((uint32_t)test_random_below(200), names[i], done,
                               (uint32_t)test_random_below(100), total, test_random() >> 20);
            shots[i].attempts_failed = test_random_below(3);
        }
        progress_state_update(&seen, T, shots, count);
        uint64_t now = T + test_random_below(1000 * NS_PER_S);
        progress_state_update(&seen, now, shots, count);
        size_t columns = 1 + test_random_below(150), rows = 1 + test_random_below(5);
        CLEANUP(buf_release) buf b = { 0 };
        size_t lines = progress_bars(&seen, now, 0, shots, count,
                                     (uint32_t)test_random_below(2), columns, rows, &b);
        assert_true(lines <= rows);
        char *rest = buf_terminate(&b), *line;
        while ((line = strsep(&rest, "\n")))
            assert_true(text_columns(line, strlen(line)) <= columns);
    }
}

static void many_stages_do_not_fill_the_screen(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shots[40];
    for (uint32_t i = 0; i < ARRAY_SIZE(shots); i++)
        shots[i] = shot_of(i, "x", 0, 0, 5, 0);
    progress_state_update(&seen, T, shots, 4);
    expect_bars(&seen, T, shots, 4, 20, 4,
                "stage 0 x  0+0/5\nstage 1 x  0+0/5\nstage 2 x  0+0/5\nstage 3 x  0+0/5");
    expect_bars(&seen, T, shots, 4, 20, 3,
                "stage 0 x  0+0/5\nstage 1 x  0+0/5\nand 2 more stages");
    expect_bars(&seen, T, shots, 4, 20, 1, "and 4 more stages");
    expect_bars(&seen, T, shots, 4, 20, 0, "");
    progress_state_update(&seen, T, shots, ARRAY_SIZE(shots));
    assert_int_equal(seen.count, PROGRESS_STAGES_MAX);
}

static void young_stages_are_not_shown(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shots[] = { shot_of(1, "a", 0, 1, 2, 0), shot_of(2, "b", 0, 1, 2, 0) };
    progress_state_update(&seen, T, shots, 1);
    progress_state_update(&seen, T + 150 * NS_PER_MS, shots, 2);
    CLEANUP(buf_release) buf b = { 0 };
    uint64_t age = 200 * NS_PER_MS;
    assert_int_equal(progress_bars(&seen, T + age - 1, age, shots, 2, 1, 20, 9, &b), 0);
    assert_int_equal(progress_bars(&seen, T + age, age, shots, 2, 1, 20, 9, &b), 1);
    assert_string_equal(buf_terminate(&b), "stage 1 a  0+1/2");
}

static void without_executors_it_says_so(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shot = shot_of(1, NULL, 0, 0, 2, 0);
    progress_state_update(&seen, T, &shot, 1);
    CLEANUP(buf_release) buf b = { 0 };
    progress_bars(&seen, T, 0, &shot, 1, 0, 40, 9, &b);
    assert_string_equal(buf_terminate(&b), "stage 1  0+0/2  waits for an executor");
}

static void plain_lines_come_now_and_then(void **state)
{
    (void)state;
    progress_state seen = { 0 };
    stage_snapshot shots[] = { shot_of(1, "a\x1b[2J", 0, 1, 20, 0), shot_of(2, "b", 0, 1, 20, 0) };
    CLEANUP(buf_release) buf b = { 0 };
    uint64_t every = 10 * NS_PER_S;
    progress_state_update(&seen, T, shots, 1);
    for (uint64_t ms = 0; ms <= 25000; ms += 200) {
        uint64_t now = T + ms * NS_PER_MS;
        shots[0].done = (uint32_t)(ms / 2500);
        shots[0].records = ms;
        progress_state_update(&seen, now, shots, ms >= 10000 ? 2 : 1);
        progress_plain(&seen, now, every, shots, ms >= 10000 ? 2 : 1, 2, &b);
    }
    assert_string_equal(buf_terminate(&b), "stage 1 a?[2J: 4+1/20, 1,000 rec/s, 0:40 left\n"
                                           "stage 1 a?[2J: 8+1/20, 1,000 rec/s, 0:30 left\n"
                                           "stage 2 b: 0+1/20\n");
}

static void expect_summary(progress_summary summary, const char *text)
{
    CLEANUP(buf_release) buf b = { 0 };
    progress_summary_text(&summary, &b);
    assert_string_equal(buf_terminate(&b), text);
}

static void the_last_line_says_what_ran(void **state)
{
    (void)state;
    expect_summary((progress_summary){ 1, 0, 3, 400, 2, 1234567, 12345 * NS_PER_MS, "local[2]" },
                   "1 job, 3 stages, 400 tasks (2 retried), 1,234,567 records in 12.3 s on "
                   "local[2]");
    expect_summary((progress_summary){ 2, 1, 1, 1, 0, 1, 31 * NS_PER_MS, "local[*]" },
                   "2 jobs (1 failed), 1 stage, 1 task, 1 record in 0.03 s on local[*]");
    expect_summary((progress_summary){ 0, 0, 0, 0, 0, 0, 9994 * NS_PER_MS, NULL },
                   "0 jobs, 0 stages, 0 tasks, 0 records in 9.99 s");
    expect_summary((progress_summary){ 1, 0, 1, 1, 0, 1, 9995 * NS_PER_MS, NULL },
                   "1 job, 1 stage, 1 task, 1 record in 10.0 s");
    expect_summary((progress_summary){ 1, 0, 1, 1, 0, 1, 59960 * NS_PER_MS, NULL },
                   "1 job, 1 stage, 1 task, 1 record in 1 min 0 s");
    expect_summary((progress_summary){ 1, 0, 1, 1, 0, 1, 7384 * NS_PER_S, NULL },
                   "1 job, 1 stage, 1 task, 1 record in 2 h 3 min");
}

/* -- Not a terminal ---------------------------------------------------------------------------- */

/* All a program says in one mode, with the output in memory. */
static char *say_all(progress_mode mode)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    assert_non_null(out);
    progress *p = progress_new(mode, out);
    assert_non_null(p);
    stage_snapshot shot = shot_of(0, "x", 0, 1, 2, 0);
    progress_update(p, T, &shot, 1, 1);
    progress_note(p, "executor 0 is slow");
    progress_log(p, "one\r\ntwo\n\nlast", 14);
    shot.done = 1;
    progress_update(p, T + 10 * NS_PER_S, &shot, 1, 1);
    progress_update(p, T + 11 * NS_PER_S, NULL, 0, 1);
    progress_finish(p, &(progress_summary){ .wall_ns = 1 });
    progress_finish(p, &(progress_summary){ .jobs = 1, .master = "local" });
    progress_free(p);
    fclose(out);
    return text;
}

static void in_a_file_each_mode_says_its_own(void **state)
{
    (void)state;
    static const char *const texts[] = {
        [PROGRESS_AUTO] = "one\ntwo\n\nlast\n",
        [PROGRESS_QUIET] = "one\ntwo\n\nlast\n",
        [PROGRESS_ON] = "one\ntwo\n\nlast\nstage 0 x: 1+1/2, 0:10 left\n"
                        "1 job, 0 stages, 0 tasks, 0 records in 0.00 s on local\n",
        [PROGRESS_VERBOSE] = "rdd: executor 0 is slow\none\ntwo\n\nlast\n"
                             "stage 0 x: 1+1/2, 0:10 left\n"
                             "1 job, 0 stages, 0 tasks, 0 records in 0.00 s on local\n",
    };
    for (size_t mode = 0; mode < ARRAY_SIZE(texts); mode++) {
        CLEANUP(freep) char *text = say_all((progress_mode)mode);
        assert_string_equal(text, texts[mode]);
    }
}

/* -- A terminal -------------------------------------------------------------------------------- */

enum { SCREEN_ROWS = 400, SCREEN_COLUMNS = 60 };

/* Understands what progress.c writes, and fails at all else. */
typedef struct screen {
    char cells[SCREEN_ROWS][SCREEN_COLUMNS + 1];
    size_t row, column;
} screen;

static void screen_clear_below(screen *s)
{
    memset(s->cells[s->row] + s->column, 0, SCREEN_COLUMNS - s->column);
    for (size_t row = s->row + 1; row < SCREEN_ROWS; row++)
        memset(s->cells[row], 0, SCREEN_COLUMNS);
}

static const char *screen_escape(screen *s, const char *at)
{
    assert_int_equal(*at, '[');
    char *end;
    unsigned long number = strtoul(at + 1, &end, 10);
    if (*end == 'A') {
        assert_true(number >= 1 && number <= s->row);
        s->row -= number;
    } else {
        assert_int_equal(*end, 'J');
        screen_clear_below(s);
    }
    return end + 1;
}

static void screen_feed(screen *s, const char *at)
{
    while (*at) {
        char c = *at++;
        if (c == '\033') {
            at = screen_escape(s, at);
        } else if (c == '\r') {
            s->column = 0;
        } else if (c == '\n') {
            assert_true(++s->row < SCREEN_ROWS);
            s->column = 0;
        } else {
            if (s->column == SCREEN_COLUMNS) {
                assert_true(++s->row < SCREEN_ROWS);
                s->column = 0;
            }
            s->cells[s->row][s->column++] = c;
        }
    }
}

typedef struct terminal {
    int master;
    FILE *out;
    progress *progress;
    screen screen;
} terminal;

static bool terminal_open(terminal *t, progress_mode mode)
{
    memset(t, 0, sizeof *t);
    t->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (t->master < 0 || grantpt(t->master) < 0 || unlockpt(t->master) < 0)
        return false;
    int slave = open(ptsname(t->master), O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (slave < 0)
        return false;
    struct termios raw;
    assert_int_equal(tcgetattr(slave, &raw), 0);
    cfmakeraw(&raw);
    assert_int_equal(tcsetattr(slave, TCSANOW, &raw), 0);
    struct winsize size = { .ws_row = 8, .ws_col = SCREEN_COLUMNS };
    assert_int_equal(ioctl(slave, TIOCSWINSZ, &size), 0);
    fcntl(t->master, F_SETFL, O_NONBLOCK);
    t->out = fdopen(slave, "w");
    setenv("TERM", "xterm", 1);
    t->progress = progress_new(mode, t->out);
    assert_non_null(t->progress);
    return true;
}

/* Takes in what was written; returns the screen's row. All of it is there, in the kernel. */
static const char *terminal_row(terminal *t, size_t row)
{
    char text[4096];
    ssize_t size;
    while ((size = read(t->master, text, sizeof text - 1)) > 0) {
        text[size] = 0;
        screen_feed(&t->screen, text);
    }
    return t->screen.cells[row];
}

#define expect_row(t, row, text) assert_string_equal(terminal_row(t, row), text)

static void terminal_close(terminal *t)
{
    progress_free(t->progress);
    fclose(t->out);
    close(t->master);
}

#define NEED_TERMINAL(t, mode)    \
    if (!terminal_open(t, mode)) \
    TEST_SKIP("there are no pseudo-terminals")

static void lines_are_drawn_anew_and_taken_away(void **state)
{
    (void)state;
    terminal t;
    NEED_TERMINAL(&t, PROGRESS_AUTO);
    stage_snapshot shots[] = { shot_of(1, "a", 0, 1, 4, 0), shot_of(2, "b", 0, 1, 4, 0) };
    progress_update(t.progress, T, shots, 2, 2);
    expect_row(&t, 0, "");
    progress_update(t.progress, T + NS_PER_S, shots, 2, 2);
    expect_row(&t, 0, "stage 1 a  [>                                       ] 0+1/4");
    expect_row(&t, 1, "stage 2 b  [>                                       ] 0+1/4");
    shots[0].done = 1;
    progress_update(t.progress, T + NS_PER_S + 199 * NS_PER_MS, shots, 2, 2); /* too soon */
    expect_row(&t, 0, "stage 1 a  [>                                       ] 0+1/4");
    progress_update(t.progress, T + 2 * NS_PER_S, shots, 1, 2);
    expect_row(&t, 0, "stage 1 a  [=======>                     ] 1+1/4  0:03 left");
    expect_row(&t, 1, "");
    progress_clear(t.progress);
    expect_row(&t, 0, "");
    assert_int_equal(t.screen.row, 0);
    progress_update(t.progress, T + 3 * NS_PER_S, shots, 1, 2);
    assert_string_not_equal(terminal_row(&t, 0), "");
    progress_update(t.progress, T + 3 * NS_PER_S, NULL, 0, 2); /* no stage: at once */
    expect_row(&t, 0, "");
    progress_finish(t.progress, &(progress_summary){ .jobs = 1, .master = "local" });
    expect_row(&t, 0, "1 job, 0 stages, 0 tasks, 0 records in 0.00 s on local");
    expect_row(&t, 1, "");
    terminal_close(&t);
}

static void what_is_printed_is_never_torn(void **state)
{
    (void)state;
    terminal t;
    NEED_TERMINAL(&t, PROGRESS_VERBOSE);
    size_t printed = 0;
    uint64_t now = T;
    for (int round = 0; round < 2000 && printed < SCREEN_ROWS - 20; round++) {
        stage_snapshot shots[12];
        size_t count = test_random_below(ARRAY_SIZE(shots) + 1);
        for (uint32_t i = 0; i < count; i++)
            shots[i] = shot_of(i, i % 2 ? "even" : "a somewhat longer name", (uint32_t)round, i,
                               2000, (uint64_t)round * 1000);
        now += test_random_below(NS_PER_S);
        progress_update(t.progress, now, shots, count, 2);
        if (test_random_below(4) == 0) {
            char text[64];
            int size = snprintf(text, sizeof text, "line %zu\x1b[2J\nline %zu", printed,
                                printed + 1);
            progress_log(t.progress, text, (size_t)size);
            snprintf(text, sizeof text, "line %zu?[2J", printed);
            assert_string_equal(terminal_row(&t, printed), text);
            snprintf(text, sizeof text, "line %zu", printed + 1);
            assert_string_equal(terminal_row(&t, printed + 1), text);
            printed += 2;
        }
        assert_true(t.screen.row < printed + 7); /* of 8 rows, one stays free */
    }
    progress_clear(t.progress);
    for (size_t i = 0; i < printed; i++)
        assert_memory_equal(terminal_row(&t, i), "line ", 5);
    assert_string_equal(terminal_row(&t, printed), "");
    assert_int_equal(t.screen.row, printed);
    terminal_close(&t);
}

static void a_narrower_terminal_is_cleared_too(void **state)
{
    (void)state;
    terminal t;
    NEED_TERMINAL(&t, PROGRESS_AUTO);
    struct winsize wide = { .ws_row = 8, .ws_col = 2 * SCREEN_COLUMNS };
    ioctl(fileno(t.out), TIOCSWINSZ, &wide);
    stage_snapshot shots[] = { shot_of(1, "a name that is so long that a line has to be cut", 1, 1,
                                       4, 5000), shot_of(2, "b", 1, 1, 4, 5000) };
    progress_update(t.progress, T, shots, 2, 2);
    progress_update(t.progress, T + NS_PER_S, shots, 2, 2); /* our screen breaks its lines */
    assert_string_not_equal(terminal_row(&t, 3), "");
    struct winsize narrow = { .ws_row = 8, .ws_col = SCREEN_COLUMNS };
    ioctl(fileno(t.out), TIOCSWINSZ, &narrow);
    progress_clear(t.progress);
    for (size_t i = 0; i < 8; i++)
        assert_string_equal(terminal_row(&t, i), "");
    assert_int_equal(t.screen.row, 0);
    terminal_close(&t);
}

static void a_dumb_terminal_is_none(void **state)
{
    (void)state;
    terminal t;
    NEED_TERMINAL(&t, PROGRESS_AUTO);
    progress_free(t.progress);
    setenv("TERM", "dumb", 1);
    t.progress = progress_new(PROGRESS_AUTO, t.out);
    stage_snapshot shot = shot_of(1, "a", 0, 1, 4, 0);
    progress_update(t.progress, T, &shot, 1, 2);
    progress_update(t.progress, T + 20 * NS_PER_S, &shot, 1, 2);
    progress_finish(t.progress, &(progress_summary){ .jobs = 1 });
    expect_row(&t, 0, "");
    terminal_close(&t);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_says_how_far_a_stage_is),
        cmocka_unit_test(what_is_left_counts_down_between_waves),
        cmocka_unit_test(what_was_done_before_it_was_seen_does_not_count),
        cmocka_unit_test(several_lines_stand_under_each_other),
        cmocka_unit_test(numbers_are_never_cut),
        cmocka_unit_test(no_line_is_too_wide),
        cmocka_unit_test(many_stages_do_not_fill_the_screen),
        cmocka_unit_test(young_stages_are_not_shown),
        cmocka_unit_test(without_executors_it_says_so),
        cmocka_unit_test(plain_lines_come_now_and_then),
        cmocka_unit_test(the_last_line_says_what_ran),
        cmocka_unit_test(in_a_file_each_mode_says_its_own),
        cmocka_unit_test(lines_are_drawn_anew_and_taken_away),
        cmocka_unit_test(what_is_printed_is_never_torn),
        cmocka_unit_test(a_narrower_terminal_is_cleared_too),
        cmocka_unit_test(a_dumb_terminal_is_none),
    };
    return TEST_MAIN(argc, argv, tests);
}
