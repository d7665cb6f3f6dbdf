/* http_test.c: single calls: what is sent, what comes back, and what servers do wrong. */
#include "http_fixture.h"

#include <sched.h>
#include <zlib.h>

/* -- Good answers ------------------------------------------------------------------------------ */

static bool answer_ok(bad_request *r, void *arg)
{
    (void)arg;
    return bad_reply(r, "200 OK", "Content-Type: application/json\r\n", "{\"a\":1}");
}

static void an_answer(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_ok, NULL);
    fixture_get(&f, "/x?y=%20");
    assert_response(&f, 200, 1, "");
    assert_str(f.response.body, "{\"a\":1}");
    assert_str(f.response.content_type, "application/json");
    const char *seen = bad_server_seen(f.server, 1);
    assert_ptr_equal(strstr(seen, "GET /x?y=%20 HTTP/1.1\r\n"), seen);
    assert_non_null(strstr(seen, "User-Agent: rdd/"));
    fixture_release(&f);
}

static void a_connection_is_kept(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_ok, NULL);
    for (int i = 0; i < 50; i++) {
        fixture_get(&f, "/");
        assert_response(&f, 200, 1, "");
    }
    assert_int_equal(bad_server_requests(f.server), 50);
    assert_int_equal(bad_server_connections(f.server), 1);
    fixture_release(&f);
}

static bool answer_without_body(bad_request *r, void *arg)
{
    (void)arg;
    if (!strcmp(r->method, "HEAD"))
        return bad_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    return bad_send(r, "HTTP/1.1 204 No Content\r\n\r\n");
}

static void answers_without_body(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_without_body, NULL);
    fixture_get(&f, "/");
    assert_response(&f, 204, 1, "");
    assert_int_equal(f.response.body.size, 0);
    assert_non_null(f.response.body.data);
    rdd_http_request head = { .url = str_of(bad_server_url(f.server, "/")),
                              .method = RDD_STR("head") };
    assert_int_equal(fixture_send(&f, &head), 0);
    assert_response(&f, 200, 1, "");
    assert_int_equal(f.response.body.size, 0);
    assert_int_equal(bad_server_connections(f.server), 1);
    fixture_release(&f);
}

static bool answer_status(bad_request *r, void *arg)
{
    (void)arg;
    char status[64];
    snprintf(status, sizeof status, "%s Whatever The Server Says", r->path + 1);
    return bad_reply(r, status, "", "{\"why\":\"because\"}");
}

static void other_statuses_are_failures_with_a_body(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_status, NULL);
    f.policy.attempts_max = 5;
    fixture_get(&f, "/404");
    assert_response(&f, 404, 1, "404 Not Found");
    assert_str(f.response.body, "{\"why\":\"because\"}");
    fixture_get(&f, "/599");
    assert_response(&f, 599, 1, "599");
    fixture_get(&f, "/299");
    assert_response(&f, 299, 1, "");
    fixture_release(&f);
}

/* -- Requests ---------------------------------------------------------------------------------- */

static void what_is_sent(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_ok, NULL);
    rdd_str headers[] = { RDD_STR("X-Api-Key: geheim"), RDD_STR("X-Empty:"), RDD_STR("X-Blank: ") };
    rdd_http_request request = { .url = str_of(bad_server_url(f.server, "/p\xc3\xa4th")),
                                 .method = RDD_STR("post"), .body = RDD_STR("{\"n\":1}"),
                                 .headers = headers, .header_count = 3,
                                 .idempotency_key = RDD_STR("job-7") };
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 200, 1, "");
    const char *seen = bad_server_seen(f.server, 1);
    assert_ptr_equal(strstr(seen, "POST /p%C3%A4th HTTP/1.1\r\n"), seen);
    assert_non_null(strstr(seen, "\r\nX-Api-Key: geheim\r\n"));
    assert_non_null(strstr(seen, "\r\nX-Empty:\r\n"));
    assert_non_null(strstr(seen, "\r\nX-Blank:\r\n"));
    assert_non_null(strstr(seen, "\r\nIdempotency-Key: job-7\r\n"));
    assert_non_null(strstr(seen, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(seen, "\r\n\r\n{\"n\":1}"));

    /* The next call has nothing of it. */
    fixture_get(&f, "/");
    seen = bad_server_seen(f.server, 2);
    assert_ptr_equal(strstr(seen, "GET / HTTP/1.1\r\n"), seen);
    assert_null(strstr(seen, "X-Api-Key"));
    assert_null(strstr(seen, "Idempotency-Key"));
    assert_null(strstr(seen, "Content-"));
    fixture_release(&f);
}

