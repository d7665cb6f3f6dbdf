/* protocol.h: what the payloads of frames mean.
 *
 * Who says what (D driver, S supervisor, W worker; a worker is to its supervisor what an executor
 * is to the driver):
 *
 *   D>S       HELLO with a nonce; S>D HELLO with the same nonce and who it is; then D>S SETUP
 *   S>W       SETUP; W>S HELLO when its slots are ready
 *   D>S>W     PLAN in pieces, before the first TASKS of its stage; FORGET when the stage is over
 *   D>S>W     TASKS, CANCEL; W>S>D OUTCOMES, each task's exactly once
 *   both      DATA, CREDIT, RESET of streams; HEARTBEAT (D and S); BYE
 *   W>S>D     OPEN, CLOSE of a file of the driver's; D>S>W CLOSE
 *   S>D       LOG
 *
 * A stream is a blob of known size. Whoever sends it names it in the entry that it belongs to: a
 * task whose payload, an outcome whose result is too large to travel inside. Its bytes follow as
 * DATA, as far as the receiver gave CREDIT. Streams of the driver have ids below
 * STREAM_WORKER_FIRST, those of a worker have the worker's serial number in the upper half.
 *
 * A file is a stream that a worker opens, reads or writes, and closes; its id has STREAM_FILE set.
 * Nobody ever sends a path: a file to be read has a number that its driver gave it, the place of
 * one to be written follows from the task.
 *
 * Decoders take bytes from outside: they return 0 or RDD_E_PROTOCOL, views point into the frame.
 */
#ifndef RDD_PROTOCOL_H
#define RDD_PROTOCOL_H

#include "message.h"
#include "task.h"

enum {
    PROTOCOL_VERSION = 1,
    TASK_INLINE_MAX = 16 << 10,   /* payloads up to this travel in TASKS */
    RESULT_INLINE_MAX = 16 << 10, /* results up to this travel in OUTCOMES */
    LOG_LINE_MAX = 4096,
    SLOTS_MAX = 4096,             /* of one executor */
};
#define PLAN_SIZE_MAX ((size_t)1 << 30)
#define STREAM_WORKER_FIRST (UINT64_C(1) << 32)
#define STREAM_FILE (UINT64_C(1) << 31)

typedef struct hello {
    uint32_t protocol;
    uint64_t nonce;
    uint64_t digest;   /* registry_digest() */
    char build_id[72]; /* of the program, as hex */
    char host[64];
    uint32_t pid, cores;
    uint64_t memory;   /* bytes */
    uint64_t wall_ms;  /* what its clock shows: milliseconds since 1970; 0: not said */
} hello;

void hello_encode(buf *b, const hello *h);
int hello_decode(const frame *f, hello *ret);

typedef struct executor_setup {
    uint32_t executor, incarnation;
    uint32_t slots;             /* of the executor; to a worker: of the worker */
    uint32_t slots_per_process; /* 0: all */
    uint32_t worker_serial;     /* to a worker only */
    bool remote;                /* no file of the driver's can be opened there */
    rdd_str conf;               /* conf_encode() */
} executor_setup;

void setup_encode(buf *b, const executor_setup *s);
int setup_decode(const frame *f, executor_setup *ret);

/* A plan travels in pieces, in order. */
typedef struct plan_piece {
    uint32_t stage;
    size_t size;   /* of the whole plan */
    size_t offset;
    rdd_str bytes; /* the last piece ends at `size` */
} plan_piece;

/* Appends all frames of a plan. */
void plan_append(buf *b, uint32_t stage, rdd_str plan);
int plan_piece_decode(const frame *f, plan_piece *ret);

void stage_append(buf *b, frame_type type, uint32_t stage); /* FORGET */
int stage_decode(const frame *f, uint32_t *ret);

/* What a CANCEL names: a stage's tasks, all of them (partition TASKS_ALL) or one attempt of one. */
#define TASKS_ALL UINT32_MAX

static inline bool task_is_of(task_id id, task_id which)
{
    return which.partition == TASKS_ALL ? id.stage == which.stage : task_id_equal(id, which);
}

static inline task_id tasks_of_stage(uint32_t stage)
{
    return (task_id){ stage, TASKS_ALL, 0 };
}

