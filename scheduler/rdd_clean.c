/* rdd_clean.c: `rdd hosts clean`: removes what deploying has left on nodes (deploy.h), but for what
 * a running executor uses, whoever's driver started it.
 */
#include "rdd_tool.h"

#include "clock.h"
#include "deploy.h"
#include "place_ssh.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

enum {
    START_TIMEOUT_S = 60,    /* to be connected, and all that comes before the command */
    CLEAN_TIMEOUT_S = 300,   /* for the command: a slow disk has much to remove */
    END_WAIT_MS = 2000,
    OUTPUT_MAX = 64 << 10,
};

typedef struct cleaning {
    const host *h;
    char label[600];
    arena memory;
    buf out, said;
    int code;
    rdd_error err;
} cleaning;

typedef struct cleaner {
    cleaning *cleanings;
    size_t failures;
} cleaner;

/* -- One node ---------------------------------------------------------------------------------- */

/* What there is of a stream; more than anybody wants to read is dropped. */
static ssize_t read_stream(transport *t, ssize_t (*read_it)(transport *, void *, size_t), buf *b)
{
    char text[4096];
    ssize_t got;
    while ((got = read_it(t, text, sizeof text)) > 0)
        if (b->size < OUTPUT_MAX)
            buf_append(b, text, (size_t)got);
    return got;
}

/* Until the command's output ends. False when that takes too long. */
static bool read_output(transport *t, cleaning *c)
{
    uint64_t deadline = clock_now_ns() + CLEAN_TIMEOUT_S * NS_PER_S;
    for (;;) {
        ssize_t got = read_stream(t, t->ops->read, &c->out);
        read_stream(t, t->ops->read_errors, &c->said);
        uint64_t now_ns = clock_now_ns();
        if (got != -EAGAIN || now_ns >= deadline)
            return got != -EAGAIN;
        struct pollfd fds[TRANSPORT_POLL_MAX];
        size_t count = t->ops->poll(t, fds, false);
        if (count)
            poll(fds, count, clock_poll_ms(now_ns, deadline));
    }
}

static void first_words(buf *said, char *text, size_t size)
{
    const char *all = buf_terminate(said);
    int length = all ? (int)size_min(strcspn(all, "\r\n"), 200) : 0;
    snprintf(text, size, length ? "; it said \"%.*s\"" : "%.*s", length, all ? all : "");
}

static int clean_node(cleaning *c, rdd_error *err)
{
    ssh_target target;
    transport *t;
    char how[160], said[256];
    int code = ssh_target_resolve(c->h, &c->memory, &target, err);
    if (code < 0)
        return code;
    transport_options options = { .cancel_fd = -1,
                                  .deadline_ns = clock_now_ns() + START_TIMEOUT_S * NS_PER_S };
    code = transport_open(&t, place_ssh_transport(), &target, deploy_clean_command(), &options,
                          NULL, err);
    if (code < 0)
        return code;
    bool in_time = read_output(t, c);
    t->ops->end(t, in_time ? END_WAIT_MS * NS_PER_MS : 0, how, sizeof how);
    if (in_time && strstr(how, "status 0"))
        return 0;
    first_words(&c->said, said, sizeof said);
    return error_set(err, RDD_E_IO, "%.600s: cleaning: the command %s%s; is there a /bin/sh?",
                     c->label, how, said);
}

static void clean_one(void *arg, size_t index)
{
    cleaner *k = arg;
    cleaning *c = &k->cleanings[index];
    c->code = c->h->local ? 0 : clean_node(c, &c->err);
}

/* -- What came of it --------------------------------------------------------------------------- */

/* Lines that name a directory; what a login shell prints is none of ours. */
static size_t print_lines(const cleaning *c)
{
    size_t printed = 0;
    const char *at = c->out.data, *end = at ? at + c->out.size : at;
    while (at < end) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        if (*at == '/') {
            rdd_error line; /* makes one line of it that no terminal minds */
            error_set(&line, RDD_E_IO, "%.600s: %.*s", c->label, (int)(stop - at), at);
            puts(line.message);
            printed++;
        }
        at = stop + 1;
    }
    return printed;
}

static void print_result(void *arg, size_t index)
{
    cleaner *k = arg;
    cleaning *c = &k->cleanings[index];
    if (c->code < 0) {
        bool named = !strncmp(c->err.message, c->label, strlen(c->label));
        printf("%s%s%s\n", named ? "" : c->label, named ? "" : ": ", c->err.message);
        k->failures++;
    } else if (!print_lines(c)) {
        printf("%s: nothing to clean\n", c->label);
    }
    fflush(stdout);
    arena_release(&c->memory);
    buf_release(&c->out);
    buf_release(&c->said);
}

int tool_clean(rdd_context *ctx UNUSED, const host_list *hosts, rdd_error *err)
{
    CLEANUP(freep) cleaning *cleanings = calloc(hosts->count, sizeof *cleanings);
    cleaner k = { .cleanings = cleanings };
    if (!cleanings)
        return error_set_memory(err, "cleaning hosts");
    for (size_t i = 0; i < hosts->count; i++) {
        cleanings[i].h = &hosts->items[i];
        host_describe(cleanings[i].h, cleanings[i].label, sizeof cleanings[i].label);
    }
    tool_each each = { .count = hosts->count, .work = clean_one, .done = print_result, .arg = &k };
    int code = tool_each_run(&each, err);
    return code < 0 ? code : k.failures > 0;
}
