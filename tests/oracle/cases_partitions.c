/* cases_partitions.c: operators over whole partitions, and transformations that bring several
 * datasets or partitions together, the same dataset several times among them. */
#include "oracle.h"

#include <stdlib.h>

RDD_PAIR(int_int, int64_t, int64_t);
RDD_PAIR(int_str, int64_t, rdd_str);
RDD_PAIR(str_str, rdd_str, rdd_str);
RDD_PAIR(str_int, rdd_str, int64_t);
RDD_PAIR(nested, int_int, int_int);
RDD_PAIR(row_row, rdd_row, rdd_row);
RDD_LIST(ints, int64_t);
RDD_LIST(words, rdd_str);
RDD_LIST(lists, ints);

/* ---- map_partitions ------------------------------------------------------------------------- */

/* State over the whole partition, and a last word. */
DUAL_MAP_PARTITIONS(running_sum, int64_t, int64_t)
{
    uint64_t sum = 0;
    for (int64_t x; dual_next(from, &x);) {
        sum += (uint64_t)x;
        dual_emit(int64_t, (int64_t)sum);
    }
    dual_emit(int64_t, (int64_t)~sum);
}

DUAL_MAP_PARTITIONS(emits_first, int64_t, int64_t)
{
    for (int64_t i = 0; i < 2500; i++)
        dual_emit(int64_t, -i);
    for (int64_t x; dual_next(from, &x);)
        dual_emit(int64_t, x);
}

DUAL_MAP_PARTITIONS(never_reads, int64_t, rdd_str)
{
    for (int i = 0; i < 3; i++)
        dual_emit(rdd_str, maker_format(m, "%d of partition %lld", i, (long long)m->partition));
}

DUAL_MAP_PARTITIONS(never_emits, int64_t, int64_t)
{
    for (int64_t x; dual_next(from, &x);) {
    }
}

DUAL_MAP_PARTITIONS(does_nothing, int64_t, int64_t)
{
}

/* Reads one and leaves the rest. */
DUAL_MAP_PARTITIONS(reads_one, int64_t, int64_t)
{
    int64_t x;
    if (dual_next(from, &x))
        dual_emit(int64_t, x);
}

/* Goes on asking after the end. */
DUAL_MAP_PARTITIONS(asks_again, int64_t, int64_t)
{
    int64_t x, count = 0;
    while (dual_next(from, &x))
        count++;
    for (int i = 0; i < 3; i++)
        count += dual_next(from, &x);
    dual_emit(int64_t, count);
}

DUAL_MAP_PARTITIONS(thousands, int64_t, int64_t)
{
    for (int64_t x; dual_next(from, &x);)
        for (int64_t i = 0; i < (x % 50 ? 1 : 5000); i++)
            dual_emit(int64_t, x + i);
}

CASE(map_partitions)
{
    dual numbers = random_items(int64_t, random_count());
    say_collect(dual_map_partitions(numbers, running_sum));
    say_collect(dual_map_partitions(dual_map_partitions(numbers, running_sum), running_sum));
    say_collect(dual_map_partitions(numbers, emits_first));
    say_take(dual_map_partitions(numbers, emits_first), 2);
    say_collect(dual_map_partitions(numbers, never_reads));
    say_collect(dual_map_partitions(numbers, never_emits));
    say_collect(dual_map_partitions(numbers, does_nothing));
    say_collect(dual_map_partitions(numbers, reads_one));
    say_collect(dual_map_partitions(dual_map_partitions(numbers, running_sum), reads_one));
    say_collect(dual_map_partitions(numbers, asks_again));
    say_count(dual_map_partitions(dual_range(0, 300, 1), thousands));
    say_collect(dual_map_partitions(dual_map_partitions(dual_range(0, 300, 1), thousands), asks_again));
}

/* Words kept over many elements, in memory of both kinds. */
DUAL_MAP_PARTITIONS(longest_so_far, rdd_str, rdd_str)
{
    rdd_str best = { 0, NULL };
    for (rdd_str s; dual_next(from, &s);)
        if (!best.data || s.size > best.size) {
            best = maker_keep(m, s);
            dual_emit(rdd_str, best);
        }
    dual_emit(rdd_str, best);
}

