#include "conf.h"

#include "spelling.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

static const conf_key KEYS[] = {
    { "task.attempts_max", CONF_INT, "4", 1, NULL, "attempts of a task before its job fails" },
    { "task.kill_grace", CONF_DURATION, "5s", 0, NULL,
      "how long a cancelled task may go on before its worker is killed" },
    { "task.budget", CONF_SIZE, "256MiB", 1 << 16, NULL,
      "memory a task may hold for what it gathers: a line, a record, glom, cartesian" },
    { "driver.result_max", CONF_SIZE, "1GiB", 1, NULL, "bytes a job may bring back to the driver" },
    { "executor.slots_per_process", CONF_INT, "0", 0, NULL,
      "slots that share one worker process; 0: all of an executor" },
    { "executor.heartbeat", CONF_DURATION, "1s", 10, NULL, "how often driver and executors say hello" },
    { "executor.timeout", CONF_DURATION, "20s", 50, NULL,
      "silence after which an executor is given up" },
    { "nodes.wait", CONF_DURATION, "60s", 0, NULL,
      "how long a job waits for an executor when none is left" },
    { "scheduler.mode", CONF_CHOICE, "fifo", 0, "fifo|fair",
      "jobs first in, first out, or in fair shares (rdd_set_pool)" },
    { "scheduler.pools", CONF_TEXT, "", 0, NULL,
      "weights of pools, and slots they get first: \"etl=1 web=3:2\"" },
    { "speculation", CONF_BOOL, "false", 0, NULL,
      "a second attempt elsewhere for tasks that take much longer than others" },
    { "speculation.quantile", CONF_DECIMAL, "0.75", 0, NULL,
      "of a stage's tasks that must be done before" },
    { "speculation.multiplier", CONF_DECIMAL, "1.5", 1000, NULL,
      "of the median run time: what takes longer is much longer" },
    { "speculation.min", CONF_DURATION, "100ms", 0, NULL, "what takes less is not too long" },
    { "speculation.side_effects", CONF_BOOL, "false", 0, NULL,
      "also for stages that call HTTP, or run foreach or pipe: these may happen twice" },
    { "locality.wait", CONF_DURATION, "3s", 0, NULL,
      "how long a task waits for the executor that it prefers" },
    { "exclude.failures", CONF_INT, "3", 0, NULL,
      "in a row in a stage, while others succeed, before an executor gets no more of it; 0: never" },
    { "exclude.stages", CONF_INT, "2", 0, NULL,
      "that an executor is excluded from before it gets nothing at all for a while; 0: never" },
    { "exclude.timeout", CONF_DURATION, "60s", 0, NULL, "that while" },
    { "executors.min", CONF_INT, "1", 0, NULL, "executors that run even without work" },
    { "executors.max", CONF_INT, "0", 0, NULL,
      "executors that are started as tasks wait, and released again; 0: all, always" },
    { "executors.idle", CONF_DURATION, "60s", 1, NULL, "without tasks, before one is released" },
    { "executors.backlog", CONF_DURATION, "1s", 1, NULL,
      "that tasks wait before another executor is started; then two, then four" },
    { "files", CONF_TEXT, "", 0, NULL,
      "files of the driver's, with commas, to be in the directory that tasks run in" },
    { "input.split_size", CONF_SIZE, "32MiB", 1 << 10, NULL,
      "a large plain file is read in splits of about this many bytes" },
    { "shared", CONF_TEXT, "", 0, NULL,
      "directories, as /mnt/nfs,/data, that all nodes see: files there are opened where they are" },
    { "csv.ragged", CONF_CHOICE, "fail", 0, "fail|pad|skip",
      "a CSV row with more or fewer columns than the header: fail; pad or cut it; skip it" },
    { "save.compression", CONF_CHOICE, "none", 0, "none|gz|zst", "of files in a saved directory" },
    { "save.columns_max", CONF_INT, "10000", 1, NULL, "columns that a saved CSV may have" },
    { "http.timeout", CONF_DURATION, "30s", 1, NULL, "of one attempt, all in all" },
    { "http.connect_timeout", CONF_DURATION, "10s", 1, NULL, "to be connected" },
    { "http.attempts_max", CONF_INT, "5", 1, NULL, "attempts of one call" },
    { "http.backoff", CONF_DURATION, "500ms", 0, NULL,
      "before the first retry at most; doubles each time, with full jitter" },
    { "http.backoff_max", CONF_DURATION, "60s", 0, NULL, "cap of a wait between attempts" },
    { "http.retry_after_max", CONF_DURATION, "60s", 0, NULL, "cap of what Retry-After may ask for" },
    { "http.elapsed_max", CONF_DURATION, "300s", 1, NULL, "over all attempts of a call" },
    { "http.connections_per_host", CONF_INT, "256", 1, NULL, "open at once, of one slot" },
    { "http.rate", CONF_RATE, "", 0, NULL,
      "calls over all executors, as 50/s, 100/m or 9/h" },
    { "http.max_errors", CONF_BUDGET, "", 0, NULL,
      "failed calls that a job may have, as 10 or 5%; empty: any number" },
    { "http.response_max", CONF_SIZE, "64MiB", 1, NULL, "bytes of one answer" },
    { "http.redirects_max", CONF_INT, "5", 0, NULL, "redirects that are followed" },
    { "http.journal", CONF_TEXT, "", 0, NULL,
      "a file that keeps the answers of calls, for a run after this one that http.resume" },
    { "http.resume", CONF_BOOL, "false", 0, NULL,
      "go on from what an interrupted run left in http.journal" },
    { "http.journal_flush", CONF_DURATION, "100ms", 0, NULL,
      "how long an executor keeps answers before the driver gets them; 64 go at once" },
    { "http.journal_max", CONF_SIZE, "1GiB", 0, NULL,
      "of answers that the driver keeps; past it calls of lost tasks are made again" },
    { "ssh.config", CONF_TEXT, "", 0, NULL,
      "ssh configuration to read instead of the user's, as ssh -F takes it; none: none" },
    { "ssh.connect_timeout", CONF_DURATION, "10s", 1, NULL,
      "to be connected to a node; unless set, what the ssh configuration says" },
    { "ssh.host_key", CONF_CHOICE, "", 0, "yes|accept-new",
      "whether a node's key must be known; unset: what the ssh configuration says" },
    { "ssh.identity", CONF_TEXT, "", 0, NULL, "private key to try first, on all nodes and jump hosts" },
    { "ssh.known_hosts", CONF_TEXT, "", 0, NULL,
      "known_hosts file to use instead of the user's" },
    { "ssh.transport", CONF_CHOICE, "auto", 0, "auto|libssh2|openssh",
      "how nodes are reached: by the library, by the ssh program, or as suits each" },
    { "debug.lifetime", CONF_BOOL,
#ifdef RDD_DEBUG_LIFETIME
      "true",
#else
      "false",
#endif
      0, NULL, "batches of one, and everything an operator may not keep is overwritten at once" },
    { "debug.remote_files", CONF_BOOL, "false", 0, NULL,
      "executors of local-cluster get the driver's files as those over SSH do" },
    { "debug.seed", CONF_INT, "0", 0, NULL, "of the scheduler's and HTTP's jitter" },
};

