/* board.h: what a worker and its supervisor both map: the crash report, why the worker ended itself, and
 * what each slot runs.
 *
 * The worker writes, the supervisor reads, also when the worker is dead. A worker runs user
 * code, so its supervisor believes nothing here without a check.
 */
#ifndef RDD_BOARD_H
#define RDD_BOARD_H

#include "crash.h"

typedef struct board_slot {
    _Alignas(64) slot_state state; /* no two slots share a cache line */
} board_slot;

enum { BOARD_REASON_SIZE = 256 };

typedef struct board {
    crash_report crash;
    _Atomic uint32_t reason_given;
    char reason[BOARD_REASON_SIZE];
    board_slot slots[];
} board;

static inline size_t board_size(uint32_t slots)
{
    return sizeof(board) + slots * sizeof(board_slot);
}

/* The task a slot runs; false when it runs none. */
static inline bool board_running(const board *b, uint32_t slot, task_id *ret)
{
    const slot_state *s = &b->slots[slot].state;
    if (!atomic_load_explicit(&s->busy, memory_order_acquire))
        return false;
    ret->stage = atomic_load_explicit(&s->stage, memory_order_relaxed);
    ret->partition = atomic_load_explicit(&s->partition, memory_order_relaxed);
    ret->attempt = atomic_load_explicit(&s->attempt, memory_order_relaxed);
    return true;
}

#endif
