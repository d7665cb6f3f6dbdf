#include "hosts_entry.h"

#include "hosts_range.h"
#include "protocol.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char GRAMMAR[] = "[slots/][user@]host[:port] [key=value …]";
static const char KEYS[] = "slots, identity, jump, workdir, address";

/* -- Words ------------------------------------------------------------------------------------- */

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Whether `text` is a number, and nothing else. */
static bool is_number(const char *text)
{
    return *text && strspn(text, "0123456789") == strlen(text);
}

/* A number from 1 to `max`; 0 for anything else. */
static uint32_t parse_number(const char *text, uint32_t max)
{
    if (!is_number(text) || strlen(text) > 9)
        return 0;
    unsigned long number = strtoul(text, NULL, 10);
    return number <= max ? (uint32_t)number : 0;
}

/* The first character that may not be in a name, or NULL. `more` are allowed beyond letters,
 * digits, dots and hyphens. What is no ASCII may: the user's ssh configuration is free. */
static const char *bad_character(const char *text, const char *more)
{
    for (; *text; text++)
        if (!isalnum((unsigned char)*text) && (unsigned char)*text < 0x80 &&
            !strchr(".-_+", *text) && !strchr(more, *text))
            return text;
    return NULL;
}

/* Ends up in messages, but the terminal's own characters do not. */
static const char *show_character(const char *at, char text[8])
{
    snprintf(text, 8, (unsigned char)*at < ' ' || *at == 0x7f ? "\\x%02x" : "%c",
             (unsigned char)*at);
    return text;
}

/* `what` is "host name", "user" or "jump host". */
static int check_word(const char *what, const char *text, const char *more, rdd_error *err)
{
    char shown[8];
    if (strlen(text) >= HOST_NAME_SIZE_MAX)
        return error_set(err, RDD_E_USAGE, "a %s has at most %d characters", what,
                         HOST_NAME_SIZE_MAX - 1);
    if (!*text)
        return error_set(err, RDD_E_USAGE, "the %s is missing; give %s", what, GRAMMAR);
    if (*text == '-')
        return error_set(err, RDD_E_USAGE, "a %s cannot begin with \"-\"", what);
    const char *bad = bad_character(text, more);
    if (bad)
        return error_set(err, RDD_E_USAGE, "a %s has no '%s' in it%s", what,
                         show_character(bad, shown),
                         *bad == '{' ? "; ranges are written n[1-3]"
                         : *bad == '@' ? "; a file is @FILE and nothing else"
                                       : "");
    return 0;
}

/* "fe80::1%eth0" */
static bool is_ipv6(const char *text)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    const char *zone = strchr(text, '%');
    size_t size = zone ? (size_t)(zone - text) : strlen(text);
    if (size >= sizeof address || (zone && (!zone[1] || bad_character(zone + 1, ""))))
        return false;
    memcpy(address, text, size);
    address[size] = 0;
    return inet_pton(AF_INET6, address, &parsed) == 1;
}

/* -- [slots/][user@]host[:port] ---------------------------------------------------------------- */

static int parse_port(const char *text, host *h, rdd_error *err)
{
    h->port = (uint16_t)parse_number(text, UINT16_MAX);
    if (!h->port)
        return error_set(err, RDD_E_USAGE,
                         "the port behind \":\" must be a number from 1 to 65535");
    return 0;
}

static int set_slots(const char *text, host *h, rdd_error *err)
{
    if (h->slots)
        return error_set(err, RDD_E_USAGE, "its slots are given twice");
    h->slots = parse_number(text, SLOTS_MAX);
    if (!h->slots)
        return error_set(err, RDD_E_USAGE, "slots must be a number from 1 to %d, as in 4/n1; leave "
                                           "them out for as many as the node has processors",
                         SLOTS_MAX);
    return 0;
}

