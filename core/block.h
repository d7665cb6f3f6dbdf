/* block.h: elements at rest and on the wire.
 *
 * A block is a header (magic, version, type digest, count, sizes, XXH3 checksum), the fixed-size
 * elements as they are with padding zeroed and pointers turned into offsets, then the bytes they
 * point to. Decoding is a bounds check and an addition for each pointer, in place. One codec serves
 * results, env, parallelized data, and later shuffle, cache and broadcast.
 *
 * Same elements, same bytes: a block is a function of its elements' values alone.
 */
#ifndef RDD_BLOCK_H
#define RDD_BLOCK_H

#include "arena.h"
#include "buf.h"
#include "error.h"
#include "rdd.h"

enum { BLOCK_ALIGN = 16 };

/* Appends one block; its size is a multiple of BLOCK_ALIGN. Fails with RDD_E_MEMORY or, past
 * out->max or less than 16 bytes from it, RDD_E_LIMIT; `out` is then as before. */
int block_encode(const rdd_type *t, const void *items, size_t count, buf *out, rdd_error *err);

/* Decodes the block that begins at `bytes` (BLOCK_ALIGN-aligned, at most `size` bytes, from
 * outside) in place: *ret_items point into `bytes`, which must stay. *ret_size is how long the
 * block was, so that blocks may follow each other. The bytes must not be decoded twice. */
int block_decode(const rdd_type *t, void *bytes, size_t size, const void **ret_items,
                 size_t *ret_count, size_t *ret_size, rdd_error *err);

/* The count in a block's header, without decoding it; checks only the header. */
int block_peek(const void *bytes, size_t size, size_t *ret_count, size_t *ret_size, rdd_error *err);

#endif
