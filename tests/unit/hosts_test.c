/* The grammar of hosts: what users type, what it means, and what is said when it means nothing. */
#include "hosts.h"

#include "test.h"

static host_list parse(const char *text)
{
    host_list list = { 0 };
    rdd_error err = { 0 };
    if (hosts_parse(text, "--master", &list, &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return list;
}

/* All hosts as "slots/user@name:port key=value", with blanks between them. */
static void assert_hosts(const char *text, const char *expected)
{
    host_list list = parse(text);
    buf b = { 0 };
    for (size_t i = 0; i < list.count; i++) {
        const host *h = &list.items[i];
        char name[300];
        host_describe(h, name, sizeof name);
        if (i)
            buf_char(&b, ' ');
        if (h->slots)
            buf_format(&b, "%u/", h->slots);
        buf_text(&b, name);
        const char *values[] = { h->identity, h->jump, h->workdir, h->address };
        static const char *const keys[] = { "identity", "jump", "workdir", "address" };
        for (size_t k = 0; k < ARRAY_SIZE(keys); k++)
            if (values[k])
                buf_format(&b, " %s=%s", keys[k], values[k]);
        assert_int_equal(h->local, !strcmp(h->name, ":"));
    }
    assert_string_equal(buf_terminate(&b), expected);
    buf_release(&b);
    host_list_release(&list);
}

static void assert_refused(const char *text, const char *message)
{
    host_list list = { 0 };
    rdd_error err = { 0 };
    int code = hosts_parse(text, "--master", &list, &err);
    if (code == 0)
        fail_msg("%s: was taken", text);
    assert_int_equal(code, err.code);
    assert_string_equal(err.message, message);
    assert_null(list.items);
    assert_int_equal(list.count, 0);
}

static void one_host_in_all_its_forms(void **state)
{
    (void)state;
    assert_hosts("n1", "n1");
    assert_hosts("n1:2222", "n1:2222");
    assert_hosts("ada@n1", "ada@n1");
    assert_hosts("4/ada@n1:2222", "4/ada@n1:2222");
    assert_hosts("ada@n1:2222/4", "4/ada@n1:2222");
    assert_hosts("n1/4", "4/n1");
    assert_hosts("10.0.0.7", "10.0.0.7");
    assert_hosts("ada@corp@n1", "ada@corp@n1");
    assert_hosts("n_1.example.org.", "n_1.example.org.");
    assert_hosts("knoten-größe", "knoten-größe");
    assert_hosts("ssh://ada@n1:2222", "ada@n1:2222");
    assert_hosts("localhost", "localhost");
    assert_hosts(" \t n1 \r", "n1");
    assert_hosts("a:65535", "a:65535");
    assert_hosts("4096/a", "4096/a");
}

static void this_machine(void **state)
{
    (void)state;
    assert_hosts(":", "this machine");
    assert_hosts("4/:", "4/this machine");
    assert_hosts(": slots=2", "2/this machine");
    assert_hosts("n1,:", "n1 this machine");
    assert_refused("ada@:", "--master: \"ada@:\": \":\" is this machine without SSH, so it has no "
                            "user; for SSH to it write ada@localhost");
    assert_refused(": workdir=/a", "--master: \": workdir=/a\": workdir makes no sense for \":\", this "
                                   "machine without SSH");
    assert_refused(": jump=b", "--master: \": jump=b\": jump makes no sense for \":\", this "
                               "machine without SSH");
    assert_refused(":22", "--master: \":22\": the host name is missing; give "
                          "[slots/][user@]host[:port] [key=value …]");
}

static void ipv6(void **state)
{
    (void)state;
    assert_hosts("[::1]", "::1");
    assert_hosts("[::1]:22", "[::1]:22");
    assert_hosts("2/ada@[fe80::1%eth0]:22", "2/ada@[fe80::1%eth0]:22");
    assert_hosts("[2001:db8::7],[2001:db8::8]/2", "2001:db8::7 2/2001:db8::8");
    assert_refused("::1", "--master: \"::1\": an IPv6 address goes into brackets, as in [::1] or "
                          "[::1]:22");
    assert_refused("[::1", "--master: \"[::1\": an IPv6 address is written [::1] or [::1]:22");
    assert_refused("[::1]22",
                   "--master: \"[::1]22\": an IPv6 address is written [::1] or [::1]:22");
    assert_refused("[:::1]", "--master: \"[:::1]\": :::1 is no IPv6 address");
    assert_refused("[fe80::1%]", "--master: \"[fe80::1%]\": fe80::1% is no IPv6 address");
    assert_refused("[fe80::1%a b]", "--master: \"[fe80::1%a b]\": an IPv6 address is written [::1] "
                                    "or [::1]:22");
}

static void several(void **state)
{
    (void)state;
    assert_hosts("n1,4/n2,ada@n3:2222", "n1 4/n2 ada@n3:2222");
    assert_hosts(",n1,,n2,", "n1 n2");
    assert_hosts("n1\nn2\r\n\n  n3  \n", "n1 n2 n3");
    assert_hosts("# all of them\nn1 # the fast one\n\t# nothing\nn2,n3 # two, and more\n4/n4",
                 "n1 n2 n3 4/n4");
    assert_hosts("n1,n1:22,ada@n1,bob@n1", "n1 n1:22 ada@n1 bob@n1");
    assert_hosts("n1 slots=2, n2", "2/n1 n2");
}

static void ranges(void **state)
{
    (void)state;
    assert_hosts("n[1-3]", "n1 n2 n3");
    assert_hosts("n[08-11]", "n08 n09 n10 n11");
    assert_hosts("n[8-11].lan:22", "n8.lan:22 n9.lan:22 n10.lan:22 n11.lan:22");
    assert_hosts("n[098-101]", "n098 n099 n100 n101");
    assert_hosts("n[1,3-5],m1", "n1 n3 n4 n5 m1");
    assert_hosts("2/ada@r[1-2]-n[01,03]:7", "2/ada@r1-n01:7 2/ada@r1-n03:7 2/ada@r2-n01:7 "
                                            "2/ada@r2-n03:7");
    assert_hosts("10.0.0.[9-10]", "10.0.0.9 10.0.0.10");
    assert_hosts("n[7]", "n7");
    assert_hosts("n[00]", "n00");
    assert_hosts("n[1-2] jump=gate", "n1 jump=gate n2 jump=gate");
    host_list list = parse("n[0001-4096]");
    assert_int_equal(list.count, HOSTS_MAX);
    assert_string_equal(list.items[4095].name, "n4096");
    host_list_release(&list);
    list = parse("r[1-64]-n[1-64]");
    assert_int_equal(list.count, HOSTS_MAX);
    assert_string_equal(list.items[64].name, "r2-n1");
    host_list_release(&list);
}

static void bad_ranges(void **state)
{
    (void)state;
    static const char numbers[] = "a range is made of numbers, as in n[01-16] or n[1,3-5]";
    static const char *const bad[] = { "n[]", "n[a-c]", "n[1-]", "n[-3]", "n[1,]", "n[1-2-3]", "n[[1]]",
                                       "n[1 2]" };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char message[200];
        snprintf(message, sizeof message, "--master: \"%s\": %s", bad[i],
                 strchr(bad[i], ' ') ? "a [ is not closed; write n[1-3]" : numbers);
        assert_refused(bad[i], message);
    }
    assert_refused("n[3-1]", "--master: \"n[3-1]\": the range 3-1 counts down; write the smaller "
                             "number first");
    assert_refused("n[1-3", "--master: \"n[1-3\": a [ is not closed; write n[1-3]");
    assert_refused("n1-3]", "--master: \"n1-3]\": there is a ] without a [ before it");
    assert_refused("n[1-4097]", "--master: \"n[1-4097]\": more than 4096 hosts");
    assert_refused("n[1-999999999][1-999999999][1-999999999]",
                   "--master: \"n[1-999999999][1-999999999][1-999999999]\": more than 4096 hosts");
    assert_refused("n[1-4095],m[1-2]", "--master: \"m[1-2]\": more than 4096 hosts");
    assert_refused("n[1-1234567890]", "--master: \"n[1-1234567890]\": a number of a range has at "
                                      "most 9 digits");
    assert_refused("n{1..3}", "--master: \"n{1..3}\": a host name has no '{' in it; ranges are "
                              "written n[1-3]");
    assert_refused("[1-3]", "--master: \"[1-3]\": a number is no host name; for slots write 4/n1, "
                            "for this machine 4/:");
    assert_refused("n[1-2] address=10.0.0.1",
                   "--master: \"n[1-2] address=10.0.0.1\": one address for 2 hosts; give each its "
                   "own entry");
}

static void keys(void **state)
{
    (void)state;
    assert_hosts("n1 slots=4", "4/n1");
    assert_hosts("n1  identity=~/.ssh/id_x\tjump=gate  workdir=/scratch",
                 "n1 identity=~/.ssh/id_x jump=gate workdir=/scratch");
    assert_hosts("n1 jump=\"a,bob@b:22\" address=10.0.0.1,n2", "n1 jump=a,bob@b:22 "
                                                               "address=10.0.0.1 n2");
    assert_hosts("n1 identity=\"/keys of mine/#1, old\"", "n1 identity=/keys of mine/#1, old");
    assert_hosts("n1 identity=/keys/#1", "n1 identity=/keys/#1");
    assert_hosts("n1 address=[::1]", "n1 address=::1");
    assert_hosts("n1 address=fe80::1%lo", "n1 address=fe80::1%lo");
    assert_hosts("n1 jump=none", "n1 jump=none");
    assert_refused("n1 max=4", "--master: \"n1 max=4\": there is no key \"max\"; there are slots, "
                               "identity, jump, workdir, address");
    assert_refused("slots=4", "--master: \"slots=4\": a host comes before its slots=…");
    assert_refused("n1 n2", "--master: \"n1 n2\": \"n2\" is no key=value; hosts are separated by "
                            "commas or lines");
    assert_refused("n1 jump=", "--master: \"n1 jump=\": jump has no value");
    assert_refused("n1 jump=a jump=b", "--master: \"n1 jump=a jump=b\": jump is given twice");
    assert_refused("4/n1 slots=4", "--master: \"4/n1 slots=4\": its slots are given twice");
    assert_refused("n1 workdir=a", "--master: \"n1 workdir=a\": workdir must be an absolute path");
    assert_refused("n1 jump=\"a", "--master: \"n1 jump=\"a\": the quotes of jump do not match");
    assert_refused("n1 jump=\"a\"b", "--master: \"n1 jump=\"a\"b\": the quotes of jump do not "
                                     "match");
    assert_refused("n1 jump=\"a,,b\"", "--master: \"n1 jump=\"a,,b\"\": jump must be "
                                       "[user@]host[:port], or "
                                       "several with commas between them and quotes around them");
    assert_refused("n1 identity=/a\x01",
                   "--master: \"n1 identity=/a?\": identity has a control character in it");
}

/* Nothing that a program would take for an option, or a shell for more than a word. */
static void nothing_can_be_smuggled_in(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "-oProxyCommand=x", "4/-oProxyCommand", "-l@n1", "ada@-n1", "-a@b@n1", "$(x)", "`x`", "n1;x",
        "n1|x", "n1&x", "n1>x", "n1<x", "n'1", "n\\1", "n*", "n?", "n1!", "n1~", "a\"b", "n1 jump=-oX",
        "n1 jump=\"a,-oX\"", "n1 jump=$(x)", "n1 jump=\"a b\"", "n1 address=-oX", "n1 address=$(x)",
        "n1 address=\"a b\"", "ada;x@n1", "ada$x@n1", "n1 workdir=\"/a\tb\"", "n\x01", "n\x7f", "%h",
        "n1 jump=a;b", "[::1%$(x)]", "n1 address=::1%$x",
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        host_list list = { 0 };
        rdd_error err = { 0 };
        if (hosts_parse(bad[i], "--master", &list, &err) == 0)
            fail_msg("%s was taken", bad[i]);
        for (const char *at = err.message; *at; at++)
            assert_true((unsigned char)*at >= ' ' && *at != 0x7f);
    }
    assert_refused("-n1", "--master: \"-n1\": a host name cannot begin with \"-\"");
    assert_refused("n1;rm", "--master: \"n1;rm\": a host name has no ';' in it");
}

