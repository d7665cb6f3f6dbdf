/* output.c: outputs to files and descriptors, and what all outputs share. See output.h. */
#include "output.h"

#include "node.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <xxhash.h>

/* ---- what all outputs share --------------------------------------------------------------- */

int output_put(output *out, buf *pending, rdd_error *err)
{
    if (pending->failed)
        return error_set_memory(err, "writing an output");
    int code = output_write(out, pending->data, pending->size, err);
    buf_clear(pending);
    return code;
}

static int copy_by_hand(output *out, int fd, const char *shown, uint64_t offset, uint64_t size,
                        rdd_error *err)
{
    CLEANUP(freep) char *chunk = malloc(OUTPUT_CHUNK);
    if (!chunk)
        return error_set_memory(err, "writing an output");
    while (size) {
        ssize_t got = pread(fd, chunk, (size_t)u64_min(size, OUTPUT_CHUNK), (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, RDD_E_IO, errno, "%s: cannot be read", shown);
        if (got == 0)
            return error_set(err, RDD_E_IO,
                             "%s: ends %llu bytes before its writer said; was it changed?", shown,
                             (unsigned long long)size);
        int code = output_write(out, chunk, (size_t)got, err);
        if (code < 0)
            return code;
        offset += (uint64_t)got;
        size -= (uint64_t)got;
    }
    return 0;
}

int output_copy(output *out, int fd, const char *shown, uint64_t offset, uint64_t size,
                rdd_error *err)
{
    while (size && out->ops->copy) {
        ssize_t done = out->ops->copy(out, fd, offset, (size_t)u64_min(size, GIB(1)), err);
        if (done < 0)
            return (int)done;
        if (done == 0)
            break;
        offset += (uint64_t)done;
        size -= (uint64_t)done;
    }
    return size ? copy_by_hand(out, fd, shown, offset, size, err) : 0;
}

int output_finish(output *out, rdd_error *err)
{
    return out->ops->finish(out, err);
}

void output_free(output *out)
{
    if (out)
        out->ops->free(out);
}

void output_freep(output **out)
{
    output_free(*out);
}

int output_error(rdd_error *err, int os_errno, const char *shown)
{
    const char *full = os_errno == ENOSPC   ? "no space left on device"
                       : os_errno == EDQUOT ? "disk quota used up"
                       : os_errno == EFBIG  ? "file size limit reached"
                                            : NULL;
    if (!full && os_errno != EPIPE)
        return error_set_errno(err, RDD_E_IO, os_errno, "cannot write %s", shown);
    if (full)
        error_set(err, RDD_E_IO, "%s while writing %s", full, shown);
    else
        error_set(err, RDD_E_IO, "%s: whoever read it has closed it", shown);
    if (err)
        err->os_errno = os_errno;
    return RDD_E_IO;
}

const char *compression_suffix(compression how)
{
    return how == COMPRESSION_GZ ? ".gz" : how == COMPRESSION_ZST ? ".zst" : "";
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t size = strlen(name), end = strlen(suffix);
    return size > end && strcmp(name + size - end, suffix) == 0;
}

compression compression_of_name(const char *name)
{
    return ends_in(name, ".gz") ? COMPRESSION_GZ
           : ends_in(name, ".zst") ? COMPRESSION_ZST
                                   : COMPRESSION_NONE;
}

int output_compress(output **out, compression how, rdd_error *err)
{
    output *below = TAKE(*out);
    switch (how) {
    case COMPRESSION_GZ: return output_gzip(below, out, err);
    case COMPRESSION_ZST: return output_zstd(below, out, err);
    case COMPRESSION_NONE: break;
    }
    *out = below;
    return 0;
}

/* ---- SIGPIPE ------------------------------------------------------------------------------ */

sigpipe_guard sigpipe_block(void)
{
    sigset_t pipe, pending, old;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    /* One that waits already is not ours to swallow, and while it waits no other can be added. */
    sigpending(&pending);
    if (sigismember(&pending, SIGPIPE) || pthread_sigmask(SIG_BLOCK, &pipe, &old) != 0)
        return (sigpipe_guard){ false };
    return (sigpipe_guard){ !sigismember(&old, SIGPIPE) };
}

void sigpipe_restore(sigpipe_guard *guard)
{
    if (!guard->blocked)
        return;
    int saved = errno;
    sigset_t pipe;
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    const struct timespec now = { 0, 0 };
    while (sigtimedwait(&pipe, NULL, &now) < 0 && errno == EINTR)
        ;
    pthread_sigmask(SIG_UNBLOCK, &pipe, NULL);
    errno = saved;
}

/* ---- files and descriptors ----------------------------------------------------------------- */

typedef struct fd_output {
    output base;
    int fd;
    const char *shown;
    char *path;             /* to be removed when freed unfinished; NULL: nothing */
    bool owned;             /* the descriptor */
    bool no_kernel_copy;    /* tried, and it does not work between these files */
    uint64_t size;
    XXH3_state_t *checksum; /* or NULL */
} fd_output;

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t done = write(fd, data, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        data += done;
        size -= (size_t)done;
    }
    return 0;
}

