/* The ssh program as a transport, for what libssh2 cannot do.
 *
 * Its log goes through a pipe of its own (ssh -E, at LogLevel DEBUG1) and tells how far it came, so
 * that stderr is the command's alone, but for a greeting of the server. After the start the log goes
 * on being read, as ssh would wait for room in it.
 */
#include "clock.h"
#include "crash.h"
#include "ssh_complaint.h"
#include "ssh_program.h"
#include "transport_parts.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>

enum { LAST_WORDS_MS = 2000, SAID_MAX = 64 << 10 };

typedef struct openssh {
    transport base;
    ssh_program program;
    ssh_log log;
    buf said;         /* stderr that came during the start */
    size_t said_used; /* of it, handed to the caller */
    bool data_ended, errors_ended, log_ended;
} openssh;

static openssh *of(transport *t)
{
    return (openssh *)t; /* base is first */
}

static void close_fd(int *fd)
{
    closep(fd);
    *fd = -1;
}

/* -- Streams ----------------------------------------------------------------------------------- */

static ssize_t read_fd(int fd, bool *ret_ended, void *data, size_t size)
{
    ssize_t n;
    if (*ret_ended)
        return 0;
    do
        n = read(fd, data, size);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? -EAGAIN : -errno;
    if (!n)
        *ret_ended = true;
    return n;
}

/* A write end that stays open here would hide ssh's end. */
static void read_log(openssh *o)
{
    char bytes[4096];
    ssize_t n;
    while ((n = read_fd(o->program.log_fd, &o->log_ended, bytes, sizeof bytes)) > 0) {
        close_fd(&o->program.log_write_fd);
        ssh_log_add(&o->log, bytes, (size_t)n);
    }
    if (n < 0 && n != -EAGAIN)
        o->log_ended = true;
}

static ssize_t openssh_read(transport *t, void *data, size_t size)
{
    openssh *o = of(t);
    ssize_t n = read_fd(o->program.data_fd, &o->data_ended, data, size);
    if (n <= 0)
        read_log(o);
    return n;
}

static ssize_t openssh_read_errors(transport *t, void *data, size_t size)
{
    openssh *o = of(t);
    size_t left = o->said.size - o->said_used;
    if (!left)
        return read_fd(o->program.errors_fd, &o->errors_ended, data, size);
    size = size_min(size, left);
    memcpy(data, o->said.data + o->said_used, size);
    o->said_used += size;
    if (o->said_used == o->said.size)
        buf_release(&o->said), o->said_used = 0;
    return (ssize_t)size;
}

