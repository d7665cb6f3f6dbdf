/* What a task finds of calls that were made before: executor/journal.c over a keeper of the test's own. */
#include "call_wire.h"
#include "journal.h"

#include "test.h"

/* -- A keeper, and tasks over it --------------------------------------------------------------- */

enum { ENTRIES_MAX = 256 };

static struct {
    journal_keeper keeper; /* comes first */
    buf entries[ENTRIES_MAX];
    size_t count;
    bool old;              /* they are an earlier run's */
} kept;

static int kept_load(journal_keeper *k UNUSED, const task_id *id UNUSED,
                     const atomic_bool *cancelled UNUSED, buf *ret, rdd_error *err UNUSED)
{
    for (size_t i = 0; i < kept.count; i++) {
        buf_u8(ret, kept.old);
        buf_sized(ret, kept.entries[i].data, kept.entries[i].size);
    }
    return 0;
}

static uint64_t kept_add(journal_keeper *k UNUSED, const task_id *id UNUSED, rdd_str entry,
                         bool urgent UNUSED)
{
    assert_true(entry.size <= JOURNAL_ENTRY_MAX && kept.count < ENTRIES_MAX);
    buf_append(&kept.entries[kept.count++], entry.data, entry.size);
    return kept.count;
}

static bool kept_is_kept(journal_keeper *k UNUSED, uint64_t ticket)
{
    return ticket <= kept.count;
}

static bool kept_has_room(journal_keeper *k UNUSED)
{
    return true;
}

static void kept_flush(journal_keeper *k UNUSED)
{
}

static void kept_remove(size_t at)
{
    buf_release(&kept.entries[at]);
    memmove(&kept.entries[at], &kept.entries[at + 1], (--kept.count - at) * sizeof kept.entries[0]);
    kept.entries[kept.count] = (buf){ 0 };
}

static int setup(void **state UNUSED)
{
    kept.keeper = (journal_keeper){ .load = kept_load, .add = kept_add, .is_kept = kept_is_kept,
                                    .has_room = kept_has_room, .flush = kept_flush };
    journal_set_keeper(&kept.keeper);
    return 0;
}

static int teardown(void **state UNUSED)
{
    while (kept.count)
        kept_remove(kept.count - 1);
    kept.old = false;
    journal_set_keeper(NULL);
    return 0;
}

typedef struct task {
    arena memory;
    atomic_bool cancelled;
    run run;
} task;

static void task_begin(task *t, uint32_t attempt)
{
    memset(t, 0, sizeof *t);
    t->run = (run){ .id = { 1, 2, attempt }, .memory = &t->memory, .cancelled = &t->cancelled };
}

static void task_end(task *t)
{
    journal_release(&t->run);
    arena_release(&t->memory);
}

/* -- Calls ------------------------------------------------------------------------------------- */

static rdd_http_request get(const char *url)
{
    return (rdd_http_request){ .url = rdd_str_of(url) };
}

static rdd_http_request post(const char *url)
{
    return (rdd_http_request){ .method = RDD_STR("POST"), .url = rdd_str_of(url),
                               .body = RDD_STR("x") };
}

/* Whether the journal has the answer; otherwise the call begins, and is sent. */
static bool begin(task *t, rdd_http_request q, journal_call *c, rdd_http_response *ret)
{
    rdd_error err;
    int code = journal_begin(&t->run, 4, &q, &t->memory, c, ret, &err);
    assert_true(code >= 0);
    if (code == 0)
        assert_true(c->permit.may_send(&c->permit));
    return code;
}

static bool knows(task *t, rdd_http_request q, rdd_http_response *ret)
{
    journal_call c;
    return begin(t, q, &c, ret);
}

static void call(task *t, rdd_http_request q, rdd_http_response answer)
{
    journal_call c;
    rdd_http_response unused;
    assert_false(begin(t, q, &c, &unused));
    journal_end(&c, &answer);
}

static rdd_http_response ok(rdd_str body)
{
    return (rdd_http_response){ .status = 200, .attempts = 1, .body = body,
                                .content_type = RDD_STR("text/plain") };
}

