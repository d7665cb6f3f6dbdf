/* input_bench.c: what reading costs before any work is done with what was read. Run by hand:
 *
 *     build/tests/bench/input_bench FILE...
 *
 * Prints, for each file, GB/s of: plain reads, lines by a memchr loop over a mapping, lines.h; and
 * records by plain libcsv, csv_scan.h, csv_reader.h. The best of three runs, one thread.
 */
#include "csv_reader.h"
#include "input_paths.h"
#include "lines.h"

#include <csv.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <time.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Each reads all of the file and returns something that it counted, negative for a failure. */

static int64_t read_plain(const input_file *file)
{
    CLEANUP(input_freep) input *in = NULL;
    CLEANUP(freep) char *data = malloc(KIB(256));
    if (!data || input_open(input_provider_local(), file, 0, INPUT_END, &in, NULL))
        return -1;
    ssize_t got;
    while ((got = input_read(in, data, KIB(256), NULL)) > 0)
        ;
    return got ? got : (int64_t)in->offset;
}

static int64_t map_lines(const input_file *file)
{
    CLEANUP(closep) int fd = open(file->path, O_RDONLY | O_CLOEXEC);
    char *data = mmap(NULL, file->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return -1;
    int64_t count = 0;
    for (const char *at = data, *end = data + file->size; at < end; count++) {
        const char *found = memchr(at, '\n', (size_t)(end - at));
        at = found ? found + 1 : end;
    }
    munmap(data, file->size);
    return count;
}

static int64_t read_lines(const input_file *file)
{
    CLEANUP(lines_freep) lines *l = NULL;
    if (lines_open(input_provider_local(), file, 0, INPUT_END, NULL, &l, NULL))
        return -1;
    const rdd_str *batch;
    int64_t count = 0;
    ssize_t got;
    while ((got = lines_next(l, &batch, NULL)) > 0)
        count += got;
    return got ? got : count;
}

static int never_space(unsigned char c)
{
    (void)c;
    return 0;
}

static void on_cell(void *data, size_t size, void *arg)
{
    (void)data, (void)size, (void)arg;
}

static void on_record(int c, void *arg)
{
    (void)c;
    ++*(int64_t *)arg;
}

static int64_t parse_libcsv(const input_file *file)
{
    CLEANUP(input_freep) input *in = NULL;
    CLEANUP(freep) char *data = malloc(KIB(256));
    if (!data || input_open(input_provider_local(), file, 0, INPUT_END, &in, NULL))
        return -1;
    struct csv_parser parser;
    csv_init(&parser, 0);
    csv_set_space_func(&parser, never_space);
    int64_t count = 0;
    ssize_t got;
    while ((got = input_read(in, data, KIB(256), NULL)) > 0)
        csv_parse(&parser, data, (size_t)got, on_cell, on_record, &count);
    csv_fini(&parser, on_cell, on_record, &count);
    csv_free(&parser);
    return got ? got : count;
}

static int64_t scan_csv(const input_file *file)
{
    csv_summary summary;
    if (csv_scan(input_provider_local(), file, 0, INPUT_END, (csv_dialect){ 0 }, &summary, NULL))
        return -1;
    return (int64_t)summary.from[CSV_AT_RECORD].record_count;
}

static int64_t read_csv(const input_file *file)
{
    CLEANUP(csv_reader_freep) csv_reader *r = NULL;
    csv_options options = { .record_max = MIB(16) };
    if (csv_reader_open(input_provider_local(), file, CSV_RANGE_ALL, &options, &r, NULL))
        return -1;
    const csv_record *batch;
    int64_t count = 0;
    ssize_t got;
    while ((got = csv_reader_next(r, &batch, NULL)) > 0)
        count += got;
    return got ? got : count;
}

static const struct {
    const char *name;
    int64_t (*run)(const input_file *file);
} benches[] = {
    { "read", read_plain },     { "lines mapped", map_lines }, { "lines", read_lines },
    { "libcsv", parse_libcsv }, { "csv scan", scan_csv },      { "csv", read_csv },
};

int main(int argc, char **argv)
{
    arena memory = { 0 };
    for (int i = 1; i < argc; i++) {
        input_file file;
        rdd_error err;
        if (input_file_stat(argv[i], NULL, &memory, &file, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        printf("%s, %.2f GB\n", file.name, (double)file.size / 1e9);
        for (size_t b = 0; b < ARRAY_SIZE(benches); b++) {
            double best_s = 1e9;
            int64_t count = 0;
            for (int round = 0; round < 3; round++) {
                double start_s = now_s();
                count = benches[b].run(&file);
                double took_s = now_s() - start_s;
                best_s = took_s < best_s ? took_s : best_s;
            }
            printf("  %-14s %6.2f GB/s  (%lld)\n", benches[b].name,
                   (double)file.size / 1e9 / best_s, (long long)count);
        }
    }
    arena_release(&memory);
    return 0;
}
