/* options.c: the library's own options, taken out of a program's argv. */
#include "conf.h"
#include "context.h"
#include "spelling.h"

#include <stdio.h>

static const char MASTER_FORMS[] = "give local[N], local[*], local[N,ATTEMPTS], "
                                   "local-cluster[EXECUTORS,SLOTS], ssh://HOST,HOST or ssh:@FILE";

/* A decimal number of at most `max`, or "*" for all processors. */
static bool parse_count(const char **at, uint32_t max, uint32_t *ret)
{
    if (**at == '*') {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        *ret = online > 0 ? (uint32_t)online : 1;
        (*at)++;
        return true;
    }
    uint64_t number = 0;
    const char *start = *at;
    while (**at >= '0' && **at <= '9' && number <= max)
        number = number * 10 + (uint64_t)(*(*at)++ - '0');
    *ret = (uint32_t)number;
    return *at > start && number >= 1 && number <= max;
}

/* "[a]" or "[a,b]" and nothing behind; gives how many numbers there were, 0 when malformed. */
static int parse_brackets(const char *at, uint32_t *a, uint32_t *b)
{
    if (*at++ != '[' || !parse_count(&at, 4096, a))
        return 0;
    if (!strcmp(at, "]"))
        return 1;
    if (*at++ != ',' || *at == '*' || !parse_count(&at, 4096, b) || strcmp(at, "]") != 0)
        return 0;
    return 2;
}

/* "n1, n2 and 14 more" */
static void name_hosts(master *m)
{
    size_t used = 0;
    for (size_t i = 0; i < m->hosts.count; i++) {
        char name[100];
        host_describe(&m->hosts.items[i], name, sizeof name);
        if (used + strlen(name) + 32 > sizeof m->names) {
            snprintf(m->names + used, sizeof m->names - used, " and %zu more", m->hosts.count - i);
            return;
        }
        used += (size_t)snprintf(m->names + used, sizeof m->names - used, "%s%s", used ? ", " : "",
                                 name);
    }
}

/* "ssh://HOSTS", "ssh:@FILE", or "ssh:" alone, which takes RDD_HOSTS. */
static int parse_ssh(const char *text, master *ret, rdd_error *err)
{
    master m = { .kind = MASTER_SSH };
    const char *hosts = text + 4;
    if (!strncmp(hosts, "//", 2))
        hosts += 2;
    else if (*hosts && *hosts != '@')
        return error_set(err, RDD_E_USAGE, "%.100s: hosts come after ssh://, a file after ssh:@",
                         text);
    int code = hosts_of_master(hosts, "", &m.hosts, &m.hosts_file, err);
    if (code < 0) {
        if (!*hosts)
            error_prefix(err, "%.100s: ", text);
        master_release(&m);
        return code;
    }
    m.executors = (uint32_t)m.hosts.count;
    name_hosts(&m);
    snprintf(m.text, sizeof m.text, "%s", text);
    *ret = m;
    return 0;
}

int master_parse(const char *text, master *ret, rdd_error *err)
{
    master m = { .kind = MASTER_LOCAL, .executors = 1, .slots = 1 };
    uint32_t a = 1, b = 0;
    bool ok = false;
    if (!strcmp(text, "local")) {
        ok = true;
    } else if (!strncmp(text, "local[", 6)) {
        int count = parse_brackets(text + 5, &a, &b);
        m.slots = a;
        ok = count > 0;
        if (count == 2) {
            char attempts[16];
            snprintf(attempts, sizeof attempts, "%u", b);
            int code = conf_set("task.attempts_max", attempts, err);
            if (code < 0)
                return code;
        }
    } else if (!strncmp(text, "local-cluster[", 14)) {
        ok = parse_brackets(text + 13, &a, &b) == 2 && text[14] != '*';
        m = (master){ .kind = MASTER_LOCAL_CLUSTER, .executors = a, .slots = b };
        ok = ok && a <= 256;
    } else if (!strncmp(text, "ssh:", 4)) {
        return parse_ssh(text, ret, err);
    }
    if (!ok)
        return error_set(err, RDD_E_USAGE, "%.100s: there is no such master; %s", text,
                         MASTER_FORMS);
    snprintf(m.text, sizeof m.text, "%s", text);
    *ret = m;
    return 0;
}

void master_release(master *m)
{
    host_list_release(&m->hosts);
    free(m->hosts_file);
    *m = (master){ .kind = MASTER_LOCAL };
}

static int set_explain(rdd_context *ctx, const char *form, rdd_error *err)
{
    if (!form || !strcmp(form, "text"))
        ctx->explain = EXPLAIN_TEXT;
    else if (!strcmp(form, "dot"))
        ctx->explain = EXPLAIN_DOT;
    else
        return error_set(err, RDD_E_USAGE, "--explain=%s: give --explain, --explain=text or "
                                           "--explain=dot",
                         form);
    return 0;
}

static int set_event_log(rdd_context *ctx, const char *path, rdd_error *err)
{
    free(ctx->event_log);
    ctx->event_log = strdup(path);
    return ctx->event_log ? 0 : error_set_memory(err, "reading options");
}

static int set_master(rdd_context *ctx, const char *text, rdd_error *err)
{
    master_release(&ctx->master); /* the last one counts */
    int code = master_parse(text, &ctx->master, err);
    if (code < 0)
        error_prefix(err, "--master ");
    return code;
}

