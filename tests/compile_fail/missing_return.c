/* A map that returns nothing.
 *
 * gcc: no return statement in function returning non-void
 * clang: non-void function does not return a value
 */
#include <rdd.h>

RDD_MAP(square, int64_t, x, int64_t)
{
    (void)(x * x);
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, square);
}
