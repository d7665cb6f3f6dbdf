#include "hosts.h"

#include "hosts_entry.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FILE_SIZE_MAX = 4 << 20, SHOWN_MAX = 80 };

/* -- The list ---------------------------------------------------------------------------------- */

static void host_release(host *h)
{
    free(h->name);
    free(h->user);
    free(h->identity);
    free(h->jump);
    free(h->workdir);
    free(h->address);
}

static void list_cut(host_list *list, size_t count)
{
    while (list->count > count)
        host_release(&list->items[--list->count]);
}

void host_list_release(host_list *list)
{
    list_cut(list, 0);
    free(list->items);
    *list = (host_list){ 0 };
}

void host_describe(const host *h, char *text, size_t size)
{
    if (h->local) {
        snprintf(text, size, "this machine");
        return;
    }
    bool brackets = h->port && strchr(h->name, ':');
    char port[8] = "";
    if (h->port)
        snprintf(port, sizeof port, ":%u", h->port);
    snprintf(text, size, "%s%s%s%s%s%s", h->user ? h->user : "", h->user ? "@" : "",
             brackets ? "[" : "", h->name, brackets ? "]" : "", port);
}

/* Sets *ok to false without memory. */
static char *copy_text(const char *text, bool *ok)
{
    char *copy = text ? strdup(text) : NULL;
    *ok &= copy || !text;
    return copy;
}

static bool host_copy(const host *from, const char *name, host *ret)
{
    bool ok = true;
    *ret = *from;
    ret->name = copy_text(name, &ok);
    ret->user = copy_text(from->user, &ok);
    ret->identity = copy_text(from->identity, &ok);
    ret->jump = copy_text(from->jump, &ok);
    ret->workdir = copy_text(from->workdir, &ok);
    ret->address = copy_text(from->address, &ok);
    if (!ok)
        host_release(ret);
    return ok;
}

/* -- Parsing a text ---------------------------------------------------------------------------- */

/* Where a host of the list came from, and a hash that differs for most that differ. */
typedef struct origin {
    uint32_t line; /* 0: an earlier text */
    uint32_t hash;
} origin;

typedef struct parser {
    const char *where;
    bool lines;       /* the text has several */
    uint32_t line;    /* of the entry, from 1 */
    host_list *list;
    origin *origins;  /* of each in the list */
} parser;

static uint32_t host_hash(const host *h)
{
    uint64_t hash = h->port;
    for (const char *at = h->name; *at; at++)
        hash = hash * 31 + (uint64_t)(unsigned char)(*at | 0x20); /* upper and lower case alike */
    return (uint32_t)(hash ^ hash >> 32);
}

static bool same_user(const host *a, const host *b)
{
    return a->user && b->user ? !strcmp(a->user, b->user) : a->user == b->user;
}

/* The same host, user and port as written: the ssh configuration may know better. */
static bool same_host(const host *a, const host *b)
{
    return a->port == b->port && same_user(a, b) && !strcasecmp(a->name, b->name);
}

static int parser_init(parser *p, const char *text, const char *where, host_list *list,
                       rdd_error *err)
{
    *p = (parser){ where, strchr(text, '\n') != NULL, 1, list, NULL };
    host *items = realloc(list->items, HOSTS_MAX * sizeof *items);
    if (!items)
        return error_set_memory(err, "reading hosts");
    list->items = items;
    p->origins = calloc(HOSTS_MAX, sizeof *p->origins);
    if (!p->origins)
        return error_set_memory(err, "reading hosts");
    for (size_t i = 0; i < list->count; i++)
        p->origins[i].hash = host_hash(&items[i]);
    return 0;
}

static int check_duplicate(const parser *p, const host *h, uint32_t hash, rdd_error *err)
{
    for (size_t i = 0; i < p->list->count; i++) {
        if (p->origins[i].hash != hash || !same_host(&p->list->items[i], h))
            continue;
        char name[SHOWN_MAX], place[64] = "before";
        host_describe(h, name, sizeof name);
        if (p->origins[i].line && p->lines)
            snprintf(place, sizeof place, "on line %u", p->origins[i].line);
        return error_set(err, RDD_E_USAGE, "%s is host number %zu (%s) and host number %zu; name "
                                           "it once, with more slots if need be",
                         name, i + 1, place, p->list->count + 1);
    }
    return 0;
}

static int add_host(parser *p, const hosts_entry *e, size_t index, rdd_error *err)
{
    char name[HOST_NAME_SIZE_MAX];
    int code = hosts_entry_name(e, index, name, err);
    if (code < 0)
        return code;
    if (p->list->count >= HOSTS_MAX)
        return error_set(err, RDD_E_LIMIT, "more than %d hosts", HOSTS_MAX);
    host h = e->h;
    h.name = name;
    uint32_t hash = host_hash(&h);
    code = check_duplicate(p, &h, hash, err);
    if (code < 0)
        return code;
    if (!host_copy(&e->h, name, &p->list->items[p->list->count]))
        return error_set_memory(err, "reading hosts");
    p->origins[p->list->count++] = (origin){ p->line, hash };
    return 0;
}

static void add_where(const char *where, rdd_error *err)
{
    if (*where)
        error_prefix(err, "%.200s: ", where);
}

/* "hosts.txt line 3: "n[3-1]": " before what is wrong. */
static void add_place(const parser *p, const char *entry, size_t size, rdd_error *err)
{
    if (!err || err->code == RDD_E_MEMORY)
        return;
    const char *dots = size > SHOWN_MAX ? "…" : "";
    int shown = (int)size_min(size, SHOWN_MAX);
    error_prefix(err, "\"%.*s%s\": ", shown, entry, dots);
    if (p->lines)
        error_prefix(err, "%.200s%sline %u: ", p->where, *p->where ? " " : "", p->line);
    else
        add_where(p->where, err);
}

