#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

static void error_init(rdd_error *err, rdd_code code)
{
    *err = (rdd_error){ .code = code, .job = -1, .stage = -1, .partition = -1, .attempt = -1 };
}

/* Names and data in a message are from outside; it stays one line, and a terminal stays as it is. */
static void make_one_line(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            *text = '?';
}

int error_set(rdd_error *err, rdd_code code, const char *format, ...)
{
    if (!err)
        return code;
    char message[sizeof err->message]; /* the arguments may point into the old message */
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_init(err, code);
    make_one_line(message);
    memcpy(err->message, message, sizeof message);
    return code;
}

int error_set_errno(rdd_error *err, rdd_code code, int os_errno, const char *format, ...)
{
    if (!err)
        return code;
    char message[sizeof err->message];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error_init(err, code);
    make_one_line(message);
    memcpy(err->message, message, sizeof message);
    err->os_errno = os_errno;
    if (size >= 0 && (size_t)size < sizeof message) {
        char reason[128];
        snprintf(err->message + size, sizeof err->message - (size_t)size, ": %s",
                 strerror_r(os_errno, reason, sizeof reason));
    }
    return code;
}

int error_set_memory(rdd_error *err, const char *what)
{
    return error_set(err, RDD_E_MEMORY, "out of memory while %s", what);
}

void error_prefix(rdd_error *err, const char *format, ...)
{
    if (!err)
        return;
    char joined[sizeof err->message];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(joined, sizeof joined, format, args);
    va_end(args);
    if (size < 0 || (size_t)size >= sizeof joined)
        return;
    size_t at = (size_t)size;
    size_t keep = size_min(strlen(err->message), sizeof joined - at - 1);
    memcpy(joined + at, err->message, keep);
    joined[at + keep] = 0;
    make_one_line(joined);
    memcpy(err->message, joined, sizeof joined);
}

const char *code_name(rdd_code code)
{
    switch (code) {
    case RDD_OK: return "ok";
    case RDD_E_USAGE: return "usage";
    case RDD_E_TYPE: return "type";
    case RDD_E_INPUT: return "input";
    case RDD_E_IO: return "io";
    case RDD_E_EXISTS: return "exists";
    case RDD_E_MEMORY: return "memory";
    case RDD_E_LIMIT: return "limit";
    case RDD_E_USER: return "user";
    case RDD_E_CRASH: return "crash";
    case RDD_E_LOST: return "lost";
    case RDD_E_HTTP: return "http";
    case RDD_E_CANCELLED: return "cancelled";
    case RDD_E_PROTOCOL: return "protocol";
    }
    return "unknown";
}

void error_encode(buf *b, const rdd_error *err)
{
    buf_u32(b, (uint32_t)err->code);
    buf_u32(b, (uint32_t)err->os_errno);
    buf_u64(b, (uint64_t)err->job);
    buf_u64(b, (uint64_t)err->stage);
    buf_u64(b, (uint64_t)err->partition);
    buf_u64(b, (uint64_t)err->attempt);
    buf_sized(b, err->node, strnlen(err->node, sizeof err->node));
    buf_sized(b, err->message, strnlen(err->message, sizeof err->message));
}

/* A string of the wire into a fixed array: cut, terminated. */
static void read_text(reader *r, char *text, size_t capacity)
{
    size_t size;
    const char *data = reader_sized(r, &size);
    size = size_min(size, capacity - 1);
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    make_one_line(text);
}

int error_decode(reader *r, rdd_error *err)
{
    int32_t code = (int32_t)reader_u32(r);
    error_init(err, code < 0 && code >= RDD_E_PROTOCOL ? (rdd_code)code : RDD_E_PROTOCOL);
    err->os_errno = (int)reader_u32(r);
    err->job = (int64_t)reader_u64(r);
    err->stage = (int64_t)reader_u64(r);
    err->partition = (int64_t)reader_u64(r);
    err->attempt = (int64_t)reader_u64(r);
    read_text(r, err->node, sizeof err->node);
    read_text(r, err->message, sizeof err->message);
    if (r->failed)
        return error_set(err, RDD_E_PROTOCOL, "a malformed error came over the wire");
    return 0;
}
