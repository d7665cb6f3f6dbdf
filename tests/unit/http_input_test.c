/* http_input_test.c: files behind a server that gives parts or does not, breaks off, changes them,
 * or is no help at all. */
#include "bad_server.h"
#include "clock.h"
#include "conf.h"
#include "http_input.h"

#include "test.h"

enum { SIZE = 3 << 20 };

/* How the server of a test behaves. */
typedef struct site {
    char *bytes;
    size_t size;
    bool parts;
    bool no_length;         /* ends with its connection */
    const char *etag;       /* NULL: none */
    const char *later_etag; /* from the second request on */
    size_t break_after;     /* bytes of the first three answers with a body that is longer */
    const char *status;     /* instead of all that, */
    int status_times;       /* so often */
    const char *location;
    int breaks;
} site;

static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static site s; /* under the gate while the server runs */
static bad_server *server;
static arena memory;

/* Changes how the server behaves. */
#define SITE(change)                 \
    do {                             \
        pthread_mutex_lock(&gate);   \
        change;                      \
        pthread_mutex_unlock(&gate); \
    } while (0)

static void head(buf *b, const site *now, const char *status, size_t first, size_t count)
{
    buf_format(b, "HTTP/1.1 %s\r\n", status);
    if (!now->no_length)
        buf_format(b, "Content-Length: %zu\r\n", count);
    else
        buf_text(b, "Connection: close\r\n");
    if (status[2] == '6')
        buf_format(b, "Content-Range: bytes %zu-%zu/%zu\r\n", first, first + count - 1, now->size);
}

static bool answer(bad_request *r, void *arg)
{
    (void)arg;
    site now;
    SITE(now = s);
    if (now.status && r->number <= now.status_times)
        return bad_reply(r, now.status, now.location ? now.location : "", "an error");
    CLEANUP(buf_release) buf b = { 0 };
    size_t first = 0, last = now.size;
    const char *range = strstr(r->head, "Range: bytes=");
    const char *etag = now.later_etag && r->number > 1 ? now.later_etag : now.etag;
    bool part = now.parts && range && sscanf(range, "Range: bytes=%zu-%zu", &first, &last) == 2;
    const char *only_if = strstr(r->head, "If-Range: ");
    if (only_if && (!etag || strncmp(only_if + 10, etag, strlen(etag)) != 0))
        part = false;
    if (part && first >= now.size) {
        buf_format(&b, "HTTP/1.1 416 no\r\nContent-Range: bytes */%zu\r\nContent-Length: 0\r\n"
                   "\r\n", now.size);
        return bad_send_bytes(r, b.data, b.size);
    }
    if (!part)
        first = 0;
    size_t count = part && last < now.size ? last + 1 - first : now.size - first;
    head(&b, &now, part ? "206 Partial Content" : "200 OK", first, count);
    if (etag)
        buf_format(&b, "ETag: %s\r\n", etag);
    buf_text(&b, "\r\n");
    if (!bad_send_bytes(r, b.data, b.size))
        return false;
    if (now.break_after && count > now.break_after)
        SITE(now.breaks = s.breaks++);
    if (now.break_after && count > now.break_after && now.breaks < 3)
        return bad_send_bytes(r, now.bytes + first, now.break_after) && bad_reset(r);
    return bad_send_bytes(r, now.bytes + first, count) && !now.no_length;
}

static int begin(void **state)
{
    (void)state;
    s = (site){ .bytes = malloc(SIZE), .size = SIZE, .parts = true, .etag = "\"one\"" };
    for (size_t i = 0; i < SIZE; i++)
        s.bytes[i] = (char)(i * 7 + i / 1000);
    server = bad_server_start(answer, NULL);
    conf_clear();
    return conf_set("http.backoff", "1ms", NULL);
}

static int end(void **state)
{
    (void)state;
    bad_server_stop(server);
    free(s.bytes);
    arena_release(&memory);
    return 0;
}

static input_file look(void)
{
    input_file file;
    rdd_error err;
    if (http_input_stat(bad_server_url(server, "/f"), &memory, &file, &err) < 0)
        fail_msg("%s", err.message);
    return file;
}

/* Reads to the end of the file; how many bytes, or the error. */
static ssize_t read_all(const input_file *file, uint64_t offset, uint64_t end_hint, rdd_error *err)
{
    CLEANUP(input_freep) input *in = NULL;
    CLEANUP(freep) char *got = malloc(100000);
    assert_int_equal(http_input_open((http_input_stop){ 0 }, file, offset, end_hint, &in, err), 0);
    for (;;) {
        uint64_t at = in->offset;
        ssize_t size = input_read(in, got, 1 + test_random_below(100000), err);
        if (size < 0)
            return size;
        if (!size)
            return (ssize_t)(in->offset - offset);
        assert_true(at + (size_t)size <= s.size);
        assert_memory_equal(got, s.bytes + at, (size_t)size);
    }
}

static void check_all(const input_file *file, uint64_t offset, uint64_t end_hint)
{
    rdd_error err;
    ssize_t size = read_all(file, offset, end_hint, &err);
    if (size < 0)
        fail_msg("%s", err.message);
    assert_int_equal(size, s.size - offset);
}

static void parts_are_asked_for(void **state)
{
    (void)state;
    input_file file = look();
    assert_int_equal(file.size, SIZE);
    assert_int_equal(file.place, INPUT_HTTP);
    assert_false(file.whole);
    assert_string_equal(file.version, "\"one\"");
    check_all(&file, 0, INPUT_END);
    check_all(&file, SIZE - 1, SIZE);
    check_all(&file, 1000, 2000); /* and what is behind the hint, when it is wanted */
    assert_non_null(strstr(bad_server_seen(server, 4), "Range: bytes=1000-18383"));
    assert_non_null(strstr(bad_server_seen(server, 4), "If-Range: \"one\""));
    rdd_error err;
    assert_int_equal(read_all(&file, SIZE, INPUT_END, &err), 0);
}

