#include "channel.h"

#include <errno.h>
#include <sys/socket.h>

enum {
    /* Far past what the protocol's own limits let gather; reached, the peer has stopped reading. */
    CONTROL_WAITING_MAX = 256 << 20,
    DATA_WAITING_MAX = 256 << 20,
    KEEP_MAX = 1 << 20, /* memory that an empty queue keeps */
};

void channel_init(channel *c, size_t skip_max)
{
    *c = (channel){ .control.max = CONTROL_WAITING_MAX, .data.max = DATA_WAITING_MAX };
    frame_reader_init(&c->in, skip_max);
}

void channel_release(channel *c)
{
    frame_reader_release(&c->in);
    buf_release(&c->control);
    buf_release(&c->data);
    c->control_at = c->data_at = c->data_left = 0;
}

const char *channel_output(const channel *c, size_t *ret_size)
{
    *ret_size = 0;
    if (c->data_left) {
        *ret_size = c->data_left;
        return c->data.data + c->data_at;
    }
    if (c->control.size > c->control_at) {
        *ret_size = c->control.size - c->control_at;
        return c->control.data + c->control_at;
    }
    if (c->data.size > c->data_at) {
        const char *at = c->data.data + c->data_at;
        *ret_size = frame_whole_size(at);
        return at;
    }
    return NULL;
}

/* Drops what was written once it is everything, or the larger part of much. */
static void drop_written(buf *b, size_t *at)
{
    if (*at == b->size) {
        if (b->capacity > KEEP_MAX && !b->failed)
            buf_release(b);
        b->size = *at = 0;
    } else if (*at > KEEP_MAX && *at > b->size / 2) {
        memmove(b->data, b->data + *at, b->size - *at);
        b->size -= *at;
        *at = 0;
    }
}

void channel_wrote(channel *c, size_t size)
{
    if (!size)
        return;
    if (c->data_left || c->control.size == c->control_at) {
        if (!c->data_left)
            c->data_left = frame_whole_size(c->data.data + c->data_at);
        ASSERT(size <= c->data_left);
        c->data_left -= size;
        c->data_at += size;
        if (!c->data_left)
            drop_written(&c->data, &c->data_at);
    } else {
        ASSERT(size <= c->control.size - c->control_at);
        c->control_at += size;
        drop_written(&c->control, &c->control_at);
    }
}

channel_io channel_read(channel *c, int fd)
{
    size_t room;
    void *to = frame_reader_room(&c->in, &room);
    if (!to)
        return CHANNEL_ENDED;
    ssize_t size;
    do
        size = read(fd, to, room);
    while (size < 0 && errno == EINTR);
    if (size > 0)
        frame_reader_filled(&c->in, (size_t)size);
    if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return CHANNEL_WAITING;
    return size > 0 ? CHANNEL_MOVED : CHANNEL_ENDED;
}

/* An executor's channel over SSH may be a pipe; there the supervisor ignores SIGPIPE. */
static ssize_t write_some(int fd, const char *bytes, size_t size)
{
    ssize_t written = send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0 && errno == ENOTSOCK)
        written = write(fd, bytes, size);
    return written;
}

channel_io channel_write(channel *c, int fd)
{
    size_t size;
    const char *bytes;
    while ((bytes = channel_output(c, &size))) {
        ssize_t written = write_some(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return errno == EAGAIN || errno == EWOULDBLOCK ? CHANNEL_WAITING : CHANNEL_ENDED;
        channel_wrote(c, (size_t)written);
    }
    return CHANNEL_MOVED;
}
