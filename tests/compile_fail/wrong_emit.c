/* Emits another type than it said.
 *
 * gcc: to type 'word_count' from type 'double'
 * clang: to 'word_count' (aka 'struct word_count') from incompatible type 'double'
 */
#include <rdd.h>

RDD_PAIR(word_count, rdd_str, int64_t);

RDD_FLAT_MAP(split, rdd_str, line, word_count)
{
    (void)line;
    rdd_emit(1.5);
}

rdd *wrong(rdd *r)
{
    return rdd_flat_map(r, split);
}