static void numbers(void **state)
{
    (void)state;
    static const char number[] = "a number is no host name; for slots write 4/n1, for this machine "
                                 "4/:";
    static const char slots[] = "slots must be a number from 1 to 4096, as in 4/n1; leave them out "
                                "for as many as the node has processors";
    static const char port[] = "the port behind \":\" must be a number from 1 to 65535";
    static const char *const bad[][2] = {
        { "4", number }, { "4/8", number }, { "ada@4", number }, { "4:22", number }, { "0/n1", slots },
        { "4097/n1", slots }, { "x/n1", slots }, { "n1/", slots }, { "n1/0", slots },
        { "n1 slots=-1", slots }, { "n1 slots=99999999999", slots }, { "n1:", port }, { "n1:0", port },
        { "n1:65536", port }, { "n1:ssh", port }, { "n1:+1", port }, { "[::1]:", port },
    };
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char message[300];
        snprintf(message, sizeof message, "--master: \"%s\": %s", bad[i][0], bad[i][1]);
        assert_refused(bad[i][0], message);
    }
    assert_refused("1/n1/2", "--master: \"1/n1/2\": there is more than one \"/\"; give "
                             "[slots/][user@]host[:port] [key=value …]");
    assert_refused("4/", "--master: \"4/\": the host name is missing; give "
                         "[slots/][user@]host[:port] [key=value …]");
    assert_refused("@n1", "--master: \"@n1\": the user is missing; give "
                          "[slots/][user@]host[:port] [key=value …]");
    assert_refused("n1,@hosts.txt", "--master: \"@hosts.txt\": the user is missing; give "
                                    "[slots/][user@]host[:port] [key=value …]");
}

