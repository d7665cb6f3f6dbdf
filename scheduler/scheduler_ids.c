/* scheduler_ids.c: stages by id, for outcomes that come back.
 *
 * Open addressing with linear probing; removing closes the gap, so there are no tombstones and a
 * search ends at the first empty entry. Never walked: the order of entries means nothing.
 */
#include "scheduler_state.h"

enum { CAPACITY_FIRST = 64 };

static size_t home_of(const id_table *t, uint32_t id)
{
    return ((uint64_t)id * 0x9e3779b97f4a7c15u >> 32) & (t->capacity - 1);
}

/* The entry of `id`, or the empty one where it would be. */
static size_t find(const id_table *t, uint32_t id)
{
    size_t at = home_of(t, id);
    while (t->entries[at] && t->entries[at]->spec->id != id)
        at = (at + 1) & (t->capacity - 1);
    return at;
}

int id_table_reserve(id_table *t, size_t more)
{
    size_t capacity = size_max(t->capacity, CAPACITY_FIRST);
    while (capacity / 2 < t->count + more)
        capacity *= 2;
    if (capacity == t->capacity)
        return 0;
    id_table grown = { calloc(capacity, sizeof(stage *)), t->count, capacity };
    if (!grown.entries)
        return RDD_E_MEMORY;
    for (size_t i = 0; i < t->capacity; i++)
        if (t->entries[i])
            grown.entries[find(&grown, t->entries[i]->spec->id)] = t->entries[i];
    free(t->entries);
    *t = grown;
    return 0;
}

void id_table_add(id_table *t, stage *st)
{
    size_t at = find(t, st->spec->id);
    ASSERT(!t->entries[at]);
    ASSERT(t->count < t->capacity / 2);
    t->entries[at] = st;
    t->count++;
}

stage *id_table_find(const id_table *t, uint32_t id)
{
    return t->count ? t->entries[find(t, id)] : NULL;
}

void id_table_remove(id_table *t, uint32_t id)
{
    size_t gap = find(t, id), mask = t->capacity - 1;
    ASSERT(t->entries[gap]);
    for (size_t at = (gap + 1) & mask; t->entries[at]; at = (at + 1) & mask) {
        size_t own = home_of(t, t->entries[at]->spec->id);
        /* Moves only backwards, and never before its home. */
        if (((at - own) & mask) >= ((at - gap) & mask)) {
            t->entries[gap] = t->entries[at];
            gap = at;
        }
    }
    t->entries[gap] = NULL;
    t->count--;
}

void id_table_release(id_table *t)
{
    free(t->entries);
    *t = (id_table){ 0 };
}
