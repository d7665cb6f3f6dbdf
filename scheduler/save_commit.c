/* save_commit.c: parts become the output: joined in partition order, or renamed one by one. See
 * save.h. The files of text, JSON and structs are complete as they are, compressed too; rows are
 * for save_rows.c.
 */
#include "save.h"

#include "output_csv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

/* ---- parts ---------------------------------------------------------------------------------- */

void saving_part_name(const saving *s, size_t index, char name[PART_NAME_MAX])
{
    output_part_name(name, (uint32_t)index, s->attempts[index]);
}

void saving_final_name(const saving *s, size_t index, char name[SAVED_NAME_MAX])
{
    snprintf(name, SAVED_NAME_MAX, SAVED_DIRECTORY "/part-%05zu%s%s", index, s->suffix,
             compression_suffix(s->compression));
}

static int part_damaged(const saving *s, size_t index, uint64_t size, rdd_error *err)
{
    return error_set(err, RDD_E_IO,
                     "%s: the file of partition %zu has %llu bytes, and %llu were written; was it "
                     "changed?",
                     s->target.shown, index, (unsigned long long)size,
                     (unsigned long long)s->parts[index].size);
}

int saving_part_open(const saving *s, size_t index, rdd_error *err)
{
    char name[PART_NAME_MAX];
    saving_part_name(s, index, name);
    CLEANUP(closep) int fd = openat(s->target.staging_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%s: cannot read the file of partition %zu",
                               s->target.shown, index);
    if ((uint64_t)st.st_size != s->parts[index].size)
        return part_damaged(s, index, (uint64_t)st.st_size, err);
    int open_fd = fd;
    fd = -1;
    return open_fd;
}

int saving_check(const saving *s, rdd_error *err)
{
    if (s->interrupted && atomic_load(s->interrupted))
        return error_set(err, RDD_E_CANCELLED, "interrupted while writing %s", s->target.shown);
    return 0;
}

/* ---- places --------------------------------------------------------------------------------- */

int saving_output_create(const saving *s, const char *name, output **ret, rdd_error *err)
{
    CLEANUP(freep) char *path = save_target_path(&s->target, name);
    if (!path)
        return error_set_memory(err, "saving");
    return output_file_create(path, s->target.shown, false, ret, err);
}

int saving_output_stream(const saving *s, output **ret, rdd_error *err)
{
    if (s->target.stream_fd == STDOUT_FILENO)
        fflush(stdout); /* what the program has printed comes first */
    return output_descriptor(s->target.stream_fd, s->target.shown, ret, err);
}

int saving_directory_make(const saving *s, rdd_error *err)
{
    if (mkdirat(s->target.staging_fd, SAVED_DIRECTORY, 0777) < 0)
        return output_error(err, errno, s->target.shown);
    return 0;
}

