/* simulate.c: the scheduler against random clusters in virtual time.
 *
 *   simulate [COUNT [SEED]]     runs COUNT seeds from SEED on (default: 1000 from a random one)
 *   simulate -v SEED            runs one and prints what happens
 *
 * Every step is checked by the scheduler's own invariants and by the referee, every job's end by
 * what its tasks did. Each sixteenth seed runs twice and must give the same commands. On a failure
 * the seed is printed; the same program with `-v SEED` shows what led to it.
 */
#include "simulate/simulate.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/random.h>

enum { HAPPENINGS_MAX = 5000000 };

static volatile uint64_t seed_now;

/* -- Randomness and time ---------------------------------------------------------------------- */

uint64_t sim_random(sim *s)
{
    uint64_t z = s->random += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint64_t sim_below(sim *s, uint64_t limit)
{
    return sim_random(s) % limit;
}

bool sim_chance(sim *s, uint32_t percent)
{
    return sim_below(s, 100) < percent;
}

uint64_t sim_about(sim *s, uint64_t ns)
{
    return ns / 2 + sim_below(s, ns + 1);
}

static bool before(const happening *a, const happening *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->sequence < b->sequence;
}

void sim_plan(sim *s, happening h)
{
    if (s->heap_count == s->heap_capacity) {
        s->heap_capacity = s->heap_capacity ? 2 * s->heap_capacity : 64;
        s->heap = realloc(s->heap, s->heap_capacity * sizeof *s->heap);
        ASSERT(s->heap);
    }
    ASSERT(h.at_ns >= sim_now(s));
    h.sequence = s->sequence++;
    size_t at = s->heap_count++;
    for (; at > 0 && before(&h, &s->heap[(at - 1) / 2]); at = (at - 1) / 2)
        s->heap[at] = s->heap[(at - 1) / 2];
    s->heap[at] = h;
}

static happening sim_next(sim *s)
{
    happening first = s->heap[0], last = s->heap[--s->heap_count];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < s->heap_count; at = child) {
        if (child + 1 < s->heap_count && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &last))
            break;
        s->heap[at] = s->heap[child];
    }
    s->heap[at] = last;
    return first;
}

void sim_plan_event(sim *s, uint64_t at_ns, event *e)
{
    sim_plan(s, (happening){ .at_ns = at_ns, .kind = HAPPENS_EVENT, .event = e });
}

/* -- The scheduler ---------------------------------------------------------------------------- */

/* The link to a node keeps the order. */
static void send_down(sim *s, happening h)
{
    node *n = &s->nodes[h.node];
    n->down_ns = u64_max(n->down_ns, sim_now(s) + sim_about(s, s->network_ns));
    h.at_ns = n->down_ns;
    sim_plan(s, h);
}

static void carry_out(sim *s, const command *c)
{
    happening h = { .node = c->executor, .incarnation = c->incarnation };
    switch (c->kind) {
    case COMMAND_LAUNCH:
        h.kind = HAPPENS_TASKS;
        h.number = c->count;
        h.tasks = calloc(c->count, sizeof *h.tasks);
        ASSERT(h.tasks);
        for (size_t i = 0; i < c->count; i++)
            h.tasks[i] = c->tasks[i].id;
        send_down(s, h);
        break;
    case COMMAND_CANCEL:
        h.kind = HAPPENS_CANCEL;
        h.number = c->stage;
        send_down(s, h);
        break;
    case COMMAND_CANCEL_TASK:
        h.kind = HAPPENS_CANCEL_TASK;
        h.tasks = calloc(1, sizeof *h.tasks);
        ASSERT(h.tasks);
        h.tasks[0] = c->task;
        send_down(s, h);
        break;
    case COMMAND_REPLACE:
        h.kind = HAPPENS_REPLACE;
        send_down(s, h);
        break;
    case COMMAND_START:
        h.kind = HAPPENS_START;
        send_down(s, h);
        break;
    case COMMAND_RELEASE:
        h.kind = HAPPENS_RELEASE;
        send_down(s, h);
        break;
    default:
        break;
    }
}

