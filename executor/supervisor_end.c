#include "supervisor_parts.h"

#include "clock.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

/* What one look at a dead worker tells. */
typedef struct verdict {
    char text[700];        /* "worker was killed by signal 9 (SIGKILL) in operator …" */
    task_id *running;      /* what its slots ran, of the tasks that have no outcome yet */
    uint32_t running_count;
    bool charged;          /* running[0] did it */
} verdict;

/* "in operator f (x.c:12)" needs the plan; it is decoded for this only. */
static void label_of(supervisor *s, uint32_t stage, uint32_t node, char *text, size_t size)
{
    text[0] = 0;
    plan *p;
    const stage_plan *known = supervisor_plan(s, stage);
    if (!known || plan_decode(&p, known->bytes.data, known->bytes.size, NULL) < 0)
        return;
    snprintf(text, size, "%s", plan_node_label(p, node));
    plan_free(p);
}

static bool has_task(const worker *w, task_id id)
{
    for (size_t i = 0; i < w->task_count; i++)
        if (task_id_equal(w->tasks[w->task_first + i].id, id))
            return true;
    return false;
}

/* Why it ended itself. Nobody else may have written there, but it runs user code. */
static void describe_reason(const board *b, char *text, size_t size)
{
    char reason[BOARD_REASON_SIZE] = "";
    memcpy(reason, b->reason, sizeof reason - 1);
    for (char *c = reason; *c; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    snprintf(text, size, "worker ended: %s", reason);
}

/* What the wait status says, without a report from inside. */
static void describe_status(const worker_end *end, char *text, size_t size)
{
    if (WIFEXITED(end->wait_status)) {
        snprintf(text, size, "worker exited with status %d", WEXITSTATUS(end->wait_status));
        return;
    }
    char name[32], cause[128] = "";
    int number = WTERMSIG(end->wait_status);
    if (number == SIGKILL && end->oom_kills > end->oom_kills_before && end->oom_kills_before >= 0)
        snprintf(cause, sizeof cause,
                 " \xe2\x80\x94 out of memory? (cgroup oom_kill went from %lld to %lld)",
                 (long long)end->oom_kills_before, (long long)end->oom_kills);
    snprintf(text, size, "worker was killed by signal %d (%s)%s", number,
             crash_signal_name(number, name, sizeof name), cause);
}

/* The place on the board of the one slot that ran a task. */
static void describe_only_slot(supervisor *s, const worker *w, char *text, size_t size)
{
    for (uint32_t i = 0; i < w->slots; i++) {
        task_id id;
        if (!board_running(w->board, i, &id) || !has_task(w, id))
            continue;
        const slot_state *slot = &w->board->slots[i].state;
        crash_report place = { .slot = i, .stage = id.stage, .partition = id.partition };
        place.node = atomic_load_explicit(&slot->node, memory_order_relaxed);
        place.batch = atomic_load_explicit(&slot->batch, memory_order_relaxed);
        char label[256];
        label_of(s, place.stage, place.node, label, sizeof label);
        crash_describe_place(&place, label, text, size);
        return;
    }
}

static void use_report(supervisor *s, const worker *w, verdict *v)
{
    crash_report report = w->board->crash;
    char label[256] = "", what[512];
    task_id id = { report.stage, report.partition, report.attempt };
    v->charged = report.slot < w->slots && has_task(w, id);
    if (report.slot != CRASH_NO_SLOT)
        label_of(s, report.stage, report.node, label, sizeof label);
    crash_describe(&report, label, what, sizeof what);
    snprintf(v->text, sizeof v->text, "worker crashed: %s", what);
    if (v->charged)
        v->running[0] = id;
}

static void find_running(const worker *w, verdict *v)
{
    for (uint32_t i = 0; i < w->slots; i++) {
        task_id id;
        if (board_running(w->board, i, &id) && has_task(w, id))
            v->running[v->running_count++] = id;
    }
}

static void look_at(supervisor *s, worker *w, const worker_end *end, verdict *v)
{
    find_running(w, v);
    if (atomic_load_explicit(&w->board->crash.progress, memory_order_acquire) == CRASH_COMPLETE) {
        use_report(s, w, v);
        return;
    }
    if (w->kill_reason.code) {
        v->charged = v->running_count == 1;
        snprintf(v->text, sizeof v->text, "worker was killed: %.600s",
                 w->kill_reason.message);
        return;
    }
    char what[BOARD_REASON_SIZE + 32], place[300] = "";
    bool told = atomic_load(&w->board->reason_given) && WIFEXITED(end->wait_status);
    if (told)
        describe_reason(w->board, what, sizeof what);
    else
        describe_status(end, what, sizeof what);
    v->charged = v->running_count == 1 && !w->cancel_kill;
    if (v->charged)
        describe_only_slot(s, w, place, sizeof place);
    bool began = told || w->ready || v->running_count; /* its greeting may not have left any more */
    snprintf(v->text, sizeof v->text, "%s%s%s", what, place,
             began ? "" : " before it was ready (rdd_init must come first in main)");
}

static bool is_suspect(const verdict *v, task_id id)
{
    for (uint32_t i = 0; i < v->running_count && !v->charged; i++)
        if (task_id_equal(v->running[i], id))
            return true;
    return false;
}

static void answer(supervisor *s, task_id id, outcome_status status, bool suspect,
                   const char *text)
{
    outcome o = { .id = id, .status = status, .suspect = suspect };
    rdd_error err;
    error_set(&err, status == OUTCOME_CRASHED ? RDD_E_CRASH : RDD_E_LOST, "%s", text);
    err.stage = id.stage;
    err.partition = id.partition;
    err.attempt = id.attempt;
    if (status != OUTCOME_CANCELLED)
        outcome_set_error(&o, status, &err);
    supervisor_add_outcome(s, &o);
    outcome_release(&o);
}

/* Each task that it had gets its outcome. */
static void answer_all(supervisor *s, worker *w, const verdict *v)
{
    for (size_t i = 0; i < w->task_count; i++) {
        const handed_task *t = &w->tasks[w->task_first + i];
        task_id id = t->id;
        if (v->charged && task_id_equal(id, v->running[0]))
            answer(s, id, OUTCOME_CRASHED, false, v->text);
        else if (w->cancel_kill && t->kill_at_ns != CLOCK_NEVER)
            answer(s, id, OUTCOME_CANCELLED, false, v->text);
        else
            answer(s, id, OUTCOME_LOST, !w->cancel_kill && is_suspect(v, id), v->text);
    }
}

void supervisor_judge_end(supervisor *s, worker *w, const worker_end *end)
{
    CLEANUP(freep) task_id *running = calloc(w->slots, sizeof *running);
    verdict v = { .running = running };
    if (!running) {
        supervisor_stop(s, "out of memory when a worker ended");
        return;
    }
    look_at(s, w, end, &v);
    answer_all(s, w, &v);
    bool cancelled = w->cancel_kill && !v.charged;
    if (cancelled)
        supervisor_notice(s, "a cancelled task did not stop within task.kill_grace: its worker was "
                             "killed and started again");
    else
        supervisor_notice(s, "%s; a new one is started", v.text);
    w->useful = w->useful || v.charged || cancelled || v.running_count > 1;
    error_set(&w->kill_reason, RDD_E_CRASH, "%s", v.text);
    w->task_count = 0;
}