/* All of them at once, in reverse: only rdd_keep and rdd_alloc make that right. */
DUAL_MAP_PARTITIONS(reversed, rdd_str, rdd_str)
{
    size_t count = 0, capacity = 0;
    rdd_str *all = NULL;
    for (rdd_str s; dual_next(from, &s);) {
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 4;
            rdd_str *more = maker_alloc(m, capacity * sizeof *more);
            if (count)
                memcpy(more, all, count * sizeof *all);
            all = more;
        }
        all[count++] = maker_keep(m, s);
    }
    while (count--)
        dual_emit(rdd_str, all[count]);
}

/* What it emits points into what it was given, over batches of strings. */
DUAL_MAP_PARTITIONS(tails, rdd_str, rdd_str)
{
    for (rdd_str s; dual_next(from, &s);)
        for (size_t at = 0; at < s.size && at < 4; at++)
            dual_emit(rdd_str, (rdd_str){ s.size - at, s.data + at });
}

DUAL_MAP_PARTITIONS(joined, rdd_str, rdd_str)
{
    rdd_str previous = RDD_STR("-");
    for (rdd_str s; dual_next(from, &s);) {
        dual_emit(rdd_str, maker_concat(m, previous, s));
        previous = maker_keep(m, s);
    }
}

/* More text than a batch may have is given back between two elements, not only between two views: what
 * was read and emitted before is as it was. */
static rdd_str long_text(maker *m, int64_t x)
{
    rdd_str text = maker_format(m, "%lld ", (long long)x);
    for (int64_t i = 0, n = (int64_t)((uint64_t)x % 13); i < n; i++)
        text = maker_concat(m, text, text);
    return text;
}

DUAL_MAP_PARTITIONS(long_texts, int64_t, rdd_str)
{
    int64_t last = 0;
    for (int64_t x; dual_next(from, &x); last = x)
        for (int64_t i = 0; i < 3; i++)
            dual_emit(rdd_str, long_text(m, x ^ last ^ i));
    dual_emit(rdd_str, long_text(m, last));
}

DUAL_ZIP_PARTITIONS(long_texts_of_two, int64_t, rdd_str, rdd_str)
{
    int64_t x;
    rdd_str s;
    bool more_a = true, more_b = true;
    while (more_a || more_b) {
        if (more_a && (more_a = dual_next(a, &x)))
            dual_emit(rdd_str, long_text(m, x));
        for (int i = 0; i < 2; i++)
            if (more_b && (more_b = dual_next(b, &s)))
                dual_emit(rdd_str, maker_concat(m, s, s));
    }
}

DUAL_MAP(text_size_of, rdd_str, s, int64_t)
{
    return (int64_t)s.size;
}

CASE(map_partitions_long_text)
{
    dual numbers = dual_range(0, 1500, 1), texts = dual_map_partitions(numbers, long_texts);
    say_sum(dual_map(texts, text_size_of), int64_t);
    say_collect(dual_map(texts, text_size_of));
    say_collect(dual_map_partitions(random_items(int64_t, 60), long_texts));
    say_collect(dual_map(dual_zip_partitions(dual_range(0, 900, 1), texts, long_texts_of_two),
                         text_size_of));
}

CASE(map_partitions_strings)
{
    dual texts = random_items(rdd_str, 100 + random_count());
    say_collect(dual_map_partitions(texts, longest_so_far));
    say_collect(dual_map_partitions(texts, reversed));
    say_collect(dual_map_partitions(dual_map_partitions(texts, reversed), reversed));
    say_collect(dual_map_partitions(texts, tails));
    say_collect(dual_map_partitions(dual_map_partitions(texts, tails), joined));
}

/* ---- zip_partitions ------------------------------------------------------------------------- */

/* As far as the shorter one goes, then the rest of the longer. */
DUAL_ZIP_PARTITIONS(interleaved, int64_t, rdd_str, rdd_str)
{
    int64_t x;
    rdd_str s;
    bool more_a = true, more_b = true;
    while (more_a || more_b) {
        if (more_a && (more_a = dual_next(a, &x)))
            dual_emit(rdd_str, maker_format(m, "%lld", (long long)x));
        if (more_b && (more_b = dual_next(b, &s)))
            dual_emit(rdd_str, s);
    }
}

