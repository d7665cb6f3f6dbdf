/* block_encode.c: elements to blocks. See block_format.h. */
#include "block_format.h"
#include "hash.h"
#include "type.h"

/* Where short texts are that were written lately, by what they say: places in the texts plus
 * one, two for each hash. A place tells nothing of the text that was put there but where it
 * begins; whatever has the wanted bytes is good. */
enum { SHORT_MAX = 64, TINY_MAX = 16, CACHE_SETS_MAX = 1024 };

typedef struct cache_set {
    uint32_t newer, older;
} cache_set;

typedef struct encoder {
    buf *out;
    size_t start;    /* of the block in out */
    size_t texts_at; /* in out */
    size_t set_mask;
    bool limit;      /* out->max was the reason to fail */
    cache_set sets[CACHE_SETS_MAX];
} encoder;

static bool room_slow(encoder *e, size_t more)
{
    e->limit = e->out->max && more > e->out->max - size_min(e->out->size, e->out->max);
    return buf_reserve(e->out, more) != NULL;
}

static inline bool room(encoder *e, size_t more)
{
    return LIKELY(more <= e->out->capacity - e->out->size) || room_slow(e, more);
}

/* Zeros to the next BLOCK_ALIGN. */
static bool pad(encoder *e)
{
    size_t size = e->out->size - e->start, more = size_align(size, BLOCK_ALIGN) - size;
    if (!room(e, more))
        return false;
    memset(e->out->data + e->out->size, 0, more);
    e->out->size += more;
    return true;
}

static void clear_holes(char *p, size_t stride, size_t count, uint32_t size)
{
    switch (size) {
    case 4:
        for (size_t i = 0; i < count; i++, p += stride)
            memset(p, 0, 4);
        break;
    case 7:
        for (size_t i = 0; i < count; i++, p += stride)
            memset(p, 0, 7);
        break;
    default:
        for (size_t i = 0; i < count; i++, p += stride)
            memset(p, 0, size);
    }
}

static void encode_bools(char *p, size_t stride, size_t count)
{
    for (size_t i = 0; i < count; i++, p += stride)
        *p = *p != 0;
}

static void encode_options(char *p, size_t stride, size_t count, uint32_t size)
{
    for (size_t i = 0; i < count; i++, p += stride) {
        *p = *p != 0;
        if (!*p)
            memset(p + 1, 0, size);
    }
}

/* Holes, tags and bools of elements that were copied to p. */
static void encode_plain(const layout *l, const layout_level *level, char *p, size_t count)
{
    size_t stride = level->type->size;
    for (uint32_t i = level->first; i < level->end; i++) {
        const layout_step *s = &l->steps[i];
        if (s->kind == LAYOUT_HOLE)
            clear_holes(p + s->offset, stride, count, s->size);
        else if (s->kind == LAYOUT_BOOL)
            encode_bools(p + s->offset, stride, count);
        else if (s->kind == LAYOUT_OPTION)
            encode_options(p + s->offset, stride, count, s->size);
    }
}

/* Appends the items of one list per element of `from`, and puts their places into the elements. */
static bool encode_list(encoder *e, const rdd_type *item, span from, size_t stride, uint32_t offset,
                        size_t items_at, span *ret)
{
    if (!pad(e))
        return false;
    *ret = (span){ .at = e->out->size };
    for (size_t i = 0; i < from.count; i++) {
        size_t at = from.at + i * stride + offset;
        slot s = slot_load(e->out->data + at);
        size_t bytes;
        if (!s.data || !s.size) {
            slot_store(e->out->data + at, (slot){ 0 });
            continue;
        }
        if (__builtin_mul_overflow(s.size, (size_t)item->size, &bytes) || !room(e, bytes))
            return false;
        memcpy(e->out->data + e->out->size, s.data, bytes);
        slot_store(e->out->data + at, (slot){ s.size, { 1 + e->out->size - items_at } });
        e->out->size += bytes;
        ret->count += s.size;
    }
    return true;
}

