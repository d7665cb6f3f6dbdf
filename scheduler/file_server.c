/* file_server.c: see file_server.h: what may be read and written, and the frames of clients. */
#include "file_server_parts.h"

#include <inttypes.h>

enum { STREAMS_MAX = 65536 }; /* of one client */

/* -- Life -------------------------------------------------------------------------------------- */

int file_server_new(file_server **ret, rdd_error *err)
{
    file_server *s = calloc(1, sizeof *s);
    if (!s)
        return error_set_memory(err, "starting");
    pthread_mutex_init(&s->mutex, NULL);
    pthread_cond_init(&s->work, NULL);
    pthread_cond_init(&s->change, NULL);
    *ret = s;
    return 0;
}

void *file_server_free(file_server *s)
{
    if (!s)
        return NULL;
    pthread_mutex_lock(&s->mutex);
    s->stopping = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->mutex);
    for (uint32_t i = 0; i < s->thread_count; i++)
        pthread_join(s->threads[i], NULL);
    ASSERT(!s->queue_first); /* threads end when it is empty */
    for (served_save *save = s->saves, *next; save; save = next) {
        next = save->next;
        free(save);
    }
    free(s->files);
    arena_release(&s->memory);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->change);
    pthread_mutex_destroy(&s->mutex);
    free(s);
    return NULL;
}

/* -- What may be read and written -------------------------------------------------------------- */

static served_file *copy_file_locked(file_server *s, const input_file *file)
{
    served_file *copy = arena_zalloc(&s->memory, sizeof *copy);
    if (!copy)
        return NULL;
    copy->disk.fd = -1;
    copy->file = *file;
    copy->file.path = arena_strdup(&s->memory, file->path);
    copy->file.name = arena_strdup(&s->memory, file->name);
    return copy->file.path && copy->file.name ? copy : NULL;
}

static bool add_locked(file_server *s, input_file *file)
{
    if (s->file_count == s->file_capacity) {
        size_t capacity = s->file_capacity ? s->file_capacity * 2 : 16;
        served_file **files = realloc(s->files, capacity * sizeof *files);
        if (!files)
            return false;
        s->files = files;
        s->file_capacity = capacity;
    }
    served_file *copy = copy_file_locked(s, file);
    if (!copy)
        return false;
    s->files[s->file_count++] = copy;
    file->number = copy->file.number = s->file_count;
    return true;
}

int file_server_add(file_server *s, input_file *file, rdd_error *err)
{
    pthread_mutex_lock(&s->mutex);
    bool added = add_locked(s, file);
    pthread_mutex_unlock(&s->mutex);
    return added ? 0 : error_set_memory(err, "listing files");
}

/* Its texts are behind it. */
static served_save *copy_save(const file_save *save)
{
    size_t staging = strlen(save->staging) + 1, shown = strlen(save->shown) + 1;
    served_save *copy = malloc(sizeof *copy + staging + shown);
    if (!copy)
        return NULL;
    *copy = (served_save){ .save = *save };
    char *at = (char *)(copy + 1);
    copy->save.staging = memcpy(at, save->staging, staging);
    copy->save.shown = memcpy(at + staging, save->shown, shown);
    return copy;
}

int file_server_save_begin(file_server *s, const file_save *save, rdd_error *err)
{
    served_save *copy = copy_save(save);
    if (!copy)
        return error_set_memory(err, "saving");
    pthread_mutex_lock(&s->mutex);
    copy->next = s->saves;
    s->saves = copy;
    pthread_mutex_unlock(&s->mutex);
    return 0;
}

static served_save *find_save_locked(file_server *s, uint32_t stage)
{
    served_save *save = s->saves;
    while (save && save->save.stage != stage)
        save = save->next;
    return save;
}

void file_stream_answer_locked(file_stream *stream, const rdd_error *why)
{
    stream->answered = true;
    if (stream->client)
        file_answer_append(&stream->client->control, stream->id, stream->sent, why);
}

