/* How the transports get in, and what they say when they do not, against a real sshd: host keys, keys,
 * agents, jump hosts, what the server allows. */
#include "transport_parts.h"
#include "transport_rig.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

static void read_file(const char *path, char *text, size_t size)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    text[fread(text, 1, size - 1, file)] = 0;
    fclose(file);
}

static void lines_to_file(const char *path, const char *lines)
{
    char text[8 * PATH_MAX];
    read_file(path, text, sizeof text);
    size_t size = strlen(text);
    snprintf(text + size, sizeof text - size, "%s", lines);
    write_file(path, text);
}

/* -- Host keys --------------------------------------------------------------------------------- */

static void host_is_unknown(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .unknown = true });
    ssh_target target = sshd_target(s);
    rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY,
                WORDS("node: host key: ", "key is known for", "SHA256:", "accept-new"));
    assert_int_equal(sshd_count_log(s, "Accepted"), 0);
    sshd_stop(s);
}
BOTH(host_is_unknown)

/* As in configurations that ask for no check at all. */
static void any_host_key_is_not_taken(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .unknown = true });
    ssh_target target = sshd_target(s);
    const char *none = "/dev/null";
    target.known_hosts = (ssh_text_list){ &none, 1 };
    rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY,
                WORDS("SHA256:", "UserKnownHostsFile /dev/null", "ssh.host_key=accept-new",
                      "ssh.known_hosts=FILE"));
    target.host_key_no = true;
    rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY,
                WORDS("SHA256:", "StrictHostKeyChecking no of the ssh configuration is not followed",
                      "ssh.host_key=accept-new", "ssh.known_hosts=FILE"));
    target.host_key = SSH_HOST_KEY_ACCEPT_NEW;
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(s);
}
BOTH(any_host_key_is_not_taken)

static void new_host_is_accepted(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .unknown = true });
    ssh_target target = sshd_target(s);
    target.host_key = SSH_HOST_KEY_ACCEPT_NEW;
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    target.host_key = SSH_HOST_KEY_YES; /* it is known now */
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(s);
}
BOTH(new_host_is_accepted)

static void new_host_is_hashed(void **state)
{
    (void)state;
    for (int hash = 0; hash < 2; hash++) {
        sshd *s = rig_sshd(&(sshd_options){ .unknown = true });
        ssh_target target = sshd_target(s);
        char line[4096];
        target.host_key = SSH_HOST_KEY_ACCEPT_NEW;
        target.hash_known_hosts = hash;
        rig_run(TRANSPORT_LIBSSH2, &target, "echo in", "in\n", "exited with status 0");
        read_file(sshd_path(s, "known_hosts"), line, sizeof line);
        assert_ptr_equal(strstr(line, hash ? "|1|" : "[127.0.0.1]:"), line);
        target.host_key = SSH_HOST_KEY_YES;
        rig_run(TRANSPORT_OPENSSH, &target, "echo in", "in\n", "exited with status 0");
        sshd_stop(s);
    }
}

/* Another server's key is written down for it. */
static void forge(sshd *s, const char *before, const char *type)
{
    char line[4096], text[4300], name[64];
    sshd_key(s, "another", type, NULL, false);
    snprintf(name, sizeof name, "%s", "another.pub");
    read_file(sshd_path(s, name), line, sizeof line);
    snprintf(text, sizeof text, "%s[127.0.0.1]:%u %s", before, sshd_port(s), line);
    write_file(sshd_path(s, "known_hosts"), text);
}

static void host_has_changed(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    forge(s, "", "ed25519");
    const char *const *words = WORDS("has changed", "SHA256:", "ssh-keygen");
    rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY, words);
    target.host_key = SSH_HOST_KEY_ACCEPT_NEW;
    rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY, words);
    sshd_stop(s);
}
BOTH(host_has_changed)

/* A key of another type is known: no new host, whatever the policy. */
static void host_has_another_type(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    forge(s, "", "ecdsa");
    target.host_key = kind == TRANSPORT_LIBSSH2 ? SSH_HOST_KEY_ACCEPT_NEW : SSH_HOST_KEY_YES;
    rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY, WORDS("ED25519"));
    sshd_stop(s);
}
BOTH(host_has_another_type)

static void host_is_revoked(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    char line[4096], text[4300];
    read_file(sshd_path(s, "host_ed25519.pub"), line, sizeof line);
    snprintf(text, sizeof text, "@revoked [127.0.0.1]:%u %s", sshd_port(s), line);
    write_file(sshd_path(s, "known_hosts"), text);
    rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY, WORDS("revoked", "do not trust"));
    sshd_stop(s);
}
BOTH(host_is_revoked)

