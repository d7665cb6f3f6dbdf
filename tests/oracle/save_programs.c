/* save_programs.c: see save_programs.h. Each saves what is made of the same numbers, in one way or
 * another, and some cannot succeed.
 */
#include "save_programs.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

static rdd_context *ctx;
static const char *program_dir;

static const char *to(const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", program_dir, name);
    return path;
}

enum { ROWS = 3000, PARTITIONS = 7 };

static rdd *numbers(void)
{
    return rdd_range(ctx, 0, ROWS, .partitions = PARTITIONS);
}

RDD_MAP(to_line, int64_t, i, rdd_str)
{
    if (i % 50 == 7)
        return (rdd_str){ 0, NULL };
    return rdd_format(task, "line %ld\t%0*d", (long)i, (int)(i % 90), 0);
}

/* Columns come and go: new ones in the middle, names twice, rows without any. */
RDD_MAP(to_row, int64_t, i, rdd_row)
{
    rdd_row row = { 0, NULL };
    if (i % 401 == 400)
        return row;
    row = rdd_row_set(task, row, RDD_STR("id"), rdd_format(task, "%ld", (long)i));
    if (i % 3 == 0)
        row = rdd_row_set(task, row, RDD_STR("text"), rdd_format(task, "a \"%ld\",\nb", (long)i));
    row = rdd_row_set(task, row, rdd_format(task, "of %ld", (long)(i / 700)), RDD_STR("x"));
    return i % 5 ? row : rdd_row_concat(task, row, row);
}

RDD_MAP(to_plain_row, int64_t, i, rdd_row)
{
    rdd_row row = rdd_row_set(task, (rdd_row){ 0, NULL }, RDD_STR("id"),
                              rdd_format(task, "%ld", (long)i));
    return rdd_row_set(task, row, RDD_STR("name"), rdd_format(task, "n%ld", (long)(i % 10)));
}

RDD_OPTIONAL(maybe_double, double);
RDD_STRUCT(person, (int64_t, id), (rdd_str, name), (maybe_double, half), (bool, even));
RDD_MAP(to_person, int64_t, i, person)
{
    return (person){ i, rdd_format(task, "name, %ld", (long)i), { i % 4 != 0, (double)i / 2 },
                     i % 2 == 0 };
}

static void everything(void)
{
    rdd *lines = rdd_map(numbers(), to_line), *rows = rdd_map(numbers(), to_row);
    rdd *plain = rdd_map(numbers(), to_plain_row), *people = rdd_map(numbers(), to_person);
    rdd_save_text(lines, to("lines.txt"));
    rdd_save_text(lines, to("lines.txt.gz"));
    rdd_save_text(lines, to("lines.txt.zst"));
    rdd_save_text(lines, to("lines"), .parts = true);
    rdd_save_text(rows, to("rows.txt"));
    rdd_save_json_lines(people, to("people.json"));
    rdd_save_json_lines(rows, to("rows.json/"));
    rdd_save_csv(people, to("people.csv"));
    rdd_save_csv(people, to("people.csv.zst"), .delimiter = ';', .no_header = true);
    rdd_save_csv(people, to("people/"));
    rdd_save_csv(rows, to("rows.csv"));
    rdd_save_csv(rows, to("rows.csv.gz"));
    rdd_save_csv(rows, to("rows/"));
    rdd_save_csv(plain, to("plain.csv"));
    rdd_save_csv(rdd_zip_columns(plain, rows), to("zipped.csv.zst"));
    rdd_save_csv(rdd_map(rdd_range(ctx, 0, 0, .partitions = 3), to_row), to("none.csv"));
    rdd_save_csv(rdd_map(rdd_range(ctx, 0, 0, .partitions = 3), to_person), to("nobody.csv"));
    rdd_save_text(rdd_pipe(lines, "tr a-z A-Z; echo $RDD_PARTITION"), to("piped.txt"));
    rdd_save_text(rdd_pipe(rdd_coalesce(lines, 2), "head -n 3"), to("heads.txt"));
}

/* What was saved is read again and saved again. */
static void again(void)
{
    rdd_save_csv(rdd_map(numbers(), to_row), to("a.csv"), .no_header = false);
    rdd_save_csv(rdd_csv(ctx, to("a.csv")), to("b.csv"));
    rdd_save_csv(rdd_csv(ctx, to("b.csv")), to("a.csv"), .overwrite = true);
    rdd_save_text(rdd_text_file(ctx, to("a.csv")), to("c.csv"));
}

