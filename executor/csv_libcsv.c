/* csv_libcsv.c: see csv_libcsv.h. The only includer of libcsv. */
#include "csv_libcsv.h"

#include <csv.h>
#include <string.h>

/* libcsv grows its buffer by a fixed step; the step is set anew before each slice, to twice the size. */
#define SLICE_SIZE KIB(64)
#define KEPT_SIZE MIB(1)

struct csv_decoder {
    struct csv_parser parser;
    char *out; /* where the next cell goes */
    rdd_str *cells;
    size_t cell_count, cells_max;
};

static int never_space(unsigned char c)
{
    (void)c;
    return 0;
}

csv_decoder *csv_decoder_new(csv_dialect dialect)
{
    csv_decoder *d = malloc(sizeof *d);
    if (!d)
        return NULL;
    *d = (csv_decoder){ 0 };
    csv_init(&d->parser, 0);
    csv_set_space_func(&d->parser, never_space);
    csv_set_delim(&d->parser, (unsigned char)dialect.delimiter);
    csv_set_quote(&d->parser, (unsigned char)dialect.quote);
    return d;
}

void csv_decoder_free(csv_decoder *d)
{
    if (!d)
        return;
    csv_free(&d->parser);
    free(d);
}

/* A cell is never larger than what it was parsed from, and neither are all cells so far, so this
 * never reaches bytes that are still to be parsed. */
static void on_cell(void *data, size_t size, void *arg)
{
    csv_decoder *d = arg;
    ASSERT(d->cell_count < d->cells_max);
    if (size)
        memcpy(d->out, data, size);
    d->cells[d->cell_count++] = (rdd_str){ size, d->out };
    d->out += size;
}

int csv_decoder_decode(csv_decoder *d, char *record, size_t size, rdd_str *cells, size_t count,
                       rdd_error *err)
{
    d->out = record;
    d->cells = cells;
    d->cell_count = 0;
    d->cells_max = count;
    for (size_t at = 0; at < size;) {
        size_t slice = size_min(size - at, SLICE_SIZE);
        csv_set_blk_size(&d->parser, size_max(SLICE_SIZE, csv_get_buffer_size(&d->parser)));
        if (csv_parse(&d->parser, record + at, slice, on_cell, NULL, d) != slice)
            return error_set_memory(err, "parsing a CSV file");
        at += slice;
    }
    csv_fini(&d->parser, on_cell, NULL, d);
    ASSERT(d->cell_count == count);
    if (csv_get_buffer_size(&d->parser) > KEPT_SIZE)
        csv_free(&d->parser); /* libcsv allocates anew when needed */
    return 0;
}
