/* csv_scan.c: see csv_scan.h. Scans run in the tasks of a job that precedes the one that reads;
 * composing and resolving run on the driver.
 */
#include "csv_scan.h"

#include "bytemask.h"

#define SCAN_SIZE KIB(256)

/* ---- one byte at a time --------------------------------------------------------------------- */

enum byte_class { DATA, DELIMITER, LINE_END, QUOTE };

static inline enum byte_class classify(csv_dialect dialect, char c)
{
    if (c == dialect.delimiter)
        return DELIMITER;
    if (c == dialect.quote)
        return QUOTE;
    return c == '\n' || c == '\r' ? LINE_END : DATA;
}

static const uint8_t next_state[CSV_STATES][4] = {
    [CSV_AT_RECORD] = { CSV_IN_CELL, CSV_AT_CELL, CSV_AT_RECORD, CSV_IN_QUOTES },
    [CSV_AT_CELL] = { CSV_IN_CELL, CSV_AT_CELL, CSV_AT_RECORD, CSV_IN_QUOTES },
    [CSV_IN_CELL] = { CSV_IN_CELL, CSV_AT_CELL, CSV_AT_RECORD, CSV_IN_CELL },
    [CSV_IN_QUOTES] = { CSV_IN_QUOTES, CSV_IN_QUOTES, CSV_IN_QUOTES, CSV_AFTER_QUOTE },
    [CSV_AFTER_QUOTE] = { CSV_IN_QUOTES, CSV_AT_CELL, CSV_AT_RECORD, CSV_IN_QUOTES },
};

/* The summary that a range of no bytes has. */
static void summary_clear(csv_summary *s, uint64_t offset)
{
    *s = (csv_summary){ .offset = offset, .end = offset };
    for (unsigned i = 0; i < CSV_STATES; i++)
        s->from[i] = (csv_outcome){ .end = (csv_state)i, .first_record = CSV_NO_RECORD };
}

static void prefix_byte(csv_scanner *s, char c)
{
    enum byte_class class = classify(s->dialect, c);
    for (unsigned i = 0; i < CSV_STATES; i++) {
        csv_outcome *outcome = &s->prefix.from[i];
        if (outcome->end == CSV_AT_RECORD && class != LINE_END) {
            if (!outcome->record_count++)
                outcome->first_record = s->at;
        }
        outcome->end = (csv_state)next_state[outcome->end][class];
    }
    s->prefix.newline_count += c == '\n';
    s->prefix.end = ++s->at;
    if (class == QUOTE)
        return;
    s->in_prefix = false;
    csv_state outside = (csv_state)next_state[CSV_IN_CELL][class];
    s->tracks[0] = (csv_track){ outside, outside, CSV_NO_RECORD, 0, 0 };
    s->tracks[1] = (csv_track){ CSV_IN_QUOTES, CSV_IN_QUOTES, CSV_NO_RECORD, 0, 0 };
}

/* ---- 64 bytes at a time --------------------------------------------------------------------- */

/* A block of up to 64 bytes and what is in it. */
struct block {
    const char *data;
    uint64_t quotes, line_ends, newlines;
    uint64_t starts;        /* a byte that ends no line, behind one that does */
    uint64_t offset;        /* in the file */
    uint64_t newline_count; /* in the range, before the block */
};

static void note_records(csv_track *track, const struct block *b, uint64_t starts)
{
    if (track->first_record == CSV_NO_RECORD) {
        unsigned at = bit_first(starts);
        track->first_record = b->offset + at;
        track->first_record_line = b->newline_count + bit_count(b->newlines & bits_below(at));
    }
    track->record_count += bit_count(starts);
}

/* Takes a track over the bytes [from, to) of a block, from < to, none of which is a quote. */
static inline void track_run(csv_track *track, csv_dialect dialect, const struct block *b,
                             unsigned from, unsigned to)
{
    csv_state state = track->state;
    if (state == CSV_IN_QUOTES)
        return;
    if (state == CSV_AFTER_QUOTE && classify(dialect, b->data[from]) == DATA) {
        track->state = CSV_IN_QUOTES;
        return;
    }
    /* Outside of quotes now, so a record starts wherever a line has ended. */
    uint64_t starts = b->starts & bits_below(to) & ~bits_below(from);
    if (state == CSV_AT_RECORD)
        starts |= (uint64_t)1 << from & ~b->line_ends;
    if (starts)
        note_records(track, b, starts);
    track->state = (csv_state)next_state[CSV_IN_CELL][classify(dialect, b->data[to - 1])];
}

