/* call_journal.h: the answers of HTTP calls, as executors hand them to the driver.
 *
 * Entries by stage and partition, for tasks that are launched again (executor/journal.h knows what
 * they say). They are in memory up to a bound, then in an unlinked temporary file; http.journal names
 * a file for all of them, so that a run after this one can go on where this one was interrupted. Past
 * http.journal_max nothing more is kept but intents, which are small, and a note says so.
 *
 * The file is only appended to: a record has a checksum, a torn one at the end is cut off. It is
 * locked while a run uses it. It outlives the end of the program in any way, since each record was
 * handed to the kernel before anybody was told that it is kept; it is not synced, so a machine that
 * loses power may lose the last of it.
 *
 * From any thread.
 */
#ifndef RDD_CALL_JOURNAL_H
#define RDD_CALL_JOURNAL_H

#include "buf.h"
#include "error.h"

typedef struct call_journal call_journal;

typedef struct call_journal_options {
    const char *path;  /* "": none; copied */
    bool resume;       /* read it first; otherwise one that is there is kept as PATH.old */
    uint64_t size_max; /* of all entries, in bytes */
    size_t memory_max; /* 0: the default */
    void (*note)(void *arg, const char *text, size_t size); /* lines for the user; NULL: none */
    void *arg;
} call_journal_options;

int call_journal_open(call_journal **ret, const call_journal_options *options, rdd_error *err);

/* As --conf http.* says. `local`: tasks run in this process, and find the journal by themselves; then
 * *ret is NULL unless there is a file to be kept. `note` as in the options. */
int call_journal_by_settings(call_journal **ret, bool local,
                             void (*note)(void *arg, const char *text, size_t size), void *arg,
                             rdd_error *err);

/* When nothing runs any more. `done`: the file is of no use any more and removed. */
void *call_journal_close(call_journal *j, bool done);

/* A stage is begun, and over. Entries of others only go into the file. */
void call_journal_begin(call_journal *j, uint32_t stage);
void call_journal_forget(call_journal *j, uint32_t stage);

/* No task of the partition is launched any more: its entries are in the file alone, if that has a name. */
void call_journal_accepted(call_journal *j, uint32_t stage, uint32_t partition);

/* `kept_always`: also past the limit. It is kept when call_journal_flush() has returned. */
void call_journal_add(call_journal *j, uint32_t stage, uint32_t partition, rdd_str entry,
                      bool kept_always);

/* What was added is with the kernel afterwards, and outlives this process. */
void call_journal_flush(call_journal *j);

/* Appends entries of a partition to `ret` (journal_entry_append(), the partition being 1 for those of
 * an earlier run), about `size_max` bytes of them, from place *at on; *at is then where to go on, or 0
 * at the end. */
void call_journal_read(call_journal *j, uint32_t stage, uint32_t partition, size_t size_max,
                       uint64_t *at, buf *ret);

/* Bytes of entries that are kept; how many an earlier run left. */
uint64_t call_journal_size(call_journal *j);
uint64_t call_journal_resumed(call_journal *j);

#endif
