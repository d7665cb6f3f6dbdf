/* rdd.h: resilient distributed datasets for C, over plain SSH.
 *
 * An RDD is a lazy description of a partitioned dataset. It has five properties:
 *   1. a list of partitions;
 *   2. a function that computes one partition;
 *   3. a list of dependencies on other RDDs, narrow (one task reads what it needs) or wide;
 *   4. an element type, described to the compiler and to the codec;
 *   5. optionally, preferred places for a partition.
 * Transformations (rdd_map, rdd_filter, …) build new RDDs and run nothing. Actions (rdd_collect,
 * rdd_save_csv, …) cut the lineage into stages, run one task for each partition, and block the
 * calling thread until the job is done.
 *
 *     #include <rdd.h>
 *     RDD_MAP(square, int64_t, x, int64_t) { return x * x; }
 *     int main(int argc, char **argv)
 *     {
 *         rdd_context *ctx = rdd_init(&argc, argv);
 *         rdd *numbers = rdd_range(ctx, 0, 1000);
 *         printf("%ld\n", (long)rdd_count(rdd_map(numbers, square)));
 *         return rdd_finish(ctx);
 *     }
 *
 * Errors. A function that fails records the first error in the context and returns NULL, zero or a
 * negative rdd_code. Every function accepts the NULL that a failed one returned and then does
 * nothing, so a program may check nothing at all: rdd_finish() prints the cause and gives the exit
 * status. rdd_take_error() is for programs that want to go on. A NULL where nothing has failed yet is an
 * error of its own.
 *
 * Lifetimes.
 *   1. What an operator receives, or allocates through `task`, is valid until it returns; what it
 *      returns or emits may point into it, and the library keeps that alive as long as the element.
 *   2. In a partition operator an element, and text made through `task`, is valid until the next
 *      rdd_next(); rdd_keep() keeps a string to the end of the task, and what rdd_alloc() gives lives
 *      until the operator returns.
 *   3. Results on the driver are copies that live until rdd_free() or rdd_finish().
 *
 * Threads. A context and its RDDs may be used from several threads of the driver; each action
 * blocks only its own caller. rdd_init() and rdd_finish() are for one thread while no other uses the
 * context, and a process has one context at a time: settings and signals are the process's. Functions
 * that take a `task` are called only inside an operator, on its thread; contexts and RDDs are for the
 * driver's own code, and an action in an operator fails its task.
 *
 * Blocking. Actions block until their job is done. Sources look at their files (and read "-" to its
 * end), transformations only write something down; neither waits for an executor.
 */
#ifndef RDD_H
#define RDD_H

#if defined(__cplusplus)
#pragma GCC system_header /* or g++ -Wextra warns of each option that a call leaves out */
#endif

#ifndef __cplusplus
#include <stdbool.h>
#endif
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* What plain C lets pass with a warning would compute nonsense here: make it an error. */
#ifdef __GNUC__
#pragma GCC diagnostic error "-Wreturn-type"
#ifndef __cplusplus
#pragma GCC diagnostic error "-Wint-conversion"
#pragma GCC diagnostic error "-Wincompatible-pointer-types"
#pragma GCC diagnostic error "-Wimplicit-function-declaration"
#endif
#endif

#define RDD_PUBLIC __attribute__((visibility("default")))
#define RDD_UNUSED_ __attribute__((unused))

#define RDD_VERSION "0.1.0"

typedef struct rdd rdd;                 /* a dataset; owned by its context */
typedef struct rdd_context rdd_context; /* a driver's session */
typedef struct rdd_type rdd_type;
typedef struct rdd_op rdd_op;
typedef struct rdd_emitter rdd_emitter; /* the library's side of rdd_emit */
typedef struct rdd_puller rdd_puller;   /* the library's side of rdd_next */

/* ---- errors ------------------------------------------------------------------------------- */

typedef enum rdd_code {
    RDD_OK = 0,
    RDD_E_USAGE = -1,     /* a wrong argument or option */
    RDD_E_TYPE = -2,      /* types disagree along the lineage */
    RDD_E_INPUT = -3,     /* data that cannot be read as asked */
    RDD_E_IO = -4,        /* a file or pipe */
    RDD_E_EXISTS = -5,    /* an output that is there already */
    RDD_E_MEMORY = -6,    /* no memory */
    RDD_E_LIMIT = -7,     /* a limit was reached; the message says which and how to raise it */
    RDD_E_USER = -8,      /* an operator called rdd_fail() */
    RDD_E_CRASH = -9,     /* an operator crashed its process */
    RDD_E_LOST = -10,     /* an executor was lost too often */
    RDD_E_HTTP = -11,     /* HTTP calls failed past their budget */
    RDD_E_CANCELLED = -12,
    RDD_E_PROTOCOL = -13, /* malformed bytes from another process */
} rdd_code;

typedef struct rdd_error {
    rdd_code code;
    int os_errno; /* 0 when no system call is to blame */
    int64_t job, stage, partition, attempt; /* -1 where it does not apply */
    char node[64];      /* the executor, "" on the driver */
    char message[1024]; /* one line: what, where, what to do */
} rdd_error;

/* ---- types -------------------------------------------------------------------------------- */

/* Text: `size` bytes at `data`, not terminated, any bytes. data NULL means "no value", which is
 * not the same as empty. A view: it does not own. */
typedef struct rdd_str {
    size_t size;
    const char *data;
} rdd_str;

/* Bytes that are not text: printed as base64. */
typedef struct rdd_bytes {
    size_t size;
    const void *data;
} rdd_bytes;

/* RDD_STR("literal"): an rdd_str of a literal, without counting at run time. */
#ifdef __cplusplus
#define RDD_STR(literal) (rdd_str{ sizeof("" literal) - 1, (literal) })
#else
#define RDD_STR(literal) ((rdd_str){ sizeof("" literal) - 1, (literal) })
#endif

typedef enum rdd_kind {
    RDD_KIND_BOOL,
    RDD_KIND_I8,
    RDD_KIND_I16,
    RDD_KIND_I32,
    RDD_KIND_I64,
    RDD_KIND_U8,
    RDD_KIND_U16,
    RDD_KIND_U32,
    RDD_KIND_U64,
    RDD_KIND_FLOAT,
    RDD_KIND_DOUBLE,
    RDD_KIND_STR,
    RDD_KIND_BYTES,
    RDD_KIND_STRUCT,
    RDD_KIND_LIST,     /* { size_t count; const T *items; } */
    RDD_KIND_OPTIONAL, /* { bool has; T value; } */
} rdd_kind;

typedef struct rdd_field {
    const char *name;
    const rdd_type *type;
    size_t offset;
} rdd_field;

/* A type descriptor. Made by the macros below; plain data, constant. Two descriptors are the same
 * type when kind, size, field names and field types agree; their own name does not matter. */
struct rdd_type {
    const char *name;
    rdd_kind kind;
    uint32_t size, align;
    uint32_t field_count;    /* of a struct; an optional has one, its value */
    const rdd_field *fields;
    const rdd_type *item;    /* of a list or an optional */
};

/* RDD_TYPE(T): the descriptor of a described type. For a type that was never described the
 * compiler says: 'rdd_type_T' undeclared. */
#define RDD_TYPE(T) RDD_TYPE_(T)
#define RDD_TYPE_(T) (&rdd_type_##T)

/* The handles behind rdd_emit() and rdd_next() in operators over T, and what holds a call's pointer
 * against T: a function's argument, where both languages look twice. */
#define RDD_HANDLES_(T)                       \
    RDD_UNUSED_ static inline const T *rdd_from_##T(const T *from) \
    {                                         \
        return from;                          \
    }                                         \
    RDD_UNUSED_ static inline T *rdd_into_##T(T *into) \
    {                                         \
        return into;                          \
    }                                         \
    typedef struct rdd_out_##T {              \
        T *next, *end;                        \
        rdd_emitter *emitter;                 \
    } rdd_out_##T;                            \
    typedef struct rdd_in_##T {               \
        const T *next, *end;                  \
        rdd_puller *puller;                   \
    } rdd_in_##T;

#define RDD_SCALAR_(T, KIND)                                                     \
    static const rdd_type rdd_type_##T RDD_UNUSED_ = { #T, KIND, sizeof(T),      \
                                                       __alignof__(T), 0, 0, 0 }; \
    RDD_HANDLES_(T)

/* `bool` may be a macro for _Bool and paste as either: both names are there. */
#define RDD_BOOL_(NAME)                                                                        \
    RDD_UNUSED_ static inline const bool *rdd_from_##NAME(const bool *from)                    \
    {                                                                                          \
        return from;                                                                           \
    }                                                                                          \
    RDD_UNUSED_ static inline bool *rdd_into_##NAME(bool *into)                                \
    {                                                                                          \
        return into;                                                                           \
    }                                                                                          \
    static const rdd_type rdd_type_##NAME RDD_UNUSED_ = { "bool", RDD_KIND_BOOL, sizeof(bool), \
                                                          __alignof__(bool), 0, 0, 0 };        \
    typedef struct rdd_out_##NAME {                                                            \
        bool *next, *end;                                                                      \
        rdd_emitter *emitter;                                                                  \
    } rdd_out_##NAME;                                                                          \
    typedef struct rdd_in_##NAME {                                                             \
        const bool *next, *end;                                                                \
        rdd_puller *puller;                                                                    \
    } rdd_in_##NAME;

RDD_BOOL_(bool)
RDD_BOOL_(_Bool)
RDD_SCALAR_(int8_t, RDD_KIND_I8)
RDD_SCALAR_(int16_t, RDD_KIND_I16)
RDD_SCALAR_(int32_t, RDD_KIND_I32)
RDD_SCALAR_(int64_t, RDD_KIND_I64)
RDD_SCALAR_(uint8_t, RDD_KIND_U8)
RDD_SCALAR_(uint16_t, RDD_KIND_U16)
RDD_SCALAR_(uint32_t, RDD_KIND_U32)
RDD_SCALAR_(uint64_t, RDD_KIND_U64)
RDD_SCALAR_(int, RDD_KIND_I32)
RDD_SCALAR_(size_t, RDD_KIND_U64)
RDD_SCALAR_(float, RDD_KIND_FLOAT)
RDD_SCALAR_(double, RDD_KIND_DOUBLE)
RDD_SCALAR_(rdd_str, RDD_KIND_STR)
RDD_SCALAR_(rdd_bytes, RDD_KIND_BYTES)

/* RDD_STRUCT(S, (T, field), …): defines and describes `typedef struct S { T field; … } S;`, up to
 * 32 fields of described types. The comma inside (T, field) is needed: the compiler has to see the
 * type and the name apart. */
#define RDD_STRUCT(S, ...)                                                                   \
    typedef struct S {                                                                       \
        RDD_EACH_(RDD_MEMBER_, S, __VA_ARGS__)                                               \
    } S;                                                                                     \
    static const rdd_field rdd_fields_##S[] = { RDD_EACH_(RDD_FIELD_, S, __VA_ARGS__) };     \
    static const rdd_type rdd_type_##S RDD_UNUSED_ = {                                       \
        #S, RDD_KIND_STRUCT, sizeof(S), __alignof__(S),                                      \
        sizeof(rdd_fields_##S) / sizeof(rdd_fields_##S[0]), rdd_fields_##S, 0                \
    };                                                                                       \
    RDD_HANDLES_(S)                                                                          \
    typedef S rdd_described_##S

