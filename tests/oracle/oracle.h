/* oracle.h: every operator of rdd.h twice: by the library, and the slow and obvious way.
 *
 * A case is written once, over datasets that are both an RDD and a model (arrays in memory). An
 * action on a dataset says its result: the program run with --oracle says what the model gives, run
 * without what the library gives. oracle.sh runs the program under every master and compares the
 * text; what it says is a function of the result's bytes.
 *
 *     CASE(squares)
 *     {
 *         dual d = dual_map(random_items(int64_t, 100), square);
 *         say_collect(d);
 *     }
 *
 * A line that begins with ~ has no model: it is compared between the masters alone. CASE is run for
 * each of several partition counts, CASE_ONCE for one. Randomness comes from the seed and the case's
 * name, so each process makes the same data.
 */
#ifndef RDD_ORACLE_H
#define RDD_ORACLE_H

#include "arena.h"

#include <rdd.h>

/* ---- cases ---------------------------------------------------------------------------------- */

typedef struct oracle_case {
    const char *name;
    void (*body)(void);
    bool once;
    struct oracle_case *next;
} oracle_case;

void oracle_register(oracle_case *c);

#define CASE(name) CASE_(name, false)
#define CASE_ONCE(name) CASE_(name, true)
#define CASE_(name, once)                                                          \
    static void name##_case(void);                                                 \
    static oracle_case name##_entry = { #name, name##_case, once, NULL };          \
    __attribute__((constructor)) static void name##_enter(void)                    \
    {                                                                              \
        oracle_register(&name##_entry);                                            \
    }                                                                              \
    static void name##_case(void)

/* What runs now. */
typedef struct oracle_state {
    rdd_context *ctx;   /* NULL with --oracle */
    int64_t partitions; /* that sources of this case have */
    uint64_t seed, random;
    arena memory;       /* of the case */
    const char *dir;    /* for its files; empty at its beginning */
} oracle_state;

extern oracle_state oracle;

static inline bool is_model(void)
{
    return !oracle.ctx;
}

void *oracle_alloc(size_t size); /* zeroed, until the case ends */
rdd_str oracle_text(const char *format, ...) __attribute__((format(printf, 1, 2)));

uint64_t draw(void);
uint64_t draw_below(uint64_t limit);

/* ---- saying --------------------------------------------------------------------------------- */

void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_value(const char *label, const rdd_type *t, const void *value);

/* All of a short list, the beginning and a hash of a long one. */
void say_items(const char *label, const rdd_type *t, const void *items, size_t count);

/* The error that is in the context, and `expected` on the model's side. Nothing else may be said of
 * what failed: its results are zeros. */
void say_error(const char *expected);

/* The order that rdd.h promises: by value, NaN last, no value before empty, … */
int model_compare(const rdd_type *t, const void *a, const void *b);

/* ---- random data ---------------------------------------------------------------------------- */

/* Extremes more often than chance would have them. */
void random_value(const rdd_type *t, void *ret);
void *random_array(const rdd_type *t, size_t count);
void deep_copy(const rdd_type *t, const void *from, void *to);
size_t random_count(void); /* 0, 1, a few, some hundreds */
rdd_str random_word(void); /* a to z */
rdd_str random_line(void); /* words and spaces, no line end */

/* ---- the model ------------------------------------------------------------------------------ */

typedef struct model_part {
    size_t count, capacity;
    char *items;
} model_part;

typedef struct model {
    const rdd_type *type;
    size_t count; /* of parts */
    model_part *parts;
    bool loose;   /* only the order of the elements counts: the RDD's partitions are its own */
} model;

/* What bodies allocate from: the task in an operator, the case's memory in the model. */
typedef struct maker {
    rdd_task *task;
    int64_t partition;
} maker;

void *maker_alloc(maker *m, size_t size);
rdd_str maker_concat(maker *m, rdd_str a, rdd_str b);
rdd_str maker_format(maker *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
rdd_str maker_keep(maker *m, rdd_str s);
void maker_count(maker *m, const char *name, int64_t by);

/* Where bodies put what they emit, and get elements from. */
typedef struct emits {
    void (*put)(struct emits *to, const void *item);
    model_part *part; /* the model's */
    size_t size;
} emits;

typedef struct pulls {
    bool (*get)(struct pulls *from, void *ret);
    const model_part *part;
    size_t at, size;
} pulls;

typedef void model_map(maker *, const void *env, const void *in, void *out);
typedef bool model_filter(maker *, const void *env, const void *in);
typedef void model_flat_map(maker *, const void *env, const void *in, emits *to);
typedef void model_reduce(maker *, const void *env, const void *a, const void *b, void *out);
typedef void model_aggregate(maker *, const void *env, void *acc, const void *in);
typedef void model_map_partitions(maker *, const void *env, pulls *from, emits *to);
typedef void model_zip_partitions(maker *, const void *env, pulls *a, pulls *b, emits *to);
typedef void model_foreach(maker *, const void *env, const void *in);
typedef void model_foreach_partition(maker *, const void *env, pulls *from);
typedef int model_order(maker *, const void *env, const void *a, const void *b);

model *model_new(const rdd_type *t, size_t partitions);
void *model_room(model_part *p, size_t size); /* one more element, to be filled in */
void model_add(model_part *p, size_t size, const void *item);
size_t model_total(const model *m);
void *model_all(const model *m, size_t *ret_count); /* in order, side by side */
void model_emits(emits *to, model_part *part, const rdd_type *t);
void model_pulls(pulls *from, const model_part *part, const rdd_type *t);
size_t model_cut(size_t count, size_t partitions, size_t p); /* where partition p begins */

/* ---- operators, written once ---------------------------------------------------------------- */

/* DUAL_MAP(name, In, in, Out [, Env]) { … }: in the body `m` is the maker and `env` the env. */
#define DUAL_MAP(name, In, in, ...) RDD_CHOOSE_(DUAL_MAP_, __VA_ARGS__)(name, In, in, __VA_ARGS__)
#define DUAL_MAP_PLAIN_(name, In, in, Out)                                  \
    static Out name##_body(maker *, const rdd_no_env *, In);                \
    RDD_MAP(name, In, in, Out)                                              \
    {                                                                       \
        maker m_ = { task, 0 };                                             \
        return name##_body(&m_, env, in);                                   \
    }                                                                       \
    DUAL_MAP_MODEL_(name, In, in, Out, rdd_no_env)
#define DUAL_MAP_ENV_(name, In, in, Out, Env)                               \
    static Out name##_body(maker *, const Env *, In);                       \
    RDD_MAP(name, In, in, Out, Env)                                         \
    {                                                                       \
        maker m_ = { task, 0 };                                             \
        return name##_body(&m_, env, in);                                   \
    }                                                                       \
    DUAL_MAP_MODEL_(name, In, in, Out, Env)
#define DUAL_MAP_MODEL_(name, In, in, Out, Env)                                          \
    RDD_UNUSED_ static void name##_model(maker *m_, const void *env_, const void *in_,   \
                                         void *out_)                                     \
    {                                                                                    \
        *(Out *)out_ = name##_body(m_, (const Env *)env_, *(const In *)in_);             \
    }                                                                                    \
    static Out name##_body(maker *m RDD_UNUSED_, const Env *env RDD_UNUSED_, In in)

#define DUAL_FILTER(name, In, ...) RDD_CHOOSE_(DUAL_FILTER_, __VA_ARGS__)(name, In, __VA_ARGS__)
#define DUAL_FILTER_PLAIN_(name, In, in)                                    \
    static bool name##_body(maker *, const rdd_no_env *, In);               \
    RDD_FILTER(name, In, in)                                                \
    {                                                                       \
        maker m_ = { task, 0 };                                             \
        return name##_body(&m_, env, in);                                   \
    }                                                                       \
    DUAL_FILTER_MODEL_(name, In, in, rdd_no_env)
#define DUAL_FILTER_ENV_(name, In, in, Env)                                 \
    static bool name##_body(maker *, const Env *, In);                      \
    RDD_FILTER(name, In, in, Env)                                           \
    {                                                                       \
        maker m_ = { task, 0 };                                             \
        return name##_body(&m_, env, in);                                   \
    }                                                                       \
    DUAL_FILTER_MODEL_(name, In, in, Env)
#define DUAL_FILTER_MODEL_(name, In, in, Env)                                            \
    RDD_UNUSED_ static bool name##_model(maker *m_, const void *env_, const void *in_)   \
    {                                                                                    \
        return name##_body(m_, (const Env *)env_, *(const In *)in_);                     \
    }                                                                                    \
    static bool name##_body(maker *m RDD_UNUSED_, const Env *env RDD_UNUSED_, In in)

/* In the bodies that emit: dual_emit(Out, value); in those that pull: dual_next(from, &x). */
#define dual_emit(Out, ...)        \
    do {                           \
        Out emitted_ = __VA_ARGS__; \
        to->put(to, &emitted_);    \
    } while (0)
#define dual_next(from, ret) ((from)->get((from), (ret)))

#define DUAL_EMITS_(name, Out)                                                        \
    typedef struct name##_emits {                                                     \
        emits base;                                                                   \
        rdd_out_##Out *out;                                                           \
    } name##_emits;                                                                   \
    static void name##_put(emits *to_, const void *item_)                             \
    {                                                                                 \
        rdd_emit_to(((name##_emits *)(void *)to_)->out, *(const Out *)item_);         \
    }
#define DUAL_PULLS_(name, In)                                                         \
    typedef struct name##_pulls {                                                     \
        pulls base;                                                                   \
        rdd_in_##In *in;                                                              \
    } name##_pulls;                                                                   \
    static bool name##_get(pulls *from_, void *ret_)                                  \
    {                                                                                 \
        return rdd_next(((name##_pulls *)(void *)from_)->in, (In *)ret_);             \
    }

#define DUAL_FLAT_MAP(name, In, in, Out)                                                    \
    static void name##_body(maker *, In, emits *);                                          \
    DUAL_EMITS_(name, Out)                                                                  \
    RDD_FLAT_MAP(name, In, in, Out)                                                         \
    {                                                                                       \
        maker m_ = { task, 0 };                                                             \
        name##_emits to_ = { { .put = name##_put }, out };                                  \
        name##_body(&m_, in, &to_.base);                                                    \
    }                                                                                       \
    RDD_UNUSED_ static void name##_model(maker *m_, const void *env_ RDD_UNUSED_,           \
                                         const void *in_, emits *to_)                       \
    {                                                                                       \
        name##_body(m_, *(const In *)in_, to_);                                             \
    }                                                                                       \
    static void name##_body(maker *m RDD_UNUSED_, In in, emits *to RDD_UNUSED_)

#define DUAL_REDUCE(name, T, a, b)                                                          \
    static T name##_body(maker *, T, T);                                                    \
    RDD_REDUCE(name, T, a, b)                                                               \
    {                                                                                       \
        maker m_ = { task, 0 };                                                             \
        return name##_body(&m_, a, b);                                                      \
    }                                                                                       \
    RDD_UNUSED_ static void name##_model(maker *m_, const void *env_ RDD_UNUSED_,           \
                                         const void *a_, const void *b_, void *out_)        \
    {                                                                                       \
        *(T *)out_ = name##_body(m_, *(const T *)a_, *(const T *)b_);                       \
    }                                                                                       \
    static T name##_body(maker *m RDD_UNUSED_, T a, T b)

#define DUAL_AGGREGATE(name, Acc, acc, In, in)                                              \
    static void name##_body(maker *, Acc *, In);                                            \
    RDD_AGGREGATE(name, Acc, acc, In, in)                                                   \
    {                                                                                       \
        maker m_ = { task, 0 };                                                             \
        name##_body(&m_, acc, in);                                                          \
    }                                                                                       \
    RDD_UNUSED_ static void name##_model(maker *m_, const void *env_ RDD_UNUSED_,           \
                                         void *acc_, const void *in_)                       \
    {                                                                                       \
        name##_body(m_, (Acc *)acc_, *(const In *)in_);                                     \
    }                                                                                       \
    static void name##_body(maker *m RDD_UNUSED_, Acc *acc, In in)

/* DUAL_MAP_PARTITIONS(name, In, Out) { for (In x; dual_next(from, &x);) dual_emit(Out, …); } */
#define DUAL_MAP_PARTITIONS(name, In, Out)                                                  \
    static void name##_body(maker *, pulls *, emits *);                                     \
    DUAL_EMITS_(name, Out)                                                                  \
    DUAL_PULLS_(name, In)                                                                   \
    RDD_MAP_PARTITIONS(name, In, in, Out)                                                   \
    {                                                                                       \
        maker m_ = { task, rdd_partition_index(task) };                                     \
        name##_pulls from_ = { { .get = name##_get }, in };                                 \
        name##_emits to_ = { { .put = name##_put }, out };                                  \
        name##_body(&m_, &from_.base, &to_.base);                                           \
    }                                                                                       \
    RDD_UNUSED_ static void name##_model(maker *m_, const void *env_ RDD_UNUSED_,           \
                                         pulls *from_, emits *to_)                          \
    {                                                                                       \
        name##_body(m_, from_, to_);                                                        \
    }                                                                                       \
    static void name##_body(maker *m RDD_UNUSED_, pulls *from RDD_UNUSED_,                  \
                            emits *to RDD_UNUSED_)

