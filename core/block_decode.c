/* block_decode.c: blocks from outside to elements, in place. See block_format.h. */
#include "block_format.h"
#include "hash.h"
#include "type.h"

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
        return error_set(err, RDD_E_PROTOCOL,
                         "a block of version %u, this program reads version %d", ret->version,
                         BLOCK_VERSION);
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
        s.data = d->items + at;
        slot_store(p, s);
        at += s.size * item->size;
        ret->count += s.size;
    }
    d->items_used = at;
    return true;
}

static bool decode_level(decoder *d, const layout *l, const layout_level *level, char *p,
                         size_t count, span *spans)
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
    span few[8] = { 0 }, *spans = spans_new(l, few, ARRAY_SIZE(few));
    if (!spans)
        return RDD_E_MEMORY;
    spans[0].count = count;
    bool good = true;
    for (uint32_t i = 0; good && i < l->level_count; i++)
        good = decode_level(d, l, &l->levels[i], i ? d->items + spans[i].at : elements,
                            spans[i].count, spans);
    if (spans != few)
        free(spans);
    return good && size_align(d->items_used, BLOCK_ALIGN) == d->item_bytes;
}

int block_decode(const rdd_type *t, void *bytes, size_t size, const void **ret_items,
                 size_t *ret_count, size_t *ret_size, rdd_error *err)
{
    ASSERT((uintptr_t)bytes % BLOCK_ALIGN == 0);
    block_header header = { 0 };
    size_t whole = 0;
    int code = header_read(bytes, size, &header, &whole, err);
    if (code < 0)
        return code;
    char *block = bytes;
    if (checksum(block + CHECKED_FROM, whole - CHECKED_FROM) != header.checksum)
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
    block_header header = { 0 };
    size_t whole = 0;
    int code = header_read(bytes, size, &header, &whole, err);
    if (code < 0)
        return code;
    *ret_count = header.count;
    *ret_size = whole;
    return 0;
}