/* What libssh2 does not read must not let a server in. */
static void host_is_in_a_list_of_revoked_keys(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    char text[2 * PATH_MAX], path[PATH_MAX];
    snprintf(path, sizeof path, "%s", sshd_path(s, "config"));
    CLEANUP(freep) char *revoked = strdup(sshd_path(s, "host_ed25519.pub"));
    snprintf(text, sizeof text, "RevokedHostKeys %s\n", revoked);
    write_file(path, text);
    target.config_file = path;
    target.revoked_host_keys = revoked;
    if (kind == TRANSPORT_LIBSSH2)
        rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY,
                    WORDS("RevokedHostKeys", revoked, "ssh.transport=openssh"));
    else
        rig_refused(kind, &target, NULL, TRANSPORT_HOST_KEY, WORDS("revoked"));
    rig_refused(TRANSPORT_AUTO, &target, NULL, TRANSPORT_HOST_KEY, WORDS("revoked by file", "do not trust"));
    assert_int_equal(unlink(revoked), 0);
    rig_refused(TRANSPORT_AUTO, &target, NULL, TRANSPORT_HOST_KEY, WORDS("see RevokedHostKeys"));
    assert_int_equal(sshd_count_log(s, "Accepted"), 0);
    sshd_stop(s);
}
BOTH(host_is_in_a_list_of_revoked_keys)

/* The server has three keys, and one of them is known: it is the one that is asked for. */
static void known_type_is_asked_for(transport_kind kind)
{
    static const char *const types[] = { "ed25519", "ecdsa" };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        sshd *s = rig_sshd(&(sshd_options){ .host_keys = "rsa ecdsa ed25519", .unknown = true });
        ssh_target target = sshd_target(s);
        char line[4096], text[4300], name[64];
        snprintf(name, sizeof name, "host_%s.pub", types[i]);
        read_file(sshd_path(s, name), line, sizeof line);
        snprintf(text, sizeof text, "[127.0.0.1]:%u %s", sshd_port(s), line);
        write_file(sshd_path(s, "known_hosts"), text);
        rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
        sshd_stop(s);
    }
}
BOTH(known_type_is_asked_for)

static void host_key_alias(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    char line[4096], text[4300];
    read_file(sshd_path(s, "host_ed25519.pub"), line, sizeof line);
    snprintf(text, sizeof text, "the-node %s", line);
    write_file(sshd_path(s, "known_hosts"), text);
    target.host_key_alias = "the-node";
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(s);
}
BOTH(host_key_alias)

/* -- Keys -------------------------------------------------------------------------------------- */

static void key_is_rejected(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    CLEANUP(freep) char *key = strdup(sshd_key(s, "stranger", "ed25519", NULL, false));
    target.identities = (ssh_text_list){ (const char **)&key, 1 };
    rig_refused(kind, &target, NULL, TRANSPORT_LOGIN,
                WORDS("node: login: ", "Permission denied (publickey)", "authorized_keys"));
    sshd_stop(s);
}
BOTH(key_is_rejected)

/* The key is right, and not enough. */
static void key_and_more_is_wanted(transport_kind kind)
{
    static const char *const methods[] = { "publickey,publickey", "publickey,keyboard-interactive" };
    static const char *const left[] = { "publickey", "keyboard-interactive" };
    for (size_t i = 0; i < ARRAY_SIZE(methods); i++) {
        char config[200];
        snprintf(config, sizeof config, "AuthenticationMethods %s\nKbdInteractiveAuthentication yes\n",
                 methods[i]);
        sshd *s = rig_sshd(&(sshd_options){ .config = config });
        ssh_target target = sshd_target(s);
        rig_refused(kind, &target, NULL, TRANSPORT_LOGIN,
                    WORDS("node: login: ", "the server took a key and wants more besides",
                          kind == TRANSPORT_OPENSSH ? left[i] : "", "AuthenticationMethods"));
        const char *keys[] = { target.identities.items[0], sshd_key(s, "second", "ed25519", NULL, true) };
        target.identities = (ssh_text_list){ keys, ARRAY_SIZE(keys) };
        if (i == 0)
            rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
        sshd_stop(s);
    }
}
BOTH(key_and_more_is_wanted)

static void server_counts_keys(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "MaxAuthTries 2\n" });
    ssh_target target = sshd_target(s);
    const char *keys[4];
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char name[32];
        snprintf(name, sizeof name, "stranger%zu", i);
        keys[i] = sshd_key(s, name, "ed25519", NULL, false);
    }
    target.identities = (ssh_text_list){ keys, ARRAY_SIZE(keys) };
    rig_refused(kind, &target, NULL, TRANSPORT_LOGIN,
                WORDS("Too many authentication failures", "IdentitiesOnly"));
    sshd_stop(s);
}
BOTH(server_counts_keys)

