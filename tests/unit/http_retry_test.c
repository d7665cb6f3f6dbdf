/* http_retry_test.c: attempts, what a 429 does to the others, rates, limits, starvation. */
#include "http_fixture.h"

#include <arpa/inet.h>
#include <stdatomic.h>
#include <sys/socket.h>

/* -- Fibers that call -------------------------------------------------------------------------- */

typedef struct caller {
    fixture *f;
    const char *url;
    const char *method, *key;
    rdd_http_response response;
    arena memory;
    int code;
    int place; /* in which order they ended, from 1 on; 0: not yet */
} caller;

static int ended_count;

static void call_once(void *arg)
{
    caller *c = arg;
    rdd_error err;
    rdd_http_request request = { .url = str_of(c->url), .method = str_of(c->method),
                                 .idempotency_key = str_of(c->key) };
    c->code = http_call(c->f->engine, &c->f->policy, &request, &c->memory, &c->response, &err);
    c->place = ++ended_count;
}

static void start_call(fixture *f, caller *c, const char *url)
{
    *c = (caller){ .f = f, .url = url };
    assert_int_equal(http_engine_start(f->engine, call_once, c, NULL), 0);
}

static void wait_for_all(fixture *f)
{
    while (http_engine_fibers(f->engine) > 0)
        http_engine_wait(f->engine);
}

static void release_callers(caller *callers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        arena_release(&callers[i].memory);
}

/* -- Attempts ---------------------------------------------------------------------------------- */

/* "/503/2": the first two requests get a 503. "/503/2?" and so on count apart. */
static bool fail_at_first(bad_request *r, void *arg)
{
    (void)arg;
    int status = 200, times = 0;
    sscanf(r->path, "/%d/%d", &status, &times);
    if (r->nth_of_path > times)
        return bad_reply(r, "200 OK", "", "good");
    char line[32];
    snprintf(line, sizeof line, "%d Bad", status);
    return bad_reply(r, line, "", "bad");
}

static void failures_are_tried_again(void **state)
{
    (void)state;
    static const char *const paths[] = { "/408/2", "/429/2", "/500/2",
                                         "/502/2", "/503/2", "/504/2" };
    fixture f;
    fixture_init(&f, fail_at_first, NULL);
    f.policy.attempts_max = 3;
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        fixture_get(&f, paths[i]);
        assert_response(&f, 200, 3, "");
        assert_str(f.response.body, "good");
    }
    fixture_release(&f);
}

static void attempts_are_bounded(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, fail_at_first, NULL);
    f.policy.attempts_max = 4;
    fixture_get(&f, "/500/100");
    assert_response(&f, 500, 4, "500 Internal Server Error");
    assert_str(f.response.body, "bad");
    assert_int_equal(bad_server_requests(f.server), 4);
    fixture_get(&f, "/501/100");
    assert_response(&f, 501, 1, "501 Not Implemented");
    fixture_release(&f);
}

static void post_needs_a_key(void **state)
{
    (void)state;
    static const char *const methods[] = { "POST", "PATCH", "FROB" };
    fixture f;
    fixture_init(&f, fail_at_first, NULL);
    f.policy.attempts_max = 3;
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        char path[32];
        snprintf(path, sizeof path, "/503/1?%s", methods[i]);
        rdd_http_request request = { .url = str_of(bad_server_url(f.server, path)),
                                     .method = str_of(methods[i]), .body = RDD_STR("{}") };
        assert_int_equal(fixture_send(&f, &request), 0);
        assert_response(&f, 503, 1, "503 Service Unavailable");
        snprintf(path, sizeof path, "/503/1?%s-key", methods[i]);
        request.url = str_of(bad_server_url(f.server, path));
        request.idempotency_key = RDD_STR("k1");
        assert_int_equal(fixture_send(&f, &request), 0);
        assert_response(&f, 200, 2, "");
    }
    /* Both requests of a call carry the same key. */
    assert_non_null(strstr(bad_server_seen(f.server, 2), "\r\nIdempotency-Key: k1\r\n"));
    assert_non_null(strstr(bad_server_seen(f.server, 3), "\r\nIdempotency-Key: k1\r\n"));
    fixture_release(&f);
}

