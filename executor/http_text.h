/* http_text.h: the small texts of HTTP: what a request may contain, what an answer's headers say.
 * Pure functions; what they read comes from users and from servers. */
#ifndef RDD_HTTP_TEXT_H
#define RDD_HTTP_TEXT_H

#include "arena.h"
#include "rdd.h"

enum { HTTP_HOST_MAX = 300, HTTP_URL_MAX = 1 << 20, HTTP_METHOD_MAX = 31 };

/* Scheme, host and port of a URL: "http://example.org:8080", lower case, without user name. Calls
 * are queued and held by it. `host` is the part behind the slashes, for messages. */
typedef struct http_origin {
    size_t size;
    const char *host;
    char text[HTTP_HOST_MAX];
} http_origin;

/* NULL, or what is wrong with the URL, as the end of a sentence: "the URL is empty". */
const char *http_url_problem(rdd_str url);

/* Of a URL without a problem. */
void http_origin_of(rdd_str url, http_origin *ret);

/* "Name: value" without line breaks, NUL and what is the library's own business; NULL or what is
 * wrong with it. */
const char *http_header_problem(rdd_str line);
const char *http_value_problem(rdd_str value);

/* Copies the value of a header line to ret, which has room for `capacity` bytes with a NUL at the end,
 * if it is the header of that name; a value that does not fit becomes "". */
bool http_header_read(rdd_str line, const char *name, char *ret, size_t capacity);

/* Copies the method in upper case, GET if it is empty; false when it is none. */
bool http_method_read(rdd_str method, char ret[HTTP_METHOD_MAX + 1]);

/* Whether sending twice does no more than sending once. */
bool http_method_repeatable(const char *method);

/* What a Retry-After asks for, in ms: seconds, or a date, which is compared with the answer's own
 * Date if there is one, since clocks differ, and otherwise with now_s (UTC). Between 0 and max_ms;
 * -1 when it is no Retry-After. */
int64_t http_retry_after_ms(rdd_str value, rdd_str date, int64_t now_s, int64_t max_ms);

/* Seconds since 1970 of an HTTP date in any of its three forms; false when it is none. */
bool http_date_read(rdd_str text, int64_t *ret);

/* "Not Found" for 404; "" for a number without a name. */
const char *http_status_name(int status);

#endif
