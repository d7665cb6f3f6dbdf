#include "bundle.h"

#include "bundle_parts.h"
#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/utsname.h>

enum { READ_SIZE = 256 << 10 };

static bundle *bundle_new(rdd_error *err)
{
    bundle *b = calloc(1, sizeof *b);
    if (b)
        b->files = arena_alloc(&b->memory, BUNDLE_FILES_MAX * sizeof *b->files);
    if (b && b->files)
        return b;
    error_set_memory(err, "bundling the program");
    return bundle_free(b);
}

void *bundle_free(bundle *b)
{
    for (size_t i = 0; b && i < b->count; i++)
        closep(&b->files[i].fd);
    if (b)
        arena_release(&b->memory);
    free(b);
    return NULL;
}

static void bundle_freep(bundle **b)
{
    bundle_free(*b);
}

int bundle_add(bundle *b, const char *name, const char *path, int fd, rdd_error *err)
{
    CLEANUP(closep) int owned = fd;
    struct stat st;
    if (fstat(fd, &st))
        return error_set_errno(err, RDD_E_IO, errno, "%s", path);
    if (!S_ISREG(st.st_mode))
        return error_set(err, RDD_E_USAGE, "%s is not a regular file and cannot be sent", path);
    if (b->count == BUNDLE_FILES_MAX)
        return error_set(err, RDD_E_LIMIT, "more than %d files are to be sent to nodes",
                         BUNDLE_FILES_MAX);
    bundle_file *f = &b->files[b->count];
    *f = (bundle_file){ .path = arena_strdup(&b->memory, path),
                        .name = arena_strdup(&b->memory, name),
                        .size = (uint64_t)st.st_size,
                        .fd = owned };
    if (!f->path || !f->name)
        return error_set_memory(err, "bundling the program");
    owned = -1;
    b->count++;
    return 0;
}

/* -- Hashes ------------------------------------------------------------------------------------ */

static void hex_of(XXH128_hash_t hash, char *ret)
{
    snprintf(ret, BUNDLE_HASH_SIZE, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

static void *free_state(XXH3_state_t *state)
{
    XXH3_freeState(state);
    return NULL;
}

static void free_statep(XXH3_state_t **state)
{
    free_state(*state);
}

ssize_t bundle_read(const bundle_file *file, uint64_t offset, void *data, size_t size,
                    rdd_error *err)
{
    ssize_t got;
    do
        got = pread(file->fd, data, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%s cannot be read", file->path);
    if (!got && size)
        return error_set(err, RDD_E_IO, "%s became shorter while it was sent", file->path);
    return got;
}

static int hash_file(bundle_file *f, XXH3_state_t *state, char *piece, rdd_error *err)
{
    XXH3_128bits_reset(state);
    for (uint64_t at = 0; at < f->size;) {
        ssize_t got = bundle_read(f, at, piece, size_min(READ_SIZE, f->size - at), err);
        if (got < 0)
            return (int)got;
        XXH3_128bits_update(state, piece, (size_t)got);
        at += (uint64_t)got;
    }
    hex_of(XXH3_128bits_digest(state), f->hash);
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const bundle_file *)a)->name, ((const bundle_file *)b)->name);
}

/* Files get their hashes, then the bundle. `fixed` files keep their places. */
static int hash_all(bundle *b, size_t fixed, rdd_error *err)
{
    CLEANUP(free_statep) XXH3_state_t *state = XXH3_createState();
    CLEANUP(freep) char *piece = malloc(READ_SIZE);
    CLEANUP(buf_release) buf names = { 0 };
    if (!state || !piece)
        return error_set_memory(err, "bundling the program");
    qsort(b->files + fixed, b->count - fixed, sizeof *b->files, by_name);
    for (size_t i = 0; i < b->count; i++) {
        int code = hash_file(&b->files[i], state, piece, err);
        if (code < 0)
            return code;
        b->size += b->files[i].size;
        buf_append(&names, b->files[i].name, strlen(b->files[i].name) + 1);
        buf_append(&names, b->files[i].hash, BUNDLE_HASH_SIZE);
    }
    if (names.failed)
        return error_set_memory(err, "bundling the program");
    hex_of(XXH3_128bits(names.data, names.size), b->hash);
    return 0;
}

