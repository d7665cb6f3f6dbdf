/* input_test.c: input.h with files of this machine, and input_compressed.h. */
#include "bytemask.h"
#include "input.h"
#include "input_paths.h"
#include "unit/input_memory.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "test.h"

/* ---- helpers -------------------------------------------------------------------------------- */

static arena memory;

/* The error's message has all the parts, in their order. */
#define assert_message(err, ...) assert_message_((err), (const char *[]){ __VA_ARGS__, NULL })

static void assert_message_(const rdd_error *err, const char *const *parts)
{
    const char *at = err->message;
    for (; *parts; parts++) {
        at = strstr(at, *parts);
        if (!at)
            print_error("\"%s\" has no \"%s\"\n", err->message, *parts);
        assert_non_null(at);
    }
}

static input_file file_at(const char *path)
{
    input_file file;
    rdd_error err = { 0 };
    int code = input_file_stat(path, NULL, &memory, &file, &err);
    if (code)
        print_error("%s\n", err.message);
    assert_int_equal(code, 0);
    return file;
}

static input_file file_of(const char *name, const void *data, size_t size)
{
    return file_at(test_file(name, data, size));
}

/* Bytes that compress a little and are never the same. */
static char *random_text(size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    for (size_t i = 0; i < size; i++)
        text[i] = "etaoin shrdlu\n"[test_random_below(14)];
    text[size] = 0;
    return text;
}

/* Reads in pieces of up to `piece` bytes to the end: 0 or a negative code. */
static int read_all(input *in, size_t piece, buf *ret, rdd_error *err)
{
    for (;;) {
        char *to = buf_reserve(ret, piece);
        assert_non_null(to);
        uint64_t before = in->offset;
        ssize_t got = input_read(in, to, piece, err);
        if (got <= 0)
            return (int)got;
        assert_true((size_t)got <= piece);
        assert_true(in->offset == before + (uint64_t)got);
        ret->size += (size_t)got;
    }
}

static int read_file(const input_file *file, size_t piece, buf *ret, rdd_error *err)
{
    CLEANUP(input_freep) input *in = NULL;
    int code = input_open(input_provider_local(), file, 0, INPUT_END, &in, err);
    return code ? code : read_all(in, piece, ret, err);
}

static void assert_reads_as(const input_file *file, size_t piece, const char *data, size_t size)
{
    CLEANUP(buf_release) buf content = { 0 };
    rdd_error err = { 0 };
    int code = read_file(file, piece, &content, &err);
    if (code)
        print_error("%s\n", err.message);
    assert_int_equal(code, 0);
    assert_int_equal(content.size, size);
    if (size)
        assert_memory_equal(content.data, data, size);
}

static void append_gzip(buf *b, const char *data, size_t size)
{
    z_stream stream = { 0 };
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    size_t bound = deflateBound(&stream, size);
    stream.next_in = (unsigned char *)(uintptr_t)data;
    stream.avail_in = (uInt)size;
    stream.next_out = buf_reserve(b, bound);
    stream.avail_out = (uInt)bound;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    b->size += stream.total_out;
    deflateEnd(&stream);
}

/* With a checksum, as the zstd program makes them. */
static void append_zstd(buf *b, const char *data, size_t size)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    size_t bound = ZSTD_compressBound(size);
    size_t done = ZSTD_compress2(context, buf_reserve(b, bound), bound, data, size);
    ZSTD_freeCCtx(context);
    assert_false(ZSTD_isError(done));
    b->size += done;
}

typedef void append_fn(buf *b, const char *data, size_t size);

static const struct archive {
    const char *what, *suffix;
    append_fn *append;
} archives[] = { { "gzip", "gz", append_gzip }, { "zstd", "zst", append_zstd } };

/* ---- files of this machine ------------------------------------------------------------------ */

