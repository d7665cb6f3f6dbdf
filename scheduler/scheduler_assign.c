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
static void fill_rest(scheduler *s);

void assign(scheduler *s, executor *told)
{
    if (s->suspects)
        suspects_assign(s, told);
    fill_slots(s);
    if (s->runnable_news) {
        for (uint32_t i = 0; i < s->executor_count && s->waiting; i++)
            fill_queue(s, &s->executors[i]);
        s->runnable_news = false;
    } else if (told && s->waiting) {
        fill_queue(s, told);
    }
    fill_slots(s); /* a queue may have taken those that stood before one that fits a free slot */
    if (s->free_count)
        fill_rest(s);
}

/* -- Stages that have tasks to hand out -------------------------------------------------------- */

/* First in, first out. (A fair scheduler walks the list: scheduler_pool.c.) */
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
    s->homed += st->homed;
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
    s->homed -= st->homed;
}

void queue_push(stage *st, trouble_queue *q, uint32_t index)
{
    st->troubles[index].next = INDEX_NONE;
    *(q->last == INDEX_NONE ? &q->first : &st->troubles[q->last].next) = index;
    q->last = index;
    q->count++;
}

void queue_remove(stage *st, trouble_queue *q, uint32_t previous, uint32_t index)
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
        suspects_add(s, st, trouble_index);
        return;
    }
    queue_push(st, t->watched ? &st->watched : &st->retries, trouble_index);
    if (st->runnable)
        s->waiting++;
    else
        runnable_add(s, st);
}

void stage_withdraw(scheduler *s, stage *st)
{
    if (st->runnable)
        runnable_remove(s, st);
    suspects_withdraw(s, st);
    copies_end(s, st);
}

/* -- Launching --------------------------------------------------------------------------------- */

bool trouble_fits(const scheduler *s, const stage *st, const trouble *t, const executor *x)
{
    return t->failed_on != executor_index(s, x) || stage_usable(s, st) == (uint32_t)x->usable;
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

bool launch_reserve(scheduler *s, stage *st, uint32_t count)
{
    if (!command_tasks_reserve(s, count))
        return false;
    if (flights_reserve(s, count) == 0)
        return true;
    rdd_error error;
    error_set_memory(&error, "tasks were launched");
    job_fail(s, st->job, &error);
    return false;
}

/* Room is reserved for the flight and for the command's task. */
flight *flight_begin(scheduler *s, executor *x, stage *st, uint32_t partition,
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
        .twin = INDEX_NONE, .launched_ns = s->now_ns,
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

void flights_began(scheduler *s, executor *x, stage *st, uint32_t count)
{
    x->flying += count;
    st->flying += count;
    st->job->flying += count;
    st->job->pool->flying += count;
    s->flying += count;
    s->counters.launched += count;
}

uint32_t queue_find(const scheduler *s, const stage *st, const trouble_queue *q, const executor *x,
                    uint32_t *ret_previous)
{
    uint32_t at = q->first;
    *ret_previous = INDEX_NONE;
    for (int looked = 0; at != INDEX_NONE; looked++) {
        if (trouble_fits(s, st, &st->troubles[at], x))
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
    if (stage_excludes(st, executor_index(s, x)))
        return 0;
    uint32_t count = queue_launch(s, st, &st->watched, x, max);
    count += queue_launch(s, st, &st->retries, x, max - count);
    uint32_t fresh = (uint32_t)size_min(max - count, st->spec->task_count - st->fresh);
    for (uint32_t i = 0; i < fresh; i++)
        flight_begin(s, x, st, st->fresh++, INDEX_NONE);
    count += fresh;
    if (UNLIKELY(st->homed))
        count += homes_launch(s, st, x, max - count);
    s->waiting -= count;
    flights_began(s, x, st, count);
    if (!stage_waiting(st))
        runnable_remove(s, st);
    return count;
}

bool stage_fits(const scheduler *s, const stage *st, const executor *x)
{
    uint32_t previous;
    if (stage_excludes(st, executor_index(s, x)))
        return false;
    return st->fresh < st->spec->task_count || (st->homed && homes_fit(s, st, x)) ||
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

/* Up to `max` tasks of the stage; how many of them there is room for is in `ret_room`. */
static uint32_t stage_give(scheduler *s, stage *st, executor *x, uint32_t given, uint32_t max,
                           bool queue, uint32_t *ret_room)
{
    uint32_t room = max - given;
    if (queue) {
        uint32_t limit = queue_limit(s, x, st), queued = x->flying - x->slots;
        room = limit > queued ? (uint32_t)size_min(room, limit - queued) : 0;
    }
    *ret_room = room;
    return room ? stage_launch(s, st, x, room) : 0;
}

static uint32_t give_in_order(scheduler *s, executor *x, uint32_t max, bool queue)
{
    uint32_t given = 0;
    for (stage *st = s->runnable_first, *next; st && given < max; st = next) {
        next = st->runnable_next;
        uint32_t room, count = stage_give(s, st, x, given, max, queue, &room);
        given += count;
        if (queue && count == room && st->runnable && stage_fits(s, st, x))
            break;
    }
    return given;
}

/* One by one, each to the stage that has least; all at once where there is but one. */
static uint32_t give_in_turns(scheduler *s, executor *x, uint32_t max, bool queue)
{
    uint32_t given = 0;
    stage *st;
    s->round++;
    while (given < max && (st = pool_turn(s))) {
        bool only = st == s->runnable_first && st == s->runnable_last;
        uint32_t upto = only ? max : given + 1;
        uint32_t room, count = stage_give(s, st, x, given, upto, queue, &room);
        given += count;
        if (!room && st->runnable && stage_fits(s, st, x))
            break; /* no others in the queue while it waits for a slot */
        if (!count)
            st->passed = s->round;
    }
    return given;
}

void launch_say(scheduler *s, executor *x, uint32_t count)
{
    command *last = s->out->count ? &s->out->items[s->out->count - 1] : NULL;
    if (last && last->kind == COMMAND_LAUNCH && last->executor == executor_index(s, x)) {
        last->count += count;
    } else {
        command *c = command_add(s, COMMAND_LAUNCH);
        c->executor = executor_index(s, x);
        c->incarnation = x->incarnation;
        c->count = count;
    }
    executor_update(s, x);
}

/* Up to `max` tasks, of whichever stages are due. With `queue` they will wait behind the slots. */
static uint32_t executor_give(scheduler *s, executor *x, uint32_t max, bool queue)
{
    max = (uint32_t)u64_min(max, s->waiting);
    if (!launch_reserve(s, s->runnable_first, max))
        return 0;
    uint32_t given = (s->conf.fair ? give_in_turns : give_in_order)(s, x, max, queue);
    if (given)
        launch_say(s, x, given);
    return given;
}

/* Slots are free that no waiting task fits: for stragglers, and later. */
static void fill_rest(scheduler *s)
{
    if (s->wanted)
        copies_assign(s);
    for (const stage *st = s->homed ? s->runnable_first : NULL; st; st = st->runnable_next)
        if (st->homed)
            homes_deadline(s, st);
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
