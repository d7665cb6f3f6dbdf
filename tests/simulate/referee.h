/* referee.h: drives a scheduler by events, and checks every command against the rules.
 *
 * For the scheduler's tests and the simulator. The referee keeps what the outside world would know:
 * which executors are up and what they hold, which stages are planned, what was accepted. It aborts
 * when a command breaks a promise of event.h or scheduler.h, whatever the scheduler thought.
 *
 * Job and stage ids index arrays here: jobs below JOBS_MAX, stages below STAGES_MAX.
 */
#ifndef RDD_REFEREE_H
#define RDD_REFEREE_H

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "scheduler.h"

enum { SEATS_MAX = 64, JOBS_MAX = 64, STAGES_MAX = 1024 };

/* An executor from outside. */
typedef struct seat {
    bool up, known, added, draining;
    bool wanted; /* starts by itself, or was told to and not released */
    bool clean;  /* nothing has failed there, and it was not lost */
    uint32_t incarnation, slots;
    task_id *tasks; /* that it was given and did not answer yet, oldest first */
    size_t count, capacity;
} seat;

typedef struct stage_record {
    uint32_t job_id, task_count, parent_count;
    uint32_t parents[8]; /* stage ids */
    bool planned, forgotten, side_effects;
    uint32_t (*preferred)(void *arg, uint32_t partition);
    void *preferred_arg;
    uint64_t local_ns[SEATS_MAX];      /* when a task that prefers the seat went there, or the start */
    bool excluded[SEATS_MAX];
    uint32_t *launched;  /* for each partition: attempts so far */
    bool *accepted;
    uint32_t accepted_count, held;
} stage_record;

typedef struct job_record {
    bool submitted, done;
    uint32_t stage_first, stage_count; /* ids are consecutive */
    rdd_error error;
    uint64_t accepted_size;
} job_record;

typedef struct referee {
    scheduler *s;
    scheduler_conf conf;
    command_list out;
    uint64_t now_ns;
    bool lazy; /* leave out scheduler_check(), which walks all tasks */
    seat seats[SEATS_MAX];
    job_record jobs[JOBS_MAX];
    stage_record stages[STAGES_MAX];
    size_t accepts, discards, cancels, replaces, launches, notes; /* commands; launches: tasks */
    size_t task_cancels, copies, starts, releases;
    rdd_error note;  /* the last one */
    uint64_t digest; /* of all commands so far */
    /* of the step that runs */
    const event *event;
    bool *answered, *live;
    size_t answered_capacity;
} referee;

static inline void referee_init(referee *r, const scheduler_conf *conf)
{
    memset(r, 0, sizeof *r);
    r->conf = *conf;
    r->now_ns = 1;
    r->s = scheduler_new(conf);
    ASSERT(r->s);
}

static inline void referee_release(referee *r)
{
    scheduler_free(r->s);
    command_list_release(&r->out);
    for (int i = 0; i < SEATS_MAX; i++)
        free(r->seats[i].tasks);
    for (int i = 0; i < STAGES_MAX; i++) {
        free(r->stages[i].launched);
        free(r->stages[i].accepted);
    }
    free(r->answered);
    free(r->live);
}

/* -- Judging commands ------------------------------------------------------------------------- */

static inline void referee_digest(referee *r, uint64_t value)
{
    r->digest = (r->digest ^ value) * 0x100000001b3u;
}

/* Two attempts of a task at a time only as speculation has it: on another executor, nobody else. */
static inline void referee_launch_again(referee *r, uint32_t executor, task_id id)
{
    int others = 0;
    for (uint32_t s = 0; s < SEATS_MAX; s++)
        for (size_t t = 0; t < r->seats[s].count; t++) {
            const task_id *other = &r->seats[s].tasks[t];
            if (other->stage != id.stage || other->partition != id.partition)
                continue;
            ASSERT(s != executor);
            ASSERT(r->conf.speculation);
            ASSERT((uint64_t)r->stages[id.stage].accepted_count * 1000 >=
                   (uint64_t)r->conf.speculation_quantile * r->stages[id.stage].task_count);
            ASSERT(!r->stages[id.stage].side_effects || r->conf.speculation_side_effects);
            others++;
        }
    ASSERT(others <= 1);
    r->copies += (size_t)others;
}

