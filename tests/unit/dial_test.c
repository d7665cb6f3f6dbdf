#include "dial.h"

#include "clock.h"

#include "test.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>

static dial_pass enter(const char *name, uint16_t port, const char *jump)
{
    dial_pass pass = { { NULL } };
    rdd_error err;
    assert_int_equal(dial_enter(&pass, name, port, jump, -1, clock_now_ns() + 60 * NS_PER_S, &err), 0);
    return pass;
}

static int try_to_enter(const char *name, uint16_t port, const char *jump, rdd_error *err)
{
    dial_pass pass = { { NULL } };
    int code = dial_enter(&pass, name, port, jump, -1, clock_now_ns(), err);
    dial_leave(&pass);
    return code;
}

static void places_are_counted(void **state)
{
    (void)state;
    rdd_error err;
    dial_pass held[DIAL_MAX];
    for (size_t i = 0; i < DIAL_MAX; i++) {
        held[i] = enter("n1", 22, NULL);
        assert_int_equal(dial_count("N1", 22), i + 1);
    }
    assert_int_equal(try_to_enter("n1", 22, NULL, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "n1:22"));
    assert_int_equal(try_to_enter("n1", 2222, NULL, &err), 0);
    assert_int_equal(try_to_enter("n2", 22, NULL, &err), 0);
    dial_leave(&held[0]);
    dial_leave(&held[0]);
    assert_int_equal(dial_count("n1", 22), DIAL_MAX - 1);
    assert_int_equal(try_to_enter("n1", 22, NULL, &err), 0);
    for (size_t i = 1; i < DIAL_MAX; i++)
        dial_leave(&held[i]);
    assert_int_equal(dial_count("n1", 22), 0);
}

/* The ways to write one jump host; hosts behind it share its places. */
static void jump_hosts_count(void **state)
{
    (void)state;
    static const char *const spellings[] = { "gate", "me@gate", "gate:22", "me@GATE:22,inner",
                                             "gate,inner:2222" };
    rdd_error err;
    dial_pass held[DIAL_MAX];
    char name[16];
    for (unsigned i = 0; i < DIAL_MAX; i++) {
        snprintf(name, sizeof name, "n%u", i);
        held[i] = enter(name, 22, spellings[i % ARRAY_SIZE(spellings)]);
        assert_int_equal(dial_count("gate", 22), i + 1);
    }
    assert_int_equal(try_to_enter("n99", 22, "gate", &err), RDD_E_IO);
    assert_int_equal(try_to_enter("gate", 22, NULL, &err), RDD_E_IO);
    assert_int_equal(try_to_enter("n0", 22, NULL, &err), 0);
    for (size_t i = 0; i < DIAL_MAX; i++)
        dial_leave(&held[i]);
    dial_pass six = enter("n0", 22, "me@[fe80::1]:2200"), bare = enter("n0", 22, "fe80::1");
    assert_int_equal(dial_count("fe80::1", 2200), 1);
    assert_int_equal(dial_count("fe80::1", 22), 1);
    dial_leave(&six);
    dial_leave(&bare);
    dial_pass itself = enter("gate", 22, "gate");
    assert_int_equal(dial_count("gate", 22), 1);
    dial_leave(&itself);
}

static void waiting_is_cancelled(void **state)
{
    (void)state;
    rdd_error err;
    dial_pass held[DIAL_MAX], pass;
    for (size_t i = 0; i < DIAL_MAX; i++)
        held[i] = enter("n1", 22, NULL);
    CLEANUP(closep) int fd = eventfd(1, EFD_CLOEXEC);
    assert_int_equal(dial_enter(&pass, "n1", 22, NULL, fd, CLOCK_NEVER, &err), RDD_E_CANCELLED);
    for (size_t i = 0; i < DIAL_MAX; i++)
        dial_leave(&held[i]);
    assert_int_equal(dial_count("n1", 22), 0);
}

/* Many threads, few places, two of them at once: all get in, and never too many. */
enum { THREADS = 40, ROUNDS = 50 };

static void *go_in_and_out(void *arg)
{
    size_t me = (size_t)arg;
    for (size_t i = 0; i < ROUNDS; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%zu", (me + i) % 3);
        rdd_error err;
        dial_pass pass;
        if (dial_enter(&pass, name, 22, me % 2 ? "gate" : NULL, -1, CLOCK_NEVER, &err))
            return "failed";
        if (dial_count(name, 22) > DIAL_MAX || dial_count("gate", 22) > DIAL_MAX)
            return "too many";
        dial_leave(&pass);
    }
    return NULL;
}

static void everybody_gets_in(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, go_in_and_out, (void *)i), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    assert_int_equal(dial_count("gate", 22), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_counted),
        cmocka_unit_test(jump_hosts_count),
        cmocka_unit_test(waiting_is_cancelled),
        cmocka_unit_test(everybody_gets_in),
    };
    return TEST_MAIN(argc, argv, tests);
}
