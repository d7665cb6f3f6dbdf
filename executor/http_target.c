#include "http_target.h"

#include <curl/curl.h>
#include <string.h>

/* Up to the slash behind the host. */
static size_t base_size_of(rdd_str url)
{
    size_t slashes = 0, i = 0;
    while (i < url.size && (slashes += url.data[i] == '/') < 3)
        i++;
    return i;
}

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Nothing that only libcurl knows how to take: users, zones, international names. */
static bool base_is_plain(const char *base, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!is_alnum(base[i]) && !strchr(":/.-_", base[i]))
            return false;
    return true;
}

static bool is_hex_letter(char c)
{
    return (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* True when setting path and query gives what parsing them gives: nothing that is cut off (a fragment, a lone
 * question mark), resolved ("/.") or written in another case ("%2F"). */
static bool rest_is_plain(const char *at)
{
    if (*at != '/')
        return false;
    for (; *at; at++) {
        switch (*at) {
        case '#':
        case '\\': return false;
        case '?':
            if (!at[1])
                return false;
            break;
        case '/':
            if (at[1] == '.')
                return false;
            break;
        case '%':
            if (is_hex_letter(at[1]) || (at[1] && is_hex_letter(at[2])))
                return false;
            break;
        default: break;
        }
    }
    return true;
}

static bool replace_rest(http_target *t)
{
    char *path = t->url.data + t->base_size, *query = strchr(path, '?');
    if (query)
        *query = 0;
    CURLUcode code = curl_url_set(t->parsed, CURLUPART_PATH, path, 0);
    if (query)
        *query++ = '?';
    return !code && !curl_url_set(t->parsed, CURLUPART_QUERY, query, 0);
}

static bool parse(http_target *t)
{
    if (!t->parsed && !(t->parsed = curl_url()))
        return false;
    return !curl_url_set(t->parsed, CURLUPART_URL, t->url.data, 0);
}

static bool write_url(buf *to, rdd_str url, size_t base_size)
{
    buf_clear(to);
    buf_append(to, url.data, base_size);
    for (size_t i = base_size; i < url.size; i++) {
        if ((unsigned char)url.data[i] < 0x80)
            buf_char(to, url.data[i]);
        else
            buf_format(to, "%%%02X", (unsigned char)url.data[i]);
    }
    return buf_terminate(to);
}

bool http_target_set(http_target *t, void *easy, rdd_str url)
{
    size_t base_size = base_size_of(url);
    bool same = t->base_size && t->base_size == base_size &&
                !memcmp(t->url.data, url.data, base_size);
    t->base_size = 0;
    if (!write_url(&t->url, url, base_size))
        return false;
    bool plain = rest_is_plain(t->url.data + base_size) &&
                 (same || base_is_plain(url.data, base_size));
    if (plain) {
        t->base_size = base_size;
        plain = same ? replace_rest(t) : parse(t);
    }
    if (!plain)
        t->base_size = 0;
    if (plain != t->in_use)
        curl_easy_setopt(easy, CURLOPT_CURLU, plain ? t->parsed : NULL);
    t->in_use = plain;
    /* Also when it takes the parsed one: a request that is sent again on a new connection uses this. */
    return curl_easy_setopt(easy, CURLOPT_URL, t->url.data) == CURLE_OK;
}

void http_target_release(http_target *t)
{
    curl_url_cleanup(t->parsed);
    buf_release(&t->url);
}
