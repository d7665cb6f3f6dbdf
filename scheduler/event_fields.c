#include "event_fields.h"

#include "clock.h"
#include "conf.h"
#include "secrets.h"
#include "text.h"

#include <errno.h>
#include <fcntl.h>

char *field_put_ms(char *at, uint64_t ns)
{
    at = text_put_u64(at, ns / NS_PER_MS);
    *at++ = '.';
    return text_put_digits(at, (uint32_t)(ns % NS_PER_MS), 6);
}

void field_name(buf *out, const char *name)
{
    buf_text(out, ",\"");
    buf_text(out, name);
    buf_text(out, "\":");
}

void field_element(buf *out, uint64_t value)
{
    char digits[TEXT_U64_MAX];
    buf_append(out, digits, (size_t)(text_put_u64(digits, value) - digits));
}

void field_u64(buf *out, const char *name, uint64_t value)
{
    field_name(out, name);
    field_element(out, value);
}

void field_ms(buf *out, const char *name, uint64_t ns)
{
    char digits[FIELD_MS_MAX];
    field_name(out, name);
    buf_append(out, digits, (size_t)(field_put_ms(digits, ns) - digits));
}

void field_text(buf *out, const char *name, const char *text)
{
    field_name(out, name);
    text_json(out, text, strlen(text));
}

void field_place(buf *out, const rdd_error *err)
{
    if (err->job >= 0)
        field_u64(out, "job", (uint64_t)err->job);
    if (err->stage >= 0)
        field_u64(out, "stage", (uint64_t)err->stage);
    if (err->partition >= 0)
        field_u64(out, "partition", (uint64_t)err->partition);
    if (err->attempt >= 0)
        field_u64(out, "attempt", (uint64_t)err->attempt);
    if (err->node[0])
        field_text(out, "node", err->node);
}

void field_error(buf *out, const rdd_error *err)
{
    field_name(out, "error");
    buf_text(out, "{\"code\":\"");
    buf_text(out, code_name(err->code));
    buf_char(out, '"');
    field_text(out, "message", err->message);
    if (err->os_errno > 0)
        field_u64(out, "os_errno", (uint64_t)err->os_errno);
    field_place(out, err);
    buf_char(out, '}');
}

void field_time(buf *out, uint64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / NS_PER_S);
    struct tm utc;
    char text[64];
    if (!gmtime_r(&seconds, &utc))
        return;
    size_t size = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S.", &utc);
    char *at = text_put_digits(text + size, (uint32_t)(wall_ns % NS_PER_S / NS_PER_MS), 3);
    *at++ = 'Z';
    field_name(out, "time");
    text_json(out, text, (size_t)(at - text));
}

void field_conf(buf *out)
{
    size_t count;
    const conf_key *keys = conf_table(&count);
    bool first = true;
    field_name(out, "conf");
    buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        const char *value = conf_text(keys[i].name);
        if (!strcmp(value, keys[i].initial))
            continue;
        if (!first)
            buf_char(out, ',');
        first = false;
        text_json(out, keys[i].name, strlen(keys[i].name));
        buf_char(out, ':');
        text_json(out, value, strlen(value));
    }
    buf_char(out, '}');
}

/* Words of this process, or as many as can be had. */
static void read_command_line(buf *words)
{
    CLEANUP(closep) int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t got = 1;
    while (fd >= 0 && got > 0 && buf_reserve(words, KIB(4))) {
        got = read(fd, words->data + words->size, KIB(4));
        if (got > 0)
            words->size += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
}

void field_argv(buf *out, const char *words, size_t size)
{
    CLEANUP(buf_release) buf own = { .max = MIB(8) }; /* the kernel's own limit is less */
    CLEANUP(buf_release) buf masked = { 0 };
    if (!size) {
        read_command_line(&own);
        words = own.data;
        size = own.size;
    }
    bool secret = false;
    field_name(out, "argv");
    buf_char(out, '[');
    for (size_t at = 0; at < size;) {
        size_t length = strnlen(words + at, size - at);
        buf_clear(&masked);
        if (secret)
            buf_text(&masked, "***");
        secret = !secret && secrets_mask(&masked, words + at, length);
        if (at)
            buf_char(out, ',');
        text_json(out, masked.data, masked.size);
        at += length + 1;
    }
    buf_char(out, ']');
    out->failed |= masked.failed;
}
