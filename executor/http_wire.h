/* http_wire.h: single requests and their answers on the wire; http_wire.c is the one that knows
 * libcurl.
 *
 * A wire is one curl multi handle with its connections, its sockets in one epoll set. An exchange
 * is one request: no retries, no redirects, no queue, no limit but the connect timeout and sizes.
 * What those need to decide is in the exchange when it comes back.
 *
 * One thread uses a wire; only wire_wake() may be called from others.
 */
#ifndef RDD_HTTP_WIRE_H
#define RDD_HTTP_WIRE_H

#include "buf.h"
#include "error.h"

typedef struct wire wire;

typedef enum wire_fault {
    WIRE_OK,           /* an answer came, with any status */
    WIRE_URL,          /* the URL cannot be read */
    WIRE_RESOLVE,      /* no address for the host, or for the proxy */
    WIRE_CONNECT,      /* no connection: os_errno */
    WIRE_CONNECT_LATE, /* no connection in time */
    WIRE_TLS,
    WIRE_CERTIFICATE,
    WIRE_LATE,         /* the answer was not there in time; set by who waits for it */
    WIRE_BROKEN,       /* the connection broke before the answer was complete */
    WIRE_NO_HTTP,      /* what came is no HTTP */
    WIRE_RESPONSE_MAX,
    WIRE_HEADERS_MAX,
    WIRE_TWICE,        /* it would have to be sent a second time and may not be */
    WIRE_MEMORY,
    WIRE_OTHER,
} wire_fault;

enum { WIRE_HEADERS_SIZE_MAX = 256 << 10 };

typedef struct exchange {
    /* The request: views that are valid until the exchange is back. Checked by http_text.h. */
    const char *method; /* "GET" */
    rdd_str url, body;  /* body.data NULL: none */
    const rdd_str *headers;
    size_t header_count;
    rdd_str idempotency_key;
    bool without_headers; /* send no header of the user, but Content-Type with a body */
    bool once;            /* never send it twice, not even if a kept connection turns out dead */
    int connect_timeout_ms;
    size_t response_max;

    /* The answer: views that are valid until wire_forget(). */
    wire_fault fault;
    int os_errno;
    int status;
    rdd_str answer, content_type, retry_after, date, redirect_url; /* data NULL: not there */
    const char *sent_url;
    const char *detail; /* libcurl's words; "" */

    struct transfer *transfer; /* the wire's; NULL: not on the wire */
    struct exchange *next;     /* in what wire_step() returns */
    bool back;                 /* it came back, or will from the next step */
} exchange;

/* Before anything else of libcurl's, as often as you like. */
int http_curl_init(rdd_error *err);

/* `ca_bundle`: PEM certificates to trust instead of the system's, or size 0; outlives the wire. */
int wire_new(wire **ret, rdd_str ca_bundle, rdd_error *err);
void *wire_free(wire *w);

/* Begins an exchange. It comes back from wire_step(), whatever happens. */
void wire_start(wire *w, exchange *x);

/* Ends one that has not come back; its connection is closed. */
void wire_stop(wire *w, exchange *x);

/* After one came back: its views are gone. */
void wire_forget(wire *w, exchange *x);

/* Sleeps until something happens, wire_wake() is called or `deadline_ns` comes, then does all that
 * is ready; 0 never sleeps. The exchanges that are through, oldest first; NULL for
 * none. */
exchange *wire_step(wire *w, uint64_t deadline_ns);

/* When wire_step() looked for news last. */
uint64_t wire_looked_ns(const wire *w);

void wire_wake(wire *w);

/* Whether calls may go through a proxy that the environment names. */
bool wire_uses_proxy(const wire *w);

/* Where a redirect from `from` to `to` (absolute) leads: a new string for free(), which keeps user
 * name and password only on the same origin; *ret_same_origin says whether scheme, host and port
 * stay. NULL when it is no http or https URL. */
char *wire_redirect(const char *from, const char *to, bool *ret_same_origin);

#endif