static void a_file_reads_from_any_offset(void **state)
{
    (void)state;
    enum { SIZE = 10000 };
    CLEANUP(freep) char *text = random_text(SIZE);
    input_file file = file_of("plain", text, SIZE);
    assert_int_equal(file.size, SIZE);
    assert_int_equal(file.format, INPUT_PLAIN);
    for (size_t piece = 1; piece < 20000; piece = piece * 3 + 1)
        assert_reads_as(&file, piece, text, SIZE);
    for (int round = 0; round < 50; round++) {
        size_t offset = test_random_below(SIZE + 10);
        CLEANUP(input_freep) input *in = NULL;
        CLEANUP(buf_release) buf content = { 0 };
        assert_int_equal(input_open(input_provider_local(), &file, offset, INPUT_END, &in, NULL),
                         0);
        assert_int_equal(read_all(in, 777, &content, NULL), 0);
        size_t expected = offset < SIZE ? SIZE - offset : 0;
        assert_int_equal(content.size, expected);
        if (expected)
            assert_memory_equal(content.data, text + offset, expected);
    }
}

static void an_empty_file_has_no_bytes(void **state)
{
    (void)state;
    input_file file = file_of("empty", "", 0);
    assert_int_equal(file.format, INPUT_PLAIN);
    assert_reads_as(&file, 100, "", 0);
}

static void a_full_read_waits_for_all_bytes(void **state)
{
    (void)state;
    char data[10];
    memory_provider p = memory_provider_over("0123456789", 10, 3);
    CLEANUP(input_freep) input *in = NULL;
    assert_int_equal(input_open(&p.base, &p.file, 0, INPUT_END, &in, NULL), 0);
    assert_int_equal(input_read_full(in, data, 7, NULL), 7);
    assert_memory_equal(data, "0123456", 7);
    assert_int_equal(input_read_full(in, data, 7, NULL), 3);
    assert_int_equal(input_read_full(in, data, 7, NULL), 0);
}

static void a_missing_file_is_named(void **state)
{
    (void)state;
    input_file file = { .path = "/nowhere/data.csv", .name = "data.csv" };
    input *in = NULL;
    rdd_error err = { 0 };
    assert_int_equal(input_open(input_provider_local(), &file, 0, INPUT_END, &in, &err), RDD_E_IO);
    assert_null(in);
    assert_int_equal(err.os_errno, ENOENT);
    assert_string_equal(err.message, "data.csv: cannot open: No such file or directory");
}

static void a_directory_is_no_file(void **state)
{
    (void)state;
    input_file file = { .path = test_dir(), .name = "dir" };
    input *in;
    rdd_error err = { 0 };
    assert_int_equal(input_open(input_provider_local(), &file, 0, INPUT_END, &in, &err), RDD_E_IO);
    assert_message(&err, "dir: ", "Is a directory");
}

static void a_file_that_shrank_is_an_error(void **state)
{
    (void)state;
    const char *path = test_file("shrinks", "0123456789", 10);
    input_file file = file_at(path);
    CLEANUP(input_freep) input *in = NULL;
    char data[10];
    assert_int_equal(input_open(input_provider_local(), &file, 0, INPUT_END, &in, NULL), 0);
    assert_int_equal(input_read(in, data, 4, NULL), 4);
    assert_int_equal(truncate(path, 6), 0);
    assert_int_equal(input_read(in, data, 4, NULL), 2);
    rdd_error err = { 0 };
    assert_int_equal(input_read(in, data, 4, &err), RDD_E_INPUT);
    assert_message(&err, path, "shrank to 6 bytes", "it had 10");

    input *again = NULL;
    assert_int_equal(input_open(input_provider_local(), &file, 0, INPUT_END, &again, &err),
                     RDD_E_INPUT);
    assert_null(again);
    assert_message(&err, path, "shrank to 6 bytes", "it had 10");
}

static void what_is_appended_later_is_not_read(void **state)
{
    (void)state;
    const char *path = test_file("grows", "0123456789", 10);
    input_file file = file_at(path);
    test_file("grows", "0123456789abcdef", 16);
    assert_reads_as(&file, 7, "0123456789", 10);
    input *in = NULL;
    rdd_error err = { 0 };
    assert_int_equal(input_open(input_provider_shared(), &file, 0, INPUT_END, &in, &err),
                     RDD_E_INPUT);
    assert_message(&err, path, "not the file that the driver listed");
}

