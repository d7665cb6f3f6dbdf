/* What a host becomes by the user's ssh configuration, with configurations, keys and ssh programs
 * of this test's own.
 */
#include "ssh_target.h"
#include "conf.h"
#include "ssh_key_kind.h"

#include "test.h"

#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>

static arena memory;
static char path_before[4096];

static int fresh(void **state)
{
    (void)state;
    arena_release(&memory);
    conf_clear();
    unsetenv("SSH_AUTH_SOCK");
    return setenv("PATH", path_before, 1);
}

static void need_ssh(void)
{
    if (system("command -v ssh >/dev/null") != 0)
        TEST_SKIP("needs the ssh program");
}

static void set(const char *key, const char *value)
{
    rdd_error err = { 0 };
    if (conf_set(key, value, &err) < 0)
        fail_msg("%s", err.message);
}

/* A configuration; "@/" in it is the test's directory. */
static void use_config(const char *text)
{
    buf b = { 0 };
    for (; *text; text++)
        if (*text == '@' && text[1] == '/')
            buf_text(&b, test_dir());
        else
            buf_char(&b, *text);
    set("ssh.config", test_file("config", b.data, b.size));
    buf_release(&b);
}

static int try_resolve(const char *entry, ssh_target *ret, rdd_error *err)
{
    host_list list = { 0 };
    rdd_error bad = { 0 };
    if (hosts_parse(entry, "test", &list, &bad) < 0)
        fail_msg("%s", bad.message);
    int code = ssh_target_resolve(&list.items[0], &memory, ret, err);
    host_list_release(&list);
    return code;
}

static ssh_target resolve(const char *entry)
{
    ssh_target t = { 0 };
    rdd_error err = { 0 };
    if (try_resolve(entry, &t, &err) < 0)
        fail_msg("%s: %s", entry, err.message);
    return t;
}

static void assert_failure(const char *entry, const char *message)
{
    ssh_target t = { 0 };
    rdd_error err = { 0 };
    assert_true(try_resolve(entry, &t, &err) < 0);
    assert_string_equal(err.message, message);
    assert_null(t.label);
}

/* Paths in the test's directory, with blanks between them; "" for none. */
static void assert_list(ssh_text_list list, const char *expected)
{
    buf b = { 0 };
    size_t size = strlen(test_dir());
    for (size_t i = 0; i < list.count; i++) {
        const char *item = list.items[i];
        buf_format(&b, "%s%s", i ? " " : "",
                   !strncmp(item, test_dir(), size) && item[size] == '/' ? item + size + 1 : item);
    }
    assert_string_equal(b.size ? buf_terminate(&b) : "", expected);
    buf_release(&b);
}

static const char *here(const char *name)
{
    return arena_format(&memory, "%s/%s", test_dir(), name);
}

/* -- The configuration ------------------------------------------------------------------------- */

static void all_that_is_configured(void **state)
{
    (void)state;
    need_ssh();
    test_file("id_n1.example.org_bob_2222_n1", "x", 1);
    test_file("agent.sock", "", 0);
    use_config("Host n1\n"
               "  HostName %h.example.org\n"
               "  User bob\n"
               "  Port 2222\n"
               "  IdentityFile @/id_%h_%r_%p_%n\n"
               "  IdentityFile @/none\n"
               "  IdentitiesOnly yes\n"
               "  IdentityAgent @/agent.sock\n"
               "  UserKnownHostsFile @/kh_%h \"@/with blank/kh\"\n"
               "  GlobalKnownHostsFile @/global\n"
               "  HostKeyAlias other\n"
               "  ProxyJump u@j1:2222,j2\n"
               "  StrictHostKeyChecking accept-new\n"
               "  HashKnownHosts yes\n"
               "  RevokedHostKeys @/revoked\n"
               "  ConnectTimeout 7\n");
    ssh_target t = resolve("4/n1");
    assert_string_equal(t.label, "n1");
    assert_string_equal(t.alias, "n1");
    assert_string_equal(t.host_name, "n1.example.org");
    assert_string_equal(t.user, "bob");
    assert_int_equal(t.port, 2222);
    assert_list(t.identities, "id_n1.example.org_bob_2222_n1");
    assert_true(t.identities_only);
    assert_string_equal(t.agent, here("agent.sock"));
    assert_list(t.known_hosts, "kh_n1.example.org with blank/kh global");
    assert_string_equal(t.host_key_alias, "other");
    assert_string_equal(t.proxy_jump, "u@j1:2222,j2");
    assert_null(t.proxy_command);
    assert_int_equal(t.host_key, SSH_HOST_KEY_ACCEPT_NEW);
    assert_true(t.hash_known_hosts);
    assert_string_equal(t.revoked_host_keys, here("revoked"));
    assert_int_equal(t.connect_timeout_ms, 7000);
    assert_string_equal(t.config_file, here("config"));
    assert_false(t.has_certificates);
    assert_false(t.has_security_key);
    assert_false(t.only_rsa);
}

