/* input_fuzz.c: what an input gets from outside: archives, and descriptions that cross the wire.
 *
 * The first byte chooses which; the rest is the archive or the bytes.
 */
#include "csv_scan.h"
#include "input_compressed.h"
#include "unit/input_memory.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Reads at most a megabyte of content: a small archive may hold a huge one. */
static void read_archive(const char *data, size_t size, input_format format, size_t piece)
{
    memory_provider p = memory_provider_over(data, size, piece % 7);
    p.file.format = format;
    CLEANUP(input_freep) input *in = NULL;
    CLEANUP(freep) char *content = malloc(piece);
    rdd_error err = { 0 };
    if (!content || input_open(&p.base, &p.file, 0, INPUT_END, &in, &err))
        return;
    ssize_t got;
    while ((got = input_read(in, content, piece, &err)) > 0 && in->offset < MIB(1))
        ASSERT((size_t)got <= piece);
    ASSERT(got >= 0 || (err.code == got && err.message[0]));
}

/* What was decoded must encode to the bytes that it came from. */
static void decode_file(const char *data, size_t size)
{
    CLEANUP(arena_release) arena memory = { 0 };
    CLEANUP(buf_release) buf again = { 0 };
    reader r = reader_over(data, size);
    input_file file;
    if (input_file_decode(&r, &memory, &file, NULL))
        return;
    input_file_encode(&again, &file);
    ASSERT(again.size == size - reader_left(&r) && !memcmp(again.data, data, again.size));
}

static void decode_summary(const char *data, size_t size)
{
    CLEANUP(buf_release) buf again = { 0 };
    reader r = reader_over(data, size);
    csv_summary summary;
    if (csv_summary_decode(&r, &summary, NULL))
        return;
    csv_summary_encode(&again, &summary);
    ASSERT(again.size == size - reader_left(&r) && !memcmp(again.data, data, again.size));
    csv_range range;
    csv_ranges_resolve(CSV_RANGE_ALL, &summary, 1, &range);
    ASSERT(range.offset >= summary.offset && range.offset <= range.end);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    const char *bytes = (const char *)data + 1;
    uint8_t how = data[0];
    switch (how & 3) {
    case 0: read_archive(bytes, size - 1, INPUT_GZIP, 1 + (how >> 2) * 100u); break;
    case 1: read_archive(bytes, size - 1, INPUT_ZSTD, 1 + (how >> 2) * 100u); break;
    case 2: decode_file(bytes, size - 1); break;
    case 3: decode_summary(bytes, size - 1); break;
    }
    return 0;
}