/* RDD_PAIR(S, K, V): a struct { K key; V value; }, what the keyed operators work on. */
#define RDD_PAIR(S, K, V) RDD_STRUCT(S, (K, key), (V, value))

/* RDD_LIST(S, T): struct { size_t count; const T *items; }. */
#define RDD_LIST(S, T)                                                             \
    typedef struct S {                                                             \
        size_t count;                                                              \
        const T *items;                                                            \
    } S;                                                                           \
    static const rdd_type rdd_type_##S RDD_UNUSED_ = { #S, RDD_KIND_LIST, sizeof(S), \
                                                       __alignof__(S), 0, 0, RDD_TYPE(T) }; \
    RDD_HANDLES_(S)                                                                \
    typedef S rdd_described_##S

/* RDD_OPTIONAL(S, T): struct { bool has; T value; }. An empty CSV cell and a JSON null read as
 * absent; absent prints as null. */
#define RDD_OPTIONAL(S, T)                                                             \
    typedef struct S {                                                                 \
        bool has;                                                                      \
        T value;                                                                       \
    } S;                                                                               \
    static const rdd_field rdd_fields_##S[] = { { "value", RDD_TYPE(T), offsetof(S, value) } }; \
    static const rdd_type rdd_type_##S RDD_UNUSED_ = {                                 \
        #S, RDD_KIND_OPTIONAL, sizeof(S), __alignof__(S), 1, rdd_fields_##S, RDD_TYPE(T) \
    };                                                                                 \
    RDD_HANDLES_(S)                                                                    \
    typedef S rdd_described_##S

#define RDD_MEMBER_(S, pair) RDD_MEMBER_PAIR_ pair
#define RDD_MEMBER_PAIR_(T, field) T field;
#define RDD_FIELD_(S, pair) \
    { RDD_FIELD_NAME_ pair, RDD_FIELD_TYPE_ pair, RDD_FIELD_AT_(S, RDD_FIELD_ID_ pair) },
#define RDD_FIELD_NAME_(T, field) #field
#define RDD_FIELD_TYPE_(T, field) RDD_TYPE(T)
#define RDD_FIELD_ID_(T, field) field
#define RDD_FIELD_AT_(S, field) offsetof(S, field)

/* RDD_EACH_(m, c, a1, a2, …): m(c, a1) m(c, a2) … */
#define RDD_EACH_(m, c, ...) RDD_EACH_PICK_(RDD_COUNT_(__VA_ARGS__))(m, c, __VA_ARGS__)
#define RDD_EACH_PICK_(n) RDD_EACH_PICK2_(n)
#define RDD_EACH_PICK2_(n) RDD_EACH_##n##_
#define RDD_COUNT_(...)                                                                           \
    RDD_COUNT2_(__VA_ARGS__, 32, 31, 30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,  \
                15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define RDD_COUNT2_(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17,   \
                    a18, a19, a20, a21, a22, a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, n, \
                    ...)                                                                          \
    n
#define RDD_EACH_1_(m, c, a) m(c, a)
#define RDD_EACH_2_(m, c, a, ...) m(c, a) RDD_EACH_1_(m, c, __VA_ARGS__)
#define RDD_EACH_3_(m, c, a, ...) m(c, a) RDD_EACH_2_(m, c, __VA_ARGS__)
#define RDD_EACH_4_(m, c, a, ...) m(c, a) RDD_EACH_3_(m, c, __VA_ARGS__)
#define RDD_EACH_5_(m, c, a, ...) m(c, a) RDD_EACH_4_(m, c, __VA_ARGS__)
#define RDD_EACH_6_(m, c, a, ...) m(c, a) RDD_EACH_5_(m, c, __VA_ARGS__)
#define RDD_EACH_7_(m, c, a, ...) m(c, a) RDD_EACH_6_(m, c, __VA_ARGS__)
#define RDD_EACH_8_(m, c, a, ...) m(c, a) RDD_EACH_7_(m, c, __VA_ARGS__)
#define RDD_EACH_9_(m, c, a, ...) m(c, a) RDD_EACH_8_(m, c, __VA_ARGS__)
#define RDD_EACH_10_(m, c, a, ...) m(c, a) RDD_EACH_9_(m, c, __VA_ARGS__)
#define RDD_EACH_11_(m, c, a, ...) m(c, a) RDD_EACH_10_(m, c, __VA_ARGS__)
#define RDD_EACH_12_(m, c, a, ...) m(c, a) RDD_EACH_11_(m, c, __VA_ARGS__)
#define RDD_EACH_13_(m, c, a, ...) m(c, a) RDD_EACH_12_(m, c, __VA_ARGS__)
#define RDD_EACH_14_(m, c, a, ...) m(c, a) RDD_EACH_13_(m, c, __VA_ARGS__)
#define RDD_EACH_15_(m, c, a, ...) m(c, a) RDD_EACH_14_(m, c, __VA_ARGS__)
#define RDD_EACH_16_(m, c, a, ...) m(c, a) RDD_EACH_15_(m, c, __VA_ARGS__)
#define RDD_EACH_17_(m, c, a, ...) m(c, a) RDD_EACH_16_(m, c, __VA_ARGS__)
#define RDD_EACH_18_(m, c, a, ...) m(c, a) RDD_EACH_17_(m, c, __VA_ARGS__)
#define RDD_EACH_19_(m, c, a, ...) m(c, a) RDD_EACH_18_(m, c, __VA_ARGS__)
#define RDD_EACH_20_(m, c, a, ...) m(c, a) RDD_EACH_19_(m, c, __VA_ARGS__)
#define RDD_EACH_21_(m, c, a, ...) m(c, a) RDD_EACH_20_(m, c, __VA_ARGS__)
#define RDD_EACH_22_(m, c, a, ...) m(c, a) RDD_EACH_21_(m, c, __VA_ARGS__)
#define RDD_EACH_23_(m, c, a, ...) m(c, a) RDD_EACH_22_(m, c, __VA_ARGS__)
#define RDD_EACH_24_(m, c, a, ...) m(c, a) RDD_EACH_23_(m, c, __VA_ARGS__)
#define RDD_EACH_25_(m, c, a, ...) m(c, a) RDD_EACH_24_(m, c, __VA_ARGS__)
#define RDD_EACH_26_(m, c, a, ...) m(c, a) RDD_EACH_25_(m, c, __VA_ARGS__)
#define RDD_EACH_27_(m, c, a, ...) m(c, a) RDD_EACH_26_(m, c, __VA_ARGS__)
#define RDD_EACH_28_(m, c, a, ...) m(c, a) RDD_EACH_27_(m, c, __VA_ARGS__)
#define RDD_EACH_29_(m, c, a, ...) m(c, a) RDD_EACH_28_(m, c, __VA_ARGS__)
#define RDD_EACH_30_(m, c, a, ...) m(c, a) RDD_EACH_29_(m, c, __VA_ARGS__)
#define RDD_EACH_31_(m, c, a, ...) m(c, a) RDD_EACH_30_(m, c, __VA_ARGS__)
#define RDD_EACH_32_(m, c, a, ...) m(c, a) RDD_EACH_31_(m, c, __VA_ARGS__)

/* Rows: named text cells, whose columns may differ from row to row. */
RDD_STRUCT(rdd_cell, (rdd_str, name), (rdd_str, text));
RDD_LIST(rdd_row, rdd_cell);

/* What rdd_whole_text_files() and rdd_binary_files() give: a path and the file's content. */
RDD_PAIR(rdd_text_of_file, rdd_str, rdd_str);
RDD_PAIR(rdd_bytes_of_file, rdd_str, rdd_bytes);

/* ---- operators ---------------------------------------------------------------------------- */

/* What an operator knows of the task that runs it. The one public member is the library's. */
typedef struct rdd_task {
    int rdd_stop_; /* this record failed, or the batch holds enough bytes */
} rdd_task;

typedef enum rdd_op_kind {
    RDD_OP_MAP,
    RDD_OP_FILTER,
    RDD_OP_FLAT_MAP,
    RDD_OP_REDUCE,
    RDD_OP_AGGREGATE,
    RDD_OP_MAP_PARTITIONS,
    RDD_OP_ZIP_PARTITIONS,
    RDD_OP_FOREACH,
    RDD_OP_FOREACH_PARTITION,
    RDD_OP_ORDER,
} rdd_op_kind;

typedef void (*rdd_op_code)(void); /* cast to the batch function of the kind before a call */

/* An operator, as its macro defined it. Static data; the last three members are filled in when it
 * registers itself, before main. */
struct rdd_op {
    const char *name, *file;
    int line;
    rdd_op_kind kind;
    const rdd_type *in, *in2, *out, *env; /* NULL where the kind has none */
    rdd_op_code code;
    rdd_op *next;
    uint32_t module, index;
};

/* One handle type for each kind: a reducer given to rdd_map() does not compile. */
typedef struct rdd_map_op { const rdd_op *op; const void *env; } rdd_map_op;
typedef struct rdd_filter_op { const rdd_op *op; const void *env; } rdd_filter_op;
typedef struct rdd_flat_map_op { const rdd_op *op; const void *env; } rdd_flat_map_op;
typedef struct rdd_reduce_op { const rdd_op *op; const void *env; } rdd_reduce_op;
typedef struct rdd_aggregate_op { const rdd_op *op; const void *env; } rdd_aggregate_op;
typedef struct rdd_map_partitions_op { const rdd_op *op; const void *env; } rdd_map_partitions_op;
typedef struct rdd_zip_partitions_op { const rdd_op *op; const void *env; } rdd_zip_partitions_op;
typedef struct rdd_foreach_op { const rdd_op *op; const void *env; } rdd_foreach_op;
typedef struct rdd_foreach_partition_op { const rdd_op *op; const void *env; } rdd_foreach_partition_op;
typedef struct rdd_order_op { const rdd_op *op; const void *env; } rdd_order_op;

/* Called by the macros; not for direct use. */
RDD_PUBLIC void rdd_op_register_(rdd_op *op);
RDD_PUBLIC const void *rdd_env_keep_(const rdd_op *op, const void *env);

/* What an operator without an env has as its env. */
typedef struct rdd_no_env { char rdd_unused_; } rdd_no_env;

/* RDD_WITH(op, .field = value, …): the operator with its env, checked field by field. The env is
 * copied, with the strings and lists in it, so the handle may be returned and kept like any value, until
 * rdd_finish(). From any thread. */
#ifdef __cplusplus
#define RDD_WITH(op, ...) op##_rdd_with(op##_rdd_env{ __VA_ARGS__ })
#define RDD_WITH_PARAM_(Env) const Env &
#define RDD_WITH_ADDRESS_(e) (&(e))
#else
#define RDD_WITH(op, ...) op##_rdd_with(&(op##_rdd_env){ __VA_ARGS__ })
#define RDD_WITH_PARAM_(Env) const Env *
#define RDD_WITH_ADDRESS_(e) (e)
#endif

#ifdef __OPTIMIZE__
#define RDD_BODY_ RDD_UNUSED_ static inline __attribute__((always_inline))
#else
#define RDD_BODY_ RDD_UNUSED_ static inline
#endif

/* Before a loop over a batch that ends when rdd_stop_ is set, and where it never is: the compiler then
 * knows that it stays so in a body that calls nothing, and the loop does not ask again. */
#define RDD_MAY_GO_ON_(task)  \
    if ((task)->rdd_stop_)    \
        return 0;             \
    RDD_UNROLL_
#if defined __GNUC__ && !defined __clang__
#define RDD_UNROLL_ _Pragma("GCC unroll 4")
#else
#define RDD_UNROLL_
#endif

/* The static operator, its handle `name`, its binding of an env, and its registration. */
#define RDD_OPERATOR_(name, KIND, handle, in, in2, out, Env, env)                            \
    static rdd_op name##_rdd_op = { #name, __FILE__, __LINE__, KIND, in, in2, out, env,      \
                                    (rdd_op_code)name##_rdd_batch, 0, 0, 0 };                \
    static const handle name RDD_UNUSED_ = { &name##_rdd_op, 0 };                            \
    typedef Env name##_rdd_env RDD_UNUSED_;                                                  \
    RDD_UNUSED_ static inline handle name##_rdd_with(RDD_WITH_PARAM_(Env) env_)              \
    {                                                                                        \
        handle bound_ = { &name##_rdd_op,                                                    \
                          rdd_env_keep_(&name##_rdd_op, RDD_WITH_ADDRESS_(env_)) };          \
        return bound_;                                                                       \
    }                                                                                        \
    __attribute__((constructor)) static void name##_rdd_register(void)                       \
    {                                                                                        \
        rdd_op_register_(&name##_rdd_op);                                                    \
    }

/* RDD_CHOOSE_(MACRO, last…): MACRO##1_ or MACRO##2_ by how many arguments are left: with an env or
 * without. The trailing comma keeps `...` from being empty, which gnu11 -Wpedantic dislikes. */
#define RDD_ENV_PICK_(a, b, c, ...) c
#define RDD_CHOOSE_(MACRO, ...) RDD_PASTE_(MACRO, RDD_ENV_PICK_(__VA_ARGS__, ENV_, PLAIN_, ))
#define RDD_PASTE_(a, b) RDD_PASTE2_(a, b)
#define RDD_PASTE2_(a, b) a##b

/* RDD_MAP(name, In, in, Out [, Env]) { return …; }: one Out for each In.
 * In every body `task` and `env` are there by name. */
#define RDD_MAP(name, In, in, ...) RDD_CHOOSE_(RDD_MAP_, __VA_ARGS__)(name, In, in, __VA_ARGS__)
#define RDD_MAP_PLAIN_(name, In, in, Out) RDD_MAP_IMPL_(name, In, in, Out, rdd_no_env, 0)
#define RDD_MAP_ENV_(name, In, in, Out, Env) RDD_MAP_IMPL_(name, In, in, Out, Env, RDD_TYPE(Env))
#define RDD_MAP_IMPL_(name, In, in, Out, Env, env_type)                                       \
    RDD_BODY_ Out name##_rdd(rdd_task *, const Env *, In);                                    \
    static size_t name##_rdd_batch(rdd_task *task_, const void *env_, const void *in_,        \
                                   size_t count_, void *out_)                                 \
    {                                                                                         \
        const In *from_ = (const In *)in_;                                                    \
        Out *to_ = (Out *)out_;                                                               \
        size_t i_ = 0;                                                                        \
        RDD_MAY_GO_ON_(task_)                                                                 \
        while (i_ < count_) {                                                                 \
            to_[i_] = name##_rdd(task_, (const Env *)env_, from_[i_]);                        \
            i_++;                                                                             \
            if (__builtin_expect(task_->rdd_stop_, 0))                                        \
                break;                                                                        \
        }                                                                                     \
        return i_;                                                                            \
    }                                                                                         \
    RDD_OPERATOR_(name, RDD_OP_MAP, rdd_map_op, RDD_TYPE(In), 0, RDD_TYPE(Out), Env, env_type) \
    RDD_BODY_ Out name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_, In in)

/* RDD_FILTER(name, In, in [, Env]) { return keep it?; } */
#define RDD_FILTER(name, In, ...) RDD_CHOOSE_(RDD_FILTER_, __VA_ARGS__)(name, In, __VA_ARGS__)
#define RDD_FILTER_PLAIN_(name, In, in) RDD_FILTER_IMPL_(name, In, in, rdd_no_env, 0)
#define RDD_FILTER_ENV_(name, In, in, Env) RDD_FILTER_IMPL_(name, In, in, Env, RDD_TYPE(Env))
#define RDD_FILTER_IMPL_(name, In, in, Env, env_type)                                        \
    RDD_BODY_ bool name##_rdd(rdd_task *, const Env *, In);                                  \
    static size_t name##_rdd_batch(rdd_task *task_, const void *env_, const void *in_,       \
                                   size_t count_, void *out_, size_t *ret_kept_)             \
    {                                                                                        \
        const In *from_ = (const In *)in_;                                                   \
        In *to_ = (In *)out_;                                                                \
        size_t i_ = 0, kept_ = 0;                                                            \
        RDD_MAY_GO_ON_(task_)                                                                \
        while (i_ < count_) {                                                                \
            bool keep_ = name##_rdd(task_, (const Env *)env_, from_[i_]);                    \
            to_[kept_] = from_[i_];                                                          \
            kept_ += keep_;                                                                  \
            i_++;                                                                            \
            if (__builtin_expect(task_->rdd_stop_, 0))                                       \
                break;                                                                       \
        }                                                                                    \
        *ret_kept_ = kept_;                                                                  \
        return i_;                                                                           \
    }                                                                                        \
    RDD_OPERATOR_(name, RDD_OP_FILTER, rdd_filter_op, RDD_TYPE(In), 0, 0, Env, env_type)     \
    RDD_BODY_ bool name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_, In in)

/* RDD_FLAT_MAP(name, In, in, Out [, Env]) { rdd_emit(…); … }: any number of Out for each In. */
#define RDD_FLAT_MAP(name, In, in, ...) \
    RDD_CHOOSE_(RDD_FLAT_MAP_, __VA_ARGS__)(name, In, in, __VA_ARGS__)
#define RDD_FLAT_MAP_PLAIN_(name, In, in, Out) RDD_FLAT_MAP_IMPL_(name, In, in, Out, rdd_no_env, 0)
#define RDD_FLAT_MAP_ENV_(name, In, in, Out, Env) \
    RDD_FLAT_MAP_IMPL_(name, In, in, Out, Env, RDD_TYPE(Env))
#define RDD_FLAT_MAP_IMPL_(name, In, in, Out, Env, env_type)                                    \
    RDD_BODY_ void name##_rdd(rdd_task *, const Env *, In, rdd_out_##Out *);                    \
    static size_t name##_rdd_batch(rdd_task *task_, const void *env_, const void *in_,          \
                                   size_t count_, rdd_emitter *emitter_)                        \
    {                                                                                           \
        const In *from_ = (const In *)in_;                                                      \
        void *end_;                                                                             \
        rdd_out_##Out to_;                                                                      \
        to_.next = (Out *)rdd_emit_begin_(emitter_, &end_);                                     \
        to_.end = (Out *)end_;                                                                  \
        to_.emitter = emitter_;                                                                 \
        size_t i_ = 0;                                                                          \
        while (i_ < count_) {                                                                   \
            name##_rdd(task_, (const Env *)env_, from_[i_], &to_);                              \
            i_++;                                                                               \
            if (__builtin_expect(to_.next == to_.end || task_->rdd_stop_, 0))                   \
                break;                                                                          \
        }                                                                                       \
        rdd_emit_end_(emitter_, to_.next);                                                      \
        return i_;                                                                              \
    }                                                                                           \
    RDD_OPERATOR_(name, RDD_OP_FLAT_MAP, rdd_flat_map_op, RDD_TYPE(In), 0, RDD_TYPE(Out), Env,  \
                  env_type)                                                                     \
    RDD_BODY_ void name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_, In in,    \
                              rdd_out_##Out *out RDD_UNUSED_)

