/* http_engine_test.c: many calls at once, calls in places where nobody waits for them, cancelling,
 * proxies and TLS. */
#include "http_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

static bool answer_path(bad_request *r, void *arg)
{
    (void)arg;
    return bad_reply(r, "200 OK", "", r->path);
}

static void wait_for_all(fixture *f)
{
    while (http_engine_fibers(f->engine) > 0)
        http_engine_wait(f->engine);
}

/* -- Many calls -------------------------------------------------------------------------------- */

enum { CALLS = 3000, FIBERS = 200 };

typedef struct crowd {
    fixture *f;
    int begun, right;
} crowd;

static void call_in_turn(void *arg)
{
    crowd *c = arg;
    arena memory = { 0 };
    while (c->begun < CALLS) {
        char path[32], url[64];
        snprintf(path, sizeof path, "/%d", c->begun++);
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", bad_server_port(c->f->server), path);
        rdd_http_request request = { .url = str_of(url) };
        rdd_http_response response;
        int code = http_call(c->f->engine, &c->f->policy, &request, &memory, &response, NULL);
        c->right += code == 0 && response.status == 200 && response.body.size == strlen(path) &&
                    !memcmp(response.body.data, path, strlen(path));
        arena_reset(&memory);
    }
    arena_release(&memory);
}

static void many_at_once(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_path, NULL);
    crowd c = { .f = &f };
    for (int i = 0; i < FIBERS; i++)
        assert_int_equal(http_engine_start(f.engine, call_in_turn, &c, NULL), 0);
    wait_for_all(&f);
    assert_int_equal(c.right, CALLS);
    assert_int_equal(bad_server_requests(f.server), CALLS);
    assert_true(bad_server_connections(f.server) <= f.policy.connections_per_host);
    fixture_release(&f);
}

static void *run_fixture(void *arg)
{
    crowd *c = arg;
    for (int i = 0; i < 20; i++)
        http_engine_start(c->f->engine, call_in_turn, c, NULL);
    wait_for_all(c->f);
    return NULL;
}

/* An engine is used by the thread that first calls; what engines share is the process's. */
static void engines_of_several_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    bad_server *server = bad_server_start(answer_path, NULL);
    pthread_t threads[THREADS];
    crowd crowds[THREADS];
    fixture fixtures[THREADS];
    rate_limit rate;
    assert_int_equal(rate_limit_init(&rate, "1000000/s", NULL), 0);
    for (int i = 0; i < THREADS; i++) {
        fixture_init(&fixtures[i], NULL, NULL);
        fixtures[i].server = server;
        fixtures[i].policy.rate = &rate;
        crowds[i] = (crowd){ .f = &fixtures[i], .begun = CALLS - 100 };
        assert_int_equal(pthread_create(&threads[i], NULL, run_fixture, &crowds[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowds[i].right, 100);
        fixtures[i].server = NULL;
        fixture_release(&fixtures[i]);
    }
    bad_server_stop(server);
}

/* -- Plain calls among fibers ------------------------------------------------------------------ */

typedef struct one_call {
    fixture *f;
    int status;
    bool suspend_first, went_on;
} one_call;

static void call_one(void *arg)
{
    one_call *c = arg;
    if (c->suspend_first)
        fiber_suspend();
    c->went_on = true;
    fixture_get(c->f, "/one");
    c->status = c->f->response.status;
}

/* As the body of a map_partitions, which its iterator resumes and nobody else. */
static void in_a_fiber_of_somebody_else_a_call_blocks(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_path, NULL);
    one_call plain = { .f = &f }, started = { .f = &f };
    assert_int_equal(http_engine_start(f.engine, call_one, &started, NULL), 0);
    assert_int_equal(started.status, 0);
    assert_int_equal(http_engine_waiting(f.engine), 1);
    fiber *foreign = fiber_new(&f.fibers, call_one, &plain, NULL);
    assert_false(fiber_resume(foreign)); /* it has ended: the call was made inside */
    assert_int_equal(plain.status, 200);
    wait_for_all(&f);
    assert_int_equal(started.status, 200);
    fixture_release(&f);
}

typedef struct own_fiber {
    one_call call;
    fiber *fiber;
} own_fiber;

static void call_one_and_show(void *arg)
{
    own_fiber *own = arg;
    own->fiber = fiber_current();
    call_one(&own->call);
}

static void a_fiber_may_suspend_for_reasons_of_its_own(void **state)
{
    (void)state;
    own_fiber own = { .call.suspend_first = true };
    fixture f;
    fixture_init(&f, answer_path, NULL);
    own.call.f = &f;
    assert_int_equal(http_engine_start(f.engine, call_one_and_show, &own, NULL), 0);
    assert_int_equal(http_engine_fibers(f.engine), 1);
    assert_int_equal(http_engine_waiting(f.engine), 0);
    fixture_get(&f, "/plain"); /* runs the loop, not the fiber */
    assert_false(own.call.went_on);
    assert_true(fiber_resume(own.fiber));
    assert_true(own.call.went_on);
    assert_int_equal(http_engine_waiting(f.engine), 1);
    wait_for_all(&f);
    assert_int_equal(own.call.status, 200);
    fixture_release(&f);
}

