/* An option without its name.
 *
 * gcc: pointer from integer
 * clang: integer to pointer
 */
#include <rdd.h>

RDD_MAP(square, int64_t, x, int64_t)
{
    return x * x;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, square, 64);
}
