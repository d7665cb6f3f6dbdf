/* remote_files_test.c: files of the driver through streams: the worker's end (remote_files.h) and
 * the driver's (file_server.h) against each other, over two channels in memory. A thread plays the
 * network; the tests are the slots. */
#include "file_server.h"
#include "output.h"
#include "protocol.h"
#include "remote_files.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "full_disk.h"
#include "test.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#else
#define SANITIZED 0
#endif

enum { STAGE = 7, PARTITIONS = 100 };

typedef struct net {
    remote_files *worker;
    file_server *server;
    file_client *client;
    channel near, far; /* the worker's end, the driver's */
    int wake_fd;
    pthread_t thread;
    pthread_mutex_t gate; /* held by a test: nothing moves */
    atomic_bool stopping;
    atomic_bool cancelled;
    char staging[PATH_MAX];
} net;

static net n;

static size_t carry(channel *from, channel *to)
{
    size_t size, room;
    const char *bytes = channel_output(from, &size);
    if (!bytes)
        return 0;
    char *at = frame_reader_room(&to->in, &room);
    size = size_min(size, room);
    memcpy(at, bytes, size);
    frame_reader_filled(&to->in, size);
    channel_wrote(from, size);
    return size;
}

/* What cannot happen with both ends sane. */
static void expect(int code, const rdd_error *err)
{
    if (code >= 0)
        return;
    fprintf(stderr, "the network: %s\n", err->message);
    abort();
}

static size_t move(void)
{
    frame f;
    rdd_error err;
    remote_files_pump(n.worker, &n.near);
    size_t moved = carry(&n.near, &n.far);
    while (channel_next(&n.far, &f, &err) == 1)
        expect(file_client_take(n.client, &f, &err), &err);
    file_client_pump(n.client, &n.far);
    moved += carry(&n.far, &n.near);
    while (channel_next(&n.near, &f, &err) == 1)
        expect(remote_files_take(n.worker, &f, &err), &err);
    return moved;
}

static void wake(void *arg)
{
    uint64_t one = 1;
    ssize_t written = write(((net *)arg)->wake_fd, &one, sizeof one);
    (void)written;
}

static void *network(void *arg)
{
    (void)arg;
    struct pollfd p = { .fd = n.wake_fd, .events = POLLIN };
    uint64_t count;
    while (poll(&p, 1, -1) >= 0 && read(n.wake_fd, &count, sizeof count) >= 0 && !n.stopping) {
        pthread_mutex_lock(&n.gate);
        while (move()) {
        }
        pthread_mutex_unlock(&n.gate);
    }
    return NULL;
}

static int begin(void **state)
{
    (void)state;
    rdd_error err;
    memset(&n, 0, sizeof n);
    n.wake_fd = eventfd(0, EFD_CLOEXEC);
    channel_init(&n.near, 0);
    channel_init(&n.far, 0);
    pthread_mutex_init(&n.gate, NULL);
    snprintf(n.staging, sizeof n.staging, "%s", test_path("staging"));
    mkdir(n.staging, 0700);
    assert_int_equal(remote_files_new(&n.worker, 3, n.wake_fd, &err), 0);
    assert_int_equal(file_server_new(&n.server, &err), 0);
    assert_int_equal(file_client_new(&n.client, n.server, wake, &n, &err), 0);
    const file_save save = { .stage = STAGE, .first = 2, .count = PARTITIONS,
                             .staging = n.staging, .shown = "out.txt" };
    assert_int_equal(file_server_save_begin(n.server, &save, &err), 0);
    return pthread_create(&n.thread, NULL, network, NULL);
}

static int end(void **state)
{
    (void)state;
    n.stopping = true;
    wake(&n);
    pthread_join(n.thread, NULL);
    file_client_free(n.client);
    file_server_save_end(n.server, STAGE);
    file_server_free(n.server);
    remote_files_free(n.worker);
    channel_release(&n.near);
    channel_release(&n.far);
    pthread_mutex_destroy(&n.gate);
    close(n.wake_fd);
    return rmdir(n.staging); /* nothing is left there */
}

