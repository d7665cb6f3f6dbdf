/* simulate_node.c: virtual executors.
 *
 * A node starts the tasks of its queue in order, one per slot. What a task does is its nature
 * (simulate_job.c). Outcomes gather in an outbox, travel in batches, and may be delayed, doubled or
 * pass one another. A node that dies takes its outbox along; batches that are on their way arrive
 * before the news of its death, or after, or never.
 */
#include "simulate/simulate.h"

#include <inttypes.h>
#include <stdio.h>

static void node_start(sim *s, uint32_t index);

static void plan_executor_event(sim *s, uint64_t at_ns, event_kind kind, uint32_t index)
{
    event *e = event_new(kind);
    ASSERT(e);
    e->executor = index;
    sim_plan_event(s, at_ns, e);
}

void nodes_begin(sim *s)
{
    s->node_count = 1 + (uint32_t)sim_below(s, sim_chance(s, 50) ? 3 : NODES_MAX);
    uint32_t deaths = s->plain || sim_chance(s, 40) ? 0 : (uint32_t)sim_below(s, 12);
    for (uint32_t i = 0; i < s->node_count; i++) {
        node *n = &s->nodes[i];
        n->slots = 1 + (uint32_t)sim_below(s, NODE_SLOTS_MAX);
        n->slowness = !s->plain && sim_chance(s, 20) ? 1 + (double)sim_below(s, 10) : 1;
        n->retires = sim_chance(s, 10);
        n->broken = !s->plain && s->fault_percent && sim_chance(s, 15);
        n->on_demand = s->elastic || (!s->plain && sim_chance(s, 15));
        n->wanted = !n->on_demand;
        n->incarnation = UINT32_MAX; /* the first one is 0 */
        n->up_ns = n->down_ns = 1;
        uint64_t late = s->plain || sim_chance(s, 70) ? 0 : sim_below(s, 3 * NS_PER_S);
        if (n->on_demand)
            plan_executor_event(s, 1 + late, EVENT_EXECUTOR_ADDED, i);
        else
            sim_plan(s, (happening){ .at_ns = 1 + late, .kind = HAPPENS_RETURN, .node = i });
        if (!s->drains || !sim_chance(s, 50))
            continue;
        uint64_t drain_ns = 1 + late + sim_below(s, 3 * NS_PER_S);
        plan_executor_event(s, drain_ns, EVENT_EXECUTOR_DRAIN, i);
        if (sim_chance(s, 50)) /* and it is back */
            plan_executor_event(s, drain_ns + sim_below(s, NS_PER_S), EVENT_EXECUTOR_ADDED, i);
    }
    for (uint32_t i = 0; i < deaths; i++) {
        happening end = { .at_ns = 1 + sim_below(s, 4 * NS_PER_S), .kind = HAPPENS_DEATH,
                          .node = (uint32_t)sim_below(s, s->node_count) };
        if (sim_chance(s, 30)) { /* it is cut off, and given up after a while */
            happening cut = end;
            cut.kind = HAPPENS_SILENCE;
            sim_plan(s, cut);
            end.at_ns += sim_about(s, NS_PER_S);
        }
        sim_plan(s, end);
    }
}

static void outbox_clear(node *n)
{
    for (size_t i = 0; i < n->outbox_count; i++)
        outcome_release(&n->outbox[i]);
    n->outbox_count = 0;
}

void nodes_release(sim *s)
{
    for (uint32_t i = 0; i < s->node_count; i++) {
        outbox_clear(&s->nodes[i]);
        free(s->nodes[i].outbox);
        free(s->nodes[i].queue);
    }
}

void node_return(sim *s, uint32_t index)
{
    node *n = &s->nodes[index];
    if (n->alive || !n->wanted)
        return;
    n->alive = true;
    n->incarnation++;
    event *e = event_new(EVENT_EXECUTOR_UP);
    ASSERT(e);
    e->executor = index;
    e->incarnation = n->incarnation;
    e->slots = n->slots;
    n->up_ns = u64_max(n->up_ns, sim_now(s) + sim_about(s, s->network_ns));
    sim_plan_event(s, n->up_ns, e);
}

void node_die(sim *s, uint32_t index, const char *why)
{
    node *n = &s->nodes[index];
    n->alive = false;
    n->queue_count = 0;
    n->flush_planned = n->silent = false;
    outbox_clear(n);
    memset(n->slot, 0, sizeof n->slot);
    event *e = event_new(EVENT_EXECUTOR_LOST);
    ASSERT(e);
    e->executor = index;
    e->incarnation = n->incarnation;
    error_set(&e->error, RDD_E_LOST, "%s", why);
    /* The news may overtake outcomes that are on their way; those may also be gone. */
    if (sim_chance(s, 40))
        n->dropped_below = (uint64_t)n->incarnation + 1;
    uint64_t at_ns = sim_now(s) + sim_about(s, s->network_ns);
    if (sim_chance(s, 50))
        at_ns = u64_max(at_ns, n->up_ns);
    n->up_ns = at_ns;
    sim_plan_event(s, at_ns, e);
    e->gone = n->retires && !strcmp(why, "switched off") && sim_chance(s, 50);
    if (e->gone)
        n->wanted = false;
    if (n->wanted && (!n->retires || strcmp(why, "switched off")))
        sim_plan(s, (happening){ .at_ns = at_ns + sim_about(s, 300 * NS_PER_MS),
                                 .kind = HAPPENS_RETURN, .node = index });
}

