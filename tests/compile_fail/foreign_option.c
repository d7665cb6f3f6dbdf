/* An option of another operation.
 *
 * gcc: 'rdd_partitions_options' has no member named 'concurrency'
 * clang: field designator 'concurrency' does not refer to any field in type 'rdd_partitions_options'
 */
#include <rdd.h>

RDD_MAP_PARTITIONS(squares, int64_t, in, int64_t)
{
    for (int64_t x; rdd_next(in, &x);)
        rdd_emit(x * x);
}

rdd *wrong(rdd *r)
{
    return rdd_map_partitions(r, squares, .concurrency = 4);
}