static int parse_entry(parser *p, const char *entry, size_t size, rdd_error *err)
{
    char text[HOSTS_ENTRY_MAX];
    hosts_entry e;
    int code;
    if (size >= sizeof text) {
        code = error_set(err, RDD_E_LIMIT, "an entry has at most %d characters",
                         HOSTS_ENTRY_MAX - 1);
    } else {
        memcpy(text, entry, size);
        text[size] = 0;
        code = hosts_entry_parse(text, &e, err);
        for (size_t i = 0; code == 0 && i < e.count; i++)
            code = add_host(p, &e, i, err);
    }
    if (code < 0)
        add_place(p, entry, size, err);
    return code;
}

/* The end of the entry at `at`: a comma, a line's end or a comment, none of them in quotes; commas
 * in brackets are a range's. An entry has one line, so brackets and quotes end there. */
static const char *entry_end(const char *at)
{
    bool quoted = false, bracket = false;
    for (char before = ' '; *at && *at != '\n'; before = *at++) {
        if (quoted) {
            quoted = *at != '"';
            continue;
        }
        quoted = *at == '"' && before == '=';
        bracket = *at == '[' || (bracket && *at != ']');
        if ((*at == ',' && !bracket) || (*at == '#' && (before == ' ' || before == '\t')))
            break;
    }
    return at;
}

static size_t trim(const char *at, const char *end)
{
    while (end > at && strchr(" \t\r", end[-1]))
        end--;
    return (size_t)(end - at);
}

static int parse_entries(parser *p, const char *at, rdd_error *err)
{
    while (*at) {
        at += strspn(at, " \t\r,");
        const char *end = entry_end(at);
        size_t size = trim(at, end);
        int code = size ? parse_entry(p, at, size, err) : 0;
        if (code < 0)
            return code;
        at = *end == '#' ? end + strcspn(end, "\n") : end;
        if (*at == '\n')
            p->line++;
        at += *at != 0;
    }
    return 0;
}

int hosts_parse(const char *text, const char *where, host_list *list, rdd_error *err)
{
    parser p = { 0 };
    size_t before = list->count;
    int code = parser_init(&p, text, where, list, err);
    if (code == 0)
        code = parse_entries(&p, text, err);
    if (code == 0 && list->count == before) {
        code = error_set(err, RDD_E_USAGE, "no hosts; give some, as in n1,4/n2,user@n3:2222");
        add_where(where, err);
    }
    if (code < 0)
        list_cut(list, before);
    if (!list->count)
        host_list_release(list);
    free(p.origins);
    return code;
}

/* -- Files, and what --master says ------------------------------------------------------------- */

/* Heap. A shell leaves the ~ of "ssh:@~/hosts" as it is. */
static char *expand_home(const char *path)
{
    const char *home = getenv("HOME");
    char *full = NULL;
    if (strncmp(path, "~/", 2) != 0 || !home)
        return strdup(path);
    return asprintf(&full, "%s%s", home, path + 1) < 0 ? NULL : full;
}

/* All of it, so that a pipe will do: ssh:@<(…). */
static int read_all(int fd, buf *b, const char *path, rdd_error *err)
{
    for (;;) {
        char *room = buf_reserve(b, KIB(16));
        if (!room)
            return b->size + KIB(16) > FILE_SIZE_MAX
                       ? error_set(err, RDD_E_LIMIT, "%.200s: a hosts file has at most %d MiB",
                                   path,
                                   FILE_SIZE_MAX >> 20)
                       : error_set_memory(err, "reading hosts");
        ssize_t got = read(fd, room, KIB(16));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, RDD_E_IO, errno, "%.200s: the hosts file cannot be read",
                                   path);
        if (got == 0)
            return 0;
        b->size += (size_t)got;
    }
}

int hosts_read(const char *path, host_list *list, rdd_error *err)
{
    CLEANUP(freep) char *full = expand_home(path);
    if (!full)
        return error_set_memory(err, "reading hosts");
    CLEANUP(closep) int fd = open(full, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, RDD_E_IO, errno, "%.200s: the hosts file cannot be read", path);
    CLEANUP(buf_release) buf b = { .max = FILE_SIZE_MAX };
    int code = read_all(fd, &b, path, err);
    if (code < 0)
        return code;
    const char *text = buf_terminate(&b);
    if (!text)
        return error_set_memory(err, "reading hosts");
    if (strlen(text) != b.size)
        return error_set(err, RDD_E_USAGE, "%.200s: this is no hosts file: it has a NUL byte in it",
                         path);
    bool mark = !strncmp(text, "\xef\xbb\xbf", 3); /* some editors begin a file so */
    return hosts_parse(text + 3 * mark, path, list, err);
}

int hosts_of_master(const char *text, const char *where, host_list *list, char **ret_file,
                    rdd_error *err)
{
    *ret_file = NULL;
    if (!*text) {
        where = "RDD_HOSTS";
        text = getenv("RDD_HOSTS");
        if (!text || !*text)
            return error_set(err, RDD_E_USAGE, "no hosts; give ssh://n1,4/n2 or ssh:@FILE, or set "
                                               "RDD_HOSTS");
    }
    if (*text != '@')
        return hosts_parse(text, where, list, err);
    CLEANUP(freep) char *file = expand_home(text + 1);
    if (!file)
        return error_set_memory(err, "reading hosts");
    int code = hosts_read(file, list, err);
    if (code < 0)
        add_where(where, err);
    else
        *ret_file = TAKE(file);
    return code;
}