static remote_task task_of(uint32_t partition)
{
    return (remote_task){ .files = n.worker, .id = { STAGE, partition, 1 },
                          .cancelled = &n.cancelled };
}

/* -- Reading ----------------------------------------------------------------------------------- */

static char *random_bytes(size_t size)
{
    char *bytes = malloc(size + 8);
    assert_non_null(bytes);
    for (size_t i = 0; i < size; i += 8) {
        uint64_t r = test_random();
        memcpy(bytes + i, &r, sizeof r);
    }
    return bytes;
}

static input_file add(const char *path)
{
    struct stat status;
    rdd_error err;
    assert_int_equal(stat(path, &status), 0);
    input_file file = { .path = path, .name = path, .size = (uint64_t)status.st_size };
    assert_int_equal(file_server_add(n.server, &file, &err), 0);
    return file;
}

static input *open_at(const input_file *file, uint64_t offset, uint64_t end_hint)
{
    input *in;
    rdd_error err;
    remote_task task = task_of(0);
    assert_int_equal(remote_input_open(&task, file, offset, end_hint, &in, &err), 0);
    return in;
}

/* Reads [offset, to) in pieces of up to `piece` bytes and compares. */
static void check_range(const input_file *file, const char *bytes, uint64_t offset, uint64_t to,
                        uint64_t end_hint, size_t piece)
{
    rdd_error err = { .code = RDD_OK };
    CLEANUP(input_freep) input *in = open_at(file, offset, end_hint);
    char *got = malloc(piece);
    while (in->offset < to) {
        uint64_t at = in->offset;
        ssize_t size = input_read(in, got, (size_t)u64_min(piece, to - at), &err);
        if (size <= 0)
            fprintf(stderr, "%zd at %llu: %s\n", size, (unsigned long long)at, err.message);
        assert_true(size > 0);
        assert_memory_equal(got, bytes + at, (size_t)size);
    }
    if (to == file->size)
        assert_int_equal(input_read(in, got, piece, &err), 0);
    free(got);
}

static void any_range_is_read(void **state)
{
    (void)state;
    size_t size = SANITIZED ? 3 << 20 : 9 << 20;
    char *bytes = random_bytes(size);
    input_file file = add(test_file("any", bytes, size));
    check_range(&file, bytes, 0, size, INPUT_END, 100000);
    check_range(&file, bytes, size, size, INPUT_END, 10);
    check_range(&file, bytes, size + 10, size, INPUT_END, 10);
    check_range(&file, bytes, 5, size, 6, 1 << 20); /* all of it is behind the hint */
    for (int i = 0; i < 40; i++) {
        uint64_t offset = test_random_below(size), to = offset + test_random_below(size - offset);
        uint64_t hint = offset + test_random_below(size);
        check_range(&file, bytes, offset, to, hint, 1 + test_random_below(300000));
    }
    free(bytes);
}

typedef struct slot {
    const input_file *file;
    const char *bytes;
    uint64_t offset, to;
} slot;

static void *read_in_slot(void *arg)
{
    slot *s = arg;
    check_range(s->file, s->bytes, s->offset, s->to, s->to, 70000);
    return NULL;
}

static void many_slots_read_at_once(void **state)
{
    (void)state;
    enum { SLOTS = 16 };
    size_t size = SANITIZED ? 2 << 20 : 16 << 20;
    char *bytes = random_bytes(size);
    input_file file = add(test_file("shared", bytes, size));
    slot slots[SLOTS];
    pthread_t threads[SLOTS];
    for (size_t i = 0; i < SLOTS; i++) {
        slots[i] = (slot){ &file, bytes, size / SLOTS * i, size / SLOTS * (i + 1) };
        assert_int_equal(pthread_create(&threads[i], NULL, read_in_slot, &slots[i]), 0);
    }
    for (size_t i = 0; i < SLOTS; i++)
        pthread_join(threads[i], NULL);
    free(bytes);
}

