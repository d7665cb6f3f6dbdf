/* file_server_disk.c: the threads of the file server, and all that may block.
 *
 * A thread takes the stream that waits longest, does one piece of work for it and puts it back, so
 * that streams take turns. Nobody else touches a busy stream's file; one that was dropped meanwhile
 * is cleared away by the thread that had it.
 */
#include "file_server_parts.h"
#include "output.h"
#include "output_part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <xxhash.h>

/* -- Descriptors ------------------------------------------------------------------------------- */

static void idle_unlink(file_server *s, disk_file *d)
{
    if (!d->idle)
        return;
    *(d->older ? &d->older->newer : &s->idle_oldest) = d->newer;
    *(d->newer ? &d->newer->older : &s->idle_newest) = d->older;
    d->older = d->newer = NULL;
    d->idle = false;
}

static void idle_push(file_server *s, disk_file *d)
{
    d->idle = true;
    d->older = s->idle_newest;
    *(d->older ? &d->older->newer : &s->idle_oldest) = d;
    s->idle_newest = d;
}

static void release_locked(file_server *s, disk_file *d)
{
    if (--d->in_use == 0 && d->fd >= 0)
        idle_push(s, d);
    pthread_cond_broadcast(&s->change);
}

/* Its descriptor, for the caller to close; -1 when it has none. */
static int detach_locked(file_server *s, disk_file *d)
{
    idle_unlink(s, d);
    s->descriptors -= d->fd >= 0;
    int fd = d->fd;
    d->fd = -1;
    return fd;
}

/* Files that wait longest for their next use are closed for a while. */
static void make_room_locked(file_server *s)
{
    while (s->descriptors > FILE_DESCRIPTORS_MAX && s->idle_oldest) {
        disk_file *d = s->idle_oldest;
        int fd = detach_locked(s, d);
        d->in_use++; /* it is not freed meanwhile */
        pthread_mutex_unlock(&s->mutex);
        int failed = close(fd) < 0 && errno != EINTR ? errno : 0;
        pthread_mutex_lock(&s->mutex);
        d->close_errno = failed ? failed : d->close_errno;
        release_locked(s, d);
    }
}

static disk_file *disk_of(file_stream *stream)
{
    return stream->use == FILE_READ ? &stream->file->disk : &stream->part;
}

static int open_part(const file_stream *stream, bool again, rdd_error *err)
{
    const char *shown = stream->save->save.shown;
    int flags = O_WRONLY | O_CLOEXEC | O_NOFOLLOW | (again ? 0 : O_CREAT | O_EXCL), fd;
    do
        fd = open(stream->path, flags, 0666);
    while (fd < 0 && errno == EINTR);
    if (fd >= 0)
        return fd;
    if (errno == ENOSPC || errno == EDQUOT)
        return output_error(err, errno, shown);
    return error_set_errno(err, RDD_E_IO, errno, "%s: cannot make %s", shown, stream->path);
}

/* Opened again, it must be the same file. */
static int check_same(const file_stream *stream, const disk_file *before, int fd,
                      struct stat *status, rdd_error *err)
{
    const char *name = stream->use == FILE_READ ? stream->file->file.name
                                                : stream->save->save.shown;
    if (fstat(fd, status))
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read", name);
    if (before->identified && (status->st_dev != before->device ||
                               status->st_ino != before->inode))
        return error_set(err, RDD_E_INPUT, "%s: was replaced by another file meanwhile", name);
    return 0;
}

static int open_unlocked(const file_stream *stream, const disk_file *before,
                         struct stat *ret_status, rdd_error *err)
{
    int fd = stream->use == FILE_READ ? input_fd_open(&stream->file->file, false, err)
                                      : open_part(stream, before->identified, err);
    int code = fd < 0 ? fd : check_same(stream, before, fd, ret_status, err);
    if (code == 0)
        return fd;
    closep(&fd);
    return code;
}

/* A descriptor that stays open until release_locked(). The mutex may be given up meanwhile. */
static int acquire_locked(file_server *s, file_stream *stream, rdd_error *err)
{
    disk_file *d = disk_of(stream);
    if (d->fd < 0) {
        disk_file before = *d;
        struct stat status;
        pthread_mutex_unlock(&s->mutex);
        int fd = open_unlocked(stream, &before, &status, err);
        pthread_mutex_lock(&s->mutex);
        if (fd < 0)
            return fd;
        if (d->fd >= 0) { /* another thread was faster */
            close(fd);
        } else {
            d->fd = fd;
            d->identified = true;
            d->device = status.st_dev;
            d->inode = status.st_ino;
            s->descriptors++;
        }
    }
    idle_unlink(s, d);
    d->in_use++;
    make_room_locked(s);
    return d->fd;
}

