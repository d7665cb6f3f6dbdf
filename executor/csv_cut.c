/* csv_cut.c: see csv_cut.h. */
#include "csv_cut.h"

#include "bytemask.h"

#include <inttypes.h>

/* No further byte matters: the record is not complete, or c->failed says more. */
#define NONE SIZE_MAX

/* In the size of a cell until its record is complete: it must be rewritten. Before that its bytes
 * must stay, as the record may be cut again. */
#define REWRITE (~(SIZE_MAX >> 1))

/* What cutting changes with each byte that matters; a local variable, so that it stays in
 * registers. */
struct walk {
    const uint32_t *next, *last; /* of the chunk's positions */
    size_t chunk;
    rdd_str *cells;
    size_t cell_count, record_cell; /* of the batch; and the first one of this record */
    uint64_t line;
    bool rewrite; /* this record has cells to rewrite */
};

/* ---- the index ------------------------------------------------------------------------------ */

static bool reserve_cells(csv_cutter *c, size_t count)
{
    if (count <= c->cells_capacity)
        return true;
    size_t capacity = size_max(count, c->cells_capacity * 2);
    rdd_str *cells = realloc(c->cells, capacity * sizeof *cells);
    if (!cells) {
        c->failed = error_set_memory(&c->failure, "parsing a CSV file");
        return false;
    }
    c->cells = cells;
    c->cells_capacity = capacity;
    return true;
}

static int too_many_cells(csv_cutter *c)
{
    return error_set(&c->failure, RDD_E_LIMIT, "a record has more than %zu cells", c->cells_max);
}

/* Writes where the bytes that matter are in data[from, to), counted from `from`. */
static size_t index_bytes(csv_dialect dialect, const char *data, size_t from, size_t to,
                          uint32_t *positions)
{
    uint32_t *out = positions;
    for (size_t block = from; block < to; block += 64) {
        const char *bytes = data + block;
        uint64_t mask = bytemask(bytes, dialect.delimiter) | bytemask(bytes, dialect.quote) |
                        bytemask(bytes, '\n') | bytemask(bytes, '\r');
        out = bits_list(mask & bits_below(to - block), (uint32_t)(block - from), out);
    }
    return (size_t)(out - positions);
}

/* Indexes the next chunk that has something in it, and makes room for the cells it may give. */
static __attribute__((noinline)) bool next_chunk(csv_cutter *c, struct walk *w)
{
    size_t limit = c->end + c->at_end;
    do {
        if (c->indexed >= limit || c->failed)
            return false;
        c->chunk = c->indexed;
        c->indexed = size_min(c->chunk + CSV_CHUNK_SIZE, limit);
        c->position_count = index_bytes(c->dialect, c->data, c->chunk, c->indexed, c->positions);
    } while (!c->position_count);
    if (w->cell_count - w->record_cell > c->cells_max) {
        c->failed = too_many_cells(c);
        return false;
    }
    if (!reserve_cells(c, w->cell_count + c->position_count + 1))
        return false;
    w->cells = c->cells;
    w->next = c->positions;
    w->last = c->positions + c->position_count;
    w->chunk = c->chunk;
    return true;
}

/* ---- cutting -------------------------------------------------------------------------------- */

static inline size_t next_position(csv_cutter *c, struct walk *w)
{
    if (UNLIKELY(w->next == w->last)) {
        struct walk copy = *w; /* so that w itself can stay in registers */
        if (!next_chunk(c, &copy))
            return NONE;
        *w = copy;
    }
    return w->chunk + *w->next++;
}

static inline void add_cell(csv_cutter *c, struct walk *w, size_t from, size_t to)
{
    w->cells[w->cell_count++] = (rdd_str){ to - from, c->data + from };
}

static inline bool ends_cell(csv_dialect dialect, char c)
{
    return c == dialect.delimiter || c == '\n' || c == '\r';
}

/* Cuts the quoted cell whose first quote is at `open`, and returns the position of the byte that
 * ends it, which is behind its last quote. */
static inline size_t cut_quoted(csv_cutter *c, struct walk *w, csv_dialect dialect, size_t open)
{
    const char *data = c->data;
    uint64_t quote_line = w->line;
    size_t rewrite = 0;
    for (;;) {
        size_t at = next_position(c, w);
        if (UNLIKELY(at == NONE)) {
            c->in_quotes = true;
            c->quote_line = quote_line;
            return NONE;
        }
        if (data[at] != dialect.quote) {
            w->line += data[at] == '\n';
            continue;
        }
        if (UNLIKELY(at + 1 >= c->end + c->at_end))
            return NONE;
        if (LIKELY(ends_cell(dialect, data[at + 1]))) {
            w->cells[w->cell_count++] = (rdd_str){ (at - open - 1) | rewrite, data + open + 1 };
            w->rewrite |= rewrite != 0;
            return next_position(c, w);
        }
        rewrite = REWRITE;
        if (data[at + 1] == dialect.quote)
            next_position(c, w);
    }
}