/* The right key is the sixth: libssh2 stops before sshd does, ssh is told off. */
static void few_keys_are_offered(void **state)
{
    (void)state;
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    const char *keys[6];
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        char name[32];
        snprintf(name, sizeof name, "stranger%zu", i);
        keys[i] = sshd_key(s, name, "ed25519", NULL, i == 5);
    }
    target.identities = (ssh_text_list){ keys, ARRAY_SIZE(keys) };
    rig_refused(TRANSPORT_LIBSSH2, &target, NULL, TRANSPORT_LOGIN,
                WORDS("5 keys were offered, the most that are tried"));
    target.identities.items++;
    target.identities.count--;
    rig_run(TRANSPORT_LIBSSH2, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(s);
}

static void passphrase_without_agent(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    CLEANUP(freep) char *key = strdup(sshd_key(s, "locked", "ed25519", "secret", true));
    target.identities = (ssh_text_list){ (const char **)&key, 1 };
    rig_refused(kind, &target, NULL, TRANSPORT_LOGIN, WORDS("passphrase", "ssh-add"));
    sshd_stop(s);
}
BOTH(passphrase_without_agent)

static void keys_of_old_formats(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    CLEANUP(freep) char *key = strdup(sshd_key(s, "old", "ecdsa", NULL, true));
    const char *argv[] = { "ssh-keygen", "-q", "-p", "-m", "PEM", "-P", "", "-N", "", "-f", key, NULL };
    assert_int_equal(sshd_run(argv), 0);
    target.identities = (ssh_text_list){ (const char **)&key, 1 };
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(s);
}
BOTH(keys_of_old_formats)

/* -- Agents ------------------------------------------------------------------------------------ */

typedef struct agent {
    pid_t pid;
    char path[PATH_MAX];
} agent;

/* In the foreground; its socket is there when a client gets an answer. */
static void agent_start(agent *a, sshd *s)
{
    snprintf(a->path, sizeof a->path, "%s", sshd_path(s, "agent"));
    int ready[2];
    assert_int_equal(pipe2(ready, 0), 0);
    a->pid = fork();
    assert_true(a->pid >= 0);
    if (!a->pid) {
        dup2(ready[1], 1);
        close(ready[0]);
        close(ready[1]);
        execlp("ssh-agent", "ssh-agent", "-D", "-a", a->path, NULL);
        _exit(127);
    }
    close(ready[1]);
    char byte;
    assert_int_equal(read(ready[0], &byte, 1), 1); /* it says where it is once it listens */
    close(ready[0]);
    setenv("SSH_AUTH_SOCK", a->path, 1);
}

static void agent_stop(agent *a)
{
    kill(a->pid, SIGKILL);
    waitpid(a->pid, NULL, 0);
    unsetenv("SSH_AUTH_SOCK");
}

static void agent_add(const char *key)
{
    assert_int_equal(sshd_run((const char *[]){ "ssh-add", "-q", key, NULL }), 0);
}

/* The file is locked, the agent has its key; others of the agent's are not to get in the way. */
static void agent_has_the_key(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "MaxAuthTries 2\n" });
    ssh_target target = sshd_target(s);
    agent a;
    agent_start(&a, s);
    for (int i = 0; i < 7; i++) {
        char name[32];
        snprintf(name, sizeof name, "other%d", i);
        agent_add(sshd_key(s, name, "ed25519", NULL, false));
    }
    CLEANUP(freep) char *key = strdup(sshd_key(s, "mine", "ed25519", NULL, true));
    agent_add(key);
    const char *lock[] = { "ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", key, NULL };
    assert_int_equal(sshd_run(lock), 0);
    target.agent = a.path;
    target.identities = (ssh_text_list){ (const char **)&key, 1 };
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    target.identities_only = false;
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    agent_stop(&a);
    sshd_stop(s);
}
BOTH(agent_has_the_key)

static void agent_alone(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    agent a;
    agent_start(&a, s);
    CLEANUP(freep) char *key = strdup(sshd_key(s, "mine", "ecdsa", NULL, true));
    agent_add(key);
    assert_int_equal(unlink(key), 0);
    target.agent = a.path;
    target.identities.count = 0;
    target.identities_only = false;
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    agent_stop(&a);
    sshd_stop(s);
}
BOTH(agent_alone)