/* As input_provider_local() says it. */
static void same_error(const input_file *file, uint64_t offset)
{
    rdd_error here = { .code = RDD_OK }, there = { .code = RDD_OK };
    char byte[1000];
    input *in = NULL;
    int code = input_open_raw(input_provider_local(), file, offset, INPUT_END, &in, &here);
    while (code == 0 && input_read(in, byte, sizeof byte, &here) > 0) {
    }
    input_free(in);
    in = open_at(file, offset, INPUT_END);
    while (input_read(in, byte, sizeof byte, &there) > 0) {
    }
    input_free(in);
    assert_true(here.code);
    assert_int_equal(here.code, there.code);
    assert_int_equal(here.os_errno, there.os_errno);
    assert_string_equal(here.message, there.message);
}

static void errors_are_those_of_a_local_read(void **state)
{
    (void)state;
    input_file file = add(test_file("gone", "0123456789", 10));
    input_file empty = add(test_file("empty", "", 0));
    assert_int_equal(truncate(file.path, 4), 0);
    same_error(&file, 0);
    assert_int_equal(unlink(file.path), 0);
    same_error(&file, 3);
    input_file also_empty = add(test_file("also-empty", "", 0));
    check_range(&also_empty, "", 0, 0, INPUT_END, 10);
    assert_int_equal(unlink(empty.path), 0);
    same_error(&empty, 0);
}

/* What was read before comes, then the error. */
static void a_file_that_shrinks_meanwhile_is_an_error(void **state)
{
    (void)state;
    size_t size = 8 << 20, got_size = 0;
    char *bytes = random_bytes(size), *got = malloc(size);
    input_file file = add(test_file("shrinking", bytes, size));
    rdd_error err = { .code = RDD_OK };
    input *in = open_at(&file, 0, INPUT_END);
    assert_true(input_read(in, got, 1, &err) == 1);
    assert_int_equal(truncate(file.path, 100), 0);
    ssize_t now;
    for (got_size = 1; (now = input_read(in, got + got_size, size - got_size, &err)) > 0;)
        got_size += (size_t)now;
    assert_int_equal(now, RDD_E_INPUT);
    assert_non_null(strstr(err.message, "shrank to"));
    assert_memory_equal(got, bytes, got_size);
    input_free(in);
    free(bytes);
    free(got);
}

static void a_number_that_no_source_has_is_refused(void **state)
{
    (void)state;
    input_file file = add(test_file("known", "x", 1));
    rdd_error err = { .code = RDD_OK };
    char byte;
    uint64_t numbers[] = { 0, file.number + 1, UINT64_MAX };
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        input_file other = file;
        other.number = numbers[i];
        input *in = open_at(&other, 0, INPUT_END);
        assert_int_equal(input_read(in, &byte, 1, &err), RDD_E_PROTOCOL);
        assert_non_null(strstr(err.message, "which no source reads"));
        input_free(in);
    }
    check_range(&file, "x", 0, 1, INPUT_END, 1);
}

static void a_cancelled_task_stops_waiting(void **state)
{
    (void)state;
    input_file file = add(test_file("slow", "x", 1));
    rdd_error err = { .code = RDD_OK };
    char byte;
    pthread_mutex_lock(&n.gate);
    input *in = open_at(&file, 0, INPUT_END);
    n.cancelled = true;
    remote_files_wake(n.worker);
    assert_int_equal(input_read(in, &byte, 1, &err), RDD_E_CANCELLED);
    input_free(in);
    pthread_mutex_unlock(&n.gate);
    wake(&n);
}

