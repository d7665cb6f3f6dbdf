/* hosts_fuzz.c: the grammar of hosts. What it takes must be safe as a program's argument, and must
 * read the same when it is written down again.
 */
#include "hosts.h"

#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "hosts_fuzz: %s\n", what);
    abort();
}

static void check_word(const char *word)
{
    check(word == NULL || (*word && *word != '-'), "a word that may be taken for an option");
    check(word == NULL || !strpbrk(word, " \t\r\n\"'`$;&|<>(){}*?!\\"),
          "a word that a shell knows");
}

static void check_again(const host *h)
{
    char text[800], place[600];
    host_describe(h, place, sizeof place);
    /* A bare IPv6 address is described without its brackets. */
    bool bare = strchr(h->name, ':') && !h->port;
    if (h->local)
        snprintf(place, sizeof place, ":");
    size_t user = h->user && bare && !h->local ? strlen(h->user) + 1 : 0;
    snprintf(text, sizeof text, "%u/%.*s%s%.550s%s", h->slots ? h->slots : 1, (int)user, place,
             bare && !h->local ? "[" : "", place + user, bare && !h->local ? "]" : "");
    host_list list = { 0 };
    rdd_error err = { 0 };
    if (hosts_parse(text, "again", &list, &err) < 0) {
        fprintf(stderr, "%s: %s\n", text, err.message);
        check(false, "not taken again");
    }
    check(list.count == 1, "another count");
    check(!strcmp(list.items[0].name, h->name), "another name");
    check(list.items[0].port == h->port && list.items[0].local == h->local, "another port");
    host_list_release(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    if (size)
        memcpy(text, data, size);
    text[size] = 0;
    host_list list = { 0 };
    rdd_error err = { 0 };
    int code = hosts_parse(text, "fuzz", &list, &err);
    check(code == 0 ? list.count > 0 : list.count == 0 && err.message[0], "neither hosts nor an "
                                                                          "error");
    check(list.count <= HOSTS_MAX, "too many");
    for (size_t i = 0; i < list.count; i++) {
        const host *h = &list.items[i];
        check_word(h->name);
        check_word(h->user);
        check_word(h->jump);
        check_word(h->address);
        if (i < 64)
            check_again(h);
    }
    host_list_release(&list);
    free(text);
    return 0;
}
