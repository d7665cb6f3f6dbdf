#include "worker_calls.h"

#include "call_wire.h"
#include "clock.h"
#include "conf.h"
#include "http.h"
#include "journal.h"
#include "rate_lease.h"

#include <pthread.h>

enum {
    FLUSH_ENTRIES = 64,
    UNKEPT_MAX = 8 << 20, /* bytes of entries on their way; then no calls are made */
    SILENCE_MS = 200,     /* nor when the driver is silent for longer, and twice the flush, after entries */
};

/* A slot that waits for what earlier attempts left. */
typedef struct loading {
    struct loading *next;
    task_id task;
    buf *to;
    bool done;
} loading;

struct worker_calls {
    journal_keeper keeper; /* comes first */
    uint32_t serial;
    int wake_fd;
    uint64_t flush_ns;
    bool resumed;          /* an earlier run may have left something for any task */
    pthread_mutex_t mutex;
    pthread_cond_t loaded;
    /* under the mutex */
    bool woken;
    bool begun;            /* the driver has answered a task: holds of before are known */
    buf out;               /* frames */
    buf entries;           /* not in a frame yet */
    size_t entry_count;
    bool urgent;           /* somebody waits for them to be kept */
    uint64_t due_ns;       /* when they go at the latest; CLOCK_NEVER while there are none */
    uint64_t added, sealed, kept; /* tickets */
    uint64_t silent_ns;    /* since when an answer to sealed ones is waited for; CLOCK_NEVER: it is not */
    uint64_t added_size, kept_size; /* of entries, in bytes: at each ticket that a frame ended with */
    loading *loads;
};

static void wake_locked(worker_calls *w)
{
    if (w->woken)
        return;
    w->woken = true;
    uint64_t one = 1;
    ssize_t written = write(w->wake_fd, &one, sizeof one);
    (void)written; /* a closed descriptor is found, and blamed, by the slots' own words */
}

static void wake(void *arg)
{
    worker_calls *w = arg;
    pthread_mutex_lock(&w->mutex);
    wake_locked(w);
    pthread_mutex_unlock(&w->mutex);
}

static void tell_hold(void *arg, rdd_str origin, uint64_t until_ns)
{
    worker_calls *w = arg;
    uint64_t now = clock_now_ns();
    if (origin.size > LEASE_NAME_MAX || until_ns <= now)
        return;
    lease hold = { .kind = LEASE_HOLD, .worker = w->serial, .name = origin,
                   .delay_ns = until_ns - now };
    pthread_mutex_lock(&w->mutex);
    lease_append(&w->out, &hold);
    wake_locked(w);
    pthread_mutex_unlock(&w->mutex);
}

/* -- The journal, for slots -------------------------------------------------------------------- */

static worker_calls *of(journal_keeper *k)
{
    return (worker_calls *)(void *)k;
}

/* Puts the entries into a frame. What is kept is answered with the frame's size, so that what is on
 * its way is known in bytes without a list. */
static void seal_locked(worker_calls *w)
{
    if (!w->entry_count)
        return;
    journal_part p = { .kind = JOURNAL_APPEND, .worker = w->serial, .urgent = w->urgent,
                       .serial = w->added, .entries = { w->entries.size, w->entries.data } };
    journal_append(&w->out, &p);
    w->out.failed |= w->entries.failed;
    buf_clear(&w->entries);
    w->sealed = w->added;
    if (w->silent_ns == CLOCK_NEVER)
        w->silent_ns = clock_now_ns();
    w->entry_count = 0;
    w->urgent = false;
    w->due_ns = CLOCK_NEVER;
}