/* Elsewhere than where a task likes to be only if that executor is away or had its time. (One that
 * had trouble may be excluded, which is not seen from here.) */
static inline void referee_prefers(referee *r, uint32_t executor, stage_record *st, task_id id)
{
    uint32_t likes = st->preferred(st->preferred_arg, id.partition);
    if (likes >= SEATS_MAX || id.attempt > 0) /* what runs again likes to be anywhere */
        return;
    if (likes == executor) {
        st->local_ns[executor] = r->now_ns;
        return;
    }
    const seat *home = &r->seats[likes];
    ASSERT(!home->up || !home->clean || home->draining ||
           r->now_ns - st->local_ns[likes] >= r->conf.locality_wait_ns);
}

/* That an executor is excluded from a stage, or all are let in again, is told in notes. */
static inline void referee_note(referee *r, const char *note)
{
    const char *stage = strstr(note, " gets no more tasks of stage ");
    uint32_t id, executor;
    if (stage) {
        ASSERT(sscanf(note, "executor %" SCNu32, &executor) == 1 && executor < SEATS_MAX);
        ASSERT(sscanf(stage, " gets no more tasks of stage %" SCNu32, &id) == 1 && id < STAGES_MAX);
        stage_record *st = &r->stages[id];
        ASSERT(r->conf.exclude_failures);
        ASSERT(st->accepted_count > 0);
        ASSERT(!st->excluded[executor]);
        st->excluded[executor] = true;
    } else if (sscanf(note, "stage %" SCNu32 " fails on every executor", &id) == 1) {
        ASSERT(id < STAGES_MAX);
        memset(r->stages[id].excluded, 0, sizeof r->stages[id].excluded);
    }
}

static inline void referee_launch(referee *r, const command *c)
{
    seat *at = &r->seats[c->executor];
    ASSERT(c->executor < SEATS_MAX);
    ASSERT(c->count > 0);
    ASSERT(at->up);
    ASSERT(at->wanted);
    ASSERT(!at->draining);
    ASSERT(at->incarnation == c->incarnation);
    for (size_t i = 0; i < c->count; i++) {
        task_id id = c->tasks[i].id;
        ASSERT(id.stage < STAGES_MAX);
        stage_record *st = &r->stages[id.stage];
        ASSERT(st->planned);
        ASSERT(!st->forgotten);
        ASSERT(!r->jobs[st->job_id].done);
        ASSERT(id.partition < st->task_count);
        ASSERT(!st->accepted[id.partition]);
        ASSERT(!st->excluded[c->executor]);
        if (st->preferred)
            referee_prefers(r, c->executor, st, id);
        ASSERT(id.attempt == st->launched[id.partition]++);
        for (uint32_t p = 0; p < st->parent_count; p++)
            ASSERT(r->stages[st->parents[p]].accepted_count ==
                   r->stages[st->parents[p]].task_count);
        if (id.attempt > 0)
            referee_launch_again(r, c->executor, id);
        if (at->count == at->capacity) {
            at->capacity = at->capacity ? at->capacity * 2 : 16;
            at->tasks = realloc(at->tasks, at->capacity * sizeof *at->tasks);
            ASSERT(at->tasks);
        }
        at->tasks[at->count++] = id;
        st->held++;
        r->launches++;
        referee_digest(r, id.stage);
        referee_digest(r, id.partition);
    }
    ASSERT(at->count <= at->slots + r->conf.prefetch_tasks_max);
}

