/* The next element into a variable of another type.
 *
 * gcc: to type 'int64_t' {aka 'long int'} from type 'rdd_str'
 * clang: to 'int64_t' (aka 'long') from incompatible type 'const rdd_str'
 */
#include <rdd.h>

RDD_MAP_PARTITIONS(copy, rdd_str, in, rdd_str)
{
    for (int64_t x; rdd_next(in, &x);)
        rdd_emit(RDD_STR(""));
}

rdd *wrong(rdd *r)
{
    return rdd_map_partitions(r, copy);
}
