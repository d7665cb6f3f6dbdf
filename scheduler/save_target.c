/* save_target.c: see save_target.h. */
#include "save_target.h"

#include "input_paths.h"
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>

/* ---- directories ---------------------------------------------------------------------------- */

enum { TREE_DEPTH_MAX = 4 };

/* Removes an entry of a directory and what is below it; links are not followed. */
static bool tree_remove(int parent_fd, const char *name, int depth)
{
    if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT)
        return true;
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        closep(&fd);
        return false;
    }
    for (struct dirent *e; depth && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            tree_remove(fd, e->d_name, depth - 1);
    closedir(dir);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT;
}

/* A task that was given up may still be making its file. */
static bool tree_remove_surely(int parent_fd, const char *name)
{
    for (int tries = 0; tries < 5; tries++)
        if (tree_remove(parent_fd, name, TREE_DEPTH_MAX))
            return true;
    return false;
}

static bool is_part_file(const char *name)
{
    return strncmp(name, "part-", 5) == 0 || strcmp(name, "_SUCCESS") == 0;
}

/* Only what a save has made may be replaced: anything else in there is somebody's. */
static int check_replaceable(int parent_fd, const char *name, const char *shown, rdd_error *err)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        int os_errno = errno;
        closep(&fd);
        return error_set_errno(err, RDD_E_IO, os_errno, "%s: cannot look into it", shown);
    }
    int code = 0;
    for (struct dirent *e; code == 0 && (e = readdir(dir));) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (!is_part_file(e->d_name) || fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(st.st_mode))
            code = error_set(err, RDD_E_EXISTS,
                             "%s: is there, and is not replaced because it holds %s, which no save "
                             "has made; remove it yourself or choose another name",
                             shown, e->d_name);
    }
    closedir(dir);
    return code;
}

/* ---- the staging directory ------------------------------------------------------------------ */

/* Removes what a killed driver left. It is dead when its number is free and its lock is; where
 * locks do not work, nothing is removed. */