#define DUAL_ZIP_PARTITIONS(name, A, B, Out)                                                \
    static void name##_body(maker *, pulls *, pulls *, emits *);                            \
    DUAL_EMITS_(name, Out)                                                                  \
    DUAL_PULLS_(name##_a, A)                                                                \
    DUAL_PULLS_(name##_b, B)                                                                \
    RDD_ZIP_PARTITIONS(name, A, a, B, b, Out)                                               \
    {                                                                                       \
        maker m_ = { task, rdd_partition_index(task) };                                     \
        name##_a_pulls a_ = { { .get = name##_a_get }, a };                                 \
        name##_b_pulls b_ = { { .get = name##_b_get }, b };                                 \
        name##_emits to_ = { { .put = name##_put }, out };                                  \
        name##_body(&m_, &a_.base, &b_.base, &to_.base);                                    \
    }                                                                                       \
    RDD_UNUSED_ static void name##_model(maker *m_, const void *env_ RDD_UNUSED_,           \
                                         pulls *a_, pulls *b_, emits *to_)                  \
    {                                                                                       \
        name##_body(m_, a_, b_, to_);                                                       \
    }                                                                                       \
    static void name##_body(maker *m RDD_UNUSED_, pulls *a RDD_UNUSED_,                     \
                            pulls *b RDD_UNUSED_, emits *to RDD_UNUSED_)

