/* file_server_parts.h: the state that the file server's source files share.
 *
 *   file_server.c        what may be read and written; clients and their frames
 *   file_server_disk.c   the threads that open, read, write and close
 *
 * Everything is under the server's mutex, except what the thread that has a stream (`busy`) works
 * on: its disk_file while in use, its checksum.
 */
#ifndef RDD_FILE_SERVER_PARTS_H
#define RDD_FILE_SERVER_PARTS_H

#include "file_server.h"
#include "protocol.h"

#include <pthread.h>
#include <sys/types.h>

typedef struct XXH3_state_s file_checksum;

/* A file that is open, or can be opened again. */
typedef struct disk_file {
    int fd;           /* -1: not now */
    uint32_t in_use;  /* by threads, at this moment */
    bool identified;  /* it was open before, as: */
    dev_t device;
    ino_t inode;
    int close_errno;  /* what closing it for a while said; of one that is written */
    bool idle;        /* open and not in use: */
    struct disk_file *older, *newer;
} disk_file;

/* A file that may be read. */
typedef struct served_file {
    input_file file;
    disk_file disk;
    uint32_t streams;
} served_file;

typedef struct file_stream file_stream;

/* A save that is running. */
typedef struct served_save {
    struct served_save *next;
    file_save save;
    file_stream *streams;
} served_save;

typedef struct file_piece {
    struct file_piece *next;
    uint64_t stream;
    size_t size;
    char bytes[];
} file_piece;

typedef struct file_pieces {
    file_piece *first, *last;
    size_t size;
} file_pieces;

struct file_stream {
    file_client *client; /* NULL: it has gone */
    file_stream *next;   /* of its client */
    file_stream *queue_next;
    uint64_t id;
    file_use use;
    bool queued, busy;
    bool gone;           /* not wanted any more: to be disposed of */
    bool answered;       /* CLOSE went out */
    /* read */
    served_file *file;
    uint64_t offset, credit, sent;
    /* write */
    served_save *save;   /* NULL: it is over */
    file_stream *save_next;
    task_id task;
    disk_file part;
    char *path;          /* NULL: not made */
    file_checksum *checksum;
    file_pieces pieces;  /* that came */
    uint64_t granted, arrived, written;
    bool ending;         /* the worker has closed it, and how: */
    file_end end;
};

struct file_client {
    file_server *server;
    void (*wake)(void *arg);
    void *wake_arg;
    file_stream *streams;
    size_t stream_count;
    buf control;        /* frames that are to go out */
    file_pieces ready;  /* data, too */
    uint64_t held;      /* of files that are written: granted and not written */
    bool woken;
    uint32_t waking;    /* threads that are in `wake` */
};

enum {
    FILE_THREADS_MAX = 4,
    FILE_READY_MAX = 1 << 20,     /* read for a client and not in its channel */
    FILE_WRITE_WINDOW = 1 << 20,  /* of a stream */
    FILE_HELD_MAX = 64 << 20,     /* of a client; past it streams get little credit */
    FILE_DESCRIPTORS_MAX = 256,
};

struct file_server {
    arena memory;
    pthread_mutex_t mutex;
    pthread_cond_t work;   /* something is queued */
    pthread_cond_t change; /* a stream is not busy any more, a client not being woken */
    served_file **files;
    size_t file_count, file_capacity;
    served_save *saves;
    file_stream *queue_first, *queue_last;
    disk_file *idle_oldest, *idle_newest;
    size_t descriptors;    /* that are open */
    pthread_t threads[FILE_THREADS_MAX];
    uint32_t thread_count, idle_threads;
    bool stopping;
};

/* -- file_server.c ----------------------------------------------------------------------------- */

void file_pieces_put(file_pieces *p, file_piece *piece);
file_piece *file_pieces_take(file_pieces *p);
void file_pieces_drop(file_pieces *p);

/* CLOSE for its worker; how much of it was sent goes along. */
void file_stream_answer_locked(file_stream *stream, const rdd_error *why);
/* Tells its client that there is something to pump. The stream is busy, as the mutex is given up
 * meanwhile. */
void file_stream_wake_locked(const file_stream *stream);
/* Takes it off all lists and frees it. */
void file_stream_free_locked(file_server *s, file_stream *stream);

/* -- file_server_disk.c ------------------------------------------------------------------------ */

/* Puts it into the queue, unless there is nothing to do. */
void file_stream_queue_locked(file_server *s, file_stream *stream);
/* Starts a thread if all that are there have work. */
int file_threads_start_locked(file_server *s, rdd_error *err);
/* Closes and removes what was not finished; the mutex is given up meanwhile. */
void file_stream_discard_locked(file_server *s, file_stream *stream);

#endif
