/* place_process.c: executors as child processes of the driver. See executor_link.h. */
#include "conf.h"
#include "executor_link.h"
#include "executor_spawn.h"

#include <stdio.h>

enum { RESTARTS_MAX = 5 };

typedef struct process_link {
    executor_link base;
    executor_child child;
} process_link;

static process_link *of(executor_link *l)
{
    return (process_link *)l;
}

static channel_io process_read(executor_link *l, channel *c)
{
    return channel_read(c, of(l)->child.in_fd);
}

static channel_io process_write(executor_link *l, channel *c)
{
    return channel_write(c, of(l)->child.out_fd);
}

static size_t process_poll(executor_link *l, struct pollfd *fds, bool want_write)
{
    fds[0] = (struct pollfd){ .fd = of(l)->child.in_fd, .events = POLLIN };
    if (!want_write)
        return 1;
    fds[1] = (struct pollfd){ .fd = of(l)->child.out_fd, .events = POLLOUT };
    return 2;
}

static pid_t process_pid(const executor_link *l)
{
    return ((const process_link *)l)->child.pid;
}

static void process_end(executor_link *l, uint64_t patience_ns, char *text, size_t size)
{
    executor_end(&of(l)->child, patience_ns, text, size);
    free(l);
}

static int process_start(place *p UNUSED, int cancel_fd UNUSED, executor_link **ret,
                         start_failure *ret_failure, rdd_error *err)
{
    static const executor_link_ops ops = {
        .read = process_read,
        .write = process_write,
        .poll = process_poll,
        .pid = process_pid,
        .end = process_end,
    };
    *ret_failure = START_AGAIN;
    process_link *l = calloc(1, sizeof *l);
    if (!l)
        return error_set_memory(err, "starting an executor");
    l->base.ops = &ops;
    int code = executor_spawn(&l->child, err);
    if (code < 0) {
        free(l);
        return code;
    }
    *ret = &l->base;
    return 0;
}

static void process_free(place *p)
{
    free(p);
}

int place_process_new(place **ret, uint32_t number, uint32_t slots, rdd_error *err)
{
    static const place_ops ops = { .start = process_start, .free = process_free };
    place *p = calloc(1, sizeof *p);
    if (!p)
        return error_set_memory(err, "preparing executors");
    p->ops = &ops;
    p->slots = slots;
    p->remote = conf_bool("debug.remote_files");
    p->restarts_max = RESTARTS_MAX;
    snprintf(p->name, sizeof p->name, "executor %u", number);
    *ret = p;
    return 0;
}