/* -- The program ------------------------------------------------------------------------------- */

static int describe_machine(bundle *b, rdd_error *err)
{
    struct utsname u;
    if (uname(&u))
        return error_set_errno(err, RDD_E_IO, errno, "uname");
    b->machine = arena_format(&b->memory, "%s %s", u.sysname, u.machine);
    return b->machine ? 0 : error_set_memory(err, "bundling the program");
}

/* Nodes need not have certificates of authorities, so ours travel. The places are those that
 * distributions use; a driver without any sends none, and nodes use their own. */
static int add_authorities(bundle *b, rdd_error *err)
{
    const char *const places[] = {
        getenv("CURL_CA_BUNDLE"),
        getenv("SSL_CERT_FILE"),
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
        "/etc/ssl/cert.pem",
    };
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        int fd = places[i] && *places[i] ? open(places[i], O_RDONLY | O_CLOEXEC) : -1;
        struct stat st;
        if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode))
            return bundle_add(b, BUNDLE_CA, places[i], fd, err);
        closep(&fd);
    }
    return 0;
}

static void name_program(bundle *b)
{
    const char *path = b->files[b->has_loader].path, *slash = strrchr(path, '/');
    b->argv0 = slash ? slash + 1 : path;
    size_t plain = strspn(b->argv0, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                    "0123456789._+-");
    if (!plain || b->argv0[plain] || b->argv0[0] == '-')
        b->argv0 = BUNDLE_PROGRAM;
}

int bundle_make(bundle **ret, rdd_error *err)
{
    CLEANUP(bundle_freep) bundle *b = bundle_new(err);
    int code = b ? describe_machine(b, err) : RDD_E_MEMORY;
    if (code == 0)
        code = bundle_add_objects(b, err);
    if (code == 0)
        code = add_authorities(b, err);
    if (code == 0)
        code = hash_all(b, 1u + b->has_loader, err);
    if (code < 0)
        return code;
    name_program(b);
    *ret = TAKE(b);
    return 0;
}

/* -- Files of the user's ----------------------------------------------------------------------- */

/* The name is a line's end in deploying, and a file's name in the tasks' directory. */
static int check_name(const bundle *b, const char *name, const char *path, rdd_error *err)
{
    size_t size = strlen(name);
    if (!size || !strcmp(name, ".") || !strcmp(name, ".."))
        return error_set(err, RDD_E_USAGE, "--conf files: \"%s\" names no file", path);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < ' ' || name[i] == 127)
            return error_set(err, RDD_E_USAGE, "--conf files: the name of \"%s\" has a control character",
                             path);
    if (name[0] == ' ' || name[size - 1] == ' ' || size > 200)
        return error_set(err, RDD_E_USAGE,
                         "--conf files: \"%s\": a name begins and ends with no blank and has at most 200 "
                         "bytes",
                         path);
    for (size_t i = 0; i < b->count; i++)
        if (!strcmp(b->files[i].name, name))
            return error_set(err, RDD_E_USAGE,
                             "--conf files: %s and %s would both be %s in the tasks' directory",
                             b->files[i].path, path, name);
    return 0;
}

static int add_path(bundle *b, const char *path, rdd_error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int code = check_name(b, name, path, err);
    if (code < 0)
        return code;
    /* Not to wait at a FIFO for somebody to write. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, RDD_E_INPUT, errno, "--conf files: %s", path);
    return bundle_add(b, name, path, fd, err);
}

int bundle_of_paths(bundle **ret, const char *list, rdd_error *err)
{
    *ret = NULL;
    CLEANUP(bundle_freep) bundle *b = bundle_new(err);
    int code = b ? 0 : RDD_E_MEMORY;
    for (const char *at = list; code == 0 && *at;) {
        size_t size = strcspn(at, ",");
        char *path = arena_copy(&b->memory, at, size);
        if (!path)
            return error_set_memory(err, "reading the list of files");
        if (size)
            code = add_path(b, path, err);
        at += size + (at[size] == ',');
    }
    if (code == 0 && b->count)
        code = hash_all(b, 0, err);
    if (code == 0 && b->count)
        *ret = TAKE(b);
    return code;
}
