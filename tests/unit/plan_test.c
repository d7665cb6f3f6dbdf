/* plan_test.c: plans there and back, and everything that must be refused.
 *
 *     plan_test --write-corpus tests/fuzz/corpus/plan_fuzz
 */
#include "buf.h"
#include "conf.h"
#include "context.h"
#include "plan.h"
#include "type.h"

#include "test.h"

#include "plan_samples.h"

static rdd_context *ctx;
static plan_sample samples[SAMPLE_COUNT];
static buf zeros[3];

static plan *decode(const buf *bytes)
{
    plan *p = NULL;
    rdd_error err;
    if (plan_decode(&p, bytes->data, bytes->size, &err) < 0)
        fail_msg("refused: %s", err.message);
    return p;
}

/* ---- there and back ------------------------------------------------------------------------- */

static void same_text(const char *a, const char *b)
{
    assert_int_equal(a != NULL, b != NULL);
    if (a)
        assert_string_equal(a, b);
}

static void same_bytes(rdd_str a, rdd_str b)
{
    assert_int_equal(a.size, b.size);
    if (a.size)
        assert_memory_equal(a.data, b.data, a.size);
}

static void same_params(const node_params *a, const node_params *b)
{
    assert_int_equal(a->first, b->first);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->seed, b->seed);
    assert_memory_equal(&a->low, &b->low, sizeof a->low);
    assert_memory_equal(&a->high, &b->high, sizeof a->high);
    assert_int_equal(a->with_replacement, b->with_replacement);
    assert_int_equal(a->no_header, b->no_header);
    assert_int_equal(a->delimiter, b->delimiter);
    assert_int_equal(a->quote, b->quote);
    assert_int_equal(a->ragged, b->ragged);
    assert_int_equal(a->concurrency, b->concurrency);
    assert_int_equal(a->http.timeout_ms, b->http.timeout_ms);
    same_text(a->http.rate, b->http.rate);
    same_text(a->http.max_errors, b->http.max_errors);
    same_bytes(a->text, b->text);
}

/* An env or a zero, decoded, as the block it came in. */
static void same_value(const rdd_type *t, const void *value, rdd_str block)
{
    buf again = { 0 };
    assert_int_equal(value != NULL, block.size != 0);
    if (value)
        same_bytes(sample_block(t, value, &again), block);
    buf_release(&again);
}

static void same_node(rdd *const *order, size_t i, const plan *p)
{
    const rdd *r = order[i];
    const plan_node *n = &p->nodes[i];
    assert_int_equal(n->kind, r->kind);
    assert_true(type_equal(n->type, r->type));
    assert_int_equal(n->partitions, r->partitions);
    assert_int_equal(n->parent_count, r->parent_count);
    for (uint32_t k = 0; k < n->parent_count; k++)
        assert_ptr_equal(order[n->parents[k]], r->parents[k]);
    assert_ptr_equal(n->op, r->op);
    same_value(r->op ? r->op->env : NULL, n->env, r->env);
    same_params(&n->params, &r->params);
    buf label = { 0 };
    node_label(r, &label);
    assert_string_equal(n->label, buf_terminate(&label));
    buf_release(&label);
}

static void round_trip(void **state)
{
    (void)state;
    buf bytes = { 0 };
    for (size_t s = 0; s < SAMPLE_COUNT; s++) {
        const action *act = &samples[s].act;
        sample_encode(&samples[s], &bytes);
        plan *p = decode(&bytes);
        rdd **order;
        size_t count;
        assert_int_equal(lineage_order(samples[s].rdd, &order, &count, NULL), 0);
        assert_int_equal(p->node_count, count);
        assert_int_equal(p->stage, 7);
        assert_int_equal(p->budget, conf_int("task.budget"));
        assert_int_equal(p->result_max, conf_int("driver.result_max"));
        for (size_t i = 0; i < count; i++)
            same_node(order, i, p);
        assert_int_equal(p->act.kind, act->kind);
        assert_ptr_equal(p->act.op, act->op);
        assert_int_equal(p->act.n, act->n);
        assert_int_equal(p->act.first, act->first);
        assert_int_equal(p->act.flag, act->flag);
        assert_int_equal(p->act.delimiter, act->delimiter);
        assert_int_equal(p->act.compression, act->compression);
        same_bytes(p->act.zero, act->zero);
        same_bytes(p->act.text, act->text);
        assert_int_equal(p->act.type != NULL, act->type != NULL);
        assert_string_equal(plan_node_label(p, (uint32_t)count + 1), "");
        if (act->op) /* what an action's operator does is named, too */
            assert_non_null(strstr(plan_node_label(p, (uint32_t)count), act->op->name));
        free(order);
        plan_free(p);
    }
    buf_release(&bytes);
}