static void the_grammar_goes_before(void **state)
{
    (void)state;
    need_ssh();
    test_file("mine", "x", 1);
    test_file("all", "x", 1);
    test_file("configured", "x", 1);
    use_config("Host n1\n User bob\n Port 2222\n HostName elsewhere\n ProxyJump j\n"
               " IdentityFile @/configured\n"
               "Host p\n ProxyCommand x\n");
    char entry[PATH_MAX + 200];
    snprintf(entry, sizeof entry, "ada@n1:7 identity=%s jump=\"g1,eve@g2:22\" address=10.0.0.1",
             here("mine"));
    set("ssh.identity", here("all"));
    ssh_target t = resolve(entry);
    assert_string_equal(t.label, "ada@n1:7");
    assert_string_equal(t.user, "ada");
    assert_int_equal(t.port, 7);
    assert_string_equal(t.host_name, "10.0.0.1");
    assert_string_equal(t.alias, "n1");
    assert_string_equal(t.proxy_jump, "g1,eve@g2:22");
    assert_list(t.identities, "mine all configured");
    t = resolve("n1 jump=none");
    assert_null(t.proxy_jump);
    assert_string_equal(t.host_name, "elsewhere");
    t = resolve("n1 address=fe80::1%lo");
    assert_string_equal(t.host_name, "fe80::1%lo");
    use_config("Host *\n");
    t = resolve("[fe80::1%lo]:7");
    assert_string_equal(t.host_name, "fe80::1%lo");
    assert_string_equal(t.label, "[fe80::1%lo]:7");
    assert_int_equal(t.port, 7);
    t = resolve("[::1]");
    assert_string_equal(t.host_name, "::1");
}

static void settings_go_before(void **state)
{
    (void)state;
    need_ssh();
    static const char config[] = "Host *\n StrictHostKeyChecking %s\n ConnectTimeout 7\n"
                                 " UserKnownHostsFile @/theirs\n GlobalKnownHostsFile @/global\n";
    char text[400];
    static const struct { const char *strict, *set; int expected; } CASES[] = {
        { "yes", NULL, SSH_HOST_KEY_YES },  { "no", NULL, SSH_HOST_KEY_YES },
        { "ask", NULL, SSH_HOST_KEY_YES },  { "off", NULL, SSH_HOST_KEY_YES },
        { "accept-new", NULL, SSH_HOST_KEY_ACCEPT_NEW },
        { "accept-new", "yes", SSH_HOST_KEY_YES },
        { "yes", "accept-new", SSH_HOST_KEY_ACCEPT_NEW },
        { "no", "accept-new", SSH_HOST_KEY_ACCEPT_NEW },
    };
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        conf_clear();
        snprintf(text, sizeof text, config, CASES[i].strict);
        use_config(text);
        if (CASES[i].set)
            set("ssh.host_key", CASES[i].set);
        ssh_target t = resolve("n1");
        assert_int_equal(t.host_key, CASES[i].expected);
        bool no = !strcmp(CASES[i].strict, "no") || !strcmp(CASES[i].strict, "off");
        assert_int_equal(t.host_key_no, no && !CASES[i].set);
    }
    assert_int_equal(resolve("n1").connect_timeout_ms, 7000);
    set("ssh.connect_timeout", "10s");
    assert_int_equal(resolve("n1").connect_timeout_ms, 10000);
    assert_list(resolve("n1").known_hosts, "theirs global");
    set("ssh.known_hosts", here("ours"));
    assert_list(resolve("n1").known_hosts, "ours global");
    use_config("Host *\n UserKnownHostsFile none\n GlobalKnownHostsFile /dev/null\n IdentityFile "
               "none\n");
    conf_set("ssh.known_hosts", "", NULL);
    ssh_target t = resolve("n1");
    assert_list(t.known_hosts, "/dev/null");
    assert_list(t.identities, "");
}