/* "[v6]" or "[v6]:port", in place. */
static int parse_ipv6(char *text, host *h, rdd_error *err)
{
    char *end = strchr(text, ']');
    if (!end || (end[1] && end[1] != ':'))
        return error_set(err, RDD_E_USAGE, "an IPv6 address is written [::1] or [::1]:22");
    *end = 0;
    h->name = text + 1;
    if (!is_ipv6(h->name))
        return error_set(err, RDD_E_USAGE, "%.60s is no IPv6 address", h->name);
    return end[1] ? parse_port(end + 2, h, err) : 0;
}

/* A host name that is no IPv6 address; it may have ranges. */
static int check_name(const char *text, rdd_error *err)
{
    /* 4 would be the address 0.0.0.4, which nobody means. */
    if (is_number(text))
        return error_set(err, RDD_E_USAGE, "a number is no host name; for slots write 4/n1, for "
                                           "this machine 4/:");
    return check_word("host name", text, "[],", err);
}

static int parse_name(char *text, host *h, rdd_error *err)
{
    if (!strcmp(text, ":")) {
        h->name = text;
        h->local = true;
        if (h->user)
            return error_set(err, RDD_E_USAGE, "\":\" is this machine without SSH, so it has no "
                                               "user; for SSH to it write %.60s@localhost",
                             h->user);
        return 0;
    }
    if (*text == '[' && strcspn(text, ":") < strcspn(text, "]"))
        return parse_ipv6(text, h, err);
    h->name = text;
    char *colon = strchr(text, ':');
    if (colon && strchr(colon + 1, ':'))
        return error_set(err, RDD_E_USAGE, "an IPv6 address goes into brackets, as in [::1] or "
                                           "[::1]:22");
    if (colon) {
        *colon = 0;
        int code = parse_port(colon + 1, h, err);
        if (code < 0)
            return code;
    }
    return check_name(text, err);
}

/* Slots before the host, as GNU parallel has them, or behind it, as distcc has. */
static int parse_slots(char **text, host *h, rdd_error *err)
{
    char *slash = strchr(*text, '/');
    if (!slash)
        return 0;
    *slash = 0;
    char *before = *text, *behind = slash + 1;
    if (strchr(behind, '/'))
        return error_set(err, RDD_E_USAGE, "there is more than one \"/\"; give %s", GRAMMAR);
    bool first = is_number(before) || !is_number(behind);
    *text = first ? behind : before;
    return set_slots(first ? before : behind, h, err);
}

static int parse_host(char *text, host *h, rdd_error *err)
{
    if (!strncasecmp(text, "ssh://", 6))
        text += 6;
    int code = parse_slots(&text, h, err);
    if (code < 0)
        return code;
    char *at = strrchr(text, '@'); /* the last one: a user may be name@domain */
    if (at) {
        *at = 0;
        h->user = text;
        text = at + 1;
        code = check_word("user", h->user, "@", err);
    }
    return code < 0 ? code : parse_name(text, h, err);
}

/* -- key=value --------------------------------------------------------------------------------- */

/* The value that begins at *at, which moves behind it. Quotes are taken off. */
static char *take_value(char **at)
{
    char *value = *at, *end;
    if (*value == '"') {
        end = strchr(++value, '"');
        if (!end || (end[1] && !is_blank(end[1])))
            return NULL;
    } else {
        end = value + strcspn(value, " \t\r");
    }
    *at = *end ? end + 1 : end;
    *end = 0;
    return value;
}

/* A path, for a message of ours and a program's argument; what it leads to is not our business. */
static int set_path(const char *key, char *value, bool absolute, char **field, rdd_error *err)
{
    if (absolute && *value != '/')
        return error_set(err, RDD_E_USAGE, "%s must be an absolute path", key);
    for (const char *at = value; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 0x7f)
            return error_set(err, RDD_E_USAGE, "%s has a control character in it", key);
    *field = value;
    return 0;
}

/* "none", or hosts as ssh -J takes them. All of them have the room of one. */
static int set_jump(char *value, host *h, rdd_error *err)
{
    for (const char *at = value;; at++) {
        if (!*at || *at == ',' || *at == '-')
            return error_set(err, RDD_E_USAGE, "jump must be [user@]host[:port], or several with "
                                               "commas between them and quotes around them");
        at += strcspn(at, ",");
        if (!*at)
            break;
    }
    h->jump = value;
    return check_word("jump host", value, "@:[],%/", err);
}