/* Answers the first request of a connection and hangs up on the second without a word. */
static bool hang_up_on_second(bad_request *r, void *arg)
{
    (void)arg;
    return r->on_connection == 1 && bad_reply(r, "200 OK", "", "good");
}

static void a_dead_connection_repeats_no_post(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, hang_up_on_second, NULL);
    f.policy.attempts_max = 3;
    char error[128];
    snprintf(error, sizeof error,
             "connection to 127.0.0.1:%d broke; without an idempotency key POST is not sent again",
             bad_server_port(f.server));
    fixture_get(&f, "/");
    assert_response(&f, 200, 1, "");
    rdd_http_request request = { .url = str_of(bad_server_url(f.server, "/")),
                                 .method = RDD_STR("POST"), .body = RDD_STR("{}") };
    assert_int_equal(fixture_send(&f, &request), 0);
    assert_response(&f, 0, 1, error);
    assert_int_equal(bad_server_requests(f.server), 2);

    /* A GET, which may be repeated, is. */
    fixture_get(&f, "/");
    assert_response(&f, 200, 1, "");
    fixture_get(&f, "/");
    assert_response(&f, 200, 1, "");
    fixture_release(&f);
}

static bool fail_for_an_hour(bad_request *r, void *arg)
{
    (void)arg;
    return bad_reply(r, "503 Bad", "Retry-After: 3600\r\n", "");
}

static void the_time_of_all_attempts_is_bounded(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, fail_for_an_hour, NULL);
    f.policy.attempts_max = 5;
    f.policy.retry_after_max_ms = 3600000;
    fixture_get(&f, "/");
    assert_response(&f, 503, 1, "503 Service Unavailable; no other attempt fits into 60 s "
                                "(http.elapsed_max)");
    fixture_release(&f);
}

static bool stall_always(bad_request *r, void *arg)
{
    (void)arg;
    return bad_stall(r);
}

static void an_attempt_ends_with_the_time_of_all(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, stall_always, NULL);
    f.policy.attempts_max = 5;
    f.policy.elapsed_max_ms = 40;
    fixture_get(&f, "/");
    assert_response(&f, 0, 1, "timed out: all attempts together took 40 ms (http.elapsed_max)");
    fixture_release(&f);
}

/* -- 429 --------------------------------------------------------------------------------------- */

/* As many 429s as `arg` says, over all; with Retry-After unless the path is "/without". */
static bool throttle_at_first(bad_request *r, void *arg)
{
    atomic_int *left = arg;
    if (atomic_fetch_sub(left, 1) <= 0)
        return bad_reply(r, "200 OK", "", "good");
    return bad_reply(r, "429 Slow down", strcmp(r->path, "/without") ? "Retry-After: 3600\r\n" : "",
                     "");
}

static void retry_after_is_cut_and_holds_the_host(void **state)
{
    (void)state;
    atomic_int left = 1;
    fixture f, other;
    fixture_init(&f, throttle_at_first, &left);
    fixture_init(&other, fail_at_first, NULL);
    f.policy.retry_after_max_ms = 1000;
    uint64_t begun = clock_now_ns();
    fixture_get(&f, "/1");
    assert_response(&f, 429, 1, "429 Too Many Requests");

    /* Another engine, which has not been told anything, holds its call to that host. */
    ended_count = 0;
    caller callers[2];
    start_call(&other, &callers[0], bad_server_url(f.server, "/2"));
    start_call(&other, &callers[1], bad_server_url(other.server, "/200/0"));
    wait_for_all(&other);
    assert_true(clock_now_ns() - begun >= 1000 * NS_PER_MS); /* it waited, and not an hour */
    assert_int_equal(callers[1].place, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(callers[i].response.status, 200);
        assert_int_equal(callers[i].response.attempts, 1);
    }
    release_callers(callers, 2);
    fixture_release(&f);
    fixture_release(&other);
}

enum { CROWD = 32 };

typedef struct crowd {
    atomic_int came_meanwhile; /* while the first request after the crowd was answered */
    atomic_int busy, busy_max; /* requests after that one */
} crowd;

