#include "deploy.h"

#include "deploy_script.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

enum {
    FOREIGN_MAX = 64 << 10,  /* what a login shell may print */
    LINE_MAX_SIZE = 4096,
    ROUNDS_MAX = 3,          /* of finding something missing; others may remove what was there */
    BLOCK_MAX = 64 << 10,    /* what dd takes at once: each is seen to come by who watches there */
    SILENCE_S = 40,
    PIECE_SIZE = 64 << 10,
    QUOTE_MAX = 200,
    TAG_SIZE = 17,
};

/* A file of either bundle, and whether the node lacks it. */
typedef struct wanted {
    const bundle_file *file;
    bool missing;
} wanted;

struct deploy {
    const bundle *program, *files;
    char *label;
    char nonce[TAG_SIZE];
    bool reinstall;
    buf command;
    deploy_step step;
    buf input;               /* of the node, not read yet */
    char first[QUOTE_MAX + 1]; /* what came before the nonce, for messages */
    size_t first_size, foreign;
    char *directory;
    unsigned rounds;

    wanted *wanted;          /* of both bundles, each content once */
    size_t wanted_count;
    uint64_t missing_size, uploaded;

    buf text;                /* lines to write; before the file that is under way */
    size_t text_at;
    size_t next;             /* of `wanted`: to be sent; == wanted_count: none left */
    const bundle_file *sending;
    uint64_t sending_at, part_left; /* of the file; of the part that was announced */
    char *piece;
    size_t piece_size, piece_at;
};

/* -- Beginning --------------------------------------------------------------------------------- */

void *deploy_free(deploy *d)
{
    if (!d)
        return NULL;
    free(d->label);
    free(d->directory);
    free(d->wanted);
    free(d->piece);
    buf_release(&d->command);
    buf_release(&d->input);
    buf_release(&d->text);
    free(d);
    return NULL;
}

static void deploy_freep(deploy **d)
{
    deploy_free(*d);
}

static bool is_wanted(const deploy *d, const char *hash)
{
    for (size_t i = 0; i < d->wanted_count; i++)
        if (!strcmp(d->wanted[i].file->hash, hash))
            return true;
    return false;
}

static void want_all(deploy *d, const bundle *b)
{
    for (size_t i = 0; b && i < b->count; i++)
        if (!is_wanted(d, b->files[i].hash))
            d->wanted[d->wanted_count++] = (wanted){ &b->files[i], false };
}

/* It goes into double quotes, and into the path of a loader. */
static bool is_plain_path(const char *path)
{
    return path[0] == '/' && strlen(path) < 1024 &&
           !path[strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              "0123456789/._+-@%=, ")];
}

int deploy_new(deploy **ret, const bundle *b, const deploy_options *o, rdd_error *err)
{
    if (o->workdir && !is_plain_path(o->workdir))
        return error_set(err, RDD_E_USAGE,
                         "%s: workdir=%s: it must be an absolute path of letters, digits, blanks "
                         "and /._+-@%%=,", o->label, o->workdir);
    size_t files = b->count + (o->files ? o->files->count : 0);
    CLEANUP(deploy_freep) deploy *d = calloc(1, sizeof *d);
    if (d) {
        d->label = strdup(o->label);
        d->wanted = calloc(files, sizeof *d->wanted);
        d->piece = malloc(PIECE_SIZE);
    }
    if (!d || !d->label || !d->wanted || !d->piece)
        return error_set_memory(err, "preparing a node");
    d->program = b;
    d->files = o->files;
    d->reinstall = o->reinstall;
    d->input.max = FOREIGN_MAX + LINE_MAX_SIZE;
    snprintf(d->nonce, sizeof d->nonce, "%016" PRIx64, o->nonce);
    want_all(d, b);
    want_all(d, o->files);
    d->next = d->wanted_count;
    deploy_script script = { .nonce = d->nonce, .machine = b->machine, .program = b->hash,
                             .argv0 = b->argv0, .files = o->files ? o->files->hash : NULL,
                             .workdir = o->workdir, .has_loader = b->has_loader,
                             .reinstall = o->reinstall,
                             .silence_s = o->silence_s ? o->silence_s : SILENCE_S };
    deploy_script_write(&d->command, &script);
    if (!buf_terminate(&d->command))
        return error_set_memory(err, "preparing a node");
    *ret = TAKE(d);
    return 0;
}

