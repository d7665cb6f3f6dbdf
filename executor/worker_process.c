#include "worker_process.h"

#include "clock.h"
#include "conf.h"
#include "protocol.h"
#include "remote_files.h"
#include "stream.h"
#include "worker_calls.h"
#include "worker_slots.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>

enum {
    WATCH_MS = 1,        /* after something moved, more is likely to follow at once */
    CANCEL_AGAIN_MS = 5,
    TASKS_BATCH = 128,
    CRASH_FD_LEAST = 200,
    OOM_SCORE = 200,     /* the kernel ends a worker rather than its supervisor */
};

/* A plan on its way in. */
typedef struct incoming_plan {
    uint32_t stage;
    size_t size;
    buf bytes;
} incoming_plan;

typedef struct talker {
    channel channel;
    int fd, wake_fd;
    board *board;
    size_t board_size;
    worker_slots *slots;       /* NULL until SETUP */
    remote_files *files;       /* NULL where the driver's files can be opened */
    worker_calls *calls;       /* NULL until SETUP */
    slot_state **states;       /* for the crash handler; as long as the process */
    streams_out results;
    streams_in payloads;       /* owner: the task_id, heap */
    incoming_plan plan;        /* plans come one after the other */
    bool cancelling, leaving;
} talker;

static board *own_board; /* once it is mapped */

/* What a supervisor never sends: nothing to be saved here. */
static _Noreturn void give_up(const char *why)
{
    worker_give_up(own_board, why);
}

/* -- Frames ------------------------------------------------------------------------------------ */

static void install_crash_handler(talker *t, uint32_t slots)
{
    t->states = calloc(slots, sizeof *t->states);
    int fd = fcntl(2, F_DUPFD_CLOEXEC, CRASH_FD_LEAST);
    if (!t->states)
        give_up("out of memory");
    for (uint32_t i = 0; i < slots; i++)
        t->states[i] = &t->board->slots[i].state;
    crash_options options = { .report = &t->board->crash, .slots = t->states, .slot_count = slots,
                              .fd = fd >= 0 ? fd : 2, .catch_exit = true };
    crash_install(&options);
}

static void take_setup(talker *t, const frame *f)
{
    executor_setup setup;
    rdd_error err;
    if (t->slots || setup_decode(f, &setup) < 0 || board_size(setup.slots) > t->board_size)
        give_up("malformed settings");
    reader conf = reader_over(setup.conf.data, setup.conf.size);
    if (setup.conf.size && conf_decode(&conf, &err) < 0)
        give_up(err.message);
    install_crash_handler(t, setup.slots);
    crash_thread_enter(CRASH_NO_SLOT);
    if (worker_calls_new(&t->calls, setup.worker_serial, t->wake_fd, &err) < 0 ||
        (setup.remote &&
         remote_files_new(&t->files, setup.worker_serial, t->wake_fd, &err) < 0) ||
        worker_slots_new(&t->slots, setup.slots, setup.worker_serial, t->board, t->wake_fd,
                         t->files, &err) < 0)
        give_up(err.message);
    hello h = { .protocol = PROTOCOL_VERSION, .pid = (uint32_t)getpid() };
    hello_encode(&t->channel.control, &h);
}

static void take_plan(talker *t, const frame *f)
{
    plan_piece piece;
    if (plan_piece_decode(f, &piece) < 0)
        give_up("a malformed plan");
    incoming_plan *in = &t->plan;
    if (piece.offset == 0) {
        buf_release(&in->bytes);
        *in = (incoming_plan){ .stage = piece.stage, .size = piece.size };
    }
    if (in->stage != piece.stage || in->size != piece.size || in->bytes.size != piece.offset)
        give_up("a plan whose pieces do not fit");
    buf_append(&in->bytes, piece.bytes.data, piece.bytes.size);
    if (in->bytes.failed)
        give_up("out of memory for a plan");
    if (in->bytes.size < in->size)
        return;
    plan *p = NULL;
    rdd_error why;
    if (plan_decode(&p, in->bytes.data, in->bytes.size, &why) < 0) {
        if (why.code == RDD_E_MEMORY)
            give_up(why.message); /* another worker may have it; a bad plan is bad everywhere */
        p = NULL;
    }
    if (worker_slots_add_plan(t->slots, in->stage, p, &why) < 0)
        give_up("out of memory for a plan");
    buf_release(&in->bytes);
}

static void expect_payload(talker *t, const task_entry *task)
{
    task_id *id = malloc(sizeof *id);
    if (!id || !task->size || streams_in_open(&t->payloads, task->stream, task->size, id) < 0)
        give_up("out of memory for a task");
    *id = task->id;
}

