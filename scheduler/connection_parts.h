/* connection_parts.h: a connection inside: connection.c, and connection_greeting.c for who is on the other
 * side.
 */
#ifndef RDD_CONNECTION_PARTS_H
#define RDD_CONNECTION_PARTS_H

#include "clock.h"
#include "connection.h"
#include "stream.h"

typedef struct known_plan {
    uint32_t stage;
    rdd_str bytes; /* the job's */
    bool sent;
} known_plan;

struct connection {
    channel channel;
    char name[64];
    char build_id[72];
    connection_options options;
    char *conf;
    enum { GREETING, UP, FAILED } phase;
    bool up_untold, stale, mute, refused;
    hello theirs;
    int64_t ahead_ms;    /* its clock, of ours */
    rdd_error error;
    uint64_t begun_ns, heard_ns, next_heartbeat_ns;
    known_plan *plans;
    size_t plan_count, plan_capacity;
    streams_out payloads;
    uint64_t next_stream;
    streams_in results;  /* owner: the outcome, heap */
    outcome *outcomes;
    size_t outcome_count, outcome_capacity;
    buf lines;
    slot_progress *progress; /* one for each slot */
    size_t progress_count;
};

/* The first reason counts. */
void connection_fail(connection *c, const rdd_error *why);
void connection_fail_protocol(connection *c, const char *what);
void connection_fail_memory(connection *c);

/* That the other side is of another version. */
void connection_version_error(const connection *c, uint32_t theirs, int ours, rdd_error *err);

/* The first frame that came. Afterwards it is UP, or FAILED. */
void connection_take_hello(connection *c, const frame *f);

#endif
