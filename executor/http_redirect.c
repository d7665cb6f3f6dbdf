/* http_redirect.c: where a redirect leads, see http_wire.h. URLs are taken apart by libcurl alone,
 * since whoever reads them in another way can be talked into sending a secret to a stranger. */
#include "http_wire.h"

#include <curl/curl.h>
#include <strings.h>


/* Both have the part and it is the same, or both have none. */
static bool same_part(CURLU *a, CURLU *b, CURLUPart part, unsigned flags)
{
    char *in_a = NULL, *in_b = NULL;
    CURLUcode code_a = curl_url_get(a, part, &in_a, flags);
    CURLUcode code_b = curl_url_get(b, part, &in_b, flags);
    bool same = code_a == code_b && (code_a != CURLUE_OK || !strcasecmp(in_a, in_b));
    curl_free(in_a);
    curl_free(in_b);
    return same;
}

static void copy_part(CURLU *from, CURLU *to, CURLUPart part)
{
    char *text = NULL;
    if (curl_url_get(from, part, &text, 0) == CURLUE_OK)
        curl_url_set(to, part, text, 0);
    curl_free(text);
}

static bool is_http(CURLU *url)
{
    char *scheme = NULL;
    bool http = curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
                (!strcasecmp(scheme, "http") || !strcasecmp(scheme, "https"));
    curl_free(scheme);
    return http;
}

static void free_url(CURLU **url)
{
    curl_url_cleanup(*url);
}

char *wire_redirect(const char *from, const char *to, bool *ret_same_origin)
{
    CLEANUP(free_url) CURLU *a = curl_url(), *b = curl_url();
    if (!a || !b || curl_url_set(a, CURLUPART_URL, from, 0) != CURLUE_OK ||
        curl_url_set(b, CURLUPART_URL, to, 0) != CURLUE_OK || !is_http(b))
        return NULL;
    bool same = same_part(a, b, CURLUPART_SCHEME, 0) && same_part(a, b, CURLUPART_HOST, 0) &&
                same_part(a, b, CURLUPART_PORT, CURLU_DEFAULT_PORT);
    char *user = NULL;
    if (same && curl_url_get(b, CURLUPART_USER, &user, 0) == CURLUE_NO_USER) {
        copy_part(a, b, CURLUPART_USER);
        copy_part(a, b, CURLUPART_PASSWORD);
    }
    curl_free(user);
    char *text = NULL;
    if (curl_url_get(b, CURLUPART_URL, &text, 0) != CURLUE_OK)
        return NULL;
    char *copy = strdup(text);
    curl_free(text);
    *ret_same_origin = same;
    return copy;
}
