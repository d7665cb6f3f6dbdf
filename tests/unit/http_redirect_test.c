/* http_redirect_test.c: where redirects lead, and what does not go along. */
#include "http_fixture.h"

/* "/STATUS?LOCATION" redirects; everything else is an answer. */
static bool answer_redirect(bad_request *r, void *arg)
{
    (void)arg;
    int status;
    char *location = strchr(r->path, '?');
    if (!location || sscanf(r->path, "/%d?", &status) != 1)
        return bad_reply(r, "200 OK", "", "there");
    return bad_printf(r, "HTTP/1.1 %d Elsewhere\r\nLocation: %s\r\nContent-Length: 4\r\n\r\nhere",
                      status, location + 1);
}

static const rdd_str secrets[] = {
    { 20, "X-Api-Key: geheimnis" }, { 23, "Authorization: Bearer t" },
    { 11, "Cookie: c=1" }, { 22, "Content-Type: text/csv" },
};

/* Sends with all the headers to `url`. */
static void send_secrets(fixture *f, const char *method, const char *url, const char *body)
{
    rdd_http_request request = { .url = str_of(url), .method = str_of(method), .body = str_of(body),
                                 .headers = secrets, .header_count = ARRAY_SIZE(secrets),
                                 .idempotency_key = RDD_STR("key-1") };
    assert_int_equal(fixture_send(f, &request), 0);
}

static void assert_leads(const char *seen, const char *line, bool with_secrets)
{
    assert_ptr_equal(strstr(seen, line), seen);
    assert_int_equal(strstr(seen, "geheimnis") != NULL, with_secrets);
    assert_int_equal(strstr(seen, "Bearer") != NULL, with_secrets);
    assert_int_equal(strstr(seen, "c=1") != NULL, with_secrets);
}

static void on_the_same_host(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_redirect, NULL);
    send_secrets(&f, "GET", bad_server_url(f.server, "/302?/b/../c"), NULL);
    assert_response(&f, 200, 1, "");
    assert_str(f.response.body, "there");
    assert_leads(bad_server_seen(f.server, 2), "GET /c HTTP", true);
    send_secrets(&f, "GET", bad_server_url(f.server, "/301?d"), NULL);
    assert_leads(bad_server_seen(f.server, 4), "GET /d HTTP", true);
    assert_int_equal(bad_server_connections(f.server), 1);
    fixture_release(&f);
}

static void headers_stay_on_their_host(void **state)
{
    (void)state;
    fixture f, other;
    fixture_init(&f, answer_redirect, NULL);
    fixture_init(&other, answer_redirect, NULL);
    char path[256];

    /* Another port is another origin. */
    snprintf(path, sizeof path, "/302?%s", bad_server_url(other.server, "/x"));
    send_secrets(&f, "GET", bad_server_url(f.server, path), NULL);
    assert_response(&f, 200, 1, "");
    assert_leads(bad_server_seen(f.server, 1), "GET /302", true);
    assert_leads(bad_server_seen(other.server, 1), "GET /x HTTP", false);

    /* Another name for the same address too, and it does not get them back on the way home. */
    snprintf(path, sizeof path, "/302?http://localhost:%d/302?%s", bad_server_port(other.server),
             bad_server_url(f.server, "/home"));
    send_secrets(&f, "GET", bad_server_url(f.server, path), NULL);
    assert_response(&f, 200, 1, "");
    assert_leads(bad_server_seen(other.server, 2), "GET /302", false);
    assert_leads(bad_server_seen(f.server, 3), "GET /home HTTP", false);

    /* A user name in the URL is a secret as well. */
    snprintf(path, sizeof path, "/302?%s", bad_server_url(other.server, "/y"));
    char url[512];
    snprintf(url, sizeof url, "http://user:word@127.0.0.1:%d%s", bad_server_port(f.server), path);
    fixture_get(&f, url);
    assert_non_null(strstr(bad_server_seen(f.server, 4), "Authorization: Basic"));
    assert_null(strstr(bad_server_seen(other.server, 3), "Authorization"));

    /* Another name for the same address and port. */
    snprintf(path, sizeof path, "/302?http://localhost:%d/z", bad_server_port(f.server));
    send_secrets(&f, "GET", bad_server_url(f.server, path), NULL);
    assert_response(&f, 200, 1, "");
    assert_leads(bad_server_seen(f.server, 5), "GET /302", true);
    assert_leads(bad_server_seen(f.server, 6), "GET /z HTTP", false);
    fixture_release(&f);
    fixture_release(&other);
}

