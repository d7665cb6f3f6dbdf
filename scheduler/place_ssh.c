#include "place_ssh.h"

#include "clock.h"
#include "conf.h"
#include "deploy.h"
#include "transport.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

enum {
    FIRST_RESTARTS_MAX = 3,    /* of a node that was never reached; then it is given up */
    REFUSALS_MAX = 10,         /* in a row, of one that was up and does not let us in: 10 s or so */
    DEPLOY_SILENCE_MS = 30000, /* without a byte either way, while a node is prepared */
    DEPLOY_QUIET_MS = 2000,    /* after which that is told */
    OPEN_SPARE_MS = 20000,     /* for what comes after the connection: exchange, login, exec */
    END_WAIT_MS = 1000,
    CHUNK = 64 << 10,
};

struct ssh_fleet {
    const bundle *files;
    void (*note)(void *arg, const char *text);
    void *note_arg;
    pthread_mutex_t mutex;
    /* under the mutex */
    bundle *bundle;
};

typedef struct ssh_place {
    place base;
    ssh_fleet *fleet;
    arena memory;
    host host;
    ssh_target target;
    bool resolved;
    transport_kind kind; /* TRANSPORT_OPENSSH once that was chosen; TRANSPORT_AUTO: it is to be seen */
    char how[300];       /* why */
    bool reinstall, reinstalled;
    bool from_cache; /* the program of the last start was there already */
    bool was_up;
    uint32_t refusals;
    void (*done)(void *arg, unsigned step, uint64_t took_ns); /* may be NULL */
    void *done_arg;
} ssh_place;

typedef struct ssh_link {
    executor_link base;
    transport *transport;
    char *early;               /* what came behind the last line of deploying */
    size_t early_at, early_size;
} ssh_link;

/* -- The link ---------------------------------------------------------------------------------- */

static ssh_link *link_of(executor_link *l)
{
    return (ssh_link *)l;
}

static channel_io io_of(ssize_t got)
{
    return got > 0 ? CHANNEL_MOVED : got == -EAGAIN ? CHANNEL_WAITING : CHANNEL_ENDED;
}

static channel_io ssh_read(executor_link *base, channel *c)
{
    ssh_link *l = link_of(base);
    size_t room;
    void *to = frame_reader_room(&c->in, &room);
    if (!to)
        return CHANNEL_ENDED;
    ssize_t got;
    if (l->early_at < l->early_size) {
        got = (ssize_t)size_min(room, l->early_size - l->early_at);
        memcpy(to, l->early + l->early_at, (size_t)got);
        l->early_at += (size_t)got;
    } else {
        got = l->transport->ops->read(l->transport, to, room);
    }
    if (got > 0)
        frame_reader_filled(&c->in, (size_t)got);
    return io_of(got);
}

static channel_io ssh_write(executor_link *base, channel *c)
{
    transport *t = link_of(base)->transport;
    size_t size;
    const char *bytes;
    while ((bytes = channel_output(c, &size))) {
        ssize_t written = t->ops->write(t, bytes, size);
        if (written <= 0)
            return written == 0 || written == -EAGAIN ? CHANNEL_WAITING : CHANNEL_ENDED;
        channel_wrote(c, (size_t)written);
    }
    return CHANNEL_MOVED;
}

static size_t ssh_poll(executor_link *base, struct pollfd *fds, bool want_write)
{
    _Static_assert((int)LINK_POLL_MAX >= (int)TRANSPORT_POLL_MAX, "a link polls what its transport does");
    transport *t = link_of(base)->transport;
    return t->ops->poll(t, fds, want_write);
}

static size_t ssh_errors(executor_link *base, char *text, size_t size)
{
    transport *t = link_of(base)->transport;
    ssize_t got = t->ops->read_errors(t, text, size);
    return got > 0 ? (size_t)got : 0;
}

static void ssh_end(executor_link *base, uint64_t patience_ns, char *text, size_t size)
{
    ssh_link *l = link_of(base);
    l->transport->ops->end(l->transport, patience_ns, text, size);
    free(l->early);
    free(l);
}