static uint64_t keeper_add(journal_keeper *k, const task_id *id, rdd_str entry, bool urgent)
{
    worker_calls *w = of(k);
    pthread_mutex_lock(&w->mutex);
    if (w->entries.size + entry.size > JOURNAL_PIECE_MAX)
        seal_locked(w);
    size_t before = w->entries.size;
    journal_entry_append(&w->entries, id->stage, id->partition, entry);
    w->added_size += w->entries.size - before;
    uint64_t ticket = ++w->added;
    w->urgent |= urgent;
    if (!w->entry_count++)
        w->due_ns = clock_now_ns() + w->flush_ns;
    if (w->urgent || w->entry_count >= FLUSH_ENTRIES || w->entry_count == 1)
        wake_locked(w);
    pthread_mutex_unlock(&w->mutex);
    return ticket;
}

static bool keeper_is_kept(journal_keeper *k, uint64_t ticket)
{
    worker_calls *w = of(k);
    pthread_mutex_lock(&w->mutex);
    bool kept = w->kept >= ticket;
    pthread_mutex_unlock(&w->mutex);
    return kept;
}

/* A driver that is cut off hears of no answers, and all calls from then on would be made again. */
static bool is_heard_locked(const worker_calls *w)
{
    return w->silent_ns == CLOCK_NEVER ||
           clock_now_ns() - w->silent_ns <= 2 * w->flush_ns + SILENCE_MS * NS_PER_MS;
}

static bool keeper_has_room(journal_keeper *k)
{
    worker_calls *w = of(k);
    pthread_mutex_lock(&w->mutex);
    bool room = w->added_size - w->kept_size <= UNKEPT_MAX && is_heard_locked(w);
    pthread_mutex_unlock(&w->mutex);
    return room;
}

static void keeper_flush(journal_keeper *k)
{
    worker_calls *w = of(k);
    pthread_mutex_lock(&w->mutex);
    if (w->entry_count) {
        seal_locked(w);
        wake_locked(w);
    }
    pthread_mutex_unlock(&w->mutex);
}

static void want_locked(worker_calls *w, const loading *l, uint64_t from)
{
    journal_part p = { .kind = JOURNAL_WANT, .worker = w->serial, .task = l->task, .serial = from };
    journal_append(&w->out, &p);
    wake_locked(w);
}

static int keeper_load(journal_keeper *k, const task_id *id, const atomic_bool *cancelled, buf *ret,
                       rdd_error *err)
{
    worker_calls *w = of(k);
    loading l = { .task = *id, .to = ret };
    pthread_mutex_lock(&w->mutex);
    if (w->begun && !id->attempt && !w->resumed) {
        pthread_mutex_unlock(&w->mutex);
        return 0;
    }
    l.next = w->loads;
    w->loads = &l;
    want_locked(w, &l, 0);
    while (!l.done && !atomic_load_explicit(cancelled, memory_order_relaxed))
        pthread_cond_wait(&w->loaded, &w->mutex);
    loading **at = &w->loads;
    while (*at != &l)
        at = &(*at)->next;
    *at = l.next;
    pthread_mutex_unlock(&w->mutex);
    return l.done ? 0 : error_set(err, RDD_E_CANCELLED, "the task was cancelled");
}

/* -- Life -------------------------------------------------------------------------------------- */

int worker_calls_new(worker_calls **ret, uint32_t serial, int wake_fd, rdd_error *err)
{
    worker_calls *w = calloc(1, sizeof *w);
    if (!w)
        return error_set_memory(err, "starting slots");
    *w = (worker_calls){
        .keeper = { .load = keeper_load, .add = keeper_add, .is_kept = keeper_is_kept,
                    .has_room = keeper_has_room, .flush = keeper_flush },
        .resumed = conf_bool("http.resume"), .serial = serial, .wake_fd = wake_fd, .due_ns = CLOCK_NEVER,
        .silent_ns = CLOCK_NEVER,
        .flush_ns = (uint64_t)conf_int("http.journal_flush") * NS_PER_MS,
    };
    pthread_mutex_init(&w->mutex, NULL);
    pthread_cond_init(&w->loaded, NULL);
    rate_lease_begin(wake, w);
    http_hold_watch(tell_hold, w);
    journal_set_keeper(&w->keeper);
    *ret = w;
    return 0;
}

