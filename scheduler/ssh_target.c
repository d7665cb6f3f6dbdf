#include "ssh_target.h"

#include "conf.h"
#include "ssh_config.h"
#include "ssh_key_kind.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { LABEL_MAX = 600, LIST_MAX = 64, PATH_SIZE_MAX = 4096, SSH_PORT = 22, JUMPS_MAX = 8 };

/* One resolution. */
typedef struct resolver {
    const host *h;
    arena *memory;
    ssh_config config;
    ssh_target t;
    const char *home, *login; /* of this user here */
    bool no_memory;
} resolver;

static const char *keep(resolver *r, const char *text)
{
    char *copy = arena_strdup(r->memory, text);
    r->no_memory |= !copy;
    return copy ? copy : "";
}

/* -- Who and where we are ---------------------------------------------------------------------- */

/* As ssh does it: what the user database says, not $HOME. */
static void find_user(resolver *r)
{
    char room[4096];
    struct passwd entry, *found = NULL;
    const char *home = getenv("HOME"), *login = getenv("USER");
    if (getpwuid_r(getuid(), &entry, room, sizeof room, &found) == 0 && found) {
        home = entry.pw_dir;
        login = entry.pw_name;
    }
    r->home = keep(r, home ? home : "/");
    r->login = keep(r, login ? login : "root");
}

/* -- Paths of the configuration ---------------------------------------------------------------- */

/* "%h" and the like; NULL for a letter that is not known. */
static const char *token(resolver *r, char letter, char room[256])
{
    switch (letter) {
    case '%': return "%";
    case 'd': return r->home;
    case 'h': return r->t.host_name;
    case 'k': return r->t.host_key_alias ? r->t.host_key_alias : r->t.host_name;
    case 'n': return r->h->name;
    case 'r': return r->t.user;
    case 'u': return r->login;
    case 'p': snprintf(room, 256, "%u", r->t.port); return room;
    case 'i': snprintf(room, 256, "%u", (unsigned)getuid()); return room;
    case 'l':
    case 'L':
        if (gethostname(room, 256))
            return NULL;
        room[255] = 0;
        if (letter == 'L')
            room[strcspn(room, ".")] = 0;
        return room;
    default: return NULL;
    }
}

/* "~/x" is ours, "~bob/x" another's. Moves *at behind what it stood for. */
static void expand_tilde(resolver *r, const char **at, buf *out)
{
    char name[256], room[4096];
    size_t size = strcspn(*at + 1, "/");
    if (size >= sizeof name)
        return;
    memcpy(name, *at + 1, size);
    name[size] = 0;
    struct passwd entry, *found = NULL;
    const char *home = r->home;
    if (size) {
        if (getpwnam_r(name, &entry, room, sizeof room, &found) || !found)
            return;
        home = entry.pw_dir;
    }
    buf_text(out, home);
    *at += 1 + size;
}

/* "${NAME}"; false when there is no such variable. */
static bool expand_variable(const char **at, buf *out)
{
    char name[256];
    size_t size = strcspn(*at + 2, "}");
    if ((*at)[2 + size] != '}' || size >= sizeof name)
        return false;
    memcpy(name, *at + 2, size);
    name[size] = 0;
    const char *value = getenv(name);
    buf_text(out, value ? value : "");
    *at += size + 3;
    return value != NULL;
}

/* What ssh -G leaves as it was written. NULL: it cannot be a path. */
static const char *expand_path(resolver *r, const char *path)
{
    CLEANUP(buf_release) buf out = { .max = PATH_SIZE_MAX };
    const char *at = path;
    if (*at == '~')
        expand_tilde(r, &at, &out);
    while (*at) {
        char room[256];
        if (*at == '%') {
            const char *value = token(r, at[1], room);
            if (!value)
                return NULL;
            buf_text(&out, value);
            at += 2;
        } else if (at[0] == '$' && at[1] == '{') {
            if (!expand_variable(&at, &out))
                return NULL;
        } else {
            buf_char(&out, *at++);
        }
    }
    const char *text = buf_terminate(&out);
    return text ? keep(r, text) : NULL;
}

static void add(resolver *r, ssh_text_list *list, const char *text)
{
    if (!list->items)
        list->items = arena_alloc(r->memory, LIST_MAX * sizeof *list->items);
    if (!list->items)
        r->no_memory = true;
    for (size_t i = 0; list->items && i < list->count; i++)
        if (!strcmp(list->items[i], text))
            return;
    if (list->items && list->count < LIST_MAX)
        list->items[list->count++] = text;
}

/* Paths with blanks between them. As none of them is quoted, what does not begin like a path goes
 * on with the one before it. */
