/* What is read from outside while a transport starts: ssh's words, a server's first packet, key
 * files. */
#include "ssh_complaint.h"
#include "ssh_kexinit.h"
#include "ssh_key_file.h"

#include "test.h"

/* -- The words of ssh -------------------------------------------------------------------------- */

static void complaints(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        transport_step at;
        bool greeted;
        transport_step step;
        bool dropped;
        const char *what;
    } cases[] = {
        { "ssh: Could not resolve hostname x: Name or service not known\n", TRANSPORT_RESOLVE, false,
          TRANSPORT_RESOLVE, false, "Could not resolve hostname x: Name or service not known" },
        { "ssh: connect to host x port 22: Connection refused\n", TRANSPORT_CONNECT, false,
          TRANSPORT_CONNECT, false, "connect to host x port 22: Connection refused" },
        { "kex_exchange_identification: read: Connection reset by peer\n"
          "Connection reset by 10.0.0.1 port 22\n", TRANSPORT_EXCHANGE, false,
          TRANSPORT_EXCHANGE, true, "kex_exchange_identification: read: Connection reset by peer" },
        { "Connection closed by 10.0.0.1 port 22\n", TRANSPORT_LOGIN, true, TRANSPORT_LOGIN, false,
          "Connection closed by 10.0.0.1 port 22" },
        { "kex_exchange_identification: banner line 0: Exceeded MaxStartups\n", TRANSPORT_EXCHANGE,
          false, TRANSPORT_EXCHANGE, true,
          "kex_exchange_identification: banner line 0: Exceeded MaxStartups" },
        { "kex_exchange_identification: banner line 0: Not allowed at this time\n",
          TRANSPORT_EXCHANGE, false, TRANSPORT_EXCHANGE, false,
          "kex_exchange_identification: banner line 0: Not allowed at this time" },
        { "me@x: Permission denied (publickey,password).\r\n", TRANSPORT_LOGIN, true, TRANSPORT_LOGIN,
          false, "me@x: Permission denied (publickey,password)" },
        { "something new\nthat nobody knows\n\n", TRANSPORT_HOST_KEY, true, TRANSPORT_HOST_KEY,
          false, "that nobody knows" },
        { "", TRANSPORT_EXEC, true, TRANSPORT_EXEC, false, "" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        ssh_complaint why;
        ssh_complaint_find(cases[i].text, cases[i].at, cases[i].greeted, &why);
        assert_string_equal(why.what, cases[i].what);
        assert_int_equal(why.step, cases[i].step);
        assert_int_equal(why.dropped, cases[i].dropped);
    }
}

/* The log comes in any pieces, and may be longer than what is kept. */
static void log_in_pieces(void **state)
{
    (void)state;
    static const char text[] = "OpenSSH_9.2p1\r\ndebug1: Connecting to x [::1] port 22.\r\n"
                               "debug1: Connection established.\r\n"
                               "debug1: Remote protocol version 2.0, remote software version x\r\n"
                               "debug1: Server host key: ssh-ed25519 SHA256:abc\r\n"
                               "debug1: SSH2_MSG_NEWKEYS sent\r\n"
                               "Authenticated to x ([::1]:22) using \"publickey\".\r\n"
                               "debug1: Sending command: true\r\n"
                               "a complaint\r\n";
    ssh_log *log = calloc(1, sizeof *log);
    size_t at = 0;
    while (at < sizeof text - 1) {
        size_t size = size_min(1 + test_random_below(30), sizeof text - 1 - at);
        ssh_log_add(log, text + at, size);
        at += size;
    }
    assert_int_equal(log->step, TRANSPORT_STEPS);
    assert_true(log->greeted);
    assert_string_equal(log->host_key, "ssh-ed25519 SHA256:abc");
    assert_string_equal(ssh_log_complaints(log), "a complaint\n");
    char line[3000];
    for (size_t i = 0; i < 2000; i++) {
        size_t size = test_random_below(sizeof line - 1);
        memset(line, 'a' + (int)(i % 26), size);
        line[size] = '\n';
        ssh_log_add(log, line, size + 1);
        assert_true(strlen(ssh_log_complaints(log)) < SSH_COMPLAINTS_MAX);
    }
    ssh_log_add(log, "last\n", 5);
    const char *kept = ssh_log_complaints(log);
    assert_string_equal(kept + strlen(kept) - 5, "last\n");
    free(log);
}

