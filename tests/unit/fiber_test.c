/* fiber_test.c: fibers on the switch of this processor. fiber_ucontext_test.c runs the same on
 * swapcontext(). */
#include "fiber.h"

#include <execinfo.h>
#include <fenv.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "test.h"

/* -- There and back ---------------------------------------------------------------------------- */

typedef struct trace {
    int seen[64], count;
} trace;

static void put(trace *t, int value)
{
    t->seen[t->count++] = value;
}

static void three_steps(void *arg)
{
    for (int i = 1; i <= 3; i++) {
        put(arg, i);
        if (i < 3)
            fiber_suspend();
    }
}

static void steps_alternate(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    trace t = { 0 };
    fiber *f = fiber_new(&pool, three_steps, &t, NULL);
    assert_non_null(f);
    assert_int_equal(t.count, 0);
    assert_int_equal(pool.live_count, 1);
    bool alive = true;
    for (int round = 1; alive; round++) {
        alive = fiber_resume(f);
        put(&t, 10 * round);
    }
    const int expected[] = { 1, 10, 2, 20, 3, 30 };
    assert_int_equal(t.count, 6);
    assert_memory_equal(t.seen, expected, sizeof expected);
    assert_int_equal(pool.live_count, 0);
    assert_int_equal(pool.idle_count, 1);
    fiber_pool_release(&pool);
}

static void ends_at_once(void *arg)
{
    ++*(int *)arg;
}

static void stacks_are_used_again(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    int runs = 0;
    fiber *first = fiber_new(&pool, ends_at_once, &runs, NULL);
    assert_false(fiber_resume(first));
    for (int i = 0; i < 1000; i++) {
        fiber *f = fiber_new(&pool, ends_at_once, &runs, NULL);
        assert_ptr_equal(f, first);
        assert_null(fiber_tag(f));
        fiber_set_tag(f, &runs);
        assert_false(fiber_resume(f));
    }
    assert_int_equal(runs, 1001);
    assert_int_equal(pool.idle_count, 1);
    fiber_pool_release(&pool);
}

/* -- Nesting ----------------------------------------------------------------------------------- */

enum { DEPTH = 40 };

typedef struct level {
    fiber_pool *pool;
    int depth, resumed;
    fiber *self;
} level;

/* Resumes a fiber of its own, which does the same, and suspends in between. */
static void nest(void *arg)
{
    level *l = arg;
    l->self = fiber_current();
    level inner = { .pool = l->pool, .depth = l->depth + 1 };
    fiber *f = l->depth < DEPTH ? fiber_new(l->pool, nest, &inner, NULL) : NULL;
    for (int i = 0; i < 3; i++) {
        if (f)
            assert_true(fiber_resume(f));
        assert_ptr_equal(fiber_current(), l->self);
        l->resumed++;
        fiber_suspend();
        assert_ptr_equal(fiber_current(), l->self);
    }
    if (f) {
        assert_false(fiber_resume(f));
        assert_int_equal(inner.resumed, 3);
    }
}

static void fibers_resume_fibers(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    level outer = { .pool = &pool };
    fiber *f = fiber_new(&pool, nest, &outer, NULL);
    for (int i = 0; i < 3; i++) {
        assert_null(fiber_current());
        assert_true(fiber_resume(f));
        assert_int_equal(outer.resumed, i + 1);
    }
    assert_false(fiber_resume(f));
    assert_int_equal(pool.idle_count, DEPTH + 1);
    assert_int_equal(pool.live_count, 0);
    fiber_pool_release(&pool);
}

typedef struct pair {
    fiber *other;
    int value;
} pair;

static void give_value(void *arg)
{
    pair *p = arg;
    fiber_suspend();
    p->value = 7;
}

static void resume_other(void *arg)
{
    pair *p = arg;
    assert_false(fiber_resume(p->other));
    assert_int_equal(p->value, 7);
}

/* Begun by the thread, ended by a fiber: whoever resumes gets control back. */
static void any_fiber_may_resume(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    pair p = { 0 };
    p.other = fiber_new(&pool, give_value, &p, NULL);
    assert_true(fiber_resume(p.other));
    assert_false(fiber_resume(fiber_new(&pool, resume_other, &p, NULL)));
    assert_int_equal(p.value, 7);
    fiber_pool_release(&pool);
}

