/* file_server.h: the driver's files, for executors that cannot open them.
 *
 * One for each context. Sources tell it which files may be read, jobs that save which partitions
 * may be written; an executor then names a file by number, a partition by its task, and never a
 * path. Each connection to an executor is a client: its thread hands in frames and takes out what
 * is ready. All that may block (open, read, write, close, unlink) is done by a few threads of the
 * server's own (file_server_disk.c).
 *
 * Invariants: what is read ahead, or came and is not written yet, is within the credit that was
 * granted, and within a limit for each client. Streams take turns. A file that was not finished is
 * removed, whoever went away. Descriptors are closed and opened again when many files are open.
 */
#ifndef RDD_FILE_SERVER_H
#define RDD_FILE_SERVER_H

#include "channel.h"
#include "input.h"

typedef struct file_server file_server;

int file_server_new(file_server **ret, rdd_error *err);
void *file_server_free(file_server *s); /* when it has no clients any more */

/* May be read from now on, and is known by file->number, which is set. It is copied. */
int file_server_add(file_server *s, input_file *file, rdd_error *err) MUST_CHECK;

/* Partitions of a stage may be written into a directory, from begin to end. */
typedef struct file_save {
    uint32_t stage;
    uint32_t first, count; /* partitions; task 0 is `first` */
    const char *staging;   /* the directory; copied */
    const char *shown;     /* what messages call it; copied */
} file_save;

int file_server_save_begin(file_server *s, const file_save *save, rdd_error *err) MUST_CHECK;
/* Afterwards nothing there is written by the server any more. */
void file_server_save_end(file_server *s, uint32_t stage);

/* -- A connection's part; all but new and free are called by one thread at a time -------------- */

typedef struct file_client file_client;

/* `wake` is called, from any thread and under no lock, when there is something to pump. */
int file_client_new(file_client **ret, file_server *s, void (*wake)(void *arg), void *arg,
                    rdd_error *err);
/* Whatever it had open is closed. `wake` is not called any more when this returns. */
void *file_client_free(file_client *c);

/* OPEN, DATA, CREDIT, CLOSE or RESET of a file. An error is a misbehaving executor. */
int file_client_take(file_client *c, const frame *f, rdd_error *err) MUST_CHECK;

/* Moves what is ready into the channel, data only as long as little waits there. */
void file_client_pump(file_client *c, channel *to);

#endif
