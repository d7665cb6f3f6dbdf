#include "ssh_program.h"

#include <stdio.h>
#include <stdlib.h>

/* What ssh is called with. ssh takes the first of several values, so that what must hold for us to
 * understand it comes first, then what the user asks for (RDD_SSH_OPTS), then the rest. */

enum { ARGUMENTS_MAX = 200 };

typedef struct arguments {
    char *items[ARGUMENTS_MAX + 1];
    size_t count;
    arena *memory;
    bool failed;
} arguments;

static void add(arguments *a, char *text)
{
    if (!text || a->count == ARGUMENTS_MAX)
        a->failed = true;
    else
        a->items[a->count++] = text;
}

static void add_text(arguments *a, const char *text)
{
    add(a, arena_strdup(a->memory, text));
}

static void add_option(arguments *a, const char *option)
{
    add_text(a, "-o");
    add_text(a, option);
}

/* A value that ssh takes as it is: quoted, as it may have blanks; "%" begins a token. */
static void append_value(buf *b, const char *value)
{
    buf_char(b, '"');
    for (; *value; value++) {
        if (*value == '%' || *value == '"' || *value == '\\')
            buf_char(b, *value == '%' ? '%' : '\\');
        buf_char(b, *value);
    }
    buf_char(b, '"');
}

static void add_values(arguments *a, const char *name, const char *const *values, size_t count)
{
    buf b = { .max = 64 << 10 };
    buf_text(&b, name);
    buf_char(&b, '=');
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_char(&b, ' ');
        append_value(&b, values[i]);
    }
    char *text = buf_terminate(&b);
    add_text(a, "-o");
    add(a, text ? arena_strdup(a->memory, text) : NULL);
    buf_release(&b);
}

static void add_value(arguments *a, const char *name, const char *value)
{
    if (value)
        add_values(a, name, &value, 1);
}

/* -- RDD_SSH_OPTS ------------------------------------------------------------------------------ */

/* Words between blanks; quotes and backslashes as in a shell, nothing else is special. */
static bool next_word(const char **at, buf *word)
{
    const char *c = *at + strspn(*at, " \t\n");
    bool any = *c != 0;
    char quote = 0;
    buf_clear(word);
    for (; *c && (quote || !strchr(" \t\n", *c)); c++) {
        if (*c == quote)
            quote = 0;
        else if (!quote && (*c == '\'' || *c == '"'))
            quote = *c;
        else if (*c == '\\' && quote != '\'' && c[1])
            buf_char(word, *++c);
        else
            buf_char(word, *c);
    }
    *at = c;
    if (quote)
        word->failed = true;
    return any;
}

static int add_users(arguments *a, rdd_error *err)
{
    const char *at = getenv("RDD_SSH_OPTS");
    buf word = { .max = 64 << 10 };
    int code = 0;
    while (at && !code && next_word(&at, &word)) {
        const char *text = buf_terminate(&word);
        if (text)
            add_text(a, text);
        else
            code = error_set(err, RDD_E_USAGE, "RDD_SSH_OPTS: a quote has no end");
    }
    buf_release(&word);
    return code;
}

/* -- Calls ------------------------------------------------------------------------------------- */

static void add_common(arguments *a, const ssh_target *t)
{
    if (t->config_file) {
        add_text(a, "-F");
        add_text(a, t->config_file);
    }
    add_option(a, t->host_key == SSH_HOST_KEY_ACCEPT_NEW ? "StrictHostKeyChecking=accept-new"
                                                         : "StrictHostKeyChecking=yes");
    uint64_t ms = t->connect_timeout_ms ? t->connect_timeout_ms : 15000;
    add_text(a, "-o");
    add(a, arena_format(a->memory, "ConnectTimeout=%llu", (unsigned long long)(ms + 999) / 1000));
    add_option(a, "ControlMaster=no");
    add_option(a, "ClearAllForwardings=yes");
    add_option(a, "ForwardAgent=no");
    add_option(a, "ForwardX11=no");
    add_option(a, "PermitLocalCommand=no");
    add_option(a, "UpdateHostKeys=no");
    add_option(a, "EscapeChar=none");
    add_option(a, "TCPKeepAlive=yes");
    add_option(a, "ServerAliveInterval=15");
    add_option(a, "ServerAliveCountMax=3");
}

/* What would take its streams from us, or itself. */
static void add_streams(arguments *a, const ssh_target *t)
{
    if (!t->has_session_type)
        return;
    add_option(a, "StdinNull=no");
    add_option(a, "ForkAfterAuthentication=no");
}

/* -- Jump hosts -------------------------------------------------------------------------------- */

/* As ssh -J makes it, but that its own calls of ssh would have no options of ours. */

#define WAY_ON "[%h]:%p"

/* `way`: a ProxyCommand; NULL: as the configuration has it. */
static void add_jump(arguments *a, const ssh_target *t, const char *jump, size_t size, const char *way,
                     const char *to)
{
    add_text(a, "ssh");
    add_text(a, "-T");
    add_option(a, "LogLevel=INFO");
    add_option(a, "BatchMode=yes");
    add_streams(a, t);
    add_common(a, t);
    add_value(a, "UserKnownHostsFile", t->jump_known_hosts);
    for (size_t i = 0; i < t->jump_identities.count; i++)
        add_value(a, "IdentityFile", t->jump_identities.items[i]);
    if (way) {
        add_text(a, "-o");
        add(a, arena_format(a->memory, "ProxyCommand=%s", way));
    }
    add_text(a, "-W");
    add_text(a, to);
    add_text(a, "--");
    /* A URI: the one form in which a port may follow. */
    bool uri = size > 6 && !memcmp(jump, "ssh://", 6);
    add(a, arena_format(a->memory, "%s%.*s", uri ? "" : "ssh://", (int)size, jump));
}

