/* cases_random.c: random lineages, made from the seed and evaluated both ways. Datasets are kept and
 * used again, so there are diamonds of all kinds. */
#include "oracle.h"

RDD_PAIR(str_int, rdd_str, int64_t);
RDD_PAIR(int_int, int64_t, int64_t);
RDD_PAIR(str_str, rdd_str, rdd_str);
RDD_PAIR(int_count, int64_t, int64_t);
RDD_PAIR(str_count, rdd_str, int64_t);
RDD_STRUCT(text_limits, (int64_t, most), (rdd_str, prefix));

/* ---- operators ------------------------------------------------------------------------------ */

DUAL_MAP(mixed, int64_t, x, int64_t)
{
    return (int64_t)((uint64_t)x * 2654435761u >> 7);
}

DUAL_MAP(small, int64_t, x, int64_t)
{
    return (int64_t)((uint64_t)x % 10);
}

DUAL_MAP(as_text, int64_t, x, rdd_str)
{
    return maker_format(m, "%lld", (long long)x);
}

DUAL_MAP(as_number, rdd_str, s, int64_t)
{
    return (int64_t)s.size * 31 + (s.size ? s.data[0] : s.data ? -1 : -2);
}

DUAL_MAP(prefixed, rdd_str, s, rdd_str, text_limits)
{
    rdd_str cut = { s.size < (size_t)env->most ? s.size : (size_t)env->most, s.data };
    return maker_concat(m, env->prefix, cut);
}

DUAL_MAP(tail, rdd_str, s, rdd_str)
{
    return s.size ? (rdd_str){ s.size - 1, s.data + 1 } : s;
}

DUAL_FILTER(third, int64_t, x)
{
    return (uint64_t)x % 3 != 0;
}

DUAL_FILTER(short_text, rdd_str, s)
{
    return s.size % 4 != 0;
}

DUAL_FLAT_MAP(some, int64_t, x, int64_t)
{
    for (uint64_t i = 0; i < (uint64_t)x % 3; i++)
        dual_emit(int64_t, (int64_t)((uint64_t)x + i));
}

DUAL_FLAT_MAP(letters, rdd_str, s, rdd_str)
{
    for (size_t i = 0; i < s.size && i < 3; i++)
        dual_emit(rdd_str, (rdd_str){ s.size - i, s.data + i });
}

DUAL_MAP_PARTITIONS(sums, int64_t, int64_t)
{
    uint64_t sum = (uint64_t)m->partition;
    for (int64_t x; dual_next(from, &x);)
        dual_emit(int64_t, (int64_t)(sum += (uint64_t)x));
}

DUAL_MAP_PARTITIONS(neighbours, rdd_str, rdd_str)
{
    rdd_str before = RDD_STR("^");
    for (rdd_str s; dual_next(from, &s);) {
        dual_emit(rdd_str, maker_concat(m, before, s));
        before = maker_keep(m, (rdd_str){ s.size < 5 ? s.size : 5, s.data });
    }
}

DUAL_ZIP_PARTITIONS(merged, int64_t, rdd_str, rdd_str)
{
    int64_t x;
    for (rdd_str s; dual_next(b, &s);)
        dual_emit(rdd_str, dual_next(a, &x) ? maker_concat(m, s, maker_format(m, "%lld", (long long)x))
                                            : s);
}

DUAL_REDUCE(plus, int64_t, a, b)
{
    return (int64_t)((uint64_t)a + (uint64_t)b);
}

/* The beginning of the two behind each other: associative, cut though it is. */
DUAL_REDUCE(joined, rdd_str, a, b)
{
    size_t room = a.size < 3000 ? 3000 - a.size : 0;
    return maker_concat(m, a, (rdd_str){ b.size < room ? b.size : room, b.data });
}

/* ---- chains --------------------------------------------------------------------------------- */

enum { KEPT = 6, STEPS = 14, CHAINS = 12, ELEMENTS_MAX = 4000, PARTITIONS_MAX = 50 };

/* Datasets made so far, by type; a new one takes a random place. */
typedef struct pool {
    dual numbers[KEPT], texts[KEPT];
} pool;

static dual one_of(const dual *kept)
{
    return kept[draw_below(KEPT)];
}

static void keep(dual *kept, dual d)
{
    if (model_total(d.model) <= ELEMENTS_MAX && d.model->count <= PARTITIONS_MAX)
        kept[draw_below(KEPT)] = d;
}

/* The same options for both kinds of slot: an operator with several records in flight gives the same. */
static rdd_operator_options any_options(void)
{
    return (rdd_operator_options){ .site_ = RDD_SITE, .concurrency = draw_below(8) ? 0 : 5 };
}

