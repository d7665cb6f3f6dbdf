/* How the transports get in, and what they say when they do not, against a real sshd: host keys, keys,
 * agents, what the server allows. */
#include "login_rig.h"

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
        BOTH_TESTS(forced_command),
        BOTH_TESTS(no_sessions),
        BOTH_TESTS(banner_is_no_output),
    };
    return TEST_MAIN(argc, argv, tests);
}