enum { KEY_COUNT = ARRAY_SIZE(KEYS) };

static struct {
    bool set, parsed;
    int64_t number;
    char *text;
} values[KEY_COUNT];

const conf_key *conf_table(size_t *ret_count)
{
    *ret_count = KEY_COUNT;
    return KEYS;
}

static bool parse_scaled(const char *text, const char *const *units, const int64_t *scales,
                         size_t unit_count, int64_t *ret)
{
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    char *end;
    long long number = strtoll(text, &end, 10);
    if (errno)
        return false;
    for (size_t i = 0; i < unit_count; i++)
        if (strcasecmp(end, units[i]) == 0)
            return !__builtin_mul_overflow((int64_t)number, scales[i], ret);
    return false;
}

bool conf_parse_size(const char *text, int64_t *ret)
{
    static const char *const units[] = { "", "b", "k", "kib", "kb", "m", "mib", "mb",
                                         "g", "gib", "gb", "t", "tib", "tb" };
    static const int64_t scales[] = { 1, 1, 1 << 10, 1 << 10, 1000, 1 << 20, 1 << 20, 1000000,
                                      1 << 30, 1 << 30, 1000000000, 1LL << 40, 1LL << 40,
                                      1000000000000LL };
    return parse_scaled(text, units, scales, ARRAY_SIZE(units), ret);
}

