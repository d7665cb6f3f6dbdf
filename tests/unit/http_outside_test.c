/* Calls that wait for somebody outside of their engine: a host that others were told to leave alone,
 * a permit. */
#include "http_fixture.h"

static bool always_good(bad_request *r, void *arg)
{
    (void)arg;
    return bad_reply(r, "200 OK", "", "good");
}

typedef struct told {
    char origin[128];
    uint64_t until_ns;
    int count;
} told;

static void take_hold(void *arg, rdd_str origin, uint64_t until_ns)
{
    told *t = arg;
    snprintf(t->origin, sizeof t->origin, "%.*s", (int)origin.size, origin.data);
    t->until_ns = until_ns;
    t->count++;
}

static bool unavailable_at_first(bad_request *r, void *arg)
{
    atomic_int *left = arg;
    if (atomic_fetch_sub(left, 1) <= 0)
        return bad_reply(r, "200 OK", "", "good");
    return bad_reply(r, "503 Later", "Retry-After: 1\r\n", "");
}

/* What one process is told others hear of, and what others heard holds its calls. */
static void a_hold_goes_round(void **state)
{
    (void)state;
    atomic_int left = 1;
    told t = { .count = 0 };
    fixture f, other;
    fixture_init(&f, unavailable_at_first, &left);
    fixture_init(&other, always_good, NULL);
    f.policy.retry_after_max_ms = 300;
    uint64_t begun = clock_now_ns();
    http_hold_watch(take_hold, &t);
    fixture_get(&f, "/");
    http_hold_watch(NULL, NULL);
    assert_int_equal(t.count, 1);
    assert_true(t.until_ns >= begun + 300 * NS_PER_MS);
    assert_int_equal(strncmp(bad_server_url(f.server, "/"), t.origin, strlen(t.origin)), 0);

    snprintf(t.origin, sizeof t.origin, "%s", bad_server_url(other.server, ""));
    begun = clock_now_ns();
    http_hold(rdd_str_of(t.origin), begun + 60 * NS_PER_MS);
    fixture_get(&other, "/");
    assert_response(&other, 200, 1, "");
    assert_true(clock_now_ns() - begun >= 60 * NS_PER_MS);
    fixture_release(&f);
    fixture_release(&other);
}

typedef struct leave {
    http_permit permit; /* comes first */
    http_engine *engine;
    atomic_int asked;
    int allowed_at;
} leave;

/* Says no, and asks to be asked again. */
static bool may_send(http_permit *p)
{
    leave *l = (leave *)(void *)p;
    int asked = atomic_fetch_add(&l->asked, 1) + 1;
    if (asked < l->allowed_at)
        http_engine_nudge(l->engine);
    else if (!l->allowed_at)
        http_engine_cancel(l->engine);
    return l->allowed_at && asked >= l->allowed_at;
}

static void a_call_waits_for_its_permit(void **state)
{
    (void)state;
    fixture f;
    fixture_init(&f, always_good, NULL);
    leave l = { .permit = { .may_send = may_send }, .engine = f.engine, .allowed_at = 3 };
    rdd_http_request request = { .url = str_of(bad_server_url(f.server, "/")) };
    assert_int_equal(http_call_with(f.engine, &f.policy, &request, &l.permit, &f.memory,
                                    &f.response, &f.err), 0);
    assert_response(&f, 200, 1, "");
    assert_int_equal(atomic_load(&l.asked), 3);
    assert_false(l.permit.untouched);

    request.url = str_of("http://127.0.0.1:1/"); /* nobody is there */
    assert_int_equal(http_call_with(f.engine, &f.policy, &request, &l.permit, &f.memory,
                                    &f.response, &f.err), 0);
    assert_int_equal(f.response.status, 0);
    assert_true(l.permit.untouched);

    l.allowed_at = 0;
    assert_int_equal(http_call_with(f.engine, &f.policy, &request, &l.permit, &f.memory,
                                    &f.response, &f.err), RDD_E_CANCELLED);
    http_engine_resume(f.engine);
    fixture_release(&f);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hold_goes_round),
        cmocka_unit_test(a_call_waits_for_its_permit),
    };
    return TEST_MAIN(argc, argv, tests);
}
