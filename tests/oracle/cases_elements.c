/* cases_elements.c: sources in memory, and transformations that see one element after the other. */
#include "oracle.h"

RDD_PAIR(str_int, rdd_str, int64_t);
RDD_PAIR(int_str, int64_t, rdd_str);
RDD_PAIR(int_int, int64_t, int64_t);
RDD_PAIR(str_str, rdd_str, rdd_str);
RDD_PAIR(bool_double, bool, double);
RDD_LIST(ints, int64_t);
RDD_LIST(words, rdd_str);
RDD_OPTIONAL(maybe_int, int32_t);
RDD_OPTIONAL(maybe_str, rdd_str);
RDD_STRUCT(point, (float, x), (double, y));
/* Padding, pointers, lists of lists and optionals in one. */
RDD_STRUCT(record, (int8_t, small), (int64_t, id), (rdd_str, name), (maybe_str, nick), (words, tags),
           (bool, ok), (point, at), (maybe_int, age), (uint16_t, port), (rdd_bytes, blob));
RDD_LIST(records, record);

/* ---- sources -------------------------------------------------------------------------------- */

#define ALL_OF(T)                                  \
    do {                                           \
        dual all_ = random_items(T, random_count()); \
        say("%s", #T);                             \
        say_collect(all_);                         \
        say_count(all_);                           \
    } while (0)

CASE(items_of_scalars)
{
    ALL_OF(bool);
    ALL_OF(int8_t);
    ALL_OF(int16_t);
    ALL_OF(int32_t);
    ALL_OF(int64_t);
    ALL_OF(uint8_t);
    ALL_OF(uint16_t);
    ALL_OF(uint32_t);
    ALL_OF(uint64_t);
    ALL_OF(int);
    ALL_OF(size_t);
    ALL_OF(float);
    ALL_OF(double);
    ALL_OF(rdd_str);
    ALL_OF(rdd_bytes);
}

CASE(items_of_structs)
{
    ALL_OF(record);
    ALL_OF(records);
    ALL_OF(ints);
    ALL_OF(words);
    ALL_OF(maybe_int);
    ALL_OF(maybe_str);
    ALL_OF(str_int);
    ALL_OF(bool_double);
    ALL_OF(rdd_row);
}

CASE(items_none)
{
    say_collect(dual_items(record, NULL, 0));
    say_collect(dual_items(int64_t, NULL, 0));
}

CASE_ONCE(empty)
{
    dual none = { is_model() ? NULL : rdd_empty(oracle.ctx, rdd_str), model_new(RDD_TYPE(rdd_str), 0) };
    dual words_too = dual_items(rdd_str, ((rdd_str[]){ RDD_STR("a"), RDD_STR("b") }), 2);
    say_collect(none);
    say_count(none);
    say_is_empty(none);
    say_take(none, 3);
    say_top(none, 3);
    say_first(none);
    say_collect(dual_union(none, words_too));
    say_collect(dual_union(words_too, none));
    say_collect(dual_cartesian(str_str, none, words_too));
    say_collect(dual_coalesce(none, 3));
    say_collect(dual_zip_with_index(str_int, none));
    say_local(none, 5);
}

CASE(range)
{
    say_collect(dual_range(0, 1000, 1));
    say_collect(dual_range(-17, 3000, 7));
    say_collect(dual_range(5, -2000, -3));
    say_collect(dual_range(3, 3, 1));
    say_collect(dual_range(3, 2, 1));
    say_collect(dual_range(2, 3, -1));
    say_collect(dual_range(INT64_MIN, INT64_MAX, INT64_MAX / 5));
    say_collect(dual_range(INT64_MAX, INT64_MIN, INT64_MIN / 3));
    say_collect(dual_range(INT64_MAX - 3, INT64_MAX, 1));
    say_count(dual_range(0, 100000, 1));
}

/* ---- map, filter ---------------------------------------------------------------------------- */

DUAL_MAP(square, int64_t, x, int64_t)
{
    return (int64_t)((uint64_t)x * (uint64_t)x);
}

DUAL_FILTER(even, int64_t, x)
{
    return x % 2 == 0;
}

DUAL_MAP(text_of, int64_t, x, rdd_str)
{
    return maker_format(m, "<%lld>", (long long)x);
}

DUAL_MAP(size_of, rdd_str, s, int64_t)
{
    return s.data ? (int64_t)s.size : -1;
}

DUAL_MAP(twice, rdd_str, s, rdd_str)
{
    return maker_concat(m, s, s);
}

/* What it returns points into what it got. */
DUAL_MAP(without_first, rdd_str, s, rdd_str)
{
    return s.size ? (rdd_str){ s.size - 1, s.data + 1 } : s;
}

DUAL_FILTER(has_text, rdd_str, s)
{
    return s.size > 0;
}

DUAL_MAP(name_of, record, r, rdd_str)
{
    return r.name;
}

DUAL_MAP(tagged, record, r, record)
{
    rdd_str *tags = maker_alloc(m, (r.tags.count + 1) * sizeof *tags);
    if (r.tags.count)
        memcpy(tags, r.tags.items, r.tags.count * sizeof *tags);
    tags[r.tags.count] = r.name;
    r.tags = (words){ r.tags.count + 1, tags };
    r.nick = (maybe_str){ !r.nick.has, r.nick.has ? (rdd_str){ 0, NULL } : r.name };
    r.id = (int64_t)((uint64_t)r.id + 1);
    return r;
}

DUAL_FILTER(is_ok, record, r)
{
    return r.ok || r.age.has;
}

CASE(map_filter)
{
    dual numbers = random_items(int64_t, random_count());
    say_collect(dual_map(numbers, square));
    say_collect(dual_filter(numbers, even));
    say_collect(dual_filter(dual_map(dual_filter(dual_map(numbers, square), even), square), even));
    say_collect(dual_map(dual_map(dual_map(numbers, text_of), twice), size_of));
}

CASE(map_strings)
{
    dual texts = random_items(rdd_str, 200 + random_count());
    say_collect(dual_map(texts, size_of));
    say_collect(dual_map(dual_map(texts, without_first), without_first));
    say_collect(dual_filter(dual_map(texts, without_first), has_text));
    say_collect(dual_map(dual_map(dual_map(texts, twice), without_first), twice));
}

CASE(map_structs)
{
    dual all = random_items(record, random_count());
    say_collect(dual_map(all, name_of));
    say_collect(dual_map(dual_filter(dual_map(all, tagged), is_ok), tagged));
    say_collect(dual_filter(dual_filter(all, is_ok), is_ok));
}

/* Strings that fill a batch's memory many times over. */
DUAL_MAP(long_text, int64_t, x, rdd_str)
{
    size_t size = (size_t)(x % 3 ? x % 100 : 40000);
    char *text = maker_alloc(m, size + 1);
    memset(text, 'a' + (int)(x % 26), size);
    return (rdd_str){ size, text };
}

CASE(map_long_strings)
{
    dual texts = dual_map(dual_range(0, 120, 1), long_text);
    say_collect(texts);
    say_collect(dual_map(dual_map(texts, twice), size_of));
    say_count(dual_filter(dual_map(texts, twice), has_text));
}

CASE(map_many)
{
    dual numbers = dual_range(0, 12000, 1);
    say_collect(dual_filter(dual_map(numbers, square), even));
    say_collect(dual_map(numbers, text_of));
}

/* ---- env ------------------------------------------------------------------------------------ */

RDD_STRUCT(scale, (double, factor), (rdd_str, label), (words, others));

DUAL_MAP(scaled, int64_t, x, rdd_str, scale)
{
    rdd_str s = maker_format(m, "%.*s=%g", (int)env->label.size, env->label.data,
                             (double)(x % 1000) * env->factor);
    for (size_t i = 0; i < env->others.count; i++)
        s = maker_concat(m, s, env->others.items[i]);
    return s;
}

RDD_STRUCT(limits, (int64_t, least), (int64_t, most));

DUAL_FILTER(within, int64_t, x, limits)
{
    return x >= env->least && x <= env->most;
}

/* The env is copied when the lineage is built: what it was made of may go. */
static dual scaled_by(dual d, double factor)
{
    char label[32], other[32];
    snprintf(label, sizeof label, "by %g", factor);
    snprintf(other, sizeof other, "/%g/", factor * 2);
    rdd_str others[] = { rdd_str_of(other), RDD_STR(""), rdd_str_of(label) };
    dual made = dual_map_with(d, scaled, .factor = factor, .label = rdd_str_of(label),
                              .others = { 3, others });
    memset(label, '?', sizeof label);
    memset(other, '?', sizeof other);
    memset(others, 0, sizeof others);
    return made;
}

CASE(env)
{
    dual numbers = random_items(int64_t, random_count());
    dual a = scaled_by(numbers, 0.5), b = scaled_by(numbers, -2);
    say_collect(a);
    say_collect(dual_union(a, b));
    say_collect(dual_filter_with(numbers, within, .least = -10, .most = 100));
    say_collect(dual_filter_with(dual_filter_with(numbers, within, .least = 0, .most = INT64_MAX),
                                 within, .least = INT64_MIN, .most = 50));
    say_collect(dual_map_with(numbers, scaled, .factor = 3));
}

/* ---- flat_map ------------------------------------------------------------------------------- */

DUAL_FLAT_MAP(never, int64_t, x, int64_t)
{
    (void)x;
}

DUAL_FLAT_MAP(few, int64_t, x, int64_t)
{
    for (int64_t i = 0; i < (int64_t)((uint64_t)x % 4); i++)
        dual_emit(int64_t, i);
}

/* Nothing, one, a little more than a batch, or a hundred thousand. */
DUAL_FLAT_MAP(bursts, int64_t, x, int64_t)
{
    static const int64_t COUNTS[] = { 0, 1, 1023, 1024, 1025, 100000 };
    for (int64_t i = 0; i < COUNTS[x % 6]; i++)
        dual_emit(int64_t, x * 1000000 + i);
}

DUAL_FLAT_MAP(text_bursts, int64_t, x, rdd_str)
{
    for (int64_t i = 0; i < (x == 3 ? 20000 : x % 3); i++)
        dual_emit(rdd_str, maker_format(m, "%lld of %lld and so on", (long long)i, (long long)x));
}

/* Views of its input. */
DUAL_FLAT_MAP(split, rdd_str, line, rdd_str)
{
    for (rdd_str word; rdd_str_next_word(&line, &word);)
        dual_emit(rdd_str, word);
}

CASE(flat_map)
{
    dual numbers = random_items(int64_t, random_count());
    say_collect(dual_flat_map(numbers, never));
    say_collect(dual_flat_map(numbers, few));
    say_collect(dual_flat_map(dual_flat_map(dual_flat_map(numbers, few), few), few));
    say_collect(dual_filter(dual_map(dual_flat_map(numbers, few), square), even));
}

CASE(flat_map_bursts)
{
    dual numbers = dual_range(0, 9, 1);
    say_collect(dual_flat_map(numbers, bursts));
    say_count(dual_flat_map(dual_filter(dual_flat_map(numbers, bursts), even), few));
    say_collect(dual_map(dual_flat_map(numbers, text_bursts), twice));
    say_take(dual_flat_map(numbers, bursts), 5);
}

CASE(flat_map_words)
{
    size_t count = random_count();
    rdd_str *lines = oracle_alloc((count + 1) * sizeof *lines);
    for (size_t i = 0; i < count; i++)
        lines[i] = random_line();
    dual all = dual_items(rdd_str, lines, count);
    say_collect(dual_flat_map(all, split));
    say_collect(dual_map(dual_flat_map(all, split), twice));
    say_count_by_value(str_int, dual_flat_map(all, split));
}

/* ---- pairs ---------------------------------------------------------------------------------- */

DUAL_MAP(negated, int64_t, x, int64_t)
{
    return (int64_t)-(uint64_t)x;
}

DUAL_MAP(is_positive, double, x, bool)
{
    return x > 0;
}

DUAL_FLAT_MAP(digits, int64_t, x, rdd_str)
{
    for (uint64_t left = (uint64_t)x; left; left /= 1000)
        dual_emit(rdd_str, maker_format(m, "%llu", (unsigned long long)(left % 1000)));
}

DUAL_FLAT_MAP(many_values, int64_t, x, int64_t)
{
    for (int64_t i = 0; i < (x == 7 ? 3000 : 2); i++)
        dual_emit(int64_t, i);
}

CASE(pairs)
{
    dual numbers = random_items(int64_t, random_count());
    dual texts = random_items(rdd_str, random_count());
    dual pairs = random_items(str_int, random_count());
    say_collect(dual_key_by(str_int, numbers, text_of));
    say_collect(dual_key_by(int_str, texts, size_of));
    say_collect(dual_key_by(bool_double, random_items(double, random_count()), is_positive));
    say_collect(dual_map_values(str_int, pairs, negated));
    say_collect(dual_map_values(str_str, pairs, text_of));
    say_collect(dual_flat_map_values(str_str, pairs, digits));
    say_collect(dual_flat_map_values(str_int, pairs, few));
    say_collect(dual_keys(pairs));
    say_collect(dual_values(pairs));
    say_collect(dual_keys(random_items(bool_double, random_count())));
    say_collect(dual_values(dual_map_values(str_str, dual_key_by(str_int, numbers, text_of), text_of)));
}

CASE(pairs_many)
{
    dual pairs = dual_key_by(int_int, dual_range(0, 5000, 1), negated);
    say_collect(dual_flat_map_values(int_int, pairs, many_values));
    say_collect(dual_flat_map_values(int_str, pairs, text_bursts));
}

/* ---- rows ----------------------------------------------------------------------------------- */

static rdd_row model_set(rdd_row row, rdd_str name, rdd_str text)
{
    rdd_cell *cells = oracle_alloc((row.count + 1) * sizeof *cells);
    size_t at = row.count;
    for (size_t i = row.count; i-- > 0;) {
        cells[i] = row.items[i];
        at = rdd_str_equal(cells[i].name, name) ? i : at;
    }
    cells[at] = (rdd_cell){ name, text };
    return (rdd_row){ at < row.count ? row.count : row.count + 1, cells };
}

/* Replaces a column, or adds it at the end; then both rows behind each other. */
RDD_MAP(row_change, rdd_row, row, rdd_row)
{
    rdd_row other = rdd_row_set(task, row, RDD_STR("a"), RDD_STR("new"));
    return rdd_row_concat(task, row, rdd_row_set(task, other, RDD_STR("b"), rdd_row_get(row, "a")));
}

static void row_change_model(maker *m, const void *env, const void *in, void *out)
{
    (void)m, (void)env;
    rdd_row row = *(const rdd_row *)in, other = model_set(row, RDD_STR("a"), RDD_STR("new"));
    rdd_str a = { 0, NULL };
    for (size_t i = row.count; i-- > 0;)
        a = rdd_str_equal(row.items[i].name, RDD_STR("a")) ? row.items[i].text : a;
    other = model_set(other, RDD_STR("b"), a);
    rdd_cell *cells = oracle_alloc((row.count + other.count) * sizeof *cells);
    for (size_t i = 0; i < row.count + other.count; i++)
        cells[i] = i < row.count ? row.items[i] : other.items[i - row.count];
    *(rdd_row *)out = (rdd_row){ row.count + other.count, cells };
}

/* Rows through JSON and back: text stays text. */
RDD_MAP(row_by_json, rdd_row, row, rdd_row)
{
    return rdd_row_from_json(task, rdd_to_json(task, rdd_row, row));
}

static void row_by_json_model(maker *m, const void *env, const void *in, void *out)
{
    (void)m, (void)env;
    *(rdd_row *)out = *(const rdd_row *)in;
}

/* Values of any type, too; and text that is no such value stops nothing when it is only tried. */
RDD_STRUCT(order, (int64_t, id), (words, tags), (maybe_int, stock), (point, where));
RDD_LIST(orders, order);

RDD_MAP(order_by_json, order, o, order)
{
    order others[] = { o, o };
    orders all = rdd_from_json(task, orders, rdd_to_json(task, orders, ((orders){ 2, others })));
    rdd_str reason = { 0, NULL };
    order broken;
    bool read = rdd_try_json(task, order, RDD_STR("{\"id\": 1.5}"), &broken, &reason);
    if (all.count != 2 || read || !reason.size)
        rdd_fail(task, "%zu %d %zu", all.count, read, reason.size);
    return all.items[1];
}

static void order_by_json_model(maker *m, const void *env, const void *in, void *out)
{
    (void)m, (void)env;
    *(order *)out = *(const order *)in;
}

CASE(values_by_json)
{
    size_t count = random_count();
    order *items = oracle_alloc((count + 1) * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        size_t size = (size_t)draw_below(4);
        rdd_str *tags = oracle_alloc((size + 1) * sizeof *tags);
        for (size_t k = 0; k < size; k++)
            tags[k] = random_word();
        items[i] = (order){ (int64_t)draw(), { size, tags }, { draw_below(2), 0 }, { 0.5f, -1e300 } };
        items[i].stock.value = items[i].stock.has ? (int32_t)draw_below(1000) - 500 : 0;
    }
    say_collect(dual_map(dual_items(order, items, count), order_by_json));
}

CASE(rows)
{
    size_t count = random_count();
    rdd_row *items = oracle_alloc((count + 1) * sizeof *items);
    for (size_t i = 0; i < count; i++) {
        size_t width = (size_t)draw_below(4);
        rdd_cell *cells = oracle_alloc((width + 1) * sizeof *cells);
        for (size_t c = 0; c < width; c++)
            cells[c] = (rdd_cell){ { 1, &"abc"[c] }, draw_below(4) ? random_word()
                                                                   : (rdd_str){ 0, NULL } };
        items[i] = (rdd_row){ width, cells };
    }
    dual all = dual_items(rdd_row, items, count);
    say_collect(dual_map(all, row_change));
    say_collect(dual_map(dual_map(all, row_by_json), row_by_json));
}

/* ---- numbering ------------------------------------------------------------------------------ */

CASE(numbered)
{
    dual texts = random_items(rdd_str, random_count());
    dual filtered = dual_filter(dual_filter(dual_map(texts, without_first), has_text), has_text);
    say_collect(dual_zip_with_index(str_int, texts));
    say_collect(dual_zip_with_index(str_int, filtered));
    say_collect(dual_zip_with_unique_id(str_int, filtered));
    dual again = dual_zip_with_index(str_int, dual_keys(dual_zip_with_index(str_int, filtered)));
    say_collect(again);
    say_count(again);
    say_collect(dual_zip_with_index(str_int, dual_coalesce(filtered, 3)));
}