static void consumers_and_side_effects(void **state)
{
    (void)state;
    buf bytes = { 0 };
    sample_encode(&samples[7], &bytes); /* zip(r, map(r)) */
    plan *p = decode(&bytes);
    assert_int_equal(p->nodes[0].consumers, 2);
    assert_int_equal(p->nodes[1].consumers, 1);
    assert_int_equal(p->nodes[2].consumers, 0);
    assert_int_equal(p->nodes[0].depth, 1);
    assert_int_equal(p->nodes[2].depth, 3);
    assert_false(p->side_effects);
    plan_free(p);
    sample_encode(&samples[3], &bytes); /* has an operator with .concurrency */
    p = decode(&bytes);
    assert_true(p->side_effects);
    plan_free(p);
    buf_release(&bytes);
}

/* ---- refused -------------------------------------------------------------------------------- */

static int decode_quietly(const char *data, size_t size, rdd_error *err)
{
    plan *p = NULL;
    char *exact = malloc(size ? size : 1); /* so that the sanitizer sees a byte too far */
    memcpy(exact, data, size);
    int code = plan_decode(&p, exact, size, err);
    free(exact);
    assert_int_equal(code < 0, p == NULL);
    plan_free(p);
    return code;
}

static void truncated(void **state)
{
    (void)state;
    buf bytes = { 0 };
    rdd_error err;
    for (size_t s = 0; s < SAMPLE_COUNT; s++) {
        sample_encode(&samples[s], &bytes);
        for (size_t size = 0; size < bytes.size; size++)
            if (decode_quietly(bytes.data, size, &err) != RDD_E_PROTOCOL)
                fail_msg("sample %zu cut at %zu of %zu: %s", s, size, bytes.size, err.message);
        buf_char(&bytes, 0);
        assert_int_equal(decode_quietly(bytes.data, bytes.size, &err), RDD_E_PROTOCOL);
    }
    buf_release(&bytes);
}

/* What is accepted must be sane enough to be run. */
static void check_sane(const plan *p)
{
    for (uint32_t i = 0; i < p->node_count; i++) {
        const plan_node *n = &p->nodes[i];
        assert_true(n->kind < NODE_KINDS);
        assert_true(n->partitions >= 0);
        assert_non_null(n->type);
        assert_non_null(n->label);
        assert_int_equal(type_check(n->type, NULL), 0);
        for (uint32_t k = 0; k < n->parent_count; k++)
            assert_true(n->parents[k] < i);
        if (n->op)
            assert_int_equal(n->op->env != NULL, n->env != NULL);
    }
}

static void flipped_bits(void **state)
{
    (void)state;
    buf bytes = { 0 };
    size_t accepted = 0;
    for (int round = 0; round < 20000; round++) {
        sample_encode(&samples[test_random_below(SAMPLE_COUNT)], &bytes);
        for (size_t flips = 1 + test_random_below(4); flips; flips--)
            bytes.data[test_random_below(bytes.size)] ^= (char)(1 << test_random_below(8));
        plan *p = NULL;
        rdd_error err;
        if (plan_decode(&p, bytes.data, bytes.size, &err) == 0) {
            check_sane(p);
            accepted++;
        }
        plan_free(p);
    }
    assert_true(accepted > 0); /* a changed name or seed is no harm */
    buf_release(&bytes);
}

/* Plans of lineages that no transformation would make. `words` is what the refusal must say. */
static void refused(rdd *const *order, size_t count, const action *act, const char *words)
{
    buf bytes = { 0 };
    rdd_error err = { .code = RDD_OK };
    assert_int_equal(plan_encode(1, order, count, act, &bytes, &err), 0);
    int code = decode_quietly(bytes.data, bytes.size, &err);
    if (code != RDD_E_PROTOCOL || !strstr(err.message, words))
        fail_msg("expected: … %s; got %d: %s", words, code, code ? err.message : "accepted");
    buf_release(&bytes);
}

static const action COLLECT = { .kind = ACTION_COLLECT };