static void a_server_without_parts_gives_all(void **state)
{
    (void)state;
    SITE(s.parts = false);
    input_file file = look();
    assert_true(file.whole);
    check_all(&file, 0, INPUT_END);
    SITE(s.no_length = true);
    file = look();
    check_all(&file, 0, INPUT_END);
}

static void an_empty_file_is_one(void **state)
{
    (void)state;
    SITE(s.size = 0);
    input_file file = look();
    assert_int_equal(file.size, 0);
    check_all(&file, 0, INPUT_END);
    SITE(s.parts = false);
    file = look();
    check_all(&file, 0, INPUT_END);
}

static void what_breaks_goes_on_where_it_broke(void **state)
{
    (void)state;
    input_file file = look();
    SITE(s.break_after = 100000);
    check_all(&file, 0, INPUT_END);
    assert_int_equal(s.breaks, 4);
    SITE(s.parts = false);
    SITE(s.breaks = 0);
    file = look();
    check_all(&file, 0, INPUT_END); /* from its beginning, and what was read is dropped */
}

static void a_file_that_changes_is_an_error(void **state)
{
    (void)state;
    rdd_error err;
    input_file file = look();
    SITE(s.later_etag = "\"two\"");
    assert_int_equal(read_all(&file, 0, INPUT_END, &err), RDD_E_INPUT);
    assert_non_null(strstr(err.message, "changed while it was read"));
    assert_int_equal(read_all(&file, 500, 600, &err), RDD_E_INPUT);
    SITE(s.later_etag = NULL);
    SITE(s.size -= 5);
    assert_int_equal(read_all(&file, 500, 600, &err), RDD_E_INPUT);
}

static void a_server_in_trouble_is_asked_again(void **state)
{
    (void)state;
    SITE(s.status = "503 Service Unavailable");
    SITE(s.status_times = 2);
    input_file file = look();
    check_all(&file, 0, INPUT_END);
    rdd_error err;
    SITE(s.status_times = 1000);
    assert_int_equal(read_all(&file, 0, INPUT_END, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "the server answered 503 Service Unavailable"));
    SITE(s.status = "404 Not Found");
    int before = bad_server_requests(server);
    assert_int_equal(read_all(&file, 0, INPUT_END, &err), RDD_E_IO);
    assert_int_equal(bad_server_requests(server), before + 1);
    assert_non_null(strstr(err.message, "the server answered 404 Not Found"));
}

static void retry_after_is_waited_for(void **state)
{
    (void)state;
    conf_set("http.retry_after_max", "200ms", NULL);
    SITE(s.status = "429 Too Many Requests");
    SITE(s.status_times = 2);
    SITE(s.location = "Retry-After: 9\r\n");
    uint64_t begun = clock_now_ns();
    input_file file = look();
    assert_true(clock_now_ns() - begun >= 400 * NS_PER_MS);
    SITE(s.status_times = 1000);
    atomic_bool cancelled = true;
    conf_set("http.retry_after_max", "1h", NULL);
    SITE(s.location = "Retry-After: 3600\r\n");
    CLEANUP(input_freep) input *in = NULL;
    rdd_error err;
    char byte;
    assert_int_equal(http_input_open((http_input_stop){ .first = &cancelled }, &file, 0, INPUT_END, &in,
                                     &err), 0);
    assert_int_equal(input_read(in, &byte, 1, &err), RDD_E_CANCELLED);
}

static void no_other_scheme_and_no_secret(void **state)
{
    (void)state;
    rdd_error err;
    input_file file;
    SITE(s.status = "302 Found");
    SITE(s.status_times = 1000);
    SITE(s.location = "Location: file:///etc/passwd\r\n");
    assert_int_equal(http_input_stat(bad_server_url(server, "/f"), &memory, &file, &err),
                     RDD_E_IO);
    char url[200];
    snprintf(url, sizeof url, "http://me:secret@127.0.0.1:%d/f", bad_server_port(server));
    SITE(s.status = "403 Forbidden");
    SITE(s.location = NULL);
    assert_int_equal(http_input_stat(url, &memory, &file, &err), RDD_E_IO);
    assert_null(strstr(err.message, "secret"));
    assert_non_null(strstr(err.message, "the server answered 403 Forbidden"));
    assert_int_equal(http_input_stat("http://[bad", &memory, &file, &err), RDD_E_USAGE);
}

static void a_cancelled_task_stops(void **state)
{
    (void)state;
    rdd_error err;
    input_file file = look();
    atomic_bool cancelled = true;
    CLEANUP(input_freep) input *in = NULL;
    char byte;
    SITE(s.status = "503 Service Unavailable");
    SITE(s.status_times = 1000);
    conf_set("http.attempts_max", "1000000", NULL);
    assert_int_equal(http_input_open((http_input_stop){ .first = &cancelled }, &file, 0,
                                     INPUT_END, &in, &err), 0);
    assert_int_equal(input_read(in, &byte, 1, &err), RDD_E_CANCELLED);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(parts_are_asked_for),
        CASE(a_server_without_parts_gives_all),
        CASE(an_empty_file_is_one),
        CASE(what_breaks_goes_on_where_it_broke),
        CASE(a_file_that_changes_is_an_error),
        CASE(a_server_in_trouble_is_asked_again),
        CASE(retry_after_is_waited_for),
        CASE(no_other_scheme_and_no_secret),
        CASE(a_cancelled_task_stops),
    };
    return TEST_MAIN(argc, argv, tests);
}