/* -- Cancelling -------------------------------------------------------------------------------- */

static bool stall_or_throttle(bad_request *r, void *arg)
{
    if (!strcmp(r->path, "/ok"))
        return bad_reply(r, "200 OK", "", "");
    if (!strcmp(r->path, "/throttle"))
        return bad_reply(r, "429 Slow down", "Retry-After: 3600\r\n", "");
    atomic_int *stalled = arg;
    atomic_fetch_add(stalled, 1);
    return bad_stall(r);
}

typedef struct cancelled_call {
    fixture *f;
    http_policy policy;
    const char *url;
    int code;
    rdd_error err;
    rdd_http_response response;
    arena memory;
} cancelled_call;

static void call_to_be_cancelled(void *arg)
{
    cancelled_call *c = arg;
    rdd_http_request request = { .url = str_of(c->url) };
    c->code = http_call(c->f->engine, &c->policy, &request, &c->memory, &c->response, &c->err);
}

typedef struct canceller {
    http_engine *engine;
    atomic_int *stalled;
    int wanted;
} canceller;

static void *cancel_when_stalled(void *arg)
{
    canceller *c = arg;
    while (atomic_load(c->stalled) < c->wanted)
        sched_yield();
    http_engine_cancel(c->engine);
    return NULL;
}

static void a_plain_call_is_cancelled(void **state)
{
    (void)state;
    atomic_int stalled = 0;
    fixture f;
    fixture_init(&f, stall_or_throttle, &stalled);
    f.policy.attempts_max = 5;
    f.policy.timeout_ms = f.policy.connect_timeout_ms = 3600000; /* nothing else ends the wait */
    f.policy.elapsed_max_ms = 3600000;
    fixture_get(&f, "/ok");
    canceller c = { f.engine, &stalled, 1 };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_stalled, &c), 0);
    rdd_http_request request = { .url = str_of(bad_server_url(f.server, "/")) };
    assert_int_equal(fixture_send(&f, &request), RDD_E_CANCELLED);
    assert_int_equal(f.err.code, RDD_E_CANCELLED);
    assert_response(&f, 0, 1, "cancelled");
    pthread_join(thread, NULL);

    /* No new ones begin, until they may. */
    assert_int_equal(fixture_send(&f, &request), RDD_E_CANCELLED);
    assert_response(&f, 0, 0, "cancelled");
    assert_int_equal(bad_server_requests(f.server), 2);
    http_engine_resume(f.engine);
    bad_server *good = bad_server_start(answer_path, NULL);
    fixture_get(&f, bad_server_url(good, "/again"));
    assert_response(&f, 200, 1, "");
    bad_server_stop(good);
    fixture_release(&f);
}

/* Whatever they are waiting for. */
static void all_fibers_are_cancelled(void **state)
{
    (void)state;
    enum { STALLED = 4, QUEUED = 5, PACED = 2, BACKED_OFF = 2, GATED = 2 };
    enum { COUNT = STALLED + QUEUED + PACED + BACKED_OFF + GATED, HOUR_MS = 3600000 };
    static cancelled_call calls[COUNT];
    atomic_int stalled = 0;
    fixture f;
    fixture_init(&f, stall_or_throttle, &stalled);
    bad_server *throttling = bad_server_start(stall_or_throttle, &stalled);
    bad_server *gone = bad_server_start(answer_path, NULL);
    const char *refusing = bad_server_url(gone, "/");
    bad_server_stop(gone);
    rate_limit rate;
    assert_int_equal(rate_limit_init(&rate, "1/h", NULL), 0);
    rate_limit_reserve(&rate, clock_now_ns());

    f.policy.elapsed_max_ms = 10 * HOUR_MS;
    f.policy.retry_after_max_ms = HOUR_MS;
    fixture_get(&f, bad_server_url(throttling, "/throttle"));
    assert_int_equal(f.response.status, 429);
    for (int i = 0; i < COUNT; i++) {
        cancelled_call *c = &calls[i];
        *c = (cancelled_call){ .f = &f, .policy = f.policy, .url = bad_server_url(f.server, "/") };
        c->policy.attempts_max = 2;
        if (i < STALLED + QUEUED) {
            c->policy.connections_per_host = STALLED;
        } else if (i < STALLED + QUEUED + PACED) {
            c->policy.rate = &rate;
        } else if (i < STALLED + QUEUED + PACED + BACKED_OFF) {
            c->url = refusing;
            c->policy.backoff_ms = c->policy.backoff_max_ms = HOUR_MS;
        } else {
            c->url = bad_server_url(throttling, "/");
        }
        assert_int_equal(http_engine_start(f.engine, call_to_be_cancelled, c, NULL), 0);
    }
    assert_int_equal(http_engine_waiting(f.engine), COUNT);
    canceller c = { f.engine, &stalled, STALLED };
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_when_stalled, &c), 0);
    wait_for_all(&f);
    pthread_join(thread, NULL);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(calls[i].code, RDD_E_CANCELLED);
        assert_int_equal(calls[i].err.code, RDD_E_CANCELLED);
        arena_release(&calls[i].memory);
    }
    assert_int_equal(bad_server_requests(f.server), STALLED);
    assert_int_equal(bad_server_requests(throttling), 1);
    fixture_release(&f);
    bad_server_stop(throttling);
}

