#include "call_desk.h"

#include "call_wire.h"
#include "holds.h"
#include "rate_leases.h"

#include <pthread.h>

struct call_desk {
    call_desk_send *send;
    void *arg;
    call_journal *journal; /* NULL: none */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t news;
    /* under the mutex */
    bool started, stopping;
    rate_leases *leases;
    holds held;    /* hosts that said "later" */
    uint64_t told; /* up to which of them all executors were told */
};

int call_desk_new(call_desk **ret, call_desk_send *send, void *arg, rdd_error *err)
{
    call_desk *d = calloc(1, sizeof *d);
    rate_leases *leases = rate_leases_new();
    if (!d || !leases) {
        free(d);
        rate_leases_free(leases);
        return error_set_memory(err, "starting executors");
    }
    *d = (call_desk){ .send = send, .arg = arg, .leases = leases };
    pthread_mutex_init(&d->mutex, NULL);
    pthread_condattr_t how;
    pthread_condattr_init(&how);
    pthread_condattr_setclock(&how, CLOCK_MONOTONIC);
    pthread_cond_init(&d->news, &how);
    pthread_condattr_destroy(&how);
    *ret = d;
    return 0;
}

void call_desk_set_journal(call_desk *d, call_journal *j)
{
    d->journal = j;
}

void *call_desk_free(call_desk *d)
{
    if (!d)
        return NULL;
    pthread_mutex_lock(&d->mutex);
    d->stopping = true;
    pthread_cond_signal(&d->news);
    pthread_mutex_unlock(&d->mutex);
    if (d->started)
        pthread_join(d->thread, NULL);
    pthread_cond_destroy(&d->news);
    pthread_mutex_destroy(&d->mutex);
    rate_leases_free(d->leases);
    holds_release(&d->held);
    free(d);
    return NULL;
}

/* -- Holds ------------------------------------------------------------------------------------- */

static void take_hold_locked(call_desk *d, const lease *l)
{
    uint64_t now_ns = clock_now_ns();
    holds_extend(&d->held, l->name, now_ns, now_ns + l->delay_ns);
}

/* Those after number `told`; for `worker`, which begins to make calls, or, if 0, for all. */
static void append_holds_locked(const call_desk *d, uint64_t told, uint32_t worker, buf *out)
{
    uint64_t now_ns = clock_now_ns();
    for (const hold *h = d->held.first; h; h = h->next) {
        if (h->until_ns <= now_ns || h->serial <= told)
            continue;
        lease l = { .kind = LEASE_HOLD, .worker = worker, .delay_ns = h->until_ns - now_ns,
                    .name = { h->name_size, h->name } };
        lease_append(out, &l);
    }
}

/* -- The thread -------------------------------------------------------------------------------- */

/* Something was there to be sent. The mutex is free while it is. */
static bool send_holds_locked(call_desk *d)
{
    CLEANUP(buf_release) buf frames = { 0 };
    append_holds_locked(d, d->told, 0, &frames);
    d->told = d->held.serial;
    if (!frames.size)
        return false;
    pthread_mutex_unlock(&d->mutex);
    if (!frames.failed)
        d->send(d->arg, CALL_DESK_ALL, 0, (rdd_str){ frames.size, frames.data });
    pthread_mutex_lock(&d->mutex);
    return true;
}

static bool send_grant_locked(call_desk *d)
{
    lease_grant g;
    uint64_t now = clock_now_ns();
    if (!rate_leases_next(d->leases, now, &g))
        return false;
    CLEANUP(buf_release) buf frames = { 0 };
    lease l = { .kind = LEASE_GRANT, .worker = g.to.worker, .count = g.count,
                .delay_ns = g.from_ns > now ? g.from_ns - now : 0, .span_ns = g.span_ns,
                .name = g.key };
    lease_append(&frames, &l);
    pthread_mutex_unlock(&d->mutex);
    if (!frames.failed)
        d->send(d->arg, g.to.executor, g.to.incarnation, (rdd_str){ frames.size, frames.data });
    pthread_mutex_lock(&d->mutex);
    return true;
}