/* -- Preparing a node -------------------------------------------------------------------------- */

/* One start: a session, and what turns a shell into an executor. */
typedef struct preparing {
    ssh_place *place;
    transport *transport;
    deploy *deploy;
    int cancel_fd;
    buf said;             /* on stderr */
    char rest[CHUNK];     /* what came behind the last line */
    size_t rest_size;
    uint64_t moved_ns;    /* when bytes moved last */
    uint64_t step_ns;     /* when its last step was done */
    bool told_directory;
    uint64_t told_quiet_ns; /* since when bytes had not moved when that was told last */
} preparing;

static void end_transport(preparing *p, char *how, size_t size)
{
    if (p->transport)
        p->transport->ops->end(TAKE(p->transport), END_WAIT_MS * NS_PER_MS, how, size);
}

static void preparing_release(preparing *p)
{
    char how[160];
    end_transport(p, how, sizeof how);
    deploy_free(p->deploy);
    buf_release(&p->said);
}

static void read_said(preparing *p)
{
    char text[1024];
    for (ssize_t got; (got = p->transport->ops->read_errors(p->transport, text, sizeof text)) > 0;)
        if (p->said.size < KIB(16))
            buf_append(&p->said, text, (size_t)got);
}

static void tell(preparing *p, unsigned step)
{
    uint64_t now_ns = clock_now_ns();
    if (p->place->done)
        p->place->done(p->place->done_arg, step, now_ns - p->step_ns);
    p->step_ns = now_ns;
}

static void tell_how_far(preparing *p)
{
    if (!p->told_directory && deploy_at(p->deploy) >= DEPLOY_PROBE) {
        p->told_directory = true;
        tell(p, PLACE_DIRECTORY);
    }
    if (deploy_at(p->deploy) == DEPLOY_STARTED)
        tell(p, PLACE_PROGRAM);
}

/* A node that was up and refuses us may be going down, or not be all up again; but who is refused again and
 * again will be taken for an attacker. */
static start_failure refused(ssh_place *p)
{
    return p->was_up && ++p->refusals < REFUSALS_MAX ? START_AGAIN : START_NEVER;
}

/* All that is there. 1: the executor runs; 0: more must come; negative: it failed. */
static int read_answers(preparing *p, start_failure *ret_failure, rdd_error *err)
{
    ssize_t got;
    while ((got = p->transport->ops->read(p->transport, p->rest, sizeof p->rest)) > 0) {
        size_t used;
        p->moved_ns = clock_now_ns();
        int code = deploy_input(p->deploy, p->rest, (size_t)got, &used, err);
        if (code < 0)
            *ret_failure = START_NEVER;
        if (code < 0)
            return code;
        tell_how_far(p);
        if (deploy_at(p->deploy) != DEPLOY_STARTED)
            continue;
        p->rest_size = (size_t)got - used;
        memmove(p->rest, p->rest + used, p->rest_size);
        return 1;
    }
    if (got == -EAGAIN)
        return 0;
    char how[160];
    read_said(p);
    end_transport(p, how, sizeof how);
    deploy_ended(p->deploy, (rdd_str){ p->said.size, p->said.data }, how, err);
    *ret_failure = deploy_at(p->deploy) == DEPLOY_SHELL ? refused(p->place) : START_AGAIN;
    return err->code;
}

/* True in *ret_waits when bytes found no room. */
static int write_files(preparing *p, bool *ret_waits, rdd_error *err)
{
    size_t size;
    int code = 0;
    const char *bytes;
    *ret_waits = false;
    while ((bytes = deploy_output(p->deploy, &size, &code, err))) {
        ssize_t written = p->transport->ops->write(p->transport, bytes, size);
        *ret_waits = written == -EAGAIN;
        if (written <= 0)
            break; /* reading says what is wrong */
        p->moved_ns = clock_now_ns();
        deploy_wrote(p->deploy, (size_t)written);
    }
    return code;
}