static int fd_write(output *out, const void *data, size_t size, rdd_error *err)
{
    fd_output *f = (fd_output *)out;
    CLEANUP(sigpipe_restore) sigpipe_guard guard = { false };
    if (!f->owned)
        guard = sigpipe_block();
    if (write_all(f->fd, data, size) < 0)
        return output_error(err, errno, f->shown);
    f->size += size;
    if (f->checksum)
        XXH3_64bits_update(f->checksum, data, size);
    return 0;
}

static ssize_t fd_copy(output *out, int fd, uint64_t offset, size_t size, rdd_error *err)
{
    fd_output *f = (fd_output *)out;
    if (f->no_kernel_copy || f->checksum || !f->owned)
        return 0;
    off_t from = (off_t)offset;
    ssize_t done = copy_file_range(fd, &from, f->fd, NULL, size, 0);
    if (done > 0) {
        f->size += (uint64_t)done;
        return done;
    }
    if (done < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG || errno == EIO))
        return output_error(err, errno, f->shown);
    /* Another file system, an old kernel, the end of the file: reading finds out which. */
    f->no_kernel_copy = done < 0 && errno != EINTR;
    return 0;
}

static int fd_finish(output *out, rdd_error *err)
{
    fd_output *f = (fd_output *)out;
    out->stored_size = f->size;
    out->checksum = f->checksum ? XXH3_64bits_digest(f->checksum) : 0;
    /* Some network file systems only say at close() that there is no space. */
    if (f->owned) {
        int fd = f->fd;
        f->fd = -1;
        if (close(fd) < 0 && errno != EINTR)
            return output_error(err, errno, f->shown);
    }
    free(TAKE(f->path));
    return 0;
}

static void fd_free(output *out)
{
    fd_output *f = (fd_output *)out;
    if (f->owned)
        closep(&f->fd);
    if (f->path)
        unlink(f->path);
    free(f->path);
    XXH3_freeState(f->checksum);
    free(f);
}

static const struct output_ops FD_OPS = { fd_write, fd_finish, fd_free, fd_copy };

static fd_output *fd_new(const char *shown, rdd_error *err)
{
    fd_output *f = calloc(1, sizeof *f);
    if (!f) {
        error_set_memory(err, "opening an output");
        return NULL;
    }
    f->base.ops = &FD_OPS;
    f->fd = -1;
    f->shown = shown;
    return f;
}

static int fd_open(fd_output *f, const char *path, int flags, rdd_error *err)
{
    f->owned = true;
    do
        f->fd = openat(node_driver_directory(), path, flags | O_WRONLY | O_CLOEXEC, 0666);
    while (f->fd < 0 && errno == EINTR);
    if (f->fd >= 0)
        return 0;
    if (errno == ENOSPC || errno == EDQUOT)
        return output_error(err, errno, f->shown);
    return error_set_errno(err, RDD_E_IO, errno, "%s: cannot make %s", f->shown, path);
}

int output_file_create(const char *path, const char *shown, bool checksum, output **ret,
                       rdd_error *err)
{
    fd_output *f = fd_new(shown, err);
    if (!f)
        return RDD_E_MEMORY;
    CLEANUP(output_freep) output *out = &f->base;
    CLEANUP(freep) char *copy = strdup(path);
    if (!copy || (checksum && !(f->checksum = XXH3_createState())))
        return error_set_memory(err, "opening an output");
    if (f->checksum)
        XXH3_64bits_reset(f->checksum);
    int code = fd_open(f, path, O_CREAT | O_EXCL, err);
    if (code < 0)
        return code;
    f->path = TAKE(copy);
    *ret = TAKE(out);
    return 0;
}

int output_file_append(const char *path, const char *shown, output **ret, rdd_error *err)
{
    fd_output *f = fd_new(shown, err);
    if (!f)
        return RDD_E_MEMORY;
    CLEANUP(output_freep) output *out = &f->base;
    int code = fd_open(f, path, 0, err);
    if (code < 0)
        return code;
    off_t end = lseek(f->fd, 0, SEEK_END); /* not O_APPEND, which the kernel's copy refuses */
    if (end < 0)
        return output_error(err, errno, shown);
    f->size = (uint64_t)end;
    *ret = TAKE(out);
    return 0;
}

int output_descriptor(int fd, const char *shown, output **ret, rdd_error *err)
{
    fd_output *f = fd_new(shown, err);
    if (!f)
        return RDD_E_MEMORY;
    f->fd = fd;
    *ret = &f->base;
    return 0;
}
