#include "call_journal.h"

#include "call_journal_file.h"
#include "call_wire.h"
#include "conf.h"
#include "journal.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum { SCOPE_BUCKETS = 4096, MEMORY_MAX = 64 << 20, STAGES_FIRST = 8, PENDING_MAX = 64 << 10 };
#define IN_MEMORY UINT64_MAX

typedef struct record {
    struct record *next;
    uint64_t place; /* in the file, or IN_MEMORY */
    uint32_t size;
    bool old;       /* of an earlier run */
    char bytes[];
} record;

/* The entries of a partition. */
typedef struct scope {
    struct scope *next; /* of the bucket */
    uint32_t stage, partition;
    record *first, *last;
} scope;

struct call_journal {
    journal_keeper keeper; /* comes first */
    call_journal_options options;
    char *path;            /* NULL: the file is a temporary one */
    pthread_mutex_t mutex;
    /* under the mutex */
    scope *buckets[SCOPE_BUCKETS];
    uint32_t *stages;      /* that were begun and are not over */
    size_t stage_count, stage_capacity;
    int fd;                /* -1: none yet */
    uint64_t end;          /* of the file */
    buf pending;           /* records that come there, and are not written yet */
    uint64_t size;         /* of all entries */
    size_t memory_size;    /* of those in memory */
    uint64_t resumed;
    bool local;            /* the process's keeper */
    bool noted, broken;    /* the limit was told of; the file cannot be written */
};

/* -- Notes ------------------------------------------------------------------------------------- */

static void note(const call_journal *j, const char *format, ...) PRINTF_LIKE(2, 3);

static void note(const call_journal *j, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size > 0 && j->options.note)
        j->options.note(j->options.arg, text, size_min((size_t)size, sizeof text - 1));
}

/* -- Scopes ------------------------------------------------------------------------------------ */

static scope **bucket_of(call_journal *j, uint32_t stage, uint32_t partition)
{
    uint64_t h = ((uint64_t)stage << 32 | partition) * 0x9e3779b97f4a7c15u;
    return &j->buckets[h >> 52];
}

static scope *find_scope(call_journal *j, uint32_t stage, uint32_t partition)
{
    scope *s = *bucket_of(j, stage, partition);
    while (s && (s->stage != stage || s->partition != partition))
        s = s->next;
    return s;
}

static scope *make_scope(call_journal *j, uint32_t stage, uint32_t partition)
{
    scope *s = find_scope(j, stage, partition);
    if (s || !(s = calloc(1, sizeof *s)))
        return s;
    scope **bucket = bucket_of(j, stage, partition);
    *s = (scope){ .next = *bucket, .stage = stage, .partition = partition };
    *bucket = s;
    return s;
}

static void add_record(call_journal *j, scope *s, record *r)
{
    r->next = NULL;
    if (s->last)
        s->last->next = r;
    else
        s->first = r;
    s->last = r;
    j->size += r->size;
    j->memory_size += r->place == IN_MEMORY ? r->size : 0;
}

static void free_scope(call_journal *j, scope *s)
{
    for (record *r = s->first, *next; r; r = next) {
        next = r->next;
        j->size -= r->size;
        j->memory_size -= r->place == IN_MEMORY ? r->size : 0;
        free(r);
    }
    free(s);
}

void call_journal_accepted(call_journal *j, uint32_t stage, uint32_t partition)
{
    pthread_mutex_lock(&j->mutex);
    for (scope **at = bucket_of(j, stage, partition), *s; (s = *at); at = &s->next)
        if (s->stage == stage && s->partition == partition) {
            *at = s->next;
            free_scope(j, s);
            break;
        }
    pthread_mutex_unlock(&j->mutex);
}

static bool has_stage(const call_journal *j, uint32_t stage)
{
    for (size_t i = 0; i < j->stage_count; i++)
        if (j->stages[i] == stage)
            return true;
    return false;
}

