/* supervisor_fuzz.c: a supervisor between a driver and two workers that send whatever frames they
 * like, write anything onto their boards, and die.
 *
 * The input is a list of steps: what happens, and what it needs. Frames are well formed, as the
 * bytes below them are frame_fuzz.c's.
 */
#include "clock.h"
#include "stream.h"
#include "supervisor.h"

enum { SLOTS = 2, WORKERS = 2 };

typedef struct world {
    supervisor *s;
    board *boards[WORKERS];
    bool alive[WORKERS];
    uint64_t now_ns;
} world;

static void start(world *w, uint32_t index)
{
    w->boards[index] = aligned_alloc(64, size_align(board_size(SLOTS), 64));
    if (!w->boards[index])
        abort();
    memset(w->boards[index], 0, board_size(SLOTS));
    w->alive[index] = true;
    supervisor_worker_started(w->s, index, w->boards[index], w->now_ns);
}

static void stop(world *w, uint32_t index, int wait_status)
{
    worker_end end = { .wait_status = wait_status, .oom_kills = 1 };
    supervisor_worker_ended(w->s, index, &end, w->now_ns);
    free(w->boards[index]);
    w->alive[index] = false;
}

/* False at its end. */
static bool run_commands(world *w)
{
    supervisor_command c;
    while (supervisor_next_command(w->s, &c)) {
        if (c.kind == SUPERVISOR_EXIT)
            return false;
        if (c.kind == SUPERVISOR_START)
            start(w, c.worker);
        else if (w->alive[c.worker])
            stop(w, c.worker, 9);
    }
    return true;
}

/* What they say in turn is read, by nobody in particular. */
static void swallow(channel *c)
{
    size_t size;
    while (channel_output(c, &size))
        channel_wrote(c, size);
}

static void feed(channel *c, frame_type type, uint64_t stream, const char *bytes, size_t size)
{
    buf b = { 0 };
    bool streamed = frame_has_stream(type);
    frame_append(&b, type, streamed ? stream + !stream : 0, bytes, size);
    size_t room;
    char *to = frame_reader_room(&c->in, &room);
    if (!to || room < b.size)
        abort();
    memcpy(to, b.data, b.size);
    frame_reader_filled(&c->in, b.size);
    buf_release(&b);
}

static void greet(world *w)
{
    channel *c = supervisor_driver(w->s);
    buf b = { 0 };
    hello h = { .protocol = PROTOCOL_VERSION };
    hello_encode(&b, &h);
    executor_setup setup = { .slots = SLOTS * WORKERS, .slots_per_process = SLOTS };
    setup_encode(&b, &setup);
    size_t room;
    memcpy(frame_reader_room(&c->in, &room), b.data, b.size);
    frame_reader_filled(&c->in, b.size);
    buf_release(&b);
    supervisor_driver_input(w->s, w->now_ns);
    run_commands(w);
}

static void take_frame(world *w, reader *r, int who)
{
    frame_type type = (frame_type)(1 + reader_u8(r) % (FRAME_TYPES - 1));
    uint64_t stream = reader_u8(r);
    uint8_t whose = reader_u8(r);
    if (whose & 1)
        stream |= UINT64_C(1) << (32 + stream % 2);
    if (whose & 2)
        stream |= STREAM_FILE;
    size_t size = reader_u8(r);
    const char *bytes = reader_bytes(r, size);
    if (r->failed)
        return;
    if (who == WORKERS) {
        feed(supervisor_driver(w->s), type, stream, bytes, size);
        supervisor_driver_input(w->s, w->now_ns);
    } else if (w->alive[who]) {
        feed(supervisor_worker_channel(w->s, (uint32_t)who), type, stream, bytes, size);
        supervisor_worker_input(w->s, (uint32_t)who, w->now_ns);
    }
}

static void scribble(world *w, reader *r, uint32_t index)
{
    size_t size = reader_u8(r), at = reader_u8(r) % board_size(SLOTS);
    const char *bytes = reader_bytes(r, size);
    if (!bytes || !w->alive[index])
        return;
    char *to = (char *)w->boards[index];
    memcpy(to + at, bytes, size_min(size, board_size(SLOTS) - at));
}

static void step(world *w, reader *r)
{
    uint8_t what = reader_u8(r);
    uint32_t index = what / 16 % WORKERS;
    switch (what % 8) {
    case 0: case 1: case 2: take_frame(w, r, WORKERS); break;
    case 3: case 4: take_frame(w, r, (int)index); break;
    case 5: scribble(w, r, index); break;
    case 6:
        if (w->alive[index])
            stop(w, index, reader_u8(r) << (what & 64 ? 8 : 0));
        break;
    default:
        w->now_ns += (uint64_t)reader_u8(r) * 50 * NS_PER_MS;
        if (w->alive[index])
            supervisor_worker_line(w->s, index, (rdd_str){ 3, "abc" }, w->now_ns);
        supervisor_tick(w->s, w->now_ns);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    world w = { .now_ns = NS_PER_S };
    hello self = { .pid = 1 };
    if (supervisor_new(&w.s, &self, w.now_ns, NULL) < 0)
        return 0;
    greet(&w);
    reader r = reader_over(data, size);
    while (reader_left(&r) && !r.failed && run_commands(&w)) {
        step(&w, &r);
        swallow(supervisor_driver(w.s));
        for (uint32_t i = 0; i < WORKERS; i++)
            if (w.alive[i])
                swallow(supervisor_worker_channel(w.s, i));
    }
    for (uint32_t i = 0; i < WORKERS; i++)
        if (w.alive[i])
            free(w.boards[i]);
    supervisor_free(w.s);
    return 0;
}