DUAL_ZIP_PARTITIONS(second_first, int64_t, int64_t, int64_t)
{
    for (int64_t x; dual_next(b, &x);)
        dual_emit(int64_t, x);
    for (int64_t x; dual_next(a, &x);)
        dual_emit(int64_t, x);
}

DUAL_MAP(triple, int64_t, x, int64_t)
{
    return (int64_t)((uint64_t)x * 3);
}

DUAL_FILTER(odd, int64_t, x)
{
    return x % 2 != 0;
}

CASE(zip_partitions)
{
    dual numbers = random_items(int64_t, random_count());
    dual texts = random_items(rdd_str, random_count());
    say_collect(dual_zip_partitions(numbers, texts, interleaved));
    say_collect(dual_zip_partitions(numbers, numbers, second_first));
    say_collect(dual_zip_partitions(dual_map(numbers, triple), dual_filter(numbers, odd),
                                    second_first));
    say_take(dual_zip_partitions(numbers, dual_map(numbers, triple), second_first), 3);
}

/* ---- glom ----------------------------------------------------------------------------------- */

CASE(glom)
{
    dual numbers = random_items(int64_t, random_count());
    say_collect(dual_glom(ints, numbers));
    say_collect(dual_glom(lists, dual_glom(ints, numbers)));
    say_collect(dual_glom(words, random_items(rdd_str, random_count())));
    say_collect(dual_glom(ints, dual_filter(dual_filter(numbers, odd), odd)));
    say_collect(dual_glom(ints, dual_coalesce(numbers, 3)));
}

/* ---- union, coalesce, cartesian ------------------------------------------------------------- */

CASE(unions)
{
    dual numbers = random_items(int64_t, random_count());
    dual others = dual_range(0, 300, 1);
    say_collect(dual_union(numbers, others));
    say_collect(dual_union(dual_map(numbers, triple), dual_filter(others, odd)));
    dual self = dual_union(numbers, numbers);
    say_collect(self);
    say_collect(dual_union(self, self));
    say_collect(dual_map(dual_filter(dual_union(self, others), odd), triple));
    say_take(dual_union(others, numbers), 301);
}

CASE(coalesce)
{
    dual numbers = random_items(int64_t, random_count());
    for (int64_t n = 1; n < 60; n = n * 2 + 1)
        say_collect(dual_glom(ints, dual_coalesce(dual_map(numbers, triple), n)));
    say_collect(dual_coalesce(dual_coalesce(dual_coalesce(numbers, 5), 4), 2));
    dual many = dual_union(dual_union(numbers, dual_range(0, 50, 1)), dual_map(numbers, triple));
    say_collect(dual_glom(ints, dual_coalesce(many, 3)));
    say_collect(dual_coalesce(dual_union(dual_coalesce(many, 2), many), 5));
    say_collect(dual_map_partitions(dual_coalesce(many, 2), running_sum));
    say_collect(dual_map_partitions(dual_coalesce(dual_map_partitions(many, running_sum), 3), reads_one));
}

CASE(cartesian)
{
    dual small = random_items(int64_t, (size_t)draw_below(12));
    dual texts = random_items(rdd_str, (size_t)draw_below(30));
    say_collect(dual_cartesian(int_str, small, texts));
    say_collect(dual_cartesian(int_int, small, small));
    say_collect(dual_cartesian(int_int, dual_map(small, triple), dual_filter(small, odd)));
    dual few = dual_coalesce(small, 4);
    say_collect(dual_cartesian(nested, dual_coalesce(dual_cartesian(int_int, few, few), 2),
                               dual_cartesian(int_int, dual_coalesce(dual_range(0, 3, 1), 2), few)));
    say_take(dual_cartesian(int_int, small, dual_range(0, 1500, 1)), 2000);
    say_count(dual_cartesian(str_str, texts, texts));
}

/* ---- zip, and diamonds ---------------------------------------------------------------------- */

DUAL_MAP(shown, int64_t, x, rdd_str)
{
    return maker_format(m, "is %lld", (long long)x);
}

DUAL_FLAT_MAP(up_to_two, int64_t, x, int64_t)
{
    for (uint64_t i = 0; i < (uint64_t)x % 3; i++)
        dual_emit(int64_t, x);
}

