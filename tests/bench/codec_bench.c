/* codec_bench.c: what blocks, words and rows of JSON cost; run by hand. Each figure stands beside
 * its yardstick of the same run: copying the same bytes, the loop that anybody would write, cJSON.
 */
#include "block.h"
#include "json.h"
#include "type.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

RDD_PAIR(word_count, rdd_str, int64_t);
RDD_STRUCT(padded, (int32_t, a), (double, b), (int8_t, c));

enum { BATCH = 1024, ROUNDS = 2000, BEST_OF = 5 };

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static uint64_t random_state = 1;

static uint64_t random_next(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 33;
}

/* ---- blocks -------------------------------------------------------------------------------- */

static void bench_block(const char *name, const rdd_type *t, const void *items, size_t count)
{
    buf out = { 0 };
    double encode = 1e9, decode = 1e9, copy = 1e9;
    if (block_encode(t, items, count, &out, NULL) < 0)
        exit(1);
    size_t size = out.size;
    char *spare = malloc(size);
    for (int best = 0; best < BEST_OF; best++) {
        double spent_decode = 0, start = now();
        for (int i = 0; i < ROUNDS; i++) {
            buf_clear(&out);
            block_encode(t, items, count, &out, NULL);
        }
        encode = now() - start < encode ? now() - start : encode;
        start = now();
        for (int i = 0; i < ROUNDS; i++) {
            memcpy(spare, out.data, size);
            __asm__ volatile("" : : "r"(spare) : "memory");
        }
        copy = now() - start < copy ? now() - start : copy;
        for (int i = 0; i < ROUNDS; i++) {
            const void *back;
            size_t back_count, whole;
            memcpy(spare, out.data, size);
            start = now();
            if (block_decode(t, spare, size, &back, &back_count, &whole, NULL) < 0)
                exit(1);
            spent_decode += now() - start;
        }
        decode = spent_decode < decode ? spent_decode : decode;
    }
    double elements = (double)count * ROUNDS, bytes = (double)size * ROUNDS;
    printf("%-28s %4.0f B/element  encode %6.2f ns %5.2f GB/s  decode %6.2f ns %6.2f GB/s  memcpy "
           "%5.2f GB/s\n",
           name, (double)size / (double)count, encode / elements * 1e9, bytes / encode * 1e-9,
           decode / elements * 1e9, bytes / decode * 1e-9, bytes / copy * 1e-9);
    free(spare);
    buf_release(&out);
}

static void bench_blocks(void)
{
    arena a = { 0 };
    static int64_t numbers[BATCH];
    static padded structs[BATCH];
    static word_count few[BATCH], many[BATCH], lone[BATCH], large[BATCH];
    static rdd_row rows[BATCH];
    for (size_t i = 0; i < BATCH; i++) {
        numbers[i] = (int64_t)random_next();
        structs[i] = (padded){ 1, 2, 3 };
        few[i].key = rdd_str_of(arena_format(&a, "word%u", (unsigned)random_next() % 100));
        char *digits = arena_format(&a, "%08llx%08llx", (unsigned long long)random_next(),
                                    (unsigned long long)random_next());
        many[i].key = (rdd_str){ 1 + random_next() % 12, digits };
        lone[i].key = (rdd_str){ 8, digits };
        large[i] = (word_count){ { 200, arena_zalloc(&a, 200) }, 1 };
        rdd_cell *cells = arena_alloc(&a, 10 * sizeof *cells);
        for (unsigned k = 0; k < 10; k++)
            cells[k] = (rdd_cell){ rdd_str_of(arena_format(&a, "column_%u", k)),
                                   rdd_str_of(arena_format(&a, "%u", (unsigned)random_next())) };
        rows[i] = (rdd_row){ 10, cells };
    }
    bench_block("int64_t", RDD_TYPE(int64_t), numbers, BATCH);
    bench_block("{int32,double,int8}", RDD_TYPE(padded), structs, BATCH);
    bench_block("{str,int64} 100 words", RDD_TYPE(word_count), few, BATCH);
    bench_block("{str,int64} 1-12 bytes", RDD_TYPE(word_count), many, BATCH);
    bench_block("{str,int64} 8 bytes, unique", RDD_TYPE(word_count), lone, BATCH);
    bench_block("{str,int64} 200 bytes", RDD_TYPE(word_count), large, BATCH);
    bench_block("rdd_row of 10 cells", RDD_TYPE(rdd_row), rows, BATCH / 8);
    bench_block("one int64_t", RDD_TYPE(int64_t), numbers, 1);
    bench_block("one {str,int64}", RDD_TYPE(word_count), few, 1);
    arena_release(&a);
}

/* ---- words --------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || (unsigned char)(c - '\t') < 5;
}

/* Lines of about 70 bytes from 5,000 words of 1 to 12. */
static size_t make_text(char *text, size_t size)
{
    static char words[5000][16];
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t length = 1 + random_next() % 4 + random_next() % 5 + random_next() % 4;
        for (size_t k = 0; k < length; k++)
            words[i][k] = (char)('a' + random_next() % 26);
    }
    size_t at = 0, line = 0;
    while (at + 32 < size) {
        const char *word = words[random_next() % ARRAY_SIZE(words)];
        size_t length = strlen(word);
        memcpy(text + at, word, length);
        at += length;
        line += length + 1;
        bool ends = line > 60 + random_next() % 32;
        text[at++] = ends ? '\n' : ' ';
        line = ends ? 0 : line;
    }
    return at;
}