void call_journal_begin(call_journal *j, uint32_t stage)
{
    pthread_mutex_lock(&j->mutex);
    if (j->stage_count == j->stage_capacity) {
        size_t capacity = j->stage_capacity ? j->stage_capacity * 2 : STAGES_FIRST;
        uint32_t *grown = realloc(j->stages, capacity * sizeof *grown);
        if (grown) {
            j->stages = grown;
            j->stage_capacity = capacity;
        }
    }
    if (j->stage_count < j->stage_capacity) /* or its calls are not journalled */
        j->stages[j->stage_count++] = stage;
    pthread_mutex_unlock(&j->mutex);
}

void call_journal_forget(call_journal *j, uint32_t stage)
{
    pthread_mutex_lock(&j->mutex);
    for (size_t i = 0; i < j->stage_count; i++)
        if (j->stages[i] == stage)
            j->stages[i--] = j->stages[--j->stage_count];
    for (size_t i = 0; i < SCOPE_BUCKETS && j->size; i++)
        for (scope **at = &j->buckets[i], *s; (s = *at);) {
            if (s->stage != stage) {
                at = &s->next;
                continue;
            }
            *at = s->next;
            free_scope(j, s);
        }
    if (!j->size && !j->path && j->fd >= 0 && ftruncate(j->fd, 0) == 0) {
        j->end = 0;
        buf_clear(&j->pending);
    }
    pthread_mutex_unlock(&j->mutex);
}

/* -- Adding and reading ------------------------------------------------------------------------ */

/* What nobody has been told of yet goes to the kernel. */
static void flush_locked(call_journal *j)
{
    if (!j->pending.size)
        return;
    if (call_journal_file_write(j->fd, &j->pending, j->end) < 0) {
        int cause = errno;
        j->broken = true;
        int cut = ftruncate(j->fd, (off_t)j->end); /* no half record; reading would end there anyway */
        (void)cut;
        note(j, "rdd: %s cannot be written any more (%s): calls from here on are not journalled\n",
             j->path ? j->path : "the journal of calls", strerror(cause));
    } else {
        j->end += j->pending.size;
    }
    buf_clear(&j->pending);
}

/* Into the file, soon; false when that cannot be. */
static bool write_locked(call_journal *j, uint32_t stage, uint32_t partition, rdd_str entry,
                         record *r)
{
    rdd_error err;
    if (j->broken)
        return false;
    if (j->fd < 0 && call_journal_file_temporary(&j->fd, &err) < 0) {
        j->broken = true;
        note(j, "rdd: answers of calls cannot be kept any more: %s\n", err.message);
        return false;
    }
    r->place = j->end + j->pending.size + JOURNAL_RECORD_HEAD;
    call_journal_record(&j->pending, stage, partition, entry);
    bool fits = !j->pending.failed;
    j->pending.failed = false;
    if (j->pending.size >= PENDING_MAX || !fits)
        flush_locked(j);
    return fits && !j->broken;
}

static void add_locked(call_journal *j, uint32_t stage, uint32_t partition, rdd_str entry, bool always)
{
    record late;
    if (!has_stage(j, stage)) { /* for a later run it is not too late */
        if (j->path)
            write_locked(j, stage, partition, entry, &late);
        return;
    }
    if (j->size + entry.size > j->options.size_max && !always) {
        if (!j->noted)
            note(j, "rdd: more answers of calls than http.journal_max (%llu bytes): no more are kept, "
                 "and calls of a lost task are made again\n",
                 (unsigned long long)j->options.size_max);
        j->noted = true;
        return;
    }
    bool inside = !j->path && (j->broken || j->memory_size + entry.size <= j->options.memory_max);
    inside |= j->path && j->broken && always;
    record *r = malloc(sizeof *r + (inside ? entry.size : 0));
    scope *s = r ? make_scope(j, stage, partition) : NULL;
    if (!s) {
        free(r);
        return; /* without memory: the call is made again, should its task be */
    }
    *r = (record){ .place = IN_MEMORY, .size = (uint32_t)entry.size };
    if (inside)
        memcpy(r->bytes, entry.data, entry.size);
    else if (!write_locked(j, stage, partition, entry, r)) {
        free(r);
        return;
    }
    add_record(j, s, r);
}

