/* file_places_test.c: jobs whose files are behind a server, shared between nodes, or only at the
 * driver; and which paths count as shared. Each context is one of a program of its own. */
#include "bad_server.h"
#include "conf.h"
#include "shared_paths.h"

#include "test.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* What executors are told is in their settings; they run this program, too. */
static rdd_context *context_of(const char *master, const char *conf, const char *more)
{
    static char *argv[12];
    int argc = 0;
    argv[argc++] = (char *)(uintptr_t)"file_places_test";
    argv[argc++] = (char *)(uintptr_t)"--master";
    argv[argc++] = (char *)(uintptr_t)master;
    argv[argc++] = (char *)(uintptr_t)"--quiet";
    argv[argc++] = (char *)(uintptr_t)"--conf";
    argv[argc++] = (char *)(uintptr_t)conf;
    if (more) {
        argv[argc++] = (char *)(uintptr_t)"--conf";
        argv[argc++] = (char *)(uintptr_t)more;
    }
    argv[argc] = NULL;
    return rdd_init(&argc, argv);
}

static const char *const MASTERS[] = { "local[2]", "local-cluster[2,1]", "local-cluster[1,2]" };
/* The last of them shares no files with its driver. */
static const char *const CONFS[] = { "debug.remote_files=false", "debug.remote_files=false",
                                     "debug.remote_files=true" };

static void expect_fine(rdd_context *ctx)
{
    rdd_error err;
    if (rdd_take_error(ctx, &err))
        fail_msg("%s", err.message);
}

static void expect_error(rdd_context *ctx, const char *text)
{
    rdd_error err;
    assert_true(rdd_take_error(ctx, &err));
    if (!strstr(err.message, text))
        fail_msg("%s", err.message);
}

/* -- Behind a server --------------------------------------------------------------------------- */

static struct {
    buf lines, rows;
    const char *_Atomic etag;
    atomic_bool parts;
} site;

static bool serve(bad_request *r, void *arg)
{
    (void)arg;
    const buf *content = strstr(r->path, ".csv") ? &site.rows : &site.lines;
    CLEANUP(buf_release) buf b = { 0 };
    size_t first = 0, last = content->size - 1;
    const char *range = strstr(r->head, "Range: bytes=");
    bool part = site.parts && range && sscanf(range, "Range: bytes=%zu-%zu", &first, &last) == 2;
    last = size_min(last, content->size - 1);
    buf_format(&b, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nETag: %s\r\n",
               part ? "206 Partial Content" : "200 OK", last + 1 - first, atomic_load(&site.etag));
    if (part)
        buf_format(&b, "Content-Range: bytes %zu-%zu/%zu\r\n", first, last, content->size);
    buf_text(&b, "\r\n");
    buf_append(&b, content->data + first, last + 1 - first);
    return bad_send_bytes(r, b.data, b.size);
}

static void check_lines(rdd_context *ctx, const char *url, int64_t partitions)
{
    size_t count, at = 0;
    rdd *lines = rdd_text_file(ctx, url, .partitions = 5);
    assert_int_equal(rdd_partition_count(lines), partitions);
    const rdd_str *all = rdd_collect(lines, rdd_str, &count);
    expect_fine(ctx);
    for (size_t i = 0; i < count; i++) {
        assert_memory_equal(site.lines.data + at, all[i].data, all[i].size);
        at += all[i].size + 1;
    }
    assert_int_equal(at, site.lines.size);
}

static void files_behind_a_server(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        buf_format(&site.lines, "line %d\n", i * 3);
        buf_format(&site.rows, "%s%d,\"a %d\nb\"\n", i ? "" : "id,text\n", i, i);
    }
    bad_server *server = bad_server_start(serve, NULL);
    for (size_t m = 0; m < ARRAY_SIZE(MASTERS); m++) {
        rdd_context *ctx = context_of(MASTERS[m], CONFS[m], "input.split_size=64KiB");
        site.etag = "\"1\"";
        for (int parts = 0; parts < 2; parts++) {
            site.parts = parts != 0;
            check_lines(ctx, bad_server_url(server, "/lines"), parts ? 5 : 1);
            assert_int_equal(rdd_count(rdd_csv(ctx, bad_server_url(server, "/rows.csv"))), 20000);
            assert_int_equal(rdd_count(rdd_whole_text_files(ctx, bad_server_url(server, "/x"))),
                             1);
            expect_fine(ctx);
        }
        rdd *lines = rdd_text_file(ctx, bad_server_url(server, "/lines"));
        site.etag = "\"2\"";
        rdd_count(lines);
        expect_error(ctx, "changed while it was read");
        assert_int_equal(rdd_finish(ctx), 0);
    }
    bad_server_stop(server);
    buf_release(&site.lines);
    buf_release(&site.rows);
}

