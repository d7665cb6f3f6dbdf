/* progress_text.h: the words of progress.h: (stages seen so far, snapshots, now) -> text.
 *
 * Nothing here writes, or asks for the time or a terminal.
 */
#ifndef RDD_PROGRESS_TEXT_H
#define RDD_PROGRESS_TEXT_H

#include "scheduler.h"

enum { PROGRESS_STAGES_MAX = 16 }; /* that are shown at once */

/* What is remembered of a stage from one update to the next. */
typedef struct progress_stage {
    uint32_t stage, done;
    uint64_t first_ns;      /* when it was first seen, and how far it was then */
    uint64_t first_records;
    uint32_t first_done;
    uint64_t printed_ns;    /* when it last had a plain line, or first_ns */
    uint64_t end_ns;        /* when it will be done, from when `done` last changed; 0: unknown */
} progress_stage;

typedef struct progress_state {
    progress_stage stages[PROGRESS_STAGES_MAX];
    size_t count;
    uint32_t executors_up, executors_max; /* said in the first line unless all are up */
} progress_state;

/* Takes in who runs now. More than PROGRESS_STAGES_MAX are cut. */
void progress_state_update(progress_state *state, uint64_t now_ns, const stage_snapshot *stages,
                           size_t count);

/* One line per stage that has been here for `age_ns`, at most `rows`, each `columns` wide at most,
 * separated by newlines, none at the end. `stages` are those of the last update. Returns how many
 * lines. */
size_t progress_bars(const progress_state *state, uint64_t now_ns, uint64_t age_ns,
                     const stage_snapshot *stages, size_t count, uint32_t slots, size_t columns,
                     size_t rows, buf *out);

/* One plain line, with its newline, for each stage that had none for `every_ns`. */
void progress_plain(progress_state *state, uint64_t now_ns, uint64_t every_ns,
                    const stage_snapshot *stages, size_t count, uint32_t slots, buf *out);

typedef struct progress_summary {
    uint64_t jobs, jobs_failed, stages;
    uint64_t tasks;         /* that are done */
    uint64_t tasks_retried; /* attempts that failed, crashed or were lost */
    uint64_t records, wall_ns;
    const char *master;
} progress_summary;

/* "1 job, 3 stages, 400 tasks (2 retried), 1,234,567 records in 12.3 s on local[2]", no newline. */
void progress_summary_text(const progress_summary *summary, buf *out);

#endif