#define DUAL_FOREACH(name, In, in)                                                          \
    static void name##_body(maker *, In);                                                   \
    RDD_FOREACH(name, In, in)                                                               \
    {                                                                                       \
        maker m_ = { task, 0 };                                                             \
        name##_body(&m_, in);                                                               \
    }                                                                                       \
    RDD_UNUSED_ static void name##_model(maker *m_, const void *env_ RDD_UNUSED_,           \
                                         const void *in_)                                   \
    {                                                                                       \
        name##_body(m_, *(const In *)in_);                                                  \
    }                                                                                       \
    static void name##_body(maker *m RDD_UNUSED_, In in)

#define DUAL_FOREACH_PARTITION(name, In)                                                    \
    static void name##_body(maker *, pulls *);                                              \
    DUAL_PULLS_(name, In)                                                                   \
    RDD_FOREACH_PARTITION(name, In, in)                                                     \
    {                                                                                       \
        maker m_ = { task, rdd_partition_index(task) };                                     \
        name##_pulls from_ = { { .get = name##_get }, in };                                 \
        name##_body(&m_, &from_.base);                                                      \
    }                                                                                       \
    RDD_UNUSED_ static void name##_model(maker *m_, const void *env_ RDD_UNUSED_,           \
                                         pulls *from_)                                      \
    {                                                                                       \
        name##_body(m_, from_);                                                             \
    }                                                                                       \
    static void name##_body(maker *m RDD_UNUSED_, pulls *from RDD_UNUSED_)

