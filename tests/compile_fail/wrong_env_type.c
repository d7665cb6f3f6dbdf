/* An env field of another type.
 *
 * gcc: integer from pointer
 * clang: 'size_t' (aka 'unsigned long') with an expression of type 'char[7]'
 */
#include <rdd.h>

RDD_STRUCT(scale, (rdd_str, label));

RDD_MAP(labelled, int64_t, x, rdd_str, scale)
{
    (void)x;
    return env->label;
}

rdd *wrong(rdd *r)
{
    return rdd_map(r, RDD_WITH(labelled, .label = "pounds"));
}