static void remove_leftovers(int parent_fd, const char *prefix)
{
    int fd = openat(parent_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        closep(&fd);
        return;
    }
    size_t size = strlen(prefix);
    for (struct dirent *e; (e = readdir(dir));) {
        int pid, used = 0;
        unsigned salt;
        if (strncmp(e->d_name, prefix, size) != 0)
            continue;
        const char *rest = e->d_name + size;
        if (sscanf(rest, "%d-%x%n", &pid, &salt, &used) != 2 || rest[used])
            continue;
        if (pid <= 1 || kill(pid, 0) == 0 || errno != ESRCH)
            continue;
        CLEANUP(closep) int old = openat(parent_fd, e->d_name,
                                         O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        struct stat st;
        if (old >= 0 && fstat(old, &st) == 0 && st.st_uid == geteuid() &&
            flock(old, LOCK_EX | LOCK_NB) == 0)
            tree_remove_surely(parent_fd, e->d_name);
    }
    closedir(dir);
}

/* ".<name>.rdd-<pid>-<random>" in the parent. The first error of the file system is met here. */
static int staging_create(save_target *t, const char *parent, rdd_error *err)
{
    CLEANUP(freep) char *prefix = NULL;
    if (asprintf(&prefix, ".%.200s.rdd-", t->name ? t->name : "stdout") < 0) {
        prefix = NULL;
        return error_set_memory(err, "opening an output");
    }
    remove_leftovers(t->parent_fd, prefix);
    uint32_t salt = 0;
    if (getrandom(&salt, sizeof salt, 0) < 0)
        salt = (uint32_t)getpid();
    if (asprintf(&t->staging_name, "%s%d-%08" PRIx32, prefix, (int)getpid(), salt) < 0) {
        t->staging_name = NULL;
        return error_set_memory(err, "opening an output");
    }
    if (mkdirat(t->parent_fd, t->staging_name, 0700) < 0) {
        int os_errno = errno;
        free(TAKE(t->staging_name));
        if (os_errno == ENOSPC || os_errno == EDQUOT)
            return output_error(err, os_errno, t->shown);
        return error_set_errno(err, RDD_E_IO, os_errno, "%s: cannot write in the directory %s",
                               t->shown, parent);
    }
    t->staging_fd = openat(t->parent_fd, t->staging_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (t->staging_fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot write in the directory %s",
                               t->shown, parent);
    flock(t->staging_fd, LOCK_EX | LOCK_NB);
    const char *base = strcmp(parent, "/") == 0 ? "" : parent;
    if (asprintf(&t->staging, "%s/%s", base, t->staging_name) < 0) {
        t->staging = NULL;
        return error_set_memory(err, "opening an output");
    }
    return 0;
}

static int parent_open(save_target *t, const char *parent, rdd_error *err)
{
    CLEANUP(freep) char *resolved = realpath(parent, NULL);
    if (resolved)
        t->parent_fd = open(resolved, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (!resolved || t->parent_fd < 0) {
        if (errno == ENOENT)
            return error_set(err, RDD_E_IO, "%s: there is no directory %s; create it first",
                             t->shown, parent);
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot write in the directory %s",
                               t->shown, parent);
    }
    return staging_create(t, resolved, err);
}

/* ---- checks --------------------------------------------------------------------------------- */

static int check_existing(const save_target *t, const struct stat *st, rdd_error *err)
{
    if (t->kind == SAVE_FILE && S_ISDIR(st->st_mode))
        return error_set(err, RDD_E_EXISTS,
                         "%s: is a directory, and a file is meant; for part files in a directory "
                         "end the name in / or set .parts",
                         t->shown);
    if (t->kind == SAVE_DIRECTORY && !S_ISDIR(st->st_mode))
        return error_set(err, RDD_E_EXISTS, "%s: is a file, and a directory of part files is meant",
                         t->shown);
    if (!t->overwrite)
        return error_set(err, RDD_E_EXISTS,
                         "%s: is there already; remove it, choose another name or set .overwrite",
                         t->shown);
    return 0;
}

/* Devices and named pipes are written to, not replaced. */
static int stream_open(save_target *t, const char *path, rdd_error *err)
{
    t->kind = SAVE_STREAM;
    t->stream_owned = true;
    t->stream_fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (t->stream_fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "cannot write %s", t->shown);
    return 0;
}

/* What leads to the place through links, or ends in a dot, as a plain path: it is what links point
 * at that is replaced. */
static int links_follow(const save_target *t, char **place, rdd_error *err)
{
    struct stat st;
    const char *slash = strrchr(*place, '/'), *last = slash ? slash + 1 : *place;
    bool is_link = lstat(*place, &st) == 0 && S_ISLNK(st.st_mode);
    if (!is_link && *last && strcmp(last, ".") != 0 && strcmp(last, "..") != 0)
        return 0;
    char *resolved = realpath(*place, NULL);
    if (!resolved && errno == ENOENT && is_link)
        return error_set(err, RDD_E_EXISTS, "%s: is a symbolic link that points to nothing",
                         t->shown);
    if (!resolved)
        return error_set_errno(err, RDD_E_IO, errno, "%s", t->shown);
    free(*place);
    *place = resolved;
    return 0;
}

static int place_open(save_target *t, const char *path, rdd_error *err)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    CLEANUP(freep) char *place = strndup(path, size);
    if (!place)
        return error_set_memory(err, "opening an output");
    struct stat st;
    bool exists = stat(place, &st) == 0;
    if (!exists && errno != ENOENT && errno != ENOTDIR)
        return error_set_errno(err, RDD_E_IO, errno, "%s", t->shown);
    if (exists && t->kind == SAVE_FILE && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return stream_open(t, place, err);
    int code = links_follow(t, &place, err);
    if (code == 0 && exists)
        code = check_existing(t, &st, err);
    if (code < 0)
        return code;
    char *slash = strrchr(place, '/');
    t->name = strdup(slash ? slash + 1 : place);
    if (!t->name)
        return error_set_memory(err, "opening an output");
    if (!*t->name)
        return error_set(err, RDD_E_USAGE, "%s: is no name for an output", t->shown);
    if (slash)
        slash[slash == place] = 0;
    code = parent_open(t, slash ? place : ".", err);
    if (code == 0 && exists && t->kind == SAVE_DIRECTORY)
        code = check_replaceable(t->parent_fd, t->name, t->shown, err);
    return code;
}

/* A stream's parts wait where temporary files that may be large belong. */
static int stream_stage(save_target *t, rdd_error *err)
{
    const char *directory = getenv("TMPDIR");
    if (!directory || !*directory)
        directory = access("/var/tmp", W_OK | X_OK) == 0 ? "/var/tmp" : "/tmp";
    return parent_open(t, directory, err);
}

int save_target_open(save_target *ret, const char *path, bool parts, bool overwrite, rdd_error *err)
{
    CLEANUP(save_target_release) save_target t = SAVE_TARGET_NONE;
    size_t size = strlen(path);
    if (!size)
        return error_set(err, RDD_E_USAGE, "an output with an empty name");
    if (path_scheme_size(path))
        return error_set(err, RDD_E_USAGE,
                         "%s: outputs are files, directories or \"-\" (standard output) only", path);
    t.shown = path;
    t.overwrite = overwrite;
    t.kind = parts || path[size - 1] == '/' ? SAVE_DIRECTORY : SAVE_FILE;
    int code;
    if (strcmp(path, "-") == 0) {
        t.shown = "standard output";
        if (parts)
            return error_set(err, RDD_E_USAGE, "standard output cannot take part files");
        t.kind = SAVE_STREAM;
        t.stream_fd = STDOUT_FILENO;
        code = 0;
    } else {
        code = place_open(&t, path, err);
    }
    if (code == 0 && t.kind == SAVE_STREAM)
        code = stream_stage(&t, err);
    if (code < 0)
        return code;
    *ret = t;
    t = SAVE_TARGET_NONE;
    return 0;
}

char *save_target_path(const save_target *t, const char *name)
{
    char *path;
    return asprintf(&path, "%s/%s", t->staging, name) < 0 ? NULL : path;
}

bool save_target_discard(save_target *t)
{
    if (!t->staging_name)
        return true;
    bool gone = tree_remove_surely(t->parent_fd, t->staging_name);
    if (gone)
        free(TAKE(t->staging_name));
    return gone;
}

void save_target_release(save_target *t)
{
    save_target_discard(t);
    closep(&t->staging_fd);
    closep(&t->parent_fd);
    if (t->stream_owned)
        closep(&t->stream_fd);
    free(t->name);
    free(t->staging);
    free(t->staging_name);
    *t = SAVE_TARGET_NONE;
}

/* ---- publishing ----------------------------------------------------------------------------- */

/* What is renamed must be on the disk first, or a power cut leaves an empty file under the final
 * name; and here it shows when there is no room after all. One sync for many part files. */
static int make_durable(const save_target *t, const char *name, rdd_error *err)
{
    CLEANUP(closep) int fd = openat(t->staging_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%s: what was written is gone", t->shown);
    int failed = t->kind == SAVE_DIRECTORY ? syncfs(fd) : fsync(fd);
    /* File systems that cannot sync say EINVAL. */
    if (failed && (errno == EIO || errno == ENOSPC || errno == EDQUOT))
        return output_error(err, errno, t->shown);
    return 0;
}

static bool not_supported(int os_errno)
{
    return os_errno == EINVAL || os_errno == ENOSYS || os_errno == EOPNOTSUPP;
}

static int rename_new(const save_target *t, const char *name)
{
    if (renameat2(t->staging_fd, name, t->parent_fd, t->name, RENAME_NOREPLACE) == 0)
        return 0;
    if (!not_supported(errno))
        return -1;
    if (faccessat(t->parent_fd, t->name, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(t->staging_fd, name, t->parent_fd, t->name);
}

/* The old directory ends up in the staging directory, and goes with it. */
static int rename_directory(const save_target *t, const char *name)
{
    if (renameat2(t->staging_fd, name, t->parent_fd, t->name, RENAME_EXCHANGE) == 0)
        return 0;
    if (errno == ENOENT)
        return rename_new(t, name);
    if (!not_supported(errno) || renameat(t->parent_fd, t->name, t->staging_fd, "replaced") < 0)
        return -1;
    if (renameat(t->staging_fd, name, t->parent_fd, t->name) == 0)
        return 0;
    int os_errno = errno;
    renameat(t->staging_fd, "replaced", t->parent_fd, t->name);
    errno = os_errno;
    return -1;
}

int save_target_publish(save_target *t, const char *name, rdd_error *err)
{
    ASSERT(t->kind != SAVE_STREAM);
    int code = make_durable(t, name, err);
    if (code < 0)
        return code;
    int failed;
    if (!t->overwrite) {
        failed = rename_new(t, name);
    } else if (t->kind == SAVE_FILE) {
        failed = renameat(t->staging_fd, name, t->parent_fd, t->name);
    } else {
        struct stat st; /* once more: the job may have taken hours */
        if (fstatat(t->parent_fd, t->name, &st, 0) == 0)
            code = check_replaceable(t->parent_fd, t->name, t->shown, err);
        if (code < 0)
            return code;
        failed = rename_directory(t, name);
    }
    if (failed && (errno == EEXIST || errno == ENOTEMPTY))
        return error_set(err, RDD_E_EXISTS, "%s: appeared while the job was running; it was kept",
                         t->shown);
    if (failed)
        return error_set_errno(err, RDD_E_IO, errno, "cannot give %s its name", t->shown);
    fsync(t->parent_fd);
    return 0;
}
