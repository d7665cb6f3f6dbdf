/* A function that is not there.
 *
 * gcc: implicit declaration of function 'rdd_mapp'; did you mean 'rdd_map'?
 * clang: function 'rdd_mapp'
 */
#include <rdd.h>

RDD_MAP(square, int64_t, x, int64_t)
{
    return x * x;
}

rdd *wrong(rdd *r)
{
    return rdd_mapp(r, square);
}
