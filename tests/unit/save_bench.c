/* save_bench.c: see save_bench.h. */
#include "save_bench.h"

#include "random.h"
#include "sink.h"

#include <dirent.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "test.h"

const rdd_str LINES_A[3] = { { 3, "one" }, { 0, NULL }, { 0, "" } };
const rdd_str LINES_C[2] = { { 7, "two\nend" }, { 2, "\xff\n" } };
const part TEXT_PARTS[3] = { { LINES_A, 3 }, { NULL, 0 }, { LINES_C, 2 } };

/* The same views in every run of a program. */
static uint64_t view_sizes = 1;

typedef struct source {
    iterator base;
    const char *items;
    size_t item_size, count, at, view_max;
    bool fails; /* at the end */
} source;

static int source_next(iterator *it, view *ret)
{
    source *s = (source *)it;
    if (s->at == s->count)
        return s->fails ? run_fail(it->run, RDD_E_USER, "the source fails") : ITERATOR_END;
    size_t count = size_min(s->count - s->at, 1 + (size_t)random_mix(&view_sizes) % s->view_max);
    *ret = (view){ s->items + s->at * s->item_size, count };
    s->at += count;
    return ITERATOR_VIEW;
}

int task_run(const saving *s, uint32_t partition, uint32_t attempt, const void *items, size_t count,
             bool fails, buf *out, rdd_error *err)
{
    plan_node node = { .kind = NODE_EMPTY, .type = s->type, .partitions = 1000, .label = "x" };
    plan p = { .nodes = &node, .node_count = 1, .act = s->act, .result_max = MIB(64) };
    CLEANUP(arena_release) arena memory = { 0 };
    atomic_bool cancelled = false;
    slot_state state = { 0 };
    run r = { .plan = &p, .id = { 1, partition, attempt }, .memory = &memory, .state = &state,
              .cancelled = &cancelled };
    source from = { .base = { .next = source_next, .run = &r }, .items = items,
                    .item_size = s->type->size, .count = count, .fails = fails,
                    .view_max = 1 + (size_t)random_mix(&view_sizes) % 2000 };
    int rc = sink_save(&r, &from.base, out);
    assert_int_equal(rc == ITERATOR_FAILED, r.code != 0);
    if (r.code)
        *err = r.error;
    return r.code;
}

int save_parts(action_kind kind, const rdd_type *type, const char *path, rdd_save_csv_options options,
               const part *parts, size_t count, rdd_error *err)
{
    saving s = SAVING_NONE;
    int code = saving_open(&s, kind, type, path, &options, err);
    if (code < 0)
        return code;
    buf results[PARTS_MAX] = { { 0 } };
    rdd_str views[PARTS_MAX];
    assert_true(count <= PARTS_MAX);
    for (size_t i = count; code == 0 && i-- > 0;) { /* tasks end in any order */
        code = task_run(&s, (uint32_t)i, 2, parts[i].items, parts[i].count, false, &results[i],
                        err);
        views[i] = (rdd_str){ results[i].size, results[i].data };
    }
    if (code == 0)
        code = saving_commit(&s, views, count, err);
    saving_close(&s, code < 0 ? err : NULL);
    for (size_t i = 0; i < count; i++)
        buf_release(&results[i]);
    return code;
}

void save_surely(action_kind kind, const rdd_type *type, const char *path, rdd_save_csv_options options,
                 const part *parts, size_t count)
{
    rdd_error err;
    if (save_parts(kind, type, path, options, parts, count, &err))
        fail_msg("%s: %s", path, err.message);
}

buf file_bytes(const char *path)
{
    buf b = { 0 };
    FILE *file = fopen(path, "rb");
    if (!file)
        fail_msg("%s is not there", path);
    for (size_t got; (got = fread(buf_reserve(&b, 65536), 1, 65536, file)) > 0;)
        b.size += got;
    fclose(file);
    return b;
}

void assert_file(const char *path, const char *wanted)
{
    CLEANUP(buf_release) buf found = file_bytes(path);
    assert_string_equal(buf_terminate(&found), wanted);
}

buf content_of(const char *path, input_format format)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    input_file file = { .path = path, .name = path, .size = (uint64_t)st.st_size,
                        .format = format };
    input *in;
    rdd_error err;
    assert_int_equal(input_open(input_provider_local(), &file, 0, INPUT_END, &in, &err), 0);
    buf b = { 0 };
    ssize_t got;
    while ((got = input_read(in, buf_reserve(&b, 65536), 65536, &err)) > 0)
        b.size += (size_t)got;
    if (got < 0)
        fail_msg("%s", err.message);
    input_free(in);
    return b;
}

const char *names_in(const char *path)
{
    static char text[4096];
    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    assert_true(count >= 0);
    text[0] = 0;
    for (int i = 0; i < count; i++) {
        size_t used = strlen(text);
        if (strcmp(entries[i]->d_name, ".") != 0 && strcmp(entries[i]->d_name, "..") != 0)
            snprintf(text + used, sizeof text - used, "%s ", entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return text;
}

const char *fresh_dir(void)
{
    static int number;
    char name[32];
    snprintf(name, sizeof name, "dir-%d", number++);
    const char *path = test_path(name);
    assert_int_equal(mkdir(path, 0755), 0);
    return path;
}

const char *in(const char *dir, const char *name)
{
    static char paths[8][PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    return path;
}
