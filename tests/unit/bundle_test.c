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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(holds_this_program),
    };
    return TEST_MAIN(argc, argv, tests);
}