static inline void track_quote(csv_track *track, const struct block *b, unsigned at)
{
    if (track->state == CSV_AT_RECORD)
        note_records(track, b, (uint64_t)1 << at);
    track->state = (csv_state)next_state[track->state][QUOTE];
}

/* From one state on, the tracks see the same records. If one of them has its first still to come,
 * that one is waited for. */
static inline void merge_tracks(csv_scanner *s)
{
    const csv_track *a = &s->tracks[0], *b = &s->tracks[1];
    if (s->merged || a->state != b->state || a->first_record == CSV_NO_RECORD ||
        b->first_record == CSV_NO_RECORD)
        return;
    s->merged = true;
    s->merged_record_count = a->record_count;
}

static inline void scan_block(csv_scanner *s, const struct block *b, unsigned size)
{
    unsigned from = 0, track_count = s->merged ? 1 : 2;
    for (uint64_t quotes = b->quotes; quotes; quotes &= quotes - 1) {
        unsigned at = bit_first(quotes);
        for (unsigned i = 0; i < track_count; i++) {
            if (from < at)
                track_run(&s->tracks[i], s->dialect, b, from, at);
            track_quote(&s->tracks[i], b, at);
        }
        from = at + 1;
    }
    for (unsigned i = 0; i < track_count && from < size; i++)
        track_run(&s->tracks[i], s->dialect, b, from, size);
    merge_tracks(s);
}

/* Reads 64 bytes at `data`, of which `size` count. */
static inline void feed_block(csv_scanner *s, const char *data, unsigned size)
{
    uint64_t valid = bits_below(size);
    struct block b = { .data = data, .offset = s->at, .newline_count = s->newline_count };
    b.quotes = bytemask(data, s->dialect.quote) & valid;
    b.newlines = bytemask(data, '\n') & valid;
    b.line_ends = b.newlines | (bytemask(data, '\r') & valid);
    b.starts = ~b.line_ends & (b.line_ends << 1);
    scan_block(s, &b, size);
    s->newline_count += bit_count(b.newlines);
    s->at += size;
}

void csv_scanner_init(csv_scanner *s, csv_dialect dialect, uint64_t offset)
{
    *s = (csv_scanner){ .dialect = dialect, .in_prefix = true, .at = offset };
    summary_clear(&s->prefix, offset);
}

void csv_scanner_feed(csv_scanner *s, const char *data, size_t size)
{
    size_t at = 0;
    while (at < size && s->in_prefix)
        prefix_byte(s, data[at++]);
    for (; size - at >= 64; at += 64)
        feed_block(s, data + at, 64);
    if (at < size) {
        char last[64] = { 0 };
        memcpy(last, data + at, size - at);
        feed_block(s, last, (unsigned)(size - at));
    }
}

void csv_scanner_finish(const csv_scanner *s, csv_summary *ret)
{
    *ret = s->prefix;
    if (s->in_prefix)
        return;
    csv_summary rest;
    summary_clear(&rest, s->prefix.end);
    rest.end = s->at;
    rest.newline_count = s->newline_count;
    for (unsigned i = 0; i < 2; i++) {
        csv_track track = s->tracks[i];
        if (i && s->merged) {
            track.state = s->tracks[0].state;
            track.record_count += s->tracks[0].record_count - s->merged_record_count;
        }
        rest.from[track.start] = (csv_outcome){ track.state, track.first_record,
                                                track.first_record_line, track.record_count };
    }
    csv_summary_append(ret, &rest);
}

/* ---- a range of a file ---------------------------------------------------------------------- */