static void take_tasks(talker *t, const frame *f)
{
    worker_task tasks[TASKS_BATCH];
    size_t count = 0;
    task_entry e;
    for (reader r = reader_over(f->payload, f->size); reader_left(&r);) {
        if (task_entry_decode(&r, &e) < 0)
            give_up("a malformed task");
        if (e.stream)
            expect_payload(t, &e);
        else
            tasks[count++] = (worker_task){ .id = e.id, .size = e.size, .payload = e.payload };
        if (count < TASKS_BATCH && reader_left(&r))
            continue;
        if (worker_slots_add_tasks(t->slots, tasks, count) < 0)
            give_up("out of memory for tasks");
        count = 0;
    }
}

static void take_data(talker *t, const frame *f)
{
    stream_in *done;
    rdd_error err;
    if (streams_in_data(&t->payloads, f, &done, &err) < 0)
        give_up(err.message);
    if (!done)
        return;
    worker_task task = { .id = *(task_id *)done->owner, .size = done->size,
                         .payload_heap = TAKE(done->bytes) };
    free(done->owner);
    stream_in_free(done);
    if (worker_slots_add_tasks(t->slots, &task, 1) < 0)
        give_up("out of memory for tasks");
}

static void answer_stream(talker *t, stream_in *s, outcome_status status, const rdd_error *why)
{
    outcome o = { .id = *(task_id *)s->owner, .status = status };
    if (why)
        outcome_set_error(&o, status, why);
    worker_slots_answer(t->slots, &o);
    outcome_release(&o);
    free(s->owner);
    stream_in_free(s);
}

static void take_reset(talker *t, const frame *f)
{
    stream_in *payload = streams_in_take(&t->payloads, f->stream);
    if (payload)
        answer_stream(t, payload, OUTCOME_CANCELLED, NULL);
    else
        streams_out_drop(&t->results, f->stream);
}

/* Payloads that are still on their way belong to queued tasks. */
static void cancel(talker *t, task_id which)
{
    worker_slots_cancel(t->slots, which);
    worker_calls_cancelled(t->calls);
    t->cancelling = true;
    for (bool again = true; again;) {
        again = false;
        for (stream_in *s = t->payloads.first; s && !again; s = s->next) {
            if (!task_is_of(*(const task_id *)s->owner, which))
                continue;
            frame_append(&t->channel.control, FRAME_RESET, s->id, NULL, 0);
            answer_stream(t, streams_in_take(&t->payloads, s->id), OUTCOME_CANCELLED, NULL);
            again = true;
        }
    }
}

static void take_forget(talker *t, const frame *f)
{
    uint32_t stage;
    if (stage_decode(f, &stage) < 0)
        give_up("a malformed order");
    worker_slots_forget(t->slots, stage);
}

static void take_cancel(talker *t, const frame *f)
{
    task_id which;
    if (cancel_decode(f, &which) < 0)
        give_up("a malformed order");
    cancel(t, which);
}

static void take_file_frame(talker *t, const frame *f)
{
    rdd_error err;
    if (!t->files)
        give_up("a file that it did not ask for");
    if (remote_files_take(t->files, f, &err) < 0)
        give_up(err.message);
}

/* Leave to call, or what an earlier attempt's calls had brought. */
static void take_calls(talker *t, const frame *f)
{
    if (!worker_calls_frame(t->calls, f, clock_now_ns()))
        give_up("a malformed word about calls");
    worker_slots_nudge(t->slots);
}

static void take_frame(talker *t, const frame *f)
{
    uint64_t more;
    if (!t->slots && f->type != FRAME_SETUP && f->type != FRAME_BYE)
        give_up("work before settings");
    if (stream_is_file(f->stream)) {
        take_file_frame(t, f);
        return;
    }
    switch (f->type) {
    case FRAME_SETUP: take_setup(t, f); return;
    case FRAME_PLAN: take_plan(t, f); return;
    case FRAME_TASKS: take_tasks(t, f); return;
    case FRAME_FORGET: take_forget(t, f); return;
    case FRAME_CANCEL: take_cancel(t, f); return;
    case FRAME_DATA: take_data(t, f); return;
    case FRAME_CREDIT:
        if (credit_decode(f, &more) < 0)
            give_up("malformed credit");
        streams_out_credit(&t->results, f->stream, more);
        return;
    case FRAME_RESET: take_reset(t, f); return;
    case FRAME_BYE: t->leaving = true; return;
    case FRAME_LEASE:
    case FRAME_JOURNAL: take_calls(t, f); return;
    case FRAME_HELLO:
    case FRAME_OUTCOMES:
    case FRAME_HEARTBEAT:
    case FRAME_LOG:
    case FRAME_OPEN:
    case FRAME_CLOSE:
    case FRAME_TYPES: break;
    }
    give_up("a frame that is not for workers");
}

/* -- The loop ---------------------------------------------------------------------------------- */

/* The supervisor is gone, unless it is this process that lost its end. */
static _Noreturn void end_by_channel(talker *t)
{
    if (t->slots && fcntl(t->fd, F_GETFD) < 0)
        worker_slots_end_closed(t->slots);
    _exit(1);
}