/* An identity that is a public key alone chooses one of the agent's. */
static void agent_has_the_named_key(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "MaxAuthTries 2\n" });
    ssh_target target = sshd_target(s);
    agent a;
    agent_start(&a, s);
    for (int i = 0; i < 7; i++) {
        char name[32];
        snprintf(name, sizeof name, "other%d", i);
        agent_add(sshd_key(s, name, "ed25519", NULL, false));
    }
    CLEANUP(freep) char *key = strdup(sshd_key(s, "mine", "ed25519", NULL, true));
    CLEANUP(freep) char *public = strdup(sshd_path(s, "mine.pub"));
    agent_add(key);
    assert_int_equal(unlink(key), 0);
    target.agent = a.path;
    target.identities = (ssh_text_list){ (const char **)&public, 1 };
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    agent_stop(&a);
    sshd_stop(s);
}
BOTH(agent_has_the_named_key)

/* An agent that takes questions and never answers. */
static void agent_hangs(void **state)
{
    (void)state;
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    struct sockaddr_storage address = { .ss_family = AF_UNIX };
    const char *path = sshd_path(s, "hanging");
    snprintf((char *)&address + sizeof(sa_family_t), 100, "%s", path);
    CLEANUP(closep) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, 110), 0);
    assert_int_equal(listen(fd, 5), 0);
    target.agent = path;
    target.connect_timeout_ms = 2000;
    rig_refused(TRANSPORT_LIBSSH2, &target, NULL, TRANSPORT_LOGIN, WORDS("agent", "confirmation"));
    sshd_stop(s);
}

/* -- What libssh2 cannot do -------------------------------------------------------------------- */

static void rsa_key(transport_kind kind)
{
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    CLEANUP(freep) char *key = strdup(sshd_key(s, "old", "rsa", NULL, true));
    target.identities = (ssh_text_list){ (const char **)&key, 1 };
    if (kind == TRANSPORT_LIBSSH2 && !transport_libssh2_knows_rsa())
        rig_refused(kind, &target, NULL, TRANSPORT_LOGIN,
                    WORDS("RSA keys need libssh2 1.11", "ssh.transport=openssh"));
    else
        rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    target.only_rsa = true;
    rig_run(TRANSPORT_AUTO, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(s);
}
BOTH(rsa_key)

/* What TRANSPORT_AUTO took, one after the other. */
typedef struct choices_made {
    transport_kind kinds[4];
    unsigned count;
    char reason[300]; /* the last */
} choices_made;

static void on_choice(void *arg, transport_kind kind, const char *reason)
{
    choices_made *c = arg;
    assert_true(c->count < ARRAY_SIZE(c->kinds));
    c->kinds[c->count++] = kind;
    snprintf(c->reason, sizeof c->reason, "%s", reason);
}

/* libssh2 does not get in, and the ssh program does. */
static void assert_second_choice(const ssh_target *target, transport_step step, const char *word)
{
    choices_made made = { 0 };
    transport *t = NULL;
    rdd_error err = { .message = "" };
    transport_options options = rig_options();
    options.chosen = on_choice;
    options.arg = &made;
    rig_refused(TRANSPORT_LIBSSH2, target, NULL, step, WORDS(word, "ssh.transport=openssh"));
    if (transport_open(&t, TRANSPORT_AUTO, target, "true", &options, NULL, &err))
        fail_msg("%s", err.message);
    rig_end(t, PATIENCE_NS, "exited with status 0");
    assert_int_equal(made.count, 2);
    assert_int_equal(made.kinds[0], TRANSPORT_LIBSSH2);
    assert_int_equal(made.kinds[1], TRANSPORT_OPENSSH);
    assert_non_null(strstr(made.reason, word));
}

static void need_old_libssh2(void)
{
    if (transport_libssh2_knows_rsa())
        TEST_SKIP("needs a libssh2 before 1.11");
}

static void rsa_key_beside_another(void **state)
{
    (void)state;
    need_old_libssh2();
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    const char *keys[2];
    keys[0] = sshd_key(s, "stranger", "ed25519", NULL, false);
    keys[1] = sshd_key(s, "old", "rsa", NULL, true);
    target.identities = (ssh_text_list){ keys, 2 };
    assert_second_choice(&target, TRANSPORT_LOGIN, "RSA keys need libssh2 1.11");
    sshd_stop(s);
}

static void rsa_key_of_the_agent(void **state)
{
    (void)state;
    need_old_libssh2();
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    agent a;
    agent_start(&a, s);
    CLEANUP(freep) char *key = strdup(sshd_key(s, "mine", "rsa", NULL, true));
    agent_add(key);
    target.agent = a.path;
    target.identities.count = 0;
    target.identities_only = false;
    assert_second_choice(&target, TRANSPORT_LOGIN, "RSA keys need libssh2 1.11");
    agent_stop(&a);
    sshd_stop(s);
}

static void certificate_of_the_agent(void **state)
{
    (void)state;
    char config[PATH_MAX + 100];
    snprintf(config, sizeof config, "TrustedUserCAKeys %s\n", test_path("ca.pub"));
    sshd *s = rig_sshd(&(sshd_options){ .config = config });
    ssh_target target = sshd_target(s);
    agent a;
    agent_start(&a, s);
    CLEANUP(freep) char *ca = strdup(test_path("ca"));
    CLEANUP(freep) char *key = strdup(sshd_key(s, "mine", "ed25519", NULL, false));
    char public[PATH_MAX];
    snprintf(public, sizeof public, "%s.pub", key);
    assert_int_equal(sshd_run((const char *[]){ "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ca,
                                                NULL }), 0);
    assert_int_equal(sshd_run((const char *[]){ "ssh-keygen", "-q", "-s", ca, "-I", "me", "-n",
                                                target.user, public, NULL }), 0);
    agent_add(key); /* with its certificate */
    target.agent = a.path;
    target.identities.count = 0;
    target.identities_only = false;
    assert_second_choice(&target, TRANSPORT_LOGIN, "certificate of the agent's");
    agent_stop(&a);
    sshd_stop(s);
}

/* Then what libssh2 said is what counts; and where it could do nothing more, nothing else is tried. */
static void no_second_choice(void **state)
{
    (void)state;
    need_old_libssh2();
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    const char *keys[2];
    keys[0] = sshd_key(s, "stranger", "ed25519", NULL, false);
    keys[1] = sshd_key(s, "old", "rsa", NULL, true);
    target.identities = (ssh_text_list){ keys, 2 };
    CLEANUP(freep) char *path = strdup(getenv("PATH"));
    setenv("PATH", test_path("nothing"), 1);
    rig_refused(TRANSPORT_AUTO, &target, NULL, TRANSPORT_LOGIN,
                WORDS("Permission denied", "RSA keys need libssh2 1.11"));
    setenv("PATH", path, 1);
    choices_made made = { 0 };
    transport_options options = rig_options();
    options.chosen = on_choice;
    options.arg = &made;
    target.identities.count = 1;
    rig_refused(TRANSPORT_AUTO, &target, &options, TRANSPORT_LOGIN, WORDS("Permission denied"));
    assert_int_equal(made.count, 1);
    sshd_stop(s);
}

/* Known by an authority alone, under either of its names, or by a key besides. */
static void authority_alone(void **state)
{
    (void)state;
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    char line[4096], text[9000], reason[200];
    read_file(sshd_path(s, "host_ed25519.pub"), line, sizeof line);
    static const char *const patterns[] = { "127.0.0.1", "*", "[127.0.0.1]:*" };
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        snprintf(text, sizeof text, "@cert-authority %s %s", patterns[i], line);
        write_file(sshd_path(s, "known_hosts"), text);
        assert_int_equal(transport_choose(&target, reason, sizeof reason), TRANSPORT_OPENSSH);
        assert_non_null(strstr(reason, "@cert-authority alone"));
    }
    snprintf(text, sizeof text, "@cert-authority * %s[127.0.0.1]:%u %s", line, sshd_port(s), line);
    write_file(sshd_path(s, "known_hosts"), text);
    assert_int_equal(transport_choose(&target, reason, sizeof reason), TRANSPORT_LIBSSH2);
    snprintf(text, sizeof text, "@cert-authority 127.0.0.2 %s", line);
    write_file(sshd_path(s, "known_hosts"), text);
    assert_int_equal(transport_choose(&target, reason, sizeof reason), TRANSPORT_LIBSSH2);
    sshd_stop(s);
}

