/* options_test.c: what rdd_init takes out of argv, and what it leaves. */
#include "conf.h"
#include "context.h"

#include "test.h"

/* ---- masters -------------------------------------------------------------------------------- */

static void masters(void **state)
{
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    uint32_t all = online > 0 ? (uint32_t)online : 1;
    const struct {
        const char *text;
        master_kind kind;
        uint32_t executors, slots;
    } CASES[] = {
        { "local", MASTER_LOCAL, 1, 1 },
        { "local[1]", MASTER_LOCAL, 1, 1 },
        { "local[17]", MASTER_LOCAL, 1, 17 },
        { "local[*]", MASTER_LOCAL, 1, all },
        { "local[4096]", MASTER_LOCAL, 1, 4096 },
        { "local[2,3]", MASTER_LOCAL, 1, 2 },
        { "local[*,3]", MASTER_LOCAL, 1, all },
        { "local-cluster[2,3]", MASTER_LOCAL_CLUSTER, 2, 3 },
        { "local-cluster[256,1]", MASTER_LOCAL_CLUSTER, 256, 1 },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        master m;
        rdd_error err;
        if (master_parse(CASES[i].text, &m, &err) < 0)
            fail_msg("%s: %s", CASES[i].text, err.message);
        assert_int_equal(m.kind, CASES[i].kind);
        assert_int_equal(m.executors, CASES[i].executors);
        assert_int_equal(m.slots, CASES[i].slots);
        assert_string_equal(m.text, CASES[i].text);
    }
    assert_int_equal(conf_int("task.attempts_max"), 3);
}

static void no_masters(void **state)
{
    static const char *const CASES[] = {
        "",           "loca",        "local[]",       "local[0]",      "local[-1]",
        "local[4097]", "local[1",    "local[1]]",     "local[1] ",     "local[1,]",
        "local[1,*]", "local[1,0]",  "local[1,2,3]",  "local[a]",      "local[99999999999999999999]",
        "Local[1]",   "local1",      "local[ 1]",     "local-cluster", "local-cluster[1]",
        "local-cluster[0,1]",        "local-cluster[1,0]",             "local-cluster[*,1]",
        "local-cluster[257,1]",      "local-cluster[1,1",              "local-clusters[1,1]",
        "yarn",       "spark://host:7077",
        "local[1]0000000000000000000000000000000000000000000000000000000000000000000000000000000",
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        master m = { .slots = 77 };
        rdd_error err;
        if (master_parse(CASES[i], &m, &err) != RDD_E_USAGE)
            fail_msg("'%s' was taken", CASES[i]);
        assert_non_null(strstr(err.message, "give local[N]"));
        assert_int_equal(m.slots, 77);
    }
}

static void hosts_are_masters(void **state)
{
    (void)state;
    master m;
    rdd_error err;
    assert_int_equal(master_parse("ssh://n1,4/n2,user@n3:2222", &m, &err), 0);
    assert_int_equal(m.kind, MASTER_SSH);
    assert_int_equal(m.executors, 3);
    assert_int_equal(m.hosts.count, 3);
    assert_string_equal(m.hosts.items[0].name, "n1");
    assert_int_equal(m.hosts.items[1].slots, 4);
    assert_string_equal(m.hosts.items[2].user, "user");
    assert_int_equal(m.hosts.items[2].port, 2222);
    assert_null(m.hosts_file);
    assert_string_equal(m.text, "ssh://n1,4/n2,user@n3:2222");
    master_release(&m);
}