static void assert_ok(const rdd_http_response *r, rdd_str body)
{
    assert_int_equal(r->status, 200);
    assert_int_equal(r->attempts, 1);
    assert_true(rdd_str_equal(r->body, body));
    assert_true(rdd_str_equal(r->content_type, RDD_STR("text/plain")));
    assert_null(r->error.data);
}

static rdd_str noise(size_t size)
{
    char *bytes = malloc(size + 1);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)test_random();
    return (rdd_str){ size, bytes };
}

static void noise_free(rdd_str text)
{
    free((void *)(uintptr_t)text.data);
}

/* -- Tests ------------------------------------------------------------------------------------- */

static void each_answer_answers_one_call(void **state UNUSED)
{
    task t;
    rdd_http_response r;
    task_begin(&t, 0);
    call(&t, get("http://a/1"), ok(RDD_STR("one")));
    call(&t, get("http://a/2"), ok(RDD_STR("two")));
    call(&t, get("http://a/1"), ok(RDD_STR("one again")));
    task_end(&t);
    task_begin(&t, 1);
    assert_true(knows(&t, get("http://a/2"), &r));
    assert_ok(&r, RDD_STR("two"));
    assert_true(knows(&t, get("http://a/1"), &r));
    assert_ok(&r, RDD_STR("one"));
    assert_true(knows(&t, get("http://a/1"), &r));
    assert_ok(&r, RDD_STR("one again"));
    assert_false(knows(&t, get("http://a/1"), &r));
    assert_false(knows(&t, get("http://a/3"), &r));
    task_end(&t);
}

static void what_was_sent_once_is_not_sent_again(void **state UNUSED)
{
    task t;
    journal_call c;
    rdd_http_response r;
    task_begin(&t, 0);
    assert_false(begin(&t, post("http://a/lost"), &c, &r));
    assert_int_equal(kept.count, 1);
    call(&t, post("http://a/known"), ok(RDD_STR("done")));
    task_end(&t);
    task_begin(&t, 1);
    assert_true(knows(&t, post("http://a/lost"), &r));
    assert_int_equal(r.status, 0);
    assert_true(r.error.size > 15 && !memcmp(r.error.data, "outcome unknown", 15));
    assert_true(knows(&t, post("http://a/known"), &r));
    assert_ok(&r, RDD_STR("done"));
    task_end(&t);
}

/* Within the run what failed stays so; another run makes the call again. */
static void failed_calls_are_made_again_by_a_later_run(void **state UNUSED)
{
    task t;
    rdd_http_response r, failed = { .status = 500, .attempts = 5, .error = RDD_STR("status 500") };
    task_begin(&t, 0);
    call(&t, get("http://a/1"), failed);
    call(&t, post("http://a/1"), failed);
    task_end(&t);
    for (int old = 0; old < 2; old++) {
        kept.old = old;
        task_begin(&t, 1);
        assert_int_equal(knows(&t, get("http://a/1"), &r), !old);
        assert_true(knows(&t, post("http://a/1"), &r));
        assert_int_equal(r.status, 500);
        assert_int_equal(r.attempts, 5);
        assert_true(rdd_str_equal(r.error, RDD_STR("status 500")));
        task_end(&t);
    }
}

static void large_answers_come_in_pieces(void **state UNUSED)
{
    static const int AROUND[] = { -200, -70, -69, -68, -67, -66, -65, -64, -63, -62, -61, -60, 0, 1 };
    for (size_t i = 0; i < ARRAY_SIZE(AROUND) * 3; i++) {
        size_t size = (i % 3 + 1) * JOURNAL_ENTRY_MAX + (size_t)AROUND[i / 3];
        rdd_str body = noise(size);
        task t;
        rdd_http_response r;
        task_begin(&t, 0);
        call(&t, post("http://a/large"), ok(body));
        call(&t, get("http://a/small"), ok(RDD_STR("small")));
        task_end(&t);
        assert_in_range(kept.count, 3, 6);
        task_begin(&t, 1);
        assert_true(knows(&t, post("http://a/large"), &r));
        assert_ok(&r, body);
        assert_true(knows(&t, get("http://a/small"), &r));
        assert_ok(&r, RDD_STR("small"));
        task_end(&t);
        noise_free(body);
        teardown(NULL);
        setup(NULL);
    }
}