/* "n1: its shell did not begin for 30 s…" */
static int name_silence(const preparing *p, uint64_t ms, rdd_error *err)
{
    static const char *const WAITED_FOR[] = { "its shell to begin", "its shell to say what it has",
                                              "it to take the program", "the program to start", "" };
    const char *name = p->place->base.name;
    unsigned seconds = (unsigned)(ms / 1000);
    if (deploy_at(p->deploy) == DEPLOY_SHELL)
        return error_set(err, RDD_E_LOST, "%s: its shell did not begin in %u s: a forced command, or a login "
                         "shell that waits? `ssh HOST true` must end by itself", name, seconds);
    return error_set(err, RDD_E_LOST, "%s: nothing was heard for %u s while waiting for %s", name,
                     seconds, WAITED_FOR[deploy_at(p->deploy)]);
}

/* It may be over before this side gives up: jobs do not wait for ever. */
static void tell_quiet(preparing *p)
{
    place *base = &p->place->base;
    rdd_error why;
    uint64_t quiet_ns = clock_now_ns() - p->moved_ns;
    if (p->told_quiet_ns == p->moved_ns || quiet_ns < DEPLOY_QUIET_MS * NS_PER_MS)
        return;
    p->told_quiet_ns = p->moved_ns;
    name_silence(p, quiet_ns / NS_PER_MS, &why);
    if (base->waits)
        base->waits(base->waits_arg, &why);
}

static int wait_for_node(preparing *p, bool want_write, rdd_error *err)
{
    struct pollfd polls[TRANSPORT_POLL_MAX + 1];
    size_t count = p->transport->ops->poll(p->transport, polls, want_write);
    polls[count] = (struct pollfd){ .fd = p->cancel_fd, .events = POLLIN };
    uint64_t deadline = p->moved_ns + DEPLOY_SILENCE_MS * NS_PER_MS;
    uint64_t quiet = p->moved_ns + DEPLOY_QUIET_MS * NS_PER_MS;
    uint64_t until = p->told_quiet_ns == p->moved_ns ? deadline : quiet;
    poll(polls, count + 1, count ? clock_poll_ms(clock_now_ns(), until) : 0);
    if (polls[count].revents)
        return error_set(err, RDD_E_CANCELLED, "the start was called off");
    tell_quiet(p);
    return clock_now_ns() < deadline ? 0 : name_silence(p, DEPLOY_SILENCE_MS, err);
}

/* An answer may call for something to be sent at once. */
static bool has_output(preparing *p)
{
    size_t size;
    int code = 0;
    return deploy_output(p->deploy, &size, &code, NULL) || code < 0;
}

static int prepare_node(preparing *p, start_failure *ret_failure, rdd_error *err)
{
    p->moved_ns = p->step_ns = clock_now_ns();
    for (;;) {
        bool waits;
        int code = write_files(p, &waits, err);
        if (code == 0)
            read_said(p);
        if (code == 0)
            code = read_answers(p, ret_failure, err);
        if (code == 0 && (waits || !has_output(p)))
            code = wait_for_node(p, waits, err);
        if (code)
            return code < 0 ? code : 0;
    }
}

/* -- Starting ---------------------------------------------------------------------------------- */

static PRINTF_LIKE(2, 3) void note(ssh_place *p, const char *format, ...)
{
    char text[512];
    int size = snprintf(text, sizeof text, "%s: ", p->base.name);
    va_list args;
    va_start(args, format);
    vsnprintf(text + size, sizeof text - (size_t)size, format, args);
    va_end(args);
    p->fleet->note(p->fleet->note_arg, text);
}

static int bundle_of(ssh_fleet *f, const bundle **ret, rdd_error *err)
{
    pthread_mutex_lock(&f->mutex);
    int code = f->bundle ? 0 : bundle_make(&f->bundle, err);
    *ret = f->bundle;
    pthread_mutex_unlock(&f->mutex);
    return code;
}

static int resolve(ssh_place *p, rdd_error *err)
{
    if (p->resolved)
        return 0;
    int code = ssh_target_resolve(&p->host, &p->memory, &p->target, err);
    p->resolved = code == 0;
    return code;
}