static void wait_locked(call_desk *d)
{
    uint64_t deadline = rate_leases_deadline(d->leases);
    if (deadline == CLOCK_NEVER) {
        pthread_cond_wait(&d->news, &d->mutex);
        return;
    }
    struct timespec until = clock_timespec(deadline);
    pthread_cond_timedwait(&d->news, &d->mutex, &until);
}

static void *desk_thread(void *arg)
{
    call_desk *d = arg;
    pthread_mutex_lock(&d->mutex);
    while (!d->stopping)
        if (!send_holds_locked(d) && !send_grant_locked(d))
            wait_locked(d);
    pthread_mutex_unlock(&d->mutex);
    return NULL;
}

/* Without a thread nothing is granted, and calls wait: the next ask tries again. */
static void wake_locked(call_desk *d)
{
    if (!d->started && !d->stopping)
        d->started = pthread_create(&d->thread, NULL, desk_thread, d) == 0;
    pthread_cond_signal(&d->news);
}

/* -- Frames ------------------------------------------------------------------------------------ */

static bool take_lease(call_desk *d, uint32_t executor, uint32_t incarnation, const frame *f)
{
    lease l;
    if (lease_decode(f, &l) < 0 || l.kind == LEASE_GRANT || !l.worker)
        return false;
    lease_asker who = { executor, incarnation, l.worker };
    pthread_mutex_lock(&d->mutex);
    if (l.kind == LEASE_ASK) {
        rate_leases_ask(d->leases, &who, l.name, l.span_ns, l.count);
    } else if (l.kind == LEASE_GONE) {
        rate_leases_gone(d->leases, &who);
    } else {
        take_hold_locked(d, &l);
    }
    wake_locked(d);
    pthread_mutex_unlock(&d->mutex);
    return true;
}

static void keep(call_desk *d, const journal_part *p, buf *out)
{
    uint32_t stage, partition;
    rdd_str entry;
    for (reader r = reader_over(p->entries.data, p->entries.size); reader_left(&r);)
        if (journal_entry_next(&r, &stage, &partition, &entry) && d->journal)
            call_journal_add(d->journal, stage, partition, entry, p->urgent);
    if (d->journal)
        call_journal_flush(d->journal);
    journal_part ack = { .kind = JOURNAL_ACK, .worker = p->worker, .serial = p->serial,
                         .size = p->entries.size };
    journal_append(out, &ack);
}

/* A piece of it; the worker asks for the next one when it has this one. A task asks before its first
 * call, so this is also when a worker that was not there learns which hosts are held up. */
static void give(call_desk *d, const journal_part *p, buf *out)
{
    if (!p->serial) {
        pthread_mutex_lock(&d->mutex);
        append_holds_locked(d, 0, p->worker, out);
        pthread_mutex_unlock(&d->mutex);
    }
    CLEANUP(buf_release) buf entries = { 0 };
    journal_part have = { .kind = JOURNAL_HAVE, .worker = p->worker, .task = p->task,
                          .serial = p->serial };
    if (d->journal)
        call_journal_read(d->journal, p->task.stage, p->task.partition, JOURNAL_PIECE_MAX,
                          &have.serial, &entries);
    else
        have.serial = 0;
    out->failed |= entries.failed;
    have.entries = (rdd_str){ entries.size, entries.data };
    journal_append(out, &have);
}

static bool take_journal(call_desk *d, const frame *f, buf *out)
{
    journal_part p;
    if (journal_decode(f, &p) < 0 || !p.worker)
        return false;
    if (p.kind == JOURNAL_APPEND)
        keep(d, &p, out);
    else if (p.kind == JOURNAL_WANT)
        give(d, &p, out);
    else
        return false;
    return true;
}

bool call_desk_frame(call_desk *d, uint32_t executor, uint32_t incarnation, const frame *f, buf *out)
{
    return f->type == FRAME_LEASE ? take_lease(d, executor, incarnation, f)
                                  : take_journal(d, f, out);
}

void call_desk_gone(call_desk *d, uint32_t executor, uint32_t incarnation)
{
    lease_asker who = { executor, incarnation, 0 };
    pthread_mutex_lock(&d->mutex);
    rate_leases_gone(d->leases, &who);
    pthread_mutex_unlock(&d->mutex);
}