/* -- Memory ------------------------------------------------------------------------------------ */

static void a_full_arena_fails_the_task(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_path, NULL);
    f.memory.max = 64;
    char path[128];
    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    rdd_http_request request = { .url = str_of(bad_server_url(f.server, path)) };
    assert_int_equal(fixture_send(&f, &request), RDD_E_MEMORY);
    assert_int_equal(f.err.code, RDD_E_MEMORY);
    assert_int_equal(f.response.status, 0);
    fixture_release(&f);
}

/* -- Proxies and TLS --------------------------------------------------------------------------- */

static void the_environment_names_a_proxy(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, answer_path, NULL);
    setenv("http_proxy", bad_server_url(f.server, ""), 1);
    setenv("no_proxy", "127.0.0.1", 1);
    fixture_get(&f, "http://no-such-host.invalid/page");
    assert_response(&f, 200, 1, "");
    assert_str(f.response.body, "http://no-such-host.invalid/page");
    fixture_get(&f, "/direct");
    assert_str(f.response.body, "/direct");
    unsetenv("http_proxy");
    unsetenv("no_proxy");
    fixture_release(&f);
}

typedef struct tls_server {
    pid_t pid;
    int port, in;
    char pem[8192];
    size_t pem_size;
} tls_server;

/* openssl's test server with a certificate of its own; false when there is no openssl. */
static bool tls_server_start(tls_server *s)
{
    *s = (tls_server){ 0 };
    char command[1024], key[256], certificate[256];
    snprintf(key, sizeof key, "%s", test_path("key.pem"));
    snprintf(certificate, sizeof certificate, "%s", test_path("certificate.pem"));
    snprintf(command, sizeof command,
             "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
             "-subj /CN=127.0.0.1 -addext subjectAltName=IP:127.0.0.1 -keyout %s -out %s "
             "2>/dev/null", key, certificate);
    if (system(command))
        return false;
    FILE *file = fopen(certificate, "r");
    if (!file)
        return false;
    s->pem_size = fread(s->pem, 1, sizeof s->pem, file);
    fclose(file);
    int in[2], out[2];
    if (pipe2(in, O_CLOEXEC) < 0 || pipe2(out, O_CLOEXEC) < 0)
        return false;
    s->pid = fork();
    if (s->pid == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        dup2(open("/dev/null", O_WRONLY), 2);
        execlp("openssl", "openssl", "s_server", "-accept", "127.0.0.1:0", "-www", "-key", key,
               "-cert", certificate, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s->in = in[1];
    FILE *said = fdopen(out[0], "r");
    char line[256];
    while (said && !s->port && fgets(line, sizeof line, said))
        sscanf(line, "ACCEPT 127.0.0.1:%d", &s->port);
    if (said)
        fclose(said);
    return s->port != 0;
}

static void tls_server_stop(tls_server *s)
{
    if (s->pid > 0) {
        close(s->in);
        kill(s->pid, SIGKILL);
        waitpid(s->pid, NULL, 0);
    }
}

static void certificates_are_verified(void **state)
{
    (void)state;
    tls_server s;
    if (!tls_server_start(&s)) {
        tls_server_stop(&s);
        TEST_SKIP("needs the openssl program");
    }
    char url[64], error[128];
    snprintf(url, sizeof url, "https://127.0.0.1:%d/", s.port);
    snprintf(error, sizeof error, "certificate of 127.0.0.1:%d not accepted", s.port);
    fixture f;
    fixture_init(&f, NULL, NULL);
    f.policy.attempts_max = 3;
    fixture_get(&f, url);
    assert_int_equal(f.response.status, 0);
    assert_int_equal(f.response.attempts, 1);
    assert_int_equal(strncmp(f.response.error.data, error, strlen(error)), 0);
    fixture_release(&f);

    /* A bundle of one's own is trusted. */
    fixture_init(&f, NULL, NULL);
    http_engine_free(f.engine);
    http_engine_options options = { .fibers = &f.fibers, .ca_bundle = { s.pem_size, s.pem } };
    assert_int_equal(http_engine_new(&f.engine, &options, NULL), 0);
    fixture_get(&f, url);
    assert_response(&f, 200, 1, "");
    fixture_release(&f);
    tls_server_stop(&s);
}

int main(int argc, char **argv)
{
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(engines_of_several_threads),
        cmocka_unit_test(in_a_fiber_of_somebody_else_a_call_blocks),
        cmocka_unit_test(a_fiber_may_suspend_for_reasons_of_its_own),
        cmocka_unit_test(a_plain_call_is_cancelled),
        cmocka_unit_test(all_fibers_are_cancelled),
        cmocka_unit_test(a_full_arena_fails_the_task),
        cmocka_unit_test(the_environment_names_a_proxy),
        cmocka_unit_test(certificates_are_verified),
    };
    return TEST_MAIN(argc, argv, tests);
}