static size_t open_descriptors(void)
{
    size_t count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

static void descriptors_are_bounded(void **state)
{
    (void)state;
    enum { FILES = 600 };
    static input *inputs[FILES];
    static input_file files[FILES];
    static char paths[FILES][PATH_MAX];
    size_t size = 300 << 10;
    char *bytes = random_bytes(size), byte;
    rdd_error err = { .code = RDD_OK };
    for (size_t i = 0; i < FILES; i++) {
        snprintf(paths[i], PATH_MAX, "%s", test_path("many-XXXXXX"));
        int fd = mkstemp(paths[i]);
        assert_int_equal(write(fd, bytes, size), size);
        close(fd);
        files[i] = add(paths[i]);
        inputs[i] = open_at(&files[i], 0, 1); /* the rest it asks for later */
        assert_int_equal(input_read(inputs[i], &byte, 1, &err), 1);
    }
    assert_true(open_descriptors() < 400);
    assert_int_equal(rename(paths[1], paths[0]), 0);
    ssize_t got;
    while ((got = input_read(inputs[0], bytes, size, &err)) > 0) {
    }
    assert_int_equal(got, RDD_E_INPUT);
    assert_non_null(strstr(err.message, "was replaced by another file meanwhile"));
    while (inputs[2]->offset < size)
        assert_true(input_read(inputs[2], bytes, size, &err) > 0);
    for (size_t i = 0; i < FILES; i++)
        input_free(inputs[i]);
    free(bytes);
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

static void a_large_file_takes_little_memory(void **state)
{
    (void)state;
    off_t size = SANITIZED ? 32 << 20 : 1 << 30;
    const char *path = test_file("large", "", 0);
    assert_int_equal(truncate(path, size), 0);
    input_file file = add(path);
    long before = peak_kib();
    rdd_error err = { .code = RDD_OK };
    static char chunk[256 << 10];
    input *in = open_at(&file, 0, INPUT_END);
    remote_task task = task_of(9);
    output *out;
    assert_int_equal(remote_output_create(&task, &out, &err), 0);
    for (ssize_t got; (got = input_read(in, chunk, sizeof chunk, &err)) > 0;)
        assert_int_equal(output_write(out, chunk, (size_t)got, &err), 0);
    assert_int_equal(in->offset, size);
    input_free(in);
    output_free(out); /* unfinished, so it is removed */
    if (!SANITIZED)
        assert_true(peak_kib() - before < 64 << 10);
}

/* -- Writing ----------------------------------------------------------------------------------- */

static output *create(uint32_t partition)
{
    output *out;
    rdd_error err;
    remote_task task = task_of(partition);
    assert_int_equal(remote_output_create(&task, &out, &err), 0);
    return out;
}

static int write_pieces(output *out, const char *bytes, size_t size, rdd_error *err)
{
    int code = 0;
    for (size_t at = 0; at < size && code == 0;) {
        size_t now = size_min(size - at, 1 + test_random_below(400000));
        code = output_write(out, bytes + at, now, err);
        at += now;
    }
    return code;
}

static const char *part_path(uint32_t partition)
{
    static char path[PATH_MAX + 64];
    snprintf(path, sizeof path, "%s/part-%05u-attempt-1", n.staging, partition + 2);
    return path;
}

static void what_is_written_arrives_whole(void **state)
{
    (void)state;
    size_t sizes[] = { 0, 1, 70000, 5 << 20 };
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        char *bytes = random_bytes(sizes[i]), *back = malloc(sizes[i] + 1);
        rdd_error err = { .code = RDD_OK };
        output *out = create((uint32_t)i);
        assert_int_equal(write_pieces(out, bytes, sizes[i], &err), 0);
        assert_int_equal(output_finish(out, &err), 0);
        assert_int_equal(out->stored_size, sizes[i]);
        assert_true(out->checksum != 0);
        int fd = open(part_path((uint32_t)i), O_RDONLY | O_CLOEXEC); /* before it is freed */
        assert_int_equal(read(fd, back, sizes[i] + 1), sizes[i]);
        close(fd);
        assert_memory_equal(back, bytes, sizes[i]);
        output_free(out);
        assert_int_equal(unlink(part_path((uint32_t)i)), 0);
        free(bytes);
        free(back);
    }
}

static void what_an_attempt_left_is_replaced(void **state)
{
    (void)state;
    rdd_error err = { .code = RDD_OK };
    int fd = open(part_path(4), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "of a worker that crashed", 24), 24);
    close(fd);
    output *out = create(4);
    assert_int_equal(output_write(out, "new", 3, &err), 0);
    assert_int_equal(output_finish(out, &err), 0);
    output_free(out);
    struct stat status;
    assert_int_equal(stat(part_path(4), &status), 0);
    assert_int_equal(status.st_size, 3);
    unlink(part_path(4));
}

