/* http_transfer.h: one easy handle of libcurl and its buffers; for http_wire.c alone.
 *
 * Handles are used again for one exchange after the other, and an option is only set when it
 * differs from what the handle has: a plain GET sets its URL and nothing else.
 */
#ifndef RDD_HTTP_TRANSFER_H
#define RDD_HTTP_TRANSFER_H

#include "http_sockets.h"
#include "http_target.h"
#include "http_wire.h"

struct curl_slist;

typedef enum transfer_shape { SHAPE_NONE, SHAPE_GET, SHAPE_HEAD, SHAPE_OTHER } transfer_shape;

typedef struct transfer_options {
    http_sockets *sockets;
    bool use_proxy;
    rdd_str ca_bundle;
} transfer_options;

typedef struct transfer {
    void *easy;
    http_sockets *sockets;
    exchange *exchange;
    struct transfer *next, *previous; /* among those that run; next: in the idle list */
    http_target target;
    buf answer;
    size_t headers_size;   /* received */
    unsigned sent_count;
    int open_errno;        /* why a socket could not be opened */
    bool answer_too_large, headers_too_large, headers_ended;
    char retry_after[64], date[64];
    char detail[256];      /* what libcurl says about a failure */
    /* what the handle is set to */
    transfer_shape shape;
    long connect_timeout_ms;
    size_t response_max;
    bool compressed, once;
    buf header_key; /* the lines of `headers`, to see whether they changed */
    bool plain_headers; /* they are those of a request without any of its own */
    struct curl_slist *headers;
} transfer;

/* NULL when out of memory. `options` and what is in it outlive the transfer. */
transfer *transfer_new(const transfer_options *options);
void transfer_free(transfer *t);

/* Makes it ready for the exchange; false when out of memory. */
bool transfer_begin(transfer *t, exchange *x);

/* Fills the exchange's answer; `result` is libcurl's CURLcode. */
void transfer_end(transfer *t, int result);

/* The exchange has been looked at. */
void transfer_clear(transfer *t);

#endif
