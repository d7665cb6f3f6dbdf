#include "remote_stream.h"

#include <errno.h>
#include <pthread.h>

enum {
    DATA_WAITING_ENOUGH = 512 << 10,
    PIECES_BATCH = 16, /* taken under the lock at once */
};

struct remote_stream {
    remote_stream *next;
    remote_files *files;
    const atomic_bool *cancelled;
    uint64_t id;
    file_use use;
    bool ended; /* CLOSE went out */
    pthread_cond_t moved;
    /* under the mutex */
    remote_piece *first, *last; /* read: that came; write: that are to go */
    uint64_t granted;  /* by the receiver, since the beginning */
    uint64_t received; /* or, of one that is written, put into pieces */
    bool answered;     /* the driver closed it, and why: */
    uint64_t answer_size;
    rdd_error why;
};

struct remote_files {
    uint32_t serial;
    int wake_fd;
    pthread_mutex_t mutex;
    /* under the mutex */
    remote_stream *streams;
    uint32_t next_stream;
    buf control; /* frames that are to go out */
    bool woken;  /* the talking thread, since it looked last */
};

int remote_files_new(remote_files **ret, uint32_t serial, int wake_fd, rdd_error *err)
{
    remote_files *f = calloc(1, sizeof *f);
    if (!f)
        return error_set_memory(err, "starting a worker");
    f->serial = serial;
    f->wake_fd = wake_fd;
    pthread_mutex_init(&f->mutex, NULL);
    *ret = f;
    return 0;
}

void *remote_files_free(remote_files *f)
{
    if (!f)
        return NULL;
    ASSERT(!f->streams);
    buf_release(&f->control);
    pthread_mutex_destroy(&f->mutex);
    free(f);
    return NULL;
}

/* -- What both sides use ----------------------------------------------------------------------- */

static void wake_talker_locked(remote_files *f)
{
    if (f->woken)
        return;
    f->woken = true;
    uint64_t one = 1;
    ssize_t written = write(f->wake_fd, &one, sizeof one);
    (void)written; /* full is awake; a closed descriptor is found by the talking thread */
}

static void put_piece(remote_stream *s, remote_piece *piece)
{
    piece->next = NULL;
    if (s->last)
        s->last->next = piece;
    else
        s->first = piece;
    s->last = piece;
}

static remote_piece *take_piece(remote_stream *s)
{
    remote_piece *piece = s->first;
    if (!piece)
        return NULL;
    s->first = piece->next;
    if (!s->first)
        s->last = NULL;
    return piece;
}

static remote_piece *new_piece(const char *bytes, size_t size)
{
    remote_piece *piece = malloc(sizeof *piece + size);
    if (!piece)
        return NULL;
    piece->next = NULL;
    piece->size = size;
    memcpy(piece->bytes, bytes, size);
    return piece;
}

/* -- The talking thread ------------------------------------------------------------------------ */

static remote_stream *find_locked(remote_files *f, uint64_t id)
{
    for (remote_stream *s = f->streams; s; s = s->next)
        if (s->id == id)
            return s;
    return NULL;
}

static int take_data_locked(remote_stream *s, const frame *in, rdd_error *err)
{
    if (s->use != FILE_READ || in->size > s->granted - s->received)
        return error_set(err, RDD_E_PROTOCOL, "more of a file came than was asked for");
    if (!in->size)
        return 0;
    remote_piece *piece = new_piece(in->payload, in->size);
    if (!piece)
        return error_set_memory(err, "reading a file of the driver's");
    put_piece(s, piece);
    s->received += in->size;
    return 0;
}

static int take_credit_locked(remote_stream *s, const frame *in, rdd_error *err)
{
    uint64_t more;
    if (s->use != FILE_WRITE || credit_decode(in, &more) < 0 ||
        more > FILE_CREDIT_MAX - (s->granted - s->received))
        return error_set(err, RDD_E_PROTOCOL, "malformed credit for a file");
    s->granted += more;
    return 0;
}