/* -- Many -------------------------------------------------------------------------------------- */

enum { MANY = 1500, ROUNDS = 5 };

typedef struct worker {
    uint64_t seed, sum;
    double product;
} worker;

/* Its state lives in registers and on its stack across suspensions. */
static void work(void *arg)
{
    worker *w = arg;
    uint64_t sum = w->seed;
    double product = 1.0 + (double)w->seed;
    for (int i = 0; i < ROUNDS; i++) {
        sum = sum * 31 + 1;
        product *= 1.0000001;
        fiber_suspend();
    }
    w->sum = sum;
    w->product = product;
}

static void many_at_once(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    static worker workers[MANY];
    static fiber *fibers[MANY];
    for (size_t i = 0; i < MANY; i++) {
        workers[i] = (worker){ .seed = test_random() };
        fibers[i] = fiber_new(&pool, work, &workers[i], NULL);
        assert_non_null(fibers[i]);
    }
    for (int round = 0; round <= ROUNDS; round++)
        for (size_t i = 0; i < MANY; i++)
            assert_int_equal(fiber_resume(fibers[i]), round < ROUNDS);
    for (size_t i = 0; i < MANY; i++) {
        uint64_t sum = workers[i].seed;
        double product = 1.0 + (double)workers[i].seed;
        for (int k = 0; k < ROUNDS; k++) {
            sum = sum * 31 + 1;
            product *= 1.0000001;
        }
        assert_true(workers[i].sum == sum && workers[i].product == product);
    }
    assert_int_equal(pool.idle_count, FIBER_IDLE_MAX); /* the rest went back */
    fiber_pool_release(&pool);
}

static void *run_on_thread(void *arg)
{
    fiber_pool pool = { 0 };
    trace *t = arg;
    fiber *f = fiber_new(&pool, three_steps, t, NULL);
    while (f && fiber_resume(f))
        ;
    fiber_pool_release(&pool);
    return NULL;
}

static void each_thread_has_its_own(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    trace traces[THREADS] = { 0 };
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, run_on_thread, &traces[i]), 0);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(traces[i].count, 3);
    }
}

/* -- Dropping ---------------------------------------------------------------------------------- */

static void never_ends(void *arg)
{
    volatile char frame[2000];
    for (;;) {
        memset((char *)(uintptr_t)frame, ++*(int *)arg, sizeof frame);
        fiber_suspend();
    }
}

static void a_dropped_stack_is_good_again(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    int turns = 0, runs = 0;
    for (int i = 0; i < 20; i++) {
        fiber *f = fiber_new(&pool, never_ends, &turns, NULL);
        for (int k = 0; k < 3; k++)
            assert_true(fiber_resume(f));
        fiber_drop(f);
        assert_int_equal(pool.live_count, 0);
        assert_int_equal(pool.idle_count, 1);
        assert_false(fiber_resume(fiber_new(&pool, ends_at_once, &runs, NULL)));
    }
    assert_int_equal(turns, 60);
    assert_int_equal(runs, 20);
    fiber_drop(fiber_new(&pool, never_ends, &turns, NULL)); /* that never ran */
    assert_int_equal(turns, 60);
    fiber_drop(NULL);
    fiber_pool_release(&pool);
}

/* -- What a switch keeps, and the stack -------------------------------------------------------- */

static void round_upwards(void *arg)
{
    (void)arg;
    assert_int_equal(fegetround(), FE_TONEAREST);
    fesetround(FE_UPWARD);
    fiber_suspend();
    assert_int_equal(fegetround(), FE_UPWARD);
    fesetround(FE_TONEAREST);
}

static void rounding_is_each_ones_own(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    fiber *f = fiber_new(&pool, round_upwards, NULL, NULL);
    assert_true(fiber_resume(f));
    assert_int_equal(fegetround(), FE_TONEAREST);
    assert_false(fiber_resume(f));
    fiber_pool_release(&pool);
}

