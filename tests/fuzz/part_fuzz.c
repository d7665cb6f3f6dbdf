/* part_fuzz.c: output_part_decode() over any bytes, as an executor's report of a saved partition.
 * What it accepts agrees with itself and survives a round trip. The first byte says whether the
 * file is compressed.
 */
#include "output_part.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const output_part *part, bool compressed)
{
    uint64_t bytes = 0, rows = 0;
    for (uint32_t i = 0; i < part->segment_count; i++) {
        bytes += part->segments[i].size;
        rows += part->segments[i].rows;
        ASSERT(part->segments[i].columns <= part->column_count);
    }
    ASSERT(!part->segment_count || rows == part->rows);
    ASSERT(!part->segment_count || compressed || bytes == part->size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    bool compressed = data[0] & 1;
    arena a = { 0 };
    output_part part, again;
    uint32_t attempt, attempt_again;
    rdd_str bytes = { size - 1, (const char *)data + 1 };
    if (output_part_decode(bytes, compressed, &a, &part, &attempt, NULL) == 0) {
        check(&part, compressed);
        buf b = { 0 };
        output_part_encode(&b, &part, attempt);
        ASSERT(!b.failed && b.size == bytes.size && memcmp(b.data, bytes.data, b.size) == 0);
        ASSERT(output_part_decode((rdd_str){ b.size, b.data }, compressed, &a, &again,
                                  &attempt_again, NULL) == 0);
        ASSERT(attempt_again == attempt && again.rows == part.rows);
        buf_release(&b);
    }
    arena_release(&a);
    return 0;
}