static void hosts_that_cannot_be(void **state)
{
    static const char *const CASES[][2] = {
        { "ssh:a,b", "hosts come after ssh://, a file after ssh:@" },
        { "ssh:@/nowhere/hosts", "/nowhere/hosts" },
        { "ssh://n1,n1", "n1" },
        { "ssh://,", "no hosts; give some, as in n1,4/n2,user@n3:2222" },
        { "ssh://-oProxyCommand=x", "-oProxyCommand" },
        { "ssh:", "ssh:: no hosts; give ssh://n1,4/n2 or ssh:@FILE, or set RDD_HOSTS" },
    };
    (void)state;
    unsetenv("RDD_HOSTS");
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        master m = { .slots = 77 };
        rdd_error err;
        if (master_parse(CASES[i][0], &m, &err) >= 0)
            fail_msg("'%s' was taken", CASES[i][0]);
        if (!strstr(err.message, CASES[i][1]))
            fail_msg("'%s' gave: %s", CASES[i][0], err.message);
        assert_int_equal(m.slots, 77);
    }
}

/* ---- argv ----------------------------------------------------------------------------------- */

enum { WORDS_MAX = 16 };

/* A program's command line, and what became of it. */
typedef struct line {
    rdd_context ctx;
    char *argv[WORDS_MAX];
    int argc, code;
    rdd_error err;
} line;

static void line_parse(line *l, const char *const *words)
{
    memset(l, 0, sizeof *l);
    l->argv[l->argc++] = (char *)(uintptr_t)"program";
    while (words[l->argc - 1]) {
        l->argv[l->argc] = (char *)(uintptr_t)words[l->argc - 1];
        l->argc++;
    }
    l->code = options_parse(&l->ctx, &l->argc, l->argv, &l->err);
}