CASE(zip)
{
    dual numbers = random_items(int64_t, random_count());
    say_collect(dual_zip(int_int, numbers, dual_map(numbers, triple)));
    say_collect(dual_zip(int_str, dual_map(numbers, triple), dual_map(numbers, shown)));
    say_collect(dual_zip(int_int, numbers, numbers));
    dual kept = dual_filter(numbers, odd);
    say_collect(dual_zip(int_str, kept, dual_map(kept, shown)));
    dual more = dual_flat_map(kept, up_to_two);
    say_collect(dual_zip(int_str, more, dual_map(dual_map(more, triple), shown)));
    dual pairs = dual_zip(int_int, more, dual_map(more, triple));
    say_collect(dual_zip(nested, pairs, pairs));
    say_take(dual_zip(int_str, more, dual_map(more, shown)), 7);
}

/* Batches of different lengths on both sides. */
DUAL_MAP_PARTITIONS(again, int64_t, int64_t)
{
    for (int64_t x; dual_next(from, &x);)
        dual_emit(int64_t, x);
}

CASE(diamonds)
{
    dual numbers = dual_range(0, 5000, 1);
    dual kept = dual_filter(numbers, odd);
    dual left = dual_map(kept, shown), right = dual_map_partitions(kept, again);
    dual wide = dual_zip(int_str, right, left);
    say_collect(wide);
    say_collect(dual_union(dual_keys(wide), numbers));
    say_count(dual_zip(int_str, dual_keys(wide), dual_values(wide)));
    say_collect(dual_coalesce(dual_union(dual_union(kept, kept), dual_keys(wide)), 3));
    say_collect(dual_zip_with_index(int_int, dual_coalesce(dual_union(kept, dual_keys(wide)), 3)));
}

/* ---- rows ----------------------------------------------------------------------------------- */

DUAL_MAP(row_of, int64_t, x, rdd_row)
{
    size_t count = (size_t)((uint64_t)x % 4);
    rdd_cell *cells = maker_alloc(m, (count + 1) * sizeof *cells);
    for (size_t i = 0; i < count; i++)
        cells[i] = (rdd_cell){ maker_format(m, "c%zu", i),
                               i == 2 ? (rdd_str){ 0, NULL } : maker_format(m, "%lld", (long long)x) };
    return (rdd_row){ count, cells };
}

DUAL_MAP(second_half, rdd_row, row, rdd_row)
{
    return row.count ? (rdd_row){ row.count - 1, row.items + 1 } : row;
}

CASE(zip_columns)
{
    dual rows = dual_map(random_items(int64_t, random_count()), row_of);
    say_collect(rows);
    say_collect(dual_zip_columns(rows, dual_map(rows, second_half)));
    dual twice = dual_zip_columns(rows, rows);
    say_collect(dual_zip_columns(twice, dual_map(twice, second_half)));
    say_collect(dual_zip(row_row, rows, dual_map(rows, second_half)));
    dual many = dual_map(dual_range(0, 5000, 1), row_of);
    say_collect(dual_zip_columns(many, dual_map(many, second_half)));
}

/* ---- pipe ----------------------------------------------------------------------------------- */

/* The model of `awk '{print NR": "$0}'`: a partition's lines numbered. */
DUAL_MAP_PARTITIONS(numbered_lines, rdd_str, rdd_str)
{
    int count = 0;
    for (rdd_str s; dual_next(from, &s);)
        dual_emit(rdd_str, maker_concat(m, maker_format(m, "%d: ", ++count), s));
}

static dual pipe_numbered(dual d)
{
    dual made = dual_map_partitions(d, numbered_lines);
    if (!is_model())
        made.real = rdd_pipe(d.real, "awk '{print NR\": \"$0}'");
    return made;
}

CASE(pipe)
{
    size_t count = random_count();
    rdd_str *lines = oracle_alloc((count + 1) * sizeof *lines);
    for (size_t i = 0; i < count; i++)
        lines[i] = draw_below(5) ? random_word() : RDD_STR("");
    dual all = dual_items(rdd_str, lines, count);
    say_collect(pipe_numbered(all));
    say_collect(pipe_numbered(dual_map_partitions(all, joined)));
    say_collect(dual_map_partitions(pipe_numbered(all), longest_so_far));
    say_take(pipe_numbered(all), 1);
}