/* -- Reading ----------------------------------------------------------------------------------- */

static uint64_t left_of(const file_stream *stream)
{
    uint64_t at = stream->offset + stream->sent, size = stream->file->file.size;
    return size > at ? size - at : 0;
}

static file_piece *read_unlocked(const file_stream *stream, int fd, size_t want, rdd_error *err)
{
    file_piece *piece = malloc(sizeof *piece + want);
    if (!piece) {
        error_set_memory(err, "reading a file for an executor");
        return NULL;
    }
    ssize_t got = input_fd_read(fd, &stream->file->file, stream->offset + stream->sent,
                                piece->bytes, want, err);
    if (got <= 0) { /* never 0: there is more, or it is an error */
        free(piece);
        return NULL;
    }
    piece->stream = stream->id;
    piece->size = (size_t)got;
    return piece;
}

/* The next piece, as far as there is credit; and what there is to say at the end. */
static void read_some_locked(file_server *s, file_stream *stream)
{
    rdd_error err = { .code = RDD_OK };
    size_t want = (size_t)u64_min(u64_min(stream->credit, left_of(stream)), FRAME_DATA_MAX);
    file_piece *piece = NULL;
    int fd = acquire_locked(s, stream, &err);
    if (fd >= 0 && want) {
        pthread_mutex_unlock(&s->mutex);
        piece = read_unlocked(stream, fd, want, &err);
        pthread_mutex_lock(&s->mutex);
    }
    if (fd >= 0)
        release_locked(s, disk_of(stream));
    if (piece && stream->client) {
        stream->credit -= piece->size;
        stream->sent += piece->size;
        file_pieces_put(&stream->client->ready, piece);
    } else {
        free(piece);
    }
    if (err.code || !left_of(stream))
        file_stream_answer_locked(stream, &err);
}

/* -- Writing ----------------------------------------------------------------------------------- */

/* Places are the driver's to choose: the executor named a task. */
static int create_unlocked(file_stream *stream, rdd_error *err)
{
    char name[PART_NAME_MAX];
    const file_save *save = &stream->save->save;
    output_part_name(name, save->first + stream->task.partition, stream->task.attempt);
    stream->checksum = XXH3_createState();
    if (!stream->checksum || asprintf(&stream->path, "%s/%s", save->staging, name) < 0) {
        stream->path = NULL;
        return error_set_memory(err, "writing a file for an executor");
    }
    XXH3_64bits_reset(stream->checksum);
    unlink(stream->path); /* of this attempt, if its worker has crashed */
    return 0;
}

static int write_unlocked(const file_stream *stream, int fd, const file_piece *piece,
                          rdd_error *err)
{
    size_t done = 0;
    while (done < piece->size) {
        ssize_t now = pwrite(fd, piece->bytes + done, piece->size - done,
                             (off_t)(stream->written + done));
        if (now < 0 && errno == EINTR)
            continue;
        if (now < 0)
            return output_error(err, errno, stream->save->save.shown);
        done += (size_t)now;
    }
    XXH3_64bits_update(stream->checksum, piece->bytes, piece->size);
    return 0;
}

/* Half a window is used: the next half. Little at a time while a client holds much. */
static void grant_locked(file_stream *stream)
{
    file_client *c = stream->client;
    uint64_t ahead = stream->granted - stream->written;
    uint64_t window = c && c->held > FILE_HELD_MAX ? FILE_CREDIT_FIRST : FILE_WRITE_WINDOW;
    if (!c || stream->ending || ahead > window / 2)
        return;
    credit_append(&c->control, stream->id, window - ahead);
    stream->granted += window - ahead;
    c->held += window - ahead;
}

static int write_piece_locked(file_server *s, file_stream *stream, rdd_error *err)
{
    file_piece *piece = file_pieces_take(&stream->pieces);
    int code = acquire_locked(s, stream, err);
    bool open = code >= 0;
    if (open && piece) {
        int fd = code;
        pthread_mutex_unlock(&s->mutex);
        code = write_unlocked(stream, fd, piece, err);
        pthread_mutex_lock(&s->mutex);
    }
    if (open)
        release_locked(s, &stream->part);
    if (code >= 0 && piece) {
        stream->written += piece->size;
        if (stream->client)
            stream->client->held -= piece->size;
        grant_locked(stream);
    }
    free(piece);
    return code < 0 ? code : 0;
}

