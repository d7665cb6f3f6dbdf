#include "holds.h"

static hold *find(const holds *hs, rdd_str name)
{
    hold *h = hs->first;
    while (h && (h->name_size != name.size || memcmp(h->name, name.data, name.size) != 0))
        h = h->next;
    return h;
}

const hold *holds_find(const holds *hs, rdd_str name)
{
    return find(hs, name);
}

static void drop_until(holds *hs, uint64_t ns)
{
    for (hold **at = &hs->first, *h; (h = *at);) {
        if (h->until_ns > ns) {
            at = &h->next;
            continue;
        }
        *at = h->next;
        free(h);
        hs->count--;
    }
}

static hold *add(holds *hs, rdd_str name)
{
    hold *h = hs->count < HOLDS_MAX ? calloc(1, sizeof *h + name.size) : NULL;
    if (!h)
        return NULL;
    h->name_size = name.size;
    memcpy(h->name, name.data, name.size);
    h->next = hs->first;
    hs->first = h;
    hs->count++;
    return h;
}

uint64_t holds_extend(holds *hs, rdd_str name, uint64_t now_ns, uint64_t until_ns)
{
    drop_until(hs, now_ns);
    hold *h = find(hs, name);
    if (!h)
        h = add(hs, name);
    if (!h || h->until_ns >= until_ns)
        return 0;
    uint64_t later_ns = until_ns - h->until_ns;
    h->until_ns = until_ns;
    h->serial = ++hs->serial;
    return later_ns;
}

void holds_release(holds *hs)
{
    drop_until(hs, UINT64_MAX);
    ASSERT(hs->count == 0);
}