static void save_is_over(rdd_error *err, task_id task)
{
    error_set(err, RDD_E_CANCELLED, "partition %u of stage %u is not saved any more",
              task.partition, task.stage);
}

static void unlink_from_queue(file_server *s, file_stream *stream)
{
    if (!stream->queued)
        return;
    file_stream *before = NULL;
    for (file_stream *q = s->queue_first; q != stream; q = q->queue_next)
        before = q;
    if (before)
        before->queue_next = stream->queue_next;
    else
        s->queue_first = stream->queue_next;
    if (s->queue_last == stream)
        s->queue_last = before;
    stream->queued = false;
}

void file_server_save_end(file_server *s, uint32_t stage)
{
    rdd_error err;
    pthread_mutex_lock(&s->mutex);
    served_save *save = find_save_locked(s, stage);
    for (file_stream *stream; save && (stream = save->streams);) {
        if (stream->busy) {
            pthread_cond_wait(&s->change, &s->mutex);
            continue;
        }
        unlink_from_queue(s, stream);
        stream->busy = true; /* no thread takes it meanwhile */
        save_is_over(&err, stream->task);
        file_stream_answer_locked(stream, &err);
        file_stream_wake_locked(stream);
        file_stream_discard_locked(s, stream);
        file_stream_free_locked(s, stream);
    }
    for (served_save **at = &s->saves; save && *at; at = &(*at)->next)
        if (*at == save) {
            *at = save->next;
            break;
        }
    pthread_mutex_unlock(&s->mutex);
    free(save);
}

/* -- Streams ----------------------------------------------------------------------------------- */

void file_pieces_put(file_pieces *p, file_piece *piece)
{
    piece->next = NULL;
    if (p->last)
        p->last->next = piece;
    else
        p->first = piece;
    p->last = piece;
    p->size += piece->size;
}

file_piece *file_pieces_take(file_pieces *p)
{
    file_piece *piece = p->first;
    if (!piece)
        return NULL;
    p->first = piece->next;
    if (!p->first)
        p->last = NULL;
    p->size -= piece->size;
    return piece;
}

void file_pieces_drop(file_pieces *p)
{
    for (file_piece *piece; (piece = file_pieces_take(p));)
        free(piece);
}

static file_stream *find_locked(file_client *c, uint64_t id)
{
    file_stream *stream = c->streams;
    while (stream && stream->id != id)
        stream = stream->next;
    return stream;
}

