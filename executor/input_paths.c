/* input_paths.c: see input_paths.h. Called on the driver when a source is declared. */
#include "input_paths.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>

/* ---- one file ------------------------------------------------------------------------------- */

/* A file that is named as an archive must be one; one that is not may be one all the same. */
static int check_format(const input_file *file, rdd_error *err)
{
    static const struct {
        const char *suffix, *what;
        input_format format;
    } archives[] = { { ".gz", "gzip", INPUT_GZIP }, { ".zst", "zstd", INPUT_ZSTD } };
    size_t size = strlen(file->path);
    for (size_t i = 0; i < ARRAY_SIZE(archives); i++) {
        size_t suffix_size = strlen(archives[i].suffix);
        if (size > suffix_size && !strcmp(file->path + size - suffix_size, archives[i].suffix) &&
            file->format != archives[i].format)
            return error_set(err, RDD_E_INPUT, "%s: not a %s file, in spite of its name",
                             file->name, archives[i].what);
    }
    return 0;
}

static int check_kind(const char *name, const struct stat *status, rdd_error *err)
{
    if (S_ISREG(status->st_mode))
        return 0;
    if (S_ISDIR(status->st_mode))
        return error_set(err, RDD_E_INPUT, "%s: a directory where a file is meant", name);
    return error_set(err, RDD_E_INPUT,
                     "%s: not a regular file; read a pipe or a device from standard input "
                     "(- and < %s)",
                     name, name);
}

/* Files of /proc say that they are empty. So did one that has been written to just now. */
static int check_content(int fd, const char *name, struct stat *status, rdd_error *err)
{
    if (fstat(fd, status))
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read", name);
    if (status->st_size)
        return 0;
    return error_set(err, RDD_E_INPUT,
                     "%s: has content but no size; read it from standard input (- and < %s)", name,
                     name);
}

int input_file_stat(const char *path, const char *name, arena *a, input_file *ret, rdd_error *err)
{
    if (!name)
        name = path;
    /* A pipe without a writer would block the driver in open(). */
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot open", name);
    struct stat status;
    if (fstat(fd, &status))
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read", name);
    int code = check_kind(name, &status, err);
    if (code)
        return code;
    char magic[INPUT_MAGIC_SIZE];
    ssize_t got = pread(fd, magic, sizeof magic, 0);
    if (got < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read", name);
    if (got && !status.st_size) {
        code = check_content(fd, name, &status, err);
        if (code)
            return code;
    }
    input_file file = {
        .path = arena_strdup(a, path),
        .name = arena_strdup(a, name),
        .size = (uint64_t)status.st_size,
        .mtime_ns = (int64_t)status.st_mtim.tv_sec * 1000000000 + status.st_mtim.tv_nsec,
        .format = input_format_detect(magic, (size_t)got),
    };
    if (!file.path || !file.name)
        return error_set_memory(err, "listing files");
    code = check_format(&file, err);
    if (!code)
        *ret = file;
    return code;
}

/* ---- paths ---------------------------------------------------------------------------------- */

/* The files found so far: an array that grows outside the arena, which would keep each old copy. */
struct listing {
    arena *arena;
    buf *files;
    bool listed; /* those that come now were not named one by one */
};

static int add_file(struct listing *l, const char *path, rdd_error *err)
{
    input_file file;
    int code = input_file_stat(path, NULL, l->arena, &file, err);
    if (code)
        return code;
    file.listed = l->listed;
    buf_append(l->files, &file, sizeof file);
    return l->files->failed ? error_set_memory(err, "listing files") : 0;
}

/* Directories hold files that are no data by two conventions: .crc and editors' files, and
 * _SUCCESS, _temporary and the like beside the parts of an output. */
static bool is_hidden(const char *name)
{
    return name[0] == '.' || name[0] == '_';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a directory's entries that may be data, malloc'ed one by one in `ret`. */
static int read_names(const char *path, DIR *dir, buf *ret, rdd_error *err)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (!entry && errno)
            return error_set_errno(err, RDD_E_IO, errno, "%s: cannot list", path);
        if (!entry)
            return 0;
        if (is_hidden(entry->d_name))
            continue;
        char *name = strdup(entry->d_name);
        buf_append(ret, &name, sizeof name);
        if (!name || ret->failed) {
            if (ret->failed)
                free(name);
            return error_set_memory(err, "listing files");
        }
    }
}

/* Adds those of the names that are files. A name that has just gone is no error. */
static int add_names(struct listing *l, const char *path, char *const *names, size_t count,
                     rdd_error *err)
{
    const char *slash = path[strlen(path) - 1] == '/' ? "" : "/";
    for (size_t i = 0; i < count; i++) {
        const char *joined = arena_format(l->arena, "%s%s%s", path, slash, names[i]);
        if (!joined)
            return error_set_memory(err, "listing files");
        struct stat status;
        if (stat(joined, &status)) {
            if (errno == ENOENT)
                continue;
            return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read", joined);
        }
        int code = S_ISREG(status.st_mode) ? add_file(l, joined, err) : 0;
        if (code)
            return code;
    }
    return 0;
}

