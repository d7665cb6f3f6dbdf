/* Deploying this very program with real shells, as far as HELLO. */
#include "deploy_rig.h"

static void goes_cold_and_warm(void **state)
{
    (void)state;
    node n = node_new("plain");
    assert_int_equal(node_expect_start(&n), test_bundle()->size);
    assert_int_equal(node_expect_start(&n), 0);
}

int main(int argc, char **argv)
{
    if (registry_seal(NULL) < 0)
        return 2;
    executor_entry(&argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(goes_cold_and_warm),
    };
    return TEST_MAIN(argc, argv, tests);
}
