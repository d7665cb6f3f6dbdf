/* log_top: the most frequent values of one field of a log.
 *
 *     build/examples/log_top examples/access.log.gz         the most requested paths
 *     build/examples/log_top access.log 9 5                 the five most frequent status codes
 *
 * Fields are the words of a line, counted from 1. Reads files, directories, globs, .gz, .zst and "-".
 */
#include <rdd.h>

#include <stdlib.h>

RDD_STRUCT(field_env, (int32_t, number));
RDD_PAIR(field_count, rdd_str, int64_t);

RDD_FLAT_MAP(field_of, rdd_str, line, rdd_str, field_env)
{
    rdd_str word;
    int32_t number = 1;
    while (rdd_str_next_word(&line, &word))
        if (number++ == env->number) {
            rdd_emit(word);
            return;
        }
}

/* Most frequent first; equal ones by name. */
static int by_count(const void *a, const void *b)
{
    const field_count *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return rdd_str_compare(x->key, y->key);
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    int number = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 7;
    int top = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 10;
    if (argc < 2 || number < 1 || top < 1) {
        rdd_report(ctx, 2, "usage: log_top LOG [FIELD-NUMBER [HOW-MANY]]");
        return rdd_finish(ctx);
    }
    rdd *lines = rdd_text_file(ctx, argv[1]);
    rdd *fields = rdd_flat_map(lines, RDD_WITH(field_of, .number = number));

    size_t count;
    const field_count *counts = rdd_count_by_value(fields, field_count, &count);
    field_count *sorted = malloc((count + 1) * sizeof *sorted);
    if (counts && sorted) {
        memcpy(sorted, counts, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, by_count);
        for (size_t i = 0; i < count && i < (size_t)top; i++)
            printf("%8lld  %.*s\n", (long long)sorted[i].value, (int)sorted[i].key.size,
                   sorted[i].key.data);
    }
    free(sorted);
    return rdd_finish(ctx);
}
