/* cases_files.c: sources that read files: what is written is known, so it is what must come back,
 * however the files are split. */
#include "oracle.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

RDD_PAIR(str_int, rdd_str, int64_t);

/* ---- writing -------------------------------------------------------------------------------- */

typedef struct text {
    char *data;
    size_t size;
    FILE *out;
} text;

static void text_begin(text *t)
{
    *t = (text){ NULL, 0, NULL };
    t->out = open_memstream(&t->data, &t->size);
}

static const char *path_of(const char *name)
{
    return oracle_text("%s/%s", oracle.dir, name).data;
}

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *file = fopen(path, "wb");
    if (!file || (size && fwrite(data, 1, size, file) != size) || fclose(file)) {
        perror(path);
        exit(1);
    }
}

static void write_gzip(const char *path, const void *data, size_t size)
{
    gzFile file = gzopen(path, "wb");
    if (!file || (size && gzwrite(file, data, (unsigned)size) != (int)size) || gzclose(file) != Z_OK)
        abort();
}

static void write_zstd(const char *path, const void *data, size_t size)
{
    size_t room = ZSTD_compressBound(size);
    void *packed = malloc(room);
    size_t packed_size = ZSTD_compress(packed, room, data, size, 3);
    if (ZSTD_isError(packed_size))
        abort();
    write_file(path, packed, packed_size);
    free(packed);
}

/* As the name says. Ends the text. */
static const char *text_write(text *t, const char *name)
{
    const char *path = path_of(name);
    fclose(t->out);
    if (strstr(name, ".gz"))
        write_gzip(path, t->data, t->size);
    else if (strstr(name, ".zst"))
        write_zstd(path, t->data, t->size);
    else
        write_file(path, t->data, t->size);
    free(t->data);
    return path;
}

/* ---- text ----------------------------------------------------------------------------------- */

typedef struct lines {
    rdd_str *items;
    size_t count;
} lines;

static void put(FILE *out, rdd_str s)
{
    if (s.size)
        fwrite(s.data, 1, s.size, out);
}

/* Random lines with this end, the last one with it or, when it is not empty, without. */
static lines write_lines(FILE *out, size_t count, const char *end)
{
    lines made = { oracle_alloc((count + 1) * sizeof(rdd_str)), count };
    for (size_t i = 0; i < count; i++) {
        made.items[i] = draw_below(6) ? random_line() : (rdd_str){ 0, "" };
        put(out, made.items[i]);
        if (i + 1 < count || !made.items[i].size || draw_below(2))
            fputs(end, out);
    }
    return made;
}

static dual text_dual(const char *path, lines all)
{
    rdd *real = is_model() ? NULL : rdd_text_file(oracle.ctx, path, .partitions = oracle.partitions);
    return dual_of(real, rdd_str, all.items, all.count);
}

DUAL_MAP(text_size, rdd_str, s, int64_t)
{
    return (int64_t)s.size;
}

DUAL_FILTER(some_text, rdd_str, s)
{
    return s.size > 0;
}

static void one_text(const char *name, size_t count, const char *end)
{
    text t;
    text_begin(&t);
    lines all = write_lines(t.out, count, end);
    dual d = text_dual(text_write(&t, name), all);
    say("%s", name);
    say_collect(d);
    say_count(dual_filter(d, some_text));
    say_sum(dual_map(d, text_size), int64_t);
}

CASE(text_file)
{
    one_text("lf.txt", random_count(), "\n");
    one_text("crlf.txt", random_count(), "\r\n");
    one_text("many.txt", 3000, "\n");
    one_text("packed.txt.gz", random_count(), "\n");
    one_text("packed.txt.zst", random_count(), "\r\n");
    one_text("empty.txt", 0, "\n");
    one_text("empty.txt.gz", 0, "\n");
    one_text("one.txt", 1, "\n");
}

CASE(text_long_lines)
{
    text t;
    text_begin(&t);
    size_t count = 40;
    lines all = { oracle_alloc(count * sizeof(rdd_str)), count };
    for (size_t i = 0; i < count; i++) {
        size_t size = i % 7 ? (size_t)draw_below(5000) : 300000;
        char *line = oracle_alloc(size + 1);
        memset(line, 'a' + (int)(i % 26), size);
        all.items[i] = (rdd_str){ size, line };
        put(t.out, all.items[i]);
        fputc('\n', t.out);
    }
    say_collect(text_dual(text_write(&t, "long.txt"), all));
}