/* RDD_REDUCE(name, T, a, b [, Env]) { return a + b; }: associative; elements are combined in
 * partition order, so it need not be commutative. */
#define RDD_REDUCE(name, T, a, ...) RDD_CHOOSE_(RDD_REDUCE_, __VA_ARGS__)(name, T, a, __VA_ARGS__)
#define RDD_REDUCE_PLAIN_(name, T, a, b) RDD_REDUCE_IMPL_(name, T, a, b, rdd_no_env, 0)
#define RDD_REDUCE_ENV_(name, T, a, b, Env) RDD_REDUCE_IMPL_(name, T, a, b, Env, RDD_TYPE(Env))
#define RDD_REDUCE_IMPL_(name, T, a, b, Env, env_type)                                          \
    RDD_BODY_ T name##_rdd(rdd_task *, const Env *, T, T);                                      \
    static size_t name##_rdd_batch(rdd_task *task_, const void *env_, void *acc_,               \
                                   const void *in_, size_t count_)                              \
    {                                                                                           \
        const T *from_ = (const T *)in_;                                                        \
        T so_far_ = *(T *)acc_;                                                                 \
        size_t i_ = 0;                                                                          \
        RDD_MAY_GO_ON_(task_)                                                                   \
        while (i_ < count_) {                                                                   \
            so_far_ = name##_rdd(task_, (const Env *)env_, so_far_, from_[i_]);                 \
            i_++;                                                                               \
            if (__builtin_expect(task_->rdd_stop_, 0))                                          \
                break;                                                                          \
        }                                                                                       \
        *(T *)acc_ = so_far_;                                                                   \
        return i_;                                                                              \
    }                                                                                           \
    RDD_OPERATOR_(name, RDD_OP_REDUCE, rdd_reduce_op, RDD_TYPE(T), 0, RDD_TYPE(T), Env, env_type) \
    RDD_BODY_ T name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_, T a, T b)

/* RDD_AGGREGATE(name, Acc, acc, In, in [, Env]) { acc->sum += in; }: takes one In into *acc.
 * What acc points to from outside the accumulator must come from rdd_alloc() or rdd_keep(). */
#define RDD_AGGREGATE(name, Acc, acc, In, ...) \
    RDD_CHOOSE_(RDD_AGGREGATE_, __VA_ARGS__)(name, Acc, acc, In, __VA_ARGS__)
#define RDD_AGGREGATE_PLAIN_(name, Acc, acc, In, in) \
    RDD_AGGREGATE_IMPL_(name, Acc, acc, In, in, rdd_no_env, 0)
#define RDD_AGGREGATE_ENV_(name, Acc, acc, In, in, Env) \
    RDD_AGGREGATE_IMPL_(name, Acc, acc, In, in, Env, RDD_TYPE(Env))
#define RDD_AGGREGATE_IMPL_(name, Acc, acc, In, in, Env, env_type)                             \
    RDD_BODY_ void name##_rdd(rdd_task *, const Env *, Acc *, In);                             \
    static size_t name##_rdd_batch(rdd_task *task_, const void *env_, void *acc_,              \
                                   const void *in_, size_t count_)                             \
    {                                                                                          \
        const In *from_ = (const In *)in_;                                                     \
        size_t i_ = 0;                                                                         \
        RDD_MAY_GO_ON_(task_)                                                                  \
        while (i_ < count_) {                                                                  \
            name##_rdd(task_, (const Env *)env_, (Acc *)acc_, from_[i_]);                      \
            i_++;                                                                              \
            if (__builtin_expect(task_->rdd_stop_, 0))                                         \
                break;                                                                         \
        }                                                                                      \
        return i_;                                                                             \
    }                                                                                          \
    RDD_OPERATOR_(name, RDD_OP_AGGREGATE, rdd_aggregate_op, RDD_TYPE(In), 0, RDD_TYPE(Acc),    \
                  Env, env_type)                                                               \
    RDD_BODY_ void name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_, Acc *acc, In in)

