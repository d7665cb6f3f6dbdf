/* Our reader of known_hosts files: what matches, what does not, what is revoked, and what is added.
 * Keys are made up; one test asks ssh-keygen whether it sees the same.
 */
#include "known_hosts.h"
#include "known_hosts_line.h"

#include "base64.h"

#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* -- Keys and files ---------------------------------------------------------------------------- */

typedef struct key {
    unsigned char blob[128];
    size_t size;
    char text[256]; /* "type base64" */
} key;

/* `id` makes it differ from others of the type. */
static key make_key(const char *type, int id)
{
    key k = { .size = 4 + strlen(type) + 36 };
    memset(k.blob, id, sizeof k.blob);
    k.blob[0] = k.blob[1] = k.blob[2] = 0;
    k.blob[3] = (unsigned char)strlen(type);
    memcpy(k.blob + 4, type, strlen(type));
    buf b = { 0 };
    buf_format(&b, "%s ", type);
    base64_print(k.blob, k.size, &b);
    snprintf(k.text, sizeof k.text, "%s", buf_terminate(&b));
    buf_release(&b);
    return k;
}

static key ED, ED2, EC, RSA, CA;

static int make_keys(void **state)
{
    (void)state;
    ED = make_key("ssh-ed25519", 1);
    ED2 = make_key("ssh-ed25519", 2);
    EC = make_key("ecdsa-sha2-nistp256", 3);
    RSA = make_key("ssh-rsa", 4);
    CA = make_key("ssh-ed25519", 5);
    return 0;
}

/* Lines, of which ED … CA stand for the keys. */
static known_hosts *load(const char *text)
{
    buf b = { 0 };
    for (const char *at = text; *at;) {
        static const struct { const char *word; key *k; } words[] = {
            { "$ED2", &ED2 }, { "$ED", &ED }, { "$EC", &EC }, { "$RSA", &RSA }, { "$CA", &CA },
        };
        size_t i = 0;
        while (i < ARRAY_SIZE(words) && strncmp(at, words[i].word, strlen(words[i].word)) != 0)
            i++;
        if (i < ARRAY_SIZE(words)) {
            buf_text(&b, words[i].k->text);
            at += strlen(words[i].word);
        } else {
            buf_char(&b, *at++);
        }
    }
    const char *path = test_file("known_hosts", b.size ? b.data : "", b.size);
    buf_release(&b);
    known_hosts *k = NULL;
    rdd_error err = { 0 };
    assert_int_equal(known_hosts_load(&k, &path, 1, &err), 0);
    return k;
}

/* "match 3": the result and its line; "other 2" and "authority 1" behind it when there are any. */
static void assert_answer(const known_hosts *k, const char *host, uint16_t port, const key *asked,
                          const char *expected)
{
    static const char *const names[] = { "unknown", "match", "changed", "revoked" };
    known_host_answer a = known_hosts_check(k, host, port, asked->blob, asked->size);
    char text[100];
    int size = snprintf(text, sizeof text, "%s", names[a.result]);
    assert_int_equal(a.place.file != NULL, a.result != KNOWN_HOST_UNKNOWN);
    const known_host_place places[] = { a.place, a.other, a.authority };
    static const char *const words[] = { "", "other ", "authority " };
    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        if (places[i].file && (i != 1 || a.result == KNOWN_HOST_UNKNOWN))
            size += snprintf(text + size, sizeof text - (size_t)size, " %s%u", words[i], places[i].line);
    assert_string_equal(text, expected);
}

/* -- Looking up -------------------------------------------------------------------------------- */

static void plain_names(void **state)
{
    (void)state;
    known_hosts *k = load("# hosts of mine\n\nn1 $ED a comment = anything\n  n2,10.0.0.2\t$EC\r\nn3 $RSA");
    assert_int_equal(known_hosts_skipped(k), 0);
    assert_answer(k, "n1", 22, &ED, "match 3");
    assert_answer(k, "N1", 22, &ED, "match 3");
    assert_answer(k, "n1", 0, &ED, "match 3");
    assert_answer(k, "n1", 22, &ED2, "changed 3");
    assert_answer(k, "n1", 22, &EC, "unknown other 3");
    assert_answer(k, "n2", 22, &EC, "match 4");
    assert_answer(k, "10.0.0.2", 22, &EC, "match 4");
    assert_answer(k, "n3", 22, &RSA, "match 5");
    assert_answer(k, "n4", 22, &ED, "unknown");
    assert_answer(k, "n", 22, &ED, "unknown");
    assert_answer(k, "n11", 22, &ED, "unknown");
    assert_answer(k, "", 22, &ED, "unknown");
    known_hosts_free(k);
}