/* Several files: a directory by name, a glob, a list. */
CASE(text_files)
{
    static const char *const NAMES[] = { "b.txt", "a.txt", "d.txt.gz", "c.txt", "e.txt.zst" };
    static const int BY_NAME[] = { 1, 0, 3, 2, 4 };
    lines of[5], all = { oracle_alloc(10000 * sizeof(rdd_str)), 0 };
    const char *paths[5];
    for (int i = 0; i < 5; i++) {
        text t;
        text_begin(&t);
        of[i] = write_lines(t.out, random_count(), i % 2 ? "\r\n" : "\n");
        paths[i] = text_write(&t, NAMES[i]);
    }
    write_file(path_of("_SUCCESS"), "x\n", 2);
    write_file(path_of(".hidden"), "x\n", 2);
    for (int i = 0; i < 5; i++)
        for (size_t k = 0; k < of[BY_NAME[i]].count; k++)
            all.items[all.count++] = of[BY_NAME[i]].items[k];
    say_collect(text_dual(oracle.dir, all));
    say_collect(text_dual(path_of("*.txt*"), all));
    all.count = 0;
    for (int i = 0; i < 5; i++)
        for (size_t k = 0; k < of[i].count; k++)
            all.items[all.count++] = of[i].items[k];
    rdd *real = is_model() ? NULL
                           : rdd_text_file(oracle.ctx, paths[0], .partitions = oracle.partitions,
                                           .more = paths + 1, .more_count = 4);
    say_collect(dual_of(real, rdd_str, all.items, all.count));
}

/* Standard input, which can be read but once, by two datasets. */
CASE_ONCE(text_stdin)
{
    text t;
    text_begin(&t);
    lines all = write_lines(t.out, 500, "\n");
    const char *path = text_write(&t, "stdin.txt");
    if (!is_model() && !freopen(path, "r", stdin))
        abort();
    dual d = text_dual("-", all);
    say_collect(dual_union(d, text_dual("-", all)));
    say_count(d);
}

/* ---- whole files, records ------------------------------------------------------------------- */

static rdd_str base_name(rdd_str path)
{
    size_t at = path.size;
    while (at && path.data[at - 1] != '/')
        at--;
    return (rdd_str){ path.size - at, path.data + at };
}

DUAL_MAP(text_base, rdd_text_of_file, file, rdd_text_of_file)
{
    return (rdd_text_of_file){ base_name(file.key), file.value };
}

DUAL_MAP(bytes_base, rdd_bytes_of_file, file, rdd_bytes_of_file)
{
    return (rdd_bytes_of_file){ base_name(file.key), file.value };
}

CASE(whole_files)
{
    enum { COUNT = 9 };
    rdd_bytes_of_file files[COUNT];
    for (int i = 0; i < COUNT; i++) {
        text t;
        text_begin(&t);
        size_t size = i == 3 ? 0 : i == 4 ? 100000 : (size_t)draw_below(3000);
        char *bytes = oracle_alloc(size + 1);
        for (size_t k = 0; k < size; k++)
            bytes[k] = (char)draw();
        rdd_str name = oracle_text("file%d%s", i, i == 5 ? ".gz" : i == 6 ? ".zst" : "");
        put(t.out, (rdd_str){ size, bytes });
        text_write(&t, name.data);
        files[i] = (rdd_bytes_of_file){ name, { size, bytes } };
    }
    rdd_files_options options = { .site_ = RDD_SITE, .partitions = oracle.partitions };
    rdd *texts = is_model() ? NULL : (rdd_whole_text_files)(oracle.ctx, oracle.dir, options);
    rdd *blobs = is_model() ? NULL : (rdd_binary_files)(oracle.ctx, path_of("f*"), options);
    say_collect(dual_map(dual_of(texts, rdd_text_of_file, files, COUNT), text_base));
    say_collect(dual_map(dual_of(blobs, rdd_bytes_of_file, files, COUNT), bytes_base));
}

