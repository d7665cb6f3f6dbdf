/* reader: reads what it is given and counts or saves it, for tests of what cannot be read.
 *
 *     reader SOURCE PATH [SINK PATH]
 *
 * SOURCE is text, csv, items (CSV as structs), nested (such structs with bytes, a list and a struct), json,
 * json-items, whole or records (of 16 bytes).
 * `reader twice` starts the library twice. SINK is text, csv or json; without one the elements are counted.
 */
#include <rdd.h>

#include <stdlib.h>

RDD_STRUCT(item, (int64_t, id), (double, price), (rdd_str, name));
RDD_LIST(numbers, int32_t);
RDD_STRUCT(nested, (rdd_bytes, raw), (numbers, list), (item, item));

static rdd *read_source(rdd_context *ctx, const char *source, const char *path)
{
    if (!strcmp(source, "text"))
        return rdd_text_file(ctx, path);
    if (!strcmp(source, "csv"))
        return rdd_csv(ctx, path);
    if (!strcmp(source, "items"))
        return rdd_csv(ctx, path, .item = RDD_TYPE(item));
    if (!strcmp(source, "nested"))
        return rdd_csv(ctx, path, .item = RDD_TYPE(nested), .delimiter = ';');
    if (!strcmp(source, "json"))
        return rdd_json_lines(ctx, path);
    if (!strcmp(source, "json-items"))
        return rdd_json_lines(ctx, path, .item = RDD_TYPE(item));
    if (!strcmp(source, "whole"))
        return rdd_whole_text_files(ctx, path);
    if (!strcmp(source, "records"))
        return rdd_binary_records(ctx, path, 16);
    rdd_report(ctx, 2, "there is no source %s", source);
    return NULL;
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    if (argc == 2 && !strcmp(argv[1], "twice"))
        rdd_init(&argc, argv); /* a mistake, which ends the program */
    if (argc != 3 && argc != 5) {
        rdd_report(ctx, 2, "usage: reader SOURCE PATH [SINK PATH]");
        return rdd_finish(ctx);
    }
    rdd *all = read_source(ctx, argv[1], argv[2]);
    if (!all)
        return rdd_finish(ctx);
    if (argc == 3) {
        long long count = (long long)rdd_count(all);
        rdd_error err;
        if (!rdd_take_error(ctx, &err))
            printf("%lld\n", count);
        else
            rdd_report(ctx, err.code == RDD_E_USAGE ? 2 : 1, "%s", err.message);
    } else if (!strcmp(argv[3], "text")) {
        rdd_save_text(all, argv[4]);
    } else if (!strcmp(argv[3], "csv")) {
        rdd_save_csv(all, argv[4]);
    } else if (!strcmp(argv[3], "json")) {
        rdd_save_json_lines(all, argv[4]);
    } else {
        rdd_report(ctx, 2, "there is no sink %s", argv[3]);
    }
    return rdd_finish(ctx);
}