#define DUAL_ORDER(name, T, a, b)                                                           \
    static int name##_body(T, T);                                                           \
    RDD_ORDER(name, T, a, b)                                                                \
    {                                                                                       \
        return name##_body(a, b);                                                           \
    }                                                                                       \
    RDD_UNUSED_ static int name##_model(maker *m_ RDD_UNUSED_, const void *env_ RDD_UNUSED_, \
                                        const void *a_, const void *b_)                     \
    {                                                                                       \
        return name##_body(*(const T *)a_, *(const T *)b_);                                 \
    }                                                                                       \
    static int name##_body(T a, T b)

/* ---- datasets ------------------------------------------------------------------------------- */

/* `real` is NULL with --oracle. The model is there on both sides: a case may look at its sizes. */
typedef struct dual {
    rdd *real;
    model *model;
} dual;

#define SITED (rdd_options){ .site_ = RDD_SITE }
#define SITED_OPERATOR (rdd_operator_options){ .site_ = RDD_SITE }
#define SITED_PARTITIONS (rdd_partitions_options){ .site_ = RDD_SITE }
#define SITED_SOURCE (rdd_source_options){ .site_ = RDD_SITE, .partitions = oracle.partitions }
#define SITED_RANGE (rdd_range_options){ .site_ = RDD_SITE, .partitions = oracle.partitions }