/* The first CROWD requests get a 429. What comes next is slow, so that others would be seen. */
static bool throttle_the_crowd(bad_request *r, void *arg)
{
    crowd *c = arg;
    if (r->number <= CROWD)
        return bad_reply(r, "429 Slow down", r->path[1] == 'r' ? "Retry-After: 3600\r\n" : "", "");
    if (r->number == CROWD + 1) {
        bad_pause(r, 30);
        atomic_store(&c->came_meanwhile, bad_server_requests(r->server) - r->number);
    } else {
        int busy = atomic_fetch_add(&c->busy, 1) + 1;
        if (busy > atomic_load(&c->busy_max))
            atomic_store(&c->busy_max, busy);
        bad_pause(r, 3);
        atomic_fetch_sub(&c->busy, 1);
    }
    return bad_reply(r, "200 OK", "", "good");
}

/* After a 429 one call asks again, one that was there before; with its success others follow. */
static void a_crowd_comes_back_one_by_one(void **state)
{
    (void)state;
    enum { ALL = 2 * CROWD };
    static caller callers[ALL];
    static char urls[ALL][64];
    for (int round = 0; round < 2; round++) {
        crowd c = { .came_meanwhile = -1 };
        fixture f;
        fixture_init(&f, throttle_the_crowd, &c);
        f.policy.attempts_max = 2;
        f.policy.connections_per_host = CROWD;
        for (int i = 0; i < ALL; i++) {
            snprintf(urls[i], sizeof urls[i], "http://127.0.0.1:%d/%s/%d",
                     bad_server_port(f.server), round ? "plain" : "retry-after", i);
            start_call(&f, &callers[i], urls[i]);
        }
        wait_for_all(&f);
        for (int i = 0; i < ALL; i++)
            assert_int_equal(callers[i].response.status, 200);
        assert_int_equal(atomic_load(&c.came_meanwhile), 0);
        assert_true(atomic_load(&c.busy_max) > 1);
        assert_int_equal(bad_server_requests(f.server), ALL + CROWD);
        if (!round) {
            int nth = -1;
            sscanf(bad_server_seen(f.server, CROWD + 1), "GET /retry-after/%d ", &nth);
            assert_in_range(nth, 0, CROWD - 1);
        }
        release_callers(callers, ALL);
        fixture_release(&f);
    }
}

/* A server that throttles for long: nobody is out of attempts while others get through. */
static void throttling_goes_round(void **state)
{
    (void)state;
    static caller callers[CROWD];
    atomic_int left = 3 * CROWD;
    fixture f;
    fixture_init(&f, throttle_at_first, &left);
    f.policy.attempts_max = 4;
    f.policy.retry_after_max_ms = 1;
    for (int i = 0; i < CROWD; i++)
        start_call(&f, &callers[i], bad_server_url(f.server, "/with"));
    wait_for_all(&f);
    for (int i = 0; i < CROWD; i++) {
        assert_int_equal(callers[i].response.status, 200);
        assert_int_equal(callers[i].response.attempts, 4);
    }
    release_callers(callers, CROWD);
    fixture_release(&f);
}

/* -- Limits ------------------------------------------------------------------------------------ */

static bool answer_after_a_while(bad_request *r, void *arg)
{
    (void)arg;
    return bad_pause(r, 3) && bad_reply(r, "200 OK", "", "good");
}

/* Nobody is answered before three ask at once. */
static bool answer_three(bad_request *r, void *arg)
{
    while (bad_server_busy_max(r->server) < 3)
        if (!bad_pause(r, 1))
            return false;
    return answer_after_a_while(r, arg);
}

static void connections_per_host_are_bounded(void **state)
{
    (void)state;
    static caller callers[CROWD];
    fixture f;
    fixture_init(&f, answer_three, NULL);
    f.policy.connections_per_host = 3;
    for (int i = 0; i < CROWD; i++)
        start_call(&f, &callers[i], bad_server_url(f.server, "/"));
    wait_for_all(&f);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(callers[i].response.status, 200);
    assert_int_equal(bad_server_busy_max(f.server), 3);
    assert_int_equal(bad_server_connections(f.server), 3);
    release_callers(callers, CROWD);
    fixture_release(&f);
}

