/* scheduler_exclude.c: executors on which a stage fails again and again; and when nobody is left.
 *
 * What counts is a row: attempts of one stage that failed on one executor with none that succeeded
 * there in between, while another executor finished some of the stage. So an executor without its
 * disk is found, tasks that fail everywhere or now and then exclude nobody, and neither does a
 * service that is down for all. When the last one would go too, it is the stage that fails: then all
 * get its tasks again, and what ends it are the attempts of a task.
 *
 * A stage remembers places, the executors on which it has failed: few, so they are walked.
 */
#include "scheduler_state.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

static place *place_find(const stage *st, uint32_t executor_index)
{
    for (size_t i = 0; i < st->place_count; i++)
        if (st->places[i].executor == executor_index)
            return &st->places[i];
    return NULL;
}

bool place_excludes(const stage *st, uint32_t executor_index)
{
    const place *p = place_find(st, executor_index);
    return p && p->excluded;
}

uint32_t stage_usable(const scheduler *s, const stage *st)
{
    uint32_t usable = s->usable;
    for (size_t i = 0; st->excluded_places && i < st->place_count; i++)
        usable -= st->places[i].excluded && s->executors[st->places[i].executor].usable;
    return usable;
}

void places_release(scheduler *s, stage *st)
{
    s->stage_exclusions -= st->excluded_places;
    for (size_t i = 0; i < st->place_count; i++)
        free(st->places[i].first);
    free(st->places);
    st->places = NULL;
    st->place_count = st->place_capacity = 0;
    st->excluded_places = 0;
}

void place_succeeded(stage *st, uint32_t executor_index)
{
    place *p = place_find(st, executor_index);
    if (p)
        p->failures_row = 0;
}

/* Without memory it is not remembered, and nobody excluded. */
static place *place_add(stage *st, uint32_t executor_index)
{
    place *p = place_find(st, executor_index);
    if (p)
        return p;
    if (st->place_count == st->place_capacity) {
        place *grown = array_grow(st->places, st->place_count, &st->place_capacity, 1,
                                  sizeof *grown);
        if (!grown)
            return NULL;
        st->places = grown;
    }
    p = &st->places[st->place_count++];
    *p = (place){ .executor = executor_index };
    return p;
}

static const char *node_of(const place *p)
{
    return p->first && p->first->node[0] ? p->first->node : "";
}

/* Too many stages in a while: from all of them. */
static void executor_excluded_again(scheduler *s, executor *x)
{
    if (x->stages_excluded && s->now_ns - x->stage_excluded_ns > s->conf.exclude_ns)
        x->stages_excluded = 0;
    x->stage_excluded_ns = s->now_ns;
    if (++x->stages_excluded < s->conf.exclude_stages || !s->conf.exclude_stages)
        return;
    char why[80];
    snprintf(why, sizeof why, "it was excluded from %" PRIu32 " stages", x->stages_excluded);
    executor_exclude(s, x, why);
    executor_update(s, x);
}

static void place_exclude(scheduler *s, stage *st, place *p)
{
    executor *x = &s->executors[p->executor];
    p->excluded = true;
    st->excluded_places++;
    s->stage_exclusions++;
    s->counters.excluded++;
    char name[24];
    snprintf(name, sizeof name, "executor %" PRIu32, p->executor);
    bool named = node_of(p)[0] && strcmp(node_of(p), name) != 0;
    scheduler_note(s, "%s%s%s%s gets no more tasks of stage %" PRIu32 ": %" PRIu32
                   " failed there in a row while others succeeded elsewhere, first: %s",
                   name, named ? " (" : "", named ? node_of(p) : "", named ? ")" : "",
                   st->spec->id, p->failures_row, p->first ? p->first->message : "");
    executor_excluded_again(s, x);
}

static void stage_forgive(scheduler *s, stage *st)
{
    if (st->excluded_places)
        scheduler_note(s, "stage %" PRIu32 " fails on every executor: all get tasks of it again",
                       st->spec->id);
    for (size_t i = 0; i < st->place_count; i++) {
        st->places[i].excluded = false;
        st->places[i].failures_row = 0;
    }
    s->stage_exclusions -= st->excluded_places;
    st->excluded_places = 0;
}

void place_failed(scheduler *s, stage *st, executor *x, const rdd_error *cause)
{
    place *p = s->conf.exclude_failures ? place_add(st, executor_index(s, x)) : NULL;
    if (!p || p->excluded)
        return;
    if (p->failures_row++ == 0) {
        p->done_before = st->done;
        if (!p->first)
            p->first = malloc(sizeof *p->first);
        if (p->first)
            *p->first = *cause;
    }
    if (p->failures_row < s->conf.exclude_failures || st->done == p->done_before)
        return;
    if (stage_usable(s, st) > (uint32_t)x->usable)
        place_exclude(s, st, p);
    else
        stage_forgive(s, st);
}

