#include "transport.h"

#include "clock.h"
#include "known_hosts.h"
#include "random.h"
#include "transport_parts.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/random.h>

enum {
    STEP_DEFAULT_MS = 15000,
    TRIES_MAX = 8,
    WAIT_MIN_MS = 150,
    WAIT_MAX_MS = 3000,
};

const char *transport_step_name(transport_step step)
{
    switch (step) {
    case TRANSPORT_RESOLVE: return "dns";
    case TRANSPORT_CONNECT: return "tcp";
    case TRANSPORT_EXCHANGE: return "kex";
    case TRANSPORT_HOST_KEY: return "host key";
    case TRANSPORT_LOGIN: return "login";
    case TRANSPORT_EXEC: return "exec";
    case TRANSPORT_STEPS: break;
    }
    return "done";
}

/* -- Which one --------------------------------------------------------------------------------- */

/* What libssh2 cannot check of what is known of a server; NULL: nothing. 1.10 cannot check an RSA key with
 * a server of today's. */
static const char *unfit_host_key(const ssh_target *t)
{
    known_hosts *known;
    rdd_error err;
    if (known_hosts_load(&known, t->known_hosts.items, t->known_hosts.count, &err))
        return NULL;
    const char *name = t->host_key_alias ? t->host_key_alias : t->host_name, *why = NULL;
    uint16_t port = t->host_key_alias ? 0 : t->port;
    unsigned types = known_hosts_types(known, name, port);
    if (!types && known_hosts_authority(known, name, port))
        why = "it is known by a @cert-authority alone";
    else if (types == HOST_KEY_RSA && !transport_libssh2_knows_rsa())
        why = "it is known by an RSA host key alone, which needs libssh2 1.11";
    known_hosts_free(known);
    return why;
}

transport_kind transport_choose(const ssh_target *target, char *reason, size_t size)
{
    const char *why = NULL;
    if (target->proxy_command)
        why = "the ssh configuration has a ProxyCommand for it";
    else if (target->revoked_host_keys)
        why = "the ssh configuration has RevokedHostKeys for it";
    else if (target->has_certificates)
        why = "it has a certificate to log in with";
    else if (target->has_security_key)
        why = "one of its identities is a security key";
    else if (target->only_rsa && !transport_libssh2_knows_rsa())
        why = "its identities are RSA keys, which need libssh2 1.11";
    else
        why = unfit_host_key(target);
    if (why)
        snprintf(reason, size, "with the ssh program, as %s", why);
    else
        snprintf(reason, size, "with libssh2, as nothing about it needs the ssh program");
    return why ? TRANSPORT_OPENSSH : TRANSPORT_LIBSSH2;
}

/* -- Steps ------------------------------------------------------------------------------------- */

static uint64_t step_time_ns(const transport_start *s)
{
    uint64_t ms = s->target->connect_timeout_ms;
    return (ms ? ms : STEP_DEFAULT_MS) * NS_PER_MS;
}

static void begin_step(transport_start *s, transport_step step)
{
    s->step = step;
    s->step_ns = clock_now_ns();
    s->step_deadline_ns = u64_min(s->step_ns + step_time_ns(s), s->options->deadline_ns);
}

void start_done(transport_start *s, transport_step step)
{
    while (s->step <= step && s->step < TRANSPORT_STEPS) {
        transport_step done = s->step;
        uint64_t began_ns = s->step_ns;
        if (done == TRANSPORT_LOGIN)
            dial_leave(&s->pass);
        begin_step(s, done + 1);
        if (s->options->step)
            s->options->step(s->options->arg, done, s->step_ns - began_ns);
    }
}

int start_fail(transport_start *s, rdd_code code, const char *format, ...)
{
    char text[sizeof s->err->message];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return error_set(s->err, code, "%s: %s: %s", s->target->label, transport_step_name(s->step),
                     text);
}