static void what_is_given_up_is_removed(void **state)
{
    (void)state;
    rdd_error err = { .code = RDD_OK };
    output *out = create(5);
    char *bytes = random_bytes(1 << 20);
    assert_int_equal(write_pieces(out, bytes, 1 << 20, &err), 0);
    output_free(out);
    free(bytes); /* end() finds an empty directory */
}

static void only_a_save_that_runs_takes_files(void **state)
{
    (void)state;
    rdd_error err = { .code = RDD_OK };
    task_id wrong[] = { { STAGE + 1, 0, 1 }, { STAGE, PARTITIONS, 1 }, { STAGE, UINT32_MAX, 1 } };
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        output *out;
        remote_task task = task_of(0);
        task.id = wrong[i];
        assert_int_equal(remote_output_create(&task, &out, &err), 0);
        assert_true(output_finish(out, &err) < 0);
        assert_non_null(strstr(err.message, "is not saved any more"));
        output_free(out);
    }
    output *out = create(6);
    assert_int_equal(output_write(out, "half", 4, &err), 0);
    file_server_save_end(n.server, STAGE);
    assert_int_equal(output_finish(out, &err), RDD_E_CANCELLED);
    output_free(out);
}

static void a_full_disk_is_said(void **state)
{
    (void)state;
    const char *disk = full_disk(1 << 20);
    if (!disk)
        TEST_SKIP("mounting a tiny file system needs root");
    rdd_error err = { .code = RDD_OK };
    const file_save save = { .stage = STAGE + 1, .count = 1, .staging = disk, .shown = "out.csv" };
    assert_int_equal(file_server_save_begin(n.server, &save, &err), 0);
    remote_task task = task_of(0);
    task.id.stage = STAGE + 1;
    output *out;
    assert_int_equal(remote_output_create(&task, &out, &err), 0);
    char *bytes = random_bytes(8 << 20);
    int code = write_pieces(out, bytes, 8 << 20, &err);
    if (code == 0)
        code = output_finish(out, &err);
    assert_int_equal(code, RDD_E_IO);
    assert_int_equal(err.os_errno, ENOSPC);
    assert_string_equal(err.message, "no space left on device while writing out.csv");
    output_free(out);
    free(bytes);
    file_server_save_end(n.server, STAGE + 1);
    assert_int_equal(rmdir(test_path("disk/part-00000-attempt-1")), -1);
    assert_int_equal(errno, ENOENT);
    full_disk_remove();
}

/* -- Those who misbehave ----------------------------------------------------------------------- */

static int feed(frame_type type, uint64_t stream, const void *payload, size_t size)
{
    rdd_error err;
    frame f = { .type = type, .stream = stream, .payload = payload, .size = size };
    return file_client_take(n.client, &f, &err);
}

static int feed_frames(const buf *b)
{
    rdd_error err;
    frame_reader r;
    frame f;
    size_t room;
    frame_reader_init(&r, 0);
    char *at = frame_reader_room(&r, &room);
    memcpy(at, b->data, b->size);
    frame_reader_filled(&r, b->size);
    assert_int_equal(frame_reader_next(&r, &f, &err), 1);
    int code = file_client_take(n.client, &f, &err);
    frame_reader_release(&r);
    return code;
}