static void refused_nodes(void **state)
{
    (void)state;
    rdd source = *rdd_range(ctx, 0, 9, .partitions = 3);
    rdd map = *rdd_map(rdd_range(ctx, 0, 9, .partitions = 3), sample_square);
    source.id = 0;
    map.id = 1;
    map.parents[0] = &source;
    rdd *const order[] = { &source, &map };
    rdd good = map;

    map.type = RDD_TYPE(rdd_str);
    refused(order, 2, &COLLECT, "types that do not agree");
    map = good;
    map.op = sample_even.op;
    refused(order, 2, &COLLECT, "an operator of the wrong kind");
    map = good;
    map.op = NULL;
    refused(order, 2, &COLLECT, "an operator of the wrong kind");
    map = good;
    map.op = sample_scaled.op; /* without its env */
    refused(order, 2, &COLLECT, "an operator whose env is missing");
    map = good;
    map.env = (rdd_str){ 3, "abc" };
    refused(order, 2, &COLLECT, "an operator whose env is missing");
    map = good;
    map.partitions = 4;
    refused(order, 2, &COLLECT, "partition counts that do not agree");
    map.partitions = -1;
    refused(order, 2, &COLLECT, "partition counts that do not agree");
    map = good;
    map.parent_count = 0;
    refused(order, 2, &COLLECT, "a node of no known kind");
    map = good;
    map.parents[0] = &map;
    refused(order, 2, &COLLECT, "a node before its parent");
    map = good;
    source.type = RDD_TYPE(double);
    refused(order, 1, &COLLECT, "types that do not agree");
    refused(order, 0, &COLLECT, "too many nodes");
}

/* The same fields at other offsets are another type: an operator would read one for the other. */
static void refused_offsets(void **state)
{
    (void)state;
    rdd_field fields[] = { { "key", RDD_TYPE(int64_t), 8 }, { "value", RDD_TYPE(int64_t), 0 } };
    rdd_type swapped = *RDD_TYPE(sample_pair);
    swapped.fields = fields;
    assert_false(type_equal(&swapped, RDD_TYPE(sample_pair)));
}

static void refused_combinations(void **state)
{
    (void)state;
    rdd a = *rdd_range(ctx, 0, 9, .partitions = 3), b = *rdd_range(ctx, 0, 9, .partitions = 3);
    rdd both = *rdd_zip(sample_pair, rdd_range(ctx, 0, 9, .partitions = 3),
                        rdd_range(ctx, 0, 9, .partitions = 3));
    a.id = 0;
    b.id = 1;
    both.id = 2;
    both.parents[0] = &a;
    both.parents[1] = &b;
    rdd *const order[] = { &a, &b, &both };
    rdd good = both;
    b.partitions = 2;
    refused(order, 3, &COLLECT, "partition counts that do not agree");
    b.partitions = 3;
    both.type = RDD_TYPE(sample_text_pair);
    refused(order, 3, &COLLECT, "types that do not agree");
    both = good;
    both.kind = NODE_UNION;
    refused(order, 3, &COLLECT, "types that do not agree");
    both.type = RDD_TYPE(int64_t);
    refused(order, 3, &COLLECT, "partition counts that do not agree");
    both = good;
    both.kind = NODE_CARTESIAN;
    refused(order, 3, &COLLECT, "partition counts that do not agree");
    a.partitions = b.partitions = INT64_MAX / 3;
    both.partitions = 1;
    refused(order, 3, &COLLECT, "partition counts that do not agree");
    a.partitions = b.partitions = 3;
    both.kind = NODE_ZIP_COLUMNS;
    both.partitions = 3;
    both.type = RDD_TYPE(rdd_row);
    refused(order, 3, &COLLECT, "types that do not agree");
}

