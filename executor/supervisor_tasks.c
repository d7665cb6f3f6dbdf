#include "supervisor_parts.h"

#include "clock.h"

/* Work that a worker is given ahead, so that short tasks do not wait for a round trip, and long
 * ones do not wait behind each other. */
enum { AHEAD_MS = 2, AHEAD_TASKS_MAX = 512, RUN_LEAST_NS = 500 };

/* -- Plans ------------------------------------------------------------------------------------- */

stage_plan *supervisor_plan(supervisor *s, uint32_t stage)
{
    for (size_t i = 0; i < s->plan_count; i++)
        if (s->plans[i].stage == stage)
            return &s->plans[i];
    return NULL;
}

static bool plan_is_whole(const stage_plan *p)
{
    return p->bytes.size == p->size;
}

static void refuse(supervisor *s, const char *what)
{
    rdd_error err;
    error_set(&err, RDD_E_PROTOCOL, "the executor does not understand its driver: %s", what);
    supervisor_exit(s, &err);
}

static void no_memory(supervisor *s)
{
    rdd_error err;
    error_set_memory(&err, "handing tasks to workers");
    supervisor_exit(s, &err);
}

void supervisor_take_plan(supervisor *s, const frame *f)
{
    plan_piece piece;
    if (plan_piece_decode(f, &piece) < 0) {
        refuse(s, "a malformed plan");
        return;
    }
    stage_plan *p = supervisor_plan(s, piece.stage);
    if (!p && piece.offset == 0) {
        if (!supervisor_grow(&s->plans, &s->plan_capacity, s->plan_count, sizeof *s->plans)) {
            no_memory(s);
            return;
        }
        p = &s->plans[s->plan_count++];
        *p = (stage_plan){ .stage = piece.stage, .size = piece.size, .bytes.max = PLAN_SIZE_MAX };
    } else if (!p || p->size != piece.size || p->bytes.size != piece.offset || plan_is_whole(p)) {
        refuse(s, "a plan whose pieces do not fit");
        return;
    }
    buf_append(&p->bytes, piece.bytes.data, piece.bytes.size);
    if (p->bytes.failed)
        no_memory(s);
}

static bool has_plan(const worker *w, uint32_t stage)
{
    for (size_t i = w->plan_count; i-- > 0;)
        if (w->plans[i] == stage)
            return true;
    return false;
}

static void answer_cancelled(void *arg, const task_entry *task)
{
    outcome o = { .id = task->id, .status = OUTCOME_CANCELLED };
    supervisor_add_outcome(arg, &o);
}

void supervisor_forget_stage(supervisor *s, uint32_t stage)
{
    task_queue_drop(&s->queue, tasks_of_stage(stage), answer_cancelled, s);
    stage_plan *p = supervisor_plan(s, stage);
    if (!p)
        return;
    buf_release(&p->bytes);
    *p = s->plans[--s->plan_count];
    for (uint32_t i = 0; i < s->worker_count; i++) {
        worker *w = &s->workers[i];
        size_t kept = 0;
        for (size_t j = 0; j < w->plan_count; j++)
            if (w->plans[j] != stage)
                w->plans[kept++] = w->plans[j];
        if (kept < w->plan_count && w->phase == WORKER_RUNNING)
            stage_append(&w->channel.control, FRAME_FORGET, stage);
        w->plan_count = kept;
    }
}

/* -- A worker's tasks -------------------------------------------------------------------------- */

bool worker_take_task(worker *w, task_id id)
{
    for (size_t i = 0; i < w->task_count; i++) {
        handed_task *first = &w->tasks[w->task_first];
        if (!task_id_equal(first[i].id, id))
            continue;
        /* Outcomes come about in order: the few that are older move up. */
        memmove(first + 1, first, i * sizeof *first);
        w->task_first++;
        w->task_count--;
        return true;
    }
    return false;
}

static bool add_task(worker *w, task_id id)
{
    if (w->task_first && w->task_first + w->task_count == w->task_capacity) {
        memmove(w->tasks, w->tasks + w->task_first, w->task_count * sizeof *w->tasks);
        w->task_first = 0;
    }
    size_t end = w->task_first + w->task_count;
    if (!supervisor_grow(&w->tasks, &w->task_capacity, end, sizeof *w->tasks))
        return false;
    w->tasks[end] = (handed_task){ id, CLOCK_NEVER };
    w->task_count++;
    return true;
}

void supervisor_take_tasks(supervisor *s, const frame *f)
{
    rdd_error err;
    if (task_queue_append(&s->queue, f, &err) < 0)
        refuse(s, err.message);
}

/* A task that was told before keeps its time. */
static void cancel_tasks(worker *w, task_id which, uint64_t kill_at_ns)
{
    bool any = false;
    for (size_t i = 0; i < w->task_count; i++) {
        handed_task *t = &w->tasks[w->task_first + i];
        if (!task_is_of(t->id, which))
            continue;
        any = true;
        t->kill_at_ns = u64_min(t->kill_at_ns, kill_at_ns);
    }
    if (!any)
        return;
    cancel_append(&w->channel.control, which);
    w->kill_at_ns = u64_min(w->kill_at_ns, kill_at_ns);
}

