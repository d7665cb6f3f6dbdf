/* csv_fuzz.c: the CSV reader against libcsv, whole and in ranges.
 *
 * The first byte chooses how it is read, four more where it is split, and the rest is the file.
 * With one of the options the file is drawn from the few bytes that matter to the grammar.
 */
#include "unit/csv_check.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { SPLITS = 4 };

static int ascending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 + SPLITS || size > 1 << 20)
        return 0;
    uint8_t how = data[0];
    csv_options options = { .lifetime_debug = how & 4 };
    if (how & 8)
        options.dialect = (csv_dialect){ '\t', '\'' };
    static const size_t chunk_sizes[] = { 0, 1, 2, 7 };

    size_t file_size = size - 1 - SPLITS;
    char *file = malloc(file_size + 1);
    if (!file)
        return 0;
    for (size_t i = 0; i < file_size; i++) {
        char c = (char)data[1 + SPLITS + i];
        file[i] = how & 16 ? "\",\r\n a\"b"[c & 7] : c;
    }
    uint64_t points[SPLITS];
    for (size_t i = 0; i < SPLITS; i++)
        points[i] = file_size * data[1 + i] / 255;
    qsort(points, SPLITS, sizeof *points, ascending);

    const char *complaint =
        csv_check(file, file_size, options, chunk_sizes[how & 3], points, SPLITS);
    free(file);
    if (complaint) {
        fprintf(stderr, "csv_fuzz: %s\n", complaint);
        abort();
    }
    return 0;
}
