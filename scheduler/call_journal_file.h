/* call_journal_file.h: the file of a journal: opening, locking, reading what is there.
 *
 *   offset 0  "RDDJ", version u32, 0 u64
 *   then records: size u32, stage u32, partition u32, XXH3 of these twelve bytes and the entry u64,
 *   entry
 */
#ifndef RDD_CALL_JOURNAL_FILE_H
#define RDD_CALL_JOURNAL_FILE_H

#include "buf.h"
#include "error.h"

enum { JOURNAL_HEAD_SIZE = 16, JOURNAL_RECORD_HEAD = 20 };

/* One that is locked; an empty one gets its head. `*ret_end` is where records go on. Without
 * `resume` records that are there go to PATH.old, of which *ret_moved tells. */
int call_journal_file_open(const char *path, bool resume, int *ret_fd, bool *ret_moved,
                           rdd_error *err);

/* Calls `take` for each whole record; gives where they end, and cuts off what is behind. */
int call_journal_file_read(int fd, const char *path, uint64_t *ret_end,
                           void (*take)(void *arg, uint32_t stage, uint32_t partition,
                                        uint64_t place, rdd_str entry),
                           void *arg, rdd_error *err);

/* A file without a name. */
int call_journal_file_temporary(int *ret_fd, rdd_error *err);

/* Appends the bytes of a record; nothing when b->failed. */
void call_journal_record(buf *b, uint32_t stage, uint32_t partition, rdd_str entry);

/* All of it, or a negative code. */
int call_journal_file_write(int fd, const buf *b, uint64_t at);

#endif
