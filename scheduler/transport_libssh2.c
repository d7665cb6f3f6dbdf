/* A session over libssh2: its streams and its end. How one gets in is transport_libssh2_login.c's.
 *
 * libssh2 never blocks here; all waiting is done around it, with deadlines. Its traps (1.10.0) shape
 * this file:
 *   - After a call that left half a packet for a full socket, that same call must come again, with the
 *     same bytes, before any other: `stuck` says which, and `out` keeps the bytes of a write.
 *   - A read may grant the server room for more, an amount that depends on the read's length. When
 *     that has to wait, for the socket or for new keys, the amount that was sent stays and the amount
 *     that is noted is the next read's; what then seems too much is thrown away. So all reads of both
 *     streams have one length, and go into `held` where the caller's memory is shorter.
 *   - A call for one stream may take packets of another off the socket, which a descriptor then does
 *     not show: session_poll() looks inside.
 *   - Any call may be the one that brings new keys, and then nothing else may come: session_poll() and
 *     wind_up() try again what waited for them.
 */
#include "transport_libssh2.h"

#include "clock.h"
#include "ssh_complaint.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>

enum {
    WINDOW = 8 << 20, /* a longer way than the default 2 MiB: 80 MB/s at 100 ms */
    PACKET_MAX = 32768,
};

static ssh_session *of(transport *t)
{
    return (ssh_session *)t; /* base is first */
}

bool transport_libssh2_knows_rsa(void)
{
    return libssh2_version(0x010b00) != NULL;
}

/* -- The socket -------------------------------------------------------------------------------- */

static ssize_t on_receive(libssh2_socket_t fd, void *data, size_t size, int flags, void **abstract)
{
    ssh_session *l = *abstract;
    ssize_t n;
    if (l->cut)
        return -EPIPE;
    do
        n = recv(fd, data, size, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n <= 0) {
        int error = n ? errno : ECONNRESET;
        if (error != EAGAIN)
            l->socket_errno = error;
        return -error;
    }
    if (l->first_size < sizeof l->first) {
        size_t more = size_min((size_t)n, sizeof l->first - l->first_size);
        memcpy(l->first + l->first_size, data, more);
        l->first_size += more;
    }
    return n;
}