static void add_paths(resolver *r, ssh_text_list *list, const char *value)
{
    for (const char *at = value; *at;) {
        const char *end = strchrnul(at, ' ');
        while (*end && !strchr("/~%$", end[1]))
            end = strchrnul(end + 1, ' ');
        char *one = arena_copy(r->memory, at, (size_t)(end - at));
        const char *path = one ? expand_path(r, one) : NULL;
        if (path && *path && strcasecmp(path, "none") != 0)
            add(r, list, path);
        at = *end ? end + 1 : end;
    }
}

/* -- What the configuration says --------------------------------------------------------------- */

/* The defaults of OpenSSH, for a machine without it. */
static const ssh_config_line DEFAULTS[] = {
    { "identityfile", "~/.ssh/id_rsa" },
    { "identityfile", "~/.ssh/id_ecdsa" },
    { "identityfile", "~/.ssh/id_ecdsa_sk" },
    { "identityfile", "~/.ssh/id_ed25519" },
    { "identityfile", "~/.ssh/id_ed25519_sk" },
    { "userknownhostsfile", "~/.ssh/known_hosts ~/.ssh/known_hosts2" },
    { "globalknownhostsfile", "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2" },
};

/* HostName is a pattern for ssh: %h in it. */
static const char *escape_percent(resolver *r, const char *text)
{
    CLEANUP(buf_release) buf out = { 0 };
    buf_text(&out, "HostName=");
    for (; *text; text++)
        buf_format(&out, *text == '%' ? "%%%%" : "%c", *text);
    const char *escaped = buf_terminate(&out);
    r->no_memory |= !escaped;
    return escaped ? keep(r, escaped) : "";
}

/* No shell, and the name comes behind "--": nothing of it can be an option. -N: or ssh would miss a command,
 * when the configuration sends it to the background. */
static int ask_ssh(resolver *r, rdd_error *err)
{
    const host *h = r->h;
    const char *argv[20] = { "ssh", "-G", "-T", "-N" };
    size_t count = 4;
    char port[8];
    snprintf(port, sizeof port, "%u", h->port);
    const struct { const char *option, *value; } OPTIONS[] = {
        { "-F", r->t.config_file },
        { "-p", h->port ? port : NULL },
        { "-l", h->user },
        { "-J", h->jump },
        { "-o", h->address ? escape_percent(r, h->address) : NULL },
    };
    for (size_t i = 0; i < ARRAY_SIZE(OPTIONS); i++)
        if (OPTIONS[i].value) {
            argv[count++] = OPTIONS[i].option;
            argv[count++] = OPTIONS[i].value;
        }
    argv[count++] = "--";
    argv[count] = h->name;
    int code = ssh_config_ask(argv, r->memory, &r->config, err);
    if (code < 0 || r->config.found)
        return code;
    if (r->t.config_file && strcmp(r->t.config_file, "none") != 0)
        return error_set(err, RDD_E_USAGE, "--conf ssh.config=%s needs the ssh program, and there "
                                           "is none here; install OpenSSH's client",
                         r->t.config_file);
    r->config.lines = (ssh_config_line *)DEFAULTS;
    r->config.count = ARRAY_SIZE(DEFAULTS);
    return 0;
}

/* NULL for "none" and for nothing. */
static const char *value_of(const resolver *r, const char *key)
{
    const char *value = ssh_config_get(&r->config, key);
    return value && *value && strcasecmp(value, "none") != 0 ? value : NULL;
}

static uint64_t number_of(const resolver *r, const char *key, uint64_t max)
{
    const char *value = value_of(r, key);
    if (!value || strspn(value, "0123456789") != strlen(value) || strlen(value) > 9)
        return 0;
    uint64_t number = strtoul(value, NULL, 10);
    return number <= max ? number : 0;
}

static bool is_yes(const char *value)
{
    return value && (!strcmp(value, "yes") || !strcmp(value, "true"));
}

/* ssh -G says "false", whatever of these was written. */
static bool is_no(const char *value)
{
    return value && (!strcmp(value, "no") || !strcmp(value, "off") || !strcmp(value, "false"));
}

static void set_address(resolver *r)
{
    const host *h = r->h;
    const char *name = value_of(r, "hostname"), *user = value_of(r, "user");
    r->t.host_name = keep(r, h->address && !r->config.found ? h->address : name ? name : h->name);
    r->t.user = keep(r, user ? user : h->user ? h->user : r->login);
    uint64_t port = number_of(r, "port", UINT16_MAX);
    r->t.port = (uint16_t)(port ? port : h->port ? h->port : SSH_PORT);
    r->t.host_key_alias = value_of(r, "hostkeyalias");
    r->t.proxy_command = value_of(r, "proxycommand");
    r->t.proxy_jump = value_of(r, "proxyjump");
    if (!r->config.found && h->jump && strcasecmp(h->jump, "none") != 0)
        r->t.proxy_jump = keep(r, h->jump);
}

