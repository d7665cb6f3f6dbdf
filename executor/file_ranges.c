#include "file_ranges.h"

void file_range_encode(buf *b, const file_range *range)
{
    input_file_encode(b, &range->file);
    buf_u64(b, range->offset);
    buf_u64(b, range->end);
    buf_u64(b, range->csv.offset);
    buf_u64(b, range->csv.end);
    buf_u64(b, range->csv.line);
    buf_u64(b, range->csv.record);
}

int file_range_decode(reader *r, arena *a, file_range *ret, rdd_error *err)
{
    file_range range = { .offset = 0 };
    int code = input_file_decode(r, a, &range.file, err);
    if (code < 0)
        return code;
    range.offset = reader_u64(r);
    range.end = reader_u64(r);
    range.csv.offset = reader_u64(r);
    range.csv.end = reader_u64(r);
    range.csv.line = reader_u64(r);
    range.csv.record = reader_u64(r);
    if (r->failed || range.offset > range.end || range.csv.offset > range.csv.end)
        return error_set(err, RDD_E_PROTOCOL, "a malformed file range came with a task");
    *ret = range;
    return 0;
}

int file_ranges_decode(rdd_str payload, arena *a, file_range **ret, size_t *ret_count,
                       rdd_error *err)
{
    reader r = reader_over(payload.data, payload.size);
    size_t count = reader_u32(&r);
    if (r.failed || count > reader_left(&r))
        return error_set(err, RDD_E_PROTOCOL, "malformed file ranges came with a task");
    file_range *ranges = arena_zalloc(a, (count + 1) * sizeof *ranges);
    if (!ranges)
        return error_set_memory(err, "opening files");
    for (size_t i = 0; i < count; i++) {
        int code = file_range_decode(&r, a, &ranges[i], err);
        if (code < 0)
            return code;
    }
    *ret = ranges;
    *ret_count = count;
    return 0;
}