RDD_MAP(fail_first, rdd_str, line, rdd_str)
{
    if (rdd_attempt(task) == 0 && rdd_partition_index(task) % 2 == 0 && line.size > 60)
        rdd_fail(task, "not at the first attempt");
    return line;
}

RDD_MAP(crash_first, rdd_str, line, rdd_str)
{
    if (rdd_attempt(task) == 0 && rdd_partition_index(task) == 3 && line.size > 60)
        abort();
    return line;
}

static void retried(void)
{
    rdd_save_text(rdd_map(rdd_map(numbers(), to_line), fail_first), to("out.txt"));
}

static void crashed(void)
{
    rdd_save_text(rdd_map(rdd_map(numbers(), to_line), crash_first), to("out.txt"));
}

static void unharmed(void)
{
    rdd_save_text(rdd_map(numbers(), to_line), to("out.txt"));
}

RDD_MAP(fail_late, rdd_str, line, rdd_str)
{
    if (rdd_partition_index(task) == PARTITIONS - 1)
        rdd_fail(task, "this never works");
    return line;
}

static void failing(void)
{
    rdd_save_text(rdd_map(rdd_map(numbers(), to_line), fail_late), to("out.txt.gz"));
}

static void failing_pipe(void)
{
    rdd_save_text(rdd_pipe(rdd_map(numbers(), to_line), "cat; echo sorry >&2; exit 7"), to("out/"));
}

RDD_MAP(to_bad_text, int64_t, i, rdd_str)
{
    return i == 2999 ? RDD_STR("\xff") : RDD_STR("fine");
}

static void bad_text(void)
{
    rdd_save_json_lines(rdd_map(numbers(), to_bad_text), to("out.json"));
}

static void taken(void)
{
    rdd_save_text(rdd_map(numbers(), to_line), to("taken"));
}

static void wrong_type(void)
{
    rdd_save_csv(numbers(), to("out.csv"));
}

RDD_MAP(to_large, int64_t, i, rdd_str)
{
    return rdd_format(task, "%ld%0*d", (long)i, 1 << 10, 0);
}

static void too_large(void)
{
    rdd_save_text(rdd_map(numbers(), to_large), to("out.txt"));
}

static void standard_output(void)
{
    printf("before\n");
    rdd_save_csv(rdd_map(numbers(), to_row), "-");
    printf("after\n");
}

static void large_standard_output(void)
{
    rdd_save_text(rdd_map(rdd_range(ctx, 0, 30000, .partitions = 60), to_large), "-");
}

static void two_at_once_on_one_name(void)
{
    rdd_save_text(rdd_map(numbers(), to_line), to("out.txt"));
    rdd_save_text(rdd_map(numbers(), to_line), to("out.txt"));
}

/* Says that it runs, through a named pipe, and then does nothing until it is told to stop. */
RDD_STRUCT(bell, (rdd_str, path));
RDD_MAP(ring_and_wait, rdd_str, line, rdd_str, bell)
{
    if (rdd_partition_index(task) == 0 && !rdd_cancelled(task)) {
        int fd = open(env->path.data, O_WRONLY | O_CLOEXEC);
        if (fd < 0 || write(fd, "!", 1) != 1)
            rdd_fail(task, "cannot ring");
        close(fd);
        while (!rdd_cancelled(task))
            poll(NULL, 0, 1);
    }
    return line;
}

static void endless(void)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s.bell", program_dir);
    rdd_str terminated = { strlen(path) + 1, path };
    rdd *lines = rdd_map(numbers(), to_line);
    rdd_save_text(rdd_map(lines, RDD_WITH(ring_and_wait, .path = terminated)), to("out.txt"));
}

static const struct program {
    const char *name;
    void (*body)(void);
} PROGRAMS[] = {
    { "everything", everything },
    { "again", again },
    { "retried", retried },
    { "crashed", crashed },
    { "unharmed", unharmed },
    { "failing", failing },
    { "failing_pipe", failing_pipe },
    { "bad_text", bad_text },
    { "taken", taken },
    { "wrong_type", wrong_type },
    { "too_large", too_large },
    { "standard_output", standard_output },
    { "large_standard_output", large_standard_output },
    { "two_at_once_on_one_name", two_at_once_on_one_name },
    { "endless", endless },
};

void save_program(rdd_context *context, const char *name, const char *dir)
{
    ctx = context;
    program_dir = dir;
    for (size_t i = 0; i < sizeof PROGRAMS / sizeof PROGRAMS[0]; i++)
        if (!strcmp(PROGRAMS[i].name, name))
            PROGRAMS[i].body();
}
