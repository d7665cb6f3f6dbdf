/* event_log_test.c: event_log.h.
 *
 * One scenario has a record of every kind; it must be tests/event_log/sample.jsonl to the byte
 * (UPDATE_GOLDEN=1 writes it), and docs/event-log.md, whose examples are run over that file, must
 * speak of each of its fields.
 */
#include "event_log.h"

#include "clock.h"
#include "conf.h"
#include "text.h"

#include "test.h"

#include <cjson/cJSON.h>

static const char SAMPLE[] = "tests/event_log/sample.jsonl";
static const uint64_t START_NS = 7 * NS_PER_S;

static char *read_file(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        print_message("%s: %s (tests run in the project's directory)\n", path, strerror(errno));
        return NULL;
    }
    CLEANUP(buf_release) buf b = { 0 };
    size_t got;
    while (buf_reserve(&b, 4096) && (got = fread(b.data + b.size, 1, 4095, file)) > 0)
        b.size += got;
    fclose(file);
    *ret_size = b.size;
    buf_terminate(&b);
    return buf_take(&b, &got);
}

static event_log *open_log(const char *path)
{
    event_log *log;
    rdd_error err;
    assert_int_equal(event_log_open(&log, path, &err), 0);
    return log;
}

static void start_log(event_log *log, const char *words, size_t size)
{
    event_log_start(log, START_NS,
                    &(event_log_application){ .program = "api_call",
                                              .master = "local-cluster[2,1]",
                                              .command_line = { size, words },
                                              .slots = 2,
                                              .wall_ns = UINT64_C(1795487270250999999) });
}

/* -- The scenario ------------------------------------------------------------------------------ */

static uint64_t at_us(uint64_t us)
{
    return START_NS + us * NS_PER_US;
}

static void executor_event(event_log *log, uint64_t us, event_kind kind, uint32_t executor,
                           uint32_t incarnation, const char *why)
{
    event e = { .kind = kind, .executor = executor, .incarnation = incarnation, .slots = 1 };
    if (why) {
        error_set(&e.error, RDD_E_LOST, "%s", why);
        snprintf(e.error.node, sizeof e.error.node, "executor %u", executor);
    }
    event_log_event(log, at_us(us), &e);
}

static void launch(event_log *log, uint64_t us, uint32_t executor, uint32_t stage,
                   uint32_t partition, uint32_t attempt)
{
    task_spec task = { .id = { stage, partition, attempt } };
    command c = { .kind = COMMAND_LAUNCH, .executor = executor, .tasks = &task, .count = 1 };
    event_log_command(log, at_us(us), &c);
}

typedef struct answer {
    uint64_t us;
    uint32_t executor, stage, partition, attempt;
    outcome_status status;
    uint64_t run_ns;
    const char *error;
    bool suspect, accepted;
} answer;

static void outcome_of(event_log *log, answer a)
{
    rdd_error error;
    outcome o = { .id = { a.stage, a.partition, a.attempt },
                  .status = a.status,
                  .suspect = a.suspect,
                  .metrics = { a.run_ns, a.accepted ? 125 : 0, 4096 },
                  .result_size = a.accepted ? 12 : 0 };
    if (a.error) {
        error_set(&error, RDD_E_USER, "%s", a.error);
        error.job = 0;
        error.stage = a.stage;
        error.partition = a.partition;
        error.attempt = a.attempt;
        snprintf(error.node, sizeof error.node, "executor %u", a.executor);
        error.os_errno = ENOENT;
        o.error = &error;
    }
    event e = { .kind = EVENT_OUTCOMES, .executor = a.executor, .outcomes = &o,
                .outcome_count = 1 };
    event_log_event(log, at_us(a.us), &e);
    command c = { .kind = a.accepted ? COMMAND_ACCEPT : COMMAND_DISCARD, .outcome = &o };
    event_log_command(log, at_us(a.us), &c);
}