static void a_shared_file_has_the_same_mtime(void **state)
{
    (void)state;
    input_file file = file_of("shared", "0123456789", 10);
    CLEANUP(input_freep) input *in = NULL;
    assert_int_equal(input_open(input_provider_shared(), &file, 0, INPUT_END, &in, NULL), 0);
    file.mtime_ns++;
    input *other = NULL;
    assert_int_equal(input_open(input_provider_shared(), &file, 0, INPUT_END, &other, NULL),
                     RDD_E_INPUT);
    assert_null(other);
}

static void lines_are_counted_up_to_an_offset(void **state)
{
    (void)state;
    input_file file = file_of("numbered", "a\n\nb\r\nc", 7);
    const unsigned line[] = { 1, 1, 2, 3, 3, 3, 4, 4 };
    for (unsigned i = 0; i < ARRAY_SIZE(line); i++)
        assert_int_equal(input_line_at(input_provider_local(), &file, i), line[i]);
    file.path = "/nowhere";
    assert_int_equal(input_line_at(input_provider_local(), &file, 1), 0);
}

/* ---- archives ------------------------------------------------------------------------------- */

static void archives_read_like_their_content(void **state)
{
    (void)state;
    enum { SIZE = 700000 };
    CLEANUP(freep) char *text = random_text(SIZE);
    for (size_t i = 0; i < ARRAY_SIZE(archives); i++) {
        CLEANUP(buf_release) buf stored = { 0 };
        archives[i].append(&stored, text, SIZE);
        input_file file = file_of("archive", stored.data, stored.size);
        assert_int_equal(file.format, i == 0 ? INPUT_GZIP : INPUT_ZSTD);
        assert_reads_as(&file, KIB(256), text, SIZE);
        assert_reads_as(&file, 1000, text, SIZE);
        assert_int_equal(input_line_at(input_provider_local(), &file, SIZE),
                         1 + bytes_count(text, SIZE, '\n'));
        input *in = NULL;
        rdd_error err = { 0 };
        assert_int_equal(input_open(input_provider_local(), &file, 5, INPUT_END, &in, &err),
                         RDD_E_USAGE);
        assert_message(&err, file.name, "only be read from its start");
        CLEANUP(buf_release) buf raw = { 0 };
        CLEANUP(input_freep) input *stored_in = NULL;
        assert_int_equal(
            input_open_raw(input_provider_local(), &file, 0, INPUT_END, &stored_in, NULL), 0);
        assert_int_equal(read_all(stored_in, 5000, &raw, NULL), 0);
        assert_int_equal(raw.size, stored.size);
        assert_memory_equal(raw.data, stored.data, raw.size);
    }
}

/* Members of all sizes, empty ones too, and a source that gives few bytes at a time. */
static void members_follow_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(archives); i++) {
        for (size_t chunk = 1; chunk <= 3; chunk++) {
            CLEANUP(buf_release) buf stored = { 0 }, expected = { 0 };
            for (int member = 0; member < 9; member++) {
                size_t size = member % 3 ? test_random_below(5000) : 0;
                CLEANUP(freep) char *text = random_text(size);
                archives[i].append(&stored, text, size);
                buf_append(&expected, text, size);
            }
            for (int zeros = 0; zeros < 2; zeros++) {
                memory_provider p = memory_provider_over(stored.data, stored.size, chunk);
                p.file.format = input_format_detect(stored.data, stored.size);
                CLEANUP(input_freep) input *in = NULL;
                CLEANUP(buf_release) buf content = { 0 };
                assert_int_equal(input_open(&p.base, &p.file, 0, INPUT_END, &in, NULL), 0);
                assert_int_equal(read_all(in, zeros ? 1 : 333, &content, NULL), 0);
                assert_int_equal(content.size, expected.size);
                assert_memory_equal(content.data, expected.data, content.size);
                buf_append(&stored, "\0\0\0\0\0\0", 6); /* padding is no error */
            }
        }
    }
}

