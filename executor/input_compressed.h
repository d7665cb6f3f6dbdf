/* input_compressed.h: the content of .gz and .zst files, as an input above the input of the file.
 *
 * Used by input_open(). Archives made of several members or frames one after the other, as from
 * `cat a.gz b.gz`, read as one. A truncated or damaged archive is an error with the offset in the
 * file; so are bytes behind the archive, unless they are zeros (tapes pad with zeros).
 */
#ifndef RDD_INPUT_COMPRESSED_H
#define RDD_INPUT_COMPRESSED_H

#include "input.h"

/* Both take `raw` over: closing the new input closes it, and a failure here has closed it. */
int input_gzip_open(input *raw, input **ret, rdd_error *err) MUST_CHECK;
int input_zstd_open(input *raw, input **ret, rdd_error *err) MUST_CHECK;

#endif