/* RDD_MAP_PARTITIONS(name, In, in, Out [, Env])
 *     { for (In x; rdd_next(in, &x); ) rdd_emit(…); }: a whole partition at a time.
 * rdd_partition_index(task) tells which. */
#define RDD_MAP_PARTITIONS(name, In, in, ...) \
    RDD_CHOOSE_(RDD_MAP_PARTITIONS_, __VA_ARGS__)(name, In, in, __VA_ARGS__)
#define RDD_MAP_PARTITIONS_PLAIN_(name, In, in, Out) \
    RDD_MAP_PARTITIONS_IMPL_(name, In, in, Out, rdd_no_env, 0)
#define RDD_MAP_PARTITIONS_ENV_(name, In, in, Out, Env) \
    RDD_MAP_PARTITIONS_IMPL_(name, In, in, Out, Env, RDD_TYPE(Env))
#define RDD_MAP_PARTITIONS_IMPL_(name, In, in, Out, Env, env_type)                              \
    RDD_BODY_ void name##_rdd(rdd_task *, const Env *, rdd_in_##In *, rdd_out_##Out *);         \
    static void name##_rdd_batch(rdd_task *task_, const void *env_, rdd_puller *puller_,        \
                                 rdd_emitter *emitter_)                                         \
    {                                                                                           \
        void *end_;                                                                             \
        rdd_in_##In from_ = { 0, 0, puller_ };                                                  \
        rdd_out_##Out to_;                                                                      \
        to_.next = (Out *)rdd_emit_begin_(emitter_, &end_);                                     \
        to_.end = (Out *)end_;                                                                  \
        to_.emitter = emitter_;                                                                 \
        rdd_pull_attach_(puller_, &from_);                                                      \
        rdd_emit_attach_(emitter_, &to_);                                                       \
        name##_rdd(task_, (const Env *)env_, &from_, &to_);                                     \
        rdd_emit_end_(emitter_, to_.next);                                                      \
    }                                                                                           \
    RDD_OPERATOR_(name, RDD_OP_MAP_PARTITIONS, rdd_map_partitions_op, RDD_TYPE(In), 0,          \
                  RDD_TYPE(Out), Env, env_type)                                                 \
    RDD_BODY_ void name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_,           \
                              rdd_in_##In *in RDD_UNUSED_, rdd_out_##Out *out RDD_UNUSED_)

/* RDD_ZIP_PARTITIONS(name, A, a, B, b, Out [, Env]): two partitions side by side. */
#define RDD_ZIP_PARTITIONS(name, A, a, B, b, ...) \
    RDD_CHOOSE_(RDD_ZIP_PARTITIONS_, __VA_ARGS__)(name, A, a, B, b, __VA_ARGS__)
#define RDD_ZIP_PARTITIONS_PLAIN_(name, A, a, B, b, Out) \
    RDD_ZIP_PARTITIONS_IMPL_(name, A, a, B, b, Out, rdd_no_env, 0)
#define RDD_ZIP_PARTITIONS_ENV_(name, A, a, B, b, Out, Env) \
    RDD_ZIP_PARTITIONS_IMPL_(name, A, a, B, b, Out, Env, RDD_TYPE(Env))
#define RDD_ZIP_PARTITIONS_IMPL_(name, A, a, B, b, Out, Env, env_type)                          \
    RDD_BODY_ void name##_rdd(rdd_task *, const Env *, rdd_in_##A *, rdd_in_##B *,              \
                              rdd_out_##Out *);                                                 \
    static void name##_rdd_batch(rdd_task *task_, const void *env_, rdd_puller *puller_a_,      \
                                 rdd_puller *puller_b_, rdd_emitter *emitter_)                  \
    {                                                                                           \
        void *end_;                                                                             \
        rdd_in_##A from_a_ = { 0, 0, puller_a_ };                                               \
        rdd_in_##B from_b_ = { 0, 0, puller_b_ };                                               \
        rdd_out_##Out to_;                                                                      \
        to_.next = (Out *)rdd_emit_begin_(emitter_, &end_);                                     \
        to_.end = (Out *)end_;                                                                  \
        to_.emitter = emitter_;                                                                 \
        rdd_pull_attach_(puller_a_, &from_a_);                                                  \
        rdd_pull_attach_(puller_b_, &from_b_);                                                  \
        rdd_emit_attach_(emitter_, &to_);                                                       \
        name##_rdd(task_, (const Env *)env_, &from_a_, &from_b_, &to_);                         \
        rdd_emit_end_(emitter_, to_.next);                                                      \
    }                                                                                           \
    RDD_OPERATOR_(name, RDD_OP_ZIP_PARTITIONS, rdd_zip_partitions_op, RDD_TYPE(A), RDD_TYPE(B), \
                  RDD_TYPE(Out), Env, env_type)                                                 \
    RDD_BODY_ void name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_,           \
                              rdd_in_##A *a RDD_UNUSED_, rdd_in_##B *b RDD_UNUSED_,             \
                              rdd_out_##Out *out RDD_UNUSED_)

/* RDD_FOREACH(name, In, in [, Env]) { …; }: a side effect for each element. */
#define RDD_FOREACH(name, In, ...) RDD_CHOOSE_(RDD_FOREACH_, __VA_ARGS__)(name, In, __VA_ARGS__)
#define RDD_FOREACH_PLAIN_(name, In, in) RDD_FOREACH_IMPL_(name, In, in, rdd_no_env, 0)
#define RDD_FOREACH_ENV_(name, In, in, Env) RDD_FOREACH_IMPL_(name, In, in, Env, RDD_TYPE(Env))
#define RDD_FOREACH_IMPL_(name, In, in, Env, env_type)                                       \
    RDD_BODY_ void name##_rdd(rdd_task *, const Env *, In);                                  \
    static size_t name##_rdd_batch(rdd_task *task_, const void *env_, const void *in_,       \
                                   size_t count_)                                            \
    {                                                                                        \
        const In *from_ = (const In *)in_;                                                   \
        size_t i_ = 0;                                                                       \
        RDD_MAY_GO_ON_(task_)                                                                \
        while (i_ < count_) {                                                                \
            name##_rdd(task_, (const Env *)env_, from_[i_]);                                 \
            i_++;                                                                            \
            if (__builtin_expect(task_->rdd_stop_, 0))                                       \
                break;                                                                       \
        }                                                                                    \
        return i_;                                                                           \
    }                                                                                        \
    RDD_OPERATOR_(name, RDD_OP_FOREACH, rdd_foreach_op, RDD_TYPE(In), 0, 0, Env, env_type)   \
    RDD_BODY_ void name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_, In in)

/* RDD_FOREACH_PARTITION(name, In, in [, Env]) { for (In x; rdd_next(in, &x); ) …; } */
#define RDD_FOREACH_PARTITION(name, In, ...) \
    RDD_CHOOSE_(RDD_FOREACH_PARTITION_, __VA_ARGS__)(name, In, __VA_ARGS__)
#define RDD_FOREACH_PARTITION_PLAIN_(name, In, in) \
    RDD_FOREACH_PARTITION_IMPL_(name, In, in, rdd_no_env, 0)
#define RDD_FOREACH_PARTITION_ENV_(name, In, in, Env) \
    RDD_FOREACH_PARTITION_IMPL_(name, In, in, Env, RDD_TYPE(Env))
#define RDD_FOREACH_PARTITION_IMPL_(name, In, in, Env, env_type)                                \
    RDD_BODY_ void name##_rdd(rdd_task *, const Env *, rdd_in_##In *);                          \
    static void name##_rdd_batch(rdd_task *task_, const void *env_, rdd_puller *puller_)        \
    {                                                                                           \
        rdd_in_##In from_ = { 0, 0, puller_ };                                                  \
        rdd_pull_attach_(puller_, &from_);                                                      \
        name##_rdd(task_, (const Env *)env_, &from_);                                           \
    }                                                                                           \
    RDD_OPERATOR_(name, RDD_OP_FOREACH_PARTITION, rdd_foreach_partition_op, RDD_TYPE(In), 0, 0, \
                  Env, env_type)                                                                \
    RDD_BODY_ void name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_,           \
                              rdd_in_##In *in RDD_UNUSED_)

/* RDD_ORDER(name, T, a, b [, Env]) { return <0, 0 or >0; }: a total order. */
#define RDD_ORDER(name, T, a, ...) RDD_CHOOSE_(RDD_ORDER_, __VA_ARGS__)(name, T, a, __VA_ARGS__)
#define RDD_ORDER_PLAIN_(name, T, a, b) RDD_ORDER_IMPL_(name, T, a, b, rdd_no_env, 0)
#define RDD_ORDER_ENV_(name, T, a, b, Env) RDD_ORDER_IMPL_(name, T, a, b, Env, RDD_TYPE(Env))
#define RDD_ORDER_IMPL_(name, T, a, b, Env, env_type)                                           \
    RDD_BODY_ int name##_rdd(rdd_task *, const Env *, T, T);                                    \
    static int name##_rdd_batch(rdd_task *task_, const void *env_, const void *a_,              \
                                const void *b_)                                                 \
    {                                                                                           \
        return name##_rdd(task_, (const Env *)env_, *(const T *)a_, *(const T *)b_);            \
    }                                                                                           \
    RDD_OPERATOR_(name, RDD_OP_ORDER, rdd_order_op, RDD_TYPE(T), 0, 0, Env, env_type)           \
    RDD_BODY_ int name##_rdd(rdd_task *task RDD_UNUSED_, const Env *env RDD_UNUSED_, T a, T b)

/* ---- inside an operator ------------------------------------------------------------------- */

/* rdd_emit(value): gives one element of the operator's output type, checked by the compiler.
 * rdd_emit_to(out, value): the same in a helper that was handed `rdd_out_T *out`. The value is
 * copied; what it points to lives as lifetime rule 1 says. In a partition operator the call may
 * suspend the operator until the consumer took what is there. */
#define rdd_emit(...) rdd_emit_to(out, __VA_ARGS__)
#define rdd_emit_to(out_, ...)                                                              \
    do {                                                                                    \
        if (__builtin_expect((out_)->next == (out_)->end, 0)) {                             \
            void *rdd_end_;                                                                 \
            (out_)->next = (__typeof__((out_)->next))rdd_emit_more_((out_)->emitter,        \
                                                                    (out_)->next, &rdd_end_); \
            (out_)->end = (__typeof__((out_)->end))rdd_end_;                                \
        }                                                                                   \
        *(out_)->next = __VA_ARGS__;                                                        \
        (out_)->next++;                                                                     \
    } while (0)
RDD_PUBLIC void *rdd_emit_begin_(rdd_emitter *emitter, void **ret_end);
RDD_PUBLIC void *rdd_emit_more_(rdd_emitter *emitter, void *next, void **ret_end);
RDD_PUBLIC void rdd_emit_end_(rdd_emitter *emitter, void *next);