static void print_step(const sim *s, const event *e)
{
    static const char *const events[] = { "up", "lost", "added", "drain", "outcomes", "submit",
                                          "cancel", "tick", "stop" };
    static const char *const commands[] = { "plan", "forget", "launch", "cancel", "cancel task",
                                            "start", "release", "replace", "accept", "discard",
                                            "job done", "note" };
    printf("%12.6f %s executor %" PRIu32 ".%" PRIu32 "\n", (double)sim_now(s) / 1e9,
           events[e->kind], e->executor, e->incarnation);
    for (size_t i = 0; e->kind == EVENT_OUTCOMES && i < e->outcome_count; i++)
        printf("%20s %" PRIu32 ".%" PRIu32 ".%" PRIu32 " status %d\n", "outcome",
               e->outcomes[i].id.stage, e->outcomes[i].id.partition, e->outcomes[i].id.attempt,
               (int)e->outcomes[i].status);
    for (size_t i = 0; i < s->world.out.count; i++) {
        const command *c = &s->world.out.items[i];
        printf("%20s -> %s executor %" PRIu32 " stage %" PRIu32 " job %d %s\n", "",
               commands[c->kind], c->executor, c->stage, (int)c->job_id,
               c->error ? c->error->message : "");
        for (size_t t = 0; t < c->count; t++)
            printf("%26s %" PRIu32 ".%" PRIu32 ".%" PRIu32 "\n", "", c->tasks[t].id.stage,
                   c->tasks[t].id.partition, c->tasks[t].id.attempt);
    }
}

static void sim_step(sim *s, event *e)
{
    jobs_before(s, e);
    referee_step(&s->world, e);
    s->steps++;
    if (s->verbose)
        print_step(s, e);
    jobs_after(s, e);
    for (size_t i = 0; i < s->world.out.count; i++)
        carry_out(s, &s->world.out.items[i]);
    uint64_t deadline_ns = scheduler_next_deadline(s->world.s);
    if (deadline_ns != CLOCK_NEVER && deadline_ns != s->tick_ns) {
        s->tick_ns = deadline_ns;
        sim_plan(s, (happening){ .at_ns = u64_max(deadline_ns, sim_now(s)),
                                 .kind = HAPPENS_TICK });
    }
}

static void happen(sim *s, happening *h)
{
    node *n = &s->nodes[h->node];
    bool reaches = n->alive && n->incarnation == h->incarnation;
    s->world.now_ns = h->at_ns;
    switch (h->kind) {
    case HAPPENS_EVENT:
        if (!node_lost_its_words(s, h->event))
            sim_step(s, h->event);
        break;
    case HAPPENS_TICK:
        s->tick_ns = CLOCK_NEVER;
        sim_step(s, &(event){ .kind = EVENT_TICK });
        break;
    case HAPPENS_TASKS:
        if (reaches)
            node_take(s, h->node, h->tasks, h->number);
        break;
    case HAPPENS_CANCEL:
        if (reaches)
            node_cancel(s, h->node, (uint32_t)h->number);
        break;
    case HAPPENS_CANCEL_TASK:
        if (reaches)
            node_cancel_task(s, h->node, h->tasks[0]);
        break;
    case HAPPENS_START:
        node_start_executor(s, h->node);
        break;
    case HAPPENS_RELEASE:
        node_release(s, h->node);
        break;
    case HAPPENS_REPLACE:
        if (reaches)
            node_die(s, h->node, "replaced");
        break;
    case HAPPENS_TASK_END:
        if (reaches)
            node_task_end(s, h->node, h->number);
        break;
    case HAPPENS_FLUSH:
        if (reaches)
            node_flush(s, h->node);
        break;
    case HAPPENS_SILENCE:
        n->silent = n->alive;
        break;
    case HAPPENS_DEATH:
        if (n->alive)
            node_die(s, h->node, "switched off");
        break;
    case HAPPENS_RETURN:
        node_return(s, h->node);
        break;
    }
    free(h->tasks);
    event_free(h->event);
}