CASE(records)
{
    for (size_t size = 1; size < 3000; size = size * 3 + 1) {
        size_t count = size > 500 ? 20 : random_count();
        char *bytes = oracle_alloc(size * count + 1);
        rdd_bytes *items = oracle_alloc((count + 1) * sizeof *items);
        for (size_t i = 0; i < size * count; i++)
            bytes[i] = (char)draw();
        for (size_t i = 0; i < count; i++)
            items[i] = (rdd_bytes){ size, bytes + i * size };
        const char *path = path_of(oracle_text("records%zu", size).data);
        write_file(path, bytes, size * count);
        rdd *real = is_model() ? NULL
                               : rdd_binary_records(oracle.ctx, path, size,
                                                    .partitions = oracle.partitions);
        say_collect(dual_of(real, rdd_bytes, items, count));
    }
}

/* ---- CSV ------------------------------------------------------------------------------------ */

typedef struct table {
    char delimiter, quote;
    const char *end;
    size_t columns, rows;
    rdd_str *names;
    rdd_str *cells; /* row by row */
} table;

static rdd_str random_cell(const table *t)
{
    const char bytes[] = { 'a', 'b', ' ', '\n', '\r', '"', ',', t->delimiter, t->quote, '\'' };
    size_t size = draw_below(30) ? (size_t)draw_below(12) : (size_t)draw_below(2500);
    char *cell = oracle_alloc(size + 1);
    for (size_t i = 0; i < size; i++)
        cell[i] = bytes[draw_below(draw_below(3) ? 2 : sizeof bytes)];
    return (rdd_str){ size, cell };
}

/* A quote that does not begin the cell is a character as any other, if the cell has no quotes around
 * it: half of those that could be are written so. */
static void put_cell(FILE *out, const table *t, rdd_str cell)
{
    bool quoted = draw_below(4) == 0, stray = draw_below(2);
    for (size_t i = 0; i < cell.size; i++)
        quoted = quoted || !(cell.data[i] == 'a' || cell.data[i] == 'b' ||
                             (stray && i && cell.data[i] == t->quote));
    if (!quoted) {
        put(out, cell);
        return;
    }
    fputc(t->quote, out);
    for (size_t i = 0; i < cell.size; i++) {
        if (cell.data[i] == t->quote)
            fputc(t->quote, out);
        fputc(cell.data[i], out);
    }
    fputc(t->quote, out);
}

static void put_cells(FILE *out, const table *t, const rdd_str *cells, bool last)
{
    for (size_t c = 0; c < t->columns; c++) {
        if (c)
            fputc(t->delimiter, out);
        put_cell(out, t, cells[c]);
    }
    if (!last || draw_below(2))
        fputs(t->end, out);
}

static table random_table(FILE *out, char delimiter, char quote, const char *end, bool header)
{
    table t = { delimiter, quote, end, 2 + (size_t)draw_below(4), random_count(), NULL, NULL };
    t.names = oracle_alloc(t.columns * sizeof(rdd_str));
    t.cells = oracle_alloc((t.rows + 1) * t.columns * sizeof(rdd_str));
    for (size_t c = 0; c < t.columns; c++)
        t.names[c] = header ? oracle_text("n%zu%s", c, c == 1 ? " \"x\", y" : "")
                            : oracle_text("c%zu", c + 1);
    if (header)
        put_cells(out, &t, t.names, !t.rows);
    for (size_t r = 0; r < t.rows; r++) {
        rdd_str *cells = t.cells + r * t.columns;
        for (size_t c = 0; c < t.columns; c++)
            cells[c] = random_cell(&t);
        put_cells(out, &t, cells, r + 1 == t.rows);
    }
    return t;
}

static void add_rows(model_part *rows, const table *t)
{
    for (size_t r = 0; r < t->rows; r++) {
        rdd_cell *cells = oracle_alloc(t->columns * sizeof *cells);
        for (size_t c = 0; c < t->columns; c++)
            cells[c] = (rdd_cell){ t->names[c], t->cells[r * t->columns + c] };
        rdd_row row = { t->columns, cells };
        model_add(rows, sizeof row, &row);
    }
}

static dual csv_dual(const char *path, const table *t, bool header, const model_part *rows)
{
    rdd *real = NULL;
    if (!is_model())
        real = rdd_csv(oracle.ctx, path, .partitions = oracle.partitions, .delimiter = t->delimiter,
                       .quote = t->quote, .no_header = !header);
    return dual_of(real, rdd_row, rows->items, rows->count);
}

