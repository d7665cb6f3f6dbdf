/* message.h: frames, the one thing that travels between driver, supervisor and worker.
 *
 * A frame is a header of FRAME_HEADER_SIZE bytes and a payload. The header has a checksum of its
 * own, so that a length is believed only after it was checked, and limited, before anything is
 * allocated for it. What payloads mean is protocol.h's business.
 *
 *   offset  0  magic        "RDDf"
 *           4  version      FRAME_VERSION
 *           6  type         frame_type
 *           8  stream       u64; 0 for frames that belong to no stream
 *          16  size         u32, of the payload
 *          20  reserved     u32, 0
 *          24  payload sum  XXH3 of the payload
 *          32  header sum   XXH3 of the 32 bytes before
 *
 * Magic, version and header sum stay where they are in every version, so that a peer of another one
 * is told from bytes that are no frame.
 *
 * All integers are little endian. Everything here is pure: bytes in, frames out, no descriptors.
 */
#ifndef RDD_MESSAGE_H
#define RDD_MESSAGE_H

#include "buf.h"
#include "error.h"

enum {
    FRAME_HEADER_SIZE = 40,
    FRAME_VERSION = 1,
    FRAME_CONTROL_MAX = 1 << 20, /* payload of a frame, in bytes */
    FRAME_DATA_MAX = 256 << 10,  /* the same of FRAME_DATA */
    FRAME_SKIP_MAX = 64 << 10,   /* foreign bytes that may come before a peer's first frame */
};

typedef enum frame_type {
    FRAME_HELLO = 1, /* first frame of each side: who it is */
    FRAME_SETUP,     /* driver -> supervisor -> worker: settings, slots */
    FRAME_PLAN,      /* a piece of a stage's plan */
    FRAME_FORGET,    /* a stage is over */
    FRAME_TASKS,     /* a batch of tasks */
    FRAME_CANCEL,    /* a stage's tasks, or one, are to stop */
    FRAME_OUTCOMES,  /* a batch of outcomes */
    FRAME_DATA,      /* bytes of a stream, as far as its receiver gave credit */
    FRAME_CREDIT,    /* the receiver of a stream lets its sender send more */
    FRAME_RESET,     /* a stream ends here, incomplete */
    FRAME_HEARTBEAT, /* a sign of life, with what the slots do */
    FRAME_LOG,       /* a line for the driver's stderr */
    FRAME_BYE,       /* the sender ends; from an executor with the reason */
    FRAME_OPEN,      /* worker -> driver: a file of the driver's is to be read or written */
    FRAME_CLOSE,     /* worker -> driver: no more of it is wanted, or all of it was written;
                      * driver -> worker: how that went */
    FRAME_LEASE,     /* executor -> driver: calls are wanted; driver -> executor: granted, held up */
    FRAME_JOURNAL,   /* answers of calls, kept by the driver for another attempt */
    FRAME_TYPES,
} frame_type;

/* Whether frames of a type belong to a stream; of all others it is 0. */
static inline bool frame_has_stream(uint32_t type)
{
    return type == FRAME_DATA || type == FRAME_CREDIT || type == FRAME_RESET ||
           type == FRAME_OPEN || type == FRAME_CLOSE;
}

typedef struct frame {
    frame_type type;
    uint64_t stream;
    size_t size;
    const char *payload; /* a view, valid until the next call on its reader */
} frame;

/* -- Writing ----------------------------------------------------------------------------------- */

/* Appends one frame. The payload's size is within its type's limit. */
void frame_append(buf *b, frame_type type, uint64_t stream, const void *payload, size_t size);

/* The same without a copy: begin, append the payload to `b`, end with what begin returned. */
size_t frame_begin(buf *b, frame_type type, uint64_t stream);
void frame_end(buf *b, size_t begin);

/* How large the frame at `bytes`, written by this process, is with its header. */
size_t frame_whole_size(const char *bytes);

/* -- Reading ----------------------------------------------------------------------------------- */

/* Bytes come in pieces of any size, whole frames come out. The buffer grows to the largest frame
 * that was announced by a valid header, never past FRAME_CONTROL_MAX. */
typedef struct frame_reader {
    char *data;
    size_t capacity, at, end; /* unread bytes: at … end */
    size_t want;              /* of the frame at `at` as far as it is known, with its header */
    size_t skip_left;         /* foreign bytes that may still be skipped; 0 after the first frame */
    size_t skipped_size;      /* of what was skipped, its beginning for a message */
    char skipped[200];
    uint16_t other_version; /* of the frame that ended the reading, if it was that; else 0 */
    bool failed;
} frame_reader;

/* `skip_max`: how many foreign bytes may come first, for a peer whose login shell talks. */
void frame_reader_init(frame_reader *r, size_t skip_max);
void frame_reader_release(frame_reader *r);

/* Where the next bytes go and how many fit, at least 1; NULL when out of memory. */
void *frame_reader_room(frame_reader *r, size_t *ret_size);
void frame_reader_filled(frame_reader *r, size_t size);

/* Forgets what was not read; for a peer whose words do not count any more. */
void frame_reader_drop(frame_reader *r);

/* 1 and a frame; 0 when more bytes are needed; RDD_E_PROTOCOL, and from then on always, when what
 * came is no frame of this protocol. */
int frame_reader_next(frame_reader *r, frame *ret, rdd_error *err);

/* What came before or instead of a first frame, as one line of printable text, for messages; ""
 * when nothing did. */
void frame_reader_foreign(const frame_reader *r, char *text, size_t size);

#endif