const char start_further_method[] =
    "AuthenticationMethods in its sshd_config asks for several; rdd answers with keys alone: give it another "
    "key that is let in there (identity=), or have one be enough";

const char *start_unknown_key_fix(const transport_start *s)
{
    const ssh_target *t = s->target;
    if (t->host_key_no)
        return "StrictHostKeyChecking no of the ssh configuration is not followed: say --conf "
               "ssh.host_key=accept-new to take new keys, or --conf ssh.known_hosts=FILE with a file that "
               "has it";
    if (t->known_hosts.count && !strcmp(t->known_hosts.items[0], "/dev/null"))
        return "no key is ever known with UserKnownHostsFile /dev/null: say --conf ssh.host_key=accept-new "
               "to take new keys, or --conf ssh.known_hosts=FILE with a file that has it";
    return NULL;
}

const char *start_complaint_fix(const transport_start *s, const ssh_complaint *why)
{
    const char *fix = strstr(why->what, "key is known for") ? start_unknown_key_fix(s) : NULL;
    return fix ? fix : why->fix;
}

const char *start_duration(uint64_t ns, char text[32])
{
    if (ns % NS_PER_S && ns < 10 * NS_PER_S)
        snprintf(text, 32, "%llu ms", (unsigned long long)(ns / NS_PER_MS));
    else
        snprintf(text, 32, "%llu s", (unsigned long long)(ns / NS_PER_S));
    return text;
}

static int time_is_up(transport_start *s)
{
    static const char *const what[] = {
        [TRANSPORT_RESOLVE] = "no answer from the name service; is the network up?",
        [TRANSPORT_CONNECT] = "no answer to a connection; is the machine up, and does a firewall "
                              "let its port through?",
        [TRANSPORT_EXCHANGE] = "the server accepts connections but does not talk; is this the port "
                               "of an sshd, and is the machine overloaded?",
        [TRANSPORT_HOST_KEY] = "the check of the host key did not end",
        [TRANSPORT_LOGIN] = "the login did not end; does an agent wait for a confirmation, or the "
                            "server for its directory service?",
        [TRANSPORT_EXEC] = "the server did not start the command",
    };
    char text[32];
    bool all = s->step_deadline_ns >= s->options->deadline_ns;
    ASSERT(s->step < TRANSPORT_STEPS);
    if (all)
        return start_fail(s, RDD_E_IO, "%s (the time for the whole start was up)", what[s->step]);
    return start_fail(s, RDD_E_IO, "%s (waited %s; ConnectTimeout of the ssh configuration)",
                      what[s->step], start_duration(step_time_ns(s), text));
}

int start_wait(transport_start *s, struct pollfd *fds, size_t count)
{
    struct pollfd all[TRANSPORT_POLL_MAX + 1];
    ASSERT(count <= TRANSPORT_POLL_MAX);
    for (;;) {
        memcpy(all, fds, count * sizeof *fds);
        all[count] = (struct pollfd){ .fd = s->options->cancel_fd, .events = POLLIN };
        uint64_t now_ns = clock_now_ns();
        int n = poll(all, (nfds_t)count + 1, clock_poll_ms(now_ns, s->step_deadline_ns));
        char reason[128];
        if (n < 0 && errno != EINTR)
            return start_fail(s, RDD_E_IO, "poll failed: %s",
                              strerror_r(errno, reason, sizeof reason));
        if (n > 0 && all[count].revents)
            return start_fail(s, RDD_E_CANCELLED, "cancelled");
        memcpy(fds, all, count * sizeof *fds);
        if (n > 0)
            return 0;
        if (clock_now_ns() >= s->step_deadline_ns)
            return time_is_up(s);
    }
}

/* -- Opening ----------------------------------------------------------------------------------- */

