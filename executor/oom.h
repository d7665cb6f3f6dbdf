/* oom.h: whether the kernel's out-of-memory killer was at work here. */
#ifndef RDD_OOM_H
#define RDD_OOM_H

#include "base.h"

/* How many processes of this process's cgroup it has killed so far; -1 when that cannot be read. */
int64_t oom_kills(void);

#endif