/* What --conf says for all hosts is for those on the way, too; the keys that they have stay. */
/* ssh itself would go on until the machine is full. */
static void jump_hosts_in_a_circle(void **state)
{
    (void)state;
    need_ssh();
    use_config("Host n1\n ProxyJump u@a:22,x\n"
               "Host a\n ProxyJump b\n"
               "Host b\n ProxyJump a\n"
               "Host n2\n ProxyJump c\n"
               "Host c\n ProxyJump d,a\n"
               "Host d\n ProxyCommand nc %h %p\n");
    assert_failure("n1", "n1: ProxyJump of the ssh configuration leads from host to host, 8 times and on, in "
                         "a circle perhaps: see `ssh -G u@a:22`; a jump host that is reached directly has "
                         "ProxyJump none");
    assert_string_equal(resolve("n2").proxy_jump, "c");
    assert_failure("n3 jump=b", "n3: ProxyJump of the ssh configuration leads from host to host, 8 times and "
                                "on, in a circle perhaps: see `ssh -G b`; a jump host that is reached "
                                "directly has ProxyJump none");
}

static void settings_are_for_jump_hosts(void **state)
{
    (void)state;
    need_ssh();
    test_file("all", "x", 1);
    test_file("k_gate", "x", 1);
    test_file("k_10.0.0.9_eve_7", "x", 1);
    test_file("k_node", "x", 1);
    use_config("Host gate\n IdentityFile @/k_gate\n IdentityFile @/none\n"
               "Host far\n HostName 10.0.0.9\n IdentityFile @/k_%h_%r_%p\n IdentityFile @/k_gate\n"
               "Host n1\n IdentityFile @/k_node\n ProxyJump gate,eve@far:7\n"
               "Host n2\n IdentityFile @/k_node\n");
    ssh_target t = resolve("n1");
    assert_null(t.jump_known_hosts);
    assert_int_equal(t.jump_identities.count, 0);
    set("ssh.identity", here("all"));
    set("ssh.known_hosts", here("ours"));
    t = resolve("n1");
    assert_string_equal(t.jump_known_hosts, here("ours"));
    assert_list(t.jump_identities, "all k_gate k_10.0.0.9_eve_7");
    assert_list(t.identities, "all k_node");
    assert_list(resolve("n2 jump=gate").jump_identities, "all k_gate");
    assert_int_equal(resolve("n2").jump_identities.count, 0);
}

static void agents(void **state)
{
    (void)state;
    need_ssh();
    test_file("a1", "", 0);
    test_file("a2", "", 0);
    setenv("SSH_AUTH_SOCK", here("a1"), 1);
    setenv("OTHER_AGENT", here("a2"), 1);
    use_config("Host none\n IdentityAgent none\n"
               "Host same\n IdentityAgent SSH_AUTH_SOCK\n"
               "Host other\n IdentityAgent $OTHER_AGENT\n"
               "Host path\n IdentityAgent @/a2\n"
               "Host gone\n IdentityAgent @/gone\n");
    assert_string_equal(resolve("plain").agent, here("a1"));
    assert_string_equal(resolve("same").agent, here("a1"));
    assert_string_equal(resolve("other").agent, here("a2"));
    assert_string_equal(resolve("path").agent, here("a2"));
    assert_null(resolve("none").agent);
    assert_null(resolve("gone").agent);
    unsetenv("SSH_AUTH_SOCK");
    assert_null(resolve("plain").agent);
    assert_null(resolve("same").agent);
}

