/* csv_libcsv.h: one cell through libcsv.
 *
 * For the cells that must be rewritten, as there are quotes inside their quotes. Used by csv_cut.c,
 * which finds where cells begin and end.
 */
#ifndef RDD_CSV_LIBCSV_H
#define RDD_CSV_LIBCSV_H

#include "csv_dialect.h"

typedef struct csv_decoder csv_decoder;

/* NULL when out of memory. */
csv_decoder *csv_decoder_new(csv_dialect dialect);
void csv_decoder_free(csv_decoder *d);

/* Decodes one cell, `size` bytes from its first quote to its last. What it holds replaces its
 * bytes, in place. Returns 0 or RDD_E_MEMORY. */
int csv_decoder_decode(csv_decoder *d, char *cell, size_t size, rdd_str *ret, rdd_error *err);

#endif
