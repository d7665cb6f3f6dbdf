#include "http_error.h"

#include <errno.h>
#include <stdio.h>

enum { TEXT_MAX = 512 };

/* "30 s", "1.5 s", "200 ms". */
static const char *show_ms(int64_t ms, char text[32])
{
    if (ms < 1000)
        snprintf(text, 32, "%lld ms", (long long)ms);
    else if (ms % 1000)
        snprintf(text, 32, "%g s", (double)ms / 1000);
    else
        snprintf(text, 32, "%lld s", (long long)(ms / 1000));
    return text;
}

static const char *show_size(size_t size, char text[32])
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB" };
    size_t unit = 0;
    while (unit < 3 && size && size % 1024 == 0) {
        size /= 1024;
        unit++;
    }
    snprintf(text, 32, "%zu %s", size, units[unit]);
    return text;
}

/* The host without its port. */
static int name_size(const char *host)
{
    if (*host == '[')
        return (int)strcspn(host, "]") + 1;
    return (int)strcspn(host, ":");
}

static void describe_connect(const call *c, const char *host, char *text)
{
    const exchange *x = &c->x;
    char reason[128];
    if (x->os_errno == ECONNREFUSED)
        snprintf(text, TEXT_MAX, "connection refused by %s", host);
    else if (x->os_errno == EMFILE || x->os_errno == ENFILE)
        snprintf(text, TEXT_MAX, "no more open files for a connection to %s (ulimit -n)", host);
    else if (x->os_errno)
        snprintf(text, TEXT_MAX, "no connection to %s: %s", host,
                 strerror_r(x->os_errno, reason, sizeof reason));
    else
        snprintf(text, TEXT_MAX, "no connection to %s", host);
}

static void describe_late(const call *c, char *text)
{
    char time[32];
    if (c->last_chance)
        snprintf(text, TEXT_MAX, "timed out: all attempts together took %s (http.elapsed_max)",
                 show_ms(c->policy->elapsed_max_ms, time));
    else
        snprintf(text, TEXT_MAX, "timed out after %s (http.timeout)",
                 show_ms(c->policy->timeout_ms, time));
}

static void describe(const call *c, char *text)
{
    const exchange *x = &c->x;
    http_origin origin;
    http_origin_of(x->url, &origin);
    const char *host = origin.host;
    char number[32];
    switch (x->fault) {
    case WIRE_OK:
        snprintf(text, TEXT_MAX, "%d %s", x->status, http_status_name(x->status));
        break;
    case WIRE_URL:
        snprintf(text, TEXT_MAX, "the URL is malformed");
        break;
    case WIRE_RESOLVE:
        snprintf(text, TEXT_MAX, "could not resolve host %.*s", name_size(host), host);
        break;
    case WIRE_CONNECT:
        describe_connect(c, host, text);
        break;
    case WIRE_CONNECT_LATE:
        snprintf(text, TEXT_MAX, "no connection to %s within %s (http.connect_timeout)", host,
                 show_ms(c->policy->connect_timeout_ms, number));
        break;
    case WIRE_LATE:
        describe_late(c, text);
        break;
    case WIRE_TLS:
        snprintf(text, TEXT_MAX, "TLS with %s failed: %s", host, x->detail);
        break;
    case WIRE_CERTIFICATE:
        snprintf(text, TEXT_MAX, "certificate of %s not accepted: %s", host, x->detail);
        break;
    case WIRE_BROKEN:
        snprintf(text, TEXT_MAX, "connection to %s broke before the answer was complete", host);
        break;
    case WIRE_NO_HTTP:
        snprintf(text, TEXT_MAX, "what %s answered is no HTTP", host);
        break;
    case WIRE_RESPONSE_MAX:
        snprintf(text, TEXT_MAX, "answer larger than %s (http.response_max)",
                 show_size(c->policy->response_max, number));
        break;
    case WIRE_HEADERS_MAX:
        snprintf(text, TEXT_MAX, "headers of the answer larger than %s",
                 show_size(WIRE_HEADERS_SIZE_MAX, number));
        break;
    case WIRE_TWICE:
        snprintf(text, TEXT_MAX, "connection to %s broke; without an idempotency key %s is not "
                 "sent again", host, c->method);
        break;
    case WIRE_MEMORY:
        snprintf(text, TEXT_MAX, "out of memory, or a header line is longer than 100 KiB");
        break;
    case WIRE_OTHER:
        snprintf(text, TEXT_MAX, "call of %s failed: %s", host, x->detail);
        break;
    }
    bool unreached = x->fault == WIRE_RESOLVE || x->fault == WIRE_CONNECT;
    if (unreached && wire_uses_proxy(c->engine->wire)) {
        size_t size = strlen(text);
        snprintf(text + size, TEXT_MAX - size, " (proxy settings of the environment apply: %s)",
                 x->detail);
    }
}

static rdd_str keep_line(const call *c, char *text)
{
    size_t size = strlen(text);
    while (size && text[size - 1] == ' ')
        size--;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20)
            text[i] = ' ';
    char *copy = arena_copy(c->memory, text, size);
    return copy ? (rdd_str){ size, copy } : (rdd_str){ 0 };
}

rdd_str http_error_text(const call *c, bool out_of_time)
{
    char text[TEXT_MAX + 64];
    describe(c, text);
    if (out_of_time && !(c->x.fault == WIRE_LATE && c->last_chance)) {
        char time[32];
        size_t size = strlen(text);
        snprintf(text + size, sizeof text - size,
                 "; no other attempt fits into %s (http.elapsed_max)",
                 show_ms(c->policy->elapsed_max_ms, time));
    }
    return keep_line(c, text);
}

rdd_str http_error_redirects(const call *c)
{
    char text[TEXT_MAX];
    snprintf(text, sizeof text, "more than %d redirects (http.redirects_max)",
             c->policy->redirects_max);
    return keep_line(c, text);
}
