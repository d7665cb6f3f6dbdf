#include "connection_parts.h"

#include <stdio.h>

enum { LINES_MAX = 16 << 20, OUTCOMES_FIRST = 64 };

int connection_new(connection **ret, const connection_options *options, uint64_t now_ns,
                   rdd_error *err)
{
    connection *c = calloc(1, sizeof *c);
    if (!c)
        return error_set_memory(err, "connecting to an executor");
    channel_init(&c->channel, options->skip_max);
    c->options = *options;
    snprintf(c->name, sizeof c->name, "%s", options->name);
    snprintf(c->build_id, sizeof c->build_id, "%s", options->build_id);
    c->options.heartbeat_ns = u64_min(options->heartbeat_ns, options->timeout_ns / 4);
    c->begun_ns = c->heard_ns = now_ns;
    c->next_heartbeat_ns = now_ns + c->options.heartbeat_ns;
    c->lines.max = LINES_MAX;
    c->conf = malloc(options->setup.conf.size + 1);
    if (!c->conf) {
        connection_free(c);
        return error_set_memory(err, "connecting to an executor");
    }
    if (options->setup.conf.size)
        memcpy(c->conf, options->setup.conf.data, options->setup.conf.size);
    c->options.setup.conf.data = c->conf;
    hello mine = { .protocol = PROTOCOL_VERSION, .nonce = options->nonce,
                   .digest = options->digest, .pid = (uint32_t)getpid() };
    memcpy(mine.build_id, c->build_id, sizeof mine.build_id);
    hello_encode(&c->channel.control, &mine);
    *ret = c;
    return 0;
}

static void drop_result(stream_in *s)
{
    outcome_release(s->owner);
    free(s->owner);
    stream_in_free(s);
}

void *connection_free(connection *c)
{
    if (!c)
        return NULL;
    channel_release(&c->channel);
    streams_out_release(&c->payloads);
    for (stream_in *s; (s = streams_in_take_first(&c->results));)
        drop_result(s);
    for (size_t i = 0; i < c->outcome_count; i++)
        outcome_release(&c->outcomes[i]);
    buf_release(&c->lines);
    free(c->outcomes);
    free(c->plans);
    free(c->progress);
    free(c->conf);
    free(c);
    return NULL;
}

/* -- Failing ----------------------------------------------------------------------------------- */

void connection_fail(connection *c, const rdd_error *why)
{
    if (c->phase == FAILED)
        return;
    c->phase = FAILED;
    c->error = *why;
    if (!c->error.node[0])
        snprintf(c->error.node, sizeof c->error.node, "%s", c->name);
}

void connection_fail_protocol(connection *c, const char *what)
{
    rdd_error err;
    error_set(&err, RDD_E_PROTOCOL, "%s sent %s", c->name, what);
    connection_fail(c, &err);
}

void connection_fail_memory(connection *c)
{
    rdd_error err;
    error_set_memory(&err, "talking to an executor");
    connection_fail(c, &err);
}

bool connection_failed(const connection *c, rdd_error *ret)
{
    if (c->phase == FAILED && ret)
        *ret = c->error;
    return c->phase == FAILED;
}

/* A program whose main does something else first ends by itself, or prints. */
static bool may_be_late(const char *why, const char *foreign)
{
    return *foreign || !why || (strstr(why, "exited with status") && !strstr(why, "status 127"));
}

/* What it said instead of a greeting is the best hint there is. */
void connection_closed(connection *c, const char *why)
{
    rdd_error err;
    char foreign[160];
    c->mute = c->phase == GREETING;
    frame_reader_foreign(&c->channel.in, foreign, sizeof foreign);
    if (c->phase == UP)
        error_set(&err, RDD_E_LOST, "%s was lost: %s", c->name,
                  why ? why : "its connection closed");
    else
        error_set(&err, RDD_E_LOST, "%s ended before it answered%s%s%s%s%s%s", c->name,
                  why ? ": " : "", why ? why : "", *foreign ? "; it said \"" : "", foreign,
                  *foreign ? "\"" : "",
                  may_be_late(why, foreign) ? "; rdd_init must come first in main" : "");
    connection_fail(c, &err);
}

/* -- Outcomes ---------------------------------------------------------------------------------- */