const char *deploy_command(const deploy *d)
{
    return d->command.data;
}

deploy_step deploy_at(const deploy *d)
{
    return d->step;
}

uint64_t deploy_uploaded(const deploy *d)
{
    return d->uploaded;
}

const char *deploy_directory(const deploy *d)
{
    return d->directory ? d->directory : "";
}

/* -- What the node says ------------------------------------------------------------------------ */

/* Bytes of outside as a part of a message: one line, nothing a terminal acts upon. */
static void quote(char *ret, size_t max, const char *text, size_t size)
{
    size_t used = 0;
    bool blank = true; /* several are one, none at the beginning */
    for (size_t i = 0; i < size && used + 1 < max; i++) {
        unsigned char c = (unsigned char)text[i];
        bool space = c <= ' ';
        if (!space || !blank)
            ret[used++] = space ? ' ' : c == 127 ? '?' : (char)c;
        blank = space;
    }
    while (used && ret[used - 1] == ' ')
        used--;
    ret[used] = 0;
}

static bool is_full(const char *text)
{
    return strstr(text, "No space left") || strstr(text, "quota exceeded");
}

/* `text` is "DIRECTORY: REASON; …", the best directory first. */
static int fail_directory(const deploy *d, const char *text, rdd_error *err)
{
    const char *only = strstr(text, "Read-only"), *end = strchr(text, ';');
    if (is_full(text))
        return error_set(err, RDD_E_IO,
                         "%s: deploying: the disk is full: %s make room there, or run `rdd hosts clean`",
                         d->label, text);
    if (only && end && only < end)
        return error_set(err, RDD_E_IO,
                         "%s: deploying: its file system is read-only: %s mount it for writing, or give "
                         "it another directory, such as XDG_CACHE_HOME in its ~/.ssh/environment",
                         d->label, text);
    return error_set(err, RDD_E_IO,
                     "%s: deploying: no directory there can be written and executed from:%s%s give it "
                     "one, such as XDG_CACHE_HOME in its ~/.ssh/environment, or make ~/.cache "
                     "writable", d->label, *text ? " " : "", text);
}

static int fail_write(const deploy *d, const char *text, rdd_error *err)
{
    if (is_full(text))
        return error_set(err, RDD_E_IO,
                         "%s: deploying: the disk is full, and %.1f MB are needed: %s; make room "
                         "there, or run `rdd hosts clean`", d->label, (double)d->missing_size / 1e6,
                         text);
    if (strstr(text, "fullblock"))
        return error_set(err, RDD_E_IO,
                         "%s: deploying: its dd has no iflag=fullblock: install coreutils or a newer "
                         "busybox there: %s", d->label, text);
    return error_set(err, RDD_E_IO, "%s: deploying: a file could not be written: %s", d->label,
                     text);
}

static int take_failure(const deploy *d, rdd_str rest, rdd_error *err)
{
    char text[QUOTE_MAX * 4];
    quote(text, sizeof text, rest.data, rest.size);
    char *detail = strchr(text, ' ');
    const char *what = detail ? detail + 1 : "";
    if (detail)
        *detail = 0;
    if (!strcmp(text, "machine"))
        return error_set(err, RDD_E_USAGE,
                         "%s is %s, this program is %s: build it for that machine, or leave the host "
                         "out", d->label, what, d->program->machine);
    if (!strcmp(text, "directory"))
        return fail_directory(d, what, err);
    if (!strcmp(text, "write"))
        return fail_write(d, what, err);
    if (!strcmp(text, "tool"))
        return error_set(err, RDD_E_IO,
                         "%s: deploying: there is no `%s` on it: coreutils or busybox must be in the "
                         "PATH of commands run over ssh", d->label, what);
    return error_set(err, RDD_E_PROTOCOL, "%s: deploying: the node said \"%s %s\"", d->label, text,
                     what);
}

