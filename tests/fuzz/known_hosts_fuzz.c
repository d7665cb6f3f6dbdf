/* known_hosts_fuzz.c: lines of known_hosts files. The input up to a NUL is the host that is looked
 * up, the rest is the file.
 *
 * What a line is for is found again, and a line that we write is read back as it was.
 */
#include "arena.h"
#include "known_hosts_line.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "known_hosts_fuzz: %s\n", what);
    abort();
}

/* Hashed or not, it is for the name and has the key. */
static void check_print(const known_host_line *line, bool hash, arena *a)
{
    buf b = { 0 };
    known_host_line again;
    check(known_host_line_print("n1.example.org", line->key, line->key_size, hash, &b), "not printed");
    check(known_host_line_parse(b.data, b.size - 1, a, &again) == LINE_GOOD, "not read back");
    check(again.hashed == hash && again.mark == MARK_NONE, "another kind of line");
    check(known_host_line_is_for(&again, "n1.example.org"), "not for its own name");
    check(!known_host_line_is_for(&again, "n2.example.org"), "for any name");
    check(again.key_size == line->key_size && !memcmp(again.key, line->key, line->key_size),
          "another key");
    buf_release(&b);
}

static void check_line(const known_host_line *line, const char *name, arena *a)
{
    char type[HOST_KEY_TYPE_MAX], fingerprint[HOST_KEY_FINGERPRINT_MAX];
    check(line->hashed ? !line->names : line->names && *line->names, "no name");
    check(host_key_type_name(line->key, line->key_size, type) && *type, "a key without a type");
    check(strlen(host_key_fingerprint(line->key, line->key_size, fingerprint)) == 50, "no fingerprint");
    known_host_line_is_for(line, name);
    if (!line->hashed && !strpbrk(line->names, "*?!,") && strlen(line->names) < KNOWN_HOST_NAME_MAX) {
        char own[KNOWN_HOST_NAME_MAX];
        check(known_host_name(line->names, 0, own) && known_host_line_is_for(line, own),
              "not for the name in it");
    }
    check_print(line, false, a);
    check_print(line, true, a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *nul = memchr(data, 0, size);
    size_t host_size = nul ? (size_t)(nul - data) : 0;
    char host[KNOWN_HOST_NAME_MAX] = "", name[KNOWN_HOST_NAME_MAX];
    if (!nul || host_size >= sizeof host || size > 1 << 16)
        return 0;
    if (host_size)
        memcpy(host, data, host_size);
    if (!known_host_name(host, host_size % 2 ? 2222 : 22, name))
        return 0;
    arena a = { 0 };
    const char *at = (const char *)nul + 1, *end = (const char *)data + size;
    for (const char *stop; at < end; at = stop + 1) {
        stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop)
            stop = end;
        known_host_line line;
        if (known_host_line_parse(at, (size_t)(stop - at), &a, &line) == LINE_GOOD)
            check_line(&line, name, &a);
    }
    arena_release(&a);
    return 0;
}