static void proxy_commands(void **state)
{
    (void)state;
    need_ssh();
    use_config("Host a\n ProxyCommand nc -X 5 %h %p\nHost b\n ProxyCommand none\nHost c\n "
               "ProxyJump none\n RevokedHostKeys none\n");
    ssh_target t = resolve("a");
    assert_string_equal(t.proxy_command, "nc -X 5 %h %p");
    assert_null(t.proxy_jump);
    t = resolve("b");
    assert_null(t.proxy_command);
    t = resolve("c");
    assert_null(t.proxy_jump);
    assert_null(t.revoked_host_keys);
}

/* -- Keys -------------------------------------------------------------------------------------- */

static void make_key(const char *name, const char *type)
{
    char command[PATH_MAX + 200];
    snprintf(command, sizeof command, "ssh-keygen -q %s -f '%s/%s'", type, test_dir(), name);
    assert_int_equal(system(command), 0);
}

static ssh_key_look look(const char *name)
{
    return ssh_key_look_at(here(name));
}

static void kinds_of_keys(void **state)
{
    (void)state;
    need_ssh();
    make_key("ed", "-t ed25519 -N ''");
    make_key("ed_locked", "-t ed25519 -N secret");
    make_key("ec", "-t ecdsa -N ''");
    make_key("rsa", "-t rsa -b 2048 -N ''");
    make_key("rsa_locked", "-t rsa -b 2048 -N secret");
    make_key("rsa_pem", "-t rsa -b 2048 -m PEM -N ''");
    make_key("ec_pem", "-t ecdsa -m PEM -N ''");
    make_key("rsa_pkcs8", "-t rsa -b 2048 -m PKCS8 -N ''");
    make_key("ec_pkcs8", "-t ecdsa -m PKCS8 -N ''");
    make_key("rsa_pkcs8_locked", "-t rsa -b 2048 -m PKCS8 -N secret");
    static const struct { const char *name; int kind, without_public; } CASES[] = {
        { "ed", SSH_KEY_ED25519, SSH_KEY_ED25519 },
        { "ed_locked", SSH_KEY_ED25519, SSH_KEY_ED25519 },
        { "ec", SSH_KEY_ECDSA, SSH_KEY_ECDSA },
        { "rsa", SSH_KEY_RSA, SSH_KEY_RSA },
        { "rsa_locked", SSH_KEY_RSA, SSH_KEY_RSA },
        { "rsa_pem", SSH_KEY_RSA, SSH_KEY_RSA },
        { "ec_pem", SSH_KEY_ECDSA, SSH_KEY_ECDSA },
        { "rsa_pkcs8", SSH_KEY_RSA, SSH_KEY_RSA },
        { "ec_pkcs8", SSH_KEY_ECDSA, SSH_KEY_ECDSA },
        { "rsa_pkcs8_locked", SSH_KEY_RSA, SSH_KEY_UNKNOWN }, /* nothing in clear tells */
    };
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        char public[PATH_MAX];
        assert_int_equal(look(CASES[i].name).kind, CASES[i].kind);
        assert_false(look(CASES[i].name).certificate);
        snprintf(public, sizeof public, "%s.pub", here(CASES[i].name));
        assert_int_equal(ssh_key_look_at(public).kind, CASES[i].kind);
        assert_int_equal(unlink(public), 0);
        assert_int_equal(look(CASES[i].name).kind, CASES[i].without_public);
    }
    static const char sk[] = "sk-ssh-ed25519@openssh.com AAAA me\n";
    test_file("sk.pub", sk, sizeof sk - 1);
    assert_int_equal(look("sk.pub").kind, SSH_KEY_SECURITY);
    static const char text[] = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA\n";
    test_file("short", text, sizeof text - 1);
    assert_int_equal(look("short").kind, SSH_KEY_UNKNOWN);
    for (size_t size = 0; size < sizeof text; size++) {
        test_file("cut", text, size);
        assert_int_equal(look("cut").kind, SSH_KEY_UNKNOWN);
    }
    assert_int_equal(look("none").kind, SSH_KEY_UNKNOWN);
    assert_int_equal(ssh_key_look_at(test_dir()).kind, SSH_KEY_UNKNOWN);
}

