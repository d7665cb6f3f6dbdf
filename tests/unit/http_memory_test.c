/* http_memory_test.c: calls without memory. Each allocation of the engine and of libcurl fails in
 * turn, and every call ends all the same. Linked with malloc wrapped. */
#include "http_fixture.h"

#include <curl/curl.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *block, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *block, size_t size);
char *__wrap_strdup(const char *text);

/* The server's threads have all the memory they want. */
static _Thread_local bool counting;
static _Thread_local size_t allocations_left; /* until one fails */

static bool fails_now(void)
{
    return counting && allocations_left-- == 0;
}

void *__wrap_malloc(size_t size)
{
    return fails_now() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails_now() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *block, size_t size)
{
    return fails_now() ? NULL : __real_realloc(block, size);
}

char *__wrap_strdup(const char *text)
{
    return fails_now() ? NULL : __real_strdup(text);
}

/* The first request of three fails, some lead elsewhere. */
static bool answer(bad_request *r, void *arg)
{
    (void)arg;
    if (r->number % 3 == 0)
        return bad_reply(r, "503 Bad", "Retry-After: 0\r\n", "");
    if (!strcmp(r->path, "/elsewhere"))
        return bad_reply(r, "302 Go", "Location: /there\r\n", "");
    return bad_reply(r, "200 OK", "Content-Type: text/plain\r\n", "good");
}

typedef struct caller {
    fixture *f;
    const char *url;
    bool ended, said_why;
} caller;

static void call_once(void *arg)
{
    caller *c = arg;
    arena memory = { 0 };
    rdd_error err = { 0 };
    rdd_http_response response;
    rdd_str header = RDD_STR("X-Key: k");
    rdd_http_request request = { .url = str_of(c->url), .headers = &header, .header_count = 1,
                                 .method = RDD_STR("PUT"), .body = RDD_STR("{}") };
    int code = http_call(c->f->engine, &c->f->policy, &request, &memory, &response, &err);
    c->ended = true;
    c->said_why = code == RDD_E_MEMORY ? err.code == RDD_E_MEMORY
                                       : response.status == 200 || response.error.size > 0;
    bool counted = counting;
    counting = false;
    arena_release(&memory);
    counting = counted;
}

/* Four calls in an engine of their own; how many allocations that took at most. */
static size_t call_with(bad_server *server, size_t allocations)
{
    enum { CALLS = 4 };
    fixture f;
    caller callers[CALLS];
    fixture_init(&f, NULL, NULL);
    f.policy.attempts_max = 3;
    f.policy.connections_per_host = 2;
    char urls[2][64];
    snprintf(urls[0], sizeof urls[0], "http://127.0.0.1:%d/elsewhere", bad_server_port(server));
    snprintf(urls[1], sizeof urls[1], "http://127.0.0.1:%d/there", bad_server_port(server));
    allocations_left = allocations;
    counting = true;
    for (int i = 0; i < CALLS; i++) {
        callers[i] = (caller){ .f = &f, .url = urls[i % 2] };
        if (http_engine_start(f.engine, call_once, &callers[i], NULL) < 0)
            callers[i].ended = callers[i].said_why = true;
    }
    while (http_engine_waiting(f.engine) > 0)
        http_engine_wait(f.engine);
    counting = false;
    for (int i = 0; i < CALLS; i++) {
        assert_true(callers[i].ended);
        assert_true(callers[i].said_why);
    }
    assert_int_equal(http_engine_fibers(f.engine), 0);
    fixture_release(&f);
    return allocations - allocations_left;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    bad_server *server = bad_server_start(answer, NULL);
    size_t needed = call_with(server, SIZE_MAX);
    assert_true(needed > 100);
    /* How many are needed depends on how the answers come in; some more do no harm. */
    for (size_t i = 0; i < needed + 20; i++)
        call_with(server, i);
    bad_server_stop(server);
}

int main(int argc, char **argv)
{
    unsetenv("http_proxy");
    unsetenv("all_proxy");
    unsetenv("ALL_PROXY");
    curl_global_init_mem(CURL_GLOBAL_DEFAULT, __wrap_malloc, free, __wrap_realloc, __wrap_strdup,
                         __wrap_calloc);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
    };
    return TEST_MAIN(argc, argv, tests);
}
