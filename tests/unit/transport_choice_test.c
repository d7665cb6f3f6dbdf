/* What libssh2 cannot do, and that the ssh program is then taken, by itself, against a real sshd. */
#include "login_rig.h"

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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BOTH_TESTS(rsa_key),
        cmocka_unit_test(rsa_key_beside_another),
        cmocka_unit_test(rsa_key_of_the_agent),
        cmocka_unit_test(certificate_of_the_agent),
        cmocka_unit_test(no_second_choice),
        cmocka_unit_test(authority_alone),
        BOTH_TESTS(rsa_host_key),
        BOTH_TESTS(new_ciphers),
        cmocka_unit_test(choices),
    };
    return TEST_MAIN(argc, argv, tests);
}