static inline void referee_answer(referee *r, const command *c)
{
    size_t i = (size_t)(c->outcome - r->event->outcomes);
    ASSERT(r->event->kind == EVENT_OUTCOMES);
    ASSERT(i < r->event->outcome_count);
    ASSERT(!r->answered[i]);
    r->answered[i] = true;
    referee_digest(r, i);
    const outcome *o = c->outcome;
    stage_record *st = &r->stages[o->id.stage % STAGES_MAX];
    if (c->kind == COMMAND_DISCARD) {
        r->discards++;
        if (r->live[i] && o->status != OUTCOME_OK)
            r->seats[r->event->executor].clean = false;
        return;
    }
    job_record *j = &r->jobs[st->job_id];
    r->accepts++;
    ASSERT(r->live[i]);
    ASSERT(o->status == OUTCOME_OK);
    ASSERT(c->job_id == st->job_id);
    ASSERT(!j->done);
    ASSERT(!st->accepted[o->id.partition]);
    st->accepted[o->id.partition] = true;
    st->accepted_count++;
    j->accepted_size += o->result_size;
}

static inline void referee_job_done(referee *r, const command *c)
{
    ASSERT(c->job_id < JOBS_MAX);
    job_record *j = &r->jobs[c->job_id];
    ASSERT(j->submitted);
    ASSERT(!j->done);
    j->done = true;
    j->error = *c->error;
    for (uint32_t i = 0; i < j->stage_count; i++) {
        stage_record *st = &r->stages[j->stage_first + i];
        ASSERT(st->held == 0);
        ASSERT(st->forgotten == st->planned);
        if (c->error->code == RDD_OK)
            ASSERT(st->accepted_count == st->task_count);
    }
    if (c->error->code != RDD_OK)
        ASSERT(c->error->job == c->job_id && c->error->message[0]);
}

static inline void referee_cancel_task(referee *r, const command *c)
{
    const seat *at = &r->seats[c->executor];
    bool holds = false;
    ASSERT(at->up);
    ASSERT(at->incarnation == c->incarnation);
    ASSERT(c->task.stage == c->stage);
    ASSERT(r->stages[c->stage].accepted[c->task.partition]);
    for (size_t t = 0; t < at->count; t++)
        holds |= task_id_equal(at->tasks[t], c->task);
    /* Or it did, until later outcomes of the same event. */
    holds |= r->event->kind == EVENT_OUTCOMES && r->event->executor == c->executor;
    ASSERT(holds);
}

static inline uint32_t referee_wanted(const referee *r)
{
    uint32_t wanted = 0;
    for (int i = 0; i < SEATS_MAX; i++)
        wanted += r->seats[i].wanted;
    return wanted;
}

/* It is of no more account, whatever comes. */
static inline void referee_release_executor(referee *r, const command *c)
{
    seat *at = &r->seats[c->executor];
    ASSERT(at->count == 0);
    ASSERT(at->added);
    ASSERT(!at->up || at->incarnation == c->incarnation);
    bool spare = at->wanted && !at->draining && at->clean;
    ASSERT(!spare || referee_wanted(r) > r->conf.executors_min);
    ASSERT(!spare || r->conf.executors_max);
    at->up = at->wanted = false;
}

static inline void referee_command(referee *r, const command *c)
{
    referee_digest(r, c->kind);
    referee_digest(r, c->executor);
    stage_record *st = c->stage < STAGES_MAX ? &r->stages[c->stage] : NULL;
    bool holds = false;
    switch (c->kind) {
    case COMMAND_PLAN:
        ASSERT(st && !st->planned);
        ASSERT(c->job_id == st->job_id);
        st->planned = true;
        for (int i = 0; i < SEATS_MAX; i++)
            st->local_ns[i] = r->now_ns;
        break;
    case COMMAND_FORGET:
        ASSERT(st && st->planned);
        ASSERT(!st->forgotten);
        st->forgotten = true;
        break;
    case COMMAND_LAUNCH:
        referee_launch(r, c);
        break;
    case COMMAND_CANCEL:
        r->cancels++;
        ASSERT(r->seats[c->executor].up);
        ASSERT(r->seats[c->executor].incarnation == c->incarnation);
        for (size_t t = 0; t < r->seats[c->executor].count; t++)
            holds |= r->seats[c->executor].tasks[t].stage == c->stage;
        /* Or it did, until later outcomes of the same event. */
        holds |= r->event->kind == EVENT_OUTCOMES && r->event->executor == c->executor;
        ASSERT(holds);
        break;
    case COMMAND_CANCEL_TASK: /* its twin was accepted */
        r->task_cancels++;
        referee_cancel_task(r, c);
        break;
    case COMMAND_START:
        r->starts++;
        ASSERT(r->seats[c->executor].added);
        ASSERT(!r->seats[c->executor].wanted);
        ASSERT(!r->seats[c->executor].draining);
        r->seats[c->executor].wanted = true;
        ASSERT(!r->conf.executors_max || referee_wanted(r) <= r->conf.executors_max);
        break;
    case COMMAND_RELEASE:
        r->releases++;
        referee_release_executor(r, c);
        break;
    case COMMAND_REPLACE:
        r->replaces++;
        ASSERT(r->seats[c->executor].up);
        ASSERT(r->seats[c->executor].incarnation == c->incarnation);
        r->seats[c->executor].clean = false;
        break;
    case COMMAND_ACCEPT:
    case COMMAND_DISCARD:
        referee_answer(r, c);
        break;
    case COMMAND_JOB_DONE:
        referee_job_done(r, c);
        break;
    case COMMAND_NOTE:
        r->notes++;
        r->note = *c->error;
        ASSERT(c->error->message[0]);
        referee_note(r, c->error->message);
        break;
    }
}

