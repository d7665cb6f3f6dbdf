#include "journal.h"

#include "call_wire.h"
#include "hash.h"

/* An answer that is too large for one entry: pieces of it, then its last. */
enum { ENTRY_INTENT, ENTRY_ANSWER, ENTRY_PIECE, ENTRY_LAST };
enum { FLAG_AGAIN = 1 }; /* a later run makes this call again */
enum { HEAD_SIZE = 30, PIECE_HEAD_SIZE = HEAD_SIZE + 12, PIECE_MAX = JOURNAL_ENTRY_MAX - PIECE_HEAD_SIZE };

/* What was written down of one call. */
typedef struct known_call {
    size_t next;     /* 1 + the next one of the same bucket; 0: none */
    uint32_t node;
    uint64_t hash[2], ordinal;
    bool answered, used;
    uint32_t status, attempts;
    rdd_str body, content_type, error;
} known_call;

/* A part of a large answer. */
typedef struct answer_piece {
    known_call call;  /* who is answered */
    uint32_t attempt; /* two may make the same call at the same time */
    uint64_t offset;
    rdd_str bytes;
    size_t before;    /* 1 + the piece that ends where this one begins; 0: it is the first */
} answer_piece;

struct run_journal {
    buf bytes;         /* entries, which the calls point into */
    arena memory;      /* large answers in one piece, which they point into as well */
    buf pieces;        /* answer_piece */
    known_call *calls;
    size_t count, capacity;
    size_t *buckets;   /* 1 + the first call; in order */
    size_t bucket_mask;
    uint64_t next_ordinal;
    buf call;          /* what is being put together */
};

static journal_keeper *keeper;

void journal_set_keeper(journal_keeper *k)
{
    keeper = k;
}

/* -- Entries ----------------------------------------------------------------------------------- */

static buf *empty_buffer(run_journal *j)
{
    if (j->call.capacity > JOURNAL_ENTRY_MAX)
        buf_release(&j->call);
    buf_clear(&j->call);
    return &j->call;
}

static void put_head(buf *b, int kind, int flags, const journal_call *c)
{
    buf_u8(b, (uint8_t)kind);
    buf_u8(b, (uint8_t)flags);
    buf_u32(b, c->node);
    buf_u64(b, c->hash[0]);
    buf_u64(b, c->hash[1]);
    buf_u64(b, c->ordinal);
}

static void put_text(buf *b, rdd_str text)
{
    buf_u8(b, text.data != NULL);
    buf_sized(b, text.data, text.size);
}

static rdd_str get_text(reader *r)
{
    bool there = reader_u8(r) != 0;
    rdd_str text;
    text.data = reader_sized(r, &text.size);
    return there ? text : (rdd_str){ 0 };
}

static void read_head(reader *r, int *ret_kind, int *ret_flags, known_call *ret)
{
    *ret_kind = reader_u8(r);
    *ret_flags = reader_u8(r);
    *ret = (known_call){ .node = reader_u32(r) };
    ret->hash[0] = reader_u64(r);
    ret->hash[1] = reader_u64(r);
    ret->ordinal = reader_u64(r);
}

static void read_answer(reader *r, known_call *ret)
{
    ret->answered = true;
    ret->status = reader_u32(r);
    ret->attempts = reader_u32(r);
    ret->body = get_text(r);
    ret->content_type = get_text(r);
    ret->error = get_text(r);
    r->failed |= ret->status >= 1000 || ret->attempts > INT32_MAX;
}

static bool same_call(const known_call *k, uint32_t node, const uint64_t hash[2])
{
    return k->node == node && k->hash[0] == hash[0] && k->hash[1] == hash[1];
}

/* -- What is known ----------------------------------------------------------------------------- */

/* The intent that an answer answers. */
static known_call *find_intent(run_journal *j, const known_call *answer)
{
    for (size_t i = j->buckets[answer->hash[0] & j->bucket_mask]; i; i = j->calls[i - 1].next) {
        known_call *k = &j->calls[i - 1];
        if (same_call(k, answer->node, answer->hash) && k->ordinal == answer->ordinal &&
            !k->answered)
            return k;
    }
    return NULL;
}

static void add_known(run_journal *j, const known_call *k)
{
    size_t *at = &j->buckets[k->hash[0] & j->bucket_mask];
    j->calls[j->count] = *k;
    j->calls[j->count].next = *at;
    *at = ++j->count;
}

/* Takes the rest of an entry for a piece, and finds the one before it; false when that is not there. */
static bool read_piece(const run_journal *j, reader *r, const known_call *call, answer_piece *ret)
{
    *ret = (answer_piece){ .call = *call };
    ret->attempt = reader_u32(r);
    ret->offset = reader_u64(r);
    ret->bytes.size = reader_left(r);
    ret->bytes.data = reader_bytes(r, ret->bytes.size);
    const answer_piece *pieces = (answer_piece *)(void *)j->pieces.data;
    for (size_t i = ret->offset ? j->pieces.size / sizeof *pieces : 0; i && !ret->before; i--) {
        const answer_piece *p = &pieces[i - 1];
        if (same_call(&p->call, call->node, call->hash) && p->call.ordinal == call->ordinal &&
            p->attempt == ret->attempt && p->offset + p->bytes.size == ret->offset)
            ret->before = i;
    }
    return !r->failed && (ret->before || !ret->offset);
}

