/* input.c: opening inputs, and the files of this machine.
 *
 * Called by the readers of records and by sources that take files whole. Providers are stateless
 * constants, so any number of threads may open inputs at once; an input belongs to one thread.
 */
#include "input.h"

#include "bytemask.h"
#include "input_compressed.h"
#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

/* ---- files of this machine ------------------------------------------------------------------ */

struct local_input {
    input base;
    int fd;
};

struct local_provider {
    input_provider base;
    bool exact; /* another size or mtime is an error, not only a smaller size */
};

/* Linux transfers no more than this in one call. */
#define READ_MAX MIB(1024)

ssize_t input_fd_read(int fd, const input_file *file, uint64_t offset, void *data, size_t size,
                      rdd_error *err)
{
    if (offset >= file->size)
        return 0;
    size = size_min((size_t)u64_min(size, file->size - offset), READ_MAX);
    ssize_t got;
    do
        got = pread(fd, data, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read at byte %" PRIu64, file->name,
                               offset);
    if (got == 0)
        return error_set(err, RDD_E_INPUT,
                         "%s: shrank to %" PRIu64 " bytes while it was read; it had %" PRIu64
                         " when the job began",
                         file->name, offset, file->size);
    return got;
}

static ssize_t local_read(input *in, void *data, size_t size, rdd_error *err)
{
    struct local_input *local = (struct local_input *)in;
    return input_fd_read(local->fd, in->file, in->offset, data, size, err);
}

static void local_close(input *in)
{
    struct local_input *local = (struct local_input *)in;
    close(local->fd);
    free(local);
}

static const struct input_ops local_ops = { local_read, local_close };

static int64_t mtime_ns(const struct stat *status)
{
    return (int64_t)status->st_mtim.tv_sec * 1000000000 + status->st_mtim.tv_nsec;
}

/* Whether this is still the file that was listed. */
static int local_check(const input_file *file, int fd, bool exact, rdd_error *err)
{
    struct stat status;
    if (fstat(fd, &status))
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read", file->name);
    if (S_ISDIR(status.st_mode))
        return error_set_errno(err, RDD_E_IO, EISDIR, "%s: cannot read", file->name);
    uint64_t size = (uint64_t)status.st_size;
    if (size < file->size)
        return error_set(err, RDD_E_INPUT,
                         "%s: shrank to %" PRIu64 " bytes; it had %" PRIu64 " when the job began",
                         file->name, size, file->size);
    if (exact && (size != file->size || mtime_ns(&status) != file->mtime_ns))
        return error_set(err, RDD_E_INPUT,
                         "%s: not the file that the driver listed: another size or time of change",
                         file->name);
    return 0;
}

