#include "known_hosts.h"

#include "known_hosts_line.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { FILE_SIZE_MAX = 64 << 20, READ_SIZE = 64 << 10 };

typedef struct entry {
    known_host_line line;
    known_host_place place;
} entry;

struct known_hosts {
    arena memory;
    entry *entries; /* heap */
    size_t count, capacity;
    size_t skipped;
    const char *trouble;
};

/* -- Loading ----------------------------------------------------------------------------------- */

void *known_hosts_free(known_hosts *k)
{
    if (k) {
        arena_release(&k->memory);
        free(k->entries);
        free(k);
    }
    return NULL;
}

static void known_hosts_freep(known_hosts **k)
{
    known_hosts_free(*k);
}

size_t known_hosts_skipped(const known_hosts *k)
{
    return k->skipped;
}

const char *known_hosts_trouble(const known_hosts *k)
{
    return k->trouble;
}

static bool add_entry(known_hosts *k, const known_host_line *line, const char *file,
                      uint32_t number)
{
    if (k->count == k->capacity) {
        size_t capacity = size_max(16, k->capacity * 2);
        entry *entries = realloc(k->entries, capacity * sizeof *entries);
        if (!entries)
            return false;
        k->entries = entries;
        k->capacity = capacity;
    }
    k->entries[k->count++] = (entry){ *line, { file, number } };
    return true;
}

static bool add_lines(known_hosts *k, const char *file, const char *at, const char *end)
{
    for (uint32_t number = 1; at < end; number++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        known_host_line line;
        switch (known_host_line_parse(at, (size_t)(stop - at), &k->memory, &line)) {
        case LINE_GOOD:
            if (!add_entry(k, &line, file, number))
                return false;
            break;
        case LINE_BAD: k->skipped++; break;
        case LINE_EMPTY: break;
        case LINE_NO_MEMORY: return false;
        }
        at = stop + 1;
    }
    return true;
}