static ssize_t on_send(libssh2_socket_t fd, const void *data, size_t size, int flags, void **abstract)
{
    ssh_session *l = *abstract;
    ssize_t n;
    if (l->cut)
        return -EPIPE;
    do
        n = send(fd, data, size, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    l->unsent = n < (ssize_t)size;
    if (n >= 0)
        return n;
    if (errno != EAGAIN)
        l->socket_errno = errno;
    return -errno;
}

static void on_disconnect(LIBSSH2_SESSION *session, int reason, const char *message, int size,
                          const char *language, int language_size, void **abstract)
{
    (void)session, (void)reason, (void)language, (void)language_size;
    ssh_session *l = *abstract;
    snprintf(l->goodbye, sizeof l->goodbye, "%.*s", message && size > 0 ? size : 0,
             message ? message : "");
}

/* What libssh2 waits for. Not libssh2_session_block_directions(): after the second half of a packet
 * found no room either, it says "nothing". */
static short events_of(const ssh_session *l)
{
    return l->unsent ? POLLOUT : POLLIN;
}

int ssh_session_wait(ssh_session *l, transport_start *s)
{
    struct pollfd p = { .fd = l->fd, .events = events_of(l) };
    return start_wait(s, &p, 1);
}

const char *ssh_session_trouble(ssh_session *l, char *text, size_t size)
{
    char reason[128], *said = NULL;
    if (l->goodbye[0])
        snprintf(text, size, "the server said: %s", l->goodbye);
    else if (l->socket_errno == ECONNRESET)
        snprintf(text, size, "the server closed the connection");
    else if (l->socket_errno)
        snprintf(text, size, "%s", strerror_r(l->socket_errno, reason, sizeof reason));
    else if (libssh2_session_last_error(l->session, &said, NULL, 0) && said && *said)
        snprintf(text, size, "%s", said);
    else
        snprintf(text, size, "no reason is known");
    return text;
}

/* -- Streams ----------------------------------------------------------------------------------- */

static int lose(ssh_session *l)
{
    return l->lost = -(l->socket_errno ? l->socket_errno : EPROTO);
}

/* After a call that returned EAGAIN. */
static ssize_t remember(ssh_session *l, ssh_stuck call)
{
    l->stuck = l->unsent ? call : STUCK_NOWHERE;
    return -EAGAIN;
}

/* Hands on what was taken before. 0 when all of it went, -EAGAIN, or that the session is lost. */
static ssize_t flush_out(ssh_session *l)
{
    while (l->out_at < l->out_size) {
        ssize_t n = libssh2_channel_write(l->channel, l->out + l->out_at, l->out_size - l->out_at);
        bool waits = n == LIBSSH2_ERROR_EAGAIN || n == 0;
        l->unread = !waits && l->write_waits;
        l->write_waits = waits;
        if (waits)
            return remember(l, STUCK_WRITE);
        if (n < 0)
            return lose(l);
        l->out_at += (size_t)n;
    }
    l->out_at = l->out_size = 0;
    l->stuck = STUCK_NOWHERE;
    return 0;
}

static ssize_t read_channel(ssh_session *l, ssh_stuck call, void *data)
{
    int stream = call == STUCK_READ ? 0 : SSH_EXTENDED_DATA_STDERR;
    ssize_t n = libssh2_channel_read_ex(l->channel, stream, data, SSH_READ_SIZE);
    l->unread = false;
    if (n == LIBSSH2_ERROR_EAGAIN)
        return remember(l, call);
    l->stuck = STUCK_NOWHERE;
    return n < 0 ? lose(l) : n;
}

/* An end and "nothing now" come again. */
static ssize_t read_held(ssh_session *l, ssh_stuck call)
{
    ssh_held *h = &l->held[call == STUCK_READ ? 0 : 1];
    ASSERT(h->at == h->size);
    ssize_t n = read_channel(l, call, h->bytes);
    h->at = 0;
    h->size = n > 0 ? (size_t)n : 0;
    return n;
}

/* Whether `call` may be made now: 0, -EAGAIN, or that the session is lost. */
static ssize_t make_way(ssh_session *l, ssh_stuck call)
{
    if (l->lost)
        return l->lost;
    if (l->stuck == STUCK_NOWHERE || l->stuck == call)
        return 0;
    ssize_t code = -EAGAIN;
    if (l->stuck == STUCK_WRITE)
        code = flush_out(l);
    else if (l->stuck != STUCK_EOF)
        code = read_held(l, l->stuck);
    if (code < 0 && code != -EAGAIN)
        return code;
    return l->stuck == STUCK_NOWHERE ? 0 : -EAGAIN;
}

static ssize_t read_stream(ssh_session *l, ssh_stuck call, void *data, size_t size)
{
    ssh_held *h = &l->held[call == STUCK_READ ? 0 : 1];
    if (h->at == h->size) {
        ssize_t n = make_way(l, call);
        if (!n && h->at == h->size) {
            n = size >= SSH_READ_SIZE ? read_channel(l, call, data) : read_held(l, call);
            if (n <= 0 || size >= SSH_READ_SIZE)
                return n;
        }
        if (n < 0)
            return n;
    }
    size = size_min(size, h->size - h->at);
    memcpy(data, h->bytes + h->at, size);
    h->at += size;
    return (ssize_t)size;
}

static ssize_t session_read(transport *t, void *data, size_t size)
{
    ssh_session *l = of(t);
    ssize_t n = read_stream(l, STUCK_READ, data, size);
    if (!n)
        l->data_ended = true;
    return n;
}

static ssize_t session_read_errors(transport *t, void *data, size_t size)
{
    return read_stream(of(t), STUCK_READ_ERRORS, data, size);
}

static ssize_t session_write(transport *t, const void *data, size_t size)
{
    ssh_session *l = of(t);
    ssize_t code = make_way(l, STUCK_WRITE);
    if (!code)
        code = flush_out(l);
    if (code || !size)
        return code;
    l->out_size = size_min(size, sizeof l->out);
    memcpy(l->out, data, l->out_size);
    size_t taken = l->out_size;
    code = flush_out(l);
    return code && code != -EAGAIN ? code : (ssize_t)taken;
}

/* ssh -W waits when nobody reads what it says. */
static void drain_jump(ssh_session *l)
{
    char bytes[1024];
    while (l->jump.pid && read(l->jump.errors_fd, bytes, sizeof bytes) > 0)
        ;
}

/* True when bytes went on that had waited for new keys. */
static bool goes_on(ssh_session *l)
{
    return l->stuck == STUCK_NOWHERE && l->out_at < l->out_size && flush_out(l) != -EAGAIN;
}

static size_t session_poll(transport *t, struct pollfd *fds, bool want_write)
{
    (void)want_write; /* there is room when the socket has it, the server grants it, or keys changed */
    ssh_session *l = of(t);
    drain_jump(l);
    if (l->lost || l->unread || goes_on(l))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(l->held); i++)
        if (l->held[i].at < l->held[i].size)
            return 0;
    bool inside = !l->data_ended && (libssh2_poll_channel_read(l->channel, 1) > 0 ||
                                     libssh2_channel_eof(l->channel) > 0);
    if (inside && l->stuck == STUCK_NOWHERE)
        return 0;
    fds[0] = (struct pollfd){ .fd = l->fd, .events = events_of(l) };
    return 1;
}

