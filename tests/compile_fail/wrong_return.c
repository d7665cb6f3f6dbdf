/* A map that returns another type.
 *
 * gcc: returning type 'int64_t' {aka 'long int'} but 'rdd_str' was expected
 * clang: from a function with incompatible result type 'rdd_str'
 */
#include <rdd.h>

RDD_MAP(name_of, int64_t, x, rdd_str)
{
    return x;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, name_of);
}
