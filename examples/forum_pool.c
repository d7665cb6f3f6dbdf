/* forum_pool: who runs what when a function is mapped over rows.
 *
 * The question that began this project: a multiprocessing.Pool maps a function over the rows of a
 * table, and on a cluster only the driver is busy. Here each row comes back with the partition it was
 * in and the process that ran it. docs/under-the-hood.md goes through what it prints.
 *
 *     build/examples/forum_pool 12 --master local-cluster[2,2]
 */
#include <rdd.h>

#include <stdlib.h>
#include <unistd.h>

RDD_STRUCT(placed_row, (int64_t, row), (int64_t, partition), (int64_t, process), (int32_t, attempt));
RDD_PAIR(process_count, int64_t, int64_t);

/* Stands for the slow call. It runs where its partition is, not on the driver. */
RDD_MAP(where_am_i, int64_t, row, placed_row)
{
    return (placed_row){ row, rdd_partition_index(task), getpid(), rdd_attempt(task) };
}

RDD_MAP(process_of, placed_row, p, int64_t)
{
    return p.process;
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    int64_t row_count = argc > 1 ? strtoll(argv[1], NULL, 10) : 12;
    int64_t partitions = argc > 2 ? strtoll(argv[2], NULL, 10) : 4;
    rdd *rows = rdd_range(ctx, 0, row_count, .partitions = partitions, .name = "rows");
    rdd *placed = rdd_map(rows, where_am_i);

    printf("the driver is process %ld\n", (long)getpid());
    size_t count;
    const placed_row *all = rdd_collect(placed, placed_row, &count);
    for (size_t i = 0; i < count; i++)
        printf("row %lld: partition %lld, process %lld\n", (long long)all[i].row,
               (long long)all[i].partition, (long long)all[i].process);
    const process_count *by_process =
        rdd_count_by_value(rdd_map(placed, process_of), process_count, &count);
    for (size_t i = 0; i < count; i++)
        printf("process %lld ran %lld rows\n", (long long)by_process[i].key,
               (long long)by_process[i].value);
    return rdd_finish(ctx);
}
