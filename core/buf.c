#include "buf.h"

#include <endian.h>
#include <stdarg.h>
#include <stdio.h>

void *buf_reserve(buf *b, size_t more)
{
    if (b->failed)
        return NULL;
    if (b->data && more <= b->capacity - b->size)
        return b->data + b->size;
    size_t max = b->max ? b->max : SIZE_MAX / 2;
    if (more > max - size_min(b->size, max)) {
        b->failed = true;
        return NULL;
    }
    size_t capacity = size_min(size_max(size_max(b->capacity * 2, b->size + more), 64), max);
    char *data = realloc(b->data, capacity);
    if (!data) {
        b->failed = true;
        return NULL;
    }
    b->data = data;
    b->capacity = capacity;
    return data + b->size;
}

void buf_text(buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_format(buf *b, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0)
        b->failed = true;
    else if (buf_reserve(b, (size_t)size + 1)) {
        vsnprintf(b->data + b->size, (size_t)size + 1, format, again);
        b->size += (size_t)size;
    }
    va_end(again);
}

void buf_u8(buf *b, uint8_t v)
{
    buf_append(b, &v, sizeof v);
}

void buf_u32(buf *b, uint32_t v)
{
    v = htole32(v);
    buf_append(b, &v, sizeof v);
}

void buf_u64(buf *b, uint64_t v)
{
    v = htole64(v);
    buf_append(b, &v, sizeof v);
}

void buf_sized(buf *b, const void *data, size_t size)
{
    if (size > UINT32_MAX) {
        b->failed = true;
        return;
    }
    buf_u32(b, (uint32_t)size);
    buf_append(b, data, size);
}

char *buf_terminate(buf *b)
{
    if (!buf_reserve(b, 1))
        return NULL;
    b->data[b->size] = 0;
    return b->data;
}

char *buf_take(buf *b, size_t *ret_size)
{
    char *data = b->data;
    if (ret_size)
        *ret_size = b->size;
    *b = (buf){ .max = b->max };
    return data;
}

void buf_clear(buf *b)
{
    b->size = 0;
    b->failed = false;
}

void buf_release(buf *b)
{
    free(b->data);
    *b = (buf){ .max = b->max };
}

const void *reader_bytes(reader *r, size_t size)
{
    if (r->failed || size > reader_left(r)) {
        r->failed = true;
        return NULL;
    }
    const void *data = r->at;
    r->at += size;
    return data;
}

uint8_t reader_u8(reader *r)
{
    const uint8_t *data = reader_bytes(r, 1);
    return data ? *data : 0;
}

uint32_t reader_u32(reader *r)
{
    uint32_t v = 0;
    const void *data = reader_bytes(r, sizeof v);
    if (data)
        memcpy(&v, data, sizeof v);
    return le32toh(v);
}

uint64_t reader_u64(reader *r)
{
    uint64_t v = 0;
    const void *data = reader_bytes(r, sizeof v);
    if (data)
        memcpy(&v, data, sizeof v);
    return le64toh(v);
}

const void *reader_sized(reader *r, size_t *ret_size)
{
    size_t size = reader_u32(r);
    const void *data = reader_bytes(r, size);
    *ret_size = data ? size : 0;
    return data;
}
