/* supervisor_calls.c: LEASE and JOURNAL frames through the supervisor, and what it says itself. */
#include "call_wire.h"
#include "supervisor_parts.h"

void supervisor_calls_from(supervisor *s, worker *w, const frame *f)
{
    uint32_t serial;
    if (call_wire_worker(f, &serial) && serial == w->serial) {
        w->leases |= f->type == FRAME_LEASE;
        frame_append(supervisor_out(s), f->type, 0, f->payload, f->size);
        return;
    }
    rdd_error err;
    error_set(&err, RDD_E_PROTOCOL, "it spoke of calls in another worker's name");
    supervisor_kill_worker(w, &err);
}

/* To the worker it names, or to all; one that has ended meanwhile does not need it. */
bool supervisor_calls_to(supervisor *s, const frame *f)
{
    uint32_t serial;
    if (!call_wire_worker(f, &serial))
        return false;
    for (uint32_t i = 0; i < s->worker_count; i++) {
        worker *w = &s->workers[i];
        if (w->phase == WORKER_RUNNING && (!serial || w->serial == serial))
            frame_append(&w->channel.control, f->type, 0, f->payload, f->size);
    }
    return true;
}

void supervisor_calls_ended(supervisor *s, const worker *w)
{
    if (!w->leases)
        return;
    lease gone = { .kind = LEASE_GONE, .worker = w->serial };
    lease_append(supervisor_out(s), &gone);
}