static bool answer_at_leisure(bad_request *r, void *arg)
{
    (void)arg;
    return bad_pause(r, 40) && bad_reply(r, "200 OK", "", "good");
}

static void time_in_the_queue_is_no_timeout(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    static caller callers[COUNT];
    fixture f;
    fixture_init(&f, answer_at_leisure, NULL);
    f.policy.connections_per_host = 1;
    f.policy.timeout_ms = 40 * COUNT - 100; /* less than they take one after the other */
    f.policy.elapsed_max_ms = f.policy.timeout_ms;
    for (int i = 0; i < COUNT; i++)
        start_call(&f, &callers[i], bad_server_url(f.server, "/"));
    wait_for_all(&f);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(callers[i].response.status, 200);
    release_callers(callers, COUNT);
    fixture_release(&f);
}

static void a_rate_is_kept(void **state)
{
    (void)state;
    static caller callers[CROWD];
    fixture f;
    rate_limit rate;
    fixture_init(&f, answer_after_a_while, NULL);
    assert_int_equal(rate_limit_init(&rate, "200/s", NULL), 0);
    f.policy.rate = &rate;
    uint64_t begun = clock_now_ns();
    for (int i = 0; i < CROWD; i++)
        start_call(&f, &callers[i], bad_server_url(f.server, "/"));
    wait_for_all(&f);
    /* 20 at once, one every 5 ms from then on. */
    assert_true(clock_now_ns() - begun >= (CROWD - 20) * 5 * NS_PER_MS);
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(callers[i].response.status, 200);
    release_callers(callers, CROWD);
    fixture_release(&f);
}

static void waiting_for_the_rate_is_not_elapsed_time(void **state)
{
    (void)state;
    fixture f;
    rate_limit rate;
    fixture_init(&f, fail_at_first, NULL);
    assert_int_equal(rate_limit_init(&rate, "20/m", NULL), 0);
    f.policy.rate = &rate;
    f.policy.attempts_max = 2;
    f.policy.elapsed_max_ms = 2500; /* less than the rate's 3 s */
    f.policy.backoff_ms = 0;
    fixture_get(&f, "/503/1");
    assert_response(&f, 200, 2, "");
    fixture_release(&f);
}

/* -- A busy thread ----------------------------------------------------------------------------- */

/* Half an answer at once, and the rest after the client's thread has computed. */
static bool answer_in_halves(bad_request *r, void *arg)
{
    atomic_bool *computed = arg;
    bool alive = bad_send(r, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf");
    while (alive && !atomic_load(computed))
        alive = bad_pause(r, 1);
    return alive && bad_pause(r, 5) && bad_send(r, "half");
}

typedef struct computation {
    fixture *f;
    atomic_bool computed;
} computation;

/* Longer than the timeout. */
static void compute(void *arg)
{
    computation *c = arg;
    uint64_t end = clock_now_ns() + (uint64_t)(c->f->policy.timeout_ms + 50) * NS_PER_MS;
    while (clock_now_ns() < end)
        ;
    atomic_store(&c->computed, true);
}

static void a_busy_thread_is_no_timeout(void **state)
{
    (void)state;
    fixture f;
    computation c = { .f = &f };
    fixture_init(&f, answer_in_halves, &c.computed);
    f.policy.timeout_ms = 1000;
    caller callers[1];
    start_call(&f, &callers[0], bad_server_url(f.server, "/"));
    while (bad_server_requests(f.server) < 1)
        http_engine_poll(f.engine); /* sends it */
    assert_int_equal(http_engine_start(f.engine, compute, &c, NULL), 0);
    wait_for_all(&f);
    assert_int_equal(callers[0].response.status, 200);
    assert_int_equal(callers[0].response.attempts, 1);
    release_callers(callers, 1);
    fixture_release(&f);
}

/* A server whose queue of connections is full, until the client's thread has computed. */
typedef struct full_server {
    http_policy *policy;
    int listener, filler;
    struct sockaddr_in address;
    pthread_t thread;
} full_server;

static void full_server_init(full_server *s, http_policy *policy)
{
    socklen_t size = sizeof s->address;
    *s = (full_server){ .policy = policy, .address.sin_family = AF_INET,
                        .address.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    s->filler = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s->listener, (struct sockaddr *)&s->address, size), 0);
    assert_int_equal(getsockname(s->listener, (struct sockaddr *)&s->address, &size), 0);
    assert_int_equal(listen(s->listener, 0), 0);
    assert_int_equal(connect(s->filler, (struct sockaddr *)&s->address, size), 0);
}

