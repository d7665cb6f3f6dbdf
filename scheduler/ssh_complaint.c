#include "ssh_complaint.h"

#include <stdio.h>
#include <string.h>

/* -- The log ----------------------------------------------------------------------------------- */

static bool starts(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

static void reach(ssh_log *log, transport_step step)
{
    if (log->step < step)
        log->step = step;
}

static void read_debug(ssh_log *log, const char *text)
{
    static const struct {
        const char *text;
        transport_step begins;
    } marks[] = {
        { "Connecting to ", TRANSPORT_CONNECT },
        { "Executing proxy command", TRANSPORT_CONNECT },
        { "Setting up multiplexing proxy", TRANSPORT_CONNECT },
        { "Connection established", TRANSPORT_EXCHANGE },
        { "Remote protocol version", TRANSPORT_EXCHANGE },
        { "Server host key: ", TRANSPORT_HOST_KEY },
        { "SSH2_MSG_NEWKEYS sent", TRANSPORT_LOGIN },
        { "Sending command", TRANSPORT_STEPS },
    };
    for (size_t i = 0; i < ARRAY_SIZE(marks); i++)
        if (starts(text, marks[i].text))
            reach(log, marks[i].begins);
    if (starts(text, "Remote protocol version"))
        log->greeted = true;
    if (starts(text, "Server host key: "))
        snprintf(log->host_key, sizeof log->host_key, "%s", text + strlen("Server host key: "));
    if (strstr(text, "rtype exit-signal"))
        log->has_signal = true;
    if (strstr(text, "rtype exit-status"))
        log->has_status = true;
}

/* The last lines stay: the reason comes at the end. */
static void keep(ssh_log *log, const char *line)
{
    size_t size = strlen(line) + 1, most = sizeof log->complaints - 1;
    if (log->complaints_size + size > most) {
        size_t drop = log->complaints_size + size - most;
        const char *end = memchr(log->complaints + drop - 1, '\n', log->complaints_size - drop + 1);
        drop = end ? (size_t)(end - log->complaints) + 1 : log->complaints_size;
        log->complaints_size -= drop;
        memmove(log->complaints, log->complaints + drop, log->complaints_size);
    }
    memcpy(log->complaints + log->complaints_size, line, size - 1);
    log->complaints_size += size;
    log->complaints[log->complaints_size - 1] = '\n';
}

static void read_line(ssh_log *log, const char *line)
{
    static const char *const usual[] = { "OpenSSH_", "Transferred: ", "Bytes per second",
                                         "Warning: Permanently added", "Pseudo-terminal" };
    if (starts(line, "debug")) {
        const char *text = strstr(line, ": ");
        if (!text)
            return;
        read_debug(log, text + 2);
        if (strstr(text, "banner line")) /* what a server says in place of its version */
            keep(log, text + 2);
        return;
    }
    if (starts(line, "Authenticated to ")) {
        reach(log, TRANSPORT_EXEC);
        return;
    }
    if (starts(line, "Authenticated ") && strstr(line, "with partial success")) {
        log->partial = true;
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(usual); i++)
        if (starts(line, usual[i]))
            return;
    if (*line)
        keep(log, line);
}

void ssh_log_add(ssh_log *log, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        char c = bytes[i];
        if (c == '\n') {
            log->line[log->line_size] = 0;
            log->line_size = 0;
            read_line(log, log->line);
        } else if (c && c != '\r' && log->line_size < sizeof log->line - 1) {
            log->line[log->line_size++] = c;
        }
    }
}

const char *ssh_log_complaints(ssh_log *log)
{
    log->complaints[log->complaints_size] = 0;
    return log->complaints;
}

/* -- What it means ----------------------------------------------------------------------------- */

typedef struct meaning {
    const char *text;
    transport_step step;
    const char *fix;
} meaning;

