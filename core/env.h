/* env.h: the envs that operator handles point to.
 *
 * RDD_WITH copies what it is given, so that a handle may be returned from a function or kept in a
 * variable, as any value. The copies stay until rdd_finish(). From any thread.
 */
#ifndef RDD_ENV_H
#define RDD_ENV_H

#include "rdd.h"

/* Whether there was no memory for the copy of this one. */
bool env_is_lost(const void *env);

/* All of them: handles made before point to nothing. */
void envs_release(void);

#endif
