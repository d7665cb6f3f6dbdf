/* rdd_check.c: `rdd hosts check`: walks the steps from a name to an executor that answers, for all
 * hosts side by side, by starting this very program there as a job would.
 */
#include "rdd_tool.h"

#include "clock.h"
#include "conf.h"
#include "connection.h"
#include "place_ssh.h"
#include "registry.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum {
    STEP_START = PLACE_PROGRAM,  /* the program is sent, started, and has answered */
    STEPS = STEP_START + 1,
    COLUMN = 10,                 /* how wide a step's is */
    ANSWER_TIMEOUT_S = 30,
    BYE_WAIT_MS = 3000,
    LABEL_MAX = 600,
};

/* What is known of one host. */
typedef struct probe {
    const host *h;
    char label[LABEL_MAX];
    place *place;
    unsigned steps;              /* done so far */
    uint64_t took_ns[STEPS];
    uint64_t program_ns;         /* when it was told to start */
    hello node;
    char clock[256];             /* what is wrong with its clock, if anything */
    int code;
    rdd_error err;
} probe;

typedef struct checker {
    probe *probes;
    size_t count, width;
    size_t failures;
    ssh_fleet *fleet;
    bool verbose;
} checker;

/* -- One host ---------------------------------------------------------------------------------- */

static void step_done(void *arg, unsigned step, uint64_t took_ns)
{
    probe *p = arg;
    if (step >= STEPS)
        return;
    p->took_ns[step] = took_ns;
    p->steps = step == PLACE_PROGRAM ? STEP_START : step + 1;
    p->program_ns = clock_now_ns();
}

static int connect_to(const probe *p, connection **ret, rdd_error *err)
{
    connection_options options = {
        .name = p->label,
        .setup = { .incarnation = 1, .slots = 1 },
        .digest = registry_digest(),
        .build_id = registry_build_id(),
        .heartbeat_ns = (uint64_t)conf_int("executor.heartbeat") * NS_PER_MS,
        .timeout_ns = (uint64_t)conf_int("executor.timeout") * NS_PER_MS,
        .start_timeout_ns = ANSWER_TIMEOUT_S * NS_PER_S,
        .wall_ms = clock_wall_ms(),
        .result_max = MIB(1),
        .skip_max = FRAME_SKIP_MAX,
    };
    if (getrandom(&options.nonce, sizeof options.nonce, 0) != sizeof options.nonce)
        options.nonce = clock_now_ns();
    return connection_new(ret, &options, clock_now_ns(), err);
}

/* Moves what can be moved. False when the channel has ended, or the connection failed. */
static bool move(executor_link *l, connection *c, buf *said)
{
    channel *ch = connection_channel(c);
    channel_io io;
    char text[1024];
    while ((io = l->ops->read(l, ch)) == CHANNEL_MOVED)
        connection_input(c, clock_now_ns());
    for (size_t size; l->ops->errors && (size = l->ops->errors(l, text, sizeof text)) > 0;)
        if (said->size < KIB(4))
            buf_append(said, text, size);
    connection_tick(c, clock_now_ns());
    connection_pump(c);
    if (channel_has_output(ch))
        l->ops->write(l, ch); /* that it has ended is seen by reading */
    return io != CHANNEL_ENDED && !connection_failed(c, NULL);
}

static void wait_for(executor_link *l, connection *c, uint64_t deadline)
{
    struct pollfd polls[LINK_POLL_MAX];
    size_t count = l->ops->poll(l, polls, channel_has_output(connection_channel(c)));
    uint64_t until = u64_min(deadline, connection_deadline(c));
    if (count)
        poll(polls, count, clock_poll_ms(clock_now_ns(), until));
}

/* Tells the executor to end, and waits until it has. */
static void say_bye(executor_link *l, connection *c, buf *said)
{
    uint64_t deadline = clock_now_ns() + BYE_WAIT_MS * NS_PER_MS;
    connection_bye(c);
    while (move(l, c, said) && clock_now_ns() < deadline)
        wait_for(l, c, deadline);
}

/* "…; it said "…"", one line of what came on its stderr. */
static void add_said(buf *said, rdd_error *err)
{
    char message[sizeof err->message];
    const char *text = buf_terminate(said);
    size_t size = text ? strcspn(text, "\r\n") : 0;
    if (!size)
        return;
    snprintf(message, sizeof message, "%.600s; it said \"%.*s\"", err->message,
             (int)size_min(size, 200), text);
    error_set(err, err->code, "%s", message);
}

/* The executor runs; does it answer, and is it the same program? */
static int greet(probe *p, executor_link *l, connection *c, buf *said, rdd_error *err)
{
    bool goes_on = true, up = false;
    while (goes_on && !up) {
        goes_on = move(l, c, said);
        up = connection_came_up(c, &p->node);
        if (goes_on && !up)
            wait_for(l, c, CLOCK_NEVER);
    }
    if (up) {
        if (!connection_clock_problem(c, p->clock, sizeof p->clock))
            *p->clock = 0;
        say_bye(l, c, said);
        return 0;
    }
    return connection_failed(c, err) ? err->code : RDD_E_LOST;
}

/* One start. *ret_stale: what the node has kept was another program; the next start sends it. */
static int try_start(probe *p, bool *ret_stale, rdd_error *err)
{
    executor_link *l;
    start_failure failure;
    connection *c = NULL;
    char how[160];
    CLEANUP(buf_release) buf said = { 0 };
    *ret_stale = false;
    int code = p->place->ops->start(p->place, -1, &l, &failure, err);
    if (code < 0)
        return code;
    code = connect_to(p, &c, err);
    if (code == 0)
        code = greet(p, l, c, &said, err);
    l->ops->end(l, BYE_WAIT_MS * NS_PER_MS, how, sizeof how);
    if (code < 0 && c) {
        connection_closed(c, how);
        *ret_stale = place_can_do_better(p->place, connection_is_stale(c), connection_was_mute(c));
        connection_failed(c, err);
        add_said(&said, err);
    }
    connection_free(c);
    return code;
}