/* The whole that a last piece ends; data NULL: no memory. */
static rdd_str join_pieces(run_journal *j, const answer_piece *last)
{
    const answer_piece *pieces = (answer_piece *)(void *)j->pieces.data;
    rdd_str whole = { (size_t)last->offset + last->bytes.size, NULL };
    char *bytes = arena_alloc(&j->memory, whole.size + 1);
    for (const answer_piece *p = last; bytes && p; p = p->before ? &pieces[p->before - 1] : NULL)
        memcpy(bytes + p->offset, p->bytes.data, p->bytes.size);
    whole.data = bytes;
    return whole;
}

/* A call, when the entry says something of it; false when not yet, or not in this version's words. */
static bool read_entry(run_journal *j, rdd_str entry, int *ret_flags, known_call *ret)
{
    int kind;
    answer_piece piece;
    reader r = reader_over(entry.data, entry.size);
    read_head(&r, &kind, ret_flags, ret);
    if (!r.failed && ret->ordinal >= j->next_ordinal && ret->ordinal < UINT64_MAX)
        j->next_ordinal = ret->ordinal + 1;
    if (kind == ENTRY_PIECE || kind == ENTRY_LAST) {
        if (!read_piece(j, &r, ret, &piece))
            return false;
        if (kind == ENTRY_PIECE) {
            buf_append(&j->pieces, &piece, sizeof piece);
            return false;
        }
        rdd_str whole = join_pieces(j, &piece);
        r = reader_over(whole.data, whole.data ? whole.size : 0);
    }
    if (kind != ENTRY_INTENT)
        read_answer(&r, ret);
    return !r.failed && !reader_left(&r) && kind <= ENTRY_LAST;
}

static void take_entry(run_journal *j, bool old, rdd_str entry)
{
    known_call k;
    int flags;
    if (!read_entry(j, entry, &flags, &k))
        return;
    known_call *intent = k.answered ? find_intent(j, &k) : NULL;
    k.used = old && (flags & FLAG_AGAIN);
    if (!intent) {
        add_known(j, &k);
        return;
    }
    k.next = intent->next;
    *intent = k;
}

static size_t count_entries(const buf *bytes)
{
    size_t count = 0, size;
    reader r = reader_over(bytes->data, bytes->size);
    for (; reader_left(&r) && !r.failed; count++) {
        reader_u8(&r);
        reader_sized(&r, &size);
    }
    return count;
}

static int index_entries(run_journal *j, rdd_error *err)
{
    size_t count = count_entries(&j->bytes), buckets = 16;
    while (buckets < count)
        buckets *= 2;
    j->calls = calloc(count + 1, sizeof *j->calls);
    j->buckets = calloc(buckets, sizeof *j->buckets);
    if (!j->calls || !j->buckets)
        return error_set_memory(err, "reading the journal of calls");
    j->bucket_mask = buckets - 1;
    reader r = reader_over(j->bytes.data, j->bytes.size);
    while (reader_left(&r)) {
        bool old = reader_u8(&r) != 0;
        rdd_str entry;
        entry.data = reader_sized(&r, &entry.size);
        if (r.failed)
            break;
        take_entry(j, old, entry);
    }
    return 0;
}

/* At a run's first call. */
static int load(run *r, rdd_error *err)
{
    run_journal *j = r->journal = calloc(1, sizeof *j);
    if (!j)
        return error_set_memory(err, "reading the journal of calls");
    int code = keeper->load(keeper, &r->id, r->cancelled, &j->bytes, err);
    if (code == 0 && j->bytes.failed)
        code = error_set_memory(err, "reading the journal of calls");
    return code < 0 ? code : index_entries(j, err);
}

void journal_release(run *r)
{
    run_journal *j = r->journal;
    if (!j)
        return;
    keeper->flush(keeper);
    buf_release(&j->bytes);
    buf_release(&j->pieces);
    arena_release(&j->memory);
    buf_release(&j->call);
    free(j->calls);
    free(j->buckets);
    free(j);
    r->journal = NULL;
}

void journal_rest(void)
{
    if (keeper && keeper->rest)
        keeper->rest(keeper);
}

/* -- Calls ------------------------------------------------------------------------------------- */