static void use_much_stack(void *arg)
{
    volatile char large[200 << 10];
    for (size_t i = 0; i < sizeof large; i += 512)
        large[i] = (char)i;
    fiber_suspend();
    for (size_t i = 0; i < sizeof large; i += 512)
        *(int *)arg += large[i] == (char)i;
}

static void the_stack_is_large(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    int right = 0;
    fiber *f = fiber_new(&pool, use_much_stack, &right, NULL);
    assert_true(fiber_resume(f));
    assert_false(fiber_resume(f));
    assert_int_equal(right, 400);
    fiber_pool_release(&pool);
}

static void take_backtrace(void *arg)
{
    void *frames[64];
    *(int *)arg = backtrace(frames, 64);
}

static void a_backtrace_ends_at_the_fiber(void **state)
{
    (void)state;
    fiber_pool pool = { 0 };
    int depth = 0;
    assert_false(fiber_resume(fiber_new(&pool, take_backtrace, &depth, NULL)));
    assert_in_range(depth, 2, 6);
    fiber_pool_release(&pool);
}

static volatile int go_on = 1;

static int go_deeper(int depth)
{
    volatile char frame[700];
    frame[depth % 700] = (char)depth;
    return go_on ? go_deeper(depth + 1) + frame[depth % 700] : 0;
}

static void overflow(void *arg)
{
    *(int *)arg = go_deeper(0);
}

static void on_fault(int signal, siginfo_t *info, void *where)
{
    (void)signal, (void)where;
    _exit(fiber_guards(info->si_addr) ? 42 : 43);
}

static int *volatile wild = (int *)8;

static void overflow_in_child(bool wild_pointer)
{
    static char stack[64 << 10];
    stack_t own = { .ss_sp = stack, .ss_size = sizeof stack };
    sigaltstack(&own, NULL);
    struct sigaction action = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    fiber_pool pool = { 0 };
    int result = 0;
    if (wild_pointer)
        *wild = 0; /* no overflow, and outside of fibers */
    fiber_resume(fiber_new(&pool, overflow, &result, NULL));
    _exit(44);
}

static int status_of_child(bool wild_pointer)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        overflow_in_child(wild_pointer);
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static void an_overflow_is_recognized(void **state)
{
    (void)state;
    assert_int_equal(status_of_child(false), 42);
    assert_int_equal(status_of_child(true), 43);
    int here;
    assert_false(fiber_guards(&here));
}

/* -- Errors ------------------------------------------------------------------------------------ */

#if defined(__SANITIZE_THREAD__)
#define UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif

/* Allows this process 3 MiB more than it has. */
static void limit_address_space(void)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file || fscanf(file, "%lu", &pages) != 1)
        _exit(44);
    fclose(file);
    rlim_t size = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (3 << 20);
    struct rlimit limit = { size, size };
    setrlimit(RLIMIT_AS, &limit);
}

static void no_room_for_a_stack(void **state)
{
    (void)state;
#ifdef UNDER_TSAN
    TEST_SKIP("the thread sanitizer does not live with little memory");
#endif
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        fiber_pool pool = { 0 };
        rdd_error err = { 0 };
        int runs = 0, made = 0;
        limit_address_space();
        while (made < 20 && fiber_new(&pool, ends_at_once, &runs, &err))
            made++;
        bool told = err.code == RDD_E_MEMORY && err.os_errno && strstr(err.message, "ulimit -v");
        _exit(told && pool.live_count == (size_t)made ? 42 : 43);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 42);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_alternate),
        cmocka_unit_test(stacks_are_used_again),
        cmocka_unit_test(fibers_resume_fibers),
        cmocka_unit_test(any_fiber_may_resume),
        cmocka_unit_test(many_at_once),
        cmocka_unit_test(each_thread_has_its_own),
        cmocka_unit_test(a_dropped_stack_is_good_again),
        cmocka_unit_test(rounding_is_each_ones_own),
        cmocka_unit_test(the_stack_is_large),
        cmocka_unit_test(a_backtrace_ends_at_the_fiber),
        cmocka_unit_test(an_overflow_is_recognized),
        cmocka_unit_test(no_room_for_a_stack),
    };
    return TEST_MAIN(argc, argv, tests);
}