static inline uint64_t load8(const char *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

static inline uint64_t load4(const char *at)
{
    uint32_t word;
    memcpy(&word, at, sizeof word);
    return word;
}

/* A text of 1 to TINY_MAX bytes in two words: up to eight bytes in the first alone, zeros behind
 * them; otherwise its first eight and its last eight, which may overlap. Reads nothing around
 * it. */
typedef struct tiny {
    uint64_t first, last;
} tiny;

static inline tiny tiny_load(const char *at, size_t size)
{
    if (size >= 8)
        return (tiny){ load8(at), size > 8 ? load8(at + size - 8) : 0 };
    if (size >= 4)
        return (tiny){ load4(at) | load4(at + size - 4) << (8 * (size - 4)), 0 };
    uint64_t middle = (uint64_t)(unsigned char)at[size / 2] << (8 * (size / 2));
    uint64_t last = (uint64_t)(unsigned char)at[size - 1] << (8 * (size - 1));
    return (tiny){ (unsigned char)at[0] | middle | last, 0 };
}

/* Writes at least eight bytes, and never more than 16. */
static inline void tiny_store(char *to, tiny t, size_t size)
{
    memcpy(to, &t.first, 8);
    if (size > 8)
        memcpy(to + size - 8, &t.last, 8);
}

/* Whether these bytes are at `at`, of which at least eight may be read. */
static inline bool tiny_is(const char *at, tiny t, size_t size)
{
    if (size > 8)
        return load8(at) == t.first && load8(at + size - 8) == t.last;
    return (load8(at) ^ t.first) << (64 - 8 * size) == 0;
}

static inline uint64_t tiny_hash(tiny t, size_t size)
{
    unsigned __int128 product = (unsigned __int128)(t.first ^ 0x9e3779b97f4a7c15u) *
                                (t.last ^ 0xd6e8feb86659fd93u ^ size << 56);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* Remembers a text that was appended at `place`. Behind 4 GiB nothing is remembered. */
static inline void remember(cache_set *set, uint64_t place)
{
    set->older = set->newer;
    set->newer = place <= UINT32_MAX ? (uint32_t)place : 0;
}

/* Finds or appends a tiny text; there is room for 16 bytes more than `used`. Returns its place. */
static inline uint64_t place_tiny(encoder *e, char *texts, size_t *used, slot s)
{
    tiny t = tiny_load(s.data, s.size);
    cache_set *set = &e->sets[tiny_hash(t, s.size) & e->set_mask];
    uint64_t place = set->newer;
    if (place && place - 1 + s.size <= *used && tiny_is(texts + place - 1, t, s.size))
        return place;
    place = set->older;
    if (place && place - 1 + s.size <= *used && tiny_is(texts + place - 1, t, s.size)) {
        *set = (cache_set){ (uint32_t)place, set->newer };
        return place;
    }
    place = *used + 1;
    tiny_store(texts + *used, t, s.size);
    *used += s.size;
    remember(set, place);
    return place;
}

/* The same for any other text, with room for it. */
static uint64_t place_long(encoder *e, char *texts, size_t *used, slot s)
{
    cache_set *set = NULL;
    if (s.size <= SHORT_MAX) {
        set = &e->sets[hash_bytes(s.data, s.size, 0) & e->set_mask];
        const uint32_t places[] = { set->newer, set->older };
        for (int i = 0; i < 2; i++)
            if (places[i] && places[i] - 1 + s.size <= *used &&
                !memcmp(texts + places[i] - 1, s.data, s.size)) {
                *set = (cache_set){ places[i], places[1 - i] };
                return places[i];
            }
    }
    uint64_t place = *used + 1;
    memcpy(texts + *used, s.data, s.size);
    *used += s.size;
    if (set)
        remember(set, place);
    return place;
}

/* What is hot stays in locals, as a store of bytes might change anything else. */
static bool encode_texts(encoder *e, span from, size_t stride, uint32_t offset)
{
    buf *out = e->out;
    char *p = out->data + from.at + offset, *texts = out->data + e->texts_at;
    size_t used = out->size - e->texts_at, capacity = out->capacity - e->texts_at;
    for (size_t i = 0; i < from.count; i++, p += stride) {
        slot s = slot_load(p);
        if (!s.data || !s.size) { /* no text, or an empty one */
            slot_store(p, (slot){ 0, { s.data != NULL } });
            continue;
        }
        if (UNLIKELY(capacity - used < TINY_MAX || capacity - used < s.size)) {
            out->size = e->texts_at + used;
            if (!room(e, size_max(s.size, TINY_MAX)))
                return false;
            p = out->data + from.at + offset + i * stride;
            texts = out->data + e->texts_at;
            capacity = out->capacity - e->texts_at;
        }
        s.place =
            s.size <= TINY_MAX ? place_tiny(e, texts, &used, s) : place_long(e, texts, &used, s);
        slot_store(p, s);
    }
    out->size = e->texts_at + used;
    return true;
}

/* All levels: first every array to its place, as the texts come behind them, then the texts. */
static bool encode_levels(encoder *e, const layout *l, span *spans, block_header *header)
{
    size_t items_at = 0, texts = 0;
    for (uint32_t i = 0; i < l->level_count; i++) {
        const layout_level *level = &l->levels[i];
        encode_plain(l, level, e->out->data + spans[i].at, spans[i].count);
        if (i == 0) {
            if (!pad(e))
                return false;
            items_at = e->out->size;
        }
        for (uint32_t s = level->first; s < level->end; s++) {
            const layout_step *step = &l->steps[s];
            texts += step->kind == LAYOUT_TEXT ? spans[i].count : 0;
            if (step->kind == LAYOUT_LIST &&
                !encode_list(e, l->levels[step->level].type, spans[i], level->type->size,
                             step->offset, items_at, &spans[step->level]))
                return false;
        }
    }
    if (!pad(e))
        return false;
    header->item_bytes = e->out->size - items_at;
    e->texts_at = e->out->size;

    size_t sets = 1;
    while (sets < CACHE_SETS_MAX && 2 * sets < texts)
        sets *= 2;
    e->set_mask = sets - 1;
    if (texts)
        memset(e->sets, 0, sets * sizeof e->sets[0]);
    for (uint32_t i = 0; i < l->level_count; i++)
        for (uint32_t s = l->levels[i].first; s < l->levels[i].end; s++)
            if (l->steps[s].kind == LAYOUT_TEXT &&
                !encode_texts(e, spans[i], l->levels[i].type->size, l->steps[s].offset))
                return false;
    if (!pad(e))
        return false;
    header->text_bytes = e->out->size - e->texts_at;
    return true;
}

static bool encode_block(encoder *e, const layout *l, const void *items, size_t count)
{
    block_header header = { .magic = BLOCK_MAGIC,
                            .version = BLOCK_VERSION,
                            .digest = type_digest(l->levels[0].type),
                            .count = count };
    size_t bytes;
    if (__builtin_mul_overflow(count, (size_t)l->levels[0].type->size, &bytes) ||
        bytes > SIZE_MAX / 2)
        bytes = SIZE_MAX / 2; /* which is refused */
    header.element_bytes = size_align(bytes, BLOCK_ALIGN);
    if (!room(e, sizeof header + header.element_bytes))
        return false;
    e->out->size += sizeof header;

    span few[8] = { 0 }, *spans = spans_new(l, few, ARRAY_SIZE(few));
    if (!spans)
        return false;
    spans[0] = (span){ e->out->size, count };
    buf_append(e->out, items, bytes);
    bool done = encode_levels(e, l, spans, &header);
    if (spans != few)
        free(spans);
    if (!done)
        return false;
    char *block = e->out->data + e->start;
    memcpy(block, &header, sizeof header);
    header.checksum = checksum(block + CHECKED_FROM, e->out->size - e->start - CHECKED_FROM);
    memcpy(block, &header, sizeof header);
    return true;
}

int block_encode(const rdd_type *t, const void *items, size_t count, buf *out, rdd_error *err)
{
    CLEANUP(layout_release) layout l;
    int code = layout_init(&l, t, err);
    if (code < 0)
        return code;
    if (out->failed)
        return error_set_memory(err, "encoding elements");
    encoder e; /* the cache is cleared as far as it is used */
    e.out = out;
    e.start = out->size;
    e.limit = false;
    if (encode_block(&e, &l, items, count)) {
        /* The capacity may come from a time with another maximum. */
        e.limit = out->max && out->size > out->max;
        if (!e.limit)
            return 0;
    }
    out->size = e.start;
    out->failed = false;
    if (e.limit)
        return error_set(err, RDD_E_LIMIT, "the encoded elements take more than %zu bytes",
                         out->max);
    return error_set_memory(err, "encoding elements");
}
