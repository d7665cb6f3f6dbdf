/* block.c: the codec. A block is
 *
 *   header     64 bytes, see below
 *   elements   as they are in memory, padding zero; a text is { size, 1 + where its bytes begin in
 *              the texts }, a list is { count, 1 + where its items begin in the items }; 0 in the
 *              place of a pointer is no pointer
 *   items      level by level (layout.h) the items of all lists, in order and without gaps
 *   texts      bytes; texts may share them
 *
 * each of the three padded with zeros to BLOCK_ALIGN. Integers are little endian, as the elements are
 * copied as they are.
 *
 * Decoding trusts nothing. Items must lie exactly where the encoder puts them, each once, so no text
 * can overlap with a pointer: texts lie behind the items, and no item begins inside of another.
 *
 * Equal elements give equal bytes. So which texts share their bytes depends on what they say, never
 * on where they are: rows repeat their column names, and those become one. Empty lists have no
 * pointer, absent values are zeros, and true is 1.
 */
#include "block.h"

#include "hash.h"
#include "layout.h"
#include "type.h"

#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a block holds elements as they are in memory, so both ends must be little endian"
#endif

enum { BLOCK_MAGIC = 0x42444452, BLOCK_VERSION = 1 }; /* "RDDB" */

typedef struct block_header {
    uint32_t magic, version;
    uint64_t checksum; /* XXH3 of everything behind it */
    uint64_t digest;   /* of the type */
    uint64_t count;
    uint64_t element_bytes, item_bytes, text_bytes; /* each with its padding */
    uint64_t reserved; /* zero */
} block_header;

_Static_assert(sizeof(block_header) == 64 && sizeof(block_header) % BLOCK_ALIGN == 0, "header");
enum { CHECKED_FROM = offsetof(block_header, digest) };

/* How a text and a list lie in an element: a size or count, and a pointer or offset. */
typedef struct slot {
    uint64_t size;
    uint64_t place;
} slot;

_Static_assert(sizeof(slot) == sizeof(rdd_str) && offsetof(rdd_str, data) == 8, "slot");
_Static_assert(sizeof(slot) == sizeof(rdd_row) && offsetof(rdd_row, items) == 8, "slot");

/* A level's array: where it begins in the block, and how many it has. */
typedef struct span {
    size_t at, count;
} span;

static slot slot_load(const char *p)
{
    slot s;
    memcpy(&s, p, sizeof s);
    return s;
}

static void slot_store(char *p, slot s)
{
    memcpy(p, &s, sizeof s);
}

/* ---- encode -------------------------------------------------------------------------------- */

/* Short texts that were written lately, by hash, two places for each. */
enum { SHORT_MAX = 64, CACHE_SETS_MAX = 512 };

typedef struct cached {
    uint64_t hash;
    uint64_t place; /* in the texts, plus one */
} cached;

typedef struct encoder {
    buf *out;
    size_t start;    /* of the block in out */
    size_t texts_at; /* in out */
    size_t set_mask;
    bool limit;      /* out->max was the reason to fail */
    struct {
        cached newer, older;
    } sets[CACHE_SETS_MAX];
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
        if (!s.place || !s.size) {
            slot_store(e->out->data + at, (slot){ 0, 0 });
            continue;
        }
        if (__builtin_mul_overflow(s.size, (size_t)item->size, &bytes) || !room(e, bytes))
            return false;
        memcpy(e->out->data + e->out->size, (const void *)s.place, bytes);
        slot_store(e->out->data + at, (slot){ s.size, 1 + e->out->size - items_at });
        e->out->size += bytes;
        ret->count += s.size;
    }
    return true;
}

static bool append_text(encoder *e, slot s, uint64_t *ret_place)
{
    if (!room(e, s.size))
        return false;
    *ret_place = 1 + e->out->size - e->texts_at;
    memcpy(e->out->data + e->out->size, (const void *)s.place, s.size);
    e->out->size += s.size;
    return true;
}

/* The place of a short text: where the same bytes are already, or at the end. The size goes into the
 * hash, so what is cached under a hash may be longer only if the hashes collide, and the comparison
 * never reads behind the texts that are there. */