static void rsa_host_key(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .host_keys = "rsa" });
    ssh_target target = sshd_target(s);
    if (kind == TRANSPORT_LIBSSH2 && !transport_libssh2_knows_rsa())
        rig_refused(kind, &target, NULL, TRANSPORT_EXCHANGE,
                    WORDS("host keys are too new", "rsa-sha2-256", "ssh.transport=openssh"));
    else
        rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    rig_run(TRANSPORT_AUTO, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(s);
}
BOTH(rsa_host_key)

static void new_ciphers(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "Ciphers chacha20-poly1305@openssh.com\n" });
    ssh_target target = sshd_target(s);
    if (kind == TRANSPORT_LIBSSH2)
        rig_refused(kind, &target, NULL, TRANSPORT_EXCHANGE,
                    WORDS("ciphers are too new", "it takes chacha20-poly1305@openssh.com",
                          "libssh2 has aes", "ssh.transport=openssh"));
    else
        rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    assert_second_choice(&target, TRANSPORT_EXCHANGE, "are too new for");
    sshd_stop(s);
}
BOTH(new_ciphers)

static void choices(void **state)
{
    (void)state;
    const struct {
        ssh_target target;
        transport_kind kind;
        const char *word;
    } cases[] = {
        { { .label = "n1", .host_name = "n1" }, TRANSPORT_LIBSSH2, "libssh2" },
        { { .label = "n1", .host_name = "n1", .proxy_jump = "j" }, TRANSPORT_LIBSSH2, "libssh2" },
        { { .label = "n1", .host_name = "n1", .proxy_command = "nc %h %p" }, TRANSPORT_OPENSSH,
          "ProxyCommand" },
        { { .label = "n1", .host_name = "n1", .has_certificates = true }, TRANSPORT_OPENSSH,
          "certificate" },
        { { .label = "n1", .host_name = "n1", .revoked_host_keys = "/revoked" }, TRANSPORT_OPENSSH,
          "RevokedHostKeys" },
        { { .label = "n1", .host_name = "n1", .has_security_key = true }, TRANSPORT_OPENSSH,
          "security key" },
    };
    char reason[200];
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_int_equal(transport_choose(&cases[i].target, reason, sizeof reason), cases[i].kind);
        assert_non_null(strstr(reason, cases[i].word));
        assert_ptr_equal(strstr(reason, "with "), reason);
    }
}

