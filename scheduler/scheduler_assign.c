/* scheduler_assign.c: which task goes where. Called at the end of every step.
 *
 * First the free slots: executors that have some stand in a list, and take turns, so that a few
 * tasks spread over many executors. Then the executor that the event came from gets tasks to queue
 * beyond its slots, so that it need not wait for the driver after each short one.
 *
 * Stages with waiting tasks stand in another list, in the order in which they are served. One whose
 * task does not fit an executor lets the next one have it; one that merely has no room in the queue
 * does not, or a flood of short tasks would keep out the slow ones that came first.
 */
#include "scheduler_state.h"

static void fill_slots(scheduler *s);
static void fill_queue(scheduler *s, executor *x);
static void assign_suspects(scheduler *s, executor *told);

void assign(scheduler *s, executor *told)
{
    if (s->suspects)
        assign_suspects(s, told);
    fill_slots(s);
    if (s->runnable_news) {
        for (uint32_t i = 0; i < s->executor_count && s->waiting; i++)
            fill_queue(s, &s->executors[i]);
        s->runnable_news = false;
    } else if (told && s->waiting) {
        fill_queue(s, told);
    }
    fill_slots(s); /* a queue may have taken those that stood before one that fits a free slot */
}

/* -- Stages that have tasks to hand out -------------------------------------------------------- */

/* Whose turn it is: first in, first out. Fair pools would compare their shares here. */
static bool runnable_before(const stage *a, const stage *b)
{
    if (a->job != b->job)
        return a->job->sequence < b->job->sequence;
    return a->index < b->index;
}

/* Mostly to the end, so the search begins there. */
void runnable_add(scheduler *s, stage *st)
{
    ASSERT(!st->runnable);
    stage *after = s->runnable_last;
    while (after && runnable_before(st, after))
        after = after->runnable_previous;
    st->runnable = true;
    st->runnable_previous = after;
    st->runnable_next = after ? after->runnable_next : s->runnable_first;
    *(after ? &after->runnable_next : &s->runnable_first) = st;
    *(st->runnable_next ? &st->runnable_next->runnable_previous : &s->runnable_last) = st;
    s->waiting += stage_waiting(st);
}

void runnable_remove(scheduler *s, stage *st)
{
    ASSERT(st->runnable);
    *(st->runnable_previous ? &st->runnable_previous->runnable_next : &s->runnable_first) =
        st->runnable_next;
    *(st->runnable_next ? &st->runnable_next->runnable_previous : &s->runnable_last) =
        st->runnable_previous;
    st->runnable = false;
    s->waiting -= stage_waiting(st);
}

static void queue_push(stage *st, trouble_queue *q, uint32_t index)
{
    st->troubles[index].next = INDEX_NONE;
    *(q->last == INDEX_NONE ? &q->first : &st->troubles[q->last].next) = index;
    q->last = index;
    q->count++;
}

/* Takes out `index`, which comes behind `previous`; that is INDEX_NONE for the first. */
static void queue_remove(stage *st, trouble_queue *q, uint32_t previous, uint32_t index)
{
    uint32_t next = st->troubles[index].next;
    *(previous == INDEX_NONE ? &q->first : &st->troubles[previous].next) = next;
    if (q->last == index)
        q->last = previous;
    q->count--;
}

void task_wait_again(scheduler *s, stage *st, uint32_t trouble_index)
{
    trouble *t = &st->troubles[trouble_index];
    st->tasks[t->partition] = task_word_of(TASK_WAITING, trouble_index);
    if (t->suspect) {
        queue_push(st, &st->suspects, trouble_index);
        s->suspects++;
        if (st->suspects.count > 1)
            return;
        st->suspects_previous = s->suspects_last;
        st->suspects_next = NULL;
        *(s->suspects_last ? &s->suspects_last->suspects_next : &s->suspects_first) = st;
        s->suspects_last = st;
        return;
    }
    queue_push(st, t->watched ? &st->watched : &st->retries, trouble_index);
    if (st->runnable)
        s->waiting++;
    else
        runnable_add(s, st);
}

static void suspects_unlink(scheduler *s, stage *st)
{
    *(st->suspects_previous ? &st->suspects_previous->suspects_next : &s->suspects_first) =
        st->suspects_next;
    *(st->suspects_next ? &st->suspects_next->suspects_previous : &s->suspects_last) =
        st->suspects_previous;
}

void stage_withdraw(scheduler *s, stage *st)
{
    if (st->runnable)
        runnable_remove(s, st);
    if (!st->suspects.count)
        return;
    suspects_unlink(s, st);
    s->suspects -= st->suspects.count;
    st->suspects.count = 0;
    for (uint32_t i = 0; i < s->executor_count && s->reserved - s->alone > s->suspects; i++)
        if (s->executors[i].reserved && !s->executors[i].alone)
            executor_unreserve(s, &s->executors[i]);
}