static int set_address(char *value, host *h, rdd_error *err)
{
    size_t size = strlen(value);
    if (*value == '[' && size > 2 && value[size - 1] == ']') {
        value[size - 1] = 0;
        value++;
    }
    h->address = value;
    return is_ipv6(value) ? 0 : check_word("address", value, "", err);
}

static int set_key(const char *key, char *value, host *h, rdd_error *err)
{
    char **field = !strcmp(key, "identity") ? &h->identity
                   : !strcmp(key, "jump")   ? &h->jump
                   : !strcmp(key, "workdir") ? &h->workdir
                   : !strcmp(key, "address") ? &h->address
                                             : NULL;
    if (!field && strcmp(key, "slots") != 0)
        return error_set(err, RDD_E_USAGE, "there is no key \"%.40s\"; there are %s", key, KEYS);
    if (!*value)
        return error_set(err, RDD_E_USAGE, "%s has no value", key);
    if (!field)
        return set_slots(value, h, err);
    if (*field)
        return error_set(err, RDD_E_USAGE, "%s is given twice", key);
    if (h->local)
        return error_set(err, RDD_E_USAGE, "%s makes no sense for \":\", this machine without SSH",
                         key);
    if (field == &h->jump)
        return set_jump(value, h, err);
    if (field == &h->address)
        return set_address(value, h, err);
    return set_path(key, value, field == &h->workdir, field, err);
}

static int parse_keys(char *at, host *h, rdd_error *err)
{
    while (*(at += strspn(at, " \t\r"))) {
        char *key = at;
        at += strcspn(at, "= \t\r");
        if (*at != '=') {
            *at = 0;
            return error_set(err, RDD_E_USAGE, "\"%.40s\" is no key=value; hosts are separated by "
                                               "commas or lines",
                             key);
        }
        *at++ = 0;
        char *value = take_value(&at);
        if (!value)
            return error_set(err, RDD_E_USAGE, "the quotes of %.40s do not match", key);
        int code = set_key(key, value, h, err);
        if (code < 0)
            return code;
    }
    return 0;
}

/* -- Entries ----------------------------------------------------------------------------------- */

int hosts_entry_parse(char *text, hosts_entry *ret, rdd_error *err)
{
    hosts_entry e = { .count = 1 };
    text += strspn(text, " \t\r");
    char *end = text + strcspn(text, " \t\r");
    char *keys = *end ? end + 1 : end;
    *end = 0;
    size_t equals = strcspn(text, "=");
    if (text[equals])
        return error_set(err, RDD_E_USAGE, "a host comes before its %.*s=…",
                         (int)size_min(equals, 40), text);
    int code = parse_host(text, &e.h, err);
    if (code == 0 && !e.h.local && !strchr(e.h.name, ':'))
        code = hosts_range_count(e.h.name, HOSTS_MAX, &e.count, err);
    if (code == 0)
        code = parse_keys(keys, &e.h, err);
    if (code < 0)
        return code;
    if (e.count > 1 && e.h.address)
        return error_set(err, RDD_E_USAGE, "one address for %zu hosts; give each its own entry",
                         e.count);
    *ret = e;
    return 0;
}

int hosts_entry_name(const hosts_entry *e, size_t index, char name[HOST_NAME_SIZE_MAX],
                     rdd_error *err)
{
    bool fits = strchr(e->h.name, '[')
                    ? hosts_range_name(e->h.name, e->count, index, name, HOST_NAME_SIZE_MAX)
                    : snprintf(name, HOST_NAME_SIZE_MAX, "%s", e->h.name) < HOST_NAME_SIZE_MAX;
    if (!fits)
        return error_set(err, RDD_E_USAGE, "a host name has at most %d characters",
                         HOST_NAME_SIZE_MAX - 1);
    return strchr(name, ':') ? 0 : check_name(name, err); /* ":" and addresses are checked */
}
