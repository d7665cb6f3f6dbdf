/* hello: the shortest whole program: numbers, a function over them, the results.
 *
 *     build/examples/hello
 *     build/examples/hello --master local-cluster[2,1] --explain
 */
#include <rdd.h>

RDD_MAP(square, int64_t, x, int64_t)
{
    return x * x;
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    const int64_t numbers[] = { 1, 2, 3, 4, 5 };
    rdd *squares = rdd_map(rdd_parallelize(ctx, int64_t, numbers, 5, .partitions = 2), square);

    size_t count;
    const int64_t *all = rdd_collect(squares, int64_t, &count);
    for (size_t i = 0; i < count; i++)
        printf("%lld squared is %lld\n", (long long)numbers[i], (long long)all[i]);
    return rdd_finish(ctx);
}
