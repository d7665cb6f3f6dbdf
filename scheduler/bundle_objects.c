/* bundle_objects.c: what this process has mapped: the program, its loader and libraries, as files.
 *
 * The objects come from dl_iterate_phdr(), the path of each from /proc/self/maps, as only that knows
 * the program's when the process was itself started through a loader. An object is the right file
 * when mapping it again gives the same device and inode as the mapping in use: fstat() would tell
 * another device on overlayfs and btrfs. */
#include "bundle_parts.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <sys/auxv.h>
#include <sys/mman.h>

enum { OBJECTS_MAX = 2048, NEEDED_MAX = 8192, MAP_LINE_MAX = PATH_MAX + 256 };

/* A line of /proc/self/maps. */
typedef struct mapping {
    unsigned major, minor;
    uint64_t inode;
    char path[PATH_MAX];
} mapping;

typedef struct object {
    uintptr_t address;     /* inside it */
    uintptr_t base;
    const char *soname;    /* NULL: none */
    bool program, loader;
} object;

typedef struct objects {
    object items[OBJECTS_MAX];
    size_t count;
    const char *needed[NEEDED_MAX]; /* what they name as needed */
    const char *needed_path; /* one of these with a slash */
    size_t needed_count;
    const char *interpreter; /* NULL: a static program */
    bool too_many;
} objects;

/* -- Objects ----------------------------------------------------------------------------------- */

/* glibc has relocated what it uses, other loaders leave the file's values. */
static uintptr_t relocated(const struct dl_phdr_info *info, uintptr_t value)
{
    return value < info->dlpi_addr ? value + info->dlpi_addr : value;
}

static void read_dynamic(objects *all, object *o, const struct dl_phdr_info *info,
                         const ElfW(Dyn) *dynamic)
{
    const char *text = NULL;
    for (const ElfW(Dyn) *d = dynamic; d->d_tag != DT_NULL; d++)
        if (d->d_tag == DT_STRTAB)
            text = (const char *)relocated(info, d->d_un.d_ptr);
    for (const ElfW(Dyn) *d = dynamic; text && d->d_tag != DT_NULL; d++) {
        const char *name = text + d->d_un.d_val;
        if (d->d_tag == DT_SONAME)
            o->soname = name;
        if (d->d_tag != DT_NEEDED)
            continue;
        if (all->needed_count < NEEDED_MAX)
            all->needed[all->needed_count++] = name;
        if (strchr(name, '/'))
            all->needed_path = name;
    }
}

static int take_object(struct dl_phdr_info *info, size_t size UNUSED, void *arg)
{
    objects *all = arg;
    if (info->dlpi_addr && info->dlpi_addr == getauxval(AT_SYSINFO_EHDR))
        return 0; /* the vDSO is no file */
    all->too_many = all->count == OBJECTS_MAX;
    if (all->too_many)
        return 1;
    object *o = &all->items[all->count];
    *o = (object){ .base = info->dlpi_addr, .program = all->count == 0 };
    bool loaded = false;
    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &info->dlpi_phdr[i];
        const void *at = (const void *)(info->dlpi_addr + p->p_vaddr);
        if (p->p_type == PT_LOAD && !loaded) {
            o->address = (uintptr_t)at;
            loaded = true;
        }
        if (p->p_type == PT_INTERP && o->program)
            all->interpreter = at;
        if (p->p_type == PT_DYNAMIC)
            read_dynamic(all, o, info, at);
    }
    all->count += loaded;
    return 0;
}

/* -- Their files ------------------------------------------------------------------------------- */

static void cut_deleted(char *path)
{
    static const char deleted[] = " (deleted)";
    size_t size = strlen(path);
    if (size >= sizeof deleted && !strcmp(path + size - (sizeof deleted - 1), deleted))
        path[size - (sizeof deleted - 1)] = 0;
}

/* The mapping that `address` is in; false when it has no file. */
static bool find_mapping(uintptr_t address, mapping *ret)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    CLEANUP(freep) char *line = malloc(MAP_LINE_MAX);
    bool found = false;
    while (maps && line && !found && fgets(line, MAP_LINE_MAX, maps)) {
        unsigned long long first, end, inode;
        int path_at = 0;
        if (sscanf(line, "%llx-%llx %*s %*s %x:%x %llu %n", &first, &end, &ret->major, &ret->minor,
                   &inode, &path_at) < 5 || address < first || address >= end)
            continue;
        line[strcspn(line, "\n")] = 0;
        ret->inode = inode;
        snprintf(ret->path, sizeof ret->path, "%.*s", PATH_MAX - 1, line + path_at);
        cut_deleted(ret->path);
        found = ret->path[0] == '/';
        break;
    }
    if (maps)
        fclose(maps);
    return found;
}

static bool is_mapped(int fd, const mapping *m)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *at = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, 0);
    CLEANUP(freep) mapping *again = malloc(sizeof *again);
    bool same = at != MAP_FAILED && again && find_mapping((uintptr_t)at, again) &&
                again->major == m->major && again->minor == m->minor && again->inode == m->inode;
    if (at != MAP_FAILED)
        munmap(at, page);
    return same;
}

