#include "message.h"

#include <endian.h>
#include <xxhash.h>

static const char MAGIC[4] = { 'R', 'D', 'D', 'f' };

enum {
    AT_VERSION = 4,
    AT_TYPE = 6,
    AT_STREAM = 8,
    AT_SIZE = 16,
    AT_RESERVED = 20,
    AT_PAYLOAD_SUM = 24,
    AT_HEADER_SUM = 32,
    READ_LEAST = 64 << 10, /* room that a read is given */
    CAPACITY_FIRST = 256 << 10,
};
_Static_assert(AT_HEADER_SUM + sizeof(uint64_t) == FRAME_HEADER_SIZE, "the header's layout");

static size_t size_max_of(uint32_t type)
{
    return type == FRAME_DATA ? FRAME_DATA_MAX : FRAME_CONTROL_MAX;
}

static void put_u16(char *at, uint16_t v)
{
    v = htole16(v);
    memcpy(at, &v, sizeof v);
}

static void put_u32(char *at, uint32_t v)
{
    v = htole32(v);
    memcpy(at, &v, sizeof v);
}

static void put_u64(char *at, uint64_t v)
{
    v = htole64(v);
    memcpy(at, &v, sizeof v);
}

static uint16_t get_u16(const char *at)
{
    uint16_t v;
    memcpy(&v, at, sizeof v);
    return le16toh(v);
}

static uint32_t get_u32(const char *at)
{
    uint32_t v;
    memcpy(&v, at, sizeof v);
    return le32toh(v);
}

static uint64_t get_u64(const char *at)
{
    uint64_t v;
    memcpy(&v, at, sizeof v);
    return le64toh(v);
}

/* -- Writing ----------------------------------------------------------------------------------- */

size_t frame_begin(buf *b, frame_type type, uint64_t stream)
{
    ASSERT(frame_has_stream(type) == (stream != 0));
    size_t begin = b->size;
    char *at = buf_reserve(b, FRAME_HEADER_SIZE);
    if (!at)
        return begin;
    memcpy(at, MAGIC, sizeof MAGIC);
    put_u16(at + AT_VERSION, FRAME_VERSION);
    put_u16(at + AT_TYPE, (uint16_t)type);
    put_u64(at + AT_STREAM, stream);
    put_u32(at + AT_RESERVED, 0);
    b->size += FRAME_HEADER_SIZE;
    return begin;
}

void frame_end(buf *b, size_t begin)
{
    if (b->failed)
        return;
    char *header = b->data + begin;
    size_t size = b->size - begin - FRAME_HEADER_SIZE;
    ASSERT(size <= size_max_of(get_u16(header + AT_TYPE)));
    put_u32(header + AT_SIZE, (uint32_t)size);
    put_u64(header + AT_PAYLOAD_SUM, XXH3_64bits(header + FRAME_HEADER_SIZE, size));
    put_u64(header + AT_HEADER_SUM, XXH3_64bits(header, AT_HEADER_SUM));
}

void frame_append(buf *b, frame_type type, uint64_t stream, const void *payload, size_t size)
{
    size_t begin = frame_begin(b, type, stream);
    buf_append(b, payload, size);
    frame_end(b, begin);
}

size_t frame_whole_size(const char *bytes)
{
    return FRAME_HEADER_SIZE + get_u32(bytes + AT_SIZE);
}

/* -- Reading ----------------------------------------------------------------------------------- */

void frame_reader_init(frame_reader *r, size_t skip_max)
{
    *r = (frame_reader){ .skip_left = skip_max };
}

void frame_reader_release(frame_reader *r)
{
    free(r->data);
    *r = (frame_reader){ .failed = true };
}

void *frame_reader_room(frame_reader *r, size_t *ret_size)
{
    size_t unread = r->end - r->at;
    ASSERT(unread <= FRAME_HEADER_SIZE + FRAME_CONTROL_MAX);
    size_t need = size_max(unread + READ_LEAST, r->want);
    if (r->at && (!unread || r->capacity - r->at < need)) {
        memmove(r->data, r->data + r->at, unread);
        r->at = 0;
        r->end = unread;
    }
    if (r->capacity - r->at < need) {
        size_t capacity = size_max(CAPACITY_FIRST, r->capacity);
        while (capacity < need)
            capacity *= 2;
        char *data = realloc(r->data, capacity);
        if (!data)
            return NULL;
        r->data = data;
        r->capacity = capacity;
    }
    *ret_size = r->capacity - r->end;
    return r->data + r->end;
}