static void lengths(void **state)
{
    (void)state;
    char text[5000];
    memset(text, 'a', sizeof text);
    memcpy(text + 256, "@n", 3);
    host_list list = { 0 };
    rdd_error err = { 0 };
    assert_int_equal(hosts_parse(text, "w", &list, &err), RDD_E_USAGE);
    assert_non_null(strstr(err.message, "aaaa…\": a user has at most 255 characters"));
    memset(text, 'a', sizeof text);
    text[255] = 0;
    assert_hosts(text, text);
    text[255] = 'a';
    text[256] = 0;
    assert_int_equal(hosts_parse(text, "w", &list, &err), RDD_E_USAGE);
    assert_non_null(strstr(err.message, "aaaa…\": a host name has at most 255 characters"));
    text[256] = 'a';
    text[4999] = 0;
    assert_int_equal(hosts_parse(text, "w", &list, &err), RDD_E_LIMIT);
    assert_non_null(strstr(err.message, "an entry has at most 4095 characters"));
}

static void a_host_twice_is_an_error(void **state)
{
    (void)state;
    assert_refused("n1,n2,n1", "--master: \"n1\": n1 is host number 1 (before) and host number 3; "
                               "name it once, with more slots if need be");
    assert_refused("n1\n\n2/N1", "--master line 3: \"2/N1\": N1 is host number 1 (on line 1) and "
                                 "host number 2; name it once, with more slots if need be");
    assert_refused("n[1-3],n2", "--master: \"n2\": n2 is host number 2 (before) and host number 4; "
                                "name it once, with more slots if need be");
    assert_refused("ada@n1:7,ada@n1:7",
                   "--master: \"ada@n1:7\": ada@n1:7 is host number 1 (before) and host number 2; "
                   "name it once, with more slots if need be");
    assert_refused("2/:,:", "--master: \":\": this machine is host number 1 (before) and host "
                            "number 2; name it once, with more slots if need be");
}

