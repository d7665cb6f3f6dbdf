/* block_format.h: how a block looks, for block_encode.c and block_decode.c. A block is
 *
 *   header     64 bytes, see below
 *   elements   as they are in memory, padding zero; a text is { size, 1 + where its bytes begin in
 *              the texts }, a list is { count, 1 + where its items begin in the items }; 0 in the
 *              place of a pointer is no pointer
 *   items      level by level (layout.h) the items of all lists, in order and without gaps
 *   texts      bytes; texts may share them
 *
 * each of the three padded with zeros to BLOCK_ALIGN. Integers are little endian, as the elements
 * are copied as they are.
 *
 * Decoding trusts nothing. Items must lie exactly where the encoder puts them, each once, so no
 * text can overlap with a pointer: texts lie behind the items, and no item begins inside of
 * another.
 *
 * Equal elements give equal bytes. So which texts share their bytes depends on what they say, never
 * on where they are: rows repeat their column names, and those become one. Empty lists have no
 * pointer, absent values are zeros, and true is 1.
 */
#ifndef RDD_BLOCK_FORMAT_H
#define RDD_BLOCK_FORMAT_H

#include "block.h"
#include "layout.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a block holds elements as they are in memory, so both ends must be little endian"
#endif

enum { BLOCK_MAGIC = 0x42444452, BLOCK_VERSION = 1 }; /* "RDDB" */

typedef struct block_header {
    uint32_t magic, version;
    uint64_t checksum; /* XXH3 of everything behind it */
    uint64_t digest;   /* of the type */
    uint64_t count;
    uint64_t element_bytes, item_bytes, text_bytes; /* each with its padding */
    uint64_t reserved; /* zero */
} block_header;

_Static_assert(sizeof(block_header) == 64 && sizeof(block_header) % BLOCK_ALIGN == 0, "header");
enum { CHECKED_FROM = offsetof(block_header, digest) };

/* How a text and a list lie in an element: a size or count, and a pointer or, in a block, a
 * place. */
typedef struct slot {
    uint64_t size;
    union {
        uint64_t place;
        const char *data;
    };
} slot;

_Static_assert(sizeof(slot) == sizeof(rdd_str) && offsetof(rdd_str, data) == 8, "slot");
_Static_assert(sizeof(slot) == sizeof(rdd_row) && offsetof(rdd_row, items) == 8, "slot");

/* A level's array: where it begins in the block, and how many it has. */
typedef struct span {
    size_t at, count;
} span;

static inline slot slot_load(const char *p)
{
    slot s;
    memcpy(&s, p, sizeof s);
    return s;
}

static inline void slot_store(char *p, slot s)
{
    memcpy(p, &s, sizeof s);
}

/* Spans for all levels: in `few` if they fit. */
static inline span *spans_new(const layout *l, span *few, size_t few_count)
{
    return l->level_count <= few_count ? few : calloc(l->level_count, sizeof(span));
}

#endif