bool conf_parse_duration(const char *text, int64_t *ret_ms)
{
    static const char *const units[] = { "ms", "s", "m", "min", "h" };
    static const int64_t scales[] = { 1, 1000, 60000, 60000, 3600000 };
    return parse_scaled(text, units, scales, ARRAY_SIZE(units), ret_ms);
}

/* A plain decimal of at most `max`, up to `end`. */
static bool parse_decimal(const char *text, const char *end, double max, double *ret)
{
    char digits[32];
    size_t size = (size_t)(end - text);
    if (!size || size >= sizeof digits || strspn(text, "0123456789.") != size)
        return false;
    memcpy(digits, text, size);
    digits[size] = 0;
    char *stop;
    *ret = strtod(digits, &stop);
    return !*stop && *ret >= 0 && *ret <= max;
}

bool conf_parse_rate(const char *text, double *ret_per_second)
{
    double rate, unit;
    const char *slash = strchr(text, '/');
    if (!slash || !parse_decimal(text, slash, 1e9, &rate) || rate <= 0)
        return false;
    if (!strcmp(slash, "/s"))
        unit = 1;
    else if (!strcmp(slash, "/m"))
        unit = 60;
    else if (!strcmp(slash, "/h"))
        unit = 3600;
    else
        return false;
    if (ret_per_second)
        *ret_per_second = rate / unit;
    return true;
}

bool conf_parse_budget(const char *text, double *ret, bool *ret_is_percent)
{
    size_t size = strlen(text);
    bool percent = size && text[size - 1] == '%';
    double value;
    if (!parse_decimal(text, text + size - percent, percent ? 100 : 1e15, &value))
        return false;
    if (!percent && strchr(text, '.'))
        return false;
    if (ret)
        *ret = value;
    if (ret_is_percent)
        *ret_is_percent = percent;
    return true;
}

static bool is_choice(const char *choices, const char *text)
{
    size_t size = strcspn(text, "|");
    if (!size || text[size])
        return false;
    for (const char *at = choices; at; at = strchr(at, '|') ? strchr(at, '|') + 1 : NULL)
        if (strncmp(at, text, size) == 0 && (at[size] == '|' || !at[size]))
            return true;
    return false;
}

static bool parse_thousandths(const char *text, int64_t *ret)
{
    double value;
    if (!parse_decimal(text, text + strlen(text), 1e6, &value))
        return false;
    *ret = (int64_t)(value * 1000 + 0.5);
    return true;
}

static bool parse_value(const conf_key *key, const char *text, int64_t *ret)
{
    *ret = 0;
    switch (key->kind) {
    case CONF_INT: {
        errno = 0;
        char *end;
        long long number = strtoll(text, &end, 10);
        *ret = number;
        return !errno && *text && !*end && number >= key->least;
    }
    case CONF_BOOL:
        *ret = !strcmp(text, "true") || !strcmp(text, "1") || !strcmp(text, "yes");
        return *ret || !strcmp(text, "false") || !strcmp(text, "0") || !strcmp(text, "no");
    case CONF_SIZE:
        return conf_parse_size(text, ret) && *ret >= key->least;
    case CONF_DURATION:
        return conf_parse_duration(text, ret) && *ret >= key->least;
    case CONF_CHOICE:
        return is_choice(key->choices, text);
    case CONF_RATE:
        return !*text || conf_parse_rate(text, NULL);
    case CONF_BUDGET:
        return !*text || conf_parse_budget(text, NULL, NULL);
    case CONF_DECIMAL:
        return parse_thousandths(text, ret) && *ret >= key->least;
    case CONF_TEXT:
        return true;
    }
    return false;
}

static int find_key(const char *name)
{
    for (int i = 0; i < KEY_COUNT; i++)
        if (!strcmp(KEYS[i].name, name))
            return i;
    return -1;
}

static const char *nearest_key(const char *name)
{
    const char *best = NULL;
    size_t size = strlen(name), least = size_min(size / 3, 3) + 1;
    for (int i = 0; i < KEY_COUNT; i++) {
        size_t beginning, slips = spelling_slips(name, size, KEYS[i].name, &beginning);
        if (beginning < slips)
            slips = beginning + 1; /* only how it begins */
        if (slips < least) {
            least = slips;
            best = KEYS[i].name;
        }
    }
    return best;
}

