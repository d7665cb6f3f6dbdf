/* http_transfer.c: see http_transfer.h. */
#include "http_transfer.h"

#include "http_text.h"

#include <curl/curl.h>
#include <errno.h>
#include <strings.h>

enum {
    ANSWER_KEPT_MAX = 1 << 20, /* a larger buffer is given back after its answer */
    EXPECT_SIZE = 512 << 10,   /* for larger bodies libcurl would wait for "100 Continue" */
    IDLE_AGE_S = 60,           /* connections unused for longer are not trusted: servers drop them
                                * after 60 or 75 s */
};

_Static_assert(sizeof((transfer *)0)->detail >= CURL_ERROR_SIZE, "libcurl fills it");

static size_t take_body(char *data, size_t size, size_t count, void *arg);
static size_t take_header(char *data, size_t size, size_t count, void *arg);

/* -- The handle -------------------------------------------------------------------------------- */

static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    transfer *t = arg;
    int fd = http_sockets_open(t->sockets, address->family, address->socktype, address->protocol);
    t->open_errno = fd < 0 ? errno : 0;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* Connections outlive the transfer that opened them. */
static int on_close(void *arg, curl_socket_t fd)
{
    return http_sockets_close(arg, fd);
}

static void limit_to_http(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

transfer *transfer_new(const transfer_options *options)
{
    transfer *t = calloc(1, sizeof *t);
    CURL *easy = curl_easy_init();
    if (!t || !easy) {
        curl_easy_cleanup(easy);
        free(t);
        return NULL;
    }
    t->easy = easy;
    t->sockets = options->sockets;
    limit_to_http(easy);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->detail);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, (long)IDLE_AGE_S);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, on_open);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, on_close);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETDATA, options->sockets);
#if LIBCURL_VERSION_NUM >= 0x075700
    /* Otherwise ending a transfer waits for its name lookup. */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
    if (!options->use_proxy)
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
    struct curl_blob bundle = { (void *)options->ca_bundle.data, options->ca_bundle.size,
                                CURL_BLOB_NOCOPY };
    if (bundle.len)
        curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &bundle);
    else if (getenv("RDD_CA_FILE")) /* a node may have none: the driver's came along (node.h) */
        curl_easy_setopt(easy, CURLOPT_CAINFO, getenv("RDD_CA_FILE"));
    return t;
}

void transfer_free(transfer *t)
{
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    buf_release(&t->header_key);
    buf_release(&t->answer);
    http_target_release(&t->target);
    free(t);
}

/* -- Requests ---------------------------------------------------------------------------------- */

/* These say how long their body is even when there is none. */
static bool has_length(const exchange *x)
{
    return x->body.data || !strcmp(x->method, "POST") || !strcmp(x->method, "PUT") ||
           !strcmp(x->method, "PATCH");
}

static void set_method(transfer *t, const exchange *x)
{
    bool get = !strcmp(x->method, "GET"), head = !strcmp(x->method, "HEAD");
    transfer_shape shape = x->body.data ? SHAPE_OTHER
                           : get        ? SHAPE_GET
                           : head       ? SHAPE_HEAD
                                        : SHAPE_OTHER;
    if (shape != SHAPE_OTHER && shape == t->shape)
        return;
    CURL *easy = t->easy;
    bool sends = has_length(x);
    curl_easy_setopt(easy, CURLOPT_NOBODY, 0L);
    if (sends) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body.size);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, x->body.data ? x->body.data : "");
    } else {
        curl_easy_setopt(easy, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(easy, CURLOPT_NOBODY, head ? 1L : 0L);
    }
    bool own_name = shape == SHAPE_OTHER && !(sends && !strcmp(x->method, "POST"));
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, own_name ? x->method : NULL);
    t->shape = shape;
}

static bool starts_with(rdd_str line, const char *name)
{
    size_t size = strlen(name);
    return line.size >= size && !strncasecmp(line.data, name, size);
}

static void add_line(buf *lines, rdd_str line)
{
    /* "Name:" alone would tell libcurl to send no such header; "Name;" is an empty one. */
    const char *colon = memchr(line.data, ':', line.size);
    size_t blank = colon ? (size_t)(colon - line.data) + 1 : line.size;
    while (blank < line.size && (line.data[blank] == ' ' || line.data[blank] == '\t'))
        blank++;
    if (colon && blank == line.size) {
        buf_append(lines, line.data, (size_t)(colon - line.data));
        buf_char(lines, ';');
    } else {
        buf_append(lines, line.data, line.size);
    }
    buf_char(lines, 0);
}