static void simple_command(event_log *log, uint64_t us, command_kind kind, uint32_t job,
                           uint32_t stage)
{
    command c = { .kind = kind, .job_id = job, .stage = stage, .executor = 1, .incarnation = 1,
                  .plan = { 321, "" } };
    event_log_command(log, at_us(us), &c);
}

static void job_done(event_log *log, uint64_t us, uint32_t job, rdd_code code, const char *why)
{
    rdd_error error;
    error_set(&error, code, "%s", why);
    if (code != RDD_OK)
        error.job = job;
    command c = { .kind = COMMAND_JOB_DONE, .job_id = job, .error = &error };
    event_log_command(log, at_us(us), &c);
}

static void note(event_log *log, uint64_t us, const char *text)
{
    rdd_error error;
    error_set(&error, RDD_OK, "%s", text);
    command c = { .kind = COMMAND_NOTE, .error = &error };
    event_log_command(log, at_us(us), &c);
}

static void enrich_job(event_log *log)
{
    job_spec *spec = job_spec_new(2);
    assert_non_null(spec);
    static const uint32_t parents[] = { 0 };
    spec->job_id = 0;
    spec->name = "enrich";
    spec->stages[0] = (stage_spec){ .id = 0, .name = "split", .task_count = 1 };
    spec->stages[1] = (stage_spec){ .id = 1, .name = "call \"api\"", .task_count = 2,
                                    .parents = parents, .parent_count = 1,
                                    .has_side_effects = true };
    static const char plan[] = "save_csv (api_call.c:88)\n  map call_api (api_call.c:80)\n";
    event_log_job(log, at_us(1200), spec,
                  &(event_log_job_info){ "save_csv", "api_call.c:88",
                                         { sizeof plan - 1, plan } });
    event submit = { .kind = EVENT_JOB_SUBMIT, .job = spec };
    event_log_event(log, at_us(1200), &submit);
    simple_command(log, 1200, COMMAND_PLAN, 0, 0);
    launch(log, 1200, 0, 0, 0, 0);
    outcome_of(log, (answer){ 3400, 0, 0, 0, 0, .run_ns = 2000001, .accepted = true });
    simple_command(log, 3400, COMMAND_PLAN, 0, 1);
    launch(log, 3400, 0, 1, 0, 0);
    launch(log, 3400, 1, 1, 1, 0);
    outcome_of(log, (answer){ 5000, 1, 1, 1, 0, OUTCOME_FAILED, .run_ns = 900000,
                              .error = "record 7: no such country" });
    launch(log, 5000, 1, 1, 1, 1);
    executor_event(log, 6000, EVENT_EXECUTOR_LOST, 1, 0, "the connection was closed");
    note(log, 6000, "executor 1 was lost with 1 tasks: the connection was closed");
    launch(log, 6000, 0, 1, 1, 2);
    executor_event(log, 9000, EVENT_EXECUTOR_UP, 1, 1, NULL);
    outcome_of(log, (answer){ 10000, 0, 1, 0, 0, .run_ns = 6500000, .accepted = true });
    outcome_of(log, (answer){ 11000, 0, 1, 1, 2, OUTCOME_LOST, .suspect = true });
    launch(log, 11000, 1, 1, 1, 3);
    outcome_of(log, (answer){ 1250000, 1, 1, 1, 3, .run_ns = 1238000000, .accepted = true });
    simple_command(log, 1250000, COMMAND_FORGET, 0, 0);
    simple_command(log, 1250000, COMMAND_FORGET, 0, 1);
    job_done(log, 1250000, 0, RDD_OK, "");
    free(spec);
}