static void *answer_one(void *arg)
{
    full_server *s = arg;
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    char request[4096];
    int fd = accept(s->listener, NULL, NULL);
    if (recv(fd, request, sizeof request, 0) > 0 &&
        send(fd, answer, sizeof answer - 1, MSG_NOSIGNAL) > 0)
        recv(fd, request, sizeof request, 0); /* until the client hangs up */
    close(fd);
    return NULL;
}

static void compute_then_serve(void *arg)
{
    full_server *s = arg;
    uint64_t end = clock_now_ns() + (uint64_t)(s->policy->connect_timeout_ms + 50) * NS_PER_MS;
    while (clock_now_ns() < end)
        ;
    close(accept(s->listener, NULL, NULL)); /* there is room now */
    pthread_create(&s->thread, NULL, answer_one, s);
}

/* libcurl's clock runs on while the thread is busy. */
static void a_busy_thread_is_no_connect_timeout(void **state)
{
    (void)state;
    fixture f;
    full_server s;
    fixture_init(&f, NULL, NULL);
    full_server_init(&s, &f.policy);
    f.policy.connect_timeout_ms = 150;
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(s.address.sin_port));
    caller callers[1];
    start_call(&f, &callers[0], url);
    http_engine_poll(f.engine); /* begins to connect */
    assert_int_equal(http_engine_start(f.engine, compute_then_serve, &s, NULL), 0);
    wait_for_all(&f);
    assert_str(callers[0].response.error, "");
    assert_int_equal(callers[0].response.status, 200);
    assert_int_equal(callers[0].response.attempts, 1);
    release_callers(callers, 1);
    fixture_release(&f);
    pthread_join(s.thread, NULL);
    close(s.listener);
    close(s.filler);
}

/* The real thing. */
static void no_connection_in_time(void **state)
{
    (void)state;
    fixture f;
    full_server s;
    fixture_init(&f, NULL, NULL);
    full_server_init(&s, &f.policy);
    f.policy.connect_timeout_ms = 30;
    f.policy.attempts_max = 2;
    char url[64], error[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/", ntohs(s.address.sin_port));
    snprintf(error, sizeof error,
             "no connection to 127.0.0.1:%d within 30 ms (http.connect_timeout)",
             ntohs(s.address.sin_port));
    fixture_get(&f, url);
    assert_response(&f, 0, 2, error);
    fixture_release(&f);
    close(s.listener);
    close(s.filler);
}

int main(int argc, char **argv)
{
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failures_are_tried_again),
        cmocka_unit_test(attempts_are_bounded),
        cmocka_unit_test(post_needs_a_key),
        cmocka_unit_test(a_dead_connection_repeats_no_post),
        cmocka_unit_test(the_time_of_all_attempts_is_bounded),
        cmocka_unit_test(an_attempt_ends_with_the_time_of_all),
        cmocka_unit_test(retry_after_is_cut_and_holds_the_host),
        cmocka_unit_test(a_crowd_comes_back_one_by_one),
        cmocka_unit_test(throttling_goes_round),
        cmocka_unit_test(connections_per_host_are_bounded),
        cmocka_unit_test(time_in_the_queue_is_no_timeout),
        cmocka_unit_test(a_rate_is_kept),
        cmocka_unit_test(waiting_for_the_rate_is_not_elapsed_time),
        cmocka_unit_test(a_busy_thread_is_no_timeout),
        cmocka_unit_test(a_busy_thread_is_no_connect_timeout),
        cmocka_unit_test(no_connection_in_time),
    };
    return TEST_MAIN(argc, argv, tests);
}
