/* Emits in a map, which returns.
 *
 * gcc: 'out' undeclared
 * clang: undeclared identifier 'out'
 */
#include <rdd.h>

RDD_MAP(square, int64_t, x, int64_t)
{
    rdd_emit(x * x);
    return 0;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, square);
}