static int set_conf(rdd_context *ctx UNUSED, const char *pair, rdd_error *err)
{
    return conf_set_pair(pair, err);
}

/* Options with a value, as "--name value" or "--name=value". */
static const struct valued {
    const char *name;
    int (*set)(rdd_context *ctx, const char *value, rdd_error *err);
    const char *example;
} VALUED[] = {
    { "--master", set_master, "--master local[2]" },
    { "--conf", set_conf, "--conf task.attempts_max=2" },
    { "--event-log", set_event_log, "--event-log job.jsonl" },
};

static const char EXPLAIN[] = "--explain"; /* with a value or without */

static const struct flag {
    const char *name;
    verbosity verbosity;
} FLAGS[] = {
    { "--progress", VERBOSITY_PROGRESS },
    { "--quiet", VERBOSITY_QUIET },
    { "--verbose", VERBOSITY_VERBOSE },
};

/* 1: `argv[*at]` was one of ours and *at is behind it; 0: it was not; negative: malformed. */
static int take_option(rdd_context *ctx, int argc, char **argv, int *at, rdd_error *err)
{
    const char *word = argv[*at];
    for (size_t i = 0; i < ARRAY_SIZE(VALUED); i++) {
        size_t size = strlen(VALUED[i].name);
        if (strncmp(word, VALUED[i].name, size) != 0 || (word[size] && word[size] != '='))
            continue;
        const char *value = word[size] ? word + size + 1 : *at + 1 < argc ? argv[*at + 1] : NULL;
        if (!value || !*value)
            return error_set(err, RDD_E_USAGE, "%s needs a value, such as %s", VALUED[i].name,
                             VALUED[i].example);
        int code = VALUED[i].set(ctx, value, err);
        *at += word[size] ? 1 : 2;
        return code < 0 ? code : 1;
    }
    for (size_t i = 0; i < ARRAY_SIZE(FLAGS); i++) {
        size_t size = strlen(FLAGS[i].name);
        if (strncmp(word, FLAGS[i].name, size) != 0 || (word[size] && word[size] != '='))
            continue;
        if (word[size])
            return error_set(err, RDD_E_USAGE, "%.100s: %s takes no value", word, FLAGS[i].name);
        if (FLAGS[i].verbosity != VERBOSITY_PROGRESS || ctx->verbosity != VERBOSITY_VERBOSE)
            ctx->verbosity = FLAGS[i].verbosity; /* --verbose has the progress, too */
        ++*at;
        return 1;
    }
    size_t size = sizeof EXPLAIN - 1;
    if (!strncmp(word, EXPLAIN, size) && (!word[size] || word[size] == '=')) {
        int code = set_explain(ctx, word[size] ? word + size + 1 : NULL, err);
        ++*at;
        return code < 0 ? code : 1;
    }
    return 0;
}

static bool is_slip_of(const char *word, size_t size, const char *name)
{
    return spelling_slips(word, size, name, NULL) <= 1;
}

/* Nearly one of ours: the program's own option, or a slip that would make everything run elsewhere. */
static int refuse_slip(const char *word, rdd_error *err)
{
    size_t size = strcspn(word, "=");
    const char *meant = is_slip_of(word, size, EXPLAIN) ? EXPLAIN : NULL;
    for (size_t i = 0; i < ARRAY_SIZE(VALUED) && !meant; i++)
        meant = is_slip_of(word, size, VALUED[i].name) ? VALUED[i].name : NULL;
    for (size_t i = 0; i < ARRAY_SIZE(FLAGS) && !meant; i++)
        meant = is_slip_of(word, size, FLAGS[i].name) ? FLAGS[i].name : NULL;
    if (!meant)
        return 0;
    return error_set(err, RDD_E_USAGE, "%.*s: is %s meant? (An option of the program's own comes behind "
                     "--)", (int)size_min(size, 100), word, meant);
}

/* Without --master. A master may come with settings, so one that is not used is not even read. */
static int default_master(master *ret, rdd_error *err)
{
    const char *from_environment = getenv("RDD_MASTER");
    if (!from_environment || !*from_environment)
        return master_parse("local[*]", ret, err);
    int code = master_parse(from_environment, ret, err);
    if (code < 0)
        error_prefix(err, "RDD_MASTER=");
    return code;
}

int options_parse(rdd_context *ctx, int *argc, char **argv, rdd_error *err)
{
    int code = 0, kept = *argc > 0, at = 1;
    while (code >= 0 && at < *argc) {
        if (!strcmp(argv[at], "--")) { /* the rest is the program's, as it stands */
            for (at++; at < *argc; at++)
                argv[kept++] = argv[at];
            break;
        }
        code = take_option(ctx, *argc, argv, &at, err);
        if (code == 0 && !strncmp(argv[at], "--", 2))
            code = refuse_slip(argv[at], err);
        if (code == 0)
            argv[kept++] = argv[at++];
    }
    if (code >= 0 && !ctx->master.text[0])
        code = default_master(&ctx->master, err);
    if (code < 0)
        return code;
    if (kept < *argc)
        argv[kept] = NULL;
    *argc = kept;
    return 0;
}
