/* http_fixture.h: an engine, a server that misbehaves, and a policy that does not take long. */
#ifndef RDD_HTTP_FIXTURE_H
#define RDD_HTTP_FIXTURE_H

#include "bad_server.h"
#include "clock.h"
#include "http.h"

#include "test.h"

typedef struct fixture {
    fiber_pool fibers;
    http_engine *engine;
    http_policy policy;
    arena memory;
    bad_server *server;
    rdd_http_response response;
    rdd_error err;
} fixture;

TEST_HELPER void fixture_init(fixture *f, bad_answer *answer, void *arg)
{
    *f = (fixture){
        .policy = { .timeout_ms = 20000, .connect_timeout_ms = 10000, .attempts_max = 1,
                    .backoff_ms = 2, .backoff_max_ms = 10, .retry_after_max_ms = 20,
                    .elapsed_max_ms = 60000, .connections_per_host = 64, .redirects_max = 5,
                    .response_max = 1 << 20 },
    };
    http_engine_options options = { .fibers = &f->fibers, .seed = 1 };
    assert_int_equal(http_engine_new(&f->engine, &options, &f->err), 0);
    if (answer)
        f->server = bad_server_start(answer, arg);
}

TEST_HELPER void fixture_release(fixture *f)
{
    http_engine_free(f->engine);
    fiber_pool_release(&f->fibers);
    arena_release(&f->memory);
    bad_server_stop(f->server);
}

TEST_HELPER rdd_str str_of(const char *text)
{
    return (rdd_str){ text ? strlen(text) : 0, text };
}

TEST_HELPER int fixture_send(fixture *f, const rdd_http_request *request)
{
    return http_call(f->engine, &f->policy, request, &f->memory, &f->response, &f->err);
}

/* GET of a whole URL, or of a path of the fixture's server. */
TEST_HELPER void fixture_get(fixture *f, const char *where)
{
    const char *url = *where == '/' ? bad_server_url(f->server, where) : where;
    rdd_http_request request = { .url = str_of(url) };
    assert_int_equal(fixture_send(f, &request), 0);
}

TEST_HELPER void assert_str(rdd_str got, const char *expected)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)got.size, got.data ? got.data : "");
    assert_string_equal(text, expected);
}

TEST_HELPER void assert_response(const fixture *f, int status, int attempts, const char *error)
{
    assert_str(f->response.error, error);
    assert_int_equal(f->response.status, status);
    assert_int_equal(f->response.attempts, attempts);
}

#endif
