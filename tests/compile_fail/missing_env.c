/* The body uses an env that it did not declare.
 *
 * gcc: 'rdd_no_env' has no member named 'factor'
 * clang: no member named 'factor' in 'struct rdd_no_env'
 */
#include <rdd.h>

RDD_MAP(scaled, int64_t, x, double)
{
    return (double)x * env->factor;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, scaled);
}
