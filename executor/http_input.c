#include "http_input.h"

#include "clock.h"
#include "conf.h"
#include "http_text.h"
#include "http_wire.h"
#include "random.h"

#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>
#include <time.h>

enum {
    BEHIND_END = 16 << 10,    /* asked for from the start */
    MORE_BEHIND = 1 << 20,    /* and each time that this was not enough */
    BODY_ENOUGH = 1 << 20,    /* waits to be read: the transfer pauses */
    LOOK_MS = 100,            /* for a task that is cancelled */
    VERSION_MAX = 256,
};
#define SIZE_UNKNOWN ((uint64_t)INT64_MAX / 2)

/* One answer as it comes. */
typedef struct answer {
    int status;
    bool has_range;
    uint64_t range_first, total; /* of Content-Range; SIZE_UNKNOWN: it does not say */
    uint64_t length;             /* of Content-Length */
    char etag[VERSION_MAX], modified[VERSION_MAX], retry_after[VERSION_MAX], date[VERSION_MAX];
} answer;

typedef struct http_input {
    input base;
    http_input_stop stop;
    CURLM *multi;
    CURL *easy;
    struct curl_slist *headers;
    bool running, paused, at_end;
    answer answer;
    bool checked;        /* the answer is what was asked for */
    bool refused;        /* it is not, and final_error says why */
    rdd_error final_error;
    buf body;
    size_t body_at;
    uint64_t next;       /* byte of the file that comes next */
    uint64_t wanted;     /* the end of what will be asked for */
    uint64_t asked_end;  /* of the request */
    uint64_t skip;       /* bytes that were read already, from a server without parts */
    int failures;        /* in a row */
    char detail[CURL_ERROR_SIZE];
} http_input;

/* -- Setting up -------------------------------------------------------------------------------- */

bool http_input_is_url(const char *path)
{
    return strncasecmp(path, "http://", 7) == 0 || strncasecmp(path, "https://", 8) == 0;
}

static void limit_to_http(CURL *easy)
{
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
}

static size_t take_header(char *data, size_t size, size_t count, void *arg);

/* A handle for a file; NULL when out of memory. A whole file may take longer than http.timeout,
 * silence may not. */
static CURL *new_easy(const char *url, answer *a, char *detail)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
    limit_to_http(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, detail);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "rdd/" RDD_VERSION);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)conf_int("http.redirects_max"));
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)conf_int("http.connect_timeout"));
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, (long)(conf_int("http.timeout") + 999) / 1000);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, a);
    return easy;
}

/* -- Answers ----------------------------------------------------------------------------------- */

/* "bytes 0-3/1234", "bytes 0-3/" and a star, "bytes", a star and "/1234". */
static void read_range(answer *a, const char *text)
{
    uint64_t last;
    a->total = SIZE_UNKNOWN;
    const char *slash = strchr(text, '/');
    if (slash && slash[1] >= '0' && slash[1] <= '9')
        a->total = u64_min(strtoull(slash + 1, NULL, 10), SIZE_UNKNOWN);
    a->has_range = sscanf(text, "bytes %" SCNu64 "-%" SCNu64, &a->range_first, &last) == 2;
}

static bool read_header(rdd_str line, const char *name, char value[VERSION_MAX])
{
    return http_header_read(line, name, value, VERSION_MAX);
}

/* An answer, and after a redirect the next one, begins with its status line. */
static size_t take_header(char *data, size_t size, size_t count, void *arg)
{
    (void)size; /* 1 */
    answer *a = arg;
    rdd_str line = { count, data };
    char value[VERSION_MAX];
    if (count > 9 && strncmp(data, "HTTP/", 5) == 0) {
        const char *space = memchr(data, ' ', count);
        *a = (answer){ .total = SIZE_UNKNOWN, .length = SIZE_UNKNOWN };
        a->status = space ? (int)strtol(space, NULL, 10) : 0;
    } else if (read_header(line, "Content-Range", value)) {
        read_range(a, value);
    } else if (read_header(line, "Content-Length", value)) {
        a->length = *value ? u64_min(strtoull(value, NULL, 10), SIZE_UNKNOWN) : SIZE_UNKNOWN;
    } else {
        (void)(read_header(line, "ETag", a->etag) || read_header(line, "Last-Modified", a->modified) ||
               read_header(line, "Retry-After", a->retry_after) || read_header(line, "Date", a->date));
    }
    return count;
}

/* What tells this file from another under its name: an entity tag, which begins with a quote or
 * W/, else a date, else "". */
