/* A field without the comma between type and name.
 *
 * gcc: requires 2 arguments, but only 1 given
 * clang: too few arguments provided to function-like macro
 */
#include <rdd.h>

RDD_STRUCT(person, (int64_t age), (rdd_str, name));

rdd *wrong(rdd_context *ctx, const person *people)
{
    return rdd_parallelize(ctx, person, people, 1);
}
