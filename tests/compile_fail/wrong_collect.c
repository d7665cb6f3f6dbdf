/* A result into a pointer to another type.
 *
 * gcc: 'const double *' from incompatible pointer type 'const int64_t *'
 * clang: 'const double *' with an expression of type 'const int64_t *'
 */
#include <rdd.h>

const double *wrong(rdd *r)
{
    size_t count;
    const double *items = rdd_collect(r, int64_t, &count);
    return items;
}
