/* What workers' HTTP calls and the driver say to each other, both ends joined without a link:
 * worker_calls.c and call_desk.c. */
#include "call_desk.h"
#include "call_wire.h"
#include "clock.h"
#include "journal.h"
#include "worker_calls.h"

#include <pthread.h>
#include <sys/eventfd.h>

#include "test.h"

static const rdd_str BUSY = { 14, "http://busy:80" }, CALM = { 14, "http://calm:80" };

/* What the desk's thread sends to all. */
typedef struct sent {
    pthread_mutex_t mutex;
    pthread_cond_t news;
    buf frames;
} sent;

static void take_sent(void *arg, uint32_t executor, uint32_t incarnation, rdd_str frames)
{
    sent *s = arg;
    (void)incarnation;
    pthread_mutex_lock(&s->mutex);
    if (executor == CALL_DESK_ALL)
        buf_append(&s->frames, frames.data, frames.size);
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->mutex);
}

/* The next frame of `b` from *at on; false at the end. */
static bool next_frame(const buf *b, size_t *at, frame *ret)
{
    if (*at == b->size)
        return false;
    const char *data = b->data + *at;
    size_t size = frame_whole_size(data);
    *ret = (frame){ .type = (frame_type)data[6], .size = size - FRAME_HEADER_SIZE,
                    .payload = data + FRAME_HEADER_SIZE };
    *at += size;
    return true;
}

static lease lease_of(const frame *f)
{
    lease l;
    assert_int_equal(f->type, FRAME_LEASE);
    assert_int_equal(lease_decode(f, &l), 0);
    return l;
}

/* What the desk answers at once. */
static void say(call_desk *d, uint32_t executor, const buf *b, buf *out)
{
    size_t at = 0;
    for (frame f; next_frame(b, &at, &f);)
        assert_true(call_desk_frame(d, executor, 1, &f, out));
}

static void say_hold(call_desk *d, rdd_str origin, uint64_t delay_ns)
{
    CLEANUP(buf_release) buf b = { 0 }, out = { 0 };
    lease l = { .kind = LEASE_HOLD, .worker = 3, .delay_ns = delay_ns, .name = origin };
    lease_append(&b, &l);
    say(d, 0, &b, &out);
    assert_int_equal(out.size, 0);
}

static void want(call_desk *d, uint64_t from, buf *out)
{
    CLEANUP(buf_release) buf b = { 0 };
    journal_part p = { .kind = JOURNAL_WANT, .worker = 9, .serial = from };
    journal_append(&b, &p);
    say(d, 1, &b, out);
}

static void who_comes_later_is_told(void **state)
{
    (void)state;
    call_desk *d;
    sent s = { .mutex = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER };
    assert_int_equal(call_desk_new(&d, take_sent, &s, NULL), 0);
    say_hold(d, CALM, 1);
    say_hold(d, BUSY, 60 * NS_PER_S);
    say_hold(d, BUSY, 30 * NS_PER_S); /* known to be held for longer */

    /* Those who are there hear of it at once. */
    size_t at = 0;
    bool told = false;
    frame f;
    pthread_mutex_lock(&s.mutex);
    while (!told) {
        while (next_frame(&s.frames, &at, &f)) {
            lease l = lease_of(&f);
            told |= rdd_str_equal(l.name, BUSY);
            assert_int_equal(l.worker, 0);
        }
        if (!told)
            pthread_cond_wait(&s.news, &s.mutex);
    }
    pthread_mutex_unlock(&s.mutex);

    /* Who was not, before anything else; what is over is not told. */
    CLEANUP(buf_release) buf out = { 0 };
    want(d, 0, &out);
    at = 0;
    assert_true(next_frame(&out, &at, &f));
    lease l = lease_of(&f);
    assert_int_equal(l.kind, LEASE_HOLD);
    assert_int_equal(l.worker, 9);
    assert_true(rdd_str_equal(l.name, BUSY));
    assert_true(l.delay_ns > 30 * NS_PER_S && l.delay_ns <= 60 * NS_PER_S);
    assert_true(next_frame(&out, &at, &f));
    assert_int_equal(f.type, FRAME_JOURNAL);
    assert_false(next_frame(&out, &at, &f));

    /* The rest of a long answer: not again. */
    buf_clear(&out);
    want(d, 7, &out);
    at = 0;
    assert_true(next_frame(&out, &at, &f));
    assert_int_equal(f.type, FRAME_JOURNAL);
    assert_false(next_frame(&out, &at, &f));
    call_desk_free(d);
    buf_release(&s.frames);
}

