/* executor_link.h: how an executor is started somewhere and spoken to.
 *
 * A place is somewhere executors can be started: this machine (place_process.c), a node over SSH
 * (place_ssh.c). A link is one executor that was started there: bytes to and from it, and its end.
 * backend_executors.c has a thread for each place, which alone uses the place and its links; they
 * own no thread.
 */
#ifndef RDD_EXECUTOR_LINK_H
#define RDD_EXECUTOR_LINK_H

#include "channel.h"
#include "error.h"

#include <poll.h>

enum { LINK_POLL_MAX = 3 };

typedef struct executor_link executor_link;

typedef struct executor_link_ops {
    /* Moves bytes as channel_read() and channel_write() do. Read until CHANNEL_WAITING before
     * polling: a session may hold bytes that no descriptor shows. */
    channel_io (*read)(executor_link *l, channel *c);
    channel_io (*write)(executor_link *l, channel *c);
    /* Fills at most LINK_POLL_MAX, returns how many; 0: do not wait, there is something to read. */
    size_t (*poll)(executor_link *l, struct pollfd *fds, bool want_write);
    /* What came on its stderr, of which a part is taken; 0 when there is nothing. NULL: it has none
     * of its own. */
    size_t (*errors)(executor_link *l, char *text, size_t size);
    /* Its process here; 0 when that is elsewhere. */
    pid_t (*pid)(const executor_link *l);
    /* Closes the channel, gives the executor `patience_ns` to end by itself, then ends it. Says how
     * that went ("its process exited with status 0"), and frees l. */
    void (*end)(executor_link *l, uint64_t patience_ns, char *text, size_t size);
} executor_link_ops;

struct executor_link {
    const executor_link_ops *ops;
};

typedef struct place place;

/* A start that failed for good: another would fail in the same way. */
typedef enum start_failure { START_AGAIN, START_NEVER } start_failure;

typedef struct place_ops {
    /* Blocks until an executor runs that reads its channel, or `cancel_fd` is readable. */
    int (*start)(place *p, int cancel_fd, executor_link **ret, start_failure *ret_failure,
                 rdd_error *err);
    /* The executor that was started last is another program than the driver, or ended before it said who it
     * is (`mute`). True: the next start can do better. NULL: never. */
    bool (*stale)(place *p, bool mute);
    void (*free)(place *p);
} place_ops;

struct place {
    const place_ops *ops;
    char name[64];     /* "executor 0", "n1": for messages and before lines */
    uint32_t slots;    /* 0: as many as the executor says it has processors */
    bool remote;       /* shares no files with the driver */
    /* Told in start(), once for each thing that it waits for and that takes long. May be NULL. */
    void (*waits)(void *arg, const rdd_error *why);
    void *waits_arg;
    uint32_t restarts_max; /* in a row without an outcome in between; UINT32_MAX: for ever */
};

/* Whether another start can do better than the last one, which was stale or mute, or neither. */
static inline bool place_can_do_better(place *p, bool stale, bool mute)
{
    return (stale || mute) && p->ops->stale && p->ops->stale(p, mute);
}

int place_process_new(place **ret, uint32_t number, uint32_t slots, rdd_error *err);

#endif
