#include "bundle.h"
#include "hash.h"

#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

static const bundle_file *find(const bundle *b, const char *name)
{
    for (size_t i = 0; i < b->count; i++)
        if (!strcmp(b->files[i].name, name))
            return &b->files[i];
    return NULL;
}

static void holds_this_program(void **state)
{
    (void)state;
    bundle *b, *again;
    rdd_error err = { 0 };
    if (bundle_make(&b, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(bundle_make(&again, &err), 0);
    assert_string_equal(b->hash, again->hash);
    assert_true(b->has_loader);
    assert_string_equal(b->files[0].name, BUNDLE_LOADER);
    assert_string_equal(b->files[1].name, BUNDLE_PROGRAM);
    assert_string_equal(b->argv0, "bundle_test");
    assert_non_null(find(b, "libc.so.6"));
    assert_non_null(find(b, "libcmocka.so.0"));
    assert_null(find(b, "linux-vdso.so.1"));
    uint64_t size = 0;
    for (size_t i = 0; i < b->count; i++) {
        size += b->files[i].size;
        assert_int_equal(strlen(b->files[i].hash), 32);
    }
    assert_int_equal(size, b->size);
    bundle_free(b);
    bundle_free(again);
}

static void a_list_of_files_is_a_bundle(void **state)
{
    (void)state;
    char list[3000];
    bundle *b, *other;
    rdd_error err;
    snprintf(list, sizeof list, "%s,,%s,", test_file("b.txt", "bb", 2), test_file("a.txt", "a", 1));
    assert_int_equal(bundle_of_paths(&b, list, &err), 0);
    assert_int_equal(b->count, 2);
    assert_int_equal(b->size, 3);
    assert_string_equal(b->files[0].name, "a.txt");
    /* It stays what it was, whatever happens to the path. */
    unlink(test_path("a.txt"));
    char byte;
    assert_int_equal(bundle_read(&b->files[0], 0, &byte, 1, &err), 1);
    assert_int_equal(byte, 'a');
    assert_int_equal(bundle_read(&b->files[0], 1, &byte, 1, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "became shorter"));
    /* A name or a byte makes another. */
    snprintf(list, sizeof list, "%s,%s", test_path("b.txt"), test_file("a.txt", "x", 1));
    assert_int_equal(bundle_of_paths(&other, list, &err), 0);
    assert_string_not_equal(b->hash, other->hash);
    bundle_free(other);
    bundle_free(b);
    assert_int_equal(bundle_of_paths(&b, "", &err), 0);
    assert_null(b);
}

static void what_cannot_be_sent_is_named(void **state)
{
    (void)state;
    bundle *b;
    rdd_error err;
    char list[3000];
    mkdir(test_path("other"), 0700);
    test_file("same", "1", 1);
    test_file("other/same", "2", 1);
    snprintf(list, sizeof list, "%s,%s", test_path("same"), test_path("other/same"));
    const struct {
        const char *list, *text;
    } CASES[] = {
        { list, "would both be same in the tasks' directory" },
        { "/nowhere/a", "files: /nowhere/a: No such file" },
        { "/tmp", "/tmp is not a regular file" },
        { "/tmp/", "names no file" },
        { "/tmp/..", "names no file" },
        { "/tmp/a\nb", "control character" },
        { "/tmp/ a", "begins and ends with no blank" },
    };
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        if (bundle_of_paths(&b, CASES[i].list, &err) >= 0 || !strstr(err.message, CASES[i].text))
            fail_msg("%s: \"%s\" should hold \"%s\"", CASES[i].list, err.message, CASES[i].text);
        assert_null(b);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_this_program),
        cmocka_unit_test(a_list_of_files_is_a_bundle),
        cmocka_unit_test(what_cannot_be_sent_is_named),
    };
    return TEST_MAIN(argc, argv, tests);
}