static void push_outcome(connection *c, const outcome *o)
{
    if (c->outcome_count == c->outcome_capacity) {
        size_t capacity = c->outcome_capacity ? c->outcome_capacity * 2 : OUTCOMES_FIRST;
        outcome *grown = realloc(c->outcomes, capacity * sizeof *grown);
        if (!grown) {
            outcome gone = *o;
            outcome_release(&gone);
            connection_fail_memory(c);
            return;
        }
        c->outcomes = grown;
        c->outcome_capacity = capacity;
    }
    outcome *to = &c->outcomes[c->outcome_count++];
    *to = *o;
    if (to->error && !to->error->node[0])
        snprintf(to->error->node, sizeof to->error->node, "%s", c->name);
}

/* The outcome of a stream whose bytes do not come. */
static void push_without_result(connection *c, outcome *o, outcome_status status,
                                const rdd_error *why)
{
    o->result_size = 0;
    o->status = status;
    if (why)
        outcome_set_error(o, status, why);
    push_outcome(c, o);
}

static void expect_result(connection *c, outcome *o, uint64_t stream)
{
    rdd_error err;
    if (o->result_size > c->options.result_max) {
        error_set(&err, RDD_E_LIMIT,
                  "a result of %zu bytes is past driver.result_max (%zu bytes): save it with "
                  "rdd_save_*, read it with rdd_to_local_iterator, or raise the limit with --conf "
                  "driver.result_max=SIZE", o->result_size, c->options.result_max);
        frame_append(&c->channel.control, FRAME_RESET, stream, NULL, 0);
        push_without_result(c, o, OUTCOME_FAILED, &err);
        return;
    }
    outcome *owner = malloc(sizeof *owner);
    if (!owner || !o->result_size ||
        streams_in_open(&c->results, stream, o->result_size, owner) < 0) {
        free(owner);
        outcome_release(o);
        connection_fail_memory(c);
        return;
    }
    *owner = *o;
}

static void take_outcomes(connection *c, const frame *f)
{
    reader r = reader_over(f->payload, f->size);
    while (reader_left(&r) && c->phase == UP) {
        outcome o;
        uint64_t stream;
        rdd_error err;
        int code = outcome_entry_decode(&r, &o, &stream, &err);
        if (code == RDD_E_MEMORY) {
            connection_fail_memory(c);
            return;
        }
        if (code < 0) {
            connection_fail_protocol(c, "a malformed outcome");
            return;
        }
        if (stream)
            expect_result(c, &o, stream);
        else
            push_outcome(c, &o);
    }
}

static void take_data(connection *c, const frame *f)
{
    stream_in *done;
    rdd_error err;
    if (streams_in_data(&c->results, f, &done, &err) < 0) {
        connection_fail(c, &err);
        return;
    }
    if (!done)
        return;
    outcome *o = done->owner;
    outcome_set_result(o, NULL, done->size, TAKE(done->bytes));
    push_outcome(c, o);
    free(o);
    stream_in_free(done);
}

static void take_reset(connection *c, const frame *f)
{
    stream_in *s = streams_in_take(&c->results, f->stream);
    if (!s) {
        streams_out_drop(&c->payloads, f->stream); /* its worker is gone, and says so */
        return;
    }
    push_without_result(c, s->owner, OUTCOME_LOST, NULL);
    free(s->owner);
    stream_in_free(s);
}

outcome *connection_take_outcomes(connection *c, size_t *ret_count)
{
    *ret_count = c->outcome_count;
    c->outcome_count = c->outcome_capacity = 0;
    return TAKE(c->outcomes);
}

/* -- What comes in ----------------------------------------------------------------------------- */

static void take_log(connection *c, const frame *f)
{
    log_line line;
    if (log_decode(f, &line) < 0) {
        connection_fail_protocol(c, "a malformed line");
        return;
    }
    buf_format(&c->lines, "[%s", c->name);
    if (line.has_task)
        buf_format(&c->lines, " partition %u", line.task.partition);
    if (line.has_task && line.task.attempt)
        buf_format(&c->lines, " attempt %u", line.task.attempt + 1);
    buf_text(&c->lines, line.kind == LOG_NOTICE ? "] rdd: " : "] ");
    buf_append(&c->lines, line.text.data, line.text.size);
    buf_char(&c->lines, '\n');
}

