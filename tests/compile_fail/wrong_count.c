/* A count that is no size_t.
 *
 * gcc: passing argument 3 of 'rdd_collect' from incompatible pointer type
 * clang: passing 'int *' to parameter of type 'size_t *'
 */
#include <rdd.h>

const int64_t *wrong(rdd *r)
{
    int count;
    return rdd_collect(r, int64_t, &count);
}