static void what_libssh2_cannot_do(void **state)
{
    (void)state;
    need_ssh();
    make_key("k_rsa", "-t rsa -b 2048 -N ''");
    make_key("k_rsa2", "-t rsa -b 2048 -N ''");
    make_key("k_ed", "-t ed25519 -N ''");
    make_key("k_signed", "-t ed25519 -N ''");
    make_key("ca", "-t ed25519 -N ''");
    char command[3 * PATH_MAX];
    snprintf(command, sizeof command, "cd '%s' && ssh-keygen -q -s ca -I me k_signed.pub",
             test_dir());
    assert_int_equal(system(command), 0);
    static const char sk[] = "sk-ssh-ed25519@openssh.com AAAA me\n";
    test_file("k_sk.pub", sk, sizeof sk - 1);
    test_file("k_sk", "x", 1);
    test_file("sock", "", 0);
    use_config("Host rsa both rsa-agent\n IdentityFile @/k_rsa\n IdentityFile @/k_rsa2\n"
               "Host rsa-agent\n IdentityAgent @/sock\n"
               "Host both\n IdentityFile @/k_ed\n"
               "Host sk\n IdentityFile @/k_sk\n"
               "Host signed\n IdentityFile @/k_signed\n"
               "Host certificate\n IdentityFile @/k_ed\n CertificateFile @/k_signed-cert.pub\n"
               "Host none\n IdentityFile @/none\n CertificateFile @/none\n"
               "Host public\n IdentityFile @/k_only\n");
    ssh_target t = resolve("rsa");
    assert_list(t.identities, "k_rsa k_rsa2");
    assert_true(t.only_rsa && !t.has_security_key && !t.has_certificates);
    t = resolve("rsa-agent");
    assert_false(t.only_rsa);
    t = resolve("both");
    assert_true(!t.only_rsa && !t.has_security_key && !t.has_certificates);
    t = resolve("sk");
    assert_true(!t.only_rsa && t.has_security_key && !t.has_certificates);
    t = resolve("signed");
    assert_true(!t.only_rsa && !t.has_security_key && t.has_certificates);
    t = resolve("certificate");
    assert_true(!t.only_rsa && !t.has_security_key && t.has_certificates);
    t = resolve("none");
    assert_true(!t.only_rsa && !t.has_security_key && !t.has_certificates);
    assert_list(t.identities, "");

    /* Its private half is in the agent; so it is named. */
    assert_int_equal(rename(here("k_ed.pub"), here("k_only.pub")), 0);
    t = resolve("public");
    assert_list(t.identities, "k_only.pub");
}

static void a_key_that_was_named_must_be_there(void **state)
{
    (void)state;
    use_config("Host *\n");
    char entry[PATH_MAX + 40], expected[PATH_MAX + 100];
    snprintf(entry, sizeof entry, "n1 identity=%s", here("gone"));
    snprintf(expected, sizeof expected, "n1: identity=%s: the key cannot be read: No such file or "
                                        "directory",
             here("gone"));
    assert_failure(entry, expected);
    set("ssh.identity", here("gone"));
    snprintf(expected, sizeof expected,
             "n1: --conf ssh.identity=%s: the key cannot be read: No such file or directory", here("gone"));
    assert_failure("n1", expected);
}

/* -- The ssh program --------------------------------------------------------------------------- */

static void use_program(const char *script)
{
    assert_int_equal(mkdir(test_path("bin"), 0755) == 0 || errno == EEXIST, 1);
    const char *path = test_file("bin/ssh", script, strlen(script));
    assert_int_equal(chmod(path, 0755), 0);
    char value[PATH_MAX + sizeof path_before];
    snprintf(value, sizeof value, "%s:%s", here("bin"), path_before);
    setenv("PATH", value, 1);
}