static void refused_actions(void **state)
{
    (void)state;
    rdd *texts = rdd_empty(ctx, rdd_str), *numbers = rdd_range(ctx, 0, 3);
    buf zero = { 0 };
    int64_t one = 1;
    rdd_str block = sample_block(RDD_TYPE(int64_t), &one, &zero);
    const char *words = "an action that does not fit its elements";
    refused(&texts, 1, &(action){ .kind = ACTION_SUM }, words);
    refused(&texts, 1, &(action){ .kind = ACTION_STATS }, words);
    refused(&texts, 1, &(action){ .kind = ACTION_REDUCE, .op = sample_add.op }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_REDUCE }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_REDUCE, .op = sample_square.op }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_COLLECT, .op = sample_add.op }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_TAKE, .n = -1 }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_TOP, .n = -1 }, words);
    refused(&texts, 1, &(action){ .kind = ACTION_TOP, .n = 1, .op = sample_order.op }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_FOLD, .op = sample_add.op }, words);
    refused(&numbers, 1,
            &(action){ .kind = ACTION_AGGREGATE, .op = sample_count.op, .zero = block,
                       .type = RDD_TYPE(int64_t) }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_COUNT_VALUES, .type = RDD_TYPE(sample_text_pair) },
            words);
    refused(&numbers, 1, &(action){ .kind = ACTION_SAVE_CSV }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_FOREACH_PARTITION, .op = sample_see.op }, words);
    refused(&numbers, 1, &(action){ .kind = ACTION_CSV_SCAN }, "a scan of something else");
    refused(&numbers, 1, &(action){ .kind = ACTION_COLLECT, .first = -1 }, "it ends in its action");
    refused(&numbers, 1, &(action){ .kind = ACTION_COLLECT, .compression = 3 }, "it ends in its action");
    buf_release(&zero);
}

/* More types than a plan has room for: a limit, not a malformed plan. */
static void many_types(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    static rdd_type types[COUNT];
    static rdd_field fields[COUNT];
    static char names[COUNT][8];
    rdd *nodes[COUNT], *order[COUNT];
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "f%zu", i);
        fields[i] = (rdd_field){ names[i], RDD_TYPE(int64_t), 0 };
        types[i] = (rdd_type){ "s", RDD_KIND_STRUCT, 8, 8, 1, &fields[i], NULL };
        nodes[i] = (rdd_empty)(ctx, &types[i], (rdd_options){ .site_ = RDD_SITE });
        order[i] = nodes[i];
    }
    buf bytes = { 0 };
    rdd_error err;
    assert_int_equal(plan_encode(1, order, COUNT, &COLLECT, &bytes, &err), RDD_E_LIMIT);
    assert_int_equal(bytes.size, 0);
    buf_release(&bytes);
}

static void long_chain(void **state)
{
    (void)state;
    rdd *r = rdd_range(ctx, 0, 3, .partitions = 1);
    for (int i = 0; i < 100000; i++)
        r = rdd_map(r, sample_square);
    buf bytes = { 0 };
    sample_encode(&(plan_sample){ r, COLLECT }, &bytes);
    plan *p = decode(&bytes);
    assert_int_equal(p->node_count, 100001);
    assert_int_equal(p->nodes[100000].depth, 100001);
    plan_free(p);
    buf_release(&bytes);
}

static void names_of_actions(void **state)
{
    (void)state;
    for (int i = 0; i < ACTION_KINDS; i++)
        assert_non_null(action_name((action_kind)i));
    for (int i = 0; i < NODE_KINDS; i++)
        assert_non_null(node_kind_name((node_kind)i));
    assert_true(action_has_side_effects(ACTION_FOREACH));
    assert_false(action_has_side_effects(ACTION_COLLECT));
}

/* ---- main ----------------------------------------------------------------------------------- */

static int write_corpus(const char *dir)
{
    for (size_t s = 0; s < SAMPLE_COUNT; s++) {
        char path[PATH_MAX];
        buf bytes = { 0 };
        sample_encode(&samples[s], &bytes);
        snprintf(path, sizeof path, "%s/sample_%02zu", dir, s);
        FILE *file = fopen(path, "wb");
        if (!file || fwrite(bytes.data, 1, bytes.size, file) != bytes.size || fclose(file)) {
            perror(path);
            return 1;
        }
        buf_release(&bytes);
    }
    return 0;
}

static int release(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(zeros); i++)
        buf_release(&zeros[i]);
    return rdd_finish(ctx);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(consumers_and_side_effects),
        cmocka_unit_test(truncated),
        cmocka_unit_test(flipped_bits),
        cmocka_unit_test(refused_nodes),
        cmocka_unit_test(refused_offsets),
        cmocka_unit_test(refused_combinations),
        cmocka_unit_test(refused_actions),
        cmocka_unit_test(many_types),
        cmocka_unit_test(long_chain),
        cmocka_unit_test(names_of_actions),
    };
    ctx = rdd_init(&argc, argv);
    samples_build(ctx, samples, zeros);
    if (argc == 3 && !strcmp(argv[1], "--write-corpus"))
        return write_corpus(argv[2]) | release(NULL);
    return TEST_MAIN_GROUP(argc, argv, tests, NULL, release);
}