static bool may_send(http_permit *p)
{
    journal_call *c = (journal_call *)(void *)p;
    if (!c->asked && !keeper->has_room(keeper))
        return false;
    if (!c->once)
        return true;
    if (!c->asked) {
        buf *b = empty_buffer(c->run->journal);
        put_head(b, ENTRY_INTENT, 0, c);
        if (b->failed)
            return false; /* a later nudge may find memory */
        c->ticket = keeper->add(keeper, &c->run->id, (rdd_str){ b->size, b->data }, true);
        c->asked = true;
    }
    return keeper->is_kept(keeper, c->ticket);
}

static int hash_request(const rdd_http_request *q, journal_call *c, rdd_error *err)
{
    buf *b = empty_buffer(c->run->journal);
    buf_sized(b, q->method.data, q->method.size);
    buf_sized(b, q->url.data, q->url.size);
    put_text(b, q->body);
    buf_sized(b, q->idempotency_key.data, q->idempotency_key.size);
    for (size_t i = 0; q->headers && i < q->header_count; i++)
        buf_sized(b, q->headers[i].data, q->headers[i].size);
    if (b->failed)
        return error_set_memory(err, "looking into the journal of calls");
    c->hash[0] = hash_bytes(b->data, b->size, 0);
    c->hash[1] = hash_bytes(b->data, b->size, 0x6a6f75726e616c);
    return 0;
}

static bool copy_text(arena *memory, rdd_str text, rdd_str *ret)
{
    *ret = (rdd_str){ text.size, text.data ? arena_copy(memory, text.data, text.size) : NULL };
    return !text.data || ret->data;
}

static int replay(known_call *k, arena *memory, rdd_http_response *ret, rdd_error *err)
{
    k->used = true;
    *ret = (rdd_http_response){ .status = (int)k->status, .attempts = (int)k->attempts };
    if (!k->answered) {
        ret->attempts = 1;
        ret->error = RDD_STR("outcome unknown: the call may have been sent when its executor or the "
                             "driver was lost; it is not made again");
        return 1;
    }
    if (copy_text(memory, k->body, &ret->body) &&
        copy_text(memory, k->content_type, &ret->content_type) &&
        copy_text(memory, k->error, &ret->error))
        return 1;
    return error_set_memory(err, "keeping an HTTP answer");
}

/* Of equal calls the one that was written down first: buckets have the last one first. */
static known_call *find_known(run_journal *j, const journal_call *c)
{
    known_call *found = NULL;
    for (size_t i = j->count ? j->buckets[c->hash[0] & j->bucket_mask] : 0; i;
         i = j->calls[i - 1].next)
        if (!j->calls[i - 1].used && same_call(&j->calls[i - 1], c->node, c->hash))
            found = &j->calls[i - 1];
    return found;
}

int journal_begin(run *r, uint32_t node, const rdd_http_request *request, arena *memory,
                  journal_call *c, rdd_http_response *ret, rdd_error *err)
{
    *c = (journal_call){ 0 };
    if (!keeper)
        return 0;
    int code = r->journal ? 0 : load(r, err);
    *c = (journal_call){ .permit = { .may_send = may_send }, .run = r, .node = node,
                         .once = http_is_once(request) };
    if (code < 0 || (code = hash_request(request, c, err)) < 0)
        return code;
    known_call *k = find_known(r->journal, c);
    if (k)
        return replay(k, memory, ret, err);
    c->ordinal = r->journal->next_ordinal++;
    return 0;
}

static void put_answer(buf *b, const rdd_http_response *response)
{
    buf_u32(b, (uint32_t)response->status);
    buf_u32(b, (uint32_t)response->attempts);
    put_text(b, response->body);
    put_text(b, response->content_type);
    put_text(b, response->error);
}

static void add(const journal_call *c, const buf *b)
{
    if (!b->failed) /* or the call is made again, should its task be */
        keeper->add(keeper, &c->run->id, (rdd_str){ b->size, b->data }, false);
}

static void add_in_pieces(const journal_call *c, int flags, rdd_str answer)
{
    CLEANUP(buf_release) buf b = { 0 };
    for (size_t at = 0, size; at < answer.size; at += size) {
        size = size_min(answer.size - at, PIECE_MAX);
        buf_clear(&b);
        put_head(&b, at + size < answer.size ? ENTRY_PIECE : ENTRY_LAST, flags, c);
        buf_u32(&b, c->run->id.attempt);
        buf_u64(&b, at);
        buf_append(&b, answer.data + at, size);
        add(c, &b);
    }
}

void journal_end(journal_call *c, const rdd_http_response *response)
{
    if (!c->run || !response->attempts) /* refused: it was not sent */
        return;
    bool again = response->error.size && (!c->once || c->permit.untouched);
    buf *b = empty_buffer(c->run->journal);
    put_head(b, ENTRY_ANSWER, again ? FLAG_AGAIN : 0, c);
    put_answer(b, response);
    if (b->size <= JOURNAL_ENTRY_MAX || b->failed)
        add(c, b);
    else
        add_in_pieces(c, again ? FLAG_AGAIN : 0, (rdd_str){ b->size - HEAD_SIZE, b->data + HEAD_SIZE });
}