/* For a session in the background, as of ssh -f; ssh -G is not to want a command for it. */
static void session_types(void **state)
{
    (void)state;
    need_ssh();
    use_config("Host *\n Port 2222\n");
    if (!resolve("n1").has_session_type)
        TEST_SKIP("needs OpenSSH 8.7");
    use_config("Host f\n ForkAfterAuthentication yes\n StdinNull yes\n Port 2222\n"
               "Host n\n SessionType none\n Port 2222\n"
               "Host s\n SessionType subsystem\n Port 2222\n"
               "Host c\n ForkAfterAuthentication yes\n RemoteCommand true\n Port 2222\n");
    static const char *const hosts[] = { "f", "n", "s", "c" };
    for (size_t i = 0; i < ARRAY_SIZE(hosts); i++)
        assert_int_equal(resolve(hosts[i]).port, 2222);
    use_program("#!/bin/sh\necho stdinnull no\necho sessiontype default\n");
    assert_false(resolve("n1").has_session_type);
}

static void without_an_ssh_program(void **state)
{
    (void)state;
    const struct passwd *me = getpwuid(getuid());
    assert_non_null(me);
    setenv("PATH", here("nothing"), 1);
    ssh_target t = resolve("n1");
    assert_string_equal(t.host_name, "n1");
    assert_string_equal(t.user, me->pw_name);
    assert_int_equal(t.port, 22);
    assert_int_equal(t.host_key, SSH_HOST_KEY_YES);
    assert_int_equal(t.connect_timeout_ms, 10000);
    assert_int_equal(t.known_hosts.count, 4);
    char expected[PATH_MAX];
    snprintf(expected, sizeof expected, "%s/.ssh/known_hosts", me->pw_dir);
    assert_string_equal(t.known_hosts.items[0], expected);
    assert_string_equal(t.known_hosts.items[2], "/etc/ssh/ssh_known_hosts");
    assert_null(t.proxy_jump);
    t = resolve("ada@n1:7 address=10.0.0.1 jump=gate");
    assert_string_equal(t.host_name, "10.0.0.1");
    assert_string_equal(t.user, "ada");
    assert_int_equal(t.port, 7);
    assert_string_equal(t.proxy_jump, "gate");
    set("ssh.config", "none");
    assert_string_equal(resolve("n1").host_name, "n1");
    set("ssh.config", "/etc/hosts");
    assert_failure("n1", "n1: --conf ssh.config=/etc/hosts needs the ssh program, and there is "
                         "none here; install OpenSSH's client");
}

/* Its arguments, one a line. */
static void nothing_is_injected(void **state)
{
    (void)state;
    char script[PATH_MAX + 200], text[4096] = "";
    snprintf(script, sizeof script, "#!/bin/sh\nprintf '%%s\\n' \"$@\" >'%s'\necho hostname x\n",
             here("argv"));
    use_program(script);
    set("ssh.config", "none");
    resolve("ada@n1:7 jump=\"a,b\" address=fe80::1%lo slots=4");
    FILE *file = fopen(here("argv"), "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_string_equal(text, "-G\n-T\n-N\n-F\nnone\n-p\n7\n-l\nada\n-J\na,b\n-o\n"
                              "HostName=fe80::1%%lo\n--\nn1\n");
}

static void a_broken_configuration_says_so(void **state)
{
    (void)state;
    need_ssh();
    use_config("Host *\n NoSuchKeyword yes\n");
    char expected[PATH_MAX + 300];
    snprintf(expected, sizeof expected,
             "n1: ssh -G says \"%s: line 2: Bad configuration option: nosuchkeyword\"; mend your "
             "ssh configuration, or choose another with --conf ssh.config=FILE",
             here("config"));
    assert_failure("n1", expected);
    set("ssh.config", here("gone"));
    ssh_target t;
    rdd_error err = { 0 };
    assert_int_equal(try_resolve("n1", &t, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "No such file"));
    set("ssh.config", "none");
    assert_string_equal(resolve("n1").host_name, "n1");
}