static void unlink_from_client(file_stream *stream)
{
    file_client *c = stream->client;
    if (!c)
        return;
    for (file_stream **at = &c->streams; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    c->stream_count--;
    if (stream->use == FILE_WRITE)
        c->held -= stream->granted - stream->written;
    stream->client = NULL;
}

void file_stream_free_locked(file_server *s, file_stream *stream)
{
    unlink_from_client(stream);
    unlink_from_queue(s, stream);
    for (file_stream **at = stream->save ? &stream->save->streams : NULL; at && *at;
         at = &(*at)->save_next)
        if (*at == stream) {
            *at = stream->save_next;
            break;
        }
    file_pieces_drop(&stream->pieces);
    pthread_cond_broadcast(&s->change);
    free(stream);
}

/* The worker, or all of its executor, does not want it any more. */
static void drop_locked(file_server *s, file_stream *stream)
{
    file_client *c = stream->client;
    file_pieces kept = { 0 };
    for (file_piece *piece; (piece = file_pieces_take(&c->ready));) {
        if (piece->stream == stream->id)
            free(piece);
        else
            file_pieces_put(&kept, piece);
    }
    c->ready = kept;
    unlink_from_client(stream);
    stream->gone = true;
    file_stream_queue_locked(s, stream);
}

/* -- Frames ------------------------------------------------------------------------------------ */

static int refuse_locked(file_client *c, uint64_t id, const rdd_error *why)
{
    file_answer_append(&c->control, id, 0, why); /* who handed this in will pump */
    return 0;
}

static file_stream *new_stream_locked(file_client *c, uint64_t id, const file_open *how)
{
    file_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return NULL;
    *stream = (file_stream){ .client = c, .id = id, .use = how->use, .task = how->task,
                             .part.fd = -1, .next = c->streams };
    c->streams = stream;
    c->stream_count++;
    return stream;
}

static int open_read_locked(file_client *c, uint64_t id, const file_open *how)
{
    file_server *s = c->server;
    rdd_error why;
    if (how->number == 0 || how->number > s->file_count) {
        error_set(&why, RDD_E_PROTOCOL,
                  "an executor wants file number %" PRIu64 " of the driver, which no source reads",
                  how->number);
        return refuse_locked(c, id, &why);
    }
    file_stream *stream = new_stream_locked(c, id, how);
    if (!stream) {
        error_set_memory(&why, "reading a file for an executor");
        return refuse_locked(c, id, &why);
    }
    stream->file = s->files[how->number - 1];
    stream->file->streams++;
    stream->offset = how->offset;
    stream->credit = how->credit;
    file_stream_queue_locked(s, stream);
    return 0;
}

static int open_write_locked(file_client *c, uint64_t id, const file_open *how)
{
    served_save *save = find_save_locked(c->server, how->task.stage);
    rdd_error why;
    if (!save || how->task.partition >= save->save.count) {
        save_is_over(&why, how->task);
        return refuse_locked(c, id, &why);
    }
    file_stream *stream = new_stream_locked(c, id, how);
    if (!stream) {
        error_set_memory(&why, "writing a file for an executor");
        return refuse_locked(c, id, &why);
    }
    stream->save = save;
    stream->save_next = save->streams;
    save->streams = stream;
    stream->granted = FILE_CREDIT_FIRST;
    c->held += stream->granted;
    file_stream_queue_locked(c->server, stream);
    return 0;
}

static int take_open_locked(file_client *c, const frame *f, rdd_error *err)
{
    file_open how;
    if (file_open_decode(f, &how) < 0 || find_locked(c, f->stream))
        return error_set(err, RDD_E_PROTOCOL, "a malformed wish for a file");
    if (c->stream_count == STREAMS_MAX)
        return error_set(err, RDD_E_LIMIT, "more than %d files open at once", STREAMS_MAX);
    return how.use == FILE_READ ? open_read_locked(c, f->stream, &how)
                                : open_write_locked(c, f->stream, &how);
}

static int take_data_locked(file_stream *stream, const frame *f, rdd_error *err)
{
    if (stream->use != FILE_WRITE || f->size > stream->granted - stream->arrived)
        return error_set(err, RDD_E_PROTOCOL, "more of a file than it was granted");
    if (!f->size)
        return 0;
    file_piece *piece = malloc(sizeof *piece + f->size);
    if (!piece)
        return error_set_memory(err, "writing a file for an executor");
    piece->stream = stream->id;
    piece->size = f->size;
    memcpy(piece->bytes, f->payload, f->size);
    file_pieces_put(&stream->pieces, piece);
    stream->arrived += f->size;
    return 0;
}

static int take_credit_locked(file_stream *stream, const frame *f, rdd_error *err)
{
    uint64_t more;
    if (stream->use != FILE_READ || credit_decode(f, &more) < 0 ||
        more > FILE_CREDIT_MAX - stream->credit)
        return error_set(err, RDD_E_PROTOCOL, "malformed credit for a file");
    stream->credit += more;
    return 0;
}

static int take_close_locked(file_server *s, file_stream *stream, const frame *f, rdd_error *err)
{
    file_end end;
    if (file_end_decode(f, &end) < 0 || (end.complete && stream->use == FILE_READ))
        return error_set(err, RDD_E_PROTOCOL, "a malformed end of a file");
    if (!end.complete) {
        drop_locked(s, stream);
        return 0;
    }
    stream->ending = true;
    stream->end = end;
    file_stream_queue_locked(s, stream);
    return 0;
}

static int take_locked(file_client *c, const frame *f, rdd_error *err)
{
    if (f->type == FRAME_OPEN)
        return take_open_locked(c, f, err);
    file_stream *stream = find_locked(c, f->stream);
    int code = 0;
    if (!stream)
        return 0; /* answered, or closed: these words were on their way */
    switch (f->type) {
    case FRAME_DATA: code = take_data_locked(stream, f, err); break;
    case FRAME_CREDIT: code = take_credit_locked(stream, f, err); break;
    case FRAME_CLOSE: return take_close_locked(c->server, stream, f, err);
    case FRAME_RESET: drop_locked(c->server, stream); return 0;
    default: return error_set(err, RDD_E_PROTOCOL, "a frame that is not for files");
    }
    file_stream_queue_locked(c->server, stream);
    return code;
}

int file_client_take(file_client *c, const frame *f, rdd_error *err)
{
    pthread_mutex_lock(&c->server->mutex);
    int code = take_locked(c, f, err);
    pthread_mutex_unlock(&c->server->mutex);
    return code;
}

/* -- Clients ----------------------------------------------------------------------------------- */

int file_client_new(file_client **ret, file_server *s, void (*wake)(void *arg), void *arg,
                    rdd_error *err)
{
    file_client *c = calloc(1, sizeof *c);
    if (!c)
        return error_set_memory(err, "connecting to an executor");
    c->server = s;
    c->wake = wake;
    c->wake_arg = arg;
    pthread_mutex_lock(&s->mutex);
    int code = s->thread_count ? 0 : file_threads_start_locked(s, err);
    pthread_mutex_unlock(&s->mutex);
    if (code < 0) {
        free(c);
        return code;
    }
    *ret = c;
    return 0;
}

void *file_client_free(file_client *c)
{
    if (!c)
        return NULL;
    file_server *s = c->server;
    pthread_mutex_lock(&s->mutex);
    while (c->streams)
        drop_locked(s, c->streams);
    while (c->waking)
        pthread_cond_wait(&s->change, &s->mutex);
    pthread_mutex_unlock(&s->mutex);
    file_pieces_drop(&c->ready);
    buf_release(&c->control);
    free(c);
    return NULL;
}

void file_stream_wake_locked(const file_stream *stream)
{
    ASSERT(stream->busy);
    file_client *c = stream->client;
    if (!c || c->woken || !(c->control.size || c->ready.size))
        return;
    c->woken = true;
    c->waking++;
    pthread_mutex_unlock(&c->server->mutex);
    c->wake(c->wake_arg);
    pthread_mutex_lock(&c->server->mutex);
    c->waking--;
    pthread_cond_broadcast(&c->server->change);
}

static size_t collect_locked(file_client *c, size_t room, file_pieces *to)
{
    while (c->ready.first && to->size < room)
        file_pieces_put(to, file_pieces_take(&c->ready));
    if (to->size && c->ready.size < FILE_READY_MAX)
        for (file_stream *stream = c->streams; stream; stream = stream->next)
            file_stream_queue_locked(c->server, stream);
    return to->size;
}

void file_client_pump(file_client *c, channel *to)
{
    enum { DATA_WAITING_ENOUGH = 512 << 10 };
    size_t waiting = channel_data_waiting(to);
    file_pieces pieces = { 0 };
    pthread_mutex_lock(&c->server->mutex);
    c->woken = false;
    buf_append(&to->control, c->control.data, c->control.size);
    if (c->control.failed)
        to->control.failed = true;
    buf_clear(&c->control);
    if (waiting < DATA_WAITING_ENOUGH)
        collect_locked(c, DATA_WAITING_ENOUGH - waiting, &pieces);
    pthread_mutex_unlock(&c->server->mutex);
    for (file_piece *piece; (piece = file_pieces_take(&pieces)); free(piece))
        frame_append(&to->data, FRAME_DATA, piece->stream, piece->bytes, piece->size);
}
