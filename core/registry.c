#include "registry.h"

#include "type.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdio.h>
#include <xxhash.h>

enum { MODULE_NONE = UINT32_MAX };

typedef struct module {
    const void *base;
    rdd_op **ops;
    uint32_t count;
} module;

static rdd_op *registered; /* newest first */
static bool sealed;
static module *modules;
static uint32_t module_count;
static uint64_t digest;
static char build_id[128];

void rdd_op_register_(rdd_op *op)
{
    op->module = MODULE_NONE;
    if (sealed)
        return; /* using it will be refused with a message */
    op->next = registered;
    registered = op;
}

static const void *base_of(const rdd_op *op)
{
    Dl_info info;
    return dladdr(op, &info) ? info.dli_fbase : NULL;
}

static module *module_of(const rdd_op *op)
{
    const void *base = base_of(op);
    for (uint32_t i = 0; i < module_count; i++)
        if (modules[i].base == base)
            return &modules[i];
    module *more = realloc(modules, (module_count + 1) * sizeof *modules);
    if (!more)
        return NULL;
    modules = more;
    modules[module_count] = (module){ .base = base };
    return &modules[module_count++];
}

static uint64_t digest_op(uint64_t so_far, const rdd_op *op)
{
    struct {
        uint64_t so_far, line, kind, in, in2, out, env;
    } fields = { so_far, (uint64_t)op->line, (uint64_t)op->kind,
                 op->in ? type_digest(op->in) : 0,   op->in2 ? type_digest(op->in2) : 0,
                 op->out ? type_digest(op->out) : 0, op->env ? type_digest(op->env) : 0 };
    uint64_t h = XXH3_64bits(&fields, sizeof fields);
    return XXH3_64bits_withSeed(op->name, strlen(op->name), h);
}

int registry_seal(rdd_error *err)
{
    if (sealed)
        return 0;
    rdd_op *ordered = NULL; /* oldest first */
    for (rdd_op *op = registered, *next; op; op = next) {
        next = op->next;
        op->next = ordered;
        ordered = op;
    }
    registered = ordered;
    for (rdd_op *op = ordered; op; op = op->next) {
        module *m = module_of(op);
        rdd_op **ops = m ? realloc(m->ops, (m->count + 1) * sizeof(rdd_op *)) : NULL;
        if (!ops)
            return error_set_memory(err, "registering operators");
        m->ops = ops;
        ops[m->count] = op;
        op->module = (uint32_t)(m - modules);
        op->index = m->count++;
        digest = digest_op(digest, op);
    }
    sealed = true;
    return 0;
}

bool registry_knows(const rdd_op *op)
{
    return op->module != MODULE_NONE;
}

const rdd_op *registry_op(uint32_t m, uint32_t index)
{
    return m < module_count && index < modules[m].count ? modules[m].ops[index] : NULL;
}

uint64_t registry_digest(void)
{
    return digest;
}

/* The first object that dl_iterate_phdr() visits is the program. */
static int find_build_id(struct dl_phdr_info *info, size_t size UNUSED, void *arg UNUSED)
{
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        if (segment->p_type != PT_NOTE)
            continue;
        const char *at = (const char *)(info->dlpi_addr + segment->p_vaddr);
        const char *end = at + segment->p_memsz;
        while (at + sizeof(ElfW(Nhdr)) <= end) {
            const ElfW(Nhdr) *note = (const void *)at;
            const char *name = at + sizeof *note;
            const char *body = name + size_align(note->n_namesz, 4);
            at = body + size_align(note->n_descsz, 4);
            if (note->n_type != NT_GNU_BUILD_ID || note->n_namesz != 4 || memcmp(name, "GNU", 4))
                continue;
            size_t bytes = size_min(note->n_descsz, (sizeof build_id - 1) / 2);
            for (size_t j = 0; j < bytes; j++)
                snprintf(build_id + 2 * j, 3, "%02x", (unsigned char)body[j]);
            return 1;
        }
    }
    return 1;
}

const char *registry_build_id(void)
{
    if (!build_id[0])
        dl_iterate_phdr(find_build_id, NULL);
    return build_id;
}
