/* output_test.c: outputs to files, descriptors and through compressors, the CSV writer, the
 * columns of rows, and what tasks say about their parts. */
#include "csv_reader.h"
#include "output.h"
#include "output_csv.h"
#include "output_part.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "full_disk.h"
#include "test.h"

/* -- Helpers ----------------------------------------------------------------------------------- */

static buf file_bytes(const char *path)
{
    buf b = { 0 };
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    for (size_t got; (got = fread(buf_reserve(&b, 65536), 1, 65536, file)) > 0;)
        b.size += got;
    fclose(file);
    return b;
}

static void assert_bytes(const buf *b, const void *data, size_t size)
{
    assert_int_equal(b->size, size);
    if (size)
        assert_memory_equal(b->data, data, size);
}

/* What the inputs of the library make of a file, which is the other half of the bargain. */
static buf content_of(const char *path, input_format format)
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
    assert_int_equal(got, 0);
    input_free(in);
    return b;
}

/* Text that compresses, with some noise. */
static buf random_bytes(size_t size)
{
    buf b = { 0 };
    while (b.size < size)
        buf_format(&b, "%llu line of text\n", (unsigned long long)test_random() >> 40);
    b.size = size;
    return b;
}

static const char *fresh_path(void)
{
    static int number;
    char name[32];
    snprintf(name, sizeof name, "out-%d", number++);
    return test_path(name);
}

/* -- Files ------------------------------------------------------------------------------------- */

static void a_file_gets_the_bytes_and_their_checksum(void **state)
{
    (void)state;
    const char *path = fresh_path();
    CLEANUP(buf_release) buf data = random_bytes(1 << 20);
    output *out;
    rdd_error err;
    assert_int_equal(output_file_create(path, "out", true, &out, &err), 0);
    for (size_t at = 0; at < data.size;) {
        size_t size = size_min(test_random_below(100000), data.size - at);
        assert_int_equal(output_write(out, data.data + at, size, &err), 0);
        at += size;
    }
    assert_int_equal(output_finish(out, &err), 0);
    assert_int_equal(out->stored_size, data.size);
    assert_int_equal(out->checksum, XXH3_64bits(data.data, data.size));
    output_free(out);
    CLEANUP(buf_release) buf found = file_bytes(path);
    assert_bytes(&found, data.data, data.size);
}

