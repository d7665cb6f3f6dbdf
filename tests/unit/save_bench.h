/* save_bench.h: saving without a job: each partition goes through sink_save() in a run made up for
 * it, then the driver's half commits what they say. For the tests of saving.
 */
#ifndef RDD_SAVE_BENCH_H
#define RDD_SAVE_BENCH_H

#include "input.h"
#include "save.h"

typedef struct part {
    const void *items;
    size_t count;
} part;

enum { PARTS_MAX = 40 };

/* Runs one attempt of a partition, its elements in views of random sizes; its result is appended to
 * `out`. With `fails` the source fails behind the last element. 0 or the run's code. */
int task_run(const saving *s, uint32_t partition, uint32_t attempt, const void *items, size_t count,
             bool fails, buf *out, rdd_error *err);

/* A whole save. 0 or the code of what failed first; the staging directory is gone in any case. */
int save_parts(action_kind kind, const rdd_type *type, const char *path, rdd_save_csv_options options,
               const part *parts, size_t count, rdd_error *err);

/* The same, and it must succeed; options are the last arguments. */
#define SAVE(kind, T, path, parts, count, ...) \
    save_surely(kind, RDD_TYPE(T), path, (rdd_save_csv_options){ __VA_ARGS__ }, parts, count)
void save_surely(action_kind kind, const rdd_type *type, const char *path, rdd_save_csv_options options,
                 const part *parts, size_t count);

buf file_bytes(const char *path);
void assert_file(const char *path, const char *wanted);

/* The content of a compressed file. */
buf content_of(const char *path, input_format format);

/* The names in a directory, sorted, each with a space behind it. Valid until the next call. */
const char *names_in(const char *path);

/* A directory of its own for a test, and a path in one; good for the next seven calls. */
const char *fresh_dir(void);
const char *in(const char *dir, const char *name);

/* Some text that most tests save: three partitions, the second one empty. */
extern const rdd_str LINES_A[3], LINES_C[2];
extern const part TEXT_PARTS[3];
#define TEXT_WANTED "one\n\n\ntwo\nend\n\xff\n\n"

/* Rows as literals. */
#define ROW(...)                                                             \
    (rdd_row){ sizeof((const rdd_cell[]){ __VA_ARGS__ }) / sizeof(rdd_cell), \
               (const rdd_cell[]){ __VA_ARGS__ } }
#define CELL(name, text) { { sizeof(name) - 1, name }, { sizeof(text) - 1, text } }

#endif
