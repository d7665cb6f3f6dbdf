#include "mailbox.h"

#include "clock.h"

#include <errno.h>

int mailbox_init(mailbox *m, size_t max)
{
    *m = (mailbox){ .max = max };
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&m->mutex, NULL);
    pthread_cond_init(&m->not_empty, &monotonic);
    pthread_cond_init(&m->not_full, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return 0;
}

void mailbox_release(mailbox *m)
{
    ASSERT(!m->first);
    pthread_cond_destroy(&m->not_full);
    pthread_cond_destroy(&m->not_empty);
    pthread_mutex_destroy(&m->mutex);
}

bool mailbox_post(mailbox *m, mailbox_node *node)
{
    node->next = NULL;
    pthread_mutex_lock(&m->mutex);
    while (m->count >= m->max && !m->closed) {
        m->posters_waiting++;
        pthread_cond_wait(&m->not_full, &m->mutex);
        m->posters_waiting--;
    }
    bool accepted = !m->closed;
    if (accepted) {
        if (m->last)
            m->last->next = node;
        else
            m->first = node;
        m->last = node;
        m->count++;
    }
    bool wake = accepted && m->taker_waiting;
    pthread_mutex_unlock(&m->mutex);
    if (wake)
        pthread_cond_signal(&m->not_empty);
    return accepted;
}

static void wait_for_first_locked(mailbox *m, uint64_t timeout_ns)
{
    uint64_t now = clock_now_ns();
    bool bounded = timeout_ns < CLOCK_NEVER - now;
    struct timespec deadline = clock_timespec(bounded ? now + timeout_ns : 0);
    int error = 0;
    m->taker_waiting = true;
    while (!m->first && !m->closed && error != ETIMEDOUT)
        error = bounded ? pthread_cond_timedwait(&m->not_empty, &m->mutex, &deadline)
                        : pthread_cond_wait(&m->not_empty, &m->mutex);
    m->taker_waiting = false;
}

mailbox_node *mailbox_take_all(mailbox *m, uint64_t timeout_ns)
{
    pthread_mutex_lock(&m->mutex);
    if (!m->first && !m->closed && timeout_ns)
        wait_for_first_locked(m, timeout_ns);
    mailbox_node *first = m->first;
    m->first = m->last = NULL;
    m->count = 0;
    bool wake = m->posters_waiting > 0;
    pthread_mutex_unlock(&m->mutex);
    if (wake)
        pthread_cond_broadcast(&m->not_full);
    return first;
}

void mailbox_close(mailbox *m)
{
    pthread_mutex_lock(&m->mutex);
    m->closed = true;
    pthread_mutex_unlock(&m->mutex);
    pthread_cond_broadcast(&m->not_full);
    pthread_cond_broadcast(&m->not_empty);
}
