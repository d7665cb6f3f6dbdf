/* The driver's journal of calls: what is kept, where, and what a later run finds of it. */
#include "call_journal.h"
#include "call_wire.h"

#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

typedef struct notes {
    char text[1024];
    int count;
} notes;

static void take_note(void *arg, const char *text, size_t size)
{
    notes *n = arg;
    snprintf(n->text, sizeof n->text, "%.*s", (int)size, text);
    n->count++;
}

static call_journal *open_with(call_journal_options options)
{
    call_journal *j;
    rdd_error err;
    if (!options.path)
        options.path = "";
    if (!options.size_max)
        options.size_max = 1 << 30;
    if (call_journal_open(&j, &options, &err) < 0)
        fail_msg("%s", err.message);
    return j;
}

static void add(call_journal *j, uint32_t stage, uint32_t partition, const char *text)
{
    call_journal_add(j, stage, partition, rdd_str_of(text), false);
}

/* All entries of a partition, each followed by a space, those of an earlier run by a '!'. */
static const char *all(call_journal *j, uint32_t stage, uint32_t partition, size_t piece)
{
    static char text[4096];
    size_t size = 0;
    uint64_t at = 0;
    do {
        buf b = { 0 };
        call_journal_read(j, stage, partition, piece, &at, &b);
        reader r = reader_over(b.data, b.size);
        uint32_t of_stage, old;
        for (rdd_str e; reader_left(&r) && journal_entry_next(&r, &of_stage, &old, &e);) {
            assert_int_equal(of_stage, stage);
            size += (size_t)snprintf(text + size, sizeof text - size, "%.*s%s", (int)e.size, e.data,
                                     old ? "!" : " ");
        }
        buf_release(&b);
    } while (at);
    text[size] = 0;
    return text;
}

static void keeps_by_partition(void **state)
{
    (void)state;
    call_journal *j = open_with((call_journal_options){ 0 });
    add(j, 1, 0, "early"); /* no such stage yet */
    call_journal_begin(j, 1);
    call_journal_begin(j, 2);
    add(j, 1, 0, "a");
    add(j, 1, 7, "b");
    add(j, 1, 0, "c");
    add(j, 2, 0, "d");
    for (size_t piece = 1; piece < 100; piece += 33)
        assert_string_equal(all(j, 1, 0, piece), "a c ");
    assert_string_equal(all(j, 1, 7, 100), "b ");
    assert_string_equal(all(j, 1, 1, 100), "");
    assert_int_equal(call_journal_size(j), 4);
    call_journal_accepted(j, 1, 7);
    call_journal_accepted(j, 1, 7);
    assert_string_equal(all(j, 1, 7, 100), "");
    assert_string_equal(all(j, 1, 0, 100), "a c ");
    assert_int_equal(call_journal_size(j), 3);
    call_journal_forget(j, 1);
    assert_string_equal(all(j, 1, 0, 100), "");
    add(j, 1, 0, "late");
    assert_string_equal(all(j, 2, 0, 100), "d ");
    assert_int_equal(call_journal_size(j), 1);
    call_journal_close(j, true);
}

static void spills(void **state)
{
    (void)state;
    call_journal *j = open_with((call_journal_options){ .memory_max = 10 });
    call_journal_begin(j, 0);
    char expected[1024] = "", word[16];
    size_t size = 0;
    for (int i = 0; i < 100; i++) {
        snprintf(word, sizeof word, "w%d", i);
        add(j, 0, 3, word);
        size += (size_t)snprintf(expected + size, sizeof expected - size, "%s ", word);
    }
    assert_string_equal(all(j, 0, 3, 50), expected);
    call_journal_close(j, false);
}

static void has_a_limit(void **state)
{
    (void)state;
    notes n = { .count = 0 };
    call_journal *j = open_with(
        (call_journal_options){ .size_max = 10, .note = take_note, .arg = &n });
    call_journal_begin(j, 0);
    add(j, 0, 0, "12345");
    add(j, 0, 0, "123456");
    add(j, 0, 0, "123456");
    call_journal_add(j, 0, 0, rdd_str_of("intent"), true);
    assert_string_equal(all(j, 0, 0, 100), "12345 intent ");
    assert_int_equal(n.count, 1);
    assert_non_null(strstr(n.text, "http.journal_max (10 bytes)"));
    call_journal_close(j, false);
}

static off_t size_of(const char *path)
{
    struct stat status;
    return stat(path, &status) ? -1 : status.st_size;
}