static const char *kind_help(const conf_key *key, char *text, size_t size)
{
    switch (key->kind) {
    case CONF_INT:
        snprintf(text, size, "a whole number of at least %lld", (long long)key->least);
        return text;
    case CONF_BOOL: return "true or false";
    case CONF_SIZE:
        snprintf(text, size, "a size such as 64KiB, 256MiB or 1GiB, at least %lld bytes",
                 (long long)key->least);
        return text;
    case CONF_DURATION:
        snprintf(text, size, "a time with its unit such as 500ms, 10s or 2m, at least %lld ms",
                 (long long)key->least);
        return text;
    case CONF_BUDGET: return "a count such as 10, or a percentage such as 5%";
    case CONF_RATE: return "a rate of more than 0 with its unit such as 50/s, 100/m or 9/h";
    case CONF_CHOICE:
        snprintf(text, size, "one of %s", key->choices);
        return text;
    case CONF_DECIMAL:
        snprintf(text, size, "a number such as 1.5, at least %g", (double)key->least / 1000);
        return text;
    case CONF_TEXT: break;
    }
    return "text";
}

int conf_check_key(const char *key, rdd_error *err)
{
    if (find_key(key) >= 0)
        return 0;
    const char *near = nearest_key(key);
    return error_set(err, RDD_E_USAGE, "--conf %s: there is no such setting%s%s%s", key,
                     near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

int conf_set(const char *key, const char *value, rdd_error *err)
{
    int code = conf_check_key(key, err);
    if (code < 0)
        return code;
    int i = find_key(key);
    int64_t number;
    char help[96];
    if (!parse_value(&KEYS[i], value, &number))
        return error_set(err, RDD_E_USAGE, "--conf %s=%s: give %s", key, value,
                         kind_help(&KEYS[i], help, sizeof help));
    char *copy = strdup(value);
    if (!copy)
        return error_set_memory(err, "reading settings");
    free(values[i].text);
    values[i].text = copy;
    values[i].number = number;
    values[i].set = values[i].parsed = true;
    return 0;
}

int conf_set_pair(const char *pair, rdd_error *err)
{
    const char *equals = strchr(pair, '=');
    if (!equals || equals == pair)
        return error_set(err, RDD_E_USAGE, "--conf %s: give it as key=value", pair);
    CLEANUP(freep) char *key = strndup(pair, (size_t)(equals - pair));
    if (!key)
        return error_set_memory(err, "reading settings");
    return conf_set(key, equals + 1, err);
}

bool conf_is_set(const char *key)
{
    int i = find_key(key);
    ASSERT(i >= 0);
    return values[i].set;
}

void conf_clear(void)
{
    for (int i = 0; i < KEY_COUNT; i++)
        free(values[i].text);
    memset(values, 0, sizeof values);
}

int64_t conf_int(const char *key)
{
    int i = find_key(key);
    ASSERT(i >= 0);
    if (values[i].set)
        return values[i].number;
    int64_t number = 0;
    bool ok = parse_value(&KEYS[i], KEYS[i].initial, &number);
    ASSERT(ok);
    return number;
}

bool conf_bool(const char *key)
{
    return conf_int(key) != 0;
}

const char *conf_text(const char *key)
{
    int i = find_key(key);
    ASSERT(i >= 0);
    return values[i].set ? values[i].text : KEYS[i].initial;
}

void conf_encode(buf *b)
{
    uint32_t count = 0;
    for (int i = 0; i < KEY_COUNT; i++)
        count += values[i].set;
    buf_u32(b, count);
    for (int i = 0; i < KEY_COUNT; i++) {
        if (!values[i].set)
            continue;
        buf_sized(b, KEYS[i].name, strlen(KEYS[i].name));
        buf_sized(b, values[i].text, strlen(values[i].text));
    }
}

static char *read_string(reader *r)
{
    size_t size;
    const char *data = reader_sized(r, &size);
    return data ? strndup(data, size) : NULL;
}

int conf_decode(reader *r, rdd_error *err)
{
    uint32_t count = reader_u32(r);
    for (uint32_t i = 0; i < count && !r->failed; i++) {
        CLEANUP(freep) char *key = read_string(r);
        CLEANUP(freep) char *value = read_string(r);
        if (!key || !value)
            break;
        int code = conf_set(key, value, err);
        if (code < 0)
            return code;
    }
    return r->failed ? error_set(err, RDD_E_PROTOCOL, "malformed settings came over the wire") : 0;
}