static int take_locked(remote_stream *s, const frame *in, rdd_error *err)
{
    switch (in->type) {
    case FRAME_DATA: return take_data_locked(s, in, err);
    case FRAME_CREDIT: return take_credit_locked(s, in, err);
    case FRAME_CLOSE:
        if (file_answer_decode(in, &s->answer_size, &s->why) < 0)
            return error_set(err, RDD_E_PROTOCOL, "a malformed answer about a file");
        s->answered = true;
        return 0;
    default: return error_set(err, RDD_E_PROTOCOL, "a frame that is not for files");
    }
}

int remote_files_take(remote_files *f, const frame *in, rdd_error *err)
{
    int code = 0;
    pthread_mutex_lock(&f->mutex);
    remote_stream *s = find_locked(f, in->stream);
    if (s) {
        code = take_locked(s, in, err);
        pthread_cond_signal(&s->moved);
    }
    pthread_mutex_unlock(&f->mutex);
    return code;
}

typedef struct outgoing {
    uint64_t stream;
    remote_piece *piece;
} outgoing;

/* A piece of each stream in turn; the lock is not held while they are copied. */
static size_t collect_locked(remote_files *f, size_t room, outgoing *to)
{
    size_t count = 0, size = 0;
    for (bool moved = true; moved;) {
        moved = false;
        for (remote_stream *s = f->streams; s; s = s->next) {
            if (s->use != FILE_WRITE || !s->first)
                continue;
            if (count == PIECES_BATCH || size >= room)
                return count;
            to[count] = (outgoing){ s->id, take_piece(s) };
            size += to[count++].piece->size;
            moved = true;
        }
    }
    return count;
}

void remote_files_pump(remote_files *f, channel *c)
{
    outgoing pieces[PIECES_BATCH];
    size_t waiting = channel_data_waiting(c), count = 0;
    pthread_mutex_lock(&f->mutex);
    f->woken = false;
    buf_append(&c->control, f->control.data, f->control.size);
    if (f->control.failed)
        c->control.failed = true;
    buf_clear(&f->control);
    if (waiting < DATA_WAITING_ENOUGH)
        count = collect_locked(f, DATA_WAITING_ENOUGH - waiting, pieces);
    pthread_mutex_unlock(&f->mutex);
    for (size_t i = 0; i < count; i++) {
        remote_piece *piece = pieces[i].piece;
        frame_append(&c->data, FRAME_DATA, pieces[i].stream, piece->bytes, piece->size);
        free(piece);
    }
}

void remote_files_wake(remote_files *f)
{
    pthread_mutex_lock(&f->mutex);
    for (remote_stream *s = f->streams; s; s = s->next)
        pthread_cond_signal(&s->moved);
    pthread_mutex_unlock(&f->mutex);
}

/* -- Slots' threads ---------------------------------------------------------------------------- */

int remote_stream_open(const remote_task *task, const file_open *how, remote_stream **ret,
                       rdd_error *err)
{
    remote_files *f = task->files;
    remote_stream *s = calloc(1, sizeof *s);
    if (!s)
        return error_set_memory(err, "opening a file of the driver's");
    s->files = f;
    s->cancelled = task->cancelled;
    s->use = how->use;
    s->granted = how->use == FILE_READ ? how->credit : FILE_CREDIT_FIRST;
    pthread_cond_init(&s->moved, NULL);
    pthread_mutex_lock(&f->mutex);
    uint32_t number = ++f->next_stream & (uint32_t)(STREAM_FILE - 1);
    s->id = (uint64_t)f->serial << 32 | STREAM_FILE | number;
    s->next = f->streams;
    f->streams = s;
    file_open_append(&f->control, s->id, how);
    wake_talker_locked(f);
    pthread_mutex_unlock(&f->mutex);
    *ret = s;
    return 0;
}

/* False when the task is cancelled. */
static bool wait_locked(remote_stream *s, rdd_error *err)
{
    if (!atomic_load_explicit(s->cancelled, memory_order_relaxed))
        pthread_cond_wait(&s->moved, &s->files->mutex);
    if (!atomic_load_explicit(s->cancelled, memory_order_relaxed))
        return true;
    error_set(err, RDD_E_CANCELLED, "the task was cancelled");
    return false;
}

static void grant_locked(remote_stream *s, uint64_t more)
{
    s->granted += more;
    credit_append(&s->files->control, s->id, more);
    wake_talker_locked(s->files);
}

