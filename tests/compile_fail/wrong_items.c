/* Data of another type than was said.
 *
 * gcc: passing argument 1 of 'rdd_from_int64_t' from incompatible pointer type
 * clang: passing 'const double[3]' to parameter of type 'const int64_t *'
 */
#include <rdd.h>

rdd *wrong(rdd_context *ctx)
{
    static const double items[] = { 1, 2, 3 };
    return rdd_parallelize(ctx, int64_t, items, 3);
}
