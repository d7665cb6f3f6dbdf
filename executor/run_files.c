/* run_files.c: where the files of a running task are: which provider reads a source's, and where
 * the file of a saved partition is made.
 *
 * Called by sources and by sink_save.c. On the driver's machine files are opened; an executor
 * elsewhere opens those that are declared shared, and gets all others from the driver
 * (remote_files.h).
 */
#include "http_input.h"
#include "output.h"
#include "output_part.h"
#include "remote_files.h"
#include "run.h"
#include "runner_parts.h"

static remote_files *remote_of(const run *r)
{
    return r->runner ? r->runner->files : NULL; /* none: on the driver itself */
}

static remote_task task_of(const run *r)
{
    remote_task task = { .files = remote_of(r), .id = r->id, .cancelled = r->cancelled };
    task.id.partition -= (uint32_t)r->plan->act.first; /* as the driver knows it */
    return task;
}

/* A failure with what was said to be shared needs the name of the node on which it is not. */
static int name_node(int code, rdd_error *err)
{
    char name[64] = "a node";
    if (code < 0 && err && gethostname(name, sizeof name - 1) == 0)
        error_prefix(err, "on %s, which has it says --conf shared: ", name);
    return code;
}

static int open_shared(const input_file *file, uint64_t offset, uint64_t end, input **ret,
                       rdd_error *err)
{
    input_provider *here = input_provider_shared();
    return name_node(here->open(here, file, offset, end, ret, err), err);
}

static int open_input(input_provider *provider, const input_file *file, uint64_t offset,
                      uint64_t end, input **ret, rdd_error *err)
{
    const run *r = (run *)(void *)((char *)provider - offsetof(run, inputs));
    if (file->place == INPUT_HTTP) {
        http_input_stop stop = { r->cancelled, &r->plan->cancelled };
        return http_input_open(stop, file, offset, end, ret, err);
    }
    input_provider *here = input_provider_local();
    if (!remote_of(r))
        return here->open(here, file, offset, end, ret, err);
    if (file->place == INPUT_SHARED)
        return open_shared(file, offset, end, ret, err);
    remote_task task = task_of(r);
    return remote_input_open(&task, file, offset, end, ret, err);
}

input_provider *run_inputs(run *r)
{
    r->inputs.open = open_input;
    return &r->inputs;
}

/* In the staging directory, which this machine sees. */
static int create_here(run *r, const char *shown, output **ret, rdd_error *err)
{
    char name[PART_NAME_MAX];
    output_part_name(name, r->id.partition, r->id.attempt);
    rdd_str staging = r->plan->act.text;
    char *path = arena_format(r->memory, "%.*s/%s", (int)staging.size, staging.data, name);
    if (!path)
        return error_set_memory(err, "opening an output");
    unlink(path); /* left behind by this attempt's process, if it has crashed */
    return output_file_create(path, shown, true, ret, err);
}

int run_output_create(run *r, const char *shown, output **ret, rdd_error *err)
{
    bool shared = r->plan->act.flag;
    if (!remote_of(r))
        return create_here(r, shown, ret, err);
    if (shared)
        return name_node(create_here(r, shown, ret, err), err);
    remote_task task = task_of(r);
    return remote_output_create(&task, ret, err);
}