int input_fd_open(const input_file *file, bool exact, rdd_error *err)
{
    int fd = openat(node_driver_directory(), file->path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot open", file->name);
    int code = local_check(file, fd, exact, err);
    if (code == 0)
        return fd;
    close(fd);
    return code;
}

static int local_open(input_provider *provider, const input_file *file, uint64_t offset,
                      uint64_t end, input **ret, rdd_error *err)
{
    (void)end; /* the kernel reads ahead on its own */
    bool exact = ((struct local_provider *)provider)->exact;
    CLEANUP(closep) int fd = input_fd_open(file, exact, err);
    if (fd < 0)
        return fd;
    struct local_input *local = malloc(sizeof *local);
    if (!local)
        return error_set_memory(err, "opening a file");
    posix_fadvise(fd, (off_t)u64_min(offset, INT64_MAX), 0, POSIX_FADV_SEQUENTIAL);
    *local = (struct local_input){ .base = { &local_ops, file, offset }, .fd = fd };
    fd = -1;
    *ret = &local->base;
    return 0;
}

input_provider *input_provider_local(void)
{
    static struct local_provider provider = { .base.open = local_open };
    return &provider.base;
}

input_provider *input_provider_shared(void)
{
    static struct local_provider provider = { .base.open = local_open, .exact = true };
    return &provider.base;
}

/* ---- every kind of input -------------------------------------------------------------------- */

int input_open_raw(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
                   input **ret, rdd_error *err)
{
    return provider->open(provider, file, offset, end, ret, err);
}

int input_open(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
               input **ret, rdd_error *err)
{
    if (file->format == INPUT_PLAIN)
        return provider->open(provider, file, offset, end, ret, err);
    if (offset)
        return error_set(err, RDD_E_USAGE, "%s: a compressed file can only be read from its start",
                         file->name);
    input *raw;
    int code = provider->open(provider, file, 0, INPUT_END, &raw, err);
    if (code)
        return code;
    return file->format == INPUT_GZIP ? input_gzip_open(raw, ret, err)
                                      : input_zstd_open(raw, ret, err);
}

ssize_t input_read_full(input *in, void *data, size_t size, rdd_error *err)
{
    size_t have = 0;
    while (have < size) {
        ssize_t got = input_read(in, (char *)data + have, size - have, err);
        if (got < 0)
            return got;
        if (got == 0)
            break;
        have += (size_t)got;
    }
    return (ssize_t)have;
}

void input_free(input *in)
{
    if (in)
        in->ops->close(in);
}

void input_freep(input **in)
{
    input_free(*in);
}

uint64_t input_line_at(input_provider *provider, const input_file *file, uint64_t offset)
{
    CLEANUP(input_freep) input *in = NULL;
    CLEANUP(freep) char *data = malloc(KIB(256));
    if (!data || input_open(provider, file, 0, offset, &in, NULL))
        return 0;
    uint64_t line = 1;
    while (in->offset < offset) {
        size_t want = (size_t)u64_min(KIB(256), offset - in->offset);
        ssize_t got = input_read(in, data, want, NULL);
        if (got <= 0)
            return 0;
        line += bytes_count(data, (size_t)got, '\n');
    }
    return line;
}

input_format input_format_detect(const void *data, size_t size)
{
    const unsigned char *bytes = data;
    if (size >= 2 && bytes[0] == 0x1f && bytes[1] == 0x8b)
        return INPUT_GZIP;
    if (size < 4)
        return INPUT_PLAIN;
    uint32_t magic = (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
                     (uint32_t)bytes[3] << 24;
    /* A frame, or a frame that decoders skip, with which some archives begin. */
    if (magic == 0xfd2fb528u || (magic & 0xfffffff0u) == 0x184d2a50u)
        return INPUT_ZSTD;
    return INPUT_PLAIN;
}

/* ---- on the wire ---------------------------------------------------------------------------- */

void input_file_encode(buf *b, const input_file *file)
{
    buf_sized(b, file->path, strlen(file->path));
    buf_sized(b, file->name, strlen(file->name));
    buf_u64(b, file->size);
    buf_u64(b, (uint64_t)file->mtime_ns);
    const char *version = file->version ? file->version : "";
    buf_sized(b, version, strlen(version));
    buf_u8(b, file->whole);
    buf_u8(b, file->listed);
    buf_u64(b, file->number);
    buf_u8(b, (uint8_t)file->place);
    buf_u8(b, (uint8_t)file->format);
}

/* A string without NUL bytes; NULL if it has one, or is not all there, or memory is short. */
static const char *decode_text(reader *r, arena *a)
{
    size_t size;
    const char *data = reader_sized(r, &size);
    return data && !memchr(data, 0, size) ? arena_copy(a, data, size) : NULL;
}

int input_file_decode(reader *r, arena *a, input_file *ret, rdd_error *err)
{
    input_file file = { 0 };
    file.path = decode_text(r, a);
    file.name = decode_text(r, a);
    file.size = reader_u64(r);
    file.mtime_ns = (int64_t)reader_u64(r);
    file.version = decode_text(r, a);
    uint8_t whole = reader_u8(r), listed = reader_u8(r);
    file.number = reader_u64(r);
    uint8_t place = reader_u8(r);
    uint8_t format = reader_u8(r);
    bool texts = file.path && file.name && file.version;
    if (r->failed || !texts || format > INPUT_ZSTD || file.size > INT64_MAX ||
        place >= INPUT_PLACES || whole > 1 || listed > 1)
        return error_set(err, RDD_E_PROTOCOL, "a malformed file description came over the wire");
    file.format = (input_format)format;
    file.place = (input_place)place;
    file.whole = whole;
    file.listed = listed;
    *ret = file;
    return 0;
}
