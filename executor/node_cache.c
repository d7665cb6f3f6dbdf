#include "node_cache.h"

#include "remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum {
    HASH_SIZE = 33,
    CLAIM_MAX = 512,
    ENTRIES_MAX = 100000,      /* of one directory; what is past it stays until the next time */
    FOREIGN_AGE_S = 24 * 3600, /* a claim of another machine without a lock is believed so long */
};

/* What is in a directory, or what is claimed. */
typedef struct names {
    char (*items)[HASH_SIZE];
    size_t count, capacity;
    bool failed;
} names;

static void names_release(names *n)
{
    free(n->items);
}

static void names_add(names *n, const char *name)
{
    if (n->count == n->capacity && !n->failed) {
        size_t capacity = size_max(64, n->capacity * 2);
        void *items = capacity > ENTRIES_MAX ? NULL : realloc(n->items, capacity * HASH_SIZE);
        n->failed = !items;
        if (items) {
            n->items = items;
            n->capacity = capacity;
        }
    }
    if (!n->failed)
        snprintf(n->items[n->count++], HASH_SIZE, "%s", name);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void names_sort(names *n)
{
    if (n->count)
        qsort(n->items, n->count, HASH_SIZE, by_text);
}

static bool names_have(const names *n, const char *name)
{
    return n->count && bsearch(name, n->items, n->count, HASH_SIZE, by_text);
}

static bool is_hex(const char *text, size_t size)
{
    return strlen(text) == size && strspn(text, "0123456789abcdef") == size;
}

static char *join(const char *a, const char *b, const char *c)
{
    char *path;
    return asprintf(&path, "%s/%s%s%s", a, b, c ? "/" : "", c ? c : "") < 0 ? NULL : path;
}

static void close_directory(DIR **d)
{
    if (*d)
        closedir(*d);
}

/* -- A claim ----------------------------------------------------------------------------------- */

static void touch(const char *cache, const char *bundle)
{
    CLEANUP(freep) char *path = join(cache, "bundles", bundle);
    if (path)
        utimensat(AT_FDCWD, path, NULL, 0);
}

int node_cache_open(node_cache *ret, const char *path, const char *start, const char *bundle,
                    const char *files, rdd_error *err)
{
    node_cache c = { .path = strdup(path), .claim = join(path, "use", start), .claim_fd = -1 };
    if (c.claim)
        c.claim_fd = open(c.claim, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    /* Whoever looks whether it is dead has it for a moment. */
    int locked;
    do
        locked = c.claim_fd < 0 ? -1 : flock(c.claim_fd, LOCK_EX);
    while (locked < 0 && errno == EINTR && c.claim_fd >= 0);
    if (!c.path || locked) {
        int error = errno;
        free(c.path), free(c.claim), closep(&c.claim_fd);
        return error_set_errno(err, RDD_E_IO, error, "%s/use/%s cannot be locked", path, start);
    }
    futimens(c.claim_fd, NULL); /* the file system's time */
    touch(path, bundle);
    if (files && *files)
        touch(path, files);
    *ret = c;
    return 0;
}

void node_cache_close(node_cache *c)
{
    if (!c->path)
        return;
    unlink(c->claim);
    closep(&c->claim_fd);
    free(c->claim);
    free(c->path);
    *c = (node_cache){ .claim_fd = -1 };
}

/* Whether the start that wrote it may still need what it names, which is added to `ret`. */
static bool is_live(int fd, time_t now, names *ret)
{
    char text[CLAIM_MAX], bundle[HASH_SIZE], files[HASH_SIZE], host[65];
    int pid = 0;
    struct stat st;
    struct utsname self;
    bool free_now = !flock(fd, LOCK_EX | LOCK_NB);
    ssize_t size = pread(fd, text, sizeof text - 1, 0);
    if (size < 0 || fstat(fd, &st) || uname(&self))
        return true;
    text[size] = 0;
    bool whole = sscanf(text, "%32s %32s %64s %d", bundle, files, host, &pid) == 4;
    if (free_now && whole && !strncmp(host, self.nodename, sizeof host - 1) && pid > 0 &&
        kill(pid, 0) && errno == ESRCH)
        return false;
    if (free_now && (!whole || strncmp(host, self.nodename, sizeof host - 1)) &&
        st.st_mtime + FOREIGN_AGE_S < now)
        return false;
    if (whole && ret)
        names_add(ret, bundle);
    if (whole && ret && is_hex(files, HASH_SIZE - 1))
        names_add(ret, files);
    return true;
}

/* Names of live starts, and of what they claim, sorted. Dead claims are removed. */
static void read_claims(const node_cache *c, names *starts, names *bundles)
{
    struct stat st;
    CLEANUP(freep) char *path = join(c->path, "use", NULL);
    CLEANUP(close_directory) DIR *d = path ? opendir(path) : NULL;
    starts->failed |= !d || fstat(c->claim_fd, &st);
    for (struct dirent *e; !starts->failed && (e = readdir(d));) {
        if (!is_hex(e->d_name, 16))
            continue;
        CLEANUP(closep) int fd = openat(dirfd(d), e->d_name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0 || !is_live(fd, st.st_mtime, bundles))
            unlinkat(dirfd(d), e->d_name, 0);
        else
            names_add(starts, e->d_name);
    }
    names_sort(starts);
    names_sort(bundles);
}

/* -- Bundles ----------------------------------------------------------------------------------- */

typedef struct used_bundle {
    char name[HASH_SIZE];
    bool program; /* else a user's files */
    struct timespec used;
} used_bundle;

static int latest_first(const void *a, const void *b)
{
    const struct timespec *x = &((const used_bundle *)a)->used, *y = &((const used_bundle *)b)->used;
    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? 1 : -1;
    return (x->tv_nsec < y->tv_nsec) - (x->tv_nsec > y->tv_nsec);
}

static used_bundle *list_bundles(const char *path, size_t *ret_count)
{
    CLEANUP(close_directory) DIR *d = opendir(path);
    CLEANUP(freep) used_bundle *list = NULL;
    size_t count = 0;
    for (struct dirent *e; d && count < ENTRIES_MAX && (e = readdir(d));) {
        struct stat st;
        if (!is_hex(e->d_name, HASH_SIZE - 1) || fstatat(dirfd(d), e->d_name, &st, 0))
            continue;
        used_bundle *more = realloc(list, (count + 1) * sizeof *list);
        if (!more)
            return NULL;
        list = more;
        used_bundle *b = &list[count++];
        *b = (used_bundle){ .used = st.st_mtim };
        snprintf(b->name, sizeof b->name, "%.*s", (int)sizeof b->name - 1, e->d_name);
        CLEANUP(freep) char *program = join(path, e->d_name, "program");
        b->program = program && !faccessat(AT_FDCWD, program, F_OK, AT_SYMLINK_NOFOLLOW);
    }
    if (count)
        qsort(list, count, sizeof *list, latest_first);
    *ret_count = count;
    return TAKE(list);
}

/* A start claims before it looks. So when the bundle is out of the way and there is still no claim,
 * every later start finds it missing. */
static void remove_bundle(const node_cache *c, const char *name)
{
    CLEANUP(names_release) names starts = { 0 }, claimed = { 0 };
    const char *own = strrchr(c->claim, '/') + 1;
    CLEANUP(freep) char *trash = NULL;
    CLEANUP(freep) char *from = join(c->path, "bundles", name);
    if (asprintf(&trash, "%s/tmp-%s", c->path, own) < 0)
        trash = NULL;
    CLEANUP(freep) char *to = trash ? join(trash, name, NULL) : NULL;
    if (!from || !to || (mkdir(trash, S_IRWXU) && errno != EEXIST) || rename(from, to))
        return;
    read_claims(c, &starts, &claimed);
    if ((names_have(&claimed, name) || starts.failed || claimed.failed) && !rename(to, from))
        return;
    remove_tree(to);
}

static void prune_bundles(const node_cache *c, size_t keep, const names *claimed,
                          const _Atomic bool *stop)
{
    size_t count = 0, seen[2] = { 0, 0 };
    CLEANUP(freep) char *path = join(c->path, "bundles", NULL);
    CLEANUP(freep) used_bundle *list = path ? list_bundles(path, &count) : NULL;
    for (size_t i = 0; list && i < count && !*stop; i++)
        if (++seen[list[i].program] > keep && !names_have(claimed, list[i].name))
            remove_bundle(c, list[i].name);
}

/* -- Files ------------------------------------------------------------------------------------- */

/* What a bundle's links lead to. */
static void read_links(const char *path, names *ret)
{
    CLEANUP(close_directory) DIR *d = opendir(path);
    ret->failed |= !d;
    for (struct dirent *e; d && (e = readdir(d));) {
        char to[256];
        ssize_t size = readlinkat(dirfd(d), e->d_name, to, sizeof to - 1);
        if (size < 0)
            continue;
        to[size] = 0;
        const char *slash = strrchr(to, '/');
        if (slash && is_hex(slash + 1, HASH_SIZE - 1))
            names_add(ret, slash + 1);
    }
}

/* Files that no bundle leads to. While something is being installed nothing is known to be unused. A
 * start that counts on a file which is removed here at this moment sees that and asks for it. */
static void prune_files(const node_cache *c, const _Atomic bool *stop)
{
    CLEANUP(names_release) names linked = { 0 }, starts = { 0 }, claimed = { 0 };
    size_t count = 0, present = 0;
    CLEANUP(freep) char *bundles = join(c->path, "bundles", NULL);
    CLEANUP(freep) char *files = join(c->path, "files", NULL);
    CLEANUP(freep) used_bundle *list = bundles ? list_bundles(bundles, &count) : NULL;
    read_claims(c, &starts, &claimed);
    for (size_t i = 0; list && i < count; i++) {
        CLEANUP(freep) char *path = join(bundles, list[i].name, NULL);
        linked.failed |= !path;
        if (path)
            read_links(path, &linked);
        for (size_t k = 0; k < claimed.count; k++)
            present += !strcmp(claimed.items[k], list[i].name);
    }
    names_sort(&linked);
    CLEANUP(close_directory) DIR *d = files ? opendir(files) : NULL;
    if (!d || !list || linked.failed || starts.failed || claimed.failed || present < claimed.count)
        return;
    for (struct dirent *e; !*stop && (e = readdir(d));)
        if (is_hex(e->d_name, HASH_SIZE - 1) && !names_have(&linked, e->d_name))
            unlinkat(dirfd(d), e->d_name, 0);
}

/* -- What dead starts left --------------------------------------------------------------------- */

/* A start has its claim before it makes its directory; the starts were read after the directory. */
static void sweep_installations(const node_cache *c, const _Atomic bool *stop)
{
    CLEANUP(names_release) names left = { 0 }, starts = { 0 }, claimed = { 0 };
    CLEANUP(close_directory) DIR *d = opendir(c->path);
    for (struct dirent *e; d && (e = readdir(d));)
        if (!strncmp(e->d_name, "tmp-", 4) && is_hex(e->d_name + 4, 16))
            names_add(&left, e->d_name + 4);
    read_claims(c, &starts, &claimed);
    const char *own = strrchr(c->claim, '/') + 1;
    for (size_t i = 0; i < left.count && !*stop && !starts.failed && !claimed.failed; i++) {
        char name[32];
        snprintf(name, sizeof name, "tmp-%.16s", left.items[i]);
        CLEANUP(freep) char *path = join(c->path, name, NULL);
        if (path && (!strcmp(left.items[i], own) || !names_have(&starts, left.items[i])))
            remove_tree(path);
    }
}

void node_cache_prune(const node_cache *c, size_t keep, const _Atomic bool *stop)
{
    CLEANUP(names_release) names starts = { 0 }, claimed = { 0 };
    read_claims(c, &starts, &claimed);
    if (starts.failed || claimed.failed)
        return;
    prune_bundles(c, keep, &claimed, stop);
    if (!*stop)
        prune_files(c, stop);
    if (!*stop)
        sweep_installations(c, stop);
}
