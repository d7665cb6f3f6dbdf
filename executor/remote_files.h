/* remote_files.h: files of the driver, as an executor reads and writes them that cannot open them.
 *
 * One for each worker process. Its slots' threads open streams and wait for their bytes; the
 * talking thread (worker_process.c) moves frames between the streams and the channel and never
 * waits. remote_input.c and remote_output.c make an input and an output of a stream
 * (remote_stream.h).
 *
 * A stream belongs to one slot's thread. Whoever waits is woken by what it waits for, by the
 * driver's word that it will not come, and by remote_files_wake() when its task is cancelled.
 *
 * Invariants: no more comes in than was granted, and nothing goes out past the driver's credit, so
 * what is held for a stream is FILE_WINDOW at most. Each stream that was opened is closed by its
 * slot, once.
 */
#ifndef RDD_REMOTE_FILES_H
#define RDD_REMOTE_FILES_H

#include "channel.h"
#include "input.h"
#include "task.h"

#include <stdatomic.h>

typedef struct remote_files remote_files;

/* `wake_fd`: an eventfd that the talking thread polls. */
int remote_files_new(remote_files **ret, uint32_t serial, int wake_fd, rdd_error *err);
void *remote_files_free(remote_files *f); /* when no stream is open */

/* -- The talking thread ------------------------------------------------------------------------ */

/* DATA, CREDIT or CLOSE of a file; of one that was closed meanwhile it is nothing. */
int remote_files_take(remote_files *f, const frame *in, rdd_error *err) MUST_CHECK;

/* Moves what the slots have for the driver into the channel, unless enough waits there already. */
void remote_files_pump(remote_files *f, channel *c);

/* -- Slots' threads ---------------------------------------------------------------------------- */

/* On whose behalf. */
typedef struct remote_task {
    remote_files *files;
    task_id id;
    const atomic_bool *cancelled;
} remote_task;

/* input_provider.open and output_file_create() for files of the driver. */
int remote_input_open(const remote_task *task, const input_file *file, uint64_t offset,
                      uint64_t end, input **ret, rdd_error *err) MUST_CHECK;
struct output;
/* The file of the task's partition, where the driver puts it. */
int remote_output_create(const remote_task *task, struct output **ret, rdd_error *err) MUST_CHECK;

/* Tasks were cancelled: those who wait look whether it is theirs. From any thread. */
void remote_files_wake(remote_files *f);

#endif