/* The file of an object: by its path, or what this process was started from. */
static int open_object(const mapping *m)
{
    const char *const paths[] = { m->path, "/proc/self/exe" };
    for (size_t i = 0; i < ARRAY_SIZE(paths); i++) {
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        if (fd >= 0 && is_mapped(fd, m))
            return fd;
        closep(&fd);
    }
    return -1;
}

static int add_object(bundle *b, const char *name, const object *o, rdd_error *err)
{
    CLEANUP(freep) mapping *m = malloc(sizeof *m);
    if (!m)
        return error_set_memory(err, "bundling the program");
    if (!find_mapping(o->address, m))
        return error_set(err, RDD_E_IO, "no file is known for %s, so it cannot be sent to nodes%s",
                         name, access("/proc/self/maps", R_OK) ? ": is /proc mounted?" : "");
    int fd = open_object(m);
    if (fd < 0)
        return error_set(err, RDD_E_IO,
                         "%s is not the file any more that this process runs: start it again",
                         m->path);
    return bundle_add(b, name, m->path, fd, err);
}

/* -- Which is which ---------------------------------------------------------------------------- */

static bool is_executable_of_process(const object *o)
{
    CLEANUP(freep) mapping *m = malloc(sizeof *m);
    CLEANUP(closep) int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    return m && fd >= 0 && find_mapping(o->address, m) && is_mapped(fd, m);
}

/* The kernel says where it put the loader; it does not when the loader is what it started. */
static object *find_loader(objects *all)
{
    uintptr_t base = getauxval(AT_BASE);
    for (size_t i = 1; i < all->count; i++)
        if (base ? all->items[i].base == base : is_executable_of_process(&all->items[i]))
            return &all->items[i];
    return NULL;
}

static bool is_needed(const objects *all, const char *name)
{
    for (size_t i = 0; i < all->needed_count; i++)
        if (!strcmp(all->needed[i], name))
            return true;
    return false;
}

/* A library without a soname is found by its file's name. One that nobody needs was opened by a
 * path (iconv's modules): whoever opened it does so again over there, or goes without. */
static int add_library(bundle *b, const objects *all, const object *o, rdd_error *err)
{
    CLEANUP(freep) mapping *m = malloc(sizeof *m);
    if (!m)
        return error_set_memory(err, "bundling the program");
    const char *name = o->soname;
    if (!name && find_mapping(o->address, m))
        name = strrchr(m->path, '/') + 1;
    if (!name || (!o->soname && !is_needed(all, name)))
        return 0;
    size_t plain = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._+-");
    if (name[plain] || !plain || name[0] == '.' || name[0] == '-' || plain > 200)
        return error_set(err, RDD_E_USAGE,
                         "the library %s cannot be sent to nodes: its soname is no plain file name",
                         name);
    for (size_t i = 0; i < b->count; i++)
        if (!strcmp(b->files[i].name, name))
            return error_set(err, RDD_E_USAGE,
                             "two loaded libraries are called %s: only one can be sent to nodes",
                             name);
    return add_object(b, name, o, err);
}

static int add_all(bundle *b, objects *all, rdd_error *err)
{
    dl_iterate_phdr(take_object, all);
    if (all->too_many || !all->count)
        return error_set(err, RDD_E_LIMIT, "a program of more than %d libraries cannot be sent",
                         OBJECTS_MAX);
    if (all->needed_path)
        return error_set(err, RDD_E_USAGE,
                         "a library is linked by its path, \"%s\", and cannot be found on a node: "
                         "link it with -l, and with -Wl,-soname when it is built",
                         all->needed_path);
    object *loader = all->interpreter ? find_loader(all) : NULL;
    if (all->interpreter && !loader)
        return error_set(err, RDD_E_IO, "the program loader, %s, was not found among the loaded "
                         "files: link the program statically, or start it directly",
                         all->interpreter);
    int code = 0;
    if (loader) {
        if (!loader->soname || strncmp(loader->soname, "ld", 2))
            return error_set(err, RDD_E_USAGE, "the program loader %s is not glibc's: link the "
                             "program statically to send it to nodes", all->interpreter);
        loader->loader = b->has_loader = true;
        code = add_object(b, BUNDLE_LOADER, loader, err);
    }
    if (code == 0)
        code = add_object(b, BUNDLE_PROGRAM, &all->items[0], err);
    for (size_t i = 1; code == 0 && i < all->count; i++)
        if (!all->items[i].loader)
            code = add_library(b, all, &all->items[i], err);
    return code;
}

int bundle_add_objects(bundle *b, rdd_error *err)
{
    objects *all = calloc(1, sizeof *all);
    if (!all)
        return error_set_memory(err, "bundling the program");
    int code = add_all(b, all, err);
    free(all);
    return code;
}
