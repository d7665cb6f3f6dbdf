/* plan_fuzz.c: plans of any bytes. What is accepted has a shape that can be run: parents before
 * children, types that are checked, operators of the kinds that the nodes want.
 *
 * The corpus is made by `plan_test --write-corpus`: both have the operators of plan_samples.h.
 */
#include "base.h"

#include "plan_samples.h"

#include "type.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const plan *p)
{
    for (uint32_t i = 0; i < p->node_count; i++) {
        const plan_node *n = &p->nodes[i];
        ASSERT(n->kind < NODE_KINDS);
        ASSERT(n->partitions >= 0);
        ASSERT(n->type && n->label);
        ASSERT(type_check(n->type, NULL) == 0);
        for (uint32_t k = 0; k < n->parent_count; k++)
            ASSERT(n->parents[k] < i);
        ASSERT(!n->op || (n->op->env != NULL) == (n->env != NULL));
        if (n->kind == NODE_MAP)
            ASSERT(type_equal(n->op->in, p->nodes[n->parents[0]].type));
        if (n->kind == NODE_MAP)
            ASSERT(type_equal(n->op->out, n->type));
    }
    ASSERT(p->act.kind < ACTION_KINDS);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool sealed;
    rdd_error err;
    if (!sealed && registry_seal(&err) < 0)
        abort();
    sealed = true;
    plan *p = NULL;
    int code = plan_decode(&p, data, size, &err);
    ASSERT((code == 0) == (p != NULL));
    if (p)
        check(p);
    plan_free(p);
    return 0;
}