/* An option that ssh does not know would be its end; it prints those that it does. */
static void look_at_program(resolver *r)
{
    r->t.has_session_type = ssh_config_get(&r->config, "sessiontype") &&
                            ssh_config_get(&r->config, "stdinnull") &&
                            ssh_config_get(&r->config, "forkafterauthentication");
}

/* What connects to SSH_AUTH_SOCK may be gone; a socket that is not there is no agent. */
static void set_agent(resolver *r)
{
    const char *value = ssh_config_get(&r->config, "identityagent");
    if (value && !strcasecmp(value, "none"))
        return;
    if (!value || !strcmp(value, "SSH_AUTH_SOCK"))
        value = getenv("SSH_AUTH_SOCK");
    else if (value[0] == '$' && value[1] != '{')
        value = getenv(value + 1);
    else
        value = expand_path(r, value);
    if (value && *value && access(value, F_OK) == 0)
        r->t.agent = keep(r, value);
}

static void set_policy(resolver *r)
{
    const char *policy = conf_text("ssh.host_key");
    const char *strict = value_of(r, "stricthostkeychecking");
    r->t.host_key_no = !*policy && is_no(strict);
    if (!*policy)
        policy = strict;
    bool accept = policy && !strcmp(policy, "accept-new");
    r->t.host_key = accept ? SSH_HOST_KEY_ACCEPT_NEW : SSH_HOST_KEY_YES;
    r->t.revoked_host_keys = value_of(r, "revokedhostkeys");
    r->t.hash_known_hosts = is_yes(value_of(r, "hashknownhosts"));
    r->t.identities_only = is_yes(value_of(r, "identitiesonly"));
    uint64_t seconds = number_of(r, "connecttimeout", 86400);
    r->t.connect_timeout_ms = (uint64_t)conf_int("ssh.connect_timeout");
    if (seconds && !conf_is_set("ssh.connect_timeout"))
        r->t.connect_timeout_ms = seconds * 1000;
}

static void set_known_hosts(resolver *r)
{
    const char *own = conf_text("ssh.known_hosts");
    const char *users = ssh_config_get(&r->config, "userknownhostsfile");
    const char *systems = ssh_config_get(&r->config, "globalknownhostsfile");
    if (*own) {
        const char *path = expand_path(r, own);
        r->t.jump_known_hosts = path ? path : keep(r, own);
        add(r, &r->t.known_hosts, r->t.jump_known_hosts);
    } else if (users) {
        add_paths(r, &r->t.known_hosts, users);
    }
    if (systems)
        add_paths(r, &r->t.known_hosts, systems);
}

/* -- Keys -------------------------------------------------------------------------------------- */

/* One that was named by hand must be there. */
static int add_named(resolver *r, const char *path, const char *where, rdd_error *err)
{
    if (!path || !*path)
        return 0;
    const char *full = expand_path(r, path);
    errno = ENOENT; /* of a path that cannot be one */
    if (!full || access(full, R_OK))
        return error_set_errno(err, RDD_E_USAGE, errno, "%s%s: the key cannot be read", where,
                               path);
    add(r, &r->t.identities, full);
    return 0;
}

static void add_configured(resolver *r, const char *path)
{
    const char *full = expand_path(r, path);
    char public[PATH_SIZE_MAX + 8];
    if (!full || !strcasecmp(path, "none"))
        return;
    snprintf(public, sizeof public, "%s.pub", full);
    if (access(full, R_OK) == 0)
        add(r, &r->t.identities, full);
    else if (access(public, R_OK) == 0)
        add(r, &r->t.identities, keep(r, public));
}

static int set_identities(resolver *r, rdd_error *err)
{
    int code = add_named(r, r->h->identity, "identity=", err);
    if (code == 0)
        code = add_named(r, conf_text("ssh.identity"), "--conf ssh.identity=", err);
    if (code < 0)
        return code;
    for (size_t i = 0; i < r->config.count; i++) {
        const ssh_config_line *line = &r->config.lines[i];
        if (!strcmp(line->key, "identityfile"))
            add_configured(r, line->value);
        if (!strcmp(line->key, "certificatefile")) {
            const char *path = expand_path(r, line->value);
            r->t.has_certificates |= path && access(path, R_OK) == 0;
        }
    }
    return 0;
}

/* -- Jump hosts -------------------------------------------------------------------------------- */