/* Sources; oracle.partitions of them. */
dual dual_items_(const rdd_type *t, const void *items, size_t count, rdd_source_options options);
dual random_items_(const rdd_type *t, size_t count, rdd_source_options options);
dual dual_range_(int64_t first, int64_t last, int64_t step, rdd_range_options options);
#define dual_items(T, items, count) dual_items_(RDD_TYPE(T), items, count, SITED_SOURCE)
#define random_items(T, count) random_items_(RDD_TYPE(T), count, SITED_SOURCE)
#define dual_range(first, last, step) dual_range_(first, last, step, SITED_RANGE)

/* Elements that `real` (NULL with --oracle) ought to have, in partitions of its own. */
dual dual_of_(rdd *real, const rdd_type *t, const void *items, size_t count);
#define dual_of(real, T, items, count) dual_of_(real, RDD_TYPE(T), items, count)

/* Transformations. An operator with an env goes as `name, .field = value`. */
#define ENV_(name, ...) RDD_WITH(name, __VA_ARGS__), name##_model
#define PLAIN_(name) name, name##_model
#define dual_map(d, name) dual_map_(d, PLAIN_(name), SITED_OPERATOR)
#define dual_map_with(d, name, ...) dual_map_(d, ENV_(name, __VA_ARGS__), SITED_OPERATOR)
#define dual_filter(d, name) dual_filter_(d, PLAIN_(name), SITED_OPERATOR)
#define dual_filter_with(d, name, ...) dual_filter_(d, ENV_(name, __VA_ARGS__), SITED_OPERATOR)
#define dual_flat_map(d, name) dual_flat_map_(d, PLAIN_(name), SITED_OPERATOR)
#define dual_map_partitions(d, name) dual_map_partitions_(d, PLAIN_(name), SITED_PARTITIONS)
#define dual_zip_partitions(a, b, name) dual_zip_partitions_(a, b, PLAIN_(name), SITED_PARTITIONS)
#define dual_glom(L, d) dual_glom_(RDD_TYPE(L), d, SITED)
#define dual_key_by(P, d, name) dual_key_by_(RDD_TYPE(P), d, PLAIN_(name), SITED_OPERATOR)
#define dual_map_values(P, d, name) dual_map_values_(RDD_TYPE(P), d, PLAIN_(name), SITED_OPERATOR)
#define dual_flat_map_values(P, d, name) dual_flat_map_values_(RDD_TYPE(P), d, PLAIN_(name), SITED_OPERATOR)
#define dual_keys(d) dual_keys_(d, SITED)
#define dual_values(d) dual_values_(d, SITED)
#define dual_union(a, b) dual_union_(a, b, SITED)
#define dual_zip(P, a, b) dual_zip_(RDD_TYPE(P), a, b, SITED)
#define dual_zip_columns(a, b) dual_zip_columns_(a, b, SITED)
#define dual_zip_with_index(P, d) dual_zip_with_index_(RDD_TYPE(P), d, SITED)
#define dual_zip_with_unique_id(P, d) dual_zip_with_unique_id_(RDD_TYPE(P), d, SITED)
#define dual_coalesce(d, partitions) dual_coalesce_(d, partitions, SITED)
#define dual_cartesian(P, a, b) dual_cartesian_(RDD_TYPE(P), a, b, SITED)