/* The first that is found anywhere in the text is it: the particular before the general. */
static const meaning meanings[] = {
    { "Could not resolve hostname", TRANSPORT_RESOLVE,
      "is the name spelled right, in the DNS, /etc/hosts or as a Host of the ssh configuration?" },
    { "not allowed at this time", TRANSPORT_EXCHANGE,
      "the server refuses this machine for some minutes after failed logins (PerSourcePenalties); "
      "wait, and mend what failed before" },
    { "Exceeded MaxStartups", TRANSPORT_EXCHANGE,
      "too many logins at once for this server; raise its MaxStartups" },
    { "banner line", TRANSPORT_EXCHANGE, "this is no SSH server; is the port right?" },
    { "Connection refused", TRANSPORT_CONNECT, "is sshd running there, and is this its port?" },
    { "No route to host", TRANSPORT_CONNECT, "is the machine up, and is the address right?" },
    { "Network is unreachable", TRANSPORT_CONNECT, "is the network up here?" },
    { "timed out during banner exchange", TRANSPORT_EXCHANGE,
      "the server accepts connections but does not talk; is this the port of an sshd, and is the "
      "machine overloaded?" },
    { "Connection timed out", TRANSPORT_CONNECT,
      "is the machine up, and does a firewall let its port through?" },
    { "no matching", TRANSPORT_EXCHANGE,
      "this ssh and the server share no algorithm; see KexAlgorithms, Ciphers, MACs and "
      "HostKeyAlgorithms in the ssh configuration" },
    { "revoked by file", TRANSPORT_HOST_KEY,
      "RevokedHostKeys of the ssh configuration has the key: do not trust this server" },
    { "revoked keys file", TRANSPORT_HOST_KEY,
      "see RevokedHostKeys in the ssh configuration: ssh trusts no key while it cannot read that" },
    { "revoked", TRANSPORT_HOST_KEY,
      "the key is marked @revoked in known_hosts: do not trust this server" },
    { "has changed and you have requested", TRANSPORT_HOST_KEY,
      "if the machine was really set up anew, take the old key out with ssh-keygen -R; otherwise "
      "somebody may be in between" },
    { "key is known for", TRANSPORT_HOST_KEY,
      "compare the fingerprint and add the key (ssh-keyscan), or say --conf "
      "ssh.host_key=accept-new" },
    { "Host key verification failed", TRANSPORT_HOST_KEY,
      "see the known_hosts files, and try the same with ssh" },
    { "Too many authentication failures", TRANSPORT_LOGIN,
      "the server counts each key that is offered; name the right one (IdentityFile, with "
      "IdentitiesOnly yes, or identity= in the hosts list)" },
    { "Permission denied (", TRANSPORT_LOGIN,
      "is the public key in the authorized_keys over there, the user right, and the key in the "
      "agent (ssh-add -l) or an identity file without a passphrase?" },
    { "UNPROTECTED PRIVATE KEY FILE", TRANSPORT_LOGIN, "chmod 600 the key file" },
    { "exec request failed", TRANSPORT_EXEC,
      "the server runs no commands for this user; see its sshd_config and the user's shell" },
    { "administratively prohibited", TRANSPORT_CONNECT,
      "the jump host forwards no connections for this user; see AllowTcpForwarding and PermitOpen in its "
      "sshd_config" },
    { "open failed", TRANSPORT_EXEC,
      "the server opens no session for this user; see MaxSessions in its sshd_config" },
    { "Bad configuration option", TRANSPORT_RESOLVE,
      "the ssh configuration has an option that this ssh does not know" },
    { "Couldn't open logfile", TRANSPORT_RESOLVE, "rdd needs /proc for this" },
};

/* As "banner exchange: Connection to 10.0.0.1 port 22: Connection refused" shows, these can come
 * before the greeting or after it; before, it is a server that hangs up on too many. */
static const char *const hang_ups[] = {
    "Connection closed by", "Connection reset by", "kex_exchange_identification",
    "banner exchange", "ssh_exchange_identification",
};

/* The line of `text` around `at`. */
static void copy_line(char *to, size_t size, const char *text, const char *at)
{
    const char *from = at;
    while (from > text && from[-1] != '\n')
        from--;
    if (starts(from, "ssh: "))
        from += strlen("ssh: ");
    int length = (int)size_min(strcspn(from, "\r\n"), size - 1);
    while (length > 0 && strchr(" .", from[length - 1]))
        length--;
    snprintf(to, size, "%.*s", length, from);
}

static void find_hang_up(const char *text, transport_step at, bool greeted, ssh_complaint *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(hang_ups); i++) {
        const char *found = strstr(text, hang_ups[i]);
        if (!found)
            continue;
        copy_line(ret->what, sizeof ret->what, text, found);
        ret->dropped = !greeted && at <= TRANSPORT_EXCHANGE;
        if (ret->dropped) {
            ret->step = TRANSPORT_EXCHANGE;
            ret->fix = "the server hangs up before its greeting: too many logins at once "
                       "(MaxStartups), a penalty after failed ones, or no sshd at this port";
        }
        return;
    }
}

void ssh_complaint_find(const char *text, transport_step at, bool greeted, ssh_complaint *ret)
{
    *ret = (ssh_complaint){ .step = at };
    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++) {
        const char *found = strcasestr(text, meanings[i].text);
        if (!found)
            continue;
        copy_line(ret->what, sizeof ret->what, text, found);
        ret->step = meanings[i].step;
        ret->fix = meanings[i].fix;
        ret->dropped = starts(meanings[i].text, "Exceeded MaxStartups");
        ret->penalised = starts(meanings[i].text, "not allowed at this time");
        return;
    }
    find_hang_up(text, at, greeted, ret);
    if (ret->what[0])
        return;
    /* Not understood: its last words. */
    size_t size = strlen(text);
    while (size && strchr("\r\n ", text[size - 1]))
        size--;
    if (size)
        copy_line(ret->what, sizeof ret->what, text, text + size - 1);
}