int csv_scan(input_provider *provider, const input_file *file, uint64_t offset, uint64_t end,
             csv_dialect dialect, csv_summary *ret, rdd_error *err)
{
    int code = csv_dialect_resolve(&dialect, err);
    if (code)
        return code;
    CLEANUP(freep) char *data = malloc(SCAN_SIZE);
    if (!data)
        return error_set_memory(err, "scanning a CSV file");
    CLEANUP(input_freep) input *in = NULL;
    /* A byte order mark is known only by all of its bytes. */
    code = input_open(provider, file, offset < CSV_MARK_SIZE ? 0 : offset, end, &in, err);
    if (code)
        return code;
    csv_scanner scanner;
    csv_scanner_init(&scanner, dialect, offset);
    uint64_t read_end = u64_max(end, CSV_MARK_SIZE);
    while (in->offset < read_end) {
        uint64_t from = in->offset;
        ssize_t got = input_read_full(in, data, (size_t)u64_min(SCAN_SIZE, read_end - from), err);
        if (got < 0)
            return (int)got;
        if (got == 0)
            break;
        uint64_t first = u64_max(offset, from ? from : csv_mark_size(data, (size_t)got));
        uint64_t last = u64_min(end, from + (uint64_t)got);
        if (first < last) {
            if (scanner.at < first)
                csv_scanner_init(&scanner, dialect, first);
            csv_scanner_feed(&scanner, data + (first - from), (size_t)(last - first));
        }
    }
    csv_scanner_finish(&scanner, ret);
    ret->offset = offset; /* a byte order mark belongs to the range */
    ret->end = u64_max(ret->end, u64_min(end, in->offset));
    return 0;
}

/* ---- summaries ------------------------------------------------------------------------------ */

void csv_summary_append(csv_summary *a, const csv_summary *b)
{
    for (unsigned i = 0; i < CSV_STATES; i++) {
        csv_outcome *first = &a->from[i];
        const csv_outcome *then = &b->from[first->end];
        if (first->first_record == CSV_NO_RECORD && then->first_record != CSV_NO_RECORD) {
            first->first_record = then->first_record;
            first->first_record_line = a->newline_count + then->first_record_line;
        }
        first->record_count += then->record_count;
        first->end = then->end;
    }
    a->newline_count += b->newline_count;
    a->end = b->end;
}

void csv_ranges_resolve(csv_range whole, const csv_summary *summaries, size_t count, csv_range *ret)
{
    csv_state state = CSV_AT_RECORD;
    uint64_t line = whole.line, record = whole.record;
    for (size_t i = 0; i < count; i++) {
        const csv_summary *s = &summaries[i];
        const csv_outcome *outcome = &s->from[state];
        ret[i] = (csv_range){ s->end, s->end, line + s->newline_count, record };
        if (outcome->first_record != CSV_NO_RECORD)
            ret[i] = (csv_range){ outcome->first_record, s->end, line + outcome->first_record_line,
                                  record };
        line += s->newline_count;
        record += outcome->record_count;
        state = outcome->end;
    }
}

void csv_summary_encode(buf *b, const csv_summary *summary)
{
    buf_u64(b, summary->offset);
    buf_u64(b, summary->end);
    buf_u64(b, summary->newline_count);
    for (unsigned i = 0; i < CSV_STATES; i++) {
        const csv_outcome *outcome = &summary->from[i];
        buf_u8(b, (uint8_t)outcome->end);
        buf_u64(b, outcome->first_record);
        buf_u64(b, outcome->first_record_line);
        buf_u64(b, outcome->record_count);
    }
}

static bool outcome_valid(const csv_summary *s, const csv_outcome *outcome)
{
    if (outcome->first_record == CSV_NO_RECORD)
        return outcome->record_count == 0 && outcome->first_record_line == 0;
    return outcome->first_record >= s->offset && outcome->first_record < s->end &&
           outcome->first_record_line <= s->newline_count && outcome->record_count > 0 &&
           outcome->record_count <= s->end - s->offset;
}

int csv_summary_decode(reader *r, csv_summary *ret, rdd_error *err)
{
    csv_summary s = { 0 };
    s.offset = reader_u64(r);
    s.end = reader_u64(r);
    s.newline_count = reader_u64(r);
    bool valid = s.offset <= s.end && s.newline_count <= s.end - s.offset;
    for (unsigned i = 0; i < CSV_STATES; i++) {
        csv_outcome *outcome = &s.from[i];
        uint8_t end = reader_u8(r);
        outcome->first_record = reader_u64(r);
        outcome->first_record_line = reader_u64(r);
        outcome->record_count = reader_u64(r);
        valid = valid && end < CSV_STATES && outcome_valid(&s, outcome);
        outcome->end = (csv_state)(valid ? end : 0);
    }
    if (r->failed || !valid)
        return error_set(err, RDD_E_PROTOCOL, "a malformed CSV summary came over the wire");
    *ret = s;
    return 0;
}