void cancel_append(buf *b, task_id which);
int cancel_decode(const frame *f, task_id *ret);

/* -- Batches: entries one after the other until the frame ends --------------------------------- */

/* Writes entries into frames of one type, a new one whenever the last is large. */
typedef struct batch {
    buf *out;
    frame_type type;
    size_t begin;
    bool open;
} batch;

/* Call before each entry, and batch_end() after the last. Nothing else may be appended to `out` in
 * between. */
void batch_entry(batch *b);
void batch_end(batch *b);

typedef struct task_entry {
    task_id id;
    uint64_t stream;      /* 0: the payload is here */
    size_t size;          /* of the payload */
    const char *payload;  /* NULL when streamed */
    rdd_str encoded;      /* the entry itself, to be handed on */
} task_entry;

void task_entry_encode(buf *b, const task_spec *task, uint64_t stream);
int task_entry_decode(reader *r, task_entry *ret);

/* `stream` 0: the result's bytes are inside. The outcome that comes back has its bytes, or a
 * result_size and nothing else when *ret_stream is not 0. */
void outcome_entry_encode(buf *b, const outcome *o, uint64_t stream);
int outcome_entry_decode(reader *r, outcome *ret, uint64_t *ret_stream, rdd_error *err);

/* -- Files of the driver ----------------------------------------------------------------------- */

enum {
    FILE_CREDIT_FIRST = 64 << 10, /* of a file that is written; it comes with opening it */
    FILE_CREDIT_MAX = 8 << 20,     /* that may be granted and not used, either way */
};

static inline bool stream_is_file(uint64_t stream)
{
    return (stream & STREAM_FILE) && stream >= STREAM_WORKER_FIRST;
}

typedef enum file_use {
    FILE_READ,
    FILE_WRITE, /* the file of a partition that the task saves */
    FILE_USES,
} file_use;

typedef struct file_open {
    file_use use;
    task_id task;
    /* of one that is read: */
    uint64_t number; /* input_file.number */
    uint64_t offset;
    uint64_t credit; /* the first */
} file_open;

void file_open_append(buf *b, uint64_t stream, const file_open *o);
int file_open_decode(const frame *f, file_open *ret);

/* What a worker says at the end: nothing more of it is wanted, or all was written. CLOSE may come
 * before the last DATA, as control frames overtake, so it says how many bytes there are. */
typedef struct file_end {
    bool complete;
    uint64_t size, checksum; /* of what was written */
} file_end;

void file_end_append(buf *b, uint64_t stream, const file_end *e);
int file_end_decode(const frame *f, file_end *ret);

/* What the driver says: how writing went, or why no more than `sent` bytes can be read. `why` NULL
 * or code RDD_OK: all is well. */
void file_answer_append(buf *b, uint64_t stream, uint64_t sent, const rdd_error *why);
int file_answer_decode(const frame *f, uint64_t *ret_sent, rdd_error *ret_why);

/* -- Small ones -------------------------------------------------------------------------------- */

void credit_append(buf *b, uint64_t stream, uint64_t more);
int credit_decode(const frame *f, uint64_t *ret_more);

typedef struct slot_progress {
    bool busy;
    task_id task;
    uint64_t records; /* of that task so far */
} slot_progress;

/* The driver's has no slots. */
void heartbeat_append(buf *b, const slot_progress *slots, size_t count);
/* Up to `max` slots into `slots`. */
int heartbeat_decode(const frame *f, slot_progress *slots, size_t max, size_t *ret_count);

typedef enum log_kind {
    LOG_USER,   /* a line that a program under the executor wrote */
    LOG_NOTICE, /* the executor's own: a worker died, lines were dropped */
    LOG_KINDS,
} log_kind;

typedef struct log_line {
    log_kind kind;
    bool has_task; /* only one task can have written it */
    task_id task;
    rdd_str text;  /* no line end; at most LOG_LINE_MAX bytes */
} log_line;

void log_append(buf *b, const log_line *line);
int log_decode(const frame *f, log_line *ret);

/* `why` NULL: all is well. */
void bye_append(buf *b, const rdd_error *why);
int bye_decode(const frame *f, rdd_error *ret_why); /* code RDD_OK when all is well */

#endif