/* Cut anywhere, an archive never reads as if it were whole. */
static void truncated_archives_are_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(archives); i++) {
        CLEANUP(freep) char *text = random_text(3000);
        CLEANUP(buf_release) buf stored = { 0 };
        archives[i].append(&stored, text, 3000);
        for (size_t size = 0; size < stored.size; size++) {
            memory_provider p = memory_provider_over(stored.data, size, 0);
            p.file.format = i == 0 ? INPUT_GZIP : INPUT_ZSTD;
            CLEANUP(input_freep) input *in = NULL;
            CLEANUP(buf_release) buf content = { 0 };
            rdd_error err = { 0 };
            assert_int_equal(input_open(&p.base, &p.file, 0, INPUT_END, &in, NULL), 0);
            assert_int_equal(read_all(in, 512, &content, &err), RDD_E_INPUT);
            char place[64];
            snprintf(place, sizeof place, "stops at byte %zu ", size);
            if (size)
                assert_message(&err, "memory: truncated: ", archives[i].what, place);
            else
                assert_message(&err, "memory: empty, not a ", archives[i].what);
            assert_true(content.size <= 3000);
            assert_memory_equal(content.data, text, content.size);
        }
    }
}

static void damaged_archives_are_errors(void **state)
{
    (void)state;
    enum { HEADER = 20 }; /* some bits of a header, a time say, change nothing */
    int found = 0;
    for (size_t i = 0; i < ARRAY_SIZE(archives); i++) {
        CLEANUP(freep) char *text = random_text(30000);
        CLEANUP(buf_release) buf stored = { 0 };
        archives[i].append(&stored, text, 30000);
        for (int round = 0; round < 300; round++) {
            size_t at = HEADER + test_random_below(stored.size - HEADER);
            char bit = (char)(1 << test_random_below(8));
            stored.data[at] ^= bit;
            memory_provider p = memory_provider_over(stored.data, stored.size, 0);
            p.file.format = i == 0 ? INPUT_GZIP : INPUT_ZSTD;
            CLEANUP(input_freep) input *in = NULL;
            CLEANUP(buf_release) buf content = { 0 };
            rdd_error err = { 0 };
            assert_int_equal(input_open(&p.base, &p.file, 0, INPUT_END, &in, NULL), 0);
            int code = read_all(in, 4096, &content, &err);
            stored.data[at] ^= bit;
            if (code == 0) { /* a bit that fills up the last byte */
                assert_int_equal(content.size, 30000);
                assert_memory_equal(content.data, text, 30000);
                continue;
            }
            found++;
            assert_int_equal(code, RDD_E_INPUT);
            assert_message(&err, "memory: ", archives[i].what, "byte ");
        }
    }
    assert_true(found > 2 * 280);
}

static void garbage_behind_an_archive_is_an_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(archives); i++) {
        CLEANUP(buf_release) buf stored = { 0 };
        archives[i].append(&stored, "hello\n", 6);
        size_t size = stored.size;
        buf_text(&stored, "garbage that is longer than any header");
        memory_provider p = memory_provider_over(stored.data, stored.size, 0);
        p.file.format = i == 0 ? INPUT_GZIP : INPUT_ZSTD;
        CLEANUP(input_freep) input *in = NULL;
        CLEANUP(buf_release) buf content = { 0 };
        rdd_error err = { 0 };
        assert_int_equal(input_open(&p.base, &p.file, 0, INPUT_END, &in, NULL), 0);
        assert_int_equal(read_all(in, 512, &content, &err), RDD_E_INPUT);
        assert_int_equal(content.size, 6);
        assert_true(size > 0);
        assert_message(&err, "memory: something that is not", archives[i].what, "follows", "byte ");
    }
}

static void failures_below_an_archive_come_through(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(archives); i++) {
        CLEANUP(freep) char *text = random_text(30000);
        CLEANUP(buf_release) buf stored = { 0 };
        archives[i].append(&stored, text, 30000);
        memory_provider p = memory_provider_over(stored.data, stored.size, 0);
        p.file.format = i == 0 ? INPUT_GZIP : INPUT_ZSTD;
        p.fail_at = stored.size / 2;
        input *in = NULL;
        CLEANUP(buf_release) buf content = { 0 };
        rdd_error err = { 0 };
        assert_int_equal(input_open(&p.base, &p.file, 0, INPUT_END, &in, NULL), 0);
        assert_int_equal(read_all(in, 512, &content, &err), RDD_E_LOST);
        input_free(in);
        assert_int_equal(p.open_count, 1);
        assert_int_equal(p.closed_count, 1);
    }
}

