/* context_rig.h: contexts for tests of the library from its public side. */
#ifndef RDD_CONTEXT_RIG_H
#define RDD_CONTEXT_RIG_H

#include "rdd.h"

#include "test.h"

enum { ARGUMENTS_MAX = 16 };

/* A context with these further arguments, up to a NULL. */
TEST_HELPER rdd_context *begin(const char *first, ...)
{
    char *argv[ARGUMENTS_MAX] = { "test", "--quiet" };
    int argc = 2;
    va_list rest;
    va_start(rest, first);
    for (const char *a = first; a; a = va_arg(rest, const char *)) {
        assert_true(argc + 1 < ARGUMENTS_MAX);
        argv[argc++] = (char *)(uintptr_t)a;
    }
    va_end(rest);
    return rdd_init(&argc, argv);
}

/* Ends it; nothing may have gone wrong that was not looked at. */
TEST_HELPER void end(rdd_context *ctx)
{
    rdd_error err;
    if (rdd_take_error(ctx, &err))
        fail_msg("%s", err.message);
    assert_int_equal(rdd_finish(ctx), 0);
}

TEST_HELPER void expect_error(rdd_context *ctx, rdd_code code, const char *part)
{
    rdd_error err;
    assert_true(rdd_take_error(ctx, &err));
    assert_int_equal(err.code, code);
    if (!strstr(err.message, part))
        fail_msg("no \"%s\" in: %s", part, err.message);
}

#endif
