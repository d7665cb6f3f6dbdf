/* event.c: the memory of events, job descriptions and command lists. */
#include "event.h"

#include "scheduler.h"

event *event_new(event_kind kind)
{
    event *e = calloc(1, sizeof *e);
    if (e)
        e->kind = kind;
    return e;
}

event *event_new_patiently(event_kind kind)
{
    event *e = calloc_patiently(1, sizeof *e);
    e->kind = kind;
    return e;
}

void *event_free(event *e)
{
    if (!e)
        return NULL;
    for (size_t i = 0; i < e->outcome_count; i++)
        outcome_release(&e->outcomes[i]);
    free(e->outcomes);
    job_spec_free(e->job);
    free(e);
    return NULL;
}

job_spec *job_spec_new(uint32_t stage_count)
{
    job_spec *spec = calloc(1, sizeof *spec + stage_count * sizeof spec->stages[0]);
    if (spec)
        spec->stage_count = stage_count;
    return spec;
}

void *job_spec_free(job_spec *spec)
{
    free(spec);
    return NULL;
}

void command_list_clear(command_list *l)
{
    l->count = 0;
    l->task_count = 0;
    l->error_count = 0;
}

void command_list_release(command_list *l)
{
    for (size_t i = 0; i < l->error_capacity; i++)
        free(l->errors[i]);
    free(l->errors);
    free(l->items);
    free(l->tasks);
    *l = (command_list){ 0 };
}