/* A word for the user's shell, whichever that is, in a ProxyCommand, where "%" begins a token. ssh looks
 * at the quotes of a ProxyCommand, too, and takes a backslash as one even between single ones: there is
 * none of ours. */
static void append_word(buf *b, const char *word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=:,./@";
    bool quote = word[strspn(word, plain)] != 0, tokens = !strcmp(word, WAY_ON);
    buf_text(b, quote ? " '" : " ");
    for (; *word; word++) {
        if (*word == '%' && !tokens)
            buf_char(b, '%');
        if (*word == '\'')
            buf_text(b, "'\"'\"'");
        else
            buf_char(b, *word);
    }
    buf_text(b, quote ? "'" : "");
}

/* The ProxyCommand that leads over all jump hosts of a list: each is the way to the next. */
static const char *jump_command(arguments *a, const ssh_target *t, const char *list, size_t size)
{
    const char *command = NULL;
    for (size_t at = 0; at < size && !a->failed;) {
        const char *comma = memchr(list + at, ',', size - at);
        size_t end = comma ? (size_t)(comma - list) : size;
        arguments one = { .memory = a->memory };
        CLEANUP(buf_release) buf b = { .max = 64 << 10 };
        add_jump(&one, t, list + at, end - at, command, WAY_ON);
        for (size_t i = 0; i < one.count; i++)
            append_word(&b, one.items[i]);
        const char *text = buf_terminate(&b);
        command = text ? arena_strdup(a->memory, text + 1) : NULL;
        a->failed |= one.failed || !command;
        at = end + 1;
    }
    return command;
}

static void add_way(arguments *a, const ssh_target *t, const char *list, size_t size)
{
    const char *command = jump_command(a, t, list, size);
    add_text(a, "-o");
    add(a, arena_format(a->memory, "ProxyCommand=%s", command ? command : "none"));
}

/* -- Sessions ---------------------------------------------------------------------------------- */

/* What the hosts list says goes before the configuration; what came from there is the same again. */
static void add_target(arguments *a, const ssh_target *t)
{
    add_value(a, "HostName", t->host_name);
    if (t->user) {
        add_text(a, "-l");
        add_text(a, t->user);
    }
    add_text(a, "-p");
    add(a, arena_format(a->memory, "%u", t->port));
    add_value(a, "HostKeyAlias", t->host_key_alias);
    if (t->proxy_jump && !t->proxy_command)
        add_way(a, t, t->proxy_jump, strlen(t->proxy_jump));
    add_option(a, t->identities_only ? "IdentitiesOnly=yes" : "IdentitiesOnly=no");
    add_value(a, "IdentityAgent", t->agent ? t->agent : "none");
    for (size_t i = 0; i < t->identities.count; i++)
        add_value(a, "IdentityFile", t->identities.items[i]);
    if (t->known_hosts.count) {
        add_values(a, "UserKnownHostsFile", t->known_hosts.items, t->known_hosts.count);
        add_option(a, "GlobalKnownHostsFile=none");
    }
}

static char **arguments_end(arguments *a, rdd_error *err)
{
    if (a->failed) {
        error_set(err, RDD_E_LIMIT, "too many arguments for the ssh program, or no memory for them; "
                                    "are there too many identities, or too much in RDD_SSH_OPTS?");
        return NULL;
    }
    char **argv = arena_zalloc(a->memory, (a->count + 1) * sizeof *argv);
    if (!argv) {
        error_set_memory(err, "calling the ssh program");
        return NULL;
    }
    memcpy(argv, a->items, a->count * sizeof *argv);
    return argv;
}

char **ssh_program_session(const ssh_target *target, const char *command, int log_fd, arena *memory,
                           rdd_error *err)
{
    arguments a = { .memory = memory };
    add_text(&a, "ssh");
    add_text(&a, "-T");
    if (log_fd >= 0) {
        add_text(&a, "-E");
        add(&a, arena_format(memory, "/proc/%d/fd/%d", (int)getpid(), log_fd));
    }
    add_option(&a, "LogLevel=DEBUG1");
    add_option(&a, "BatchMode=yes");
    add_option(&a, "RemoteCommand=none");
    /* One session, one connection: a shared one would hide the steps, and end with another. */
    add_option(&a, "ControlPath=none");
    add_streams(&a, target);
    if (target->has_session_type)
        add_option(&a, "SessionType=default");
    if (add_users(&a, err))
        return NULL;
    add_common(&a, target);
    add_target(&a, target);
    add_text(&a, "--");
    add_text(&a, target->alias);
    add_text(&a, command);
    return arguments_end(&a, err);
}

/* The last jump host is the one we log in at; those before it are its way. */
char **ssh_program_through_jump(const ssh_target *target, arena *memory, rdd_error *err)
{
    arguments a = { .memory = memory };
    const char *last = strrchr(target->proxy_jump, ','), *jump = last ? last + 1 : target->proxy_jump;
    const char *format = strchr(target->host_name, ':') ? "[%s]:%u" : "%s:%u";
    const char *to = arena_format(memory, format, target->host_name, target->port);
    const char *way = last ? jump_command(&a, target, target->proxy_jump, (size_t)(last - target->proxy_jump))
                           : NULL;
    add_jump(&a, target, jump, strlen(jump), way, to);
    return arguments_end(&a, err);
}
