/* executor_log_test.c: line_splitter.h and executor_log.h: what executors print, from bytes to the
 * driver's stderr. */
#include "executor_log.h"
#include "line_splitter.h"

#include "test.h"

#include <fcntl.h>
#include <semaphore.h>

/* -- Splitting --------------------------------------------------------------------------------- */

static void collect(void *arg, rdd_str line)
{
    buf *b = arg;
    buf_format(b, "%zu:", line.size);
    buf_append(b, line.data, size_min(line.size, 8));
    buf_char(b, '|');
}

static void lines_come_out_whole_from_pieces_of_any_size(void **state)
{
    (void)state;
    static const char TEXT[] = "one\ntwo\r\n\nlast, without end";
    for (size_t piece = 1; piece < sizeof TEXT; piece++) {
        CLEANUP(buf_release) buf b = { 0 };
        line_splitter *l = calloc(1, sizeof *l);
        for (size_t at = 0; at < sizeof TEXT - 1; at += piece)
            line_splitter_feed(l, TEXT + at, size_min(piece, sizeof TEXT - 1 - at), collect, &b);
        assert_string_equal(buf_terminate(&b), "3:one|3:two|0:|");
        line_splitter_end(l, collect, &b);
        line_splitter_end(l, collect, &b);
        assert_string_equal(buf_terminate(&b), "3:one|3:two|0:|17:last, wi|");
        free(l);
    }
}

static void a_long_line_is_cut_once(void **state)
{
    (void)state;
    static const size_t SIZES[] = { LOG_LINE_MAX - 3, LOG_LINE_MAX - 2, LOG_LINE_MAX, 100000 };
    for (size_t i = 0; i < ARRAY_SIZE(SIZES); i++) {
        CLEANUP(buf_release) buf b = { 0 };
        line_splitter *l = calloc(1, sizeof *l);
        for (size_t j = 0; j < SIZES[i]; j++)
            line_splitter_feed(l, "x", 1, collect, &b);
        line_splitter_feed(l, "\nnext\n", 6, collect, &b);
        assert_string_equal(buf_terminate(&b),
                            i ? "4096:xxxxxxxx|4:next|" : "4093:xxxxxxxx|4:next|");
        free(l);
    }
}

/* -- Printing ---------------------------------------------------------------------------------- */

typedef struct slow_reader {
    sem_t go;
    buf seen;
} slow_reader;

static void print_slowly(void *arg, const char *text, size_t size)
{
    slow_reader *s = arg;
    sem_wait(&s->go);
    sem_post(&s->go);
    buf_append(&s->seen, text, size);
}

static void who_reads_slowly_holds_nobody_up(void **state)
{
    (void)state;
    slow_reader s = { 0 };
    sem_init(&s.go, 0, 0);
    executor_log l;
    assert_int_equal(executor_log_start(&l, print_slowly, &s, NULL), 0);
    static char line[1000];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 10000; i++) /* more than there is room for */
        executor_log_add(&l, line, sizeof line);
    sem_post(&s.go);
    executor_log_stop(&l);
    assert_true(s.seen.size > 1 << 20 && s.seen.size < 10 << 20);
    assert_non_null(strstr(buf_terminate(&s.seen), "bytes of executors' output dropped"));
    buf_release(&s.seen);
    sem_destroy(&s.go);
}

static void the_last_words_reach_stderr(void **state)
{
    (void)state;
    int pipe_fds[2], saved = dup(2);
    assert_int_equal(pipe(pipe_fds), 0);
    dup2(pipe_fds[1], 2);
    executor_log l;
    int code = executor_log_start(&l, NULL, NULL, NULL);
    executor_log_add(&l, "[executor 0] bye\n", 17);
    executor_log_stop(&l);
    dup2(saved, 2);
    close(saved);
    close(pipe_fds[1]);
    char text[64] = { 0 };
    assert_int_equal(code, 0);
    assert_int_equal(read(pipe_fds[0], text, sizeof text - 1), 17);
    assert_string_equal(text, "[executor 0] bye\n");
    close(pipe_fds[0]);
}

/* A pipe that is full and never read: the end comes all the same. */
static void nobody_reads_stderr(void **state)
{
    (void)state;
    int pipe_fds[2], saved = dup(2);
    assert_int_equal(pipe2(pipe_fds, O_NONBLOCK), 0);
    static char block[4096];
    while (write(pipe_fds[1], block, sizeof block) > 0) {
    }
    fcntl(pipe_fds[1], F_SETFL, 0);
    dup2(pipe_fds[1], 2);
    executor_log l;
    int code = executor_log_start(&l, NULL, NULL, NULL);
    executor_log_add(&l, "unheard\n", 8);
    executor_log_stop(&l);
    dup2(saved, 2);
    close(saved);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    assert_int_equal(code, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_from_pieces_of_any_size),
        cmocka_unit_test(a_long_line_is_cut_once),
        cmocka_unit_test(who_reads_slowly_holds_nobody_up),
        cmocka_unit_test(the_last_words_reach_stderr),
        cmocka_unit_test(nobody_reads_stderr),
    };
    return TEST_MAIN(argc, argv, tests);
}