dual dual_map_(dual d, rdd_map_op op, model_map *f, rdd_operator_options options);
dual dual_filter_(dual d, rdd_filter_op op, model_filter *f, rdd_operator_options options);
dual dual_flat_map_(dual d, rdd_flat_map_op op, model_flat_map *f, rdd_operator_options options);
dual dual_map_partitions_(dual d, rdd_map_partitions_op op, model_map_partitions *f,
                          rdd_partitions_options options);
dual dual_zip_partitions_(dual a, dual b, rdd_zip_partitions_op op, model_zip_partitions *f,
                          rdd_partitions_options options);
dual dual_glom_(const rdd_type *list, dual d, rdd_options options);
dual dual_key_by_(const rdd_type *pair, dual d, rdd_map_op op, model_map *f, rdd_operator_options options);
dual dual_map_values_(const rdd_type *pair, dual d, rdd_map_op op, model_map *f,
                      rdd_operator_options options);
dual dual_flat_map_values_(const rdd_type *pair, dual d, rdd_flat_map_op op, model_flat_map *f,
                           rdd_operator_options options);
dual dual_keys_(dual d, rdd_options options);
dual dual_values_(dual d, rdd_options options);
dual dual_union_(dual a, dual b, rdd_options options);
dual dual_zip_(const rdd_type *pair, dual a, dual b, rdd_options options);
dual dual_zip_columns_(dual a, dual b, rdd_options options);
dual dual_zip_with_index_(const rdd_type *pair, dual d, rdd_options options);
dual dual_zip_with_unique_id_(const rdd_type *pair, dual d, rdd_options options);
dual dual_coalesce_(dual d, int64_t partitions, rdd_options options);
dual dual_cartesian_(const rdd_type *pair, dual a, dual b, rdd_options options);

/* Actions: each says its result under its name. */
#define say_collect(d) say_collect_(d, SITED)
#define say_count(d) say_count_(d, SITED)
#define say_take(d, n) say_take_(d, n, SITED)
#define say_first(d) say_first_(d, SITED)
#define say_is_empty(d) say_is_empty_(d, SITED)
#define say_top(d, n) say_top_(d, n, (rdd_order_op){ NULL, NULL }, NULL, SITED)
#define say_top_by(d, n, name) say_top_(d, n, PLAIN_(name), SITED)
#define say_take_ordered(d, n) \
    say_take_ordered_(d, n, (rdd_order_op){ NULL, NULL }, NULL, SITED)