static void user_names_stay_on_the_same_host(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_redirect, NULL);
    char url[256];
    snprintf(url, sizeof url, "http://user:word@127.0.0.1:%d/302?/y", bad_server_port(f.server));
    fixture_get(&f, url);
    assert_response(&f, 200, 1, "");
    assert_non_null(strstr(bad_server_seen(f.server, 2), "Authorization: Basic"));
    fixture_release(&f);
}

static void methods_and_bodies(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *method, *line;
        bool body;
    } cases[] = {
        { 301, "POST", "GET /t HTTP", false }, { 302, "POST", "GET /t HTTP", false },
        { 303, "POST", "GET /t HTTP", false }, { 307, "POST", "POST /t HTTP", true },
        { 308, "POST", "POST /t HTTP", true }, { 302, "PUT", "PUT /t HTTP", true },
        { 303, "PUT", "GET /t HTTP", false },  { 307, "DELETE", "DELETE /t HTTP", true },
    };
    fixture f, other;
    fixture_init(&f, answer_redirect, NULL);
    fixture_init(&other, answer_redirect, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char path[256];
        snprintf(path, sizeof path, "/%d?%s", cases[i].status, bad_server_url(other.server, "/t"));
        send_secrets(&f, cases[i].method, bad_server_url(f.server, path), "a,b");
        assert_response(&f, 200, 1, "");
        const char *seen = bad_server_seen(other.server, (int)i + 1);
        assert_leads(seen, cases[i].line, false);
        assert_int_equal(strstr(seen, "\r\n\r\na,b") != NULL, cases[i].body);
        assert_int_equal(strstr(seen, "Content-Type: text/csv") != NULL, cases[i].body);
        assert_non_null(strstr(seen, "Idempotency-Key: key-1"));
    }
    fixture_release(&f);
    fixture_release(&other);
}

static void only_to_http(void **state)
{
    (void)state;
    static const char *const targets[] = { "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://a/",
                                           "http://", "javascript:x" };
    fixture f;
    fixture_init(&f, answer_redirect, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++) {
        char path[256];
        snprintf(path, sizeof path, "/302?%s", targets[i]);
        fixture_get(&f, path);
        assert_int_equal(f.response.status, 302);
        assert_str(f.response.error, "redirect to something that is no http or https URL");
        assert_null(strstr(f.response.body.data, "root:"));
    }
    fixture_release(&f);
}

static void they_are_counted(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_redirect, NULL);
    fixture_get(&f, "/302?/302?/302?/302?/302?/302?/end");
    assert_response(&f, 302, 1, "more than 5 redirects (http.redirects_max)");
    assert_int_equal(bad_server_requests(f.server), 6);
    fixture_get(&f, "/302?/302?/302?/302?/302?/end");
    assert_response(&f, 200, 1, "");
    f.policy.redirects_max = 0;
    fixture_get(&f, "/302?/end");
    assert_response(&f, 302, 1, "302 Found");
    assert_str(f.response.body, "here");
    fixture_release(&f);
}

static bool answer_redirect_then_fail(bad_request *r, void *arg)
{
    (void)arg;
    if (!strcmp(r->path, "/a"))
        return bad_printf(r, "HTTP/1.1 307 Go\r\nLocation: http://localhost:%d/b\r\n"
                             "Content-Length: 0\r\n\r\n", bad_server_port(r->server));
    return bad_reply(r, r->nth_of_path < 3 ? "503 Bad" : "200 OK", "", "good");
}

static void an_attempt_begins_where_the_call_began(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_redirect_then_fail, NULL);
    f.policy.attempts_max = 3;
    send_secrets(&f, "GET", bad_server_url(f.server, "/a"), NULL);
    assert_response(&f, 200, 3, "");
    for (int i = 1; i <= 6; i++)
        assert_leads(bad_server_seen(f.server, i), i % 2 ? "GET /a " : "GET /b ", i % 2);
    fixture_release(&f);
}

int main(int argc, char **argv)
{
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_the_same_host),
        cmocka_unit_test(headers_stay_on_their_host),
        cmocka_unit_test(user_names_stay_on_the_same_host),
        cmocka_unit_test(methods_and_bodies),
        cmocka_unit_test(only_to_http),
        cmocka_unit_test(they_are_counted),
        cmocka_unit_test(an_attempt_begins_where_the_call_began),
    };
    return TEST_MAIN(argc, argv, tests);
}