static const char *version_of(const answer *a)
{
    return *a->etag ? a->etag : a->modified;
}

static bool may_pass(int status)
{
    return status == 408 || status == 429 || status == 500 || status == 502 || status == 503 ||
           status == 504;
}

static int status_error(const char *name, int status, rdd_error *err)
{
    const char *words = http_status_name(status);
    return error_set(err, RDD_E_IO, "%s: the server answered %d%s%s", name, status,
                     words && *words ? " " : "", words ? words : "");
}

static bool stopped(const http_input_stop *stop)
{
    return (stop->first && atomic_load_explicit(stop->first, memory_order_relaxed)) ||
           (stop->second && atomic_load_explicit(stop->second, memory_order_relaxed));
}

static int transfer_error(const char *name, CURLcode code, const char *detail, rdd_error *err)
{
    return error_set(err, RDD_E_IO, "%s: cannot read: %s", name,
                     *detail ? detail : curl_easy_strerror(code));
}

static bool is_final(CURLcode code)
{
    return code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
           code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_TOO_MANY_REDIRECTS ||
           code == CURLE_OUT_OF_MEMORY;
}

/* What the server asked for, in ms; 0 when it did not. */
static uint64_t asked_wait_ms(const answer *a)
{
    if (!a->retry_after[0])
        return 0;
    int64_t ms = http_retry_after_ms(rdd_str_of(a->retry_after), rdd_str_of(a->date), time(NULL),
                                     conf_int("http.retry_after_max"));
    return ms > 0 ? (uint64_t)ms : 0;
}

/* After so many failures in a row: up to http.backoff, doubled each time, with jitter, and at least what
 * the last answer asked for. False: stopped. */
static bool back_off(const http_input_stop *stop, int failures, const answer *last)
{
    uint64_t bound_ms = (uint64_t)conf_int("http.backoff");
    for (int i = 1; i < failures && bound_ms < (uint64_t)conf_int("http.backoff_max"); i++)
        bound_ms *= 2;
    bound_ms = u64_min(bound_ms, (uint64_t)conf_int("http.backoff_max"));
    random_state jitter = random_seeded(clock_now_ns(), (uint64_t)failures);
    uint64_t wait_ms = bound_ms ? random_next(&jitter) % (bound_ms + 1) : 0;
    wait_ms = u64_max(wait_ms, asked_wait_ms(last));
    uint64_t until_ns = clock_now_ns() + wait_ms * NS_PER_MS;
    for (uint64_t now; !stopped(stop) && (now = clock_now_ns()) < until_ns;)
        usleep((useconds_t)u64_min((until_ns - now) / 1000 + 1, LOOK_MS * 1000));
    return !stopped(stop);
}

/* -- Looking ----------------------------------------------------------------------------------- */

typedef struct magic {
    char bytes[INPUT_MAGIC_SIZE];
    size_t size;
} magic;

/* More than was asked for ends the transfer. */
static size_t take_magic(char *bytes, size_t size, size_t count, void *arg)
{
    magic *m = arg;
    size_t now = size_min(size * count, sizeof m->bytes - m->size);
    memcpy(m->bytes + m->size, bytes, now);
    m->size += now;
    return now;
}

static void free_url(CURLU **url)
{
    curl_url_cleanup(*url);
}

/* The URL without user and password, which must not get into messages. */
static const char *shown_url(const char *url, arena *a)
{
    CLEANUP(free_url) CURLU *parts = curl_url();
    char *text = NULL;
    const char *shown = NULL;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_set(parts, CURLUPART_USER, NULL, 0) == CURLUE_OK &&
        curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_URL, &text, 0) == CURLUE_OK)
        shown = arena_strdup(a, text);
    curl_free(text);
    return shown;
}

static int ask_once(CURL *easy, const char *name, answer *a, magic *m, const char *detail,
                    bool *ret_again, rdd_error *err)
{
    *a = (answer){ .status = 0 };
    *m = (magic){ .size = 0 };
    CURLcode code = curl_easy_perform(easy);
    if (code == CURLE_WRITE_ERROR && m->size == sizeof m->bytes)
        code = CURLE_OK; /* all of the file was coming */
    *ret_again = code ? !is_final(code) : may_pass(a->status);
    if (code)
        return transfer_error(name, code, detail, err);
    bool empty = a->status == 416 && a->total == 0;
    if (a->status != 200 && a->status != 206 && !empty)
        return status_error(name, a->status, err);
    return 0;
}