/* Cuts one record and returns the position of the byte that ends it. A blank line has no cells. */
static inline size_t cut_record(csv_cutter *c, struct walk *w, csv_dialect dialect, size_t start)
{
    const char *data = c->data;
    size_t cell = start;
    for (;;) {
        size_t at = next_position(c, w);
        if (UNLIKELY(at == NONE))
            return NONE;
        if (data[at] == dialect.delimiter) {
            add_cell(c, w, cell, at);
            cell = at + 1;
        } else if (data[at] != dialect.quote) {
            if (at != start)
                add_cell(c, w, cell, at);
            return at;
        } else if (at == cell) {
            at = cut_quoted(c, w, dialect, at);
            if (UNLIKELY(at == NONE) || data[at] != dialect.delimiter)
                return at;
            cell = at + 1;
        } /* else a quote inside a cell that is not quoted: data */
    }
}

static int rewrite_cells(csv_cutter *c, rdd_str *cells, size_t count)
{
    if (!c->decoder && !(c->decoder = csv_decoder_new(c->dialect)))
        return error_set_memory(&c->failure, "parsing a CSV file");
    for (size_t i = 0; i < count; i++) {
        if (!(cells[i].size & REWRITE))
            continue;
        char *quoted = c->data + (cells[i].data - c->data) - 1;
        size_t size = (cells[i].size & ~REWRITE) + 2;
        int code = csv_decoder_decode(c->decoder, quoted, size, &cells[i], &c->failure);
        if (code) {
            c->broken = true; /* the record is half rewritten and cannot be cut again */
            return code;
        }
    }
    return 0;
}

/* What is rare about a complete record: it is too large, or has cells to rewrite. */
static bool check_record(csv_cutter *c, const struct walk *w, size_t start, size_t end)
{
    size_t count = w->cell_count - w->record_cell;
    c->too_long = end - start > c->record_max;
    if (c->too_long)
        c->failed = RDD_E_LIMIT;
    else if (count > c->cells_max)
        c->failed = too_many_cells(c);
    else if (w->rewrite)
        c->failed = rewrite_cells(c, w->cells + w->record_cell, count);
    return !c->failed;
}

/* Cuts records into the batch and returns where it stopped. */
static size_t cut_batch(csv_cutter *c)
{
    const csv_dialect dialect = c->dialect;
    struct walk w = {
        .next = c->positions + c->position_at,
        .last = c->positions + c->position_count,
        .chunk = c->chunk,
        .line = c->line,
    };
    size_t start = c->at, count = 0;
    if (w.next < w.last && !reserve_cells(c, c->position_count + 1))
        return start;
    w.cells = c->cells;
    while (count < c->batch_max && start < c->stop) {
        w.record_cell = w.cell_count;
        w.rewrite = false;
        uint64_t line = w.line;
        size_t end = cut_record(c, &w, dialect, start);
        size_t cells = w.cell_count - w.record_cell;
        bool rare = end == NONE || w.rewrite || end - start > c->record_max || cells > c->cells_max;
        if (UNLIKELY(rare) && (end == NONE || !check_record(c, &w, start, end))) {
            c->line = line;
            c->count = count;
            c->at = start;
            csv_cutter_reset(c);
            return start;
        }
        if (LIKELY(cells))
            c->batch[count++] = (csv_record){ NULL, cells, c->offset + start, line };
        w.line += c->data[end] == '\n';
        start = end + 1;
    }
    c->line = w.line;
    c->count = count;
    c->position_at = (size_t)(w.next - c->positions);
    return start;
}

int csv_cutter_cut(csv_cutter *c, rdd_error *err)
{
    c->count = 0;
    if (!c->broken) {
        c->failed = 0;
        c->in_quotes = c->too_long = false;
        if (c->at_end)
            c->data[c->end] = '\n';
        c->at = size_min(cut_batch(c), c->end);
    }
    const rdd_str *cells = c->cells;
    for (size_t i = 0; i < c->count; i++) {
        c->batch[i].cells = cells;
        cells += c->batch[i].count;
    }
    if (!c->failed || c->count) /* with a batch before it, the failure comes with the next call */
        return 0;
    if (err)
        *err = c->failure;
    return c->failed;
}

void csv_cutter_init(csv_cutter *c, csv_dialect dialect)
{
    memset(c, 0, offsetof(csv_cutter, positions));
    c->dialect = dialect;
    c->record_max = CSV_RECORD_MAX;
    c->cells_max = CSV_CELLS_MAX;
    c->batch_max = CSV_BATCH_MAX;
    c->line = 1;
}

void csv_cutter_release(csv_cutter *c)
{
    free(c->cells);
    csv_decoder_free(c->decoder);
    c->cells = NULL;
    c->decoder = NULL;
}

void csv_cutter_reset(csv_cutter *c)
{
    c->indexed = c->at;
    c->position_at = c->position_count = 0;
}