static dual numbers_of_numbers(dual d)
{
    switch (draw_below(8)) {
    case 0: return dual_map_(d, PLAIN_(mixed), any_options());
    case 1: return dual_map_(d, PLAIN_(small), any_options());
    case 2: return dual_filter_(d, PLAIN_(third), any_options());
    case 3: return dual_flat_map_(d, PLAIN_(some), any_options());
    case 4: return dual_map_partitions(d, sums);
    case 5: return dual_values(dual_map_values(int_int, dual_zip_with_index(int_int, d), small));
    case 6: return dual_keys(dual_zip_with_unique_id(int_int, d));
    default: return dual_coalesce(d, 1 + (int64_t)draw_below(9));
    }
}

static dual texts_of_texts(dual d)
{
    static const char *const PREFIXES[] = { "", "p", "longer prefix" };
    switch (draw_below(7)) {
    case 0:
        return dual_map_with(d, prefixed, .most = (int64_t)draw_below(12),
                             .prefix = rdd_str_of(PREFIXES[draw_below(3)]));
    case 1: return dual_map_(d, PLAIN_(tail), any_options());
    case 2: return dual_filter_(d, PLAIN_(short_text), any_options());
    case 3: return dual_flat_map_(d, PLAIN_(letters), any_options());
    case 4: return dual_map_partitions(d, neighbours);
    case 5: return dual_values(dual_flat_map_values(str_str, dual_key_by(str_str, d, tail), letters));
    default: return dual_coalesce(d, 1 + (int64_t)draw_below(9));
    }
}

static bool small_product(dual a, dual b)
{
    return model_total(a.model) * model_total(b.model) <= ELEMENTS_MAX &&
           a.model->count * b.model->count <= PARTITIONS_MAX;
}

/* A step that brings two datasets together. */
static void combine(pool *p)
{
    dual x = one_of(p->numbers), y = one_of(p->numbers), s = one_of(p->texts), t = one_of(p->texts);
    switch (draw_below(7)) {
    case 0: keep(p->numbers, dual_union(x, y)); break;
    case 1: keep(p->texts, dual_union(s, t)); break;
    case 2:
        if (small_product(s, x))
            keep(p->numbers, dual_values(dual_cartesian(str_int, s, x)));
        break;
    case 3:
        if (small_product(s, t))
            keep(p->texts, dual_keys(dual_cartesian(str_str, s, t)));
        break;
    case 4: keep(p->texts, dual_keys(dual_zip(str_int, s, dual_map(s, as_number)))); break;
    case 5: keep(p->numbers, dual_values(dual_zip(str_int, dual_map(x, as_text), dual_map(x, mixed))));
        break;
    default:
        if (x.model->count == s.model->count)
            keep(p->texts, dual_zip_partitions(x, s, merged));
    }
}

static void step(pool *p)
{
    switch (draw_below(6)) {
    case 0:
    case 1: keep(p->numbers, numbers_of_numbers(one_of(p->numbers))); break;
    case 2: keep(p->texts, texts_of_texts(one_of(p->texts))); break;
    case 3: keep(p->texts, dual_map_(one_of(p->numbers), PLAIN_(as_text), any_options())); break;
    case 4: keep(p->numbers, dual_map_(one_of(p->texts), PLAIN_(as_number), any_options())); break;
    default: combine(p);
    }
}

static void act_on(dual numbers, dual texts)
{
    say_collect(numbers);
    say_collect(texts);
    switch (draw_below(8)) {
    case 0: say_count(numbers); break;
    case 1: say_take(texts, (size_t)draw_below(20)); break;
    case 2: say_top(numbers, (size_t)draw_below(20)); break;
    case 3: say_take_ordered(texts, (size_t)draw_below(20)); break;
    case 4: say_tree_reduce(texts, joined, 1 + (int)draw_below(4)); break;
    case 5: say_reduce(numbers, plus); break;
    case 6: say_count_by_value(str_count, texts); break;
    default: say_local(texts, (size_t)draw_below(300));
    }
}

static void chain(void)
{
    pool p;
    for (int i = 0; i < KEPT; i++) {
        size_t count = random_count() / 4;
        rdd_str *words = oracle_alloc((count + 1) * sizeof *words);
        for (size_t k = 0; k < count; k++)
            words[k] = draw_below(9) ? random_word() : (rdd_str){ 0, draw_below(2) ? "" : NULL };
        p.texts[i] = i < 2 ? dual_items(rdd_str, words, count) : p.texts[0];
        p.numbers[i] = i < 2 ? random_items(int64_t, count) : dual_range(0, 7 * i, 1);
    }
    for (int i = 0; i < STEPS; i++)
        step(&p);
    act_on(one_of(p.numbers), one_of(p.texts));
}

CASE(chains)
{
    for (int i = 0; i < CHAINS; i++) {
        say("chain %d", i);
        chain();
    }
}