static int ask(const char *url, const char *name, answer *a, magic *m, rdd_error *err)
{
    char detail[CURL_ERROR_SIZE] = "";
    http_input_stop never = { NULL, NULL };
    CURL *easy = new_easy(url, a, detail);
    if (!easy)
        return error_set_memory(err, "looking at a file");
    curl_easy_setopt(easy, CURLOPT_RANGE, "0-3");
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_magic);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, m);
    int code, attempts = (int)conf_int("http.attempts_max");
    bool again = true;
    for (int i = 1; (code = ask_once(easy, name, a, m, detail, &again, err)) < 0 && again; i++)
        if (i >= attempts || !back_off(&never, i, a))
            break;
    curl_easy_cleanup(easy);
    return code;
}

int http_input_stat(const char *url, arena *a, input_file *ret, rdd_error *err)
{
    int code = http_curl_init(err);
    const char *name = code == 0 ? shown_url(url, a) : NULL;
    if (code == 0 && !name)
        code = error_set(err, RDD_E_USAGE, "%.200s: cannot be read as a URL", url);
    answer got;
    magic m;
    if (code == 0)
        code = ask(url, name, &got, &m, err);
    if (code < 0)
        return code;
    bool parts = (got.status == 206 && got.has_range && got.range_first == 0 &&
                  got.total != SIZE_UNKNOWN) || got.status == 416;
    uint64_t whole_size = got.status == 206 ? SIZE_UNKNOWN : got.length;
    input_file file = { .path = arena_strdup(a, url),
                        .name = name,
                        .version = arena_strdup(a, version_of(&got)),
                        .size = parts ? got.total : whole_size,
                        .format = input_format_detect(m.bytes, m.size),
                        .place = INPUT_HTTP,
                        .whole = !parts };
    if (!file.path || !file.version)
        return error_set_memory(err, "listing files");
    *ret = file;
    return 0;
}

/* -- Reading ----------------------------------------------------------------------------------- */

static bool is_parts(const http_input *h)
{
    return !h->base.file->whole;
}

static void refuse_changed(http_input *h)
{
    h->refused = true;
    error_set(&h->final_error, RDD_E_INPUT,
              "%s: changed while it was read: it is not what it was when the job began",
              h->base.file->name);
}

/* The first bytes of an answer, or its end: are they those that were asked for? */
static void check_answer(http_input *h)
{
    const answer *a = &h->answer;
    const char *version = h->base.file->version;
    bool fits = is_parts(h) ? a->status == 206 && a->has_range && a->range_first == h->next &&
                                  (a->total == SIZE_UNKNOWN || a->total == h->base.file->size)
                            : a->status == 200;
    if (fits && strcmp(version_of(a), version) == 0)
        h->checked = true;
    else if (a->status == 200 || a->status == 206 || a->status == 412 || a->status == 416)
        refuse_changed(h);
}

static size_t take_body(char *bytes, size_t size, size_t count, void *arg)
{
    http_input *h = arg;
    size_t all = size * count;
    if (!h->checked && !h->refused)
        check_answer(h);
    if (h->refused)
        return 0;
    if (!h->checked)
        return all; /* the text of an error */
    if (h->body.size - h->body_at >= BODY_ENOUGH) {
        h->paused = true;
        return CURL_WRITEFUNC_PAUSE;
    }
    size_t skip = (size_t)u64_min(h->skip, all);
    h->skip -= skip;
    if (is_parts(h) && all - skip > h->base.file->size - h->next) {
        refuse_changed(h);
        return 0;
    }
    buf_append(&h->body, bytes + skip, all - skip);
    h->next += all - skip;
    h->failures = 0;
    return h->body.failed ? 0 : all;
}

static int start(http_input *h, rdd_error *err)
{
    char range[64];
    const char *version = h->base.file->version;
    bool strong = *version && strncmp(version, "W/", 2) != 0;
    h->checked = h->paused = false;
    h->detail[0] = 0;
    h->answer = (answer){ .status = 0 };
    if (is_parts(h)) {
        if (h->wanted <= h->next)
            h->wanted = u64_min(h->base.file->size, h->next + MORE_BEHIND);
        h->asked_end = h->wanted;
        snprintf(range, sizeof range, "%" PRIu64 "-%" PRIu64, h->next, h->asked_end - 1);
        curl_easy_setopt(h->easy, CURLOPT_RANGE, range);
    } else {
        h->skip = h->next; /* it comes from its beginning */
    }
    if (is_parts(h) && strong && !h->headers) {
        char line[VERSION_MAX + 16];
        snprintf(line, sizeof line, "If-Range: %s", version);
        h->headers = curl_slist_append(NULL, line);
        if (!h->headers)
            return error_set_memory(err, "reading a file");
        curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers);
    }
    if (curl_multi_add_handle(h->multi, h->easy) != CURLM_OK)
        return error_set_memory(err, "reading a file");
    h->running = true;
    return 0;
}