/* What a body is, when the user does not say: JSON if it looks like it, otherwise nobody knows.
 * libcurl would claim that it is a form. */
static const char *default_content_type(rdd_str body)
{
    bool json = body.size && (body.data[0] == '{' || body.data[0] == '[');
    return json ? "Content-Type: application/json" : "Content-Type:";
}

static void write_header_lines(const exchange *x, buf *lines)
{
    bool typed = false, named = false;
    for (size_t i = 0; i < x->header_count; i++) {
        bool type = starts_with(x->headers[i], "Content-Type:");
        typed |= type;
        named |= !x->without_headers && starts_with(x->headers[i], "User-Agent:");
        if (!x->without_headers || (type && x->body.data))
            add_line(lines, x->headers[i]);
    }
    if (!named) { /* libcurl takes longer over CURLOPT_USERAGENT */
        buf_text(lines, "User-Agent: rdd/" RDD_VERSION);
        buf_char(lines, 0);
    }
    if (x->idempotency_key.size) {
        buf_text(lines, "Idempotency-Key: ");
        buf_append(lines, x->idempotency_key.data, x->idempotency_key.size);
        buf_char(lines, 0);
    }
    if (has_length(x) && !typed) {
        buf_text(lines, default_content_type(x->body));
        buf_char(lines, 0);
    }
    if (x->body.size > EXPECT_SIZE) {
        buf_text(lines, "Expect:");
        buf_char(lines, 0);
    }
}

static bool set_headers(transfer *t, const exchange *x)
{
    bool plain = !x->header_count && !x->idempotency_key.size && !has_length(x);
    if (plain && t->plain_headers)
        return true;
    t->plain_headers = false;
    CLEANUP(buf_release) buf lines = { 0 };
    write_header_lines(x, &lines);
    if (lines.failed)
        return false;
    if (lines.size == t->header_key.size &&
        (!lines.size || !memcmp(lines.data, t->header_key.data, lines.size)))
        return true;
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(t->headers);
    t->headers = NULL;
    buf_clear(&t->header_key);
    for (size_t at = 0; at < lines.size; at += strlen(lines.data + at) + 1) {
        struct curl_slist *longer = curl_slist_append(t->headers, lines.data + at);
        if (!longer)
            return false;
        t->headers = longer;
    }
    buf_append(&t->header_key, lines.data, lines.size);
    curl_easy_setopt(t->easy, CURLOPT_HTTPHEADER, t->headers);
    t->plain_headers = plain && !t->header_key.failed;
    return !t->header_key.failed;
}

static void set_limits(transfer *t, const exchange *x)
{
    if (x->connect_timeout_ms != t->connect_timeout_ms) {
        t->connect_timeout_ms = x->connect_timeout_ms;
        curl_easy_setopt(t->easy, CURLOPT_CONNECTTIMEOUT_MS, t->connect_timeout_ms);
    }
    if (x->response_max != t->response_max) {
        t->response_max = x->response_max;
        t->answer.max = x->response_max;
        curl_easy_setopt(t->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)x->response_max);
    }
}

/* libcurl spends a microsecond on each header that it sends. So compression is asked for where it
 * is likely to pay, over TLS, and where the user asks for it. */
static void set_compression(transfer *t, const exchange *x)
{
    bool compressed = starts_with(x->url, "https:");
    for (size_t i = 0; i < x->header_count && !compressed; i++)
        compressed = starts_with(x->headers[i], "Accept-Encoding:");
    if (compressed != t->compressed)
        curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING, compressed ? "gzip, deflate" : NULL);
    t->compressed = compressed;
}

#if LIBCURL_VERSION_NUM >= 0x075000
static int before_request(void *arg, char *peer, char *local, int peer_port, int local_port)
{
    (void)peer, (void)local, (void)peer_port, (void)local_port;
    transfer *t = arg;
    return t->sent_count++ ? CURL_PREREQFUNC_ABORT : CURL_PREREQFUNC_OK;
}
#endif

/* When a kept connection turns out dead libcurl sends the request again by itself. */
static void set_once(transfer *t, bool once)
{
    if (once == t->once)
        return;
    t->once = once;
#if LIBCURL_VERSION_NUM >= 0x075000
    curl_easy_setopt(t->easy, CURLOPT_PREREQFUNCTION, once ? before_request : NULL);
    curl_easy_setopt(t->easy, CURLOPT_PREREQDATA, t);
#else
    curl_easy_setopt(t->easy, CURLOPT_FRESH_CONNECT, once ? 1L : 0L);
#endif
}