/* -- The end ----------------------------------------------------------------------------------- */

static void *ssh_session_free(ssh_session *l)
{
    if (!l)
        return NULL;
    l->cut = true; /* or libssh2 would wait for the socket, and keep its memory until then */
    if (l->channel)
        libssh2_channel_free(l->channel);
    if (l->session)
        libssh2_session_free(l->session);
    if (l->jump.pid)
        l->fd = -1; /* is jump.data_fd */
    ssh_program_end(&l->jump, 0, NULL);
    closep(&l->fd);
    free(l);
    return NULL;
}

/* Hands over what is inside, then the end of the command's stdin. True when something went. */
static bool close_input(ssh_session *l, bool *eof_sent)
{
    size_t left = l->out_size - l->out_at;
    if (make_way(l, l->stuck == STUCK_EOF ? STUCK_EOF : STUCK_WRITE) || flush_out(l))
        return l->out_size - l->out_at < left;
    if (libssh2_channel_send_eof(l->channel) == LIBSSH2_ERROR_EAGAIN) {
        remember(l, STUCK_EOF);
        return left > 0;
    }
    l->stuck = STUCK_NOWHERE; /* the server may have closed before: then the reads say so */
    *eof_sent = true;
    return true;
}

/* One round of ending: what comes is thrown away, what is inside goes out, the command's stdin is
 * closed. 1: the command has ended; 0: wait; negative: the session is lost. */
static ssize_t wind_up(ssh_session *l, bool *eof_sent, char *bytes, size_t size)
{
    ssize_t n;
    do {
        while ((n = session_read(&l->base, bytes, size)) > 0)
            ;
        while (session_read_errors(&l->base, bytes, size) > 0)
            ;
    } while (!l->lost && !*eof_sent && close_input(l, eof_sent));
    if (n == 0 && l->stuck == STUCK_NOWHERE) {
        n = libssh2_channel_wait_closed(l->channel);
        if (n == LIBSSH2_ERROR_EAGAIN)
            return remember(l, STUCK_NOWHERE), 0;
        return n ? lose(l) : 1;
    }
    return l->lost;
}

static void describe(ssh_session *l, char *text, size_t size)
{
    char *signal = NULL;
    libssh2_channel_get_exit_signal(l->channel, &signal, NULL, NULL, NULL, NULL, NULL);
    if (signal)
        snprintf(text, size, "was killed by signal SIG%s", signal);
    else
        snprintf(text, size, "exited with status %d", libssh2_channel_get_exit_status(l->channel));
    if (signal)
        libssh2_free(l->session, signal);
}

static void session_end(transport *t, uint64_t patience_ns, char *text, size_t size)
{
    static const size_t bytes_size = 64 << 10;
    if (!t)
        return;
    ssh_session *l = of(t);
    CLEANUP(freep) char *bytes = malloc(bytes_size);
    uint64_t now_ns = clock_now_ns();
    uint64_t deadline_ns = patience_ns > CLOCK_NEVER - now_ns ? CLOCK_NEVER : now_ns + patience_ns;
    bool eof_sent = false;
    ssize_t code;
    while (!(code = bytes ? wind_up(l, &eof_sent, bytes, bytes_size) : -ENOMEM)) {
        struct pollfd p = { .fd = l->fd, .events = events_of(l) };
        if (clock_now_ns() >= deadline_ns)
            break;
        drain_jump(l);
        poll(&p, 1, clock_poll_ms(clock_now_ns(), deadline_ns));
    }
    char trouble[300], duration[32];
    if (code > 0)
        describe(l, text, size);
    else if (code < 0)
        snprintf(text, size, "the connection was lost: %s",
                 ssh_session_trouble(l, trouble, sizeof trouble));
    else
        snprintf(text, size, "did not end within %s and was cut off",
                 start_duration(patience_ns, duration));
    if (!code && l->stuck == STUCK_NOWHERE)
        libssh2_session_disconnect(l->session, "rdd ends"); /* if there is room for it */
    ssh_session_free(l);
}

/* -- Starting ---------------------------------------------------------------------------------- */

static int init_once_error;

static void init_once(void)
{
    init_once_error = libssh2_init(0);
}