/* -- Nobody is left ---------------------------------------------------------------------------- */

enum { LISTED_MAX = 6, CAUSE_MAX = 160 };

void text_add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

/* ": executor 0: the connection was refused; executor 2: …", of those that had trouble. */
static void executors_list(const scheduler *s, char *text, size_t size)
{
    uint32_t listed = 0, more = 0;
    text[0] = 0;
    for (size_t i = 0; i < s->executor_count; i++) {
        const char *why = s->executors[i].trouble;
        if (!why)
            continue;
        if (listed++ >= LISTED_MAX)
            more++;
        else
            text_add(text, size, "%sexecutor %zu: %.*s", listed > 1 ? "; " : ": ", i, CAUSE_MAX, why);
    }
    if (more)
        text_add(text, size, "; and %" PRIu32 " more", more);
}

/* The error of jobs that have no executor; or false while they wait for one. */
static bool waited_in_vain(scheduler *s, rdd_error *ret)
{
    char wait[32], list[LISTED_MAX * (CAUSE_MAX + 32)];
    duration_text(s->conf.nodes_wait_ns, wait);
    if (s->known && s->excluded == s->known && s->known >= s->conf.executors_expected) {
        executors_list(s, list, sizeof list);
        error_set(ret, RDD_E_LOST, "every executor is excluded for %s, for it was lost or failed too "
                  "often%s", duration_text(s->conf.exclude_ns, wait), list);
        return true;
    }
    if (s->without_since_ns == CLOCK_NEVER) {
        s->without_since_ns = s->now_ns;
        if (s->came_up && s->conf.nodes_wait_ns)
            scheduler_note(s, "no executor is left; jobs wait %s for one (nodes.wait)", wait);
    }
    if (s->now_ns - s->without_since_ns < s->conf.nodes_wait_ns) {
        deadline_add(s, s->without_since_ns + s->conf.nodes_wait_ns);
        return false;
    }
    executors_list(s, list, sizeof list);
    const char *names = s->conf.executor_names ? s->conf.executor_names : "";
    error_set(ret, RDD_E_LOST, "%s %s for %s to come up (nodes.wait)%s%s%s",
              s->came_up ? "no executor is left, waited" : "waited", wait,
              s->came_up ? "one" : "the first executor", *names ? ", of " : "", names, list);
    return true;
}

/* Some are up, but none may have the stage's tasks. */
static bool stage_is_stuck(const scheduler *s, const stage *st)
{
    if (!st->excluded_places || st->state != STAGE_RUNNING || st->flying ||
        !(stage_waiting(st) + st->suspects.count))
        return false;
    uint32_t available = s->available;
    for (size_t i = 0; i < st->place_count; i++)
        available -= st->places[i].excluded && s->executors[st->places[i].executor].available;
    return available == 0;
}

static void stage_stuck(scheduler *s, stage *st)
{
    if (!st->stuck_since_ns)
        st->stuck_since_ns = s->now_ns;
    uint64_t until_ns = st->stuck_since_ns + s->conf.nodes_wait_ns;
    if (s->now_ns < until_ns) {
        deadline_add(s, until_ns);
        return;
    }
    char list[LISTED_MAX * (CAUSE_MAX + 32)] = "";
    uint32_t listed = 0;
    const rdd_error *first = NULL;
    for (size_t i = 0; i < st->place_count; i++) {
        const place *p = &st->places[i];
        if (!p->excluded || listed++ >= LISTED_MAX)
            continue;
        if (!first)
            first = p->first;
        text_add(list, sizeof list, "%sexecutor %" PRIu32 " (%" PRIu32 " failures in a row)",
                 listed > 1 ? ", " : "", p->executor, p->failures_row);
    }
    rdd_error error;
    if (first)
        error = *first;
    else
        error_set_memory(&error, "an executor was excluded");
    error_prefix(&error, "every executor that is up is excluded from this stage: %s; first: ", list);
    job_fail(s, st->job, &error);
}

void without_executors(scheduler *s)
{
    rdd_error gone;
    if (!s->jobs_running || s->available) {
        s->without_since_ns = CLOCK_NEVER;
    } else if (waited_in_vain(s, &gone)) {
        memcpy(gone.node, s->last_loss.node, sizeof gone.node);
        job_fail_all(s, &gone);
        s->without_since_ns = CLOCK_NEVER;
    }
    if (!s->stage_exclusions || !s->available)
        return;
    for (job *j = s->jobs_first; j; j = j->next)
        for (uint32_t i = 0; i < j->spec->stage_count && j->state == JOB_RUNNING; i++) {
            if (stage_is_stuck(s, &j->stages[i]))
                stage_stuck(s, &j->stages[i]);
            else
                j->stages[i].stuck_since_ns = 0;
        }
}
