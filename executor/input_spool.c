/* input_spool.c: standard input as a file; see input_paths.h.
 *
 * A pipe can be read once and at one place; tasks read at many places, and again when they are
 * tried again. So it is copied to disk first.
 */
#include "input_paths.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>

#define CHUNK_SIZE KIB(256)

/* Where temporary files that may be large belong. */
static const char *spool_directory(void)
{
    const char *directory = getenv("TMPDIR");
    if (directory && *directory)
        return directory;
    return access("/var/tmp", W_OK | X_OK) == 0 ? "/var/tmp" : "/tmp";
}

/* Makes a file that has no name but can be opened again through /proc. */
static int spool_create(const char *directory, input_spool *spool, rdd_error *err)
{
    if (asprintf(&spool->temporary, "%s/rdd-input-XXXXXX", directory) < 0) {
        spool->temporary = NULL;
        return error_set_memory(err, "spooling an input");
    }
    spool->fd = mkostemp(spool->temporary, O_CLOEXEC);
    if (spool->fd < 0) {
        int os_errno = errno;
        free(TAKE(spool->temporary));
        return error_set_errno(err, RDD_E_IO, os_errno, "cannot make a file in %s (see TMPDIR)",
                               directory);
    }
    if (asprintf(&spool->path, "/proc/%d/fd/%d", (int)getpid(), spool->fd) < 0) {
        spool->path = NULL;
        return error_set_memory(err, "spooling an input");
    }
    if (access(spool->path, R_OK) == 0) {
        unlink(spool->temporary);
        free(TAKE(spool->temporary));
        return 0;
    }
    free(spool->path);
    spool->path = strdup(spool->temporary);
    return spool->path ? 0 : error_set_memory(err, "spooling an input");
}

static int write_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t done = write(fd, data, size);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -errno;
        data += done;
        size -= (size_t)done;
    }
    return 0;
}

static int spool_copy(int from, int to, const char *name, const char *directory, rdd_error *err)
{
    CLEANUP(freep) char *chunk = malloc(CHUNK_SIZE);
    if (!chunk)
        return error_set_memory(err, "spooling an input");
    for (uint64_t size = 0;;) {
        ssize_t got = read(from, chunk, CHUNK_SIZE);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read at byte %" PRIu64, name,
                                   size);
        if (got == 0)
            return 0;
        int failed = write_all(to, chunk, (size_t)got);
        if (failed)
            return error_set_errno(err, RDD_E_IO, -failed,
                                   "%s: cannot keep more than %" PRIu64
                                   " bytes in %s (set TMPDIR to a larger place)",
                                   name, size, directory);
        size += (uint64_t)got;
    }
}

int input_spool_fd(int fd, const char *name, input_spool *ret, rdd_error *err)
{
    const char *directory = spool_directory();
    CLEANUP(input_spool_release) input_spool spool = { .fd = -1 };
    int code = spool_create(directory, &spool, err);
    if (code) {
        error_prefix(err, "%s: ", name);
        return code;
    }
    code = spool_copy(fd, spool.fd, name, directory, err);
    if (code)
        return code;
    *ret = spool;
    spool = (input_spool){ .fd = -1 };
    return 0;
}

void input_spool_release(input_spool *spool)
{
    if (!spool->path && !spool->temporary)
        return;
    if (spool->temporary)
        unlink(spool->temporary);
    free(spool->temporary);
    free(spool->path);
    closep(&spool->fd);
    *spool = (input_spool){ .fd = -1 };
}