bool transfer_begin(transfer *t, exchange *x)
{
    t->exchange = x;
    x->transfer = t;
    buf_clear(&t->answer);
    t->headers_size = t->sent_count = 0;
    t->open_errno = 0;
    t->answer_too_large = t->headers_too_large = t->headers_ended = false;
    t->retry_after[0] = t->date[0] = t->detail[0] = 0;
    set_method(t, x);
    set_limits(t, x);
    set_compression(t, x);
    set_once(t, x->once);
    return set_headers(t, x) && http_target_set(&t->target, t->easy, x->url);
}

void transfer_clear(transfer *t)
{
    t->exchange->transfer = NULL;
    t->exchange = NULL;
    if (t->answer.capacity > ANSWER_KEPT_MAX)
        buf_release(&t->answer);
}

/* -- Answers ----------------------------------------------------------------------------------- */

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    (void)size; /* 1 */
    transfer *t = arg;
    t->answer_too_large = count > t->response_max - t->answer.size;
    if (t->answer_too_large)
        return 0;
    buf_append(&t->answer, data, count);
    return t->answer.failed ? 0 : count;
}

static void forget_headers(transfer *t)
{
    t->retry_after[0] = t->date[0] = 0;
    t->headers_ended = false;
}

static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    (void)size; /* 1 */
    transfer *t = arg;
    rdd_str line = { count, data };
    t->headers_size += count;
    t->headers_too_large = t->headers_size > WIRE_HEADERS_SIZE_MAX;
    if (t->headers_too_large)
        return 0;
    if ((*data | 0x20) == 'r')
        http_header_read(line, "Retry-After", t->retry_after, sizeof t->retry_after);
    else if ((*data | 0x20) == 'd')
        http_header_read(line, "Date", t->date, sizeof t->date);
    else if (*data == '\r' || *data == '\n')
        t->headers_ended = true;
    else if (*data == 'H' && starts_with(line, "HTTP/"))
        forget_headers(t); /* those of "100 Continue" */
    return count;
}

static wire_fault fault_of(const transfer *t, CURLcode result, long status)
{
    switch (result) {
    case CURLE_OK: /* also when the connection ended within the headers */
        return !status ? WIRE_NO_HTTP : t->headers_ended ? WIRE_OK : WIRE_BROKEN;
    case CURLE_URL_MALFORMAT: return WIRE_URL;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY: return WIRE_RESOLVE;
    case CURLE_COULDNT_CONNECT: return WIRE_CONNECT;
    case CURLE_OPERATION_TIMEDOUT: return WIRE_CONNECT_LATE;
    case CURLE_SSL_CONNECT_ERROR: return WIRE_TLS;
    case CURLE_PEER_FAILED_VERIFICATION: return WIRE_CERTIFICATE;
    case CURLE_FILESIZE_EXCEEDED: return WIRE_RESPONSE_MAX;
    case CURLE_WRITE_ERROR:
        return t->answer_too_large    ? WIRE_RESPONSE_MAX
               : t->headers_too_large ? WIRE_HEADERS_MAX
                                      : WIRE_MEMORY;
    case CURLE_ABORTED_BY_CALLBACK: return WIRE_TWICE;
    case CURLE_UNSUPPORTED_PROTOCOL: /* HTTP/0.9, that is: anything */
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_BAD_CONTENT_ENCODING: return WIRE_NO_HTTP;
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM: return WIRE_BROKEN;
    case CURLE_OUT_OF_MEMORY: return WIRE_MEMORY;
    default: return WIRE_OTHER;
    }
}

static rdd_str view_of(const char *text)
{
    return (rdd_str){ text ? strlen(text) : 0, text };
}

void transfer_end(transfer *t, int result)
{
    exchange *x = t->exchange;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    x->fault = fault_of(t, (CURLcode)result, status);
    if (x->fault != WIRE_OK) {
        long os_errno = 0;
        curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &os_errno);
        x->os_errno = t->open_errno ? t->open_errno : (int)os_errno;
        x->detail = t->detail[0] ? t->detail : curl_easy_strerror((CURLcode)result);
        return;
    }
    x->status = (int)status;
    x->sent_url = t->target.url.data;
    x->answer = (rdd_str){ t->answer.size, t->answer.data ? t->answer.data : "" };
    x->retry_after = view_of(t->retry_after[0] ? t->retry_after : NULL);
    x->date = view_of(t->date[0] ? t->date : NULL);
    char *text = NULL;
    curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &text);
    x->content_type = view_of(text);
    if (status / 100 == 3) {
        text = NULL;
        curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &text);
        x->redirect_url = view_of(text);
    }
}