static void an_executor_past_its_credit_is_refused(void **state)
{
    (void)state;
    static char bytes[FILE_CREDIT_FIRST + 1];
    const uint64_t id = UINT64_C(9) << 32 | STREAM_FILE | 1;
    CLEANUP(buf_release) buf b = { 0 };
    pthread_mutex_lock(&n.gate); /* the tests speak for the worker */
    input_file file = add(test_file("victim", "x", 1));
    file_open how = { .use = FILE_WRITE, .task = { STAGE, 1, 1 } };
    file_open_append(&b, id, &how);
    assert_int_equal(feed_frames(&b), 0);
    assert_int_equal(feed_frames(&b), RDD_E_PROTOCOL); /* twice */
    assert_int_equal(feed(FRAME_DATA, id, bytes, sizeof bytes), RDD_E_PROTOCOL);
    assert_int_equal(feed(FRAME_CREDIT, id, bytes, 8), RDD_E_PROTOCOL);
    assert_int_equal(feed(FRAME_CLOSE, id, bytes, 3), RDD_E_PROTOCOL);
    assert_int_equal(feed(FRAME_DATA, id + 1, bytes, 5), 0); /* of a file that was closed */
    assert_int_equal(feed(FRAME_RESET, id, NULL, 0), 0);
    buf_clear(&b);
    how = (file_open){ .use = FILE_READ, .number = file.number, .credit = FILE_CREDIT_MAX };
    file_open_append(&b, id + 2, &how);
    assert_int_equal(feed_frames(&b), 0);
    buf_clear(&b);
    credit_append(&b, id + 2, FILE_CREDIT_MAX);
    int code = feed_frames(&b), more = feed_frames(&b);
    assert_true(code == RDD_E_PROTOCOL || more == RDD_E_PROTOCOL);
    assert_int_equal(feed(FRAME_DATA, id + 2, bytes, 1), RDD_E_PROTOCOL);
    pthread_mutex_unlock(&n.gate);
}

/* The executor is lost: its half files go, and nobody waits for it. */
static void a_client_that_goes_leaves_nothing(void **state)
{
    (void)state;
    static char bytes[1000];
    rdd_error err;
    file_client *c;
    assert_int_equal(file_client_new(&c, n.server, wake, &n, &err), 0);
    file_client *before = n.client;
    pthread_mutex_lock(&n.gate);
    n.client = c;
    for (uint32_t i = 0; i < 20; i++) {
        uint64_t id = UINT64_C(9) << 32 | STREAM_FILE | (i + 1);
        CLEANUP(buf_release) buf b = { 0 };
        file_open how = { .use = FILE_WRITE, .task = { STAGE, i, 1 } };
        file_open_append(&b, id, &how);
        assert_int_equal(feed_frames(&b), 0);
        assert_int_equal(feed(FRAME_DATA, id, bytes, sizeof bytes), 0);
    }
    file_client_free(c);
    n.client = before;
    pthread_mutex_unlock(&n.gate);
    file_server_save_end(n.server, STAGE); /* waits for what a thread still has */
    assert_int_equal(rmdir(n.staging), 0);
    mkdir(n.staging, 0700);
}

int main(int argc, char **argv)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, begin, end)
    const struct CMUnitTest tests[] = {
        CASE(any_range_is_read),
        CASE(many_slots_read_at_once),
        CASE(errors_are_those_of_a_local_read),
        CASE(a_file_that_shrinks_meanwhile_is_an_error),
        CASE(a_number_that_no_source_has_is_refused),
        CASE(a_cancelled_task_stops_waiting),
        CASE(descriptors_are_bounded),
        CASE(a_large_file_takes_little_memory),
        CASE(what_is_written_arrives_whole),
        CASE(what_an_attempt_left_is_replaced),
        CASE(what_is_given_up_is_removed),
        CASE(only_a_save_that_runs_takes_files),
        CASE(a_full_disk_is_said),
        CASE(an_executor_past_its_credit_is_refused),
        CASE(a_client_that_goes_leaves_nothing),
    };
    return TEST_MAIN(argc, argv, tests);
}