static int fail_protocol(const deploy *d, rdd_str line, rdd_error *err)
{
    char text[QUOTE_MAX];
    quote(text, sizeof text, line.data, line.size);
    return error_set(err, RDD_E_PROTOCOL, "%s: deploying: an unexpected answer: \"%s\"", d->label,
                     text);
}

static int set_directory(deploy *d, rdd_str text, rdd_error *err)
{
    free(d->directory);
    d->directory = strndup(text.data ? text.data : "", text.size);
    return d->directory ? 0 : error_set_memory(err, "preparing a node");
}

/* Asks for all files at once; the answers name what is missing. */
static void ask(deploy *d)
{
    for (size_t i = 0; i < d->wanted_count; i++) {
        d->wanted[i].missing = d->reinstall && d->rounds == 1;
        buf_format(&d->text, "f %s\n", d->wanted[i].file->hash);
    }
    buf_text(&d->text, "q\n");
}

static int take_need(deploy *d, rdd_str line, rdd_str rest, rdd_error *err)
{
    size_t size = strlen(d->program->machine);
    if (d->step != DEPLOY_SHELL && d->step != DEPLOY_START)
        return fail_protocol(d, line, err);
    if (rest.size <= size + 1 || memcmp(rest.data, d->program->machine, size) ||
        rest.data[size] != ' ')
        return fail_protocol(d, line, err);
    if (++d->rounds > ROUNDS_MAX)
        return error_set(err, RDD_E_IO,
                         "%s: deploying: what was installed in %s was gone at once, %d times: is "
                         "something cleaning it, or is the disk full?", d->label,
                         deploy_directory(d), ROUNDS_MAX);
    int code = set_directory(d, (rdd_str){ rest.size - size - 1, rest.data + size + 1 }, err);
    if (code < 0)
        return code;
    d->step = DEPLOY_PROBE;
    ask(d);
    return 0;
}

static int take_miss(deploy *d, rdd_str line, rdd_str rest, rdd_error *err)
{
    for (size_t i = 0; d->step == DEPLOY_PROBE && i < d->wanted_count; i++) {
        const char *hash = d->wanted[i].file->hash;
        if (rest.size != strlen(hash) || memcmp(rest.data, hash, rest.size))
            continue;
        d->wanted[i].missing = true;
        return 0;
    }
    return fail_protocol(d, line, err);
}

static int take_end(deploy *d, rdd_str line, rdd_error *err)
{
    if (d->step != DEPLOY_PROBE)
        return fail_protocol(d, line, err);
    d->missing_size = 0;
    for (size_t i = 0; i < d->wanted_count; i++)
        d->missing_size += d->wanted[i].missing ? d->wanted[i].file->size : 0;
    d->step = DEPLOY_UPLOAD;
    d->next = 0;
    return 0;
}

static bool word_is(rdd_str *rest, const char *word)
{
    size_t size = strlen(word);
    if (rest->size < size || memcmp(rest->data, word, size) ||
        (rest->size > size && rest->data[size] != ' '))
        return false;
    size_t skipped = size_min(size + 1, rest->size);
    *rest = (rdd_str){ rest->size - skipped, rest->data + skipped };
    return true;
}

/* Behind the nonce. */
static int take_line(deploy *d, rdd_str line, rdd_error *err)
{
    rdd_str rest = line;
    if (word_is(&rest, "fail"))
        return take_failure(d, rest, err);
    if (word_is(&rest, "need"))
        return take_need(d, line, rest, err);
    if (word_is(&rest, "miss"))
        return take_miss(d, line, rest, err);
    if (word_is(&rest, "end"))
        return take_end(d, line, err);
    if (!word_is(&rest, "start") || (d->step != DEPLOY_SHELL && d->step != DEPLOY_START))
        return fail_protocol(d, line, err);
    int code = set_directory(d, rest, err);
    if (code == 0)
        d->step = DEPLOY_STARTED;
    return code;
}

