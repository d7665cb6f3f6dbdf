/* csv_libcsv.h: one record through libcsv.
 *
 * For records that the vector code does not decode: those with quotes inside quoted cells. Used by
 * csv_cut.c.
 */
#ifndef RDD_CSV_LIBCSV_H
#define RDD_CSV_LIBCSV_H

#include "csv_dialect.h"

typedef struct csv_decoder csv_decoder;

/* NULL when out of memory. */
csv_decoder *csv_decoder_new(csv_dialect dialect);
void csv_decoder_free(csv_decoder *d);

/* Decodes `size` bytes, one record without its line end, into `cells`, of which there are `count`:
 * the caller knows how many the record has. The cells' bytes replace the record's, in place. Returns
 * 0 or RDD_E_MEMORY. */
int csv_decoder_decode(csv_decoder *d, char *record, size_t size, rdd_str *cells, size_t count,
                       rdd_error *err);

#endif
