/* progress.h: what a person sees while jobs run, and the line at the end.
 *
 * On a terminal each running stage has a line at the bottom, drawn anew; elsewhere, and if asked
 * for, each has a plain line now and then. The driver calls it; functions may be called from any
 * thread. What cannot be written is lost without a word. What is said how is in progress_text.h.
 */
#ifndef RDD_PROGRESS_H
#define RDD_PROGRESS_H

#include "progress_text.h"

#include <stdio.h>

typedef enum progress_mode {
    PROGRESS_AUTO,    /* lines at the bottom and the last line, on a terminal; else nothing */
    PROGRESS_ON,      /* plain lines where there is no terminal */
    PROGRESS_QUIET,   /* nothing but what executors print */
    PROGRESS_VERBOSE, /* as ON, and notes */
} progress_mode;

typedef struct progress progress;

/* `out` stays the caller's. NULL when out of memory. */
progress *progress_new(progress_mode mode, FILE *out);

/* Takes away what is drawn. */
void *progress_free(progress *p);

/* The stages that run, of all jobs. Draws at most every 200 ms, and a stage not before it was here
 * that long; without stages it takes away what is drawn, at once. */
void progress_update(progress *p, uint64_t now_ns, const stage_snapshot *stages, size_t count,
                     uint32_t slots);

/* How many executors are up, of how many there could be: for the next update. */
void progress_executors(progress *p, uint32_t up, uint32_t max);

/* Takes away what is drawn, so that others may print: before a job's caller is woken. */
void progress_clear(progress *p);

/* Text that is to be seen (an executor's stderr), above the lines. One line or more, with or
 * without a newline at the end; what would move the cursor is replaced. */
void progress_log(progress *p, const char *text, size_t size);

/* What the library has to say about what it does (COMMAND_NOTE): when verbose. */
void progress_note(progress *p, const char *text);

/* What ran. Not for a summary without jobs. */
void progress_finish(progress *p, const progress_summary *summary);

#endif