static void cancelled_job(event_log *log)
{
    job_spec *spec = job_spec_new(1);
    assert_non_null(spec);
    spec->job_id = 1;
    spec->name = "count";
    spec->pool = "quick";
    spec->stages[0] = (stage_spec){ .id = 2, .name = "range", .task_count = 8 };
    event_log_job(log, at_us(1300000), spec, &(event_log_job_info){ .action = "count" });
    simple_command(log, 1300000, COMMAND_PLAN, 1, 2);
    launch(log, 1300000, 1, 2, 0, 0);
    simple_command(log, 1300000, COMMAND_CANCEL_TASK, 1, 2);
    event cancel = { .kind = EVENT_JOB_CANCEL, .job_id = 1 };
    error_set(&cancel.error, RDD_E_CANCELLED, "interrupted");
    event_log_event(log, at_us(1400000), &cancel);
    simple_command(log, 1400000, COMMAND_CANCEL, 1, 2);
    simple_command(log, 6400000, COMMAND_REPLACE, 1, 2);
    outcome_of(log, (answer){ 6400001, 1, 2, 0, 0, OUTCOME_CANCELLED, .run_ns = 5100000000 });
    simple_command(log, 6400001, COMMAND_FORGET, 1, 2);
    executor_event(log, 6400001, EVENT_EXECUTOR_DRAIN, 1, 0, NULL);
    simple_command(log, 6400001, COMMAND_RELEASE, 1, 2);
    job_done(log, 6400001, 1, RDD_E_CANCELLED, "interrupted");
    free(spec);
}

static void write_scenario(const char *path)
{
    static const char words[] = "./api_call\0in.csv\0out.csv\0--header\0Authorization: Bearer x1";
    rdd_error err;
    assert_int_equal(conf_set("task.attempts_max", "2", &err), 0);
    event_log *log = open_log(path);
    start_log(log, words, sizeof words);
    executor_event(log, 100, EVENT_EXECUTOR_ADDED, 1, 0, NULL);
    simple_command(log, 100, COMMAND_START, 0, 0);
    executor_event(log, 800, EVENT_EXECUTOR_UP, 0, 0, NULL);
    executor_event(log, 900, EVENT_EXECUTOR_UP, 1, 0, NULL);
    enrich_job(log);
    cancelled_job(log);
    scheduler_counters counters = { .launched = 7, .accepted = 3, .failed = 1, .cancelled = 1,
                                    .lost = 2, .executors_lost = 1, .jobs_done = 1,
                                    .jobs_failed = 1 };
    event_log_end(log, at_us(6500000), &counters);
    assert_int_equal(event_log_close(log, &err), 0);
    assert_int_equal(conf_set("task.attempts_max", "4", &err), 0);
}

/* The process and the host are whatever they are: as in the sample. */
static void hide(char *text, const char *from, const char *to, const char *instead)
{
    char *start = strstr(text, from);
    assert_non_null(start);
    start += strlen(from);
    char *end = strstr(start, to);
    assert_non_null(end);
    assert_true(strlen(instead) <= (size_t)(end - start) + 64);
    memmove(start + strlen(instead), end, strlen(end) + 1);
    memcpy(start, instead, strlen(instead));
}

static char *scenario_text(void)
{
    const char *path = test_path("scenario.jsonl");
    write_scenario(path);
    size_t size;
    CLEANUP(freep) char *text = read_file(path, &size);
    assert_non_null(text);
    char *roomy = calloc(1, size + 256);
    assert_non_null(roomy);
    memcpy(roomy, text, size);
    hide(roomy, "\"pid\":", ",", "4242");
    hide(roomy, "\"host\":", ",\"argv\"", "\"node-a\"");
    return roomy;
}

static void the_scenario_is_the_sample(void **state)
{
    (void)state;
    CLEANUP(freep) char *text = scenario_text();
    const char *update = getenv("UPDATE_GOLDEN");
    if (update && !strcmp(update, "1")) {
        FILE *file = fopen(SAMPLE, "wb");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
    }
    size_t size;
    CLEANUP(freep) char *sample = read_file(SAMPLE, &size);
    assert_non_null(sample);
    assert_string_equal(text, sample);
}

