/* yardstick.c: what the library is measured against: the same work by hand, on one thread, with every
 * trick but threads.
 *
 *     yardstick range N | words FILE | csv FILE | http URL FILE CONCURRENCY | make-text FILE MIB |
 *               make-csv FILE MIB | make-rows FILE COUNT
 *
 * Prints "SECONDS RESULT", as rdd_bench does; make-… write the inputs, the same bytes each time.
 */
#include <cjson/cJSON.h>
#include <csv.h>
#include <curl/curl.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static _Noreturn void die(const char *what)
{
    perror(what);
    exit(1);
}

static const char *map_file(const char *path, size_t *ret_size)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &s) < 0)
        die(path);
    const char *data = mmap(NULL, (size_t)s.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        die(path);
    madvise((void *)(uintptr_t)data, (size_t)s.st_size, MADV_SEQUENTIAL);
    close(fd);
    *ret_size = (size_t)s.st_size;
    return data;
}

/* ---- range: one fused loop ------------------------------------------------------------------- */

static void range(int64_t n)
{
    double begun = now_s();
    uint64_t sum = 0;
    for (int64_t i = 0; i < n; i++) {
        uint64_t square = (uint64_t)i * (uint64_t)i;
        if (square % 2 == 0)
            sum += square;
    }
    printf("%.4f %llu\n", now_s() - begun, (unsigned long long)sum);
}

/* ---- words: finds each word of a mapped file and hands it on ---------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static void words(const char *path)
{
    static struct {
        const char *data;
        size_t size;
    } emitted[1024];
    double begun = now_s();
    size_t size, count = 0;
    const char *at = map_file(path, &size), *end = at + size;
    for (;;) {
        while (at < end && is_space(*at))
            at++;
        if (at == end)
            break;
        const char *word = at;
        while (at < end && !is_space(*at))
            at++;
        emitted[count % 1024].data = word;
        emitted[count % 1024].size = (size_t)(at - word);
        __asm__ volatile("" ::"r"(emitted) : "memory"); /* they are really stored */
        count++;
    }
    printf("%.4f %zu\n", now_s() - begun, count);
}

/* ---- csv: libcsv, one column parsed and added up ---------------------------------------------- */

typedef struct csv_sum {
    int column;
    size_t row;
    double sum;
} csv_sum;

static void on_cell(void *data, size_t size, void *arg)
{
    csv_sum *s = arg;
    if (s->column++ == 2 && s->row) {
        char text[64];
        size = size < sizeof text ? size : sizeof text - 1;
        memcpy(text, data, size);
        text[size] = 0;
        s->sum += strtod(text, NULL);
    }
}

static void on_row(int end, void *arg)
{
    csv_sum *s = arg;
    (void)end;
    s->column = 0;
    s->row++;
}

static void csv(const char *path)
{
    static char block[256 << 10];
    double begun = now_s();
    struct csv_parser parser;
    csv_sum s = { 0 };
    FILE *file = fopen(path, "r");
    if (!file || csv_init(&parser, 0))
        die(path);
    for (size_t got; (got = fread(block, 1, sizeof block, file)) > 0;)
        if (csv_parse(&parser, block, got, on_cell, on_row, &s) != got)
            die("csv_parse");
    csv_fini(&parser, on_cell, on_row, &s);
    csv_free(&parser);
    fclose(file);
    printf("%.4f %.2f\n", now_s() - begun, s.sum);
}

/* ---- http: a bare libcurl multi loop that parses each answer ----------------------------------- */

typedef struct call {
    char url[512];
    char *body;
    size_t size, capacity;
} call;

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    call *c = arg;
    size *= count;
    if (c->size + size + 1 > c->capacity) {
        c->capacity = 2 * (c->size + size + 1);
        c->body = realloc(c->body, c->capacity);
        if (!c->body)
            return 0;
    }
    memcpy(c->body + c->size, data, size);
    c->size += size;
    return size;
}

static bool next_row(FILE *rows, char *key, size_t size)
{
    char line[512];
    if (!fgets(line, sizeof line, rows))
        return false;
    char *comma = strchr(line, ',');
    char *end = comma ? strpbrk(comma + 1, ",\r\n") : NULL;
    if (!end)
        return false;
    *end = 0;
    snprintf(key, size, "%s", comma + 1);
    return true;
}