static void a_failure_leaves_the_list_alone(void **state)
{
    (void)state;
    host_list list = parse("n[1-2]");
    rdd_error err = { 0 };
    assert_int_equal(hosts_parse("n3,n4,n2", "more.txt", &list, &err), RDD_E_USAGE);
    assert_string_equal(err.message, "more.txt: \"n2\": n2 is host number 2 (before) and host "
                                     "number 5; name it once, with more slots if need be");
    assert_int_equal(list.count, 2);
    assert_int_equal(hosts_parse("n3", "more.txt", &list, &err), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[2].name, "n3");
    host_list_release(&list);
    assert_int_equal(hosts_parse("n1 x", "w", &list, NULL), RDD_E_USAGE);
}

static void no_hosts(void **state)
{
    (void)state;
    assert_refused("", "--master: no hosts; give some, as in n1,4/n2,user@n3:2222");
    assert_refused(" , \n# n1\n", "--master: no hosts; give some, as in n1,4/n2,user@n3:2222");
}

static void files(void **state)
{
    (void)state;
    static const char text[] = "\xef\xbb\xbf# mine\r\n4/n[1-2]\r\nn3 jump=gate\r\n";
    const char *path = test_file("hosts.txt", text, sizeof text - 1);
    host_list list = { 0 };
    rdd_error err = { 0 };
    assert_int_equal(hosts_read(path, &list, &err), 0);
    assert_int_equal(list.count, 3);
    assert_string_equal(list.items[2].jump, "gate");
    host_list_release(&list);

    char expected[PATH_MAX + 200];
    path = test_file("bad.txt", "n1\nn2\nn[3\n", 10);
    assert_int_equal(hosts_read(path, &list, &err), RDD_E_USAGE);
    snprintf(expected, sizeof expected, "%s line 3: \"n[3\": a [ is not closed; write n[1-3]",
             path);
    assert_string_equal(err.message, expected);

    path = test_file("nul.txt", "n1\0n2", 5);
    assert_int_equal(hosts_read(path, &list, &err), RDD_E_USAGE);
    assert_non_null(strstr(err.message, "this is no hosts file: it has a NUL byte in it"));

    assert_int_equal(hosts_read(test_path("none"), &list, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "the hosts file cannot be read: No such file"));
    assert_int_equal(hosts_read(test_dir(), &list, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "Is a directory"));
}