/* -- What the server allows -------------------------------------------------------------------- */

static void forced_command(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "ForceCommand echo forced\n" });
    ssh_target target = sshd_target(s);
    rig_run(kind, &target, "echo mine", "forced\n", "exited with status 0");
    sshd_stop(s);
}
BOTH(forced_command)

static void no_sessions(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "MaxSessions 0\n" });
    ssh_target target = sshd_target(s);
    rig_refused(kind, &target, NULL, TRANSPORT_EXEC,
                WORDS("node: exec: ", "no session", "MaxSessions"));
    sshd_stop(s);
}
BOTH(no_sessions)

static void banner_is_no_output(transport_kind kind)
{
    sshd *s = rig_sshd(&(sshd_options){ .config = "Banner /etc/passwd\n" });
    ssh_target target = sshd_target(s);
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(s);
}
BOTH(banner_is_no_output)

/* -- Ways -------------------------------------------------------------------------------------- */

/* A configuration in which the jump host has a name. */
static void jump_config(sshd *jump, sshd *s, ssh_target *target, char path[PATH_MAX])
{
    char text[4 * PATH_MAX];
    ssh_target there = sshd_target(jump);
    snprintf(path, PATH_MAX, "%s", sshd_path(s, "config"));
    snprintf(text, sizeof text,
             "Host the-jump\n HostName 127.0.0.1\n Port %u\n User %s\n IdentityFile %s\n"
             " UserKnownHostsFile %s\n GlobalKnownHostsFile none\n IdentityAgent none\n",
             there.port, there.user, there.identities.items[0], there.known_hosts.items[0]);
    write_file(path, text);
    target->config_file = path;
    target->proxy_jump = "the-jump";
}

static void by_jump_host(transport_kind kind)
{
    sshd *jump = rig_sshd(NULL), *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    char path[PATH_MAX];
    jump_config(jump, s, &target, path);
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    sshd_wait_log(jump, "Accepted publickey", 1);
    sshd_wait_log(s, "Accepted publickey", 1);
    assert_int_equal(sshd_count_log(jump, "Accepted publickey"), 1);
    assert_int_equal(sshd_count_log(s, "Accepted publickey"), 1);
    /* It gets as far as the jump host, and then not even there. */
    uint16_t port;
    CLEANUP(closep) UNUSED int fd = rig_listen(-1, &port);
    target.port = port;
    rig_refused(kind, &target, NULL, TRANSPORT_CONNECT, WORDS("Connection refused"));
    sshd_stop(jump);
    rig_refused(kind, &target, NULL, TRANSPORT_CONNECT, WORDS("Connection refused"));
    sshd_stop(s);
}
BOTH(by_jump_host)

/* A configuration that is made for sessions in the background, by way of a jump host or not. */
static void session_types(transport_kind kind)
{
    if (system("ssh -G -N x | grep -q '^sessiontype'") != 0)
        TEST_SKIP("needs OpenSSH 8.7");
    sshd *jump = rig_sshd(NULL), *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    char path[PATH_MAX];
    jump_config(jump, s, &target, path);
    lines_to_file(path, "Host *\n StdinNull yes\n ForkAfterAuthentication yes\n SessionType none\n");
    target.has_session_type = true;
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    target.proxy_jump = NULL;
    rig_run(kind, &target, "echo in", "in\n", "exited with status 0");
    sshd_stop(jump);
    sshd_stop(s);
}
BOTH(session_types)

static void jump_host_forwards_nothing(transport_kind kind)
{
    sshd *jump = rig_sshd(&(sshd_options){ .config = "AllowTcpForwarding no\n" }), *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    char path[PATH_MAX];
    jump_config(jump, s, &target, path);
    rig_refused(kind, &target, NULL, TRANSPORT_CONNECT, WORDS("prohibited", "AllowTcpForwarding"));
    sshd_stop(jump);
    sshd_stop(s);
}
BOTH(jump_host_forwards_nothing)