static void expect_documented(const char *docs, const cJSON *json)
{
    for (const cJSON *at = json->child; at; at = at->next) {
        if (at->string && strchr(at->string, '.'))
            continue; /* a setting */
        if (at->string) {
            char name[80];
            snprintf(name, sizeof name, "`%s`", at->string);
            if (!strstr(docs, name))
                fail_msg("docs/event-log.md has no %s", name);
        }
        expect_documented(docs, at);
    }
}

static void every_field_is_documented(void **state)
{
    (void)state;
    CLEANUP(freep) char *text = scenario_text();
    size_t size;
    CLEANUP(freep) char *docs = read_file("docs/event-log.md", &size);
    assert_non_null(docs);
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        cJSON *json = cJSON_Parse(line);
        assert_non_null(json);
        char name[80];
        snprintf(name, sizeof name, "### `%s`",
                 cJSON_GetObjectItem(json, "event")->valuestring);
        if (!strstr(docs, name))
            fail_msg("docs/event-log.md has no %s", name);
        expect_documented(docs, json);
        cJSON_Delete(json);
    }
}

/* -- Any bytes, and this process --------------------------------------------------------------- */

/* Calls `check` with each line as JSON; returns how many. */
static size_t each_line(const char *path, void (*check)(const cJSON *json))
{
    size_t size, count = 0;
    CLEANUP(freep) char *text = read_file(path, &size);
    assert_non_null(text);
    assert_int_equal(strlen(text), size);
    for (size_t i = 0, step; i < size; i += step) {
        step = text_utf8(text + i, text + size);
        assert_true(step > 0);
    }
    assert_true(size && text[size - 1] == '\n');
    char *rest = text, *line;
    while ((line = strsep(&rest, "\n")) && *line) {
        cJSON *json = cJSON_ParseWithOpts(line, NULL, true);
        if (!json)
            fail_msg("not JSON: %s", line);
        if (check)
            check(json);
        cJSON_Delete(json);
        count++;
    }
    return count;
}

static char *random_string(char *text, size_t size)
{
    size_t length = test_random_below(size);
    for (size_t i = 0; i < length; i++)
        text[i] = (char)(1 + test_random_below(255));
    text[length] = 0;
    return text;
}

static void any_text_makes_valid_lines(void **state)
{
    (void)state;
    const char *path = test_path("fuzz.jsonl");
    char a[300], b[300], plan[300];
    for (int round = 0; round < 100; round++) {
        event_log *log = open_log(path);
        size_t size = test_random_below(sizeof plan);
        for (size_t i = 0; i < size; i++)
            plan[i] = (char)test_random();
        start_log(log, plan, size);
        job_spec *spec = job_spec_new(1);
        assert_non_null(spec);
        spec->name = random_string(a, sizeof a);
        spec->stages[0].name = random_string(b, sizeof b);
        event_log_job(log, START_NS, spec,
                      &(event_log_job_info){ spec->name, spec->stages[0].name, { size, plan } });
        free(spec);
        outcome_of(log, (answer){ .status = OUTCOME_CRASHED, .error = random_string(a, sizeof a) });
        note(log, 0, random_string(a, sizeof a));
        job_done(log, 0, 0, RDD_E_CRASH, random_string(a, sizeof a));
        event_log_end(log, START_NS, NULL);
        rdd_error err;
        assert_int_equal(event_log_close(log, &err), 0);
        assert_int_equal(each_line(path, NULL), 6);
    }
}

static void check_own_argv(const cJSON *json)
{
    const cJSON *argv = cJSON_GetObjectItem(json, "argv");
    assert_true(cJSON_GetArraySize(argv) >= 1);
    assert_non_null(strstr(cJSON_GetArrayItem(argv, 0)->valuestring, "event_log_test"));
}