/* What is not a line of ours is a login shell's, or of what that left running. */
static int skip_foreign(deploy *d, size_t size, rdd_error *err)
{
    size_t kept = size_min(size, sizeof d->first - 1 - d->first_size);
    memcpy(d->first + d->first_size, d->input.data, kept);
    d->first_size += kept;
    d->foreign += size;
    memmove(d->input.data, d->input.data + size, d->input.size - size);
    d->input.size -= size;
    if (d->foreign <= FOREIGN_MAX)
        return 0;
    char text[QUOTE_MAX];
    quote(text, sizeof text, d->first, d->first_size);
    return error_set(err, RDD_E_PROTOCOL,
                     "%s: deploying: more than %d bytes came that are not ours: a forced command, or "
                     "a login shell that prints? It began with \"%s\"", d->label, FOREIGN_MAX, text);
}

/* One line of ours, if there is a whole one: *ret_found. */
static int read_line(deploy *d, bool *ret_found, rdd_error *err)
{
    char mark[TAG_SIZE + 1];
    int mark_size = snprintf(mark, sizeof mark, "%s ", d->nonce);
    const char *at = memmem(d->input.data, d->input.size, mark, (size_t)mark_size);
    *ret_found = false;
    if (!at) {
        /* The nonce may have come in part. */
        size_t keep = size_min(d->input.size, (size_t)mark_size - 1);
        return skip_foreign(d, d->input.size - keep, err);
    }
    int code = skip_foreign(d, (size_t)(at - d->input.data), err);
    if (code < 0)
        return code;
    const char *end = memchr(d->input.data, '\n', d->input.size);
    size_t size = end ? (size_t)(end - d->input.data) : d->input.size;
    if (size > LINE_MAX_SIZE)
        return error_set(err, RDD_E_PROTOCOL, "%s: deploying: an answer of more than %d bytes came",
                         d->label, LINE_MAX_SIZE);
    if (!end)
        return 0;
    *ret_found = true;
    code = take_line(d, (rdd_str){ size - (size_t)mark_size, d->input.data + mark_size }, err);
    memmove(d->input.data, d->input.data + size + 1, d->input.size - size - 1);
    d->input.size -= size + 1;
    return code;
}

int deploy_input(deploy *d, const char *bytes, size_t size, size_t *ret_used, rdd_error *err)
{
    size_t used = 0;
    while (d->step != DEPLOY_STARTED && used < size) {
        /* Up to the end of a line: what follows may be the executor's. */
        const char *end = memchr(bytes + used, '\n', size - used);
        size_t take = end ? (size_t)(end - bytes) + 1 - used : size - used;
        take = size_min(take, LINE_MAX_SIZE);
        buf_append(&d->input, bytes + used, take);
        if (d->input.failed)
            return error_set_memory(err, "preparing a node");
        used += take;
        for (bool found = true; found && d->input.size && d->step != DEPLOY_STARTED;) {
            int code = read_line(d, &found, err);
            if (code < 0)
                return code;
        }
    }
    if (d->text.failed)
        return error_set_memory(err, "preparing a node");
    *ret_used = used;
    return 0;
}

/* -- What it is told --------------------------------------------------------------------------- */

static void write_links(deploy *d, const bundle *b)
{
    buf_format(&d->text, "d %s\n", b->hash);
    for (size_t i = 0; i < b->count; i++)
        buf_format(&d->text, "l %s %s\n", b->files[i].hash, b->files[i].name);
    buf_format(&d->text, "p %s\n", b->hash);
}

