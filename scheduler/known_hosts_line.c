#include "known_hosts_line.h"

#include "base64.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

enum { SSH_PORT = 22 };

/* -- Host keys --------------------------------------------------------------------------------- */

bool host_key_type_name(const void *key, size_t key_size, char text[HOST_KEY_TYPE_MAX])
{
    const unsigned char *at = key;
    if (key_size < 4)
        return false;
    size_t size = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
    if (size < 1 || size >= HOST_KEY_TYPE_MAX || size > key_size - 4)
        return false;
    for (size_t i = 0; i < size; i++)
        if (!isgraph(at[4 + i]) || at[4 + i] == ',')
            return false;
    memcpy(text, at + 4, size);
    text[size] = 0;
    return true;
}

char *host_key_fingerprint(const void *key, size_t key_size, char text[HOST_KEY_FINGERPRINT_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    snprintf(text, HOST_KEY_FINGERPRINT_MAX, "SHA256:?");
    if (!EVP_Digest(key, key_size, digest, &size, EVP_sha256(), NULL) || size != 32)
        return text;
    char *at = text + strlen("SHA256:");
    for (size_t i = 0; i < size; i += 3, at += 4)
        base64_group(digest + i, size_min(size - i, 3), at);
    at[-1] = 0; /* the padding, which ssh-keygen leaves out */
    return text;
}

/* -- Names ------------------------------------------------------------------------------------- */

bool known_host_name(const char *host, uint16_t port, char name[KNOWN_HOST_NAME_MAX])
{
    int size = port == 0 || port == SSH_PORT
                   ? snprintf(name, KNOWN_HOST_NAME_MAX, "%s", host)
                   : snprintf(name, KNOWN_HOST_NAME_MAX, "[%s]:%u", host, port);
    if (size < 1 || size >= KNOWN_HOST_NAME_MAX)
        return false;
    for (char *at = name; *at; at++)
        *at = (char)tolower((unsigned char)*at);
    return true;
}

static bool hash_name(const char *name, const unsigned char salt[NAME_HASH_SIZE],
                      unsigned char hash[NAME_HASH_SIZE])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (!HMAC(EVP_sha1(), salt, NAME_HASH_SIZE, (const unsigned char *)name, strlen(name), digest,
              &size) ||
        size != NAME_HASH_SIZE)
        return false;
    memcpy(hash, digest, NAME_HASH_SIZE);
    return true;
}

/* Whether all of `name` is what a pattern with * and ? stands for. A * takes as little as will do
 * and is gone back to once more for each character: no pattern takes long. */
static bool matches(const char *name, const char *pattern, const char *pattern_end)
{
    const char *star = NULL, *retry = NULL;
    while (*name) {
        if (pattern < pattern_end && *pattern == '*') {
            star = ++pattern;
            retry = name;
        } else if (pattern < pattern_end &&
                   (*pattern == '?' || tolower((unsigned char)*pattern) == (unsigned char)*name)) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++retry;
        } else {
            return false;
        }
    }
    while (pattern < pattern_end && *pattern == '*')
        pattern++;
    return pattern == pattern_end;
}

/* A pattern with a "!" that matches excludes the host, wherever it stands. */
static bool list_matches(const char *list, const char *name)
{
    bool found = false;
    for (const char *at = list; *at;) {
        const char *end = strchrnul(at, ',');
        bool not = *at == '!';
        if (matches(name, at + not, end)) {
            if (not)
                return false;
            found = true;
        }
        at = *end ? end + 1 : end;
    }
    return found;
}

bool known_host_line_is_for(const known_host_line *line, const char *name)
{
    unsigned char hash[NAME_HASH_SIZE];
    if (!line->hashed)
        return list_matches(line->names, name);
    return hash_name(name, line->salt, hash) && !memcmp(hash, line->hash, sizeof hash);
}

/* -- Lines ------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of [*at, end), which moves behind it; empty at the end. */
static rdd_str next_word(const char **at, const char *end)
{
    const char *start = *at;
    while (start < end && is_blank(*start))
        start++;
    const char *stop = start;
    while (stop < end && !is_blank(*stop))
        stop++;
    *at = stop;
    return (rdd_str){ .data = start, .size = (size_t)(stop - start) };
}