static ssize_t openssh_write(transport *t, const void *data, size_t size)
{
    ssize_t n;
    do
        n = send(of(t)->program.data_fd, data, size, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static size_t openssh_poll(transport *t, struct pollfd *fds, bool want_write)
{
    openssh *o = of(t);
    size_t count = 0;
    short events = (short)(POLLIN | (want_write ? POLLOUT : 0));
    if (o->said.size > o->said_used)
        return 0;
    if (!o->data_ended)
        fds[count++] = (struct pollfd){ .fd = o->program.data_fd, .events = events };
    if (!o->errors_ended)
        fds[count++] = (struct pollfd){ .fd = o->program.errors_fd, .events = POLLIN };
    if (!o->log_ended)
        fds[count++] = (struct pollfd){ .fd = o->program.log_fd, .events = POLLIN };
    return count;
}

/* -- The end ----------------------------------------------------------------------------------- */

static void *openssh_free(openssh *o)
{
    if (o) {
        ssh_program_end(&o->program, 0, NULL);
        buf_release(&o->said);
        free(o);
    }
    return NULL;
}

/* Until the command has closed its output, so that ssh has no reason to stay. */
static void discard(openssh *o, uint64_t deadline_ns)
{
    static const size_t size = 64 << 10;
    CLEANUP(freep) char *bytes = malloc(size);
    while (bytes && (!o->data_ended || !o->errors_ended)) {
        ssize_t n;
        while ((n = openssh_read(&o->base, bytes, size)) > 0)
            ;
        if (n < 0 && n != -EAGAIN)
            o->data_ended = true;
        while ((n = openssh_read_errors(&o->base, bytes, size)) > 0)
            ;
        struct pollfd fds[TRANSPORT_POLL_MAX];
        size_t count = openssh_poll(&o->base, fds, false);
        if (clock_now_ns() >= deadline_ns)
            return;
        if (count)
            poll(fds, (nfds_t)count, clock_poll_ms(clock_now_ns(), deadline_ns));
    }
}

static void describe(openssh *o, int status, char *text, size_t size)
{
    ssh_complaint why;
    ssh_complaint_find(ssh_log_complaints(&o->log), TRANSPORT_STEPS, true, &why);
    char name[32];
    if (status == -1)
        snprintf(text, size, "its ssh program is gone");
    else if (WIFSIGNALED(status))
        snprintf(text, size, "the connection was lost: the ssh program was killed by signal %s",
                 crash_signal_name(WTERMSIG(status), name, sizeof name));
    else if (o->log.has_status || WEXITSTATUS(status) != 255)
        snprintf(text, size, "exited with status %d", WEXITSTATUS(status));
    else if (o->log.has_signal)
        snprintf(text, size, "was killed by a signal");
    else if (why.step == TRANSPORT_EXEC)
        snprintf(text, size, "was not started: %s; %s", why.what, why.fix);
    else
        snprintf(text, size, "the connection was lost%s%s", why.what[0] ? ": " : "", why.what);
}

static void openssh_end(transport *t, uint64_t patience_ns, char *text, size_t size)
{
    if (!t)
        return;
    openssh *o = of(t);
    bool killed;
    uint64_t now_ns = clock_now_ns();
    uint64_t deadline_ns = patience_ns > CLOCK_NEVER - now_ns ? CLOCK_NEVER : now_ns + patience_ns;
    shutdown(o->program.data_fd, SHUT_WR);
    discard(o, deadline_ns);
    bool ended = o->data_ended;
    int log_fd = o->program.log_fd;
    o->program.log_fd = -1;
    int status = ssh_program_end(&o->program, deadline_ns, &killed);
    o->program.log_fd = log_fd;
    read_log(o);
    char duration[32];
    if (killed)
        snprintf(text, size, "did not end within %s and was cut off%s",
                 start_duration(patience_ns, duration), ended ? " (its output had ended)" : "");
    else
        describe(o, status, text, size);
    openssh_free(o);
}

/* -- Starting ---------------------------------------------------------------------------------- */

/* Its words, with what we know of it. */
static int complain(openssh *o, transport_start *s, const ssh_complaint *why)
{
    const char *fix = start_complaint_fix(s, why), *before = "";
    if (o->log.partial && why->step == TRANSPORT_LOGIN) {
        before = "the server took a key and wants more besides: ";
        fix = start_further_method;
    }
    const char *jump = s->target->proxy_jump;
    bool by_way = jump && !o->log.greeted &&
                  (why->step == TRANSPORT_HOST_KEY || why->step == TRANSPORT_LOGIN);
    s->step = why->step;
    s->dropped = why->dropped;
    bool key = why->step == TRANSPORT_HOST_KEY && o->log.host_key[0];
    return start_fail(s, RDD_E_IO, "%s%s%s%s%s%s%s%s%s%s", by_way ? "by way of " : "",
                      by_way ? jump : "", by_way ? ": " : "", before, why->what,
                      key ? " (the server has " : "", key ? o->log.host_key : "", key ? ")" : "",
                      fix ? "; " : "", fix ? fix : "");
}

/* What ssh has said tells what went wrong and where; the message is ours. */
static int failed(openssh *o, transport_start *s)
{
    char bytes[4096];
    ssize_t n;
    ssh_program *p = &o->program;
    uint64_t deadline_ns = clock_now_ns() + LAST_WORDS_MS * NS_PER_MS;
    while ((n = read_fd(p->errors_fd, &o->errors_ended, bytes, sizeof bytes)) > 0)
        buf_append(&o->said, bytes, (size_t)n);
    int log_fd = p->log_fd;
    p->log_fd = -1;
    int status = ssh_program_end(p, deadline_ns, NULL);
    p->log_fd = log_fd;
    read_log(o);

    /* Its own words count more than those of a jump host's ssh, or of a greeting. */
    CLEANUP(buf_release) buf all = { 0 };
    buf_text(&all, ssh_log_complaints(&o->log));
    buf_append(&all, o->said.data, o->said.size);
    const char *text = buf_terminate(&all);
    ssh_complaint why;
    ssh_complaint_find(text ? text : "", s->step, o->log.greeted, &why);
    if (!why.what[0])
        snprintf(why.what, sizeof why.what, "the ssh program ended with status %d without a word",
                 status >= 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return complain(o, s, &why);
}

static int walk(openssh *o, transport_start *s)
{
    ssh_program *p = &o->program;
    while (o->log.step < TRANSPORT_STEPS) {
        struct pollfd fds[] = { { .fd = p->errors_fd, .events = POLLIN },
                                { .fd = p->log_fd, .events = POLLIN } };
        int code = start_wait(s, fds, 2);
        if (code)
            return code;
        char bytes[4096];
        ssize_t n;
        while ((n = read_fd(p->errors_fd, &o->errors_ended, bytes, sizeof bytes)) > 0)
            buf_append(&o->said, bytes, (size_t)n);
        read_log(o);
        if (o->log.step > s->step)
            start_done(s, o->log.step - 1);
        if ((o->errors_ended || o->log_ended) && o->log.step < TRANSPORT_STEPS)
            return failed(o, s);
    }
    return 0;
}

int transport_openssh_open(transport **ret, transport_start *s)
{
    static const transport_ops ops = { openssh_read, openssh_read_errors, openssh_write,
                                       openssh_poll, openssh_end };
    CLEANUP(arena_release) arena memory = { 0 };
    openssh *o = calloc(1, sizeof *o);
    if (!o)
        return error_set_memory(s->err, "starting the ssh program");
    o->base.ops = &ops;
    o->said.max = SAID_MAX;
    o->program = SSH_PROGRAM_NONE;
    int code = ssh_program_open_log(&o->program, s->err);
    char **argv = code ? NULL
                       : ssh_program_session(s->target, s->command, o->program.log_write_fd, &memory,
                                             s->err);
    if (argv)
        code = ssh_program_start(&o->program, argv, s->err);
    if (!argv || code) {
        error_prefix(s->err, "%s: ", s->target->label);
        openssh_free(o);
        return s->err->code;
    }
    code = walk(o, s);
    if (code) {
        openssh_free(o);
        return code;
    }
    *ret = &o->base;
    return 0;
}
