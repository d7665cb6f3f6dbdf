/* An env field that is not there.
 *
 * gcc: has no member named 'factr'; did you mean 'factor'?
 * clang: in type 'scaled_rdd_env' (aka 'struct scale'); did you mean 'factor'?
 */
#include <rdd.h>

RDD_STRUCT(scale, (double, factor));

RDD_MAP(scaled, int64_t, x, double, scale)
{
    return (double)x * env->factor;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, RDD_WITH(scaled, .factr = 2));
}