/* Whatever URL came before on the same handle, what is sent is what libcurl makes of this one: hosts
 * that stay are not parsed again (http_target.c). */
static void one_url_after_the_other(void **state)
{
    (void)state;
    static const struct {
        const char *after_host, *target;
    } cases[] = {
        { "/a", "/a" },
        { "/b?x=1&y=/z", "/b?x=1&y=/z" },
        { "/c", "/c" },
        { "", "/" },
        { "?q", "/?q" },
        { "/d/e%20f", "/d/e%20f" },
        { "/%2Fg%2f", "/%2Fg%2f" },
        { "/h?%C3%a4", "/h?%C3%a4" },
        { "/i#part", "/i" },
        { "/j?#part", "/j?" },
        { "/k", "/k" },
        { "/l/../m/./n", "/m/n" },
        { "/o?", "/o?" },
        { "//p", "//p" },
        { "/\xc3\xa4?\xc3\xa4", "/%C3%A4?%C3%A4" },
        { "/.q", "/.q" },
        { "/r?a?b", "/r?a?b" },
        { "/\"<s>^`{|}'", "/\"<s>^`{|}'" },
        { "/t?a=/../b", "/t?a=/../b" },
        { "/%", "/%" },
        { "/u%zz%4", "/u%zz%4" },
    };
    fixture f, other;
    fixture_init(&f, answer_ok, NULL);
    fixture_init(&other, answer_ok, NULL);
    int seen = 0, seen_by_other = 0;
    for (size_t first = 0; first < ARRAY_SIZE(cases); first++)
        for (size_t i = first; i < first + 2; i++) {
            size_t at = i * 8 % ARRAY_SIZE(cases);
            fixture_get(&f, bad_server_url(f.server, cases[at].after_host));
            char line[128];
            snprintf(line, sizeof line, "GET %s HTTP/1.1\r\n", cases[at].target);
            const char *got = bad_server_seen(f.server, ++seen);
            if (strstr(got, line) != got)
                fail_msg("%s was sent as %.40s", cases[at].after_host, got);
            if (i % 5)
                continue;
            fixture_get(&f, bad_server_url(other.server, "/elsewhere"));
            got = bad_server_seen(other.server, ++seen_by_other);
            assert_ptr_equal(strstr(got, "GET /elsewhere HTTP/1.1\r\n"), got);
        }
    fixture_release(&f);
    fixture_release(&other);
}

static void methods_and_bodies(void **state)
{
    (void)state;
    static const struct {
        const char *method, *body, *line, *has, *has_not;
    } cases[] = {
        { "PUT", "text", "PUT / HTTP", "Content-Length: 4", "Content-Type" },
        { "DELETE", NULL, "DELETE / HTTP", "Host:", "Content-Length" },
        { "PATCH", "[1]", "PATCH / HTTP", "application/json", "Expect" },
        { "POST", NULL, "POST / HTTP", "Content-Length: 0", "form" },
        { "GET", "{}", "GET / HTTP", "Content-Length: 2", "form" },
        { "GET", NULL, "GET / HTTP", "Host:", "Content" },
        { "PURGE", NULL, "PURGE / HTTP", "Host:", "Content-Length" },
        { "HEAD", NULL, "HEAD / HTTP", "Host:", "Content" },
        { "HEAD", "", "HEAD / HTTP", "Host:", "Content" },
        { "GET", NULL, "GET / HTTP", "Host:", "Content" },
    };
    fixture f;
    fixture_init(&f, answer_without_body, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        rdd_http_request request = { .url = str_of(bad_server_url(f.server, "/")),
                                     .method = str_of(cases[i].method),
                                     .body = str_of(cases[i].body) };
        assert_int_equal(fixture_send(&f, &request), 0);
        assert_int_equal(f.response.status / 100, 2);
        const char *seen = bad_server_seen(f.server, (int)i + 1);
        assert_ptr_equal(strstr(seen, cases[i].line), seen);
        assert_non_null(strstr(seen, cases[i].has));
        assert_null(strstr(seen, cases[i].has_not));
    }
    fixture_release(&f);
}

