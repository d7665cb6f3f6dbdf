#include "rate_lease.h"

#include "clock.h"

#include <pthread.h>

enum {
    RUNS_MAX = 1024,
    SPARE_MAX = 65536, /* calls asked for ahead of need */
};
#define LATE_NS (50 * NS_PER_MS)    /* how long after its moment a call may be made */
#define WINDOW_NS (100 * NS_PER_MS) /* over which uses are counted */

/* Granted moments: at, at + span, … */
typedef struct moments {
    uint64_t at_ns, span_ns, left;
} moments;

struct rate_lease {
    rate_lease *next;
    uint64_t interval_ns;
    moments *runs;
    size_t run_count, run_capacity;
    uint64_t available;  /* moments in the runs */
    uint64_t received;   /* since the process began, as is `asked` */
    uint64_t asked;
    uint64_t waiting;    /* callers */
    uint64_t window_ns;  /* when the present window began */
    uint64_t used, used_before; /* moments taken in this window and in the one before */
    bool dirty;          /* `asked` is to be told */
    size_t name_size;
    char name[];
};

static struct {
    pthread_mutex_t mutex;
    rate_lease *first; /* under the mutex */
    bool on;
    void (*wake)(void *arg);
    void *arg;
} leases = { .mutex = PTHREAD_MUTEX_INITIALIZER };

void rate_lease_begin(void (*wake)(void *arg), void *arg)
{
    pthread_mutex_lock(&leases.mutex);
    leases.on = wake;
    leases.wake = wake;
    leases.arg = arg;
    pthread_mutex_unlock(&leases.mutex);
}

bool rate_lease_on(void)
{
    pthread_mutex_lock(&leases.mutex);
    bool on = leases.on;
    pthread_mutex_unlock(&leases.mutex);
    return on;
}

rate_lease *rate_lease_new(const char *name, uint64_t interval_ns)
{
    size_t size = strlen(name);
    rate_lease *l = calloc(1, sizeof *l + size);
    if (!l)
        return NULL;
    memcpy(l->name, name, size);
    l->name_size = size;
    l->interval_ns = interval_ns;
    pthread_mutex_lock(&leases.mutex);
    l->next = leases.first;
    leases.first = l;
    pthread_mutex_unlock(&leases.mutex);
    return l;
}

/* -- Asking ------------------------------------------------------------------------------------ */

static uint64_t spare_of(const rate_lease *l)
{
    return u64_min(2 * u64_max(l->used, l->used_before), SPARE_MAX);
}

/* Asks anew when what was asked for is too little by a good part, or far too much. */
static void ask_locked(rate_lease *l)
{
    uint64_t spare = spare_of(l), wish = l->waiting + spare;
    uint64_t needed = l->received + (wish > l->available ? wish - l->available : 0);
    bool starving = l->waiting > l->available && l->asked - l->received < l->waiting - l->available;
    bool more = needed > l->asked && (starving || needed - l->asked > spare / 4);
    bool less = l->asked > needed + 2 * spare + 16;
    if (!more && !less)
        return;
    l->asked = needed;
    if (l->dirty)
        return;
    l->dirty = true;
    leases.wake(leases.arg);
}

bool rate_lease_next_ask(lease *ret)
{
    bool found = false;
    pthread_mutex_lock(&leases.mutex);
    for (rate_lease *l = leases.first; l && !found; l = l->next) {
        if (!l->dirty)
            continue;
        found = true;
        l->dirty = false;
        *ret = (lease){ .kind = LEASE_ASK, .count = l->asked, .span_ns = l->interval_ns,
                        .name = { l->name_size, l->name } };
    }
    pthread_mutex_unlock(&leases.mutex);
    return found;
}

/* -- Moments ----------------------------------------------------------------------------------- */

static void roll_window_locked(rate_lease *l, uint64_t now_ns)
{
    if (now_ns - l->window_ns < WINDOW_NS)
        return;
    l->used_before = now_ns - l->window_ns < 2 * WINDOW_NS ? l->used : 0;
    l->used = 0;
    l->window_ns = now_ns;
}

/* Throws away what is too late; an empty run makes room for the last one. */
static void expire_locked(rate_lease *l, uint64_t now_ns)
{
    for (size_t i = 0; i < l->run_count;) {
        moments *m = &l->runs[i];
        while (m->left && m->at_ns + LATE_NS < now_ns) {
            uint64_t late = now_ns - LATE_NS - m->at_ns;
            uint64_t steps = m->span_ns ? u64_min(late / m->span_ns + 1, m->left) : m->left;
            m->at_ns += steps * m->span_ns;
            m->left -= steps;
            l->available -= steps;
        }
        if (m->left)
            i++;
        else
            *m = l->runs[--l->run_count];
    }
}

uint64_t rate_lease_reserve(rate_lease *l, uint64_t now_ns)
{
    uint64_t moment = CLOCK_NEVER;
    pthread_mutex_lock(&leases.mutex);
    roll_window_locked(l, now_ns);
    expire_locked(l, now_ns);
    moments *first = NULL;
    for (size_t i = 0; i < l->run_count; i++)
        if (!first || l->runs[i].at_ns < first->at_ns)
            first = &l->runs[i];
    if (first) {
        moment = u64_max(first->at_ns, now_ns);
        first->at_ns += first->span_ns;
        first->left--;
        l->available--;
        l->used++;
        expire_locked(l, now_ns); /* an empty run goes */
        ask_locked(l);
    }
    pthread_mutex_unlock(&leases.mutex);
    return moment;
}

void rate_lease_wait(rate_lease *l, uint64_t now_ns)
{
    pthread_mutex_lock(&leases.mutex);
    roll_window_locked(l, now_ns);
    l->waiting++;
    ask_locked(l);
    pthread_mutex_unlock(&leases.mutex);
}

void rate_lease_wait_end(rate_lease *l)
{
    pthread_mutex_lock(&leases.mutex);
    ASSERT(l->waiting > 0);
    l->waiting--;
    ask_locked(l);
    pthread_mutex_unlock(&leases.mutex);
}

static void add_run_locked(rate_lease *l, const lease *g, uint64_t now_ns)
{
    if (l->run_count == l->run_capacity) {
        size_t capacity = l->run_capacity ? l->run_capacity * 2 : 16;
        moments *grown = capacity > RUNS_MAX ? NULL : realloc(l->runs, capacity * sizeof *grown);
        if (!grown)
            return; /* these moments are lost, and asked for again */
        l->runs = grown;
        l->run_capacity = capacity;
    }
    l->runs[l->run_count++] = (moments){ now_ns + g->delay_ns, g->span_ns, g->count };
    l->available += g->count;
}

void rate_lease_granted(const lease *grant, uint64_t now_ns)
{
    pthread_mutex_lock(&leases.mutex);
    rate_lease *l = leases.first;
    while (l && (l->name_size != grant->name.size ||
                 memcmp(l->name, grant->name.data, l->name_size) != 0))
        l = l->next;
    if (l) {
        l->received += grant->count;
        l->asked = u64_max(l->asked, l->received);
        expire_locked(l, now_ns);
        add_run_locked(l, grant, now_ns);
        ask_locked(l);
    }
    pthread_mutex_unlock(&leases.mutex);
}