static void take_bye(connection *c, const frame *f)
{
    rdd_error why;
    if (bye_decode(f, &why) < 0) {
        connection_fail_protocol(c, "a malformed goodbye");
        return;
    }
    bool starting = c->phase == GREETING && why.code != RDD_OK;
    c->refused = starting && why.code != RDD_E_MEMORY && why.code != RDD_E_LIMIT; /* these may pass */
    if (why.code == RDD_OK)
        error_set(&why, RDD_E_LOST, "%s ended", c->name);
    else if (starting)
        error_prefix(&why, "%s: starting: ", c->name);
    else
        error_prefix(&why, "%s ended: ", c->name);
    connection_fail(c, &why);
}

static void take_file_frame(connection *c, const frame *f)
{
    rdd_error err;
    if (!c->options.files.take) {
        connection_fail_protocol(c, "a wish for a file, which it can open itself");
        return;
    }
    if (c->options.files.take(c->options.files.arg, f, &err) == 0)
        return;
    error_prefix(&err, "%s sent ", c->name);
    connection_fail(c, &err);
}

static void take_frame(connection *c, const frame *f)
{
    uint64_t more;
    if (c->phase == GREETING && f->type != FRAME_HELLO && f->type != FRAME_BYE) {
        connection_fail_protocol(c, "something else than a greeting");
        return;
    }
    if (stream_is_file(f->stream)) {
        take_file_frame(c, f);
        return;
    }
    switch (f->type) {
    case FRAME_HELLO:
        if (c->phase == GREETING)
            connection_take_hello(c, f);
        return;
    case FRAME_OUTCOMES: take_outcomes(c, f); return;
    case FRAME_DATA: take_data(c, f); return;
    case FRAME_RESET: take_reset(c, f); return;
    case FRAME_CREDIT:
        if (credit_decode(f, &more) < 0)
            break;
        streams_out_credit(&c->payloads, f->stream, more);
        return;
    case FRAME_HEARTBEAT:
        if (heartbeat_decode(f, c->progress, c->options.setup.slots, &c->progress_count) < 0)
            break;
        return;
    case FRAME_LOG: take_log(c, f); return;
    case FRAME_BYE: take_bye(c, f); return;
    case FRAME_LEASE:
    case FRAME_JOURNAL:
        if (!c->options.calls || !c->options.calls(c->options.calls_arg, f, &c->channel.control))
            break;
        return;
    case FRAME_SETUP:
    case FRAME_PLAN:
    case FRAME_FORGET:
    case FRAME_TASKS:
    case FRAME_CANCEL:
    case FRAME_OPEN:
    case FRAME_CLOSE:
    case FRAME_TYPES: break;
    }
    connection_fail_protocol(c, "a frame that is not for a driver");
}

channel *connection_channel(connection *c)
{
    return &c->channel;
}

void connection_input(connection *c, uint64_t now_ns)
{
    c->heard_ns = now_ns;
    frame f;
    rdd_error err;
    int code = 0;
    while (c->phase != FAILED && (code = channel_next(&c->channel, &f, &err)) == 1)
        take_frame(c, &f);
    if (code < 0 && c->channel.in.other_version)
        connection_version_error(c, c->channel.in.other_version, FRAME_VERSION, &err);
    else if (code < 0 && c->phase == GREETING) /* fails it already */
        connection_closed(c, err.message);
    if (code < 0)
        connection_fail(c, &err);
    if (c->phase == FAILED)
        frame_reader_drop(&c->channel.in);
}

void connection_pump(connection *c)
{
    stream_in *failed;
    do {
        streams_in_grant(&c->results, &c->channel, &failed);
        if (!failed)
            break;
        rdd_error err;
        error_set(&err, RDD_E_MEMORY, "no memory for a result of %zu bytes", failed->size);
        push_without_result(c, failed->owner, OUTCOME_FAILED, &err);
        free(failed->owner);
        stream_in_free(failed);
    } while (true);
    streams_out_pump(&c->payloads, &c->channel);
    if (c->options.files.pump && c->phase == UP)
        c->options.files.pump(c->options.files.arg, &c->channel);
    if (channel_failed(&c->channel))
        connection_fail_memory(c);
}

buf *connection_lines(connection *c)
{
    return &c->lines;
}

/* -- Time -------------------------------------------------------------------------------------- */

