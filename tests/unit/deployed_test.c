/* deployed_test.c: executors that were deployed, by the driver's own backend: also into a root that
 * has busybox and nothing else, no libc, no user database. With a fake runner. */
#include "executor_rig.h"

#include "deploy_rig.h"

#include <sched.h>
#include <sys/mount.h>

/* -- A place whose nodes are shells here ------------------------------------------------------- */

typedef struct shell_place {
    place base;
    node node;
    int starts;
} shell_place;

typedef struct shell_link {
    executor_link base;
    start start;
} shell_link;

static shell_link *of(executor_link *l)
{
    return (shell_link *)l;
}

static channel_io shell_read(executor_link *l, channel *c)
{
    start *s = &of(l)->start;
    if (!s->head_size)
        return channel_read(c, s->fd);
    size_t room;
    void *to = frame_reader_room(&c->in, &room);
    assert_true(room >= s->head_size);
    memcpy(to, s->head, s->head_size);
    frame_reader_filled(&c->in, s->head_size);
    s->head_size = 0;
    return CHANNEL_MOVED;
}

static channel_io shell_write(executor_link *l, channel *c)
{
    return channel_write(c, of(l)->start.fd);
}

static size_t shell_poll(executor_link *l, struct pollfd *fds, bool want_write)
{
    fds[0] = (struct pollfd){ .fd = of(l)->start.fd,
                              .events = (short)(POLLIN | (want_write ? POLLOUT : 0)) };
    return 1;
}

static pid_t shell_pid(const executor_link *l)
{
    return ((const shell_link *)l)->start.pid;
}

static void shell_end(executor_link *l, uint64_t patience_ns, char *text, size_t size)
{
    (void)patience_ns;
    int status = start_end(&of(l)->start);
    if (WIFEXITED(status))
        snprintf(text, size, "its process exited with status %d", WEXITSTATUS(status));
    else
        snprintf(text, size, "its process was killed by signal %d", WTERMSIG(status));
    free(l);
}

static int shell_start(place *p, int cancel_fd, executor_link **ret, start_failure *ret_failure,
                       rdd_error *err)
{
    static const executor_link_ops ops = { .read = shell_read, .write = shell_write,
                                           .poll = shell_poll, .pid = shell_pid, .end = shell_end };
    (void)cancel_fd;
    shell_place *at = (shell_place *)p;
    shell_link *l = calloc(1, sizeof *l);
    l->base.ops = &ops;
    l->start = node_start(&at->node);
    at->starts++;
    *ret_failure = START_NEVER;
    if (l->start.failed) {
        *err = l->start.err;
        start_end(&l->start);
        free(l);
        return RDD_E_IO;
    }
    *ret = &l->base;
    return 0;
}

static void shell_free(place *p)
{
    (void)p; /* on the test's stack */
}

static void start_on(rig *r, shell_place *p, const char *name)
{
    static const place_ops ops = { .start = shell_start, .free = shell_free };
    p->base.ops = &ops;
    p->base.slots = 2;
    p->base.restarts_max = 5;
    p->base.remote = true;
    snprintf(p->base.name, sizeof p->base.name, "%s", name);
    place **places = malloc(sizeof *places);
    places[0] = &p->base;
    backend *b;
    rdd_error err;
    assert_int_equal(backend_executors_new(&b, places, 1, 0, &err), 0);
    free(places);
    rig_start_backend(r, b, 1);
    rig_expect_up(r);
    static const char text[] = "operator fake (fake.c:7)";
    r->backend->ops->plan(r->backend, 1, (rdd_str){ sizeof text - 1, text });
}

/* Tasks run; a worker that crashes is a report and is replaced; an executor that is killed is started
 * again, from what is there. */
static void live(shell_place *p, const char *name)
{
    rig_defaults();
    rig r;
    start_on(&r, p, name);
    expect_alive(&r, 0);
    for (int i = 0; i < 2; i++) {
        outcome o = rig_run(&r, 0, "c");
        expect_status(&o, OUTCOME_CRASHED);
        expect_text(o.error->message, "worker crashed: SIGSEGV");
        assert_string_equal(o.error->node, name);
        outcome_release(&o);
        expect_alive(&r, 0);
    }
    kill(backend_executors_pid(r.backend, 0), SIGKILL);
    event_free(rig_expect(&r, EVENT_EXECUTOR_LOST));
    rig_expect_up(&r);
    expect_alive(&r, 0);
    assert_int_equal(p->starts, 2);
    rig_stop(&r);
}

static void executors_live_where_they_were_deployed(void **state)
{
    (void)state;
    shell_place p = { .node = node_new("home") };
    live(&p, "n1");
}

/* A root of its own: /bin/busybox as sh and its commands, /proc, /dev/null. */
static void enter_empty_root(node *n)
{
    char path[500];
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL))
        _exit(99);
    snprintf(path, sizeof path, "%s/dev/null", n->home);
    if (mount("/dev/null", path, NULL, MS_BIND, NULL))
        _exit(99);
    snprintf(path, sizeof path, "%s/proc", n->home);
    if (mount("/proc", path, NULL, MS_BIND | MS_REC, NULL) || chroot(n->home) || chdir("/"))
        _exit(99);
    snprintf(n->home, sizeof n->home, "/home");
}

static void executors_live_in_an_empty_root(void **state)
{
    (void)state;
    if (geteuid() != 0)
        TEST_SKIP("chroot needs root");
    if (access("/bin/busybox", X_OK))
        TEST_SKIP("needs /bin/busybox, of busybox-static");
    shell_place p = { .node = node_new("root") };
    char line[2000];
    snprintf(line, sizeof line,
             "cd '%s' && mkdir bin proc dev home && cp /bin/busybox bin/ && : >dev/null && "
             "for c in sh mkdir dd chmod mv ln rm uname id; do ln -s busybox bin/$c; done", p.node.home);
    assert_int_equal(system(line), 0);
    p.node.enter = enter_empty_root;
    p.node.path = "PATH=/bin";
    live(&p, "n1");
}

/* Beside the driver too, tasks have the user's files where they run. */
static void files_are_beside_local_executors(void **state)
{
    (void)state;
    char pair[600], path[100];
    struct stat st;
    snprintf(pair, sizeof pair, "files=%s", test_file("extra.txt", "12", 2));
    rig_defaults();
    rig_conf(pair);
    rig r;
    rig_start_up(&r, 1, 1);
    snprintf(path, sizeof path, "/proc/%d/cwd/extra.txt", (int)rig_supervisor(&r, 0));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 2);
    expect_alive(&r, 0);
    rig_stop(&r);
    rig_conf("files=");
}

int main(int argc, char **argv)
{
    rig_main(&argc, argv);
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(executors_live_where_they_were_deployed),
        cmocka_unit_test(executors_live_in_an_empty_root),
        cmocka_unit_test(files_are_beside_local_executors),
    };
    int failed = TEST_MAIN(argc, argv, tests);
    bundle_free(program_);
    return failed;
}