static void one_of_several_keys_is_enough(void **state)
{
    (void)state;
    known_hosts *k = load("n1 $ED2\nn1 $EC\nn1 $ED\n");
    assert_answer(k, "n1", 22, &ED, "match 3");
    assert_answer(k, "n1", 22, &CA, "changed 1");
    known_hosts_free(k);
}

static void ports(void **state)
{
    (void)state;
    known_hosts *k = load("[n1]:2222 $ED\nn1 $EC\nn2 $ED\n[::1]:2222 $ED\n::1 $EC\n");
    assert_answer(k, "n1", 2222, &ED, "match 1");
    assert_answer(k, "n1", 2222, &ED2, "changed 1");
    assert_answer(k, "n1", 2223, &ED, "unknown");
    assert_answer(k, "n1", 22, &ED, "unknown other 2");
    assert_answer(k, "::1", 2222, &ED, "match 4");
    assert_answer(k, "::1", 22, &EC, "match 5");
    /* The bare name vouches for another port, but says nothing against it. */
    assert_answer(k, "n2", 2222, &ED, "match 3");
    assert_answer(k, "n2", 2222, &ED2, "unknown");
    assert_answer(k, "n2", 2222, &EC, "unknown");
    assert_answer(k, "n1", 2222, &EC, "match 2");
    known_hosts_free(k);
}

static void patterns(void **state)
{
    (void)state;
    known_hosts *k = load("*.lan,!bad.lan $ED\n!c?.org,c*.org,x $EC\n10.0.0.? $RSA\n[*.net]:2222 $ED\n"
                          "*a*a*a*a*b $ED\nUP $ED\n");
    assert_answer(k, "n1.lan", 22, &ED, "match 1");
    assert_answer(k, "n1.LAN", 22, &ED, "match 1");
    assert_answer(k, ".lan", 22, &ED, "match 1");
    assert_answer(k, "lan", 22, &ED, "unknown");
    assert_answer(k, "bad.lan", 22, &ED, "unknown");
    assert_answer(k, "c.org", 22, &EC, "match 2");
    assert_answer(k, "c12.org", 22, &EC, "match 2");
    assert_answer(k, "c1.org", 22, &EC, "unknown");
    assert_answer(k, "x", 22, &EC, "match 2");
    assert_answer(k, "10.0.0.7", 22, &RSA, "match 3");
    assert_answer(k, "10.0.0.17", 22, &RSA, "unknown");
    assert_answer(k, "a.net", 2222, &ED, "match 4");
    assert_answer(k, "a.net", 22, &ED, "unknown");
    assert_answer(k, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 22, &ED, "unknown");
    assert_answer(k, "aaaaab", 22, &ED, "match 5");
    assert_answer(k, "up", 22, &ED, "match 6");
    known_hosts_free(k);
}

static void hashed_names(void **state)
{
    (void)state;
    buf b = { 0 };
    assert_true(known_host_line_print("n1", ED.blob, ED.size, true, &b));
    assert_true(known_host_line_print("[n2]:2222", EC.blob, EC.size, true, &b));
    assert_int_equal(strncmp(b.data, "|1|", 3), 0);
    buf_text(&b, "|1|KWBV1+gnD3sS8Z7QrXC0hq3yB6s=|AAAAAAAAAAAAAAAAAAAAAAAAAAA= $ED\n");
    known_hosts *k = load(buf_terminate(&b));
    assert_int_equal(known_hosts_skipped(k), 0);
    assert_answer(k, "n1", 22, &ED, "match 1");
    assert_answer(k, "N1", 22, &ED, "match 1");
    assert_answer(k, "n1", 22, &ED2, "changed 1");
    assert_answer(k, "n2", 2222, &EC, "match 2");
    assert_answer(k, "n2", 22, &EC, "unknown");
    known_hosts_free(k);
    buf_release(&b);

    /* One line as OpenSSH 9.2 wrote it, for the name "node-7.example.org". */
    k = load("|1|wgb3hN+3gtgr8fMar+mtfTtaRAA=|duG6eFkzcTyHWt3KDjQKEAo3P5M= $ED\n");
    assert_answer(k, "node-7.example.org", 22, &ED, "match 1");
    assert_answer(k, "node-8.example.org", 22, &ED, "unknown");
    known_hosts_free(k);
}

