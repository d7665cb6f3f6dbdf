/* How a libssh2 session gets in: the key exchange, the server's key, and who we are. */
#include "transport_libssh2.h"

#include "known_hosts.h"
#include "ssh_agent.h"
#include "ssh_key_file.h"
#include "ssh_kexinit.h"

#include <errno.h>
#include <stdio.h>

/* sshd hangs up at the sixth failure (MaxAuthTries), and counts one that asks for `none` first. */
enum { OFFERS_MAX = 5, IDENTITIES_MAX = 32, LIST_MAX = 2048 };

static const char ssh_instead[] = "--conf ssh.transport=openssh";

static const char *host_of(const ssh_target *t, uint16_t *ret_port)
{
    *ret_port = t->host_key_alias ? 0 : t->port;
    return t->host_key_alias ? t->host_key_alias : t->host_name;
}

/* -- The key exchange -------------------------------------------------------------------------- */

static void our_methods(ssh_session *l, int kind, char *list, size_t size)
{
    const char **names = NULL;
    int count = libssh2_session_supported_algs(l->session, kind, &names);
    size_t used = 0;
    list[0] = 0;
    for (int i = 0; i < count && used < size; i++) {
        int n = snprintf(list + used, size - used, "%s%s", i ? "," : "", names[i]);
        used += n > 0 ? (size_t)n : 0;
    }
    if (count > 0)
        libssh2_free(l->session, names);
}

/* Sets an order of methods. Those that libssh2 does not have are left out here: taking them out itself,
 * it copies memory over itself (1.10.0). */
static void set_methods(ssh_session *l, int kind, const char *wanted)
{
    char ours[LIST_MAX], list[LIST_MAX];
    size_t used = 0;
    our_methods(l, kind, ours, sizeof ours);
    for (const char *w = wanted; *w;) {
        size_t size = strcspn(w, ",");
        if (ssh_kexinit_share((rdd_str){ size, w }, ours) && used + size + 2 < sizeof list) {
            if (used)
                list[used++] = ',';
            memcpy(list + used, w, size);
            used += size;
        }
        w += size + (w[size] == ',');
    }
    list[used] = 0;
    if (used)
        libssh2_session_method_pref(l->session, kind, list);
}

/* A server that has several keys must show one that can be compared. */
static void prefer(ssh_session *l, const transport_start *s, const known_hosts *known)
{
    char list[512];
    uint16_t port;
    const char *name = host_of(s->target, &port);
    const char *rsa = transport_libssh2_knows_rsa() ? "rsa-sha2-512,rsa-sha2-256,ssh-rsa" : "ssh-rsa";
    static const char ciphers[] = "aes128-ctr,aes256-ctr,aes192-ctr,aes128-gcm@openssh.com,"
                                  "aes256-gcm@openssh.com,chacha20-poly1305@openssh.com";
    known_hosts_methods(known, name, port, rsa, list, sizeof list);
    set_methods(l, LIBSSH2_METHOD_HOSTKEY, list);
    set_methods(l, LIBSSH2_METHOD_CRYPT_CS, ciphers);
    set_methods(l, LIBSSH2_METHOD_CRYPT_SC, ciphers);
}

/* Which kind of algorithm the two have none of in common, and what each has. */
static int no_agreement(ssh_session *l, transport_start *s, const ssh_kexinit *server)
{
    const struct {
        int kind;
        const char *name;
        rdd_str theirs;
    } kinds[] = {
        { LIBSSH2_METHOD_KEX, "key exchanges", server->kex },
        { LIBSSH2_METHOD_HOSTKEY, "host keys", server->host_key },
        { LIBSSH2_METHOD_CRYPT_SC, "ciphers", server->cipher },
        { LIBSSH2_METHOD_MAC_SC, "MACs", server->mac },
    };
    char ours[LIST_MAX], trouble[300];
    for (size_t i = 0; i < ARRAY_SIZE(kinds) && server->has_lists; i++) {
        our_methods(l, kinds[i].kind, ours, sizeof ours);
        if (ssh_kexinit_share(kinds[i].theirs, ours))
            continue;
        s->instead = "the server's algorithms are too new for it";
        return start_fail(s, RDD_E_IO,
                          "the server's %s are too new for libssh2 %s: it takes %.*s, libssh2 has %s; "
                          "use %s", kinds[i].name, libssh2_version(0),
                          (int)size_min(kinds[i].theirs.size, 300), kinds[i].theirs.data, ours,
                          ssh_instead);
    }
    return start_fail(s, RDD_E_IO,
                      "the key exchange failed (%s); the server's ciphers or MACs may be too new for "
                      "libssh2 %s: use %s", ssh_session_trouble(l, trouble, sizeof trouble),
                      libssh2_version(0), ssh_instead);
}

