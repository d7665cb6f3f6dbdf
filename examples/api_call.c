/* api_call: calls an HTTP API for each row of a CSV file and puts the JSON answers beside the rows.
 *
 *     build/examples/api_call data.csv out.csv --url 'https://api.example/v1/{id}' --concurrency 64
 *
 * {column} in the URL is that row's cell, percent-encoded; in --body it is JSON-escaped text.
 * Without --url the column `id` is the URL. The output has the input's columns, then the top-level
 * fields of the JSON answers, then _status, _error and _attempts.
 *
 * Answers are kept in OUTPUT.journal (--journal FILE) until the output is there. When a run was
 * interrupted, by ^C, a failure, or the end of the machine's patience, the same command with --resume
 * makes only the calls that are missing. A POST or PATCH that was under way then is not made again:
 * nobody knows what came of it, and its row says so.
 *
 * Exit status: 0 when every row succeeded, or when failures stay within --max-errors; 1 when rows
 * failed, with a count by cause; 2 for wrong usage. Without --max-errors the output is complete all
 * the same, and says so row by row.
 */
#include <rdd.h>

#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEADERS_MAX = 32 };

RDD_LIST(header_list, rdd_str);
RDD_STRUCT(call_env, (rdd_str, url), (rdd_str, method), (rdd_str, body), (rdd_str, prefix),
           (header_list, headers));

/* ---- templates ------------------------------------------------------------------------------ */

static bool is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

/* Takes the next piece off a template: text as it stands, or the name in "{name}". Braces around
 * anything else, as in JSON, are text. */
static bool next_piece(rdd_str *rest, rdd_str *ret, bool *ret_is_name)
{
    if (!rest->size)
        return false;
    size_t end = 0;
    if (rest->data[0] == '{') {
        for (end = 1; end < rest->size && is_name(rest->data[end]); end++) {
        }
        *ret_is_name = end > 1 && end < rest->size && rest->data[end] == '}';
        if (*ret_is_name) {
            *ret = (rdd_str){ end - 1, rest->data + 1 };
            *rest = (rdd_str){ rest->size - end - 1, rest->data + end + 1 };
            return true;
        }
        end = 1;
    }
    while (end < rest->size && rest->data[end] != '{')
        end++;
    *ret_is_name = false;
    *ret = (rdd_str){ end, rest->data };
    *rest = (rdd_str){ rest->size - end, rest->data + end };
    return true;
}

static rdd_str cell_of(rdd_row row, rdd_str name)
{
    for (size_t i = 0; i < row.count; i++)
        if (rdd_str_equal(row.items[i].name, name))
            return row.items[i].text;
    return (rdd_str){ 0, NULL };
}

/* Text as it stands between the quotes of a JSON string. */
static rdd_str json_escaped(rdd_task *task, rdd_str text)
{
    rdd_str quoted = rdd_to_json(task, rdd_str, text);
    return quoted.size < 2 ? RDD_STR("") : (rdd_str){ quoted.size - 2, quoted.data + 1 };
}

static rdd_str fill(rdd_task *task, rdd_str template, rdd_row row, bool url)
{
    rdd_str text = RDD_STR(""), piece;
    for (bool is_column; next_piece(&template, &piece, &is_column);) {
        if (is_column) {
            rdd_str cell = cell_of(row, piece);
            if (!cell.data)
                cell = RDD_STR("");
            piece = url ? rdd_url_encode(task, cell) : json_escaped(task, cell);
        }
        text = rdd_str_concat(task, text, piece);
    }
    return text;
}

/* ---- the operator --------------------------------------------------------------------------- */

static rdd_row with_prefix(rdd_task *task, rdd_row row, rdd_str prefix)
{
    if (!prefix.size || !row.count)
        return row;
    rdd_cell *cells = rdd_alloc(task, row.count * sizeof *cells);
    if (!cells)
        return row;
    for (size_t i = 0; i < row.count; i++)
        cells[i] = (rdd_cell){ rdd_str_concat(task, prefix, row.items[i].name), row.items[i].text };
    return (rdd_row){ row.count, cells };
}

static rdd_http_response call(rdd_task *task, const call_env *env, rdd_row row)
{
    rdd_http_request request = {
        .method = env->method,
        .url = env->url.size ? fill(task, env->url, row, true) : rdd_row_get(row, "id"),
        .headers = env->headers.items,
        .header_count = env->headers.count,
    };
    if (env->body.data)
        request.body = fill(task, env->body, row, false);
    return rdd_http_send(task, &request);
}