/* Two jump hosts, of which the configuration says nothing that would help: what gets in there is ours. */
typedef struct two_jumps {
    sshd *jumps[2], *s;
    ssh_target target;
    char names[64], config[PATH_MAX], known[PATH_MAX];
    const char *key;
} two_jumps;

static void two_jumps_start(two_jumps *w)
{
    char text[4096];
    w->jumps[0] = rig_sshd(&(sshd_options){ .unknown = true });
    w->jumps[1] = rig_sshd(&(sshd_options){ .unknown = true });
    w->s = rig_sshd(&(sshd_options){ .unknown = true });
    w->target = sshd_target(w->s);
    snprintf(w->names, sizeof w->names, "127.0.0.1:%u,j2", sshd_port(w->jumps[0]));
    snprintf(w->config, sizeof w->config, "%s", sshd_path(w->s, "config"));
    snprintf(text, sizeof text,
             "Host j2\n HostName 127.0.0.1\n Port %u\n"
             "Host *\n IdentityAgent none\n IdentityFile none\n UserKnownHostsFile /dev/null\n"
             " GlobalKnownHostsFile none\n",
             sshd_port(w->jumps[1]));
    write_file(w->config, text);
    w->target.config_file = w->config;
    w->target.proxy_jump = w->names;
    /* Names that a shell, a ProxyCommand and an option each read in their own way. (fish has its own for
     * backslashes.) */
    setenv("SHELL", "/bin/sh", 1);
    snprintf(w->known, sizeof w->known, "%s", sshd_path(w->s, "known 'to' \"us\" 100%h $HOME \\"));
    w->key = sshd_key(w->s, "it's a `key` %p;#", "ed25519", NULL, true);
    char line[4096];
    read_file(sshd_path(w->s, "it's a `key` %p;#.pub"), line, sizeof line);
    for (size_t i = 0; i < ARRAY_SIZE(w->jumps); i++)
        lines_to_file(sshd_path(w->jumps[i], "authorized_keys"), line);
}

static void two_jumps_stop(two_jumps *w)
{
    for (size_t i = 0; i < ARRAY_SIZE(w->jumps); i++)
        sshd_stop(w->jumps[i]);
    sshd_stop(w->s);
}

/* What is said for all hosts is said for those on the way. */
static void settings_reach_jump_hosts(transport_kind kind)
{
    two_jumps w = { 0 };
    two_jumps_start(&w);
    CLEANUP(freep) char *key = strdup(w.key);
    const char *known = w.known, *keys[] = { key };
    w.target.host_key = SSH_HOST_KEY_ACCEPT_NEW;
    w.target.known_hosts = (ssh_text_list){ &known, 1 };
    w.target.jump_known_hosts = known;
    w.target.identities = w.target.jump_identities = (ssh_text_list){ keys, 1 };
    rig_run(kind, &w.target, "echo in", "in\n", "exited with status 0");
    w.target.host_key = SSH_HOST_KEY_YES; /* all three are known now */
    rig_run(kind, &w.target, "echo in", "in\n", "exited with status 0");
    for (size_t i = 0; i < ARRAY_SIZE(w.jumps); i++) {
        sshd_wait_log(w.jumps[i], "Accepted publickey", 2);
        assert_int_equal(sshd_count_log(w.jumps[i], "Accepted publickey"), 2);
    }
    two_jumps_stop(&w);
}
BOTH(settings_reach_jump_hosts)

/* On the way, no other try gets further: the step says so. */
static void jump_host_lets_nobody_in(transport_kind kind)
{
    two_jumps w = { 0 };
    two_jumps_start(&w);
    CLEANUP(freep) char *key = strdup(w.key);
    const char *known = w.known, *keys[] = { key };
    char at[64];
    snprintf(at, sizeof at, "[127.0.0.1]:%u", sshd_port(w.jumps[0]));
    rig_refused(kind, &w.target, NULL, TRANSPORT_HOST_KEY,
                WORDS("node: host key: by way of ", w.names, "key is known for", at));
    w.target.host_key_no = true;
    rig_refused(kind, &w.target, NULL, TRANSPORT_HOST_KEY, WORDS("by way of", "is not followed"));
    w.target.host_key = SSH_HOST_KEY_ACCEPT_NEW;
    w.target.known_hosts = (ssh_text_list){ &known, 1 };
    w.target.jump_known_hosts = known;
    rig_refused(kind, &w.target, NULL, TRANSPORT_LOGIN,
                WORDS("node: login: by way of ", w.names, "@127.0.0.1: Permission denied",
                      "authorized_keys"));
    /* The first does, the second does not. */
    w.target.jump_identities = (ssh_text_list){ keys, 1 };
    write_file(sshd_path(w.jumps[1], "authorized_keys"), "");
    rig_refused(kind, &w.target, NULL, TRANSPORT_LOGIN,
                WORDS("node: login: by way of ", "@127.0.0.1: Permission denied"));
    sshd_wait_log(w.jumps[0], "Accepted publickey", 1);
    /* They do, the node does not: not the way's fault. */
    w.target.proxy_jump = "j2";
    CLEANUP(freep) char *in = strdup(sshd_path(w.s, "authorized_keys"));
    char line[4096];
    read_file(in, line, sizeof line);
    write_file(sshd_path(w.jumps[1], "authorized_keys"), line);
    write_file(in, "");
    rig_refused(kind, &w.target, NULL, TRANSPORT_LOGIN, WORDS("Permission denied", "node: login: "));
    two_jumps_stop(&w);
}
BOTH(jump_host_lets_nobody_in)