static int exchange_failed(ssh_session *l, transport_start *s, int code)
{
    char trouble[300];
    ssh_kexinit server;
    ssh_kexinit_read(l->first, l->first_size, &server);
    const char *line = server.line.data;
    int size = (int)size_min(server.line.size, 200);
    if (server.greeted) {
        bool methods = code == LIBSSH2_ERROR_KEX_FAILURE ||
                       code == LIBSSH2_ERROR_KEY_EXCHANGE_FAILURE ||
                       code == LIBSSH2_ERROR_METHOD_NONE || !l->socket_errno;
        return methods ? no_agreement(l, s, &server)
                       : start_fail(s, RDD_E_IO, "the key exchange broke off: %s",
                                    ssh_session_trouble(l, trouble, sizeof trouble));
    }
    if (line && size && memmem(line, (size_t)size, "Not allowed at this time", 24))
        return start_fail(s, RDD_E_IO,
                          "the server said \"%.*s\"; it refuses this machine for some minutes after "
                          "failed logins (PerSourcePenalties); wait, and mend what failed before",
                          size, line);
    bool startups = line && size && memmem(line, (size_t)size, "MaxStartups", 11);
    if (line && size && !startups)
        return start_fail(s, RDD_E_IO, "this is no SSH server: it said \"%.*s\"; is the port right?",
                          size, line);
    s->dropped = true;
    return start_fail(s, RDD_E_IO,
                      "%s before its greeting: too many logins at once (MaxStartups), a penalty after "
                      "failed ones, or no sshd at this port",
                      ssh_session_trouble(l, trouble, sizeof trouble));
}

/* -- The host key ------------------------------------------------------------------------------ */

static int unknown_host(transport_start *s, const known_host_answer *answer, const char *key,
                        const char *fingerprint, const void *blob, size_t size)
{
    const ssh_target *t = s->target;
    uint16_t port;
    const char *name = host_of(t, &port);
    if (answer->authority.file)
        s->instead = "it cannot check what an authority has signed";
    if (answer->authority.file)
        return start_fail(s, RDD_E_IO,
                          "%s:%u trusts an authority for this host, which libssh2 cannot check; use %s",
                          answer->authority.file, answer->authority.line, ssh_instead);
    if (answer->other.file)
        return start_fail(s, RDD_E_IO,
                          "the server has an %s key %s, %s:%u knows another type for it; if the "
                          "machine was really set up anew, take that out: ssh-keygen -R", key,
                          fingerprint, answer->other.file, answer->other.line);
    const char *file = t->known_hosts.count ? t->known_hosts.items[0] : "~/.ssh/known_hosts";
    const char *fix = start_unknown_key_fix(s);
    bool refused = t->host_key != SSH_HOST_KEY_ACCEPT_NEW || !t->known_hosts.count;
    if (refused && fix)
        return start_fail(s, RDD_E_IO, "no %s key is known for it in %s (the server has %s); %s", key, file,
                          fingerprint, fix);
    if (refused)
        return start_fail(s, RDD_E_IO,
                          "no %s key is known for it in %s (the server has %s); compare the "
                          "fingerprint and add the key (ssh-keyscan -p %u %s >> %s), or say --conf "
                          "ssh.host_key=accept-new", key, file, fingerprint, t->port, t->host_name,
                          file);
    int code = known_hosts_append(file, name, port, blob, size, t->hash_known_hosts, s->err);
    if (code)
        error_prefix(s->err, "%s: %s: ", t->label, transport_step_name(s->step));
    return code;
}

/* As known_hosts has it, and as ssh-keygen -R takes it. */
static const char *known_name(const char *name, uint16_t port, char text[300])
{
    if (port && port != 22)
        snprintf(text, 300, "'[%s]:%u'", name, port);
    else
        snprintf(text, 300, "'%s'", name);
    return text;
}