static int try_once(transport **ret, transport_kind kind, transport_start *s)
{
    static transport_opener *const openers[] = {
        [TRANSPORT_LIBSSH2] = transport_libssh2_open,
        [TRANSPORT_OPENSSH] = transport_openssh_open,
    };
    const ssh_target *t = s->target;
    begin_step(s, TRANSPORT_RESOLVE);
    int code = dial_enter(&s->pass, t->host_name, t->port, t->proxy_jump, s->options->cancel_fd,
                          s->options->deadline_ns, s->err);
    if (code) {
        error_prefix(s->err, "%s: %s: ", t->label, transport_step_name(s->step));
        return code;
    }
    begin_step(s, TRANSPORT_RESOLVE); /* the wait was not its */
    code = openers[kind](ret, s);
    dial_leave(&s->pass);
    return code;
}

/* Others that were dropped with this one must not come back with it: the wait is random. False when
 * there is no time for it, or no wish. */
static bool wait_to_retry(const transport_options *options, unsigned tries)
{
    uint64_t seed = 0, ms = u64_min((uint64_t)WAIT_MIN_MS << tries, WAIT_MAX_MS);
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) < 0)
        seed = clock_now_ns();
    uint64_t until_ns = clock_now_ns() + ms * NS_PER_MS / 2 + seed % (ms * NS_PER_MS);
    if (until_ns >= options->deadline_ns)
        return false;
    while (clock_now_ns() < until_ns) {
        struct pollfd p = { .fd = options->cancel_fd, .events = POLLIN };
        if (poll(&p, 1, clock_poll_ms(clock_now_ns(), until_ns)) > 0)
            return false;
    }
    return true;
}

static int open_as(transport **ret, transport_kind kind, transport_start *s)
{
    const transport_start fresh = *s;
    rdd_error dropped;
    transport_step dropped_at = TRANSPORT_RESOLVE;
    for (unsigned tries = 0;; tries++) {
        *s = fresh;
        int code = try_once(ret, kind, s);
        if (tries && code < 0 && !s->dropped && clock_now_ns() >= s->options->deadline_ns) {
            code = dropped.code; /* tells more than that there was no time to be dropped again */
            *s->err = dropped;
            s->step = dropped_at;
        }
        if (!s->dropped || tries + 1 >= TRIES_MAX || !wait_to_retry(s->options, tries))
            return code;
        dropped = *s->err;
        dropped_at = s->step;
    }
}

static void tell_choice(const transport_options *options, transport_kind kind, const char *reason)
{
    if (options->chosen)
        options->chosen(options->arg, kind, reason);
}

/* libssh2 did not get in, and ssh may. Without an ssh program all stays as it is. */
static int open_instead(transport **ret, transport_start *s, int code)
{
    char reason[256];
    const rdd_error first = *s->err;
    transport_start again = { .target = s->target, .command = s->command, .options = s->options,
                              .err = s->err };
    snprintf(reason, sizeof reason, "with the ssh program, as libssh2 did not get in: %s", s->instead);
    tell_choice(s->options, TRANSPORT_OPENSSH, reason);
    int then = open_as(ret, TRANSPORT_OPENSSH, &again);
    if (then && again.step == TRANSPORT_RESOLVE && then != RDD_E_CANCELLED) {
        *s->err = first;
        return code;
    }
    *s = again;
    return then;
}

int transport_open(transport **ret, transport_kind kind, const ssh_target *target,
                   const char *command, const transport_options *options,
                   transport_step *ret_step, rdd_error *err)
{
    char reason[512];
    rdd_error own;
    bool free_to_choose = kind == TRANSPORT_AUTO;
    transport_start s = { .target = target, .command = command, .options = options,
                          .err = err ? err : &own };
    if (free_to_choose) {
        kind = transport_choose(target, reason, sizeof reason);
        tell_choice(options, kind, reason);
    }
    int code = open_as(ret, kind, &s);
    if (code && free_to_choose && s.instead)
        code = open_instead(ret, &s, code);
    if (ret_step)
        *ret_step = s.step;
    return code;
}