static void a_huge_file_is_refused(void **state)
{
    (void)state;
    const char *path = test_file("huge.txt", "n1\n", 3);
    assert_int_equal(truncate(path, 1 << 30), 0);
    host_list list = { 0 };
    rdd_error err = { 0 };
    assert_int_equal(hosts_read(path, &list, &err), RDD_E_LIMIT);
    assert_non_null(strstr(err.message, "a hosts file has at most 4 MiB"));
}

static void what_master_says(void **state)
{
    (void)state;
    host_list list = { 0 };
    char *file = NULL;
    rdd_error err = { 0 };
    unsetenv("RDD_HOSTS");
    assert_int_equal(hosts_of_master("n1,4/n2", "w", &list, &file, &err), 0);
    assert_int_equal(list.count, 2);
    assert_null(file);
    host_list_release(&list);

    assert_int_equal(hosts_of_master("", "w", &list, &file, &err), RDD_E_USAGE);
    assert_string_equal(err.message, "no hosts; give ssh://n1,4/n2 or ssh:@FILE, or set RDD_HOSTS");
    setenv("RDD_HOSTS", "n1,n2,n3", 1);
    assert_int_equal(hosts_of_master("", "w", &list, &file, &err), 0);
    assert_int_equal(list.count, 3);
    host_list_release(&list);
    setenv("RDD_HOSTS", "n1,n1", 1);
    assert_int_equal(hosts_of_master("", "w", &list, &file, &err), RDD_E_USAGE);
    assert_int_equal(strncmp(err.message, "RDD_HOSTS: \"n1\"", 15), 0);

    char text[PATH_MAX + 8];
    snprintf(text, sizeof text, "@%s", test_file("mine.txt", "n7\n", 3));
    assert_int_equal(hosts_of_master(text, "w", &list, &file, &err), 0);
    assert_string_equal(list.items[0].name, "n7");
    assert_string_equal(file, text + 1);
    host_list_release(&list);
    free(TAKE(file));

    setenv("HOME", test_dir(), 1);
    setenv("RDD_HOSTS", "@~/mine.txt", 1);
    assert_int_equal(hosts_of_master("", "w", &list, &file, &err), 0);
    assert_string_equal(file, text + 1);
    host_list_release(&list);
    free(TAKE(file));
    setenv("RDD_HOSTS", "@/none/such", 1);
    assert_int_equal(hosts_of_master("", "w", &list, &file, &err), RDD_E_IO);
    assert_string_equal(err.message, "RDD_HOSTS: /none/such: the hosts file cannot be read: No "
                                     "such file or directory");
    assert_null(file);
}

/* Ranges against counting by hand. */
static void random_ranges(void **state)
{
    (void)state;
    for (int round = 0; round < 200; round++) {
        unsigned width = (unsigned)test_random_below(4), first = (unsigned)test_random_below(120);
        unsigned last = first + (unsigned)test_random_below(30);
        char text[80], expected[4000] = "", one[16];
        snprintf(one, sizeof one, "%0*u", (int)width, first);
        snprintf(text, sizeof text, "n[%s-%u]x", one, last);
        int pad = *one == '0' ? (int)strlen(one) : 0;
        for (unsigned n = first; n <= last; n++) {
            char name[24];
            snprintf(name, sizeof name, "%sn%0*ux", n == first ? "" : " ", pad, n);
            strncat(expected, name, sizeof expected - strlen(expected) - 1);
        }
        assert_hosts(text, expected);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_host_in_all_its_forms),
        cmocka_unit_test(this_machine),
        cmocka_unit_test(ipv6),
        cmocka_unit_test(several),
        cmocka_unit_test(ranges),
        cmocka_unit_test(bad_ranges),
        cmocka_unit_test(random_ranges),
        cmocka_unit_test(keys),
        cmocka_unit_test(nothing_can_be_smuggled_in),
        cmocka_unit_test(numbers),
        cmocka_unit_test(lengths),
        cmocka_unit_test(a_host_twice_is_an_error),
        cmocka_unit_test(a_failure_leaves_the_list_alone),
        cmocka_unit_test(no_hosts),
        cmocka_unit_test(files),
        cmocka_unit_test(a_huge_file_is_refused),
        cmocka_unit_test(what_master_says),
    };
    return TEST_MAIN(argc, argv, tests);
}
