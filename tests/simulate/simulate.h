/* simulate.h: a cluster in virtual time around the real scheduler, all of it from one seed.
 *
 *   simulate.c        main: runs seeds, the loop of happenings, the scheduler's commands
 *   simulate_node.c   virtual executors: queues, slots, crashes, deaths, links that delay
 *   simulate_job.c    random jobs, what each of their tasks will do, and what may come of a job
 *
 * A happening is something that takes place at a moment of virtual time. Nothing else moves time.
 * The referee judges the scheduler's commands; this program adds whether each job ended as it had
 * to.
 */
#ifndef RDD_SIMULATE_H
#define RDD_SIMULATE_H

#include "simulate/referee.h"

enum { NODES_MAX = 8, NODE_SLOTS_MAX = 4, SIM_JOBS_MAX = 6, SIM_STAGES_MAX = 6 };

typedef enum happening_kind {
    HAPPENS_EVENT, /* reaches the scheduler: event */
    HAPPENS_TICK,
    HAPPENS_TASKS,    /* reach a node: tasks */
    HAPPENS_CANCEL,   /* reaches a node: number is the stage */
    HAPPENS_CANCEL_TASK, /* reaches a node: tasks[0] */
    HAPPENS_REPLACE,  /* reaches a node */
    HAPPENS_START,    /* a node is wanted */
    HAPPENS_RELEASE,  /* or not any more */
    HAPPENS_TASK_END, /* on a node: number is the slot's token */
    HAPPENS_FLUSH,    /* a node sends the outcomes it has */
    HAPPENS_SILENCE,  /* nothing comes from a node any more, until it is given up */
    HAPPENS_DEATH,    /* a node dies */
    HAPPENS_RETURN,   /* a node comes up */
} happening_kind;

typedef struct happening {
    uint64_t at_ns, sequence;
    happening_kind kind;
    uint32_t node, incarnation;
    uint64_t number;
    task_id *tasks;
    event *event;
} happening;

typedef struct node_slot {
    bool busy, stopping;
    task_id id;
    uint64_t token; /* of the TASK_END that ends it; others are void */
    uint64_t started_ns;
} node_slot;

typedef struct node {
    bool alive, replaceable, retires;
    bool wanted;        /* comes up, again and again */
    bool on_demand;     /* was not there at first, or starts when it is told to */
    bool broken;        /* most tasks fail there */
    uint32_t incarnation, slots, deaths_left;
    double slowness;
    node_slot slot[NODE_SLOTS_MAX];
    task_id *queue;
    size_t queue_count, queue_capacity;
    outcome *outbox;
    size_t outbox_count, outbox_capacity;
    bool flush_planned, silent;
    uint64_t down_ns, up_ns; /* when the link to it, and from it, delivered last */
    uint64_t dropped_below;  /* outcomes of older incarnations get lost on their way */
} node;

/* What a task does when it runs; `times` says how often before it succeeds. */
typedef enum nature {
    NATURE_GOOD,
    NATURE_FAILS,    /* with an error */
    NATURE_CRASHES,  /* takes its worker along, the supervisor names it */
    NATURE_VANISHES, /* takes its worker along, nobody is named: all that run are suspects */
    NATURE_KILLS,    /* takes the whole executor along */
    NATURE_HANGS,    /* never ends; only in jobs that get cancelled */
} nature;

typedef struct sim_task {
    uint8_t nature, times;
    uint16_t bad;       /* attempts that ended by its nature and reached the scheduler */
    uint16_t charged;   /* attempts that may have been charged: an upper bound */
    uint16_t lost;      /* attempts that were lost, whatever was to blame */
    int32_t first;      /* attempt of the first failure, -1: none, -2: it is not certain */
} sim_task;

typedef struct sim_stage {
    uint32_t id, task_count;
    uint64_t run_ns; /* of an ordinary task */
    uint32_t seed;      /* of where its tasks like to be */
    sim_task *tasks;
    uint32_t parents[SIM_STAGES_MAX];
} sim_stage;

typedef struct sim_job {
    uint32_t stage_count, attempts_max;
    sim_stage stages[SIM_STAGES_MAX];
    uint64_t result_size_max, cancel_ns;
    char pool[8];
    uint64_t submitted_ns, longest_run_ns, run_ns; /* run: of all attempts */
    bool submitted, cancelled, judged, doomed; /* doomed: some task never succeeds */
} sim_job;

typedef struct sim {
    referee world;
    uint64_t seed, random;
    happening *heap;
    size_t heap_count, heap_capacity;
    uint64_t sequence, tokens, tick_ns;
    size_t happened, steps;
    /* what this seed is like */
    bool plain; /* nothing goes wrong, one job of one stage: it must not take long */
    bool reorders, doubles, stopped;
    bool elastic, drains; /* executors are started on demand; some are drained */
    uint32_t fault_percent; /* of tasks */
    uint64_t network_ns, flush_ns;
    uint32_t node_count, job_count;
    node nodes[NODES_MAX];
    sim_job jobs[SIM_JOBS_MAX];
    bool verbose;
} sim;

/* -- simulate.c ------------------------------------------------------------------------------- */

uint64_t sim_random(sim *s);
uint64_t sim_below(sim *s, uint64_t limit);
bool sim_chance(sim *s, uint32_t percent);
/* Between a half and one and a half of it. */
uint64_t sim_about(sim *s, uint64_t ns);
void sim_plan(sim *s, happening h);
void sim_plan_event(sim *s, uint64_t at_ns, event *e);

static inline uint64_t sim_now(const sim *s)
{
    return s->world.now_ns;
}

/* -- simulate_node.c -------------------------------------------------------------------------- */

void nodes_begin(sim *s);
void nodes_release(sim *s);
void node_return(sim *s, uint32_t index);
void node_die(sim *s, uint32_t index, const char *why);
void node_take(sim *s, uint32_t index, const task_id *tasks, size_t count);
void node_cancel(sim *s, uint32_t index, uint32_t stage);
void node_cancel_task(sim *s, uint32_t index, task_id id);
void node_start_executor(sim *s, uint32_t index);
void node_release(sim *s, uint32_t index);
void node_task_end(sim *s, uint32_t index, uint64_t token);
void node_flush(sim *s, uint32_t index);
/* Whether this event gets lost on its way. */
bool node_lost_its_words(const sim *s, const event *e);

/* -- simulate_job.c --------------------------------------------------------------------------- */

void jobs_begin(sim *s);
void jobs_release(sim *s);
sim_task *sim_task_of(sim *s, task_id id);
const sim_stage *sim_stage_of(sim *s, task_id id);
void sim_task_runs(sim *s, task_id id, uint64_t run_ns);
/* The scheduler was told this; before and after its step. */
void jobs_before(sim *s, const event *e);
void jobs_after(sim *s, const event *e);
/* All jobs ended, each in a way that it may. */
void jobs_judge(sim *s);

#endif