/* Causes are counted by kind: a text that is another one for each row would say nothing. */
static void count_failure(rdd_task *task, rdd_str cause)
{
    rdd_count_up(task, "rows failed", 1);
    rdd_count_up(task, rdd_format(task, "cause: %.*s", (int)cause.size, cause.data).data, 1);
}

RDD_MAP(api_call, rdd_row, row, rdd_row, call_env)
{
    rdd_row fields = { 0, NULL };
    rdd_str reason;
    rdd_http_response answer = call(task, env, row);
    if (answer.error.size) {
        count_failure(task, answer.error);
    } else if (answer.body.size && !rdd_row_try_json(task, answer.body, &fields, &reason)) {
        count_failure(task, RDD_STR("the answer is no JSON object"));
        rdd_http_reject(task, &answer, "the answer is no JSON object: %.*s", (int)reason.size,
                        reason.data);
    }
    fields = with_prefix(task, fields, env->prefix);
    fields = rdd_row_set(task, fields, RDD_STR("_status"), rdd_format(task, "%d", answer.status));
    fields = rdd_row_set(task, fields, RDD_STR("_error"), answer.error);
    return rdd_row_set(task, fields, RDD_STR("_attempts"), rdd_format(task, "%d", answer.attempts));
}

/* ---- the command line ----------------------------------------------------------------------- */

typedef struct settings {
    const char *input, *output;
    call_env env;
    rdd_str headers[HEADERS_MAX];
    int concurrency, partitions;
    const char *journal;
    bool resume;
    rdd_http_options http;
    const char **columns; /* of the input */
    size_t column_count;
} settings;

static const char USAGE[] =
    "usage: api_call INPUT.csv OUTPUT.csv [options]\n"
    "OUTPUT.csv is replaced when the last row is done.\n"
    "  --url TEMPLATE     the URL of a row; {column} is its cell (default: the column id)\n"
    "  --method M         GET, POST, … (default GET)\n"
    "  --header 'N: V'    sent with every call; may be given again\n"
    "  --body TEMPLATE    what is sent; {column} is the cell, JSON-escaped\n"
    "  --concurrency N    calls in flight in each slot (default 16)\n"
    "  --partitions N     tasks to cut the rows into (default by size); best is a multiple of the slots\n"
    "  --rate R           calls over all executors, as 50/s, 100/m or 9/h\n"
    "  --retries N        after a failed attempt (default 4)\n"
    "  --timeout S        seconds that one attempt may take (default 30)\n"
    "  --max-errors N|P%  stop when more rows fail, and write nothing\n"
    "  --prefix P         before the names of the answers' fields, where they clash with the table's\n"
    "  --journal FILE     keeps answers until the output is there (default OUTPUT.csv.journal)\n"
    "  --resume           goes on where an interrupted run ended, from its journal\n"
    "and the library's: --master M, --conf key=value, --explain, --progress, --quiet\n";

static _Noreturn void usage_error(const char *format, const char *what)
{
    fprintf(stderr, "api_call: ");
    fprintf(stderr, format, what);
    fprintf(stderr, "; api_call --help lists the options\n");
    exit(2);
}

static double number_of(const char *option, const char *text, double least, double most)
{
    char *end;
    double value = strtod(text, &end);
    if (end == text || *end || !(value >= least && value <= most)) {
        char wants[100];
        snprintf(wants, sizeof wants, "%s wants a number from %g to %.0f", option, least, most);
        usage_error("%s", wants);
    }
    return value;
}

/* Better one error now than one for each row. */
static const char *header_of(const char *value)
{
    size_t name = strcspn(value, ": \t"), line = 0;
    while (value[line] == '\t' || ((unsigned char)value[line] >= ' ' && value[line] != 127))
        line++;
    if (!name || value[name] != ':' || value[line]) {
        char shown[200];
        snprintf(shown, sizeof shown, "%.*s%s", line > 150 ? 150 : (int)line, value,
                 value[line] ? "…" : "");
        usage_error("--header %s: give it as 'Name: value', on one line", shown);
    }
    return value;
}