static int check_host_key(ssh_session *l, transport_start *s, const known_hosts *known)
{
    size_t size = 0;
    int type = 0;
    uint16_t port;
    char fingerprint[HOST_KEY_FINGERPRINT_MAX], key[HOST_KEY_TYPE_MAX], text[300];
    const char *name = host_of(s->target, &port);
    if (s->target->revoked_host_keys)
        return start_fail(s, RDD_E_IO,
                          "the ssh configuration has RevokedHostKeys %s, which libssh2 cannot check; use "
                          "%s", s->target->revoked_host_keys, ssh_instead);
    const char *blob = libssh2_session_hostkey(l->session, &size, &type);
    if (!blob || !host_key_type_name(blob, size, key))
        return start_fail(s, RDD_E_IO, "the server has no key of a kind that is known here");
    host_key_fingerprint(blob, size, fingerprint);
    known_host_answer answer = known_hosts_check(known, name, port, blob, size);
    const known_host_place *at = &answer.place;
    switch (answer.result) {
    case KNOWN_HOST_MATCH:
        return 0;
    case KNOWN_HOST_UNKNOWN:
        return unknown_host(s, &answer, key, fingerprint, blob, size);
    case KNOWN_HOST_REVOKED:
        return start_fail(s, RDD_E_IO,
                          "the server has the %s key %s, which %s:%u marks as revoked: do not trust "
                          "this server", key, fingerprint, at->file, at->line);
    case KNOWN_HOST_CHANGED:
        break;
    }
    return start_fail(s, RDD_E_IO,
                      "the host key has changed: the server has the %s key %s, %s:%u has another; if "
                      "the machine was really set up anew, take the old key out (ssh-keygen -f %s -R "
                      "%s); otherwise somebody may be in between", key, fingerprint, at->file,
                      at->line, at->file, known_name(name, port, text));
}

static void known_hosts_freep(known_hosts **known)
{
    known_hosts_free(*known);
}

int ssh_session_exchange(ssh_session *l, transport_start *s)
{
    CLEANUP(known_hosts_freep) known_hosts *known = NULL;
    int code = known_hosts_load(&known, s->target->known_hosts.items, s->target->known_hosts.count,
                                s->err);
    if (code) {
        error_prefix(s->err, "%s: ", s->target->label);
        return code;
    }
    prefer(l, s, known);
    SSH_UNTIL_DONE(l, s, code, libssh2_session_handshake(l->session, l->fd));
    if (code)
        return exchange_failed(l, s, code);
    start_done(s, TRANSPORT_EXCHANGE);
    code = check_host_key(l, s, known);
    if (!code)
        start_done(s, TRANSPORT_HOST_KEY);
    return code;
}

/* -- Who we are -------------------------------------------------------------------------------- */

typedef struct login {
    ssh_session *l;
    transport_start *s;
    const char *user;
    ssh_agent agent;
    ssh_key_file *files; /* as many as there are identities */
    size_t file_count;
    unsigned offers;
    bool in;
    bool encrypted;       /* a key was left out for that */
    const char *left_out; /* what ssh would do with a key, and libssh2 does not; NULL: nothing */
    bool partial;         /* the server took a key, and then wanted more */
    char no_agent[300];
} login;

static bool is_rsa(const char *type)
{
    return !strcmp(type, "ssh-rsa");
}

static bool agent_key_type(const ssh_agent_key *key, char type[HOST_KEY_TYPE_MAX])
{
    return host_key_type_name(key->blob, key->size, type);
}

static const ssh_agent_key *find_in_agent(const login *g, const ssh_key_file *file)
{
    for (size_t i = 0; file->blob_size && i < g->agent.count; i++)
        if (g->agent.keys[i].size == file->blob_size &&
            !memcmp(g->agent.keys[i].blob, file->blob, file->blob_size))
            return &g->agent.keys[i];
    return NULL;
}

static bool is_identity(const login *g, const ssh_agent_key *key)
{
    for (size_t i = 0; i < g->file_count; i++)
        if (g->files[i].blob_size == key->size && !memcmp(g->files[i].blob, key->blob, key->size))
            return true;
    return false;
}

/* Why libssh2 cannot log in with a key of that type; NULL: it can. */
static const char *unfit_key(const char *type)
{
    if (strstr(type, "-cert-"))
        return "it cannot use a certificate of the agent's";
    if (!strncmp(type, "sk-", 3))
        return "it cannot use a security key";
    return is_rsa(type) && !transport_libssh2_knows_rsa() ? "RSA keys need libssh2 1.11" : NULL;
}