static void revoked_keys(void **state)
{
    (void)state;
    known_hosts *k = load("n1 $ED\n@revoked n1 $ED\n@revoked * $ED2\nn2 $ED2\nn3 $EC\n@revoked n3 $RSA\n");
    assert_answer(k, "n1", 22, &ED, "revoked 2");
    assert_answer(k, "n2", 22, &ED2, "revoked 3");
    assert_answer(k, "n2", 2222, &ED2, "revoked 3");
    assert_answer(k, "n1", 2222, &ED, "revoked 2"); /* by its bare name */
    assert_answer(k, "n3", 22, &EC, "match 5");
    assert_answer(k, "n3", 22, &RSA, "revoked 6");
    /* A revoked key is no key that the host was known by. */
    assert_answer(k, "n7", 22, &ED, "unknown");
    assert_int_equal(known_hosts_types(k, "n1", 22), HOST_KEY_ED25519);
    assert_int_equal(known_hosts_types(k, "n7", 22), 0);
    known_hosts_free(k);
}

static void authorities(void **state)
{
    (void)state;
    known_hosts *k = load("@cert-authority *.lan $CA\nn2.lan $ED\n");
    assert_answer(k, "n1.lan", 22, &ED, "unknown authority 1");
    assert_answer(k, "n1.lan", 22, &CA, "unknown authority 1"); /* it vouches, it is no host's key */
    assert_answer(k, "n2.lan", 22, &ED, "match 2 authority 1");
    assert_answer(k, "n1.lan", 2222, &ED, "unknown authority 1");
    assert_int_equal(known_hosts_types(k, "n1.lan", 22), 0);
    known_hosts_free(k);
}

static void bad_lines_are_skipped(void **state)
{
    (void)state;
    known_hosts *k = load("n1\n"
                          "n1 ssh-ed25519\n"
                          "n1 ssh-ed25519 !!!!\n"
                          "n1 ssh-ed25519 AAAA\n"
                          "n1 ssh-rsa AAAAC3NzaC1lZDI1NTE5\n"
                          "@other n1 $ED\n"
                          "@revoked\n"
                          "|2|x|y $ED\n"
                          "|1|AAAA|AAAA $ED\n"
                          "|1| $ED\n"
                          "|1|KWBV1+gnD3sS8Z7QrXC0hq3yB6s= $ED\n"
                          "1024 35 12345678901234567890 an old one\n"
                          "n1 $EC\n");
    assert_int_equal(known_hosts_skipped(k), 12);
    assert_answer(k, "n1", 22, &EC, "match 13");
    known_hosts_free(k);

    char nul[300];
    size_t size = (size_t)snprintf(nul, sizeof nul, "n1 %s\nn2_%s\n", ED.text, ED.text);
    nul[strlen("n1 ") + strlen(ED.text) + 3] = 0;
    const char *path = test_file("nul", nul, size);
    assert_int_equal(known_hosts_load(&k, &path, 1, NULL), 0);
    assert_int_equal(known_hosts_skipped(k), 1);
    assert_answer(k, "n1", 22, &ED, "match 1");
    known_hosts_free(k);
}

static void several_files(void **state)
{
    (void)state;
    char text[600];
    snprintf(text, sizeof text, "n1 %s\n", ED.text);
    char *one = strdup(test_file("one", text, strlen(text)));
    snprintf(text, sizeof text, "\nn2 %s\nn1 %s\n", EC.text, ED2.text);
    char *two = strdup(test_file("two", text, strlen(text)));
    const char *paths[] = { test_path("none"), one, test_dir(), two, "/dev/null" };
    known_hosts *k = NULL;
    rdd_error err = { 0 };
    assert_int_equal(known_hosts_load(&k, paths, ARRAY_SIZE(paths), &err), 0);
    known_host_answer a = known_hosts_check(k, "n2", 22, EC.blob, EC.size);
    assert_int_equal(a.result, KNOWN_HOST_MATCH);
    assert_string_equal(a.place.file, two);
    assert_int_equal(a.place.line, 2);
    assert_answer(k, "n1", 22, &ED2, "match 3");
    assert_answer(k, "n1", 22, &CA, "changed 1");
    /* What could not be read is no failure, but can be said. */
    assert_non_null(strstr(known_hosts_trouble(k), "Is a directory"));
    known_hosts_free(k);
    assert_int_equal(known_hosts_load(&k, NULL, 0, &err), 0);
    assert_null(known_hosts_trouble(k));
    assert_answer(k, "n1", 22, &ED, "unknown");
    known_hosts_free(k);
    known_hosts_free(NULL);
    free(one);
    free(two);
}

