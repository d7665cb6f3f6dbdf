#include "base.h"

#include <stdio.h>

void assert_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "rdd: bug at %s:%d: %s does not hold; please report it\n", file, line,
            condition);
    abort();
}