static bool word_is(rdd_str word, const char *text)
{
    return word.size == strlen(text) && !memcmp(word.data, text, word.size);
}

/* 20 bytes of base64. */
static bool parse_hash(const char *text, size_t size, unsigned char ret[NAME_HASH_SIZE])
{
    unsigned char bytes[NAME_HASH_SIZE + 4];
    size_t made;
    if (size > 28 || !base64_decode(text, size, bytes, &made) || made != NAME_HASH_SIZE)
        return false;
    memcpy(ret, bytes, NAME_HASH_SIZE);
    return true;
}

/* "|1|salt|hash" */
static bool parse_hashed(rdd_str word, known_host_line *line)
{
    if (word.size < 4 || memcmp(word.data, "|1|", 3) != 0)
        return false;
    const char *salt = word.data + 3, *end = word.data + word.size;
    const char *bar = memchr(salt, '|', (size_t)(end - salt));
    line->hashed = true;
    return bar && parse_hash(salt, (size_t)(bar - salt), line->salt) &&
           parse_hash(bar + 1, (size_t)(end - bar - 1), line->hash);
}

/* The base64 of a key of the type that is named before it. */
static line_verdict parse_key(rdd_str type, rdd_str word, arena *a, known_host_line *line)
{
    char name[HOST_KEY_TYPE_MAX];
    if (!word.size || word.size / 4 * 3 > HOST_KEY_SIZE_MAX)
        return LINE_BAD;
    unsigned char *key = arena_alloc(a, word.size / 4 * 3 + 3);
    if (!key)
        return LINE_NO_MEMORY;
    if (!base64_decode(word.data, word.size, key, &line->key_size) ||
        !host_key_type_name(key, line->key_size, name) || !word_is(type, name))
        return LINE_BAD;
    line->key = key;
    return LINE_GOOD;
}

line_verdict known_host_line_parse(const char *text, size_t size, arena *a, known_host_line *ret)
{
    const char *at = text, *end = text + size;
    known_host_line line = { .mark = MARK_NONE };
    rdd_str word = next_word(&at, end);
    if (!word.size || *word.data == '#')
        return LINE_EMPTY;
    if (memchr(text, 0, size))
        return LINE_BAD;
    if (*word.data == '@') {
        if (word_is(word, "@revoked"))
            line.mark = MARK_REVOKED;
        else if (word_is(word, "@cert-authority"))
            line.mark = MARK_AUTHORITY;
        else
            return LINE_BAD;
        word = next_word(&at, end);
    }
    if (!word.size || (*word.data == '|' && !parse_hashed(word, &line)))
        return LINE_BAD;
    rdd_str type = next_word(&at, end);
    line_verdict verdict = parse_key(type, next_word(&at, end), a, &line);
    if (verdict != LINE_GOOD)
        return verdict;
    line.names = line.hashed ? NULL : arena_copy(a, word.data, word.size);
    if (!line.hashed && !line.names)
        return LINE_NO_MEMORY;
    *ret = line;
    return LINE_GOOD;
}

bool known_host_line_print(const char *name, const void *key, size_t key_size, bool hash, buf *out)
{
    char type[HOST_KEY_TYPE_MAX];
    if (!host_key_type_name(key, key_size, type))
        return false;
    if (hash) {
        unsigned char salt[NAME_HASH_SIZE], hashed[NAME_HASH_SIZE];
        if (getrandom(salt, sizeof salt, 0) != sizeof salt || !hash_name(name, salt, hashed))
            return false;
        buf_text(out, "|1|");
        base64_print(salt, sizeof salt, out);
        buf_char(out, '|');
        base64_print(hashed, sizeof hashed, out);
    } else {
        buf_text(out, name);
    }
    buf_format(out, " %s ", type);
    base64_print(key, key_size, out);
    buf_char(out, '\n');
    return true;
}