/* bool rdd_next(rdd_in_T *in, T *ret): the partition's next element into *ret; false at the end
 * and after a failure. The element is valid until the next call. */
#define rdd_next(in_, ret_)                                                                  \
    (__extension__({                                                                         \
        bool rdd_has_ = (in_)->next != (in_)->end;                                           \
        if (__builtin_expect(!rdd_has_, 0)) {                                                \
            const void *rdd_end_;                                                            \
            (in_)->next = (__typeof__((in_)->next))rdd_pull_more_((in_)->puller, &rdd_end_); \
            (in_)->end = (__typeof__((in_)->end))rdd_end_;                                   \
            rdd_has_ = (in_)->next != (in_)->end;                                            \
        }                                                                                    \
        if (rdd_has_)                                                                        \
            *(ret_) = *(in_)->next++;                                                        \
        rdd_has_;                                                                            \
    }))
RDD_PUBLIC const void *rdd_pull_more_(rdd_puller *puller, const void **ret_end);

/* Where a partition operator keeps its cursors, so that its output is handed over before its input
 * moves on, and a failure names the record. */
RDD_PUBLIC void rdd_emit_attach_(rdd_emitter *emitter, void *cursor);
RDD_PUBLIC void rdd_pull_attach_(rdd_puller *puller, void *cursor);

/* Fails this record, with a reason for a person. Sticky: the first reason counts; what the
 * operator returns is ignored. The task is tried again elsewhere (task.attempts_max); the job's
 * error names the operator, its line, the partition and shows the record. Where the driver merges
 * partial values there is no record and no second try. */