static const char *method_of(const char *value)
{
    if (!*value || value[strspn(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-")])
        usage_error("--method %s: give one word, such as GET or POST", value);
    return value;
}

static const char *url_of(const char *value)
{
    if (*value != '{' && strncasecmp(value, "http://", 7) != 0 && strncasecmp(value, "https://", 8) != 0)
        usage_error("--url %s: it has to begin with http:// or https://, or a {column} that does", value);
    return value;
}

static void take_option(settings *s, const char *option, const char *value)
{
    if (!strcmp(option, "--url"))
        s->env.url = rdd_str_of(url_of(value));
    else if (!strcmp(option, "--method"))
        s->env.method = rdd_str_of(method_of(value));
    else if (!strcmp(option, "--body"))
        s->env.body = rdd_str_of(value);
    else if (!strcmp(option, "--prefix"))
        s->env.prefix = rdd_str_of(value);
    else if (!strcmp(option, "--journal"))
        s->journal = value;
    else if (!strcmp(option, "--concurrency"))
        s->concurrency = (int)number_of(option, value, 1, 100000);
    else if (!strcmp(option, "--partitions"))
        s->partitions = (int)number_of(option, value, 1, 1000000);
    else if (!strcmp(option, "--rate"))
        s->http.rate = value;
    else if (!strcmp(option, "--retries"))
        s->http.attempts_max = 1 + (int)number_of(option, value, 0, 1000);
    else if (!strcmp(option, "--timeout"))
        s->http.timeout_ms = (int)(1000 * number_of(option, value, 0.001, 86400));
    else if (!strcmp(option, "--max-errors"))
        s->http.max_errors = value;
    else if (strcmp(option, "--header") != 0)
        usage_error("there is no option %s", option);
    else if (s->env.headers.count == HEADERS_MAX)
        usage_error("%s: too many of them", option);
    else
        s->headers[s->env.headers.count++] = rdd_str_of(header_of(value));
}

static void parse(settings *s, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "-h")) {
            printf("%s", USAGE);
            exit(0);
        }
        if (!strcmp(argv[i], "--resume")) {
            s->resume = true;
        } else if (!strncmp(argv[i], "--", 2)) {
            if (i + 1 == argc)
                usage_error("%s needs a value", argv[i]);
            take_option(s, argv[i], argv[i + 1]);
            i++;
        } else if (!s->input) {
            s->input = argv[i];
        } else if (!s->output) {
            s->output = argv[i];
        } else {
            usage_error("what is %s?", argv[i]);
        }
    }
    if (s->env.body.size && s->env.method.size && !strcasecmp(s->env.method.data, "HEAD"))
        usage_error("--body %s: a HEAD request has none", s->env.body.data);
    if (!s->output)
        usage_error("%s", s->input ? "OUTPUT.csv is missing" : "INPUT.csv and OUTPUT.csv are missing");
    struct stat input, output;
    if (!stat(s->input, &input) && !stat(s->output, &output) && S_ISREG(output.st_mode) &&
        input.st_dev == output.st_dev && input.st_ino == output.st_ino)
        usage_error("%s is the input, too: give the output another name", s->output);
    s->env.headers.items = s->headers;
}

