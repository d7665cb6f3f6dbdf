/* http_error.h: one line that says why a call failed. Equal causes get equal texts, so that they
 * can be counted: no URL, no number that changes from call to call. */
#ifndef RDD_HTTP_ERROR_H
#define RDD_HTTP_ERROR_H

#include "http_call.h"

/* Of the last request; in the call's memory, size 0 when that is out. `out_of_time`: another
 * attempt would have come too late. */
rdd_str http_error_text(const call *c, bool out_of_time);

/* Too many redirects. */
rdd_str http_error_redirects(const call *c);

#endif