/* -- Key types, fingerprints ------------------------------------------------------------------- */

static void methods(void **state)
{
    (void)state;
    known_hosts *k = load("n1 $EC\nn1,n2 $RSA\n[n1]:7 $ED\n");
    char text[200];
    assert_int_equal(known_hosts_types(k, "n1", 22), HOST_KEY_ECDSA_256 | HOST_KEY_RSA);
    assert_int_equal(known_hosts_types(k, "n1", 7), HOST_KEY_ED25519);
    assert_int_equal(known_hosts_types(k, "n2", 7), HOST_KEY_RSA); /* only the bare name is there */
    assert_int_equal(known_hosts_types(k, "n3", 22), 0);
    assert_string_equal(known_hosts_methods(k, "n1", 22, "rsa-sha2-512,ssh-rsa", text, sizeof text),
                        "ecdsa-sha2-nistp256,rsa-sha2-512,ssh-rsa,ssh-ed25519,ecdsa-sha2-nistp384,"
                        "ecdsa-sha2-nistp521");
    assert_string_equal(known_hosts_methods(k, "n1", 22, NULL, text, sizeof text),
                        "ecdsa-sha2-nistp256,ssh-ed25519,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521");
    assert_string_equal(known_hosts_methods(k, "new", 22, "ssh-rsa", text, sizeof text),
                        "ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,ssh-rsa");
    known_hosts_free(k);
}

static void blobs_that_are_no_keys(void **state)
{
    (void)state;
    char name[HOST_KEY_TYPE_MAX];
    assert_true(host_key_type_name(ED.blob, ED.size, name));
    assert_string_equal(name, "ssh-ed25519");
    for (size_t size = 0; size < 4 + strlen(name); size++)
        assert_false(host_key_type_name(ED.blob, size, name));
    unsigned char blob[100] = { 0, 0, 0, 90 };
    memset(blob + 4, 'a', sizeof blob - 4);
    assert_false(host_key_type_name(blob, sizeof blob, name)); /* longer than types are */
    blob[3] = 0;
    assert_false(host_key_type_name(blob, sizeof blob, name));
    blob[3] = 5;
    blob[6] = ' ';
    assert_false(host_key_type_name(blob, sizeof blob, name));
    blob[0] = 0xff;
    assert_false(host_key_type_name(blob, sizeof blob, name));
    known_hosts *k = load("n1 $ED\n");
    known_host_answer a = known_hosts_check(k, "n1", 22, blob, sizeof blob);
    assert_int_equal(a.result, KNOWN_HOST_UNKNOWN);
    known_hosts_free(k);
}

/* -- Adding ------------------------------------------------------------------------------------ */

