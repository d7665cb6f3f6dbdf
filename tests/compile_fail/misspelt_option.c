/* A misspelt option.
 *
 * gcc: 'rdd_operator_options' has no member named 'concurency'; did you mean 'concurrency'?
 * clang: in type 'rdd_operator_options' (aka 'struct rdd_operator_options'); did you mean 'concurrency'?
 */
#include <rdd.h>

RDD_MAP(square, int64_t, x, int64_t)
{
    return x * x;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, square, .concurency = 4);
}