/* What the configuration says of the first of a list of jump hosts. `h` outlives *ret. */
static int ask_jump(resolver *r, const char *list, host *h, resolver *ret, rdd_error *err)
{
    const char *scheme = strncmp(list, "ssh://", strlen("ssh://")) ? "ssh://" : "";
    *h = (host){ .name = arena_format(r->memory, "%s%.*s", scheme, (int)strcspn(list, ","), list) };
    *ret = (resolver){ .h = h, .memory = r->memory, .home = r->home, .login = r->login,
                       .t.config_file = r->t.config_file };
    if (!h->name)
        return error_set_memory(err, "resolving a jump host");
    int code = ask_ssh(ret, err);
    if (code == 0)
        set_address(ret);
    return code;
}

/* The first jump host has a way of its own, by its own configuration. Where that leads in a circle ssh
 * would start itself again and again, until the machine is full of it. */
static int check_jumps(resolver *r, rdd_error *err)
{
    const char *first = r->config.found && !r->t.proxy_command ? r->t.proxy_jump : NULL, *list = first;
    host h;
    for (unsigned i = 0; list; i++) {
        if (i == JUMPS_MAX)
            return error_set(err, RDD_E_USAGE,
                             "ProxyJump of the ssh configuration leads from host to host, %d times and on, "
                             "in a circle perhaps: see `ssh -G %.*s`; a jump host that is reached directly "
                             "has ProxyJump none", JUMPS_MAX, (int)strcspn(first, ","), first);
        resolver there;
        int code = ask_jump(r, list, &h, &there, err);
        if (code < 0)
            return code;
        list = there.t.proxy_command ? NULL : there.t.proxy_jump;
    }
    return 0;
}

/* One more beside those that a jump host has by its configuration: ssh would not look for its default ones
 * any more, so that all are named. */
static int add_jump_identities(resolver *r, const char *jump, rdd_error *err)
{
    host h;
    resolver there;
    int code = ask_jump(r, jump, &h, &there, err);
    if (code < 0)
        return code;
    for (size_t i = 0; i < there.config.count; i++)
        if (!strcmp(there.config.lines[i].key, "identityfile"))
            add_configured(&there, there.config.lines[i].value);
    for (size_t i = 0; i < there.t.identities.count; i++)
        add(r, &r->t.jump_identities, there.t.identities.items[i]);
    r->no_memory |= there.no_memory;
    return 0;
}

static int set_jump_identities(resolver *r, rdd_error *err)
{
    const char *named = conf_text("ssh.identity"), *at = r->t.proxy_jump;
    if (!*named || !at || r->t.proxy_command)
        return 0;
    add(r, &r->t.jump_identities, expand_path(r, named)); /* it is there: set_identities() */
    while (*at) {
        int code = add_jump_identities(r, at, err);
        if (code < 0)
            return code;
        at += strcspn(at, ",");
        at += *at != 0;
    }
    return 0;
}

/* What libssh2 cannot do with them. */
static void look_at_identities(resolver *r)
{
    size_t rsa = 0;
    for (size_t i = 0; i < r->t.identities.count; i++) {
        ssh_key_look key = ssh_key_look_at(r->t.identities.items[i]);
        rsa += key.kind == SSH_KEY_RSA;
        r->t.has_security_key |= key.kind == SSH_KEY_SECURITY;
        r->t.has_certificates |= key.certificate;
    }
    r->t.only_rsa = rsa && rsa == r->t.identities.count && !r->t.agent;
}

/* -- All of it --------------------------------------------------------------------------------- */

static int resolve(resolver *r, rdd_error *err)
{
    char label[LABEL_MAX];
    host_describe(r->h, label, sizeof label);
    r->t.label = keep(r, label);
    r->t.alias = keep(r, r->h->name);
    find_user(r);
    const char *file = conf_text("ssh.config");
    if (*file)
        r->t.config_file = keep(r, file);
    int code = ask_ssh(r, err);
    if (code < 0)
        return code;
    set_address(r);
    look_at_program(r);
    set_agent(r);
    set_policy(r);
    set_known_hosts(r);
    code = check_jumps(r, err);
    if (code == 0)
        code = set_identities(r, err);
    if (code == 0)
        code = set_jump_identities(r, err);
    if (code < 0)
        return code;
    look_at_identities(r);
    return r->no_memory ? error_set_memory(err, "resolving a host") : 0;
}

int ssh_target_resolve(const host *h, arena *a, ssh_target *ret, rdd_error *err)
{
    resolver r = { .h = h, .memory = a };
    ASSERT(!h->local);
    int code = resolve(&r, err);
    if (code < 0) {
        char label[LABEL_MAX];
        host_describe(h, label, sizeof label);
        error_prefix(err, "%s: ", label);
        return code;
    }
    *ret = r.t;
    return 0;
}
