/* supervisor_files.c: files of the driver that workers read and write: frames are passed on, as far
 * as both ends keep to what was granted.
 *
 * A file that is read is known until its worker closes it, one that is written until the driver
 * answers or the worker gives it up; frames of others are late, and dropped. What a worker had open
 * when it ended is reset.
 */
#include "supervisor_parts.h"

enum { FILES_OPEN_MAX = 16384 }; /* of one worker; far more than its slots' sources */

static relay *find(relays *r, uint64_t id)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->items[i].id == id)
            return &r->items[i];
    return NULL;
}

static void forget(relays *r, relay *it)
{
    *it = r->items[--r->count];
}

static bool has_task(const worker *w, task_id id)
{
    for (size_t i = 0; i < w->task_count; i++)
        if (task_id_equal(w->tasks[w->task_first + i].id, id))
            return true;
    return false;
}

static void pass_control(const frame *f, buf *to)
{
    frame_append(to, f->type, f->stream, f->payload, f->size);
}

/* DATA on its way to `to`, from the end that `use` lets send. */
static bool pass_data(relay *it, file_use use, const frame *f, channel *to)
{
    if (it->use != use || f->size > it->granted)
        return false;
    frame_append(&to->data, FRAME_DATA, f->stream, f->payload, f->size);
    it->granted -= f->size;
    return true;
}

static bool pass_credit(relay *it, file_use use, const frame *f, buf *to)
{
    uint64_t more;
    if (it->use != use || credit_decode(f, &more) < 0 || more > FILE_CREDIT_MAX - it->granted)
        return false;
    it->granted += (size_t)more;
    pass_control(f, to);
    return true;
}

/* -- What workers say -------------------------------------------------------------------------- */

static bool open_file(supervisor *s, worker *w, const frame *f)
{
    file_open how;
    if (file_open_decode(f, &how) < 0 || f->stream >> 32 != w->serial ||
        find(&w->files, f->stream) || w->files.count == FILES_OPEN_MAX)
        return false;
    if (!has_task(w, how.task))
        return true; /* its outcome, which nothing had to wait for, was faster */
    relays *r = &w->files;
    if (!supervisor_grow(&r->items, &r->capacity, r->count, sizeof *r->items)) {
        supervisor_stop(s, "out of memory when a file was opened");
        return true;
    }
    size_t granted = how.use == FILE_READ ? (size_t)how.credit : FILE_CREDIT_FIRST;
    r->items[r->count++] = (relay){ .id = f->stream, .use = how.use, .granted = granted };
    pass_control(f, supervisor_out(s));
    return true;
}

static bool close_file(supervisor *s, worker *w, relay *it, const frame *f)
{
    file_end end;
    if (file_end_decode(f, &end) < 0)
        return false;
    pass_control(f, supervisor_out(s));
    if (it->use == FILE_READ || !end.complete)
        forget(&w->files, it);
    return true;
}

static bool take_from_worker(supervisor *s, worker *w, const frame *f)
{
    if (f->type == FRAME_OPEN)
        return open_file(s, w, f);
    relay *it = find(&w->files, f->stream);
    if (!it)
        return true;
    switch (f->type) {
    case FRAME_DATA: return pass_data(it, FILE_WRITE, f, &s->driver);
    case FRAME_CREDIT: return pass_credit(it, FILE_READ, f, supervisor_out(s));
    case FRAME_CLOSE: return close_file(s, w, it, f);
    default: return false;
    }
}

void supervisor_file_from_worker(supervisor *s, worker *w, const frame *f)
{
    rdd_error err;
    if (take_from_worker(s, w, f))
        return;
    error_set(&err, RDD_E_PROTOCOL, "it sent something about a file past what was agreed");
    supervisor_kill_worker(w, &err);
}

/* -- What the driver says ---------------------------------------------------------------------- */

static bool take_answer(worker *w, relay *it, const frame *f)
{
    uint64_t sent;
    rdd_error why;
    if (file_answer_decode(f, &sent, &why) < 0)
        return false;
    pass_control(f, &w->channel.control);
    if (it->use == FILE_WRITE)
        forget(&w->files, it);
    return true;
}

bool supervisor_file_from_driver(supervisor *s, const frame *f)
{
    worker *w = NULL;
    for (uint32_t i = 0; i < s->worker_count && !w; i++)
        if (s->workers[i].phase == WORKER_RUNNING && s->workers[i].serial == f->stream >> 32)
            w = &s->workers[i];
    relay *it = w ? find(&w->files, f->stream) : NULL;
    if (!it)
        return true;
    switch (f->type) {
    case FRAME_DATA: return pass_data(it, FILE_READ, f, &w->channel);
    case FRAME_CREDIT: return pass_credit(it, FILE_WRITE, f, &w->channel.control);
    case FRAME_CLOSE: return take_answer(w, it, f);
    default: return false;
    }
}

void supervisor_reset_files(supervisor *s, worker *w)
{
    for (size_t i = 0; i < w->files.count; i++)
        frame_append(supervisor_out(s), FRAME_RESET, w->files.items[i].id, NULL, 0);
    w->files.count = 0;
}