/* Whether another try could do better: what the user must see to, or time. */
static start_failure failure_of(ssh_place *p, transport_step step)
{
    switch (step) {
    case TRANSPORT_HOST_KEY: return START_NEVER;
    case TRANSPORT_LOGIN: return refused(p);
    case TRANSPORT_RESOLVE:
    case TRANSPORT_EXCHANGE: return p->was_up ? START_AGAIN : START_NEVER;
    default: return START_AGAIN;
    }
}

transport_kind place_ssh_transport(void)
{
    const char *wanted = conf_text("ssh.transport");
    return strcmp(wanted, "libssh2") == 0   ? TRANSPORT_LIBSSH2
           : strcmp(wanted, "openssh") == 0 ? TRANSPORT_OPENSSH
                                            : TRANSPORT_AUTO;
}

static void note_choice(ssh_place *p)
{
    note(p, "connecting %s", p->how);
}

/* The ssh program once is the ssh program again: libssh2's login would be refused again. */
static void tell_choice(void *arg, transport_kind kind, const char *reason)
{
    ssh_place *p = arg;
    p->kind = kind == TRANSPORT_OPENSSH ? kind : TRANSPORT_AUTO;
    snprintf(p->how, sizeof p->how, "%s", reason);
    note_choice(p);
}

static transport_kind kind_of(ssh_place *p)
{
    transport_kind kind = place_ssh_transport();
    if (kind != TRANSPORT_AUTO)
        snprintf(p->how, sizeof p->how, "with %s, as --conf ssh.transport says",
                 kind == TRANSPORT_LIBSSH2 ? "libssh2" : "the ssh program");
    else
        kind = p->kind;
    if (kind != TRANSPORT_AUTO)
        note_choice(p);
    return kind;
}

static void tell_transport(void *arg, transport_step step, uint64_t took_ns)
{
    const ssh_place *p = arg;
    if (p->done)
        p->done(p->done_arg, step, took_ns);
}

static int open_session(ssh_place *p, preparing *t, start_failure *ret_failure, rdd_error *err)
{
    const bundle *b;
    deploy_options options = { .label = p->base.name, .workdir = p->host.workdir,
                               .reinstall = p->reinstall, .files = p->fleet->files };
    if (getrandom(&options.nonce, sizeof options.nonce, 0) != sizeof options.nonce)
        options.nonce = clock_now_ns();
    *ret_failure = START_NEVER;
    int code = resolve(p, err);
    if (code == 0)
        code = bundle_of(p->fleet, &b, err);
    if (code == 0)
        code = deploy_new(&t->deploy, b, &options, err);
    if (code < 0)
        return code;
    transport_step step = TRANSPORT_RESOLVE;
    transport_options how = { .cancel_fd = t->cancel_fd,
                              .step = tell_transport,
                              .chosen = tell_choice,
                              .arg = p,
                              .deadline_ns = clock_now_ns() + (p->target.connect_timeout_ms +
                                                               OPEN_SPARE_MS) * NS_PER_MS };
    code = transport_open(&t->transport, kind_of(p), &p->target, deploy_command(t->deploy), &how,
                          &step, err);
    *ret_failure = code < 0 ? failure_of(p, step) : START_AGAIN;
    return code;
}

static int make_link(preparing *t, executor_link **ret, rdd_error *err)
{
    static const executor_link_ops ops = {
        .read = ssh_read,
        .write = ssh_write,
        .poll = ssh_poll,
        .errors = ssh_errors,
        .end = ssh_end,
    };
    ssh_link *l = calloc(1, sizeof *l);
    char *early = malloc(t->rest_size + 1);
    if (!l || !early) {
        free(l);
        free(early);
        return error_set_memory(err, "starting an executor");
    }
    memcpy(early, t->rest, t->rest_size);
    *l = (ssh_link){ .base.ops = &ops, .transport = TAKE(t->transport), .early = early,
                     .early_size = t->rest_size };
    *ret = &l->base;
    return 0;
}