static bool begin(CURLM *multi, CURL *easy, call *c, const char *base, FILE *rows)
{
    char key[128];
    if (!next_row(rows, key, sizeof key))
        return false;
    snprintf(c->url, sizeof c->url, "%s/%s", base, key);
    c->size = 0;
    curl_easy_setopt(easy, CURLOPT_URL, c->url);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, c);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, c);
    curl_multi_add_handle(multi, easy);
    return true;
}

static void http(const char *base, const char *path, int concurrency)
{
    double begun = now_s();
    char header[512];
    FILE *rows = fopen(path, "r");
    if (!rows || !fgets(header, sizeof header, rows))
        die(path);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURLM *multi = curl_multi_init();
    curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, (long)concurrency);
    size_t good = 0, in_flight = 0;
    for (int i = 0; i < concurrency; i++)
        in_flight += begin(multi, curl_easy_init(), calloc(1, sizeof(call)), base, rows);
    while (in_flight) {
        int running, left;
        curl_multi_perform(multi, &running);
        for (CURLMsg *m; (m = curl_multi_info_read(multi, &left));) {
            CURL *easy = m->easy_handle;
            call *c;
            long status;
            curl_easy_getinfo(easy, CURLINFO_PRIVATE, &c);
            curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
            cJSON *json = status == 200 ? cJSON_ParseWithLength(c->body, c->size) : NULL;
            good += json != NULL;
            cJSON_Delete(json);
            curl_multi_remove_handle(multi, easy);
            in_flight--;
            in_flight += begin(multi, easy, c, base, rows);
        }
        if (in_flight)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    printf("%.4f %zu\n", now_s() - begun, good);
}

/* ---- inputs ------------------------------------------------------------------------------------ */

static uint64_t seed = 88172645463325252u;

static uint64_t draw(uint64_t bound)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % bound;
}

static int word(char *to)
{
    int size = 2 + (int)draw(8);
    for (int i = 0; i < size; i++)
        to[i] = (char)('a' + draw(26));
    to[size] = 0;
    return size;
}

/* Writes `mib` MiB of lines that `line` makes. */
static void make(const char *path, long mib, const char *header, int (*line)(char *, long))
{
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    fputs(header, file);
    char text[1024];
    for (long size = 0, i = 0; size < mib << 20; i++) {
        int length = line(text, i);
        fwrite(text, 1, (size_t)length, file);
        size += length;
    }
    if (fclose(file))
        die(path);
}

static int text_line(char *to, long i)
{
    int size = 0;
    (void)i;
    for (uint64_t left = 4 + draw(12); left--;) {
        size += word(to + size);
        to[size++] = left ? ' ' : '\n';
    }
    return size;
}

static int csv_line(char *to, long i)
{
    char a[16], b[16];
    word(a);
    word(b);
    return snprintf(to, 1024, "%ld,%s %s,%llu.%02llu,%llu\n", i, a, b, (unsigned long long)draw(1000),
                   (unsigned long long)draw(100), (unsigned long long)(1 + draw(99)));
}

static void make_rows(const char *path, long count)
{
    static const char *const CODES[] = { "DE", "FR", "NZ", "US", "BR", "JP", "KE", "IN", "NO", "AR" };
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    fputs("id,code\n", file);
    for (long i = 0; i < count; i++)
        fprintf(file, "%ld,%s\n", i, CODES[i % 10]);
    if (fclose(file))
        die(path);
}

int main(int argc, char **argv)
{
    const char *what = argc > 2 ? argv[1] : "";
    if (!strcmp(what, "range"))
        range(strtoll(argv[2], NULL, 10));
    else if (!strcmp(what, "words"))
        words(argv[2]);
    else if (!strcmp(what, "csv"))
        csv(argv[2]);
    else if (!strcmp(what, "http") && argc > 4)
        http(argv[2], argv[3], (int)strtol(argv[4], NULL, 10));
    else if (!strcmp(what, "make-text") && argc > 3)
        make(argv[2], strtol(argv[3], NULL, 10), "", text_line);
    else if (!strcmp(what, "make-csv") && argc > 3)
        make(argv[2], strtol(argv[3], NULL, 10), "id,name,price,quantity\n", csv_line);
    else if (!strcmp(what, "make-rows") && argc > 3)
        make_rows(argv[2], strtol(argv[3], NULL, 10));
    else
        return fprintf(stderr, "yardstick: see the head of tests/bench/yardstick.c\n"), 2;
    return 0;
}