/* -- One seed --------------------------------------------------------------------------------- */

static scheduler_conf random_conf(sim *s)
{
    scheduler_conf conf = scheduler_conf_default();
    conf.attempts_max = 1 + (uint32_t)sim_below(s, 4);
    conf.losses_max = 6 + (uint32_t)sim_below(s, 11);
    conf.suspect_losses = 1 + (uint32_t)sim_below(s, 2);
    conf.prefetch_tasks_max = sim_chance(s, 20) ? 8 : 4096;
    conf.prefetch_ns = sim_chance(s, 10) ? 0 : 2 * NS_PER_MS;
    conf.nodes_wait_ns = sim_about(s, 20 * NS_PER_S);
    conf.cancel_wait_ns = 2 * NS_PER_S;
    conf.exclude_failures = (uint32_t)sim_below(s, 4);
    conf.exclude_stages = (uint32_t)sim_below(s, 3);
    conf.exclude_ns = sim_chance(s, 50) ? 60 * NS_PER_S : sim_about(s, NS_PER_S);
    conf.locality_wait_ns = sim_chance(s, 20) ? 0 : sim_about(s, 300 * NS_PER_MS);
    conf.fair = sim_chance(s, 40);
    conf.pools = "a=1 b=3 c=2:4";
    conf.speculation = sim_chance(s, 50) && !s->plain; /* judge_time() knows of no copies */
    conf.speculation_side_effects = sim_chance(s, 20);
    conf.speculation_quantile = (uint32_t)sim_below(s, 1001);
    conf.speculation_multiplier = 1000 + (uint32_t)sim_below(s, 2000);
    conf.speculation_min_ns = sim_chance(s, 50) ? 0 : sim_about(s, 50 * NS_PER_MS);
    if (!s->elastic) {
        conf.executors_expected = s->plain || sim_chance(s, 30) ? 0 : 1 + (uint32_t)sim_below(s, NODES_MAX);
        return conf;
    }
    conf.executors_max = 1 + (uint32_t)sim_below(s, NODES_MAX);
    conf.executors_min = (uint32_t)sim_below(s, conf.executors_max + 1);
    conf.executors_idle_ns = sim_about(s, 500 * NS_PER_MS);
    conf.executors_backlog_ns = sim_about(s, 200 * NS_PER_MS);
    return conf;
}

static void sim_release(sim *s)
{
    for (size_t i = 0; i < s->heap_count; i++) {
        free(s->heap[i].tasks);
        event_free(s->heap[i].event);
    }
    free(s->heap);
    nodes_release(s);
    jobs_release(s);
    referee_release(&s->world);
    free(s);
}

/* Returns a digest of all commands. */
static uint64_t sim_run(uint64_t seed, bool verbose, size_t *steps, scheduler_counters *counters)
{
    sim *s = calloc(1, sizeof *s);
    ASSERT(s);
    seed_now = seed;
    s->seed = s->random = seed;
    s->verbose = verbose;
    s->plain = sim_chance(s, 15);
    s->elastic = !s->plain && sim_chance(s, 30);
    s->drains = !s->plain && sim_chance(s, 30);
    scheduler_conf conf = random_conf(s);
    referee_init(&s->world, &conf);
    s->tick_ns = CLOCK_NEVER;
    s->reorders = !s->plain && sim_chance(s, 50);
    s->doubles = !s->plain && sim_chance(s, 30);
    s->fault_percent = s->plain || sim_chance(s, 30) ? 0 : (uint32_t)sim_below(s, 25);
    s->network_ns = sim_chance(s, 50) ? 20 * NS_PER_US : sim_about(s, 3 * NS_PER_MS);
    s->flush_ns = sim_chance(s, 50) ? 0 : 200 * NS_PER_US;
    nodes_begin(s);
    jobs_begin(s);
    if (!s->plain && sim_chance(s, 5)) {
        event *stop = event_new(EVENT_STOP);
        ASSERT(stop);
        sim_plan_event(s, sim_below(s, 2 * NS_PER_S) + 1, stop);
    }
    while (s->heap_count) {
        happening h = sim_next(s);
        happen(s, &h);
        ASSERT(++s->happened < HAPPENINGS_MAX); /* it goes round in circles */
    }
    jobs_judge(s);
    ASSERT(scheduler_is_idle(s->world.s));
    *steps += s->steps;
    *counters = scheduler_count(s->world.s);
    uint64_t digest = s->world.digest;
    sim_release(s);
    return digest;
}