/* The backend's part: it starts what is wanted. */
void node_start_executor(sim *s, uint32_t index)
{
    s->nodes[index].wanted = true;
    sim_plan(s, (happening){ .at_ns = sim_now(s) + sim_about(s, 100 * NS_PER_MS),
                             .kind = HAPPENS_RETURN, .node = index });
}

void node_release(sim *s, uint32_t index)
{
    node *n = &s->nodes[index];
    n->wanted = false;
    if (n->alive)
        node_die(s, index, "released");
}

/* -- Outcomes --------------------------------------------------------------------------------- */

static outcome *node_say(sim *s, uint32_t index, task_id id, outcome_status status)
{
    node *n = &s->nodes[index];
    if (n->outbox_count == n->outbox_capacity) {
        n->outbox_capacity = n->outbox_capacity ? 2 * n->outbox_capacity : 16;
        n->outbox = realloc(n->outbox, n->outbox_capacity * sizeof *n->outbox);
        ASSERT(n->outbox);
    }
    outcome *o = &n->outbox[n->outbox_count++];
    *o = (outcome){ .id = id, .status = status };
    if (!n->flush_planned) {
        n->flush_planned = true;
        sim_plan(s, (happening){ .at_ns = sim_now(s) + s->flush_ns, .kind = HAPPENS_FLUSH,
                                 .node = index, .incarnation = n->incarnation });
    }
    return o;
}

static void node_say_why(sim *s, uint32_t index, task_id id, outcome_status status)
{
    outcome *o = node_say(s, index, id, status);
    rdd_error error;
    error_set(&error, status == OUTCOME_CRASHED ? RDD_E_CRASH : RDD_E_USER,
              "cause of %" PRIu32 ".%" PRIu32 ".%" PRIu32, id.stage, id.partition, id.attempt);
    outcome_set_error(o, status, &error);
}

static event *outcomes_copy(const event *from)
{
    event *e = event_new(EVENT_OUTCOMES);
    ASSERT(e);
    e->executor = from->executor;
    e->incarnation = from->incarnation;
    e->outcome_count = from->outcome_count;
    e->outcomes = calloc(from->outcome_count, sizeof *e->outcomes);
    ASSERT(e->outcomes);
    for (size_t i = 0; i < e->outcome_count; i++) {
        e->outcomes[i] = from->outcomes[i];
        e->outcomes[i].error = NULL;
        if (from->outcomes[i].error)
            outcome_set_error(&e->outcomes[i], from->outcomes[i].status, from->outcomes[i].error);
    }
    return e;
}

bool node_lost_its_words(const sim *s, const event *e)
{
    return e->kind == EVENT_OUTCOMES && e->incarnation < s->nodes[e->executor].dropped_below;
}

void node_flush(sim *s, uint32_t index)
{
    node *n = &s->nodes[index];
    n->flush_planned = false;
    if (n->silent)
        return;
    event all = { .executor = index, .incarnation = n->incarnation, .outcomes = n->outbox,
                  .outcome_count = n->outbox_count };
    uint64_t at_ns = sim_now(s) + sim_about(s, s->network_ns);
    if (s->reorders && sim_chance(s, 20))
        at_ns += sim_about(s, 20 * s->network_ns);
    else if (!s->reorders)
        at_ns = n->up_ns = u64_max(n->up_ns, at_ns);
    sim_plan_event(s, at_ns, outcomes_copy(&all));
    if (s->doubles && sim_chance(s, 20))
        sim_plan_event(s, at_ns + sim_about(s, 10 * s->network_ns), outcomes_copy(&all));
    outbox_clear(n);
}

/* -- Tasks ------------------------------------------------------------------------------------ */

void node_take(sim *s, uint32_t index, const task_id *tasks, size_t count)
{
    node *n = &s->nodes[index];
    if (n->queue_count + count > n->queue_capacity) {
        n->queue_capacity = 2 * (n->queue_count + count);
        n->queue = realloc(n->queue, n->queue_capacity * sizeof *n->queue);
        ASSERT(n->queue);
    }
    memcpy(n->queue + n->queue_count, tasks, count * sizeof *tasks);
    n->queue_count += count;
    node_start(s, index);
}

static void slot_ends_at(sim *s, uint32_t index, node_slot *slot, uint64_t at_ns)
{
    slot->token = ++s->tokens;
    sim_plan(s, (happening){ .at_ns = at_ns, .kind = HAPPENS_TASK_END, .node = index,
                             .incarnation = s->nodes[index].incarnation, .number = slot->token });
}

