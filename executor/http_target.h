/* http_target.h: the URL of an easy handle of libcurl; for http_transfer.c alone.
 *
 * libcurl spends a tenth of a small request on parsing its URL and on writing it again. The calls of
 * a partition mostly go to one host: so a host that is the same again is kept parsed, and only what
 * follows it is replaced, where that is a plain path and query. Other URLs libcurl parses itself, and
 * what is sent is the same in both ways.
 */
#ifndef RDD_HTTP_TARGET_H
#define RDD_HTTP_TARGET_H

#include "buf.h"
#include "rdd.h"

typedef struct http_target {
    buf url;          /* as libcurl gets it, terminated */
    size_t base_size; /* how much of it is the scheme and host that `parsed` has; 0: it has none */
    void *parsed;     /* libcurl's CURLU */
    bool in_use;      /* the easy handle takes it instead of the URL */
} http_target;

/* Sets the URL of `easy`, always the same one for this target; false when out of memory. Bytes that are no
 * ASCII go percent-encoded, but not in the host, which may be an international name. */
bool http_target_set(http_target *t, void *easy, rdd_str url);

void http_target_release(http_target *t);

#endif
