/* cores.h: how many processors this process may really use. */
#ifndef RDD_CORES_H
#define RDD_CORES_H

#include "base.h"

/* By affinity and by the cpu quota of its cgroup and those above (v2, or v1), rounded up; at least
 * 1. */
uint32_t cores_allowed(void);

#endif