/* -- Steps ------------------------------------------------------------------------------------ */

/* The tasks that the event's outcomes end; they are live if their executor has them. */
static inline void referee_outcomes(referee *r, const event *e)
{
    if (e->outcome_count > r->answered_capacity) {
        r->answered_capacity = e->outcome_count;
        r->answered = realloc(r->answered, e->outcome_count);
        r->live = realloc(r->live, e->outcome_count);
        ASSERT(r->answered && r->live);
    }
    seat *at = &r->seats[e->executor];
    bool current = at->up && at->incarnation == e->incarnation;
    for (size_t i = 0; i < e->outcome_count; i++) {
        task_id id = e->outcomes[i].id;
        r->answered[i] = r->live[i] = false;
        for (size_t t = 0; current && t < at->count; t++) {
            if (memcmp(&at->tasks[t], &id, sizeof id) != 0)
                continue;
            r->live[i] = true;
            at->count--;
            memmove(&at->tasks[t], &at->tasks[t + 1], (at->count - t) * sizeof id);
            r->stages[id.stage].held--;
            break;
        }
    }
}

static inline void referee_lose(referee *r, uint32_t executor)
{
    seat *at = &r->seats[executor];
    for (size_t t = 0; t < at->count; t++)
        r->stages[at->tasks[t].stage].held--;
    at->count = 0;
    at->up = at->clean = false;
}

/* A new job. Its stage ids must be consecutive. */
static inline void referee_register(referee *r, const job_spec *spec)
{
    ASSERT(spec->job_id < JOBS_MAX);
    job_record *j = &r->jobs[spec->job_id];
    *j = (job_record){ .submitted = true, .stage_first = spec->stages[0].id,
                       .stage_count = spec->stage_count };
    for (uint32_t i = 0; i < spec->stage_count; i++) {
        const stage_spec *from = &spec->stages[i];
        ASSERT(from->id < STAGES_MAX);
        ASSERT(from->id == j->stage_first + i);
        ASSERT(from->parent_count <= ARRAY_SIZE(r->stages[0].parents));
        stage_record *st = &r->stages[from->id];
        *st = (stage_record){ .job_id = spec->job_id, .task_count = from->task_count,
                              .parent_count = from->parent_count,
                              .side_effects = from->has_side_effects,
                              .preferred = from->preferred,
                              .preferred_arg = from->preferred_arg,
                              .launched = calloc(from->task_count + 1, sizeof(uint32_t)),
                              .accepted = calloc(from->task_count + 1, sizeof(bool)) };
        ASSERT(st->launched && st->accepted);
        for (uint32_t p = 0; p < from->parent_count; p++)
            st->parents[p] = spec->stages[from->parents[p]].id;
    }
}