void call_journal_add(call_journal *j, uint32_t stage, uint32_t partition, rdd_str entry,
                      bool kept_always)
{
    pthread_mutex_lock(&j->mutex);
    add_locked(j, stage, partition, entry, kept_always);
    pthread_mutex_unlock(&j->mutex);
}

void call_journal_flush(call_journal *j)
{
    pthread_mutex_lock(&j->mutex);
    flush_locked(j);
    pthread_mutex_unlock(&j->mutex);
}

/* A record that cannot be read any more is as one that never came. */
static void read_locked(const call_journal *j, const scope *s, const record *r, buf *ret)
{
    CLEANUP(freep) char *copy = NULL;
    const char *bytes = r->bytes;
    if (r->place != IN_MEMORY) {
        bytes = copy = malloc(r->size + 1);
        if (!copy || pread(j->fd, copy, r->size, (off_t)r->place) != (ssize_t)r->size)
            return;
    }
    journal_entry_append(ret, s->stage, r->old, (rdd_str){ r->size, bytes });
}

void call_journal_read(call_journal *j, uint32_t stage, uint32_t partition, size_t size_max,
                       uint64_t *at, buf *ret)
{
    uint64_t place = 0;
    size_t begin = ret->size;
    pthread_mutex_lock(&j->mutex);
    flush_locked(j);
    const scope *s = find_scope(j, stage, partition);
    const record *r = s ? s->first : NULL;
    for (; r && place < *at; place++)
        r = r->next;
    for (; r && (ret->size == begin || ret->size - begin + r->size < size_max) && !ret->failed;
         r = r->next, place++)
        read_locked(j, s, r, ret);
    *at = r ? place : 0;
    pthread_mutex_unlock(&j->mutex);
}

uint64_t call_journal_size(call_journal *j)
{
    pthread_mutex_lock(&j->mutex);
    uint64_t size = j->size;
    pthread_mutex_unlock(&j->mutex);
    return size;
}

uint64_t call_journal_resumed(call_journal *j)
{
    pthread_mutex_lock(&j->mutex);
    uint64_t count = j->resumed;
    pthread_mutex_unlock(&j->mutex);
    return count;
}

/* -- For tasks of this process ----------------------------------------------------------------- */

static call_journal *of(journal_keeper *k)
{
    return (call_journal *)(void *)k;
}

static int keeper_load(journal_keeper *k, const task_id *id, const atomic_bool *cancelled UNUSED,
                       buf *ret, rdd_error *err UNUSED)
{
    CLEANUP(buf_release) buf piece = { 0 };
    uint64_t at = 0;
    do {
        buf_clear(&piece);
        call_journal_read(of(k), id->stage, id->partition, JOURNAL_PIECE_MAX, &at, &piece);
        reader r = reader_over(piece.data, piece.size);
        uint32_t stage, old;
        for (rdd_str entry; reader_left(&r) && journal_entry_next(&r, &stage, &old, &entry);) {
            buf_u8(ret, old != 0);
            buf_sized(ret, entry.data, entry.size);
        }
        ret->failed |= piece.failed;
    } while (at && !ret->failed);
    return 0;
}

static uint64_t keeper_add(journal_keeper *k, const task_id *id, rdd_str entry, bool urgent)
{
    call_journal_add(of(k), id->stage, id->partition, entry, urgent);
    if (urgent)
        call_journal_flush(of(k));
    return 0;
}

static bool keeper_is_kept(journal_keeper *k UNUSED, uint64_t ticket UNUSED)
{
    return true;
}

static bool keeper_has_room(journal_keeper *k UNUSED)
{
    return true;
}

