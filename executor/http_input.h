/* http_input.h: files behind http:// and https:// as inputs (input.h).
 *
 * The driver looks at one when its source is declared; tasks read it themselves, wherever they run:
 * in parts where the server gives parts, else from its beginning. What breaks is asked for again,
 * from the byte where it broke, as --conf http.attempts_max, http.backoff and the timeouts say.
 * What is not the file any more that was looked at is an error.
 */
#ifndef RDD_HTTP_INPUT_H
#define RDD_HTTP_INPUT_H

#include "input.h"

#include <stdatomic.h>

bool http_input_is_url(const char *path);

/* Asks the server for its first bytes. In messages it has no user and password. */
int http_input_stat(const char *url, arena *a, input_file *ret, rdd_error *err) MUST_CHECK;

/* As input_provider.open. Reading gives up soon after one of the two is set; either may be NULL. */
typedef struct http_input_stop {
    const atomic_bool *first, *second;
} http_input_stop;

int http_input_open(http_input_stop stop, const input_file *file, uint64_t offset, uint64_t end,
                    input **ret, rdd_error *err) MUST_CHECK;

#endif
