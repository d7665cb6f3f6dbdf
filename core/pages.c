#include "pages.h"

#include "base.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* since Linux 5.14; before, the call fails and nothing is lost */
#endif

enum { HUGE_PAGE = 2 << 20, AHEAD_MAX = 16 };

typedef struct block {
    char *at;
    size_t size;
} block;

static struct {
    pthread_mutex_t mutex;
    block blocks[AHEAD_MAX]; /* in turn; of more at once the pages come when they are written to */
    size_t count;
    bool running;
} ahead = { .mutex = PTHREAD_MUTEX_INITIALIZER };

/* Makes pages without a change of what is in them. A block that was freed meanwhile does no harm: what is
 * not there any more is passed over. */
static void *populate(void *arg)
{
    (void)arg;
    pthread_mutex_lock(&ahead.mutex);
    while (ahead.count) {
        block b = ahead.blocks[0];
        memmove(ahead.blocks, ahead.blocks + 1, --ahead.count * sizeof *ahead.blocks);
        pthread_mutex_unlock(&ahead.mutex);
        for (size_t at = 0; at < b.size; at += HUGE_PAGE)
            if (madvise(b.at + at, HUGE_PAGE, MADV_POPULATE_WRITE) < 0)
                break;
        pthread_mutex_lock(&ahead.mutex);
    }
    ahead.running = false;
    pthread_mutex_unlock(&ahead.mutex);
    return NULL;
}

static bool start_thread(void)
{
    pthread_attr_t how;
    pthread_t thread;
    sigset_t all, before;
    if (pthread_attr_init(&how))
        return false;
    pthread_attr_setdetachstate(&how, PTHREAD_CREATE_DETACHED);
    sigfillset(&all); /* signals are for the program's own threads */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&thread, &how, populate, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&how);
    return !failed;
}

static void populate_ahead(void *memory, size_t size)
{
    pthread_mutex_lock(&ahead.mutex);
    if (ahead.count < AHEAD_MAX)
        ahead.blocks[ahead.count++] = (block){ memory, size };
    if (!ahead.running && !(ahead.running = start_thread()))
        ahead.count = 0;
    pthread_mutex_unlock(&ahead.mutex);
}

void *pages_alloc(size_t size)
{
    if (size < 2 * HUGE_PAGE || size > SIZE_MAX / 2)
        return malloc(size);
    size_t whole = size_align(size, HUGE_PAGE);
    void *memory = aligned_alloc(HUGE_PAGE, whole);
    if (!memory)
        return NULL;
    madvise(memory, whole, MADV_HUGEPAGE); /* a wish */
    populate_ahead(memory, whole);
    return memory;
}