static void node_start(sim *s, uint32_t index)
{
    node *n = &s->nodes[index];
    size_t taken = 0;
    for (uint32_t i = 0; i < n->slots && taken < n->queue_count; i++) {
        node_slot *slot = &n->slot[i];
        if (slot->busy)
            continue;
        *slot = (node_slot){ .busy = true, .id = n->queue[taken++], .started_ns = sim_now(s) };
        uint64_t run_ns = sim_about(s, sim_stage_of(s, slot->id)->run_ns);
        if (sim_chance(s, 2))
            run_ns *= 20; /* a straggler */
        run_ns = (uint64_t)((double)run_ns * n->slowness);
        sim_task_runs(s, slot->id, run_ns);
        if (sim_task_of(s, slot->id)->nature != NATURE_HANGS)
            slot_ends_at(s, index, slot, sim_now(s) + run_ns);
    }
    n->queue_count -= taken;
    memmove(n->queue, n->queue + taken, n->queue_count * sizeof *n->queue);
}

void node_cancel(sim *s, uint32_t index, uint32_t stage)
{
    node *n = &s->nodes[index];
    size_t kept = 0;
    for (size_t i = 0; i < n->queue_count; i++) {
        if (n->queue[i].stage == stage)
            node_say(s, index, n->queue[i], OUTCOME_CANCELLED);
        else
            n->queue[kept++] = n->queue[i];
    }
    n->queue_count = kept;
    for (uint32_t i = 0; i < n->slots; i++) {
        node_slot *slot = &n->slot[i];
        if (!slot->busy || slot->id.stage != stage || sim_chance(s, 20))
            continue; /* does not listen: ends when it ends, or not at all */
        slot->stopping = true;
        slot_ends_at(s, index, slot, sim_now(s) + sim_about(s, NS_PER_MS));
    }
}

void node_cancel_task(sim *s, uint32_t index, task_id id)
{
    node *n = &s->nodes[index];
    for (size_t i = 0; i < n->queue_count; i++) {
        if (!task_id_equal(n->queue[i], id))
            continue;
        node_say(s, index, id, OUTCOME_CANCELLED);
        n->queue_count--;
        memmove(&n->queue[i], &n->queue[i + 1], (n->queue_count - i) * sizeof id);
        return;
    }
    for (uint32_t i = 0; i < n->slots; i++) {
        node_slot *slot = &n->slot[i];
        if (!slot->busy || !task_id_equal(slot->id, id) || sim_chance(s, 20))
            continue;
        slot->stopping = true;
        slot_ends_at(s, index, slot, sim_now(s) + sim_about(s, NS_PER_MS));
    }
}

/* A worker process is gone, with all that ran in it. */
static void node_crash(sim *s, uint32_t index, task_id culprit, bool named)
{
    node *n = &s->nodes[index];
    uint32_t running = 0;
    for (uint32_t i = 0; i < n->slots; i++)
        running += n->slot[i].busy;
    named |= running == 1 && sim_chance(s, 50); /* then there is no doubt */
    for (uint32_t i = 0; i < n->slots; i++) {
        node_slot *slot = &n->slot[i];
        if (!slot->busy)
            continue;
        if (named && !memcmp(&slot->id, &culprit, sizeof culprit))
            node_say_why(s, index, slot->id, OUTCOME_CRASHED);
        else
            node_say(s, index, slot->id, OUTCOME_LOST)->suspect = !named;
        slot->busy = false;
    }
}

void node_task_end(sim *s, uint32_t index, uint64_t token)
{
    node *n = &s->nodes[index];
    node_slot *slot = n->slot;
    while (slot < n->slot + n->slots && !(slot->busy && slot->token == token))
        slot++;
    if (slot == n->slot + n->slots)
        return;
    task_id id = slot->id;
    sim_task *t = sim_task_of(s, id);
    nature what = t->nature != NATURE_GOOD && t->bad < t->times ? t->nature : NATURE_GOOD;
    if (n->broken && what == NATURE_GOOD && sim_chance(s, 90))
        what = NATURE_FAILS;
    if (slot->stopping && what != NATURE_KILLS) {
        node_say(s, index, id, OUTCOME_CANCELLED);
        slot->busy = false;
    } else if (what == NATURE_KILLS) {
        t->bad++;
        node_die(s, index, "killed by a task");
        return;
    } else if (what == NATURE_CRASHES || what == NATURE_VANISHES) {
        t->bad++;
        node_crash(s, index, id, what == NATURE_CRASHES);
    } else if (what == NATURE_FAILS) {
        t->bad++;
        node_say_why(s, index, id, OUTCOME_FAILED);
        slot->busy = false;
    } else {
        outcome *o = node_say(s, index, id, OUTCOME_OK);
        o->metrics.run_ns = sim_now(s) - slot->started_ns;
        o->result_size = id.partition % 7;
        slot->busy = false;
    }
    node_start(s, index);
}