static int ssh_start(place *base, int cancel_fd, executor_link **ret, start_failure *ret_failure,
                     rdd_error *err)
{
    ssh_place *p = (ssh_place *)base;
    uint64_t began_ns = clock_now_ns();
    CLEANUP(preparing_release) preparing t = { .place = p, .cancel_fd = cancel_fd };
    int code = open_session(p, &t, ret_failure, err);
    uint64_t session_ns = clock_now_ns() - began_ns;
    if (code == 0)
        code = prepare_node(&t, ret_failure, err);
    if (code == 0)
        code = make_link(&t, ret, err);
    if (code < 0)
        return code;
    p->reinstall = false;
    p->from_cache = !deploy_uploaded(t.deploy);
    p->was_up = true; /* so it may come back */
    p->refusals = 0;
    base->restarts_max = UINT32_MAX;
    note(p, "started in %llu ms (%llu ms for the session), %llu bytes were sent",
         (unsigned long long)((clock_now_ns() - began_ns) / NS_PER_MS),
         (unsigned long long)(session_ns / NS_PER_MS), (unsigned long long)deploy_uploaded(t.deploy));
    return 0;
}

/* What the cache had under the right name was another program, or is damaged: it is sent again, once. */
static bool ssh_stale(place *base, bool mute)
{
    ssh_place *p = (ssh_place *)base;
    if (p->reinstalled || !p->from_cache)
        return false;
    p->reinstall = p->reinstalled = true;
    note(p, mute ? "the program in its cache ended before it said anything: it is sent again"
                 : "its cache holds another program under this one's name: it is sent again");
    return true;
}

/* -- Life -------------------------------------------------------------------------------------- */

static void ssh_free(place *base)
{
    ssh_place *p = (ssh_place *)base;
    arena_release(&p->memory);
    free(p);
}

static const char *copy_text(ssh_place *p, const char *text, bool *failed)
{
    const char *copy = text ? arena_strdup(&p->memory, text) : NULL;
    *failed = *failed || (text && !copy);
    return copy;
}

int place_ssh_new(place **ret, ssh_fleet *f, const host *h, rdd_error *err)
{
    static const place_ops ops = { .start = ssh_start, .stale = ssh_stale, .free = ssh_free };
    ssh_place *p = calloc(1, sizeof *p);
    if (!p)
        return error_set_memory(err, "preparing nodes");
    bool failed = false;
    p->fleet = f;
    p->host = *h;
    p->host.name = (char *)copy_text(p, h->name, &failed);
    p->host.user = (char *)copy_text(p, h->user, &failed);
    p->host.identity = (char *)copy_text(p, h->identity, &failed);
    p->host.jump = (char *)copy_text(p, h->jump, &failed);
    p->host.workdir = (char *)copy_text(p, h->workdir, &failed);
    p->host.address = (char *)copy_text(p, h->address, &failed);
    p->base.ops = &ops;
    p->base.slots = h->slots;
    p->base.remote = true;
    p->base.restarts_max = FIRST_RESTARTS_MAX;
    host_describe(h, p->base.name, sizeof p->base.name);
    if (failed) {
        ssh_free(&p->base);
        return error_set_memory(err, "preparing nodes");
    }
    *ret = &p->base;
    return 0;
}

void place_ssh_watch(place *base, void (*done)(void *arg, unsigned step, uint64_t took_ns),
                     void *arg)
{
    ssh_place *p = (ssh_place *)base;
    p->done = done;
    p->done_arg = arg;
}

ssh_fleet *ssh_fleet_new(const bundle *files, void (*note_line)(void *arg, const char *text),
                         void *arg)
{
    ssh_fleet *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->files = files;
    f->note = note_line;
    f->note_arg = arg;
    pthread_mutex_init(&f->mutex, NULL);
    return f;
}

void *ssh_fleet_free(ssh_fleet *f)
{
    if (!f)
        return NULL;
    bundle_free(f->bundle);
    pthread_mutex_destroy(&f->mutex);
    free(f);
    return NULL;
}
