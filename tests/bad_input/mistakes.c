/* mistakes: what is easily done wrong in a driver program, and shows when it runs.
 *
 *     mistakes WHAT
 *
 *     nested        an action in an operator, on RDDs of a global context
 *     null          an action on an RDD that was never made
 *     no-context    a source without a context
 *     unfinished    a failed job, and no rdd_finish()
 *     forked        the same in a child, which says nothing of it
 *     finished      rdd_finish() twice
 *     local, local-emitted, local-list, local-awaited
 *                   text, or a list, in an array of the operator's own
 */
#include <rdd.h>

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

RDD_LIST(numbers, int64_t);
RDD_STRUCT(labelled, (int64_t, x), (rdd_str, label));

static rdd_context *global;

RDD_MAP(nested, int64_t, x, int64_t)
{
    (void)task;
    return x + rdd_count(rdd_range(global, 0, x));
}

RDD_MAP(local_text, int64_t, x, labelled)
{
    (void)task;
    char text[64];
    snprintf(text, sizeof text, "v%lld", (long long)x);
    return (labelled){ x, rdd_str_of(text) };
}

RDD_FLAT_MAP(local_emitted, int64_t, x, rdd_str)
{
    char text[64];
    snprintf(text, sizeof text, "v%lld", (long long)x);
    rdd_emit(rdd_str_of(text));
}

RDD_MAP(local_list, int64_t, x, numbers)
{
    (void)task;
    int64_t list[] = { x, x + 1 };
    return (numbers){ 2, list };
}

static rdd *range(void)
{
    return rdd_range(global, 0, 10, .partitions = 2);
}

int main(int argc, char **argv)
{
    global = rdd_init(&argc, argv);
    const char *what = argc == 2 ? argv[1] : "";
    size_t count;
    if (!strcmp(what, "nested"))
        printf("%lld\n", (long long)rdd_sum(rdd_map(range(), nested), int64_t));
    else if (!strcmp(what, "null"))
        printf("%lld\n", (long long)rdd_count(rdd_map((rdd *)NULL, nested)));
    else if (!strcmp(what, "no-context"))
        rdd_collect(rdd_range((rdd_context *)NULL, 0, 5), int64_t, &count);
    else if (!strcmp(what, "unfinished") || !strcmp(what, "forked"))
        rdd_count(rdd_text_file(global, "nowhere"));
    else if (!strcmp(what, "local"))
        rdd_collect(rdd_map(range(), local_text), labelled, &count);
    else if (!strcmp(what, "local-awaited"))
        rdd_collect(rdd_map(range(), local_text, .concurrency = 3), labelled, &count);
    else if (!strcmp(what, "local-emitted"))
        rdd_collect(rdd_flat_map(range(), local_emitted), rdd_str, &count);
    else if (!strcmp(what, "local-list"))
        rdd_collect(rdd_map(range(), local_list), numbers, &count);
    else if (strcmp(what, "finished"))
        rdd_report(global, 2, "usage: mistakes WHAT");
    if (!strcmp(what, "unfinished"))
        return 0;
    if (!strcmp(what, "forked")) {
        rdd_take_error(global, NULL);
        rdd_count(rdd_text_file(global, "nowhere"));
        pid_t child = fork();
        if (!child)
            exit(0);
        waitpid(child, NULL, 0);
    }
    int status = rdd_finish(global);
    return strcmp(what, "finished") ? status : rdd_finish(global);
}