static int new_session(ssh_session *l, transport_start *s)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, init_once);
    l->session = init_once_error ? NULL : libssh2_session_init_ex(NULL, NULL, NULL, l);
    if (!l->session)
        return error_set_memory(s->err, "starting libssh2");
    libssh2_session_set_blocking(l->session, 0);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic" /* a function as an object: libssh2's own interface */
    libssh2_session_callback_set(l->session, LIBSSH2_CALLBACK_RECV, (void *)on_receive);
    libssh2_session_callback_set(l->session, LIBSSH2_CALLBACK_SEND, (void *)on_send);
    libssh2_session_callback_set(l->session, LIBSSH2_CALLBACK_DISCONNECT, (void *)on_disconnect);
#pragma GCC diagnostic pop
    return 0;
}

/* ssh -W is the connection; what it says when it fails becomes the message. */
static int connect_by_jump(ssh_session *l, transport_start *s)
{
    CLEANUP(arena_release) arena memory = { 0 };
    start_done(s, TRANSPORT_RESOLVE);
    char **argv = ssh_program_through_jump(s->target, &memory, s->err);
    int code = argv ? ssh_program_start(&l->jump, argv, s->err) : s->err->code;
    if (code) {
        error_prefix(s->err, "%s: %s: ", s->target->label, transport_step_name(s->step));
        return code;
    }
    l->fd = l->jump.data_fd;
    /* It is there when the server's greeting comes through. */
    struct pollfd p = { .fd = l->fd, .events = POLLIN };
    code = start_wait(s, &p, 1);
    if (code)
        return code;
    char byte, said[4096];
    if (recv(l->fd, &byte, 1, MSG_PEEK) > 0) {
        start_done(s, TRANSPORT_CONNECT);
        return 0;
    }
    size_t used = 0;
    ssize_t n;
    p = (struct pollfd){ .fd = l->jump.errors_fd, .events = POLLIN };
    while (used < sizeof said - 1) {
        n = read(l->jump.errors_fd, said + used, sizeof said - 1 - used);
        if (n > 0)
            used += (size_t)n;
        else if (!n || errno != EAGAIN || start_wait(s, &p, 1))
            break;
    }
    said[used] = 0;
    ssh_complaint why;
    ssh_complaint_find(said, TRANSPORT_CONNECT, false, &why);
    s->dropped = why.dropped;
    if (why.step == TRANSPORT_HOST_KEY || why.step == TRANSPORT_LOGIN)
        s->step = why.step; /* another try would end in the same way */
    const char *fix = start_complaint_fix(s, &why);
    return start_fail(s, RDD_E_IO, "by way of %s: %s%s%s", s->target->proxy_jump,
                      why.what[0] ? why.what : "ssh -W ended without a word", fix ? "; " : "",
                      fix ? fix : "");
}

static int open_channel(ssh_session *l, transport_start *s)
{
    int code;
    char trouble[300];
    while (!(l->channel = libssh2_channel_open_ex(l->session, "session", 7, WINDOW, PACKET_MAX, NULL,
                                                  0))) {
        if (libssh2_session_last_errno(l->session) != LIBSSH2_ERROR_EAGAIN)
            return start_fail(s, RDD_E_IO,
                              "the server opens no session for this user (%s); see MaxSessions in "
                              "its sshd_config",
                              ssh_session_trouble(l, trouble, sizeof trouble));
        code = ssh_session_wait(l, s);
        if (code)
            return code;
    }
    SSH_UNTIL_DONE(l, s, code,
                       libssh2_channel_process_startup(l->channel, "exec", 4, s->command,
                                                       (unsigned)strlen(s->command)));
    if (code)
        return start_fail(s, RDD_E_IO,
                          "the server runs no command for this user (%s); see its sshd_config and "
                          "the user's shell",
                          ssh_session_trouble(l, trouble, sizeof trouble));
    start_done(s, TRANSPORT_EXEC);
    return 0;
}

static int walk(ssh_session *l, transport_start *s)
{
    int code = new_session(l, s);
    if (!code)
        code = s->target->proxy_jump ? connect_by_jump(l, s) : ssh_connect(s, &l->fd);
    if (!code)
        code = ssh_session_exchange(l, s);
    if (!code)
        code = ssh_session_login(l, s);
    return code ? code : open_channel(l, s);
}

int transport_libssh2_open(transport **ret, transport_start *s)
{
    static const transport_ops ops = { session_read, session_read_errors, session_write, session_poll,
                                       session_end };
    ssh_session *l = calloc(1, sizeof *l);
    if (!l)
        return error_set_memory(s->err, "starting an SSH session");
    l->base.ops = &ops;
    l->fd = -1;
    l->jump = SSH_PROGRAM_NONE;
    int code = walk(l, s);
    if (code) {
        ssh_session_free(l);
        return code;
    }
    *ret = &l->base;
    return 0;
}