static void more_hosts_than_are_kept(void **state)
{
    (void)state;
    call_desk *d;
    sent s = { .mutex = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER };
    assert_int_equal(call_desk_new(&d, take_sent, &s, NULL), 0);
    for (int i = 0; i < 3000; i++) {
        char name[32];
        snprintf(name, sizeof name, "http://n%d:80", i);
        say_hold(d, rdd_str_of(name), 60 * NS_PER_S);
    }
    CLEANUP(buf_release) buf out = { 0 };
    want(d, 0, &out);
    size_t at = 0, holds = 0;
    for (frame f; next_frame(&out, &at, &f);)
        holds += f.type == FRAME_LEASE;
    assert_in_range(holds, 100, 2999);
    call_desk_free(d);
    buf_release(&s.frames);
}

/* -- Both ends --------------------------------------------------------------------------------- */

typedef struct task {
    worker_calls *worker;
    task_id id;
    atomic_bool done;
} task;

static void *first_call(void *arg)
{
    task *t = arg;
    journal_keeper *k = (journal_keeper *)(void *)t->worker; /* comes first */
    CLEANUP(buf_release) buf entries = { 0 };
    const atomic_bool cancelled = false;
    assert_int_equal(k->load(k, &t->id, &cancelled, &entries, NULL), 0);
    assert_int_equal(entries.size, 0);
    atomic_store(&t->done, true);
    return NULL;
}

/* Runs a task's first call; how many frames the worker sent for it. */
static size_t run_first_call(worker_calls *w, call_desk *d, int wake_fd, uint32_t attempt,
                             size_t *ret_holds)
{
    task t = { .worker = w, .id = { .stage = 1, .partition = 2, .attempt = attempt } };
    pthread_t thread;
    channel c;
    channel_init(&c, 0);
    size_t frames = 0;
    *ret_holds = 0;
    assert_int_equal(pthread_create(&thread, NULL, first_call, &t), 0);
    while (!atomic_load(&t.done)) {
        CLEANUP(buf_release) buf answers = { 0 };
        if (worker_calls_take(w, &c, clock_now_ns())) {
            size_t at = 0;
            for (frame f; next_frame(&c.control, &at, &f); frames++)
                assert_true(call_desk_frame(d, 1, 1, &f, &answers));
            buf_clear(&c.control);
        }
        size_t at = 0;
        for (frame f; next_frame(&answers, &at, &f);) {
            *ret_holds += f.type == FRAME_LEASE;
            assert_true(worker_calls_frame(w, &f, clock_now_ns()));
        }
        sched_yield();
    }
    uint64_t woken;
    assert_true(read(wake_fd, &woken, sizeof woken) >= -1);
    pthread_join(thread, NULL);
    channel_release(&c);
    return frames;
}

static void a_worker_asks_once(void **state)
{
    (void)state;
    call_desk *d;
    worker_calls *w;
    sent s = { .mutex = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER };
    CLEANUP(closep) int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert_int_equal(call_desk_new(&d, take_sent, &s, NULL), 0);
    assert_int_equal(worker_calls_new(&w, 9, wake_fd, NULL), 0);
    say_hold(d, BUSY, 60 * NS_PER_S);
    size_t holds;
    assert_int_equal(run_first_call(w, d, wake_fd, 0, &holds), 1);
    assert_int_equal(holds, 1);
    assert_int_equal(run_first_call(w, d, wake_fd, 0, &holds), 0);
    assert_int_equal(run_first_call(w, d, wake_fd, 1, &holds), 1); /* for what attempt 0 left */
    worker_calls_free(w);
    call_desk_free(d);
    buf_release(&s.frames);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_comes_later_is_told),
        cmocka_unit_test(more_hosts_than_are_kept),
        cmocka_unit_test(a_worker_asks_once),
    };
    return TEST_MAIN(argc, argv, tests);
}