/* 0, or an errno. EFBIG: more than anybody's known hosts. */
static int read_file(const char *path, buf *b)
{
    CLEANUP(closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno;
    for (;;) {
        char *room = buf_reserve(b, READ_SIZE);
        if (!room)
            return b->size + READ_SIZE > FILE_SIZE_MAX ? EFBIG : ENOMEM;
        ssize_t got = read(fd, room, READ_SIZE);
        if (got < 0 && errno != EINTR)
            return errno;
        if (got == 0)
            return 0;
        b->size += got > 0 ? (size_t)got : 0;
    }
}

/* False without memory. */
static bool load_file(known_hosts *k, const char *path)
{
    CLEANUP(buf_release) buf b = { .max = FILE_SIZE_MAX };
    int error = read_file(path, &b);
    if (error == ENOMEM)
        return false;
    if (error) {
        char reason[128];
        if (error != ENOENT && error != ENOTDIR && !k->trouble)
            k->trouble = arena_format(&k->memory, "%s: %s", path,
                                      strerror_r(error, reason, sizeof reason));
        return true;
    }
    const char *file = arena_strdup(&k->memory, path);
    return file && (!b.size || add_lines(k, file, b.data, b.data + b.size));
}

int known_hosts_load(known_hosts **ret, const char *const *paths, size_t count, rdd_error *err)
{
    CLEANUP(known_hosts_freep) known_hosts *k = calloc(1, sizeof *k);
    bool ok = k != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = load_file(k, paths[i]);
    if (!ok)
        return error_set_memory(err, "reading known_hosts");
    *ret = TAKE(k);
    return 0;
}

/* -- Looking up -------------------------------------------------------------------------------- */

static bool same_key(const known_host_line *line, const void *key, size_t key_size)
{
    return line->key_size == key_size && !memcmp(line->key, key, key_size);
}

static bool same_type(const known_host_line *line, const char *type)
{
    char other[HOST_KEY_TYPE_MAX];
    return host_key_type_name(line->key, line->key_size, other) && !strcmp(type, other);
}

static void set_result(known_host_answer *a, known_host_result result, known_host_place place)
{
    a->result = result;
    a->place = place;
}

/* What all lines for `name` say: a revoked key is revoked whatever else is said of it, and a key
 * that matches may stand beside others. */
static known_host_answer ask(const known_hosts *k, const char *name, const char *type,
                             const void *key, size_t key_size)
{
    known_host_answer a = { .result = KNOWN_HOST_UNKNOWN };
    for (size_t i = 0; i < k->count; i++) {
        const entry *e = &k->entries[i];
        if (!known_host_line_is_for(&e->line, name))
            continue;
        bool same = same_key(&e->line, key, key_size);
        if (e->line.mark == MARK_AUTHORITY) {
            if (!a.authority.file)
                a.authority = e->place;
        } else if (e->line.mark == MARK_REVOKED) {
            if (same)
                set_result(&a, KNOWN_HOST_REVOKED, e->place);
        } else if (same) {
            if (a.result < KNOWN_HOST_REVOKED && a.result != KNOWN_HOST_MATCH)
                set_result(&a, KNOWN_HOST_MATCH, e->place);
        } else if (same_type(&e->line, type)) {
            if (a.result == KNOWN_HOST_UNKNOWN)
                set_result(&a, KNOWN_HOST_CHANGED, e->place);
        } else if (!a.other.file) {
            a.other = e->place;
        }
    }
    return a;
}

static bool has_own_port(uint16_t port)
{
    return port != 0 && port != 22;
}

known_host_answer known_hosts_check(const known_hosts *k, const char *host, uint16_t port,
                                    const void *key, size_t key_size)
{
    char name[KNOWN_HOST_NAME_MAX], type[HOST_KEY_TYPE_MAX];
    known_host_answer a = { .result = KNOWN_HOST_UNKNOWN };
    if (!host_key_type_name(key, key_size, type) || !known_host_name(host, port, name))
        return a;
    a = ask(k, name, type, key, key_size);
    if (!has_own_port(port) || a.result == KNOWN_HOST_REVOKED || !known_host_name(host, 0, name))
        return a;
    known_host_answer bare = ask(k, name, type, key, key_size);
    if (bare.result == KNOWN_HOST_REVOKED ||
        (bare.result == KNOWN_HOST_MATCH && a.result == KNOWN_HOST_UNKNOWN))
        set_result(&a, bare.result, bare.place);
    if (!a.authority.file)
        a.authority = bare.authority;
    return a;
}

/* -- Key types --------------------------------------------------------------------------------- */

static const struct key_type {
    const char *name;
    host_key_type type;
} KEY_TYPES[] = {
    { "ssh-ed25519", HOST_KEY_ED25519 },
    { "ecdsa-sha2-nistp256", HOST_KEY_ECDSA_256 },
    { "ecdsa-sha2-nistp384", HOST_KEY_ECDSA_384 },
    { "ecdsa-sha2-nistp521", HOST_KEY_ECDSA_521 },
    { "ssh-rsa", HOST_KEY_RSA },
};

static host_key_type type_of(const known_host_line *line)
{
    for (size_t i = 0; i < ARRAY_SIZE(KEY_TYPES); i++)
        if (same_type(line, KEY_TYPES[i].name))
            return KEY_TYPES[i].type;
    return HOST_KEY_OTHER;
}

/* Of the lines for a name that have the mark. */
static unsigned types_of_name(const known_hosts *k, const char *name, known_host_mark mark)
{
    unsigned types = 0;
    for (size_t i = 0; i < k->count; i++) {
        const known_host_line *line = &k->entries[i].line;
        if (line->mark == mark && known_host_line_is_for(line, name))
            types |= type_of(line);
    }
    return types;
}

static unsigned types_marked(const known_hosts *k, const char *host, uint16_t port, known_host_mark mark)
{
    char name[KNOWN_HOST_NAME_MAX];
    unsigned types = known_host_name(host, port, name) ? types_of_name(k, name, mark) : 0;
    if (!types && has_own_port(port) && known_host_name(host, 0, name))
        types = types_of_name(k, name, mark);
    return types;
}

unsigned known_hosts_types(const known_hosts *k, const char *host, uint16_t port)
{
    return types_marked(k, host, port, MARK_NONE);
}

bool known_hosts_authority(const known_hosts *k, const char *host, uint16_t port)
{
    return types_marked(k, host, port, MARK_AUTHORITY) != 0;
}

/* Those of KEY_TYPES that are in `types`, or all others. */
static void list_methods(buf *b, unsigned types, bool stored, const char *rsa)
{
    for (size_t i = 0; i < ARRAY_SIZE(KEY_TYPES); i++) {
        const struct key_type *t = &KEY_TYPES[i];
        const char *name = t->type == HOST_KEY_RSA ? rsa : t->name;
        if (name && stored == ((types & t->type) != 0))
            buf_format(b, "%s%s", b->size ? "," : "", name);
    }
}

char *known_hosts_methods(const known_hosts *k, const char *host, uint16_t port, const char *rsa,
                          char *text, size_t size)
{
    unsigned types = known_hosts_types(k, host, port);
    CLEANUP(buf_release) buf b = { 0 };
    list_methods(&b, types, true, rsa);
    list_methods(&b, types, false, rsa);
    const char *list = buf_terminate(&b);
    snprintf(text, size, "%s", list ? list : "");
    return text;
}

/* -- Adding ------------------------------------------------------------------------------------ */

/* ~/.ssh, only itself. */
static int make_folder(const char *path, rdd_error *err)
{
    const char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return 0;
    CLEANUP(freep) char *folder = strndup(path, (size_t)(slash - path));
    if (!folder)
        return error_set_memory(err, "writing known_hosts");
    if (mkdir(folder, 0700) && errno != EEXIST)
        return error_set_errno(err, RDD_E_IO, errno, "%s: the folder cannot be made, so no new "
                                                     "host key can be kept",
                               folder);
    return 0;
}

static int lock_file(int fd)
{
    int code;
    do
        code = flock(fd, LOCK_EX);
    while (code && errno == EINTR);
    return code;
}

/* Another process may have been faster. *ret_done: it was, and the key is the same. */
static int look_again(const char *path, const char *host, uint16_t port, const void *key,
                      size_t key_size, bool *ret_done, rdd_error *err)
{
    CLEANUP(known_hosts_freep) known_hosts *k = NULL;
    int code = known_hosts_load(&k, &path, 1, err);
    if (code < 0)
        return code;
    known_host_answer a = known_hosts_check(k, host, port, key, key_size);
    *ret_done = a.result == KNOWN_HOST_MATCH;
    if (!*ret_done && (a.result != KNOWN_HOST_UNKNOWN || a.other.file))
        return error_set(err, RDD_E_IO, "%s line %u has another key for %s by now", path,
                         a.other.file ? a.other.line : a.place.line, host);
    return 0;
}

/* A newline first if the last line has none. What did not go in whole is taken back. */
static int append_line(int fd, const char *path, buf *line, rdd_error *err)
{
    struct stat status;
    char last = '\n';
    if (fstat(fd, &status))
        return error_set_errno(err, RDD_E_IO, errno, "%s cannot be written", path);
    if (status.st_size > 0 && pread(fd, &last, 1, status.st_size - 1) != 1)
        return error_set_errno(err, RDD_E_IO, errno, "%s cannot be read", path);
    const char *from = line->data + (last == '\n');
    size_t size = line->size - (last == '\n');
    errno = ENOSPC;
    if (write(fd, from, size) == (ssize_t)size)
        return 0;
    int error = errno;
    if (ftruncate(fd, status.st_size))
        error = errno;
    return error_set_errno(err, RDD_E_IO, error, "%s cannot be written, so the new host key is not "
                                                 "kept",
                           path);
}

int known_hosts_append(const char *path, const char *host, uint16_t port, const void *key,
                       size_t key_size, bool hash_name, rdd_error *err)
{
    char name[KNOWN_HOST_NAME_MAX];
    CLEANUP(buf_release) buf line = { 0 };
    buf_char(&line, '\n');
    if (!known_host_name(host, port, name) || strpbrk(name, " \t\r\n,*?!#|@") ||
        !known_host_line_print(name, key, key_size, hash_name, &line))
        return error_set(err, RDD_E_USAGE, "%.200s cannot be written into a known_hosts file",
                         host);
    if (line.failed)
        return error_set_memory(err, "writing known_hosts");
    int code = make_folder(path, err);
    if (code < 0)
        return code;
    CLEANUP(closep) int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    if (fd < 0 || lock_file(fd))
        return error_set_errno(err, RDD_E_IO, errno, "%s cannot be written, so no new host key can "
                                                     "be kept",
                               path);
    bool done;
    code = look_again(path, host, port, key, key_size, &done, err);
    return code < 0 || done ? code : append_line(fd, path, &line, err);
}