static void a_large_body_is_not_waited_for(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_ok, NULL);
    size_t size = 600000;
    char *body = malloc(size);
    assert_non_null(body);
    memset(body, 'x', size);
    rdd_http_request request = { .url = str_of(bad_server_url(f.server, "/")),
                                 .method = RDD_STR("PUT"), .body = { size, body } };
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 200, 1, "");
    assert_null(strstr(bad_server_seen(f.server, 1), "Expect"));
    free(body);
    fixture_release(&f);
}

static void refuse_header(fixture *f, rdd_str header, const char *error)
{
    rdd_http_request request = { .url = str_of(bad_server_url(f->server, "/")), .headers = &header,
                                 .header_count = 1 };
    assert_int_equal(fixture_send(f, &request), 0);
    assert_response(f, 0, 0, error);
}

static void nothing_is_injected(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_ok, NULL);
    refuse_header(&f, RDD_STR("A: b\r\nC: d"), "header 1 has a line break in it");
    refuse_header(&f, RDD_STR("A: b\n"), "header 1 has a line break in it");
    refuse_header(&f, RDD_STR("A: b\0c"), "header 1 has a control character in it");
    refuse_header(&f, RDD_STR("A b: c"), "header 1 is not of the form \"Name: value\"");
    refuse_header(&f, RDD_STR(": c"), "header 1 is not of the form \"Name: value\"");
    refuse_header(&f, RDD_STR("Name"), "header 1 is not of the form \"Name: value\"");
    refuse_header(&f, RDD_STR(""), "header 1 is not of the form \"Name: value\"");
    refuse_header(&f, RDD_STR("content-length: 5"),
                  "header 1 is set from the body and cannot be given");
    rdd_http_request request = { .url = str_of(bad_server_url(f.server, "/")),
                                 .method = RDD_STR("GET / HTTP/1.1\r\nX:") };
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 0, 0, "the method is no word of HTTP");
    request.method = RDD_STR("GET");
    request.header_count = 1;
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 0, 0, "headers is NULL, but header_count is 1");
    request.header_count = 0;
    request.method = RDD_STR("head");
    request.body = RDD_STR("x");
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 0, 0, "a HEAD request has no body (give it another method)");
    request.method = RDD_STR("POST");
    request.idempotency_key = RDD_STR("a\nb");
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 0, 0, "the idempotency key has a line break in it");
    fixture_get(&f, bad_server_url(f.server, "/\r\nX: y"));
    assert_response(&f, 0, 0, "the URL has a control character in it");
    assert_int_equal(bad_server_requests(f.server), 0);
    fixture_release(&f);
}

static void only_http(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, NULL, NULL);
    const char *scheme = "the URL does not begin with http:// or https://";
    fixture_get(&f, "file:///etc/passwd");
    assert_response(&f, 0, 0, scheme);
    fixture_get(&f, "ftp://127.0.0.1/");
    assert_response(&f, 0, 0, scheme);
    fixture_get(&f, "127.0.0.1");
    assert_response(&f, 0, 0, scheme);
    fixture_get(&f, "");
    assert_response(&f, 0, 0, "the URL is empty");
    fixture_get(&f, "http://");
    assert_response(&f, 0, 0, "the URL has no host");
    fixture_get(&f, "http://127.0.0.1/a b");
    assert_response(&f, 0, 0, "the URL has a blank in it (percent-encode it as %20)");
    fixture_get(&f, "http://[::1/");
    assert_response(&f, 0, 1, "the URL is malformed");
    fixture_release(&f);
}

/* -- No connection ----------------------------------------------------------------------------- */

static void refused_and_unknown(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_ok, NULL);
    char url[64], error[128];
    snprintf(url, sizeof url, "http://u:p@127.0.0.1:%d/", bad_server_port(f.server));
    snprintf(error, sizeof error, "connection refused by 127.0.0.1:%d", bad_server_port(f.server));
    bad_server_stop(f.server);
    f.server = NULL;
    f.policy.attempts_max = 3;
    fixture_get(&f, url);
    assert_response(&f, 0, 3, error);
    assert_null(f.response.body.data);
    fixture_get(&f, "http://no-such-host.invalid:81/");
    assert_response(&f, 0, 3, "could not resolve host no-such-host.invalid");
    fixture_release(&f);
}

