/* save.h: the driver's half of save_text, save_csv and save_json_lines.
 *
 * save.c checks the target, runs the job, and reads what each task says about its file;
 * save_commit.c makes one file, or a directory of files, or a stream of them, in partition order;
 * save_rows.c does that for rows, whose columns are known only when all parts are; save_target.c
 * gives the result its name.
 *
 * Invariant: what comes out is a function of the parts alone.
 */
#ifndef RDD_SAVE_H
#define RDD_SAVE_H

#include "job.h"
#include "output.h"
#include "output_part.h"
#include "save_target.h"

#include <stdatomic.h>

typedef struct saving {
    save_target target;
    const rdd_type *type;
    action act;              /* what the executors do */
    compression compression; /* of the output, and so of the parts */
    const char *suffix;      /* of part files: ".csv" */
    bool rows;               /* CSV of rows: act's parts have no header, and columns of their own */
    bool header;             /* CSV */
    bool shared;             /* every node can write into the staging directory */
    const char *const *first_columns; /* rows: of the output; the caller's */
    size_t first_column_count;
    const char *const *last_columns; /* the same */
    size_t last_column_count;
    const atomic_bool *interrupted;

    /* after the job */
    arena memory;
    output_part *parts;
    uint32_t *attempts;
    size_t count;
    rdd_str twice; /* rows: a name that several columns of the output have; data NULL: none */
} saving;

#define SAVING_NONE ((saving){ .target = SAVE_TARGET_NONE })

/* Checks the type, the options and the target, and fills in the action. Strings must outlive it. */
int saving_open(saving *ret, action_kind kind, const rdd_type *type, const char *path,
                const rdd_save_csv_options *options, rdd_error *err) MUST_CHECK;

/* Makes the output of the tasks' results (views, which must stay) and publishes it. */
int saving_commit(saving *s, const rdd_str *results, size_t count, rdd_error *err) MUST_CHECK;

/* Removes what is left, and says so in the error of a failure. NULL err: there was none. */
void saving_close(saving *s, rdd_error *err);

/* ---- shared by save_commit.c and save_rows.c ------------------------------------------------- */

int commit_parts(saving *s, rdd_error *err);
int commit_rows(saving *s, rdd_error *err);

/* A part's file in the staging directory. */
void saving_part_name(const saving *s, size_t index, char name[PART_NAME_MAX]);

/* Opened, its length checked. A descriptor, or a negative code. */
int saving_part_open(const saving *s, size_t index, rdd_error *err);

/* "<SAVED_DIRECTORY>/part-00003.csv.gz", below the staging directory. */
#define SAVED_DIRECTORY "parts"
#define SAVED_FILE "joined"
enum { SAVED_NAME_MAX = 64 };
void saving_final_name(const saving *s, size_t index, char name[SAVED_NAME_MAX]);

/* The directory for part files, and its _SUCCESS when all are there. */
int saving_directory_make(const saving *s, rdd_error *err);
int saving_directory_finish(const saving *s, rdd_error *err);

/* A new file in the staging directory. */
int saving_output_create(const saving *s, const char *name, output **ret, rdd_error *err);

/* The stream of SAVE_STREAM. */
int saving_output_stream(const saving *s, output **ret, rdd_error *err);

/* RDD_E_CANCELLED when the program is asked to stop. */
int saving_check(const saving *s, rdd_error *err);

#endif
