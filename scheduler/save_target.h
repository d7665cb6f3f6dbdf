/* save_target.h: the place where an output goes, and the staging directory beside it.
 *
 * Called by save.c before the job (to check the place and make the staging directory), after the
 * commit (to publish), and in any case at the end (to remove what is left).
 *
 * Invariants: nothing appears under the final name but by one rename of something complete.
 * Whatever is in the staging directory is ours alone and goes with it. A driver that was killed
 * leaves its staging directory behind; the next one that saves to the same name removes it.
 */
#ifndef RDD_SAVE_TARGET_H
#define RDD_SAVE_TARGET_H

#include "error.h"

typedef enum save_kind {
    SAVE_FILE,
    SAVE_DIRECTORY, /* of part files */
    SAVE_STREAM,    /* standard output, a device, a named pipe: no rename, the bytes come last */
} save_kind;

typedef struct save_target {
    save_kind kind;
    const char *shown; /* for messages: the user's text, or "standard output" */
    bool overwrite;
    char *name;        /* in the parent; NULL for a stream */
    char *staging;     /* absolute path */
    char *staging_name;
    int parent_fd;     /* of the staging directory, and of the output unless it is a stream */
    int staging_fd;    /* holds the lock that says that we live */
    int stream_fd;
    bool stream_owned;
} save_target;

#define SAVE_TARGET_NONE ((save_target){ .parent_fd = -1, .staging_fd = -1, .stream_fd = -1 })

/* Checks all that can be checked before the work is done. `path` must outlive the target. */
int save_target_open(save_target *ret, const char *path, bool parts, bool overwrite,
                     rdd_error *err) MUST_CHECK;

/* "<staging>/<name>"; heap. NULL when out of memory. */
char *save_target_path(const save_target *t, const char *name);

/* Renames an entry of the staging directory, a file or a directory of files, to the final name. */
int save_target_publish(save_target *t, const char *name, rdd_error *err) MUST_CHECK;

/* Removes the staging directory with all that is in it; false when something is still there. */
bool save_target_discard(save_target *t);
void save_target_release(save_target *t); /* discards, too */

#endif