static int start_place(checker *k, probe *p, rdd_error *err)
{
    if (p->h->local)
        return place_process_new(&p->place, 0, 1, err);
    int code = place_ssh_new(&p->place, k->fleet, p->h, err);
    if (code == 0)
        place_ssh_watch(p->place, step_done, p);
    return code;
}

static void check_one(void *arg, size_t index)
{
    checker *k = arg;
    probe *p = &k->probes[index];
    bool stale = false;
    p->code = start_place(k, p, &p->err);
    if (p->code < 0)
        return;
    p->program_ns = clock_now_ns();
    p->code = try_start(p, &stale, &p->err);
    if (stale)
        p->code = try_start(p, &stale, &p->err);
    if (p->code == 0) {
        p->took_ns[STEP_START] += clock_now_ns() - p->program_ns;
        p->steps = STEPS;
    }
    p->place->ops->free(p->place);
}

/* -- The table --------------------------------------------------------------------------------- */

static const char *step_title(unsigned step)
{
    return step < TRANSPORT_STEPS      ? transport_step_name((transport_step)step)
           : step == PLACE_DIRECTORY ? "directory"
                                       : "start";
}

/* "0.4 ms", "12 ms", "1.25 s". */
static void format_time(uint64_t ns, char *text, size_t size)
{
    if (ns < 10 * NS_PER_MS)
        snprintf(text, size, "%.1f ms", (double)ns / 1e6);
    else if (ns < NS_PER_S)
        snprintf(text, size, "%.0f ms", (double)ns / 1e6);
    else
        snprintf(text, size, "%.2f s", (double)ns / 1e9);
}

/* On the right of a column; `width` is that of the text on a terminal. */
static void print_cell(const char *text, size_t width)
{
    printf("%*s%s", (int)(COLUMN - size_min(width, COLUMN)), "", text);
}

static void print_titles(const checker *k)
{
    printf("%-*s", (int)k->width, "host");
    for (unsigned i = 0; i < STEPS; i++)
        print_cell(step_title(i), strlen(step_title(i)));
    printf("  node\n");
}

static void print_row(void *arg, size_t index)
{
    checker *k = arg;
    const probe *p = &k->probes[index];
    char text[32];
    printf("%-*s", (int)k->width, p->label);
    for (unsigned i = 0; i < STEPS; i++) {
        bool has_it = !p->h->local || i == STEP_START;
        if (!has_it || i > p->steps) {
            print_cell("·", 1);
        } else if (i == p->steps) {
            print_cell("✗", 1);
        } else {
            format_time(p->took_ns[i], text, sizeof text);
            print_cell(text, strlen(text));
        }
    }
    if (p->code == 0)
        printf("  %u processor%s, %.1f GiB", p->node.cores, p->node.cores == 1 ? "" : "s",
               (double)p->node.memory / (double)GIB(1));
    putchar('\n');
    fflush(stdout);
    k->failures += p->code < 0;
}

/* One line for each host that failed: host, step, what to do. A clock that is off is no failure. */
static void print_failures(const checker *k)
{
    if (k->failures)
        putchar('\n');
    for (size_t i = 0; i < k->count; i++) {
        const probe *p = &k->probes[i];
        if (p->code >= 0)
            continue;
        bool named = !strncmp(p->err.message, p->label, strlen(p->label));
        printf("%s%s%s\n", named ? "" : p->label, named ? "" : ": ", p->err.message);
    }
    size_t told = k->failures;
    for (size_t i = 0; i < k->count; i++)
        if (*k->probes[i].clock)
            printf("%s%s\n", told++ ? "" : "\n", k->probes[i].clock);
    printf("%s%zu of %zu %s well\n", told ? "\n" : "", k->count - k->failures, k->count,
           k->count - k->failures == 1 ? "is" : "are");
}

static void print_note(void *arg, const char *text)
{
    const checker *k = arg;
    if (k->verbose)
        fprintf(stderr, "rdd: %s\n", text);
}

/* -- All of them ------------------------------------------------------------------------------- */

int tool_check(rdd_context *ctx, const host_list *hosts, rdd_error *err)
{
    CLEANUP(freep) probe *probes = calloc(hosts->count, sizeof *probes);
    checker k = { .probes = probes, .count = hosts->count, .width = tool_names_width(hosts),
                  .verbose = ctx->verbosity == VERBOSITY_VERBOSE };
    k.fleet = ssh_fleet_new(NULL, print_note, &k);
    if (!probes || !k.fleet) {
        ssh_fleet_free(k.fleet);
        return error_set_memory(err, "checking hosts");
    }
    for (size_t i = 0; i < k.count; i++) {
        probes[i].h = &hosts->items[i];
        probes[i].steps = hosts->items[i].local ? STEP_START : 0;
        host_describe(probes[i].h, probes[i].label, sizeof probes[i].label);
    }
    print_titles(&k);
    tool_each each = { .count = k.count, .work = check_one, .done = print_row, .arg = &k };
    int code = tool_each_run(&each, err);
    ssh_fleet_free(k.fleet);
    if (code < 0)
        return code;
    print_failures(&k);
    return k.failures > 0;
}
