#include "rdd_tool.h"

#include <pthread.h>

typedef struct pool {
    const tool_each *each;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* under the mutex */
    size_t next;   /* the next to be taken */
    bool *is_done;
} pool;

static void *pool_thread(void *arg)
{
    pool *p = arg;
    pthread_mutex_lock(&p->mutex);
    while (p->next < p->each->count) {
        size_t index = p->next++;
        pthread_mutex_unlock(&p->mutex);
        p->each->work(p->each->arg, index);
        pthread_mutex_lock(&p->mutex);
        p->is_done[index] = true;
        pthread_cond_signal(&p->changed);
    }
    pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static void wait_for(pool *p, size_t index)
{
    pthread_mutex_lock(&p->mutex);
    while (!p->is_done[index])
        pthread_cond_wait(&p->changed, &p->mutex);
    pthread_mutex_unlock(&p->mutex);
}

int tool_each_run(const tool_each *each, rdd_error *err)
{
    CLEANUP(freep) bool *is_done = calloc(each->count, sizeof *is_done);
    pool p = { .each = each, .is_done = is_done };
    pthread_t threads[TOOL_DIALS_MAX];
    size_t started = 0;
    if (!is_done)
        return error_set_memory(err, "starting threads");
    pthread_mutex_init(&p.mutex, NULL);
    pthread_cond_init(&p.changed, NULL);
    while (started < TOOL_DIALS_MAX && started < each->count &&
           pthread_create(&threads[started], NULL, pool_thread, &p) == 0)
        started++;
    if (!started)
        pool_thread(&p); /* one after the other will do */
    for (size_t i = 0; i < each->count; i++) {
        wait_for(&p, i);
        each->done(each->arg, i);
    }
    while (started > 0)
        pthread_join(threads[--started], NULL);
    pthread_cond_destroy(&p.changed);
    pthread_mutex_destroy(&p.mutex);
    return 0;
}