void frame_reader_filled(frame_reader *r, size_t size)
{
    ASSERT(size <= r->capacity - r->end);
    r->end += size;
}

void frame_reader_drop(frame_reader *r)
{
    r->at = r->end = r->want = 0;
}

/* Steps over one byte that belongs to no frame, and over all that follow up to the next one that
 * could begin a frame. */
static void skip_foreign(frame_reader *r)
{
    const char *from = r->data + r->at;
    size_t unread = r->end - r->at;
    const char *next = memchr(from + 1, MAGIC[0], unread - 1);
    size_t size = size_min(next ? (size_t)(next - from) : unread, r->skip_left);
    size_t keep = size_min(size, sizeof r->skipped - r->skipped_size);
    memcpy(r->skipped + r->skipped_size, from, keep);
    r->skipped_size += keep;
    r->skip_left -= size;
    r->at += size;
}

static int fail(frame_reader *r, rdd_error *err, const char *why)
{
    r->failed = true;
    return error_set(err, RDD_E_PROTOCOL, "%s", why);
}

/* What is wrong with the header at `h`; NULL when it is good. A header of another version has its
 * magic, its version and its sum in the same places. */
static const char *check_header(const char *h)
{
    if (memcmp(h, MAGIC, sizeof MAGIC) != 0)
        return "bytes that are no frame came over the channel";
    if (get_u64(h + AT_HEADER_SUM) != XXH3_64bits(h, AT_HEADER_SUM))
        return "a frame with a damaged header came over the channel";
    if (get_u16(h + AT_VERSION) != FRAME_VERSION)
        return NULL; /* its type and size may mean something else */
    uint32_t type = get_u16(h + AT_TYPE);
    if (type == 0 || type >= FRAME_TYPES || get_u32(h + AT_RESERVED) ||
        frame_has_stream(type) != (get_u64(h + AT_STREAM) != 0))
        return "a frame of an unknown type came over the channel";
    if (get_u32(h + AT_SIZE) > size_max_of(type))
        return "a frame past its size limit came over the channel";
    return NULL;
}

int frame_reader_next(frame_reader *r, frame *ret, rdd_error *err)
{
    if (r->failed)
        return error_set(err, RDD_E_PROTOCOL, "the channel failed before");
    r->want = 0;
    while (r->end - r->at >= FRAME_HEADER_SIZE) {
        const char *h = r->data + r->at;
        const char *wrong = check_header(h);
        if (wrong && !r->skip_left)
            return fail(r, err, wrong);
        if (wrong) {
            skip_foreign(r);
            continue;
        }
        if (get_u16(h + AT_VERSION) != FRAME_VERSION) {
            r->other_version = get_u16(h + AT_VERSION);
            return fail(r, err, "the other side speaks another version of the protocol; "
                                "driver and executors must be the same program");
        }
        frame f = {
            .type = (frame_type)get_u16(h + AT_TYPE),
            .stream = get_u64(h + AT_STREAM),
            .size = get_u32(h + AT_SIZE),
            .payload = h + FRAME_HEADER_SIZE,
        };
        if (r->end - r->at < FRAME_HEADER_SIZE + f.size) {
            r->want = FRAME_HEADER_SIZE + f.size;
            return 0;
        }
        if (get_u64(h + AT_PAYLOAD_SUM) != XXH3_64bits(f.payload, f.size))
            return fail(r, err, "a damaged frame came over the channel");
        r->at += FRAME_HEADER_SIZE + f.size;
        r->skip_left = 0;
        *ret = f;
        return 1;
    }
    return 0;
}

static void append_printable(char *text, size_t size, const char *data, size_t data_size)
{
    size_t at = strlen(text);
    for (size_t i = 0; i < data_size && at + 1 < size; i++)
        text[at++] = data[i] >= ' ' && data[i] <= '~' ? data[i] : ' ';
    text[at] = 0;
}

void frame_reader_foreign(const frame_reader *r, char *text, size_t size)
{
    text[0] = 0;
    append_printable(text, size, r->skipped, r->skipped_size);
    if (r->skipped_size < sizeof r->skipped && r->end > r->at)
        append_printable(text, size, r->data + r->at, r->end - r->at);
    size_t end = strlen(text);
    while (end && text[end - 1] == ' ')
        text[--end] = 0;
}