/* Whether the agent's key may be offered at all. */
static bool is_allowed(const login *g, const ssh_agent_key *key)
{
    return !g->s->target->identities_only || is_identity(g, key);
}

static const char *find_left_out(const login *g)
{
    const char *why = NULL;
    for (size_t i = 0; i < g->file_count && !why; i++)
        if (!g->files[i].encrypted)
            why = unfit_key(g->files[i].type);
    for (size_t i = 0; i < g->agent.count && !why; i++) {
        char type[HOST_KEY_TYPE_MAX];
        if (is_allowed(g, &g->agent.keys[i]) && agent_key_type(&g->agent.keys[i], type))
            why = unfit_key(type);
    }
    return why;
}

typedef struct signing {
    login *g;
    const ssh_agent_key *key;
    int code;
} signing;

static int sign(LIBSSH2_SESSION *session, unsigned char **signature, size_t *signature_size,
                const unsigned char *data, size_t size, void **abstract)
{
    (void)session;
    signing *with = *abstract;
    with->code = ssh_agent_sign(&with->g->agent, with->key, data, size, with->g->s, signature,
                                signature_size);
    return with->code ? -1 : 0;
}

/* The server said that the key would do, and was shown a signature: one key is not enough for it. The code
 * alone may also mean that nobody signed. */
static bool is_partial(ssh_session *l, int code)
{
    char *said = NULL;
    libssh2_session_last_error(l->session, &said, NULL, 0);
    return code == LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED && said && strstr(said, "Invalid signature");
}

/* 0 whether it was taken (g->in) or not; negative: no use to go on. */
static int took(login *g, int code)
{
    g->offers++;
    if (!code)
        g->in = true;
    g->partial |= is_partial(g->l, code);
    bool over = g->l->socket_errno || g->l->goodbye[0];
    char trouble[300];
    if (!code || !over)
        return 0;
    const char *many = strstr(g->l->goodbye, "Too many authentication failures");
    g->s->instead = g->left_out;
    return start_fail(g->s, RDD_E_IO, "%s%s",
                      ssh_session_trouble(g->l, trouble, sizeof trouble),
                      many ? "; the server counts each key that is offered; name the right one "
                             "(IdentityFile, with IdentitiesOnly yes, or identity= in the hosts list)"
                           : "; see its log");
}

static int offer_agent_key(login *g, const ssh_agent_key *key)
{
    signing with = { .g = g, .key = key };
    void *abstract = &with;
    int code;
    SSH_UNTIL_DONE(g->l, g->s, code,
                       libssh2_userauth_publickey(g->l->session, g->user, key->blob, key->size, sign,
                                                  &abstract));
    if (with.code == RDD_E_CANCELLED || (with.code && g->s->err->code == with.code))
        return with.code; /* start_wait() has said why */
    return took(g, code);
}

static int offer_file(login *g, const char *path)
{
    int code;
    SSH_UNTIL_DONE(g->l, g->s, code,
                       libssh2_userauth_publickey_fromfile_ex(g->l->session, g->user,
                                                              (unsigned)strlen(g->user), NULL, path,
                                                              NULL));
    return took(g, code);
}

/* An identity: by the agent, which may hold it without its passphrase, or from its file. */
static int offer_identity(login *g, size_t i, bool rsa)
{
    const ssh_key_file *file = &g->files[i];
    const ssh_agent_key *key = find_in_agent(g, file);
    if (is_rsa(file->type) != rsa || !strncmp(file->type, "sk-", 3))
        return 0;
    if (key)
        return offer_agent_key(g, key);
    if (file->encrypted)
        g->encrypted = true;
    if (!file->readable || file->encrypted)
        return 0;
    return offer_file(g, g->s->target->identities.items[i]);
}

