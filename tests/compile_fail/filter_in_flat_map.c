/* A filter where a flat map is wanted.
 *
 * gcc: incompatible type for argument 2 of 'rdd_flat_map'
 * clang: (aka 'const struct rdd_filter_op') to parameter of incompatible type 'rdd_flat_map_op'
 */
#include <rdd.h>

RDD_FILTER(even, int64_t, x)
{
    return x % 2 == 0;
}

rdd *wrong(rdd *r)
{
    return rdd_flat_map(r, even);
}