static void one_csv(const char *name, char delimiter, char quote, const char *end, bool header)
{
    model_part rows = { 0, 0, NULL };
    text out;
    text_begin(&out);
    table t = random_table(out.out, delimiter, quote, end, header);
    add_rows(&rows, &t);
    dual d = csv_dual(text_write(&out, name), &t, header, &rows);
    say("%s", name);
    say_collect(d);
    say_count(d);
    say_take(d, 3);
}

CASE(csv_rows)
{
    one_csv("plain.csv", ',', '"', "\n", true);
    one_csv("crlf.csv", ',', '"', "\r\n", true);
    one_csv("semicolon.csv", ';', '"', "\n", true);
    one_csv("tab.csv", '\t', '\'', "\n", true);
    one_csv("bare.csv", ',', '"', "\n", false);
    one_csv("packed.csv.gz", ',', '"', "\r\n", true);
    one_csv("packed.csv.zst", '|', '"', "\n", false);
}

/* A header in each file, and their columns differ. */
CASE(csv_files)
{
    model_part rows = { 0, 0, NULL };
    table t = { .columns = 0 };
    for (int i = 0; i < 5; i++) {
        text out;
        text_begin(&out);
        t = random_table(out.out, ',', '"', i % 2 ? "\r\n" : "\n", true);
        add_rows(&rows, &t);
        text_write(&out, oracle_text("part%d.csv%s", i, i == 2 ? ".gz" : "").data);
    }
    say_collect(csv_dual(oracle.dir, &t, true, &rows));
}

RDD_OPTIONAL(maybe_real, double);
RDD_OPTIONAL(maybe_text, rdd_str);
RDD_STRUCT(sample, (int64_t, id), (rdd_str, name), (maybe_real, score), (bool, ok), (float, weight),
           (int8_t, small), (uint64_t, big), (maybe_text, note));

/* Only what text brings back exactly. */
static sample random_sample(void)
{
    sample s = { .name = random_word(), .ok = draw_below(2) };
    random_value(RDD_TYPE(int64_t), &s.id);
    random_value(RDD_TYPE(int8_t), &s.small);
    random_value(RDD_TYPE(uint64_t), &s.big);
    s.weight = (float)((int)draw_below(2000) - 1000) / 16;
    s.score.has = draw_below(3);
    if (s.score.has)
        s.score.value = (double)((int64_t)draw() >> 11) / 1024;
    s.note.has = draw_below(2);
    if (s.note.has)
        s.note.value = random_word();
    return s;
}

/* Columns in another order than the fields, and one that no field wants. */
static void put_sample(FILE *out, const sample *s)
{
    fprintf(out, "%llu,%.*s,ignored,%d,", (unsigned long long)s->big, (int)s->name.size, s->name.data,
            s->small);
    if (s->score.has)
        fprintf(out, "%.17g", s->score.value);
    fprintf(out, ",%s,%.9g,", s->ok ? "true" : "false", (double)s->weight);
    if (s->note.has)
        fprintf(out, "\"%.*s\"", (int)s->note.value.size, s->note.value.data);
    fprintf(out, ",%lld\n", (long long)s->id);
}

CASE(csv_structs)
{
    size_t count = random_count();
    sample *all = oracle_alloc((count + 1) * sizeof *all);
    text out;
    text_begin(&out);
    fputs("big,name,other,small,score,ok,weight,note,id\n", out.out);
    for (size_t i = 0; i < count; i++) {
        all[i] = random_sample();
        put_sample(out.out, &all[i]);
    }
    const char *path = text_write(&out, "samples.csv");
    rdd *real = NULL;
    if (!is_model())
        real = rdd_csv(oracle.ctx, path, .item = RDD_TYPE(sample), .partitions = oracle.partitions);
    say_collect(dual_of(real, sample, all, count));
}

RDD_OPTIONAL(maybe_int, int32_t);
RDD_LIST(int_list, int64_t);
RDD_LIST(text_list, rdd_str);
RDD_STRUCT(inner, (rdd_str, name), (rdd_bytes, raw), (maybe_int, age), (text_list, tags), (bool, ok));
RDD_LIST(inner_list, inner);
RDD_OPTIONAL(maybe_bytes, rdd_bytes);
RDD_OPTIONAL(maybe_list, int_list);
RDD_OPTIONAL(maybe_inner, inner);
RDD_STRUCT(outer, (rdd_bytes, raw), (int_list, numbers), (inner, one), (maybe_bytes, maybe_raw), (bool, ok),
           (str_int, pair), (maybe_list, maybe_numbers), (maybe_inner, maybe_one), (rdd_str, name),
           (inner_list, more), (rdd_row, row), (maybe_text, note));

