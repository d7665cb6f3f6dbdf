#include "http_text.h"

#include "http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/* -- URLs -------------------------------------------------------------------------------------- */

static size_t scheme_size(rdd_str url)
{
    if (url.size >= 7 && !strncasecmp(url.data, "http://", 7))
        return 7;
    if (url.size >= 8 && !strncasecmp(url.data, "https://", 8))
        return 8;
    return 0;
}

static bool ends_host(char c)
{
    return c == '/' || c == '?' || c == '#' || c == '\\' || !c;
}

/* Where the host ends that begins at `at`. */
static size_t host_end(rdd_str url, size_t at)
{
    while (at < url.size && !ends_host(url.data[at]))
        at++;
    return at;
}

/* Where it begins, behind a user name. */
static size_t host_begin(rdd_str url)
{
    size_t at = scheme_size(url), end = host_end(url, at);
    const char *user = memrchr(url.data + at, '@', end - at);
    return user ? (size_t)(user - url.data) + 1 : at;
}

const char *http_url_problem(rdd_str url)
{
    if (!url.data || !url.size)
        return "the URL is empty";
    if (url.size > HTTP_URL_MAX)
        return "the URL is longer than 1 MiB";
    if (!scheme_size(url))
        return "the URL does not begin with http:// or https://";
    for (size_t i = 0; i < url.size; i++) {
        unsigned char c = (unsigned char)url.data[i];
        if (c == ' ')
            return "the URL has a blank in it (percent-encode it as %20)";
        if (c < 0x20 || c == 0x7f)
            return "the URL has a control character in it";
    }
    size_t host = host_begin(url), end = host_end(url, host);
    if (host == end)
        return "the URL has no host";
    if (end - host > HTTP_HOST_MAX - sizeof "https://")
        return "the URL's host is too long";
    return NULL;
}