static void bench_words(void)
{
    size_t capacity = MIB(32);
    char *text = malloc(capacity);
    size_t size = make_text(text, capacity), words = 0, plain_words = 0;
    const char *end = text + size;
    double by_mask = 1e9, plain = 1e9;
    for (int best = 0; best < BEST_OF; best++) {
        double start = now();
        words = plain_words = 0;
        for (const char *at = text, *stop; at < end; at = stop + 1) {
            if (!(stop = memchr(at, '\n', (size_t)(end - at))))
                stop = end;
            rdd_str rest = { (size_t)(stop - at), at };
            for (rdd_str word; rdd_str_next_word(&rest, &word); words++)
                __asm__ volatile("" : : "r"(word.data), "r"(word.size));
        }
        by_mask = now() - start < by_mask ? now() - start : by_mask;
        start = now();
        for (const char *at = text, *stop; at < end; at = stop + 1) {
            if (!(stop = memchr(at, '\n', (size_t)(end - at))))
                stop = end;
            while (at < stop) {
                while (at < stop && is_space(*at))
                    at++;
                const char *from = at;
                while (at < stop && !is_space(*at))
                    at++;
                plain_words += at > from;
                __asm__ volatile("" : : "r"(from), "r"(at));
            }
        }
        plain = now() - start < plain ? now() - start : plain;
    }
    if (words != plain_words)
        exit(1);
    printf("%-28s %.2f ns/word %.2f GB/s  plain loop %.2f ns/word  ratio %.2f\n",
           "rdd_str_next_word", by_mask / (double)words * 1e9, (double)size / by_mask * 1e-9,
           plain / (double)words * 1e9, by_mask / plain);
    free(text);
}

/* ---- JSON ---------------------------------------------------------------------------------- */

static void bench_json(const char *name, const char *json)
{
    enum { TIMES = 100000 };
    rdd_str text = rdd_str_of(json);
    arena a = { 0 };
    double ours = 1e9, theirs = 1e9, print = 1e9;
    for (int best = 0; best < BEST_OF; best++) {
        rdd_row row;
        double start = now();
        for (int i = 0; i < TIMES; i++) {
            arena_reset(&a);
            if (json_parse_row(text, &a, &row, NULL) < 0)
                exit(1);
        }
        ours = now() - start < ours ? now() - start : ours;
        buf out = { 0 };
        start = now();
        for (int i = 0; i < TIMES; i++) {
            buf_clear(&out);
            json_print(RDD_TYPE(rdd_row), &row, &out, NULL);
        }
        print = now() - start < print ? now() - start : print;
        buf_release(&out);
        start = now();
        for (int i = 0; i < TIMES; i++)
            cJSON_Delete(cJSON_ParseWithLength(text.data, text.size));
        theirs = now() - start < theirs ? now() - start : theirs;
    }
    printf("%-28s %4zu B  parse %6.0f ns %5.2f GB/s  print %6.0f ns  cJSON %6.0f ns  ratio %.2f\n",
           name, text.size, ours / TIMES * 1e9, (double)text.size * TIMES / ours * 1e-9,
           print / TIMES * 1e9, theirs / TIMES * 1e9, ours / theirs);
    arena_release(&a);
}

/* ---- cells --------------------------------------------------------------------------------- */

static void bench_cells(const char *name, const rdd_type *t, bool real)
{
    enum { COUNT = 4096, TIMES = 50 };
    arena a = { 0 };
    static rdd_str cells[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        unsigned whole = (unsigned)(random_next() >> random_next() % 30);
        cells[i] = rdd_str_of(real ? arena_format(&a, "%u.%02u", whole, whole % 100)
                                   : arena_format(&a, "%u", whole));
    }
    double ours = 1e9, libc = 1e9;
    _Alignas(16) char value[16];
    for (int best = 0; best < BEST_OF; best++) {
        double start = now();
        for (int k = 0; k < TIMES; k++)
            for (size_t i = 0; i < COUNT; i++)
                if (cell_parse(t, cells[i], &a, value, NULL) < 0)
                    exit(1);
        ours = now() - start < ours ? now() - start : ours;
        start = now();
        for (int k = 0; k < TIMES; k++)
            for (size_t i = 0; i < COUNT; i++) {
                double x = real ? strtod(cells[i].data, NULL)
                                : (double)strtoll(cells[i].data, NULL, 10);
                *(volatile double *)value = x;
            }
        libc = now() - start < libc ? now() - start : libc;
    }
    printf("%-28s %.1f ns  libc %.1f ns  ratio %.2f\n", name, ours / (COUNT * TIMES) * 1e9,
           libc / (COUNT * TIMES) * 1e9, ours / libc);
    arena_release(&a);
}

int main(void)
{
    bench_blocks();
    bench_words();
    bench_cells("cell to int64_t", RDD_TYPE(int64_t), false);
    bench_cells("cell to int32_t", RDD_TYPE(int32_t), false);
    bench_cells("cell to double", RDD_TYPE(double), true);
    bench_json(
        "JSON row, 6 scalars",
        "{\"id\":1234567,\"name\":\"Switzerland\",\"capital\":\"Bern\",\"population\":8740000,"
        "\"area\":41285.0,\"landlocked\":true}");
    bench_json("JSON row, escapes", "{\"id\":1234567,\"name\":\"C\\u00f4te "
                                    "d'Ivoire\",\"flag\":\"\\ud83c\\udde8\\ud83c\\uddee\","
                                    "\"url\":\"http:\\/\\/example.com\\/ci\"}");
    bench_json(
        "JSON row, nested",
        "{\"id\":1234567,\"name\":\"Switzerland\",\"languages\":[\"de\",\"fr\",\"it\",\"rm\"],"
        "\"currency\":{\"code\":\"CHF\",\"name\":\"Swiss franc\"},\"landlocked\":true}");
    return 0;
}