/* Announces a part of the file under way that dd can take with one block size. */
static void announce(deploy *d)
{
    uint64_t left = d->sending->size - d->sending_at, block = BLOCK_MAX, count = left / BLOCK_MAX;
    if (!count) {
        block = u64_max(left, 1);
        count = left != 0;
    }
    buf_format(&d->text, "t %s %" PRIu64 " %" PRIu64 "\n", d->sending->hash, block, count);
    d->part_left = block * count;
}

/* The next thing to do of an upload. */
static void advance(deploy *d)
{
    if (d->sending && d->sending_at < d->sending->size) {
        announce(d);
        return;
    }
    d->sending = NULL;
    while (d->next < d->wanted_count && !d->wanted[d->next].missing)
        d->next++;
    if (d->next < d->wanted_count) {
        d->sending = d->wanted[d->next++].file;
        d->sending_at = 0;
        announce(d);
        return;
    }
    for (size_t i = 0; i < d->wanted_count; i++) {
        if (d->wanted[i].missing) {
            buf_text(&d->text, "m\n");
            break;
        }
    }
    write_links(d, d->program);
    if (d->files)
        write_links(d, d->files);
    buf_text(&d->text, "g\n");
    d->step = DEPLOY_START;
}

const char *deploy_output(deploy *d, size_t *ret_size, int *ret_code, rdd_error *err)
{
    *ret_code = 0;
    if (d->text_at == d->text.size && d->piece_at == d->piece_size && !d->part_left &&
        d->step == DEPLOY_UPLOAD) {
        buf_clear(&d->text);
        d->text_at = 0;
        advance(d);
    }
    if (d->text.failed) {
        *ret_code = error_set_memory(err, "preparing a node");
        return NULL;
    }
    if (d->text_at < d->text.size) {
        *ret_size = d->text.size - d->text_at;
        return d->text.data + d->text_at;
    }
    if (d->piece_at == d->piece_size && d->part_left) {
        ssize_t got = bundle_read(d->sending, d->sending_at, d->piece,
                                  size_min(PIECE_SIZE, d->part_left), err);
        if (got < 0) {
            *ret_code = (int)got;
            return NULL;
        }
        d->piece_at = 0;
        d->piece_size = (size_t)got;
        d->part_left -= (uint64_t)got;
        d->sending_at += (uint64_t)got;
    }
    *ret_size = d->piece_size - d->piece_at;
    return *ret_size ? d->piece + d->piece_at : NULL;
}

void deploy_wrote(deploy *d, size_t size)
{
    if (d->text_at < d->text.size) {
        d->text_at += size;
        ASSERT(d->text_at <= d->text.size);
        return;
    }
    d->piece_at += size;
    d->uploaded += size;
    ASSERT(d->piece_at <= d->piece_size);
}

/* -- An early end ------------------------------------------------------------------------------ */

void deploy_ended(const deploy *d, rdd_str said, const char *how, rdd_error *ret)
{
    char came[QUOTE_MAX], errors[QUOTE_MAX * 2];
    char both[sizeof d->first + QUOTE_MAX];
    size_t rest = size_min(d->input.size, QUOTE_MAX);
    memcpy(both, d->first, d->first_size);
    if (rest)
        memcpy(both + d->first_size, d->input.data, rest);
    quote(came, sizeof came, both, d->first_size + rest);
    quote(errors, sizeof errors, said.data, said.size);
    const char *end = how && *how ? how : "the connection ended";
    const char *first = *errors ? errors : came, *open = *first ? ", said \"" : "";
    if (d->step == DEPLOY_SHELL)
        error_set(ret, RDD_E_IO,
                  "%s: deploying: the command there did not run /bin/sh: %s%s%s%s; is there a forced "
                  "command, or a shell without /bin/sh?", d->label, end, open, first,
                  *first ? "\"" : "");
    else
        error_set(ret, RDD_E_IO, "%s: deploying into %s: %s after %.1f of %.1f MB%s%s%s", d->label,
                  deploy_directory(d), end, (double)d->uploaded / 1e6,
                  (double)d->missing_size / 1e6, *errors ? ", said \"" : "", errors,
                  *errors ? "\"" : "");
}