static bool place_short(encoder *e, slot s, uint64_t *ret_place)
{
    uint64_t hash = hash_bytes((const void *)s.place, s.size, s.size);
    cached *newer = &e->sets[hash & e->set_mask].newer, *older = &e->sets[hash & e->set_mask].older;
    const char *texts = e->out->data + e->texts_at;
    size_t texts_size = e->out->size - e->texts_at;
    for (cached *c = newer; c <= older; c++) {
        if (c->hash != hash || !c->place || c->place - 1 + s.size > texts_size ||
            memcmp(texts + c->place - 1, (const void *)s.place, s.size))
            continue;
        *ret_place = c->place;
        if (c == older) {
            *older = *newer;
            *newer = (cached){ hash, *ret_place };
        }
        return true;
    }
    if (!append_text(e, s, ret_place))
        return false;
    *older = *newer;
    *newer = (cached){ hash, *ret_place };
    return true;
}

static bool encode_texts(encoder *e, span from, size_t stride, uint32_t offset)
{
    for (size_t i = 0; i < from.count; i++) {
        size_t at = from.at + i * stride + offset;
        slot s = slot_load(e->out->data + at);
        uint64_t place = 0;
        if (!s.place)
            s.size = 0;
        else if (!s.size)
            place = 1;
        else if (!(s.size <= SHORT_MAX ? place_short(e, s, &place) : append_text(e, s, &place)))
            return false;
        slot_store(e->out->data + at, (slot){ s.size, place });
    }
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
                !encode_list(e, l->levels[step->level].type, spans[i], level->type->size, step->offset,
                             items_at, &spans[step->level]))
                return false;
        }
    }
    if (!pad(e))
        return false;
    header->item_bytes = e->out->size - items_at;
    e->texts_at = e->out->size;

    size_t sets = 1;
    while (sets < CACHE_SETS_MAX && sets < texts)
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

/* Spans for all levels: in `few` if they fit. */
static span *spans_new(const layout *l, span *few, size_t few_count)
{
    return l->level_count <= few_count ? few : malloc(l->level_count * sizeof(span));
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

    span few[8], *spans = spans_new(l, few, ARRAY_SIZE(few));
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
    header.checksum = hash_bytes(block + CHECKED_FROM, e->out->size - e->start - CHECKED_FROM, 0);
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
        return error_set(err, RDD_E_LIMIT, "the encoded elements take more than %zu bytes", out->max);
    return error_set_memory(err, "encoding elements");
}

/* ---- decode -------------------------------------------------------------------------------- */

static int malformed(rdd_error *err, const char *what)
{
    return error_set(err, RDD_E_PROTOCOL, "a malformed block: %s", what);
}

static int header_read(const void *bytes, size_t size, block_header *ret, size_t *ret_size,
                       rdd_error *err)
{
    if (size < sizeof *ret)
        return malformed(err, "it is shorter than its header");
    memcpy(ret, bytes, sizeof *ret);
    if (ret->magic != BLOCK_MAGIC)
        return malformed(err, "it does not begin like one");
    if (ret->version != BLOCK_VERSION)
        return error_set(err, RDD_E_PROTOCOL, "a block of version %u, this program reads version %d",
                         ret->version, BLOCK_VERSION);
    uint64_t all = 0;
    if ((ret->element_bytes | ret->item_bytes | ret->text_bytes) % BLOCK_ALIGN || ret->reserved ||
        __builtin_add_overflow(ret->element_bytes, ret->item_bytes, &all) ||
        __builtin_add_overflow(all, ret->text_bytes, &all) || all > size - sizeof *ret)
        return malformed(err, "its sizes are wrong");
    *ret_size = sizeof *ret + (size_t)all;
    return 0;
}

typedef struct decoder {
    char *items, *texts;
    size_t item_bytes, text_bytes;
    size_t items_used;
} decoder;

/* Loops over a level do not stop at what is wrong; they note it. */
static bool decode_bools(const char *p, size_t stride, size_t count)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < count; i++, p += stride)
        seen |= (uint8_t)*p;
    return seen <= 1;
}

static bool decode_options(const char *p, size_t stride, size_t count, uint32_t size)
{
    for (size_t i = 0; i < count; i++, p += stride) {
        if ((uint8_t)*p > 1)
            return false;
        char seen = 0;
        for (uint32_t k = 1; !*p && k <= size; k++)
            seen |= p[k];
        if (seen)
            return false;
    }
    return true;
}

static bool decode_texts(const decoder *d, char *p, size_t stride, size_t count)
{
    /* Place 0 is no text and place 1 the first byte: with both moved by one, one check does it. */
    uintptr_t before = (uintptr_t)d->texts - 1;
    uint64_t end = d->text_bytes + 1;
    bool bad = false;
    for (size_t i = 0; i < count; i++, p += stride) {
        slot s = slot_load(p);
        uint64_t left = s.place ? end - s.place : 0;
        bad |= s.place > end || s.size > left;
        s.place = s.place ? before + s.place : 0;
        slot_store(p, s);
    }
    return !bad;
}