static const char *names_of(const settings *s, char *text, size_t size)
{
    size_t used = 0;
    text[0] = 0;
    for (size_t i = 0; i < s->column_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s'%.60s'", i ? ", " : "", s->columns[i]);
    return text;
}

static bool has_column(const settings *s, rdd_str name)
{
    size_t i = 0;
    while (i < s->column_count && !rdd_str_equal(rdd_str_of(s->columns[i]), name))
        i++;
    return i < s->column_count;
}

/* Every {column} must be there: better one error now than one for each row. */
static bool check_template(rdd_context *ctx, const char *option, rdd_str template, const settings *s)
{
    rdd_str piece;
    for (bool is_column; next_piece(&template, &piece, &is_column);)
        if (is_column && !has_column(s, piece)) {
            char names[300];
            rdd_report(ctx, 2, "%s: the input has no column '%.*s'; it has: %s", option, (int)piece.size,
                       piece.data, names_of(s, names, sizeof names));
            return false;
        }
    return true;
}

/* The input's columns are those of its first row; without rows the header, read as one, has them. */
static bool find_columns(rdd_context *ctx, settings *s, rdd *rows)
{
    size_t count;
    const rdd_row *row = rdd_take(rows, rdd_row, 1, &count, .name = "look at the columns");
    bool is_header = row && !count;
    if (is_header)
        row = rdd_take(rdd_csv(ctx, s->input, .no_header = true), rdd_row, 1, &count,
                       .name = "look at the header");
    if (!row || !count)
        return row;
    s->columns = calloc(row->count, sizeof *s->columns);
    for (; s->columns && s->column_count < row->count; s->column_count++) {
        rdd_cell cell = row->items[s->column_count];
        rdd_str name = is_header ? cell.text : cell.name;
        if (!(s->columns[s->column_count] = strndup(name.data, name.size)))
            break;
    }
    if (s->column_count == row->count)
        return true;
    rdd_report(ctx, 1, "out of memory for the names of %zu columns", row->count);
    return false;
}

static bool check_columns(rdd_context *ctx, settings *s, rdd *rows)
{
    if (!find_columns(ctx, s, rows))
        return false;
    if (!s->column_count) /* an input without a file, say: nothing will be called */
        return true;
    if (!s->env.url.size && !has_column(s, RDD_STR("id"))) {
        rdd_report(ctx, 2, "the input has no column 'id' to be the URL; give --url TEMPLATE");
        return false;
    }
    return check_template(ctx, "--url", s->env.url, s) && check_template(ctx, "--body", s->env.body, s);
}

static void print_cause(void *arg, const char *name, int64_t count)
{
    (void)arg;
    fprintf(stderr, "  %7lld  %s\n", (long long)count, name + strlen("cause: "));
}

/* Whether a file can be made at this path, as far as its directory goes. */
static bool has_directory(const char *path)
{
    char directory[4096];
    const char *slash = strrchr(path, '/');
    snprintf(directory, sizeof directory, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return access(directory, W_OK) == 0;
}

/* Where answers are kept. An output that is no file has no place beside it, and one that cannot be is
 * for rdd_save_csv() to complain of. */
static bool choose_journal(rdd_context *ctx, settings *s)
{
    static char beside[4096];
    struct stat status;
    bool is_file = strcmp(s->output, "-") != 0 &&
                   (stat(s->output, &status) || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode));
    if (!s->journal && is_file) {
        size_t size = strlen(s->output);
        while (size > 1 && s->output[size - 1] == '/')
            size--;
        snprintf(beside, sizeof beside, "%.*s.journal", (int)size, s->output);
        s->journal = has_directory(beside) ? beside : NULL;
    }
    if (!s->journal && s->resume)
        usage_error("%s", "--resume: nothing can be kept beside the output, so say --journal FILE");
    return !s->journal || (rdd_set_conf(ctx, "http.journal", s->journal) &&
                           rdd_set_conf(ctx, "http.resume", s->resume ? "true" : "false"));
}

/* Only a run that got as far as calling left something to go on from. */
static void say_how_to_resume(const settings *s)
{
    FILE *journal = s->journal ? fopen(s->journal, "rb") : NULL;
    if (!journal)
        return;
    fclose(journal);
    fprintf(stderr, "api_call: the answers so far are in %s: the same command with --resume goes on "
                    "from there\n", s->journal);
}

int main(int argc, char **argv)
{
    rdd_context *ctx = rdd_init(&argc, argv);
    static settings s = { .concurrency = 16 };
    parse(&s, argc, argv);
    if (!choose_journal(ctx, &s))
        return rdd_finish(ctx);

    rdd *rows = rdd_csv(ctx, s.input, .partitions = s.partitions);
    if (!check_columns(ctx, &s, rows))
        return rdd_finish(ctx);
    rdd *answers = rdd_map(rows,
                           RDD_WITH(api_call, .url = s.env.url, .method = s.env.method,
                                    .body = s.env.body, .prefix = s.env.prefix,
                                    .headers = s.env.headers),
                           .concurrency = s.concurrency, .http = s.http);
    static const char *const LAST[] = { "_status", "_error", "_attempts" };
    int saved = rdd_save_csv(rdd_zip_columns(rows, answers), s.output, .overwrite = true,
                             .first_columns = s.columns, .first_column_count = s.column_count,
                             .last_columns = LAST, .last_column_count = 3);

    long long failed = (long long)rdd_counter(ctx, "rows failed");
    if (failed) {
        fprintf(stderr, "api_call: %lld row%s failed:\n", failed, failed == 1 ? "" : "s");
        rdd_counters(ctx, "cause: ", print_cause, NULL);
    }
    int status = rdd_finish(ctx);
    if (status)
        say_how_to_resume(&s);
    return status || saved < 0 ? (status ? status : 1) : failed && !s.http.max_errors;
}