/* -- Shared ------------------------------------------------------------------------------------ */

static void touch_later(const char *path)
{
    struct timespec times[2] = { { 2000000000, 0 }, { 2000000000, 0 } };
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A node opens a shared file itself, and then another time of change is another file; what comes
 * from the driver may have grown. */
static void shared_files_are_read_in_place(void **state)
{
    (void)state;
    const char *path = test_file("shared.txt", "a\nb\nc\n", 6);
    char conf[PATH_MAX + 16];
    snprintf(conf, sizeof conf, "shared=/nowhere,%s/", test_dir());
    for (int shared = 0; shared < 2; shared++) {
        rdd_context *ctx = context_of("local-cluster[1,1]", "debug.remote_files=true",
                                      shared ? conf : NULL);
        rdd *lines = rdd_text_file(ctx, path, .partitions = 2);
        assert_int_equal(rdd_count(lines), 3);
        expect_fine(ctx);
        touch_later(path);
        int64_t count = rdd_count(lines);
        if (shared)
            expect_error(ctx, "not the file that the driver listed: another size or time of");
        else
            assert_int_equal(count, 3);
        expect_fine(ctx);
        assert_int_equal(rdd_finish(ctx), 0);
        test_file("shared.txt", "a\nb\nc\n", 6);
    }
}

static void saves_go_to_shared_places(void **state)
{
    (void)state;
    char conf[PATH_MAX + 16], back[64];
    snprintf(conf, sizeof conf, "shared=%s", test_dir());
    for (int shared = 0; shared < 2; shared++) {
        const char *path = test_path(shared ? "saved1.txt" : "saved0.txt");
        rdd_context *ctx = context_of("local-cluster[2,1]", "debug.remote_files=true",
                                      shared ? conf : NULL);
        rdd_save_text(rdd_range(ctx, 0, 10, .partitions = 3), path);
        expect_fine(ctx);
        assert_int_equal(rdd_finish(ctx), 0);
        FILE *file = fopen(path, "r");
        assert_non_null(file);
        size_t size = fread(back, 1, sizeof back, file);
        fclose(file);
        assert_int_equal(size, 20);
        assert_memory_equal(back, "0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n", 20);
    }
}

static void expect_shared(const char *conf, const char *path, const char *wanted)
{
    CLEANUP(arena_release) arena a = { 0 };
    const char *got;
    rdd_error err;
    conf_clear();
    assert_int_equal(conf_set("shared", conf, &err), 0);
    assert_int_equal(shared_path(path, &a, &got, &err), 0);
    if (wanted)
        assert_string_equal(got, wanted);
    else
        assert_null(got);
    conf_clear();
}

static void paths_are_shared_by_where_they_lead(void **state)
{
    (void)state;
    char dir[PATH_MAX], link[PATH_MAX + 8], inside[PATH_MAX + 16], list[2 * PATH_MAX];
    assert_non_null(realpath(test_dir(), dir));
    snprintf(link, sizeof link, "%s.link", dir);
    snprintf(inside, sizeof inside, "%s/new/file", dir);
    assert_int_equal(symlink(dir, link), 0);
    expect_shared("", inside, NULL);
    expect_shared(dir, inside, inside);
    expect_shared(dir, dir, dir);
    snprintf(list, sizeof list, ",/nowhere,%s/,", link);
    expect_shared(list, inside, inside); /* of the list, too */
    char through[PATH_MAX + 32];
    snprintf(through, sizeof through, "%s/new/file", link);
    expect_shared(dir, through, inside);
    snprintf(through, sizeof through, "%sx/file", dir); /* begins like it */
    expect_shared(dir, through, NULL);
    expect_shared("/", inside, inside);
    expect_shared("/nowhere", "/nowhere/a", "/nowhere/a");
    expect_shared(dir, "no/such/place", NULL);
    unlink(link);

    CLEANUP(arena_release) arena a = { 0 };
    const char *got;
    rdd_error err;
    assert_int_equal(conf_set("shared", "relative", &err), 0);
    assert_int_equal(shared_path(dir, &a, &got, &err), RDD_E_USAGE);
    assert_non_null(strstr(err.message, "relative is not absolute"));
    conf_clear();
}

int main(int argc, char **argv)
{
    rdd_context *first = rdd_init(&argc, argv); /* an executor stays in there */
    rdd_finish(first);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_behind_a_server),
        cmocka_unit_test(shared_files_are_read_in_place),
        cmocka_unit_test(saves_go_to_shared_places),
        cmocka_unit_test(paths_are_shared_by_where_they_lead),
    };
    return TEST_MAIN(argc, argv, tests);
}