static void closedirp(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static void free_names(buf *names)
{
    for (size_t i = 0; i < names->size / sizeof(char *); i++)
        free(((char **)(void *)names->data)[i]);
    buf_release(names);
}

static int add_directory(struct listing *l, const char *path, rdd_error *err)
{
    CLEANUP(closedirp) DIR *dir = opendir(path);
    if (!dir)
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot open", path);
    CLEANUP(free_names) buf names = { 0 };
    int code = read_names(path, dir, &names, err);
    if (code)
        return code;
    char **list = (char **)(void *)names.data;
    size_t count = names.size / sizeof *list;
    if (count)
        qsort(list, count, sizeof *list, by_name);
    size_t before = l->files->size;
    code = add_names(l, path, list, count, err);
    if (!code && l->files->size == before)
        return error_set(
            err, RDD_E_INPUT,
            "%s: a directory without files (names that begin with . or _ do not count)", path);
    return code;
}

static int add_path(struct listing *l, const char *path, const struct stat *status, rdd_error *err)
{
    return S_ISDIR(status->st_mode) ? add_directory(l, path, err) : add_file(l, path, err);
}

static const char *last_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int add_matches(struct listing *l, const char *pattern, const glob_t *matches,
                       rdd_error *err)
{
    bool want_hidden = is_hidden(last_name(pattern));
    size_t count = 0;
    for (size_t i = 0; i < matches->gl_pathc; i++) {
        const char *path = matches->gl_pathv[i];
        if (is_hidden(last_name(path)) && !want_hidden)
            continue;
        struct stat status;
        if (stat(path, &status))
            return error_set_errno(err, RDD_E_IO, errno, "%s: cannot open", path);
        int code = add_path(l, path, &status, err);
        if (code)
            return code;
        count++;
    }
    return count ? 0 : error_set(err, RDD_E_INPUT, "%s: no file matches", pattern);
}

/* glob() has no way to hand an argument to its error callback. */
static _Thread_local struct {
    int os_errno;
    char path[512];
} glob_failure;

static int on_glob_error(const char *path, int os_errno)
{
    /* A pattern's directory that is missing, or is a file, matches nothing. */
    if (os_errno == ENOENT || os_errno == ENOTDIR)
        return 0;
    glob_failure.os_errno = os_errno;
    strncpy(glob_failure.path, path, sizeof glob_failure.path - 1);
    return 1;
}

static int add_glob(struct listing *l, const char *pattern, rdd_error *err)
{
    CLEANUP(globfree) glob_t matches = { 0 };
    /* glob()'s own order depends on the locale. */
    switch (glob(pattern, GLOB_NOSORT, on_glob_error, &matches)) {
    case 0:
        qsort(matches.gl_pathv, matches.gl_pathc, sizeof *matches.gl_pathv, by_name);
        return add_matches(l, pattern, &matches, err);
    case GLOB_NOMATCH: return error_set(err, RDD_E_INPUT, "%s: no file matches", pattern);
    case GLOB_ABORTED:
        return error_set_errno(err, RDD_E_IO, glob_failure.os_errno, "%s: cannot list %s", pattern,
                               glob_failure.path);
    default: return error_set_memory(err, "listing files");
    }
}

size_t path_scheme_size(const char *path)
{
    size_t size = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+-.");
    return isalpha((unsigned char)*path) && !strncmp(path + size, "://", 3) ? size : 0;
}

static int add_argument(struct listing *l, const char *path, rdd_error *err)
{
    if (!path || !*path)
        return error_set(err, RDD_E_USAGE, "an empty path");
    if (path_scheme_size(path))
        return error_set(err, RDD_E_USAGE,
                         "%s: sources read files, \"-\" (standard input), http:// and https:// only",
                         path);
    struct stat status;
    bool there = !stat(path, &status), pattern = !there && errno == ENOENT && strpbrk(path, "*?[");
    l->listed = pattern || (there && S_ISDIR(status.st_mode));
    if (there)
        return add_path(l, path, &status, err);
    if (pattern)
        return add_glob(l, path, err);
    return error_set_errno(err, RDD_E_IO, errno, "%s: cannot open", path);
}

int input_paths_expand(const char *const *paths, size_t count, arena *a, input_file **ret_files,
                       size_t *ret_count, rdd_error *err)
{
    CLEANUP(buf_release) buf files = { 0 };
    struct listing l = { a, &files, false };
    int code = count ? 0 : error_set(err, RDD_E_USAGE, "no path is given");
    for (size_t i = 0; i < count && !code; i++)
        code = add_argument(&l, paths[i], err);
    if (code)
        return code;
    void *copy = arena_copy(a, files.data, files.size);
    if (!copy)
        return error_set_memory(err, "listing files");
    *ret_files = copy;
    *ret_count = files.size / sizeof(input_file);
    return 0;
}
