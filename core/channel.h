/* channel.h: one end of a byte channel that speaks frames.
 *
 * Between driver and supervisor, and between supervisor and worker, both ends are one of these. The
 * part that decides appends frames to `control` or `data` and takes frames with channel_next(); the
 * loop around it moves bytes between the channel and a descriptor or an SSH session.
 *
 * What goes out: all of `control` first, then `data` one frame at a time, so that a sign of life
 * never waits for more than one data frame. Order is kept within each of the two, not between them.
 */
#ifndef RDD_CHANNEL_H
#define RDD_CHANNEL_H

#include "message.h"

typedef struct channel {
    frame_reader in;
    buf control, data;
    size_t control_at, data_at; /* what of them was written */
    size_t data_left;           /* of a data frame whose beginning was written */
} channel;

/* `skip_max` as in frame_reader_init(). */
void channel_init(channel *c, size_t skip_max);
void channel_release(channel *c);

/* The next frame that came in: as frame_reader_next(). */
static inline int channel_next(channel *c, frame *ret, rdd_error *err)
{
    return frame_reader_next(&c->in, ret, err);
}

/* The next bytes to write, NULL and 0 when there are none; and how many of them were written. The
 * pointer is valid until the next frame is appended. */
const char *channel_output(const channel *c, size_t *ret_size);
void channel_wrote(channel *c, size_t size);

static inline bool channel_has_output(const channel *c)
{
    return c->control.size > c->control_at || c->data.size > c->data_at;
}

/* Bytes of data frames that wait. */
static inline size_t channel_data_waiting(const channel *c)
{
    return c->data.size - c->data_at;
}

/* Out of memory, or past a limit: frames are missing, so the channel is of no use any more. */
static inline bool channel_failed(const channel *c)
{
    return c->in.failed || c->control.failed || c->data.failed;
}

/* -- Over a descriptor that does not block ----------------------------------------------------- */

typedef enum channel_io {
    CHANNEL_MOVED,   /* bytes went through */
    CHANNEL_WAITING, /* nothing to read, or no room to write: poll */
    CHANNEL_ENDED,   /* the other side closed, or an error */
} channel_io;

/* One read of what is there. */
channel_io channel_read(channel *c, int fd);
/* Writes as much as goes. CHANNEL_MOVED: everything was written. Raises no SIGPIPE on a socket. */
channel_io channel_write(channel *c, int fd);

#endif
