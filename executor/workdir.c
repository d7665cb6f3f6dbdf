#include "workdir.h"

#include "remove_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

enum { TRIES_MAX = 100, NAME_SIZE = 4 + 16, COPY_MAX = 1 << 30 };

static const char PREFIX[] = "rdd-";

static char *join(const char *directory, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

static void close_directory(DIR **d)
{
    if (*d)
        closedir(*d);
}

/* Parents too, as `mkdir -p` does. With errno of the first that could not be made, when it fails. */
static bool make_directories(const char *path)
{
    int first = 0;
    CLEANUP(freep) char *copy = strdup(path);
    for (char *at = copy; copy && (at = strchr(at + 1, '/'));) {
        *at = 0;
        if (mkdir(copy, S_IRWXU) && errno != EEXIST && !first)
            first = errno;
        *at = '/';
    }
    if (copy && (mkdir(copy, S_IRWXU) == 0 || errno == EEXIST))
        return true;
    errno = first ? first : errno;
    return false;
}

/* -- Its beginning ----------------------------------------------------------------------------- */

/* Another executor may take a directory without a lock for a left one and remove it: once more. */
static bool make_locked(workdir *w)
{
    CLEANUP(freep) char *lock = join(w->path, "lock");
    for (int i = 0; lock && i < TRIES_MAX; i++) {
        if (mkdir(w->path, S_IRWXU) && errno != EEXIST)
            return false;
        w->lock_fd = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (w->lock_fd >= 0 && !flock(w->lock_fd, LOCK_EX | LOCK_NB) && !access(lock, F_OK))
            return true;
        if (w->lock_fd < 0 && errno != ENOENT)
            return false;
        closep(&w->lock_fd);
        w->lock_fd = -1;
    }
    return false;
}

static bool copy_file(const char *from, const char *to)
{
    struct stat st;
    CLEANUP(closep) int in = open(from, O_RDONLY | O_CLOEXEC);
    CLEANUP(closep) int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (in < 0 || out < 0 || fstat(in, &st) || fchmod(out, 0600 | (st.st_mode & S_IXUSR)))
        return false;
    if (ioctl(out, FICLONE, in) == 0)
        return true;
    ssize_t moved;
    do
        moved = sendfile(out, in, NULL, COPY_MAX);
    while (moved > 0 || (moved < 0 && errno == EINTR));
    return moved == 0;
}

/* From the cache, where others have it too, now and later. Its mode keeps tasks from writing there; whom
 * that does not stop, as root, gets a copy. */
static bool put_file(const char *from, const char *to)
{
    return access(from, W_OK) == 0 ? copy_file(from, to) : symlink(from, to) == 0;
}

static bool put_files(const char *tasks, const char *files)
{
    CLEANUP(close_directory) DIR *d = opendir(files);
    if (!d)
        return false;
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        CLEANUP(freep) char *from = join(files, e->d_name), *to = join(tasks, e->d_name);
        CLEANUP(freep) char *real = from ? realpath(from, NULL) : NULL;
        if (!real || !to || !put_file(real, to))
            return false;
    }
    return true;
}

static bool link_list(const char *tasks, const char *list)
{
    CLEANUP(freep) char *copy = strdup(list);
    char *rest = copy;
    for (char *path; rest && (path = strsep(&rest, ","));) {
        if (!*path)
            continue;
        CLEANUP(freep) char *real = realpath(path, NULL);
        const char *slash = strrchr(path, '/');
        CLEANUP(freep) char *to = join(tasks, slash ? slash + 1 : path);
        if (!real || !to || symlink(real, to))
            return false;
    }
    return copy != NULL;
}

int workdir_open(workdir *ret, const char *base, uint64_t number, const char *files,
                 const char *list, rdd_error *err)
{
    workdir w = { .base = strdup(base), .lock_fd = -1 };
    if (asprintf(&w.path, "%s/%s%016" PRIx64, base, PREFIX, number) < 0)
        w.path = NULL;
    CLEANUP(freep) char *tasks = w.path ? join(w.path, "tasks") : NULL;
    bool made = w.base && tasks && make_directories(base) && make_locked(&w);
    if (made && !mkdir(tasks, S_IRWXU) && (!files || !*files || put_files(tasks, files)) &&
        (!list || link_list(tasks, list)) && !chdir(tasks)) {
        *ret = w;
        return 0;
    }
    char reason[128];
    int error = errno;
    if (made)
        workdir_close(&w);
    else
        free(w.path), free(w.base), closep(&w.lock_fd);
    return error_set(err, RDD_E_IO, "no directory for the tasks can be made in %s (%s): choose another "
                     "with workdir=", base, strerror_r(error, reason, sizeof reason));
}

void workdir_close(workdir *w)
{
    if (!w->path)
        return;
    if (chdir("/") == 0)
        remove_tree(w->path);
    closep(&w->lock_fd);
    free(w->path);
    free(w->base);
    *w = (workdir){ .lock_fd = -1 };
}

/* -- What others left -------------------------------------------------------------------------- */

static void sweep_one(const char *path)
{
    struct stat st;
    if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
        return;
    CLEANUP(freep) char *lock = join(path, "lock");
    CLEANUP(closep) int fd = lock ? open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW) : -1;
    if (fd < 0)
        rmdir(path); /* one that is just made keeps on trying */
    else if (!flock(fd, LOCK_EX | LOCK_NB))
        remove_tree(path);
}

void workdir_sweep(const char *base, const _Atomic bool *stop)
{
    CLEANUP(close_directory) DIR *d = opendir(base);
    for (struct dirent *e; d && !*stop && (e = readdir(d));) {
        if (strncmp(e->d_name, PREFIX, sizeof PREFIX - 1) || strlen(e->d_name) != NAME_SIZE)
            continue;
        CLEANUP(freep) char *path = join(base, e->d_name);
        if (path)
            sweep_one(path);
    }
}