RDD_PUBLIC void rdd_fail(rdd_task *task, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* `size` bytes, 16-byte aligned, that live as long as the element being made. NULL when memory is
 * out, and then the record has failed. An operator that emits may hold task.budget for one record, and
 * one over a partition of all that rule 2 above keeps: past that it has failed, new text is empty, and
 * NULL comes here after as much again. */
RDD_PUBLIC void *rdd_alloc(rdd_task *task, size_t size);

/* A copy of `s` that lives to the end of the task; no value stays no value. Out of memory the record
 * has failed and the copy is empty; so for the functions below. */
RDD_PUBLIC rdd_str rdd_keep(rdd_task *task, rdd_str s);

/* New text that lives as long as the element being made. */
RDD_PUBLIC rdd_str rdd_str_concat(rdd_task *task, rdd_str a, rdd_str b);
RDD_PUBLIC rdd_str rdd_format(rdd_task *task, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Which partition of its RDD the operator computes, from 0; and the task's attempt, from 0. */
RDD_PUBLIC int64_t rdd_partition_index(rdd_task *task);
RDD_PUBLIC int rdd_attempt(rdd_task *task);

/* Whether the job was cancelled: a long computation should look now and then, and return. */
RDD_PUBLIC bool rdd_cancelled(rdd_task *task);

/* Adds to a counter by name. Counters of a partition are merged when its first successful attempt
 * is accepted, so retries do not count twice; read them with rdd_counter() on the driver. The name is
 * copied. What records count that are stopped because nobody wants them any more (rdd_take with
 * .concurrency) is left out. */
RDD_PUBLIC void rdd_count_up(rdd_task *task, const char *name, int64_t by);

/* ---- text --------------------------------------------------------------------------------- */

static inline rdd_str rdd_str_of(const char *text)
{
    rdd_str s = { text ? strlen(text) : 0, text };
    return s;
}

static inline bool rdd_str_equal(rdd_str a, rdd_str b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* <0, 0, >0 in byte order; no value sorts before empty. */
RDD_PUBLIC int rdd_str_compare(rdd_str a, rdd_str b);

/* Takes the next word off *rest: the bytes between white space (space, \t, \n, \v, \f, \r). False
 * when there is none. */
RDD_PUBLIC bool rdd_str_next_word(rdd_str *rest, rdd_str *ret);

/* Takes the next field off *rest, up to `separator`, which is dropped. False at the end. */
RDD_PUBLIC bool rdd_str_next_field(rdd_str *rest, char separator, rdd_str *ret);

/* The whole of `s` as a number, with a sign or without, or false: no white space, no overflow. */
RDD_PUBLIC bool rdd_str_to_int64(rdd_str s, int64_t *ret);
RDD_PUBLIC bool rdd_str_to_double(rdd_str s, double *ret);

/* ---- rows and JSON ------------------------------------------------------------------------ */

/* The text of the column `name`; data is NULL when there is no such cell. */
RDD_PUBLIC rdd_str rdd_row_get(rdd_row row, const char *name);

/* `row` with the column set: its cell replaced, or one added at the end. */
RDD_PUBLIC rdd_row rdd_row_set(rdd_task *task, rdd_row row, rdd_str name, rdd_str text);

/* The cells of `a`, then those of `b`. */
RDD_PUBLIC rdd_row rdd_row_concat(rdd_task *task, rdd_row a, rdd_row b);

/* A JSON object as a row, its top-level fields in their order; strings as they are, null as no
 * value, everything else as JSON text (numbers exactly as they were written). Fails the record when
 * the text is not a JSON object or nests deeper than 64. */
RDD_PUBLIC rdd_row rdd_row_from_json(rdd_task *task, rdd_str json);

/* The same without failing: false, and *ret_reason (may be NULL) says why. */
RDD_PUBLIC bool rdd_row_try_json(rdd_task *task, rdd_str json, rdd_row *ret, rdd_str *ret_reason);

/* A value of any described type from JSON text, as rdd_json_lines() reads it: objects fill structs by field
 * name and arrays lists; what a struct has no field for is passed over, and a field that is not there is an
 * error, but for an RDD_OPTIONAL and text. Fails the record when the text is no such value. */
#define rdd_from_json(task, T, json)                           \
    (__extension__({                                           \
        T rdd_j_;                                              \
        memset((void *)&rdd_j_, 0, sizeof rdd_j_);             \
        (rdd_from_json)((task), RDD_TYPE(T), (json), &rdd_j_); \
        rdd_j_;                                                \
    }))
RDD_PUBLIC bool (rdd_from_json)(rdd_task *task, const rdd_type *type, rdd_str json, void *ret);

/* The same without failing: false, and *ret_reason (may be NULL) says why. */
#define rdd_try_json(task, T, json, ret, ret_reason) \
    (rdd_try_json)((task), RDD_TYPE(T), (json), RDD_PASTE2_(rdd_into_, T)(ret), (ret_reason))
RDD_PUBLIC bool (rdd_try_json)(rdd_task *task, const rdd_type *type, rdd_str json, void *ret,
                               rdd_str *ret_reason);

/* An element of any described type as JSON text. */
#define rdd_to_json(task, T, value) \
    (__extension__({ T rdd_v_ = (value); (rdd_to_json)((task), RDD_TYPE(T), &rdd_v_); }))
RDD_PUBLIC rdd_str (rdd_to_json)(rdd_task *task, const rdd_type *type, const void *value);

/* ---- HTTP --------------------------------------------------------------------------------- */

typedef struct rdd_http_request {
    rdd_str method; /* default GET */
    rdd_str url;    /* http:// or https:// */
    rdd_str body;   /* none with HEAD */
    const rdd_str *headers; /* "Name: value" each; dropped when a redirect leaves the host */
    size_t header_count;
    rdd_str idempotency_key; /* lets POST and PATCH be retried; sent as Idempotency-Key */
} rdd_http_request;

typedef struct rdd_http_response {
    int status;   /* of the last attempt; 0 when no answer came */
    int attempts; /* how many requests were sent */
    rdd_str body; /* lives as long as the element being made */
    rdd_str content_type;
    rdd_str error; /* size 0 when status is 2xx; otherwise one line that says why */
} rdd_http_response;

/* Calls, and waits: with .concurrency > 1 on the operator other records go on meanwhile. A failed
 * call does not fail the record; it is counted, and .http.max_errors decides. Retries, time limits
 * and rates are the policy's (rdd_http_options, --conf http.*). In an operator that merges partial
 * values on the driver a call fails. */
RDD_PUBLIC rdd_http_response rdd_http_get(rdd_task *task, rdd_str url);
RDD_PUBLIC rdd_http_response rdd_http_send(rdd_task *task, const rdd_http_request *request);

/* Counts a call that came back well as failed after all, because its answer is of no use, and puts
 * the reason into response->error. It counts for .http.max_errors as any failed call. */
RDD_PUBLIC void rdd_http_reject(rdd_task *task, rdd_http_response *response, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Percent-encodes everything but the unreserved characters of RFC 3986. */
RDD_PUBLIC rdd_str rdd_url_encode(rdd_task *task, rdd_str text);

/* The policy of an operator's calls. A member that is zero or NULL takes the value of --conf. */
typedef struct rdd_http_options {
    int timeout_ms;         /* http.timeout: of one attempt, all in all */
    int connect_timeout_ms; /* http.connect_timeout */
    int attempts_max;       /* http.attempts_max */
    int64_t elapsed_max_ms; /* http.elapsed_max: over all attempts of a call */
    int connections_per_host; /* http.connections_per_host: of one slot */
    const char *rate;       /* http.rate: "50/s", "100/m", "9/h", over all executors */
    const char *max_errors; /* http.max_errors: "10" or "5%" of the records; NULL: any number */
    size_t response_max;    /* http.response_max: bytes of one answer */
} rdd_http_options;

/* ---- context ------------------------------------------------------------------------------ */

/* Starts the library; call it first in main. Takes its own options out of argc and argv and leaves
 * the program's: --master M, --conf key=value, --explain[=text|dot], --event-log FILE, --progress,
 * --quiet, --verbose; everything behind "--" is the program's. RDD_MASTER is used when there is no
 * --master. A malformed option is printed and the program exits with 2, and so it does when a context
 * is in use already: there is one at a time. In an executor process this call never returns. A SIGCHLD
 * that is ignored, as can be inherited, is set back to its default. Never NULL. */
RDD_PUBLIC rdd_context *rdd_init(int *argc, char **argv);

/* What --conf key=value does, said by the program: after rdd_init and before the first action. False
 * and the error is the context's, as of an action, when there is no such setting or value. */
RDD_PUBLIC bool rdd_set_conf(rdd_context *ctx, const char *key, const char *value);

/* Stops executors, prints the first failure that nobody took, releases the context with its RDDs,
 * results and open iterators, and gives the exit status: 0; 1 when a job failed; 2 for wrong usage;
 * 130 after ^C. Waits for tasks that still run. */
RDD_PUBLIC int rdd_finish(rdd_context *ctx);

/* The first error since the last call, into *ret; false when there is none. The error then counts
 * as handled. From any thread. */
RDD_PUBLIC bool rdd_take_error(rdd_context *ctx, rdd_error *ret);

/* Reports a failure of the program's own, as one of an action: if it is the first, rdd_finish() prints it
 * and returns `status`. */
RDD_PUBLIC void rdd_report(rdd_context *ctx, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Releases one result of an action before the context ends; NULL is fine. */
RDD_PUBLIC void rdd_free(rdd_context *ctx, const void *result);

/* The jobs that this thread starts from now on belong to the pool of that name (at most 63 bytes);
 * NULL: to "default", as all do at first. With --conf scheduler.mode=fair pools share the slots by
 * their weights (--conf scheduler.pools), and so do the jobs of one pool; else it only says so in
 * the event log. */
RDD_PUBLIC void rdd_set_pool(rdd_context *ctx, const char *name);

/* A counter's value over all finished jobs; 0 when nobody counted. */
RDD_PUBLIC int64_t rdd_counter(rdd_context *ctx, const char *name);

/* Calls `visit` for each counter whose name starts with `prefix`, in name order; it may call
 * any function. */
RDD_PUBLIC void rdd_counters(rdd_context *ctx, const char *prefix,
                             void (*visit)(void *arg, const char *name, int64_t value), void *arg);

/* Where a call stands, for messages. */
#define RDD_SITE __FILE__ ":" RDD_TEXT_(__LINE__)
#define RDD_TEXT_(x) RDD_TEXT2_(x)
#define RDD_TEXT2_(x) #x

/* Options: every macro below takes its options behind the last argument, as designated
 * initializers: rdd_map(r, f, .concurrency = 64). `site_` is filled in by the macro. C++ has them since
 * C++20, in the order of the members; before, options go by position. */
#define RDD_FIRST_(first, ...) first
#define RDD_REST_(first, ...) __VA_ARGS__
#if defined(__cplusplus) && defined(__cpp_designated_initializers)
#define RDD_OPTIONS_(type, ...) (type{ .site_ = RDD_SITE, __VA_ARGS__ })
#elif defined(__cplusplus)
#define RDD_OPTIONS_(type, ...) (type{ RDD_SITE, __VA_ARGS__ })
#else
#define RDD_OPTIONS_(type, ...) ((type){ .site_ = RDD_SITE, __VA_ARGS__ })
#endif

/* Each operation has those options that mean something to it; the compiler refuses others. All have
 * these: */
typedef struct rdd_options {
    const char *site_; /* where the call is: the macros fill it in */
    const char *name;  /* of an RDD, for plans, progress and messages; of an action: its job's */
} rdd_options;

/* ---- sources ------------------------------------------------------------------------------ */

typedef struct rdd_source_options {
    const char *site_;
    const char *name;
    int64_t partitions; /* 0: by the size of the input alone (docs/guide.md) */
    const char *const *prefer; /* the host that partition i is best computed on, or NULL; copied now */
    size_t prefer_count;       /* how many; without .partitions, of partitions too */
} rdd_source_options;

typedef struct rdd_range_options {
    const char *site_;
    const char *name;
    int64_t partitions;
    int64_t step; /* default 1 */
} rdd_range_options;

/* The integers first, first+step, … below last (above, for a negative step): int64_t. */
RDD_PUBLIC rdd *rdd_range(rdd_context *ctx, int64_t first, int64_t last, rdd_range_options options);
#define rdd_range(ctx, first, ...)                             \
    rdd_range((ctx), (first), RDD_FIRST_(__VA_ARGS__, ),       \
              RDD_OPTIONS_(rdd_range_options, RDD_REST_(__VA_ARGS__, )))

/* `count` elements of type T, copied now; each partition's travel with its task. Tasks that need partition
 * i wait up to --conf locality.wait for the host .prefer[i], named as in --master ("executor 0" in
 * local-cluster), if that is there or about to come; then any may take them. */
RDD_PUBLIC rdd *rdd_parallelize(rdd_context *ctx, const rdd_type *type, const void *items,
                                size_t count, rdd_source_options options);
#define rdd_parallelize(ctx, T, items_, ...)                                             \
    rdd_parallelize((ctx), RDD_TYPE(T), RDD_PASTE2_(rdd_from_, T)(items_),               \
                    RDD_FIRST_(__VA_ARGS__, ),                                           \
                    RDD_OPTIONS_(rdd_source_options, RDD_REST_(__VA_ARGS__, )))

/* No element of type T, in no partition. */
RDD_PUBLIC rdd *rdd_empty(rdd_context *ctx, const rdd_type *type, rdd_options options);
#define rdd_empty(ctx, ...)                               \
    rdd_empty((ctx), RDD_TYPE(RDD_FIRST_(__VA_ARGS__, )), \
              RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* A path of a source is a file, a directory (its files by name; names that begin with . or _ are
 * left out), a glob, or "-" for standard input. It means the driver's file. .gz and .zst are
 * decompressed. A large plain file is split into partitions at record ends. That it is missing is
 * an error here already. */

typedef struct rdd_files_options {
    const char *site_;
    const char *name;
    int64_t partitions;
    const char *const *more; /* further paths, read behind the first */
    size_t more_count;
} rdd_files_options;

/* Lines, without their ends (\n or \r\n): rdd_str. */
RDD_PUBLIC rdd *rdd_text_file(rdd_context *ctx, const char *path, rdd_files_options options);
#define rdd_text_file(ctx, ...)                       \
    rdd_text_file((ctx), RDD_FIRST_(__VA_ARGS__, ),   \
                  RDD_OPTIONS_(rdd_files_options, RDD_REST_(__VA_ARGS__, )))

/* (path, content) of each file: rdd_text_of_file, rdd_bytes_of_file. */
RDD_PUBLIC rdd *rdd_whole_text_files(rdd_context *ctx, const char *path, rdd_files_options options);
#define rdd_whole_text_files(ctx, ...)                       \
    rdd_whole_text_files((ctx), RDD_FIRST_(__VA_ARGS__, ),   \
                         RDD_OPTIONS_(rdd_files_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC rdd *rdd_binary_files(rdd_context *ctx, const char *path, rdd_files_options options);
#define rdd_binary_files(ctx, ...)                       \
    rdd_binary_files((ctx), RDD_FIRST_(__VA_ARGS__, ),   \
                     RDD_OPTIONS_(rdd_files_options, RDD_REST_(__VA_ARGS__, )))

/* Records of `size` bytes each: rdd_bytes. A file whose size is no multiple is an error. */
RDD_PUBLIC rdd *rdd_binary_records(rdd_context *ctx, const char *path, size_t size,
                                   rdd_files_options options);
#define rdd_binary_records(ctx, path, ...)                          \
    rdd_binary_records((ctx), (path), RDD_FIRST_(__VA_ARGS__, ),    \
                       RDD_OPTIONS_(rdd_files_options, RDD_REST_(__VA_ARGS__, )))

typedef struct rdd_csv_options {
    const char *site_;
    const char *name;
    int64_t partitions;
    const rdd_type *item;  /* RDD_TYPE(S): columns by field name; NULL: rdd_row */
    char delimiter, quote; /* default , and " */
    bool no_header;        /* columns are then called c1, c2, … or taken in field order */
    const char *ragged;    /* "fail", "pad" or "skip"; NULL: --conf csv.ragged */
    const char *const *more;
    size_t more_count;
} rdd_csv_options;

/* CSV as in RFC 4180, a header in each file; rows, or structs whose fields are found by name in the
 * header. Bytes are base64, and lists and structs JSON, as rdd_save_csv() writes them. Text that a field
 * cannot be is an error with file, line and column: an empty cell is an absent optional, an empty text, no
 * bytes or an empty list, but no number and no struct. So is an empty file, unless it was found in a
 * directory or by a pattern. */
RDD_PUBLIC rdd *rdd_csv(rdd_context *ctx, const char *path, rdd_csv_options options);
#define rdd_csv(ctx, ...)                       \
    rdd_csv((ctx), RDD_FIRST_(__VA_ARGS__, ),   \
            RDD_OPTIONS_(rdd_csv_options, RDD_REST_(__VA_ARGS__, )))

typedef struct rdd_json_options {
    const char *site_;
    const char *name;
    int64_t partitions;
    const rdd_type *item; /* RDD_TYPE(S): fields by name; NULL: rdd_row */
    const char *const *more;
    size_t more_count;
} rdd_json_options;

/* One JSON object on each line; blank lines are skipped. */
RDD_PUBLIC rdd *rdd_json_lines(rdd_context *ctx, const char *path, rdd_json_options options);
#define rdd_json_lines(ctx, ...)                       \
    rdd_json_lines((ctx), RDD_FIRST_(__VA_ARGS__, ),   \
                   RDD_OPTIONS_(rdd_json_options, RDD_REST_(__VA_ARGS__, )))

/* ---- transformations ---------------------------------------------------------------------- */

typedef struct rdd_operator_options {
    const char *site_;
    const char *name;
    int concurrency; /* records in flight in a slot, for operators that call HTTP; default 1 */
    rdd_http_options http;
} rdd_operator_options;

/* Of operators that are given a whole partition: their calls come one after the other. */
typedef struct rdd_partitions_options {
    const char *site_;
    const char *name;
    rdd_http_options http;
} rdd_partitions_options;

/* One for one; those that hold; any number for each. */
RDD_PUBLIC rdd *rdd_map(rdd *r, rdd_map_op op, rdd_operator_options options);
#define rdd_map(r, ...)                   \
    rdd_map((r), RDD_FIRST_(__VA_ARGS__, ), \
            RDD_OPTIONS_(rdd_operator_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC rdd *rdd_filter(rdd *r, rdd_filter_op op, rdd_operator_options options);
#define rdd_filter(r, ...)                   \
    rdd_filter((r), RDD_FIRST_(__VA_ARGS__, ), \
               RDD_OPTIONS_(rdd_operator_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC rdd *rdd_flat_map(rdd *r, rdd_flat_map_op op, rdd_operator_options options);
#define rdd_flat_map(r, ...)                   \
    rdd_flat_map((r), RDD_FIRST_(__VA_ARGS__, ), \
                 RDD_OPTIONS_(rdd_operator_options, RDD_REST_(__VA_ARGS__, )))

/* A whole partition at a time; two partitions of equal index side by side (the RDDs must have as
 * many partitions). */
RDD_PUBLIC rdd *rdd_map_partitions(rdd *r, rdd_map_partitions_op op, rdd_partitions_options options);
#define rdd_map_partitions(r, ...)                   \
    rdd_map_partitions((r), RDD_FIRST_(__VA_ARGS__, ), \
                       RDD_OPTIONS_(rdd_partitions_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC rdd *rdd_zip_partitions(rdd *a, rdd *b, rdd_zip_partitions_op op, rdd_partitions_options options);
#define rdd_zip_partitions(a, b, ...)                     \
    rdd_zip_partitions((a), (b), RDD_FIRST_(__VA_ARGS__, ), \
                       RDD_OPTIONS_(rdd_partitions_options, RDD_REST_(__VA_ARGS__, )))

/* Each partition as one list. L: a type made by RDD_LIST(L, T). The partition must fit in the
 * task's budget. */
RDD_PUBLIC rdd *rdd_glom(const rdd_type *list, rdd *r, rdd_options options);
#define rdd_glom(L, ...)                               \
    rdd_glom(RDD_TYPE(L), RDD_FIRST_(__VA_ARGS__, ),   \
             RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* P: a type made by RDD_PAIR. (op(x), x); (k, op(v)); (k, w) for each w that op emits for v. */
RDD_PUBLIC rdd *rdd_key_by(const rdd_type *pair, rdd *r, rdd_map_op op, rdd_operator_options options);
#define rdd_key_by(P, r, ...)                                \
    rdd_key_by(RDD_TYPE(P), (r), RDD_FIRST_(__VA_ARGS__, ),  \
               RDD_OPTIONS_(rdd_operator_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC rdd *rdd_map_values(const rdd_type *pair, rdd *r, rdd_map_op op, rdd_operator_options options);
#define rdd_map_values(P, r, ...)                                \
    rdd_map_values(RDD_TYPE(P), (r), RDD_FIRST_(__VA_ARGS__, ),  \
                   RDD_OPTIONS_(rdd_operator_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC rdd *rdd_flat_map_values(const rdd_type *pair, rdd *r, rdd_flat_map_op op,
                                    rdd_operator_options options);
#define rdd_flat_map_values(P, r, ...)                                \
    rdd_flat_map_values(RDD_TYPE(P), (r), RDD_FIRST_(__VA_ARGS__, ),  \
                        RDD_OPTIONS_(rdd_operator_options, RDD_REST_(__VA_ARGS__, )))

/* The first, the second halves of pairs. */
RDD_PUBLIC rdd *rdd_keys(rdd *r, rdd_options options);
#define rdd_keys(...)                      \
    rdd_keys(RDD_FIRST_(__VA_ARGS__, ),    \
             RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC rdd *rdd_values(rdd *r, rdd_options options);
#define rdd_values(...)                      \
    rdd_values(RDD_FIRST_(__VA_ARGS__, ),    \
               RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* All of a, then all of b; duplicates stay. */
RDD_PUBLIC rdd *rdd_union(rdd *a, rdd *b, rdd_options options);
#define rdd_union(a, ...)                         \
    rdd_union((a), RDD_FIRST_(__VA_ARGS__, ),     \
              RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* (a's i-th, b's i-th), partition by partition; unequal counts are an error. P: RDD_PAIR(P, A, B). */
RDD_PUBLIC rdd *rdd_zip(const rdd_type *pair, rdd *a, rdd *b, rdd_options options);
#define rdd_zip(P, a, ...)                                   \
    rdd_zip(RDD_TYPE(P), (a), RDD_FIRST_(__VA_ARGS__, ),     \
            RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* Rows side by side, as pandas.concat(axis=1): the cells of a's row, then those of b's. */
RDD_PUBLIC rdd *rdd_zip_columns(rdd *a, rdd *b, rdd_options options);
#define rdd_zip_columns(a, ...)                         \
    rdd_zip_columns((a), RDD_FIRST_(__VA_ARGS__, ),     \
                    RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* (x, its position in the whole): runs a counting job first when there are several partitions.
 * (x, an id of its own: partition + i * partitions): runs none. P: RDD_PAIR(P, T, int64_t). */
RDD_PUBLIC rdd *rdd_zip_with_index(const rdd_type *pair, rdd *r, rdd_options options);
#define rdd_zip_with_index(P, ...)                             \
    rdd_zip_with_index(RDD_TYPE(P), RDD_FIRST_(__VA_ARGS__, ), \
                       RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC rdd *rdd_zip_with_unique_id(const rdd_type *pair, rdd *r, rdd_options options);
#define rdd_zip_with_unique_id(P, ...)                             \
    rdd_zip_with_unique_id(RDD_TYPE(P), RDD_FIRST_(__VA_ARGS__, ), \
                           RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

typedef struct rdd_sample_options {
    const char *site_;
    const char *name;
    uint64_t seed;         /* default 0 */
    bool with_replacement; /* an element may be drawn again */
} rdd_sample_options;

typedef struct rdd_split_options {
    const char *site_;
    const char *name;
    uint64_t seed; /* default 0 */
} rdd_split_options;

/* Every element with probability `fraction` (Bernoulli), or a Poisson(fraction) number of times
 * (.with_replacement). The same seed gives the same sample. */
RDD_PUBLIC rdd *rdd_sample(rdd *r, double fraction, rdd_sample_options options);
#define rdd_sample(r, ...)                         \
    rdd_sample((r), RDD_FIRST_(__VA_ARGS__, ),     \
               RDD_OPTIONS_(rdd_sample_options, RDD_REST_(__VA_ARGS__, )))

/* Splits r into `count` disjoint RDDs with the given weights (their sum need not be 1): 0, and
 * ret[0 … count-1]. */
RDD_PUBLIC int rdd_random_split(rdd *r, const double *weights, size_t count, rdd **ret,
                                rdd_split_options options);
#define rdd_random_split(r, weights, count, ...)                         \
    rdd_random_split((r), (weights), (count), RDD_FIRST_(__VA_ARGS__, ), \
                     RDD_OPTIONS_(rdd_split_options, RDD_REST_(__VA_ARGS__, )))

/* `partitions` or fewer, each a run of the old ones; no shuffle. */
RDD_PUBLIC rdd *rdd_coalesce(rdd *r, int64_t partitions, rdd_options options);
#define rdd_coalesce(r, ...)                         \
    rdd_coalesce((r), RDD_FIRST_(__VA_ARGS__, ),     \
                 RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* All pairs, a's order first. P: RDD_PAIR(P, A, B). */
RDD_PUBLIC rdd *rdd_cartesian(const rdd_type *pair, rdd *a, rdd *b, rdd_options options);
#define rdd_cartesian(P, a, ...)                                   \
    rdd_cartesian(RDD_TYPE(P), (a), RDD_FIRST_(__VA_ARGS__, ),     \
                  RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* Each partition's lines through `sh -c command`, its output lines as rdd_str. A command that fails
 * fails the task, with its exit status and the end of its stderr. It finds its partition's number in
 * RDD_PARTITION. It may stop reading early: what it does not want is not computed. */
RDD_PUBLIC rdd *rdd_pipe(rdd *r, const char *command, rdd_options options);
#define rdd_pipe(r, ...)                         \
    rdd_pipe((r), RDD_FIRST_(__VA_ARGS__, ),     \
             RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* ---- actions ------------------------------------------------------------------------------ */

/* Actions block until their job is done. Results belong to the context (lifetime rule 3). After a
 * failure they are zeros, pointers NULL and counts 0; a result without elements is not NULL. A result
 * larger than driver.result_max is an error. */

/* All elements, in order. Here and below, a ret_count that is NULL is an error. */
RDD_PUBLIC const void *rdd_collect(rdd *r, const rdd_type *type, size_t *ret_count,
                                   rdd_options options);
#define rdd_collect(r, T, ...)                                              \
    ((const T *)rdd_collect((r), RDD_TYPE(T), RDD_FIRST_(__VA_ARGS__, ),    \
                            RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, ))))

/* The first `n`: runs one partition, then four times as many, until there are enough. */
RDD_PUBLIC const void *rdd_take(rdd *r, const rdd_type *type, size_t n, size_t *ret_count,
                                rdd_options options);
#define rdd_take(r, T, n, ...)                                              \
    ((const T *)rdd_take((r), RDD_TYPE(T), (n), RDD_FIRST_(__VA_ARGS__, ),  \
                         RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, ))))

typedef struct rdd_order_options {
    const char *site_;
    const char *name;
    rdd_order_op by; /* default: the type's own order */
} rdd_order_options;

/* The n greatest, greatest first; the n least, least first; by .by or the type's own order. Equal
 * elements stay in their order. */
RDD_PUBLIC const void *rdd_top(rdd *r, const rdd_type *type, size_t n, size_t *ret_count,
                               rdd_order_options options);
#define rdd_top(r, T, n, ...)                                              \
    ((const T *)rdd_top((r), RDD_TYPE(T), (n), RDD_FIRST_(__VA_ARGS__, ),  \
                        RDD_OPTIONS_(rdd_order_options, RDD_REST_(__VA_ARGS__, ))))
RDD_PUBLIC const void *rdd_take_ordered(rdd *r, const rdd_type *type, size_t n, size_t *ret_count,
                                        rdd_order_options options);
#define rdd_take_ordered(r, T, n, ...)                                              \
    ((const T *)rdd_take_ordered((r), RDD_TYPE(T), (n), RDD_FIRST_(__VA_ARGS__, ),  \
                                 RDD_OPTIONS_(rdd_order_options, RDD_REST_(__VA_ARGS__, ))))

/* A random sample of exactly n (or all, when there are fewer and there is no replacement). */
RDD_PUBLIC const void *rdd_take_sample(rdd *r, const rdd_type *type, size_t n, size_t *ret_count,
                                       rdd_sample_options options);
#define rdd_take_sample(r, T, n, ...)                                              \
    ((const T *)rdd_take_sample((r), RDD_TYPE(T), (n), RDD_FIRST_(__VA_ARGS__, ),  \
                                RDD_OPTIONS_(rdd_sample_options, RDD_REST_(__VA_ARGS__, ))))

/* Each value and how often it occurs, ordered by value. P: RDD_PAIR(P, T, int64_t). */
RDD_PUBLIC const void *rdd_count_by_value(rdd *r, const rdd_type *pair, size_t *ret_count,
                                          rdd_options options);
#define rdd_count_by_value(r, P, ...)                                              \
    ((const P *)rdd_count_by_value((r), RDD_TYPE(P), RDD_FIRST_(__VA_ARGS__, ),    \
                                   RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, ))))

RDD_PUBLIC int64_t rdd_count(rdd *r, rdd_options options);
#define rdd_count(...)                      \
    rdd_count(RDD_FIRST_(__VA_ARGS__, ),    \
              RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))
/* True after a failure too, so that a loop until it is empty ends. */
RDD_PUBLIC bool rdd_is_empty(rdd *r, rdd_options options);
#define rdd_is_empty(...)                      \
    rdd_is_empty(RDD_FIRST_(__VA_ARGS__, ),    \
                 RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* Typed values: the macro gives a T. An empty RDD is an error for first, reduce, min and max. */
#define RDD_VALUE_(T, call)               \
    (__extension__({                      \
        T rdd_v_;                         \
        memset((void *)&rdd_v_, 0, sizeof rdd_v_); \
        (void)(call);                     \
        rdd_v_;                           \
    }))

RDD_PUBLIC int rdd_first(rdd *r, const rdd_type *type, void *ret, rdd_options options);
#define rdd_first(r, ...)                                                                  \
    RDD_VALUE_(RDD_FIRST_(__VA_ARGS__, ),                                                  \
               (rdd_first)((r), RDD_TYPE(RDD_FIRST_(__VA_ARGS__, )), &rdd_v_,              \
                           RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, ))))
RDD_PUBLIC int rdd_min(rdd *r, const rdd_type *type, void *ret, rdd_order_options options);
#define rdd_min(r, ...)                                                                  \
    RDD_VALUE_(RDD_FIRST_(__VA_ARGS__, ),                                                \
               (rdd_min)((r), RDD_TYPE(RDD_FIRST_(__VA_ARGS__, )), &rdd_v_,              \
                         RDD_OPTIONS_(rdd_order_options, RDD_REST_(__VA_ARGS__, ))))
RDD_PUBLIC int rdd_max(rdd *r, const rdd_type *type, void *ret, rdd_order_options options);
#define rdd_max(r, ...)                                                                  \
    RDD_VALUE_(RDD_FIRST_(__VA_ARGS__, ),                                                \
               (rdd_max)((r), RDD_TYPE(RDD_FIRST_(__VA_ARGS__, )), &rdd_v_,              \
                         RDD_OPTIONS_(rdd_order_options, RDD_REST_(__VA_ARGS__, ))))

/* rdd_sum(r, T): of numbers, as T: int64_t, uint64_t or double. Integers are added exactly; a sum
 * that does not fit T is an error. */
RDD_PUBLIC int rdd_sum(rdd *r, const rdd_type *type, void *ret, rdd_options options);
#define rdd_sum(r, ...)                                                                  \
    RDD_VALUE_(RDD_FIRST_(__VA_ARGS__, ),                                                \
               (rdd_sum)((r), RDD_TYPE(RDD_FIRST_(__VA_ARGS__, )), &rdd_v_,              \
                         RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, ))))

typedef struct rdd_tree_options {
    const char *site_;
    const char *name;
    int depth; /* default 2 */
} rdd_tree_options;

/* rdd_reduce(r, T, op): the elements combined; rdd_fold: beginning with `zero` in each partition
 * and once more when partitions are merged, so `zero` must be neutral; rdd_aggregate(r, Acc, zero,
 * take, merge): `take` brings elements into an Acc, `merge` joins two. A zero with commas in it stands in
 * parentheses: ((pair){ 0, 0 }). tree_*: the same, merged in .depth levels on the executors, for accumulators
 * too large or too many for the driver. */
RDD_PUBLIC int rdd_reduce(rdd *r, const rdd_type *type, void *ret, rdd_reduce_op op,
                          rdd_options options);
#define rdd_reduce(r, T, ...)                                                              \
    RDD_VALUE_(T, (rdd_reduce)((r), RDD_TYPE(T), &rdd_v_, RDD_FIRST_(__VA_ARGS__, ),       \
                               RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, ))))
RDD_PUBLIC int rdd_tree_reduce(rdd *r, const rdd_type *type, void *ret, rdd_reduce_op op,
                               rdd_tree_options options);
#define rdd_tree_reduce(r, T, ...)                                                              \
    RDD_VALUE_(T, (rdd_tree_reduce)((r), RDD_TYPE(T), &rdd_v_, RDD_FIRST_(__VA_ARGS__, ),       \
                                    RDD_OPTIONS_(rdd_tree_options, RDD_REST_(__VA_ARGS__, ))))
RDD_PUBLIC int rdd_fold(rdd *r, const rdd_type *type, void *ret, const void *zero,
                        rdd_reduce_op op, rdd_options options);
#define rdd_fold(r, T, zero, ...)                                                               \
    (__extension__({                                                                            \
        T rdd_zero_ = zero;                                                                     \
        RDD_VALUE_(T, (rdd_fold)((r), RDD_TYPE(T), &rdd_v_, &rdd_zero_,                         \
                                 RDD_FIRST_(__VA_ARGS__, ),                                     \
                                 RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, ))));  \
    }))
RDD_PUBLIC int rdd_aggregate(rdd *r, const rdd_type *type, void *ret, const void *zero,
                             rdd_aggregate_op take, rdd_reduce_op merge,
                             rdd_options options);
#define rdd_aggregate(r, Acc, zero, take, ...)                                                  \
    (__extension__({                                                                            \
        Acc rdd_zero_ = zero;                                                                   \
        RDD_VALUE_(Acc, (rdd_aggregate)((r), RDD_TYPE(Acc), &rdd_v_, &rdd_zero_, (take),        \
                                        RDD_FIRST_(__VA_ARGS__, ),                              \
                                        RDD_OPTIONS_(rdd_options,                        \
                                                     RDD_REST_(__VA_ARGS__, ))));               \
    }))
RDD_PUBLIC int rdd_tree_aggregate(rdd *r, const rdd_type *type, void *ret, const void *zero,
                                  rdd_aggregate_op take, rdd_reduce_op merge,
                                  rdd_tree_options options);
#define rdd_tree_aggregate(r, Acc, zero, take, ...)                                             \
    (__extension__({                                                                            \
        Acc rdd_zero_ = zero;                                                                   \
        RDD_VALUE_(Acc, (rdd_tree_aggregate)((r), RDD_TYPE(Acc), &rdd_v_, &rdd_zero_, (take),   \
                                             RDD_FIRST_(__VA_ARGS__, ),                         \
                                             RDD_OPTIONS_(rdd_tree_options,                   \
                                                          RDD_REST_(__VA_ARGS__, ))));          \
    }))

/* Of numbers, in one pass: Welford's update with Chan's merge (Chan, Golub, LeVeque 1979). NaN counts,
 * and makes sum, mean and variance NaN; min and max leave it out. Of no numbers all but count and sum
 * are NaN, as they are after an error; rdd_mean() of none is an error. */
typedef struct rdd_statistics {
    int64_t count;
    double sum, mean, min, max;
    double variance, stdev;               /* of the population: divided by count */
    double sample_variance, sample_stdev; /* divided by count - 1; NaN for one element */
} rdd_statistics;

RDD_PUBLIC rdd_statistics rdd_stats(rdd *r, rdd_options options);
#define rdd_stats(...)                      \
    rdd_stats(RDD_FIRST_(__VA_ARGS__, ),    \
              RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC double rdd_mean(rdd *r, rdd_options options);
#define rdd_mean(...)                      \
    rdd_mean(RDD_FIRST_(__VA_ARGS__, ),    \
             RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* Of numbers: ret_counts[i] is how many lie in [edges[i], edges[i+1]), the last one closed; edges
 * are `buckets`+1 ascending values. Numbers outside and NaN are not counted. */
RDD_PUBLIC int rdd_histogram(rdd *r, const double *edges, size_t buckets, int64_t *ret_counts,
                             rdd_options options);
#define rdd_histogram(r, edges, buckets, ...)                           \
    rdd_histogram((r), (edges), (buckets), RDD_FIRST_(__VA_ARGS__, ),   \
                  RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))
/* The same with `buckets` even ones between the least and the greatest number, which are found by a
 * job of their own; ret_edges has room for buckets+1. */
RDD_PUBLIC int rdd_histogram_even(rdd *r, size_t buckets, double *ret_edges, int64_t *ret_counts,
                                  rdd_options options);
#define rdd_histogram_even(r, buckets, ret_edges, ...)                           \
    rdd_histogram_even((r), (buckets), (ret_edges), RDD_FIRST_(__VA_ARGS__, ),   \
                       RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))

/* Side effects on the executors. 0 or a negative rdd_code. A record may be seen again when its task
 * is tried again. */
RDD_PUBLIC int rdd_foreach(rdd *r, rdd_foreach_op op, rdd_operator_options options);
#define rdd_foreach(r, ...)                   \
    rdd_foreach((r), RDD_FIRST_(__VA_ARGS__, ), \
                RDD_OPTIONS_(rdd_operator_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC int rdd_foreach_partition(rdd *r, rdd_foreach_partition_op op, rdd_partitions_options options);
#define rdd_foreach_partition(r, ...)                   \
    rdd_foreach_partition((r), RDD_FIRST_(__VA_ARGS__, ), \
                          RDD_OPTIONS_(rdd_partitions_options, RDD_REST_(__VA_ARGS__, )))

/* One partition at a time on the driver, the next one being computed meanwhile:
 *     rdd_local_iterator *it = rdd_to_local_iterator(r, T);
 *     for (T x; rdd_local_next(it, T, &x); ) …
 *     rdd_local_close(it);
 * An element is valid until the next call. rdd_local_next() waits for a partition, is false at the end
 * and after a failure, and is for one thread. Closing waits for the partition that is being computed;
 * what is still open ends in rdd_finish(), and is then not closed any more. */
typedef struct rdd_local_iterator rdd_local_iterator;
RDD_PUBLIC rdd_local_iterator *rdd_to_local_iterator(rdd *r, const rdd_type *type,
                                                     rdd_options options);
#define rdd_to_local_iterator(r, ...)                                        \
    rdd_to_local_iterator((r), RDD_TYPE(RDD_FIRST_(__VA_ARGS__, )),          \
                          RDD_OPTIONS_(rdd_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC bool rdd_local_next(rdd_local_iterator *it, const rdd_type *type, void *ret);
#define rdd_local_next(it, T, ret_) \
    rdd_local_next((it), RDD_TYPE(T), RDD_PASTE2_(rdd_into_, T)(ret_))
RDD_PUBLIC void rdd_local_close(rdd_local_iterator *it);

typedef struct rdd_save_options {
    const char *site_;
    const char *name;
    bool overwrite; /* replace an output that is there; otherwise it is an error */
    bool parts;     /* a directory with one file for each partition, and _SUCCESS at the end */
} rdd_save_options;

typedef struct rdd_save_csv_options {
    const char *site_;
    const char *name;
    bool overwrite, parts;
    bool no_header;
    char delimiter; /* default , */
    const char *const *last_columns; /* of rows: columns that stand at the end, in this order */
    size_t last_column_count;
    const char *const *first_columns; /* the same for the beginning; see below */
    size_t first_column_count;
} rdd_save_csv_options;

/* Save to one file, or, with .parts or a path that ends in '/', to a directory. A name that ends in
 * .gz or .zst is compressed (with .parts: "dir/" and --conf save.compression). "-" is standard
 * output. Nothing appears under the final name before everything is there. 0 or a negative
 * rdd_code. Text: rdd_str elements as they are, others as JSON. CSV: rows (columns in the order of
 * their first appearance) or structs.
 *
 * Text with a line end inside comes out as two lines, a missing text as an empty one. CSV is quoted
 * as RFC 4180 has it, and only where needed; no value and an empty text are both an empty cell. Bytes
 * are written as base64, and lists and structs as JSON, where NaN is null and cannot be read again. A
 * name that a row has twice is two columns of that name, and a line on standard error says so.
 * .first_columns and .last_columns of rows are columns of the output also when no row has them; the
 * others stand between. Without them the columns of no rows are not known: the file is then empty, which
 * rdd_csv() does not take. To keep the header of a table of which nothing may be left, name its columns.
 *
 * .overwrite replaces an output at once, by a rename, and a directory only when it holds nothing but
 * part files. A device or a named pipe is written to. */
RDD_PUBLIC int rdd_save_text(rdd *r, const char *path, rdd_save_options options);
#define rdd_save_text(r, ...)                   \
    rdd_save_text((r), RDD_FIRST_(__VA_ARGS__, ), \
                  RDD_OPTIONS_(rdd_save_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC int rdd_save_csv(rdd *r, const char *path, rdd_save_csv_options options);
#define rdd_save_csv(r, ...)                   \
    rdd_save_csv((r), RDD_FIRST_(__VA_ARGS__, ), \
                 RDD_OPTIONS_(rdd_save_csv_options, RDD_REST_(__VA_ARGS__, )))
RDD_PUBLIC int rdd_save_json_lines(rdd *r, const char *path, rdd_save_options options);
#define rdd_save_json_lines(r, ...)                   \
    rdd_save_json_lines((r), RDD_FIRST_(__VA_ARGS__, ), \
                        RDD_OPTIONS_(rdd_save_options, RDD_REST_(__VA_ARGS__, )))

/* ---- introspection ------------------------------------------------------------------------ */

RDD_PUBLIC int64_t rdd_partition_count(const rdd *r); /* 0 for NULL */
RDD_PUBLIC const rdd_type *rdd_item_type(const rdd *r);

/* Writes the plan of r: stages, partitions, operators with file:line, types. */
RDD_PUBLIC void rdd_explain(rdd *r, FILE *file);

#if defined(__cplusplus)
}
#endif
#endif