static void line_release(line *l)
{
    free(l->ctx.event_log);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

/* What is left must be the program's own words. */
static void left(const line *l, const char *const *words)
{
    if (l->code < 0)
        fail_msg("%s", l->err.message);
    int count = 0;
    for (; words[count]; count++) {
        assert_true(count + 1 < l->argc);
        assert_string_equal(l->argv[count + 1], words[count]);
    }
    assert_int_equal(l->argc, count + 1);
    assert_null(l->argv[l->argc]);
    assert_string_equal(l->argv[0], "program");
}

static void taken(void **state)
{
    (void)state;
    line l;
    line_parse(&l, WORDS("in.csv", "--master", "local[3]", "-v", "--conf", "csv.ragged=pad",
                         "--event-log=x.jsonl", "out.csv", "--conf=task.attempts_max=5"));
    left(&l, WORDS("in.csv", "-v", "out.csv"));
    assert_int_equal(l.ctx.master.slots, 3);
    assert_string_equal(l.ctx.event_log, "x.jsonl");
    assert_string_equal(conf_text("csv.ragged"), "pad");
    assert_int_equal(conf_int("task.attempts_max"), 5);
    line_release(&l);
    line_parse(&l, WORDS("--event-log", "a", "--event-log", "b", "--master", "local[1]",
                         "--master=local[2]"));
    left(&l, WORDS(NULL)); /* the last of each counts */
    assert_string_equal(l.ctx.event_log, "b");
    assert_int_equal(l.ctx.master.slots, 2);
    line_release(&l);
}

static void flags(void **state)
{
    (void)state;
    line l;
    line_parse(&l, WORDS("--progress"));
    assert_int_equal(l.ctx.verbosity, VERBOSITY_PROGRESS);
    line_parse(&l, WORDS("--quiet"));
    assert_int_equal(l.ctx.verbosity, VERBOSITY_QUIET);
    line_parse(&l, WORDS("--verbose"));
    assert_int_equal(l.ctx.verbosity, VERBOSITY_VERBOSE);
    line_parse(&l, WORDS("--verbose", "--progress")); /* which is part of it */
    assert_int_equal(l.ctx.verbosity, VERBOSITY_VERBOSE);
    line_parse(&l, WORDS("--quiet", "--progress"));
    assert_int_equal(l.ctx.verbosity, VERBOSITY_PROGRESS);
    line_parse(&l, WORDS("x"));
    assert_int_equal(l.ctx.verbosity, VERBOSITY_AUTO);
    assert_int_equal(l.ctx.explain, EXPLAIN_NO);
    line_parse(&l, WORDS("--explain", "text"));
    left(&l, WORDS("text")); /* its form goes with =, so this word is the program's */
    assert_int_equal(l.ctx.explain, EXPLAIN_TEXT);
    line_parse(&l, WORDS("--explain=dot"));
    assert_int_equal(l.ctx.explain, EXPLAIN_DOT);
}

static void program_words(void **state)
{
    (void)state;
    line l;
    line_parse(&l, WORDS("--mastering", "--configure", "-", "--quietly", "--explained", "--unknown=1"));
    left(&l, WORDS("--mastering", "--configure", "-", "--quietly", "--explained", "--unknown=1"));
    line_parse(&l, WORDS("--quiet", "--", "--master", "nonsense", "--", "--verbose"));
    left(&l, WORDS("--master", "nonsense", "--", "--verbose"));
    assert_int_equal(l.ctx.verbosity, VERBOSITY_QUIET);
    line_parse(&l, WORDS("--"));
    left(&l, WORDS(NULL));
    line_parse(&l, (const char *const[]){ NULL });
    left(&l, WORDS(NULL));
}

static void malformed(void **state)
{
    static const char *const CASES[][3] = {
        { "--master", NULL, "--master needs a value, such as" },
        { "--master=", NULL, "--master needs a value, such as" },
        { "--conf", NULL, "--conf needs a value, such as" },
        { "--conf", "", "--conf needs a value, such as" },
        { "--event-log", NULL, "--event-log needs a value, such as" },
        { "--master", "locl[2]", "there is no such master" },
        { "--conf", "csv.ragged", "key=value" },
        { "--conf=csv.raged=x", NULL, "did you mean csv.ragged?" },
        { "--mastre", "local[2]", "--mastre: is --master meant?" },
        { "--maste=local[2]", NULL, "--maste: is --master meant?" },
        { "--masters", NULL, "--masters: is --master meant?" },
        { "--event_log", "x", "--event_log: is --event-log meant?" },
        { "--quite", NULL, "--quite: is --quiet meant?" },
        { "--explian", NULL, "--explian: is --explain meant?" },
        { "--explain=html", NULL, "give --explain, --explain=text or --explain=dot" },
        { "--explain=", NULL, "give --explain" },
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(CASES); i++) {
        line l;
        line_parse(&l, (const char *const[]){ CASES[i][0], CASES[i][1], NULL });
        if (l.code != RDD_E_USAGE || !strstr(l.err.message, CASES[i][2]))
            fail_msg("%s %s: %d %s", CASES[i][0], CASES[i][1] ? CASES[i][1] : "", l.code,
                     l.code < 0 ? l.err.message : "");
        line_release(&l);
    }
}

static void environment(void **state)
{
    (void)state;
    line l;
    setenv("RDD_MASTER", "local-cluster[2,2]", 1);
    line_parse(&l, WORDS("x"));
    assert_string_equal(l.ctx.master.text, "local-cluster[2,2]");
    line_parse(&l, WORDS("--master", "local[1]"));
    assert_string_equal(l.ctx.master.text, "local[1]");
    setenv("RDD_MASTER", "", 1);
    line_parse(&l, WORDS("x"));
    assert_string_equal(l.ctx.master.text, "local[*]");
    setenv("RDD_MASTER", "nonsense", 1);
    line_parse(&l, WORDS("x"));
    assert_int_equal(l.code, RDD_E_USAGE);
    assert_non_null(strstr(l.err.message, "RDD_MASTER"));
    unsetenv("RDD_MASTER");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(masters), cmocka_unit_test(no_masters),    cmocka_unit_test(taken),
        cmocka_unit_test(hosts_are_masters), cmocka_unit_test(hosts_that_cannot_be),
        cmocka_unit_test(flags),   cmocka_unit_test(program_words), cmocka_unit_test(malformed),
        cmocka_unit_test(environment),
    };
    unsetenv("RDD_MASTER");
    return TEST_MAIN(argc, argv, tests);
}
