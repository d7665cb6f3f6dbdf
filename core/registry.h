/* registry.h: the operators of this program.
 *
 * Each operator's constructor links its static node into a list before main. registry_seal(), called
 * by rdd_init, groups them by module (the program, each shared library) and numbers them. On the wire
 * an operator is (module, index), never an address; driver and executor compare registry_digest(),
 * which covers every operator's name, line and types, so the numbers mean the same on both sides.
 */
#ifndef RDD_REGISTRY_H
#define RDD_REGISTRY_H

#include "error.h"
#include "rdd.h"

/* Once, from the only thread. */
int registry_seal(rdd_error *err);

/* Whether the operator may be used: false for one of a library that was opened after rdd_init. */
bool registry_knows(const rdd_op *op);

/* NULL when there is no such operator (a number from outside). */
const rdd_op *registry_op(uint32_t module, uint32_t index);

uint64_t registry_digest(void);

/* The program's GNU build id as hex, or "" when it was linked without. Static. */
const char *registry_build_id(void);

#endif
