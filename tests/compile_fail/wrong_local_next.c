/* An iterator's element into a variable of another type.
 *
 * gcc: passing argument 1 of 'rdd_into_int64_t' from incompatible pointer type
 * clang: passing 'double *' to parameter of type 'int64_t *'
 */
#include <rdd.h>

void wrong(rdd *r)
{
    rdd_local_iterator *it = rdd_to_local_iterator(r, int64_t);
    for (double x; rdd_local_next(it, int64_t, &x);)
        ;
    rdd_local_close(it);
}