/* All of it is there: is it what the worker wrote? */
static int finish_locked(file_server *s, file_stream *stream, rdd_error *err)
{
    const char *shown = stream->save->save.shown;
    while (stream->part.in_use) /* somebody closes it for a while */
        pthread_cond_wait(&s->change, &s->mutex);
    int fd = detach_locked(s, &stream->part);
    pthread_mutex_unlock(&s->mutex);
    bool same = stream->written == stream->end.size &&
                XXH3_64bits_digest(stream->checksum) == stream->end.checksum;
    /* Some network file systems only say at close() that there is no space. */
    int failed = fd >= 0 && close(fd) < 0 && errno != EINTR ? errno : 0;
    pthread_mutex_lock(&s->mutex);
    if (failed || stream->part.close_errno)
        return output_error(err, failed ? failed : stream->part.close_errno, shown);
    if (!same)
        return error_set(err, RDD_E_PROTOCOL, "%s: what came of partition %u is not what its task "
                         "wrote", shown, stream->task.partition);
    free(TAKE(stream->path));
    return 0;
}

static void write_some_locked(file_server *s, file_stream *stream)
{
    rdd_error err = { .code = RDD_OK };
    int code = 0;
    if (!stream->path) {
        pthread_mutex_unlock(&s->mutex);
        code = create_unlocked(stream, &err);
        pthread_mutex_lock(&s->mutex);
    }
    if (code == 0)
        code = write_piece_locked(s, stream, &err);
    bool all = stream->ending && stream->arrived >= stream->end.size && !stream->pieces.first;
    if (code == 0 && all && !stream->gone)
        code = finish_locked(s, stream, &err);
    if (code < 0 || all)
        file_stream_answer_locked(stream, &err);
}

/* -- Streams ----------------------------------------------------------------------------------- */

void file_stream_discard_locked(file_server *s, file_stream *stream)
{
    disk_file *d = disk_of(stream);
    int fd = -1;
    if (stream->use == FILE_READ) {
        if (--stream->file->streams == 0) {
            fd = d->in_use ? -1 : detach_locked(s, d);
            d->identified = false; /* next time it is opened as it is then */
        }
    } else {
        while (d->in_use)
            pthread_cond_wait(&s->change, &s->mutex);
        fd = detach_locked(s, d);
    }
    pthread_mutex_unlock(&s->mutex);
    closep(&fd);
    if (stream->path)
        unlink(stream->path);
    free(TAKE(stream->path));
    XXH3_freeState(TAKE(stream->checksum));
    pthread_mutex_lock(&s->mutex);
}

static bool has_work(const file_stream *stream)
{
    if (stream->gone)
        return true;
    if (stream->answered)
        return false;
    if (stream->use == FILE_READ)
        return (stream->credit || !left_of(stream)) && stream->client->ready.size < FILE_READY_MAX;
    return !stream->path || stream->pieces.first ||
           (stream->ending && stream->arrived >= stream->end.size);
}

void file_stream_queue_locked(file_server *s, file_stream *stream)
{
    if (stream->busy || stream->queued || !has_work(stream))
        return;
    stream->queued = true;
    stream->queue_next = NULL;
    if (s->queue_last)
        s->queue_last->queue_next = stream;
    else
        s->queue_first = stream;
    s->queue_last = stream;
    if (!s->idle_threads && s->thread_count < FILE_THREADS_MAX)
        (void)file_threads_start_locked(s, NULL); /* those that are there will do */
    pthread_cond_signal(&s->work);
}

static file_stream *take_queued_locked(file_server *s)
{
    file_stream *stream = s->queue_first;
    s->queue_first = stream->queue_next;
    if (!s->queue_first)
        s->queue_last = NULL;
    stream->queued = false;
    stream->busy = true;
    return stream;
}

static void work_locked(file_server *s, file_stream *stream)
{
    if (!stream->gone && stream->use == FILE_READ)
        read_some_locked(s, stream);
    else if (!stream->gone)
        write_some_locked(s, stream);
    file_stream_wake_locked(stream);
    if (stream->gone || (stream->answered && stream->use == FILE_WRITE)) {
        file_stream_discard_locked(s, stream);
        file_stream_free_locked(s, stream);
        return;
    }
    stream->busy = false;
    file_stream_queue_locked(s, stream);
    pthread_cond_broadcast(&s->change);
}

static void *disk_main(void *arg)
{
    file_server *s = arg;
    pthread_mutex_lock(&s->mutex);
    for (;;) {
        while (!s->queue_first && !s->stopping) {
            s->idle_threads++;
            pthread_cond_wait(&s->work, &s->mutex);
            s->idle_threads--;
        }
        if (!s->queue_first)
            break;
        work_locked(s, take_queued_locked(s));
    }
    pthread_mutex_unlock(&s->mutex);
    return NULL;
}

int file_threads_start_locked(file_server *s, rdd_error *err)
{
    int error = pthread_create(&s->threads[s->thread_count], NULL, disk_main, s);
    if (error)
        return error_set_errno(err, RDD_E_LIMIT, error, "a thread could not be started");
    s->thread_count++;
    return 0;
}