/* The lists of one step: their items follow each other from where the last step's ended. */
static bool decode_list(decoder *d, const rdd_type *item, char *p, size_t stride, size_t count,
                        span *ret)
{
    size_t at = size_align(d->items_used, BLOCK_ALIGN);
    *ret = (span){ .at = at };
    for (size_t i = 0; i < count; i++, p += stride) {
        slot s = slot_load(p);
        if (!s.size && !s.place)
            continue;
        if (!s.size || s.place != at + 1 || at > d->item_bytes ||
            s.size > (d->item_bytes - at) / item->size)
            return false;
        slot_store(p, (slot){ s.size, (uintptr_t)d->items + at });
        at += s.size * item->size;
        ret->count += s.size;
    }
    d->items_used = at;
    return true;
}

static bool decode_level(decoder *d, const layout *l, const layout_level *level, char *p, size_t count,
                         span *spans)
{
    size_t stride = level->type->size;
    for (uint32_t i = level->first; i < level->end; i++) {
        const layout_step *s = &l->steps[i];
        bool good = true;
        switch (s->kind) {
        case LAYOUT_HOLE: break;
        case LAYOUT_BOOL: good = decode_bools(p + s->offset, stride, count); break;
        case LAYOUT_OPTION: good = decode_options(p + s->offset, stride, count, s->size); break;
        case LAYOUT_TEXT: good = decode_texts(d, p + s->offset, stride, count); break;
        case LAYOUT_LIST:
            good = decode_list(d, l->levels[s->level].type, p + s->offset, stride, count,
                               &spans[s->level]);
            break;
        }
        if (!good)
            return false;
    }
    return true;
}

/* Level 0 is at `elements`. 1 when all is well, 0 when malformed, negative without memory. */
static int decode_levels(decoder *d, const layout *l, char *elements, size_t count)
{
    span few[8], *spans = spans_new(l, few, ARRAY_SIZE(few));
    if (!spans)
        return RDD_E_MEMORY;
    spans[0].count = count;
    bool good = true;
    for (uint32_t i = 0; good && i < l->level_count; i++)
        good = decode_level(d, l, &l->levels[i], i ? d->items + spans[i].at : elements, spans[i].count,
                            spans);
    if (spans != few)
        free(spans);
    return good && size_align(d->items_used, BLOCK_ALIGN) == d->item_bytes;
}

int block_decode(const rdd_type *t, void *bytes, size_t size, const void **ret_items,
                 size_t *ret_count, size_t *ret_size, rdd_error *err)
{
    ASSERT((uintptr_t)bytes % BLOCK_ALIGN == 0);
    block_header header;
    size_t whole;
    int code = header_read(bytes, size, &header, &whole, err);
    if (code < 0)
        return code;
    char *block = bytes;
    if (hash_bytes(block + CHECKED_FROM, whole - CHECKED_FROM, 0) != header.checksum)
        return malformed(err, "its checksum is wrong");
    if (header.digest != type_digest(t))
        return malformed(err, "its elements are of another type");
    /* Its count is bounded by its bytes before anything is computed from it. */
    if (header.count > header.element_bytes / t->size ||
        size_align(header.count * t->size, BLOCK_ALIGN) != header.element_bytes)
        return malformed(err, "its count is wrong");

    CLEANUP(layout_release) layout l;
    code = layout_init(&l, t, err);
    if (code < 0)
        return code;
    char *elements = block + sizeof header;
    decoder d = { .items = elements + header.element_bytes,
                  .texts = elements + header.element_bytes + header.item_bytes,
                  .item_bytes = header.item_bytes,
                  .text_bytes = header.text_bytes };
    code = decode_levels(&d, &l, elements, header.count);
    if (code < 0)
        return error_set_memory(err, "decoding elements");
    if (!code)
        return malformed(err, "its elements are wrong");
    *ret_items = elements;
    *ret_count = header.count;
    *ret_size = whole;
    return 0;
}

int block_peek(const void *bytes, size_t size, size_t *ret_count, size_t *ret_size, rdd_error *err)
{
    block_header header;
    size_t whole;
    int code = header_read(bytes, size, &header, &whole, err);
    if (code < 0)
        return code;
    *ret_count = header.count;
    *ret_size = whole;
    return 0;
}