/* -- Launching --------------------------------------------------------------------------------- */

/* Not where it failed, if there is another place. */
static bool trouble_fits(const scheduler *s, const trouble *t, const executor *x)
{
    return t->failed_on != executor_index(s, x) || s->usable == (uint32_t)x->usable;
}

/* Room for `count` flights, of which some may be on the free list. */
static int flights_reserve(scheduler *s, size_t count)
{
    if (count <= s->flight_capacity - s->flight_count)
        return 0;
    flight *grown = array_grow(s->flights, s->flight_count, &s->flight_capacity, count,
                               sizeof *grown);
    if (!grown)
        return RDD_E_MEMORY;
    s->flights = grown;
    return 0;
}

/* Room is reserved for the flight and for the command's task. */
static flight *flight_begin(scheduler *s, executor *x, stage *st, uint32_t partition,
                            uint32_t trouble_index)
{
    uint32_t index = s->flight_free, attempt = 0;
    if (index != INDEX_NONE)
        s->flight_free = s->flights[index].next;
    else
        index = (uint32_t)s->flight_count++;
    if (UNLIKELY(trouble_index != INDEX_NONE))
        attempt = st->troubles[trouble_index].attempts++;
    flight *f = &s->flights[index];
    *f = (flight){
        .stage = st, .partition = partition, .attempt = attempt, .trouble = trouble_index,
        .executor = executor_index(s, x), .previous = x->last, .next = INDEX_NONE,
    };
    *(x->last == INDEX_NONE ? &x->first : &s->flights[x->last].next) = index;
    x->last = index;
    st->tasks[partition] = task_word_of(TASK_FLYING, index);

    const stage_spec *spec = st->spec;
    task_spec *task = &s->out->tasks[s->out->task_count++];
    task->id = (task_id){ spec->id, partition, attempt };
    task->payload = spec->payloads ? spec->payloads[partition]
                    : spec->payload ? spec->payload(spec->payload_arg, partition)
                                    : (rdd_str){ 0, NULL };
    return f;
}

static void flights_began(scheduler *s, executor *x, stage *st, uint32_t count)
{
    x->flying += count;
    st->flying += count;
    st->job->flying += count;
    s->flying += count;
    s->counters.launched += count;
}

/* The next one that fits x, of those that wait longest, or INDEX_NONE; what it comes behind. */
static uint32_t queue_find(const scheduler *s, const stage *st, const trouble_queue *q,
                           const executor *x, uint32_t *ret_previous)
{
    uint32_t at = q->first;
    *ret_previous = INDEX_NONE;
    for (int looked = 0; at != INDEX_NONE; looked++) {
        if (trouble_fits(s, &st->troubles[at], x))
            return at;
        if (looked == LOOK_AHEAD)
            return INDEX_NONE;
        *ret_previous = at;
        at = st->troubles[at].next;
    }
    return INDEX_NONE;
}

static uint32_t queue_launch(scheduler *s, stage *st, trouble_queue *q, executor *x, uint32_t max)
{
    uint32_t count = 0, at, previous;
    for (; count < max && (at = queue_find(s, st, q, x, &previous)) != INDEX_NONE; count++) {
        queue_remove(st, q, previous, at);
        flight_begin(s, x, st, st->troubles[at].partition, at);
    }
    return count;
}

/* Up to `max` tasks of one stage onto x: those that run again, then fresh ones. */
static uint32_t stage_launch(scheduler *s, stage *st, executor *x, uint32_t max)
{
    uint32_t count = queue_launch(s, st, &st->watched, x, max);
    count += queue_launch(s, st, &st->retries, x, max - count);
    uint32_t fresh = (uint32_t)size_min(max - count, st->spec->task_count - st->fresh);
    for (uint32_t i = 0; i < fresh; i++)
        flight_begin(s, x, st, st->fresh++, INDEX_NONE);
    count += fresh;
    s->waiting -= count;
    flights_began(s, x, st, count);
    if (!stage_waiting(st))
        runnable_remove(s, st);
    return count;
}

bool stage_fits(const scheduler *s, const stage *st, const executor *x)
{
    uint32_t previous;
    return st->fresh < st->spec->task_count ||
           queue_find(s, st, &st->watched, x, &previous) != INDEX_NONE ||
           queue_find(s, st, &st->retries, x, &previous) != INDEX_NONE;
}

/* How many tasks of this stage x may have queued beyond its slots. */
static uint32_t queue_limit(const scheduler *s, const executor *x, const stage *st)
{
    if (st->watched.count) /* let it drain, so that they get slots */
        return 0;
    if (!st->done) /* nobody knows yet how long they take, and other executors may still come up */
        return 0;
    uint64_t in_time = s->conf.prefetch_ns * x->slots / u64_max(st->run_ns_average, 1);
    return (uint32_t)u64_min(u64_min(in_time, st->done), s->conf.prefetch_tasks_max);
}

