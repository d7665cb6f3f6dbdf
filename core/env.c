#include "env.h"

#include "arena.h"
#include "type.h"

#include <pthread.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static arena memory; /* under the mutex */
static const char lost;

static void *copy_locked(const rdd_type *t, const void *env)
{
    void *copy = arena_alloc(&memory, t->size);
    return copy && values_copy(t, env, 1, copy, &memory) == 0 ? copy : NULL;
}

const void *rdd_env_keep_(const rdd_op *op, const void *env)
{
    if (!op->env)
        return env; /* it has none, and only that it was given one is looked at */
    pthread_mutex_lock(&mutex);
    const void *copy = copy_locked(op->env, env);
    pthread_mutex_unlock(&mutex);
    return copy ? copy : &lost;
}

bool env_is_lost(const void *env)
{
    return env == &lost;
}

void envs_release(void)
{
    pthread_mutex_lock(&mutex);
    arena_release(&memory);
    pthread_mutex_unlock(&mutex);
}