/* RDD_SSH_OPTS is the ssh program's; words are split as a shell does. */
static void users_options(void **state)
{
    (void)state;
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    setenv("RDD_SSH_OPTS", "-4 -o 'BindAddress=127.0.0.2'", 1);
    rig_run(TRANSPORT_OPENSSH, &target, "echo in", "in\n", "exited with status 0");
    sshd_wait_log(s, "Connection from 127.0.0.2 ", 1);
    assert_int_equal(sshd_count_log(s, "Connection from 127.0.0.2 "), 1);
    setenv("RDD_SSH_OPTS", "-o 'Never", 1);
    rig_refused(TRANSPORT_OPENSSH, &target, NULL, TRANSPORT_RESOLVE, WORDS("RDD_SSH_OPTS", "quote"));
    unsetenv("RDD_SSH_OPTS");
    sshd_stop(s);
}

/* A ^C at the terminal goes to the driver's group; ssh has a session of its own. */
static void ssh_has_its_own_session(void **state)
{
    (void)state;
    sshd *s = rig_sshd(NULL);
    ssh_target target = sshd_target(s);
    transport *t = rig_open(TRANSPORT_OPENSSH, &target, "exec cat");
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    int pid, found = 0;
    while (fscanf(file, "%d", &pid) == 1)
        found += getsid(pid) == pid && getpgid(pid) == pid;
    fclose(file);
    assert_int_equal(found, 2); /* and sshd */
    rig_end(t, PATIENCE_NS, "exited with status 0");
    sshd_stop(s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BOTH_TESTS(host_is_unknown),
        BOTH_TESTS(any_host_key_is_not_taken),
        BOTH_TESTS(new_host_is_accepted),
        cmocka_unit_test(new_host_is_hashed),
        BOTH_TESTS(host_has_changed),
        BOTH_TESTS(host_has_another_type),
        BOTH_TESTS(host_is_revoked),
        BOTH_TESTS(host_is_in_a_list_of_revoked_keys),
        BOTH_TESTS(known_type_is_asked_for),
        BOTH_TESTS(host_key_alias),
        BOTH_TESTS(key_is_rejected),
        BOTH_TESTS(key_and_more_is_wanted),
        BOTH_TESTS(server_counts_keys),
        cmocka_unit_test(few_keys_are_offered),
        BOTH_TESTS(passphrase_without_agent),
        BOTH_TESTS(keys_of_old_formats),
        BOTH_TESTS(agent_has_the_key),
        BOTH_TESTS(agent_alone),
        BOTH_TESTS(agent_has_the_named_key),
        cmocka_unit_test(agent_hangs),
        BOTH_TESTS(rsa_key),
        cmocka_unit_test(rsa_key_beside_another),
        cmocka_unit_test(rsa_key_of_the_agent),
        cmocka_unit_test(certificate_of_the_agent),
        cmocka_unit_test(no_second_choice),
        cmocka_unit_test(authority_alone),
        BOTH_TESTS(rsa_host_key),
        BOTH_TESTS(new_ciphers),
        cmocka_unit_test(choices),
        BOTH_TESTS(forced_command),
        BOTH_TESTS(no_sessions),
        BOTH_TESTS(banner_is_no_output),
        BOTH_TESTS(by_jump_host),
        BOTH_TESTS(jump_host_forwards_nothing),
        BOTH_TESTS(settings_reach_jump_hosts),
        BOTH_TESTS(jump_host_lets_nobody_in),
        BOTH_TESTS(session_types),
        cmocka_unit_test(users_options),
        cmocka_unit_test(ssh_has_its_own_session),
    };
    return TEST_MAIN(argc, argv, tests);
}