#define say_take_ordered_by(d, n, name) say_take_ordered_(d, n, PLAIN_(name), SITED)
#define say_extremes(d) say_extremes_(d, (rdd_order_op){ NULL, NULL }, NULL, SITED)
#define say_extremes_by(d, name) say_extremes_(d, PLAIN_(name), SITED)
#define say_sum(d, T) say_sum_(d, RDD_TYPE(T), SITED)
#define say_reduce(d, name) say_reduce_(d, PLAIN_(name), 0, SITED)
#define say_tree_reduce(d, name, depth) say_reduce_(d, PLAIN_(name), depth, SITED)
#define say_fold(d, zero, name) say_fold_(d, zero, PLAIN_(name), SITED)
#define say_aggregate(d, Acc, zero, take, merge) \
    say_aggregate_(d, RDD_TYPE(Acc), zero, PLAIN_(take), PLAIN_(merge), 0, SITED)
#define say_tree_aggregate(d, Acc, zero, take, merge, depth) \
    say_aggregate_(d, RDD_TYPE(Acc), zero, PLAIN_(take), PLAIN_(merge), depth, SITED)
#define say_count_by_value(P, d) say_count_by_value_(RDD_TYPE(P), d, SITED)
#define say_stats(d) say_stats_(d, SITED)
#define say_histogram(d, edges, buckets) say_histogram_(d, edges, buckets, SITED)
#define say_histogram_even(d, buckets) say_histogram_even_(d, buckets, SITED)
#define say_local(d, stop_after) say_local_(d, stop_after, SITED)
#define run_foreach(d, name) run_foreach_(d, PLAIN_(name), SITED_OPERATOR)
#define run_foreach_partition(d, name) run_foreach_partition_(d, PLAIN_(name), SITED_PARTITIONS)

void say_collect_(dual d, rdd_options o);
void say_count_(dual d, rdd_options o);
void say_take_(dual d, size_t n, rdd_options o);
void say_first_(dual d, rdd_options o);
void say_is_empty_(dual d, rdd_options o);
void say_top_(dual d, size_t n, rdd_order_op by, model_order *f, rdd_options o);
void say_take_ordered_(dual d, size_t n, rdd_order_op by, model_order *f, rdd_options o);
void say_extremes_(dual d, rdd_order_op by, model_order *f, rdd_options o); /* min, max */
void say_sum_(dual d, const rdd_type *t, rdd_options o);
void say_reduce_(dual d, rdd_reduce_op op, model_reduce *f, int depth, rdd_options o);
void say_fold_(dual d, const void *zero, rdd_reduce_op op, model_reduce *f, rdd_options o);
void say_aggregate_(dual d, const rdd_type *acc, const void *zero, rdd_aggregate_op take,
                    model_aggregate *take_model, rdd_reduce_op merge, model_reduce *merge_model,
                    int depth, rdd_options o);
void say_count_by_value_(const rdd_type *pair, dual d, rdd_options o);
void say_stats_(dual d, rdd_options o);
void say_histogram_(dual d, const double *edges, size_t buckets, rdd_options o);
void say_histogram_even_(dual d, size_t buckets, rdd_options o);
/* By rdd_to_local_iterator, closed after `stop_after` elements. */
void say_local_(dual d, size_t stop_after, rdd_options o);

void run_foreach_(dual d, rdd_foreach_op op, model_foreach *f, rdd_operator_options o);
void run_foreach_partition_(dual d, rdd_foreach_partition_op op, model_foreach_partition *f,
                            rdd_partitions_options o);
/* A counter that operators counted up with maker_count(); unique names, they never go back. */
void say_counter(const char *name);

#endif