static uint64_t patience_of(const connection *c)
{
    return c->phase == UP ? c->options.timeout_ns : c->options.start_timeout_ns;
}

void connection_tick(connection *c, uint64_t now_ns)
{
    if (c->phase == FAILED)
        return;
    if (c->phase == UP && now_ns > c->next_heartbeat_ns) /* overslept: nobody listened */
        c->heard_ns = u64_min(c->heard_ns + (now_ns - c->next_heartbeat_ns), now_ns);
    if (now_ns - c->heard_ns >= patience_of(c)) {
        rdd_error err;
        error_set(&err, RDD_E_LOST, "no sign of life from %s for %g s", c->name,
                  (double)(patience_of(c) / NS_PER_MS) / 1000);
        connection_fail(c, &err);
        return;
    }
    if (c->phase == UP && now_ns >= c->next_heartbeat_ns) {
        heartbeat_append(&c->channel.control, NULL, 0);
        c->next_heartbeat_ns = now_ns + c->options.heartbeat_ns;
    }
}

uint64_t connection_deadline(const connection *c)
{
    if (c->phase == FAILED)
        return 0;
    uint64_t silence = c->heard_ns + patience_of(c);
    return c->phase == UP ? u64_min(silence, c->next_heartbeat_ns) : silence;
}

/* -- What the scheduler wants ------------------------------------------------------------------ */

static known_plan *find_plan(connection *c, uint32_t stage)
{
    for (size_t i = c->plan_count; i-- > 0;)
        if (c->plans[i].stage == stage)
            return &c->plans[i];
    return NULL;
}

int connection_plan(connection *c, uint32_t stage, rdd_str plan)
{
    ASSERT(!find_plan(c, stage));
    if (c->plan_count == c->plan_capacity) {
        size_t capacity = c->plan_capacity ? c->plan_capacity * 2 : 8;
        known_plan *grown = realloc(c->plans, capacity * sizeof *grown);
        if (!grown) {
            connection_fail_memory(c);
            return RDD_E_MEMORY;
        }
        c->plans = grown;
        c->plan_capacity = capacity;
    }
    c->plans[c->plan_count++] = (known_plan){ .stage = stage, .bytes = plan };
    return 0;
}

void connection_forget(connection *c, uint32_t stage)
{
    known_plan *p = find_plan(c, stage);
    if (!p)
        return;
    if (p->sent)
        stage_append(&c->channel.control, FRAME_FORGET, stage);
    *p = c->plans[--c->plan_count];
    streams_out_drop_stage(&c->payloads, stage, &c->channel);
}

/* 0 when the payload travels inside. */
static uint64_t stream_payload(connection *c, const task_spec *task)
{
    if (task->payload.size <= TASK_INLINE_MAX)
        return 0;
    uint64_t id = ++c->next_stream;
    if (id >= STREAM_WORKER_FIRST ||
        streams_out_add(&c->payloads, id, task->id.stage, task->payload.data, task->payload.size,
                        NULL) < 0)
        connection_fail_memory(c);
    return id;
}

void connection_launch(connection *c, const task_spec *tasks, size_t count)
{
    batch b = { .out = &c->channel.control, .type = FRAME_TASKS };
    known_plan *p = NULL;
    for (size_t i = 0; i < count && c->phase == UP; i++) {
        if (!p || p->stage != tasks[i].id.stage)
            p = find_plan(c, tasks[i].id.stage);
        ASSERT(p); /* the scheduler makes a plan known first */
        if (!p->sent) {
            batch_end(&b);
            plan_append(b.out, p->stage, p->bytes);
            p->sent = true;
        }
        batch_entry(&b);
        task_entry_encode(b.out, &tasks[i], stream_payload(c, &tasks[i]));
    }
    batch_end(&b);
}

void connection_cancel(connection *c, uint32_t stage)
{
    if (c->phase == UP)
        cancel_append(&c->channel.control, tasks_of_stage(stage));
}

void connection_cancel_task(connection *c, task_id id)
{
    if (c->phase == UP)
        cancel_append(&c->channel.control, id);
}

void connection_bye(connection *c)
{
    bye_append(&c->channel.control, NULL);
}

uint64_t connection_records(const connection *c, uint32_t stage)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < c->progress_count; i++)
        if (c->progress[i].busy && c->progress[i].task.stage == stage)
            sum += c->progress[i].records;
    return sum;
}
