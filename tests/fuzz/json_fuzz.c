/* json_fuzz.c: JSON text, cells and words that may be anything.
 *
 * A row that is accepted is accepted by cJSON too, and comes back from its own print; so does an
 * element of a type with everything in it.
 */
#include "json.h"
#include "type.h"

#include <cjson/cJSON.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

RDD_OPTIONAL(maybe_int, int32_t);
RDD_LIST(counts, int64_t);
RDD_OPTIONAL(maybe_counts, counts);
RDD_STRUCT(pixel, (int64_t, x), (rdd_bytes, raw), (counts, rest));
RDD_LIST(numbers, double);
RDD_STRUCT(point, (int64_t, x), (float, y));
RDD_LIST(points, point);
RDD_STRUCT(record, (uint8_t, a), (rdd_str, b), (maybe_int, c), (numbers, d), (points, e),
           (rdd_bytes, f), (bool, g), (rdd_row, h));

/* cJSON knows no number of more than 63 characters. */
static bool has_long_number(rdd_str text)
{
    size_t run = 0;
    for (size_t i = 0; i < text.size && run < 64; i++)
        run = text.data[i] && strchr("+-.eE0123456789", text.data[i]) ? run + 1 : 0;
    return run >= 64;
}

static void print_and_read(const rdd_type *t, const void *value, arena *a)
{
    buf out = { 0 };
    rdd_error err;
    _Alignas(16) char again[256];
    ASSERT(t->size <= sizeof again);
    int code = json_print(t, value, &out, &err);
    if (code == 0) {
        rdd_str text = { out.size, out.data };
        ASSERT(utf8_valid(text));
        ASSERT(json_parse(t, text, a, again, &err) == 0);
        ASSERT(value_compare(t, value, again) == 0);
    } else {
        ASSERT(code == RDD_E_INPUT && err.code == code);
    }
    buf_clear(&out);
    json_show(t, value, 50, &out);
    ASSERT(!out.failed && out.size <= 53 && utf8_valid((rdd_str){ out.size, out.data }));
    buf_release(&out);
}

static void read_row(rdd_str text, arena *a)
{
    rdd_row row;
    rdd_error err;
    int code = json_parse_row(text, a, &row, &err);
    ASSERT(code == 0 || (code == RDD_E_INPUT && err.code == code));
    if (!json_depth_ok(text)) {
        ASSERT(code < 0);
        return;
    }
    cJSON *object = cJSON_ParseWithLength(text.data, text.size);
    if (code == 0) {
        ASSERT(object || has_long_number(text));
        ASSERT(!object || cJSON_IsObject(object));
        print_and_read(RDD_TYPE(rdd_row), &row, a);
    }
    cJSON_Delete(object);
}

static void read_cells(rdd_str text, arena *a)
{
    static const rdd_type *const types[] = { RDD_TYPE(int8_t),   RDD_TYPE(uint64_t),
                                             RDD_TYPE(double),   RDD_TYPE(float),
                                             RDD_TYPE(bool),     RDD_TYPE(rdd_str),
                                             RDD_TYPE(maybe_int), RDD_TYPE(rdd_bytes),
                                             RDD_TYPE(counts), RDD_TYPE(maybe_counts),
                                             RDD_TYPE(pixel) };
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        _Alignas(16) char value[64] = { 0 }, again[64] = { 0 };
        rdd_error err;
        buf out = { 0 };
        if (cell_parse(types[i], text, a, value, &err) < 0) {
            ASSERT(err.code == RDD_E_INPUT && utf8_valid(rdd_str_of(err.message)));
            continue;
        }
        ASSERT(cell_print(types[i], value, &out, &err) == 0);
        rdd_str printed = { out.size, out.size ? out.data : "" };
        ASSERT(cell_parse(types[i], printed, a, again, &err) == 0);
        ASSERT(value_compare(types[i], value, again) == 0);
        buf_release(&out);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    arena a = { .max = MIB(64) };
    char *copy = malloc(size_max(size, 1)); /* not terminated, and exact */
    ASSERT(copy);
    if (size)
        memcpy(copy, data, size);
    rdd_str text = { size, copy };

    read_row(text, &a);
    record value;
    rdd_error err;
    if (json_parse(RDD_TYPE(record), text, &a, &value, &err) == 0)
        print_and_read(RDD_TYPE(record), &value, &a);
    if (size < 100)
        read_cells(text, &a);
    size_t words = 0;
    for (rdd_str rest = text, word; rdd_str_next_word(&rest, &word); words++)
        ASSERT(word.size && word.data >= copy && word.data + word.size <= copy + size);
    ASSERT(words <= size / 2 + 1);
    free(copy);
    arena_release(&a);
    return 0;
}
