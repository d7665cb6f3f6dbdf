#include "call_journal_file.h"

#include "call_wire.h"
#include "hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { JOURNAL_VERSION = 1, RECORD_SUMMED = 12 };

static const char MAGIC[4] = { 'R', 'D', 'D', 'J' };

void call_journal_record(buf *b, uint32_t stage, uint32_t partition, rdd_str entry)
{
    enum { SUM = 8 };
    size_t at = b->size;
    buf_u32(b, (uint32_t)entry.size);
    buf_u32(b, stage);
    buf_u32(b, partition);
    buf_append(b, entry.data, entry.size);
    if (!b->failed)
        buf_u64(b, hash_bytes(b->data + at, b->size - at, 0));
    if (b->failed) {
        b->size = at;
        return;
    }
    char sum[SUM], *summed = b->data + at + RECORD_SUMMED; /* the sum goes before the entry */
    memcpy(sum, summed + entry.size, SUM);
    memmove(summed + SUM, summed, entry.size);
    memcpy(summed, sum, SUM);
}

int call_journal_file_write(int fd, const buf *b, uint64_t at)
{
    for (size_t done = 0; done < b->size;) {
        ssize_t n = pwrite(fd, b->data + done, b->size - done, (off_t)(at + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return RDD_E_IO;
        done += (size_t)n;
    }
    return b->failed ? RDD_E_MEMORY : 0;
}

static int fail_file(rdd_error *err, const char *what, const char *path)
{
    return error_set_errno(err, RDD_E_IO, errno, "the journal %s cannot be %s", path, what);
}

static int open_locked(const char *path, int *ret_fd, rdd_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return fail_file(err, "opened", path);
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        close(fd);
        return error_set(err, RDD_E_IO, "the journal %s is used by another run; wait for its end, or "
                         "give another file", path);
    }
    *ret_fd = fd;
    return 0;
}

static int write_head(int fd, const char *path, rdd_error *err)
{
    CLEANUP(buf_release) buf head = { 0 };
    buf_append(&head, MAGIC, sizeof MAGIC);
    buf_u32(&head, JOURNAL_VERSION);
    buf_u64(&head, 0);
    return call_journal_file_write(fd, &head, 0) < 0 ? fail_file(err, "written", path) : 0;
}

/* The head is there, and ours. An empty file, or one whose head was torn, gets one. */
static int check_head(int fd, const char *path, off_t size, rdd_error *err)
{
    char head[JOURNAL_HEAD_SIZE];
    ssize_t got = pread(fd, head, sizeof head, 0);
    if (got < 0)
        return fail_file(err, "read", path);
    size_t known = size_min((size_t)got, sizeof MAGIC);
    if (memcmp(head, MAGIC, known) != 0)
        return error_set(err, RDD_E_IO, "%s is no journal of calls; it is left alone, give another "
                         "file", path);
    if (size < JOURNAL_HEAD_SIZE)
        return write_head(fd, path, err);
    reader r = reader_over(head + sizeof MAGIC, sizeof head - sizeof MAGIC);
    if (reader_u32(&r) != JOURNAL_VERSION)
        return error_set(err, RDD_E_IO, "the journal %s is of another version of the library", path);
    return 0;
}

int call_journal_file_open(const char *path, bool resume, int *ret_fd, bool *ret_moved,
                           rdd_error *err)
{
    int fd;
    struct stat status;
    *ret_moved = false;
    int code = open_locked(path, &fd, err);
    if (code < 0)
        return code;
    if (fstat(fd, &status))
        code = fail_file(err, "read", path);
    else
        code = check_head(fd, path, status.st_size, err);
    if (code == 0 && !resume && status.st_size > JOURNAL_HEAD_SIZE) {
        CLEANUP(buf_release) buf old = { 0 };
        buf_format(&old, "%s.old", path);
        const char *name = buf_terminate(&old);
        if (!name || rename(path, name))
            code = fail_file(err, "renamed", path);
        close(fd);
        if (code == 0)
            code = open_locked(path, &fd, err);
        else
            return code;
        if (code < 0)
            return code;
        *ret_moved = true;
        code = write_head(fd, path, err);
    }
    if (code < 0) {
        close(fd);
        return code;
    }
    *ret_fd = fd;
    return 0;
}

/* The record at `place`; its size with its head, 0 when there is no whole one. */
static size_t read_record(int fd, uint64_t place, buf *b, uint32_t *ret_stage,
                          uint32_t *ret_partition, rdd_str *ret)
{
    char head[JOURNAL_RECORD_HEAD];
    if (pread(fd, head, sizeof head, (off_t)place) != (ssize_t)sizeof head)
        return 0;
    reader r = reader_over(head, sizeof head);
    uint32_t size = reader_u32(&r);
    *ret_stage = reader_u32(&r);
    *ret_partition = reader_u32(&r);
    uint64_t sum = reader_u64(&r);
    buf_clear(b);
    buf_append(b, head, RECORD_SUMMED);
    char *entry = size <= JOURNAL_ENTRY_MAX ? buf_reserve(b, size) : NULL;
    if (!entry || pread(fd, entry, size, (off_t)(place + sizeof head)) != (ssize_t)size)
        return 0;
    b->size += size;
    *ret = (rdd_str){ size, b->data + RECORD_SUMMED };
    return hash_bytes(b->data, b->size, 0) == sum ? sizeof head + size : 0;
}

int call_journal_file_read(int fd, const char *path, uint64_t *ret_end,
                           void (*take)(void *arg, uint32_t stage, uint32_t partition,
                                        uint64_t place, rdd_str entry),
                           void *arg, rdd_error *err)
{
    CLEANUP(buf_release) buf b = { 0 };
    uint64_t place = JOURNAL_HEAD_SIZE;
    uint32_t stage, partition;
    rdd_str entry;
    for (size_t size; (size = read_record(fd, place, &b, &stage, &partition, &entry));) {
        take(arg, stage, partition, place + JOURNAL_RECORD_HEAD, entry);
        place += size;
    }
    if (b.failed)
        return error_set_memory(err, "reading the journal of calls");
    if (ftruncate(fd, (off_t)place))
        return fail_file(err, "written", path);
    *ret_end = place;
    return 0;
}

int call_journal_file_temporary(int *ret_fd, rdd_error *err)
{
    const char *directory = getenv("TMPDIR");
    if (!directory || !*directory)
        directory = access("/var/tmp", W_OK | X_OK) == 0 ? "/var/tmp" : "/tmp";
    CLEANUP(buf_release) buf path = { 0 };
    buf_format(&path, "%s/rdd-journal-XXXXXX", directory);
    char *name = buf_terminate(&path);
    if (!name)
        return error_set_memory(err, "keeping answers of calls");
    int fd = mkostemp(name, O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "cannot make a file in %s (see TMPDIR)",
                               directory);
    unlink(name);
    *ret_fd = fd;
    return 0;
}