/* What CSV and JSON have to quote, and then some. */
static rdd_str special_text(size_t least)
{
    static const char *const PIECES[] = { "a", ",", "\"", "\n", "\r\n", "\\", "\t", "é", "€", "{}", "[]", " ",
                                          "null" };
    rdd_str s = RDD_STR("");
    for (size_t i = 0, n = least + (size_t)draw_below(6); i < n; i++)
        s = oracle_text("%s%s", s.data, PIECES[draw_below(sizeof PIECES / sizeof *PIECES)]);
    return s;
}

static rdd_bytes special_bytes(size_t least)
{
    size_t size = least + (size_t)draw_below(9);
    char *bytes = oracle_alloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)draw();
    return (rdd_bytes){ size, bytes };
}

static inner special_inner(void)
{
    size_t count = (size_t)draw_below(4);
    rdd_str *tags = oracle_alloc((count + 1) * sizeof *tags);
    for (size_t i = 0; i < count; i++)
        tags[i] = draw_below(4) ? special_text(0) : (rdd_str){ 0, NULL };
    inner in = { .tags = { count, tags }, .ok = draw_below(2) };
    if (draw_below(4))
        in.name = special_text(0);
    if (draw_below(4))
        in.raw = special_bytes(0);
    random_value(RDD_TYPE(maybe_int), &in.age);
    return in;
}

/* An optional that has nothing but an empty text or no bytes would be an empty cell, as one that has
 * none is. */
static outer special_outer(void)
{
    size_t count = (size_t)draw_below(3);
    inner *more = oracle_alloc((count + 1) * sizeof *more);
    rdd_cell *cells = oracle_alloc((count + 1) * sizeof *cells);
    for (size_t i = 0; i < count; i++) {
        more[i] = special_inner();
        cells[i].name = oracle_text("%zu%s", i, special_text(0).data);
        cells[i].text = draw_below(4) ? special_text(0) : (rdd_str){ 0, NULL };
    }
    outer o = { .raw = special_bytes(0), .one = special_inner(), .ok = draw_below(2), .name = special_text(0),
                .more = { count, more }, .row = { count, cells } };
    random_value(RDD_TYPE(int_list), &o.numbers);
    random_value(RDD_TYPE(maybe_list), &o.maybe_numbers);
    o.pair.key = special_text(0);
    random_value(RDD_TYPE(int64_t), &o.pair.value);
    if (draw_below(2))
        o.maybe_raw = (maybe_bytes){ true, special_bytes(1) };
    if (draw_below(2))
        o.maybe_one = (maybe_inner){ true, special_inner() };
    if (draw_below(2))
        o.note = (maybe_text){ true, special_text(1) };
    return o;
}

/* Structs of everything that a field can be come back as they were saved. */
CASE(csv_saved_structs)
{
    static const char *const NAMES[] = { "saved.csv", "saved.csv.gz", "parts/" };
    size_t count = random_count();
    outer *all = oracle_alloc((count + 1) * sizeof *all);
    for (size_t i = 0; i < count; i++)
        all[i] = special_outer();
    dual d = dual_items(outer, all, count);
    for (size_t i = 0; i < 3; i++) {
        const char *path = path_of(NAMES[i]);
        rdd *real = NULL;
        if (!is_model()) {
            rdd_save_csv(d.real, path, .delimiter = i == 1 ? ';' : ',');
            real = rdd_csv(oracle.ctx, path, .item = RDD_TYPE(outer), .delimiter = i == 1 ? ';' : ',',
                           .partitions = i == 2 ? 0 : oracle.partitions);
        }
        say_collect(dual_of(real, outer, all, count));
    }
}