static void without_words_it_takes_its_own(void **state)
{
    (void)state;
    const char *path = test_path("own.jsonl");
    event_log *log = open_log(path);
    start_log(log, NULL, 0);
    rdd_error err;
    assert_int_equal(event_log_close(log, &err), 0);
    assert_int_equal(each_line(path, check_own_argv), 1);
}

/* -- With the scheduler ------------------------------------------------------------------------ */

/* What a reader makes of the log. */
static struct {
    size_t started, ended, accepted, stages_begun, stages_ended, jobs_ok;
    double t;
} seen;

static void count_line(const cJSON *json)
{
    const char *name = cJSON_GetObjectItem(json, "event")->valuestring;
    double t = cJSON_GetObjectItem(json, "t")->valuedouble;
    assert_true(t >= seen.t);
    seen.t = t;
    seen.started += !strcmp(name, "task_start");
    seen.ended += !strcmp(name, "task_end");
    seen.accepted += cJSON_IsTrue(cJSON_GetObjectItem(json, "accepted")) != 0;
    seen.stages_begun += !strcmp(name, "stage_start");
    if (!strcmp(name, "stage_end")) {
        seen.stages_ended++;
        assert_string_equal(cJSON_GetObjectItem(json, "status")->valuestring, "ok");
        assert_int_equal(cJSON_GetObjectItem(json, "records")->valueint, 500);
    }
    if (!strcmp(name, "job_end"))
        seen.jobs_ok += !strcmp(cJSON_GetObjectItem(json, "status")->valuestring, "ok");
}

/* Every task that is launched ends well a millisecond later, but each tenth one's first attempt. */
static void run_tasks(event_log *log, scheduler *s, uint64_t *now_ns, command_list *commands)
{
    for (;;) {
        CLEANUP(buf_release) buf outcomes = { 0 };
        for (size_t i = 0; i < commands->count; i++) {
            const command *c = &commands->items[i];
            for (size_t k = 0; c->kind == COMMAND_LAUNCH && k < c->count; k++) {
                outcome o = { .id = c->tasks[k].id, .metrics = { 1000, 5, 7 } };
                if (!o.id.attempt && o.id.partition % 10 == 0)
                    o.status = OUTCOME_FAILED;
                buf_append(&outcomes, &o, sizeof o);
            }
        }
        if (!outcomes.size)
            return;
        size_t size;
        event *e = event_new(EVENT_OUTCOMES);
        assert_non_null(e);
        e->outcome_count = outcomes.size / sizeof(outcome);
        e->outcomes = (outcome *)(void *)buf_take(&outcomes, &size);
        *now_ns += NS_PER_MS;
        event_log_event(log, *now_ns, e);
        assert_int_equal(scheduler_step(s, e, *now_ns, commands), 0);
        for (size_t i = 0; i < commands->count; i++)
            event_log_command(log, *now_ns, &commands->items[i]);
        event_free(e);
    }
}

static void step(event_log *log, scheduler *s, event *e, uint64_t now_ns, command_list *commands)
{
    if (e->kind == EVENT_JOB_SUBMIT)
        event_log_job(log, now_ns, e->job, NULL);
    event_log_event(log, now_ns, e);
    assert_int_equal(scheduler_step(s, e, now_ns, commands), 0);
    for (size_t i = 0; i < commands->count; i++)
        event_log_command(log, now_ns, &commands->items[i]);
    event_free(e);
}