static void is_resumed(void **state)
{
    (void)state;
    const char *path = test_path("resumed");
    call_journal *j = open_with((call_journal_options){ .path = path });
    call_journal_begin(j, 0);
    add(j, 0, 1, "one");
    add(j, 0, 2, "two");
    call_journal_forget(j, 0);
    call_journal_close(j, false);
    off_t whole = size_of(path);

    /* Wherever the last record is torn, or damaged, the first is there and others can follow. */
    for (off_t cut = whole - 22; cut <= whole; cut++) {
        assert_int_equal(truncate(path, cut), 0);
        j = open_with((call_journal_options){ .path = path, .resume = true });
        assert_int_equal(call_journal_resumed(j), cut == whole ? 2 : 1);
        assert_string_equal(all(j, 0, 1, 100), "one!");
        call_journal_begin(j, 0);
        add(j, 0, 2, "two");
        assert_string_equal(all(j, 0, 2, 100), cut == whole ? "two!two " : "two ");
        call_journal_close(j, false);
    }
    assert_int_equal(truncate(path, whole), 0);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, whole - 1), 1);
    close(fd);
    j = open_with((call_journal_options){ .path = path, .resume = true });
    assert_int_equal(call_journal_resumed(j), 1);
    call_journal_close(j, true);
    assert_int_equal(size_of(path), -1);
}

static void is_kept_when_not_resumed(void **state)
{
    (void)state;
    notes n = { .count = 0 };
    const char *path = test_path("kept");
    call_journal_options options = { .path = path, .note = take_note, .arg = &n };
    call_journal *j = open_with(options);
    call_journal_begin(j, 0);
    add(j, 0, 1, "one");
    call_journal_close(j, false);
    j = open_with(options);
    assert_int_equal(call_journal_resumed(j), 0);
    assert_non_null(strstr(n.text, "kept.old"));
    call_journal_close(j, false);
    assert_int_equal(size_of(path), -1); /* one without records is of no use */
    assert_true(size_of(test_path("kept.old")) > 16);
}

static void is_locked(void **state)
{
    (void)state;
    rdd_error err;
    call_journal_options options = { .path = test_path("locked"), .size_max = 1 };
    call_journal *j = open_with(options), *second;
    assert_int_equal(call_journal_open(&second, &options, &err), RDD_E_IO);
    assert_non_null(strstr(err.message, "used by another run"));
    call_journal_close(j, true);
    options.path = test_path("no/such/directory");
    assert_int_equal(call_journal_open(&second, &options, &err), RDD_E_IO);
}

/* Bytes from outside: whatever they are, they are refused or read within their bounds. */
static void random_frames(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char bytes[96];
        size_t size = test_random_below(sizeof bytes);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (char)(test_random_below(3) ? 0 : test_random());
        lease l;
        journal_part p;
        frame f = { .type = FRAME_LEASE, .size = size, .payload = bytes };
        if (lease_decode(&f, &l) == 0)
            assert_true(l.name.size <= size);
        f.type = FRAME_JOURNAL;
        if (journal_decode(&f, &p) == 0)
            assert_true(p.entries.size <= size);
    }
}

static void frames_say_what_was_said(void **state)
{
    (void)state;
    buf b = { 0 }, entries = { 0 };
    lease l = { .kind = LEASE_GRANT, .worker = 3, .count = 4, .delay_ns = 5, .span_ns = 6,
                .name = RDD_STR("50/s x") }, l2;
    lease_append(&b, &l);
    frame f = { .type = FRAME_LEASE, .size = b.size - FRAME_HEADER_SIZE,
                .payload = b.data + FRAME_HEADER_SIZE };
    assert_int_equal(lease_decode(&f, &l2), 0);
    assert_true(l2.kind == LEASE_GRANT && l2.worker == 3 && l2.count == 4 && l2.delay_ns == 5 &&
                l2.span_ns == 6 && l2.name.size == 6);
    buf_clear(&b);
    journal_entry_append(&entries, 8, 9, RDD_STR("entry"));
    journal_part p = { .kind = JOURNAL_HAVE, .worker = 3, .task = { 1, 2, 3 }, .serial = 7,
                       .entries = { entries.size, entries.data } }, p2;
    journal_append(&b, &p);
    f = (frame){ .type = FRAME_JOURNAL, .size = b.size - FRAME_HEADER_SIZE,
                 .payload = b.data + FRAME_HEADER_SIZE };
    assert_int_equal(journal_decode(&f, &p2), 0);
    assert_true(p2.kind == JOURNAL_HAVE && p2.task.partition == 2 && p2.serial == 7 &&
                p2.entries.size == entries.size);
    f.size--;
    assert_int_equal(journal_decode(&f, &p2), RDD_E_PROTOCOL);
    buf_release(&b);
    buf_release(&entries);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_by_partition), cmocka_unit_test(spills),
        cmocka_unit_test(has_a_limit),        cmocka_unit_test(is_resumed),
        cmocka_unit_test(is_kept_when_not_resumed), cmocka_unit_test(is_locked),
        cmocka_unit_test(random_frames),      cmocka_unit_test(frames_say_what_was_said),
    };
    return TEST_MAIN(argc, argv, tests);
}