/* Too many and too few columns: filled up and cut, or left out. */
CASE(csv_ragged)
{
    model_part padded = { 0, 0, NULL }, kept = { 0, 0, NULL };
    text out;
    text_begin(&out);
    fputs("a,b,c\n", out.out);
    for (size_t i = 0, n = random_count(); i < n; i++) {
        static const char *const NAMES[] = { "a", "b", "c" };
        size_t width = draw_below(2) ? 3 : 1 + (size_t)draw_below(5);
        rdd_cell *cells = oracle_alloc(3 * sizeof *cells);
        for (size_t c = 0; c < 3; c++)
            cells[c] = (rdd_cell){ rdd_str_of(NAMES[c]), { 0, NULL } };
        for (size_t c = 0; c < width; c++) {
            rdd_str cell = random_word();
            fprintf(out.out, "%s%.*s", c ? "," : "", (int)cell.size, cell.data);
            if (c < 3)
                cells[c].text = cell;
        }
        fputc('\n', out.out);
        rdd_row row = { 3, cells };
        model_add(&padded, sizeof row, &row);
        if (width == 3)
            model_add(&kept, sizeof row, &row);
    }
    const char *path = text_write(&out, "ragged.csv");
    rdd *pad = NULL, *skip = NULL;
    if (!is_model()) {
        pad = rdd_csv(oracle.ctx, path, .ragged = "pad", .partitions = oracle.partitions);
        skip = rdd_csv(oracle.ctx, path, .ragged = "skip", .partitions = oracle.partitions);
    }
    say_collect(dual_of(pad, rdd_row, padded.items, padded.count));
    say_collect(dual_of(skip, rdd_row, kept.items, kept.count));
}

/* ---- JSON lines ----------------------------------------------------------------------------- */

static void put_string(FILE *out, rdd_str s)
{
    fputc('"', out);
    for (size_t i = 0; i < s.size; i++)
        if (draw_below(5) == 0)
            fprintf(out, "\\u%04x", (unsigned)s.data[i]);
        else
            fputc(s.data[i], out);
    fputc('"', out);
}

CASE(json_rows)
{
    static const char *const RAW[] = { "1", "-0.50", "1e400", "true", "false", "[1,[2,{}]]",
                                       "{\"a\":{\"b\":[]}}", "12345678901234567890123" };
    model_part rows = { 0, 0, NULL };
    text out;
    text_begin(&out);
    for (size_t i = 0, n = random_count(); i < n; i++) {
        size_t count = (size_t)draw_below(5);
        rdd_cell *cells = oracle_alloc((count + 1) * sizeof *cells);
        fputc('{', out.out);
        for (size_t c = 0; c < count; c++) {
            fprintf(out.out, "%s\"k%zu\" : ", c ? ", " : "", c);
            cells[c].name = oracle_text("k%zu", c);
            switch (draw_below(3)) {
            case 0:
                cells[c].text = rdd_str_of(RAW[draw_below(sizeof RAW / sizeof *RAW)]);
                fputs(cells[c].text.data, out.out);
                break;
            case 1: fputs("null", out.out); break;
            default:
                cells[c].text = random_word();
                put_string(out.out, cells[c].text);
            }
        }
        fputs("}\n", out.out);
        if (draw_below(10) == 0)
            fputs(" \t\n", out.out); /* a blank line */
        rdd_row row = { count, cells };
        model_add(&rows, sizeof row, &row);
    }
    const char *path = text_write(&out, "rows.jsonl");
    rdd *real = is_model() ? NULL : rdd_json_lines(oracle.ctx, path, .partitions = oracle.partitions);
    say_collect(dual_of(real, rdd_row, rows.items, rows.count));
}

CASE(json_structs)
{
    size_t count = random_count();
    sample *all = oracle_alloc((count + 1) * sizeof *all);
    text out;
    text_begin(&out);
    for (size_t i = 0; i < count; i++) {
        sample *s = &all[i];
        *s = random_sample();
        fprintf(out.out, "{\"big\":%llu,\"other\":[{}],\"small\":%d,\"ok\":%s,\"weight\":%.9g,\"name\":",
                (unsigned long long)s->big, s->small, s->ok ? "true" : "false", (double)s->weight);
        put_string(out.out, s->name);
        if (s->score.has)
            fprintf(out.out, ",\"score\":%.17g", s->score.value);
        if (s->note.has) {
            fputs(",\"note\":", out.out);
            put_string(out.out, s->note.value);
        } else {
            fputs(",\"note\":null", out.out);
        }
        fprintf(out.out, ",\"id\":%lld}\n", (long long)s->id);
    }
    const char *path = text_write(&out, count % 2 ? "samples.jsonl" : "samples.jsonl.gz");
    rdd *real = NULL;
    if (!is_model())
        real = rdd_json_lines(oracle.ctx, path, .item = RDD_TYPE(sample),
                              .partitions = oracle.partitions);
    say_collect(dual_of(real, sample, all, count));
}