/* Up to `max` tasks, of whichever stages are due. With `queue` they will wait behind the slots. */
static uint32_t executor_give(scheduler *s, executor *x, uint32_t max, bool queue)
{
    max = (uint32_t)u64_min(max, s->waiting);
    if (!command_tasks_reserve(s, max))
        return 0;
    if (flights_reserve(s, max) < 0) {
        rdd_error error;
        error_set_memory(&error, "tasks were launched");
        job_fail(s, s->runnable_first->job, &error);
        return 0;
    }
    uint32_t given = 0;
    for (stage *st = s->runnable_first, *next; st && given < max; st = next) {
        next = st->runnable_next;
        uint32_t room = max - given;
        if (queue) {
            uint32_t limit = queue_limit(s, x, st), queued = x->flying - x->slots;
            room = limit > queued ? (uint32_t)size_min(room, limit - queued) : 0;
        }
        uint32_t count = room ? stage_launch(s, st, x, room) : 0;
        given += count;
        if (queue && count == room && st->runnable && stage_fits(s, st, x))
            break;
    }
    if (!given)
        return 0;
    command *last = s->out->count ? &s->out->items[s->out->count - 1] : NULL;
    if (last && last->kind == COMMAND_LAUNCH && last->executor == executor_index(s, x)) {
        last->count += given;
    } else {
        command *c = command_add(s, COMMAND_LAUNCH);
        c->executor = executor_index(s, x);
        c->incarnation = x->incarnation;
        c->count = given;
    }
    executor_update(s, x);
    return given;
}

/* An equal share for each, until nobody takes any more. */
static void fill_slots(scheduler *s)
{
    uint32_t tries = s->free_count;
    while (tries && s->waiting) {
        executor *x = &s->executors[s->free_first];
        uint64_t share = u64_max(s->waiting / s->free_count, 1);
        uint32_t given = executor_give(s, x, (uint32_t)u64_min(share, x->slots - x->flying), false);
        if (x->is_free)
            executor_last(s, x);
        tries = given ? s->free_count : tries - 1;
    }
}

static void fill_queue(scheduler *s, executor *x)
{
    uint32_t max = x->slots + s->conf.prefetch_tasks_max;
    if (x->usable && !x->reserved && x->flying >= x->slots && x->flying < max)
        executor_give(s, x, max - x->flying, true);
}

/* -- Suspects ---------------------------------------------------------------------------------- */

/* The emptiest one, rather not where the oldest suspect failed. */
static executor *suspects_choose(scheduler *s)
{
    const stage *st = s->suspects_first;
    const trouble *oldest = &st->troubles[st->suspects.first];
    executor *best = NULL;
    for (uint32_t i = 0; i < s->executor_count; i++) {
        executor *x = &s->executors[i];
        if (!x->usable || x->reserved)
            continue;
        bool fits = trouble_fits(s, oldest, x), best_fits = best && trouble_fits(s, oldest, best);
        if (!best || fits > best_fits || (fits == best_fits && x->flying < best->flying))
            best = x;
    }
    return best;
}

/* x is empty: the oldest suspect that fits, or else the oldest. */
static void suspect_launch(scheduler *s, executor *x)
{
    stage *st = s->suspects_first;
    if (!command_tasks_reserve(s, 1))
        return;
    if (flights_reserve(s, 1) < 0) {
        rdd_error error;
        error_set_memory(&error, "a task was launched");
        job_fail(s, st->job, &error);
        return;
    }
    uint32_t previous, at = queue_find(s, st, &st->suspects, x, &previous);
    if (at == INDEX_NONE) {
        previous = INDEX_NONE;
        at = st->suspects.first;
    }
    queue_remove(st, &st->suspects, previous, at);
    s->suspects--;
    if (!st->suspects.count)
        suspects_unlink(s, st);
    x->alone = true;
    s->alone++;
    s->counters.alone++;
    flight_begin(s, x, st, st->troubles[at].partition, at)->alone = true;
    flights_began(s, x, st, 1);
    command *c = command_add(s, COMMAND_LAUNCH);
    c->executor = executor_index(s, x);
    c->incarnation = x->incarnation;
    c->count = 1;
}

/* Half of the executors at most are kept for suspects. A reserved one takes no other tasks, and
 * gets its suspect when it has finished those it has. */
static void assign_suspects(scheduler *s, executor *told)
{
    if (told && told->reserved && !told->alone && !told->flying)
        suspect_launch(s, told);
    while (s->suspects > s->reserved - s->alone && s->reserved < (s->usable + 1) / 2) {
        executor *x = suspects_choose(s);
        if (!x)
            break;
        executor_reserve(s, x);
        if (!x->flying)
            suspect_launch(s, x);
    }
}