/* A speculative copy of a task makes the same calls, under the same numbers. */
static void pieces_of_two_attempts_do_not_mix(void **state UNUSED)
{
    rdd_str bodies[] = { noise(1500000), noise(1500000) };
    buf entries[2][8] = { { { 0 } } };
    size_t count = 0;
    for (uint32_t attempt = 0; attempt < 2; attempt++) {
        task t;
        task_begin(&t, attempt);
        t.run.id.attempt = attempt;
        call(&t, get("http://a/large"), ok(bodies[attempt]));
        task_end(&t);
        for (count = 0; kept.count; count++) {
            buf_append(&entries[attempt][count], kept.entries[0].data, kept.entries[0].size);
            kept_remove(0);
        }
    }
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++)
        for (size_t a = 0; a < 2; a++) {
            kept_add(NULL, NULL, (rdd_str){ entries[a][i].size, entries[a][i].data }, false);
            buf_release(&entries[a][i]);
        }
    task t;
    rdd_http_response r;
    task_begin(&t, 2);
    for (size_t a = 0; a < 2; a++) {
        assert_true(knows(&t, get("http://a/large"), &r));
        assert_ok(&r, bodies[a]);
        noise_free(bodies[a]);
    }
    assert_false(knows(&t, get("http://a/large"), &r));
    task_end(&t);
}

/* The executor was lost in the middle of an answer, or the journal was full for a piece of it. */
static void an_answer_that_lacks_a_piece_is_none(void **state UNUSED)
{
    rdd_str body = noise(1500000);
    for (size_t lost = 0; lost < 4; lost++) {
        task t;
        rdd_http_response r;
        task_begin(&t, 0);
        call(&t, get("http://a/large"), ok(body));
        task_end(&t);
        assert_int_equal(kept.count, 4);
        kept_remove(lost);
        task_begin(&t, 1);
        call(&t, get("http://a/large"), ok(body));
        task_end(&t);
        task_begin(&t, 2); /* what the first left does not spoil what the second wrote */
        assert_true(knows(&t, get("http://a/large"), &r));
        assert_ok(&r, body);
        assert_false(knows(&t, get("http://a/large"), &r));
        task_end(&t);
        teardown(NULL);
        setup(NULL);
    }
    noise_free(body);
}

/* Entries are bytes from a file: any of them. */
static void broken_entries_are_passed_over(void **state UNUSED)
{
    rdd_str body = noise(900000);
    for (int round = 0; round < 50; round++) {
        task t;
        rdd_http_response r;
        task_begin(&t, 0);
        call(&t, get("http://a/large"), ok(body));
        call(&t, post("http://a/small"), ok(RDD_STR("small")));
        task_end(&t);
        for (size_t i = 0; i < kept.count; i++) {
            buf *e = &kept.entries[i];
            for (size_t k = test_random_below(4); k; k--)
                e->data[test_random_below(size_min(e->size, 60))] = (char)test_random();
            if (!test_random_below(3))
                e->size = test_random_below(e->size);
        }
        task_begin(&t, 1);
        knows(&t, get("http://a/large"), &r);
        knows(&t, post("http://a/small"), &r);
        task_end(&t);
        teardown(NULL);
        setup(NULL);
    }
    noise_free(body);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_answer_answers_one_call, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_sent_once_is_not_sent_again, setup, teardown),
        cmocka_unit_test_setup_teardown(failed_calls_are_made_again_by_a_later_run, setup, teardown),
        cmocka_unit_test_setup_teardown(large_answers_come_in_pieces, setup, teardown),
        cmocka_unit_test_setup_teardown(pieces_of_two_attempts_do_not_mix, setup, teardown),
        cmocka_unit_test_setup_teardown(an_answer_that_lacks_a_piece_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(broken_entries_are_passed_over, setup, teardown),
    };
    return TEST_MAIN(argc, argv, tests);
}