/* -- Broken answers ---------------------------------------------------------------------------- */

static bool answer_broken(bad_request *r, void *arg)
{
    (void)arg;
    if (!strcmp(r->path, "/nothing"))
        return false;
    if (!strcmp(r->path, "/reset"))
        return bad_reset(r);
    if (!strcmp(r->path, "/reset-later"))
        return bad_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), bad_reset(r);
    if (!strcmp(r->path, "/truncated"))
        return bad_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), false;
    if (!strcmp(r->path, "/truncated-head"))
        return bad_send(r, "HTTP/1.1 200 OK\r\nContent-Le"), false;
    bad_send(r, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    bad_send(r, !strcmp(r->path, "/truncated-chunk") ? "64\r\nhalf" : "zz\r\nhalf\r\n");
    return false;
}

static void broken_connections(void **state)
{
    (void)state;
    static const char *const paths[] = { "/nothing", "/reset", "/reset-later", "/truncated",
                                         "/truncated-head", "/truncated-chunk", "/bad-chunk" };
    fixture f;
    fixture_init(&f, answer_broken, NULL);
    char error[128];
    snprintf(error, sizeof error, "connection to 127.0.0.1:%d broke before the answer was complete",
             bad_server_port(f.server));
    f.policy.attempts_max = 2;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        fixture_get(&f, paths[i]);
        assert_response(&f, 0, 2, error);
        assert_null(f.response.body.data);
    }
    fixture_release(&f);
}

static bool answer_garbage(bad_request *r, void *arg)
{
    (void)arg;
    bad_send(r, "SSH-2.0-OpenSSH_9.2\r\nwhatever\r\n\r\n");
    return false;
}

static void garbage_is_not_retried(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_garbage, NULL);
    char error[128];
    snprintf(error, sizeof error, "what 127.0.0.1:%d answered is no HTTP",
             bad_server_port(f.server));
    f.policy.attempts_max = 3;
    fixture_get(&f, "/");
    assert_response(&f, 0, 1, error);
    fixture_release(&f);
}

static bool answer_huge_headers(bad_request *r, void *arg)
{
    (void)arg;
    char line[1024];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = 0;
    bool lines = !strcmp(r->path, "/lines");
    bool alive = bad_send(r, "HTTP/1.1 200 OK\r\nX: ");
    for (int i = 0; i < 100000 && alive; i++)
        alive = bad_send(r, line) && (!lines || bad_send(r, "\r\nX: "));
    return false;
}

static void huge_headers_are_refused(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_huge_headers, NULL);
    fixture_get(&f, "/lines");
    assert_response(&f, 0, 1, "headers of the answer larger than 256 KiB");
    fixture_get(&f, "/one-line");
    assert_int_equal(f.response.status, 0);
    assert_true(f.response.error.size > 0);
    fixture_release(&f);
}

/* -- Lies about lengths, and too much ---------------------------------------------------------- */