int saving_directory_finish(const saving *s, rdd_error *err)
{
    CLEANUP(closep) int fd = openat(s->target.staging_fd, SAVED_DIRECTORY "/_SUCCESS",
                                    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return fd < 0 ? output_error(err, errno, s->target.shown) : 0;
}

/* ---- complete parts ------------------------------------------------------------------------- */

static int append_part(const saving *s, output *out, size_t index, rdd_error *err)
{
    enum { SLICE = 64 << 20 };
    CLEANUP(closep) int fd = saving_part_open(s, index, err);
    if (fd < 0)
        return fd;
    for (uint64_t at = 0, size = s->parts[index].size; at < size; at += SLICE) {
        int code = saving_check(s, err);
        if (code == 0)
            code = output_copy(out, fd, s->target.shown, at, u64_min(size - at, SLICE), err);
        if (code < 0)
            return code;
    }
    return 0;
}

/* A joined part is removed at once: the output takes its room twice for no longer than it must. */
static int join(const saving *s, output *out, size_t first, rdd_error *err)
{
    for (size_t i = first; i < s->count; i++) {
        int code = append_part(s, out, i, err);
        if (code < 0)
            return code;
        char name[PART_NAME_MAX];
        saving_part_name(s, i, name);
        unlinkat(s->target.staging_fd, name, 0);
    }
    return output_finish(out, err);
}

/* The output of no partition at all: nothing, a header, or an empty compressed file. */
static int join_nothing(const saving *s, output *out, rdd_error *err)
{
    CLEANUP(buf_release) buf header = { 0 };
    CLEANUP(freep) rdd_str *names = calloc(s->type->field_count + 1, sizeof *names);
    if (!names)
        return error_set_memory(err, "saving");
    if (s->header && !s->rows) {
        for (uint32_t f = 0; f < s->type->field_count; f++)
            names[f] = rdd_str_of(s->type->fields[f].name);
        csv_record_write(&header, names, s->type->field_count, s->act.delimiter);
    }
    int code = output_put(out, &header, err);
    return code < 0 ? code : output_finish(out, err);
}

/* The others are joined to the first one's file. */
static int commit_file(saving *s, rdd_error *err)
{
    CLEANUP(output_freep) output *out = NULL;
    if (!s->count) {
        int code = saving_output_create(s, SAVED_FILE, &out, err);
        if (code == 0)
            code = output_compress(&out, s->compression, err);
        if (code == 0)
            code = join_nothing(s, out, err);
        return code < 0 ? code : save_target_publish(&s->target, SAVED_FILE, err);
    }
    char name[PART_NAME_MAX];
    saving_part_name(s, 0, name);
    CLEANUP(closep) int first = saving_part_open(s, 0, err);
    if (first < 0)
        return first;
    if (s->count > 1) {
        CLEANUP(freep) char *path = save_target_path(&s->target, name);
        int code = path ? output_file_append(path, s->target.shown, &out, err)
                        : error_set_memory(err, "saving");
        if (code == 0)
            code = join(s, out, 1, err);
        if (code < 0)
            return code;
    }
    return save_target_publish(&s->target, name, err);
}

static int commit_directory(saving *s, rdd_error *err)
{
    int code = saving_directory_make(s, err);
    for (size_t i = 0; code == 0 && i < s->count; i++) {
        CLEANUP(closep) int fd = saving_part_open(s, i, err);
        if (fd < 0)
            return fd;
        char from[PART_NAME_MAX], to[SAVED_NAME_MAX];
        saving_part_name(s, i, from);
        saving_final_name(s, i, to);
        if (renameat(s->target.staging_fd, from, s->target.staging_fd, to) < 0)
            return output_error(err, errno, s->target.shown);
        code = saving_check(s, err);
    }
    if (code == 0)
        code = saving_directory_finish(s, err);
    return code < 0 ? code : save_target_publish(&s->target, SAVED_DIRECTORY, err);
}

static int commit_stream(saving *s, rdd_error *err)
{
    CLEANUP(output_freep) output *out = NULL;
    int code = saving_output_stream(s, &out, err);
    if (code < 0)
        return code;
    return s->count ? join(s, out, 0, err) : join_nothing(s, out, err);
}

int commit_parts(saving *s, rdd_error *err)
{
    switch (s->target.kind) {
    case SAVE_FILE: return commit_file(s, err);
    case SAVE_DIRECTORY: return commit_directory(s, err);
    case SAVE_STREAM: break;
    }
    return commit_stream(s, err);
}

int saving_commit(saving *s, const rdd_str *results, size_t count, rdd_error *err)
{
    s->count = count;
    s->parts = arena_zalloc(&s->memory, (count + 1) * sizeof *s->parts);
    s->attempts = arena_zalloc(&s->memory, (count + 1) * sizeof *s->attempts);
    if (!s->parts || !s->attempts)
        return error_set_memory(err, "saving");
    for (size_t i = 0; i < count; i++) {
        int code = output_part_decode(results[i], s->compression != COMPRESSION_NONE, &s->memory,
                                      &s->parts[i], &s->attempts[i], err);
        if (code < 0)
            return code;
    }
    return s->rows ? commit_rows(s, err) : commit_parts(s, err);
}