static void a_new_host_is_kept(void **state)
{
    (void)state;
    rdd_error err = { 0 };
    const char *path = test_path("home/.ssh/known_hosts");
    assert_int_equal(mkdir(test_path("home"), 0755), 0);
    assert_int_equal(known_hosts_append(path, "N1", 22, ED.blob, ED.size, false, &err), 0);
    assert_int_equal(known_hosts_append(path, "n1", 2222, EC.blob, EC.size, false, &err), 0);
    assert_int_equal(known_hosts_append(path, "n3", 22, RSA.blob, RSA.size, true, &err), 0);
    /* Once more, as another thread may do: nothing. */
    assert_int_equal(known_hosts_append(path, "n1", 22, ED.blob, ED.size, false, &err), 0);

    struct stat status;
    assert_int_equal(stat(test_path("home/.ssh"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    known_hosts *k = NULL;
    assert_int_equal(known_hosts_load(&k, &path, 1, &err), 0);
    assert_int_equal(known_hosts_skipped(k), 0);
    assert_answer(k, "n1", 22, &ED, "match 1");
    assert_answer(k, "n1", 2222, &EC, "match 2");
    assert_answer(k, "n3", 22, &RSA, "match 3");
    assert_answer(k, "n4", 22, &RSA, "unknown");
    known_hosts_free(k);

    char text[2000] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 0);
    fclose(file);
    assert_null(strstr(text, "n3"));
    assert_int_equal(strncmp(text, "n1 ssh-ed25519 ", 15), 0);
}

static void what_is_there_stays(void **state)
{
    (void)state;
    rdd_error err = { 0 };
    char text[300], expected[PATH_MAX + 100];
    snprintf(text, sizeof text, "n1 %s", ED.text); /* without a newline */
    const char *path = test_file("kept", text, strlen(text));
    assert_int_equal(known_hosts_append(path, "n2", 22, ED.blob, ED.size, false, &err), 0);
    known_hosts *k = NULL;
    assert_int_equal(known_hosts_load(&k, &path, 1, &err), 0);
    assert_answer(k, "n1", 22, &ED, "match 1");
    assert_answer(k, "n2", 22, &ED, "match 2");
    known_hosts_free(k);

    assert_int_equal(known_hosts_append(path, "n1", 22, ED2.blob, ED2.size, false, &err), RDD_E_IO);
    snprintf(expected, sizeof expected, "%s line 1 has another key for n1 by now", path);
    assert_string_equal(err.message, expected);
    assert_int_equal(known_hosts_append(path, "n1", 22, EC.blob, EC.size, false, &err), RDD_E_IO);
    assert_string_equal(err.message, expected);
}

static void what_cannot_be_added(void **state)
{
    (void)state;
    rdd_error err = { 0 };
    assert_int_equal(known_hosts_append(test_path("no/such/dir"), "n1", 22, ED.blob, ED.size, false, &err),
                     RDD_E_IO);
    assert_int_equal(known_hosts_append(test_dir(), "n1", 22, ED.blob, ED.size, false, &err), RDD_E_IO);
    const char *path = test_path("never");
    static const char *const names[] = { "a b", "a,b", "*", "n?", "!n", "#n", "|1|n", "@n", "a\nb", "" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_int_equal(known_hosts_append(path, names[i], 22, ED.blob, ED.size, false, &err),
                         RDD_E_USAGE);
    assert_int_equal(known_hosts_append(path, "n1", 22, "nonsense", 8, false, &err), RDD_E_USAGE);
    assert_int_equal(access(path, F_OK), -1);
    /* UserKnownHostsFile /dev/null is what people write who want nothing kept. */
    assert_int_equal(known_hosts_append("/dev/null", "n1", 22, ED.blob, ED.size, false, &err), 0);
}

static void a_full_disk_leaves_no_half_line(void **state)
{
    (void)state;
    rdd_error err = { 0 };
    assert_int_equal(known_hosts_append("/dev/full", "n1", 22, ED.blob, ED.size, false, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "the new host key is not kept"));
}

/* Threads add the same hosts, each its own and all one; no line is lost or doubled. */
enum { THREADS = 8, HOSTS_EACH = 20 };

static void *add_some(void *arg)
{
    size_t id = *(size_t *)arg;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/shared", test_dir_);
    for (size_t i = 0; i < HOSTS_EACH; i++) {
        char name[40];
        snprintf(name, sizeof name, "n%zu-%zu", id, i);
        if (known_hosts_append(path, name, 22, ED.blob, ED.size, i % 2, NULL) ||
            known_hosts_append(path, "all", 22, EC.blob, EC.size, false, NULL))
            return NULL;
    }
    return arg;
}

static void several_add_at_once(void **state)
{
    (void)state;
    const char *path = test_path("shared");
    pthread_t threads[THREADS];
    size_t ids[THREADS];
    for (size_t i = 0; i < THREADS; i++) {
        ids[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, add_some, &ids[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        assert_non_null(result);
    }
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t lines = 0;
    for (int c; (c = getc(file)) != EOF;)
        lines += c == '\n';
    fclose(file);
    assert_int_equal(lines, THREADS * HOSTS_EACH + 1);
    known_hosts *k = NULL;
    assert_int_equal(known_hosts_load(&k, &path, 1, NULL), 0);
    assert_int_equal(known_hosts_skipped(k), 0);
    for (size_t i = 0; i < THREADS; i++)
        for (size_t j = 0; j < HOSTS_EACH; j++) {
            char name[60];
            snprintf(name, sizeof name, "n%zu-%zu", i, j);
            known_host_answer a = known_hosts_check(k, name, 22, ED.blob, ED.size);
            assert_int_equal(a.result, KNOWN_HOST_MATCH);
        }
    known_hosts_free(k);
}

/* -- OpenSSH's own opinion --------------------------------------------------------------------- */

static bool run(const char *format, ...) PRINTF_LIKE(1, 2);

static bool run(const char *format, ...)
{
    char command[2000];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    return system(command) == 0;
}

/* The second word of what a command prints. */
static void output_word(const char *command, char *word, size_t size)
{
    char line[4096] = "";
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    assert_non_null(fgets(line, sizeof line, pipe));
    pclose(pipe);
    char *at = strchr(line, ' ');
    assert_non_null(at);
    at[1 + strcspn(at + 1, " \n")] = 0;
    snprintf(word, size, "%s", at + 1);
}

static void ssh_keygen_sees_the_same(void **state)
{
    (void)state;
    if (!run("command -v ssh-keygen >/dev/null"))
        TEST_SKIP("needs ssh-keygen");
    static const char *const types[] = { "ed25519", "ecdsa -b 256", "ecdsa -b 384", "ecdsa -b 521",
                                         "rsa -b 2048" };
    static const unsigned bits[] = { HOST_KEY_ED25519, HOST_KEY_ECDSA_256, HOST_KEY_ECDSA_384,
                                     HOST_KEY_ECDSA_521, HOST_KEY_RSA };
    char *known = strdup(test_path("known_by_ssh"));
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        char command[PATH_MAX + 100], base64[2048], theirs[100], ours[HOST_KEY_FINGERPRINT_MAX];
        char *path = strdup(test_path("key"));
        unlink(path);
        assert_true(run("ssh-keygen -q -N '' -t %s -f '%s'", types[i], path));
        snprintf(command, sizeof command, "cat '%s.pub'", path);
        output_word(command, base64, sizeof base64);
        unsigned char blob[1600];
        size_t size = 0;
        assert_true(base64_decode(base64, strlen(base64), blob, &size));

        snprintf(command, sizeof command, "ssh-keygen -lf '%s.pub'", path);
        output_word(command, theirs, sizeof theirs);
        assert_string_equal(host_key_fingerprint(blob, size, ours), theirs);

        /* What we add is found by ssh-keygen, and what it has hashed is found by us. */
        char host[20];
        snprintf(host, sizeof host, "node-%zu", i);
        uint16_t port = i % 2 ? 2222 : 22;
        assert_int_equal(known_hosts_append(known, host, port, blob, size, i >= 3, NULL), 0);
        assert_true(run("ssh-keygen -F '%s%s%s' -f '%s' >/dev/null", i % 2 ? "[" : "", host,
                        i % 2 ? "]:2222" : "", known));
        assert_true(run("ssh-keygen -Hf '%s' >/dev/null 2>&1", known));
        known_hosts *k = NULL;
        const char *file = known;
        assert_int_equal(known_hosts_load(&k, &file, 1, NULL), 0);
        assert_int_equal(known_hosts_skipped(k), 0);
        assert_int_equal(known_hosts_types(k, host, port), bits[i]);
        known_host_answer a = known_hosts_check(k, host, port, blob, size);
        assert_int_equal(a.result, KNOWN_HOST_MATCH);
        assert_int_equal(a.place.line, i + 1);
        blob[size - 1] ^= 1;
        a = known_hosts_check(k, host, port, blob, size);
        assert_int_equal(a.result, KNOWN_HOST_CHANGED);
        known_hosts_free(k);
        free(path);
    }
    free(known);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_names),
        cmocka_unit_test(one_of_several_keys_is_enough),
        cmocka_unit_test(ports),
        cmocka_unit_test(patterns),
        cmocka_unit_test(hashed_names),
        cmocka_unit_test(revoked_keys),
        cmocka_unit_test(authorities),
        cmocka_unit_test(bad_lines_are_skipped),
        cmocka_unit_test(several_files),
        cmocka_unit_test(methods),
        cmocka_unit_test(blobs_that_are_no_keys),
        cmocka_unit_test(a_new_host_is_kept),
        cmocka_unit_test(what_is_there_stays),
        cmocka_unit_test(what_cannot_be_added),
        cmocka_unit_test(a_full_disk_leaves_no_half_line),
        cmocka_unit_test(several_add_at_once),
        cmocka_unit_test(ssh_keygen_sees_the_same),
    };
    test_dir();
    return TEST_MAIN_GROUP(argc, argv, tests, make_keys, NULL);
}