static bool answer_too_much(bad_request *r, void *arg)
{
    char block[8192];
    memset(block, 'x', sizeof block);
    if (!strcmp(r->path, "/claims"))
        return bad_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 100000000000\r\n\r\nx") &&
               bad_stall(r);
    if (!strcmp(r->path, "/gzip")) {
        buf *bomb = arg;
        bad_printf(r, "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                   bomb->size);
        return bad_send_bytes(r, bomb->data, bomb->size);
    }
    bool chunked = !strcmp(r->path, "/chunked");
    bool alive = bad_send(r, chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                                     : "HTTP/1.1 200 OK\r\n\r\n");
    while (alive) {
        alive = (!chunked || bad_send(r, "2000\r\n")) && bad_send_bytes(r, block, sizeof block) &&
                (!chunked || bad_send(r, "\r\n"));
    }
    return false;
}

/* `size` zeros in gzip. */
static void make_bomb(buf *bomb, size_t size)
{
    z_stream z = { 0 };
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    char *zeros = calloc(1, size);
    assert_non_null(zeros);
    z.next_in = (Bytef *)zeros;
    z.avail_in = (uInt)size;
    size_t room = size / 100 + 1000;
    z.next_out = buf_reserve(bomb, room);
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    bomb->size = room - z.avail_out;
    deflateEnd(&z);
    free(zeros);
}

static void large_answers_are_refused(void **state)
{
    (void)state;
    static const char *const paths[] = { "/claims", "/endless", "/chunked" };
    fixture f;
    buf bomb = { 0 };
    make_bomb(&bomb, 1 << 20);
    fixture_init(&f, answer_too_much, &bomb);
    f.policy.response_max = 100 << 10;
    f.policy.attempts_max = 3;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        fixture_get(&f, paths[i]);
        assert_response(&f, 0, 1, "answer larger than 100 KiB (http.response_max)");
    }
    rdd_str header = RDD_STR("Accept-Encoding: gzip");
    rdd_http_request request = { .url = str_of(bad_server_url(f.server, "/gzip")),
                                 .headers = &header, .header_count = 1 };
    assert_true(bomb.size < f.policy.response_max);
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 0, 1, "answer larger than 100 KiB (http.response_max)");
    f.policy.response_max = 2 << 20;
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 200, 1, "");
    assert_int_equal(f.response.body.size, 1 << 20);
    fixture_release(&f);
    buf_release(&bomb);
}

static bool answer_exactly(bad_request *r, void *arg)
{
    (void)arg;
    return bad_reply(r, "200 OK", "", "0123456789");
}

static void the_limit_is_exact(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_exactly, NULL);
    f.policy.response_max = 10;
    fixture_get(&f, "/");
    assert_response(&f, 200, 1, "");
    f.policy.response_max = 9;
    fixture_get(&f, "/");
    assert_response(&f, 0, 1, "answer larger than 9 bytes (http.response_max)");
    fixture_release(&f);
}

static bool answer_more_than_said(bad_request *r, void *arg)
{
    (void)arg;
    return bad_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n"
                       "Content-Length: 4\r\n\r\nevil");
}

static void bytes_behind_an_answer_are_not_the_next_one(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_more_than_said, NULL);
    for (int i = 0; i < 5; i++) {
        fixture_get(&f, "/");
        assert_response(&f, 200, 1, "");
        assert_str(f.response.body, "ok");
    }
    assert_int_equal(bad_server_requests(f.server), 5);
    fixture_release(&f);
}

/* -- Slow servers ------------------------------------------------------------------------------ */

static bool answer_slowly(bad_request *r, void *arg)
{
    (void)arg;
    if (!strcmp(r->path, "/stall"))
        return bad_stall(r);
    bool alive = bad_send(r, "HTTP/1.1 200 OK\r\n\r\n");
    while (alive)
        alive = bad_send(r, ".") && bad_pause(r, 2);
    return false;
}

static void timeouts(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_slowly, NULL);
    f.policy.timeout_ms = 50;
    f.policy.attempts_max = 2;
    fixture_get(&f, "/stall");
    assert_response(&f, 0, 2, "timed out after 50 ms (http.timeout)");
    fixture_get(&f, "/drip");
    assert_response(&f, 0, 2, "timed out after 50 ms (http.timeout)");
    while (bad_server_requests(f.server) < 4) /* they were sent; its threads may not have run since */
        sched_yield();
    assert_int_equal(bad_server_requests(f.server), 4);
    fixture_release(&f);
}

int main(int argc, char **argv)
{
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer),
        cmocka_unit_test(a_connection_is_kept),
        cmocka_unit_test(answers_without_body),
        cmocka_unit_test(other_statuses_are_failures_with_a_body),
        cmocka_unit_test(what_is_sent),
        cmocka_unit_test(one_url_after_the_other),
        cmocka_unit_test(methods_and_bodies),
        cmocka_unit_test(a_large_body_is_not_waited_for),
        cmocka_unit_test(nothing_is_injected),
        cmocka_unit_test(only_http),
        cmocka_unit_test(refused_and_unknown),
        cmocka_unit_test(broken_connections),
        cmocka_unit_test(garbage_is_not_retried),
        cmocka_unit_test(huge_headers_are_refused),
        cmocka_unit_test(large_answers_are_refused),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(bytes_behind_an_answer_are_not_the_next_one),
        cmocka_unit_test(timeouts),
    };
    return TEST_MAIN(argc, argv, tests);
}