void remote_stream_grant(remote_stream *s, uint64_t more)
{
    pthread_mutex_lock(&s->files->mutex);
    grant_locked(s, more);
    pthread_mutex_unlock(&s->files->mutex);
}

static int next_locked(remote_stream *s, uint64_t ask, remote_piece **ret, rdd_error *err)
{
    if (!s->first && s->granted == s->received && ask && !s->answered)
        grant_locked(s, ask);
    while (!s->first && !(s->answered && s->received >= s->answer_size))
        if (!wait_locked(s, err))
            return RDD_E_CANCELLED;
    *ret = take_piece(s);
    if (*ret || !s->why.code)
        return 0;
    if (err)
        *err = s->why;
    return s->why.code;
}

int remote_stream_next(remote_stream *s, uint64_t ask, remote_piece **ret, rdd_error *err)
{
    pthread_mutex_lock(&s->files->mutex);
    int code = next_locked(s, ask, ret, err);
    pthread_mutex_unlock(&s->files->mutex);
    return code;
}

/* An answer before the end can only be bad news. */
static int answer_locked(const remote_stream *s, bool at_end, rdd_error *err)
{
    if (!s->answered || (at_end && !s->why.code))
        return 0;
    if (!s->why.code)
        return error_set(err, RDD_E_PROTOCOL, "the driver closed a file before its end");
    if (err)
        *err = s->why;
    return s->why.code;
}

/* How much of `size` may be sent now, at least 1; or why nothing. */
static ssize_t room_for(remote_stream *s, size_t size, rdd_error *err)
{
    ssize_t room;
    pthread_mutex_lock(&s->files->mutex);
    while ((room = answer_locked(s, false, err)) == 0) {
        room = (ssize_t)u64_min(u64_min(size, FRAME_DATA_MAX), s->granted - s->received);
        if (room)
            break;
        if (!wait_locked(s, err)) {
            room = RDD_E_CANCELLED;
            break;
        }
    }
    pthread_mutex_unlock(&s->files->mutex);
    return room;
}

int remote_stream_write(remote_stream *s, const char *bytes, size_t size, rdd_error *err)
{
    while (size) {
        ssize_t now = room_for(s, size, err);
        if (now < 0)
            return (int)now;
        remote_piece *piece = new_piece(bytes, (size_t)now);
        if (!piece)
            return error_set_memory(err, "writing a file of the driver's");
        pthread_mutex_lock(&s->files->mutex);
        put_piece(s, piece);
        s->received += (uint64_t)now;
        wake_talker_locked(s->files);
        pthread_mutex_unlock(&s->files->mutex);
        bytes += now;
        size -= (size_t)now;
    }
    return 0;
}

static void end_locked(remote_stream *s, const file_end *how)
{
    if (s->ended)
        return;
    s->ended = true;
    file_end_append(&s->files->control, s->id, how);
    wake_talker_locked(s->files);
}

int remote_stream_finish(remote_stream *s, uint64_t size, uint64_t checksum, rdd_error *err)
{
    int code = 0;
    pthread_mutex_lock(&s->files->mutex);
    if (!s->answered)
        end_locked(s, &(file_end){ .complete = true, .size = size, .checksum = checksum });
    while (!s->answered && code == 0)
        if (!wait_locked(s, err))
            code = RDD_E_CANCELLED;
    if (code == 0)
        code = answer_locked(s, s->ended, err);
    pthread_mutex_unlock(&s->files->mutex);
    return code;
}

void remote_stream_close(remote_stream *s)
{
    if (!s)
        return;
    remote_files *f = s->files;
    pthread_mutex_lock(&f->mutex);
    bool settled = s->use == FILE_WRITE && s->answered; /* nobody knows it any more */
    if (s->ended && !settled)
        s->ended = false; /* complete, they were told, and that does not count now */
    if (!settled)
        end_locked(s, &(file_end){ .complete = false });
    for (remote_stream **at = &f->streams; *at; at = &(*at)->next)
        if (*at == s) {
            *at = s->next;
            break;
        }
    pthread_mutex_unlock(&f->mutex);
    for (remote_piece *piece; (piece = take_piece(s));)
        free(piece);
    pthread_cond_destroy(&s->moved);
    free(s);
}
