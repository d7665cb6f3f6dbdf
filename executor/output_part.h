/* output_part.h: what a task that saved a partition says about its file. Made by the sink
 * (sink_save.c), read by the driver's commit (scheduler/save_*.c).
 */
#ifndef RDD_OUTPUT_PART_H
#define RDD_OUTPUT_PART_H

#include "arena.h"
#include "buf.h"
#include "error.h"

/* What ACTION_SAVE_CSV says in action.n: who writes the header. Rows are always HEADER_NONE here:
 * their columns are known at the commit. */
typedef enum save_header {
    HEADER_NONE,
    HEADER_FIRST, /* partition 0 */
    HEADER_EACH,  /* every partition */
} save_header;

/* Rows are spooled without a header. Each record has a cell for each of the first `columns`
 * columns of the part: those that were known when it was written. When a row brings new ones, a
 * segment ends. */
typedef struct part_segment {
    uint64_t rows;
    uint64_t size;    /* before compression; 0 without columns, whatever the rows */
    uint32_t columns;
} part_segment;

typedef struct output_part {
    uint64_t size;     /* of the file, as stored */
    uint64_t checksum; /* XXH3 of it */
    uint64_t rows;
    rdd_str *columns;  /* rows only */
    uint32_t column_count;
    part_segment *segments; /* rows only; uncompressed, their sizes add up to `size` */
    uint32_t segment_count;
} output_part;

/* The file's name in the staging directory. No two attempts share one. */
enum { PART_NAME_MAX = 48 };
void output_part_name(char name[PART_NAME_MAX], uint32_t partition, uint32_t attempt);

/* The attempt's number goes along, and so the driver knows the name. */
void output_part_encode(buf *b, const output_part *part, uint32_t attempt);

/* Lists live in the arena, names view the bytes. Everything is checked; `compressed`: sizes of
 * segments are not those of the file. */
int output_part_decode(rdd_str bytes, bool compressed, arena *a, output_part *ret,
                       uint32_t *ret_attempt, rdd_error *err) MUST_CHECK;

#endif