void supervisor_cancel(supervisor *s, task_id which)
{
    task_queue_drop(&s->queue, which, answer_cancelled, s);
    for (uint32_t i = 0; i < s->worker_count; i++)
        if (s->workers[i].phase == WORKER_RUNNING)
            cancel_tasks(&s->workers[i], which, s->now_ns + s->kill_grace_ns);
}

void supervisor_end_stubborn(supervisor *s, worker *w)
{
    if (w->phase != WORKER_RUNNING || s->now_ns < w->kill_at_ns)
        return;
    w->kill_at_ns = CLOCK_NEVER;
    for (size_t i = 0; i < w->task_count; i++)
        w->kill_at_ns = u64_min(w->kill_at_ns, w->tasks[w->task_first + i].kill_at_ns);
    if (s->now_ns < w->kill_at_ns)
        return;
    w->kill_at_ns = CLOCK_NEVER;
    w->cancel_kill = true;
    supervisor_kill_worker(w, NULL);
}

/* -- Handing out ------------------------------------------------------------------------------- */

static size_t window_of(const supervisor *s, const worker *w)
{
    if (!s->run_ns)
        return w->slots;
    uint64_t ahead = AHEAD_MS * NS_PER_MS * w->slots / u64_max(s->run_ns, RUN_LEAST_NS);
    return w->slots + (size_t)u64_min(ahead, AHEAD_TASKS_MAX);
}

/* The worker with the fewest tasks for its slots that has room for one more. */
static worker *choose_worker(supervisor *s)
{
    worker *best = NULL;
    for (uint32_t i = 0; i < s->worker_count; i++) {
        worker *w = &s->workers[i];
        if (w->phase != WORKER_RUNNING || w->kill_wanted || w->killed ||
            w->task_count >= window_of(s, w))
            continue;
        if (!best || w->task_count * best->slots < best->task_count * w->slots)
            best = w;
    }
    return best;
}

static bool add_relay(relays *r, uint64_t id, size_t size)
{
    if (!supervisor_grow(&r->items, &r->capacity, r->count, sizeof *r->items))
        return false;
    r->items[r->count++] = (relay){ .id = id, .left = size };
    return true;
}

static bool hand_plan(worker *w, const stage_plan *p)
{
    if (has_plan(w, p->stage))
        return true;
    if (!supervisor_grow(&w->plans, &w->plan_capacity, w->plan_count, sizeof *w->plans))
        return false;
    w->plans[w->plan_count++] = p->stage;
    batch_end(&w->handing);
    plan_append(&w->channel.control, p->stage, (rdd_str){ p->bytes.size, p->bytes.data });
    return true;
}

static bool hand_task(worker *w, const stage_plan *p, const task_entry *task)
{
    if (!hand_plan(w, p) || !add_task(w, task->id) ||
        (task->stream && !add_relay(&w->payloads, task->stream, task->size)))
        return false;
    batch_entry(&w->handing);
    buf_append(&w->channel.control, task->encoded.data, task->encoded.size);
    return true;
}

void supervisor_assign(supervisor *s)
{
    task_entry task;
    worker *w;
    stage_plan *p = NULL;
    while (task_queue_first(&s->queue, &task) && (w = choose_worker(s))) {
        if (!p || p->stage != task.id.stage)
            p = supervisor_plan(s, task.id.stage);
        if (!p || !plan_is_whole(p))
            answer_cancelled(s, &task); /* its stage was forgotten meanwhile */
        else if (!hand_task(w, p, &task)) {
            no_memory(s);
            break;
        }
        task_queue_pop(&s->queue, &task);
    }
    for (uint32_t i = 0; i < s->worker_count; i++)
        batch_end(&s->workers[i].handing);
}

/* -- Outcomes ---------------------------------------------------------------------------------- */

void supervisor_add_outcome(supervisor *s, const outcome *o)
{
    batch_entry(&s->outcomes);
    outcome_entry_encode(s->outcomes.out, o, 0);
}

/* A worker names its streams with its own serial number, so that they are unique. */
static bool is_stream_of(const worker *w, uint64_t stream)
{
    return stream >> 32 == w->serial;
}

static void distrust(worker *w, const char *what)
{
    rdd_error err;
    error_set(&err, RDD_E_PROTOCOL, "it sent %s", what);
    supervisor_kill_worker(w, &err);
}