/* RSA last: libssh2 before 1.11 signs with SHA-1, which servers of today refuse. */
static int offer_all(login *g)
{
    bool rsa = false;
    do {
        for (size_t i = 0; i < g->file_count && !g->in && g->offers < OFFERS_MAX; i++) {
            int code = offer_identity(g, i, rsa);
            if (code)
                return code;
        }
        for (size_t i = 0; i < g->agent.count && !g->in && g->offers < OFFERS_MAX; i++) {
            char type[HOST_KEY_TYPE_MAX];
            const ssh_agent_key *key = &g->agent.keys[i];
            if (!is_allowed(g, key) || is_identity(g, key) || !agent_key_type(key, type) ||
                is_rsa(type) != rsa || !strncmp(type, "sk-", 3) || strstr(type, "-cert-"))
                continue;
            int code = offer_agent_key(g, key);
            if (code)
                return code;
        }
        rsa = !rsa;
    } while (rsa);
    return 0;
}

/* What the server takes, in *methods; "" when it asks for nothing. Once: libssh2 (1.10) would not free what
 * it said before. */
static int ask_methods(login *g, char *methods, size_t size)
{
    char trouble[300];
    const char *list;
    while (!(list = libssh2_userauth_list(g->l->session, g->user, (unsigned)strlen(g->user)))) {
        if (libssh2_userauth_authenticated(g->l->session))
            break;
        if (libssh2_session_last_errno(g->l->session) != LIBSSH2_ERROR_EAGAIN)
            return start_fail(g->s, RDD_E_IO, "the server broke off: %s",
                              ssh_session_trouble(g->l, trouble, sizeof trouble));
        int code = ssh_session_wait(g->l, g->s);
        if (code)
            return code;
    }
    snprintf(methods, size, "%s", list ? list : "");
    return 0;
}

static int wants_more(login *g)
{
    g->s->instead = g->left_out;
    return start_fail(g->s, RDD_E_IO, "%s: the server took a key and wants more besides; %s", g->user,
                      start_further_method);
}

/* What was tried, and what would do. */
static int refused(login *g, const char *methods)
{
    const char *left_out = g->left_out;
    g->s->instead = left_out;
    const char *fix = "is the public key in the authorized_keys over there, and the user right?";
    if (!g->offers && g->encrypted)
        fix = "the identity file has a passphrase: give it to the agent (ssh-add)";
    else if (!g->offers && g->no_agent[0])
        fix = g->no_agent;
    else if (!g->offers)
        fix = "there is no key to offer: make one (ssh-keygen -t ed25519), or name one (identity= in "
              "the hosts list, IdentityFile in the ssh configuration)";
    else if (g->encrypted)
        fix = "another identity file has a passphrase: give it to the agent (ssh-add)";
    return start_fail(g->s, RDD_E_IO,
                      "%s: Permission denied (%s), %u %s offered%s; %s%s%s%s%s", g->user, methods,
                      g->offers, g->offers == 1 ? "key was" : "keys were",
                      g->offers >= OFFERS_MAX ? ", the most that are tried" : "", fix,
                      left_out ? "; or, as " : "", left_out ? left_out : "", left_out ? ", use " : "",
                      left_out ? ssh_instead : "");
}

static int log_in(login *g)
{
    transport_start *s = g->s;
    char methods[256];
    int code = ask_methods(g, methods, sizeof methods);
    if (code || !*methods)
        return code;
    if (!strstr(methods, "publickey"))
        return start_fail(s, RDD_E_IO,
                          "the server takes no keys, only %s; allow PubkeyAuthentication over there",
                          methods);
    const ssh_target *t = s->target;
    for (size_t i = 0; i < g->file_count; i++)
        ssh_key_file_read(t->identities.items[i], &g->files[i]);
    if (t->agent) {
        code = ssh_agent_open(&g->agent, t->agent, s, g->no_agent, sizeof g->no_agent);
        if (code)
            return code;
    }
    g->left_out = find_left_out(g);
    code = offer_all(g);
    if (code || g->in)
        return code;
    return g->partial ? wants_more(g) : refused(g, methods);
}

int ssh_session_login(ssh_session *l, transport_start *s)
{
    size_t count = size_min(s->target->identities.count, IDENTITIES_MAX);
    login g = { .l = l, .s = s, .user = s->target->user, .agent = { .fd = -1 },
                .file_count = count };
    g.files = calloc(count ? count : 1, sizeof *g.files);
    s->err->code = RDD_OK;
    int code = g.files ? log_in(&g) : error_set_memory(s->err, "logging in");
    if (!code)
        start_done(s, TRANSPORT_LOGIN);
    ssh_agent_release(&g.agent);
    free(g.files);
    return code;
}