static void an_unfinished_file_is_removed(void **state)
{
    (void)state;
    const char *path = fresh_path();
    output *out;
    rdd_error err;
    assert_int_equal(output_file_create(path, "out", false, &out, &err), 0);
    assert_int_equal(output_write(out, "half", 4, &err), 0);
    assert_int_equal(access(path, F_OK), 0);
    output_free(out);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void a_file_that_is_there_is_kept(void **state)
{
    (void)state;
    const char *path = test_file("kept", "old", 3);
    output *out = NULL;
    rdd_error err;
    assert_int_equal(output_file_create(path, "the output", false, &out, &err), RDD_E_IO);
    assert_null(out);
    assert_int_equal(err.os_errno, EEXIST);
    assert_non_null(strstr(err.message, "the output"));
    CLEANUP(buf_release) buf found = file_bytes(path);
    assert_bytes(&found, "old", 3);
}

/* With a checksum the kernel's copy cannot be used, so both ways are taken. */
static void copies_by_the_kernel_and_by_hand_agree(void **state)
{
    (void)state;
    CLEANUP(buf_release) buf data = random_bytes(3 << 20);
    const char *source = test_file("source", data.data, data.size);
    CLEANUP(closep) int fd = open(source, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (int checksum = 0; checksum < 2; checksum++) {
        const char *path = fresh_path();
        output *out;
        rdd_error err;
        assert_int_equal(output_file_create(path, "out", checksum, &out, &err), 0);
        assert_int_equal(output_write(out, "head\n", 5, &err), 0);
        assert_int_equal(output_copy(out, fd, "source", 0, 1000, &err), 0);
        assert_int_equal(output_copy(out, fd, "source", 1000, data.size - 1000, &err), 0);
        assert_int_equal(output_copy(out, fd, "source", 7, 0, &err), 0);
        assert_int_equal(output_finish(out, &err), 0);
        assert_int_equal(out->stored_size, data.size + 5);
        output_free(out);
        CLEANUP(buf_release) buf found = file_bytes(path);
        assert_int_equal(found.size, data.size + 5);
        assert_memory_equal(found.data, "head\n", 5);
        assert_memory_equal(found.data + 5, data.data, data.size);
    }
}

static void a_source_that_is_too_short_is_an_error(void **state)
{
    (void)state;
    const char *source = test_file("short", "12345", 5);
    CLEANUP(closep) int fd = open(source, O_RDONLY | O_CLOEXEC);
    CLEANUP(output_freep) output *out = NULL;
    rdd_error err;
    assert_int_equal(output_file_create(fresh_path(), "out", false, &out, &err), 0);
    assert_int_equal(output_copy(out, fd, "the part", 0, 6, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "the part"));
}

static void bytes_are_appended(void **state)
{
    (void)state;
    const char *path = test_file("appended", "first ", 6);
    const char *source = test_file("second", "second", 6);
    CLEANUP(closep) int fd = open(source, O_RDONLY | O_CLOEXEC);
    output *out;
    rdd_error err;
    assert_int_equal(output_file_append(path, "out", &out, &err), 0);
    assert_int_equal(output_copy(out, fd, "second", 0, 6, &err), 0);
    assert_int_equal(output_finish(out, &err), 0);
    assert_int_equal(out->stored_size, 12);
    output_free(out);
    CLEANUP(buf_release) buf found = file_bytes(path);
    assert_bytes(&found, "first second", 12);
}

static void a_full_disk_says_so_and_is_emptied(void **state)
{
    (void)state;
    const char *disk = full_disk(1 << 20);
    if (!disk)
        TEST_SKIP("mounting a tiny file system needs root");
    char path[PATH_MAX + 8];
    snprintf(path, sizeof path, "%s/out", disk);
    CLEANUP(buf_release) buf data = random_bytes(2 << 20);
    const char *source = test_file("large", data.data, data.size);
    CLEANUP(closep) int fd = open(source, O_RDONLY | O_CLOEXEC);
    for (int way = 0; way < 2; way++) {
        output *out;
        rdd_error err;
        assert_int_equal(output_file_create(path, "out.txt", false, &out, &err), 0);
        int code = way ? output_copy(out, fd, "large", 0, data.size, &err)
                       : output_write(out, data.data, data.size, &err);
        assert_int_equal(code, RDD_E_IO);
        assert_string_equal(err.message, "no space left on device while writing out.txt");
        assert_int_equal(err.os_errno, ENOSPC);
        output_free(out);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    full_disk_remove();
}

/* -- Descriptors ------------------------------------------------------------------------------- */

static void a_descriptor_stays_open(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    output *out;
    rdd_error err;
    assert_int_equal(output_descriptor(ends[1], "standard output", &out, &err), 0);
    assert_int_equal(output_write(out, "text", 4, &err), 0);
    assert_int_equal(output_finish(out, &err), 0);
    output_free(out);
    assert_int_equal(write(ends[1], "!", 1), 1);
    char found[8];
    assert_int_equal(read(ends[0], found, sizeof found), 5);
    assert_memory_equal(found, "text!", 5);
    close(ends[0]);
    close(ends[1]);
}

static void a_reader_that_has_gone_is_an_error_and_no_signal(void **state)
{
    (void)state;
    assert_true(signal(SIGPIPE, SIG_DFL) != SIG_ERR); /* it would end this program */
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    close(ends[0]);
    CLEANUP(output_freep) output *out = NULL;
    rdd_error err;
    assert_int_equal(output_descriptor(ends[1], "standard output", &out, &err), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(output_write(out, "text", 4, &err), RDD_E_IO);
        assert_int_equal(err.os_errno, EPIPE);
        assert_string_equal(err.message, "standard output: whoever read it has closed it");
    }
    sigset_t set;
    assert_int_equal(pthread_sigmask(SIG_BLOCK, NULL, &set), 0);
    assert_false(sigismember(&set, SIGPIPE));
    assert_int_equal(sigpending(&set), 0);
    assert_false(sigismember(&set, SIGPIPE));
    close(ends[1]);
}

static void guards_leave_others_signals_alone(void **state)
{
    (void)state;
    sigset_t pipe_only, set;
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    assert_int_equal(pthread_sigmask(SIG_BLOCK, &pipe_only, NULL), 0);
    assert_int_equal(raise(SIGPIPE), 0);
    sigpipe_guard guard = sigpipe_block();
    sigpipe_restore(&guard);
    assert_int_equal(sigpending(&set), 0);
    assert_true(sigismember(&set, SIGPIPE));
    int taken;
    assert_int_equal(sigwait(&pipe_only, &taken), 0);
    assert_int_equal(pthread_sigmask(SIG_UNBLOCK, &pipe_only, NULL), 0);
}

/* -- Compression ------------------------------------------------------------------------------- */

static void write_compressed(const char *path, compression how, const char *data, size_t size)
{
    CLEANUP(output_freep) output *out = NULL;
    rdd_error err;
    assert_int_equal(output_file_create(path, "out", true, &out, &err), 0);
    assert_int_equal(output_compress(&out, how, &err), 0);
    for (size_t at = 0; at < size;) {
        size_t piece = size_min(size - at, OUTPUT_CHUNK);
        assert_int_equal(output_write(out, data + at, piece, &err), 0);
        at += piece;
    }
    assert_int_equal(output_finish(out, &err), 0);
    CLEANUP(buf_release) buf stored = file_bytes(path);
    assert_int_equal(out->stored_size, stored.size);
    assert_int_equal(out->checksum, XXH3_64bits(stored.data, stored.size));
}

static void compressed_parts_can_be_joined(void **state)
{
    (void)state;
    static const compression HOW[] = { COMPRESSION_GZ, COMPRESSION_ZST };
    static const input_format FORMAT[] = { INPUT_GZIP, INPUT_ZSTD };
    static const size_t SIZES[] = { 0, 1, 700000, 0, 5000 };
    for (size_t h = 0; h < ARRAY_SIZE(HOW); h++) {
        CLEANUP(buf_release) buf all = { 0 };
        CLEANUP(buf_release) buf joined = { 0 };
        for (size_t i = 0; i < ARRAY_SIZE(SIZES); i++) {
            CLEANUP(buf_release) buf data = random_bytes(SIZES[i]);
            const char *path = fresh_path(), *again = fresh_path();
            write_compressed(path, HOW[h], data.data, data.size);
            write_compressed(again, HOW[h], data.data, data.size);
            CLEANUP(buf_release) buf stored = file_bytes(path);
            CLEANUP(buf_release) buf same = file_bytes(again);
            assert_true(stored.size > 0);
            assert_bytes(&same, stored.data, stored.size);
            buf_append(&all, data.data, data.size);
            buf_append(&joined, stored.data, stored.size);
        }
        CLEANUP(buf_release) buf found =
            content_of(test_file("joined", joined.data, joined.size), FORMAT[h]);
        assert_bytes(&found, all.data, all.size);
        assert_true(joined.size < all.size);
    }
}

static void an_unfinished_compressor_removes_its_file(void **state)
{
    (void)state;
    static const compression HOW[] = { COMPRESSION_NONE, COMPRESSION_GZ, COMPRESSION_ZST };
    for (size_t h = 0; h < ARRAY_SIZE(HOW); h++) {
        const char *path = fresh_path();
        output *out;
        rdd_error err;
        assert_int_equal(output_file_create(path, "out", false, &out, &err), 0);
        assert_int_equal(output_compress(&out, HOW[h], &err), 0);
        assert_int_equal(output_write(out, "half", 4, &err), 0);
        output_free(out);
        assert_int_not_equal(access(path, F_OK), 0);
    }
}

static void names_say_how_to_compress(void **state)
{
    (void)state;
    assert_int_equal(compression_of_name("a.csv.gz"), COMPRESSION_GZ);
    assert_int_equal(compression_of_name("a.zst"), COMPRESSION_ZST);
    assert_int_equal(compression_of_name("a.csv"), COMPRESSION_NONE);
    assert_int_equal(compression_of_name("gz"), COMPRESSION_NONE);
    assert_int_equal(compression_of_name(".gz"), COMPRESSION_NONE);
}

/* -- CSV --------------------------------------------------------------------------------------- */

static void assert_record(const char *wanted, char delimiter, size_t count, ...)
{
    rdd_str cells[8];
    va_list args;
    va_start(args, count);
    for (size_t i = 0; i < count; i++)
        cells[i] = rdd_str_of(va_arg(args, const char *));
    va_end(args);
    CLEANUP(buf_release) buf out = { 0 };
    csv_record_write(&out, cells, count, delimiter);
    assert_string_equal(buf_terminate(&out) ? out.data : "", wanted);
}

static void cells_are_quoted_when_they_must_be(void **state)
{
    (void)state;
    assert_record("a,b\n", ',', 2, "a", "b");
    assert_record("a,,\n", ',', 3, "a", "", NULL);
    assert_record(" a ,'b'\n", ',', 2, " a ", "'b'");
    assert_record("\"a,b\",c\n", ',', 2, "a,b", "c");
    assert_record("a,b;\"c;d\"\n", ';', 2, "a,b", "c;d");
    assert_record("\"say \"\"no\"\"\",\"\"\"\"\n", ',', 2, "say \"no\"", "\"");
    assert_record("\"a\nb\",\"\r\"\n", ',', 2, "a\nb", "\r");
    assert_record("\"\"\n", ',', 1, "");
    assert_record("\"\"\n", ',', 1, NULL);
    assert_record(",\n", ',', 2, "", "");
    assert_record("", ',', 0);
    assert_record("\"\xef\xbb\xbfmark\",\xef\xbb\xbf\n", ',', 2, "\xef\xbb\xbfmark",
                  "\xef\xbb\xbf");
}

static rdd_str random_cell(char *room, size_t room_size)
{
    static const char ALPHABET[] = "abcdefgh,;\"\n\r \t'\xef\xbb\xbf\x00";
    size_t kind = test_random_below(10), size = kind < 2   ? 0
                                                : kind < 8 ? test_random_below(12)
                                                           : test_random_below(room_size);
    size_t letters = test_random_below(2) ? 8 : sizeof ALPHABET - 1;
    for (size_t i = 0; i < size; i++)
        room[i] = ALPHABET[test_random_below(letters)];
    return (rdd_str){ size, kind ? room : NULL };
}

/* What the writer writes, the reader reads: any bytes, any record. */
static void random_records_come_back(void **state)
{
    (void)state;
    enum { RECORDS = 400, CELLS = 9, ROOM = 300 };
    for (int round = 0; round < 20; round++) {
        static char room[RECORDS][CELLS][ROOM];
        static rdd_str cells[RECORDS][CELLS];
        char delimiter = test_random_below(2) ? ',' : ';';
        size_t counts[RECORDS];
        CLEANUP(buf_release) buf out = { 0 };
        for (size_t n = 0; n < RECORDS; n++) {
            counts[n] = 1 + test_random_below(CELLS);
            for (size_t i = 0; i < counts[n]; i++) {
                cells[n][i] = random_cell(room[n][i], ROOM);
                if (!cells[n][i].data)
                    cells[n][i].size = 0;
            }
            csv_record_write(&out, cells[n], counts[n], delimiter);
        }
        const char *path = test_file("records.csv", out.data, out.size);
        input_file file = { .path = path, .name = path, .size = out.size };
        csv_options options = { .dialect = { delimiter, 0 }, .nul_allowed = true };
        csv_reader *r;
        rdd_error err;
        assert_int_equal(csv_reader_open(input_provider_local(), &file, CSV_RANGE_ALL, &options,
                                         &r, &err), 0);
        size_t seen = 0;
        const csv_record *records;
        ssize_t got;
        while ((got = csv_reader_next(r, &records, &err)) > 0)
            for (ssize_t i = 0; i < got; i++, seen++) {
                assert_true(seen < RECORDS);
                assert_int_equal(records[i].count, counts[seen]);
                for (size_t c = 0; c < counts[seen]; c++)
                    assert_true(rdd_str_equal(records[i].cells[c], cells[seen][c]));
            }
        assert_int_equal(got, 0);
        assert_int_equal(seen, RECORDS);
        csv_reader_free(r);
    }
}

static uint32_t find(csv_columns *c, const char *name)
{
    uint32_t position;
    rdd_error err;
    assert_int_equal(csv_columns_find(c, rdd_str_of(name), &position, &err), 0);
    return position;
}

static void columns_come_in_order_of_their_first_appearance(void **state)
{
    (void)state;
    CLEANUP(csv_columns_release) csv_columns c;
    csv_columns_init(&c, 100);
    csv_columns_begin(&c);
    assert_int_equal(find(&c, "b"), 0);
    assert_int_equal(find(&c, "a"), 1);
    csv_columns_begin(&c);
    assert_int_equal(find(&c, "a"), 1);
    assert_int_equal(find(&c, ""), 2);
    assert_int_equal(find(&c, "b"), 0);
    CLEANUP(buf_release) buf out = { 0 };
    rdd_error err;
    assert_int_equal(csv_columns_write(&c, &out, ',', &err), 0);
    assert_string_equal(buf_terminate(&out), "b,a,\n");
}

static void a_name_twice_in_a_row_is_two_columns(void **state)
{
    (void)state;
    CLEANUP(csv_columns_release) csv_columns c;
    csv_columns_init(&c, 100);
    csv_columns_begin(&c);
    assert_int_equal(find(&c, "x"), 0);
    csv_columns_begin(&c);
    assert_int_equal(find(&c, "x"), 0);
    assert_int_equal(find(&c, "y"), 1);
    assert_int_equal(find(&c, "x"), 2);
    assert_int_equal(find(&c, "x"), 3);
    csv_columns_begin(&c);
    assert_int_equal(find(&c, "y"), 1);
    assert_int_equal(find(&c, "x"), 0);
    assert_int_equal(find(&c, "x"), 2);
    c.row = UINT32_MAX; /* row numbers begin again, and nothing is taken for this row's */
    for (uint32_t i = 0; i < c.count; i++)
        c.items[i].row = 1;
    csv_columns_begin(&c);
    assert_int_equal(find(&c, "x"), 0);
    assert_int_equal(find(&c, "x"), 2);
    CLEANUP(buf_release) buf out = { 0 };
    rdd_error err;
    assert_int_equal(csv_columns_write(&c, &out, ';', &err), 0);
    assert_string_equal(buf_terminate(&out), "x;y;x;x\n");
}

static void many_columns_are_found_again(void **state)
{
    (void)state;
    enum { COLUMNS = 5000 };
    CLEANUP(csv_columns_release) csv_columns c;
    csv_columns_init(&c, COLUMNS);
    for (int pass = 0; pass < 3; pass++) {
        csv_columns_begin(&c);
        for (uint32_t i = 0; i < COLUMNS; i++) {
            uint32_t at = pass == 2 ? COLUMNS - 1 - i : i;
            char name[32]; /* every third name is the one before */
            snprintf(name, sizeof name, "column %u", at - (at % 3 == 1));
            uint32_t position = find(&c, name);
            if (pass < 2)
                assert_int_equal(position, at);
        }
        assert_int_equal(c.count, COLUMNS);
    }
    uint32_t position;
    rdd_error err;
    assert_int_equal(csv_columns_find(&c, RDD_STR("one more"), &position, &err), RDD_E_LIMIT);
    assert_non_null(strstr(err.message, "5000"));
    assert_non_null(strstr(err.message, "one more"));
    assert_non_null(strstr(err.message, "--conf save.columns_max"));
}

/* -- Reports ----------------------------------------------------------------------------------- */

static void parts_cross_the_wire(void **state)
{
    (void)state;
    rdd_str names[] = { RDD_STR("id"), RDD_STR(""), RDD_STR("a,b") };
    part_segment segments[] = { { 2, 0, 0 }, { 5, 40, 1 }, { 1, 7, 3 } };
    output_part part = { .size = 47, .checksum = 11, .rows = 8, .columns = names,
                         .column_count = 3, .segments = segments, .segment_count = 3 };
    CLEANUP(buf_release) buf bytes = { 0 };
    CLEANUP(arena_release) arena a = { 0 };
    output_part_encode(&bytes, &part, 9);
    output_part found;
    uint32_t attempt;
    rdd_error err;
    assert_int_equal(output_part_decode((rdd_str){ bytes.size, bytes.data }, false, &a, &found,
                                        &attempt, &err), 0);
    assert_int_equal(attempt, 9);
    assert_int_equal(found.size, 47);
    assert_int_equal(found.checksum, 11);
    assert_int_equal(found.rows, 8);
    assert_int_equal(found.column_count, 3);
    for (int i = 0; i < 3; i++) {
        assert_true(rdd_str_equal(found.columns[i], names[i]));
        assert_int_equal(found.segments[i].rows, segments[i].rows);
        assert_int_equal(found.segments[i].size, segments[i].size);
        assert_int_equal(found.segments[i].columns, segments[i].columns);
    }
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_equal(output_part_decode((rdd_str){ size, bytes.data }, true, &a, &found,
                                            &attempt, &err), RDD_E_PROTOCOL);
    segments[1].size = 41; /* no longer what the file has */
    buf_clear(&bytes);
    output_part_encode(&bytes, &part, 9);
    rdd_str changed = { bytes.size, bytes.data };
    assert_int_equal(output_part_decode(changed, false, &a, &found, &attempt, &err),
                     RDD_E_PROTOCOL);
    assert_int_equal(output_part_decode(changed, true, &a, &found, &attempt, &err), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_gets_the_bytes_and_their_checksum),
        cmocka_unit_test(an_unfinished_file_is_removed),
        cmocka_unit_test(a_file_that_is_there_is_kept),
        cmocka_unit_test(copies_by_the_kernel_and_by_hand_agree),
        cmocka_unit_test(a_source_that_is_too_short_is_an_error),
        cmocka_unit_test(bytes_are_appended),
        cmocka_unit_test(a_full_disk_says_so_and_is_emptied),
        cmocka_unit_test(a_descriptor_stays_open),
        cmocka_unit_test(a_reader_that_has_gone_is_an_error_and_no_signal),
        cmocka_unit_test(guards_leave_others_signals_alone),
        cmocka_unit_test(compressed_parts_can_be_joined),
        cmocka_unit_test(an_unfinished_compressor_removes_its_file),
        cmocka_unit_test(names_say_how_to_compress),
        cmocka_unit_test(cells_are_quoted_when_they_must_be),
        cmocka_unit_test(random_records_come_back),
        cmocka_unit_test(columns_come_in_order_of_their_first_appearance),
        cmocka_unit_test(a_name_twice_in_a_row_is_two_columns),
        cmocka_unit_test(many_columns_are_found_again),
        cmocka_unit_test(parts_cross_the_wire),
    };
    return TEST_MAIN(argc, argv, tests);
}