static void odd_answers(void **state)
{
    (void)state;
    use_program("#!/bin/sh\nprintf 'port 99999\\nuser \\n\\nnonsense\\nport\\nconnecttimeout "
                "none\\nidentityfile %%x/none\\nuserknownhostsfile  /a  b /c %%z/d\\n"
                "stricthostkeychecking maybe'\n");
    ssh_target t = resolve("n1");
    assert_int_equal(t.port, 22);
    assert_string_equal(t.host_name, "n1");
    assert_string_not_equal(t.user, "");
    assert_list(t.known_hosts, "/a  b /c");
    assert_int_equal(t.host_key, SSH_HOST_KEY_YES);
    use_program("#!/bin/sh\nexit 3\n");
    assert_failure("n1", "n1: ssh -G says \"\"; mend your ssh configuration, or choose another "
                         "with --conf ssh.config=FILE");
}

/* It and what it has started are killed, which closes what they hold. */
static void a_program_that_hangs_is_ended(void **state)
{
    (void)state;
    char script[PATH_MAX + 100];
    snprintf(script, sizeof script, "#!/bin/sh\necho $$ >'%s'\nsleep 1000 & sleep 1000\n", here("pid"));
    use_program(script);
    assert_failure("n1", "n1: ssh -G took longer than 10 s; see what your ssh configuration runs "
                         "(Match exec, CanonicalizeHostname)");
    FILE *file = fopen(here("pid"), "r");
    int pid = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    assert_int_equal(kill(pid, 0), -1);
}

/* A node's thread resolves its own host. */
static void *resolve_some(void *arg)
{
    arena a = { 0 };
    for (int i = 0; i < 5; i++) {
        host h = { .name = arg };
        ssh_target t;
        if (ssh_target_resolve(&h, &a, &t, NULL) || strcmp(t.alias, arg) != 0 || t.port != 2222)
            arg = NULL;
    }
    arena_release(&a);
    return arg;
}

static void threads(void **state)
{
    (void)state;
    need_ssh();
    use_config("Host *\n Port 2222\n");
    char names[4][8] = { "n1", "n2", "n3", "n4" };
    pthread_t ids[4];
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        assert_int_equal(pthread_create(&ids[i], NULL, resolve_some, names[i]), 0);
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        void *result;
        pthread_join(ids[i], &result);
        assert_non_null(result);
    }
}

static int finish(void **state)
{
    (void)state;
    arena_release(&memory);
    conf_clear();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(all_that_is_configured, fresh),
        cmocka_unit_test_setup(the_grammar_goes_before, fresh),
        cmocka_unit_test_setup(settings_go_before, fresh),
        cmocka_unit_test_setup(jump_hosts_in_a_circle, fresh),
        cmocka_unit_test_setup(settings_are_for_jump_hosts, fresh),
        cmocka_unit_test_setup(agents, fresh),
        cmocka_unit_test_setup(session_types, fresh),
        cmocka_unit_test_setup(proxy_commands, fresh),
        cmocka_unit_test_setup(kinds_of_keys, fresh),
        cmocka_unit_test_setup(what_libssh2_cannot_do, fresh),
        cmocka_unit_test_setup(a_key_that_was_named_must_be_there, fresh),
        cmocka_unit_test_setup(without_an_ssh_program, fresh),
        cmocka_unit_test_setup(nothing_is_injected, fresh),
        cmocka_unit_test_setup(a_broken_configuration_says_so, fresh),
        cmocka_unit_test_setup(odd_answers, fresh),
        cmocka_unit_test_setup(a_program_that_hangs_is_ended, fresh),
        cmocka_unit_test_setup(threads, fresh),
    };
    snprintf(path_before, sizeof path_before, "%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
    return TEST_MAIN_GROUP(argc, argv, tests, NULL, finish);
}