/* A transfer is through. 0: go on, perhaps with another one. */
static int end_transfer(http_input *h, CURLcode code, rdd_error *err)
{
    const char *name = h->base.file->name;
    curl_multi_remove_handle(h->multi, h->easy);
    h->running = false;
    if (!code && !h->checked && !h->refused)
        check_answer(h); /* without a body */
    if (h->refused) {
        if (err)
            *err = h->final_error;
        return h->final_error.code;
    }
    if (h->body.failed)
        return error_set_memory(err, "reading a file");
    bool all = !code && h->checked;
    h->at_end = all && !is_parts(h);
    if (all && (!is_parts(h) || h->next >= h->asked_end))
        return 0;
    bool again = code ? !is_final(code) : h->checked || may_pass(h->answer.status);
    if (!is_parts(h) && h->next && !*h->base.file->version)
        again = false; /* nobody knows whether it is the same file */
    if (again && ++h->failures < conf_int("http.attempts_max")) {
        if (back_off(&h->stop, h->failures, &h->answer))
            return 0;
        return error_set(err, RDD_E_CANCELLED, "the task was cancelled");
    }
    if (!code && !h->checked)
        return status_error(name, h->answer.status, err);
    if (!code)
        return error_set(err, RDD_E_IO, "%s: the server sends less than it says", name);
    return transfer_error(name, code, h->detail, err);
}

/* Moves what can move; sleeps when nothing could. */
static int drive(http_input *h, rdd_error *err)
{
    int running, left;
    if (h->paused) {
        h->paused = false;
        curl_easy_pause(h->easy, CURLPAUSE_CONT);
    }
    if (curl_multi_perform(h->multi, &running) != CURLM_OK)
        return error_set_memory(err, "reading a file");
    for (CURLMsg *m; (m = curl_multi_info_read(h->multi, &left));)
        if (m->msg == CURLMSG_DONE)
            return end_transfer(h, m->data.result, err);
    if (h->body.size == h->body_at)
        curl_multi_poll(h->multi, NULL, 0, LOOK_MS, NULL);
    if (stopped(&h->stop))
        return error_set(err, RDD_E_CANCELLED, "the task was cancelled");
    return 0;
}

static ssize_t http_read(input *in, void *data, size_t size, rdd_error *err)
{
    http_input *h = (http_input *)in;
    while (h->body.size == h->body_at) {
        buf_clear(&h->body);
        h->body_at = 0;
        if (h->at_end || (is_parts(h) && h->next >= in->file->size))
            return 0;
        int code = h->running ? drive(h, err) : start(h, err);
        if (code < 0)
            return code;
    }
    size = size_min(size, h->body.size - h->body_at);
    memcpy(data, h->body.data + h->body_at, size);
    h->body_at += size;
    return (ssize_t)size;
}

static void http_close(input *in)
{
    http_input *h = (http_input *)in;
    if (h->running)
        curl_multi_remove_handle(h->multi, h->easy);
    curl_easy_cleanup(h->easy);
    if (h->multi)
        curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->headers);
    buf_release(&h->body);
    free(h);
}

static const struct input_ops HTTP_OPS = { http_read, http_close };

int http_input_open(http_input_stop stop, const input_file *file, uint64_t offset, uint64_t end,
                    input **ret, rdd_error *err)
{
    int code = http_curl_init(err);
    if (code < 0)
        return code;
    http_input *h = calloc(1, sizeof *h);
    if (!h)
        return error_set_memory(err, "opening a file");
    h->base = (input){ &HTTP_OPS, file, offset };
    h->stop = stop;
    h->next = offset;
    h->wanted = file->size;
    if (end < file->size)
        h->wanted = u64_min(file->size, u64_max(end, offset) + BEHIND_END);
    CLEANUP(input_freep) input *in = &h->base;
    h->multi = curl_multi_init();
    h->easy = new_easy(file->path, &h->answer, h->detail);
    if (!h->multi || !h->easy)
        return error_set_memory(err, "opening a file");
    curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h);
    *ret = TAKE(in);
    return 0;
}
