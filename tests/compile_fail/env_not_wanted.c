/* Gives an env to an operator that has none.
 *
 * gcc: 'rdd_no_env'} has no member named 'factor'
 * clang: 'factor' does not refer to any field in type 'square_rdd_env' (aka 'struct rdd_no_env')
 */
#include <rdd.h>

RDD_MAP(square, int64_t, x, int64_t)
{
    return x * x;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, RDD_WITH(square, .factor = 2));
}