static void keeper_flush(journal_keeper *k)
{
    call_journal_flush(of(k));
}

/* -- Life -------------------------------------------------------------------------------------- */

static void take_old(void *arg, uint32_t stage, uint32_t partition, uint64_t place, rdd_str entry)
{
    call_journal *j = arg;
    record *r = malloc(sizeof *r);
    scope *s = r ? make_scope(j, stage, partition) : NULL;
    if (!s) {
        free(r);
        return;
    }
    *r = (record){ .place = place, .size = (uint32_t)entry.size, .old = true };
    add_record(j, s, r);
    j->resumed++;
}

static int open_file(call_journal *j, rdd_error *err)
{
    bool moved;
    int code = call_journal_file_open(j->path, j->options.resume, &j->fd, &moved, err);
    if (code < 0)
        return code;
    if (moved)
        note(j, "rdd: %s was there from an interrupted run and is now %s.old\n", j->path, j->path);
    code = call_journal_file_read(j->fd, j->path, &j->end, take_old, j, err);
    if (code == 0 && j->options.resume && !j->resumed)
        note(j, "rdd: there is nothing in %s to go on with: all calls are made\n", j->path);
    else if (code == 0 && j->options.resume)
        note(j, "rdd: going on with what %s holds: %llu entries; calls that are not in it are made\n",
             j->path, (unsigned long long)j->resumed);
    return code;
}

int call_journal_open(call_journal **ret, const call_journal_options *options, rdd_error *err)
{
    call_journal *j = calloc(1, sizeof *j);
    if (!j)
        return error_set_memory(err, "opening a journal of calls");
    j->options = *options;
    j->options.memory_max = options->memory_max ? options->memory_max : MEMORY_MAX;
    j->fd = -1;
    j->keeper = (journal_keeper){ .load = keeper_load, .add = keeper_add,
                                  .is_kept = keeper_is_kept, .has_room = keeper_has_room,
                                  .flush = keeper_flush, .rest = keeper_flush };
    pthread_mutex_init(&j->mutex, NULL);
    int code = 0;
    if (*options->path && !(j->path = strdup(options->path)))
        code = error_set_memory(err, "opening a journal of calls");
    if (code == 0 && j->path)
        code = open_file(j, err);
    if (code < 0) {
        call_journal_close(j, false);
        return code;
    }
    *ret = j;
    return 0;
}

int call_journal_by_settings(call_journal **ret, bool local,
                             void (*note_line)(void *arg, const char *text, size_t size), void *arg,
                             rdd_error *err)
{
    call_journal_options options = {
        .path = conf_text("http.journal"),
        .resume = conf_bool("http.resume"),
        .size_max = (uint64_t)conf_int("http.journal_max"),
        .note = note_line,
        .arg = arg,
    };
    if (options.resume && !*options.path)
        return error_set(err, RDD_E_USAGE, "--conf http.resume=true goes on from http.journal: say "
                         "which file that is");
    *ret = NULL;
    if (local && !*options.path)
        return 0;
    int code = call_journal_open(ret, &options, err);
    if (code < 0 || !local)
        return code;
    (*ret)->local = true;
    journal_set_keeper(&(*ret)->keeper);
    return 0;
}

void *call_journal_close(call_journal *j, bool done)
{
    if (!j)
        return NULL;
    if (j->local)
        journal_set_keeper(NULL);
    for (size_t i = 0; i < SCOPE_BUCKETS; i++)
        for (scope *s = j->buckets[i], *next; s; s = next) {
            next = s->next;
            free_scope(j, s);
        }
    flush_locked(j);
    bool empty = j->fd >= 0 && j->end <= JOURNAL_HEAD_SIZE;
    if (j->path && j->fd >= 0 && (done || empty))
        unlink(j->path);
    closep(&j->fd);
    buf_release(&j->pending);
    pthread_mutex_destroy(&j->mutex);
    free(j->stages);
    free(j->path);
    free(j);
    return NULL;
}
