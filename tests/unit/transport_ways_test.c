/* The ways to a server, against real ones: jump hosts, sessions of other types, the user's options. */
#include "login_rig.h"

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
