/* call_wire.h: the payloads of LEASE and JOURNAL frames: what processes that make HTTP calls and the
 * driver say to each other.
 *
 * Each begins with its kind and the serial number of the worker that it comes from or goes to, so
 * that a supervisor passes it on without knowing more. Times are spans from "now", since no two
 * machines have the same clock.
 *
 * Decoders take bytes from outside: they return 0 or RDD_E_PROTOCOL, views point into the frame.
 */
#ifndef RDD_CALL_WIRE_H
#define RDD_CALL_WIRE_H

#include "message.h"
#include "task.h"

enum {
    LEASE_NAME_MAX = 1024,        /* of a rate, or of a host */
    JOURNAL_PIECE_MAX = 512 << 10, /* entries in one frame, about */
    JOURNAL_ENTRY_MAX = 384 << 10, /* a larger answer comes in several */
};

/* Bounds of what a frame may ask for: anything else is no honest wish. */
#define LEASE_SPAN_MAX_NS (UINT64_C(1) << 62)

typedef enum lease_kind {
    LEASE_ASK,   /* W>D: `count` calls are wanted since the worker began, `span` apart (the rate) */
    LEASE_GRANT, /* D>W: `count` more calls, the first in `delay`, `span` apart */
    LEASE_HOLD,  /* both: the host `name` is not to be called for `delay` */
    LEASE_GONE,  /* S>D: the worker has ended */
    LEASE_KINDS,
} lease_kind;

typedef struct lease {
    lease_kind kind;
    uint32_t worker; /* to it or from it; of a HOLD to workers, 0: all */
    uint64_t count, delay_ns, span_ns;
    rdd_str name;
} lease;

void lease_append(buf *b, const lease *l);
int lease_decode(const frame *f, lease *ret);

typedef enum journal_kind {
    JOURNAL_APPEND, /* W>D: entries; `serial` is the last one's */
    JOURNAL_WANT,   /* W>D: what is known of a task's partition, from place `serial` on */
    JOURNAL_HAVE,   /* D>W: entries of it; `serial` is where to go on, 0 at the end */
    JOURNAL_ACK,    /* D>W: entries up to `serial` are kept, as well as they ever will be */
    JOURNAL_KINDS,
} journal_kind;

typedef struct journal_part {
    journal_kind kind;
    uint32_t worker;
    bool urgent;     /* APPEND: an acknowledgement is waited for */
    task_id task;    /* WANT, HAVE */
    uint64_t serial;
    uint64_t size;   /* ACK: bytes of the entries it answers for */
    rdd_str entries; /* APPEND, HAVE; read with journal_entry_next() */
} journal_part;

void journal_append(buf *b, const journal_part *p);
int journal_decode(const frame *f, journal_part *ret);

/* What journal_part.entries are made of: of which partition, and what, which only whoever calls
 * understands (executor/journal.h). In HAVE the partition is 1 for what an earlier run left, else 0. */
void journal_entry_append(buf *b, uint32_t stage, uint32_t partition, rdd_str entry);
/* False when what is left is no entry. */
bool journal_entry_next(reader *r, uint32_t *ret_stage, uint32_t *ret_partition, rdd_str *ret);

/* The worker's serial number in either frame; false when there is none. */
bool call_wire_worker(const frame *f, uint32_t *ret);

#endif
