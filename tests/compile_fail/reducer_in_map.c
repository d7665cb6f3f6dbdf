/* A reducer where a map is wanted.
 *
 * gcc: incompatible type for argument 2 of 'rdd_map'
 * clang: (aka 'const struct rdd_reduce_op') to parameter of incompatible type 'rdd_map_op'
 */
#include <rdd.h>

RDD_REDUCE(add, int64_t, a, b)
{
    return a + b;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, add);
}
