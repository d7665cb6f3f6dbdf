/* registry_test.c: operators register themselves and are found by their numbers; the digest is the
 * same in every process of the program. */
#include "conf.h"
#include "context.h"
#include "registry.h"

#include "test.h"

RDD_STRUCT(env_type, (int64_t, by));

RDD_MAP(first_op, int64_t, x, int64_t)
{
    return x;
}

RDD_FILTER(second_op, rdd_str, s)
{
    return s.size > 0;
}

RDD_MAP(third_op, int64_t, x, int64_t, env_type)
{
    return x + env->by;
}

static void numbers(void **state)
{
    (void)state;
    const rdd_op *const ops[] = { first_op.op, second_op.op, third_op.op };
    for (size_t i = 0; i < ARRAY_SIZE(ops); i++) {
        assert_true(registry_knows(ops[i]));
        assert_ptr_equal(registry_op(ops[i]->module, ops[i]->index), ops[i]);
        assert_string_equal(ops[i]->file, __FILE__);
        assert_true(ops[i]->line > 0);
    }
    assert_int_equal(ops[1]->index, ops[0]->index + 1); /* as they stand in the file */
    assert_null(registry_op(ops[0]->module, 3));
    assert_null(registry_op(ops[0]->module + 1, 0));
    assert_null(registry_op(UINT32_MAX, UINT32_MAX));
}

static void descriptions(void **state)
{
    (void)state;
    const rdd_op *op = third_op.op;
    assert_string_equal(op->name, "third_op");
    assert_int_equal(op->kind, RDD_OP_MAP);
    assert_ptr_equal(op->in, RDD_TYPE(int64_t));
    assert_ptr_equal(op->out, RDD_TYPE(int64_t));
    assert_ptr_equal(op->env, RDD_TYPE(env_type));
    assert_null(first_op.op->env);
    assert_null(second_op.op->out);
}

/* Sealing again, as a second rdd_init would, changes no number. */
static void sealed_once(void **state)
{
    (void)state;
    uint64_t digest = registry_digest();
    uint32_t index = third_op.op->index;
    assert_int_equal(registry_seal(NULL), 0);
    assert_int_equal(registry_digest(), digest);
    assert_int_equal(third_op.op->index, index);
}

/* An operator of a library that was opened later has no number, and is refused. */
static void too_late(void **state)
{
    (void)state;
    static rdd_op late;
    late = *first_op.op;
    late.name = "late_op";
    rdd_op_register_(&late);
    assert_false(registry_knows(&late));
    char *no_arguments[] = { (char *)"x", NULL };
    int argc = 1;
    rdd_context *ctx = rdd_init(&argc, no_arguments);
    rdd *r = rdd_range(ctx, 0, 3);
    rdd_error err;
    assert_null(rdd_map(r, ((rdd_map_op){ &late, NULL })));
    assert_true(rdd_take_error(ctx, &err));
    assert_int_equal(err.code, RDD_E_USAGE);
    assert_non_null(strstr(err.message, "late_op"));
    assert_non_null(strstr(err.message, "opened after rdd_init"));
    assert_int_equal(rdd_finish(ctx), 0);
}

static void same_in_every_process(void **state)
{
    (void)state;
    char expected[64], got[64] = "";
    snprintf(expected, sizeof expected, "%016llx\n", (unsigned long long)registry_digest());
    for (int i = 0; i < 3; i++) {
        char command[PATH_MAX + 32];
        ssize_t size = readlink("/proc/self/exe", command, PATH_MAX);
        assert_true(size > 0);
        snprintf(command + size, 32, " --digest");
        FILE *child = popen(command, "r");
        assert_non_null(child);
        assert_non_null(fgets(got, sizeof got, child));
        assert_int_equal(pclose(child), 0);
        assert_string_equal(got, expected);
    }
    assert_int_not_equal(registry_digest(), 0);
}

static void build_id(void **state)
{
    (void)state;
    const char *id = registry_build_id();
    assert_true(strlen(id) >= 16);
    assert_int_equal(strspn(id, "0123456789abcdef"), strlen(id));
    assert_ptr_equal(registry_build_id(), id);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),     cmocka_unit_test(descriptions),
        cmocka_unit_test(sealed_once), cmocka_unit_test(too_late),
        cmocka_unit_test(same_in_every_process), cmocka_unit_test(build_id),
    };
    if (registry_seal(NULL) < 0)
        return 1;
    if (argc == 2 && !strcmp(argv[1], "--digest")) {
        printf("%016llx\n", (unsigned long long)registry_digest());
        return 0;
    }
    return TEST_MAIN(argc, argv, tests);
}