/* -- main ------------------------------------------------------------------------------------- */

static void on_abort(int signal_number)
{
    (void)signal_number;
    char text[96];
    int size = snprintf(text, sizeof text, "simulate: failed with seed %" PRIu64
                        "; to see it: simulate -v %" PRIu64 "\n", seed_now, seed_now);
    if (write(STDERR_FILENO, text, (size_t)size) < 0)
        _exit(2);
    _exit(1);
}

static uint64_t number(const char *text)
{
    char *end;
    uint64_t n = strtoull(text, &end, 0);
    if (!*text || *end) {
        fprintf(stderr, "usage: simulate [COUNT [SEED]] | simulate -v SEED\n");
        exit(2);
    }
    return n;
}

static void report(size_t steps, const scheduler_counters *all)
{
    printf("%zu steps; jobs: %" PRIu64 " done, %" PRIu64 " failed; attempts: %" PRIu64
           " launched, %" PRIu64 " accepted, %" PRIu64 " failed, %" PRIu64 " crashed, %" PRIu64
           " lost, %" PRIu64 " cancelled, %" PRIu64 " alone; %" PRIu64 " stale outcomes\n",
           steps, all->jobs_done, all->jobs_failed, all->launched, all->accepted, all->failed,
           all->crashed, all->lost, all->cancelled, all->alone, all->stale);
    printf("executors: %" PRIu64 " lost, %" PRIu64 " replaced, %" PRIu64 " started, %" PRIu64
           " released, %" PRIu64 " excluded; %" PRIu64 " copies, %" PRIu64 " were faster; %" PRIu64
           " tasks at home\n", all->executors_lost, all->executors_replaced,
           all->executors_started, all->executors_released, all->excluded, all->copies,
           all->copies_won, all->local);
}

/* A simulation in which something never happens proves nothing about it. */
static void expect_all(const scheduler_counters *all)
{
    const uint64_t *counts = (const uint64_t *)(const void *)all;
    for (size_t i = 0; i < sizeof *all / sizeof *counts; i++)
        if (counts[i] < 10) {
            fprintf(stderr, "simulate: what counter %zu counts hardly ever happened\n", i);
            exit(1);
        }
}

int main(int argc, char **argv)
{
    bool verbose = argc == 3 && !strcmp(argv[1], "-v");
    uint64_t count = verbose || argc < 2 ? (verbose ? 1 : 1000) : number(argv[1]), first = 0;
    if (argc > 2)
        first = number(argv[2]);
    else if (getrandom(&first, 6, 0) < 0)
        first = (uint64_t)getpid();
    setvbuf(stdout, NULL, _IOLBF, 0); /* complete when it aborts */
    signal(SIGABRT, on_abort);
    scheduler_counters all = { 0 };
    size_t steps = 0;
    printf("%" PRIu64 " seeds from %" PRIu64 "\n", count, first);
    for (uint64_t i = 0; i < count; i++) {
        scheduler_counters one;
        uint64_t digest = sim_run(first + i, verbose, &steps, &one);
        if (i % 16 == 0)
            ASSERT(sim_run(first + i, false, &(size_t){ 0 }, &one) == digest);
        for (size_t c = 0; c < sizeof all / sizeof(uint64_t); c++)
            ((uint64_t *)(void *)&all)[c] += ((uint64_t *)(void *)&one)[c];
    }
    report(steps, &all);
    if (count >= 1000)
        expect_all(&all);
    return 0;
}