static void read_frames(talker *t)
{
    frame f;
    rdd_error err;
    int code = 0;
    channel_io io = channel_read(&t->channel, t->fd);
    while (io == CHANNEL_MOVED && !t->leaving && (code = channel_next(&t->channel, &f, &err)) == 1)
        take_frame(t, &f);
    if (code < 0)
        give_up(err.message);
    if (io == CHANNEL_ENDED)
        end_by_channel(t);
}

/* Credit for payloads; a task whose payload finds no memory fails. */
static void grant(talker *t)
{
    stream_in *failed;
    do {
        streams_in_grant(&t->payloads, &t->channel, &failed);
        if (!failed)
            return;
        rdd_error err;
        error_set(&err, RDD_E_MEMORY, "out of memory for a task's data of %zu bytes", failed->size);
        answer_stream(t, failed, OUTCOME_FAILED, &err);
    } while (failed);
}

/* What is ready goes out as far as it can. True when something was ready. */
static bool send_ready(talker *t)
{
    bool moved = worker_calls_take(t->calls, &t->channel, clock_now_ns());
    moved |= worker_slots_take(t->slots, &t->channel, &t->results);
    bool had_results = t->results.first != NULL;
    grant(t);
    channel_io io = CHANNEL_MOVED;
    while (io == CHANNEL_MOVED) {
        streams_out_pump(&t->results, &t->channel);
        if (t->files)
            remote_files_pump(t->files, &t->channel);
        if (!channel_has_output(&t->channel))
            break;
        io = channel_write(&t->channel, t->fd);
    }
    if (had_results) {
        worker_slots_set_waiting(t->slots, streams_out_waiting(&t->results));
        worker_slots_lend(t->slots, TAKE(t->results.spare));
    }
    if (channel_failed(&t->channel))
        give_up("out of memory");
    if (io == CHANNEL_ENDED)
        end_by_channel(t);
    return moved;
}

/* How long to sleep when nothing happens. */
static int patience(talker *t, bool moved)
{
    if (t->cancelling) {
        t->cancelling = worker_slots_cancel_again(t->slots);
        worker_calls_cancelled(t->calls);
    }
    if (moved)
        return WATCH_MS;
    if (t->cancelling)
        return CANCEL_AGAIN_MS;
    return clock_poll_ms(clock_now_ns(), worker_calls_deadline(t->calls));
}

static void turn(talker *t)
{
    bool moved = t->slots && send_ready(t);
    short output = channel_has_output(&t->channel) ? POLLOUT : 0;
    struct pollfd polls[] = {
        { .fd = t->fd, .events = (short)(POLLIN | output) },
        { .fd = t->wake_fd, .events = POLLIN },
    };
    if (poll(polls, ARRAY_SIZE(polls), t->slots ? patience(t, moved) : -1) <= 0)
        return;
    uint64_t count;
    if (polls[1].revents && read(t->wake_fd, &count, sizeof count) < 0 && errno != EAGAIN)
        worker_slots_end_closed(t->slots);
    if (polls[0].revents & (POLLIN | POLLHUP | POLLERR | POLLNVAL))
        read_frames(t);
}

static int leave(talker *t)
{
    if (t->slots && !worker_slots_stop(t->slots))
        _exit(0);
    worker_calls_free(t->calls);
    crash_thread_leave();
    remote_files_free(t->files);
    streams_out_release(&t->results);
    for (stream_in *s; (s = streams_in_take_first(&t->payloads));) {
        free(s->owner);
        stream_in_free(s);
    }
    buf_release(&t->plan.bytes);
    channel_release(&t->channel);
    close(t->wake_fd);
    return 0;
}

static void offer_to_oom_killer(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    char text[16];
    int size = snprintf(text, sizeof text, "%d", OOM_SCORE);
    ssize_t written = fd >= 0 ? write(fd, text, (size_t)size) : -1;
    (void)written; /* a wish */
    if (fd >= 0)
        close(fd);
}

static void open_board(talker *t, int fd)
{
    struct stat status;
    if (fstat(fd, &status) || (size_t)status.st_size < sizeof(board))
        give_up("it was not started by a supervisor");
    t->board_size = (size_t)status.st_size;
    void *at = mmap(NULL, t->board_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (at == MAP_FAILED)
        give_up("it cannot map its board");
    t->board = own_board = at;
    close(fd);
}

int worker_main(int channel_fd, int board_fd)
{
    static talker t; /* the slots and the crash handler point into it */
    t.fd = channel_fd;
    t.wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    channel_init(&t.channel, 0);
    open_board(&t, board_fd);
    offer_to_oom_killer();
    setvbuf(stdout, NULL, _IOLBF, 0); /* lines reach the driver as they are written */
    if (t.wake_fd < 0 || fcntl(channel_fd, F_SETFL, O_NONBLOCK))
        give_up("it cannot use its descriptors");
    while (!t.leaving)
        turn(&t);
    return leave(&t);
}