static void a_real_schedule_is_complete(void **state)
{
    (void)state;
    const char *path = test_path("schedule.jsonl");
    event_log *log = open_log(path);
    start_log(log, "x", 2);
    scheduler_conf conf = scheduler_conf_default();
    scheduler *s = scheduler_new(&conf);
    command_list commands = { 0 };
    uint64_t now_ns = START_NS;
    event *up = event_new(EVENT_EXECUTOR_UP);
    up->slots = 4;
    step(log, s, up, now_ns, &commands);
    for (uint32_t i = 0; i < 20; i++) {
        event *submit = event_new(EVENT_JOB_SUBMIT);
        submit->job = job_spec_new(1);
        submit->job->job_id = submit->job_id = i;
        submit->job->stages[0] = (stage_spec){ .id = i, .task_count = 100, .name = "s" };
        step(log, s, submit, now_ns, &commands);
        run_tasks(log, s, &now_ns, &commands);
        for (int tries = 0; !scheduler_is_idle(s) && tries < 1000; tries++) { /* backed off */
            now_ns = u64_max(now_ns, u64_min(scheduler_next_deadline(s), now_ns + NS_PER_S));
            step(log, s, event_new(EVENT_TICK), now_ns, &commands);
            run_tasks(log, s, &now_ns, &commands);
        }
        assert_true(scheduler_is_idle(s));
    }
    command_list_release(&commands);
    scheduler_free(s);
    rdd_error err;
    assert_int_equal(event_log_close(log, &err), 0);
    memset(&seen, 0, sizeof seen);
    each_line(path, count_line);
    assert_int_equal(seen.accepted, 2000);
    assert_int_equal(seen.started, 2200);
    assert_int_equal(seen.ended, 2200);
    assert_int_equal(seen.stages_begun, 20);
    assert_int_equal(seen.stages_ended, 20);
    assert_int_equal(seen.jobs_ok, 20);
}

static void a_jobs_end_reaches_the_file(void **state)
{
    (void)state;
    const char *path = test_path("flushed.jsonl");
    event_log *log = open_log(path);
    start_log(log, "x", 2);
    launch(log, 500, 0, 0, 0, 0);
    assert_int_equal(each_line(path, NULL), 1);
    job_done(log, 600, 0, RDD_OK, "");
    assert_int_equal(each_line(path, NULL), 3);
    rdd_error err;
    assert_int_equal(event_log_close(log, &err), 0);
}

/* -- When it cannot be written ----------------------------------------------------------------- */

static void a_full_disk_is_reported(void **state)
{
    (void)state;
    if (access("/dev/full", W_OK) < 0)
        TEST_SKIP("there is no /dev/full");
    event_log *log = open_log("/dev/full");
    assert_null(event_log_failure(log));
    start_log(log, "x", 2);
    assert_non_null(event_log_failure(log));
    job_spec *spec = job_spec_new(1); /* nothing happens to what follows */
    assert_non_null(spec);
    event_log_job(log, START_NS, spec, NULL);
    free(spec);
    launch(log, 500, 0, 0, 0, 0);
    job_done(log, 600, 0, RDD_OK, "");
    event_log_end(log, START_NS, NULL);
    rdd_error err;
    assert_int_equal(event_log_close(log, &err), RDD_E_IO);
    assert_int_equal(err.os_errno, ENOSPC);
    assert_string_equal(err.message,
                        "the event log /dev/full is not complete: No space left on device");
}

static void a_path_that_cannot_be_written(void **state)
{
    (void)state;
    event_log *log;
    rdd_error err;
    assert_int_equal(event_log_open(&log, "/nowhere/a.jsonl", &err), RDD_E_IO);
    assert_string_equal(err.message, "the event log /nowhere/a.jsonl cannot be written: No such "
                                     "file or directory");
    assert_int_equal(event_log_open(&log, test_dir(), &err), RDD_E_IO);
    assert_int_equal(err.os_errno, EISDIR);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_scenario_is_the_sample),
        cmocka_unit_test(every_field_is_documented),
        cmocka_unit_test(any_text_makes_valid_lines),
        cmocka_unit_test(without_words_it_takes_its_own),
        cmocka_unit_test(a_real_schedule_is_complete),
        cmocka_unit_test(a_jobs_end_reaches_the_file),
        cmocka_unit_test(a_path_that_cannot_be_written),
        cmocka_unit_test(a_full_disk_is_reported),
    };
    return TEST_MAIN(argc, argv, tests);
}