/* -- The first packet of a server -------------------------------------------------------------- */

static size_t put_list(unsigned char *at, const char *names)
{
    size_t size = strlen(names);
    at[0] = at[1] = 0;
    at[2] = (unsigned char)(size >> 8);
    at[3] = (unsigned char)size;
    memcpy(at + 4, names, size);
    return 4 + size;
}

static size_t first_packet(unsigned char *bytes)
{
    static const char greeting[] = "hello\r\nSSH-2.0-test\r\n";
    static const char *const lists[] = { "kex1,kex2", "ssh-rsa", "c1", "c2,c3", "m1", "m2" };
    size_t size = sizeof greeting - 1;
    memcpy(bytes, greeting, size);
    memset(bytes + size, 0, 5);
    bytes[size + 5] = 20;
    memset(bytes + size + 6, 0, 16);
    size += 22;
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        size += put_list(bytes + size, lists[i]);
    return size;
}

static bool is(rdd_str text, const char *expected)
{
    return text.size == strlen(expected) && !memcmp(text.data, expected, text.size);
}

static void kexinit(void **state)
{
    (void)state;
    unsigned char bytes[512];
    size_t size = first_packet(bytes);
    ssh_kexinit k;
    ssh_kexinit_read(bytes, size, &k);
    assert_true(k.greeted && k.has_lists);
    assert_true(is(k.line, "SSH-2.0-test"));
    assert_true(is(k.kex, "kex1,kex2") && is(k.host_key, "ssh-rsa"));
    assert_true(is(k.cipher, "c2,c3") && is(k.mac, "m2"));
    assert_true(ssh_kexinit_share(k.cipher, "c1,c3"));
    assert_false(ssh_kexinit_share(k.cipher, "c1,c33,c"));
    assert_false(ssh_kexinit_share(k.cipher, ""));
    for (size_t cut = 0; cut < size; cut++) { /* an exact copy, so that a sanitizer sees too much */
        CLEANUP(freep) unsigned char *less = malloc(cut ? cut : 1);
        memcpy(less, bytes, cut);
        ssh_kexinit_read(less, cut, &k);
        assert_false(k.has_lists);
    }
    for (int i = 0; i < 20000; i++) {
        size_t at = test_random_below(size);
        unsigned char was = bytes[at];
        bytes[at] = (unsigned char)test_random();
        ssh_kexinit_read(bytes, size, &k);
        bytes[at] = was;
    }
}

/* -- Key files --------------------------------------------------------------------------------- */

static void bad_key_files(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "no key", "-----BEGIN OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n?\n-----END OPENSSH PRIVATE KEY-----\n",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEA/////w==\n-----END",
    };
    ssh_key_file *k = calloc(1, sizeof *k);
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        ssh_key_file_read(test_file("key", texts[i], strlen(texts[i])), k);
        assert_false(k->readable);
        assert_int_equal(k->blob_size, 0);
    }
    ssh_key_file_read(test_path("none"), k);
    assert_false(k->readable);
    const char *pem = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n";
    ssh_key_file_read(test_file("key", pem, strlen(pem)), k);
    assert_true(k->readable && k->encrypted);
    assert_string_equal(k->type, "ssh-rsa");
    free(k);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(complaints),
        cmocka_unit_test(log_in_pieces),
        cmocka_unit_test(kexinit),
        cmocka_unit_test(bad_key_files),
    };
    return TEST_MAIN(argc, argv, tests);
}