static void formats_are_told_by_their_first_bytes(void **state)
{
    (void)state;
    assert_int_equal(input_format_detect("", 0), INPUT_PLAIN);
    assert_int_equal(input_format_detect("\x1f", 1), INPUT_PLAIN);
    assert_int_equal(input_format_detect("\x1f\x8b", 2), INPUT_GZIP);
    assert_int_equal(input_format_detect("\x28\xb5\x2f", 3), INPUT_PLAIN);
    assert_int_equal(input_format_detect("\x28\xb5\x2f\xfd", 4), INPUT_ZSTD);
    assert_int_equal(input_format_detect("\x53\x2a\x4d\x18", 4), INPUT_ZSTD);
    assert_int_equal(input_format_detect("text", 4), INPUT_PLAIN);
}

/* ---- on the wire ---------------------------------------------------------------------------- */

static void descriptions_cross_the_wire(void **state)
{
    (void)state;
    input_file file = { .path = "/a/path", .name = "standard input", .size = 12345678901,
                        .mtime_ns = -5, .format = INPUT_ZSTD, .place = INPUT_SHARED,
                        .number = 7 }, back;
    CLEANUP(buf_release) buf b = { 0 };
    input_file_encode(&b, &file);
    reader r = reader_over(b.data, b.size);
    assert_int_equal(input_file_decode(&r, &memory, &back, NULL), 0);
    assert_int_equal(reader_left(&r), 0);
    assert_string_equal(back.path, file.path);
    assert_string_equal(back.name, file.name);
    assert_true(back.size == file.size && back.mtime_ns == file.mtime_ns);
    assert_int_equal(back.format, file.format);
    assert_int_equal(back.place, file.place);
    assert_int_equal(back.number, file.number);

    rdd_error err = { 0 };
    for (size_t size = 0; size < b.size; size++) {
        r = reader_over(b.data, size);
        assert_int_equal(input_file_decode(&r, &memory, &back, &err), RDD_E_PROTOCOL);
    }
    b.data[b.size - 1] = INPUT_ZSTD + 1;
    r = reader_over(b.data, b.size);
    assert_int_equal(input_file_decode(&r, &memory, &back, &err), RDD_E_PROTOCOL);
    b.data[b.size - 1] = INPUT_PLAIN;
    b.data[5] = 0; /* inside the path */
    r = reader_over(b.data, b.size);
    assert_int_equal(input_file_decode(&r, &memory, &back, &err), RDD_E_PROTOCOL);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_reads_from_any_offset),
        cmocka_unit_test(an_empty_file_has_no_bytes),
        cmocka_unit_test(a_full_read_waits_for_all_bytes),
        cmocka_unit_test(a_missing_file_is_named),
        cmocka_unit_test(a_directory_is_no_file),
        cmocka_unit_test(a_file_that_shrank_is_an_error),
        cmocka_unit_test(what_is_appended_later_is_not_read),
        cmocka_unit_test(a_shared_file_has_the_same_mtime),
        cmocka_unit_test(lines_are_counted_up_to_an_offset),
        cmocka_unit_test(archives_read_like_their_content),
        cmocka_unit_test(members_follow_each_other),
        cmocka_unit_test(truncated_archives_are_errors),
        cmocka_unit_test(damaged_archives_are_errors),
        cmocka_unit_test(garbage_behind_an_archive_is_an_error),
        cmocka_unit_test(failures_below_an_archive_come_through),
        cmocka_unit_test(formats_are_told_by_their_first_bytes),
        cmocka_unit_test(descriptions_cross_the_wire),
    };
    int failed = TEST_MAIN(argc, argv, tests);
    arena_release(&memory);
    return failed;
}