void *worker_calls_free(worker_calls *w)
{
    if (!w)
        return NULL;
    rate_lease_begin(NULL, NULL);
    http_hold_watch(NULL, NULL);
    journal_set_keeper(NULL);
    buf_release(&w->out);
    buf_release(&w->entries);
    pthread_cond_destroy(&w->loaded);
    pthread_mutex_destroy(&w->mutex);
    free(w);
    return NULL;
}

/* -- The talking thread ------------------------------------------------------------------------ */

bool worker_calls_take(worker_calls *w, channel *c, uint64_t now_ns)
{
    size_t before = c->control.size;
    pthread_mutex_lock(&w->mutex);
    w->woken = false;
    if (w->urgent || w->entry_count >= FLUSH_ENTRIES || now_ns >= w->due_ns)
        seal_locked(w);
    buf_append(&c->control, w->out.data, w->out.size);
    c->control.failed |= w->out.failed;
    buf_clear(&w->out);
    pthread_mutex_unlock(&w->mutex);
    for (lease ask; rate_lease_next_ask(&ask);) {
        ask.worker = w->serial;
        lease_append(&c->control, &ask);
    }
    return c->control.size > before;
}

uint64_t worker_calls_deadline(worker_calls *w)
{
    pthread_mutex_lock(&w->mutex);
    uint64_t due = w->due_ns;
    pthread_mutex_unlock(&w->mutex);
    return due;
}

void worker_calls_cancelled(worker_calls *w)
{
    pthread_mutex_lock(&w->mutex);
    pthread_cond_broadcast(&w->loaded);
    pthread_mutex_unlock(&w->mutex);
}

static void take_piece_locked(worker_calls *w, const journal_part *p)
{
    loading *l = w->loads;
    while (l && (l->task.stage != p->task.stage || l->task.partition != p->task.partition ||
                 l->task.attempt != p->task.attempt))
        l = l->next;
    if (!l)
        return; /* cancelled meanwhile */
    reader r = reader_over(p->entries.data, p->entries.size);
    uint32_t stage, old;
    for (rdd_str entry; reader_left(&r) && journal_entry_next(&r, &stage, &old, &entry);) {
        buf_u8(l->to, old != 0);
        buf_sized(l->to, entry.data, entry.size);
    }
    if (p->serial) {
        want_locked(w, l, p->serial);
        return;
    }
    l->done = w->begun = true;
    pthread_cond_broadcast(&w->loaded);
}

static bool take_journal(worker_calls *w, const frame *f)
{
    journal_part p;
    if (journal_decode(f, &p) < 0)
        return false;
    pthread_mutex_lock(&w->mutex);
    if (p.kind == JOURNAL_ACK) {
        w->kept = u64_max(w->kept, p.serial);
        w->kept_size = u64_min(w->kept_size + p.size, w->added_size);
        w->silent_ns = w->kept < w->sealed ? clock_now_ns() : CLOCK_NEVER;
    } else if (p.kind == JOURNAL_HAVE) {
        take_piece_locked(w, &p);
    }
    pthread_mutex_unlock(&w->mutex);
    return p.kind == JOURNAL_ACK || p.kind == JOURNAL_HAVE;
}

static bool take_lease(const frame *f, uint64_t now_ns)
{
    lease l;
    if (lease_decode(f, &l) < 0)
        return false;
    if (l.kind == LEASE_GRANT)
        rate_lease_granted(&l, now_ns);
    else if (l.kind == LEASE_HOLD)
        http_hold(l.name, now_ns + l.delay_ns);
    else
        return false;
    return true;
}

bool worker_calls_frame(worker_calls *w, const frame *f, uint64_t now_ns)
{
    return f->type == FRAME_LEASE ? take_lease(f, now_ns) : take_journal(w, f);
}