/* Passes one outcome on as it came. */
static bool take_outcome(supervisor *s, worker *w, reader *r)
{
    const char *first = r->at;
    outcome o;
    uint64_t stream;
    rdd_error err;
    if (outcome_entry_decode(r, &o, &stream, &err) < 0) {
        distrust(w, "a malformed outcome");
        return false;
    }
    outcome_release(&o);
    if ((stream && (!is_stream_of(w, stream) || !o.result_size)) || !worker_take_task(w, o.id)) {
        distrust(w, "an outcome of a task that it did not have");
        return false;
    }
    if (stream && !add_relay(&w->results, stream, o.result_size)) {
        no_memory(s);
        return false;
    }
    batch_entry(&s->outcomes);
    buf_append(s->outcomes.out, first, (size_t)(r->at - first));
    s->run_ns = s->run_ns ? (s->run_ns * 7 + o.metrics.run_ns) / 8 : o.metrics.run_ns;
    w->useful = true;
    return true;
}

void supervisor_take_outcomes(supervisor *s, worker *w, const frame *f)
{
    reader r = reader_over(f->payload, f->size);
    while (reader_left(&r) && take_outcome(s, w, &r)) {
    }
}

/* -- Streams ----------------------------------------------------------------------------------- */

static relay *find_relay(relays *r, uint64_t id)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->items[i].id == id)
            return &r->items[i];
    return NULL;
}

static void remove_relay(relays *r, relay *it)
{
    *it = r->items[--r->count];
}

/* DATA of a stream of `from`, which goes to `to`. False when more came than was asked for. */
static bool relay_data(relays *from, const frame *f, channel *to)
{
    relay *it = find_relay(from, f->stream);
    if (!it)
        return true; /* its receiver is gone */
    if (f->size > it->granted)
        return false;
    frame_append(&to->data, FRAME_DATA, f->stream, f->payload, f->size);
    it->granted -= f->size;
    it->left -= f->size;
    if (!it->left)
        remove_relay(from, it);
    return true;
}

/* CREDIT from the receiver of a stream, which goes to its sender. */
static bool relay_credit(relays *streams, const frame *f, buf *sender)
{
    relay *it = find_relay(streams, f->stream);
    uint64_t more;
    if (credit_decode(f, &more) < 0)
        return false;
    if (!it)
        return true;
    if (more > it->left - it->granted)
        return false;
    it->granted += (size_t)more;
    credit_append(sender, f->stream, more);
    return true;
}

static void relay_reset(relays *streams, const frame *f, buf *to)
{
    relay *it = find_relay(streams, f->stream);
    if (!it)
        return;
    remove_relay(streams, it);
    frame_append(to, FRAME_RESET, f->stream, NULL, 0);
}

static void relay_from_worker(supervisor *s, worker *w, const frame *f)
{
    bool fine = true;
    if (f->type == FRAME_DATA)
        fine = relay_data(&w->results, f, &s->driver);
    else if (f->type == FRAME_CREDIT)
        fine = relay_credit(&w->payloads, f, supervisor_out(s));
    else if (f->type == FRAME_RESET)
        relay_reset(is_stream_of(w, f->stream) ? &w->results : &w->payloads, f,
                    supervisor_out(s));
    else
        fine = false; /* OPEN, CLOSE of what is no file */
    if (!fine)
        distrust(w, "bytes or credit past what was agreed");
}

static void relay_from_driver(supervisor *s, const frame *f)
{
    bool fine = f->type != FRAME_CLOSE; /* of what is no file */
    for (uint32_t i = 0; i < s->worker_count && fine; i++) {
        worker *w = &s->workers[i];
        bool result = f->stream >= STREAM_WORKER_FIRST;
        if (w->phase != WORKER_RUNNING || (result && !is_stream_of(w, f->stream)))
            continue;
        if (f->type == FRAME_DATA)
            fine = relay_data(&w->payloads, f, &w->channel);
        else if (f->type == FRAME_CREDIT)
            fine = relay_credit(&w->results, f, &w->channel.control);
        else if (f->type == FRAME_RESET)
            relay_reset(result ? &w->results : &w->payloads, f, &w->channel.control);
    }
    if (!fine)
        refuse(s, "bytes or credit past what was agreed");
}

void supervisor_relay(supervisor *s, worker *from, const frame *f)
{
    bool file = stream_is_file(f->stream);
    if (file && from)
        supervisor_file_from_worker(s, from, f);
    else if (file && !supervisor_file_from_driver(s, f))
        refuse(s, "bytes or credit of a file past what was agreed");
    else if (!file && from)
        relay_from_worker(s, from, f);
    else if (!file)
        relay_from_driver(s, f);
}

void supervisor_drop_streams(supervisor *s, worker *w)
{
    for (size_t i = 0; i < w->results.count; i++)
        frame_append(supervisor_out(s), FRAME_RESET, w->results.items[i].id, NULL, 0);
    for (size_t i = 0; i < w->payloads.count; i++)
        frame_append(supervisor_out(s), FRAME_RESET, w->payloads.items[i].id, NULL, 0);
    w->results.count = w->payloads.count = 0;
    supervisor_reset_files(s, w);
}
