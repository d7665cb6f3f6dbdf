#include "secrets.h"

#include <ctype.h>
#include <strings.h>

static const char MASK[] = "***";

/* Anywhere in a name. */
static const char *const TELLING[] = { "password", "passwd", "passphrase", "secret", "token",
                                       "bearer", "cookie", "credential", "signature",
                                       "authoriz" };

/* At the end of a name only: a path with "keys" in it is no secret. */
static const char *const ENDINGS[] = { "key", "auth", "pass", "pwd" };

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* The size of a telling name's part that begins at `at`, or 0. */
static size_t telling_at(const char *at, const char *end)
{
    for (size_t i = 0; i < ARRAY_SIZE(TELLING); i++) {
        size_t size = strlen(TELLING[i]);
        if ((size_t)(end - at) >= size && strncasecmp(at, TELLING[i], size) == 0)
            return size;
    }
    for (size_t i = 0; i < ARRAY_SIZE(ENDINGS); i++) {
        size_t size = strlen(ENDINGS[i]);
        if ((size_t)(end - at) >= size && strncasecmp(at, ENDINGS[i], size) == 0 &&
            (at + size == end || !is_name(at[size])))
            return size;
    }
    return 0;
}

static bool is_separator(char c)
{
    return c == '=' || c == ':' || c == ' ';
}

/* Where the first secret value begins, behind its separator; `end` if there is none. A telling name
 * that has no value here is told by `ret_name`. */
static const char *value_find(const char *word, const char *end, bool *ret_name)
{
    *ret_name = false;
    for (const char *at = word; at < end; at++) {
        size_t name = telling_at(at, end);
        if (!name)
            continue;
        *ret_name = true;
        for (at += name; at < end && !is_separator(*at);)
            at++;
        while (at < end && is_separator(*at))
            at++;
        return at;
    }
    return end;
}

/* "https://me:pw@host" without "me:pw". */
static void append_without_user(buf *out, const char *at, const char *end)
{
    while (at < end) {
        const char *slashes = memmem(at, (size_t)(end - at), "://", 3);
        if (!slashes)
            break;
        const char *host = slashes + 3, *stop = host, *user_end = NULL;
        for (; stop < end && !strchr("/?# ", *stop); stop++)
            if (*stop == '@')
                user_end = stop;
        buf_append(out, at, (size_t)(host - at));
        if (user_end) {
            buf_text(out, MASK);
            host = user_end;
        }
        buf_append(out, host, (size_t)(stop - host));
        at = stop;
    }
    buf_append(out, at, (size_t)(end - at));
}

bool secrets_mask(buf *out, const char *word, size_t size)
{
    bool named;
    const char *end = word + size, *value = value_find(word, end, &named);
    append_without_user(out, word, value);
    if (value < end) {
        buf_text(out, MASK);
        return false;
    }
    return named && size && *word == '-' && !is_separator(end[-1]);
}