/* One event, which stays the caller's (its outcomes' errors too); r->out has the commands. */
static inline void referee_step(referee *r, event *e)
{
    seat *at = &r->seats[e->executor];
    r->event = e;
    if (e->kind == EVENT_JOB_SUBMIT)
        referee_register(r, e->job);
    if (e->kind == EVENT_OUTCOMES)
        referee_outcomes(r, e);
    if (e->kind == EVENT_EXECUTOR_LOST && at->up && at->incarnation == e->incarnation)
        referee_lose(r, e->executor);
    if (e->kind == EVENT_EXECUTOR_UP && (!at->up || at->incarnation < e->incarnation)) {
        bool was_known = at->known;
        referee_lose(r, e->executor);
        at->up = at->known = true;
        at->wanted |= !at->added;
        at->clean |= !was_known;
        at->incarnation = e->incarnation;
        at->slots = e->slots;
    }
    if (e->kind == EVENT_EXECUTOR_ADDED) {
        at->added = true;
        at->draining = false;
    } else if (e->kind == EVENT_EXECUTOR_DRAIN) {
        at->draining = at->added = true;
    }
    if (e->kind == EVENT_EXECUTOR_LOST)
        at->clean = false;
    if (e->kind == EVENT_EXECUTOR_LOST && e->gone && !at->up)
        at->wanted = false;
    ASSERT(scheduler_step(r->s, e, r->now_ns, &r->out) == 0);
    for (size_t i = 0; i < r->out.count; i++)
        referee_command(r, &r->out.items[i]);
    for (size_t i = 0; e->kind == EVENT_OUTCOMES && i < e->outcome_count; i++)
        ASSERT(r->answered[i]);
    if (!r->lazy)
        scheduler_check(r->s);
    r->event = NULL;
}

static inline void referee_up(referee *r, uint32_t executor, uint32_t slots)
{
    seat *at = &r->seats[executor];
    event e = { .kind = EVENT_EXECUTOR_UP, .executor = executor, .slots = slots,
                .incarnation = at->known ? at->incarnation + 1 : 0 };
    referee_step(r, &e);
}

static inline void referee_lost(referee *r, uint32_t executor, const char *why)
{
    event e = { .kind = EVENT_EXECUTOR_LOST, .executor = executor,
                .incarnation = r->seats[executor].incarnation };
    error_set(&e.error, RDD_E_LOST, "%s", why);
    referee_step(r, &e);
}

static inline void referee_added(referee *r, uint32_t executor)
{
    referee_step(r, &(event){ .kind = EVENT_EXECUTOR_ADDED, .executor = executor });
}

static inline void referee_drain(referee *r, uint32_t executor)
{
    referee_step(r, &(event){ .kind = EVENT_EXECUTOR_DRAIN, .executor = executor });
}

static inline void referee_tick(referee *r, uint64_t now_ns)
{
    event e = { .kind = EVENT_TICK };
    r->now_ns = u64_max(r->now_ns, now_ns);
    referee_step(r, &e);
}

static inline void referee_cancel(referee *r, uint32_t job_id, rdd_code code, const char *why)
{
    event e = { .kind = EVENT_JOB_CANCEL, .job_id = job_id };
    error_set(&e.error, code, "%s", why);
    referee_step(r, &e);
}

static inline void referee_stop(referee *r)
{
    event e = { .kind = EVENT_STOP };
    referee_step(r, &e);
}

/* Takes the spec over. */
static inline void referee_submit(referee *r, job_spec *spec)
{
    event e = { .kind = EVENT_JOB_SUBMIT, .job = spec };
    referee_step(r, &e);
    ASSERT(!e.job);
}

/* One outcome of what an executor holds, or of anything else. */
static inline void referee_outcome(referee *r, uint32_t executor, task_id id, outcome_status status,
                                   const char *why)
{
    outcome o = { .id = id, .status = status, .metrics.run_ns = NS_PER_MS };
    event e = { .kind = EVENT_OUTCOMES, .executor = executor, .outcomes = &o, .outcome_count = 1,
                .incarnation = r->seats[executor].incarnation };
    if (why) {
        rdd_error error;
        error_set(&error, status == OUTCOME_CRASHED ? RDD_E_CRASH : RDD_E_USER, "%s", why);
        outcome_set_error(&o, status, &error);
    }
    referee_step(r, &e);
    outcome_release(&o);
}

#endif
