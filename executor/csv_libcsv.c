/* csv_libcsv.c: see csv_libcsv.h. The only includer of libcsv. */
#include "csv_libcsv.h"

#include <csv.h>
#include <string.h>

/* libcsv grows its buffer by a fixed step; the step is set anew before each slice, to twice the
 * size. */
#define SLICE_SIZE KIB(64)
#define KEPT_SIZE MIB(1)

struct csv_decoder {
    struct csv_parser parser;
    char *out;         /* where the cell goes */
    size_t size;       /* of the cell, decoded */
    size_t cell_count; /* must come to 1 */
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

static void on_cell(void *data, size_t size, void *arg)
{
    csv_decoder *d = arg;
    if (size)
        memcpy(d->out, data, size);
    d->size = size;
    d->cell_count++;
}

int csv_decoder_decode(csv_decoder *d, char *cell, size_t size, rdd_str *ret, rdd_error *err)
{
    d->out = cell;
    d->cell_count = 0;
    for (size_t at = 0; at < size;) {
        size_t slice = size_min(size - at, SLICE_SIZE);
        csv_set_blk_size(&d->parser, size_max(SLICE_SIZE, csv_get_buffer_size(&d->parser)));
        if (csv_parse(&d->parser, cell + at, slice, on_cell, NULL, d) != slice)
            return error_set_memory(err, "parsing a CSV file");
        at += slice;
    }
    csv_fini(&d->parser, on_cell, NULL, d); /* only now the cell comes */
    ASSERT(d->cell_count == 1 && d->size <= size);
    if (csv_get_buffer_size(&d->parser) > KEPT_SIZE)
        csv_free(&d->parser); /* libcsv allocates anew when needed */
    *ret = (rdd_str){ d->size, cell };
    return 0;
}