void http_origin_of(rdd_str url, http_origin *ret)
{
    size_t host = host_begin(url), end = host_end(url, host), size = scheme_size(url);
    for (size_t i = 0; i < size; i++)
        ret->text[i] = (char)(url.data[i] | 0x20); /* ':' and '/' have that bit */
    ret->host = ret->text + size;
    for (size_t i = host; i < end; i++) {
        char c = url.data[i];
        ret->text[size++] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    ret->text[size] = 0;
    ret->size = size;
}

static bool is_unreserved(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '-' || c == '.' || c == '_' || c == '~';
}

rdd_str http_url_encode(rdd_str text, arena *memory)
{
    size_t more = 0;
    for (size_t i = 0; i < text.size; i++)
        more += is_unreserved((unsigned char)text.data[i]) ? 0 : 2;
    if (!more)
        return text.data ? text : RDD_STR("");
    char *to = arena_alloc(memory, text.size + more), *at = to;
    if (!to)
        return (rdd_str){ 0 };
    for (size_t i = 0; i < text.size; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (is_unreserved(c)) {
            *at++ = (char)c;
        } else {
            *at++ = '%';
            *at++ = "0123456789ABCDEF"[c >> 4];
            *at++ = "0123456789ABCDEF"[c & 15];
        }
    }
    return (rdd_str){ text.size + more, to };
}

/* -- Requests ---------------------------------------------------------------------------------- */

/* The characters of names in HTTP (RFC 9110, token). */
static bool is_token(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_size(rdd_str text)
{
    size_t size = 0;
    while (size < text.size && is_token((unsigned char)text.data[size]))
        size++;
    return size;
}

const char *http_value_problem(rdd_str value)
{
    for (size_t i = 0; i < value.size; i++) {
        unsigned char c = (unsigned char)value.data[i];
        if (c == '\r' || c == '\n')
            return "has a line break in it";
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return "has a control character in it";
    }
    return NULL;
}

static bool is_name(rdd_str line, size_t size, const char *name)
{
    return strlen(name) == size && !strncasecmp(line.data, name, size);
}

const char *http_header_problem(rdd_str line)
{
    size_t name = token_size(line);
    const char *problem = http_value_problem(line);
    if (problem)
        return problem;
    if (!name || name == line.size || line.data[name] != ':')
        return "is not of the form \"Name: value\"";
    if (is_name(line, name, "Content-Length") || is_name(line, name, "Transfer-Encoding"))
        return "is set from the body and cannot be given";
    return NULL;
}

bool http_header_read(rdd_str line, const char *name, char *ret, size_t capacity)
{
    size_t at = strlen(name), end = line.size;
    if (end <= at || line.data[at] != ':' || strncasecmp(line.data, name, at) != 0)
        return false;
    for (at++; at < end && (line.data[at] == ' ' || line.data[at] == '\t');)
        at++;
    while (end > at && (unsigned char)line.data[end - 1] <= ' ')
        end--;
    size_t size = end - at < capacity ? end - at : 0;
    memcpy(ret, line.data + at, size);
    ret[size] = 0;
    return true;
}

bool http_method_read(rdd_str method, char ret[HTTP_METHOD_MAX + 1])
{
    if (!method.size)
        method = RDD_STR("GET");
    if (method.size > HTTP_METHOD_MAX || token_size(method) != method.size)
        return false;
    for (size_t i = 0; i < method.size; i++) {
        char c = method.data[i];
        ret[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    ret[method.size] = 0;
    return true;
}

bool http_method_repeatable(const char *method)
{
    static const char *const names[] = { "GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE" };
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (!strcmp(method, names[i]))
            return true;
    return false;
}

/* -- Answers ----------------------------------------------------------------------------------- */

static int month_of(const char *name)
{
    static const char names[12][4] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    for (int i = 0; i < 12; i++)
        if (!strcasecmp(name, names[i]))
            return i;
    return -1;
}

typedef struct http_date {
    int year, day, hour, minute, second;
    char month[4];
} http_date;

/* Sun, 06 Nov 1994 08:49:37 GMT */
static bool scan_date(const char *text, http_date *d)
{
    int end = 0;
    return sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &d->day, d->month,
                  &d->year, &d->hour, &d->minute, &d->second, &end) == 6 && end && !text[end];
}

/* Sunday, 06-Nov-94 08:49:37 GMT */
static bool scan_old_date(const char *text, http_date *d)
{
    int end = 0;
    bool read = sscanf(text, "%*9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", &d->day, d->month,
                       &d->year, &d->hour, &d->minute, &d->second, &end) == 6;
    d->year += d->year < 70 ? 2000 : 1900;
    return read && end && !text[end];
}

/* Sun Nov  6 08:49:37 1994 */
static bool scan_c_date(const char *text, http_date *d)
{
    int end = 0;
    return sscanf(text, "%*3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", d->month, &d->day, &d->hour,
                  &d->minute, &d->second, &d->year, &end) == 6 && end && !text[end];
}

bool http_date_read(rdd_str text, int64_t *ret)
{
    char copy[64];
    if (text.size >= sizeof copy || !text.size)
        return false;
    memcpy(copy, text.data, text.size);
    copy[text.size] = 0;
    http_date d = { 0 };
    if (!scan_date(copy, &d) && !scan_old_date(copy, &d) && !scan_c_date(copy, &d))
        return false;
    struct tm when = { .tm_year = d.year - 1900, .tm_mon = month_of(d.month), .tm_mday = d.day,
                       .tm_hour = d.hour, .tm_min = d.minute, .tm_sec = d.second };
    if (when.tm_mon < 0 || d.day < 1 || d.day > 31 || d.hour < 0 || d.hour > 23 || d.minute < 0 ||
        d.minute > 59 || d.second < 0 || d.second > 60 || d.year < 1900)
        return false;
    *ret = timegm(&when);
    return true;
}

/* "120", also "120.5", which some servers send; rounded up, cut to `max`. */
static bool scan_seconds(rdd_str text, int64_t max, int64_t *ret)
{
    int64_t seconds = 0;
    size_t i = 0;
    for (; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++)
        if (seconds <= max)
            seconds = seconds * 10 + (text.data[i] - '0');
    if (!i)
        return false;
    if (i < text.size && text.data[i] == '.') {
        seconds++;
        for (i++; i < text.size && text.data[i] >= '0' && text.data[i] <= '9'; i++)
            ;
    }
    *ret = seconds < max ? seconds : max;
    return i == text.size;
}

int64_t http_retry_after_ms(rdd_str value, rdd_str date, int64_t now_s, int64_t max_ms)
{
    int64_t until, from, max_s = max_ms / 1000 + 1, seconds;
    if (http_date_read(value, &until)) {
        if (!http_date_read(date, &from))
            from = now_s;
        seconds = until < from ? 0 : until - from < max_s ? until - from : max_s;
    } else if (!scan_seconds(value, max_s, &seconds)) {
        return -1;
    }
    return seconds * 1000 < max_ms ? seconds * 1000 : max_ms;
}

const char *http_status_name(int status)
{
    switch (status) {
    case 300: return "Multiple Choices";
    case 301: return "Moved Permanently";
    case 302: return "Found";
    case 303: return "See Other";
    case 304: return "Not Modified";
    case 307: return "Temporary Redirect";
    case 308: return "Permanent Redirect";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 402: return "Payment Required";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 406: return "Not Acceptable";
    case 407: return "Proxy Authentication Required";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 414: return "URI Too Long";
    case 415: return "Unsupported Media Type";
    case 418: return "I'm a teapot";
    case 421: return "Misdirected Request";
    case 422: return "Unprocessable Content";
    case 423: return "Locked";
    case 425: return "Too Early";
    case 426: return "Upgrade Required";
    case 428: return "Precondition Required";
    case 429: return "Too Many Requests";
    case 431: return "Request Header Fields Too Large";
    case 451: return "Unavailable For Legal Reasons";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "";
    }
}
